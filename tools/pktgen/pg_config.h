// What a run is to do, as settings say it: `key=value`, from the command line and from profile
// files.
#ifndef PG_CONFIG_H
#define PG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "weir_err.h"

enum {
	PG_PORTS_MAX = 512,
	PG_STREAMS_MAX = 64,
	PG_SIZES_MAX = 8,
	PG_DEPTH_MAX = 64,
	PG_FLOWS_MAX = 1 << 20,
	PG_ARG_BYTES = 128,
	PG_NAME_BYTES = 32,
	PG_SIZE_MIN = 64,
	PG_SIZE_MAX = 9000, // a frame that is not a super-frame
	PG_SUPER_SIZE_MAX = 65000,
	PG_ALL = -1,	 // from: each port
	PG_TO_PAIR = -1, // 0 <-> 1, 2 <-> 3, ...
	PG_TO_NEXT = -2, // 0 -> 1 -> 2 -> ... -> 0
};

enum pg_port_kind {
	PG_PORT_LISTEN,
	PG_PORT_CONNECT,
	PG_PORT_ETH,
	PG_PORT_COPY, // a plain ring copy to its partner
};

struct pg_port_cfg {
	enum pg_port_kind kind;
	char arg[PG_ARG_BYTES]; // socket path; device arguments
	uint64_t rx_pps;	// a slow guest; 0 = never reads, UINT64_MAX = as fast as it can
	uint32_t churn;		// detach and attach so many times
};

enum pg_kind {
	PG_FLOOD,
	PG_ISCSI,
};

enum pg_l4 {
	PG_UDP,
	PG_TCP,
	PG_MIX, // every other flow
};

struct pg_size {
	uint32_t bytes, weight;
};

struct pg_stream_cfg {
	char name[PG_NAME_BYTES];
	enum pg_kind kind;
	int from_first, from_last; // PG_ALL in both = each port
	int to;
	struct pg_size sizes[PG_SIZES_MAX]; // n_sizes == 0: uniform between size_min and size_max
	uint32_t n_sizes, size_min, size_max;
	uint32_t tso_segment_bytes;	   // 0 = no super-frames
	uint32_t flows, macs, vlan, dport; // dport 0: discard
	// Bits in which flows differ from flow 0's.
	uint32_t spread_src, spread_dst, spread_dport, spread_sport;
	enum pg_l4 l4;
	uint64_t rate_pps, rate_bits_per_s; // at most one is not 0; both 0 = as fast as it goes
	bool random, verify;
	bool write; // iscsi
	uint32_t io_bytes, depth, mtu_bytes;
	uint64_t think_ns, service_ns;
};

enum pg_huge {
	PG_HUGE_AUTO,
	PG_HUGE_ON,
	PG_HUGE_OFF,
};

struct pg_config {
	struct pg_port_cfg ports[PG_PORTS_MAX];
	struct pg_stream_cfg streams[PG_STREAMS_MAX];
	struct pg_stream_cfg defaults; // what a stream begins with
	uint32_t n_ports, n_streams;
	uint32_t queue_size, pairs, rx_buffer_bytes, piece_bytes;
	bool mergeable, indirect, event_idx, packed, csum, lossless;
	uint32_t copy_cpu; // UINT32_MAX = anywhere
	enum pg_huge huge;
	uint64_t attach_ns, warm_up_ns, duration_ns, interval_ns, seed;
};

void pg_config_init(struct pg_config *c);

// Take one `key=value`.
//
// returns  0; -EINVAL with the key, the value and what is possible
int pg_config_set(struct pg_config *c, const char *setting, struct weir_err *err);

// Take a profile: one `key = value` a line, # begins a comment.
//
// returns  0; negative errno with file and line
int pg_config_load(struct pg_config *c, const char *path, struct weir_err *err);

// After the last setting: is the whole possible? Adds the one stream of a run that names none.
int pg_config_finish(struct pg_config *c, struct weir_err *err);

// Bytes of the longest frame of a finished configuration; room for an iscsi command in any case.
uint32_t pg_config_longest_frame(const struct pg_config *c);

// All keys with their meaning and default, for --help.
void pg_config_help(void);

#endif
