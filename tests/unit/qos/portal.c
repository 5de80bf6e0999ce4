// Portals: what is known of them, and one that is entered while others read.
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../unit.h"
#include "qos_portal.h"

static struct qos_addr ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t raw[4] = { a, b, c, d };
	struct qos_addr x;

	qos_addr_set4(&x, raw);
	return x;
}

static struct qos_portal learnt(uint32_t i)
{
	return (struct qos_portal){ .addr = ip4(10, 1, (uint8_t)(i >> 8), (uint8_t)i),
				    .port = (uint16_t)(5000 + i),
				    .proto = 6,
				    .service = i % 2 == 0 ? QOS_SVC_ISCSI : QOS_SVC_RPC,
				    .how = QOS_HOW_REDIRECT + i % 3 };
}

static void services_and_hows_have_names(void **state)
{
	enum qos_service s = QOS_SVC_NBD;

	(void)state;
	for (uint32_t i = 0; i < QOS_N_SVCS; i++) {
		assert_int_equal(qos_service_find(qos_service_name(i), &s), 0);
		assert_int_equal(s, i);
	}
	assert_int_equal(qos_service_find("iSCSI", &s), -ENOENT);
	assert_int_equal(s, QOS_N_SVCS - 1);
	for (uint32_t i = 0; i < QOS_N_HOWS; i++)
		assert_string_not_equal(qos_how_name(i), "invalid");
	assert_string_equal(qos_how_name(QOS_HOW_SENDTARGETS), "sendtargets");
	assert_string_equal(qos_service_name(QOS_N_SVCS), "invalid");
	assert_string_equal(qos_how_name(QOS_N_HOWS), "invalid");
}

static void services_go_by_their_ports(void **state)
{
	static const struct {
		uint8_t proto;
		uint16_t port;
		enum qos_service service;
	} rows[] = {
		{ 6, 3260, QOS_SVC_ISCSI },  { 6, 860, QOS_SVC_ISCSI },
		{ 6, 2049, QOS_SVC_NFS },    { 17, 2049, QOS_SVC_NFS },
		{ 6, 111, QOS_SVC_RPCBIND }, { 17, 111, QOS_SVC_RPCBIND },
		{ 6, 4420, QOS_SVC_NVME },   { 6, 8009, QOS_SVC_NVME },
		{ 6, 3300, QOS_SVC_CEPH },   { 6, 6789, QOS_SVC_CEPH },
		{ 6, 6800, QOS_SVC_CEPH },   { 6, 7568, QOS_SVC_CEPH },
		{ 6, 445, QOS_SVC_SMB },     { 6, 10809, QOS_SVC_NBD },
		{ 6, 7569, QOS_SVC_NONE },   { 6, 6799, QOS_SVC_NONE },
		{ 17, 3260, QOS_SVC_NONE },  { 132, 3260, QOS_SVC_NONE },
		{ 6, 0, QOS_SVC_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(qos_service_of(rows[i].proto, rows[i].port), rows[i].service);
		assert_int_equal(qos_storage_port(rows[i].proto, rows[i].port),
				 rows[i].service != QOS_SVC_NONE);
	}
}

static void what_is_out_of_bounds_is_refused(void **state)
{
	struct qos_portals *p;

	(void)state;
	assert_int_equal(qos_portals_create(&p), 0);
	for (uint32_t i = 0; i < 4; i++) {
		struct qos_portal bad = learnt(1);

		if (i == 0)
			bad.port = 0;
		else if (i == 1)
			bad.service = QOS_N_SVCS;
		else if (i == 2)
			bad.how = QOS_N_HOWS;
		else
			bad.addr = (struct qos_addr){ 0 };
		assert_int_equal(qos_portals_put(p, &bad), -EINVAL);
		assert_int_equal(qos_portals_learn(p, &bad), -EINVAL);
	}
	struct qos_portal declared = learnt(1);
	declared.how = QOS_HOW_DECLARED; // is not learnt
	assert_int_equal(qos_portals_learn(p, &declared), -EINVAL);
	assert_false(qos_portals_has(p, &declared.addr, 6, declared.port));
	qos_portals_destroy(p);
}

// What a frame goes to is asked first, and each end by its exact portal before its server.
static void a_hit_says_what_how_and_which_way(void **state)
{
	const struct qos_addr srv = ip4(10, 0, 0, 1), own = ip4(10, 0, 0, 2),
			      other = ip4(10, 9, 9, 9), by_name = ip4(10, 0, 0, 5);
	struct qos_portal of_srv = learnt(0), of_other = learnt(1);
	struct qos_portals *p;
	struct qos_portal_hit hit;

	(void)state;
	of_srv.addr = srv;
	of_other.service = QOS_SVC_NONE;
	assert_int_equal(qos_portals_create(&p), 0);
	assert_int_equal(qos_portals_add(p, &by_name, 6, 9999), 0);
	assert_int_equal(qos_portals_add(p, &by_name, 17, 2049), 0);
	assert_int_equal(qos_portals_put(p, &of_srv), 0);
	assert_int_equal(qos_portals_put(p, &of_other), 0);
	assert_int_equal(qos_portals_add_server(p, &srv, 128), 0);

	assert_true(qos_portals_match(p, &own, 1, &by_name, 9999, 6, &hit));
	assert_int_equal(hit.service, QOS_SVC_OTHER);
	assert_int_equal(hit.how, QOS_HOW_DECLARED);
	assert_int_equal(hit.way, QOS_TO_PORTAL);
	assert_true(hit.listed);
	assert_true(qos_portals_match(p, &by_name, 2049, &own, 1, 17, &hit));
	assert_int_equal(hit.service, QOS_SVC_NFS);
	assert_int_equal(hit.way, QOS_FROM_PORTAL);
	// A server by its port, and a learnt port of it.
	assert_true(qos_portals_match(p, &srv, 3260, &own, 1, 6, &hit));
	assert_int_equal(hit.how, QOS_HOW_SERVER);
	assert_int_equal(hit.service, QOS_SVC_ISCSI);
	assert_true(hit.listed);
	assert_true(qos_portals_match(p, &own, 1, &srv, of_srv.port, 6, &hit));
	assert_int_equal(hit.how, QOS_HOW_REDIRECT);
	assert_true(hit.listed);
	// What was taught does not teach.
	assert_true(qos_portals_match(p, &of_other.addr, of_other.port, &own, 1, 6, &hit));
	assert_int_equal(hit.how, QOS_HOW_SENDTARGETS);
	assert_int_equal(hit.service, QOS_SVC_OTHER);
	assert_false(hit.listed);
	// Both ends are one: the destination says.
	assert_true(qos_portals_match(p, &by_name, 9999, &srv, 445, 6, &hit));
	assert_int_equal(hit.service, QOS_SVC_SMB);
	assert_int_equal(hit.way, QOS_TO_PORTAL);
	assert_false(qos_portals_match(p, &own, 3260, &other, 3260, 6, &hit));
	assert_false(qos_portals_match(p, &own, 1, &srv, 9999, 6, &hit));
	assert_true(qos_portals_listed(p, &srv) && qos_portals_listed(p, &by_name));
	assert_false(qos_portals_listed(p, &of_other.addr) || qos_portals_listed(p, &own));
	assert_false(qos_portals_listed(p, &(struct qos_addr){ 0 }));
	qos_portals_destroy(p);
}

static void no_more_are_learnt_than_fit(void **state)
{
	struct qos_portals *p;

	(void)state;
	assert_int_equal(qos_portals_create(&p), 0);
	// Beside a table that is full.
	for (uint32_t i = 0; i < QOS_PORTALS_MAX; i++) {
		struct qos_addr a = ip4(10, 2, (uint8_t)(i >> 8), (uint8_t)i);

		assert_int_equal(qos_portals_add(p, &a, 6, 3260), 0);
	}
	for (uint32_t i = 0; i < QOS_PORTALS_LIVE; i++) {
		struct qos_portal l = learnt(i);

		assert_int_equal(qos_portals_learn(p, &l), 0);
		assert_int_equal(qos_portals_learn(p, &l), -EEXIST);
	}
	struct qos_portal more = learnt(QOS_PORTALS_LIVE);
	assert_int_equal(qos_portals_learn(p, &more), -ENOSPC);
	assert_false(qos_portals_has(p, &more.addr, 6, more.port));
	for (uint32_t i = 0; i < QOS_PORTALS_LIVE; i++) {
		struct qos_portal l = learnt(i);

		assert_true(qos_portals_has(p, &l.addr, 6, l.port));
		assert_true(qos_portals_may(p, l.port, 1));
	}
	qos_portals_destroy(p);
}

// --- beside readers

static struct qos_portals *shared;
static _Atomic uint32_t n_taught; // returned from learn
static _Atomic bool stop;

// What has been taught is found, as it was taught; what has not been is not there in part.
static void *read_on(void *arg)
{
	uint64_t *wrong = arg;
	struct qos_addr own = ip4(10, 0, 0, 2);

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint32_t sure = atomic_load_explicit(&n_taught, memory_order_acquire);

		for (uint32_t i = 0; i < QOS_PORTALS_LIVE; i++) {
			struct qos_portal l = learnt(i);
			struct qos_portal_hit hit;

			if (!qos_portals_match(shared, &own, 1, &l.addr, l.port, 6, &hit))
				*wrong += i < sure;
			else
				*wrong += hit.service != l.service || hit.how != l.how ||
					  hit.listed || hit.way != QOS_TO_PORTAL;
		}
	}
	return NULL;
}

// The second of two teachers: of each portal one of them is the first, or both at one time.
static void *teach_too(void *arg)
{
	uint64_t *wrong = arg;

	for (uint32_t i = 0; i < QOS_PORTALS_LIVE / 2; i++) {
		struct qos_portal l = learnt(i);
		int rc = qos_portals_learn(shared, &l);

		*wrong += rc != 0 && rc != -EEXIST;
		*wrong += !qos_portals_has(shared, &l.addr, 6, l.port);
	}
	return NULL;
}

static void what_is_learnt_is_seen_at_once(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 50; round++) {
		uint64_t wrong[2] = { 0 };
		pthread_t reader, teacher;

		assert_int_equal(qos_portals_create(&shared), 0);
		atomic_store(&n_taught, 0);
		atomic_store(&stop, false);
		assert_int_equal(pthread_create(&reader, NULL, read_on, &wrong[0]), 0);
		assert_int_equal(pthread_create(&teacher, NULL, teach_too, &wrong[1]), 0);
		for (uint32_t i = 0; i < QOS_PORTALS_LIVE / 2; i++) {
			struct qos_portal l = learnt(i);
			int rc = qos_portals_learn(shared, &l);

			assert_true(rc == 0 || rc == -EEXIST);
			atomic_store_explicit(&n_taught, i + 1, memory_order_release);
		}
		pthread_join(teacher, NULL);
		atomic_store(&stop, true);
		pthread_join(reader, NULL);
		assert_int_equal(wrong[0], 0);
		assert_int_equal(wrong[1], 0);
		qos_portals_destroy(shared);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_and_hows_have_names),
		cmocka_unit_test(services_go_by_their_ports),
		cmocka_unit_test(what_is_out_of_bounds_is_refused),
		cmocka_unit_test(a_hit_says_what_how_and_which_way),
		cmocka_unit_test(no_more_are_learnt_than_fit),
		cmocka_unit_test(what_is_learnt_is_seen_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
