// Where boot files are served by HTTP: main's side of boot_http.c.
//
// A service that may serve HTTP does so where a tap of type host carries its VLAN untagged: there
// the kernel is one of the VLAN's machines. Its device gets the service's address, and a socket is
// bound to both. What cannot be had (somebody else listens on port 80, the device is gone) is
// logged and shown; guests then get their files by TFTP. An address that was there before is an
// operator's, and stays.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot_http.h"
#include "host_addr.h"
#include "weir_log.h"

enum { PORT = 80, BACKLOG = 256, SEND_BUFFER = 262144 };

struct listener {
	uint16_t vid;
	struct ctl_host_addr addr;
	char dev[IFNAMSIZ]; // empty = none
	int fd;		    // -1 = not served
	bool fresh;	    // the boot thread does not have it yet
	char why[128];	    // not served; empty = it is
};

struct ctl_http {
	uint32_t n;
	struct listener l[];
};

struct ctl_http_change {
	struct ctl_http *next;
};

// The tap that carries a VLAN untagged to the host.
static const struct cfg_port *host_port(const struct cfg *cfg, uint16_t vid)
{
	for (uint32_t i = 0; i < cfg->n_ports; i++) {
		const struct cfg_port *p = &cfg->ports[i];

		if (p->type == CFG_PORT_HOST && p->link == CFG_LINK_TAP && p->vlan == vid &&
		    (p->vlan_mode == CFG_VLAN_ACCESS || p->vlan_mode == CFG_VLAN_NATIVE_UNTAGGED))
			return p;
	}
	return NULL;
}

static struct listener *find(struct ctl_http *h, const uint8_t ip[4])
{
	for (uint32_t i = 0; h != NULL && i < h->n; i++) {
		if (memcmp(h->l[i].addr.ip, ip, 4) == 0)
			return &h->l[i];
	}
	return NULL;
}

bool ctl_http_serves(const struct ctl *c, const struct cfg *cfg, const struct cfg_service *s)
{
	const struct listener *l =
		c->http_change == NULL ? NULL : find(c->http_change->next, s->addr);

	return l != NULL ? l->fd >= 0 : s->http && host_port(cfg, s->vlan) != NULL;
}

// --- Prepare

// The address may come later (IP_FREEBIND): it is put on the device by the commit.
static int bound(const uint8_t ip[4])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, rc;
	const int buffer = SEND_BUFFER;

	if (fd < 0)
		return -errno;
	memcpy(&a.sin_addr, ip, 4);
	// What is written at once bounds how long one client keeps the others waiting.
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) == 0 &&
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static void listener_plan(struct ctl *c, const struct cfg *cfg, const struct cfg_service *s,
			  struct listener *l)
{
	const struct cfg_port *p = host_port(cfg, s->vlan);
	const struct listener *old = find(c->http, s->addr);

	l->vid = s->vlan;
	l->fd = -1;
	l->addr.prefix_len = s->prefix_len;
	memcpy(l->addr.ip, s->addr, 4);
	if (!s->http) {
		snprintf(l->why, sizeof(l->why), "switched off");
		return;
	}
	if (p == NULL) {
		snprintf(l->why, sizeof(l->why), "no host port with a tap carries VLAN %u untagged",
			 s->vlan);
		return;
	}
	snprintf(l->dev, sizeof(l->dev), "%.15s", p->link_arg);
	l->fresh = old == NULL || old->fd < 0;
	l->fd = l->fresh ? bound(s->addr) : old->fd;
	if (l->fd < 0)
		snprintf(l->why, sizeof(l->why), "port %d: %s", PORT, strerror(-l->fd));
}

int ctl_http_prepare(struct ctl *c, const struct cfg *next)
{
	struct ctl_http_change *ch = calloc(1, sizeof(*ch));
	struct ctl_http *h =
		calloc(1, sizeof(*h) + (next->n_services + 1) * sizeof(struct listener));

	if (ch == NULL || h == NULL) {
		free(ch);
		free(h);
		return -ENOMEM;
	}
	for (; h->n < next->n_services; h->n++)
		listener_plan(c, next, &next->services[h->n], &h->l[h->n]);
	ch->next = h;
	c->http_change = ch;
	return 0;
}

void ctl_http_abort(struct ctl *c)
{
	struct ctl_http_change *ch = c->http_change;

	if (ch == NULL)
		return;
	for (uint32_t i = 0; i < ch->next->n; i++) {
		if (ch->next->l[i].fresh && ch->next->l[i].fd >= 0)
			close(ch->next->l[i].fd);
	}
	free(ch->next);
	free(ch);
	c->http_change = NULL;
}

// --- Commit

static bool is_same_place(const struct listener *a, const struct listener *b)
{
	return strcmp(a->dev, b->dev) == 0 && a->addr.prefix_len == b->addr.prefix_len;
}

// What the old ones had and the new ones have not: before the new ones are made, for an address may
// move from one device to another.
static void old_leave(struct ctl_http *old, struct ctl_http *next)
{
	for (uint32_t i = 0; old != NULL && i < old->n; i++) {
		struct listener *o = &old->l[i], *n = find(next, o->addr.ip);

		if (n != NULL && n->dev[0] != '\0' && is_same_place(o, n))
			n->addr = o->addr; // with what is known of who put it there
		else
			ctl_host_addr_del(&o->addr);
		if (o->fd >= 0 && (n == NULL || n->fd != o->fd))
			close(o->fd);
	}
}

static void refuse(struct listener *l, const char *what, int rc)
{
	char dev[IFNAMSIZ];

	snprintf(dev, sizeof(dev), "%s", l->dev);
	snprintf(l->why, sizeof(l->why), "%s %s: %s", what, dev, strerror(-rc));
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void listener_begin(struct listener *l)
{
	int rc = ctl_host_addr_add(l->dev, &l->addr);

	if (rc < 0)
		refuse(l, "address on", rc);
	// So nobody reaches it by another device, whatever routes there are. A device that was made
	// anew under its name is another one.
	else if (setsockopt(l->fd, SOL_SOCKET, SO_BINDTODEVICE, l->dev,
			    (socklen_t)strlen(l->dev) + 1) < 0)
		refuse(l, "device", -errno);
	else if (l->fresh && listen(l->fd, BACKLOG) < 0)
		refuse(l, "listen on", -errno);
}

static void listener_log(const struct listener *l, const struct listener *old)
{
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, l->addr.ip, ip, sizeof(ip));
	if (old != NULL && strcmp(old->why, l->why) == 0 && strcmp(old->dev, l->dev) == 0)
		return;
	if (l->fd >= 0)
		weir_log(WEIR_NOTICE, "boot service of VLAN %u: HTTP on %s port %d of %s", l->vid,
			 ip, PORT, l->dev);
	else
		weir_log(l->dev[0] == '\0' ? WEIR_INFO : WEIR_WARNING,
			 "boot service of VLAN %u: no HTTP, files by TFTP only: %s", l->vid,
			 l->why);
}

// What the boot thread is told. NULL = out of memory
static struct ctl_http_set *set_make(struct ctl_http *h)
{
	struct ctl_http_set *set = calloc(1, sizeof(*set) + h->n * sizeof(set->entries[0]));

	for (uint32_t i = 0; set != NULL && i < h->n; i++) {
		struct listener *l = &h->l[i];
		struct ctl_http_entry *e = &set->entries[set->n];

		if (l->fd < 0)
			continue;
		memcpy(e->ip, l->addr.ip, 4);
		e->fd = l->fresh ? fcntl(l->fd, F_DUPFD_CLOEXEC, 0) : -1;
		set->n += !l->fresh || e->fd >= 0;
		l->fresh = false;
	}
	return set;
}

void ctl_http_commit(struct ctl *c)
{
	struct ctl_http_change *ch = c->http_change;
	struct ctl_http *old = c->http;
	struct ctl_http_set *set;

	if (ch == NULL)
		return;
	c->http = ch->next;
	c->http_change = NULL;
	free(ch);
	old_leave(old, c->http);
	for (uint32_t i = 0; i < c->http->n; i++) {
		struct listener *l = &c->http->l[i];

		if (l->fd >= 0)
			listener_begin(l);
		listener_log(l, find(old, l->addr.ip));
	}
	free(old);
	set = set_make(c->http);
	if (set != NULL)
		ctl_boot_http_set(c, set);
}

void ctl_http_merge(struct ctl_http_set *next, struct ctl_http_set *never_taken)
{
	for (uint32_t i = 0; never_taken != NULL && i < never_taken->n; i++) {
		struct ctl_http_entry *o = &never_taken->entries[i];

		for (uint32_t k = 0; k < next->n && o->fd >= 0; k++) {
			struct ctl_http_entry *n = &next->entries[k];

			if (n->fd >= 0 || memcmp(n->ip, o->ip, 4) != 0)
				continue;
			n->fd = o->fd;
			o->fd = -1;
		}
		if (o->fd >= 0)
			close(o->fd);
	}
	free(never_taken);
}

void ctl_http_stop(struct ctl *c)
{
	ctl_http_abort(c);
	for (uint32_t i = 0; c->http != NULL && i < c->http->n; i++) {
		ctl_host_addr_del(&c->http->l[i].addr);
		if (c->http->l[i].fd >= 0)
			close(c->http->l[i].fd);
	}
	free(c->http);
	c->http = NULL;
}

bool ctl_http_state(const struct ctl *c, uint32_t i, struct ctl_http_place *out)
{
	const struct listener *l;

	if (c->http == NULL || i >= c->http->n)
		return false;
	l = &c->http->l[i];
	memset(out, 0, sizeof(*out));
	out->served = l->fd >= 0;
	snprintf(out->name, sizeof(out->name), "http_vlan_%u", l->vid);
	if (out->served)
		snprintf(out->text, sizeof(out->text), "HTTP listens on %u.%u.%u.%u port %d of %s",
			 l->addr.ip[0], l->addr.ip[1], l->addr.ip[2], l->addr.ip[3], PORT, l->dev);
	else
		snprintf(out->text, sizeof(out->text), "files by TFTP only: %s", l->why);
	return true;
}
