// Writing: the same tables as reading, into a buffer that grows. Lengths are filled in at the end
// of what they count; what fails takes everything back that it wrote.
#include <errno.h>
#include <string.h>

#include "of13.h"
#include "of_desc.h"

struct sink {
	struct of_buf *b;
	size_t start; // of the struct
	size_t length_at;
	uint8_t version;
};

static int put_fields(struct sink *s, const struct of_desc *d, const uint8_t *m);
static int put_struct(struct of_buf *b, const struct of_desc *d, const uint8_t *m);

static int why(const struct of_buf *b, size_t more)
{
	return b->size + more > (b->max ? b->max : OF_MSG_MAX) ? -EMSGSIZE : -ENOMEM;
}

static void set16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static int put_zeros(struct of_buf *b, size_t n)
{
	uint8_t *at = of_buf_grow(b, n);

	if (!at)
		return why(b, n);
	memset(at, 0, n);
	return 0;
}

static int put_number(struct of_buf *b, uint64_t v, size_t size)
{
	uint8_t *at = of_buf_grow(b, size);

	if (!at)
		return why(b, size);
	while (size--) {
		at[size] = (uint8_t)v;
		v >>= 8;
	}
	return 0;
}

static int put_bytes(struct of_buf *b, const void *bytes, size_t n)
{
	uint8_t *at;

	if (!n)
		return 0;
	at = of_buf_grow(b, n);
	if (!at)
		return why(b, n);
	memcpy(at, bytes, n);
	return 0;
}

static int put_numbers(struct of_buf *b, const struct of_field *f, const uint8_t *at)
{
	int err = 0;

	for (unsigned i = 0; i < f->n && !err; i++, at += f->size)
		err = put_number(b, of_number(at, f->size), f->size);
	return err;
}

// Up to its zero, and at least one zero.
static int put_text(struct of_buf *b, const struct of_field *f, const char *text)
{
	size_t n = strnlen(text, f->size - 1u);
	int err = put_bytes(b, text, n);

	return err ? err : put_zeros(b, f->size - n);
}

static int put_match(struct of_buf *b, const struct of_list *l)
{
	size_t size = 4 + l->size;
	int err;

	if (size > UINT16_MAX)
		return -EMSGSIZE;
	err = put_number(b, 1, 2);
	if (!err)
		err = put_number(b, size, 2);
	if (!err)
		err = put_bytes(b, l->at, l->size);
	return err ? err : put_zeros(b, (8 - size % 8) % 8);
}

static int put_switch(struct sink *s, const struct of_field *f, const uint8_t *m)
{
	const struct of_variant *v =
		of_variant_of(f, (uint32_t)of_number(m + f->offset, f->size), s->version);
	const struct of_list *rest;

	if (!v || v->refused)
		return -EINVAL;
	if (v->other) {
		rest = (const struct of_list *)(const void *)(m + v->offset);
		return put_bytes(s->b, rest->at, rest->size);
	}
	return v->desc ? put_fields(s, v->desc, m + v->offset) : 0;
}

static int put_list(struct sink *s, const struct of_field *f, const struct of_list *l)
{
	// What stands behind a message within a message begins at a multiple of 8.
	bool padded = f->kind == OF_LIST && l->size && s->length_at == SIZE_MAX;
	int err = padded ? put_zeros(s->b, (8 - (s->b->size - s->start) % 8) % 8) : 0;

	return err ? err : put_bytes(s->b, l->at, l->size);
}

static int put_field(struct sink *s, const struct of_field *f, const uint8_t *m)
{
	const struct of_list *list = (const struct of_list *)(const void *)(m + f->offset);

	switch (f->kind) {
	case OF_NUMBER:
		return put_numbers(s->b, f, m + f->offset);
	case OF_BYTES:
		return put_bytes(s->b, m + f->offset, f->size);
	case OF_TEXT:
		return put_text(s->b, f, (const char *)m + f->offset);
	case OF_PAD:
		return put_zeros(s->b, f->size);
	case OF_LENGTH:
		s->length_at = s->b->size;
		return put_zeros(s->b, 2);
	case OF_SIZE_OF:
		return list->size > UINT16_MAX ? -EMSGSIZE : put_number(s->b, list->size, 2);
	case OF_STRUCT:
		return put_struct(s->b, f->desc, m + f->offset);
	case OF_MATCH:
		return put_match(s->b, list);
	case OF_TAIL:
		return put_zeros(s->b, (8 - (s->b->size - s->start) % 8) % 8);
	case OF_MAGIC:
		return put_number(s->b, f->value, 4);
	case OF_SWITCH:
		return put_switch(s, f, m);
	default: // lists and other slices
		return put_list(s, f, list);
	}
}

static int put_fields(struct sink *s, const struct of_desc *d, const uint8_t *m)
{
	int err = 0;

	for (uint32_t i = 0; i < d->n_fields && !err; i++)
		if (of_applies(d->fields[i].since, d->fields[i].before, s->version))
			err = put_field(s, &d->fields[i], m);
	return err;
}

// The end of a struct: its length, and zeros.
static int finish(struct sink *s, const struct of_desc *d)
{
	size_t size = s->b->size - s->start;

	if (size > UINT16_MAX)
		return -EMSGSIZE;
	if (d->align == OF_MULTIPLE8 && size % 8) {
		int err = put_zeros(s->b, 8 - size % 8);
		if (err)
			return err;
		size = s->b->size - s->start;
	}
	if (s->length_at != SIZE_MAX)
		set16(s->b->data + s->length_at, size);
	return d->align == OF_PADDED8 ? put_zeros(s->b, (8 - size % 8) % 8) : 0;
}

static int put_struct(struct of_buf *b, const struct of_desc *d, const uint8_t *m)
{
	struct sink s = { b, b->size, SIZE_MAX, OF_VERSION_LATEST };
	int err = put_fields(&s, d, m);

	return err ? err : finish(&s, d);
}

// Nothing of what could not be written stays. What a length field cannot say has no room either:
// who looks at the buffer alone must not take it for empty.
static int done(struct of_buf *b, size_t start, int err)
{
	if (err)
		b->size = start;
	if (err == -EMSGSIZE)
		b->failed = true;
	return err;
}

int of_put(struct of_buf *b, const struct of_desc *d, const void *m)
{
	size_t start = b->size;

	return done(b, start, b->failed ? -ENOMEM : put_struct(b, d, m));
}

static int put_header(struct sink *s, const struct of_desc *d, const uint8_t *m)
{
	uint8_t *at = of_buf_grow(s->b, 4);

	if (!at)
		return why(s->b, 4);
	at[0] = s->version;
	at[1] = s->version < 5 ? d->type_old : d->type;
	set16(at + 2, 0);
	return put_number(s->b, of_number(m + 4, 4), 4);
}

int of_put_message(struct of_buf *b, const struct of_desc *d, const void *m)
{
	const uint8_t *from = m;
	struct sink s = { b, b->size, SIZE_MAX, from[0] ? from[0] : OF13_VERSION };
	int err;

	if (!from[0] && d->since)
		s.version = d->since;
	if (b->failed)
		return -ENOMEM;
	err = put_header(&s, d, from);
	if (!err)
		err = put_fields(&s, d, from);
	s.length_at = s.start + 2;
	if (!err)
		err = finish(&s, d);
	return done(b, s.start, err);
}
