// Ports as controllers see them: those of the switch that have a number. What changed is looked for
// every 100 ms and with each configuration, and told as port-status.
#include "of_ops.h"

#include "dp_switch.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_NS 100000000ull
static const uint32_t config_bits =
	DP_OFPPC_PORT_DOWN | DP_OFPPC_NO_RECV | DP_OFPPC_NO_FWD | DP_OFPPC_NO_PACKET_IN;

struct of_ports {
	struct of_map map;
	struct of_map gone; // those with a config, which they find again
	uint64_t next_ns;
};

static int bad(struct of_wire_error *e, uint16_t code)
{
	return of_refuse(e, OF13_ERROR_PORT_MOD_FAILED, code);
}

struct of_port *of_port_find(const struct of_agent *a, uint32_t no)
{
	return of_map_find(&a->ports->map, no);
}

struct of_port *of_port_from(const struct of_agent *a, uint32_t no)
{
	return of_map_from(&a->ports->map, no);
}

// --- What a port is like

static uint32_t feature_of(uint64_t bits_per_s)
{
	static const struct {
		uint64_t mbit;
		uint32_t feature;
	} speeds[] = {
		{ 10, OF13_PORT_FEATURE_10MB_FD },     { 100, OF13_PORT_FEATURE_100MB_FD },
		{ 1000, OF13_PORT_FEATURE_1GB_FD },    { 10000, OF13_PORT_FEATURE_10GB_FD },
		{ 40000, OF13_PORT_FEATURE_40GB_FD },  { 100000, OF13_PORT_FEATURE_100GB_FD },
		{ 1000000, OF13_PORT_FEATURE_1TB_FD },
	};

	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		if (speeds[i].mbit * 1000000 == bits_per_s)
			return speeds[i].feature;
	}
	return bits_per_s == 0 ? 0 : OF13_PORT_FEATURE_OTHER;
}

static void present(const struct of_port *p, struct of13_port *out)
{
	uint64_t kbit = p->rate_bits_per_s / 1000;

	*out = (struct of13_port){ .port_no = p->no, .config = p->config, .state = p->state };
	memcpy(out->hw_addr, p->mac, sizeof(out->hw_addr));
	memcpy(out->name, p->name, sizeof(out->name) - 1);
	// Of a link whose rate is not configured nothing is known: virtual ones have none.
	out->curr = out->supported = feature_of(p->rate_bits_per_s);
	out->curr_speed = out->max_speed = kbit > UINT32_MAX ? UINT32_MAX : (uint32_t)kbit;
}

static void present14(const struct of13_port *d, struct of13_port14 *out)
{
	*out = (struct of13_port14){ .port_no = d->port_no,
				     .config = d->config,
				     .state = d->state };
	memcpy(out->hw_addr, d->hw_addr, sizeof(out->hw_addr));
	memcpy(out->name, d->name, sizeof(out->name));
}

int of_port_put(struct of_buf *b, const struct of_port *p, uint8_t version)
{
	struct of13_port d;
	struct of13_port14 d14;

	present(p, &d);
	if (version < OF14_VERSION)
		return of13_port_put(b, &d);
	present14(&d, &d14);
	return of13_port14_put(b, &d14);
}

// --- What changed

struct status {
	const struct of_port *p;
	uint8_t reason;
};

static void build_status(struct of_buf *b, uint8_t version, uint32_t xid, void *arg)
{
	const struct status *s = arg;
	struct of13_port d;

	present(s->p, &d);
	if (version < OF14_VERSION) {
		struct of13_port_status m = { .xid = xid, .reason = s->reason, .desc = d };

		of13_port_status_put(b, &m);
	} else {
		struct of13_port_status14 m = { .version = version,
						.xid = xid,
						.reason = s->reason };

		present14(&d, &m.desc);
		of13_port_status14_put(b, &m);
	}
}

static void tell(struct of_agent *a, const struct of_port *p, uint8_t reason)
{
	struct status s = { p, reason };

	of_async_send(a, OF_ASYNC_PORT_STATUS, reason, build_status, &s);
}

static uint32_t number_of(const struct dp_port_info *i)
{
	return i->cfg.role == DP_ROLE_HOST ? DP_OFPP_LOCAL : i->cfg.of_port;
}

static void config_take(struct of_port *p, uint32_t config, bool up)
{
	p->config = config;
	p->state = up ? 0 : OF13_PORT_STATE_LINK_DOWN;
	if (up && (config & DP_OFPPC_PORT_DOWN) == 0)
		p->state |= OF13_PORT_STATE_LIVE;
}

static void describe(struct of_agent *a, const struct dp_port_info *i, struct of_port *p)
{
	size_t n = strnlen(i->cfg.name, sizeof(p->name) - 1);

	*p = (struct of_port){ .no = number_of(i),
			       .idx = i->idx,
			       .gen = i->gen,
			       .created_ns = i->created_ns,
			       .rate_bits_per_s = i->cfg.rate_bits_per_s,
			       .seen = true };
	memcpy(p->name, i->cfg.name, n);
	memcpy(p->mac, i->link.mac, sizeof(p->mac));
	config_take(p, dp_of_port_config_now(a->p.of, p->no), i->link.up);
}

static bool looks_alike(const struct of_port *x, const struct of_port *y)
{
	return x->config == y->config && x->state == y->state &&
	       x->rate_bits_per_s == y->rate_bits_per_s &&
	       memcmp(x->mac, y->mac, sizeof(x->mac)) == 0 &&
	       memcmp(x->name, y->name, sizeof(x->name)) == 0;
}

// What port-mods said holds for a port that comes back, not for another one under its number.
static void config_pass(struct of_agent *a, struct of_port *was, struct of_port *now)
{
	struct of_port *gone = of_map_find(&a->ports->gone, now->no);

	was = was == NULL ? gone : was;
	if (was != NULL && memcmp(was->name, now->name, sizeof(now->name)) != 0) {
		(void)!dp_of_port_config(a->p.of, now->no, 0);
		config_take(now, 0, (now->state & OF13_PORT_STATE_LINK_DOWN) == 0);
	}
	if (gone != NULL)
		of_map_remove(&a->ports->gone, now->no);
	free(gone);
}

static void forget(struct of_ports *ps, struct of_port *p)
{
	of_map_remove(&ps->map, p->no);
	if (p->config != 0 && of_map_reserve(&ps->gone) == 0)
		of_map_put(&ps->gone, p);
	else
		free(p);
}

static void take(struct of_agent *a, const struct dp_port_info *i)
{
	struct of_port now, *p = of_port_find(a, number_of(i));
	bool is_new = p == NULL;

	if (p != NULL && p->seen)
		return; // two ports under one number: the first one is it
	if (is_new) {
		p = malloc(sizeof(*p));
		if (p == NULL || of_map_reserve(&a->ports->map) != 0) {
			free(p);
			return; // it is tried again with the next look
		}
	}
	describe(a, i, &now);
	config_pass(a, is_new ? NULL : p, &now);
	if (!is_new && looks_alike(p, &now)) {
		*p = now;
		return;
	}
	*p = now;
	if (is_new)
		of_map_put(&a->ports->map, p);
	tell(a, p, is_new ? OF13_PORT_REASON_ADD : OF13_PORT_REASON_MODIFY);
}

static void look(struct of_agent *a)
{
	struct of_map *m = &a->ports->map;
	struct dp_port_info i;

	for (uint32_t k = 0; k < m->n; k++)
		((struct of_port *)m->at[k])->seen = false;
	for (uint16_t idx = 0; idx < DP_MAX_PORTS; idx++) {
		if (dp_switch_port_info(a->p.sw, idx, &i) == 0 && number_of(&i) != 0)
			take(a, &i);
	}
	for (uint32_t k = m->n; k-- > 0;) {
		struct of_port *p = m->at[k];

		if (p->seen)
			continue;
		tell(a, p, OF13_PORT_REASON_DELETE);
		forget(a->ports, p);
	}
}

void of_agent_ports_changed(struct of_agent *a)
{
	a->ports->next_ns = 0;
}

uint64_t of_port_tick(struct of_agent *a)
{
	struct of_ports *ps = a->ports;

	if (a->now_ns >= ps->next_ns) {
		look(a);
		ps->next_ns = a->now_ns + LOOK_NS;
	}
	return ps->next_ns;
}

// --- port-mod

int of_port_mod(struct of_agent *a, const struct of13_port_mod *m, bool check_only,
		struct of_wire_error *e)
{
	struct of_port *p = of_port_find(a, m->port_no);
	uint32_t config;

	if (p == NULL)
		return bad(e, OF13_PORT_MOD_FAILED_BAD_PORT);
	if (memcmp(m->hw_addr, p->mac, sizeof(p->mac)) != 0)
		return bad(e, OF13_PORT_MOD_FAILED_BAD_HW_ADDR);
	if (((m->config | m->mask) & ~config_bits) != 0)
		return bad(e, OF13_PORT_MOD_FAILED_BAD_CONFIG);
	if (m->advertise != 0) // nothing here negotiates
		return bad(e, OF13_PORT_MOD_FAILED_BAD_ADVERTISE);
	if (check_only)
		return 0;
	config = (p->config & ~m->mask) | (m->config & m->mask);
	if (dp_of_port_config(a->p.of, p->no, config) != 0)
		return bad(e, OF13_PORT_MOD_FAILED_BAD_CONFIG);
	a->at_once = true;
	// At once: the next message may ask for it, or change another bit of it.
	if (config != p->config) {
		config_take(p, config, (p->state & OF13_PORT_STATE_LINK_DOWN) == 0);
		tell(a, p, OF13_PORT_REASON_MODIFY);
	}
	return 0;
}

// --- Counters

void of_port_count(const struct of_agent *a, const struct of_port *p, struct of13_port_stats *out)
{
	struct dp_port_totals t = { 0 };
	uint64_t age_ns = a->now_ns - p->created_ns;

	*out = (struct of13_port_stats){ .port_no = p->no };
	(void)!dp_switch_port_totals(a->p.sw, p->idx, &t);
	out->rx_packets = t.c[DP_PC_rx_pkts];
	out->tx_packets = t.c[DP_PC_tx_pkts];
	out->rx_bytes = t.c[DP_PC_rx_bytes];
	out->tx_bytes = t.c[DP_PC_tx_bytes];
	for (uint32_t i = 0; i < DP_N_DROPS; i++) {
		out->rx_dropped += t.drop_in[i];
		out->tx_dropped += t.drop_out[i];
	}
	out->rx_over_err = t.rx_missed_pkts;
	// Not counted (section 5.8: all ones).
	out->rx_errors = out->tx_errors = out->rx_frame_err = out->rx_crc_err = UINT64_MAX;
	out->collisions = UINT64_MAX;
	out->duration_sec = (uint32_t)(age_ns / 1000000000);
	out->duration_nsec = (uint32_t)(age_ns % 1000000000);
}

void of_queue_count(const struct of_agent *a, const struct of_port *p, uint32_t queue,
		    struct of13_queue_stats *out)
{
	struct dp_port_totals t = { 0 };
	uint64_t age_ns = a->now_ns - p->created_ns;

	(void)!dp_switch_port_totals(a->p.sw, p->idx, &t);
	*out = (struct of13_queue_stats){
		.port_no = p->no,
		.queue_id = queue,
		.tx_bytes = t.cls[queue].tx_bytes,
		.tx_packets = t.cls[queue].tx_pkts,
		.tx_errors = t.cls[queue].drop_pkts,
		.duration_sec = (uint32_t)(age_ns / 1000000000),
		.duration_nsec = (uint32_t)(age_ns % 1000000000),
	};
}

// --- All of it

int of_ports_create(struct of_agent *a)
{
	a->ports = calloc(1, sizeof(*a->ports));
	if (a->ports == NULL)
		return -ENOMEM;
	look(a); // nobody is connected: nobody is told
	return 0;
}

void of_ports_destroy(struct of_agent *a)
{
	struct of_ports *ps = a->ports;

	if (ps == NULL)
		return;
	for (uint32_t i = 0; i < ps->map.n; i++)
		free(ps->map.at[i]);
	for (uint32_t i = 0; i < ps->gone.n; i++)
		free(ps->gone.at[i]);
	of_map_fini(&ps->map);
	of_map_fini(&ps->gone);
	free(ps);
	a->ports = NULL;
}
