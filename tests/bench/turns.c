// weir-turns count|cycles [WORKLOAD...]: what one packet costs the switch, without a link
// underneath. A real configuration, a real worker turn; source and sink are links of this file's
// own driver, in memory. Addresses are learned first, so nothing floods that should not.
//
//   count    for callgrind: one dump per workload, which covers the measured turns only
//   cycles   TSC cycles per packet, least of many runs: "WORKLOAD CYCLES OF_THOSE_DRIVER"
//
// Every frame is made anew from a pool's buffer and freed by the sink, as a guest port does it.
// What that costs stands in functions of this file and is reported apart.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <valgrind/callgrind.h>

#include "control_priv.h"
#include "dp_of.h"
#include "switch_priv.h"
#include "weir_rcu.h"

enum {
	MAX_LINKS = 4,
	LEARN_TURNS = 4000, // at most
	COUNT_TURNS = 1000, // of 32 frames per sender: each of 10,000 addresses three times
	CYCLE_TURNS = 640,
	CYCLE_RUNS = 60,
	TURN_NS = 10000,
	ETH_P_IP4 = 0x0800,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	STORAGE_PORT = 3260,
};

struct workload {
	const char *name;
	const char *ports; // of the configuration: members of the list of interfaces, and more
	uint32_t n_macs;   // per port
	uint16_t size;	   // bytes, without FCS
	uint8_t proto;
	bool flood;	   // the first port sends to all, the others send nothing
	uint16_t tag[2];   // VLAN tag that the frames of a and b carry
	uint8_t n_flows;   // connections with a storage portal, one after the other; 0 = none
	uint8_t tables;	   // enum tables
	uint16_t n_sports; // source ports, one after the other; 0 = one
};

// What OpenFlow tables say, when they are on: from a to b and back. BY_ACL: a list of two rules
// that let all go on to a table with a rule per port.
enum tables { NO_TABLES, BY_PORT, BY_ADDRESS, BY_NORMAL, BY_ACL };

#define GUEST(name, more)                                                                          \
	"{\"name\":\"" name "\",\"type\":\"weir-interfaces:guest\",\"weir-interfaces:port\":{"     \
	"\"device\":\"" name "\"" more                                                             \
	",\"admit\":{\"mac-limit\":0,\"unknown-unicast-limit\":0,\"broadcast-limit\":0}}}"
#define UPLINK(name, more)                                                                         \
	"{\"name\":\"" name "\",\"type\":\"weir-interfaces:uplink\",\"weir-interfaces:port\":{"    \
	"\"device\":\"" name "\"" more "}}"
#define NIC(vm, port, n)                                                                           \
	"{\"name\":\"" vm "\",\"nic\":[{\"id\":0,\"mac\":\"02:00:00:00:00:0" n "\",\"interface\":" \
	"\"" port "\",\"ipv4-address\":[\"10.0.0." n "\"]}]}"
#define INTERFACES(list) "\"ietf-interfaces:interfaces\":{\"interface\":[" list "]}"
#define TWO_GUESTS INTERFACES(GUEST("a", "") "," GUEST("b", ""))
#define TWO_VMS                                                                                    \
	TWO_GUESTS ",\"weir-vm:vms\":{\"vm\":[" NIC("va", "a", "1") "," NIC("vb", "b", "2") "]}"
#define GUEST_AND_TRUNK INTERFACES(GUEST("a", ",\"vlan\":20") "," UPLINK("b", ""))
#define TWO_PORTS INTERFACES(GUEST("a", "") "," UPLINK("b", ""))
#define FOUR_GUESTS                                                                                \
	INTERFACES(GUEST("a", "") "," GUEST("b", "") "," GUEST("c", "") "," GUEST("d", ""))
#define STORAGE                                                                                    \
	",\"weir-qos:storage\":{\"portal\":[{\"address\":\"10.0.0.2\",\"protocol\":\"tcp\","       \
	"\"port\":3260}]}"

static const struct workload workloads[] = {
	{ "guest-1", TWO_GUESTS, 1, 60, PROTO_UDP, false, { 0, 0 }, 0, NO_TABLES, 0 },
	{ "guest-1k", TWO_GUESTS, 1000, 60, PROTO_UDP, false, { 0, 0 }, 0, NO_TABLES, 0 },
	{ "guest-10k", TWO_GUESTS, 10000, 60, PROTO_UDP, false, { 0, 0 }, 0, NO_TABLES, 0 },
	{ "guest-1-tcp", TWO_GUESTS, 1, 60, PROTO_TCP, false, { 0, 0 }, 0, NO_TABLES, 0 },
	{ "guest-1-1518", TWO_GUESTS, 1, 1514, PROTO_UDP, false, { 0, 0 }, 0, NO_TABLES, 0 },
	{ "vm-1", TWO_VMS, 1, 60, PROTO_UDP, false, { 0, 0 }, 0, NO_TABLES, 0 },
	{ "vm-1-storage", TWO_VMS STORAGE, 1, 60, PROTO_TCP, false, { 0, 0 }, 1, NO_TABLES, 0 },
	{ "vm-1-storage8", TWO_VMS STORAGE, 1, 60, PROTO_TCP, false, { 0, 0 }, 8, NO_TABLES, 0 },
	{ "uplink-1k", TWO_PORTS, 1000, 60, PROTO_UDP, false, { 0, 0 }, 0, NO_TABLES, 0 },
	{ "trunk-1k", GUEST_AND_TRUNK, 1000, 60, PROTO_UDP, false, { 0, 20 }, 0, NO_TABLES, 0 },
	{ "of-1", TWO_GUESTS, 1, 60, PROTO_UDP, false, { 0, 0 }, 0, BY_PORT, 0 },
	{ "of-1k", TWO_GUESTS, 1000, 60, PROTO_UDP, false, { 0, 0 }, 0, BY_PORT, 0 },
	{ "of-10k", TWO_GUESTS, 10000, 60, PROTO_UDP, false, { 0, 0 }, 0, BY_PORT, 0 },
	{ "of-addresses-1k", TWO_GUESTS, 1000, 60, PROTO_UDP, false, { 0, 0 }, 0, BY_ADDRESS, 0 },
	{ "of-normal-1k", TWO_GUESTS, 1000, 60, PROTO_UDP, false, { 0, 0 }, 0, BY_NORMAL, 0 },
	{ "guest-flows", TWO_GUESTS, 1, 60, PROTO_UDP, false, { 0, 0 }, 0, NO_TABLES, 10000 },
	{ "of-flows", TWO_GUESTS, 1, 60, PROTO_UDP, false, { 0, 0 }, 0, BY_PORT, 10000 },
	{ "of-flows-acl", TWO_GUESTS, 1, 60, PROTO_UDP, false, { 0, 0 }, 0, BY_ACL, 10000 },
	{ "flood-3", FOUR_GUESTS, 1, 60, PROTO_UDP, true, { 0, 0 }, 0, NO_TABLES, 0 },
};

struct link {
	uint32_t side;	 // 0 = a
	uint32_t next;	 // address to send from and to
	uint32_t n_macs; // 0 = sends nothing
	struct rte_mempool *pool;
	uint64_t n_sent, n_taken;
	uint32_t pos[8]; // of each connection: bytes sent
	uint8_t n_flows, flow;
	uint16_t n_sports, sport;
	uint16_t size;
	uint8_t frame[1514];
};

static struct link *links[MAX_LINKS];
static uint32_t n_links;
static const struct workload *current;

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// 02:00:00:00:00:01 is a's first address, ...:02 is b's; 10.0.0.1 and 10.0.0.2 likewise.
static void frame_fill(struct link *l, const struct workload *wl)
{
	uint16_t tag = l->side < 2 ? wl->tag[l->side] : 0;
	uint8_t *p = l->frame + 12;

	l->n_flows = wl->n_flows;
	l->n_sports = wl->n_sports;
	l->size = wl->size;
	l->frame[0] = l->frame[6] = 2;
	l->frame[5] = (uint8_t)(2 - l->side % 2);
	l->frame[11] = (uint8_t)(1 + l->side % 2);
	if (wl->flood)
		memset(l->frame, 0xff, 6);
	if (tag != 0) {
		put16(p, DP_ETH_VLAN);
		put16(p + 2, tag);
		p += 4;
		l->size = (uint16_t)(l->size + 4);
	}
	put16(p, ETH_P_IP4);
	p += 2;
	p[0] = 0x45;
	put16(p + 2, (uint32_t)(l->frame + l->size - p));
	p[8] = 64;
	p[9] = wl->proto;
	p[12] = p[16] = 10;
	p[15] = l->frame[11];
	p[19] = wl->flood ? 255 : l->frame[5];
	put16(p + 20, l->side == 0 ? 40000 : STORAGE_PORT);
	put16(p + 22, l->side == 0 ? STORAGE_PORT : 40000);
	if (wl->proto == PROTO_TCP)
		p[32] = 0x50;
	else
		put16(p + 24, (uint32_t)(l->frame + l->size - p - 20));
}

static int bench_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL || n_links == MAX_LINKS)
		return weir_err_set(err, -ENOSPC, "port %s: one link too many", p->name);
	l->pool = p->pool;
	l->side = (uint32_t)(p->args[0] - 'a');
	l->n_macs = current->flood && l->side > 0 ? 0 : current->n_macs;
	frame_fill(l, current);
	links[n_links++] = l;
	*out = l;
	return 0;
}

static void bench_destroy(void *link)
{
	for (uint32_t i = 0; i < n_links; i++) {
		if (links[i] == link)
			links[i] = links[--n_links];
	}
	free(link);
}

static uint32_t bench_zero(void *link)
{
	(void)link;
	return 0;
}

// The next segment of the next connection: a SYN, then the data of one long PDU.
static void storage_fill(struct link *l, uint8_t *p)
{
	const uint8_t head[48] = { l->side == 0 ? 0x05 : 0x25,
				   l->side == 0 ? 0 : 0x80,
				   0,
				   0,
				   0,
				   255,
				   255,
				   252,
				   [16] = 1 };
	uint32_t *pos = &l->pos[l->flow], n = l->size - 54u;
	uint8_t *tcp = p + 34;

	put16(tcp + (l->side == 0 ? 0 : 2), 40000u + l->flow);
	put16(tcp + 4, *pos >> 16);
	put16(tcp + 6, *pos);
	tcp[13] = *pos == 0 ? 2 : 16;
	if (*pos == 0)
		put16(p + 16, 40); // no payload
	for (uint32_t i = 0; *pos > 0 && *pos <= sizeof(head) && i < n; i++)
		tcp[20 + i] = head[*pos - 1 + i];
	*pos += *pos == 0 ? 1 : n;
	l->flow = (uint8_t)((l->flow + 1) % l->n_flows);
}

static uint16_t bench_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct link *l = link;

	(void)q;
	if (l->n_macs == 0 || rte_pktmbuf_alloc_bulk(l->pool, pkts, n) != 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *p = rte_pktmbuf_mtod(pkts[i], uint8_t *);

		memcpy(p, l->frame, l->size);
		if (l->next != 0) {
			put16(p + 2, l->next);
			put16(p + 8, l->next);
		}
		if (++l->next == l->n_macs)
			l->next = 0;
		if (l->n_flows > 0)
			storage_fill(l, p);
		if (l->n_sports > 0) {
			put16(p + 34, 10000u + l->sport);
			l->sport = (uint16_t)((l->sport + 1) % l->n_sports);
		}
		pkts[i]->pkt_len = pkts[i]->data_len = l->size;
		dp_meta(pkts[i])->flags = 0;
		dp_meta(pkts[i])->tso_segsz = 0;
	}
	l->n_sent += n;
	return n;
}

static uint16_t bench_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	((struct link *)link)->n_taken += n;
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static bool bench_is_up(void *link)
{
	(void)link;
	return true;
}

static void bench_status(void *link, struct dp_link_status *out)
{
	(void)link;
	*out = (struct dp_link_status){ .up = true, .attached = true, .n_rxq = 1, .n_txq = 1 };
}

static void bench_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

static const struct dp_link_driver bench_driver = {
	.name = "ethdev",
	.create = bench_create,
	.destroy = bench_destroy,
	.flags = bench_zero,
	.rx_burst = bench_rx,
	.tx_burst = bench_tx,
	.tx_caps = bench_zero,
	.is_up = bench_is_up,
	.status = bench_status,
	.stats = bench_stats,
};
static const struct dp_link_driver *const bench_drivers[] = { &bench_driver, NULL };

static uint64_t now_ns = 1000000000u; // a clock of our own: the same turns in each run

static void turns(struct ctl *c, uint32_t n)
{
	struct dp_worker *w = &c->sw->workers[0];

	for (uint32_t i = 0; i < n; i++) {
		now_ns += TURN_NS;
		dp_worker_turn(w, now_ns, (uint32_t)(now_ns / 1000000000u));
		weir_rcu_report(c->sw->rcu, 0);
	}
}

// The same turns, source to sink, without the switch between them.
static void turns_of_driver(uint32_t n)
{
	struct rte_mbuf *pkts[DP_BURST];

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < n_links; k++) {
			uint16_t got = bench_rx(links[k], 0, pkts, DP_BURST);

			if (got > 0)
				bench_tx(links[k ^ 1], pkts, got);
		}
	}
}

static uint64_t sum_sent(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < n_links; i++)
		n += links[i]->n_sent;
	return n;
}

static uint64_t sum_taken(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < n_links; i++)
		n += links[i]->n_taken;
	return n;
}

// Turns until every address is known. returns 0, or -EIO when not all of what is sent then arrives
static int learn(struct ctl *c, const struct workload *wl)
{
	uint32_t n_want = wl->flood ? 1 : 2 * wl->n_macs;
	uint64_t sent, taken;

	for (uint32_t i = 0; i < LEARN_TURNS && dp_fdb_count(c->sw->fdb) < n_want; i++) {
		turns(c, 1);
		dp_switch_housekeep(c->sw, now_ns);
	}
	turns(c, 64); // queues of the time before run empty
	sent = sum_sent();
	taken = sum_taken();
	turns(c, 400);
	sent = (sum_sent() - sent) * (wl->flood ? n_links - 1 : 1);
	taken = sum_taken() - taken;
	if (dp_fdb_count(c->sw->fdb) == n_want && sent == taken)
		return 0;
	fprintf(stderr, "%s: %u of %u addresses known, %lu of %lu frames arrive\n", wl->name,
		dp_fdb_count(c->sw->fdb), n_want, taken, sent);
	return -EIO;
}

// A rule of table 0 that leads on to table 1.
static int acl_add(struct dp_of *of, const struct dp_flow_key *key, const struct dp_flow_key *mask,
		   uint32_t priority)
{
	const struct dp_flow_prog p = { .size = sizeof(p), .table = 1 };
	struct dp_of_flow *f;

	return dp_of_flow_add(of, 0, key, mask, priority, &p, &f);
}

// Two rules: one for a port that nobody sends to, the other for all.
static int acl_make(struct dp_of *of)
{
	struct dp_flow_key key = { { 0 } }, mask = { { 0 } };
	int rc = acl_add(of, &key, &mask, 1);

	dp_flow_put(&key, DP_FLOW_eth_type, (struct dp_flow_value){ 0, ETH_P_IP4 });
	dp_flow_put(&mask, DP_FLOW_eth_type, dp_flow_ones(DP_FLOW_eth_type));
	dp_flow_put(&key, DP_FLOW_ip_proto, (struct dp_flow_value){ 0, PROTO_UDP });
	dp_flow_put(&mask, DP_FLOW_ip_proto, dp_flow_ones(DP_FLOW_ip_proto));
	dp_flow_put(&key, DP_FLOW_udp_dst, (struct dp_flow_value){ 0, 53 });
	dp_flow_put(&mask, DP_FLOW_udp_dst, dp_flow_ones(DP_FLOW_udp_dst));
	dp_flow_put(&key, DP_FLOW_udp_src, (struct dp_flow_value){ 0, 53 });
	dp_flow_put(&mask, DP_FLOW_udp_src, dp_flow_ones(DP_FLOW_udp_src));
	return rc < 0 ? rc : acl_add(of, &key, &mask, 20);
}

static int rule_add(struct dp_of *of, const struct workload *wl, const struct dp_flow_key *key,
		    const struct dp_flow_key *mask, uint32_t port)
{
	union {
		struct dp_flow_prog p;
		uint8_t mem[sizeof(struct dp_flow_prog) + sizeof(struct dp_flow_output)];
	} u = { .p = { .size = sizeof(u), .table = DP_FLOW_NO_TABLE } };
	const struct dp_flow_output o = { .op = { DP_OP_OUTPUT, 0, sizeof(o), port } };
	struct dp_of_flow *f;

	u.p.n_apply = sizeof(o);
	memcpy(u.p.ops, &o, sizeof(o));
	return dp_of_flow_add(of, wl->tables == BY_ACL, key, mask, 1, &u.p, &f);
}

// The rules of one direction: from port number in.
static int way_add(struct dp_of *of, const struct workload *wl, uint32_t in)
{
	struct dp_flow_key key = { { 0 } }, mask = { { 0 } };
	uint32_t out = wl->tables == BY_NORMAL ? DP_OFPP_NORMAL : 3 - in;
	uint32_t n = wl->tables == BY_ADDRESS ? wl->n_macs : 1;
	int rc = 0;

	dp_flow_put(&key, DP_FLOW_in_port, (struct dp_flow_value){ 0, in });
	dp_flow_put(&mask, DP_FLOW_in_port, dp_flow_ones(DP_FLOW_in_port));
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		if (wl->tables == BY_ADDRESS) {
			uint64_t mac = UINT64_C(0x020000000000) | (uint64_t)i << 16 | (3 - in);

			dp_flow_put(&key, DP_FLOW_eth_dst, (struct dp_flow_value){ 0, mac });
			dp_flow_put(&mask, DP_FLOW_eth_dst, dp_flow_ones(DP_FLOW_eth_dst));
		}
		rc = rule_add(of, wl, &key, &mask, out);
	}
	return rc;
}

static int tables_make(struct dp_switch *sw, const struct workload *wl)
{
	static const struct dp_of_params p = { .max_flows = 20000,
					       .max_groups = 1,
					       .max_meters = 1,
					       .cache_entries = 131072,
					       .n_packet_ins = 64 };
	struct dp_snapshot *s = (struct dp_snapshot *)(uintptr_t)dp_root(sw);
	struct weir_err err;
	struct dp_of *of;
	int rc;

	if (wl->tables == NO_TABLES)
		return 0;
	// Numbers: a is 1, b is 2.
	for (uint32_t i = 0; i < 2; i++)
		s->views[i]->cfg.of_port = (uint32_t)(s->views[i]->cfg.args[0] - 'a' + 1);
	rc = dp_of_create(sw, &p, &of, &err);
	if (rc == 0)
		rc = way_add(of, wl, 1);
	if (rc == 0)
		rc = way_add(of, wl, 2);
	if (rc == 0 && wl->tables == BY_ACL)
		rc = acl_make(of);
	if (rc < 0)
		return rc;
	dp_of_publish(of);
	return dp_of_set_mode(of, DP_OF_TABLES, &err);
}

static int count(struct ctl *c, const struct workload *wl)
{
	uint64_t before = sum_sent();

	CALLGRIND_START_INSTRUMENTATION;
	turns(c, COUNT_TURNS);
	CALLGRIND_STOP_INSTRUMENTATION;
	CALLGRIND_DUMP_STATS_AT(wl->name);
	printf("%s %lu\n", wl->name, sum_sent() - before);
	return 0;
}

// Alternating, so that a machine that slows down for a while slows both.
static int cycles(struct ctl *c, const struct workload *wl)
{
	double best[2] = { 1e9, 1e9 };

	for (uint32_t run = 0; run < 2 * CYCLE_RUNS; run++) {
		uint64_t n = sum_sent(), start = rte_rdtsc_precise();
		double cost;

		if (run % 2 == 0)
			turns(c, CYCLE_TURNS);
		else
			turns_of_driver(CYCLE_TURNS);
		cost = (double)(rte_rdtsc_precise() - start) / (double)(sum_sent() - n);
		if (cost < best[run % 2])
			best[run % 2] = cost;
	}
	printf("%s %.1f %.1f\n", wl->name, best[0], best[1]);
	return 0;
}

static int switch_run(struct cfg_schema *schema, const struct ctl_eal *eal,
		      const struct workload *wl,
		      int (*measure)(struct ctl *, const struct workload *))
{
	struct ctl c = { .drivers = bench_drivers, .schema = schema };
	struct cfg_error err = { 0 };
	char json[4096];
	struct cfg *cfg;
	int rc;

	current = wl;
	snprintf(json, sizeof(json), "{%s}", wl->ports);
	rc = cfg_load(schema, json, strlen(json), &cfg, &err);
	if (rc == 0)
		rc = ctl_switch_create(&c, &cfg->system, eal, &err);
	if (rc == 0)
		rc = ctl_boot_start(&c);
	if (rc == 0)
		rc = ctl_apply(&c, cfg, false, NULL, &err);
	if (rc < 0) {
		fprintf(stderr, "%s: refused: %s %s: %s\n", wl->name, err.path, err.value,
			err.reason);
		return rc;
	}
	weir_rcu_join(c.sw->rcu, 0);
	rc = learn(&c, wl);
	if (rc == 0)
		rc = tables_make(c.sw, wl);
	turns(&c, wl->tables == NO_TABLES ? 0 : 1000); // the cache knows what comes
	if (rc == 0)
		rc = measure(&c, wl);
	weir_rcu_leave(c.sw->rcu, 0);
	ctl_boot_stop(&c);
	dp_of_destroy(c.sw->of);
	dp_switch_destroy(c.sw);
	ctl_vms_free(&c);
	cfg_free(c.running);
	return rc;
}

static bool is_asked(const char *name, int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return true;
	}
	return argc <= 2;
}

int main(int argc, char **argv)
{
	bool counting = argc > 1 && strcmp(argv[1], "count") == 0;
	struct cfg_system s = { .packet_buffers = 16384, .mac_table_size = 65536 };
	struct ctl_eal eal = { .no_huge = counting };
	struct cfg_schema *schema;
	struct cfg_error err = { 0 };
	int rc = 0;

	if (argc < 2 || (!counting && strcmp(argv[1], "cycles") != 0)) {
		fprintf(stderr, "usage: weir-turns count|cycles [WORKLOAD...]\n");
		return 2;
	}
	if (ctl_eal_init(&s, &eal, &err) < 0 ||
	    cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0) {
		fprintf(stderr, "%s\n", err.reason);
		return 1;
	}
	for (uint32_t i = 0; rc == 0 && i < RTE_DIM(workloads); i++) {
		if (is_asked(workloads[i].name, argc, argv))
			rc = switch_run(schema, &eal, &workloads[i], counting ? count : cycles);
	}
	cfg_schema_destroy(schema);
	return rc < 0;
}
