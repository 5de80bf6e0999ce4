// The driver's side of a ring against a back-end that writes whatever it likes into the memory they
// share. The first byte chooses the kind of ring; the rest are steps of 4 bytes: what, and three
// arguments. Invariants: what the driver hands out lies within the memory; a slot is never handed
// out beyond their number; a ring that nobody lied to is never broken.
#include "../lib/ring_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct vh_ring_params kinds[] = {
	{ .size = 64, .slot_bytes = 300 },
	{ .size = 64, .slot_bytes = 300, .event_idx = true },
	{ .size = 64, .slot_bytes = 900, .piece_bytes = 128 },
	{ .size = 64, .slot_bytes = 900, .piece_bytes = 128, .indirect = true },
	{ .size = 64, .slot_bytes = 300, .packed = true },
	{ .size = 64, .slot_bytes = 900, .piece_bytes = 128, .packed = true, .indirect = true },
	{ .size = 64, .slot_bytes = 500, .rx = true },
	{ .size = 64, .slot_bytes = 244, .rx = true, .mergeable = true },
	{ .size = 64, .slot_bytes = 244, .rx = true, .mergeable = true, .event_idx = true },
	{ .size = 64, .slot_bytes = 244, .rx = true, .mergeable = true, .packed = true },
	{ .size = 64, .slot_bytes = 500, .rx = true, .packed = true },
};

static struct ring_model model;
static uint32_t sink;

static void touch(const uint8_t *p, uint32_t size)
{
	assert(p >= model.mem && size <= model.bytes &&
	       (uint64_t)(p - model.mem) <= model.bytes - size);
	for (uint32_t i = 0; i < size; i++)
		sink += p[i];
}

static void take(uint16_t n_max)
{
	struct vh_frame frames[VH_RING_BURST];
	uint16_t n = vh_ring_take(&model.r, n_max, frames);

	assert(n <= n_max);
	for (uint16_t i = 0; i < n; i++) {
		const struct vh_frame *f = &frames[i];
		uint32_t whole = model.r.slot_bytes + VH_RING_HDR_BYTES;
		uint32_t left = f->size_bytes - f->first_bytes;

		assert((uint64_t)(f->data - model.r.slots) / model.r.stride_bytes <
		       model.r.n_slots);
		assert(f->first_bytes <= f->size_bytes && f->first_bytes <= model.r.slot_bytes);
		touch(f->data, f->first_bytes);
		for (uint16_t k = 1; k < f->n_bufs; k++) {
			touch(vh_ring_piece(&model.r, f, k), left < whole ? left : whole);
			left -= left < whole ? left : whole;
		}
		assert(left == 0);
	}
	vh_ring_release(&model.r);
}

static void send(uint16_t n, uint32_t len)
{
	uint8_t *frames[VH_RING_BURST];
	uint32_t lens[VH_RING_BURST];

	n = vh_ring_reserve(&model.r, n, frames);
	for (uint16_t i = 0; i < n; i++) {
		lens[i] = 1 + (len + i * 37) % model.r.slot_bytes;
		touch(frames[i], model.r.slot_bytes);
		assert((uint64_t)(frames[i] - model.r.slots) / model.r.stride_bytes <
		       model.r.n_slots);
		memset(frames[i], (int)i, lens[i]);
	}
	vh_ring_send(&model.r, n, lens);
}

static void honest(uint8_t a, uint8_t b)
{
	static const uint8_t frame[2000];
	struct model_chain c;
	uint32_t zero = 0;

	if (model.p.rx) {
		// A frame for which there is no room would lose its buffers.
		if (!model.p.packed &&
		    (uint16_t)(model.r.avail->idx - model.avail_idx) <= 2000 / 256 + 1)
			return;
		if (!model.p.packed || a % 8 == 0)
			model_deliver(&model, frame, model.p.mergeable ? 1 + a * 7u : 1 + b);
		return;
	}
	while (a-- > 0 && model_next(&model, &c))
		model_use(&model, 1, &c.id, &zero);
}

// Lengths at the edges, more often than chance would have it.
static uint32_t length(uint8_t b)
{
	uint32_t whole = model.r.slot_bytes + VH_RING_HDR_BYTES;
	const uint32_t edges[] = {
		0,	    1,
		11,	    12,
		13,	    whole - 1,
		whole,	    whole + 1,
		whole + 8,  whole + 12,
		whole + 13, 2 * whole,
		UINT32_MAX, UINT32_MAX - whole,
		1u << 31,   b * 3u,
	};

	return edges[b % 16];
}

static uint32_t id(uint8_t b)
{
	const uint32_t edges[] = { model.r.n_slots, 64, 65535, UINT32_MAX };

	return b % 8 < 4 ? edges[b % 8] : b;
}

static void lie(uint8_t what, uint8_t a, uint8_t b)
{
	uint64_t own = vh_ring_own_bytes(&model.p);
	uint16_t slot = (uint16_t)(a % model.r.n_slots);
	struct vring_used_elem *e;

	switch (what % 8) {
	case 0: // anywhere in the rings, descriptors and tables
		model.mem[((uint32_t)a << 8 | b) * 7 % own] ^= (uint8_t)(b | 1);
		break;
	case 1: // anywhere at all
		model.mem[((uint32_t)a << 8 | b) * 257 % model.bytes] = b;
		break;
	case 2:
		vh_ring_hdr(vh_ring_frame(&model.r, slot))->num_buffers =
			(uint16_t)(b > 200 ? b << 8 : b);
		break;
	case 3:
		if (model.p.packed)
			model.r.pdesc[a % 64].flags = (uint16_t)(b << 8 | b);
		else
			model.r.used->idx = (uint16_t)(model.r.used->idx + b);
		break;
	case 4:
	case 5:
		if (model.p.packed) {
			model.r.pdesc[a % 64].len = length(b);
			break;
		}
		e = &model.r.used->ring[a % 64];
		if (what % 8 == 4)
			e->len = length(b);
		else
			e->id = id(b);
		break;
	case 6:
		if (model.p.packed)
			model.r.pdesc[a % 64].id = (uint16_t)id(b);
		else
			model.r.used->idx = (uint16_t)(a << 8 | b);
		break;
	default:
		memset(model.mem, b, own);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool lied = false;

	if (size < 1)
		return 0;
	model_create(&model, &kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))]);
	for (size_t at = 1; at + 4 <= size && at < 4000; at += 4) {
		const uint8_t *s = data + at;

		switch (s[0] % 8) {
		case 0:
		case 1:
			if (model.p.rx)
				take((uint16_t)(1 + s[1] % VH_RING_BURST));
			else
				send((uint16_t)(1 + s[1] % VH_RING_BURST),
				     (uint32_t)s[2] << 8 | s[3]);
			break;
		case 2:
		case 3: // the model asserts that the driver's words are right: only until someone
			// lied
			if (!lied)
				honest(s[1], s[2]);
			break;
		case 4:
			vh_ring_calls(&model.r, (s[1] & 1) != 0);
			sink += vh_ring_has_used(&model.r) + vh_ring_base(&model.r);
			break;
		case 5:
			if (s[1] != 0)
				break;
			vh_ring_reset(&model.r);
			model_restart(&model);
			lied = false;
			break;
		default:
			lie(s[1], s[2], s[3]);
			lied = true;
			break;
		}
		assert(lied || !model.r.broken);
		assert(model.r.n_in_flight <= model.r.n_slots && model.r.n_ids <= model.r.n_slots);
	}
	model_destroy(&model);
	return 0;
}
