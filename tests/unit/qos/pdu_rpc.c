#include "../unit.h"
#include "pdu_hear.h"
#include "pdu_make.h"

static struct heard whole;
static struct bytes in, message;

// The message in `message` goes out as a record, whole and in fragments of several sizes.
static const size_t fragments[] = { 100000, 4, 7, 20, 28, 33 };
#define N_FRAGMENTS (sizeof(fragments) / sizeof(fragments[0]))

static void cut_everywhere(enum qos_service service, enum qos_way way)
{
	hear_cut_everywhere(service, way, in.b, in.n, &whole);
}

static void begin_call(uint32_t xid, uint32_t prog, uint32_t vers, uint32_t proc)
{
	message.n = 0;
	put_call(&message, xid, prog, vers, proc);
}

static void begin_reply(uint32_t xid, uint32_t status)
{
	message.n = 0;
	put_reply(&message, xid, status);
}

// rpcbind's results are known by how much of them there is, which the first of several fragments
// does not say. No rpcbind sends so little in several.
static bool is_reply_in_pieces(const struct qos_pdu *p)
{
	return p->kind == QOS_PDU_RESPONSE && p->status == 0;
}

// What a message alone says, in any fragments and segments: at most one thing. A second record
// behind it shows that the place is kept.
static const struct qos_pdu *says(enum qos_service service, enum qos_way way)
{
	static struct qos_pdu first;
	struct bytes *behind = calloc(1, sizeof(*behind));

	if (way == QOS_TO_PORTAL)
		put_call(behind, 99, 100021, 4, 0);
	else
		put_reply(behind, 99, 0);
	for (size_t i = 0; i < N_FRAGMENTS; i++) {
		in.n = 0;
		put_record(&in, &message, fragments[i]);
		put_record(&in, behind, 100000);
		cut_everywhere(service, way);
		assert_true(whole.n == 1 || whole.n == 2);
		assert_int_equal(whole.pdu[whole.n - 1].tag, 99);
		assert_true(i == 0 || whole.pdu[0].tag == 99 || is_reply_in_pieces(&whole.pdu[0]) ||
			    same_pdu(&first, &whole.pdu[0]));
		if (i == 0)
			first = whole.pdu[0];
	}
	free(behind);
	return first.tag == 99 ? NULL : &first;
}

static void is_request(const struct qos_pdu *p, uint32_t tag, uint8_t op, uint32_t bytes)
{
	assert_non_null(p);
	assert_int_equal(p->kind, QOS_PDU_REQUEST);
	assert_int_equal(p->tag, tag);
	assert_int_equal(p->op, op);
	assert_int_equal(p->bytes, bytes);
}

static void reads_and_writes_of_nfs3_are_told(void **state)
{
	(void)state;
	for (uint32_t proc = 6; proc <= 7; proc++) {
		for (uint32_t fh = 0; fh <= 64; fh += 13) {
			begin_call(0xa0b0c0d0, 100003, 3, proc);
			put_be32(&message, fh);
			put_data(&message, (fh + 3) & ~3u);
			put_zeros(&message, 8);
			put_be32(&message, 65536);
			put_data(&message, 100);
			is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 0xa0b0c0d0,
				   proc == 6 ? QOS_OP_READ : QOS_OP_WRITE, 65536);
		}
	}
	begin_call(5, 100003, 3, 3); // LOOKUP
	put_data(&message, 60);
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 5, QOS_OP_OTHER, 0);
	begin_call(6, 100003, 3, 6); // a handle that is too long, and none
	put_be32(&message, 65);
	put_data(&message, 80);
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 6, QOS_OP_READ, 0);
	begin_call(7, 100003, 3, 7);
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 7, QOS_OP_WRITE, 0);
}

static void begin_compound(uint32_t xid, uint32_t n_ops)
{
	begin_call(xid, 100003, 4, 1);
	put_opaque(&message, "tag", 3);
	put_be32(&message, 1);
	put_be32(&message, n_ops);
}

static void put_fh(void)
{
	put_be32(&message, 22);
	put_opaque(&message, "handle of a file", 16);
}

static void reads_and_writes_of_compounds_are_told(void **state)
{
	(void)state;
	begin_compound(1, 3);
	put_be32(&message, 53);
	put_zeros(&message, 32);
	put_fh();
	put_be32(&message, 25);
	put_zeros(&message, 24);
	put_be32(&message, 4096);
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 1, QOS_OP_READ, 4096);

	begin_compound(2, 3);
	put_fh();
	put_be32(&message, 38);
	put_zeros(&message, 28);
	put_be32(&message, 512);
	put_data(&message, 60);
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 2, QOS_OP_WRITE, 512);

	begin_compound(3, 1); // one operation; what follows is none
	put_fh();
	put_be32(&message, 25);
	put_zeros(&message, 28);
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 3, QOS_OP_OTHER, 0);

	begin_compound(4, 9); // too far behind
	for (uint32_t i = 0; i < 6; i++)
		put_be32(&message, 24);
	put_be32(&message, 25);
	put_zeros(&message, 28);
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 4, QOS_OP_OTHER, 0);

	begin_compound(5, 2);
	put_fh();
	put_be32(&message, 3); // ACCESS
	put_be32(&message, 1);
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 5, QOS_OP_OTHER, 0);

	begin_compound(6, 0xffffffff); // and nothing of it
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 6, QOS_OP_OTHER, 0);
}

// RPCSEC_GSS: the arguments may be wrapped.
static void wrapped_arguments_are_not_read(void **state)
{
	const uint32_t fixed[] = { 8, 0, 2, 100003, 3, 6, 6, 20 };

	(void)state;
	message.n = 0;
	for (size_t i = 0; i < 8; i++)
		put_be32(&message, fixed[i]);
	put_data(&message, 20);
	put_zeros(&message, 8 + 4 + 8);
	put_be32(&message, 4096); // would be how much it reads
	is_request(says(QOS_SVC_NFS, QOS_TO_PORTAL), 8, QOS_OP_READ, 0);
}

static void is_response(const struct qos_pdu *p, uint32_t tag, uint8_t status)
{
	assert_non_null(p);
	assert_int_equal(p->kind, QOS_PDU_RESPONSE);
	assert_int_equal(p->tag, tag);
	assert_int_equal(p->status, status);
}

static void replies_are_told(void **state)
{
	(void)state;
	begin_reply(0xdeadbeef, 0);
	put_data(&message, 100);
	is_response(says(QOS_SVC_NFS, QOS_FROM_PORTAL), 0xdeadbeef, 0);
	begin_reply(2, 3);
	is_response(says(QOS_SVC_RPC, QOS_FROM_PORTAL), 2, 3);
	message.n = 0; // with a verifier
	put_be32(&message, 3);
	put_be32(&message, 1);
	put_be32(&message, 0);
	put_be32(&message, 6);
	put_opaque(&message, "0123456789abcdef", 16);
	put_be32(&message, 0);
	is_response(says(QOS_SVC_NFS, QOS_FROM_PORTAL), 3, 0);
	message.n = 0; // denied: authentication, rejected credential
	put_be32(&message, 4);
	put_be32(&message, 1);
	put_be32(&message, 1);
	put_be32(&message, 1);
	put_be32(&message, 2);
	is_response(says(QOS_SVC_NFS, QOS_FROM_PORTAL), 4, 0x81);
	// Callbacks of NFSv4.1 and their answers go the other way, and nobody waits here.
	begin_call(5, 0x40000000, 1, 1);
	assert_null(says(QOS_SVC_NFS, QOS_FROM_PORTAL));
	begin_reply(6, 0);
	assert_null(says(QOS_SVC_NFS, QOS_TO_PORTAL));
}

static void is_asked(const struct qos_pdu *p, uint32_t prog, uint32_t vers, uint8_t proto)
{
	assert_non_null(p);
	assert_int_equal(p->kind, QOS_PDU_GETPORT);
	assert_int_equal(p->flags, 0);
	assert_int_equal(p->rpc.prog, prog);
	assert_int_equal(p->rpc.vers, vers);
	assert_int_equal(p->rpc.proto, proto);
}

static void put_getaddr(const char *netid)
{
	put_be32(&message, 100005);
	put_be32(&message, 3);
	put_opaque(&message, netid, (uint32_t)strlen(netid));
	put_opaque(&message, "10.0.0.1.0.111", 14);
	put_opaque(&message, "0", 1);
}

static void ports_that_are_asked_for_are_told(void **state)
{
	static const struct {
		const char *netid;
		int proto; // -1 = not told
	} nets[] = { { "tcp", 6 }, { "udp", 17 },  { "tcp6", 6 },  { "udp6", 17 },
		     { "", 0 },	   { "tcp5", -1 }, { "sctp", -1 }, { "local", -1 } };

	(void)state;
	begin_call(1, 100000, 2, 3);
	put_be32(&message, 100003);
	put_be32(&message, 3);
	put_be32(&message, 6);
	put_be32(&message, 0);
	is_asked(says(QOS_SVC_RPCBIND, QOS_TO_PORTAL), 100003, 3, 6);
	is_request(says(QOS_SVC_RPC, QOS_TO_PORTAL), 1, QOS_OP_OTHER, 0);
	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		begin_call(2, 100000, 3 + i % 2, 3);
		put_getaddr(nets[i].netid);
		if (nets[i].proto < 0)
			is_request(says(QOS_SVC_RPCBIND, QOS_TO_PORTAL), 2, QOS_OP_OTHER, 0);
		else
			is_asked(says(QOS_SVC_RPCBIND, QOS_TO_PORTAL), 100005, 3,
				 (uint8_t)nets[i].proto);
	}
	begin_call(3, 100000, 2, 4); // DUMP
	is_request(says(QOS_SVC_RPCBIND, QOS_TO_PORTAL), 3, QOS_OP_OTHER, 0);
	begin_call(4, 100000, 2, 3); // cut short
	put_zeros(&message, 12);
	is_request(says(QOS_SVC_RPCBIND, QOS_TO_PORTAL), 4, QOS_OP_OTHER, 0);
}

static void is_told(const struct qos_pdu *p, uint16_t port)
{
	assert_non_null(p);
	assert_int_equal(p->kind, QOS_PDU_GETPORT);
	assert_int_equal(p->flags, QOS_PDU_F_RESPONSE);
	assert_int_equal(p->rpc.port, port);
}

static void ports_are_told(void **state)
{
	static const struct {
		const char *text;
		int port;     // -1 = no universal address
		uint8_t last; // of the address; 0 = it says none
	} uaddrs[] = { { "10.0.0.9.8.1", 2049, 9 },
		       { "0.0.0.0.3.232", 1000, 0 },
		       { "2001:db8::7.255.255", 65535, 7 },
		       { "::.0.111", 111, 0 },
		       { "1111:2222:3333:4444:5555:6666:7777:8888.255.255", 65535, 0x88 },
		       { "10.0.0.9.256.1", -1, 0 },
		       { "10.0.0.9.1", -1, 0 },
		       { "10.0.0.9..1", -1, 0 },
		       { "10.0.0.9.1.", -1, 0 },
		       { "server.8.1", -1, 0 },
		       { "1.2", -1, 0 },
		       { ".1.2", -1, 0 } };
	const struct qos_pdu *p;

	(void)state;
	begin_reply(1, 0);
	put_be32(&message, 2049);
	is_told(says(QOS_SVC_RPCBIND, QOS_FROM_PORTAL), 2049);
	is_response(says(QOS_SVC_NFS, QOS_FROM_PORTAL), 1, 0);
	begin_reply(2, 0);
	put_be32(&message, 0); // no such service, in either version
	is_told(says(QOS_SVC_RPCBIND, QOS_FROM_PORTAL), 0);
	begin_reply(3, 0);
	put_be32(&message, 65536);
	is_response(says(QOS_SVC_RPCBIND, QOS_FROM_PORTAL), 3, 0);
	begin_reply(4, 1);
	put_be32(&message, 2049);
	is_response(says(QOS_SVC_RPCBIND, QOS_FROM_PORTAL), 4, 1);
	begin_reply(5, 0);
	put_zeros(&message, 200);
	is_response(says(QOS_SVC_RPCBIND, QOS_FROM_PORTAL), 5, 0);
	for (size_t i = 0; i < sizeof(uaddrs) / sizeof(uaddrs[0]); i++) {
		begin_reply(6, 0);
		put_opaque(&message, uaddrs[i].text, (uint32_t)strlen(uaddrs[i].text));
		p = says(QOS_SVC_RPCBIND, QOS_FROM_PORTAL);
		if (uaddrs[i].port < 0) {
			is_response(p, 6, 0);
			continue;
		}
		is_told(p, (uint16_t)uaddrs[i].port);
		assert_true(p->rpc.has_addr == (uaddrs[i].last != 0));
		assert_int_equal(p->rpc.addr.b[15], uaddrs[i].last);
	}
}

static bool datagram(enum qos_way way, size_t size, struct qos_pdu *out)
{
	uint8_t *p = exact_copy(message.b, size);
	bool told = qos_rpc_datagram(p, size, way, out);

	free(p);
	return told;
}

static void datagrams_say_the_same(void **state)
{
	struct qos_pdu p;

	(void)state;
	begin_call(1, 100000, 2, 3);
	put_be32(&message, 100005);
	put_be32(&message, 1);
	put_be32(&message, 17);
	put_be32(&message, 0);
	assert_true(datagram(QOS_TO_PORTAL, message.n, &p));
	is_asked(&p, 100005, 1, 17);
	for (size_t n = 0; n < message.n; n++) {
		bool told = datagram(QOS_TO_PORTAL, n, &p);

		assert_false(told && p.kind == QOS_PDU_GETPORT);
	}
	begin_reply(2, 0);
	put_opaque(&message, "10.0.0.9.8.1", 12);
	assert_true(datagram(QOS_FROM_PORTAL, message.n, &p));
	is_told(&p, 2049);
	assert_int_equal(p.rpc.addr.b[12], 10);
	for (size_t n = 0; n < message.n; n++) {
		bool told = datagram(QOS_FROM_PORTAL, n, &p);

		assert_false(told && p.kind == QOS_PDU_GETPORT && p.rpc.has_addr);
	}
	memset(message.b, 0xff, 100);
	assert_false(datagram(QOS_FROM_PORTAL, 100, &p));
	assert_false(datagram(QOS_TO_PORTAL, 0, &p));
}

// As much as a long string of its length says, and strings that do not fit what is there.
static void results_of_other_sizes_are_no_address(void **state)
{
	static const uint32_t sizes[][2] = { { 49, 52 },	 { 100, 100 }, { 200, 48 },
					     { 0xfffffffd, 48 }, { 0, 8 },     { 7, 4 },
					     { 252, 252 } };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		begin_reply(1, 0);
		put_be32(&message, sizes[i][0]);
		put(&message, "10.0.0.9.8.1", 4);
		put_data(&message, sizes[i][1] - 4);
		is_response(says(QOS_SVC_RPCBIND, QOS_FROM_PORTAL), 1, 0);
	}
}

static void records_that_end_in_their_header_are_none(void **state)
{
	(void)state;
	begin_call(1, 100003, 3, 1);
	for (size_t i = 0; i < 2; i++) {
		for (size_t n = 20; n < (i == 0 ? 32 : 24); n++) {
			in.n = 0;
			message.n = n;
			put_record(&in, &message, 100000);
			put_zeros(&in, 100);
			cut_everywhere(QOS_SVC_NFS, i == 0 ? QOS_TO_PORTAL : QOS_FROM_PORTAL);
			assert_int_equal(whole.n, 1);
			assert_int_equal(whole.pdu[0].status, QOS_LOST_HEADER);
		}
		begin_reply(1, 0);
	}
}

static void a_last_fragment_may_be_empty(void **state)
{
	(void)state;
	for (size_t n = 32; n < 120; n++) {
		begin_call(1, 100003, 3, 6);
		put_data(&message, 60);
		in.n = 0;
		put_be32(&in, (uint32_t)n);
		put(&in, message.b, n);
		put_be32(&in, 0x80000000);
		put_record(&in, &message, 100000);
		cut_everywhere(QOS_SVC_NFS, QOS_TO_PORTAL);
		assert_int_equal(whole.n, 2);
		assert_true(whole.pdu[0].op == QOS_OP_READ && whole.pdu[1].op == QOS_OP_READ);
		in.n = 4 + n; // but not one that is not the last
		put_be32(&in, 0);
		cut_everywhere(QOS_SVC_NFS, QOS_TO_PORTAL);
		assert_int_equal(whole.pdu[whole.n - 1].kind, QOS_PDU_LOST);
	}
}

// Each word of a call and of a reply that a rule speaks about, set to a value against it.
static void what_cannot_be_a_record_is_none(void **state)
{
	static const struct {
		uint8_t at;
		uint32_t value;
	} of_call[] = { { 0, 0x80000013 }, { 0, 0x81000001 },  { 8, 2 },   { 12, 3 },
			{ 16, 99999 },	   { 16, 0x60000000 }, { 20, 17 }, { 24, 256 },
			{ 28, 8 },	   { 32, 404 },	       { 32, 6 } },
	  of_reply[] = { { 8, 2 }, { 12, 2 }, { 16, 389999 }, { 20, 401 }, { 24, 6 } };
	const uint8_t *w;

	(void)state;
	for (size_t i = 0;
	     i < sizeof(of_call) / sizeof(of_call[0]) + sizeof(of_reply) / sizeof(of_reply[0]);
	     i++) {
		size_t k = i - sizeof(of_call) / sizeof(of_call[0]);
		bool call = i < sizeof(of_call) / sizeof(of_call[0]);
		uint32_t at = call ? of_call[i].at : of_reply[k].at,
			 value = call ? of_call[i].value : of_reply[k].value;

		if (call)
			begin_call(1, 100003, 3, 1);
		else
			begin_reply(1, 0);
		put_zeros(&message, 20);
		in.n = 0;
		put_record(&in, &message, 100000);
		w = (uint8_t[4]){ (uint8_t)(value >> 24), (uint8_t)(value >> 16),
				  (uint8_t)(value >> 8), (uint8_t)value };
		cut_everywhere(QOS_SVC_NFS, call ? QOS_TO_PORTAL : QOS_FROM_PORTAL);
		assert_int_equal(whole.n, 1);
		memcpy(in.b + at, w, 4);
		cut_everywhere(QOS_SVC_NFS, call ? QOS_TO_PORTAL : QOS_FROM_PORTAL);
		assert_int_equal(whole.n, 1);
		assert_int_equal(whole.pdu[0].kind, QOS_PDU_LOST);
		assert_int_equal(whole.pdu[0].status, QOS_LOST_HEADER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_of_nfs3_are_told),
		cmocka_unit_test(reads_and_writes_of_compounds_are_told),
		cmocka_unit_test(wrapped_arguments_are_not_read),
		cmocka_unit_test(replies_are_told),
		cmocka_unit_test(ports_that_are_asked_for_are_told),
		cmocka_unit_test(ports_are_told),
		cmocka_unit_test(datagrams_say_the_same),
		cmocka_unit_test(what_cannot_be_a_record_is_none),
		cmocka_unit_test(results_of_other_sizes_are_no_address),
		cmocka_unit_test(records_that_end_in_their_header_are_none),
		cmocka_unit_test(a_last_fragment_may_be_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
