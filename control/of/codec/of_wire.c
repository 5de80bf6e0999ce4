#include "of_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "of_desc.h"

void of_buf_fini(struct of_buf *b)
{
	free(b->data);
	*b = (struct of_buf){ 0 };
}

uint8_t *of_buf_grow(struct of_buf *b, size_t n)
{
	size_t max = b->max ? b->max : OF_MSG_MAX;
	uint8_t *more;

	if (b->failed || n > max || b->size > max - n) {
		b->failed = true;
		return NULL;
	}
	if (b->size + n > b->cap) {
		size_t cap = b->cap ? b->cap : 128;
		while (cap < b->size + n)
			cap *= 2;
		more = realloc(b->data, cap);
		if (!more) {
			b->failed = true;
			return NULL;
		}
		b->data = more;
		b->cap = cap;
	}
	b->size += n;
	return b->data + b->size - n;
}

uint64_t of_number(const void *c, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)c;
	case 2:
		return *(const uint16_t *)c;
	case 4:
		return *(const uint32_t *)c;
	default:
		return *(const uint64_t *)c;
	}
}

const char *of_name_of(const struct of_names *names, uint64_t value)
{
	for (uint32_t i = 0; i < names->n; i++)
		if (names->list[i].value == value)
			return names->list[i].name;
	return NULL;
}

const struct of_variant *of_variant_of(const struct of_field *f, uint32_t value, uint8_t version)
{
	const struct of_variant *other = NULL;

	for (uint32_t i = 0; i < f->n_variants; i++) {
		const struct of_variant *v = &f->variants[i];
		if (v->other)
			other = v;
		else if (v->value == value && of_applies(v->since, v->before, version))
			return v;
	}
	return other;
}

uint64_t of13_oxm_number(const uint8_t *value, uint8_t size)
{
	uint64_t v = 0;

	for (uint8_t i = 0; i < size; i++)
		v = v << 8 | value[i];
	return v;
}

uint8_t of13_oxm_size(uint8_t field)
{
	return field < OF_OXM_N ? of13_oxm_infos[field].size : 0;
}

int of13_oxm_put(struct of_buf *b, const struct of13_oxm *m)
{
	size_t body = (size_t)m->size * (m->has_mask ? 2 : 1);
	uint8_t *at;

	if (body > UINT8_MAX || m->field > 0x7f)
		return -EINVAL;
	at = of_buf_grow(b, 4 + body);
	if (!at)
		return -ENOMEM;
	at[0] = m->class >> 8;
	at[1] = (uint8_t)m->class;
	at[2] = (uint8_t)(m->field << 1 | m->has_mask);
	at[3] = (uint8_t)body;
	memcpy(at + 4, m->value, m->size);
	if (m->has_mask)
		memcpy(at + 4 + m->size, m->mask, m->size);
	return 0;
}

static void spread(uint8_t *to, uint64_t v, uint8_t size)
{
	while (size--) {
		to[size] = (uint8_t)v;
		v >>= 8;
	}
}

int of13_oxm_put_number(struct of_buf *b, uint8_t field, uint64_t value, uint64_t mask)
{
	uint8_t v[8], m[8], size = of13_oxm_size(field);

	if (!size || size > sizeof(v))
		return -EINVAL;
	spread(v, value, size);
	spread(m, mask, size);
	return of13_oxm_put(
		b, &(struct of13_oxm){ OF_OXM_BASIC, field, mask != UINT64_MAX, size, v, m });
}

bool of13_oxm_next(struct of_list *l, struct of13_oxm *out)
{
	const uint8_t *at = l->at;
	size_t body;

	if (l->size < 4 || l->size - 4 < at[3])
		return false;
	body = at[3];
	*out = (struct of13_oxm){ .class = of_be16(at),
				  .field = at[2] >> 1,
				  .has_mask = at[2] & 1,
				  .size = (uint8_t)(at[2] & 1 ? body / 2 : body),
				  .value = at + 4 };
	if (out->has_mask)
		out->mask = at + 4 + out->size;
	l->at += 4 + body;
	l->size -= 4 + body;
	return true;
}
