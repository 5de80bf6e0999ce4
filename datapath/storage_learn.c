// Portals that servers teach: iSCSI's redirect and SendTargets, and rpcbind. A worker enters them
// into the table in force before the frame goes on.
//
// Who may teach: a server whose address the operator named, from that address (dp_src_known), in a
// connection that was followed from its SYN on and never lost (qos_pdu.h). The last keeps a guest
// from storing a block that looks like a login response and having it read out of step. What was
// taught does not teach.
//
// thread  worker
#include <string.h>

#include "qos_learn.h"
#include "storage_priv.h"

enum {
	LEARN_PER_S = 64, // per worker and teacher
	CALL_S = 10,	  // a reply that takes longer teaches nothing
	P_TCP = 6,
	P_UDP = 17,
};

// Is it within what a worker may learn in a second? Each teacher has its own part, so that one that
// never stops does not silence the others.
static bool take_turn(struct dp_worker *w, const struct qos_addr *teacher)
{
	struct dp_storage_pw *s = w->storage;
	uint64_t h = dp_storage_mix(w->sw->storage->secret, dp_load64(teacher->b));
	uint16_t *n;

	h = dp_storage_mix(dp_storage_mix(h, dp_load64(teacher->b + 8)), 0);
	n = &s->n_learnt[h % STORAGE_TEACHERS];
	if (s->learnt_s != w->now_s) {
		s->learnt_s = w->now_s;
		memset(s->n_learnt, 0, sizeof(s->n_learnt));
	}
	if (*n == LEARN_PER_S)
		return false;
	++*n;
	return true;
}

// Main is told also of what is known (it is in use), of what found no room (it has more), and of
// what no portal can be: it counts what was refused.
static void learn(struct dp_worker *w, const struct qos_addr *teacher,
		  const struct qos_portal *portal)
{
	struct qos_portals *table = dp_portals(w->snap);

	if (table == NULL || !qos_portals_listed(table, teacher))
		return;
	if (portal->port == 0 || !qos_portal_addr_ok(&portal->addr)) {
		if (take_turn(w, teacher))
			dp_storage_tell_learnt(w, portal, teacher); // who refuses it, and counts
		return;
	}
	if (!qos_learn_wanted(table, portal))
		return; // the operator has said what it is
	if (!take_turn(w, teacher))
		return;
	if (qos_portals_learn(table, portal) == 0)
		dp_storage_count(&w->storage->learnt_live, 1);
	dp_storage_tell_learnt(w, portal, teacher);
}

// --- iSCSI text

static void pair(void *ctx, const char *key, const char *value)
{
	const struct dp_follow *fo = ctx;
	struct qos_portal portal = { .proto = P_TCP,
				     .service = QOS_SVC_ISCSI,
				     .how = fo->w->storage->text_how };

	if (strcmp(key, "TargetAddress") == 0 &&
	    qos_iscsi_address(value, &portal.addr, &portal.port) == 0)
		learn(fo->w, &fo->key->src, &portal);
}

// The text that follows is of interest. One that another flow has not finished is given up.
static void text_begin(struct dp_storage_pw *s, uint16_t flow, const struct qos_pdu *pdu)
{
	if (s->text_flow != flow || !s->text_more)
		qos_text_init(&s->text);
	s->text_flow = flow;
	s->text_more = (pdu->flags & QOS_PDU_F_MORE) != 0;
	s->text_how = pdu->kind == QOS_PDU_LOGIN ? QOS_HOW_REDIRECT : QOS_HOW_SENDTARGETS;
}

static void iscsi_pdu(struct dp_follow *fo, const struct qos_pdu *pdu)
{
	const uint8_t redirect = QOS_PDU_F_RESPONSE | QOS_PDU_F_REDIRECT;
	struct dp_storage_pw *s = fo->w->storage;
	uint16_t flow = dp_flow_idx(fo->w, fo->f);

	if (pdu->kind == QOS_PDU_TARGETS ||
	    (pdu->kind == QOS_PDU_LOGIN && (pdu->flags & redirect) == redirect)) {
		text_begin(s, flow, pdu);
		return;
	}
	if (s->text_flow != flow)
		return;
	if (pdu->kind != QOS_PDU_TEXT) {
		s->text_flow = DP_FLOW_NONE;
		return;
	}
	qos_text_feed(&s->text, pdu->text.data, pdu->text.size, pdu->text.last && !s->text_more,
		      pair, fo);
	if (pdu->text.last && !s->text_more)
		s->text_flow = DP_FLOW_NONE;
}

void dp_storage_learn_pdu(struct dp_follow *fo, const struct qos_pdu *pdu)
{
	const struct qos_stream *st = &fo->f->stream;

	if (st->service == QOS_SVC_RPCBIND)
		dp_storage_learn_rpc(fo, (enum qos_way)st->way, pdu);
	else if (st->service == QOS_SVC_ISCSI && st->way == QOS_FROM_PORTAL)
		iscsi_pdu(fo, pdu);
}

// --- rpcbind
//
// A call and its reply may pass different workers. A call that waits is one word, so that neither
// can be seen in part: 40 bits of a keyed hash of who asks whom under which XID, when (s), for
// which protocol, and what for. It stays until it is too old: a reply that comes twice says the
// same, and another call under the same XID makes both say nothing.

enum { FOR_NONE, FOR_NFS, FOR_RPC, FOR_OTHER };

static uint32_t call_kind(uint32_t prog)
{
	switch (prog) {
	case 100003: // nfs
		return FOR_NFS;
	case 100005: // mountd
	case 100021: // nlockmgr
	case 100024: // status
	case 100011: // rquotad
	case 100227: // nfs_acl
		return FOR_RPC;
	default:
		return FOR_OTHER;
	}
}

static uint64_t call_hash(const struct dp_follow *fo, enum qos_way way, uint32_t xid)
{
	const struct dp_flow_key *k = fo->key;
	bool to = way == QOS_TO_PORTAL;
	const uint8_t *client = to ? k->src.b : k->dst.b, *server = to ? k->dst.b : k->src.b;
	uint64_t h = fo->w->sw->storage->secret;

	for (uint32_t i = 0; i < 16; i += 8)
		h = dp_storage_mix(dp_storage_mix(h, dp_load64(client + i)), dp_load64(server + i));
	h = dp_storage_mix(h, (uint64_t)(to ? k->sport : k->dport) << 8 | k->proto);
	return dp_storage_mix(h, xid);
}

static uint64_t call_pack(uint64_t hash, uint32_t now_s, uint32_t proto, uint32_t kind)
{
	return (hash & ~(uint64_t)0xffffff) | (uint64_t)(now_s & 0xffff) << 8 |
	       (uint64_t)(proto == P_UDP) << 4 | kind;
}

static bool call_is(uint64_t call, uint64_t hash, uint32_t now_s)
{
	return (call & 15) != FOR_NONE && (call ^ hash) >> 24 == 0 &&
	       (uint16_t)(now_s - (uint32_t)(call >> 8)) <= CALL_S;
}

// A call that asks for no port is noted too: its reply may look like one.
static void call_note(struct dp_follow *fo, const struct qos_pdu *pdu)
{
	bool asks = pdu->kind == QOS_PDU_GETPORT;
	uint64_t hash = call_hash(fo, QOS_TO_PORTAL, pdu->tag);
	// By port, too: who calls without end makes no other's calls forgotten.
	struct dp_storage *s = fo->w->sw->storage;
	_Atomic uint64_t *at = &s->calls[fo->key->in_port % STORAGE_CALLERS][hash % STORAGE_CALLS];
	uint64_t was = atomic_load_explicit(at, memory_order_relaxed);
	// Any: rpcbind answers for the transport by which it was asked (RFC 1833 section 2.2.1).
	uint32_t proto = asks && pdu->rpc.proto != 0 ? pdu->rpc.proto : fo->key->proto;
	uint32_t kind = asks && (proto == P_TCP || proto == P_UDP) ? call_kind(pdu->rpc.prog)
								   : (uint32_t)FOR_OTHER;
	uint64_t call = call_pack(hash, fo->w->now_s, proto, kind);

	if (call_is(was, hash, fo->w->now_s) && (was & 0xff) != (call & 0xff))
		call = (call & ~(uint64_t)15) | FOR_OTHER;
	atomic_store_explicit(at, call, memory_order_relaxed);
}

// The call with this hash; 0 = there is none, or they do not agree.
static uint64_t call_find(const struct dp_follow *fo, uint64_t hash)
{
	struct dp_storage *s = fo->w->sw->storage;
	uint64_t found = 0;

	for (uint32_t i = 0; i < STORAGE_CALLERS; i++) {
		uint64_t call = atomic_load_explicit(&s->calls[i][hash % STORAGE_CALLS],
						     memory_order_relaxed);

		if (!call_is(call, hash, fo->w->now_s))
			continue;
		if (found != 0 && (found & 0xff) != (call & 0xff))
			return 0;
		found = call;
	}
	return found;
}

void dp_storage_learn_rpc(struct dp_follow *fo, enum qos_way way, const struct qos_pdu *pdu)
{
	struct qos_portal portal = { .addr = fo->key->src, .how = QOS_HOW_RPCBIND };
	uint64_t call;

	if (way == QOS_TO_PORTAL) {
		if (pdu->kind == QOS_PDU_GETPORT || pdu->kind == QOS_PDU_REQUEST)
			call_note(fo, pdu);
		return;
	}
	if (pdu->kind != QOS_PDU_GETPORT || pdu->rpc.port == 0)
		return;
	call = call_find(fo, call_hash(fo, QOS_FROM_PORTAL, pdu->tag));
	if (call == 0 || (call & 15) == FOR_OTHER)
		return;
	// It speaks for its own address only; another that is no host's says "any of mine".
	if (pdu->rpc.has_addr && memcmp(&pdu->rpc.addr, &portal.addr, sizeof(portal.addr)) != 0 &&
	    qos_portal_addr_ok(&pdu->rpc.addr))
		return;
	portal.port = pdu->rpc.port;
	portal.proto = (call & 16) != 0 ? P_UDP : P_TCP;
	portal.service = (call & 15) == FOR_NFS ? QOS_SVC_NFS : QOS_SVC_RPC;
	learn(fo->w, &fo->key->src, &portal);
}
