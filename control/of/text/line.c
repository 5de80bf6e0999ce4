// Lines of files: [flow|group|meter] [command] TEXT, read and written.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "of13.h"
#include "text_priv.h"

static const char *const commands[] = { "add", "modify", "modify_strict", "delete",
					"delete_strict" };

static bool starts(struct span *line, const char *word)
{
	size_t n = strlen(word);

	if (line->size < n || memcmp(line->at, word, n) != 0 ||
	    (line->size > n && line->at[n] != ' ' && line->at[n] != '\t'))
		return false;
	while (n < line->size && (line->at[n] == ' ' || line->at[n] == '\t'))
		n++;
	*line = (struct span){ line->at + n, line->size - n };
	return true;
}

int of_text_line(const char *text, enum of_text_command command, const struct of_text_ports *ports,
		 struct of_buf *out, struct of_text_error *e)
{
	struct span line = { text, strlen(text) };
	bool is_group, is_meter;
	int rc;

	while (line.size > 0 && (*line.at == ' ' || *line.at == '\t'))
		line = (struct span){ line.at + 1, line.size - 1 };
	is_group = starts(&line, "group");
	is_meter = !is_group && starts(&line, "meter");
	if (!is_group && !is_meter)
		(void)starts(&line, "flow");
	for (uint32_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (starts(&line, commands[i])) {
			command = (enum of_text_command)i;
			break;
		}
	}
	rc = is_group	? of_text_group_mod(line.at, command, ports, out, e)
	     : is_meter ? of_text_meter_mod(line.at, command, out, e)
			: of_text_flow_mod(line.at, command, ports, out, e);
	if (rc == -EINVAL)
		e->at += (size_t)(line.at - text);
	return rc;
}

// --- Writing

static void drop_last(struct of_text *t, char c)
{
	if (t->size > 0 && t->buf[t->size - 1] == c)
		t->buf[--t->size] = '\0';
}

static int write_flow(struct of_text *t, const uint8_t *msg, size_t size,
		      const struct of_text_ports *ports)
{
	struct of13_flow_mod m;
	struct of_wire_error e;
	struct match match;
	bool deletes;

	if (of13_flow_mod_get(msg, size, &m, &e) < 0 || m.command > OF_TEXT_DELETE_STRICT)
		return -EBADMSG;
	deletes = m.command >= OF_TEXT_DELETE;
	of_text_printf(t, "flow %s ", commands[m.command]);
	if (m.table_id != (deletes ? OF13_TABLE_ALL : 0))
		of_text_printf(t, "table=%u,", m.table_id);
	if (m.cookie_mask != 0)
		of_text_printf(t, "cookie=0x%" PRIx64 "/0x%" PRIx64 ",", m.cookie, m.cookie_mask);
	else if (m.cookie != 0)
		of_text_printf(t, "cookie=0x%" PRIx64 ",", m.cookie);
	if (m.idle_timeout != 0 && !deletes)
		of_text_printf(t, "idle_timeout=%u,", m.idle_timeout);
	if (m.hard_timeout != 0 && !deletes)
		of_text_printf(t, "hard_timeout=%u,", m.hard_timeout);
	if (m.out_port != ANY) {
		of_text_put(t, "out_port=");
		of_text_port(t, m.out_port, ports);
		of_text_put(t, ",");
	}
	if (m.out_group != ANY)
		of_text_printf(t, "out_group=%u,", m.out_group);
	oft_flow_flags_write(t, m.flags);
	oft_wire_match_get(m.match, &match);
	oft_match_write(t, &match, m.command == OF_TEXT_DELETE ? PRIORITY : m.priority, ports);
	drop_last(t, ',');
	if (deletes) {
		drop_last(t, ' ');
		return 0;
	}
	of_text_put(t, t->size > 0 && t->buf[t->size - 1] == ' ' ? "actions=" : " actions=");
	of_text_instructions(t, m.instructions, ports);
	return 0;
}

static int write_group(struct of_text *t, const uint8_t *msg, size_t size,
		       const struct of_text_ports *ports)
{
	static const char *const words[] = { "add", "modify", "delete" };
	struct of13_group_mod m;
	struct of_wire_error e;

	if (of13_group_mod_get(msg, size, &m, &e) < 0 || m.command > 2)
		return -EBADMSG;
	of_text_printf(t, "group %s group_id=", words[m.command]);
	if (m.group_id == OF13_GROUP_ALL)
		of_text_put(t, "all");
	else
		of_text_printf(t, "%u", m.group_id);
	if (m.command == OF13_GROUP_MOD_COMMAND_DELETE)
		return 0;
	of_text_put(t, ",type=");
	oft_group_type_write(t, m.type);
	oft_buckets_write(t, m.buckets, m.type, ports);
	return 0;
}

static int write_meter(struct of_text *t, const uint8_t *msg, size_t size)
{
	static const char *const words[] = { "add", "modify", "delete" };
	struct of13_meter_mod m;
	struct of_wire_error e;

	if (of13_meter_mod_get(msg, size, &m, &e) < 0 || m.command > 2)
		return -EBADMSG;
	of_text_printf(t, "meter %s meter=", words[m.command]);
	oft_meter_id_write(t, m.meter_id);
	if (m.command == OF13_METER_MOD_COMMAND_DELETE)
		return 0;
	oft_meter_flags_write(t, m.flags);
	of_text_put(t, m.bands.size > 0 ? " bands=" : "");
	oft_bands_write(t, m.bands, " ");
	drop_last(t, ' ');
	return 0;
}

int of_text_mod(struct of_text *t, const uint8_t *msg, size_t size,
		const struct of_text_ports *ports)
{
	if (size < 8)
		return -EBADMSG;
	switch (msg[1]) {
	case OF13_TYPE_FLOW_MOD:
		return write_flow(t, msg, size, ports);
	case OF13_TYPE_GROUP_MOD:
		return write_group(t, msg, size, ports);
	case OF13_TYPE_METER_MOD:
		return write_meter(t, msg, size);
	default:
		return -EBADMSG;
	}
}
