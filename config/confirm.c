// Commit, and the confirmed commit that rolls itself back (RFC 6241 section 8.4).
//
// One waits at a time. The configuration to go back to is the one before the first of them; further
// confirmed commits extend the time and change who may confirm, never the way back. A commit that
// fails arms nothing.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netconf_priv.h"

enum { RETRY_MS = 10000 }; // after a roll back that the switch refused

static void settle(struct cfg_store *s)
{
	s->waiting = false;
	s->wait_session = 0;
	s->persist_id[0] = '\0';
	lyd_free_all(s->backup);
	s->backup = NULL;
}

static int roll_back(struct cfg_store *s, const struct cfg_session *who, const char *why,
		     struct cfg_nc_error *e)
{
	const struct cfg_commit c = {
		.user = who == NULL ? "weir" : who->user,
		.client = "rollback",
		.comment = why,
		.session = who == NULL ? 0 : who->id,
	};

	if (cfg_store_commit(s, s->backup, &c, e) < 0)
		return -EINVAL;
	settle(s);
	return 0;
}

// Nobody asked for it, so nobody asks again: it is tried until it works.
static void roll_back_late(struct cfg_store *s, const char *why, const char *event)
{
	struct cfg_nc_error e;

	if (roll_back(s, NULL, why, &e) == 0)
		cfg_notify_confirm(s, event, NULL);
	else
		s->deadline_ms = s->host.now_ms(s->host.arg) + RETRY_MS;
}

void cfg_store_tick(struct cfg_store *s)
{
	uint64_t now_ms = s->host.now_ms(s->host.arg);

	if (!s->waiting)
		return;
	// The clock was set back: nobody waits longer than was agreed on.
	if (s->deadline_ms > now_ms + s->timeout_ms)
		s->deadline_ms = now_ms + s->timeout_ms;
	if (now_ms < s->deadline_ms)
		return;
	roll_back_late(s, "a confirmed commit was not confirmed in time", "timeout");
}

void cfg_confirm_session_gone(struct cfg_store *s, uint32_t id)
{
	if (!s->waiting || s->wait_session != id)
		return;
	s->wait_session = 0;
	if (s->persist_id[0] == '\0')
		roll_back_late(s, "the session of a confirmed commit ended", "cancel");
}

int cfg_store_resume(struct cfg_store *s, const char *backup_json, const struct cfg_wait *wait,
		     struct cfg_error *err)
{
	struct lyd_node *backup;

	if (cfg_tree_parse(s, backup_json, LYD_JSON, &backup, err) < 0)
		return -EINVAL;
	settle(s);
	s->waiting = true;
	s->backup = backup;
	s->deadline_ms = wait->deadline_ms;
	s->timeout_ms = wait->timeout_ms;
	snprintf(s->persist_id, sizeof(s->persist_id), "%s", wait->persist_id);
	return 0;
}

// May this session say something about the commit that waits?
static int may_confirm(struct cfg_call *c)
{
	const char *id = cfg_value(c->op, "persist-id");
	const struct cfg_store *s = c->store;

	// An empty one names nothing, and is not what a commit without persist has.
	if (id != NULL && (!s->waiting || id[0] == '\0' || strcmp(id, s->persist_id) != 0)) {
		cfg_nc_refuse(&c->e, "invalid-value", "persist-id: %s",
			      s->waiting ? "is not that of the commit that waits"
					 : "no confirmed commit waits");
		snprintf(c->e.value, sizeof(c->e.value), "%.100s", id);
		return -EINVAL;
	}
	if (!s->waiting || id != NULL || (s->wait_session == c->s->id && s->persist_id[0] == '\0'))
		return 0;
	if (s->persist_id[0] != '\0')
		return cfg_nc_refuse(&c->e, "in-use",
				     "a confirmed commit waits: its persist-id is needed");
	return cfg_nc_refuse(&c->e, "in-use", "a confirmed commit of session %u waits",
			     s->wait_session);
}

// The commit is made: this is what waits now.
static void arm(struct cfg_call *c, const struct cfg_wait *wait, struct lyd_node *backup)
{
	struct cfg_store *s = c->store;
	bool again = s->waiting;

	if (again)
		lyd_free_all(backup); // the first one stays
	else
		s->backup = backup;
	s->waiting = true;
	s->deadline_ms = wait->deadline_ms;
	s->timeout_ms = wait->timeout_ms;
	s->wait_session = c->s->id;
	snprintf(s->persist_id, sizeof(s->persist_id), "%s", wait->persist_id);
	cfg_notify_confirm(s, again ? "extend" : "start", c->s);
}

// Hosts go back, after a restart, to the commit before. That is what runs, save where what the next
// start loads was written by itself (delete-config, copy-config).
static int keep_way_back(struct cfg_call *c)
{
	const struct cfg_store *s = c->store;
	const struct cfg_commit commit = {
		.json = s->running_json,
		.size = s->running_json == NULL ? 0 : strlen(s->running_json),
		.user = c->s->user,
		.client = "startup",
		.comment = "what runs, before a confirmed commit",
	};
	struct cfg_commit_head head;
	struct cfg_error err = { 0 };
	char *kept = NULL;
	int rc = 0;

	if (s->waiting || s->running_json == NULL ||
	    s->host.history(s->host.arg, 0, &head, &kept, &err) < 0)
		return 0;
	if (strcmp(kept, s->running_json) != 0)
		rc = s->host.save(s->host.arg, &commit, &err);
	free(kept);
	return rc < 0 ? cfg_nc_refuse_cfg(&c->e, &err) : 0;
}

static int commit_confirmed(struct cfg_call *c, struct cfg_commit *who)
{
	const char *persist = cfg_value(c->op, "persist");
	uint64_t timeout_ms = (uint64_t)cfg_number(c->op, "confirm-timeout", 600) * 1000;
	struct cfg_wait wait = {
		.timeout_ms = timeout_ms,
		.deadline_ms = c->store->host.now_ms(c->store->host.arg) + timeout_ms,
		.persist_id = persist == NULL ? "" : persist,
		.session = c->s->id,
	};
	struct lyd_node *backup = NULL;

	if (persist != NULL && persist[0] == '\0')
		return cfg_nc_refuse(&c->e, "invalid-value", "persist: is empty");
	if (strlen(wait.persist_id) >= sizeof(c->store->persist_id))
		return cfg_nc_refuse(&c->e, "invalid-value", "persist: longer than %zu bytes",
				     sizeof(c->store->persist_id) - 1);
	if (keep_way_back(c) < 0)
		return -EINVAL;
	if (cfg_tree_copy(c->store->running, &backup) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	who->wait = &wait;
	if (cfg_store_commit(c->store, c->store->candidate, who, &c->e) < 0) {
		lyd_free_all(backup);
		return cfg_call_hide(c, c->store->candidate);
	}
	arm(c, &wait, backup);
	return 0;
}

int cfg_rpc_commit(struct cfg_call *c)
{
	const char *comment = cfg_value(c->op, "comment");
	struct cfg_commit who = {
		.user = c->s->user,
		.client = c->s->client,
		.comment = comment == NULL ? "" : comment,
		.session = c->s->id,
	};
	const size_t comment_max = sizeof(((struct cfg_commit_head *)0)->comment) - 1;
	bool waited = c->store->waiting;

	// The module counts characters; what is kept is bytes, and half a character is none.
	if (strlen(who.comment) > comment_max)
		return cfg_nc_refuse(&c->e, "invalid-value", "comment: longer than %zu bytes",
				     comment_max);
	if (cfg_call_may_write(c, CFG_RUNNING) < 0 || cfg_call_may_write(c, CFG_CANDIDATE) < 0 ||
	    may_confirm(c) < 0 ||
	    // RFC 8341 section 3.2.8: what differs is written by who commits.
	    cfg_call_check_write(c, c->store->running, c->store->candidate) < 0)
		return -EINVAL;
	if (cfg_child(c->op, "confirmed") != NULL)
		return commit_confirmed(c, &who);
	if (cfg_child(c->op, "persist") != NULL)
		return cfg_nc_refuse(&c->e, "invalid-value", "persist: only with confirmed");
	if (cfg_store_commit(c->store, c->store->candidate, &who, &c->e) < 0)
		return cfg_call_hide(c, c->store->candidate);
	settle(c->store);
	if (waited)
		cfg_notify_confirm(c->store, "complete", c->s);
	return 0;
}

int cfg_rpc_cancel_commit(struct cfg_call *c)
{
	if (!c->store->waiting)
		return cfg_nc_refuse(&c->e, "operation-failed", "no confirmed commit waits");
	if (cfg_call_may_write(c, CFG_RUNNING) < 0 || may_confirm(c) < 0 ||
	    roll_back(c->store, c->s, "a confirmed commit was cancelled", &c->e) < 0)
		return -EINVAL;
	cfg_notify_confirm(c->store, "cancel", c->s);
	return 0;
}
