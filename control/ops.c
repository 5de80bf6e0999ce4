// Answers to requests of local tools. The document is {"ok":true,"data":{...}} or
// {"ok":false,"error":{...}}.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "weir_log.h"

void ctl_answer_error(struct cfg_json *j, const char *path, const char *value, const char *reason)
{
	cfg_json_open(j, NULL, '{');
	cfg_json_bool(j, "ok", false);
	cfg_json_open(j, "error", '{');
	cfg_json_str(j, "path", path);
	cfg_json_str(j, "value", value);
	cfg_json_str(j, "reason", reason);
	cfg_json_close(j, '}');
	cfg_json_close(j, '}');
}

static void frame_facts(struct cfg_json *j, const struct dp_parse *p)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%04x", p->eth_type);
	cfg_json_str(j, "ethertype", text);
	cfg_json_u32(j, "tags", p->n_tags);
	if ((p->flags & (DP_PF_IP4 | DP_PF_IP6)) != 0)
		cfg_json_u32(j, "ip-protocol", p->ip_proto);
	if ((p->flags & DP_PF_L4) != 0) {
		cfg_json_u32(j, "source-port", p->sport);
		cfg_json_u32(j, "destination-port", p->dport);
	}
}

// What the tables did, whatever came of it.
static void explain_tables(struct ctl *c, const struct cfg_request *r, const struct dp_verdict *v,
			   uint16_t idx, struct cfg_json *j)
{
	static struct dp_port_info info; // main thread only

	if (v->kind == DP_VERDICT_OPENFLOW)
		cfg_json_bool(j, "to-controller", v->to_controller);
	if (v->walked && dp_switch_port_info(c->sw, idx, &info) == 0)
		ctl_explain_of(c, info.cfg.of_port, r->bytes, r->size, j);
}

static void explain(struct ctl *c, const struct cfg_request *r, struct cfg_json *j)
{
	static const char *const kinds[] = { "drop", "unicast", "flood", "responder", "openflow" };
	static struct dp_verdict v; // 12 KiB; main thread only
	struct dp_port_info info;
	int idx = dp_switch_port_find(c->sw, r->name);

	if (idx < 0 || dp_switch_explain(c->sw, (uint16_t)idx, r->bytes, r->size, &v) < 0) {
		ctl_answer_error(j, "/weir-operations:explain/port", r->name,
				 "there is no port of that name");
		return;
	}
	cfg_json_open(j, NULL, '{');
	cfg_json_bool(j, "ok", true);
	cfg_json_open(j, "data", '{');
	cfg_json_str(j, "verdict", kinds[v.kind]);
	cfg_json_open(j, "frame", '{');
	frame_facts(j, &v.parse);
	cfg_json_close(j, '}');
	if (v.vid != 0)
		cfg_json_u32(j, "vlan", v.vid);
	explain_tables(c, r, &v, (uint16_t)idx, j);
	if (v.kind == DP_VERDICT_DROP) {
		cfg_json_str(j, "stage", dp_stage_name(v.stage));
		cfg_json_str(j, "reason", dp_drop_name(v.drop));
		cfg_json_str(j, "help", dp_drop_help(v.drop));
	} else {
		cfg_json_str(j, "class", qos_class_name(v.cls));
		cfg_json_str(j, "class-why", qos_why_text(v.why));
		ctl_explain_portal(c, &v, r->bytes, j);
		cfg_json_open(j, "out", '[');
		for (uint32_t i = 0; i < v.n_out; i++) {
			if (dp_switch_port_info(c->sw, v.out[i], &info) == 0)
				cfg_json_str(j, NULL, info.cfg.name);
		}
		cfg_json_close(j, ']');
		ctl_explain_qos(c, &v, j);
	}
	cfg_json_close(j, '}');
	cfg_json_close(j, '}');
}

static void reload(struct ctl *c, bool dry_run, struct cfg_json *j)
{
	struct cfg_error err = { 0 };
	char *plan = NULL;
	int rc = ctl_reload(c, dry_run, &plan, &err);

	if (rc < 0) {
		weir_log(WEIR_ERROR, "configuration %s: refused: %s%s%s%s%s", c->config_path,
			 err.path, err.path[0] ? " " : "", err.value, err.value[0] ? ": " : "",
			 err.reason);
		ctl_answer_error(j, err.path, err.value, err.reason);
	} else {
		cfg_json_open(j, NULL, '{');
		cfg_json_bool(j, "ok", true);
		cfg_json_open(j, "data", '{');
		cfg_json_str(j, "plan", plan == NULL ? "" : plan);
		cfg_json_close(j, '}');
		cfg_json_close(j, '}');
	}
	free(plan);
}

void ctl_answer(struct ctl *c, const struct cfg_request *r, struct cfg_json *j)
{
	switch (r->op) {
	case CFG_OP_EXPLAIN:
		explain(c, r, j);
		break;
	case CFG_OP_RELOAD:
		reload(c, r->dry_run, j);
		break;
	default: // CFG_OP_GET_STATE; a tap is the server's own
		cfg_json_open(j, NULL, '{');
		cfg_json_bool(j, "ok", true);
		cfg_json_open(j, "data", '{');
		ctl_show(c, r, j);
		cfg_json_close(j, '}');
		cfg_json_close(j, '}');
	}
}
