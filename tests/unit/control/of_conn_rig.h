// An agent on a switch that only notes, and connections that a test speaks on byte by byte.
#ifndef OF_CONN_RIG_H
#define OF_CONN_RIG_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../unit.h"
#include "of_conn_priv.h"
#include "of_stub.h"
#include "written.h"

#define S 1000000000ull // ns

static struct dp_of dp;
static struct of_agent *agent;
static uint64_t now;

static inline void agent_make(const struct of_agent_params *p)
{
	struct of_agent_params params = *p;
	struct weir_err err;

	memset(&dp, 0, sizeof(dp));
	dp.auto_settle = true;
	of_stub_reset();
	now = 100 * S;
	params.of = &dp;
	assert_int_equal(of_agent_create(&params, &agent, &err), 0);
}

static inline int begin(void **state)
{
	(void)state;
	agent_make(&(struct of_agent_params){ .datapath_id = 1 });
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++)
		of_conn_close(agent->conns[i]);
	of_agent_destroy(agent);
	return 0;
}

static inline struct of_conn *open_as(const struct of_conn_params *p)
{
	struct of_conn *c;

	assert_int_equal(of_conn_open(agent, p, now, &c), 0);
	return c;
}

// A message of n bytes with this header; what follows is the body.
static inline size_t msg_make(uint8_t *m, const uint8_t head[2], uint32_t xid, const void *body,
			      size_t n)
{
	m[0] = head[0];
	m[1] = head[1];
	m[2] = (uint8_t)((n + 8) >> 8);
	m[3] = (uint8_t)(n + 8);
	for (int i = 0; i < 4; i++)
		m[4 + i] = (uint8_t)(xid >> (24 - 8 * i));
	if (n > 0)
		memcpy(m + 8, body, n);
	return n + 8;
}

static inline int say(struct of_conn *c, uint8_t type, const void *body, size_t n)
{
	uint8_t m[256];
	uint8_t version = of_conn_version(c);
	size_t size = msg_make(m, (uint8_t[]){ version == 0 ? 4 : version, type }, 77, body, n);

	return of_conn_input(c, m, size, now);
}

// The next message of its output; its type, -1 = there is none.
static inline int hear(struct of_conn *c, uint8_t *m, size_t *size)
{
	size_t n;
	const uint8_t *out = of_conn_output(c, &n);

	*size = 0;
	if (n < 8)
		return -1;
	*size = (size_t)out[2] << 8 | out[3];
	assert_in_range(*size, 8, n);
	written(out, *size);
	memcpy(m, out, *size < 256 ? *size : 256);
	of_conn_sent(c, *size);
	return m[1];
}

static inline int hear_type(struct of_conn *c)
{
	uint8_t m[256];
	size_t size;

	return hear(c, m, &size);
}

// One that has said hello.
static inline struct of_conn *greeted(const struct of_conn_params *p)
{
	struct of_conn *c = open_as(p);

	assert_int_equal(hear_type(c), OF13_TYPE_HELLO);
	assert_true(say(c, OF13_TYPE_HELLO, NULL, 0) > 0);
	assert_int_equal(hear_type(c), -1);
	assert_int_equal(of_conn_version(c), 4);
	return c;
}

static inline struct of_conn *controller(void)
{
	return greeted(&(struct of_conn_params){ .name = "c", .probe_s = 5 });
}

static inline void hear_error(struct of_conn *c, uint16_t type, uint16_t code)
{
	uint8_t m[256];
	size_t size;

	assert_int_equal(hear(c, m, &size), OF13_TYPE_ERROR);
	assert_int_equal(m[8] << 8 | m[9], type);
	assert_int_equal(m[10] << 8 | m[11], code);
}

#endif
