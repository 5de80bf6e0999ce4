// Which slots of a SELECT group's table belong to which bucket, and the hash that finds them.
//
// Maglev's way (Eisenbud et al., NSDI 2016, section 3.4): each bucket has an order of its own in
// which it likes the slots, and buckets take turns, as often as their weights say, to take the next
// free one they like. The order comes from what the bucket does, not from its place in the list.
#include <errno.h>
#include <stdlib.h>

#include "of_group_priv.h"

// A bucket while slots are handed out.
struct taker {
	uint32_t at, step; // where it looks next, and how far apart the places are that it likes
	uint32_t quota, n_taken;
	uint64_t rest; // of the division that made the quota
};

static uint64_t mix(uint64_t h)
{
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93;
	h = (h ^ h >> 32) * 0xd6e8feb86659fd93;
	return h ^ h >> 32;
}

static uint64_t identity(const struct dp_of_bucket_view *b)
{
	uint64_t h = (uint64_t)b->watch_port << 32 | b->watch_group;

	for (uint32_t i = 0; i < b->n_ops; i++)
		h = (h ^ b->ops[i]) * 0x100000001b3;
	return mix(h);
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void taker_init(struct taker *t, uint64_t h)
{
	t->at = (uint32_t)(h % DP_OF_SLOTS);
	t->step = (uint32_t)(h >> 32) % DP_OF_SLOTS;
	while (common_divisor(t->step, DP_OF_SLOTS) != 1)
		t->step++;
	t->n_taken = 0;
}

// How many slots each gets: largest remainders, so that all slots are somebody's.
static uint32_t quotas_set(struct taker *t, const struct dp_of_bucket_view *b, uint32_t n)
{
	uint32_t left = DP_OF_SLOTS, most = 0;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += b[i].weight;
	if (sum == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		t[i].quota = (uint32_t)((uint64_t)b[i].weight * DP_OF_SLOTS / sum);
		t[i].rest = (uint64_t)b[i].weight * DP_OF_SLOTS % sum;
		left -= t[i].quota;
	}
	for (; left > 0; left--) {
		uint32_t best = 0;

		for (uint32_t i = 1; i < n; i++)
			best = t[i].rest > t[best].rest ? i : best;
		t[best].quota++;
		t[best].rest = 0;
	}
	for (uint32_t i = 0; i < n; i++)
		most = RTE_MAX(most, t[i].quota);
	return most;
}

static void take(struct taker *t, uint16_t *slots, uint32_t bucket)
{
	while (slots[t->at] != UINT16_MAX)
		t->at = (t->at + t->step) % DP_OF_SLOTS;
	slots[t->at] = (uint16_t)bucket;
	t->n_taken++;
}

int dp_of_slots_fill(const struct dp_of_bucket_view *buckets, uint32_t n_buckets, uint16_t *out)
{
	struct taker *t = calloc(n_buckets + 1, sizeof(*t));
	uint32_t most;

	if (t == NULL)
		return -ENOMEM;
	most = quotas_set(t, buckets, n_buckets);
	for (uint32_t i = 0; i < n_buckets; i++)
		taker_init(&t[i], identity(&buckets[i]));
	for (uint32_t i = 0; i < DP_OF_SLOTS; i++)
		out[i] = UINT16_MAX;
	for (uint32_t turn = 1; turn <= most; turn++) {
		for (uint32_t i = 0; i < n_buckets; i++) {
			while (t[i].n_taken < (uint64_t)t[i].quota * turn / most)
				take(&t[i], out, i);
		}
	}
	free(t);
	return most == 0 ? -ENOENT : 0;
}

uint32_t dp_of_hash(const struct dp_flow_key *k)
{
	// in_port, ECN, metadata and tunnel_id say nothing of the flow.
	static const uint64_t not_flow[DP_FLOW_WORDS] = {
		[0] = 0xffffffff00000000,
		[1] = 3,
		[5] = UINT64_MAX,
		[6] = UINT64_MAX,
	};
	uint64_t h = 0x9e3779b97f4a7c15;

	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		h = (h ^ (k->w[i] & ~not_flow[i])) * 0xff51afd7ed558ccd;
		h ^= h >> 29;
	}
	return (uint32_t)(mix(h) >> 32);
}
