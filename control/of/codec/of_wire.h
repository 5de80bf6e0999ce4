// What the generated codec (of13.h) stands on: bounded reading and writing of OpenFlow messages.
//
// tools/ofgen.py makes of13.h and of13.c from openflow13.txt when Weir is built. Per message,
// struct and list of the protocol:
//
//   struct of13_flow_mod { uint32_t xid; uint64_t cookie, ...; struct of_list match, instructions;
//   }; int of13_flow_mod_get(const uint8_t *msg, size_t size, struct of13_flow_mod *out,
//                         struct of_wire_error *e);       // whole message, header included
//   int of13_flow_mod_put(struct of_buf *b, const struct of13_flow_mod *m);
//   bool of13_action_next(struct of_list *l, struct of13_action *out); // one of a list
//   int of13_action_put(struct of_buf *b, const struct of13_action *a);
//
// A get checks everything, lists and what is in them too: lengths, padding to 8, known types. After
// it, walking a list cannot fail. Lists stay slices of the message, so nothing is allocated. What a
// list's elements are: `type` says which, and the member of that name holds it
// (a.type == OF13_ACTION_OUTPUT: a.output.port).
// An OXM list is walked by of13_oxm_next(): class, field, has_mask, and value and mask as bytes.
// A put writes length fields and padding itself; lists that it is given are copied as they are,
// built with their own put into another buffer.
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
static inline struct of_list of_buf_list(const struct of_buf *b)
{
	return (struct of_list){ b->data, b->size };
}

#endif
