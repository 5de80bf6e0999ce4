// Words of ovs-ofctl's syntax: key, key=value, key:value, key(value), with commas or blanks in
// between. Nothing is copied: a word is a part of the text.
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "text_priv.h"

int oft_scan_init(struct scan *s, const char *text, const struct of_text_ports *ports,
		  struct of_text_error *e)
{
	*s = (struct scan){ text, { text, strlen(text) }, e, ports };
	*e = (struct of_text_error){ 0 };
	if (s->rest.size > OF_TEXT_LINE_MAX)
		return oft_scan_error(s, (struct span){ s->text, 0 }, "longer than %u bytes",
				      OF_TEXT_LINE_MAX);
	return 0;
}

struct scan oft_scan_inside(const struct scan *s, struct span part)
{
	struct scan in = *s;

	in.rest = part;
	return in;
}

int oft_scan_error(const struct scan *s, struct span where, const char *fmt, ...)
{
	struct of_text_error *e = s->e;
	size_t n = where.size > 48 ? 48 : where.size, at;
	va_list ap;

	e->at = (size_t)(where.at - s->text);
	e->size = where.size;
	for (at = 0; at < n; at++)
		e->text[at] = isprint((unsigned char)where.at[at]) ? where.at[at] : '?';
	if (n > 0)
		at += (size_t)snprintf(e->text + at, sizeof(e->text) - at,
				       "%s: ", n < where.size ? "..." : "");
	va_start(ap, fmt);
	vsnprintf(e->text + at, sizeof(e->text) - at, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_gap(char c)
{
	return c == ',' || isspace((unsigned char)c);
}

static void skip(struct span *s, size_t n)
{
	s->at += n;
	s->size -= n;
}

// Bytes up to a gap outside brackets; SIZE_MAX when brackets do not fit.
static size_t value_size(struct span s)
{
	size_t depth = 0, i;

	for (i = 0; i < s.size && (depth > 0 || !is_gap(s.at[i])); i++) {
		if (s.at[i] == '(')
			depth++;
		else if (s.at[i] == ')' && depth-- == 0)
			return SIZE_MAX;
	}
	return depth == 0 ? i : SIZE_MAX;
}

int oft_scan_word(struct scan *s, struct word *w)
{
	struct span *r = &s->rest;
	size_t n = 0, size;

	while (r->size > 0 && is_gap(*r->at))
		skip(r, 1);
	if (r->size == 0)
		return 0;
	size = value_size(*r);
	if (size == SIZE_MAX)
		return oft_scan_error(s, *r, "brackets do not match");
	*w = (struct word){ .value = { r->at + size, 0 }, .whole = { r->at, size } };
	while (n < size && strchr("=:()", r->at[n]) == NULL)
		n++;
	w->key = (struct span){ r->at, n };
	if (n == size) {
		skip(r, size);
		return 1;
	}
	w->delimiter = r->at[n];
	w->value = (struct span){ r->at + n + 1, size - n - 1 };
	if (n == 0 || w->delimiter == ')')
		return oft_scan_error(s, w->whole, "a name is missing before '%c'", w->delimiter);
	if (w->delimiter == '(') {
		if (w->value.size == 0 || w->value.at[w->value.size - 1] != ')')
			return oft_scan_error(s, w->whole, "something stands behind ')'");
		w->value.size--;
	}
	skip(r, size);
	return 1;
}

struct span oft_scan_remainder(struct scan *s, const struct word *w)
{
	struct span all = { w->value.at, (size_t)(s->rest.at + s->rest.size - w->value.at) };

	skip(&s->rest, s->rest.size);
	return all;
}

bool oft_span_is(struct span s, const char *word)
{
	return strlen(word) == s.size && strncasecmp(s.at, word, s.size) == 0;
}

bool oft_span_split(struct span *s, const char *by, struct span *second)
{
	const char *p = memmem(s->at, s->size, by, strlen(by));

	if (p == NULL)
		return false;
	second->at = p + strlen(by);
	second->size = (size_t)(s->at + s->size - second->at);
	s->size = (size_t)(p - s->at);
	return true;
}

int oft_span_number(struct span s, uint64_t max, uint64_t *out)
{
	unsigned base = 10;
	uint64_t n = 0;
	size_t i = 0;

	if (oft_span_is(s, "-1")) {
		*out = max;
		return 0;
	}
	if (s.size > 2 && s.at[0] == '0' && (s.at[1] | 0x20) == 'x') {
		base = 16;
		i = 2;
	}
	if (i == s.size)
		return -EINVAL;
	for (; i < s.size; i++) {
		int c = tolower((unsigned char)s.at[i]);
		unsigned digit = c >= '0' && c <= '9'	? (unsigned)(c - '0')
				 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
							: 16;

		if (digit >= base)
			return -EINVAL;
		if (n > (UINT64_MAX - digit) / base)
			return -ERANGE;
		n = n * base + digit;
	}
	*out = n;
	return n > max ? -ERANGE : 0;
}

int oft_word_number(const struct scan *s, const struct word *w, uint64_t max, uint64_t *out)
{
	int rc;

	if (w->delimiter == 0 || w->value.size == 0)
		return oft_scan_error(s, w->whole, "a number is missing");
	rc = oft_span_number(w->value, max, out);
	if (rc == -ERANGE)
		return oft_scan_error(s, w->whole, "at most %llu", (unsigned long long)max);
	return rc < 0 ? oft_scan_error(s, w->whole, "not a number") : 0;
}

// --- Ports

static const struct {
	const char *name;
	uint32_t port;
} reserved[] = {
	{ "IN_PORT", 0xfffffff8 }, { "TABLE", 0xfffffff9 }, { "NORMAL", 0xfffffffa },
	{ "FLOOD", 0xfffffffb },   { "ALL", 0xfffffffc },   { "CONTROLLER", 0xfffffffd },
	{ "LOCAL", 0xfffffffe },   { "ANY", 0xffffffff },   { "NONE", 0xffffffff },
};
enum { RESERVED = sizeof(reserved) / sizeof(reserved[0]) };

static int find_port(struct span s, const struct of_text_ports *ports, uint32_t *port)
{
	uint64_t n;

	if (s.size >= 2 && s.at[0] == '"' && s.at[s.size - 1] == '"')
		s = (struct span){ s.at + 1, s.size - 2 };
	else if (s.size > 0 && isdigit((unsigned char)*s.at) && oft_span_number(s, ANY, &n) == 0) {
		// 16-bit numbers of reserved ports, as OpenFlow 1.0 had them.
		*port = n >= 0xfff8 && n <= 0xffff ? (uint32_t)n + 0xffff0000 : (uint32_t)n;
		return n < PORTS || *port >= 0xfffffff8 ? 0 : -ENOENT;
	}
	for (uint32_t i = 0; i < RESERVED; i++) {
		if (oft_span_is(s, reserved[i].name)) {
			*port = reserved[i].port;
			return 0;
		}
	}
	if (s.size == 0 || ports == NULL || ports->number == NULL)
		return -ENOENT;
	return ports->number(ports->arg, s.at, s.size, port);
}

const char *of_text_port_error(int error)
{
	switch (error) {
	case -ENAMETOOLONG:
		return "OpenFlow tells 15 characters of a name, and a port's begins so: say its "
		       "number";
	case -ENOTUNIQ:
		return "several ports begin so, and OpenFlow tells no more of a name: say the "
		       "number";
	default:
		return "there is no port of that name";
	}
}

int of_text_port_number(const char *s, const struct of_text_ports *ports, uint32_t *port)
{
	return find_port((struct span){ s, strlen(s) }, ports, port);
}

int oft_scan_port(const struct scan *s, struct span where, uint32_t *port)
{
	int rc = find_port(where, s->ports, port);
	uint64_t n;

	if (rc == 0)
		return 0;
	if (where.size == 0)
		return oft_scan_error(s, where, "a port is missing");
	if (oft_span_number(where, UINT64_MAX, &n) != -EINVAL)
		return oft_scan_error(
			s, where, "no port: they are 1..%u, and reserved ones by name", PORTS - 1);
	return oft_scan_error(s, where, "%s", of_text_port_error(rc));
}

void of_text_port(struct of_text *t, uint32_t port, const struct of_text_ports *ports)
{
	const char *name;

	for (uint32_t i = 0; i < RESERVED; i++) {
		if (port == reserved[i].port) {
			of_text_put(t, reserved[i].name);
			return;
		}
	}
	name = ports == NULL || ports->name == NULL ? NULL : ports->name(ports->arg, port);
	if (name == NULL) {
		of_text_printf(t, "%u", port);
		return;
	}
	for (uint32_t i = 0; i < RESERVED; i++) { // read again it would be that one
		if (strcasecmp(name, reserved[i].name) == 0) {
			of_text_printf(t, "%u", port);
			return;
		}
	}
	for (const char *p = name; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("-_.", *p) == NULL) {
			of_text_printf(t, "%u", port);
			return;
		}
	}
	of_text_printf(t, isdigit((unsigned char)name[0]) ? "\"%s\"" : "%s", name);
}
