// Configure mode: the candidate of the daemon, edited line by line.
#include <stdlib.h>
#include <string.h>

#include "weir_priv.h"

static json_t *status(struct cli *c)
{
	return cli_ask(c, "weir-configuration:status", NULL);
}

static uint32_t number(const json_t *data, const char *name)
{
	return (uint32_t)json_integer_value(answer_get(data, name));
}

int candidate_differs(struct cli *c)
{
	json_t *data = cli_ask(c, "weir-configuration:compare", NULL);
	int rc = data == NULL ? -1 : answer_text(data, "text")[0] != '\0';

	json_decref(data);
	return rc;
}

static void duration(char *to, size_t size, uint32_t seconds)
{
	snprintf(to, size, "%u:%02u", seconds / 60, seconds % 60);
}

// What a person should know before changing anything.
static void warn(struct cli *c, const json_t *data)
{
	uint32_t by = number(data, "candidate-changed-by"),
		 held = number(data, "candidate-locked-by");
	uint32_t left = number(data, "confirm-seconds");
	char time[16];

	if (by != 0 && by != c->session && candidate_differs(c) == 1)
		cli_note(c,
			 "warning: the candidate has uncommitted changes of session %u "
			 "(compare shows them, discard forgets them)",
			 by);
	if (held != 0 && held != c->session)
		cli_note(c, "warning: session %u has locked the candidate", held);
	if (answer_get(data, "confirm-seconds") == NULL)
		return;
	duration(time, sizeof(time), left);
	cli_note(c,
		 "warning: a confirmed commit rolls back in %s (confirm keeps it, cancel rolls "
		 "back now)",
		 time);
}

int configure_enter(struct cli *c)
{
	json_t *data;
	int rc;

	data = cli_call(c, "weir-configuration:status", NULL, &rc);
	if (data == NULL)
		return rc;
	c->session = number(data, "session-id");
	c->configuring = true;
	free(c->at);
	c->at = need(strdup(""));
	warn(c, data);
	json_decref(data);
	return 0;
}

int run_configure(struct cli *c, const struct command *cmd)
{
	(void)cmd;
	return configure_enter(c);
}

void configure_forget(struct cli *c)
{
	free(c->at);
	c->at = NULL;
	while (c->n_contexts > 0)
		free(c->contexts[--c->n_contexts]);
	c->configuring = false;
}

int configure_leave(struct cli *c)
{
	char answer;

	if (candidate_differs(c) == 1) {
		if (c->terminal) {
			answer = cli_ask_user(c, "The candidate has uncommitted changes. "
						 "Leave them there? [yes/no/discard] ");
			if (answer == 'd' && cli_do(c, "ietf-netconf:discard-changes", NULL) != 0)
				return EXIT_REFUSED;
			if (answer != 'y' && answer != 'd')
				return 0;
		} else {
			cli_note(c, "warning: the candidate has uncommitted changes");
		}
	}
	configure_forget(c);
	return 0;
}

// Is this still the session that the user works in? Otherwise say so, once.
static json_t *prompt_status(struct cli *c)
{
	json_t *data = status(c);
	uint32_t id;

	if (data == NULL && c->conn.fd < 0) {
		if (!c->told_lost)
			cli_note(c, "the connection to the switch was lost; the next command tries "
				    "again");
		c->told_lost = true;
		return NULL;
	}
	if (data == NULL)
		return NULL;
	c->told_lost = false;
	id = number(data, "session-id");
	if (c->session != 0 && id != c->session)
		cli_note(
			c,
			"this is a new session: locks, and changes that were not committed, may be "
			"gone");
	c->session = id;
	return data;
}

char *configure_prompt(struct cli *c)
{
	struct text t = { 0 };
	char time[16];
	json_t *data = NULL;

	if (!c->configuring) {
		text_put(&t, "weir> ");
		return text_take(&t);
	}
	data = prompt_status(c);
	text_put(&t, "[edit");
	if (c->at[0] != '\0') {
		text_put(&t, " ");
		text_put_clean(&t, c->at, strlen(c->at));
	}
	text_put(&t, "] ");
	if (answer_get(data, "confirm-seconds") != NULL) {
		duration(time, sizeof(time), number(data, "confirm-seconds"));
		text_printf(&t, "(rolls back in %s) ", time);
	}
	text_put(&t, "weir# ");
	json_decref(data);
	return text_take(&t);
}

// --- Lines that the daemon understands

// "set PATH": the daemon's positions count from the verb, which may be typed short.
static json_t *edit_line(struct cli *c, const char *verb, const char *rest, int *rc)
{
	struct text line = { 0 };
	json_t *args, *data;

	text_printf(&line, "%s%s%s", verb, rest[0] == '\0' ? "" : " ", rest);
	args = json_pack("{s:s, s:s}", "line", line.buf, "at", c->at);
	free(line.buf);
	if (args == NULL) {
		*rc = cli_problem(c, EXIT_USAGE, "the line is no UTF-8");
		return NULL;
	}
	data = cli_call(c, "weir-configuration:edit-line", args, rc);
	return data;
}

static void caret_from(struct cli *c, uint32_t typed, size_t verb)
{
	c->has_caret = true;
	c->caret = typed - (uint32_t)(verb + 1); // modulo 2^32: the sum is in the line again
}

int run_edit_line(struct cli *c, const struct command *cmd)
{
	uint32_t at = 0;
	char *rest = command_rest(cmd, "PATH", &at), *verb = command_name(cmd);
	int rc;

	caret_from(c, at, strlen(verb));
	json_decref(edit_line(c, verb, rest, &rc));
	free(rest);
	free(verb);
	return rc;
}

static void context_push(struct cli *c)
{
	if (c->n_contexts == CONTEXTS) {
		free(c->contexts[0]);
		memmove(c->contexts, c->contexts + 1, (CONTEXTS - 1) * sizeof(c->contexts[0]));
		c->n_contexts--;
	}
	c->contexts[c->n_contexts++] = need(strdup(c->at));
}

int run_context(struct cli *c, const struct command *cmd)
{
	const char *verb = cmd->verb->param, *levels = command_arg(cmd, "NUMBER");
	bool edit = strcmp(verb, "edit") == 0;
	uint32_t at = 0;
	char *rest = edit ? command_rest(cmd, "PATH", &at) : need(strdup(levels ? levels : ""));
	json_t *data;
	int rc;

	if (edit)
		caret_from(c, at, strlen(verb));
	data = edit_line(c, verb, rest, &rc);
	free(rest);
	if (data == NULL)
		return rc;
	if (edit)
		context_push(c);
	free(c->at);
	c->at = need(strdup(answer_text(data, "at")));
	if (c->at[0] == '\0') { // at the top, exit leaves
		while (c->n_contexts > 0)
			free(c->contexts[--c->n_contexts]);
	}
	json_decref(data);
	return 0;
}

// --- Showing

static int compare(struct cli *c, const char *with, const char *line)
{
	json_t *data = json_pack("{s:s, s:s, s:s}", "from", with, "at", c->at, "line", line);
	int rc;

	if (data == NULL)
		return cli_problem(c, EXIT_USAGE, "the line is no UTF-8");
	data = cli_call(c, "weir-configuration:compare", data, &rc);
	if (data == NULL)
		return rc;
	if (c->format == FORMAT_JSON)
		cli_dump(c, data);
	else
		fputs(answer_text(data, "text"), c->out);
	json_decref(data);
	return 0;
}

static void source_name(char *to, size_t size, const char *n)
{
	unsigned long number_ul = n == NULL ? 0 : strtoul(n, NULL, 10);

	if (number_ul == 0)
		snprintf(to, size, "running");
	else
		snprintf(to, size, "rollback %lu", number_ul > 99 ? 99 : number_ul);
}

int run_compare(struct cli *c, const struct command *cmd)
{
	char with[32];
	uint32_t at = 0;
	char *rest = command_rest(cmd, "PATH", &at);
	int rc;

	source_name(with, sizeof(with), command_arg(cmd, "NUMBER"));
	c->has_caret = rest[0] != '\0';
	c->caret = at;
	rc = compare(c, with, rest);
	free(rest);
	return rc;
}

static int show_source(struct cli *c, const char *source, const char *line)
{
	static const char *const formats[] = { "text", "json", "xml", "set" };
	json_t *data = json_pack("{s:s, s:s, s:s, s:s}", "source", source, "at",
				 c->at == NULL || strcmp(source, "running") == 0 ? "" : c->at,
				 "line", line, "format", formats[c->format]);
	int rc;

	if (data == NULL)
		return cli_problem(c, EXIT_USAGE, "the line is no UTF-8");
	data = cli_call(c, "weir-configuration:show-configuration", data, &rc);
	if (data == NULL)
		return rc;
	fputs(answer_text(data, "text"), c->out);
	json_decref(data);
	return 0;
}

// "show ports" in configure mode reads a path of the candidate. Whoever meant the command is told.
static void mean_operational(struct cli *c, const struct command *cmd)
{
	struct match m;
	uint32_t v = 0;

	match_words(&m, OPERATIONAL, &cmd->words, cmd->words.n);
	if (match_end(&m, &v) != NULL)
		cli_problem(c, 0, "did you mean: run %.*s",
			    (int)(cmd->words.word[cmd->words.n - 1].at +
				  cmd->words.word[cmd->words.n - 1].size - cmd->part.begin -
				  strspn(cmd->line + cmd->part.begin, " ")),
			    cmd->line + cmd->part.begin + strspn(cmd->line + cmd->part.begin, " "));
	match_free(&m);
}

int run_show_configuration(struct cli *c, const struct command *cmd)
{
	uint32_t at = 0;
	char *rest = command_rest(cmd, "PATH", &at), with[32], n[16];
	int rc;

	c->has_caret = rest[0] != '\0';
	c->caret = at;
	if (c->compare) {
		snprintf(n, sizeof(n), "%u", c->compare_with);
		source_name(with, sizeof(with), n);
		rc = compare(c, with, rest);
	} else {
		rc = show_source(c, cmd->verb->param, rest);
	}
	if (rc == EXIT_REFUSED && c->configuring && rest[0] != '\0')
		mean_operational(c, cmd);
	free(rest);
	return rc;
}

int run_plan(struct cli *c, const struct command *cmd)
{
	const char *text;
	json_t *data;
	int rc;

	(void)cmd;
	data = cli_call(c, "weir-configuration:plan", NULL, &rc);
	if (data == NULL)
		return rc;
	text = answer_text(data, "text");
	if (c->format == FORMAT_JSON)
		cli_dump(c, data);
	else
		fputs(text[0] == '\0' ? "a commit would do nothing\n" : text, c->out);
	json_decref(data);
	return 0;
}

int run_validate(struct cli *c, const struct command *cmd)
{
	int rc =
		cli_do(c, "ietf-netconf:validate", json_pack("{s:{s:[n]}}", "source", "candidate"));

	(void)cmd;
	if (rc == 0)
		fputs("the candidate is valid\n", c->out);
	return rc;
}

int run_history(struct cli *c, const struct command *cmd)
{
	const char *n = command_arg(cmd, "NUMBER");
	json_t *data, *args = json_object();
	int rc;

	if (n != NULL)
		json_object_set_new(args, "number", json_integer(strtol(n, NULL, 10)));
	data = cli_call(c, "weir-configuration:history", args, &rc);
	if (data == NULL)
		return rc;
	if (c->format == FORMAT_JSON)
		cli_dump(c, data);
	else
		show_history(c->out, answer_get(data, "commit"));
	if (n != NULL && c->format != FORMAT_JSON)
		fprintf(c->out, "\n%s",
			answer_text(json_array_get(answer_get(data, "commit"), 0), "difference"));
	json_decref(data);
	return 0;
}

int run_status(struct cli *c, const struct command *cmd)
{
	static const struct {
		const char *name, *text;
	} lines[] = {
		{ "session-id", "this session" },
		{ "candidate-changed-by", "candidate changed by session" },
		{ "candidate-locked-by", "candidate locked by session" },
		{ "running-locked-by", "running locked by session" },
		{ "confirm-seconds", "seconds until a confirmed commit rolls back" },
		{ "confirm-persist-id", "it is confirmed by persist-id" },
	};
	json_t *data, *v;
	int rc;

	(void)cmd;
	data = cli_call(c, "weir-configuration:status", NULL, &rc);
	if (data == NULL)
		return rc;
	for (size_t i = 0; c->format != FORMAT_JSON && i < sizeof(lines) / sizeof(lines[0]); i++) {
		v = answer_get(data, lines[i].name);
		if (json_is_string(v))
			fprintf(c->out, "%-45s %s\n", lines[i].text, json_string_value(v));
		else if (v != NULL)
			fprintf(c->out, "%-45s %lld\n", lines[i].text,
				(long long)json_integer_value(v));
	}
	if (c->format == FORMAT_JSON)
		cli_dump(c, data);
	json_decref(data);
	return 0;
}
