// DHCPv4, authoritative for the port (RFC 2131 section 4.3; boot options: recipe.c). An address is
// the client's own, or one of a pool (lease.c).
#include <stdio.h>
#include <string.h>

#include "dhcp_priv.h"

#define DECLINE_NS 600000000000ull // a declined address of a client's own is told of so often

static void lease_put(struct boot_reply *p, uint32_t lease_s)
{
	static const struct {
		uint8_t code, eighths;
	} times[] = { { 51, 8 }, { 58, 4 }, { 59, 7 } }; // T1 and T2: RFC 2131 section 4.4.5

	if (lease_s == 0)
		lease_s = BOOT_LEASE_INFINITE;
	for (size_t i = 0; i < 3; i++) {
		uint32_t s = lease_s == BOOT_LEASE_INFINITE
				     ? lease_s
				     : (uint32_t)((uint64_t)lease_s * times[i].eighths / 8);
		const uint8_t b[4] = { (uint8_t)(s >> 24), (uint8_t)(s >> 16), (uint8_t)(s >> 8),
				       (uint8_t)s };

		if (i == 0 || lease_s != BOOT_LEASE_INFINITE)
			boot_put(p, times[i].code, b, 4);
	}
}

static void answer(struct boot_responder *r, const struct boot_udp *u, const struct boot_request *q,
		   uint8_t type, const uint8_t ip[4])
{
	const struct boot_client *c = u->client;
	const struct boot_pool *pool = boot_pool_of(r, c);
	struct boot_recipe recipe;
	struct boot_reply p;

	boot_recipe_find(c, &q->asker, &recipe);
	if (type == DHCP_OFFER)
		boot_stage_round(r, u, q, &recipe);
	else
		boot_stage_apply(r, u, q, &recipe);
	boot_reply_begin(&p, q, c, type);
	if (q->type != DHCP_INFORM) {
		memcpy(p.b + 16, ip, 4); // yiaddr
		lease_put(&p, pool != NULL ? pool->lease_s : c->lease_s);
	}
	if (type == DHCP_ACK)
		memcpy(p.b + 12, boot_ciaddr(q), 4);
	boot_put_mask(&p, c);
	boot_recipe_put(&p, c, &q->asker, &recipe);
	if (q->uuid != NULL)
		boot_put(&p, 97, q->uuid, q->uuid_size);
	boot_put_network(&p, c);
	boot_reply_send(r, u, &p, ip, false);
}

static void refuse(struct boot_responder *r, const struct boot_udp *u, const struct boot_request *q)
{
	static const uint8_t nowhere[4];
	struct boot_reply p;

	// Carries option 54: clients ignore a NAK of an unknown server.
	boot_reply_begin(&p, q, u->client, DHCP_NAK);
	r->n.dhcp_naks++;
	boot_event_emit(r, u->client, BOOT_EV_NAK, "asked for an address that is not its own",
			u->now_ns);
	boot_reply_send(r, u, &p, nowhere, true);
}

// Somebody asks for an address. Who only renews one is up already.
static void asked(struct boot_responder *r, const struct boot_udp *u, const struct boot_request *q,
		  enum boot_event_kind kind)
{
	bool renews = !boot_is_zero(boot_ciaddr(q));
	struct boot_event e = {
		.ns = u->now_ns,
		.port = u->client->port,
		.gen = u->client->gen,
		.kind = (uint8_t)kind,
		.stage = renews			  ? BOOT_STAGE_NONE
			 : q->asker.who != WHO_OS ? BOOT_STAGE_FIRMWARE
						  : BOOT_STAGE_OS,
	};

	boot_event_send(r, &e, boot_who_name(q->asker.who));
}

static void discover_input(struct boot_responder *r, const struct boot_udp *u,
			   const struct boot_request *q)
{
	uint8_t ip[4];
	char text[16];

	r->n.dhcp_discovers++;
	asked(r, u, q, BOOT_EV_DISCOVER);
	if (!boot_lease_offer(r, u, ip)) {
		r->n.dhcp_no_address++;
		return;
	}
	r->n.dhcp_offers++;
	answer(r, u, q, DHCP_OFFER, ip);
	snprintf(text, sizeof(text), "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
	boot_event_emit(r, u->client, BOOT_EV_OFFER, text, u->now_ns);
}

// Its own, or of its pool and nobody else's: a lease that we have lost is no reason to refuse it.
static bool may_have(struct boot_responder *r, const struct boot_udp *u, const uint8_t ip[4])
{
	if (!boot_is_zero(u->client->ip))
		return memcmp(ip, u->client->ip, 4) == 0;
	return boot_lease_bind(r, u, ip);
}

// RFC 2131 4.3.2: selecting, init-reboot, renewing, rebinding.
static void request_input(struct boot_responder *r, const struct boot_udp *u,
			  const struct boot_request *q)
{
	const uint8_t *ip = q->wanted_ip != NULL ? q->wanted_ip : boot_ciaddr(q);

	if (q->server_id != NULL && memcmp(q->server_id, u->client->service_ip, 4) != 0) {
		boot_lease_unreserve(r, u->client);
		r->n.dhcp_ignored++; // another server was chosen
		return;
	}
	if (boot_is_zero(ip)) {
		r->n.dhcp_ignored++; // asks for nothing
		return;
	}
	if (!may_have(r, u, ip)) {
		refuse(r, u, q);
		return;
	}
	r->n.dhcp_acks++;
	asked(r, u, q, BOOT_EV_ACK);
	answer(r, u, q, DHCP_ACK, ip);
	if (boot_who_is_ipxe(q->asker.who))
		boot_no_router_send(r, u->client);
}

// A client's own address stays its own whoever else claims it: there is no other to give, and the
// port is where it belongs. The operator is told, who must find the other machine; every ten
// minutes, since such a client asks again at once.
static void decline_input(struct boot_responder *r, const struct boot_udp *u,
			  const struct boot_request *q)
{
	struct boot_seen *s = boot_seen_of(r, u->client);

	r->n.dhcp_declines++;
	if (q->wanted_ip == NULL ||
	    (q->server_id != NULL && memcmp(q->server_id, u->client->service_ip, 4) != 0))
		return;
	if (boot_is_zero(u->client->ip)) {
		boot_lease_decline(r, u, q->wanted_ip);
		return;
	}
	if (memcmp(q->wanted_ip, u->client->ip, 4) != 0)
		return;
	if (s != NULL && s->declined_ns != 0 && u->now_ns - s->declined_ns < DECLINE_NS)
		return;
	if (s != NULL)
		s->declined_ns = u->now_ns;
	boot_event_emit(r, u->client, BOOT_EV_DECLINE,
			"another machine uses the address; it stays this one's", u->now_ns);
}

static void release_input(struct boot_responder *r, const struct boot_udp *u,
			  const struct boot_request *q)
{
	r->n.dhcp_releases++;
	if (boot_is_zero(u->client->ip))
		boot_lease_release(r, u, boot_ciaddr(q));
	boot_event_emit(r, u->client, BOOT_EV_RELEASE, "", u->now_ns);
}

static void authoritative_input(struct boot_responder *r, const struct boot_udp *u,
				const struct boot_request *q)
{
	switch (q->type) {
	case DHCP_DISCOVER:
		discover_input(r, u, q);
		break;
	case DHCP_REQUEST:
		request_input(r, u, q);
		break;
	case DHCP_INFORM:
		r->n.dhcp_informs++;
		r->n.dhcp_acks++;
		answer(r, u, q, DHCP_ACK, u->src_ip); // where ciaddr is left out
		break;
	case DHCP_DECLINE:
		decline_input(r, u, q);
		break;
	case DHCP_RELEASE:
		release_input(r, u, q);
		break;
	default:
		r->n.dhcp_ignored++;
	}
}

void boot_dhcp(struct boot_responder *r, const struct boot_udp *u)
{
	const struct boot_client *c = u->client;
	struct boot_request q;

	if (!boot_request_read(&q, u)) {
		r->n.malformed++;
		return;
	}
	// A relay's address (giaddr) is a forgery here: guests are no relays.
	if (c->mode == BOOT_OFF || memcmp(q.bootp + 28, c->mac, 6) != 0 ||
	    !boot_is_zero(q.bootp + 24))
		r->n.dhcp_ignored++;
	else if (c->mode == BOOT_PROXY)
		boot_proxy_input(r, u, &q);
	else if (boot_is_zero(c->ip) && boot_pool_of(r, c) == NULL)
		r->n.dhcp_ignored++;
	else
		authoritative_input(r, u, &q);
}
