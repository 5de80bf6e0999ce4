// What storage protocols say in one direction of one TCP connection: where each PDU begins, which
// command it is or answers, and the text by which iSCSI logs in, redirects and names targets.
//
// A stream sees segments in the order in which they pass. It keeps a header that is cut across
// segments and nothing else of the payload: a PDU's data is skipped by its length. Bytes are read
// through the segment's reader, and only where a header or a text is, so a super-frame of 64 KiB
// with one header in it costs one read.
//
// What it does not understand it does not guess at. After a gap in which a header may have been, or
// a header that cannot be one, a stream has lost its place and looks for a header at the beginning
// of further segments: of QOS_STREAM_TRIES, then of as many again after a pause, which grows; after
// six rounds it gives up for good, until the next SYN. One that was followed for 16 headers in a
// row before goes on looking, at one segment in 4,096. A lost stream is "port only": its class
// stays, its times are not known, and that is counted. A gap inside of a PDU's data keeps the
// place. What was seen once is not looked at again, so a retransmission changes nothing, whatever
// it says.
//
// A stream may teach (LOGIN, TARGETS, TEXT, GETPORT) only while it is sure: followed from its SYN
// on and never astray. A header that it finds again may be data, which a guest has written.
//
// When: a REQUEST is told in the segment in which its header is complete (RPC: with what it is
// asked to move), a RESPONSE in that in which the status is: in the header of an answer's last PDU
// (iSCSI SCSI Response, or Data-In with status; NVMe response capsule, or C2HData with SUCCESS; of
// RPC the reply up to its status, before the results).
//
// iSCSI header and data digests are not understood; a stream that agreed on them is port only.
//
// source  RFC 7143 section 11 (iSCSI); RFC 5531 sections 9 and 11 (RPC); RFC 1833 (rpcbind);
// NVMe/TCP
//         Transport Specification 1.0 section 3.6
// thread  one at a time per stream
#ifndef QOS_PDU_H
#define QOS_PDU_H

#include <assert.h>

#include "qos_portal.h"

#define QOS_PDU_HEAD 48	      // bytes of a header that are looked at
#define QOS_PDU_TEXT_MAX 8192 // of one text: iSCSI's MaxRecvDataSegmentLength while logging in
#define QOS_STREAM_TRIES 16

enum qos_pdu_kind {
	QOS_PDU_REQUEST,  // a command that will be answered under this tag
	QOS_PDU_RESPONSE, // its answer is complete
	QOS_PDU_LOGIN,	  // iSCSI login request or response; its text follows in QOS_PDU_TEXT
	QOS_PDU_TARGETS,  // iSCSI text response; the same
	QOS_PDU_TEXT,	 // a piece of the text of the PDU before, whose tag and flags it bears; the
			 // last one may be empty
	QOS_PDU_GETPORT, // rpcbind: a call that asks for a port (prog, vers, proto), in place of
			 // REQUEST; or in place of RESPONSE what may be a reply to one (port): only
			 // the call of the same tag says that it is
	QOS_PDU_LOST,	 // the stream has lost its place; `status` is enum qos_lost
	QOS_PDU_FOUND,	 // and has found one again
};

enum qos_op { QOS_OP_READ, QOS_OP_WRITE, QOS_OP_OTHER, QOS_N_OPS };

enum qos_lost {
	QOS_LOST_MIDDLE, // it began in the middle of a connection
	QOS_LOST_GAP,
	QOS_LOST_HEADER, // what should be a header is none (digests, TLS, another protocol)
	QOS_LOST_GIVEN_UP,
	QOS_N_LOST,
};

// One thing that a segment said.
struct qos_pdu {
	uint8_t kind;	// enum qos_pdu_kind
	uint8_t op;	// REQUEST: enum qos_op
	uint8_t status; // RESPONSE: the protocol's own, 0 = good. LOGIN response: status class.
			// LOST: why
	uint8_t flags;	// enum qos_pdu_flag
	uint32_t tag;	// ITT, XID or command identifier
	uint32_t bytes; // REQUEST: what it moves, where the header says so
	union {
		struct {
			uint32_t prog, vers;
			uint16_t port; // reply; 0 = not registered
			uint8_t proto; // call: what for; 0 = any
			bool has_addr; // GETADDR: addr holds
			struct qos_addr addr;
		} rpc;
		// TEXT. A text of which a part was lost, or more than QOS_PDU_TEXT_MAX, has no last
		// piece.
		struct {
			const uint8_t *data; // good during the call
			uint16_t size;
			uint16_t offset; // in the text
			bool last;	 // of this PDU
		} text;
	};
};

enum qos_pdu_flag {
	QOS_PDU_F_MORE = 1,	// LOGIN, TARGETS: the text goes on in the next PDU (C bit)
	QOS_PDU_F_RESPONSE = 2, // LOGIN, GETPORT: an answer
	QOS_PDU_F_REDIRECT = 4, // LOGIN: status class 1
	QOS_PDU_F_FULL = 8,	// LOGIN: the full feature phase is next (T bit, NSG 3), asked or
				// granted; RFC 7143 sections 11.12.1 and 11.13.1
};

// A TCP segment, or a super-frame.
//
// at       gives n bytes of the payload from offset on: in place, or copied to buf (n <= 256);
//          NULL when they cannot be had, which loses the stream
struct qos_segment {
	uint32_t seq;  // TCP's: of the first payload byte, or of a SYN before it
	uint32_t size; // of the payload; 0 is an ACK and says nothing
	bool syn, fin, rst;
	const void *pkt;
	const uint8_t *(*at)(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf);
};

struct qos_stream {
	uint32_t next_seq;	     // expected
	uint32_t left;		     // payload bytes until the next header (RPC: the next fragment)
	uint32_t text_left, text_at; // text_left: 0 = nothing of `left` need be looked at
	uint8_t service;	     // enum qos_service
	uint8_t way;		     // enum qos_way
	uint8_t state;		     // the stream's own
	uint8_t have, need;	     // bytes of head[]
	uint8_t tries;
	uint8_t last_kind, last_flags; // of the PDU whose text is being read
	uint32_t last_tag;
	uint32_t n_retransmitted; // segments, wraps
	uint32_t syn_seq;
	uint16_t skip, pause;
	uint8_t bits, rounds, good, step;
	uint8_t n_mark, mark[3]; // RPC: a fragment's header that is cut
	uint8_t head[QOS_PDU_HEAD];
};
static_assert(sizeof(struct qos_stream) <= 96, "with its key two cache lines");

typedef void qos_pdu_fn(void *ctx, const struct qos_pdu *pdu);

// service  ISCSI, NFS, RPCBIND, RPC or NVME; others have no stream (qos_stream_reads)
void qos_stream_init(struct qos_stream *s, enum qos_service service, enum qos_way way);
bool qos_stream_reads(enum qos_service service);

// What the segment says, in order, by calls of fn. At most QOS_STREAM_PDUS calls per segment other
// than text pieces; a segment with more headers, or nearly, loses the stream: 64 KiB of NOPs must
// not hold a worker. (A merged frame of 179 iSCSI responses has been seen.) What a RST carries is
// not of the stream.
#define QOS_STREAM_PDUS 256
void qos_stream_slow(struct qos_stream *s, const struct qos_segment *seg, qos_pdu_fn *fn,
		     void *ctx);

enum { QOS_STREAM_SYNCED = 1 }; // of `state`; others are private to pdu.c

// Most segments lie inside of one PDU and say nothing. How many bytes from next_seq on do so?
static inline uint32_t qos_stream_room(const struct qos_stream *s)
{
	return s->text_left == 0 ? s->left : 0; // `left` is 0 unless the place is known
}

// n of those have passed, in segments without SYN, FIN or RST.
static inline void qos_stream_pass(struct qos_stream *s, uint32_t n)
{
	s->next_seq += n;
	s->left -= n;
}

// Any segment.
static inline void qos_stream_feed(struct qos_stream *s, const struct qos_segment *seg,
				   qos_pdu_fn *fn, void *ctx)
{
	if (!seg->syn && !seg->rst && seg->seq == s->next_seq && seg->size <= qos_stream_room(s)) {
		qos_stream_pass(s, seg->size);
		return;
	}
	if (seg->size == 0 && !seg->syn)
		return;
	qos_stream_slow(s, seg, fn, ctx);
}

// A datagram of rpcbind over UDP: at most one PDU, GETPORT, REQUEST or RESPONSE. returns true with
// *out filled
bool qos_rpc_datagram(const uint8_t *p, size_t size, enum qos_way way, struct qos_pdu *out);

// --- iSCSI text: NUL-separated key=value pairs, RFC 7143 section 6.1

#define QOS_TEXT_VALUE 272 // key, '=' and value; longer ones are skipped and counted

// Puts pieces together, pair by pair; bounded. What is no pair, too long or not printable ASCII is
// skipped and counted. `last` is the end of the text: of a PDU without QOS_PDU_F_MORE.
struct qos_text {
	uint16_t n;    // bytes of pair[]
	bool too_long; // the pair at hand is, and is skipped
	uint32_t skipped;
	char pair[QOS_TEXT_VALUE];
};

// key and value are NUL-terminated and printable; good during the call
typedef void qos_pair_fn(void *ctx, const char *key, const char *value);

void qos_text_init(struct qos_text *t);
void qos_text_feed(struct qos_text *t, const uint8_t *p, size_t size, bool last, qos_pair_fn *fn,
		   void *ctx);

// TargetAddress, RFC 7143 section 13.8: domainname[:port][,portal-group-tag]. Names are refused:
// nobody here resolves them; so are 0.0.0.0 and [::].
// returns 0 with *a and *port (3260 unless it says one); -EINVAL
int qos_iscsi_address(const char *value, struct qos_addr *a, uint16_t *port);

#endif
