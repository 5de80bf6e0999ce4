// XPath expressions of clients, within bounds. libyang evaluates without a limit and the main loop
// waits for it, so what an expression may cost is estimated before: the nodes of the tree, times
// the tree again for each way that leads out of a predicate's own small context. What libyang
// (2.1.30) would crash on is refused.
#include "filter_priv.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

// Node visits: some 0.5 s. A path over all of 100,000 nodes is far below it, a path over all nodes
// for each of 10,000 nodes is above it.
#define COST_MAX 20000000.0
#define BLANKS " \t\r\n"

// How large a tree is, and how many children the parent of a node has: weighted by node, and at
// most. A step up and down again from each node visits mean_family nodes.
struct shape {
	double n_nodes, mean_family, max_family;
};

// Where an expression stands: outside of literals, and how deep in brackets.
struct scan {
	struct shape shape;
	uint32_t depth;		  // of [ and (
	char last;		  // that is not blank
	bool operand;		  // is an operand next, so that / begins a path at the root?
	double factor;		  // times the tree
	uint32_t n_wide, n_inner; // wide steps; those in brackets
};

// Sums up mean_family; it is divided at the end.
static void shape_add(const struct lyd_node *tree, struct shape *s)
{
	const struct lyd_node *n;
	double count = 0;

	LY_LIST_FOR (tree, n) {
		count++;
		shape_add(lyd_child(n), s);
	}
	s->n_nodes += count;
	s->mean_family += count * count;
	if (count > s->max_family)
		s->max_family = count;
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

// How often more the nodes so far are visited because of a wide step.
static double step_factor(const char *p, const struct scan *s)
{
	bool sibling = starts(p, "following-sibling") || starts(p, "preceding-sibling"),
	     across = starts(p, "following") || starts(p, "preceding"),
	     up = starts(p, "..") || starts(p, "parent");

	if (sibling || (up && s->depth > 0))
		return s->n_inner == 0 ? s->shape.mean_family : s->shape.max_family;
	if (s->depth > 0 || across || (s->operand && s->n_wide > 0))
		return s->shape.n_nodes;
	return 4; // at the top a step visits each node once: sets have no duplicates
}

// Is an operator next? What went before decides whether "mod" is one or a name, and a * too.
static bool after_operand(const struct scan *s)
{
	return strchr("|/:[(,=<>!+-@", s->last) == NULL;
}

// A name, or an operator that is a word: that one may touch what follows it, as libyang reads it.
//
// returns  its length, 0 = no letter stands at p
static size_t word(const char *p, struct scan *s)
{
	static const char *const operators[] = { "and", "or", "div" };
	size_t size = 0;

	if (!isalpha((unsigned char)*p) && *p != '_' && (unsigned char)*p < 0x80)
		return 0;
	for (size_t i = 0; after_operand(s) && i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (!starts(p, operators[i]))
			continue;
		s->operand = true;
		s->last = '|';
		return strlen(operators[i]);
	}
	while (isalnum((unsigned char)p[size]) || (unsigned char)p[size] >= 0x80 ||
	       (p[size] != '\0' && strchr("_.-", p[size]) != NULL))
		size++;
	s->operand = false;
	s->last = p[size - 1];
	if (s->last == '-')
		s->last = 'a'; // of the name
	return size;
}

// One character, word or wide step that is not in a literal. returns how many characters
static size_t scan_step(const char *p, struct scan *s)
{
	size_t size = wide_step(p, s);

	if (size == 0) {
		size = word(p, s);
		if (size > 0)
			return size;
	} else {
		s->factor *= step_factor(p, s);
		s->n_wide++;
		s->n_inner += s->depth > 0;
		s->operand = false;
		s->last = p[size - 1];
		return size;
	}
	if (*p == '[' || *p == '(')
		s->depth++;
	else if ((*p == ']' || *p == ')') && s->depth > 0)
		s->depth--;
	// A * is a name where one is wanted.
	if (*p == '*' && after_operand(s)) {
		s->operand = true;
		s->last = '|';
		return 1;
	}
	s->operand = strchr("[(,|=<>!+" BLANKS, *p) != NULL;
	if (strchr(BLANKS, *p) == NULL)
		s->last = *p;
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
	};

	if (expr[0] == '\0' || strchr("\"'-.0123456789", expr[0]) != NULL)
		return expr[0] == '.';
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (starts(expr, functions[i]))
			return false;
	return true;
}

// Refuse what has no bound, or what libyang crashes on: it divides integers for mod, by zero too,
// and these functions look into the node that they are given, the root too, which has none.
static int refuse_unsafe(const char *p, const char *expr, const struct scan *s,
			 struct cfg_nc_error *e)
{
	static const char *const functions[] = {
		"re-match", "deref", "derived-from", "enum-value", "bit-is-set",
	};

	if (after_operand(s) && starts(p, "mod"))
		return cfg_nc_refuse(e, "resource-denied", "XPath %s: mod is not taken", expr);
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (starts(p, functions[i]))
			return cfg_nc_refuse(e, "resource-denied", "XPath %s: %s() is not taken",
					     expr, functions[i]);
	return 0;
}

// Check an expression without evaluating it.
static int expr_check(const char *expr, const struct shape *shape, struct cfg_nc_error *e)
{
	struct scan s = { .shape = *shape, .last = '|', .operand = true, .factor = 1 };
	double n_nodes = shape->n_nodes;
	double cost = 0;

	for (const char *p = expr; *p != '\0';) {
		if (*p == '"' || *p == '\'') {
			const char *end = strchr(p + 1, *p);

			if (end == NULL)
				return cfg_nc_refuse(e, "invalid-value",
						     "XPath %s: a quote is not closed", expr);
			p = end + 1;
			s.operand = false;
			s.last = '"';
			continue;
		}
		if (refuse_unsafe(p, expr, &s, e) < 0)
			return -EINVAL;
		if (s.depth == 0 && strchr("=<>!", *p) != NULL)
			return cfg_nc_refuse(e, "invalid-value", "XPath %s: selects no nodes",
					     expr);
		if (s.depth == 0 && *p == '|') {
			cost += s.factor * n_nodes;
			s.factor = 1;
			s.n_wide = s.n_inner = 0;
		}
		p += scan_step(p, &s);
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
	struct shape shape = { 0 };
	int rc;

	*out = NULL;
	if (strlen(expr) > CFG_XPATH_MAX)
		return cfg_nc_refuse(e, "too-big", "XPath %.64s...: longer than %d bytes", expr,
				     CFG_XPATH_MAX);
	if (!selects_nodes(expr))
		return cfg_nc_refuse(e, "invalid-value", "XPath %s: selects no nodes", expr);
	shape_add(tree, &shape);
	shape.mean_family /= shape.n_nodes > 0 ? shape.n_nodes : 1;
	rc = expr_check(expr, &shape, e);
	if (rc < 0)
		return rc;
	if (tree != NULL)
		return evaluate(ctx, tree, expr, out, e);
	return ly_set_new(out) == LY_SUCCESS ? 0 : -ENOMEM;
}
