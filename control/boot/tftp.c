// TFTP server from memory: RFC 1350 with options (2347), blksize (2348), tsize and timeout (2349),
// windowsize (7440).
//
// A name is looked up among the files of the asking VM; no name ever becomes a path.
//
// A peer that has acknowledged nothing yet gets at most twice the bytes that it sent, repeats
// included; its own retry asks again. One exception is a request without options, to which RFC
// 1350 knows no answer but the first block: that goes once, and only to the address and MAC that
// the port is known to have.
//
// At most 5 repeats of a window, then the transfer has failed. Each waits twice as long as the one
// before (RFC 1123 section 4.2.3.2): who answers late because all is slow gets no more to do, and a
// transfer outlives 15 s of that. Only a peer that said by the option timeout how long to wait gets
// that. An ACK that comes again asks for
// nothing, or two of them would double every block from then on (RFC 1123 section 4.2.3.1); but
// with windows it is how a client says that the first block of a window was lost (RFC 7440), so
// there the window is sent again, once. A port has a bounded number of transfers; when all slots
// are taken, a port with fewer gets that of a port with more.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "boot_priv.h"

enum { RRQ = 1, DATA = 3, ACK = 4, ERROR = 5, OACK = 6 };
enum { TRIES = 5, TIMEOUT_MS = 500, DOUBLE_MAX = 3 };
enum { FRAME_BYTES = 42 }; // Ethernet, IPv4 and UDP before a payload
enum {
	ERR_UNDEFINED = 0,
	ERR_NOT_FOUND = 1,
	ERR_ACCESS = 2,
	ERR_ILLEGAL = 4,
	ERR_UNKNOWN_TID = 5,
	ERR_OPTION = 8
};

static void error_send(struct boot_responder *r, const struct boot_udp *u, uint16_t sport,
		       uint16_t code, const char *text)
{
	struct boot_dst to = { .sport = sport, .dport = u->sport };
	uint8_t b[128] = { 0, ERROR };
	int n = snprintf((char *)b + 4, sizeof(b) - 4, "%s", text);

	boot_put16(b + 2, code);
	memcpy(to.mac, u->src_mac, 6);
	memcpy(to.ip, u->src_ip, 4);
	boot_udp_send(r, u->client, &to, b, 4 + (size_t)n + 1);
}

// A payload of t's peer: head, then b[size].
static void transfer_send(struct boot_responder *r, struct transfer *t, const uint8_t head[4],
			  const uint8_t *b, size_t size)
{
	const struct boot_client *c = boot_client_find(r, t->port, t->gen);
	struct boot_dst to = { .sport = (uint16_t)(BOOT_TID_FIRST + (t - r->transfers)),
			       .dport = t->peer_port,
			       .head = head,
			       .head_size = head == NULL ? 0 : 4 };

	if (c == NULL)
		return;
	memcpy(to.mac, t->peer_mac, 6);
	memcpy(to.ip, t->peer_ip, 4);
	boot_udp_send(r, c, &to, b, size);
}

// The option acknowledgement, as long as the peer may get more.
static void oack_send(struct boot_responder *r, struct transfer *t)
{
	const uint32_t bytes = (uint32_t)t->oack_size + FRAME_BYTES;

	if (t->tx_bytes + bytes > 2 * t->rx_bytes)
		return;
	t->tx_bytes += bytes;
	transfer_send(r, t, NULL, t->oack, t->oack_size);
}

static void deadline_set(struct transfer *t, uint64_t now_ns)
{
	uint32_t doubled = t->paced ? 0 : t->tries < DOUBLE_MAX ? t->tries : DOUBLE_MAX;

	t->deadline_ns = now_ns + ((uint64_t)t->timeout_ms << doubled) * 1000000u;
}

// Blocks acked+1 .. acked+window.
static void window_send(struct boot_responder *r, struct transfer *t, uint64_t now_ns)
{
	uint8_t head[4];

	t->sent = t->acked;
	while (t->sent < t->n_blocks && t->sent - t->acked < t->window) {
		size_t at = t->sent * t->block_size;
		size_t size = t->size - at < t->block_size ? t->size - at : t->block_size;

		t->sent++;
		boot_put16(head, DATA);
		boot_put16(head + 2, (uint32_t)t->sent); // it wraps to 0, as clients expect
		r->n.tftp_blocks++;
		transfer_send(r, t, head, t->data + at, size);
	}
	deadline_set(t, now_ns);
}

// The file of that name, if it is one of the client's. returns false = none
static bool file_find(const struct boot_responder *r, const struct boot_client *c, const char *name,
		      struct transfer *t)
{
	struct boot_content found;

	if (!boot_content_find(r->table, c, name, &found))
		return false;
	t->data = found.data;
	t->size = found.size;
	return true;
}

// Is it the same content? A thousand guests fetch one kernel: it is looked through once.
static bool is_same(struct boot_responder *r, const struct transfer *was, const struct transfer *is)
{
	struct boot_compared *c;

	if (was->size != is->size)
		return false;
	if (was->data == is->data)
		return true;
	for (uint32_t i = 0; i < r->n_compared && i < BOOT_COMPARED; i++) {
		c = &r->compared[i];
		if (c->was == was->data && c->is == is->data)
			return c->same;
	}
	c = &r->compared[r->n_compared++ % BOOT_COMPARED];
	*c = (struct boot_compared){ was->data, is->data,
				     memcmp(was->data, is->data, was->size) == 0 };
	return c->same;
}

void boot_transfer_rebind(struct boot_responder *r, struct transfer *t)
{
	const struct boot_client *c = boot_client_find(r, t->port, t->gen);
	struct transfer now = { 0 };

	if (c != NULL && file_find(r, c, t->name, &now) && is_same(r, t, &now))
		t->data = now.data;
	else
		t->active = false;
}

// A NUL-terminated string at *at; moves *at behind it. returns NULL when the datagram ends first
static const char *string_take(const struct boot_udp *u, size_t *at)
{
	const char *s = (const char *)u->data + *at;
	const char *end = *at < u->size ? memchr(s, '\0', u->size - *at) : NULL;

	if (end == NULL)
		return NULL;
	*at += (size_t)(end - s) + 1;
	return s;
}

static bool number_take(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long v;

	if (text[0] < '0' || text[0] > '9')
		return false;
	v = strtoul(text, &end, 10);
	if (*end != '\0' || v < min || v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

static void oack_add(struct transfer *t, const char *name, uint64_t value)
{
	size_t left = sizeof(t->oack) - t->oack_size;
	char text[64];
	int a = snprintf(text, sizeof(text), "%s", name) + 1;
	int b = snprintf(text + a, sizeof(text) - (size_t)a, "%llu", (unsigned long long)value) + 1;

	if ((size_t)(a + b) <= left) {
		memcpy(t->oack + t->oack_size, text, (size_t)(a + b));
		t->oack_size += (size_t)(a + b);
	}
}

// Options that are unknown or out of range are left out of the OACK (RFC 2347: then they do not
// hold). Each at most once.
static void options_take(struct transfer *t, const struct boot_udp *u, size_t at)
{
	uint32_t seen = 0, v;

	const uint32_t mtu = u->client->mtu < 68 ? 68 : u->client->mtu; // RFC 791
	const uint32_t most = mtu < BOOT_BLOCK_MAX + 32 ? mtu - 32 : BOOT_BLOCK_MAX;

	boot_put16(t->oack, OACK);
	t->oack_size = 2;
	for (;;) {
		const char *name = string_take(u, &at),
			   *value = name == NULL ? NULL : string_take(u, &at);

		if (value == NULL)
			break;
		if (strcasecmp(name, "blksize") == 0 && (seen & 1) == 0 &&
		    number_take(value, 8, 65464, &v)) {
			seen |= 1;
			t->block_size = v < most ? v : most;
			oack_add(t, "blksize", t->block_size);
		} else if (strcasecmp(name, "tsize") == 0 && (seen & 2) == 0) {
			seen |= 2;
			oack_add(t, "tsize", t->size);
		} else if (strcasecmp(name, "timeout") == 0 && (seen & 4) == 0 &&
			   number_take(value, 1, 255, &v)) {
			seen |= 4;
			t->timeout_ms = v * 1000;
			t->paced = true;
			oack_add(t, "timeout", v);
		} else if (strcasecmp(name, "windowsize") == 0 && (seen & 8) == 0 &&
			   number_take(value, 1, 65535, &v)) {
			seen |= 8;
			t->window = v < BOOT_WINDOW_MAX ? v : BOOT_WINDOW_MAX;
			oack_add(t, "windowsize", t->window);
		}
	}
}

// Does a port that would have `rank` transfers come before the owner of t? Whoever was never heard
// has no claim, and among ports that one which has most.
static bool yields(const struct transfer *t, uint32_t rank)
{
	return t->rank > rank || (!t->heard && t->tries > 0);
}

static bool yields_before(const struct transfer *a, const struct transfer *b)
{
	if (a->heard != b->heard)
		return !a->heard;
	return a->rank != b->rank ? a->rank > b->rank : a->deadline_ns < b->deadline_ns;
}

// A slot for the peer; a repeated request replaces its transfer. returns NULL = its port has all
// that it may have (*port_full), or the table is full of others with as good a claim
static struct transfer *slot_find(struct boot_responder *r, const struct boot_udp *u, uint8_t *rank,
				  bool *port_full)
{
	struct transfer *free_slot = NULL, *victim = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < BOOT_TRANSFERS; i++) {
		struct transfer *t = &r->transfers[i];

		if (!t->active) {
			if (free_slot == NULL)
				free_slot = t;
			continue;
		}
		if (t->port == u->client->port && t->peer_port == u->sport) {
			*rank = t->rank;
			return t;
		}
		n += t->port == u->client->port;
		if (t->port != u->client->port && (victim == NULL || yields_before(t, victim)))
			victim = t;
	}
	*port_full = n >= u->client->transfers;
	*rank = (uint8_t)(n + 1);
	if (*port_full || free_slot != NULL)
		return *port_full ? NULL : free_slot;
	return victim != NULL && yields(victim, *rank) ? victim : NULL;
}

// Of a transfer that has ended.
static void end_emit(struct boot_responder *r, const struct transfer *t, enum boot_event_kind kind,
		     uint64_t now_ns)
{
	uint64_t bytes = t->acked * t->block_size;
	struct boot_event e = {
		.ns = now_ns,
		.port = t->port,
		.gen = t->gen,
		.kind = (uint8_t)kind,
		.bytes = bytes < t->size ? bytes : t->size,
		.repeats = t->repeats,
	};

	boot_event_send(r, &e, t->name);
}

// Another port's transfer makes room: its peer learns it by its next packet.
static void slot_take(struct boot_responder *r, const struct transfer *t, const struct boot_udp *u)
{
	if (t->active && t->port != u->client->port)
		end_emit(r, t, BOOT_EV_TFTP_FAILED, u->now_ns);
}

// Is the peer what its port is known to be? Admission lets nothing else pass from a port with an
// address of its own; behind another's DHCP server only the MAC is known.
static bool is_known(const struct boot_responder *r, const struct boot_udp *u)
{
	static const uint8_t none[4];
	const struct boot_client *c = u->client;

	if (memcmp(u->src_mac, c->mac, 6) != 0)
		return false;
	if (memcmp(c->ip, none, 4) != 0)
		return memcmp(u->src_ip, c->ip, 4) == 0;
	return c->mode != BOOT_AUTHORITATIVE || boot_client_at(r, c->service_ip, u->src_ip) == c;
}

// The answer to a request that was granted: the option acknowledgement, or the first block.
static void transfer_begin(struct boot_responder *r, struct transfer *t, const struct boot_udp *u)
{
	// The last block is shorter than the others, perhaps empty.
	t->n_blocks = t->size / t->block_size + 1;
	if (t->oack_size > 2) {
		t->oack_sent = true;
		oack_send(r, t);
		deadline_set(t, u->now_ns);
	} else {
		boot_event_emit(r, u->client, BOOT_EV_TFTP_START, t->name, u->now_ns);
		window_send(r, t, u->now_ns);
	}
}

static void request_refuse(struct boot_responder *r, const struct boot_udp *u, uint16_t code,
			   const char *text)
{
	r->n.tftp_refused++;
	error_send(r, u, 69, code, text);
}

// The name of a request to read, and where its options begin. returns NULL = it was refused
static const char *request_read(struct boot_responder *r, const struct boot_udp *u, size_t *at)
{
	const char *name, *mode;

	if (u->size < 2) {
		r->n.malformed++;
		return NULL;
	}
	if (boot_be16(u->data) != RRQ) {
		if (boot_be16(u->data) == ERROR)
			r->n.tftp_refused++;
		else
			request_refuse(r, u, ERR_ACCESS, "read requests only");
		return NULL;
	}
	*at = 2;
	name = string_take(u, at);
	mode = name == NULL ? NULL : string_take(u, at);
	if (mode != NULL && strcasecmp(mode, "octet") == 0)
		return name;
	request_refuse(r, u, ERR_ILLEGAL, "octet mode only");
	return NULL;
}

void boot_tftp_request(struct boot_responder *r, const struct boot_udp *u)
{
	struct transfer t = { .active = true,
			      .block_size = 512,
			      .window = 1,
			      .timeout_ms = TIMEOUT_MS,
			      .rx_bytes = (uint32_t)u->size + FRAME_BYTES },
			*slot;
	bool port_full = false;
	const char *name;
	size_t at;

	r->n.tftp_requests++;
	name = request_read(r, u, &at);
	if (name == NULL)
		return;
	if (!file_find(r, u->client, name, &t)) {
		boot_event_emit(r, u->client, BOOT_EV_TFTP_FAILED, name, u->now_ns);
		request_refuse(r, u, ERR_NOT_FOUND, "no such file for this VM");
		return;
	}
	options_take(&t, u, at);
	if (t.oack_size == 2 && !is_known(r, u)) {
		request_refuse(r, u, ERR_OPTION, "not your address: ask with options");
		return;
	}
	slot = slot_find(r, u, &t.rank, &port_full);
	if (slot == NULL) {
		// An error is final for firmware; when all slots are taken by others, its next try
		// may find one.
		if (port_full)
			request_refuse(r, u, ERR_UNDEFINED, "too many transfers");
		else
			r->n.tftp_refused++;
		return;
	}
	slot_take(r, slot, u);
	t.port = u->client->port;
	t.gen = u->client->gen;
	t.peer_port = u->sport;
	memcpy(t.peer_ip, u->src_ip, 4);
	memcpy(t.peer_mac, u->src_mac, 6);
	snprintf(t.name, sizeof(t.name), "%.127s", name);
	*slot = t;
	transfer_begin(r, slot, u);
}

// Nothing new is acknowledged.
static void ack_again(struct boot_responder *r, struct transfer *t, const struct boot_udp *u)
{
	if (t->window == 1 || t->resent || !t->heard)
		return;
	t->resent = true;
	t->repeats++;
	r->n.tftp_repeats++;
	window_send(r, t, u->now_ns);
}

static void ack_input(struct boot_responder *r, struct transfer *t, const struct boot_udp *u)
{
	uint16_t step = (uint16_t)(boot_be16(u->data + 2) - (uint16_t)t->acked);

	if (t->oack_sent && t->sent == 0) {
		if (boot_be16(u->data + 2) != 0)
			return;
		t->tries = 0;
		t->heard = true;
		boot_event_emit(r, u->client, BOOT_EV_TFTP_START, t->name, u->now_ns);
		window_send(r, t, u->now_ns);
		return;
	}
	if (step == 0)
		ack_again(r, t, u);
	if (step == 0 || step > t->sent - t->acked)
		return;
	t->acked += step;
	t->tries = 0;
	t->heard = true;
	t->resent = t->acked < t->sent; // the rest goes again now
	if (t->acked == t->n_blocks) {
		t->active = false;
		r->n.tftp_done++;
		end_emit(r, t, BOOT_EV_TFTP_DONE, u->now_ns);
		return;
	}
	window_send(r, t, u->now_ns);
}

void boot_tftp_transfer(struct boot_responder *r, const struct boot_udp *u)
{
	struct transfer *t = &r->transfers[u->dport - BOOT_TID_FIRST];

	if (u->size < 4)
		return;
	if (!t->active || t->port != u->client->port || t->gen != u->client->gen ||
	    t->peer_port != u->sport || memcmp(t->peer_ip, u->src_ip, 4) != 0) {
		if (boot_be16(u->data) != ERROR)
			error_send(r, u, u->dport, ERR_UNKNOWN_TID, "no such transfer");
		return;
	}
	if (boot_be16(u->data) == ACK)
		ack_input(r, t, u);
	else if (boot_be16(u->data) == ERROR)
		t->active = false; // firmware that only wanted the size says so
}

// The peer was not heard in time.
static void expire(struct boot_responder *r, struct transfer *t, uint64_t now_ns)
{
	const struct boot_client *c = boot_client_find(r, t->port, t->gen);

	if (c == NULL || t->tries++ == TRIES) {
		t->active = false;
		if (c != NULL)
			end_emit(r, t, BOOT_EV_TFTP_FAILED, now_ns);
	} else if (t->oack_sent && t->sent == 0) {
		oack_send(r, t);
		deadline_set(t, now_ns);
	} else if (!t->heard) {
		deadline_set(t, now_ns); // its own retry brings the block again
	} else {
		r->n.tftp_repeats++;
		t->repeats++;
		window_send(r, t, now_ns);
	}
}

void boot_tick(struct boot_responder *r, uint64_t now_ns)
{
	for (uint32_t n = 0; n < BOOT_TRANSFERS; n++) {
		struct transfer *t = &r->transfers[r->tick_at];

		if (t->active && now_ns >= t->deadline_ns) {
			// A thousand windows at once do not fit; those that do not come first next
			// time.
			if (r->out.fits != NULL && !r->out.fits(r->out.ctx, t->window))
				return;
			expire(r, t, now_ns);
		}
		r->tick_at = (r->tick_at + 1) % BOOT_TRANSFERS;
	}
}
