// Traffic classes and how a frame is recognised.
//
// A class says *when* a frame is served, never *how much* a VM may send. Recognition is a pure
// function of a small key that the caller extracts from the frame, so the same code runs on a
// worker, in `weir explain`, in tests and in fuzzers.
//
// Rule order, first match wins (the winner is reported for `explain`):
//   1. control protocols by ethertype or ICMPv6 ND       -> control
//   2. boot protocols (DHCP, PXE, TFTP) by UDP port      -> boot
//   3. storage ethertypes (FCoE, FIP, AoE), as declared  -> storage
//   4. a portal, declared or learnt (address, protocol, port) -> storage
//   5. a well-known storage port of a declared server    -> storage
//   6. DSCP: CS1 and LE always lower; EF, AF2x, CS6/7 only where the port trusts DSCP
//   7. PCP of the frame's tag, only where the port trusts PCP: 6, 7 -> control; 5 -> latency;
//      4 -> storage; 3, 2 -> interactive; 1 -> scavenger. 0 says nothing, like a missing tag.
//   8. the class of the frame's VLAN
//   9. the port's default class
// A well-known port alone never buys priority: rules 4 and 5 need an address that the operator
// named, or that a server taught whom the operator named. What a frame goes to is asked first.
// Where it comes from counts only where nobody can make it up (src_known): else any guest could
// send in class storage by the name of a portal. An ethertype has no address, so rule 3 is off
// unless the operator declares it. Where DSCP and PCP are both trusted, DSCP speaks first: it is
// the sender's word, PCP that of the last switch, whose table may know fewer classes. A DSCP that
// no rule knows says nothing. A PCP that is not trusted is not looked at, not even to lower.
//
// thread: every function here is pure over its arguments; the portal table is read-only on workers.
#ifndef QOS_CLASS_H
#define QOS_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// In order of urgency: a lower number is served first.
enum qos_class {
	QOS_CLASS_CONTROL,
	QOS_CLASS_BOOT,
	QOS_CLASS_STORAGE,
	QOS_CLASS_LATENCY,
	QOS_CLASS_INTERACTIVE,
	QOS_CLASS_BULK,
	QOS_CLASS_SCAVENGER,
	QOS_N_CLASSES,
};

// Why a frame got its class, for `explain` and tests.
enum qos_why {
	QOS_WHY_DEFAULT,
	QOS_WHY_CONTROL_PROTOCOL,
	QOS_WHY_BOOT_PROTOCOL,
	QOS_WHY_STORAGE_ETHERTYPE,
	QOS_WHY_PORTAL,
	QOS_WHY_STORAGE_SERVER,
	QOS_WHY_DSCP,
	QOS_WHY_CONTROL_RATE,
	QOS_WHY_PCP,
	QOS_WHY_VLAN,
	QOS_WHY_LEARNT,	 // a learnt portal
	QOS_WHY_BOOTING, // storage of a machine that boots
	QOS_N_WHYS,
};

// An address of either family: IPv4 is kept as an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2),
// so one comparison serves both.
struct qos_addr {
	uint8_t b[16];
};

// What recognition looks at. Ports are in host order; l4_known says that proto/sport/dport are
// valid (false for non-first fragments and unknown headers).
struct qos_key {
	struct qos_addr src, dst; // looked at only when is_ip, l4_known and qos_portals_may
	uint16_t eth_type;	  // innermost ethertype, host order; 0 for 802.3 LLC
	uint16_t sport, dport;	  // host order; ICMP: type in sport
	uint8_t ip_proto;
	uint8_t dscp;
	uint8_t pcp; // 0..7; 0 without a tag
	bool is_ip, l4_known, trust_dscp, trust_pcp;
	bool src_known;	    // src is the sender's: verified at its port, or the port is no guest's
	uint8_t vlan_class; // enum qos_class + 1; 0 = the VLAN has none
	uint8_t default_class; // enum qos_class
};

// Returns the lower-case name used in configuration and output ("storage"), never NULL.
const char *qos_class_name(enum qos_class c);

// Returns a sentence fragment that explains `why`, never NULL.
const char *qos_why_text(enum qos_why why);

// Find a class by name. returns 0, or -ENOENT with *c unchanged.
int qos_class_find(const char *name, enum qos_class *c);

// Make a qos_addr of 4 or 16 bytes in network order.
void qos_addr_set4(struct qos_addr *a, const uint8_t ip4[4]);
void qos_addr_set6(struct qos_addr *a, const uint8_t ip6[16]);

// Class of a frame that no rule knows: rules 8 and 9.
static inline enum qos_class qos_class_unknown(uint8_t vlan_class, uint8_t default_class,
					       enum qos_why *why)
{
	if (vlan_class == 0) {
		*why = QOS_WHY_DEFAULT;
		return (enum qos_class)default_class;
	}
	*why = QOS_WHY_VLAN;
	return (enum qos_class)(vlan_class - 1);
}

struct qos_portals; // qos_portal.h

// The rule that knows a portal which came to be known so (enum qos_how).
enum qos_why qos_why_of(uint32_t how);

// Class of one frame.
//
// k        what the frame says; k->default_class < QOS_N_CLASSES
// portals  declared portals and servers, or NULL for none
// why      out: the rule that decided
// returns  the class; never fails
// thread   any; reads only
enum qos_class qos_classify(const struct qos_key *k, const struct qos_portals *portals,
			    enum qos_why *why);

#endif
