// Builders of the PDUs that storage protocols send, for tests: each appends to a buffer.
#ifndef PDU_MAKE_H
#define PDU_MAKE_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	uint8_t b[70000];
	size_t n;
};

static inline void put(struct bytes *o, const void *p, size_t n)
{
	assert(o->n + n <= sizeof(o->b));
	memcpy(o->b + o->n, p, n);
	o->n += n;
}

static inline void put_zeros(struct bytes *o, size_t n)
{
	assert(o->n + n <= sizeof(o->b));
	memset(o->b + o->n, 0, n);
	o->n += n;
}

static inline void put_be32(struct bytes *o, uint32_t v)
{
	put(o,
	    (uint8_t[4]){ (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v },
	    4);
}

static inline void put_le32(struct bytes *o, uint32_t v)
{
	put(o,
	    (uint8_t[4]){ (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24) },
	    4);
}

// Data that is like no header, so many bytes.
static inline void put_data(struct bytes *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(o, &(uint8_t){ (uint8_t)(0xd0 | (i & 7)) }, 1);
}

// --- iSCSI: a basic header segment with its data, padded. bhs gives all but the data's size.
struct iscsi {
	uint8_t op, flags, byte2, byte3, ahs_words;
	uint32_t tag, word20, word36; // expected length; status class and detail
	const void *data;	      // NULL = data that is like no header
	uint32_t size;
};

static inline void put_iscsi(struct bytes *o, struct iscsi i)
{
	put(o, (uint8_t[]){ i.op, i.flags, i.byte2, i.byte3 }, 4);
	put_be32(o, (uint32_t)i.ahs_words << 24 | i.size);
	put_zeros(o, 8);
	put_be32(o, i.tag);
	put_be32(o, i.word20);
	put_zeros(o, 12);
	put_be32(o, i.word36);
	put_zeros(o, 8);
	put_data(o, 4u * i.ahs_words);
	if (i.data != NULL)
		put(o, i.data, i.size);
	else
		put_data(o, i.size);
	put_zeros(o, (4 - i.size % 4) % 4);
}

// --- NVMe/TCP
static inline void put_nvme(struct bytes *o, uint8_t type, uint8_t flags, uint8_t hlen,
			    uint32_t data)
{
	uint32_t digest = (flags & 1) != 0 ? 4 : 0, ddgst = (flags & 2) != 0 ? 4 : 0;

	put(o, (uint8_t[]){ type, flags, hlen, data > 0 ? (uint8_t)(hlen + digest) : 0 }, 4);
	put_le32(o, hlen + digest + data + (data > 0 ? ddgst : 0));
}

static inline void put_nvme_tail(struct bytes *o, uint8_t flags, uint32_t data)
{
	put_data(o, (flags & 1) != 0 ? 4 : 0);
	put_data(o, data);
	put_data(o, data > 0 && (flags & 2) != 0 ? 4 : 0);
}

static inline void put_nvme_command(struct bytes *o, uint8_t opcode, uint16_t cid, uint32_t nsid,
				    uint32_t bytes, uint32_t in_capsule)
{
	put_nvme(o, 4, 0, 72, in_capsule);
	put(o, (uint8_t[]){ opcode, 0x40, (uint8_t)cid, (uint8_t)(cid >> 8) }, 4);
	put_le32(o, nsid);
	put_zeros(o, 24);
	put_le32(o, bytes);
	put_zeros(o, 28);
	put_nvme_tail(o, 0, in_capsule);
}

static inline void put_nvme_response(struct bytes *o, uint16_t cid, uint16_t status, uint8_t flags)
{
	put_nvme(o, 5, flags, 24, 0);
	put_zeros(o, 12);
	put_le32(o, (uint32_t)status << 17 | 1u << 16 | cid); // with a phase bit
	put_nvme_tail(o, flags, 0);
}

static inline void put_nvme_data(struct bytes *o, uint8_t type, uint8_t flags, uint16_t cid,
				 uint32_t size)
{
	put_nvme(o, type, flags, 24, size);
	put_le32(o, cid);
	put_zeros(o, 4);
	put_le32(o, size);
	put_zeros(o, 4);
	put_nvme_tail(o, flags, size);
}

static inline void put_nvme_ic(struct bytes *o, uint8_t type)
{
	put_nvme(o, type, 0, 128, 0);
	put_zeros(o, 120);
}

// --- RPC. A message without its record mark, then put_record.
static inline void put_opaque(struct bytes *o, const void *p, uint32_t n)
{
	put_be32(o, n);
	put(o, p, n);
	put_zeros(o, (4 - n % 4) % 4);
}

// AUTH_SYS, as a Linux client sends it.
static inline void put_call(struct bytes *o, uint32_t xid, uint32_t prog, uint32_t vers,
			    uint32_t proc)
{
	const uint32_t fixed[] = { xid, 0, 2, prog, vers, proc, 1, 32 };

	for (size_t i = 0; i < 8; i++)
		put_be32(o, fixed[i]);
	put_be32(o, 7);
	put_opaque(o, "client1", 7);
	for (size_t i = 0; i < 5; i++)
		put_be32(o, i == 2 ? 2 : 0);
	put_zeros(o, 8);
}

static inline void put_reply(struct bytes *o, uint32_t xid, uint32_t status)
{
	put_be32(o, xid);
	put_be32(o, 1);
	put_zeros(o, 12);
	put_be32(o, status);
}

// As fragments of at most so many bytes; the first of at least 20.
static inline void put_record(struct bytes *o, const struct bytes *message, size_t fragment)
{
	for (size_t at = 0; at < message->n;) {
		size_t max = at == 0 && fragment < 20 ? 20 : fragment, left = message->n - at;
		size_t n = left < max ? left : max;

		put_be32(o, (n == left ? 0x80000000u : 0) | (uint32_t)n);
		put(o, message->b + at, n);
		at += n;
	}
}

#endif
