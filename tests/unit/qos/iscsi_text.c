#include <errno.h>
#include <stdio.h>

#include "../unit.h"
#include "qos_pdu.h"

static char got[4096];

static void pair(void *ctx, const char *key, const char *value)
{
	size_t n = strlen(got);

	(void)ctx;
	snprintf(got + n, sizeof(got) - n, "%s:%s;", key, value);
}

// Feeds the text in pieces of `step` bytes; *t tells what was skipped.
static const char *pairs(struct qos_text *t, const char *text, size_t size, size_t step)
{
	got[0] = '\0';
	qos_text_init(t);
	for (size_t at = 0; at < size; at += step) {
		size_t n = step < size - at ? step : size - at;
		uint8_t *p = exact_copy(text + at, n);

		qos_text_feed(t, p, n, at + n == size, pair, NULL);
		free(p);
	}
	return got;
}

static void pairs_come_from_any_pieces(void **state)
{
	static const char text[] = "InitiatorName=iqn.x\0\0A=\0B=b=c\0Last=1";
	struct qos_text t;

	(void)state;
	for (size_t step = 1; step <= sizeof(text); step++) {
		assert_string_equal(pairs(&t, text, sizeof(text), step),
				    "InitiatorName:iqn.x;A:;B:b=c;Last:1;");
		assert_string_equal(pairs(&t, text, sizeof(text) - 1, step),
				    "InitiatorName:iqn.x;A:;B:b=c;Last:1;");
		assert_int_equal(t.skipped, 0);
	}
	qos_text_init(&t);
	got[0] = '\0';
	qos_text_feed(&t, (const uint8_t *)"X=1", 3, false, pair, NULL);
	assert_string_equal(got, ""); // it may go on
	qos_text_feed(&t, NULL, 0, true, pair, NULL);
	assert_string_equal(got, "X:1;");
}

static void what_is_no_pair_is_skipped_and_counted(void **state)
{
	static const char text[] = "none\0=x\0A=\x01\0B=\xc3\xa9\0C=c\0D=\x7f";
	static char long_one[QOS_TEXT_VALUE + 10];
	struct qos_text t;

	(void)state;
	for (size_t step = 1; step <= sizeof(text); step++) {
		assert_string_equal(pairs(&t, text, sizeof(text), step), "C:c;");
		assert_int_equal(t.skipped, 5);
	}
	for (size_t n = QOS_TEXT_VALUE - 3; n < QOS_TEXT_VALUE + 5; n++) {
		memset(long_one, 'v', n);
		memcpy(long_one, "K=", 2);
		memcpy(long_one + n, "\0L=1", 5);
		for (size_t step = 1; step < 300; step += 7) {
			pairs(&t, long_one, n + 5, step);
			assert_int_equal(t.skipped, n >= QOS_TEXT_VALUE);
			assert_int_equal(strlen(got), n < QOS_TEXT_VALUE ? n + 5 : 4);
		}
	}
}

static void is_v4(const char *value, uint32_t addr, uint16_t port)
{
	const struct qos_addr want = { .b = { [10] = 0xff,
					      0xff,
					      (uint8_t)(addr >> 24),
					      (uint8_t)(addr >> 16),
					      (uint8_t)(addr >> 8),
					      (uint8_t)addr } };
	char *copy = (char *)exact_copy(value, strlen(value) + 1);
	struct qos_addr a;
	uint16_t p;

	assert_int_equal(qos_iscsi_address(copy, &a, &p), 0);
	assert_memory_equal(&a, &want, sizeof(a));
	assert_int_equal(p, port);
	free(copy);
}

static void target_addresses_are_read(void **state)
{
	const struct qos_addr v6 = { .b = { 0x20, 1, 0xd, 0xb8, [15] = 9 } };
	struct qos_addr a;
	uint16_t p;

	(void)state;
	is_v4("10.0.0.9", 0x0a000009, 3260);
	is_v4("10.0.0.9:860", 0x0a000009, 860);
	is_v4("10.0.0.9,1", 0x0a000009, 3260);
	is_v4("255.255.255.254:65535,65535", 0xfffffffe, 65535);
	assert_int_equal(qos_iscsi_address("[2001:db8::9]", &a, &p), 0);
	assert_memory_equal(&a, &v6, sizeof(a));
	assert_int_equal(p, 3260);
	assert_int_equal(qos_iscsi_address("[2001:db8::9]:1,2", &a, &p), 0);
	assert_int_equal(p, 1);
	assert_int_equal(qos_iscsi_address("[::ffff:10.0.0.9]", &a, &p), 0); // the mapped form
	assert_int_equal(a.b[15], 9);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		":",
		",",
		":3260",
		"server",
		"server.example:3260",
		"10.0.0.9:",
		"10.0.0.9:0",
		"10.0.0.9:65536",
		"10.0.0.9:99999999999999999999",
		"10.0.0.9:1:2",
		"10.0.0.9,",
		"10.0.0.9,65536",
		"10.0.0.9,1,2",
		"10.0.0.9:80x",
		"10.0.0.9 ",
		" 10.0.0.9",
		"10.0.0",
		"10.0.0.256",
		"010.0.0.9",
		"0.0.0.0",
		"[::]",
		"[]",
		"[",
		"[::1",
		"[::1]x",
		"[10.0.0.9]",
		"2001:db8::9",
		"[fe80::1%eth0]",
		"[::ffff:0.0.0.0]",
		"10.0.0.9:-1",
		"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd]",
	};
	struct qos_addr a = { .b = { 1 } };
	uint16_t p = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *copy = (char *)exact_copy(wrong[i], strlen(wrong[i]) + 1);

		assert_int_equal(qos_iscsi_address(copy, &a, &p), -EINVAL);
		assert_int_equal(p, 7);
		assert_int_equal(a.b[0], 1);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_come_from_any_pieces),
		cmocka_unit_test(what_is_no_pair_is_skipped_and_counted),
		cmocka_unit_test(target_addresses_are_read),
		cmocka_unit_test(what_is_no_address_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
