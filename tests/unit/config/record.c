// Records of commits: what is written is read back, and nothing else is.
#include "../unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cfg_record.h"

static const char json[] = "{\n  \"a:b\": 1\n}\n";

static struct cfg_commit_head sample(void)
{
	struct cfg_commit_head h = {
		.id = 42,
		.time_s = 1795334821,
		.user = "root",
		.client = "netconf",
		.comment = "new uplink",
		.file_crc = 0xbadcafe,
		.has_file_crc = true,
	};

	return h;
}

// Header and body in one. returns its size; free *out
static size_t record(const struct cfg_commit_head *h, const char *body, size_t size, char **out)
{
	char head[CFG_RECORD_HEAD_MAX];
	struct cfg_error err;
	int n = cfg_commit_head_write(h, body, size, head, &err);

	assert_true(n > 0);
	*out = malloc((size_t)n + size + 1);
	assert_non_null(*out);
	memcpy(*out, head, (size_t)n);
	memcpy(*out + n, body, size);
	(*out)[(size_t)n + size] = '\0';
	return (size_t)n + size;
}

static int commit_read(const char *bytes, size_t size, struct cfg_commit_head *h,
		       struct cfg_error *err)
{
	uint8_t *copy = exact_copy(bytes, size);
	size_t at = 0;
	int rc = cfg_commit_read((const char *)copy, size, h, &at, err);

	if (rc == 0)
		assert_memory_equal(copy + at - 2, "\n\n", 2);
	free(copy);
	return rc;
}

static void crc32_is_that_of_ieee(void **state)
{
	uint8_t all[256];

	(void)state;
	// The check value of CRC-32/ISO-HDLC; the others are zlib's.
	assert_int_equal(cfg_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(cfg_crc32(0, "", 0), 0);
	assert_int_equal(cfg_crc32(0, "a", 1), 0xe8b7be43);
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	assert_int_equal(cfg_crc32(0, all, 256), 0x29058c73);
	assert_int_equal(cfg_crc32(cfg_crc32(0, all, 100), all + 100, 156), 0x29058c73);
}

static void a_commit_looks_as_documented(void **state)
{
	struct cfg_commit_head h = sample(), back;
	struct cfg_error err;
	char *text;
	size_t size = record(&h, json, sizeof(json) - 1, &text);
	char *crc = strstr(text, "crc32: ");

	(void)state;
	assert_non_null(crc);
	memset(crc + 7, 'x', 8);
	assert_string_equal(text, "weir-commit 1\n"
				  "id: 42\n"
				  "time: 2026-11-22T08:07:01Z\n"
				  "user: root\n"
				  "client: netconf\n"
				  "comment: new uplink\n"
				  "file-crc: 0badcafe\n"
				  "size: 15\n"
				  "crc32: xxxxxxxx\n"
				  "\n"
				  "{\n  \"a:b\": 1\n}\n");
	free(text);
	size = record(&h, json, sizeof(json) - 1, &text);
	assert_int_equal(commit_read(text, size, &back, &err), 0);
	assert_memory_equal(&h, &back, sizeof(h));
	assert_int_equal(cfg_commit_head_read(text, size, &back, &err), 0);
	assert_memory_equal(&h, &back, sizeof(h));
	free(text);
}

static void any_text_comes_back(void **state)
{
	struct cfg_commit_head h = sample(), back;
	struct cfg_error err;
	char *text;
	size_t size;

	(void)state;
	h.has_file_crc = false;
	h.file_crc = 0;
	h.time_s = 253402300799;
	h.id = CFG_COMMIT_ID_MAX;
	memset(h.user, '\n', sizeof(h.user) - 1);
	memset(h.client, '\\', sizeof(h.client) - 1);
	for (int i = 0; i < 255; i++)
		h.comment[i] = (char)(i + 1);
	size = record(&h, "{}", 2, &text);
	assert_non_null(strstr(text, "\nfile-crc: none\n"));
	assert_int_equal(commit_read(text, size, &back, &err), 0);
	assert_memory_equal(&h, &back, sizeof(h));
	free(text);

	memset(&h, 0, sizeof(h));
	h.id = 1;
	size = record(&h, "{}", 2, &text);
	assert_int_equal(commit_read(text, size, &back, &err), 0);
	assert_memory_equal(&h, &back, sizeof(h));
	free(text);
}

static void each_bit_that_flips_is_noticed(void **state)
{
	struct cfg_commit_head h = sample(), back;
	struct cfg_error err;
	char *text;
	size_t size = record(&h, json, sizeof(json) - 1, &text);

	(void)state;
	for (size_t i = 0; i < size * 8; i++) {
		text[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(commit_read(text, size, &back, &err), -EINVAL);
		assert_true(err.reason[0] != '\0');
		text[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t n = 0; n < size; n++)
		assert_int_equal(commit_read(text, n, &back, &err), -EINVAL);
	text[size] = 'x';
	assert_int_equal(commit_read(text, size + 1, &back, &err), -EINVAL);
	assert_string_equal(err.reason, "the body has 16 bytes, the header says 15");
	free(text);
}

// One replacement in a good record; the reason has to name the line.
static void each_refusal_names_line_and_reason(void **state)
{
	static const struct {
		const char *from, *to, *reason, *value;
	} cases[] = {
		{ "weir-commit 1", "weir-commit 2",
		  "line 1, weir-commit 1: another line was expected here", "weir-commit 2" },
		{ "id: 42", "id: 042", "line 2, id: not a decimal number", "042" },
		{ "id: 42", "id: ", "line 2, id: not a decimal number", "" },
		{ "id: 42", "id: -1", "line 2, id: not a decimal number", "-1" },
		{ "id: 42", "id: 0", "line 2, id: the first commit is 1", "0" },
		{ "id: 42", "id: 10000000000", "line 2, id: the number is too large",
		  "10000000000" },
		{ "id: 42", "id: 99999999999999999999999", "line 2, id: the number is too large",
		  "99999999999999999999999" },
		{ "id: 42", "id:42", "line 2, id: another line was expected here", "id:42" },
		{ "id: 42\n", "", "line 2, id: another line was expected here",
		  "time: 2026-11-22T08:07:01Z" },
		{ "2026-11-22T", "2026-13-22T", "line 3, time: not a time of RFC 3339 in UTC",
		  "2026-13-22T08:07:01Z" },
		{ "2026-11-22T", "2026-02-30T", "line 3, time: not a time of RFC 3339 in UTC",
		  "2026-02-30T08:07:01Z" },
		{ "2026-11-22T", "2026-11-22 ", "line 3, time: not a time of RFC 3339 in UTC",
		  "2026-11-22 08:07:01Z" },
		{ "2026-11-22T", "1969-11-22T", "line 3, time: not a time of RFC 3339 in UTC",
		  "1969-11-22T08:07:01Z" },
		{ "07:01Z", "07:01+00:00", "line 3, time: not a time of RFC 3339 in UTC",
		  "2026-11-22T08:07:01+00:00" },
		{ "user: root", "user: ro\tot",
		  "line 4, user: holds a byte that has to be written otherwise", "ro\tot" },
		{ "user: root", "user: \\x41",
		  "line 4, user: holds a byte that has to be written otherwise", "\\x41" },
		{ "user: root", "user: \\x0A",
		  "line 4, user: holds a byte that has to be written otherwise", "\\x0A" },
		{ "user: root", "user: \\x00",
		  "line 4, user: holds a byte that has to be written otherwise", "\\x00" },
		{ "user: root", "user: \\x0",
		  "line 4, user: holds a byte that has to be written otherwise", "\\x0" },
		{ "user: root",
		  "user: 0123456789012345678901234567890123456789012345678901234567890123",
		  "line 4, user: the text is too long",
		  "0123456789012345678901234567890123456789012345678901234567890123" },
		{ "client: netconf", "client: 012345678901234567890123",
		  "line 5, client: the text is too long", "012345678901234567890123" },
		{ "comment: ", "Comment: ", "line 6, comment: another line was expected here",
		  "Comment: new uplink" },
		{ "0badcafe", "0BADCAFE", "line 7, file-crc: not eight hexadecimal digits",
		  "0BADCAFE" },
		{ "0badcafe", "badcafe", "line 7, file-crc: not eight hexadecimal digits",
		  "badcafe" },
		{ "size: 15", "size: 8388609", "line 8, size: the number is too large", "8388609" },
		{ "size: 15", "size: 0", "line 8, size: the body is empty", "0" },
		{ "size: 15", "size: 14", "the body has 15 bytes, the header says 14", "" },
		{ "crc32: ", "crc32: 0", "line 9, crc32: not eight hexadecimal digits", NULL },
		{ "\n\n{", "\n{", "line 10, the end of the header: another line was expected here",
		  "{" },
		{ "\n\n{\n  \"a:b\": 1\n}\n", "\n",
		  "line 10, the end of the header: the header ends here, or is too large", "" },
	};
	struct cfg_commit_head h = sample(), back;
	struct cfg_error err;
	char *text, bad[1024];

	(void)state;
	record(&h, json, sizeof(json) - 1, &text);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *at = strstr(text, cases[i].from);

		assert_non_null(at);
		snprintf(bad, sizeof(bad), "%.*s%s%s", (int)(at - text), text, cases[i].to,
			 at + strlen(cases[i].from));
		assert_int_equal(commit_read(bad, strlen(bad), &back, &err), -EINVAL);
		assert_string_equal(err.reason, cases[i].reason);
		if (cases[i].value != NULL)
			assert_string_equal(err.value, cases[i].value);
		assert_int_equal(cfg_commit_head_read(bad, strlen(bad), &back, &err), -EINVAL);
	}
	free(text);
}

static void a_header_has_a_limit(void **state)
{
	char *bytes = calloc(1, 1 << 20);
	struct cfg_commit_head h;
	struct cfg_error err;
	size_t at;

	(void)state;
	assert_non_null(bytes);
	strcpy(bytes, "weir-commit 1\nid: 4");
	memset(bytes + strlen(bytes), '4', (1 << 20) - 100);
	assert_int_equal(cfg_commit_read(bytes, 1 << 20, &h, &at, &err), -EINVAL);
	assert_string_equal(err.reason, "line 2, id: the header ends here, or is too large");
	free(bytes);
}

static void what_has_no_written_form_is_not_written(void **state)
{
	struct cfg_commit_head h = sample();
	char head[CFG_RECORD_HEAD_MAX];
	struct cfg_error err;

	(void)state;
	assert_int_equal(cfg_commit_head_write(&h, json, 0, head, &err), -EINVAL);
	assert_int_equal(cfg_commit_head_write(&h, json, CFG_FILE_MAX + 1, head, &err), -EINVAL);
	h.id = 0;
	assert_int_equal(cfg_commit_head_write(&h, json, 1, head, &err), -EINVAL);
	h.id = CFG_COMMIT_ID_MAX + 1;
	assert_int_equal(cfg_commit_head_write(&h, json, 1, head, &err), -EINVAL);
	h = sample();
	h.time_s = -1;
	assert_int_equal(cfg_commit_head_write(&h, json, 1, head, &err), -EINVAL);
	h.time_s = 253402300800;
	assert_int_equal(cfg_commit_head_write(&h, json, 1, head, &err), -EINVAL);
	h = sample();
	memset(h.comment, 'x', sizeof(h.comment));
	assert_int_equal(cfg_commit_head_write(&h, json, 1, head, &err), -EINVAL);
	assert_string_equal(err.reason, "comment: is longer than 255 bytes");
}

static void a_pending_record_comes_back(void **state)
{
	struct cfg_pending p = { .backup = 41,
				 .first = 42,
				 .last = 43,
				 .deadline_ms = 1795334821000,
				 .timeout_ms = 600000,
				 .persist_id = "a\nb: c",
				 .user = "root",
				 .session = 7 },
			   back;
	char out[CFG_RECORD_HEAD_MAX + 1] = "";
	struct cfg_error err;
	int n = cfg_pending_write(&p, out, &err);
	char *crc = strstr(out, "crc32: ");

	(void)state;
	assert_true(n > 0);
	assert_int_equal(cfg_pending_read(out, (size_t)n, &back, &err), 0);
	assert_memory_equal(&p, &back, sizeof(p));
	for (size_t i = 0; i < (size_t)n * 8; i++) {
		out[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(cfg_pending_read(out, (size_t)n, &back, &err), -EINVAL);
		out[i / 8] ^= (char)(1 << i % 8);
	}
	for (size_t size = 0; size < (size_t)n; size++)
		assert_int_equal(cfg_pending_read(out, size, &back, &err), -EINVAL);
	out[n] = '\n';
	assert_int_equal(cfg_pending_read(out, (size_t)n + 1, &back, &err), -EINVAL);
	assert_non_null(crc);
	memset(crc + 7, 'x', 8);
	out[n] = '\0';
	assert_string_equal(out, "weir-pending 1\nbackup: 41\nfirst: 42\nlast: 43\n"
				 "deadline: 1795334821000\ntimeout-ms: 600000\n"
				 "persist-id: a\\x0ab: c\nuser: root\nsession: 7\n"
				 "crc32: xxxxxxxx\n\n");
}

static void a_pending_record_has_an_order(void **state)
{
	static const uint64_t bad[][3] = {
		{ 0, 1, 1 }, { 5, 5, 6 }, { 5, 7, 6 }, { 5, 6, CFG_COMMIT_ID_MAX + 1 }
	};
	char out[CFG_RECORD_HEAD_MAX];
	struct cfg_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cfg_pending p = { .backup = bad[i][0],
					 .first = bad[i][1],
					 .last = bad[i][2] };

		assert_int_equal(cfg_pending_write(&p, out, &err), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32_is_that_of_ieee),
		cmocka_unit_test(a_commit_looks_as_documented),
		cmocka_unit_test(any_text_comes_back),
		cmocka_unit_test(each_bit_that_flips_is_noticed),
		cmocka_unit_test(each_refusal_names_line_and_reason),
		cmocka_unit_test(a_header_has_a_limit),
		cmocka_unit_test(what_has_no_written_form_is_not_written),
		cmocka_unit_test(a_pending_record_comes_back),
		cmocka_unit_test(a_pending_record_has_an_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
