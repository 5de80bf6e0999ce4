// Messages of OpenFlow for tests: lists as hex digits, the rest by the codec.
#ifndef OF_BUILD_H
#define OF_BUILD_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "of13.h"

struct hex {
	uint8_t b[4096];
	size_t n;
};

static inline uint8_t hex_digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

// Digits, and blanks between them.
static inline void hex_add(struct hex *h, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == ' ')
			continue;
		assert(h->n < sizeof(h->b) && text[1] != '\0');
		h->b[h->n++] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
		text++;
	}
}

static inline struct of_list hex_list(struct hex *h, const char *text)
{
	h->n = 0;
	hex_add(h, text);
	return (struct of_list){ h->b, h->n };
}

// An instruction of actions: type 3 writes, 4 applies.
static inline struct of_list hex_actions(struct hex *h, uint8_t type, const char *actions)
{
	h->n = 8;
	memset(h->b, 0, 8);
	hex_add(h, actions);
	h->b[1] = type;
	h->b[2] = (uint8_t)(h->n >> 8);
	h->b[3] = (uint8_t)h->n;
	return (struct of_list){ h->b, h->n };
}

// A flow-mod's defaults: add to table 0, forever.
#define FLOW_MOD                                                                                   \
	.buffer_id = OF13_BUFFER_NONE, .out_port = OF13_PORT_ANY, .out_group = OF13_GROUP_ANY

#define OUTPUT(port) "0000 0010 " port " 0000 000000000000"
#define APPLY_OUTPUT(port) "0004 0018 00000000 " OUTPUT(port)
#define IN_PORT(port) "80000004 " port
#define TYPE_IP "80000a02 0800 "
#define TYPE_IP6 "80000a02 86dd "
#define TYPE_ARP "80000a02 0806 "
#define TYPE_MPLS "80000a02 8847 "
#define TAGGED "80000d04 10001000 "
#define PROTO(n) "80001401 " n " "

#endif
