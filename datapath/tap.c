#include "dp_tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <pcap/pcap.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "switch_priv.h"

#define TAP_RECORDS 4096

struct dp_tap {
	enum dp_tap_kind kind;
	uint16_t port;
	struct bpf_insn *
		filter; // classic BPF: jumps go forward only, so it always ends; NULL = every frame
	struct rte_ring *ring;	  // workers: produce, main: consume
	_Atomic uint64_t lost;	  // workers: w, main: r, relaxed
	_Atomic uint32_t next_id; // workers, relaxed
};

static void tap_free(struct dp_switch *sw, void *obj)
{
	struct dp_tap *t = obj;

	(void)sw;
	rte_free(t->filter);
	rte_ring_free(t->ring);
	rte_free(t);
}

// libpcap checks the program as the kernel would: known instructions, jumps and memory within
// bounds, an end.
static int filter_load(struct dp_tap *t, const struct bpf_program *filter, struct weir_err *err)
{
	if (filter->bf_len == 0 || !bpf_validate(filter->bf_insns, (int)filter->bf_len))
		return weir_err_set(err, -EINVAL, "filter: is not a valid classic BPF program");
	t->filter = rte_malloc("tap", filter->bf_len * sizeof(*t->filter), RTE_CACHE_LINE_SIZE);
	if (t->filter == NULL)
		return weir_err_set(err, -ENOMEM, "filter: out of memory");
	memcpy(t->filter, filter->bf_insns, filter->bf_len * sizeof(*t->filter));
	return 0;
}

// Publish the same root with another tap.
static int root_with(struct dp_switch *sw, struct dp_tap *t)
{
	struct dp_snapshot *s;
	int rc = dp_snapshot_again(sw, &s);

	if (rc < 0)
		return rc;
	s->tap = t;
	dp_publish(sw, s);
	return 0;
}

int dp_tap_start(struct dp_switch *sw, enum dp_tap_kind kind, uint16_t port,
		 const struct bpf_program *filter, struct weir_err *err)
{
	static uint32_t serial;
	char name[RTE_RING_NAMESIZE];
	struct dp_tap *t;
	int rc = 0;

	if (dp_root(sw)->tap != NULL)
		return weir_err_set(err, -EBUSY, "another capture or trace is running");
	t = rte_zmalloc("tap", sizeof(*t), RTE_CACHE_LINE_SIZE);
	if (t == NULL)
		return weir_err_set(err, -ENOMEM, "capture: out of memory");
	t->kind = kind;
	t->port = port;
	snprintf(name, sizeof(name), "wtap%u", serial++);
	t->ring = rte_ring_create_elem(name, sizeof(struct dp_tap_record), TAP_RECORDS,
				       SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (t->ring == NULL)
		rc = weir_err_set(err, -ENOMEM, "capture: out of memory for its buffer");
	if (rc == 0 && filter != NULL)
		rc = filter_load(t, filter, err);
	if (rc == 0 && (rc = root_with(sw, t)) < 0)
		weir_err_set(err, rc, "capture: out of memory");
	if (rc < 0)
		tap_free(sw, t);
	return rc;
}

void dp_tap_stop(struct dp_switch *sw)
{
	struct dp_tap *t = dp_root(sw)->tap;

	if (t == NULL || root_with(sw, NULL) < 0)
		return;
	dp_retire(sw, tap_free, t);
}

uint32_t dp_tap_read(struct dp_switch *sw, struct dp_tap_record *out, uint32_t n)
{
	struct dp_tap *t = dp_root(sw)->tap;

	if (t == NULL)
		return 0;
	return rte_ring_sc_dequeue_burst_elem(t->ring, out, sizeof(*out), n, NULL);
}

uint64_t dp_tap_lost(const struct dp_switch *sw)
{
	const struct dp_tap *t = dp_root(sw)->tap;

	return t == NULL ? 0 : atomic_load_explicit(&t->lost, memory_order_relaxed);
}

static void record(struct dp_worker *w, const struct rte_mbuf *m, struct dp_tap_record *r)
{
	struct dp_tap *t = w->snap->tap;
	const struct dp_meta *meta = dp_meta_const(m);
	const void *src;

	r->ns = w->now_ns;
	r->wire_size = rte_pktmbuf_pkt_len(m);
	r->size = (uint16_t)(r->wire_size < sizeof(r->data) ? r->wire_size : sizeof(r->data));
	r->cls = meta->cls;
	r->vid = meta->vid;
	src = rte_pktmbuf_read(m, 0, r->size, r->data);
	if (src != r->data)
		memcpy(r->data, src, r->size);
	if (rte_ring_mp_enqueue_elem(t->ring, r, sizeof(*r)) != 0)
		atomic_fetch_add_explicit(&t->lost, 1, memory_order_relaxed);
}

static bool wanted(const struct dp_tap *t, const struct rte_mbuf *m)
{
	return t->filter == NULL || bpf_filter(t->filter, dp_data(m), rte_pktmbuf_pkt_len(m),
					       rte_pktmbuf_data_len(m)) != 0;
}

void dp_tap_rx(struct dp_worker *w, const struct dp_batch *b)
{
	struct dp_tap *t = w->snap->tap;

	if (t->port != b->v->port->idx)
		return;
	for (uint32_t i = 0; i < b->n_runs; i++) {
		struct rte_mbuf *m = dp_head(b, &b->runs[i]);
		struct dp_tap_record r;

		if (!wanted(t, m))
			continue;
		memset(&r, 0, offsetof(struct dp_tap_record, data));
		r.port = b->v->port->idx;
		if (t->kind == DP_TAP_TRACE) {
			dp_meta(m)->flags |= DP_MF_TRACE;
			dp_meta(m)->trace_id =
				atomic_fetch_add_explicit(&t->next_id, 1, memory_order_relaxed);
			r.id = dp_meta(m)->trace_id;
			r.stage = DP_STAGE_rx;
		}
		record(w, m, &r);
	}
}

void dp_tap_tx(struct dp_worker *w, const struct dp_port *p, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_tap *t = w->snap->tap;

	for (uint16_t i = 0; i < n; i++) {
		struct dp_tap_record r;

		// Once: a frame that the link does not take comes by again.
		if ((dp_meta(pkts[i])->flags & DP_MF_TAPPED) != 0)
			continue;
		dp_meta(pkts[i])->flags |= DP_MF_TAPPED;
		if (t->kind == DP_TAP_TRACE ? (dp_meta(pkts[i])->flags & DP_MF_TRACE) == 0
					    : t->port != p->idx || !wanted(t, pkts[i]))
			continue;
		memset(&r, 0, offsetof(struct dp_tap_record, data));
		r.port = p->idx;
		r.id = dp_meta(pkts[i])->trace_id;
		r.stage = DP_STAGE_tx;
		r.out = true;
		record(w, pkts[i], &r);
	}
}

void dp_tap_hop(struct dp_worker *w, const struct rte_mbuf *m, enum dp_stage stage,
		enum dp_drop reason)
{
	const struct dp_meta *meta = dp_meta_const(m);
	struct dp_tap_record r;

	if (w->snap->tap == NULL)
		return; // the trace ended while the packet was queued
	memset(&r, 0, offsetof(struct dp_tap_record, data));
	r.port = stage >= DP_STAGE_act ? meta->out_port : meta->in_port;
	r.id = meta->trace_id;
	r.stage = (uint8_t)stage;
	r.drop = (uint8_t)reason;
	record(w, m, &r);
}
