// XPath expressions of clients, within bounds. libyang evaluates without a limit and the main loop
// waits for it, so what an expression may cost is estimated before: the nodes of the tree, times
// the tree again for each way that leads out of a predicate's own small context.
#include "filter_priv.h"

#include <errno.h>
#include <string.h>

// Node visits: some 0.5 s. A path over all of 100,000 nodes is far below it, a path over all nodes
// for each of 10,000 nodes is above it.
#define COST_MAX 20000000.0
#define BLANKS " \t\r\n"

// Where an expression stands: outside of literals, and how deep in brackets.
struct scan {
	uint32_t depth; // of [ and (
	bool operand;	// is an operand next, so that / begins a path at the root?
	double factor;	// times the tree
	uint32_t n_wide;
};

static uint32_t count_nodes(const struct lyd_node *tree)
{
	const struct lyd_node *n;
	uint32_t count = 0;

	LY_LIST_FOR (tree, n) {
		count += 1 + count_nodes(lyd_child(n));
	}
	return count;
}

static bool starts(const char *p, const char *word)
{
	return strncmp(p, word, strlen(word)) == 0;
}

// Does a step that can reach much of the tree begin at p? Blanks may stand before :: and (.
//
// returns  its length, 0 = it does not
static size_t wide_step(const char *p, const struct scan *s)
{
	static const char *const words[] = {
		"following-sibling",
		"following",
		"preceding-sibling",
		"preceding",
		"ancestor-or-self",
		"ancestor",
		"parent",
		"descendant-or-self",
		"descendant",
		"current",
		"deref",
	};

	if (starts(p, "//") || starts(p, ".."))
		return 2;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *end = p + strlen(words[i]);

		if (!starts(p, words[i]))
			continue;
		end += strspn(end, BLANKS);
		if (starts(end, "::") || *end == '(')
			return strlen(words[i]);
	}
	return *p == '/' && s->operand ? 1 : 0;
}

// One character, or one wide step, that is not in a literal. returns how many characters
static size_t scan_step(const char *p, struct scan *s, double n_nodes)
{
	size_t size = wide_step(p, s);

	if (size > 0) {
		// At the top each node is visited once more: sets have no duplicates.
		bool across = starts(p, "following") || starts(p, "preceding");

		if (s->depth > 0 || across || (s->operand && s->n_wide > 0))
			s->factor *= n_nodes;
		else
			s->factor *= 4;
		s->n_wide++;
		s->operand = false;
		return size;
	}
	if (*p == '[' || *p == '(')
		s->depth++;
	else if ((*p == ']' || *p == ')') && s->depth > 0)
		s->depth--;
	// After a blank too: there may have been "and".
	s->operand = strchr("[(,|=<>!+*" BLANKS, *p) != NULL;
	return 1;
}

// Does the expression name nodes at all? RFC 6241 section 8.9.5.2 asks for a node-set.
static bool selects_nodes(const char *expr)
{
	static const char *const functions[] = {
		"boolean(",
		"ceiling(",
		"concat(",
		"contains(",
		"count(",
		"false(",
		"floor(",
		"last(",
		"local-name(",
		"name(",
		"not(",
		"number(",
		"position(",
		"namespace-uri(",
		"string(",
		"sum(",
		"true(",
		"translate(",
		"string-length(",
		"starts-with(",
		"lang(",
		"round(",
		"substring(",
		"substring-before(",
		"substring-after(",
		"normalize-space(",
		"enum-value(",
		"derived-from(",
		"derived-from-or-self(",
		"bit-is-set(",
	};

	if (expr[0] == '\0' || strchr("\"'-.0123456789", expr[0]) != NULL)
		return expr[0] == '.';
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (starts(expr, functions[i]))
			return false;
	return true;
}

// Check an expression without evaluating it.
static int expr_check(const char *expr, double n_nodes, struct cfg_nc_error *e)
{
	struct scan s = { .operand = true, .factor = 1 };
	double cost = 0;

	for (const char *p = expr; *p != '\0';) {
		if (*p == '"' || *p == '\'') {
			const char *end = strchr(p + 1, *p);

			if (end == NULL)
				return cfg_nc_refuse(e, "invalid-value",
						     "XPath %s: a quote is not closed", expr);
			p = end + 1;
			s.operand = false;
			continue;
		}
		if (starts(p, "re-match"))
			return cfg_nc_refuse(e, "resource-denied",
					     "XPath %s: re-match() has no bound", expr);
		if (s.depth == 0 && strchr("=<>!", *p) != NULL)
			return cfg_nc_refuse(e, "invalid-value", "XPath %s: selects no nodes",
					     expr);
		if (s.depth == 0 && *p == '|') {
			cost += s.factor * n_nodes;
			s.factor = 1;
			s.n_wide = 0;
		}
		p += scan_step(p, &s, n_nodes);
	}
	if (cost + s.factor * n_nodes <= COST_MAX)
		return 0;
	return cfg_nc_refuse(e, "resource-denied",
			     "XPath %s: could visit the datastore's %.0f nodes too often", expr,
			     n_nodes);
}

static int evaluate(const struct ly_ctx *ctx, const struct lyd_node *tree, const char *expr,
		    struct ly_set **out, struct cfg_nc_error *e)
{
	LY_ERR rc;

	ly_err_clean((struct ly_ctx *)ctx, NULL);
	rc = lyd_find_xpath3(NULL, tree, expr, NULL, out);
	if (rc == LY_SUCCESS)
		return 0;
	*out = NULL;
	if (rc == LY_EMEM)
		return -ENOMEM;
	return cfg_nc_refuse(e, "invalid-value", "XPath %s: %s", expr,
			     ly_errmsg(ctx) == NULL ? "not understood" : ly_errmsg(ctx));
}

int cfg_xpath_find(const struct ly_ctx *ctx, const struct lyd_node *tree, const char *expr,
		   struct ly_set **out, struct cfg_nc_error *e)
{
	int rc;

	*out = NULL;
	if (strlen(expr) > CFG_XPATH_MAX)
		return cfg_nc_refuse(e, "too-big", "XPath %.64s...: longer than %d bytes", expr,
				     CFG_XPATH_MAX);
	if (!selects_nodes(expr))
		return cfg_nc_refuse(e, "invalid-value", "XPath %s: selects no nodes", expr);
	rc = expr_check(expr, count_nodes(tree), e);
	if (rc < 0)
		return rc;
	if (tree != NULL)
		return evaluate(ctx, tree, expr, out, e);
	return ly_set_new(out) == LY_SUCCESS ? 0 : -ENOMEM;
}
