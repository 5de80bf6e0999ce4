#include "sim.h"

#include <stdio.h>

#define POOL 65536u

uint64_t sim_random(struct sim *sim)
{
	// xorshift64* (Vigna 2016)
	sim->rng ^= sim->rng >> 12;
	sim->rng ^= sim->rng << 25;
	sim->rng ^= sim->rng >> 27;
	return sim->rng * 2685821657736338717ull;
}

void sim_init(struct sim *sim, const struct qos_sched_params *p, uint32_t n_srcs, uint64_t seed)
{
	size_t size = qos_sched_size(p);

	assert_true(size != 0);
	*sim = (struct sim){ .params = *p, .rng = seed * 2 + 1, .now_ns = SIM_S, .n_srcs = n_srcs };
	sim->mem = aligned_alloc(64, (size + 63) & ~(size_t)63);
	sim->srcs = calloc(n_srcs, sizeof(*sim->srcs));
	sim->pool = calloc(POOL, sizeof(*sim->pool));
	assert_non_null(sim->mem);
	memset(sim->mem, 0, size);
	assert_non_null(sim->srcs);
	assert_non_null(sim->pool);
	sim->n_pool = POOL;
	for (uint32_t i = 0; i < POOL; i++) {
		sim->pool[i].free_next = sim->free;
		sim->free = &sim->pool[i];
	}
	assert_int_equal(qos_sched_init(sim->mem, p, sim->now_ns, &sim->s), 0);
	for (uint32_t i = 0; i < p->n_vms; i++)
		assert_int_equal(qos_sched_add_vm(sim->s, i, sim->now_ns), 0);
}

static void give_back(struct sim *sim, struct sim_pkt *p)
{
	p->standing = false;
	p->free_next = sim->free;
	sim->free = p;
	sim->n_out--;
}

// In = out + dropped + queued, in bytes; and no packet is anywhere else.
static void check_conserved(struct sim *sim)
{
	uint64_t in = 0, out = 0, queued = 0, standing = 0, staged = 0;
	bool all_there = true;

	for (uint32_t i = 0; i < sim->n_srcs; i++) {
		in += sim->srcs[i].offered_bytes - sim->srcs[i].refused_bytes;
		out += sim->srcs[i].sent_bytes + sim->srcs[i].dropped_bytes;
	}
	for (uint32_t vm = 0; vm < sim->params.n_vms; vm++)
		for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
			struct qos_leaf_stats st;

			// A VM that is gone tells nothing; its packets are counted by the pool.
			if (qos_sched_leaf_stats(sim->s, vm, cls, &st) == 0)
				queued += st.queued_bytes_now;
			else
				all_there = false;
		}
	for (uint32_t i = 0; !all_there && i < sim->n_pool; i++)
		standing += sim->pool[i].standing ? sim->pool[i].q.wire_bytes : 0;
	for (uint32_t i = sim->stage_at; i < sim->n_stage; i++)
		staged += sim->stage[i]->wire_bytes;
	assert_true(in == out + (all_there ? queued + staged : standing));
	assert_int_equal(qos_sched_queued(sim->s), sim->n_out);
}

static void drain(struct sim *sim)
{
	struct qos_pkt *q;

	for (; sim->stage_at < sim->n_stage; sim->stage_at++) {
		sim->n_out++;
		give_back(sim, (struct sim_pkt *)sim->stage[sim->stage_at]);
	}
	while ((q = qos_sched_dequeue(sim->s, sim->now_ns += SIM_S)) != NULL)
		give_back(sim, (struct sim_pkt *)q);
	while ((q = qos_sched_take_dropped(sim->s)) != NULL)
		give_back(sim, (struct sim_pkt *)q);
}

void sim_fini(struct sim *sim)
{
	check_conserved(sim);
	drain(sim);
	assert_int_equal(sim->n_out, 0);
	free(sim->mem);
	free(sim->srcs);
	free(sim->pool);
}

void sim_offer(struct sim *sim, uint32_t src)
{
	struct sim_src *r = &sim->srcs[src];
	struct sim_pkt *p = sim->free;
	uint32_t flow = r->n_flows > 1 ? (uint32_t)sim_random(sim) % r->n_flows : 0, size;

	assert_non_null(p);
	sim->free = p->free_next;
	sim->n_out++;
	p->standing = true;
	size = r->min_bytes +
	       (r->max_bytes > r->min_bytes
			? (uint32_t)(sim_random(sim) % (r->max_bytes - r->min_bytes + 1))
			: 0);
	p->q = (struct qos_pkt){ .wire_bytes = qos_wire_bytes(size, 1, 0),
				 .flow_hash = r->flow_hash + flow,
				 .vm_idx = r->vm_idx,
				 .cls = r->cls,
				 .n_bufs = 1,
				 .flags = r->ect ? QOS_PKT_ECT : 0 };
	p->src = src;
	p->flow = flow;
	p->seq = r->seq[flow]++;
	sim->n_events++;
	r->offered_bytes += p->q.wire_bytes;
	if (qos_sched_enqueue(sim->s, &p->q, sim->now_ns) < 0) {
		r->refused_bytes += p->q.wire_bytes;
		r->n_refused++;
		give_back(sim, p);
	}
}

void sim_fill(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_srcs; i++) {
		struct sim_src *r = &sim->srcs[i];

		for (uint32_t d = 0; d < r->depth; d++)
			sim_offer(sim, i);
	}
}

static void account(struct sim *sim, struct sim_pkt *p)
{
	struct sim_src *r = &sim->srcs[p->src];
	uint64_t wait_ns = p->out_ns - p->q.in_ns;

	// Sequence numbers only grow: nothing overtook within the flow.
	assert_true(p->seq >= r->seen[p->flow]);
	r->seen[p->flow] = p->seq + 1;
	r->sent_bytes += p->q.wire_bytes;
	r->window_bytes += p->q.wire_bytes;
	r->n_sent++;
	r->n_marked += (p->q.flags & QOS_PKT_CE) != 0;
	sim->bytes_out += p->q.wire_bytes;
	sim->n_events++;
	if (wait_ns > r->max_wait_ns)
		r->max_wait_ns = wait_ns;
	if (r->n_waits < r->max_waits)
		r->waits_ns[r->n_waits++] = wait_ns;
}

// Into the ring of the card, behind what is there.
static void transmit(struct sim *sim, struct sim_pkt *p)
{
	struct sim_nic *n = &sim->nic;

	p->out_ns = sim->now_ns;
	if (n->rate_bits_per_s == 0)
		return;
	if (n->empty_ns < (double)sim->now_ns)
		n->empty_ns = (double)sim->now_ns;
	n->empty_ns += p->q.wire_bytes * 8e9 / (double)n->rate_bits_per_s;
	p->out_ns = (uint64_t)n->empty_ns;
}

// May n more packets be given to the card? Their length is not known before.
static bool nic_has_room(const struct sim *sim, uint32_t n_pkts)
{
	double ns = sim->nic.empty_ns - (double)sim->now_ns;

	if (sim->nic.rate_bits_per_s == 0 || ns <= 0)
		return true;
	return ns * (double)sim->nic.rate_bits_per_s / 8e9 + n_pkts * 1538 <= sim->nic.max_bytes;
}

// One packet, or the next of a burst; while the card has room for all of them.
static struct sim_pkt *dequeue(struct sim *sim)
{
	uint32_t n = sim->burst;

	if (n == 0)
		return (struct sim_pkt *)qos_sched_dequeue(sim->s, sim->now_ns);
	if (sim->stage_at == sim->n_stage) {
		sim->stage_at = 0;
		while (n > 1 && !nic_has_room(sim, n))
			n--;
		sim->n_stage = qos_sched_dequeue_burst(sim->s, sim->stage, n, sim->now_ns);
		sim->n_out -= sim->n_stage;
	}
	if (sim->stage_at == sim->n_stage)
		return NULL;
	sim->n_out++;
	return (struct sim_pkt *)sim->stage[sim->stage_at++];
}

struct sim_pkt *sim_take(struct sim *sim)
{
	struct sim_pkt *p = dequeue(sim), *d;

	while ((d = (struct sim_pkt *)qos_sched_take_dropped(sim->s)) != NULL) {
		sim->srcs[d->src].dropped_bytes += d->q.wire_bytes;
		sim->srcs[d->src].n_dropped++;
		if (sim->dropped != NULL)
			sim->dropped(sim, d);
		give_back(sim, d);
		if (sim->srcs[d->src].depth != 0)
			sim_offer(sim, d->src);
	}
	if (p != NULL) {
		sim->n_out--;
		sim->n_taken++;
	}
	return p;
}

void sim_left(struct sim *sim, struct sim_pkt *p)
{
	account(sim, p);
	if (sim->sent != NULL)
		sim->sent(sim, p);
	sim->n_taken--;
	sim->n_out++;
	give_back(sim, p);
	if (sim->srcs[p->src].depth != 0)
		sim_offer(sim, p->src);
}

static bool serve(struct sim *sim)
{
	struct sim_pkt *p = nic_has_room(sim, 1) ? sim_take(sim) : NULL;

	if (p == NULL)
		return false;
	transmit(sim, p);
	sim_left(sim, p);
	return true;
}

uint64_t sim_arrivals(struct sim *sim)
{
	uint64_t next_ns = UINT64_MAX;

	for (uint32_t i = 0; i < sim->n_srcs; i++) {
		struct sim_src *r = &sim->srcs[i];

		if (r->period_ns == 0)
			continue;
		while (r->next_ns <= sim->now_ns &&
		       (r->until_ns == 0 || r->next_ns < r->until_ns)) {
			for (uint32_t n = 0; n < (r->n_burst == 0 ? 1 : r->n_burst); n++)
				sim_offer(sim, i);
			r->next_ns += r->period_ns;
			if (r->jitter_ns != 0)
				r->next_ns += sim_random(sim) % r->jitter_ns;
		}
		if (r->until_ns == 0 || r->next_ns < r->until_ns)
			next_ns = r->next_ns < next_ns ? r->next_ns : next_ns;
	}
	return next_ns;
}

// The owner's loop: what came and what left since the last turn is seen at the next.
static void run_turns(struct sim *sim, uint64_t until_ns)
{
	while (sim->now_ns < until_ns) {
		(void)sim_arrivals(sim);
		if (sim->turn != NULL)
			sim->turn(sim);
		while (serve(sim))
			;
		sim->now_ns += sim->turn_ns;
		if (sim->turn_jitter_ns != 0)
			sim->now_ns += sim_random(sim) % sim->turn_jitter_ns;
	}
	check_conserved(sim);
}

static void run_events(struct sim *sim, uint64_t until_ns)
{
	uint64_t arrival_ns = sim_arrivals(sim);

	while (sim->now_ns < until_ns) {
		uint64_t next_ns;

		if (arrival_ns <= sim->now_ns)
			arrival_ns = sim_arrivals(sim);
		if (serve(sim))
			continue;
		next_ns = qos_sched_next_ns(sim->s);
		next_ns = arrival_ns < next_ns ? arrival_ns : next_ns;
		next_ns = next_ns <= sim->now_ns ? sim->now_ns + 1 : next_ns;
		sim->now_ns = next_ns < until_ns ? next_ns : until_ns;
	}
	check_conserved(sim);
}

void sim_run(struct sim *sim, uint64_t until_ns)
{
	if (sim->turn_ns != 0)
		run_turns(sim, until_ns);
	else
		run_events(sim, until_ns);
}

void sim_windows_reset(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_srcs; i++)
		sim->srcs[i].window_bytes = 0;
}

void sim_print(const char *format, ...)
{
	va_list args;

	if (getenv("SIM_PRINT") == NULL)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t sim_quantile(uint64_t *values, uint32_t n, double p)
{
	uint32_t at = (uint32_t)(p * n);

	assert_true(n != 0);
	qsort(values, n, sizeof(*values), compare);
	return values[at >= n ? n - 1 : at];
}
