#include "qos_portal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Open addressing, twice the slots of the limit: probes stay short and the table never fills.
#define N_SLOTS (2 * QOS_PORTALS_MAX)
_Static_assert(N_SLOTS == 1 << 13, "slot_hash gives 13 bits");

struct slot {
	struct qos_addr addr;
	uint16_t port; // 0 = empty
	uint8_t proto;
};

struct server {
	struct qos_addr addr;
	uint32_t prefix_bits;
};

struct qos_portals {
	uint32_t n_slots_used;
	uint32_t n_servers;
	uint8_t port_seen[65536 / 8]; // one bit per declared port, and per storage port once a
				      // server is declared: most frames end here
	struct server servers[QOS_SERVERS_MAX];
	struct slot slots[N_SLOTS];
};

static uint32_t slot_hash(const struct qos_addr *a, uint8_t proto, uint16_t port)
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

int qos_portals_create(struct qos_portals **out)
{
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? -ENOMEM : 0;
}

void qos_portals_destroy(struct qos_portals *p)
{
	free(p);
}

// Slot of the key, or the empty slot where it would go.
static uint32_t slot_find(const struct qos_portals *p, const struct qos_addr *a, uint8_t proto,
			  uint16_t port)
{
	uint32_t i = slot_hash(a, proto, port);

	while (p->slots[i].port != 0) {
		if (p->slots[i].port == port && p->slots[i].proto == proto &&
		    memcmp(&p->slots[i].addr, a, sizeof(*a)) == 0)
			break;
		i = (i + 1) % N_SLOTS;
	}
	return i;
}

int qos_portals_add(struct qos_portals *p, const struct qos_addr *a, uint8_t proto, uint16_t port)
{
	uint32_t i;

	if (port == 0)
		return -EINVAL;
	i = slot_find(p, a, proto, port);
	if (p->slots[i].port != 0)
		return -EEXIST;
	if (p->n_slots_used == QOS_PORTALS_MAX)
		return -ENOSPC;
	p->slots[i] = (struct slot){ .addr = *a, .proto = proto, .port = port };
	p->port_seen[port / 8] |= (uint8_t)(1u << (port % 8));
	p->n_slots_used++;
	return 0;
}

int qos_portals_add_server(struct qos_portals *p, const struct qos_addr *a, uint32_t prefix_bits)
{
	if (prefix_bits > 128)
		return -EINVAL;
	if (p->n_servers == QOS_SERVERS_MAX)
		return -ENOSPC;
	for (uint32_t port = 1; port < 65536; port++) {
		if (qos_storage_port(6, (uint16_t)port) || qos_storage_port(17, (uint16_t)port))
			p->port_seen[port / 8] |= (uint8_t)(1u << (port % 8));
	}
	p->servers[p->n_servers++] = (struct server){ .addr = *a, .prefix_bits = prefix_bits };
	return 0;
}

static bool is_seen(const struct qos_portals *p, uint16_t port)
{
	return (p->port_seen[port / 8] & (1u << (port % 8))) != 0;
}

bool qos_portals_may(const struct qos_portals *p, uint16_t sport, uint16_t dport)
{
	return is_seen(p, dport) || is_seen(p, sport);
}

bool qos_portals_has(const struct qos_portals *p, const struct qos_addr *a, uint8_t proto,
		     uint16_t port)
{
	if (port == 0 || !is_seen(p, port))
		return false;
	return p->slots[slot_find(p, a, proto, port)].port != 0;
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

bool qos_storage_port(uint8_t proto, uint16_t port)
{
	if (proto == 17)
		return port == 2049 || port == 111;
	if (proto != 6)
		return false;
	switch (port) {
	case 111:
	case 445:
	case 860:
	case 2049:
	case 3260:
	case 3300:
	case 4420:
	case 6789:
	case 8009:
	case 10809:
		return true;
	default:
		return port >= 6800 && port <= 7568;
	}
}
