#include "qos_portal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// Open addressing, twice the slots of the limits and more: probes stay short and the table never
// fills.
#define N_SLOTS (2 * QOS_PORTALS_MAX)
_Static_assert(N_SLOTS == 1 << 13, "slot_hash gives 13 bits");
_Static_assert(QOS_PORTALS_MAX + QOS_PORTALS_LIVE < N_SLOTS, "an empty slot ends each probe");

// What stands in a slot. Readers and those who learn meet here, without a lock:
//
//   learn   claims an empty slot by compare-and-swap (0 -> CLAIMED), or finds its portal there
//           (acquire, as a reader); writes address, service and how, and stores the key with
//           release order;
//   reader  loads the key with acquire order and looks at the rest only when it is one. A claimed
//           slot is passed over: what is being written into it is not said yet.
//
// A slot that has a key never changes, and none is ever emptied, so a probe that ends at an empty
// slot has passed all that was published before. Two who learn the same portal at one time may
// both enter it; a reader finds the first, which says the same.
//
// The port's bit is set by an atomic or (bits of a byte belong to many) before the key is stored,
// so whoever sees the key sees the bit, the one who is told -EEXIST too. A reader may see the bit
// first: that is as if the portal came a moment later. Whoever gets word of a portal from the
// worker that entered it, by a ring or by the frame that follows, sees both.
enum { KEY_PROTO_SHIFT = 16, KEY_FULL = 1 << 24, KEY_CLAIMED = 1 << 25 };

struct slot {
	_Atomic uint32_t key; // 0 = empty, KEY_CLAIMED, or port, protocol and KEY_FULL
	uint8_t service;      // enum qos_service
	uint8_t how;	      // enum qos_how
	struct qos_addr addr;
};

struct server {
	struct qos_addr addr;
	uint32_t prefix_bits;
};

struct qos_portals {
	// One bit per portal's port, and per storage port once a server is listed: most frames end
	// here.
	_Atomic uint8_t port_seen[65536 / 8];
	uint32_t n_put, n_servers, l2_mask;
	_Atomic uint32_t n_live;
	struct server servers[QOS_SERVERS_MAX];
	struct slot slots[N_SLOTS];
	// Addresses of declared portals, the same way; all bytes 0 = empty (no portal has it).
	struct qos_addr named[N_SLOTS];
};

static const char *const service_names[QOS_N_SVCS] = {
	[QOS_SVC_NONE] = "none",       [QOS_SVC_ISCSI] = "iscsi", [QOS_SVC_NFS] = "nfs",
	[QOS_SVC_RPCBIND] = "rpcbind", [QOS_SVC_RPC] = "rpc",	  [QOS_SVC_NVME] = "nvme",
	[QOS_SVC_CEPH] = "ceph",       [QOS_SVC_SMB] = "smb",	  [QOS_SVC_NBD] = "nbd",
	[QOS_SVC_OTHER] = "other",
};

static const char *const how_names[QOS_N_HOWS] = {
	[QOS_HOW_SERVER] = "server",	 [QOS_HOW_DECLARED] = "declared",
	[QOS_HOW_REDIRECT] = "redirect", [QOS_HOW_SENDTARGETS] = "sendtargets",
	[QOS_HOW_RPCBIND] = "rpcbind",
};

const char *qos_service_name(enum qos_service s)
{
	return s < QOS_N_SVCS ? service_names[s] : "invalid";
}

int qos_service_find(const char *name, enum qos_service *s)
{
	for (uint32_t i = 0; i < QOS_N_SVCS; i++) {
		if (strcmp(name, service_names[i]) == 0) {
			*s = (enum qos_service)i;
			return 0;
		}
	}
	return -ENOENT;
}

const char *qos_how_name(enum qos_how h)
{
	return h < QOS_N_HOWS ? how_names[h] : "invalid";
}

enum qos_service qos_service_of(uint8_t proto, uint16_t port)
{
	if (proto == 17)
		return port == 2049 ? QOS_SVC_NFS : port == 111 ? QOS_SVC_RPCBIND : QOS_SVC_NONE;
	if (proto != 6)
		return QOS_SVC_NONE;
	switch (port) {
	case 111:
		return QOS_SVC_RPCBIND;
	case 445:
		return QOS_SVC_SMB;
	case 860:
	case 3260:
		return QOS_SVC_ISCSI;
	case 2049:
		return QOS_SVC_NFS;
	case 4420:
	case 8009:
		return QOS_SVC_NVME;
	case 3300:
	case 6789:
		return QOS_SVC_CEPH;
	case 10809:
		return QOS_SVC_NBD;
	default:
		return port >= 6800 && port <= 7568 ? QOS_SVC_CEPH : QOS_SVC_NONE;
	}
}

bool qos_storage_port(uint8_t proto, uint16_t port)
{
	return qos_service_of(proto, port) != QOS_SVC_NONE;
}

static uint32_t addr_hash(const struct qos_addr *a, uint32_t proto, uint32_t port)
{
	uint64_t x, y;

	memcpy(&x, a->b, 8);
	memcpy(&y, a->b + 8, 8);
	// The last bytes of an address stand highest: fold them down, then take the top 13 bits of
	// the product.
	x ^= y ^ ((uint64_t)port << 8) ^ proto;
	x ^= x >> 32;
	return (uint32_t)((x * 0x9e3779b97f4a7c15u) >> 51);
}

static uint32_t key_of(uint8_t proto, uint16_t port)
{
	return KEY_FULL | (uint32_t)proto << KEY_PROTO_SHIFT | port;
}

int qos_portals_create(struct qos_portals **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? -ENOMEM : 0;
}

void qos_portals_destroy(struct qos_portals *p)
{
	free(p);
}

static bool slot_is(const struct slot *s, uint32_t found, uint32_t key, const struct qos_addr *a)
{
	return found == key && memcmp(&s->addr, a, sizeof(*a)) == 0;
}

static const struct slot *slot_find(const struct qos_portals *p, const struct qos_addr *a,
				    uint8_t proto, uint16_t port)
{
	uint32_t key = key_of(proto, port), found;

	for (uint32_t i = addr_hash(a, proto, port);; i = (i + 1) % N_SLOTS) {
		found = atomic_load_explicit(&p->slots[i].key, memory_order_acquire);
		if (found == 0)
			return NULL;
		if (slot_is(&p->slots[i], found, key, a))
			return &p->slots[i];
	}
}

// The slot where it is to be written, claimed. returns NULL when it is there already
static struct slot *slot_claim(struct qos_portals *p, const struct qos_portal *portal)
{
	uint32_t key = key_of(portal->proto, portal->port);
	uint32_t i = addr_hash(&portal->addr, portal->proto, portal->port);

	for (;;) {
		struct slot *s = &p->slots[i];
		uint32_t found = 0;

		if (atomic_compare_exchange_strong_explicit(&s->key, &found, KEY_CLAIMED,
							    memory_order_acquire,
							    memory_order_acquire))
			return s;
		if (slot_is(s, found, key, &portal->addr))
			return NULL;
		i = (i + 1) % N_SLOTS;
	}
}

static void port_mark(struct qos_portals *p, uint16_t port)
{
	atomic_fetch_or_explicit(&p->port_seen[port / 8], (uint8_t)(1u << (port % 8)),
				 memory_order_relaxed);
}

// returns 0; -EEXIST
static int enter(struct qos_portals *p, const struct qos_portal *portal)
{
	enum qos_service by_port = qos_service_of(portal->proto, portal->port);
	struct slot *s = slot_claim(p, portal);

	if (s == NULL)
		return -EEXIST;
	s->addr = portal->addr;
	s->how = portal->how;
	s->service = portal->service != QOS_SVC_NONE ? portal->service
		     : by_port != QOS_SVC_NONE	     ? (uint8_t)by_port
						     : QOS_SVC_OTHER;
	port_mark(p, portal->port);
	atomic_store_explicit(&s->key, key_of(portal->proto, portal->port), memory_order_release);
	return 0;
}

static bool is_zero(const struct qos_addr *a)
{
	static const struct qos_addr zero;

	return memcmp(a, &zero, sizeof(zero)) == 0;
}

static bool in_bounds(const struct qos_portal *portal)
{
	return portal->port != 0 && portal->service < QOS_N_SVCS && portal->how < QOS_N_HOWS &&
	       !is_zero(&portal->addr);
}

// The place of the address among those of declared portals, or the empty one where it would go.
static uint32_t named_at(const struct qos_portals *p, const struct qos_addr *a)
{
	uint32_t i = addr_hash(a, 0, 0);

	while (!is_zero(&p->named[i]) && memcmp(&p->named[i], a, sizeof(*a)) != 0)
		i = (i + 1) % N_SLOTS;
	return i;
}

int qos_portals_put(struct qos_portals *p, const struct qos_portal *portal)
{
	if (!in_bounds(portal))
		return -EINVAL;
	if (slot_find(p, &portal->addr, portal->proto, portal->port) != NULL)
		return -EEXIST;
	if (p->n_put == QOS_PORTALS_MAX)
		return -ENOSPC;
	p->n_put++;
	if (portal->how == QOS_HOW_DECLARED)
		p->named[named_at(p, &portal->addr)] = portal->addr;
	return enter(p, portal);
}

int qos_portals_add(struct qos_portals *p, const struct qos_addr *a, uint8_t proto, uint16_t port)
{
	const struct qos_portal portal = {
		.addr = *a, .port = port, .proto = proto, .how = QOS_HOW_DECLARED
	};

	return qos_portals_put(p, &portal);
}

int qos_portals_learn(struct qos_portals *p, const struct qos_portal *portal)
{
	int rc;

	if (!in_bounds(portal) || portal->how <= QOS_HOW_DECLARED)
		return -EINVAL;
	if (slot_find(p, &portal->addr, portal->proto, portal->port) != NULL)
		return -EEXIST;
	// Taken before it is used, so that no number of workers goes beyond the bound.
	if (atomic_fetch_add_explicit(&p->n_live, 1, memory_order_relaxed) >= QOS_PORTALS_LIVE) {
		atomic_fetch_sub_explicit(&p->n_live, 1, memory_order_relaxed);
		return -ENOSPC;
	}
	rc = enter(p, portal);
	if (rc < 0)
		atomic_fetch_sub_explicit(&p->n_live, 1, memory_order_relaxed);
	return rc;
}

void qos_portals_set_l2(struct qos_portals *p, uint32_t mask)
{
	p->l2_mask = mask;
}

uint32_t qos_portals_l2(const struct qos_portals *p)
{
	return p->l2_mask;
}

int qos_portals_add_server(struct qos_portals *p, const struct qos_addr *a, uint32_t prefix_bits)
{
	if (prefix_bits > 128)
		return -EINVAL;
	if (p->n_servers == QOS_SERVERS_MAX)
		return -ENOSPC;
	for (uint32_t port = 1; p->n_servers == 0 && port < 65536; port++) {
		if (qos_storage_port(6, (uint16_t)port) || qos_storage_port(17, (uint16_t)port))
			port_mark(p, (uint16_t)port);
	}
	p->servers[p->n_servers++] = (struct server){ .addr = *a, .prefix_bits = prefix_bits };
	return 0;
}

static bool is_seen(const struct qos_portals *p, uint16_t port)
{
	uint8_t bits = atomic_load_explicit(&p->port_seen[port / 8], memory_order_relaxed);

	return (bits & (1u << (port % 8))) != 0;
}

bool qos_portals_may(const struct qos_portals *p, uint16_t sport, uint16_t dport)
{
	return is_seen(p, dport) || is_seen(p, sport);
}

bool qos_portals_has(const struct qos_portals *p, const struct qos_addr *a, uint8_t proto,
		     uint16_t port)
{
	return port != 0 && is_seen(p, port) && slot_find(p, a, proto, port) != NULL;
}

static bool in_prefix(const struct server *s, const struct qos_addr *a)
{
	uint32_t n_bytes = s->prefix_bits / 8, rest = s->prefix_bits % 8;

	if (memcmp(s->addr.b, a->b, n_bytes) != 0)
		return false;
	return rest == 0 || ((s->addr.b[n_bytes] ^ a->b[n_bytes]) >> (8 - rest)) == 0;
}

bool qos_portals_is_server(const struct qos_portals *p, const struct qos_addr *a)
{
	for (uint32_t i = 0; i < p->n_servers; i++) {
		if (in_prefix(&p->servers[i], a))
			return true;
	}
	return false;
}

bool qos_portals_listed(const struct qos_portals *p, const struct qos_addr *a)
{
	return !is_zero(a) && (!is_zero(&p->named[named_at(p, a)]) || qos_portals_is_server(p, a));
}

// source  RFC 6890 (IPv4), RFC 4291 section 2.4 (IPv6)
bool qos_portal_addr_ok(const struct qos_addr *a)
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff }, zero[12];
	const uint8_t *b = a->b + 12;

	if (memcmp(a->b, v4, 12) == 0)
		return b[0] != 0 && b[0] != 127 && (b[0] & 0xf0) != 0xe0 &&
		       !(b[0] == 169 && b[1] == 254) && (b[0] & b[1] & b[2] & b[3]) != 0xff;
	// Unspecified, loopback, and the IPv4-compatible ones that nobody may use any more.
	if (memcmp(a->b, zero, 12) == 0)
		return false;
	return a->b[0] != 0xff && !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80);
}

// Is this end one?
static bool match_end(const struct qos_portals *p, const struct qos_addr *a, uint8_t proto,
		      uint16_t port, struct qos_portal_hit *hit)
{
	const struct slot *s;
	enum qos_service by_port;

	if (port == 0 || !is_seen(p, port))
		return false;
	s = slot_find(p, a, proto, port);
	if (s != NULL) {
		hit->service = s->service;
		hit->how = s->how;
		hit->listed = s->how <= QOS_HOW_DECLARED || qos_portals_listed(p, a);
		return true;
	}
	by_port = qos_service_of(proto, port);
	if (by_port == QOS_SVC_NONE || !qos_portals_is_server(p, a))
		return false;
	hit->service = (uint8_t)by_port;
	hit->how = QOS_HOW_SERVER;
	hit->listed = true;
	return true;
}

bool qos_portals_match(const struct qos_portals *p, const struct qos_addr *src, uint16_t sport,
		       const struct qos_addr *dst, uint16_t dport, uint8_t proto,
		       struct qos_portal_hit *hit)
{
	if (match_end(p, dst, proto, dport, hit)) {
		hit->way = QOS_TO_PORTAL;
		return true;
	}
	hit->way = QOS_FROM_PORTAL;
	return match_end(p, src, proto, sport, hit);
}
