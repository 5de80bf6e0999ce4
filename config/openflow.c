// OpenFlow: what the tree says, and whether it can work.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

#define ROOT "/weir-openflow:openflow"

static bool is_tls(const struct lyd_node *n)
{
	const char *protocol = cfg_value(n, "protocol");

	return protocol != NULL && strcmp(protocol, "tls") == 0;
}

static void controller_read(const struct lyd_node *n, struct cfg_controller *c)
{
	cfg_text(n, "name", c->name, sizeof(c->name));
	cfg_addr_parse(cfg_value(n, "address"), c->addr);
	c->port = (uint16_t)cfg_number(n, "port", 6653);
	c->probe_s = (uint16_t)cfg_number(n, "inactivity-probe", 5);
	c->max_backoff_s = (uint16_t)cfg_number(n, "max-backoff", 8);
	c->tls = is_tls(n);
	cfg_text(n, "peer-name", c->peer_name, sizeof(c->peer_name));
}

static void listener_read(const struct lyd_node *n, struct cfg_listener *l)
{
	cfg_text(n, "name", l->name, sizeof(l->name));
	cfg_text(n, "unix", l->path, sizeof(l->path));
	l->tls = is_tls(n);
	cfg_text(n, "peer-name", l->peer_name, sizeof(l->peer_name));
	if (l->path[0] != '\0')
		return;
	cfg_addr_parse(cfg_value(n, "address"), l->addr);
	l->port = (uint16_t)cfg_number(n, "port", 6653);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b); // the first field of both
}

// The module bounds the lists.
static void lists_read(const struct lyd_node *openflow, struct cfg_openflow *o)
{
	const struct lyd_node *n;

	LY_LIST_FOR (openflow == NULL ? NULL : lyd_child(openflow), n) {
		if (strcmp(LYD_NAME(n), "controller") == 0 && o->n_controllers < CFG_CONTROLLERS)
			controller_read(n, &o->controllers[o->n_controllers++]);
		else if (strcmp(LYD_NAME(n), "listener") == 0 && o->n_listeners < CFG_LISTENERS)
			listener_read(n, &o->listeners[o->n_listeners++]);
	}
	qsort(o->controllers, o->n_controllers, sizeof(o->controllers[0]), by_name);
	qsort(o->listeners, o->n_listeners, sizeof(o->listeners[0]), by_name);
}

void cfg_openflow_read(const struct lyd_node *openflow, struct cfg_openflow *o)
{
	const struct lyd_node *packet_in = cfg_child(openflow, "packet-in"),
			      *tls = cfg_child(openflow, "tls");
	const char *mode = cfg_value(openflow, "fail-mode"),
		   *id = cfg_value(openflow, "datapath-id");

	o->enabled = cfg_flag(openflow, "enabled", false);
	o->standalone = mode != NULL && strcmp(mode, "standalone") == 0;
	o->allow_14 = cfg_flag(openflow, "version-1.4", false);
	o->datapath_id = id == NULL ? 0 : strtoull(id, NULL, 16);
	o->flow_limit = cfg_number(openflow, "flow-limit", 262144);
	o->cache_entries = cfg_number(openflow, "cache-entries", 131072);
	o->packet_in_rate = cfg_number(packet_in, "rate", 1000);
	o->packet_in_burst = cfg_number(packet_in, "burst", 250);
	cfg_text(tls, "private-key", o->tls.key, sizeof(o->tls.key));
	cfg_text(tls, "certificate", o->tls.certificate, sizeof(o->tls.certificate));
	cfg_text(tls, "ca-certificate", o->tls.ca, sizeof(o->tls.ca));
	lists_read(openflow, o);
}

// --- Checks

// What speaks TLS names it; its files have to be there in the configuration.
static int tls_check(const struct cfg_openflow *o, const char *list, const char *name,
		     struct cfg_error *err)
{
	const struct {
		const char *leaf, *path;
	} files[] = {
		{ "private-key", o->tls.key },
		{ "certificate", o->tls.certificate },
		{ "ca-certificate", o->tls.ca },
	};
	char path[256];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i].path[0] != '\0')
			continue;
		snprintf(path, sizeof(path), ROOT "/%s[name='%s']/protocol", list, name);
		return cfg_refuse(err, path, "tls", "TLS needs " ROOT "/tls/%s", files[i].leaf);
	}
	return 0;
}

static bool same_place(const struct cfg_listener *a, const struct cfg_listener *b)
{
	return strcmp(a->path, b->path) == 0 && a->port == b->port &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static int listener_check(const struct cfg_openflow *o, uint32_t i, struct cfg_error *err)
{
	const struct cfg_listener *l = &o->listeners[i];
	char path[256], place[128], addr[INET6_ADDRSTRLEN];

	for (uint32_t k = 0; k < i; k++) {
		if (!same_place(l, &o->listeners[k]))
			continue;
		snprintf(path, sizeof(path), ROOT "/listener[name='%s']/%s", l->name,
			 l->path[0] != '\0' ? "unix" : "port");
		if (l->path[0] != '\0')
			snprintf(place, sizeof(place), "%s", l->path);
		else
			snprintf(place, sizeof(place), "%s port %u",
				 cfg_addr_text(l->addr, addr, sizeof(addr)), l->port);
		return cfg_refuse(err, path, place, "listener %s is there already",
				  o->listeners[k].name);
	}
	return l->tls ? tls_check(o, "listener", l->name, err) : 0;
}

static int listener_socket_check(const struct cfg *c, const struct cfg_listener *l,
				 struct cfg_error *err)
{
	char path[256];

	for (uint32_t i = 0; l->path[0] != '\0' && i < c->n_ports; i++) {
		if (c->ports[i].link != CFG_LINK_SOCKET ||
		    strcmp(c->ports[i].link_arg, l->path) != 0)
			continue;
		snprintf(path, sizeof(path), ROOT "/listener[name='%s']/unix", l->name);
		return cfg_refuse(err, path, l->path, "port %s uses this socket", c->ports[i].name);
	}
	return 0;
}

int cfg_openflow_check(const struct cfg *c, struct cfg_error *err)
{
	const struct cfg_openflow *o = &c->openflow;
	char number[24];
	int rc = 0;

	snprintf(number, sizeof(number), "%u", o->cache_entries);
	if ((o->cache_entries & (o->cache_entries - 1)) != 0)
		return cfg_refuse(err, ROOT "/cache-entries", number, "is no power of two");
	for (uint32_t i = 0; i < o->n_controllers && rc == 0; i++) {
		if (o->controllers[i].tls)
			rc = tls_check(o, "controller", o->controllers[i].name, err);
	}
	for (uint32_t i = 0; i < o->n_listeners && rc == 0; i++) {
		rc = listener_check(o, i, err);
		if (rc == 0)
			rc = listener_socket_check(c, &o->listeners[i], err);
	}
	return rc;
}

bool cfg_openflow_open(const struct cfg_openflow *o, char *text, size_t size)
{
	char addr[INET6_ADDRSTRLEN];

	for (uint32_t i = 0; o->enabled && i < o->n_listeners; i++) {
		const struct cfg_listener *l = &o->listeners[i];

		if (l->path[0] != '\0' || l->tls || cfg_addr_is_loopback(l->addr))
			continue;
		snprintf(text, size, "warning: whoever reaches %s port %u may program the switch",
			 cfg_addr_text(l->addr, addr, sizeof(addr)), l->port);
		return true;
	}
	return false;
}
