// Layout of a ring and its slow paths. See vh_ring.h.
#include "vh_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

enum {
	PAGE = 4096,
	LINE = 64,
	DESC_BYTES = 16,
};

static uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

static uint16_t pieces_of(const struct vh_ring_params *p)
{
	uint32_t piece = p->piece_bytes;

	return p->rx || piece == 0 || piece >= p->slot_bytes + VH_RING_HDR_BYTES
		       ? 1
		       : (uint16_t)((p->slot_bytes + VH_RING_HDR_BYTES + piece - 1) / piece);
}

// Descriptors per slot, as a power of two: with indirect tables one is enough.
static uint8_t shift_of(const struct vh_ring_params *p)
{
	uint8_t shift = 0;

	while (!p->indirect && (1u << shift) < pieces_of(p))
		shift++;
	return shift;
}

// An odd number of cache lines: slots at a power of two apart would all meet in a few sets of the
// cache.
static uint32_t stride_of(const struct vh_ring_params *p)
{
	return (uint32_t)((round_up(LINE + p->slot_bytes, LINE) / LINE | 1) * LINE);
}

static uint16_t n_slots_of(const struct vh_ring_params *p)
{
	return (uint16_t)(p->size >> shift_of(p));
}

// The avail ring starts on its own cache line, the used ring too: each has one writer.
static uint64_t avail_offset(const struct vh_ring_params *p)
{
	return round_up((uint64_t)p->size * DESC_BYTES, LINE);
}

static uint64_t used_offset(const struct vh_ring_params *p)
{
	return avail_offset(p) + round_up(6 + 2 * (uint64_t)p->size, LINE);
}

static uint64_t tables_offset(const struct vh_ring_params *p)
{
	return used_offset(p) + round_up(6 + 8 * (uint64_t)p->size, LINE);
}

uint64_t vh_ring_own_bytes(const struct vh_ring_params *p)
{
	uint64_t tables =
		p->indirect && pieces_of(p) > 1 ? (uint64_t)DESC_BYTES * pieces_of(p) * p->size : 0;

	return round_up(tables_offset(p) + tables, PAGE);
}

uint64_t vh_ring_slots_bytes(const struct vh_ring_params *p)
{
	// The first frame's header needs a line before it, which a stride has in front.
	return round_up((uint64_t)stride_of(p) * n_slots_of(p) + LINE, PAGE);
}

int vh_ring_init(struct vh_ring *r, const struct vh_ring_params *p, uint8_t *own,
		 uint64_t own_guest_addr)
{
	*r = (struct vh_ring){
		.stride_bytes = stride_of(p),
		.slot_bytes = p->slot_bytes,
		.piece_bytes = p->piece_bytes,
		.size = p->size,
		.n_slots = n_slots_of(p),
		.n_pieces = pieces_of(p),
		.id_shift = shift_of(p),
		.packed = p->packed,
		.event_idx = p->event_idx,
		.mergeable = p->mergeable,
		.rx = p->rx,
		.kick_fd = -1,
		.call_fd = -1,
	};
	if (p->packed) {
		r->pdesc = (struct vring_packed_desc *)own;
		r->driver_event = (struct vring_packed_desc_event *)(own + avail_offset(p));
		r->device_event = (struct vring_packed_desc_event *)(own + used_offset(p));
	} else {
		r->desc = (struct vring_desc *)own;
		r->avail = (struct vring_avail *)(own + avail_offset(p));
		r->used = (struct vring_used *)(own + used_offset(p));
	}
	if (p->indirect && r->n_pieces > 1) {
		r->tables = (struct vring_desc *)(own + tables_offset(p));
		r->tables_guest_addr = own_guest_addr + tables_offset(p);
	}
	r->ids = calloc(p->size, sizeof(r->ids[0]));
	return r->ids == NULL ? -ENOMEM : 0;
}

void vh_ring_fini(struct vh_ring *r)
{
	free(r->ids);
	r->ids = NULL;
}

void vh_ring_slots(struct vh_ring *r, uint8_t *slots, uint64_t slots_guest_addr)
{
	r->slots = slots + LINE;
	r->slots_guest_addr = slots_guest_addr + LINE;
}

static uint64_t hdr_guest_addr(const struct vh_ring *r, uint16_t slot)
{
	return r->slots_guest_addr + (uint64_t)slot * r->stride_bytes - VH_RING_HDR_BYTES;
}

static void split_describe(struct vh_ring *r)
{
	for (uint16_t s = 0; s < r->n_slots; s++)
		r->desc[s << r->id_shift] = (struct vring_desc){
			.addr = hdr_guest_addr(r, s),
			.len = r->slot_bytes + VH_RING_HDR_BYTES,
			.flags = r->rx ? VRING_DESC_F_WRITE : 0,
		};
}

void vh_ring_reset(struct vh_ring *r)
{
	r->avail_idx = r->used_idx = r->ids_head = r->n_ids = r->n_in_flight = 0;
	r->avail_wrap = r->used_wrap = true;
	r->broken = false;
	if (r->packed) {
		memset(r->pdesc, 0, sizeof(r->pdesc[0]) * r->size);
		memset(r->driver_event, 0, sizeof(*r->driver_event));
		memset(r->device_event, 0, sizeof(*r->device_event));
	} else {
		split_describe(r);
		r->avail->idx = r->used->idx = 0;
		r->avail->flags = r->used->flags = 0;
	}
	vh_ring_calls(r, false);
	for (uint16_t s = 0; s < r->n_slots; s++) {
		memset(vh_ring_hdr(vh_ring_frame(r, s)), 0, VH_RING_HDR_BYTES);
		r->ids[s] = s;
	}
	r->n_ids = r->n_slots;
	if (r->rx) {
		r->n_ids = 0;
		r->n_in_flight = r->n_slots;
		if (r->packed) {
			vh_ring_packed_post(r, r->ids, NULL, r->n_slots);
		} else {
			for (uint16_t s = 0; s < r->n_slots; s++)
				r->avail->ring[s] = s;
			vh_ring_publish(r, r->n_slots);
		}
	}
}

uint32_t vh_ring_base(const struct vh_ring *r)
{
	// Packed (VIRTIO-user, SET_VRING_BASE): avail index and wrap in the low half, used in the
	// high half. What a back-end had taken and not used is lost to it; a fresh ring starts at 0
	// with both wraps set.
	if (r->packed)
		return ((uint32_t)r->used_wrap << 31 | (uint32_t)r->used_idx << 16) |
		       ((uint32_t)r->used_wrap << 15 | r->used_idx);
	return r->used->idx;
}

void vh_ring_kick(struct vh_ring *r)
{
	if (r->kick_fd >= 0) {
		eventfd_write(r->kick_fd, 1);
		r->n_kicks++;
	}
}

// The pieces of a long frame: the first descriptor of the slot points at an indirect table, or
// begins a chain.
void vh_ring_chain(struct vh_ring *r, uint16_t slot, uint32_t size_bytes)
{
	uint32_t left = size_bytes + VH_RING_HDR_BYTES;
	uint16_t head = (uint16_t)(slot << r->id_shift), n = 0;
	struct vring_desc *d =
		r->tables == NULL ? r->desc + head : r->tables + (uint32_t)slot * r->n_pieces;
	uint16_t first = r->tables == NULL ? head : 0;
	uint64_t addr = hdr_guest_addr(r, slot);

	do {
		uint32_t len = left < r->piece_bytes ? left : r->piece_bytes;

		left -= len;
		d[n] = (struct vring_desc){ addr, len, left > 0 ? VRING_DESC_F_NEXT : 0,
					    (uint16_t)(first + n + 1) };
		addr += len;
		n++;
	} while (left > 0);
	if (r->tables == NULL)
		return;
	if (n == 1) {
		r->desc[head] = d[0];
		return;
	}
	r->desc[head] = (struct vring_desc){
		.addr = r->tables_guest_addr + (uint64_t)slot * r->n_pieces * DESC_BYTES,
		.len = n * (uint32_t)DESC_BYTES,
		.flags = VRING_DESC_F_INDIRECT,
	};
}

// A frame of several buffers: all but the last are full, as each back-end leaves them, so that
// their lengths need not be kept.
void vh_ring_merge(struct vh_ring *r, struct vh_frame *f, const uint32_t *lens)
{
	uint32_t whole = r->slot_bytes + VH_RING_HDR_BYTES;
	uint16_t n = f->n_bufs;

	if (n == 0 || n > VH_RING_BURST) {
		r->broken = true;
		return;
	}
	for (uint16_t k = 0; k < n; k++)
		if (k + 1 < n ? lens[k] != whole : lens[k] > whole)
			r->broken = true;
	f->size_bytes = (uint32_t)(n - 1) * whole - VH_RING_HDR_BYTES + lens[n - 1];
}

// VIRTIO 1.2, 2.8.1: a descriptor is used when both its flags equal our wrap counter.
static bool packed_is_used(const struct vh_ring *r, uint16_t idx, bool wrap)
{
	uint16_t flags = __atomic_load_n(&r->pdesc[idx].flags, __ATOMIC_ACQUIRE);
	bool avail = (flags >> VRING_PACKED_DESC_F_AVAIL & 1) != 0;
	bool used = (flags >> VRING_PACKED_DESC_F_USED & 1) != 0;

	return avail == wrap && used == wrap;
}

uint16_t vh_ring_packed_used(struct vh_ring *r, uint16_t n_max, uint16_t *slots, uint32_t *lens)
{
	uint16_t idx = r->used_idx, n = 0;
	bool wrap = r->used_wrap;

	while (!r->broken && n < n_max && n < r->n_in_flight && packed_is_used(r, idx, wrap)) {
		slots[n] = __atomic_load_n(&r->pdesc[idx].id, __ATOMIC_RELAXED);
		lens[n] = __atomic_load_n(&r->pdesc[idx].len, __ATOMIC_RELAXED);
		if (slots[n] >= r->n_slots) {
			r->broken = true;
			return 0;
		}
		n++;
		if (++idx == r->size) {
			idx = 0;
			wrap = !wrap;
		}
	}
	return n;
}

// A frame of several pieces, through a table in the packed form (VIRTIO 1.2, 2.8.7: its flags say
// nothing).
static void packed_table(struct vh_ring *r, uint16_t slot, uint32_t size_bytes,
			 struct vring_packed_desc *out)
{
	struct vring_packed_desc *d =
		(struct vring_packed_desc *)(r->tables + (uint32_t)slot * r->n_pieces);
	uint32_t left = size_bytes + VH_RING_HDR_BYTES;
	uint64_t addr = hdr_guest_addr(r, slot);
	uint16_t n = 0;

	for (; left > 0; n++) {
		uint32_t len = left < r->piece_bytes ? left : r->piece_bytes;

		d[n] = (struct vring_packed_desc){ .addr = addr, .len = len };
		addr += len;
		left -= len;
	}
	out->addr = r->tables_guest_addr + (uint64_t)slot * r->n_pieces * DESC_BYTES;
	out->len = n * (uint32_t)DESC_BYTES;
	out->flags = VRING_DESC_F_INDIRECT;
}

void vh_ring_packed_post(struct vh_ring *r, const uint16_t *slots, const uint32_t *lens, uint16_t n)
{
	uint16_t first = r->avail_idx, first_flags = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct vring_packed_desc d = {
			.addr = hdr_guest_addr(r, slots[i]),
			.len = (lens == NULL ? r->slot_bytes : lens[i]) + VH_RING_HDR_BYTES,
			.id = slots[i],
			.flags = r->rx ? VRING_DESC_F_WRITE : 0,
		};
		uint16_t flags;

		if (lens != NULL && d.len > r->piece_bytes && r->n_pieces > 1)
			packed_table(r, slots[i], lens[i], &d);
		flags = d.flags | (uint16_t)((uint32_t)r->avail_wrap << VRING_PACKED_DESC_F_AVAIL |
					     (uint32_t)!r->avail_wrap << VRING_PACKED_DESC_F_USED);
		// The first one's flags go last: they make the burst visible.
		if (i == 0)
			first_flags = flags;
		d.flags = i == 0 ? r->pdesc[first].flags : flags;
		r->pdesc[r->avail_idx] = d;
		if (++r->avail_idx == r->size) {
			r->avail_idx = 0;
			r->avail_wrap = !r->avail_wrap;
		}
	}
	if (n == 0)
		return;
	__atomic_store_n(&r->pdesc[first].flags, first_flags, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	// An event at a certain descriptor is answered too early rather than too late.
	if (__atomic_load_n(&r->device_event->flags, __ATOMIC_RELAXED) !=
	    VRING_PACKED_EVENT_FLAG_DISABLE)
		vh_ring_kick(r);
}

void vh_ring_calls(struct vh_ring *r, bool wanted)
{
	if (r->packed) {
		r->driver_event->flags =
			wanted ? VRING_PACKED_EVENT_FLAG_ENABLE : VRING_PACKED_EVENT_FLAG_DISABLE;
	} else if (r->event_idx) {
		// VIRTIO 1.2, 2.7.7.1: with event index the flag has no say; an event half a ring
		// behind is never passed in time to matter.
		r->avail->ring[r->size] =
			wanted ? r->used_idx : (uint16_t)(r->used_idx - 1 - r->size);
	} else {
		r->avail->flags = wanted ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST); // the wish before the last look
}

bool vh_ring_has_used(struct vh_ring *r)
{
	uint16_t slots[1];
	uint32_t lens[1];

	if (r->broken)
		return false;
	return r->packed ? vh_ring_packed_used(r, 1, slots, lens) > 0
			 : __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) != r->used_idx;
}
