// The registry of learnt portals beside a model without an index: 100,000 random steps, and after
// each the same answer, counters and entries.
#include <errno.h>

#include "../unit.h"
#include "qos_learn.h"

#define N_STEPS 100000u
#define N_TEACHERS 5u
#define N_MODEL 64u

struct model {
	struct qos_learnt e[N_MODEL];
	struct qos_learn_params params;
	struct qos_learn_counts counts;
	uint32_t listed; // bits of teachers
};

struct world {
	struct model m;
	struct qos_learn *l;
	struct qos_portals *table;
	uint64_t now_s;
	uint32_t seed;
};

static uint32_t below(struct world *w, uint32_t n)
{
	w->seed = w->seed * 1664525u + 1013904223u;
	return (w->seed >> 12) % n;
}

static struct qos_addr ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct qos_addr){ { [10] = 0xff, 0xff, a, b, c, d } };
}

static struct qos_addr teacher(uint32_t i)
{
	return ip4(192, 0, 2, (uint8_t)(1 + i));
}

static struct qos_portals *table_of(uint32_t listed)
{
	struct qos_portals *t;

	assert_int_equal(qos_portals_create(&t), 0);
	for (uint32_t i = 0; i < N_TEACHERS; i++) {
		struct qos_addr a = teacher(i);

		if ((listed & 1u << i) != 0)
			assert_int_equal(qos_portals_add_server(t, &a, 128), 0);
	}
	return t;
}

static struct qos_portal any_portal(struct world *w)
{
	struct qos_portal p = { ip4(10, 0, 0, (uint8_t)below(w, 8)), (uint16_t)below(w, 12), 6,
				QOS_SVC_ISCSI, QOS_HOW_REDIRECT };

	if (below(w, 10) == 0)
		p.addr = ip4(127, 0, 0, 1);
	if (below(w, 4) == 0)
		p.proto = 17;
	return p;
}

static bool same(const struct qos_portal *a, const struct qos_portal *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && a->proto == b->proto &&
	       a->port == b->port;
}

// --- The model: entries with uses 0 are free

static struct qos_learnt *model_get(struct model *m, const struct qos_portal *p)
{
	for (uint32_t i = 0; i < N_MODEL; i++) {
		if (m->e[i].uses != 0 && same(&m->e[i].portal, p))
			return &m->e[i];
	}
	return NULL;
}

static uint32_t model_count(const struct model *m, const struct qos_addr *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < N_MODEL; i++)
		n += m->e[i].uses != 0 &&
		     (t == NULL || memcmp(&m->e[i].teacher, t, sizeof(*t)) == 0);
	return n;
}

static bool is_listed(const struct model *m, const struct qos_addr *t)
{
	return (m->listed & 1u << (t->b[15] - 1)) != 0;
}

static int model_add(struct model *m, const struct qos_addr *t, const struct qos_portal *p,
		     uint64_t now_s)
{
	struct qos_learnt *e = model_get(m, p);

	if (!is_listed(m, t))
		return m->counts.refused_unlisted++, -EPERM;
	if (p->port == 0 || p->addr.b[12] == 127)
		return m->counts.refused_address++, -EINVAL;
	if (e != NULL) {
		m->counts.again++;
		e->last_s = now_s;
		e->first_s = e->first_s < now_s ? e->first_s : now_s;
		e->uses++;
		if (!is_listed(m, &e->teacher) && model_count(m, t) < m->params.max_per_teacher)
			e->teacher = *t;
		return -EEXIST;
	}
	if (model_count(m, t) >= m->params.max_per_teacher)
		return m->counts.refused_teacher_full++, -ENOSPC;
	if (model_count(m, NULL) >= m->params.max)
		return m->counts.refused_full++, -ENOSPC;
	for (e = m->e; e->uses != 0; e++)
		;
	*e = (struct qos_learnt){ *p, *t, now_s, now_s, 1 };
	m->counts.taught++;
	return 0;
}

static uint32_t model_age(struct model *m, uint64_t now_s)
{
	uint32_t n = 0;

	for (struct qos_learnt *e = m->e; e < m->e + N_MODEL; e++) {
		bool old = m->params.ageing_s != 0 && now_s > e->last_s + m->params.ageing_s;

		if (e->uses == 0 || (!old && is_listed(m, &e->teacher)))
			continue;
		m->counts.aged += old;
		m->counts.dropped += !old;
		e->uses = 0;
		n++;
	}
	return n;
}

// --- Both

static void step_add(struct world *w)
{
	struct qos_addr t = teacher(below(w, N_TEACHERS));
	struct qos_portal p = any_portal(w);

	assert_int_equal(qos_learn_add(w->l, w->table, &t, &p, w->now_s),
			 model_add(&w->m, &t, &p, w->now_s));
}

static void step_seen(struct world *w)
{
	struct qos_portal p = any_portal(w);
	struct qos_learnt *e = model_get(&w->m, &p);

	assert_int_equal(qos_learn_seen(w->l, &p.addr, p.proto, p.port, w->now_s), e != NULL);
	if (e != NULL) {
		e->last_s = w->now_s;
		e->first_s = e->first_s < w->now_s ? e->first_s : w->now_s;
	}
}

static void step_remove(struct world *w)
{
	struct qos_portal p = any_portal(w);
	struct qos_learnt *e = model_get(&w->m, &p);

	assert_int_equal(qos_learn_remove(w->l, &p.addr, p.proto, p.port), e == NULL ? -ENOENT : 0);
	if (e != NULL) {
		e->uses = 0;
		w->m.counts.dropped++;
	}
}

static void step_table(struct world *w)
{
	qos_portals_destroy(w->table);
	w->m.listed = below(w, 1u << N_TEACHERS) | 1;
	w->table = table_of(w->m.listed);
}

// Bounds that only grow, or hold all: which of two of the same age goes is not said.
static void step_set(struct world *w)
{
	w->m.params.ageing_s = below(w, 3) * 50;
	w->m.params.max = model_count(&w->m, NULL) + below(w, 20);
	w->m.params.max_per_teacher = 20;
	if (w->m.params.max > N_MODEL)
		w->m.params.max = N_MODEL;
	qos_learn_set(w->l, &w->m.params);
}

// To text and back, into one that has the same bounds: nothing is lost but the counters.
static void step_text(struct world *w)
{
	struct qos_learn_counts before, after;
	struct qos_learn *again;
	uint32_t line;
	size_t size;
	char *text;

	assert_int_equal(qos_learn_write(w->l, &text, &size), 0);
	assert_int_equal(qos_learn_create(&w->m.params, &again), 0);
	assert_int_equal(qos_learn_read(again, text, size, &line), 0);
	qos_learn_counts(w->l, &before);
	qos_learn_counts(again, &after);
	assert_int_equal(before.now, after.now);
	qos_learn_destroy(w->l);
	w->l = again;
	memset(&w->m.counts, 0, sizeof(w->m.counts));
	free(text);
}

static void compare(struct world *w)
{
	struct qos_learn_counts c;

	w->m.counts.now = model_count(&w->m, NULL);
	qos_learn_counts(w->l, &c);
	assert_memory_equal(&c, &w->m.counts, sizeof(c));
	for (uint32_t i = 0; i < c.now; i++) {
		const struct qos_learnt *e = qos_learn_at(w->l, i), *m;

		assert_non_null(e);
		m = model_get(&w->m, &e->portal);
		assert_non_null(m);
		assert_memory_equal(&e->teacher, &m->teacher, sizeof(e->teacher));
		assert_true(e->first_s == m->first_s && e->last_s == m->last_s &&
			    e->uses == m->uses);
	}
	assert_null(qos_learn_at(w->l, c.now));
}

static void step(struct world *w)
{
	uint32_t what = below(w, 1000);

	w->now_s += below(w, 3);
	if (below(w, 500) == 0)
		w->now_s = w->now_s > 300 ? w->now_s - below(w, 300) : 0; // set back
	if (what < 700)
		step_add(w);
	else if (what < 900)
		step_seen(w);
	else if (what < 950)
		step_remove(w);
	else if (what < 985)
		assert_int_equal(qos_learn_age(w->l, w->table, w->now_s),
				 model_age(&w->m, w->now_s));
	else if (what < 990)
		step_table(w);
	else if (what < 995)
		step_set(w);
	else
		step_text(w);
	compare(w);
}

static void it_does_what_the_model_does(void **state)
{
	struct world w = { .seed = 6, .now_s = 1000 };
	uint64_t taught = 0, aged = 0, full = 0, teacher_full = 0;

	(void)state;
	w.m.params = (struct qos_learn_params){ 48, 20, 50 };
	w.m.listed = 0xf;
	w.table = table_of(w.m.listed);
	assert_int_equal(qos_learn_create(&w.m.params, &w.l), 0);
	for (uint32_t i = 0; i < N_STEPS; i++) {
		struct qos_learn_counts before = w.m.counts;

		step(&w);
		taught += w.m.counts.taught > before.taught;
		aged += w.m.counts.aged > before.aged;
		full += w.m.counts.refused_full > before.refused_full;
		teacher_full += w.m.counts.refused_teacher_full > before.refused_teacher_full;
	}
	// All of it was met, often.
	assert_true(taught > 1000 && aged > 100 && full > 100 && teacher_full > 100);
	qos_learn_destroy(w.l);
	qos_portals_destroy(w.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(it_does_what_the_model_does) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
