// The operational state as RFC 7951 JSON, after our modules; every `show` of the CLI is drawn from
// it.
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control_priv.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "unknown"
#endif

static void mac_text(const uint8_t mac[6], char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

static void counters(struct cfg_json *j, const struct dp_port_totals *t)
{
	cfg_json_open(j, "counter", '[');
	for (uint32_t i = 0; i < DP_N_PC; i++) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", dp_port_counter_name(i));
		cfg_json_u64(j, "value", t->c[i]);
		cfg_json_str(j, "help", dp_port_counter_help(i));
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
	cfg_json_open(j, "drop", '[');
	for (uint32_t i = 1; i < DP_N_DROPS; i++) {
		if (t->drop_in[i] + t->drop_out[i] == 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "reason", dp_drop_name(i));
		cfg_json_u64(j, "in", t->drop_in[i]);
		cfg_json_u64(j, "out", t->drop_out[i]);
		cfg_json_str(j, "help", dp_drop_help(i));
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
	cfg_json_open(j, "class", '[');
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", qos_class_name(i));
		cfg_json_u64(j, "rx-pkts", t->cls[i].rx_pkts);
		cfg_json_u64(j, "rx-bytes", t->cls[i].rx_bytes);
		cfg_json_u64(j, "tx-pkts", t->cls[i].tx_pkts);
		cfg_json_u64(j, "tx-bytes", t->cls[i].tx_bytes);
		cfg_json_u64(j, "queue-drops", t->cls[i].drop_pkts);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

// RFC 8343: octets count the FCS (RFC 3635), discards fit 32 bits.
// since_ns: when they began to count, on the clock of dp_switch_now_ns()
static void statistics(const struct ctl *c, struct cfg_json *j, const struct dp_port_totals *t,
		       uint64_t since_ns)
{
	// Not from the clock of now: the same port has to show the same time each time.
	int64_t up_ns = (int64_t)(since_ns - c->started_ns);
	time_t since = (time_t)(c->started_s + up_ns / 1000000000);
	uint64_t in = 0, out = 0;
	struct tm tm;
	char text[32];

	for (uint32_t i = 1; i < DP_N_DROPS; i++) {
		in += t->drop_in[i];
		out += t->drop_out[i];
	}
	gmtime_r(&since, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	cfg_json_open(j, "statistics", '{');
	cfg_json_str(j, "discontinuity-time", text);
	cfg_json_u64(j, "in-octets", t->c[DP_PC_rx_bytes] + 4 * t->c[DP_PC_rx_pkts]);
	cfg_json_u32(j, "in-discards", (uint32_t)in);
	cfg_json_u64(j, "out-octets", t->c[DP_PC_tx_bytes] + 4 * t->c[DP_PC_tx_pkts]);
	cfg_json_u32(j, "out-discards", (uint32_t)out);
	cfg_json_close(j, '}');
}

static void port(const struct ctl *c, struct cfg_json *j, const struct dp_port_info *p)
{
	static const char *const types[] = { "weir-interfaces:guest", "weir-interfaces:uplink",
					     "weir-interfaces:host" };
	static const uint8_t none[6];
	struct dp_port_totals t;
	uint64_t since_ns = ctl_port_counts(c, p, &t);
	const uint8_t *mac = (p->cfg.flags & DP_PF_MAC_FIXED) != 0 ? p->cfg.mac : p->link.mac;
	char text[18];

	cfg_json_open(j, NULL, '{');
	cfg_json_str(j, "name", p->cfg.name);
	cfg_json_str(j, "type", types[p->cfg.role]);
	cfg_json_str(j, "oper-status", p->link.up ? "up" : "down");
	if (memcmp(mac, none, 6) != 0) {
		mac_text(mac, text);
		cfg_json_str(j, "phys-address", text);
	}
	statistics(c, j, &t, since_ns);
	cfg_json_open(j, "weir-interfaces:port-state", '{');
	cfg_json_str(j, "detail", p->link.detail);
	cfg_json_u32(j, "index", p->idx);
	if (p->cfg.of_port != 0)
		cfg_json_u32(j, "of-port", p->cfg.of_port);
	cfg_json_u32(j, "worker", p->owner);
	cfg_json_u32(j, "mac-addresses", p->n_macs);
	if (ctl_has_vm(&p->cfg))
		cfg_json_str(j, "vm", p->cfg.vm);
	counters(j, &t);
	cfg_json_u64(j, "queued", t.queued_now);
	cfg_json_close(j, '}');
	cfg_json_close(j, '}');
}

static void show_ports(struct ctl *c, const char *name, struct cfg_json *j)
{
	struct dp_port_info info;

	cfg_json_open(j, "ietf-interfaces:interfaces", '{');
	cfg_json_open(j, "interface", '[');
	for (uint16_t i = 0; i < DP_MAX_PORTS; i++) {
		if (dp_switch_port_info(c->sw, i, &info) < 0 ||
		    (name[0] != '\0' && strcmp(name, info.cfg.name) != 0))
			continue;
		port(c, j, &info);
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

static void show_macs(struct ctl *c, struct cfg_json *j)
{
	struct dp_fdb *f = dp_switch_fdb(c->sw);
	uint32_t slot = 0, n, now_s = (uint32_t)(dp_switch_now_ns() / 1000000000u);
	struct dp_fdb_row rows[256];
	struct dp_port_info info;
	uint64_t evictions, moves;
	char text[18];

	ctl_mac_counts(c, &evictions, &moves);
	cfg_json_open(j, "weir-interfaces:mac-table", '{');
	cfg_json_u32(j, "entries", dp_fdb_count(f));
	cfg_json_u64(j, "evictions", evictions);
	cfg_json_u64(j, "moves", moves);
	cfg_json_open(j, "mac", '[');
	while ((n = dp_fdb_dump(f, &slot, now_s, rows, 256)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			if (dp_switch_port_info(c->sw, rows[i].port, &info) < 0)
				continue;
			mac_text(rows[i].mac, text);
			cfg_json_open(j, NULL, '{');
			cfg_json_u32(j, "vlan", rows[i].vid);
			cfg_json_str(j, "address", text);
			cfg_json_str(j, "port", info.cfg.name);
			cfg_json_bool(j, "static", rows[i].is_static);
			cfg_json_u32(j, "age",
				     rows[i].is_static || (int32_t)rows[i].age_s < 0
					     ? 0
					     : rows[i].age_s);
			cfg_json_close(j, '}');
		}
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

static void vm_nics(struct ctl *c, const struct cfg_vm *vm, struct cfg_json *j)
{
	struct dp_port_info info;
	char text[48];

	cfg_json_open(j, "nic", '[');
	for (uint32_t i = 0; i < vm->n_nics; i++) {
		const struct cfg_port *p = cfg_port_get(c->running, vm->nics[i].port);
		int idx = dp_switch_port_find(c->sw, p->name);

		cfg_json_open(j, NULL, '{');
		cfg_json_u32(j, "id", vm->nics[i].id);
		cfg_json_str(j, "port", p->name);
		mac_text(p->mac, text);
		cfg_json_str(j, "mac", text);
		if (p->n_ip4 > 0)
			cfg_json_str(j, "ipv4-address",
				     inet_ntop(AF_INET, p->ip4[0], text, sizeof(text)));
		cfg_json_u32(j, "vlan", p->vlan);
		cfg_json_bool(j, "connected",
			      idx >= 0 && dp_switch_port_info(c->sw, (uint16_t)idx, &info) == 0 &&
				      info.link.up);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

static void show_vms(struct ctl *c, const char *name, struct cfg_json *j)
{
	static const char *const methods[] = { "none", "iscsi", "kernel", "nfs", "http" };

	cfg_json_open(j, "weir-vm:vms-state", '{');
	cfg_json_open(j, "vm", '[');
	for (uint32_t i = 0; i < c->running->n_vms; i++) {
		const struct cfg_vm *vm = &c->running->vms[i];
		const struct ctl_vm *v = ctl_vm_find(c, vm->name);

		if (name[0] != '\0' && strcmp(name, vm->name) != 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", vm->name);
		if (vm->uuid[0] != '\0')
			cfg_json_str(j, "uuid", vm->uuid);
		// Before its provider has said what it boots from, nobody knows the method.
		cfg_json_str(j, "boot-method",
			     vm->method == CFG_BOOT_NONE && vm->provider[0] != '\0'
				     ? "provider"
				     : methods[vm->method]);
		ctl_vm_life_show(c, vm, j);
		vm_nics(c, vm, j);
		ctl_show_boots(c, vm, j);
		cfg_json_open(j, "boot-event", '[');
		for (uint32_t k = 0; v != NULL && k < v->n_events; k++) {
			cfg_json_open(j, NULL, '{');
			cfg_json_u32(j, "sequence", k);
			cfg_json_u64(j, "milliseconds",
				     v->events[k].ns < v->events[0].ns
					     ? 0
					     : (v->events[k].ns - v->events[0].ns) / 1000000u);
			cfg_json_str(j, "event", v->events[k].text);
			cfg_json_close(j, '}');
		}
		cfg_json_close(j, ']');
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

static void worker(struct cfg_json *j, const struct dp_worker_info *w, uint32_t cpu)
{
	cfg_json_open(j, NULL, '{');
	cfg_json_u32(j, "id", w->id);
	cfg_json_u32(j, "cpu", cpu);
	cfg_json_u32(j, "queues", w->n_rxqs);
	cfg_json_u64(j, "turns", w->turns);
	cfg_json_u64(j, "busy-turns", w->busy_turns);
	cfg_json_u64(j, "rx-pkts", w->rx_pkts);
	cfg_json_u64(j, "busy-cycles", w->busy_cycles);
	cfg_json_u32(j, "cycles-per-packet",
		     w->rx_pkts == 0 ? 0 : (uint32_t)(w->busy_cycles / w->rx_pkts));
	cfg_json_u64(j, "naps", w->naps);
	cfg_json_u64(j, "learn-events-lost", w->events_lost);
	cfg_json_close(j, '}');
}

// The responder's counters, the replies that found no room on their way out, and where HTTP is
// served.
static void responder(struct ctl *c, struct cfg_json *j)
{
	struct ctl_http_place place;
	struct boot_counters n;
	uint64_t lost = ctl_responder_counts(c, &n);
	const struct {
		const char *name, *help;
		uint64_t value;
	} rows[] = {
#define ROW(id, help) { #id, help, n.id },
		BOOT_COUNTERS(ROW)
#undef ROW
			{ "replies_lost", "replies that found the ring to their worker full",
			  lost },
	};

	cfg_json_open(j, "responder", '[');
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", rows[i].name);
		cfg_json_u64(j, "value", rows[i].value);
		cfg_json_str(j, "help", rows[i].help);
		cfg_json_close(j, '}');
	}
	for (uint32_t i = 0; ctl_http_state(c, i, &place); i++) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", place.name);
		cfg_json_u64(j, "value", place.served);
		cfg_json_str(j, "help", place.text);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

static void show_system(struct ctl *c, struct cfg_json *j)
{
	struct dp_worker_info w;

	cfg_json_open(j, "weir-system:system-state", '{');
	cfg_json_str(j, "version", WEIR_VERSION);
	cfg_json_u64(j, "generation", dp_switch_generation(c->sw));
	cfg_json_u32(j, "buffers-in-use", dp_switch_mbufs_in_use(c->sw));
	cfg_json_u32(j, "buffers", c->fixed.packet_buffers);
	cfg_json_bool(j, "hugepages", c->hugepages);
	cfg_json_u64(j, "uptime", (dp_switch_now_ns() - c->started_ns) / 1000000000u);
	cfg_json_bool(j, "conserved", dp_switch_conserved(c->sw, NULL));
	responder(c, j);
	cfg_json_open(j, "worker", '[');
	for (uint32_t i = 0; i < dp_switch_n_workers(c->sw); i++) {
		ctl_worker_counts(c, i, &w);
		worker(j, &w, c->worker_cpus[i]);
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

void ctl_show(struct ctl *c, const struct cfg_request *r, struct cfg_json *j)
{
	if (strcmp(r->part, "ports") == 0)
		show_ports(c, r->name, j);
	else if (strcmp(r->part, "macs") == 0)
		show_macs(c, j);
	else if (strcmp(r->part, "vms") == 0)
		show_vms(c, r->name, j);
	else if (strcmp(r->part, "qos") == 0)
		ctl_show_qos(c, r->name, j);
	else if (strcmp(r->part, "storage") == 0)
		ctl_show_storage(c, r->name, j);
	else if (strcmp(r->part, "portals") == 0)
		ctl_show_portals(c, j);
	else if (strcmp(r->part, "openflow") == 0)
		ctl_show_openflow(c, j);
	else
		show_system(c, j);
}
