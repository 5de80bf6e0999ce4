// What YANG cannot say well: uniqueness across lists (MACs, addresses and sockets of network cards
// and interfaces; by XPath each would be compared with all others), addresses that fit their
// network (XPath does not count in bits), and the boot service of the first card's VLAN (the card's
// mode has a default that depends on its port's type).
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config_priv.h"

static void port_path(const struct cfg_port *p, const char *leaf, char *out, size_t size)
{
	if (p->vm[0] != '\0')
		snprintf(out, size, "/weir-vm:vms/vm[name='%s']/nic[id='%u']/%s", p->vm, p->nic,
			 leaf);
	else
		snprintf(out, size,
			 "/ietf-interfaces:interfaces/interface[name='%s']/weir-interfaces:port/%s",
			 p->name, leaf);
}

static uint32_t be32(const uint8_t b[4])
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int pair_check(const struct cfg_port *a, const struct cfg_port *b, struct cfg_error *err)
{
	char path[256], text[64];

	if (a->has_mac && b->has_mac && a->vlan == b->vlan && memcmp(a->mac, b->mac, 6) == 0) {
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", a->mac[0], a->mac[1],
			 a->mac[2], a->mac[3], a->mac[4], a->mac[5]);
		port_path(a, "mac", path, sizeof(path));
		return cfg_refuse(err, path, text,
				  "port %s in the same VLAN %u has this MAC address", b->name,
				  b->vlan);
	}
	if (a->link == b->link && strcmp(a->link_arg, b->link_arg) == 0) {
		port_path(a, a->link == CFG_LINK_SOCKET ? "socket" : "device", path, sizeof(path));
		return cfg_refuse(err, path, a->link_arg, "port %s uses it already", b->name);
	}
	if (a->vlan != b->vlan)
		return 0;
	for (uint32_t i = 0; i < a->n_ip4; i++) {
		for (uint32_t k = 0; k < b->n_ip4; k++) {
			if (memcmp(a->ip4[i], b->ip4[k], 4) != 0)
				continue;
			inet_ntop(AF_INET, a->ip4[i], text, sizeof(text));
			port_path(a, "ipv4-address", path, sizeof(path));
			return cfg_refuse(err, path, text,
					  "port %s in the same VLAN %u has this address", b->name,
					  b->vlan);
		}
	}
	return 0;
}

static const struct cfg_service *service_of(const struct cfg *c, uint16_t vlan)
{
	for (uint32_t i = 0; i < c->n_services; i++) {
		if (c->services[i].vlan == vlan)
			return &c->services[i];
	}
	return NULL;
}

static int address_check(const struct cfg *c, const struct cfg_port *p, struct cfg_error *err)
{
	const struct cfg_service *s = p->vlan == 0 ? NULL : service_of(c, p->vlan);
	char path[256], text[64];
	uint32_t mask, ip;

	if (s == NULL || p->n_ip4 == 0)
		return 0;
	mask = ~0u << (32 - s->prefix_len);
	ip = be32(p->ip4[0]);
	inet_ntop(AF_INET, p->ip4[0], text, sizeof(text));
	port_path(p, "ipv4-address", path, sizeof(path));
	if ((ip & mask) != (be32(s->addr) & mask))
		return cfg_refuse(err, path, text,
				  "is not in the network of VLAN %u's boot service (/%u)", p->vlan,
				  s->prefix_len);
	if ((ip & ~mask) == 0 || (ip | mask) == ~0u)
		return cfg_refuse(err, path, text, "is the network's own or its broadcast address");
	if (ip == be32(s->addr) || ip == be32(s->router))
		return cfg_refuse(err, path, text,
				  "is the address of VLAN %u's boot service or router", p->vlan);
	return 0;
}

static int vm_check(const struct cfg *c, const struct cfg_vm *vm, struct cfg_error *err)
{
	const struct cfg_port *p;
	char path[256];

	if (vm->method == CFG_BOOT_NONE)
		return 0;
	snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/boot/method", vm->name);
	p = cfg_port_find(c, vm->nics[0].port);
	if (p->vlan == 0 || service_of(c, p->vlan) == NULL)
		return cfg_refuse(err, path, vm->method == CFG_BOOT_ISCSI ? "iscsi" : "kernel",
				  "VLAN %u of the first card has no boot service: add "
				  "boot-services/service[vlan='%u']",
				  p->vlan, p->vlan);
	if (p->n_ip4 == 0)
		return cfg_refuse(err, path, vm->method == CFG_BOOT_ISCSI ? "iscsi" : "kernel",
				  "the first card has no ipv4-address to give it");
	return 0;
}

int cfg_check(const struct cfg *c, struct cfg_error *err)
{
	int rc = 0;

	// Pairs: with 1,000 ports half a million comparisons of two cache lines, a few
	// milliseconds.
	for (uint32_t i = 0; i < c->n_ports && rc == 0; i++) {
		for (uint32_t k = 0; k < i && rc == 0; k++)
			rc = pair_check(&c->ports[i], &c->ports[k], err);
		if (rc == 0)
			rc = address_check(c, &c->ports[i], err);
	}
	for (uint32_t i = 0; i < c->n_vms && rc == 0; i++)
		rc = vm_check(c, &c->vms[i], err);
	return rc;
}
