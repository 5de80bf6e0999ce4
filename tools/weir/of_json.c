// Replies of a switch as JSON: numbers as OpenFlow has them, matches and actions as text.
#include <string.h>

#include "of_priv.h"

static void text_set(json_t *o, const char *key, struct of_text *t)
{
	json_object_set_new(o, key, json_string(t->buf == NULL ? "" : t->buf));
	of_text_fini(t);
}

static void name_set(json_t *o, const char *key, const char *name, size_t size)
{
	struct text clean = { 0 };

	text_put(&clean, "");
	text_put_clean(&clean, name, strnlen(name, size));
	json_object_set_new(o, key, json_string(clean.buf));
	free(clean.buf);
}

static void number_set(json_t *o, const char *key, uint64_t n)
{
	// All ones is "not counted". RFC 7951 would have these as strings; jq wants numbers.
	if (n != UINT64_MAX)
		json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void duration_set(json_t *o, uint32_t s, uint32_t ns)
{
	if (s != UINT32_MAX)
		json_object_set_new(o, "duration", json_real(s + ns / 1e9));
}

static json_t *list_of(json_t *all, const char *key)
{
	json_t *list = json_object_get(all, key);

	if (list == NULL) {
		list = need(json_array());
		json_object_set_new(all, key, list);
	}
	return list;
}

static json_t *append(json_t *list)
{
	json_t *o = need(json_object());

	json_array_append_new(list, o);
	return o;
}

static void port_set(json_t *o, const char *key, uint32_t port)
{
	struct of_text t = { 0 };

	if (port <= OF13_PORT_MAX) {
		json_object_set_new(o, key, json_integer(port));
		return;
	}
	of_text_port(&t, port, NULL);
	text_set(o, key, &t);
}

static void add_flows(json_t *all, struct of_list l, const struct of_text_ports *ports)
{
	json_t *list = list_of(all, "flows");
	struct of13_flow_stats f;

	while (of13_flow_stats_next(&l, &f)) {
		json_t *o = append(list);
		struct of_text t = { 0 };
		char cookie[24];

		snprintf(cookie, sizeof(cookie), "0x%llx", (unsigned long long)f.cookie);
		json_object_set_new(o, "table", json_integer(f.table_id));
		json_object_set_new(o, "priority", json_integer(f.priority));
		json_object_set_new(o, "cookie", json_string(cookie));
		duration_set(o, f.duration_sec, f.duration_nsec);
		number_set(o, "packets", f.packet_count);
		number_set(o, "bytes", f.byte_count);
		json_object_set_new(o, "idle-timeout", json_integer(f.idle_timeout));
		json_object_set_new(o, "hard-timeout", json_integer(f.hard_timeout));
		json_object_set_new(o, "flags", json_integer(f.flags));
		of_text_oxm(&t, f.match, ports);
		text_set(o, "match", &t);
		of_text_instructions(&t, f.instructions, ports);
		text_set(o, "actions", &t);
	}
}

static void add_ports(json_t *all, struct of_list l)
{
	json_t *list = list_of(all, "ports");
	struct of13_port_stats p;

	while (of13_port_stats_next(&l, &p)) {
		json_t *o = append(list);

		port_set(o, "port", p.port_no);
		number_set(o, "rx-packets", p.rx_packets);
		number_set(o, "tx-packets", p.tx_packets);
		number_set(o, "rx-bytes", p.rx_bytes);
		number_set(o, "tx-bytes", p.tx_bytes);
		number_set(o, "rx-dropped", p.rx_dropped);
		number_set(o, "tx-dropped", p.tx_dropped);
		number_set(o, "rx-errors", p.rx_errors);
		number_set(o, "tx-errors", p.tx_errors);
		duration_set(o, p.duration_sec, p.duration_nsec);
	}
}

static void add_port_descs(json_t *all, struct of_list l)
{
	json_t *list = list_of(all, "ports");
	struct of13_port p;
	char mac[18];

	while (of13_port_next(&l, &p)) {
		json_t *o = append(list);

		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p.hw_addr[0],
			 p.hw_addr[1], p.hw_addr[2], p.hw_addr[3], p.hw_addr[4], p.hw_addr[5]);
		port_set(o, "port", p.port_no);
		name_set(o, "name", p.name, sizeof(p.name));
		json_object_set_new(o, "mac", json_string(mac));
		json_object_set_new(o, "config", json_integer(p.config));
		json_object_set_new(o, "state", json_integer(p.state));
		json_object_set_new(o, "speed-kbps", json_integer(p.curr_speed));
	}
}

static void add_tables(json_t *all, struct of_list l)
{
	json_t *list = list_of(all, "tables");
	struct of13_table_stats s;

	while (of13_table_stats_next(&l, &s)) {
		json_t *o = append(list);

		json_object_set_new(o, "table", json_integer(s.table_id));
		json_object_set_new(o, "active", json_integer(s.active_count));
		number_set(o, "lookups", s.lookup_count);
		number_set(o, "matched", s.matched_count);
	}
}

static void add_queues(json_t *all, struct of_list l)
{
	json_t *list = list_of(all, "queues");
	struct of13_queue_stats q;

	while (of13_queue_stats_next(&l, &q)) {
		json_t *o = append(list);

		port_set(o, "port", q.port_no);
		json_object_set_new(o, "queue", json_integer(q.queue_id));
		number_set(o, "packets", q.tx_packets);
		number_set(o, "bytes", q.tx_bytes);
		number_set(o, "errors", q.tx_errors);
		duration_set(o, q.duration_sec, q.duration_nsec);
	}
}

// --- Groups and meters

static void add_group_descs(json_t *all, struct of_list l, const struct of_text_ports *ports)
{
	static const char *const types[] = { "all", "select", "indirect", "ff" };
	json_t *list = list_of(all, "groups");
	struct of13_group_desc g;
	struct of13_bucket b;

	while (of13_group_desc_next(&l, &g)) {
		json_t *o = append(list), *buckets = need(json_array());

		json_object_set_new(o, "group", json_integer(g.group_id));
		json_object_set_new(o, "type", json_string(g.type < 4 ? types[g.type] : "?"));
		json_object_set_new(o, "buckets", buckets);
		while (of13_bucket_next(&g.buckets, &b)) {
			json_t *one = append(buckets);
			struct of_text t = { 0 };

			json_object_set_new(one, "weight", json_integer(b.weight));
			if (b.watch_port != OF13_PORT_ANY)
				port_set(one, "watch-port", b.watch_port);
			if (b.watch_group != OF13_GROUP_ANY)
				json_object_set_new(one, "watch-group",
						    json_integer(b.watch_group));
			of_text_actions(&t, b.actions, ports);
			text_set(one, "actions", &t);
		}
	}
}

static void add_groups(json_t *all, struct of_list l)
{
	json_t *list = list_of(all, "groups");
	struct of13_group_stats g;
	struct of13_bucket_counter b;

	while (of13_group_stats_next(&l, &g)) {
		json_t *o = append(list), *buckets = need(json_array());

		json_object_set_new(o, "group", json_integer(g.group_id));
		json_object_set_new(o, "references", json_integer(g.ref_count));
		number_set(o, "packets", g.packet_count);
		number_set(o, "bytes", g.byte_count);
		duration_set(o, g.duration_sec, g.duration_nsec);
		json_object_set_new(o, "buckets", buckets);
		while (of13_bucket_counter_next(&g.buckets, &b)) {
			json_t *one = append(buckets);

			number_set(one, "packets", b.packet_count);
			number_set(one, "bytes", b.byte_count);
		}
	}
}

static void add_meter_configs(json_t *all, struct of_list l)
{
	json_t *list = list_of(all, "meters");
	struct of13_meter_config m;
	struct of13_band b;

	while (of13_meter_config_next(&l, &m)) {
		json_t *o = append(list), *bands = need(json_array());

		json_object_set_new(o, "meter", json_integer(m.meter_id));
		json_object_set_new(o, "flags", json_integer(m.flags));
		json_object_set_new(o, "bands", bands);
		while (of13_band_next(&m.bands, &b)) {
			json_t *one = append(bands);
			bool drops = b.type == OF13_BAND_DROP;

			json_object_set_new(one, "type",
					    json_string(drops ? "drop" : "dscp_remark"));
			json_object_set_new(one, "rate", json_integer(b.rate));
			json_object_set_new(one, "burst-size", json_integer(b.burst_size));
			if (!drops)
				json_object_set_new(one, "prec-level",
						    json_integer(b.dscp_remark.prec_level));
		}
	}
}

static void add_meters(json_t *all, struct of_list l)
{
	json_t *list = list_of(all, "meters");
	struct of13_meter_stats m;
	struct of13_band_stats b;

	while (of13_meter_stats_next(&l, &m)) {
		json_t *o = append(list), *bands = need(json_array());

		json_object_set_new(o, "meter", json_integer(m.meter_id));
		json_object_set_new(o, "flows", json_integer(m.flow_count));
		number_set(o, "packets", m.packet_in_count);
		number_set(o, "bytes", m.byte_in_count);
		duration_set(o, m.duration_sec, m.duration_nsec);
		json_object_set_new(o, "bands", bands);
		while (of13_band_stats_next(&m.bands, &b)) {
			json_t *one = append(bands);

			number_set(one, "packets", b.packet_count);
			number_set(one, "bytes", b.byte_count);
		}
	}
}

// --- Whole messages

static void add_multipart(json_t *all, const struct of13_multipart_reply *m,
			  const struct of_text_ports *ports)
{
	switch (m->type) {
	case OF13_MULTIPART_DESC:
		name_set(all, "manufacturer", m->desc.mfr_desc, sizeof(m->desc.mfr_desc));
		name_set(all, "hardware", m->desc.hw_desc, sizeof(m->desc.hw_desc));
		name_set(all, "software", m->desc.sw_desc, sizeof(m->desc.sw_desc));
		name_set(all, "serial", m->desc.serial_num, sizeof(m->desc.serial_num));
		name_set(all, "description", m->desc.dp_desc, sizeof(m->desc.dp_desc));
		break;
	case OF13_MULTIPART_FLOW:
		add_flows(all, m->flow.flows, ports);
		break;
	case OF13_MULTIPART_AGGREGATE:
		number_set(all, "packets", m->aggregate.packet_count);
		number_set(all, "bytes", m->aggregate.byte_count);
		json_object_set_new(all, "flows", json_integer(m->aggregate.flow_count));
		break;
	case OF13_MULTIPART_TABLE:
		add_tables(all, m->table.tables);
		break;
	case OF13_MULTIPART_PORT_STATS:
		add_ports(all, m->port_stats.ports);
		break;
	case OF13_MULTIPART_PORT_DESC:
		add_port_descs(all, m->port_desc.ports);
		break;
	case OF13_MULTIPART_QUEUE:
		add_queues(all, m->queue.queues);
		break;
	case OF13_MULTIPART_GROUP:
		add_groups(all, m->group.groups);
		break;
	case OF13_MULTIPART_GROUP_DESC:
		add_group_descs(all, m->group_desc.groups, ports);
		break;
	case OF13_MULTIPART_METER:
		add_meters(all, m->meter.meters);
		break;
	case OF13_MULTIPART_METER_CONFIG:
		add_meter_configs(all, m->meter_config.meters);
		break;
	default:
		break;
	}
}

// What has no form of its own, as the codec tells it.
static void add_other(json_t *all, const uint8_t *msg, size_t size)
{
	size_t n = of13_print(msg, size, (char[1]){ 0 }, 1) + 1;
	char *text = need(malloc(n));
	json_t *o;

	(void)of13_print(msg, size, text, n);
	o = json_loads(text, 0, NULL);
	json_array_append_new(list_of(all, "messages"), o == NULL ? json_string(text) : o);
	free(text);
}

void of_json_add(json_t *all, const uint8_t *msg, size_t size, const struct of_text_ports *ports)
{
	struct of13_multipart_reply m;
	struct of13_features_reply f;
	struct of_wire_error e;
	char id[20];

	if (msg[1] == OF13_TYPE_MULTIPART_REPLY &&
	    of13_multipart_reply_get(msg, size, &m, &e) == 0 &&
	    m.type != OF13_MULTIPART_TABLE_FEATURES && m.type != OF13_MULTIPART_GROUP_FEATURES &&
	    m.type != OF13_MULTIPART_METER_FEATURES) {
		add_multipart(all, &m, ports);
	} else if (msg[1] == OF13_TYPE_FEATURES_REPLY &&
		   of13_features_reply_get(msg, size, &f, &e) == 0) {
		snprintf(id, sizeof(id), "%016llx", (unsigned long long)f.datapath_id);
		json_object_set_new(all, "datapath-id", json_string(id));
		json_object_set_new(all, "tables", json_integer(f.n_tables));
		json_object_set_new(all, "capabilities", json_integer(f.capabilities));
	} else {
		add_other(all, msg, size);
	}
}
