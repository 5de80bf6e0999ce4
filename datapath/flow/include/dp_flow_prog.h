// What a rule, a bucket or a packet-out does to a frame, compiled: a list of operations, flat, with
// no pointers, each a multiple of 8 bytes. The agent compiles OpenFlow's actions and instructions
// to it and checks them; workers, `explain` and the printers walk it.
//
// OpenFlow numbers stay in it (ports, groups, queues): a port that comes back under its number is
// found again.
#ifndef DP_FLOW_PROG_H
#define DP_FLOW_PROG_H

#include <stddef.h>
#include <stdint.h>

#include "dp_flow_key.h"

#define DP_FLOW_TABLES 64
#define DP_FLOW_NO_TABLE 0xff
#define DP_FLOW_PROG_MAX 8192 // bytes of operations of one rule, bucket or packet-out

enum dp_flow_op_kind {
	DP_OP_OUTPUT,	 // arg: OpenFlow port; aux: max_len, for OFPP_CONTROLLER
	DP_OP_GROUP,	 // arg: group
	DP_OP_SET_QUEUE, // arg: queue, which is a class of the output port (enum qos_class)
	DP_OP_PUSH_VLAN, // arg: TPID
	DP_OP_POP_VLAN,
	DP_OP_PUSH_MPLS,    // arg: ethertype
	DP_OP_POP_MPLS,	    // arg: ethertype of what is below
	DP_OP_SET_MPLS_TTL, // arg: TTL
	DP_OP_DEC_MPLS_TTL,
	DP_OP_SET_NW_TTL, // arg: TTL
	DP_OP_DEC_NW_TTL,
	DP_OP_COPY_TTL_OUT,
	DP_OP_COPY_TTL_IN,
	DP_OP_SET_FIELD, // field; followed by struct dp_flow_set
	DP_N_OPS,
};

struct dp_flow_op {
	uint8_t kind;  // enum dp_flow_op_kind
	uint8_t field; // SET_FIELD: enum dp_flow_field
	uint16_t size; // bytes of the whole operation, this head included
	uint32_t arg;
};

// Behind the head of OUTPUT.
struct dp_flow_output {
	struct dp_flow_op op;
	uint16_t max_len; // to the controller; 0xffff = the whole frame
	uint16_t reserved[3];
};

// Behind the head of SET_FIELD: value where mask has ones.
struct dp_flow_set {
	struct dp_flow_op op;
	struct dp_flow_value value, mask;
};

enum dp_flow_prog_flag {
	DP_PROG_CLEAR = 1 << 0, // clear-actions
	DP_PROG_METER = 1 << 1,
	DP_PROG_WRITES_METADATA = 1 << 2,
};

// A rule's instructions, in the order in which they are executed (section 5.9): meter, apply,
// clear, write, metadata, goto.
struct dp_flow_prog {
	uint32_t size; // of the whole, operations included
	uint8_t flags; // enum dp_flow_prog_flag
	uint8_t table; // to go to, or DP_FLOW_NO_TABLE
	uint16_t n_apply,
		n_write; // bytes of operations: those to apply, behind them the action set's
	uint16_t reserved;
	uint32_t meter;
	uint64_t metadata, metadata_mask;
	uint8_t ops[];
};

// Walk: the first operation is at ops, the next one op->size further; while (at < end).
static inline const struct dp_flow_op *dp_flow_op_at(const uint8_t *ops, size_t at)
{
	return (const struct dp_flow_op *)(const void *)(ops + at);
}

#endif
