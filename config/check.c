// What YANG cannot say well: uniqueness across lists (MACs, addresses and sockets of network cards
// and interfaces; by XPath each would be compared with all others). The rest is boot_check.c's,
// storage.c's and qos_check.c's.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

// --- What may be there once: a link; in a VLAN, a MAC and an address.

enum once { ONCE_LINK, ONCE_MAC, ONCE_IP4, ONCE_IP6, ONCE_OF_PORT };

// One such thing, of a port.
struct claim {
	const struct cfg_port *port; // NULL = an empty place of the hash
	const void *data;
	size_t size;
	uint64_t hash;
	uint8_t what; // enum once
};

// An open hash, at most half full.
struct claims {
	struct claim *slots;
	size_t n_slots; // a power of two
};

// FNV-1a.
static uint64_t hash_add(uint64_t h, const void *data, size_t size)
{
	for (const uint8_t *p = data; size > 0; p++, size--)
		h = (h ^ *p) * 0x100000001b3u;
	return h;
}

static bool same_scope(const struct claim *a, const struct claim *b)
{
	if (a->what == ONCE_OF_PORT)
		return true;
	return a->what == ONCE_LINK ? a->port->link == b->port->link
				    : a->port->vlan == b->port->vlan;
}

static int claim_refuse(const struct claim *c, const struct cfg_port *other, struct cfg_error *err)
{
	static const char *const links[] = { "socket", "af-packet", "tap", "device" };
	const struct cfg_port *p = c->port;
	char path[256], text[64];

	if (c->what == ONCE_LINK) {
		cfg_port_path(p, links[p->link], path, sizeof(path));
		return cfg_refuse(err, path, p->link_arg, "port %s uses it already", other->name);
	}
	if (c->what == ONCE_MAC) {
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1],
			 p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
		cfg_port_path(p, "mac", path, sizeof(path));
		return cfg_refuse(err, path, text,
				  "port %s in the same VLAN %u has this MAC address", other->name,
				  p->vlan);
	}
	if (c->what == ONCE_OF_PORT) {
		snprintf(text, sizeof(text), "%u", p->of_port);
		cfg_port_path(p, "of-port", path, sizeof(path));
		return cfg_refuse(err, path, text, "port %s has this number in OpenFlow",
				  other->name);
	}
	inet_ntop(c->what == ONCE_IP4 ? AF_INET : AF_INET6, c->data, text, sizeof(text));
	cfg_port_path(p, c->what == ONCE_IP4 ? "ipv4-address" : "ipv6-address", path, sizeof(path));
	return cfg_refuse(err, path, text, "port %s in the same VLAN %u has this address",
			  other->name, p->vlan);
}

static int claim_add(struct claims *all, struct claim c, struct cfg_error *err)
{
	size_t at;

	c.hash = hash_add(0xcbf29ce484222325u ^ c.what, c.data, c.size);
	if (c.what != ONCE_LINK && c.what != ONCE_OF_PORT)
		c.hash = hash_add(c.hash, &c.port->vlan, sizeof(c.port->vlan));
	at = c.hash & (all->n_slots - 1);
	for (; all->slots[at].port != NULL; at = (at + 1) & (all->n_slots - 1)) {
		const struct claim *o = &all->slots[at];

		if (o->hash == c.hash && o->what == c.what && o->size == c.size &&
		    same_scope(o, &c) && memcmp(o->data, c.data, c.size) == 0)
			return claim_refuse(&c, o->port, err);
	}
	all->slots[at] = c;
	return 0;
}

// Everything that p claims must be its own among the ports before it.
static int port_claim(struct claims *all, const struct cfg_port *p, struct cfg_error *err)
{
	int rc = 0;

	if (p->has_mac)
		rc = claim_add(all, (struct claim){ p, p->mac, 6, 0, ONCE_MAC }, err);
	if (rc == 0)
		rc = claim_add(all,
			       (struct claim){ p, p->link_arg, strlen(p->link_arg), 0, ONCE_LINK },
			       err);
	if (rc == 0 && p->of_port != 0)
		rc = claim_add(
			all, (struct claim){ p, &p->of_port, sizeof(p->of_port), 0, ONCE_OF_PORT },
			err);
	for (uint32_t i = 0; i < p->n_ip4 && rc == 0; i++)
		rc = claim_add(all, (struct claim){ p, p->ip4[i], 4, 0, ONCE_IP4 }, err);
	for (uint32_t i = 0; i < p->n_ip6 && rc == 0; i++)
		rc = claim_add(all, (struct claim){ p, p->ip6[i], 16, 0, ONCE_IP6 }, err);
	return rc;
}

static int claims_create(const struct cfg *c, struct claims *out)
{
	size_t n = 1;

	for (uint32_t i = 0; i < c->n_ports; i++)
		n += 3u + c->ports[i].n_ip4 + c->ports[i].n_ip6;
	for (out->n_slots = 16; out->n_slots < 2 * n; out->n_slots *= 2)
		continue;
	out->slots = calloc(out->n_slots, sizeof(*out->slots));
	return out->slots == NULL ? -ENOMEM : 0;
}

int cfg_check(const struct cfg *c, struct cfg_error *err)
{
	struct claims claims;
	int rc = claims_create(c, &claims);

	for (uint32_t i = 0; i < c->n_ports && rc == 0; i++)
		rc = port_claim(&claims, &c->ports[i], err);
	free(claims.slots);
	if (rc == 0)
		rc = cfg_boot_check(c, err);
	if (rc == 0)
		rc = cfg_storage_check(c, err);
	if (rc == 0)
		rc = cfg_openflow_check(c, err);
	return rc == 0 ? cfg_qos_check(c, err) : rc;
}
