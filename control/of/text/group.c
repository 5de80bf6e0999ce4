// Groups, meters and packet-outs.
#include <errno.h>
#include <string.h>

#include "of13.h"
#include "text_priv.h"

static const struct {
	const char *name;
	uint8_t type;
} types[] = {
	{ "all", OF13_GROUP_TYPE_ALL },		  { "select", OF13_GROUP_TYPE_SELECT },
	{ "indirect", OF13_GROUP_TYPE_INDIRECT }, { "ff", OF13_GROUP_TYPE_FF },
	{ "fast_failover", OF13_GROUP_TYPE_FF },
};

struct group {
	struct of_buf buckets;
	uint32_t id, n_buckets;
	uint8_t type;
	bool has_id, has_type;
};

// Where the next bucket of s begins: its text is cut off there.
static struct span bucket_end(struct span s)
{
	size_t depth = 0;

	for (size_t i = 0; i < s.size; i++) {
		size_t left = s.size - i;

		if (s.at[i] == '(')
			depth++;
		else if (s.at[i] == ')' && depth > 0)
			depth--;
		else if (depth == 0 && (s.at[i] == ',' || s.at[i] == ' ') &&
			 ((left > 8 && memcmp(s.at + i + 1, "bucket=", 7) == 0) ||
			  (left > 9 && memcmp(s.at + i + 1, "buckets=", 8) == 0)))
			return (struct span){ s.at, i };
	}
	return s;
}

// returns 1; 0 = it is an action; -EINVAL
static int bucket_word(const struct scan *s, const struct word *w, uint8_t type,
		       struct of13_bucket *b)
{
	uint64_t n;
	int rc;

	if (oft_span_is(w->key, "weight")) {
		rc = oft_word_number(s, w, 0xffff, &n);
		if (rc == 0 && type != OF13_GROUP_TYPE_SELECT && n != 0)
			return oft_scan_error(s, w->whole,
					      "only groups of type select have weights");
		b->weight = (uint16_t)n;
		return rc < 0 ? rc : 1;
	}
	if (oft_span_is(w->key, "watch_port")) {
		rc = oft_scan_port(s, w->value, &b->watch_port);
		return rc < 0 ? rc : 1;
	}
	if (oft_span_is(w->key, "watch_group")) {
		rc = oft_word_number(s, w, ANY, &n);
		b->watch_group = (uint32_t)n;
		return rc < 0 ? rc : 1;
	}
	// OpenFlow 1.5's; ovs-ofctl leaves it out for 1.3, too.
	if (oft_span_is(w->key, "bucket_id")) {
		rc = oft_word_number(s, w, ANY, &n);
		return rc < 0 ? rc : 1;
	}
	return 0;
}

static int read_bucket(const struct scan *s, struct span text, struct group *g)
{
	struct of13_bucket b = { .weight = g->type == OF13_GROUP_TYPE_SELECT,
				 .watch_port = ANY,
				 .watch_group = ANY };
	struct scan in = oft_scan_inside(s, text);
	struct of_buf actions = { 0 };
	struct span list = { text.at + text.size, 0 };
	struct word w;
	int rc;

	while ((rc = oft_scan_word(&in, &w)) > 0) {
		if (oft_span_is(w.key, "actions") || oft_span_is(w.key, "action")) {
			list = oft_scan_remainder(&in, &w);
			break;
		}
		rc = bucket_word(s, &w, g->type, &b);
		if (rc < 0)
			return rc;
		if (rc == 0) {
			list = (struct span){ w.whole.at,
					      (size_t)(text.at + text.size - w.whole.at) };
			break;
		}
	}
	rc = rc < 0 ? rc : oft_actions_read(s, list, NULL, &actions);
	b.actions = of_buf_list(&actions);
	rc = rc < 0 ? rc : of13_bucket_put(&g->buckets, &b);
	of_buf_fini(&actions);
	g->n_buckets++;
	return rc;
}

static int group_word(const struct scan *s, const struct word *w, struct group *g)
{
	uint64_t n = 0;
	int rc;

	if (oft_span_is(w->key, "group_id")) {
		g->has_id = true;
		g->id = OF13_GROUP_ALL;
		if (oft_span_is(w->value, "all"))
			return 0;
		rc = oft_word_number(s, w, OF13_GROUP_MAX, &n);
		g->id = (uint32_t)n;
		return rc;
	}
	if (!oft_span_is(w->key, "type"))
		return oft_scan_error(s, w->whole, "no such word of a group in OpenFlow 1.3");
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (oft_span_is(w->value, types[i].name)) {
			g->type = types[i].type;
			g->has_type = true;
			return 0;
		}
	}
	return oft_scan_error(s, w->whole, "types are all, select, indirect and ff");
}

static int group_read(struct scan *s, struct group *g)
{
	struct word w;
	int rc;

	while ((rc = oft_scan_word(s, &w)) > 0) {
		if (oft_span_is(w.key, "bucket") || oft_span_is(w.key, "buckets")) {
			struct span rest = oft_scan_remainder(s, &w), one = bucket_end(rest);

			if (w.delimiter != '=')
				return oft_scan_error(s, w.whole, "wants bucket=...");
			s->rest = (struct span){ one.at + one.size, rest.size - one.size };
			rc = read_bucket(s, one, g);
		} else if (g->n_buckets > 0) {
			return oft_scan_error(s, w.whole, "stands behind the buckets");
		} else {
			rc = group_word(s, &w, g);
		}
		if (rc < 0)
			return rc;
	}
	return rc;
}

int of_text_group_mod(const char *text, enum of_text_command command,
		      const struct of_text_ports *ports, struct of_buf *out,
		      struct of_text_error *e)
{
	struct of13_group_mod m = { .command = command == OF_TEXT_ADD ? OF13_GROUP_MOD_COMMAND_ADD
					       : command == OF_TEXT_MODIFY ||
							       command == OF_TEXT_MODIFY_STRICT
						       ? OF13_GROUP_MOD_COMMAND_MODIFY
						       : OF13_GROUP_MOD_COMMAND_DELETE };
	bool deletes = m.command == OF13_GROUP_MOD_COMMAND_DELETE;
	struct group g = { .id = OF13_GROUP_ALL };
	struct span all = { text, strlen(text) };
	struct scan s;
	int rc;

	rc = oft_scan_init(&s, text, ports, e);
	rc = rc < 0 ? rc : group_read(&s, &g);
	if (rc == 0 && !deletes && (!g.has_id || g.id == OF13_GROUP_ALL))
		rc = oft_scan_error(&s, all, "group_id=NUMBER is missing");
	if (rc == 0 && !deletes && !g.has_type)
		rc = oft_scan_error(&s, all, "type=... is missing");
	if (rc == 0 && deletes && (g.n_buckets > 0 || g.has_type))
		rc = oft_scan_error(&s, all, "only group_id is wanted of what is deleted");
	if (rc == 0 && g.type == OF13_GROUP_TYPE_INDIRECT && !deletes && g.n_buckets != 1)
		rc = oft_scan_error(&s, all, "a group of type indirect has one bucket");
	m.type = g.type;
	m.group_id = g.id;
	m.buckets = of_buf_list(&g.buckets);
	rc = rc < 0 ? rc : of13_group_mod_put(out, &m);
	of_buf_fini(&g.buckets);
	return rc;
}

// --- Meters

static const struct {
	const char *name;
	uint16_t flag;
} meter_flags[] = {
	{ "kbps", OF13_METER_FLAG_KBPS },
	{ "pktps", OF13_METER_FLAG_PKTPS },
	{ "burst", OF13_METER_FLAG_BURST },
	{ "stats", OF13_METER_FLAG_STATS },
};

struct meter {
	struct of_buf bands;
	struct of13_band band; // that is being read
	uint32_t id;
	uint16_t flags;
	bool has_id, has_band, has_rate;
	uint8_t prec_level;
};

static int band_put(const struct scan *s, struct meter *m)
{
	if (!m->has_band)
		return 0;
	m->has_band = false;
	if (!m->has_rate)
		return oft_scan_error(s, (struct span){ s->text, 0 }, "a band wants its rate");
	if (m->band.type == OF13_BAND_DSCP_REMARK)
		m->band.dscp_remark.prec_level = m->prec_level;
	return of13_band_put(&m->bands, &m->band);
}

static int band_begin(const struct scan *s, const struct word *w, struct meter *m)
{
	int rc = band_put(s, m);

	if (rc < 0)
		return rc;
	m->band = (struct of13_band){ .type = OF13_BAND_DROP };
	m->has_band = true;
	m->has_rate = false;
	m->prec_level = 0;
	if (oft_span_is(w->value, "dscp_remark"))
		m->band.type = OF13_BAND_DSCP_REMARK;
	else if (!oft_span_is(w->value, "drop"))
		return oft_scan_error(s, w->whole, "bands are of type drop or dscp_remark");
	return 0;
}

static int band_word(const struct scan *s, const struct word *w, struct meter *m)
{
	bool is_rate = oft_span_is(w->key, "rate");
	uint64_t n = 0;
	int rc;

	if (oft_span_is(w->key, "type"))
		return band_begin(s, w, m);
	if (!m->has_band)
		return oft_scan_error(s, w->whole, "no such word of a meter");
	if (is_rate || oft_span_is(w->key, "burst_size")) {
		rc = oft_word_number(s, w, 0xffffffff, &n);
		*(is_rate ? &m->band.rate : &m->band.burst_size) = (uint32_t)n;
		m->has_rate |= is_rate;
		return rc;
	}
	if (!oft_span_is(w->key, "prec_level"))
		return oft_scan_error(s, w->whole, "no such word of a band");
	if (m->band.type != OF13_BAND_DSCP_REMARK)
		return oft_scan_error(s, w->whole, "only bands of type dscp_remark have it");
	rc = oft_word_number(s, w, 255, &n);
	m->prec_level = (uint8_t)n;
	return rc;
}

static int meter_id(const struct scan *s, const struct word *w, struct meter *m)
{
	static const struct {
		const char *name;
		uint32_t id;
	} names[] = { { "all", OF13_METER_ALL },
		      { "controller", OF13_METER_CONTROLLER },
		      { "slowpath", OF13_METER_SLOWPATH } };
	uint64_t n = 0;
	int rc;

	m->has_id = true;
	for (size_t i = 0; i < 3; i++) {
		if (oft_span_is(w->value, names[i].name)) {
			m->id = names[i].id;
			return 0;
		}
	}
	rc = oft_word_number(s, w, OF13_METER_MAX, &n);
	if (rc == 0 && n == 0)
		return oft_scan_error(s, w->whole, "meters begin at 1");
	m->id = (uint32_t)n;
	return rc;
}

static int meter_word(const struct scan *s, const struct word *w, struct meter *m)
{
	if (oft_span_is(w->key, "meter"))
		return meter_id(s, w, m);
	for (size_t i = 0; i < 4 && w->delimiter == 0; i++) {
		if (oft_span_is(w->key, meter_flags[i].name)) {
			m->flags |= meter_flags[i].flag;
			return 0;
		}
	}
	return band_word(s, w, m);
}

static int meter_read(struct scan *s, struct meter *m)
{
	struct word w;
	int rc;

	while ((rc = oft_scan_word(s, &w)) > 0) {
		if (oft_span_is(w.key, "bands") || oft_span_is(w.key, "band")) {
			s->rest = oft_scan_remainder(s, &w); // type=..., as words of their own
			continue;
		}
		rc = meter_word(s, &w, m);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : band_put(s, m);
}

static int meter_check(const struct scan *s, bool deletes, struct meter *m)
{
	struct span all = { s->text, strlen(s->text) };
	unsigned both = OF13_METER_FLAG_KBPS | OF13_METER_FLAG_PKTPS;

	if (deletes)
		return m->bands.size == 0 && m->flags == 0
			       ? 0
			       : oft_scan_error(s, all, "only meter is wanted of what is deleted");
	if (!m->has_id || m->id == OF13_METER_ALL)
		return oft_scan_error(s, all, "meter=NUMBER is missing");
	if ((m->flags & both) == both)
		return oft_scan_error(s, all, "kbps or pktps, not both");
	if ((m->flags & both) == 0)
		m->flags |= OF13_METER_FLAG_KBPS;
	return 0;
}

int of_text_meter_mod(const char *text, enum of_text_command command, struct of_buf *out,
		      struct of_text_error *e)
{
	bool deletes = command == OF_TEXT_DELETE || command == OF_TEXT_DELETE_STRICT;
	struct meter m = { .id = OF13_METER_ALL };
	struct of13_meter_mod msg = { 0 };
	struct scan s;
	int rc;

	rc = oft_scan_init(&s, text, NULL, e);
	rc = rc < 0 ? rc : meter_read(&s, &m);
	rc = rc < 0 ? rc : meter_check(&s, deletes, &m);
	msg.command = deletes		       ? OF13_METER_MOD_COMMAND_DELETE
		      : command == OF_TEXT_ADD ? OF13_METER_MOD_COMMAND_ADD
					       : OF13_METER_MOD_COMMAND_MODIFY;
	msg.flags = m.flags;
	msg.meter_id = m.id;
	msg.bands = of_buf_list(&m.bands);
	rc = rc < 0 ? rc : of13_meter_mod_put(out, &msg);
	of_buf_fini(&m.bands);
	return rc;
}

// --- Packet-out

static int read_hex(const struct scan *s, struct span text, struct of_buf *out)
{
	uint64_t n;
	uint8_t *to;

	if (text.size % 2 != 0 || text.size == 0)
		return oft_scan_error(s, text, "a frame is an even number of hex digits");
	if (text.size / 2 > 65000)
		return oft_scan_error(s, text, "longer than a message holds");
	to = of_buf_grow(out, text.size / 2);
	if (to == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < text.size / 2; i++) {
		char digits[4] = { '0', 'x', text.at[2 * i], text.at[2 * i + 1] };

		if (oft_span_number((struct span){ digits, 4 }, 255, &n) != 0)
			return oft_scan_error(s, text, "a frame is hex digits");
		to[i] = (uint8_t)n;
	}
	return 0;
}

static int packet_read(struct scan *s, struct of13_packet_out *m, struct of_buf *actions,
		       struct of_buf *frame)
{
	struct word w;
	int rc;

	while ((rc = oft_scan_word(s, &w)) > 0) {
		if (oft_span_is(w.key, "actions") || oft_span_is(w.key, "action"))
			return oft_actions_read(s, oft_scan_remainder(s, &w), NULL, actions);
		if (oft_span_is(w.key, "in_port"))
			rc = oft_scan_port(s, w.value, &m->in_port);
		else if (oft_span_is(w.key, "packet") && frame->size == 0)
			rc = read_hex(s, w.value, frame);
		else
			rc = oft_scan_error(s, w.whole,
					    "a packet-out has in_port, packet and actions");
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc
		      : oft_scan_error(s, (struct span){ s->text, 0 }, "actions=... is missing");
}

int of_text_packet_out(const char *text, const struct of_text_ports *ports, struct of_buf *out,
		       struct of_text_error *e)
{
	struct of13_packet_out m = { .buffer_id = OF13_BUFFER_NONE,
				     .in_port = OF13_PORT_CONTROLLER };
	struct of_buf actions = { 0 }, frame = { 0 };
	struct scan s;
	int rc;

	rc = oft_scan_init(&s, text, ports, e);
	rc = rc < 0 ? rc : packet_read(&s, &m, &actions, &frame);
	if (rc == 0 && frame.size == 0)
		rc = oft_scan_error(&s, (struct span){ text, 0 }, "packet=HEX is missing");
	m.actions = of_buf_list(&actions);
	m.data = of_buf_list(&frame);
	rc = rc < 0 ? rc : of13_packet_out_put(out, &m);
	of_buf_fini(&actions);
	of_buf_fini(&frame);
	return rc;
}
