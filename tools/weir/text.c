// Text and words.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir_priv.h"

void *need(void *p)
{
	if (p == NULL) {
		fputs("weir: out of memory\n", stderr);
		_exit(EXIT_FAILED);
	}
	return p;
}

void text_put_n(struct text *t, const char *s, size_t size)
{
	if (t->size + size + 1 > t->cap) {
		t->cap = 2 * (t->size + size + 64);
		t->buf = need(realloc(t->buf, t->cap));
	}
	memcpy(t->buf + t->size, s, size);
	t->size += size;
	t->buf[t->size] = '\0';
}

void text_put(struct text *t, const char *s)
{
	text_put_n(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	need(n < 0 ? NULL : s);
	text_put_n(t, s, (size_t)n);
	free(s);
}

char *text_take(struct text *t)
{
	char *buf;

	text_put(t, "");
	buf = t->buf;
	*t = (struct text){ 0 };
	return buf;
}

// Characters that need no quotes: those of the daemon.
static bool plain(const char *word)
{
	static const char also[] = "_.:/-+,=@%~";

	for (const char *p = word; *p != '\0'; p++) {
		bool alnum = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9');

		if (!alnum && strchr(also, *p) == NULL)
			return false;
	}
	return word[0] != '\0';
}

void text_put_word(struct text *t, const char *word)
{
	if (plain(word)) {
		text_put(t, word);
		return;
	}
	text_put(t, "\"");
	for (const char *p = word; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			text_put(t, "\\");
		if (*p == '\n')
			text_put(t, "\\n");
		else if (*p == '\t')
			text_put(t, "\\t");
		else if (*p == '\r')
			text_put(t, "\\r");
		else
			text_put_n(t, p, 1);
	}
	text_put(t, "\"");
}

// Length of the UTF-8 sequence at p that a terminal may have; 0 = none. C1 controls are none.
static size_t shown(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0xc2 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (p[0] < 0x80)
		return (p[0] >= 0x20 && p[0] != 0x7f) || p[0] == '\n' || p[0] == '\t';
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xe0 && p[1] < 0xa0) ||
	    (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	// Marks that turn the direction of writing would show something else than what is there.
	if (p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
			     (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
		return 0;
	return n;
}

void text_put_clean(struct text *t, const char *s, size_t size)
{
	for (size_t i = 0, n; i < size; i += n) {
		n = shown((const unsigned char *)s + i, size - i);
		if (n == 0) {
			text_put(t, "?");
			n = 1;
			while (i + n < size && (s[i + n] & 0xc0) == 0x80)
				n++;
		} else {
			text_put_n(t, s + i, n);
		}
	}
}

// --- Words

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char escaped(char c, bool inside)
{
	return !inside ? c : c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
}

static void add_word(struct words *w, const struct word *word)
{
	if (w->n == w->cap) {
		w->cap = 2 * w->cap + 16;
		w->word = need(realloc(w->word, w->cap * sizeof(w->word[0])));
	}
	w->word[w->n++] = *word;
}

// returns where the word ends; *open = its quotes do not
static uint32_t one_word(const char *line, uint32_t at, uint32_t end, struct words *w, bool *open)
{
	struct word word = { .at = at };
	struct text t = { 0 };
	bool inside = false;

	for (; at < end && (inside || !blank(line[at])); at++) {
		char c = line[at];

		if (c == '"') {
			inside = !inside;
			word.quoted = true;
		} else if (c == '\\' && at + 1 < end) {
			c = escaped(line[++at], inside);
			text_put_n(&t, &c, 1);
			word.quoted = true;
		} else {
			text_put_n(&t, &c, 1);
		}
	}
	*open = inside;
	word.text = text_take(&t);
	word.size = at - word.at;
	add_word(w, &word);
	return at;
}

bool words_split(const char *line, uint32_t begin, uint32_t end, bool partial, struct words *out)
{
	uint32_t at = begin;
	bool open = false;

	*out = (struct words){ 0 };
	while (true) {
		while (at < end && blank(line[at]))
			at++;
		if (at == end)
			break;
		at = one_word(line, at, end, out, &open);
	}
	if (partial && (out->n == 0 || out->word[out->n - 1].at + out->word[out->n - 1].size < end))
		one_word(line, end, end, out, &open);
	return partial || !open;
}

void words_free(struct words *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		free(w->word[i].text);
	free(w->word);
	*w = (struct words){ 0 };
}

// --- Commands of a line

// First of the characters outside quotes, from `at`; # only where a word begins.
static uint32_t find(const char *line, uint32_t at, uint32_t end, const char *stops)
{
	bool inside = false, begins = true;

	for (; at < end && line[at] != '\0'; at++) {
		char c = line[at];

		if (c == '\\' && at + 1 < end && line[at + 1] != '\0')
			at++;
		else if (c == '"')
			inside = !inside;
		else if (!inside && strchr(stops, c) != NULL && (c != '#' || begins))
			return at;
		begins = blank(c) || c == ';';
	}
	return at;
}

bool part_next(const char *line, uint32_t at, struct part *out)
{
	uint32_t size = (uint32_t)strlen(line), words = find(line, 0, size, "#");

	for (; at < words; at = out->end + 1) {
		while (at < words && blank(line[at]))
			at++;
		out->begin = at;
		out->end = find(line, at, words, ";");
		out->pipe = find(line, at, out->end, "|");
		if (out->end > out->begin)
			return true;
	}
	return false;
}

uint32_t part_pipe_end(const char *line, uint32_t at, uint32_t end)
{
	return find(line, at, end, "|");
}
