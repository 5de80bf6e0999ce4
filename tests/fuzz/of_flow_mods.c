// A stream of flow-mods, group-mods and bundles, against a list of rules that is searched from the
// front: after each few messages the agent's dump says what the list says, and so does the model of
// the datapath by how many flows are in force. Messages go on in turns as short as one look,
// between which nobody sees anything (rig_go_on()). A change of a flow may fail: then nothing
// happened.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "of_build.h"
#include "of_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(c)                                                                                 \
	do {                                                                                       \
		if (!(c)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

enum { RULES = 256, GROUPS = 4 };

struct rule {
	uint8_t table, priority, cookie;
	uint8_t in_port, type, prefix, net; // 0 = any; prefix: of 10.net.0.1
	uint8_t out;			    // 1, 2 = port; 3.. = group out - 2
};

struct list {
	struct rule r[RULES];
	uint32_t n;
	bool groups[GROUPS];
};

struct input {
	const uint8_t *at, *end;
};

static uint8_t next(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

// --- The list's own idea of it

static uint32_t mask_of(uint8_t prefix)
{
	return prefix == 0 ? 0 : prefix == 1 ? 0xff000000 : prefix == 2 ? 0xffff0000 : 0xffffffff;
}

static uint32_t net_of(const struct rule *r)
{
	return (0x0a000001u | (uint32_t)r->net << 16) & mask_of(r->prefix);
}

static bool same_match(const struct rule *x, const struct rule *y)
{
	return x->in_port == y->in_port && x->type == y->type && x->prefix == y->prefix &&
	       net_of(x) == net_of(y);
}

static bool inside(const struct rule *x, const struct rule *outer)
{
	return (outer->in_port == 0 || outer->in_port == x->in_port) &&
	       (outer->type == 0 || outer->type == x->type) && outer->prefix <= x->prefix &&
	       ((net_of(x) ^ net_of(outer)) & mask_of(outer->prefix)) == 0;
}

static bool overlap(const struct rule *x, const struct rule *y)
{
	uint32_t both = mask_of(x->prefix) & mask_of(y->prefix);

	return x->priority == y->priority && x->table == y->table &&
	       (x->in_port == 0 || y->in_port == 0 || x->in_port == y->in_port) &&
	       (x->type == 0 || y->type == 0 || x->type == y->type) &&
	       ((net_of(x) ^ net_of(y)) & both) == 0;
}

struct mod {
	struct rule r;
	uint8_t command, cookie_mask, out_port, out_group; // 0 = any
	bool check_overlap, all_tables;
};

static bool chosen(const struct mod *m, const struct rule *r)
{
	bool strict = m->command == 2 || m->command == 4;

	if (!m->all_tables && r->table != m->r.table)
		return false;
	if (strict ? !same_match(r, &m->r) || r->priority != m->r.priority : !inside(r, &m->r))
		return false;
	if (((r->cookie ^ m->r.cookie) & m->cookie_mask) != 0)
		return false;
	if (m->command < 3)
		return true;
	return (m->out_port == 0 || r->out == m->out_port) &&
	       (m->out_group == 0 || r->out == m->out_group + 2);
}

static bool list_add(struct list *l, const struct mod *m)
{
	for (uint32_t i = 0; m->check_overlap && i < l->n; i++) {
		if (overlap(&l->r[i], &m->r))
			return false;
	}
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->r[i].table == m->r.table && l->r[i].priority == m->r.priority &&
		    same_match(&l->r[i], &m->r)) {
			l->r[i] = m->r;
			return true;
		}
	}
	REQUIRE(l->n < RULES);
	l->r[l->n++] = m->r;
	return true;
}

// returns whether it is no error
static bool list_mod(struct list *l, const struct mod *m)
{
	uint32_t kept = 0;

	if (m->command < 3 && (m->all_tables || (m->r.out > 2 && !l->groups[m->r.out - 2])))
		return false;
	if (m->command == 0)
		return list_add(l, m);
	for (uint32_t i = 0; i < l->n; i++) {
		struct rule r = l->r[i];

		if (chosen(m, &r)) {
			if (m->command >= 3)
				continue;
			r.out = m->r.out;
		}
		l->r[kept++] = r;
	}
	l->n = kept;
	return true;
}

static bool list_group(struct list *l, uint8_t command, uint8_t group)
{
	uint32_t kept = 0;

	if (command < 2) {
		if (l->groups[group] == (command == 0))
			return false;
		return l->groups[group] = true;
	}
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->r[i].out != group + 2)
			l->r[kept++] = l->r[i];
	}
	l->n = kept;
	l->groups[group] = false;
	return true;
}

// --- The same as messages

static void match_put(struct of_buf *b, const struct rule *r)
{
	if (r->in_port != 0)
		of13_oxm_put_number(b, OF13_OXM_IN_PORT, r->in_port, UINT64_MAX);
	if (r->type != 0)
		of13_oxm_put_number(b, OF13_OXM_ETH_TYPE, r->type == 1 ? 0x0800 : 0x0806,
				    UINT64_MAX);
	if (r->prefix != 0)
		of13_oxm_put_number(b, OF13_OXM_IPV4_SRC, net_of(r),
				    r->prefix == 3 ? UINT64_MAX : mask_of(r->prefix));
}

static void instructions_put(struct of_buf *b, const struct rule *r)
{
	struct of13_action a = { .type = OF13_ACTION_OUTPUT };
	struct of13_instruction i = { .type = OF13_INSTRUCTION_APPLY_ACTIONS };
	struct of_buf actions = { 0 };

	if (r->out > 2) {
		a.type = OF13_ACTION_GROUP;
		a.group.group_id = r->out - 2u;
	} else {
		a.output.port = r->out;
	}
	of13_action_put(&actions, &a);
	i.apply_actions.actions = of_buf_list(&actions);
	of13_instruction_put(b, &i);
	of_buf_fini(&actions);
}

static void flow_mod_put(struct of_buf *b, const struct mod *m)
{
	struct of_buf match = { 0 }, instructions = { 0 };
	struct of13_flow_mod f = { .xid = 1,
				   .command = m->command,
				   .buffer_id = OF13_BUFFER_NONE,
				   .table_id = m->all_tables ? 0xff : m->r.table,
				   .priority = m->r.priority,
				   .cookie = m->r.cookie,
				   .cookie_mask = m->cookie_mask,
				   .out_port = m->out_port == 0 ? OF_ANY : m->out_port,
				   .out_group = m->out_group == 0 ? OF_ANY : m->out_group,
				   .flags = m->check_overlap ? OF13_FLOW_MOD_FLAG_CHECK_OVERLAP
							     : 0 };

	match_put(&match, &m->r);
	instructions_put(&instructions, &m->r);
	f.match = of_buf_list(&match);
	f.instructions = of_buf_list(&instructions);
	of13_flow_mod_put(b, &f);
	of_buf_fini(&match);
	of_buf_fini(&instructions);
}

static void mod_read(struct input *in, struct mod *m)
{
	uint8_t x = next(in), y = next(in), z = next(in);

	memset(m, 0, sizeof(*m));
	m->command = x % 5;
	m->all_tables = (x & 0xc0) == 0xc0;
	m->r.table = x >> 4 & 1;
	m->r.priority = y & 3;
	m->r.cookie = y >> 2 & 3;
	m->cookie_mask = m->command == 0 ? 0 : y >> 4 & 3;
	m->check_overlap = y >> 6 == 3;
	m->r.in_port = z % 3;
	m->r.type = z >> 2 & 1 ? 1 : z >> 3 & 1 ? 2 : 0;
	m->r.prefix = m->r.type == 1 ? z >> 4 & 3 : 0;
	m->r.net = z >> 6 & 1;
	x = next(in);
	m->r.out = 1 + x % 5;
	m->out_port = (x >> 4 & 3) == 3 ? 1 : 0;
	m->out_group = x >> 6 == 3 ? 1 : 0;
}

static void group_mod_put(struct of_buf *b, uint8_t command, uint8_t group)
{
	struct of13_group_mod g = { .xid = 1, .command = command, .group_id = group };

	of13_group_mod_put(b, &g);
}

// --- What is there

static bool stands_in(const struct list *l, bool taken[RULES], const struct of13_flow_stats *s)
{
	for (uint32_t i = 0; i < l->n; i++) {
		struct of_buf match = { 0 }, instructions = { 0 };
		const struct rule *r = &l->r[i];
		bool same;

		if (taken[i] || r->table != s->table_id || r->priority != s->priority ||
		    r->cookie != s->cookie)
			continue;
		match_put(&match, r);
		instructions_put(&instructions, r);
		same = match.size == s->match.size && instructions.size == s->instructions.size &&
		       (match.size == 0 || memcmp(match.data, s->match.at, match.size) == 0) &&
		       memcmp(instructions.data, s->instructions.at, instructions.size) == 0;
		of_buf_fini(&match);
		of_buf_fini(&instructions);
		if (same)
			return taken[i] = true;
	}
	return false;
}

static void compare(const struct list *l)
{
	struct of13_multipart_request q = {
		.type = OF13_MULTIPART_FLOW,
		.flow = { .table_id = OF_ALL_TABLES, .out_port = OF_ANY, .out_group = OF_ANY }
	};
	struct of13_multipart_reply r;
	struct of13_flow_stats s;
	struct of_wire_error e;
	struct of_buf b = { 0 };
	bool taken[RULES] = { false };
	const uint8_t *msg;
	uint32_t n = 0;
	size_t size;

	rig_forget(&rig.conns[1]);
	of13_multipart_request_put(&b, &q);
	REQUIRE(rig_say(1, &b));
	while ((size = rig_heard(&rig.conns[1], &msg)) > 0) {
		REQUIRE(of13_multipart_reply_get(msg, size, &r, &e) == 0);
		for (; of13_flow_stats_next(&r.flow.flows, &s); n++)
			REQUIRE(stands_in(l, taken, &s));
	}
	REQUIRE(n == l->n && rig_flows() == n);
	for (uint32_t g = 1; g < GROUPS; g++)
		REQUIRE((of_group_find(&rig.a, g) != NULL) == l->groups[g]);
}

// --- Bundles

static bool bundle_say(uint16_t type)
{
	struct of13_bundle_control m = { .xid = 1, .bundle_id = 1, .type = type };
	struct of_buf b = { 0 };

	of13_bundle_control_put(&b, &m);
	return rig_say(0, &b);
}

static void bundle_put(struct of_buf *inner)
{
	struct of13_bundle_add m = { .xid = 1, .bundle_id = 1, .message = of_buf_list(inner) };
	struct of_buf b = { 0 };

	of13_bundle_add_put(&b, &m);
	of_buf_fini(inner);
	*inner = (struct of_buf){ 0 };
	REQUIRE(rig_say(0, &b));
}

// One message, or one of a bundle. returns whether the list takes it
static bool step(struct input *in, struct list *l, bool bundled)
{
	uint8_t kind = next(in);
	struct of_buf b = { 0 };
	struct mod m;
	bool ok;

	if (kind % 8 == 0) {
		uint8_t group = 1 + kind / 8 % (GROUPS - 1), command = next(in) % 3;

		group_mod_put(&b, command, group);
		ok = list_group(l, command, group);
	} else {
		mod_read(in, &m);
		flow_mod_put(&b, &m);
		ok = list_mod(l, &m);
	}
	if (bundled)
		bundle_put(&b);
	else
		REQUIRE(rig_say(0, &b) == ok);
	return ok;
}

static void bundle(struct input *in, struct list *l)
{
	struct list copy = *l;
	uint32_t n = next(in) % 12;
	bool ok = true;

	REQUIRE(bundle_say(OF13_BUNDLE_CONTROL_OPEN_REQUEST));
	for (uint32_t i = 0; i < n; i++) {
		if (ok)
			ok = step(in, &copy, true);
		else
			(void)step(in, &(struct list){ 0 }, true);
	}
	REQUIRE(bundle_say(OF13_BUNDLE_CONTROL_COMMIT_REQUEST) == ok);
	if (ok)
		*l = copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + (size < 512 ? size : 512) };
	struct list l = { 0 };

	rig_open();
	rig.a.slice = next(&in); // how much is done in one turn: 0 = all of it
	for (uint32_t i = 0; in.at < in.end; i++) {
		if (*in.at == 0xff)
			bundle(&in, &l);
		else
			(void)step(&in, &l, false);
		if (i % 8 == 7)
			compare(&l);
		of_msg_tick(&rig.a, rig.a.now_ns + 1000000); // those that ended are buried
	}
	compare(&l);
	rig_close();
	return 0;
}
