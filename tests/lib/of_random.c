#include "of_random.h"

#include <stdlib.h>
#include <string.h>

#include "of13.h"

uint64_t of_random_next(struct of_random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state * UINT64_C(0x2545f4914f6cdd1d) >> 8;
}

static uint32_t below(struct of_random *r, uint32_t n)
{
	return (uint32_t)(of_random_next(r) % n);
}

void of_random_reset(struct of_random *r)
{
	while (r->n_bufs)
		of_buf_fini(&r->bufs[--r->n_bufs]);
}

bool of_is_message(const struct of_desc *d)
{
	for (uint32_t i = 0; i < of13_n_messages; i++)
		if (of13_messages[i] == d)
			return true;
	return false;
}

static struct of_buf *new_buf(struct of_random *r)
{
	if (r->n_bufs == OF_RANDOM_BUFS)
		abort();
	return &r->bufs[r->n_bufs++];
}

static void set_number(void *at, size_t size, uint64_t v)
{
	if (size == 1)
		*(uint8_t *)at = (uint8_t)v;
	else if (size == 2)
		*(uint16_t *)at = (uint16_t)v;
	else if (size == 4)
		*(uint32_t *)at = (uint32_t)v;
	else
		*(uint64_t *)at = v;
}

// Names of fields that are bits or reasons: decoders take those of 1.3 only.
static bool is_small(const struct of_field *f)
{
	static const char *const small[] = { "flags",
					     "capabilities",
					     "config",
					     "state",
					     "curr",
					     "types",
					     "band_types",
					     "supported",
					     "advertised",
					     "peer",
					     "mask",
					     "code",
					     "packet_in_mask",
					     "port_status_mask",
					     "flow_removed_mask",
					     "reason",
					     "advertise" };

	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		if (!strcmp(f->name, small[i]))
			return true;
	return false;
}

static void fill_numbers(struct of_random *r, const struct of_field *f, uint8_t *at)
{
	for (unsigned i = 0; i < f->n; i++, at += f->size) {
		uint64_t v = of_random_next(r) << 16 ^ of_random_next(r);
		if (f->names && (r->known || below(r, 4)))
			v = f->names->list[below(r, f->names->n)].value;
		if (r->known && is_small(f))
			v = below(r, 2);
		if (r->known && !strcmp(f->name, "header")) {
			uint32_t field = below(r, 40);
			v = (uint64_t)OF_OXM_BASIC << 16 | field << 9 |
			    of13_oxm_size((uint8_t)field);
		}
		set_number(at, f->size, v);
	}
}

static void fill_text(struct of_random *r, const struct of_field *f, char *at)
{
	uint32_t n = below(r, f->size);

	memset(at, 0, f->size);
	for (uint32_t i = 0; i < n; i++)
		at[i] = (char)('a' + below(r, 26));
}

static struct of_list some_bytes(struct of_random *r, size_t n)
{
	struct of_buf *b = new_buf(r);
	uint8_t *at = n ? of_buf_grow(b, n) : NULL;

	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)of_random_next(r);
	return of_buf_list(b);
}

static void put_oxm(struct of_random *r, struct of_buf *b, uint8_t field, bool may_mask)
{
	const struct of_oxm_info *info = &of13_oxm_infos[field];
	uint8_t value[16], mask[16], size = of13_oxm_size(field);
	struct of13_oxm m = { OF_OXM_BASIC, field, false, size, value, mask };

	m.has_mask = may_mask && info->maskable && below(r, 2);
	for (uint8_t i = 0; i < size; i++) {
		int above = (size - i) * 8 - info->bits; // bits of this byte that the field lacks
		uint8_t fits = above >= 8 ? 0 : (uint8_t)(0xff >> (above > 0 ? above : 0));
		mask[i] = (uint8_t)of_random_next(r) & fits;
		value[i] = (uint8_t)of_random_next(r) & fits & (m.has_mask ? mask[i] : 0xff);
	}
	if (of13_oxm_put(b, &m))
		abort();
}

static struct of_list some_oxms(struct of_random *r, bool one)
{
	struct of_buf *b = new_buf(r);
	uint64_t seen = 0;

	for (uint32_t n = one ? 1 : below(r, 6); n; n--) {
		uint8_t field = (uint8_t)below(r, 40);
		if (of13_oxm_infos[field].name && !(seen >> field & 1))
			put_oxm(r, b, field, !one);
		else if (one)
			n++;
		seen |= UINT64_C(1) << field;
	}
	return of_buf_list(b);
}

static struct of_list some_elements(struct of_random *r, const struct of_desc *d)
{
	_Alignas(8) uint8_t m[OF_SCRATCH];
	struct of_buf *b = new_buf(r);

	for (uint32_t n = r->depth > 4 ? 0 : below(r, 4); n; n--) {
		r->depth++;
		of_random_fill(r, d, m);
		r->depth--;
		if (of_put(b, d, m))
			abort();
	}
	return of_buf_list(b);
}

static struct of_list some_message(struct of_random *r)
{
	_Alignas(8) uint8_t m[OF_SCRATCH];
	struct of_buf *b = new_buf(r);
	const struct of_desc *d;

	do
		d = of13_messages[below(r, of13_n_messages)];
	while (!of_applies(d->since, d->before, r->version) || !strncmp(d->name, "bundle", 6));
	of_random_fill(r, d, m);
	if (of_put_message(b, d, m))
		abort();
	return of_buf_list(b);
}

static void fill_switch(struct of_random *r, const struct of_field *f, uint8_t *out)
{
	const struct of_variant *v;

	do
		v = &f->variants[below(r, f->n_variants)];
	while (v->refused || (r->known && v->other && f->variants[0].value != 0xffff) ||
	       (r->known && v->value == 0xffff) || !of_applies(v->since, v->before, r->version));
	if (v->other) {
		uint64_t value = of_number(out + f->offset, f->size);
		while (of_variant_of(f, (uint32_t)value, r->version) != v)
			value = (value + 7) & 0x7fff;
		set_number(out + f->offset, f->size, value);
		*(struct of_list *)(void *)(out + v->offset) = some_bytes(r, below(r, 4) * 8);
		return;
	}
	set_number(out + f->offset, f->size, v->value);
	if (v->desc)
		of_random_fill(r, v->desc, out + v->offset);
}

static void fill_field(struct of_random *r, const struct of_field *f, uint8_t *out)
{
	struct of_list *list = (struct of_list *)(void *)(out + f->offset);

	switch (f->kind) {
	case OF_NUMBER:
		fill_numbers(r, f, out + f->offset);
		break;
	case OF_BYTES:
		for (unsigned i = 0; i < f->size; i++)
			out[f->offset + i] = (uint8_t)of_random_next(r);
		break;
	case OF_TEXT:
		fill_text(r, f, (char *)out + f->offset);
		break;
	case OF_STRUCT:
		of_random_fill(r, f->desc, out + f->offset);
		break;
	case OF_LIST:
	case OF_SIZED:
		*list = some_elements(r, f->desc);
		break;
	case OF_MATCH:
	case OF_OXM:
		*list = some_oxms(r, f->kind == OF_OXM);
		break;
	case OF_DATA:
		// Of an action that is listed by its number: only experimenters append.
		*list = some_bytes(r,
				   r->known && !strcmp(f->name, "experimenter") ? 0 : below(r, 40));
		break;
	case OF_MESSAGE:
		*list = some_message(r);
		break;
	case OF_SWITCH:
		fill_switch(r, f, out);
		break;
	default:
		break;
	}
}

void of_random_fill(struct of_random *r, const struct of_desc *d, void *out)
{
	uint8_t *to = out;

	// Of a variant, c_size is 0: its fields stand in a struct that is there already.
	memset(to, 0, d->c_size);
	if (of_is_message(d)) {
		to[0] = r->version;
		set_number(to + 4, 4, of_random_next(r));
	}
	for (uint32_t i = 0; i < d->n_fields; i++)
		if (of_applies(d->fields[i].since, d->fields[i].before, r->version))
			fill_field(r, &d->fields[i], to);
}

// --- Comparing

static bool same_list(const void *a, const void *b)
{
	const struct of_list *x = a, *y = b;

	return x->size == y->size && (!x->size || !memcmp(x->at, y->at, x->size));
}

static bool same_switch(const struct of_field *f, const uint8_t *a, const uint8_t *b,
			uint8_t version)
{
	const struct of_variant *v =
		of_variant_of(f, (uint32_t)of_number(a + f->offset, f->size), version);

	if (!v || memcmp(a + f->offset, b + f->offset, f->size))
		return false;
	if (v->other)
		return same_list(a + v->offset, b + v->offset);
	return !v->desc || of_same(v->desc, a + v->offset, b + v->offset, version);
}

static bool same_field(const struct of_field *f, const uint8_t *a, const uint8_t *b,
		       uint8_t version)
{
	switch (f->kind) {
	case OF_NUMBER:
	case OF_TEXT:
		return !strncmp((const char *)a + f->offset, (const char *)b + f->offset, f->size);
	case OF_BYTES:
		return !memcmp(a + f->offset, b + f->offset, (size_t)f->size * f->n);
	case OF_STRUCT:
		return of_same(f->desc, a + f->offset, b + f->offset, version);
	case OF_LIST:
	case OF_SIZED:
	case OF_MATCH:
	case OF_OXM:
	case OF_DATA:
	case OF_MESSAGE:
		return same_list(a + f->offset, b + f->offset);
	case OF_SWITCH:
		return same_switch(f, a, b, version);
	default:
		return true;
	}
}

bool of_same(const struct of_desc *d, const void *a, const void *b, uint8_t version)
{
	if (of_is_message(d) &&
	    (memcmp(a, b, 1) || memcmp((const uint8_t *)a + 4, (const uint8_t *)b + 4, 4)))
		return false;
	for (uint32_t i = 0; i < d->n_fields; i++)
		if (of_applies(d->fields[i].since, d->fields[i].before, version) &&
		    !same_field(&d->fields[i], a, b, version))
			return false;
	return true;
}

static bool elements_hold(const struct of_desc *d, struct of_list l, bool exact)
{
	_Alignas(8) uint8_t m[OF_SCRATCH];
	struct of_list whole = l;
	struct of_buf b = { 0 };
	bool ok = true;

	while (ok && of_next(&l, d, m))
		ok = of_lists_hold(d, m, OF_VERSION_LATEST, exact) && !of_put(&b, d, m);
	ok = ok && !l.size && b.size == whole.size &&
	     (!exact || !b.size || !memcmp(b.data, whole.at, b.size));
	of_buf_fini(&b);
	return ok;
}

static bool oxms_hold(struct of_list l)
{
	struct of_list whole = l;
	struct of_buf b = { 0 };
	bool ok = true;

	for (struct of13_oxm m; ok && of13_oxm_next(&l, &m);)
		ok = !of13_oxm_put(&b, &m);
	ok = ok && !l.size && b.size == whole.size &&
	     (!b.size || !memcmp(b.data, whole.at, b.size));
	of_buf_fini(&b);
	return ok;
}

static bool field_holds(const struct of_field *f, const uint8_t *m, uint8_t version, bool exact)
{
	const struct of_list *list = (const struct of_list *)(const void *)(m + f->offset);
	const struct of_variant *v;

	switch (f->kind) {
	case OF_STRUCT:
		return of_lists_hold(f->desc, m + f->offset, version, exact);
	case OF_LIST:
	case OF_SIZED:
		return elements_hold(f->desc, *list, exact);
	case OF_MATCH:
	case OF_OXM:
		return oxms_hold(*list);
	case OF_SWITCH:
		v = of_variant_of(f, (uint32_t)of_number(m + f->offset, f->size), version);
		return v && (v->other || !v->desc ||
			     of_lists_hold(v->desc, m + v->offset, version, exact));
	default:
		return true;
	}
}

bool of_lists_hold(const struct of_desc *d, const void *m, uint8_t version, bool exact)
{
	for (uint32_t i = 0; i < d->n_fields; i++)
		if (of_applies(d->fields[i].since, d->fields[i].before, version) &&
		    !field_holds(&d->fields[i], m, version, exact))
			return false;
	return true;
}
