#include "vh_driver.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <linux/virtio_net.h>
#include <rte_vhost.h>

#include "weir_log.h"
#include "weir_rcu.h"

enum { QUEUES = DP_QUEUES_MAX };

// Flags of an mbuf that say whose its memory is, and stay.
#define OWNERSHIP (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)

// Guest and link: `vhost:` fields are written by librte_vhost's event thread, read by workers,
// relaxed unless said.
struct guest {
	_Atomic int vid;	   // vhost: w (release), worker: r (acquire); -1 = nobody connected
	_Atomic uint32_t caps;	   // vhost: w
	_Atomic uint32_t rx_pairs; // vhost: w; guest transmits on so many queue pairs, 0..QUEUES
	_Atomic uint32_t tx_pairs; // vhost: w; guest receives on so many
	_Atomic bool enabled[2 * QUEUES]; // vhost: w, by vring index
	_Atomic bool attached;		  // vhost: w; the socket is connected
	_Atomic uint32_t n_attaches;	  // vhost: w
	_Atomic bool resumed;		  // vhost: w
	// Constant.
	struct rte_mempool *pool;
	struct rte_rcu_qsbr *rcu;
	_Atomic uint32_t *changed;
	char name[DP_NAME_MAX];
	char path[DP_ARGS_MAX];
	struct weir_limit limit; // vhost thread only
};

// Callbacks get a vid; the guest is found by its socket path. Few hundred entries, touched on
// connect only.
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct guest *table[VH_MAX_GUESTS];

static struct guest *guest_of(int vid)
{
	char path[DP_ARGS_MAX];
	struct guest *g = NULL;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)) < 0)
		return NULL;
	pthread_mutex_lock(&table_lock);
	for (uint32_t i = 0; i < VH_MAX_GUESTS && g == NULL; i++) {
		if (table[i] != NULL && strcmp(table[i]->path, path) == 0)
			g = table[i];
	}
	pthread_mutex_unlock(&table_lock);
	return g;
}

static int table_add(struct guest *g)
{
	int at = -ENOSPC;

	pthread_mutex_lock(&table_lock);
	for (int i = 0; i < VH_MAX_GUESTS; i++) {
		if (table[i] != NULL && strcmp(table[i]->path, g->path) == 0) {
			at = -EEXIST;
			break;
		}
		if (table[i] == NULL && at == -ENOSPC)
			at = i;
	}
	if (at >= 0)
		table[at] = g;
	pthread_mutex_unlock(&table_lock);
	return at < 0 ? at : 0;
}

static void table_del(const struct guest *g)
{
	pthread_mutex_lock(&table_lock);
	for (uint32_t i = 0; i < VH_MAX_GUESTS; i++) {
		if (table[i] == g)
			table[i] = NULL;
	}
	pthread_mutex_unlock(&table_lock);
}

// Highest enabled queue of each direction decides how many are polled and sent to. A vring's number
// is seen from the guest: even = it receives, odd = it transmits (VIRTIO 1.1, 5.1.2).
static void pairs_count(struct guest *g)
{
	uint32_t rx = 0, tx = 0;

	for (uint32_t i = 0; i < QUEUES; i++) {
		if (atomic_load(&g->enabled[2 * i + 1]))
			rx = i + 1;
		if (atomic_load(&g->enabled[2 * i]))
			tx = i + 1;
	}
	atomic_store(&g->rx_pairs, rx);
	atomic_store(&g->tx_pairs, tx);
	atomic_fetch_add(g->changed, 1);
}

// Rings that have been used are those of a guest that runs: a driver that starts begins at 0.
static bool is_resumed(int vid)
{
	uint16_t avail, used;

	return rte_vhost_get_vring_base(vid, 1, &avail, &used) == 0 && used != 0;
}

static int on_new_device(int vid)
{
	struct guest *g = guest_of(vid);
	uint64_t features = 0;
	uint32_t caps = 0, n_vrings = rte_vhost_get_vring_num(vid);

	if (g == NULL || rte_vhost_get_negotiated_features(vid, &features) < 0)
		return -1;
	if ((features & 1ull << VIRTIO_NET_F_GUEST_CSUM) != 0)
		caps |= DP_CAP_CSUM;
	if ((features & 1ull << VIRTIO_NET_F_GUEST_TSO4) != 0)
		caps |= DP_CAP_TSO4;
	if ((features & 1ull << VIRTIO_NET_F_GUEST_TSO6) != 0)
		caps |= DP_CAP_TSO6;
	if (n_vrings > 2 * QUEUES)
		weir_log_limited(&g->limit, WEIR_ERROR,
				 "port %s: guest has %u queue pairs, %u are served: give it fewer",
				 g->name, n_vrings / 2, QUEUES);
	// Workers poll: the guest need not kick.
	for (uint32_t i = 1; i < n_vrings && i < 2 * QUEUES; i += 2)
		rte_vhost_enable_guest_notification(vid, (uint16_t)i, 0);
	atomic_store(&g->caps, caps);
	atomic_store(&g->resumed, is_resumed(vid));
	atomic_store_explicit(&g->vid, vid, memory_order_release);
	pairs_count(g);
	weir_log_limited(&g->limit, WEIR_NOTICE, "port %s: guest driver started (%u queue pair%s)",
			 g->name, n_vrings / 2, n_vrings == 2 ? "" : "s");
	return 0;
}

// The library frees the rings when this returns, so no worker may be inside them: wait for a grace
// period.
static void on_destroy_device(int vid)
{
	struct guest *g = guest_of(vid);
	const struct timespec nap = { .tv_nsec = 20000 };
	uint64_t token;

	if (g == NULL)
		return;
	atomic_store_explicit(&g->vid, -1, memory_order_release);
	token = weir_rcu_start(g->rcu);
	while (!weir_rcu_done(g->rcu, token))
		nanosleep(&nap, NULL);
	for (uint32_t i = 0; i < 2 * QUEUES; i++)
		atomic_store(&g->enabled[i], false);
	pairs_count(g);
	weir_log_limited(&g->limit, WEIR_NOTICE, "port %s: guest driver stopped", g->name);
}

// May run under a queue lock that an enqueueing worker waits for: set the flag and return.
static int on_vring_state(int vid, uint16_t vring, int enable)
{
	struct guest *g = guest_of(vid);

	if (g == NULL || vring >= 2 * QUEUES)
		return 0;
	atomic_store(&g->enabled[vring], enable != 0);
	pairs_count(g);
	return 0;
}

// A front-end is there when it has said something: the kernel accepts for a QEMU that is ending,
// and the library calls anew at once when one has hung up.
static enum rte_vhost_msg_result on_message(int vid, void *msg)
{
	struct guest *g = guest_of(vid);

	(void)msg;
	if (g != NULL && !atomic_exchange(&g->attached, true)) {
		atomic_fetch_add(&g->n_attaches, 1);
		weir_log_limited(&g->limit, WEIR_NOTICE, "port %s: QEMU attached", g->name);
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops on_messages = { .pre_msg_handle = on_message };

static int on_new_connection(int vid)
{
	return guest_of(vid) == NULL ? -1
				     : rte_vhost_extern_callback_register(vid, &on_messages, NULL);
}

static void on_destroy_connection(int vid)
{
	struct guest *g = guest_of(vid);

	if (g != NULL && atomic_exchange(&g->attached, false))
		weir_log_limited(&g->limit, WEIR_NOTICE, "port %s: QEMU detached", g->name);
}

static const struct rte_vhost_device_ops ops = {
	.new_device = on_new_device,
	.destroy_device = on_destroy_device,
	.vring_state_changed = on_vring_state,
	.new_connection = on_new_connection,
	.destroy_connection = on_destroy_connection,
};

static int path_check(const struct dp_link_params *p, struct weir_err *err)
{
	struct stat st;

	if (p->args[0] != '/')
		return weir_err_set(err, -EINVAL, "port %s: socket %s: must be an absolute path",
				    p->name, p->args);
	if (strlen(p->args) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return weir_err_set(err, -ENAMETOOLONG,
				    "port %s: socket %s: path is longer than %zu bytes", p->name,
				    p->args, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (lstat(p->args, &st) == 0 && !S_ISSOCK(st.st_mode))
		return weir_err_set(
			err, -EEXIST,
			"port %s: socket %s: there is a file of that name which is no socket",
			p->name, p->args);
	return 0;
}

static int vh_register(struct guest *g, const struct dp_link_params *p, struct weir_err *err)
{
	const uint64_t never = 1ull << VIRTIO_NET_F_HOST_UFO | 1ull << VIRTIO_NET_F_GUEST_UFO |
			       1ull << VIRTIO_NET_F_HOST_ECN | 1ull << VIRTIO_NET_F_GUEST_ECN |
			       1ull << 34 /* RING_PACKED */;
	int rc = rte_vhost_driver_register(g->path, RTE_VHOST_USER_CLIENT |
							    RTE_VHOST_USER_NET_COMPLIANT_OL_FLAGS);

	if (rc < 0)
		return weir_err_set(
			err, -EBUSY,
			"port %s: socket %s: taken by another port, or no room for more guests",
			p->name, p->args);
	if (rte_vhost_driver_disable_features(g->path, never) < 0 ||
	    rte_vhost_driver_callback_register(g->path, &ops) < 0 ||
	    rte_vhost_driver_start(g->path) < 0) {
		rte_vhost_driver_unregister(g->path);
		return weir_err_set(err, -EIO, "port %s: socket %s: cannot be watched", p->name,
				    p->args);
	}
	return 0;
}

static int vh_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct guest *g;
	int rc = path_check(p, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return weir_err_set(err, -ENOMEM, "port %s: out of memory", p->name);
	atomic_store(&g->vid, -1);
	g->pool = p->pool;
	g->rcu = p->rcu;
	g->changed = p->changed;
	memcpy(g->name, p->name, sizeof(g->name));
	memcpy(g->path, p->args, sizeof(g->path));
	rc = table_add(g);
	if (rc == -EEXIST)
		weir_err_set(
			err, rc,
			"port %s: socket %s: is another port's, or is just being closed: try again",
			p->name, p->args);
	else if (rc < 0)
		weir_err_set(err, rc, "port %s: more than %u guests", p->name, VH_MAX_GUESTS);
	if (rc == 0 && (rc = vh_register(g, p, err)) < 0)
		table_del(g);
	if (rc < 0) {
		free(g);
		return rc;
	}
	*out = g;
	return 0;
}

// One guest on its way out.
struct leaving {
	struct guest *g;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done, left_alone; // whoever comes second frees this
};

static void leaving_free(struct leaving *l)
{
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void *leave(void *arg)
{
	struct leaving *l = arg;
	bool mine;

	rte_vhost_driver_unregister(
		l->g->path); // calls on_destroy_device when somebody is connected
	table_del(l->g);
	free(l->g);
	pthread_mutex_lock(&l->lock);
	l->done = true;
	mine = l->left_alone;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	if (mine)
		leaving_free(l);
	return NULL;
}

// The library waits in unregister for its one event thread, and that thread waits for a front-end
// that began a message and does not end it. So a thread of its own does it, and main looks on for a
// second and no longer.
static void vh_destroy(void *link)
{
	struct guest *g = link;
	struct leaving *l = calloc(1, sizeof(*l));
	struct timespec until;
	pthread_t thread;
	bool done;

	if (l == NULL)
		return; // better a port too many than a main thread that hangs
	l->g = g;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	if (pthread_create(&thread, NULL, leave, l) != 0) {
		leaving_free(l);
		return;
	}
	pthread_detach(thread);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	pthread_mutex_lock(&l->lock);
	while (!l->done && pthread_cond_timedwait(&l->changed, &l->lock, &until) == 0)
		;
	done = l->done;
	l->left_alone = !done;
	pthread_mutex_unlock(&l->lock);
	if (done)
		leaving_free(l);
	else
		weir_log(
			WEIR_ERROR,
			"a guest's socket does not close: some QEMU began a vhost-user message and "
			"does not end it; it holds up the start and stop of other guests' drivers");
}

static uint32_t vh_flags(void *link)
{
	(void)link;
	return DP_DRV_TX_COPIES;
}

// What the guest left to be done. Its header is a hint: the packet is parsed by us before anything
// is done.
static void offload_read(struct rte_mbuf *m)
{
	struct dp_meta *meta = dp_meta(m);

	meta->flags = 0;
	meta->tso_segsz = 0;
	if (likely((m->ol_flags & (RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_MASK)) == 0))
		return;
	if ((m->ol_flags & RTE_MBUF_F_RX_LRO) != 0) {
		meta->flags = DP_MF_TSO | DP_MF_CSUM;
		meta->tso_segsz = m->tso_segsz;
	} else if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE) {
		meta->flags = DP_MF_CSUM;
	}
	m->ol_flags &= OWNERSHIP;
}

static uint16_t vh_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct guest *g = link;
	int vid = atomic_load_explicit(&g->vid, memory_order_acquire);
	uint16_t n_rx;

	if (vid < 0 || !atomic_load_explicit(&g->enabled[2 * q + 1], memory_order_relaxed))
		return 0;
	n_rx = rte_vhost_dequeue_burst(vid, (uint16_t)(2 * q + 1), g->pool, pkts, n);
	for (uint16_t i = 0; i < n_rx; i++)
		offload_read(pkts[i]);
	return n_rx;
}

static void offload_write(struct rte_mbuf *m)
{
	const struct dp_meta *meta = dp_meta(m);
	bool v4 = (meta->p.flags & DP_PF_IP4) != 0, tcp = meta->p.ip_proto == 6;

	m->ol_flags &= OWNERSHIP;
	if (likely((meta->flags & (DP_MF_CSUM | DP_MF_TSO)) == 0) || meta->p.l4_off == 0)
		return;
	m->l2_len = meta->p.l3_off;
	m->l3_len = (uint64_t)(meta->p.l4_off - meta->p.l3_off) & 0x1ff;
	m->ol_flags |= v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	m->ol_flags |= tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if ((meta->flags & DP_MF_TSO) != 0) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->l4_len =
			(uint8_t)((rte_pktmbuf_mtod(m, const uint8_t *)[meta->p.l4_off + 12] >> 4) *
				  4);
		m->tso_segsz = meta->tso_segsz;
	}
}

// A flow stays on one queue, so it stays in order.
static uint16_t queue_of(const struct rte_mbuf *m, uint32_t n_pairs)
{
	if (n_pairs <= 1)
		return 0;
	return (uint16_t)(dp_flow_hash(rte_pktmbuf_mtod(m, const uint8_t *), &dp_meta_const(m)->p) %
			  n_pairs);
}

static uint16_t vh_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	struct guest *g = link;
	int vid = atomic_load_explicit(&g->vid, memory_order_acquire);
	uint32_t n_pairs = atomic_load_explicit(&g->tx_pairs, memory_order_relaxed);
	uint16_t done = 0;

	if (vid < 0)
		return 0;
	for (uint16_t i = 0; i < n; i++)
		offload_write(pkts[i]);
	// Runs of packets for one queue; a run that is not taken whole ends the call.
	while (done < n) {
		uint16_t q = queue_of(pkts[done], n_pairs), len = 1, took;

		while (done + len < n && queue_of(pkts[done + len], n_pairs) == q)
			len++;
		took = rte_vhost_enqueue_burst(vid, (uint16_t)(2 * q), pkts + done, len);
		rte_pktmbuf_free_bulk(pkts + done, took);
		done = (uint16_t)(done + took);
		if (took < len)
			break;
	}
	return done;
}

static uint32_t vh_caps(void *link)
{
	return atomic_load_explicit(&((struct guest *)link)->caps, memory_order_relaxed);
}

// Up when it can receive: connected, and its first receive queue enabled.
static bool vh_is_up(void *link)
{
	const struct guest *g = link;

	return atomic_load_explicit(&g->vid, memory_order_relaxed) >= 0 &&
	       atomic_load_explicit(&g->enabled[0], memory_order_relaxed);
}

static void vh_status(void *link, struct dp_link_status *out)
{
	struct guest *g = link;
	bool attached = atomic_load(&g->attached), driver = atomic_load(&g->vid) >= 0;

	memset(out, 0, sizeof(*out));
	out->up = vh_is_up(link);
	out->n_rxq = (uint16_t)atomic_load(&g->rx_pairs);
	out->n_txq = (uint16_t)atomic_load(&g->tx_pairs);
	out->caps = atomic_load(&g->caps);
	out->attached = attached;
	out->n_attaches = atomic_load(&g->n_attaches);
	out->resumed = driver && atomic_load(&g->resumed);
	snprintf(out->detail, sizeof(out->detail), "vhost-user, %s, %u queue pair%s",
		 !attached ? "waiting for QEMU"
		 : driver  ? "guest driver runs"
			   : "guest driver not started",
		 out->n_rxq, out->n_rxq == 1 ? "" : "s");
}

static void vh_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

const struct dp_link_driver vh_driver = {
	.name = "vhost-user",
	.create = vh_create,
	.destroy = vh_destroy,
	.flags = vh_flags,
	.rx_burst = vh_rx,
	.tx_burst = vh_tx,
	.tx_caps = vh_caps,
	.is_up = vh_is_up,
	.status = vh_status,
	.stats = vh_stats,
};
