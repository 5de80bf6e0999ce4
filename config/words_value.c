// Values as people type them, and types in words. See words_priv.h.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words_priv.h"

#define UNION_DEPTH 4 // how deep members of unions are looked into

const struct lysc_type *cfg_words_type(const struct lysc_node *leaf)
{
	// leaf and leaf-list begin alike, but say so nowhere
	return leaf->nodetype == LYS_LEAF ? ((const struct lysc_node_leaf *)leaf)->type
					  : ((const struct lysc_node_leaflist *)leaf)->type;
}

static const char *units(const struct lysc_node *leaf)
{
	const char *u = leaf->nodetype == LYS_LEAF
				? ((const struct lysc_node_leaf *)leaf)->units
				: ((const struct lysc_node_leaflist *)leaf)->units;

	return u == NULL ? "" : u;
}

static const struct lysc_type *real_type(const struct lysc_type *type)
{
	return type->basetype == LY_TYPE_LEAFREF
		       ? ((const struct lysc_type_leafref *)type)->realtype
		       : type;
}

// Is the type, or a member of the union that it is, of that base?
static bool has_base(const struct lysc_type *type, LY_DATA_TYPE base, unsigned depth)
{
	const struct lysc_type_union *u;
	LY_ARRAY_COUNT_TYPE i;

	type = real_type(type);
	if (type->basetype == base)
		return true;
	if (type->basetype != LY_TYPE_UNION || depth == 0)
		return false;
	u = (const struct lysc_type_union *)type;
	LY_ARRAY_FOR (u->types, i) {
		if (has_base(u->types[i], base, depth - 1))
			return true;
	}
	return false;
}

// --- Identities

static void derived(const struct lysc_ident *id, cfg_ident_fn fn, void *arg, unsigned depth)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR (id->derived, i) {
		if (id->derived[i]->module->implemented)
			fn(arg, id->derived[i]);
		if (depth > 0)
			derived(id->derived[i], fn, arg, depth - 1);
	}
}

static void identities(const struct lysc_type *type, cfg_ident_fn fn, void *arg, unsigned depth)
{
	LY_ARRAY_COUNT_TYPE i;

	type = real_type(type);
	if (type->basetype == LY_TYPE_IDENT) {
		const struct lysc_type_identityref *ref = (const void *)type;

		// With several bases the first one's are tried; libyang refuses what is not
		// derived from all.
		derived(ref->bases[0], fn, arg, 16);
	} else if (type->basetype == LY_TYPE_UNION && depth > 0) {
		const struct lysc_type_union *u = (const void *)type;

		LY_ARRAY_FOR (u->types, i)
			identities(u->types[i], fn, arg, depth - 1);
	}
}

void cfg_words_identities(const struct lysc_type *type, cfg_ident_fn fn, void *arg)
{
	identities(type, fn, arg, UNION_DEPTH);
}

struct ident_search {
	const char *name;
	const struct lysc_ident *id;
	bool several;
};

static void ident_match(void *arg, const struct lysc_ident *id)
{
	struct ident_search *q = arg;

	if (strcmp(id->name, q->name) != 0)
		return;
	if (q->id != NULL && q->id != id)
		q->several = true;
	q->id = id;
}

void cfg_words_put_identity(struct cfg_words_text *t, const struct lysc_type *type,
			    const struct lysc_ident *id)
{
	struct ident_search q = { .name = id->name };

	cfg_words_identities(type, ident_match, &q);
	if (q.several) {
		cfg_words_put(t, id->module->name);
		cfg_words_put(t, ":");
	}
	cfg_words_put(t, id->name);
}

// --- Types in words

static const struct {
	LY_DATA_TYPE base;
	const char *name, *range;
} numbers[] = {
	{ LY_TYPE_UINT8, "uint8", "0..255" },
	{ LY_TYPE_UINT16, "uint16", "0..65535" },
	{ LY_TYPE_UINT32, "uint32", "0..4294967295" },
	{ LY_TYPE_UINT64, "uint64", "0..18446744073709551615" },
	{ LY_TYPE_INT8, "int8", "-128..127" },
	{ LY_TYPE_INT16, "int16", "-32768..32767" },
	{ LY_TYPE_INT32, "int32", "-2147483648..2147483647" },
	{ LY_TYPE_INT64, "int64", "-9223372036854775808..9223372036854775807" },
};

static void put_bound(struct cfg_words_text *t, const struct lysc_type *type, int64_t bound)
{
	uint64_t size = bound < 0 ? 0 - (uint64_t)bound : (uint64_t)bound, unit = 1;
	int digits = 0;

	if (type->basetype < LY_TYPE_DEC64) {
		cfg_words_printf(t, "%" PRIu64, (uint64_t)bound);
		return;
	}
	if (type->basetype == LY_TYPE_DEC64)
		digits = ((const struct lysc_type_dec *)type)->fraction_digits;
	for (int i = 0; i < digits; i++)
		unit *= 10;
	cfg_words_printf(t, "%s%" PRIu64, bound < 0 ? "-" : "", size / unit);
	if (digits > 0)
		cfg_words_printf(t, ".%0*" PRIu64, digits, size % unit);
}

static void put_range(struct cfg_words_text *t, const struct lysc_type *type,
		      const struct lysc_range *r)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR (r->parts, i) {
		cfg_words_put(t, i > 0 ? "|" : "");
		put_bound(t, type, r->parts[i].min_64);
		if (r->parts[i].min_64 == r->parts[i].max_64)
			continue;
		cfg_words_put(t, "..");
		put_bound(t, type, r->parts[i].max_64);
	}
}

static void put_string(struct cfg_words_text *t, const struct lysc_type *type)
{
	const struct lysc_type_str *s = (const void *)type;
	LY_ARRAY_COUNT_TYPE i;

	cfg_words_put(t, "text");
	if (s->length != NULL) {
		cfg_words_put(t, " of ");
		put_range(t, type, s->length);
		cfg_words_put(t, " characters");
	}
	LY_ARRAY_FOR (s->patterns, i) {
		const struct lysc_pattern *p = s->patterns[i];
		const char *why = p->emsg != NULL ? p->emsg : p->dsc;

		if (why == NULL)
			cfg_words_put(t, p->inverted ? ", not of pattern " : ", pattern ");
		else
			cfg_words_put(t, ": ");
		cfg_words_put(t, why != NULL ? why : p->expr);
	}
}

static void put_items(struct cfg_words_text *t, const struct lysc_type_bitenum_item *items)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR (items, i) {
		cfg_words_put(t, i > 0 ? ", " : "");
		cfg_words_put(t, items[i].name);
	}
}

struct ident_list {
	struct cfg_words_text *t;
	const struct lysc_type *type;
	unsigned n;
};

static void put_ident(void *arg, const struct lysc_ident *id)
{
	struct ident_list *l = arg;

	cfg_words_put(l->t, l->n++ > 0 ? ", " : "");
	cfg_words_put_identity(l->t, l->type, id);
}

static void put_number(struct cfg_words_text *t, const struct lysc_type *type)
{
	const struct lysc_range *r = ((const struct lysc_type_num *)type)->range;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i].base != type->basetype)
			continue;
		cfg_words_printf(t, "%s ", numbers[i].name);
		if (r == NULL)
			cfg_words_put(t, numbers[i].range);
		else
			put_range(t, type, r);
	}
}

// Where a leafref points to: a plain path in words.
static void put_target(struct cfg_words_text *t, const char *path)
{
	const char *colon, *end;

	cfg_words_put(t, "a value of");
	if (path[0] != '/' || strchr(path, '[') != NULL) {
		cfg_words_printf(t, " %s, ", path);
		return;
	}
	for (; *path == '/'; path = end) {
		path++;
		end = path + strcspn(path, "/");
		colon = memchr(path, ':', (size_t)(end - path));
		path = colon == NULL ? path : colon + 1;
		cfg_words_put(t, " ");
		cfg_words_put_n(t, path, (size_t)(end - path));
	}
	cfg_words_put(t, ", ");
}

static void put_type(struct cfg_words_text *t, const struct lysc_type *type, unsigned depth)
{
	struct ident_list ids = { .t = t, .type = type };
	LY_ARRAY_COUNT_TYPE i;

	switch (type->basetype) {
	case LY_TYPE_STRING:
		put_string(t, type);
		break;
	case LY_TYPE_BOOL:
		cfg_words_put(t, "true or false");
		break;
	case LY_TYPE_ENUM:
		cfg_words_put(t, "one of ");
		put_items(t, ((const struct lysc_type_enum *)type)->enums);
		break;
	case LY_TYPE_BITS:
		cfg_words_put(t, "any of ");
		put_items(t, ((const struct lysc_type_bits *)type)->bits);
		break;
	case LY_TYPE_IDENT:
		cfg_words_put(t, "one of ");
		identities(type, put_ident, &ids, 0);
		break;
	case LY_TYPE_LEAFREF:
		put_target(t, lyxp_get_expr(((const struct lysc_type_leafref *)type)->path));
		put_type(t, real_type(type), depth);
		break;
	case LY_TYPE_UNION:
		LY_ARRAY_FOR (((const struct lysc_type_union *)type)->types, i) {
			cfg_words_put(t, i > 0 ? ", or " : "");
			if (depth > 0)
				put_type(t, ((const struct lysc_type_union *)type)->types[i],
					 depth - 1);
		}
		break;
	case LY_TYPE_DEC64:
		cfg_words_put(t, "decimal number ");
		if (((const struct lysc_type_dec *)type)->range != NULL)
			put_range(t, type, ((const struct lysc_type_dec *)type)->range);
		break;
	case LY_TYPE_BINARY:
		cfg_words_put(t, "base64 text");
		break;
	case LY_TYPE_INST:
		cfg_words_put(t, "path of a node");
		break;
	case LY_TYPE_EMPTY:
		cfg_words_put(t, "no value");
		break;
	default:
		put_number(t, type);
	}
}

void cfg_words_type_text(struct cfg_words_text *t, const struct lysc_node *leaf)
{
	put_type(t, cfg_words_type(leaf), UNION_DEPTH);
	if (units(leaf)[0] != '\0')
		cfg_words_printf(t, ", in %s", units(leaf));
}

// --- What was typed, to what libyang takes

static bool takes(const struct ly_ctx *ctx, const struct lysc_node *leaf, const char *text)
{
	LY_ERR rc = lyd_value_validate(ctx, leaf, text, strlen(text), NULL, NULL, NULL);

	return rc == LY_SUCCESS || rc == LY_EINCOMPLETE;
}

// Digits with at most one dot, as n / fraction. returns what stands behind them, NULL = none, or
// too many
static const char *decimal(const char *text, uint64_t *n, uint64_t *fraction)
{
	const char *p = text;
	bool dot = false;

	*n = 0;
	*fraction = 1;
	for (; (*p >= '0' && *p <= '9') || (*p == '.' && !dot); p++) {
		if (*p == '.') {
			dot = true;
			continue;
		}
		if (*n > UINT64_MAX / 100 || *fraction > UINT64_MAX / 100)
			return NULL;
		*n = *n * 10 + (uint64_t)(*p - '0');
		*fraction *= dot ? 10 : 1;
	}
	return p == text ? NULL : p;
}

// n / fraction * scale, where that is whole.
static bool whole(uint64_t n, uint64_t fraction, uint64_t scale, char out[32])
{
	if (n > UINT64_MAX / scale || n * scale % fraction != 0)
		return false;
	snprintf(out, 32, "%" PRIu64, n * scale / fraction);
	return true;
}

// 1g, 1.5G, 64ki as a number of units. false when it is none, or not a whole one.
static bool with_suffix(const char *text, bool binary_too, char out[32])
{
	static const char letters[] = "kmgt";
	uint64_t n, fraction, step = 1000, scale = 1;
	const char *p = decimal(text, &n, &fraction), *at;

	if (p == NULL || *p == '\0' || (at = strchr(letters, *p | 0x20)) == NULL)
		return false;
	if (binary_too && (p[1] | 0x20) == 'i') {
		step = 1024;
		p++;
	}
	if (p[1] != '\0')
		return false;
	for (const char *l = letters; l <= at; l++)
		scale *= step;
	return whole(n, fraction, scale, out);
}

// Microseconds of a word for time; 0 = it is none.
static uint64_t time_unit(const char *word)
{
	static const struct {
		const char *word;
		uint64_t us;
	} table[] = {
		{ "us", 1 },	     { "microseconds", 1 },
		{ "ms", 1000 },	     { "milliseconds", 1000 },
		{ "s", 1000000 },    { "seconds", 1000000 },
		{ "m", 60000000 },   { "min", 60000000 },
		{ "h", 3600000000 }, { "d", 86400000000 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].word, word) == 0)
			return table[i].us;
	}
	return 0;
}

// 2ms, 1.5s, 7d as a number of units of `unit` us. false when it is none, or not a whole one.
static bool with_time(const char *text, uint64_t unit, char out[32])
{
	uint64_t n, fraction, scale;
	const char *p = decimal(text, &n, &fraction);

	scale = p == NULL ? 0 : time_unit(p);
	if (unit == 0 || scale == 0 || fraction > UINT64_MAX / unit)
		return false;
	return whole(n, fraction * unit, scale, out);
}

static const char *boolean(const char *text)
{
	static const struct {
		const char *typed, *means;
	} table[] = {
		{ "yes", "true" },
		{ "on", "true" },
		{ "no", "false" },
		{ "off", "false" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].typed, text) == 0)
			return table[i].means;
	}
	return NULL;
}

static int refuse(const struct ly_ctx *ctx, const struct lysc_node *leaf, const char *several,
		  struct cfg_words_error *e)
{
	struct cfg_words_text t = { 0 };
	const char *msg = ly_errmsg(ctx);

	if (several != NULL)
		snprintf(e->reason, sizeof(e->reason), "%s is in several modules: write MODULE:%s",
			 several, several);
	else
		snprintf(e->reason, sizeof(e->reason), "%s",
			 msg != NULL ? msg : "not a value of this type");
	cfg_words_type_text(&t, leaf);
	snprintf(e->expected, sizeof(e->expected), "%s", t.buf == NULL ? "" : t.buf);
	free(t.buf);
	return -EINVAL;
}

// Short forms of a value, in buf. NULL = there is none that fits.
static const char *short_form(const struct ly_ctx *ctx, const struct lysc_node *leaf,
			      const char *text, struct cfg_words_text *buf)
{
	const struct lysc_type *type = cfg_words_type(leaf);
	struct ident_search q = { .name = text };
	const char *u = units(leaf), *b;
	char number[32];
	bool bytes = strncmp(u, "byte", 4) == 0 || strncmp(u, "octet", 5) == 0;

	cfg_words_identities(type, ident_match, &q);
	if (q.id != NULL && !q.several) {
		cfg_words_printf(buf, "%s:%s", q.id->module->name, q.id->name);
		if (buf->buf != NULL && takes(ctx, leaf, buf->buf))
			return buf->buf;
	}
	b = has_base(type, LY_TYPE_BOOL, UNION_DEPTH) ? boolean(text) : NULL;
	if (b != NULL && takes(ctx, leaf, b))
		return b;
	if ((((bytes || strncmp(u, "bit", 3) == 0) && with_suffix(text, bytes, number)) ||
	     with_time(text, time_unit(u), number)) &&
	    takes(ctx, leaf, number)) {
		buf->size = 0;
		cfg_words_put(buf, number);
		return buf->buf;
	}
	return NULL;
}

int cfg_words_value(const struct ly_ctx *ctx, const struct lysc_node *leaf, const char *text,
		    char **out, struct cfg_words_error *e)
{
	struct cfg_words_text buf = { 0 };
	struct ident_search q = { .name = text };
	const char *use = text;

	*out = NULL;
	cfg_words_identities(cfg_words_type(leaf), ident_match, &q);
	// libyang would take one of the leaf's own module; a person may have meant the other.
	if (real_type(cfg_words_type(leaf))->basetype == LY_TYPE_IDENT && q.several)
		return refuse(ctx, leaf, text, e);
	if (!takes(ctx, leaf, text))
		use = short_form(ctx, leaf, text, &buf);
	if (use == NULL) {
		(void)takes(ctx, leaf, text); // for its message
		free(buf.buf);
		return refuse(ctx, leaf, q.several ? text : NULL, e);
	}
	*out = strdup(use);
	free(buf.buf);
	return *out == NULL ? -ENOMEM : 0;
}

// Does `typed` mean `value`, an identity of the form MODULE:NAME?
static bool same_identity(const struct lyd_node *leaf, const char *typed, const char *value)
{
	const char *module = leaf->schema->module->name;
	size_t n = strlen(module);
	struct cfg_words_error e;
	char *back;
	bool same;

	if (cfg_words_value(LYD_CTX(leaf), leaf->schema, typed, &back, &e) < 0)
		return false;
	// Without a module it is one of the leaf's own.
	same = strcmp(back, value) == 0 ||
	       (strcmp(back, typed) == 0 && strncmp(value, module, n) == 0 && value[n] == ':');
	free(back);
	return same;
}

static void put_value(struct cfg_words_text *t, const struct lyd_node *leaf)
{
	const struct lyd_node_term *term = (const void *)leaf;
	const char *value = lyd_get_value(leaf), *name = strchr(value, ':');

	if (name != NULL && term->value.realtype->basetype == LY_TYPE_IDENT &&
	    same_identity(leaf, name + 1, value))
		value = name + 1;
	cfg_words_put_word(t, value);
}

// A rate as people write it, 9.8g, where three decimals are enough. Reading it gives the number.
static bool put_rate(struct cfg_words_text *t, const struct lyd_node *leaf)
{
	static const char letters[] = "tgmk";
	uint64_t size = 1000000000000, n;

	if (cfg_words_type(leaf->schema)->basetype != LY_TYPE_UINT64 ||
	    strncmp(units(leaf->schema), "bit", 3) != 0)
		return false;
	n = ((const struct lyd_node_term *)(const void *)leaf)->value.uint64;
	for (const char *l = letters; *l != '\0'; l++, size /= 1000) {
		char fraction[8];

		if (n < size || n % (size / 1000) != 0)
			continue;
		snprintf(fraction, sizeof(fraction), ".%03u", (unsigned)(n % size / (size / 1000)));
		for (size_t end = 4; end > 0 && strchr(".0", fraction[end - 1]) != NULL; end--)
			fraction[end - 1] = '\0';
		cfg_words_printf(t, "%" PRIu64 "%s%c", n / size, fraction, *l);
		return true;
	}
	return false;
}

void cfg_words_put_value(struct cfg_words_text *t, const struct lyd_node *leaf)
{
	if (cfg_words_is(leaf, LYS_LEAF) && put_rate(t, leaf))
		return;
	put_value(t, leaf);
}
