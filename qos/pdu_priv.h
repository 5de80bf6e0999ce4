// What the files of the PDU trackers share. pdu.c knows about sequence numbers and segments, the
// others about the bytes of one protocol.
#ifndef QOS_PDU_PRIV_H
#define QOS_PDU_PRIV_H

#include "qos_pdu.h"

enum pdu_state {
	PDU_NEW, // nothing was seen
	PDU_SYNCED = QOS_STREAM_SYNCED,
	PDU_ASTRAY, // looks for a header
	PDU_DEAD,   // no longer
};

enum pdu_bits {
	PDU_BEGUN = 1,	  // a SYN was seen, with syn_seq
	PDU_SURE = 2,	  // and the place was never lost since: what it says may teach
	PDU_PROBE = 4,	  // what is being read may be no header at all
	PDU_TEXT_CUT = 8, // the text is longer than what is told of it
	PDU_RECORD = 16,  // RPC: within a record
	PDU_LAST = 32,	  // RPC: in its last fragment
	PDU_PROVEN = 64,  // it speaks the protocol: many headers in a row were good
};

#define PDU_SILENT 0xff // kind of a header that says nothing to anybody

// A segment while it is read.
struct pdu_run {
	const struct qos_segment *seg;
	uint32_t seq; // of the first payload byte
	uint32_t off; // of what comes next
	uint32_t n_headers;
	qos_pdu_fn *fn;
	void *ctx;
};

// The next s->need bytes when they are complete, at most `limit` of them taken now; what is cut
// stays in s->head. NULL when they are not, or when they cannot be had: then the place is lost.
// buf  of QOS_PDU_HEAD bytes, for the reader
const uint8_t *qos_pdu_collect(struct qos_stream *s, struct pdu_run *r, uint32_t limit,
			       uint8_t *buf);
// Go on collecting: the s->need bytes at h are the beginning of `need` bytes.
void qos_pdu_extend(struct qos_stream *s, const uint8_t *h, uint8_t need);
// A header was one; says *out unless that is PDU_SILENT.
void qos_pdu_accept(struct qos_stream *s, struct pdu_run *r, const struct qos_pdu *out);
void qos_pdu_lose(struct qos_stream *s, struct pdu_run *r, enum qos_lost why);

// A header, or its beginning of n bytes: sets what follows it in *s, and *out.
// returns  0; how many bytes are needed, when that is more than n; -EINVAL = no header
int qos_iscsi_head(struct qos_stream *s, const uint8_t *h, struct qos_pdu *out);
int qos_nvme_head(struct qos_stream *s, const uint8_t *h, uint32_t n, struct qos_pdu *out);

// RPC: a fragment's header; what is being read of a fragment; and the same when the rest of it
// was lost, but not the place.
void qos_rpc_mark(struct qos_stream *s, struct pdu_run *r);
void qos_rpc_walk(struct qos_stream *s, struct pdu_run *r);
void qos_rpc_cut(struct qos_stream *s, struct pdu_run *r);

// The n characters as an address of that family; IPv4 in the mapped form.
// returns  0; -EINVAL with *a unchanged
int qos_addr_parse(const char *s, size_t n, bool v6, struct qos_addr *a);
// 0.0.0.0 or ::
bool qos_addr_is_any(const struct qos_addr *a);

static inline uint32_t pdu_be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t pdu_be32(const uint8_t *p)
{
	return pdu_be16(p) << 16 | pdu_be16(p + 2);
}

static inline uint32_t pdu_le16(const uint8_t *p)
{
	return (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t pdu_le32(const uint8_t *p)
{
	return pdu_le16(p + 2) << 16 | pdu_le16(p);
}

static inline bool pdu_is_rpc(const struct qos_stream *s)
{
	return s->service == QOS_SVC_NFS || s->service == QOS_SVC_RPCBIND ||
	       s->service == QOS_SVC_RPC;
}

static inline uint32_t pdu_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

#endif
