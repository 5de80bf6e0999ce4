// Logins, redirection, discovery, rpcbind.
#include <stdio.h>

#include "storage_unit.h"

#define IPXE "iqn.2010-04.org.ipxe:diskless-1"
#define LINUX "iqn.1993-08.org.debian:01:abc"
#define DISK "iqn.2020-01.lab:disk"

// A PDU with a text of n bytes, told in pieces of `piece`.
static void tell(struct qos_storage *s, int conn, const struct qos_pdu *pdu, const char *text,
		 size_t n, size_t piece)
{
	enum qos_way way = pdu->kind == QOS_PDU_TARGETS || (pdu->flags & QOS_PDU_F_RESPONSE) != 0
				   ? QOS_FROM_PORTAL
				   : QOS_TO_PORTAL;

	qos_storage_pdu(s, conn, way, pdu, 1000);
	for (size_t at = 0; at < n; at += piece) {
		size_t size = n - at < piece ? n - at : piece;
		uint8_t *bytes = exact_copy(text + at, size);
		struct qos_pdu p = { .kind = QOS_PDU_TEXT };

		p.text.data = bytes;
		p.text.size = (uint16_t)size;
		p.text.offset = (uint16_t)at;
		p.text.last = at + size == n;
		qos_storage_pdu(s, conn, way, &p, 1000);
		free(bytes);
	}
}

static const struct qos_pdu ask_first = { .kind = QOS_PDU_LOGIN },
			    ask_full = { .kind = QOS_PDU_LOGIN, .flags = QOS_PDU_F_FULL },
			    say_first = { .kind = QOS_PDU_LOGIN, .flags = QOS_PDU_F_RESPONSE },
			    say_full = { .kind = QOS_PDU_LOGIN,
					 .flags = QOS_PDU_F_RESPONSE | QOS_PDU_F_FULL },
			    say_failed = { .kind = QOS_PDU_LOGIN,
					   .flags = QOS_PDU_F_RESPONSE,
					   .status = 2 },
			    say_redirect = { .kind = QOS_PDU_LOGIN,
					     .flags = QOS_PDU_F_RESPONSE | QOS_PDU_F_REDIRECT,
					     .status = 1 },
			    say_targets = { .kind = QOS_PDU_TARGETS };

#define TELL(s, conn, pdu, text) tell(s, conn, &(pdu), text, sizeof(text) - 1, 4096)

// A login in two stages.
static void login(struct qos_storage *s, int conn, const char *name, const char *target,
		  const char *segment)
{
	char text[600];
	int n = snprintf(text, sizeof(text),
			 "InitiatorName=%s%cTargetName=%s%cSessionType=Normal%cAuthMethod=None%c",
			 name, 0, target, 0, 0, 0);

	tell(s, conn, &ask_first, text, (size_t)n, 4096);
	TELL(s, conn, say_first, "AuthMethod=None\0TargetPortalGroupTag=1\0");
	n = snprintf(text, sizeof(text),
		     "HeaderDigest=None%cInitialR2T=Yes%cImmediateData=No%c"
		     "MaxRecvDataSegmentLength=%s%c",
		     0, 0, 0, segment, 0);
	tell(s, conn, &ask_full, text, (size_t)n, 4096);
	TELL(s, conn, say_full, "HeaderDigest=None\0DataDigest=None\0");
}

static void a_login_tells_who_and_where(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

	(void)state;
	login(s, conn, LINUX, DISK, "262144");
	assert_int_equal(h.n_logins, 1);
	assert_string_equal(h.initiator, LINUX);
	assert_string_equal(h.target, DISK);
	assert_int_equal(h.login.vm_idx, 3);
	assert_int_equal(h.login.ns, 1000);
	assert_false(h.login.firmware);
	assert_false(h.login.again);
	assert_int_equal(row_of(s, 3)->logins, 1);
	assert_string_equal(row_of(s, 3)->initiator, LINUX);
	assert_string_equal(row_of(s, 3)->target, DISK);
	assert_int_equal(h.n_portals, 0);
	qos_storage_destroy(s);
}

static void firmware_is_known_by_name_or_offer(void **state)
{
	static const struct {
		const char *name, *segment;
		bool firmware;
	} cases[] = {
		{ IPXE, "262144", true },
		{ "iqn.2024-01.lab:by-option-203", "8192", true },
		{ LINUX, "262144", false },
		{ "iqn.2010-04.org.ipx", "65536", false },
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct heard h;
		struct qos_storage *s = watch(&h);

		login(s, open_conn(s, 1, QOS_SVC_ISCSI, 3), cases[i].name, DISK, cases[i].segment);
		assert_int_equal(h.n_logins, 1);
		assert_int_equal(h.login.firmware, cases[i].firmware);
		qos_storage_destroy(s);
	}
}

static void the_same_target_is_again_until_forgotten(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int a = open_conn(s, 1, QOS_SVC_ISCSI, 3), b = open_conn(s, 2, QOS_SVC_ISCSI, 4);

	(void)state;
	login(s, a, IPXE, DISK, "8192");
	assert_false(h.login.again);
	login(s, b, LINUX, DISK, "8192"); // another VM
	assert_false(h.login.again);
	login(s, a, LINUX, DISK "2", "262144");
	assert_false(h.login.again);
	login(s, a, LINUX, DISK, "262144");
	assert_true(h.login.again);
	qos_storage_forget_logins(s, 3);
	login(s, a, LINUX, DISK, "262144");
	assert_false(h.login.again);
	login(s, b, LINUX, DISK, "8192");
	assert_true(h.login.again);
	// A VM remembers a few; the oldest goes.
	for (char c = 'a'; c < 'a' + QOS_STORAGE_TARGETS; c++)
		login(s, a, LINUX, (const char[]){ c, '\0' }, "8192");
	login(s, a, LINUX, DISK, "262144");
	assert_false(h.login.again);
	assert_int_equal(row_of(s, 3)->logins, 5 + QOS_STORAGE_TARGETS);
	qos_storage_destroy(s);
}

static void text_may_come_byte_by_byte_and_in_several_pdus(void **state)
{
	static const char text[] = "InitiatorName=" IPXE "\0TargetName=" DISK "\0";
	struct qos_pdu more = ask_full;

	(void)state;
	more.flags = QOS_PDU_F_MORE;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		struct heard h;
		struct qos_storage *s = watch(&h);
		int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

		tell(s, conn, &more, text, cut, 1);
		assert_int_equal(h.n_logins, 0);
		tell(s, conn, &ask_full, text + cut, sizeof(text) - 1 - cut, 1);
		qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &say_full, 1000);
		assert_int_equal(h.n_logins, 0); // its text may follow
		ask(s, conn, 1, QOS_OP_READ, 1100);
		answer(s, conn, 1, 1200); // there was none
		assert_int_equal(h.n_logins, 1);
		assert_string_equal(h.initiator, IPXE);
		assert_string_equal(h.target, DISK);
		assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, 1);
		qos_storage_destroy(s);
	}
}

static void an_answer_without_text_ends_by_time(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

	(void)state;
	TELL(s, conn, ask_full, "InitiatorName=" IPXE "\0TargetName=" DISK "\0");
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &say_full, 1000);
	qos_storage_tick(s, 1 * S);
	assert_int_equal(h.n_logins, 0);
	qos_storage_tick(s, 1000 + QOS_STORAGE_EARLY_NS);
	assert_int_equal(h.n_logins, 1);
	qos_storage_destroy(s);
}

static void the_answer_may_be_told_first(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

	(void)state;
	TELL(s, conn, say_full, "HeaderDigest=None\0");
	assert_int_equal(h.n_logins, 0);
	TELL(s, conn, ask_full, "InitiatorName=" IPXE "\0TargetName=" DISK "\0");
	assert_int_equal(h.n_logins, 1);
	qos_storage_destroy(s);
}

static void what_is_not_granted_is_no_login(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

	(void)state;
	// A challenge is a good answer, and then the secret is wrong.
	TELL(s, conn, ask_first, "InitiatorName=" IPXE "\0TargetName=" DISK "\0");
	TELL(s, conn, say_first, "CHAP_A=5\0");
	TELL(s, conn, ask_full, "CHAP_N=x\0");
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &say_failed, 1000);
	ask(s, conn, 1, QOS_OP_READ, 2000);
	answer(s, conn, 1, 3000);
	qos_storage_tick(s, 10 * S);
	assert_int_equal(h.n_logins, 0);
	assert_int_equal(row_of(s, 3)->logins, 0);
	assert_int_equal(row_of(s, 3)->errors, 1);
	// The client alone says that all is granted.
	TELL(s, conn, ask_full, "InitiatorName=" IPXE "\0TargetName=" DISK "\0");
	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &say_full, 1000);
	qos_storage_tick(s, 20 * S);
	assert_int_equal(h.n_logins, 0);
	qos_storage_destroy(s);
}

static void discovery_is_no_login(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

	(void)state;
	TELL(s, conn, ask_full, "InitiatorName=" LINUX "\0SessionType=Discovery\0");
	TELL(s, conn, say_full, "HeaderDigest=None\0");
	assert_int_equal(h.n_logins, 0);
	assert_int_equal(row_of(s, 3)->logins, 0);
	TELL(s, conn, say_targets, "TargetName=a\0TargetAddress=10.0.0.9,1\0");
	assert_int_equal(h.n_portals, 1);
	qos_storage_destroy(s);
}

static void agreed_digests_end_measuring(void **state)
{
	static const struct {
		const char *offer, *choice;
		bool digests;
	} cases[] = {
		{ "CRC32C,None", "CRC32C", true }, { "CRC32C,None", "None", false },
		{ "None,CRC32C", "CRC32C", true }, { "CRC32C", "Reject", false },
		{ "None", "CRC32C,None", false },  { "CRC32C", "CRC32C,None", true },
		{ "CRC32C", "Irrelevant", false },
	};

	(void)state;
	for (uint32_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const char *key = i % 2 == 0 ? "HeaderDigest" : "DataDigest";
		struct heard h;
		struct qos_storage *s = watch(&h);
		int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
		char text[200];
		int n = snprintf(text, sizeof(text), "InitiatorName=x%cTargetName=t%c%s=%s%c", 0, 0,
				 key, cases[i / 2].offer, 0);

		tell(s, conn, &ask_full, text, (size_t)n, 7);
		n = snprintf(text, sizeof(text), "%s=%s%c", key, cases[i / 2].choice, 0);
		tell(s, conn, &say_full, text, (size_t)n, 3);
		assert_int_equal(h.n_logins, 1);
		ask(s, conn, 1, QOS_OP_READ, 2000);
		answer(s, conn, 1, 3000);
		assert_int_equal(row_of(s, 3)->digests, cases[i / 2].digests);
		assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, !cases[i / 2].digests);
		assert_int_equal(row_of(s, 3)->unmatched, 0);
		qos_storage_destroy(s);
	}
}

static void is_portal(const struct qos_portal *p, uint32_t addr, uint16_t port, enum qos_how how)
{
	struct qos_addr want = v4(addr);

	assert_memory_equal(&p->addr, &want, sizeof(want));
	assert_int_equal(p->port, port);
	assert_int_equal(p->how, how);
}

static void redirection_teaches(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	struct qos_addr teacher = v4(PORTAL);

	(void)state;
	TELL(s, conn, ask_full, "InitiatorName=" IPXE "\0TargetName=" DISK "\0");
	tell(s, conn, &say_redirect, "TargetAddress=10.0.0.7:3261,1\0", 30, 1);
	assert_int_equal(h.n_portals, 1);
	is_portal(&h.portal[0], 0x0a000007, 3261, QOS_HOW_REDIRECT);
	assert_int_equal(h.portal[0].service, QOS_SVC_ISCSI);
	assert_int_equal(h.portal[0].proto, 6);
	assert_memory_equal(&h.teacher, &teacher, sizeof(teacher));
	assert_int_equal(row_of(s, 3)->redirects, 1);
	assert_int_equal(h.n_logins, 0);
	// An address without a redirection says nothing, nor does a name.
	TELL(s, conn, say_first, "TargetAddress=10.0.0.8\0");
	TELL(s, conn, say_redirect, "TargetAddress=storage.lab:3260\0");
	assert_int_equal(h.n_portals, 1);
	qos_storage_destroy(s);
}

static void discovery_teaches_several_per_target(void **state)
{
	static const char text[] = "TargetName=a\0TargetAddress=10.0.0.2:3260,1\0"
				   "TargetAddress=10.0.0.3:860,2\0TargetName=b\0"
				   "TargetAddress=[2001:db8::5]:3260,1\0";
	struct qos_pdu more = say_targets;

	(void)state;
	more.flags = QOS_PDU_F_MORE;
	for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
		struct heard h;
		struct qos_storage *s = watch(&h);
		int conn = open_way(s, 1, QOS_SVC_ISCSI, QOS_FROM_PORTAL, 0);

		tell(s, conn, &more, text, cut, 5);
		tell(s, conn, &say_targets, text + cut, sizeof(text) - 1 - cut, 1);
		assert_int_equal(h.n_portals, 3);
		is_portal(&h.portal[0], 0x0a000002, 3260, QOS_HOW_SENDTARGETS);
		is_portal(&h.portal[1], 0x0a000003, 860, QOS_HOW_SENDTARGETS);
		assert_int_equal(h.portal[2].addr.b[15], 5);
		qos_storage_destroy(s);
	}
}

static void a_missing_piece_spoils_the_rest_of_its_text(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	struct qos_pdu p = { .kind = QOS_PDU_TEXT }, more = say_targets;

	(void)state;
	more.flags = QOS_PDU_F_MORE;
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &say_targets, 1000);
	p.text.data = (const uint8_t *)"TargetAddress=10.0.0.";
	p.text.size = 21;
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &p, 1000);
	p.text.data = (const uint8_t *)"9\0TargetAddress=10.0.0.10\0";
	p.text.size = 26;
	p.text.offset = 22; // one byte is missing
	p.text.last = true;
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &p, 1000);
	assert_int_equal(h.n_portals, 0);
	TELL(s, conn, say_targets, "TargetAddress=10.0.0.11\0");
	assert_int_equal(h.n_portals, 1);
	// The last piece is missing; the next PDU does not go on with the text.
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &more, 1000);
	p.text.data = (const uint8_t *)"TargetAddress=10.0.0.1";
	p.text.size = 22;
	p.text.offset = 0;
	p.text.last = false;
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &p, 1000);
	TELL(s, conn, say_targets, "2\0TargetAddress=10.0.0.13\0");
	assert_int_equal(h.n_portals, 1);
	qos_storage_destroy(s);
}

static void a_lost_direction_does_not_spoil_the_other(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	struct qos_pdu p = { .kind = QOS_PDU_TEXT };

	(void)state;
	for (int way = 0; way < 2; way++) {
		qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &say_targets, 1000);
		p.text.data = (const uint8_t *)"TargetAddress=10.0.";
		p.text.size = 19;
		p.text.offset = 0;
		p.text.last = false;
		qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &p, 1000);
		say(s, conn, (enum qos_way)way, QOS_PDU_LOST, QOS_LOST_GAP);
		p.text.data = (const uint8_t *)"0.9\0";
		p.text.size = 4;
		p.text.offset = 19;
		p.text.last = true;
		qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &p, 1000);
		assert_int_equal(h.n_portals, 1); // with its own direction lost, nothing
	}
	qos_storage_destroy(s);
}

static void who_is_not_listed_teaches_nothing(void **state)
{
	const struct qos_conn_key k = key_of(PORTAL, 1, 3260), bind = key_of(PORTAL, 1, 111);
	struct heard h;
	struct qos_storage *s = watch(&h);
	struct qos_portal_hit hit = { .service = QOS_SVC_ISCSI, .how = QOS_HOW_REDIRECT };
	struct qos_pdu call = { .kind = QOS_PDU_GETPORT, .tag = 1 }, reply = call;
	int conn;

	(void)state;
	qos_storage_open(s, &k, &hit, 3, 1);
	hit.way = QOS_FROM_PORTAL;
	conn = qos_storage_open(s, &k, &hit, 0, 1);
	TELL(s, conn, say_targets, "TargetName=a\0TargetAddress=10.0.0.2:3260,1\0");
	TELL(s, conn, say_redirect, "TargetAddress=10.0.0.2:3260,1\0");
	hit.service = QOS_SVC_RPCBIND;
	qos_storage_open(s, &bind, &hit, 0, 1);
	hit.way = QOS_TO_PORTAL;
	conn = qos_storage_open(s, &bind, &hit, 3, 1);
	call.rpc.prog = 100005;
	reply.flags = QOS_PDU_F_RESPONSE;
	reply.rpc.port = 20048;
	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &call, 1);
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &reply, 2);
	assert_int_equal(h.n_portals, 0);
	qos_storage_destroy(s);
}

static void clients_teach_nothing(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	struct qos_pdu p = { .kind = QOS_PDU_TEXT };

	(void)state;
	p.text.data = (const uint8_t *)"TargetAddress=10.0.0.2\0";
	p.text.size = 23;
	p.text.last = true;
	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &say_targets, 1000);
	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &p, 1000);
	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &say_redirect, 1000);
	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &p, 1000);
	TELL(s, conn, ask_full, "InitiatorName=x\0TargetAddress=10.0.0.2\0");
	assert_int_equal(h.n_portals, 0);
	assert_int_equal(row_of(s, 3)->redirects, 0);
	qos_storage_destroy(s);
}

static void rpcbind_teaches_what_was_asked_for(void **state)
{
	static const struct {
		uint32_t prog;
		uint8_t proto;
		uint16_t port;
		enum qos_service service; // NONE = teaches nothing
	} cases[] = {
		{ 100005, 6, 20048, QOS_SVC_RPC }, { 100003, 6, 2049, QOS_SVC_NFS },
		{ 100021, 17, 4045, QOS_SVC_RPC }, { 100024, 0, 662, QOS_SVC_RPC },
		{ 100000, 6, 111, QOS_SVC_NONE },  { 100004, 6, 22, QOS_SVC_NONE },
		{ 100005, 6, 0, QOS_SVC_NONE },
	};

	(void)state;
	for (uint32_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct qos_pdu call = { .kind = QOS_PDU_GETPORT, .tag = 77 }, reply = call;
		struct heard h;
		struct qos_storage *s = watch(&h);
		int conn = open_conn(s, 1, QOS_SVC_RPCBIND, 3);

		call.rpc.prog = cases[i / 2].prog;
		call.rpc.proto = cases[i / 2].proto;
		reply.flags = QOS_PDU_F_RESPONSE;
		reply.rpc.port = cases[i / 2].port;
		reply.tag = 78; // nobody asked
		qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &reply, 10);
		reply.tag = 77;
		if (i % 2 == 0) // in order, and the answer first
			qos_storage_pdu(s, conn, QOS_TO_PORTAL, &call, 10);
		qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &reply, 20);
		if (i % 2 == 1)
			qos_storage_pdu(s, conn, QOS_TO_PORTAL, &call, 10);
		qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &reply, 30); // said once more
		assert_int_equal(row_of(s, 3)->took[QOS_OP_OTHER].n, 1);
		assert_int_equal(row_of(s, 3)->took[QOS_OP_OTHER].sum_ns, 10);
		assert_int_equal(h.n_portals, cases[i / 2].service != QOS_SVC_NONE);
		if (h.n_portals != 0) {
			is_portal(&h.portal[0], PORTAL, cases[i / 2].port, QOS_HOW_RPCBIND);
			assert_int_equal(h.portal[0].service, cases[i / 2].service);
			assert_int_equal(h.portal[0].proto, cases[i / 2].proto == 17 ? 17 : 6);
		}
		qos_storage_destroy(s);
	}
}

static void getaddr_may_name_another_address(void **state)
{
	struct qos_pdu call = { .kind = QOS_PDU_GETPORT, .tag = 77 }, reply = call;
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_RPCBIND, 3);

	(void)state;
	call.rpc.prog = 100005;
	reply.flags = QOS_PDU_F_RESPONSE;
	reply.rpc.port = 20048;
	reply.rpc.has_addr = true;
	reply.rpc.addr = v4(0x0a000063);
	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &call, 10);
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &reply, 20);
	assert_int_equal(h.n_portals, 1);
	is_portal(&h.portal[0], 0x0a000063, 20048, QOS_HOW_RPCBIND);
	qos_storage_destroy(s);
}

static void logins_that_never_end_are_their_vms_own_trouble(void **state)
{
	const struct qos_storage_params p = { 16, 2048, 16, 256, 60 * S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

	(void)state;
	TELL(s, conn, ask_full, "InitiatorName=" IPXE "\0TargetName=" DISK "\0");
	for (uint16_t i = 0; i < 1000; i++)
		TELL(s, open_conn(s, (uint16_t)(i + 2), QOS_SVC_ISCSI, 4), ask_first,
		     "InitiatorName=y\0");
	TELL(s, conn, say_full, "HeaderDigest=None\0");
	assert_int_equal(h.n_logins, 1);
	assert_string_equal(h.initiator, IPXE);
	assert_int_equal(counts_of(s).texts_replaced, 1000 - QOS_STORAGE_TEXTS / 8 - 1);
	qos_storage_destroy(s);
}

static void long_names_are_cut_off_or_skipped(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	char text[700];
	int n;

	(void)state;
	n = snprintf(text, sizeof(text), "InitiatorName=%0240d%cTargetName=%0300d%c", 7, 0, 8, 0);
	tell(s, conn, &ask_full, text, (size_t)n, 50);
	TELL(s, conn, say_full, "HeaderDigest=None\0");
	assert_int_equal(h.n_logins, 1);
	assert_int_equal(strlen(h.initiator), 223);
	assert_string_equal(h.target, "");
	assert_true(counts_of(s).pairs_skipped > 0);
	qos_storage_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_login_tells_who_and_where),
		cmocka_unit_test(firmware_is_known_by_name_or_offer),
		cmocka_unit_test(the_same_target_is_again_until_forgotten),
		cmocka_unit_test(text_may_come_byte_by_byte_and_in_several_pdus),
		cmocka_unit_test(an_answer_without_text_ends_by_time),
		cmocka_unit_test(the_answer_may_be_told_first),
		cmocka_unit_test(what_is_not_granted_is_no_login),
		cmocka_unit_test(discovery_is_no_login),
		cmocka_unit_test(agreed_digests_end_measuring),
		cmocka_unit_test(redirection_teaches),
		cmocka_unit_test(discovery_teaches_several_per_target),
		cmocka_unit_test(a_missing_piece_spoils_the_rest_of_its_text),
		cmocka_unit_test(a_lost_direction_does_not_spoil_the_other),
		cmocka_unit_test(who_is_not_listed_teaches_nothing),
		cmocka_unit_test(clients_teach_nothing),
		cmocka_unit_test(rpcbind_teaches_what_was_asked_for),
		cmocka_unit_test(getaddr_may_name_another_address),
		cmocka_unit_test(logins_that_never_end_are_their_vms_own_trouble),
		cmocka_unit_test(long_names_are_cut_off_or_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
