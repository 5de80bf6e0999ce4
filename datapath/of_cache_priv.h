// The exact cache, as the hop asks it: what most frames need of it stands here, in line.
#ifndef OF_CACHE_PRIV_H
#define OF_CACHE_PRIV_H

#include <string.h>

#include "of_priv.h"

// The cache's view of a frame.
struct dp_of_sign {
	uint64_t hash;
	uint32_t what; // enum dp_of_cached, as far as entries and frames are compared by it
	uint64_t words[1 + DP_FLOW_WORDS];
};

// Of a frame that is not plain; its key is made, too. returns 1; -1 = too much for the cache
int dp_of_sign_any(const struct dp_of_shape *shape, const struct rte_mbuf *m, uint32_t in_port,
		   struct dp_flow_key *key, struct dp_of_sign *out);
bool dp_of_cache_find_any(const struct dp_of_pw *pw, const struct dp_of_sign *s, uint64_t version,
			  struct dp_of_met *met);
void dp_of_cache_insert(struct dp_of_pw *pw, const struct dp_of_sign *s, uint64_t version,
			struct dp_of_port_pw *port, const struct dp_of_met *met);

// The second place is another line pair, so that a pair of busy flows does not fight for one.
static inline struct dp_of_entry *dp_of_entry_at(const struct dp_of_pw *pw,
						 const struct dp_of_sign *s, uint32_t way)
{
	return &pw->cache[(way == 0 ? s->hash : s->hash >> 32) & pw->cache_mask];
}

// Both halves of the product: each bit of both has a say in all of it.
static inline uint64_t dp_of_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 x = (unsigned __int128)a * b;

	return (uint64_t)x ^ (uint64_t)(x >> 64);
}

static inline uint64_t dp_of_load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

// What dp_flow_key_make() puts into words 0..4 for a plain frame, and parse's word that all else
// of its key is 0. A word that no rule looks at costs its question only. The ethertype is known;
// what stands in its place is the rest of the shape: tags and protocol.
static inline void dp_of_sign_plain(const struct dp_of_shape *shape, const struct rte_mbuf *m,
				    uint32_t in_port, struct dp_of_sign *out)
{
	const struct dp_parse *p = &dp_meta_const(m)->p;
	const uint64_t *mask = shape->mask.w;
	const uint8_t *data = dp_data(m), *l3 = data + p->l3_off;
	uint64_t w0 = (uint64_t)in_port << 32;
	uint64_t w1 = 0, w2 = 0, w3 = 0, w4 = 0;

	if (p->n_tags > 0)
		w0 |= (p->tci[0] & 0xefff) | DP_FLOW_VID_PRESENT;
	w0 = (w0 & mask[0] & ~UINT64_C(0xffff0000)) | (uint64_t)(p->n_tags << 8 | p->ip_proto)
							      << 16;
	if (mask[1] != 0)
		w1 = ((dp_of_load64(data) & ~UINT64_C(0xffff)) | (uint64_t)p->ip_proto << 8 |
		      l3[1]) &
		     mask[1];
	if (mask[2] != 0)
		w2 = dp_of_load64(data + 6) & ~UINT64_C(0xffff) & mask[2];
	if (mask[3] != 0)
		w3 = dp_of_load64(l3 + 12) & mask[3];
	if (mask[4] != 0)
		w4 = ((uint64_t)p->sport << 48 | (uint64_t)p->dport << 32) & mask[4];
	out->words[0] = w0;
	out->words[1] = w1;
	out->words[2] = w2;
	out->words[3] = w3;
	out->words[4] = w4;
	out->what = DP_OF_PLAIN | DP_OF_PLAIN_WORDS << DP_OF_N_WORDS_SHIFT;
	out->hash = dp_of_fold(w0 ^ 0x9e3779b97f4a7c15u, w1 ^ 0xd6e8feb86659fd93u) ^
		    dp_of_fold(w2 ^ w4 ^ 0xa0761d6478bd642fu, w3 ^ w4 << 7 ^ 0xe7037ed1a0b428dbu);
}

// The key is made only where the frame is not plain. returns 1 = *key was made, 0 = not; -1 = it
// was, and has too much for the cache
static inline int dp_of_sign_make(const struct dp_of_shape *shape, const struct rte_mbuf *m,
				  uint32_t in_port, struct dp_flow_key *key, struct dp_of_sign *out)
{
	if (unlikely(!dp_meta_const(m)->p.plain))
		return dp_of_sign_any(shape, m, in_port, key, out);
	dp_of_sign_plain(shape, m, in_port, out);
	return 0;
}

static inline void dp_of_cache_prefetch(const struct dp_of_pw *pw, const struct dp_of_sign *s)
{
	__builtin_prefetch(dp_of_entry_at(pw, s, 0));
}

// A plain frame that met one rule is in its first place and known by one line, or it is looked for
// as any other.
static inline bool dp_of_cache_find(const struct dp_of_pw *pw, const struct dp_of_sign *s,
				    uint64_t version, struct dp_of_met *met)
{
	const uint32_t all = DP_OF_SAME | DP_OF_N_RULES | DP_OF_IS_MISSED;
	const uint32_t want =
		DP_OF_PLAIN | DP_OF_PLAIN_WORDS << DP_OF_N_WORDS_SHIFT | 1u << DP_OF_N_RULES_SHIFT;
	const struct dp_of_entry *e = dp_of_entry_at(pw, s, 0);
	uint64_t diff = (e->version ^ version) | ((e->what & all) ^ want);

	if (unlikely(s->what != (want & DP_OF_SAME)))
		return dp_of_cache_find_any(pw, s, version, met);
#pragma GCC unroll 5
	for (uint32_t i = 0; i < DP_OF_PLAIN_WORDS; i++)
		diff |= e->words[i] ^ s->words[i];
	if (unlikely(diff != 0))
		return dp_of_cache_find_any(pw, s, version, met);
	met->n = 1;
	met->is_missed = met->is_partial = met->is_deep = false;
	met->rules[0] = e->rule;
	return true;
}

#endif
