// Finished checksums against frames made whole (lib/of_frame.h).
#include "../unit.h"

#include "of_frame.h"

static struct of_spec spec_make(uint8_t l3, uint8_t l4, uint32_t payload)
{
	struct of_spec s = { .l3 = l3, .l4 = l4, .ttl = 64, .payload = payload, .seed = payload };

	memset(s.a, 0xfe, sizeof(s.a));
	memset(s.b, 0xfd, sizeof(s.b));
	s.sport = 0xffff;
	s.dport = 0xfffe;
	return s;
}

// Wherever the packet is cut into buffers, at odd places, too.
static void the_sum_is_the_same_in_pieces(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 800; i++) {
		struct of_spec s = spec_make(i % 2 == 0 ? L3_IP4 : L3_IP6,
					     i / 2 % 2 == 0 ? L4_TCP : L4_UDP, 40 + i);
		uint8_t want[FRAME_MAX], data[FRAME_MAX], got[FRAME_MAX];
		uint32_t size = of_spec_build(&s, want);
		struct rte_mbuf *m;

		s.csum = CSUM_PARTIAL;
		of_spec_build(&s, data);
		m = of_mbuf_make(data, size, 78 + i % 53, 0);
		dp_meta(m)->flags = DP_MF_CSUM;
		assert_true(dp_csum_finish(m));
		assert_int_equal(dp_meta(m)->flags, 0);
		of_mbuf_read(m, got);
		assert_memory_equal(got, want, size);
		of_mbuf_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_the_same_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
