// Inside of the text library: texts are read to the two structs here, and these are written to the
// wire (wire.c); what is printed comes by them as well, from the wire or from the datapath.
#ifndef TEXT_PRIV_H
#define TEXT_PRIV_H

#include "of_text.h"

enum {
	ANY = 0xffffffff, // OFPP_ANY, OFPG_ANY
	PORTS = 0xff00,	  // ordinary ones are below
	PRIORITY = 0x8000,
	NO_MAX_LEN = 0xffff,
};

// --- scan.c: words

// A part of the text that is read.
struct span {
	const char *at;
	size_t size;
};

struct scan {
	const char *text; // all of it: positions count from here
	struct span rest;
	struct of_text_error *e;
	const struct of_text_ports *ports;
};

// One `key`, `key=value`, `key:value` or `key(value)`.
struct word {
	struct span key, value, whole;
	char delimiter; // 0 = no value, '=', ':' or '('
};

// returns 0, or -EINVAL with the error filled: the text is longer than a line may be
int oft_scan_init(struct scan *s, const char *text, const struct of_text_ports *ports,
		  struct of_text_error *e);
// The same for a part of the text that s reads.
struct scan oft_scan_inside(const struct scan *s, struct span part);
// returns 1 and *w; 0 = the end; -EINVAL with the error filled
int oft_scan_word(struct scan *s, struct word *w);
// The word's value and all that follows.
struct span oft_scan_remainder(struct scan *s, const struct word *w);
// Fills the error: the word, and why. returns -EINVAL
int oft_scan_error(const struct scan *s, struct span where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool oft_span_is(struct span s, const char *word); // in whatever case
bool oft_span_split(struct span *s, const char *by, struct span *second);
// Decimal, 0x..; -1 = all ones. returns 0 or -EINVAL, -ERANGE = above max
int oft_span_number(struct span s, uint64_t max, uint64_t *out);
// The number of w, 0..max, or the error.
int oft_word_number(const struct scan *s, const struct word *w, uint64_t max, uint64_t *out);
// Port by number or name, or the error.
int oft_scan_port(const struct scan *s, struct span where, uint32_t *port);

// --- field.c: values of fields

enum kind { DECIMAL, HEX, MAC, IP4, IP6, PORT };

struct field_text {
	const char *match; // name in a match
	const char *set;   // name in set_field
	const char *other; // further names, blanks in between
	enum kind kind;
	uint8_t digits; // of HEX, 0 = as few as there are
};

extern const struct field_text oft_field_texts[DP_FLOW_N_FIELDS];

struct field_value {
	struct dp_flow_value value, mask;
};

// returns DP_FLOW_N_FIELDS when there is none of that name
enum dp_flow_field oft_field_named(struct span name);
struct dp_flow_value oft_field_ones(enum dp_flow_field f);
bool oft_value_equal(struct dp_flow_value a, struct dp_flow_value b);
bool oft_value_is_zero(struct dp_flow_value v);
// "V" or "V/M". returns 0 or -EINVAL with the error filled
int oft_field_read(const struct scan *s, enum dp_flow_field f, struct span text,
		   struct field_value *out);
void oft_field_write(struct of_text *t, enum dp_flow_field f, const struct field_value *v,
		     const struct of_text_ports *ports);
struct dp_flow_value oft_field_get(const struct dp_flow_key *k, enum dp_flow_field f);

// --- match.c

struct match {
	uint64_t present; // bit f
	struct field_value field[DP_FLOW_N_FIELDS];
};

static inline bool match_has(const struct match *m, enum dp_flow_field f)
{
	return (m->present >> f & 1) != 0;
}
bool oft_match_is(const struct match *m, enum dp_flow_field f, uint64_t value); // exactly
// A word of a match. returns 1; 0 = it is none; -EINVAL with the error filled
int oft_match_word(const struct scan *s, const struct word *w, struct match *m);
// All words were read: prerequisites. returns 0 or -EINVAL with the error filled
int oft_match_end(const struct scan *s, const struct match *m, struct span whole);
// With `priority=..,` before it where it is not the default (PRIORITY).
void oft_match_write(struct of_text *t, const struct match *m, uint32_t priority,
		     const struct of_text_ports *ports);

// --- action.c

struct action {
	uint8_t kind; // enum dp_flow_op_kind
	uint8_t field;
	uint16_t max_len;
	uint32_t arg;
	struct field_value set;
};

enum { INSTRUCTIONS = 6 }; // in the order of their execution
enum instruction { I_METER, I_APPLY, I_CLEAR, I_WRITE, I_METADATA, I_GOTO };

// What a flow does. Lists of actions are wire bytes already.
struct program {
	unsigned has; // bit: enum instruction
	struct of_buf apply, write;
	uint32_t meter;
	uint64_t metadata, metadata_mask;
	uint8_t table;
};

void oft_program_fini(struct program *p);
// `actions=` of a flow. m: what it matches, to tell which ports and whether a tag is there.
int oft_program_read(const struct scan *s, struct span text, const struct match *m,
		     struct program *p);
// Actions only, of a bucket or a packet-out. returns 0 or -EINVAL
int oft_actions_read(const struct scan *s, struct span text, const struct match *m,
		     struct of_buf *out);
void oft_action_write(struct of_text *t, const struct action *a, const struct of_text_ports *ports);

// The same to be printed: of the wire (lists), or of the datapath (operations).
struct program_text {
	unsigned has;
	bool is_ops; // lists hold struct dp_flow_op
	struct of_list apply, write;
	uint32_t meter;
	uint64_t metadata, metadata_mask;
	uint8_t table;
};
void oft_program_write(struct of_text *t, const struct program_text *p,
		       const struct of_text_ports *ports);

// --- reply.c, stats.c

// " name (OF1.3) (xid=0x1):"
void oft_head_write(struct of_text *t, const char *name, uint8_t version, uint32_t xid);
void oft_duration_write(struct of_text *t, uint32_t s, uint32_t ns);
void oft_mac_write(struct of_text *t, const uint8_t mac[6]);
// A name out of a message, without what a terminal would act on.
void oft_name_write(struct of_text *t, const char *name, size_t size);
void oft_flow_flags_write(struct of_text *t, unsigned flags);
void oft_buckets_write(struct of_text *t, struct of_list buckets, uint8_t type,
		       const struct of_text_ports *ports);
void oft_bands_write(struct of_text *t, struct of_list bands, const char *end);
void oft_meter_id_write(struct of_text *t, uint32_t id);
void oft_meter_flags_write(struct of_text *t, unsigned flags);
void oft_group_type_write(struct of_text *t, uint8_t type);
struct of13_port;
void oft_port_write(struct of_text *t, const struct of13_port *p,
		    const struct of_text_ports *ports);
void oft_bits_write(struct of_text *t, uint32_t bits, const char *const names[], uint32_t n);
// returns false when it is no multipart message that can be read
bool oft_multipart_request_write(struct of_text *t, const uint8_t *msg, size_t size,
				 const struct of_text_options *o);
bool oft_multipart_reply_write(struct of_text *t, const uint8_t *msg, size_t size,
			       const struct of_text_options *o);

// --- wire.c: to and from the codec's structs

int oft_wire_action_put(struct of_buf *b, const struct action *a);
int oft_wire_match_put(struct of_buf *b, const struct match *m);
int oft_wire_program_put(struct of_buf *b, const struct program *p);
void oft_wire_match_get(struct of_list l, struct match *m);
// Name of a field by its OXM header; NULL = not known.
const char *oft_wire_oxm_name(uint32_t header);
// Of lists that a get has checked; what is of no kind that is known has kind DP_N_OPS.
bool oft_wire_action_next(struct of_list *l, struct action *a);

#endif
