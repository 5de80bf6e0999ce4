// Rules and their programs: staged, published, settled, gone.
//
// A rule stands in a slot, which is also the index of its counters. What a rule does is a chain of
// programs, the newest first; a worker goes by the first that is not newer than its version.
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "of_priv.h"

enum change_kind { ADDED, ENDED, CHANGED };

enum {
	CHUNK = 256 * 1024,
	POOL_MIN = 128, // bytes of the smallest program's memory; each pool has twice the last's
};

struct chunk {
	struct chunk *next;
	uint8_t pad[56];
	uint8_t data[];
};

// --- Memory of programs: pools by size, from chunks that stay

static size_t pool_bytes(uint32_t pool)
{
	return (size_t)POOL_MIN << pool;
}

static int pool_grow(struct dp_of *of, uint32_t pool)
{
	struct chunk *c = aligned_alloc(64, sizeof(*c) + CHUNK);

	if (c == NULL)
		return -ENOMEM;
	c->next = of->chunks;
	of->chunks = c;
	for (size_t at = 0; at + pool_bytes(pool) <= CHUNK; at += pool_bytes(pool)) {
		void **p = (void **)(void *)(c->data + at);

		*p = of->prog_free[pool];
		of->prog_free[pool] = p;
	}
	return 0;
}

static struct dp_of_prog *prog_alloc(struct dp_of *of, size_t size)
{
	struct dp_of_prog *p;
	uint32_t pool = 0;

	while (pool_bytes(pool) < size)
		pool++;
	if (of->prog_free[pool] == NULL && pool_grow(of, pool) < 0)
		return NULL;
	p = of->prog_free[pool];
	of->prog_free[pool] = *(void **)p;
	memset(p, 0, sizeof(*p));
	p->pool = (uint8_t)pool;
	return p;
}

static void prog_free(struct dp_of *of, void *obj)
{
	struct dp_of_prog *p = obj;
	uint32_t pool = p->pool;

	*(void **)p = of->prog_free[pool];
	of->prog_free[pool] = p;
}

// --- What a program comes to

bool dp_of_ops_fit(const uint8_t *ops, size_t size)
{
	for (size_t at = 0; at < size; at += dp_flow_op_at(ops, at)->size) {
		const struct dp_flow_op *op = dp_flow_op_at(ops, at);
		size_t least = sizeof(*op);

		if (size - at < least)
			return false;
		if (op->kind == DP_OP_SET_FIELD)
			least = sizeof(struct dp_flow_set);
		if (op->kind == DP_OP_OUTPUT)
			least = sizeof(struct dp_flow_output);
		if (op->size < least || op->size % 8 != 0 || op->size > size - at ||
		    op->kind >= DP_N_OPS ||
		    (op->kind == DP_OP_SET_FIELD && op->field >= DP_FLOW_N_FIELDS))
			return false;
	}
	return true;
}

static bool prog_fits(const struct dp_flow_prog *p)
{
	return p->size >= sizeof(*p) && p->size <= sizeof(*p) + DP_FLOW_PROG_MAX &&
	       (size_t)p->n_apply + p->n_write == p->size - sizeof(*p) &&
	       dp_of_ops_fit(p->ops, p->n_apply) && dp_of_ops_fit(p->ops + p->n_apply, p->n_write);
}

static bool is_plain_port(uint32_t port)
{
	return (port > 0 && port < DP_OFPP_MAX) || port == DP_OFPP_LOCAL;
}

static uint8_t kind_of(const struct dp_flow_prog *p, uint32_t *port)
{
	const struct dp_flow_op *op = dp_flow_op_at(p->ops, 0);
	uint32_t n = (uint32_t)p->n_apply + p->n_write;

	if ((p->flags & (DP_PROG_CLEAR | DP_PROG_METER)) != 0)
		return DP_OF_PROG_ANY;
	if (n == 0)
		return p->table == DP_FLOW_NO_TABLE ? DP_OF_PROG_DROP : DP_OF_PROG_GOTO;
	if (p->table != DP_FLOW_NO_TABLE || op->size != n || op->kind != DP_OP_OUTPUT)
		return DP_OF_PROG_ANY;
	*port = op->arg;
	if (is_plain_port(op->arg))
		return DP_OF_PROG_OUTPUT;
	return op->arg == DP_OFPP_NORMAL ? DP_OF_PROG_NORMAL : DP_OF_PROG_ANY;
}

// Fields whose new value, and whether the frame has them at all, the frame's shape and the key say.
static bool is_told(uint8_t field)
{
	switch (field) {
	case DP_FLOW_metadata:
	case DP_FLOW_tunnel_id:
	case DP_FLOW_eth_dst:
	case DP_FLOW_eth_src:
	case DP_FLOW_vlan_vid:
	case DP_FLOW_vlan_pcp:
	case DP_FLOW_ip_dscp:
	case DP_FLOW_ip_ecn:
	case DP_FLOW_ipv4_src:
	case DP_FLOW_ipv4_dst:
	case DP_FLOW_ipv6_src:
	case DP_FLOW_ipv6_dst:
	case DP_FLOW_tcp_src:
	case DP_FLOW_tcp_dst:
	case DP_FLOW_udp_src:
	case DP_FLOW_udp_dst:
	case DP_FLOW_sctp_src:
	case DP_FLOW_sctp_dst:
		return true;
	default:
		return false;
	}
}

static uint8_t edits_by(const struct dp_flow_op *op)
{
	switch (op->kind) {
	case DP_OP_PUSH_VLAN:
	case DP_OP_POP_VLAN:
		return DP_OF_EDITS;
	case DP_OP_SET_FIELD:
		return is_told(op->field) ? DP_OF_EDITS : DP_OF_EDITS | DP_OF_EDITS_DEEPER;
	case DP_OP_PUSH_MPLS:
	case DP_OP_POP_MPLS:
	case DP_OP_COPY_TTL_IN:
	case DP_OP_COPY_TTL_OUT:
		return DP_OF_EDITS | DP_OF_EDITS_DEEPER;
	default:
		return 0;
	}
}

// Does the program change what a later table looks at? A meter may: it marks.
static uint8_t edits_of(const struct dp_flow_prog *p)
{
	uint8_t edits = 0;

	if (p->table == DP_FLOW_NO_TABLE)
		return 0;
	if ((p->flags & DP_PROG_METER) != 0)
		edits = DP_OF_EDITS | DP_OF_EDITS_DEEPER;
	for (size_t at = 0; at < p->n_apply; at += dp_flow_op_at(p->ops, at)->size)
		edits |= edits_by(dp_flow_op_at(p->ops, at));
	return edits;
}

static struct dp_of_prog *prog_make(struct dp_of *of, const struct dp_flow_prog *from)
{
	struct dp_of_prog *p = prog_alloc(of, offsetof(struct dp_of_prog, p) + from->size);

	if (p == NULL)
		return NULL;
	memcpy(&p->p, from, from->size);
	p->since = atomic_load_explicit(&of->version, memory_order_relaxed) + 1;
	atomic_init(&p->prev, NULL);
	p->kind = kind_of(&p->p, &p->out_port);
	p->edits = edits_of(&p->p);
	of->edits_ever |= p->edits != 0;
	return p;
}

// --- Slots

int dp_of_flows_create(struct dp_of *of)
{
	of->free_slots = malloc(of->n_slots * sizeof(*of->free_slots));
	return of->free_slots == NULL ? -ENOMEM : 0;
}

void dp_of_flows_destroy(struct dp_of *of)
{
	struct chunk *c = of->chunks;

	free(of->free_slots);
	while (c != NULL) {
		struct chunk *next = c->next;

		free(c);
		c = next;
	}
	of->chunks = NULL;
}

static struct dp_of_flow *slot_take(struct dp_of *of)
{
	struct dp_of_flow *f;
	uint32_t idx, serial;

	if (of->n_free_slots > 0)
		idx = of->free_slots[--of->n_free_slots];
	else if (of->n_ever < of->n_slots)
		idx = of->n_ever++;
	else
		return NULL;
	f = &of->flows[idx];
	serial = f->serial + 1;
	memset(f, 0, sizeof(*f));
	f->serial = serial;
	f->rule.idx = idx;
	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		struct dp_of_flow_pw *c = &of->pw[i]->flows[idx];

		atomic_store_explicit(&c->n_pkts, 0, memory_order_relaxed);
		atomic_store_explicit(&c->n_bytes, 0, memory_order_relaxed);
		atomic_store_explicit(&c->used_ns, 0, memory_order_relaxed);
	}
	return f;
}

static void slot_give(struct dp_of *of, struct dp_of_flow *f)
{
	f->serial++;
	of->free_slots[of->n_free_slots++] = f->rule.idx;
}

// No worker sees the rule any more.
static void flow_gone(struct dp_of *of, void *obj)
{
	struct dp_of_flow *f = obj;

	prog_free(of, (void *)(uintptr_t)dp_of_prog_of(atomic_load(&f->rule.prog)));
	f->gone = true;
	if (f->let_go)
		slot_give(of, f);
}

static void flow_unlink(struct dp_of *of, struct dp_of_flow *f)
{
	dp_flow_table_remove(of->tables[f->table], &f->rule);
	f->unlinked = true;
	dp_of_retire(of, &f->dead, flow_gone, f);
}

static void stage(struct dp_of *of, struct dp_of_change *c, struct dp_of_flow *f, uint8_t kind)
{
	*c = (struct dp_of_change){ .next = of->staged, .flow = f, .kind = kind };
	if (of->staged == NULL)
		of->staged_last = c;
	of->staged = c;
	of->walks_change = true;
}

// --- What the agent calls

static bool is_all(const struct dp_flow_key *mask)
{
	uint64_t any = 0;

	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		any |= mask->w[i];
	return any == 0;
}

int dp_of_flow_add(struct dp_of *of, uint8_t table, const struct dp_flow_key *key,
		   const struct dp_flow_key *mask, uint16_t priority,
		   const struct dp_flow_prog *prog, struct dp_of_flow **out)
{
	struct dp_of_flow *f;
	struct dp_of_prog *p;

	if (table >= DP_FLOW_TABLES || !prog_fits(prog))
		return -EINVAL;
	if (of->n_flows >= of->max_flows)
		return -ENOSPC;
	p = prog_make(of, prog);
	if (p == NULL)
		return -ENOMEM;
	f = slot_take(of);
	if (f == NULL) {
		prog_free(of, p);
		return -ENOMEM;
	}
	f->table = table;
	f->is_miss = priority == 0 && is_all(mask);
	f->rule.priority = priority;
	f->rule.key = *key;
	f->rule.mask = *mask;
	atomic_init(&f->rule.since, p->since);
	atomic_init(&f->rule.until, DP_FLOW_FOREVER);
	atomic_init(&f->rule.prog, &p->p);
	if (dp_flow_table_insert(of->tables[table], &f->rule) < 0) {
		prog_free(of, p);
		slot_give(of, f);
		return -ENOMEM;
	}
	of->n_flows++;
	of->last_table = RTE_MAX(of->last_table, table);
	stage(of, &f->add, f, ADDED);
	*out = f;
	return 0;
}

int dp_of_flow_change(struct dp_of *of, struct dp_of_flow *f, const struct dp_flow_prog *prog)
{
	struct dp_of_prog *p = prog_fits(prog) ? prog_make(of, prog) : NULL;

	if (p == NULL)
		return prog_fits(prog) ? -ENOMEM : -EINVAL;
	atomic_init(&p->prev, dp_of_prog_of(atomic_load(&f->rule.prog)));
	stage(of, &p->change, f, CHANGED);
	atomic_store_explicit(&f->rule.prog, &p->p, memory_order_release);
	return 0;
}

void dp_of_flow_end(struct dp_of *of, struct dp_of_flow *f)
{
	if (f->ended)
		return;
	f->ended = true;
	of->n_flows--;
	atomic_store_explicit(&f->rule.until,
			      atomic_load_explicit(&of->version, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	stage(of, &f->end, f, ENDED);
}

void dp_of_flow_free(struct dp_of *of, struct dp_of_flow *f)
{
	f->let_go = true;
	if (f->gone)
		slot_give(of, f);
}

struct dp_of_flow *dp_of_flow_exact(struct dp_of *of, uint8_t table, const struct dp_flow_key *key,
				    const struct dp_flow_key *mask, uint16_t priority)
{
	uint64_t staged = atomic_load_explicit(&of->version, memory_order_relaxed) + 1;

	return (struct dp_of_flow *)(void *)dp_flow_table_exact(of->tables[table], key, mask,
								priority, staged);
}

bool dp_of_flow_overlap(struct dp_of *of, uint8_t table, struct dp_flow_overlap *o,
			uint32_t *n_most)
{
	o->version = atomic_load_explicit(&of->version, memory_order_relaxed) + 1;
	return dp_flow_table_overlap(of->tables[table], o, n_most);
}

void dp_of_flow_set_user(struct dp_of_flow *f, void *user)
{
	f->user = user;
}

void *dp_of_flow_user(const struct dp_of_flow *f)
{
	return f->user;
}

const struct dp_flow_rule *dp_of_flow_rule(const struct dp_of_flow *f)
{
	return &f->rule;
}

void dp_of_flow_count(const struct dp_of *of, const struct dp_of_flow *f, struct dp_of_count *out)
{
	*out = (struct dp_of_count){ .n_pkts = 0 };
	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		const struct dp_of_flow_pw *c = &of->pw[i]->flows[f->rule.idx];
		uint64_t used = atomic_load_explicit(&c->used_ns, memory_order_relaxed);

		out->n_pkts += atomic_load_explicit(&c->n_pkts, memory_order_relaxed);
		out->n_bytes += atomic_load_explicit(&c->n_bytes, memory_order_relaxed);
		out->used_ns = RTE_MAX(out->used_ns, used);
	}
}

void dp_of_table_count(const struct dp_of *of, uint8_t table, struct dp_of_table_count *out)
{
	struct dp_flow_table_info info;

	dp_flow_table_info(of->tables[table], &info);
	*out = (struct dp_of_table_count){ .n_rules = info.n_rules,
					   .n_tuples = info.n_tuples,
					   .n_overflow = info.n_overflow };
	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		const struct dp_of_table_pw *c = &of->pw[i]->tables[table];

		out->n_lookups += atomic_load_explicit(&c->n_lookups, memory_order_relaxed);
		out->n_matched += atomic_load_explicit(&c->n_matched, memory_order_relaxed);
	}
}

// --- Versions

void dp_of_flows_publish(struct dp_of *of)
{
	if (of->staged == NULL)
		return;
	of->staged_last->next = of->published;
	of->published = of->staged;
	of->staged = NULL;
}

static struct dp_of_prog *prog_of_change(struct dp_of_change *c)
{
	return (struct dp_of_prog *)(void *)((char *)c - offsetof(struct dp_of_prog, change));
}

static void undo(struct dp_of *of, struct dp_of_change *c)
{
	struct dp_of_flow *f = c->flow;
	struct dp_of_prog *p;

	switch (c->kind) {
	case ADDED: // whatever else was done with it has been undone
		of->n_flows--;
		f->let_go = true;
		flow_unlink(of, f);
		break;
	case ENDED:
		f->ended = false;
		of->n_flows++;
		atomic_store_explicit(&f->rule.until, DP_FLOW_FOREVER, memory_order_relaxed);
		break;
	default:
		p = prog_of_change(c);
		atomic_store_explicit(&f->rule.prog,
				      &((struct dp_of_prog *)(uintptr_t)atomic_load(&p->prev))->p,
				      memory_order_release);
		dp_of_retire(of, &p->dead, prog_free, p);
	}
}

bool dp_of_flows_give_up(struct dp_of *of, uint32_t n_most)
{
	for (uint32_t n = 0; n < n_most && of->staged != NULL; n++) {
		struct dp_of_change *c = of->staged;

		of->staged = c->next;
		undo(of, c);
	}
	return of->staged == NULL;
}

// Every worker acts on the change: what was before it can go.
static void settle(struct dp_of *of, struct dp_of_change *c)
{
	struct dp_of_prog *p, *prev;

	if (c->kind == ENDED) {
		flow_unlink(of, c->flow);
		return;
	}
	if (c->kind != CHANGED)
		return;
	p = prog_of_change(c);
	prev = (struct dp_of_prog *)(uintptr_t)atomic_load_explicit(&p->prev, memory_order_relaxed);
	atomic_store_explicit(&p->prev, NULL, memory_order_release);
	dp_of_retire(of, &prev->dead, prog_free, prev);
}

void dp_of_flows_settle(struct dp_of *of, uint64_t settled, uint32_t n_most)
{
	if (of->unlinking == NULL && of->settling_version <= settled) {
		of->unlinking = of->settling;
		of->settling = NULL;
	}
	if (of->settling == NULL && of->published != NULL) {
		of->settling = of->published;
		of->settling_version = atomic_load_explicit(&of->version, memory_order_relaxed);
		of->published = NULL;
	}
	for (uint32_t n = 0; n < n_most && of->unlinking != NULL; n++) {
		struct dp_of_change *c = of->unlinking;

		of->unlinking = c->next; // c may be gone after it
		settle(of, c);
	}
}
