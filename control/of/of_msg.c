// Which message goes where, and the small ones.
#include "of_ops.h"

#include "dp_qos_info.h"
#include "dp_switch.h"

#include <stdlib.h>

static int bad(struct of_wire_error *e, uint16_t code)
{
	return of_refuse(e, OF13_ERROR_BAD_REQUEST, code);
}

// The codec returns errors of its own; here there is one for all.
#define GET(kind) of13_##kind##_get(r->msg, r->size, &m, r->e)

struct request {
	struct of_agent *a;
	struct of_conn *c;
	const uint8_t *msg;
	size_t size;
	struct of_wire_error *e;
};

static void answer(struct of_conn *c, struct of_buf *b)
{
	of_conn_send(c, b);
	of_buf_fini(b);
}

// --- Changes

static int port_mod14(struct of_agent *a, const struct of13_port_mod14 *m, bool check_only,
		      struct of_wire_error *e)
{
	struct of13_port_mod old = { .port_no = m->port_no, .config = m->config, .mask = m->mask };
	struct of_list l = m->properties;
	struct of13_port_mod_prop p;

	for (size_t i = 0; i < sizeof(old.hw_addr); i++)
		old.hw_addr[i] = m->hw_addr[i];
	while (of13_port_mod_prop_next(&l, &p))
		old.advertise |= p.ethernet.advertise;
	return of_port_mod(a, &old, check_only, e);
}

static int port_mod(const struct request *r, int kind, enum of_change_how how)
{
	bool check_only = how != OF_CHANGE_PORTS;

	if (kind == OF13_MSG_PORT_MOD) {
		struct of13_port_mod m;

		if (GET(port_mod) != 0)
			return -EINVAL;
		return how == OF_CHANGE_CHECK ? 0 : of_port_mod(r->a, &m, check_only, r->e);
	} else {
		struct of13_port_mod14 m;

		if (GET(port_mod14) != 0)
			return -EINVAL;
		return how == OF_CHANGE_CHECK ? 0 : port_mod14(r->a, &m, check_only, r->e);
	}
}

static int flow_mod(const struct request *r, enum of_change_how how)
{
	struct of13_flow_mod m;

	if (GET(flow_mod) != 0)
		return -EINVAL;
	return how == OF_CHANGE_STAGED ? of_flow_mod(r->a, &m, r->e) : 0;
}

static int group_mod(const struct request *r, enum of_change_how how)
{
	struct of13_group_mod m;

	if (GET(group_mod) != 0)
		return -EINVAL;
	return how == OF_CHANGE_STAGED ? of_group_mod(r->a, &m, r->e) : 0;
}

static int meter_mod(const struct request *r)
{
	struct of13_meter_mod m;

	return GET(meter_mod) != 0 ? -EINVAL : of_meter_mod(r->a, &m, r->e);
}

int of_msg_change(struct of_agent *a, const uint8_t *msg, size_t size, enum of_change_how how,
		  struct of_wire_error *e)
{
	struct request r = { .a = a, .msg = msg, .size = size, .e = e };
	int kind = of13_identify(msg, size, e);

	switch (kind) {
	case OF13_MSG_FLOW_MOD:
		return flow_mod(&r, how);
	case OF13_MSG_GROUP_MOD:
		return group_mod(&r, how);
	case OF13_MSG_PORT_MOD:
	case OF13_MSG_PORT_MOD14:
		return port_mod(&r, kind, how);
	case OF13_MSG_METER_MOD: // bundles have none
		if (how == OF_CHANGE_STAGED)
			return meter_mod(&r);
		break;
	default:
		break;
	}
	return kind < 0 ? -EINVAL
			: of_refuse(e, OF13_ERROR_BUNDLE_FAILED, OF13_BUNDLE_FAILED_MSG_UNSUP);
}

// All there is to configure is what no longer means anything (section 7.3.4.1).
static int table_mod(const struct request *r)
{
	struct of13_table_mod m;

	if (GET(table_mod) != 0)
		return -EINVAL;
	if (m.table_id >= DP_FLOW_TABLES && m.table_id != OF_ALL_TABLES)
		return of_refuse(r->e, OF13_ERROR_TABLE_MOD_FAILED,
				 OF13_TABLE_MOD_FAILED_BAD_TABLE);
	if ((m.config & ~(uint32_t)OF13_TABLE_CONFIG_DEPRECATED_MASK) != 0)
		return of_refuse(r->e, OF13_ERROR_TABLE_MOD_FAILED,
				 OF13_TABLE_MOD_FAILED_BAD_CONFIG);
	return 0;
}

static int packet_out(const struct request *r)
{
	struct of13_packet_out m;

	return GET(packet_out) != 0 ? -EINVAL : of_packet_out(r->a, &m, r->e);
}

static int bundle(const struct request *r, int kind)
{
	if (kind == OF13_MSG_BUNDLE_CONTROL) {
		struct of13_bundle_control m;

		return GET(bundle_control) != 0 ? -EINVAL : of_bundle_control(r->a, r->c, &m, r->e);
	} else {
		struct of13_bundle_add m;

		return GET(bundle_add) != 0 ? -EINVAL : of_bundle_add(r->a, r->c, &m, r->e);
	}
}

// --- Questions

static int features(const struct request *r)
{
	struct of13_features_request m;
	struct of13_features_reply f = { .datapath_id = r->a->p.datapath_id,
					 .n_tables = DP_FLOW_TABLES };
	struct of_buf b = { 0 };

	if (GET(features_request) != 0)
		return -EINVAL;
	f.version = m.version;
	f.xid = m.xid;
	f.capabilities = OF13_CAPABILITY_FLOW_STATS | OF13_CAPABILITY_TABLE_STATS |
			 OF13_CAPABILITY_PORT_STATS | OF13_CAPABILITY_GROUP_STATS |
			 OF13_CAPABILITY_QUEUE_STATS;
	of13_features_reply_put(&b, &f);
	answer(r->c, &b);
	return 0;
}

static int get_config(const struct request *r)
{
	struct of13_get_config_request m;
	struct of13_get_config_reply f = { .miss_send_len = r->a->miss_send_len };
	struct of_buf b = { 0 };

	if (GET(get_config_request) != 0)
		return -EINVAL;
	if (dp_of_drops_fragments(r->a->p.of))
		f.flags = OF13_CONFIG_FRAG_DROP;
	f.version = m.version;
	f.xid = m.xid;
	of13_get_config_reply_put(&b, &f);
	answer(r->c, &b);
	return 0;
}

static int set_config(const struct request *r)
{
	struct of13_set_config m;

	if (GET(set_config) != 0)
		return -EINVAL;
	// Fragments are not put together, and nobody was told that they would be.
	if (m.flags != OF13_CONFIG_FRAG_NORMAL && m.flags != OF13_CONFIG_FRAG_DROP)
		return of_refuse(r->e, OF13_ERROR_SWITCH_CONFIG_FAILED,
				 OF13_SWITCH_CONFIG_FAILED_BAD_FLAGS);
	// A slave only reads (section 6.3.6); but each controller says this when it comes, so it is
	// no error.
	if (!of_conn_is_slave(r->c)) {
		dp_of_drop_fragments(r->a->p.of, m.flags == OF13_CONFIG_FRAG_DROP);
		r->a->at_once = true;
	}
	r->a->miss_send_len = m.miss_send_len;
	return 0;
}

static int multipart(const struct request *r)
{
	struct of13_multipart_request m;

	return GET(multipart_request) != 0 ? -EINVAL : of_stats_request(r->a, r->c, &m, r->e);
}

// Of the link's rate, in 1/10 %; 0xffff = none (section 7.2.2).
static uint16_t per_mille(uint64_t bits_per_s, uint64_t of)
{
	return bits_per_s == 0 || of == 0 || bits_per_s > of ? UINT16_MAX
							     : (uint16_t)(bits_per_s * 1000 / of);
}

static void put_queue(const struct of_agent *a, struct of_buf *b, const struct of_port *p,
		      uint32_t queue)
{
	const struct qos_node_params *n = &dp_switch_qos_classes(a->p.sw)[queue].sched.node;
	struct of13_queue_prop min = { .type = OF13_QUEUE_PROP_MIN_RATE };
	struct of13_queue_prop max = { .type = OF13_QUEUE_PROP_MAX_RATE };
	struct of13_packet_queue q = { .queue_id = queue, .port = p->no };
	struct of_buf props = { 0 };

	min.min_rate.rate = per_mille(n->reservation_bits_per_s, p->rate_bits_per_s);
	max.max_rate.rate = per_mille(n->limit_bits_per_s, p->rate_bits_per_s);
	of13_queue_prop_put(&props, &min);
	of13_queue_prop_put(&props, &max);
	q.properties = of_buf_list(&props);
	of13_packet_queue_put(b, &q);
	b->failed |= props.failed;
	of_buf_fini(&props);
}

static int queue_config(const struct request *r)
{
	struct of13_queue_get_config_request m;
	struct of13_queue_get_config_reply f = { 0 };
	struct of_buf queues = { .max = OF_MSG_MAX - 64 }, b = { 0 };
	struct of_port *p;
	bool all;

	if (GET(queue_get_config_request) != 0)
		return -EINVAL;
	all = m.port == OF_ANY;
	if (!all && of_port_find(r->a, m.port) == NULL)
		return of_refuse(r->e, OF13_ERROR_QUEUE_OP_FAILED, OF13_QUEUE_OP_FAILED_BAD_PORT);
	p = of_port_from(r->a, all ? 0 : m.port);
	for (; p != NULL && !queues.failed; p = all ? of_port_from(r->a, p->no + 1) : NULL) {
		for (uint32_t q = 0; q < QOS_N_CLASSES; q++)
			put_queue(r->a, &queues, p, q);
	}
	f.version = m.version;
	f.xid = m.xid;
	f.port = m.port;
	f.queues = of_buf_list(&queues);
	if (!queues.failed) {
		of13_queue_get_config_reply_put(&b, &f);
		answer(r->c, &b);
	}
	of_buf_fini(&queues);
	// More ports than one message holds, and this message has one part only.
	return queues.failed
		       ? of_refuse(r->e, OF13_ERROR_QUEUE_OP_FAILED, OF13_QUEUE_OP_FAILED_EPERM)
		       : 0;
}

static int experimenter(const struct request *r)
{
	struct of13_experimenter m;

	if (GET(experimenter) != 0)
		return -EINVAL;
	return bad(r->e, m.experimenter == OF13_ONF_EXPERIMENTER
				 ? OF13_BAD_REQUEST_BAD_EXP_TYPE
				 : OF13_BAD_REQUEST_BAD_EXPERIMENTER);
}

// --- All of them

// The transaction of that message is over, or failed (rc). returns 0 or -EINVAL
static int changed(const struct request *r, int rc)
{
	struct of_wire_error e; // what was decoded once is no error now

	if (rc == 0 && r->msg[1] == OF13_TYPE_METER_MOD) {
		struct of13_meter_mod m;

		if (of13_meter_mod_get(r->msg, r->size, &m, &e) == 0 &&
		    m.command == OF13_METER_MOD_COMMAND_DELETE)
			of_meter_remove(r->a, m.meter_id);
	} else if (of13_identify(r->msg, r->size, &e) == OF13_MSG_BUNDLE_CONTROL) {
		struct of13_bundle_control m;

		if (of13_bundle_control_get(r->msg, r->size, &m, &e) == 0)
			return of_bundle_committed(r->a, r->c, &m, rc, r->e);
	}
	return rc;
}

static int handle(const struct request *r)
{
	int rc, kind = of13_identify(r->msg, r->size, r->e);

	switch (kind) {
	case OF13_MSG_FLOW_MOD:
	case OF13_MSG_GROUP_MOD:
	case OF13_MSG_METER_MOD:
		rc = of_txn_begin(r->a, r->msg, r->size, false);
		return rc == OF_MORE ? rc : changed(r, rc);
	case OF13_MSG_PORT_MOD:
	case OF13_MSG_PORT_MOD14:
		return port_mod(r, kind, OF_CHANGE_PORTS);
	case OF13_MSG_TABLE_MOD:
		return table_mod(r);
	case OF13_MSG_PACKET_OUT:
		return packet_out(r);
	case OF13_MSG_BUNDLE_CONTROL:
	case OF13_MSG_BUNDLE_ADD:
		return bundle(r, kind);
	case OF13_MSG_FEATURES_REQUEST:
		return features(r);
	case OF13_MSG_GET_CONFIG_REQUEST:
		return get_config(r);
	case OF13_MSG_SET_CONFIG:
		return set_config(r);
	case OF13_MSG_MULTIPART_REQUEST:
		return multipart(r);
	case OF13_MSG_QUEUE_GET_CONFIG_REQUEST:
		return queue_config(r);
	case OF13_MSG_EXPERIMENTER:
		return experimenter(r);
	default: // what only switches say, or nobody
		return kind < 0 ? -EINVAL : bad(r->e, OF13_BAD_REQUEST_BAD_TYPE);
	}
}

void of_msg_handle(struct of_agent *a, struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct request r = { a, c, msg, size, &a->txn.e };
	int rc;

	of_slice_begin(a);
	rc = handle(&r);
	if (rc == OF_MORE && of_txn_keep(a, c, msg, size))
		return;
	if (rc == OF_MORE) { // no memory to wait
		while ((rc = of_txn_go(a)) == OF_MORE)
			;
		rc = changed(&r, rc);
	}
	if (rc != 0)
		of_conn_error(c, msg, size, a->txn.e);
}

// What waits goes on. returns whether something does
static bool txn_tick(struct of_agent *a)
{
	const struct of_txn *t = &a->txn;
	struct request r = { a, t->c, t->msg, t->msg_size, &a->txn.e };
	int rc;

	if (!t->is_open)
		return false;
	rc = of_txn_go(a);
	if (rc == OF_MORE)
		return true;
	rc = changed(&r, rc);
	if (rc != 0 && r.c != NULL)
		of_conn_error(r.c, r.msg, r.size, a->txn.e);
	of_txn_over(a);
	return true;
}

bool of_msg_held(const struct of_agent *a, const struct of_conn *c)
{
	return of_txn_holds(a, c);
}

bool of_msg_busy(const struct of_agent *a, const struct of_conn *c)
{
	return of_stats_busy(a, c) || of_txn_holds(a, c);
}

void of_publish(struct of_agent *a)
{
	if (!a->staged || a->txn.is_open)
		return;
	a->published = dp_of_publish(a->p.of);
	a->staged = a->at_once = false;
	of_flow_published(a);
}

void of_msg_forget(struct of_agent *a, struct of_conn *c)
{
	of_bundle_forget(a, c);
	of_stats_forget(a, c);
	of_txn_forget(a, c);
}

uint64_t of_msg_tick(struct of_agent *a, uint64_t now_ns)
{
	uint64_t ports_ns, flows_ns, next_ns;

	a->now_ns = now_ns;
	ports_ns = of_port_tick(a);
	if (txn_tick(a))
		return now_ns;
	a->txn.n_had = 0; // nobody else wanted to
	flows_ns = of_flow_tick(a);
	next_ns = ports_ns < flows_ns ? ports_ns : flows_ns;
	return of_stats_tick(a) ? now_ns : next_ns;
}

int of_msg_create(struct of_agent *a)
{
	if (of_tables_create(a) == 0 && of_groups_create(a) == 0 && of_ports_create(a) == 0 &&
	    of_bundles_create(a) == 0 && of_stats_create(a) == 0) {
		a->miss_send_len = 128; // section 7.3.2
		return 0;
	}
	of_msg_destroy(a);
	return -ENOMEM;
}

void of_msg_destroy(struct of_agent *a)
{
	of_txn_give_up(a);
	of_stats_destroy(a);
	of_bundles_destroy(a);
	of_tables_destroy(a);
	of_groups_destroy(a);
	of_meters_destroy(a);
	of_ports_destroy(a);
	free(a->journal.at);
	a->journal = (struct of_journal){ 0 };
}
