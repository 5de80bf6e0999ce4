// Flows: add-flow, mod-flows, del-flows, and the matches of dump-flows.
#include <errno.h>
#include <string.h>

#include "of13.h"
#include "text_priv.h"

// A flow as it was read.
struct flow {
	struct match match;
	struct program program;
	uint64_t cookie, cookie_mask;
	uint32_t out_port, out_group;
	uint16_t priority, idle_timeout, hard_timeout, flags;
	uint8_t table;
	bool has_table, has_actions, has_cookie, has_cookie_mask, has_priority;
};

static const struct {
	const char *name;
	uint16_t flag;
} flag_names[] = {
	{ "send_flow_rem", OF13_FLOW_MOD_FLAG_SEND_FLOW_REM },
	{ "check_overlap", OF13_FLOW_MOD_FLAG_CHECK_OVERLAP },
	{ "reset_counts", OF13_FLOW_MOD_FLAG_RESET_COUNTS },
	{ "no_packet_counts", OF13_FLOW_MOD_FLAG_NO_PKT_COUNTS },
	{ "no_byte_counts", OF13_FLOW_MOD_FLAG_NO_BYT_COUNTS },
};

// What a dump says beside the flow: it can be loaded as it is.
static bool is_counter(struct span key)
{
	static const char *const names[] = { "duration", "n_packets", "n_bytes", "idle_age",
					     "hard_age" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (oft_span_is(key, names[i]))
			return true;
	}
	return false;
}

static int read_cookie(const struct scan *s, const struct word *w, struct flow *f)
{
	struct span value = w->value, mask;

	f->has_cookie_mask = oft_span_split(&value, "/", &mask);
	f->has_cookie = true;
	if (oft_span_number(value, UINT64_MAX, &f->cookie) != 0 ||
	    (f->has_cookie_mask && oft_span_number(mask, UINT64_MAX, &f->cookie_mask) != 0))
		return oft_scan_error(s, w->whole, "wants COOKIE or COOKIE/MASK, of 64 bits");
	return 1;
}

static int read_port(const struct scan *s, const struct word *w, struct flow *f)
{
	uint64_t n;
	int rc;

	if (oft_span_is(w->key, "out_port")) {
		rc = oft_scan_port(s, w->value, &f->out_port);
		return rc < 0 ? rc : 1;
	}
	if (!oft_span_is(w->key, "out_group"))
		return 0;
	rc = oft_word_number(s, w, ANY, &n);
	f->out_group = (uint32_t)n;
	return rc < 0 ? rc : 1;
}

static int read_number(const struct scan *s, const struct word *w, struct flow *f)
{
	const struct {
		const char *name;
		uint64_t max;
		uint16_t *to;
	} numbers[] = {
		{ "priority", 0xffff, &f->priority },
		{ "idle_timeout", 0xffff, &f->idle_timeout },
		{ "hard_timeout", 0xffff, &f->hard_timeout },
	};
	uint64_t n;
	int rc;

	if (oft_span_is(w->key, "table")) {
		rc = oft_word_number(s, w, 255, &n);
		f->table = (uint8_t)n;
		f->has_table = true;
		return rc < 0 ? rc : 1;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!oft_span_is(w->key, numbers[i].name))
			continue;
		rc = oft_word_number(s, w, numbers[i].max, &n);
		*numbers[i].to = (uint16_t)n;
		f->has_priority |= i == 0;
		return rc < 0 ? rc : 1;
	}
	return 0;
}

static int read_flag(const struct word *w, struct flow *f)
{
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
		if (w->delimiter == 0 && oft_span_is(w->key, flag_names[i].name)) {
			f->flags |= flag_names[i].flag;
			return 1;
		}
	}
	return 0;
}

static int flow_word(const struct scan *s, const struct word *w, struct flow *f)
{
	int rc;

	if (is_counter(w->key) && w->delimiter == '=')
		return 1;
	if (oft_span_is(w->key, "cookie") && w->delimiter == '=')
		return read_cookie(s, w, f);
	if (oft_span_is(w->key, "importance"))
		return oft_scan_error(s, w->whole, "importance is of OpenFlow 1.4");
	rc = read_number(s, w, f);
	rc = rc != 0 ? rc : read_port(s, w, f);
	rc = rc != 0 ? rc : read_flag(w, f);
	rc = rc != 0 ? rc : oft_match_word(s, w, &f->match);
	if (rc == 0 && w->delimiter == 0)
		return oft_scan_error(s, w->whole,
				      "no such word of a flow, or its value is missing");
	return rc != 0 ? rc : oft_scan_error(s, w->whole, "no such field of a flow");
}

static int flow_read(struct scan *s, struct flow *f)
{
	struct span all = s->rest, actions = { 0 };
	struct word w;
	int rc;

	f->out_port = f->out_group = ANY;
	f->priority = PRIORITY;
	while ((rc = oft_scan_word(s, &w)) > 0) {
		if (oft_span_is(w.key, "actions") || oft_span_is(w.key, "action")) {
			if (w.delimiter != '=')
				return oft_scan_error(s, w.whole, "wants actions=...");
			actions = oft_scan_remainder(s, &w);
			f->has_actions = true;
			break;
		}
		rc = flow_word(s, &w, f);
		if (rc < 0)
			return rc;
	}
	rc = rc < 0 ? rc : oft_match_end(s, &f->match, all);
	if (rc < 0 || !f->has_actions)
		return rc;
	return oft_program_read(s, actions, &f->match, &f->program);
}

// --- Messages

static int flow_check(const struct scan *s, enum of_text_command command, const struct flow *f)
{
	struct span all = { s->text, strlen(s->text) };
	bool deletes = command == OF_TEXT_DELETE || command == OF_TEXT_DELETE_STRICT;

	// What the switch would not look at would delete more than was meant.
	if (command == OF_TEXT_DELETE && f->has_priority)
		return oft_scan_error(s, all,
				      "the priority counts only in a strict deletion (--strict, or "
				      "delete_strict in a file)");
	if (deletes && (f->idle_timeout != 0 || f->hard_timeout != 0))
		return oft_scan_error(s, all, "flows cannot be told apart by their timeouts");
	if (!deletes && !f->has_actions)
		return oft_scan_error(s, all, "actions=... is missing");
	if (deletes && f->has_actions)
		return oft_scan_error(s, all, "what is deleted has no actions");
	if (deletes && f->has_cookie && !f->has_cookie_mask)
		return oft_scan_error(s, all, "say which bits of the cookie count: cookie=.../-1");
	if (command == OF_TEXT_ADD && f->has_cookie_mask)
		return oft_scan_error(s, all, "what is added has a cookie without a mask");
	if (!deletes && f->table == OF13_TABLE_ALL)
		return oft_scan_error(s, all, "one table, 0..254; all of them only for deletion");
	return 0;
}

static int flow_put(struct of_buf *out, enum of_text_command command, const struct flow *f)
{
	struct of_buf match = { 0 }, instructions = { 0 };
	bool deletes = command == OF_TEXT_DELETE || command == OF_TEXT_DELETE_STRICT;
	struct of13_flow_mod m = {
		.command = (uint8_t)command,
		.cookie = deletes && f->cookie_mask == 0 ? 0 : f->cookie,
		.cookie_mask = f->cookie_mask,
		.table_id = f->has_table ? f->table
			    : deletes	 ? OF13_TABLE_ALL
					 : 0,
		.idle_timeout = f->idle_timeout,
		.hard_timeout = f->hard_timeout,
		.priority = f->priority,
		.buffer_id = OF13_BUFFER_NONE,
		.out_port = f->out_port,
		.out_group = f->out_group,
		.flags = f->flags,
	};
	int rc = oft_wire_match_put(&match, &f->match);

	rc = rc < 0 ? rc : oft_wire_program_put(&instructions, &f->program);
	m.match = of_buf_list(&match);
	m.instructions = of_buf_list(&instructions);
	rc = rc < 0 ? rc : of13_flow_mod_put(out, &m);
	of_buf_fini(&match);
	of_buf_fini(&instructions);
	return rc;
}

int of_text_flow_mod(const char *text, enum of_text_command command,
		     const struct of_text_ports *ports, struct of_buf *out, struct of_text_error *e)
{
	struct flow f = { 0 };
	struct scan s;
	int rc;

	rc = oft_scan_init(&s, text, ports, e);
	rc = rc < 0 ? rc : flow_read(&s, &f);
	rc = rc < 0 ? rc : flow_check(&s, command, &f);
	rc = rc < 0 ? rc : flow_put(out, command, &f);
	oft_program_fini(&f.program);
	return rc;
}

int of_text_flow_request(const char *text, bool aggregate, const struct of_text_ports *ports,
			 struct of_buf *out, struct of_text_error *e)
{
	struct of13_multipart_request m = { .type = aggregate ? OF13_MULTIPART_AGGREGATE
							      : OF13_MULTIPART_FLOW };
	struct of13_flow_filter *filter = aggregate ? &m.aggregate : &m.flow;
	struct of_buf match = { 0 };
	struct flow f = { 0 };
	struct scan s;
	int rc;

	rc = oft_scan_init(&s, text, ports, e);
	rc = rc < 0 ? rc : flow_read(&s, &f);
	if (rc == 0 && f.has_priority)
		rc = oft_scan_error(&s, (struct span){ text, strlen(text) },
				    "a switch cannot be asked by priority");
	rc = rc < 0 ? rc : flow_check(&s, OF_TEXT_DELETE, &f);
	rc = rc < 0 ? rc : oft_wire_match_put(&match, &f.match);
	*filter = (struct of13_flow_filter){
		.table_id = f.has_table ? f.table : OF13_TABLE_ALL,
		.out_port = f.out_port,
		.out_group = f.out_group,
		.cookie = f.cookie,
		.cookie_mask = f.cookie_mask,
		.match = of_buf_list(&match),
	};
	rc = rc < 0 ? rc : of13_multipart_request_put(out, &m);
	of_buf_fini(&match);
	oft_program_fini(&f.program);
	return rc;
}
