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

int run_help(struct cli *c, const struct command *cmd)
{
	char *begin = command_join(cmd, "COMMAND");
	uint32_t n = print_commands(c->out, modes_of(c), begin);
	int rc = 0;

	if (n == 0)
		rc = cli_problem(c, EXIT_USAGE, "help %s: there is no such command here", begin);
	if (n > 0 && begin[0] == '\0')
		fputs("behind a command and |:\n", c->out);
	if (n > 0 && begin[0] == '\0')
		print_commands(c->out, PIPE, "");
	free(begin);
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
