// The exact cache, as the hop asks it: what most frames need of it stands here, in line.
#ifndef OF_CACHE_PRIV_H
#define OF_CACHE_PRIV_H

#include <string.h>

#include "of_priv.h"

// The cache's view of a frame.
struct dp_of_sign {
	uint64_t hash;
	uint64_t l2_hash; // of a plain one: its part by words 0..2
	uint32_t what;	  // enum dp_of_cached
	uint64_t words[1 + DP_FLOW_WORDS];
};

// Who asks: the frames of one port at one worker.
struct dp_of_asker {
	struct dp_of_pw *pw;
	const struct dp_of_shape *shape; // NULL = no cache
	uint32_t in_port;		 // OpenFlow number
};

// And its key, which a plain frame has made only when the cache does not know it.
struct dp_of_keyed {
	struct dp_of_sign sign;
	struct dp_flow_key key;
};

// Of a frame that is not plain; its key is made, too. returns 1; -1 = too much for the cache
int dp_of_sign_any(const struct dp_of_asker *a, const struct rte_mbuf *m, struct dp_of_keyed *out);
// returns NULL when it is not known
const struct dp_of_path *dp_of_cache_find_any(const struct dp_of_pw *pw,
					      const struct dp_of_sign *s);
// Keep what the frame met, unless it is not for the cache. Paths that were found before may go.
void dp_of_cache_insert(struct dp_of_pw *pw, const struct dp_of_sign *s, struct dp_of_port_pw *port,
			const struct dp_of_met *met);

// Who finds little of what it looks for has too many flows for the cache, or makes them up: most of
// its bursts do without, so that it neither pays for looks in vain nor puts out everybody else's.
void dp_of_port_judge(struct dp_of_port_pw *port);

static inline bool dp_of_port_asks(struct dp_of_port_pw *port)
{
	enum { JUDGE_EVERY = 1024 };

	if (unlikely(port->n_found + port->n_lost >= JUDGE_EVERY))
		dp_of_port_judge(port);
	if (likely(port->skips == 0) || port->skipped == port->skips) {
		port->skipped = 0;
		return true;
	}
	port->skipped++;
	return false;
}

// From here on the worker goes by walks as they are since this version, and never by older ones.
static inline void dp_of_cache_see(struct dp_of_pw *pw, uint64_t since)
{
	if (likely(pw->walks_since == since))
		return;
	pw->walks_since = since;
	pw->first_stamp = pw->next_stamp;
}

// Is the path still the one that the entry was made for, and no older than walks are?
static inline bool dp_of_is_fresh(const struct dp_of_pw *pw, const struct dp_of_entry *e)
{
	return e->stamp >= pw->first_stamp && pw->paths[e->path].stamp == e->stamp;
}

// The second place is another line, so that a pair of busy flows does not fight for one.
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
//
// like  the sign of a frame that differs in addresses of IP and in ports at most, or NULL
static inline void dp_of_sign_plain(const struct dp_of_asker *a, const struct rte_mbuf *m,
				    const struct dp_of_sign *like, struct dp_of_sign *out)
{
	const struct dp_parse *p = &dp_meta_const(m)->p;
	const uint64_t *mask = a->shape->mask.w, *seeds = a->pw->seeds;
	const uint8_t *data = dp_data(m), *l3 = data + p->l3_off;
	uint64_t w0, w1 = 0, w2 = 0, w3 = 0, w4 = 0;

	if (like != NULL) {
		w0 = like->words[0];
		w1 = like->words[1];
		w2 = like->words[2];
		out->l2_hash = like->l2_hash;
	} else {
		w0 = (uint64_t)a->in_port << 32;
		if (p->n_tags > 0)
			w0 |= (p->tci[0] & 0xefff) | DP_FLOW_VID_PRESENT;
		w0 = (w0 & mask[0] & ~UINT64_C(0xffff0000)) |
		     (uint64_t)(p->n_tags << 8 | p->ip_proto) << 16;
		if (mask[1] != 0)
			w1 = ((dp_of_load64(data) & ~UINT64_C(0xffff)) |
			      (uint64_t)p->ip_proto << 8 | l3[1]) &
			     mask[1];
		if (mask[2] != 0)
			w2 = dp_of_load64(data + 6) & ~UINT64_C(0xffff) & mask[2];
		out->l2_hash = dp_of_fold(w0 ^ seeds[0], w1 ^ seeds[1]) ^
			       dp_of_fold(w2 ^ seeds[2], seeds[1]);
	}
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
	// One product alone would leave ports in a row at even distances: none or many in a place.
	out->hash = dp_of_fold(out->l2_hash ^ dp_of_fold(w3 ^ seeds[2], w4 ^ seeds[0]), seeds[1]);
}

static inline void dp_of_cache_prefetch(const struct dp_of_pw *pw, const struct dp_of_sign *s)
{
	__builtin_prefetch(dp_of_entry_at(pw, s, 0));
}

// What such a frame met; a plain one is known by one line, mostly in its first place.
// returns NULL when it is not known
static inline const struct dp_of_path *dp_of_cache_find(const struct dp_of_pw *pw,
							const struct dp_of_sign *s)
{
	const uint32_t plain = DP_OF_PLAIN | DP_OF_PLAIN_WORDS << DP_OF_N_WORDS_SHIFT;
	const struct dp_of_entry *e = dp_of_entry_at(pw, s, 0);
	uint64_t diff = (e->what ^ plain) | (s->what ^ plain);

#pragma GCC unroll 5
	for (uint32_t i = 0; i < DP_OF_PLAIN_WORDS; i++)
		diff |= e->words[i] ^ s->words[i];
	if (unlikely(diff != 0 || !dp_of_is_fresh(pw, e)))
		return dp_of_cache_find_any(pw, s);
	return &pw->paths[e->path];
}

#endif
