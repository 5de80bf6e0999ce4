#include "../unit.h"

#include <rte_ip.h>

#include "switch_priv.h"

// An mbuf without a pool.
struct frame {
	struct rte_mbuf m;
	struct dp_meta meta;
	uint8_t room[256];
};

// tags, then an IPv4 or IPv6 header with this traffic class, then UDP.
static void frame_make(struct frame *f, uint32_t n_tags, bool v4, uint8_t tc, uint16_t id)
{
	uint32_t l3 = 14 + 4 * n_tags;
	uint8_t *p = f->room;

	memset(f, 0, sizeof(*f));
	f->m.buf_addr = f->room;
	f->m.data_len = (uint16_t)(l3 + (v4 ? 20 : 40) + 26);
	f->m.pkt_len = f->m.data_len;
	f->m.nb_segs = 1;
	p[0] = p[6] = 2;
	for (uint32_t i = 0; i < n_tags; i++)
		memcpy(p + 12 + 4 * i, "\x81\x00\xe0\x05", 4);
	memcpy(p + l3 - 2, v4 ? "\x08\x00" : "\x86\xdd", 2);
	p += l3;
	if (v4) {
		memcpy(p, "\x45\x00\x00\x2e", 4);
		p[1] = tc;
		p[4] = (uint8_t)(id >> 8);
		p[5] = (uint8_t)id;
		memcpy(p + 8, "\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02", 12);
		uint16_t sum = (uint16_t)~rte_raw_cksum(p, 20);
		memcpy(p + 10, &sum, 2);
	} else {
		p[0] = (uint8_t)(0x60 | tc >> 4);
		p[1] = (uint8_t)(tc << 4 | 0xa);
		memcpy(p + 2, "\xbc\xde\x00\x1a\x11\x40", 6);
	}
	dp_parse(f->room, f->m.data_len, f->m.data_len, &f->meta.p);
	assert_int_equal(f->meta.p.err, DP_DROP_none);
}

static uint8_t *l3_of(struct frame *f)
{
	return f->room + f->meta.p.l3_off;
}

static uint8_t tc_of(struct frame *f, bool v4)
{
	const uint8_t *p = l3_of(f);

	return v4 ? p[1] : (uint8_t)(p[0] << 4 | p[1] >> 4);
}

// All but the traffic class and the checksum is as it was, and the checksum is right.
static void assert_only_tc(struct frame *f, const struct frame *was, bool v4)
{
	struct frame *w = malloc(sizeof(*w));
	uint8_t *p = l3_of(f);

	assert_non_null(w);
	*w = *was;
	memcpy(w->room + w->meta.p.l3_off, p, 2);
	if (v4) {
		memcpy(w->room + w->meta.p.l3_off + 10, p + 10, 2);
		assert_int_equal(rte_raw_cksum(p, 20), 0xffff);
		assert_int_equal(p[0], 0x45);
	} else {
		assert_int_equal(p[0] >> 4, 6);
		assert_int_equal(p[1] & 15, 0xa);
	}
	assert_memory_equal(f->room, w->room, sizeof(w->room));
	free(w);
}

static void ce_is_set_where_the_sender_understands_it(void **state)
{
	struct frame f, was;

	(void)state;
	for (uint32_t tc = 0; tc < 256; tc++) {
		for (uint32_t k = 0; k < 6; k++) {
			bool v4 = k % 2 == 0, ect = (tc & 3) != 0;

			frame_make(&f, k / 2, v4, (uint8_t)tc, (uint16_t)tc);
			was = f;
			assert_int_equal(dp_ecn(&f.m), tc & 3);
			assert_int_equal(dp_mark_ce(&f.m), ect);
			assert_int_equal(tc_of(&f, v4), ect ? tc | 3 : tc);
			assert_int_equal(dp_ecn(&f.m), ect ? 3 : 0);
			assert_only_tc(&f, &was, v4);
		}
	}
}

// Every header sum there is: the identification runs through all values.
static void the_checksum_follows_for_every_sum(void **state)
{
	struct frame f, was;

	(void)state;
	for (uint32_t id = 0; id < 65536; id++) {
		frame_make(&f, 0, true, 2, (uint16_t)id);
		was = f;
		assert_true(dp_mark_ce(&f.m));
		assert_only_tc(&f, &was, true);
	}
}

static void a_wrong_checksum_stays_wrong(void **state)
{
	struct frame f;

	(void)state;
	frame_make(&f, 0, true, 1, 7);
	l3_of(&f)[10] ^= 0x40;
	assert_true(dp_mark_ce(&f.m));
	assert_int_not_equal(rte_raw_cksum(l3_of(&f), 20), 0xffff);
}

static void dscp_is_set_and_ecn_stays(void **state)
{
	struct frame f, was;

	(void)state;
	for (uint32_t dscp = 0; dscp < 64; dscp++) {
		for (uint32_t tc = 0; tc < 256; tc += 7) {
			for (uint32_t k = 0; k < 6; k++) {
				bool v4 = k % 2 == 0;

				frame_make(&f, k / 2, v4, (uint8_t)tc, 99);
				was = f;
				dp_mark_dscp(&f.m, (uint8_t)dscp);
				assert_int_equal(tc_of(&f, v4), dscp << 2 | (tc & 3));
				assert_int_equal(f.meta.p.dscp, dscp);
				assert_only_tc(&f, &was, v4);
			}
		}
	}
}

static void what_is_not_ip_is_left_alone(void **state)
{
	struct frame f, was;

	(void)state;
	frame_make(&f, 1, true, 3, 1);
	memcpy(f.room + 16, "\x88\xb5", 2);
	dp_parse(f.room, f.m.data_len, f.m.data_len, &f.meta.p);
	was = f;
	assert_int_equal(dp_ecn(&f.m), 0);
	assert_false(dp_mark_ce(&f.m));
	dp_mark_dscp(&f.m, 46);
	assert_memory_equal(&f, &was, sizeof(f));
}

// IPv4 options, and a fragment behind the first: only the header counts.
static void options_and_fragments_are_marked(void **state)
{
	struct frame f;
	uint8_t *p;
	uint16_t sum;

	(void)state;
	frame_make(&f, 0, true, 2, 5);
	p = l3_of(&f);
	p[0] = 0x47;
	p[7] = 100; // fragment offset
	p[20] = 1;
	p[10] = p[11] = 0;
	sum = (uint16_t)~rte_raw_cksum(p, 28);
	memcpy(p + 10, &sum, 2);
	dp_parse(f.room, f.m.data_len, f.m.data_len, &f.meta.p);
	assert_true(dp_mark_ce(&f.m));
	dp_mark_dscp(&f.m, 10);
	assert_int_equal(p[1], 10 << 2 | 3);
	assert_int_equal(rte_raw_cksum(p, 28), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ce_is_set_where_the_sender_understands_it),
		cmocka_unit_test(the_checksum_follows_for_every_sum),
		cmocka_unit_test(a_wrong_checksum_stays_wrong),
		cmocka_unit_test(dscp_is_set_and_ecn_stays),
		cmocka_unit_test(what_is_not_ip_is_left_alone),
		cmocka_unit_test(options_and_fragments_are_marked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
