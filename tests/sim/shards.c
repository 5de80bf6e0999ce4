// E10, the part with several owners of one link (qos_shard.h): 1 to 4 schedulers in simulated time,
// each publishing every 50 us at a moment of its own, each reading what the others published last.
#include "qos_shard.h"
#include "sim.h"

#include <math.h>

enum { STORAGE = 2, BULK = 5 };

#define LINK_BITS (40 * SIM_G)
#define MAX_VMS 16u // per shard
#define STEP_NS 1000u

struct shard {
	struct sim sim;
	struct qos_shard_state published;
	struct qos_shard_memory memory;
	uint64_t look_ns;
	uint64_t reserved_bits;
};

struct link {
	struct qos_shard_policy policy;
	struct shard shards[QOS_SHARDS_MAX];
	uint64_t now_ns, sent_bytes, rng;
};

static uint64_t link_random(struct link *l)
{
	l->rng = l->rng * 6364136223846793005ull + 1442695040888963407ull;
	return l->rng >> 33;
}

static void link_init(struct link *l, uint32_t n_shards, uint32_t n_vms, uint64_t seed)
{
	struct qos_sched_params params = { .rate_bits_per_s = LINK_BITS / n_shards,
					   .n_vms = n_vms,
					   .n_flows = 4 };

	memset(l, 0, sizeof(*l));
	l->policy = (struct qos_shard_policy){ .rate_bits_per_s = LINK_BITS, .n_shards = n_shards };
	l->now_ns = SIM_S;
	l->rng = seed;
	for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
		l->policy.shares[c] = 1;
	for (uint32_t i = 0; i < n_shards; i++) {
		struct shard *h = &l->shards[i];

		sim_init(&h->sim, &params, n_vms, seed + i);
		// Sums of reservations are the whole link's business.
		qos_sched_set_admission(h->sim.s, false);
		h->memory.self = i;
		h->memory.looked_ns = l->now_ns;
		for (uint32_t k = 0; k < n_shards; k++)
			h->memory.at_ns[k] = l->now_ns;
		h->look_ns = l->now_ns + link_random(l) % QOS_SHARD_PERIOD_NS;
		for (uint32_t v = 0; v < n_vms; v++)
			h->sim.srcs[v] = (struct sim_src){ .vm_idx = (uint16_t)v,
							   .cls = BULK,
							   .n_flows = 4,
							   .min_bytes = 64,
							   .max_bytes = 1514 };
	}
}

static void publish(struct shard *h, uint64_t now_ns)
{
	struct qos_shard_state s = { .at_ns = now_ns,
				     .sent_bytes = h->sim.bytes_out,
				     .reserved_bits_per_s = h->reserved_bits };

	for (uint32_t v = 0; v < h->sim.n_srcs; v++) {
		struct sim_src *r = &h->sim.srcs[v];
		struct qos_leaf_stats st;

		assert_int_equal(qos_sched_leaf_stats(h->sim.s, r->vm_idx, r->cls, &st), 0);
		s.queued_bytes += st.queued_bytes_now;
		s.weight[r->cls] += st.queued_pkts_now != 0;
	}
	h->published = s;
}

static void look(struct link *l, uint32_t self)
{
	struct shard *h = &l->shards[self];
	struct qos_shard_state states[QOS_SHARDS_MAX];
	struct qos_shard_share share;

	publish(h, l->now_ns);
	for (uint32_t i = 0; i < l->policy.n_shards; i++)
		states[i] = l->shards[i].published;
	qos_shard_divide(&l->policy, &h->memory, states, l->now_ns, &share);
	assert_true(share.rate_bits_per_s >= h->reserved_bits);
	assert_int_equal(qos_sched_set_rate(h->sim.s, share.rate_bits_per_s, l->now_ns), 0);
	// Nobody is exactly in time.
	h->look_ns = l->now_ns + QOS_SHARD_PERIOD_NS - 2000 + link_random(l) % 4000;
}

static void link_run(struct link *l, uint64_t until_ns)
{
	while (l->now_ns < until_ns) {
		l->now_ns += STEP_NS;
		l->sent_bytes = 0;
		for (uint32_t i = 0; i < l->policy.n_shards; i++) {
			sim_run(&l->shards[i].sim, l->now_ns);
			if (l->shards[i].look_ns <= l->now_ns)
				look(l, i);
			l->sent_bytes += l->shards[i].sim.bytes_out;
		}
	}
}

static void link_fini(struct link *l)
{
	for (uint32_t i = 0; i < l->policy.n_shards; i++)
		sim_fini(&l->shards[i].sim);
}

static void saturate(struct shard *h, uint32_t vm)
{
	h->sim.srcs[vm].depth = 64;
	for (uint32_t n = 0; n < 64; n++)
		sim_offer(&h->sim, vm);
}

// Two VMs of shard 0 always have packets, all others come and go in bursts: together always more
// than the link.
static void global_rate(uint32_t n_shards, uint64_t seed)
{
	struct link l;
	double worst = 0;

	link_init(&l, n_shards, 4, seed);
	for (uint32_t i = 0; i < n_shards; i++)
		for (uint32_t v = 0; v < 4; v++) {
			struct sim_src *r = &l.shards[i].sim.srcs[v];

			if (i == 0 && v < 2) {
				saturate(&l.shards[i], v);
				continue;
			}
			r->period_ns = 400 * SIM_US;
			r->jitter_ns = 600 * SIM_US;
			r->n_burst = 200;
			r->next_ns = l.now_ns + link_random(&l) % SIM_MS;
		}
	link_run(&l, l.now_ns + 5 * SIM_MS);
	for (uint32_t w = 0; w < 2; w++) {
		uint64_t was = l.sent_bytes;

		link_run(&l, l.now_ns + 25 * SIM_MS);
		worst = fmax(worst,
			     fabs((double)(l.sent_bytes - was) * 8 / (LINK_BITS * 0.025) - 1));
	}
	sim_print("E10: %u shards, global rate off by %.3f %%\n", n_shards, 100 * worst);
	assert_true(worst <= 0.0025);
	link_fini(&l);
}

static void e10_shards_keep_the_rate_of_the_link(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 4; n++)
		for (uint64_t seed = 301; seed < 303; seed++)
			global_rate(n, seed);
}

// Everything is saturated; VMs are spread unevenly, and each has the same shares.
static void e10_shards_share_alike(void **state)
{
	const uint32_t vms[] = { 10, 3, 1, 6 };
	struct link l;

	(void)state;
	for (uint32_t n = 2; n <= 4; n++) {
		double ideal, worst = 0, sum = 0;

		link_init(&l, n, MAX_VMS, 311);
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t v = 0; v < vms[i]; v++)
				saturate(&l.shards[i], v);
		link_run(&l, l.now_ns + 5 * SIM_MS);
		for (uint32_t i = 0; i < n; i++) {
			sum += vms[i];
			sim_windows_reset(&l.shards[i].sim);
		}
		link_run(&l, l.now_ns + 20 * SIM_MS);
		ideal = LINK_BITS * 0.02 / 8 / sum;
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t v = 0; v < vms[i]; v++)
				worst = fmax(
					worst,
					fabs((double)l.shards[i].sim.srcs[v].window_bytes / ideal -
					     1));
		sim_print("E10: %u shards, a VM's share off by %.2f %%\n", n, 100 * worst);
		assert_true(worst <= 0.05);
		link_fini(&l);
	}
}

// A reservation that slept has its rate at once, in each shard, though all others are full; and a
// VM with little reserved is not slowed down by where it is.
static void e10_reservations_are_exact_in_every_shard(void **state)
{
	(void)state;
	for (uint32_t self = 0; self < 4; self++) {
		struct qos_node_params reserved = sim_node(1, 8 * SIM_G, 0);
		struct link l;
		struct sim *mine;

		link_init(&l, 4, 8, 321);
		mine = &l.shards[self].sim;
		l.shards[self].reserved_bits = reserved.reservation_bits_per_s;
		assert_int_equal(qos_sched_set_leaf(mine->s, 0, BULK, &reserved, l.now_ns), 0);
		for (uint32_t i = 0; i < 4; i++)
			for (uint32_t v = 1; v < 8; v++)
				saturate(&l.shards[i], v);
		link_run(&l, l.now_ns + 5 * SIM_MS);
		saturate(&l.shards[self], 0);
		for (uint32_t w = 0; w < 10; w++) {
			sim_windows_reset(mine);
			link_run(&l, l.now_ns + SIM_MS);
			assert_true((double)mine->srcs[0].window_bytes * 8 >= 0.99 * 8e6);
		}
		link_fini(&l);
	}
}

// Each owner needs 200 ns per packet of 64 bytes; the link would carry more than four of them can.
static void e10_owners_scale(void **state)
{
	double one = 0;

	(void)state;
	for (uint32_t n = 1; n <= 4; n++) {
		struct link l;

		link_init(&l, n, 4, 331);
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t v = 0; v < 4; v++) {
				l.shards[i].sim.srcs[v].max_bytes = 64;
				saturate(&l.shards[i], v);
			}
		for (uint64_t end = l.now_ns + 5 * SIM_MS; l.now_ns < end;) {
			l.now_ns += STEP_NS;
			for (uint32_t i = 0; i < n; i++) {
				struct sim *s = &l.shards[i].sim;

				s->now_ns = l.now_ns;
				for (uint32_t k = 0; k < STEP_NS / 200; k++) {
					struct sim_pkt *p = sim_take(s);

					if (p == NULL)
						break;
					p->out_ns = l.now_ns;
					sim_left(s, p);
				}
				if (l.shards[i].look_ns <= l.now_ns)
					look(&l, i);
			}
		}
		l.sent_bytes = 0;
		for (uint32_t i = 0; i < n; i++)
			l.sent_bytes += l.shards[i].sim.bytes_out;
		if (n == 1)
			one = (double)l.sent_bytes;
		sim_print("E10: %u owners carry %.2f times what one does\n", n,
			  (double)l.sent_bytes / one);
		assert_true((double)l.sent_bytes >= 0.9 * n * one);
		link_fini(&l);
	}
}

// Bounds of the function itself, whatever it is told.
static void a_share_is_never_below_what_is_reserved_nor_above_twice_the_link(void **state)
{
	struct link l;

	(void)state;
	memset(&l, 0, sizeof(l));
	l.rng = 341;
	for (uint32_t i = 0; i < 20000; i++) {
		struct qos_shard_policy p = { .rate_bits_per_s =
						      1000 + link_random(&l) % 400 * SIM_G,
					      .n_shards = 1 + (uint32_t)link_random(&l) % 8 };
		struct qos_shard_state states[QOS_SHARDS_MAX] = { 0 };
		struct qos_shard_memory m = { .looked_ns = link_random(&l) };
		struct qos_shard_share share;
		uint64_t parts[QOS_SCHED_CLASSES] = { 0 };

		for (uint32_t s = 0; s < p.n_shards; s++) {
			states[s].at_ns = link_random(&l);
			states[s].sent_bytes = link_random(&l) << link_random(&l) % 20;
			states[s].queued_bytes = link_random(&l);
			states[s].reserved_bits_per_s = p.rate_bits_per_s * 3 / 4 / p.n_shards;
			for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
				states[s].weight[c] =
					link_random(&l) % 3 * link_random(&l) % 100000;
		}
		for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
			p.shares[c] = link_random(&l) % 101;
		for (uint32_t s = 0; s < p.n_shards; s++) {
			struct qos_shard_memory own = m;

			own.self = s;
			qos_shard_divide(&p, &own, states, m.looked_ns + link_random(&l) % 100000,
					 &share);
			assert_true(share.rate_bits_per_s >= states[s].reserved_bits_per_s);
			assert_true(share.rate_bits_per_s >= QOS_SCHED_MIN_BITS_PER_S);
			assert_true(share.rate_bits_per_s <= 2 * p.rate_bits_per_s);
			for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
				parts[c] += share.class_part[c];
		}
		for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
			assert_in_range(parts[c], 65536 - 8, 65536);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e10_shards_keep_the_rate_of_the_link),
		cmocka_unit_test(e10_shards_share_alike),
		cmocka_unit_test(e10_reservations_are_exact_in_every_shard),
		cmocka_unit_test(e10_owners_scale),
		cmocka_unit_test(a_share_is_never_below_what_is_reserved_nor_above_twice_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
