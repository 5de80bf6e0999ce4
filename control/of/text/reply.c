// Messages as text, in the words of `ovs-ofctl ofp-print`: all but multipart ones (stats.c).
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "of13.h"
#include "text_priv.h"

enum { DUMP_BYTES = 512 }; // shown of what cannot be read

void oft_head_write(struct of_text *t, const char *name, uint8_t version, uint32_t xid)
{
	of_text_printf(t, "%s (OF1.%d) (xid=0x%x):", name, version - 1, xid);
}

void oft_duration_write(struct of_text *t, uint32_t s, uint32_t ns)
{
	of_text_printf(t, "%u.%03us", s, ns / 1000000);
}

void oft_mac_write(struct of_text *t, const uint8_t m[6])
{
	of_text_printf(t, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

void oft_name_write(struct of_text *t, const char *name, size_t size)
{
	char clean[257];
	size_t n = 0;

	for (; n < size && n < sizeof(clean) - 1 && name[n] != '\0'; n++)
		clean[n] = name[n] >= 0x20 && name[n] < 0x7f ? name[n] : '?';
	clean[n] = '\0';
	of_text_put(t, clean);
}

void oft_bits_write(struct of_text *t, uint32_t bits, const char *const names[], uint32_t n)
{
	bool any = false;

	for (uint32_t i = 0; i < 32; i++) {
		if ((bits >> i & 1) == 0)
			continue;
		if (i < n && names[i] != NULL)
			of_text_printf(t, "%s%s", any ? " " : "", names[i]);
		else
			of_text_printf(t, "%s0x%x", any ? " " : "", 1u << i);
		any = true;
	}
	of_text_put(t, any ? "" : "0");
}

void oft_flow_flags_write(struct of_text *t, unsigned flags)
{
	static const char *const names[] = { "send_flow_rem", "check_overlap", "reset_counts",
					     "no_packet_counts", "no_byte_counts" };

	for (uint32_t i = 0; i < 5; i++) {
		if ((flags >> i & 1) != 0)
			of_text_printf(t, "%s ", names[i]);
	}
}

static void hex_write(struct of_text *t, const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size && i < DUMP_BYTES; i++)
		of_text_printf(t, "%s%02x", i == 0 ? "" : i % 16 == 0 ? "\n" : " ", p[i]);
	if (size > 0)
		of_text_put(t, size > DUMP_BYTES ? " ...\n" : "\n");
}

// --- Messages that change something

static bool flow_mod_write(struct of_text *t, const uint8_t *msg, size_t size,
			   const struct of_text_options *o)
{
	static const char *const commands[] = { "ADD", "MOD", "MOD_STRICT", "DEL", "DEL_STRICT" };
	struct of13_flow_mod m;
	struct of_wire_error e;
	struct match match;

	if (of13_flow_mod_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_FLOW_MOD", msg[0], m.xid);
	of_text_printf(t, " %s ", m.command < 5 ? commands[m.command] : "?");
	if (m.table_id != 0)
		of_text_printf(t, "table:%u ", m.table_id);
	oft_wire_match_get(m.match, &match);
	oft_match_write(t, &match, m.priority, o->ports);
	if (t->size > 0 && t->buf[t->size - 1] != ' ')
		of_text_put(t, " ");
	if (m.cookie != 0 || m.cookie_mask != 0)
		of_text_printf(t, "cookie:0x%" PRIx64, m.cookie);
	if (m.cookie_mask != 0)
		of_text_printf(t, "/0x%" PRIx64, m.cookie_mask);
	of_text_put(t, m.cookie != 0 || m.cookie_mask != 0 ? " " : "");
	if (m.idle_timeout != 0)
		of_text_printf(t, "idle:%u ", m.idle_timeout);
	if (m.hard_timeout != 0)
		of_text_printf(t, "hard:%u ", m.hard_timeout);
	if (m.importance != 0)
		of_text_printf(t, "importance:%u ", m.importance);
	if (m.out_port != ANY) {
		of_text_put(t, "out_port:");
		of_text_port(t, m.out_port, o->ports);
		of_text_put(t, " ");
	}
	if (m.out_group != ANY)
		of_text_printf(t, "out_group:%u ", m.out_group);
	oft_flow_flags_write(t, m.flags);
	of_text_put(t, "actions=");
	of_text_instructions(t, m.instructions, o->ports);
	of_text_put(t, "\n");
	return true;
}

static bool group_mod_write(struct of_text *t, const uint8_t *msg, size_t size,
			    const struct of_text_options *o)
{
	static const char *const commands[] = { "ADD", "MOD", "DEL" };
	struct of13_group_mod m;
	struct of_wire_error e;

	if (of13_group_mod_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_GROUP_MOD", msg[0], m.xid);
	of_text_printf(t, "\n %s group_id=", m.command < 3 ? commands[m.command] : "?");
	if (m.group_id == OF13_GROUP_ALL)
		of_text_put(t, "all");
	else
		of_text_printf(t, "%u", m.group_id);
	if (m.command != OF13_GROUP_MOD_COMMAND_DELETE) {
		of_text_put(t, ",type=");
		oft_group_type_write(t, m.type);
	}
	oft_buckets_write(t, m.buckets, m.type, o->ports);
	of_text_put(t, "\n");
	return true;
}

static bool meter_mod_write(struct of_text *t, const uint8_t *msg, size_t size)
{
	static const char *const commands[] = { "ADD", "MOD", "DEL" };
	struct of13_meter_mod m;
	struct of_wire_error e;

	if (of13_meter_mod_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_METER_MOD", msg[0], m.xid);
	of_text_printf(t, " %s meter=", m.command < 3 ? commands[m.command] : "?");
	oft_meter_id_write(t, m.meter_id);
	oft_meter_flags_write(t, m.flags);
	of_text_put(t, " bands=\n");
	oft_bands_write(t, m.bands, "\n");
	return true;
}

static bool port_mod_write(struct of_text *t, const uint8_t *msg, size_t size,
			   const struct of_text_options *o)
{
	static const char *const names[] = { "PORT_DOWN", NULL,	    "NO_RECV",	   NULL,
					     NULL,	  "NO_FWD", "NO_PACKET_IN" };
	struct of13_port_mod m;
	struct of_wire_error e;

	if (of13_port_mod_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_PORT_MOD", msg[0], m.xid);
	of_text_put(t, " port: ");
	of_text_port(t, m.port_no, o->ports);
	of_text_put(t, ": addr:");
	oft_mac_write(t, m.hw_addr);
	of_text_put(t, "\n     config: ");
	oft_bits_write(t, m.config, names, 7);
	of_text_put(t, "\n     mask:   ");
	oft_bits_write(t, m.mask, names, 7);
	of_text_put(t, "\n");
	return true;
}

static bool packet_out_write(struct of_text *t, const uint8_t *msg, size_t size,
			     const struct of_text_options *o)
{
	struct of13_packet_out m;
	struct of_wire_error e;

	if (of13_packet_out_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_PACKET_OUT", msg[0], m.xid);
	of_text_put(t, " in_port=");
	of_text_port(t, m.in_port, o->ports);
	of_text_put(t, " actions=");
	of_text_actions(t, m.actions, o->ports);
	of_text_printf(t, " data_len=%zu\n", m.data.size);
	hex_write(t, m.data.at, m.data.size);
	return true;
}

// --- What a switch tells on its own

static bool packet_in_write(struct of_text *t, const uint8_t *msg, size_t size,
			    const struct of_text_options *o)
{
	static const char *const reasons[] = { "no_match",   "action", "invalid_ttl",
					       "action_set", "group",  "packet_out" };
	struct of13_packet_in m;
	struct of_wire_error e;
	struct match match;

	if (of13_packet_in_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_PACKET_IN", msg[0], m.xid);
	of_text_printf(t, " table_id=%u cookie=0x%" PRIx64 " total_len=%u ", m.table_id, m.cookie,
		       m.total_len);
	oft_wire_match_get(m.match, &match);
	oft_match_write(t, &match, PRIORITY, o->ports);
	of_text_printf(t, " (via %s) data_len=%zu (unbuffered)\n",
		       m.reason < 6 ? reasons[m.reason] : "?", m.data.size);
	hex_write(t, m.data.at, m.data.size);
	return true;
}

static bool flow_removed_write(struct of_text *t, const uint8_t *msg, size_t size,
			       const struct of_text_options *o)
{
	static const char *const reasons[] = { "idle",	       "hard",	       "delete",
					       "group_delete", "meter_delete", "eviction" };
	struct of13_flow_removed m;
	struct of_wire_error e;
	struct match match;

	if (of13_flow_removed_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_FLOW_REMOVED", msg[0], m.xid);
	of_text_put(t, " ");
	oft_wire_match_get(m.match, &match);
	oft_match_write(t, &match, m.priority, o->ports);
	of_text_printf(t, " reason=%s", m.reason < 6 ? reasons[m.reason] : "?");
	of_text_printf(t, " table_id=%u", m.table_id);
	if (m.cookie != 0)
		of_text_printf(t, " cookie:0x%" PRIx64, m.cookie);
	of_text_put(t, " duration");
	oft_duration_write(t, m.duration_sec, m.duration_nsec);
	of_text_printf(t, " idle%u", m.idle_timeout);
	if (m.hard_timeout != 0)
		of_text_printf(t, " hard%u", m.hard_timeout);
	of_text_printf(t, " pkts%" PRIu64 " bytes%" PRIu64 "\n", m.packet_count, m.byte_count);
	return true;
}

static bool port_status_write(struct of_text *t, const uint8_t *msg, size_t size,
			      const struct of_text_options *o)
{
	static const char *const reasons[] = { "ADD", "DEL", "MOD" };
	struct of13_port_status m;
	struct of_wire_error e;

	if (of13_port_status_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_PORT_STATUS", msg[0], m.xid);
	of_text_printf(t, " %s:", m.reason < 3 ? reasons[m.reason] : "?");
	oft_port_write(t, &m.desc, o->ports);
	return true;
}

static bool error_write(struct of_text *t, const uint8_t *msg, size_t size,
			const struct of_text_options *o)
{
	struct of13_error m;
	struct of_wire_error e;
	struct of_list about;
	size_t length;

	if (of13_error_get(msg, size, &m, &e) < 0)
		return false;
	about = m.type == OF13_ERROR_EXPERIMENTER ? m.experimenter.data : m.data;
	oft_head_write(t, "OFPT_ERROR", msg[0], m.xid);
	of_text_put(t, " ");
	of_text_error_name(t, m.type, m.code);
	of_text_put(t, "\n");
	if (m.type == OF13_ERROR_HELLO_FAILED) {
		oft_name_write(t, (const char *)about.at, about.size);
		of_text_put(t, "\n");
		return true;
	}
	length = about.size >= 8 ? of_be16(about.at + 2) : 0;
	if (length == about.size && length > 0 && about.at[1] != OF13_TYPE_ERROR) {
		of_text_message(t, about.at, about.size, o);
		return true;
	}
	if (length > about.size)
		of_text_printf(t, "(the first %zu bytes of %zu)\n", about.size, length);
	hex_write(t, about.at, about.size);
	return true;
}

// --- Answers

static bool features_write(struct of_text *t, const uint8_t *msg, size_t size)
{
	static const char *const names[] = {
		"FLOW_STATS",	"TABLE_STATS", "PORT_STATS",	 "GROUP_STATS",
		NULL,		"IP_REASM",    "QUEUE_STATS",	 NULL,
		"PORT_BLOCKED", "BUNDLES",     "FLOW_MONITORING"
	};
	struct of13_features_reply m;
	struct of_wire_error e;

	if (of13_features_reply_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_FEATURES_REPLY", msg[0], m.xid);
	of_text_printf(t, " dpid:%016" PRIx64 "\n", m.datapath_id);
	of_text_printf(t, "n_tables:%u, n_buffers:%u", m.n_tables, m.n_buffers);
	if (m.auxiliary_id != 0)
		of_text_printf(t, ", auxiliary_id:%u", m.auxiliary_id);
	of_text_put(t, "\ncapabilities: ");
	oft_bits_write(t, m.capabilities, names, 11);
	of_text_put(t, "\n");
	return true;
}

static bool config_write(struct of_text *t, const uint8_t *msg, size_t size)
{
	static const char *const frags[] = { "normal", "drop", "reassemble", "?" };
	struct of13_get_config_reply m;
	struct of13_set_config set;
	struct of_wire_error e;

	if (msg[1] == OF13_TYPE_SET_CONFIG) {
		if (of13_set_config_get(msg, size, &set, &e) < 0)
			return false;
		m.flags = set.flags;
		m.miss_send_len = set.miss_send_len;
		oft_head_write(t, "OFPT_SET_CONFIG", msg[0], set.xid);
	} else {
		if (of13_get_config_reply_get(msg, size, &m, &e) < 0)
			return false;
		oft_head_write(t, "OFPT_GET_CONFIG_REPLY", msg[0], m.xid);
	}
	of_text_printf(t, " frags=%s miss_send_len=%u\n", frags[m.flags & 3], m.miss_send_len);
	return true;
}

static bool queues_write(struct of_text *t, const uint8_t *msg, size_t size,
			 const struct of_text_options *o)
{
	struct of13_queue_get_config_reply m;
	struct of_wire_error e;
	struct of13_packet_queue q;
	struct of13_queue_prop p;

	if (of13_queue_get_config_reply_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, "OFPT_QUEUE_GET_CONFIG_REPLY", msg[0], m.xid);
	of_text_put(t, " port=");
	of_text_port(t, m.port, o->ports);
	of_text_put(t, "\n");
	while (of13_packet_queue_next(&m.queues, &q)) {
		of_text_printf(t, "queue %u:", q.queue_id);
		while (of13_queue_prop_next(&q.properties, &p)) {
			unsigned rate = p.min_rate.rate;

			if (p.type == OF13_QUEUE_PROP_MAX_RATE)
				rate = p.max_rate.rate;
			if (p.type != OF13_QUEUE_PROP_MIN_RATE &&
			    p.type != OF13_QUEUE_PROP_MAX_RATE)
				continue;
			of_text_put(t, p.type == OF13_QUEUE_PROP_MIN_RATE ? " min_rate:"
									  : " max_rate:");
			of_text_printf(t, rate <= 1000 ? "%u.%u%%" : "(disabled)", rate / 10,
				       rate % 10);
		}
		of_text_put(t, "\n");
	}
	return true;
}

static bool role_write(struct of_text *t, const uint8_t *msg, size_t size)
{
	static const char *const roles[] = { "nochange", "equal", "primary", "secondary" };
	bool is_request = msg[1] == OF13_TYPE_ROLE_REQUEST;
	struct of13_role_request m;
	struct of13_role_reply r;
	struct of_wire_error e;

	if (!is_request) {
		if (of13_role_reply_get(msg, size, &r, &e) < 0)
			return false;
		m.xid = r.xid;
		m.role = r.role;
		m.generation_id = r.generation_id;
	} else if (of13_role_request_get(msg, size, &m, &e) < 0) {
		return false;
	}
	oft_head_write(t, is_request ? "OFPT_ROLE_REQUEST" : "OFPT_ROLE_REPLY", msg[0], m.xid);
	of_text_printf(t, " role=%s", m.role < 4 ? roles[m.role] : "?");
	if (m.generation_id != UINT64_MAX)
		of_text_printf(t, " generation_id=%" PRIu64, m.generation_id);
	of_text_put(t, "\n");
	return true;
}

static bool bundle_write(struct of_text *t, const uint8_t *msg, size_t size)
{
	static const char *const types[] = { "OPEN_REQUEST",	"OPEN_REPLY",	  "CLOSE_REQUEST",
					     "CLOSE_REPLY",	"COMMIT_REQUEST", "COMMIT_REPLY",
					     "DISCARD_REQUEST", "DISCARD_REPLY" };
	struct of13_bundle_control m;
	struct of_wire_error e;

	if (of13_bundle_control_get(msg, size, &m, &e) < 0)
		return false;
	oft_head_write(t, msg[0] == 4 ? "ONFT_BUNDLE_CONTROL" : "OFPT_BUNDLE_CONTROL", msg[0],
		       m.xid);
	of_text_printf(t, "\n bundle_id=%u type=%s flags=", m.bundle_id,
		       m.type < 8 ? types[m.type] : "?");
	if ((m.flags & 3) == 0)
		of_text_put(t, "0");
	of_text_put(t, (m.flags & 1) != 0 ? "atomic" : "");
	of_text_put(t, (m.flags & 3) == 3 ? " " : "");
	of_text_put(t, (m.flags & 2) != 0 ? "ordered" : "");
	of_text_put(t, "\n");
	return true;
}

// Messages of which the name is all, or the rest is bytes.
static bool plain_write(struct of_text *t, const uint8_t *msg, size_t size)
{
	static const struct {
		uint8_t type;
		const char *name;
	} names[] = {
		{ OF13_TYPE_HELLO, "OFPT_HELLO" },
		{ OF13_TYPE_ECHO_REQUEST, "OFPT_ECHO_REQUEST" },
		{ OF13_TYPE_ECHO_REPLY, "OFPT_ECHO_REPLY" },
		{ OF13_TYPE_FEATURES_REQUEST, "OFPT_FEATURES_REQUEST" },
		{ OF13_TYPE_GET_CONFIG_REQUEST, "OFPT_GET_CONFIG_REQUEST" },
		{ OF13_TYPE_BARRIER_REQUEST, "OFPT_BARRIER_REQUEST" },
		{ OF13_TYPE_BARRIER_REPLY, "OFPT_BARRIER_REPLY" },
	};
	uint32_t xid = of_be32(msg + 4);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].type != msg[1])
			continue;
		oft_head_write(t, names[i].name, msg[0], xid);
		if (msg[1] == OF13_TYPE_ECHO_REQUEST || msg[1] == OF13_TYPE_ECHO_REPLY)
			of_text_printf(t, " %zu bytes of payload", size - 8);
		of_text_put(t, "\n");
		return true;
	}
	return false;
}

static bool message_write(struct of_text *t, const uint8_t *msg, size_t size,
			  const struct of_text_options *o)
{
	switch (msg[1]) {
	case OF13_TYPE_ERROR:
		return error_write(t, msg, size, o);
	case OF13_TYPE_FEATURES_REPLY:
		return features_write(t, msg, size);
	case OF13_TYPE_GET_CONFIG_REPLY:
	case OF13_TYPE_SET_CONFIG:
		return config_write(t, msg, size);
	case OF13_TYPE_PACKET_IN:
		return packet_in_write(t, msg, size, o);
	case OF13_TYPE_FLOW_REMOVED:
		return flow_removed_write(t, msg, size, o);
	case OF13_TYPE_PORT_STATUS:
		return msg[0] == 4 && port_status_write(t, msg, size, o);
	case OF13_TYPE_PACKET_OUT:
		return packet_out_write(t, msg, size, o);
	case OF13_TYPE_FLOW_MOD:
		return flow_mod_write(t, msg, size, o);
	case OF13_TYPE_GROUP_MOD:
		return group_mod_write(t, msg, size, o);
	case OF13_TYPE_PORT_MOD:
		return msg[0] == 4 && port_mod_write(t, msg, size, o);
	case OF13_TYPE_METER_MOD:
		return meter_mod_write(t, msg, size);
	case OF13_TYPE_MULTIPART_REQUEST:
		return oft_multipart_request_write(t, msg, size, o);
	case OF13_TYPE_MULTIPART_REPLY:
		return oft_multipart_reply_write(t, msg, size, o);
	case OF13_TYPE_QUEUE_GET_CONFIG_REPLY:
		return queues_write(t, msg, size, o);
	case OF13_TYPE_ROLE_REQUEST:
	case OF13_TYPE_ROLE_REPLY:
		return role_write(t, msg, size);
	case OF13_TYPE_EXPERIMENTER:
	case OF13_TYPE_BUNDLE_CONTROL:
		return bundle_write(t, msg, size);
	default:
		return plain_write(t, msg, size);
	}
}

void of_text_message(struct of_text *t, const uint8_t *msg, size_t size,
		     const struct of_text_options *o)
{
	static const struct of_text_options none = { 0 };
	char json[2048];
	struct of_wire_error e;

	if (o == NULL)
		o = &none;
	if (size >= 8 && of13_identify(msg, size, &e) >= 0 && message_write(t, msg, size, o))
		return;
	// What has no form of its own, or cannot be read, as the codec tells it.
	(void)of13_print(msg, size, json, sizeof(json));
	of_text_put(t, json);
	of_text_put(t, "\n");
	hex_write(t, msg, size);
}
