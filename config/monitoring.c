// What this server says of itself: capabilities (RFC 6241 section 8), ietf-netconf-monitoring
// (RFC 6022), streams of events (RFC 5277) and yang-library (RFC 8525).
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cfg_json.h"
#include "nacm_priv.h"

#define CAP "urn:ietf:params:netconf:capability:"

static const char *const fixed[] = {
	"urn:ietf:params:netconf:base:1.0",
	"urn:ietf:params:netconf:base:1.1",
	CAP "candidate:1.0",
	CAP "confirmed-commit:1.0",
	CAP "confirmed-commit:1.1",
	CAP "rollback-on-error:1.0",
	CAP "startup:1.0",
	CAP "validate:1.0",
	CAP "validate:1.1",
	CAP "xpath:1.0",
	CAP "notification:1.0",
	CAP "interleave:1.0",
	CAP "with-defaults:1.0?basic-mode=explicit&also-supported="
	    "report-all,report-all-tagged,trim",
};

// YANG 1.0 modules stand in hello; those of YANG 1.1 are found by yang-library (RFC 7950 5.6.4).
static void module_uri(const struct lys_module *m, char *out, size_t size)
{
	size_t at = (size_t)snprintf(out, size, "%s?module=%s", m->ns, m->name);
	const char *sep = "&features=";

	if (m->revision != NULL && at < size)
		at += (size_t)snprintf(out + at, size - at, "&revision=%s", m->revision);
	for (LY_ARRAY_COUNT_TYPE i = 0; at < size && i < LY_ARRAY_COUNT(m->parsed->features); i++) {
		const char *name = m->parsed->features[i].name;

		if (lys_feature_value(m, name) != LY_SUCCESS)
			continue;
		at += (size_t)snprintf(out + at, size - at, "%s%s", sep, name);
		sep = ",";
	}
}

void cfg_capabilities(const struct cfg_store *s, void (*fn)(void *arg, const char *uri), void *arg)
{
	const struct ly_ctx *ctx = s->schema->ctx;
	const struct lys_module *m;
	char uri[1024];
	uint32_t at = 0;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		fn(arg, fixed[i]);
	snprintf(uri, sizeof(uri), CAP "yang-library:1.1?revision=2019-01-04&content-id=%u",
		 ly_ctx_get_change_count(ctx));
	fn(arg, uri);
	snprintf(uri, sizeof(uri), CAP "yang-library:1.0?revision=2019-01-04&module-set-id=%u",
		 ly_ctx_get_change_count(ctx));
	fn(arg, uri);
	while ((m = ly_ctx_get_module_iter(ctx, &at)) != NULL) {
		if (!m->implemented || m->parsed->version == LYS_VERSION_1_1)
			continue;
		module_uri(m, uri, sizeof(uri));
		fn(arg, uri);
	}
}

static void put_capability(void *arg, const char *uri)
{
	cfg_json_str(arg, NULL, uri);
}

static void put_time(struct cfg_json *j, const char *key, uint64_t ms)
{
	char text[32];

	cfg_time_text(ms, text);
	cfg_json_str(j, key, text);
}

static void put_datastores(const struct cfg_store *s, struct cfg_json *j)
{
	static const char *const names[CFG_N_DS] = { "running", "candidate", "startup" };

	cfg_json_open(j, "datastores", '{');
	cfg_json_open(j, "datastore", '[');
	for (uint32_t i = 0; i < CFG_N_DS; i++) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", names[i]);
		if (s->lock[i] != 0) {
			cfg_json_open(j, "locks", '{');
			cfg_json_open(j, "global-lock", '{');
			cfg_json_u32(j, "locked-by-session", s->lock[i]);
			put_time(j, "locked-time", s->locked_ms[i]);
			cfg_json_close(j, '}');
			cfg_json_close(j, '}');
		}
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

static void put_schemas(const struct cfg_store *s, struct cfg_json *j)
{
	const struct lys_module *m;
	uint32_t at = 0;

	cfg_json_open(j, "schemas", '{');
	cfg_json_open(j, "schema", '[');
	while ((m = ly_ctx_get_module_iter(s->schema->ctx, &at)) != NULL) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "identifier", m->name);
		cfg_json_str(j, "version", m->revision == NULL ? "" : m->revision);
		cfg_json_str(j, "format", "ietf-netconf-monitoring:yang");
		cfg_json_str(j, "namespace", m->ns);
		cfg_json_open(j, "location", '[');
		cfg_json_str(j, NULL, "NETCONF");
		cfg_json_close(j, ']');
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

static void put_sessions(const struct cfg_store *s, struct cfg_json *j)
{
	cfg_json_open(j, "sessions", '{');
	cfg_json_open(j, "session", '[');
	for (const struct cfg_session *x = s->sessions; x != NULL; x = x->next) {
		if (x->ended)
			continue;
		if (!x->netconf)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_u32(j, "session-id", x->id);
		cfg_json_str(j, "transport", "ietf-netconf-monitoring:netconf-ssh");
		cfg_json_str(j, "username", x->user);
		put_time(j, "login-time", x->login_ms);
		cfg_json_u32(j, "in-rpcs", x->in_rpcs);
		cfg_json_u32(j, "in-bad-rpcs", x->in_bad_rpcs);
		cfg_json_u32(j, "out-rpc-errors", x->out_errors);
		cfg_json_u32(j, "out-notifications", x->out_notifications);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

static void put_statistics(const struct cfg_store *s, struct cfg_json *j)
{
	cfg_json_open(j, "statistics", '{');
	put_time(j, "netconf-start-time", s->started_ms);
	cfg_json_u32(j, "in-bad-hellos", s->count.bad_hellos);
	cfg_json_u32(j, "in-sessions", s->count.in_sessions);
	cfg_json_u32(j, "dropped-sessions", s->count.dropped);
	cfg_json_u32(j, "in-rpcs", s->count.in_rpcs);
	cfg_json_u32(j, "in-bad-rpcs", s->count.in_bad_rpcs);
	cfg_json_u32(j, "out-rpc-errors", s->count.out_errors);
	cfg_json_u32(j, "out-notifications", s->count.out_notifications);
	cfg_json_close(j, '}');
}

static void put_streams(struct cfg_json *j)
{
	cfg_json_open(j, "nc-notifications:netconf", '{');
	cfg_json_open(j, "streams", '{');
	cfg_json_open(j, "stream", '[');
	cfg_json_open(j, NULL, '{');
	cfg_json_str(j, "name", "NETCONF");
	cfg_json_str(j, "description", "All notifications of the switch; nothing is replayed.");
	cfg_json_bool(j, "replaySupport", false);
	cfg_json_close(j, '}');
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
	cfg_json_close(j, '}');
}

// RFC 8341 section 3.5: what access control refused.
static void put_refusals(const struct cfg_store *s, struct cfg_json *j)
{
	static const struct cfg_nacm_counts none;
	const struct cfg_nacm_counts *c = s->nacm == NULL ? &none : cfg_nacm_counts(s->nacm);

	cfg_json_open(j, "ietf-netconf-acm:nacm", '{');
	cfg_json_u32(j, "denied-operations", c->denied_operations);
	cfg_json_u32(j, "denied-data-writes", c->denied_data_writes);
	cfg_json_u32(j, "denied-notifications", c->denied_notifications);
	cfg_json_close(j, '}');
}

int cfg_monitoring_add(const struct cfg_store *s, struct lyd_node **tree)
{
	const struct ly_ctx *ctx = s->schema->ctx;
	struct lyd_node *own = NULL, *library = NULL;
	struct cfg_json j;
	int rc = -ENOMEM;

	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	cfg_json_open(&j, "ietf-netconf-monitoring:netconf-state", '{');
	cfg_json_open(&j, "capabilities", '{');
	cfg_json_open(&j, "capability", '[');
	cfg_capabilities(s, put_capability, &j);
	cfg_json_close(&j, ']');
	cfg_json_close(&j, '}');
	put_datastores(s, &j);
	put_schemas(s, &j);
	put_sessions(s, &j);
	put_statistics(s, &j);
	cfg_json_close(&j, '}');
	put_streams(&j);
	put_refusals(s, &j);
	cfg_json_close(&j, '}');
	if (!j.failed &&
	    lyd_parse_data_mem(ctx, j.buf, LYD_JSON, LYD_PARSE_STRICT | LYD_PARSE_ONLY, 0, &own) ==
		    LY_SUCCESS &&
	    ly_ctx_get_yanglib_data(ctx, &library, "%u", ly_ctx_get_change_count(ctx)) ==
		    LY_SUCCESS &&
	    lyd_merge_siblings(tree, own, 0) == LY_SUCCESS &&
	    lyd_merge_siblings(tree, library, 0) == LY_SUCCESS)
		rc = 0;
	lyd_free_all(own);
	lyd_free_all(library);
	cfg_json_fini(&j);
	return rc;
}
