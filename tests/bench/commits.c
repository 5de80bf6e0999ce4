// weir-commits [PORTS...]: what a commit costs, stage by stage, in milliseconds of CPU time. The
// real loader and the real switch; the links are of this file's own driver and carry nothing. For
// each number of ports: loading them all into an empty switch, and then commits that touch one port
// (median).
//
// Half of the ports are network cards of VMs with pinned addresses that boot by the responder, the
// others are guest interfaces; the first is an uplink that is in all VLANs.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config_priv.h"
#include "control_priv.h"

enum { TOUCHES = 15, JSON_MAX = CFG_FILE_MAX };

// X(identifier): in the order in which they happen. `commit` is all that follows prepare; `whole`
// is the same, undivided; `housekeep` and `watch` are what the main loop then does every 5 and 10
// ms.
#define STAGES(X)                                                                                  \
	X(parse)                                                                                   \
	X(validate)                                                                                \
	X(read)                                                                                    \
	X(check)                                                                                   \
	X(diff)                                                                                    \
	X(translate)                                                                               \
	X(boot)                                                                                    \
	X(prepare)                                                                                 \
	X(commit)                                                                                  \
	X(whole)                                                                                   \
	X(housekeep)                                                                               \
	X(watch)

enum stage {
#define ID(id) ST_##id,
	STAGES(ID)
#undef ID
		N_STAGES,
};

static const char *const stage_names[] = {
#define NAME(id) #id,
	STAGES(NAME)
#undef NAME
};

static int null_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	(void)p;
	(void)err;
	*out = NULL;
	return 0;
}

static void null_destroy(void *link)
{
	(void)link;
}

static uint32_t null_zero(void *link)
{
	(void)link;
	return 0;
}

static uint16_t null_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	(void)link;
	(void)q;
	(void)pkts;
	(void)n;
	return 0;
}

static uint16_t null_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	(void)link;
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static bool null_is_up(void *link)
{
	(void)link;
	return true;
}

static void null_status(void *link, struct dp_link_status *out)
{
	(void)link;
	*out = (struct dp_link_status){ .up = true, .attached = true, .n_rxq = 1, .n_txq = 1 };
}

static void null_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

#define NULL_DRIVER(driver)                                                                        \
	{                                                                                          \
		driver, null_create, null_destroy, null_zero, null_rx, null_tx, null_zero,         \
			null_is_up, null_status, null_stats                                        \
	}
static const struct dp_link_driver null_drivers[] = { NULL_DRIVER("vhost-user"),
						      NULL_DRIVER("ethdev") };
static const struct dp_link_driver *const drivers[] = { &null_drivers[0], &null_drivers[1], NULL };

struct text {
	char *buf;
	size_t at;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->at += (size_t)vsnprintf(t->buf + t->at, JSON_MAX - t->at, fmt, ap);
	va_end(ap);
}

// A configuration of n ports; touch changes one policy of a port in their middle.
static void config_write(struct text *t, uint32_t n, uint32_t touch)
{
	uint32_t n_vms = n / 2;

	t->at = 0;
	put(t, "{\"ietf-interfaces:interfaces\":{\"interface\":["
	       "{\"name\":\"up\",\"type\":\"weir-interfaces:uplink\",\"weir-interfaces:port\":"
	       "{\"device\":\"up\"}}");
	for (uint32_t i = 1; i < n - n_vms; i++)
		put(t,
		    ",{\"name\":\"g%u\",\"type\":\"weir-interfaces:guest\",\"weir-interfaces:"
		    "port\":{"
		    "\"socket\":\"/run/g%u.sock\",\"vlan\":%u,\"default-class\":\"%s\"}}",
		    i, i, 1 + i / 4 % 4000, i == n / 4 && touch % 2 == 1 ? "scavenger" : "bulk");
	put(t, "]},\"weir-vm:boot-services\":{\"service\":[");
	for (uint32_t i = 0; i < 16; i++)
		put(t,
		    "%s{\"vlan\":%u,\"address\":\"10.%u.0.1\",\"prefix-length\":16,"
		    "\"router\":\"10.%u.0.2\"}",
		    i == 0 ? "" : ",", 100 + i, i, i);
	put(t, "]},\"weir-vm:vms\":{\"vm\":[");
	for (uint32_t i = 0; i < n_vms; i++)
		put(t,
		    "%s{\"name\":\"vm%u\",\"uuid\":\"9a3a56a7-6bd4-4b9e-8a2c-0d5a%08x\",\"nic\":[{"
		    "\"id\":0,\"mac\":\"52:54:00:20:%02x:%02x\",\"vlan\":%u,\"ipv4-address\":"
		    "[\"10.%u.1%02u.%u\"]}],\"boot\":{\"method\":\"iscsi\",\"iscsi\":{\"server\":"
		    "\"10.0.0.9\",\"target\":\"iqn.2026-11.example:vm%u\"}}}",
		    i == 0 ? "" : ",", i, i, i >> 8, i & 255, 100 + i % 16, i % 16, i / 16 / 200,
		    1 + i / 16 % 200, i);
	put(t, "]}}");
}

// Of this thread: what other programs take from the CPU is none of a commit's cost.
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static double ms_since(uint64_t *at)
{
	uint64_t was = *at;

	*at = cpu_ns();
	return (double)(*at - was) / 1e6;
}

static int refused(const char *stage, int rc, const struct cfg_error *err)
{
	fprintf(stderr, "%s: refused: %s %s: %s\n", stage, err->path, err->value, err->reason);
	return rc;
}

// load -> validate -> read -> check, as cfg_load does it.
static int load_stages(struct ctl *c, const struct text *t, struct cfg **out, double ms[N_STAGES])
{
	struct cfg_error err = { 0 };
	struct lyd_node *tree = NULL;
	uint64_t at = cpu_ns();
	int rc = 0;

	if (lyd_parse_data_mem(c->schema->ctx, t->buf, LYD_JSON, LYD_PARSE_STRICT | LYD_PARSE_ONLY,
			       0, &tree) != LY_SUCCESS)
		rc = -EINVAL;
	ms[ST_parse] = ms_since(&at);
	if (rc == 0 && lyd_validate_all(&tree, NULL, LYD_VALIDATE_NO_STATE | LYD_VALIDATE_PRESENT,
					NULL) != LY_SUCCESS)
		rc = -EINVAL;
	ms[ST_validate] = ms_since(&at);
	if (rc < 0)
		return refused("load", cfg_refuse_ly(&err, c->schema->ctx), &err);
	rc = cfg_from_tree(tree, out, &err);
	ms[ST_read] = ms_since(&at);
	lyd_free_all(tree);
	if (rc < 0)
		return refused("read", rc, &err);
	ms_since(&at);
	rc = cfg_check(*out, &err);
	ms[ST_check] = ms_since(&at);
	ms[ST_read] -= ms[ST_check]; // it checks at its end
	return rc < 0 ? refused("check", rc, &err) : 0;
}

// diff -> translate -> prepare -> commit, as ctl_apply does it.
static int apply_stages(struct ctl *c, struct cfg *next, double ms[N_STAGES])
{
	struct cfg_error err = { 0 };
	struct cfg_action *actions;
	struct dp_prepared *prep;
	struct boot_table *table;
	struct weir_err werr;
	struct dp_plan plan;
	uint64_t at = cpu_ns();
	int n = cfg_diff(c->running, next, &actions), rc;

	ms[ST_diff] = ms_since(&at);
	dp_plan_init(&plan);
	rc = n < 0 ? n : ctl_translate(c->running, next, actions, n, &plan);
	ms[ST_translate] = ms_since(&at);
	if (rc == 0)
		rc = ctl_boot_table(c, next, &table, &err);
	ms[ST_boot] = ms_since(&at);
	if (rc < 0)
		return refused("apply", rc, &err);
	rc = dp_switch_prepare(c->sw, &plan, &prep, &werr);
	ms[ST_prepare] = ms_since(&at);
	if (rc < 0) {
		fprintf(stderr, "prepare: %s\n", werr.text);
		return rc;
	}
	dp_switch_commit(c->sw, prep);
	ctl_boot_table_bind(c, next, table);
	ctl_boot_set(c, table);
	ms[ST_commit] = ms_since(&at);
	dp_plan_fini(&plan);
	free(actions);
	cfg_free(c->running);
	c->running = next;
	return 0;
}

// One change, split into stages.
static int change_split(struct ctl *c, const struct text *t, double ms[N_STAGES])
{
	struct cfg *next;
	uint64_t at;
	int rc = load_stages(c, t, &next, ms);

	if (rc == 0)
		rc = apply_stages(c, next, ms);
	dp_switch_housekeep(c->sw, dp_switch_now_ns());
	ctl_boot_poll(c, dp_switch_now_ns());
	ctl_vm_watch(c, dp_switch_now_ns());
	at = cpu_ns();
	dp_switch_housekeep(c->sw, dp_switch_now_ns());
	ms[ST_housekeep] = ms_since(&at);
	ctl_vm_watch(c, dp_switch_now_ns());
	ms[ST_watch] = ms_since(&at);
	return rc;
}

// One change as the daemon makes it.
static int change_whole(struct ctl *c, const struct text *t, double *ms)
{
	struct cfg_error err = { 0 };
	uint64_t at = cpu_ns();
	struct cfg *next;
	int rc = cfg_load(c->schema, t->buf, t->at, &next, &err);

	if (rc == 0)
		rc = ctl_apply(c, next, false, NULL, &err);
	*ms = ms_since(&at);
	dp_switch_housekeep(c->sw, dp_switch_now_ns());
	ctl_boot_poll(c, dp_switch_now_ns());
	return rc < 0 ? refused("change", rc, &err) : 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void row_print(const char *what, uint32_t n, const double ms[N_STAGES])
{
	printf("%s %u", what, n);
	for (uint32_t i = 0; i < N_STAGES; i++)
		printf(" %.2f", ms[i]);
	printf("\n");
	fflush(stdout);
}

static int measure(struct ctl *c, struct text *t, uint32_t n)
{
	double runs[N_STAGES][TOUCHES], ms[N_STAGES];
	struct text empty = { .buf = (char *)(uintptr_t) "{}", .at = 2 };
	int rc;

	config_write(t, n, 0);
	rc = change_whole(c, t, &ms[ST_whole]);
	if (rc == 0)
		rc = change_whole(c, &empty, &runs[0][0]);
	if (rc == 0)
		rc = change_split(c, t, ms);
	if (rc < 0)
		return rc;
	row_print("load", n, ms);
	for (uint32_t i = 0; i < TOUCHES && rc == 0; i++) {
		config_write(t, n, 2 * i + 1);
		rc = change_whole(c, t, &ms[ST_whole]);
		config_write(t, n, 2 * i);
		if (rc == 0)
			rc = change_split(c, t, ms);
		for (uint32_t k = 0; k < N_STAGES; k++)
			runs[k][i] = ms[k];
	}
	for (uint32_t k = 0; k < N_STAGES; k++) {
		qsort(runs[k], TOUCHES, sizeof(runs[k][0]), by_value);
		ms[k] = runs[k][TOUCHES / 2];
	}
	if (rc == 0)
		row_print("touch", n, ms);
	return rc < 0 ? rc : change_whole(c, &empty, &ms[0]);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = { 100, 1000, 4096 };
	struct ctl_eal eal = { .no_huge = true };
	struct ctl c = { .drivers = drivers };
	struct text t = { .buf = malloc(JSON_MAX) };
	struct cfg_error err = { 0 };
	struct cfg *fixed = NULL;
	int rc = t.buf == NULL ? -ENOMEM : cfg_empty(&fixed);

	if (rc == 0)
		rc = cfg_schema_create(WEIR_YANG_SRC, &c.schema, &err);
	if (rc == 0)
		rc = ctl_eal_init(&fixed->system, &eal, &err);
	if (rc == 0)
		rc = ctl_switch_create(&c, &fixed->system, &eal, &err);
	if (rc == 0)
		rc = ctl_boot_start(&c);
	if (rc < 0)
		return refused("start", 1, &err);
	printf("what ports");
	for (uint32_t i = 0; i < N_STAGES; i++)
		printf(" %s", stage_names[i]);
	printf("\n");
	for (int i = 1; i < argc && rc == 0; i++)
		rc = measure(&c, &t, (uint32_t)strtoul(argv[i], NULL, 10));
	for (uint32_t i = 0; i < RTE_DIM(sizes) && argc == 1 && rc == 0; i++)
		rc = measure(&c, &t, sizes[i]);
	ctl_boot_stop(&c);
	dp_switch_destroy(c.sw);
	ctl_vms_free(&c);
	cfg_free(c.running);
	cfg_free(fixed);
	cfg_schema_destroy(c.schema);
	free(t.buf);
	return rc < 0;
}
