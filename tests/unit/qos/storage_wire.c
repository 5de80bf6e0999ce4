// From bytes on the wire to rows: streams and table together, whatever the segments are.
#include "pdu_make.h"
#include "storage_unit.h"

#define IPXE "iqn.2010-04.org.ipxe:diskless-1"
#define DISK "iqn.2020-01.lab:disk"

struct way {
	struct qos_stream stream;
	uint32_t seq;
};

struct wire {
	struct heard h;
	struct qos_storage *s;
	int conn;
	struct way ways[2];
	uint32_t cut; // largest segment
	uint64_t ns;  // of the segment that is being read
	enum qos_way way;
};

static const uint8_t *in_place(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf)
{
	(void)n;
	(void)buf;
	return (const uint8_t *)pkt + offset;
}

static void on_pdu(void *ctx, const struct qos_pdu *pdu)
{
	struct wire *w = ctx;

	qos_storage_pdu(w->s, w->conn, w->way, pdu, w->ns);
}

// All of b, at that time.
static void send_bytes(struct wire *w, enum qos_way way, struct bytes *b, uint64_t ns)
{
	w->ns = ns;
	w->way = way;
	for (size_t at = 0; at < b->n; at += w->cut) {
		uint32_t size = (uint32_t)(b->n - at < w->cut ? b->n - at : w->cut);
		uint8_t *copy = exact_copy(b->b + at, size);
		const struct qos_segment seg = {
			.seq = w->ways[way].seq, .size = size, .pkt = copy, .at = in_place
		};

		qos_stream_feed(&w->ways[way].stream, &seg, on_pdu, w);
		w->ways[way].seq += size;
		free(copy);
	}
	b->n = 0;
}

static void start(struct wire *w, enum qos_service svc, uint32_t cut)
{
	memset(w, 0, sizeof(*w));
	w->s = watch(&w->h);
	w->conn = open_conn(w->s, 1, svc, 3);
	w->cut = cut;
	for (int way = 0; way < 2; way++) {
		const struct qos_segment syn = { .seq = 99, .syn = true };

		qos_stream_init(&w->ways[way].stream, svc, (enum qos_way)way);
		qos_stream_feed(&w->ways[way].stream, &syn, on_pdu, w);
		w->ways[way].seq = 100;
	}
}

static const uint32_t cuts[] = { 1, 3, 47, 48, 49, 100, 1448, 65535 };
#define N_CUTS (sizeof(cuts) / sizeof(cuts[0]))

static const char names[] = "InitiatorName=" IPXE "\0TargetName=" DISK "\0SessionType=Normal\0"
			    "AuthMethod=None",
		  offers[] = "HeaderDigest=None\0InitialR2T=Yes\0ImmediateData=No\0"
			     "MaxRecvDataSegmentLength=8192",
		  choices[] = "HeaderDigest=None\0DataDigest=None",
		  addresses[] = "TargetName=a\0TargetAddress=10.0.0.7:3260,1\0"
				"TargetAddress=10.0.0.8,1";

// Stages: security to operational, then to the full feature phase; RFC 7143 section 11.12.3.
static void login(struct wire *w, struct bytes *b)
{
	put_iscsi(b, (struct iscsi){ .op = 0x43,
				     .flags = 0x81,
				     .tag = 1,
				     .data = names,
				     .size = sizeof(names) });
	send_bytes(w, QOS_TO_PORTAL, b, 1000);
	put_iscsi(b, (struct iscsi){ .op = 0x23, .flags = 0x81, .tag = 1 });
	send_bytes(w, QOS_FROM_PORTAL, b, 2000);
	put_iscsi(b, (struct iscsi){ .op = 0x43,
				     .flags = 0x87,
				     .tag = 1,
				     .data = offers,
				     .size = sizeof(offers) });
	send_bytes(w, QOS_TO_PORTAL, b, 3000);
	assert_int_equal(w->h.n_logins, 0);
	put_iscsi(b, (struct iscsi){ .op = 0x23,
				     .flags = 0x87,
				     .tag = 1,
				     .data = choices,
				     .size = sizeof(choices) });
	send_bytes(w, QOS_FROM_PORTAL, b, 4000);
}

static void iscsi_boots_and_reads(void **state)
{
	static struct bytes b;
	static struct wire w;

	(void)state;
	for (uint32_t i = 0; i < N_CUTS; i++) {
		const struct qos_storage_row *r;

		start(&w, QOS_SVC_ISCSI, cuts[i]);
		login(&w, &b);
		assert_int_equal(w.h.n_logins, 1);
		assert_true(w.h.login.firmware);
		assert_int_equal(w.h.login.ns, 4000);
		assert_string_equal(w.h.initiator, IPXE);
		assert_string_equal(w.h.target, DISK);
		put_iscsi(&b, (struct iscsi){ .op = 1, .flags = 0xc1, .tag = 5, .word20 = 8192 });
		put_iscsi(&b,
			  (struct iscsi){
				  .op = 1, .flags = 0xa1, .tag = 6, .word20 = 512, .size = 512 });
		send_bytes(&w, QOS_TO_PORTAL, &b, 1 * MS);
		put_iscsi(&b, (struct iscsi){ .op = 0x25, .flags = 0x80, .tag = 5, .size = 4096 });
		send_bytes(&w, QOS_FROM_PORTAL, &b, 2 * MS);
		put_iscsi(&b, (struct iscsi){ .op = 0x25, .flags = 0x81, .tag = 5, .size = 4096 });
		put_iscsi(&b, (struct iscsi){ .op = 0x21, .flags = 0x80, .tag = 6 });
		send_bytes(&w, QOS_FROM_PORTAL, &b, 3 * MS);
		r = row_of(w.s, 3);
		assert_int_equal(r->took[QOS_OP_READ].n, 1);
		assert_int_equal(r->took[QOS_OP_READ].sum_ns, 2 * MS);
		assert_int_equal(r->took[QOS_OP_WRITE].n, 1);
		assert_int_equal(r->took[QOS_OP_WRITE].sum_ns, 2 * MS);
		assert_int_equal(r->bytes[QOS_OP_READ], 8192);
		assert_int_equal(r->bytes[QOS_OP_WRITE], 512);
		assert_int_equal(r->outstanding_now, 0);
		assert_int_equal(r->unmatched, 0);
		assert_int_equal(counts_of(w.s).pairs_skipped, 0);
		qos_storage_destroy(w.s);
	}
}

static void iscsi_redirects_and_names_targets(void **state)
{
	static struct bytes b;
	static struct wire w;

	(void)state;
	for (uint32_t i = 0; i < N_CUTS; i++) {
		start(&w, QOS_SVC_ISCSI, cuts[i]);
		put_iscsi(&b, (struct iscsi){ .op = 0x43,
					      .flags = 0x87,
					      .tag = 1,
					      .data = names,
					      .size = sizeof(names) });
		send_bytes(&w, QOS_TO_PORTAL, &b, 1000);
		put_iscsi(&b, (struct iscsi){ .op = 0x23,
					      .tag = 1,
					      .word36 = 0x01010000,
					      .data = addresses + 13,
					      .size = 30 });
		send_bytes(&w, QOS_FROM_PORTAL, &b, 2000);
		assert_int_equal(w.h.n_portals, 1);
		assert_int_equal(w.h.portal[0].how, QOS_HOW_REDIRECT);
		assert_int_equal(w.h.portal[0].addr.b[15], 7);
		assert_int_equal(w.h.n_logins, 0);
		put_iscsi(&b, (struct iscsi){ .op = 0x24,
					      .flags = 0x40,
					      .tag = 2,
					      .data = addresses,
					      .size = 30 });
		put_iscsi(&b, (struct iscsi){ .op = 0x24,
					      .flags = 0x80,
					      .tag = 3,
					      .data = addresses + 30,
					      .size = sizeof(addresses) - 30 });
		send_bytes(&w, QOS_FROM_PORTAL, &b, 3000);
		assert_int_equal(w.h.n_portals, 3);
		assert_int_equal(w.h.portal[1].addr.b[15], 7);
		assert_int_equal(w.h.portal[2].addr.b[15], 8);
		assert_int_equal(w.h.portal[2].port, 3260);
		assert_int_equal(w.h.portal[2].how, QOS_HOW_SENDTARGETS);
		qos_storage_destroy(w.s);
	}
}

static void rpcbind_names_a_port(void **state)
{
	static struct bytes b, m;
	static struct wire w;

	(void)state;
	for (uint32_t i = 0; i < N_CUTS; i++) {
		start(&w, QOS_SVC_RPCBIND, cuts[i]);
		m.n = 0;
		put_call(&m, 77, 100000, 2, 3); // GETPORT of mountd version 3 over TCP
		put_be32(&m, 100005);
		put_be32(&m, 3);
		put_be32(&m, 6);
		put_be32(&m, 0);
		put_record(&b, &m, 1000);
		send_bytes(&w, QOS_TO_PORTAL, &b, 1000);
		m.n = 0;
		put_reply(&m, 77, 0);
		put_be32(&m, 20048);
		put_record(&b, &m, 1000);
		send_bytes(&w, QOS_FROM_PORTAL, &b, 5000);
		assert_int_equal(w.h.n_portals, 1);
		assert_int_equal(w.h.portal[0].port, 20048);
		assert_int_equal(w.h.portal[0].service, QOS_SVC_RPC);
		assert_int_equal(row_of(w.s, 3)->took[QOS_OP_OTHER].sum_ns, 4000);
		qos_storage_destroy(w.s);
	}
}

static void nvme_reads(void **state)
{
	static struct bytes b;
	static struct wire w;

	(void)state;
	for (uint32_t i = 0; i < N_CUTS; i++) {
		start(&w, QOS_SVC_NVME, cuts[i]);
		put_nvme_ic(&b, 0);
		put_nvme_command(&b, 2, 9, 1, 4096, 0);
		send_bytes(&w, QOS_TO_PORTAL, &b, 1000);
		put_nvme_ic(&b, 1);
		put_nvme_data(&b, 7, 4, 9, 4096);
		send_bytes(&w, QOS_FROM_PORTAL, &b, 7000);
		put_nvme_response(&b, 9, 0, 0);
		send_bytes(&w, QOS_FROM_PORTAL, &b, 9000);
		assert_int_equal(row_of(w.s, 3)->took[QOS_OP_READ].n, 1);
		assert_int_equal(row_of(w.s, 3)->took[QOS_OP_READ].sum_ns, 8000);
		qos_storage_destroy(w.s);
	}
}

// A segment of each direction that main was never told of.
static void a_gap_loses_what_waited_and_no_more(void **state)
{
	static struct bytes b;
	static struct wire w;
	const struct qos_storage_row *r;

	(void)state;
	start(&w, QOS_SVC_ISCSI, 1448);
	login(&w, &b);
	put_iscsi(&b, (struct iscsi){ .op = 1, .flags = 0xc1, .tag = 5, .word20 = 8192 });
	send_bytes(&w, QOS_TO_PORTAL, &b, 1 * MS);
	w.ways[QOS_FROM_PORTAL].seq += 5000; // its answer
	r = row_of(w.s, 3);
	put_iscsi(&b, (struct iscsi){ .op = 0x20, .flags = 0x80, .tag = 0xffffffff });
	send_bytes(&w, QOS_FROM_PORTAL, &b, 2 * MS);
	assert_int_equal(r->lost[QOS_LOST_GAP], 1);
	assert_int_equal(r->outstanding_now, 0);
	assert_int_equal(r->unmatched, 1);
	for (uint32_t i = 0; i < 20; i++) {
		put_iscsi(&b,
			  (struct iscsi){ .op = 1, .flags = 0xc1, .tag = 100 + i, .word20 = 512 });
		send_bytes(&w, QOS_TO_PORTAL, &b, (3 + i) * MS);
		put_iscsi(&b,
			  (struct iscsi){ .op = 0x25, .flags = 0x81, .tag = 100 + i, .size = 512 });
		send_bytes(&w, QOS_FROM_PORTAL, &b, (3 + i) * MS + US);
	}
	assert_true(r->took[QOS_OP_READ].n >= 10); // it found its place again
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, r->took[QOS_OP_READ].n * US);
	qos_storage_destroy(w.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iscsi_boots_and_reads),
		cmocka_unit_test(iscsi_redirects_and_names_targets),
		cmocka_unit_test(rpcbind_names_a_port),
		cmocka_unit_test(nvme_reads),
		cmocka_unit_test(a_gap_loses_what_waited_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
