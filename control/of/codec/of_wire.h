// What the generated codec (of13.h) stands on: bounded reading and writing of OpenFlow messages.
//
// tools/ofgen.py makes of13.h and of13.c from openflow13.txt when Weir is built. Per message,
// struct and list element of the protocol:
//
//   struct of13_flow_mod { uint8_t version; uint32_t xid; uint64_t cookie, ...;
//                          struct of_list match, instructions; };
//   int of13_flow_mod_get(const uint8_t *msg, size_t size, struct of13_flow_mod *out,
//                         struct of_wire_error *e);       // whole message, header included
//   int of13_flow_mod_put(struct of_buf *b, const struct of13_flow_mod *m);
//   bool of13_action_next(struct of_list *l, struct of13_action *out); // one of a list
//   int of13_action_put(struct of_buf *b, const struct of13_action *a);
//
//   if (of13_flow_mod_get(msg, size, &m, &e))
//           return refuse(e);
//   for (struct of13_instruction i; of13_instruction_next(&m.instructions, &i);)
//           if (i.type == OF13_INSTRUCTION_APPLY_ACTIONS)
//                   walk(i.apply_actions.actions);
//
// A get checks everything, lists and what is in them too: lengths, padding to 8, known types, and
// of OXMs the field, its length, that a mask is allowed, covers the value and no field is there
// twice. It returns 0, or -EBADMSG and the error for the peer. After it, walking a list cannot
// fail. Lists stay slices of the message, so nothing is allocated. What a list's elements are:
// `type` says which, and the member of that name holds it (a.type == OF13_ACTION_OUTPUT:
// a.output.port).
//
// Not checked here, for want of knowing the switch: prerequisites of fields, values of enums
// (commands, reasons), flags, whether an instruction is there twice.
//
// Versions: 0 in a put is 4 (OpenFlow 1.3). A field that the version does not have is zero after a
// get, and not written. Where a message differs altogether there are two (port_status and
// port_status14). Elements on their own are written as 1.4's: where it puts a number into 1.3's
// padding (flow_stats.importance), leave it zero for a peer of 1.3. bundle_control and bundle_add
// are under version 4 the messages of ONF's experimenter: one struct, two spellings.
//
// An OXM list is walked by of13_oxm_next(): class, field, has_mask, and value and mask as bytes.
// A put writes length fields and padding itself; lists that it is given are copied as they are,
// built with their own put into another buffer. It returns 0; -ENOMEM or -EMSGSIZE = b->failed is
// set, and nothing was written; -EINVAL = a type that the codec does not know, nothing written.
//
// Numbers stand in host order. Padding and unknown bits are written as zero. Byte order, alignment
// and overruns are this file's business and nobody else's. Pure: libc only.
#ifndef OF_WIRE_H
#define OF_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OF_MSG_MAX 65535

// A slice of checked wire bytes.
struct of_list {
	const uint8_t *at;
	size_t size;
};

// What the peer is told: ofp_error_msg.
struct of_wire_error {
	uint16_t type, code;
};

// A buffer that grows to `max` bytes. Zeroed = empty and may grow to OF_MSG_MAX. A put that finds
// no memory or room sets `failed` and writes nothing more.
struct of_buf {
	uint8_t *data;
	size_t size, cap, max;
	bool failed;
};

void of_buf_fini(struct of_buf *b);
// n more bytes, to be written by the caller: NULL = failed.
uint8_t *of_buf_grow(struct of_buf *b, size_t n);
static inline struct of_list of_buf_list(const struct of_buf *b)
{
	return (struct of_list){ b->data, b->size };
}

// Numbers of a message at hand, where only its header or one field matters; p needs no alignment.
static inline uint16_t of_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t of_be32(const uint8_t *p)
{
	return (uint32_t)of_be16(p) << 16 | of_be16(p + 2);
}

// --- Match fields

#define OF_OXM_BASIC 0x8000 // OFPXMC_OPENFLOW_BASIC: the only class that a get lets through

struct of13_oxm {
	uint16_t class;
	uint8_t field; // OF13_OXM_...
	bool has_mask;
	uint8_t size;		     // bytes of the value, and of the mask
	const uint8_t *value, *mask; // mask: NULL = none
};
bool of13_oxm_next(struct of_list *l, struct of13_oxm *out);
int of13_oxm_put(struct of_buf *b, const struct of13_oxm *m);
// The same of a field of up to 64 bits. mask = UINT64_MAX: none
int of13_oxm_put_number(struct of_buf *b, uint8_t field, uint64_t value, uint64_t mask);
// Of up to 8 bytes.
uint64_t of13_oxm_number(const uint8_t *value, uint8_t size);
// Bytes of a field's value; 0 = not known.
uint8_t of13_oxm_size(uint8_t field);

// --- For people and tests

// A message as one line of JSON, or why it cannot be read. returns the length of all of it, which
// may be more than cap - 1; text is cut there and always terminated (cap > 0).
size_t of13_print(const uint8_t *msg, size_t size, char *text, size_t cap);

#endif
