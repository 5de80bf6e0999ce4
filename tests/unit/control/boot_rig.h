// A responder with clients, DHCP messages for it, and what it says.
#ifndef BOOT_RIG_H
#define BOOT_RIG_H

#include "../unit.h"

#include <stdio.h>

#include "boot_responder.h"

#define SECOND 1000000000ull
enum { RIG_SENT = 64, RIG_EVENTS = 64, RIG_LEASES = 64 };

struct rig_sent {
	uint32_t port;
	uint8_t frame[BOOT_FRAME_MAX];
	size_t size;
};

struct rig {
	struct boot_responder *r;
	struct rig_sent sent[RIG_SENT]; // sent[n_sent]: IPv4 only
	struct boot_event events[RIG_EVENTS];
	struct boot_lease leases[RIG_LEASES];
	uint32_t n_sent, n_events, n_leases;
	uint64_t now_ns;
};

static const uint8_t rig_service[4] = { 10, 0, 0, 2 };

static inline void rig_on_send(void *ctx, const struct boot_client *c, const uint8_t *frame,
			       size_t size)
{
	struct rig *g = ctx;

	// Every byte is looked at: valgrind and MSan see one that was never written.
	for (size_t i = 0, sum = 0; i < size; i++) {
		sum += frame[i];
		if (sum == SIZE_MAX)
			abort();
	}
	assert_true(size <= 1514);
	if (frame[12] != 8 || frame[13] != 0 || g->n_sent == RIG_SENT)
		return;
	g->sent[g->n_sent].port = c->port;
	memcpy(g->sent[g->n_sent].frame, frame, size);
	g->sent[g->n_sent++].size = size;
}

static inline void rig_on_event(void *ctx, const struct boot_event *e)
{
	struct rig *g = ctx;

	assert_non_null(memchr(e->detail, '\0', sizeof(e->detail)));
	if (g->n_events < RIG_EVENTS)
		g->events[g->n_events++] = *e;
}

static inline void rig_on_lease(void *ctx, const struct boot_lease *l)
{
	struct rig *g = ctx;

	if (g->n_leases < RIG_LEASES)
		g->leases[g->n_leases++] = *l;
}

// Client n: port n, MAC 02:00:00:00:00:n, address 10.0.0.100+n.
static inline struct boot_client rig_client(uint8_t n)
{
	return (struct boot_client){ .port = n,
				     .gen = 1,
				     .vid = 1,
				     .prefix_len = 24,
				     .mtu = 1500,
				     .mac = { 2, 0, 0, 0, 0, n },
				     .ip = { 10, 0, 0, (uint8_t)(100 + n) },
				     .service_ip = { 10, 0, 0, 2 },
				     .service_mac = { 2, 0x77, 0x65, 0x69, 0x72, 1 },
				     .router = { 10, 0, 0, 1 },
				     .transfers = 4,
				     .lease_s = BOOT_LEASE_INFINITE,
				     .pool = -1,
				     .hostname = "vm",
				     .root_path = "iscsi:10.0.0.9:::1:iqn.x:d",
				     .initiator = "iqn.x:vm",
				     .uefi_loader = "snponly.efi",
				     .bios_loader = "undionly.kpxe",
				     .image = "app.efi" };
}

// Files 0..3: the loaders, the image, a kernel; each client may have them all.
static inline void rig_table(struct rig *g, const struct boot_client *clients, uint32_t n,
			     const struct boot_pool *pool)
{
	static const char *const names[] = { "snponly.efi", "undionly.kpxe", "app.efi", "kernel" };
	struct boot_table *t = calloc(1, sizeof(*t));

	t->clients = calloc(n + 1, sizeof(*t->clients));
	t->files = calloc(4, sizeof(*t->files));
	t->n_clients = n;
	t->n_files = 4;
	for (uint32_t i = 0; i < n; i++) {
		t->clients[i] = clients[i];
		if (clients[i].script != NULL)
			t->clients[i].script = strdup(clients[i].script);
		if (clients[i].pxelinux != NULL)
			t->clients[i].pxelinux = strdup(clients[i].pxelinux);
		for (int f = 0; f < 4; f++)
			t->clients[i].files[f] = f;
		t->clients[i].n_files = 4;
	}
	for (int f = 0; f < 4; f++) {
		snprintf(t->files[f].name, sizeof(t->files[f].name), "%s", names[f]);
		t->files[f].size = 1000;
		t->files[f].data = calloc(1, 1000);
	}
	if (pool != NULL) {
		t->pools = calloc(1, sizeof(*t->pools));
		t->pools[0] = *pool;
		t->n_pools = 1;
	}
	boot_set_table(g->r, t);
}

static inline void rig_init(struct rig *g)
{
	const struct boot_out out = {
		.send = rig_on_send, .event = rig_on_event, .lease = rig_on_lease, .ctx = g
	};

	memset(g, 0, sizeof(*g));
	g->now_ns = SECOND;
	assert_int_equal(boot_create(&out, &g->r), 0);
}

static inline struct rig *rig_one(const struct boot_client *c)
{
	struct rig *g = malloc(sizeof(*g));

	assert_non_null(g);
	rig_init(g);
	rig_table(g, c, 1, NULL);
	return g;
}

static inline void rig_free(struct rig *g)
{
	boot_destroy(g->r);
	free(g);
}

static inline uint32_t rig_count(const struct rig *g, enum boot_event_kind kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_events; i++)
		n += g->events[i].kind == kind;
	return n;
}

static inline const char *rig_detail(const struct rig *g, enum boot_event_kind kind)
{
	for (uint32_t i = g->n_events; i-- > 0;) {
		if (g->events[i].kind == kind)
			return g->events[i].detail;
	}
	return "";
}

// --- Messages

struct msg {
	uint8_t b[1024];
	size_t size;
	uint8_t src_ip[4], dst_ip[4];
	uint16_t sport, dport;
};

static inline void msg_opt(struct msg *m, uint8_t code, const void *data, size_t size)
{
	m->b[m->size] = code;
	m->b[m->size + 1] = (uint8_t)size;
	memcpy(m->b + m->size + 2, data, size);
	m->size += 2 + size;
}

static inline void msg_init(struct msg *m, uint8_t n, uint8_t type, uint32_t xid)
{
	static const uint8_t cookie[] = { 99, 130, 83, 99 };

	memset(m, 0, sizeof(*m));
	m->b[0] = m->b[1] = 1;
	m->b[2] = 6;
	memcpy(m->b + 4, &xid, 4);
	m->b[28] = 2;
	m->b[33] = n;
	memcpy(m->b + 236, cookie, 4);
	m->size = 240;
	m->sport = 68;
	m->dport = 67;
	memset(m->dst_ip, 255, 4);
	msg_opt(m, 53, &type, 1);
}

static inline void rig_udp(struct rig *g, uint32_t port, const struct msg *m)
{
	uint8_t *f = calloc(1, 42 + m->size);

	memset(f, 255, 6);
	f[6] = 2;
	f[11] = (uint8_t)port;
	f[12] = 8;
	f[14] = 0x45;
	f[16] = (uint8_t)((28 + m->size) >> 8);
	f[17] = (uint8_t)(28 + m->size);
	f[22] = 64;
	f[23] = 17;
	memcpy(f + 26, m->src_ip, 4);
	memcpy(f + 30, m->dst_ip, 4);
	f[34] = (uint8_t)(m->sport >> 8);
	f[35] = (uint8_t)m->sport;
	f[36] = (uint8_t)(m->dport >> 8);
	f[37] = (uint8_t)m->dport;
	f[38] = (uint8_t)((8 + m->size) >> 8);
	f[39] = (uint8_t)(8 + m->size);
	memcpy(f + 42, m->b, m->size);
	boot_input(g->r, &(struct boot_frame){ port, 1, f, 42 + m->size, g->now_ns });
	free(f);
}

static inline void rig_dhcp(struct rig *g, uint32_t port, struct msg *m)
{
	m->b[m->size++] = 255;
	rig_udp(g, port, m);
}

// --- Replies

struct reply_view {
	const uint8_t *frame, *bootp; // NULL = none was sent
	size_t bootp_size;
};

static inline struct reply_view rig_view(const struct rig *g, uint32_t i)
{
	const uint8_t *f = g->sent[i].frame;

	return (struct reply_view){ f, f + 42, g->sent[i].size - 42 };
}

static inline struct reply_view rig_last(const struct rig *g)
{
	return g->n_sent > 0 ? rig_view(g, g->n_sent - 1) : (struct reply_view){ 0 };
}

// The value of an option; NULL = it is not there. size may be NULL
static inline const uint8_t *opt_find(const struct reply_view *v, uint8_t code, size_t *size)
{
	size_t at = 240;

	while (at < v->bootp_size && v->bootp[at] != 255) {
		if (v->bootp[at] == 0) {
			at++;
			continue;
		}
		assert_true(at + 2 <= v->bootp_size && at + 2 + v->bootp[at + 1] <= v->bootp_size);
		if (v->bootp[at] == code) {
			if (size != NULL)
				*size = v->bootp[at + 1];
			return v->bootp + at + 2;
		}
		at += 2u + v->bootp[at + 1];
	}
	assert_true(at < v->bootp_size); // END is there
	return NULL;
}

static inline bool opt_is(const struct reply_view *v, uint8_t code, const void *data, size_t size)
{
	size_t n = 0;
	const uint8_t *p = opt_find(v, code, &n);

	return p != NULL && n == size && memcmp(p, data, size) == 0;
}

static inline bool opt_text_is(const struct reply_view *v, uint8_t code, const char *text)
{
	return opt_is(v, code, text, strlen(text));
}

static inline uint8_t reply_type(const struct reply_view *v)
{
	const uint8_t *t = v->bootp != NULL ? opt_find(v, 53, NULL) : NULL;

	return t != NULL ? *t : 0;
}

#endif
