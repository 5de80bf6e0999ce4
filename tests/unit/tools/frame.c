#include "../unit.h"
#include "pg_frame.h"

static uint32_t sum16(const uint8_t *p, uint32_t size, uint32_t sum)
{
	for (uint32_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (size % 2 != 0)
		sum += (uint32_t)p[size - 1] << 8;
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

static const struct pg_template_params kinds[] = {
	{ .src_port = 0, .dst_port = 1 },
	{ .src_port = 511, .dst_port = 256, .vlan = 4094 },
	{ .src_port = 3, .dst_port = 2, .tcp = true },
	{ .src_port = 3, .dst_port = 2, .tcp = true, .csum = true },
	{ .src_port = 5, .dst_port = 300, .tcp = true, .vlan = 7, .csum = true },
	{ .src_port = 1, .dst_port = 0, .tcp = true, .iscsi = true },
	{ .src_port = 0, .dst_port = 1, .tcp = true, .iscsi = true, .from_target = true },
};

enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void each_frame_is_right_by_the_book(void **state)
{
	static const uint32_t flows[] = { 0, 1, 16383, 16384, 70000, (1 << 20) - 1 };
	static const uint32_t sizes[] = { 64, 65, 118, 1514, 1518, 9000, 65000 };

	(void)state;
	for (uint32_t k = 0; k < N_KINDS * 6 * 7; k++) {
		const struct pg_template_params *p = &kinds[k % N_KINDS];
		uint32_t flow = flows[k / N_KINDS % 6], size = sizes[k / N_KINDS / 6];
		uint32_t l3 = p->vlan != 0 ? 18 : 14, l4 = l3 + 20, mac = flow % 1000;
		uint8_t line[PG_LINE] __attribute__((aligned(64)));
		uint8_t *client = line + l4 + (p->from_target ? 2 : 0);
		uint8_t *server = line + l4 + (p->from_target ? 0 : 2);
		struct pg_template t;

		pg_template_init(&t, p);
		pg_frame_write(&t, line, flow, mac, size);
		assert_int_equal(line[0], 2);
		assert_int_equal(be16(line + 1), p->dst_port);
		assert_int_equal(be16(line + 7), p->src_port);
		assert_int_equal(be16(line + 4), mac);
		assert_int_equal(be16(line + 10), mac);
		if (p->vlan != 0) {
			assert_int_equal(be16(line + 12), 0x8100);
			assert_int_equal(be16(line + 14), p->vlan);
		}
		assert_int_equal(be16(line + l3 - 2), 0x800);
		assert_int_equal(line[l3], 0x45);
		assert_int_equal(be16(line + l3 + 2), size - l3);
		assert_int_equal(sum16(line + l3, 20, 0), 0xffff); // RFC 1071
		assert_int_equal(line[l3 + 9], p->tcp ? 6 : 17);
		assert_int_equal(line[l3 + 12], 10);
		assert_int_equal(line[l3 + 16], 10);
		assert_int_equal(be16(line + l3 + 13), p->src_port + 1);
		assert_int_equal(be16(line + l3 + 17), p->dst_port + 1);
		assert_int_equal(line[l3 + 15], 1 + (flow >> 14));
		assert_int_equal(be16(client), 49152 + (flow & 0x3fff));
		assert_int_equal(be16(server), p->iscsi ? 3260 : 9);
		if (!p->tcp) {
			assert_int_equal(be16(line + l4 + 4), size - l4);
			assert_int_equal(be16(line + l4 + 6), 0);
			continue;
		}
		assert_int_equal(line[l4 + 12], 0x50);
		// Addresses, protocol and length: RFC 9293 section 3.1.
		assert_int_equal(be16(line + l4 + 16),
				 p->csum ? sum16(line + l3 + 12, 8, 6 + size - l4) : 0);
	}
}

static void spread_flows_leave_the_first_one_at_each_bit(void **state)
{
	static uint8_t seen[32][16][16];
	uint32_t n = 0;

	(void)state;
	for (uint32_t flow = 0; flow < 3 * 32 * 16 * 16; flow++) {
		const struct pg_template_params p = { .dst_port = 1,
						      .service = 40000,
						      .spread_src = 32,
						      .spread_dport = 16,
						      .spread_sport = 16 };
		uint8_t line[PG_LINE] __attribute__((aligned(64))), *place;
		uint32_t src, dport, sport;
		struct pg_template t;

		pg_template_init(&t, &p);
		pg_frame_write(&t, line, flow, 0, 64);
		assert_int_equal(sum16(line + 14, 20, 0), 0xffff);
		src = (be16(line + 26) << 16 | be16(line + 28)) ^ 0x0a000101;
		sport = be16(line + 34) ^ 49152;
		dport = be16(line + 36) ^ 40000;
		assert_int_equal(be16(line + 30) << 16 | be16(line + 32), 0x0a000201);
		assert_true(src != 0 && sport != 0 && dport != 0);
		place = &seen[__builtin_clz(src)][__builtin_clz(dport) - 16]
			     [__builtin_clz(sport) - 16];
		n += *place == 0;
		*place = 1;
	}
	assert_int_equal(n, 32 * 16 * 16); // each prefix of each field, with each of the others
}

static void a_stamp_is_read_back_from_every_kind_of_frame(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < N_KINDS; k++) {
		const struct pg_stamp in = { 0x1234, 0x5678, 0x9abcdef0, 0x11223344 };
		uint8_t line[PG_LINE] __attribute__((aligned(64))), *f;
		struct pg_stamp out = { 0 };
		struct pg_template t;
		uint32_t behind;

		pg_template_init(&t, &kinds[k]);
		pg_frame_write(&t, line, 5, 5, 64);
		pg_frame_stamp(&t, line, &in);
		f = exact_copy(line, PG_LINE);
		behind = pg_frame_read(f, PG_LINE, &out);
		assert_int_equal(behind, t.l4 + (kinds[k].tcp ? 24 : 20));
		assert_true(behind <= PG_LINE);
		assert_memory_equal(&in, &out, sizeof(in));
		// The stamp takes nothing of the headers, the rest is the pattern.
		assert_int_equal(sum16(f + t.l3, 20, 0), 0xffff);
		assert_memory_equal(f + behind, pg_pattern() + behind, PG_LINE - behind);
		free(f);
	}
}

static void what_is_not_ours_has_no_stamp(void **state)
{
	uint8_t line[PG_LINE] __attribute__((aligned(64))), *f;
	struct pg_template t;
	struct pg_stamp s;

	(void)state;
	pg_template_init(&t, &kinds[0]);
	for (uint32_t size = 0; size < PG_LINE; size++) { // no byte behind the end is read
		pg_frame_write(&t, line, 0, 0, 64);
		f = exact_copy(line, size);
		assert_int_equal(pg_frame_read(f, size, &s), 0);
		free(f);
	}
	pg_frame_write(&t, line, 0, 0, 64);
	line[23] = 1; // ICMP
	assert_int_equal(pg_frame_read(line, 64, &s), 0);
	line[23] = 17;
	line[12] = 0x86;
	line[13] = 0xdd;
	assert_int_equal(pg_frame_read(line, 64, &s), 0);
}

static void a_check_tells_other_stamps(void **state)
{
	uint16_t right = pg_stamp_check(7, 3, 1000, 2000);
	uint32_t n_same = 0;

	(void)state;
	assert_int_not_equal(pg_stamp_check(8, 3, 1000, 2000), right);
	assert_int_not_equal(pg_stamp_check(7, 4, 1000, 2000), right);
	for (uint32_t bit = 0; bit < 32; bit++) {
		assert_int_not_equal(pg_stamp_check(7, 3, 1000 ^ 1u << bit, 2000), right);
		assert_int_not_equal(pg_stamp_check(7, 3, 1000, 2000 ^ 1u << bit), right);
	}
	for (uint32_t i = 0; i < 655360; i++) // 16 bits: one in 65,536
		n_same += pg_stamp_check(7, 3, i, i * 77) == right;
	assert_in_range(n_same, 0, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_is_right_by_the_book),
		cmocka_unit_test(spread_flows_leave_the_first_one_at_each_bit),
		cmocka_unit_test(a_stamp_is_read_back_from_every_kind_of_frame),
		cmocka_unit_test(what_is_not_ours_has_no_stamp),
		cmocka_unit_test(a_check_tells_other_stamps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
