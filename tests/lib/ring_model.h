// An honest back-end for one virtqueue, as plain as it can be: it trusts nothing that it is told,
// and asserts instead (VIRTIO 1.2, 2.7 and 2.8). Tests and fuzzers of the driver's side play
// against it.
#ifndef RING_MODEL_H
#define RING_MODEL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vh_ring.h"

enum {
	MODEL_GUEST_ADDR = 0x7000000,
	MODEL_FRAME_MAX = 70000,
};

struct ring_model {
	struct vh_ring r; // the driver's side
	struct vh_ring_params p;
	uint8_t *mem; // mem[bytes]: rings and slots, at MODEL_GUEST_ADDR for the guest
	uint64_t bytes;
	uint16_t avail_idx, used_idx; // where this side stands
	bool avail_wrap, used_wrap;
};

static inline void model_restart(struct ring_model *m)
{
	m->avail_idx = m->used_idx = 0;
	m->avail_wrap = m->used_wrap = true;
}

static inline void model_create(struct ring_model *m, const struct vh_ring_params *p)
{
	uint64_t own = vh_ring_own_bytes(p);

	memset(m, 0, sizeof(*m));
	m->p = *p;
	m->bytes = own + vh_ring_slots_bytes(p);
	m->mem = aligned_alloc(4096, m->bytes);
	assert(m->mem != NULL && own % 4096 == 0);
	memset(m->mem, 0, m->bytes);
	if (vh_ring_init(&m->r, p, m->mem, MODEL_GUEST_ADDR) < 0)
		abort();
	vh_ring_slots(&m->r, m->mem + own, MODEL_GUEST_ADDR + own);
	vh_ring_reset(&m->r);
	model_restart(m);
}

static inline void model_destroy(struct ring_model *m)
{
	vh_ring_fini(&m->r);
	free(m->mem);
}

static inline uint8_t *model_at(const struct ring_model *m, uint64_t guest_addr, uint64_t size)
{
	uint64_t offset = guest_addr - MODEL_GUEST_ADDR;

	assert(offset < m->bytes && size <= m->bytes - offset);
	return m->mem + offset;
}

// A chain of the driver's: its buffers in order.
struct model_chain {
	uint16_t id, n;
	struct {
		uint8_t *data;
		uint32_t size;
	} bufs[2048];
};

static inline void model_buf(const struct ring_model *m, struct model_chain *c, uint64_t addr,
			     uint32_t size, uint16_t flags)
{
	// VIRTIO 1.2, 2.7.5: a chain is not longer than the queue; a buffer has one direction.
	assert(c->n < m->p.size && c->n < 2048 && size > 0);
	assert(((flags & VRING_DESC_F_WRITE) != 0) == m->p.rx);
	c->bufs[c->n].data = model_at(m, addr, size);
	c->bufs[c->n++].size = size;
}

static inline bool model_next_split(struct ring_model *m, struct model_chain *c)
{
	const struct vring_desc *table = m->r.desc, *d;
	uint32_t n_table = m->p.size, idx;

	if (__atomic_load_n(&m->r.avail->idx, __ATOMIC_ACQUIRE) == m->avail_idx)
		return false;
	c->n = 0;
	c->id = m->r.avail->ring[m->avail_idx++ & (m->p.size - 1)];
	idx = c->id;
	assert(idx < n_table);
	if ((table[idx].flags & VRING_DESC_F_INDIRECT) != 0) {
		d = &table[idx];
		assert(m->p.indirect && d->flags == VRING_DESC_F_INDIRECT && d->len % 16 == 0);
		table = (const struct vring_desc *)model_at(m, d->addr, d->len);
		n_table = d->len / 16;
		idx = 0;
	}
	do {
		assert(idx < n_table);
		d = &table[idx];
		assert((d->flags & VRING_DESC_F_INDIRECT) == 0);
		model_buf(m, c, d->addr, d->len, d->flags);
		idx = d->next;
	} while ((d->flags & VRING_DESC_F_NEXT) != 0);
	return true;
}

static inline bool model_next_packed(struct ring_model *m, struct model_chain *c)
{
	const struct vring_packed_desc *d = &m->r.pdesc[m->avail_idx], *table;
	uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);

	if ((flags >> VRING_PACKED_DESC_F_AVAIL & 1) != m->avail_wrap ||
	    (flags >> VRING_PACKED_DESC_F_USED & 1) == m->avail_wrap)
		return false;
	c->n = 0;
	c->id = d->id;
	assert((flags & VRING_DESC_F_NEXT) == 0);
	if ((flags & VRING_DESC_F_INDIRECT) != 0) {
		assert(m->p.indirect && d->len % 16 == 0);
		table = (const struct vring_packed_desc *)model_at(m, d->addr, d->len);
		for (uint32_t i = 0; i < d->len / 16; i++)
			model_buf(m, c, table[i].addr, table[i].len, table[i].flags);
	} else {
		model_buf(m, c, d->addr, d->len, flags);
	}
	if (++m->avail_idx == m->p.size) {
		m->avail_idx = 0;
		m->avail_wrap = !m->avail_wrap;
	}
	return true;
}

// Take what the driver offers next. returns false when there is nothing
static inline bool model_next(struct ring_model *m, struct model_chain *c)
{
	return m->p.packed ? model_next_packed(m, c) : model_next_split(m, c);
}

// Give n of them back at once.
static inline void model_use(struct ring_model *m, uint16_t n, const uint16_t *ids,
			     const uint32_t *lens)
{
	for (uint16_t i = 0; i < n; i++) {
		struct vring_packed_desc *d;

		if (!m->p.packed) {
			m->r.used->ring[m->used_idx++ & (m->p.size - 1)] =
				(struct vring_used_elem){ ids[i], lens[i] };
			continue;
		}
		d = &m->r.pdesc[m->used_idx];
		d->id = ids[i];
		d->len = lens[i];
		__atomic_store_n(&d->flags,
				 (uint16_t)(m->used_wrap << VRING_PACKED_DESC_F_AVAIL |
					    m->used_wrap << VRING_PACKED_DESC_F_USED),
				 __ATOMIC_RELEASE);
		if (++m->used_idx == m->p.size) {
			m->used_idx = 0;
			m->used_wrap = !m->used_wrap;
		}
	}
	if (!m->p.packed)
		__atomic_store_n(&m->r.used->idx, m->used_idx, __ATOMIC_RELEASE);
}

// The bytes of a chain that the driver sent, header included. returns how many
static inline uint32_t model_gather(const struct model_chain *c, uint8_t *out)
{
	uint32_t size = 0;

	for (uint16_t i = 0; i < c->n; i++) {
		assert(size + c->bufs[i].size <= MODEL_FRAME_MAX);
		memcpy(out + size, c->bufs[i].data, c->bufs[i].size);
		size += c->bufs[i].size;
	}
	return size;
}

// Deliver a frame to a driver that receives, in as many buffers as it needs.
//
// returns  false = there were not enough; they are not given back then
static inline bool model_deliver(struct ring_model *m, const uint8_t *frame, uint32_t size)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = { 0 };
	uint8_t bytes[MODEL_FRAME_MAX];
	uint32_t left = size + VH_RING_HDR_BYTES, at = 0, lens[300];
	uint16_t ids[300], n = 0;
	struct model_chain c;
	uint8_t *first = NULL;

	memcpy(bytes + VH_RING_HDR_BYTES, frame, size);
	memcpy(bytes, &hdr, VH_RING_HDR_BYTES);
	while (left > 0) {
		if (n == 300 || !model_next(m, &c))
			return false;
		assert(c.n == 1);
		if (first == NULL)
			first = c.bufs[0].data;
		lens[n] = left < c.bufs[0].size ? left : c.bufs[0].size;
		memcpy(c.bufs[0].data, bytes + at, lens[n]);
		at += lens[n];
		left -= lens[n];
		ids[n++] = c.id;
	}
	((struct virtio_net_hdr_mrg_rxbuf *)first)->num_buffers = n;
	model_use(m, n, ids, lens);
	return true;
}

#endif
