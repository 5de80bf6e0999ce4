// The daemon's parts put together, without its process: what weir-switchd and the packet tests
// share.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control_priv.h"
#include "dp_ethdev.h"
#include "dp_tap_link.h"
#include "vh_driver.h"

// The providers of links, in one place.
static const struct dp_link_driver *const real_drivers[] = { &dp_ethdev_driver, &dp_tap_link_driver,
							     &vh_driver, NULL };

// The classes as they are without a configuration; changes of them come with configurations.
static int classes_set(struct ctl *c, struct cfg_error *err)
{
	struct dp_prepared *prep;
	struct dp_plan plan;
	struct weir_err werr = { .text = "out of memory" };
	int rc = cfg_empty(&c->running);

	dp_plan_init(&plan);
	if (rc == 0)
		rc = ctl_translate_first(c->running, &plan);
	if (rc == 0)
		rc = dp_switch_prepare(c->sw, &plan, &prep, &werr);
	if (rc == 0)
		dp_switch_commit(c->sw, prep);
	else
		snprintf(err->reason, sizeof(err->reason), "%s", werr.text);
	dp_plan_fini(&plan);
	return rc;
}

int ctl_switch_create(struct ctl *c, const struct cfg_system *s, const struct ctl_eal *e,
		      struct cfg_error *err)
{
	struct dp_switch_params p = {
		.n_workers = e->n_workers,
		.n_mbufs = s->packet_buffers,
		.n_mbufs_large = 1024,
		.mac_limit = s->mac_table_size,
		.queue_len = s->queue_len,
		.max_sleep_us = s->max_sleep_us,
	};
	struct weir_err werr;
	int rc;

	c->eal_started = true;
	c->started_ns = dp_switch_now_ns(); // the TSC's rate is known only now
	c->started_s = time(NULL);
	memcpy(p.worker_lcores, e->worker_lcores, sizeof(p.worker_lcores));
	rc = dp_switch_create(&p, &c->sw, &werr);
	if (rc < 0) {
		snprintf(err->reason, sizeof(err->reason), "%s", werr.text);
		return rc;
	}
	c->hugepages = e->hugepages;
	c->fixed = *s;
	memcpy(c->worker_cpus, e->worker_cpus, sizeof(c->worker_cpus));
	for (const struct dp_link_driver *const *d = c->drivers != NULL ? c->drivers : real_drivers;
	     *d != NULL; d++)
		dp_switch_add_driver(c->sw, *d);
	return classes_set(c, err);
}
