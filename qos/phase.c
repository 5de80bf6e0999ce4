// Phases of machines, and the window. Machines that boot are in a list, and those of them that wait
// for the window in a second one, the line; both in the order in which the boots began.
#include <errno.h>
#include <stdlib.h>

#include "qos_phase.h"

#define NOBODY 0u
#define MAX_VMS 65536u
#define FAIRLY 1u	   // the deadline of those that have none
#define LINE_QUIET_PART 64 // of quiet_bytes

enum list_of { BOOTING, LINE, N_LISTS };

struct link {
	uint32_t next, prev; // indexes; NOBODY = the end
	bool in;
};

struct machine {
	struct link links[N_LISTS];
	uint64_t since_ns, boot_ns;
	uint64_t deadline_ns; // as in a change
	uint64_t due_ns;      // by which the boot counts as in time
	uint64_t bytes;	      // of this boot
	uint64_t total, total_ns;
	uint64_t quiet_from_ns, quiet_from_bytes;
	uint8_t phase;
	bool in_window, met;
	bool told; // a total
	bool counting;
};

struct list {
	uint32_t head, tail, n;
};

struct qos_phases {
	struct qos_phase_params params;
	qos_phase_fn *fn;
	void *ctx;
	uint64_t now_ns;
	struct list lists[N_LISTS];
	uint32_t in_window;
	uint64_t boots, in_time, late, timed_out, over_bytes;
	struct machine machines[];
};

// --- the table of edges

enum act {
	NOTHING,
	GO_AWAY,
	BEGIN_FW,
	BEGIN_OS,
	GO_OS,
	END,
};

static const uint8_t acts[QOS_N_EDGES][QOS_N_PHASES] = {
	[QOS_EDGE_ATTACH] = { NOTHING, GO_AWAY, GO_AWAY, GO_AWAY },
	[QOS_EDGE_DETACH] = { NOTHING, GO_AWAY, GO_AWAY, GO_AWAY },
	[QOS_EDGE_RESET] = { NOTHING, GO_AWAY, GO_AWAY, GO_AWAY },
	[QOS_EDGE_DHCP_FW] = { BEGIN_FW, NOTHING, NOTHING, NOTHING },
	[QOS_EDGE_DHCP_OS] = { BEGIN_OS, GO_OS, NOTHING, NOTHING },
	[QOS_EDGE_LOGIN_FW] = { BEGIN_FW, NOTHING, NOTHING, NOTHING },
	[QOS_EDGE_LOGIN_OS] = { BEGIN_OS, GO_OS, NOTHING, NOTHING },
	[QOS_EDGE_BEGIN] = { BEGIN_FW, BEGIN_FW, BEGIN_FW, BEGIN_FW },
	[QOS_EDGE_COMPLETE] = { END, END, END, NOTHING },
};

static const char *const edge_why[QOS_N_EDGES] = {
	[QOS_EDGE_ATTACH] = "a new front-end is attached",
	[QOS_EDGE_DETACH] = "its front-end is gone",
	[QOS_EDGE_RESET] = "it was reset",
	[QOS_EDGE_DHCP_FW] = "DHCP of a boot ROM",
	[QOS_EDGE_DHCP_OS] = "DHCP of an operating system",
	[QOS_EDGE_LOGIN_FW] = "storage login of firmware",
	[QOS_EDGE_LOGIN_OS] = "storage login of an operating system",
	[QOS_EDGE_BEGIN] = "told that it boots",
	[QOS_EDGE_COMPLETE] = "told that it has booted",
};

const char *qos_phase_name(enum qos_phase p)
{
	static const char *const names[QOS_N_PHASES] = { "new", "boot-firmware", "boot-os",
							 "steady" };

	return p < QOS_N_PHASES ? names[p] : "unknown";
}

// --- lists

static void list_push(struct qos_phases *p, enum list_of of, uint32_t vm)
{
	struct list *l = &p->lists[of];

	p->machines[vm].links[of] = (struct link){ NOBODY, l->tail, true };
	if (l->tail == NOBODY)
		l->head = vm;
	else
		p->machines[l->tail].links[of].next = vm;
	l->tail = vm;
	l->n++;
}

static void list_remove(struct qos_phases *p, enum list_of of, uint32_t vm)
{
	struct link *k = &p->machines[vm].links[of];
	struct list *l = &p->lists[of];

	if (!k->in)
		return;
	if (k->prev == NOBODY)
		l->head = k->next;
	else
		p->machines[k->prev].links[of].next = k->next;
	if (k->next == NOBODY)
		l->tail = k->prev;
	else
		p->machines[k->next].links[of].prev = k->prev;
	*k = (struct link){ NOBODY, NOBODY, false };
	l->n--;
}

// --- changes

static uint64_t later(uint64_t ns, uint64_t by_ns)
{
	return ns + by_ns < ns ? UINT64_MAX : ns + by_ns;
}

static bool boots(const struct machine *m)
{
	return m->phase == QOS_PHASE_BOOT_FW || m->phase == QOS_PHASE_BOOT_OS;
}

static void tell(struct qos_phases *p, uint32_t vm, uint8_t from, const char *why)
{
	const struct machine *m = &p->machines[vm];
	struct qos_phase_change c = { .vm_idx = (uint16_t)vm,
				      .from = from,
				      .to = m->phase,
				      .deadline_ns = m->deadline_ns,
				      .why = why,
				      .ns = p->now_ns };

	p->fn(p->ctx, &c);
}

static void quiet_anew(struct qos_phases *p, struct machine *m)
{
	m->quiet_from_ns = p->now_ns;
	m->quiet_from_bytes = m->bytes;
}

// 0 and 1 have a meaning of their own.
static uint64_t deadline_from(const struct qos_phases *p, uint64_t ns)
{
	uint64_t at = later(ns, p->params.deadline_ns);

	return at > FAIRLY ? at : FAIRLY + 1;
}

static void enter_window(struct qos_phases *p, uint32_t vm)
{
	struct machine *m = &p->machines[vm];

	m->in_window = true;
	m->deadline_ns = m->due_ns = deadline_from(p, p->now_ns);
	p->in_window++;
	quiet_anew(p, m);
}

static void leave_window(struct qos_phases *p, struct machine *m)
{
	if (m->in_window)
		p->in_window--;
	m->in_window = false;
}

// Those at the head of the line, while there is room.
static void let_in(struct qos_phases *p)
{
	while (p->in_window < p->params.window && p->lists[LINE].head != NOBODY) {
		uint32_t vm = p->lists[LINE].head;

		list_remove(p, LINE, vm);
		enter_window(p, vm);
		tell(p, vm, p->machines[vm].phase, "a place in the boot window is free");
	}
}

// Out of everything that has to do with a boot.
static void unboot(struct qos_phases *p, uint32_t vm)
{
	struct machine *m = &p->machines[vm];

	list_remove(p, BOOTING, vm);
	list_remove(p, LINE, vm);
	leave_window(p, m);
	m->deadline_ns = 0;
	m->counting = false;
}

static void go(struct qos_phases *p, uint32_t vm, enum qos_phase to, const char *why)
{
	struct machine *m = &p->machines[vm];
	uint8_t from = m->phase;

	m->phase = (uint8_t)to;
	m->since_ns = p->now_ns;
	quiet_anew(p, m);
	if (!boots(m))
		unboot(p, vm);
	if (to == QOS_PHASE_NEW)
		m->boot_ns = m->bytes = 0;
	tell(p, vm, from, why);
	let_in(p);
}

static void begin(struct qos_phases *p, uint32_t vm, enum qos_phase to, const char *why)
{
	struct machine *m = &p->machines[vm];

	unboot(p, vm);
	p->boots++;
	m->boot_ns = p->now_ns;
	m->due_ns = deadline_from(p, p->now_ns);
	m->bytes = 0;
	m->met = false;
	m->counting = m->told && m->total_ns == p->now_ns;
	list_push(p, BOOTING, vm);
	m->deadline_ns = FAIRLY;
	if (p->lists[LINE].head == NOBODY && p->in_window < p->params.window)
		enter_window(p, vm);
	else
		list_push(p, LINE, vm);
	go(p, vm, to, why);
}

// A boot is complete since ended_ns, or a machine is said not to need one.
static void complete(struct qos_phases *p, uint32_t vm, uint64_t ended_ns, const char *why)
{
	struct machine *m = &p->machines[vm];

	if (boots(m)) {
		m->met = ended_ns < m->due_ns;
		p->in_time += m->met;
		p->late += !m->met;
	}
	go(p, vm, QOS_PHASE_STEADY, why);
}

// --- the public functions

static bool params_ok(const struct qos_phase_params *p)
{
	return p->window >= 1 && p->window <= QOS_PHASE_MAX_WINDOW && p->deadline_ns != 0 &&
	       p->max_ns != 0 && p->max_bytes != 0;
}

static void set_now(struct qos_phases *p, uint64_t now_ns)
{
	if (now_ns > p->now_ns)
		p->now_ns = now_ns;
}

static bool known(const struct qos_phases *p, uint32_t vm)
{
	return vm != NOBODY && vm < p->params.n_vms;
}

int qos_phases_create(const struct qos_phase_params *params, qos_phase_fn *fn, void *ctx,
		      struct qos_phases **out)
{
	struct qos_phases *p;

	if (!params_ok(params) || params->n_vms == 0 || params->n_vms > MAX_VMS)
		return -EINVAL;
	p = calloc(1, sizeof(*p) + params->n_vms * sizeof(p->machines[0]));
	if (p == NULL)
		return -ENOMEM;
	p->params = *params;
	p->fn = fn;
	p->ctx = ctx;
	*out = p;
	return 0;
}

void qos_phases_destroy(struct qos_phases *p)
{
	free(p);
}

void qos_phases_set(struct qos_phases *p, const struct qos_phase_params *params, uint64_t now_ns)
{
	uint32_t n_vms = p->params.n_vms;

	set_now(p, now_ns);
	if (!params_ok(params))
		return;
	p->params = *params;
	p->params.n_vms = n_vms;
	let_in(p);
}

void qos_phases_edge(struct qos_phases *p, uint16_t vm_idx, enum qos_edge e, uint64_t now_ns)
{
	set_now(p, now_ns);
	if (!known(p, vm_idx) || (uint32_t)e >= QOS_N_EDGES)
		return;
	switch ((enum act)acts[e][p->machines[vm_idx].phase]) {
	case NOTHING:
		return;
	case GO_AWAY:
		go(p, vm_idx, QOS_PHASE_NEW, edge_why[e]);
		return;
	case BEGIN_FW:
		begin(p, vm_idx, QOS_PHASE_BOOT_FW, edge_why[e]);
		return;
	case BEGIN_OS:
		begin(p, vm_idx, QOS_PHASE_BOOT_OS, edge_why[e]);
		return;
	case GO_OS:
		go(p, vm_idx, QOS_PHASE_BOOT_OS, edge_why[e]);
		return;
	case END:
		complete(p, vm_idx, p->now_ns, edge_why[e]);
		return;
	}
}

void qos_phases_bytes(struct qos_phases *p, uint16_t vm_idx, uint64_t total, uint64_t now_ns)
{
	struct machine *m;

	set_now(p, now_ns);
	if (!known(p, vm_idx))
		return;
	m = &p->machines[vm_idx];
	// A total that fell is one that was counted anew.
	if (m->counting && total > m->total)
		m->bytes += total - m->total;
	m->total = total;
	m->total_ns = p->now_ns;
	m->told = true;
	if (!boots(m))
		return;
	if (!m->counting)
		quiet_anew(p, m);
	m->counting = true;
	if (m->bytes >= p->params.max_bytes) {
		p->over_bytes++;
		go(p, vm_idx, QOS_PHASE_STEADY, "it has read and written the most that a boot may");
	} else if (m->bytes - m->quiet_from_bytes >=
		   p->params.quiet_bytes / (m->links[LINE].in ? LINE_QUIET_PART : 1)) {
		quiet_anew(p, m);
	}
}

// By the last total that was told: a machine of which nothing is told is not quiet.
static bool quiet(const struct qos_phases *p, const struct machine *m)
{
	return m->phase == QOS_PHASE_BOOT_OS && p->params.quiet_ns != 0 && m->counting &&
	       m->total_ns >= m->quiet_from_ns &&
	       m->total_ns - m->quiet_from_ns >= p->params.quiet_ns;
}

static void tick(struct qos_phases *p, uint32_t vm)
{
	struct machine *m = &p->machines[vm];

	if (p->now_ns - m->boot_ns >= p->params.max_ns) {
		p->timed_out++;
		go(p, vm, QOS_PHASE_STEADY, "the longest time of a boot has passed");
	} else if (quiet(p, m)) {
		complete(p, vm, m->quiet_from_ns, "its storage is quiet");
	} else if (m->in_window && p->now_ns >= m->deadline_ns) {
		leave_window(p, m);
		m->deadline_ns = FAIRLY;
		tell(p, vm, m->phase, "its deadline has passed");
		let_in(p);
	}
}

void qos_phases_tick(struct qos_phases *p, uint64_t now_ns)
{
	set_now(p, now_ns);
	for (uint32_t vm = p->lists[BOOTING].head, next; vm != NOBODY; vm = next) {
		next = p->machines[vm].links[BOOTING].next;
		tick(p, vm);
	}
}

void qos_phases_forget(struct qos_phases *p, uint16_t vm_idx, uint64_t now_ns)
{
	set_now(p, now_ns);
	if (!known(p, vm_idx))
		return;
	if (p->machines[vm_idx].phase != QOS_PHASE_NEW)
		go(p, vm_idx, QOS_PHASE_NEW, "it is no more");
	p->machines[vm_idx] = (struct machine){ .phase = QOS_PHASE_NEW };
}

void qos_phases_state(const struct qos_phases *p, uint16_t vm_idx, struct qos_phase_state *out)
{
	const struct machine *m;

	*out = (struct qos_phase_state){ .phase = QOS_PHASE_NEW };
	if (!known(p, vm_idx))
		return;
	m = &p->machines[vm_idx];
	*out = (struct qos_phase_state){ .phase = m->phase,
					 .in_window = m->in_window,
					 .since_ns = m->since_ns,
					 .boot_ns = m->boot_ns,
					 .deadline_ns = m->deadline_ns,
					 .bytes = m->bytes,
					 .met = m->met };
	if (!m->links[LINE].in)
		return;
	for (uint32_t vm = vm_idx; vm != NOBODY; vm = p->machines[vm].links[LINE].prev)
		out->place++;
}

void qos_phases_counts(const struct qos_phases *p, struct qos_phase_counts *out)
{
	*out = (struct qos_phase_counts){ .booting = p->lists[BOOTING].n,
					  .in_window = p->in_window,
					  .waiting = p->lists[LINE].n,
					  .boots = p->boots,
					  .in_time = p->in_time,
					  .late = p->late,
					  .timed_out = p->timed_out,
					  .over_bytes = p->over_bytes };
}

uint32_t qos_phases_booting(const struct qos_phases *p, uint16_t *vm_idx, uint32_t max)
{
	uint32_t n = 0, vm = p->lists[BOOTING].head;

	for (; vm != NOBODY && n < max; vm = p->machines[vm].links[BOOTING].next)
		vm_idx[n++] = (uint16_t)vm;
	return n;
}
