// A port's runtime object: link, scheduler, counters.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "switch_priv.h"

static const char *const counter_names[DP_N_PC] = {
#define NAME(id, help) [DP_PC_##id] = #id,
	DP_PORT_COUNTERS(NAME)
#undef NAME
};

static const char *const counter_helps[DP_N_PC] = {
#define HELP(id, help) [DP_PC_##id] = help,
	DP_PORT_COUNTERS(HELP)
#undef HELP
};

const char *dp_port_counter_name(enum dp_port_counter c)
{
	return c < DP_N_PC ? counter_names[c] : "invalid";
}

const char *dp_port_counter_help(enum dp_port_counter c)
{
	return c < DP_N_PC ? counter_helps[c] : "invalid";
}

static const struct dp_link_driver *driver_find(const struct dp_switch *sw, const char *name)
{
	for (uint32_t i = 0; i < sw->n_drivers; i++) {
		if (strcmp(sw->drivers[i]->name, name) == 0)
			return sw->drivers[i];
	}
	return NULL;
}

// The worker with the fewest links.
static uint8_t owner_choose(const struct dp_switch *sw)
{
	uint8_t best = 0;

	for (uint8_t i = 1; i < sw->n_workers; i++) {
		if (sw->n_owned[i] < sw->n_owned[best])
			best = i;
	}
	return best;
}

uint32_t dp_name_hash(const char *name)
{
	uint32_t h = 2166136261u; // FNV-1a

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h ^ h >> 16;
}

static uint32_t chain_of(const char *name)
{
	return dp_name_hash(name) & (DP_NAME_CHAINS - 1);
}

// Two ports of a name may stand in a chain: one on its way out, and its successor. The views tell.
int dp_port_find(const struct dp_switch *sw, struct dp_view *const views[DP_MAX_PORTS],
		 const char *name)
{
	for (uint32_t at = sw->name_first[chain_of(name)]; at != 0; at = sw->name_next[at - 1]) {
		if (views[at - 1] != NULL && strcmp(sw->ports[at - 1]->name, name) == 0)
			return (int)at - 1;
	}
	return -ENOENT;
}

static int idx_free(struct dp_switch *sw)
{
	while (sw->first_free < DP_MAX_PORTS && sw->ports[sw->first_free] != NULL)
		sw->first_free++;
	return sw->first_free < DP_MAX_PORTS ? (int)sw->first_free : -ENOSPC;
}

static void enter(struct dp_switch *sw, struct dp_port *p)
{
	uint16_t *first = &sw->name_first[chain_of(p->name)];

	sw->ports[p->idx] = p;
	sw->name_next[p->idx] = *first;
	*first = (uint16_t)(p->idx + 1);
	sw->n_owned[p->owner]++;
	sw->macs_full[p->idx] = false;
	atomic_store_explicit(&sw->owner_of[p->idx], p->owner, memory_order_relaxed);
}

static void leave(struct dp_switch *sw, const struct dp_port *p)
{
	uint16_t *at = &sw->name_first[chain_of(p->name)];

	while (*at != p->idx + 1)
		at = &sw->name_next[*at - 1];
	*at = sw->name_next[p->idx];
	sw->ports[p->idx] = NULL;
	sw->n_owned[p->owner]--;
	if (p->idx < sw->first_free)
		sw->first_free = p->idx;
}

// The links of a rehearsal: there are none, and no worker sees them.
static int none_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	(void)p;
	(void)err;
	*out = NULL;
	return 0;
}

static void none_destroy(void *link)
{
	(void)link;
}

static uint32_t none_flags(void *link)
{
	(void)link;
	return 0;
}

static void none_status(void *link, struct dp_link_status *out)
{
	(void)link;
	*out = (struct dp_link_status){ .n_rxq = 1, .n_txq = 1 };
}

static void none_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

static const struct dp_link_driver none_driver = {
	.name = "none",
	.create = none_create,
	.destroy = none_destroy,
	.flags = none_flags,
	.status = none_status,
	.stats = none_stats,
};

static int link_create(struct dp_switch *sw, struct dp_port *p, const struct dp_port_params *cfg,
		       struct weir_err *err)
{
	struct dp_link_params lp = {
		.mtu = cfg->mtu,
		.n_queues = cfg->n_queues,
		.pool = sw->pool,
		.pool_large = sw->pool_large,
		.rcu = sw->rcu,
		.changed = &sw->links_changed,
		.numa_node = SOCKET_ID_ANY,
	};

	memcpy(lp.name, cfg->name, sizeof(lp.name));
	memcpy(lp.args, cfg->args, sizeof(lp.args));
	return p->drv->create(&lp, &p->link, err);
}

// Towards a guest there is one VM, the guest; other links are shared by all.
static int memory_create(struct dp_switch *sw, struct dp_port *p, uint8_t role)
{
	uint32_t n_vms = role == DP_ROLE_GUEST ? 1 : DP_MAX_VMS;

	p->pw = rte_zmalloc("port_pw", sw->n_workers * sizeof(*p->pw), RTE_CACHE_LINE_SIZE);
	if (p->pw == NULL)
		return -ENOMEM;
	// The index may have been another port's.
	for (uint32_t i = 0; i < sw->n_workers; i++)
		p->pw[i].transfers_given = atomic_load_explicit(
			&sw->workers[i].transfers_taken[p->idx], memory_order_relaxed);
	return dp_queue_create(p, n_vms);
}

static void memory_free(struct dp_port *p)
{
	dp_queue_destroy(p);
	rte_free(p->pw);
	rte_free(p);
}

struct dp_port *dp_port_create(struct dp_switch *sw, const struct dp_port_params *cfg,
			       struct weir_err *err, int *rc)
{
	const struct dp_link_driver *drv = driver_find(sw, cfg->driver);
	int idx = idx_free(sw);
	struct dp_port *p;

	if (idx < 0) {
		*rc = weir_err_set(err, idx, "port %s: this switch has %u ports already", cfg->name,
				   DP_MAX_PORTS);
		return NULL;
	}

	if (drv == NULL) {
		*rc = weir_err_set(err, -ENODEV,
				   "port %s: driver %s: this build has no such driver", cfg->name,
				   cfg->driver);
		return NULL;
	}
	p = rte_zmalloc("port", sizeof(*p), RTE_CACHE_LINE_SIZE);
	if (p == NULL) {
		*rc = weir_err_set(err, -ENOMEM, "port %s: out of memory", cfg->name);
		return NULL;
	}
	p->drv = sw->rehearses ? &none_driver : drv;
	p->idx = (uint16_t)idx;
	p->gen = sw->next_gen++;
	p->created_ns = dp_switch_now_ns();
	p->owner = owner_choose(sw);
	memcpy(p->name, cfg->name, sizeof(p->name));
	*rc = memory_create(sw, p, cfg->role);
	if (*rc < 0)
		weir_err_set(err, *rc, "port %s: out of memory for its queues", cfg->name);
	else
		*rc = link_create(sw, p, cfg, err);
	if (*rc < 0) {
		memory_free(p);
		return NULL;
	}
	p->flags = p->drv->flags(p->link);
	enter(sw, p);
	return p;
}

void dp_port_destroy(struct dp_switch *sw, struct dp_port *p)
{
	struct dp_port_totals t;

	// Still queued frames end here; no worker sees the port any more.
	p->pw[0].drop_out[DP_DROP_port_gone] += dp_queue_free_all(p);
	memset(&t, 0, sizeof(t));
	dp_port_sum(sw, p, &t);
	dp_totals_add(&sw->gone, &t);
	p->drv->destroy(p->link);
	leave(sw, p);
	memory_free(p);
}

void dp_totals_add(struct dp_port_totals *sum, const struct dp_port_totals *t)
{
	for (uint32_t i = 0; i < DP_N_PC; i++)
		sum->c[i] += t->c[i];
	for (uint32_t i = 0; i < DP_N_DROPS; i++) {
		sum->drop_in[i] += t->drop_in[i];
		sum->drop_out[i] += t->drop_out[i];
	}
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		sum->cls[i].rx_pkts += t->cls[i].rx_pkts;
		sum->cls[i].rx_bytes += t->cls[i].rx_bytes;
		sum->cls[i].tx_pkts += t->cls[i].tx_pkts;
		sum->cls[i].tx_bytes += t->cls[i].tx_bytes;
		sum->cls[i].drop_pkts += t->cls[i].drop_pkts;
	}
	sum->queued_now += t->queued_now;
	sum->rx_missed_pkts += t->rx_missed_pkts;
}

void dp_port_sum(const struct dp_switch *sw, const struct dp_port *p, struct dp_port_totals *t)
{
	struct dp_link_stats st = { .tx_sent_pkts = UINT64_MAX };

	memset(t, 0, sizeof(*t));
	for (uint32_t i = 0; i < sw->n_workers; i++) {
		struct dp_port_totals one = { .queued_now = 0 };

		memcpy(one.c, p->pw[i].c, sizeof(one.c));
		memcpy(one.drop_in, p->pw[i].drop_in, sizeof(one.drop_in));
		memcpy(one.drop_out, p->pw[i].drop_out, sizeof(one.drop_out));
		memcpy(one.cls, p->pw[i].cls, sizeof(one.cls));
		dp_totals_add(t, &one);
	}
	t->queued_now = atomic_load_explicit(&p->queued, memory_order_relaxed);
	p->drv->stats(p->link, &st);
	t->rx_missed_pkts = st.rx_missed_pkts;
	// Sent is what the driver confirms; the rest of what it accepted is a drop with a name.
	if (st.tx_sent_pkts < t->c[DP_PC_tx_pkts]) {
		t->drop_out[DP_DROP_driver_tx] = t->c[DP_PC_tx_pkts] - st.tx_sent_pkts;
		t->c[DP_PC_tx_pkts] = st.tx_sent_pkts;
	}
}
