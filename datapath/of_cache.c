// The exact cache in front of the tables: what a key that was seen before met.
//
// A frame is told from others by the bits of its key that some rule of some table looks at (the
// shape's mask), and by what parse found it to be. The second says which headers it has, and so
// what an action can change in it; together they decide the walk. Words that are 0 are not kept,
// so that two cache lines hold any frame's.
//
// An entry says in which version it was found, and serves no other. Stale is impossible, and a
// change of the tables costs each flow one walk.
#include "of_priv.h"

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

void dp_of_sign_make(const struct dp_of_shape *shape, const struct dp_flow_key *key,
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
	out->which = which;
	out->n_words = n <= DP_OF_CACHE_WORDS ? n : 0;
}

// The second place is another line pair, so that a pair of busy flows does not fight for one.
static inline uint64_t place(const struct dp_of_pw *pw, const struct dp_of_sign *s, uint32_t way)
{
	return (way == 0 ? s->hash : s->hash >> 32) & pw->cache_mask;
}

static inline bool is_same(const struct dp_of_entry *e, const struct dp_of_sign *s,
			   uint64_t version)
{
	uint64_t diff = (e->version ^ version) | (e->which ^ s->which);

	if (diff != 0 || e->n_words != s->n_words)
		return false;
	for (uint32_t i = 0; i < s->n_words; i++)
		diff |= e->words[i] ^ s->words[i];
	return diff == 0;
}

bool dp_of_cache_find(struct dp_of_pw *pw, const struct dp_of_sign *s, uint64_t version,
		      struct dp_of_met *met)
{
	pw->n_cache_looked++;
	for (uint32_t way = 0; way < WAYS; way++) {
		const struct dp_of_entry *e = &pw->cache[place(pw, s, way)];

		if (!is_same(e, s, version))
			continue;
		met->n = e->n_rules;
		met->is_missed = e->is_missed;
		met->is_partial = met->is_deep = false;
		for (uint32_t i = 0; i < e->n_rules; i++)
			met->rules[i] = e->rules[i];
		pw->n_cache_found++;
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
		struct dp_of_entry *at = &pw->cache[place(pw, s, way)];

		if (at->version != version)
			e = at;
	}
	if (e == NULL)
		e = &pw->cache[place(pw, s, (uint32_t)(pw->n_cache_inserted & 1))];
	pw->n_cache_inserted++;
	e->version = version;
	e->which = s->which;
	e->n_words = (uint8_t)s->n_words;
	e->n_rules = (uint8_t)met->n;
	e->is_missed = met->is_missed;
	for (uint32_t i = 0; i < met->n; i++)
		e->rules[i] = met->rules[i];
	for (uint32_t i = 0; i < s->n_words; i++)
		e->words[i] = s->words[i];
}
