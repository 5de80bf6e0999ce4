// admit, second half: what a guest may claim. Positive lists; every refusal is named.
// Sources: RFC 826 (ARP), RFC 4861 (ND), RFC 6105 and 7113 (RA guard), RFC 2131 (DHCP).
#include <string.h>

#include "switch_priv.h"

enum {
	P_UDP = 17,
	P_ICMP6 = 58,
	ND_RS = 133,
	ND_RA = 134,
	ND_NS = 135,
	ND_NA = 136,
	ND_REDIRECT = 137,
	ND_OPT_SLLA = 1,
	ND_OPT_TLLA = 2,
	BOOTP_CHADDR = 28,
	BOOTP_GIADDR = 24,
};

static bool ip4_is_own(const struct dp_port_params *cfg, const uint8_t *ip)
{
	for (uint32_t i = 0; i < cfg->n_ip4; i++) {
		if (memcmp(cfg->ip4[i], ip, 4) == 0)
			return true;
	}
	return false;
}

static bool ip6_is_own(const struct dp_port_params *cfg, const uint8_t *ip, const uint8_t *mac)
{
	const uint8_t lla[16] = {
		0xfe,	0x80,	0,    0,    0,	    0,	    0,	   0, (uint8_t)(mac[0] ^ 2),
		mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]
	}; // RFC 4291 appendix A

	if (memcmp(lla, ip, 16) == 0)
		return true;
	for (uint32_t i = 0; i < cfg->n_ip6; i++) {
		if (memcmp(cfg->ip6[i], ip, 16) == 0)
			return true;
	}
	return false;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != 0)
			return false;
	}
	return true;
}

static enum dp_drop guard_arp(const struct dp_port_params *cfg, const uint8_t *data,
			      const uint8_t *arp)
{
	// Sender MAC is the frame's; sender address is the guest's, or 0 for a probe (RFC
	// 5227 2.1.1).
	if (memcmp(arp + 8, data + 6, 6) != 0)
		return DP_DROP_spoof_arp;
	if ((cfg->flags & DP_PF_IP4_FIXED) != 0 && !is_zero(arp + 14, 4) &&
	    !ip4_is_own(cfg, arp + 14))
		return DP_DROP_spoof_arp;
	return DP_DROP_none;
}

static enum dp_drop guard_bootp(const uint8_t *data, const uint8_t *bootp, size_t left)
{
	if (left < BOOTP_CHADDR + 6)
		return DP_DROP_l3_truncated;
	if (bootp[0] != 1) // BOOTREQUEST is all that a client sends
		return DP_DROP_guard_dhcp_server;
	if (bootp[1] != 1 || bootp[2] != 6 || memcmp(bootp + BOOTP_CHADDR, data + 6, 6) != 0 ||
	    !is_zero(bootp + BOOTP_GIADDR, 4))
		return DP_DROP_dhcp_not_own;
	return DP_DROP_none;
}

static enum dp_drop guard_udp(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
			      const struct dp_meta *m)
{
	bool v4 = (m->p.flags & DP_PF_IP4) != 0;

	if ((cfg->flags & DP_PF_DHCP_GUARD) == 0)
		return DP_DROP_none;
	// Servers: DHCPv4 67 -> 68, PXE boot server 4011, DHCPv6 547 -> 546. UEFI asks a PXE
	// boot server from port 4011, too.
	if (v4 &&
	    (m->p.sport == 67 || m->p.dport == 68 || (m->p.sport == 4011 && m->p.dport != 4011)))
		return DP_DROP_guard_dhcp_server;
	if (!v4 && (m->p.sport == 547 || m->p.dport == 546))
		return DP_DROP_guard_dhcp_server;
	if (v4 && (m->p.dport == 67 || m->p.dport == 4011))
		return guard_bootp(data, data + m->p.l4_off + 8, size - m->p.l4_off - 8);
	return DP_DROP_none;
}

static enum dp_drop guard_ip4(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
			      const struct dp_meta *m)
{
	const uint8_t *src = data + m->p.l3_off + 12;
	bool udp = (m->p.flags & DP_PF_L4) != 0 && m->p.ip_proto == P_UDP;

	if ((cfg->flags & DP_PF_IP4_FIXED) != 0 && !ip4_is_own(cfg, src)) {
		// Without an address yet: DHCP only (RFC 2131 4.1).
		if (!is_zero(src, 4) || !udp || m->p.dport != 67)
			return DP_DROP_spoof_ip;
	}
	return udp ? guard_udp(cfg, data, size, m) : DP_DROP_none;
}

// Link-layer address options must name the guest's MAC; a zero-length option is malformed (RFC
// 4861 4.6).
static enum dp_drop guard_nd_options(const uint8_t *data, size_t size, size_t off, size_t end)
{
	if (end > size)
		return DP_DROP_l3_truncated; // what is not looked at is not allowed
	while (off + 2 <= end) {
		size_t len = (size_t)data[off + 1] * 8;

		if (len == 0 || off + len > end)
			return DP_DROP_l3_malformed;
		if ((data[off] == ND_OPT_SLLA || data[off] == ND_OPT_TLLA) &&
		    memcmp(data + off + 2, data + 6, 6) != 0)
			return DP_DROP_spoof_nd;
		off += len;
	}
	return DP_DROP_none;
}

static enum dp_drop guard_nd(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
			     const struct dp_meta *m)
{
	size_t off = m->p.l4_off, end = (size_t)m->p.l3_off + 40 + dp_be16(data + m->p.l3_off + 4);

	switch (m->p.sport) {
	case ND_RA:
	case ND_REDIRECT:
		return (cfg->flags & DP_PF_RA_GUARD) != 0 ? DP_DROP_guard_ra : DP_DROP_none;
	case ND_RS:
		return guard_nd_options(data, size, off + 8, end);
	case ND_NS:
	case ND_NA:
		if (off + 24 > size || off + 24 > end)
			return DP_DROP_l3_truncated;
		if (m->p.sport == ND_NA && (cfg->flags & DP_PF_IP6_FIXED) != 0 &&
		    !ip6_is_own(cfg, data + off + 8, data + 6))
			return DP_DROP_spoof_nd;
		return guard_nd_options(data, size, off + 24, end);
	default:
		return DP_DROP_none;
	}
}

static enum dp_drop guard_ip6(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
			      const struct dp_meta *m)
{
	const uint8_t *src = data + m->p.l3_off + 8;

	// The unspecified address is for duplicate address detection and MLD (RFC 4862, RFC 3590).
	if ((cfg->flags & DP_PF_IP6_FIXED) != 0 && !ip6_is_own(cfg, src, data + 6) &&
	    !(is_zero(src, 16) && m->p.ip_proto == P_ICMP6))
		return DP_DROP_spoof_ip;
	if ((m->p.flags & DP_PF_L4) == 0)
		return DP_DROP_none;
	if (m->p.ip_proto == P_UDP)
		return guard_udp(cfg, data, size, m);
	return m->p.ip_proto == P_ICMP6 ? guard_nd(cfg, data, size, m) : DP_DROP_none;
}

enum dp_drop dp_guard(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
		      const struct dp_meta *meta)
{
	if (meta->p.err != DP_DROP_none)
		return meta->p.err; // not understood is not allowed
	if ((meta->p.flags & DP_PF_LLC) != 0)
		return DP_DROP_l2_llc;
	if ((cfg->flags & DP_PF_MAC_FIXED) != 0 && memcmp(data + 6, cfg->mac, 6) != 0)
		return DP_DROP_spoof_mac;
	if (likely(meta->p.eth_type == DP_ETH_IPV4))
		return guard_ip4(cfg, data, size, meta);
	switch (meta->p.eth_type) {
	case DP_ETH_ARP:
		return guard_arp(cfg, data, data + meta->p.l3_off);
	case DP_ETH_IPV6:
		return guard_ip6(cfg, data, size, meta);
	case 0x9100: // pre-standard stacked tags
	case 0x9200:
	case 0x9300:
		return DP_DROP_vlan_tpid;
	default:
		return DP_DROP_none;
	}
}
