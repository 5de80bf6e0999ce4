// Match fields: their names, and their values as text.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text_priv.h"

// As ovs-ofctl names them: in a match, in set_field, and further names that it reads.
const struct field_text oft_field_texts[DP_FLOW_N_FIELDS] = {
	[DP_FLOW_in_port] = { "in_port", "in_port", "in_port_oxm", PORT, 0 },
	[DP_FLOW_in_phy_port] = { "in_phy_port", "in_phy_port", "", PORT, 0 },
	[DP_FLOW_metadata] = { "metadata", "metadata", "", HEX, 0 },
	[DP_FLOW_eth_dst] = { "dl_dst", "eth_dst", "", MAC, 0 },
	[DP_FLOW_eth_src] = { "dl_src", "eth_src", "", MAC, 0 },
	[DP_FLOW_eth_type] = { "dl_type", "eth_type", "", HEX, 4 },
	[DP_FLOW_vlan_vid] = { "vlan_vid", "vlan_vid", "", DECIMAL, 0 },
	[DP_FLOW_vlan_pcp] = { "vlan_pcp", "vlan_pcp", "dl_vlan_pcp", DECIMAL, 0 },
	[DP_FLOW_ip_dscp] = { "ip_dscp", "ip_dscp", "", DECIMAL, 0 },
	[DP_FLOW_ip_ecn] = { "nw_ecn", "nw_ecn", "ip_ecn", DECIMAL, 0 },
	[DP_FLOW_ip_proto] = { "nw_proto", "nw_proto", "ip_proto", DECIMAL, 0 },
	[DP_FLOW_ipv4_src] = { "nw_src", "ip_src", "ipv4_src", IP4, 0 },
	[DP_FLOW_ipv4_dst] = { "nw_dst", "ip_dst", "ipv4_dst", IP4, 0 },
	[DP_FLOW_tcp_src] = { "tp_src", "tcp_src", "", DECIMAL, 0 },
	[DP_FLOW_tcp_dst] = { "tp_dst", "tcp_dst", "", DECIMAL, 0 },
	[DP_FLOW_udp_src] = { "tp_src", "udp_src", "", DECIMAL, 0 },
	[DP_FLOW_udp_dst] = { "tp_dst", "udp_dst", "", DECIMAL, 0 },
	[DP_FLOW_sctp_src] = { "tp_src", "sctp_src", "", DECIMAL, 0 },
	[DP_FLOW_sctp_dst] = { "tp_dst", "sctp_dst", "", DECIMAL, 0 },
	[DP_FLOW_icmpv4_type] = { "icmp_type", "icmp_type", "icmpv4_type", DECIMAL, 0 },
	[DP_FLOW_icmpv4_code] = { "icmp_code", "icmp_code", "icmpv4_code", DECIMAL, 0 },
	[DP_FLOW_arp_op] = { "arp_op", "arp_op", "", DECIMAL, 0 },
	[DP_FLOW_arp_spa] = { "arp_spa", "arp_spa", "", IP4, 0 },
	[DP_FLOW_arp_tpa] = { "arp_tpa", "arp_tpa", "", IP4, 0 },
	[DP_FLOW_arp_sha] = { "arp_sha", "arp_sha", "", MAC, 0 },
	[DP_FLOW_arp_tha] = { "arp_tha", "arp_tha", "", MAC, 0 },
	[DP_FLOW_ipv6_src] = { "ipv6_src", "ipv6_src", "", IP6, 0 },
	[DP_FLOW_ipv6_dst] = { "ipv6_dst", "ipv6_dst", "", IP6, 0 },
	[DP_FLOW_ipv6_flabel] = { "ipv6_label", "ipv6_label", "ipv6_flabel", HEX, 5 },
	[DP_FLOW_icmpv6_type] = { "icmp_type", "icmpv6_type", "", DECIMAL, 0 },
	[DP_FLOW_icmpv6_code] = { "icmp_code", "icmpv6_code", "", DECIMAL, 0 },
	[DP_FLOW_ipv6_nd_target] = { "nd_target", "nd_target", "ipv6_nd_target", IP6, 0 },
	[DP_FLOW_ipv6_nd_sll] = { "nd_sll", "nd_sll", "ipv6_nd_sll", MAC, 0 },
	[DP_FLOW_ipv6_nd_tll] = { "nd_tll", "nd_tll", "ipv6_nd_tll", MAC, 0 },
	[DP_FLOW_mpls_label] = { "mpls_label", "mpls_label", "", DECIMAL, 0 },
	[DP_FLOW_mpls_tc] = { "mpls_tc", "mpls_tc", "", DECIMAL, 0 },
	[DP_FLOW_mpls_bos] = { "mpls_bos", "mpls_bos", "", DECIMAL, 0 },
	[DP_FLOW_tunnel_id] = { "tun_id", "tun_id", "tunnel_id", HEX, 0 },
};

// From the layout's list alone, so that a printer needs no other room's code.
static const struct {
	uint8_t bits, word, shift;
	bool maskable;
} layout[DP_FLOW_N_FIELDS] = {
#define FIELD_LAYOUT(id, oxm, bits, word, shift, maskable, name)                                   \
	[DP_FLOW_##id] = { bits, word, shift, maskable },
	DP_FLOW_FIELDS(FIELD_LAYOUT)
#undef FIELD_LAYOUT
};

static uint64_t low_ones(unsigned bits)
{
	return bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

struct dp_flow_value oft_field_ones(enum dp_flow_field f)
{
	unsigned bits = layout[f].bits;

	return (struct dp_flow_value){ bits > 64 ? low_ones(bits - 64) : 0, low_ones(bits) };
}

struct dp_flow_value oft_field_get(const struct dp_flow_key *k, enum dp_flow_field f)
{
	uint64_t w = k->w[layout[f].word];

	if (layout[f].bits > 64)
		return (struct dp_flow_value){ w, k->w[layout[f].word + 1] };
	return (struct dp_flow_value){ 0, w >> layout[f].shift & low_ones(layout[f].bits) };
}

bool oft_value_equal(struct dp_flow_value a, struct dp_flow_value b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

bool oft_value_is_zero(struct dp_flow_value v)
{
	return v.hi == 0 && v.lo == 0;
}

static bool in_list(const char *list, struct span name)
{
	for (size_t n; *list != '\0'; list += n + (list[n] == ' ')) {
		n = strcspn(list, " ");
		if (n == name.size && memcmp(list, name.at, n) == 0)
			return true;
	}
	return false;
}

enum dp_flow_field oft_field_named(struct span name)
{
	for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
		const struct field_text *t = &oft_field_texts[f];
		bool shared = strncmp(t->match, "tp_", 3) == 0; // the protocol decides

		if (in_list(t->set, name) || in_list(t->other, name) ||
		    (!shared && in_list(t->match, name)))
			return f;
	}
	return DP_FLOW_N_FIELDS;
}

// --- Reading

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

// Six octets of one or two digits, as ovs-ofctl takes them.
static int read_mac(struct span s, struct dp_flow_value *out)
{
	struct span next;

	*out = (struct dp_flow_value){ 0 };
	for (unsigned i = 0; i < 6; i++, s = next) {
		unsigned octet = 0;

		if (oft_span_split(&s, ":", &next) != (i < 5) || s.size < 1 || s.size > 2)
			return -EINVAL;
		for (size_t k = 0; k < s.size; k++) {
			int digit = hex_digit(s.at[k]);

			if (digit < 0)
				return -EINVAL;
			octet = octet << 4 | (unsigned)digit;
		}
		out->lo = out->lo << 8 | octet;
		next = i < 5 ? next : s;
	}
	return 0;
}

static int read_ip4(struct span s, struct dp_flow_value *out)
{
	struct span next;
	uint64_t n;

	*out = (struct dp_flow_value){ 0 };
	for (unsigned i = 0; i < 4; i++, s = next) {
		if (oft_span_split(&s, ".", &next) != (i < 3))
			return -EINVAL;
		if (s.size == 0 || s.size > 3 || hex_digit(s.at[0]) < 0 ||
		    oft_span_number(s, 255, &n) < 0 || s.at[s.size > 1] == 'x')
			return -EINVAL;
		out->lo = out->lo << 8 | n;
		next = i < 3 ? next : s;
	}
	return 0;
}

// The groups of one side of "::". returns how many, or -EINVAL
static int read_groups(struct span s, uint16_t group[8])
{
	int n = 0;
	bool more = s.size > 0;

	while (more) {
		struct span next = { 0 };
		struct dp_flow_value v4;
		unsigned g = 0;

		more = oft_span_split(&s, ":", &next);
		if (!more && n <= 6 && read_ip4(s, &v4) == 0) {
			group[n++] = (uint16_t)(v4.lo >> 16);
			group[n++] = (uint16_t)v4.lo;
			return n;
		}
		if (n == 8 || s.size == 0 || s.size > 4)
			return -EINVAL;
		for (size_t i = 0; i < s.size; i++) {
			if (hex_digit(s.at[i]) < 0)
				return -EINVAL;
			g = g << 4 | (unsigned)hex_digit(s.at[i]);
		}
		group[n++] = (uint16_t)g;
		s = next;
	}
	return n;
}

static int read_ip6(struct span s, struct dp_flow_value *out)
{
	uint16_t group[8] = { 0 }, tail[8] = { 0 };
	struct span back = { 0 };
	bool gap = oft_span_split(&s, "::", &back);
	int n = read_groups(s, group), m = gap ? read_groups(back, tail) : 0;

	if (n < 0 || m < 0 || (gap ? n + m > 7 : n != 8))
		return -EINVAL;
	for (int i = 0; i < m; i++)
		group[8 - m + i] = tail[i];
	*out = (struct dp_flow_value){ 0 };
	for (int i = 0; i < 4; i++) {
		out->hi = out->hi << 16 | group[i];
		out->lo = out->lo << 16 | group[4 + i];
	}
	return 0;
}

static const char *const kind_names[] = { "a number",	     "a number",	"a MAC address",
					  "an IPv4 address", "an IPv6 address", "a port" };

static int read_value(const struct scan *s, enum dp_flow_field f, struct span text,
		      struct dp_flow_value *out)
{
	enum kind kind = oft_field_texts[f].kind;
	uint32_t port;
	int rc;

	*out = (struct dp_flow_value){ 0 };
	switch (kind) {
	case PORT:
		rc = oft_scan_port(s, text, &port);
		out->lo = rc == 0 ? port : 0;
		return rc;
	case MAC:
		rc = read_mac(text, out);
		break;
	case IP4:
		rc = read_ip4(text, out);
		break;
	case IP6:
		rc = read_ip6(text, out);
		break;
	default:
		rc = oft_span_number(text, oft_field_ones(f).lo, &out->lo);
		break;
	}
	if (rc == -ERANGE)
		return oft_scan_error(s, text, "%s is at most %" PRIu64, oft_field_texts[f].set,
				      oft_field_ones(f).lo);
	if (rc < 0 && kind == IP4 && memchr(text.at, ':', text.size) != NULL)
		return oft_scan_error(
			s, text, "%s wants an IPv4 address; ipv6_src and ipv6_dst are for IPv6",
			oft_field_texts[f].set);
	return rc < 0 ? oft_scan_error(s, text, "%s wants %s", oft_field_texts[f].set,
				       kind_names[kind])
		      : 0;
}

static bool is_address(enum dp_flow_field f)
{
	return oft_field_texts[f].kind == IP4 || oft_field_texts[f].kind == IP6;
}

// "/24" of an address.
static bool read_prefix(enum dp_flow_field f, struct span text, struct dp_flow_value *out)
{
	unsigned bits = layout[f].bits;
	uint64_t n;

	if (!is_address(f) || oft_span_number(text, bits, &n) != 0 || text.at[0] == '-')
		return false;
	if (bits == 32) {
		out->hi = 0;
		out->lo = n == 0 ? 0 : low_ones(32) << (32 - n) & low_ones(32);
	} else {
		out->hi = n == 0 ? 0 : n >= 64 ? UINT64_MAX : UINT64_MAX << (64 - n);
		out->lo = n <= 64 ? 0 : UINT64_MAX << (128 - n);
	}
	return true;
}

int oft_field_read(const struct scan *s, enum dp_flow_field f, struct span text,
		   struct field_value *out)
{
	struct span mask;
	bool masked = oft_span_split(&text, "/", &mask);
	int rc = read_value(s, f, text, &out->value);

	out->mask = oft_field_ones(f);
	if (rc < 0 || !masked)
		return rc;
	if (!read_prefix(f, mask, &out->mask)) {
		rc = read_value(s, f, mask, &out->mask);
		if (rc < 0 && is_address(f))
			return oft_scan_error(s, mask, "a mask of %s is 0..%u, or %s",
					      oft_field_texts[f].set, layout[f].bits,
					      kind_names[oft_field_texts[f].kind]);
		if (rc < 0)
			return rc;
	}
	if (!layout[f].maskable && !oft_value_equal(out->mask, oft_field_ones(f)) &&
	    !oft_value_is_zero(out->mask))
		return oft_scan_error(s, mask, "OpenFlow has no mask for %s",
				      oft_field_texts[f].set);
	out->value.hi &= out->mask.hi;
	out->value.lo &= out->mask.lo;
	return 0;
}

// --- Writing

static void write_ip6(struct of_text *t, struct dp_flow_value v)
{
	uint16_t g[8];
	int best = -1, best_n = 1;

	for (int i = 0; i < 4; i++) {
		g[i] = (uint16_t)(v.hi >> (48 - 16 * i));
		g[4 + i] = (uint16_t)(v.lo >> (48 - 16 * i));
	}
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && g[i + n] == 0)
			n++;
		if (n > best_n) {
			best = i;
			best_n = n;
		}
	}
	// RFC 5952 section 5, as libc does: addresses that hold one of IPv4.
	if (best == 0 && (best_n == 6 || (best_n == 5 && g[5] == 0xffff))) {
		of_text_printf(t, "%s%u.%u.%u.%u", best_n == 6 ? "::" : "::ffff:", g[6] >> 8,
			       g[6] & 255u, g[7] >> 8, g[7] & 255u);
		return;
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			of_text_put(t, "::");
			i += best_n - 1;
			continue;
		}
		of_text_printf(t, i == 0 || (best >= 0 && i == best + best_n) ? "%x" : ":%x", g[i]);
	}
}

static void write_value(struct of_text *t, enum dp_flow_field f, struct dp_flow_value v,
			const struct of_text_ports *ports)
{
	uint64_t n = v.lo;

	switch (oft_field_texts[f].kind) {
	case DECIMAL:
		of_text_printf(t, "%" PRIu64, n);
		break;
	case HEX:
		of_text_printf(t, "0x%0*" PRIx64, oft_field_texts[f].digits, n);
		break;
	case MAC:
		of_text_printf(t, "%02x:%02x:%02x:%02x:%02x:%02x", (unsigned)(n >> 40 & 255),
			       (unsigned)(n >> 32 & 255), (unsigned)(n >> 24 & 255),
			       (unsigned)(n >> 16 & 255), (unsigned)(n >> 8 & 255),
			       (unsigned)(n & 255));
		break;
	case IP4:
		of_text_printf(t, "%u.%u.%u.%u", (unsigned)(n >> 24 & 255),
			       (unsigned)(n >> 16 & 255), (unsigned)(n >> 8 & 255),
			       (unsigned)(n & 255));
		break;
	case IP6:
		write_ip6(t, v);
		break;
	case PORT:
		of_text_port(t, (uint32_t)n, ports);
		break;
	}
}

// returns the prefix that the mask of an address is, or -1
static int prefix_of(enum dp_flow_field f, struct dp_flow_value mask)
{
	uint64_t top = layout[f].bits == 32 ? mask.lo << 32 : mask.hi;
	uint64_t low = layout[f].bits == 32 ? 0 : mask.lo;
	// Ones at the top are zeros there when they are turned over.
	int n = ~top == 0 ? 64 : __builtin_clzll(~top);
	int m = ~low == 0 ? 64 : __builtin_clzll(~low);
	bool whole_top = n == 64 || top << n == 0, whole_low = m == 64 || low << m == 0;

	if (!is_address(f) || !whole_top || !whole_low || (n < 64 && m > 0))
		return -1;
	return n + m;
}

void oft_field_write(struct of_text *t, enum dp_flow_field f, const struct field_value *v,
		     const struct of_text_ports *ports)
{
	int prefix;

	write_value(t, f, v->value, ports);
	if (oft_value_equal(v->mask, oft_field_ones(f)))
		return;
	of_text_put(t, "/");
	prefix = prefix_of(f, v->mask);
	if (prefix >= 0)
		of_text_printf(t, "%d", prefix);
	else if (oft_field_texts[f].kind == DECIMAL || oft_field_texts[f].kind == PORT)
		of_text_printf(t, "0x%" PRIx64, v->mask.lo);
	else
		write_value(t, f, v->mask, ports);
}
