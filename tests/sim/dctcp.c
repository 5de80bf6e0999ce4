// E12, the half that needs no kernel: in each of two VMs 64 DCTCP flows (RFC 8257) and 64 flows
// that grow as CUBIC does (RFC 9438) and have no ECN, over a 10 Gbit/s link with CoDel and the ECN
// step; and a sparse flow beside them.
#include "sim.h"

#include <math.h>

#define N_VMS 2u
#define N_KIND 64u
#define N_FLOWS (N_VMS * 2 * N_KIND)
#define N_SRCS (N_FLOWS + N_VMS) // the last ones are sparse
#define BULK 5u
#define LINK_BITS (10 * SIM_G)
#define N_SETS 32u // of the hash, as the scheduler divides 256 queues
#define N_ACKS 65536u
#define N_RTTS 4u // 60, 80, 100, 120 us
#define MAX_WAITS 600000u
#define TICK_NS 1000u
#define WARM_NS (400 * SIM_MS)
#define RUN_NS (300 * SIM_MS)

enum news { ACKED, MARKED, LOST };

struct ack {
	uint64_t at_ns;
	uint16_t flow;
	uint8_t news;
};

struct acks { // those of one round trip time are in order
	struct ack q[N_ACKS];
	uint32_t head, tail;
};

struct tcp {
	bool dctcp;
	double cwnd, ssthresh, alpha;
	uint32_t in_flight, sent, acked; // packets; sent and acked only grow
	uint32_t window_end, n_window, n_marked;
	double w_max; // CUBIC
	uint64_t cut_ns;
};

struct world {
	struct sim sim;
	struct tcp flows[N_FLOWS];
	struct acks acks[N_RTTS];
	uint64_t *waits_ns, *sparse_ns; // [MAX_WAITS]
	uint32_t n_waits, n_sparse;
	uint64_t measure_ns;
	uint8_t in_set[N_VMS][N_SETS];
};

static void tell(struct world *w, uint32_t flow, enum news news)
{
	uint32_t rtt = flow % N_RTTS;
	struct acks *a = &w->acks[rtt];

	a->q[a->tail++ % N_ACKS] = (struct ack){ .at_ns = w->sim.now_ns + (60 + 20 * rtt) * SIM_US,
						 .flow = (uint16_t)flow,
						 .news = (uint8_t)news };
	assert_true(a->tail - a->head < N_ACKS);
}

static void sent(struct sim *sim, struct sim_pkt *p)
{
	struct world *w = sim->user;
	uint64_t wait_ns = sim->now_ns - p->q.in_ns;

	if (p->src < N_FLOWS)
		tell(w, p->src, (p->q.flags & QOS_PKT_CE) != 0 ? MARKED : ACKED);
	if (sim->now_ns < w->measure_ns)
		return;
	if (p->src >= N_FLOWS && w->n_sparse < MAX_WAITS)
		w->sparse_ns[w->n_sparse++] = wait_ns;
	else if (p->src < N_FLOWS && w->n_waits < MAX_WAITS)
		w->waits_ns[w->n_waits++] = wait_ns;
}

static void dropped(struct sim *sim, struct sim_pkt *p)
{
	if (p->src < N_FLOWS)
		tell(sim->user, p->src, LOST);
}

// RFC 8257 section 3.3: once per window, cut by half of the (smoothed) part that was marked.
static void dctcp_window(struct tcp *t)
{
	double part = t->n_window == 0 ? 0 : (double)t->n_marked / t->n_window;

	t->alpha += (part - t->alpha) / 16;
	if (t->n_marked != 0) {
		t->cwnd = fmax(2, t->cwnd * (1 - t->alpha / 2));
		t->ssthresh = t->cwnd;
	}
	t->n_window = t->n_marked = 0;
	t->window_end = t->sent;
}

// RFC 9438 sections 4.2, 4.3 and 4.6: C = 0.4, beta = 0.7, never slower than Reno would be.
static void cubic_grow(struct tcp *t, uint64_t now_ns)
{
	double s = (double)(now_ns - t->cut_ns) / 1e9, k = cbrt(t->w_max * 0.3 / 0.4);
	double want = 0.4 * pow(s - k, 3) + t->w_max;

	t->cwnd += fmax(0.53 / t->cwnd, (want - t->cwnd) / t->cwnd);
}

static void loss(struct tcp *t, uint64_t now_ns)
{
	if (t->acked < t->window_end)
		return; // once per window
	t->w_max = t->cwnd;
	t->cwnd = fmax(2, t->cwnd * (t->dctcp ? 0.5 : 0.7));
	t->ssthresh = t->cwnd;
	t->cut_ns = now_ns;
	t->window_end = t->sent;
}

static void news_of(struct tcp *t, enum news news, uint64_t now_ns)
{
	t->in_flight--;
	t->acked++;
	if (news == LOST) {
		loss(t, now_ns);
		return;
	}
	t->n_window++;
	t->n_marked += news == MARKED;
	if (t->cwnd < t->ssthresh)
		t->cwnd += 1;
	else if (t->dctcp)
		t->cwnd += 1 / t->cwnd;
	else
		cubic_grow(t, now_ns);
	if (t->dctcp && t->acked >= t->window_end)
		dctcp_window(t);
}

static void fill_window(struct world *w, uint32_t flow)
{
	struct tcp *t = &w->flows[flow];

	while (t->in_flight < (uint32_t)t->cwnd) {
		uint64_t refused = w->sim.srcs[flow].n_refused;

		t->in_flight++;
		t->sent++;
		sim_offer(&w->sim, flow);
		if (w->sim.srcs[flow].n_refused != refused)
			tell(w, flow, LOST);
	}
}

static void hear(struct world *w)
{
	for (uint32_t r = 0; r < N_RTTS; r++) {
		struct acks *a = &w->acks[r];

		for (; a->head != a->tail && a->q[a->head % N_ACKS].at_ns <= w->sim.now_ns;
		     a->head++) {
			struct ack *k = &a->q[a->head % N_ACKS];

			news_of(&w->flows[k->flow], k->news, w->sim.now_ns);
			fill_window(w, k->flow);
		}
	}
}

// A random hash; but no set of eight queues gets more than eight flows of a VM, so that each may
// have a queue of its own. (With 129 flows and 32 sets, one set in 25 would.)
static uint32_t draw_hash(struct world *w, uint32_t vm_idx)
{
	for (;;) {
		uint32_t hash = (uint32_t)sim_random(&w->sim), set = hash / 8 % N_SETS;

		if (w->in_set[vm_idx][set] == 8)
			continue;
		w->in_set[vm_idx][set]++;
		return hash;
	}
}

static void init(struct world *w, uint32_t n_queues, const struct qos_codel_params *codel,
		 uint64_t seed)
{
	struct qos_sched_params params = {
		.rate_bits_per_s = LINK_BITS, .n_vms = N_VMS, .n_flows = n_queues, .late_ns = 4000
	};
	struct qos_class_params bulk = { .node = sim_node(1, 0, 0), .codel = *codel };

	sim_init(&w->sim, &params, N_SRCS, seed);
	assert_int_equal(qos_sched_set_class(w->sim.s, BULK, &bulk, w->sim.now_ns), 0);
	w->sim.user = w;
	w->sim.sent = sent;
	w->sim.dropped = dropped;
	w->measure_ns = w->sim.now_ns + WARM_NS;
	for (uint32_t i = 0; i < N_SRCS; i++) {
		bool dctcp = i % 2 == 0;

		w->sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)(i / 2 % N_VMS),
						   .cls = BULK,
						   .flow_hash = draw_hash(w, i / 2 % N_VMS),
						   .ect = dctcp,
						   .min_bytes = 1514,
						   .max_bytes = 1514 };
		if (i < N_FLOWS)
			w->flows[i] = (struct tcp){ .dctcp = dctcp,
						    .cwnd = 4 + (double)(sim_random(&w->sim) % 12),
						    .ssthresh = 1e9,
						    .w_max = 10 };
	}
	for (uint32_t i = N_FLOWS; i < N_SRCS; i++) {
		w->sim.srcs[i].vm_idx = (uint16_t)(i - N_FLOWS);
		w->sim.srcs[i].ect = false;
		w->sim.srcs[i].min_bytes = w->sim.srcs[i].max_bytes = 200;
		w->sim.srcs[i].period_ns = 40 * SIM_US;
		w->sim.srcs[i].jitter_ns = 60 * SIM_US;
		w->sim.srcs[i].next_ns = w->sim.now_ns;
	}
}

struct figures {
	double p95_us, sparse_p99_us, used, dctcp_part, marked, lost;
};

static struct figures run(uint32_t n_queues, const struct qos_codel_params *codel, uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct figures f = { 0 };
	struct sim *s = &w->sim;
	uint64_t was = 0;

	assert_non_null(w);
	w->waits_ns = calloc(MAX_WAITS, sizeof(uint64_t));
	w->sparse_ns = calloc(MAX_WAITS, sizeof(uint64_t));
	init(w, n_queues, codel, seed);
	for (uint32_t i = 0; i < N_FLOWS; i++)
		fill_window(w, i);
	for (uint64_t end = s->now_ns + WARM_NS + RUN_NS; s->now_ns < end; s->now_ns += TICK_NS) {
		struct sim_pkt *p;

		if (s->now_ns == w->measure_ns)
			was = s->bytes_out;
		hear(w);
		(void)sim_arrivals(s);
		while ((p = sim_take(s)) != NULL) {
			p->out_ns = s->now_ns;
			sim_left(s, p);
		}
	}
	f.used = (double)(s->bytes_out - was) * 8e9 / RUN_NS / LINK_BITS;
	f.p95_us = (double)sim_quantile(w->waits_ns, w->n_waits, 0.95) / 1e3;
	f.sparse_p99_us = (double)sim_quantile(w->sparse_ns, w->n_sparse, 0.99) / 1e3;
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		f.dctcp_part +=
			i % 2 == 0 ? (double)s->srcs[i].sent_bytes / (double)s->bytes_out : 0;
		f.marked += (double)s->srcs[i].n_marked;
		f.lost += (double)s->srcs[i].n_dropped;
	}
	free(w->waits_ns);
	free(w->sparse_ns);
	sim_fini(s);
	free(w);
	return f;
}

// sparse_us  what the sparse flow may wait; where it shares its queue no such mark can hold
static void e12(uint32_t n_queues, double sparse_us)
{
	// What is meant for traffic inside a data centre: 1 ms, and a step of 500 us for DCTCP.
	const struct qos_codel_params codel = { .target_ns = 1000000,
						.interval_ns = 10000000,
						.step_ns = 500000 };

	for (uint64_t seed = 401; seed < 403; seed++) {
		struct figures f = run(n_queues, &codel, seed);

		sim_print("E12: %u queues: p95 %.0f us, sparse p99 %.0f us, used %.4f, DCTCP has "
			  "%.2f, "
			  "%.0f marked, %.0f dropped\n",
			  n_queues, f.p95_us, f.sparse_p99_us, f.used, f.dctcp_part, f.marked,
			  f.lost);
		assert_true(f.p95_us <= 2 * 1000);
		assert_true(f.used >= 0.95);
		assert_true(f.sparse_p99_us <= sparse_us);
		assert_true(f.marked > 1000 && f.lost > 100);
	}
}

static void e12_queues_stay_short_and_the_link_full(void **state)
{
	(void)state;
	e12(256, 1000);
}

static void e12_also_with_more_flows_than_queues(void **state)
{
	(void)state;
	e12(32, INFINITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e12_queues_stay_short_and_the_link_full),
		cmocka_unit_test(e12_also_with_more_flows_than_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
