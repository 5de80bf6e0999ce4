// Checksums follow an edit by what has changed (RFC 1624, RFC 9260 appendix A).
#include "of_edit_priv.h"

enum {
	P_TCP = 6,
	P_UDP = 17,
	P_DCCP = 33,
	P_ICMP = 1,
	P_ICMP6 = 58,
	P_SCTP = 132,
	P_UDPLITE = 136,
	SCTP_CSUM = 8,
};

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t dp_of_sum(const uint8_t *p, uint32_t n)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += dp_be16(p + i);
	if (n % 2 != 0)
		sum += (uint32_t)p[n - 1] << 8;
	return fold(sum);
}

// RFC 1624 section 3, equation 3.
uint16_t dp_of_csum(uint16_t csum, uint16_t was, uint16_t is)
{
	return (uint16_t)~fold((uint16_t)~csum + (uint32_t)(uint16_t)~was + is);
}

// Bytes of the IP packet from L4 on, as its own header says; parse has seen that they are there.
static uint32_t l4_size(const struct dp_of_frame *f)
{
	const struct dp_parse *p = &f->meta->p;
	const uint8_t *l3 = f->data + p->l3_off;
	uint32_t end = (p->flags & DP_PF_IP4) != 0 ? dp_be16(l3 + 2) : 40u + dp_be16(l3 + 4);

	return p->l3_off + end - p->l4_off;
}

// The L4 checksum, or NULL: none that is known, or not in this fragment.
static uint8_t *l4_csum(const struct dp_of_frame *f)
{
	const struct dp_parse *p = &f->meta->p;
	uint32_t off;

	switch (p->ip_proto) {
	case P_TCP:
		off = 16;
		break;
	case P_UDP:
	case P_DCCP:
	case P_UDPLITE:
		off = 6;
		break;
	case P_ICMP:
	case P_ICMP6:
		if ((p->flags & (p->ip_proto == P_ICMP ? DP_PF_IP4 : DP_PF_IP6)) == 0)
			return NULL;
		off = 2;
		break;
	default:
		return NULL;
	}
	if (!dp_of_is_ip(f) || p->l4_off == 0 || p->l4_off + off + 2 > f->size ||
	    off + 2 > l4_size(f))
		return NULL;
	return f->data + p->l4_off + off;
}

static bool is_unfinished(const struct dp_of_frame *f)
{
	return (f->meta->flags & (DP_MF_CSUM | DP_MF_TSO)) != 0 &&
	       (f->meta->p.ip_proto == P_TCP || f->meta->p.ip_proto == P_UDP);
}

static void l4_follow(struct dp_of_frame *f, uint32_t sums, uint16_t was, uint16_t is)
{
	uint8_t proto = f->meta->p.ip_proto, *at = l4_csum(f);
	uint16_t csum;

	if (at == NULL || (proto == P_ICMP && (sums & DP_OF_SUM_L4) == 0))
		return;
	csum = dp_be16(at);
	if (is_unfinished(f)) { // the field is the sum of the pseudo-header, as it is
		if ((sums & DP_OF_SUM_PSEUDO) != 0)
			dp_put16(at, fold((uint32_t)csum + (uint16_t)~was + is));
		return;
	}
	if (csum == 0 && proto == P_UDP) // RFC 768: none
		return;
	csum = dp_of_csum(csum, was, is);
	// Zero is "none" for UDP. An ICMP message may be all zeros, and its checksum is 0xffff
	// then; where zero would be right, that is as well.
	if (csum == 0 && (proto == P_UDP || proto == P_ICMP))
		csum = 0xffff;
	dp_put16(at, csum);
}

void dp_of_sums_follow(struct dp_of_frame *f, uint32_t sums, uint16_t was, uint16_t is)
{
	if (was == is)
		return;
	if ((sums & DP_OF_SUM_IP) != 0 && (f->meta->p.flags & DP_PF_IP4) != 0) {
		uint8_t *at = f->data + f->meta->p.l3_off + 10;

		dp_put16(at, dp_of_csum(dp_be16(at), was, is));
	}
	if ((sums & (DP_OF_SUM_PSEUDO | DP_OF_SUM_L4)) != 0)
		l4_follow(f, sums, was, is);
}

// --- CRC32c. It is linear: the CRC changes by that of the bits that have changed, with zeros where
// nothing has. So the payload need not be read, in however many segments it is. Polynomials over
// two elements modulo 0x1edc6f41, the coefficient of x^0 in the highest bit.

static uint32_t times(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
		product ^= (a & bit) != 0 ? b : 0;
		b = b >> 1 ^ ((b & 1) != 0 ? 0x82f63b78 : 0);
	}
	return product;
}

// The CRC of what is behind it n zero bytes later.
static uint32_t zeros_behind(uint32_t crc, uint32_t n)
{
	// x^(8 * 2^i): 2^i zero bytes.
	static const uint32_t powers[16] = {
		0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a,
		0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
		0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
	};

	for (uint32_t i = 0; n != 0; i++, n >>= 1) {
		if ((n & 1) != 0)
			crc = times(crc, powers[i]);
	}
	return crc;
}

bool dp_of_crc_whole(const struct dp_of_frame *f)
{
	const struct dp_parse *p = &f->meta->p;

	return (p->flags & (DP_PF_L4 | DP_PF_FRAG)) == DP_PF_L4 && p->ip_proto == P_SCTP &&
	       p->l4_off + SCTP_CSUM + 4u <= f->size;
}

void dp_of_crc_follow(struct dp_of_frame *f, uint32_t bits)
{
	uint8_t *at = f->data + f->meta->p.l4_off + SCTP_CSUM;
	uint32_t crc;

	if (bits == 0 || dp_be32(at) == 0) // RFC 9653: none
		return;
	// Bytes count from their lowest bit. The register holds what came in times x^32, so the
	// four bytes themselves count as if they were behind, too.
	crc = zeros_behind(__builtin_bswap32(bits), l4_size(f));
	for (uint32_t i = 0; i < 4; i++)
		at[i] ^= (uint8_t)(crc >> 8 * i);
}

bool dp_of_settle(struct dp_of_frame *f)
{
	if ((f->meta->flags & (DP_MF_CSUM | DP_MF_TSO)) == 0 || (f->meta->p.flags & DP_PF_L4) == 0)
		return true;
	return (f->meta->flags & DP_MF_TSO) == 0 && dp_csum_finish(f->m);
}
