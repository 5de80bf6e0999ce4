// Storage portals, declared or learnt, and storage servers.
//
// A portal is (address, IP protocol, port): an exact match. A server is an address or prefix: any
// well-known storage port from or to it counts. The table is built on the main thread, then read by
// every worker; a change of configuration builds a new table (design.md section 4). One thing is
// added to a table in use: a portal that a listed server has just taught (qos_portals_learn), so
// that the guest's next packet finds it, whatever main is doing.
#ifndef QOS_PORTAL_H
#define QOS_PORTAL_H

#include "qos_class.h"

#define QOS_PORTALS_MAX 4096
#define QOS_SERVERS_MAX 256

struct qos_portals;

// What a portal serves. It decides who reads the bytes, if anybody (qos_pdu.h).
enum qos_service {
	QOS_SVC_NONE,
	QOS_SVC_ISCSI,	 // RFC 7143
	QOS_SVC_NFS,	 // ONC RPC over TCP, RFC 5531
	QOS_SVC_RPCBIND, // RFC 1833; teaches the ports of QOS_SVC_RPC
	QOS_SVC_RPC,	 // mountd, NLM, statd
	QOS_SVC_NVME,	 // NVMe/TCP
	QOS_SVC_CEPH,
	QOS_SVC_SMB,
	QOS_SVC_NBD,
	QOS_SVC_OTHER, // storage, and nothing else is known
	QOS_N_SVCS,
};
// "iscsi", "nfs", ...; never NULL
const char *qos_service_name(enum qos_service s);
// returns 0, or -ENOENT with *s unchanged
int qos_service_find(const char *name, enum qos_service *s);
// By well-known port; QOS_SVC_NONE when it is none.
enum qos_service qos_service_of(uint8_t proto, uint16_t port);

// How a portal came to be known.
enum qos_how {
	QOS_HOW_SERVER, // a well-known port of a listed server
	QOS_HOW_DECLARED,
	QOS_HOW_REDIRECT,    // iSCSI login response, RFC 7143 section 11.13.5
	QOS_HOW_SENDTARGETS, // iSCSI text response, RFC 7143 section 4.3 and appendix C
	QOS_HOW_RPCBIND,     // GETPORT or GETADDR
	QOS_N_HOWS,
};
const char *qos_how_name(enum qos_how h); // "declared", "redirect", ...

enum qos_way { QOS_TO_PORTAL, QOS_FROM_PORTAL };

// One portal as the builder gives it.
struct qos_portal {
	struct qos_addr addr;
	uint16_t port;	 // host order, 1..65535
	uint8_t proto;	 // IP protocol number
	uint8_t service; // enum qos_service; QOS_SVC_NONE = by its port, else QOS_SVC_OTHER
	uint8_t how;	 // enum qos_how
};

// What a frame has to do with a portal.
struct qos_portal_hit {
	uint8_t service; // enum qos_service
	uint8_t way;	 // enum qos_way
	uint8_t how;	 // enum qos_how
	bool listed;	 // the operator named the portal's address: what it says may teach
};

// Build an empty table.
// returns  0 and *out (free with qos_portals_destroy), or -ENOMEM with *out = NULL
int qos_portals_create(struct qos_portals **out);
void qos_portals_destroy(struct qos_portals *p);

// Add one exact portal. port is in host order, 1..65535; proto is an IP protocol number.
// returns  0; -EEXIST = already there (no change); -ENOSPC = QOS_PORTALS_MAX reached
// thread   the builder, before the table is published
int qos_portals_add(struct qos_portals *p, const struct qos_addr *a, uint8_t proto, uint16_t port);

// Add a portal with all that is known of it; of two that are the same the first stays, so put the
// declared ones first.
// returns  as qos_portals_add; -EINVAL = out of bounds, or the unspecified address
int qos_portals_put(struct qos_portals *p, const struct qos_portal *portal);

// Add a portal to a table that workers read. It is seen from the return on, by every worker; no
// lock, no allocation. At most QOS_PORTALS_LIVE of them fit; main keeps what is taught and builds
// the next table with it.
// portal   how: REDIRECT, SENDTARGETS or RPCBIND
// returns  0; -EEXIST; -ENOSPC; -EINVAL
// thread   any, beside readers and each other
#define QOS_PORTALS_LIVE 256
int qos_portals_learn(struct qos_portals *p, const struct qos_portal *portal);

// Ethertypes that count as storage, as declared: bits of enum qos_l2. None at first, so that no
// guest gains by sending one.
enum qos_l2 { QOS_L2_FCOE = 1, QOS_L2_AOE = 2 }; // FIP goes with FCoE
void qos_portals_set_l2(struct qos_portals *p, uint32_t mask);
uint32_t qos_portals_l2(const struct qos_portals *p);

// Is one end of these a portal or a server's storage port? What a frame goes to is asked first.
// returns  true with *hit filled
// thread   any; reads only
bool qos_portals_match(const struct qos_portals *p, const struct qos_addr *src, uint16_t sport,
		       const struct qos_addr *dst, uint16_t dport, uint8_t proto,
		       struct qos_portal_hit *hit);
// Did the operator name this address, as a server or a declared portal's?
bool qos_portals_listed(const struct qos_portals *p, const struct qos_addr *a);

// Add one server prefix. prefix_bits counts in the 128-bit mapped form (IPv4 /24 is 120).
// returns  0; -EINVAL = prefix_bits > 128; -ENOSPC = QOS_SERVERS_MAX reached
int qos_portals_add_server(struct qos_portals *p, const struct qos_addr *a, uint32_t prefix_bits);

// false when no address can make a frame of these ports storage: then none need be looked up.
bool qos_portals_may(const struct qos_portals *p, uint16_t sport, uint16_t dport);

// true when no rule knows a TCP or UDP frame over IPv4, whatever its addresses, unless its PCP says
// something: most frames, at a fraction of qos_classify's price.
//
// p        as for qos_classify
// thread   any; reads only
static inline bool qos_is_plain(const struct qos_portals *p, uint8_t dscp, uint16_t sport,
				uint16_t dport)
{
	// The ports of rule 2, in either direction.
	bool boot = (uint16_t)(dport - 67) <= 2 || (uint16_t)(dport - 546) <= 1 || dport == 4011 ||
		    sport == 4011;

	return dscp == 0 && !boot && (p == NULL || !qos_portals_may(p, sport, dport));
}

// true when the exact portal is declared.
bool qos_portals_has(const struct qos_portals *p, const struct qos_addr *a, uint8_t proto,
		     uint16_t port);

// true when a lies in a declared server prefix.
bool qos_portals_is_server(const struct qos_portals *p, const struct qos_addr *a);

// true when (proto, port) is a well-known storage service: iSCSI 3260/860, NFS 2049, rpcbind 111,
// NVMe/TCP 4420/8009, Ceph 3300/6789/6800-7568, SMB 445, NBD 10809.
// source  IANA service names and port numbers; Ceph network configuration reference
bool qos_storage_port(uint8_t proto, uint16_t port);

#endif
