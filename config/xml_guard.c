// A look at an XML message before libyang parses it. Its parser (2.1.30) is recursive; it reads
// through all siblings for each element that it does not know; it crashes on two siblings of one
// name in no namespace; and an `operation` without prefix it drops without a word, so that a
// delete would merge. All of this is refused, or bounded, here.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netconf_priv.h"

#define NS_MONITORING "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"

enum {
	DEPTH_MAX = 128,      // of elements in elements
	STEPS_MAX = 20000000, // over siblings, of one message: 6,000 entries of one list; some 1 s
};

struct guard {
	const char *at;
	uint32_t depth;
	uint32_t siblings[DEPTH_MAX + 1]; // elements so far, by depth
	uint64_t steps;
	size_t root_end; // behind the root's name; 0 = it has a default namespace
	struct cfg_nc_error *e;
	const char *text;
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int refuse(struct guard *g, const char *tag, const char *what)
{
	cfg_nc_refuse(g->e, tag, "%s, at byte %zu", what, (size_t)(g->at - g->text));
	g->e->type = "rpc";
	return -EINVAL;
}

// One attribute of a start tag, at g->at.
static int attribute(struct guard *g, bool *has_default)
{
	const char *name = g->at, *value;
	size_t size = strcspn(name, "= \t\r\n/>"), value_size;
	char quote;

	g->at += size;
	while (is_space(*g->at))
		g->at++;
	if (*g->at != '=')
		return refuse(g, "malformed-message", "attribute without a value");
	g->at++;
	while (is_space(*g->at))
		g->at++;
	quote = *g->at;
	if (quote != '"' && quote != '\'')
		return refuse(g, "malformed-message", "attribute without quotes");
	value = ++g->at;
	while (*g->at != '\0' && *g->at != quote)
		g->at++;
	if (*g->at == '\0')
		return refuse(g, "malformed-message", "attribute without an end");
	value_size = (size_t)(g->at - value);
	g->at++;
	if (size == 5 && strncmp(name, "xmlns", 5) == 0) {
		*has_default = true;
		if (value_size == 0)
			return refuse(g, "malformed-message", "xmlns=\"\": no namespace");
	}
	if (size == 9 && strncmp(name, "operation", 9) == 0) {
		refuse(g, "unknown-attribute",
		       "operation: wants the prefix of the NETCONF namespace");
		cfg_nc_info(g->e, "bad-attribute", "operation");
		return -EINVAL;
	}
	return 0;
}

static int start_tag(struct guard *g)
{
	bool has_default = false, empty = false;
	size_t name_end;
	int rc = 0;

	if (g->depth == DEPTH_MAX)
		return refuse(g, "too-big", "more than 128 elements in each other");
	g->steps += g->siblings[g->depth]++;
	if (g->steps > STEPS_MAX)
		return refuse(g, "too-big", "too many elements beside each other");
	g->at += strcspn(g->at, " \t\r\n/>");
	name_end = (size_t)(g->at - g->text);
	while (rc == 0) {
		while (is_space(*g->at))
			g->at++;
		empty = *g->at == '/';
		g->at += empty;
		if (*g->at == '>')
			break;
		if (*g->at == '\0' || empty)
			return refuse(g, "malformed-message", "element without an end");
		rc = attribute(g, &has_default);
	}
	if (rc < 0)
		return rc;
	if (g->depth == 0 && !has_default)
		g->root_end = name_end;
	if (!empty)
		g->siblings[++g->depth] = 0;
	return 0;
}

// Behind the next `end`.
static int skip(struct guard *g, const char *end)
{
	const char *at = strstr(g->at, end);

	if (at == NULL)
		return refuse(g, "malformed-message", "no end of a comment or section");
	g->at = at + strlen(end);
	return 0;
}

static int markup(struct guard *g)
{
	if (strncmp(g->at, "!--", 3) == 0)
		return skip(g, "-->");
	if (strncmp(g->at, "![CDATA[", 8) == 0)
		return skip(g, "]]>");
	if (*g->at == '?')
		return skip(g, "?>");
	if (*g->at == '!') // RFC 6241 section 3: no document type
		return refuse(g, "malformed-message", "a document type is not taken");
	if (*g->at == '/') {
		if (g->depth == 0)
			return refuse(g, "malformed-message", "end of an element that never began");
		g->depth--;
		return 0;
	}
	return start_tag(g);
}

// What a client that forgot the default namespace meant: that of the rpc. ncclient leaves <format>
// of get-schema without a prefix, too: there the value is meant.
static int give_namespace(const struct guard *g, char **out)
{
	const char *ns = strstr(g->text, "get-schema") != NULL ? NS_MONITORING : NC_NS;

	return asprintf(out, "%.*s xmlns=\"%s\"%s", (int)g->root_end, g->text, ns,
			g->text + g->root_end) < 0
		       ? -ENOMEM
		       : 0;
}

int cfg_xml_guard(const char *text, char **out, struct cfg_nc_error *e)
{
	struct guard g = { .at = text, .text = text, .e = e };
	int rc = 0;

	*out = NULL;
	while (rc == 0 && (g.at = strchr(g.at, '<')) != NULL) {
		g.at++;
		rc = markup(&g);
	}
	if (rc == 0 && g.root_end != 0 && give_namespace(&g, out) < 0)
		rc = cfg_nc_refuse(e, "resource-denied", "out of memory");
	return rc;
}
