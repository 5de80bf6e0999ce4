// DHCP messages: a request taken apart, a reply put together (RFC 2131, 2132). Replies are built
// only from our own table and checked copies of the request.
//
// Options are never moved into the header's sname and file fields (option 52): UEFI reads the file
// field whether they are or not.
#include <string.h>

#include "dhcp_priv.h"

enum {
	BOOTP_SIZE = 236, // fixed part, before the magic cookie
	REPLY_MIN = 300,  // old clients drop shorter ones
	FILE_AT = 108,
	FILE_SIZE = 128,
};

static const uint8_t cookie[4] = { 99, 130, 83, 99 };

static void option_read(struct boot_request *q, struct boot_hints *h, const uint8_t *opt)
{
	const uint8_t *data = opt + 2;
	size_t len = opt[1];

	switch (opt[0]) {
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
		h->vendor = data;
		h->vendor_size = len;
		break;
	case 77:
		h->ipxe |= boot_is_ipxe_class(data, len);
		break;
	case 93:
		h->arch = data;
		h->arch_size = len;
		break;
	case 97: // RFC 4578 section 2.3: a type of 0, then the UUID
		if (len == 17) {
			q->uuid = data;
			q->uuid_size = len;
		}
		break;
	case 175:
		h->ipxe = true;
		break;
	default:
		break;
	}
}

// The one walk over options: bounded by the datagram, a length that leaves it ends the walk (RFC
// 2132 section 2).
bool boot_request_read(struct boot_request *q, const struct boot_udp *u)
{
	struct boot_hints h = { 0 };
	size_t at = BOOTP_SIZE + 4;

	memset(q, 0, sizeof(*q));
	if (u->size < at || memcmp(u->data + BOOTP_SIZE, cookie, 4) != 0)
		return false;
	q->bootp = u->data;
	if (u->data[0] != 1 || u->data[1] != 1 || u->data[2] != 6)
		return false;
	while (at < u->size && u->data[at] != 255) {
		if (u->data[at] == 0) {
			at++;
			continue;
		}
		if (at + 2 > u->size || at + 2 + u->data[at + 1] > u->size)
			return false;
		option_read(q, &h, u->data + at);
		at += 2u + u->data[at + 1];
	}
	boot_classify(&h, &q->asker);
	return q->type != 0;
}

void boot_put(struct boot_reply *p, uint8_t code, const void *data, size_t size)
{
	// Room for END stays.
	if (size > 255 || p->at + 2 + size + 1 > p->max)
		return;
	p->b[p->at] = code;
	p->b[p->at + 1] = (uint8_t)size;
	memcpy(p->b + p->at + 2, data, size);
	p->at += 2 + size;
}

void boot_put_text(struct boot_reply *p, uint8_t code, const char *text)
{
	if (text[0] != '\0')
		boot_put(p, code, text, strlen(text));
}

void boot_reply_begin(struct boot_reply *p, const struct boot_request *q,
		      const struct boot_client *c, uint8_t type)
{
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
	boot_put(p, 53, &type, 1);
	boot_put(p, 54, c->service_ip, 4);
}

void boot_put_mask(struct boot_reply *p, const struct boot_client *c)
{
	uint32_t mask = c->prefix_len == 0 ? 0 : ~0u << (32 - c->prefix_len);
	const uint8_t m[4] = { (uint8_t)(mask >> 24), (uint8_t)(mask >> 16), (uint8_t)(mask >> 8),
			       (uint8_t)mask };

	boot_put(p, 1, m, 4);
}

// After the boot options: where room is short, booting comes first.
void boot_put_network(struct boot_reply *p, const struct boot_client *c)
{
	const uint8_t mtu[2] = { (uint8_t)(c->mtu >> 8), (uint8_t)c->mtu };

	if (!boot_is_zero(c->router))
		boot_put(p, 3, c->router, 4);
	if (c->n_dns > 0)
		boot_put(p, 6, c->dns, 4u * c->n_dns);
	if (c->mtu != 1500)
		boot_put(p, 26, mtu, 2);
	boot_put_text(p, 12, c->hostname);
	boot_put_text(p, 15, c->domain);
}

// UEFI writes a NUL behind option 67, in place: a PAD stands there (two bytes beside the text's
// own two). Written last, so that nothing but END follows.
void boot_put_file(struct boot_reply *p, const char *file)
{
	size_t n = strlen(file);

	if (n >= sizeof(p->file) || p->at + 2 + n + 1 + 1 > p->max)
		return;
	memcpy(p->file, file, n + 1);
	p->max -= 2 + n + 1;
}

void boot_reply_end(struct boot_reply *p)
{
	if (p->file[0] != '\0') {
		p->max += 2 + strlen(p->file) + 1;
		boot_put_text(p, 67, p->file);
		p->at++; // PAD
	}
	p->b[p->at++] = 255;
	if (p->at < REPLY_MIN)
		p->at = REPLY_MIN; // the rest is zero: PAD
}

void boot_reply_send(struct boot_responder *r, const struct boot_udp *u, struct boot_reply *p,
		     const uint8_t ip[4], bool broadcast)
{
	struct boot_dst to = { .sport = 67, .dport = 68 };
	const uint8_t *bootp = u->data;

	boot_reply_end(p);
	// The frame always goes to the port's own guest; the IP address follows RFC 2131 4.1.
	memcpy(to.mac, u->client->mac, 6);
	if (broadcast || (bootp[10] & 0x80) != 0) {
		memset(to.ip, 0xff, 4);
		memset(to.mac, 0xff, 6);
	} else {
		memcpy(to.ip, boot_is_zero(bootp + 12) ? ip : bootp + 12, 4); // ciaddr
	}
	boot_udp_send(r, u->client, &to, p->b, p->at);
}
