// Where the output of a command goes: line by line through its pipes, to the terminal, a file, or
// standard output. Nothing is gathered, so that also what runs without an end can be piped.
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weir_priv.h"

enum { STAGES = 8, LAST_LINES = 10000 };

enum kind { MATCH, EXCEPT, COUNT, LAST };

struct stage {
	enum kind kind;
	regex_t re;
	bool has_re;
	uint64_t n; // lines counted, or seen
	uint32_t want;
	struct text *line; // line[want]: the last ones
};

struct sink {
	struct stage stage[STAGES];
	uint32_t n_stages;
	struct text part; // a line that has not ended
	struct pager pager;
	FILE *file; // of | save; NULL = standard output
	char *path;
	bool more; // may be paged
	bool difference;
	bool terminal, colour;
	int error; // errno of a write
};

static void show(struct sink *s, const char *line, size_t size)
{
	const char *colour = NULL;
	struct text t = { 0 };

	if (!s->terminal) {
		if (fwrite(line, 1, size, stdout) != size || fputc('\n', stdout) == EOF)
			s->error = errno;
		return;
	}
	text_put(&t, "");
	text_put_clean(&t, line, size);
	if (s->more && !pager_line(&s->pager, t.buf, t.size)) {
		free(t.buf);
		return;
	}
	if (s->colour && s->difference)
		colour = t.buf[0] == '-' ? "31" : t.buf[0] == '+' ? "32" : NULL;
	if (colour != NULL)
		printf("\033[%sm%s\033[0m\n", colour, t.buf);
	else
		printf("%s\n", t.buf);
	free(t.buf);
}

// A line into stage i and those behind it.
static void pass(struct sink *s, uint32_t i, const char *line, size_t size)
{
	struct stage *g = &s->stage[i];
	struct text *keep;

	if (i == s->n_stages) {
		if (s->file == NULL)
			show(s, line, size);
		else if (fwrite(line, 1, size, s->file) != size || fputc('\n', s->file) == EOF)
			s->error = errno;
		return;
	}
	switch (g->kind) {
	case MATCH:
	case EXCEPT:
		if ((regexec(&g->re, line, 0, NULL, 0) == 0) == (g->kind == MATCH))
			pass(s, i + 1, line, size);
		break;
	case COUNT:
		g->n++;
		break;
	case LAST:
		keep = &g->line[g->n++ % g->want];
		keep->size = 0;
		text_put_n(keep, line, size);
		break;
	}
}

static void end_stage(struct sink *s, uint32_t i)
{
	struct stage *g = &s->stage[i];
	char number[48];

	if (g->kind == COUNT) {
		snprintf(number, sizeof(number), "Count: %llu lines", (unsigned long long)g->n);
		pass(s, i + 1, number, strlen(number));
	} else if (g->kind == LAST) {
		uint64_t from = g->n > g->want ? g->n - g->want : 0;

		for (uint64_t n = from; n < g->n; n++)
			pass(s, i + 1, g->line[n % g->want].buf, g->line[n % g->want].size);
	}
}

static ssize_t sink_write(void *cookie, const char *buf, size_t size)
{
	struct sink *s = cookie;
	size_t at = 0;

	for (const char *nl; (nl = memchr(buf + at, '\n', size - at)) != NULL;) {
		size_t n = (size_t)(nl - buf) - at;

		text_put_n(&s->part, buf + at, n);
		pass(s, 0, s->part.buf, s->part.size);
		s->part.size = 0;
		at += n + 1;
	}
	if (at < size)
		text_put_n(&s->part, buf + at, size - at);
	return (ssize_t)size;
}

static void sink_free(struct sink *s)
{
	for (uint32_t i = 0; i < s->n_stages; i++) {
		struct stage *g = &s->stage[i];

		if (g->has_re)
			regfree(&g->re);
		for (uint32_t n = 0; g->line != NULL && n < g->want; n++)
			free(g->line[n].buf);
		free(g->line);
	}
	free(s->part.buf);
	free(s->path);
	free(s);
}

// --- Pipes

static int add_match(struct cli *c, struct stage *g, const struct command *pipe)
{
	char *pattern = command_join(pipe, "PATTERN"), why[128];
	int rc = regcomp(&g->re, pattern, REG_EXTENDED | REG_NOSUB);

	if (rc != 0) {
		regerror(rc, &g->re, why, sizeof(why));
		cli_problem(c, 0, "%s: %s", pattern, why);
	}
	g->has_re = rc == 0;
	free(pattern);
	return rc == 0 ? 0 : EXIT_USAGE;
}

static int add_save(struct cli *c, struct sink *s, const struct command *pipe)
{
	const char *path = command_arg(pipe, "FILE");
	mode_t mask = umask(077); // a configuration is not for everyone

	if (s->file == NULL)
		s->file = fopen(path, "we");
	umask(mask);
	if (s->file == NULL)
		return cli_problem(c, EXIT_FAILED, "%s: %s", path, strerror(errno));
	s->path = need(strdup(path));
	return 0;
}

static int add_format(struct cli *c, const struct command *cmd, const char *name)
{
	bool json = strcmp(name, "json") == 0;

	if ((cmd->verb->flags & V_CONFIG) == 0 && !(json && (cmd->verb->flags & V_TABLE) != 0))
		return cli_problem(c, EXIT_USAGE, "| %s: not for this command", name);
	c->format = json ? FORMAT_JSON : strcmp(name, "xml") == 0 ? FORMAT_XML : FORMAT_SET;
	return 0;
}

static int add_stage(struct cli *c, struct sink *s, const struct command *pipe)
{
	const char *name = pipe->verb->param, *number = command_arg(pipe, "NUMBER");
	struct stage *g = &s->stage[s->n_stages];

	if (s->n_stages == STAGES)
		return cli_problem(c, EXIT_USAGE, "more than %d pipes", STAGES);
	s->n_stages++;
	if (strcmp(name, "count") == 0) {
		g->kind = COUNT;
	} else if (strcmp(name, "last") == 0) {
		g->kind = LAST;
		g->want = number == NULL ? 10 : (uint32_t)strtoul(number, NULL, 10);
		if (g->want == 0 || g->want > LAST_LINES ||
		    strlen(number == NULL ? "" : number) > 6)
			return cli_problem(c, EXIT_USAGE, "last: 1..%d lines", LAST_LINES);
		g->line = need(calloc(g->want, sizeof(g->line[0])));
	} else {
		g->kind = strcmp(name, "match") == 0 ? MATCH : EXCEPT;
		return add_match(c, g, pipe);
	}
	return 0;
}

static int add_pipe(struct cli *c, struct sink *s, const struct command *cmd,
		    const struct command *pipe)
{
	static const char *const words[] = { "json", "xml", "set" };
	const char *name = pipe->verb->param, *number = command_arg(pipe, "NUMBER");

	if (strcmp(name, "no-more") == 0) {
		s->more = false;
		return 0;
	}
	if (strcmp(name, "compare") == 0) {
		if ((cmd->verb->flags & V_COMPARES) == 0)
			return cli_problem(c, EXIT_USAGE, "| compare: not for this command");
		c->compare = s->difference = true;
		c->compare_with = number == NULL ? 0 : (uint32_t)strtoul(number, NULL, 10);
		return 0;
	}
	if (strcmp(name, "save") == 0)
		return add_save(c, s, pipe);
	for (uint32_t i = 0; strcmp(name, "display") == 0 && i < 3; i++) {
		if (command_has(pipe, words[i]))
			return add_format(c, cmd, words[i]);
	}
	return add_stage(c, s, pipe);
}

// The pipe line[begin..end).
static int read_pipe(struct cli *c, struct sink *s, const struct command *cmd, const uint32_t *at)
{
	struct command pipe = { .line = cmd->line };
	struct match m = { 0 };
	uint32_t v = 0;
	int rc = EXIT_USAGE;

	words_split(cmd->line, at[0], at[1], false, &pipe.words);
	match_words(&m, PIPE, &pipe.words, pipe.words.n);
	pipe.verb = match_end(&m, &v);
	if (pipe.verb == NULL) {
		uint32_t where = m.bad < pipe.words.n ? pipe.words.word[m.bad].at : at[1];

		if (c->indent > 0)
			cli_mark(c, where, m.bad < pipe.words.n ? pipe.words.word[m.bad].size : 1);
		cli_problem(c, 0, "| %s", m.problem.buf);
	} else {
		pipe.pattern = m.pattern[v];
		pipe.label = need(calloc(pipe.words.n + 1, 1));
		match_labels(&m, v, pipe.pattern.last, pipe.label);
		rc = add_pipe(c, s, cmd, &pipe);
	}
	match_free(&m);
	words_free(&pipe.words);
	free(pipe.label);
	return rc;
}

int sink_open(struct cli *c, const struct command *cmd)
{
	static const cookie_io_functions_t io = { .write = sink_write };
	struct sink *s = need(calloc(1, sizeof(*s)));
	const struct part *p = &cmd->part;
	int rc = 0;

	s->terminal = isatty(STDOUT_FILENO) == 1;
	s->colour = c->colour;
	s->more = c->terminal && s->terminal && (cmd->verb->flags & V_STREAM) == 0;
	s->difference = (cmd->verb->flags & V_DIFF) != 0;
	c->format = c->json ? FORMAT_JSON : FORMAT_TEXT;
	c->compare = false;
	for (uint32_t at = p->pipe, end; rc == 0 && at < p->end; at = end) {
		end = part_pipe_end(cmd->line, at + 1, p->end);
		rc = read_pipe(c, s, cmd, (const uint32_t[]){ at + 1, end });
	}
	if (s->more)
		pager_start(&s->pager);
	c->sink = s;
	c->out = need(fopencookie(s, "w", io));
	setvbuf(c->out, NULL, _IOLBF, 1 << 12);
	if (rc != 0)
		(void)sink_close(c);
	return rc;
}

int sink_close(struct cli *c)
{
	struct sink *s = c->sink;
	int rc = 0;

	fclose(c->out);
	if (s->part.size > 0)
		pass(s, 0, s->part.buf, s->part.size);
	for (uint32_t i = 0; i < s->n_stages; i++)
		end_stage(s, i);
	if (s->file != NULL && fclose(s->file) != 0 && s->error == 0)
		s->error = errno;
	if (fflush(stdout) != 0 && s->error == 0)
		s->error = errno;
	if (s->error != 0)
		rc = cli_problem(c, EXIT_FAILED, "%s: %s", s->path == NULL ? "output" : s->path,
				 strerror(s->error));
	sink_free(s);
	c->sink = NULL;
	c->out = stdout;
	return rc;
}
