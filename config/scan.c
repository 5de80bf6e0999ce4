// A look at a text before it is parsed. libyang calls itself for each level of what it reads and,
// in 2.1.30, counts the tokens of an XPath value in 16 bits and never returns when there are more.
// So depth and the length of a value are bounded here, whoever sends the text. Nor does it look at
// what follows the first object of a JSON text: half of a file could be lost without a word.
#include <string.h>

#include "config_priv.h"

enum {
	DEPTH_MAX = 128,
	VALUE_MAX = CFG_VALUE_MAX,
};

static const char too_deep[] = "more than 128 deep";
static const char behind[] = "there is more behind the end of its first object";
static const char too_long[] = "a value is longer than 32768 bytes";

// These are texts of their own, and looked at when they are read.
static bool is_text(const char *name, size_t size)
{
	return size == 4 && (memcmp(name, "text", 4) == 0 || memcmp(name, "line", 4) == 0);
}

struct scan {
	uint32_t depth;
	size_t value; // bytes since the last tag
	bool text;    // the value may be long
	const char *why;
};

static const char *after(const char *p, const char *mark)
{
	p = strstr(p, mark);
	return p == NULL ? NULL : p + strlen(mark);
}

// Bytes of text in XML from p to end, an entity as one.
static size_t length(const char *p, const char *end)
{
	size_t n = 0;

	for (; p < end; p++, n++) {
		const char *semicolon = *p == '&' ? memchr(p, ';', (size_t)(end - p)) : NULL;

		if (semicolon != NULL && semicolon - p < 10)
			p = semicolon;
	}
	return n;
}

static void count(struct scan *s, size_t size)
{
	s->value += size;
	if (s->value > VALUE_MAX && !s->text)
		s->why = too_long;
}

// A tag at p. returns what is behind it, NULL = it does not end: the parser will say so
static const char *tag(struct scan *s, const char *p)
{
	bool closes = p[1] == '/';
	const char *name = p + 1, *local;
	size_t size = strcspn(name, " \t\r\n/>");

	local = memchr(name, ':', size);
	local = local == NULL ? name : local + 1;
	for (p++;;) {
		const char *quote = p + strcspn(p, "\"'>");

		if (*quote == '\0')
			return NULL;
		p = quote + 1;
		if (*quote == '>')
			break;
		p = strchr(p, *quote);
		if (p == NULL)
			return NULL;
		if (length(quote + 1, p) > VALUE_MAX)
			s->why = too_long;
		p++;
	}
	s->value = 0;
	s->text = !closes && is_text(local, size - (size_t)(local - name));
	if (closes)
		s->depth -= s->depth > 0;
	else if (p[-2] != '/' && ++s->depth > DEPTH_MAX)
		s->why = too_deep;
	return p;
}

const char *cfg_scan_xml(const char *text)
{
	struct scan s = { 0 };

	for (const char *p = text, *q; p != NULL && *p != '\0' && s.why == NULL; p = q) {
		if (*p != '<') {
			q = p + strcspn(p, "<");
			count(&s, length(p, q));
		} else if (strncmp(p, "<!--", 4) == 0) {
			q = after(p + 4, "-->");
		} else if (strncmp(p, "<![CDATA[", 9) == 0) {
			q = after(p + 9, "]]>");
			count(&s, q == NULL ? 0 : (size_t)(q - p));
		} else if (p[1] == '?') {
			q = after(p + 2, "?>");
		} else {
			q = tag(&s, p);
		}
	}
	return s.why;
}

// A string whose first quote is at p: a name, or a value. returns what is behind it, or NULL
static const char *string(struct scan *s, const char *p)
{
	const char *end = p + 1, *next;
	size_t size, escapes = 0;

	while (*end != '"') {
		end += strcspn(end, "\"\\");
		if (*end == '\0' || (*end == '\\' && end[1] == '\0'))
			return NULL;
		if (*end == '\\') {
			escapes += end[1] == 'u' ? 5 : 1;
			end += 2;
		}
	}
	size = (size_t)(end - p) - 1;
	next = end + 1 + strspn(end + 1, " \t\r\n");
	if (*next == ':') {
		const char *colon = memchr(p + 1, ':', size);
		const char *local = colon == NULL ? p + 1 : colon + 1;

		s->text = is_text(local, (size_t)(end - local));
		size = escapes = 0;
	}
	s->value = 0;
	count(s, size > escapes ? size - escapes : 0); // an escape is one byte or more
	return end + 1;
}

const char *cfg_scan_json(const char *text)
{
	struct scan s = { 0 };

	for (const char *p = text; p != NULL && s.why == NULL;) {
		p += strcspn(p, "\"{}[]");
		if (*p == '\0')
			break;
		if (*p == '"') {
			p = string(&s, p);
			continue;
		}
		if (*p == '{' || *p == '[') {
			s.why = ++s.depth > DEPTH_MAX ? too_deep : NULL;
		} else if (s.depth > 0 && --s.depth == 0 &&
			   p[1 + strspn(p + 1, " \t\r\n")] != '\0') {
			s.why = behind;
		}
		p++;
	}
	return s.why;
}
