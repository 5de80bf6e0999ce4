// Learnt portals: who may teach what, bounds, age, and the text form.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "../unit.h"
#include "qos_learn.h"

#define DAY 86400u

static struct qos_addr addr(const char *text)
{
	struct qos_addr a = { { [10] = 0xff, [11] = 0xff } };

	if (inet_pton(AF_INET, text, a.b + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	return a;
}

static struct qos_portal portal(const char *text, uint16_t port)
{
	return (struct qos_portal){ addr(text), port, 6, QOS_SVC_ISCSI, QOS_HOW_REDIRECT };
}

// 192.0.2.1, .2 and 2001:db8::1 are listed; 192.0.2.9 port 3260 is declared.
static struct qos_portals *listed(void)
{
	static const char *const servers[] = { "192.0.2.1", "192.0.2.2", "2001:db8::1" };
	struct qos_portals *t;
	struct qos_addr a;

	assert_int_equal(qos_portals_create(&t), 0);
	for (int i = 0; i < 3; i++) {
		a = addr(servers[i]);
		assert_int_equal(qos_portals_add_server(t, &a, 128), 0);
	}
	a = addr("192.0.2.9");
	assert_int_equal(qos_portals_add(t, &a, 6, 3260), 0);
	return t;
}

struct world {
	struct qos_portals *table;
	struct qos_learn *l;
};

static void open_world(struct world *w, uint32_t max, uint32_t per_teacher, uint32_t ageing_s)
{
	const struct qos_learn_params p = { max, per_teacher, ageing_s };

	w->table = listed();
	assert_int_equal(qos_learn_create(&p, &w->l), 0);
}

static void close_world(struct world *w)
{
	qos_learn_destroy(w->l);
	qos_portals_destroy(w->table);
}

static int teach(struct world *w, const char *teacher, const char *what, uint16_t port,
		 uint64_t now_s)
{
	struct qos_portal p = portal(what, port);
	struct qos_addr t = addr(teacher);

	return qos_learn_add(w->l, w->table, &t, &p, now_s);
}

static struct qos_learn_counts counts(const struct world *w)
{
	struct qos_learn_counts c;

	qos_learn_counts(w->l, &c);
	return c;
}

// By port, which the tests keep apart
static const struct qos_learnt *by_port(const struct world *w, uint16_t port)
{
	for (uint32_t i = 0; qos_learn_at(w->l, i) != NULL; i++) {
		if (qos_learn_at(w->l, i)->portal.port == port)
			return qos_learn_at(w->l, i);
	}
	return NULL;
}

static void a_listed_server_teaches(void **state)
{
	struct world w;
	struct qos_addr a = addr("198.51.100.7");

	(void)state;
	open_world(&w, 10, 10, DAY);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 3260, 100), 0);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 3260, 150), -EEXIST);
	assert_int_equal(by_port(&w, 3260)->first_s, 100);
	assert_int_equal(by_port(&w, 3260)->last_s, 150);
	assert_int_equal(by_port(&w, 3260)->uses, 2);
	assert_true(qos_learn_seen(w.l, &a, 6, 3260, 170));
	assert_int_equal(by_port(&w, 3260)->last_s, 170);
	assert_int_equal(by_port(&w, 3260)->uses, 2);
	assert_false(qos_learn_seen(w.l, &a, 17, 3260, 180));
	assert_false(qos_learn_seen(w.l, &a, 6, 3261, 180));
	assert_int_equal(qos_learn_remove(w.l, &a, 6, 3261), -ENOENT);
	assert_int_equal(qos_learn_remove(w.l, &a, 6, 3260), 0);
	assert_false(qos_learn_seen(w.l, &a, 6, 3260, 180));
	assert_int_equal(counts(&w).taught, 1);
	assert_int_equal(counts(&w).again, 1);
	assert_int_equal(counts(&w).dropped, 1);
	assert_int_equal(counts(&w).now, 0);
	close_world(&w);
}

static void who_is_not_listed_teaches_nothing(void **state)
{
	struct qos_portal p = portal("198.51.100.8", 3260);
	struct qos_addr t = addr("192.0.2.1");
	struct world w;

	(void)state;
	open_world(&w, 10, 10, DAY);
	assert_int_equal(teach(&w, "203.0.113.5", "198.51.100.7", 3260, 1), -EPERM);
	// What was learnt does not teach on.
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 3260, 1), 0);
	assert_int_equal(qos_portals_learn(w.table, &qos_learn_at(w.l, 0)->portal), 0);
	assert_int_equal(teach(&w, "198.51.100.7", "198.51.100.8", 3260, 1), -EPERM);
	assert_int_equal(qos_learn_add(w.l, NULL, &t, &p, 1), -EPERM);
	assert_int_equal(counts(&w).refused_unlisted, 3);
	assert_int_equal(counts(&w).now, 1);
	close_world(&w);
}

static void what_is_declared_takes_no_place(void **state)
{
	struct qos_portal p = portal("192.0.2.9", 3260);
	struct world w;

	(void)state;
	open_world(&w, 10, 10, DAY);
	assert_int_equal(teach(&w, "192.0.2.1", "192.0.2.9", 3260, 1), -EEXIST);
	assert_int_equal(teach(&w, "192.0.2.1", "192.0.2.2", 3260, 1), -EEXIST);
	assert_int_equal(counts(&w).now, 0);
	assert_false(qos_learn_wanted(w.table, &p));
	p = portal("192.0.2.2", 3260);
	assert_false(qos_learn_wanted(w.table, &p));
	p.port = 3262;
	assert_true(qos_learn_wanted(w.table, &p));
	p.addr = addr("127.0.0.1");
	assert_false(qos_learn_wanted(w.table, &p));
	// Another port of the same is new, also where a worker has entered it already.
	assert_int_equal(teach(&w, "192.0.2.1", "192.0.2.9", 3261, 1), 0);
	p = portal("192.0.2.2", 3262);
	assert_int_equal(qos_portals_learn(w.table, &p), 0);
	assert_int_equal(teach(&w, "192.0.2.1", "192.0.2.2", 3262, 1), 0);
	assert_int_equal(counts(&w).now, 2);
	close_world(&w);
}

static void only_addresses_that_a_portal_can_have(void **state)
{
	static const char *const bad[] = {
		"0.0.0.0",
		"0.1.2.3",
		"127.0.0.1",
		"127.255.255.254",
		"224.0.0.1",
		"239.255.255.9",
		"255.255.255.255",
		"169.254.1.1",
		"::",
		"::1",
		"::127.0.0.1",
		"::192.0.2.7",
		"ff02::1",
		"ff0e::99",
		"fe80::1",
		"febf::1",
		"::ffff:127.0.0.1",
		"::ffff:0.0.0.0",
	};
	static const char *const good[] = { "198.51.100.7", "126.1.1.1", "223.255.255.255",
					    "10.0.0.1",	    "fd00::7",	 "fec0::1",
					    "2001:db8::7",  "254.0.0.1" };
	struct qos_portal p = portal("198.51.100.7", 3260);
	struct world w;

	(void)state;
	open_world(&w, 100, 100, DAY);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (teach(&w, "192.0.2.1", bad[i], 3260, 1) != -EINVAL)
			fail_msg("%s was learnt", bad[i]);
	}
	assert_int_equal(counts(&w).refused_address, sizeof(bad) / sizeof(bad[0]));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (teach(&w, "192.0.2.1", good[i], 3260, 1) != 0)
			fail_msg("%s was refused", good[i]);
	}
	assert_true(qos_learn_allowed(&p));
	p.port = 0;
	assert_false(qos_learn_allowed(&p));
	p = portal("198.51.100.7", 3260);
	p.proto = 1;
	assert_false(qos_learn_allowed(&p));
	p.proto = 17;
	assert_true(qos_learn_allowed(&p));
	p.how = QOS_HOW_DECLARED;
	assert_false(qos_learn_allowed(&p));
	p.how = QOS_N_HOWS;
	assert_false(qos_learn_allowed(&p));
	p.how = QOS_HOW_RPCBIND;
	p.service = QOS_N_SVCS;
	assert_false(qos_learn_allowed(&p));
	close_world(&w);
}

static void a_flood_of_one_teacher_leaves_room_for_others(void **state)
{
	struct qos_addr a = addr("198.51.100.7");
	struct world w;

	(void)state;
	open_world(&w, 12, 8, DAY);
	for (uint16_t i = 0; i < 5000; i++)
		assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 1000 + i, 1),
				 i < 8 ? 0 : -ENOSPC);
	assert_int_equal(counts(&w).refused_teacher_full, 4992);
	assert_int_equal(counts(&w).now, 8);
	for (uint16_t i = 0; i < 5; i++)
		assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.8", 1000 + i, 1),
				 i < 4 ? 0 : -ENOSPC);
	assert_int_equal(counts(&w).refused_full, 1);
	// The first are kept, and place that became free is given again.
	assert_non_null(by_port(&w, 1000));
	assert_int_equal(qos_learn_remove(w.l, &a, 6, 1000), 0);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 9999, 1), 0);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 9998, 1), -ENOSPC);
	close_world(&w);
}

static void all_places_can_be_taken(void **state)
{
	struct qos_learn_params p = { QOS_LEARNT_MAX + 1, 1, 1 };
	struct qos_learn *l;
	struct world w;

	(void)state;
	assert_int_equal(qos_learn_create(&p, &l), -EINVAL);
	assert_null(l);
	open_world(&w, QOS_LEARNT_MAX, QOS_LEARNT_MAX, 0);
	for (uint32_t i = 0; i < QOS_LEARNT_MAX; i++)
		assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", (uint16_t)(5000 + i), i),
				 0);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 1, 1), -ENOSPC);
	for (uint32_t i = 0; i < QOS_LEARNT_MAX; i++)
		assert_non_null(by_port(&w, (uint16_t)(5000 + i)));
	assert_int_equal(qos_learn_age(w.l, w.table, 1000000 * (uint64_t)DAY), 0);
	qos_learn_clear(w.l);
	assert_int_equal(counts(&w).now, 0);
	assert_int_equal(counts(&w).dropped, QOS_LEARNT_MAX);
	assert_null(qos_learn_at(w.l, 0));
	close_world(&w);
}

static void unused_ones_age_and_used_ones_stay(void **state)
{
	struct qos_addr a = addr("198.51.100.7");
	struct world w;

	(void)state;
	open_world(&w, 10, 10, DAY);
	for (uint16_t i = 1; i <= 4; i++)
		assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", i, 1000 * i), 0);
	assert_int_equal(qos_learn_age(w.l, w.table, 1000 + DAY), 0);
	assert_true(qos_learn_seen(w.l, &a, 6, 2, 5000));
	assert_int_equal(qos_learn_age(w.l, w.table, 3001 + DAY), 2); // 1 and 3
	assert_null(by_port(&w, 1));
	assert_null(by_port(&w, 3));
	assert_true(qos_learn_seen(w.l, &a, 6, 2, 5001));
	assert_true(qos_learn_seen(w.l, &a, 6, 4, 5001));
	assert_int_equal(counts(&w).aged, 2);
	assert_int_equal(counts(&w).dropped, 0);
	close_world(&w);
}

static void a_clock_set_back_ages_nothing(void **state)
{
	struct qos_addr a = addr("198.51.100.7");
	struct world w;

	(void)state;
	open_world(&w, 10, 10, DAY);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 1, 1000 * (uint64_t)DAY), 0);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 2, 1000 * (uint64_t)DAY), 0);
	// To the beginning of time, as without a battery, and forward again.
	assert_int_equal(qos_learn_age(w.l, w.table, 0), 0);
	assert_int_equal(qos_learn_age(w.l, w.table, DAY), 0);
	assert_int_equal(qos_learn_age(w.l, w.table, 1000 * (uint64_t)DAY + 5), 0);
	// What is used under the clock that was set back ages by it.
	assert_true(qos_learn_seen(w.l, &a, 6, 1, 500));
	assert_int_equal(by_port(&w, 1)->first_s, 500);
	assert_int_equal(by_port(&w, 1)->last_s, 500);
	assert_int_equal(qos_learn_age(w.l, w.table, 500 + DAY), 0);
	assert_int_equal(qos_learn_age(w.l, w.table, 501 + DAY), 1);
	assert_non_null(by_port(&w, 2));
	close_world(&w);
}

static void they_go_when_their_teacher_is_not_listed(void **state)
{
	struct qos_addr second = addr("192.0.2.2");
	struct qos_portals *fewer;
	struct world w;

	(void)state;
	open_world(&w, 10, 2, DAY);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 1, 10), 0);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 2, 10), 0);
	assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.8", 3, 10), 0);
	assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.7", 1, 11), -EEXIST);
	assert_memory_equal(by_port(&w, 1)->teacher.b, addr("192.0.2.1").b, 16);
	assert_int_equal(qos_portals_create(&fewer), 0);
	assert_int_equal(qos_portals_add_server(fewer, &second, 128), 0);
	qos_portals_destroy(w.table);
	w.table = fewer;
	// The one that is still listed takes over what it teaches again, within its bound.
	assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.7", 1, 12), -EEXIST);
	assert_memory_equal(by_port(&w, 1)->teacher.b, second.b, 16);
	assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.7", 2, 12), -EEXIST);
	assert_int_equal(qos_learn_age(w.l, w.table, 12), 1);
	assert_null(by_port(&w, 2));
	assert_non_null(by_port(&w, 1));
	assert_non_null(by_port(&w, 3));
	assert_int_equal(counts(&w).dropped, 1);
	assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.8", 4, 12), -ENOSPC);
	assert_int_equal(qos_learn_age(w.l, NULL, 12), 2);
	close_world(&w);
}

static void smaller_bounds_keep_what_was_used_last(void **state)
{
	struct world w;

	(void)state;
	open_world(&w, 20, 20, DAY);
	for (uint16_t i = 1; i <= 6; i++) {
		assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", i, 100 * i), 0);
		assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.7", 50 + i, 10 * i), 0);
	}
	qos_learn_set(w.l, &(struct qos_learn_params){ 6, 4, DAY });
	for (uint16_t i = 1; i <= 6; i++) {
		assert_int_equal(by_port(&w, i) != NULL, i >= 3);
		assert_int_equal(by_port(&w, 50 + i) != NULL, i >= 5);
	}
	assert_int_equal(counts(&w).now, 6);
	assert_int_equal(counts(&w).dropped, 6);
	assert_int_equal(counts(&w).refused_full + counts(&w).refused_teacher_full, 0);
	qos_learn_set(w.l, &(struct qos_learn_params){ UINT32_MAX, 4, DAY });
	assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.7", 99, 1), 0);
	qos_learn_set(w.l, &(struct qos_learn_params){ 0, 0, DAY });
	assert_int_equal(counts(&w).now, 0);
	assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.7", 99, 1), -ENOSPC);
	close_world(&w);
}

// --- Text

static const char one[] = "weir-learnt 1\n"
			  "198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 150 2\n"
			  "2001:db8::7 udp 20048 rpc rpcbind 2001:db8::1 90 90 1\n";

static uint32_t crc32(const char *p, size_t size)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < size; i++) {
		crc ^= (uint8_t)p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
	}
	return ~crc;
}

// body and the last line that goes with it; free it
static char *ended(const char *body, unsigned n)
{
	char *text = NULL, *all = NULL;

	assert_true(asprintf(&text, "%send %u crc32 ", body, n) > 0);
	assert_true(asprintf(&all, "%s%08x\n", text, crc32(text, strlen(text))) > 0);
	free(text);
	return all;
}

static int read_text(struct world *w, const char *text, size_t size, uint32_t *line)
{
	uint8_t *copy = exact_copy(text, size);
	int rc = qos_learn_read(w->l, (const char *)copy, size, line);

	free(copy);
	return rc;
}

static void the_text_is_what_the_header_says(void **state)
{
	static const char example[] =
		"weir-learnt 1\n"
		"192.0.2.7 tcp 3260 iscsi redirect 192.0.2.1 1700000000 1700000100 12\n"
		"end 1 crc32 c6719205\n";
	struct qos_portal rpc = { addr("2001:db8::7"), 20048, 17, QOS_SVC_RPC, QOS_HOW_RPCBIND };
	struct qos_addr six = addr("2001:db8::1");
	char *text, *want = ended(one, 2);
	uint32_t line = 7;
	struct world w, v;
	size_t size;

	(void)state;
	assert_int_equal(crc32("123456789", 9), 0xcbf43926); // the check value of that CRC
	open_world(&w, 10, 10, DAY);
	assert_int_equal(read_text(&w, example, sizeof(example) - 1, &line), 0);
	assert_int_equal(by_port(&w, 3260)->uses, 12);
	close_world(&w);
	open_world(&w, 10, 10, DAY);
	assert_int_equal(qos_learn_add(w.l, w.table, &six, &rpc, 90), 0);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 3260, 100), 0);
	assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", 3260, 150), -EEXIST);
	assert_int_equal(qos_learn_write(w.l, &text, &size), 0);
	assert_string_equal(text, want);
	assert_int_equal(size, strlen(want));
	open_world(&v, 10, 10, DAY);
	assert_int_equal(read_text(&v, text, size, &line), 0);
	assert_int_equal(line, 0);
	assert_int_equal(counts(&v).now, 2);
	free(text);
	assert_int_equal(qos_learn_write(v.l, &text, &size), 0);
	assert_string_equal(text, want);
	assert_int_equal(by_port(&v, 3260)->uses, 2);
	assert_int_equal(by_port(&v, 20048)->portal.service, QOS_SVC_RPC);
	assert_int_equal(by_port(&v, 20048)->portal.how, QOS_HOW_RPCBIND);
	assert_int_equal(by_port(&v, 20048)->portal.proto, 17);
	assert_memory_equal(by_port(&v, 20048)->teacher.b, six.b, 16);
	free(text);
	free(want);
	close_world(&v);
	close_world(&w);
}

static void none_is_written_and_read(void **state)
{
	uint32_t line;
	struct world w;
	size_t size;
	char *text;

	(void)state;
	open_world(&w, 10, 10, DAY);
	assert_int_equal(qos_learn_write(w.l, &text, &size), 0);
	assert_memory_equal(text, "weir-learnt 1\nend 0 crc32 ", 26);
	assert_int_equal(read_text(&w, text, size, &line), 0);
	free(text);
	close_world(&w);
}

static void damage_is_refused_by_line_and_nothing_taken(void **state)
{
#define GOOD "198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 150 2\n"
	static const struct {
		const char *body;
		unsigned n;
		uint32_t line;
	} cases[] = {
		{ "", 0, 1 },
		{ "weir-learnt 2\n", 0, 1 },
		{ "weir-learnt 1\r\n", 0, 1 },
		{ "weir-learnt 1\n" GOOD, 0, 3 },
		{ "weir-learnt 1\n" GOOD, 2, 3 },
		{ "weir-learnt 1\n" GOOD GOOD, 2, 3 },
		{ "weir-learnt 1\n\n", 0, 2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 150 2 3\n", 1,
		  2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 150\n", 1, 2 },
		{ "weir-learnt 1\n198.51.100.7  tcp 3260 iscsi redirect 192.0.2.1 100 150 2\n", 1,
		  2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 03260 iscsi redirect 192.0.2.1 100 150 2\n", 1,
		  2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 65536 iscsi redirect 192.0.2.1 100 150 2\n", 1,
		  2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 0 iscsi redirect 192.0.2.1 100 150 2\n", 1, 2 },
		{ "weir-learnt 1\n198.51.100.7 sctp 3260 iscsi redirect 192.0.2.1 100 150 2\n", 1,
		  2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 ssh redirect 192.0.2.1 100 150 2\n", 1, 2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 iscsi declared 192.0.2.1 100 150 2\n", 1,
		  2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 iscsi guess 192.0.2.1 100 150 2\n", 1, 2 },
		{ "weir-learnt 1\n127.0.0.1 tcp 3260 iscsi redirect 192.0.2.1 100 150 2\n", 1, 2 },
		{ "weir-learnt 1\n::ffff:198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 150 "
		  "2\n",
		  1, 2 },
		{ "weir-learnt 1\n2001:DB8::7 tcp 3260 iscsi redirect 192.0.2.1 100 150 2\n", 1,
		  2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 iscsi redirect nobody 100 150 2\n", 1, 2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 151 150 2\n", 1,
		  2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 "
		  "18446744073709551616 2\n",
		  1, 2 },
		{ "weir-learnt 1\n198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 150 -2\n", 1,
		  2 },
		// The older one first; the same one twice.
		{ "weir-learnt 1\n" GOOD
		  "198.51.100.8 tcp 3260 iscsi redirect 192.0.2.1 100 151 2\n",
		  2, 3 },
		{ "weir-learnt 1\n" GOOD
		  "198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 149 2\n",
		  2, 3 },
	};
	struct world w;
	uint32_t line;

	(void)state;
	open_world(&w, 10, 10, DAY);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = ended(cases[i].body, cases[i].n);

		line = 99;
		if (read_text(&w, text, strlen(text), &line) != -EINVAL || line != cases[i].line)
			fail_msg("line %u, not %u, of: %s", line, cases[i].line, text);
		assert_int_equal(counts(&w).now, 0);
		free(text);
	}
	close_world(&w);
}

static void every_flipped_bit_and_every_cut_is_noticed(void **state)
{
	char *text = ended(one, 2);
	size_t size = strlen(text);
	struct world w;
	uint32_t line;

	(void)state;
	open_world(&w, 10, 10, DAY);
	for (size_t i = 0; i < size; i++) {
		for (int bit = 0; bit < 8; bit++) {
			text[i] ^= (char)(1 << bit);
			assert_int_equal(qos_learn_read(w.l, text, size, &line), -EINVAL);
			assert_in_range(line, 1, 4);
			text[i] ^= (char)(1 << bit);
		}
		assert_int_equal(read_text(&w, text, i, &line), -EINVAL);
	}
	assert_int_equal(counts(&w).now, 0);
	assert_int_equal(read_text(&w, text, size, &line), 0);
	// And something behind the end.
	text[size] = '\n';
	assert_int_equal(qos_learn_read(w.l, text, size + 1, &line), -EINVAL);
	assert_int_equal(line, 4);
	free(text);
	close_world(&w);
}

static void reading_keeps_what_is_there_and_the_bounds(void **state)
{
	struct world w, v;
	uint32_t line;
	size_t size;
	char *text;

	(void)state;
	open_world(&w, 2000, 2000, DAY);
	for (uint16_t i = 1; i <= 1000; i++)
		assert_int_equal(teach(&w, "192.0.2.1", "198.51.100.7", i, i), 0);
	assert_int_equal(teach(&w, "192.0.2.2", "198.51.100.7", 5000, 5), 0);
	assert_int_equal(qos_learn_write(w.l, &text, &size), 0);
	open_world(&v, 100, 50, DAY);
	assert_int_equal(teach(&v, "192.0.2.1", "198.51.100.7", 7, 5000), 0);
	assert_int_equal(read_text(&v, text, size, &line), 0);
	assert_int_equal(counts(&v).now, 51);
	assert_int_equal(by_port(&v, 7)->last_s, 5000);
	assert_non_null(by_port(&v, 1000));
	assert_non_null(by_port(&v, 952)); // 49 of them, those last seen
	assert_null(by_port(&v, 951));
	assert_non_null(by_port(&v, 5000));
	assert_int_equal(counts(&v).refused_teacher_full, 950);
	assert_int_equal(counts(&v).taught, 1);
	free(text);
	close_world(&v);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listed_server_teaches),
		cmocka_unit_test(who_is_not_listed_teaches_nothing),
		cmocka_unit_test(what_is_declared_takes_no_place),
		cmocka_unit_test(only_addresses_that_a_portal_can_have),
		cmocka_unit_test(a_flood_of_one_teacher_leaves_room_for_others),
		cmocka_unit_test(all_places_can_be_taken),
		cmocka_unit_test(unused_ones_age_and_used_ones_stay),
		cmocka_unit_test(a_clock_set_back_ages_nothing),
		cmocka_unit_test(they_go_when_their_teacher_is_not_listed),
		cmocka_unit_test(smaller_bounds_keep_what_was_used_last),
		cmocka_unit_test(the_text_is_what_the_header_says),
		cmocka_unit_test(none_is_written_and_read),
		cmocka_unit_test(damage_is_refused_by_line_and_nothing_taken),
		cmocka_unit_test(every_flipped_bit_and_every_cut_is_noticed),
		cmocka_unit_test(reading_keeps_what_is_there_and_the_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
