// Every way in which a match, an action or an instruction is right or wrong, from the bytes of a
// flow-mod to the error or the program (OpenFlow 1.3.5 sections 5.9-5.12, 7.2.3-7.2.5, 7.5.4).
#include "of_model.h"

#include "of_build.h"
#include "../unit.h"

#define OK 0xffff, 0xffff
#define E(kind, why) OF13_ERROR_##kind, OF13_##kind##_##why

static bool add(const char *match, struct of_list instructions, uint8_t table)
{
	struct hex h;
	struct of_buf b = { 0 };
	struct of13_flow_mod m = { FLOW_MOD, .xid = 7, .table_id = table, .priority = 5 };

	m.match = hex_list(&h, match);
	m.instructions = instructions;
	assert_int_equal(of13_flow_mod_put(&b, &m), 0);
	return rig_say(0, &b);
}

static void expect(const char *name, bool ok, uint16_t type, uint16_t code)
{
	const struct of_conn *c = &rig.conns[0];

	if (type == 0xffff ? ok : !ok && rig_error_is(0, type, code))
		return;
	fail_msg("%s: wanted %u/%u, got %s %u/%u", name, type, code, ok ? "no error" : "error",
		 c->error.type, c->error.code);
}

static const struct match_row {
	const char *name, *match;
	uint16_t type, code;
} match_rows[] = {
	{ "nothing", "", OK },
	{ "in_port", IN_PORT("00000001"), OK },
	{ "in_port LOCAL", IN_PORT("fffffffe"), OK },
	{ "in_port CONTROLLER", IN_PORT("fffffffd"), OK },
	{ "in_port that is not here now", IN_PORT("00001000"), OK },
	{ "in_port 0", IN_PORT("00000000"), E(BAD_MATCH, BAD_VALUE) },
	{ "in_port FLOOD", IN_PORT("fffffffb"), E(BAD_MATCH, BAD_VALUE) },
	{ "in_phy_port with in_port", IN_PORT("00000001") "80000204 00000001", OK },
	{ "in_phy_port alone", "80000204 00000001", E(BAD_MATCH, BAD_PREREQ) },
	{ "another in_phy_port", IN_PORT("00000001") "80000204 00000002", E(BAD_MATCH, BAD_VALUE) },
	{ "metadata with any mask", "80000510 1000000000000001 f00000000000000f", OK },
	{ "tunnel_id", "80004c08 0000000000000001", OK },
	{ "eth_dst masked", "8000070c 010000000000 010000000000", OK },
	{ "eth_dst beyond its mask", "8000070c 030000000000 010000000000",
	  E(BAD_MATCH, BAD_WILDCARDS) },
	{ "eth_type masked", "80000b04 0800 ffff", E(BAD_MATCH, BAD_MASK) },
	{ "in_port masked", "80000108 00000001 ffffffff", E(BAD_MATCH, BAD_MASK) },
	{ "no tag", "80000c02 0000", OK },
	{ "any tag", TAGGED, OK },
	{ "VID", "80000c02 1005", OK },
	{ "VID without PRESENT", "80000c02 0005", E(BAD_MATCH, BAD_VALUE) },
	{ "VID of 14 bits", "80000c02 3005", E(BAD_MATCH, BAD_VALUE) },
	{ "VID mask of 16 bits", "80000d04 1005 ffff", E(BAD_MATCH, BAD_MASK) },
	{ "VID beyond its mask", "80000d04 1005 1000", E(BAD_MATCH, BAD_WILDCARDS) },
	{ "PCP", "80000c02 1005 80000e01 07", OK },
	{ "PCP of any tag", TAGGED "80000e01 07", OK },
	{ "PCP alone", "80000e01 07", E(BAD_MATCH, BAD_PREREQ) },
	{ "PCP without a tag", "80000c02 0000 80000e01 07", E(BAD_MATCH, BAD_PREREQ) },
	{ "PCP 8", "80000c02 1005 80000e01 08", E(BAD_MATCH, BAD_VALUE) },
	{ "DSCP", TYPE_IP "80001001 3f", OK },
	{ "DSCP of IPv6", TYPE_IP6 "80001001 3f", OK },
	{ "DSCP 64", TYPE_IP "80001001 40", E(BAD_MATCH, BAD_VALUE) },
	{ "DSCP of ARP", TYPE_ARP "80001001 01", E(BAD_MATCH, BAD_PREREQ) },
	{ "ECN 4", TYPE_IP "80001201 04", E(BAD_MATCH, BAD_VALUE) },
	{ "ipv4_src", TYPE_IP "80001604 0a000001", OK },
	{ "ipv4_src with holes", TYPE_IP "80001708 0a000001 ff0000ff", OK },
	{ "ipv4_src before its type", "80001604 0a000001" TYPE_IP, E(BAD_MATCH, BAD_PREREQ) },
	{ "ipv4_dst of IPv6", TYPE_IP6 "80001804 0a000001", E(BAD_MATCH, BAD_PREREQ) },
	{ "tcp_dst", TYPE_IP PROTO("06") "80001c02 0050", OK },
	{ "tcp_dst of UDP", TYPE_IP PROTO("11") "80001c02 0050", E(BAD_MATCH, BAD_PREREQ) },
	{ "tcp_dst without protocol", TYPE_IP "80001c02 0050", E(BAD_MATCH, BAD_PREREQ) },
	{ "udp_src", TYPE_IP6 PROTO("11") "80001e02 0050", OK },
	{ "sctp_dst", TYPE_IP PROTO("84") "80002402 0050", OK },
	{ "icmpv4_type", TYPE_IP PROTO("01") "80002601 08", OK },
	{ "icmpv4_type of IPv6", TYPE_IP6 PROTO("01") "80002601 08", E(BAD_MATCH, BAD_PREREQ) },
	{ "arp_op", TYPE_ARP "80002a02 0001", OK },
	{ "arp_spa masked", TYPE_ARP "80002d08 0a000000 ff000000", OK },
	{ "arp_tha masked", TYPE_ARP "8000330c 010000000000 ff0000000000", OK },
	{ "ipv6_src masked",
	  TYPE_IP6 "80003520 20010db8000000000000000000000000 ffffffff000000000000000000000000",
	  OK },
	{ "ipv6_src beyond its mask",
	  TYPE_IP6 "80003520 20010db8000000000000000000000001 ffffffff000000000000000000000000",
	  E(BAD_MATCH, BAD_WILDCARDS) },
	{ "flow label", TYPE_IP6 "80003804 000fffff", OK },
	{ "flow label of 21 bits", TYPE_IP6 "80003804 00100000", E(BAD_MATCH, BAD_VALUE) },
	{ "nd_target", TYPE_IP6 PROTO("3a") "80003a01 87 80003e10 20010db8000000000000000000000001",
	  OK },
	{ "nd_sll of an advertisement", TYPE_IP6 PROTO("3a") "80003a01 88 80004006 020000000001",
	  E(BAD_MATCH, BAD_PREREQ) },
	{ "nd_tll", TYPE_IP6 PROTO("3a") "80003a01 88 80004206 020000000001", OK },
	{ "label", TYPE_MPLS "80004404 000fffff", OK },
	{ "label of 21 bits", TYPE_MPLS "80004404 00100000", E(BAD_MATCH, BAD_VALUE) },
	{ "label of IP", TYPE_IP "80004404 00000001", E(BAD_MATCH, BAD_PREREQ) },
	{ "bottom of stack 2", TYPE_MPLS "80004801 02", E(BAD_MATCH, BAD_VALUE) },
	{ "twice", TYPE_IP TYPE_IP, E(BAD_MATCH, DUP_FIELD) },
	{ "twice, once masked", "80000606 020000000001 8000070c 020000000000 ffffffff0000",
	  E(BAD_MATCH, DUP_FIELD) },
	{ "another class", "00010a02 0800", E(BAD_MATCH, BAD_FIELD) },
	{ "field 60", "80007802 0800", E(BAD_MATCH, BAD_FIELD) },
	{ "I-SID", "80000a02 88e7 80004a03 000001", E(BAD_MATCH, BAD_FIELD) },
	{ "extension headers", TYPE_IP6 "80004e02 0001", E(BAD_MATCH, BAD_FIELD) },
	{ "three bytes of type", "80000a03 080000", E(BAD_MATCH, BAD_LEN) },
};

static void matches_are_taken_or_refused_with_their_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(match_rows) / sizeof(match_rows[0]); i++) {
		const struct match_row *r = &match_rows[i];
		bool ok;

		rig_open();
		ok = add(r->match, (struct of_list){ 0 }, 0);
		expect(r->name, ok, r->type, r->code);
		assert_int_equal(rig_flows(), ok ? 1 : 0);
		if (!ok)
			assert_int_equal(rig.conns[0].error_xid, 7);
		rig_close();
	}
}

#define PUSH_VLAN "0011 0008 8100 0000 "
#define POP_VLAN "0012 0008 00000000 "
#define PUSH_MPLS "0013 0008 8847 0000 "
#define POP_MPLS_IP "0014 0008 0800 0000 "
#define SET_VID "0019 0010 80000c02 1007 000000000000 "
#define SET_SRC "0019 0010 80001604 0a000001 00000000 "
#define SET_TCP "0019 0010 80001a02 0050 000000000000 "
#define SET_PROTO(n) "0019 0010 80001401 " n " 00000000000000 "
#define SET_TYPE(n) "0019 0010 80000a02 " n " 000000000000 "

static const struct action_row {
	const char *name, *match, *actions;
	uint16_t type, code;
} action_rows[] = {
	{ "nothing", "", "", OK },
	{ "to a port", "", OUTPUT("00000001"), OK },
	{ "to LOCAL", "", OUTPUT("fffffffe"), OK },
	{ "to IN_PORT", "", OUTPUT("fffffff8"), OK },
	{ "to NORMAL", "", OUTPUT("fffffffa"), OK },
	{ "to FLOOD", "", OUTPUT("fffffffb"), OK },
	{ "to ALL", "", OUTPUT("fffffffc"), OK },
	{ "to CONTROLLER", "", OUTPUT("fffffffd"), OK },
	{ "to TABLE", "", OUTPUT("fffffff9"), E(BAD_ACTION, BAD_OUT_PORT) },
	{ "to ANY", "", OUTPUT("ffffffff"), E(BAD_ACTION, BAD_OUT_PORT) },
	{ "to port 0", "", OUTPUT("00000000"), E(BAD_ACTION, BAD_OUT_PORT) },
	{ "to a port that is not there", "", OUTPUT("00000009"), E(BAD_ACTION, BAD_OUT_PORT) },
	{ "to a reserved number", "", OUTPUT("ffffff01"), E(BAD_ACTION, BAD_OUT_PORT) },
	{ "to a group that is not there", "", "0016 0008 00000005", E(BAD_ACTION, BAD_OUT_GROUP) },
	{ "to group 9", "", "0016 0008 00000009", OK },
	{ "to group ANY", "", "0016 0008 ffffffff", E(BAD_ACTION, BAD_OUT_GROUP) },
	{ "class 6", "", "0015 0008 00000006", OK },
	{ "class 7", "", "0015 0008 00000007", E(BAD_ACTION, BAD_QUEUE) },
	{ "an 802.1Q tag", "", PUSH_VLAN, OK },
	{ "an 802.1ad tag", "", "0011 0008 88a8 0000", OK },
	{ "a tag of another kind", "", "0011 0008 9100 0000", E(BAD_ACTION, BAD_ARGUMENT) },
	{ "pop of what may be there", "", POP_VLAN, OK },
	{ "pop of no tag", "80000c02 0000", POP_VLAN, E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "push and pop", "80000c02 0000", PUSH_VLAN POP_VLAN, OK },
	{ "VID of a tag", TAGGED, SET_VID, OK },
	{ "VID of no tag", "", SET_VID, E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "VID of a pushed tag", "", PUSH_VLAN SET_VID, OK },
	{ "VID of a popped tag", TAGGED, POP_VLAN SET_VID, E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "VID without PRESENT", TAGGED, "0019 0010 80000c02 0007 000000000000",
	  E(BAD_ACTION, BAD_SET_ARGUMENT) },
	{ "VID of 14 bits", TAGGED, "0019 0010 80000c02 3007 000000000000",
	  E(BAD_ACTION, BAD_SET_ARGUMENT) },
	{ "PCP of a pushed tag", "", PUSH_VLAN "0019 0010 80000e01 05 00000000000000", OK },
	{ "PCP 8", TAGGED, "0019 0010 80000e01 08 00000000000000",
	  E(BAD_ACTION, BAD_SET_ARGUMENT) },
	{ "MPLS", "", PUSH_MPLS, OK },
	{ "multicast MPLS", "", "0013 0008 8848 0000", OK },
	{ "MPLS of type 0800", "", "0013 0008 0800 0000", E(BAD_ACTION, BAD_ARGUMENT) },
	{ "pop of a label", TYPE_MPLS, POP_MPLS_IP, OK },
	{ "pop of a label from IP", TYPE_IP, POP_MPLS_IP, E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "label that was pushed", TYPE_IP, PUSH_MPLS "0019 0010 80004404 00000010 00000000", OK },
	{ "label of IP", TYPE_IP, "0019 0010 80004404 00000010 00000000",
	  E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "address under a label", TYPE_IP, PUSH_MPLS SET_SRC, E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "address below a popped label", TYPE_MPLS, POP_MPLS_IP SET_SRC, OK },
	{ "address of IP", TYPE_IP, SET_SRC, OK },
	{ "address of anything", "", SET_SRC, E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "address of what became IP", "", SET_TYPE("0800") SET_SRC, OK },
	{ "address of what was IP", TYPE_IP, SET_TYPE("86dd") SET_SRC,
	  E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "the same type again", TYPE_IP, SET_TYPE("0800") SET_SRC, OK },
	{ "port of TCP", TYPE_IP PROTO("06"), SET_TCP, OK },
	{ "port of any protocol", TYPE_IP, SET_TCP, E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "port of what became TCP", TYPE_IP PROTO("11"), SET_PROTO("06") SET_TCP, OK },
	{ "port of what was TCP", TYPE_IP PROTO("06"), SET_PROTO("11") SET_TCP,
	  E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "eth_dst", "", "0019 0010 80000606 020000000001 0000", OK },
	{ "tunnel_id", "", "0019 0010 80004c08 0000000000000001", OK },
	{ "in_port", "", "0019 0010 80000004 00000001 00000000", E(BAD_ACTION, BAD_SET_TYPE) },
	{ "metadata", "", "0019 0010 80000408 0000000000000001", E(BAD_ACTION, BAD_SET_TYPE) },
	{ "extension headers", TYPE_IP6, "0019 0010 80004e02 0001 000000000000",
	  E(BAD_ACTION, BAD_SET_TYPE) },
	{ "TTL of IP", TYPE_IP, "0017 0008 40 000000 0018 0008 00000000", OK },
	{ "TTL of ARP", TYPE_ARP, "0018 0008 00000000", E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "TTL of MPLS", TYPE_MPLS, "000f 0008 40 000000 0010 0008 00000000", OK },
	{ "TTL of MPLS in IP", TYPE_IP, "0010 0008 00000000", E(BAD_ACTION, MATCH_INCONSISTENT) },
	{ "copies of TTLs", TYPE_MPLS, "000b 0008 00000000 000c 0008 00000000", OK },
	{ "push PBB", "", "001a 0008 88e7 0000", E(BAD_ACTION, BAD_TYPE) },
	{ "pop PBB", "", "001b 0008 00000000", E(BAD_ACTION, BAD_TYPE) },
	{ "of no kind", "", "0063 0008 00000000", E(BAD_ACTION, BAD_TYPE) },
	{ "of Nicira", "", "ffff 0010 00002320 0000000000000000", E(BAD_ACTION, BAD_EXPERIMENTER) },
	{ "12 bytes", "", "0000 000c 00000001 00000000 0000 000c 00000001 00000000",
	  E(BAD_ACTION, BAD_LEN) },
	{ "longer than the list", "", "0000 0018 00000001 0000 000000000000",
	  E(BAD_ACTION, BAD_LEN) },
	{ "length 0", "", "0015 0000 00000001", E(BAD_ACTION, BAD_LEN) },
};

static void have_group(uint32_t id)
{
	struct of_buf b = { 0 };
	struct of13_group_mod m = { .type = OF13_GROUP_TYPE_ALL, .group_id = id };

	of13_group_mod_put(&b, &m);
	assert_true(rig_say(0, &b));
}

static void actions_are_taken_or_refused_with_their_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(action_rows) / sizeof(action_rows[0]); i++) {
		const struct action_row *r = &action_rows[i];
		struct hex h;
		bool ok;

		rig_open();
		have_group(9);
		ok = add(r->match, hex_actions(&h, 4, r->actions), 0);
		expect(r->name, ok, r->type, r->code);
		assert_int_equal(rig_flows(), ok ? 1 : 0);
		rig_close();
	}
}

static const struct inst_row {
	const char *name, *instructions;
	uint16_t type, code;
} inst_rows[] = {
	{ "goto 6", "0001 0008 06 000000", OK },
	{ "goto 63", "0001 0008 3f 000000", OK },
	{ "goto itself", "0001 0008 05 000000", E(BAD_INSTRUCTION, BAD_TABLE_ID) },
	{ "goto backwards", "0001 0008 04 000000", E(BAD_INSTRUCTION, BAD_TABLE_ID) },
	{ "goto 64", "0001 0008 40 000000", E(BAD_INSTRUCTION, BAD_TABLE_ID) },
	{ "goto 255", "0001 0008 ff 000000", E(BAD_INSTRUCTION, BAD_TABLE_ID) },
	{ "metadata", "0002 0018 00000000 1234567812345678 00000000ffffffff", OK },
	{ "clear", "0005 0008 00000000", OK },
	{ "write", "0003 0018 00000000" OUTPUT("00000001"), OK },
	{ "write nothing", "0003 0008 00000000", OK },
	{ "meter 4", "0006 0008 00000004", OK },
	{ "meter 5, which is not there", "0006 0008 00000005", E(METER_MOD_FAILED, UNKNOWN_METER) },
	{ "meter 0", "0006 0008 00000000", E(METER_MOD_FAILED, INVALID_METER) },
	{ "meter ALL", "0006 0008 ffffffff", E(METER_MOD_FAILED, INVALID_METER) },
	{ "goto twice", "0001 0008 06 000000 0001 0008 06 000000", E(BAD_INSTRUCTION, UNSUP_INST) },
	{ "of no kind", "0009 0008 00000000", E(BAD_INSTRUCTION, UNKNOWN_INST) },
	{ "experimenter", "ffff 0008 00002320", E(BAD_INSTRUCTION, BAD_EXPERIMENTER) },
	{ "12 bytes", "0001 000c 06 000000 00000000", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "longer than the message", "0001 0010 06 000000", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "a bad action in write", "0003 0018 00000000" OUTPUT("00000009"),
	  E(BAD_ACTION, BAD_OUT_PORT) },
};

static void instructions_are_taken_or_refused_with_their_error(void **state)
{
	struct of_buf b;
	struct hex h;

	(void)state;
	for (size_t i = 0; i < sizeof(inst_rows) / sizeof(inst_rows[0]); i++) {
		const struct inst_row *r = &inst_rows[i];
		struct of13_meter_mod m = { .meter_id = 4, .flags = OF13_METER_FLAG_KBPS };
		bool ok;

		rig_open();
		b = (struct of_buf){ 0 };
		of13_meter_mod_put(&b, &m);
		assert_true(rig_say(0, &b));
		ok = add("", hex_list(&h, r->instructions), 5);
		expect(r->name, ok, r->type, r->code);
		rig_close();
	}
}

static const struct dp_flow_prog *program(const char *instructions)
{
	struct hex h;

	assert_true(add(TYPE_IP, hex_list(&h, instructions), 0));
	return rig_prog(rig_find(0, 5, NULL));
}

static void programs_say_what_instructions_said(void **state)
{
	const struct dp_flow_prog *p;
	const struct dp_flow_output *o;

	(void)state;
	rig_open();
	p = program("0001 0008 07 000000" // given in another order than executed
		    "0002 0018 00000000 00000000000000ff 000000000000000f"
		    "0003 0018 00000000" OUTPUT("00000002") "0005 0008 00000000"
							    "0004 0020 00000000 0015 0008 00000003 "
							    "0000 0010 fffffffd 0080 000000000000");
	assert_int_equal(p->table, 7);
	assert_int_equal(p->flags, DP_PROG_CLEAR | DP_PROG_WRITES_METADATA);
	assert_int_equal(p->metadata, 0xf);
	assert_int_equal(p->metadata_mask, 0xf);
	assert_int_equal(p->n_apply, sizeof(struct dp_flow_op) + sizeof(*o));
	assert_int_equal(p->n_write, sizeof(*o));
	assert_int_equal(dp_flow_op_at(p->ops, 0)->kind, DP_OP_SET_QUEUE);
	assert_int_equal(dp_flow_op_at(p->ops, 0)->arg, 3);
	o = (const void *)dp_flow_op_at(p->ops, sizeof(struct dp_flow_op));
	assert_int_equal(o->op.arg, DP_OFPP_CONTROLLER);
	assert_int_equal(o->max_len, 0x80);
	assert_int_equal(dp_flow_op_at(p->ops, p->n_apply)->arg, 2);
	rig_close();
}

static void action_sets_have_one_of_each_in_their_order(void **state)
{
	static const uint8_t want[] = { DP_OP_PUSH_VLAN, DP_OP_DEC_NW_TTL, DP_OP_SET_FIELD,
					DP_OP_SET_FIELD, DP_OP_OUTPUT };
	const struct dp_flow_prog *p;
	size_t at = 0;

	(void)state;
	rig_open();
	// output 1, set VID, set src, dec TTL, output 2, push: a set-field before its push.
	p = program("0003 0058 00000000" OUTPUT("00000001") SET_VID SET_SRC
		    "0018 0008 00000000" OUTPUT("00000002") PUSH_VLAN);
	for (size_t i = 0; i < sizeof(want); i++) {
		assert_int_equal(dp_flow_op_at(p->ops, at)->kind, want[i]);
		if (want[i] == DP_OP_OUTPUT)
			assert_int_equal(dp_flow_op_at(p->ops, at)->arg, 2);
		at += dp_flow_op_at(p->ops, at)->size;
	}
	assert_int_equal(at, p->n_write);
	rig_close();
}

static void a_group_takes_the_place_of_outputs_in_a_set(void **state)
{
	const struct dp_flow_prog *p;

	(void)state;
	rig_open();
	have_group(9);
	p = program("0003 0020 00000000 0016 0008 00000009" OUTPUT("00000001"));
	assert_int_equal(p->n_write, sizeof(struct dp_flow_op));
	assert_int_equal(dp_flow_op_at(p->ops, 0)->kind, DP_OP_GROUP);
	rig_close();
}

static void a_list_too_long_for_a_program_is_refused(void **state)
{
	struct of_buf actions = { 0 }, all = { 0 };
	struct of13_action set = { .type = OF13_ACTION_SET_FIELD };
	struct of13_instruction i = { .type = OF13_INSTRUCTION_APPLY_ACTIONS };
	struct hex h;

	(void)state;
	rig_open();
	set.set_field.oxm = hex_list(&h, "80000606 020000000001");
	for (uint32_t n = 0; n <= DP_FLOW_PROG_MAX / sizeof(struct dp_flow_set); n++)
		of13_action_put(&actions, &set);
	i.apply_actions.actions = of_buf_list(&actions);
	of13_instruction_put(&all, &i);
	assert_false(add("", of_buf_list(&all), 0));
	assert_true(ERROR_IS(0, BAD_ACTION, TOO_MANY));
	assert_int_equal(rig_flows(), 0);
	of_buf_fini(&actions);
	of_buf_fini(&all);
	rig_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_are_taken_or_refused_with_their_error),
		cmocka_unit_test(actions_are_taken_or_refused_with_their_error),
		cmocka_unit_test(instructions_are_taken_or_refused_with_their_error),
		cmocka_unit_test(programs_say_what_instructions_said),
		cmocka_unit_test(action_sets_have_one_of_each_in_their_order),
		cmocka_unit_test(a_group_takes_the_place_of_outputs_in_a_set),
		cmocka_unit_test(a_list_too_long_for_a_program_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
