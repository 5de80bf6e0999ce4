#include "egress.h"

#include <rte_eal.h>
#include <rte_ip.h>

#include "../unit/unit.h"

struct dp_switch *eg_sw;
uint64_t eg_now_ns;
uint32_t eg_caps, eg_flags;
uint64_t eg_left, eg_unordered;
void (*eg_hook)(void);
static struct eg_link *links[EG_PORTS];
static uint32_t numbers[EG_PORTS][EG_FLOWS]; // of the next frame; outlive links
static struct dp_plan plan;

struct eg_link *eg_link(char port)
{
	assert_non_null(links[port - 'A']);
	return links[port - 'A'];
}

// --- the driver

static int e_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct eg_link *l = calloc(1, sizeof(*l));

	(void)err;
	assert_non_null(l);
	l->pool = p->pool;
	l->at = (uint32_t)(p->args[0] - 'A');
	l->size = 1514;
	l->n_flows = EG_FLOWS;
	l->left = eg_left;
	l->to = EG_UPLINK;
	l->soonest_ns = UINT64_MAX;
	links[l->at] = l;
	*out = l;
	return 0;
}

static void e_destroy(void *link)
{
	struct eg_link *l = link;

	if (links[l->at] == l)
		links[l->at] = NULL;
	free(l);
}

static uint32_t e_flags(void *link)
{
	(void)link;
	return eg_flags;
}

static uint32_t e_caps(void *link)
{
	(void)link;
	return eg_caps;
}

static bool e_up(void *link)
{
	void (*hook)(void) = eg_hook;

	if (hook != NULL) {
		eg_hook = NULL;
		hook();
	}
	return !((struct eg_link *)link)->down;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// An uplink's frames carry a tag; a guest's do not.
static void head_fill(const struct eg_link *l, bool tagged, uint32_t flow, uint8_t *p)
{
	uint32_t at = 12, number = numbers[l->at][flow];
	uint16_t sum;

	numbers[l->at][flow] += l->size;
	memset(p, 0, EG_HEAD);
	p[0] = p[6] = 2;
	p[5] = l->to;
	p[11] = (uint8_t)l->at;
	if (tagged) {
		memcpy(p + at, "\x81\0\0\x14", 4);
		at += 4;
	}
	memcpy(p + at, "\x08\0", 2);
	at += 2;
	memcpy(p + at, "\x45\0\0\0\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02", 20);
	p[at + 1] = l->tos;
	put16(p + at + 2, RTE_MIN(l->size - at, 65535u));
	p[at + 15] = (uint8_t)l->at;
	sum = (uint16_t)~rte_raw_cksum(p + at, 20);
	memcpy(p + at + 10, &sum, 2);
	at += 20;
	put16(p + at, 0x1000 + flow);
	put16(p + at + 2, 0x2000);
	put16(p + at + 4, number >> 16); // as TCP's sequence number
	put16(p + at + 6, number);
	put16(p + at + 8, (uint32_t)(eg_now_ns >> 6 >> 16)); // acknowledged: when it came
	put16(p + at + 10, (uint32_t)(eg_now_ns >> 6));
	p[at + 12] = 0x50;
}

static struct rte_mbuf *frame_make(struct eg_link *l)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool), *tail = m;
	uint8_t head[EG_HEAD];

	if (m == NULL)
		return NULL;
	head_fill(l, l->tagged, (uint32_t)(l->given % l->n_flows), head);
	for (uint32_t at = 0; at < l->size;) {
		uint32_t room = RTE_MIN(l->size - at, 1800u);
		uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)room);

		assert_non_null(p);
		memset(p, 0, room);
		if (at == 0)
			memcpy(p, head, RTE_MIN(room, (uint32_t)EG_HEAD));
		at += room;
		if (at == l->size)
			break;
		tail->next = rte_pktmbuf_alloc(l->pool);
		if (tail->next == NULL) {
			rte_pktmbuf_free(m);
			return NULL;
		}
		tail = tail->next;
		m->nb_segs++;
	}
	dp_meta(m)->flags = l->segsz != 0 ? DP_MF_TSO | DP_MF_CSUM : 0;
	dp_meta(m)->tso_segsz = l->segsz;
	return m;
}

static uint16_t e_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct eg_link *l = link;
	uint16_t i;

	(void)q;
	if (l->next_ns == 0 || l->give_ns == 0)
		l->next_ns = eg_now_ns;
	for (i = 0; i < n && l->left > 0 && l->next_ns <= eg_now_ns; i++) {
		pkts[i] = frame_make(l);
		if (pkts[i] == NULL)
			break;
		l->next_ns += l->give_ns;
		l->left--;
		l->given++;
	}
	return i;
}

static void see(struct eg_link *l, const struct rte_mbuf *m)
{
	const uint8_t *p = dp_data(m), *ip = p + (p[12] == 0x81 ? 18 : 14);
	struct eg_from *f = &l->from[p[11]];
	uint32_t flow = dp_be16(ip + 20) - 0x1000u, number, n = 1, size = rte_pktmbuf_pkt_len(m);
	uint32_t hdr = (uint32_t)(ip - p) + 40,
		 came = (uint32_t)dp_be16(ip + 28) << 16 | dp_be16(ip + 30);

	assert_true(p[11] < EG_PORTS && flow < EG_FLOWS);
	number = (uint32_t)dp_be16(ip + 24) << 16 | dp_be16(ip + 26);
	if ((int32_t)(number - f->next[flow]) < 0)
		l->reordered += (eg_unordered >> p[11] & 1) == 0;
	f->next[flow] = number + 1;
	if ((dp_meta_const(m)->flags & DP_MF_TSO) != 0)
		n = (size - hdr + dp_meta_const(m)->tso_segsz - 1) / dp_meta_const(m)->tso_segsz;
	f->pkts++;
	f->wire += RTE_MAX(size, 60u) + 24 * n + (n - 1) * hdr;
	l->wire += RTE_MAX(size, 60u) + 24 * n + (n - 1) * hdr;
	f->wait_ns = RTE_MAX(f->wait_ns, (uint64_t)((uint32_t)(eg_now_ns >> 6) - came) << 6);
	l->marked += (ip[1] & 3) == 3;
	l->bad_csum += rte_raw_cksum(ip, 20) != 0xffff;
	l->longest = RTE_MAX(l->longest, size);
	memcpy(l->last, p, RTE_MIN(rte_pktmbuf_data_len(m), EG_HEAD));
}

static uint16_t e_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	struct eg_link *l = link;
	uint64_t busy = l->free_ns > eg_now_ns ? l->free_ns - eg_now_ns : 0;
	uint16_t took = n;

	l->calls++;
	if (l->refused_ns != 0 && eg_now_ns - l->refused_ns < l->soonest_ns)
		l->soonest_ns = eg_now_ns - l->refused_ns;
	if (l->ring != 0)
		took = (uint16_t)RTE_MIN(n, l->ring - (busy + l->take_ns - 1) / l->take_ns);
	if (l->stopped)
		took = 0;
	l->refused_ns = took < n ? eg_now_ns : 0;
	l->free_ns = eg_now_ns + busy + took * l->take_ns;
	for (uint16_t i = 0; i < took; i++)
		see(l, pkts[i]);
	l->taken += took;
	rte_pktmbuf_free_bulk(pkts, took);
	return took;
}

static void e_status(void *link, struct dp_link_status *out)
{
	memset(out, 0, sizeof(*out));
	out->up = out->attached = !((struct eg_link *)link)->down;
	out->n_rxq = out->n_txq = 1;
}

static void e_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

static const struct dp_link_driver driver = { "e",  e_create, e_destroy, e_flags,  e_rx,
					      e_tx, e_caps,   e_up,	 e_status, e_stats };

// --- the switch

bool eg_start(void)
{
	const char *argv[] = { "unit",
			       "--no-huge",
			       "--no-shconf",
			       "-m",
			       "256",
			       "--no-pci",
			       "--no-telemetry",
			       "--lcores",
			       "0@(0,1),1@(0,1),2@(0,1)",
			       "--log-level=*:error" };

	return rte_eal_init(RTE_DIM(argv), (char **)(uintptr_t)argv) >= 0;
}

void eg_begin(uint32_t n_workers, uint32_t n_mbufs)
{
	const struct dp_switch_params p = { .n_workers = n_workers,
					    .worker_lcores = { 1, 2 },
					    .n_mbufs = n_mbufs,
					    .n_mbufs_large = 32,
					    .mac_limit = 1024,
					    .queue_len = 8192 };
	struct weir_err err;

	memset(numbers, 0, sizeof(numbers));
	memset(links, 0, sizeof(links));
	eg_caps = DP_CAP_CSUM | DP_CAP_TSO4 | DP_CAP_TSO6;
	eg_flags = 0;
	eg_left = eg_unordered = 0;
	assert_int_equal(dp_switch_create(&p, &eg_sw, &err), 0);
	dp_switch_add_driver(eg_sw, &driver);
	eg_now_ns = 1000 * S;
	dp_plan_init(&plan);
}

void eg_end(void)
{
	struct weir_err err;

	dp_switch_housekeep(eg_sw, eg_now_ns);
	if (!dp_switch_conserved(eg_sw, &err))
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < EG_PORTS; i++) {
		if (links[i] == NULL)
			continue;
		assert_int_equal(links[i]->reordered, 0);
		eg_port_del((char)('A' + i));
	}
	eg_commit();
	eg_run(64 * US, US); // what is on its way between workers arrives nowhere
	eg_commit();
	assert_int_equal(dp_switch_mbufs_in_use(eg_sw), 0);
	if (!dp_switch_conserved(eg_sw, &err))
		fail_msg("%s", err.text);
	dp_plan_fini(&plan);
	dp_switch_destroy(eg_sw);
}

static struct dp_port_params port_params(char port, uint8_t role)
{
	return (struct dp_port_params){ .name = { port },
					.driver = "e",
					.args = { port },
					.mtu = 1500,
					.n_queues = 1,
					.role = role,
					.default_class = QOS_CLASS_BULK };
}

struct dp_port_params eg_guest(char port, const char *vm, enum qos_class cls)
{
	struct dp_port_params p = port_params(port, DP_ROLE_GUEST);

	p.vid = 20;
	p.vlan_mode = DP_VLAN_ACCESS;
	p.default_class = (uint8_t)cls;
	p.flags = DP_PF_MAC_FIXED;
	p.mac[0] = 2;
	p.mac[5] = (uint8_t)(port - 'A');
	memcpy(p.vm, vm, strnlen(vm, sizeof(p.vm) - 1));
	return p;
}

struct dp_port_params eg_uplink(char port, uint64_t rate_bits_per_s)
{
	struct dp_port_params p = port_params(port, DP_ROLE_UPLINK);

	p.vlan_mode = DP_VLAN_TRUNK;
	p.trunk[2] = 0x30;
	p.rate_bits_per_s = rate_bits_per_s;
	return p;
}

void eg_port_set(const struct dp_port_params *p)
{
	struct dp_act_port_set a = { .h = { DP_ACT_PORT_SET, sizeof(a) }, .p = *p };

	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
}

void eg_port_del(char port)
{
	struct dp_act_port_del a = { .h = { DP_ACT_PORT_DEL, sizeof(a) }, .name = { port } };

	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
}

struct dp_vm_params eg_vm(const char *name)
{
	struct dp_vm_params p = { .total = { .shares = 1 } };

	memcpy(p.name, name, strnlen(name, sizeof(p.name) - 1));
	for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
		p.leaf[c].shares = 1;
	return p;
}

void eg_vm_set(const struct dp_vm_params *p)
{
	struct dp_act_vm_set a = { .h = { DP_ACT_VM_SET, sizeof(a) }, .p = *p };

	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
}

void eg_vm_del(const char *name)
{
	struct dp_act_vm_del a = { .h = { DP_ACT_VM_DEL, sizeof(a) } };

	memcpy(a.name, name, strnlen(name, sizeof(a.name) - 1));
	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
}

void eg_classes(struct dp_qos_class classes[QOS_N_CLASSES])
{
	dp_qos_defaults(classes);
}

void eg_qos_set(const struct dp_qos_class classes[QOS_N_CLASSES])
{
	struct dp_act_qos_set *a = calloc(1, sizeof(*a));

	assert_non_null(a);
	a->h = (struct dp_act){ DP_ACT_QOS_SET, sizeof(*a) };
	memcpy(a->classes, classes, sizeof(a->classes));
	assert_int_equal(dp_plan_add(&plan, &a->h), 0);
	free(a);
}

static struct dp_prepared *prepare(void)
{
	struct dp_prepared *prep;
	struct weir_err err;

	if (dp_switch_prepare(eg_sw, &plan, &prep, &err) < 0)
		fail_msg("%s", err.text);
	return prep;
}

static void plan_again(void)
{
	dp_plan_fini(&plan);
	dp_plan_init(&plan);
}

void eg_commit(void)
{
	dp_switch_commit(eg_sw, prepare());
	plan_again();
	dp_switch_housekeep(eg_sw, eg_now_ns);
}

void eg_prepare_and_abort(void)
{
	dp_switch_abort(eg_sw, prepare());
	plan_again();
}

void eg_rehearse(void)
{
	struct weir_err err;

	if (dp_switch_rehearse(eg_sw, &plan, &err) < 0)
		fail_msg("%s", err.text);
	plan_again();
}

// A port that no worker looks at holds nothing.
static void assert_nothing_forgotten(void)
{
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		const struct dp_view *v = dp_root(eg_sw)->views[i];
		const struct dp_port *p = v == NULL ? NULL : v->port;

		if (p == NULL)
			continue;
		assert_true(p->dirty || (p->n_ready == 0 && qos_sched_queued(p->sched) == 0));
		assert_int_equal(p->queued, p->n_ready + qos_sched_queued(p->sched));
		assert_true(p->n_ready <= DP_READY && p->ready_at == 0);
		assert_in_range(p->pull, 1, DP_BURST);
	}
}

void eg_run(uint64_t for_ns, uint64_t step_ns)
{
	for (uint64_t end = eg_now_ns + for_ns; eg_now_ns < end; eg_now_ns += step_ns) {
		for (uint32_t id = 0; id < eg_sw->n_workers; id++)
			dp_switch_turn(eg_sw, id, eg_now_ns);
	}
	assert_nothing_forgotten();
}

void eg_offer(char port, uint64_t bits_per_s, uint32_t size, uint32_t n_flows)
{
	struct eg_link *l = eg_link(port);

	l->left = bits_per_s == 0 ? 0 : UINT64_MAX;
	l->size = size;
	l->n_flows = n_flows;
	l->next_ns = 0;
	if (bits_per_s != 0)
		l->give_ns = (size + 24) * 8 * S / bits_per_s;
}

// --- what it says

uint16_t eg_idx(char port)
{
	int idx = dp_switch_port_find(eg_sw, (char[]){ port, 0 });

	assert_true(idx >= 0);
	return (uint16_t)idx;
}

static void totals(char port, struct dp_port_totals *t)
{
	assert_int_equal(dp_switch_port_totals(eg_sw, eg_idx(port), t), 0);
}

uint64_t eg_count(char port, enum dp_port_counter c)
{
	struct dp_port_totals t;

	totals(port, &t);
	return t.c[c];
}

uint64_t eg_dropped(char port, enum dp_drop reason)
{
	struct dp_port_totals t;

	totals(port, &t);
	return t.drop_out[reason];
}

uint64_t eg_dropped_all(char port)
{
	struct dp_port_totals t;
	uint64_t sum = 0;

	totals(port, &t);
	for (uint32_t i = 0; i < DP_N_DROPS; i++)
		sum += t.drop_out[i] + t.drop_in[i];
	return sum;
}

uint64_t eg_queued(char port)
{
	struct dp_port_totals t;

	totals(port, &t);
	return t.queued_now;
}

struct dp_port *eg_port(char port)
{
	return dp_root(eg_sw)->views[eg_idx(port)]->port;
}

uint32_t eg_bufs_free(void)
{
	return eg_sw->params.n_mbufs - dp_switch_mbufs_in_use(eg_sw);
}

uint64_t eg_wire(char to, char from)
{
	return eg_link(to)->from[from - 'A'].wire;
}
