// Requests of local tools: one RFC 7951 document each, validated by weir-operations.yang.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

static const struct {
	const char *name;
	uint8_t op;
} operations[] = {
	{ "get-state", CFG_OP_GET_STATE },
	{ "explain", CFG_OP_EXPLAIN },
	{ "tap", CFG_OP_TAP },
	{ "reload", CFG_OP_RELOAD },
};

static uint8_t nibble(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

// The schema's pattern has seen to it that text is pairs of lower-case digits.
static int hex_read(const char *text, struct cfg_request *r)
{
	size_t n = text == NULL ? 0 : strlen(text) / 2;

	r->bytes = malloc(n + 1);
	if (r->bytes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		r->bytes[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	r->size = n;
	return 0;
}

static int request_read(const struct lyd_node *op, struct cfg_request *r)
{
	const char *kind = cfg_value(op, "kind");

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(op->schema->name, operations[i].name) == 0)
			r->op = operations[i].op;
	}
	cfg_text(op, "part", r->part, sizeof(r->part));
	cfg_text(op, "name", r->name, sizeof(r->name));
	cfg_text(op, "port", r->name, sizeof(r->name));
	r->trace = kind != NULL && strcmp(kind, "trace") == 0;
	r->dry_run = cfg_flag(op, "dry-run", false);
	r->count = cfg_number(op, "count", 0);
	if (r->op == CFG_OP_EXPLAIN)
		return hex_read(cfg_value(op, "frame"), r);
	if (r->op == CFG_OP_TAP)
		return hex_read(cfg_value(op, "filter"), r);
	return 0;
}

int cfg_request_parse(struct cfg_schema *s, const char *json, size_t size, struct cfg_request *r,
		      struct cfg_error *err)
{
	struct lyd_node *tree = NULL, *op = NULL;
	struct ly_in *in = NULL;
	const char *why;
	char *text;
	int rc = 0;

	memset(r, 0, sizeof(*r));
	if (size > CFG_REQUEST_MAX)
		return cfg_refuse(err, "", "", "request is larger than %u bytes", CFG_REQUEST_MAX);
	text = malloc(size + 1);
	if (text == NULL)
		return -ENOMEM;
	memcpy(text, json, size);
	text[size] = '\0';
	if (ly_in_new_memory(text, &in) != LY_SUCCESS) {
		free(text);
		return -ENOMEM;
	}
	if ((why = cfg_scan_json(text)) != NULL)
		rc = cfg_refuse(err, "", "", "%s", why);
	else if (lyd_parse_op(s->ctx, NULL, in, LYD_JSON, LYD_TYPE_RPC_YANG, &tree, &op) !=
			 LY_SUCCESS ||
		 op == NULL || lyd_validate_op(tree, NULL, LYD_TYPE_RPC_YANG, NULL) != LY_SUCCESS)
		rc = cfg_refuse_ly(err, s->ctx);
	if (rc == 0)
		rc = request_read(op, r);
	lyd_free_all(tree);
	ly_in_free(in, 0);
	free(text);
	return rc;
}

void cfg_request_fini(struct cfg_request *r)
{
	free(r->bytes);
	r->bytes = NULL;
}

int cfg_state_check(struct cfg_schema *s, const char *json, size_t size, struct cfg_error *err)
{
	struct lyd_node *tree = NULL;
	int rc = 0;

	(void)size;
	// Validated, so that what is mandatory in a state is missed where it is not there.
	if (lyd_parse_data_mem(s->ctx, json, LYD_JSON, LYD_PARSE_STRICT, LYD_VALIDATE_PRESENT,
			       &tree) != LY_SUCCESS)
		rc = cfg_refuse_ly(err, s->ctx);
	lyd_free_all(tree);
	return rc;
}
