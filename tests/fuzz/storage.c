// What workers may tell main, in any order. Invariants: tables stay within their bounds, a
// histogram's bins are its number, no row's counters shrink while it is there, no more is measured
// than was asked and answered, who waits has an oldest time, servers that are not listed teach
// nothing.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "qos_storage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_KEYS 32
#define N_ROWS_MAX 8

struct input {
	const uint8_t *p;
	size_t n;
};

struct run {
	struct qos_storage *s;
	struct qos_storage_params params;
	struct input in;
	int handles[N_KEYS];
	uint16_t offset[2]; // of the next piece of text
	uint64_t now;
	uint64_t asked, answered; // at most so many were
	uint32_t n_before;
	uint64_t generation; // of rows: they may have been replaced since
	struct qos_storage_row before[N_ROWS_MAX];
	struct qos_storage_counts counts;
};

static uint8_t byte(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->p++;
}

// Of portal i: those with even numbers are listed.
static struct qos_addr addr(uint8_t i)
{
	return (struct qos_addr){ .b = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = i } };
}

static void on_login(void *ctx, const struct qos_login *l)
{
	const struct run *r = ctx;

	assert(l->vm_idx < r->params.n_vms);
	assert(strlen(l->initiator) > 0 && strlen(l->initiator) < 224 && strlen(l->target) < 224);
}

static void on_portal(void *ctx, const struct qos_addr *teacher, const struct qos_portal *p,
		      uint64_t ns)
{
	(void)ctx;
	(void)ns;
	assert(teacher->b[15] % 2 == 0);
	assert(p->port != 0 && (p->proto == 6 || p->proto == 17 || p->how == QOS_HOW_RPCBIND));
	assert(p->how == QOS_HOW_RPCBIND || p->service == QOS_SVC_ISCSI);
}

// Key k: portal, client port and service.
static void open_key(struct run *r, uint8_t k, enum qos_way way, uint16_t vm_idx)
{
	static const uint8_t services[] = { QOS_SVC_ISCSI, QOS_SVC_NFS, QOS_SVC_RPCBIND,
					    QOS_SVC_NVME };
	const struct qos_conn_key key = { .client = addr(200),
					  .portal = addr(k % 5),
					  .client_port = k,
					  .portal_port = services[k % 4],
					  .proto = 6 };
	const struct qos_portal_hit hit = { .service = services[k % 4],
					    .way = (uint8_t)way,
					    .listed = k % 5 % 2 == 0 };

	r->handles[k] = qos_storage_open(r->s, &key, &hit, vm_idx, r->now);
}

// A piece of text, in memory of exactly its size.
static void text(struct run *r, int conn, enum qos_way way, uint8_t how)
{
	uint16_t *offset = r->offset;
	struct qos_pdu p = { .kind = QOS_PDU_TEXT };
	size_t n = byte(&r->in);
	uint8_t *copy;

	n = n < r->in.n ? n : r->in.n;
	copy = malloc(n == 0 ? 1 : n);
	assert(copy != NULL);
	memcpy(copy, r->in.p, n);
	r->in.p += n;
	r->in.n -= n;
	if ((how & 1) != 0)
		offset[way] = 0;
	p.text.data = copy;
	p.text.size = (uint16_t)n;
	p.text.offset = offset[way];
	p.text.last = (how & 2) != 0;
	offset[way] = p.text.last ? 0 : (uint16_t)(offset[way] + n);
	qos_storage_pdu(r->s, conn, way, &p, r->now);
	free(copy);
}

static void pdu(struct run *r, int conn, enum qos_way way, uint8_t kind)
{
	uint8_t a = byte(&r->in), b = byte(&r->in);
	struct qos_pdu p = { .kind = kind, .tag = a % 16, .op = b, .status = b >> 5, .bytes = b };
	uint64_t ns = r->now - (b % 8) * 20000ull; // two workers

	p.flags = b;
	if (kind == QOS_PDU_LOST)
		p.status = b % 8;
	if (kind == QOS_PDU_GETPORT) {
		p.rpc.prog = 100000 + a / 8;
		p.rpc.port = b;
		p.rpc.proto = (a & 4) != 0 ? 6 : 17;
		p.rpc.has_addr = (b & 64) != 0;
		p.rpc.addr = addr(b);
	}
	if (way == QOS_TO_PORTAL)
		r->asked++;
	else
		r->answered++;
	qos_storage_pdu(r->s, conn, way, &p, ns);
}

static void forget(struct run *r, uint8_t a)
{
	if ((a & 1) != 0) {
		qos_storage_forget_logins(r->s, a);
	} else {
		qos_storage_forget_vm(r->s, a / 2);
		r->generation++;
	}
}

static void step(struct run *r)
{
	uint8_t op = byte(&r->in), a = byte(&r->in), k = a % N_KEYS;
	enum qos_way way = (a & 0x80) != 0 ? QOS_FROM_PORTAL : QOS_TO_PORTAL;
	int conn = (op & 0x80) != 0 ? (int)(a * 0x01010101u) : r->handles[k];

	r->now += (uint64_t)(op >> 4 & 7) * 10000;
	switch (op % 16) {
	case 0:
	case 1:
		open_key(r, k, way, byte(&r->in));
		break;
	case 2:
		qos_storage_close(r->s, conn, way, byte(&r->in) % 4 == 0, r->now);
		break;
	case 3:
		qos_storage_wait(r->s, conn, way, a, byte(&r->in));
		break;
	case 4:
		r->now += (uint64_t)byte(&r->in) * byte(&r->in) * 1000000;
		qos_storage_tick(r->s, r->now);
		break;
	case 5:
		forget(r, byte(&r->in));
		break;
	case 6:
	case 7:
	case 8:
		text(r, conn, way, op >> 4);
		break;
	default:
		pdu(r, conn, way, op % 16 - 9 < QOS_PDU_TEXT ? op % 16 - 9 : op % 16 - 8);
		break;
	}
}

static void check_hist(const struct qos_hist *h, const struct qos_hist *before)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < QOS_HIST_BINS; i++) {
		n += h->bin[i];
		assert(before == NULL || h->bin[i] >= before->bin[i]);
	}
	assert(h->n == n);
	assert(before == NULL || (h->sum_ns >= before->sum_ns && h->max_ns >= before->max_ns));
	assert(qos_hist_quantile(h, 999) <= h->max_ns);
}

static const struct qos_storage_row *row_before(const struct run *r,
						const struct qos_storage_row *row)
{
	for (uint32_t i = 0; i < r->n_before; i++) {
		const struct qos_portal *p = &r->before[i].portal;

		if (r->before[i].vm_idx == row->vm_idx && p->port == row->portal.port &&
		    memcmp(&p->addr, &row->portal.addr, sizeof(p->addr)) == 0)
			return &r->before[i];
	}
	return NULL;
}

static void check_row(const struct qos_storage_row *row, const struct qos_storage_row *old)
{
	assert((row->outstanding_now == 0) == (row->oldest_ns == 0));
	assert(strnlen(row->initiator, 224) < 224 && strnlen(row->target, 224) < 224);
	for (uint32_t op = 0; op < QOS_N_OPS; op++) {
		check_hist(&row->took[op], old == NULL ? NULL : &old->took[op]);
		assert(old == NULL || row->bytes[op] >= old->bytes[op]);
	}
	if (old == NULL)
		return;
	assert(row->conns >= old->conns && row->logins >= old->logins &&
	       row->redirects >= old->redirects && row->errors >= old->errors);
	assert(row->unmatched >= old->unmatched && row->unmeasured >= old->unmeasured);
	assert(row->wait_out_ns >= old->wait_out_ns && row->wait_in_ns >= old->wait_in_ns);
	assert(row->last_ns >= old->last_ns);
	for (uint32_t i = 0; i < QOS_N_LOST; i++)
		assert(row->lost[i] >= old->lost[i]);
}

static void check(struct run *r)
{
	const struct qos_storage_row *row;
	struct qos_storage_counts c;
	uint64_t took = 0;
	uint32_t outstanding = 0, conns = 0, n = 0;
	bool same;

	qos_storage_counts(r->s, &c);
	assert(c.conns_now <= r->params.n_conns && c.rows_now <= r->params.n_rows);
	assert(c.outstanding_now <= r->params.n_outstanding);
	assert(c.conns_refused >= r->counts.conns_refused && c.idle >= r->counts.idle);
	assert(c.rows_refused >= r->counts.rows_refused && c.unmeasured >= r->counts.unmeasured);
	assert(c.pairs_skipped >= r->counts.pairs_skipped);
	same = c.rows_replaced == r->counts.rows_replaced && r->generation == 0;
	for (; (row = qos_storage_row(r->s, n)) != NULL; n++) {
		check_row(row, same ? row_before(r, row) : NULL);
		outstanding += row->outstanding_now;
		conns += row->conns_now;
		for (uint32_t op = 0; op < QOS_N_OPS; op++)
			took += row->took[op].n;
	}
	assert(n == c.rows_now && outstanding <= c.outstanding_now && conns <= c.conns_now);
	assert(took <= r->asked && took <= r->answered);
	assert(!same || n >= r->n_before);
	for (r->n_before = 0; r->n_before < n; r->n_before++)
		r->before[r->n_before] = *qos_storage_row(r->s, r->n_before);
	r->counts = c;
	r->generation = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run r;
	const struct qos_storage_events ev = { &r, on_login, on_portal };

	memset(&r, 0, sizeof(r));
	r.in = (struct input){ data, size };
	r.now = 1000000000;
	r.params.n_vms = 1 + byte(&r.in) % 8;
	r.params.n_conns = 1 + byte(&r.in) % 16;
	r.params.n_rows = 1 + byte(&r.in) % N_ROWS_MAX;
	r.params.n_outstanding = 1 + byte(&r.in) % 64;
	r.params.idle_ns = 5000000000;
	memset(r.handles, 0xff, sizeof(r.handles));
	assert(qos_storage_create(&r.params, &ev, &r.s) == 0);
	for (uint32_t i = 0; r.in.n > 0; i++) {
		step(&r);
		if (i % 64 == 0 || r.in.n == 0)
			check(&r);
	}
	check(&r);
	qos_storage_destroy(r.s);
	return 0;
}
