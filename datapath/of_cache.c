// The exact cache in front of the tables: what a key that was seen before met.
//
// A frame is told from others by the bits of its key that some rule of some table looks at (the
// shape's mask), and by what parse found it to be. The second says which headers it has, and so
// what an action can change in it; together they decide the walk. Words that are 0 are not kept,
// so that two cache lines hold any frame's. A plain frame, as parse calls it, has five words at
// most: they are taken from the frame itself, without a key, and compared in one line.
//
// An entry says in which version it was found, and serves no other. Stale is impossible, and a
// change of the tables costs each flow one walk.
#include <string.h>

#include "of_cache_priv.h"

enum {
	WAYS = 2,
	LOOK_EVERY = 1024, // walks and hits
	SKIPS_MAX = 31,
};

static inline uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

// Any other. Words that are 0 are left out.
static int sign_any(const struct dp_of_shape *shape, const struct dp_flow_key *key,
		    const struct dp_parse *p, struct dp_of_sign *out)
{
	uint64_t first = (uint64_t)p->flags | (uint64_t)p->n_tags << 8 |
			 (uint64_t)p->n_labels << 16 | (uint64_t)p->err << 24 |
			 (uint64_t)p->eth_type << 32 | (uint64_t)p->ip_proto << 48;
	uint64_t h = mix(0, first);
	uint32_t n = 1, which = 0;

	out->words[0] = first;
	for (uint32_t i = 0; i < shape->n_words; i++) {
		uint32_t at = shape->words[i];
		uint64_t x = key->w[at] & shape->mask.w[at];

		out->words[n] = x;
		h = mix(h, x);
		n += x != 0;
		which |= (uint32_t)(x != 0) << at;
	}
	out->hash = mix(h, which);
	// No entry is like one that has too many.
	out->what = n <= DP_OF_CACHE_WORDS ? which | n << DP_OF_N_WORDS_SHIFT : 0;
	return n <= DP_OF_CACHE_WORDS ? 1 : -1;
}

// Do headers reach so near the end of what is looked at that a tag more or less shows or hides
// some? The key does not say so: a frame like that is looked up each time.
static bool is_at_end(const struct dp_parse *p, uint32_t size)
{
	enum { TAGS = 16, L4 = 60, ICMP6 = 58, ND_NS = 135, ND_NA = 136 };
	bool is_nd = p->ip_proto == ICMP6 && (p->sport == ND_NS || p->sport == ND_NA);
	bool is_deep = (p->flags & DP_PF_EXT) != 0 &&
		       (p->l4_off == 0 || p->l4_off > DP_PARSE_BYTES - TAGS - L4);

	return size > DP_PARSE_BYTES - TAGS && (p->flags & DP_PF_IP6) != 0 && (is_nd || is_deep);
}

int dp_of_sign_any(const struct dp_of_shape *shape, const struct rte_mbuf *m, uint32_t in_port,
		   struct dp_flow_key *key, struct dp_of_sign *out)
{
	const struct dp_parse *p = &dp_meta_const(m)->p;

	dp_flow_key_make(dp_data(m), rte_pktmbuf_data_len(m), p, in_port, key);
	if (unlikely(is_at_end(p, rte_pktmbuf_data_len(m)))) {
		(void)sign_any(shape, key, p, out); // where to look ahead is known all the same
		return -1;
	}
	return sign_any(shape, key, p, out);
}

static inline uint32_t n_words_of(const struct dp_of_sign *s)
{
	return (s->what & DP_OF_N_WORDS) >> DP_OF_N_WORDS_SHIFT;
}

static inline bool is_same(const struct dp_of_entry *e, const struct dp_of_sign *s,
			   uint64_t version)
{
	uint64_t diff = (e->version ^ version) | ((e->what ^ s->what) & DP_OF_SAME);
	uint32_t n = n_words_of(s);

	if (diff != 0)
		return false;
	for (uint32_t i = 0; i < n; i++)
		diff |= e->words[i] ^ s->words[i];
	return diff == 0;
}

bool dp_of_cache_find_any(const struct dp_of_pw *pw, const struct dp_of_sign *s, uint64_t version,
			  struct dp_of_met *met)
{
	for (uint32_t way = 0; way < WAYS; way++) {
		const struct dp_of_entry *e = dp_of_entry_at(pw, s, way);

		if (!is_same(e, s, version))
			continue;
		met->n = (e->what & DP_OF_N_RULES) >> DP_OF_N_RULES_SHIFT;
		met->is_missed = (e->what & DP_OF_IS_MISSED) != 0;
		met->is_partial = met->is_deep = false;
		met->rules[0] = e->rule; // 0 when there is none
		for (uint32_t i = 1; i < met->n; i++)
			met->rules[i] = e->rules[i - 1];
		return true;
	}
	return false;
}

// Who finds little of what it looks for has too many flows for the cache, or makes them up: of its
// walks few go in, so that it does not put out everybody else's.
static bool may_insert(struct dp_of_port_pw *port)
{
	if (port->n_looked >= LOOK_EVERY) {
		bool few = port->n_found < port->n_looked / 4;

		port->skips =
			few ? RTE_MIN(port->skips * 2 + 1, (uint32_t)SKIPS_MAX) : port->skips / 2;
		port->n_looked = port->n_found = 0;
	}
	if (port->skipped < port->skips) {
		port->skipped++;
		return false;
	}
	port->skipped = 0;
	return true;
}

void dp_of_cache_insert(struct dp_of_pw *pw, const struct dp_of_sign *s, uint64_t version,
			struct dp_of_port_pw *port, const struct dp_of_met *met)
{
	struct dp_of_entry *e = NULL;

	if (met->n > DP_OF_CACHED || met->is_partial || met->is_deep || !may_insert(port))
		return;
	for (uint32_t way = 0; way < WAYS && e == NULL; way++) {
		struct dp_of_entry *at = dp_of_entry_at(pw, s, way);

		if (at->version != version)
			e = at;
	}
	if (e == NULL)
		e = dp_of_entry_at(pw, s, (uint32_t)(pw->n_cache_inserted & 1));
	pw->n_cache_inserted++;
	e->version = version;
	e->what = s->what | met->n << DP_OF_N_RULES_SHIFT |
		  (met->is_missed ? (uint32_t)DP_OF_IS_MISSED : 0);
	e->rule = met->n > 0 ? met->rules[0] : 0;
	for (uint32_t i = 1; i < met->n; i++)
		e->rules[i - 1] = met->rules[i];
	memcpy(e->words, s->words, n_words_of(s) * sizeof(e->words[0]));
}
