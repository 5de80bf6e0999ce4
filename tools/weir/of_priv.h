// `weir of`: an OpenFlow 1.3 client, in ovs-ofctl's words.
#ifndef OF_TOOL_PRIV_H
#define OF_TOOL_PRIV_H

#include "of13.h"
#include "of_text.h"
#include "weir_priv.h"

enum {
	OF_SILENCE_MS = 10000,	 // after which a switch is given up
	OF_SEND_MAX = 512 << 20, // bytes of one command
	OF_PORTS = 4096,	 // names that are remembered
};

// --- The connection (of_link.c)

struct of_link {
	int fd; // -1 = none
	char target[256];
	uint8_t *in;
	size_t in_size, in_used, in_cap;
	uint32_t xid;	// the next one
	int silence_ms; // that ends it; 0 = it may be silent for ever
};

// What comes in, whole messages. returns 0 to go on, 1 = done, or an exit code below 0
typedef int (*of_link_take)(void *arg, const uint8_t *msg, size_t size);

// Connect and exchange hellos. returns 0, or an exit code with the reason printed
int of_link_open(struct cli *c, const char *target, struct of_link *l);
void of_link_close(struct of_link *l);
// Send all bytes, and take what comes until take() has what it wants.
// returns 0, or an exit code with the reason printed
int of_link_pump(struct cli *c, struct of_link *l, struct of_list out, of_link_take take,
		 void *arg);

static inline uint32_t of_xid(const uint8_t *msg)
{
	return (uint32_t)msg[4] << 24 | (uint32_t)msg[5] << 16 | (uint32_t)msg[6] << 8 | msg[7];
}
static inline size_t of_size(const uint8_t *msg)
{
	return (size_t)(msg[2] << 8 | msg[3]);
}
void of_xid_put(uint8_t *msg, uint32_t xid);

// --- One command (of.c)

struct of_port_name {
	uint32_t port, config;
	uint8_t mac[6];
	char name[17];
};

struct of_run {
	struct cli *c;
	const struct command *cmd;
	struct of_link link;
	struct of_buf out; // what is to be sent
	struct of_text_ports text_ports;
	struct of_port_name *ports; // ports[n_ports]
	uint32_t n_ports;
	bool has_ports;
	uint32_t ports_xid, barrier_xid; // that are waited for
	// Which line of which file a message is of.
	const char *file;
	uint32_t *lines; // lines[xid - first_xid]
	uint32_t first_xid, n_lines;
	bool in_part; // a later part of a reply comes
	uint32_t n_errors;
	json_t *json;		// what was asked for
	struct of_flows *flows; // collects them: they are not printed
};

// A message with a new number into r->out; line: of the file, 0 = none.
void of_run_number(struct of_run *r, size_t at, uint32_t line);
// Send it all, end with a barrier, print what comes. returns an exit code
int of_run_all(struct of_run *r);
int of_run_error(struct of_run *r, const uint8_t *msg, size_t size);
int of_run_need_ports(struct of_run *r);
// A multipart request without a body, or any other message that was put.
int of_run_put(struct of_run *r, int rc);
// A text that is no flow, group or meter, of a line of a file or of the command. returns the exit
// code
int of_run_refused(struct of_run *r, const struct of_text_error *e, uint32_t line);

// Commands with files (of_file.c).
int of_run_file(struct of_run *r, const char *path, enum of_text_command command);
int of_run_bundle(struct of_run *r, const char *path, enum of_text_command command);
int of_run_parse(struct of_run *r, const char *path); // NULL = the flow of the command
// The message at out[at] was made of that line. returns 0 or an exit code
typedef int (*of_line_done)(struct of_run *r, size_t at, uint32_t line);
int of_read_file(struct of_run *r, const char *path, enum of_text_command command,
		 of_line_done done);
// A bundle around messages that are put one after the other. return an exit code
int of_bundle_open(struct of_run *r);
int of_bundle_add(struct of_run *r, size_t at, uint32_t line);
int of_bundle_commit(struct of_run *r, const char *path);

// The switch's flows and those of a file (of_replace.c): replaced, or only what differs printed.
// returns an exit code; EXIT_REFUSED = they differ
int of_run_replace(struct of_run *r, const char *path, bool replace);
void of_flows_take(struct of_flows *l, const uint8_t *msg, size_t size);

// A reply as JSON (of_json.c), added to *all.
void of_json_add(json_t *all, const uint8_t *msg, size_t size, const struct of_text_ports *ports);

#endif
