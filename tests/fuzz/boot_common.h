// A responder with one client, for the DHCP and TFTP targets.
#ifndef BOOT_COMMON_H
#define BOOT_COMMON_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "boot_responder.h"

static uint64_t sent_bytes, sent_frames;

static void on_send(void *ctx, const struct boot_client *c, const uint8_t *frame, size_t size)
{
	(void)ctx;
	(void)c;
	(void)frame;
	assert(size >= 14 && size <= 1514);
	sent_bytes += size;
	sent_frames++;
}

static void on_event(void *ctx, const struct boot_event *e)
{
	(void)ctx;
	assert(memchr(e->detail, '\0', sizeof(e->detail)) != NULL);
}

static inline struct boot_responder *responder_make(uint8_t method)
{
	const struct boot_out out = { .send = on_send, .event = on_event };
	struct boot_table *t = calloc(1, sizeof(*t));
	struct boot_responder *r;

	if (boot_create(&out, &r) < 0)
		abort();
	t->clients = calloc(1, sizeof(*t->clients));
	t->n_clients = 1;
	t->clients[0] = (struct boot_client){ .port = 1,
					      .gen = 1,
					      .vid = 1,
					      .prefix_len = 24,
					      .mtu = 1500,
					      .mac = { 2, 0, 0, 0, 0, 1 },
					      .ip = { 10, 0, 0, 5 },
					      .service_ip = { 10, 0, 0, 2 },
					      .router = { 10, 0, 0, 1 },
					      .method = method % (BOOT_HTTP + 1),
					      .pool = -1,
					      .transfers = 4,
					      .n_files = 1,
					      .script = strdup("#!ipxe\n"),
					      .hostname = "vm",
					      .root_path = "iscsi:10.0.0.1:::1:iqn.x",
					      .initiator = "iqn.y" };
	t->files = calloc(1, sizeof(*t->files));
	t->n_files = 1;
	strcpy(t->files[0].name, "k");
	t->files[0].size = 3000;
	t->files[0].data = calloc(1, 3000);
	boot_set_table(r, t);
	return r;
}

// Wrap a payload as the client's UDP datagram, in a buffer of exactly that size.
static inline void udp_feed(struct boot_responder *r, uint16_t sport, uint16_t dport,
			    const uint8_t *load, size_t size, uint64_t now_ns)
{
	static const uint8_t head[] = "\x02\x77\x65\x69\x72\x01\x02\0\0\0\0\1\x08\0\x45\0\0\0\0\0\0"
				      "\0\x40\x11\0\0\x0a\0\0\5\x0a\0\0\2";
	uint8_t *f = malloc(42 + size);

	memcpy(f, head, 34);
	f[16] = (uint8_t)((28 + size) >> 8);
	f[17] = (uint8_t)(28 + size);
	f[34] = (uint8_t)(sport >> 8);
	f[35] = (uint8_t)sport;
	f[36] = (uint8_t)(dport >> 8);
	f[37] = (uint8_t)dport;
	f[38] = (uint8_t)((8 + size) >> 8);
	f[39] = (uint8_t)(8 + size);
	f[40] = f[41] = 0;
	memcpy(f + 42, load, size);
	boot_input(r, &(struct boot_frame){ 1, 1, f, 42 + size, now_ns });
	free(f);
}

#endif
