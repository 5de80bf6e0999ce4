// Connections and rows: who talks to which portal.
#include "storage_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BOTH (1u << QOS_TO_PORTAL | 1u << QOS_FROM_PORTAL)

// --- rows

static uint32_t *row_head(const struct qos_storage *s, uint16_t vm_idx, const struct qos_portal *p)
{
	uint64_t a, b;

	memcpy(&a, p->addr.b, 8);
	memcpy(&b, p->addr.b + 8, 8);
	a ^= storage_mix(b ^ (uint64_t)vm_idx << 32 ^ (uint64_t)p->proto << 16 ^ p->port);
	return &s->row_heads[storage_mix(a) & (s->n_heads_row - 1)];
}

static bool is_same_portal(const struct qos_portal *a, const struct qos_portal *b)
{
	return a->port == b->port && a->proto == b->proto &&
	       memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

// r has no connection.
static void row_free(struct qos_storage *s, struct row *r)
{
	uint32_t i = (uint32_t)(r - s->rows), *p = row_head(s, r->pub.vm_idx, &r->pub.portal);
	uint32_t last = s->order[--s->counts.rows_now];

	while (*p != i)
		p = &s->rows[*p].chain;
	*p = r->chain;
	link_del(&r->spare);
	s->order[r->at] = last;
	s->rows[last].at = r->at;
	r->at = NONE;
	r->chain = s->free_row;
	s->free_row = i;
}

static void conn_silence(struct qos_storage *s, struct conn *c);

// The longest weak connection with a row loses it: a client that opens half-open ones must not hold
// all rows.
static void weak_row_spare(struct qos_storage *s)
{
	struct qos_link *l = s->weak.next;

	for (uint32_t i = 0; i < CHAIN_MAX && l != &s->weak; i++, l = l->next) {
		struct conn *c = link_of(l, struct conn, weak);

		if (c->row == NULL || c->row == storage_nobody(s))
			continue;
		conn_silence(s, c);
		return;
	}
}

// Room for one row: the one that is longest without a connection goes, or that of the weak
// connection which is longest so.
static bool row_room(struct qos_storage *s)
{
	if (s->free_row != NONE)
		return true;
	if (!link_is_in(&s->spare))
		weak_row_spare(s);
	if (!link_is_in(&s->spare))
		return false;
	row_free(s, link_of(s->spare.next, struct row, spare));
	s->counts.rows_replaced++;
	return true;
}

static struct row *row_find(const struct qos_storage *s, uint16_t vm_idx,
			    const struct qos_portal *p, uint32_t *n_chain)
{
	*n_chain = 0;
	for (uint32_t i = *row_head(s, vm_idx, p); i != NONE; i = s->rows[i].chain) {
		if (s->rows[i].pub.vm_idx == vm_idx && is_same_portal(&s->rows[i].pub.portal, p))
			return &s->rows[i];
		++*n_chain;
	}
	return NULL;
}

// The row, made if need be; the one of nobody when there is no room.
static struct row *row_get(struct qos_storage *s, uint16_t vm_idx, const struct qos_portal *p)
{
	uint32_t n_chain, i, *head;
	struct row *r = row_find(s, vm_idx, p, &n_chain);

	if (r != NULL)
		return r;
	if (n_chain >= CHAIN_MAX || !row_room(s)) {
		s->counts.rows_refused++;
		return storage_nobody(s);
	}
	i = s->free_row;
	r = &s->rows[i];
	s->free_row = r->chain;
	head = row_head(s, vm_idx, p);
	memset(&r->pub, 0, sizeof(r->pub));
	r->pub.vm_idx = vm_idx;
	r->pub.portal = *p;
	r->chain = *head;
	*head = i;
	r->at = s->counts.rows_now;
	s->order[s->counts.rows_now++] = i;
	link_init(&r->waiting);
	link_init(&r->spare);
	link_add(&s->spare, &r->spare); // until it has a connection
	return r;
}

// --- connections

static uint32_t *conn_head(const struct qos_storage *s, const struct qos_conn_key *k)
{
	uint64_t w[4],
		x = (uint64_t)k->client_port << 32 | (uint64_t)k->portal_port << 8 | k->proto;

	memcpy(w, k->client.b, 16);
	memcpy(w + 2, k->portal.b, 16);
	for (uint32_t i = 0; i < 4; i++)
		x = storage_mix(x ^ w[i]) + i;
	return &s->conn_heads[x & (s->n_heads_conn - 1)];
}

static bool is_same_key(const struct qos_conn_key *a, const struct qos_conn_key *b)
{
	return a->client_port == b->client_port && a->portal_port == b->portal_port &&
	       a->proto == b->proto && memcmp(&a->client, &b->client, sizeof(a->client)) == 0 &&
	       memcmp(&a->portal, &b->portal, sizeof(a->portal)) == 0;
}

static void conn_seen(struct conn *c, uint64_t ns)
{
	if (ns > c->last_ns)
		c->last_ns = ns;
	if (c->row != NULL && ns > c->row->pub.last_ns)
		c->row->pub.last_ns = ns;
}

// A row counts it from now on.
static void conn_attach(struct qos_storage *s, struct conn *c)
{
	struct qos_portal p = { .addr = c->key.portal,
				.port = c->key.portal_port,
				.proto = c->key.proto,
				.service = c->service,
				.how = c->how };
	struct row *r = row_get(s, c->vm_idx, &p);

	c->row = r;
	s->counts.conns_now++;
	if (r->pub.conns_now++ == 0)
		link_del(&r->spare);
	if (c->fresh)
		r->pub.conns++;
	c->fresh = false;
	r->pub.portal.service = c->service;
	r->pub.portal.how = c->how;
	if (c->digests)
		r->pub.digests = true;
}

// And not any more; what waits must have been dropped or moved.
static void conn_detach(struct qos_storage *s, struct conn *c)
{
	struct row *r = c->row;

	if (r == NULL)
		return;
	c->row = NULL;
	s->counts.conns_now--;
	if (--r->pub.conns_now == 0 && r != storage_nobody(s))
		link_add(&s->spare, &r->spare);
}

// It may be replaced while it is half-open, silent or reset.
static void conn_weigh(struct qos_storage *s, struct conn *c)
{
	bool weak = c->opened != BOTH || c->reset || c->row == NULL;

	if (weak && !link_is_in(&c->weak))
		link_add(&s->weak, &c->weak);
	else if (!weak && link_is_in(&c->weak))
		link_del(&c->weak);
}

// Nothing of it counts until it is heard again.
static void conn_silence(struct qos_storage *s, struct conn *c)
{
	if (c->row != NULL)
		qos_storage_drop_cmds(s, c);
	qos_storage_text_drop(s, c);
	conn_detach(s, c);
	conn_weigh(s, c);
}

static void conn_free(struct qos_storage *s, struct conn *c)
{
	uint32_t i = (uint32_t)(c - s->conns), *p = conn_head(s, &c->key);

	conn_silence(s, c);
	link_del(&c->weak);
	while (*p != i)
		p = &s->conns[*p].chain;
	*p = c->chain;
	c->in_use = false;
	c->generation++;
	c->chain = s->free_conn;
	s->free_conn = i;
}

static struct conn *conn_new(struct qos_storage *s, const struct qos_conn_key *k)
{
	uint32_t i, generation, *head = conn_head(s, k);
	struct conn *c;

	if (s->free_conn == NONE && link_is_in(&s->weak)) {
		conn_free(s, link_of(s->weak.next, struct conn, weak));
		s->counts.conns_replaced++;
	}
	i = s->free_conn;
	if (i == NONE)
		return NULL;
	c = &s->conns[i];
	s->free_conn = c->chain;
	generation = c->generation;
	*c = (struct conn){
		.key = *k, .chain = *head, .generation = generation, .in_use = true, .fresh = true
	};
	*head = i;
	if (i >= s->n_conns_ever)
		s->n_conns_ever = i + 1;
	link_init(&c->cmds);
	link_init(&c->weak);
	return c;
}

static struct conn *conn_find(const struct qos_storage *s, const struct qos_conn_key *k,
			      uint32_t *n_chain)
{
	*n_chain = 0;
	for (uint32_t i = *conn_head(s, k); i != NONE; i = s->conns[i].chain) {
		if (is_same_key(&s->conns[i].key, k))
			return &s->conns[i];
		++*n_chain;
	}
	return NULL;
}

// The VM becomes known, or is another one: the row too, and what waits with it.
static void conn_set_vm(struct qos_storage *s, struct conn *c, uint16_t vm_idx)
{
	struct row *from = c->row, *to;

	if (vm_idx == 0 || vm_idx >= s->params.n_vms || vm_idx == c->vm_idx)
		return;
	c->vm_idx = vm_idx;
	if (from == NULL)
		return;
	// It counts in both until its commands have moved, so `to` cannot take the place of `from`.
	c->row = NULL;
	c->fresh = true;
	conn_attach(s, c);
	to = c->row;
	c->row = from;
	qos_storage_move_cmds(c, to);
	conn_detach(s, c);
	c->row = to;
}

static int handle_of(const struct qos_storage *s, const struct conn *c)
{
	uint32_t mask = (1u << (31 - s->index_bits)) - 1;

	return (int)((c->generation & mask) << s->index_bits | (uint32_t)(c - s->conns));
}

static struct conn *conn_of(const struct qos_storage *s, int handle)
{
	uint32_t i = (uint32_t)handle & ((1u << s->index_bits) - 1);

	if (handle < 0 || i >= s->params.n_conns || !s->conns[i].in_use ||
	    handle_of(s, &s->conns[i]) != handle)
		return NULL;
	return &s->conns[i];
}

// Nobody but the portal can say what it says, so a connection in which it has is its client's.
static bool is_anothers(const struct conn *c, const struct qos_portal_hit *hit, uint16_t vm_idx)
{
	return hit->way == QOS_TO_PORTAL && vm_idx != 0 && c->vm_idx != 0 && vm_idx != c->vm_idx &&
	       c->answered && c->row != NULL && (c->closed & 1u << QOS_TO_PORTAL) == 0;
}

int qos_storage_open(struct qos_storage *s, const struct qos_conn_key *k,
		     const struct qos_portal_hit *hit, uint16_t vm_idx, uint64_t ns)
{
	uint32_t n_chain, way = 1u << (hit->way == QOS_TO_PORTAL ? QOS_TO_PORTAL : QOS_FROM_PORTAL);
	struct conn *c = conn_find(s, k, &n_chain);

	if (c == NULL)
		c = n_chain < CHAIN_MAX ? conn_new(s, k) : NULL;
	if (c == NULL) {
		s->counts.conns_refused++;
		return -ENOSPC;
	}
	if (is_anothers(c, hit, vm_idx)) {
		s->counts.conns_refused++;
		return -EPERM;
	}
	if (c->reset) { // the same ports anew
		c->reset = c->answered = false;
		c->fresh = true;
		c->opened = 0;
	}
	c->service = hit->service;
	c->how = hit->how;
	c->listed = hit->listed;
	c->opened |= (uint8_t)way;
	c->closed &= (uint8_t)~way;
	c->blind &= (uint8_t)~way;
	conn_set_vm(s, c, vm_idx);
	if (c->row == NULL && c->opened == BOTH)
		conn_attach(s, c);
	conn_seen(c, ns);
	conn_weigh(s, c);
	return handle_of(s, c);
}

void qos_storage_close(struct qos_storage *s, int conn, enum qos_way way, bool rst, uint64_t ns)
{
	struct conn *c = conn_of(s, conn);

	if (c == NULL)
		return;
	conn_seen(c, ns);
	c->closed |= (uint8_t)(1u << way);
	if (c->closed == BOTH) {
		conn_free(s, c);
		return;
	}
	if (rst) {
		c->reset = true;
		conn_silence(s, c);
	}
}

static void lost(struct qos_storage *s, struct conn *c, enum qos_way way, const struct qos_pdu *pdu)
{
	if (pdu->status < QOS_N_LOST)
		c->row->pub.lost[pdu->status]++;
	c->blind |= (uint8_t)(1u << way);
	qos_storage_text_lost(c, way);
	// What waits for an answer that may pass unseen would wait forever.
	if (way == QOS_FROM_PORTAL)
		qos_storage_drop_cmds(s, c);
}

// A command, or its answer. Others' directions say neither: a server that calls its client
// (RFC 8881 section 2.10.3.1) is not measured.
static void command(struct qos_storage *s, struct conn *c, enum qos_way way,
		    const struct qos_pdu *pdu, uint64_t ns)
{
	bool answer = pdu->kind == QOS_PDU_RESPONSE ||
		      (pdu->kind == QOS_PDU_GETPORT && (pdu->flags & QOS_PDU_F_RESPONSE) != 0);

	if (c->digests || answer != (way == QOS_FROM_PORTAL))
		return;
	if (answer)
		qos_storage_answered(s, c, pdu, ns);
	else
		qos_storage_asked(s, c, pdu, ns);
}

void qos_storage_pdu(struct qos_storage *s, int conn, enum qos_way way, const struct qos_pdu *pdu,
		     uint64_t ns)
{
	struct conn *c = conn_of(s, conn);

	if (c == NULL || c->reset || (c->closed & 1u << way) != 0)
		return;
	if (c->row == NULL) {
		conn_attach(s, c);
		conn_weigh(s, c);
	}
	conn_seen(c, ns);
	if (way == QOS_FROM_PORTAL) {
		c->answered = true;
		if (ns > c->row->pub.answered_ns)
			c->row->pub.answered_ns = ns;
	}
	if (pdu->kind == QOS_PDU_TEXT) {
		qos_storage_text_piece(s, c, way, pdu);
		return;
	}
	if (c->text != NULL)
		qos_storage_text_end(s, c, way);
	switch (pdu->kind) {
	case QOS_PDU_REQUEST:
	case QOS_PDU_RESPONSE:
	case QOS_PDU_GETPORT:
		command(s, c, way, pdu, ns);
		break;
	case QOS_PDU_LOGIN:
	case QOS_PDU_TARGETS:
		qos_storage_text_begin(s, c, way, pdu, ns);
		break;
	case QOS_PDU_LOST:
		lost(s, c, way, pdu);
		break;
	case QOS_PDU_FOUND:
		c->blind &= (uint8_t) ~(1u << way);
		break;
	default:
		break;
	}
}

void qos_storage_wait(struct qos_storage *s, int conn, enum qos_way way, uint32_t tag,
		      uint64_t wait_ns)
{
	struct conn *c = conn_of(s, conn);

	(void)tag; // its command may have been answered, or not be measured
	if (c == NULL || c->row == NULL)
		return;
	if (way == QOS_TO_PORTAL) {
		c->row->pub.wait_out_ns += wait_ns;
		c->row->pub.wait_out_n++;
	} else {
		c->row->pub.wait_in_ns += wait_ns;
		c->row->pub.wait_in_n++;
	}
}

// --- time, and VMs that go

static void conn_tick(struct qos_storage *s, struct conn *c, uint64_t now_ns)
{
	struct row *nobody = storage_nobody(s);

	if (!c->in_use || c->row == NULL)
		return;
	if (now_ns > c->last_ns && now_ns - c->last_ns >= s->params.idle_ns) {
		s->counts.idle++;
		conn_silence(s, c);
	} else if (c->row == nobody && (s->free_row != NONE || link_is_in(&s->spare))) {
		// There is room for its row now. What waits was counted for nobody.
		qos_storage_drop_cmds(s, c);
		conn_detach(s, c);
		c->fresh = true;
		conn_attach(s, c);
	}
}

void qos_storage_tick(struct qos_storage *s, uint64_t now_ns)
{
	qos_storage_expire_texts(s, now_ns);
	qos_storage_expire_cmds(s, now_ns);
	for (uint32_t i = 0; i < s->n_conns_ever; i++)
		conn_tick(s, &s->conns[i], now_ns);
	for (uint32_t i = 0; i < s->counts.rows_now; i++)
		qos_storage_expire_row(s, &s->rows[s->order[i]], now_ns);
	qos_storage_expire_row(s, storage_nobody(s), now_ns);
}

void qos_storage_forget_logins(struct qos_storage *s, uint16_t vm_idx)
{
	if (vm_idx < s->params.n_vms) {
		memset(s->vms[vm_idx].target, 0, sizeof(s->vms[vm_idx].target));
		s->vms[vm_idx].next = 0;
	}
}

void qos_storage_forget_vm(struct qos_storage *s, uint16_t vm_idx)
{
	if (vm_idx == 0 || vm_idx >= s->params.n_vms)
		return;
	qos_storage_forget_logins(s, vm_idx);
	for (uint32_t i = 0; i < s->n_conns_ever; i++) {
		if (s->conns[i].in_use && s->conns[i].vm_idx == vm_idx)
			conn_free(s, &s->conns[i]);
	}
	// From the end: a row that is freed is replaced by the last one.
	for (uint32_t i = s->counts.rows_now; i-- > 0;) {
		if (s->rows[s->order[i]].pub.vm_idx == vm_idx)
			row_free(s, &s->rows[s->order[i]]);
	}
}

const struct qos_storage_row *qos_storage_row(const struct qos_storage *s, uint32_t i)
{
	return i < s->counts.rows_now ? &s->rows[s->order[i]].pub : NULL;
}

void qos_storage_counts(const struct qos_storage *s, struct qos_storage_counts *out)
{
	*out = s->counts;
}

// --- life

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t n = 1;

	while (n < at_least)
		n *= 2;
	return n;
}

static bool allocate(struct qos_storage *s)
{
	const struct qos_storage_params *p = &s->params;

	s->n_heads_conn = power_of_two(p->n_conns);
	s->n_heads_row = power_of_two(p->n_rows);
	s->n_heads_cmd = power_of_two(p->n_outstanding);
	s->n_texts = p->n_conns < QOS_STORAGE_TEXTS ? p->n_conns : QOS_STORAGE_TEXTS;
	s->conns = calloc(p->n_conns, sizeof(*s->conns));
	s->rows = calloc((size_t)p->n_rows + 1, sizeof(*s->rows));
	s->cmds = calloc(p->n_outstanding, sizeof(*s->cmds));
	s->texts = calloc(s->n_texts, sizeof(*s->texts));
	s->vms = calloc(p->n_vms, sizeof(*s->vms));
	s->order = calloc(p->n_rows, sizeof(*s->order));
	s->conn_heads = calloc(s->n_heads_conn, sizeof(*s->conn_heads));
	s->row_heads = calloc(s->n_heads_row, sizeof(*s->row_heads));
	s->cmd_heads = calloc(s->n_heads_cmd, sizeof(*s->cmd_heads));
	return s->conns != NULL && s->rows != NULL && s->cmds != NULL && s->texts != NULL &&
	       s->vms != NULL && s->order != NULL && s->conn_heads != NULL &&
	       s->row_heads != NULL && s->cmd_heads != NULL;
}

static void init(struct qos_storage *s)
{
	const struct qos_storage_params *p = &s->params;
	struct row *nobody = storage_nobody(s);

	while (1u << s->index_bits < p->n_conns)
		s->index_bits++;
	memset(s->conn_heads, 0xff, s->n_heads_conn * sizeof(*s->conn_heads));
	memset(s->row_heads, 0xff, s->n_heads_row * sizeof(*s->row_heads));
	for (uint32_t i = 0; i < p->n_conns; i++)
		s->conns[i].chain = i + 1 < p->n_conns ? i + 1 : NONE;
	for (uint32_t i = 0; i < p->n_rows; i++) {
		s->rows[i].chain = i + 1 < p->n_rows ? i + 1 : NONE;
		s->rows[i].at = NONE;
	}
	link_init(&s->weak);
	link_init(&s->spare);
	link_init(&nobody->waiting);
	link_init(&nobody->spare);
	qos_storage_cmds_init(s);
	qos_storage_texts_init(s);
}

static bool is_valid(const struct qos_storage_params *p)
{
	const uint32_t max = 1u << 20;

	return p->n_vms > 0 && p->n_vms <= 65536 && p->n_conns > 0 && p->n_conns <= max &&
	       p->n_rows > 0 && p->n_rows <= max && p->n_outstanding > 0 &&
	       p->n_outstanding <= max && p->idle_ns > 0;
}

int qos_storage_create(const struct qos_storage_params *p, const struct qos_storage_events *ev,
		       struct qos_storage **out)
{
	struct qos_storage *s;

	*out = NULL;
	if (!is_valid(p))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->params = *p;
	s->events = *ev;
	if (!allocate(s)) {
		qos_storage_destroy(s);
		return -ENOMEM;
	}
	init(s);
	*out = s;
	return 0;
}

void qos_storage_destroy(struct qos_storage *s)
{
	if (s == NULL)
		return;
	free(s->conns);
	free(s->rows);
	free(s->cmds);
	free(s->texts);
	free(s->vms);
	free(s->order);
	free(s->conn_heads);
	free(s->row_heads);
	free(s->cmd_heads);
	free(s);
}
