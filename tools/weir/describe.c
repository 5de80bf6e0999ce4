// A frame from a description, for `weir explain`.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir_priv.h"

enum { BOOTP_BYTES = 300 };

struct description {
	uint8_t src[6], dst[6];
	uint16_t tci[2], type;
	uint32_t n_tags;
	char ip_src[64], ip_dst[64];
	uint8_t proto, dscp;
	uint16_t sport, dport;
	uint32_t payload;
};

static bool complain(const char *word, const char *why)
{
	fprintf(stderr, "weir: explain: %s: %s\n", word, why);
	return false;
}

static bool mac_read(const char *s, uint8_t mac[6])
{
	unsigned b[6];
	char rest;

	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &rest) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return true;
}

static bool pair_read(const char *s, char *a, char *b, size_t size)
{
	const char *gt = strpbrk(s, ">,");

	if (gt == NULL || (size_t)(gt - s) >= size || strlen(gt + 1) >= size)
		return false;
	snprintf(a, size, "%.*s", (int)(gt - s), s);
	snprintf(b, size, "%s", gt + 1);
	return true;
}

static bool ports_read(struct description *d, const char *word, const char *value, uint8_t proto)
{
	unsigned a, b;

	if (sscanf(value, "%u%*1[>,]%u", &a, &b) != 2 || a > 65535 || b > 65535)
		return complain(word, "wants PORT,PORT (or PORT>PORT, quoted from the shell)");
	d->proto = proto;
	d->sport = (uint16_t)a;
	d->dport = (uint16_t)b;
	return true;
}

static bool word_read(struct description *d, const char *word)
{
	const char *eq = strchr(word, '='), *value = eq == NULL ? "" : eq + 1;
	size_t len = eq == NULL ? strlen(word) : (size_t)(eq - word);

#define IS(name) (len == strlen(name) && strncmp(word, name, len) == 0)
	if (IS("src"))
		return mac_read(value, d->src) || complain(word, "wants a MAC address");
	if (IS("dst"))
		return mac_read(value, d->dst) || complain(word, "wants a MAC address");
	if (IS("vlan")) {
		if (d->n_tags == 2 || strtoul(value, NULL, 10) > 4095)
			return complain(word, "at most two tags, VID 0..4095");
		d->tci[d->n_tags++] = (uint16_t)strtoul(value, NULL, 10);
		return true;
	}
	if (IS("type")) {
		d->type = strcmp(value, "arp") == 0 ? 0x806 : (uint16_t)strtoul(value, NULL, 0);
		return d->type != 0 || complain(word, "wants an ethertype, as arp or 0x88cc");
	}
	if (IS("ip"))
		return pair_read(value, d->ip_src, d->ip_dst, sizeof(d->ip_src)) ||
		       complain(word, "wants ADDRESS,ADDRESS");
	if (IS("tcp"))
		return ports_read(d, word, value, 6);
	if (IS("udp"))
		return ports_read(d, word, value, 17);
	if (IS("proto")) {
		d->proto = (uint8_t)strtoul(value, NULL, 10);
		return true;
	}
	if (IS("dscp")) {
		d->dscp = (uint8_t)strtoul(value, NULL, 10);
		if (strtoul(value, NULL, 10) > 63)
			return complain(word, "is 0..63");
		return true;
	}
	if (IS("size")) {
		d->payload = (uint32_t)strtoul(value, NULL, 10);
		return d->payload <= 9000 || complain(word, "at most 9000 bytes of payload");
	}
#undef IS
	return complain(
		word,
		"not understood (src= dst= vlan= type= ip=A,B tcp=P,P udp=P,P proto= dscp= size=)");
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static size_t l4_put(const struct description *d, uint8_t *p)
{
	size_t head = d->proto == 6 ? 20 : 8;

	if (d->proto != 6 && d->proto != 17)
		head = d->proto == 1 || d->proto == 58 ? 8 : 0;
	if (d->proto == 6 || d->proto == 17) {
		put16(p, d->sport);
		put16(p + 2, d->dport);
	}
	if (d->proto == 6)
		p[12] = 0x50;
	if (d->proto == 17 && d->payload < BOOTP_BYTES && (d->dport == 67 || d->dport == 68)) {
		// DHCP without a message is none: the client's or the server's side of one.
		p[8] = d->dport == 67 ? 1 : 2;
		p[9] = 1;
		p[10] = 6;
		memcpy(p + 8 + 28, d->src, 6);
		put16(p + 4, 8 + BOOTP_BYTES);
		return head + BOOTP_BYTES;
	}
	if (d->proto == 17)
		put16(p + 4, (uint32_t)(8 + d->payload));
	return head + d->payload;
}

// returns the size of the IP packet, or 0
static size_t ip_put(const struct description *d, uint8_t *p, uint16_t *type)
{
	size_t l4;

	if (inet_pton(AF_INET, d->ip_src, p + 12) == 1 &&
	    inet_pton(AF_INET, d->ip_dst, p + 16) == 1) {
		*type = 0x800;
		p[0] = 0x45;
		p[1] = (uint8_t)(d->dscp << 2);
		p[8] = 64;
		p[9] = d->proto;
		l4 = l4_put(d, p + 20);
		put16(p + 2, (uint32_t)(20 + l4));
		return 20 + l4;
	}
	memset(p, 0, 40);
	if (inet_pton(AF_INET6, d->ip_src, p + 8) == 1 &&
	    inet_pton(AF_INET6, d->ip_dst, p + 24) == 1) {
		*type = 0x86dd;
		p[0] = (uint8_t)(0x60 | d->dscp >> 2);
		p[1] = (uint8_t)(d->dscp << 6);
		p[6] = d->proto;
		p[7] = 64;
		l4 = l4_put(d, p + 40);
		put16(p + 4, (uint32_t)l4);
		return 40 + l4;
	}
	return 0;
}

static size_t arp_put(const struct description *d, uint8_t *p)
{
	put16(p, 1);
	put16(p + 2, 0x800);
	p[4] = 6;
	p[5] = 4;
	put16(p + 6, 1);
	memcpy(p + 8, d->src, 6);
	if (d->ip_src[0] != '\0') {
		inet_pton(AF_INET, d->ip_src, p + 14);
		inet_pton(AF_INET, d->ip_dst, p + 24);
	}
	return 28;
}

size_t describe_frame(char *const *words, int n, const char *src, uint8_t *frame)
{
	struct description d = { .dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	size_t at = 12, size = 46;

	mac_read(src, d.src);
	for (int i = 0; i < n; i++) {
		if (!word_read(&d, words[i]))
			return 0;
	}
	memset(frame, 0, 9728);
	memcpy(frame, d.dst, 6);
	memcpy(frame + 6, d.src, 6);
	for (uint32_t i = 0; i < d.n_tags; i++, at += 4) {
		put16(frame + at, 0x8100);
		put16(frame + at + 2, d.tci[i]);
	}
	if (d.type == 0x806) {
		size = arp_put(&d, frame + at + 2);
	} else if (d.ip_src[0] != '\0') {
		size = ip_put(&d, frame + at + 2, &d.type);
		if (size == 0) {
			complain(d.ip_src, "source and destination must be IPv4 or IPv6 addresses, "
					   "both alike");
			return 0;
		}
	} else if (d.type == 0) {
		complain("description", "says neither ip= nor type=");
		return 0;
	}
	put16(frame + at, d.type);
	size += at + 2;
	return size < 60 ? 60 : size;
}
