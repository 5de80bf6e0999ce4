// Declared storage portals and storage servers.
//
// A portal is (address, IP protocol, port): an exact match. A server is an address or prefix: any
// well-known storage port from or to it counts. The table is built once on the main thread, then
// read by every worker; a change builds a new table (design.md section 4).
#ifndef QOS_PORTAL_H
#define QOS_PORTAL_H

#include "qos_class.h"

#define QOS_PORTALS_MAX 4096
#define QOS_SERVERS_MAX 256

struct qos_portals;

// Build an empty table.
// returns  0 and *out (free with qos_portals_destroy), or -ENOMEM with *out = NULL
int qos_portals_create(struct qos_portals **out);
void qos_portals_destroy(struct qos_portals *p);

// Add one exact portal. port is in host order, 1..65535; proto is an IP protocol number.
// returns  0; -EEXIST = already there (no change); -ENOSPC = QOS_PORTALS_MAX reached
// thread   the builder, before the table is published
int qos_portals_add(struct qos_portals *p, const struct qos_addr *a, uint8_t proto, uint16_t port);

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
