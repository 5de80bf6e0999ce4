// The weir command: a thin client of the daemon's socket. JSON in, tables out.
#ifndef WEIR_PRIV_H
#define WEIR_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

// Exit codes: what a script needs to tell apart.
enum { EXIT_OK = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

struct cli {
	const char *socket_path;
	bool json;
	int fd; // connection, -1 = none
};

// Connect. returns 0 or EXIT_UNREACHABLE with the reason printed
int cli_connect(struct cli *c);
// Send one request (ownership taken) and read the answer's line. The answer's "data" is returned
// (json_decref it), or NULL with *rc set and the reason printed.
json_t *cli_call(struct cli *c, const char *op, json_t *args, int *rc);
// The same without waiting for more than the first line; what follows on the connection is the
// caller's.
int cli_open_stream(struct cli *c, const char *op, json_t *args);

// Tables (render.c)
void show_ports(const json_t *data);
void show_port(const json_t *data);
void show_macs(const json_t *data);
void show_vms(const json_t *data, bool events);
void show_classes(const json_t *data);
void show_drops(const json_t *data);
void show_system(const json_t *data);
void show_responder(const json_t *data);
// true when neither a port nor a VM is in it
bool show_is_empty(const json_t *data);
// MAC address of the one port in data, or ""
const char *port_mac(const json_t *data);
void show_explain(const json_t *data);
void show_trace_line(const json_t *record);

// Build a frame from words like "src=52:54:00:00:00:01 ip=10.0.0.1,10.0.0.2 tcp=1024,3260 vlan=20"
// into frame[9728]. src: MAC address where no word says one. returns its size, or 0 with the reason
// printed
size_t describe_frame(char *const *words, int n, const char *src, uint8_t *frame);

// A libpcap expression compiled to hexadecimal instructions; free() it. NULL = reason printed
char *filter_compile(const char *expression);

#endif
