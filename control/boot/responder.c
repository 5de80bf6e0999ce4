// Frames in and out: Ethernet, ARP, IPv4, UDP.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_priv.h"

enum { ETH = 14, IP = 20, UDP = 8 };

int boot_create(const struct boot_out *out, struct boot_responder **r)
{
	*r = calloc(1, sizeof(**r));
	if (*r == NULL)
		return -ENOMEM;
	(*r)->out = *out;
	return 0;
}

void boot_table_free(struct boot_table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->n_files; i++) {
		if (t->files[i].release != NULL)
			t->files[i].release(t->files[i].owner);
		else
			free((void *)(uintptr_t)t->files[i].data);
	}
	for (uint32_t i = 0; i < t->n_clients; i++) {
		free(t->clients[i].script);
		free(t->clients[i].grub);
		free(t->clients[i].pxelinux);
	}
	free(t->files);
	free(t->pools);
	free(t->clients);
	free(t);
}

void boot_destroy(struct boot_responder *r)
{
	if (r == NULL)
		return;
	boot_table_free(r->table);
	boot_index_free(r->index);
	free(r);
}

// A transfer goes on when its client and its file are what they were; else it ends, and its peer is
// told by the next packet.
void boot_set_table(struct boot_responder *r, struct boot_table *t)
{
	struct boot_table *old = r->table;
	struct boot_index *index = boot_index_make(t, old, r->index);

	boot_index_free(r->index);
	r->index = index;
	r->table = t;
	boot_leases_look_again(r);
	r->n_compared = 0; // what was at their addresses is no more
	for (uint32_t i = 0; i < BOOT_TRANSFERS; i++) {
		if (r->transfers[i].active)
			boot_transfer_rebind(r, &r->transfers[i]);
	}
	boot_table_free(old);
}

static int by_port(const void *key, const void *elem)
{
	uint32_t port = *(const uint32_t *)key, other = ((const struct boot_client *)elem)->port;

	return port < other ? -1 : port > other;
}

const struct boot_client *boot_client_find(const struct boot_responder *r, uint32_t port,
					   uint32_t gen)
{
	const struct boot_client *c = NULL;

	if (r->table != NULL && r->table->n_clients > 0)
		c = bsearch(&port, r->table->clients, r->table->n_clients, sizeof(*c), by_port);
	return c != NULL && c->gen == gen ? c : NULL;
}

const struct boot_table *boot_table_of(const struct boot_responder *r)
{
	return r->table;
}

const char *boot_event_name(enum boot_event_kind kind)
{
	static const char *const names[BOOT_N_EVENTS] = {
		"DHCP discover",   "DHCP offer",     "DHCP ack",      "DHCP nak",    "DHCP decline",
		"DHCP release",	   "TFTP start",     "TFTP complete", "TFTP failed", "PXE answer",
		"DHCP quarantine", "HTTP start",     "HTTP complete", "HTTP failed", "no boot",
		"boot loop",	   "DHCP pool full",
	};

	return kind < BOOT_N_EVENTS ? names[kind] : "invalid";
}

void boot_event_send(struct boot_responder *r, struct boot_event *e, const char *detail)
{
	snprintf(e->detail, sizeof(e->detail), "%s", detail);
	for (char *p = e->detail; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	}
	if (boot_stage_fetched(r, e))
		r->out.event(r->out.ctx, e);
}

void boot_event_emit(struct boot_responder *r, const struct boot_client *c,
		     enum boot_event_kind kind, const char *detail, uint64_t now_ns)
{
	struct boot_event e = {
		.ns = now_ns, .port = c->port, .gen = c->gen, .kind = (uint8_t)kind
	};

	boot_event_send(r, &e, detail);
}

bool boot_note(struct boot_responder *r, const struct boot_event *e)
{
	return boot_stage_fetched(r, e);
}

static uint32_t sum16(const uint8_t *p, size_t size, uint32_t sum)
{
	uint8_t rest[4] = { 0 };
	uint64_t acc = 0;
	uint32_t word;

	for (; size >= 4; size -= 4, p += 4) {
		memcpy(&word, p, 4);
		acc += word;
	}
	memcpy(rest, p, size);
	memcpy(&word, rest, 4);
	acc += word;
	while (acc >> 16 != 0)
		acc = (acc & 0xffff) + (acc >> 16);
	memcpy(rest, &(const uint16_t){ (uint16_t)acc }, 2);
	return sum + boot_be16(rest);
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void boot_udp_send(struct boot_responder *r, const struct boot_client *c, const struct boot_dst *to,
		   const uint8_t *payload, size_t size)
{
	uint8_t f[BOOT_FRAME_MAX], *ip = f + ETH, *udp = ip + IP;
	const size_t total = to->head_size + size;
	uint16_t csum;

	if (total > sizeof(f) - ETH - IP - UDP)
		return;
	memcpy(f, to->mac, 6);
	memcpy(f + 6, c->service_mac, 6);
	boot_put16(f + 12, 0x0800);
	memset(ip, 0, IP + UDP);
	ip[0] = 0x45;
	boot_put16(ip + 2, (uint32_t)(IP + UDP + total));
	ip[6] = 0x40; // don't fragment
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, c->service_ip, 4);
	memcpy(ip + 16, to->ip, 4);
	boot_put16(ip + 10, fold(sum16(ip, IP, 0)));
	boot_put16(udp, to->sport);
	boot_put16(udp + 2, to->dport);
	boot_put16(udp + 4, (uint32_t)(UDP + total));
	if (to->head_size > 0)
		memcpy(udp + UDP, to->head, to->head_size);
	if (size > 0)
		memcpy(udp + UDP + to->head_size, payload, size);
	csum = fold(sum16(udp, UDP + total, sum16(ip + 12, 8, 17 + (uint32_t)(UDP + total))));
	boot_put16(udp + 6, csum == 0 ? 0xffff : csum);
	r->out.send(r->out.ctx, c, f, ETH + IP + UDP + total);
}

// iPXE configures IPv6 beside IPv4 and, where no router answers, waits 16 s for one before it
// boots. This says at once what is so: there is no router here (lifetime 0) and nothing to
// configure (RFC 4861 4.2, 6.2.5).
void boot_no_router_send(struct boot_responder *r, const struct boot_client *c)
{
	static const uint8_t head[] = { 0x33, 0x33, 0, 0, 0, 1 };
	uint8_t f[ETH + 40 + 16] = { 0 }, *ip = f + ETH, *ra = ip + 40;
	const uint8_t *m = c->service_mac;
	const uint8_t eui[8] = { (uint8_t)(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5] };

	memcpy(f, head, 6);
	memcpy(f + 6, m, 6);
	boot_put16(f + 12, 0x86dd);
	ip[0] = 0x60;
	ip[5] = 16;
	ip[6] = 58;
	ip[7] = 255;
	ip[8] = 0xfe;
	ip[9] = 0x80;
	memcpy(ip + 16, eui, 8);
	ip[24] = 0xff;
	ip[25] = 0x02;
	ip[39] = 1;
	ra[0] = 134;
	ra[4] = 64;
	boot_put16(ra + 2, fold(sum16(ra, 16, sum16(ip + 8, 32, 58 + 16))));
	r->n.no_router_adverts++;
	r->out.send(r->out.ctx, c, f, sizeof(f));
}

// RFC 826: who has the service address?
static void arp_input(struct boot_responder *r, const struct boot_client *c, const uint8_t *arp,
		      size_t size)
{
	uint8_t f[60] = { 0 };

	if (size < 28 || boot_be16(arp) != 1 || boot_be16(arp + 2) != 0x0800 || arp[4] != 6 ||
	    arp[5] != 4 || boot_be16(arp + 6) != 1) {
		r->n.malformed++;
		return;
	}
	if (memcmp(arp + 24, c->service_ip, 4) != 0)
		return;
	memcpy(f, arp + 8, 6);
	memcpy(f + 6, c->service_mac, 6);
	boot_put16(f + 12, 0x0806);
	memcpy(f + 14, arp, 6);
	boot_put16(f + 20, 2);
	memcpy(f + 22, c->service_mac, 6);
	memcpy(f + 28, c->service_ip, 4);
	memcpy(f + 32, arp + 8, 10);
	r->n.arp_replies++;
	r->out.send(r->out.ctx, c, f, sizeof(f));
}

// The datagram inside the IPv4 packet at ip[size]. returns false when it is none.
static bool udp_find(struct boot_udp *u, const uint8_t *ip, size_t size)
{
	size_t ihl, total, udp_size;

	if (size < IP || ip[0] >> 4 != 4)
		return false;
	ihl = (size_t)(ip[0] & 15) * 4;
	total = boot_be16(ip + 2);
	if (ihl < IP || total > size || total < ihl + UDP || ip[9] != 17 ||
	    (boot_be16(ip + 6) & 0x3fff) != 0)
		return false;
	udp_size = boot_be16(ip + ihl + 4);
	if (udp_size < UDP || udp_size > total - ihl)
		return false;
	memcpy(u->src_ip, ip + 12, 4);
	memcpy(u->dst_ip, ip + 16, 4);
	u->sport = boot_be16(ip + ihl);
	u->dport = boot_be16(ip + ihl + 2);
	u->data = ip + ihl + UDP;
	u->size = udp_size - UDP;
	return true;
}

void boot_input(struct boot_responder *r, const struct boot_frame *in)
{
	const struct boot_client *client = boot_client_find(r, in->port, in->gen);
	struct boot_udp u = { .client = client, .now_ns = in->now_ns };
	const uint8_t *frame = in->data;
	size_t size = in->size;
	size_t off = 12;
	uint16_t type;

	r->n.frames++;
	if (u.client == NULL) {
		r->n.no_client++;
		return;
	}
	// At most two tags, then the ethertype.
	while (off + 6 <= size && off < 20 &&
	       (boot_be16(frame + off) == 0x8100 || boot_be16(frame + off) == 0x88a8))
		off += 4;
	if (off + 2 > size) {
		r->n.malformed++;
		return;
	}
	type = boot_be16(frame + off);
	off += 2;
	memcpy(u.src_mac, frame + 6, 6);
	if (type == 0x0806) {
		arp_input(r, u.client, frame + off, size - off);
	} else if (type != 0x0800 || !udp_find(&u, frame + off, size - off)) {
		r->n.malformed++;
	} else if (u.dport == 67) {
		boot_dhcp(r, &u);
	} else if (memcmp(u.dst_ip, u.client->service_ip, 4) != 0) {
		r->n.malformed++;
	} else if (u.dport == 4011) {
		boot_pxe(r, &u);
	} else if (u.dport == 69) {
		boot_tftp_request(r, &u);
	} else if (u.dport >= BOOT_TID_FIRST && u.dport < BOOT_TID_FIRST + BOOT_TRANSFERS) {
		boot_tftp_transfer(r, &u);
	}
}

const struct boot_counters *boot_counters(const struct boot_responder *r)
{
	return &r->n;
}

struct boot_counters *boot_counters_of(struct boot_responder *r)
{
	return &r->n;
}
