#include "qos_shard.h"

#include <stdbool.h>

#define NS_PER_S 1000000000ull
#define ONE 65536u
// A debt is paid within so many periods: slower than it is seen, or owners would swing.
#define PAY_PERIODS 8
// How long a link that was not used may be made up for, and how long one is held back at most.
#define MOST_CREDIT_NS 100000
#define MOST_DEBT_NS 1000000

// One owner's claim on the link, in bit/s.
struct claim {
	uint64_t least, most, rate;
	uint64_t weight; // of the excess, 2^-16 of the sum over all
	bool fixed;
};

static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	return (uint64_t)((unsigned __int128)a * b / c);
}

static int64_t clamp(int64_t v, int64_t least, int64_t most)
{
	return v < least ? least : v > most ? most : v;
}

// Bytes at rate bits_per_s in ns.
static int64_t bytes_in(uint64_t bits_per_s, uint64_t ns)
{
	return (int64_t)scale(bits_per_s, ns, 8 * NS_PER_S);
}

// What each sent since it published before, and what all have sent too much.
static void learn(const struct qos_shard_policy *p, struct qos_shard_memory *m,
		  const struct qos_shard_state *states, uint64_t now_ns)
{
	int64_t ns = (int64_t)(now_ns - m->looked_ns), sum = 0;

	if (ns <= 0)
		return;
	for (uint32_t i = 0; i < p->n_shards; i++) {
		int64_t passed_ns = (int64_t)(states[i].at_ns - m->at_ns[i]);
		uint64_t bytes = states[i].sent_bytes - m->sent_bytes[i];

		if (passed_ns <= 0)
			continue;
		m->use_bits_per_s[i] = scale(bytes, 8 * NS_PER_S, (uint64_t)passed_ns);
		m->sent_bytes[i] = states[i].sent_bytes;
		m->at_ns[i] = states[i].at_ns;
		sum += (int64_t)bytes;
	}
	m->looked_ns = now_ns;
	m->debt_bytes = clamp(m->debt_bytes + sum - bytes_in(p->rate_bits_per_s, (uint64_t)ns),
			      -bytes_in(p->rate_bits_per_s, MOST_CREDIT_NS),
			      bytes_in(p->rate_bits_per_s, MOST_DEBT_NS));
}

// What all may send together until the next look. What is made up for is bounded by the ring of
// the card, as all that is sent.
static uint64_t capacity(const struct qos_shard_policy *p, const struct qos_shard_memory *m)
{
	int64_t rate = (int64_t)p->rate_bits_per_s;
	int64_t per_s = m->debt_bytes * 8 * (int64_t)(NS_PER_S / QOS_SHARD_PERIOD_NS / PAY_PERIODS);

	return (uint64_t)clamp(rate - per_s, rate / 2, rate + rate / 8);
}

// Each class's shares fall to the owners by the weights that have packets with them.
static void weigh(const struct qos_shard_policy *p, const struct qos_shard_state *states,
		  struct claim *claims, struct qos_shard_share *out, uint32_t self)
{
	uint64_t shares = 0, sums[QOS_SCHED_CLASSES] = { 0 };

	for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++) {
		for (uint32_t i = 0; i < p->n_shards; i++)
			sums[c] += states[i].weight[c];
		shares += sums[c] != 0 ? p->shares[c] : 0;
		out->class_part[c] =
			sums[c] == 0 ? ONE / p->n_shards
				     : (uint32_t)scale(ONE, states[self].weight[c], sums[c]);
	}
	for (uint32_t i = 0; i < p->n_shards; i++)
		for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
			if (sums[c] != 0 && shares != 0)
				claims[i].weight += scale((uint64_t)ONE * p->shares[c],
							  states[i].weight[c], sums[c] * shares);
}

// One round: divide what is left by weight; returns whether somebody got too little or too much and
// is fixed now. Those that break the bound which costs more together are fixed.
static bool fix_some(struct claim *claims, uint32_t n, uint64_t left)
{
	uint64_t weights = 0;
	int64_t over = 0;
	bool fixed = false;

	for (uint32_t i = 0; i < n; i++)
		weights += claims[i].fixed ? 0 : claims[i].weight;
	for (uint32_t i = 0; i < n; i++) {
		struct claim *c = &claims[i];
		uint64_t fair = weights == 0 ? 0 : scale(left, c->weight, weights);

		if (c->fixed)
			continue;
		c->rate = fair < c->least ? c->least : fair > c->most ? c->most : fair;
		over += (int64_t)(c->rate - fair);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct claim *c = &claims[i];
		bool low = c->rate == c->least, high = c->rate == c->most;

		if (c->fixed || !((over >= 0 && low) || (over <= 0 && high)))
			continue;
		c->fixed = fixed = true;
	}
	return fixed;
}

// Everybody gets its part by weight, but at least what is reserved, and at most what it asks for.
// returns what nobody asks for
static uint64_t divide(struct claim *claims, uint32_t n, uint64_t all)
{
	for (uint32_t round = 0; round <= n; round++) {
		uint64_t left = all;

		for (uint32_t i = 0; i < n; i++)
			if (claims[i].fixed)
				left -= claims[i].rate < left ? claims[i].rate : left;
		if (!fix_some(claims, n, left))
			break;
	}
	for (uint32_t i = 0; i < n; i++)
		all -= claims[i].rate < all ? claims[i].rate : all;
	return all;
}

void qos_shard_divide(const struct qos_shard_policy *p, struct qos_shard_memory *m,
		      const struct qos_shard_state *states, uint64_t now_ns,
		      struct qos_shard_share *out)
{
	struct claim claims[QOS_SHARDS_MAX] = { 0 };
	uint64_t spare;

	learn(p, m, states, now_ns);
	weigh(p, states, claims, out, m->self);
	for (uint32_t i = 0; i < p->n_shards; i++) {
		const struct qos_shard_state *s = &states[i];
		// What it sends, and what stands: that would take one period more.
		uint64_t asks = m->use_bits_per_s[i] +
				scale(s->queued_bytes, 8 * NS_PER_S, QOS_SHARD_PERIOD_NS);

		asks = asks < p->rate_bits_per_s ? asks : p->rate_bits_per_s;
		claims[i].most = asks;
		claims[i].least = s->reserved_bits_per_s < asks ? s->reserved_bits_per_s : asks;
		// Who has no queue gets what it uses.
		claims[i].fixed = claims[i].weight == 0;
		claims[i].rate = asks;
	}
	spare = divide(claims, p->n_shards, capacity(p, m));
	out->rate_bits_per_s = claims[m->self].rate + spare / p->n_shards;
	// Whoever wakes before the next look has its reservations at once, and some room.
	spare = p->rate_bits_per_s / (16 * p->n_shards);
	if (spare < QOS_SCHED_MIN_BITS_PER_S)
		spare = QOS_SCHED_MIN_BITS_PER_S;
	if (out->rate_bits_per_s < spare)
		out->rate_bits_per_s = spare;
	if (out->rate_bits_per_s < states[m->self].reserved_bits_per_s)
		out->rate_bits_per_s = states[m->self].reserved_bits_per_s;
}
