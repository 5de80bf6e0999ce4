// explain's walk of OpenFlow's tables: which rule matched and why, what was done, and the misses.
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "control_priv.h"
#include "dp_flow_table.h"
#include "dp_of.h"
#include "of_agent.h"
#include "of_text.h"

struct walk {
	struct ctl *c;
	struct cfg_json *j;
	struct of_text_ports ports;
	struct dp_port_info info; // of the last name
	bool in_table, in_set;	  // what is open
};

static const char *port_name(void *arg, uint32_t port)
{
	struct walk *w = arg;

	for (uint16_t i = 0; i < DP_MAX_PORTS; i++) {
		if (dp_switch_port_info(w->c->sw, i, &w->info) == 0 && w->info.cfg.of_port == port)
			return w->info.cfg.name;
	}
	return NULL;
}

static void text_put(struct cfg_json *j, const char *key, struct of_text *t)
{
	cfg_json_str(j, key, t->buf == NULL ? "" : t->buf);
	of_text_fini(t);
}

// The list that is open ends, and its table with it.
static void close_step(struct walk *w)
{
	if (w->in_table) {
		cfg_json_close(w->j, ']');
		cfg_json_close(w->j, '}');
	}
	w->in_table = false;
}

static void put_rule(struct walk *w, const struct dp_of_step *s)
{
	const struct dp_flow_rule *r = dp_of_flow_rule(s->flow);
	struct of_text t = { 0 };
	char cookie[24];

	snprintf(cookie, sizeof(cookie), "0x%" PRIx64, of_agent_cookie(s->flow));
	cfg_json_u32(w->j, "priority", s->priority);
	cfg_json_str(w->j, "cookie", cookie);
	of_text_key(&t, &r->key, &r->mask, &w->ports);
	text_put(w->j, "match", &t);
	of_text_seen(&t, &s->key, &r->mask, &w->ports);
	text_put(w->j, "frame-has", &t);
	of_text_prog(&t, atomic_load_explicit(&r->prog, memory_order_acquire), &w->ports);
	text_put(w->j, "actions", &t);
}

static void put_table(struct walk *w, const struct dp_of_step *s)
{
	close_step(w);
	cfg_json_open(w->j, NULL, '{');
	cfg_json_u32(w->j, "table", s->table);
	cfg_json_bool(w->j, "miss", s->kind == DP_OF_STEP_MISS || s->flow == NULL);
	if (s->kind == DP_OF_STEP_TABLE && s->flow != NULL)
		put_rule(w, s);
	cfg_json_open(w->j, "applied", '[');
	w->in_table = true;
}

static void step(void *arg, const struct dp_of_step *s)
{
	struct walk *w = arg;
	struct of_text t = { 0 };

	if (s->kind == DP_OF_STEP_TABLE || s->kind == DP_OF_STEP_MISS) {
		put_table(w, s);
		return;
	}
	if (s->kind == DP_OF_STEP_SET && !w->in_set) {
		close_step(w);
		cfg_json_close(w->j, ']');
		cfg_json_open(w->j, "action-set", '[');
		w->in_set = true;
	}
	if (!w->in_table && !w->in_set)
		return; // an action before a table: not of a walk
	of_text_ops(&t, (const uint8_t *)s->op, s->op->size, &w->ports);
	text_put(w->j, NULL, &t);
}

void ctl_explain_of(struct ctl *c, uint32_t of_port, const uint8_t *frame, size_t size,
		    struct cfg_json *j)
{
	struct walk w = { .c = c, .j = j, .ports = { .name = port_name } };
	struct dp_of *of = ctl_of_tables(c);

	if (of == NULL || of_port == 0)
		return;
	w.ports.arg = &w;
	cfg_json_open(j, "openflow", '{');
	cfg_json_open(j, "tables", '[');
	if (dp_of_explain(of, of_port, frame, size, step, &w) < 0)
		close_step(&w); // what there was of it
	close_step(&w);
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}
