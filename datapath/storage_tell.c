// What workers tell main of storage: by value, in batches, never waiting. What finds the ring full
// is lost and counted; a flow whose OPEN was lost says it again with its next event.
#include <string.h>

#include "storage_priv.h"

static void event_lost(struct dp_storage_pw *s, const struct dp_storage_event *e)
{
	if (e->kind == DP_STORAGE_OPEN)
		s->flows[e->flow].flags &= (uint8_t)~FLOW_TOLD;
	dp_storage_count(&s->events_lost, 1);
}

// Only portals that were taught have the last places: guests can fill the others, and a portal of
// which main did not hear is not in its next table.
static uint32_t keep_learnt(struct dp_storage_pw *s, uint32_t n)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (s->out[i].kind == DP_STORAGE_LEARNT)
			s->out[kept++] = s->out[i];
		else
			event_lost(s, &s->out[i]);
	}
	return kept;
}

void dp_storage_flush(struct dp_worker *w)
{
	struct dp_storage_pw *s = w->storage;
	uint32_t want = w->n_told, n;

	if (unlikely(rte_ring_free_count(s->events) < STORAGE_RESERVE + want))
		want = keep_learnt(s, want);
	n = rte_ring_sp_enqueue_burst_elem(s->events, s->out, sizeof(s->out[0]), want, NULL);
	for (; n < want; n++)
		event_lost(s, &s->out[n]);
	w->n_told = 0;
}

enum {
	SPAN_SHIFT = 22, // 4.2 ms, as often as main comes about
	// Half a million a second: 250,000 commands and their answers. Less than what the ring
	// holds.
	SPAN_EVENTS = 2048,
};

bool dp_storage_may_tell(struct dp_worker *w, const struct dp_flow *f)
{
	struct dp_told *t = &w->storage->told[f->owner];
	uint32_t span = (uint32_t)(w->now_ns >> SPAN_SHIFT);

	if (f->owner == OWNER_TRUSTED)
		return true;
	if (t->span != span)
		*t = (struct dp_told){ .span = span };
	if (t->n == SPAN_EVENTS) {
		dp_storage_count(&w->storage->events_lost, 1);
		return false;
	}
	t->n++;
	return true;
}

static struct dp_storage_event *event_new(struct dp_worker *w, enum dp_storage_kind kind)
{
	struct dp_storage_event *e;

	if (w->n_told == STORAGE_BATCH)
		dp_storage_flush(w);
	e = &w->storage->out[w->n_told++];
	memset(e, 0, sizeof(*e));
	e->ns = w->now_ns;
	e->flow = DP_FLOW_NONE;
	e->worker = (uint8_t)w->id;
	e->kind = (uint8_t)kind;
	return e;
}

static void open_tell(struct dp_worker *w, struct dp_flow *f);

// An event of a flow that main knows, or will when it comes to this one.
static struct dp_storage_event *flow_event(struct dp_worker *w, struct dp_flow *f,
					   enum dp_storage_kind kind)
{
	struct dp_storage_event *e;

	if (w->n_told == STORAGE_BATCH)
		dp_storage_flush(w);
	if ((f->flags & FLOW_TOLD) == 0 && kind != DP_STORAGE_OPEN)
		open_tell(w, f);
	e = event_new(w, kind);
	e->flow = dp_flow_idx(w, f);
	e->way = f->stream.way;
	return e;
}

static void open_tell(struct dp_worker *w, struct dp_flow *f)
{
	struct dp_storage_event *e = flow_event(w, f, DP_STORAGE_OPEN);
	const struct dp_flow_key *k = &f->key;
	bool to = f->stream.way == QOS_TO_PORTAL;

	e->open.key = (struct qos_conn_key){ .client = to ? k->src : k->dst,
					     .portal = to ? k->dst : k->src,
					     .client_port = to ? k->sport : k->dport,
					     .portal_port = to ? k->dport : k->sport,
					     .proto = k->proto };
	e->open.hit = (struct qos_portal_hit){ .service = f->stream.service,
					       .way = f->stream.way,
					       .how = f->how,
					       .listed = (f->flags & FLOW_LISTED) != 0 };
	e->open.vm_idx = f->vm_idx;
	e->open.in_port = k->in_port;
	f->flags |= FLOW_TOLD;
}

void dp_storage_tell_open(struct dp_worker *w, struct dp_flow *f)
{
	if (dp_storage_may_tell(w, f))
		open_tell(w, f);
}

void dp_storage_tell_close(struct dp_worker *w, struct dp_flow *f, bool rst, bool idle)
{
	struct dp_storage_event *e;

	if ((f->flags & FLOW_TOLD) == 0 || !dp_storage_may_tell(w, f))
		return; // main never heard of it, or forgets it when it is silent
	e = flow_event(w, f, DP_STORAGE_CLOSE);
	e->close.rst = rst;
	e->close.idle = idle;
}

static void tell_text(struct dp_worker *w, struct dp_flow *f, const struct qos_pdu *pdu)
{
	uint32_t at = 0, n;

	do {
		struct dp_storage_event *e = flow_event(w, f, DP_STORAGE_TEXT_PIECE);

		n = RTE_MIN((uint32_t)pdu->text.size - at, (uint32_t)DP_STORAGE_TEXT);
		e->text.offset = (uint16_t)(pdu->text.offset + at);
		e->text.size = (uint16_t)n;
		memcpy(e->text.data, pdu->text.data + at, n);
		at += n;
		e->text.last = pdu->text.last && at == pdu->text.size;
	} while (at < pdu->text.size);
}

void dp_storage_tell_pdu(struct dp_worker *w, struct dp_flow *f, const struct qos_pdu *pdu)
{
	if (pdu->kind == QOS_PDU_TEXT)
		tell_text(w, f, pdu);
	else
		flow_event(w, f, DP_STORAGE_PDU)->pdu = *pdu;
}

void dp_storage_tell_learnt(struct dp_worker *w, const struct qos_portal *portal,
			    const struct qos_addr *teacher)
{
	struct dp_storage_event *e = event_new(w, DP_STORAGE_LEARNT);

	e->way = QOS_FROM_PORTAL;
	e->learnt.portal = *portal;
	e->learnt.teacher = *teacher;
}

void dp_storage_tell_wait(struct dp_worker *w, const struct dp_meta *meta, uint64_t wait_ns)
{
	struct dp_storage_event *e;

	if (wait_ns == 0)
		return;
	e = event_new(w, DP_STORAGE_WAIT);
	e->flow = meta->sto_flow;
	e->worker = meta->sto_worker;
	e->way = (meta->sto & DP_STO_FROM) != 0 ? QOS_FROM_PORTAL : QOS_TO_PORTAL;
	e->wait.tag = meta->sto_tag;
	e->wait.n = meta->sto / DP_STO_ONE;
	e->wait.wait_ns = wait_ns;
}
