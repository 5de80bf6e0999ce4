// What the main thread may look at: copies of counters and configuration, and the conservation law.
#include <errno.h>
#include <string.h>

#include <rte_cycles.h>

#include "switch_priv.h"

int dp_switch_port_find(const struct dp_switch *sw, const char *name)
{
	return dp_port_find(sw, dp_root(sw)->views, name);
}

static enum dp_mac_at mac_at(const struct dp_switch *sw, const struct dp_view *v)
{
	const struct dp_fdb_entry *e;
	uint32_t where;

	if ((v->cfg.flags & DP_PF_MAC_FIXED) == 0 || v->cfg.vid == 0)
		return DP_MAC_NONE;
	e = dp_fdb_lookup(sw->fdb, dp_fdb_key(v->cfg.vid, v->cfg.mac));
	where = e == NULL ? DP_FDB_NOWHERE : atomic_load(&e->where);
	if (DP_FDB_PORT(where) == DP_FDB_NOWHERE)
		return DP_MAC_NOWHERE;
	if (DP_FDB_PORT(where) != v->port->idx)
		return DP_MAC_ELSEWHERE;
	return atomic_load(&e->seen_s) == 0 ? DP_MAC_EXPECTED : DP_MAC_HERE;
}

int dp_switch_port_info(const struct dp_switch *sw, uint16_t idx, struct dp_port_info *out)
{
	const struct dp_view *v = idx < DP_MAX_PORTS ? dp_root(sw)->views[idx] : NULL;

	if (v == NULL)
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	out->idx = idx;
	out->gen = v->port->gen;
	out->created_ns = v->port->created_ns;
	out->owner = v->port->owner;
	out->n_macs = dp_fdb_port_count(sw->fdb, idx);
	out->mac_at = (uint8_t)mac_at(sw, v);
	out->cfg = v->cfg;
	v->port->drv->status(v->port->link, &out->link);
	return 0;
}

int dp_switch_port_totals(const struct dp_switch *sw, uint16_t idx, struct dp_port_totals *out)
{
	const struct dp_view *v = idx < DP_MAX_PORTS ? dp_root(sw)->views[idx] : NULL;

	if (v == NULL)
		return -ENOENT;
	dp_port_sum(sw, v->port, out);
	return 0;
}

void dp_switch_retired_totals(const struct dp_switch *sw, struct dp_port_totals *out)
{
	*out = sw->gone;
	for (uint32_t i = 0; i < sw->n_workers; i++)
		out->drop_out[DP_DROP_port_gone] += sw->workers[i].gone_pkts;
}

uint32_t dp_switch_n_workers(const struct dp_switch *sw)
{
	return sw->n_workers;
}

void dp_switch_worker_info(const struct dp_switch *sw, uint32_t id, struct dp_worker_info *out)
{
	const struct dp_worker *w = &sw->workers[id];

	*out = (struct dp_worker_info){
		.id = id,
		.lcore = w->lcore,
		.turns = w->turns,
		.busy_turns = w->busy_turns,
		.rx_pkts = w->rx_pkts,
		.busy_cycles = w->busy_cycles,
		.naps = w->naps,
		.tsc_hz = rte_get_tsc_hz(),
		.n_rxqs = dp_root(sw)->n_rxqs[id],
		.events_lost = w->events_lost,
	};
}

struct dp_fdb *dp_switch_fdb(struct dp_switch *sw)
{
	return sw->fdb;
}

uint32_t dp_switch_mbufs_in_use(const struct dp_switch *sw)
{
	return rte_mempool_in_use_count(sw->pool);
}

uint64_t dp_switch_generation(const struct dp_switch *sw)
{
	return dp_root(sw)->gen;
}

static uint64_t sum(const uint64_t *v, uint32_t n)
{
	uint64_t s = 0;

	for (uint32_t i = 0; i < n; i++)
		s += v[i];
	return s;
}

static int law(const char *name, const struct dp_port_totals *t, struct weir_err *err)
{
	uint64_t in = t->c[DP_PC_rx_pkts] + t->c[DP_PC_generated_pkts] + t->c[DP_PC_copied_in_pkts];
	uint64_t went = t->c[DP_PC_forwarded_pkts] + t->c[DP_PC_consumed_pkts] +
			sum(t->drop_in, DP_N_DROPS);
	uint64_t out = t->c[DP_PC_handed_pkts] + t->c[DP_PC_copied_out_pkts];
	uint64_t left = t->c[DP_PC_tx_pkts] + sum(t->drop_out, DP_N_DROPS) + t->queued_now;

	if (in != went)
		return weir_err_set(err, -EBADMSG,
				    "port %s: %llu frames came in, %llu are accounted for", name,
				    (unsigned long long)in, (unsigned long long)went);
	if (out != left)
		return weir_err_set(err, -EBADMSG,
				    "port %s: %llu frames were handed over, %llu are accounted for",
				    name, (unsigned long long)out, (unsigned long long)left);
	return 0;
}

// Frames between two workers: handed to a port, not yet queued at it.
static uint64_t in_handover(const struct dp_switch *sw)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < sw->n_workers; i++) {
		for (uint32_t from = 0; from < DP_MAX_WORKERS; from++) {
			for (uint32_t u = 0; u < 2; u++) {
				if (sw->workers[i].in[from][u] != NULL)
					n += rte_ring_count(sw->workers[i].in[from][u]);
			}
		}
	}
	return n;
}

bool dp_switch_conserved(const struct dp_switch *sw, struct weir_err *err)
{
	struct dp_port_totals all, t;

	dp_switch_retired_totals(sw, &all);
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		// Also ports on their way out, which the snapshot does not show any more.
		if (sw->ports[i] == NULL)
			continue;
		dp_port_sum(sw, sw->ports[i], &t);
		if (in_handover(sw) == 0 && law(sw->ports[i]->name, &t, err) < 0)
			return false;
		dp_totals_add(&all, &t);
	}
	all.queued_now += in_handover(sw);
	if (law("(sum)", &all, err) < 0)
		return false;
	if (all.c[DP_PC_forwarded_pkts] != all.c[DP_PC_handed_pkts]) {
		weir_err_set(err, -EBADMSG, "%llu frames were forwarded, %llu arrived at a port",
			     (unsigned long long)all.c[DP_PC_forwarded_pkts],
			     (unsigned long long)all.c[DP_PC_handed_pkts]);
		return false;
	}
	return true;
}
