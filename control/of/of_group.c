// Groups: OpenFlow 1.3.5 sections 5.6 and 6.4 (group-mod), checked before anything is staged.
//
// Buckets are action sets; they are compiled in the order in which a set is executed. A group that
// others lead to is not deleted (CHAINED_GROUP); the flows that lead to it go with it.
#include "of_ops.h"

#include <stdlib.h>
#include <string.h>

enum {
	DEPTH = 8,	   // groups in groups that workers follow
	NAMED_MAX = 65536, // names of groups that are looked at for one, DP_OF_NAMED_MAX
	BYTES_MAX = 60000, // of buckets: group-desc says them in one message
};

struct of_groups {
	struct of_map map;
	uint32_t mark;
	struct dp_of_bucket buckets[OF_BUCKETS_MAX];
	uint8_t *ops; // of the group at hand
	size_t n_ops, cap_ops;
	struct of_compile compile; // of the bucket at hand
};

static int bad(struct of_wire_error *e, uint16_t code)
{
	return of_refuse(e, OF13_ERROR_GROUP_MOD_FAILED, code);
}

struct of_group *of_group_find(const struct of_agent *a, uint32_t id)
{
	return of_map_find(&a->groups->map, id);
}

void of_agent_count(const struct of_agent *a, uint32_t *n_groups, uint32_t *n_meters)
{
	*n_groups = a->groups->map.n;
	*n_meters = a->meters.n;
}

struct of_group *of_group_from(const struct of_agent *a, uint32_t id)
{
	return of_map_from(&a->groups->map, id);
}

// --- Who leads where

struct walk {
	struct of_agent *a;
	struct of_group **todo; // NULL = memory ran out
	uint32_t n, depth;
	uint32_t n_named;
	uint32_t target;
	bool found;
	int by;
};

static void each_group(struct of_list buckets, of_refer_fn *fn, struct walk *w)
{
	struct of13_bucket b;

	while (of13_bucket_next(&buckets, &b)) {
		of_actions_refer(b.actions, fn, w);
		if (b.watch_group != OF_ANY)
			fn(w, false, b.watch_group);
	}
}

static bool count(void *arg, bool is_port, uint32_t number)
{
	struct walk *w = arg;
	struct of_group *g = is_port ? NULL : of_group_find(w->a, number);

	w->a->work += OF_WORK_LOOK;
	if (g != NULL)
		g->n_groups += (uint32_t)w->by;
	return false;
}

static void refer(struct of_agent *a, const struct of_group *g, int by)
{
	struct walk w = { .a = a, .by = by };

	each_group(of_group_buckets(g), count, &w);
}

static bool meet(void *arg, bool is_port, uint32_t number)
{
	struct walk *w = arg;
	struct of_group *g;

	// Main has more to do than to follow all there could be.
	if (is_port || w->n_named == NAMED_MAX)
		return false;
	w->n_named++;
	g = of_group_find(w->a, number);
	if (number == w->target)
		w->found = true;
	if (g != NULL && g->mark != w->a->groups->mark) {
		g->mark = w->a->groups->mark;
		w->todo[w->n++] = g;
	}
	return false;
}

// Level by level what the buckets lead to: never back to the group itself, and not too deep.
static int check_chain(struct of_agent *a, uint32_t id, struct of_list buckets,
		       struct of_wire_error *e)
{
	struct of_groups *gs = a->groups;
	struct walk w = { .a = a, .target = id };
	uint32_t at = 0, level = 1;

	w.todo = malloc((gs->map.n + 1) * sizeof(struct of_group *));
	if (w.todo == NULL)
		return bad(e, OF13_GROUP_MOD_FAILED_OUT_OF_GROUPS);
	gs->mark++;
	each_group(buckets, meet, &w);
	while (!w.found && at < w.n && w.n_named < NAMED_MAX) {
		uint32_t end = w.n;

		level++;
		for (; at < end && w.n_named < NAMED_MAX; at++)
			each_group(of_group_buckets(w.todo[at]), meet, &w);
	}
	free(w.todo);
	a->work += w.n_named * OF_WORK_NAME;
	if (w.found)
		return bad(e, OF13_GROUP_MOD_FAILED_LOOP);
	return level > DEPTH || w.n_named == NAMED_MAX
		       ? bad(e, OF13_GROUP_MOD_FAILED_CHAINING_UNSUPPORTED)
		       : 0;
}

// --- Buckets

// Liveness is what fast failover lives by; a select group may use it.
static int check_watch(struct of_agent *a, uint8_t type, const struct of13_bucket *b,
		       struct of_wire_error *e)
{
	bool watches = b->watch_port != OF_ANY || b->watch_group != OF_ANY;

	if (type == OF13_GROUP_TYPE_FF && !watches)
		return bad(e, OF13_GROUP_MOD_FAILED_BAD_WATCH);
	if ((type == OF13_GROUP_TYPE_ALL || type == OF13_GROUP_TYPE_INDIRECT) && watches)
		return bad(e, OF13_GROUP_MOD_FAILED_WATCH_UNSUPPORTED);
	if (b->watch_port != OF_ANY && of_port_find(a, b->watch_port) == NULL)
		return bad(e, OF13_GROUP_MOD_FAILED_BAD_WATCH);
	if (b->watch_group != OF_ANY && of_group_find(a, b->watch_group) == NULL)
		return bad(e, OF13_GROUP_MOD_FAILED_BAD_WATCH);
	return 0;
}

static int keep_ops(struct of_groups *gs, const struct of_compile *c)
{
	size_t cap = gs->cap_ops == 0 ? 4096 : gs->cap_ops * 2;
	uint8_t *ops;

	while (cap < gs->n_ops + c->size)
		cap *= 2;
	if (gs->ops == NULL || gs->n_ops + c->size > gs->cap_ops) {
		ops = realloc(gs->ops, cap);
		if (ops == NULL)
			return -ENOMEM;
		gs->ops = ops;
		gs->cap_ops = cap;
	}
	memcpy(gs->ops + gs->n_ops, c->prog.ops, c->size);
	gs->n_ops += c->size;
	return 0;
}

static int take_bucket(struct of_agent *a, const struct of13_group_mod *m,
		       const struct of13_bucket *b, struct dp_of_bucket *out,
		       struct of_wire_error *e)
{
	struct of_compile *c = &a->groups->compile;
	int rc = check_watch(a, m->type, b, e);

	if (rc != 0)
		return rc;
	if (b->weight != 0 && m->type != OF13_GROUP_TYPE_SELECT) // section 7.3.4.2
		return bad(e, OF13_GROUP_MOD_FAILED_INVALID_GROUP);
	*c = (struct of_compile){ .a = a, .e = e, .in_group = m->group_id };
	// What frames come here is not known: all that a set-field could want may be there.
	c->anything = true;
	rc = of_compile_actions(c, b->actions, true);
	if (rc != 0)
		return rc;
	if (keep_ops(a->groups, c) != 0)
		return bad(e, OF13_GROUP_MOD_FAILED_OUT_OF_BUCKETS);
	*out = (struct dp_of_bucket){ .weight = b->weight,
				      .n_ops = (uint16_t)c->size,
				      .watch_port = b->watch_port,
				      .watch_group = b->watch_group };
	return 0;
}

static int take_buckets(struct of_agent *a, const struct of13_group_mod *m, uint32_t *n,
			struct of_wire_error *e)
{
	struct of_groups *gs = a->groups;
	struct of_list l = m->buckets;
	struct of13_bucket b;
	const uint8_t *ops;

	*n = 0;
	gs->n_ops = 0;
	while (of13_bucket_next(&l, &b)) {
		if (*n == OF_BUCKETS_MAX)
			return bad(e, OF13_GROUP_MOD_FAILED_OUT_OF_BUCKETS);
		if (take_bucket(a, m, &b, &gs->buckets[*n], e) != 0)
			return -EINVAL;
		(*n)++;
	}
	ops = gs->ops;
	for (uint32_t i = 0; i < *n; i++) { // only now does the memory stay where it is
		gs->buckets[i].ops = ops;
		if (gs->buckets[i].n_ops > 0)
			ops += gs->buckets[i].n_ops;
	}
	return m->type == OF13_GROUP_TYPE_INDIRECT && *n != 1
		       ? bad(e, OF13_GROUP_MOD_FAILED_INVALID_GROUP)
		       : 0;
}

// --- Add, modify, delete

static void link_group(struct of_agent *a, struct of_group *old, struct of_group *now)
{
	if (old != NULL)
		refer(a, old, -1);
	if (now != NULL)
		of_map_put(&a->groups->map, now);
	else
		of_map_remove(&a->groups->map, old->id);
	if (now != NULL)
		refer(a, now, 1);
}

static void drop(struct of_agent *a, struct of_group *g)
{
	if (g == NULL)
		return;
	a->n_bytes -= of_bytes_of(0, g->size);
	free(g);
}

void of_group_undo(struct of_agent *a, struct of_group *old, struct of_group *now)
{
	// What refers to it has been undone before, so these are what they were.
	if (old != NULL && now != NULL) {
		old->n_flows = now->n_flows;
		old->n_groups = now->n_groups;
	}
	link_group(a, now, old);
	drop(a, now);
}

void of_group_settle(struct of_agent *a, struct of_group *old)
{
	drop(a, old);
}

static int set(struct of_agent *a, const struct of13_group_mod *m, struct of_group *was,
	       struct of_wire_error *e)
{
	struct of_groups *gs = a->groups;
	struct of_group *g;
	uint32_t n;

	if (m->type > OF13_GROUP_TYPE_FF)
		return bad(e, OF13_GROUP_MOD_FAILED_BAD_TYPE);
	if (m->buckets.size > BYTES_MAX)
		return bad(e, OF13_GROUP_MOD_FAILED_OUT_OF_BUCKETS);
	if (take_buckets(a, m, &n, e) != 0 || check_chain(a, m->group_id, m->buckets, e) != 0)
		return -EINVAL;
	if (of_bytes_take(a, of_bytes_of(0, m->buckets.size)) != 0)
		return bad(e, OF13_GROUP_MOD_FAILED_OUT_OF_BUCKETS);
	g = calloc(1, sizeof(*g) + m->buckets.size);
	if (g == NULL || of_map_reserve(&gs->map) != 0 || of_journal_reserve(a) != 0 ||
	    dp_of_group_set(a->p.of, m->group_id, (enum dp_of_group_type)m->type, gs->buckets, n) !=
		    0) {
		a->n_bytes -= of_bytes_of(0, m->buckets.size);
		free(g);
		return bad(e, OF13_GROUP_MOD_FAILED_OUT_OF_GROUPS);
	}
	g->id = m->group_id;
	g->type = m->type;
	g->n_buckets = n;
	g->size = (uint32_t)m->buckets.size;
	if (g->size > 0)
		memcpy(g->wire, m->buckets.at, g->size);
	g->created_ns = was != NULL ? was->created_ns : a->now_ns;
	if (was != NULL) {
		g->n_flows = was->n_flows;
		g->n_groups = was->n_groups;
	}
	link_group(a, was, g);
	of_journal_note(a, OF_CHANGE_GROUP, was, g);
	return 0;
}

static int end(struct of_agent *a, struct of_group *g, struct of_wire_error *e)
{
	int rc = g->n_flows > 0 ? of_flow_end_group(a, g->id) : 0;

	if (rc == OF_MORE)
		return rc;
	if (rc != 0 || of_journal_reserve(a) != 0)
		return bad(e, OF13_GROUP_MOD_FAILED_EPERM);
	dp_of_group_end(a->p.of, g->id);
	link_group(a, g, NULL);
	of_journal_note(a, OF_CHANGE_GROUP, g, NULL);
	return 0;
}

static int delete (struct of_agent *a, uint32_t id, struct of_wire_error *e)
{
	struct of_group *g;
	int rc;

	if (id != OF13_GROUP_ALL) {
		g = of_group_find(a, id);
		if (g == NULL) // section 6.4: no error
			return 0;
		return g->n_groups > 0 ? bad(e, OF13_GROUP_MOD_FAILED_CHAINED_GROUP) : end(a, g, e);
	}
	// In one look at all flows, not one for each group.
	rc = of_flow_end_group(a, OF13_GROUP_ALL);
	if (rc == OF_MORE)
		return rc;
	if (rc != 0)
		return bad(e, OF13_GROUP_MOD_FAILED_EPERM);
	while (a->groups->map.n > 0) { // the last one first: none moves up
		if (of_slice_over(a))
			return OF_MORE;
		if (end(a, a->groups->map.at[a->groups->map.n - 1], e) != 0)
			return -EINVAL;
	}
	return 0;
}

int of_group_mod(struct of_agent *a, const struct of13_group_mod *m, struct of_wire_error *e)
{
	struct of_group *g;

	if (m->command > OF13_GROUP_MOD_COMMAND_DELETE)
		return bad(e, OF13_GROUP_MOD_FAILED_BAD_COMMAND);
	if (m->command == OF13_GROUP_MOD_COMMAND_DELETE) {
		if (!a->txn.midway)
			of_journal_alone(a);
		return delete (a, m->group_id, e);
	}
	if (m->group_id > OF_GROUP_MAX)
		return bad(e, OF13_GROUP_MOD_FAILED_INVALID_GROUP);
	g = of_group_find(a, m->group_id);
	if (m->command == OF13_GROUP_MOD_COMMAND_ADD && g != NULL)
		return bad(e, OF13_GROUP_MOD_FAILED_GROUP_EXISTS);
	if (m->command == OF13_GROUP_MOD_COMMAND_MODIFY && g == NULL)
		return bad(e, OF13_GROUP_MOD_FAILED_UNKNOWN_GROUP);
	return set(a, m, g, e);
}

// --- All of it

int of_groups_create(struct of_agent *a)
{
	a->groups = calloc(1, sizeof(*a->groups));
	return a->groups != NULL ? 0 : -ENOMEM;
}

void of_groups_destroy(struct of_agent *a)
{
	struct of_groups *gs = a->groups;

	if (gs == NULL)
		return;
	for (uint32_t i = 0; i < gs->map.n; i++) {
		struct of_group *g = gs->map.at[i];

		dp_of_group_end(a->p.of, g->id);
		drop(a, g);
	}
	of_map_fini(&gs->map);
	free(gs->ops);
	free(gs);
	a->groups = NULL;
}
