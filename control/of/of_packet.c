// Packet-out and packet-in: OpenFlow 1.3.5 sections 7.3.7 and 7.4.1. There are no buffers.
#include "of_ops.h"

#include <rte_mbuf.h>
#include <string.h>

#include "dp_parse.h"

static int bad(struct of_wire_error *e, uint16_t code)
{
	return of_refuse(e, OF13_ERROR_BAD_REQUEST, code);
}

enum { ETH_HEAD = 14 };

static int check(struct of_agent *a, const struct of13_packet_out *m, struct of_wire_error *e)
{
	if (m->buffer_id != OF_NO_BUFFER)
		return bad(e, OF13_BAD_REQUEST_BUFFER_UNKNOWN);
	if (m->in_port != DP_OFPP_CONTROLLER && of_port_find(a, m->in_port) == NULL)
		return bad(e, OF13_BAD_REQUEST_BAD_PORT);
	if (m->data.size < ETH_HEAD)
		return bad(e, OF13_BAD_REQUEST_BAD_PACKET);
	return 0;
}

// What is known of the frame is the frame.
static void know_frame(struct of_compile *c, const struct of13_packet_out *m)
{
	struct dp_parse p;

	dp_parse(m->data.at, m->data.size, m->data.size, &p);
	dp_flow_key_make(m->data.at, m->data.size, &p, m->in_port, &c->key);
	memset(&c->mask, 0xff, sizeof(c->mask));
}

int of_packet_out(struct of_agent *a, const struct of13_packet_out *m, struct of_wire_error *e)
{
	struct of_compile *c = of_scratch(a);
	int rc;

	if (check(a, m, e) != 0)
		return -EINVAL;
	c->a = a;
	c->e = e;
	c->packet_out = true;
	c->anything = false;
	c->in_group = OF_ANY;
	c->size = 0;
	know_frame(c, m);
	if (of_compile_actions(c, m->actions, false) != 0)
		return -EINVAL;
	of_publish(a); // what was said before holds for this frame
	rc = dp_of_packet_out(a->p.of, m->in_port, c->prog.ops, c->size, m->data.at, m->data.size);
	a->at_once |= rc == 0;
	if (rc == -EAGAIN) // as any frame that finds no room: counted, no error of the message
		a->n_outs_dropped++;
	return rc == 0 || rc == -EAGAIN ? 0 : bad(e, OF13_BAD_REQUEST_BAD_PACKET);
}

// What a controller is told of the flow that a packet-in names; UINT64_MAX = none.
static uint64_t cookie_of(const struct dp_of_flow *f)
{
	const struct of_flow *r = f == NULL ? NULL : dp_of_flow_user(f);

	return r == NULL ? UINT64_MAX : r->cookie;
}

static void build_match(struct of_buf *b, const struct dp_of_packet_in *p)
{
	of13_oxm_put_number(b, OF13_OXM_IN_PORT, p->in_port, UINT64_MAX);
	if (p->metadata != 0)
		of13_oxm_put_number(b, OF13_OXM_METADATA, p->metadata, UINT64_MAX);
	if (p->tunnel_id != 0)
		of13_oxm_put_number(b, OF13_OXM_TUNNEL_ID, p->tunnel_id, UINT64_MAX);
}

void of_packet_in_build(struct of_buf *b, const struct dp_of_packet_in *p, uint8_t version,
			uint32_t xid)
{
	static uint8_t bytes[UINT16_MAX]; // main is one thread
	struct of_buf match = { 0 };
	struct of13_packet_in m = { .version = version,
				    .xid = xid,
				    .buffer_id = OF_NO_BUFFER,
				    .total_len = p->size,
				    .reason = p->reason,
				    .table_id = p->table,
				    .cookie = cookie_of(p->flow) };
	uint32_t n = rte_pktmbuf_pkt_len(p->m);
	uint32_t room = OF_MSG_MAX - 128;

	if (n > p->max_len)
		n = p->max_len;
	if (n > room)
		n = room;
	build_match(&match, p);
	m.match = of_buf_list(&match);
	m.data = (struct of_list){ rte_pktmbuf_read(p->m, 0, n, bytes), n };
	of13_packet_in_put(b, &m);
	b->failed |= match.failed;
	of_buf_fini(&match);
}
