// Matches: shorthands, prerequisites, and the VLAN in its four notations.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "text_priv.h"

static const struct {
	const char *name;
	uint16_t eth_type;
	int16_t ip_proto; // -1 = whatever
} shorthands[] = {
	// The first ones of a type and protocol are what is printed.
	{ "ip", 0x0800, -1 },	  { "icmp", 0x0800, 1 },    { "tcp", 0x0800, 6 },
	{ "udp", 0x0800, 17 },	  { "sctp", 0x0800, 132 },  { "ipv6", 0x86dd, -1 },
	{ "icmp6", 0x86dd, 58 },  { "tcp6", 0x86dd, 6 },    { "udp6", 0x86dd, 17 },
	{ "sctp6", 0x86dd, 132 }, { "arp", 0x0806, -1 },    { "rarp", 0x8035, -1 },
	{ "mpls", 0x8847, -1 },	  { "mplsm", 0x8848, -1 },  { "ip4", 0x0800, -1 },
	{ "ip6", 0x86dd, -1 },	  { "icmpv6", 0x86dd, 58 },
};
enum { SHORTHANDS = sizeof(shorthands) / sizeof(shorthands[0]) };

// One value under a field; two that differ are an error.
static int put(const struct scan *s, struct span where, struct match *m, enum dp_flow_field f,
	       struct field_value v)
{
	const struct field_value *old = &m->field[f];

	if (match_has(m, f) &&
	    (!oft_value_equal(old->value, v.value) || !oft_value_equal(old->mask, v.mask)))
		return oft_scan_error(s, where, "%s is given twice, and differs",
				      oft_field_texts[f].match);
	if (oft_value_is_zero(v.mask))
		return 1; // matches everything
	m->field[f] = v;
	m->present |= UINT64_C(1) << f;
	return 1;
}

static struct field_value number(uint64_t value, uint64_t mask)
{
	return (struct field_value){ { 0, value & mask }, { 0, mask } };
}

bool oft_match_is(const struct match *m, enum dp_flow_field f, uint64_t value)
{
	return match_has(m, f) && m->field[f].value.lo == value &&
	       oft_value_equal(m->field[f].mask, oft_field_ones(f));
}

static int shorthand(const struct scan *s, const struct word *w, struct match *m)
{
	int rc = 1;

	if (oft_span_is(w->key, "eth"))
		return 1;
	for (uint32_t i = 0; i < SHORTHANDS; i++) {
		if (!oft_span_is(w->key, shorthands[i].name))
			continue;
		rc = put(s, w->whole, m, DP_FLOW_eth_type, number(shorthands[i].eth_type, 0xffff));
		if (rc > 0 && shorthands[i].ip_proto >= 0)
			rc = put(s, w->whole, m, DP_FLOW_ip_proto,
				 number((uint64_t)shorthands[i].ip_proto, 0xff));
		return rc;
	}
	return 0;
}

// --- VLAN

static int put_present(const struct scan *s, struct span where, struct match *m)
{
	if (match_has(m, DP_FLOW_vlan_vid))
		return 1;
	return put(s, where, m, DP_FLOW_vlan_vid, number(DP_FLOW_VID_PRESENT, DP_FLOW_VID_PRESENT));
}

// A number of `dl_vlan` takes the place of "some tag", which a PCP before it has put there.
static int put_vid(const struct scan *s, const struct word *w, struct match *m, uint64_t value,
		   uint64_t mask)
{
	const struct field_value *old = &m->field[DP_FLOW_vlan_vid];

	if (match_has(m, DP_FLOW_vlan_vid) && old->mask.lo == DP_FLOW_VID_PRESENT &&
	    old->value.lo == DP_FLOW_VID_PRESENT && (value & DP_FLOW_VID_PRESENT) != 0)
		m->present &= ~(UINT64_C(1) << DP_FLOW_vlan_vid);
	return put(s, w->whole, m, DP_FLOW_vlan_vid, number(value, mask));
}

static int read_tci(const struct scan *s, const struct word *w, struct match *m)
{
	struct span value = w->value, mask_text;
	bool masked = oft_span_split(&value, "/", &mask_text);
	uint64_t tci, mask = 0xffff, pcp;
	int rc;

	if (oft_span_number(value, 0xffff, &tci) != 0 ||
	    (masked && oft_span_number(mask_text, 0xffff, &mask) != 0))
		return oft_scan_error(s, w->whole, "wants TCI or TCI/MASK, each at most 0xffff");
	pcp = mask & 0xe000;
	if (tci == 0 && mask == 0xffff) // no tag at all
		return put_vid(s, w, m, 0, 0x1fff);
	if (pcp != 0 && pcp != 0xe000)
		return oft_scan_error(s, w->whole, "OpenFlow has no mask for vlan_pcp");
	if (pcp != 0 && (tci & mask & DP_FLOW_VID_PRESENT) == 0)
		return oft_scan_error(s, w->whole, "a PCP wants the bit 0x1000: a tag is there");
	rc = (mask & 0x1fff) == 0 ? 1 : put_vid(s, w, m, tci & 0x1fff, mask & 0x1fff);
	if (rc > 0 && pcp != 0)
		rc = put(s, w->whole, m, DP_FLOW_vlan_pcp, number(tci >> 13, 7));
	return rc;
}

static int vlan_word(const struct scan *s, const struct word *w, struct match *m)
{
	struct scan in = *s;
	uint64_t n;
	int rc;

	if (oft_span_is(w->key, "vlan_tci"))
		return read_tci(s, w, m);
	if (oft_span_is(w->key, "dl_vlan")) {
		if (oft_span_number(w->value, 0xffff, &n) == 0 && n == 0xffff)
			return put_vid(s, w, m, 0, 0x1fff);
		rc = oft_word_number(s, w, 0xfff, &n);
		return rc < 0 ? rc : put_vid(s, w, m, n | DP_FLOW_VID_PRESENT, 0x1fff);
	}
	if (oft_span_is(w->key, "vlan_vid")) {
		struct field_value v;

		rc = oft_field_read(&in, DP_FLOW_vlan_vid, w->value, &v);
		return rc < 0 ? rc : put_vid(s, w, m, v.value.lo, v.mask.lo);
	}
	if (!oft_span_is(w->key, "dl_vlan_pcp") && !oft_span_is(w->key, "vlan_pcp"))
		return 0;
	rc = oft_word_number(s, w, 7, &n);
	rc = rc < 0 ? rc : put(s, w->whole, m, DP_FLOW_vlan_pcp, number(n, 7));
	return rc < 0 ? rc : put_present(s, w->whole, m);
}

// --- Names that depend on what came before

static enum dp_flow_field transport(const struct match *m, bool is_dst)
{
	if (oft_match_is(m, DP_FLOW_ip_proto, 6))
		return is_dst ? DP_FLOW_tcp_dst : DP_FLOW_tcp_src;
	if (oft_match_is(m, DP_FLOW_ip_proto, 17))
		return is_dst ? DP_FLOW_udp_dst : DP_FLOW_udp_src;
	if (oft_match_is(m, DP_FLOW_ip_proto, 132))
		return is_dst ? DP_FLOW_sctp_dst : DP_FLOW_sctp_src;
	if (oft_match_is(m, DP_FLOW_ip_proto, 1))
		return is_dst ? DP_FLOW_icmpv4_code : DP_FLOW_icmpv4_type;
	if (oft_match_is(m, DP_FLOW_ip_proto, 58))
		return is_dst ? DP_FLOW_icmpv6_code : DP_FLOW_icmpv6_type;
	return DP_FLOW_N_FIELDS;
}

static bool is_arp(const struct match *m)
{
	return oft_match_is(m, DP_FLOW_eth_type, 0x0806) ||
	       oft_match_is(m, DP_FLOW_eth_type, 0x8035);
}

static enum dp_flow_field field_of(const struct word *w, const struct match *m)
{
	bool is_dst = oft_span_is(w->key, "tp_dst");
	enum dp_flow_field f;

	if (is_dst || oft_span_is(w->key, "tp_src"))
		return transport(m, is_dst);
	f = oft_field_named(w->key);
	if (f == DP_FLOW_icmpv4_type && oft_match_is(m, DP_FLOW_ip_proto, 58))
		return DP_FLOW_icmpv6_type;
	if (f == DP_FLOW_icmpv4_code && oft_match_is(m, DP_FLOW_ip_proto, 58))
		return DP_FLOW_icmpv6_code;
	if (f == DP_FLOW_ipv4_src && is_arp(m))
		return DP_FLOW_arp_spa;
	if (f == DP_FLOW_ipv4_dst && is_arp(m))
		return DP_FLOW_arp_tpa;
	if (f == DP_FLOW_ip_proto && is_arp(m))
		return DP_FLOW_arp_op;
	return f;
}

int oft_match_word(const struct scan *s, const struct word *w, struct match *m)
{
	enum dp_flow_field f;
	struct field_value v;
	uint64_t n;
	int rc;

	if (w->delimiter == 0)
		return shorthand(s, w, m);
	if (w->delimiter == '(')
		return 0;
	rc = vlan_word(s, w, m);
	if (rc != 0)
		return rc;
	if (oft_span_is(w->key, "nw_tos")) {
		rc = oft_word_number(s, w, 255, &n);
		if (rc == 0 && (n & 3) != 0)
			return oft_scan_error(s, w->whole,
					      "a multiple of 4: DSCP shifted by two bits");
		return rc < 0 ? rc : put(s, w->whole, m, DP_FLOW_ip_dscp, number(n >> 2, 0x3f));
	}
	f = field_of(w, m);
	if (f == DP_FLOW_N_FIELDS && strncmp(w->key.at, "tp_", 3) == 0 && w->key.size == 6)
		return oft_scan_error(s, w->whole,
				      "say the protocol before it: tcp, udp, sctp, ...");
	if (f == DP_FLOW_N_FIELDS)
		return 0;
	rc = oft_field_read(s, f, w->value, &v);
	return rc < 0 ? rc : put(s, w->whole, m, f, v);
}

// --- Prerequisites, table 12 of OpenFlow 1.3.5

static bool is_ip(const struct match *m)
{
	return oft_match_is(m, DP_FLOW_eth_type, 0x0800) ||
	       oft_match_is(m, DP_FLOW_eth_type, 0x86dd);
}

// What f wants, in words of a match; NULL = it is there.
static const char *missing(const struct match *m, enum dp_flow_field f)
{
	static const struct {
		enum dp_flow_field first, last;
		uint8_t proto;
		const char *words;
	} protocols[] = {
		{ DP_FLOW_tcp_src, DP_FLOW_tcp_dst, 6, "tcp or tcp6" },
		{ DP_FLOW_udp_src, DP_FLOW_udp_dst, 17, "udp or udp6" },
		{ DP_FLOW_sctp_src, DP_FLOW_sctp_dst, 132, "sctp or sctp6" },
	};
	bool is_v6 = oft_match_is(m, DP_FLOW_eth_type, 0x86dd), icmp6;

	for (size_t i = 0; i < 3; i++) {
		if (f >= protocols[i].first && f <= protocols[i].last)
			return is_ip(m) && oft_match_is(m, DP_FLOW_ip_proto, protocols[i].proto)
				       ? NULL
				       : protocols[i].words;
	}
	icmp6 = is_v6 && oft_match_is(m, DP_FLOW_ip_proto, 58);
	if (f == DP_FLOW_vlan_pcp)
		return match_has(m, DP_FLOW_vlan_vid) &&
				       (m->field[DP_FLOW_vlan_vid].value.lo & DP_FLOW_VID_PRESENT)
			       ? NULL
			       : "a VLAN tag";
	if (f >= DP_FLOW_ip_dscp && f <= DP_FLOW_ip_proto)
		return is_ip(m) ? NULL : "ip or ipv6";
	if (f == DP_FLOW_ipv4_src || f == DP_FLOW_ipv4_dst)
		return oft_match_is(m, DP_FLOW_eth_type, 0x0800) ? NULL : "ip";
	if (f == DP_FLOW_icmpv4_type || f == DP_FLOW_icmpv4_code)
		return oft_match_is(m, DP_FLOW_eth_type, 0x0800) &&
				       oft_match_is(m, DP_FLOW_ip_proto, 1)
			       ? NULL
			       : "icmp or icmp6";
	if (f >= DP_FLOW_arp_op && f <= DP_FLOW_arp_tha)
		return is_arp(m) ? NULL : "arp";
	if (f >= DP_FLOW_ipv6_src && f <= DP_FLOW_ipv6_flabel)
		return is_v6 ? NULL : "ipv6";
	if (f == DP_FLOW_icmpv6_type || f == DP_FLOW_icmpv6_code)
		return icmp6 ? NULL : "icmp6";
	if (f >= DP_FLOW_mpls_label && f <= DP_FLOW_mpls_bos)
		return oft_match_is(m, DP_FLOW_eth_type, 0x8847) ||
				       oft_match_is(m, DP_FLOW_eth_type, 0x8848)
			       ? NULL
			       : "mpls or mplsm";
	if (f < DP_FLOW_ipv6_nd_target || f > DP_FLOW_ipv6_nd_tll)
		return NULL;
	if (icmp6 && f != DP_FLOW_ipv6_nd_tll && oft_match_is(m, DP_FLOW_icmpv6_type, 135))
		return NULL;
	return icmp6 && f != DP_FLOW_ipv6_nd_sll && oft_match_is(m, DP_FLOW_icmpv6_type, 136)
		       ? NULL
		       : "icmp6 with icmp_type=135 or 136";
}

int oft_match_end(const struct scan *s, const struct match *m, struct span whole)
{
	for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
		const char *want = match_has(m, f) ? missing(m, f) : NULL;

		if (want != NULL)
			return oft_scan_error(s, whole, "%s only goes with %s",
					      oft_field_texts[f].match, want);
	}
	return 0;
}

// --- Writing, in ovs-ofctl's order

static void write_named(struct of_text *t, const struct match *m, enum dp_flow_field f,
			const struct of_text_ports *ports)
{
	if (!match_has(m, f))
		return;
	of_text_printf(t, "%s=", oft_field_texts[f].match);
	oft_field_write(t, f, &m->field[f], ports);
	of_text_put(t, ",");
}

static void write_vlan(struct of_text *t, const struct match *m)
{
	const struct field_value *vid = &m->field[DP_FLOW_vlan_vid];
	bool has_vid = match_has(m, DP_FLOW_vlan_vid), has_pcp = match_has(m, DP_FLOW_vlan_pcp);
	uint64_t mask = has_vid ? vid->mask.lo : 0, value = has_vid ? vid->value.lo : 0;
	uint64_t number = mask & 0xfff, pcp = has_pcp ? m->field[DP_FLOW_vlan_pcp].value.lo : 0;

	if (!has_vid && !has_pcp)
		return;
	if ((value & mask & DP_FLOW_VID_PRESENT) != 0 && (number == 0 || number == 0xfff) &&
	    (number != 0 || has_pcp)) {
		if (number != 0)
			of_text_printf(t, "dl_vlan=%" PRIu64 ",", value & 0xfff);
		if (has_pcp)
			of_text_printf(t, "dl_vlan_pcp=%" PRIu64 ",", pcp);
		return;
	}
	mask |= has_pcp ? 0xe000 : 0;
	of_text_printf(t, "vlan_tci=0x%04" PRIx64, value | pcp << 13);
	if (mask != 0xffff)
		of_text_printf(t, "/0x%04" PRIx64, mask);
	of_text_put(t, ",");
}

// The shorthand for type and protocol. returns which of them it says: 1 type, 2 protocol too
static int write_shorthand(struct of_text *t, const struct match *m)
{
	bool has_proto = match_has(m, DP_FLOW_ip_proto) && is_ip(m);

	for (uint32_t with = has_proto; with < 2; with--) {
		for (uint32_t i = 0; i < SHORTHANDS; i++) {
			bool fits = with != 0 ? oft_match_is(m, DP_FLOW_ip_proto,
							     (uint64_t)shorthands[i].ip_proto)
					      : shorthands[i].ip_proto < 0;

			if (fits && (with == 0 || shorthands[i].ip_proto >= 0) &&
			    oft_match_is(m, DP_FLOW_eth_type, shorthands[i].eth_type)) {
				of_text_printf(t, "%s,", shorthands[i].name);
				return with != 0 ? 2 : 1;
			}
		}
	}
	return 0;
}

static void write_rest(struct of_text *t, const struct match *m, int said,
		       const struct of_text_ports *ports)
{
	static const enum dp_flow_field first[] = { DP_FLOW_eth_src, DP_FLOW_eth_dst };
	static const enum dp_flow_field net[] = { DP_FLOW_ipv6_src,    DP_FLOW_ipv6_dst,
						  DP_FLOW_ipv6_flabel, DP_FLOW_arp_spa,
						  DP_FLOW_arp_tpa,     DP_FLOW_ipv4_src,
						  DP_FLOW_ipv4_dst };
	static const enum dp_flow_field arp[] = { DP_FLOW_arp_op, DP_FLOW_arp_sha,
						  DP_FLOW_arp_tha };
	static const enum dp_flow_field last[] = {
		DP_FLOW_ip_ecn,	     DP_FLOW_mpls_label,  DP_FLOW_mpls_tc,
		DP_FLOW_mpls_bos,    DP_FLOW_icmpv4_type, DP_FLOW_icmpv4_code,
		DP_FLOW_icmpv6_type, DP_FLOW_icmpv6_code, DP_FLOW_ipv6_nd_target,
		DP_FLOW_ipv6_nd_sll, DP_FLOW_ipv6_nd_tll, DP_FLOW_tcp_src,
		DP_FLOW_tcp_dst,     DP_FLOW_udp_src,	  DP_FLOW_udp_dst,
		DP_FLOW_sctp_src,    DP_FLOW_sctp_dst,
	};

	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		write_named(t, m, first[i], ports);
	if (said < 1)
		write_named(t, m, DP_FLOW_eth_type, ports);
	for (size_t i = 0; i < sizeof(net) / sizeof(net[0]); i++)
		write_named(t, m, net[i], ports);
	if (said < 2)
		write_named(t, m, DP_FLOW_ip_proto, ports);
	for (size_t i = 0; i < sizeof(arp) / sizeof(arp[0]); i++)
		write_named(t, m, arp[i], ports);
	if (match_has(m, DP_FLOW_ip_dscp))
		of_text_printf(t, "nw_tos=%" PRIu64 ",", m->field[DP_FLOW_ip_dscp].value.lo << 2);
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		write_named(t, m, last[i], ports);
}

void oft_match_write(struct of_text *t, const struct match *m, uint32_t priority,
		     const struct of_text_ports *ports)
{
	size_t begin = t->size;
	int said;

	if (priority != PRIORITY)
		of_text_printf(t, "priority=%u,", priority);
	said = write_shorthand(t, m);
	write_named(t, m, DP_FLOW_tunnel_id, ports);
	write_named(t, m, DP_FLOW_metadata, ports);
	write_named(t, m, DP_FLOW_in_port, ports);
	write_named(t, m, DP_FLOW_in_phy_port, ports);
	write_vlan(t, m);
	write_rest(t, m, said, ports);
	if (t->size > begin && t->buf[t->size - 1] == ',')
		t->buf[--t->size] = '\0';
}
