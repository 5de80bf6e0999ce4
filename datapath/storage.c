// The storage hop, between classify and forward: follows the flows of portals and hears what they
// say, so that it is known who waits for what, and which portals servers teach.
//
// Only frames whose class came from a portal meet it (classify counts them); a frame of a port
// without storage does not. Frames of a run have one flow, found once, and are each a segment of
// their own: what a run shares does not include the sequence number.
//
// thread  worker
#include <string.h>

#include "storage_priv.h"

enum {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	P_TCP = 6,
	P_UDP = 17,
	IDLE_S = 300,	  // longer than keep-alives and NOPs of what is followed
	AGE_NS = 2000000, // between two looks at AGE_FLOWS
	AGE_FLOWS = 64,	  // all of them in 128 ms
	DATAGRAM = 512,	  // more of one is not looked at
	STORAGE_WHYS = 1 << QOS_WHY_PORTAL | 1 << QOS_WHY_STORAGE_SERVER | 1 << QOS_WHY_LEARNT |
		       1 << QOS_WHY_BOOTING,
};

// --- the table

// The words of an IPv4 address that say something come first.
static inline uint32_t key_hash(const struct dp_worker *w, const struct dp_flow_key *k)
{
	const uint8_t *x = (const uint8_t *)k;
	uint64_t h = dp_storage_mix(w->sw->storage->secret, dp_load64(x + 8));

	h = dp_storage_mix(dp_storage_mix(h, dp_load64(x + 24)), dp_load64(x + 32));
	if ((dp_load64(x) | dp_load64(x + 16)) != 0)
		h = dp_storage_mix(dp_storage_mix(h, dp_load64(x)), dp_load64(x + 16));
	return (uint32_t)h & (STORAGE_HEADS - 1);
}

static inline bool key_same(const struct dp_flow_key *a, const struct dp_flow_key *b)
{
	const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;

	return ((dp_load64(x) ^ dp_load64(y)) | (dp_load64(x + 8) ^ dp_load64(y + 8)) |
		(dp_load64(x + 16) ^ dp_load64(y + 16)) | (dp_load64(x + 24) ^ dp_load64(y + 24)) |
		(dp_load64(x + 32) ^ dp_load64(y + 32))) == 0;
}

static inline struct dp_flow *flow_find(const struct dp_worker *w, const struct dp_flow_key *k)
{
	struct dp_storage_pw *s = w->storage;

	for (uint32_t at = s->heads[key_hash(w, k)]; at != 0; at = s->next[at - 1]) {
		if (key_same(&s->flows[at - 1].key, k))
			return &s->flows[at - 1];
	}
	return NULL;
}

static uint16_t owner_of(const struct dp_view *v)
{
	return v->cfg.role == DP_ROLE_GUEST ? v->port->idx : (uint16_t)OWNER_TRUSTED;
}

// Who makes it: the guest that speaks to the portal, or to which the portal answers. A portal
// answers each SYN, so those count too.
static uint16_t flow_owner(const struct dp_follow *fo, const struct qos_portal_hit *hit)
{
	const struct dp_fdb_entry *e;
	const struct dp_view *out;

	if (hit->way == QOS_TO_PORTAL)
		return owner_of(fo->b->v);
	e = dp_fdb_lookup(fo->w->sw->fdb, dp_fdb_key(dp_meta(fo->m)->vid, dp_data(fo->m)));
	out = e == NULL ? NULL
			: fo->w->snap->views[DP_FDB_PORT(
				  atomic_load_explicit(&e->where, memory_order_acquire))];
	return out == NULL ? (uint16_t)OWNER_UNKNOWN : owner_of(out);
}

// A guest has at most half as many as are free: a third of the table alone, and however many do
// it, there is room for the next.
static struct dp_flow *flow_take(struct dp_follow *fo, const struct qos_portal_hit *hit)
{
	struct dp_storage_pw *s = fo->w->storage;
	uint16_t *head = &s->heads[key_hash(fo->w, fo->key)];
	uint16_t at = s->free_first, owner = flow_owner(fo, hit);

	if (at == 0 ||
	    (owner != OWNER_TRUSTED && s->of_port[owner] >= (DP_STORAGE_FLOWS - s->n_flows) / 2)) {
		dp_storage_count(&s->refused_full, 1);
		return NULL;
	}
	s->free_first = s->next[at - 1];
	s->next[at - 1] = *head;
	*head = at;
	s->of_port[owner]++;
	s->flows[at - 1].owner = owner;
	atomic_store_explicit(&s->n_flows, s->n_flows + 1, memory_order_relaxed);
	if (fo->w->storage_next_ns == UINT64_MAX)
		fo->w->storage_next_ns = fo->w->now_ns + AGE_NS;
	return &s->flows[at - 1];
}

static void flow_free(struct dp_worker *w, struct dp_flow *f)
{
	struct dp_storage_pw *s = w->storage;
	uint16_t idx = dp_flow_idx(w, f), *at = &s->heads[key_hash(w, &f->key)];

	while (*at != idx + 1)
		at = &s->next[*at - 1];
	*at = s->next[idx];
	s->next[idx] = s->free_first;
	s->free_first = (uint16_t)(idx + 1);
	s->of_port[f->owner]--;
	if (s->text_flow == idx)
		s->text_flow = DP_FLOW_NONE;
	f->flags = 0;
	s->freed = true;
	atomic_store_explicit(&s->n_flows, s->n_flows - 1, memory_order_relaxed);
}

static void flow_close(struct dp_worker *w, struct dp_flow *f, bool rst, bool idle)
{
	dp_storage_tell_close(w, f, rst, idle);
	flow_free(w, f);
}

void dp_storage_age(struct dp_worker *w)
{
	struct dp_storage_pw *s = w->storage;

	for (uint32_t i = 0; i < AGE_FLOWS; i++) {
		struct dp_flow *f = &s->flows[s->aged];

		s->aged = (uint16_t)((s->aged + 1) % DP_STORAGE_FLOWS);
		if ((f->flags & FLOW_USED) != 0 && (uint16_t)(w->now_s - f->heard_s) > IDLE_S)
			flow_close(w, f, false, true);
	}
	w->storage_next_ns = s->n_flows == 0 ? UINT64_MAX : w->now_ns + AGE_NS;
}

// --- what a flow says

static bool may_teach(const struct qos_portal_hit *hit)
{
	return hit->listed && (hit->service == QOS_SVC_RPCBIND ||
			       (hit->service == QOS_SVC_ISCSI && hit->way == QOS_FROM_PORTAL));
}

// Is the flow of interest? What comes from a portal is one's only if nobody else can have sent it,
// whatever table classify looked at.
static bool is_wanted(const struct dp_follow *fo, const struct qos_portal_hit *hit)
{
	if (hit->way == QOS_FROM_PORTAL && !dp_src_known(&fo->b->v->cfg, dp_meta(fo->m)))
		return false;
	return dp_storage_telemetry(fo->w) || (dp_storage_learning(fo->w) && may_teach(hit));
}

static bool key_hit(const struct dp_follow *fo, struct qos_portal_hit *hit)
{
	const struct qos_portals *table = dp_portals(fo->w->snap);
	const struct dp_flow_key *k = fo->key;

	return table != NULL &&
	       qos_portals_match(table, &k->src, k->sport, &k->dst, k->dport, k->proto, hit);
}

static uint32_t storage_serial(const struct dp_worker *w)
{
	return atomic_load_explicit(&w->snap->storage_serial, memory_order_acquire);
}

static struct dp_flow *flow_open(struct dp_follow *fo)
{
	uint32_t serial = storage_serial(fo->w);
	struct qos_portal_hit hit;
	struct dp_flow *f;

	if (!key_hit(fo, &hit) || !is_wanted(fo, &hit))
		return NULL;
	f = flow_take(fo, &hit);
	if (f == NULL)
		return NULL;
	f->key = *fo->key;
	f->vm_idx = dp_meta(fo->m)->vm_idx;
	f->how = hit.how;
	f->serial = serial;
	f->heard_s = (uint16_t)fo->w->now_s;
	qos_stream_init(&f->stream, (enum qos_service)hit.service, (enum qos_way)hit.way);
	f->flags = FLOW_USED;
	if (hit.listed)
		f->flags |= FLOW_LISTED;
	if (qos_stream_reads((enum qos_service)hit.service))
		f->flags |= FLOW_READS;
	dp_storage_count(&fo->w->storage->opened, 1);
	return f;
}

// The configuration has changed since the flow was last seen; classify had to ask the rules.
static void flow_confirm(struct dp_follow *fo)
{
	uint32_t serial = storage_serial(fo->w);
	struct qos_portal_hit hit;

	if (fo->f->serial == serial || !key_hit(fo, &hit) || !is_wanted(fo, &hit) ||
	    hit.way != fo->f->stream.way)
		return;
	fo->f->serial = serial;
	fo->f->how = hit.how;
	fo->f->flags &= (uint8_t)~FLOW_LISTED;
	if (hit.listed)
		fo->f->flags |= FLOW_LISTED;
}

static const uint8_t *payload_at(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf)
{
	const struct dp_follow *fo = pkt;

	if (n > 256 || offset > fo->size || n > fo->size - offset)
		return NULL;
	return rte_pktmbuf_read(fo->m, fo->off + offset, n, buf);
}

// n requests end in the frame, or it carries n answers: if it has to stand, that is part of
// somebody's wait.
static void mark(const struct dp_follow *fo, struct rte_mbuf *m, uint32_t n, uint32_t tag)
{
	struct dp_meta *meta = dp_meta(m);

	meta->sto = (uint8_t)(DP_STO_MARKED | RTE_MIN(n, (uint32_t)DP_STO_MOST) * DP_STO_ONE);
	if (fo->f->stream.way == QOS_FROM_PORTAL)
		meta->sto |= DP_STO_FROM;
	meta->sto_worker = (uint8_t)fo->w->id;
	meta->sto_flow = dp_flow_idx(fo->w, fo->f);
	meta->sto_tag = tag;
}

// What a request writes may fill many frames: nobody can answer before the last one is there. left
// bytes of the PDU were missing before the frame, which brought `got`.
static void requests_mark(struct dp_follow *fo, uint32_t left, uint32_t got)
{
	struct dp_flow *f = fo->f;
	uint32_t n = fo->n_heard, tag = n == 0 ? f->ask_tag : fo->tag;

	if (unlikely((f->flags & FLOW_ASKING) != 0 && got >= left)) {
		f->flags &= (uint8_t)~FLOW_ASKING;
		n++;
	}
	if (fo->n_heard > 0 && f->stream.way == QOS_TO_PORTAL && f->stream.left > 0) {
		f->flags |= FLOW_ASKING; // the last of them goes on
		f->ask_tag = fo->tag;
		n--;
	}
	if (n > 0)
		mark(fo, fo->m, n, tag);
}

// Of several in one frame the last is what may go on in the next one.
static void heard(struct dp_follow *fo, const struct qos_pdu *pdu)
{
	fo->n_heard++;
	fo->tag = pdu->tag;
}

static void hear(void *ctx, const struct qos_pdu *pdu)
{
	struct dp_follow *fo = ctx;
	struct dp_flow *f = fo->f;
	bool telemetry = dp_storage_telemetry(fo->w), answered = pdu->kind == QOS_PDU_RESPONSE;

	if ((f->flags & FLOW_LISTED) != 0 && dp_storage_learning(fo->w))
		dp_storage_learn_pdu(fo, pdu);
	if (telemetry && dp_storage_may_tell(fo->w, f)) {
		if (answered || pdu->kind == QOS_PDU_REQUEST || pdu->kind == QOS_PDU_GETPORT)
			heard(fo, pdu);
		dp_storage_tell_pdu(fo->w, f, pdu);
	} else if (!telemetry && answered && f->stream.service == QOS_SVC_ISCSI) {
		f->flags |= FLOW_TAUGHT; // discovery and login are over
	}
}

// A SYN that is not one again begins another connection.
static void connection_begin(struct dp_follow *fo, uint32_t seq)
{
	struct dp_flow *f = fo->f;

	if ((f->flags & FLOW_BEGUN) != 0 && seq == f->syn_seq)
		return;
	dp_storage_tell_close(fo->w, f, true, false);
	f->vm_idx = dp_meta(fo->m)->vm_idx; // the port may be another machine's now
	f->flags = (uint8_t)((f->flags & ~(FLOW_TOLD | FLOW_TAUGHT | FLOW_ASKING)) | FLOW_BEGUN);
	f->syn_seq = seq;
}

// A frame of the flow, or of one that is not known yet. An acknowledgement alone makes none known:
// it comes also behind the end.
static void segment(struct dp_follow *fo)
{
	const uint8_t *tcp = dp_data(fo->m) + dp_meta(fo->m)->p.l4_off;
	const struct qos_segment seg = { .seq = dp_be32(tcp + 4),
					 .size = fo->size,
					 .syn = (tcp[13] & TCP_SYN) != 0,
					 .fin = (tcp[13] & TCP_FIN) != 0,
					 .rst = (tcp[13] & TCP_RST) != 0,
					 .pkt = fo,
					 .at = payload_at };

	if (unlikely(fo->f == NULL)) {
		if (seg.rst || (!seg.syn && seg.size == 0))
			return;
		fo->f = flow_open(fo);
		if (fo->f == NULL)
			return;
	}
	if (unlikely(seg.syn))
		connection_begin(fo, seg.seq);
	if (unlikely((fo->f->flags & FLOW_TOLD) == 0) && dp_storage_telemetry(fo->w))
		dp_storage_tell_open(fo->w, fo->f);
	if (likely((fo->f->flags & (FLOW_READS | FLOW_TAUGHT)) == FLOW_READS)) {
		const uint32_t left = fo->f->stream.left, seq = fo->f->stream.next_seq;

		fo->n_heard = 0;
		qos_stream_feed(&fo->f->stream, &seg, hear, fo);
		requests_mark(fo, left, fo->f->stream.next_seq - seq);
	}
	if (unlikely(seg.fin || seg.rst)) {
		flow_close(fo->w, fo->f, seg.rst, false);
		fo->f = NULL;
	}
}

// Segments of the flow that lie inside of a PDU, from the k-th of the run on. returns how many
static inline uint32_t pass(struct dp_follow *fo, const struct dp_run *r, uint32_t k,
			    uint32_t l4_off)
{
	struct qos_stream *st = &fo->f->stream;
	struct rte_mbuf *const *pkts = fo->b->pkts + r->first;
	uint32_t size = fo->size, room = qos_stream_room(st), seq = st->next_seq, n, left = room;

	for (n = k; n < r->n; n++) {
		const uint8_t *tcp = dp_data(pkts[n]) + l4_off;

		if ((tcp[13] & (TCP_SYN | TCP_FIN | TCP_RST)) != 0 || dp_be32(tcp + 4) != seq ||
		    size > left)
			break;
		seq += size;
		left -= size;
	}
	qos_stream_pass(st, room - left);
	if (unlikely(left == 0 && n > k && (fo->f->flags & FLOW_ASKING) != 0)) {
		mark(fo, pkts[n - 1], 1, fo->f->ask_tag);
		fo->f->flags &= (uint8_t)~FLOW_ASKING;
	}
	return n - k;
}

// May segments that say nothing be passed over without further ado?
static inline bool is_quick(const struct dp_follow *fo)
{
	return fo->f != NULL && (fo->f->flags & (FLOW_READS | FLOW_TAUGHT)) == FLOW_READS &&
	       ((fo->f->flags & FLOW_TOLD) != 0 || !dp_storage_telemetry(fo->w));
}

static void follow_tcp(struct dp_follow *fo, const struct dp_run *r)
{
	const uint32_t l4_off = dp_meta(fo->m)->p.l4_off;

	if (fo->f != NULL)
		fo->f->heard_s = (uint16_t)fo->w->now_s;
	for (uint32_t k = 0;; k++) {
		if (likely(is_quick(fo)))
			k += pass(fo, r, k, l4_off);
		if (k >= r->n)
			return;
		fo->m = fo->b->pkts[r->first + k];
		segment(fo);
	}
}

// Of UDP only rpcbind is of interest, for what it teaches.
static void follow_udp(struct dp_follow *fo, const struct dp_run *r)
{
	struct qos_portal_hit hit;
	uint8_t buf[DATAGRAM];

	if (!dp_storage_learning(fo->w) || !key_hit(fo, &hit) || hit.service != QOS_SVC_RPCBIND ||
	    !hit.listed)
		return;
	for (uint32_t k = 0; k < r->n; k++) {
		uint32_t n = RTE_MIN(fo->size, (uint32_t)DATAGRAM);
		struct qos_pdu pdu;
		const void *p;

		fo->m = fo->b->pkts[r->first + k];
		p = rte_pktmbuf_read(fo->m, fo->off, n, buf);
		if (p == NULL || (hit.way == QOS_FROM_PORTAL && !is_wanted(fo, &hit)) ||
		    !qos_rpc_datagram(p, n, (enum qos_way)hit.way, &pdu))
			continue;
		dp_storage_learn_rpc(fo, (enum qos_way)hit.way, &pdu);
	}
}

// The payload by IP's length: what stands behind it in the buffer is padding.
// returns false when there is none to look at, or L4 is not where it can be found again
static bool payload_find(struct dp_follow *fo)
{
	const struct dp_parse *p = &dp_meta(fo->m)->p;
	const uint8_t *data = dp_data(fo->m), *l3 = data + p->l3_off;
	uint32_t end =
		p->l3_off + ((p->flags & DP_PF_IP4) != 0 ? dp_be16(l3 + 2) : 40u + dp_be16(l3 + 4));

	// Of a fragment the rest is not here; behind extension headers nobody's storage was seen
	// yet.
	if ((p->flags & (DP_PF_FRAG | DP_PF_EXT | DP_PF_L4)) != DP_PF_L4 ||
	    p->err != DP_DROP_none || (p->ip_proto != P_TCP && p->ip_proto != P_UDP))
		return false;
	fo->off =
		p->l4_off + (p->ip_proto == P_TCP ? (uint32_t)(data[p->l4_off + 12] >> 4) * 4 : 8u);
	if (end < fo->off || end > rte_pktmbuf_pkt_len(fo->m))
		return false;
	fo->size = end - fo->off;
	return true;
}

// Of IPv4, as qos_addr_set4.
static inline void addr4(struct qos_addr *a, const uint8_t *ip4)
{
	uint64_t x[2] = { 0, 0xffff0000u | (uint64_t)dp_load32(ip4) << 32 }; // little endian

	memcpy(a, x, sizeof(*a));
}

static inline void key_make(struct dp_flow_key *k, const struct dp_batch *b,
			    const struct rte_mbuf *m)
{
	const struct dp_meta *meta = dp_meta_const(m);
	const uint8_t *l3 = dp_data(m) + meta->p.l3_off;

	if (likely((meta->p.flags & DP_PF_IP4) != 0)) {
		addr4(&k->src, l3 + 12);
		addr4(&k->dst, l3 + 16);
	} else {
		qos_addr_set6(&k->src, l3 + 8);
		qos_addr_set6(&k->dst, l3 + 24);
	}
	k->sport = meta->p.sport;
	k->dport = meta->p.dport;
	k->in_port = b->v->port->idx;
	k->proto = meta->p.ip_proto;
	k->zero = 0;
}

bool dp_storage_known(const struct dp_worker *w, const struct dp_batch *b, struct dp_run *r,
		      enum qos_why *why)
{
	const struct rte_mbuf *m = dp_head(b, r);
	const struct dp_parse *p = &dp_meta_const(m)->p;
	const struct dp_flow *f;
	struct dp_flow_key k;

	r->flow = 0;
	if (w->storage->n_flows == 0 || p->ip_proto != P_TCP || p->err != DP_DROP_none ||
	    (p->flags & (DP_PF_FRAG | DP_PF_EXT | DP_PF_L4)) != DP_PF_L4)
		return false;
	key_make(&k, b, m);
	f = flow_find(w, &k);
	if (f == NULL || f->serial != storage_serial(w))
		return false;
	r->flow = (uint16_t)(dp_flow_idx(w, f) + 1);
	*why = qos_why_of(f->how);
	return true;
}

// A run that classify did not know, or that may have changed hands since.
static void find_anew(struct dp_follow *fo)
{
	fo->f = fo->key->proto == P_TCP ? flow_find(fo->w, fo->key) : NULL;
	if (fo->f != NULL)
		flow_confirm(fo);
}

static void follow(struct dp_follow *fo, const struct dp_run *r)
{
	struct dp_storage_pw *s = fo->w->storage;
	struct dp_flow_key made;

	dp_storage_count(&s->pkts, r->n);
	if (likely(r->flow != 0 && !s->freed)) {
		fo->f = &s->flows[r->flow - 1];
		fo->key = &fo->f->key;
	} else {
		key_make(&made, fo->b, fo->m);
		fo->key = &made;
		find_anew(fo);
	}
	if (likely(fo->key->proto == P_TCP))
		follow_tcp(fo, r);
	else
		follow_udp(fo, r);
}

void dp_storage_burst(struct dp_worker *w, const struct dp_batch *b)
{
	if (!dp_storage_telemetry(w) && !dp_storage_learning(w))
		return;
	w->storage->freed = false;
	for (uint32_t i = 0; i < b->n_runs; i++) {
		struct dp_follow fo;

		fo.m = dp_head(b, &b->runs[i]);
		if ((1u << dp_meta(fo.m)->why & STORAGE_WHYS) == 0)
			continue;
		fo.w = w;
		fo.b = b;
		if (likely(payload_find(&fo)))
			follow(&fo, &b->runs[i]);
		else
			dp_storage_count(&w->storage->port_only, b->runs[i].n);
	}
}
