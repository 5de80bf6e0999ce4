// The part of translate.c that says what counts as storage: portals and servers of the
// configuration, and those that were learnt.
#include <arpa/inet.h>
#include <string.h>

#include "control_priv.h"
#include "qos_learn.h"

#define HTTP_PORT 80

static int portal_add(struct dp_plan *plan, uint32_t kind, const uint8_t addr[16],
		      struct dp_act_portal a)
{
	a.h = (struct dp_act){ kind, sizeof(a) };
	memcpy(a.addr.b, addr, 16);
	return dp_plan_add(plan, &a.h);
}

static bool addr_read(const char *text, struct qos_addr *out)
{
	*out = (struct qos_addr){ .b = { [10] = 0xff, [11] = 0xff } };
	return text[0] != '\0' && (inet_pton(AF_INET, text, out->b + 12) == 1 ||
				   inet_pton(AF_INET6, text, out->b) == 1);
}

// NFS 4 has one port. NFS 3 asks rpcbind, by either transport, where the others are; what that
// answers is learnt, since the operator named the server.
static uint32_t nfs_portals(const struct cfg_vm *vm, struct qos_portal *out)
{
	struct qos_portal p = {
		.port = 2049, .proto = IPPROTO_TCP, .service = QOS_SVC_NFS, .how = QOS_HOW_DECLARED
	};
	uint32_t n = 0;

	if (!addr_read(vm->nfs_server, &p.addr))
		return 0;
	out[n++] = p;
	if (!vm->nfs_v3)
		return n;
	p.port = 111;
	p.service = QOS_SVC_RPCBIND;
	out[n++] = p;
	p.proto = IPPROTO_UDP;
	out[n++] = p;
	return n;
}

uint32_t ctl_boot_portals(const struct cfg_vm *vm, struct qos_portal out[CTL_BOOT_PORTALS])
{
	struct qos_portal p = { .port = vm->iscsi_port,
				.proto = IPPROTO_TCP,
				.service = QOS_SVC_ISCSI,
				.how = QOS_HOW_DECLARED };
	uint32_t n = nfs_portals(vm, out);

	if (addr_read(vm->iscsi_server, &p.addr))
		out[n++] = p;
	return n;
}

static int boot_portals_add(const struct cfg_vm *vm, struct dp_plan *plan)
{
	struct qos_portal p[CTL_BOOT_PORTALS];
	uint32_t n = ctl_boot_portals(vm, p);
	int rc = 0;

	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = portal_add(plan, DP_ACT_PORTAL_ADD, p[i].addr.b,
				(struct dp_act_portal){ .proto = p[i].proto,
							.service = p[i].service,
							.port = p[i].port });
	return rc;
}

// Kernels and images by HTTP are what a boot waits for, as it does for its disk: a portal, so that
// they are class boot while the machine boots.
static int http_portals(const struct cfg *cfg, struct dp_plan *plan)
{
	int rc = 0;

	for (uint32_t i = 0; i < cfg->n_services && rc == 0; i++) {
		uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

		memcpy(addr + 12, cfg->services[i].addr, 4);
		if (cfg->services[i].http)
			rc = portal_add(plan, DP_ACT_PORTAL_ADD, addr,
					(struct dp_act_portal){ .proto = IPPROTO_TCP,
								.service = QOS_SVC_OTHER,
								.port = HTTP_PORT });
	}
	return rc;
}

// Declared portals, declared servers, and the portals from which VMs boot: an operator named them
// all.
int ctl_translate_storage(const struct cfg *cfg, struct dp_plan *plan)
{
	const struct dp_act_portal clear = { .h = { DP_ACT_PORTALS_CLEAR, sizeof(clear) },
					     .l2 = cfg->storage.l2 };
	int rc = dp_plan_add(plan, &clear.h);

	for (uint32_t i = 0; i < cfg->n_portals && rc == 0; i++)
		rc = portal_add(plan, DP_ACT_PORTAL_ADD, cfg->portals[i].addr,
				(struct dp_act_portal){ .proto = cfg->portals[i].proto,
							.port = cfg->portals[i].port,
							.service = cfg->portals[i].service });
	for (uint32_t i = 0; i < cfg->n_servers && rc == 0; i++)
		rc = portal_add(
			plan, DP_ACT_SERVER_ADD, cfg->servers[i].addr,
			(struct dp_act_portal){ .prefix_bits = cfg->servers[i].prefix_bits });
	for (uint32_t i = 0; i < cfg->n_vms && rc == 0; i++)
		rc = boot_portals_add(&cfg->vms[i], plan);
	return rc < 0 ? rc : http_portals(cfg, plan);
}

// The table that these actions of a plan make.
static int table_of(const struct dp_plan *plan, struct qos_portals **out)
{
	int rc = qos_portals_create(out);

	for (const struct dp_act *a = dp_plan_next(plan, NULL); a != NULL && rc == 0;
	     a = dp_plan_next(plan, a)) {
		const struct dp_act_portal *p = (const void *)a;

		// A portal that is declared twice is declared; what does not fit, apply refuses.
		if (a->kind == DP_ACT_PORTALS_CLEAR)
			qos_portals_set_l2(*out, p->l2);
		else if (a->kind == DP_ACT_PORTAL_ADD)
			(void)qos_portals_put(*out,
					      &(struct qos_portal){ .addr = p->addr,
								    .port = p->port,
								    .proto = p->proto,
								    .service = p->service,
								    .how = QOS_HOW_DECLARED });
		else if (a->kind == DP_ACT_SERVER_ADD)
			(void)qos_portals_add_server(*out, &p->addr, p->prefix_bits);
	}
	return rc;
}

// What was learnt joins a table, as far as who taught it is listed there and there is room; and the
// plan that makes the same table, if there is one.
static int learnt_join(struct qos_portals *table, const struct qos_learn *learn,
		       struct dp_plan *plan)
{
	const struct qos_learnt *l;
	int rc = 0;

	for (uint32_t i = 0; learn != NULL && rc == 0 && (l = qos_learn_at(learn, i)) != NULL;
	     i++) {
		const struct qos_portal *p = &l->portal;

		if (!qos_portals_listed(table, &l->teacher) || qos_portals_put(table, p) < 0 ||
		    plan == NULL)
			continue;
		rc = portal_add(plan, DP_ACT_PORTAL_ADD, p->addr.b,
				(struct dp_act_portal){ .proto = p->proto,
							.port = p->port,
							.service = p->service,
							.how = p->how });
	}
	return rc;
}

int ctl_portals_build(const struct cfg *cfg, const struct qos_learn *learn,
		      struct qos_portals **out)
{
	struct dp_plan plan;
	int rc;

	*out = NULL;
	dp_plan_init(&plan);
	rc = ctl_translate_storage(cfg, &plan);
	if (rc == 0)
		rc = table_of(&plan, out);
	if (rc == 0)
		(void)learnt_join(*out, learn, NULL);
	dp_plan_fini(&plan);
	return rc;
}

int ctl_translate_learnt(const struct qos_learn *learn, struct dp_plan *plan)
{
	struct qos_portals *table;
	bool any = false;
	int rc;

	for (const struct dp_act *a = NULL; !any && (a = dp_plan_next(plan, a)) != NULL;)
		any = a->kind == DP_ACT_PORTALS_CLEAR;
	if (!any || qos_learn_at(learn, 0) == NULL)
		return 0;
	rc = table_of(plan, &table);
	if (rc == 0)
		rc = learnt_join(table, learn, plan);
	qos_portals_destroy(table);
	return rc;
}
