// The driver's side of one virtqueue, as a guest's kernel keeps it: split or packed, with or
// without event index.
//
// Each ring owns slots, one frame each, in memory that the back-end maps too. A slot's frame begins
// on a cache line and its virtio-net header stands right before it, in the line before: what a DPDK
// guest does, and Linux with headroom. Descriptors point at their slots for ever; sending changes a
// length at most.
//
// Sending:	n = vh_ring_reserve(r, 32, frames);	// slots that the back-end has given back
//		...write frames[i], at most r->slot_bytes bytes, and lens[i]...
//		vh_ring_send(r, n, lens);
// Receiving:	n = vh_ring_take(r, 32, rx);
//		...read rx[i].data...
//		vh_ring_release(r);			// the back-end may fill the slots again
//
// One thread per ring; nothing here blocks but the write to a kick descriptor, which happens only
// when the back-end asks for it. What the back-end writes is read once and checked: nonsense sets
// `broken`, and a broken ring moves nothing more. Source: VIRTIO 1.2, 2.7 (split), 2.8
// (packed), 5.1.6 (network device operation).
#ifndef VH_RING_H
#define VH_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

enum {
	VH_RING_HDR_BYTES = 12, // struct virtio_net_hdr_mrg_rxbuf: VIRTIO_F_VERSION_1 is required
	VH_RING_BURST = 64,	// frames per call at most
	VH_RING_SIZE_MIN = 64,
	VH_RING_SIZE_MAX = 16384,
};

struct vh_frame {
	uint8_t *data;	      // the first byte of the frame
	uint32_t size_bytes;  // of the whole frame
	uint32_t first_bytes; // of them in the first buffer; the rest: vh_ring_piece()
	uint16_t n_bufs;
	uint16_t taken_idx;
};

struct vh_ring {
	struct vring_desc *desc; // split
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_packed_desc *pdesc; // packed
	struct vring_packed_desc_event *driver_event, *device_event;
	struct vring_desc
		*tables; // indirect tables, n_pieces for each slot; NULL = chains of descriptors
	uint8_t *slots;	 // slot i's frame: slots + i * stride_bytes
	uint16_t *ids;	 // tx: free slots, a FIFO; rx: slots taken and not yet released
	uint64_t slots_guest_addr; // guest physical address of `slots`
	uint64_t tables_guest_addr;
	uint32_t stride_bytes, slot_bytes;
	uint32_t piece_bytes;	// a longer frame is sent in pieces of this size
	uint16_t size, n_slots; // descriptors; slots
	uint16_t n_pieces;	// tx: of the longest frame
	uint8_t id_shift;	// a slot's first descriptor is slot << id_shift
	bool packed, event_idx, mergeable, rx;
	bool avail_wrap, used_wrap; // packed
	bool broken;		    // the back-end wrote nonsense
	uint16_t avail_idx, used_idx;
	uint16_t ids_head, n_ids;
	uint16_t n_in_flight; // slots that the back-end has
	int kick_fd, call_fd;
	uint64_t n_kicks;
};

// Slow paths of the functions below.
void vh_ring_kick(struct vh_ring *r);
void vh_ring_chain(struct vh_ring *r, uint16_t slot, uint32_t size_bytes);
uint16_t vh_ring_packed_used(struct vh_ring *r, uint16_t n_max, uint16_t *slots, uint32_t *lens);
void vh_ring_packed_post(struct vh_ring *r, const uint16_t *slots, const uint32_t *lens,
			 uint16_t n);
void vh_ring_merge(struct vh_ring *r, struct vh_frame *f, const uint32_t *lens);

static inline uint8_t *vh_ring_frame(const struct vh_ring *r, uint16_t slot)
{
	return r->slots + (uint64_t)slot * r->stride_bytes;
}

// The header of a frame that vh_ring_reserve() or vh_ring_take() returned. A sender finds what it
// wrote there last.
static inline struct virtio_net_hdr_mrg_rxbuf *vh_ring_hdr(uint8_t *frame)
{
	return (struct virtio_net_hdr_mrg_rxbuf *)(frame - VH_RING_HDR_BYTES);
}

// VIRTIO 1.2, 2.7.10.1: does moving the index from `from` to `to` pass the event?
static inline bool vh_ring_event_passed(uint16_t event, uint16_t to, uint16_t from)
{
	return (uint16_t)(to - event - 1) < (uint16_t)(to - from);
}

// Make the entries up to avail_idx + n visible, and kick if the back-end wants it.
static inline void vh_ring_publish(struct vh_ring *r, uint16_t n)
{
	uint16_t from = r->avail_idx;
	bool kick;

	r->avail_idx = (uint16_t)(from + n);
	__atomic_store_n(&r->avail->idx, r->avail_idx, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); // the index before the question
	if (r->event_idx) {
		const uint16_t *event = (const uint16_t *)&r->used->ring[r->size];

		kick = vh_ring_event_passed(__atomic_load_n(event, __ATOMIC_RELAXED), r->avail_idx,
					    from);
	} else {
		kick = (__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED) &
			VRING_USED_F_NO_NOTIFY) == 0;
	}
	if (__builtin_expect(kick, 0))
		vh_ring_kick(r);
}

// Used entries, at most n_max, as slots and lengths. Checks what the back-end wrote.
static inline uint16_t vh_ring_used(struct vh_ring *r, uint16_t n_max, uint16_t *slots,
				    uint32_t *lens)
{
	uint16_t n = (uint16_t)(__atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE) - r->used_idx);

	if (n == 0 || r->broken)
		return 0;
	if (__builtin_expect(n > r->n_in_flight, 0)) {
		r->broken = true;
		return 0;
	}
	if (n > n_max)
		n = n_max;
	for (uint16_t i = 0; i < n; i++) {
		const struct vring_used_elem *e =
			&r->used->ring[(uint16_t)(r->used_idx + i) & (r->size - 1)];
		uint32_t slot = __atomic_load_n(&e->id, __ATOMIC_RELAXED) >> r->id_shift;

		if (__builtin_expect(slot >= r->n_slots, 0)) {
			r->broken = true;
			return 0;
		}
		slots[i] = (uint16_t)slot;
		lens[i] = __atomic_load_n(&e->len, __ATOMIC_RELAXED);
	}
	return n;
}

// Step over the first n of them.
static inline void vh_ring_used_advance(struct vh_ring *r, uint16_t n)
{
	r->used_idx = (uint16_t)(r->used_idx + n);
	if (r->packed && r->used_idx >= r->size) {
		r->used_idx = (uint16_t)(r->used_idx - r->size);
		r->used_wrap = !r->used_wrap;
	}
}

// Take back what the back-end has sent: r->n_ids slots are free then.
static inline void vh_ring_reclaim(struct vh_ring *r)
{
	uint16_t slots[VH_RING_BURST], n;
	uint32_t lens[VH_RING_BURST];

	do {
		n = r->packed ? vh_ring_packed_used(r, VH_RING_BURST, slots, lens)
			      : vh_ring_used(r, VH_RING_BURST, slots, lens);
		for (uint16_t i = 0; i < n; i++)
			r->ids[(uint16_t)(r->ids_head + r->n_ids + i) & (r->size - 1)] = slots[i];
		r->n_ids = (uint16_t)(r->n_ids + n);
		r->n_in_flight = (uint16_t)(r->n_in_flight - n);
		vh_ring_used_advance(r, n);
	} while (n == VH_RING_BURST);
}

// Free slots to write frames into. Reserving has no effect until vh_ring_send(), so the rest may be
// left.
//
// n        1..VH_RING_BURST
// frames   frames[n]: where to write, one cache line's start each
// returns  how many there are, 0..n
static inline uint16_t vh_ring_reserve(struct vh_ring *r, uint16_t n, uint8_t **frames)
{
	if (r->n_ids < n)
		vh_ring_reclaim(r);
	if (__builtin_expect(r->broken, 0))
		return 0;
	if (n > r->n_ids)
		n = r->n_ids;
	for (uint16_t i = 0; i < n; i++)
		frames[i] = vh_ring_frame(r, r->ids[(uint16_t)(r->ids_head + i) & (r->size - 1)]);
	return n;
}

// Hand the first n reserved slots to the back-end, in order.
//
// lens     lens[n]: bytes of each frame, 1..r->slot_bytes
static inline void vh_ring_send(struct vh_ring *r, uint16_t n, const uint32_t *lens)
{
	uint16_t slots[VH_RING_BURST];

	for (uint16_t i = 0; i < n; i++) {
		uint16_t slot = r->ids[(uint16_t)(r->ids_head + i) & (r->size - 1)];
		uint16_t head = (uint16_t)(slot << r->id_shift);

		slots[i] = slot;
		if (r->packed)
			continue;
		// Compare first: most frames are as long as the last one here.
		if (__builtin_expect(r->n_pieces > 1, 0))
			vh_ring_chain(r, slot, lens[i]);
		else if (r->desc[head].len != lens[i] + VH_RING_HDR_BYTES)
			r->desc[head].len = lens[i] + VH_RING_HDR_BYTES;
		r->avail->ring[(uint16_t)(r->avail_idx + i) & (r->size - 1)] = head;
	}
	r->ids_head = (uint16_t)(r->ids_head + n);
	r->n_ids = (uint16_t)(r->n_ids - n);
	r->n_in_flight = (uint16_t)(r->n_in_flight + n);
	if (n == 0)
		return;
	if (r->packed)
		vh_ring_packed_post(r, slots, lens, n);
	else
		vh_ring_publish(r, n);
}

// The frames that have arrived, each within its buffers. They are the caller's until
// vh_ring_release(), which must come before the next take.
//
// n_max    1..VH_RING_BURST
// returns  how many, 0..n_max
static inline uint16_t vh_ring_take(struct vh_ring *r, uint16_t n_max, struct vh_frame *frames)
{
	uint32_t lens[VH_RING_BURST];
	uint16_t *slots = r->ids;
	uint16_t n_bufs = r->packed ? vh_ring_packed_used(r, VH_RING_BURST, slots, lens)
				    : vh_ring_used(r, VH_RING_BURST, slots, lens);
	uint16_t n = 0, b = 0;

	for (uint16_t i = 0; i < n_bufs; i++) {
		__builtin_prefetch(vh_ring_frame(r, slots[i]) - VH_RING_HDR_BYTES);
		__builtin_prefetch(vh_ring_frame(r, slots[i]));
	}
	while (n < n_max && b < n_bufs) {
		struct vh_frame *f = &frames[n];
		uint16_t n_of = 1;

		f->data = vh_ring_frame(r, slots[b]);
		if (r->mergeable)
			n_of = __atomic_load_n(&vh_ring_hdr(f->data)->num_buffers,
					       __ATOMIC_RELAXED);
		f->taken_idx = b;
		f->n_bufs = n_of;
		f->first_bytes = lens[b] - VH_RING_HDR_BYTES; // shorter: it wraps, and is too long
		f->size_bytes = f->first_bytes;
		if (__builtin_expect(n_of != 1, 0)) {
			if (b + n_of > n_bufs && n_of <= VH_RING_BURST)
				break; // the rest of it comes with the next call
			vh_ring_merge(r, f, &lens[b]);
		}
		if (__builtin_expect(f->first_bytes > r->slot_bytes, 0))
			r->broken = true;
		if (__builtin_expect(r->broken, 0))
			break;
		b = (uint16_t)(b + n_of);
		n++;
	}
	r->n_ids = b;
	return n;
}

// A later piece of a frame that has several buffers.
//
// k        1..f->n_bufs - 1; each piece but the last has r->slot_bytes + VH_RING_HDR_BYTES bytes
static inline uint8_t *vh_ring_piece(const struct vh_ring *r, const struct vh_frame *f, uint16_t k)
{
	return vh_ring_frame(r, r->ids[f->taken_idx + k]) - VH_RING_HDR_BYTES;
}

// Give the buffers of the last vh_ring_take() back.
static inline void vh_ring_release(struct vh_ring *r)
{
	uint16_t n = r->n_ids;

	if (n == 0)
		return;
	r->n_ids = 0;
	vh_ring_used_advance(r, n);
	if (r->packed) {
		vh_ring_packed_post(r, r->ids, NULL, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		r->avail->ring[(uint16_t)(r->avail_idx + i) & (r->size - 1)] =
			(uint16_t)(r->ids[i] << r->id_shift);
	vh_ring_publish(r, n);
}

// Does the guest want to be called (its call_fd written) when the back-end uses a slot?
void vh_ring_calls(struct vh_ring *r, bool wanted);

// Has the back-end used a slot? The last look before a guest sleeps, after vh_ring_calls(r, true).
bool vh_ring_has_used(struct vh_ring *r);

// What a ring needs.
struct vh_ring_params {
	uint16_t size;	      // descriptors, a power of two
	uint32_t slot_bytes;  // of the longest frame; rx: of a buffer without its header
	uint32_t piece_bytes; // tx: longer frames are chains of pieces; 0 = one piece each
	bool rx, packed, indirect, event_idx, mergeable;
};

// Bytes of shared memory: the ring's own and its slots'. Both are multiples of 4096.
//
// p        sizes in range; packed needs indirect where a frame has several pieces
uint64_t vh_ring_own_bytes(const struct vh_ring_params *p);
uint64_t vh_ring_slots_bytes(const struct vh_ring_params *p);

// Lay a ring out in memory and, for rx, give all slots to the back-end. Nothing is in flight.
//
// own        zeroed, vh_ring_own_bytes(p), page-aligned, at own_guest_addr for the guest
// slots      vh_ring_slots_bytes(p), page-aligned, at slots_guest_addr
// returns    0; -ENOMEM. vh_ring_fini() frees what it allocated; descriptors stay the caller's
int vh_ring_init(struct vh_ring *r, const struct vh_ring_params *p, uint8_t *own,
		 uint64_t own_guest_addr);
void vh_ring_slots(struct vh_ring *r, uint8_t *slots, uint64_t slots_guest_addr);
void vh_ring_fini(struct vh_ring *r);

// Begin anew, as a driver after a reset; slots in flight are ours again.
void vh_ring_reset(struct vh_ring *r);

// Where the back-end goes on after it was away: VIRTIO has no word for it, QEMU uses used->idx of a
// split ring.
//
// returns  the base for SET_VRING_BASE, in the form of the ring's kind
uint32_t vh_ring_base(const struct vh_ring *r);

#endif
