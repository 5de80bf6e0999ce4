// Random edits against a model that knows no YANG: plain variables for the nodes of one container.
// WEIR_SEED and WEIR_STEPS choose the edits.
#include "edit_rig.h"

#include <time.h>

enum op { MERGE, REPLACE, CREATE, DELETE, REMOVE, N_OPS };
static const char *const op_names[] = { "merge", "replace", "create", "delete", "remove" };

enum { KEYS = 5 };

struct entry {
	uint32_t key, v; // v 0 = absent, as everywhere below
};
struct entries {
	struct entry at[KEYS];
	uint32_t n;
};
struct model {
	uint32_t s, np_a, np_b, p_a, ca, ca2, cb_x, d1;
	bool np, p, cb;
	struct entries ul, l, ol;
};

struct edit {
	enum op op;
	bool none; // the default operation; else merge
	uint32_t key, value, where, anchor;
};

static uint64_t seed;

static uint32_t draw(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static bool is_write(enum op op)
{
	return op == MERGE || op == REPLACE || op == CREATE;
}

static const char *leaf(uint32_t *slot, const struct edit *x)
{
	if (x->op == CREATE && *slot != 0)
		return "data-exists";
	if (x->op == DELETE && *slot == 0)
		return "data-missing";
	*slot = is_write(x->op) ? x->value : 0;
	return "ok";
}

static void choose(struct model *m, char which)
{
	if (which != 'a')
		m->ca = m->ca2 = 0;
	if (which != 'b')
		m->cb = false, m->cb_x = 0;
	if (which != 'd')
		m->d1 = 0;
}

// --- Entries

static uint32_t find(const struct entries *l, uint32_t key)
{
	uint32_t i = 0;

	while (i < l->n && l->at[i].key != key)
		i++;
	return i;
}

static struct entry take(struct entries *l, uint32_t i)
{
	struct entry old = l->at[i];

	memmove(&l->at[i], &l->at[i + 1], (l->n - i - 1) * sizeof(l->at[0]));
	l->n--;
	return old;
}

static void put(struct entries *l, uint32_t i, struct entry e)
{
	memmove(&l->at[i + 1], &l->at[i], (l->n - i) * sizeof(l->at[0]));
	l->at[i] = e;
	l->n++;
}

// where: 0 anywhere, 1 first, 2 last, 3 before, 4 after
static const char *entry(struct entries *l, const struct edit *x)
{
	uint32_t i = find(l, x->key), to;
	bool there = i < l->n;
	struct entry e = { x->key, 0 };

	if (x->op == CREATE && there)
		return "data-exists";
	if (!is_write(x->op)) {
		if (there)
			take(l, i);
		return there || x->op == REMOVE ? "ok" : "data-missing";
	}
	if (x->where >= 3 && (x->anchor == x->key || find(l, x->anchor) == l->n))
		return "bad-attribute";
	if (there && x->where == 0) {
		if (x->op == REPLACE)
			l->at[i].v = 0;
		return "ok";
	}
	if (there)
		e = take(l, i);
	if (x->op == REPLACE)
		e.v = 0;
	to = x->where == 1   ? 0
	     : x->where == 3 ? find(l, x->anchor)
	     : x->where == 4 ? find(l, x->anchor) + 1
			     : l->n;
	put(l, to, e);
	return "ok";
}

static const char *entry_leaf(struct entries *l, const struct edit *x)
{
	uint32_t i = find(l, x->key);

	if (i == l->n) {
		if (x->none)
			return "data-missing";
		put(l, i, (struct entry){ x->key, 0 });
	}
	return leaf(&l->at[i].v, x);
}

// --- What can be edited: the model's answer, and the elements

static const char *np_whole(struct model *m, const struct edit *x)
{
	if (x->op == CREATE && (m->np_a != 0 || m->np_b != 0))
		return "data-exists";
	if (x->op == DELETE && !m->np)
		return "data-missing";
	m->np = is_write(x->op);
	if (x->op != MERGE)
		m->np_a = 0;
	m->np_b = m->np ? x->value : 0;
	return "ok";
}

// A leaf of a container without presence: the container comes with it, or with the merge.
static const char *np_leaf(bool *there, uint32_t *slot, const struct edit *x)
{
	const char *tag = leaf(slot, x);

	*there |= !x->none || *slot != 0;
	return tag;
}

static const char *p_whole(struct model *m, const struct edit *x)
{
	if (x->op == CREATE && m->p)
		return "data-exists";
	if (x->op == DELETE && !m->p)
		return "data-missing";
	m->p = is_write(x->op);
	if (x->op != MERGE)
		m->p_a = 0;
	return "ok";
}

static const char *case_leaf(struct model *m, const struct edit *x, uint32_t *slot, char which)
{
	const char *tag = leaf(slot, x);

	if (is_write(x->op))
		choose(m, which);
	return tag;
}

enum target { S, NP, NP_A, NP_B, P, P_A, UL, L, L_V, OL, OL_V, CA, CA2, CB_X, D1, N_TARGETS };

static const char *expect(struct model *m, enum target t, const struct edit *x)
{
	const char *tag;

	switch (t) {
	case S:
		return leaf(&m->s, x);
	case NP:
		return np_whole(m, x);
	case NP_A:
		return np_leaf(&m->np, &m->np_a, x);
	case NP_B:
		return np_leaf(&m->np, &m->np_b, x);
	case P:
		return p_whole(m, x);
	case P_A:
		if (!m->p && x->none)
			return "data-missing";
		m->p = true;
		return leaf(&m->p_a, x);
	case UL:
		return entry(&m->ul, x);
	case L:
		return entry(&m->l, x);
	case L_V:
		return entry_leaf(&m->l, x);
	case OL:
		return entry(&m->ol, x);
	case OL_V:
		return entry_leaf(&m->ol, x);
	case CA:
		return case_leaf(m, x, &m->ca, 'a');
	case CA2:
		return case_leaf(m, x, &m->ca2, 'a');
	case CB_X:
		tag = np_leaf(&m->cb, &m->cb_x, x);
		if (m->cb)
			choose(m, 'b');
		return tag;
	default:
		return case_leaf(m, x, &m->d1, 'd');
	}
}

// The elements of an edit. Half of what is deleted comes without its value.
static void write_edit(FILE *f, enum target t, const struct edit *x)
{
	static const char *const leaves[N_TARGETS][3] = {
		[S] = { "", "s", "" },
		[NP_A] = { "<np>", "a", "</np>" },
		[NP_B] = { "<np>", "b", "</np>" },
		[P_A] = { "<p>", "a", "</p>" },
		[CA] = { "", "ca", "" },
		[CA2] = { "", "ca2", "" },
		[CB_X] = { "<cb>", "x", "</cb>" },
		[D1] = { "", "d1", "" },
	};
	static const char *const wheres[] = { "", "first", "last", "before", "after" };
	char attr[160];
	int n = snprintf(attr, sizeof(attr), " nc:operation=\"%s\"", op_names[x->op]);

	if (x->where > 0)
		n += snprintf(attr + n, sizeof(attr) - (size_t)n, " y:insert=\"%s\"",
			      wheres[x->where]);
	if (x->where >= 3)
		snprintf(attr + n, sizeof(attr) - (size_t)n,
			 t == UL ? " y:value=\"%u\"" : " y:key=\"[t:k='%u']\"", x->anchor);
	fputs("<c xmlns=\"urn:t\">", f);
	if (leaves[t][1] != NULL)
		fprintf(f, "%s<%s%s>%u</%s>%s", leaves[t][0], leaves[t][1], attr, x->value,
			leaves[t][1], leaves[t][2]);
	else if (t == NP)
		fprintf(f, "<np%s>", attr), is_write(x->op) ? fprintf(f, "<b>%u</b>", x->value) : 0,
			fputs("</np>", f);
	else if (t == P)
		fprintf(f, "<p%s/>", attr);
	else if (t == UL)
		fprintf(f, "<ul%s>%u</ul>", attr, x->key);
	else if (t == L)
		fprintf(f, "<l%s><k>%u</k><j>1</j></l>", attr, x->key);
	else if (t == L_V)
		fprintf(f, "<l><k>%u</k><j>1</j><v%s>%u</v></l>", x->key, attr, x->value);
	else if (t == OL)
		fprintf(f, "<ol%s><k>%u</k></ol>", attr, x->key);
	else
		fprintf(f, "<ol><k>%u</k><v%s>%u</v></ol>", x->key, attr, x->value);
	fputs("</c>", f);
}

// --- The model as the configuration prints

static void write_leaf(FILE *f, const char *name, uint32_t value)
{
	if (value != 0)
		fprintf(f, "<%s>%u</%s>", name, value, name);
}

static void write_model(FILE *f, const struct model *m)
{
	fputs("<c xmlns=\"urn:t\">", f);
	write_leaf(f, "s", m->s);
	fputs("<v>1</v>", f);
	if (m->p) {
		fputs(m->p_a != 0 ? "<p>" : "<p/>", f);
		write_leaf(f, "a", m->p_a);
		fputs(m->p_a != 0 ? "</p>" : "", f);
	}
	if (m->np) {
		bool any = m->np_a != 0 || m->np_b != 0;

		fputs(any ? "<np>" : "<np/>", f);
		write_leaf(f, "a", m->np_a);
		write_leaf(f, "b", m->np_b);
		fputs(any ? "</np>" : "", f);
	}
	for (uint32_t i = 0; i < m->ul.n; i++)
		write_leaf(f, "ul", m->ul.at[i].key);
	for (uint32_t i = 0; i < m->l.n; i++) {
		fprintf(f, "<l><k>%u</k><j>1</j>", m->l.at[i].key);
		write_leaf(f, "v", m->l.at[i].v);
		fputs("</l>", f);
	}
	for (uint32_t i = 0; i < m->ol.n; i++) {
		fprintf(f, "<ol><k>%u</k>", m->ol.at[i].key);
		write_leaf(f, "v", m->ol.at[i].v);
		fputs("</ol>", f);
	}
	write_leaf(f, "ca", m->ca);
	write_leaf(f, "ca2", m->ca2);
	if (m->cb) {
		fputs(m->cb_x != 0 ? "<cb>" : "<cb/>", f);
		write_leaf(f, "x", m->cb_x);
		fputs(m->cb_x != 0 ? "</cb>" : "", f);
	}
	write_leaf(f, "d1", m->d1);
	fputs("</c>", f);
}

// One to three containers, each with one operation, in one edit: all or nothing.
static const char *step(struct model *m, FILE *f, bool none)
{
	struct model next = *m;
	const char *tag = "ok";

	for (uint32_t n = 1 + draw(3); n > 0; n--) {
		enum target t = draw(N_TARGETS);
		struct edit x = { .op = draw(N_OPS),
				  .none = none,
				  .key = 1 + draw(KEYS),
				  .value = 1 + draw(9),
				  .anchor = 1 + draw(KEYS) };

		if ((t == UL || t == OL) && is_write(x.op))
			x.where = draw(5);
		write_edit(f, t, &x);
		if (strcmp(tag, "ok") == 0)
			tag = expect(&next, t, &x);
	}
	if (strcmp(tag, "ok") == 0)
		*m = next;
	return tag;
}

static int edit_setup(void **state)
{
	return edit_open(state, WEIR_YANG_SRC);
}

static void random_edits_do_what_the_model_does(void **state)
{
	struct edit_rig *r = *state;
	struct model m = { 0 };
	uint64_t first = getenv("WEIR_SEED") != NULL ? strtoull(getenv("WEIR_SEED"), NULL, 10)
						     : (uint64_t)time(NULL);
	uint32_t steps = getenv("WEIR_STEPS") != NULL ? (uint32_t)atol(getenv("WEIR_STEPS")) : 2000,
		 refused = 0;

	seed = first;
	print_message("WEIR_SEED=%llu\n", (unsigned long long)first);
	edit_have(r, "<c xmlns=\"urn:t\"><v>1</v></c>");
	for (uint32_t i = 0; i < steps; i++) {
		char *edit = NULL, *wanted = NULL;
		size_t size;
		bool none = draw(2) == 1;
		FILE *f = open_memstream(&edit, &size);
		const char *expected, *tag;

		assert_non_null(f);
		expected = step(&m, f, none);
		fclose(f);
		f = open_memstream(&wanted, &size);
		assert_non_null(f);
		write_model(f, &m);
		fclose(f);
		tag = edit_try(r, none ? "none" : "merge", edit);
		if (strcmp(tag, expected) != 0 || strcmp(edit_text(r), wanted) != 0)
			fail_msg("step %u, default %s: %s\n  gave %s (%s)\n  %s\n  wanted %s\n  %s",
				 i, none ? "none" : "merge", edit, tag, r->e.message, edit_text(r),
				 expected, wanted);
		refused += strcmp(tag, "ok") != 0;
		free(edit);
		free(wanted);
	}
	assert_true(refused > steps / 10 && refused < steps * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_edits_do_what_the_model_does, edit_setup,
						edit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
