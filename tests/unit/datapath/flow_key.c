#include "../unit.h"

#include "dp_flow_key.h"

static struct dp_flow_key key_of(const uint8_t *frame, size_t size)
{
	uint8_t *copy = exact_copy(frame, size);
	struct dp_flow_key k;
	struct dp_parse p;

	dp_parse(copy, size, size, &p);
	memset(&k, 0xa5, sizeof(k));
	dp_flow_key_make(copy, size, &p, 7, &k);
	free(copy);
	return k;
}

static void fields_have_the_places_of_the_list(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DP_FLOW_N_FIELDS; i++) {
		enum dp_flow_field f = (enum dp_flow_field)i;
		struct dp_flow_value v = dp_flow_ones(f), got;
		struct dp_flow_key k = { 0 };
		uint32_t bits = 0;

		assert_int_equal(dp_flow_field_of_oxm(dp_flow_fields[f].oxm), f);
		dp_flow_put(&k, f, v);
		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
			bits += (uint32_t)__builtin_popcountll(k.w[w]);
		assert_int_equal(bits, dp_flow_fields[f].bits);
		got = dp_flow_get(&k, f);
		assert_true(got.hi == v.hi && got.lo == v.lo);
		memset(&k, 0xff, sizeof(k));
		dp_flow_put(&k, f, (struct dp_flow_value){ 0, 0 });
		got = dp_flow_get(&k, f);
		assert_true(got.hi == 0 && got.lo == 0);
	}
	assert_int_equal(dp_flow_field_of_oxm(37), DP_FLOW_N_FIELDS);
}

static void an_untagged_frame_has_its_addresses_and_type(void **state)
{
	static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x12, 0x34 };
	struct dp_flow_key k = key_of(frame, sizeof(frame));

	(void)state;
	assert_int_equal(dp_flow_get(&k, DP_FLOW_in_port).lo, 7);
	assert_int_equal(dp_flow_get(&k, DP_FLOW_eth_dst).lo, 0x020000000001);
	assert_int_equal(dp_flow_get(&k, DP_FLOW_eth_src).lo, 0x020000000002);
	assert_int_equal(dp_flow_get(&k, DP_FLOW_eth_type).lo, 0x1234);
	assert_int_equal(dp_flow_get(&k, DP_FLOW_vlan_vid).lo, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_the_places_of_the_list),
		cmocka_unit_test(an_untagged_frame_has_its_addresses_and_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
