// Random events, told to the table and to a naive model of what its header promises: lists that are
// searched from end to end. Tables are large enough that nothing is left out.
#include <errno.h>

#include "storage_unit.h"

#define N_KEYS 12
#define N_PORTALS 3
#define N_VMS 5
#define N_TAGS 8
#define IDLE_NS (1 * S)
#define BOTH 3u
#define CHAIN 64 // how many under one tag there is room for

struct item { // waits, or an answer that came early; in order of arrival
	bool early;
	uint32_t key, tag, op, bytes;
	uint64_t ns;
};

struct client {
	bool in_use, attached, fresh, reset, answered;
	uint32_t opened, closed, blind, skipped;
	uint16_t vm;
	uint64_t last;
	int handle;
};

struct total {
	bool exists;
	uint64_t n[QOS_N_OPS], sum[QOS_N_OPS], max[QOS_N_OPS], bytes[QOS_N_OPS], lost[QOS_N_LOST];
	uint64_t unmatched, unmeasured, errors, conns, wait_out, wait_in;
	uint32_t conns_now;
};

static struct item items[1 << 14];
static uint32_t n_items;
static struct client clients[N_KEYS];
static struct total totals[N_VMS][N_PORTALS];
static uint64_t rng, now;
static uint32_t n_event, n_idle;
static struct qos_storage *real;

static uint32_t below(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % n;
}

static enum qos_service service_of(uint32_t key)
{
	static const enum qos_service s[N_PORTALS] = { QOS_SVC_ISCSI, QOS_SVC_NFS, QOS_SVC_NVME };

	return s[key % N_PORTALS];
}

static struct total *total_of(uint32_t key)
{
	return &totals[clients[key].vm][key % N_PORTALS];
}

static void item_remove(uint32_t i)
{
	memmove(&items[i], &items[i + 1], (--n_items - i) * sizeof(items[0]));
}

static void item_unmatched(uint32_t i)
{
	total_of(items[i].key)->unmatched++;
	item_remove(i);
}

static void item_add(struct item it)
{
	assert_true(n_items < sizeof(items) / sizeof(items[0]));
	items[n_items++] = it;
}

static bool is_of(const struct item *it, uint32_t key, uint32_t tag, bool early)
{
	return it->key == key && it->tag == tag && it->early == early;
}

static void took(uint32_t key, uint32_t op, uint64_t asked, uint64_t told)
{
	struct total *t = total_of(key);
	uint64_t ns = told > asked ? told - asked : 0;

	t->n[op]++;
	t->sum[op] += ns;
	if (ns > t->max[op])
		t->max[op] = ns;
}

static void model_drop(uint32_t key)
{
	for (uint32_t i = n_items; i-- > 0;) {
		if (items[i].key == key)
			item_unmatched(i);
	}
	clients[key].skipped = 0;
}

static void model_attach(uint32_t key)
{
	struct client *c = &clients[key];
	struct total *t = total_of(key);

	c->attached = true;
	t->exists = true;
	t->conns_now++;
	t->conns += c->fresh;
	c->fresh = false;
}

static void model_detach(uint32_t key)
{
	if (clients[key].attached)
		total_of(key)->conns_now--;
	clients[key].attached = false;
}

static void model_open(uint32_t key, uint32_t way, uint16_t vm, uint64_t ns)
{
	struct client *c = &clients[key];

	if (!c->in_use)
		*c = (struct client){ .in_use = true, .fresh = true, .handle = c->handle };
	if (c->reset) {
		c->reset = c->answered = false;
		c->fresh = true;
		c->opened = 0;
	}
	c->opened |= 1u << way;
	c->closed &= ~(1u << way);
	c->blind &= ~(1u << way);
	if (vm != 0 && vm != c->vm) {
		bool was = c->attached;

		model_detach(key);
		c->vm = vm;
		c->fresh |= was;
		if (was)
			model_attach(key);
	}
	if (!c->attached && c->opened == BOTH)
		model_attach(key);
	c->last = ns > c->last ? ns : c->last;
}

static void model_close(uint32_t key, uint32_t way, bool rst, uint64_t ns)
{
	struct client *c = &clients[key];

	if (!c->in_use)
		return;
	c->last = ns > c->last ? ns : c->last;
	c->closed |= 1u << way;
	if (!rst && c->closed != BOTH)
		return;
	model_drop(key);
	model_detach(key);
	c->reset = true;
	c->in_use = c->closed != BOTH;
}

// What every PDU does first. returns false when it says nothing
static bool model_heard(uint32_t key, uint32_t way, uint64_t ns)
{
	struct client *c = &clients[key];

	if (!c->in_use || c->reset || (c->closed & 1u << way) != 0)
		return false;
	if (!c->attached)
		model_attach(key);
	c->last = ns > c->last ? ns : c->last;
	c->answered |= way == QOS_FROM_PORTAL;
	return true;
}

struct search {
	int before, after, oldest, early, stale; // -1 = none
	uint32_t n_waits, n;
};

static struct search search(uint32_t key, uint32_t tag, uint64_t ns)
{
	struct search f = { -1, -1, -1, -1, -1, 0, 0 };

	for (int i = (int)n_items - 1; i >= 0; i--) {
		uint64_t t = items[i].ns;

		if (is_of(&items[i], key, tag, false)) {
			f.n_waits++;
			if (f.oldest < 0 || t < items[f.oldest].ns)
				f.oldest = i;
			if (t <= ns && (f.before < 0 || t > items[f.before].ns))
				f.before = i;
			if (t > ns && (f.after < 0 || t < items[f.after].ns))
				f.after = i;
		} else if (is_of(&items[i], key, tag, true)) {
			if (t + QOS_STORAGE_TURN_NS < ns)
				f.stale = i;
			else if (f.early < 0 || t < items[f.early].ns)
				f.early = i;
		} else {
			continue;
		}
		f.n++;
	}
	return f;
}

static void model_ask(uint32_t key, uint32_t tag, uint32_t op, uint32_t bytes, uint64_t ns)
{
	struct search f = search(key, tag, ns);
	struct total *t = total_of(key);
	bool rpc = service_of(key) == QOS_SVC_NFS;

	if (rpc && f.oldest >= 0 && items[f.oldest].op == op && items[f.oldest].bytes == bytes) {
		if (ns < items[f.oldest].ns)
			items[f.oldest].ns = ns;
		return;
	}
	t->bytes[op] += bytes;
	if ((clients[key].blind & 1u << QOS_FROM_PORTAL) != 0) {
		t->unmatched++;
		return;
	}
	if (f.stale >= 0) {
		item_unmatched((uint32_t)f.stale);
		f = search(key, tag, ns);
		f.n++;
		f.stale = -1;
	}
	if (f.early >= 0) {
		took(key, op, ns, items[f.early].ns);
		item_remove((uint32_t)f.early);
		return;
	}
	if (f.n_waits > 0 && (rpc || f.n_waits >= QOS_STORAGE_SAME)) {
		item_unmatched((uint32_t)f.oldest);
		f.n--;
	}
	if (f.n < CHAIN) {
		item_add((struct item){ false, key, tag, op, bytes, ns });
	} else {
		t->unmeasured++;
		clients[key].skipped++;
	}
}

static void model_answer(uint32_t key, uint32_t tag, uint8_t status, uint64_t ns)
{
	struct search f = search(key, tag, ns);
	int m = f.before;

	total_of(key)->errors += status != 0;
	if (m < 0 && f.after >= 0 && items[f.after].ns <= ns + QOS_STORAGE_TURN_NS)
		m = f.after;
	if (m >= 0) {
		uint64_t asked = items[m].ns;

		took(key, items[m].op, asked, ns);
		item_remove((uint32_t)m);
		for (uint32_t i = n_items; i-- > 0;) {
			if (is_of(&items[i], key, tag, false) && items[i].ns <= asked)
				item_unmatched(i);
		}
	} else if (clients[key].skipped > 0) {
		clients[key].skipped--;
	} else if ((clients[key].blind & 1u << QOS_TO_PORTAL) != 0 || f.n >= CHAIN) {
		total_of(key)->unmatched++;
	} else {
		item_add((struct item){ true, key, tag, 0, 0, ns });
	}
}

static void model_tick(void)
{
	for (uint32_t i = 0; i < n_items;) {
		if (!items[i].early) {
			i++;
			continue;
		}
		if (items[i].ns >= now || now - items[i].ns < QOS_STORAGE_EARLY_NS)
			break;
		item_unmatched(i);
	}
	for (uint32_t k = 0; k < N_KEYS; k++) {
		struct client *c = &clients[k];

		if (!c->attached || now <= c->last || now - c->last < IDLE_NS)
			continue;
		model_drop(k);
		model_detach(k);
		n_idle++;
	}
	for (uint32_t i = n_items; i-- > 0;) {
		if (!items[i].early && items[i].ns < now && now - items[i].ns >= IDLE_NS)
			item_unmatched(i);
	}
}

static void model_forget(uint16_t vm)
{
	for (uint32_t k = 0; k < N_KEYS; k++) {
		if (!clients[k].in_use || clients[k].vm != vm)
			continue;
		model_drop(k);
		model_detach(k);
		clients[k].in_use = false;
	}
	memset(totals[vm], 0, sizeof(totals[vm]));
}

// --- the same to both

static int real_open(uint32_t key, uint32_t way, uint16_t vm, uint64_t ns)
{
	const enum qos_service svc = service_of(key);
	const struct qos_conn_key k =
		key_of(PORTAL + key % N_PORTALS, (uint16_t)(1000 + key), port_of(svc));
	const struct qos_portal_hit hit = { .service = (uint8_t)svc, .way = (uint8_t)way };

	return qos_storage_open(real, &k, &hit, vm, ns);
}

static bool model_is_anothers(uint32_t key, uint32_t way, uint16_t vm)
{
	const struct client *c = &clients[key];

	return c->in_use && way == QOS_TO_PORTAL && vm != 0 && c->vm != 0 && vm != c->vm &&
	       c->answered && c->attached && (c->closed & 1u << way) == 0;
}

static void both_open(uint32_t key, uint64_t ns)
{
	uint32_t way = below(2);
	uint16_t vm = (uint16_t)(way == QOS_TO_PORTAL && below(8) != 0 ? key % (N_VMS - 1) + 1 : 0);

	if (way == QOS_TO_PORTAL && below(100) == 0)
		vm = (uint16_t)below(N_VMS); // another one takes its address
	if (model_is_anothers(key, way, vm)) {
		assert_int_equal(real_open(key, way, vm, ns), -EPERM);
		return;
	}
	model_open(key, way, vm, ns);
	clients[key].handle = real_open(key, way, vm, ns);
	assert_true(clients[key].handle >= 0);
}

static void both_pdu(uint32_t key, uint32_t way, const struct qos_pdu *p, uint64_t ns)
{
	if (model_heard(key, way, ns)) {
		struct client *c = &clients[key];

		switch (p->kind) {
		case QOS_PDU_REQUEST:
			if (way == QOS_TO_PORTAL)
				model_ask(key, p->tag, p->op, p->bytes, ns);
			break;
		case QOS_PDU_RESPONSE:
			if (way == QOS_FROM_PORTAL)
				model_answer(key, p->tag, p->status, ns);
			break;
		case QOS_PDU_LOST:
			total_of(key)->lost[p->status]++;
			c->blind |= 1u << way;
			if (way == QOS_FROM_PORTAL)
				model_drop(key);
			break;
		default:
			c->blind &= ~(1u << way);
			break;
		}
	}
	qos_storage_pdu(real, clients[key].handle, way, p, ns);
}

static void both_command(uint32_t key, uint64_t ns)
{
	struct qos_pdu p = { .kind = QOS_PDU_REQUEST, .tag = below(N_TAGS) };
	uint32_t way = QOS_TO_PORTAL;

	p.op = (uint8_t)below(QOS_N_OPS);
	p.bytes = below(3) * 512;
	if (below(2) == 0) {
		p.kind = QOS_PDU_RESPONSE;
		p.status = below(20) == 0;
		way = QOS_FROM_PORTAL;
	}
	if (below(500) == 0)
		way = 1 - way;
	both_pdu(key, way, &p, ns);
}

static void both_rare(uint32_t key, uint64_t ns)
{
	struct qos_pdu p = { .kind = below(3) == 0 ? QOS_PDU_LOST : QOS_PDU_FOUND };
	uint32_t way = below(2);
	bool rst = below(4) == 0;

	switch (below(16)) {
	case 0:
	case 1:
		p.status = (uint8_t)(p.kind == QOS_PDU_LOST ? below(QOS_N_LOST) : 0);
		both_pdu(key, way, &p, ns);
		break;
	case 2:
	case 3:
		model_close(key, way, rst, ns);
		qos_storage_close(real, clients[key].handle, way, rst, ns);
		break;
	case 4:
	case 5:
		if (clients[key].attached)
			*(way == QOS_TO_PORTAL ? &total_of(key)->wait_out
					       : &total_of(key)->wait_in) += 77;
		qos_storage_wait(real, clients[key].handle, way, 1, 77);
		break;
	case 6:
		model_tick();
		qos_storage_tick(real, now);
		break;
	case 7:
		if (below(40) == 0) {
			uint16_t vm = (uint16_t)(1 + below(N_VMS - 1));

			model_forget(vm);
			qos_storage_forget_vm(real, vm);
		}
		break;
	default:
		both_open(key, ns);
		break;
	}
}

static void step(void)
{
	uint32_t key = below(N_KEYS);
	uint64_t ns;

	now += 1000 * (1 + below(20));
	if (below(200) == 0)
		now += 5 * MS;
	if (below(5000) == 0)
		now += 3 * S;
	// Two workers, up to 100 us apart; no two times are equal.
	ns = now - now % 1000 - 1000ull * below(100) + n_event++ % 1000;
	if (below(20) == 0)
		both_rare(key, ns);
	else
		both_command(key, ns);
}

static const struct qos_storage_row *real_row(uint16_t vm, uint32_t portal)
{
	const struct qos_storage_row *r;
	const struct qos_addr a = v4(PORTAL + portal);

	for (uint32_t i = 0; (r = qos_storage_row(real, i)) != NULL; i++) {
		if (r->vm_idx == vm && memcmp(&r->portal.addr, &a, sizeof(a)) == 0)
			return r;
	}
	return NULL;
}

static void compare_row(const struct qos_storage_row *r, const struct total *t, uint16_t vm,
			uint32_t portal)
{
	uint64_t oldest = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_items; i++) {
		if (items[i].early || total_of(items[i].key) != &totals[vm][portal])
			continue;
		n++;
		if (oldest == 0 || items[i].ns < oldest)
			oldest = items[i].ns;
	}
	assert_int_equal(r->outstanding_now, n);
	assert_int_equal(r->oldest_ns, oldest);
	for (uint32_t op = 0; op < QOS_N_OPS; op++) {
		assert_int_equal(r->took[op].n, t->n[op]);
		assert_int_equal(r->took[op].sum_ns, t->sum[op]);
		assert_int_equal(r->took[op].max_ns, t->max[op]);
		assert_int_equal(r->bytes[op], t->bytes[op]);
	}
	for (uint32_t i = 0; i < QOS_N_LOST; i++)
		assert_int_equal(r->lost[i], t->lost[i]);
	assert_int_equal(r->unmatched, t->unmatched);
	assert_int_equal(r->unmeasured, t->unmeasured);
	assert_int_equal(r->errors, t->errors);
	assert_int_equal(r->conns, t->conns);
	assert_int_equal(r->conns_now, t->conns_now);
	assert_int_equal(r->wait_out_ns, t->wait_out);
	assert_int_equal(r->wait_in_ns, t->wait_in);
}

static void compare(void)
{
	uint32_t n_rows = 0;

	for (uint16_t vm = 0; vm < N_VMS; vm++) {
		for (uint32_t portal = 0; portal < N_PORTALS; portal++) {
			const struct qos_storage_row *r = real_row(vm, portal);

			assert_int_equal(r != NULL, totals[vm][portal].exists);
			if (r != NULL)
				compare_row(r, &totals[vm][portal], vm, portal);
			n_rows += r != NULL;
		}
	}
	assert_int_equal(counts_of(real).rows_now, n_rows);
	assert_int_equal(counts_of(real).idle, n_idle);
}

static void the_table_agrees_with_the_model(void **state)
{
	static const struct qos_storage_params p = { N_VMS, 64, 64, 1 << 16, IDLE_NS };
	uint64_t n_took = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct heard h;

		real = watch_sized(&h, &p);
		rng = seed * 0x9e3779b97f4a7c15u;
		now = S;
		n_items = n_idle = 0;
		memset(clients, 0, sizeof(clients));
		memset(totals, 0, sizeof(totals));
		for (uint32_t k = 0; k < N_KEYS; k++)
			clients[k].handle = -1;
		for (uint32_t i = 0; i < 100000; i++) {
			step();
			if (i % 50 == 0)
				compare();
		}
		compare();
		for (uint32_t k = 0; k < N_VMS * N_PORTALS; k++)
			n_took += totals[k / N_PORTALS][k % N_PORTALS].n[QOS_OP_READ];
		qos_storage_destroy(real);
	}
	assert_true(n_took > 5000); // it did something
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
