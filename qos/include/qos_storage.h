// Who waits for which storage portal, and how long: the main thread's side of the PDU trackers.
//
// A *connection* is client and portal address, ports and protocol; both directions meet here. A
// *row* is what is known about one VM at one portal: counters and histograms, summed over its
// connections. Everything is bounded and made at creation; what finds a table full is counted, and
// the rest goes on.
//
// A command's time is from when its request came in until its answer's last PDU came in, at the
// switch's ports: network, server and disk, and the switch's own queue towards the network. The
// switch's queues are told separately, request's and answer's (qos_storage_wait).
//
// Order. Events of one direction come as they happened. The two directions may be apart, because
// two workers tell of them: an answer may come before its request (it is kept for
// QOS_STORAGE_EARLY_NS), and up to QOS_STORAGE_SAME requests under one tag before the first one's
// answer; times decide which belong together. Whoever feeds two directions should merge them by
// time as far as it can see. Times of two workers may be QOS_STORAGE_TURN_NS apart.
//
// The same tag again. With RPC it is the same call sent again: the first time counts (RFC 5531
// section 9). With iSCSI and NVMe a tag is unique among what waits (RFC 7143 section 11.2.1.8), so
// it is another command, and the older one's answer was missed or is still to come.
//
// Sampling. While a row holds at most half as many slots as are free, each of its commands is
// measured; then one in two, and with each further halving of what is left until it would hold as
// many as are free, one in twice as many, spread evenly; then none until an answer comes. So one VM
// alone has a third of the slots before it is sampled and a half at most, and others find slots
// while its portal hangs. A row of which fewer than QOS_STORAGE_FEW wait is measured as long as
// there is a slot at all. `unmeasured` counts those left out.
//
// A login is known when request and response say that the full feature phase follows
// (QOS_PDU_F_FULL). Portals are taught by answers of listed servers only, and rpcbind's only where
// the question was seen.
//
// thread  one at a time
#ifndef QOS_STORAGE_H
#define QOS_STORAGE_H

#include "qos_pdu.h"

#define QOS_STORAGE_EARLY_NS 2000000000
#define QOS_STORAGE_TURN_NS 50000
#define QOS_STORAGE_SAME 32
#define QOS_STORAGE_FEW 8
#define QOS_STORAGE_TEXTS 256 // connections whose login or text is being read, at most
#define QOS_STORAGE_TARGETS 8 // of one VM that are remembered, for `again`

#define QOS_HIST_BINS 256

// Log-linear: 8 bins per power of two of ns, so a quantile is exact to 12.5 %; sums are exact.
struct qos_hist {
	uint64_t n, sum_ns, max_ns;
	uint64_t bin[QOS_HIST_BINS];
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
	// Connections silent for so long are not counted any more; a command that waits for so long
	// is given up.
	uint64_t idle_ns;
};

// A login that was answered with success. Of a session of type Discovery there is none.
struct qos_login {
	uint16_t vm_idx;
	bool firmware; // looks like iPXE's or another boot ROM's: by the initiator's name, or
		       // MaxRecvDataSegmentLength=8192 with InitialR2T=Yes and ImmediateData=No
	bool again; // this VM has logged in to this target before, since
		    // qos_storage_forget_logins
	uint64_t ns;
	const char *initiator, *target; // good during the call
};

// What happened, for those who want to act on it. Either may be NULL. Of the functions below they
// may call qos_storage_forget_logins only.
struct qos_storage_events {
	void *ctx;
	void (*login)(void *ctx, const struct qos_login *login);
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
	uint64_t unmatched;  // answers without a request, and requests whose answer was not seen
	uint64_t unmeasured; // commands for which there was no slot
	uint64_t errors;     // answers with a status that is not good
	uint64_t bytes[QOS_N_OPS]; // asked for
	struct qos_hist took[QOS_N_OPS];
	// In the switch's queues: requests, answers; sums. Of every command, measured or not: to
	// compare with `took`, divide by took's n + unmeasured.
	uint64_t wait_out_ns, wait_in_ns;
	uint64_t wait_out_n, wait_in_n; // of those that stood in one
	uint64_t last_ns;
	uint64_t answered_ns;		  // when the portal said something last; 0 = never
	bool digests;			  // a connection agreed on digests: port only
	char initiator[224], target[224]; // of the last login, empty = none
};

struct qos_storage_counts {
	uint32_t conns_now, rows_now, outstanding_now;
	uint64_t conns_refused, rows_refused, unmeasured, idle;
	uint64_t conns_replaced; // half-open, reset or silent ones that made room
	uint64_t rows_replaced;	 // longest without a connection, that made room
	uint64_t
		texts_replaced; // logins and texts that were not read to their end for want of room
	uint64_t pairs_skipped; // keys of a text that were too long
};

struct qos_storage;

// returns  0 and *out; -EINVAL = a number is 0 or greater than 2^20 (n_vms 65536); -ENOMEM. *out is
//          NULL then
int qos_storage_create(const struct qos_storage_params *p, const struct qos_storage_events *ev,
		       struct qos_storage **out);
void qos_storage_destroy(struct qos_storage *s);

// A connection is seen; both directions say so, in any order, again and again.
// hit      of this direction's frames
// vm_idx   of the client; 0 = not known from this direction
// returns  a handle >= 0, which is no index; -ENOSPC; -EPERM = it is another VM's, and the portal
//          has answered that one: who merely sends under its address and ports is not told apart
//          by them, and must not take or end it. Both are counted as refused. It stays good until
//          both directions have ended, or its place is needed while it is half-open, reset or
//          silent; what is said of it then is ignored.
int qos_storage_open(struct qos_storage *s, const struct qos_conn_key *k,
		     const struct qos_portal_hit *hit, uint16_t vm_idx, uint64_t ns);
// One direction saw its end. The second of them ends it; a reset ends it at once, unless either
// direction opens it again.
void qos_storage_close(struct qos_storage *s, int conn, enum qos_way way, bool rst, uint64_t ns);
// What qos_stream said. Text pieces follow their PDU and are put together here.
void qos_storage_pdu(struct qos_storage *s, int conn, enum qos_way way, const struct qos_pdu *pdu,
		     uint64_t ns);
// The frame with this request or answer stood so long in a queue of the switch. It may be said
// before or after the answer.
void qos_storage_wait(struct qos_storage *s, int conn, enum qos_way way, uint32_t tag,
		      uint64_t wait_ns);
// Forget what is idle. Call about once a second.
void qos_storage_tick(struct qos_storage *s, uint64_t now_ns);
// The VM is another machine now, or was started anew.
void qos_storage_forget_logins(struct qos_storage *s, uint16_t vm_idx);
// Its index is given to another VM: its rows and connections go.
void qos_storage_forget_vm(struct qos_storage *s, uint16_t vm_idx);

// Rows 0..n; returns NULL behind the last, good until the next call of a function above
const struct qos_storage_row *qos_storage_row(const struct qos_storage *s, uint32_t i);
void qos_storage_counts(const struct qos_storage *s, struct qos_storage_counts *out);

#endif
