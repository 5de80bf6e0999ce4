// A table of rules beside a list of them: bytes are changes and lookups, and both say the same in
// the version in force, in the one before and in the staged one. Masks are made of few bytes, so
// that they are alike, nested or strange; a burst of adding makes hundreds of them.
#include "../unit/datapath/flow_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size, at;
};

static uint8_t next(struct input *in)
{
	return in->at < in->size ? in->data[in->at++] : 0;
}

// A few bits somewhere in a word: a prefix, a byte or every n-th bit.
static uint64_t bits_of(uint8_t how)
{
	uint32_t n = how >> 2;

	switch (how & 3) {
	case 0:
		return n == 0 ? 0 : ~UINT64_C(0) << (64 - n);
	case 1:
		return UINT64_C(0xff) << (n % 57);
	case 2:
		return ~UINT64_C(0) / ((UINT64_C(1) << (n % 7 + 1)) + 1);
	default:
		return ~UINT64_C(0);
	}
}

static void read_mask(struct input *in, struct dp_flow_key *m)
{
	memset(m, 0, sizeof(*m));
	for (uint32_t n = next(in) & 3; n > 0; n--) {
		uint8_t word = next(in) & 15;

		m->w[word] |= bits_of(next(in));
	}
}

static void read_key(struct input *in, const struct rig *g, struct dp_flow_key *k)
{
	uint8_t which = next(in);

	memset(k, 0, sizeof(*k));
	if (g->n_rules > 0)
		*k = g->rules[which % g->n_rules]->key;
	for (uint32_t n = next(in) & 3; n > 0; n--) {
		uint8_t word = next(in) & 15;

		k->w[word] ^= bits_of(next(in)) & bits_of(next(in));
	}
}

static void look_up(const struct rig *g, const struct dp_flow_key *k)
{
	for (uint64_t v = g->version - 1; v <= g->version + 1; v++) {
		if (!rig_agrees(g, k, v))
			abort();
	}
}

static void look_for_overlaps(struct rig *g, struct input *in)
{
	uint8_t how = next(in);
	struct dp_flow_overlap o = { .priority = how & 3, .version = g->version + (how >> 2 & 1) };

	read_mask(in, &o.mask);
	if (g->n_rules > 0 && (how & 8) != 0)
		o.mask = g->rules[next(in) % g->n_rules]->mask;
	read_key(in, g, &o.key);
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		o.key.w[i] &= o.mask.w[i];
	if (!rig_overlap_agrees(g, &o, (how & 16) != 0 ? 3 : 100000, how >> 5))
		abort();
}

// Rules of many masks at once, which a few bytes would not come to.
static void add_many(struct rig *g, uint32_t n, uint8_t how)
{
	struct dp_flow_key key = { 0 }, mask = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		uint32_t word = how & 15;

		mask.w[word] = bits_of((uint8_t)i);
		mask.w[(word + 3) & 15] =
			(how & 16) != 0 ? bits_of((uint8_t)(i * 7)) : rig_random(g);
		key.w[word] = (how & 32) != 0 ? rig_random(g) : 0x0a000001;
		key.w[(word + 3) & 15] = rig_random(g) & rig_random(g);
		rig_add(g, &key, &mask, (how & 64) != 0 ? i : 1);
	}
}

static void step(struct rig *g, struct input *in)
{
	struct dp_flow_key key, mask;
	uint8_t what = next(in);

	switch (what & 7) {
	case 0:
	case 1:
		read_mask(in, &mask);
		read_key(in, g, &key);
		rig_add(g, &key, &mask, what >> 3);
		break;
	case 2:
		if (g->n_rules > 0 && g->rules[(what >> 3) % g->n_rules]->until == DP_FLOW_FOREVER)
			g->rules[(what >> 3) % g->n_rules]->until = g->version + 1;
		break;
	case 3:
		rig_publish(g);
		break;
	case 4:
		if (g->n_rules < 400)
			add_many(g, (uint32_t)(what >> 3) * 4, next(in));
		break;
	case 5:
		for (uint32_t n = what >> 3; n > 0 && g->n_rules > 0; n--)
			rig_unlink(g, n * 7 % g->n_rules);
		break;
	case 6:
		look_for_overlaps(g, in);
		break;
	default:
		read_key(in, g, &key);
		look_up(g, &key);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size, 0 };
	static struct rig g;

	rig_init(&g, 1);
	g.version = 2;
	for (uint32_t n = 0; in.at < in.size && n < 300; n++)
		step(&g, &in);
	rig_fini(&g);
	return 0;
}
