// A calendar of node indexes: five wheels of 64 slots, each slot a FIFO. It serves twice: by
// time (nodes that wait for their reservation or limit) and by virtual time (the order of shares).
//
// A node lies on the level of the highest 6-bit digit in which its tick differs from the current
// one, so on each level the lowest set bit is the earliest slot, and no level but the last wraps.
//
// Cost: insert and remove touch one slot. A pop goes down at most four levels and moves at most
// QOS_CAL_MOVES nodes on each; what is left of a crowded slot is moved by the pops that follow.
// Every insert causes at most four moves, so each pop moves more than one insert makes: the work
// per packet is bounded by a constant, however many nodes there are. Until a crowded slot is
// moved, its nodes may be served up to one slot width out of order; their tags keep the account.
//
// thread: one owner. Nothing here allocates, reads a clock or fails.
#ifndef QOS_CALENDAR_PRIV_H
#define QOS_CALENDAR_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#define QOS_CAL_LEVELS 5
#define QOS_CAL_MOVES 16
#define QOS_CAL_RANGE_TICKS ((int64_t)1 << 29) // further away is clamped to this
#define QOS_NONE UINT32_MAX

struct qos_cal_node {
	uint32_t next, prev; // circular within the slot
	uint32_t tick;	     // low 30 bits
	uint16_t slot;	     // level * 64 + digit, or QOS_CAL_OUT
	uint16_t state;	     // the owner's
};

#define QOS_CAL_OUT 0xffff

struct qos_cal {
	uint64_t map[QOS_CAL_LEVELS]; // bit d: slot d of that level has nodes
	uint64_t cur;		      // tick up to which nodes were handed out
	uint8_t levels;		      // bit l: map[l] is not 0
	uint8_t crowded;	      // bit l: a slot of level l was moved in part
	uint32_t head[QOS_CAL_LEVELS][64];
};

void qos_cal_init(struct qos_cal *c);

// Insert a node that is out. delta_ticks from c->cur; what lies in the past is due at once.
void qos_cal_insert(struct qos_cal *c, struct qos_cal_node *nodes, uint32_t id,
		    int64_t delta_ticks);

// Take a node out. One that is not in stays out.
void qos_cal_remove(struct qos_cal *c, struct qos_cal_node *nodes, uint32_t id);

// Take the earliest node that is due.
//
// within   ticks from c->cur that may be handed out; INT64_MAX = any
// returns  the node, or QOS_NONE when none is due
uint32_t qos_cal_pop(struct qos_cal *c, struct qos_cal_node *nodes, int64_t within);

// Ticks from c->cur before which nothing is due; INT64_MAX when empty. May be early, never late.
int64_t qos_cal_next(const struct qos_cal *c);

static inline bool qos_cal_empty(const struct qos_cal *c)
{
	return c->levels == 0;
}

#endif
