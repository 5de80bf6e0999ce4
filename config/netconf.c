// NETCONF sessions: hello, then one rpc after the other. See cfg_netconf.h.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netconf_priv.h"

#define NC_NS "urn:ietf:params:xml:ns:netconf:base:1.0"
#define BASE_10 "urn:ietf:params:netconf:base:1.0"
#define BASE_11 "urn:ietf:params:netconf:base:1.1"

enum {
	CHUNK_MAX = 1 << 20,
	DEPTH_MAX = 128, // of elements in elements; the parser is recursive
};

struct cfg_session {
	struct cfg_store *store;
	uint32_t id;
	char user[64];
	struct cfg_frame in;
	char *out;
	size_t out_size, out_at, out_cap;
	bool greeted, ended, failed;
};

static void put(struct cfg_session *s, const char *data, size_t size)
{
	if (s->failed)
		return;
	if (s->out_at > 0) {
		memmove(s->out, s->out + s->out_at, s->out_size - s->out_at);
		s->out_size -= s->out_at;
		s->out_at = 0;
	}
	if (s->out_size + size > s->out_cap) {
		size_t cap = 2 * (s->out_size + size);
		char *out = realloc(s->out, cap);

		if (out == NULL) {
			s->failed = s->ended = true;
			return;
		}
		s->out = out;
		s->out_cap = cap;
	}
	memcpy(s->out + s->out_size, data, size);
	s->out_size += size;
}

// One whole message. Chunks end between characters: some clients decode each for itself.
static void send_message(struct cfg_session *s, const char *text, size_t size)
{
	char head[32];

	if (!s->in.chunked) {
		put(s, text, size);
		put(s, "]]>]]>", 6);
		return;
	}
	while (size > 0) {
		size_t n = size < CHUNK_MAX ? size : CHUNK_MAX;

		while (n < size && n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
		put(s, head, (size_t)snprintf(head, sizeof(head), "\n#%zu\n", n));
		put(s, text, n);
		text += n;
		size -= n;
	}
	put(s, "\n##\n", 4);
}

static void xml_text(FILE *f, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '<')
			fputs("&lt;", f);
		else if (*text == '>')
			fputs("&gt;", f);
		else if (*text == '&')
			fputs("&amp;", f);
		else if (*text == '"')
			fputs("&quot;", f);
		else
			fputc(*text, f);
	}
}

static void hello(struct cfg_session *s)
{
	char text[1024];
	int n = snprintf(
		text, sizeof(text),
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><hello xmlns=\"" NC_NS
		"\"><capabilities>"
		"<capability>" BASE_10 "</capability><capability>" BASE_11 "</capability>"
		"<capability>urn:ietf:params:netconf:capability:candidate:1.0</capability>"
		"<capability>urn:ietf:params:netconf:capability:validate:1.1</capability>"
		"<capability>urn:ietf:params:netconf:capability:rollback-on-error:1.0</capability>"
		"</capabilities><session-id>%u</session-id></hello>",
		s->id);

	send_message(s, text, (size_t)n);
}

int cfg_session_create(struct cfg_store *store, uint32_t id, const char *user,
		       struct cfg_session **out)
{
	struct cfg_session *s = calloc(1, sizeof(*s));

	*out = s;
	if (s == NULL)
		return -ENOMEM;
	s->store = store;
	s->id = id;
	snprintf(s->user, sizeof(s->user), "%s", user);
	cfg_frame_init(&s->in, CFG_FRAME_MAX);
	hello(s);
	return 0;
}

void cfg_session_destroy(struct cfg_session *s)
{
	if (s == NULL)
		return;
	// RFC 6241 8.3.5.2: a locked candidate with changes does not outlive the lock.
	if (s->store->lock[CFG_CANDIDATE] == s->id)
		(void)cfg_store_discard(s->store);
	for (uint32_t i = 0; i < CFG_N_DS; i++)
		if (s->store->lock[i] == s->id)
			s->store->lock[i] = 0;
	cfg_frame_fini(&s->in);
	free(s->out);
	free(s);
}

// An rpc as it was parsed, and its reply as it grows.
struct call {
	struct cfg_session *s;
	const struct lyd_node *op; // the operation; NULL = not one of ours
	FILE *reply;
	struct cfg_nc_error e;
};

static void write_error(FILE *f, const struct cfg_nc_error *e)
{
	fprintf(f,
		"<rpc-error><error-type>%s</error-type><error-tag>%s</"
		"error-tag><error-severity>error</error-severity>",
		e->type, e->tag);
	if (e->app_tag != NULL)
		fprintf(f, "<error-app-tag>%s</error-app-tag>", e->app_tag);
	if (e->path[0] != '\0') {
		fputs("<error-path>", f);
		xml_text(f, e->path);
		fputs("</error-path>", f);
	}
	fputs("<error-message xml:lang=\"en\">", f);
	xml_text(f, e->message);
	fputs("</error-message>", f);
	if (e->info[0] != '\0')
		fprintf(f, "<error-info>%s</error-info>", e->info);
	fputs("</rpc-error>", f);
}

// The datastore that <source> or <target> names.
static int datastore(struct call *c, const char *which, enum cfg_ds *out)
{
	const struct lyd_node *n = cfg_child(c->op, which), *ds = n == NULL ? NULL : lyd_child(n);
	const char *name = ds == NULL ? "" : LYD_NAME(ds);

	*out = strcmp(name, "candidate") == 0 ? CFG_CANDIDATE : CFG_RUNNING;
	if (strcmp(name, "candidate") == 0 || strcmp(name, "running") == 0)
		return 0;
	return cfg_nc_refuse(&c->e, "operation-not-supported",
			     "%s %s: running and candidate are there", which, name);
}

// May this session change the datastore?
static int may_write(struct call *c, enum cfg_ds ds)
{
	uint32_t owner = c->s->store->lock[ds];

	if (owner == 0 || owner == c->s->id)
		return 0;
	cfg_nc_refuse(&c->e, "in-use", "%s is locked by session %u",
		      ds == CFG_RUNNING ? "running" : "candidate", owner);
	return -EINVAL;
}

static int get_config(struct call *c)
{
	enum cfg_ds ds;
	char *xml = NULL;

	if (datastore(c, "source", &ds) < 0)
		return -EINVAL;
	if (cfg_child(c->op, "filter") != NULL)
		return cfg_nc_refuse(&c->e, "operation-not-supported", "filter: not there yet");
	if (c->s->store->ds[ds] != NULL &&
	    lyd_print_mem(&xml, c->s->store->ds[ds], LYD_XML,
			  LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK) != LY_SUCCESS)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	fprintf(c->reply, "<data>%s</data>", xml == NULL ? "" : xml);
	free(xml);
	return 0;
}

static int edit_config(struct call *c)
{
	const char *default_op = cfg_value(c->op, "default-operation"),
		   *test = cfg_value(c->op, "test-option");
	const struct lyd_node *config = cfg_child(c->op, "config");
	const struct lyd_node_any *any = (const struct lyd_node_any *)config;
	struct cfg_store *st = c->s->store;
	enum cfg_ds ds;

	if (datastore(c, "target", &ds) < 0)
		return -EINVAL;
	if (ds != CFG_CANDIDATE)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "target running: edit the candidate and commit it");
	if (config == NULL)
		return cfg_nc_refuse(&c->e, "operation-not-supported", "url: <config> is taken");
	if (may_write(c, ds) < 0)
		return -EINVAL;
	if (any->value_type != LYD_ANYDATA_DATATREE)
		return cfg_nc_refuse(&c->e, "malformed-message", "config: expected elements");
	if (test != NULL && strcmp(test, "test-only") == 0)
		return cfg_nc_refuse(&c->e, "operation-not-supported", "test-only: not there yet");
	if (cfg_edit(&st->ds[ds], any->value.tree, default_op == NULL ? "merge" : default_op,
		     &c->e) < 0)
		return -EINVAL;
	st->changed_by = c->s->id;
	fputs("<ok/>", c->reply);
	return 0;
}

static int validate(struct call *c)
{
	enum cfg_ds ds;

	if (datastore(c, "source", &ds) < 0 ||
	    cfg_store_check(c->s->store, c->s->store->ds[ds], NULL, &c->e) < 0)
		return -EINVAL;
	fputs("<ok/>", c->reply);
	return 0;
}

static int commit(struct call *c)
{
	if (cfg_child(c->op, "confirmed") != NULL || cfg_child(c->op, "persist-id") != NULL)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "confirmed commit: not there yet");
	if (may_write(c, CFG_RUNNING) < 0 || may_write(c, CFG_CANDIDATE) < 0 ||
	    cfg_store_commit(c->s->store, c->s->user, &c->e) < 0)
		return -EINVAL;
	fputs("<ok/>", c->reply);
	return 0;
}

static int discard(struct call *c)
{
	if (may_write(c, CFG_CANDIDATE) < 0)
		return -EINVAL;
	if (cfg_store_discard(c->s->store) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	fputs("<ok/>", c->reply);
	return 0;
}

static int lock(struct call *c)
{
	struct cfg_store *st = c->s->store;
	enum cfg_ds ds;

	if (datastore(c, "target", &ds) < 0)
		return -EINVAL;
	if (st->lock[ds] != 0) {
		cfg_nc_refuse(&c->e, "lock-denied", "locked by session %u", st->lock[ds]);
		c->e.type = "protocol";
		snprintf(c->e.info, sizeof(c->e.info), "<session-id>%u</session-id>", st->lock[ds]);
		return -EINVAL;
	}
	// RFC 6241 7.5: a candidate with somebody's changes cannot be locked.
	if (ds == CFG_CANDIDATE && st->changed_by != 0) {
		cfg_nc_refuse(&c->e, "lock-denied", "the candidate has changes of session %u",
			      st->changed_by);
		c->e.type = "protocol";
		snprintf(c->e.info, sizeof(c->e.info), "<session-id>%u</session-id>",
			 st->changed_by);
		return -EINVAL;
	}
	st->lock[ds] = c->s->id;
	fputs("<ok/>", c->reply);
	return 0;
}

static int unlock(struct call *c)
{
	struct cfg_store *st = c->s->store;
	enum cfg_ds ds;

	if (datastore(c, "target", &ds) < 0)
		return -EINVAL;
	if (st->lock[ds] != c->s->id)
		return cfg_nc_refuse(&c->e, "operation-failed",
				     "this session does not hold the lock");
	st->lock[ds] = 0;
	if (ds == CFG_CANDIDATE && cfg_store_discard(st) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	fputs("<ok/>", c->reply);
	return 0;
}

static int close_session(struct call *c)
{
	c->s->ended = true;
	fputs("<ok/>", c->reply);
	return 0;
}

static int kill_session(struct call *c)
{
	uint32_t id = cfg_number(c->op, "session-id", 0);

	if (id == c->s->id || id == 0)
		return cfg_nc_refuse(&c->e, "invalid-value",
				     "session-id %u: another session's is wanted", id);
	c->s->store->killed = id;
	fputs("<ok/>", c->reply);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct call *c);
} calls[] = {
	{ "get-config", get_config },
	{ "edit-config", edit_config },
	{ "validate", validate },
	{ "commit", commit },
	{ "discard-changes", discard },
	{ "lock", lock },
	{ "unlock", unlock },
	{ "close-session", close_session },
	{ "kill-session", kill_session },
};

static int dispatch(struct call *c)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(LYD_NAME(c->op), calls[i].name) == 0)
			return calls[i].run(c);
	return cfg_nc_refuse(&c->e, "operation-not-supported", "%s: not there yet",
			     LYD_NAME(c->op));
}

// The attributes of <rpc> go back as they came (RFC 6241 section 4.2).
static void write_attributes(FILE *f, const struct lyd_node *envelope)
{
	const struct lyd_node_opaq *o = (const struct lyd_node_opaq *)envelope;

	for (const struct lyd_attr *a = o == NULL ? NULL : o->attr; a != NULL; a = a->next) {
		fprintf(f, " %s%s%s=\"", a->name.prefix == NULL ? "" : a->name.prefix,
			a->name.prefix == NULL ? "" : ":", a->name.name);
		xml_text(f, a->value);
		fputc('"', f);
	}
}

static void answer(struct cfg_session *s, const struct lyd_node *envelope,
		   const struct lyd_node *op, struct cfg_nc_error *refused)
{
	char *body = NULL, *text = NULL;
	size_t body_size = 0, size = 0;
	struct call c = { .s = s, .op = op };
	FILE *f = open_memstream(&text, &size);

	c.reply = open_memstream(&body, &body_size);
	if (f == NULL || c.reply == NULL) {
		s->failed = s->ended = true;
	} else {
		if (refused == NULL && dispatch(&c) < 0)
			refused = &c.e;
		fflush(c.reply);
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?><rpc-reply xmlns=\"" NC_NS "\"",
		      f);
		write_attributes(f, envelope);
		fputc('>', f);
		if (refused != NULL)
			write_error(f, refused);
		else
			fwrite(body, 1, body_size, f);
		fputs("</rpc-reply>", f);
		fflush(f);
		send_message(s, text, size);
	}
	if (c.reply != NULL)
		fclose(c.reply);
	if (f != NULL)
		fclose(f);
	free(body);
	free(text);
}

// How deep elements stand in elements, at most DEPTH_MAX? Comments and CDATA that look like
// elements count too: at worst something is refused that need not be.
static bool depth_ok(const char *text)
{
	uint32_t depth = 0;

	for (const char *p = strchr(text, '<'); p != NULL; p = strchr(p + 1, '<')) {
		const char *end;

		if (p[1] == '!' || p[1] == '?')
			continue;
		if (p[1] == '/') {
			depth -= depth > 0;
			continue;
		}
		end = strchr(p, '>');
		if (end != NULL && end[-1] == '/')
			continue;
		if (++depth > DEPTH_MAX)
			return false;
	}
	return true;
}

static void rpc(struct cfg_session *s)
{
	struct lyd_node *envelope = NULL, *op = NULL;
	const struct ly_ctx *ctx = s->store->schema->ctx;
	struct cfg_nc_error e = { 0 };
	struct cfg_error err = { 0 };
	struct ly_in *in = NULL;

	if (!depth_ok(s->in.msg)) {
		cfg_nc_refuse(&e, "too-big", "elements in elements: more than %d deep", DEPTH_MAX);
		e.type = "rpc";
		answer(s, NULL, NULL, &e);
		return;
	}
	if (ly_in_new_memory(s->in.msg, &in) != LY_SUCCESS) {
		s->failed = s->ended = true;
		return;
	}
	if (lyd_parse_op(ctx, NULL, in, LYD_XML, LYD_TYPE_RPC_NETCONF, &envelope, &op) !=
		    LY_SUCCESS ||
	    op == NULL) {
		cfg_refuse_ly(&err, ctx);
		cfg_nc_refuse(&e, envelope == NULL ? "malformed-message" : "operation-failed",
			      "%s%s%s", err.path, err.path[0] ? ": " : "", err.reason);
		e.type = envelope == NULL ? "rpc" : "application";
		s->ended |= envelope == NULL &&
			    s->in.chunked; // RFC 6241 appendix A: nothing can be answered to it
		answer(s, envelope, NULL, &e);
	} else {
		answer(s, envelope, op, NULL);
	}
	lyd_free_all(op);
	lyd_free_all(envelope);
	ly_in_free(in, 0);
}

// RFC 6241 section 8.1: both say what they can; 1.1 where both can.
static void greet(struct cfg_session *s)
{
	if (strstr(s->in.msg, "<hello") == NULL && strstr(s->in.msg, ":hello") == NULL) {
		s->ended = true;
		return;
	}
	if (strstr(s->in.msg, BASE_10) == NULL && strstr(s->in.msg, BASE_11) == NULL) {
		s->ended = true;
		return;
	}
	s->greeted = true;
	s->in.chunked = strstr(s->in.msg, BASE_11) != NULL;
}

void cfg_session_input(struct cfg_session *s, const char *data, size_t size)
{
	size_t used;
	int rc;

	while (size > 0 && !s->ended) {
		rc = cfg_frame_take(&s->in, data, size, &used);
		data += used;
		size -= used;
		if (rc < 0) {
			s->ended = true;
			return;
		}
		if (rc == 0)
			continue;
		if (s->greeted)
			rpc(s);
		else
			greet(s);
		cfg_frame_next(&s->in);
	}
}

const char *cfg_session_output(const struct cfg_session *s, size_t *size)
{
	*size = s->out_size - s->out_at;
	return s->out + s->out_at;
}

void cfg_session_sent(struct cfg_session *s, size_t size)
{
	s->out_at += size;
}

bool cfg_session_ended(const struct cfg_session *s)
{
	return s->ended;
}
