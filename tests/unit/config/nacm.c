// Access control (RFC 8341): the examples of its appendix A on our modules, defaults, groups,
// recovery, and that a refusal tells nothing.
#include <errno.h>
#include <stdio.h>

#include "nacm_priv.h"
#include "tree.h"

#define USER(name_, ...)                                                                           \
	&(struct cfg_nacm_user)                                                                    \
	{                                                                                          \
		.name = name_, __VA_ARGS__                                                         \
	}
#define GROUPS(...)                                                                                \
	.groups = (const char *const[]){ __VA_ARGS__ },                                            \
	.n_groups = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)

#define NACM(body) "{\"ietf-netconf-acm:nacm\":{" body "}}"
#define MEMBERS                                                                                    \
	"\"groups\":{\"group\":[{\"name\":\"admin\",\"user-name\":[\"admin\",\"andy\"]},{"         \
	"\"name\":"                                                                                \
	"\"limited\",\"user-name\":[\"wilma\",\"bam-bam\"]},{\"name\":\"guest\",\"user-name\":["   \
	"\"guest\",\"guest@example.com\"]}]}"
#define LIST(name, group, rules)                                                                   \
	"{\"name\":\"" name "\",\"group\":[\"" group "\"],\"rule\":[" rules "]}"
#define RULE(name, body, action) "{\"name\":\"" name "\"" body ",\"action\":\"" action "\"}"
#define MODULE(m) ",\"module-name\":\"" m "\""
#define RPC(r) ",\"rpc-name\":\"" r "\""
#define EVENT(r) ",\"notification-name\":\"" r "\""
#define PATH(p) ",\"path\":\"" p "\""
#define OPS(o) ",\"access-operations\":\"" o "\""
#define RULES(lists) NACM(MEMBERS ",\"rule-list\":[" lists "]")
#define ALL_OF_ADMIN LIST("admins", "admin", RULE("all", MODULE("*") OPS("*"), "permit"))

static int setup(void **state)
{
	(void)state;
	return tree_setup(WEIR_YANG_SRC);
}

static struct cfg_nacm *nacm_of(const char *json)
{
	struct lyd_node *tree = tree_of(json);
	struct cfg_nacm *n;

	assert_int_equal(cfg_nacm_create(tree, &n), 0);
	lyd_free_all(tree); // nothing of it is kept
	return n;
}

static const struct lysc_node *schema_of(const char *module, const char *name)
{
	const struct lys_module *mod = ly_ctx_get_module_implemented(schema->ctx, module);
	const struct lysc_node *s = lys_find_child(NULL, mod, name, 0, 0, 0);

	if (s == NULL)
		fail_msg("%s:%s", module, name);
	return s;
}

// Appendix A.2 and A.3: rules about modules and operations.
#define A23                                                                                                              \
	RULES(LIST("guest-acl", "guest", RULE("deny-ncm", MODULE("ietf-netconf-monitoring") OPS("*"), "deny")) "," LIST( \
		"limited-acl", "limited",                                                                                \
		RULE("permit-ncm", MODULE("ietf-netconf-monitoring") OPS("read"), "permit") "," RULE(                    \
			"permit-exec", OPS("exec"),                                                                      \
			"permit")) "," ALL_OF_ADMIN                                                                      \
				   "," LIST(                                                                             \
					   "rest", "*",                                                                  \
					   RULE("kill",                                                                  \
						MODULE("ietf-netconf") RPC("kill-session")                               \
							OPS("exec"),                                                     \
						"permit") "," RULE("commit",                                             \
								   MODULE("ietf-netconf") RPC(                           \
									   "commit") OPS("exec"),                        \
								   "deny") "," RULE("lock",                              \
										    RPC("lock") OPS(                     \
											    "rea"                        \
											    "d"),                        \
										    "deny")))

static void operations_go_by_rules_and_defaults(void **state)
{
	static const struct {
		const char *user, *module, *rpc;
		bool ok;
	} rows[] = {
		{ "guest", "ietf-netconf-monitoring", "get-schema", false },
		{ "wilma", "ietf-netconf-monitoring", "get-schema", true },
		{ "andy", "ietf-netconf-monitoring", "get-schema", true },
		{ "guest", "ietf-netconf", "kill-session", true }, // by the last list
		{ "guest", "ietf-netconf", "delete-config", false },
		{ "wilma", "ietf-netconf", "delete-config", true },
		{ "guest", "ietf-netconf", "commit", false },
		{ "andy", "ietf-netconf", "commit", true }, // an earlier list permits
		{ "guest", "ietf-netconf", "lock", true },  // that rule is not about exec
		{ "guest", "ietf-netconf", "close-session", true },
		// In no group: no rule at all, not even those for "*".
		{ "nobody", "ietf-netconf", "commit", true },
		{ "nobody", "ietf-netconf", "kill-session", false },
		{ "nobody", "ietf-netconf", "delete-config", false },
		{ "nobody", "ietf-netconf", "close-session", true },
	};
	struct cfg_nacm *n = nacm_of(A23);
	uint32_t denied = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s %s\n", rows[i].user, rows[i].rpc);
		assert_int_equal(cfg_nacm_may_exec(n, USER(rows[i].user),
						   schema_of(rows[i].module, rows[i].rpc)),
				 rows[i].ok);
		denied += !rows[i].ok;
		assert_int_equal(cfg_nacm_counts(n)->denied_operations, denied);
	}
	cfg_nacm_destroy(n);
}

static void close_session_is_always_permitted(void **state)
{
	struct cfg_nacm *n =
		nacm_of(NACM("\"exec-default\":\"deny\"," MEMBERS ",\"rule-list\":[" LIST(
			"l", "*", RULE("no", RPC("*") OPS("exec"), "deny")) "]"));

	(void)state;
	assert_true(
		cfg_nacm_may_exec(n, USER("guest"), schema_of("ietf-netconf", "close-session")));
	assert_false(cfg_nacm_may_exec(n, USER("guest"), schema_of("ietf-netconf", "get")));
	assert_false(cfg_nacm_may_exec(n, USER("nobody"), schema_of("ietf-netconf", "get")));
	cfg_nacm_destroy(n);
}

static void without_rules_the_defaults_hold(void **state)
{
	static const char data[] = "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\"}]}}";
	struct lyd_node *tree = tree_of(data), *diff;
	struct cfg_nc_error e;
	struct cfg_nacm *n = nacm_of("{}");

	(void)state;
	assert_true(cfg_nacm_may_exec(n, USER("x"), schema_of("ietf-netconf", "get")));
	assert_false(cfg_nacm_may_exec(n, USER("x"), schema_of("ietf-netconf", "kill-session")));
	assert_int_equal(cfg_nacm_prune_read(n, USER("x"), &tree), 0);
	tree_is(tree, 0, data);
	assert_int_equal(lyd_diff_siblings(NULL, tree, 0, &diff), LY_SUCCESS);
	assert_int_equal(cfg_nacm_check_write(n, USER("x"), diff, &e), -EINVAL);
	assert_string_equal(e.tag, "access-denied");
	assert_string_equal(e.path, "/weir-vm:vms/vm[name='a']");
	assert_int_equal(cfg_nacm_counts(n)->denied_data_writes, 1);
	// The recovery session may all.
	assert_int_equal(cfg_nacm_check_write(n, USER("x", .recovery = true), diff, &e), 0);
	assert_true(cfg_nacm_may_exec(n, USER("x", .recovery = true),
				      schema_of("ietf-netconf", "delete-config")));
	cfg_nacm_destroy(n);
	// So may everybody where access control is off.
	n = nacm_of(NACM("\"enable-nacm\":false"));
	assert_int_equal(cfg_nacm_check_write(n, USER("x"), diff, &e), 0);
	assert_true(cfg_nacm_unrestricted(n, USER("x")));
	assert_true(cfg_nacm_may_exec(n, USER("x"), schema_of("ietf-netconf", "delete-config")));
	cfg_nacm_destroy(n);
	lyd_free_all(diff);
	lyd_free_all(tree);
}

static void groups_come_from_the_transport_too(void **state)
{
	struct cfg_nacm *n = nacm_of(
		RULES(LIST("l", "wheel", RULE("kill", RPC("kill-session") OPS("exec"), "permit"))));
	const struct lysc_node *kill = schema_of("ietf-netconf", "kill-session");

	(void)state;
	assert_false(cfg_nacm_may_exec(n, USER("x"), kill));
	assert_false(cfg_nacm_may_exec(n, USER("x", GROUPS("staff")), kill));
	assert_true(cfg_nacm_may_exec(n, USER("x", GROUPS("staff", "wheel")), kill));
	assert_false(cfg_nacm_may_exec(n, USER("admin"), kill));
	cfg_nacm_destroy(n);
	n = nacm_of(NACM("\"enable-external-groups\":false," MEMBERS ",\"rule-list\":[" LIST(
		"l", "*", RULE("kill", RPC("kill-session") OPS("exec"), "permit")) "]"));
	assert_false(cfg_nacm_may_exec(n, USER("x", GROUPS("wheel")), kill));
	assert_true(cfg_nacm_may_exec(n, USER("admin"), kill));
	cfg_nacm_destroy(n);
}

#define VM(name)                                                                                   \
	"{\"name\":\"" name "\",\"hostname\":\"h" name "\",\"nic\":[" NIC("0") "," NIC("1") "]}"
#define NIC(id) "{\"id\":" id ",\"mac\":\"52:54:00:00:00:0" id "\"}"
#define DATA                                                                                       \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"e\",\"weir-interfaces:"       \
	"port\":{"                                                                                 \
	"\"mtu\":1400}}]},\"weir-vm:vms\":{\"vm\":[" VM("a") "," VM("b") "]}}"
#define WITH_VMS(list)                                                                             \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"e\",\"weir-interfaces:"       \
	"port\":{"                                                                                 \
	"\"mtu\":1400}}]},\"weir-vm:vms\":{\"vm\":[" list "]}}"
#define NO_VMS                                                                                     \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"e\",\"weir-interfaces:"       \
	"port\":{"                                                                                 \
	"\"mtu\":1400}}]},\"weir-vm:vms\":{}}"
#define GUEST(rules) RULES(LIST("l", "guest", rules))

static void reading_leaves_out_what_is_denied(void **state)
{
	static const struct {
		const char *rules, *expected;
	} rows[] = {
		{ GUEST(RULE("r", "", "permit")), DATA },
		{ GUEST(RULE("r", "", "deny")), "{}" },
		{ GUEST(RULE("r", OPS("create update delete exec"), "deny")), DATA },
		{ GUEST(RULE("r", OPS("read"), "deny")), "{}" },
		{ GUEST(RULE("r", RPC("*"), "deny")), DATA },
		{ GUEST(RULE("r", EVENT("*"), "deny")), DATA },
		{ GUEST(RULE("r", PATH("/"), "deny")), "{}" },
		{ GUEST(RULE("r", MODULE("weir-vm"), "deny")),
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"e\",\"weir-"
		  "interfaces:port\":{\"mtu\":1400}}]}}" },
		// an augmentation belongs to the module that augments
		{ GUEST(RULE("r", MODULE("weir-interfaces"),
			     "deny") "," RULE("s", MODULE("weir-vm"), "deny")),
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"e\"}]}}" },
		// paths: one entry, all entries, a leaf in all entries, an entry in an entry
		{ GUEST(RULE("r", PATH("/weir-vm:vms/vm[name='a']"), "deny")), WITH_VMS(VM("b")) },
		{ GUEST(RULE("r", PATH("/weir-vm:vms/vm"), "deny")), NO_VMS },
		{ GUEST(RULE("r", PATH("/weir-vm:vms/vm/hostname") ",\"module-name\":\"weir-vm\"",
			     "deny")),
		  WITH_VMS("{\"name\":\"a\",\"nic\":[" NIC("0") "," NIC(
			  "1") "]},{\"name\":\"b\","
			       "\"nic\":[" NIC("0") "," NIC("1") "]}") },
		{ GUEST(RULE("r", PATH("/weir-vm:vms/vm[name='b']/nic"), "deny")),
		  WITH_VMS(VM("a") ",{\"name\":\"b\",\"hostname\":\"hb\"}") },
		{ GUEST(RULE("r", PATH("/weir-vm:vms/vm/nic[id='1']"), "deny")),
		  WITH_VMS("{\"name\":\"a\",\"hostname\":\"ha\",\"nic\":[" NIC(
			  "0") "]},{\"name\":"
			       "\"b\",\"hostname\":\"hb\",\"nic\":[" NIC("0") "]}") },
		{ GUEST(RULE("r", PATH("/weir-vm:vms/vm[name='b']/nic[id='1']/mac"), "deny")),
		  WITH_VMS(VM("a") ",{\"name\":\"b\",\"hostname\":\"hb\",\"nic\":[" NIC(
			  "0") ",{\"id\":1}]}") },
		// keys stay with their entry
		{ GUEST(RULE("r", PATH("/weir-vm:vms/vm/name"), "deny")), DATA },
		// the first rule that matches wins
		{ GUEST(RULE("p", PATH("/weir-vm:vms/vm[name='a']"),
			     "permit") "," RULE("r", PATH("/weir-vm:vms/vm"), "deny")),
		  WITH_VMS(VM("a")) },
		{ GUEST(RULE("r", PATH("/weir-vm:vms/vm"),
			     "deny") "," RULE("p", PATH("/weir-vm:vms/vm[name='a']"), "permit")),
		  NO_VMS },
		// what is below a denied node is gone, whatever rules permit (3.2.4)
		{ GUEST(RULE("p", PATH("/weir-vm:vms/vm[name='a']"), "permit") "," RULE(
			  "r", MODULE("weir-vm"), "deny") "," RULE("s", MODULE("ietf-interfaces"),
								   "deny")),
		  "{}" },
		{ RULES(LIST("x", "limited", RULE("r", "", "deny"))), DATA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg_nacm *n = nacm_of(rows[i].rules);
		struct lyd_node *tree = tree_of(DATA);

		print_message("row %zu\n", i);
		assert_int_equal(cfg_nacm_prune_read(n, USER("guest"), &tree), 0);
		tree_is(tree, LYD_PRINT_WD_EXPLICIT, rows[i].expected);
		lyd_free_all(tree);
		tree = tree_of(DATA);
		assert_int_equal(cfg_nacm_prune_read(n, USER("guest", .recovery = true), &tree), 0);
		tree_is(tree, 0, DATA);
		lyd_free_all(tree);
		cfg_nacm_destroy(n);
	}
}

static void the_rules_themselves_are_denied_to_all(void **state)
{
	static const char rules[] =
		RULES(LIST("l", "guest", RULE("r", MODULE("weir-vm"), "permit")));
	struct cfg_nacm *n = nacm_of(rules);
	struct lyd_node *tree = tree_of(rules), *diff;
	struct cfg_nc_error e;

	(void)state;
	assert_int_equal(lyd_diff_siblings(tree, NULL, 0, &diff), LY_SUCCESS);
	assert_int_equal(cfg_nacm_check_write(n, USER("guest"), diff, &e), -EINVAL);
	assert_string_equal(e.path, ""); // nothing of it may be read
	assert_int_equal(cfg_nacm_prune_read(n, USER("guest"), &tree), 0);
	assert_null(tree);
	cfg_nacm_destroy(n);
	n = nacm_of(RULES(ALL_OF_ADMIN));
	tree = tree_of(rules);
	assert_int_equal(cfg_nacm_check_write(n, USER("andy"), diff, &e), 0);
	assert_int_equal(cfg_nacm_prune_read(n, USER("andy"), &tree), 0);
	tree_is(tree, 0, rules);
	lyd_free_all(tree);
	lyd_free_all(diff);
	cfg_nacm_destroy(n);
}

#define A_VM(body) "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\"" body "}]}}"
#define A_PATH "/weir-vm:vms/vm[name='a']"
#define MAY(o) GUEST(RULE("r", PATH(A_PATH) OPS(o), "permit"))
#define B_VM ",\"boot\":{\"method\":\"none\"}"

static void writing_needs_each_node_permitted(void **state)
{
	static const struct {
		const char *rules, *from, *to, *path; // path NULL = permitted
	} rows[] = {
		{ MAY("create"), "{}", A_VM(""), NULL },
		{ MAY("update"), "{}", A_VM(""), A_PATH },
		{ MAY("create"), A_VM(""), A_VM(",\"hostname\":\"x\""), NULL },
		{ MAY("update"), A_VM(""), A_VM(",\"hostname\":\"x\""), A_PATH "/hostname" },
		{ MAY("update"), A_VM(",\"hostname\":\"y\""), A_VM(",\"hostname\":\"x\""), NULL },
		{ MAY("create delete"), A_VM(",\"hostname\":\"y\""), A_VM(",\"hostname\":\"x\""),
		  A_PATH "/hostname" },
		{ MAY("delete"), A_VM(",\"hostname\":\"y\""), A_VM(""), NULL },
		{ MAY("delete"), A_VM(",\"hostname\":\"y\""), "{}", NULL },
		{ MAY("create update read"), A_VM(""), "{}", A_PATH },
		{ MAY("create"), A_VM(""), A_VM(B_VM), NULL },
		{ MAY("*"), A_VM(""), A_VM(B_VM), NULL },
		{ MAY("*"), "{}", "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"b\"}]}}",
		  "/weir-vm:vms/vm[name='b']" },
		{ MAY("*"), A_VM(""),
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
		  "/weir-vm:vms/vm[name='b']" },
		// one leaf of what is created, or deleted, is not
		{ GUEST(RULE("n", PATH(A_PATH "/hostname"), "deny") "," RULE("r", MODULE("weir-vm"),
									     "permit")),
		  "{}", A_VM(",\"hostname\":\"x\""), A_PATH },
		{ GUEST(RULE("n", PATH(A_PATH "/hostname") OPS("create delete"),
			     "deny") "," RULE("r", MODULE("weir-vm"), "permit")),
		  "{}", A_VM(",\"hostname\":\"x\""), A_PATH "/hostname" },
		{ GUEST(RULE("n", PATH(A_PATH "/hostname") OPS("create delete"),
			     "deny") "," RULE("r", MODULE("weir-vm"), "permit")),
		  A_VM(",\"hostname\":\"x\""), "{}", A_PATH "/hostname" },
		{ GUEST(RULE("n", PATH(A_PATH "/hostname"), "deny") "," RULE("r", MODULE("weir-vm"),
									     "permit")),
		  A_VM(",\"hostname\":\"x\""), A_VM(",\"hostname\":\"x\"" B_VM), NULL },
		// what may not be read is not named
		{ GUEST(RULE("n", PATH("/weir-vm:vms/vm"), "deny")), A_VM(""), "{}",
		  "/weir-vm:vms" },
		{ GUEST(RULE("n", "", "deny")), A_VM(""), "{}", "" },
		// order of a list, and a default that is written out
		{ MAY("create delete"),
		  A_VM(",\"nic\":[{\"id\":0,\"ipv4-address\":[\"10.0.0.1\",\"10.0.0.2\"]}]"),
		  A_VM(",\"nic\":[{\"id\":0,\"ipv4-address\":[\"10.0.0.2\",\"10.0.0.1\"]}]"),
		  A_PATH "/nic[id='0']/ipv4-address[.='10.0.0.2']" },
		{ MAY("update"),
		  A_VM(",\"nic\":[{\"id\":0,\"ipv4-address\":[\"10.0.0.1\",\"10.0.0.2\"]}]"),
		  A_VM(",\"nic\":[{\"id\":0,\"ipv4-address\":[\"10.0.0.2\",\"10.0.0.1\"]}]"),
		  NULL },
		{ MAY("read"), A_VM(""), A_VM(""), NULL }, // no change at all
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lyd_node *from = tree_of(rows[i].from), *to = tree_of(rows[i].to), *diff;
		struct cfg_nacm *n = nacm_of(rows[i].rules);
		struct cfg_nc_error e = { 0 };
		int rc;

		print_message("row %zu\n", i);
		assert_int_equal(lyd_diff_siblings(from, to, LYD_DIFF_DEFAULTS, &diff), LY_SUCCESS);
		rc = cfg_nacm_check_write(n, USER("guest"), diff, &e);
		assert_int_equal(rc, rows[i].path == NULL ? 0 : -EINVAL);
		assert_int_equal(cfg_nacm_counts(n)->denied_data_writes, rc < 0);
		if (rc < 0) {
			assert_string_equal(e.tag, "access-denied");
			assert_string_equal(e.path, rows[i].path);
			assert_string_equal(e.message, "access denied"); // and not a word more
			assert_string_equal(e.info, "");
		}
		lyd_free_all(diff);
		lyd_free_all(from);
		lyd_free_all(to);
		cfg_nacm_destroy(n);
	}
}

static void notifications_go_by_rules(void **state)
{
	static const struct {
		const char *rules, *module, *name;
		bool ok;
	} rows[] = {
		{ "{}", "ietf-netconf-notifications", "netconf-config-change", true },
		{ NACM("\"read-default\":\"deny\""), "ietf-netconf-notifications",
		  "netconf-config-change", false },
		{ NACM("\"read-default\":\"deny\""), "nc-notifications", "replayComplete", true },
		{ NACM("\"read-default\":\"deny\""), "nc-notifications", "notificationComplete",
		  true },
		{ GUEST(RULE("r", EVENT("netconf-config-change"), "deny")),
		  "ietf-netconf-notifications", "netconf-config-change", false },
		{ GUEST(RULE("r", EVENT("netconf-config-change") OPS("create"), "deny")),
		  "ietf-netconf-notifications", "netconf-config-change", true },
		{ GUEST(RULE("r", EVENT("netconf-config-change"), "deny")),
		  "ietf-netconf-notifications", "netconf-session-end", true },
		{ GUEST(RULE("r", EVENT("*") MODULE("ietf-netconf-notifications") OPS("read"),
			     "deny")),
		  "ietf-netconf-notifications", "netconf-session-end", false },
		{ GUEST(RULE("r", RPC("*"), "deny")), "ietf-netconf-notifications",
		  "netconf-session-end", true },
		{ GUEST(RULE("r", "", "deny")), "ietf-netconf-notifications", "netconf-session-end",
		  false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg_nacm *n = nacm_of(rows[i].rules);

		print_message("row %zu\n", i);
		assert_int_equal(cfg_nacm_may_notify(n, USER("guest"),
						     schema_of(rows[i].module, rows[i].name)),
				 rows[i].ok);
		assert_int_equal(cfg_nacm_counts(n)->denied_notifications, !rows[i].ok);
		assert_true(cfg_nacm_may_notify(n, USER("guest", .recovery = true),
						schema_of(rows[i].module, rows[i].name)));
		cfg_nacm_destroy(n);
	}
}

// A module with all the marks of RFC 8341.
static const char marks[] =
	"module marks { namespace \"urn:marks\"; prefix m; import ietf-netconf-acm { prefix nacm; }"
	" container c { leaf open { type string; } leaf deny-write { nacm:default-deny-write; type "
	"string; }"
	"  container deny-all { nacm:default-deny-all; leaf below { type string; } } }"
	" rpc denied { nacm:default-deny-all; } rpc open {}"
	" notification denied-event { nacm:default-deny-all; } notification open-event {} }";

static void marks_of_modules_are_honoured(void **state)
{
	static const char data[] =
		"{\"marks:c\":{\"open\":\"o\",\"deny-write\":\"w\",\"deny-all\":{"
		"\"below\":\"b\"}}}";
	static const struct {
		const char *rules, *read, *path; // path of what may not be written; NULL = nothing
		bool exec, notify;
	} rows[] = {
		{ NACM("\"write-default\":\"permit\""),
		  "{\"marks:c\":{\"open\":\"o\",\"deny-write\":\"w\"}}", "/marks:c/deny-write",
		  false, false },
		// a rule decides before a mark does
		{ GUEST(RULE("r", MODULE("marks"), "permit")), data, NULL, true, true },
		{ GUEST(RULE("r", PATH("/marks:c"), "permit")), data, NULL, false, false },
		{ GUEST(RULE("r", MODULE("marks") OPS("exec"), "permit")),
		  "{\"marks:c\":{\"open\":\"o\",\"deny-write\":\"w\"}}", "/marks:c/open", true,
		  false },
		{ GUEST(RULE("r", PATH("/marks:c/open"),
			     "permit") "," RULE("s", PATH("/marks:c/deny-write"), "permit")),
		  "{\"marks:c\":{\"open\":\"o\",\"deny-write\":\"w\"}}", "/marks:c", false, false },
		{ NACM("\"enable-nacm\":false"), data, NULL, true, true },
	};

	(void)state;
	assert_int_equal(lys_parse_mem(schema->ctx, marks, LYS_IN_YANG, NULL), LY_SUCCESS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg_nacm *n = nacm_of(rows[i].rules);
		struct lyd_node *tree = tree_of(data), *diff;
		struct cfg_nc_error e = { 0 };

		print_message("row %zu\n", i);
		assert_int_equal(lyd_diff_siblings(NULL, tree, 0, &diff), LY_SUCCESS);
		assert_int_equal(cfg_nacm_check_write(n, USER("guest"), diff, &e),
				 rows[i].path == NULL ? 0 : -EINVAL);
		assert_string_equal(e.path, rows[i].path == NULL ? "" : rows[i].path);
		assert_int_equal(cfg_nacm_prune_read(n, USER("guest"), &tree), 0);
		tree_is(tree, 0, rows[i].read);
		assert_int_equal(cfg_nacm_may_exec(n, USER("guest"), schema_of("marks", "denied")),
				 rows[i].exec);
		assert_true(cfg_nacm_may_exec(n, USER("guest"), schema_of("marks", "open")));
		assert_int_equal(
			cfg_nacm_may_notify(n, USER("guest"), schema_of("marks", "denied-event")),
			rows[i].notify);
		assert_true(
			cfg_nacm_may_notify(n, USER("guest"), schema_of("marks", "open-event")));
		lyd_free_all(diff);
		lyd_free_all(tree);
		cfg_nacm_destroy(n);
	}
}

// Values of predicates: quotes, slashes and brackets in them, other ways to write a number.
static void paths_may_hold_any_value(void **state)
{
	static const struct {
		const char *path, *data;
		bool denied;
	} rows[] = {
		{ "/ietf-interfaces:interfaces/interface[name='a]/b']", "a]/b", true },
		{ "/ietf-interfaces:interfaces/interface[name=\\\"it's\\\"]", "it's", true },
		{ "/ietf-interfaces:interfaces/interface[name='a=b']", "a=b", true },
		{ "/ietf-interfaces:interfaces/interface[name='a']", "b", false },
		{ "/ietf-interfaces:interfaces/interface[name='']", "b", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char rules[2048], data[256];
		struct lyd_node *tree;
		struct cfg_nacm *n;

		print_message("row %zu\n", i);
		snprintf(rules, sizeof(rules), GUEST(RULE("r", PATH("%s"), "deny")), rows[i].path);
		snprintf(data, sizeof(data),
			 "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"%s\"}]}}",
			 rows[i].data);
		n = nacm_of(rules);
		tree = tree_of(data);
		assert_int_equal(cfg_nacm_prune_read(n, USER("guest"), &tree), 0);
		assert_int_equal(lyd_child(tree) == NULL, rows[i].denied);
		lyd_free_all(tree);
		cfg_nacm_destroy(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_go_by_rules_and_defaults),
		cmocka_unit_test(close_session_is_always_permitted),
		cmocka_unit_test(without_rules_the_defaults_hold),
		cmocka_unit_test(groups_come_from_the_transport_too),
		cmocka_unit_test(reading_leaves_out_what_is_denied),
		cmocka_unit_test(the_rules_themselves_are_denied_to_all),
		cmocka_unit_test(writing_needs_each_node_permitted),
		cmocka_unit_test(notifications_go_by_rules),
		cmocka_unit_test(marks_of_modules_are_honoured),
		cmocka_unit_test(paths_may_hold_any_value),
	};

	return cmocka_run_group_tests(tests, setup, tree_teardown);
}
