// Is it one JSON object? What a provider answers joins a larger text, so a text that closes an
// object twice would say things about a VM that only its operator may say.
// source: RFC 8259
#include <stdint.h>
#include <string.h>

#include "provider_priv.h"

#define DEPTH_MAX 16

struct reader {
	const char *at, *end;
	uint32_t depth;
	char open[DEPTH_MAX];
	const char *why;
};

static void space(struct reader *r)
{
	while (r->at < r->end &&
	       (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

// Bytes of one character of UTF-8, 0 = it is none. source: RFC 3629 section 4
static uint32_t character(const uint8_t *p, size_t size)
{
	uint32_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n == 0 || n > size || p[0] > 0xf4)
		return 0;
	for (uint32_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool escape(struct reader *r)
{
	if (r->at == r->end || strchr("\"\\/bfnrtu", *r->at) == NULL || *r->at == '\0')
		return false;
	if (*r->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, r->at++) {
		if (r->at == r->end || *r->at == '\0' ||
		    strchr("0123456789abcdefABCDEF", *r->at) == NULL)
			return false;
	}
	return true;
}

static bool string(struct reader *r)
{
	if (!take(r, '"'))
		return false;
	while (r->at < r->end && *r->at != '"') {
		uint32_t n = character((const uint8_t *)r->at, (size_t)(r->end - r->at));

		if (n == 0 || (uint8_t)*r->at < 0x20)
			return false;
		r->at += n;
		if (r->at[-1] == '\\' && !escape(r))
			return false;
	}
	return take(r, '"');
}

static uint32_t digits(struct reader *r)
{
	uint32_t n = 0;

	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; n++)
		r->at++;
	return n;
}

static bool number(struct reader *r)
{
	const char *first;
	uint32_t n;

	take(r, '-');
	first = r->at;
	n = digits(r);
	if (n == 0 || (n > 1 && *first == '0') || (take(r, '.') && digits(r) == 0))
		return false;
	if (take(r, 'e') || take(r, 'E')) {
		if (!take(r, '+'))
			take(r, '-');
		return digits(r) > 0;
	}
	return true;
}

static bool word(struct reader *r, const char *w)
{
	size_t size = strlen(w);

	if ((size_t)(r->end - r->at) < size || memcmp(r->at, w, size) != 0)
		return false;
	r->at += size;
	return true;
}

static bool open_one(struct reader *r, char closes)
{
	if (r->depth == DEPTH_MAX) {
		r->why = "it is more than 16 deep";
		return false;
	}
	r->at++;
	r->open[r->depth++] = closes;
	return true;
}

static bool name(struct reader *r)
{
	space(r);
	if (!string(r))
		return false;
	space(r);
	return take(r, ':');
}

// What stands behind a value: the ends of what is open, or a comma and, in an object, a name.
static bool behind(struct reader *r)
{
	for (space(r); r->depth > 0; space(r)) {
		if (take(r, r->open[r->depth - 1])) {
			r->depth--;
			continue;
		}
		return take(r, ',') && (r->open[r->depth - 1] == ']' || name(r));
	}
	return true;
}

// The next value, or the beginning of one. *whole: nothing of it is to come
static bool value(struct reader *r, bool *whole)
{
	*whole = true;
	space(r);
	if (r->at == r->end)
		return false;
	if (*r->at != '{' && *r->at != '[')
		return *r->at == '"' ? string(r)
				     : word(r, "true") || word(r, "false") || word(r, "null") ||
					       number(r);
	if (!open_one(r, *r->at == '{' ? '}' : ']'))
		return false;
	space(r);
	if (take(r, r->open[r->depth - 1])) {
		r->depth--;
		return true;
	}
	*whole = false;
	return r->open[r->depth - 1] == ']' || name(r);
}

const char *ctl_answer_check(const char *text, size_t size)
{
	struct reader r = { .at = text, .end = text + size };
	bool whole;

	space(&r);
	if (r.at == r.end)
		return "there is none";
	if (*r.at != '{')
		return "it is no JSON object";
	do {
		if (!value(&r, &whole) || (whole && !behind(&r)))
			return r.why != NULL ? r.why : "it is no JSON";
	} while (r.depth > 0);
	return r.at == r.end ? NULL : "there is more behind its object";
}
