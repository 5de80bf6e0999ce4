// OpenFlow as text: read, written, and read again.
#include "../unit.h"

#include <errno.h>
#include <stdio.h>

#include "of13.h"
#include "of_text.h"
#include "of_text_lines.h"

static int port_number(void *arg, const char *name, size_t size, uint32_t *port)
{
	(void)arg;
	*port = 7;
	if (size == 15)
		return -ENOTUNIQ;
	if (size > 15)
		return -ENAMETOOLONG;
	return size == 6 && memcmp(name, "web1.0", 6) == 0 ? 0 : -ENOENT;
}

static const char *port_name(void *arg, uint32_t port)
{
	(void)arg;
	return port == 7 ? "web1.0" : port == 8 ? "All" : NULL;
}

static const struct of_text_ports ports = { NULL, port_number, port_name };

static void line_reads(const char *text, struct of_buf *msg)
{
	struct of_text_error e;

	if (of_text_line(text, OF_TEXT_ADD, &ports, msg, &e) != 0)
		fail_msg("%s: %s", text, e.text);
}

// What a line means is what `want` says, and its text reads again to the same bytes.
static void check_line(const char *text, const char *want)
{
	struct of_buf one = { 0 }, two = { 0 };
	struct of_text t = { 0 };

	line_reads(text, &one);
	assert_int_equal(of_text_mod(&t, one.data, one.size, NULL), 0);
	assert_string_equal(t.buf, want);
	line_reads(t.buf, &two);
	assert_int_equal(one.size, two.size);
	assert_memory_equal(one.data, two.data, one.size);
	of_text_fini(&t);
	of_buf_fini(&one);
	of_buf_fini(&two);
}

static void flows_read_as_ovs_ofctl_reads_them(void **state)
{
	char want[512];

	(void)state;
	for (size_t i = 0; i < sizeof(of_text_lines) / sizeof(of_text_lines[0]); i++) {
		snprintf(want, sizeof(want), "flow add %s", of_text_lines[i][1]);
		check_line(of_text_lines[i][0], want);
	}
}

static void other_commands_groups_and_meters_read(void **state)
{
	static const char *const lines[][2] = {
		{ "delete", "flow delete" },
		{ "table=3,actions=drop", "flow add table=3 actions=drop" },
		{ "delete table=3", "flow delete table=3" },
		{ "flow delete table=3,cookie=5/-1,out_port=2,out_group=9,ip",
		  "flow delete table=3,cookie=0x5/0xffffffffffffffff,out_port=2,out_group=9,ip" },
		{ "delete_strict priority=3,in_port=web1.0",
		  "flow delete_strict priority=3,in_port=7" },
		{ "modify cookie=1/3,tcp actions=2",
		  "flow modify cookie=0x1/0x3,tcp actions=output:2" },
		{ "group add group_id=1 type=select bucket=output:1 bucket=weight=3,actions=2,3",
		  "group add group_id=1,type=select,bucket=actions=output:1,"
		  "bucket=weight:3,actions=output:2,output:3" },
		{ "group modify group_id=2,type=fast_failover,bucket=watch_port:1,1,"
		  "bucket=watch_port:2,watch_group:1,actions=mod_dl_src:00:00:00:00:00:01,2",
		  "group modify group_id=2,type=ff,bucket=watch_port:1,actions=output:1,bucket="
		  "watch_port:2,watch_group:1,actions=set_field:00:00:00:00:00:01->eth_src,output:"
		  "2" },
		{ "group add group_id=3,type=indirect,bucket=drop",
		  "group add group_id=3,type=indirect,bucket=actions=drop" },
		{ "group add group_id=3,type=all", "group add group_id=3,type=all" },
		{ "group delete group_id=all", "group delete group_id=all" },
		{ "group delete", "group delete group_id=all" },
		{ "meter add meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=50",
		  "meter add meter=1 kbps burst stats bands=type=drop rate=1000 burst_size=50" },
		{ "meter modify meter=2 pktps band=type=dscp_remark,rate=5,prec_level=1,type=drop,"
		  "rate=9",
		  "meter modify meter=2 pktps bands=type=dscp_remark rate=5 prec_level=1 "
		  "type=drop rate=9" },
		{ "meter delete meter=7", "meter delete meter=7" },
		{ "meter delete", "meter delete meter=all" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		check_line(lines[i][0], lines[i][1]);
}

static void refusals_name_the_word_its_place_and_the_reason(void **state)
{
	static const struct {
		const char *line, *word, *why;
	} cases[] = {
		{ "dl_vlan=4096,actions=drop", "dl_vlan=4096", "at most 4095" },
		{ "ip,nw_src=1.2.3.400,actions=1", "1.2.3.400", "wants an IPv4 address" },
		{ "ip,nw_src=1.2.3,actions=1", "1.2.3", "wants an IPv4 address" },
		{ "dl_src=1:2:3:4:5,actions=1", "1:2:3:4:5", "wants a MAC address" },
		{ "dl_src=1:2:3:4:5:6:7,actions=1", "1:2:3:4:5:6:7", "wants a MAC address" },
		{ "dl_src=1:2:3::5:6,actions=1", "1:2:3::5:6", "wants a MAC address" },
		{ "dl_src=1:2:3:4:5:600,actions=1", "1:2:3:4:5:600", "wants a MAC address" },
		{ "dl_src=1:2:3:4:5:-6,actions=1", "1:2:3:4:5:-6", "wants a MAC address" },
		{ "ip,nw_src=1.2.3.0/33,actions=1", "33", "a mask of ip_src is 0..32, or" },
		{ "ipv6,ipv6_src=::/129,actions=1", "129", "a mask of ipv6_src is 0..128, or" },
		{ "ipv6,nw_dst=fe80::1,actions=1", "fe80::1", "ipv6_dst are for IPv6" },
		{ "nw_src=1.2.3.4,actions=1", NULL, "nw_src only goes with ip" },
		{ "ip,tcp_dst=80,actions=1", NULL, "only goes with tcp or tcp6" },
		{ "ip,tp_dst=80,actions=1", "tp_dst=80", "say the protocol before it" },
		{ "icmp6,nd_target=::1,actions=1", NULL, "icmp_type=135" },
		{ "foo=1,actions=drop", "foo=1", "no such field" },
		{ "foo,actions=drop", "foo", "no such word" },
		{ "tcp", "tcp", "actions=... is missing" },
		{ "", "", "actions=... is missing" },
		{ "actions=bar", "bar", "no action of" },
		{ "actions=output:70000", "70000", "no port" },
		{ "actions=output:nobody", "nobody", "no port of that name" },
		{ "actions=output:a-name-of-15-ch", "a-name-of-15-ch", "several ports" },
		{ "actions=output:a-name-of-16-char", "a-name-of-16-char",
		  "15 characters of a name" },
		{ "actions=1,drop", "drop", "stands alone" },
		{ "actions=drop,1", "1", "stands alone" },
		{ "actions=goto_table:1,output:2", "output:2", "comes before goto_table" },
		{ "actions=goto_table:1,goto_table:2", "goto_table:2", "twice" },
		{ "actions=set_field:5->vlan_vid", "5", "4101" },
		{ "actions=set_field:1/1->metadata", "1/1", "without a mask" },
		{ "actions=set_field:1->nonsense", "nonsense", "no such field" },
		{ "actions=push_vlan:0x1234", "push_vlan:0x1234", "tags are" },
		{ "actions=mod_tp_dst:5", "mod_tp_dst:5", "does not match tcp" },
		{ "actions=output(port=1,max_len=5)", "output(port=1,max_len=5)", "1.3" },
		{ "actions=write_actions(1", NULL, "brackets" },
		{ "actions=dec_ttl(1,2)", "dec_ttl(1,2)", "no argument" },
		{ "actions=controller(userdata=00)", "userdata=00", "max_len" },
		{ "tcp,udp,actions=1", "udp", "twice" },
		{ "priority=65536,actions=1", "priority=65536", "at most 65535" },
		{ "table=255,actions=1", "table=255,actions=1", "only for deletion" },
		{ "cookie=1/1,actions=1", "cookie=1/1,actions=1", "without a mask" },
		{ "delete cookie=1", "cookie=1", "which bits" },
		{ "delete actions=1", "actions=1", "no actions" },
		{ "delete priority=6", "priority=6", "only in a strict deletion" },
		{ "delete tcp,idle_timeout=6", "tcp,idle_timeout=6", "by their timeouts" },
		{ "importance=1,actions=1", "importance=1", "1.4" },
		{ "in_port=1/3,actions=1", NULL, "no mask" },
		{ "group add type=all", "type=all", "group_id=NUMBER" },
		{ "group add group_id=1", "group_id=1", "type=" },
		{ "group add group_id=1,type=odd", "type=odd", "types are" },
		{ "group add group_id=1,type=all,bucket=weight:2,1", "weight:2", "select" },
		{ "group add group_id=1,type=indirect", NULL, "one bucket" },
		{ "meter add meter=0", "meter=0", "begin at 1" },
		{ "meter add meter=1,kbps,pktps", NULL, "not both" },
		{ "meter add meter=1,bands=type=drop", NULL, "rate" },
		{ "meter add meter=1,bands=type=drop,rate=1,prec_level=1", "prec_level=1",
		  "dscp_remark" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct of_buf b = { 0 };
		struct of_text_error e;

		assert_int_equal(of_text_line(cases[i].line, OF_TEXT_ADD, &ports, &b, &e), -EINVAL);
		assert_int_equal(b.size, 0);
		if (strstr(e.text, cases[i].why) == NULL || e.text[0] == ':')
			fail_msg("%s: says \"%s\"", cases[i].line, e.text);
		assert_true(e.at + e.size <= strlen(cases[i].line));
		if (cases[i].word != NULL &&
		    (e.size != strlen(cases[i].word) ||
		     memcmp(cases[i].line + e.at, cases[i].word, e.size) != 0))
			fail_msg("%s: marks %zu, %zu", cases[i].line, e.at, e.size);
	}
}

static void a_dump_can_be_loaded_again(void **state)
{
	static const char dump[] =
		" cookie=0x9, duration=0.220s, table=1, n_packets=0, n_bytes=0, "
		"idle_timeout=30, send_flow_rem priority=7,tcp,nw_src=10.0.0.0/8 "
		"actions=output:1,set_queue:2,NORMAL";

	(void)state;
	check_line(dump, "flow add table=1,cookie=0x9,idle_timeout=30,send_flow_rem "
			 "priority=7,tcp,nw_src=10.0.0.0/8 actions=output:1,set_queue:2,NORMAL");
}

static void names_of_ports_are_read_and_written(void **state)
{
	struct of_buf b = { 0 };
	struct of_text t = { 0 };

	(void)state;
	line_reads("in_port=web1.0,actions=web1.0,output:web1.0", &b);
	assert_int_equal(of_text_mod(&t, b.data, b.size, &ports), 0);
	assert_string_equal(t.buf, "flow add in_port=web1.0 actions=output:web1.0,output:web1.0");
	of_text_fini(&t);
	of_text_port(&t, 8, &ports); // a port that is called as a reserved one is not that one
	assert_string_equal(t.buf, "8");
	of_text_fini(&t);
	of_buf_fini(&b);
}

static void errors_print_what_they_are_about(void **state)
{
	struct of_buf flow = { 0 }, b = { 0 };
	struct of13_error m = { .type = OF13_ERROR_BAD_ACTION,
				.code = OF13_BAD_ACTION_BAD_OUT_GROUP };
	struct of_text t = { 0 };

	(void)state;
	line_reads("actions=group:77", &flow);
	m.data = of_buf_list(&flow);
	assert_int_equal(of13_error_put(&b, &m), 0);
	of_text_message(&t, b.data, b.size, NULL);
	assert_string_equal(t.buf, "OFPT_ERROR (OF1.3) (xid=0x0): OFPBAC_BAD_OUT_GROUP\n"
				   "OFPT_FLOW_MOD (OF1.3) (xid=0x0): ADD actions=group:77\n");
	assert_string_equal(of_text_error_words(m.type, m.code), "there is no such group");
	assert_string_equal(
		of_text_error_words(OF13_ERROR_QUEUE_OP_FAILED, OF13_QUEUE_OP_FAILED_BAD_QUEUE),
		"the port has no such queue");
	of_text_fini(&t);
	of_buf_fini(&flow);
	of_buf_fini(&b);
}

static void keys_and_programs_of_the_datapath_print(void **state)
{
	struct dp_flow_key key = { .w = { [0] = UINT64_C(0x0800) << 16 | 0x1005,
					  [1] = 6 << 8,
					  [3] = UINT64_C(0x0a000000) << 32,
					  [4] = UINT64_C(80) << 32 } };
	struct dp_flow_key mask = { .w = { [0] = UINT64_C(0xffff) << 16 | 0x1fff,
					   [1] = 0xff << 8,
					   [3] = UINT64_C(0xff000000) << 32,
					   [4] = UINT64_C(0xffff) << 32 } };
	union {
		struct dp_flow_prog prog;
		uint8_t bytes[sizeof(struct dp_flow_prog) + 64];
	} p = { .prog = { .table = 3, .n_apply = 16, .n_write = 32 } };
	struct dp_flow_output out = { { DP_OP_OUTPUT, 0, 16, 0xfffffffd }, 128, { 0 } };
	struct dp_flow_set set = { { DP_OP_SET_FIELD, DP_FLOW_ip_dscp, 40, 0 },
				   { 0, 10 },
				   { 0, 63 } };
	struct of_text t = { 0 };

	(void)state;
	p.prog.n_write = sizeof(set);
	memcpy(p.prog.ops, &out, sizeof(out));
	memcpy(p.prog.ops + sizeof(out), &set, sizeof(set));
	of_text_key(&t, &key, &mask, NULL);
	of_text_put(&t, " actions=");
	of_text_prog(&t, &p.prog, NULL);
	assert_string_equal(t.buf,
			    "tcp,dl_vlan=5,nw_src=10.0.0.0/8,tp_dst=80 actions=CONTROLLER:128,"
			    "write_actions(set_field:10->ip_dscp),goto_table:3");
	of_text_fini(&t);
}

static void cut_and_hostile_messages_print_something(void **state)
{
	struct of_buf b = { 0 };

	(void)state;
	line_reads("table=1,tcp,nw_src=10.0.0.0/8,actions=write_actions(2,group:1),goto_table:3",
		   &b);
	for (size_t n = 0; n <= b.size; n++) {
		uint8_t *cut = exact_copy(b.data, n);
		struct of_text t = { 0 };

		of_text_message(&t, cut, n, NULL);
		assert_non_null(t.buf);
		free(cut);
		of_text_fini(&t);
	}
	of_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_read_as_ovs_ofctl_reads_them),
		cmocka_unit_test(other_commands_groups_and_meters_read),
		cmocka_unit_test(refusals_name_the_word_its_place_and_the_reason),
		cmocka_unit_test(a_dump_can_be_loaded_again),
		cmocka_unit_test(names_of_ports_are_read_and_written),
		cmocka_unit_test(errors_print_what_they_are_about),
		cmocka_unit_test(keys_and_programs_of_the_datapath_print),
		cmocka_unit_test(cut_and_hostile_messages_print_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
