// Random OpenFlow messages, made from the tables of the codec's description, and the deep round
// trip.
#ifndef OF_RANDOM_H
#define OF_RANDOM_H

#include "of_desc.h"

#define OF_RANDOM_BUFS 512

struct of_random {
	uint64_t state; // not 0
	uint8_t version;
	bool known;			    // numbers that have names take one of them, always
	struct of_buf bufs[OF_RANDOM_BUFS]; // what lists stand in
	uint32_t n_bufs;
	uint32_t depth;
};

// Forget what was made.
void of_random_reset(struct of_random *r);
uint64_t of_random_next(struct of_random *r);
// Some content for the C struct of d; with a header, if it is a message's. Slices live until
// of_random_reset().
void of_random_fill(struct of_random *r, const struct of_desc *d, void *out);
bool of_is_message(const struct of_desc *d);
// Are they the same, field by field?
bool of_same(const struct of_desc *d, const void *a, const void *b, uint8_t version);
// Take every list apart, element by element, and write it again: false where the walk ends early or
// the size differs; exact: or the bytes (what peers write into padding is not kept).
bool of_lists_hold(const struct of_desc *d, const void *m, uint8_t version, bool exact);

#endif
