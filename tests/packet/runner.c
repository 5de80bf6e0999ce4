// weir-packet CONFIG DIR [WORKERS [CLEAR-MS [PORT]]]: run a configuration on one worker under a
// fake clock. Frames come from DIR/PORT.in.pcap, at the times of their records; what leaves goes to
// DIR/PORT.out.pcap. At the end the conservation law must hold; the state is printed as JSON.
// Counters are cleared at CLEAR-MS, of PORT or of all. Ports are links of this file's own driver;
// their `device` says how they behave:
//   "test[,csum][,tso4][,tso6]"  what the far side takes unfinished
//   ",rx-csum" ",rx-tso=SEGSZ"   what its frames leave to be done
//   ",room=N"                    takes N frames in all, then none
//   ",pace=N"                    takes at most N frames at once
//   ",down"                      nobody is there
//   ",down=A-B"                  nobody is there from A ms to B ms, or from A ms on
//   ",quiet=A-B"                 main has the port take nothing from its guest then
//   ",awaits=A"                  main has it wait then, until its driver comes up
// What explain said of each frame at the time it came in is printed with the state.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "control_priv.h"

struct link {
	char name[DP_NAME_MAX];
	struct rte_mempool *pool;
	uint32_t caps, rx_flags;
	uint16_t rx_segsz;
	uint64_t room, sent, pace;
	bool down, was_up;
	uint64_t down_ns[2], quiet_ns[2], awaits_ns[2]; // from, to; 0 = never
	_Atomic uint32_t *changed;
	pcap_t *in;
	pcap_dumper_t *out;
	struct pcap_pkthdr next;
	const u_char *next_data; // NULL = no more
};

static uint64_t now_ns = 1000000000u; // the fake clock starts at 1 s
static const char *dir;
static pcap_t *dead;
static struct link *links[DP_MAX_PORTS];
static uint32_t n_links;
static struct ctl *the_ctl;
static char *explained;
static size_t explained_size;
static FILE *explained_to;
static uint64_t clear_ns; // 0 = not (any more)
static const char *clear_port;

static void next_read(struct link *l)
{
	struct pcap_pkthdr *h;

	l->next_data = NULL;
	if (l->in != NULL && pcap_next_ex(l->in, &h, &l->next_data) == 1)
		l->next = *h;
	else
		l->next_data = NULL;
}

static uint64_t due_ns(const struct link *l)
{
	return (uint64_t)l->next.ts.tv_sec * 1000000000u + (uint64_t)l->next.ts.tv_usec * 1000u;
}

// "A-B" or "A": ms since the start
static void span_read(const char *args, const char *key, uint64_t out_ns[2])
{
	const char *at = strstr(args, key);
	char *end;

	if (at == NULL)
		return;
	out_ns[0] = 1000000000u + 1000000u * strtoul(at + strlen(key), &end, 10);
	out_ns[1] = *end == '-' ? 1000000000u + 1000000u * strtoul(end + 1, NULL, 10) : UINT64_MAX;
}

static bool within(const uint64_t span_ns[2])
{
	return span_ns[0] != 0 && now_ns >= span_ns[0] && now_ns < span_ns[1];
}

static bool test_is_up(void *link)
{
	const struct link *l = link;

	return !l->down && !within(l->down_ns);
}

static int test_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct link *l = calloc(1, sizeof(*l));
	char path[512], errbuf[PCAP_ERRBUF_SIZE];
	const char *at;

	if (strncmp(p->args, "test", 4) != 0)
		return weir_err_set(err, -EINVAL, "port %s: device %s: is not a test device",
				    p->name, p->args);
	memcpy(l->name, p->name, sizeof(l->name));
	l->pool = p->pool;
	l->caps |= strstr(p->args, ",csum") != NULL ? DP_CAP_CSUM : 0;
	l->caps |= strstr(p->args, ",tso4") != NULL ? DP_CAP_TSO4 : 0;
	l->caps |= strstr(p->args, ",tso6") != NULL ? DP_CAP_TSO6 : 0;
	l->rx_flags = strstr(p->args, ",rx-csum") != NULL ? DP_MF_CSUM : 0;
	at = strstr(p->args, ",rx-tso=");
	l->rx_segsz = at == NULL ? 0 : (uint16_t)strtoul(at + 8, NULL, 10);
	at = strstr(p->args, ",room=");
	l->room = at == NULL ? UINT64_MAX : strtoul(at + 6, NULL, 10);
	at = strstr(p->args, ",pace=");
	l->pace = at == NULL ? UINT64_MAX : strtoul(at + 6, NULL, 10);
	span_read(p->args, ",down=", l->down_ns);
	span_read(p->args, ",quiet=", l->quiet_ns);
	span_read(p->args, ",awaits=", l->awaits_ns);
	l->down = l->down_ns[0] == 0 && strstr(p->args, ",down") != NULL;
	l->was_up = test_is_up(l);
	l->changed = p->changed;
	snprintf(path, sizeof(path), "%s/%s.in.pcap", dir, p->name);
	l->in = pcap_open_offline(path, errbuf);
	snprintf(path, sizeof(path), "%s/%s.out.pcap", dir, p->name);
	l->out = pcap_dump_open(dead, path);
	if (l->out == NULL)
		return weir_err_set(err, -EIO, "port %s: %s", p->name, pcap_geterr(dead));
	next_read(l);
	links[n_links++] = l;
	*out = l;
	return 0;
}

static void test_destroy(void *link)
{
	struct link *l = link;

	for (uint32_t i = 0; i < n_links; i++) {
		if (links[i] == l)
			links[i] = links[--n_links];
	}
	if (l->in != NULL)
		pcap_close(l->in);
	pcap_dump_close(l->out);
	free(l);
}

static uint32_t test_flags(void *link)
{
	(void)link;
	return 0;
}

// Spread a frame over mbufs as a guest's would be.
static struct rte_mbuf *mbuf_of(struct link *l)
{
	struct rte_mbuf *head = NULL, *tail = NULL;

	for (uint32_t at = 0; at < l->next.caplen; at += DP_MBUF_ROOM) {
		uint32_t size =
			l->next.caplen - at < DP_MBUF_ROOM ? l->next.caplen - at : DP_MBUF_ROOM;
		struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool);

		memcpy(rte_pktmbuf_append(m, (uint16_t)size), l->next_data + at, size);
		if (head == NULL) {
			head = m;
		} else {
			tail->next = m;
			head->nb_segs++;
			head->pkt_len += size;
		}
		tail = m;
	}
	return head;
}

static void explain(const struct link *l)
{
	static const char *const kinds[] = { "drop", "unicast", "flood", "responder" };
	static struct dp_verdict v;
	struct dp_port_info info;
	int idx = dp_switch_port_find(the_ctl->sw, l->name);

	if (dp_switch_explain(the_ctl->sw, (uint16_t)idx, l->next_data, l->next.caplen, &v) < 0)
		return;
	fprintf(explained_to, "%s[\"%s\",\"%s", ftell(explained_to) > 0 ? "," : "", l->name,
		v.kind == DP_VERDICT_DROP ? dp_drop_name(v.drop) : kinds[v.kind]);
	for (uint32_t i = 0; i < v.n_out; i++) {
		if (dp_switch_port_info(the_ctl->sw, v.out[i], &info) == 0)
			fprintf(explained_to, " %s", info.cfg.name);
	}
	fprintf(explained_to, "\"]");
}

static uint16_t test_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct link *l = link;
	uint16_t n_rx = 0;

	(void)q;
	while (n_rx < n && l->next_data != NULL && due_ns(l) <= now_ns) {
		struct rte_mbuf *m = mbuf_of(l);

		explain(l);
		dp_meta(m)->flags = (uint8_t)l->rx_flags;
		dp_meta(m)->tso_segsz = 0;
		if (l->rx_segsz != 0 && rte_pktmbuf_pkt_len(m) > l->rx_segsz + 100u) {
			dp_meta(m)->flags |= DP_MF_TSO | DP_MF_CSUM;
			dp_meta(m)->tso_segsz = l->rx_segsz;
		}
		pkts[n_rx++] = m;
		next_read(l);
	}
	return n_rx;
}

static uint16_t test_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	struct link *l = link;
	uint16_t i;

	for (i = 0; i < n && i < l->pace && l->sent < l->room; i++, l->sent++) {
		static u_char buf[1 << 17];
		struct pcap_pkthdr h = { .caplen = rte_pktmbuf_pkt_len(pkts[i]),
					 .len = rte_pktmbuf_pkt_len(pkts[i]) };
		const void *data = rte_pktmbuf_read(pkts[i], 0, h.len, buf);

		h.ts.tv_sec = (time_t)(now_ns / 1000000000u);
		h.ts.tv_usec = (suseconds_t)(now_ns % 1000000000u / 1000u);
		pcap_dump((u_char *)l->out, &h, data);
		rte_pktmbuf_free(pkts[i]);
	}
	return i;
}

static uint32_t test_caps(void *link)
{
	return ((struct link *)link)->caps;
}

static void test_status(void *link, struct dp_link_status *out)
{
	memset(out, 0, sizeof(*out));
	out->up = out->attached = test_is_up(link);
	out->n_rxq = out->n_txq = 1;
	out->mac[0] = 0x02;
	out->mac[5] = 0xee;
}

static void test_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

static const struct dp_link_driver test_driver = {
	.name = "ethdev",
	.create = test_create,
	.destroy = test_destroy,
	.flags = test_flags,
	.rx_burst = test_rx,
	.tx_burst = test_tx,
	.tx_caps = test_caps,
	.is_up = test_is_up,
	.status = test_status,
	.stats = test_stats,
};
static const struct dp_link_driver *const test_drivers[] = { &test_driver, NULL };

static void clear_when_due(struct ctl *c)
{
	struct cfg_error err = { 0 };

	if (clear_ns == 0 || now_ns < clear_ns)
		return;
	clear_ns = 0;
	if (ctl_clear(c, clear_port, &err) < 0) {
		fprintf(stderr, "refused: %s %s: %s\n", err.path, err.value, err.reason);
		exit(3);
	}
}

static void quiet_set(struct ctl *c, const struct link *l, enum dp_quiet quiet)
{
	struct weir_err err;

	if (dp_switch_port_quiet(c->sw, l->name, quiet, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

// Links that come and go as their arguments say.
static void links_change(struct ctl *c)
{
	for (uint32_t i = 0; i < n_links; i++) {
		struct link *l = links[i];

		if (test_is_up(l) != l->was_up) {
			l->was_up = !l->was_up;
			atomic_fetch_add(l->changed, 1);
		}
		if (l->quiet_ns[0] != 0)
			quiet_set(c, l, within(l->quiet_ns) ? DP_QUIET : DP_SPEAKS);
		if (within(l->awaits_ns)) {
			quiet_set(c, l, DP_QUIET_TILL_UP);
			l->awaits_ns[0] = 0;
		}
	}
}

// Until every frame was fed and 200 ms more have passed, a turn at a time: 1 ms steps, or to the
// next frame.
static void run(struct ctl *c)
{
	uint64_t end_ns = 0;

	for (uint32_t turn = 0; turn < 1000000; turn++) {
		uint64_t next_ns = UINT64_MAX;
		uint32_t n = 0;

		clear_when_due(c);
		links_change(c);
		for (uint32_t w = 0; w < dp_switch_n_workers(c->sw); w++)
			n += dp_switch_turn(c->sw, w, now_ns);
		dp_switch_housekeep(c->sw, now_ns);
		ctl_boot_poll(c, now_ns);
		ctl_storage_poll(c, now_ns);
		for (uint32_t i = 0; i < n_links; i++) {
			if (links[i]->next_data != NULL && due_ns(links[i]) < next_ns)
				next_ns = due_ns(links[i]);
		}
		// Far from the next frame only ageing happens: larger steps do.
		now_ns += next_ns != UINT64_MAX && next_ns > now_ns + 2000000000u && n == 0
				  ? 100000000u
				  : 1000000u;
		if (next_ns != UINT64_MAX)
			end_ns = 0;
		else if (end_ns == 0)
			end_ns = now_ns + 200000000u;
		else if (now_ns >= end_ns)
			return;
	}
}

static void state_print(struct ctl *c, struct cfg_schema *schema)
{
	static const char *const parts[] = { "ports", "macs",	 "vms",	    "system",
					     "qos",   "storage", "openflow" };
	struct cfg_error err;
	struct cfg_json j;

	printf("{");
	for (uint32_t i = 0; i < RTE_DIM(parts); i++) {
		struct cfg_request r = { .op = CFG_OP_GET_STATE };

		snprintf(r.part, sizeof(r.part), "%s", parts[i]);
		cfg_json_init(&j);
		cfg_json_open(&j, NULL, '{');
		ctl_show(c, &r, &j);
		cfg_json_close(&j, '}');
		// Whatever is shown fits the modules.
		if (cfg_state_check(schema, j.buf, j.size, &err) < 0) {
			fprintf(stderr, "state %s does not fit the YANG modules: %s %s: %s\n",
				parts[i], err.path, err.value, err.reason);
			exit(1);
		}
		printf("%s\"%s\":%s", i > 0 ? "," : "", parts[i], j.buf);
		cfg_json_fini(&j);
	}
	fflush(explained_to);
	printf(",\"explained\":[%s]}\n", explained);
}

int main(int argc, char **argv)
{
	const char *eal_argv[] = {
		"weir-packet",	      "--no-huge", "--no-shconf",    "-m",	 "192",
		"--iova-mode=va",     "--no-pci",  "--no-telemetry", "--lcores", "0",
		"--log-level=*:error"
	};
	struct ctl_eal eal = { .n_workers = argc > 3 ? (uint32_t)atoi(argv[3]) : 1 };
	struct ctl c = { .drivers = test_drivers };
	struct cfg_error err = { 0 };
	struct weir_err werr;
	struct cfg *cfg;
	char *text;
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: weir-packet CONFIG DIR [WORKERS [CLEAR-MS [PORT]]]\n");
		return 2;
	}
	the_ctl = &c;
	explained_to = open_memstream(&explained, &explained_size);
	c.config_path = argv[1];
	dir = argv[2];
	if (argc > 4)
		clear_ns = now_ns + 1000000u * strtoul(argv[4], NULL, 10);
	clear_port = argc > 5 ? argv[5] : NULL;
	dead = pcap_open_dead(DLT_EN10MB, 1 << 17);
	if (rte_eal_init(RTE_DIM(eal_argv), (char **)(uintptr_t)eal_argv) < 0)
		return 1;
	rc = cfg_schema_create(WEIR_YANG_SRC, &c.schema, &err);
	if (rc == 0)
		rc = ctl_text_read(c.config_path, &text, &err);
	if (rc == 0)
		rc = cfg_load(c.schema, text, strlen(text), &cfg, &err);
	if (rc == 0)
		rc = ctl_switch_create(&c, &cfg->system, &eal, &err);
	if (rc == 0)
		rc = ctl_boot_start(&c);
	if (rc == 0)
		rc = ctl_storage_start(&c, &err);
	if (rc == 0)
		rc = ctl_apply(&c, cfg, false, NULL, &err);
	if (rc < 0) {
		fprintf(stderr, "refused: %s %s: %s\n", err.path, err.value, err.reason);
		return 3;
	}
	run(&c);
	state_print(&c, c.schema);
	if (!dp_switch_conserved(c.sw, &werr)) {
		fprintf(stderr, "conservation law broken: %s\n", werr.text);
		return 4;
	}
	ctl_storage_stop(&c);
	ctl_boot_stop(&c);
	dp_switch_destroy(c.sw);
	ctl_vms_free(&c);
	ctl_clear_free(&c);
	cfg_free(c.running);
	free(text);
	fclose(explained_to);
	free(explained);
	cfg_schema_destroy(c.schema);
	pcap_close(dead);
	return 0;
}
