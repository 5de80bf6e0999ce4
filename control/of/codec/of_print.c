// Messages as JSON, field by field: for logs, for tests, and to compare with other decoders.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "of13.h"
#include "of_desc.h"

struct text {
	char *at;
	size_t size, cap;
	bool names; // of numbers
};

static void print_fields(struct text *t, const struct of_desc *d, const uint8_t *m,
			 uint8_t version);

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
	size_t room = t->size < t->cap ? t->cap - t->size : 0;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(room ? t->at + t->size : NULL, room, format, args);
	va_end(args);
	if (n > 0)
		t->size += (size_t)n;
}

static void add_bytes(struct text *t, const uint8_t *at, size_t size)
{
	add(t, "\"");
	for (size_t i = 0; i < size; i++)
		add(t, "%02x", at[i]);
	add(t, "\"");
}

static void add_text(struct text *t, const char *s)
{
	add(t, "\"");
	for (; *s; s++)
		if (*s >= ' ' && *s < 0x7f && *s != '"' && *s != '\\')
			add(t, "%c", *s);
		else
			add(t, "\\u%04x", (uint8_t)*s);
	add(t, "\"");
}

static void print_oxms(struct text *t, struct of_list l)
{
	const char *comma = "";

	add(t, "[");
	for (struct of13_oxm m; of13_oxm_next(&l, &m); comma = ", ") {
		const char *name = m.field < OF_OXM_N ? of13_oxm_infos[m.field].name : NULL;
		add(t, "%s{\"field\": \"%s\", \"value\": ", comma, name ? name : "?");
		add_bytes(t, m.value, m.size);
		if (m.has_mask) {
			add(t, ", \"mask\": ");
			add_bytes(t, m.mask, m.size);
		}
		add(t, "}");
	}
	add(t, "]");
}

static void print_list(struct text *t, const struct of_desc *d, struct of_list l)
{
	_Alignas(8) uint8_t scratch[OF_SCRATCH];
	const char *comma = "";

	add(t, "[");
	for (; of_next(&l, d, scratch); comma = ", ") {
		add(t, "%s{", comma);
		print_fields(t, d, scratch, OF_VERSION_LATEST);
		add(t, "}");
	}
	add(t, "]");
}

static void print_numbers(struct text *t, const struct of_field *f, const uint8_t *at)
{
	const char *name =
		f->names && t->names ? of_name_of(f->names, of_number(at, f->size)) : NULL;

	if (name) {
		add_text(t, name);
		return;
	}
	if (f->n > 1)
		add(t, "[");
	for (unsigned i = 0; i < f->n; i++)
		add(t, "%s%llu", i ? ", " : "",
		    (unsigned long long)of_number(at + (size_t)i * f->size, f->size));
	if (f->n > 1)
		add(t, "]");
}

static void print_value(struct text *t, const struct of_field *f, const uint8_t *m, uint8_t version)
{
	const struct of_list *list = (const struct of_list *)(const void *)(m + f->offset);

	switch (f->kind) {
	case OF_NUMBER:
		print_numbers(t, f, m + f->offset);
		break;
	case OF_BYTES:
		add_bytes(t, m + f->offset, f->size);
		break;
	case OF_TEXT:
		add_text(t, (const char *)m + f->offset);
		break;
	case OF_STRUCT:
		add(t, "{");
		print_fields(t, f->desc, m + f->offset, version);
		add(t, "}");
		break;
	case OF_LIST:
	case OF_SIZED:
		print_list(t, f->desc, *list);
		break;
	case OF_MATCH:
	case OF_OXM:
		print_oxms(t, *list);
		break;
	default: // OF_DATA, OF_MESSAGE
		add_bytes(t, list->at, list->size);
	}
}

static void print_switch(struct text *t, const struct of_field *f, const uint8_t *m,
			 uint8_t version)
{
	uint32_t value = (uint32_t)of_number(m + f->offset, f->size);
	const struct of_variant *v = of_variant_of(f, value, version);
	const struct of_list *rest;

	if (!v || (!v->other && !v->desc))
		return;
	add(t, ", \"%s\": ", v->name);
	if (v->other) {
		rest = (const struct of_list *)(const void *)(m + v->offset);
		add_bytes(t, rest->at, rest->size);
		return;
	}
	add(t, "{");
	print_fields(t, v->desc, m + v->offset, version);
	add(t, "}");
}

static void print_fields(struct text *t, const struct of_desc *d, const uint8_t *m, uint8_t version)
{
	const char *comma = "";

	for (uint32_t i = 0; i < d->n_fields; i++) {
		const struct of_field *f = &d->fields[i];
		if (!of_applies(f->since, f->before, version))
			continue;
		if (f->kind == OF_SWITCH)
			print_switch(t, f, m, version);
		if (!f->name || f->kind == OF_SIZE_OF)
			continue;
		add(t, "%s\"%s\": ", comma, f->name);
		print_value(t, f, m, version);
		comma = ", ";
	}
}

size_t of_print_message(const uint8_t *msg, size_t size, struct of_text text)
{
	_Alignas(8) uint8_t scratch[OF_SCRATCH];
	struct text t = { text.at, 0, text.cap, text.names };
	struct of_wire_error e = { 0 };
	const struct of_desc *d = of_identify(msg, size, &e);

	if (text.cap)
		text.at[0] = 0;
	if (!d || of_get_message(d, msg, size, scratch, &e)) {
		const char *type = of13_error_type_name(e.type);
		const char *code = of13_error_code_name(e.type, e.code);
		add(&t, "{\"refused\": \"%s\", \"why\": \"%s\"}", type ? type : "?",
		    code ? code : "?");
		return t.size;
	}
	add(&t, "{\"openflow\": \"%s\", \"version\": %u, \"xid\": %lu", d->name, scratch[0],
	    (unsigned long)of_number(scratch + 4, 4));
	if (d->n_fields)
		add(&t, ", ");
	print_fields(&t, d, scratch, scratch[0]);
	add(&t, "}");
	return t.size;
}

size_t of13_print(const uint8_t *msg, size_t size, char *text, size_t cap)
{
	return of_print_message(msg, size, (struct of_text){ text, cap, true });
}
