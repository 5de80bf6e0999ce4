#include "qos_codel.h"

// floor(sqrt(v)), one bit of the result per step.
static uint32_t root(uint64_t v)
{
	uint64_t r = 0;

	for (uint64_t bit = (uint64_t)1 << 31; bit != 0; bit >>= 1)
		if ((r + bit) * (r + bit) <= v)
			r += bit;
	return (uint32_t)r;
}

uint64_t qos_codel_step_ns(uint32_t interval_ns, uint32_t count)
{
	// sqrt(count * 2^32) = sqrt(count) * 2^16, so 16 fractional bits.
	return ((uint64_t)interval_ns << 16) / root((uint64_t)(count == 0 ? 1 : count) << 32);
}

// RFC 8289 section 4.4, dodequeue: has the queue stood above target for an interval?
static bool above(struct qos_codel *c, const struct qos_codel_params *p, uint64_t now_ns,
		  uint64_t waited_ns, uint32_t left_bytes)
{
	if (waited_ns < p->target_ns || left_bytes <= p->floor_bytes) {
		c->first_above_ns = 0;
		return false;
	}
	if (c->first_above_ns == 0) {
		c->first_above_ns = now_ns + p->interval_ns;
		return false;
	}
	return now_ns >= c->first_above_ns;
}

// RFC 8289 section 4.4, dequeue: is this packet one of those to go?
static bool hit(struct qos_codel *c, const struct qos_codel_params *p, uint64_t now_ns, bool over)
{
	uint32_t delta;

	if (c->dropping) {
		if (!over) {
			c->dropping = 0;
			return false;
		}
		if (now_ns < c->drop_next_ns)
			return false;
		if (c->count < INT32_MAX)
			c->count++;
		c->drop_next_ns += qos_codel_step_ns(p->interval_ns, c->count);
		return true;
	}
	if (!over)
		return false;
	// Where it was dropping a moment ago, start near the pace that controlled the queue then.
	delta = c->count - c->last_count;
	c->dropping = 1;
	if (delta > 1 && (int64_t)(now_ns - c->drop_next_ns) < 16 * (int64_t)p->interval_ns)
		c->count = delta;
	else
		c->count = 1;
	c->last_count = c->count;
	c->drop_next_ns = now_ns + qos_codel_step_ns(p->interval_ns, c->count);
	return true;
}

enum qos_codel_verdict qos_codel_next(struct qos_codel *c, const struct qos_codel_params *p,
				      uint64_t now_ns, struct qos_codel_pkt pkt)
{
	bool step = p->step_ns != 0 && pkt.may_mark && pkt.waited_ns > p->step_ns;

	if (p->target_ns != 0 &&
	    hit(c, p, now_ns, above(c, p, now_ns, pkt.waited_ns, pkt.left_bytes)))
		return pkt.may_mark ? QOS_CODEL_MARK : QOS_CODEL_DROP;
	return step ? QOS_CODEL_MARK : QOS_CODEL_PASS;
}
