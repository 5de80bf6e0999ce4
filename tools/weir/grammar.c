// What can be typed: patterns of words, and the words of a line against all of them at once.
//
// A pattern is read into positions (Glushkov): the state of a verb is the token that the last word
// was. That answers what a line is and also what may follow in one that is being typed.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "weir_priv.h"

struct piece {
	uint32_t first, last;
	bool nullable;
};

struct reader {
	const char *at;
	struct pattern *p;
};

static struct piece alternatives(struct reader *r);

static void follows(struct pattern *p, uint32_t last, uint32_t first)
{
	for (uint32_t i = 0; i < p->n; i++) {
		if ((last & 1u << i) != 0)
			p->follow[i] |= first;
	}
}

static struct piece token(struct reader *r)
{
	struct token *t = &r->p->token[r->p->n];
	size_t size = strcspn(r->at, " []()|");

	if (size > 3 && memcmp(r->at + size - 3, "...", 3) == 0)
		size -= 3;
	memcpy(t->text, r->at, size < sizeof(t->text) ? size : sizeof(t->text) - 1);
	t->literal = !isupper((unsigned char)t->text[0]);
	r->at += size;
	r->p->n++;
	return (struct piece){ 1u << (r->p->n - 1), 1u << (r->p->n - 1), false };
}

static struct piece atom(struct reader *r)
{
	struct piece a;
	char open = *r->at;

	if (open == '[' || open == '(') {
		r->at++;
		a = alternatives(r);
		r->at++;
		a.nullable |= open == '[';
	} else {
		a = token(r);
	}
	if (strncmp(r->at, "...", 3) == 0) {
		r->at += 3;
		follows(r->p, a.last, a.first);
	}
	return a;
}

static struct piece sequence(struct reader *r)
{
	struct piece all = { 0, 0, true }, a;

	while (true) {
		r->at += strspn(r->at, " ");
		if (*r->at == '\0' || strchr("])|", *r->at) != NULL)
			return all;
		a = atom(r);
		follows(r->p, all.last, a.first);
		all.first |= all.nullable ? a.first : 0;
		all.last = a.last | (a.nullable ? all.last : 0);
		all.nullable &= a.nullable;
	}
}

static struct piece alternatives(struct reader *r)
{
	struct piece all = sequence(r), a;

	while (*r->at == '|') {
		r->at++;
		a = sequence(r);
		all.first |= a.first;
		all.last |= a.last;
		all.nullable |= a.nullable;
	}
	return all;
}

void pattern_read(const char *text, struct pattern *out)
{
	struct reader r = { text, out };
	struct piece all;

	memset(out, 0, sizeof(*out));
	all = alternatives(&r);
	out->first = all.first;
	out->last = all.last;
	out->nullable = all.nullable;
}

// --- Words against all verbs

static uint32_t *live(const struct match *m, uint32_t v, uint32_t i)
{
	return &m->live[v * (m->n_words + 1) + i];
}

// Tokens that may come after the first i words.
static uint32_t next(const struct match *m, uint32_t v, uint32_t i)
{
	const struct pattern *p = &m->pattern[v];
	uint32_t out = 0, now;

	if (i == 0)
		return p->first;
	now = *live(m, v, i - 1);
	for (uint32_t t = 0; t < p->n; t++)
		out |= (now & 1u << t) != 0 ? p->follow[t] : 0;
	return out;
}

bool match_begins(const struct match *m, uint32_t v)
{
	return m->bad > 0 && *live(m, v, m->bad - 1) != 0;
}

uint32_t match_next(const struct match *m, uint32_t v)
{
	return next(m, v, m->n_words);
}

// A number, as ovs-ofctl writes it, too: behind its name. Or all of them.
static bool numbers(const char *text, const char *key)
{
	size_t size = strlen(key);

	text += strncmp(text, key, size) == 0 ? size : 0;
	return strcmp(text, "all") == 0 ||
	       (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0');
}

static bool argument_takes(const char *name, const struct word *w)
{
	bool time = strcmp(name, "MINUTES") == 0;
	bool number = strcmp(name, "NUMBER") == 0 || strcmp(name, "COUNT") == 0;
	size_t digits = strspn(w->text, "0123456789");
	const char *unit = w->text + digits;

	if (strcmp(name, "GROUP") == 0)
		return numbers(w->text, "group_id=");
	if (strcmp(name, "METER") == 0)
		return numbers(w->text, "meter=");
	if (!number && !time)
		return true;
	return digits > 0 &&
	       (*unit == '\0' || (time && (strcmp(unit, "s") == 0 || strcmp(unit, "m") == 0)));
}

enum how { EXACT, ARGUMENT, BEGINS };

static uint32_t fitting(const struct pattern *p, uint32_t tokens, const struct word *w,
			enum how how)
{
	uint32_t out = 0;

	for (uint32_t t = 0; t < p->n; t++) {
		const struct token *k = &p->token[t];
		bool fits = how == ARGUMENT ? !k->literal && argument_takes(k->text, w)
			    : !k->literal   ? false
			    : w->quoted	    ? false
			    : how == EXACT  ? strcmp(k->text, w->text) == 0
					    : w->text[0] != '\0' && strncmp(k->text, w->text,
									    strlen(w->text)) == 0;

		if ((tokens & 1u << t) != 0 && fits)
			out |= 1u << t;
	}
	return out;
}

static bool listed(const char *list, const char *word)
{
	size_t size = strlen(word);

	for (const char *p = list; (p = strstr(p, word)) != NULL; p += size) {
		if ((p == list || p[-1] == ' ') && (p[size] == ',' || p[size] == '\0'))
			return true;
	}
	return false;
}

static void list_tokens(struct text *t, const struct pattern *p, uint32_t tokens)
{
	for (uint32_t i = 0; i < p->n; i++) {
		if ((tokens & 1u << i) != 0 && !listed(t->size > 0 ? t->buf : "", p->token[i].text))
			text_printf(t, "%s%s", t->size > 0 ? ", " : "", p->token[i].text);
	}
}

// Word i in every verb, in one way. returns how many different words of the table it would be
static uint32_t try(struct match *m, uint32_t i, const struct word *w, enum how how)
{
	struct text names = { 0 };
	uint32_t n = 0;

	for (uint32_t v = 0; v < m->n; v++) {
		uint32_t got = fitting(&m->pattern[v], next(m, v, i), w, how);

		*live(m, v, i) = got;
		if (got != 0)
			list_tokens(&names, &m->pattern[v], got);
		n += got != 0 && how != BEGINS;
	}
	for (size_t k = 0; how == BEGINS && k < names.size; k++)
		n += names.buf[k] == ',';
	n += how == BEGINS && names.size > 0;
	m->ambiguous = how == BEGINS && n > 1;
	if (m->ambiguous)
		text_printf(&m->problem, "%s: could be %s", w->text, names.buf);
	free(names.buf);
	return n;
}

static void expected(struct match *m, uint32_t i)
{
	struct text names = { 0 };

	for (uint32_t v = 0; v < m->n; v++)
		list_tokens(&names, &m->pattern[v], next(m, v, i));
	m->many = names.size >= 200;
	if (names.size > 0 && !m->many)
		text_printf(&m->problem, "; expected: %s", names.buf);
	free(names.buf);
}

// An exact word wins over an argument, in the verbs that have both; abbreviations are for places
// where nothing else can stand.
static bool take(struct match *m, uint32_t i, const struct word *w)
{
	uint32_t *exact = need(calloc(m->n + 1, sizeof(*exact))), n = 0;

	try(m, i, w, EXACT);
	for (uint32_t v = 0; v < m->n; v++)
		exact[v] = *live(m, v, i);
	try(m, i, w, ARGUMENT);
	for (uint32_t v = 0; v < m->n; v++) {
		if (exact[v] != 0)
			*live(m, v, i) = exact[v];
		n += *live(m, v, i) != 0;
	}
	free(exact);
	if (n > 0)
		return true;
	n = try(m, i, w, BEGINS);
	if (n == 1)
		return true;
	if (n == 0) {
		if (i == 0)
			text_printf(&m->problem, "%s: no such command", w->text);
		else
			text_printf(&m->problem, "%s: not understood here", w->text);
		expected(m, i);
	}
	return false;
}

void match_words(struct match *m, unsigned modes, const struct words *w, uint32_t n)
{
	*m = (struct match){ .n_words = n };
	m->verb = need(calloc(n_verbs, sizeof(m->verb[0])));
	m->pattern = need(calloc(n_verbs, sizeof(m->pattern[0])));
	m->live = need(calloc(n_verbs * (n + 1), sizeof(m->live[0])));
	for (size_t i = 0; i < n_verbs; i++) {
		if ((verbs[i].modes & modes) == 0)
			continue;
		m->verb[m->n] = &verbs[i];
		pattern_read(verbs[i].pattern, &m->pattern[m->n++]);
	}
	m->bad = n;
	for (uint32_t i = 0; i < n; i++) {
		if (!take(m, i, &w->word[i])) {
			m->bad = i;
			return;
		}
	}
}

const struct verb *match_end(struct match *m, uint32_t *index)
{
	if (m->problem.size > 0)
		return NULL;
	for (uint32_t v = 0; v < m->n && m->n_words > 0; v++) {
		if ((*live(m, v, m->n_words - 1) & m->pattern[v].last) != 0) {
			*index = v;
			return m->verb[v];
		}
	}
	m->bad = m->n_words;
	text_put(&m->problem, "the line ends too early");
	expected(m, m->n_words);
	return NULL;
}

void match_labels(const struct match *m, uint32_t v, uint32_t ends, uint8_t *label)
{
	const struct pattern *p = &m->pattern[v];

	for (uint32_t i = m->n_words; i-- > 0;) {
		uint32_t may = *live(m, v, i) & ends, t = 0;

		while (t < p->n && (may & 1u << t) == 0)
			t++;
		label[i] = (uint8_t)t;
		ends = 0;
		for (uint32_t before = 0; before < p->n; before++) {
			if (t < p->n && (p->follow[before] & 1u << t) != 0)
				ends |= 1u << before;
		}
	}
}

void match_free(struct match *m)
{
	free(m->verb);
	free(m->pattern);
	free(m->live);
	free(m->problem.buf);
	*m = (struct match){ 0 };
}

// --- One command

static bool is(const struct command *cmd, uint32_t i, const char *name, bool literal)
{
	const struct token *t = &cmd->pattern.token[cmd->label[i]];

	return t->literal == literal && strcmp(t->text, name) == 0;
}

const char *command_arg(const struct command *cmd, const char *name)
{
	for (uint32_t i = 0; i < cmd->words.n; i++) {
		if (is(cmd, i, name, false))
			return cmd->words.word[i].text;
	}
	return NULL;
}

bool command_has(const struct command *cmd, const char *literal)
{
	for (uint32_t i = 0; i < cmd->words.n; i++) {
		if (is(cmd, i, literal, true))
			return true;
	}
	return false;
}

char *command_join(const struct command *cmd, const char *name)
{
	struct text t = { 0 };

	for (uint32_t i = 0; i < cmd->words.n; i++) {
		if (is(cmd, i, name, false))
			text_printf(&t, "%s%s", t.size > 0 ? " " : "", cmd->words.word[i].text);
	}
	return text_take(&t);
}

char *command_rest(const struct command *cmd, const char *name, uint32_t *at)
{
	const struct words *w = &cmd->words;
	struct text t = { 0 };
	uint32_t end;

	for (uint32_t i = 0; i < w->n; i++) {
		if (!is(cmd, i, name, false))
			continue;
		*at = w->word[i].at;
		end = w->word[w->n - 1].at + w->word[w->n - 1].size;
		text_put_n(&t, cmd->line + *at, end - *at);
		break;
	}
	return text_take(&t);
}

char *command_name(const struct command *cmd)
{
	struct text t = { 0 };

	for (uint32_t i = 0; i < cmd->words.n && cmd->pattern.token[cmd->label[i]].literal; i++)
		text_printf(&t, "%s%s", i > 0 ? " " : "", cmd->pattern.token[cmd->label[i]].text);
	return text_take(&t);
}
