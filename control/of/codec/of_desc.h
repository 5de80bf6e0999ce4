// The shape of the tables that tools/ofgen.py makes: what a message, struct or list element is made
// of on the wire, and where its fields stand in the C struct. of_get.c, of_put.c and of_print.c
// walk them. Users of the codec include of13.h; this is for the codec and for its tests.
#ifndef OF_DESC_H
#define OF_DESC_H

#include "of_wire.h"

#define OF_SCRATCH 1536 // bytes of the biggest C struct
#define OF_VERSION_LATEST 5

enum of_kind {
	OF_NUMBER,  // size: 1, 2, 4 or 8 bytes, n of them
	OF_BYTES,   // size bytes as they are
	OF_TEXT,    // size bytes, zero-terminated
	OF_PAD,	    // size zero bytes
	OF_LENGTH,  // u16: bytes of the whole struct
	OF_SIZE_OF, // u16: bytes of the sized list that follows
	OF_STRUCT,  // desc, inline
	OF_LIST,    // elements of desc, to the end
	OF_SIZED,   // the same, as OF_SIZE_OF said
	OF_MATCH,   // ofp_match, padded
	OF_OXM,	    // one OXM without a mask
	OF_DATA,    // what is left
	OF_MESSAGE, // a whole message
	OF_TAIL,    // zeros up to a multiple of 8 of the struct
	OF_MAGIC,   // u32: value
	OF_SWITCH,  // variants by the number at `offset`, of `size` bytes
};

struct of_name {
	uint32_t value;
	const char *name;
};
struct of_names {
	const struct of_name *list;
	uint32_t n;
};

struct of_variant {
	uint32_t value;
	uint8_t since, before; // versions; 0 = any
	bool refused;	       // known, and refused with `error`
	bool other;	       // whatever is not known: offset is of a struct of_list
	struct of_wire_error error;
	uint16_t offset; // of what desc describes, in the C struct
	const char *name;
	const struct of_desc *desc; // NULL = nothing follows
};

struct of_field {
	const char *name;
	uint8_t kind;	       // enum of_kind
	uint8_t since, before; // versions; 0 = any
	uint8_t n;	       // array
	uint16_t offset, size;
	uint32_t value;
	const struct of_desc *desc;
	const struct of_names *names;
	const struct of_variant *variants;
	uint16_t n_variants;
	struct of_wire_error error; // of a variant that is not known
};

enum of_align { OF_ANY, OF_MULTIPLE8, OF_PADDED8 };

struct of_desc {
	const char *name;
	const struct of_field *fields;
	uint16_t n_fields;
	uint16_t c_size;
	uint16_t wire_size;	    // at least
	int16_t length_at;	    // where OF_LENGTH stands; -1 = none
	uint8_t align;		    // enum of_align
	uint8_t type, type_old;	    // messages: before version 5 type_old
	uint8_t since, before;	    // messages
	struct of_wire_error error; // of a wrong length
	uint32_t exp_type_old;	    // messages of ONF's experimenter under 1.3
};

struct of_oxm_info {
	const char *name;   // NULL = not known
	uint8_t bits, size; // size: bytes of a value
	bool maskable;
};

#define OF_OXM_N 64
// Generated.
extern const struct of_oxm_info of13_oxm_infos[OF_OXM_N];
extern const struct of_desc *const of13_messages[];
extern const uint32_t of13_n_messages;

static inline bool of_applies(uint8_t since, uint8_t before, uint8_t version)
{
	return version >= since && (!before || version < before);
}
// The variant of a switch that a value names in a version: NULL = not known.
const struct of_variant *of_variant_of(const struct of_field *f, uint32_t value, uint8_t version);
// The number at a field's place in a C struct.
uint64_t of_number(const void *c, size_t size);
const char *of_name_of(const struct of_names *names, uint64_t value);

// returns 0, or -EBADMSG and *e. out: the C struct of d; msg is the whole message
int of_get_message(const struct of_desc *d, const uint8_t *msg, size_t size, void *out,
		   struct of_wire_error *e);
int of_put_message(struct of_buf *b, const struct of_desc *d, const void *m);
bool of_next(struct of_list *l, const struct of_desc *d, void *out);
int of_put(struct of_buf *b, const struct of_desc *d, const void *m);
// What kind of message it is, as a table: NULL and *e = none that is known.
const struct of_desc *of_identify(const uint8_t *msg, size_t size, struct of_wire_error *e);

struct of_text {
	char *at;
	size_t cap;
	bool names; // of numbers that have one
};
// of13_print().
size_t of_print_message(const uint8_t *msg, size_t size, struct of_text text);

#endif
