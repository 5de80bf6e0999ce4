// What the parts of storage observation share: storage.c (connections and rows), storage_cmd.c
// (commands that wait), storage_text.c (logins and texts).
#ifndef STORAGE_PRIV_H
#define STORAGE_PRIV_H

#include <stddef.h>

#include "qos_storage.h"

#define NONE UINT32_MAX
// Longest chain that is walked. Clients choose what is hashed; a chain that is longer is a full
// table for who wants in, so nobody can make main walk.
#define CHAIN_MAX 64

// A place in a list, or the list itself.
struct qos_link {
	struct qos_link *prev, *next;
};

static inline void link_init(struct qos_link *l)
{
	l->prev = l->next = l;
}

static inline bool link_is_in(const struct qos_link *l)
{
	return l->next != l;
}

static inline void link_del(struct qos_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	link_init(l);
}

// At the end, when at is the list; else before at. l is in no list.
static inline void link_add(struct qos_link *at, struct qos_link *l)
{
	l->prev = at->prev;
	l->next = at;
	at->prev->next = l;
	at->prev = l;
}

#define link_of(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

static inline uint64_t storage_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	return x ^ (x >> 32);
}

struct row {
	struct qos_storage_row pub;
	struct qos_link waiting; // commands, oldest first
	struct qos_link spare;	 // in qos_storage.spare while it has no connection
	uint32_t chain;		 // next with this hash, or next free one
	uint32_t at;		 // in qos_storage.order; NONE = not in use
};

struct conn {
	struct qos_conn_key key;
	uint64_t last_ns;
	struct qos_link cmds; // of it, in no order
	struct qos_link weak; // in qos_storage.weak while it may be replaced
	struct row *row;      // NULL = not counted in one: no PDU yet, silent, or reset
	struct text *text;    // NULL = none is being read
	uint32_t chain;
	uint32_t generation;
	uint32_t skipped; // commands that were not measured, whose answers are to come
	uint16_t vm_idx;
	uint8_t service, how;
	uint8_t opened, closed; // bits of enum qos_way
	uint8_t blind;		// the same: the stream has lost its place
	bool in_use, listed, digests;
	bool fresh; // not counted in row.conns yet
	bool reset;
	bool answered; // the portal has said something in it
};

enum cmd_state { CMD_FREE, CMD_WAITS, CMD_EARLY };

// A command that waits, or an answer that came before its question.
struct cmd {
	struct qos_link by_age;	 // in row.waiting, or in qos_storage.early
	struct qos_link by_conn; // in conn.cmds
	uint64_t ns;
	struct conn *conn;
	uint32_t tag, bytes;
	uint32_t chain; // next with this hash, or next free one
	uint32_t prog;	// of a GETPORT; 0 = not one
	uint8_t state, op, proto;
	bool has_addr;	      // early answer of GETADDR
	uint16_t port;	      // early answer of GETPORT
	struct qos_addr addr; // early answer of GETADDR
};

// Digests that a side named.
enum digest { DIGEST_UNSAID, DIGEST_NONE, DIGEST_ONE, DIGEST_LIST };

// One direction's text.
struct text_way {
	struct qos_text pairs;
	uint64_t ns;  // of its PDU
	uint16_t at;  // bytes of this PDU's that came
	uint8_t kind; // of the PDU whose text this is; 0 = between PDUs
	uint8_t flags;
	bool whole;  // its last piece came
	bool broken; // a piece is missing: skip to the next text
	bool full;   // the full feature phase was asked for, or granted
	uint8_t digest[2];
};

// Login or text negotiation of one connection.
struct text {
	struct qos_link lru; // in qos_storage.texts, or .free_texts
	struct conn *conn;
	struct text_way way[2];
	bool discovery, small, r2t, no_immediate;
	uint16_t vm_idx;
	char initiator[224], target[224]; // RFC 7143 section 4.2.7.1: 223 bytes
};

// What is remembered of a VM.
struct vm {
	uint64_t target[QOS_STORAGE_TARGETS]; // hashes; 0 = none
	uint16_t next, n_texts;
};

struct qos_storage {
	struct qos_storage_params params;
	struct qos_storage_events events;
	struct qos_storage_counts counts;

	struct conn *conns;
	struct row *rows; // one more than params say: the last takes what finds no row
	struct cmd *cmds;
	struct text *texts;
	struct vm *vms;
	uint32_t *conn_heads, *row_heads, *cmd_heads; // of chains
	uint32_t *order;			      // rows in use, [counts.rows_now]
	uint32_t n_heads_conn, n_heads_row, n_heads_cmd;
	uint32_t free_conn, free_row, free_cmd;
	uint32_t n_free_cmds, n_early, n_asked;
	uint32_t n_texts;
	uint32_t n_conns_ever; // places that were ever used: those before it
	uint32_t index_bits;   // of a handle
	struct qos_link weak, spare, early, texts_lru, free_texts;
};

static inline struct row *storage_nobody(const struct qos_storage *s)
{
	return &s->rows[s->params.n_rows];
}

// storage_cmd.c

void qos_storage_cmds_init(struct qos_storage *s);
// c has a row. Of pdu kinds REQUEST, RESPONSE and GETPORT.
void qos_storage_asked(struct qos_storage *s, struct conn *c, const struct qos_pdu *pdu,
		       uint64_t ns);
void qos_storage_answered(struct qos_storage *s, struct conn *c, const struct qos_pdu *pdu,
			  uint64_t ns);
// What waits and what came early is forgotten, and counted as unmatched.
void qos_storage_drop_cmds(struct qos_storage *s, struct conn *c);
// c's commands wait in its row `to` from now on.
void qos_storage_move_cmds(struct conn *c, struct row *to);
// Give up what has waited for too long.
void qos_storage_expire_cmds(struct qos_storage *s, uint64_t now_ns);
void qos_storage_expire_row(struct qos_storage *s, struct row *r, uint64_t now_ns);

// storage_text.c

void qos_storage_texts_init(struct qos_storage *s);
// A LOGIN or TARGETS.
void qos_storage_text_begin(struct qos_storage *s, struct conn *c, enum qos_way way,
			    const struct qos_pdu *pdu, uint64_t ns);
void qos_storage_text_piece(struct qos_storage *s, struct conn *c, enum qos_way way,
			    const struct qos_pdu *pdu);
// Another PDU follows in this direction: a text that is open has ended, it may have been empty.
void qos_storage_text_end(struct qos_storage *s, struct conn *c, enum qos_way way);
// The rest of a text will not come.
void qos_storage_text_lost(struct conn *c, enum qos_way way);
void qos_storage_text_drop(struct qos_storage *s, struct conn *c);
void qos_storage_expire_texts(struct qos_storage *s, uint64_t now_ns);

#endif
