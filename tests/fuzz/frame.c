// Parser, admission, guard and classifier on one frame. The first two bytes choose the port's
// policy. Invariants: nothing is read beyond the frame (exact-size copies under the sanitizer);
// what a guarded port admits is what the guard promises, re-checked here by a second, simpler
// reading.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "switch_priv.h"

static struct dp_port_params policy(uint8_t a, uint8_t b)
{
	struct dp_port_params p = { .vlan_mode = a % 6,
				    .vid = 1,
				    .n_ip4 = 1,
				    .n_ip6 = 1,
				    .mac = { 0x52, 0x54, 0, 0, 0, 1 } };

	p.flags = b & 1 ? DP_PF_ADMIT | DP_PF_DHCP_GUARD | DP_PF_RA_GUARD : 0;
	p.flags |= b & 2 ? DP_PF_MAC_FIXED : 0;
	p.flags |= b & 4 ? DP_PF_IP4_FIXED | DP_PF_IP6_FIXED : 0;
	p.flags |= b & 8 ? DP_PF_RESPONDER : 0;
	p.flags |= b & 16 ? DP_PF_TRUST_DSCP : 0;
	p.flags |= b & 64 ? DP_PF_TRUST_PCP : 0;
	memcpy(p.ip4[0], "\x0a\0\0\1", 4);
	memcpy(p.service_ip4, "\x0a\0\0\2", 4);
	p.ip6[0][0] = 0x20;
	memset(p.trunk, b & 32 ? 0xff : 0, sizeof(p.trunk));
	return p;
}

static void admitted(const struct dp_port_params *p, const uint8_t *f, size_t size,
		     const struct dp_meta *m)
{
	const uint8_t *l3 = f + m->p.l3_off;

	assert((f[6] & 1) == 0);
	if ((p->flags & DP_PF_ADMIT) == 0)
		return;
	assert(m->p.err == DP_DROP_none);
	assert(m->vid >= 1 && m->vid <= 4094);
	if ((p->flags & DP_PF_MAC_FIXED) != 0)
		assert(memcmp(f + 6, p->mac, 6) == 0);
	if (m->p.eth_type == 0x800 && size >= (size_t)m->p.l3_off + 28 && l3[9] == 17 &&
	    (dp_be16(l3 + 6) & 0x1fff) == 0) {
		const uint8_t *udp = l3 + (l3[0] & 15) * 4;

		assert(dp_be16(udp) != 67 && dp_be16(udp + 2) != 68);
	}
	if (m->p.eth_type == 0x800 && (p->flags & DP_PF_IP4_FIXED) != 0)
		assert(memcmp(l3 + 12, p->ip4[0], 4) == 0 || memcmp(l3 + 12, "\0\0\0\0", 4) == 0);
	if (m->p.eth_type == 0x86dd && l3[6] == 58)
		assert(l3[40] != 134 && l3[40] != 137);
}

// Untrusted, a tag's priority says nothing; whatever it says, the class is one.
static void classified(const struct dp_port_params *p, const uint8_t *f, const struct dp_meta *m)
{
	static struct dp_qos_view qos;
	static struct dp_snapshot s = { .qos = &qos };
	static struct dp_switch sw;
	static struct dp_view v;
	struct dp_meta other = *m;
	enum qos_why why, other_why;
	enum qos_class c;

	qos.vlan_class[20] = QOS_CLASS_STORAGE + 1;
	atomic_store_explicit(&sw.root, &s, memory_order_relaxed);
	v.cfg = *p;
	c = dp_classify(&sw, &v, f, m, &why);
	assert(c < QOS_N_CLASSES);
	if ((p->flags & DP_PF_TRUST_PCP) != 0)
		return;
	assert((m->flags & DP_MF_YELLOW) == 0);
	other.pcp ^= 7;
	assert(dp_classify(&sw, &v, f, &other, &other_why) == c && why == other_why);
}

// Marks change a traffic class, a checksum, and nothing beyond the frame.
static void marked(uint8_t *f, size_t size, const struct dp_meta *m)
{
	struct {
		struct rte_mbuf m;
		struct dp_meta meta;
	} b = { .meta = *m };
	uint8_t ecn;

	b.m.buf_addr = f;
	b.m.pkt_len = b.m.data_len = (uint16_t)size;
	b.m.nb_segs = 1;
	ecn = dp_ecn(&b.m);
	assert(dp_mark_ce(&b.m) == (ecn != 0));
	assert(dp_ecn(&b.m) == (ecn != 0 ? DP_ECN_CE : 0));
	dp_mark_dscp(&b.m, 46);
	assert(dp_ecn(&b.m) == (ecn != 0 ? DP_ECN_CE : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dp_port_params p;
	struct dp_meta m = { .in_port = 0 };
	uint8_t *f;

	if (size < 2 || size > 60000)
		return 0;
	p = policy(data[0], data[1]);
	size -= 2;
	f = malloc(size == 0 ? 1 : size);
	memcpy(f, data + 2, size);
	dp_parse(f, size, size, &m.p);
	assert(m.p.l3_off <= size && m.p.l4_off <= size && m.p.n_tags <= DP_PARSE_TAGS);
	if (size >= 14 && dp_admit_frame(&p, f, size, &m) == DP_DROP_none) {
		admitted(&p, f, size, &m);
		dp_mark_punt(&p, f, size, &m);
		classified(&p, f, &m);
	}
	if (size >= 14)
		marked(f, size, &m);
	free(f);
	return 0;
}
