// Lines to words, words to text, errors to sentences. See words_priv.h.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words_priv.h"

void cfg_words_put_n(struct cfg_words_text *t, const char *text, size_t size)
{
	if (t->failed)
		return;
	if (t->size + size + 1 > t->cap) {
		size_t cap = 2 * (t->size + size + 64);
		char *buf = realloc(t->buf, cap);

		if (buf == NULL) {
			t->failed = true;
			return;
		}
		t->buf = buf;
		t->cap = cap;
	}
	memcpy(t->buf + t->size, text, size);
	t->size += size;
	t->buf[t->size] = '\0';
}

void cfg_words_put(struct cfg_words_text *t, const char *text)
{
	cfg_words_put_n(t, text, strlen(text));
}

void cfg_words_printf(struct cfg_words_text *t, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	cfg_words_put(t, buf);
}

int cfg_words_text_take(struct cfg_words_text *t, char **out)
{
	cfg_words_put(t, "");
	if (t->failed) {
		free(t->buf);
		t->buf = NULL;
	}
	*out = t->buf;
	return t->buf == NULL ? -ENOMEM : 0;
}

// Characters that need no quotes. Left out on purpose: what a shell of lines gives a meaning
// (| ? # * ; [ ] { }).
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

void cfg_words_put_word(struct cfg_words_text *t, const char *word)
{
	if (plain(word)) {
		cfg_words_put(t, word);
		return;
	}
	cfg_words_put(t, "\"");
	for (const char *p = word; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			cfg_words_put(t, "\\");
		if (*p == '\n')
			cfg_words_put(t, "\\n");
		else if (*p == '\r')
			cfg_words_put(t, "\\r");
		else if (*p == '\t')
			cfg_words_put(t, "\\t");
		else
			cfg_words_put_n(t, p, 1);
	}
	cfg_words_put(t, "\"");
}

// Length of the UTF-8 sequence at p, 0 = none that XML 1.0 (section 2.2) could carry: a value must
// survive both encodings.
static size_t utf8(const unsigned char *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (n == 1)
		return p[0] >= 0x20 || p[0] == '\t' || p[0] == '\n' || p[0] == '\r';
	if (n == 0 || n > left || p[0] > 0xf4)
		return 0;
	c = p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || (c & 0xfffe) == 0xfffe)
		return 0;
	return n;
}

struct split {
	const char *text;
	size_t size, i;
	char *to; // where the next byte of a word goes
	struct cfg_words *w;
	struct cfg_words_error *e;
	bool partial;
};

static int bad(struct split *s, size_t at, const char *reason)
{
	*s->e = (struct cfg_words_error){ .word = s->w->n, .at = (uint32_t)at, .size = 1 };
	snprintf(s->e->reason, sizeof(s->e->reason), "%s", reason);
	return -EINVAL;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char escaped(char c, bool quoted)
{
	if (quoted && c == 'n')
		return '\n';
	if (quoted && c == 't')
		return '\t';
	if (quoted && c == 'r')
		return '\r';
	return c;
}

static int one_word(struct split *s)
{
	struct cfg_word *w = &s->w->word[s->w->n];
	bool inside = false;
	size_t begin = s->i;

	*w = (struct cfg_word){ .text = s->to, .at = (uint32_t)begin };
	for (; s->i < s->size && (inside || !blank(s->text[s->i])); s->i++) {
		char c = s->text[s->i];

		if (c == '"') {
			inside = !inside;
			w->quoted = true;
		} else if (c == '\\' && s->i + 1 < s->size) {
			*s->to++ = escaped(s->text[++s->i], inside);
			w->quoted = true;
		} else if (c == '\\' && !s->partial) {
			return bad(s, s->i, "a backslash at the end of the line");
		} else if (c != '\\') {
			*s->to++ = c;
		}
	}
	if (inside && !s->partial)
		return bad(s, begin, "the quotes are not closed");
	if (s->to - w->text > CFG_VALUE_MAX)
		return bad(s, begin, "the word is longer than 32768 bytes");
	*s->to++ = '\0';
	w->size = (uint32_t)(s->i - begin);
	s->w->n++;
	return 0;
}

static int all_words(struct split *s)
{
	int rc = 0;

	while (rc == 0) {
		while (s->i < s->size && blank(s->text[s->i]))
			s->i++;
		if (s->i == s->size)
			break;
		if (s->w->n == CFG_WORDS_MAX)
			return bad(s, s->i, "the line has too many words");
		rc = one_word(s);
	}
	// At the cursor there is always a word, if only one that has not begun.
	if (rc == 0 && s->partial && s->w->n < CFG_WORDS_MAX &&
	    (s->w->n == 0 || s->w->word[s->w->n - 1].at + s->w->word[s->w->n - 1].size < s->size))
		rc = one_word(s);
	return rc;
}

static int split(const char *text, size_t size, struct cfg_words *out, struct split *s)
{
	int rc;

	*out = (struct cfg_words){ 0 };
	if (size > CFG_WORDS_LINE)
		return bad(s, 0, "the line is longer than 1 MiB");
	for (size_t i = 0, n; i < size; i += n) {
		n = utf8((const unsigned char *)text + i, size - i);
		if (n == 0)
			return bad(s, i, "a byte that is no text (UTF-8 is)");
	}
	// One more than the limit for the word at the cursor. A word takes its bytes and a NUL.
	out->word = calloc(size / 2 + 2 < CFG_WORDS_MAX + 1 ? size / 2 + 2 : CFG_WORDS_MAX + 1,
			   sizeof(out->word[0]));
	out->store = malloc(2 * size + 2);
	if (out->word == NULL || out->store == NULL) {
		cfg_words_fini(out);
		return -ENOMEM;
	}
	s->to = out->store;
	rc = all_words(s);
	if (rc < 0)
		cfg_words_fini(out);
	return rc;
}

int cfg_words_split(const char *text, size_t size, struct cfg_words *out, struct cfg_words_error *e)
{
	struct split s = { .text = text, .size = size, .w = out, .e = e };

	return split(text, size, out, &s);
}

int cfg_words_split_partial(const char *text, size_t size, struct cfg_words *out,
			    struct cfg_words_error *e)
{
	struct split s = { .text = text, .size = size, .w = out, .e = e, .partial = true };

	return split(text, size, out, &s);
}

void cfg_words_fini(struct cfg_words *w)
{
	free(w->word);
	free(w->store);
	*w = (struct cfg_words){ 0 };
}

const char *cfg_words_error_text(const struct cfg_words_error *e, char *buf, size_t size)
{
	char line[32] = "";

	if (e->line > 0)
		snprintf(line, sizeof(line), "line %u: ", e->line);
	snprintf(buf, size, "%s%s%s%s%s%s%s%s", line, e->value, e->value[0] != '\0' ? ": " : "",
		 e->reason, e->expected[0] != '\0' ? "; expected " : "", e->expected,
		 e->path[0] != '\0' ? "; at " : "", e->path);
	return buf;
}
