// Storage and metrics: what the tree says, and whether it fits together.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

#define PORTAL_KEY_BYTES offsetof(struct cfg_portal, service) // address, port, protocol

uint8_t cfg_transport(const char *name)
{
	return name != NULL && strcmp(name, "udp") == 0 ? 17 : 6;
}

// Value of an enumeration, as the module numbers it.
static uint8_t enum_value(const struct lyd_node *parent, const char *name)
{
	const struct lyd_node *n = cfg_child(parent, name);

	return n == NULL ? 0 : (uint8_t)((const struct lyd_node_term *)n)->value.enum_item->value;
}

static void server_read(const struct lyd_node *n, struct cfg_server *s)
{
	char text[64];
	uint32_t bits;

	snprintf(text, sizeof(text), "%s", lyd_get_value(n));
	bits = (uint32_t)strtoul(strchr(text, '/') + 1, NULL, 10);
	*strchr(text, '/') = '\0';
	s->prefix_bits = (uint8_t)(bits + (cfg_addr_parse(text, s->addr) == 32 ? 96 : 0));
}

static void portal_read(const struct lyd_node *n, struct cfg_portal *p)
{
	cfg_addr_parse(cfg_value(n, "address"), p->addr);
	p->proto = cfg_transport(cfg_value(n, "protocol"));
	p->port = (uint16_t)cfg_number(n, "port", 0);
	p->service = enum_value(n, "service"); // numbered as enum qos_service is
}

static void lists_read(const struct lyd_node *storage, struct cfg *c)
{
	static const char *const l2[] = { "fcoe", "aoe" }; // as the bits of enum qos_l2
	const struct lyd_node *n;

	LY_LIST_FOR (storage == NULL ? NULL : lyd_child(storage), n) {
		if (strcmp(LYD_NAME(n), "server") == 0)
			server_read(n, &c->servers[c->n_servers++]);
		else if (strcmp(LYD_NAME(n), "portal") == 0)
			portal_read(n, &c->portals[c->n_portals++]);
		for (size_t i = 0; i < 2 && strcmp(LYD_NAME(n), "l2-protocol") == 0; i++) {
			if (strcmp(lyd_get_value(n), l2[i]) == 0)
				c->storage.l2 |= (uint8_t)(1u << i);
		}
	}
}

// The key comes first, so portals that are the same stand side by side.
static int by_portal(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct cfg_portal));
}

void cfg_storage_read(const struct lyd_node *storage, struct cfg *c)
{
	const struct lyd_node *boot = cfg_child(storage, "boot");
	struct cfg_storage *s = &c->storage;

	s->learning = cfg_flag(storage, "learning", true);
	s->telemetry = cfg_flag(storage, "telemetry", true);
	s->max_learnt = cfg_number(storage, "max-learnt", 1024);
	s->max_learnt_per_server = cfg_number(storage, "max-learnt-per-server", 64);
	s->ageing_s = cfg_number(storage, "ageing", 604800);
	s->boot_window = cfg_number(boot, "window", 16);
	s->boot_deadline_s = cfg_number(boot, "deadline", 120);
	s->boot_max_s = cfg_number(boot, "longest", 300);
	s->boot_max_bytes = cfg_number64(boot, "most-bytes", 512u << 20);
	lists_read(storage, c);
	if (c->n_portals > 0)
		qsort(c->portals, c->n_portals, sizeof(*c->portals), by_portal);
}

void cfg_metrics_read(const struct lyd_node *metrics, struct cfg_metrics *m)
{
	const char *address = cfg_value(metrics, "address");

	if (metrics == NULL)
		return; // all zero, so that what is off is equal
	m->enabled = true;
	m->port = (uint16_t)cfg_number(metrics, "port", 9477);
	cfg_addr_parse(address == NULL ? "127.0.0.1" : address, m->addr);
}

// Keys differ that name the same: an IPv4 address, and that address IPv4-mapped.
static int portals_check(const struct cfg *c, struct cfg_error *err)
{
	char text[INET6_ADDRSTRLEN];

	for (uint32_t i = 1; i < c->n_portals; i++) {
		const struct cfg_portal *p = &c->portals[i];

		if (memcmp(p, p - 1, PORTAL_KEY_BYTES) == 0)
			return cfg_refuse(err, "/weir-qos:storage/portal",
					  cfg_addr_text(p->addr, text, sizeof(text)),
					  "%s port %u is declared twice: the IPv4 address and its "
					  "IPv4-mapped form are the same portal",
					  p->proto == 17 ? "UDP" : "TCP", p->port);
	}
	return 0;
}

static bool storage_is_known(const struct cfg *c)
{
	for (uint32_t i = 0; i < c->n_vms; i++) {
		if (c->vms[i].iscsi_server[0] != '\0')
			return true;
	}
	return c->n_portals > 0 || c->n_servers > 0;
}

int cfg_storage_check(const struct cfg *c, struct cfg_error *err)
{
	bool known = storage_is_known(c);
	char path[256], number[16];

	for (uint32_t i = 0; i < c->n_vms; i++) {
		const struct cfg_vm *vm = &c->vms[i];

		if (vm->slo_p99_us == 0 || (known && c->storage.telemetry))
			continue;
		snprintf(path, sizeof(path),
			 "/weir-vm:vms/vm[name='%s']/weir-qos:qos/storage-target", vm->name);
		snprintf(number, sizeof(number), "%u", vm->slo_p99_us);
		return cfg_refuse(err, path, number, "%s",
				  !known ? "no storage is known to which it could apply: set "
					   "storage server or storage portal"
					 : "/weir-qos:storage/telemetry is off: nothing is timed");
	}
	return portals_check(c, err);
}

bool cfg_metrics_open(const struct cfg_metrics *m, char *text, size_t size)
{
	char addr[INET6_ADDRSTRLEN];

	if (!m->enabled || cfg_addr_is_loopback(m->addr))
		return false;
	snprintf(text, size, "warning: whoever reaches %s port %u may read all metrics",
		 cfg_addr_text(m->addr, addr, sizeof(addr)), m->port);
	return true;
}
