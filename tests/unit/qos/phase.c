// Phases and the window. tests/unit/qos/phase_model.c holds them against a model.
#include <errno.h>

#include "../unit.h"
#include "qos_phase.h"

#define S 1000000000ull
#define MIB (1ull << 20)

static const struct qos_phase_params defaults = {
	.n_vms = 8,
	.window = 2,
	.deadline_ns = 120 * S,
	.max_ns = 300 * S,
	.max_bytes = 512 * MIB,
	.quiet_ns = 10 * S,
	.quiet_bytes = 4 * MIB,
};

static struct qos_phases *p;
static struct qos_phase_change changes[4096];
static uint32_t n_changes;

static void changed(void *ctx, const struct qos_phase_change *c)
{
	assert_ptr_equal(ctx, changes);
	assert_non_null(c->why);
	assert_true(n_changes < sizeof(changes) / sizeof(changes[0]));
	changes[n_changes++] = *c;
}

static void begin_with(const struct qos_phase_params *params)
{
	n_changes = 0;
	assert_int_equal(qos_phases_create(params, changed, changes, &p), 0);
}

static void begin(void)
{
	begin_with(&defaults);
}

static void end(void)
{
	qos_phases_destroy(p);
}

static struct qos_phase_state state_of(uint16_t vm)
{
	struct qos_phase_state st;

	qos_phases_state(p, vm, &st);
	return st;
}

static struct qos_phase_counts counts(void)
{
	struct qos_phase_counts c;

	qos_phases_counts(p, &c);
	return c;
}

// Bring a machine that is new into a phase.
static void bring(uint16_t vm, enum qos_phase to, uint64_t ns)
{
	static const enum qos_edge by[QOS_N_PHASES] = {
		[QOS_PHASE_BOOT_FW] = QOS_EDGE_DHCP_FW,
		[QOS_PHASE_BOOT_OS] = QOS_EDGE_DHCP_OS,
		[QOS_PHASE_STEADY] = QOS_EDGE_COMPLETE,
	};

	if (to != QOS_PHASE_NEW)
		qos_phases_edge(p, vm, by[to], ns);
	assert_int_equal(state_of(vm).phase, to);
}

static const char *const edge_names[QOS_N_EDGES] = { "attach",	 "detach",  "reset",
						     "dhcp fw",	 "dhcp os", "login fw",
						     "login os", "begin",   "complete" };

#define N QOS_PHASE_NEW
#define F QOS_PHASE_BOOT_FW
#define O QOS_PHASE_BOOT_OS
#define Y QOS_PHASE_STEADY

// Where each edge leads from each phase, and whether a boot begins.
static const struct {
	enum qos_edge edge;
	enum qos_phase to[QOS_N_PHASES];
	bool begins[QOS_N_PHASES];
} edges[] = {
	{ QOS_EDGE_ATTACH, { N, N, N, N }, { 0 } },
	{ QOS_EDGE_DETACH, { N, N, N, N }, { 0 } },
	{ QOS_EDGE_RESET, { N, N, N, N }, { 0 } },
	{ QOS_EDGE_DHCP_FW, { F, F, O, Y }, { true } },
	{ QOS_EDGE_DHCP_OS, { O, O, O, Y }, { true } },
	{ QOS_EDGE_LOGIN_FW, { F, F, O, Y }, { true } },
	{ QOS_EDGE_LOGIN_OS, { O, O, O, Y }, { true } },
	{ QOS_EDGE_BEGIN, { F, F, F, F }, { true, true, true, true } },
	{ QOS_EDGE_COMPLETE, { Y, Y, Y, Y }, { 0 } },
};

static void check_edge(uint32_t i, enum qos_phase from)
{
	enum qos_phase to = edges[i].to[from];
	bool booted = from == F || from == O, will_boot = to == F || to == O;
	bool changes_now = to != from || edges[i].begins[from];
	struct qos_phase_state st;

	begin();
	bring(3, from, 10 * S);
	n_changes = 0;
	qos_phases_edge(p, 3, edges[i].edge, 20 * S);
	st = state_of(3);
	if (st.phase != to)
		fail_msg("%s: %s leads to %s, not to %s", edge_names[edges[i].edge],
			 qos_phase_name(from), qos_phase_name(st.phase), qos_phase_name(to));
	assert_int_equal(n_changes, changes_now);
	assert_int_equal(st.since_ns, changes_now ? 20 * S : from == N ? 0 : 10 * S);
	assert_int_equal(st.in_window, will_boot);
	assert_int_equal(st.deadline_ns, !will_boot ? 0 : (edges[i].begins[from] ? 140 : 130) * S);
	assert_int_equal(counts().boots, booted + edges[i].begins[from]);
	assert_int_equal(counts().in_time, booted && to == Y);
	assert_int_equal(st.met, booted && to == Y);
	assert_int_equal(counts().booting, will_boot);
	if (changes_now) {
		assert_int_equal(changes[0].vm_idx, 3);
		assert_int_equal(changes[0].from, from);
		assert_int_equal(changes[0].to, to);
		assert_int_equal(changes[0].ns, 20 * S);
		assert_int_equal(changes[0].deadline_ns, st.deadline_ns);
	}
	end();
}

static void every_edge_in_every_phase_leads_where_it_should(void **state)
{
	(void)state;
	assert_int_equal(sizeof(edges) / sizeof(edges[0]), QOS_N_EDGES);
	for (uint32_t i = 0; i < QOS_N_EDGES; i++)
		for (enum qos_phase from = N; from <= Y; from++)
			check_edge(i, from);
}

static void a_whole_boot_is_told_step_by_step(void **state)
{
	static const char *const whys[] = { "DHCP of a boot ROM",
					    "storage login of an operating system",
					    "its storage is quiet" };

	(void)state;
	begin();
	qos_phases_edge(p, 1, QOS_EDGE_ATTACH, S);
	assert_int_equal(n_changes, 0); // it may boot now, and has not begun to
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_FW, 2 * S);
	qos_phases_edge(p, 1, QOS_EDGE_LOGIN_FW, 3 * S);
	qos_phases_bytes(p, 1, 1000 * MIB, 3 * S);
	qos_phases_bytes(p, 1, 1030 * MIB, 8 * S);
	qos_phases_edge(p, 1, QOS_EDGE_LOGIN_OS, 9 * S);
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_OS, 10 * S);
	qos_phases_bytes(p, 1, 1100 * MIB, 15 * S);
	qos_phases_tick(p, 15 * S);
	qos_phases_bytes(p, 1, 1103 * MIB, 24 * S);
	qos_phases_tick(p, 24 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_OS);
	assert_int_equal(state_of(1).bytes, 103 * MIB);
	qos_phases_tick(p, 25 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_OS); // nothing is known of this second
	qos_phases_bytes(p, 1, 1103 * MIB, 25 * S);
	qos_phases_tick(p, 25 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_STEADY);
	assert_true(state_of(1).met);
	assert_int_equal(state_of(1).boot_ns, 2 * S);
	assert_int_equal(n_changes, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_string_equal(changes[i].why, whys[i]);
	assert_int_equal(changes[0].deadline_ns, 122 * S);
	assert_int_equal(changes[1].deadline_ns, 122 * S);
	assert_int_equal(changes[2].deadline_ns, 0);
	end();
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint64_t value;
	} bad[] = {
		{ offsetof(struct qos_phase_params, n_vms), 0 },
		{ offsetof(struct qos_phase_params, n_vms), 65537 },
		{ offsetof(struct qos_phase_params, window), 0 },
		{ offsetof(struct qos_phase_params, window), 65 },
	};
	struct qos_phase_params params;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		params = defaults;
		memcpy((char *)&params + bad[i].at, &(uint32_t){ (uint32_t)bad[i].value }, 4);
		assert_int_equal(qos_phases_create(&params, changed, changes, &p), -EINVAL);
	}
	params = defaults;
	params.deadline_ns = 0;
	assert_int_equal(qos_phases_create(&params, changed, changes, &p), -EINVAL);
	params = defaults;
	params.max_ns = 0;
	assert_int_equal(qos_phases_create(&params, changed, changes, &p), -EINVAL);
	params = defaults;
	params.max_bytes = 0;
	assert_int_equal(qos_phases_create(&params, changed, changes, &p), -EINVAL);
	qos_phases_destroy(NULL);
	begin();
	params.window = 1; // and max_bytes 0: all or nothing
	qos_phases_set(p, &params, S);
	for (uint16_t vm = 1; vm < 4; vm++)
		qos_phases_edge(p, vm, QOS_EDGE_DHCP_FW, S);
	assert_int_equal(counts().in_window, 2);
	end();
}

// Index 0, and those beyond the table, are nobody's.
static void nobody_does_not_boot(void **state)
{
	static const uint16_t nobody[] = { 0, 8, 9, UINT16_MAX };

	(void)state;
	begin();
	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t e = 0; e < QOS_N_EDGES + 2u; e++)
			qos_phases_edge(p, nobody[i], (enum qos_edge)e, S);
		qos_phases_bytes(p, nobody[i], 1000 * MIB, S);
		qos_phases_forget(p, nobody[i], S);
		assert_int_equal(state_of(nobody[i]).phase, QOS_PHASE_NEW);
		assert_int_equal(state_of(nobody[i]).place, 0);
	}
	qos_phases_edge(p, 1, (enum qos_edge)QOS_N_EDGES, S);
	qos_phases_edge(p, 1, (enum qos_edge) - 1, S);
	assert_int_equal(n_changes, 0);
	assert_string_equal(qos_phase_name((enum qos_phase)77), "unknown");
	assert_string_equal(qos_phase_name(QOS_PHASE_BOOT_FW), "boot-firmware");
	end();
}

// What a guest can do by itself, again and again, once it is steady.
static void a_guest_that_repeats_itself_gains_nothing_after_steady(void **state)
{
	static const enum qos_edge guest[] = { QOS_EDGE_DHCP_FW, QOS_EDGE_DHCP_OS,
					       QOS_EDGE_LOGIN_FW, QOS_EDGE_LOGIN_OS };

	(void)state;
	begin();
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_FW, S);
	qos_phases_edge(p, 1, QOS_EDGE_COMPLETE, 2 * S);
	n_changes = 0;
	for (uint64_t i = 0; i < 10000; i++) {
		qos_phases_edge(p, 1, guest[i % 4], (3 + i) * S);
		qos_phases_bytes(p, 1, i * MIB, (3 + i) * S);
		qos_phases_tick(p, (3 + i) * S);
		assert_int_equal(state_of(1).deadline_ns, 0);
	}
	assert_int_equal(n_changes, 0);
	assert_int_equal(counts().boots, 1);
	end();
}

// While it boots, none of that moves its deadline, its caps or its place.
static void a_guest_cannot_prolong_its_boot(void **state)
{
	(void)state;
	begin();
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_FW, S);
	for (uint64_t s = 2; s <= 300; s++) {
		qos_phases_edge(p, 1, s % 2 != 0 ? QOS_EDGE_DHCP_FW : QOS_EDGE_LOGIN_FW, s * S);
		qos_phases_tick(p, s * S);
		assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_FW);
		assert_int_equal(state_of(1).deadline_ns, s < 121 ? 121 * S : 1);
	}
	qos_phases_tick(p, 301 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_STEADY);
	assert_false(state_of(1).met);
	assert_int_equal(counts().timed_out, 1);
	assert_int_equal(counts().in_time + counts().late, 0);
	end();
}

static void a_boot_ends_at_its_most_bytes(void **state)
{
	(void)state;
	begin();
	qos_phases_bytes(p, 1, 7 * MIB, S);
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_OS, S); // told at this very time: counts from there
	qos_phases_bytes(p, 1, 518 * MIB, 2 * S);
	assert_int_equal(state_of(1).bytes, 511 * MIB);
	assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_OS);
	qos_phases_bytes(p, 1, 519 * MIB, 3 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_STEADY);
	assert_int_equal(counts().over_bytes, 1);
	assert_int_equal(counts().in_window, 0);
	assert_false(state_of(1).met);
	end();
}

// An old total is not this boot's; one that falls was counted anew.
static void bytes_are_those_of_this_boot(void **state)
{
	(void)state;
	begin();
	qos_phases_bytes(p, 1, 5 * MIB, S);
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_FW, 2 * S);
	qos_phases_bytes(p, 1, 900 * MIB, 3 * S); // steady traffic of the time between
	assert_int_equal(state_of(1).bytes, 0);
	qos_phases_bytes(p, 1, 910 * MIB, 4 * S);
	assert_int_equal(state_of(1).bytes, 10 * MIB);
	qos_phases_bytes(p, 1, 3 * MIB, 5 * S);
	assert_int_equal(state_of(1).bytes, 10 * MIB);
	qos_phases_bytes(p, 1, 4 * MIB, 6 * S);
	assert_int_equal(state_of(1).bytes, 11 * MIB);
	qos_phases_edge(p, 1, QOS_EDGE_BEGIN, 7 * S);
	assert_int_equal(state_of(1).bytes, 0);
	qos_phases_bytes(p, 1, 0, 8 * S);
	qos_phases_bytes(p, 1, UINT64_MAX, 9 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_STEADY);
	end();
}

// A trickle below the rate is quiet; what reaches it is not.
static void quiet_is_a_rate(void **state)
{
	(void)state;
	for (uint64_t mib = 3; mib <= 5; mib++) {
		begin();
		qos_phases_bytes(p, 1, 0, S);
		qos_phases_edge(p, 1, QOS_EDGE_DHCP_OS, S);
		for (uint64_t i = 1; i <= 200; i++) {
			qos_phases_bytes(p, 1, i * mib * MIB / 10, (1 + i) * S);
			qos_phases_tick(p, (1 + i) * S);
		}
		// A tenth each second: 4 MiB in 10 s is what it takes.
		assert_int_equal(state_of(1).phase, mib < 4 ? QOS_PHASE_STEADY : QOS_PHASE_BOOT_OS);
		end();
	}
	// Of whom nothing is told, nothing is known, nor of the time before the first total.
	begin();
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_OS, S);
	qos_phases_tick(p, 200 * S);
	qos_phases_bytes(p, 1, 77 * MIB, 200 * S);
	qos_phases_tick(p, 210 * S - 1);
	assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_OS);
	qos_phases_bytes(p, 1, 77 * MIB, 210 * S);
	qos_phases_tick(p, 210 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_STEADY);
	end();
	// Never by quiet.
	begin_with(&(struct qos_phase_params){ 8, 2, S, 300 * S, MIB, 0, 0 });
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_OS, S);
	for (uint64_t s = 1; s <= 300; s++) {
		qos_phases_bytes(p, 1, 0, s * S);
		qos_phases_tick(p, s * S);
	}
	assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_OS);
	end();
}

// Its storage became quiet in time; that this is seen later makes it no late one.
static void a_boot_is_in_time_by_when_it_ended(void **state)
{
	(void)state;
	for (uint32_t late = 0; late < 2; late++) {
		uint64_t last = (119 + 2 * late) * S;

		begin();
		qos_phases_edge(p, 1, QOS_EDGE_DHCP_OS, 0);
		for (uint64_t s = 1; s * S <= last; s++) {
			qos_phases_bytes(p, 1, s * 4 * MIB, s * S);
			qos_phases_tick(p, s * S);
		}
		qos_phases_tick(p, 125 * S);
		assert_false(state_of(1).in_window);
		qos_phases_bytes(p, 1, last / S * 4 * MIB, last + 10 * S);
		qos_phases_tick(p, last + 10 * S);
		assert_int_equal(state_of(1).phase, QOS_PHASE_STEADY);
		assert_int_equal(state_of(1).met, late == 0);
		assert_int_equal(counts().late, late);
		assert_int_equal(counts().in_time, 1 - late);
		end();
	}
}

static void the_window_is_a_line_in_order_of_arrival(void **state)
{
	static const uint16_t order[] = { 5, 2, 7, 1, 4 };

	(void)state;
	begin();
	for (uint32_t i = 0; i < 5; i++)
		qos_phases_edge(p, order[i], QOS_EDGE_DHCP_FW, (1 + i) * S);
	assert_int_equal(counts().booting, 5);
	assert_int_equal(counts().waiting, 3);
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(state_of(order[i]).in_window, i < 2);
		assert_int_equal(state_of(order[i]).place, i < 2 ? 0 : i - 1);
		assert_int_equal(state_of(order[i]).deadline_ns, i < 2 ? (121 + i) * S : 1);
	}
	// One of the line goes away: those behind it move up. One that is waiting goes on booting.
	qos_phases_edge(p, 1, QOS_EDGE_DETACH, 7 * S);
	assert_int_equal(state_of(4).place, 2);
	qos_phases_edge(p, 7, QOS_EDGE_DHCP_OS, 8 * S);
	assert_int_equal(state_of(7).place, 1);
	n_changes = 0;
	qos_phases_edge(p, 5, QOS_EDGE_COMPLETE, 9 * S);
	assert_int_equal(n_changes, 2);
	assert_int_equal(changes[1].vm_idx, 7);
	assert_int_equal(changes[1].from, QOS_PHASE_BOOT_OS);
	assert_int_equal(changes[1].to, QOS_PHASE_BOOT_OS);
	assert_int_equal(changes[1].deadline_ns, 129 * S); // from when it entered
	assert_int_equal(state_of(4).place, 1);
	// Who begins anew stands at the end, and the next one has its place.
	qos_phases_edge(p, 2, QOS_EDGE_BEGIN, 10 * S);
	assert_true(state_of(4).in_window);
	assert_int_equal(state_of(2).place, 1);
	assert_int_equal(state_of(2).deadline_ns, 1);
	end();
}

static void a_deadline_that_passed_frees_its_place(void **state)
{
	(void)state;
	begin();
	for (uint16_t vm = 1; vm <= 3; vm++)
		qos_phases_edge(p, vm, QOS_EDGE_DHCP_FW, vm * S);
	qos_phases_tick(p, 121 * S - 1);
	assert_true(state_of(1).in_window);
	n_changes = 0;
	qos_phases_tick(p, 121 * S);
	assert_int_equal(n_changes, 2);
	assert_int_equal(changes[0].vm_idx, 1);
	assert_int_equal(changes[0].deadline_ns, 1);
	assert_int_equal(changes[1].vm_idx, 3);
	assert_int_equal(changes[1].deadline_ns, 241 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_FW);
	assert_int_equal(state_of(1).place, 0); // it does not stand in line again
	assert_int_equal(counts().booting, 3);
	assert_int_equal(counts().in_window, 2);
	qos_phases_edge(p, 1, QOS_EDGE_COMPLETE, 122 * S);
	assert_false(state_of(1).met);
	qos_phases_edge(p, 3, QOS_EDGE_COMPLETE, 122 * S);
	assert_true(state_of(3).met); // by its own deadline
	assert_int_equal(counts().late, 1);
	assert_int_equal(counts().in_time, 1);
	end();
}

// In the line, little comes: that is the line's doing. Nothing at all is quiet.
static void who_waits_is_not_quiet_because_it_gets_little(void **state)
{
	(void)state;
	begin();
	for (uint16_t vm = 1; vm <= 4; vm++)
		qos_phases_edge(p, vm, QOS_EDGE_DHCP_OS, 0);
	for (uint64_t s = 1; s <= 40; s++) {
		for (uint16_t vm = 1; vm <= 4; vm++)
			qos_phases_bytes(p, vm, vm == 4 ? 0 : s * (vm < 3 ? MIB : 20000), s * S);
		qos_phases_tick(p, s * S);
	}
	assert_int_equal(state_of(3).phase, QOS_PHASE_BOOT_OS);
	assert_int_equal(state_of(4).phase, QOS_PHASE_STEADY);
	// Once inside, it is judged like the others, from there.
	qos_phases_edge(p, 1, QOS_EDGE_COMPLETE, 40 * S);
	assert_true(state_of(3).in_window);
	qos_phases_bytes(p, 3, 41 * 20000, 50 * S - 1);
	qos_phases_tick(p, 50 * S - 1);
	assert_int_equal(state_of(3).phase, QOS_PHASE_BOOT_OS);
	qos_phases_bytes(p, 3, 41 * 20000, 50 * S);
	qos_phases_tick(p, 50 * S);
	assert_int_equal(state_of(3).phase, QOS_PHASE_STEADY);
	end();
}

static void a_smaller_window_lets_no_one_in_until_it_fits(void **state)
{
	struct qos_phase_params params = defaults;

	(void)state;
	params.window = 4;
	begin_with(&params);
	for (uint16_t vm = 1; vm <= 7; vm++)
		qos_phases_edge(p, vm, QOS_EDGE_DHCP_FW, vm * S);
	params.window = 2;
	params.n_vms = 3; // stays
	qos_phases_set(p, &params, 10 * S);
	assert_int_equal(counts().in_window, 4); // nobody loses its deadline
	qos_phases_edge(p, 1, QOS_EDGE_COMPLETE, 11 * S);
	qos_phases_edge(p, 2, QOS_EDGE_COMPLETE, 11 * S);
	assert_int_equal(counts().in_window, 2);
	assert_int_equal(counts().waiting, 3);
	qos_phases_edge(p, 3, QOS_EDGE_COMPLETE, 12 * S);
	assert_true(state_of(5).in_window);
	params.window = 3;
	params.deadline_ns = 60 * S;
	qos_phases_set(p, &params, 13 * S);
	assert_true(state_of(6).in_window);
	assert_int_equal(state_of(6).deadline_ns, 73 * S);
	assert_int_equal(state_of(5).deadline_ns, 132 * S);
	assert_int_equal(state_of(7).place, 1);
	// A begin anew with a window that is too small goes to the line, though nobody stands
	// there.
	qos_phases_edge(p, 7, QOS_EDGE_DETACH, 14 * S);
	params.window = 1;
	qos_phases_set(p, &params, 14 * S);
	qos_phases_edge(p, 6, QOS_EDGE_BEGIN, 15 * S);
	assert_int_equal(state_of(6).place, 1);
	end();
}

static void an_index_is_used_again(void **state)
{
	struct qos_phase_state st;

	(void)state;
	begin();
	for (uint16_t vm = 1; vm <= 3; vm++)
		qos_phases_edge(p, vm, QOS_EDGE_DHCP_FW, S);
	qos_phases_bytes(p, 1, 400 * MIB, S);
	qos_phases_bytes(p, 1, 500 * MIB, 2 * S);
	n_changes = 0;
	qos_phases_forget(p, 1, 3 * S);
	assert_int_equal(n_changes, 2); // it is told as new, and the next one has its place
	assert_int_equal(changes[0].to, QOS_PHASE_NEW);
	assert_int_equal(changes[0].deadline_ns, 0);
	assert_int_equal(changes[1].vm_idx, 3);
	st = state_of(1);
	assert_int_equal(st.phase, QOS_PHASE_NEW);
	assert_int_equal(st.since_ns + st.boot_ns + st.deadline_ns + st.bytes + st.place, 0);
	assert_false(st.in_window || st.met);
	// The next machine owes nothing for the last one's bytes or boots.
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_OS, 3 * S);
	qos_phases_bytes(p, 1, 900 * MIB, 4 * S);
	assert_int_equal(state_of(1).bytes, 0);
	assert_int_equal(state_of(1).place, 1);
	qos_phases_forget(p, 1, 5 * S);
	qos_phases_forget(p, 1, 5 * S);
	assert_int_equal(counts().waiting, 0);
	bring(2, QOS_PHASE_BOOT_FW, 6 * S);
	qos_phases_edge(p, 2, QOS_EDGE_COMPLETE, 6 * S);
	qos_phases_forget(p, 2, 7 * S);
	qos_phases_edge(p, 2, QOS_EDGE_DHCP_FW, 8 * S); // steady was the other one
	assert_int_equal(state_of(2).phase, QOS_PHASE_BOOT_FW);
	end();
}

static void clocks_at_their_ends(void **state)
{
	struct qos_phase_params params = defaults;

	(void)state;
	// A deadline is never one of the values that mean something else.
	params.deadline_ns = 1;
	begin_with(&params);
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_FW, 0);
	assert_int_equal(state_of(1).deadline_ns, 2);
	end();
	// Nor does a sum wrap.
	params.deadline_ns = params.max_ns = UINT64_MAX;
	begin_with(&params);
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_FW, 100 * S);
	assert_int_equal(state_of(1).deadline_ns, UINT64_MAX);
	qos_phases_tick(p, UINT64_MAX - 1);
	assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_FW);
	assert_true(state_of(1).in_window);
	end();
	// A step back is no step; a jump ends what it ends, once.
	begin();
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_FW, 1000 * S);
	qos_phases_edge(p, 2, QOS_EDGE_DHCP_FW, 500 * S);
	assert_int_equal(state_of(2).boot_ns, 1000 * S);
	qos_phases_tick(p, 0);
	qos_phases_tick(p, 1000000 * S);
	assert_int_equal(counts().timed_out, 2);
	assert_int_equal(counts().in_window, 0);
	end();
	// A tick that comes late sees first that bytes came.
	begin();
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_OS, 0);
	qos_phases_bytes(p, 1, 0, 0);
	qos_phases_bytes(p, 1, 100 * MIB, 60 * S);
	qos_phases_tick(p, 60 * S);
	assert_int_equal(state_of(1).phase, QOS_PHASE_BOOT_OS);
	end();
}

// Before its deadline is in time, at it is late; and a boot says nothing of the one before.
static void a_boot_is_judged_by_itself(void **state)
{
	(void)state;
	begin();
	qos_phases_edge(p, 1, QOS_EDGE_DHCP_FW, 0);
	qos_phases_edge(p, 2, QOS_EDGE_DHCP_FW, 0);
	qos_phases_edge(p, 1, QOS_EDGE_COMPLETE, 120 * S - 1);
	qos_phases_edge(p, 2, QOS_EDGE_COMPLETE, 120 * S);
	assert_true(state_of(1).met);
	assert_false(state_of(2).met);
	qos_phases_edge(p, 1, QOS_EDGE_BEGIN, 200 * S);
	assert_false(state_of(1).met);
	qos_phases_tick(p, 500 * S);
	assert_int_equal(counts().timed_out, 1);
	assert_false(state_of(1).met);
	// In the line a 64th of 4 MiB is not quiet, and a byte less is.
	for (uint16_t vm = 2; vm <= 5; vm++) {
		qos_phases_edge(p, vm, QOS_EDGE_BEGIN, 600 * S);
		qos_phases_edge(p, vm, QOS_EDGE_DHCP_OS, 600 * S);
		qos_phases_bytes(p, vm, 0, 600 * S);
	}
	qos_phases_bytes(p, 4, 4 * MIB / 64, 605 * S);
	qos_phases_bytes(p, 5, 4 * MIB / 64 - 1, 605 * S);
	qos_phases_bytes(p, 4, 4 * MIB / 64, 610 * S);
	qos_phases_bytes(p, 5, 4 * MIB / 64 - 1, 610 * S);
	qos_phases_tick(p, 610 * S);
	assert_int_equal(state_of(4).phase, QOS_PHASE_BOOT_OS);
	assert_int_equal(state_of(5).phase, QOS_PHASE_STEADY);
	end();
}

static void booting_machines_are_listed(void **state)
{
	uint16_t vms[8];

	(void)state;
	begin();
	for (uint16_t vm = 1; vm <= 5; vm++)
		qos_phases_edge(p, vm, QOS_EDGE_DHCP_FW, vm * S);
	qos_phases_edge(p, 3, QOS_EDGE_COMPLETE, 6 * S);
	assert_int_equal(qos_phases_booting(p, vms, 8), 4);
	assert_int_equal(vms[0], 1);
	assert_int_equal(vms[2], 4);
	assert_int_equal(qos_phases_booting(p, vms, 2), 2);
	assert_int_equal(qos_phases_booting(p, vms, 0), 0);
	end();
}

// A thousand at once: all are served in order, sixteen at a time.
static void a_thousand_machines_pass_a_window_of_sixteen(void **state)
{
	struct qos_phase_params params = defaults;
	uint32_t n_done = 0;

	(void)state;
	params.n_vms = 1001;
	params.window = 16;
	begin_with(&params);
	for (uint16_t vm = 1; vm <= 1000; vm++)
		qos_phases_edge(p, vm, QOS_EDGE_DHCP_FW, S);
	assert_int_equal(counts().waiting, 984);
	assert_int_equal(state_of(1000).place, 984);
	for (uint64_t ms = 100; n_done < 1000; ms += 100) {
		n_changes = 0;
		qos_phases_edge(p, (uint16_t)++n_done, QOS_EDGE_COMPLETE, S + ms * 1000000);
		qos_phases_tick(p, S + ms * 1000000);
		assert_int_equal(counts().in_window, n_done < 984 ? 16 : 1000 - n_done);
		assert_int_equal(n_changes, n_done <= 984 ? 2 : 1);
		if (n_done <= 984)
			assert_int_equal(changes[1].vm_idx, n_done + 16);
	}
	assert_int_equal(counts().in_time, 1000);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_edge_in_every_phase_leads_where_it_should),
		cmocka_unit_test(a_whole_boot_is_told_step_by_step),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(nobody_does_not_boot),
		cmocka_unit_test(a_guest_that_repeats_itself_gains_nothing_after_steady),
		cmocka_unit_test(a_guest_cannot_prolong_its_boot),
		cmocka_unit_test(a_boot_ends_at_its_most_bytes),
		cmocka_unit_test(bytes_are_those_of_this_boot),
		cmocka_unit_test(quiet_is_a_rate),
		cmocka_unit_test(a_boot_is_in_time_by_when_it_ended),
		cmocka_unit_test(the_window_is_a_line_in_order_of_arrival),
		cmocka_unit_test(a_deadline_that_passed_frees_its_place),
		cmocka_unit_test(who_waits_is_not_quiet_because_it_gets_little),
		cmocka_unit_test(a_smaller_window_lets_no_one_in_until_it_fits),
		cmocka_unit_test(an_index_is_used_again),
		cmocka_unit_test(clocks_at_their_ends),
		cmocka_unit_test(a_boot_is_judged_by_itself),
		cmocka_unit_test(booting_machines_are_listed),
		cmocka_unit_test(a_thousand_machines_pass_a_window_of_sixteen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
