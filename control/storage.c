// Storage awareness on the main thread: events of workers in, the table of portals out. See
// storage.h.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage.h"
#include "weir_log.h"

enum {
	BATCH = 1024,
	ROUNDS = 4, // 4096 events of a call: under 1 ms, and 800,000 a second
	CONNS = 8192,
	ROWS = 2048, // 7 KiB each, when it is used
	OUTSTANDING = 65536,
};

#define SECOND_NS 1000000000ull
#define TABLE_NS 5000000ull // a new table of portals at most so often
#define EXTRA_NS SECOND_NS  // to be rid of what was refused: a server may name such for ever
#define MINUTE_NS (60 * SECOND_NS)
#define IDLE_NS (600 * SECOND_NS) // of a connection

int64_t ctl_storage_time(const struct ctl *c, uint64_t ns)
{
	// Not from the clock of now: the same moment has to be shown as the same time each time.
	return c->started_s + (int64_t)(ns - c->started_ns) / (int64_t)SECOND_NS;
}

const char *ctl_storage_vm_name(const struct ctl_storage *s, uint16_t vm_idx)
{
	return vm_idx == 0 || vm_idx >= DP_QOS_VMS || s->vm_names[vm_idx][0] == '\0'
		       ? "-"
		       : s->vm_names[vm_idx];
}

const char *ctl_addr_text(const struct qos_addr *a, char buf[CTL_ADDR_TEXT])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	buf[0] = '\0';
	if (memcmp(a->b, mapped, sizeof(mapped)) == 0)
		inet_ntop(AF_INET, a->b + 12, buf, CTL_ADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->b, buf, CTL_ADDR_TEXT);
	return buf;
}

// --- Learnt portals

static const char *outcome(int rc)
{
	switch (rc) {
	case 0:
		return "learnt";
	case -EPERM:
		return "refused: its server is not listed";
	case -ENOSPC:
		return "refused: max-learnt or max-learnt-per-server is reached";
	default:
		return "refused: no portal can have this address";
	}
}

// A worker entered a portal that a server named. What is refused leaves the table again.
static void taught(struct ctl_storage *s, const struct qos_addr *teacher,
		   const struct qos_portal *p)
{
	char addr[CTL_ADDR_TEXT], by[CTL_ADDR_TEXT];
	int rc;

	if (!s->conf.learning) {
		s->table_extra = true;
		return;
	}
	rc = qos_learn_add(s->learn, dp_switch_portals(s->ctl->sw), teacher, p,
			   (uint64_t)s->wall_s());
	if (rc == -EEXIST) {
		s->file_aged = true;
		return;
	}
	s->table_stale |= rc == 0;
	s->file_stale |= rc == 0;
	s->table_extra |= rc < 0;
	weir_log_limited(&s->log_learnt, WEIR_INFO, "portal %s %s %u (%s): %s; named by %s (%s)",
			 ctl_addr_text(&p->addr, addr), p->proto == IPPROTO_UDP ? "udp" : "tcp",
			 p->port, qos_service_name(p->service), outcome(rc),
			 ctl_addr_text(teacher, by), qos_how_name(p->how));
}

static void on_login(void *ctx, const struct qos_login *login)
{
	ctl_phase_login(ctx, login);
}

// Somebody uses a portal. It was learnt, perhaps.
static void seen(struct ctl_storage *s, const struct qos_addr *a, uint8_t proto, uint16_t port)
{
	s->file_aged |= qos_learn_seen(s->learn, a, proto, port, (uint64_t)s->wall_s());
}

// --- Events

static int32_t *flow_at(const struct ctl_storage *s, const struct dp_storage_event *e)
{
	return e->worker < DP_MAX_WORKERS && e->flow < DP_STORAGE_FLOWS
		       ? &s->flows[e->worker * DP_STORAGE_FLOWS + e->flow]
		       : NULL;
}

// Boot files by HTTP are a boot's storage for the scheduler (translate.c), and no disk.
static bool is_boot_service(const struct ctl_storage *s, const struct qos_addr *a)
{
	const struct cfg *cfg = s->ctl->running;

	for (uint32_t i = 0; i < cfg->n_services; i++) {
		struct qos_addr service;

		qos_addr_set4(&service, cfg->services[i].addr);
		if (memcmp(&service, a, sizeof(service)) == 0)
			return true;
	}
	return false;
}

// A machine's first connection to a server. Where a protocol has a login, that tells more.
static void connected(struct ctl_storage *s, const struct dp_storage_event *e)
{
	const char *vm = ctl_storage_vm_name(s, e->open.vm_idx);
	uint8_t service =
		e->open.hit.service != QOS_SVC_NONE
			? e->open.hit.service
			: (uint8_t)qos_service_of(e->open.key.proto, e->open.key.portal_port);

	if (cfg_vm_get(s->ctl->running, vm) == NULL || is_boot_service(s, &e->open.key.portal))
		return;
	ctl_vm_storage(s->ctl, vm, e->ns);
	// Of boot ROMs none mounts anything: this is a kernel, which may have its address from its
	// command line.
	if (service == QOS_SVC_NFS)
		ctl_phase_edge(s, e->open.vm_idx, QOS_EDGE_LOGIN_OS, e->ns);
	else if (service != QOS_SVC_ISCSI && service != QOS_SVC_RPCBIND)
		ctl_vm_boot_mark(s->ctl, vm, BOOT_MARK_LOGIN, e->ns);
}

static int opened(struct ctl_storage *s, const struct dp_storage_event *e)
{
	const struct qos_conn_key *k = &e->open.key;

	// Not when somebody sends to it: a guest alone keeps no portal.
	if (e->way == QOS_FROM_PORTAL)
		seen(s, &k->portal, k->proto, k->portal_port);
	else
		connected(s, e);
	// Who sends from the portal is not the client.
	return qos_storage_open(s->watch, k, &e->open.hit,
				e->way == QOS_TO_PORTAL ? e->open.vm_idx : 0, e->ns);
}

static void text_piece(struct ctl_storage *s, int conn, const struct dp_storage_event *e)
{
	const struct qos_pdu pdu = {
		.kind = QOS_PDU_TEXT,
		.text = {
			.data = e->text.data,
			.size = e->text.size < DP_STORAGE_TEXT ? e->text.size : DP_STORAGE_TEXT,
			.offset = e->text.offset,
			.last = e->text.last,
		},
	};

	qos_storage_pdu(s->watch, conn, e->way, &pdu, e->ns);
}

// The first read or write of a boot.
static void first_io(struct ctl_storage *s, uint16_t vm_idx, const struct dp_storage_event *e)
{
	const char *vm = ctl_storage_vm_name(s, vm_idx);

	if (vm_idx == 0 || e->way != QOS_TO_PORTAL || e->pdu.kind != QOS_PDU_REQUEST ||
	    e->pdu.op == QOS_OP_OTHER || s->io_told[vm_idx])
		return;
	s->io_told[vm_idx] = true;
	if (cfg_vm_get(s->ctl->running, vm) != NULL)
		ctl_vm_boot_mark(s->ctl, vm, BOOT_MARK_IO, e->ns);
}

// Of a flow whose connection is known.
static void flow_event(struct ctl_storage *s, int32_t *flow, const struct dp_storage_event *e)
{
	int conn = *flow - 1;

	switch (e->kind) {
	case DP_STORAGE_CLOSE:
		// One that is only silent goes on; the table forgets it when both sides are.
		if (!e->close.idle)
			qos_storage_close(s->watch, conn, e->way, e->close.rst, e->ns);
		*flow = 0;
		break;
	case DP_STORAGE_PDU:
		first_io(s, s->flow_vms[flow - s->flows], e);
		qos_storage_pdu(s->watch, conn, e->way, &e->pdu, e->ns);
		break;
	case DP_STORAGE_TEXT_PIECE:
		text_piece(s, conn, e);
		break;
	case DP_STORAGE_WAIT:
		for (uint32_t i = 0; i < e->wait.n && i < DP_STO_MOST; i++)
			qos_storage_wait(s->watch, conn, e->way, e->wait.tag, e->wait.wait_ns);
		break;
	default:
		break;
	}
}

void ctl_storage_event(struct ctl_storage *s, const struct dp_storage_event *e)
{
	int32_t *flow = flow_at(s, e);

	s->n_events++;
	if (e->kind == DP_STORAGE_LEARNT) {
		taught(s, &e->learnt.teacher, &e->learnt.portal);
		return;
	}
	if (flow == NULL)
		return;
	if (e->kind == DP_STORAGE_OPEN) {
		s->flow_vms[flow - s->flows] = e->open.vm_idx < DP_QOS_VMS ? e->open.vm_idx : 0;
		*flow = opened(s, e) + 1; // a table that is full: the flow is nobody's
	} else if (*flow > 0)
		flow_event(s, flow, e);
}

// What one call brought: a run of each worker, by time; a new one begins where time goes back.
// Merged by time, so that an answer that another worker saw comes behind its request.
void ctl_storage_merge(struct ctl_storage *s, const struct dp_storage_event *e, uint32_t n)
{
	uint32_t at[DP_MAX_WORKERS + 1], end[DP_MAX_WORKERS + 1], n_runs = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (i == 0 || (e[i].ns < e[i - 1].ns && n_runs <= DP_MAX_WORKERS))
			at[n_runs++] = i;
		end[n_runs - 1] = i + 1;
	}
	for (uint32_t left = n; left > 0; left--) {
		uint32_t first = n_runs;

		for (uint32_t r = 0; r < n_runs; r++) {
			if (at[r] < end[r] && (first == n_runs || e[at[r]].ns < e[at[first]].ns))
				first = r;
		}
		ctl_storage_event(s, &e[at[first]++]);
	}
}

static void events_take(struct ctl_storage *s)
{
	static struct dp_storage_event events[BATCH]; // main thread only
	uint32_t n = BATCH;

	for (uint32_t round = 0; round < ROUNDS && n == BATCH; round++) {
		n = dp_switch_storage_events(s->ctl->sw, events, BATCH);
		ctl_storage_merge(s, events, n);
	}
}

// --- The table of portals

static void table_set(struct ctl_storage *s)
{
	struct qos_portals *table;

	s->table_ns = s->now_ns;
	if (ctl_portals_build(s->ctl->running, s->learn, &table) < 0) {
		weir_log_limited(&s->log_refused, WEIR_ERROR, "portals: out of memory");
		return;
	}
	dp_switch_set_portals(s->ctl->sw, table);
	s->table_stale = s->table_extra = false;
}

// Ports in use count as seen; what nobody has used for long is forgotten.
static void learnt_age(struct ctl_storage *s)
{
	const struct qos_storage_row *r;

	for (uint32_t i = 0; (r = qos_storage_row(s->watch, i)) != NULL; i++) {
		if (r->conns_now > 0 && r->answered_ns != 0 && s->now_ns < r->answered_ns + IDLE_NS)
			seen(s, &r->portal.addr, r->portal.proto, r->portal.port);
	}
	if (qos_learn_age(s->learn, dp_switch_portals(s->ctl->sw), (uint64_t)s->wall_s()) > 0)
		s->table_stale = s->file_stale = true;
}

uint32_t ctl_storage_forget(struct ctl *c, const struct qos_portal *p)
{
	struct ctl_storage *s = c->storage;
	struct qos_learn_counts n;

	qos_learn_counts(s->learn, &n);
	if (p == NULL)
		qos_learn_clear(s->learn);
	else if (qos_learn_remove(s->learn, &p->addr, p->proto, p->port) < 0)
		return 0;
	else
		n.now = 1;
	s->file_stale = true;
	table_set(s);
	return n.now;
}

int ctl_storage_plan(const struct ctl *c, struct dp_plan *plan)
{
	return c->storage == NULL ? 0 : ctl_translate_learnt(c->storage->learn, plan);
}

// --- Configuration

// An index that is another machine's now, or nobody's.
static void vm_follow(struct ctl_storage *s, uint16_t idx)
{
	const struct dp_vm_params *vm = dp_switch_vm(s->ctl->sw, idx);
	const char *name = vm == NULL ? "" : vm->name;

	if (strncmp(s->vm_names[idx], name, DP_VM_NAME) == 0)
		return;
	if (s->vm_names[idx][0] != '\0') {
		qos_storage_forget_vm(s->watch, idx);
		ctl_phase_forget(s, idx);
	}
	snprintf(s->vm_names[idx], DP_VM_NAME, "%s", name);
}

static void vms_follow(struct ctl_storage *s)
{
	s->generation = dp_switch_generation(s->ctl->sw);
	for (uint32_t i = 1; i < DP_QOS_VMS; i++)
		vm_follow(s, (uint16_t)i);
}

static void learn_configure(struct ctl_storage *s)
{
	const struct qos_learn_params p = {
		.max = s->conf.max_learnt,
		.max_per_teacher = s->conf.max_learnt_per_server,
		// Without telemetry nobody sees that a portal is in use.
		.ageing_s = s->conf.telemetry ? s->conf.ageing_s : 0,
	};
	struct qos_learn_counts before, after;

	qos_learn_counts(s->learn, &before);
	qos_learn_set(s->learn, &p);
	learnt_age(s);
	qos_learn_counts(s->learn, &after);
	if (before.now != after.now)
		s->table_stale = s->file_stale = true;
}

void ctl_storage_committed(struct ctl *c)
{
	struct ctl_storage *s = c->storage;
	bool changed;

	if (s == NULL)
		return;
	vms_follow(s);
	changed = !s->configured || memcmp(&s->conf, &c->running->storage, sizeof(s->conf)) != 0;
	s->conf = c->running->storage;
	s->configured = true;
	learn_configure(s); // servers may have left the list, too
	if (changed) {
		dp_switch_storage_set(c->sw, s->conf.telemetry, s->conf.learning);
		ctl_phase_configure(s);
	}
	ctl_slo_configure(s);
	if (s->table_stale)
		table_set(s);
}

// --- The clock's turn

void ctl_storage_poll(struct ctl *c, uint64_t now_ns)
{
	struct ctl_storage *s = c->storage;

	if (s == NULL)
		return;
	s->now_ns = now_ns;
	if (s->generation != dp_switch_generation(c->sw))
		vms_follow(s);
	events_take(s);
	ctl_phase_poll(s);
	if (now_ns - s->second_ns >= SECOND_NS) {
		s->second_ns = now_ns;
		qos_storage_tick(s->watch, now_ns);
	}
	if (now_ns - s->minute_ns >= MINUTE_NS) {
		s->minute_ns = now_ns;
		learnt_age(s);
	}
	ctl_slo_poll(s);
	if ((s->table_stale && now_ns - s->table_ns >= TABLE_NS) ||
	    (s->table_extra && now_ns - s->table_ns >= EXTRA_NS))
		table_set(s);
	ctl_storage_file_write(s, false);
}

// --- Start and end

static int64_t wall_s(void)
{
	return time(NULL);
}

static int create(struct ctl_storage *s)
{
	const struct qos_storage_params watch = {
		.n_vms = DP_QOS_VMS,
		.n_conns = CONNS,
		.n_rows = ROWS,
		.n_outstanding = OUTSTANDING,
		.idle_ns = IDLE_NS,
	};
	// Which portals count, workers say (DP_STORAGE_LEARNT): one place has the rules.
	const struct qos_storage_events events = { s, on_login, NULL };
	// What the file holds is taken over first; the configuration's bounds come with it.
	const struct qos_learn_params learn = { QOS_LEARNT_MAX, QOS_LEARNT_MAX, 0 };
	int rc = qos_storage_create(&watch, &events, &s->watch);

	if (rc == 0)
		rc = qos_learn_create(&learn, &s->learn);
	if (rc == 0)
		rc = ctl_phase_create(s);
	s->flows = calloc(DP_MAX_WORKERS * DP_STORAGE_FLOWS, sizeof(*s->flows));
	s->flow_vms = calloc(DP_MAX_WORKERS * DP_STORAGE_FLOWS, sizeof(*s->flow_vms));
	s->io_told = calloc(DP_QOS_VMS, sizeof(*s->io_told));
	s->vm_names = calloc(DP_QOS_VMS, sizeof(*s->vm_names));
	return s->flows == NULL || s->flow_vms == NULL || s->io_told == NULL || s->vm_names == NULL
		       ? -ENOMEM
		       : rc;
}

int ctl_storage_start(struct ctl *c, struct cfg_error *err)
{
	struct ctl_storage *s = calloc(1, sizeof(*s));
	int rc = s == NULL ? -ENOMEM : 0;

	c->storage = s;
	if (rc == 0) {
		s->ctl = c;
		s->wall_s = wall_s;
		s->conf = c->running->storage;
		rc = create(s);
	}
	if (rc < 0) {
		snprintf(err->reason, sizeof(err->reason), "storage: out of memory");
		ctl_storage_stop(c);
		return rc;
	}
	ctl_storage_file_read(s);
	return 0;
}

void ctl_storage_stop(struct ctl *c)
{
	struct ctl_storage *s = c->storage;

	if (s == NULL)
		return;
	if (s->learn != NULL)
		ctl_storage_file_write(s, true);
	qos_phases_destroy(s->phases);
	qos_storage_destroy(s->watch);
	qos_learn_destroy(s->learn);
	free(s->flows);
	free(s->flow_vms);
	free(s->io_told);
	free(s->vm_names);
	free(s->vm_bytes);
	free(s->slo);
	free(s);
	c->storage = NULL;
}
