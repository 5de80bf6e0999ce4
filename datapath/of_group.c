#include "of_group_priv.h"
#include "of_chain_priv.h"

#include <errno.h>
#include <stdlib.h>

// A group from its first view to its last: its own counters.
struct dp_of_group_life {
	uint32_t n_views;
	uint32_t n_workers;
	struct {
		struct dp_of_tally t;
	} __rte_cache_aligned workers[];
};

struct dp_of_groups {
	struct dp_of_groups_params p;
	uint32_t n_groups; // as staged
	uint32_t mask;
	uint64_t n_looks;		 // for loops
	struct dp_of_group_view *staged; // of the version that is being made
	struct dp_of_group_view *ended;	 // not yet unlinked
	// main: w, worker: r, release/acquire
	_Atomic(struct dp_of_group_view *) chains[];
};

enum { LINE = RTE_CACHE_LINE_SIZE };

static uint32_t chain_of(const struct dp_of_groups *gs, uint32_t group)
{
	return dp_of_chain_of(group, gs->mask);
}

static uint64_t until_of(const struct dp_of_group_view *v)
{
	return atomic_load_explicit(&v->until, memory_order_relaxed);
}

static uint64_t since_of(const struct dp_of_group_view *v)
{
	return atomic_load_explicit(&v->since, memory_order_relaxed);
}

static struct dp_of_group_view *next_of(const _Atomic(struct dp_of_group_view *) *at)
{
	return atomic_load_explicit(at, memory_order_acquire);
}

const struct dp_of_group_view *dp_groups_find(const struct dp_of_groups *gs, uint32_t group,
					      uint64_t version)
{
	const struct dp_of_group_view *v = next_of(&gs->chains[chain_of(gs, group)]);

	while (v != NULL && (v->group != group || version < since_of(v) || version >= until_of(v)))
		v = next_of(&v->next);
	return v;
}

// The view that lasts, as staged.
static struct dp_of_group_view *newest(const struct dp_of_groups *gs, uint32_t group)
{
	struct dp_of_group_view *v = next_of(&gs->chains[chain_of(gs, group)]);

	while (v != NULL && (v->group != group || until_of(v) != UINT64_MAX))
		v = next_of(&v->next);
	return v;
}

bool dp_groups_has(const struct dp_of_groups *gs, uint32_t group)
{
	return newest(gs, group) != NULL;
}

uint32_t dp_groups_n(const struct dp_of_groups *gs)
{
	return gs->n_groups;
}

// --- views

void dp_groups_view_free(struct dp_of_group_view *v)
{
	if (v->life != NULL && --v->life->n_views == 0)
		free(v->life);
	free((void *)(uintptr_t)v->slots);
	free((void *)(uintptr_t)v->buckets);
	free(v->tallies);
	free(v);
}

// The buckets, and their operations behind them.
static struct dp_of_bucket_view *buckets_copy(const struct dp_of_group_def *def)
{
	size_t size = sizeof(struct dp_of_bucket_view) * def->n_buckets;
	struct dp_of_bucket_view *out;
	uint8_t *ops;

	for (uint32_t i = 0; i < def->n_buckets; i++)
		size += def->buckets[i].n_ops;
	out = malloc(size + 1);
	if (out == NULL)
		return NULL;
	ops = (uint8_t *)(out + def->n_buckets);
	for (uint32_t i = 0; i < def->n_buckets; i++) {
		const struct dp_of_bucket *b = &def->buckets[i];

		out[i] = (struct dp_of_bucket_view){
			.ops = ops,
			.watch_port = b->watch_port,
			.watch_group = b->watch_group,
			.weight = b->weight,
			.n_ops = b->n_ops,
		};
		if (b->n_ops != 0)
			memcpy(ops, b->ops, b->n_ops);
		ops += b->n_ops;
	}
	return out;
}

static int slots_make(struct dp_of_group_view *v)
{
	uint16_t *slots;
	int rc;

	if (v->type != DP_OF_SELECT)
		return 0;
	slots = malloc(DP_OF_SLOTS * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	rc = dp_of_slots_fill(v->buckets, v->n_buckets, slots);
	if (rc == 0)
		v->slots = slots;
	else
		free(slots);
	return rc == -ENOENT ? 0 : rc;
}

static struct dp_of_group_life *group_make(uint32_t n_workers)
{
	struct dp_of_group_life *g = dp_of_lines_alloc(
		sizeof(*g) + n_workers * sizeof(((struct dp_of_group_life *)0)->workers[0]));

	if (g != NULL)
		g->n_workers = n_workers;
	return g;
}

static bool watches_any(const struct dp_of_group_def *def)
{
	for (uint32_t i = 0; i < def->n_buckets; i++) {
		if (def->buckets[i].watch_port != DP_OFPP_ANY ||
		    def->buckets[i].watch_group != DP_OFPP_ANY)
			return true;
	}
	return false;
}

// A view of a new group, or of g. returns NULL when there is no memory
static struct dp_of_group_view *view_make(const struct dp_of_groups *gs, struct dp_of_group_life *g,
					  const struct dp_of_group_def *def)
{
	struct dp_of_group_view *v = calloc(1, sizeof(*v));
	size_t stride = RTE_ALIGN_CEIL(def->n_buckets * sizeof(struct dp_of_tally), (size_t)LINE);

	if (v == NULL)
		return NULL;
	// A tally is 24 bytes: whole lines of whole tallies.
	stride = RTE_ALIGN_MUL_CEIL(stride, (size_t)LINE * 3);
	v->type = def->type;
	v->n_buckets = def->n_buckets;
	v->watches = watches_any(def);
	v->tally_stride = (uint32_t)(stride / sizeof(struct dp_of_tally));
	v->buckets = buckets_copy(def);
	v->tallies = dp_of_lines_alloc(stride * gs->p.n_workers + LINE);
	v->life = g == NULL ? group_make(gs->p.n_workers) : g;
	if (v->life != NULL)
		v->life->n_views++;
	if (v->buckets == NULL || v->tallies == NULL || v->life == NULL || slots_make(v) < 0) {
		dp_groups_view_free(v);
		return NULL;
	}
	return v;
}

// --- changes

static void link(struct dp_of_groups *gs, struct dp_of_group_view *v)
{
	_Atomic(struct dp_of_group_view *) *chain = &gs->chains[chain_of(gs, v->group)];

	atomic_init(&v->next, next_of(chain));
	atomic_store_explicit(chain, v, memory_order_release);
}

static void unlink_and_retire(struct dp_of_groups *gs, struct dp_of_group_view *v)
{
	_Atomic(struct dp_of_group_view *) *at = &gs->chains[chain_of(gs, v->group)];

	while (next_of(at) != v)
		at = &next_of(at)->next;
	atomic_store_explicit(at, next_of(&v->next), memory_order_release);
	gs->p.retire(gs->p.arg, v);
}

static void end(struct dp_of_groups *gs, struct dp_of_group_view *v, uint64_t version)
{
	atomic_store_explicit(&v->until, version, memory_order_relaxed);
	v->ended_next = gs->ended;
	gs->ended = v;
}

// Changes of a version that was given to workers are no longer staged.
static void forget_staged(struct dp_of_groups *gs, uint64_t version)
{
	if (gs->staged != NULL && since_of(gs->staged) != version)
		gs->staged = NULL;
}

int dp_groups_set(struct dp_of_groups *gs, uint64_t version, uint32_t group,
		  const struct dp_of_group_def *def)
{
	struct dp_of_group_view *was = newest(gs, group), *v;
	int rc = dp_groups_loop(gs, group, def);

	if (rc < 0)
		return rc;
	if (was == NULL && gs->n_groups >= gs->p.max_groups)
		return -ENOSPC;
	v = view_make(gs, was == NULL ? NULL : was->life, def);
	if (v == NULL)
		return -ENOMEM;
	forget_staged(gs, version);
	v->group = group;
	atomic_init(&v->since, version);
	atomic_init(&v->until, UINT64_MAX);
	v->staged_next = gs->staged;
	gs->staged = v;
	if (was != NULL)
		end(gs, was, version);
	else
		gs->n_groups++;
	link(gs, v);
	return 0;
}

void dp_groups_end(struct dp_of_groups *gs, uint64_t version, uint32_t group)
{
	struct dp_of_group_view *v = newest(gs, group);

	forget_staged(gs, version);
	if (v == NULL)
		return;
	end(gs, v, version);
	gs->n_groups--;
}

// Those that ended, and shall go: unlink them; the others stay. give_up: those that ended in
// version, and began before, have not.
static void sweep(struct dp_of_groups *gs, uint64_t version, bool give_up)
{
	struct dp_of_group_view **at = &gs->ended, *v;

	while ((v = *at) != NULL) {
		bool mine = until_of(v) == version;

		if (give_up ? !mine : until_of(v) > version) {
			at = &v->ended_next;
			continue;
		}
		*at = v->ended_next;
		if (!give_up)
			unlink_and_retire(gs, v);
		else if (since_of(v) != version)
			atomic_store_explicit(&v->until, UINT64_MAX, memory_order_relaxed);
	}
}

static uint32_t count_newest(const struct dp_of_groups *gs)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i <= gs->mask; i++) {
		for (const struct dp_of_group_view *v = next_of(&gs->chains[i]); v != NULL;
		     v = next_of(&v->next))
			n += until_of(v) == UINT64_MAX;
	}
	return n;
}

void dp_groups_give_up(struct dp_of_groups *gs, uint64_t version)
{
	struct dp_of_group_view *v, *next;

	forget_staged(gs, version);
	sweep(gs, version, true);
	for (v = gs->staged; v != NULL; v = next) {
		next = v->staged_next;
		unlink_and_retire(gs, v);
	}
	gs->staged = NULL;
	gs->n_groups = count_newest(gs);
}

void dp_groups_settle(struct dp_of_groups *gs, uint64_t version)
{
	// What was staged for it is in force: its list is not, as its views may go now.
	if (gs->staged != NULL && since_of(gs->staged) <= version)
		gs->staged = NULL;
	sweep(gs, version, false);
}

int dp_groups_create(const struct dp_of_groups_params *p, struct dp_of_groups **out)
{
	uint32_t n = dp_of_chains(p->max_groups);
	struct dp_of_groups *gs;

	gs = calloc(1, sizeof(*gs) + n * sizeof(gs->chains[0]));
	if (gs == NULL)
		return -ENOMEM;
	gs->p = *p;
	gs->mask = n - 1;
	*out = gs;
	return 0;
}

void dp_groups_destroy(struct dp_of_groups *gs)
{
	for (uint32_t i = 0; gs != NULL && i <= gs->mask; i++) {
		struct dp_of_group_view *v = next_of(&gs->chains[i]), *next;

		for (; v != NULL; v = next) {
			next = next_of(&v->next);
			dp_groups_view_free(v);
		}
	}
	free(gs);
}

// --- loops

// Groups still to be looked into, each once.
struct walk {
	struct dp_of_groups *gs;
	const struct dp_of_group_view **views;
	uint32_t n, at, max;
	uint32_t n_named;
};

static int walk_add(struct walk *w, uint32_t group)
{
	struct dp_of_group_view *v = newest(w->gs, group);

	// Too many to say that there is none.
	if (w->n_named++ == DP_OF_NAMED_MAX)
		return -ELOOP;
	if (v == NULL || v->seen == w->gs->n_looks)
		return 0;
	if (w->n == w->max)
		return -ELOOP;
	v->seen = w->gs->n_looks;
	w->views[w->n++] = v;
	return 0;
}

// The groups that operations name. returns -ELOOP when group is one
static int walk_ops(struct walk *w, const uint8_t *ops, uint32_t size, uint32_t group)
{
	int rc = 0;

	for (uint32_t at = 0; at < size && rc == 0; at += dp_flow_op_at(ops, at)->size) {
		const struct dp_flow_op *op = dp_flow_op_at(ops, at);

		if (op->kind == DP_OP_GROUP)
			rc = op->arg == group ? -ELOOP : walk_add(w, op->arg);
	}
	return rc;
}

int dp_groups_loop(struct dp_of_groups *gs, uint32_t group, const struct dp_of_group_def *def)
{
	struct walk w = { .gs = gs, .max = DP_OF_REACH_MAX };
	int rc = 0;

	w.views = malloc(sizeof(w.views[0]) * w.max);
	if (w.views == NULL)
		return -ENOMEM;
	gs->n_looks++;
	for (uint32_t i = 0; i < def->n_buckets && rc == 0; i++)
		rc = walk_ops(&w, def->buckets[i].ops, def->buckets[i].n_ops, group);
	while (w.at < w.n && rc == 0) {
		const struct dp_of_group_view *v = w.views[w.at++];

		for (uint32_t i = 0; i < v->n_buckets && rc == 0; i++)
			rc = walk_ops(&w, v->buckets[i].ops, v->buckets[i].n_ops, group);
	}
	free(w.views);
	return rc;
}

// --- counters

void dp_groups_meet(const struct dp_worker *w, const struct dp_of_group_view *g, uint32_t bucket,
		    uint32_t size)
{
	struct dp_of_tally *t = &g->life->workers[w->id].t;

	if (bucket != DP_OF_NO_BUCKET)
		t = &g->tallies[w->id * g->tally_stride + bucket];
	dp_of_tally_add(t, size, w->now_ns);
}

int dp_groups_count(const struct dp_of_groups *gs, uint32_t group, uint32_t bucket,
		    struct dp_of_count *out)
{
	const struct dp_of_group_view *v = newest(gs, group);

	*out = (struct dp_of_count){ 0 };
	if (v == NULL || (bucket != DP_OF_NO_BUCKET && bucket >= v->n_buckets))
		return -ENOENT;
	for (uint32_t i = 0; i < gs->p.n_workers; i++)
		dp_of_tally_sum(bucket == DP_OF_NO_BUCKET
					? &v->life->workers[i].t
					: &v->tallies[i * v->tally_stride + bucket],
				out);
	return 0;
}

// --- which bucket

// One choice: what it may still look at.
struct choice {
	const struct dp_of_groups *gs;
	const struct dp_worker *w;
	uint64_t version;
	uint32_t left, depth;
};

enum { DEPTH_MAX = 8 };

static bool bucket_live(struct choice *c, const struct dp_of_bucket_view *b);

static bool group_live(struct choice *c, uint32_t group)
{
	const struct dp_of_group_view *g = dp_groups_find(c->gs, group, c->version);
	bool live = false;

	if (g == NULL || c->depth == DEPTH_MAX)
		return false;
	c->depth++;
	for (uint32_t i = 0; i < g->n_buckets && !live && c->left > 0; i++)
		live = bucket_live(c, &g->buckets[i]);
	c->depth--;
	return live;
}

// One that watches nothing is. A port or a group that lives is enough.
static bool bucket_live(struct choice *c, const struct dp_of_bucket_view *b)
{
	if (b->watch_port == DP_OFPP_ANY && b->watch_group == DP_OFPP_ANY)
		return true;
	if (c->left == 0)
		return false;
	c->left--;
	if (b->watch_port != DP_OFPP_ANY && c->gs->p.port_live(c->gs->p.arg, c->w, b->watch_port))
		return true;
	return b->watch_group != DP_OFPP_ANY && group_live(c, b->watch_group);
}

static uint32_t slot_of(const struct dp_of_group_view *g, uint32_t hash)
{
	return g->slots[(uint64_t)hash * DP_OF_SLOTS >> 32];
}

static uint32_t pick_select(struct choice *c, const struct dp_of_group_view *g, uint32_t hash)
{
	enum { TRIES = 8 };
	uint32_t b;

	if (g->slots == NULL)
		return DP_OF_NO_BUCKET;
	if (likely(!g->watches))
		return slot_of(g, hash);
	for (uint32_t i = 0; i < TRIES; i++) {
		b = slot_of(g, hash);
		if (bucket_live(c, &g->buckets[b]))
			return b;
		hash = (hash ^ hash >> 15) * 0x9e3779b1u + 1;
	}
	for (b = 0; b < g->n_buckets; b++) {
		if (g->buckets[b].weight != 0 && bucket_live(c, &g->buckets[b]))
			return b;
	}
	return DP_OF_NO_BUCKET;
}

uint32_t dp_groups_pick(const struct dp_of_groups *gs, const struct dp_worker *w,
			const struct dp_of_group_view *g, uint64_t version, uint32_t hash)
{
	struct choice c = { .gs = gs, .w = w, .version = version, .left = DP_OF_WATCH_MAX };

	switch (g->type) {
	case DP_OF_SELECT:
		return pick_select(&c, g, hash);
	case DP_OF_INDIRECT:
		return g->n_buckets > 0 ? 0 : DP_OF_NO_BUCKET;
	case DP_OF_FAILOVER:
		for (uint32_t i = 0; i < g->n_buckets; i++) {
			if (bucket_live(&c, &g->buckets[i]))
				return i;
		}
		return DP_OF_NO_BUCKET;
	default:
		return DP_OF_NO_BUCKET;
	}
}
