// What the main thread sees of QoS: real worker turns, simulated time, links in memory.
#include "../unit.h"
#include "mem_switch.h"

#include <sys/mman.h>
#include <unistd.h>

#include "dp_qos_info.h"

enum { A, B, UP };

static struct dp_qos_queues q, sum;

// Guests a and b of VMs va and vb, and an uplink with a rate; va has a policy.
static void make(uint32_t n_workers, uint64_t rate_bits_per_s)
{
	struct dp_act_vm_set vm = { .h = { DP_ACT_VM_SET, sizeof(vm) }, .p.name = "va" };
	struct dp_act_port_set a = { .h = { DP_ACT_PORT_SET, sizeof(a) } };
	struct dp_prepared *prep;
	struct dp_port_info info;
	struct weir_err err;
	struct dp_plan plan;

	mem_ports_make("abc", n_workers, 0, DP_VLAN_ACCESS);
	dp_plan_init(&plan);
	vm.p.total = (struct qos_node_params){ .shares = 3, .reservation_bits_per_s = 2000000 };
	for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
		vm.p.leaf[c].shares = 1 + c;
	vm.p.from_bits_per_s = 50000000;
	vm.p.to_bits_per_s = 60000000;
	assert_int_equal(dp_plan_add(&plan, &vm.h), 0);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(dp_switch_port_info(sw, i, &info), 0);
		a.p = info.cfg;
		if (i == UP)
			a.p.rate_bits_per_s = rate_bits_per_s;
		else
			snprintf(a.p.vm, sizeof(a.p.vm), "v%c", "ab"[i]);
		assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	}
	if (dp_switch_prepare(sw, &plan, &prep, &err) < 0)
		fail_msg("%s", err.text);
	dp_switch_commit(sw, prep);
	dp_plan_fini(&plan);
}

static uint16_t vm_of(const char *name)
{
	int idx = dp_switch_vm_find(sw, name);

	assert_true(idx > 0);
	return (uint16_t)idx;
}

static void sum_is_of(const char *const *names, uint32_t n)
{
	struct qos_leaf_stats want = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		const struct qos_leaf_stats *l = &q.leaf[QOS_CLASS_BULK];

		assert_int_equal(dp_switch_qos_queues(sw, UP, vm_of(names[i]), &q), 0);
		want.sent_pkts += l->sent_pkts;
		want.sent_bytes += l->sent_bytes;
		want.reserved_bytes += l->reserved_bytes;
		want.queued_pkts_now += l->queued_pkts_now;
		want.refused_bytes_pkts += l->refused_bytes_pkts;
		want.waits[QOS_SCHED_WAITS - 1] += l->waits[QOS_SCHED_WAITS - 1];
		want.last_wait_ns = RTE_MAX(want.last_wait_ns, l->last_wait_ns);
	}
	assert_int_equal(dp_switch_qos_sum(sw, UP, &sum), 0);
	assert_int_equal(sum.leaf[QOS_CLASS_BULK].sent_pkts, want.sent_pkts);
	assert_int_equal(sum.leaf[QOS_CLASS_BULK].sent_bytes, want.sent_bytes);
	assert_int_equal(sum.leaf[QOS_CLASS_BULK].reserved_bytes, want.reserved_bytes);
	assert_int_equal(sum.leaf[QOS_CLASS_BULK].queued_pkts_now, want.queued_pkts_now);
	assert_int_equal(sum.leaf[QOS_CLASS_BULK].refused_bytes_pkts, want.refused_bytes_pkts);
	assert_int_equal(sum.leaf[QOS_CLASS_BULK].waits[QOS_SCHED_WAITS - 1],
			 want.waits[QOS_SCHED_WAITS - 1]);
	assert_int_equal(sum.leaf[QOS_CLASS_BULK].last_wait_ns, want.last_wait_ns);
	assert_true(want.queued_pkts_now > 0 && want.reserved_bytes > 0);
}

static void a_link_had_what_its_vms_had(void **state)
{
	static const char *const names[] = { "va", "vb" };

	(void)state;
	for (uint32_t n_workers = 1; n_workers <= 2; n_workers++) {
		make(n_workers, 30000000);
		links[A]->left = links[B]->left = 4000;
		mem_turns(50 * MS, 100000);
		sum_is_of(names, 2);
		// 1514 + the VLAN's tag + 24: each frame that the far end took, and the few
		// that are the driver's next.
		assert_int_equal(sum.leaf[QOS_CLASS_BULK].sent_bytes,
				 sum.leaf[QOS_CLASS_BULK].sent_pkts * 1542);
		assert_true(sum.leaf[QOS_CLASS_BULK].sent_pkts - links[UP]->taken <= DP_READY);
		mem_turns(20 * S, 1 * MS);
		mem_ports_end();
	}
}

static void a_sender_that_is_held_back_is_seen_so(void **state)
{
	struct dp_qos_sender s;

	(void)state;
	make(1, 0);
	links[A]->left = links[B]->left = UINT64_MAX;
	mem_turns(10 * MS, 10000);
	assert_int_equal(dp_switch_qos_sender(sw, A, &s), 0);
	assert_int_equal(s.held_ns, mem_counter(A, DP_PC_rx_held_ns));
	assert_true(s.held_now && s.held_ns > 5 * MS && s.red_pkts == 0);
	assert_int_equal(dp_switch_qos_sender(sw, B, &s), 0);
	assert_true(!s.held_now && s.held_ns == 0);
	assert_int_equal(dp_switch_qos_sender(sw, UP + 1, &s), -ENOENT);
	links[A]->left = links[B]->left = 0;
	mem_turns(10 * S, 1 * MS);
	assert_int_equal(dp_switch_qos_sender(sw, A, &s), 0);
	assert_false(s.held_now);
	mem_ports_end();
}

static void a_guest_that_went_while_it_was_held_back_is_not_held_back(void **state)
{
	struct dp_qos_sender s;

	(void)state;
	make(1, 0);
	links[A]->left = UINT64_MAX;
	mem_turns(10 * MS, 10000);
	assert_int_equal(dp_switch_qos_sender(sw, A, &s), 0);
	assert_true(s.held_now);
	links[A]->n_rxq = 0;
	atomic_fetch_add(&sw->links_changed, 1);
	dp_switch_housekeep(sw, now_ns);
	mem_turns(200 * MS, 1 * MS);
	assert_int_equal(dp_switch_qos_sender(sw, A, &s), 0);
	assert_false(s.held_now);
	mem_ports_end();
}

static uint32_t pages_in_use(const struct dp_port *p)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (p->sched_bytes + page - 1) / page;
	unsigned char *in = calloc(n, 1);
	uint32_t used = 0;

	assert_non_null(in);
	assert_int_equal(mincore(p->sched_mem, p->sched_bytes, in), 0);
	for (size_t i = 0; i < n; i++)
		used += in[i] & 1;
	free(in);
	return used;
}

static void looking_touches_no_memory_of_queues_that_were_never_used(void **state)
{
	const struct dp_port *up;
	uint32_t before;

	(void)state;
	make(1, 0);
	up = dp_root(sw)->views[UP]->port;
	links[A]->left = 10;
	mem_turns(10 * MS, 100000);
	before = pages_in_use(up);
	for (uint32_t vm = 0; vm < DP_QOS_VMS; vm++) {
		int rc = dp_switch_qos_queues(sw, UP, (uint16_t)vm, &q);

		assert_int_equal(rc, vm == 0 || vm == vm_of("va") ? 0 : -ENOENT);
	}
	assert_int_equal(dp_switch_qos_queues(sw, UP, UINT16_MAX, &q), -ENOENT);
	assert_int_equal(dp_switch_qos_sum(sw, UP, &q), 0);
	assert_int_equal(q.leaf[QOS_CLASS_BULK].sent_pkts, 10);
	assert_int_equal(pages_in_use(up), before);
	mem_ports_end();
}

static void a_guest_has_its_own_queues_only(void **state)
{
	struct dp_qos_link l;

	(void)state;
	make(1, 0);
	assert_int_equal(dp_switch_qos_queues(sw, A, vm_of("va"), &q), 0);
	assert_int_equal(dp_switch_qos_queues(sw, A, vm_of("vb"), &q), -ENOENT);
	assert_int_equal(dp_switch_qos_queues(sw, A, 0, &q), -ENOENT);
	assert_int_equal(dp_switch_qos_link(sw, A, &l), 0);
	assert_int_equal(l.vm_idx, vm_of("va"));
	assert_int_equal(dp_switch_qos_link(sw, UP, &l), 0);
	assert_int_equal(l.vm_idx, 0);
	assert_int_equal(dp_switch_qos_link(sw, DP_MAX_PORTS, &l), -ENOENT);
	assert_int_equal(dp_switch_vm_find(sw, "vc"), -ENOENT);
	assert_int_equal(dp_switch_vm(sw, vm_of("va"))->from_bits_per_s, 50000000);
	assert_null(dp_switch_vm(sw, 0));
	assert_null(dp_switch_vm(sw, UINT16_MAX));
	mem_ports_end();
}

static void explain_says_what_the_scheduler_is_told(void **state)
{
	static struct dp_verdict v;
	struct dp_qos_verdict out;
	struct mem_link frame = { .size = 100 };
	uint8_t head[MEM_HEAD * 2] = { 0 };

	(void)state;
	make(1, 1000000000);
	mem_head_fill(&frame, head, 0);
	assert_int_equal(dp_switch_explain(sw, A, head, 100, &v), 0);
	assert_int_equal(v.vm_idx, vm_of("va"));
	assert_int_equal(dp_switch_explain_link(sw, &v, UP, &out), 0);
	assert_int_equal(out.vm_idx, v.vm_idx);
	assert_int_equal(out.vm.shares, 3);
	assert_int_equal(out.vm.reservation_bits_per_s, 2000000);
	assert_int_equal(out.leaf.shares, 1 + v.cls);
	assert_true(out.marked && out.tagged && out.passes);
	assert_int_equal(out.pcp, dp_switch_qos_classes(sw)[v.cls].pcp);
	assert_int_equal(out.dscp, DP_DSCP_KEEP);
	// Towards the guest: its limit, and no shares among others.
	assert_int_equal(dp_switch_explain_link(sw, &v, A, &out), 0);
	assert_int_equal(out.vm.limit_bits_per_s, 60000000);
	assert_int_equal(out.vm.reservation_bits_per_s, 0);
	assert_int_equal(out.vm.shares, 1);
	assert_true(!out.marked && !out.tagged);
	assert_int_equal(dp_switch_explain_link(sw, &v, UP + 1, &out), -ENOENT);
	// From the uplink: nobody's.
	assert_int_equal(dp_switch_explain(sw, UP, head, 100, &v), 0);
	assert_int_equal(v.vm_idx, 0);
	mem_ports_end();
}

static void explain_sees_what_stands(void **state)
{
	static struct dp_verdict v;
	struct dp_qos_verdict out;

	(void)state;
	make(1, 1000000);
	links[B]->left = 100;
	mem_turns(10 * MS, 100000);
	v = (struct dp_verdict){ .cls = QOS_CLASS_BULK, .vm_idx = vm_of("va") };
	assert_int_equal(dp_switch_explain_link(sw, &v, UP, &out), 0);
	assert_false(out.passes);
	mem_turns(20 * S, 1 * MS);
	assert_int_equal(dp_switch_explain_link(sw, &v, UP, &out), 0);
	assert_true(out.passes);
	mem_ports_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_had_what_its_vms_had),
		cmocka_unit_test(a_sender_that_is_held_back_is_seen_so),
		cmocka_unit_test(a_guest_that_went_while_it_was_held_back_is_not_held_back),
		cmocka_unit_test(looking_touches_no_memory_of_queues_that_were_never_used),
		cmocka_unit_test(a_guest_has_its_own_queues_only),
		cmocka_unit_test(explain_says_what_the_scheduler_is_told),
		cmocka_unit_test(explain_sees_what_stands),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
