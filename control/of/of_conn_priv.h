// Inside of the channel: a connection, its output, and what of_conn.c, of_role.c and of_out.c call
// of each other.
#ifndef OF_CONN_PRIV_H
#define OF_CONN_PRIV_H

#include "agent_priv.h"

enum {
	OF_HEADER = 8,
	OF_PIN_QUEUES = 128, // by port, so that the first 128 ports do not share
	OF_PINS_MAX = 512,   // packet-ins that may wait
	OF_PIN_BYTES_MAX = 1 << 20,
};

#define OF_ONF 0x4f4e4600u	   // the ONF as an experimenter
#define OF_ONF_BUNDLE_ERRORS 2300u // where its errors of bundles begin (extension 230)

// A packet-in that waits.
struct of_pin {
	struct of_pin *next;
	size_t size;
	uint8_t msg[];
};

struct of_pin_queue {
	struct of_pin *first, *last;
	size_t bytes;
	uint32_t deficit;
};

struct of_out {
	uint8_t *data; // data[cap]; what waits is [at, size)
	size_t at, size, cap;
	uint32_t n_pins, turn;
	size_t pin_bytes;
	struct of_pin_queue pins[OF_PIN_QUEUES];
};

// enum of_async and what 1.4 has besides.
enum { OF_ASYNC_ROLE_STATUS = 3, OF_ASYNC_KINDS = 6 };

struct of_conn {
	struct of_agent *agent;
	struct of_conn_params p;
	struct of_conn_info info;
	bool over;
	uint32_t next_xid;
	// What came of a message that is not whole yet.
	uint8_t *in;
	size_t in_size, in_cap;
	uint32_t masks[OF_ASYNC_KINDS][2]; // [0] as master or equal, [1] as slave
	bool promised;			   // a reply waits for this version
	struct of_buf promise;
	uint64_t promise_version, promise_ns;	// ns: when it was made
	uint64_t heard_ns, opened_ns, asked_ns; // asked: an echo request is unanswered; 0 = none
	struct of_out out;
};

// --- of_out.c

// returns 0 or -ENOMEM
int of_out_put(struct of_out *o, const uint8_t *msg, size_t size);
// A packet-in of a port; msg is copied. returns how many were dropped, itself or others
uint32_t of_out_pin(struct of_out *o, uint32_t port, const uint8_t *msg, size_t size);
void of_out_sent(struct of_out *o, size_t size);
// All that waits is given up.
void of_out_drop(struct of_out *o);

// --- of_role.c

// How masks are when a connection begins.
void of_masks_init(struct of_conn *c);
// Is the message such a one? Then it was answered.
bool of_role_handle(struct of_conn *c, const uint8_t *msg, size_t size);
// Does it change the switch, which a slave may not?
bool of_message_writes(const uint8_t *msg, size_t size);

// --- of_conn.c

// Promises and time. returns when it is to be called again at the latest
uint64_t of_conn_tick(struct of_conn *c);

// The connection ends after what is in its output; why, for people.
void of_conn_fail(struct of_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
