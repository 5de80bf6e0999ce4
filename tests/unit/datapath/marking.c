// Meters, classes and marks: real worker turns, simulated time, links in memory.
#include <rte_ip.h>

#include "../unit.h"
#include "mem_switch.h"

// --- the meter

static struct dp_vm_params metered(enum qos_meter_mode mode, bool aware)
{
	struct dp_vm_params p = { .name = "v" };

	p.meter = (struct qos_meter_params){ .mode = mode,
					     .colour_aware = aware,
					     .committed_bits_per_s = 1000000,
					     .second_bits_per_s = 1000000,
					     .committed_burst_bytes = 10 * 1538,
					     .second_burst_bytes = 20 * 1538 };
	return p;
}

static uint32_t number_of(const uint8_t *p, bool tagged)
{
	uint32_t n;

	memcpy(&n, p + 14 + (tagged ? 4 : 0) + 40, 4);
	return n;
}

static uint32_t tci_of(const uint8_t *p)
{
	assert_memory_equal(p + 12, "\x81\0", 2);
	return dp_be16(p + 14);
}

// 10 green, 20 (RFC 2698: 10) yellow, the rest red; in order, in bursts of 32 alike or one by one.
static void red_is_dropped_and_yellow_has_dei(void **state)
{
	const enum qos_meter_mode modes[] = { QOS_METER_RFC4115, QOS_METER_RFC2698 };

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		struct dp_vm_params p = metered(modes[i % 2], false);
		uint64_t n_yellow = i % 2 ? 10 : 20;

		mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
		mem_vm_set(0, 1, &p);
		links[0]->v6 = i >= 2; // no runs
		links[0]->left = 50;
		mem_turns(3000, 1000);
		assert_int_equal(mem_dropped(0, DP_DROP_meter_red), 40 - n_yellow);
		assert_int_equal(links[1]->taken, 10 + n_yellow);
		for (uint32_t k = 0; k < 10 + n_yellow; k++) {
			const uint8_t *f = links[1]->kept[k];

			assert_int_equal(tci_of(f), 20 | (k >= 10 ? 1 << 12 : 0));
			assert_int_equal(number_of(f + (links[0]->v6 ? 20 : 0), true), k);
		}
		mem_ports_end();
	}
}

// While red frames fall out of a run the colours of what is left are right: sizes that fit by
// turns.
static void a_run_falls_into_runs_of_one_colour(void **state)
{
	struct dp_vm_params p = metered(QOS_METER_RFC4115, false);
	uint32_t n_green = 0;

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	p.meter.committed_bits_per_s = 500000000;
	p.meter.second_bits_per_s = 250000000;
	p.meter.committed_burst_bytes = p.meter.second_burst_bytes = 1538;
	mem_vm_set(0, 1, &p);
	links[0]->left = 400;
	mem_turns(4000 * 1000, 100000);
	assert_int_equal(links[0]->given, 400);
	assert_int_equal(links[1]->taken + mem_dropped(0, DP_DROP_meter_red), 400);
	for (uint32_t k = 0; k < links[1]->taken; k++)
		n_green += tci_of(links[1]->kept[k]) == 20;
	assert_true(n_green >= 12 && n_green <= 14); // one per burst
	assert_true(links[1]->taken - n_green >= 12 && links[1]->taken - n_green <= 14);
	mem_ports_end();
}

static void a_port_without_a_meter_again_drops_nothing(void **state)
{
	struct dp_vm_params p = metered(QOS_METER_RFC4115, false), none = { .name = "v" };

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	links[0]->left = 40;
	mem_turns(3000, 1000);
	assert_int_equal(mem_dropped(0, DP_DROP_meter_red), 10);
	mem_vm_set(0, 1, &none);
	links[0]->left = 400;
	mem_turns(20000, 1000);
	assert_int_equal(mem_dropped(0, DP_DROP_meter_red), 10);
	assert_int_equal(links[1]->taken, 430);
	mem_ports_end();
}

static void a_trusted_dei_is_yellow_to_a_colour_aware_meter(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		bool trusted = i & 1, aware = i & 2;
		struct dp_vm_params p = metered(QOS_METER_RFC4115, aware);

		mem_ports_make("ab", 1, trusted ? DP_PF_TRUST_PCP : 0, DP_VLAN_TRUNK);
		mem_vm_set(0, 1, &p);
		links[0]->n_tags = 1;
		links[0]->tci = 20 | 1 << 12;
		links[0]->left = 5;
		mem_turns(3000, 1000);
		assert_int_equal(links[1]->taken, 5);
		// Without a colour-aware meter its own colours win.
		for (uint32_t k = 0; k < 5; k++)
			assert_int_equal(tci_of(links[1]->kept[k]),
					 20 | (trusted && aware ? 1 << 12 : 0));
		mem_ports_end();
	}
}

// --- class and marks

struct mark_row {
	const char *what;
	uint32_t flags; // of the guest port
	uint8_t mode;
	uint16_t n_tags, tci;
	uint8_t tos, vlan_class, set_dscp;
	enum qos_class cls;
	uint16_t want_tci;
	uint8_t want_tos;
};

#define PCP(n) ((n) << 13)
#define DEI (1 << 12)

static const struct mark_row mark_rows[] = {
	{ "a guest's PCP and DEI are not believed", 0, DP_VLAN_TRUNK, 1, PCP(7) | DEI | 20, 0, 0,
	  DP_DSCP_KEEP, QOS_CLASS_BULK, PCP(0) | 20, 0 },
	{ "nor in a priority tag", 0, DP_VLAN_ACCESS, 1, PCP(6) | DEI, 0, 0, DP_DSCP_KEEP,
	  QOS_CLASS_BULK, PCP(0) | 20, 0 },
	{ "nor does trust in DSCP make them", DP_PF_TRUST_DSCP, DP_VLAN_TRUNK, 1, PCP(5) | 20, 0, 0,
	  DP_DSCP_KEEP, QOS_CLASS_BULK, PCP(0) | 20, 0 },
	{ "nor trust in PCP its DSCP", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1, PCP(0) | 20, 46 << 2, 0,
	  DP_DSCP_KEEP, QOS_CLASS_BULK, PCP(0) | 20, 46 << 2 },
	{ "a trusted PCP chooses the class, DEI the colour", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1,
	  PCP(5) | DEI | 20, 0, 0, DP_DSCP_KEEP, QOS_CLASS_LATENCY, PCP(5) | DEI | 20, 0 },
	{ "also in a priority tag", DP_PF_TRUST_PCP, DP_VLAN_ACCESS, 1, PCP(4), 0, 0, DP_DSCP_KEEP,
	  QOS_CLASS_STORAGE, PCP(4) | 20, 0 },
	{ "the class's PCP leaves, not the one that came", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1,
	  PCP(3) | 20, 0, 0, DP_DSCP_KEEP, QOS_CLASS_INTERACTIVE, PCP(2) | 20, 0 },
	{ "PCP 1 lowers", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1, PCP(1) | 20, 0, QOS_CLASS_STORAGE + 1,
	  DP_DSCP_KEEP, QOS_CLASS_SCAVENGER, PCP(1) | 20, 0 },
	{ "DSCP comes before PCP", DP_PF_TRUST_PCP | DP_PF_TRUST_DSCP, DP_VLAN_TRUNK, 1,
	  PCP(6) | 20, 18 << 2, 0, DP_DSCP_KEEP, QOS_CLASS_INTERACTIVE, PCP(2) | 20, 18 << 2 },
	{ "CS1 lowers what PCP would raise", DP_PF_TRUST_PCP, DP_VLAN_TRUNK, 1, PCP(5) | 20, 8 << 2,
	  0, DP_DSCP_KEEP, QOS_CLASS_SCAVENGER, PCP(1) | 20, 8 << 2 },
	{ "the VLAN's class", 0, DP_VLAN_TRUNK, 1, PCP(7) | 20, 0, QOS_CLASS_STORAGE + 1,
	  DP_DSCP_KEEP, QOS_CLASS_STORAGE, PCP(4) | 20, 0 },
	{ "the VLAN's class on an access port", 0, DP_VLAN_ACCESS, 0, 0, 0, QOS_CLASS_STORAGE + 1,
	  DP_DSCP_KEEP, QOS_CLASS_STORAGE, PCP(4) | 20, 0 },
	{ "CS1 lowers below the VLAN's class", 0, DP_VLAN_ACCESS, 0, 0, 8 << 2,
	  QOS_CLASS_STORAGE + 1, DP_DSCP_KEEP, QOS_CLASS_SCAVENGER, PCP(1) | 20, 8 << 2 },
	{ "DSCP of the class, ECN untouched", 0, DP_VLAN_ACCESS, 0, 0, 46 << 2 | 2, 0, 10,
	  QOS_CLASS_BULK, PCP(0) | 20, 10 << 2 | 2 },
	{ "DSCP of the class behind a tag", 0, DP_VLAN_TRUNK, 1, 20, 0, 0, 63, QOS_CLASS_BULK,
	  PCP(0) | 20, 63 << 2 },
	{ "DSCP 0 of the class", 0, DP_VLAN_ACCESS, 0, 0, 46 << 2 | 1, 0, 0, QOS_CLASS_BULK,
	  PCP(0) | 20, 1 },
};

static void mark_row_check(const struct mark_row *r, bool v6, uint32_t n)
{
	uint8_t tos, *l3;

	mem_ports_make("ab", 1, r->flags, r->mode);
	mem_qos_set();
	qos_view.vlan_class[20] = r->vlan_class;
	qos_view.classes[r->cls].dscp = r->set_dscp;
	links[0]->n_tags = r->n_tags;
	links[0]->tci = r->tci;
	links[0]->tos = r->tos;
	links[0]->v6 = v6;
	links[0]->left = n;
	mem_turns(3000, 1000);
	assert_int_equal(links[1]->taken, n);
	for (uint32_t k = 0; k < n; k++) {
		l3 = links[1]->kept[k] + 18;
		tos = v6 ? (uint8_t)(l3[0] << 4 | l3[1] >> 4) : l3[1];
		if (tci_of(links[1]->kept[k]) != r->want_tci || tos != r->want_tos)
			fail_msg("%s: tag %04x, not %04x; TOS %02x, not %02x", r->what,
				 tci_of(links[1]->kept[k]), r->want_tci, tos, r->want_tos);
		assert_true(v6 || rte_raw_cksum(l3, 20) == 0xffff);
	}
	mem_ports_end();
}

// As one frame, as a run of 32, and over IPv6.
static void marks_are_those_of_the_class(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(mark_rows); i++) {
		mark_row_check(&mark_rows[i], false, 1);
		mark_row_check(&mark_rows[i], false, 32);
		mark_row_check(&mark_rows[i], true, 3);
	}
}

static void explain_names_the_rule(void **state)
{
	static const struct {
		uint32_t flags;
		uint16_t tci;
		uint8_t vlan_class, cls, why;
	} rows[] = {
		{ DP_PF_TRUST_PCP, PCP(5) | 20, 0, QOS_CLASS_LATENCY, QOS_WHY_PCP },
		{ 0, PCP(5) | 20, 0, QOS_CLASS_BULK, QOS_WHY_DEFAULT },
		{ 0, PCP(5) | 20, QOS_CLASS_BOOT + 1, QOS_CLASS_BOOT, QOS_WHY_VLAN },
		{ DP_PF_TRUST_PCP, PCP(2) | 20, 1, QOS_CLASS_INTERACTIVE, QOS_WHY_PCP },
	};
	struct dp_verdict v;
	uint8_t frame[MEM_HEAD];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		mem_ports_make("ab", 1, rows[i].flags, DP_VLAN_TRUNK);
		mem_qos_set();
		qos_view.vlan_class[20] = rows[i].vlan_class;
		links[0]->n_tags = 1;
		links[0]->tci = rows[i].tci;
		links[0]->size = MEM_HEAD;
		mem_head_fill(links[0], frame, 0);
		assert_int_equal(dp_switch_explain(sw, 0, frame, sizeof(frame), &v), 0);
		assert_int_equal(v.cls, rows[i].cls);
		assert_int_equal(v.why, rows[i].why);
		mem_ports_end();
	}
	assert_string_equal(qos_why_text(QOS_WHY_PCP), "the priority (PCP) of its tag");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(red_is_dropped_and_yellow_has_dei),
		cmocka_unit_test(a_run_falls_into_runs_of_one_colour),
		cmocka_unit_test(a_port_without_a_meter_again_drops_nothing),
		cmocka_unit_test(a_trusted_dei_is_yellow_to_a_colour_aware_meter),
		cmocka_unit_test(marks_are_those_of_the_class),
		cmocka_unit_test(explain_names_the_rule),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
