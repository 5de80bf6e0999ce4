// Filters: subtree (RFC 6241 section 6, with the examples of 6.4 on our modules) and XPath.
#include <errno.h>
#include <stdio.h>

#include "filter_priv.h"
#include "tree.h"

// Three users of RFC 6241's examples are three VMs here.
#define VM1                                                                                        \
	"{\"name\":\"root\",\"hostname\":\"main\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:"    \
	"01\","                                                                                    \
	"\"ipv4-address\":[\"10.0.0.1\",\"10.0.0.2\"]},{\"id\":1,\"mac\":\"52:54:00:00:00:02\"}]}"
#define VM2                                                                                        \
	"{\"name\":\"fred\",\"hostname\":\"flint\",\"boot\":{\"method\":\"iscsi\",\"iscsi\":{"     \
	"\"server\":\"10.9.9.9\",\"port\":3260,\"target\":\"iqn.x:y\"}}}"
#define VM3 "{\"name\":\"barney\",\"hostname\":\"rubble\"}"
#define VMS(list) "{\"weir-vm:vms\":{\"vm\":[" list "]}}"
#define IFS                                                                                        \
	"\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\",\"description\":\"\","  \
	"\"type\":\"weir-interfaces:uplink\",\"weir-interfaces:port\":{\"mtu\":1500}},"            \
	"{\"name\":\"eth1\",\"type\":\"weir-interfaces:guest\"}]}"
#define TREE "{" IFS ",\"weir-vm:vms\":{\"vm\":[" VM1 "," VM2 "," VM3 "]}}"
#define NIC0 "{\"id\":0,\"mac\":\"52:54:00:00:00:01\",\"ipv4-address\":[\"10.0.0.1\",\"10.0.0.2\"]}"
#define NIC1 "{\"id\":1,\"mac\":\"52:54:00:00:00:02\"}"

#define V "<vms xmlns=\"" VM_NS "\">"
#define V_ "</vms>"
#define I "<interfaces xmlns=\"" IF_NS "\">"
#define I_ "</interfaces>"

// A request and the node of its filter.
struct request {
	struct lyd_node *envelope, *op;
	const struct lyd_node *filter;
};

static struct request ask(const char *text, LYD_FORMAT format, const char *name)
{
	struct request r = { 0 };
	struct ly_in *in = NULL;

	assert_int_equal(ly_in_new_memory(text, &in), LY_SUCCESS);
	if (lyd_parse_op(schema->ctx, NULL, in, format,
			 format == LYD_XML ? LYD_TYPE_RPC_NETCONF : LYD_TYPE_RPC_YANG,
			 format == LYD_XML ? &r.envelope : &r.op,
			 format == LYD_XML ? &r.op : NULL) != LY_SUCCESS)
		fail_msg("%s: %s", ly_errmsg(schema->ctx), text);
	ly_in_free(in, 0);
	r.filter = cfg_child(r.op, name);
	return r;
}

static void done(struct request *r)
{
	lyd_free_all(r->op);
	lyd_free_all(r->envelope);
}

static struct request get_config(const char *attributes, const char *content)
{
	char text[8192];

	snprintf(text, sizeof(text),
		 "<rpc xmlns=\"" NC_NS "\" message-id=\"1\"><get-config><source><running/></source>"
		 "<filter %s>%s</filter></get-config></rpc>",
		 attributes, content);
	return ask(text, LYD_XML, "filter");
}

static void filtered(const struct request *r, uint16_t depth, const char *expected)
{
	struct lyd_node *tree = tree_of(TREE), *out;
	struct cfg_nc_error e = { 0 };
	int rc = cfg_filter_depth(tree, r->filter, depth, &out, &e);

	if (rc < 0)
		fail_msg("%s: %s", e.tag, e.message);
	tree_is(out, 0, expected);
	tree_is(tree, 0, TREE); // as it was
	lyd_free_all(out);
	lyd_free_all(tree);
}

static void subtree_filters_select(void **state)
{
	static const struct {
		const char *filter, *expected;
	} rows[] = {
		// 6.4.2: an empty filter; 6.4.3: a whole subtree
		{ "", "{}" },
		{ "  \n ", "{}" },
		{ V V_, VMS(VM1 "," VM2 "," VM3) },
		{ V "<vm/>" V_, VMS(VM1 "," VM2 "," VM3) },
		// 6.4.4: one leaf of all entries; keys come with what is selected
		{ V "<vm><name/></vm>" V_,
		  VMS("{\"name\":\"root\"},{\"name\":\"fred\"},{\"name\":\"barney\"}") },
		{ V "<vm><boot><method/></boot></vm>" V_,
		  VMS("{\"name\":\"fred\",\"boot\":{\"method\":\"iscsi\"}}") },
		// 6.4.5: one entry, by content alone
		{ V "<vm><name>fred</name></vm>" V_, VMS(VM2) },
		{ V "<vm><hostname>flint</hostname></vm>" V_, VMS(VM2) },
		// 6.4.6: some leaves of one entry
		{ V "<vm><name>fred</name><hostname/><boot><iscsi><server/></iscsi></boot></vm>" V_,
		  VMS("{\"name\":\"fred\",\"hostname\":\"flint\",\"boot\":{\"iscsi\":{\"server\":"
		      "\"10.9.9.9\"}}}") },
		// 6.4.7: several subtrees: all of fred, one leaf of barney, one container of root
		{ V "<vm><name>root</name><nic><id>1</id></nic></vm><vm><name>fred</name></vm>"
		    "<vm><name>barney</name><hostname/></vm>" V_,
		  VMS("{\"name\":\"root\",\"nic\":[" NIC1 "]}," VM2 "," VM3) },
		// two subtrees meet in one entry
		{ V "<vm><name>fred</name><hostname/></vm><vm><boot><method/></boot></vm>" V_,
		  VMS("{\"name\":\"fred\",\"hostname\":\"flint\",\"boot\":{\"method\":\"iscsi\"}"
		      "}") },
		{ V "<vm><name>fred</name></vm>" V_ V "<vm><name>barney</name></vm>" V_,
		  VMS(VM2 "," VM3) },
		// 6.4.8: elements with attributes
		{ V "<vm foo=\"bar\"><name>fred</name></vm>" V_, VMS(VM2) }, // see filter_priv.h
		{ V "<vm foo=\"bar\"><hostname>flint</hostname></vm>" V_, VMS(VM2) },
		{ V "<vm xmlns:o=\"urn:ietf:params:xml:ns:yang:ietf-origin\" "
		    "o:origin=\"o:intended\"><name/></vm>" V_,
		  "{}" },
		// all content must match
		{ V "<vm><name>fred</name><hostname>flint</hostname></vm>" V_, VMS(VM2) },
		{ V "<vm><name>fred</name><hostname>rubble</hostname></vm>" V_, "{}" },
		{ V "<vm><name>fred</name><name>barney</name></vm>" V_, "{}" },
		{ V "<vm><name>nobody</name><hostname/></vm>" V_, "{}" },
		{ V "<vm><name>fred</name><uuid/></vm>" V_, VMS("{\"name\":\"fred\"}") },
		{ V "<vm><nic><ipv4-address>10.0.0.2</ipv4-address></nic></vm>" V_,
		  VMS("{\"name\":\"root\",\"nic\":[" NIC0 "]}") },
		{ V "<vm><nic><ipv4-address>10.0.0.2</ipv4-address><mac/></nic></vm>" V_,
		  VMS("{\"name\":\"root\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:01\",\"ipv4-"
		      "address\":[\"10.0.0.2\"]}]}") },
		// values as the type sees them
		{ V "<vm><nic><id>+1</id></nic></vm>" V_,
		  VMS("{\"name\":\"root\",\"nic\":[" NIC1 "]}") },
		{ V "<vm><nic><id>+1</id><mac/><vlan/></nic></vm>" V_,
		  VMS("{\"name\":\"root\",\"nic\":[" NIC1 "]}") },
		{ V "<vm><name>  root </name><nic><id>\n01\n</id><mac/></nic></vm>" V_,
		  VMS("{\"name\":\"root\",\"nic\":[" NIC1 "]}") },
		{ V "<vm><nic><mac>52:54:00:00:00:02</mac></nic></vm>" V_,
		  VMS("{\"name\":\"root\",\"nic\":[" NIC1 "]}") },
		{ V "<vm><nic><id>x</id></nic></vm>" V_, "{}" },
		{ V "<vm><nic><id>300</id></nic></vm>" V_, "{}" },
		{ V "<vm>text</vm>" V_, "{}" },
		{ V "<vm><boot>iscsi</boot></vm>" V_, "{}" },
		{ V "<vm><name><x/></name></vm>" V_, "{}" },
		{ I "<interface><type xmlns:w=\"" WI_NS "\">w:uplink</type><name/></interface>" I_,
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\",\"type\":"
		  "\"weir-interfaces:uplink\"}]}}" },
		{ I "<interface><port xmlns=\"" WI_NS "\"><mtu>01500</mtu></port></interface>" I_,
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\",\"weir-"
		  "interfaces:port\":{\"mtu\":1500}}]}}" },
		{ I "<interface><description/></interface>" I_,
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\","
		  "\"description\":\"\"}]}}" },
		// namespaces: another one, none, the request's own (no xmlns written)
		{ I "<interface><port><mtu/></port></interface>" I_, "{}" },
		{ "<vms xmlns=\"urn:other\"/>", "{}" },
		{ "<vms xmlns=\"\"><vm><name>barney</name></vm></vms>", VMS(VM3) },
		{ "<vms><vm><name>barney</name></vm></vms>", VMS(VM3) },
		{ "<interfaces><interface><port><mtu/></port></interface></interfaces>",
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\",\"weir-"
		  "interfaces:port\":{\"mtu\":1500}}]}}" },
		{ V "<vm><name>barney</name></vm>" V_ I
		    "<interface><name>eth1</name></interface>" I_,
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth1\",\"type\":"
		  "\"weir-interfaces:guest\"}]},\"weir-vm:vms\":{\"vm\":[" VM3 "]}}" },
		{ "<unknown xmlns=\"urn:x\"><a>b</a></unknown>", "{}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request r = get_config("type=\"subtree\"", rows[i].filter);

		print_message("row %zu: %s\n", i, rows[i].filter);
		filtered(&r, 0, rows[i].expected);
		done(&r);
		r = get_config("", rows[i].filter); // subtree is the default
		filtered(&r, 0, rows[i].expected);
		done(&r);
	}
}

#define XPATH(expr)                                                                                \
	"type=\"xpath\" xmlns:v=\"" VM_NS "\" xmlns:i=\"" IF_NS "\" xmlns:w=\"" WI_NS              \
	"\" select=\"" expr "\""

static void xpath_filters_select(void **state)
{
	static const struct {
		const char *attributes, *expected;
	} rows[] = {
		{ XPATH("/"), TREE },
		{ XPATH("/v:vms"), VMS(VM1 "," VM2 "," VM3) },
		{ XPATH("v:vms"), VMS(VM1 "," VM2 "," VM3) },
		{ XPATH("/v:vms/v:vm[v:name='fred']"), VMS(VM2) },
		{ XPATH("/v:vms/v:vm[v:name='fred']/v:hostname"),
		  VMS("{\"name\":\"fred\",\"hostname\":\"flint\"}") },
		{ XPATH("/v:vms/v:vm[v:name='fred' or v:name='barney']/v:name"),
		  VMS("{\"name\":\"fred\"},{\"name\":\"barney\"}") },
		{ XPATH("//v:nic[v:id=1]/v:mac | /v:vms/v:vm[3]"),
		  VMS("{\"name\":\"root\",\"nic\":[" NIC1 "]}," VM3) },
		{ XPATH("/v:vms/v:vm[v:name='x']"), "{}" },
		{ XPATH("/i:interfaces/i:interface[w:port/w:mtu=1500]/i:name"),
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"eth0\"}]}}" },
		{ XPATH("//v:vm[not(v:boot)]/v:hostname"),
		  VMS("{\"name\":\"root\",\"hostname\":\"main\"}," VM3) },
		{ XPATH("//v:vm[v:nic] | //v:vm[v:nic]/v:nic/v:mac"), VMS(VM1) },
		// names that begin like an operator; an operator that touches what follows
		{ XPATH("/v:vms/v:vm[v:name='fred' and v:name!='a' or'1'='2']/v:modes"), "{}" },
		{ XPATH("/v:vms/v:vm[child::v:name='fred' and not(v:android)]"), VMS(VM2) },
		{ XPATH("/v:vms/v:vm[position()*2=4]"), VMS(VM2) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request r = get_config(rows[i].attributes, "");

		print_message("row %zu: %s\n", i, rows[i].attributes);
		filtered(&r, 0, rows[i].expected);
		done(&r);
	}
}

static void wrong_filters_are_refused(void **state)
{
	static const struct {
		const char *attributes, *content, *tag, *message;
	} rows[] = {
		{ "type=\"xpath\"", "", "missing-attribute", "select" },
		{ "", "text", "invalid-value", "expected elements" },
		{ XPATH("1 + 1"), "", "invalid-value", "1 + 1" },
		{ XPATH("count(/v:vms)"), "", "invalid-value", "selects no nodes" },
		{ XPATH("/v:vms/v:vm = 'x'"), "", "invalid-value", "selects no nodes" },
		{ XPATH("re-match(v:vms, 'a')"), "", "resource-denied", "re-match" },
		{ XPATH("//*[//*[//*[//*[//*[//*]]]]]"), "", "resource-denied", "too often" },
		// what libyang crashes on: division of integers by zero, functions of the root
		{ XPATH("*mod*"), "", "resource-denied", "mod" },
		{ XPATH("/*[1mod 0]"), "", "resource-denied", "mod" },
		{ XPATH("/*[v:vm mod 0]"), "", "resource-denied", "mod" },
		{ XPATH("/*['a'mod 0]"), "", "resource-denied", "mod" },
		{ XPATH("/*[(1)mod 0]"), "", "resource-denied", "mod" },
		{ XPATH("deref(/)"), "", "resource-denied", "deref()" },
		{ XPATH("/*[enum-value(/)]"), "", "resource-denied", "enum-value()" },
		{ XPATH("/*[bit-is-set(/, 'a')]"), "", "resource-denied", "bit-is-set()" },
		{ XPATH("/*[derived-from-or-self(/, 'a')]"), "", "resource-denied",
		  "derived-from()" },
	};
	struct lyd_node *tree = tree_of(TREE), *out;
	struct cfg_nc_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request r = get_config(rows[i].attributes, rows[i].content);

		print_message("row %zu: %s\n", i, rows[i].attributes);
		assert_int_equal(cfg_filter(tree, r.filter, &out, &e), -EINVAL);
		assert_null(out);
		assert_string_equal(e.tag, rows[i].tag);
		assert_non_null(strstr(e.message, rows[i].message));
		done(&r);
	}
	lyd_free_all(tree);
}

static void no_filter_selects_everything(void **state)
{
	struct lyd_node *tree = tree_of(TREE), *out;
	struct cfg_nc_error e;

	(void)state;
	assert_int_equal(cfg_filter(tree, NULL, &out, &e), 0);
	tree_is(out, 0, TREE);
	lyd_free_all(out);
	assert_int_equal(cfg_filter(NULL, NULL, &out, &e), 0);
	assert_null(out);
	lyd_free_all(tree);
}

static void attributes_are_compared(void **state)
{
	static const char data[] =
		"{\"weir-vm:vms\":{\"@\":{\"ietf-origin:origin\":\"ietf-origin:intended\"},\"vm\":["
		"{\"name\":\"a\",\"hostname\":\"x\",\"@hostname\":{\"ietf-origin:origin\":"
		"\"ietf-origin:learned\"}},{\"name\":\"b\",\"hostname\":\"y\"}]}}";
	static const struct {
		const char *content;
		bool matches;
	} rows[] = {
		{ V "<vm><hostname o:origin=\"o:learned\"/></vm>" V_, true },
		{ V "<vm><hostname o:origin=\"o:learned\">x</hostname></vm>" V_, true },
		{ V "<vm><hostname o:origin=\"o:learned\">y</hostname></vm>" V_, false },
		{ V "<vm><hostname o:origin=\"o:system\"/></vm>" V_, false },
		{ V "<vm><hostname xmlns:p=\"urn:p\" p:origin=\"o:learned\"/></vm>" V_, false },
	};
	struct lyd_node *tree = tree_of(data), *out;
	struct cfg_nc_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request r = get_config("xmlns:o=\"urn:ietf:params:xml:ns:yang:ietf-origin\"",
					      rows[i].content);

		print_message("row %zu: %s\n", i, rows[i].content);
		assert_int_equal(cfg_filter(tree, r.filter, &out, &e), 0);
		assert_int_equal(out != NULL, rows[i].matches);
		if (rows[i].matches)
			assert_string_equal(cfg_value(lyd_child(out), "name"), "a");
		lyd_free_all(out);
		done(&r);
	}
	lyd_free_all(tree);
}

#define GET_DATA(content)                                                                          \
	"<rpc xmlns=\"" NC_NS "\" message-id=\"1\"><get-data xmlns=\"urn:ietf:params:xml:ns:yang:" \
	"ietf-netconf-nmda\" xmlns:ds=\"urn:ietf:params:xml:ns:yang:ietf-datastores\"><datastore>" \
	"ds:running</datastore>" content "</get-data></rpc>"
#define JSON_GET(filter)                                                                           \
	"{\"ietf-netconf:get-config\":{\"source\":{\"running\":[null]}," filter "}}"
#define JSON_DATA(filter)                                                                          \
	"{\"ietf-netconf-nmda:get-data\":{\"datastore\":\"ietf-datastores:running\"," filter "}}"

static void all_forms_of_requests_carry_filters(void **state)
{
	static const struct {
		const char *request, *name, *expected;
	} rows[] = {
		{ GET_DATA("<subtree-filter>" V "<vm><name>barney</name></vm>" V_
			   "</subtree-filter>"),
		  "subtree-filter", VMS(VM3) },
		{ GET_DATA("<subtree-filter><vms><vm><name>barney</name></vm></vms>"
			   "</subtree-filter>"),
		  "subtree-filter", VMS(VM3) },
		{ GET_DATA("<subtree-filter/>"), "subtree-filter", "{}" },
		{ GET_DATA("<xpath-filter xmlns:v=\"" VM_NS
			   "\">/v:vms/v:vm[v:name='fred']</xpath-filter>"),
		  "xpath-filter", VMS(VM2) },
		{ JSON_GET("\"filter\":{\"weir-vm:vms\":{\"vm\":[{\"name\":\"root\",\"nic\":[{"
			   "\"id\":1},{\"mac\":null}]}]}}"),
		  "filter",
		  VMS("{\"name\":\"root\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:01\"}," NIC1
		      "]}") },
		{ JSON_GET("\"filter\":[null],\"@filter\":{\"ietf-netconf:type\":\"xpath\","
			   "\"ietf-netconf:select\":\"/weir-vm:vms/vm[name='fred']\"}"),
		  "filter", VMS(VM2) },
		{ JSON_GET("\"filter\":[null]"), "filter", "{}" },
		{ JSON_GET("\"filter\":{}"), "filter", "{}" },
		{ JSON_DATA("\"subtree-filter\":{\"weir-vm:vms\":{\"vm\":[{\"name\":\"root\","
			    "\"nic\":[null]}]}}"),
		  "subtree-filter", VMS("{\"name\":\"root\",\"nic\":[" NIC0 "," NIC1 "]}") },
		{ JSON_DATA("\"xpath-filter\":\"/weir-vm:vms/vm[name='fred']\""), "xpath-filter",
		  VMS(VM2) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request r =
			ask(rows[i].request, rows[i].request[0] == '{' ? LYD_JSON : LYD_XML,
			    rows[i].name);

		print_message("row %zu: %s\n", i, rows[i].request);
		assert_non_null(r.filter);
		filtered(&r, 0, rows[i].expected);
		done(&r);
	}
}

static void depth_counts_from_what_is_selected(void **state)
{
	static const struct {
		const char *attributes, *content;
		uint16_t depth;
		const char *expected;
	} rows[] = {
		{ "", V V_, 1, "{\"weir-vm:vms\":{}}" },
		{ "", V V_, 2,
		  VMS("{\"name\":\"root\"},{\"name\":\"fred\"},{\"name\":\"barney\"}") },
		{ "", V "<vm><name>fred</name></vm>" V_, 1, VMS("{\"name\":\"fred\"}") },
		{ "", V "<vm><name>barney</name></vm>" V_, 2, VMS(VM3) },
		{ "", V "<vm><name>fred</name></vm>" V_, 3,
		  VMS("{\"name\":\"fred\",\"hostname\":\"flint\",\"boot\":{\"method\":\"iscsi\","
		      "\"iscsi\":{}}}") },
		{ "", V "<vm><name>fred</name></vm>" V_, 4, VMS(VM2) },
		{ "", V V_ V "<vm><name>barney</name></vm>" V_, 2,
		  VMS("{\"name\":\"root\"},{\"name\":\"fred\"}," VM3) },
		{ XPATH("//v:vm[v:name='fred'] | //v:iscsi/v:server"), "", 1,
		  VMS("{\"name\":\"fred\",\"boot\":{\"iscsi\":{\"server\":\"10.9.9.9\"}}}") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request r = get_config(rows[i].attributes, rows[i].content);

		print_message("row %zu\n", i);
		filtered(&r, rows[i].depth, rows[i].expected);
		done(&r);
	}
}

static void cuts_work_in_place(void **state)
{
	static const char both[] =
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\",\"description\":"
		"\"d\",\"weir-interfaces:port-state\":{\"detail\":\"x\"}},{\"name\":\"b\"}]},"
		"\"weir-vm:vms\":{\"vm\":[" VM3 "]},\"weir-vm:vms-state\":{\"vm\":[{\"name\":\"s\","
		"\"uuid\":\"u\"}]}}";
	struct lyd_node *tree = tree_of(both);

	(void)state;
	assert_int_equal(cfg_depth_cut(tree, 3), 0);
	tree_is(tree, 0,
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\",\"description\":"
		"\"d\",\"weir-interfaces:port-state\":{}},{\"name\":\"b\"}]},\"weir-vm:vms\":{"
		"\"vm\":[" VM3 "]},\"weir-vm:vms-state\":{\"vm\":[{\"name\":\"s\",\"uuid\":\"u\"}]"
		"}}");
	assert_int_equal(cfg_depth_cut(tree, 2), 0);
	tree_is(tree, 0,
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\"},{\"name\":\"b\"}]"
		"},\"weir-vm:vms\":{\"vm\":[{\"name\":\"barney\"}]},\"weir-vm:vms-state\":{\"vm\":["
		"{\"name\":\"s\"}]}}");
	lyd_free_all(tree);
	tree = tree_of(both);
	assert_int_equal(cfg_config_only(&tree, false), 0);
	tree_is(tree, 0,
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\",\"weir-interfaces:"
		"port-state\":{\"detail\":\"x\"}}]},\"weir-vm:vms-state\":{\"vm\":[{\"name\":\"s\","
		"\"uuid\":\"u\"}]}}");
	lyd_free_all(tree);
	tree = tree_of(both);
	assert_int_equal(cfg_config_only(&tree, true), 0);
	tree_is(tree, 0,
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"a\",\"description\":"
		"\"d\"},{\"name\":\"b\"}]},\"weir-vm:vms\":{\"vm\":[" VM3 "]}}");
	lyd_free_all(tree);
}

// A filter of thousands of elements that all look at thousands of entries.
static void work_is_bounded(void **state)
{
	static const struct {
		const char *expr;
		int rc;
	} rows[] = {
		{ "/v:vms/v:vm[v:name = /v:vms/v:vm/v:hostname]", -EINVAL },
		{ "//v:vm[v:name and /v:vms/v:vm/v:hostname]", -EINVAL },
		{ "//v:vm[.//v:name]", -EINVAL },
		{ "//v:vm[../v:vm/v:name='a']", -EINVAL },
		{ "//v:vm[following::v:vm]", -EINVAL },
		{ "//*/following::*", -EINVAL },
		{ "//*/preceding-sibling::*", -EINVAL },
		{ "(//v:vm)[//v:vm]", -EINVAL },
		{ "//v:vm[v:name='v7']", 0 },
		{ "//v:vm[v:name='/v:vms//v:vm[..]']", 0 },
		{ "//*/*/v:name | //v:vm/.. | /v:vms", 0 },
	};
	char *filter, *json;
	size_t f_size, j_size;
	FILE *f = open_memstream(&filter, &f_size), *t = open_memstream(&json, &j_size);
	struct lyd_node *tree, *out;
	struct cfg_nc_error e;
	struct request r;

	(void)state;
	fputs("<rpc xmlns=\"" NC_NS "\" message-id=\"1\"><get-config><source><running/></source>"
	      "<filter>" V,
	      f);
	for (int i = 0; i < 5000; i++)
		fprintf(f, "<vm><name>x%d</name><hostname/></vm>", i);
	fputs(V_ "</filter></get-config></rpc>", f);
	fclose(f);
	fputs("{\"weir-vm:vms\":{\"vm\":[", t);
	for (int i = 0; i < 5000; i++)
		fprintf(t, "%s{\"name\":\"v%d\"}", i == 0 ? "" : ",", i);
	fputs("]}}", t);
	fclose(t);
	tree = tree_of(json);
	r = ask(filter, LYD_XML, "filter");
	assert_int_equal(cfg_filter(tree, r.filter, &out, &e), -EINVAL);
	assert_string_equal(e.tag, "resource-denied");
	done(&r);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char attributes[1024];

		print_message("%s\n", rows[i].expr);
		snprintf(attributes, sizeof(attributes), XPATH("%s"), rows[i].expr);
		r = get_config(attributes, "");
		assert_int_equal(cfg_filter(tree, r.filter, &out, &e), rows[i].rc);
		if (rows[i].rc < 0)
			assert_string_equal(e.tag, "resource-denied");
		lyd_free_all(out);
		done(&r);
	}
	lyd_free_all(tree);
	free(filter);
	free(json);
}

static int setup(void **state)
{
	(void)state;
	return tree_setup(WEIR_YANG_SRC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subtree_filters_select),
		cmocka_unit_test(xpath_filters_select),
		cmocka_unit_test(wrong_filters_are_refused),
		cmocka_unit_test(no_filter_selects_everything),
		cmocka_unit_test(attributes_are_compared),
		cmocka_unit_test(all_forms_of_requests_carry_filters),
		cmocka_unit_test(depth_counts_from_what_is_selected),
		cmocka_unit_test(cuts_work_in_place),
		cmocka_unit_test(work_is_bounded),
	};

	return cmocka_run_group_tests(tests, setup, tree_teardown);
}
