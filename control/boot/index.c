// Clients by address and by MAC, and what is remembered of each, so that a thousand of them cost a
// frame no more than one does.
#include <stdlib.h>
#include <string.h>

#include "dhcp_priv.h"

static uint32_t hash(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
	uint32_t h = 2166136261u; // FNV-1a

	for (size_t i = 0; i < a_size; i++)
		h = (h ^ a[i]) * 16777619u;
	for (size_t i = 0; i < b_size; i++)
		h = (h ^ b[i]) * 16777619u;
	return h ^ h >> 15;
}

static uint32_t hash_ip(const uint8_t service_ip[4], const uint8_t ip[4])
{
	return hash(service_ip, 4, ip, 4);
}

static uint32_t hash_mac(uint16_t vid, const uint8_t mac[6])
{
	const uint8_t v[2] = { (uint8_t)(vid >> 8), (uint8_t)vid };

	return hash(v, 2, mac, 6);
}

static void enter(uint32_t *table, uint32_t mask, uint32_t h, uint32_t client)
{
	while (table[h & mask] != 0)
		h++;
	table[h & mask] = client + 1;
}

// The same client, to be booted in the same way: what it did counts.
static bool same(const struct boot_client *a, const struct boot_client *b)
{
	return a->port == b->port && a->gen == b->gen && memcmp(a->mac, b->mac, 6) == 0 &&
	       a->method == b->method && strcmp(a->uefi_loader, b->uefi_loader) == 0 &&
	       strcmp(a->bios_loader, b->bios_loader) == 0 && strcmp(a->image, b->image) == 0;
}

// Both tables are sorted by port.
static void seen_keep(struct boot_index *index, const struct boot_table *t,
		      const struct boot_table *old_table, const struct boot_index *old)
{
	for (uint32_t i = 0, j = 0; i < t->n_clients && j < old_table->n_clients;) {
		const struct boot_client *a = &t->clients[i], *b = &old_table->clients[j];

		if (a->port != b->port) {
			i += a->port < b->port;
			j += b->port < a->port;
			continue;
		}
		if (same(a, b))
			index->seen[i] = old->seen[j];
		i++;
		j++;
	}
}

struct boot_index *boot_index_make(const struct boot_table *t, const struct boot_table *old_table,
				   const struct boot_index *old)
{
	uint32_t n = t != NULL ? t->n_clients : 0, size = 16;
	struct boot_index *index;

	while (size < 2 * n)
		size *= 2;
	index = calloc(1, sizeof(*index) + n * sizeof(*index->seen) +
				  2 * (size_t)size * sizeof(*index->by_ip));
	if (index == NULL)
		return NULL;
	index->mask = size - 1;
	index->seen = (struct boot_seen *)(index + 1);
	index->by_ip = (uint32_t *)(index->seen + n);
	index->by_mac = index->by_ip + size;
	for (uint32_t i = 0; i < n; i++) {
		const struct boot_client *c = &t->clients[i];

		if (!boot_is_zero(c->ip))
			enter(index->by_ip, index->mask, hash_ip(c->service_ip, c->ip), i);
		enter(index->by_mac, index->mask, hash_mac(c->vid, c->mac), i);
	}
	if (old != NULL && old_table != NULL && n > 0)
		seen_keep(index, t, old_table, old);
	return index;
}

void boot_index_free(struct boot_index *index)
{
	free(index);
}

struct boot_seen *boot_seen_of(const struct boot_responder *r, const struct boot_client *c)
{
	return r->index != NULL ? &r->index->seen[c - r->table->clients] : NULL;
}

static bool has_ip(const struct boot_client *c, const uint8_t service_ip[4], const uint8_t ip[4])
{
	return memcmp(c->service_ip, service_ip, 4) == 0 && memcmp(c->ip, ip, 4) == 0;
}

static bool has_mac(const struct boot_client *c, uint16_t vid, const uint8_t mac[6])
{
	return c->vid == vid && memcmp(c->mac, mac, 6) == 0;
}

const struct boot_client *boot_client_of_ip(const struct boot_responder *r,
					    const uint8_t service_ip[4], const uint8_t ip[4])
{
	const struct boot_client *clients = r->table != NULL ? r->table->clients : NULL;
	const struct boot_index *x = r->index;

	if (clients == NULL || boot_is_zero(ip))
		return NULL;
	if (x == NULL) {
		for (uint32_t i = 0; i < r->table->n_clients; i++) {
			if (has_ip(&clients[i], service_ip, ip))
				return &clients[i];
		}
		return NULL;
	}
	for (uint32_t h = hash_ip(service_ip, ip); x->by_ip[h & x->mask] != 0; h++) {
		const struct boot_client *c = &clients[x->by_ip[h & x->mask] - 1];

		if (has_ip(c, service_ip, ip))
			return c;
	}
	return NULL;
}

const struct boot_client *boot_client_of_mac(const struct boot_responder *r, uint16_t vid,
					     const uint8_t mac[6])
{
	const struct boot_client *clients = r->table != NULL ? r->table->clients : NULL;
	const struct boot_index *x = r->index;

	if (clients == NULL)
		return NULL;
	if (x == NULL) {
		for (uint32_t i = 0; i < r->table->n_clients; i++) {
			if (has_mac(&clients[i], vid, mac))
				return &clients[i];
		}
		return NULL;
	}
	for (uint32_t h = hash_mac(vid, mac); x->by_mac[h & x->mask] != 0; h++) {
		const struct boot_client *c = &clients[x->by_mac[h & x->mask] - 1];

		if (has_mac(c, vid, mac))
			return c;
	}
	return NULL;
}

const struct boot_client *boot_client_at(const struct boot_responder *r,
					 const uint8_t service_ip[4], const uint8_t ip[4])
{
	const struct boot_client *c = boot_client_of_ip(r, service_ip, ip);
	struct boot_lease l;

	// One address may be leased in many networks; service addresses tell them apart.
	for (uint32_t n = 0; c == NULL && boot_lease_find(r, ip, n, &l); n++) {
		const struct boot_client *of = boot_client_of_mac(r, l.vid, l.mac);

		if (of != NULL && boot_is_zero(of->ip) &&
		    memcmp(of->service_ip, service_ip, 4) == 0)
			c = of;
	}
	return c;
}
