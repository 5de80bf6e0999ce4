// Lines of words: what they do to a configuration, where they are refused, and the text that a
// configuration is shown as.
#include "words_rig.h"

static void lines_become_configuration(void **state)
{
	static const struct {
		const char *before, *context, *line, *json;
	} rows[] = {
		{ "", "", "set vms vm web1 nic 0 mac " M1 " vlan 20 mtu 9000",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"web1\",\"nic\":[{\"id\":0,\"mac\":\"" M1
		  "\",\"vlan\":20,\"mtu\":9000}]}]}}" },
		{ "", "", "set vm web1", "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"web1\"}]}}" },
		{ "", "", "set weir-vm:vms vm web1",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"web1\"}]}}" },
		{ "", "", "set wvm:vms wvm:vm web1",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"web1\"}]}}" },
		{ "", "vms vm web1", "set nic 0 vlan 5",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"web1\",\"nic\":[{\"id\":0,\"vlan\":5}]}]}"
		  "}" },
		{ "", "", "set int interf u type uplink",
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"type\":\"weir-"
		  "interfaces:uplink\"}]}}" },
		{ "", "", "set port u vlan 5 enabled off mtu 9k",
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"enabled\":"
		  "false,"
		  "\"weir-interfaces:port\":{\"vlan\":5,\"mtu\":9000}}]}}" },
		{ "", "", "set interface u port",
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"weir-"
		  "interfaces:"
		  "port\":{}}]}}" },
		{ "set vm a nic 0 mtu 1500 vlan 3", "", "set vm a nic 0 mtu 2ki",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"nic\":[{\"id\":0,\"vlan\":3,\"mtu\":"
		  "2048}]}]}}" },
		// Another case of the choice takes the place of the first.
		{ "set interface u tap t", "", "set interface u af-packet e0",
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"weir-"
		  "interfaces:"
		  "port\":{\"af-packet\":\"e0\"}}]}}" },
		{ "set vm a nic 0 vlan 5 mtu 1500", "", "set vm a nic 0 interface u",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"nic\":[{\"id\":0,\"interface\":"
		  "\"u\"}]}]}"
		  "}" },
		{ "", "", "set portal 10.0.0.1 tcp 3260",
		  "{\"weir-qos:storage\":{\"portal\":[{\"address\":\"10.0.0.1\",\"protocol\":"
		  "\"tcp\","
		  "\"port\":3260}]}}" },
		{ "", "", "set system worker-cpu [ 3 1 ] worker-cpu 2",
		  "{\"weir-system:system\":{\"worker-cpu\":[3,1,2]}}" },
		{ "", "", "set file \"k\" path \"/a \\\"b\\\"\"",
		  "{\"weir-vm:boot-files\":{\"file\":[{\"name\":\"k\",\"path\":\"/a "
		  "\\\"b\\\"\"}]}}" },
		{ "", "", "set file k path /a\\ b",
		  "{\"weir-vm:boot-files\":{\"file\":[{\"name\":\"k\",\"path\":\"/a b\"}]}}" },
		// A policy in one line, by the names of the module or by those of others.
		{ "", "", "set vm a qos max 1g min 200m priority storage",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"weir-qos:qos\":{\"reservation\":"
		  "\"200000000\",\"limit\":\"1000000000\",\"priority\":\"storage\"}}]}}" },
		{ "", "", "set vm a max 1.5g min 200m priority storage nic 0 vlan 20",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"nic\":[{\"id\":0,\"vlan\":20}],"
		  "\"weir-qos:qos\":{\"reservation\":\"200000000\",\"limit\":\"1500000000\","
		  "\"priority\":\"storage\"}}]}}" },
		{ "set template t limit 1g", "", "set port g qos template t",
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"g\",\"weir-"
		  "interfaces:port\":{\"weir-qos:qos\":{\"template\":\"t\"}}}]},\"weir-qos:qos\":{"
		  "\"template\":[{\"name\":\"t\",\"limit\":\"1000000000\"}]}}" },
		{ "set vm a limit 1g", "vms vm a", "delete max",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"weir-qos:qos\":{}}]}}" },
		{ "", "", "set class storage max 9g max-wait 5000 vlan [ 7 8 ]",
		  "{\"weir-qos:qos\":{\"class\":[{\"name\":\"storage\",\"limit\":\"9000000000\","
		  "\"vlan\":[7,8],\"max-wait\":5000}]}}" },
		// Times in other units than the leaf's.
		{ "", "", "set vm a storage-target 2.5ms",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"weir-qos:qos\":{\"storage-target\":"
		  "2500}}]}}" },
		{ "", "", "set storage ageing 30d boot deadline 2m longest 0.1h most-bytes 1gi",
		  "{\"weir-qos:storage\":{\"ageing\":2592000,\"boot\":{\"deadline\":120,"
		  "\"longest\":"
		  "360,\"most-bytes\":\"1073741824\"}}}" },
		{ "", "", "set system max-sleep 1ms mac-ageing 1min",
		  "{\"weir-system:system\":{\"max-sleep\":1000,\"mac-ageing\":60}}" },
		{ "", "", "set storage learning off l2-protocol [ fcoe aoe ]",
		  "{\"weir-qos:storage\":{\"learning\":false,\"l2-protocol\":[\"fcoe\",\"aoe\"]}"
		  "}" },
		{ "", "", "set portal 10.0.0.1 tcp 4420 service nvme",
		  "{\"weir-qos:storage\":{\"portal\":[{\"address\":\"10.0.0.1\",\"protocol\":"
		  "\"tcp\",\"port\":4420,\"service\":\"nvme\"}]}}" },
		{ "", "", "set management metrics",
		  "{\"weir-management:management\":{\"metrics\":{}}}" },
		{ "", "", "set management metrics address ::1 port 9100",
		  "{\"weir-management:management\":{\"metrics\":{\"address\":\"::1\",\"port\":"
		  "9100}}}" },
		// delete
		{ "set vm a nic 0 vlan 5 mtu 1500", "", "delete vm a nic 0 mtu",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"nic\":[{\"id\":0,\"vlan\":5}]}]}}" },
		{ "set vm a nic 0 mtu 1500", "", "delete vm a nic 0 mtu 1500",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"nic\":[{\"id\":0}]}]}}" },
		{ "set vm a\nset vm b", "", "delete vm a",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"b\"}]}}" },
		{ "set vm a\nset vm b", "", "delete vms vm", "{}" },
		{ "set vm a\nset vm b", "", "delete vms vm *", "{}" },
		{ "set vm a\nset vm b", "vms", "delete vm b",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\"}]}}" },
		{ "set vm a\nset system max-sleep 1", "", "delete vms",
		  "{\"weir-system:system\":{\"max-sleep\":1}}" },
		{ "set system worker-cpu [ 1 2 3 ]", "", "delete system worker-cpu 2",
		  "{\"weir-system:system\":{\"worker-cpu\":[1,3]}}" },
		{ "set system worker-cpu [ 1 2 3 ]", "", "delete system worker-cpu", "{}" },
		{ "set vm a boot iscsi lun 3", "", "delete vm a boot iscsi lun",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\"}]}}" },
		{ "set port u vlan 5", "", "delete port u vlan",
		  "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"weir-"
		  "interfaces:"
		  "port\":{}}]}}" },
		// rename, copy
		{ "set vm a nic 0 vlan 5\nset vm c", "", "rename vms vm a to vm b",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"b\",\"nic\":[{\"id\":0,\"vlan\":5}]},{"
		  "\"name\":"
		  "\"c\"}]}}" },
		{ "set vm to", "", "rename vm to to to2",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"to2\"}]}}" },
		{ "set portal 10.0.0.1 tcp 1", "", "rename portal 10.0.0.1 tcp 1 to 10.0.0.2 udp 1",
		  "{\"weir-qos:storage\":{\"portal\":[{\"address\":\"10.0.0.2\",\"protocol\":"
		  "\"udp\","
		  "\"port\":1}]}}" },
		{ "set vm a nic 0 vlan 5", "vms vm a", "copy nic 0 to nic 1",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"nic\":[{\"id\":0,\"vlan\":5},{"
		  "\"id\":1,"
		  "\"vlan\":5}]}]}}" },
		{ "set vm a", "", "copy vm a to b",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}" },
		// insert
		{ "set system worker-cpu [ 1 2 3 ]", "", "insert system worker-cpu 3 first",
		  "{\"weir-system:system\":{\"worker-cpu\":[3,1,2]}}" },
		{ "set system worker-cpu [ 1 2 3 ]", "", "insert system worker-cpu 1 last",
		  "{\"weir-system:system\":{\"worker-cpu\":[2,3,1]}}" },
		{ "set system worker-cpu [ 1 2 3 ]", "system", "insert worker-cpu 3 before 2",
		  "{\"weir-system:system\":{\"worker-cpu\":[1,3,2]}}" },
		{ "set system worker-cpu [ 1 2 3 ]", "",
		  "insert system worker-cpu 1 after worker-cpu 2",
		  "{\"weir-system:system\":{\"worker-cpu\":[2,1,3]}}" },
		{ "set system worker-cpu [ 1 2 ]", "", "insert system worker-cpu 9 after 1",
		  "{\"weir-system:system\":{\"worker-cpu\":[1,9,2]}}" },
		// annotate
		{ "set vm a", "", "annotate vm a \"so it is\"",
		  "{\"weir-vm:vms\":{\"vm\":[{\"@\":{\"weir-configuration:comment\":\"so it is\"},"
		  "\"name\":\"a\"}]}}" },
		{ "set vm a\nannotate vm a x", "", "annotate vm a \"\"",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\"}]}}" },
		{ "set vm a nic 0 mtu 1500\nannotate vm a nic 0 mtu why", "",
		  "set vm a nic 0 mtu 1600",
		  "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"nic\":[{\"id\":0,\"mtu\":1600,\"@"
		  "mtu\":{"
		  "\"weir-configuration:comment\":\"why\"}}]}]}}" },
	};
	struct cfg_words_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lyd_node *tree = load(rows[i].before);
		char *text;

		if (run(&tree, rows[i].context, rows[i].line, &e) < 0)
			give_up(rows[i].line, &e);
		text = json(tree);
		if (strcmp(text, rows[i].json) != 0)
			fail_msg("%s\n  is     %s\n  should %s", rows[i].line, text, rows[i].json);
		free(text);
		lyd_free_all(tree);
	}
}

static void refusals_point_at_the_word_and_say_what_was_expected(void **state)
{
	static const struct {
		const char *before, *line;
		uint32_t word, at;
		const char *reason, *expected, *path;
	} rows[] = {
		{ "", "set vms vn web1", 2, 8, "no such node", "one of vm", "/weir-vm:vms" },
		{ "", "set port u vlam 5", 3, 11, "no such node",
		  "enabled, port, socket, af-packet, tap, device, ", "" },
		{ "", "set port u trunk 1 20-29", 5, 19,
		  "several values of trunk are written trunk [ A B ]", "enabled, port", "" },
		{ "", "set prt u", 1, 4, "no such node", "management, interface, port, ", "" },
		{ "", "set vms vm web1 nic 0 vlan 5000", 7, 27, "range", "uint16 1..4094",
		  "/weir-vm:vms/vm[name='web1']/nic[id='0']/vlan" },
		{ "", "set vm web1 nic 9 vlan 5", 4, 16, "range", "uint8 0..7",
		  "/weir-vm:vms/vm[name='web1']/nic/id" },
		{ "", "set vm web1 nic 0 mac 52:54", 6, 22, "attern", "pattern", "/mac" },
		{ "", "set vm web1 nic 0 mtu 1q", 6, 22, "", "uint16 68..9710, in bytes", "/mtu" },
		{ "", "set vm web1 nic 0 mtu 100k", 6, 22, "", "in bytes", "/mtu" },
		{ "", "set vm a storage-target 2k", 4, 24, "", "uint32 100..60000000, in us",
		  "/storage-target" },
		{ "", "set vm a storage-target 2d", 4, 24, "", "in us", "/storage-target" },
		{ "", "set vm a storage-target 100.5us", 4, 24, "", "in us", "/storage-target" },
		{ "", "set vm a storage-target 99999999999999999999d", 4, 24, "", "in us", "" },
		{ "", "set storage ageing 59s", 3, 19, "", "in seconds", "/ageing" },
		{ "", "set storage ageing 60500ms", 3, 19, "", "in seconds", "/ageing" },
		{ "", "set storage boot window 65", 4, 24, "range", "uint8 1..64", "/boot/window" },
		{ "", "set portal 10.0.0.1 tcp 1 service ftp", 6, 34, "numeration",
		  "one of iscsi, nfs", "/service" },
		{ "", "set management metrics address localhost", 4, 31, "", "",
		  "/metrics/address" },
		{ "", "set vm a nic 0 default-class gold", 6, 29, "numeration",
		  "one of control, boot", "/default-class" },
		{ "", "set interface u type cisco", 4, 21, "dentity", "guest, uplink, host",
		  "/type" },
		{ "", "set vm a nic 0 isolated maybe", 6, 24, "oolean", "true or false",
		  "/isolated" },
		{ "", "set vm a nic", 4, 12, "key id of nic is missing", "uint8 0..7", "" },
		{ "", "set portal 10.0.0.1", 3, 19, "key protocol of portal", "one of tcp, udp",
		  "" },
		{ "", "set vm a nic 0 mtu", 6, 18, "mtu needs a value", "uint16", "" },
		{ "", "set vms", 2, 7, "sets nothing", "one of vm", "" },
		{ "", "set", 1, 3, "sets nothing", "vms", "" },
		{ "", "set vm a nic 0 v 5", 5, 15, "several", "vlan-mode", "" },
		{ "", "set port u v 5", 3, 11, "several", "port vlan-mode, port vlan", "" },
		{ "", "set vm a name b", 3, 9, "is a key", "", "" },
		{ "", "set vm a nic 0 vlan 5 vlan 6", 8, 27, "twice", "", "" },
		{ "", "set interface u tap t socket /s", 5, 22, "exclude each other", "", "" },
		{ "", "set system worker-cpu [ 1 2", 6, 27, "closing ]", "", "" },
		{ "", "set system worker-cpu [ 1 x ]", 5, 26, "", "uint16 0..1023", "/worker-cpu" },
		{ "", "set vms-state vm a", 1, 4, "no such node", "", "" },
		{ "", "set \"vms", 1, 4, "quotes are not closed", "", "" },
		{ "", "set vms \\", 2, 8, "backslash", "", "" },
		{ "", "set vms \x01", 0, 8, "no text", "", "" },
		{ "", "set vms \xc0\x80", 0, 8, "no text", "", "" },
		{ "", "let vms", 0, 0, "not a command", "one of set, delete", "" },
		{ "", "", 0, 0, "not a command", "", "" },
		{ "set vm b", "delete vm a", 2, 10, "does not exist", "",
		  "/weir-vm:vms/vm[name='a']" },
		{ "set vm b", "delete vm b nic 0 mtu", 5, 18, "does not exist", "",
		  "/weir-vm:vms/vm[name='b']/nic[id='0']/mtu" },
		{ "", "delete vms vm", 2, 11, "does not exist", "", "/weir-vm:vms/vm" },
		{ "set vm b nic 0 mtu 70", "delete vm b nic 0 mtu 80", 6, 22, "which is 70", "",
		  "" },
		{ "set vm b", "delete vm b x", 3, 12, "no such node", "", "" },
		{ "set vm b", "delete", 1, 6, "nothing is named", "", "" },
		{ "set portal 10.0.0.1 tcp 1", "delete portal 10.0.0.1", 3, 22, "key protocol", "",
		  "" },
		{ "set vm b", "rename vm a to c", 2, 10, "does not exist", "", "" },
		{ "set vm a\nset vm b", "rename vm a to b", 4, 15, "exists already", "", "" },
		{ "set vm a\nset vm b", "copy vm a to vm b", 5, 16, "exists already", "", "" },
		{ "set vm a", "rename vm a to nic 0", 4, 15, "is not vm", "", "" },
		{ "set vm a", "rename vm a", 3, 11, "ends too early", "to", "" },
		{ "set vm a", "rename vms to vm b", 2, 11, "no such node", "", "" },
		{ "set vm a", "insert vm a first", 3, 12, "no order", "", "" },
		{ "", "insert system worker-cpu 1 after 2", 5, 33, "does not exist", "", "" },
		{ "", "annotate vm a x", 2, 12, "does not exist", "", "" },
		{ "set vm a", "annotate", 1, 8, "comment is missing", "", "" },
		{ "set vm a", "annotate vms vm x", 3, 16, "one vm has to be named", "", "" },
	};
	struct cfg_words_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lyd_node *tree = load(rows[i].before);
		char *was = json(tree), *is;
		int rc = run(&tree, "", rows[i].line, &e);

		is = json(tree);
		if (rc != -EINVAL || strcmp(was, is) != 0 || e.at != rows[i].at ||
		    (e.word != rows[i].word && strstr(rows[i].reason, "no text") == NULL) ||
		    e.reason[0] == '\0' || strstr(e.reason, rows[i].reason) == NULL ||
		    strstr(e.expected, rows[i].expected) == NULL ||
		    strstr(e.path, rows[i].path) == NULL)
			fail_msg("%s\n  rc %d word %u at %u path '%s' reason '%s' expected '%s'",
				 rows[i].line, rc, e.word, e.at, e.path, e.reason, e.expected);
		free(was);
		free(is);
		lyd_free_all(tree);
	}
}

static void a_script_is_all_or_nothing_and_names_the_line(void **state)
{
	const char *bad = "set vm a\n\n# no\nset vm b nic 0 vlan 0\nset vm c\n";
	struct lyd_node *tree = load("set vm z");
	struct cfg_words_error e;
	char *text;

	(void)state;
	assert_int_equal(cfg_words_load_set(schema, &tree, bad, strlen(bad), &e), -EINVAL);
	assert_int_equal(e.line, 4);
	assert_int_equal(e.word, 6);
	text = json(tree);
	assert_string_equal(text, "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"z\"}]}}");
	free(text);
	lyd_free_all(tree);
}

// Rates are shown as they are typed, where that is shorter and says the same.
static void rates_are_shown_with_a_unit(void **state)
{
	static const struct {
		const char *value, *shown;
	} rows[] = {
		{ "1000000000", "1g" },
		{ "9800000000", "9.8g" },
		{ "1234000000", "1.234g" },
		{ "1234500000", "1234.5m" },
		{ "1000", "1k" },
		{ "1001", "1.001k" },
		{ "1000001", "1000.001k" },
		{ "1000000000000", "1t" },
		{ "1010000000", "1.01g" },
		{ "10000000", "10m" },
		{ "100100100100", "100100100.1k" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[128], want[128], *shown, *again;
		struct lyd_node *tree, *back;

		snprintf(line, sizeof(line), "set vm v limit %s", rows[i].value);
		tree = load(line);
		shown = set_lines(tree);
		snprintf(want, sizeof(want), "limit %s\n", rows[i].shown);
		assert_non_null(strstr(shown, want));
		back = load(shown);
		again = set_lines(back);
		assert_string_equal(shown, again);
		assert_int_equal(lyd_compare_siblings(tree, back, LYD_COMPARE_FULL_RECURSION),
				 LY_SUCCESS);
		lyd_free_all(tree);
		lyd_free_all(back);
		free(shown);
		free(again);
	}
}

static void set_lines_make_the_same_again(void **state)
{
	struct lyd_node *tree = load(big), *again, *parsed = NULL;
	char *a = json(tree), *lines = set_lines(tree), *b, *xml = NULL;

	(void)state;
	again = load(lines);
	b = json(again);
	if (strcmp(a, b) != 0)
		fail_msg("%s\n  was %s\n  is  %s", lines, a, b);
	free(b);
	lyd_free_all(again);
	// Through JSON and XML, comments included.
	assert_int_equal(lyd_parse_data_mem(schema->ctx, a, LYD_JSON,
					    LYD_PARSE_STRICT | LYD_PARSE_ONLY, 0, &parsed),
			 LY_SUCCESS);
	b = set_lines(parsed);
	assert_string_equal(b, lines);
	free(b);
	lyd_print_mem(&xml, parsed, LYD_XML, LYD_PRINT_SHRINK | LYD_PRINT_WITHSIBLINGS);
	lyd_free_all(parsed);
	assert_int_equal(lyd_parse_data_mem(schema->ctx, xml, LYD_XML,
					    LYD_PARSE_STRICT | LYD_PARSE_ONLY, 0, &parsed),
			 LY_SUCCESS);
	b = set_lines(parsed);
	assert_string_equal(b, lines);
	free(b);
	free(xml);
	free(a);
	free(lines);
	lyd_free_all(parsed);
	lyd_free_all(tree);
}

// The examples of README.md, as JSON between marks.
static void examples_of_the_readme_survive(void **state)
{
	static char text[64 << 10];
	FILE *f = fopen(WEIR_YANG_SRC "/../../README.md", "r");
	uint32_t n = 0;

	(void)state;
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	assert_true(feof(f));
	fclose(f);
	for (char *p = text, *end; (p = strstr(p, "```json\n")) != NULL; p = end + 3, n++) {
		struct lyd_node *tree = NULL, *again;
		char *a, *b, *lines;

		p += 8;
		end = strstr(p, "```");
		assert_non_null(end);
		*end = '\0';
		assert_int_equal(lyd_parse_data_mem(schema->ctx, p, LYD_JSON,
						    LYD_PARSE_STRICT | LYD_PARSE_ONLY, 0, &tree),
				 LY_SUCCESS);
		lines = set_lines(tree);
		again = load(lines);
		a = json(tree);
		b = json(again);
		assert_string_equal(a, b);
		free(a);
		free(b);
		free(lines);
		lyd_free_all(tree);
		lyd_free_all(again);
	}
	assert_true(n > 0);
}

static void text_has_braces(void **state)
{
	static const struct {
		const char *at, *text;
	} rows[] = {
		{ "vm web1", "uuid 9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001;\n"
			     "nic 0 {\n"
			     "    mac " M1 ";\n"
			     "    ipv4-address 10.20.0.11;\n"
			     "    /* twenty */\n"
			     "    vlan 20;\n"
			     "}\n"
			     "boot {\n"
			     "    method iscsi;\n"
			     "    iscsi {\n"
			     "        server 10.20.0.1;\n"
			     "        target iqn.2026-11.example:web1;\n"
			     "    }\n"
			     "}\n" },
		{ "storage", "server 10.20.0.0/29;\nportal 10.20.0.9 tcp 4420;\n" },
		{ "system", "worker-cpu [ 3 1 2 ];\nmax-sleep 100;\n" },
		{ "system max-sleep", "max-sleep 100;\n" },
		{ "boot-files", "file vmlinuz {\n    path \"/srv/a b\\\\c\";\n}\n" },
		{ "interface uplink0",
		  "type uplink;\nport {\n    device 0000:03:00.0;\n    vlan 1;\n"
		  "    trunk 1;\n    /* guests */\n    trunk 20-29;\n}\n" },
		{ "vm nobody", "" },
		{ "vms vm nobody nic 0", "" },
	};
	struct lyd_node *tree = load(big);
	struct cfg_words_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg_words at = at_words(rows[i].at);
		char *text;

		if (cfg_words_print_text(schema, tree, &at, &text, &e) < 0)
			give_up(rows[i].at, &e);
		if (strcmp(text, rows[i].text) != 0)
			fail_msg("%s\n--- is\n%s--- should be\n%s", rows[i].at, text, rows[i].text);
		free(text);
		cfg_words_fini(&at);
	}
	lyd_free_all(tree);
}

static void set_lines_of_one_place_are_whole(void **state)
{
	struct lyd_node *tree = load(big);
	struct cfg_words at = at_words("vm web1 nic");
	struct cfg_words_error e;
	char *text;

	(void)state;
	assert_int_equal(cfg_words_print_set(schema, tree, &at, &text, &e), 0);
	assert_string_equal(text, "set vms vm web1 nic 0 mac " M1 "\n"
				  "set vms vm web1 nic 0 ipv4-address 10.20.0.11\n"
				  "set vms vm web1 nic 0 vlan 20\n"
				  "annotate vms vm web1 nic 0 vlan 20 twenty\n");
	free(text);
	cfg_words_fini(&at);
	lyd_free_all(tree);
}

static void comparisons_read_as_in_junos(void **state)
{
	static const struct {
		const char *from, *change, *at, *text;
	} rows[] = {
		{ "set vm a nic 0 vlan 5 mtu 1500", "set vm a nic 0 mtu 9000 queues 4", NULL,
		  "[edit vms vm a nic 0]\n-  mtu 1500;\n+  mtu 9000;\n+  queues 4;\n" },
		{ "set vm a", "set vm b nic 0 vlan 5\ndelete vm a", NULL,
		  "[edit vms]\n-  vm a;\n+  vm b {\n+      nic 0 {\n+          vlan 5;\n+      "
		  "}\n+  }\n" },
		{ "", "set system max-sleep 5", NULL,
		  "[edit]\n+  system {\n+      max-sleep 5;\n+  }\n" },
		{ "set system worker-cpu [ 1 2 3 4 ]", "insert system worker-cpu 1 last", NULL,
		  "[edit system]\n!  worker-cpu 1; /* now after worker-cpu 4 */\n" },
		{ "set system worker-cpu [ 1 2 3 4 ]",
		  "insert system worker-cpu 1 after 3\ndelete system worker-cpu 2", NULL,
		  "[edit system]\n-  worker-cpu 2;\n!  worker-cpu 3; /* now first */\n" },
		{ "set vm a\nset system max-sleep 5",
		  "set vm a uuid "
		  "9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001\nset "
		  "system max-sleep 6",
		  "system", "[edit system]\n-  max-sleep 5;\n+  max-sleep 6;\n" },
		{ "set vm a\nset system max-sleep 5 packet-buffers 4096",
		  "set system max-sleep 6 packet-buffers 8192", "system max-sleep",
		  "[edit system]\n-  max-sleep 5;\n+  max-sleep 6;\n" },
		{ "set vm a\nset vm b", "annotate vm a new\nset vm b nic 1", "vm a",
		  "[edit vms]\n+  /* new */\n   vm a;\n" },
		{ "set vm a nic 1\nannotate vm a old", "annotate vm a new", NULL,
		  "[edit vms]\n-  /* old */\n+  /* new */\n   vm a { ... }\n" },
		{ "set vm a", "set vm a", NULL, "" },
	};
	struct cfg_words_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lyd_node *from = load(rows[i].from), *to = load(rows[i].from);
		struct cfg_words at = at_words(rows[i].at == NULL ? "" : rows[i].at);
		char *text;

		if (cfg_words_load_set(schema, &to, rows[i].change, strlen(rows[i].change), &e) < 0)
			give_up(rows[i].change, &e);
		if (cfg_words_compare(schema, &(struct cfg_words_pair){ from, to },
				      rows[i].at == NULL ? NULL : &at, &text, &e) < 0)
			give_up(rows[i].change, &e);
		if (strcmp(text, rows[i].text) != 0)
			fail_msg("%s\n--- is\n%s--- should be\n%s", rows[i].change, text,
				 rows[i].text);
		free(text);
		cfg_words_fini(&at);
		lyd_free_all(from);
		lyd_free_all(to);
	}
}

static void the_edit_context_is_canonical(void **state)
{
	static const struct {
		const char *context, *line, *words, *xpath;
	} rows[] = {
		{ "", "vm web1 nic 0", "vms vm web1 nic 0",
		  "/weir-vm:vms/vm[name='web1']/nic[id='0']" },
		{ "vms vm web1", "boot isc", "vms vm web1 boot iscsi",
		  "/weir-vm:vms/vm[name='web1']/boot/iscsi" },
		{ "", "int", "interfaces", "/ietf-interfaces:interfaces" },
		{ "", "port \"a b\" port", "interfaces interface \"a b\" port",
		  "/ietf-interfaces:interfaces/interface[name='a b']/weir-interfaces:port" },
		{ "", "", "", "/" },
	};
	struct cfg_words_error e;
	char *words, *xpath;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg_words line = at_words(rows[i].line);

		line.context = rows[i].context;
		if (cfg_words_edit(schema, &line, &words, &xpath, &e) < 0)
			give_up(rows[i].line, &e);
		assert_string_equal(words, rows[i].words);
		assert_string_equal(xpath, rows[i].xpath);
		free(words);
		free(xpath);
		cfg_words_fini(&line);
	}
	assert_int_equal(cfg_words_up(schema, "vms vm web1 nic 0", 1, &words, &e), 0);
	assert_string_equal(words, "vms vm web1");
	free(words);
	assert_int_equal(cfg_words_up(schema, "vms vm web1 nic 0", 9, &words, &e), 0);
	assert_string_equal(words, "");
	free(words);
}

static int set_up(void **state)
{
	(void)state;
	return open_schema(WEIR_YANG_SRC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_configuration),
		cmocka_unit_test(refusals_point_at_the_word_and_say_what_was_expected),
		cmocka_unit_test(a_script_is_all_or_nothing_and_names_the_line),
		cmocka_unit_test(rates_are_shown_with_a_unit),
		cmocka_unit_test(set_lines_make_the_same_again),
		cmocka_unit_test(examples_of_the_readme_survive),
		cmocka_unit_test(text_has_braces),
		cmocka_unit_test(set_lines_of_one_place_are_whole),
		cmocka_unit_test(comparisons_read_as_in_junos),
		cmocka_unit_test(the_edit_context_is_canonical),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
