// Roles of controllers and who gets which asynchronous message: OpenFlow 1.3.5
// sections 6.3.5, 6.3.6 and 7.3.9, 7.3.10.
#include <stdio.h>
#include <string.h>

#include "of_conn_priv.h"

#define ALL_REASONS 0xffffffffu
#define DEFAULT_PACKET_INS                                                                         \
	(1u << OF13_PACKET_IN_REASON_NO_MATCH | 1u << OF13_PACKET_IN_REASON_ACTION |               \
	 1u << OF13_PACKET_IN_REASON_ACTION_SET | 1u << OF13_PACKET_IN_REASON_GROUP |              \
	 1u << OF13_PACKET_IN_REASON_PACKET_OUT)

// A slave hears of ports, and of its own role.
static void masks_default(struct of_conn *c)
{
	memset(c->masks, 0, sizeof(c->masks));
	c->masks[OF_ASYNC_PACKET_IN][0] = DEFAULT_PACKET_INS;
	c->masks[OF_ASYNC_PORT_STATUS][0] = c->masks[OF_ASYNC_PORT_STATUS][1] = ALL_REASONS;
	c->masks[OF_ASYNC_FLOW_REMOVED][0] = ALL_REASONS;
	c->masks[OF_ASYNC_ROLE_STATUS][0] = c->masks[OF_ASYNC_ROLE_STATUS][1] = ALL_REASONS;
}

void of_masks_init(struct of_conn *c)
{
	if (c->p.service)
		memset(c->masks, 0, sizeof(c->masks));
	else
		masks_default(c);
}

// --- Roles

// Messages that are not read by a master or equal alone: those of section 6.3.5, and bundles.
bool of_message_writes(const uint8_t *msg, size_t size)
{
	switch (msg[1]) {
	case OF13_TYPE_PACKET_OUT:
	case OF13_TYPE_FLOW_MOD:
	case OF13_TYPE_GROUP_MOD:
	case OF13_TYPE_PORT_MOD:
	case OF13_TYPE_TABLE_MOD:
	case OF13_TYPE_METER_MOD:
	case OF13_TYPE_BUNDLE_CONTROL:
	case OF13_TYPE_BUNDLE_ADD:
		return true;
	case OF13_TYPE_EXPERIMENTER: // bundles of 1.3
		return size >= 16 && of_be32(msg + 8) == OF_ONF;
	case OF13_TYPE_MULTIPART_REQUEST:
		return size > 16 && of_be16(msg + 8) == OF13_MULTIPART_TABLE_FEATURES;
	default:
		return false;
	}
}

static uint64_t generation(const struct of_agent *a)
{
	return a->has_generation ? a->generation_id : UINT64_MAX;
}

static void role_tell(struct of_conn *c)
{
	const struct of13_role_status m = {
		.version = 5,
		.role = c->info.role,
		.reason = OF13_ROLE_REASON_MASTER_REQUEST,
		.generation_id = generation(c->agent),
	};
	struct of_buf b = { 0 };
	uint32_t mask = c->masks[OF_ASYNC_ROLE_STATUS][c->info.role == OF13_ROLE_SLAVE];

	if (c->info.version < 5 || (mask & 1u << m.reason) == 0)
		return;
	(void)of13_role_status_put(&b, &m);
	of_conn_send(c, &b);
	of_buf_fini(&b);
}

// There is one master.
static void others_demote(struct of_conn *c)
{
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		struct of_conn *o = c->agent->conns[i];

		if (o == NULL || o == c || o->info.role != OF13_ROLE_MASTER)
			continue;
		o->info.role = OF13_ROLE_SLAVE;
		role_tell(o);
	}
}

// returns false with *e: refused
static bool role_set(struct of_conn *c, const struct of13_role_request *m, struct of_wire_error *e)
{
	struct of_agent *a = c->agent;

	*e = (struct of_wire_error){ OF13_ERROR_ROLE_REQUEST_FAILED,
				     OF13_ROLE_REQUEST_FAILED_BAD_ROLE };
	if (m->role > OF13_ROLE_SLAVE)
		return false;
	if (m->role == OF13_ROLE_MASTER || m->role == OF13_ROLE_SLAVE) {
		// The distance of two generations is a signed number: they wrap around.
		if (a->has_generation && (int64_t)(m->generation_id - a->generation_id) < 0) {
			e->code = OF13_ROLE_REQUEST_FAILED_STALE;
			return false;
		}
		a->has_generation = true;
		a->generation_id = m->generation_id;
	}
	if (m->role != OF13_ROLE_NOCHANGE)
		c->info.role = (uint8_t)m->role;
	if (m->role == OF13_ROLE_MASTER)
		others_demote(c);
	return true;
}

static void role_request(struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct of13_role_request m;
	struct of13_role_reply r = { .version = c->info.version };
	struct of_wire_error e;
	struct of_buf b = { 0 };

	if (of13_role_request_get(msg, size, &m, &e) < 0 || !role_set(c, &m, &e)) {
		of_conn_error(c, msg, size, e);
		return;
	}
	r.xid = m.xid;
	r.role = c->info.role;
	r.generation_id = generation(c->agent);
	(void)of13_role_reply_put(&b, &r);
	of_conn_send(c, &b);
	of_buf_fini(&b);
}

// --- Asynchronous messages

static void get_async(struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct of13_get_async_reply r = { .version = c->info.version };
	struct of13_get_async_request m;
	struct of_wire_error e;
	struct of_buf b = { 0 };

	if (of13_get_async_request_get(msg, size, &m, &e) < 0) {
		of_conn_error(c, msg, size, e);
		return;
	}
	r.xid = m.xid;
	memcpy(r.packet_in_mask, c->masks[OF_ASYNC_PACKET_IN], sizeof(r.packet_in_mask));
	memcpy(r.port_status_mask, c->masks[OF_ASYNC_PORT_STATUS], sizeof(r.port_status_mask));
	memcpy(r.flow_removed_mask, c->masks[OF_ASYNC_FLOW_REMOVED], sizeof(r.flow_removed_mask));
	(void)of13_get_async_reply_put(&b, &r);
	of_conn_send(c, &b);
	of_buf_fini(&b);
}

// Types of properties: the kinds in order, for each as slave and then as master.
static void get_async14(struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct of13_get_async_reply14 r = { .version = c->info.version };
	struct of13_get_async_request14 m;
	struct of_wire_error e;
	struct of_buf b = { 0 }, props = { 0 };

	if (of13_get_async_request14_get(msg, size, &m, &e) < 0) {
		of_conn_error(c, msg, size, e);
		return;
	}
	for (uint16_t type = 0; type < 2 * OF_ASYNC_KINDS; type++) {
		const struct of13_async_prop p = { type, c->masks[type / 2][type % 2 == 0] };

		(void)of13_async_prop_put(&props, &p);
	}
	r.xid = m.xid;
	r.properties = of_buf_list(&props);
	b.failed = props.failed;
	(void)of13_get_async_reply14_put(&b, &r);
	of_conn_send(c, &b);
	of_buf_fini(&b);
	of_buf_fini(&props);
}

static void set_async(struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct of13_set_async m;
	struct of_wire_error e;

	if (of13_set_async_get(msg, size, &m, &e) < 0) {
		of_conn_error(c, msg, size, e);
		return;
	}
	memcpy(c->masks[OF_ASYNC_PACKET_IN], m.packet_in_mask, sizeof(m.packet_in_mask));
	memcpy(c->masks[OF_ASYNC_PORT_STATUS], m.port_status_mask, sizeof(m.port_status_mask));
	memcpy(c->masks[OF_ASYNC_FLOW_REMOVED], m.flow_removed_mask, sizeof(m.flow_removed_mask));
}

// All or nothing; what is not named stays (OpenFlow 1.4.0 section 7.3.10).
static void set_async14(struct of_conn *c, const uint8_t *msg, size_t size)
{
	uint32_t masks[OF_ASYNC_KINDS][2];
	struct of13_set_async14 m;
	struct of_wire_error e;

	if (of13_set_async14_get(msg, size, &m, &e) < 0) {
		of_conn_error(c, msg, size, e);
		return;
	}
	memcpy(masks, c->masks, sizeof(masks));
	for (struct of13_async_prop p; of13_async_prop_next(&m.properties, &p);) {
		if (p.type >= 2 * OF_ASYNC_KINDS) {
			e = (struct of_wire_error){ OF13_ERROR_ASYNC_CONFIG_FAILED,
						    OF13_ASYNC_CONFIG_FAILED_UNSUPPORTED };
			of_conn_error(c, msg, size, e);
			return;
		}
		masks[p.type / 2][p.type % 2 == 0] = p.mask;
	}
	memcpy(c->masks, masks, sizeof(masks));
}

// A service connection that wants bytes of missed frames, as `ovs-ofctl monitor` does by
// set-config, asks for asynchronous messages by that.
static void config_look(struct of_conn *c, const uint8_t *msg, size_t size)
{
	if (c->p.service && size >= 12 && of_be16(msg + 10) != 0)
		masks_default(c);
}

bool of_role_handle(struct of_conn *c, const uint8_t *msg, size_t size)
{
	bool is14 = c->info.version >= 5;

	switch (msg[1]) {
	case OF13_TYPE_ROLE_REQUEST:
		role_request(c, msg, size);
		return true;
	case OF13_TYPE_GET_ASYNC_REQUEST:
		(is14 ? get_async14 : get_async)(c, msg, size);
		return true;
	case OF13_TYPE_SET_ASYNC:
		(is14 ? set_async14 : set_async)(c, msg, size);
		return true;
	case OF13_TYPE_SET_CONFIG:
		config_look(c, msg, size);
		return false;
	default:
		return false;
	}
}

static bool wants(const struct of_conn *c, enum of_async kind, uint8_t reason)
{
	return c != NULL && c->info.up && !c->over && reason < 32 &&
	       (c->masks[kind][c->info.role == OF13_ROLE_SLAVE] & 1u << reason) != 0;
}

void of_async_send(struct of_agent *a, enum of_async kind, uint8_t reason, of_async_build *build,
		   void *arg)
{
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		struct of_conn *c = a->conns[i];
		struct of_buf b = { 0 };

		if (!wants(c, kind, reason))
			continue;
		build(&b, c->info.version, 0, arg);
		of_conn_send(c, &b);
		of_buf_fini(&b);
	}
}

void of_async_packet_in(struct of_agent *a, const struct dp_of_packet_in *p)
{
	static const uint8_t reasons[] = { [DP_OF_NO_MATCH] = OF13_PACKET_IN_REASON_NO_MATCH,
					   [DP_OF_ACTION] = OF13_PACKET_IN_REASON_ACTION,
					   [DP_OF_INVALID_TTL] =
						   OF13_PACKET_IN_REASON_INVALID_TTL };

	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		struct of_conn *c = a->conns[i];
		struct of_buf b = { 0 };
		uint32_t n;

		if (!wants(c, OF_ASYNC_PACKET_IN, reasons[p->reason % 3]))
			continue;
		of_packet_in_build(&b, p, c->info.version, 0);
		n = b.failed || b.size < OF_HEADER
			    ? 1
			    : of_out_pin(&c->out, p->in_port, b.data, b.size);
		c->info.n_packet_ins++;
		c->info.n_packet_ins_dropped += n;
		of_buf_fini(&b);
	}
}
