#include "calendar_priv.h"

#include <string.h>

#define DIGIT_BITS 6
#define TOP (QOS_CAL_LEVELS - 1)
#define TICK_MASK (((uint32_t)1 << (DIGIT_BITS * QOS_CAL_LEVELS)) - 1)

static uint32_t digit_of(uint64_t tick, uint32_t level)
{
	return (uint32_t)(tick >> (level * DIGIT_BITS)) & 63;
}

void qos_cal_init(struct qos_cal *c)
{
	memset(c, 0, sizeof(*c));
}

static void link_in(struct qos_cal *c, struct qos_cal_node *nodes, uint32_t id)
{
	struct qos_cal_node *n = &nodes[id];
	uint32_t x = (n->tick ^ (uint32_t)c->cur) & TICK_MASK;
	uint32_t bit = 31 - (uint32_t)__builtin_clz(x | 1);
	uint32_t level = bit * 43 >> 8; // bit / 6, for bit < 30
	uint32_t digit = digit_of(n->tick, level), *head = &c->head[level][digit];

	n->slot = (uint16_t)(level * 64 + digit);
	if ((c->map[level] >> digit & 1) == 0) {
		*head = n->next = n->prev = id;
	} else {
		n->next = *head;
		n->prev = nodes[*head].prev;
		nodes[n->prev].next = id;
		nodes[*head].prev = id;
	}
	c->map[level] |= (uint64_t)1 << digit;
	c->levels |= (uint8_t)(1u << level);
}

void qos_cal_insert(struct qos_cal *c, struct qos_cal_node *nodes, uint32_t id, int64_t delta_ticks)
{
	if (delta_ticks < 0)
		delta_ticks = 0;
	if (delta_ticks > QOS_CAL_RANGE_TICKS)
		delta_ticks = QOS_CAL_RANGE_TICKS;
	nodes[id].tick = (uint32_t)(c->cur + (uint64_t)delta_ticks) & TICK_MASK;
	link_in(c, nodes, id);
}

void qos_cal_remove(struct qos_cal *c, struct qos_cal_node *nodes, uint32_t id)
{
	struct qos_cal_node *n = &nodes[id];
	uint32_t level = n->slot / 64, digit = n->slot % 64;

	if (n->slot == QOS_CAL_OUT)
		return;
	n->slot = QOS_CAL_OUT;
	if (n->next == id) {
		c->map[level] &= ~((uint64_t)1 << digit);
		if (c->map[level] == 0) {
			c->levels &= (uint8_t) ~(1u << level);
			c->crowded &= (uint8_t) ~(1u << level);
		}
		return;
	}
	nodes[n->next].prev = n->prev;
	nodes[n->prev].next = n->next;
	if (c->head[level][digit] == id)
		c->head[level][digit] = n->next;
}

// The earliest slot of a level that has one. Only the last level can lie beyond the wrap.
static uint32_t first_digit(const struct qos_cal *c, uint32_t level)
{
	uint64_t map = c->map[level];
	uint32_t at;

	if (level < TOP)
		return (uint32_t)__builtin_ctzll(map);
	at = digit_of(c->cur, TOP);
	map = at == 0 ? map : map >> at | map << (64 - at);
	return (at + (uint32_t)__builtin_ctzll(map)) & 63;
}

// Ticks from cur to the start of the earliest slot of a level; 0 for the slot cur stands in.
static int64_t slot_delta(const struct qos_cal *c, uint32_t level, uint32_t digit)
{
	uint32_t low = level * DIGIT_BITS;
	uint32_t start = ((uint32_t)c->cur & TICK_MASK) >> (low + DIGIT_BITS) << (low + DIGIT_BITS);

	if (digit == digit_of(c->cur, level))
		return 0;
	start |= digit << low;
	return (int64_t)((start - (uint32_t)c->cur) & TICK_MASK);
}

static void move_down(struct qos_cal *c, struct qos_cal_node *nodes, uint32_t level, uint32_t digit)
{
	for (uint32_t i = 0; i < QOS_CAL_MOVES; i++) {
		uint32_t id;
		int64_t delta;

		if ((c->map[level] >> digit & 1) == 0)
			break;
		id = c->head[level][digit];
		qos_cal_remove(c, nodes, id);
		delta = (int64_t)((nodes[id].tick - (uint32_t)c->cur) & TICK_MASK);
		// cur may have gone past a node of a crowded slot: due at once.
		if (delta > QOS_CAL_RANGE_TICKS)
			delta = 0;
		qos_cal_insert(c, nodes, id, delta);
	}
	if ((c->map[level] >> digit & 1) != 0)
		c->crowded |= (uint8_t)(1u << level);
	else
		c->crowded &= (uint8_t) ~(1u << level);
}

uint32_t qos_cal_pop(struct qos_cal *c, struct qos_cal_node *nodes, int64_t within)
{
	uint64_t began = c->cur;

	for (uint32_t l = 1; c->crowded >> l != 0 && l < QOS_CAL_LEVELS; l++)
		if ((c->crowded >> l & 1) != 0)
			move_down(c, nodes, l, digit_of(c->cur, l));
	while (c->levels != 0) {
		uint32_t level = (uint32_t)__builtin_ctz(c->levels);
		uint32_t digit = first_digit(c, level), id;
		int64_t delta = slot_delta(c, level, digit);

		if (delta > within - (int64_t)(c->cur - began))
			return QOS_NONE;
		c->cur += (uint64_t)delta;
		if (level == 0) {
			id = c->head[0][digit];
			qos_cal_remove(c, nodes, id);
			return id;
		}
		move_down(c, nodes, level, digit);
	}
	return QOS_NONE;
}

int64_t qos_cal_next(const struct qos_cal *c)
{
	uint32_t level;

	if (c->levels == 0)
		return INT64_MAX;
	level = (uint32_t)__builtin_ctz(c->levels);
	return slot_delta(c, level, first_digit(c, level));
}
