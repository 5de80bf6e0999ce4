// What happens, told to NETCONF subscribers (module weir-events): links that come and go, the life
// of virtual machines. Without a subscriber nothing is looked at.
#include "control_priv.h"

// Ports that one call looks at: with 1,000 ports a change is told within 80 ms.
enum { WATCHED_AT_ONCE = 128 };

static void tell(struct ctl *c, struct cfg_json *j)
{
	if (!j->failed)
		(void)cfg_store_event(c->store, j->buf);
	cfg_json_fini(j);
	ctl_netconf_flush(c);
}

void ctl_event_vm(struct ctl *c, const char *vm, const char *text)
{
	struct cfg_json j;

	if (c->store == NULL || !cfg_store_heard(c->store))
		return;
	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	cfg_json_open(&j, "weir-events:vm-event", '{');
	cfg_json_str(&j, "vm", vm);
	cfg_json_str(&j, "event", text);
	cfg_json_close(&j, '}');
	cfg_json_close(&j, '}');
	tell(c, &j);
}

static void port_changed(struct ctl *c, const struct dp_port_info *p)
{
	struct cfg_json j;

	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	cfg_json_open(&j, "weir-events:port-state-changed", '{');
	cfg_json_str(&j, "port", p->cfg.name);
	cfg_json_str(&j, "oper-status", p->link.up ? "up" : "down");
	cfg_json_close(&j, '}');
	cfg_json_close(&j, '}');
	tell(c, &j);
}

void ctl_event_ports(struct ctl *c)
{
	struct dp_port_info p;
	bool heard = c->store != NULL && cfg_store_heard(c->store);
	bool first = heard && !c->ports_heard; // how things are now is no news
	uint32_t n = first ? DP_MAX_PORTS : WATCHED_AT_ONCE;

	c->ports_heard = heard;
	for (uint32_t i = 0; heard && i < n; i++) {
		uint16_t idx = (uint16_t)(c->port_next++ % DP_MAX_PORTS);
		struct ctl_port_seen *seen = &c->ports_seen[idx];

		if (dp_switch_port_info(c->sw, idx, &p) < 0) {
			seen->gen = 0;
			continue;
		}
		// A port that is new has changed when it is up.
		if (!first && p.link.up != (seen->gen == p.gen && seen->up))
			port_changed(c, &p);
		seen->gen = p.gen;
		seen->up = p.link.up;
	}
}
