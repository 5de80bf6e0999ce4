#include "cfg_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cfg_json_init(struct cfg_json *j)
{
	*j = (struct cfg_json){ 0 };
}

void cfg_json_fini(struct cfg_json *j)
{
	free(j->buf);
	cfg_json_init(j);
}

static void put(struct cfg_json *j, const char *text, size_t size)
{
	if (j->failed)
		return;
	if (j->size + size + 1 > j->cap) {
		size_t cap = 2 * (j->size + size + 256);
		char *buf = realloc(j->buf, cap);

		if (buf == NULL) {
			j->failed = true;
			return;
		}
		j->buf = buf;
		j->cap = cap;
	}
	memcpy(j->buf + j->size, text, size);
	j->size += size;
	j->buf[j->size] = '\0';
}

// Bytes of the character of two or more bytes at p, or 0. Written out long and surrogates are none.
static size_t character_size(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t size = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : u[0] >= 0xc2 ? 2 : 0;

	if (u[0] > 0xf4 || (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] >= 0xa0) ||
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] >= 0x90))
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

static void quoted(struct cfg_json *j, const char *text)
{
	char esc[8];

	put(j, "\"", 1);
	for (const char *p = text; *p != '\0'; p++) {
		size_t size = character_size(p);

		if (size > 0) {
			put(j, p, size);
			p += size - 1;
			continue;
		}
		if (*p == '"' || *p == '\\') {
			esc[0] = '\\';
			esc[1] = *p;
			put(j, esc, 2);
		} else if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f) {
			// Bytes of a guest may be anything; each is shown as the code point of its
			// value.
			snprintf(esc, sizeof(esc), "\\u%04x", (unsigned char)*p);
			put(j, esc, 6);
		} else {
			put(j, p, 1);
		}
	}
	put(j, "\"", 1);
}

static void begin(struct cfg_json *j, const char *key)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
	if (key != NULL) {
		quoted(j, key);
		put(j, ":", 1);
	}
}

void cfg_json_open(struct cfg_json *j, const char *key, char what)
{
	begin(j, key);
	put(j, &what, 1);
	j->comma = false;
}

void cfg_json_close(struct cfg_json *j, char what)
{
	put(j, &what, 1);
	j->comma = true;
}

void cfg_json_str(struct cfg_json *j, const char *key, const char *value)
{
	begin(j, key);
	quoted(j, value);
}

void cfg_json_bool(struct cfg_json *j, const char *key, bool value)
{
	begin(j, key);
	put(j, value ? "true" : "false", value ? 4 : 5);
}

void cfg_json_u32(struct cfg_json *j, const char *key, uint32_t value)
{
	char text[16];

	begin(j, key);
	put(j, text, (size_t)snprintf(text, sizeof(text), "%" PRIu32, value));
}

void cfg_json_u64(struct cfg_json *j, const char *key, uint64_t value)
{
	char text[32];

	begin(j, key);
	put(j, text, (size_t)snprintf(text, sizeof(text), "\"%" PRIu64 "\"", value));
}
