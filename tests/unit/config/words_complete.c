// Lines of words: what completes them, and that nothing depends on Weir's own modules.
#include "words_rig.h"

static void completion_offers_what_fits(void **state)
{
	static const struct {
		enum cfg_words_mode mode;
		const char *context, *line, *words; // "*" behind what is mandatory, "." at the end
						    // when the line could end
	} rows[] = {
		{ CFG_WORDS_SET, "", "set vms ", "vm" },
		{ CFG_WORDS_SET, "", "set boo", "boot-services boot-providers boot-files" },
		{ CFG_WORDS_SET, "", "set vm", "vms vm" },
		{ CFG_WORDS_SET, "", "set vm ", "web1 web2 <name>" },
		{ CFG_WORDS_SET, "", "set vm w", "web1 web2 <name>" },
		{ CFG_WORDS_SET, "", "set vm web1 nic 0 m", "mac mtu mirror-to ." },
		{ CFG_WORDS_SET, "", "set vm web1 nic 1 m", "mac* mtu mirror-to ." },
		{ CFG_WORDS_SET, "", "set vm web1 nic 0 mac " M1 " m", "mtu mirror-to ." },
		{ CFG_WORDS_SET, "", "set vm web1 nic 0 mtu ", "<mtu>" },
		{ CFG_WORDS_SET, "", "set vm web1 nic 0 default-class s", "storage scavenger" },
		{ CFG_WORDS_SET, "", "set interface uplink0 type ", "guest uplink host" },
		{ CFG_WORDS_SET, "", "set interface uplink0 isolated ", "true false" },
		{ CFG_WORDS_SET, "", "set interface uplink0 vl", "vlan-mode vlan ." },
		{ CFG_WORDS_SET, "", "set vm web2 boot kernel ", "vmlinuz <kernel>" },
		{ CFG_WORDS_SET, "", "set portal 10.20.0.9 ", "tcp udp" },
		{ CFG_WORDS_SET, "", "set nonsense ", NULL },
		{ CFG_WORDS_DELETE, "", "delete vm web1 nic 0 ", "mac ipv4-address vlan ." },
		{ CFG_WORDS_DELETE, "", "delete vm web1 nic 0 vlan ", "20 ." },
		{ CFG_WORDS_DELETE, "", "delete system worker-cpu ", "3 1 2 ." },
		{ CFG_WORDS_DELETE, "", "delete vm web9 ", "." },
		{ CFG_WORDS_DELETE, "", "delete interface ", "uplink0 weir0 g1 ." },
		{ CFG_WORDS_DELETE, "", "delete interface g1 so", "socket ." },
		{ CFG_WORDS_DELETE, "", "delete interface g1 description ",
		  "\"a \\\"guest\\\"; #1\" ." },
		{ CFG_WORDS_EDIT, "vms vm web1", "edit ", "nic machine boot qos class meter ." },
		{ CFG_WORDS_SHOW, "", "show s", "storage system service ." },
		{ CFG_WORDS_RENAME, "", "rename vm ", "web1 web2" },
		{ CFG_WORDS_RENAME, "", "rename vm web1 ", "uuid nic boot to" },
		{ CFG_WORDS_RENAME, "", "rename vm web1 to ", "web1 web2 <name>" },
		{ CFG_WORDS_RENAME, "", "rename vm web1 to vm web3 ", "." },
		{ CFG_WORDS_RENAME, "", "rename vm web1 to vm web3 nic ", NULL },
		{ CFG_WORDS_RENAME, "", "rename portal 10.20.0.9 tcp 4420 to 10.0.0.1 ",
		  "tcp udp" },
		{ CFG_WORDS_INSERT, "", "insert system worker-cpu ", "3 1 2" },
		{ CFG_WORDS_INSERT, "", "insert system worker-cpu 1 ", "first last before after" },
		{ CFG_WORDS_INSERT, "", "insert system worker-cpu 1 before ", "3 1 2" },
		{ CFG_WORDS_INSERT, "", "insert system worker-cpu 1 first ", "." },
		{ CFG_WORDS_INSERT, "", "insert vm web1 ", "uuid nic boot" },
	};
	struct lyd_node *tree = load(big);
	struct cfg_words_error e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg_words_candidates found;
		struct cfg_words line;
		struct cfg_words_text t = { 0 };
		int rc;

		assert_int_equal(
			cfg_words_split_partial(rows[i].line, strlen(rows[i].line), &line, &e), 0);
		line.first = 1;
		line.context = rows[i].context;
		rc = cfg_words_complete(schema, tree, &line, rows[i].mode, &found);
		if (rows[i].words == NULL) {
			assert_int_equal(rc, -EINVAL);
			assert_int_equal(found.error.word, rows[i].mode == CFG_WORDS_SET ? 1 : 6);
		} else {
			for (uint32_t n = 0; n < found.n; n++)
				cfg_words_printf(&t, "%s%s%s", n > 0 ? " " : "", found.item[n].word,
						 found.item[n].mandatory ? "*" : "");
			cfg_words_printf(&t, "%s%s", found.complete && found.n > 0 ? " " : "",
					 found.complete ? "." : "");
			if (rc != 0 || strcmp(t.buf, rows[i].words) != 0)
				fail_msg("%s\n  rc %d is '%s', should be '%s'", rows[i].line, rc,
					 t.buf, rows[i].words);
		}
		free(t.buf);
		cfg_words_candidates_fini(&found);
		cfg_words_fini(&line);
	}
	lyd_free_all(tree);
}

static void candidates_say_what_they_are(void **state)
{
	static const struct {
		const char *line, *word, *help;
		enum cfg_words_kind kind;
	} rows[] = {
		{ "set vms", "vms", "Virtual machines.", CFG_WORDS_CONTAINER },
		{ "set vm", "vm", "One virtual machine.", CFG_WORDS_ALIAS },
		{ "set vms ", "vm", "One virtual machine.", CFG_WORDS_LIST },
		{ "set vm web1 nic 0 mtu", "mtu", "Largest L3 packet sent by this port, in bytes.",
		  CFG_WORDS_LEAF },
		{ "set vm web1 nic 0 mtu ", "<mtu>",
		  "Largest L3 packet sent by this port, in bytes. (uint16 68..9710, in bytes, "
		  "default 1500)",
		  CFG_WORDS_FREE },
		{ "set vm ", "web1", "Name of the virtual machine.", CFG_WORDS_KEY },
		{ "set vm x boot kernel ", "<kernel>",
		  "Kernel, by its name among the boot files. (a value of boot-files file name, "
		  "text "
		  "of 1..127 characters: Letters, digits and _ . - only, with single slashes "
		  "between.)",
		  CFG_WORDS_FREE },
		{ "set port x vlan-mode tr", "trunk", "Tagged frames only.", CFG_WORDS_VALUE },
		{ "set port x type g", "guest", "Port of a virtual machine.", CFG_WORDS_VALUE },
		{ "set port x vlan-m", "vlan-mode", "Role of the port in VLANs.", CFG_WORDS_ALIAS },
	};
	struct lyd_node *tree = load(big);
	struct cfg_words_candidates found;
	struct cfg_words_error e;
	struct cfg_words line;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct cfg_words_candidate *c = NULL;

		assert_int_equal(
			cfg_words_split_partial(rows[i].line, strlen(rows[i].line), &line, &e), 0);
		line.first = 1;
		assert_int_equal(cfg_words_complete(schema, tree, &line, CFG_WORDS_SET, &found), 0);
		for (uint32_t n = 0; n < found.n; n++)
			if (strcmp(found.item[n].word, rows[i].word) == 0)
				c = &found.item[n];
		if (c == NULL || c->kind != rows[i].kind || strcmp(c->help, rows[i].help) != 0)
			fail_msg("%s: kind %d help '%s'", rows[i].line,
				 c == NULL ? -1 : (int)c->kind, c == NULL ? "" : c->help);
		cfg_words_candidates_fini(&found);
		cfg_words_fini(&line);
	}
	lyd_free_all(tree);
}

// --- A walk by chance along what is offered

static uint32_t chance = 1;

static uint32_t pick(uint32_t n)
{
	chance = chance * 1664525u + 1013904223u; // Numerical Recipes
	return (uint32_t)((uint64_t)chance * n >> 32);
}

// returns what cfg_words_complete does; *found is to be released
static int offer(const struct lyd_node *tree, const char *text, enum cfg_words_mode mode,
		 struct cfg_words_candidates *found)
{
	struct cfg_words_error e;
	struct cfg_words line;
	int rc;

	assert_int_equal(cfg_words_split_partial(text, strlen(text), &line, &e), 0);
	line.first = 1;
	rc = cfg_words_complete(schema, tree, &line, mode, found);
	cfg_words_fini(&line);
	return rc;
}

static bool takes(const struct lyd_node *tree, const char *text, enum cfg_words_mode mode)
{
	struct cfg_words_candidates found;
	int rc = offer(tree, text, mode, &found);

	cfg_words_candidates_fini(&found);
	return rc == 0;
}

static bool add_sample(const struct lyd_node *tree, enum cfg_words_mode mode, char *text,
		       size_t size)
{
	static const char *const samples[] = {
		"1",	    "7",	"x",
		"10.0.0.1", M1,		"52:54:00:00:00:02",
		"/a b\\\"", "2k",	"10.0.0.0/8",
		"2001::1",  "true",	"iqn.x:y",
		"20-29",    "4096",	"\"[ * ] #\"",
		"to",	    "1.5.2022", "9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001",
	};
	size_t used = strlen(text), n = sizeof(samples) / sizeof(samples[0]);
	uint32_t start = pick((uint32_t)n);

	for (size_t i = 0; i < n; i++) {
		snprintf(text + used, size - used, "%s ", samples[(start + i) % n]);
		if (takes(tree, text, mode))
			return true;
	}
	text[used] = '\0';
	return false;
}

// A line of words that were offered. returns false when there was nothing to say
static bool wander(const struct lyd_node *tree, enum cfg_words_mode mode, char *text, size_t size)
{
	static const char *const verb[] = { "set", "delete", "edit", "show", "rename", "insert" };

	snprintf(text, size, "%s ", verb[mode]);
	for (int step = 0; step < 24; step++) {
		struct cfg_words_candidates found;
		const struct cfg_words_candidate *c;
		size_t used = strlen(text);
		bool end, good = true;

		if (offer(tree, text, mode, &found) < 0)
			fail_msg("%s: offered and not taken: %s", text, found.error.reason);
		end = found.complete && (found.n == 0 || pick(4) == 0);
		c = found.n == 0 ? NULL : &found.item[pick(found.n)];
		if (!end && c != NULL && c->kind == CFG_WORDS_FREE)
			good = add_sample(tree, mode, text, size);
		else if (!end && c != NULL)
			snprintf(text + used, size - used, "%s ", c->word);
		good = good && (end || c != NULL);
		cfg_words_candidates_fini(&found);
		if (end || !good)
			return good;
	}
	return false;
}

static void check_replay(const struct lyd_node *tree)
{
	char *lines = set_lines(tree), *a = json(tree), *b;
	struct lyd_node *again = load(lines);

	b = json(again);
	if (strcmp(a, b) != 0)
		fail_msg("%s\n  was %s\n  is  %s", lines, a, b);
	free(lines);
	free(a);
	free(b);
	lyd_free_all(again);
}

static void whatever_is_offered_is_taken(void **state)
{
	struct lyd_node *tree = load(big), *was = NULL;
	struct cfg_words_error e;
	char text[4096], *diff, *a, *b;
	uint32_t done = 0;

	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		static const enum cfg_words_mode modes[] = {
			CFG_WORDS_SET,	  CFG_WORDS_SET,    CFG_WORDS_SET,
			CFG_WORDS_DELETE, CFG_WORDS_RENAME, CFG_WORDS_INSERT,
		};
		enum cfg_words_mode mode = modes[pick(6)];

		if (!wander(tree, mode, text, sizeof(text)))
			continue;
		assert_int_equal(lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE, &was), LY_SUCCESS);
		// An entry may be there already, or the line lack its second half.
		if (run(&tree, "", text, &e) < 0 && mode != CFG_WORDS_RENAME &&
		    mode != CFG_WORDS_INSERT)
			give_up(text, &e);
		a = json(was);
		b = json(tree);
		assert_int_equal(cfg_words_compare(schema, &(struct cfg_words_pair){ was, tree },
						   NULL, &diff, &e),
				 0);
		if ((diff[0] == '\0') != (strcmp(a, b) == 0))
			fail_msg("%s\n%s", text, diff);
		done++;
		free(diff);
		free(a);
		free(b);
		lyd_free_all(was);
		if (i % 20 == 0)
			check_replay(tree);
		if (tree == NULL)
			tree = load(big);
	}
	check_replay(tree);
	assert_true(done > 1500);
	lyd_free_all(tree);
}

// --- Modules made for the purpose: what Weir's own do not have today.

static const char alpha[] =
	"module alpha { yang-version 1.1; namespace 'urn:alpha'; prefix a;"
	" identity shape; identity round { base shape; } identity flat { base shape; }"
	" container things {"
	"  list thing { key 'name kind'; ordered-by user;"
	"   leaf name { type string; }"
	"   leaf kind { type identityref { base shape; } }"
	"   leaf rate { type uint64; units 'bit/s'; default 5; description 'How fast. Not more.'; }"
	"   leaf room { type uint64; units bytes; }"
	"   leaf part { type decimal64 { fraction-digits 2; range '-1.5..99.99'; } }"
	"   leaf on { type empty; }"
	"   leaf set { type bits { bit x; bit y; } }"
	"   leaf limit { type union { type uint32; type enumeration { enum unlimited; } type "
	"boolean; } }"
	"   leaf near { type leafref { path '../../thing/name'; } }"
	"   leaf kin { type leafref { path '../../thing[name=current()/../near]/kind'; } }"
	"   leaf mood { type enumeration { enum good; enum bad; } mandatory true; }"
	"   leaf only { type string; config false; }"
	"   container more { presence 'more'; leaf deep { type string; } leaf rate { type uint8; } "
	"}"
	"   container bare { presence 'bare'; }"
	"   choice way { container rail { leaf gauge { type uint16; } } case road { leaf lanes { "
	"type uint8; } leaf toll"
	" { type boolean; } } }"
	"  } }"
	" leaf-list tag { type string; ordered-by user; }"
	" leaf title { type string; }"
	" container same { leaf x { type string; } }"
	"}";
static const char beta[] =
	"module beta { yang-version 1.1; namespace 'urn:beta'; prefix b; import alpha { prefix a; }"
	" identity round { base a:shape; } identity square { base a:shape; }"
	" container same { leaf y { type string; } }"
	" augment /a:things/a:thing { leaf mood { type string; } leaf extra { type int8; } }"
	"}";

static const char varied[] = "set things thing one alpha:round rate 1g room 64ki part -0.50 on "
			     "limit unlimited alpha:mood good\n"
			     "set thing \"two 2\" square rate 1.5m room 2k set \"x y\" limit yes "
			     "beta:mood \"\" extra -5\n"
			     "set thing three beta:round near one deep \"* [ ]\" rail gauge 1435\n"
			     "set thing * flat bare\n"
			     "set tag [ \"[\" b \"*\" ]\n"
			     "set title \"\"\n"
			     "set alpha:same x 1\n"
			     "set beta:same y 2\n"
			     "annotate things thing * flat star\n"
			     "annotate title \"none \\\\ at all\"\n"
			     "insert thing three beta:round first\n";

static void generic_refusals(struct lyd_node *tree)
{
	static const struct {
		const char *line, *reason, *expected;
	} rows[] = {
		{ "set things thing x round", "several modules",
		  "one of alpha:round, flat, beta:round, square" },
		{ "set same x 1", "several nodes", "alpha:same, beta:same" },
		{ "set things thing one flat mood good", "several nodes", "alpha:mood, beta:mood" },
		{ "set things thing one flat toll yes rail gauge 1", "exclude each other", "" },
		{ "set things thing one flat part 100", "", "decimal number -1.50..99.99" },
		{ "set things thing one flat limit maybe", "",
		  "uint32 0..4294967295, or one of unlimited, or true or false" },
		{ "set things thing one flat set z", "", "any of x, y" },
		{ "set things thing one flat rate 1.0000000001g", "", "in bit/s" },
		{ "set things thing one flat rate 1ki", "", "in bit/s" },
		{ "set things thing one flat rate 99999999999999t", "", "in bit/s" },
		{ "set things thing one flat on off", "no such node", "" },
		{ "set things thing one flat only x", "no such node", "" },
		{ "set title a title b", "should end here", "" },
	};
	struct cfg_words_error e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (run(&tree, "", rows[i].line, &e) != -EINVAL || e.reason[0] == '\0' ||
		    strstr(e.reason, rows[i].reason) == NULL ||
		    strstr(e.expected, rows[i].expected) == NULL)
			fail_msg("%s\n  reason '%s' expected '%s'", rows[i].line, e.reason,
				 e.expected);
	}
}

static void generic_completion(const struct lyd_node *tree)
{
	static const struct {
		const char *line, *words;
	} rows[] = {
		{ "set things thing ", "three one \"two 2\" \"*\" <name>" },
		{ "set things thing one ", "alpha:round flat beta:round square" },
		{ "set things thing new ", "alpha:round flat beta:round square" },
		{ "set things thing one alpha:round limit ", "unlimited true false <limit>" },
		{ "set things thing one alpha:round near ", "three one \"two 2\" \"*\" <near>" },
		{ "set things thing four flat near t", "three \"two 2\" <near>" },
		{ "set things thing three beta:round kin ", "alpha:round flat beta:round square" },
		{ "set things thing one flat r", "rate room rail" },
		{ "set things thing one flat d", "deep" },
		{ "set s", "alpha:same beta:same" },
		{ "set al", "alpha:same" },
		{ "set th", "things thing" },
	};
	struct cfg_words_candidates found;
	struct cfg_words_text t;
	struct cfg_words_error e;
	struct cfg_words line;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		t = (struct cfg_words_text){ 0 };
		assert_int_equal(
			cfg_words_split_partial(rows[i].line, strlen(rows[i].line), &line, &e), 0);
		line.first = 1;
		assert_int_equal(cfg_words_complete(schema, tree, &line, CFG_WORDS_SET, &found), 0);
		for (uint32_t n = 0; n < found.n; n++)
			cfg_words_printf(&t, "%s%s", n > 0 ? " " : "", found.item[n].word);
		if (t.buf == NULL || strcmp(t.buf, rows[i].words) != 0)
			fail_msg("%s\n  is '%s', should be '%s'", rows[i].line, t.buf,
				 rows[i].words);
		free(t.buf);
		cfg_words_candidates_fini(&found);
		cfg_words_fini(&line);
	}
}

static void any_module_will_do(void **state)
{
	struct cfg_schema *ours = schema, other = { 0 };
	struct lyd_node *tree, *again;
	char *a, *b, *lines;

	(void)state;
	assert_int_equal(ly_ctx_new(WEIR_YANG_SRC, LY_CTX_DISABLE_SEARCHDIR_CWD, &other.ctx),
			 LY_SUCCESS);
	ly_ctx_set_searchdir(other.ctx, "/usr/share/yuma/modules/ietf");
	assert_non_null(ly_ctx_load_module(other.ctx, "weir-configuration", NULL, NULL));
	assert_int_equal(lys_parse_mem(other.ctx, alpha, LYS_IN_YANG, NULL), LY_SUCCESS);
	assert_int_equal(lys_parse_mem(other.ctx, beta, LYS_IN_YANG, NULL), LY_SUCCESS);
	schema = &other;
	tree = load(varied);
	lines = set_lines(tree);
	assert_string_equal(lines, "set things thing three beta:round near one\n"
				   "set things thing three beta:round more deep \"* [ ]\"\n"
				   "set things thing three beta:round rail gauge 1435\n"
				   "set things thing one alpha:round rate 1g\n"
				   "set things thing one alpha:round room 65536\n"
				   "set things thing one alpha:round part -0.5\n"
				   "set things thing one alpha:round on\n"
				   "set things thing one alpha:round limit unlimited\n"
				   "set things thing one alpha:round alpha:mood good\n"
				   "set things thing \"two 2\" square rate 1.5m\n"
				   "set things thing \"two 2\" square room 2000\n"
				   "set things thing \"two 2\" square set \"x y\"\n"
				   "set things thing \"two 2\" square limit true\n"
				   "set things thing \"two 2\" square beta:mood \"\"\n"
				   "set things thing \"two 2\" square extra -5\n"
				   "set things thing \"*\" flat bare\n"
				   "annotate things thing \"*\" flat star\n"
				   "set tag \"[\"\n"
				   "set tag b\n"
				   "set tag \"*\"\n"
				   "set title \"\"\n"
				   "annotate title \"\" \"none \\\\ at all\"\n"
				   "set alpha:same x 1\n"
				   "set beta:same y 2\n");
	generic_refusals(tree);
	generic_completion(tree);
	again = load(lines);
	a = json(tree);
	b = json(again);
	assert_string_equal(a, b);
	free(a);
	free(b);
	free(lines);
	lyd_free_all(tree);
	lyd_free_all(again);
	schema = ours;
	ly_ctx_destroy(other.ctx);
}

static int set_up(void **state)
{
	(void)state;
	return open_schema(WEIR_YANG_SRC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(completion_offers_what_fits),
		cmocka_unit_test(candidates_say_what_they_are),
		cmocka_unit_test(whatever_is_offered_is_taken),
		cmocka_unit_test(any_module_will_do),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
