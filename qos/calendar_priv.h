// A calendar of nodes: 256 near slots of one tick each, and 64 far slots of 256 ticks; each slot is
// a FIFO. It serves twice: by time (nodes that wait for their reservation or limit) and by virtual
// time (the order of shares).
//
// Both wheels are circular windows that begin at the current tick, so what is less than 256 ticks
// ahead is found by its bit at once and never moved. A far slot is emptied into the near ones when
// the current tick reaches it. Nodes further away than both are clamped to the end of the far ones:
// whoever takes them out finds them early and puts them back.
//
// Cost: insert and remove touch one slot. A pop looks at five words, and moves at most
// QOS_CAL_MOVES nodes of a far slot; what is left of a crowded one is moved by the pops that
// follow. An insert causes at most one move, so each pop moves more than one insert makes: the work
// per packet is bounded by a constant, however many nodes there are. Until a crowded slot is moved,
// its nodes may be served up to one slot width out of order; their tags keep the account.
//
// Nodes are embedded in what they stand for. An id is a node's distance from a base that the owner
// gives, in units of 4 bytes: 16 GB in 32 bits, and no multiplication.
//
// thread: one owner. Nothing here allocates, reads a clock or fails.
#ifndef QOS_CALENDAR_PRIV_H
#define QOS_CALENDAR_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#define QOS_CAL_NEAR 256u
#define QOS_CAL_FAR 64u
#define QOS_CAL_MOVES 16
#define QOS_CAL_RANGE_TICKS ((int64_t)(QOS_CAL_FAR - 1) * QOS_CAL_NEAR - 1) // beyond it is clamped
#define QOS_NONE UINT32_MAX

struct qos_cal_node {
	uint32_t next, prev; // ids; circular within the slot
	uint16_t at;	     // where it lies, see below
	uint8_t state, kind; // the owner's
};

// at: the tick's low 14 bits, which give the slot on either wheel, and which wheel; or out.
#define QOS_CAL_AT_FAR 0x8000u
#define QOS_CAL_OUT 0x4000u
#define QOS_CAL_TICK_MASK 0x3fffu

struct qos_cal {
	uint64_t near_map[QOS_CAL_NEAR / 64], far_map; // bit: the slot has nodes
	uint64_t cur;				       // tick up to which nodes were handed out
	int64_t far_tick; // not later than the first far slot begins; INT64_MAX = none has nodes
	uint32_t n;
	uint32_t near[QOS_CAL_NEAR], far[QOS_CAL_FAR]; // first node of a slot that has any
};

static inline struct qos_cal_node *qos_cal_node_at(void *base, uint32_t id)
{
	return (struct qos_cal_node *)((char *)base + (uint64_t)id * 4);
}

static inline uint32_t qos_cal_id(const void *base, const struct qos_cal_node *n)
{
	return (uint32_t)((uint64_t)((const char *)n - (const char *)base) / 4);
}

static inline void qos_cal_init(struct qos_cal *c)
{
	c->far_tick = INT64_MAX;
}

// An empty calendar may begin anew anywhere.
static inline void qos_cal_begin(struct qos_cal *c, uint64_t tick)
{
	c->cur = tick;
	c->far_tick = INT64_MAX;
}

static inline bool qos_cal_empty(const struct qos_cal *c)
{
	return c->n == 0;
}

static inline uint32_t *qos_cal_slot(struct qos_cal *c, uint32_t at, uint64_t **map, uint32_t *bit)
{
	uint32_t slot = at % QOS_CAL_NEAR;

	if (__builtin_expect((at & QOS_CAL_AT_FAR) != 0, 0)) {
		slot = at / QOS_CAL_NEAR % QOS_CAL_FAR;
		*map = &c->far_map;
		*bit = slot;
		return &c->far[slot];
	}
	*map = &c->near_map[slot / 64];
	*bit = slot % 64;
	return &c->near[slot];
}

// Insert a node that is out. delta_ticks from c->cur; what lies in the past is due at once.
static inline void qos_cal_insert(struct qos_cal *c, void *base, uint32_t id, int64_t delta_ticks)
{
	struct qos_cal_node *n = qos_cal_node_at(base, id);
	uint32_t *head, bit;
	uint64_t tick, *map;

	if (delta_ticks < 0)
		delta_ticks = 0;
	if (delta_ticks > QOS_CAL_RANGE_TICKS)
		delta_ticks = QOS_CAL_RANGE_TICKS;
	tick = c->cur + (uint64_t)delta_ticks;
	n->at = tick & QOS_CAL_TICK_MASK;
	if (delta_ticks >= (int64_t)QOS_CAL_NEAR) {
		int64_t begins = (int64_t)(tick / QOS_CAL_NEAR * QOS_CAL_NEAR);

		n->at |= QOS_CAL_AT_FAR;
		if (begins < c->far_tick)
			c->far_tick = begins;
	}
	c->n++;
	head = qos_cal_slot(c, n->at, &map, &bit);
	if ((*map >> bit & 1) == 0) {
		*map |= (uint64_t)1 << bit;
		*head = n->next = n->prev = id;
	} else {
		struct qos_cal_node *first = qos_cal_node_at(base, *head);

		n->next = *head;
		n->prev = first->prev;
		qos_cal_node_at(base, n->prev)->next = id;
		first->prev = id;
	}
}

// Take a node out. One that is not in stays out.
static inline void qos_cal_remove(struct qos_cal *c, void *base, uint32_t id)
{
	struct qos_cal_node *n = qos_cal_node_at(base, id);
	uint32_t *head, bit;
	uint64_t *map;

	if (n->at == QOS_CAL_OUT)
		return;
	c->n--;
	head = qos_cal_slot(c, n->at, &map, &bit);
	n->at = QOS_CAL_OUT;
	if (n->next == id) {
		*map &= ~((uint64_t)1 << bit);
		return;
	}
	qos_cal_node_at(base, n->next)->prev = n->prev;
	qos_cal_node_at(base, n->prev)->next = n->next;
	if (*head == id)
		*head = n->next;
}

// Ticks from cur to the first near slot that has nodes; INT64_MAX when none has.
static inline int64_t qos_cal_near_delta(const struct qos_cal *c)
{
	uint32_t at = c->cur % QOS_CAL_NEAR, bit = at % 64, word = at / 64;
	uint64_t map = c->near_map[word] >> bit;

	if (map != 0)
		return __builtin_ctzll(map);
	for (uint32_t i = 1; i <= QOS_CAL_NEAR / 64; i++) {
		// The last is the first word again: what is left there lies behind cur.
		map = c->near_map[(word + i) % (QOS_CAL_NEAR / 64)];
		if (map != 0)
			return i * 64 - bit + (uint32_t)__builtin_ctzll(map);
	}
	return INT64_MAX;
}

// Move nodes of the far slots that are reached. returns qos_cal_near_delta then
int64_t qos_cal_move(struct qos_cal *c, void *base, int64_t within);

// Take the earliest node that is due.
//
// within   ticks from c->cur that may be handed out; INT64_MAX = any
// returns  the node, or QOS_NONE when none is due
static inline uint32_t qos_cal_pop(struct qos_cal *c, void *base, int64_t within)
{
	int64_t delta = qos_cal_near_delta(c), far = c->far_tick - (int64_t)c->cur;
	uint64_t cur = c->cur;
	uint32_t id;

	if (__builtin_expect(far <= delta && far <= within && c->n != 0, 0)) {
		delta = qos_cal_move(c, base, within);
		within -= within == INT64_MAX ? 0 : (int64_t)(c->cur - cur);
	}
	if (delta > within || c->n == 0)
		return QOS_NONE;
	c->cur += (uint64_t)delta;
	id = c->near[c->cur % QOS_CAL_NEAR];
	qos_cal_remove(c, base, id);
	return id;
}

// Ticks from c->cur before which nothing is due; INT64_MAX when empty. May be early, never late.
int64_t qos_cal_next(const struct qos_cal *c);

#endif
