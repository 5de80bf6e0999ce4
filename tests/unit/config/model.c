// The same random edits by lines of the CLI and by NETCONF, each on a store of its own, against a
// model that knows no YANG. After each step both hold what the model holds.
//
//	unit-config-model [STEPS [SEED]]
#include "session_rig.h"

#include <time.h>

enum {
	VLANS = 6,
	CPUS = 6,
	PORTS = 4,
	KEPT = 8, // commits that the model remembers
	STEPS = 2000,
};

static const char *const links[] = { "device", "af-packet", "tap" };

// 0 = not there, everywhere.
struct conf {
	uint32_t ageing, sleep;
	bool vlan[VLANS + 1];
	uint32_t text[VLANS + 1], name[VLANS + 1];
	uint32_t cpu[CPUS], n_cpus; // in their order
	uint32_t link[PORTS], value[PORTS];
};

struct model {
	struct conf running, candidate, kept[KEPT];
	uint32_t n_kept;
};

// One step: what the CLI says, what NETCONF says, and the answer.
struct act {
	char line[4][200]; // words; one that begins with { is a request as it is
	char xml[1600];
	bool ok;
	bool deletes; // default-operation none
	bool whole;   // xml is an operation, not the content of an edit
};

static uint64_t seed;

static uint32_t draw(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

#define PORT_NS "urn:weir:params:xml:ns:yang:weir-interfaces"
#define VLAN(fmt, ...)                                                                             \
	snprintf(a->xml, sizeof(a->xml), IN_VLANS("<vlan%s><id>%u</id>" fmt "</vlan>"), __VA_ARGS__)
#define LINE(i, ...) snprintf(a->line[i], sizeof(a->line[i]), __VA_ARGS__)
#define XML(...) snprintf(a->xml, sizeof(a->xml), __VA_ARGS__)
#define DELETE " xmlns:n=\"" NC_NS "\" n:operation=\"delete\""
#define REPLACE " xmlns:n=\"" NC_NS "\" n:operation=\"replace\""

// --- What can happen. Each fills a, and changes c if it is taken.

static void vlan_text(struct conf *c, struct act *a)
{
	uint32_t i = 1 + draw(VLANS), v = 1 + draw(9);

	LINE(0, "set vlans vlan %u description t%u", i, v);
	VLAN("<description>t%u</description>", "", i, v);
	c->vlan[i] = true;
	c->text[i] = v;
}

static void vlan_name(struct conf *c, struct act *a)
{
	uint32_t i = 1 + draw(VLANS), v = 1 + draw(12);

	LINE(0, "set vlan %u name n%u", i, v);
	VLAN("<name>n%u</name>", "", i, v);
	c->vlan[i] = true;
	c->name[i] = v;
}

static void vlan_gone(struct conf *c, uint32_t i)
{
	c->vlan[i] = false;
	c->text[i] = c->name[i] = 0;
}

static void vlan_delete(struct conf *c, struct act *a)
{
	uint32_t i = 1 + draw(VLANS);

	a->deletes = true;
	LINE(0, "delete vlans vlan %u", i);
	VLAN("", DELETE, i);
	a->ok = c->vlan[i];
	vlan_gone(c, i);
}

static void vlan_text_delete(struct conf *c, struct act *a)
{
	uint32_t i = 1 + draw(VLANS);

	a->deletes = true;
	LINE(0, "delete vlan %u description", i);
	VLAN("<description" DELETE "/>", "", i);
	a->ok = c->text[i] != 0;
	c->text[i] = 0;
}

static void vlan_replace(struct conf *c, struct act *a)
{
	uint32_t i = 1 + draw(VLANS), v = 1 + draw(9);

	if (c->vlan[i])
		LINE(0, "delete vlan %u", i);
	LINE(c->vlan[i] ? 1 : 0, "set vlan %u description t%u", i, v);
	VLAN("<description>t%u</description>", REPLACE, i, v);
	vlan_gone(c, i);
	c->vlan[i] = true;
	c->text[i] = v;
}

static void nonsense(struct conf *c, struct act *a)
{
	static const struct {
		const char *line, *xml;
	} all[] = {
		{ "set system no-such 1", IN_SYSTEM("<no-such>1</no-such>") },
		{ "set vlan 5000 name x", IN_VLANS("<vlan><id>5000</id></vlan>") },
		{ "set vlan 1 name 1x", IN_VLANS("<vlan><id>1</id><name>1x</name></vlan>") },
		{ "set system mac-ageing x", IN_SYSTEM("<mac-ageing>x</mac-ageing>") },
		{ "set vlans vlan", IN_VLANS("<vlan><name>x</name></vlan>") },
		{ "set nowhere x", "<nowhere xmlns=\"urn:nowhere\"/>" },
	};
	uint32_t i = draw(sizeof(all) / sizeof(all[0]));

	(void)c;
	LINE(0, "%s", all[i].line);
	XML("%s", all[i].xml);
	a->ok = false;
}

// A container without presence that is empty is there for NETCONF, and not for a person: not asked.
static void vlans_delete(struct conf *c, struct act *a)
{
	bool any = false;

	for (uint32_t i = 1; i <= VLANS; i++) {
		any |= c->vlan[i];
		vlan_gone(c, i);
	}
	if (!any) {
		nonsense(c, a);
		return;
	}
	a->deletes = true;
	LINE(0, "delete vlans");
	XML("<vlans xmlns=\"urn:weir:params:xml:ns:yang:weir-vlans\"" DELETE "/>");
}

// Content of an entry, as elements.
static const char *vlan_content(const struct conf *c, uint32_t i)
{
	static char text[200];
	int n = 0;

	text[0] = '\0';
	if (c->text[i] != 0)
		n = snprintf(text, sizeof(text), "<description>t%u</description>", c->text[i]);
	if (c->name[i] != 0)
		snprintf(text + n, sizeof(text) - (size_t)n, "<name>n%u</name>", c->name[i]);
	return text;
}

static void vlan_to(struct conf *c, struct act *a, bool rename)
{
	uint32_t i = 1 + draw(VLANS), j = 1 + draw(VLANS);

	if (i == j)
		j = j % VLANS + 1;
	LINE(0, "%s vlan %u to %s%u", rename ? "rename" : "copy", i, draw(2) ? "vlan " : "", j);
	a->ok = c->vlan[i] && !c->vlan[j];
	if (!a->ok) { // NETCONF has no such operation, but what it amounts to is refused alike
		XML(IN_VLANS("<vlan" DELETE "><id>%u</id></vlan><vlan xmlns:n=\"" NC_NS
			     "\" n:operation=\"create\"><id>%u</id></vlan>"),
		    c->vlan[i] ? 99 : i, j);
		return;
	}
	XML(IN_VLANS("<vlan><id>%u</id>%s</vlan>"), j, vlan_content(c, i));
	if (rename)
		XML(IN_VLANS("<vlan" DELETE "><id>%u</id></vlan><vlan><id>%u</id>%s</vlan>"), i, j,
		    vlan_content(c, i));
	c->vlan[j] = true;
	c->text[j] = c->text[i];
	c->name[j] = c->name[i];
	if (rename)
		vlan_gone(c, i);
}

static void vlan_rename(struct conf *c, struct act *a)
{
	vlan_to(c, a, true);
}

static void vlan_copy(struct conf *c, struct act *a)
{
	vlan_to(c, a, false);
}

static void system_leaf(struct conf *c, struct act *a)
{
	uint32_t v = draw(30); // 10 and more are in the range

	LINE(0, "set system mac-ageing %u", v);
	XML(IN_SYSTEM("<mac-ageing>%u</mac-ageing>"), v);
	a->ok = v >= 10;
	c->ageing = v;
}

static void system_leaf_delete(struct conf *c, struct act *a)
{
	a->deletes = true;
	LINE(0, "delete system mac-ageing");
	XML(IN_SYSTEM("<mac-ageing" DELETE "/>"));
	a->ok = c->ageing != 0;
	c->ageing = 0;
}

static uint32_t cpu_find(const struct conf *c, uint32_t v)
{
	uint32_t i = 0;

	while (i < c->n_cpus && c->cpu[i] != v)
		i++;
	return i;
}

static bool cpu_take(struct conf *c, uint32_t v)
{
	uint32_t i = cpu_find(c, v);

	if (i == c->n_cpus)
		return false;
	memmove(c->cpu + i, c->cpu + i + 1, (c->n_cpus - i - 1) * sizeof(c->cpu[0]));
	c->n_cpus--;
	c->cpu[c->n_cpus] = 0;
	return true;
}

static void cpu_put(struct conf *c, uint32_t i, uint32_t v)
{
	memmove(c->cpu + i + 1, c->cpu + i, (c->n_cpus - i) * sizeof(c->cpu[0]));
	c->cpu[i] = v;
	c->n_cpus++;
}

static void cpu_insert(struct conf *c, struct act *a)
{
	static const char *const where[] = { "first", "last", "before", "after" };
	uint32_t v = 1 + draw(CPUS), w = draw(4), other = 1 + draw(CPUS);
	char value[64] = "", word[32] = "";

	if (w >= 2) {
		snprintf(value, sizeof(value), " y:value=\"%u\"", other);
		snprintf(word, sizeof(word), " %u", other);
	}
	LINE(0, "insert system worker-cpu %u %s%s", v, where[w], word);
	XML(IN_SYSTEM("<worker-cpu xmlns:y=\"urn:ietf:params:xml:ns:yang:1\" y:insert=\"%s\"%s>%u"
		      "</worker-cpu>"),
	    where[w], value, v);
	a->ok = w < 2 || (other != v && cpu_find(c, other) < c->n_cpus);
	if (!a->ok)
		return;
	(void)cpu_take(c, v);
	cpu_put(c,
		w == 0	 ? 0
		: w == 1 ? c->n_cpus
		: w == 2 ? cpu_find(c, other)
			 : cpu_find(c, other) + 1,
		v);
}

static void cpu_add(struct conf *c, struct act *a)
{
	uint32_t v = 1 + draw(CPUS);

	LINE(0, "set system worker-cpu %u", v);
	XML(IN_SYSTEM("<worker-cpu>%u</worker-cpu>"), v);
	if (cpu_find(c, v) == c->n_cpus)
		cpu_put(c, c->n_cpus, v);
}

static void cpu_delete(struct conf *c, struct act *a)
{
	uint32_t v = 1 + draw(CPUS);

	a->deletes = true;
	LINE(0, "delete system worker-cpu %u", v);
	XML(IN_SYSTEM("<worker-cpu" DELETE ">%u</worker-cpu>"), v);
	a->ok = cpu_take(c, v);
}

#define IN_PORT                                                                                    \
	"<interfaces xmlns=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\"><interface%s><name>p%u" \
	"</name>%s</interface></interfaces>"

static void port_set(struct conf *c, struct act *a)
{
	uint32_t i = draw(PORTS), link = draw(3), v = 1 + draw(9);
	char body[300];

	LINE(0, "set interfaces interface p%u type uplink", i);
	LINE(1, "set port p%u %s p%uv%u", i, links[link], i, v);
	snprintf(body, sizeof(body),
		 "<type xmlns:w=\"" PORT_NS "\">w:uplink</type><port xmlns=\"" PORT_NS
		 "\"><%s>p%uv%u</%s></port>",
		 links[link], i, v, links[link]);
	XML(IN_PORT, "", i, body);
	c->link[i] = link;
	c->value[i] = v;
}

// A node that belongs to another case is not there.
static void port_link_delete(struct conf *c, struct act *a)
{
	uint32_t i = draw(PORTS), link = draw(3);
	char body[300];

	if (c->value[i] != 0 && c->link[i] == link)
		link = (link + 1) % 3; // without a link nothing could be committed
	a->deletes = true;
	a->ok = false;
	LINE(0, "delete interface p%u port %s", i, links[link]);
	snprintf(body, sizeof(body), "<port xmlns=\"" PORT_NS "\"><%s" DELETE "/></port>",
		 links[link]);
	XML(IN_PORT, "", i, body);
}

static void port_delete(struct conf *c, struct act *a)
{
	uint32_t i = draw(PORTS);

	a->deletes = true;
	LINE(0, "delete interface p%u", i);
	XML(IN_PORT, DELETE, i, "");
	a->ok = c->value[i] != 0;
	c->value[i] = c->link[i] = 0;
}

typedef void (*edit_fn)(struct conf *c, struct act *a);
static const edit_fn edits[] = {
	vlan_text,    vlan_name,	vlan_delete, vlan_text_delete, vlan_replace,
	vlans_delete, vlan_rename,	vlan_copy,   system_leaf,      system_leaf_delete,
	cpu_insert,   cpu_insert,	cpu_add,     cpu_delete,       port_set,
	port_set,     port_link_delete, port_delete, nonsense,
};

// --- Commit, discard, rollback

static bool valid(const struct conf *c)
{
	for (uint32_t i = 1; i <= VLANS; i++)
		for (uint32_t j = i + 1; j <= VLANS; j++)
			if (c->name[i] != 0 && c->name[i] == c->name[j])
				return false;
	return true;
}

static void keep(struct model *m)
{
	memmove(m->kept + 1, m->kept, (KEPT - 1) * sizeof(m->kept[0]));
	m->kept[0] = m->running;
	m->n_kept += m->n_kept < KEPT;
}

// What is committed always differs, in a leaf of its own: whether two orders of a list without an
// order are the same is not asked here.
static void commit(struct model *m, struct act *a)
{
	static uint32_t count;

	count = count % 10000 + 1;
	a->ok = valid(&m->candidate);
	LINE(0, "set system max-sleep %u", count);
	LINE(1, "{\"ietf-netconf:commit\":{}}");
	XML("<edit-config><target><candidate/></target><config>" IN_SYSTEM(
		    "<max-sleep>%u</max-sleep>") "</config></edit-config>\n<commit/>",
	    count);
	a->whole = true;
	m->candidate.sleep = count;
	if (!a->ok)
		return;
	keep(m);
	m->running = m->candidate;
}

static void discard(struct model *m, struct act *a)
{
	LINE(0, "{\"ietf-netconf:discard-changes\":{}}");
	XML("<discard-changes/>");
	a->whole = true;
	m->candidate = m->running;
}

static void rollback(struct model *m, struct act *a)
{
	uint32_t n = draw(4);

	LINE(0, "{\"weir-configuration:rollback\":{\"number\":%u}}", n);
	XML("<rollback xmlns=\"urn:weir:params:xml:ns:yang:weir-configuration\"><number>%u</number>"
	    "</rollback>",
	    n);
	a->whole = true;
	a->ok = n <= m->n_kept;
	if (a->ok)
		m->candidate = n == 0 ? m->running : m->kept[n - 1];
}

static void choose(struct model *m, struct act *a)
{
	struct conf next = m->candidate;
	uint32_t what = draw(40);

	memset(a, 0, sizeof(*a));
	a->ok = true;
	if (what < 3) {
		commit(m, a);
	} else if (what < 4) {
		discard(m, a);
	} else if (what < 5) {
		rollback(m, a);
	} else {
		edits[draw(sizeof(edits) / sizeof(edits[0]))](&next, a);
		if (a->ok)
			m->candidate = next;
	}
}

// --- The same, done

static bool by_lines(struct rig *r, struct cfg_session *s, const struct act *a)
{
	char request[400];

	for (uint32_t i = 0; i < 4 && a->line[i][0] != '\0'; i++) {
		snprintf(request, sizeof(request),
			 "{\"weir-configuration:edit-line\":{\"line\":\"%s\"}}", a->line[i]);
		if (strcmp(rig_tag(rig_json(r, s, a->line[i][0] == '{' ? a->line[i] : request)),
			   "ok") != 0)
			return false;
	}
	return true;
}

static bool by_netconf(struct rig *r, struct cfg_session *s, const struct act *a)
{
	char request[2000], *next;

	if (!a->whole) {
		snprintf(request, sizeof(request),
			 "<edit-config><target><candidate/></target><default-operation>%s"
			 "</default-operation><config>%s</config></edit-config>",
			 a->deletes ? "none" : "merge", a->xml);
		return strcmp(rig_tag(rig_xml(r, s, request)), "ok") == 0;
	}
	snprintf(request, sizeof(request), "%s", a->xml);
	for (char *at = request; at != NULL; at = next) {
		next = strchr(at, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (strcmp(rig_tag(rig_xml(r, s, at)), "ok") != 0)
			return false;
	}
	return true;
}

// --- What a store holds, as the model writes it

static uint32_t number(const struct lyd_node *n, const char *name)
{
	const char *v = cfg_value(n, name);

	return v == NULL ? 0 : (uint32_t)strtoul(v + strcspn(v, "0123456789"), NULL, 10);
}

static void read_port(struct conf *c, const struct lyd_node *n)
{
	const struct lyd_node *port = cfg_child(n, "port");
	uint32_t i = number(n, "name"), found = 0;

	for (uint32_t k = 0; k < 3; k++) {
		const char *v = port == NULL ? NULL : cfg_value(port, links[k]);

		if (v == NULL)
			continue;
		found++;
		c->link[i] = k;
		c->value[i] = (uint32_t)strtoul(strchr(v, 'v') + 1, NULL, 10);
	}
	assert_int_equal(found, 1);
}

static struct conf conf_of(const struct lyd_node *tree)
{
	const struct lyd_node *system = cfg_top(tree, "system"), *vlans = cfg_top(tree, "vlans"),
			      *ports = cfg_top(tree, "interfaces"), *n;
	struct conf c = { 0 };

	LY_LIST_FOR (system == NULL ? NULL : lyd_child(system), n)
		if (strcmp(LYD_NAME(n), "worker-cpu") == 0)
			c.cpu[c.n_cpus++] = (uint32_t)strtoul(lyd_get_value(n), NULL, 10);
	if (system != NULL) {
		c.ageing = number(system, "mac-ageing");
		c.sleep = number(system, "max-sleep");
	}
	LY_LIST_FOR (vlans == NULL ? NULL : lyd_child(vlans), n) {
		uint32_t i = number(n, "id");

		assert_false(c.vlan[i]);
		c.vlan[i] = true;
		c.text[i] = number(n, "description");
		c.name[i] = number(n, "name");
	}
	LY_LIST_FOR (ports == NULL ? NULL : lyd_child(ports), n)
		read_port(&c, n);
	return c;
}

static bool holds(const struct rig *r, const struct model *m)
{
	struct conf running = conf_of(r->store->running), candidate = conf_of(r->store->candidate);

	return memcmp(&running, &m->running, sizeof(running)) == 0 &&
	       memcmp(&candidate, &m->candidate, sizeof(candidate)) == 0;
}

static void print_conf(const char *what, struct conf c)
{
	print_message("%s: ageing %u sleep %u cpus", what, c.ageing, c.sleep);
	for (uint32_t i = 0; i < c.n_cpus; i++)
		print_message(" %u", c.cpu[i]);
	for (uint32_t i = 1; i <= VLANS; i++)
		if (c.vlan[i])
			print_message("; vlan %u t%u n%u", i, c.text[i], c.name[i]);
	for (uint32_t i = 0; i < PORTS; i++)
		if (c.value[i] != 0)
			print_message("; p%u %s v%u", i, links[c.link[i]], c.value[i]);
	print_message("\n");
}

static uint32_t steps = STEPS;

static void check(struct rig *r, const struct model *m, const struct act *a, const char *which)
{
	if (holds(r, m))
		return;
	for (uint32_t i = 0; i < 4 && a->line[i][0] != '\0'; i++)
		print_message("line: %s\n", a->line[i]);
	print_message("xml:  %s\nlast answer: %s\n", a->xml, r->text);
	print_conf("model candidate", m->candidate);
	print_conf("      is       ", conf_of(r->store->candidate));
	print_conf("model running  ", m->running);
	print_conf("      is       ", conf_of(r->store->running));
	fail_msg("%s does not hold what it should", which);
}

static void lines_and_netconf_do_the_same(void **state)
{
	struct model m = { 0 };
	struct rig cli, netconf;
	struct cfg_session *a, *b;
	uint32_t n_ok = 0;

	(void)state;
	rig_open(&cli);
	rig_open(&netconf);
	a = rig_root(&cli, false);
	b = rig_root(&netconf, true);
	for (uint32_t i = 0; i < steps; i++) {
		struct act act;
		bool lines, xml;

		choose(&m, &act);
		lines = by_lines(&cli, a, &act);
		check(&cli, &m, &act, "the store of the lines");
		xml = by_netconf(&netconf, b, &act);
		check(&netconf, &m, &act, "the store of NETCONF");
		if (lines != act.ok || xml != act.ok)
			fail_msg("step %u: '%s' %d, '%s' %d, should be %d", i, act.line[0], lines,
				 act.xml, xml, act.ok);
		n_ok += act.ok;
	}
	print_message("%u steps, %u taken, %u commits\n", steps, n_ok, cli.host.n_commits);
	assert_int_equal(cli.host.n_commits, netconf.host.n_commits);
	assert_in_range(n_ok, steps / 4, steps - steps / 20);
	assert_true(cli.host.n_commits > steps / 40);
	cfg_session_destroy(a);
	cfg_session_destroy(b);
	rig_close(&cli);
	rig_close(&netconf);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lines_and_netconf_do_the_same) };
	int failed;

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	if (argc > 1)
		steps = (uint32_t)strtoul(argv[1], NULL, 0);
	print_message("seed %llu\n", (unsigned long long)seed);
	if (rig_schema_open(WEIR_YANG_SRC) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(rig_schema);
	return failed;
}
