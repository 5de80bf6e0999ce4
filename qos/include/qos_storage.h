// Who waits for which storage portal, and how long: the main thread's side of the PDU trackers.
//
// A *connection* is client and portal address, ports and protocol; both directions meet here. A
// *row* is what is known about one VM at one portal: counters and histograms, summed over its
// connections. Everything is bounded and made at creation; what finds a table full is counted, and
// the rest goes on: with commands outstanding that no slot is left for, one in some is measured.
//
// A command's time is from when its request came in until its answer's last PDU came in, at the
// switch's ports: network, server and disk, and the switch's own queue towards the network. The
// switch's queues are told separately, request's and answer's (qos_storage_wait).
//
// thread  one at a time
#ifndef QOS_STORAGE_H
#define QOS_STORAGE_H

#include "qos_pdu.h"

#define QOS_HIST_BINS 256

// Log-linear: 8 bins per power of two of ns, so a quantile is exact to 12.5 %; sums are exact.
struct qos_hist {
	uint64_t n, sum_ns, max_ns;
	uint32_t bin[QOS_HIST_BINS];
};
void qos_hist_add(struct qos_hist *h, uint64_t ns);
// Upper edge of the bin in which the quantile lies, at most max_ns; permille 0..1000; 0 when empty.
uint64_t qos_hist_quantile(const struct qos_hist *h, uint32_t permille);
// a += b
void qos_hist_merge(struct qos_hist *a, const struct qos_hist *b);
// since = now - before, for windows; max_ns of it is that of now
void qos_hist_since(const struct qos_hist *now, const struct qos_hist *before,
		    struct qos_hist *since);

struct qos_conn_key {
	struct qos_addr client, portal;
	uint16_t client_port, portal_port;
	uint8_t proto;
	uint8_t reserved[3];
};

struct qos_storage_params {
	uint32_t n_vms;		// VM indexes are below; 0 = nobody's
	uint32_t n_conns;	// at most
	uint32_t n_rows;	// at most
	uint32_t n_outstanding; // commands, over all connections
	uint64_t idle_ns;	// connections silent for so long are forgotten
};

// What happened, for those who want to act on it.
struct qos_storage_events {
	void *ctx;
	// A login was answered with success. firmware: it looks like iPXE's or another boot ROM's
	// (MaxRecvDataSegmentLength 8192 or the initiator's name); again: this VM has logged in to
	// this target before, since qos_storage_forget_logins.
	void (*login)(void *ctx, uint16_t vm_idx, const char *initiator, const char *target,
		      bool firmware, bool again, uint64_t ns);
	// The server at `teacher` told of a portal.
	void (*portal)(void *ctx, const struct qos_addr *teacher, const struct qos_portal *p,
		       uint64_t ns);
};

// Of one VM at one portal. Counters only grow.
struct qos_storage_row {
	uint16_t vm_idx;
	struct qos_portal portal;
	uint32_t
		conns_now; // open connections (sessions, where the protocol has one per connection)
	uint32_t outstanding_now;
	uint64_t oldest_ns; // when the oldest command that waits was sent; 0 = none waits
	uint64_t logins, redirects, conns;
	uint64_t lost[QOS_N_LOST]; // streams that lost their place
	uint64_t unmatched;  // answers without a request, or requests that were never answered
	uint64_t unmeasured; // commands for which there was no slot
	uint64_t errors;     // answers with a status that is not good
	uint64_t bytes[QOS_N_OPS]; // asked for
	struct qos_hist took[QOS_N_OPS];
	uint64_t wait_out_ns, wait_in_ns; // in the switch's queues: requests, answers; sums
	uint64_t wait_out_n, wait_in_n;	  // of those that stood in one
	uint64_t last_ns;
	bool digests;			  // a connection agreed on digests: port only
	char initiator[224], target[224]; // of the last login, empty = none
};

struct qos_storage_counts {
	uint32_t conns_now, rows_now, outstanding_now;
	uint64_t conns_refused, rows_refused, unmeasured, idle;
};

struct qos_storage;

int qos_storage_create(const struct qos_storage_params *p, const struct qos_storage_events *ev,
		       struct qos_storage **out);
void qos_storage_destroy(struct qos_storage *s);

// A connection is seen; both directions say so, in any order, again and again.
// vm_idx   of the client; 0 = not known from this direction
// listed   its server may teach
// returns  a handle >= 0, good until qos_storage_tick says it is forgotten; -ENOSPC
int qos_storage_open(struct qos_storage *s, const struct qos_conn_key *k,
		     const struct qos_portal *portal, uint16_t vm_idx, bool listed, uint64_t ns);
// One direction saw its end. The second of them ends it.
void qos_storage_close(struct qos_storage *s, int conn, enum qos_way way, bool rst, uint64_t ns);
// What qos_stream said. Text pieces follow their PDU and are put together here.
void qos_storage_pdu(struct qos_storage *s, int conn, enum qos_way way, const struct qos_pdu *pdu,
		     uint64_t ns);
// The frame with this request or answer stood so long in a queue of the switch.
void qos_storage_wait(struct qos_storage *s, int conn, enum qos_way way, uint32_t tag,
		      uint64_t wait_ns);
// Forget what is idle. Call about once a second.
void qos_storage_tick(struct qos_storage *s, uint64_t now_ns);
// The VM is another machine now, or was started anew.
void qos_storage_forget_logins(struct qos_storage *s, uint16_t vm_idx);
// Its index is given to another VM: its rows go.
void qos_storage_forget_vm(struct qos_storage *s, uint16_t vm_idx);

// Rows 0..n; returns NULL behind the last, good until the next call of a function above
const struct qos_storage_row *qos_storage_row(const struct qos_storage *s, uint32_t i);
void qos_storage_counts(const struct qos_storage *s, struct qos_storage_counts *out);

#endif
