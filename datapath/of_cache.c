// The exact cache in front of the tables: what a key that was seen before met.
//
// A frame is told from others by the bits of its key that some rule of some table looks at (the
// shape's mask), and by what parse found it to be. The second says which headers it has, and so
// what an action can change in it; together they decide the walk. Words that are 0 are not kept,
// so that two cache lines hold any frame's. A plain frame, as parse calls it, has five words at
// most: they are taken from the frame itself, without a key, and compared in one line.
//
// An entry names a path: the rules that were met, and what they come to. Frames of a million flows
// meet few of them, so paths stay near, and what frames in a row met is counted once. An entry has
// its path's stamp. Each path has one of its own, and a worker that sees other rules or groups
// takes none from before them: stale is impossible, and a change of the tables costs each flow one
// walk.
#include <string.h>

#include "of_cache_priv.h"

enum {
	WAYS = 2,
	SKIPS_MAX = 31,
};

// Any other. Words that are 0 are left out.
static int sign_any(const struct dp_of_asker *a, const struct dp_flow_key *key,
		    const struct dp_parse *p, struct dp_of_sign *out)
{
	const struct dp_of_shape *shape = a->shape;
	const uint64_t *seeds = a->pw->seeds;
	uint64_t first = (uint64_t)p->flags | (uint64_t)p->n_tags << 8 |
			 (uint64_t)p->n_labels << 16 | (uint64_t)p->err << 24 |
			 (uint64_t)p->eth_type << 32 | (uint64_t)p->ip_proto << 48;
	uint64_t h = dp_of_fold(first ^ seeds[0], seeds[1]);
	uint32_t n = 1, which = 0;

	out->words[0] = first;
	for (uint32_t i = 0; i < shape->n_words; i++) {
		uint32_t at = shape->words[i];
		uint64_t x = key->w[at] & shape->mask.w[at];

		out->words[n] = x;
		h = dp_of_fold(h ^ x, seeds[1]);
		n += x != 0;
		which |= (uint32_t)(x != 0) << at;
	}
	out->hash = dp_of_fold(h ^ which, seeds[2]);
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

int dp_of_sign_any(const struct dp_of_asker *a, const struct rte_mbuf *m, struct dp_of_keyed *out)
{
	const struct dp_parse *p = &dp_meta_const(m)->p;

	dp_flow_key_make(dp_data(m), rte_pktmbuf_data_len(m), p, a->in_port, &out->key);
	if (unlikely(is_at_end(p, rte_pktmbuf_data_len(m)))) {
		// Where to look ahead is known all the same.
		(void)sign_any(a, &out->key, p, &out->sign);
		return -1;
	}
	return sign_any(a, &out->key, p, &out->sign);
}

static inline uint32_t n_words_of(const struct dp_of_sign *s)
{
	return s->what >> DP_OF_N_WORDS_SHIFT;
}

static inline bool is_wide(const struct dp_of_sign *s)
{
	return n_words_of(s) > DP_OF_LINE_WORDS;
}

// Two lines begin at an even one.
static struct dp_of_entry *entry_at(const struct dp_of_pw *pw, const struct dp_of_sign *s,
				    uint32_t way)
{
	struct dp_of_entry *e = dp_of_entry_at(pw, s, way);

	return is_wide(s) ? &pw->cache[(size_t)(e - pw->cache) & ~(size_t)1] : e;
}

static inline uint64_t differ(const uint64_t *a, const uint64_t *b, uint32_t n)
{
	uint64_t diff = 0;

	for (uint32_t i = 0; i < n; i++)
		diff |= a[i] ^ b[i];
	return diff;
}

static bool is_same(const struct dp_of_entry *e, const struct dp_of_sign *s)
{
	uint32_t n = n_words_of(s);

	if (e->what != s->what)
		return false;
	if (n <= DP_OF_LINE_WORDS)
		return differ(e->words, s->words, n) == 0;
	return e[1].what == DP_OF_SECOND && e[1].stamp == ~e->stamp &&
	       (differ(e->words, s->words, DP_OF_LINE_WORDS) |
		differ(e[1].words, s->words + DP_OF_LINE_WORDS, n - DP_OF_LINE_WORDS)) == 0;
}

const struct dp_of_path *dp_of_cache_find_any(const struct dp_of_pw *pw, const struct dp_of_sign *s)
{
	for (uint32_t way = 0; way < WAYS; way++) {
		const struct dp_of_entry *e = entry_at(pw, s, way);

		if (is_same(e, s) && dp_of_is_fresh(pw, e))
			return &pw->paths[e->path];
	}
	return NULL;
}

void dp_of_port_judge(struct dp_of_port_pw *port)
{
	bool few = port->n_found < port->n_lost / 3;

	port->skips = few ? RTE_MIN(port->skips * 2 + 1, (uint32_t)SKIPS_MAX) : port->skips / 2;
	port->n_lost = port->n_found = 0;
}

static inline bool is_met_by(const struct dp_of_path *p, const struct dp_of_met *met)
{
	return p->n == met->n && p->is_missed == met->is_missed &&
	       memcmp(p->rules, met->rules, met->n * sizeof(met->rules[0])) == 0;
}

// The path of such a walk. The oldest one of its places goes, if it is not there yet: entries that
// name it find another stamp.
static struct dp_of_path *path_of(struct dp_of_pw *pw, const struct dp_of_met *met)
{
	struct dp_of_path *group, *oldest;
	uint64_t h = pw->seeds[0] ^ met->is_missed;

	for (uint32_t i = 0; i < met->n; i++)
		h = dp_of_fold(h ^ met->rules[i], pw->seeds[1]);
	group = oldest = &pw->paths[h & pw->paths_mask & ~(DP_OF_PATH_WAYS - 1u)];
	for (struct dp_of_path *p = group; p < group + DP_OF_PATH_WAYS; p++) {
		if (p->stamp >= pw->first_stamp && is_met_by(p, met))
			return p;
		if (p->stamp < oldest->stamp)
			oldest = p;
	}
	oldest->stamp = pw->next_stamp++;
	oldest->out_port = met->out_port;
	oldest->kind = met->kind;
	oldest->n = (uint8_t)met->n;
	oldest->is_missed = met->is_missed;
	memcpy(oldest->rules, met->rules, met->n * sizeof(met->rules[0]));
	return oldest;
}

// Nobody's any more? Of a second line the first one's stamp says so.
static bool is_free(const struct dp_of_pw *pw, const struct dp_of_entry *e)
{
	if (e->what == DP_OF_SECOND)
		return ~e->stamp < pw->first_stamp;
	return !dp_of_is_fresh(pw, e);
}

void dp_of_cache_insert(struct dp_of_pw *pw, const struct dp_of_sign *s, struct dp_of_port_pw *port,
			const struct dp_of_met *met)
{
	struct dp_of_entry *e = NULL;
	const struct dp_of_path *path;
	uint32_t n = n_words_of(s), n_first = RTE_MIN(n, (uint32_t)DP_OF_LINE_WORDS);

	if (met->n > DP_OF_CACHED || met->is_partial || met->is_deep)
		return;
	for (uint32_t way = 0; way < WAYS && e == NULL; way++) {
		struct dp_of_entry *at = entry_at(pw, s, way);

		if (is_same(at, s) || (is_free(pw, at) && (!is_wide(s) || is_free(pw, at + 1))))
			e = at;
	}
	if (e == NULL) {
		port->n_lost++;
		e = entry_at(pw, s, (uint32_t)(pw->n_cache_inserted & 1));
	}
	path = path_of(pw, met);
	pw->n_cache_inserted++;
	e->stamp = path->stamp;
	e->what = s->what;
	e->path = (uint32_t)(path - pw->paths);
	memcpy(e->words, s->words, n_first * sizeof(e->words[0]));
	if (!is_wide(s))
		return;
	e[1].stamp = ~path->stamp;
	e[1].what = DP_OF_SECOND;
	memcpy(e[1].words, s->words + n_first, (n - n_first) * sizeof(e->words[0]));
}
