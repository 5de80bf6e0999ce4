#include <sys/eventfd.h>
#include <unistd.h>

#include "../../lib/ring_model.h"
#include "../unit.h"

enum { FRAMES = 70000 }; // an index of 16 bits wraps

static uint32_t seed;

static uint32_t random_below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(seed >> 8) * n >> 24);
}

// Frame number n is so long and looks so.
static uint32_t size_of(uint32_t n, uint32_t most)
{
	uint32_t h = n * 2654435761u;

	return h % 7 == 0 ? most : 1 + (h >> 8) % (h % 3 == 0 ? most : 200);
}

static void fill(uint8_t *out, uint32_t n, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		out[i] = (uint8_t)(n + i * 7);
}

static const struct vh_ring_params tx_kinds[] = {
	{ .size = 256, .slot_bytes = 300 },
	{ .size = 64, .slot_bytes = 300, .event_idx = true },
	{ .size = 256, .slot_bytes = 900, .piece_bytes = 128, .indirect = true },
	{ .size = 256, .slot_bytes = 900, .piece_bytes = 128, .event_idx = true }, // chains of 8
	{ .size = 64, .slot_bytes = 300, .packed = true },
	{ .size = 128, .slot_bytes = 900, .piece_bytes = 100, .packed = true, .indirect = true },
	{ .size = 16384, .slot_bytes = 300 },
	{ .size = 16384, .slot_bytes = 300, .packed = true },
};

// The model takes some, and gives back some of what it has in another order.
struct holder {
	uint16_t ids[16384];
	uint32_t lens[16384];
	uint32_t n;
};

static void check_frames(struct ring_model *m, struct holder *h, uint32_t *n_seen)
{
	static uint8_t got[MODEL_FRAME_MAX], want[MODEL_FRAME_MAX];
	struct model_chain c;
	uint32_t size;

	while (random_below(40) != 0 && model_next(m, &c)) {
		size = size_of(*n_seen, m->p.slot_bytes);
		fill(want, *n_seen, size);
		assert_int_equal(model_gather(&c, got), size + VH_RING_HDR_BYTES);
		assert_memory_equal(got + VH_RING_HDR_BYTES, want, size);
		assert_int_equal(got[0], 0);
		h->lens[h->n] = 0;
		h->ids[h->n++] = c.id;
		(*n_seen)++;
	}
	while (h->n > 0 && random_below(50) != 0) {
		uint32_t k = random_below(h->n);

		model_use(m, 1, &h->ids[k], &h->lens[k]);
		h->ids[k] = h->ids[--h->n];
	}
}

static void send_some(struct vh_ring *r, uint32_t *n_sent)
{
	uint8_t *frames[VH_RING_BURST];
	uint32_t lens[VH_RING_BURST];
	uint16_t n = vh_ring_reserve(r, (uint16_t)(1 + random_below(VH_RING_BURST)), frames);

	if (n > 1 && random_below(4) == 0)
		n /= 2; // the rest may be left
	for (uint16_t i = 0; i < n; i++) {
		lens[i] = size_of(*n_sent, r->slot_bytes);
		fill(frames[i], (*n_sent)++, lens[i]);
	}
	vh_ring_send(r, n, lens);
}

static void what_is_sent_arrives_in_order_on_every_kind_of_ring(void **state)
{
	static struct holder h;

	(void)state;
	for (size_t k = 0; k < sizeof(tx_kinds) / sizeof(tx_kinds[0]); k++) {
		uint32_t n_sent = 0, n_seen = 0;
		struct ring_model m;

		h.n = 0;
		model_create(&m, &tx_kinds[k]);
		while (n_seen < FRAMES) {
			send_some(&m.r, &n_sent);
			check_frames(&m, &h, &n_seen);
			assert_true(n_sent - n_seen <= m.r.n_slots);
		}
		assert_false(m.r.broken);
		// Each slot is somewhere: free, here, or on its way.
		vh_ring_reclaim(&m.r);
		assert_int_equal(m.r.n_ids + m.r.n_in_flight, m.r.n_slots);
		assert_int_equal(m.r.n_in_flight, n_sent - n_seen + h.n);
		model_destroy(&m);
	}
}

static const struct vh_ring_params rx_kinds[] = {
	{ .size = 256, .slot_bytes = 1000, .rx = true },
	{ .size = 64, .slot_bytes = 500, .rx = true, .mergeable = true, .event_idx = true },
	{ .size = 256, .slot_bytes = 244, .rx = true, .mergeable = true },
	{ .size = 64, .slot_bytes = 1000, .rx = true, .packed = true },
	{ .size = 128, .slot_bytes = 244, .rx = true, .packed = true, .mergeable = true },
	{ .size = 16384, .slot_bytes = 244, .rx = true, .packed = true, .mergeable = true },
};

// A frame as its reader sees it, each byte within a buffer of the ring.
static void check_frame(const struct ring_model *m, const struct vh_frame *f, uint32_t n,
			uint32_t size)
{
	static uint8_t got[MODEL_FRAME_MAX], want[MODEL_FRAME_MAX];
	uint32_t at = f->first_bytes, whole = m->r.slot_bytes + VH_RING_HDR_BYTES;

	assert_int_equal(f->size_bytes, size);
	assert_true(at <= m->r.slot_bytes && at <= size);
	memcpy(got, f->data, at);
	for (uint16_t k = 1; k < f->n_bufs; k++) {
		uint32_t piece = size - at < whole ? size - at : whole;

		memcpy(got + at, vh_ring_piece(&m->r, f, k), piece);
		at += piece;
	}
	assert_int_equal(at, size);
	fill(want, n, size);
	assert_memory_equal(got, want, size);
}

static void what_is_delivered_is_taken_in_order_on_every_kind_of_ring(void **state)
{
	static uint8_t frame[MODEL_FRAME_MAX];

	(void)state;
	for (size_t k = 0; k < sizeof(rx_kinds) / sizeof(rx_kinds[0]); k++) {
		uint32_t most = rx_kinds[k].slot_bytes * (rx_kinds[k].mergeable ? 20 : 1);
		uint32_t n_in = 0, n_out = 0;
		struct vh_frame frames[VH_RING_BURST];
		struct ring_model m;

		model_create(&m, &rx_kinds[k]);
		while (n_out < FRAMES) {
			uint16_t n;

			// At most half a ring: a frame that does not fit would lose its buffers.
			for (uint32_t i = random_below(m.p.size / 2 / 21 + 1) + 1; i > 0; i--) {
				fill(frame, n_in, size_of(n_in, most));
				assert_true(model_deliver(&m, frame, size_of(n_in, most)));
				n_in++;
			}
			do {
				n = vh_ring_take(&m.r, (uint16_t)(1 + random_below(VH_RING_BURST)),
						 frames);
				for (uint16_t i = 0; i < n; i++, n_out++)
					check_frame(&m, &frames[i], n_out, size_of(n_out, most));
				vh_ring_release(&m.r);
			} while (n > 0);
			assert_int_equal(n_out, n_in);
		}
		assert_false(m.r.broken);
		model_destroy(&m);
	}
}

static void a_frame_of_many_buffers_waits_until_all_have_come(void **state)
{
	const struct vh_ring_params p = {
		.size = 256, .slot_bytes = 244, .rx = true, .mergeable = true
	};
	uint8_t frame[600] = { 1 };
	struct vh_frame f[4];
	struct ring_model m;

	(void)state;
	model_create(&m, &p);
	assert_true(model_deliver(&m, frame, sizeof(frame)));
	m.r.used->idx = 2; // of three
	assert_int_equal(vh_ring_take(&m.r, 4, f), 0);
	vh_ring_release(&m.r);
	assert_int_equal(vh_ring_take(&m.r, 4, f), 0);
	m.r.used->idx = 3;
	assert_int_equal(vh_ring_take(&m.r, 4, f), 1);
	assert_int_equal(f[0].n_bufs, 3);
	assert_int_equal(f[0].size_bytes, 600);
	assert_false(m.r.broken);
	model_destroy(&m);
}

static uint64_t kicks(int fd)
{
	eventfd_t v = 0;

	(void)eventfd_read(fd, &v);
	return v;
}

static void the_back_end_is_kicked_when_it_asks(void **state)
{
	struct vh_ring_params p = { .size = 64, .slot_bytes = 100 };
	uint8_t *frames[8];
	uint32_t lens[8] = { 60, 60, 60, 60, 60, 60, 60, 60 };
	struct ring_model m;
	int fd = eventfd(0, EFD_NONBLOCK);
	uint16_t asked;

	(void)state;
	// Without event index: a flag.
	model_create(&m, &p);
	m.r.kick_fd = fd;
	assert_int_equal(vh_ring_reserve(&m.r, 8, frames), 8);
	vh_ring_send(&m.r, 2, lens);
	assert_int_equal(kicks(fd), 1);
	m.r.used->flags = VRING_USED_F_NO_NOTIFY;
	vh_ring_send(&m.r, 2, lens);
	assert_int_equal(kicks(fd), 0);
	assert_int_equal(m.r.n_kicks, 1);
	model_destroy(&m);
	// With it: when the index passes the one that was named.
	p.event_idx = true;
	model_create(&m, &p);
	m.r.kick_fd = fd;
	asked = 3;
	memcpy(&m.r.used->ring[64], &asked, sizeof(asked));
	assert_int_equal(vh_ring_reserve(&m.r, 8, frames), 8);
	vh_ring_send(&m.r, 3, lens);
	assert_int_equal(kicks(fd), 0);
	vh_ring_send(&m.r, 1, lens);
	assert_int_equal(kicks(fd), 1);
	vh_ring_send(&m.r, 4, lens);
	assert_int_equal(kicks(fd), 0);
	model_destroy(&m);
	p.event_idx = false;
	p.packed = true;
	model_create(&m, &p);
	m.r.kick_fd = fd;
	m.r.device_event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	assert_int_equal(vh_ring_reserve(&m.r, 8, frames), 8);
	vh_ring_send(&m.r, 3, lens);
	assert_int_equal(kicks(fd), 0);
	m.r.device_event->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	vh_ring_send(&m.r, 3, lens);
	assert_int_equal(kicks(fd), 1);
	model_destroy(&m);
	close(fd);
}

// Would a back-end that follows VIRTIO 1.2, 2.7.7 call the driver?
static bool would_call(const struct ring_model *m, uint16_t used_before)
{
	if (m->p.packed)
		return m->r.driver_event->flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	if (m->p.event_idx)
		return vh_ring_event_passed(m->r.avail->ring[m->p.size], m->r.used->idx,
					    used_before);
	return (m->r.avail->flags & VRING_AVAIL_F_NO_INTERRUPT) == 0;
}

static void a_driver_is_called_when_it_sleeps_and_only_then(void **state)
{
	static const struct vh_ring_params kinds[] = {
		{ .size = 64, .slot_bytes = 244, .rx = true },
		{ .size = 64, .slot_bytes = 244, .rx = true, .event_idx = true },
		{ .size = 64, .slot_bytes = 244, .rx = true, .packed = true },
	};
	uint8_t frame[64] = { 1 };
	struct vh_frame f[8];

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct ring_model m;
		uint16_t before;

		model_create(&m, &kinds[k]);
		for (uint32_t i = 0; i < 70000; i++) { // past the wrap of the index
			bool sleeper = i % 3 == 0;

			vh_ring_calls(&m.r, sleeper);
			assert_false(vh_ring_has_used(&m.r));
			before = m.used_idx;
			assert_true(model_deliver(&m, frame, sizeof(frame)));
			assert_true(vh_ring_has_used(&m.r));
			assert_int_equal(would_call(&m, before), sleeper);
			assert_int_equal(vh_ring_take(&m.r, 8, f), 1);
			vh_ring_release(&m.r);
		}
		model_destroy(&m);
	}
}

static void a_new_back_end_goes_on_where_the_last_one_stopped(void **state)
{
	const struct vh_ring_params p = { .size = 64, .slot_bytes = 100 };
	struct model_chain c;
	uint8_t *frames[8], got[MODEL_FRAME_MAX];
	uint32_t lens[8] = { 60, 60, 60, 60, 60, 60, 60, 60 }, zero = 0;
	struct ring_model m;

	(void)state;
	model_create(&m, &p);
	assert_int_equal(vh_ring_reserve(&m.r, 8, frames), 8);
	for (uint8_t i = 0; i < 8; i++)
		frames[i][0] = i;
	vh_ring_send(&m.r, 8, lens);
	for (int i = 0; i < 5; i++) {
		assert_true(model_next(&m, &c));
		if (i < 3)
			model_use(&m, 1, &c.id, &zero);
	}
	// It dies with two frames in its hands. The next one gets them.
	m.avail_idx = m.used_idx = (uint16_t)vh_ring_base(&m.r);
	assert_int_equal(m.avail_idx, 3);
	for (uint8_t i = 3; i < 8; i++) {
		assert_true(model_next(&m, &c));
		model_gather(&c, got);
		assert_int_equal(got[VH_RING_HDR_BYTES], i);
		model_use(&m, 1, &c.id, &zero);
	}
	assert_false(model_next(&m, &c));
	vh_ring_reclaim(&m.r);
	assert_int_equal(m.r.n_ids, 64);
	assert_false(m.r.broken);
	model_destroy(&m);
}

static void a_packed_base_carries_both_wraps(void **state)
{
	struct ring_model m;

	(void)state;
	model_create(&m, &tx_kinds[4]);
	assert_int_equal(vh_ring_base(&m.r), 0x80008000u);
	m.r.used_idx = 5;
	m.r.used_wrap = false;
	assert_int_equal(vh_ring_base(&m.r), 0x00050005u);
	model_destroy(&m);
}

// A back-end that lies. Each case changes something that it owns; what the driver takes after that
// must stay within its memory.
struct lie {
	const char *what;
	void (*tell)(struct ring_model *m);
	bool packed, mergeable;
	int n_taken; // frames that were right and came first
	bool honest; // not broken after all
};

static uint8_t lie_frame[1000];

static void set_len(struct ring_model *m, uint16_t i, uint32_t len)
{
	if (m->p.packed)
		m->r.pdesc[i].len = len;
	else
		m->r.used->ring[i].len = len;
}

static void set_bufs(struct ring_model *m, uint16_t slot, uint16_t n)
{
	vh_ring_hdr(vh_ring_frame(&m->r, slot))->num_buffers = n;
}

static void used_jumps(struct ring_model *m)
{
	m->r.used->idx = 65;
}

static void used_goes_back(struct ring_model *m)
{
	m->r.used->idx = 65535;
}

static void id_too_large(struct ring_model *m)
{
	if (m->p.packed)
		m->r.pdesc[0].id = 64;
	else
		m->r.used->ring[0].id = 64;
}

static void id_huge(struct ring_model *m)
{
	if (m->p.packed)
		m->r.pdesc[0].id = 65535;
	else
		m->r.used->ring[0].id = 0x80000000u;
}

static void id_wrong_later(struct ring_model *m)
{
	if (m->p.packed)
		m->r.pdesc[2].id = 64;
	else
		m->r.used->ring[2].id = 64;
}

static void no_buffers(struct ring_model *m)
{
	set_bufs(m, 0, 0);
}

static void buffers_beyond_the_ring(struct ring_model *m)
{
	set_bufs(m, 0, 65535);
}

static void buffers_beyond_a_burst(struct ring_model *m)
{
	set_bufs(m, 0, VH_RING_BURST + 1);
}

static void buffers_that_never_come(struct ring_model *m)
{
	set_bufs(m, 0, 60);
}

static void ignored_buffers(struct ring_model *m)
{
	set_bufs(m, 0, 65535); // not mergeable: the field means nothing
}

static void no_buffers_in_the_second(struct ring_model *m)
{
	set_bufs(m, 1, 0);
}

static void len_0(struct ring_model *m)
{
	set_len(m, 0, 0);
}

static void len_11(struct ring_model *m)
{
	set_len(m, 0, 11);
}

static void len_12(struct ring_model *m)
{
	set_len(m, 0, 12);
}

static void len_whole(struct ring_model *m)
{
	set_len(m, 0, 244 + 12);
}

static void len_one_more(struct ring_model *m)
{
	set_len(m, 0, 244 + 13);
}

static void len_header_more(struct ring_model *m)
{
	set_len(m, 0, 244 + 24);
}

static void len_max(struct ring_model *m)
{
	set_len(m, 0, UINT32_MAX);
}

static void lens_that_wrap(struct ring_model *m)
{
	set_bufs(m, 0, 2);
	set_len(m, 0, UINT32_MAX);
	set_len(m, 1, 200);
}

static void lens_that_add_up(struct ring_model *m)
{
	set_bufs(m, 0, 2); // 400 + 12 of 512, but not in these buffers
	set_len(m, 0, 400);
	set_len(m, 1, 12);
}

static void second_len_too_long(struct ring_model *m)
{
	set_bufs(m, 0, 2);
	set_len(m, 0, 256);
	set_len(m, 1, 257);
}

static void first_buffer_not_full(struct ring_model *m)
{
	set_bufs(m, 0, 2);
	set_len(m, 0, 100);
	set_len(m, 1, 256);
}

static void last_buffer_empty(struct ring_model *m)
{
	set_bufs(m, 0, 2);
	set_len(m, 0, 256);
	set_len(m, 1, 0);
}

static const struct lie lies[] = {
	{ "used index beyond what is there", used_jumps, false, true, 0, false },
	{ "used index behind", used_goes_back, false, true, 0, false },
	{ "id 64 of 64", id_too_large, false, true, 0, false },
	{ "id 64 of 64, packed", id_too_large, true, true, 0, false },
	{ "huge id", id_huge, false, true, 0, false },
	{ "huge id, packed", id_huge, true, true, 0, false },
	{ "wrong id behind good ones", id_wrong_later, false, true, 0, false },
	{ "wrong id behind good ones, packed", id_wrong_later, true, true, 0, false },
	{ "num_buffers 0", no_buffers, false, true, 0, false },
	{ "num_buffers 0, packed", no_buffers, true, true, 0, false },
	{ "num_buffers 65535", buffers_beyond_the_ring, false, true, 0, false },
	{ "num_buffers 65", buffers_beyond_a_burst, false, true, 0, false },
	{ "num_buffers that never come", buffers_that_never_come, false, true, 0, true },
	{ "num_buffers without mergeable buffers", ignored_buffers, false, false, 3, true },
	{ "num_buffers 0 in the second", no_buffers_in_the_second, false, true, 1, false },
	{ "length 0", len_0, false, true, 0, false },
	{ "length 11", len_11, false, true, 0, false },
	{ "length 11, packed", len_11, true, true, 0, false },
	{ "length 12", len_12, false, true, 3, true },
	{ "length of the whole buffer", len_whole, false, true, 3, true },
	{ "one more", len_one_more, false, true, 0, false },
	{ "one more, packed", len_one_more, true, false, 0, false },
	{ "a header more", len_header_more, false, true, 0, false },
	{ "a header more, not mergeable", len_header_more, false, false, 0, false },
	{ "length 4 GiB - 1", len_max, false, true, 0, false },
	{ "lengths whose sum wraps", lens_that_wrap, false, true, 0, false },
	{ "lengths that fit in sum only", lens_that_add_up, false, true, 0, false },
	{ "a second buffer that is longer", second_len_too_long, false, true, 0, false },
	{ "a first buffer that is not full", first_buffer_not_full, false, true, 0, false },
	{ "a last buffer of nothing", last_buffer_empty, false, true, 2, true },
};

// Everything that a reader may look at.
static uint32_t touch(const struct ring_model *m, const struct vh_frame *f)
{
	uint32_t whole = m->r.slot_bytes + VH_RING_HDR_BYTES, left, sum = 0;
	const uint8_t *end = m->mem + m->bytes;

	assert_true(f->n_bufs >= 1 && f->n_bufs <= VH_RING_BURST);
	assert_true(f->first_bytes <= m->r.slot_bytes && f->first_bytes <= f->size_bytes);
	left = f->size_bytes - f->first_bytes;
	for (uint32_t i = 0; i < f->first_bytes; i++)
		sum += f->data[i];
	for (uint16_t k = 1; k < f->n_bufs; k++) {
		const uint8_t *p = vh_ring_piece(&m->r, f, k);
		uint32_t n = left < whole ? left : whole;

		assert_true(p >= m->mem && p + n <= end);
		for (uint32_t i = 0; i < n; i++)
			sum += p[i];
		left -= n;
	}
	assert_int_equal(left, 0);
	return sum;
}

static void a_lying_back_end_is_found_out_and_nothing_is_read_beyond_the_memory(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(lies) / sizeof(lies[0]); k++) {
		const struct lie *l = &lies[k];
		const struct vh_ring_params p = { .size = 64,
						  .slot_bytes = 244,
						  .rx = true,
						  .mergeable = l->mergeable,
						  .packed = l->packed };
		struct vh_frame f[VH_RING_BURST];
		struct ring_model m;
		int n;

		model_create(&m, &p);
		for (int i = 0; i < 3; i++)
			assert_true(model_deliver(&m, lie_frame, 60));
		l->tell(&m);
		n = vh_ring_take(&m.r, VH_RING_BURST, f);
		if (n != l->n_taken || m.r.broken == l->honest)
			fail_msg("%s: %d frames, %sbroken", l->what, n, m.r.broken ? "" : "not ");
		for (int i = 0; i < n; i++)
			touch(&m, &f[i]);
		vh_ring_release(&m.r);
		if (m.r.broken) { // and it stays so
			assert_int_equal(vh_ring_take(&m.r, VH_RING_BURST, f), 0);
			assert_false(vh_ring_has_used(&m.r)); // nothing to wake up for
		}
		vh_ring_reset(&m.r);
		assert_false(m.r.broken);
		model_destroy(&m);
	}
}

static void a_lying_back_end_of_a_sender_gets_no_more(void **state)
{
	(void)state;
	for (int k = 0; k < 3; k++) {
		const struct vh_ring_params p = { .size = 64, .slot_bytes = 100, .packed = k == 2 };
		uint8_t *frames[VH_RING_BURST];
		uint32_t lens[VH_RING_BURST] = { 60, 60, 60, 60 };
		struct model_chain c;
		struct ring_model m;
		uint32_t zero = 0;

		model_create(&m, &p);
		assert_int_equal(vh_ring_reserve(&m.r, 4, frames), 4);
		vh_ring_send(&m.r, 4, lens);
		assert_true(model_next(&m, &c));
		c.id = k == 0 ? c.id : 999;
		model_use(&m, 1, &c.id, &zero);
		if (k == 0)
			m.r.used->idx = 5; // of four
		// Slots enough are free, but it is not asked again.
		assert_int_equal(vh_ring_reserve(&m.r, 61, frames), 0);
		assert_true(m.r.broken);
		assert_int_equal(vh_ring_reserve(&m.r, 1, frames), 0);
		assert_true(m.r.n_ids <= 60);
		model_destroy(&m);
	}
}

static void memory_is_laid_out_without_overlap(void **state)
{
	static const uint32_t slot_bytes[] = { 64, 65, 1514, 2036, 9000, 65562 };
	static const uint32_t pieces[] = { 0, 64, 1000, 16384 };
	int n = 0;

	(void)state;
	for (uint16_t size = 64; size <= 1024; size *= 2) {
		for (uint32_t k = 0; k < 6 * 4 * 8; k++) {
			const struct vh_ring_params p = { .size = size,
							  .slot_bytes = slot_bytes[k % 6],
							  .piece_bytes = pieces[k / 6 % 4],
							  .packed = (k / 24 & 1) != 0,
							  .indirect = (k / 24 & 2) != 0,
							  .rx = (k / 24 & 4) != 0 };
			struct ring_model m;
			uint8_t *end;

			if (p.packed && !p.indirect && p.piece_bytes > 0)
				continue;
			model_create(&m, &p);
			end = m.mem + vh_ring_own_bytes(&p);
			if (!p.packed) {
				assert_true((uint8_t *)&m.r.desc[size] <= (uint8_t *)m.r.avail);
				assert_true((uint8_t *)&m.r.avail->ring[size + 1] <=
					    (uint8_t *)m.r.used);
				assert_true((uint8_t *)&m.r.used->ring[size] + 2 <= end);
			}
			if (m.r.tables != NULL)
				assert_true((uint8_t *)(m.r.tables +
							(uint32_t)size * m.r.n_pieces) <= end);
			for (uint16_t s = 0; s < m.r.n_slots; s++) {
				uint8_t *f = vh_ring_frame(&m.r, s);

				assert_int_equal((uintptr_t)f % 64, 0);
				assert_true((uint8_t *)vh_ring_hdr(f) >= end);
				assert_true(f + p.slot_bytes <= m.mem + m.bytes);
				end = f + p.slot_bytes;
			}
			n++;
			model_destroy(&m);
		}
	}
	assert_true(n > 500);
}

static int start(void **state)
{
	(void)state;
	seed = 1;
	return 0;
}

#define T(f) cmocka_unit_test_setup(f, start)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_sent_arrives_in_order_on_every_kind_of_ring),
		T(what_is_delivered_is_taken_in_order_on_every_kind_of_ring),
		T(a_frame_of_many_buffers_waits_until_all_have_come),
		T(the_back_end_is_kicked_when_it_asks),
		T(a_driver_is_called_when_it_sleeps_and_only_then),
		T(a_new_back_end_goes_on_where_the_last_one_stopped),
		T(a_packed_base_carries_both_wraps),
		T(a_lying_back_end_is_found_out_and_nothing_is_read_beyond_the_memory),
		T(a_lying_back_end_of_a_sender_gets_no_more),
		T(memory_is_laid_out_without_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
