// OpenFlow in the datapath: the object, its versions, and when memory goes.
//
// Two rules make a change of tables safe without stopping anybody. A rule that ended with version V
// is unlinked when each worker has been in a quiescent state since V was published: nobody looks
// V-1 up any more. And what was unlinked is freed when each has been in one since then: nobody
// stands on it. One grace token serves all that was published, or unlinked, together.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_malloc.h>
#include <rte_random.h>

#include "of_priv.h"
#include "weir_rcu.h"

// Changes, and what they free, of one turn of dp_of_housekeep(); and when new flows wait for room:
// more than connections can add in one.
enum { SLICE = 2048, SLICE_MOST = 4 * SLICE };
enum { TEND = 8 }; // steps of arranging rules, of 0.1 ms each, in one turn

void dp_of_retire(struct dp_of *of, struct dp_of_dead *d, void (*fn)(struct dp_of *of, void *obj),
		  void *obj)
{
	*d = (struct dp_of_dead){ .next = of->dying, .fn = fn, .obj = obj };
	of->dying = d;
}

static void mem_free(struct dp_of *of, void *obj)
{
	struct dp_of_retired_mem *r = obj;

	free(r->mem);
	r->mem = NULL;
	if (r < of->spare_retired || r >= of->spare_retired + DP_OF_SPARE_RETIRED)
		free(r);
}

static struct dp_of_retired_mem *spare(struct dp_of *of)
{
	for (uint32_t i = 0; i < DP_OF_SPARE_RETIRED; i++) {
		if (of->spare_retired[i].mem == NULL)
			return &of->spare_retired[i];
	}
	return NULL;
}

// The classifier's own memory.
static void table_retire(void *arg, void *mem)
{
	struct dp_of_retired_mem *r = malloc(sizeof(*r));

	if (r == NULL)
		r = spare(arg);
	if (r == NULL)
		return; // it stays allocated
	r->mem = mem;
	dp_of_retire(arg, &r->dead, mem_free, r);
}

static void bury(struct dp_of *of, uint32_t n_most)
{
	for (uint32_t n = 0; n < n_most && of->burying != NULL; n++) {
		struct dp_of_dead *d = of->burying;

		of->burying = d->next;
		d->fn(of, d->obj);
	}
}

// While changes are still being unlinked, none of what they retire goes: the next one of them may
// be part of it.
static void reclaim(struct dp_of *of, uint32_t n_most)
{
	if (of->burying == NULL && of->dead != NULL && weir_rcu_done(of->sw->rcu, of->dead_token)) {
		of->burying = of->dead;
		of->dead = NULL;
	}
	bury(of, n_most);
	if (of->dead == NULL && of->dying != NULL && of->unlinking == NULL) {
		of->dead = of->dying;
		of->dying = NULL;
		of->dead_token = weir_rcu_start(of->sw->rcu);
	}
}

// --- What a frame's key is compared by in the cache

static void shape_free(struct dp_of *of, void *obj)
{
	(void)of;
	rte_free(obj);
}

// VLAN edits between tables show the inner tag, and take what the outer one said.
static void edits_widen(struct dp_flow_key *mask)
{
	dp_flow_put(mask, DP_FLOW_vlan_vid, dp_flow_ones(DP_FLOW_vlan_vid));
	dp_flow_put(mask, DP_FLOW_vlan_pcp, dp_flow_ones(DP_FLOW_vlan_pcp));
	mask->w[11] |= UINT64_C(0x80000000) | 0xffff;
}

static void mask_of_all(const struct dp_of *of, struct dp_flow_key *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t t = 0; t <= of->last_table; t++) {
		struct dp_flow_key m;

		dp_flow_table_mask(of->tables[t], &m);
		for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
			out->w[i] |= m.w[i];
	}
	if (of->edits_ever)
		edits_widen(out);
	out->w[5] = out->w[6] = 0; // metadata and tunnel: as the frame comes in they are 0
}

// A shape that is too wide is right all the same; one without memory for its successor must not
// serve the next version.
static int shape_follow(struct dp_of *of)
{
	const struct dp_of_shape *old = atomic_load_explicit(&of->shape, memory_order_relaxed);
	struct dp_of_shape *s;
	struct dp_flow_key mask;

	mask_of_all(of, &mask);
	if (old != NULL && memcmp(&mask, &old->mask, sizeof(mask)) == 0)
		return 0;
	s = rte_zmalloc("of_shape", sizeof(*s), RTE_CACHE_LINE_SIZE);
	if (s != NULL) {
		s->mask = mask;
		for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
			if (mask.w[i] != 0)
				s->words[s->n_words++] = (uint8_t)i;
		}
	}
	atomic_store_explicit(&of->shape, s, memory_order_release);
	if (old != NULL)
		dp_of_retire(of, (struct dp_of_dead *)(uintptr_t)&old->dead, shape_free,
			     (void *)(uintptr_t)old);
	return s == NULL ? -ENOMEM : 0;
}

// --- Create, destroy

static void *region(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_HUGEPAGE); // faster where the kernel grants it
	return p;
}

static void region_free(void *p, size_t size)
{
	if (p != NULL)
		munmap(p, size);
}

// An entry that needs two lines stands on an even one, in the smallest cache, too.
static size_t cache_size(uint32_t n_entries)
{
	return RTE_MAX(n_entries, 2u) * sizeof(struct dp_of_entry);
}

// Few frames meet what no other met.
static size_t paths_size(uint32_t n_entries)
{
	return RTE_MAX(n_entries / 2, (uint32_t)DP_OF_PATH_WAYS) * sizeof(struct dp_of_path);
}

static int cache_create(struct dp_of_pw *pw, uint32_t n_entries)
{
	pw->cache = region(cache_size(n_entries));
	pw->paths = region(paths_size(n_entries));
	if (pw->cache == NULL || pw->paths == NULL)
		return -ENOMEM;
	// The kernel gives its pages now, not to a worker.
	memset(pw->cache, 0, cache_size(n_entries));
	memset(pw->paths, 0, paths_size(n_entries));
	pw->cache_mask = n_entries - 1;
	pw->paths_mask = paths_size(n_entries) / sizeof(*pw->paths) - 1;
	pw->first_stamp = pw->next_stamp = 1;
	for (uint32_t i = 0; i < RTE_DIM(pw->seeds); i++)
		pw->seeds[i] = rte_rand();
	return 0;
}

static int worker_create(struct dp_of *of, uint32_t id)
{
	struct dp_of_pw *pw = rte_zmalloc("of_pw", sizeof(*pw), RTE_CACHE_LINE_SIZE);

	of->pw[id] = pw;
	if (pw == NULL)
		return -ENOMEM;
	pw->flows = region(of->n_slots * sizeof(*pw->flows));
	if (pw->flows == NULL)
		return -ENOMEM;
	if (of->params.cache_entries == 0)
		return 0;
	return cache_create(pw, of->params.cache_entries);
}

static void worker_destroy(struct dp_of *of, uint32_t id)
{
	struct dp_of_pw *pw = of->pw[id];

	if (pw == NULL)
		return;
	region_free(pw->flows, of->n_slots * sizeof(*pw->flows));
	region_free(pw->cache, cache_size(of->params.cache_entries));
	region_free(pw->paths, paths_size(of->params.cache_entries));
	rte_free(pw);
}

static bool is_power(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static int params_check(const struct dp_of_params *p, struct weir_err *err)
{
	if (p->max_flows == 0 || p->max_flows > DP_OF_FLOWS_MAX)
		return weir_err_set(err, -EINVAL, "OpenFlow: %u flows: must be 1..%u", p->max_flows,
				    DP_OF_FLOWS_MAX);
	if (p->cache_entries != 0 && !is_power(p->cache_entries))
		return weir_err_set(err, -EINVAL, "OpenFlow: cache of %u: must be a power of two",
				    p->cache_entries);
	if (!is_power(p->n_packet_ins) || p->n_packet_ins > 1u << 16)
		return weir_err_set(err, -EINVAL,
				    "OpenFlow: %u packet-ins: must be a power of two, at most %u",
				    p->n_packet_ins, 1u << 16);
	return 0;
}

static int parts_create(struct dp_of *of)
{
	int rc = 0;

	of->port_config = rte_zmalloc("of_ports", DP_OFPP_MAX + 1, RTE_CACHE_LINE_SIZE);
	of->flows = region(of->n_slots * sizeof(*of->flows));
	if (of->port_config == NULL || of->flows == NULL)
		return -ENOMEM;
	for (uint32_t t = 0; rc == 0 && t < DP_FLOW_TABLES; t++)
		rc = dp_flow_table_create(table_retire, of, &of->tables[t]);
	for (uint32_t i = 0; rc == 0 && i < of->sw->n_workers; i++)
		rc = worker_create(of, i);
	if (rc == 0)
		rc = dp_of_flows_create(of);
	if (rc == 0)
		rc = dp_of_groups_create(of);
	if (rc == 0)
		rc = dp_of_meters_create(of);
	return rc == 0 ? shape_follow(of) : rc;
}

uint32_t dp_of_set_limits(struct dp_of *of, uint32_t max_flows, uint32_t packet_in_pps,
			  uint32_t packet_in_burst)
{
	of->max_flows = RTE_MIN(max_flows, of->params.max_flows);
	atomic_store_explicit(&of->punt_limit, (uint64_t)packet_in_pps << 32 | packet_in_burst,
			      memory_order_relaxed);
	return of->max_flows;
}

int dp_of_create(struct dp_switch *sw, const struct dp_of_params *p, struct dp_of **out,
		 struct weir_err *err)
{
	struct dp_of *of;
	int rc;

	*out = NULL;
	if (sw->of != NULL)
		return weir_err_set(err, -EEXIST, "OpenFlow: this switch has its tables already");
	rc = params_check(p, err);
	if (rc < 0)
		return rc;
	of = rte_zmalloc("of", sizeof(*of), RTE_CACHE_LINE_SIZE);
	if (of == NULL)
		return weir_err_set(err, -ENOMEM, "OpenFlow: out of memory");
	of->sw = sw;
	of->params = *p;
	(void)dp_of_set_limits(of, p->max_flows, p->packet_in_pps, p->packet_in_burst);
	of->n_slots = p->max_flows * 2 + 1024; // what ended holds its slot until nobody sees it
	of->settled = 1;
	of->punt_fd = -1;
	atomic_init(&of->version, 1);
	atomic_init(&of->walks_since, 1);
	rc = parts_create(of);
	if (rc < 0)
		weir_err_set(err, rc, "OpenFlow: out of memory for %u flows", p->max_flows);
	else
		rc = dp_of_punts_create(of, err);
	if (rc < 0) {
		dp_of_destroy(of);
		return rc;
	}
	sw->of = of;
	*out = of;
	return 0;
}

void dp_of_destroy(struct dp_of *of)
{
	if (of == NULL)
		return;
	if (of->sw->of == of)
		of->sw->of = NULL;
	dp_of_punts_destroy(of);
	(void)dp_of_give_up(of, UINT32_MAX);
	while (of->unlinking != NULL || of->settling != NULL || of->published != NULL)
		dp_of_flows_settle(of, UINT64_MAX, UINT32_MAX);
	dp_groups_destroy(of->groups);
	dp_meters_destroy(of->meters);
	for (uint32_t t = 0; t < DP_FLOW_TABLES; t++) {
		if (of->tables[t] != NULL)
			dp_flow_table_destroy(of->tables[t]);
	}
	while (of->burying != NULL || of->dead != NULL || of->dying != NULL) {
		bury(of, UINT32_MAX);
		of->burying = of->dead;
		of->dead = of->dying;
		of->dying = NULL;
	}
	dp_of_flows_destroy(of);
	for (uint32_t i = 0; i < DP_MAX_WORKERS; i++)
		worker_destroy(of, i);
	region_free(of->flows, of->n_slots * sizeof(*of->flows));
	rte_free((void *)(uintptr_t)atomic_load(&of->shape));
	rte_free(of->port_config);
	rte_free(of);
}

int dp_of_set_mode(struct dp_of *of, enum dp_of_mode mode, struct weir_err *err)
{
	struct dp_of *now = mode == DP_OF_TABLES ? of : NULL;
	struct dp_snapshot *s;

	if (dp_root(of->sw)->of == now)
		return 0;
	if (dp_snapshot_again(of->sw, &s) < 0)
		return weir_err_set(err, -ENOMEM, "OpenFlow: out of memory for its mode");
	s->of = now;
	dp_publish(of->sw, s);
	return 0;
}

// --- Versions

// What settles together when the queue is full settles with the newest.
static void settling_push(struct dp_of *of, uint64_t version)
{
	struct dp_of_settling *s;

	if (of->queue_n == DP_OF_SETTLING)
		of->queue_n--;
	s = &of->queue[(of->queue_at + of->queue_n++) % DP_OF_SETTLING];
	s->version = version;
	s->token = weir_rcu_start(of->sw->rcu);
	for (uint32_t i = 0; i < of->sw->n_workers; i++)
		s->n_outs[i] = of->pw[i]->n_outs_put;
}

// Packet-outs from before went out, too: a worker takes some in each turn. With the mode off nobody
// does, and nothing waits for them.
static bool outs_are_done(const struct dp_of *of, const struct dp_of_settling *s)
{
	if (dp_root(of->sw)->of != of)
		return true;
	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		if (atomic_load_explicit(&of->pw[i]->n_outs_done, memory_order_acquire) <
		    s->n_outs[i])
			return false;
	}
	return true;
}

static void settled_follow(struct dp_of *of)
{
	while (of->queue_n > 0) {
		const struct dp_of_settling *s = &of->queue[of->queue_at];

		if (!outs_are_done(of, s) || !weir_rcu_done(of->sw->rcu, s->token))
			return;
		of->settled = s->version;
		of->queue_at = (of->queue_at + 1) % DP_OF_SETTLING;
		of->queue_n--;
	}
}

uint64_t dp_of_publish(struct dp_of *of)
{
	uint64_t version = atomic_load_explicit(&of->version, memory_order_relaxed) + 1;

	// Before the version: who sees it sees the shape that it needs, and that walks are others.
	(void)shape_follow(of);
	if (of->walks_change)
		atomic_store_explicit(&of->walks_since, version, memory_order_relaxed);
	of->walks_change = false;
	dp_of_flows_publish(of);
	atomic_store_explicit(&of->version, version, memory_order_release);
	settling_push(of, version);
	return version;
}

bool dp_of_give_up(struct dp_of *of, uint32_t n_most)
{
	if (!dp_of_flows_give_up(of, n_most))
		return false;
	dp_of_groups_give_up(of);
	return true;
}

bool dp_of_settled(struct dp_of *of, uint64_t version)
{
	settled_follow(of);
	return of->settled >= version;
}

// Tables go on with what changes began, also when no more changes come.
static void tend(struct dp_of *of)
{
	uint32_t n = TEND;

	for (uint32_t t = 0; t <= of->last_table; t++) {
		while (n > 0 && dp_flow_table_tend(of->tables[t]))
			n--;
	}
}

void dp_of_housekeep(struct dp_of *of, uint64_t now_ns)
{
	uint32_t n_free = of->n_free_slots + of->n_slots - of->n_ever;
	// In slices, so that main is held up for a few ms at most.
	uint32_t n_most = n_free < of->n_slots / 8 ? SLICE_MOST : SLICE;

	(void)now_ns;
	settled_follow(of);
	dp_of_flows_settle(of, of->settled, n_most);
	dp_groups_settle(of->groups, of->settled);
	tend(of);
	reclaim(of, n_most);
}

// --- Ports

int dp_of_port_config(struct dp_of *of, uint32_t of_port, uint32_t config)
{
	const uint32_t known =
		DP_OFPPC_PORT_DOWN | DP_OFPPC_NO_RECV | DP_OFPPC_NO_FWD | DP_OFPPC_NO_PACKET_IN;

	if ((config & ~known) != 0 || of_port == 0 ||
	    (of_port >= DP_OFPP_MAX && of_port != DP_OFPP_LOCAL))
		return -EINVAL;
	atomic_store_explicit(&of->port_config[of_port < DP_OFPP_MAX ? of_port : 0],
			      (uint8_t)config, memory_order_relaxed);
	return 0;
}

void dp_of_drop_fragments(struct dp_of *of, bool drop)
{
	atomic_store_explicit(&of->drops_fragments, drop, memory_order_relaxed);
}

bool dp_of_drops_fragments(const struct dp_of *of)
{
	return atomic_load_explicit(&of->drops_fragments, memory_order_relaxed);
}

uint32_t dp_of_port_config_now(const struct dp_of *of, uint32_t of_port)
{
	return of_port < DP_OFPP_MAX || of_port == DP_OFPP_LOCAL ? dp_of_config_of(of, of_port) : 0;
}

const struct dp_view *dp_of_view(const struct dp_snapshot *s, uint32_t of_port)
{
	if (likely(of_port < s->n_of_idx))
		return s->views[s->of_idx[of_port]];
	return of_port == DP_OFPP_LOCAL ? s->views[s->of_local] : NULL;
}
