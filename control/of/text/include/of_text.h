// OpenFlow as people write it: ovs-ofctl's syntax of flows, groups and meters to messages of
// OpenFlow 1.3, and messages, matches and programs back to text that reads like ovs-ofctl's.
//
//   struct of_buf msg = { 0 };
//   struct of_text_error e;
//   if (of_text_flow_mod("table=1,tcp,actions=output:2", OF_TEXT_ADD, NULL, &msg, &e) < 0)
//           ... e.text says which word, and why; e.at where it stands
//   struct of_text t = { 0 };
//   of_text_message(&t, msg.data, msg.size, NULL);       // t.buf
//   of_text_fini(&t);
//
// Law: of_text_line() makes of what of_text_mod() wrote of a parsed message the same message again.
//
// Departures from ovs-ofctl: apply_actions(...) may be written; enqueue:P:Q is set_queue:Q,output:P
// (1.3 cannot take a queue back); a masked set_field is refused, since 1.3 has none; Nicira's
// actions and fields are refused by name; copy_ttl_out and copy_ttl_in exist.
//
// Pure: libc, the codec, and the layout of the flow key. thread: any; nothing is shared.
#ifndef OF_TEXT_H
#define OF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_flow_key.h"
#include "dp_flow_prog.h"
#include "of_wire.h"

#define OF_TEXT_LINE_MAX (1u << 20) // bytes of one flow, group or meter

// Text that grows to `max` bytes (0 = 16 MiB). Zeroed = empty. When there is no memory or room,
// `failed` is set and no more is written; buf ends with a NUL all the same.
struct of_text {
	char *buf; // NULL while empty
	size_t size, cap, max;
	bool failed;
};

void of_text_fini(struct of_text *t);
void of_text_put(struct of_text *t, const char *s);
void of_text_printf(struct of_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// What is wrong with a text: "dl_vlan=99999: at most 4095", and the place of the word in it.
struct of_text_error {
	size_t at, size;
	char text[200];
};

// Names of ports; NULL, or members NULL: numbers and reserved names only.
struct of_text_ports {
	void *arg;
	// returns 0; -ENOENT; where a switch tells less of a name than there is: -ENAMETOOLONG =
	// one or more begin so, -ENOTUNIQ = several ports are told by that name
	int (*number)(void *arg, const char *name, size_t size, uint32_t *port);
	const char *(*name)(void *arg, uint32_t port); // NULL = none
};

// --- Text to messages. Each appends one whole message with xid 0 to *out.
//
// s        text, at most OF_TEXT_LINE_MAX bytes
// ports    may be NULL
// out      its bytes are as they were, when it fails; without room or memory, out->failed is set
// returns  0; -EINVAL with e filled; -ENOMEM; -EMSGSIZE = more than one message can hold

enum of_text_command {
	OF_TEXT_ADD,
	OF_TEXT_MODIFY,
	OF_TEXT_MODIFY_STRICT,
	OF_TEXT_DELETE,
	OF_TEXT_DELETE_STRICT,
};

int of_text_flow_mod(const char *s, enum of_text_command command, const struct of_text_ports *ports,
		     struct of_buf *out, struct of_text_error *e);
// MATCH of dump-flows, or of dump-aggregate: with table, cookie, out_port, out_group.
int of_text_flow_request(const char *s, bool aggregate, const struct of_text_ports *ports,
			 struct of_buf *out, struct of_text_error *e);
// group_id=N|all,type=all|select|indirect|ff,bucket=weight:N,watch_port:P,watch_group:G,actions=..
int of_text_group_mod(const char *s, enum of_text_command command,
		      const struct of_text_ports *ports, struct of_buf *out,
		      struct of_text_error *e);
// meter=N|all,kbps|pktps,burst,stats,bands=type=drop|dscp_remark,rate=N,burst_size=N,prec_level=N
int of_text_meter_mod(const char *s, enum of_text_command command, struct of_buf *out,
		      struct of_text_error *e);
// in_port=P,packet=HEX,actions=...
int of_text_packet_out(const char *s, const struct of_text_ports *ports, struct of_buf *out,
		       struct of_text_error *e);
// A line of a file: [flow|group|meter] [add|modify|modify_strict|delete|delete_strict] TEXT;
// otherwise it is a flow, and `command` says what becomes of it.
int of_text_line(const char *s, enum of_text_command command, const struct of_text_ports *ports,
		 struct of_buf *out, struct of_text_error *e);
// A port by number, reserved name or name. returns 0, or as number() of ports
int of_text_port_number(const char *s, const struct of_text_ports *ports, uint32_t *port);
// What such an error means, in words.
const char *of_text_port_error(int error);

// --- Messages to text

struct of_text_options {
	const struct of_text_ports *ports;
	bool no_stats; // of flows: without counters and times, so that it can be loaded again
	bool part;     // a later part of a multipart reply: no head line
};

// A whole message, as `ovs-ofctl` prints it; one that cannot be decoded as what is wrong with it.
void of_text_message(struct of_text *t, const uint8_t *msg, size_t size,
		     const struct of_text_options *o);
// A flow-mod, group-mod or meter-mod as a line that of_text_line() reads.
// returns 0, or -EBADMSG: none of these, or it cannot be decoded; what was written then is a part
int of_text_mod(struct of_text *t, const uint8_t *msg, size_t size,
		const struct of_text_ports *ports);
// Lists of a message that was checked.
void of_text_oxm(struct of_text *t, struct of_list match, const struct of_text_ports *ports);
void of_text_instructions(struct of_text *t, struct of_list instructions,
			  const struct of_text_ports *ports);
void of_text_actions(struct of_text *t, struct of_list actions, const struct of_text_ports *ports);
void of_text_port(struct of_text *t, uint32_t port, const struct of_text_ports *ports);
// "OFPBAC_BAD_OUT_PORT"
void of_text_error_name(struct of_text *t, uint16_t type, uint16_t code);
// What it means, in words; "" = nothing to add.
const char *of_text_error_words(uint16_t type, uint16_t code);

// --- What the datapath holds, to text

// A match, without priority. Nothing is written when it matches everything.
void of_text_key(struct of_text *t, const struct dp_flow_key *key, const struct dp_flow_key *mask,
		 const struct of_text_ports *ports);
// What a frame has in the fields that a mask looks at: why a rule matched it.
void of_text_seen(struct of_text *t, const struct dp_flow_key *frame,
		  const struct dp_flow_key *mask, const struct of_text_ports *ports);
void of_text_prog(struct of_text *t, const struct dp_flow_prog *prog,
		  const struct of_text_ports *ports);
// Operations of a bucket or packet-out; also of one operation (size = op->size).
void of_text_ops(struct of_text *t, const uint8_t *ops, size_t size,
		 const struct of_text_ports *ports);

#endif
