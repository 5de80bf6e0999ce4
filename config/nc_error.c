// Errors of NETCONF: our own, and those that libyang found.
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netconf_priv.h"

#define YANG_NS "urn:ietf:params:xml:ns:yang:1"

int cfg_nc_refuse(struct cfg_nc_error *e, const char *tag, const char *fmt, ...)
{
	va_list ap;

	memset(e, 0, sizeof(*e));
	e->tag = tag;
	e->type = "application";
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

// Bytes of the character at p: 0 = it is none of XML 1.0, or is cut off.
static size_t character_size(const char *p, size_t n)
{
	const unsigned char c = (unsigned char)p[0];
	size_t size = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;

	if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c > 0xf4 || size > n)
		return 0;
	for (size_t i = 1; i < size; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

void cfg_xml_text(FILE *f, const char *text, size_t n)
{
	static const char special[] = "<>&\"\t\n\r";
	static const char *const written[] = { "&lt;", "&gt;",	"&amp;", "&quot;",
					       "&#9;", "&#10;", "&#13;" };
	size_t size;

	for (n = strnlen(text, n); n > 0; text += size, n -= size) {
		const char *at = strchr(special, *text);

		size = character_size(text, n);
		if (at != NULL)
			fputs(written[at - special], f);
		else if (size > 0)
			fwrite(text, 1, size, f);
		else
			size = 1; // of a text that was cut, or never was one
	}
}

// One element, with a namespace of its own when ns is not NULL.
static void info_in(struct cfg_nc_error *e, const char *name, const char *ns, const char *text)
{
	size_t at = strlen(e->info), size = 0;
	char *xml = NULL;
	FILE *f = open_memstream(&xml, &size);

	if (f == NULL)
		return;
	fprintf(f, "<%s", name);
	if (ns != NULL)
		fprintf(f, " xmlns=\"%s\"", ns);
	fputc('>', f);
	cfg_xml_text(f, text, SIZE_MAX);
	fprintf(f, "</%s>", name);
	if (fclose(f) == 0 && at + size < sizeof(e->info))
		memcpy(e->info + at, xml, size + 1);
	free(xml);
}

void cfg_nc_info(struct cfg_nc_error *e, const char *name, const char *text)
{
	info_in(e, name, NULL, text);
}

// --- Paths

// The end of a name of a path: of letters, digits, '-', '_', '.' (RFC 7950 section 6.2).
static size_t name_size(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '-' || p[n] == '_' || p[n] == '.' ||
	       (unsigned char)p[n] >= 0x80)
		n++;
	return n;
}

struct path_walk {
	const struct ly_ctx *ctx;
	FILE *names, *text;
	char mod[128]; // of the name before
	char seen[8][128];
	uint32_t n_seen;
};

// returns false when the prefix cannot be declared, and must not be written then
static bool declare(struct path_walk *w)
{
	const struct lys_module *m = ly_ctx_get_module_implemented(w->ctx, w->mod);

	for (uint32_t i = 0; i < w->n_seen; i++)
		if (strcmp(w->seen[i], w->mod) == 0)
			return true;
	if (m == NULL || w->n_seen == sizeof(w->seen) / sizeof(w->seen[0]))
		return false;
	snprintf(w->seen[w->n_seen++], sizeof(w->seen[0]), "%s", w->mod);
	fprintf(w->names, " xmlns:%s=\"", w->mod);
	cfg_xml_text(w->names, m->ns, SIZE_MAX);
	fputc('"', w->names);
	return true;
}

// One name, after '/' or '['. returns how long it was
static size_t qualify(struct path_walk *w, const char *p)
{
	size_t n = name_size(p), m = 0;

	if (n > 0 && p[n] == ':') {
		m = n + 1;
		snprintf(w->mod, sizeof(w->mod), "%.*s", (int)n, p);
		n = name_size(p + m);
	}
	if (n == 0 || isdigit((unsigned char)p[m]) || p[m] == '.') { // a position, or "."
		cfg_xml_text(w->text, p, m + n);
		return m + n;
	}
	if (w->mod[0] != '\0' && declare(w))
		fprintf(w->text, "%s:", w->mod);
	cfg_xml_text(w->text, p + m, n);
	return m + n;
}

static void walk_path(struct path_walk *w, const char *p)
{
	char quote = '\0';

	while (*p != '\0') {
		size_t size = 1; // of a character

		while (((unsigned char)p[size] & 0xc0) == 0x80)
			size++;
		cfg_xml_text(w->text, p, size);
		if (quote != '\0')
			quote = *p == quote ? '\0' : quote;
		else if (*p == '\'' || *p == '"')
			quote = *p;
		else if (*p == '/' || *p == '[') {
			p += 1 + qualify(w, p + 1);
			continue;
		}
		p += size;
	}
}

void cfg_nc_path_print(FILE *f, const struct ly_ctx *ctx, const char *path)
{
	char *names = NULL, *text = NULL;
	size_t names_size = 0, text_size = 0;
	struct path_walk w = { .ctx = ctx };

	w.names = open_memstream(&names, &names_size);
	w.text = open_memstream(&text, &text_size);
	if (w.names != NULL && w.text != NULL)
		walk_path(&w, path);
	if (w.names != NULL)
		fclose(w.names);
	if (w.text != NULL)
		fclose(w.text);
	if (names != NULL && text != NULL)
		fprintf(f, "<error-path%s>%s</error-path>", names, text);
	free(names);
	free(text);
}

// --- libyang's errors

// What libyang 2.1 writes, by the beginning of the message or the tag that the model gives; the
// first that fits counts.
static const struct rule {
	const char *app, *msg; // NULL = any
	const char *tag, *app_tag;
	const char *rpc_tag; // where an rpc's input is meant; NULL = the same
	const char *info;    // element of error-info that takes the (last) quoted word; NULL = none
} rules[] = {
	{ "must-violation", NULL, "operation-failed", "must-violation", NULL, NULL },
	{ "instance-required", NULL, "data-missing", "instance-required", NULL, NULL },
	{ NULL, "Invalid leafref value", "data-missing", "instance-required", NULL, NULL },
	{ NULL, "Invalid instance-identifier", "data-missing", "instance-required", NULL, NULL },
	{ "data-not-unique", NULL, "operation-failed", "data-not-unique", NULL, NULL },
	{ NULL, "Unique data leaf", "operation-failed", "data-not-unique", NULL, NULL },
	{ "missing-choice", NULL, "data-missing", "missing-choice", "missing-element", NULL },
	{ NULL, "Mandatory choice", "data-missing", "missing-choice", "missing-element", NULL },
	{ NULL, "Mandatory node", "data-missing", NULL, "missing-element", "bad-element" },
	{ NULL, "Too few", "operation-failed", "too-few-elements", NULL, NULL },
	{ NULL, "Too many", "operation-failed", "too-many-elements", NULL, NULL },
	{ NULL, "Must condition", "operation-failed", "must-violation", NULL, NULL },
	{ NULL, "When condition", "unknown-element", NULL, NULL, NULL },
	{ NULL, "List instance is missing its key", "missing-element", NULL, NULL, "bad-element" },
	{ NULL, "Duplicate", "bad-element", NULL, NULL, "bad-element" },
	{ NULL, "Data for both cases", "bad-element", NULL, NULL, NULL },
	{ NULL, "No module", "unknown-namespace", NULL, NULL, "bad-namespace" },
	{ NULL, "Annotation definition", "unknown-attribute", NULL, NULL, "bad-attribute" },
	{ NULL, "Unknown (or not implemented) YANG module", "unknown-attribute", NULL, NULL,
	  "bad-attribute" },
	{ NULL, "Unexpected data", "unknown-element", NULL, NULL, NULL },
	{ NULL, "Child element", "unknown-element", NULL, NULL, "bad-element" },
	{ NULL, "Node ", "unknown-element", NULL, NULL, "bad-element" },
	{ NULL, "Unsatisfied", "invalid-value", NULL, NULL, NULL },
	{ NULL, "Unsupported", "invalid-value", NULL, NULL, NULL },
	{ NULL, "Value ", "invalid-value", NULL, NULL, NULL },
	{ NULL, "Invalid ", "invalid-value", NULL, NULL, NULL },
	{ NULL, "Storing value failed", "invalid-value", NULL, NULL, NULL },
	{ NULL, "Failed to resolve prefix", "invalid-value", NULL, NULL, NULL },
};

static const struct rule *rule_of(const char *msg, const char *app)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = &rules[i];

		if (r->app != NULL ? app != NULL && strcmp(app, r->app) == 0
				   : strncmp(msg, r->msg, strlen(r->msg)) == 0)
			return r;
	}
	return NULL;
}

// The at-th text between quote marks, from 0. returns false when there is none
static bool quoted(const char *msg, uint32_t at, char *out, size_t size)
{
	const char *from = strchr(msg, '"'), *to;

	for (; from != NULL; from = strchr(to + 1, '"')) {
		to = strchr(from + 1, '"');
		if (to == NULL)
			return false;
		if (at-- == 0) {
			snprintf(out, size, "%.*s", (int)(to - from - 1), from + 1);
			return true;
		}
	}
	return false;
}

// Unique data leaf(s) "a b" not satisfied in "/path" and "/path".
static void info_unique(struct cfg_nc_error *e, const char *msg)
{
	char leaves[128], path[256], whole[400], *save, *leaf;

	for (uint32_t i = 1; i <= 2; i++) {
		if (!quoted(msg, 0, leaves, sizeof(leaves)) || !quoted(msg, i, path, sizeof(path)))
			return;
		for (leaf = strtok_r(leaves, " ", &save); leaf != NULL;
		     leaf = strtok_r(NULL, " ", &save)) {
			snprintf(whole, sizeof(whole), "%s/%s", path, leaf);
			info_in(e, "non-unique", YANG_NS, whole);
		}
	}
}

static void fill_info(struct cfg_nc_error *e, const struct rule *r, const char *msg)
{
	char word[200];

	if (r->app_tag != NULL && strcmp(r->app_tag, "data-not-unique") == 0)
		info_unique(e, msg);
	if (!quoted(msg, strstr(msg, "for metadata") != NULL ? 1 : 0, word, sizeof(word)))
		return;
	if (r->app_tag != NULL && strcmp(r->app_tag, "missing-choice") == 0)
		info_in(e, "missing-choice", YANG_NS, word);
	if (r->info != NULL)
		cfg_nc_info(e, r->info, word);
}

// The schema node of the first name of a data path, or of all of it.
static const struct lysc_node *schema_of(const struct ly_ctx *ctx, const char *path, bool first)
{
	char text[256];

	if (path[0] != '/')
		return NULL;
	snprintf(text, sizeof(text), "%.*s", first ? (int)(1 + strcspn(path + 1, "/[")) : 1 << 20,
		 path);
	return lys_find_path(ctx, NULL, text, 0);
}

// A restriction with a message or a tag of the model's own: is it this one? *app_tag then lives as
// long as the schema.
static bool is_own(const char *emsg, const char *eapp, const char *msg, const char *app,
		   const char **app_tag)
{
	if (!(emsg != NULL && strcmp(emsg, msg) == 0) &&
	    !(eapp != NULL && app != NULL && strcmp(eapp, app) == 0))
		return false;
	*app_tag = eapp;
	return true;
}

static bool is_must(const struct lysc_node *n, const char *msg, const char *app,
		    const char **app_tag)
{
	struct lysc_must *musts = lysc_node_musts(n);

	LY_ARRAY_COUNT_TYPE i;
	LY_ARRAY_FOR (musts, i) {
		if (!is_own(musts[i].emsg, musts[i].eapptag, msg, app, app_tag))
			continue;
		if (*app_tag == NULL)
			*app_tag = "must-violation";
		return true;
	}
	return false;
}

static void type_app_tag(const struct lysc_node *n, const char *msg, const char *app,
			 const char **app_tag)
{
	const struct lysc_type *t = ((const struct lysc_node_leaf *)n)->type;
	const struct lysc_type_str *str = (const struct lysc_type_str *)t;
	const struct lysc_range *range = NULL;
	LY_ARRAY_COUNT_TYPE i;

	if (t->basetype == LY_TYPE_STRING) {
		LY_ARRAY_FOR (str->patterns, i)
			if (is_own(str->patterns[i]->emsg, str->patterns[i]->eapptag, msg, app,
				   app_tag))
				return;
		range = str->length;
	} else if (t->basetype >= LY_TYPE_UINT8 && t->basetype <= LY_TYPE_UINT64) {
		range = ((const struct lysc_type_num *)t)->range;
	} else if (t->basetype >= LY_TYPE_INT8 && t->basetype <= LY_TYPE_INT64) {
		range = ((const struct lysc_type_num *)t)->range;
	}
	if (range != NULL)
		(void)is_own(range->emsg, range->eapptag, msg, app, app_tag);
}

// What libyang says about one node, which of it a client can act on.
struct verdict {
	const char *tag, *app_tag;
	const struct rule *rule; // NULL = the model's own message
};

static void judge(const struct ly_ctx *ctx, const char *path, const char *msg, const char *app,
		  struct verdict *v)
{
	const struct lysc_node *at = schema_of(ctx, path, false), *top = schema_of(ctx, path, true);
	bool term = at != NULL && (at->nodetype & LYD_NODE_TERM) != 0;

	v->tag = "operation-failed";
	v->app_tag = NULL;
	v->rule = NULL;
	if (at != NULL && is_must(at, msg, app, &v->app_tag))
		return;
	v->rule = rule_of(msg, app);
	if (v->rule != NULL) {
		v->tag = v->rule->tag;
		v->app_tag = v->rule->app_tag;
		if (v->rule->rpc_tag != NULL && top != NULL &&
		    (top->nodetype & (LYS_RPC | LYS_ACTION)) != 0)
			v->tag = v->rule->rpc_tag;
	} else if (term) {
		v->tag = "invalid-value";
	}
	if (strcmp(v->tag, "invalid-value") != 0)
		return;
	if (term)
		type_app_tag(at, msg, app, &v->app_tag);
	else if (at != NULL) // of a bad attribute, libyang names the element around its element
		v->tag = "bad-attribute";
}

// What stands in an edit's <config> has a path of its own: libyang leaves the rpc in front of it.
static void data_path(char *path)
{
	static const char rpc[] = "/ietf-netconf:edit-config";
	const char *rest = path + sizeof(rpc) - 1;

	if (strncmp(path, rpc, sizeof(rpc) - 1) == 0 && *rest == '/' &&
	    rest[1 + strcspn(rest + 1, "/[:")] == ':')
		memmove(path, rest, strlen(rest) + 1);
}

int cfg_nc_refuse_ly(struct cfg_nc_error *e, const struct ly_ctx *ctx)
{
	struct cfg_error err = { 0 };
	LY_VECODE code = ly_vecode(ctx);
	char msg[256], app[64];
	struct verdict v;

	cfg_refuse_ly(&err, ctx);
	data_path(err.path);
	// A look-up below may take the place of libyang's last error.
	snprintf(msg, sizeof(msg), "%s", ly_errmsg(ctx) == NULL ? "not valid" : ly_errmsg(ctx));
	snprintf(app, sizeof(app), "%s", ly_errapptag(ctx) == NULL ? "" : ly_errapptag(ctx));
	if (strncmp(msg, "Storing value failed", 20) == 0) // all that is left of why not
		snprintf(msg, sizeof(msg),
			 "Storing value failed: an XPath expression or a prefix in it is wrong.");
	if (strncmp(msg, "Child element", 13) == 0) // well-formed, but a leaf has none
		code = LYVE_DATA;
	if (strncmp(msg, "Unknown XML prefix", 18) == 0 || code == LYVE_SYNTAX ||
	    code == LYVE_SYNTAX_XML || code == LYVE_SYNTAX_JSON) {
		cfg_nc_refuse(e, "malformed-message", "%s", err.reason);
		e->type = "rpc";
		return -EINVAL;
	}
	if (err.path[0] == '\0' &&
	    (strncmp(msg, "Node ", 5) == 0 || strncmp(msg, "No module", 9) == 0)) {
		cfg_nc_refuse(e, "operation-not-supported", "%s", msg);
		e->type = "protocol";
		return -EINVAL;
	}
	judge(ctx, err.path, msg, app, &v);
	cfg_nc_refuse(e, v.tag, "%s%s%s%s", err.path, err.path[0] != '\0' ? ": " : "",
		      strcmp(v.tag, "bad-attribute") == 0 ? "an attribute of an element in it: "
							  : "",
		      msg);
	e->app_tag = v.app_tag;
	if (strlen(err.path) + 1 < sizeof(err.path)) // else it may be cut off
		snprintf(e->path, sizeof(e->path), "%s", err.path);
	snprintf(e->value, sizeof(e->value), "%s", err.value);
	if (v.rule != NULL)
		fill_info(e, v.rule, msg);
	return -EINVAL;
}
