// See cfg_record.h.
#include "cfg_record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config_priv.h"

#define TIME_MAX 253402300799ll // 9999-12-31T23:59:59Z

static const char commit_magic[] = "weir-commit 1";
static const char pending_magic[] = "weir-pending 1";

// --- Checksum

// By half-bytes: 16 entries that fit a cache line, no table to be built before its first use.
static const uint32_t crc_table[16] = {
	0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
	0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
	0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t cfg_crc32(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *p = data;

	crc = ~crc;
	for (size_t i = 0; i < size; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ crc_table[crc & 15];
		crc = crc >> 4 ^ crc_table[crc & 15];
	}
	return ~crc;
}

// --- Writing

struct writer {
	char *out; // out[CFG_RECORD_HEAD_MAX]
	size_t size;
	struct cfg_error *err;
	int rc; // the first refusal stays
};

static void put(struct writer *w, const char *text, size_t size)
{
	if (w->rc == 0 && size > CFG_RECORD_HEAD_MAX - w->size)
		w->rc = cfg_refuse(w->err, "", "", "the header is larger than %u bytes",
				   CFG_RECORD_HEAD_MAX);
	if (w->rc < 0)
		return;
	memcpy(w->out + w->size, text, size);
	w->size += size;
}

static void put_line(struct writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put_line(struct writer *w, const char *fmt, ...)
{
	char line[96]; // of numbers and our own words
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	put(w, line, (size_t)n);
	put(w, "\n", 1);
}

static bool is_escaped(uint8_t c)
{
	return c < 0x20 || c == 0x7f || c == '\\';
}

// A text field; cap is the size of its array.
static void put_text(struct writer *w, const char *key, const char *text, size_t cap)
{
	char hex[5];

	if (w->rc == 0 && memchr(text, '\0', cap) == NULL) {
		w->rc = cfg_refuse(w->err, "", "", "%s: is longer than %zu bytes", key, cap - 1);
		return;
	}
	put(w, key, strlen(key));
	put(w, ": ", 2);
	for (; *text != '\0'; text++) {
		if (is_escaped((uint8_t)*text)) {
			snprintf(hex, sizeof(hex), "\\x%02x", (uint8_t)*text);
			put(w, hex, 4);
		} else {
			put(w, text, 1);
		}
	}
	put(w, "\n", 1);
}

static int put_end(struct writer *w, const char *body, size_t body_size)
{
	uint32_t crc;

	if (w->rc < 0)
		return w->rc;
	crc = cfg_crc32(cfg_crc32(0, w->out, w->size), body, body_size);
	put_line(w, "crc32: %08x\n", crc);
	return w->rc < 0 ? w->rc : (int)w->size;
}

static int commit_check(const struct cfg_commit_head *h, size_t size, struct cfg_error *err)
{
	if (h->id < 1 || h->id > CFG_COMMIT_ID_MAX)
		return cfg_refuse(err, "", "", "id: not 1..%llu", CFG_COMMIT_ID_MAX);
	if (h->time_s < 0 || h->time_s > TIME_MAX)
		return cfg_refuse(err, "", "", "time: not in the years 1970..9999");
	if (size < 1 || size > CFG_FILE_MAX)
		return cfg_refuse(err, "", "", "size: not 1..%u", CFG_FILE_MAX);
	return 0;
}

static int pending_check(const struct cfg_pending *p, struct cfg_error *err)
{
	if (p->backup < 1 || p->backup >= p->first || p->first > p->last ||
	    p->last > CFG_COMMIT_ID_MAX)
		return cfg_refuse(err, "", "", "backup, first, last: not in this order");
	return 0;
}

int cfg_commit_head_write(const struct cfg_commit_head *h, const char *json, size_t size,
			  char head[CFG_RECORD_HEAD_MAX], struct cfg_error *err)
{
	struct writer w = { .out = head, .err = err, .rc = commit_check(h, size, err) };
	time_t t = (time_t)h->time_s;
	char text[32];
	struct tm tm;

	if (w.rc < 0)
		return w.rc;
	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	put_line(&w, "%s", commit_magic);
	put_line(&w, "id: %llu", (unsigned long long)h->id);
	put_line(&w, "time: %s", text);
	put_text(&w, "user", h->user, sizeof(h->user));
	put_text(&w, "client", h->client, sizeof(h->client));
	put_text(&w, "comment", h->comment, sizeof(h->comment));
	if (h->has_file_crc)
		put_line(&w, "file-crc: %08x", h->file_crc);
	else
		put_line(&w, "file-crc: none");
	put_line(&w, "size: %zu", size);
	return put_end(&w, json, size);
}

int cfg_pending_write(const struct cfg_pending *p, char out[CFG_RECORD_HEAD_MAX],
		      struct cfg_error *err)
{
	struct writer w = { .out = out, .err = err, .rc = pending_check(p, err) };

	if (w.rc < 0)
		return w.rc;
	put_line(&w, "%s", pending_magic);
	put_line(&w, "backup: %llu", (unsigned long long)p->backup);
	put_line(&w, "first: %llu", (unsigned long long)p->first);
	put_line(&w, "last: %llu", (unsigned long long)p->last);
	put_line(&w, "deadline: %llu", (unsigned long long)p->deadline_ms);
	put_line(&w, "timeout-ms: %llu", (unsigned long long)p->timeout_ms);
	put_text(&w, "persist-id", p->persist_id, sizeof(p->persist_id));
	put_text(&w, "user", p->user, sizeof(p->user));
	put_line(&w, "session: %u", p->session);
	return put_end(&w, "", 0);
}

// --- Reading

struct reader {
	const char *bytes;
	size_t size, at;
	uint32_t line; // of the value that was read last; the first is 1
	const char *value;
	size_t value_size;
	struct cfg_error *err;
	int rc; // the first refusal stays
};

static void refuse(struct reader *r, const char *key, const char *reason)
{
	char value[sizeof(r->err->value)];

	if (r->rc < 0)
		return;
	snprintf(value, sizeof(value), "%.*s",
		 (int)(r->value_size < sizeof(value) ? r->value_size : sizeof(value) - 1),
		 r->value_size == 0 ? "" : r->value);
	r->rc = cfg_refuse(r->err, "", value, "line %u, %s: %s", r->line, key, reason);
}

// The next line, without its end, becomes the value.
static void take_line(struct reader *r, const char *key)
{
	const char *end;

	if (r->rc < 0)
		return;
	r->line++;
	r->value = r->bytes + r->at;
	r->value_size = 0;
	end = r->at == r->size ? NULL : memchr(r->value, '\n', r->size - r->at);
	if (end == NULL) {
		refuse(r, key, "the header ends here, or is too large");
		return;
	}
	r->value_size = (size_t)(end - r->value);
	r->at += r->value_size + 1;
}

// A line "key: value".
static void take(struct reader *r, const char *key)
{
	size_t n = strlen(key);

	take_line(r, key);
	if (r->rc < 0)
		return;
	if (r->value_size < n + 2 || memcmp(r->value, key, n) != 0 ||
	    memcmp(r->value + n, ": ", 2) != 0) {
		refuse(r, key, "another line was expected here");
		return;
	}
	r->value += n + 2;
	r->value_size -= n + 2;
}

static void take_exactly(struct reader *r, const char *text)
{
	const char *key = text[0] == '\0' ? "the end of the header" : text;

	take_line(r, key);
	if (r->rc == 0 && (r->value_size != strlen(text) ||
			   (r->value_size > 0 && memcmp(r->value, text, r->value_size) != 0)))
		refuse(r, key, "another line was expected here");
}

// A decimal number as we write it: no sign, no leading zero.
static uint64_t take_number(struct reader *r, const char *key, uint64_t max)
{
	uint64_t n = 0;

	take(r, key);
	if (r->rc < 0)
		return 0;
	if (r->value_size == 0 || (r->value_size > 1 && r->value[0] == '0'))
		refuse(r, key, "not a decimal number");
	for (size_t i = 0; r->rc == 0 && i < r->value_size; i++) {
		uint64_t digit = (uint64_t)(r->value[i] - '0');

		if (r->value[i] < '0' || r->value[i] > '9')
			refuse(r, key, "not a decimal number");
		else if (n > (max - digit) / 10)
			refuse(r, key, "the number is too large");
		n = n * 10 + digit;
	}
	return n;
}

// returns 0..15, or -1; upper case is not how we write it
static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The eight hexadecimal digits of the value.
static uint32_t value_hex32(struct reader *r, const char *key)
{
	uint32_t n = 0;

	if (r->rc == 0 && r->value_size != 8)
		refuse(r, key, "not eight hexadecimal digits");
	for (size_t i = 0; r->rc == 0 && i < 8; i++) {
		int digit = hex_digit(r->value[i]);

		if (digit < 0)
			refuse(r, key, "not eight hexadecimal digits");
		n = n << 4 | (uint32_t)(digit & 15);
	}
	return n;
}

// One character of a text. *used: bytes of its written form. returns it, or -1
static int text_char(const char *s, size_t size, size_t *used)
{
	uint8_t c = (uint8_t)s[0];
	int high, low;

	*used = 1;
	if (!is_escaped(c))
		return c;
	if (c != '\\' || size < 4 || s[1] != 'x')
		return -1;
	high = hex_digit(s[2]);
	low = hex_digit(s[3]);
	*used = 4;
	if (high < 0 || low < 0 || !is_escaped((uint8_t)(high << 4 | low)))
		return -1;
	return high << 4 | low;
}

// out is zeroed to its end, so records can be compared byte by byte.
static void take_text(struct reader *r, const char *key, char *out, size_t cap)
{
	size_t n = 0, used;

	memset(out, 0, cap);
	take(r, key);
	for (size_t at = 0; r->rc == 0 && at < r->value_size; at += used) {
		int c = text_char(r->value + at, r->value_size - at, &used);

		if (c <= 0)
			refuse(r, key, "holds a byte that has to be written otherwise");
		else if (n == cap - 1)
			refuse(r, key, "the text is too long");
		else
			out[n++] = (char)c;
	}
}

static int64_t take_time(struct reader *r, const char *key)
{
	char text[21] = { 0 }, again[32];
	struct tm tm = { 0 };
	time_t t;
	char *end;

	take(r, key);
	if (r->rc < 0)
		return 0;
	if (r->value_size == sizeof(text) - 1)
		memcpy(text, r->value, sizeof(text) - 1);
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	t = end == NULL ? -1 : timegm(&tm);
	if (t < 0 || t > TIME_MAX) {
		refuse(r, key, "not a time of RFC 3339 in UTC");
		return 0;
	}
	// strptime is liberal; one way to write a time is enough.
	gmtime_r(&t, &tm);
	strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (strcmp(again, text) != 0)
		refuse(r, key, "not a time of RFC 3339 in UTC");
	return t;
}

// The last two lines. *crc: what they say; *covered: bytes of the header that it covers.
static void take_end(struct reader *r, uint32_t *crc, size_t *covered)
{
	*covered = r->at;
	take(r, "crc32");
	*crc = value_hex32(r, "crc32");
	take_exactly(r, "");
}

struct end {
	uint64_t body_size;
	size_t covered;
	uint32_t crc;
};

static void take_commit_head(struct reader *r, struct cfg_commit_head *h, struct end *end)
{
	memset(h, 0, sizeof(*h));
	take_exactly(r, commit_magic);
	h->id = take_number(r, "id", CFG_COMMIT_ID_MAX);
	if (r->rc == 0 && h->id == 0)
		refuse(r, "id", "the first commit is 1");
	h->time_s = take_time(r, "time");
	take_text(r, "user", h->user, sizeof(h->user));
	take_text(r, "client", h->client, sizeof(h->client));
	take_text(r, "comment", h->comment, sizeof(h->comment));
	take(r, "file-crc");
	h->has_file_crc = r->rc == 0 && (r->value_size != 4 || memcmp(r->value, "none", 4) != 0);
	h->file_crc = h->has_file_crc ? value_hex32(r, "file-crc") : 0;
	end->body_size = take_number(r, "size", CFG_FILE_MAX);
	if (r->rc == 0 && end->body_size == 0)
		refuse(r, "size", "the body is empty");
	take_end(r, &end->crc, &end->covered);
}

// The sizes of the file and of what the header says.
static int fits(struct reader *r, uint64_t file_size, const struct end *end)
{
	if (r->rc == 0 && file_size - r->at != end->body_size)
		r->rc = cfg_refuse(r->err, "", "", "the body has %llu bytes, the header says %llu",
				   (unsigned long long)(file_size - r->at),
				   (unsigned long long)end->body_size);
	return r->rc;
}

static size_t head_part(uint64_t size)
{
	return size < CFG_RECORD_HEAD_MAX ? (size_t)size : CFG_RECORD_HEAD_MAX;
}

static int crc_check(const struct end *end, const char *bytes, const char *body,
		     struct cfg_error *err)
{
	uint32_t crc = cfg_crc32(cfg_crc32(0, bytes, end->covered), body, end->body_size);

	if (crc == end->crc)
		return 0;
	return cfg_refuse(err, "", "", "crc32: the bytes have %08x, the header says %08x", crc,
			  end->crc);
}

int cfg_commit_head_read(const char *bytes, uint64_t file_size, struct cfg_commit_head *h,
			 struct cfg_error *err)
{
	struct reader r = { .bytes = bytes, .size = head_part(file_size), .err = err };
	struct end end;

	take_commit_head(&r, h, &end);
	return fits(&r, file_size, &end);
}

int cfg_commit_read(const char *bytes, size_t size, struct cfg_commit_head *h, size_t *json_at,
		    struct cfg_error *err)
{
	struct reader r = { .bytes = bytes, .size = head_part(size), .err = err };
	struct end end;

	take_commit_head(&r, h, &end);
	if (fits(&r, size, &end) < 0)
		return r.rc;
	*json_at = r.at;
	return crc_check(&end, bytes, bytes + r.at, err);
}

int cfg_pending_read(const char *bytes, size_t size, struct cfg_pending *p, struct cfg_error *err)
{
	struct reader r = { .bytes = bytes, .size = head_part(size), .err = err };
	struct end end = { .body_size = 0 };

	memset(p, 0, sizeof(*p));
	take_exactly(&r, pending_magic);
	p->backup = take_number(&r, "backup", CFG_COMMIT_ID_MAX);
	p->first = take_number(&r, "first", CFG_COMMIT_ID_MAX);
	p->last = take_number(&r, "last", CFG_COMMIT_ID_MAX);
	p->deadline_ms = take_number(&r, "deadline", UINT64_MAX);
	p->timeout_ms = take_number(&r, "timeout-ms", UINT64_MAX);
	take_text(&r, "persist-id", p->persist_id, sizeof(p->persist_id));
	take_text(&r, "user", p->user, sizeof(p->user));
	p->session = (uint32_t)take_number(&r, "session", UINT32_MAX);
	take_end(&r, &end.crc, &end.covered);
	if (fits(&r, size, &end) < 0)
		return r.rc;
	if (pending_check(p, err) < 0)
		return -EINVAL;
	return crc_check(&end, bytes, "", err);
}
