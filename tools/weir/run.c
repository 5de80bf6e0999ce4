// Lines to commands: split, matched with the table, run with their output where it belongs.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir_priv.h"

static unsigned modes_of(const struct cli *c)
{
	return c->configuring ? CONFIGURE : OPERATIONAL;
}

// A command of the other mode: say how to get there.
static int other_mode(struct cli *c, const struct command *cmd)
{
	struct match m;
	struct text line = { 0 };
	bool there;

	match_words(&m, c->configuring ? OPERATIONAL : CONFIGURE, &cmd->words, cmd->words.n);
	there = m.bad > 0 && cmd->words.n > 0;
	match_free(&m);
	if (!there)
		return 0;
	text_put_n(&line, cmd->line + cmd->part.begin, cmd->part.pipe - cmd->part.begin);
	while (line.size > 0 && line.buf[line.size - 1] == ' ')
		line.buf[--line.size] = '\0';
	if (c->configuring && strcmp(line.buf, "configure") == 0)
		cli_problem(c, 0, "configure: this is configure mode already");
	else if (c->configuring)
		cli_problem(c, 0, "%s: an operational command; did you mean: run %s",
			    cmd->words.word[0].text, line.buf);
	else if (c->terminal)
		cli_problem(c, 0, "%s: only in configure mode; type configure first",
			    cmd->words.word[0].text);
	else
		cli_problem(c, 0,
			    "%s: only in configure mode; did you mean: weir -c 'configure; %s; "
			    "commit'",
			    cmd->words.word[0].text, line.buf);
	free(line.buf);
	return EXIT_USAGE;
}

// Leading words of a pattern, which are as they are typed.
static size_t name_size(const char *pattern)
{
	size_t at = 0, end = 0;

	while (pattern[at] >= 'a' && pattern[at] <= 'z') {
		end = at + strcspn(pattern + at, " ");
		at = end + strspn(pattern + end, " ");
	}
	return end;
}

static void print_name(FILE *f, const struct verb *v)
{
	fprintf(f, "  %-23.*s %s\n", (int)name_size(v->pattern), v->pattern, v->help);
}

void cli_usage(const struct cli *c, const struct verb *v)
{
	fflush(stdout);
	fprintf(stderr, "usage: %s%s\n", c->terminal || c->source != NULL ? "" : "weir ",
		v->pattern);
}

// How it is typed, where the words before the bad one leave one command; else all that begin like
// them, if they are too many for the problem's line.
static void usage_tell(const struct cli *c, const struct match *m)
{
	uint32_t n = 0, only = 0;

	for (uint32_t v = 0; v < m->n; v++) {
		n += match_begins(m, v);
		only = match_begins(m, v) ? v : only;
	}
	if (n == 1 && !m->ambiguous)
		cli_usage(c, m->verb[only]);
	for (uint32_t v = 0; m->many && v < m->n; v++) {
		if (match_begins(m, v))
			print_name(stderr, m->verb[v]);
	}
}

static int not_understood(struct cli *c, const struct command *cmd, const struct match *m)
{
	const struct words *w = &cmd->words;
	bool end = m->bad >= w->n;
	uint32_t at = end ? w->word[w->n - 1].at + w->word[w->n - 1].size : w->word[m->bad].at;

	if (m->bad == 0 && !m->ambiguous && other_mode(c, cmd) != 0)
		return EXIT_USAGE;
	if (c->indent > 0)
		cli_mark(c, at + (end ? 1 : 0), end ? 1 : w->word[m->bad].size);
	cli_problem(c, 0, "%s", m->problem.buf);
	if (c->source != NULL && c->indent == 0)
		cli_mark(c, at + (end && c->line[at] != '\0' ? 1 : 0),
			 end ? 1 : w->word[m->bad].size);
	usage_tell(c, m);
	return EXIT_USAGE;
}

// Which command it is. returns 0 or EXIT_USAGE with the reason printed
static int understand(struct cli *c, struct command *cmd, unsigned modes)
{
	struct match m = { 0 };
	uint32_t v = 0;
	int rc = 0;

	if (!words_split(cmd->line, cmd->part.begin, cmd->part.pipe, false, &cmd->words)) {
		words_free(&cmd->words);
		return cli_problem(c, EXIT_USAGE, "the quotes are not closed");
	}
	if (cmd->words.n == 0)
		return cli_problem(c, EXIT_USAGE, "a command is missing before |");
	match_words(&m, modes, &cmd->words, cmd->words.n);
	cmd->verb = match_end(&m, &v);
	if (cmd->verb == NULL) {
		rc = not_understood(c, cmd, &m);
	} else {
		cmd->pattern = m.pattern[v];
		cmd->label = need(calloc(cmd->words.n + 1, 1));
		match_labels(&m, v, cmd->pattern.last, cmd->label);
	}
	match_free(&m);
	if (rc != 0)
		words_free(&cmd->words);
	return rc;
}

static void command_free(struct command *cmd)
{
	words_free(&cmd->words);
	free(cmd->label);
	cmd->label = NULL;
}

static int run_part(struct cli *c, const char *line, const struct part *part)
{
	struct command cmd = { .line = line, .part = *part };
	int rc = understand(c, &cmd, modes_of(c)), closed;

	if (rc == 0 && (cmd.verb->flags & V_PREFIX) != 0) {
		cmd.part.begin = cmd.words.word[1].at;
		command_free(&cmd);
		rc = understand(c, &cmd, OPERATIONAL);
		if (rc == 0 && cmd.verb->run == run_configure) {
			command_free(&cmd);
			return cli_problem(c, EXIT_USAGE, "run configure: this is configure mode");
		}
	}
	if (rc != 0)
		return rc;
	rc = sink_open(c, &cmd);
	if (rc == 0) {
		rc = cmd.verb->run(c, &cmd);
		closed = sink_close(c);
		rc = rc == 0 ? closed : rc;
	}
	command_free(&cmd);
	return rc;
}

int run_line(struct cli *c, const char *line)
{
	struct part part;
	uint32_t at = 0;
	int rc = 0;

	if (strlen(line) > LINE_BYTES)
		return cli_problem(c, EXIT_USAGE, "the line is longer than 64 KiB");
	c->line = line;
	while (rc == 0 && !c->done && part_next(line, at, &part)) {
		c->has_caret = false;
		rc = run_part(c, line, &part);
		at = part.end + (line[part.end] == ';');
	}
	c->line = NULL;
	return rc;
}

int run_stream(struct cli *c, const char *name, FILE *in)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = 0;

	c->source = name;
	c->source_line = 0;
	while (rc == 0 && !c->done && (n = getline(&line, &cap, in)) >= 0) {
		c->source_line++;
		if (strlen(line) != (size_t)n)
			rc = cli_problem(c, EXIT_USAGE, "a NUL byte is no text");
		line[strcspn(line, "\r\n")] = '\0';
		if (rc == 0)
			rc = run_line(c, line);
	}
	if (rc == 0 && ferror(in))
		rc = cli_problem(c, EXIT_FAILED, "%s", strerror(errno));
	free(line);
	c->source = NULL;
	return rc;
}

int run_text(struct cli *c, const char *name, const char *text)
{
	FILE *in =
		text[0] == '\0' ? NULL : need(fmemopen((void *)(uintptr_t)text, strlen(text), "r"));
	int rc = in == NULL ? 0 : run_stream(c, name, in);

	if (in != NULL)
		fclose(in);
	return rc;
}

// --- Commands of the client itself

uint32_t print_commands(FILE *f, unsigned modes, const char *begin)
{
	size_t size = strlen(begin);
	uint32_t n = 0;

	for (size_t i = 0; i < n_verbs; i++) {
		if ((verbs[i].modes & modes) == 0 || strncmp(verbs[i].pattern, begin, size) != 0)
			continue;
		if (strlen(verbs[i].pattern) > 38)
			fprintf(f, "  %s\n  %-38s %s\n", verbs[i].pattern, "", verbs[i].help);
		else
			fprintf(f, "  %-38s %s\n", verbs[i].pattern, verbs[i].help);
		n++;
	}
	return n;
}

// Of many commands of one kind a line each; of one how it is typed.
static uint32_t print_kind(FILE *f, const char *begin)
{
	uint32_t n = 0;

	if (strchr(begin, ' ') != NULL)
		return print_commands(f, OPERATIONAL, begin);
	for (size_t i = 0; i < n_verbs; i++) {
		size_t size = strlen(begin);

		if (strncmp(verbs[i].pattern, begin, size) != 0 || verbs[i].pattern[size] != ' ')
			continue;
		print_name(f, &verbs[i]);
		n++;
	}
	return n;
}

int run_help(struct cli *c, const struct command *cmd)
{
	const char *kind = cmd->verb->param;
	char *words = command_join(cmd, "COMMAND");
	struct text begin = { 0 };
	uint32_t n;
	int rc = 0;

	text_printf(&begin, "%s%s%s", kind == NULL ? "" : kind,
		    kind != NULL && words[0] != '\0' ? " " : "", words);
	n = kind == NULL ? print_commands(c->out, modes_of(c), begin.buf)
			 : print_kind(c->out, begin.buf);
	if (n == 0)
		rc = cli_problem(c, EXIT_USAGE, "%s%shelp %s: there is no such command here",
				 kind == NULL ? "" : kind, kind == NULL ? "" : " ", words);
	if (n > 0 && begin.size == 0)
		fputs("behind a command and |:\n", c->out);
	if (n > 0 && begin.size == 0)
		print_commands(c->out, PIPE, "");
	free(begin.buf);
	free(words);
	return rc;
}

int run_quit(struct cli *c, const struct command *cmd)
{
	(void)cmd;
	if (c->configuring)
		return configure_leave(c);
	c->done = true;
	return 0;
}

int run_exit(struct cli *c, const struct command *cmd)
{
	if (!c->configuring || c->n_contexts == 0)
		return run_quit(c, cmd);
	free(c->at);
	c->at = c->contexts[--c->n_contexts];
	return 0;
}
