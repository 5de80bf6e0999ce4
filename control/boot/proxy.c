// Beside another DHCP server: ProxyDHCP offers, and the boot service on UDP 4011 (PXE 2.1, sections
// 2.2 and 2.4), which firmware also asks where option 60 without 43 sent it.
//
// An offer carries option 60 without 43: older UEFI never kept a proxy offer that had both, and
// asks on 4011 when there is but one. Loaders that take the server from the other one's answer
// (shim, GRUB) do not boot this way; that is in the nature of a proxy.
#include <string.h>

#include "dhcp_priv.h"

static void proxy_begin(struct boot_reply *p, const struct boot_udp *u,
			const struct boot_request *q, uint8_t type)
{
	boot_reply_begin(p, q, u->client, type);
	boot_put_text(p, 60, q->asker.http ? "HTTPClient" : "PXEClient");
	if (q->uuid != NULL)
		boot_put(p, 97, q->uuid, q->uuid_size);
}

static void proxy_event(struct boot_responder *r, const struct boot_udp *u,
			const struct boot_request *q, enum boot_event_kind kind)
{
	struct boot_event e = { .ns = u->now_ns,
				.port = u->client->port,
				.gen = u->client->gen,
				.kind = (uint8_t)kind,
				.stage = q->asker.who == WHO_OS ? BOOT_STAGE_OS
								: BOOT_STAGE_FIRMWARE };

	boot_event_send(r, &e, boot_who_name(q->asker.who));
}

void boot_proxy_input(struct boot_responder *r, const struct boot_udp *u,
		      const struct boot_request *q)
{
	static const uint8_t anywhere[4] = { 255, 255, 255, 255 };
	struct boot_recipe recipe;
	struct boot_reply p;

	if (q->type != DHCP_DISCOVER) {
		r->n.dhcp_ignored++; // the other server's
		return;
	}
	r->n.dhcp_discovers++;
	proxy_event(r, u, q, BOOT_EV_DISCOVER);
	boot_recipe_find(u->client, &q->asker, &recipe);
	recipe.proxy = true;
	boot_stage_round(r, u, q, &recipe);
	if (q->asker.who == WHO_OS || recipe.row == NULL)
		return;
	proxy_begin(&p, u, q, DHCP_OFFER);
	boot_recipe_put(&p, u->client, &q->asker, &recipe);
	r->n.pxe_offers++;
	boot_event_emit(r, u->client, BOOT_EV_PROXY, boot_who_name(q->asker.who), u->now_ns);
	// Where the client will be, only the other server knows.
	boot_reply_send(r, u, &p, anywhere, true);
}

// To where the question came from: UEFI asks from port 4011 and listens there, iPXE from 68.
static void answer_send(struct boot_responder *r, const struct boot_udp *u, struct boot_reply *p)
{
	struct boot_dst to = { .sport = 4011, .dport = u->sport };

	boot_reply_end(p);
	memcpy(to.mac, u->client->mac, 6);
	memset(to.ip, 0xff, 4);
	if (!boot_is_zero(u->src_ip))
		memcpy(to.ip, u->src_ip, 4);
	boot_udp_send(r, u->client, &to, p->b, p->at);
}

void boot_pxe(struct boot_responder *r, const struct boot_udp *u)
{
	const struct boot_client *c = u->client;
	struct boot_recipe recipe;
	struct boot_request q;
	struct boot_reply p;

	if (!boot_request_read(&q, u)) {
		r->n.malformed++;
		return;
	}
	if (c->mode == BOOT_OFF || memcmp(q.bootp + 28, c->mac, 6) != 0 ||
	    (q.type != DHCP_REQUEST && q.type != DHCP_INFORM && q.type != DHCP_DISCOVER) ||
	    (q.server_id != NULL && memcmp(q.server_id, c->service_ip, 4) != 0)) {
		r->n.dhcp_ignored++;
		return;
	}
	boot_recipe_find(c, &q.asker, &recipe);
	recipe.proxy = true;
	boot_stage_apply(r, u, &q, &recipe);
	if (q.asker.who == WHO_OS || recipe.row == NULL) {
		r->n.dhcp_ignored++;
		return;
	}
	proxy_begin(&p, u, &q, DHCP_ACK);
	memcpy(p.b + 12, boot_ciaddr(&q), 4);
	boot_recipe_put(&p, c, &q.asker, &recipe);
	r->n.pxe_answers++;
	boot_event_emit(r, c, BOOT_EV_PROXY, boot_who_name(q.asker.who), u->now_ns);
	answer_send(r, u, &p);
}
