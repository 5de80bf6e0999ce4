// Phases and the window beside a model: what the header says, written down naively.
#include "../unit.h"
#include "qos_phase.h"

#define S 1000000000ull
#define MIB (1ull << 20)
#define N QOS_PHASE_NEW
#define F QOS_PHASE_BOOT_FW
#define O QOS_PHASE_BOOT_OS
#define Y QOS_PHASE_STEADY

static struct qos_phases *p;
static struct qos_phase_change changes[64];
static uint32_t n_changes;

static void changed(void *ctx, const struct qos_phase_change *c)
{
	(void)ctx;
	assert_true(n_changes < sizeof(changes) / sizeof(changes[0]));
	changes[n_changes++] = *c;
}

#define MODEL_VMS 12u

struct model_vm {
	uint8_t phase;
	bool in_window, waits, told, counting;
	uint64_t order, boot_ns, deadline_ns, bytes, total, total_ns, quiet_ns, quiet_bytes;
};

static struct {
	struct qos_phase_params params;
	struct model_vm vms[MODEL_VMS];
	uint64_t n_begun, now_ns;
	struct qos_phase_counts c;
} model;

static bool model_boots(const struct model_vm *m)
{
	return m->phase == F || m->phase == O;
}

static uint32_t model_in_window(void)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < MODEL_VMS; i++)
		n += model.vms[i].in_window;
	return n;
}

static void model_let_in(void)
{
	for (;;) {
		struct model_vm *first = NULL;

		for (uint32_t i = 1; i < MODEL_VMS; i++) {
			struct model_vm *m = &model.vms[i];

			if (m->waits && (first == NULL || m->order < first->order))
				first = m;
		}
		if (first == NULL || model_in_window() >= model.params.window)
			return;
		first->waits = false;
		first->in_window = true;
		first->deadline_ns = model.now_ns + model.params.deadline_ns;
		first->quiet_ns = model.now_ns;
		first->quiet_bytes = first->bytes;
	}
}

static void model_go(struct model_vm *m, uint8_t to)
{
	m->phase = to;
	m->quiet_ns = model.now_ns;
	m->quiet_bytes = m->bytes;
	if (!model_boots(m))
		m->waits = m->in_window = m->counting = false;
	model_let_in();
}

static uint8_t leads_to(uint8_t from, enum qos_edge e)
{
	switch (e) {
	case QOS_EDGE_ATTACH:
	case QOS_EDGE_DETACH:
	case QOS_EDGE_RESET:
		return N;
	case QOS_EDGE_DHCP_FW:
	case QOS_EDGE_LOGIN_FW:
		return from == N ? F : from;
	case QOS_EDGE_DHCP_OS:
	case QOS_EDGE_LOGIN_OS:
		return from == Y ? Y : O;
	case QOS_EDGE_BEGIN:
		return F;
	default:
		return Y;
	}
}

static void model_edge(uint32_t vm, enum qos_edge e)
{
	struct model_vm *m = &model.vms[vm];
	uint8_t from = m->phase, to = leads_to(from, e);

	if (e == QOS_EDGE_BEGIN || (from == N && (to == F || to == O))) {
		m->in_window = false;
		m->waits = true;
		m->order = ++model.n_begun;
		m->boot_ns = model.now_ns;
		m->bytes = 0;
		m->deadline_ns = model.now_ns + model.params.deadline_ns;
		m->counting = m->told && m->total_ns == model.now_ns;
		model_go(m, to);
	} else if (from != to) {
		if (model_boots(m) && to == Y) {
			model.c.in_time += model.now_ns < m->deadline_ns;
			model.c.late += model.now_ns >= m->deadline_ns;
		}
		model_go(m, to);
	}
}

static void model_bytes(uint32_t vm, uint64_t total)
{
	struct model_vm *m = &model.vms[vm];

	if (m->counting && total > m->total)
		m->bytes += total - m->total;
	m->total = total;
	m->total_ns = model.now_ns;
	m->told = true;
	if (!model_boots(m))
		return;
	if (!m->counting) {
		m->quiet_ns = model.now_ns;
		m->quiet_bytes = m->bytes;
	}
	m->counting = true;
	if (m->bytes >= model.params.max_bytes) {
		model.c.over_bytes++;
		model_go(m, Y);
	} else if (m->bytes - m->quiet_bytes >= model.params.quiet_bytes / (m->waits ? 64 : 1)) {
		m->quiet_ns = model.now_ns;
		m->quiet_bytes = m->bytes;
	}
}

static void model_tick_one(struct model_vm *m)
{
	if (model.now_ns - m->boot_ns >= model.params.max_ns) {
		model.c.timed_out++;
		model_go(m, Y);
	} else if (m->phase == O && m->counting && m->total_ns >= m->quiet_ns &&
		   m->total_ns - m->quiet_ns >= model.params.quiet_ns) {
		model.c.in_time += m->quiet_ns < m->deadline_ns;
		model.c.late += m->quiet_ns >= m->deadline_ns;
		model_go(m, Y);
	} else if (m->in_window && model.now_ns >= m->deadline_ns) {
		m->in_window = false;
		model_let_in();
	}
}

static void model_tick(void)
{
	for (uint64_t order = 1; order <= model.n_begun; order++)
		for (uint32_t i = 1; i < MODEL_VMS; i++)
			if (model_boots(&model.vms[i]) && model.vms[i].order == order)
				model_tick_one(&model.vms[i]);
}

static void check_vm(uint16_t vm, const uint64_t *told)
{
	const struct model_vm *m = &model.vms[vm];
	struct qos_phase_state st;
	uint32_t place = 0;

	qos_phases_state(p, vm, &st);
	for (uint32_t i = 1; i < MODEL_VMS; i++)
		place += m->waits && model.vms[i].waits && model.vms[i].order <= m->order;
	assert_int_equal(st.phase, m->phase);
	assert_int_equal(st.in_window, m->in_window);
	assert_int_equal(st.deadline_ns, !model_boots(m) ? 0 : m->in_window ? m->deadline_ns : 1);
	assert_int_equal(st.place, place);
	if (model_boots(m))
		assert_int_equal(st.bytes, m->bytes);
	// What was told last is what holds: the switch never has a stale deadline.
	assert_int_equal(told[vm], st.deadline_ns);
}

static void check_model(const uint64_t *told)
{
	struct qos_phase_counts c;
	uint32_t booting = 0, waiting = 0;

	qos_phases_counts(p, &c);
	for (uint16_t vm = 1; vm < MODEL_VMS; vm++) {
		booting += model_boots(&model.vms[vm]);
		waiting += model.vms[vm].waits;
		check_vm(vm, told);
	}
	assert_int_equal(c.booting, booting);
	assert_int_equal(c.waiting, waiting);
	assert_int_equal(c.in_window, model_in_window());
	assert_int_equal(c.boots, model.n_begun);
	assert_int_equal(c.in_time, model.c.in_time);
	assert_int_equal(c.late, model.c.late);
	assert_int_equal(c.timed_out, model.c.timed_out);
	assert_int_equal(c.over_bytes, model.c.over_bytes);
}

static uint64_t rng;

static uint64_t random_below(uint64_t n)
{
	// xorshift64* (Vigna 2016)
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (rng * 2685821657736338717ull >> 16) % n;
}

static void one_operation(void)
{
	uint16_t vm = (uint16_t)(1 + random_below(MODEL_VMS - 1));
	uint64_t what = random_below(100);

	if (what < 25) {
		uint64_t total = model.vms[vm].total + random_below(2 * model.params.quiet_bytes);

		total = random_below(50) == 0 ? 0 : total;
		model_bytes(vm, total);
		qos_phases_bytes(p, vm, total, model.now_ns);
	} else if (what < 55) {
		model.now_ns += random_below(3 * S);
		model_tick();
		qos_phases_tick(p, model.now_ns);
	} else if (what < 58) {
		model.params.window = 1 + (uint32_t)random_below(6);
		model_let_in();
		qos_phases_set(p, &model.params, model.now_ns);
	} else if (what < 60) {
		model_go(&model.vms[vm], N);
		model.vms[vm] = (struct model_vm){ .phase = N };
		qos_phases_forget(p, vm, model.now_ns);
	} else {
		// Rather what makes boots than what ends them.
		enum qos_edge e = (enum qos_edge)(what < 90 ? 3 + random_below(4)
							    : random_below(QOS_N_EDGES));

		model_edge(vm, e);
		qos_phases_edge(p, vm, e, model.now_ns);
	}
}

static void any_sequence_agrees_with_the_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		uint64_t told[MODEL_VMS] = { 0 };

		rng = seed * 0x9e3779b97f4a7c15ull;
		memset(&model, 0, sizeof(model));
		model.params = (struct qos_phase_params){ MODEL_VMS, 3,	    20 * S, 40 * S,
							  64 * MIB,  6 * S, 4 * MIB };
		model.now_ns = S;
		assert_int_equal(qos_phases_create(&model.params, changed, NULL, &p), 0);
		for (uint32_t i = 0; i < 2000; i++) {
			n_changes = 0;
			one_operation();
			for (uint32_t k = 0; k < n_changes; k++)
				told[changes[k].vm_idx] = changes[k].deadline_ns;
			check_model(told);
		}
		assert_true(model.c.in_time > 5 && model.c.late > 0 && model.c.timed_out > 0);
		qos_phases_destroy(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_sequence_agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
