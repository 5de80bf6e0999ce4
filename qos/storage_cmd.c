// Commands that wait for their answer, in a pool, found by connection and tag.
#include "storage_priv.h"

// Steps back from the youngest of a row when a command comes late; further back it stands a bit too
// near to the end, and the row's oldest time may be off by as much as the two workers are apart.
#define BACK_MAX 16

static uint32_t *head_of(const struct qos_storage *s, const struct conn *c, uint32_t tag)
{
	uint64_t key = (uint64_t)(uint32_t)(c - s->conns) << 32 | tag;

	return &s->cmd_heads[storage_mix(key) & (s->n_heads_cmd - 1)];
}

static void tell_oldest(struct row *r)
{
	r->pub.oldest_ns =
		link_is_in(&r->waiting) ? link_of(r->waiting.next, struct cmd, by_age)->ns : 0;
}

static void wait_in(struct row *r, struct cmd *m)
{
	struct qos_link *at = &r->waiting;

	for (uint32_t i = 0; i < BACK_MAX && at->prev != &r->waiting; i++) {
		if (link_of(at->prev, struct cmd, by_age)->ns <= m->ns)
			break;
		at = at->prev;
	}
	link_add(at, &m->by_age);
	r->pub.outstanding_now++;
	tell_oldest(r);
}

static void cmd_free(struct qos_storage *s, struct cmd *m)
{
	uint32_t i = (uint32_t)(m - s->cmds), *p = head_of(s, m->conn, m->tag);

	while (*p != i)
		p = &s->cmds[*p].chain;
	*p = m->chain;
	link_del(&m->by_age);
	link_del(&m->by_conn);
	if (m->state == CMD_EARLY) {
		s->n_early--;
	} else {
		s->counts.outstanding_now--;
		m->conn->row->pub.outstanding_now--;
		tell_oldest(m->conn->row);
	}
	m->state = CMD_FREE;
	m->chain = s->free_cmd;
	s->free_cmd = i;
	s->n_free_cmds++;
}

static void cmd_give_up(struct qos_storage *s, struct cmd *m)
{
	m->conn->row->pub.unmatched++;
	cmd_free(s, m);
}

static struct cmd *cmd_new(struct qos_storage *s, struct conn *c, uint32_t tag, uint64_t ns)
{
	uint32_t *head = head_of(s, c, tag), i;
	struct cmd *m;

	if (s->free_cmd == NONE && s->n_early > 0)
		cmd_give_up(s, link_of(s->early.next, struct cmd, by_age));
	i = s->free_cmd;
	if (i == NONE)
		return NULL;
	m = &s->cmds[i];
	s->free_cmd = m->chain;
	s->n_free_cmds--;
	*m = (struct cmd){ .conn = c, .tag = tag, .ns = ns, .chain = *head };
	*head = i;
	link_init(&m->by_age);
	link_add(&c->cmds, &m->by_conn);
	return m;
}

void qos_storage_cmds_init(struct qos_storage *s)
{
	link_init(&s->early);
	for (uint32_t i = 0; i < s->n_heads_cmd; i++)
		s->cmd_heads[i] = NONE;
	for (uint32_t i = 0; i < s->params.n_outstanding; i++)
		s->cmds[i].chain = i + 1 < s->params.n_outstanding ? i + 1 : NONE;
	s->free_cmd = 0;
	s->n_free_cmds = s->params.n_outstanding;
}

// What is there under one tag.
struct found {
	struct cmd *before, *after; // waits: the latest not later than the time, the first later
	struct cmd *oldest;	    // waits
	struct cmd *early;	    // the first answer not before the time
	struct cmd *stale;	    // an answer before the time
	uint32_t n_waits, n_chain;
};

static void found_waits(struct found *f, struct cmd *m, uint64_t ns)
{
	f->n_waits++;
	if (f->oldest == NULL || m->ns < f->oldest->ns)
		f->oldest = m;
	if (m->ns <= ns) {
		if (f->before == NULL || m->ns > f->before->ns)
			f->before = m;
	} else if (f->after == NULL || m->ns < f->after->ns) {
		f->after = m;
	}
}

static void found_early(struct found *f, struct cmd *m, uint64_t ns)
{
	if (m->ns + QOS_STORAGE_TURN_NS < ns)
		f->stale = m;
	else if (f->early == NULL || m->ns < f->early->ns)
		f->early = m;
}

static struct found find(const struct qos_storage *s, const struct conn *c, uint32_t tag,
			 uint64_t ns)
{
	struct found f = { 0 };

	// No chain is longer: has_room.
	for (uint32_t i = *head_of(s, c, tag); i != NONE; i = s->cmds[i].chain) {
		struct cmd *m = &s->cmds[i];

		f.n_chain++;
		if (m->tag != tag || m->conn != c)
			continue;
		if (m->state == CMD_WAITS)
			found_waits(&f, m, ns);
		else
			found_early(&f, m, ns);
	}
	return f;
}

static bool has_room(const struct found *f)
{
	return f->n_chain < CHAIN_MAX;
}

// A portal of a listed server, told by its rpcbind.
// source  RFC 1833 section 3; program numbers of IANA's registry: 100003 nfs, 100005 mountd, 100021
//         nlockmgr, 100024 statd
static void teach_rpc(struct qos_storage *s, const struct cmd *asked, const struct cmd *told,
		      uint64_t ns)
{
	const struct conn *c = asked->conn;
	struct qos_portal p = { .addr = told->has_addr ? told->addr : c->key.portal,
				.port = told->port,
				.proto = asked->proto == 0 ? 6 : asked->proto,
				.service = QOS_SVC_RPC,
				.how = QOS_HOW_RPCBIND };

	if (asked->prog == 100003)
		p.service = QOS_SVC_NFS;
	else if (asked->prog != 100005 && asked->prog != 100021 && asked->prog != 100024)
		return;
	if (!c->listed || told->port == 0 || s->events.portal == NULL)
		return;
	s->events.portal(s->events.ctx, &c->key.portal, &p, ns);
}

// asked waited, told is its answer; neither is freed.
static void count_took(struct qos_storage *s, const struct cmd *asked, const struct cmd *told)
{
	struct row *r = asked->conn->row;

	qos_hist_add(&r->pub.took[asked->op], told->ns > asked->ns ? told->ns - asked->ns : 0);
	if (asked->prog != 0)
		teach_rpc(s, asked, told, told->ns);
}

static bool is_rpc(const struct conn *c)
{
	return c->service == QOS_SVC_NFS || c->service == QOS_SVC_RPCBIND ||
	       c->service == QOS_SVC_RPC;
}

// Sampling: see the header. A row that holds as many slots as are free gets no more, so a portal
// that hangs never takes the last one.
static bool is_measured(struct qos_storage *s, const struct row *r)
{
	uint32_t free = s->n_free_cmds + s->n_early, held = r->pub.outstanding_now, shift = 0;

	if (held < QOS_STORAGE_FEW)
		return true;
	if (held >= free)
		return false;
	while (free - held < free >> (shift + 1))
		shift++;
	// Multiples of the golden ratio are spread evenly, whatever pattern reads and writes have.
	return shift == 0 || (++s->n_asked * 0x9e3779b1u) >> (32 - shift) == 0;
}

static void skip(struct qos_storage *s, struct conn *c)
{
	c->row->pub.unmeasured++;
	s->counts.unmeasured++;
	c->skipped++;
}

// True when the command is in f already: the same call once more.
static bool is_again(const struct conn *c, const struct found *f, const struct cmd *asked)
{
	struct cmd *m = f->oldest;

	if (m == NULL || !is_rpc(c) || m->op != asked->op || m->bytes != asked->bytes ||
	    m->prog != asked->prog)
		return false;
	// Another worker may have told of the second one first.
	if (asked->ns < m->ns)
		m->ns = asked->ns;
	tell_oldest(c->row);
	return true;
}

static void asked_from(struct cmd *m, struct conn *c, const struct qos_pdu *pdu, uint64_t ns)
{
	*m = (struct cmd){ .conn = c, .tag = pdu->tag, .ns = ns, .op = QOS_OP_OTHER };
	if (pdu->kind == QOS_PDU_GETPORT) {
		m->prog = pdu->rpc.prog;
		m->proto = pdu->rpc.proto;
		return;
	}
	m->bytes = pdu->bytes;
	m->op = pdu->op < QOS_N_OPS ? pdu->op : QOS_OP_OTHER;
}

static void store(struct qos_storage *s, const struct cmd *asked)
{
	struct cmd *m = cmd_new(s, asked->conn, asked->tag, asked->ns);

	if (m == NULL) {
		skip(s, asked->conn);
		return;
	}
	m->op = asked->op;
	m->bytes = asked->bytes;
	m->prog = asked->prog;
	m->proto = asked->proto;
	m->state = CMD_WAITS;
	s->counts.outstanding_now++;
	wait_in(asked->conn->row, m);
}

void qos_storage_asked(struct qos_storage *s, struct conn *c, const struct qos_pdu *pdu,
		       uint64_t ns)
{
	struct found f = find(s, c, pdu->tag, ns);
	struct row *r = c->row;
	struct cmd asked;

	asked_from(&asked, c, pdu, ns);
	if (is_again(c, &f, &asked))
		return;
	r->pub.bytes[asked.op] += asked.bytes;
	if ((c->blind & 1u << QOS_FROM_PORTAL) != 0) {
		r->pub.unmatched++; // nobody will tell of its answer
		return;
	}
	if (f.stale != NULL)
		cmd_give_up(s, f.stale);
	if (f.early != NULL) {
		count_took(s, &asked, f.early);
		cmd_free(s, f.early);
		return;
	}
	if (f.n_waits > 0 && (is_rpc(c) || f.n_waits >= QOS_STORAGE_SAME)) {
		cmd_give_up(s, f.oldest);
		f.n_chain--;
	}
	if (has_room(&f) && (asked.prog != 0 || is_measured(s, r)))
		store(s, &asked);
	else
		skip(s, c);
}

static void told_from(struct cmd *m, struct conn *c, const struct qos_pdu *pdu, uint64_t ns)
{
	*m = (struct cmd){ .conn = c, .tag = pdu->tag, .ns = ns };
	if (pdu->kind != QOS_PDU_GETPORT)
		return;
	m->port = pdu->rpc.port;
	m->has_addr = pdu->rpc.has_addr;
	if (m->has_addr)
		m->addr = pdu->rpc.addr;
}

static void keep_early(struct qos_storage *s, const struct cmd *told)
{
	uint32_t max = s->params.n_outstanding / 8 + 1;
	struct cmd *m;

	if (s->n_early >= max)
		cmd_give_up(s, link_of(s->early.next, struct cmd, by_age));
	m = cmd_new(s, told->conn, told->tag, told->ns);
	if (m == NULL) {
		told->conn->row->pub.unmatched++;
		return;
	}
	m->port = told->port;
	m->has_addr = told->has_addr;
	m->addr = told->addr;
	m->state = CMD_EARLY;
	s->n_early++;
	link_add(&s->early, &m->by_age);
}

// The answer is for m, one of n that wait under its tag. What waits longer gets none any more.
static void match(struct qos_storage *s, struct cmd *m, const struct cmd *told, uint32_t n)
{
	struct conn *c = m->conn;
	uint64_t ns = m->ns;

	count_took(s, m, told);
	cmd_free(s, m);
	while (--n > 0) {
		struct found f = find(s, c, told->tag, ns);

		if (f.before == NULL)
			return;
		cmd_give_up(s, f.before);
	}
}

void qos_storage_answered(struct qos_storage *s, struct conn *c, const struct qos_pdu *pdu,
			  uint64_t ns)
{
	struct found f = find(s, c, pdu->tag, ns);
	struct cmd told, *m = f.before;

	told_from(&told, c, pdu, ns);
	if (pdu->kind == QOS_PDU_RESPONSE && pdu->status != 0)
		c->row->pub.errors++;
	if (m == NULL && f.after != NULL && f.after->ns <= ns + QOS_STORAGE_TURN_NS)
		m = f.after;
	if (m != NULL)
		match(s, m, &told, f.n_waits);
	else if (c->skipped > 0)
		c->skipped--;
	else if ((c->blind & 1u << QOS_TO_PORTAL) != 0 || !has_room(&f))
		c->row->pub.unmatched++;
	else
		keep_early(s, &told);
}

void qos_storage_drop_cmds(struct qos_storage *s, struct conn *c)
{
	while (link_is_in(&c->cmds))
		cmd_give_up(s, link_of(c->cmds.next, struct cmd, by_conn));
	c->skipped = 0;
}

void qos_storage_move_cmds(struct conn *c, struct row *to)
{
	struct row *from = c->row;

	for (struct qos_link *l = c->cmds.next; l != &c->cmds; l = l->next) {
		struct cmd *m = link_of(l, struct cmd, by_conn);

		if (m->state != CMD_WAITS)
			continue;
		link_del(&m->by_age);
		from->pub.outstanding_now--;
		wait_in(to, m);
	}
	tell_oldest(from);
}

void qos_storage_expire_row(struct qos_storage *s, struct row *r, uint64_t now_ns)
{
	while (link_is_in(&r->waiting)) {
		struct cmd *m = link_of(r->waiting.next, struct cmd, by_age);

		if (m->ns >= now_ns || now_ns - m->ns < s->params.idle_ns)
			return;
		cmd_give_up(s, m);
	}
}

void qos_storage_expire_cmds(struct qos_storage *s, uint64_t now_ns)
{
	while (link_is_in(&s->early)) {
		struct cmd *m = link_of(s->early.next, struct cmd, by_age);

		if (m->ns >= now_ns || now_ns - m->ns < QOS_STORAGE_EARLY_NS)
			break;
		cmd_give_up(s, m);
	}
}
