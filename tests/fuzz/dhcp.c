// A conversation of three clients with the responder. First byte: boot method (0-7), mode (8, 16),
// HTTP (32), addresses of a pool (64). Then records: KIND (low four bits; the client is in the two
// above), LENGTH (two bytes, big endian), PAYLOAD.
//
// Invariants: no frame asks for more than two; each DHCP reply is well-formed to its END, 300 bytes
// at least, goes to the port that asked and carries its MAC; no two leases have one address; a
// client with an address of its own is offered no other.
#include <stdio.h>

#include "boot_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum kind { DHCP, PXE, FRAME, TIME, LEASE, TABLE, OPTIONS, TFTP };
enum { N_CLIENTS = 3 };

static uint32_t asking; // port

static void reply_check(const struct boot_client *c, const uint8_t *bootp, size_t size)
{
	static const uint8_t none[4];
	size_t at = 240;
	int type = 0;

	assert(size >= 300 && bootp[0] == 2);
	assert(memcmp(bootp + 28, c->mac, 6) == 0);
	while (bootp[at] != 255) {
		assert(at + 2 <= size && (bootp[at] == 0 || at + 2 + bootp[at + 1] < size));
		if (bootp[at] == 53)
			type = bootp[at + 2];
		at += bootp[at] == 0 ? 1 : 2u + bootp[at + 1];
	}
	assert(type == 2 || type == 5 || type == 6);
	if (memcmp(c->ip, none, 4) != 0 && memcmp(bootp + 16, none, 4) != 0)
		assert(memcmp(bootp + 16, c->ip, 4) == 0);
}

static void on_reply(void *ctx, const struct boot_client *c, const uint8_t *f, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i++) // a sanitizer sees what was never written
		sum += f[i];
	assert(sum != UINT64_MAX);
	on_send(ctx, c, f, size);
	assert(c->port == asking);
	if (f[12] == 8 && f[13] == 0 && f[23] == 17 &&
	    ((f[34] << 8 | f[35]) == 67 || (f[34] << 8 | f[35]) == 4011))
		reply_check(c, f + 42, size - 42);
}

static void table_make(struct boot_responder *r, uint8_t how)
{
	struct boot_table *t = calloc(1, sizeof(*t));

	t->clients = calloc(N_CLIENTS, sizeof(*t->clients));
	t->pools = calloc(1, sizeof(*t->pools));
	t->files = calloc(1, sizeof(*t->files));
	if (t->clients == NULL || t->pools == NULL || t->files == NULL)
		abort();
	t->pools[0] = (struct boot_pool){ 1, { 10, 0, 0, 20 }, { 10, 0, 0, 21 }, 600 };
	t->n_pools = t->n_files = 1;
	strcpy(t->files[0].name, "k");
	t->files[0].size = 3000;
	t->files[0].data = calloc(1, 3000);
	for (uint8_t i = 0; i < N_CLIENTS; i++) {
		t->clients[t->n_clients++] =
			(struct boot_client){ .port = i,
					      .gen = 1,
					      .vid = 1,
					      .prefix_len = 24,
					      .mtu = 1500,
					      .mac = { 2, 0, 0, 0, 0, i },
					      .ip = { 10, 0, 0, (uint8_t)(5 + i) },
					      .service_ip = { 10, 0, 0, 2 },
					      .router = { 10, 0, 0, 1 },
					      .method = (how & 7) % (BOOT_HTTP + 1),
					      .mode = (uint8_t)((how >> 3 & 3) % (BOOT_OFF + 1)),
					      .http = (how & 32) != 0,
					      .pool = 0,
					      .transfers = 4,
					      .n_files = 1,
					      .chap = i == 2,
					      .script = strdup("#!ipxe\n"),
					      .pxelinux = i == 1 ? strdup("x") : NULL,
					      .hostname = "vm",
					      .uefi_loader = "k",
					      .bios_loader = "k",
					      .image = "k",
					      .root_path = "iscsi:10.0.0.1:::1:iqn.x",
					      .initiator = "iqn.y" };
		if ((how & 64) != 0)
			memset(t->clients[i].ip, 0, 4);
	}
	boot_set_table(r, t);
}

static void udp_from(struct boot_responder *r, uint16_t port, const uint8_t *load, size_t size,
		     uint64_t now_ns)
{
	static const uint8_t head[34] = "\x02\x77\x65\x69\x72\x01\x02\0\0\0\0\1\x08\0\x45\0\0\0\0\0"
					"\0\0\x40\x11\0\0\x0a\0\0\5\x0a\0\0\2";
	uint16_t from = port == 67 ? 68 : port == 69 ? 2000 : port;
	uint8_t *f = malloc(42 + size);

	memcpy(f, head, 34);
	f[16] = (uint8_t)((28 + size) >> 8);
	f[17] = (uint8_t)(28 + size);
	f[34] = (uint8_t)(from >> 8);
	f[35] = (uint8_t)from;
	f[36] = (uint8_t)(port >> 8);
	f[37] = (uint8_t)port;
	f[38] = (uint8_t)((8 + size) >> 8);
	f[39] = (uint8_t)(8 + size);
	f[40] = f[41] = 0;
	memcpy(f + 42, load, size);
	boot_input(r, &(struct boot_frame){ asking, 1, f, 42 + size, now_ns });
	free(f);
}

// A message that is right but for its type (first byte), its ciaddr (four) and its options.
static void options_feed(struct boot_responder *r, uint16_t port, const uint8_t *p, size_t size,
			 uint64_t now_ns)
{
	static const uint8_t cookie[] = { 99, 130, 83, 99, 53, 1 };
	uint8_t b[1024] = { 1, 1, 6 };

	if (size < 6 || size > 600)
		return;
	b[4] = p[5]; // xid
	memcpy(b + 12, p + 1, 4);
	b[28] = 2;
	b[33] = (uint8_t)asking;
	memcpy(b + 236, cookie, sizeof(cookie));
	b[242] = p[0];
	memcpy(b + 243, p + 6, size - 6);
	udp_from(r, port, b, 243 + size - 6, now_ns);
}

static void lease_feed(struct boot_responder *r, const uint8_t *p, size_t size)
{
	struct boot_lease l = { .vid = 1, .ip = { 10, 0, 0 }, .mac = { 2 } };

	if (size < 11)
		return;
	l.ip[3] = p[0];
	l.mac[5] = p[1];
	l.kind = p[2];
	memcpy(&l.expires_s, p + 3, 8);
	boot_lease_restore(r, &l);
}

static void frame_feed(struct boot_responder *r, const uint8_t *p, size_t size, uint64_t now_ns)
{
	uint8_t *f = malloc(size == 0 ? 1 : size);

	memcpy(f, p, size);
	boot_input(r, &(struct boot_frame){ asking, 1, f, size, now_ns });
	free(f);
}

static void leases_check(const struct boot_responder *r)
{
	struct boot_lease a, b;

	for (uint32_t i = 0; boot_lease_nth(r, i, &a); i++) {
		assert(a.kind <= BOOT_LEASE_QUARANTINE);
		for (uint32_t k = 0; k < i && boot_lease_nth(r, k, &b); k++)
			assert(a.vid != b.vid || memcmp(a.ip, b.ip, 4) != 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct boot_out out = { .send = on_reply, .event = on_event };
	struct boot_responder *r;
	uint64_t now_ns = 1;

	if (size < 1 || size > 8192)
		return 0;
	if (boot_create(&out, &r) < 0)
		abort();
	table_make(r, data[0]);
	for (size_t at = 1; at + 3 <= size;) {
		size_t len = (size_t)(data[at + 1] << 8 | data[at + 2]);
		const uint8_t *p = data + at + 3;
		uint8_t kind = data[at] & 15;

		if (len > size - at - 3)
			len = size - at - 3;
		asking = data[at] >> 4 & 3;
		at += 3 + len;
		sent_frames = 0;
		if (kind == DHCP || kind == PXE || kind == TFTP)
			udp_from(r, kind == DHCP ? 67 : kind == PXE ? 4011 : 69, p, len, now_ns);
		else if (kind == FRAME)
			frame_feed(r, p, len, now_ns);
		else if (kind == LEASE)
			lease_feed(r, p, len);
		else if (kind == TABLE && len > 0)
			table_make(r, p[0]);
		else if (kind == OPTIONS)
			options_feed(r, len > 0 && (p[0] & 0x80) != 0 ? 4011 : 67, p, len, now_ns);
		else if (kind == TIME)
			now_ns += len * 1000000000u;
		assert(sent_frames <= 2 || kind == FRAME);
	}
	leases_check(r);
	boot_destroy(r);
	return 0;
}
