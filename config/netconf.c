// Sessions: their life, the messages of NETCONF (hello, then one rpc after the other) and the JSON
// of local tools. See cfg_netconf.h; the operations are in rpc.c.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cfg_json.h"
#include "defaults_priv.h"
#include "netconf_priv.h"

#define BASE_10 "urn:ietf:params:netconf:base:1.0"
#define BASE_11 "urn:ietf:params:netconf:base:1.1"

enum {
	CHUNK_MAX = 1 << 20,
	HELLO_MAX = 64 << 10, // bytes: who has not said who it is gets no more memory
	KEPT_MAX = 64 << 10,  // of a buffer that is empty
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
void cfg_session_send(struct cfg_session *s, const char *text, size_t size)
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

void cfg_time_text(uint64_t ms, char out[32])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm = { .tm_year = 70, .tm_mday = 1 }; // where the year does not fit an int

	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void hello_capability(void *arg, const char *uri)
{
	fputs("<capability>", arg);
	cfg_xml_text(arg, uri, SIZE_MAX);
	fputs("</capability>", arg);
}

static void hello(struct cfg_session *s)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL) {
		s->failed = s->ended = true;
		return;
	}
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?><hello xmlns=\"" NC_NS "\"><capabilities>",
	      f);
	cfg_capabilities(s->store, hello_capability, f);
	fprintf(f, "</capabilities><session-id>%u</session-id></hello>", s->id);
	fclose(f);
	cfg_session_send(s, text, size);
	free(text);
}

static int groups_copy(struct cfg_session *s, const struct cfg_client *c)
{
	s->groups = calloc(c->n_groups + 1, sizeof(*s->groups));
	for (size_t i = 0; s->groups != NULL && i < c->n_groups; i++) {
		s->groups[i] = strdup(c->groups[i]);
		if (s->groups[i] == NULL)
			return -ENOMEM;
		s->n_groups++;
	}
	return s->groups == NULL ? -ENOMEM : 0;
}

// 1 and up (RFC 6241 section 8.1), and nobody's after it began anew.
static uint32_t next_id(struct cfg_store *store)
{
	const struct cfg_session *s;

	do {
		store->last_id += store->last_id == UINT32_MAX ? 2 : 1;
		for (s = store->sessions; s != NULL && s->id != store->last_id; s = s->next)
			;
	} while (s != NULL);
	return store->last_id;
}

int cfg_session_create(struct cfg_store *store, const struct cfg_client *client, bool netconf,
		       struct cfg_session **out)
{
	struct cfg_session *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	s->store = store;
	cfg_frame_init(&s->in, HELLO_MAX);
	if (groups_copy(s, client) < 0) {
		cfg_session_destroy(s);
		return -ENOMEM;
	}
	s->id = next_id(store);
	s->netconf = netconf;
	s->greeted = !netconf;
	s->recovery = client->recovery;
	s->login_ms = store->host.now_ms(store->host.arg);
	snprintf(s->user, sizeof(s->user), "%s", client->user);
	snprintf(s->client, sizeof(s->client), "%s", client->client);
	s->next = store->sessions;
	store->sessions = s;
	if (netconf) {
		store->count.in_sessions++;
		hello(s);
	}
	*out = s;
	return 0;
}

void cfg_session_end(struct cfg_session *s, const char *why)
{
	struct cfg_store *st = s->store;

	s->ended = true;
	if (s->released)
		return;
	s->released = true;
	if (s->end_reason == NULL)
		s->end_reason = why;
	// RFC 6241 8.3.5.2: a locked candidate with changes does not outlive the lock.
	if (st->lock[CFG_CANDIDATE] == s->id)
		(void)cfg_store_discard(st);
	for (uint32_t i = 0; i < CFG_N_DS; i++)
		if (st->lock[i] == s->id)
			st->lock[i] = 0;
	cfg_confirm_session_gone(st, s->id);
	if (s->netconf && s->greeted)
		cfg_notify_session(s, false);
}

static void unlink_session(struct cfg_session *s)
{
	struct cfg_session **at = &s->store->sessions;

	while (*at != NULL && *at != s)
		at = &(*at)->next;
	if (*at != NULL)
		*at = s->next;
}

void cfg_session_destroy(struct cfg_session *s)
{
	if (s == NULL)
		return;
	if (s->id != 0) {
		cfg_session_end(s, s->failed ? "other" : "dropped");
		unlink_session(s);
	}
	for (size_t i = 0; i < s->n_groups; i++)
		free(s->groups[i]);
	free(s->groups);
	lyd_free_all(s->filter);
	cfg_frame_fini(&s->in);
	free(s->out);
	free(s);
}

static void write_error(FILE *f, const struct ly_ctx *ctx, const struct cfg_nc_error *e)
{
	fprintf(f,
		"<rpc-error><error-type>%s</error-type><error-tag>%s</"
		"error-tag><error-severity>error</error-severity>",
		e->type, e->tag);
	if (e->app_tag != NULL)
		fprintf(f, "<error-app-tag>%s</error-app-tag>", e->app_tag);
	if (e->path[0] != '\0')
		cfg_nc_path_print(f, ctx, e->path);
	fputs("<error-message xml:lang=\"en\">", f);
	// The thing and the value stand beside the reason: clients show nothing but the message.
	if (e->path[0] != '\0' && strstr(e->message, e->path) == NULL) {
		cfg_xml_text(f, e->path, SIZE_MAX);
		fputs(e->value[0] != '\0' ? " " : ": ", f);
	}
	if (e->value[0] != '\0') {
		cfg_xml_text(f, e->value, SIZE_MAX);
		fputs(": ", f);
	}
	cfg_xml_text(f, e->message, SIZE_MAX);
	fputs("</error-message>", f);
	if (e->info[0] != '\0')
		fprintf(f, "<error-info>%s</error-info>", e->info);
	fputs("</rpc-error>", f);
}

// The attributes of <rpc> go back as they came (RFC 6241 section 4.2), and what their prefixes
// mean.
static void write_attributes(FILE *f, const struct lyd_node *envelope)
{
	const struct lyd_node_opaq *o = (const struct lyd_node_opaq *)envelope;
	const struct lyd_attr *first = o == NULL ? NULL : o->attr, *b;

	for (const struct lyd_attr *a = first; a != NULL; a = a->next) {
		const char *prefix = a->name.prefix;

		for (b = first; prefix != NULL && b != a; b = b->next)
			if (b->name.prefix != NULL && strcmp(b->name.prefix, prefix) == 0)
				break;
		if (prefix != NULL && b == a && a->name.module_ns != NULL &&
		    strcmp(prefix, "xml") != 0) {
			fprintf(f, " xmlns:%s=\"", prefix);
			cfg_xml_text(f, a->name.module_ns, SIZE_MAX);
			fputc('"', f);
		}
		fprintf(f, " %s%s%s=\"", prefix == NULL ? "" : prefix, prefix == NULL ? "" : ":",
			a->name.name);
		cfg_xml_text(f, a->value, SIZE_MAX);
		fputc('"', f);
	}
}

static void write_reply(FILE *f, struct cfg_call *c)
{
	char *body =
		lyd_child(c->out) == NULL
			? NULL
			: cfg_tree_print(lyd_child(c->out), LYD_XML,
					 LYD_PRINT_SHRINK | LYD_PRINT_KEEPEMPTYCONT | c->print);

	if (body != NULL && (c->print & LYD_PRINT_WD_IMPL_TAG) != 0)
		cfg_defaults_namespace(body);
	if (lyd_child(c->out) == NULL) {
		fputs("<ok/>", f);
	} else if (body != NULL) {
		if ((c->print & LYD_PRINT_WD_ALL_TAG) != 0)
			cfg_defaults_namespace(body);
		fputs(body, f);
	} else {
		cfg_nc_refuse(&c->e, "resource-denied", "out of memory");
		write_error(f, c->store->schema->ctx, &c->e);
	}
	free(body);
}

// refused: what is wrong with the message; NULL = op is an operation
static void answer(struct cfg_session *s, const struct lyd_node *envelope,
		   const struct lyd_node *op, struct cfg_nc_error *refused)
{
	struct cfg_call c = { .s = s, .store = s->store, .op = op };
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int rc;

	if (f == NULL) {
		s->failed = s->ended = true;
		return;
	}
	if (refused == NULL && (rc = cfg_rpc_run(&c)) < 0) {
		if (rc == -ENOTSUP)
			cfg_nc_refuse(&c.e, "operation-not-supported",
				      "%s: a local tool's operation", LYD_NAME(op));
		refused = &c.e;
	}
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?><rpc-reply xmlns=\"" NC_NS "\"", f);
	write_attributes(f, envelope);
	fputc('>', f);
	if (refused != NULL) {
		write_error(f, s->store->schema->ctx, refused);
		s->out_errors++;
		s->store->count.out_errors++;
	} else {
		write_reply(f, &c);
	}
	fputs("</rpc-reply>", f);
	fclose(f);
	cfg_session_send(s, text, size);
	free(text);
	lyd_free_all(c.out);
}

static void count_bad(struct cfg_session *s)
{
	s->in_bad_rpcs++;
	s->store->count.in_bad_rpcs++;
}

// Before anything of it is parsed. returns 0, or -EINVAL with e filled
// *text: NULL, or what to parse instead; free()
static int message_check(const struct cfg_session *s, char **text, struct cfg_nc_error *e)
{
	const char *why = cfg_scan_xml(s->in.msg);

	if (strlen(s->in.msg) != s->in.size)
		cfg_nc_refuse(e, "malformed-message", "has a NUL byte at offset %zu",
			      strlen(s->in.msg));
	else if (why != NULL)
		cfg_nc_refuse(e, "too-big", "rpc: %s", why);
	else
		return cfg_xml_guard(s->in.msg, text, e);
	e->type = "rpc";
	return -EINVAL;
}

// envelope, op: lyd_free_all(), also on failure. returns 0; -EINVAL, libyang says why; -ENOMEM
static int rpc_parse(const struct ly_ctx *ctx, const char *text, struct lyd_node **envelope,
		     struct lyd_node **op)
{
	struct ly_in *in = NULL;
	LY_ERR rc;

	*envelope = *op = NULL;
	if (ly_in_new_memory(text, &in) != LY_SUCCESS)
		return -ENOMEM;
	rc = lyd_parse_op(ctx, NULL, in, LYD_XML, LYD_TYPE_RPC_NETCONF, envelope, op);
	ly_in_free(in, 0);
	return rc == LY_SUCCESS && *op != NULL ? 0 : -EINVAL;
}

// The same, for requests too that clients write a little wrong. returns as above, e filled
static int rpc_parse_or_mend(const struct ly_ctx *ctx, const char *text, struct lyd_node **envelope,
			     struct lyd_node **op, struct cfg_nc_error *e)
{
	int rc = rpc_parse(ctx, text, envelope, op);
	char *mended;

	if (rc != -EINVAL)
		return rc;
	cfg_nc_refuse_ly(e, ctx);
	mended = *envelope == NULL ? NULL : cfg_rpc_mend(text);
	if (mended == NULL)
		return rc;
	lyd_free_all(*op);
	lyd_free_all(*envelope);
	rc = rpc_parse(ctx, mended, envelope, op);
	if (rc == -EINVAL)
		cfg_nc_refuse_ly(e, ctx);
	free(mended);
	return rc;
}

static void rpc(struct cfg_session *s)
{
	struct lyd_node *envelope = NULL, *op = NULL;
	const struct ly_ctx *ctx = s->store->schema->ctx;
	struct cfg_nc_error e = { 0 };
	char *text = NULL;
	int rc;

	s->in_rpcs++;
	s->store->count.in_rpcs++;
	if (message_check(s, &text, &e) < 0) {
		s->ended |= s->in.chunked && strcmp(e.tag, "malformed-message") == 0;
		count_bad(s);
		answer(s, NULL, NULL, &e);
		return;
	}
	rc = rpc_parse_or_mend(ctx, text != NULL ? text : s->in.msg, &envelope, &op, &e);
	free(text);
	if (rc == -ENOMEM) {
		s->failed = s->ended = true;
		return;
	}
	if (rc < 0) {
		if (envelope == NULL) {
			e.tag = "malformed-message";
			e.type = "rpc";
		}
		s->ended |= envelope == NULL &&
			    s->in.chunked; // RFC 6241 appendix A: nothing can be answered to it
		count_bad(s);
		answer(s, envelope, NULL, &e);
	} else {
		answer(s, envelope, op, NULL);
	}
	lyd_free_all(op);
	lyd_free_all(envelope);
}

static int json_refusal(char **answer, const struct cfg_nc_error *e)
{
	struct cfg_json j;

	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	cfg_json_bool(&j, "ok", false);
	cfg_json_open(&j, "error", '{');
	cfg_json_str(&j, "tag", e->tag);
	cfg_json_str(&j, "path", e->path);
	cfg_json_str(&j, "value", e->value);
	cfg_json_str(&j, "reason", e->message);
	if (e->line != 0)
		cfg_json_u32(&j, "line", e->line);
	cfg_json_u32(&j, "at", e->at);
	cfg_json_u32(&j, "size", e->size);
	cfg_json_close(&j, '}');
	cfg_json_close(&j, '}');
	*answer = j.failed ? NULL : strndup(j.buf, j.size);
	cfg_json_fini(&j);
	return *answer == NULL ? -ENOMEM : 0;
}

static int json_reply(char **answer, const struct cfg_call *c)
{
	char *body = cfg_tree_print(lyd_child(c->out), LYD_JSON,
				    LYD_PRINT_SHRINK | LYD_PRINT_KEEPEMPTYCONT | c->print);

	if (body != NULL && asprintf(answer, "{\"ok\":true,\"data\":%s}", body) < 0)
		*answer = NULL;
	free(body);
	return *answer == NULL ? -ENOMEM : 0;
}

int cfg_session_json(struct cfg_session *s, const char *json, size_t size, char **answer)
{
	struct cfg_call c = { .s = s, .store = s->store };
	const struct ly_ctx *ctx = s->store->schema->ctx;
	struct lyd_node *tree = NULL, *op = NULL;
	char *text = strndup(json, size);
	struct ly_in *in = NULL;
	const char *why = text == NULL ? NULL : cfg_scan_json(text);
	int rc;

	*answer = NULL;
	if (s->ended)
		why = "the session has ended";
	else if (memchr(json, '\0', size) != NULL)
		why = "has a NUL byte";
	if (why != NULL) {
		cfg_nc_refuse(&c.e, s->ended ? "operation-failed" : "too-big", "request: %s", why);
		free(text);
		return json_refusal(answer, &c.e);
	}
	if (text == NULL || ly_in_new_memory(text, &in) != LY_SUCCESS) {
		free(text);
		return -ENOMEM;
	}
	if (lyd_parse_op(ctx, NULL, in, LYD_JSON, LYD_TYPE_RPC_YANG, &tree, &op) != LY_SUCCESS ||
	    op == NULL) {
		rc = cfg_nc_refuse_ly(&c.e, ctx);
	} else {
		c.op = op;
		rc = cfg_rpc_run(&c);
	}
	if (rc != -ENOTSUP)
		rc = rc < 0 ? json_refusal(answer, &c.e) : json_reply(answer, &c);
	lyd_free_all(c.out);
	lyd_free_all(tree);
	ly_in_free(in, 0);
	free(text);
	return rc;
}

// RFC 6241 section 8.1: both say what they can; 1.1 where both can.
static void greet(struct cfg_session *s)
{
	if ((strstr(s->in.msg, "<hello") == NULL && strstr(s->in.msg, ":hello") == NULL) ||
	    // Only a server has one.
	    strstr(s->in.msg, "<session-id") != NULL || strstr(s->in.msg, ":session-id") != NULL ||
	    (strstr(s->in.msg, BASE_10) == NULL && strstr(s->in.msg, BASE_11) == NULL)) {
		s->ended = true;
		s->store->count.bad_hellos++;
		return;
	}
	s->greeted = true;
	s->in.max = CFG_FRAME_MAX;
	s->in.chunked = strstr(s->in.msg, BASE_11) != NULL;
	cfg_notify_session(s, true);
}

size_t cfg_session_take(struct cfg_session *s, const char *data, size_t size)
{
	size_t used, at = 0;
	int rc = 0;

	while (rc == 0 && at < size && !s->ended) {
		rc = cfg_frame_take(&s->in, data + at, size - at, &used);
		at += used;
	}
	if (rc < 0) {
		s->ended = true;
		s->end_reason = "other";
		s->store->count.dropped++;
	} else if (rc > 0) {
		if (s->greeted)
			rpc(s);
		else
			greet(s);
		cfg_frame_next(&s->in);
	}
	if (s->ended)
		cfg_session_end(s, s->failed ? "other" : "dropped");
	return s->ended ? size : at;
}

void cfg_session_input(struct cfg_session *s, const char *data, size_t size)
{
	size_t used;

	for (; size > 0; data += used, size -= used)
		used = cfg_session_take(s, data, size);
}

bool cfg_session_midway(const struct cfg_session *s)
{
	return s->in.size > 0;
}

const char *cfg_session_output(const struct cfg_session *s, size_t *size)
{
	*size = s->out_size - s->out_at;
	return s->out == NULL ? "" : s->out + s->out_at;
}

void cfg_session_sent(struct cfg_session *s, size_t size)
{
	s->out_at += size;
	if (s->out_at == s->out_size && s->out_cap > KEPT_MAX) {
		free(s->out);
		s->out = NULL;
		s->out_at = s->out_size = s->out_cap = 0;
	}
}

bool cfg_session_ended(const struct cfg_session *s)
{
	return s->ended;
}

bool cfg_session_failed(const struct cfg_session *s)
{
	return s->failed;
}

bool cfg_session_subscribed(const struct cfg_session *s)
{
	return s->subscribed;
}

bool cfg_session_greeted(const struct cfg_session *s)
{
	return s->greeted;
}

uint32_t cfg_session_id(const struct cfg_session *s)
{
	return s->id;
}
