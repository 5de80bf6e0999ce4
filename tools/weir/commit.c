// Bringing the candidate into force, and going back.
#include <stdlib.h>
#include <string.h>

#include "weir_priv.h"

// A confirmed commit of ours is bound to this and not to the session: who cuts off his own
// terminal can confirm from another, or waits until it rolls back.
static const char persist[] = "weir-cli";
enum { COMMITS_KEPT = 50 }; // as weir-configuration.yang has it
enum { CONFIRM_S = 600, CONFIRM_MAX_S = 65535 * 60 };

struct waiting {
	bool is;
	bool by_session; // only that session can confirm
	char *id;
};

// What waits for its confirmation. returns an exit code; free w->id
static int waiting_read(struct cli *c, struct waiting *w)
{
	json_t *data;
	int rc;

	*w = (struct waiting){ 0 };
	data = cli_call(c, "weir-configuration:status", NULL, &rc);
	if (data == NULL)
		return rc;
	w->is = answer_get(data, "confirm-seconds") != NULL;
	w->by_session = answer_get(data, "confirm-persist-id") == NULL;
	w->id = need(strdup(answer_text(data, "confirm-persist-id")));
	json_decref(data);
	return 0;
}

// "5" is minutes, "90s" seconds. returns 0 when it is out of range
static uint32_t confirm_seconds(const char *typed)
{
	unsigned long n = typed == NULL ? CONFIRM_S : strtoul(typed, NULL, 10);

	if (typed != NULL && strchr(typed, 's') == NULL)
		n = n > CONFIRM_MAX_S ? 0 : n * 60;
	return n > CONFIRM_MAX_S ? 0 : (uint32_t)n;
}

static int confirmed_args(struct cli *c, const char *typed, json_t *args)
{
	uint32_t n = confirm_seconds(typed);

	if (n == 0)
		return cli_problem(c, EXIT_USAGE,
				   "confirmed %s: 1..65535 minutes, or seconds as 90s", typed);
	json_object_set_new(args, "confirmed", json_pack("[n]"));
	json_object_set_new(args, "confirm-timeout", json_integer(n));
	json_object_set_new(args, "persist", json_string(persist));
	return 0;
}

static int commit_args(struct cli *c, const struct command *cmd, json_t *args)
{
	char *comment = command_join(cmd, "TEXT");
	struct waiting w;
	int rc = 0;

	if (comment[0] != '\0' &&
	    json_object_set_new(args, "weir-configuration:comment", json_string(comment)) < 0)
		rc = cli_problem(c, EXIT_USAGE, "comment: is no UTF-8");
	free(comment);
	if (rc == 0 && command_has(cmd, "confirmed"))
		rc = confirmed_args(c, command_arg(cmd, "MINUTES"), args);
	if (rc == 0)
		rc = waiting_read(c, &w);
	if (rc != 0)
		return rc;
	// A commit confirms what this command began, whoever typed it. What another client waits
	// for is not confirmed by the way.
	if (w.is && strcmp(w.id, persist) == 0)
		json_object_set_new(args, "persist-id", json_string(persist));
	else if (w.is && !w.by_session)
		rc = cli_problem(c, EXIT_REFUSED,
				 "refused: a confirmed commit of another client waits (persist-id "
				 "%s): confirm or cancel it first",
				 w.id);
	free(w.id);
	return rc;
}

int run_commit(struct cli *c, const struct command *cmd)
{
	json_t *args = need(json_object());
	bool confirmed = command_has(cmd, "confirmed");
	uint32_t seconds = confirm_seconds(command_arg(cmd, "MINUTES"));
	int rc = commit_args(c, cmd, args);

	if (rc != 0) {
		json_decref(args);
		return rc;
	}
	rc = cli_do(c, "ietf-netconf:commit", args);
	if (rc != 0)
		return rc;
	if (confirmed)
		fprintf(c->out,
			"committed; rolls back in %u:%02u unless confirmed (commit or confirm)\n",
			seconds / 60, seconds % 60);
	else
		fputs("committed\n", c->out);
	if (command_has(cmd, "and-quit"))
		configure_forget(c);
	return 0;
}

// A confirming commit would take with it what else has been changed since.
int run_confirm(struct cli *c, const struct command *cmd)
{
	struct waiting w;
	json_t *args;
	int rc = waiting_read(c, &w), differs;

	(void)cmd;
	if (rc != 0)
		return rc;
	differs = w.is ? candidate_differs(c) : 0;
	if (!w.is)
		rc = cli_problem(c, EXIT_REFUSED, "refused: no confirmed commit waits");
	else if (differs < 0)
		rc = cli_problem(c, EXIT_REFUSED, "refused: the candidate cannot be compared");
	else if (differs > 0)
		rc = cli_problem(c, EXIT_REFUSED,
				 "refused: the candidate has other changes: commit takes them too, "
				 "discard forgets them");
	if (rc == 0) {
		args = need(json_object());
		if (!w.by_session)
			json_object_set_new(args, "persist-id", json_string(w.id));
		rc = cli_do(c, "ietf-netconf:commit", args);
	}
	if (rc == 0)
		fputs("confirmed\n", c->out);
	free(w.id);
	return rc;
}

int run_cancel(struct cli *c, const struct command *cmd)
{
	struct waiting w;
	json_t *args;
	int rc = waiting_read(c, &w);

	(void)cmd;
	if (rc != 0)
		return rc;
	args = need(json_object());
	if (w.is && !w.by_session)
		json_object_set_new(args, "persist-id", json_string(w.id));
	free(w.id);
	rc = cli_do(c, "ietf-netconf:cancel-commit", args);
	if (rc == 0)
		fputs("rolled back\n", c->out);
	return rc;
}

int run_rollback(struct cli *c, const struct command *cmd)
{
	const char *n = command_arg(cmd, "NUMBER");
	long number = n == NULL ? 0 : strtol(n, NULL, 10);
	int rc;

	if (number > COMMITS_KEPT)
		return cli_problem(c, EXIT_REFUSED, "refused: commit %s: at most %d are kept", n,
				   COMMITS_KEPT);
	rc = cli_do(c, "weir-configuration:rollback", json_pack("{s:i}", "number", (int)number));
	if (rc == 0)
		fputs(number == 0 ? "the candidate is what runs\n"
				  : "loaded into the candidate; commit brings it into force\n",
		      c->out);
	return rc;
}

int run_discard(struct cli *c, const struct command *cmd)
{
	int rc = cli_do(c, "ietf-netconf:discard-changes", NULL);

	(void)cmd;
	if (rc == 0)
		fputs("changes discarded\n", c->out);
	return rc;
}

int run_lock(struct cli *c, const struct command *cmd)
{
	bool lock = strcmp(cmd->verb->param, "lock") == 0;
	int rc = cli_do(c, lock ? "ietf-netconf:lock" : "ietf-netconf:unlock",
			json_pack("{s:{s:[n]}}", "target", "candidate"));

	if (rc == 0)
		fputs(lock ? "the candidate is locked\n" : "the lock is released\n", c->out);
	return rc;
}
