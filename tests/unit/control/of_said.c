// All that the agent says, on the datapath itself: in both versions each byte of it was written,
// which valgrind looks at (tests/smoke/no_uninit.sh). So are the bytes of frames in packet-ins,
// though buffers are full of what was there before.
#include "of_rig.h"

#include <rte_mempool.h>

#include "of_build.h"
#include "of_conn_priv.h"
#include "of_script.h"
#include "written.h"

static struct of_agent *agent;
static uint32_t heard[256]; // messages by type

static void begin(void)
{
	struct of_agent_params p = { .max_flows = 1000, .max_groups = 64, .max_meters = 64 };
	struct weir_err err;

	of_make("abc", 1, DP_VLAN_ACCESS);
	p.sw = sw;
	p.of = of;
	memset(heard, 0, sizeof(heard));
	assert_int_equal(of_agent_create(&p, &agent, &err), 0);
}

static void hear(struct of_conn *c)
{
	size_t size, at = 0;
	const uint8_t *p = of_conn_output(c, &size);

	written(p, size);
	for (; at < size; at += of_be16(p + at + 2))
		heard[p[at + 1]]++;
	assert_int_equal(at, size);
	of_conn_sent(c, size);
}

static struct of_conn *conn_open(uint8_t version)
{
	const struct of_conn_params p = { .name = "test", .allow_14 = version == 5, .probe_s = 1 };
	const struct of13_hello hello = { .version = version, .xid = 1 };
	struct of_buf b = { 0 };
	struct of_conn *c;

	assert_int_equal(of_conn_open(agent, &p, now_ns, &c), 0);
	of13_hello_put(&b, &hello);
	assert_int_equal(of_conn_input(c, b.data, b.size, now_ns), b.size);
	assert_int_equal(of_conn_version(c), version);
	of_buf_fini(&b);
	hear(c);
	return c;
}

static void settle(struct of_conn *c)
{
	for (uint32_t i = 0; i < 2; i++) {
		mem_turns(1000, 1000);
		dp_switch_housekeep(sw, now_ns);
		of_agent_tick(agent, now_ns);
		hear(c);
	}
}

static void say(struct of_conn *c, const uint8_t *msg, size_t size)
{
	uint8_t *copy = exact_copy(msg, size); // errors tell it again

	copy[0] = of_conn_version(c);
	assert_int_equal(of_conn_input(c, copy, size, now_ns), size);
	free(copy);
	settle(c);
}

static void say_hex(struct of_conn *c, const char *text)
{
	static struct hex h;

	hex_list(&h, text);
	say(c, h.b, h.n);
}

// What cannot be in 1.4 is answered by an error, which is said, too.
static void converse(uint8_t version)
{
	struct of_conn *c = conn_open(version);

	for (uint32_t i = 1; i < OF_N_SCRIPT; i++)
		say_hex(c, of_script[i]);
	now_ns += 2 * S; // an echo request
	settle(c);
	of_conn_close(c);
}

static void all_answers_were_written(void **state)
{
	static const uint8_t types[] = {
		OF13_TYPE_ERROR,	OF13_TYPE_ECHO_REQUEST,	   OF13_TYPE_ECHO_REPLY,
		OF13_TYPE_EXPERIMENTER, OF13_TYPE_FEATURES_REPLY,  OF13_TYPE_GET_CONFIG_REPLY,
		OF13_TYPE_FLOW_REMOVED, OF13_TYPE_MULTIPART_REPLY, OF13_TYPE_BARRIER_REPLY,
		OF13_TYPE_ROLE_REPLY,	OF13_TYPE_GET_ASYNC_REPLY, OF13_TYPE_HELLO,
	};

	(void)state;
	begin();
	converse(4);
	converse(5);
	for (size_t i = 0; i < sizeof(types); i++) {
		if (heard[types[i]] == 0)
			fail_msg("no message %u", types[i]);
	}
	of_agent_destroy(agent);
	of_end();
}

static void forget_data(struct rte_mempool *pool, void *arg, void *obj, unsigned i)
{
	struct rte_mbuf *m = obj;

	(void)pool;
	(void)arg;
	(void)i;
	written_forget(m->buf_addr, m->buf_len);
}

static void forget_pool(struct rte_mempool *pool, void *arg)
{
	if (pool->elt_size >= sizeof(struct rte_mbuf) + RTE_MBUF_DEFAULT_BUF_SIZE)
		rte_mempool_obj_iter(pool, forget_data, arg);
}

static void frame_put(uint32_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(links[0]->pool);
	uint8_t *p;

	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)size);
	assert_non_null(p);
	memset(p, 0, size);
	mem_head_fill(links[0], p, size);
	mem_put(links[0], m);
}

static void all_of_a_packet_in_was_written(void **state)
{
	// To the controller, 40 bytes of each frame or all of it.
	static const char *const flows[] = {
		"040e 0050 00000001 0000000000000001 0000000000000000 00 00 0000 0000 0001 "
		"ffffffff ffffffff ffffffff 0001 0000 0001 0004 00000000 "
		"0004 0018 00000000 0000 0010 fffffffd 0028 000000000000",
		"040e 0050 00000001 0000000000000001 0000000000000000 00 00 0000 0000 0001 "
		"ffffffff ffffffff ffffffff 0001 0000 0001 0004 00000000 "
		"0004 0018 00000000 0000 0010 fffffffd ffff 000000000000",
	};

	(void)state;
	begin();
	rte_mempool_walk(forget_pool, NULL);
	for (uint8_t version = 4; version <= 5; version++) {
		struct of_conn *c = conn_open(version);

		for (uint32_t i = 0; i < 2; i++) {
			say_hex(c, flows[i]);
			frame_put(60);
			frame_put(97);
			frame_put(1514);
			settle(c);
		}
		of_conn_close(c);
	}
	assert_int_equal(heard[OF13_TYPE_PACKET_IN], 12);
	of_agent_destroy(agent);
	of_end();
}

// What one controller does and others hear.
static void all_that_others_hear_was_written(void **state)
{
	struct of_conn *one, *two;

	(void)state;
	begin();
	one = conn_open(5);
	two = conn_open(4);
	say_hex(one, "0418 0018 00000001 00000002 00000000 0000000000000001"); // master
	say_hex(two, "0418 0018 00000001 00000002 00000000 0000000000000002");
	hear(one);
	assert_int_equal(heard[OF13_TYPE_ROLE_STATUS], 1);
	dp_of_port_config(of, 2, DP_OFPPC_NO_FWD);
	now_ns += S;
	settle(one);
	hear(two);
	assert_int_equal(heard[OF13_TYPE_PORT_STATUS], 2);
	of_conn_close(one);
	of_conn_close(two);
	of_agent_destroy(agent);
	of_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_answers_were_written),
		cmocka_unit_test(all_of_a_packet_in_was_written),
		cmocka_unit_test(all_that_others_hear_was_written),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
