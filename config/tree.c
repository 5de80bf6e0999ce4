// Reading libyang trees, and errors.
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

int cfg_refuse(struct cfg_error *err, const char *path, const char *value, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return -EINVAL;
	err->app_tag[0] = '\0';
	snprintf(err->path, sizeof(err->path), "%s", path);
	snprintf(err->value, sizeof(err->value), "%s", value == NULL ? "" : value);
	va_start(ap, fmt);
	vsnprintf(err->reason, sizeof(err->reason), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

// Copy what stands between `before` and the next quote mark.
static void between(const char *text, const char *before, char *out, size_t size)
{
	const char *at = strstr(text, before);
	size_t n = 0;

	if (at != NULL) {
		at += strlen(before);
		n = strcspn(at, "\"");
		snprintf(out, size, "%.*s", (int)n, at);
	}
}

// "Unsatisfied pattern - "x" does not conform to "[a-z]+"." is for programmers: say what the module
// says of that pattern, if anything.
static void pattern_say(struct cfg_error *err, const struct ly_ctx *ctx)
{
	const struct lysc_type_str *type;
	const struct lysc_node *node;
	char expr[sizeof(err->reason)] = "", path[sizeof(err->path)];
	uint32_t options, n = 0;
	LY_ARRAY_COUNT_TYPE i;

	between(err->reason, "inverted \"", expr, sizeof(expr));
	if (expr[0] == '\0')
		between(err->reason, "does not conform to \"", expr, sizeof(expr));
	if (expr[0] == '\0' || err->path[0] != '/')
		return;
	// The schema's path: without keys. Values with brackets find no node, and no words.
	for (const char *p = err->path; *p != '\0'; p++) {
		if (*p == '[')
			p += strcspn(p, "]");
		else
			path[n++] = *p;
		if (*p == '\0')
			return;
	}
	path[n] = '\0';
	options = ly_log_options(0); // the error that stands in ctx is the caller's
	node = lys_find_path(ctx, NULL, path, 0);
	ly_log_options(options);
	if (node == NULL || (node->nodetype & (LYS_LEAF | LYS_LEAFLIST)) == 0)
		return;
	type = (const struct lysc_type_str *)((const struct lysc_node_leaf *)node)->type;
	if (type->basetype != LY_TYPE_STRING)
		return;
	LY_ARRAY_FOR (type->patterns, i) {
		if (strcmp(type->patterns[i]->expr, expr) == 0 && type->patterns[i]->dsc != NULL)
			snprintf(err->reason, sizeof(err->reason), "%s", type->patterns[i]->dsc);
	}
}

// Reasons go to logs and to those who listen: what is wrong with a secret is said without it.
static bool is_secret(const char *path)
{
	return strstr(path, "/chap/secret") != NULL;
}

int cfg_refuse_ly(struct cfg_error *err, const struct ly_ctx *ctx)
{
	const char *msg = ly_errmsg(ctx), *path = ly_errpath(ctx), *at;
	const struct ly_err_item *last;
	unsigned line = 0;
	size_t len;

	if (err == NULL)
		return -EINVAL;
	memset(err, 0, sizeof(*err));
	if (path != NULL) {
		// libyang 2.1 writes: Schema location "/..", data location "/..", line number 7.
		between(path, "ata location \"", err->path, sizeof(err->path));
		if (err->path[0] == '\0')
			between(path, "chema location \"", err->path, sizeof(err->path));
		if (err->path[0] == '\0' && path[0] == '/')
			snprintf(err->path, sizeof(err->path), "%s", path);
	}
	last = ly_err_first(ctx);
	if (last != NULL && last->prev->apptag != NULL)
		snprintf(err->app_tag, sizeof(err->app_tag), "%s", last->prev->apptag);
	if (path != NULL && (at = strstr(path, "ine number ")) != NULL)
		line = (unsigned)strtoul(at + 11, NULL, 10);
	if (msg != NULL) {
		between(msg, "alue \"", err->value, sizeof(err->value));
		if (err->value[0] == '\0') // "Unsatisfied pattern - "x" does not conform to ..."
			between(msg, " - \"", err->value, sizeof(err->value));
		snprintf(err->reason, sizeof(err->reason), "%s", msg);
		pattern_say(err, ctx);
		if (path != NULL && is_secret(path) && err->app_tag[0] == '\0') {
			err->value[0] = '\0';
			snprintf(err->reason, sizeof(err->reason),
				 "secret: expected 12 to 63 printable ASCII characters without "
				 "spaces");
		}
		len = strlen(err->reason);
		if (line > 0)
			snprintf(err->reason + len, sizeof(err->reason) - len, " (line %u)", line);
	} else {
		snprintf(err->reason, sizeof(err->reason), "not valid");
	}
	return -EINVAL;
}

const struct lyd_node *cfg_top(const struct lyd_node *tree, const char *name)
{
	const struct lyd_node *n;

	LY_LIST_FOR (tree, n) {
		if (n->schema != NULL && strcmp(n->schema->name, name) == 0)
			return n;
	}
	return NULL;
}

const struct lyd_node *cfg_child(const struct lyd_node *parent, const char *name)
{
	return parent == NULL ? NULL : cfg_top(lyd_child(parent), name);
}

const char *cfg_value(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *n = cfg_child(parent, name);

	return n == NULL ? NULL : lyd_get_value(n);
}

uint32_t cfg_number(const struct lyd_node *parent, const char *name, uint32_t otherwise)
{
	const char *v = cfg_value(parent, name);

	return v == NULL ? otherwise : (uint32_t)strtoul(v, NULL, 10);
}

uint64_t cfg_number64(const struct lyd_node *parent, const char *name, uint64_t otherwise)
{
	const char *v = cfg_value(parent, name);

	return v == NULL ? otherwise : strtoull(v, NULL, 10);
}

bool cfg_flag(const struct lyd_node *parent, const char *name, bool otherwise)
{
	const char *v = cfg_value(parent, name);

	return v == NULL ? otherwise : strcmp(v, "true") == 0;
}

void cfg_text(const struct lyd_node *parent, const char *name, char *out, size_t size)
{
	const char *v = cfg_value(parent, name);

	if (v != NULL)
		snprintf(out, size, "%s", v);
}

uint32_t cfg_count(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *n;
	uint32_t count = 0;

	if (parent == NULL)
		return 0;
	LY_LIST_FOR (lyd_child(parent), n) {
		count += n->schema != NULL && strcmp(n->schema->name, name) == 0;
	}
	return count;
}

const char *cfg_addr_text(const uint8_t addr[16], char *buf, size_t size)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = memcmp(addr, mapped, sizeof(mapped)) == 0;

	return inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, buf, (socklen_t)size);
}

bool cfg_addr_is_loopback(const uint8_t addr[16])
{
	static const uint8_t v4[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 };
	static const uint8_t v6[16] = { [15] = 1 };

	return memcmp(addr, v4, sizeof(v4)) == 0 || memcmp(addr, v6, sizeof(v6)) == 0;
}
