// What a calendar does seldom.
#include "calendar_priv.h"

// The far slot behind the one that far_tick names.
static void next_far(struct qos_cal *c)
{
	uint64_t at = (uint64_t)c->far_tick / QOS_CAL_NEAR + 1, map = c->far_map;
	uint32_t turn = at % QOS_CAL_FAR;

	if (map == 0) {
		c->far_tick = INT64_MAX;
		return;
	}
	map = turn == 0 ? map : map >> turn | map << (64 - turn);
	c->far_tick = (int64_t)((at + (uint32_t)__builtin_ctzll(map)) * QOS_CAL_NEAR);
}

int64_t qos_cal_move(struct qos_cal *c, void *base, int64_t within)
{
	int64_t end = within == INT64_MAX ? INT64_MAX : (int64_t)c->cur + within;
	uint32_t moves = 0;

	for (;;) {
		int64_t delta = qos_cal_near_delta(c);
		uint32_t slot = (uint64_t)c->far_tick / QOS_CAL_NEAR % QOS_CAL_FAR;

		if (c->far_tick > end || c->far_tick - (int64_t)c->cur > delta)
			return delta;
		if (c->far_tick > (int64_t)c->cur)
			c->cur = (uint64_t)c->far_tick;
		for (; (c->far_map >> slot & 1) != 0; moves++) {
			uint32_t id = c->far[slot];
			int64_t tick = c->far_tick + qos_cal_node_at(base, id)->at % QOS_CAL_NEAR;

			if (moves == QOS_CAL_MOVES)
				return qos_cal_near_delta(c);
			qos_cal_remove(c, base, id);
			// cur may have gone past a node of a crowded slot: due at once.
			qos_cal_insert(c, base, id, tick - (int64_t)c->cur);
		}
		next_far(c);
	}
}

int64_t qos_cal_next(const struct qos_cal *c)
{
	int64_t delta, far = c->far_tick - (int64_t)c->cur;

	if (c->n == 0)
		return INT64_MAX;
	delta = qos_cal_near_delta(c);
	if (c->far_map != 0 && far < delta)
		return far > 0 ? far : 0;
	return delta;
}
