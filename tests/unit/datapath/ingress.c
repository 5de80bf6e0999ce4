// What a VM may send and how it is marked: real worker turns, simulated time, links in memory.
#include <rte_eal.h>
#include <rte_ip.h>

#include "../unit.h"
#include "switch_priv.h"

#define MS 1000000ull
#define S 1000000000ull

enum { KEEP = 512, HEAD = 96, MAX_PORTS = 4 };

struct link {
	struct rte_mempool *pool;
	uint16_t n_rxq;
	// What it hands out: frames of this size, as many as are asked for while left > 0.
	uint64_t left, given, polls;
	uint32_t size; // pkt_len
	uint16_t segsz, n_tags, tci;
	uint8_t tos;
	bool v6;
	// What it took.
	uint64_t taken;
	uint8_t kept[KEEP][HEAD];
};

static struct link *links[MAX_PORTS]; // by the first letter of the port: 'a' is 0
static struct dp_switch *sw;
static uint64_t now_ns;
static struct dp_vm_view vm_views[MAX_PORTS];
static struct dp_qos_view qos_view;
static uint64_t next_serial;

static int t_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct link *l = calloc(1, sizeof(*l));

	(void)err;
	assert_non_null(l);
	l->pool = p->pool;
	l->n_rxq = 1;
	links[p->args[0] - 'a'] = l;
	*out = l;
	return 0;
}

static void t_destroy(void *link)
{
	free(link);
}

static uint32_t t_flags(void *link)
{
	(void)link;
	return 0;
}

static uint32_t t_caps(void *link)
{
	(void)link;
	return DP_CAP_CSUM | DP_CAP_TSO4 | DP_CAP_TSO6;
}

static bool t_up(void *link)
{
	(void)link;
	return true;
}

// Ethernet, tags, IPv4 or IPv6, TCP; behind that the frame's number.
static uint32_t head_fill(const struct link *l, uint8_t *p, uint32_t number)
{
	uint32_t at = 12, size = l->size - 14 - 4u * l->n_tags;

	memset(p, 0, HEAD);
	memcpy(p, "\x02\0\0\0\0\x09\x02\0\0\0\0\x01", 12);
	for (uint32_t i = 0; i < l->n_tags; i++, at += 4) {
		memcpy(p + at, "\x81\0", 2);
		p[at + 2] = (uint8_t)(l->tci >> 8);
		p[at + 3] = (uint8_t)l->tci;
	}
	memcpy(p + at, l->v6 ? "\x86\xdd" : "\x08\0", 2);
	at += 2;
	if (l->v6) {
		p[at] = (uint8_t)(0x60 | l->tos >> 4);
		p[at + 1] = (uint8_t)(l->tos << 4);
		p[at + 4] = (uint8_t)((size - 40) >> 8);
		p[at + 5] = (uint8_t)(size - 40);
		p[at + 6] = 6;
		at += 40;
	} else {
		uint16_t sum;

		memcpy(p + at, "\x45\0\0\0\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02", 20);
		p[at + 1] = l->tos;
		p[at + 2] = (uint8_t)(size >> 8);
		p[at + 3] = (uint8_t)size;
		sum = (uint16_t)~rte_raw_cksum(p + at, 20);
		memcpy(p + at + 10, &sum, 2);
		at += 20;
	}
	memcpy(p + at, "\x10\0\x20\0", 4);
	p[at + 12] = 0x50;
	memcpy(p + at + 20, &number, 4);
	return at + 24;
}

static uint16_t t_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct link *l = link;
	uint16_t i;

	(void)q;
	l->polls++;
	for (i = 0; i < n && l->left > 0; i++, l->left--, l->given++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool), *tail = m;
		uint8_t head[HEAD];

		assert_non_null(m);
		head_fill(l, head, (uint32_t)l->given);
		for (uint32_t at = 0; at < l->size;) {
			uint32_t room = l->size - at < 2000 ? l->size - at : 2000;
			uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)room);

			assert_non_null(p);
			if (at == 0)
				memcpy(p, head, room < HEAD ? room : HEAD);
			at += room;
			if (at < l->size) {
				tail->next = rte_pktmbuf_alloc(l->pool);
				assert_non_null(tail->next);
				tail = tail->next;
				m->nb_segs++;
			}
		}
		dp_meta(m)->flags = l->segsz != 0 ? DP_MF_TSO | DP_MF_CSUM : 0;
		dp_meta(m)->tso_segsz = l->segsz;
		pkts[i] = m;
	}
	return i;
}

static uint16_t t_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	struct link *l = link;

	for (uint16_t i = 0; i < n; i++, l->taken++) {
		uint16_t size = rte_pktmbuf_data_len(pkts[i]);

		if (l->taken < KEEP)
			memcpy(l->kept[l->taken], dp_data(pkts[i]), size < HEAD ? size : HEAD);
	}
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static void t_status(void *link, struct dp_link_status *out)
{
	memset(out, 0, sizeof(*out));
	out->up = out->attached = true;
	out->n_rxq = out->n_txq = ((struct link *)link)->n_rxq;
}

static void t_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

static const struct dp_link_driver driver = { "t",  t_create, t_destroy, t_flags,  t_rx,
					      t_tx, t_caps,   t_up,	 t_status, t_stats };

// Ports a..: a guest each, in VLAN 20; the last one is an uplink, a trunk of 20 and 21.
static void ports_make(const char *names, uint32_t n_workers, uint32_t guest_flags, uint8_t mode)
{
	const struct dp_switch_params p = { .n_workers = n_workers,
					    .worker_lcores = { 1, 2 },
					    .n_mbufs = 8191,
					    .n_mbufs_large = 32,
					    .mac_limit = 1024,
					    .queue_len = 8192 };
	struct dp_prepared *prep;
	struct weir_err err;
	struct dp_plan plan;

	assert_int_equal(dp_switch_create(&p, &sw, &err), 0);
	dp_switch_add_driver(sw, &driver);
	dp_plan_init(&plan);
	for (uint32_t i = 0; names[i] != '\0'; i++) {
		bool last = names[i + 1] == '\0';
		struct dp_act_port_set a = { .h = { DP_ACT_PORT_SET, sizeof(a) } };

		a.p = (struct dp_port_params){
			.name = { names[i] },
			.driver = "t",
			.args = { names[i] },
			.mtu = 1500,
			.n_queues = 1,
			.role = last ? DP_ROLE_UPLINK : DP_ROLE_GUEST,
			.vlan_mode = last ? DP_VLAN_TRUNK : mode,
			.vid = last ? 0 : 20,
			.default_class = QOS_CLASS_BULK,
			.flags = last ? 0 : DP_PF_ISOLATED | guest_flags,
			.trunk = { 0, 0, 0x30 },
		};
		assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	}
	if (dp_switch_prepare(sw, &plan, &prep, &err) < 0)
		fail_msg("%s", err.text);
	dp_switch_commit(sw, prep);
	dp_plan_fini(&plan);
	now_ns = 10 * S;
	memset(vm_views, 0, sizeof(vm_views));
	for (uint32_t i = 0; links[i] != NULL && i < MAX_PORTS; i++)
		links[i]->size = 1514;
}

static void ports_end(void)
{
	struct weir_err err;

	if (!dp_switch_conserved(sw, &err))
		fail_msg("%s", err.text);
	dp_switch_destroy(sw);
	memset(links, 0, sizeof(links));
}

// The policy of port a's (b's, ...) VM, in force from now on.
static void vm_set(uint32_t port, uint16_t idx, const struct dp_vm_params *p)
{
	struct dp_vm_view *vm = &vm_views[idx];

	if (vm->serial == 0 || memcmp(&vm->p, p, sizeof(*p)) != 0)
		*vm = (struct dp_vm_view){ .idx = idx, .serial = ++next_serial, .p = *p };
	dp_root(sw)->views[port]->vm = vm;
	dp_limit_share((struct dp_snapshot *)(uintptr_t)dp_root(sw), sw->n_workers);
}

static void qos_set(void)
{
	static const uint8_t pcp[QOS_N_CLASSES] = { 6, 4, 4, 5, 2, 0, 1 };

	memset(&qos_view, 0, sizeof(qos_view));
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		qos_view.classes[i].pcp = pcp[i];
		qos_view.classes[i].dscp = DP_DSCP_KEEP;
	}
	((struct dp_snapshot *)(uintptr_t)dp_root(sw))->qos = &qos_view;
}

static void turns(uint64_t for_ns, uint64_t step_ns)
{
	for (uint64_t end = now_ns + for_ns; now_ns < end; now_ns += step_ns) {
		for (uint32_t id = 0; id < sw->n_workers; id++)
			dp_switch_turn(sw, id, now_ns);
	}
}

static uint64_t counter(uint32_t port, enum dp_port_counter c)
{
	struct dp_port_totals t;

	assert_int_equal(dp_switch_port_totals(sw, (uint16_t)port, &t), 0);
	return t.c[c];
}

static uint64_t dropped(uint32_t port, enum dp_drop reason)
{
	struct dp_port_totals t;

	assert_int_equal(dp_switch_port_totals(sw, (uint16_t)port, &t), 0);
	return t.drop_in[reason];
}

// units = what was sent, in 1/8 of what the rate counts.
static void assert_rate(uint64_t sent, uint64_t rate, uint64_t ns, uint64_t slack)
{
	uint64_t want = (uint64_t)((unsigned __int128)rate * ns / (8 * S));

	if (sent > want + slack || sent + slack < want)
		fail_msg("rate %lu: %lu in %lu ns, not %lu +- %lu", (unsigned long)rate,
			 (unsigned long)sent, (unsigned long)ns, (unsigned long)want,
			 (unsigned long)slack);
}

// --- the VM's total

static void a_vm_over_its_total_is_not_polled_and_loses_nothing(void **state)
{
	const uint64_t rates[] = { 1000000, 100000000, 1000000007, 10 * S, 40 * S };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rates); i++) {
		struct dp_vm_params p = { .name = "v", .from_bits_per_s = rates[i] };
		uint64_t ns = 20 * S / (rates[i] / 1000000) * 100, burst, held;

		ns = RTE_MIN(ns, 2000 * MS);
		ports_make("ab", 1, 0, DP_VLAN_ACCESS);
		vm_set(0, 1, &p);
		links[0]->left = UINT64_MAX;
		burst = qos_rate_burst(rates[i], 0) + 33 * 1538;
		turns(ns, 500 + ns / 100000);
		assert_rate(links[0]->given * 1538, rates[i], ns, burst);
		assert_int_equal(links[1]->taken, links[0]->given);
		held = counter(0, DP_PC_rx_held_ns);
		assert_true(held > ns / 2 && held <= ns);
		ports_end();
	}
}

static void packets_are_limited_as_bytes_are(void **state)
{
	const uint32_t rates[] = { 1, 1000, 123457, 5000000 };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rates); i++) {
		struct dp_vm_params p = { .name = "v", .from_pps = rates[i] };
		uint64_t ns = rates[i] == 1 ? 100 * S : 100 * MS;

		ports_make("ab", 1, 0, DP_VLAN_ACCESS);
		vm_set(0, 1, &p);
		links[0]->left = UINT64_MAX;
		links[0]->size = 60;
		turns(ns, ns / 100000);
		assert_rate(links[0]->given, rates[i] * 8ull, ns,
			    qos_rate_burst(rates[i] * 8ull, 8) + 32);
		ports_end();
	}
}

static void the_tighter_of_two_limits_holds(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_pps = 10000, .from_bits_per_s = 10 * S };

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	links[0]->left = UINT64_MAX;
	turns(100 * MS, 1000);
	assert_rate(links[0]->given, 80000, 100 * MS, 40);
	p.from_pps = 1000000;
	p.from_bits_per_s = 100000000;
	vm_set(0, 1, &p);
	links[0]->given = 0;
	turns(100 * MS, 1000);
	assert_rate(links[0]->given * 1538, 100000000, 100 * MS, 41 * 1538);
	ports_end();
}

// 54 bytes of headers and 60,000 of payload: 42 frames.
static void super_frames_are_paid_for_as_what_they_become(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 10 * S };
	const uint64_t wire = 60000 + 42 * (54 + 24);

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	links[0]->left = UINT64_MAX;
	links[0]->size = 60054;
	links[0]->segsz = 1448;
	turns(100 * MS, 1000);
	assert_rate(links[0]->given * wire, 10 * S, 100 * MS, 25000 + 17 * wire);
	assert_int_equal(links[1]->taken, links[0]->given);
	ports_end();
}

// Requests that fit no packet are charged as the frame that they came with, and dropped.
static void nonsense_requests_are_charged_and_bounded(void **state)
{
	const uint16_t segsz[] = { 1, 63, 64, 65535 };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(segsz); i++) {
		struct dp_vm_params p = { .name = "v", .from_bits_per_s = S };

		ports_make("ab", 1, 0, DP_VLAN_ACCESS);
		vm_set(0, 1, &p);
		links[0]->left = UINT64_MAX;
		links[0]->size = 9014;
		links[0]->segsz = segsz[i];
		turns(20 * MS, 1000);
		assert_true(links[0]->given * 9038 < 2500000 + 25000 + 32 * 20000);
		assert_true(links[0]->given > 50);
		ports_end();
	}
}

static void the_ports_of_a_vm_share_its_total(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 100000000 };

	(void)state;
	ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	vm_set(1, 1, &p);
	links[0]->left = links[1]->left = UINT64_MAX;
	turns(200 * MS, 1000);
	assert_rate((links[0]->given + links[1]->given) * 1538, 100000000, 200 * MS, 48 * 1538);
	// One alone has all of it.
	links[0]->left = 0;
	links[1]->given = 0;
	turns(200 * MS, 1000);
	assert_rate(links[1]->given * 1538, 100000000, 200 * MS, 48 * 1538);
	ports_end();
}

// Ports of one VM at two workers: half the total each.
static void workers_share_a_total(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 100000000 };

	(void)state;
	ports_make("abc", 2, 0, DP_VLAN_ACCESS);
	assert_int_not_equal(dp_root(sw)->views[0]->port->owner,
			     dp_root(sw)->views[1]->port->owner);
	vm_set(0, 1, &p);
	vm_set(1, 1, &p);
	links[0]->left = links[1]->left = UINT64_MAX;
	turns(200 * MS, 1000);
	assert_rate(links[0]->given * 1538, 50000000, 200 * MS, 24 * 1538);
	assert_rate(links[1]->given * 1538, 50000000, 200 * MS, 24 * 1538);
	turns(MS, 1000);
	ports_end();
}

static void a_neighbour_does_not_wait_for_who_is_held_back(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 1000000 };

	(void)state;
	ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	links[0]->left = links[1]->left = UINT64_MAX;
	turns(MS, 1000);
	assert_int_equal(links[1]->given, 32 * 1000);
	assert_int_equal(counter(1, DP_PC_rx_held_ns), 0);
	ports_end();
}

// A change every 100 us: never more than the rates of that time and one burst.
static void a_change_of_rate_makes_no_burst(void **state)
{
	struct dp_vm_params p = { .name = "v" };
	uint64_t may = 0, seed = 7;

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	links[0]->left = UINT64_MAX;
	for (uint32_t i = 0; i < 2000; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		p.from_bits_per_s = 1000000 + (seed >> 33) % (i % 2 ? 10 * S : 100000000);
		vm_set(0, 1, &p);
		turns(100000, 1000);
		may += p.from_bits_per_s / 80000;
	}
	assert_true(links[0]->given * 1538 <= may + 25000 + 33 * 1538);
	assert_true(links[0]->given * 1538 >= may - may / 20);
	ports_end();
}

static void lifting_a_limit_ends_the_wait(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 1000 };
	uint64_t held;

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	links[0]->left = UINT64_MAX;
	turns(10 * MS, 1000);
	assert_true(links[0]->given <= 32 + 8); // the first burst is taken before anybody counts
	links[0]->given = 0;
	p.from_bits_per_s = 0;
	vm_set(0, 1, &p);
	turns(MS, 1000);
	assert_int_equal(links[0]->given, 32 * 1000);
	held = counter(0, DP_PC_rx_held_ns);
	turns(MS, 1000);
	assert_int_equal(counter(0, DP_PC_rx_held_ns), held);
	ports_end();
}

static void another_vm_at_the_same_index_owes_nothing(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 1000 };

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	links[0]->left = UINT64_MAX;
	turns(10 * MS, 1000);
	links[0]->given = 0;
	memcpy(p.name, "w", 2);
	vm_set(0, 1, &p);
	turns(10 * MS, 1000);
	assert_int_equal(links[0]->given, 8); // 98 s for them; the other's debt was 98 s more
	ports_end();
}

// A guest that has been silent for hours may send a burst, not hours of it.
static void a_rest_earns_one_burst(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 100000000 };

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	links[0]->left = 1;
	turns(MS, 1000);
	now_ns += 10000 * S;
	links[0]->left = UINT64_MAX;
	links[0]->given = 0;
	turns(10 * MS, 1000);
	assert_rate(links[0]->given * 1538, 100000000, 10 * MS, 17 * 1538);
	ports_end();
}

// A worker with nobody but a held-back VM naps no longer than until that may send.
static void the_time_of_release_is_known(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 1000000 };
	uint64_t release;

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	turns(MS, 1000);
	assert_true(sw->workers[0].release_ns == UINT64_MAX);
	links[0]->left = UINT64_MAX;
	turns(MS, 1000);
	release = sw->workers[0].release_ns;
	assert_true(release > now_ns && release < now_ns + S);
	links[0]->given = 0;
	now_ns = release - 1;
	dp_switch_turn(sw, 0, now_ns);
	assert_int_equal(links[0]->given, 0);
	dp_switch_turn(sw, 0, now_ns + 1);
	assert_int_equal(links[0]->given, 8);
	ports_end();
}

// --- the meter

static struct dp_vm_params metered(enum qos_meter_mode mode, bool aware)
{
	struct dp_vm_params p = { .name = "v" };

	p.meter = (struct qos_meter_params){ .mode = mode,
					     .colour_aware = aware,
					     .committed_bits_per_s = 1000000,
					     .second_bits_per_s = 1000000,
					     .committed_burst_bytes = 10 * 1538,
					     .second_burst_bytes = 20 * 1538 };
	return p;
}

static uint32_t number_of(const uint8_t *p, bool tagged)
{
	uint32_t n;

	memcpy(&n, p + 14 + (tagged ? 4 : 0) + 40, 4);
	return n;
}

static uint32_t tci_of(const uint8_t *p)
{
	assert_memory_equal(p + 12, "\x81\0", 2);
	return dp_be16(p + 14);
}

// 10 green, 20 (RFC 2698: 10) yellow, the rest red; in order, in bursts of 32 alike or one by one.
static void red_is_dropped_and_yellow_has_dei(void **state)
{
	const enum qos_meter_mode modes[] = { QOS_METER_RFC4115, QOS_METER_RFC2698 };

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct dp_vm_params p = metered(modes[i % 2], false);
		uint64_t n_yellow = i % 2 ? 10 : 20;

		ports_make("ab", 1, 0, DP_VLAN_ACCESS);
		vm_set(0, 1, &p);
		links[0]->v6 = i >= 2; // no runs
		links[0]->left = 50;
		turns(3000, 1000);
		assert_int_equal(dropped(0, DP_DROP_meter_red), 40 - n_yellow);
		assert_int_equal(links[1]->taken, 10 + n_yellow);
		for (uint32_t k = 0; k < 10 + n_yellow; k++) {
			const uint8_t *f = links[1]->kept[k];

			assert_int_equal(tci_of(f), 20 | (k >= 10 ? 1 << 12 : 0));
			assert_int_equal(number_of(f + (links[0]->v6 ? 20 : 0), true), k);
		}
		ports_end();
	}
}

// While red frames fall out of a run the colours of what is left are right: sizes that fit by
// turns.
static void a_run_falls_into_runs_of_one_colour(void **state)
{
	struct dp_vm_params p = metered(QOS_METER_RFC4115, false);
	uint32_t n_green = 0;

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	p.meter.committed_bits_per_s = 500000000;
	p.meter.second_bits_per_s = 250000000;
	p.meter.committed_burst_bytes = p.meter.second_burst_bytes = 1538;
	vm_set(0, 1, &p);
	links[0]->left = 400;
	turns(4000 * 1000, 100000);
	assert_int_equal(links[0]->given, 400);
	assert_int_equal(links[1]->taken + dropped(0, DP_DROP_meter_red), 400);
	for (uint32_t k = 0; k < links[1]->taken; k++)
		n_green += tci_of(links[1]->kept[k]) == 20;
	assert_true(n_green >= 12 && n_green <= 14); // one per burst
	assert_true(links[1]->taken - n_green >= 12 && links[1]->taken - n_green <= 14);
	ports_end();
}

static void a_port_without_a_meter_again_drops_nothing(void **state)
{
	struct dp_vm_params p = metered(QOS_METER_RFC4115, false), none = { .name = "v" };

	(void)state;
	ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	vm_set(0, 1, &p);
	links[0]->left = 40;
	turns(3000, 1000);
	assert_int_equal(dropped(0, DP_DROP_meter_red), 10);
	vm_set(0, 1, &none);
	links[0]->left = 400;
	turns(20000, 1000);
	assert_int_equal(dropped(0, DP_DROP_meter_red), 10);
	assert_int_equal(links[1]->taken, 430);
	ports_end();
}

static void a_trusted_dei_is_yellow_to_a_colour_aware_meter(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		bool trusted = i & 1, aware = i & 2;
		struct dp_vm_params p = metered(QOS_METER_RFC4115, aware);

		ports_make("ab", 1, trusted ? DP_PF_TRUST_PCP : 0, DP_VLAN_TRUNK);
		vm_set(0, 1, &p);
		links[0]->n_tags = 1;
		links[0]->tci = 20 | 1 << 12;
		links[0]->left = 5;
		turns(3000, 1000);
		assert_int_equal(links[1]->taken, 5);
		// Without a colour-aware meter its own colours win.
		for (uint32_t k = 0; k < 5; k++)
			assert_int_equal(tci_of(links[1]->kept[k]),
					 20 | (trusted && aware ? 1 << 12 : 0));
		ports_end();
	}
}

// --- class and marks

struct mark_row {
	const char *what;
	uint32_t flags; // of the guest port
	uint8_t mode;
	uint16_t n_tags, tci;
	uint8_t tos, vlan_class, set_dscp;
	enum qos_class cls;
	uint16_t want_tci;
	uint8_t want_tos;
};

#define PCP(n) ((n) << 13)
#define DEI (1 << 12)

static const struct mark_row mark_rows[] = {
	{ "a guest's PCP and DEI are not believed", 0, DP_VLAN_TRUNK, 1, PCP(7) | DEI | 20, 0, 0,
	  DP_DSCP_KEEP, QOS_CLASS_BULK, PCP(0) | 20, 0 },
	{ "nor in a priority tag", 0, DP_VLAN_ACCESS, 1, PCP(6) | DEI, 0, 0, DP_DSCP_KEEP,
	  QOS_CLASS_BULK, PCP(0) | 20, 0 },
	{ "nor does trust in DSCP make them", DP_PF_TRUST_DSCP, DP_VLAN_TRUNK, 1, PCP(5) | 20, 0, 0,
	  DP_DSCP_KEEP, QOS_CLASS_BULK, PCP(0) | 20, 0 },
	{ "nor trust in PCP its DSCP", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1, PCP(0) | 20, 46 << 2, 0,
	  DP_DSCP_KEEP, QOS_CLASS_BULK, PCP(0) | 20, 46 << 2 },
	{ "a trusted PCP chooses the class, DEI the colour", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1,
	  PCP(5) | DEI | 20, 0, 0, DP_DSCP_KEEP, QOS_CLASS_LATENCY, PCP(5) | DEI | 20, 0 },
	{ "also in a priority tag", DP_PF_TRUST_PCP, DP_VLAN_ACCESS, 1, PCP(4), 0, 0, DP_DSCP_KEEP,
	  QOS_CLASS_STORAGE, PCP(4) | 20, 0 },
	{ "the class's PCP leaves, not the one that came", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1,
	  PCP(3) | 20, 0, 0, DP_DSCP_KEEP, QOS_CLASS_INTERACTIVE, PCP(2) | 20, 0 },
	{ "PCP 1 lowers", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1, PCP(1) | 20, 0, QOS_CLASS_STORAGE + 1,
	  DP_DSCP_KEEP, QOS_CLASS_SCAVENGER, PCP(1) | 20, 0 },
	{ "DSCP comes before PCP", DP_PF_TRUST_PCP | DP_PF_TRUST_DSCP, DP_VLAN_TRUNK, 1,
	  PCP(6) | 20, 18 << 2, 0, DP_DSCP_KEEP, QOS_CLASS_INTERACTIVE, PCP(2) | 20, 18 << 2 },
	{ "CS1 lowers what PCP would raise", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1, PCP(5) | 20, 8 << 2,
	  0, DP_DSCP_KEEP, QOS_CLASS_SCAVENGER, PCP(1) | 20, 8 << 2 },
	{ "the VLAN's class", 0, DP_VLAN_TRUNK, 1, PCP(7) | 20, 0, QOS_CLASS_STORAGE + 1,
	  DP_DSCP_KEEP, QOS_CLASS_STORAGE, PCP(4) | 20, 0 },
	{ "the VLAN's class on an access port", 0, DP_VLAN_ACCESS, 0, 0, 0, QOS_CLASS_STORAGE + 1,
	  DP_DSCP_KEEP, QOS_CLASS_STORAGE, PCP(4) | 20, 0 },
	{ "CS1 lowers below the VLAN's class", 0, DP_VLAN_ACCESS, 0, 0, 8 << 2,
	  QOS_CLASS_STORAGE + 1, DP_DSCP_KEEP, QOS_CLASS_SCAVENGER, PCP(1) | 20, 8 << 2 },
	{ "DSCP of the class, ECN untouched", 0, DP_VLAN_ACCESS, 0, 0, 46 << 2 | 2, 0, 10,
	  QOS_CLASS_BULK, PCP(0) | 20, 10 << 2 | 2 },
	{ "DSCP of the class behind a tag", 0, DP_VLAN_TRUNK, 1, 20, 0, 0, 63, QOS_CLASS_BULK,
	  PCP(0) | 20, 63 << 2 },
	{ "DSCP 0 of the class", 0, DP_VLAN_ACCESS, 0, 0, 46 << 2 | 1, 0, 0, QOS_CLASS_BULK,
	  PCP(0) | 20, 1 },
};

static void mark_row_check(const struct mark_row *r, bool v6, uint32_t n)
{
	uint8_t tos, *l3;

	ports_make("ab", 1, r->flags, r->mode);
	qos_set();
	qos_view.vlan_class[20] = r->vlan_class;
	qos_view.classes[r->cls].dscp = r->set_dscp;
	links[0]->n_tags = r->n_tags;
	links[0]->tci = r->tci;
	links[0]->tos = r->tos;
	links[0]->v6 = v6;
	links[0]->left = n;
	turns(3000, 1000);
	assert_int_equal(links[1]->taken, n);
	for (uint32_t k = 0; k < n; k++) {
		l3 = links[1]->kept[k] + 18;
		tos = v6 ? (uint8_t)(l3[0] << 4 | l3[1] >> 4) : l3[1];
		if (tci_of(links[1]->kept[k]) != r->want_tci || tos != r->want_tos)
			fail_msg("%s: tag %04x, not %04x; TOS %02x, not %02x", r->what,
				 tci_of(links[1]->kept[k]), r->want_tci, tos, r->want_tos);
		assert_true(v6 || rte_raw_cksum(l3, 20) == 0xffff);
	}
	ports_end();
}

// As one frame, as a run of 32, and over IPv6.
static void marks_are_those_of_the_class(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(mark_rows); i++) {
		mark_row_check(&mark_rows[i], false, 1);
		mark_row_check(&mark_rows[i], false, 32);
		mark_row_check(&mark_rows[i], true, 3);
	}
}

static void explain_names_the_rule(void **state)
{
	static const struct {
		uint32_t flags;
		uint16_t tci;
		uint8_t vlan_class, cls, why;
	} rows[] = {
		{ DP_PF_TRUST_PCP, PCP(5) | 20, 0, QOS_CLASS_LATENCY, QOS_WHY_PCP },
		{ 0, PCP(5) | 20, 0, QOS_CLASS_BULK, QOS_WHY_DEFAULT },
		{ 0, PCP(5) | 20, QOS_CLASS_BOOT + 1, QOS_CLASS_BOOT, QOS_WHY_VLAN },
		{ DP_PF_TRUST_PCP, PCP(2) | 20, 1, QOS_CLASS_INTERACTIVE, QOS_WHY_PCP },
	};
	struct dp_verdict v;
	uint8_t frame[HEAD];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		ports_make("ab", 1, rows[i].flags, DP_VLAN_TRUNK);
		qos_set();
		qos_view.vlan_class[20] = rows[i].vlan_class;
		links[0]->n_tags = 1;
		links[0]->tci = rows[i].tci;
		links[0]->size = HEAD;
		head_fill(links[0], frame, 0);
		assert_int_equal(dp_switch_explain(sw, 0, frame, sizeof(frame), &v), 0);
		assert_int_equal(v.cls, rows[i].cls);
		assert_int_equal(v.why, rows[i].why);
		ports_end();
	}
	assert_string_equal(qos_why_text(QOS_WHY_PCP), "the priority (PCP) of its tag");
}

int main(void)
{
	const char *argv[] = { "unit",
			       "--no-huge",
			       "--no-shconf",
			       "-m",
			       "192",
			       "--no-pci",
			       "--no-telemetry",
			       "--lcores",
			       "0@(0,1),1@(0,1),2@(0,1)",
			       "--log-level=*:error" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_over_its_total_is_not_polled_and_loses_nothing),
		cmocka_unit_test(packets_are_limited_as_bytes_are),
		cmocka_unit_test(the_tighter_of_two_limits_holds),
		cmocka_unit_test(super_frames_are_paid_for_as_what_they_become),
		cmocka_unit_test(nonsense_requests_are_charged_and_bounded),
		cmocka_unit_test(the_ports_of_a_vm_share_its_total),
		cmocka_unit_test(workers_share_a_total),
		cmocka_unit_test(a_neighbour_does_not_wait_for_who_is_held_back),
		cmocka_unit_test(a_change_of_rate_makes_no_burst),
		cmocka_unit_test(lifting_a_limit_ends_the_wait),
		cmocka_unit_test(another_vm_at_the_same_index_owes_nothing),
		cmocka_unit_test(a_rest_earns_one_burst),
		cmocka_unit_test(the_time_of_release_is_known),
		cmocka_unit_test(red_is_dropped_and_yellow_has_dei),
		cmocka_unit_test(a_run_falls_into_runs_of_one_colour),
		cmocka_unit_test(a_port_without_a_meter_again_drops_nothing),
		cmocka_unit_test(a_trusted_dei_is_yellow_to_a_colour_aware_meter),
		cmocka_unit_test(marks_are_those_of_the_class),
		cmocka_unit_test(explain_names_the_rule),
	};

	if (rte_eal_init(RTE_DIM(argv), (char **)(uintptr_t)argv) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
