// OpenFlow tables on a switch in memory: programs, matches and rules in few words.
#ifndef OF_RIG_H
#define OF_RIG_H

#include "../unit/unit.h"
#include "dp_of.h"
#include "mem_switch.h"
#include "of_priv.h"

static struct dp_of *of;

// Chance that is the same in each run: set seed, not to 0, then draw.
static uint64_t seed;

static inline uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static inline uint32_t below(uint32_t n)
{
	return (uint32_t)(rnd() >> 20) % n;
}

// A program under construction: of_begin(), of_out()..., &of_p.
static union {
	struct dp_flow_prog p;
	uint8_t mem[sizeof(struct dp_flow_prog) + DP_FLOW_PROG_MAX];
} of_p;

static inline void of_begin(void)
{
	memset(&of_p, 0, sizeof(of_p));
	of_p.p.size = sizeof(of_p.p);
	of_p.p.table = DP_FLOW_NO_TABLE;
}

static inline void *of_op(uint8_t kind, uint16_t size, uint32_t arg)
{
	struct dp_flow_op *op = (void *)(of_p.mem + of_p.p.size);

	op->kind = kind;
	op->size = size;
	op->arg = arg;
	of_p.p.size += size;
	of_p.p.n_apply = (uint16_t)(of_p.p.n_apply + size);
	return op;
}

static inline void of_out(uint32_t port)
{
	struct dp_flow_output *o = of_op(DP_OP_OUTPUT, sizeof(*o), port);

	o->max_len = 0xffff;
}

static inline void of_set(enum dp_flow_field f, uint64_t value)
{
	struct dp_flow_set *s = of_op(DP_OP_SET_FIELD, sizeof(*s), 0);

	s->op.field = (uint8_t)f;
	s->value.lo = value;
	s->mask = dp_flow_ones(f);
}

// What was applied so far is written into the action set instead.
static inline void of_write(void)
{
	of_p.p.n_write = of_p.p.n_apply;
	of_p.p.n_apply = 0;
}

static inline void of_goto(uint8_t table)
{
	of_p.p.table = table;
}

// A match under construction.
static struct dp_flow_key of_key, of_mask;

static inline void of_any(void)
{
	memset(&of_key, 0, sizeof(of_key));
	memset(&of_mask, 0, sizeof(of_mask));
}

static inline void of_match(enum dp_flow_field f, uint64_t value)
{
	dp_flow_put(&of_key, f, (struct dp_flow_value){ 0, value });
	dp_flow_put(&of_mask, f, dp_flow_ones(f));
}

static inline struct dp_of_flow *of_add(uint8_t table, uint16_t priority)
{
	struct dp_of_flow *f = NULL;

	assert_int_equal(dp_of_flow_add(of, table, &of_key, &of_mask, priority, &of_p.p, &f), 0);
	return f;
}

static inline const struct dp_of_params *of_params(void)
{
	static const struct dp_of_params p = { .max_flows = 1000,
					       .max_groups = 64,
					       .max_meters = 64,
					       .cache_entries = 1024,
					       .packet_in_pps = 1000,
					       .packet_in_burst = 16,
					       .n_packet_ins = 64 };
	return &p;
}

// Ports as mem_ports_make makes them; 'a' has number 1.
static inline void of_make(const char *names, uint32_t n_workers, uint8_t mode)
{
	struct weir_err err;

	mem_ports_make(names, n_workers, 0, mode);
	assert_int_equal(dp_of_create(sw, of_params(), &of, &err), 0);
	assert_int_equal(dp_of_set_mode(of, DP_OF_TABLES, &err), 0);
}

static inline void of_end(void)
{
	struct weir_err err;

	assert_int_equal(dp_of_set_mode(of, DP_OF_OFF, &err), 0);
	mem_turns(10000, 1000);
	if (!dp_switch_conserved(sw, &err))
		fail_msg("%s", err.text);
	dp_of_destroy(of);
	mem_ports_end();
}

// n frames of port's link, and time for them to go where they go.
static inline void of_send(uint32_t port, uint64_t n)
{
	links[port]->left = n;
	mem_turns(100000 + n * 100, 1000);
	dp_switch_housekeep(sw, now_ns);
}

static inline struct dp_of_count of_count(const struct dp_of_flow *f)
{
	struct dp_of_count c;

	dp_of_flow_count(of, f, &c);
	return c;
}

#endif
