#include "qos_class.h"

#include <errno.h>
#include <string.h>

#include "qos_portal.h"

enum {
	ETH_IP4 = 0x0800,
	ETH_ARP = 0x0806,
	ETH_RARP = 0x8035,
	ETH_IPV6 = 0x86dd,
	ETH_SLOW = 0x8809, // LACP, marker (IEEE 802.3 annex 57A)
	ETH_EAPOL = 0x888e,
	ETH_AOE = 0x88a2,
	ETH_LLDP = 0x88cc,
	ETH_CFM = 0x8902,
	ETH_FCOE = 0x8906,
	ETH_FIP = 0x8914,
	IPPROTO_UDP_ = 17,
	IPPROTO_ICMP6_ = 58,
};

static const char *const class_names[QOS_N_CLASSES] = {
	[QOS_CLASS_CONTROL] = "control",	 [QOS_CLASS_BOOT] = "boot",
	[QOS_CLASS_STORAGE] = "storage",	 [QOS_CLASS_LATENCY] = "latency",
	[QOS_CLASS_INTERACTIVE] = "interactive", [QOS_CLASS_BULK] = "bulk",
	[QOS_CLASS_SCAVENGER] = "scavenger",
};

static const char *const why_texts[QOS_N_WHYS] = {
	[QOS_WHY_DEFAULT] = "the port's default class",
	[QOS_WHY_CONTROL_PROTOCOL] = "a control protocol",
	[QOS_WHY_BOOT_PROTOCOL] = "a boot protocol (DHCP, PXE or TFTP)",
	[QOS_WHY_STORAGE_ETHERTYPE] = "a storage ethertype (FCoE, FIP or AoE)",
	[QOS_WHY_PORTAL] = "a declared storage portal",
	[QOS_WHY_STORAGE_SERVER] = "a storage port of a declared storage server",
	[QOS_WHY_DSCP] = "its DSCP",
	[QOS_WHY_CONTROL_RATE] = "control or boot traffic over the port's control rate",
	[QOS_WHY_PCP] = "the priority (PCP) of its tag",
	[QOS_WHY_VLAN] = "its VLAN's class",
	[QOS_WHY_LEARNT] = "a storage portal that a listed server taught",
	[QOS_WHY_BOOTING] = "storage of a machine that boots",
};

const char *qos_class_name(enum qos_class c)
{
	return c < QOS_N_CLASSES ? class_names[c] : "invalid";
}

const char *qos_why_text(enum qos_why why)
{
	return why < QOS_N_WHYS ? why_texts[why] : "invalid";
}

int qos_class_find(const char *name, enum qos_class *c)
{
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		if (strcmp(name, class_names[i]) == 0) {
			*c = (enum qos_class)i;
			return 0;
		}
	}
	return -ENOENT;
}

void qos_addr_set4(struct qos_addr *a, const uint8_t ip4[4])
{
	memset(a->b, 0, 10);
	a->b[10] = a->b[11] = 0xff;
	memcpy(a->b + 12, ip4, 4);
}

void qos_addr_set6(struct qos_addr *a, const uint8_t ip6[16])
{
	memcpy(a->b, ip6, 16);
}

static bool is_control(const struct qos_key *k)
{
	switch (k->eth_type) {
	case ETH_IP4:
		return false;
	case ETH_ARP:
	case ETH_RARP:
	case ETH_SLOW:
	case ETH_EAPOL:
	case ETH_LLDP:
	case ETH_CFM:
		return true;
	case ETH_IPV6: // neighbour discovery, RFC 4861: types 133..137
		return k->l4_known && k->ip_proto == IPPROTO_ICMP6_ && k->sport >= 133 &&
		       k->sport <= 137;
	default:
		return false;
	}
}

// TFTP data leaves the well-known port after the first packet (RFC 1350 section 4): the responder's
// transfers are classed by the boot hop itself, a foreign server's only by their first packet.
static bool is_boot(const struct qos_key *k)
{
	if (!k->l4_known || k->ip_proto != IPPROTO_UDP_)
		return false;
	return k->dport == 67 || k->dport == 68 || k->dport == 69 || k->dport == 4011 ||
	       k->sport == 4011 || k->dport == 546 || k->dport == 547;
}

static bool by_dscp(const struct qos_key *k, enum qos_class *c)
{
	// Lowering oneself needs no trust: CS1 (RFC 3662) and LE (RFC 8622).
	if (k->dscp == 8 || k->dscp == 1) {
		*c = QOS_CLASS_SCAVENGER;
		return true;
	}
	if (!k->trust_dscp)
		return false;
	switch (k->dscp) {
	case 46: // EF, RFC 3246
		*c = QOS_CLASS_LATENCY;
		return true;
	case 18: // AF21..AF23, RFC 2597
	case 20:
	case 22:
		*c = QOS_CLASS_INTERACTIVE;
		return true;
	case 48: // CS6, CS7: network control, RFC 4594 section 3.1
	case 56:
		*c = QOS_CLASS_CONTROL;
		return true;
	default:
		return false;
	}
}

// As marked on uplinks, backwards; of the two classes that go out as 4, storage.
static bool by_pcp(const struct qos_key *k, enum qos_class *c)
{
	static const uint8_t classes[8] = {
		[1] = QOS_CLASS_SCAVENGER, [2] = QOS_CLASS_INTERACTIVE, [3] = QOS_CLASS_INTERACTIVE,
		[4] = QOS_CLASS_STORAGE,   [5] = QOS_CLASS_LATENCY,	[6] = QOS_CLASS_CONTROL,
		[7] = QOS_CLASS_CONTROL,
	};

	if (!k->trust_pcp || (k->pcp & 7) == 0)
		return false;
	*c = (enum qos_class)classes[k->pcp & 7];
	return true;
}

enum qos_why qos_why_of(uint32_t how)
{
	static const uint8_t whys[QOS_N_HOWS] = {
		[QOS_HOW_SERVER] = QOS_WHY_STORAGE_SERVER, [QOS_HOW_DECLARED] = QOS_WHY_PORTAL,
		[QOS_HOW_REDIRECT] = QOS_WHY_LEARNT,	   [QOS_HOW_SENDTARGETS] = QOS_WHY_LEARNT,
		[QOS_HOW_RPCBIND] = QOS_WHY_LEARNT,
	};

	return (enum qos_why)whys[how];
}

static bool by_portal(const struct qos_key *k, const struct qos_portals *p, enum qos_why *why)
{
	struct qos_portal_hit hit;

	if (p == NULL || !k->l4_known || !qos_portals_may(p, k->sport, k->dport))
		return false;
	if (!qos_portals_match(p, &k->src, k->sport, &k->dst, k->dport, k->ip_proto, &hit) ||
	    (hit.way == QOS_FROM_PORTAL && !k->src_known))
		return false;
	*why = qos_why_of(hit.how);
	return true;
}

static bool by_ethertype(const struct qos_key *k, const struct qos_portals *p)
{
	uint32_t l2 = p == NULL ? 0 : qos_portals_l2(p);

	return k->eth_type == ETH_AOE ? (l2 & QOS_L2_AOE) != 0
				      : (l2 & QOS_L2_FCOE) != 0 &&
						(k->eth_type == ETH_FCOE || k->eth_type == ETH_FIP);
}

enum qos_class qos_classify(const struct qos_key *k, const struct qos_portals *portals,
			    enum qos_why *why)
{
	enum qos_class c;

	if (is_control(k)) {
		*why = QOS_WHY_CONTROL_PROTOCOL;
		return QOS_CLASS_CONTROL;
	}
	if (k->is_ip) {
		if (is_boot(k)) {
			*why = QOS_WHY_BOOT_PROTOCOL;
			return QOS_CLASS_BOOT;
		}
		if (by_portal(k, portals, why))
			return QOS_CLASS_STORAGE;
		if (by_dscp(k, &c)) {
			*why = QOS_WHY_DSCP;
			return c;
		}
	} else if (by_ethertype(k, portals)) {
		*why = QOS_WHY_STORAGE_ETHERTYPE;
		return QOS_CLASS_STORAGE;
	}
	if (by_pcp(k, &c)) {
		*why = QOS_WHY_PCP;
		return c;
	}
	return qos_class_unknown(k->vlan_class, k->default_class, why);
}
