// Counters that were cleared. The datapath's counters only grow, and the law is checked on them as
// they are; what is shown is how much they grew since a baseline, which a reset takes.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "weir_log.h"

struct port_base {
	uint32_t gen; // a port that was made anew counts from 0
	uint64_t at_ns;
	struct dp_port_totals totals;
};

struct ctl_clear {
	struct port_base *port[DP_MAX_PORTS]; // NULL = never cleared
	struct dp_worker_info worker[DP_MAX_WORKERS];
	struct boot_counters boot;
	uint64_t boot_lost, mac_evictions, mac_moves;
};

// Frames that the driver accepted and has not sent yet count as its drops for a moment, so a sum
// may be less than it was: that is 0, not 2^64.
static uint64_t grown(uint64_t now, uint64_t base)
{
	return now > base ? now - base : 0;
}

static void grown_each(uint64_t *now, const uint64_t *base, size_t n)
{
	for (size_t i = 0; i < n; i++)
		now[i] = grown(now[i], base[i]);
}

// Room for a baseline of each port that is there; what ports that are gone had is freed.
static int ports_room(struct ctl *c, uint32_t from, uint32_t to)
{
	struct dp_port_info info;

	for (uint32_t i = from; i < to; i++) {
		struct port_base **at = &c->clear->port[i];

		if (dp_switch_port_info(c->sw, (uint16_t)i, &info) < 0) {
			free(*at);
			*at = NULL;
		} else if (*at == NULL && (*at = calloc(1, sizeof(**at))) == NULL) {
			return -ENOMEM;
		}
	}
	return 0;
}

static void ports_clear(struct ctl *c, uint32_t from, uint32_t to)
{
	uint64_t now_ns = dp_switch_now_ns();
	struct dp_port_info info;

	for (uint32_t i = from; i < to; i++) {
		struct port_base *b = c->clear->port[i];

		if (b == NULL || dp_switch_port_info(c->sw, (uint16_t)i, &info) < 0 ||
		    dp_switch_port_totals(c->sw, (uint16_t)i, &b->totals) < 0)
			continue;
		b->gen = info.gen;
		b->at_ns = now_ns;
	}
}

static void others_clear(struct ctl *c)
{
	struct ctl_clear *k = c->clear;
	struct dp_fdb *f = dp_switch_fdb(c->sw);

	for (uint32_t i = 0; i < dp_switch_n_workers(c->sw); i++)
		dp_switch_worker_info(c->sw, i, &k->worker[i]);
	k->boot_lost = ctl_boot_counters(c, &k->boot);
	k->mac_evictions = dp_fdb_evictions(f);
	k->mac_moves = dp_fdb_moves(f);
}

int ctl_clear(struct ctl *c, const char *port, struct cfg_error *err)
{
	int idx = port == NULL ? 0 : dp_switch_port_find(c->sw, port);
	uint32_t from = (uint32_t)idx, to = port == NULL ? DP_MAX_PORTS : from + 1;

	if (idx < 0) {
		snprintf(err->path, sizeof(err->path), "/weir-operations:clear-counters/port");
		snprintf(err->value, sizeof(err->value), "%.127s", port);
		snprintf(err->reason, sizeof(err->reason), "there is no port of that name");
		return -ENOENT;
	}
	if (c->clear == NULL)
		c->clear = calloc(1, sizeof(*c->clear));
	if (c->clear == NULL || ports_room(c, from, to) < 0) {
		snprintf(err->reason, sizeof(err->reason), "out of memory");
		return -ENOMEM;
	}
	ports_clear(c, from, to);
	if (port == NULL)
		others_clear(c);
	return 0;
}

void ctl_clear_free(struct ctl *c)
{
	for (uint32_t i = 0; c->clear != NULL && i < DP_MAX_PORTS; i++)
		free(c->clear->port[i]);
	free(c->clear);
	c->clear = NULL;
}

uint64_t ctl_port_counts(const struct ctl *c, const struct dp_port_info *p,
			 struct dp_port_totals *out)
{
	const struct port_base *b = c->clear == NULL ? NULL : c->clear->port[p->idx];

	if (dp_switch_port_totals(c->sw, p->idx, out) < 0)
		memset(out, 0, sizeof(*out));
	if (b == NULL || b->gen != p->gen)
		return p->created_ns;
	grown_each(out->c, b->totals.c, DP_N_PC);
	grown_each(out->drop_in, b->totals.drop_in, DP_N_DROPS);
	grown_each(out->drop_out, b->totals.drop_out, DP_N_DROPS);
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		const struct dp_class_count *base = &b->totals.cls[i];
		struct dp_class_count *k = &out->cls[i];

		k->rx_pkts = grown(k->rx_pkts, base->rx_pkts);
		k->rx_bytes = grown(k->rx_bytes, base->rx_bytes);
		k->tx_pkts = grown(k->tx_pkts, base->tx_pkts);
		k->tx_bytes = grown(k->tx_bytes, base->tx_bytes);
		k->drop_pkts = grown(k->drop_pkts, base->drop_pkts);
	}
	out->rx_missed_pkts = grown(out->rx_missed_pkts, b->totals.rx_missed_pkts);
	return b->at_ns;
}

void ctl_worker_counts(const struct ctl *c, uint32_t id, struct dp_worker_info *out)
{
	const struct dp_worker_info *b = c->clear == NULL ? NULL : &c->clear->worker[id];

	dp_switch_worker_info(c->sw, id, out);
	if (b == NULL)
		return;
	out->turns = grown(out->turns, b->turns);
	out->busy_turns = grown(out->busy_turns, b->busy_turns);
	out->rx_pkts = grown(out->rx_pkts, b->rx_pkts);
	out->busy_cycles = grown(out->busy_cycles, b->busy_cycles);
	out->naps = grown(out->naps, b->naps);
	out->events_lost = grown(out->events_lost, b->events_lost);
}

uint64_t ctl_responder_counts(struct ctl *c, struct boot_counters *out)
{
	uint64_t lost = ctl_boot_counters(c, out);

	if (c->clear == NULL)
		return lost;
#define GROWN(id, help) out->id = grown(out->id, c->clear->boot.id);
	BOOT_COUNTERS(GROWN)
#undef GROWN
	return grown(lost, c->clear->boot_lost);
}

void ctl_mac_counts(const struct ctl *c, uint64_t *evictions, uint64_t *moves)
{
	struct dp_fdb *f = dp_switch_fdb(c->sw);

	*evictions = grown(dp_fdb_evictions(f), c->clear == NULL ? 0 : c->clear->mac_evictions);
	*moves = grown(dp_fdb_moves(f), c->clear == NULL ? 0 : c->clear->mac_moves);
}
