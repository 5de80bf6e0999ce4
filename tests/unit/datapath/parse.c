#include "../unit.h"
#include "dp_parse.h"

#define MACS "\x52\x54\0\0\0\1\x52\x54\0\0\0\2"
#define IP4(total, proto) "\x45\0\0" total "\0\0\0\0\x40" proto "\0\0\x0a\0\0\1\x0a\0\0\2"

static void facts_of_frames(void **state)
{
	static const struct {
		const char *data;
		size_t size;
		uint8_t err, n_tags, flags, proto;
		uint16_t type, sport, dport, l3, l4;
	} rows[] = {
		{ MACS "\x08\0" IP4("\x1c", "\x11") "\0\x35\0\x45\0\x08\0\0", 42, 0, 0,
		  DP_PF_IP4 | DP_PF_L4, 17, 0x800, 0x35, 0x45, 14, 34 },
		{ MACS "\x81\0\x60\x14\x08\0" IP4("\x1c", "\x11") "\0\1\0\2\0\x08\0\0", 46, 0, 1,
		  DP_PF_IP4 | DP_PF_L4, 17, 0x800, 1, 2, 18, 38 },
		{ MACS "\x88\xa8\0\1\x81\0\0\2\x08\x06"
		       "\0\1\x08\0\6\4\0\1"
		       "\0\0\0\0\0\0"
		       "\0\0\0\0"
		       "\0\0\0\0\0\0"
		       "\0\0\0\0",
		  50, 0, 2, 0, 0, 0x806, 0, 0, 22, 0 },
		{ MACS "\x81\0\0\1\x81\0\0\1\x81\0\0\1\x08\0", 26, DP_DROP_l2_too_many_tags, 2, 0,
		  0, 0, 0, 0, 0, 0 },
		{ MACS "\x81\0\0", 15, DP_DROP_l2_truncated, 0, 0, 0, 0, 0, 0, 0, 0 },
		{ MACS "\x08", 13, DP_DROP_l2_truncated, 0, 0, 0, 0, 0, 0, 0, 0 },
		{ MACS "\0\x08\xaa\xaa\3\0\0\0\x08\6", 22, DP_DROP_l3_truncated, 0,
		  DP_PF_LLC | DP_PF_SNAP, 0, 0x806, 0, 0, 22, 0 },
		{ MACS "\0\x03\x42\x42\3", 17, DP_DROP_none, 0, DP_PF_LLC, 0, 0, 0, 0, 14, 0 },
		{ MACS "\0\x20\x42\x42\3", 17, DP_DROP_l2_length_field, 0, DP_PF_LLC, 0, 0, 0, 0,
		  14, 0 },
		{ MACS "\x05\xff\x42\x42\3", 17, DP_DROP_l2_length_field, 0, DP_PF_LLC, 0, 0, 0, 0,
		  14, 0 },
		{ MACS "\x08\0\x46\0\0\x14\0\0\0\0\x40\6\0\0\1\1\1\1\2\2\2\2", 34,
		  DP_DROP_l3_malformed, 0, 0, 0, 0x800, 0, 0, 14, 0 },
		{ MACS "\x08\0" IP4("\xff", "\x11") "\0\1\0\2\0\x08\0\0", 42, DP_DROP_l3_malformed,
		  0, 0, 0, 0x800, 0, 0, 14, 0 },
		{ MACS "\x08\0" IP4("\x18", "\x06") "\0\1\0\2", 38, DP_DROP_l3_truncated, 0,
		  DP_PF_IP4, 6, 0x800, 0, 0, 14, 0 },
		{ MACS "\x88\x47\0\0\x11\x40"
		       "\x45",
		  19, 0, 0, 0, 0, 0x8847, 0, 0, 14, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t *data = exact_copy(rows[i].data, rows[i].size);
		struct dp_parse p;

		dp_parse(data, rows[i].size, rows[i].size, &p);
		if (p.err != rows[i].err)
			print_error("row %zu: err %s, want %s\n", i, dp_drop_name(p.err),
				    dp_drop_name(rows[i].err));
		assert_int_equal(p.err, rows[i].err);
		assert_int_equal(p.n_tags, rows[i].n_tags);
		assert_int_equal(p.flags, rows[i].flags);
		assert_int_equal(p.ip_proto, rows[i].proto);
		assert_int_equal(p.eth_type, rows[i].type);
		assert_int_equal(p.sport, rows[i].sport);
		assert_int_equal(p.dport, rows[i].dport);
		assert_int_equal(p.l3_off, rows[i].l3);
		assert_int_equal(p.l4_off, rows[i].l4);
		free(data);
	}
}

// Cut everywhere: never read beyond the end, never report an offset beyond it.
static void every_prefix_is_bounded(void **state)
{
	static const char frame[] = MACS "\x81\0\0\1\x86\xdd\x60\0\0\0\0\x30\0\x40"
					 "\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
					 "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
					 "\x2b\0\0\0\0\0\0\0"
					 "\x06\0\0\0\0\0\0\0"
					 "\0\1\0\2\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0"
					 "payload.....";

	(void)state;
	for (size_t size = 0; size < sizeof(frame); size++) {
		uint8_t *data = exact_copy(frame, size);
		struct dp_parse p;

		dp_parse(data, size, size, &p);
		assert_true(p.l3_off <= size && p.l4_off <= size);
		assert_true(size >= 106 || p.err != DP_DROP_none);
		free(data);
	}
}

static void one_flow_has_one_hash(void **state)
{
	char a[43] = MACS "\x08\0" IP4("\x1c", "\x11") "\0\1\0\2\0\x08\0\0", b[43];
	struct dp_parse p, q;

	(void)state;
	memcpy(b, a, sizeof(a));
	dp_parse((uint8_t *)a, 42, 42, &p);
	b[18] = 99; // IP id
	dp_parse((uint8_t *)b, 42, 42, &q);
	assert_int_equal(dp_flow_hash((uint8_t *)a, &p), dp_flow_hash((uint8_t *)b, &q));
	b[35] = 7; // source port
	dp_parse((uint8_t *)b, 42, 42, &q);
	assert_int_not_equal(dp_flow_hash((uint8_t *)a, &p), dp_flow_hash((uint8_t *)b, &q));
	a[20] = b[20] = 0x20; // a first fragment: the others have no port to go by
	dp_parse((uint8_t *)a, 42, 42, &p);
	dp_parse((uint8_t *)b, 42, 42, &q);
	assert_int_equal(dp_flow_hash((uint8_t *)a, &p), dp_flow_hash((uint8_t *)b, &q));
}

// With 57 readable bytes the whole pass runs, with 60 the few comparisons where they hold.
static void the_short_way_says_what_the_whole_pass_says(void **state)
{
	static const uint8_t places[] = { 12, 13, 14, 15, 16, 17, 18, 20, 21,
					  23, 24, 25, 27, 34, 36, 37, 46, 50 };
	uint32_t seed = 1, n_plain = 0;

	(void)state;
	for (uint32_t i = 0; i < 400000; i++) {
		uint8_t f[60] = MACS "\x08\0" IP4("\x2e", "\x06") "\0\1\0\2\0\0\0\0\0\0\0\0\x50";
		struct dp_parse whole, quick;

		if (i % 2 == 1)
			f[23] = 17;
		if (i % 4 == 3) {
			memmove(f + 16, f + 12, 42);
			memcpy(f + 12, "\x81\0\x60\x14", 4);
			f[21] = 42;
		}
		for (uint32_t n = i % 3; n > 0; n--) {
			seed = seed * 1664525u + 1013904223u;
			f[places[(seed >> 8) % sizeof(places)]] ^=
				(uint8_t)(1u << (seed >> 16) % 8);
		}
		dp_parse(f, 57, 60, &whole);
		dp_parse(f, 60, 60, &quick);
		// Headers that do not end within 57 bytes are no fair comparison.
		if (whole.l3_off + 4 * (f[whole.l3_off] & 15) + (whole.ip_proto == 17 ? 8 : 20) >
		    57)
			continue;
		n_plain += quick.plain;
		quick.plain = 0;
		assert_memory_equal(&whole, &quick, sizeof(whole));
	}
	assert_true(n_plain > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_of_frames),
		cmocka_unit_test(every_prefix_is_bounded),
		cmocka_unit_test(one_flow_has_one_hash),
		cmocka_unit_test(the_short_way_says_what_the_whole_pass_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
