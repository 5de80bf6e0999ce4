// Multipart messages as text, in the words of ovs-ofctl's dumps.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "of13.h"
#include "text_priv.h"

// --- Parts that other messages have, too

void oft_group_type_write(struct of_text *t, uint8_t type)
{
	static const char *const names[] = { "all", "select", "indirect", "ff" };

	if (type < 4)
		of_text_put(t, names[type]);
	else
		of_text_printf(t, "%u", type);
}

void oft_buckets_write(struct of_text *t, struct of_list l, uint8_t type,
		       const struct of_text_ports *ports)
{
	struct of13_bucket b;

	while (of13_bucket_next(&l, &b)) {
		of_text_put(t, ",bucket=");
		if (b.weight != (type == OF13_GROUP_TYPE_SELECT))
			of_text_printf(t, "weight:%u,", b.weight);
		if (b.watch_port != ANY) {
			of_text_put(t, "watch_port:");
			of_text_port(t, b.watch_port, ports);
			of_text_put(t, ",");
		}
		if (b.watch_group != ANY)
			of_text_printf(t, "watch_group:%u,", b.watch_group);
		of_text_put(t, "actions=");
		of_text_actions(t, b.actions, ports);
	}
}

void oft_meter_flags_write(struct of_text *t, unsigned flags)
{
	static const char *const names[] = { "kbps", "pktps", "burst", "stats" };

	for (uint32_t i = 0; i < 4; i++) {
		if ((flags >> i & 1) != 0)
			of_text_printf(t, " %s", names[i]);
	}
}

void oft_meter_id_write(struct of_text *t, uint32_t id)
{
	if (id == OF13_METER_ALL)
		of_text_put(t, "all");
	else if (id == OF13_METER_CONTROLLER)
		of_text_put(t, "controller");
	else if (id == OF13_METER_SLOWPATH)
		of_text_put(t, "slowpath");
	else
		of_text_printf(t, "%u", id);
}

void oft_bands_write(struct of_text *t, struct of_list l, const char *end)
{
	struct of13_band b;

	while (of13_band_next(&l, &b)) {
		of_text_printf(t, "type=%s rate=%u",
			       b.type == OF13_BAND_DROP ? "drop" : "dscp_remark", b.rate);
		if (b.burst_size != 0)
			of_text_printf(t, " burst_size=%u", b.burst_size);
		if (b.type == OF13_BAND_DSCP_REMARK)
			of_text_printf(t, " prec_level=%u", b.dscp_remark.prec_level);
		of_text_put(t, end);
	}
}

static void features_line(struct of_text *t, const char *name, uint32_t bits)
{
	static const char *const names[] = {
		"10MB-HD", "10MB-FD",  "100MB-HD",   "100MB-FD",       "1GB-HD", "1GB-FD",
		"10GB-FD", "40GB-FD",  "100GB-FD",   "1TB-FD",	       "OTHER",	 "COPPER",
		"FIBER",   "AUTO_NEG", "AUTO_PAUSE", "AUTO_PAUSE_ASYM"
	};

	if (bits == 0)
		return;
	of_text_printf(t, "     %-12s", name);
	oft_bits_write(t, bits, names, 16);
	of_text_put(t, "\n");
}

void oft_port_write(struct of_text *t, const struct of13_port *p, const struct of_text_ports *ports)
{
	static const char *const config[] = { "PORT_DOWN", NULL,     "NO_RECV",	    NULL,
					      NULL,	   "NO_FWD", "NO_PACKET_IN" };
	static const char *const state[] = { "LINK_DOWN", "BLOCKED", "LIVE" };

	(void)ports;
	of_text_put(t, " ");
	of_text_port(t, p->port_no, NULL);
	of_text_put(t, "(");
	oft_name_write(t, p->name, sizeof(p->name));
	of_text_put(t, "): addr:");
	oft_mac_write(t, p->hw_addr);
	of_text_put(t, "\n     config:     ");
	oft_bits_write(t, p->config, config, 7);
	of_text_put(t, "\n     state:      ");
	oft_bits_write(t, p->state, state, 3);
	of_text_put(t, "\n");
	features_line(t, "current:", p->curr);
	features_line(t, "advertised:", p->advertised);
	features_line(t, "supported:", p->supported);
	features_line(t, "peer:", p->peer);
	of_text_printf(t, "     speed: %u Mbps now, %u Mbps max\n", p->curr_speed / 1000,
		       p->max_speed / 1000);
}

// A counter; all ones is "not counted".
static void counter(struct of_text *t, const char *name, uint64_t n, const char *behind)
{
	if (n == UINT64_MAX)
		of_text_printf(t, "%s?%s", name, behind);
	else
		of_text_printf(t, "%s%" PRIu64 "%s", name, n, behind);
}

// --- Flows

static void flow_write(struct of_text *t, const struct of13_flow_stats *f,
		       const struct of_text_options *o)
{
	struct match m;

	of_text_put(t, " ");
	if (!o->no_stats || f->cookie != 0)
		of_text_printf(t, "cookie=0x%" PRIx64 ", ", f->cookie);
	if (!o->no_stats) {
		of_text_put(t, "duration=");
		oft_duration_write(t, f->duration_sec, f->duration_nsec);
		of_text_printf(t, ", table=%u, ", f->table_id);
		counter(t, "n_packets=", f->packet_count, ", ");
		counter(t, "n_bytes=", f->byte_count, ", ");
	} else if (f->table_id != 0) {
		of_text_printf(t, "table=%u, ", f->table_id);
	}
	if (f->idle_timeout != 0)
		of_text_printf(t, "idle_timeout=%u, ", f->idle_timeout);
	if (f->hard_timeout != 0)
		of_text_printf(t, "hard_timeout=%u, ", f->hard_timeout);
	oft_flow_flags_write(t, f->flags);
	if (f->importance != 0)
		of_text_printf(t, "importance=%u, ", f->importance);
	oft_wire_match_get(f->match, &m);
	oft_match_write(t, &m, f->priority, o->ports);
	if (t->size > 0 && t->buf[t->size - 1] != ' ')
		of_text_put(t, " ");
	of_text_put(t, "actions=");
	of_text_instructions(t, f->instructions, o->ports);
	of_text_put(t, "\n");
}

static void flows_write(struct of_text *t, struct of_list l, const struct of_text_options *o)
{
	struct of13_flow_stats f;

	while (of13_flow_stats_next(&l, &f))
		flow_write(t, &f, o);
}

// --- Ports, queues

static void ports_write(struct of_text *t, struct of_list l, const struct of_text_options *o)
{
	struct of13_port_stats p;

	while (of13_port_stats_next(&l, &p)) {
		of_text_put(t, p.port_no < 10 ? "  port  " : "  port ");
		of_text_port(t, p.port_no, o->ports);
		counter(t, ": rx pkts=", p.rx_packets, ", ");
		counter(t, "bytes=", p.rx_bytes, ", ");
		counter(t, "drop=", p.rx_dropped, ", ");
		counter(t, "errs=", p.rx_errors, ", ");
		counter(t, "frame=", p.rx_frame_err, ", ");
		counter(t, "over=", p.rx_over_err, ", ");
		counter(t, "crc=", p.rx_crc_err, "\n");
		counter(t, "           tx pkts=", p.tx_packets, ", ");
		counter(t, "bytes=", p.tx_bytes, ", ");
		counter(t, "drop=", p.tx_dropped, ", ");
		counter(t, "errs=", p.tx_errors, ", ");
		counter(t, "coll=", p.collisions, "\n");
		if (p.duration_sec != UINT32_MAX) {
			of_text_put(t, "           duration=");
			oft_duration_write(t, p.duration_sec, p.duration_nsec);
			of_text_put(t, "\n");
		}
	}
}

static void queues_write(struct of_text *t, struct of_list l, const struct of_text_options *o)
{
	struct of13_queue_stats q;

	while (of13_queue_stats_next(&l, &q)) {
		of_text_put(t, "  port ");
		of_text_port(t, q.port_no, o->ports);
		of_text_printf(t, " queue %u: ", q.queue_id);
		counter(t, "bytes=", q.tx_bytes, ", ");
		counter(t, "pkts=", q.tx_packets, ", ");
		counter(t, "errors=", q.tx_errors, ", duration=");
		if (q.duration_sec == UINT32_MAX)
			of_text_put(t, "?");
		else
			oft_duration_write(t, q.duration_sec, q.duration_nsec);
		of_text_put(t, "\n");
	}
}

static uint32_t count_ports(struct of_list l)
{
	struct of13_port_stats p;
	uint32_t n = 0;

	while (of13_port_stats_next(&l, &p))
		n++;
	return n;
}

static uint32_t count_queues(struct of_list l)
{
	struct of13_queue_stats q;
	uint32_t n = 0;

	while (of13_queue_stats_next(&l, &q))
		n++;
	return n;
}

// --- Tables: those that are alike stand together

static void table_range(struct of_text *t, unsigned first, unsigned last)
{
	if (last == first)
		of_text_printf(t, "  table %u: ditto\n\n", first);
	else if (last > first)
		of_text_printf(t, "  tables %u...%u: ditto\n\n", first, last);
}

static void tables_write(struct of_text *t, struct of_list l)
{
	struct of13_table_stats s, last = { 0 };
	unsigned first_same = 0, n_same = 0;
	bool any = false;

	while (of13_table_stats_next(&l, &s)) {
		if (any && s.active_count == last.active_count &&
		    s.lookup_count == last.lookup_count && s.matched_count == last.matched_count &&
		    s.table_id == last.table_id + 1) {
			first_same = n_same == 0 ? s.table_id : first_same;
			n_same++;
			last = s;
			continue;
		}
		if (n_same > 0)
			table_range(t, first_same, last.table_id);
		n_same = 0;
		of_text_printf(t, "  table %u:\n    active=%u, ", s.table_id, s.active_count);
		counter(t, "lookup=", s.lookup_count, ", ");
		counter(t, "matched=", s.matched_count, "\n\n");
		last = s;
		any = true;
	}
	if (n_same > 0)
		table_range(t, first_same, last.table_id);
	// A blank line between tables, none at the end.
	if (t->size > 1 && t->buf[t->size - 2] == '\n')
		t->buf[--t->size] = '\0';
}

// --- Groups, meters

static void groups_write(struct of_text *t, struct of_list l)
{
	struct of13_group_stats g;
	struct of13_bucket_counter b;

	while (of13_group_stats_next(&l, &g)) {
		of_text_printf(t, " group_id=%u,duration=", g.group_id);
		oft_duration_write(t, g.duration_sec, g.duration_nsec);
		of_text_printf(t, ",ref_count=%u,", g.ref_count);
		counter(t, "packet_count=", g.packet_count, ",");
		counter(t, "byte_count=", g.byte_count, "");
		for (uint32_t i = 0; of13_bucket_counter_next(&g.buckets, &b); i++) {
			of_text_printf(t, ",bucket%u:", i);
			counter(t, "packet_count=", b.packet_count, ",");
			counter(t, "byte_count=", b.byte_count, "");
		}
		of_text_put(t, "\n");
	}
}

static void group_descs_write(struct of_text *t, struct of_list l, const struct of_text_options *o)
{
	struct of13_group_desc g;

	while (of13_group_desc_next(&l, &g)) {
		of_text_printf(t, " group_id=%u,type=", g.group_id);
		oft_group_type_write(t, g.type);
		oft_buckets_write(t, g.buckets, g.type, o->ports);
		of_text_put(t, "\n");
	}
}

// Names of actions by their number.
static const char *const action_names[28] = {
	[0] = "output",	       [11] = "copy_ttl_out", [12] = "copy_ttl_in", [15] = "set_mpls_ttl",
	[16] = "dec_mpls_ttl", [17] = "push_vlan",    [18] = "pop_vlan",    [19] = "push_mpls",
	[20] = "pop_mpls",     [21] = "set_queue",    [22] = "group",	    [23] = "mod_nw_ttl",
	[24] = "dec_ttl",      [25] = "set_field",    [26] = "push_pbb",    [27] = "pop_pbb",
};

static void group_features_write(struct of_text *t, const struct of13_multipart_reply *m)
{
	static const char *const names[] = { "all", "select", "indirect", "fast failover" };

	of_text_printf(t, "\n Group table:\n    Types:  0x%x\n    Capabilities:  0x%x\n",
		       m->group_features.types, m->group_features.capabilities);
	for (uint32_t i = 0; i < 4; i++) {
		if ((m->group_features.types >> i & 1) == 0)
			continue;
		of_text_printf(t,
			       "    %s group:\n       max_groups=0x%x\n       actions: ", names[i],
			       m->group_features.max_groups[i]);
		oft_bits_write(t, m->group_features.actions[i], action_names, 28);
		of_text_put(t, "\n");
	}
}

static void meters_write(struct of_text *t, struct of_list l)
{
	struct of13_meter_stats m;
	struct of13_band_stats b;

	for (bool any = false; of13_meter_stats_next(&l, &m); any = true) {
		of_text_put(t, any ? "\n" : "");
		of_text_printf(t, "meter:%u flow_count:%u ", m.meter_id, m.flow_count);
		counter(t, "packet_in_count:", m.packet_in_count, " ");
		counter(t, "byte_in_count:", m.byte_in_count, " duration:");
		oft_duration_write(t, m.duration_sec, m.duration_nsec);
		of_text_put(t, " bands:\n");
		for (uint32_t i = 0; of13_band_stats_next(&m.bands, &b); i++) {
			of_text_printf(t, "%u: ", i);
			counter(t, "packet_count:", b.packet_count, " ");
			counter(t, "byte_count:", b.byte_count, "\n");
		}
	}
}

static void meter_configs_write(struct of_text *t, struct of_list l)
{
	struct of13_meter_config m;

	for (bool any = false; of13_meter_config_next(&l, &m); any = true) {
		of_text_printf(t, "%smeter=", any ? "\n" : "");
		oft_meter_id_write(t, m.meter_id);
		oft_meter_flags_write(t, m.flags);
		of_text_put(t, " bands=\n");
		oft_bands_write(t, m.bands, "\n");
	}
}

static void meter_features_write(struct of_text *t, const struct of13_multipart_reply *m)
{
	static const char *const bands[] = { NULL, "drop", "dscp_remark" };
	static const char *const flags[] = { "kbps", "pktps", "burst", "stats" };

	of_text_printf(t, "\nmax_meter:%u max_bands:%u max_color:%u\nband_types: ",
		       m->meter_features.max_meter, m->meter_features.max_bands,
		       m->meter_features.max_color);
	oft_bits_write(t, m->meter_features.band_types, bands, 3);
	of_text_put(t, "\ncapabilities: ");
	oft_bits_write(t, m->meter_features.capabilities, flags, 4);
	of_text_put(t, "\n");
}

// --- Features of tables

static void ids_write(struct of_text *t, const struct of13_table_prop *p)
{
	static const char *const instructions[] = { NULL,
						    "goto_table",
						    "write_metadata",
						    "write_actions",
						    "apply_actions",
						    "clear_actions",
						    "meter" };
	struct of_list l = p->instructions.ids;
	struct of13_instruction_id i;
	struct of13_action_id a;
	struct of13_oxm_id o;
	struct of13_table_id n;

	if (p->type <= OF13_TABLE_PROP_INSTRUCTIONS_MISS) {
		while (of13_instruction_id_next(&l, &i))
			of_text_printf(t, " %s",
				       i.type > 0 && i.type < 7 ? instructions[i.type] : "?");
	} else if (p->type <= OF13_TABLE_PROP_NEXT_TABLES_MISS) {
		while (of13_table_id_next(&l, &n))
			of_text_printf(t, " %u", n.table_id);
	} else if (p->type <= OF13_TABLE_PROP_APPLY_ACTIONS_MISS) {
		while (of13_action_id_next(&l, &a))
			of_text_printf(t, " %s",
				       a.type < 28 && action_names[a.type] != NULL
					       ? action_names[a.type]
					       : "?");
	} else {
		while (of13_oxm_id_next(&l, &o)) {
			const char *name = oft_wire_oxm_name(o.header);

			of_text_printf(t, " %s%s", name == NULL ? "?" : name,
				       (o.header >> 8 & 1) != 0 ? "/mask" : "");
		}
	}
}

static void table_features_write(struct of_text *t, struct of_list l)
{
	static const char *const names[] = {
		"instructions",	   "on miss: instructions",
		"next tables",	   "on miss: next tables",
		"write_actions",   "on miss: write_actions",
		"apply_actions",   "on miss: apply_actions",
		"match",	   NULL,
		"wildcards",	   NULL,
		"write set_field", "on miss: write set_field",
		"apply set_field", "on miss: apply set_field",
	};
	struct of13_table_features f;
	struct of13_table_prop p;

	while (of13_table_features_next(&l, &f)) {
		of_text_printf(t, "  table %u (\"", f.table_id);
		oft_name_write(t, f.name, sizeof(f.name));
		of_text_printf(t, "\"):\n    metadata: match=0x%" PRIx64 " write=0x%" PRIx64 "\n",
			       f.metadata_match, f.metadata_write);
		of_text_printf(t, "    max_entries=%u\n", f.max_entries);
		while (of13_table_prop_next(&f.properties, &p)) {
			if (p.type >= 16 || names[p.type] == NULL)
				continue;
			of_text_printf(t, "    %s:", names[p.type]);
			ids_write(t, &p);
			of_text_put(t, "\n");
		}
		of_text_put(t, "\n");
	}
}

// --- Whole messages

static const char *const names[] = { "DESC",	       "FLOW",	   "AGGREGATE",	   "TABLE",
				     "PORT",	       "QUEUE",	   "GROUP",	   "GROUP_DESC",
				     "GROUP_FEATURES", "METER",	   "METER_CONFIG", "METER_FEATURES",
				     "TABLE_FEATURES", "PORT_DESC" };
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void desc_write(struct of_text *t, const struct of13_multipart_reply *m)
{
	const struct {
		const char *name, *value;
		size_t size;
	} lines[] = {
		{ "Manufacturer", m->desc.mfr_desc, sizeof(m->desc.mfr_desc) },
		{ "Hardware", m->desc.hw_desc, sizeof(m->desc.hw_desc) },
		{ "Software", m->desc.sw_desc, sizeof(m->desc.sw_desc) },
		{ "Serial Num", m->desc.serial_num, sizeof(m->desc.serial_num) },
		{ "DP Description", m->desc.dp_desc, sizeof(m->desc.dp_desc) },
	};

	of_text_put(t, "\n");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		of_text_printf(t, "%s: ", lines[i].name);
		oft_name_write(t, lines[i].value, lines[i].size);
		of_text_put(t, "\n");
	}
}

static void port_descs_write(struct of_text *t, struct of_list l, const struct of_text_options *o)
{
	uint64_t next = 0;

	// By number, whatever the order of the switch.
	while (next <= UINT32_MAX) {
		struct of_list rest = l;
		struct of13_port p, best = { 0 };
		bool found = false;

		while (of13_port_next(&rest, &p)) {
			if (p.port_no < next || (found && p.port_no >= best.port_no))
				continue;
			best = p;
			found = true;
		}
		if (!found)
			return;
		oft_port_write(t, &best, o->ports);
		next = (uint64_t)best.port_no + 1;
	}
}

// Of groups and meters.
static void group_body_write(struct of_text *t, const struct of13_multipart_reply *m,
			     const struct of_text_options *o, const char *line)
{
	switch (m->type) {
	case OF13_MULTIPART_GROUP:
		of_text_put(t, line);
		groups_write(t, m->group.groups);
		break;
	case OF13_MULTIPART_GROUP_DESC:
		of_text_put(t, line);
		group_descs_write(t, m->group_desc.groups, o);
		break;
	case OF13_MULTIPART_GROUP_FEATURES:
		group_features_write(t, m);
		break;
	case OF13_MULTIPART_METER:
		of_text_put(t, "\n");
		meters_write(t, m->meter.meters);
		break;
	case OF13_MULTIPART_METER_CONFIG:
		of_text_put(t, "\n");
		meter_configs_write(t, m->meter_config.meters);
		break;
	case OF13_MULTIPART_METER_FEATURES:
		meter_features_write(t, m);
		break;
	default:
		break;
	}
}

static void body_write(struct of_text *t, const struct of13_multipart_reply *m,
		       const struct of_text_options *o)
{
	const char *line = o->part || o->no_stats ? "" : "\n";

	switch (m->type) {
	case OF13_MULTIPART_DESC:
		desc_write(t, m);
		break;
	case OF13_MULTIPART_FLOW:
		of_text_put(t, line);
		flows_write(t, m->flow.flows, o);
		break;
	case OF13_MULTIPART_AGGREGATE:
		counter(t, " packet_count=", m->aggregate.packet_count, " ");
		counter(t, "byte_count=", m->aggregate.byte_count, "");
		of_text_printf(t, " flow_count=%u\n", m->aggregate.flow_count);
		break;
	case OF13_MULTIPART_TABLE:
		of_text_put(t, line);
		tables_write(t, m->table.tables);
		break;
	case OF13_MULTIPART_PORT_STATS:
		if (!o->part)
			of_text_printf(t, " %u ports\n", count_ports(m->port_stats.ports));
		ports_write(t, m->port_stats.ports, o);
		break;
	case OF13_MULTIPART_QUEUE:
		if (!o->part)
			of_text_printf(t, " %u queues\n", count_queues(m->queue.queues));
		queues_write(t, m->queue.queues, o);
		break;
	case OF13_MULTIPART_TABLE_FEATURES:
		of_text_put(t, line);
		table_features_write(t, m->table_features.tables);
		break;
	case OF13_MULTIPART_PORT_DESC:
		of_text_put(t, line);
		port_descs_write(t, m->port_desc.ports, o);
		break;
	default:
		group_body_write(t, m, o, line);
		break;
	}
}

bool oft_multipart_reply_write(struct of_text *t, const uint8_t *msg, size_t size,
			       const struct of_text_options *o)
{
	struct of13_multipart_reply m;
	struct of_wire_error e;
	char name[40];

	if (of13_multipart_reply_get(msg, size, &m, &e) < 0 || m.type >= NAMES ||
	    (m.type == OF13_MULTIPART_PORT_DESC && msg[0] > 4))
		return false;
	snprintf(name, sizeof(name), "OFPST_%s reply", names[m.type]);
	if (!o->part && !o->no_stats)
		oft_head_write(t, name, msg[0], m.xid);
	body_write(t, &m, o);
	return true;
}

static void filter_write(struct of_text *t, const struct of13_flow_filter *f,
			 const struct of_text_options *o)
{
	struct match m;

	of_text_put(t, " ");
	if (f->table_id != OF13_TABLE_ALL)
		of_text_printf(t, "table=%u,", f->table_id);
	if (f->cookie_mask != 0)
		of_text_printf(t, "cookie=0x%" PRIx64 "/0x%" PRIx64 ",", f->cookie, f->cookie_mask);
	if (f->out_port != ANY) {
		of_text_put(t, "out_port=");
		of_text_port(t, f->out_port, o->ports);
		of_text_put(t, ",");
	}
	if (f->out_group != ANY)
		of_text_printf(t, "out_group=%u,", f->out_group);
	oft_wire_match_get(f->match, &m);
	oft_match_write(t, &m, PRIORITY, o->ports);
}

bool oft_multipart_request_write(struct of_text *t, const uint8_t *msg, size_t size,
				 const struct of_text_options *o)
{
	struct of13_multipart_request m;
	struct of_wire_error e;
	char name[40];

	if (of13_multipart_request_get(msg, size, &m, &e) < 0 || m.type >= NAMES)
		return false;
	snprintf(name, sizeof(name), "OFPST_%s request", names[m.type]);
	oft_head_write(t, name, msg[0], m.xid);
	if (m.type == OF13_MULTIPART_FLOW)
		filter_write(t, &m.flow, o);
	else if (m.type == OF13_MULTIPART_AGGREGATE)
		filter_write(t, &m.aggregate, o);
	of_text_put(t, "\n");
	return true;
}
