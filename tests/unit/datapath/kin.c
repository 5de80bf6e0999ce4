// Frames of one burst fare as each fares alone: what a run, or a frame that is kin to its
// neighbour, takes over from it is what the whole walk would have found.
#include "../unit.h"
#include "mem_switch.h"
#include "dp_storage.h"
#include "qos_portal.h"

enum { ROUNDS = 3000, BURST = 24, SIZE = 90 };

static uint64_t seed = 88172645463325252u;

static uint32_t below(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % n;
}

#define ANY_OF(list) (list)[below(RTE_DIM(list))]

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

struct frame {
	uint8_t b[SIZE];
	uint16_t size;
};

// 02:..:01 at 10.0.0.1 to 02:..:09 at 10.0.0.9, UDP.
static void frame_init(struct frame *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->b, "\x02\0\0\0\0\x09\x02\0\0\0\0\x01\x08\0\x45", 15);
	f->size = 74;
	put16(f->b + 16, 60);
	memcpy(f->b + 22, "\x40\x11", 2);
	memcpy(f->b + 26, "\x0a\0\0\x01\x0a\0\0\x09", 8);
	put16(f->b + 34, 40000);
	put16(f->b + 36, 40000);
	put16(f->b + 38, 40);
	f->b[46] = 0x50;
}

// Most changes are such as kin may have, or such as only seem so.
static void frame_bend(struct frame *f)
{
	static const uint16_t ports[] = { 40000, 40001, 67, 68, 69, 546, 4011, 4789, 3260, 2049 };
	static const uint8_t toses[] = { 0, 0, 0, 0xb8, 3 };

	switch (below(16)) {
	case 0 ... 2:
		put16(f->b + 34, ANY_OF(ports));
		break;
	case 3 ... 5:
		put16(f->b + 36, ANY_OF(ports));
		break;
	case 6:
		f->b[29] = (uint8_t)(1 + below(2));
		break;
	case 7:
		f->b[33] = (uint8_t)(8 + below(3));
		break;
	case 8:
		f->b[15] = ANY_OF(toses);
		break;
	case 9:
		f->b[11] = (uint8_t)(1 + below(2));
		break;
	case 10:
		f->b[5] = (uint8_t)(8 + below(2));
		break;
	case 11:
		f->b[23] = below(2) == 0 ? 6 : 17;
		break;
	case 12:
		f->b[46] = (uint8_t)(0x40 + 16 * below(3));
		break;
	case 13:
		put16(f->b + 16, 58 + below(3));
		break;
	case 14:
		f->size = (uint16_t)(73 + below(3));
		break;
	default:
		f->b[below(4) == 0 ? 20 : 14] ^= (uint8_t)(1u << below(8));
	}
}

static void give(uint32_t port, const struct frame *f, uint32_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(links[port]->pool);
	uint8_t *p;

	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, f->size);
	memcpy(p, f->b, f->size);
	put16(p + 18, number); // IP's identification: the order in which they arrive
	// What the frame before it in this buffer left.
	memset(dp_meta(m), (int)below(256), sizeof(struct dp_meta));
	dp_meta(m)->flags = 0;
	dp_meta(m)->tso_segsz = 0;
	mem_put(links[port], m);
}

struct fate {
	struct dp_port_totals from;
	uint64_t taken[2]; // by b and c
	uint8_t kept[2][BURST][MEM_HEAD];
};

static int by_number(const void *a, const void *b)
{
	return memcmp((const uint8_t *)a + 18, (const uint8_t *)b + 18, 8);
}

static void fate_of(const struct frame *f, uint32_t n, bool together, struct fate *out)
{
	struct dp_port_totals *t = &out->from, before;

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 1; i <= 2; i++) {
		links[i]->taken = 0;
		memset(links[i]->kept, 0, sizeof(links[i]->kept));
	}
	assert_int_equal(dp_switch_port_totals(sw, 0, &before), 0);
	for (uint32_t i = 0; i < n; i++) {
		give(0, &f[i], i);
		if (!together)
			mem_turns(1000, 1000);
	}
	mem_turns(MS, 10000);
	assert_int_equal(dp_switch_port_totals(sw, 0, t), 0);
	for (uint32_t i = 0; i < sizeof(*t) / sizeof(uint64_t); i++)
		((uint64_t *)t)[i] -= ((uint64_t *)&before)[i];
	for (uint32_t i = 0; i < 2; i++) {
		out->taken[i] = links[i + 1]->taken;
		memcpy(out->kept[i], links[i + 1]->kept, sizeof(out->kept[i]));
		// Urgent ones overtake others that came with them.
		qsort(out->kept[i], out->taken[i], MEM_HEAD, by_number);
	}
}

static void portals_set(void)
{
	const struct qos_portal p = { .addr = { { [10] = 255, 255, 10, 0, 0, 9 } },
				      .proto = 17,
				      .port = 3260 };
	struct qos_portals *t;

	assert_int_equal(qos_portals_create(&t), 0);
	assert_int_equal(qos_portals_put(t, &p), 0);
	dp_switch_set_portals(sw, t);
}

static void cfg_set(uint32_t round)
{
	static const uint32_t flags[] = { 0,
					  DP_PF_ADMIT,
					  DP_PF_ADMIT | DP_PF_IP4_FIXED | DP_PF_MAC_FIXED,
					  DP_PF_ADMIT | DP_PF_DHCP_GUARD | DP_PF_IP4_FIXED,
					  DP_PF_TRUST_DSCP,
					  DP_PF_ADMIT | DP_PF_RESPONDER };
	struct dp_port_params *c = (struct dp_port_params *)(uintptr_t)&dp_root(sw)->views[0]->cfg;

	c->flags = flags[round % RTE_DIM(flags)];
	c->n_ip4 = 1;
	memcpy(c->ip4[0], "\x0a\0\0\x01", 4);
	memcpy(c->mac, "\x02\0\0\0\0\x01", 6);
	c->default_class = round % 7 == 0 ? QOS_CLASS_CONTROL : QOS_CLASS_BULK;
}

// b has 02:..:09; ..:08 is nobody's.
static void begin(void)
{
	struct frame f;

	mem_ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	mem_qos_set();
	portals_set();
	for (uint32_t i = 0; i < 2; i++)
		((struct dp_view *)(uintptr_t)dp_root(sw)->views[i])->cfg.flags = 0;
	frame_init(&f);
	f.b[5] = 1;
	f.b[11] = 9;
	give(1, &f, 0);
	mem_turns(MS, 10000);
	dp_switch_housekeep(sw, now_ns);
}

static void differ(const struct fate *a, const struct fate *b, uint32_t round, uint32_t n)
{
	for (uint32_t i = 0; i < DP_N_DROPS; i++) {
		if (a->from.drop_in[i] != b->from.drop_in[i])
			print_message("drop %u: %lu together, %lu alone\n", i, a->from.drop_in[i],
				      b->from.drop_in[i]);
	}
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		if (a->from.cls[i].rx_pkts != b->from.cls[i].rx_pkts)
			print_message("class %u: %lu together, %lu alone\n", i,
				      a->from.cls[i].rx_pkts, b->from.cls[i].rx_pkts);
	}
	fail_msg("round %u, %u frames: %lu and %lu taken together, %lu and %lu alone", round, n,
		 a->taken[0], a->taken[1], b->taken[0], b->taken[1]);
}

static void a_burst_fares_as_its_frames_alone(void **state)
{
	static struct fate together, alone;
	uint64_t n_taken = 0;

	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct frame f[BURST];
		uint32_t n = 2 + below(BURST - 1);

		if (round % 100 == 0)
			begin();
		cfg_set(round);
		frame_init(&f[0]);
		for (uint32_t i = 1; i < n; i++) {
			// As the one before, or as one from before that.
			f[i] = f[below(4) == 0 ? below(i) : i - 1];
			if (below(3) > 0)
				frame_bend(&f[i]);
		}
		fate_of(f, n, true, &together);
		fate_of(f, n, false, &alone);
		n_taken += together.taken[0];
		if (memcmp(&together, &alone, sizeof(alone)) != 0)
			differ(&together, &alone, round, n);
		if (round % 100 == 99)
			mem_ports_end();
	}
	assert_true(n_taken > ROUNDS * 4);
}

static int start(void **state)
{
	(void)state;
	return mem_start() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_fares_as_its_frames_alone),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
