// Inside of of_stats.c and of_features.c: answers of several parts.
#ifndef OF_STATS_H
#define OF_STATS_H

#include "of_ops.h"

struct of_job {
	struct of_job *next;
	struct of_conn *c;
	struct of_buf body; // elements that were not sent yet
	struct of_select select;
	uint64_t n_pkts, n_bytes; // aggregate
	uint32_t xid, n_flows, queue;
	uint32_t at; // where to go on: place in a table, or number
	uint16_t type;
	uint8_t version, table;
	bool one;      // of this number only
	bool full;     // the body is enough for a message
	bool answered; // by a message that is no list
};

// --- of_features.c
// desc, group-features, meter-features
void of_stats_describe(const struct of_agent *a, uint16_t type, struct of13_multipart_reply *out);
void of_table_features_put(struct of_buf *b, const struct of_agent *a, uint8_t table);
// A request that has tables wants them to be so. returns 0 = it only asks; or -EINVAL and *e
int of_table_features_check(struct of_list tables, struct of_wire_error *e);

#endif
