// The flows of a switch beside those of a file: what differs, and making the switch have the
// file's.
#include <stdlib.h>
#include <string.h>

#include "of_priv.h"

// A flow that there is, or that a line of the file says.
struct flow {
	char *key, *whole; // which one it is: table, priority, match; and that with all it does
	struct of_buf msg; // that deletes it, or adds it
	bool is_new;
	uint32_t line;
};

struct of_flows {
	struct flow *flow; // flow[n]
	size_t n, cap;
	bool failed; // one could not be read
};

static char *text_of(const struct of13_flow_mod *m)
{
	struct of_buf b = { 0 };
	struct of_text t = { 0 };
	char *text = NULL;

	if (of13_flow_mod_put(&b, m) == 0 && of_text_mod(&t, b.data, b.size, NULL) == 0 &&
	    !t.failed) {
		const char *blank = strchr(t.buf + strlen("flow "), ' '); // behind the command

		text = need(strdup(blank == NULL ? "" : blank + 1));
	}
	of_text_fini(&t);
	of_buf_fini(&b);
	return text;
}

static void flow_put(struct of_flows *l, struct of13_flow_mod m, uint32_t line)
{
	struct flow *f;

	if (l->n == l->cap) {
		l->cap = 2 * l->cap + 64;
		l->flow = need(realloc(l->flow, l->cap * sizeof(*l->flow)));
	}
	f = &l->flow[l->n++];
	*f = (struct flow){ .is_new = line > 0, .line = line };
	m.buffer_id = OF13_BUFFER_NONE;
	m.out_port = OF13_PORT_ANY;
	m.out_group = OF13_GROUP_ANY;
	m.command = f->is_new ? OF_TEXT_ADD : OF_TEXT_DELETE_STRICT;
	l->failed |= of13_flow_mod_put(&f->msg, &m) < 0;
	// These say how one is added, and are not told of one that is there.
	m.flags &= (uint16_t) ~(OF13_FLOW_MOD_FLAG_CHECK_OVERLAP | OF13_FLOW_MOD_FLAG_RESET_COUNTS);
	m.command = OF_TEXT_ADD;
	f->whole = text_of(&m);
	m.command = OF_TEXT_DELETE_STRICT;
	m.cookie = 0;
	m.flags = 0;
	f->key = text_of(&m);
	l->failed |= f->whole == NULL || f->key == NULL;
}

static void flows_fini(struct of_flows *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->flow[i].key);
		free(l->flow[i].whole);
		of_buf_fini(&l->flow[i].msg);
	}
	free(l->flow);
}

// --- What there is, and what shall be

void of_flows_take(struct of_flows *l, const uint8_t *msg, size_t size)
{
	struct of13_multipart_reply m;
	struct of13_flow_stats s;
	struct of_wire_error e;

	if (of13_multipart_reply_get(msg, size, &m, &e) < 0 || m.type != OF13_MULTIPART_FLOW) {
		l->failed = true;
		return;
	}
	while (of13_flow_stats_next(&m.flow.flows, &s)) {
		struct of13_flow_mod f = { .table_id = s.table_id,
					   .priority = s.priority,
					   .idle_timeout = s.idle_timeout,
					   .hard_timeout = s.hard_timeout,
					   .flags = s.flags,
					   .cookie = s.cookie,
					   .match = s.match,
					   .instructions = s.instructions };

		flow_put(l, f, 0);
	}
}

static int take_line(struct of_run *r, size_t at, uint32_t line)
{
	struct of13_flow_mod m;
	struct of_wire_error e;

	if (of13_flow_mod_get(r->out.data + at, r->out.size - at, &m, &e) < 0 ||
	    m.command != OF_TEXT_ADD)
		return cli_problem(r->c, EXIT_USAGE, "%s:%u: here lines are flows to add", r->file,
				   line);
	flow_put(r->flows, m, line);
	r->out.size = at;
	return 0;
}

static int ask_for_flows(struct of_run *r)
{
	struct of_text_error e;
	int rc = of_run_put(r, of_text_flow_request("", false, &r->text_ports, &r->out, &e));

	if (rc != 0)
		return rc;
	of_run_number(r, 0, 0);
	rc = of_run_all(r);
	if (rc == 0 && r->flows->failed)
		return cli_problem(r->c, EXIT_FAILED, "a flow that cannot be read");
	return rc;
}

// --- What differs

static int by_key(const void *a, const void *b)
{
	const struct flow *x = a, *y = b;
	int rc = strcmp(x->key, y->key);

	// What there is comes first (its line is 0); of lines that say the same flow the last one
	// holds.
	return rc != 0 ? rc : x->line < y->line ? -1 : x->line > y->line;
}

// What comes next of flows that are the same by key. returns false at the end
static bool next_pair(const struct of_flows *l, size_t *i, const struct flow **old,
		      const struct flow **new)
{
	size_t first = *i;

	*old = *new = NULL;
	for (; *i < l->n && strcmp(l->flow[*i].key, l->flow[first].key) == 0; (*i)++)
		*(l->flow[*i].is_new ? new : old) = &l->flow[*i];
	return *i > first;
}

static bool differs(const struct flow *old, const struct flow *new)
{
	return old == NULL || new == NULL || strcmp(old->whole, new->whole) != 0;
}

static int print_difference(struct of_run *r)
{
	const struct flow *old, *new;
	int rc = 0;

	for (size_t i = 0; next_pair(r->flows, &i, &old, &new);) {
		if (!differs(old, new))
			continue;
		rc = EXIT_REFUSED;
		if (old != NULL)
			fprintf(r->c->out, "-%s\n", old->whole);
		if (new != NULL)
			fprintf(r->c->out, "+%s\n", new->whole);
	}
	return rc;
}

static int send_flow(struct of_run *r, const struct flow *f, bool bundle)
{
	size_t at = r->out.size;
	uint8_t *to = of_buf_grow(&r->out, f->msg.size);

	if (to == NULL)
		return cli_problem(r->c, EXIT_FAILED, "%s: more than can be sent", r->file);
	memcpy(to, f->msg.data, f->msg.size);
	if (bundle)
		return of_bundle_add(r, at, f->line);
	of_run_number(r, at, f->line);
	return 0;
}

// What goes makes room for what comes.
static int send_difference(struct of_run *r, const char *path)
{
	const bool bundle = command_has(r->cmd, "--bundle");
	const struct flow *old, *new;
	int rc = bundle ? of_bundle_open(r) : 0;

	for (size_t i = 0; rc == 0 && next_pair(r->flows, &i, &old, &new);)
		rc = new == NULL ? send_flow(r, old, bundle) : 0;
	for (size_t i = 0; rc == 0 && next_pair(r->flows, &i, &old, &new);)
		rc = new != NULL &&differs(old, new) ? send_flow(r, new, bundle) : 0;
	if (rc != 0)
		return rc;
	return bundle ? of_bundle_commit(r, path) : of_run_all(r);
}

int of_run_replace(struct of_run *r, const char *path, bool replace)
{
	struct of_flows flows = { 0 };
	int rc;

	r->flows = &flows;
	rc = of_read_file(r, path, OF_TEXT_ADD, take_line);
	rc = rc != 0 ? rc : ask_for_flows(r);
	r->flows = NULL;
	if (flows.n > 0)
		qsort(flows.flow, flows.n, sizeof(flows.flow[0]), by_key);
	if (rc == 0) {
		r->flows = &flows;
		rc = replace ? send_difference(r, path) : print_difference(r);
		r->flows = NULL;
	}
	flows_fini(&flows);
	return rc;
}
