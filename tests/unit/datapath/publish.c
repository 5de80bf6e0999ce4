// Configuration changes under load, with a real worker thread: ports come, change and go while
// frames flow to and through them. At the end every frame is accounted for and every buffer is
// back. Run it under the thread sanitizer to look for races.
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "../unit.h"
#include "dp_switch.h"

struct link {
	struct rte_mempool *pool;
	uint8_t mac; // last byte of the sender's MAC
	uint32_t n;
};

static _Atomic int links_alive;

static int t_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct link *l = calloc(1, sizeof(*l));

	(void)err;
	l->pool = p->pool;
	l->mac = (uint8_t)p->args[0];
	atomic_fetch_add(&links_alive, 1);
	*out = l;
	return 0;
}

static void t_destroy(void *link)
{
	free(link);
	atomic_fetch_sub(&links_alive, 1);
}

static uint32_t t_zero(void *link)
{
	(void)link;
	return 0;
}

static bool t_up(void *link)
{
	(void)link;
	return true;
}

// Broadcasts and frames to each of the ports, by turns.
static uint16_t t_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct link *l = link;
	uint16_t i;

	(void)q;
	for (i = 0; i < n && i < 8; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool);
		uint8_t *p;

		if (m == NULL)
			break;
		p = (uint8_t *)rte_pktmbuf_append(m, 60);
		if (p == NULL)
			abort();
		memset(p, 0, 60);
		p[0] = p[6] = 2;
		p[5] = (uint8_t)('a' + l->n++ % 3);
		if (l->n % 16 == 0)
			memset(p, 0xff, 6);
		p[11] = l->mac;
		p[12] = 0x88;
		p[13] = 0xb5;
		dp_meta(m)->flags = 0;
		dp_meta(m)->tso_segsz = 0;
		pkts[i] = m;
	}
	return i;
}

// Takes a little less than it gets, so that queues stand.
static uint16_t t_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t take = n > 24 ? 24 : n;

	(void)link;
	rte_pktmbuf_free_bulk(pkts, take);
	return take;
}

static void t_status(void *link, struct dp_link_status *out)
{
	(void)link;
	memset(out, 0, sizeof(*out));
	out->up = out->attached = true;
	out->n_rxq = out->n_txq = 1;
}

static void t_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

static const struct dp_link_driver driver = { "t",  t_create, t_destroy, t_zero,   t_rx,
					      t_tx, t_zero,   t_up,	 t_status, t_stats };

static void change(struct dp_switch *sw, const char *set, const char *del, uint16_t vid)
{
	struct dp_prepared *prep;
	struct weir_err err;
	struct dp_plan plan;

	dp_plan_init(&plan);
	for (; *set != '\0'; set++) {
		struct dp_act_port_set a = { .h = { DP_ACT_PORT_SET, sizeof(a) } };

		a.p = (struct dp_port_params){ .name = { *set },
					       .driver = "t",
					       .args = { *set },
					       .mtu = 1500,
					       .n_queues = 1,
					       .role = DP_ROLE_HOST,
					       .vid = vid };
		assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	}
	for (; *del != '\0'; del++) {
		struct dp_act_port_del a = { .h = { DP_ACT_PORT_DEL, sizeof(a) },
					     .name = { *del } };

		assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	}
	if (dp_switch_prepare(sw, &plan, &prep, &err) < 0)
		fail_msg("%s", err.text);
	dp_switch_commit(sw, prep);
	dp_plan_fini(&plan);
}

static void settle(struct dp_switch *sw)
{
	const struct timespec nap = { .tv_nsec = 100000 };

	nanosleep(&nap, NULL);
	dp_switch_housekeep(sw, dp_switch_now_ns());
}

static void changes_under_load_lose_no_account(uint32_t n_workers)
{
	const struct dp_switch_params p = { .n_workers = n_workers,
					    .worker_lcores = { 1, 2 },
					    .n_mbufs = 8191,
					    .n_mbufs_large = 32,
					    .mac_limit = 1024,
					    .queue_len = 64 };
	struct dp_port_totals gone;
	struct dp_switch *sw;
	struct weir_err err;

	assert_int_equal(dp_switch_create(&p, &sw, &err), 0);
	dp_switch_add_driver(sw, &driver);
	change(sw, "ab", "", 1);
	assert_int_equal(dp_switch_start(sw, &err), 0);
	for (uint32_t i = 0; i < 300; i++) {
		change(sw, "c", "", 1);
		settle(sw);
		change(sw, "abc", "", i % 2 == 0 ? 1 : 2);
		settle(sw);
		change(sw, "", "c", 1);
		settle(sw);
	}
	change(sw, "", "ab", 1);
	for (int i = 0; i < 1000 && atomic_load(&links_alive) > 0; i++)
		settle(sw);
	assert_int_equal(atomic_load(&links_alive), 0);
	dp_switch_stop(sw);
	dp_switch_retired_totals(sw, &gone);
	assert_true(gone.c[DP_PC_rx_pkts] > 1000);
	if (!dp_switch_conserved(sw, &err))
		fail_msg("%s", err.text);
	if (n_workers == 1)
		assert_int_equal(dp_switch_mbufs_in_use(sw), 0);
	dp_switch_destroy(sw);
}

static void one_worker(void **state)
{
	(void)state;
	changes_under_load_lose_no_account(1);
}

static void two_workers(void **state)
{
	(void)state;
	changes_under_load_lose_no_account(2);
}

int main(void)
{
	const char *argv[] = { "unit",	      "--no-huge",	    "--no-shconf",    "-m",
			       "256",	      "--no-pci",	    "--no-telemetry", "--lcores",
			       "(0-2)@(0,1)", "--log-level=*:error" };
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_worker),
					    cmocka_unit_test(two_workers) };

	argv[8] = "0@(0,1),1@(0,1),2@(0,1)";
	if (rte_eal_init(10, (char **)(uintptr_t)argv) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
