// A frame of ours: made with one cache line written, recognised with one read.
//
// Ethernet, perhaps one tag, IPv4, UDP or TCP, and a stamp within the first 64 bytes: which lane
// sent it, its number, when, and a check over these. UDP carries the stamp behind its header; TCP
// has no room for it in 64 bytes, so the number is its sequence number, the time its
// acknowledgement number, and the rest is payload. Everything behind the first 64 bytes is a fixed
// pattern.
#ifndef PG_FRAME_H
#define PG_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	PG_LINE = 64,
	PG_TIME_SHIFT = 4, // stamps count TSC / 16: 6 ns, and wrap after 26 s at 2.6 GHz
	PG_ISCSI_PORT = 3260,
	PG_FLOOD_PORT = 9, // discard
	PG_PATTERN_BYTES = 66 * 1024,
	PG_FIRST_SRC_PORT = 49152, // RFC 6335: dynamic; never one that a guard watches
};

// What a lane's frames have in common, and where the differences go.
struct pg_template {
	uint8_t line[PG_LINE] __attribute__((aligned(64)));
	uint8_t l3, l4, port; // offsets; port: the one that differs between flows
	bool tcp, csum; // csum: the TCP checksum is the pseudo header's, for the back-end to finish
	uint32_t src_ip, dst_ip; // of flow 0, host order
	uint32_t sum;		 // of the IPv4 header without length and addresses
	uint16_t service;	 // destination port of flow 0, host order
	// Bits; all 0 = flows differ in the usual way.
	uint8_t spread_src, spread_dst, spread_dport, spread_sport;
};

struct pg_stamp {
	uint16_t lane, check;
	uint32_t seq, time;
};

static inline void pg_put16(uint8_t *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, 2);
}

static inline void pg_put32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, 4);
}

// Not against an adversary: against frames of others and bytes that changed on the way.
static inline uint16_t pg_stamp_check(uint32_t nonce, uint16_t lane, uint32_t seq, uint32_t time)
{
	uint64_t h = ((uint64_t)seq << 32 | time) ^
		     ((uint64_t)nonce << 16 | lane) * 0x9e3779b97f4a7c15ull;

	h *= 0xff51afd7ed558ccdull;
	return (uint16_t)(h >> 48);
}

// RFC 9293 section 3.1, not inverted: what VIRTIO 1.2, 5.1.6.2 wants in the field that the device
// finishes.
static inline uint16_t pg_pseudo_sum(uint32_t src, uint32_t dst, uint32_t tcp_bytes)
{
	uint32_t sum = (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + 6 + tcp_bytes;

	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

// A flow's bit of a field of BITS bits: flow i turns bit i from the top, and those below it as
// noise says, so that a lookup by prefixes looks at i + 1 bits.
//
// returns the field; *flow goes on to the next field
static inline uint32_t pg_spread(uint32_t value, uint32_t bits, uint32_t spread, uint32_t *flow,
				 uint32_t noise)
{
	uint32_t i;

	if (spread == 0)
		return value;
	i = bits - 1 - *flow % spread;
	*flow /= spread;
	return value ^ (1u << i) ^ (noise & ((1u << i) - 1));
}

// Write the first line of a frame.
//
// out      64 bytes
// flow     changes addresses and source port; mac: the last three bytes of both MAC addresses
// size     of the whole frame
static inline void pg_frame_write(const struct pg_template *t, uint8_t *out, uint32_t flow,
				  uint32_t mac, uint32_t size)
{
	uint32_t src = t->src_ip + (flow >> 14), dst = t->dst_ip + (flow >> 14);
	uint32_t sport = PG_FIRST_SRC_PORT + (flow & 0x3fff), dport = t->service, sum;
	uint8_t *ip = out + t->l3, *l4 = out + t->l4;

	if ((t->spread_src | t->spread_dst | t->spread_dport | t->spread_sport) != 0) {
		uint32_t left = flow, noise = flow * 0x9e3779b1u >> 3;

		src = pg_spread(t->src_ip, 32, t->spread_src, &left, noise);
		dst = pg_spread(t->dst_ip, 32, t->spread_dst, &left, noise >> 3);
		dport = pg_spread(dport, 16, t->spread_dport, &left, noise >> 5);
		sport = pg_spread(PG_FIRST_SRC_PORT, 16, t->spread_sport, &left, noise >> 9);
	}
	sum = t->sum + (size - t->l3) + (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff);

	memcpy(out, t->line, PG_LINE);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	out[3] = out[9] = (uint8_t)(mac >> 16);
	pg_put16(out + 4, (uint16_t)mac);
	pg_put16(out + 10, (uint16_t)mac);
	pg_put16(ip + 2, (uint16_t)(size - t->l3));
	pg_put16(ip + 10, (uint16_t)~sum);
	pg_put32(ip + 12, src);
	pg_put32(ip + 16, dst);
	pg_put16(out + t->port, (uint16_t)sport);
	if (t->spread_dport != 0)
		pg_put16(l4 + 2, (uint16_t)dport);
	if (!t->tcp)
		pg_put16(l4 + 4, (uint16_t)(size - t->l4));
	else if (t->csum)
		pg_put16(l4 + 16, pg_pseudo_sum(src, dst, size - t->l4));
}

static inline void pg_frame_stamp(const struct pg_template *t, uint8_t *out,
				  const struct pg_stamp *s)
{
	uint8_t *l4 = out + t->l4, *rest = l4 + (t->tcp ? 20 : 8);

	memcpy(rest, &s->lane, 2);
	memcpy(rest + 2, &s->check, 2);
	memcpy(t->tcp ? l4 + 4 : rest + 4, &s->seq, 4);
	memcpy(t->tcp ? l4 + 8 : rest + 8, &s->time, 4);
}

// Read a stamp.
//
// returns  the offset behind the stamp; 0 = not IPv4 with UDP or TCP, so nothing of ours
static inline uint32_t pg_frame_read(const uint8_t *f, uint32_t size, struct pg_stamp *s)
{
	const uint8_t *rest;
	uint32_t l3, l4;
	bool tcp;

	if (size < PG_LINE)
		return 0;
	l3 = f[12] == 0x81 && f[13] == 0 ? 18 : 14;
	l4 = l3 + 20;
	if (f[l3 - 2] != 8 || f[l3 - 1] != 0 || (f[l3 + 9] != 17 && f[l3 + 9] != 6))
		return 0;
	tcp = f[l3 + 9] == 6;
	rest = f + l4 + (tcp ? 20 : 8);
	memcpy(&s->lane, rest, 2);
	memcpy(&s->check, rest + 2, 2);
	memcpy(&s->seq, tcp ? f + l4 + 4 : rest + 4, 4);
	memcpy(&s->time, tcp ? f + l4 + 8 : rest + 8, 4);
	return l4 + (tcp ? 24 : 20);
}

// What a template is made of.
struct pg_template_params {
	uint32_t src_port, dst_port; // port numbers of the generator
	uint32_t vlan;		     // 0 = none
	bool tcp, csum;
	bool iscsi, from_target; // TCP port 3260 at the target
	uint32_t service;	 // destination port of all else; 0 = discard
	uint32_t spread_src, spread_dst, spread_dport, spread_sport; // see pg_spread; not for iSCSI
};

void pg_template_init(struct pg_template *t, const struct pg_template_params *p);

// The bytes that follow the first line in every frame: pattern[i] belongs at offset i,
// i < PG_PATTERN_BYTES.
const uint8_t *pg_pattern(void);

#endif
