// DHCPv4, authoritative for the one address of the port (RFC 2131, 2132; boot options: RFC 4173,
// 4578, iPXE's encapsulated option 175). Replies are built only from our own table and checked
// copies of the request.
#include <stdio.h>
#include <string.h>

#include "boot_priv.h"

enum {
	BOOTP_SIZE = 236, // fixed part, before the magic cookie
	REPLY_MIN = 300,  // old clients drop shorter ones
	DISCOVER = 1,
	OFFER,
	REQUEST,
	DECLINE,
	ACK,
	NAK,
	RELEASE,
	INFORM,
};

// What a client said; lengths are checked, absent options are NULL or 0.
struct request {
	const uint8_t *bootp;
	uint8_t type;
	const uint8_t *wanted_ip, *server_id; // 4 bytes each
	const uint8_t *uuid;		      // option 97, 17 bytes
	uint16_t max_size; // option 57, the largest IP datagram it takes; 0 = not said
	bool ipxe, pxe;	   // option 77 or 175 of iPXE; option 60 PXEClient
	bool firmware;	   // one of these, or HTTPClient, or a client architecture (option 93)
};

struct reply {
	uint8_t b[576 + 512];
	size_t at, max;
};

static bool option_is(const uint8_t *data, size_t len, const char *text)
{
	size_t n = strlen(text);

	return len >= n && memcmp(data, text, n) == 0;
}

static void option_read(struct request *q, uint8_t code, const uint8_t *data, size_t len)
{
	switch (code) {
	case 50:
		if (len == 4)
			q->wanted_ip = data;
		break;
	case 53:
		if (len == 1)
			q->type = data[0];
		break;
	case 54:
		if (len == 4)
			q->server_id = data;
		break;
	case 57:
		if (len == 2)
			q->max_size = boot_be16(data);
		break;
	case 60:
		q->pxe = option_is(data, len, "PXEClient");
		q->firmware |= q->pxe || option_is(data, len, "HTTPClient");
		break;
	case 77: // iPXE sends the bare text; RFC 3004 wants a length before it
		q->ipxe |= option_is(data, len, "iPXE") ||
			   (len > 1 && option_is(data + 1, len - 1, "iPXE"));
		break;
	case 93: // RFC 4578 section 2.1
		q->firmware |= len >= 2;
		break;
	case 97:
		if (len == 17)
			q->uuid = data;
		break;
	case 175:
		q->ipxe = true;
		break;
	default:
		break;
	}
}

// The one walk over options: bounded by the datagram, a length that leaves it ends the walk (RFC
// 2132 section 2).
static bool request_read(struct request *q, const struct boot_udp *u)
{
	static const uint8_t cookie[4] = { 99, 130, 83, 99 };
	size_t at = BOOTP_SIZE + 4;

	memset(q, 0, sizeof(*q));
	if (u->size < at || memcmp(u->data + BOOTP_SIZE, cookie, 4) != 0)
		return false;
	q->bootp = u->data;
	if (u->data[0] != 1 || u->data[1] != 1 || u->data[2] != 6)
		return false;
	while (at < u->size && u->data[at] != 255) {
		size_t len;

		if (u->data[at] == 0) {
			at++;
			continue;
		}
		if (at + 2 > u->size)
			return false;
		len = u->data[at + 1];
		if (at + 2 + len > u->size)
			return false;
		option_read(q, u->data[at], u->data + at + 2, len);
		at += 2 + len;
	}
	return q->type != 0;
}

static void put(struct reply *p, uint8_t code, const void *data, size_t len)
{
	// Room for END stays; len is at most 255 by construction.
	if (len > 255 || p->at + 2 + len + 1 > p->max)
		return;
	p->b[p->at] = code;
	p->b[p->at + 1] = (uint8_t)len;
	memcpy(p->b + p->at + 2, data, len);
	p->at += 2 + len;
}

static void put_text(struct reply *p, uint8_t code, const char *text)
{
	if (text[0] != '\0')
		put(p, code, text, strlen(text));
}

static void reply_begin(struct reply *p, const struct request *q, const struct boot_client *c,
			uint8_t type)
{
	static const uint8_t cookie[4] = { 99, 130, 83, 99 };

	memset(p, 0, sizeof(*p));
	// Without option 57 a client takes datagrams of 576 bytes (RFC 2131 section 2).
	p->max = q->max_size < 576 ? 548 : q->max_size - 28u;
	if (p->max > sizeof(p->b))
		p->max = sizeof(p->b);
	p->b[0] = 2;
	p->b[1] = 1;
	p->b[2] = 6;
	memcpy(p->b + 4, q->bootp + 4, 4);    // xid
	memcpy(p->b + 10, q->bootp + 10, 2);  // flags
	memcpy(p->b + 28, q->bootp + 28, 16); // chaddr
	memcpy(p->b + BOOTP_SIZE, cookie, 4);
	p->at = BOOTP_SIZE + 4;
	put(p, 53, &type, 1);
	put(p, 54, c->service_ip, 4);
}

static void mask_option(struct reply *p, const struct boot_client *c)
{
	uint32_t mask = ~0u << (32 - c->prefix_len);
	const uint8_t m[4] = { (uint8_t)(mask >> 24), (uint8_t)(mask >> 16), (uint8_t)(mask >> 8),
			       (uint8_t)mask };

	put(p, 1, m, 4);
}

// After the boot options: where room is short, booting comes first.
static void network_options(struct reply *p, const struct boot_client *c)
{
	static const uint8_t none[4];
	const uint8_t mtu[2] = { (uint8_t)(c->mtu >> 8), (uint8_t)c->mtu };

	if (memcmp(c->router, none, 4) != 0)
		put(p, 3, c->router, 4);
	if (c->n_dns > 0)
		put(p, 6, c->dns, 4u * c->n_dns);
	if (c->mtu != 1500)
		put(p, 26, mtu, 2);
	put_text(p, 12, c->hostname);
	put_text(p, 15, c->domain);
}

// By client and method: what makes it boot, and nothing that would mislead it (anchors: option 60
// in a root-path-only offer sends iPXE to UDP 4011; a filename makes it hook the disk first).
static void boot_options(struct reply *p, const struct request *q, const struct boot_client *c)
{
	static const uint8_t no_pxedhcp[3] = { 176, 1, 1 };
	bool firmware = q->ipxe || q->pxe;

	if (c->method == BOOT_NONE)
		return;
	if (c->root_path[0] != '\0' && (c->method == BOOT_ISCSI || !firmware)) {
		put_text(p, 17, c->root_path);
		put_text(p, 203, c->initiator);
	}
	if (c->method == BOOT_KERNEL && q->ipxe) {
		memcpy(p->b + 20, c->service_ip, 4); // siaddr: next server
		memcpy(p->b + 108, "boot.ipxe", 9);  // file
		put_text(p, 67, "boot.ipxe");
	}
	if (q->ipxe)
		put(p, 175, no_pxedhcp, sizeof(no_pxedhcp)); // do not wait for a proxy
}

static void reply_send(struct boot_responder *r, const struct boot_udp *u, struct reply *p,
		       bool broadcast)
{
	static const uint8_t none[4];
	struct boot_dst to = { .sport = 67, .dport = 68 };
	const uint8_t *bootp = u->data;

	p->b[p->at++] = 255;
	if (p->at < REPLY_MIN)
		p->at = REPLY_MIN; // the rest is zero: PAD
	// The frame always goes to the port's own guest; the IP address follows RFC 2131 4.1.
	memcpy(to.mac, u->client->mac, 6);
	if (broadcast || (bootp[10] & 0x80) != 0) {
		memset(to.ip, 0xff, 4);
		memset(to.mac, 0xff, 6);
	} else if (memcmp(bootp + 12, none, 4) != 0) {
		memcpy(to.ip, bootp + 12, 4); // ciaddr
	} else {
		memcpy(to.ip, u->client->ip, 4);
	}
	boot_udp_send(r, u->client, &to, p->b, p->at);
}

static void answer(struct boot_responder *r, const struct boot_udp *u, const struct request *q,
		   uint8_t type)
{
	static const uint8_t forever[4] = { 0xff, 0xff, 0xff, 0xff };
	const struct boot_client *c = u->client;
	struct reply p;

	reply_begin(&p, q, c, type);
	if (q->type != INFORM) {
		memcpy(p.b + 16, c->ip, 4); // yiaddr
		put(&p, 51, forever, 4);
	}
	if (type == ACK)
		memcpy(p.b + 12, q->bootp + 12, 4); // ciaddr
	mask_option(&p, c);
	boot_options(&p, q, c);
	if (q->uuid != NULL)
		put(&p, 97, q->uuid, 17);
	network_options(&p, c);
	reply_send(r, u, &p, false);
}

static void refuse(struct boot_responder *r, const struct boot_udp *u, const struct request *q)
{
	struct reply p;

	reply_begin(&p, q, u->client,
		    NAK); // carries option 54: clients ignore a NAK of an unknown server
	r->n.dhcp_naks++;
	boot_event_emit(r, u->client, BOOT_EV_NAK, "", u->now_ns);
	reply_send(r, u, &p, true);
}

static const char *who(const struct request *q)
{
	return q->ipxe ? "iPXE firmware" : q->pxe ? "PXE firmware" : "operating system";
}

// Somebody asks for an address. Who only renews one is up already.
static void asked(struct boot_responder *r, const struct boot_udp *u, const struct request *q,
		  enum boot_event_kind kind)
{
	static const uint8_t none[4];
	bool renews = memcmp(q->bootp + 12, none, 4) != 0; // ciaddr
	struct boot_event e = {
		.ns = u->now_ns,
		.port = u->client->port,
		.gen = u->client->gen,
		.kind = (uint8_t)kind,
		.stage = renews			  ? BOOT_STAGE_NONE
			 : q->firmware || q->ipxe ? BOOT_STAGE_FIRMWARE
						  : BOOT_STAGE_OS,
	};

	boot_event_send(r, &e, who(q));
}

// RFC 2131 4.3.2: selecting, init-reboot, renewing.
static void request_input(struct boot_responder *r, const struct boot_udp *u,
			  const struct request *q)
{
	static const uint8_t none[4];
	const struct boot_client *c = u->client;
	const uint8_t *ciaddr = q->bootp + 12;
	const uint8_t *ip = q->wanted_ip != NULL ? q->wanted_ip : ciaddr;

	if (q->server_id != NULL && memcmp(q->server_id, c->service_ip, 4) != 0) {
		r->n.dhcp_ignored++; // another server was chosen
		return;
	}
	if (q->wanted_ip == NULL && memcmp(ciaddr, none, 4) == 0) {
		r->n.dhcp_ignored++; // asks for nothing
		return;
	}
	if (memcmp(ip, c->ip, 4) != 0) {
		refuse(r, u, q);
		return;
	}
	r->n.dhcp_acks++;
	asked(r, u, q, BOOT_EV_ACK);
	answer(r, u, q, ACK);
	if (q->ipxe)
		boot_no_router_send(r, c);
}

void boot_dhcp(struct boot_responder *r, const struct boot_udp *u)
{
	static const uint8_t none[4];
	const struct boot_client *c = u->client;
	struct request q;

	if (!request_read(&q, u)) {
		r->n.malformed++;
		return;
	}
	if (memcmp(c->ip, none, 4) == 0 || memcmp(q.bootp + 28, c->mac, 6) != 0) {
		r->n.dhcp_ignored++;
		return;
	}
	switch (q.type) {
	case DISCOVER:
		r->n.dhcp_discovers++;
		r->n.dhcp_offers++;
		asked(r, u, &q, BOOT_EV_DISCOVER);
		answer(r, u, &q, OFFER);
		boot_event_emit(r, c, BOOT_EV_OFFER, "", u->now_ns);
		break;
	case REQUEST:
		request_input(r, u, &q);
		break;
	case INFORM:
		r->n.dhcp_acks++;
		answer(r, u, &q, ACK);
		break;
	case DECLINE:
		boot_event_emit(r, c, BOOT_EV_DECLINE, "another host uses the address", u->now_ns);
		break;
	case RELEASE:
		boot_event_emit(r, c, BOOT_EV_RELEASE, "", u->now_ns);
		break;
	default:
		r->n.dhcp_ignored++;
	}
}
