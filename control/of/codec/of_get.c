// Reading: one walk over the tables that checks and takes at once. Everything that is read comes
// from take(), which never goes past the end of the struct at hand.
#include <errno.h>
#include <string.h>

#include "of13.h"
#include "of_desc.h"

struct cursor {
	const uint8_t *at;
	size_t left, whole; // whole: bytes of the struct that it walks
	size_t sized;	    // of the list that follows
	uint8_t version;
	struct of_wire_error *e;
};

static int get_fields(struct cursor *c, const struct of_desc *d, uint8_t *out,
		      struct of_wire_error short_of);

static int refuse(struct cursor *c, struct of_wire_error e)
{
	if (c->e)
		*c->e = e;
	return -EBADMSG;
}

static const uint8_t *take(struct cursor *c, size_t n)
{
	const uint8_t *at = c->at;

	if (n > c->left)
		return NULL;
	c->at += n;
	c->left -= n;
	return at;
}

// --- OXM

enum oxm_in { IN_MATCH, IN_ACTION };

static bool value_fits(const uint8_t *value, size_t size, uint8_t bits)
{
	unsigned spare = (unsigned)size * 8 - bits;

	for (; spare >= 8; spare -= 8)
		if (*value++)
			return false;
	return !(value[0] & (uint8_t) ~(0xff >> spare));
}

static bool mask_covers(const struct of13_oxm *m)
{
	for (uint8_t i = 0; i < m->size; i++)
		if (m->value[i] & ~m->mask[i])
			return false;
	return true;
}

// One OXM, checked: of_match section 7.2.3, and of set-field section 7.2.5.
static int get_oxm(struct cursor *c, enum oxm_in in, uint64_t *seen)
{
	const struct of_wire_error short_of =
		in == IN_MATCH ? OF13_ERR(BAD_MATCH, BAD_LEN) : OF13_ERR(BAD_ACTION, BAD_SET_LEN);
	const struct of_wire_error unknown = in == IN_MATCH ? OF13_ERR(BAD_MATCH, BAD_FIELD)
							    : OF13_ERR(BAD_ACTION, BAD_SET_TYPE);
	struct of_list l = { c->at, c->left };
	const struct of_oxm_info *info;
	struct of13_oxm m;

	if (c->left < 4)
		return refuse(c, short_of);
	m.field = c->at[2] >> 1;
	if (of_be16(c->at) != OF_OXM_BASIC || m.field >= OF_OXM_N || !of13_oxm_infos[m.field].name)
		return refuse(c, unknown);
	info = &of13_oxm_infos[m.field];
	if (c->at[2] & 1 && in == IN_ACTION)
		return refuse(c, unknown);
	if (c->at[2] & 1 && !info->maskable)
		return refuse(c, OF13_ERR(BAD_MATCH, BAD_MASK));
	if (c->at[3] != of13_oxm_size(m.field) * (1 + (c->at[2] & 1)) || !of13_oxm_next(&l, &m))
		return refuse(c, short_of);
	if (!value_fits(m.value, m.size, info->bits))
		return refuse(c, in == IN_MATCH ? OF13_ERR(BAD_MATCH, BAD_VALUE)
						: OF13_ERR(BAD_ACTION, BAD_SET_ARGUMENT));
	if (m.has_mask && !mask_covers(&m))
		return refuse(c, OF13_ERR(BAD_MATCH, BAD_WILDCARDS));
	if (*seen >> m.field & 1)
		return refuse(c, OF13_ERR(BAD_MATCH, DUP_FIELD));
	*seen |= UINT64_C(1) << m.field;
	c->at = l.at;
	c->left = l.size;
	return 0;
}

static int get_match(struct cursor *c, struct of_list *out)
{
	const uint8_t *head = take(c, 4);
	struct cursor in = *c;
	uint64_t seen = 0;
	size_t size;

	if (!head)
		return refuse(c, OF13_ERR(BAD_MATCH, BAD_LEN));
	if (of_be16(head) != 1) // OFPMT_OXM
		return refuse(c, OF13_ERR(BAD_MATCH, BAD_TYPE));
	size = of_be16(head + 2);
	if (size < 4 || !take(c, ((size + 7) & ~(size_t)7) - 4))
		return refuse(c, OF13_ERR(BAD_MATCH, BAD_LEN));
	in.left = size - 4;
	*out = (struct of_list){ in.at, in.left };
	while (in.left)
		if (get_oxm(&in, IN_MATCH, &seen))
			return -EBADMSG;
	return 0;
}

// --- Structs and lists

// One struct from the front of c, which it may not leave.
static int get_struct(struct cursor *c, const struct of_desc *d, uint8_t *out)
{
	size_t size = d->wire_size, all;
	struct cursor in = *c;

	if (c->left < d->wire_size)
		return refuse(c, d->error);
	if (d->length_at >= 0)
		size = of_be16(c->at + d->length_at);
	all = d->align == OF_PADDED8 ? (size + 7) & ~(size_t)7 : size;
	if (size < d->wire_size || (d->align == OF_MULTIPLE8 && size % 8) || !take(c, all))
		return refuse(c, d->error);
	in.left = in.whole = size;
	memset(out, 0, d->c_size);
	return get_fields(&in, d, out, d->error);
}

static int get_list(struct cursor *c, const struct of_desc *d, size_t size, struct of_list *out)
{
	_Alignas(8) uint8_t scratch[OF_SCRATCH];
	struct cursor in = *c;

	*out = (struct of_list){ c->at, size };
	in.left = size;
	take(c, size);
	while (in.left)
		if (get_struct(&in, d, scratch))
			return -EBADMSG;
	return 0;
}

static int get_switch(struct cursor *c, const struct of_field *f, uint8_t *out,
		      struct of_wire_error short_of)
{
	uint32_t value = (uint32_t)of_number(out + f->offset, f->size);
	const struct of_variant *v = of_variant_of(f, value, c->version);

	if (!v)
		return refuse(c, f->error);
	if (v->refused)
		return refuse(c, v->error);
	if (v->other) {
		*(struct of_list *)(void *)(out + v->offset) = (struct of_list){ c->at, c->left };
		take(c, c->left);
		return 0;
	}
	return v->desc ? get_fields(c, v->desc, out + v->offset, short_of)
		       : (c->left ? refuse(c, short_of) : 0);
}

// A whole message within a message (bundle-add), and the padding that more after it asks for.
static int get_inner(struct cursor *c, struct of_list *out)
{
	size_t size, all;

	if (c->left < 8)
		return refuse(c, OF13_ERR(BUNDLE_FAILED, MSG_BAD_LEN));
	size = of_be16(c->at + 2);
	if (size < 8 || size > c->left)
		return refuse(c, OF13_ERR(BUNDLE_FAILED, MSG_BAD_LEN));
	*out = (struct of_list){ c->at, size };
	all = (size + 7) & ~(size_t)7;
	take(c, all < c->left ? all : c->left);
	return 0;
}

static bool get_numbers(struct cursor *c, const struct of_field *f, uint8_t *out)
{
	const uint8_t *at = take(c, (size_t)f->size * f->n);

	if (!at)
		return false;
	for (unsigned i = 0; i < f->n; i++, at += f->size, out += f->size) {
		uint64_t v = of13_oxm_number(at, (uint8_t)f->size);
		if (f->size == 1)
			*out = (uint8_t)v;
		else if (f->size == 2)
			*(uint16_t *)(void *)out = (uint16_t)v;
		else if (f->size == 4)
			*(uint32_t *)(void *)out = (uint32_t)v;
		else
			*(uint64_t *)(void *)out = v;
	}
	return true;
}

static bool get_bytes(struct cursor *c, const struct of_field *f, uint8_t *out)
{
	const uint8_t *at = take(c, f->size);

	if (!at)
		return false;
	memcpy(out, at, f->size);
	if (f->kind == OF_TEXT)
		out[f->size - 1] = 0;
	return true;
}

static bool get_plain(struct cursor *c, const struct of_field *f, uint8_t *out)
{
	const uint8_t *at;

	switch (f->kind) {
	case OF_NUMBER:
		return get_numbers(c, f, out + f->offset);
	case OF_BYTES:
	case OF_TEXT:
		return get_bytes(c, f, out + f->offset);
	case OF_SIZE_OF:
		at = take(c, 2);
		c->sized = at ? of_be16(at) : 0;
		return at;
	case OF_TAIL:
		return take(c, (8 - (c->whole - c->left) % 8) % 8);
	case OF_MAGIC:
		at = take(c, 4);
		return at && of13_oxm_number(at, 4) == f->value;
	default: // OF_PAD, OF_LENGTH
		return take(c, f->size);
	}
}

static int get_field(struct cursor *c, const struct of_field *f, uint8_t *out,
		     struct of_wire_error short_of)
{
	struct of_list *list = (struct of_list *)(void *)(out + f->offset);
	const uint8_t *from = c->at;
	uint64_t seen = 0;

	switch (f->kind) {
	case OF_STRUCT:
		return get_struct(c, f->desc, out + f->offset);
	case OF_LIST:
		return get_list(c, f->desc, c->left, list);
	case OF_SIZED:
		return c->sized > c->left ? refuse(c, short_of)
					  : get_list(c, f->desc, c->sized, list);
	case OF_MATCH:
		return get_match(c, list);
	case OF_OXM:
		if (get_oxm(c, IN_ACTION, &seen))
			return -EBADMSG;
		*list = (struct of_list){ from, (size_t)(c->at - from) };
		return 0;
	case OF_DATA:
		*list = (struct of_list){ from, c->left };
		take(c, c->left);
		return 0;
	case OF_MESSAGE:
		return get_inner(c, list);
	case OF_SWITCH:
		return get_switch(c, f, out, short_of);
	default:
		return get_plain(c, f, out) ? 0 : refuse(c, short_of);
	}
}

// All fields; what is left after them is too much.
static int get_fields(struct cursor *c, const struct of_desc *d, uint8_t *out,
		      struct of_wire_error short_of)
{
	for (uint32_t i = 0; i < d->n_fields; i++) {
		const struct of_field *f = &d->fields[i];
		if (of_applies(f->since, f->before, c->version) && get_field(c, f, out, short_of))
			return -EBADMSG;
	}
	return c->left ? refuse(c, short_of) : 0;
}

bool of_next(struct of_list *l, const struct of_desc *d, void *out)
{
	struct cursor c = { .at = l->at, .left = l->size, .version = OF_VERSION_LATEST };

	if (!l->size || get_struct(&c, d, out))
		return false;
	*l = (struct of_list){ c.at, c.left };
	return true;
}

// --- Messages

static bool is_of_onf(const struct of_desc *d, const uint8_t *msg, size_t size)
{
	return size >= 16 && of13_oxm_number(msg + 8, 4) == OF13_ONF_EXPERIMENTER &&
	       of13_oxm_number(msg + 12, 4) == d->exp_type_old;
}

const struct of_desc *of_identify(const uint8_t *msg, size_t size, struct of_wire_error *e)
{
	struct cursor c = { .e = e };
	const struct of_desc *found = NULL;

	if (size < 8) {
		refuse(&c, OF13_ERR(BAD_REQUEST, BAD_LEN));
		return NULL;
	}
	for (uint32_t i = 0; i < of13_n_messages; i++) {
		const struct of_desc *d = of13_messages[i];
		uint8_t type = msg[0] < 5 ? d->type_old : d->type;
		if (type != msg[1] || !of_applies(d->since, d->before, msg[0]))
			continue;
		if (type == d->type || is_of_onf(d, msg, size))
			found = d;
	}
	if (!found)
		refuse(&c, OF13_ERR(BAD_REQUEST, BAD_TYPE));
	return found;
}

int of_get_message(const struct of_desc *d, const uint8_t *msg, size_t size, void *out,
		   struct of_wire_error *e)
{
	struct cursor c = { .at = msg, .left = size, .whole = size, .e = e };
	uint8_t *to = out;

	memset(to, 0, d->c_size);
	if (size < 8 || of_be16(msg + 2) != size)
		return refuse(&c, OF13_ERR(BAD_REQUEST, BAD_LEN));
	c.version = msg[0];
	if (msg[1] != (c.version < 5 ? d->type_old : d->type) ||
	    !of_applies(d->since, d->before, c.version))
		return refuse(&c, OF13_ERR(BAD_REQUEST, BAD_TYPE));
	// Every message begins so.
	to[0] = c.version;
	*(uint32_t *)(void *)(to + 4) = (uint32_t)of13_oxm_number(msg + 4, 4);
	take(&c, 8);
	return get_fields(&c, d, to, d->error);
}
