// The main thread's side of storage: what workers told, the table of portals, machines that boot.
#include <string.h>

#include <rte_malloc.h>
#include <rte_random.h>

#include "qos_learn.h"
#include "storage_priv.h"

int dp_storage_create(struct dp_switch *sw)
{
	sw->storage = rte_zmalloc("storage", sizeof(*sw->storage), RTE_CACHE_LINE_SIZE);
	if (sw->storage == NULL)
		return -1;
	sw->storage->secret = rte_rand();
	atomic_init(&sw->storage->telemetry, true);
	atomic_init(&sw->storage->learning, true);
	return 0;
}

int dp_storage_worker_init(struct dp_worker *w, struct rte_ring *events)
{
	struct dp_storage_pw *s = rte_zmalloc("flows", sizeof(*s), RTE_CACHE_LINE_SIZE);

	w->storage = s;
	w->storage_next_ns = UINT64_MAX;
	if (s == NULL) {
		rte_ring_free(events);
		return -1;
	}
	s->events = events;
	s->text_flow = DP_FLOW_NONE;
	for (uint32_t i = 0; i < DP_STORAGE_FLOWS; i++)
		s->next[i] = (uint16_t)(i + 1 == DP_STORAGE_FLOWS ? 0 : i + 2);
	s->free_first = 1;
	return events == NULL ? -1 : 0;
}

void dp_storage_worker_fini(struct dp_worker *w)
{
	if (w->storage != NULL)
		rte_ring_free(w->storage->events);
	rte_free(w->storage);
}

void dp_switch_storage_set(struct dp_switch *sw, bool telemetry, bool learning)
{
	atomic_store_explicit(&sw->storage->telemetry, telemetry, memory_order_relaxed);
	atomic_store_explicit(&sw->storage->learning, learning, memory_order_relaxed);
}

// A worker enters a portal into the table that it sees; another may have taken its place meanwhile.
// What cannot be a portal was told for the count alone.
static void enter_again(const struct dp_switch *sw, const struct dp_storage_event *e)
{
	struct qos_portals *table = dp_portals(dp_root(sw));

	if (table != NULL && qos_portals_listed(table, &e->learnt.teacher) &&
	    qos_learn_wanted(table, &e->learnt.portal))
		(void)qos_portals_learn(table, &e->learnt.portal);
}

uint32_t dp_switch_storage_events(struct dp_switch *sw, struct dp_storage_event *out, uint32_t max)
{
	uint32_t n = 0;

	// Round the workers, so that a busy one does not hide the others' events.
	for (uint32_t i = 0; i < sw->n_workers && n < max; i++) {
		uint32_t share = (max - n + sw->n_workers - i - 1) / (sw->n_workers - i);

		n += rte_ring_sc_dequeue_burst_elem(sw->workers[i].storage->events, out + n,
						    sizeof(*out), share, NULL);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (out[i].kind == DP_STORAGE_LEARNT)
			enter_again(sw, &out[i]);
	}
	return n;
}

void dp_switch_storage_counts(const struct dp_switch *sw, struct dp_storage_counts *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < sw->n_workers; i++) {
		const struct dp_storage_pw *s = sw->workers[i].storage;

		out->flows_now += atomic_load_explicit(&s->n_flows, memory_order_relaxed);
		out->opened += atomic_load_explicit(&s->opened, memory_order_relaxed);
		out->refused_full += atomic_load_explicit(&s->refused_full, memory_order_relaxed);
		out->events_lost += atomic_load_explicit(&s->events_lost, memory_order_relaxed);
		out->learnt_live += atomic_load_explicit(&s->learnt_live, memory_order_relaxed);
		out->pkts += atomic_load_explicit(&s->pkts, memory_order_relaxed);
		out->port_only += atomic_load_explicit(&s->port_only, memory_order_relaxed);
	}
}

static void free_portals(struct dp_switch *sw, void *obj)
{
	(void)sw;
	qos_portals_destroy(obj);
}

void dp_portals_replace(struct dp_switch *sw, struct qos_portals *table)
{
	dp_retire(sw, free_portals, sw->portals);
	sw->portals = table;
}

// The one thing that changes in a snapshot in force. Those before it keep theirs, whose grace
// period ends after theirs.
void dp_switch_set_portals(struct dp_switch *sw, struct qos_portals *table)
{
	struct dp_snapshot *s = (struct dp_snapshot *)(uintptr_t)dp_root(sw);

	atomic_store_explicit(&s->portals, table, memory_order_release);
	atomic_store_explicit(&s->storage_serial, ++sw->storage_serial, memory_order_release);
	dp_portals_replace(sw, table);
}

const struct qos_portals *dp_switch_portals(const struct dp_switch *sw)
{
	return sw->portals;
}

void dp_switch_set_boot(struct dp_switch *sw, uint16_t vm_idx, uint64_t deadline_ns)
{
	struct dp_storage *s = sw->storage;
	uint32_t n = atomic_load_explicit(&s->n_booting, memory_order_relaxed);
	uint64_t was;

	if (vm_idx == 0 || vm_idx >= DP_MAX_VMS)
		return; // nobody's
	was = atomic_load_explicit(&s->boot[vm_idx], memory_order_relaxed);
	if (was == deadline_ns)
		return;
	atomic_store_explicit(&s->boot[vm_idx], deadline_ns, memory_order_relaxed);
	atomic_store_explicit(&s->n_booting, n + (deadline_ns != 0) - (was != 0),
			      memory_order_relaxed);
	atomic_fetch_add_explicit(&s->boot_serial, 1, memory_order_release);
}

uint64_t dp_boot_deadline(const struct dp_switch *sw, uint32_t vm_idx)
{
	return atomic_load_explicit(&sw->storage->boot[vm_idx], memory_order_relaxed);
}

uint32_t dp_boot_serial(const struct dp_switch *sw)
{
	return atomic_load_explicit(&sw->storage->boot_serial, memory_order_acquire);
}

bool dp_boot_any(const struct dp_switch *sw)
{
	return atomic_load_explicit(&sw->storage->n_booting, memory_order_relaxed) != 0;
}

uint64_t dp_switch_boot(const struct dp_switch *sw, uint16_t vm_idx)
{
	return vm_idx < DP_MAX_VMS ? dp_boot_deadline(sw, vm_idx) : 0;
}
