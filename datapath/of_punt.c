// Between workers and the agent: packet-ins by a ring per worker, packet-outs back.
//
// A packet-in is a copy in a buffer of a pool of its own, so that what waits for main holds none of
// the datapath's. Each port has a rate of them at each worker that polls it. A packet-out is a slot
// with the operations by value and an mbuf, main's until it is in a worker's ring; the worker gives
// the slot back by another ring.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "of_priv.h"
#include "weir_rcu.h"

enum {
	OUTS_TURN = 32, // packet-outs in one turn
	POOL_SPARE = 512,
	FRAME_MIN = 14,
};

static struct rte_ring *ring_make(const char *what, uint32_t id, uint32_t len, uint32_t elem_size)
{
	static uint32_t serial;
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "wof%s%u_%u", what, serial++, id);
	return rte_ring_create_elem(name, elem_size, len, SOCKET_ID_ANY,
				    RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int dp_of_punts_create(struct dp_of *of, struct weir_err *err)
{
	uint32_t n = of->params.n_packet_ins * of->sw->n_workers + POOL_SPARE;
	static uint32_t serial;
	char name[32];

	snprintf(name, sizeof(name), "weir_of%u", serial++);
	of->punt_pool = rte_pktmbuf_pool_create(name, n, 0, DP_PRIV_BYTES,
						RTE_PKTMBUF_HEADROOM + DP_MBUF_ROOM, SOCKET_ID_ANY);
	of->outs = rte_zmalloc("of_outs", DP_OF_OUTS * sizeof(*of->outs), RTE_CACHE_LINE_SIZE);
	of->punt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (of->punt_pool == NULL || of->outs == NULL || of->punt_fd < 0)
		return weir_err_set(err, -ENOMEM, "OpenFlow: buffers for %u packet-ins: %s", n,
				    rte_strerror(rte_errno));
	for (uint32_t i = 0; i < DP_OF_OUTS; i++)
		of->free_outs[of->n_free_outs++] = (uint16_t)i;
	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		struct dp_of_pw *pw = of->pw[i];

		pw->punts = ring_make("pi", i, of->params.n_packet_ins, sizeof(struct dp_of_punt));
		pw->outs = ring_make("po", i, DP_OF_OUTS * 2, sizeof(uint32_t));
		pw->outs_done = ring_make("pd", i, DP_OF_OUTS * 2, sizeof(uint32_t));
		if (pw->punts == NULL || pw->outs == NULL || pw->outs_done == NULL)
			return weir_err_set(err, -ENOMEM, "OpenFlow: out of memory for rings");
	}
	return 0;
}

void dp_of_punts_destroy(struct dp_of *of)
{
	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		struct dp_of_pw *pw = of->pw[i];
		struct dp_of_punt p;
		uint32_t out;

		while (pw != NULL && pw->punts != NULL &&
		       rte_ring_sc_dequeue_elem(pw->punts, &p, sizeof(p)) == 0)
			rte_pktmbuf_free(p.m);
		while (pw != NULL && pw->outs != NULL &&
		       rte_ring_sc_dequeue_elem(pw->outs, &out, sizeof(out)) == 0)
			rte_pktmbuf_free(of->outs[out].m);
		if (pw == NULL)
			continue;
		rte_ring_free(pw->punts);
		rte_ring_free(pw->outs);
		rte_ring_free(pw->outs_done);
	}
	rte_free(of->outs);
	rte_mempool_free(of->punt_pool);
	if (of->punt_fd >= 0)
		close(of->punt_fd);
}

// --- Packet-ins: the worker's side

static bool rate_takes(struct dp_of_ctx *c, struct dp_of_pw *pw)
{
	uint64_t limit = atomic_load_explicit(&c->of->punt_limit, memory_order_relaxed);
	const struct dp_port *in = c->in->port;
	struct dp_of_port_pw *port = &pw->ports[in->idx];

	if (port->gen != in->gen || port->limit != limit) {
		port->gen = in->gen;
		port->limit = limit;
		qos_bucket_init(&port->packet_in, (uint32_t)(limit >> 32), (uint32_t)limit,
				c->w->now_ns);
	}
	return qos_bucket_take(&port->packet_in, c->w->now_ns) == 0;
}

static bool punt(struct dp_of_ctx *c, struct dp_of_pw *pw, enum dp_of_reason reason,
		 uint16_t max_len)
{
	uint32_t size = rte_pktmbuf_pkt_len(c->m);
	uint32_t n = RTE_MIN(size, (uint32_t)max_len);
	// Section 7.4.1: no cookie of what a bucket or the action set sends.
	bool has_rule = c->flow != NULL && !c->is_shared;
	struct dp_of_punt p = {
		.ns = c->w->now_ns,
		.metadata = c->metadata,
		.tunnel_id = c->tunnel_id,
		.flow = has_rule ? c->flow->rule.idx : UINT32_MAX,
		.serial = has_rule ? c->flow->serial : 0,
		.in_port = c->in_port,
		.size = (uint16_t)RTE_MIN(size, (uint32_t)UINT16_MAX),
		.max_len = max_len,
		.table = c->table,
		.reason = (uint8_t)reason,
	};

	if (rte_ring_full(pw->punts)) {
		dp_of_add(&pw->n_full, 1);
		return false;
	}
	// An empty mbuf is none to rte_pktmbuf_copy.
	p.m = rte_pktmbuf_copy(c->m, c->of->punt_pool, 0, RTE_MAX(n, 1u));
	if (p.m == NULL) {
		dp_of_add(&pw->n_no_mbuf, 1);
		return false;
	}
	// Who sends it back has no network card to leave its checksum to.
	if (unlikely((dp_meta(c->m)->flags & (DP_MF_CSUM | DP_MF_TSO)) != 0)) {
		*dp_meta(p.m) = *dp_meta(c->m);
		(void)dp_csum_finish(p.m);
	}
	(void)rte_ring_sp_enqueue_elem(pw->punts, &p, sizeof(p));
	pw->punted = true;
	dp_of_add(&pw->n_sent, 1);
	return true;
}

bool dp_of_tell(struct dp_of_ctx *c, enum dp_of_reason reason, uint16_t max_len)
{
	struct dp_of_pw *pw = c->of->pw[c->w->id];

	// Section 7.2.1: no packet-in for what misses there.
	if (reason == DP_OF_NO_MATCH &&
	    (dp_of_config_of(c->of, c->in_port) & DP_OFPPC_NO_PACKET_IN) != 0)
		return false;
	if (!rate_takes(c, pw) || !dp_meters_pass(c->of->meters, c->w, DP_OFPM_SLOWPATH, c->m) ||
	    !dp_meters_pass(c->of->meters, c->w, DP_OFPM_CONTROLLER, c->m)) {
		dp_of_add(&pw->n_over_rate, 1);
		return false;
	}
	return punt(c, pw, reason, max_len);
}

// Once per turn in which some may wait. What main does not see now, this sees in a later turn: so
// neither needs a fence.
void dp_of_kick(struct dp_of *of, struct dp_of_pw *pw)
{
	if (rte_ring_empty(pw->punts)) {
		pw->punted = false;
		return;
	}
	if (atomic_load_explicit(&of->punt_kicked, memory_order_acquire))
		return;
	atomic_store_explicit(&of->punt_kicked, true, memory_order_release);
	eventfd_write(of->punt_fd, 1);
}

// --- and main's

int dp_of_fd(const struct dp_of *of)
{
	return of->punt_fd;
}

static void punt_tell(struct dp_of *of, const struct dp_of_punt *p, struct dp_of_packet_in *out)
{
	struct dp_of_flow *f = p->flow == UINT32_MAX ? NULL : &of->flows[p->flow];

	if (f != NULL && (f->serial != p->serial || f->ended || f->let_go))
		f = NULL;
	*out = (struct dp_of_packet_in){ .ns = p->ns,
					 .flow = f,
					 .metadata = p->metadata,
					 .tunnel_id = p->tunnel_id,
					 .in_port = p->in_port,
					 .size = p->size,
					 .max_len = p->max_len,
					 .table = p->table,
					 .reason = p->reason,
					 .m = p->m };
}

// Round the workers, so that one's flood does not hide another's.
uint32_t dp_of_packet_ins(struct dp_of *of, struct dp_of_packet_in *out, uint32_t n)
{
	uint32_t n_out = 0;
	eventfd_t kicks;

	(void)eventfd_read(of->punt_fd, &kicks);
	atomic_store_explicit(&of->punt_kicked, false, memory_order_seq_cst);
	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		uint32_t share = (n - n_out) / (of->sw->n_workers - i);
		struct dp_of_punt p;

		for (uint32_t k = 0; k < share; k++) {
			if (rte_ring_sc_dequeue_elem(of->pw[i]->punts, &p, sizeof(p)) != 0)
				break;
			punt_tell(of, &p, &out[n_out++]);
		}
	}
	return n_out;
}

void dp_of_packet_in_free(struct dp_of_packet_in *p)
{
	rte_pktmbuf_free(p->m);
	p->m = NULL;
}

void dp_of_punt_count(const struct dp_of *of, struct dp_of_punt_count *out)
{
	*out = (struct dp_of_punt_count){ .n_sent = 0 };
	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		const struct dp_of_pw *pw = of->pw[i];

		out->n_sent += atomic_load_explicit(&pw->n_sent, memory_order_relaxed);
		out->n_over_rate += atomic_load_explicit(&pw->n_over_rate, memory_order_relaxed);
		out->n_full += atomic_load_explicit(&pw->n_full, memory_order_relaxed);
		out->n_no_mbuf += atomic_load_explicit(&pw->n_no_mbuf, memory_order_relaxed);
	}
}

// --- Packet-outs: main's side

static void outs_take_back(struct dp_of *of)
{
	uint32_t out;

	for (uint32_t i = 0; i < of->sw->n_workers; i++) {
		while (rte_ring_sc_dequeue_elem(of->pw[i]->outs_done, &out, sizeof(out)) == 0)
			of->free_outs[of->n_free_outs++] = (uint16_t)out;
	}
}

// A frame in as many buffers as it takes.
static struct rte_mbuf *mbuf_of(struct dp_switch *sw, const uint8_t *frame, size_t size)
{
	struct rte_mbuf *m = NULL;

	for (size_t at = 0; at < size;) {
		size_t room = RTE_MIN(size - at, (size_t)DP_MBUF_ROOM);
		struct rte_mbuf *s = rte_pktmbuf_alloc(sw->pool);

		if (s == NULL || (m != NULL && rte_pktmbuf_chain(m, s) < 0)) {
			rte_pktmbuf_free(s);
			rte_pktmbuf_free(m);
			return NULL;
		}
		if (m == NULL)
			m = s;
		memcpy(rte_pktmbuf_append(m, (uint16_t)room), frame + at, room);
		at += room;
	}
	return m;
}

static uint32_t worker_for(const struct dp_of *of, uint32_t in_port)
{
	const struct dp_view *v = dp_of_view(dp_root(of->sw), in_port);

	return v == NULL ? 0 : v->port->owner;
}

int dp_of_packet_out(struct dp_of *of, uint32_t in_port, const uint8_t *ops, size_t ops_size,
		     const uint8_t *frame, size_t size)
{
	struct dp_of_pw *pw = of->pw[worker_for(of, in_port)];
	struct dp_of_out *o;
	uint32_t out;

	if (size < FRAME_MIN || ops_size > DP_FLOW_PROG_MAX || !dp_of_ops_fit(ops, ops_size))
		return -EINVAL;
	if (size > DP_FRAME_MAX)
		return -EMSGSIZE;
	outs_take_back(of);
	if (of->n_free_outs == 0)
		return -EAGAIN;
	out = of->free_outs[of->n_free_outs - 1];
	o = &of->outs[out];
	o->m = mbuf_of(of->sw, frame, size);
	if (o->m == NULL)
		return -EAGAIN;
	o->in_port = in_port;
	o->n_ops = (uint32_t)ops_size;
	memcpy(o->ops, ops, ops_size);
	of->n_free_outs--;
	pw->n_outs_put++;
	(void)rte_ring_sp_enqueue_elem(pw->outs, &out, sizeof(out)); // it has room for all slots
	return 0;
}

// --- and the worker's

// The port that counts a frame of the controller's own: the host's, or any.
static const struct dp_view *home_of(const struct dp_snapshot *s, uint32_t in_port)
{
	const struct dp_view *v = dp_of_view(s, in_port);

	if (v == NULL)
		v = s->views[s->of_local];
	for (uint32_t i = 0; v == NULL && i < DP_MAX_PORTS; i++)
		v = s->views[i];
	return v;
}

static void frame_describe(struct dp_worker *w, struct rte_mbuf *m, const struct dp_view *in)
{
	struct dp_meta *meta = dp_meta(m);
	bool strip;

	memset(meta, 0, sizeof(*meta));
	dp_parse(dp_data(m), rte_pktmbuf_data_len(m), rte_pktmbuf_pkt_len(m), &meta->p);
	meta->in_port = in->port->idx;
	meta->cls = in->cfg.default_class;
	meta->vm_idx = in->vm == NULL ? 0 : in->vm->idx;
	if (dp_admit_vlan(&in->cfg, meta, &strip) != DP_DROP_none)
		meta->vid = in->cfg.vid;
	dp_mark_look(w->snap->services, meta);
}

// A frame of the controller's own came in by no port: NORMAL may send it by each, uplinks and the
// port at which it is counted too, and a guest's limits do not hold for it. A service's address it
// may not take, as no guest may. own = where the view is put
static const struct dp_view *home_of_own(const struct dp_view *home, struct dp_view *own)
{
	*own = *home;
	if (own->cfg.role == DP_ROLE_UPLINK)
		own->cfg.role = DP_ROLE_GUEST;
	own->cfg.flags &= ~(uint32_t)(DP_PF_ADMIT | DP_PF_ISOLATED);
	return own;
}

static void send_out(struct dp_worker *w, struct dp_of *of, struct dp_of_out *o)
{
	const struct dp_view *in = home_of(w->snap, o->in_port);
	struct dp_of_ctx c;
	struct dp_view own;

	if (in == NULL) { // no port at all: nothing was generated
		rte_pktmbuf_free(o->m);
		return;
	}
	if (dp_of_view(w->snap, o->in_port) == NULL)
		in = home_of_own(in, &own);
	memset(&c, 0, offsetof(struct dp_of_ctx, set));
	frame_describe(w, o->m, in);
	dp_pw(w, in->port)->c[DP_PC_generated_pkts]++;
	c.w = w;
	c.of = of;
	c.in = in;
	c.m = o->m;
	c.version = atomic_load_explicit(&of->version, memory_order_acquire);
	c.in_port = o->in_port;
	c.budget = w->snap->n_ports + DP_OF_SPARE_OUTPUTS;
	c.work = DP_OF_WORK;
	c.why = DP_DROP_of_no_action;
	c.cls = dp_meta(o->m)->cls;
	c.is_edited = true; // NORMAL finds its VLAN
	c.set.kinds = 0;
	c.set.fields = 0;
	dp_of_exec_list(&c, o->ops, o->n_ops);
}

uint32_t dp_of_take_outs(struct dp_worker *w, struct dp_of *of)
{
	struct dp_of_pw *pw = of->pw[w->id];
	uint32_t n = 0, out;

	while (n < OUTS_TURN && rte_ring_sc_dequeue_elem(pw->outs, &out, sizeof(out)) == 0) {
		send_out(w, of, &of->outs[out]);
		(void)rte_ring_sp_enqueue_elem(pw->outs_done, &out, sizeof(out));
		n++;
	}
	if (n > 0)
		atomic_store_explicit(&pw->n_outs_done,
				      atomic_load_explicit(&pw->n_outs_done, memory_order_relaxed) +
					      n,
				      memory_order_release);
	return n;
}
