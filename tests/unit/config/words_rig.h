// What the tests of configuration lines share.
#ifndef WORDS_RIG_H
#define WORDS_RIG_H

#include "../unit.h"

#include <errno.h>
#include <stdio.h>

#include "../../../config/words_priv.h"

static struct cfg_schema *schema;

#define M1 "52:54:00:00:00:01"

// A configuration that uses every module, written as a person would.
static const char big[] =
	"# ports\n"
	"set interface uplink0 type uplink device 0000:03:00.0 vlan 1 trunk [ 1 20-29 ]\n"
	"set int interface weir0 type host port tap weir0 vlan 20\n"
	"set port g1 type guest enabled no socket /run/g1.sock description \"a \\\"guest\\\"; "
	"#1\"\n"
	"set port g1 admit mac-limit 4 ra-guard off\n"
	"\n"
	"set service 20 address 10.20.0.2 prefix-length 24 router 10.20.0.254\n"
	"set service 20 dns [ 10.0.0.9 10.0.0.8 ] domain example.org\n"
	"set boot-files file vmlinuz path \"/srv/a b\\\\c\"\n"
	"set vm web1 uuid 9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001\n"
	"set vms vm web1 nic 0 mac " M1 " vlan 20 ipv4-address 10.20.0.11\n"
	"set vm web1 boot method iscsi iscsi server 10.20.0.1 target iqn.2026-11.example:web1\n"
	"set vm web2 boot method kernel kernel vmlinuz cmdline \"root=/dev/sda console=ttyS0\"\n"
	"set vm web2 nic 0 mac 52:54:00:00:00:02 mtu 9k default-class storage isolated on\n"
	"set storage server 10.20.0.0/29\n"
	"set portal 10.20.0.9 tcp 4420\n"
	"set port weir0 rate 9.8g trust-pcp on\n"
	"set class storage shares 20 min 4g vlan [ 20 21 ]\n"
	"set template gold shares 4 priority storage reservation 200m class bulk limit 1g\n"
	"set vm web2 template gold max 2g\n"
	"set vm web2 qos packet-limit 50000 meter committed-rate 1g peak-rate 2g\n"
	"set port g1 qos limit 100m\n"
	"set system worker-cpu 3 worker-cpu 1 worker-cpu 2 max-sleep 100\n"
	"annotate vms vm web1 \"the shop's\\nfront */ end\"\n"
	"annotate vm web1 nic 0 vlan \"twenty\"\n"
	"annotate interface uplink0 trunk 20-29 guests\n"
	"annotate vms all\n";

static inline void give_up(const char *what, const struct cfg_words_error *e)
{
	char text[2048];

	fail_msg("%s\n  %s", what, cfg_words_error_text(e, text, sizeof(text)));
}

static inline struct lyd_node *load(const char *script)
{
	struct lyd_node *tree = NULL;
	struct cfg_words_error e;

	if (cfg_words_load_set(schema, &tree, script, strlen(script), &e) < 0)
		give_up(script, &e);
	return tree;
}

static inline char *json(const struct lyd_node *tree)
{
	char *text = NULL;

	assert_int_equal(
		lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_SHRINK | LYD_PRINT_WITHSIBLINGS),
		LY_SUCCESS);
	return text == NULL ? strdup("{}") : text;
}

static inline int run(struct lyd_node **tree, const char *context, const char *text,
		      struct cfg_words_error *e)
{
	struct cfg_words line;
	uint8_t *exact = exact_copy(text, strlen(text));
	int rc = cfg_words_split((const char *)exact, strlen(text), &line, e);

	free(exact);
	if (rc < 0)
		return rc;
	line.context = context;
	rc = cfg_words_run(schema, tree, &line, e);
	cfg_words_fini(&line);
	return rc;
}

static inline char *set_lines(const struct lyd_node *tree)
{
	struct cfg_words_error e;
	char *text;

	if (cfg_words_print_set(schema, tree, NULL, &text, &e) < 0)
		give_up("print", &e);
	return text;
}

static inline struct cfg_words at_words(const char *text)
{
	struct cfg_words line;
	struct cfg_words_error e;

	if (cfg_words_split(text, strlen(text), &line, &e) < 0)
		give_up(text, &e);
	return line;
}

static inline int open_schema(const char *dir)
{
	struct cfg_error err;

	return cfg_schema_create(dir, &schema, &err);
}

static inline int tear_down(void **state)
{
	(void)state;
	cfg_schema_destroy(schema);
	return 0;
}

#endif
