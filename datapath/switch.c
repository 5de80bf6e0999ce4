// The switch object on the main thread: memory, workers, housekeeping.
#include "dp_switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "dp_storage.h"
#include "of_priv.h"
#include "weir_log.h"
#include "weir_rcu.h"

enum {
	EVENT_BURST = 256,
	AGE_SLOTS = 8192, // looked at per housekeeping call
	REFRESH_NS = 500000000,
	RCU_THREADS = DP_MAX_WORKERS,
};

static struct rte_ring *ring_make(const char *what, uint32_t a, uint32_t b, uint32_t len,
				  uint32_t elem_size)
{
	static uint32_t serial; // EAL names are global; switches of one process must differ
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "w%s%u_%u_%u", what, serial++, a, b);
	return rte_ring_create_elem(name, elem_size, len, SOCKET_ID_ANY,
				    RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int pools_create(struct dp_switch *sw, struct weir_err *err)
{
	static uint32_t serial;
	char name[32];

	serial++;
	snprintf(name, sizeof(name), "weir_mbufs%u", serial);
	sw->pool = rte_pktmbuf_pool_create(name, sw->params.n_mbufs, 256, DP_PRIV_BYTES,
					   RTE_PKTMBUF_HEADROOM + DP_MBUF_ROOM, SOCKET_ID_ANY);
	if (sw->pool == NULL)
		return weir_err_set(err, -ENOMEM, "packet buffers %u: %s", sw->params.n_mbufs,
				    rte_strerror(rte_errno));
	return 0;
}

// Jumbo frames on links that want one contiguous buffer need large ones; made with the first jumbo
// port.
int dp_large_pool(struct dp_switch *sw, struct weir_err *err)
{
	static uint32_t serial;
	struct rte_mempool *pool;
	char name[32];

	if (sw->pool_large != NULL)
		return 0;
	snprintf(name, sizeof(name), "weir_large%u", serial++);
	pool = rte_pktmbuf_pool_create(name, sw->params.n_mbufs_large, 32, DP_PRIV_BYTES,
				       RTE_PKTMBUF_HEADROOM + DP_MBUF_ROOM_LARGE, SOCKET_ID_ANY);
	if (pool == NULL)
		return weir_err_set(err, -ENOMEM, "%u packet buffers for jumbo frames: %s",
				    sw->params.n_mbufs_large, rte_strerror(rte_errno));
	atomic_store_explicit(&sw->pool_large, pool, memory_order_release);
	return 0;
}

static int worker_init(struct dp_switch *sw, uint32_t id)
{
	struct dp_worker *w = &sw->workers[id];

	w->id = id;
	w->lcore = sw->params.worker_lcores[id];
	w->sw = sw;
	w->pool = sw->pool;
	w->fdb = dp_fdb_index(sw->fdb);
	if (dp_storage_worker_init(w, ring_make("st", id, 0, DP_STORAGE_EVENTS,
						sizeof(struct dp_storage_event))) < 0)
		return -ENOMEM;
	w->events = ring_make("ev", id, 0, DP_EVENTS, sizeof(struct dp_learn_event));
	w->punts = ring_make("pu", id, 0, DP_PUNTS, sizeof(struct dp_punt));
	w->injects = ring_make("in", id, 0, DP_INJECTS, sizeof(struct dp_punt));
	w->transfers_taken = rte_zmalloc("taken", DP_MAX_PORTS * sizeof(*w->transfers_taken), 64);
	if (w->events == NULL || w->punts == NULL || w->injects == NULL ||
	    w->transfers_taken == NULL)
		return -ENOMEM;
	for (uint32_t from = 0; from < sw->n_workers; from++) {
		if (from == id)
			continue;
		for (uint32_t urgency = 0; urgency < 2; urgency++) {
			w->in[from][urgency] = ring_make(urgency ? "hn" : "hu", from, id,
							 DP_HANDOVER, sizeof(void *));
			if (w->in[from][urgency] == NULL)
				return -ENOMEM;
		}
	}
	return 0;
}

static int workers_create(struct dp_switch *sw, struct weir_err *err)
{
	sw->workers =
		rte_zmalloc("workers", sw->n_workers * sizeof(*sw->workers), RTE_CACHE_LINE_SIZE);
	if (sw->workers == NULL)
		return weir_err_set(err, -ENOMEM, "workers: out of memory");
	for (uint32_t i = 0; i < sw->n_workers; i++) {
		if (worker_init(sw, i) < 0)
			return weir_err_set(err, -ENOMEM, "worker %u: out of memory for its rings",
					    i);
	}
	return 0;
}

// A switch without ports, with the default classes.
static int first_snapshot(struct dp_switch *sw, struct dp_snapshot **out, struct weir_err *err)
{
	struct dp_parts *parts = calloc(1, sizeof(*parts));
	int rc = -ENOMEM;

	sw->qos = rte_zmalloc("qos", sizeof(*sw->qos), 0);
	if (parts != NULL && sw->qos != NULL) {
		sw->qos->serial = sw->next_serial++;
		dp_qos_defaults(sw->qos->classes);
		parts->qos = sw->qos;
		rc = dp_snapshot_build(sw, parts, out);
	}
	free(parts);
	return rc < 0 ? weir_err_set(err, rc, "snapshot: out of memory") : 0;
}

int dp_switch_create(const struct dp_switch_params *p, struct dp_switch **out, struct weir_err *err)
{
	struct dp_snapshot *first;
	struct dp_switch *sw;
	int rc;

	*out = NULL;
	if (p->n_workers == 0 || p->n_workers > DP_MAX_WORKERS)
		return weir_err_set(err, -EINVAL, "workers %u: must be 1..%u", p->n_workers,
				    DP_MAX_WORKERS);
	if (p->queue_len == 0 || (p->queue_len & (p->queue_len - 1)) != 0)
		return weir_err_set(err, -EINVAL, "queue length %u: must be a power of two",
				    p->queue_len);
	sw = calloc(1, sizeof(*sw));
	if (sw == NULL)
		return weir_err_set(err, -ENOMEM, "switch: out of memory");
	sw->params = *p;
	sw->n_workers = p->n_workers;
	sw->ageing_s = 300;
	sw->next_gen = 1;
	sw->next_serial = 1;
	sw->punt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	sw->rcu_mem = rte_zmalloc("rcu", weir_rcu_size(RCU_THREADS), RTE_CACHE_LINE_SIZE);
	rc = sw->rcu_mem == NULL ? -ENOMEM : weir_rcu_init(sw->rcu_mem, RCU_THREADS, &sw->rcu);
	if (rc < 0)
		weir_err_set(err, rc, "switch: out of memory");
	if (rc == 0)
		rc = pools_create(sw, err);
	if (rc == 0 && dp_fdb_create(p->mac_limit, sw->rcu, &sw->fdb) < 0)
		rc = weir_err_set(err, -ENOMEM, "forwarding table of %u entries: out of memory",
				  p->mac_limit);
	if (rc == 0 && dp_storage_create(sw) < 0)
		rc = weir_err_set(err, -ENOMEM, "storage: out of memory");
	if (rc == 0)
		rc = workers_create(sw, err);
	if (rc == 0)
		rc = first_snapshot(sw, &first, err);
	if (rc < 0) {
		dp_switch_destroy(sw);
		return rc;
	}
	dp_publish(sw, first);
	*out = sw;
	return 0;
}

static void worker_fini(struct dp_worker *w)
{
	struct rte_mbuf *m;

	rte_ring_free(w->events);
	rte_ring_free(w->punts);
	rte_ring_free(w->injects);
	rte_free(w->transfers_taken);
	dp_storage_worker_fini(w);
	for (uint32_t from = 0; from < DP_MAX_WORKERS; from++) {
		for (uint32_t urgency = 0; urgency < 2; urgency++) {
			while (w->in[from][urgency] != NULL &&
			       rte_ring_sc_dequeue(w->in[from][urgency], (void **)&m) == 0)
				rte_pktmbuf_free(m);
			rte_ring_free(w->in[from][urgency]);
		}
	}
}

void dp_switch_destroy(struct dp_switch *sw)
{
	if (sw == NULL)
		return;
	dp_switch_stop(sw);
	if (sw->fdb != NULL && dp_root(sw) != NULL)
		dp_tap_stop(sw);
	dp_reclaim(sw, true);
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		const struct dp_snapshot *s = dp_root(sw);

		if (s != NULL)
			rte_free(s->views[i]);
		if (sw->ports[i] != NULL)
			dp_port_destroy(sw, sw->ports[i]);
	}
	dp_vms_destroy(sw);
	dp_snapshot_free((struct dp_snapshot *)(uintptr_t)dp_root(sw));
	for (uint32_t i = 0; sw->workers != NULL && i < sw->n_workers; i++)
		worker_fini(&sw->workers[i]);
	rte_free(sw->workers);
	dp_fdb_destroy(sw->fdb);
	qos_portals_destroy(sw->portals);
	rte_free(sw->storage);
	rte_free(sw->qos);
	rte_free(sw->services);
	rte_mempool_free(sw->pool);
	rte_mempool_free(sw->pool_large);
	rte_free(sw->rcu_mem);
	if (sw->punt_fd >= 0)
		close(sw->punt_fd);
	free(sw);
}

int dp_switch_add_driver(struct dp_switch *sw, const struct dp_link_driver *drv)
{
	if (sw->n_drivers == RTE_DIM(sw->drivers))
		return -ENOSPC;
	sw->drivers[sw->n_drivers++] = drv;
	return 0;
}

int dp_switch_start(struct dp_switch *sw, struct weir_err *err)
{
	for (uint32_t i = 0; i < sw->n_workers; i++) {
		struct dp_worker *w = &sw->workers[i];

		atomic_store(&w->stop, false);
		if (rte_eal_remote_launch(dp_worker_main, w, w->lcore) != 0) {
			dp_switch_stop(sw);
			return weir_err_set(err, -EBUSY, "worker %u: lcore %u does not take it", i,
					    w->lcore);
		}
		sw->running = true;
	}
	return 0;
}

void dp_switch_stop(struct dp_switch *sw)
{
	if (!sw->running)
		return;
	for (uint32_t i = 0; i < sw->n_workers; i++)
		atomic_store_explicit(&sw->workers[i].stop, true, memory_order_release);
	for (uint32_t i = 0; i < sw->n_workers; i++)
		rte_eal_wait_lcore(sw->workers[i].lcore);
	sw->running = false;
}

static void learn(struct dp_switch *sw, const struct dp_learn_event *e)
{
	struct dp_port *p = sw->ports[e->port];
	const struct dp_view *v = dp_root(sw)->views[e->port];
	uint32_t limit;

	if (p == NULL || v == NULL || p->gen != e->gen)
		return; // the port went meanwhile
	// Told by a turn on the configuration before: the port has left that VLAN.
	if (!dp_port_carries(&v->cfg, (uint16_t)(e->key >> 48 & 0xfff)))
		return;
	limit = v->cfg.mac_limit;
	dp_fdb_learn(sw->fdb, e->key, e->port, limit, (uint32_t)(sw->now_ns / 1000000000u));
}

// Whether a port has room for another MAC is published to workers from here.
static void publish_macs(struct dp_switch *sw)
{
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		bool full;

		if (sw->mac_limits[i] == 0)
			continue;
		full = dp_fdb_port_count(sw->fdb, (uint16_t)i) >= sw->mac_limits[i];
		if (sw->macs_full[i] == full)
			continue;
		sw->macs_full[i] = full;
		atomic_store_explicit(&sw->ports[i]->macs_full, full, memory_order_relaxed);
	}
}

void dp_port_fix(struct dp_switch *sw, const struct dp_view *v)
{
	uint64_t key = dp_fdb_key(v->cfg.vid, v->cfg.mac);
	uint16_t at = v->port->idx;

	if ((v->cfg.flags & DP_PF_MAC_FIXED) == 0 || v->cfg.vid == 0)
		return;
	if (!dp_port_there(v)) {
		const struct dp_fdb_entry *e = dp_fdb_lookup(sw->fdb, key);
		uint16_t port = e == NULL ? DP_FDB_NOWHERE : DP_FDB_PORT(atomic_load(&e->where));
		const struct dp_view *to = dp_root(sw)->views[port];

		at = to != NULL && to->cfg.role == DP_ROLE_UPLINK ? port : DP_FDB_NOWHERE;
	}
	if (dp_fdb_fix(sw->fdb, key, v->port->idx, at) < 0)
		weir_log(WEIR_ERROR, "port %s: its MAC found no room in the forwarding table",
			 v->cfg.name);
}

// A VM that was awaited is here: its port speaks before its queues are polled for the first time.
static void awaited_speak(struct dp_switch *sw)
{
	struct weir_err err;

	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		const struct dp_view *v = dp_root(sw)->views[i];

		if (v != NULL && (v->cfg.flags & DP_PF_AWAITING) != 0 &&
		    v->port->drv->is_up(v->port->link) &&
		    dp_switch_port_quiet(sw, v->cfg.name, DP_SPEAKS, &err) < 0)
			weir_log(WEIR_ERROR, "%s: the port stays quiet", err.text);
	}
}

// A guest came, went or changed its queues: the polled queues follow, and its address.
static void links_follow(struct dp_switch *sw)
{
	uint32_t changed = atomic_load_explicit(&sw->links_changed, memory_order_relaxed);
	const struct dp_snapshot *root = dp_root(sw);
	struct dp_snapshot *s;
	struct dp_link_status st;

	if (sw->now_ns - sw->refreshed_ns >= REFRESH_NS) {
		sw->refreshed_ns = sw->now_ns;
		for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
			if (root->views[i] != NULL)
				root->views[i]->port->drv->status(root->views[i]->port->link, &st);
		}
	}
	if (changed == sw->links_seen)
		return;
	awaited_speak(sw);
	root = dp_root(sw);
	if (dp_snapshot_again(sw, &s) < 0) {
		weir_log(WEIR_ERROR,
			 "snapshot: out of memory; changed guest queues are not polled yet");
		return;
	}
	sw->links_seen = changed;
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		if (root->views[i] != NULL)
			dp_port_fix(sw, root->views[i]);
	}
	dp_publish(sw, s);
}

void dp_switch_housekeep(struct dp_switch *sw, uint64_t now_ns)
{
	struct dp_learn_event e[EVENT_BURST];

	sw->now_ns = now_ns;
	for (uint32_t i = 0; i < sw->n_workers; i++) {
		uint32_t n = rte_ring_sc_dequeue_burst_elem(sw->workers[i].events, e, sizeof(e[0]),
							    EVENT_BURST, NULL);

		for (uint32_t k = 0; k < n; k++)
			learn(sw, &e[k]);
	}
	dp_fdb_age(sw->fdb, AGE_SLOTS, sw->ageing_s, (uint32_t)(now_ns / 1000000000u));
	publish_macs(sw);
	links_follow(sw);
	if (sw->of != NULL)
		dp_of_housekeep(sw->of, now_ns);
	dp_reclaim(sw, false);
}

uint32_t dp_switch_turn(struct dp_switch *sw, uint32_t id, uint64_t now_ns)
{
	uint32_t n;

	weir_rcu_join(sw->rcu, id);
	n = dp_worker_turn(&sw->workers[id], now_ns, (uint32_t)(now_ns / 1000000000u));
	weir_rcu_leave(sw->rcu, id);
	return n;
}

int dp_switch_punt_fd(const struct dp_switch *sw)
{
	return sw->punt_fd;
}

// What has left the ring makes room for its port.
static void transfers_count(struct dp_worker *w, const struct dp_punt *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		_Atomic uint32_t *taken = &w->transfers_taken[p[i].port];

		if (p[i].transfer)
			atomic_store_explicit(taken,
					      atomic_load_explicit(taken, memory_order_relaxed) + 1,
					      memory_order_relaxed);
	}
}

uint32_t dp_switch_punts(struct dp_switch *sw, struct dp_punt *out, uint32_t n)
{
	uint32_t n_out = 0;

	// Round the workers, so one worker's flood does not hide another's frames.
	for (uint32_t i = 0; i < sw->n_workers && n_out < n; i++) {
		uint32_t share = (n - n_out + sw->n_workers - i - 1) / (sw->n_workers - i);

		uint32_t got = rte_ring_sc_dequeue_burst_elem(sw->workers[i].punts, out + n_out,
							      sizeof(*out), share, NULL);

		transfers_count(&sw->workers[i], out + n_out, got);
		n_out += got;
	}
	return n_out;
}

static bool all_take(const struct dp_switch *sw, uint32_t n)
{
	for (uint32_t i = 0; i < sw->n_workers; i++) {
		if (rte_ring_free_count(sw->workers[i].injects) < n)
			return false;
	}
	return true;
}

bool dp_switch_injects_fit(struct dp_switch *sw, uint32_t n)
{
	if (all_take(sw, n))
		return true;
	atomic_store(&sw->injects_wait, true);
	return all_take(sw, n); // a worker may have made room meanwhile
}

int dp_switch_inject(struct dp_switch *sw, struct dp_punt *frame)
{
	uint8_t owner;

	if (frame->port >= DP_MAX_PORTS || frame->size > sizeof(frame->data) || frame->size < 14)
		return -EMSGSIZE;
	owner = atomic_load_explicit(&sw->owner_of[frame->port], memory_order_relaxed);
	if (owner >= sw->n_workers ||
	    rte_ring_sp_enqueue_elem(sw->workers[owner].injects, frame, sizeof(*frame)) != 0)
		return -EAGAIN;
	return 0;
}
