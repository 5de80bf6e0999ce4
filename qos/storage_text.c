// iSCSI logins and texts: whose they are, whether they succeeded, and which portals they tell of.
#include "storage_priv.h"

#include <string.h>

static const char *const digest_keys[2] = { "HeaderDigest", "DataDigest" };

void qos_storage_texts_init(struct qos_storage *s)
{
	link_init(&s->texts_lru);
	link_init(&s->free_texts);
	for (uint32_t i = 0; i < s->n_texts; i++) {
		link_init(&s->texts[i].lru);
		link_add(&s->free_texts, &s->texts[i].lru);
	}
}

void qos_storage_text_drop(struct qos_storage *s, struct conn *c)
{
	struct text *t = c->text;

	if (t == NULL)
		return;
	for (uint32_t way = 0; way < 2; way++)
		s->counts.pairs_skipped += t->way[way].pairs.skipped;
	s->vms[t->vm_idx].n_texts--;
	link_del(&t->lru);
	link_add(&s->free_texts, &t->lru);
	c->text = NULL;
}

static void text_replace(struct qos_storage *s, struct text *t)
{
	s->counts.texts_replaced++;
	qos_storage_text_drop(s, t->conn);
}

// One VM's logins that never end must not push out the others': with an eighth of all, it replaces
// its own oldest.
static void text_room(struct qos_storage *s, uint16_t vm_idx)
{
	uint32_t max = s->n_texts / 8 + 1;

	if (vm_idx != 0 && s->vms[vm_idx].n_texts >= max) {
		for (struct qos_link *l = s->texts_lru.next; l != &s->texts_lru; l = l->next) {
			struct text *t = link_of(l, struct text, lru);

			if (t->vm_idx != vm_idx)
				continue;
			text_replace(s, t);
			return;
		}
	}
	if (!link_is_in(&s->free_texts))
		text_replace(s, link_of(s->texts_lru.next, struct text, lru));
}

// c's text, made if need be, and the one that is used last from now on.
static struct text *text_get(struct qos_storage *s, struct conn *c)
{
	struct text *t = c->text;

	if (t != NULL) {
		link_del(&t->lru);
		link_add(&s->texts_lru, &t->lru);
		return t;
	}
	text_room(s, c->vm_idx);
	t = link_of(s->free_texts.next, struct text, lru);
	link_del(&t->lru);
	memset(t, 0, sizeof(*t));
	t->conn = c;
	t->vm_idx = c->vm_idx;
	s->vms[t->vm_idx].n_texts++;
	qos_text_init(&t->way[0].pairs);
	qos_text_init(&t->way[1].pairs);
	link_init(&t->lru);
	link_add(&s->texts_lru, &t->lru);
	c->text = t;
	return t;
}

// Of the pairs of one text.
struct reader {
	struct qos_storage *s;
	struct text *t;
	struct text_way *w;
	enum qos_way way;
};

static void copy(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = '\0';
}

// source  RFC 7143 sections 13.1 (digests) and 6.2 (None, Reject, Irrelevant, NotUnderstood)
static uint8_t digest_of(const char *value)
{
	if (strcmp(value, "None") == 0 || strcmp(value, "Reject") == 0 ||
	    strcmp(value, "Irrelevant") == 0 || strcmp(value, "NotUnderstood") == 0)
		return DIGEST_NONE;
	return strchr(value, ',') != NULL ? DIGEST_LIST : DIGEST_ONE;
}

// What the client says of itself.
static void client_pair(struct text *t, const char *key, const char *value)
{
	if (strcmp(key, "InitiatorName") == 0)
		copy(t->initiator, sizeof(t->initiator), value);
	else if (strcmp(key, "TargetName") == 0)
		copy(t->target, sizeof(t->target), value);
	else if (strcmp(key, "SessionType") == 0)
		t->discovery = strcmp(value, "Discovery") == 0;
	else if (strcmp(key, "MaxRecvDataSegmentLength") == 0)
		t->small = strcmp(value, "8192") == 0;
	else if (strcmp(key, "InitialR2T") == 0)
		t->r2t = strcmp(value, "Yes") == 0;
	else if (strcmp(key, "ImmediateData") == 0)
		t->no_immediate = strcmp(value, "No") == 0;
}

// source  RFC 7143 sections 11.13.5 (redirection) and 13.8, appendix C (SendTargets)
static void address(const struct reader *r, const char *value)
{
	const struct conn *c = r->t->conn;
	struct qos_portal p = { .proto = 6, .service = QOS_SVC_ISCSI };
	bool login = r->w->kind == QOS_PDU_LOGIN;

	if (login && (r->w->flags & QOS_PDU_F_REDIRECT) == 0)
		return;
	if (!c->listed || r->s->events.portal == NULL ||
	    qos_iscsi_address(value, &p.addr, &p.port) < 0)
		return;
	p.how = login ? QOS_HOW_REDIRECT : QOS_HOW_SENDTARGETS;
	r->s->events.portal(r->s->events.ctx, &c->key.portal, &p, r->w->ns);
}

static void on_pair(void *ctx, const char *key, const char *value)
{
	struct reader *r = ctx;

	for (uint32_t i = 0; i < 2; i++) {
		if (strcmp(key, digest_keys[i]) == 0)
			r->w->digest[i] = digest_of(value);
	}
	if (r->way == QOS_TO_PORTAL)
		client_pair(r->t, key, value);
	else if (strcmp(key, "TargetAddress") == 0)
		address(r, value);
}

// FNV-1a. A VM that finds two names of one hash deceives itself only.
static uint64_t name_hash(const char *name)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3u;
	return h == 0 ? 1 : h;
}

// Remembers the target; true when the VM knew it.
static bool is_known(struct vm *v, const char *target)
{
	uint64_t h = name_hash(target);

	for (uint32_t i = 0; i < QOS_STORAGE_TARGETS; i++) {
		if (v->target[i] == h)
			return true;
	}
	v->target[v->next] = h;
	v->next = (uint16_t)((v->next + 1) % QOS_STORAGE_TARGETS);
	return false;
}

// The portal chooses from what the client offered; or it offered a list itself, and the client
// chose.
static bool has_digests(const struct text *t)
{
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t said = t->way[QOS_FROM_PORTAL].digest[i];

		if (said == DIGEST_LIST)
			said = t->way[QOS_TO_PORTAL].digest[i];
		if (said == DIGEST_ONE)
			return true;
	}
	return false;
}

// Boot ROMs: iPXE by its name, or by what it offers when it was given another one.
static bool is_firmware(const struct text *t)
{
	const char *ipxe = "iqn.2010-04.org.ipxe";

	return strncmp(t->initiator, ipxe, strlen(ipxe)) == 0 ||
	       (t->small && t->r2t && t->no_immediate);
}

static void login_done(struct qos_storage *s, struct text *t)
{
	struct conn *c = t->conn;
	struct qos_storage_row *row = &c->row->pub;
	struct qos_login l = { .vm_idx = c->vm_idx,
			       .ns = t->way[QOS_FROM_PORTAL].ns,
			       .initiator = t->initiator,
			       .target = t->target,
			       .firmware = is_firmware(t) };

	if (has_digests(t)) {
		c->digests = true;
		row->digests = true;
		qos_storage_drop_cmds(s, c);
	}
	if (!t->discovery) {
		row->logins++;
		copy(row->initiator, sizeof(row->initiator), t->initiator);
		copy(row->target, sizeof(row->target), t->target);
		l.again = is_known(&s->vms[c->vm_idx], t->target);
		if (s->events.login != NULL)
			s->events.login(s->events.ctx, &l);
	}
	qos_storage_text_drop(s, c);
}

// A LOGIN has been read to its end.
static void login_end(struct qos_storage *s, struct text *t, struct text_way *w, enum qos_way way)
{
	if (way == QOS_FROM_PORTAL && (w->flags & QOS_PDU_F_REDIRECT) != 0) {
		qos_storage_text_drop(s, t->conn);
		return;
	}
	// Without all that the client says it is not known whose login this is; what the portal
	// grants is in its header.
	if ((w->flags & QOS_PDU_F_FULL) != 0 && (!w->broken || way == QOS_FROM_PORTAL))
		w->full = true;
	// Both directions must have said so, and who logs in must be known: their events may come
	// in any order.
	if (t->way[QOS_TO_PORTAL].full && t->way[QOS_FROM_PORTAL].full && t->initiator[0] != '\0')
		login_done(s, t);
}

void qos_storage_text_end(struct qos_storage *s, struct conn *c, enum qos_way way)
{
	struct text *t = c->text;
	struct text_way *w = &t->way[way];
	uint8_t kind = w->kind;

	if (kind == 0)
		return;
	if (!w->whole && w->at > 0)
		w->broken = true;
	if ((w->flags & QOS_PDU_F_MORE) != 0)
		return; // its last pair may go on
	w->kind = 0;
	if (kind == QOS_PDU_LOGIN)
		login_end(s, t, w, way);
	else
		qos_storage_text_drop(s, c);
}

void qos_storage_text_lost(struct conn *c, enum qos_way way)
{
	if (c->text != NULL)
		c->text->way[way].kind = 0;
}

static bool is_failed(const struct qos_pdu *pdu)
{
	return pdu->kind == QOS_PDU_LOGIN && (pdu->flags & QOS_PDU_F_RESPONSE) != 0 &&
	       pdu->status != 0 && (pdu->flags & QOS_PDU_F_REDIRECT) == 0;
}

void qos_storage_text_begin(struct qos_storage *s, struct conn *c, enum qos_way way,
			    const struct qos_pdu *pdu, uint64_t ns)
{
	bool answer = pdu->kind == QOS_PDU_TARGETS || (pdu->flags & QOS_PDU_F_RESPONSE) != 0;
	struct text_way *w;

	if (answer != (way == QOS_FROM_PORTAL))
		return;
	if (is_failed(pdu)) {
		c->row->pub.errors++;
		qos_storage_text_drop(s, c);
		return;
	}
	if ((pdu->flags & QOS_PDU_F_REDIRECT) != 0 && pdu->kind == QOS_PDU_LOGIN && answer)
		c->row->pub.redirects++;
	w = &text_get(s, c)->way[way];
	if (w->kind != pdu->kind || (w->flags & QOS_PDU_F_MORE) == 0) {
		s->counts.pairs_skipped += w->pairs.skipped;
		qos_text_init(&w->pairs);
		w->broken = false;
	}
	w->kind = pdu->kind;
	w->flags = pdu->flags;
	w->whole = false;
	w->at = 0;
	w->ns = ns;
}

void qos_storage_text_piece(struct qos_storage *s, struct conn *c, enum qos_way way,
			    const struct qos_pdu *pdu)
{
	struct text *t = c->text;
	struct reader r = { .s = s, .t = t, .way = way };

	if (t == NULL || t->way[way].kind == 0)
		return;
	r.w = &t->way[way];
	// A piece that did not come takes the rest of the text with it: half a name is none.
	if (pdu->text.offset != r.w->at || pdu->text.size > QOS_PDU_TEXT_MAX - r.w->at)
		r.w->broken = true;
	if (!r.w->broken) {
		bool last = pdu->text.last && (r.w->flags & QOS_PDU_F_MORE) == 0;

		r.w->at = (uint16_t)(r.w->at + pdu->text.size);
		qos_text_feed(&r.w->pairs, pdu->text.data, pdu->text.size, last, on_pair, &r);
	}
	r.w->whole = pdu->text.last;
	if (pdu->text.last)
		qos_storage_text_end(s, c, way);
}

void qos_storage_expire_texts(struct qos_storage *s, uint64_t now_ns)
{
	struct qos_link *l = s->texts_lru.next, *next;

	for (; l != &s->texts_lru; l = next) {
		struct text *t = link_of(l, struct text, lru);
		struct conn *c = t->conn;

		next = l->next;
		// A last answer without a text, with nothing behind it.
		for (uint32_t way = 0; way < 2 && c->text == t; way++) {
			const struct text_way *w = &t->way[way];

			if (w->kind != 0 && w->at == 0 && now_ns > w->ns &&
			    now_ns - w->ns >= QOS_STORAGE_EARLY_NS)
				qos_storage_text_end(s, c, way);
		}
	}
}
