// Notifications (RFC 5277): every subscriber hears what happens from its subscription on, through
// its filter and what access control leaves. Nothing is replayed.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter_priv.h"
#include "netconf_priv.h"

#define NS_NOTIFICATION "urn:ietf:params:xml:ns:netconf:notification:1.0"

enum {
	EDITS_MAX = 100,	// of one change that are named one by one
	BACKLOG_MAX = 16 << 20, // bytes that a subscriber may leave unread
};

// A filter that cannot be evaluated would be silence for ever.
static int check_filter(struct cfg_call *c, const struct lyd_node *filter)
{
	struct lyd_node *sample = NULL, *out = NULL;
	int rc;

	if (lyd_new_path(NULL, c->store->schema->ctx,
			 "/ietf-netconf-notifications:netconf-session-end", NULL, 0,
			 &sample) != LY_SUCCESS)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	rc = cfg_filter(sample, filter, &out, &c->e);
	lyd_free_all(out);
	lyd_free_all(sample);
	return rc == -ENOMEM ? cfg_nc_refuse(&c->e, "operation-failed", "out of memory") : rc;
}

int cfg_rpc_create_subscription(struct cfg_call *c)
{
	const struct lyd_node *filter = cfg_child(c->op, "filter");
	const char *stream = cfg_value(c->op, "stream");

	if (!c->s->netconf)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "create-subscription: NETCONF sessions only");
	if (stream != NULL && strcmp(stream, "NETCONF") != 0)
		return cfg_nc_refuse(&c->e, "invalid-value", "stream %s: NETCONF is there", stream);
	if (cfg_child(c->op, "startTime") != NULL || cfg_child(c->op, "stopTime") != NULL)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "startTime: nothing is replayed");
	if (c->s->subscribed)
		return cfg_nc_refuse(&c->e, "operation-failed", "this session has a subscription");
	if (filter != NULL && check_filter(c, filter) < 0)
		return -EINVAL;
	if (filter != NULL &&
	    lyd_dup_single(filter, NULL, LYD_DUP_RECURSIVE, &c->s->filter) != LY_SUCCESS)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	c->s->subscribed = true;
	return 0;
}

static bool wanted(const struct cfg_session *s, const struct lyd_node *n)
{
	struct cfg_nc_error e;
	struct lyd_node *out = NULL;
	bool is;

	if (!s->subscribed || s->ended || !cfg_session_may_hear(s, n))
		return false;
	is = s->filter == NULL || (cfg_filter(n, s->filter, &out, &e) == 0 && out != NULL);
	lyd_free_all(out);
	return is;
}

static void deliver(struct cfg_session *s, const char *text, size_t size)
{
	if (s->out_size - s->out_at > BACKLOG_MAX) {
		s->ended = true; // it does not read; what it missed it could not know
		s->store->count.dropped++;
		return;
	}
	cfg_session_send(s, text, size);
	s->out_notifications++;
	s->store->count.out_notifications++;
}

// returns the message (free()), or NULL
static char *message(const struct cfg_store *s, const struct lyd_node *n)
{
	char time[32], *body = NULL, *text = NULL;

	cfg_time_text(s->host.now_ms(s->host.arg), time);
	if (lyd_print_mem(&body, n, LYD_XML, LYD_PRINT_SHRINK) == LY_SUCCESS &&
	    asprintf(&text,
		     "<?xml version=\"1.0\" encoding=\"UTF-8\"?><notification "
		     "xmlns=\"" NS_NOTIFICATION "\"><eventTime>%s</eventTime>%s</notification>",
		     time, body) < 0)
		text = NULL;
	free(body);
	return text;
}

void cfg_notify(struct cfg_store *s, struct lyd_node *n)
{
	char *text = NULL;

	for (struct cfg_session *x = s->sessions; x != NULL; x = x->next) {
		if (!wanted(x, n))
			continue;
		if (text == NULL)
			text = message(s, n);
		if (text == NULL)
			break;
		deliver(x, text, strlen(text));
	}
	free(text);
	lyd_free_all(n);
}

bool cfg_store_heard(const struct cfg_store *s)
{
	for (const struct cfg_session *x = s->sessions; x != NULL; x = x->next)
		if (x->subscribed)
			return true;
	return false;
}

int cfg_store_event(struct cfg_store *s, const char *json)
{
	struct lyd_node *tree = NULL, *op = NULL;
	struct ly_in *in = NULL;
	int rc = 0;

	if (!cfg_store_heard(s))
		return 0;
	if (ly_in_new_memory(json, &in) != LY_SUCCESS)
		return -ENOMEM;
	if (lyd_parse_op(s->schema->ctx, NULL, in, LYD_JSON, LYD_TYPE_NOTIF_YANG, &tree, &op) !=
		    LY_SUCCESS ||
	    tree == NULL) {
		lyd_free_all(tree);
		rc = -EINVAL;
	} else {
		cfg_notify(s, tree);
	}
	ly_in_free(in, 0);
	return rc;
}

// One notification of ietf-netconf-notifications (RFC 6470).
static struct lyd_node *start(const struct cfg_store *s, const char *name)
{
	struct lyd_node *n = NULL;
	char path[128];

	snprintf(path, sizeof(path), "/ietf-netconf-notifications:%s", name);
	return cfg_store_heard(s) &&
			       lyd_new_path(NULL, s->schema->ctx, path, NULL, 0, &n) == LY_SUCCESS
		       ? n
		       : NULL;
}

static void leaf(struct lyd_node *n, const char *path, const char *value)
{
	(void)lyd_new_path(n, NULL, path, value, 0, NULL);
}

static void by(struct lyd_node *n, const char *prefix, const char *user, uint32_t session)
{
	char path[64], id[16];

	snprintf(path, sizeof(path), "%susername", prefix);
	leaf(n, path, user);
	snprintf(path, sizeof(path), "%ssession-id", prefix);
	snprintf(id, sizeof(id), "%u", session);
	leaf(n, path, id);
}

void cfg_notify_session(const struct cfg_session *s, bool begins)
{
	char killer[16];
	struct lyd_node *n =
		start(s->store, begins ? "netconf-session-start" : "netconf-session-end");

	if (n == NULL)
		return;
	by(n, "", s->user, s->id);
	if (!begins && s->killed_by != 0) {
		snprintf(killer, sizeof(killer), "%u", s->killed_by);
		leaf(n, "killed-by", killer);
	}
	if (!begins)
		leaf(n, "termination-reason", s->end_reason == NULL ? "dropped" : s->end_reason);
	cfg_notify(s->store, n);
}

// A list of edits as it grows, for one session; NULL = for those from whom nothing is hidden.
struct edits {
	struct lyd_node *n; // the notification
	const struct cfg_session *reader;
	uint32_t count;
};

static void edit_add(struct edits *x, const struct lyd_node *diff, const char *op)
{
	struct lyd_node *edit = NULL;
	char *path;

	if (x->reader != NULL && !cfg_session_may_read(x->reader, diff))
		return;
	if (++x->count > EDITS_MAX)
		return;
	path = lyd_path(diff, LYD_PATH_STD, NULL, 0);
	if (path != NULL && lyd_new_list(x->n, NULL, "edit", 0, &edit) == LY_SUCCESS) {
		leaf(edit, "target", path);
		leaf(edit, "operation", op);
	}
	free(path);
}

// One edit per node that came, went or changed; what is below one that came is not named.
static void edits(struct edits *x, const struct lyd_node *diff)
{
	for (; diff != NULL && x->count <= EDITS_MAX; diff = diff->next) {
		const struct lyd_meta *m = lyd_find_meta(diff->meta, NULL, "yang:operation");
		const char *op = m == NULL ? "none" : lyd_get_meta_value(m);

		if (strcmp(op, "none") == 0)
			edits(x, lyd_child_no_keys(diff));
		else
			edit_add(x, diff, op);
	}
}

// Too many edits to name each: every subtree that changed, once.
static void summary(struct edits *x, const struct lyd_node *diff)
{
	struct lyd_node *child, *next;

	LY_LIST_FOR_SAFE(lyd_child(x->n), next, child)
	{
		if (strcmp(LYD_NAME(child), "edit") == 0)
			lyd_free_tree(child);
	}
	for (x->count = 0; diff != NULL; diff = diff->next)
		edit_add(x, diff, "merge");
}

// The notification of a change for one reader. returns NULL where there is nothing that it may read
static struct lyd_node *change(const struct cfg_store *s, const struct lyd_node *diff,
			       const struct cfg_commit *who, const struct cfg_session *reader)
{
	struct edits x = { .n = start(s, "netconf-config-change"), .reader = reader };

	if (x.n == NULL)
		return NULL;
	if (who->session == 0)
		leaf(x.n, "changed-by/server", NULL);
	else
		by(x.n, "changed-by/", who->user, who->session);
	leaf(x.n, "datastore", "running");
	edits(&x, diff);
	if (x.count > EDITS_MAX)
		summary(&x, diff);
	if (x.count > 0 || reader == NULL)
		return x.n;
	lyd_free_all(x.n);
	return NULL;
}

// RFC 8341 section 3.4.6 looks at a notification as a whole; this one names data, which its readers
// may be forbidden to know of.
void cfg_notify_change(struct cfg_store *s, const struct lyd_node *diff,
		       const struct cfg_commit *who)
{
	struct lyd_node *all = change(s, diff, who, NULL), *own;
	char *text = NULL;

	for (struct cfg_session *x = all == NULL ? NULL : s->sessions; x != NULL; x = x->next) {
		if (!x->subscribed)
			continue;
		own = cfg_session_sees_all(x) ? all : change(s, diff, who, x);
		if (own != NULL && wanted(x, own)) {
			text = message(s, own);
			if (text != NULL)
				deliver(x, text, strlen(text));
			free(text);
		}
		if (own != all)
			lyd_free_all(own);
	}
	lyd_free_all(all);
}

void cfg_notify_confirm(struct cfg_store *s, const char *event, const struct cfg_session *who)
{
	struct lyd_node *n = start(s, "netconf-confirmed-commit");
	char text[24];

	if (n == NULL)
		return;
	if (who != NULL)
		by(n, "", who->user, who->id);
	leaf(n, "confirm-event", event);
	if (strcmp(event, "start") == 0 || strcmp(event, "extend") == 0) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)s->timeout_ms / 1000);
		leaf(n, "timeout", text);
	}
	cfg_notify(s, n);
}
