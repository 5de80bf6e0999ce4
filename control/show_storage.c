// Storage as RFC 7951 JSON (module weir-storage): portals, who waits for which and how long, boots,
// targets.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage.h"

// --- Values

// What no calendar has (a file may say any time, and so may a clock) is the nearest that one has.
static void date(struct cfg_json *j, const char *key, int64_t s)
{
	const int64_t last = 253402300799; // 9999-12-31T23:59:59Z
	const time_t t = (time_t)(s < 0 ? 0 : s > last ? last : s);
	struct tm tm;
	char text[32];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	cfg_json_str(j, key, text);
}

static uint32_t gauge(uint64_t n)
{
	return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void us(struct cfg_json *j, const char *key, uint64_t ns)
{
	cfg_json_u32(j, key, gauge(ns / 1000));
}

static uint8_t service_of(const struct qos_portal *p)
{
	uint8_t by_port = (uint8_t)qos_service_of(p->proto, p->port);

	if (p->service != QOS_SVC_NONE)
		return p->service;
	return by_port == QOS_SVC_NONE ? QOS_SVC_OTHER : by_port;
}

static void portal_name(struct cfg_json *j, const struct qos_portal *p)
{
	char addr[CTL_ADDR_TEXT];

	cfg_json_str(j, "address", ctl_addr_text(&p->addr, addr));
	cfg_json_str(j, "protocol", p->proto == IPPROTO_UDP ? "udp" : "tcp");
	cfg_json_u32(j, "port", p->port);
	cfg_json_str(j, "service", qos_service_name(service_of(p)));
}

// --- Portals: declared, learnt, and those of servers that are in use, each once

// Room for all that can be declared, learnt or seen, half of it used.
#define SLOTS (1u << 14)

struct known {
	struct qos_portal p; // port 0 = empty
	const struct qos_learnt *learnt;
	uint64_t sessions, bytes, conns, last_ns;
};

static struct known *known_at(struct known *t, const struct qos_portal *p)
{
	uint64_t x, y;
	uint32_t i;

	memcpy(&x, p->addr.b, 8);
	memcpy(&y, p->addr.b + 8, 8);
	x = (x ^ y ^ (uint64_t)p->port << 8 ^ p->proto) * 0x9e3779b97f4a7c15u;
	for (i = (uint32_t)(x >> 50); t[i].p.port != 0; i = (i + 1) % SLOTS) {
		if (t[i].p.port == p->port && t[i].p.proto == p->proto &&
		    memcmp(&t[i].p.addr, &p->addr, sizeof(p->addr)) == 0)
			break;
	}
	return &t[i];
}

static struct known *known_put(struct known *t, const struct qos_portal *p)
{
	struct known *k = known_at(t, p);

	if (k->p.port == 0)
		k->p = *p;
	return k;
}

// The switch follows what is declared; so does this.
static void declared_put(const struct cfg *cfg, struct known *t)
{
	struct qos_portal p = { .how = QOS_HOW_DECLARED };

	for (uint32_t i = 0; i < cfg->n_portals; i++) {
		memcpy(p.addr.b, cfg->portals[i].addr, sizeof(p.addr.b));
		p.proto = cfg->portals[i].proto;
		p.port = cfg->portals[i].port;
		p.service = cfg->portals[i].service;
		known_put(t, &p);
	}
	for (uint32_t i = 0; i < cfg->n_vms; i++) {
		struct qos_portal boot[CTL_BOOT_PORTALS];
		uint32_t n = ctl_boot_portals(&cfg->vms[i], boot);

		for (uint32_t k = 0; k < n; k++)
			known_put(t, &boot[k]);
	}
}

static void seen_put(const struct ctl_storage *s, struct known *t)
{
	const struct qos_portals *table = dp_switch_portals(s->ctl->sw);
	const struct qos_storage_row *r;
	struct qos_portal_hit hit;

	for (uint32_t i = 0; (r = qos_storage_row(s->watch, i)) != NULL; i++) {
		struct qos_portal p = r->portal;
		struct known *k;

		// Some are no portals any more.
		if (table == NULL ||
		    !qos_portals_match(table, &p.addr, p.port, &p.addr, p.port, p.proto, &hit))
			continue;
		p.how = hit.how;
		k = known_put(t, &p);
		k->sessions += r->conns_now;
		k->conns += r->conns;
		for (uint32_t op = 0; op < QOS_N_OPS; op++)
			k->bytes += r->bytes[op];
		k->last_ns = r->last_ns > k->last_ns ? r->last_ns : k->last_ns;
	}
}

static void known_show(const struct ctl_storage *s, struct cfg_json *j, const struct known *k)
{
	const struct qos_learnt *l = k->p.how > QOS_HOW_DECLARED ? k->learnt : NULL;
	char addr[CTL_ADDR_TEXT];

	cfg_json_open(j, NULL, '{');
	portal_name(j, &k->p);
	cfg_json_str(j, "how", qos_how_name(k->p.how));
	if (l != NULL) {
		cfg_json_str(j, "teacher", ctl_addr_text(&l->teacher, addr));
		date(j, "first-seen", (int64_t)(l->first_s & INT64_MAX));
		date(j, "last-seen", (int64_t)(l->last_s & INT64_MAX));
	} else if (k->last_ns != 0) {
		date(j, "last-seen", ctl_storage_time(s->ctl, k->last_ns));
	}
	cfg_json_u32(j, "sessions", gauge(k->sessions));
	cfg_json_u64(j, "bytes", k->bytes);
	cfg_json_u64(j, "uses", k->conns + (l == NULL ? 0 : l->uses));
	cfg_json_close(j, '}');
}

static int by_portal(const void *a, const void *b)
{
	const struct qos_portal *x = &((const struct known *)a)->p;
	const struct qos_portal *y = &((const struct known *)b)->p;
	int cmp = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	if (cmp != 0)
		return cmp;
	return x->proto != y->proto ? x->proto - y->proto : x->port - y->port;
}

static void portals(const struct ctl_storage *s, struct cfg_json *j)
{
	struct known *t = calloc(SLOTS, sizeof(*t));
	const struct qos_learnt *l;
	uint32_t n = 0;

	if (t == NULL) {
		j->failed = true;
		return;
	}
	declared_put(s->ctl->running, t);
	for (uint32_t i = 0; (l = qos_learn_at(s->learn, i)) != NULL; i++)
		known_put(t, &l->portal)->learnt = l;
	seen_put(s, t);
	cfg_json_open(j, "portal", '[');
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (t[i].p.port != 0)
			t[n++] = t[i];
	}
	qsort(t, n, sizeof(*t), by_portal);
	for (uint32_t i = 0; i < n; i++)
		known_show(s, j, &t[i]);
	cfg_json_close(j, ']');
	free(t);
}

static void learning(const struct ctl_storage *s, struct cfg_json *j)
{
	struct qos_learn_counts n;

	qos_learn_counts(s->learn, &n);
	cfg_json_open(j, "learning", '{');
	cfg_json_u32(j, "learnt", n.now);
	cfg_json_u64(j, "taught", n.taught);
	cfg_json_u64(j, "refused-full", n.refused_full);
	cfg_json_u64(j, "refused-server-full", n.refused_teacher_full);
	cfg_json_u64(j, "refused-unlisted", n.refused_unlisted);
	cfg_json_u64(j, "refused-address", n.refused_address);
	cfg_json_u64(j, "aged", n.aged);
	cfg_json_close(j, '}');
}

// --- A machine at one portal

// All its commands.
struct summary {
	uint64_t n, sum_ns, mean_ns; // measured
	uint64_t p99_ns;
	uint64_t out_ns, in_ns; // in the switch's queues, mean
	uint32_t share;		// of all waiting, percent
};

static void summary_take(const struct qos_storage_row *r, struct summary *m)
{
	static struct qos_hist all; // main thread only
	uint64_t n;

	memset(&all, 0, sizeof(all));
	memset(m, 0, sizeof(*m));
	for (uint32_t op = 0; op < QOS_N_OPS; op++)
		qos_hist_merge(&all, &r->took[op]);
	m->n = all.n;
	m->sum_ns = all.sum_ns;
	if (all.n == 0)
		return;
	n = all.n + r->unmeasured; // waits are of every command
	m->mean_ns = all.sum_ns / all.n;
	m->p99_ns = qos_hist_quantile(&all, 990);
	m->out_ns = r->wait_out_ns / n;
	m->in_ns = r->wait_in_ns / n;
	if (m->mean_ns + m->in_ns > 0)
		m->share = (uint32_t)(100 * (m->out_ns + m->in_ns) / (m->mean_ns + m->in_ns));
	m->share = m->share > 100 ? 100 : m->share;
}

static uint64_t oldest_wait_ns(const struct ctl_storage *s, const struct qos_storage_row *r)
{
	return r->oldest_ns == 0 || r->oldest_ns > s->now_ns ? 0 : s->now_ns - r->oldest_ns;
}

// "10.20.0.9 tcp 3260 (iscsi): 812 us in the mean, 99 of 100 within 2048 us; of the mean wait of
// 830 us 3 % in the switch". The queue of answers comes on top of what is measured at the ports.
static void row_text(const struct ctl_storage *s, const struct qos_storage_row *r,
		     const struct summary *m, char out[256])
{
	char addr[CTL_ADDR_TEXT];
	int n = snprintf(out, 256, "%s %s %u (%s): ", ctl_addr_text(&r->portal.addr, addr),
			 r->portal.proto == IPPROTO_UDP ? "udp" : "tcp", r->portal.port,
			 qos_service_name(service_of(&r->portal)));

	if (m->n == 0)
		n += snprintf(out + n, 256 - (size_t)n, "no command was timed");
	else
		n += snprintf(out + n, 256 - (size_t)n,
			      "%llu us in the mean, 99 of 100 within %llu us; of the mean wait of "
			      "%llu us %u %% in the switch",
			      (unsigned long long)m->mean_ns / 1000,
			      (unsigned long long)m->p99_ns / 1000,
			      (unsigned long long)(m->mean_ns + m->in_ns) / 1000, m->share);
	if (r->outstanding_now > 0)
		snprintf(out + n, 256 - (size_t)n, "; %u wait, the oldest for %llu us",
			 r->outstanding_now, (unsigned long long)oldest_wait_ns(s, r) / 1000);
}

static void row_ops(struct cfg_json *j, const struct qos_storage_row *r)
{
	static const char *const names[QOS_N_OPS] = { "read", "write", "other" };

	cfg_json_open(j, "op", '[');
	for (uint32_t op = 0; op < QOS_N_OPS; op++) {
		const struct qos_hist *h = &r->took[op];

		if (h->n == 0 && r->bytes[op] == 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", names[op]);
		cfg_json_u64(j, "commands", h->n);
		cfg_json_u64(j, "bytes", r->bytes[op]);
		if (h->n > 0) {
			us(j, "mean", h->sum_ns / h->n);
			us(j, "p50", qos_hist_quantile(h, 500));
			us(j, "p99", qos_hist_quantile(h, 990));
			us(j, "p999", qos_hist_quantile(h, 999));
			us(j, "max", h->max_ns);
		}
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

static void row_lost(struct cfg_json *j, const struct qos_storage_row *r)
{
	static const char *const names[QOS_N_LOST] = { "middle", "gap", "header", "given-up" };

	cfg_json_open(j, "lost", '[');
	for (uint32_t i = 0; i < QOS_N_LOST; i++) {
		if (r->lost[i] == 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "reason", names[i]);
		cfg_json_u64(j, "streams", r->lost[i]);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

static void row_show(const struct ctl_storage *s, struct cfg_json *j,
		     const struct qos_storage_row *r)
{
	struct summary m;
	char text[256];

	summary_take(r, &m);
	row_text(s, r, &m, text);
	cfg_json_open(j, NULL, '{');
	portal_name(j, &r->portal);
	cfg_json_u32(j, "sessions", r->conns_now);
	cfg_json_u32(j, "outstanding", r->outstanding_now);
	if (r->outstanding_now > 0)
		us(j, "oldest-wait", oldest_wait_ns(s, r));
	row_ops(j, r);
	if (m.n > 0) {
		us(j, "in-queues-out", m.out_ns);
		us(j, "in-queues-in", m.in_ns);
		cfg_json_u32(j, "share-in-switch", m.share);
	}
	cfg_json_u64(j, "errors", r->errors);
	cfg_json_u64(j, "unmatched", r->unmatched);
	cfg_json_u64(j, "unmeasured", r->unmeasured);
	row_lost(j, r);
	cfg_json_u64(j, "redirects", r->redirects);
	if (r->initiator[0] != '\0')
		cfg_json_str(j, "initiator", r->initiator);
	if (r->target[0] != '\0')
		cfg_json_str(j, "target-name", r->target);
	cfg_json_bool(j, "digests", r->digests);
	cfg_json_bool(j, "watched",
		      s->conf.telemetry && qos_stream_reads(service_of(&r->portal)) && !r->digests);
	cfg_json_str(j, "text", text);
	cfg_json_close(j, '}');
}

// --- Machines

// Rows of each VM, as they stand now. Main thread only.
static struct rows {
	uint16_t first[DP_QOS_VMS]; // row + 1; 0 = none
	uint16_t next[UINT16_MAX];
} rows;

static void rows_index(const struct ctl_storage *s)
{
	const struct qos_storage_row *r;

	memset(rows.first, 0, sizeof(rows.first));
	for (uint32_t i = 0; i < UINT16_MAX && (r = qos_storage_row(s->watch, i)) != NULL; i++) {
		rows.next[i] = rows.first[r->vm_idx];
		rows.first[r->vm_idx] = (uint16_t)(i + 1);
	}
}

static void vm_boot(const struct ctl_storage *s, struct cfg_json *j,
		    const struct qos_phase_state *st)
{
	cfg_json_str(j, "phase", qos_phase_name(st->phase));
	if (st->since_ns != 0)
		date(j, "phase-since", ctl_storage_time(s->ctl, st->since_ns));
	cfg_json_open(j, "boot", '{');
	if (st->boot_ns != 0)
		date(j, "started", ctl_storage_time(s->ctl, st->boot_ns));
	if (st->deadline_ns > 1)
		date(j, "deadline", ctl_storage_time(s->ctl, st->deadline_ns));
	cfg_json_bool(j, "in-window", st->in_window);
	cfg_json_u32(j, "place", st->place);
	cfg_json_u64(j, "bytes", st->bytes);
	cfg_json_bool(j, "met", st->met);
	cfg_json_close(j, '}');
}

static void vm_target(struct cfg_json *j, const struct ctl_slo_vm *v)
{
	static const char *const states[QOS_SLO_N_STATES] = {
		[QOS_SLO_NO_DATA] = "no-data",	       [QOS_SLO_MET] = "met",
		[QOS_SLO_RAISING] = "raising",	       [QOS_SLO_MISSED_PORTAL] = "missed-portal",
		[QOS_SLO_MISSED_LINK] = "missed-link", [QOS_SLO_MISSED_GUEST] = "missed-guest",
	};

	if (v == NULL)
		return;
	cfg_json_open(j, "target", '{');
	us(j, "p99", v->slo.target_ns);
	cfg_json_str(j, "state",
		     v->slo.state == QOS_SLO_OFF ? states[QOS_SLO_NO_DATA] : states[v->slo.state]);
	cfg_json_u32(j, "boost", v->slo.boost);
	cfg_json_u64(j, "windows", v->slo.windows);
	cfg_json_u64(j, "met-windows", v->slo.met);
	if (v->text[0] != '\0')
		cfg_json_str(j, "text", v->text);
	cfg_json_close(j, '}');
}

// Whom it waits for most.
static void vm_text(const struct ctl_storage *s, struct cfg_json *j, uint16_t vm_idx)
{
	const struct qos_storage_row *most = NULL;
	struct summary m, best = { 0 };
	char text[256], line[288];

	for (uint32_t i = rows.first[vm_idx]; i != 0; i = rows.next[i - 1]) {
		const struct qos_storage_row *r = qos_storage_row(s->watch, i - 1);

		summary_take(r, &m);
		if (most != NULL && m.sum_ns <= best.sum_ns)
			continue;
		most = r;
		best = m;
	}
	if (most == NULL)
		return;
	row_text(s, most, &best, text);
	snprintf(line, sizeof(line), "waits %sfor %s",
		 rows.next[rows.first[vm_idx] - 1] != 0 ? "most " : "", text);
	cfg_json_str(j, "text", line);
}

static void vm_show(const struct ctl_storage *s, struct cfg_json *j, uint16_t vm_idx)
{
	const char *name = ctl_storage_vm_name(s, vm_idx);
	const struct ctl_slo_vm *target = ctl_slo_find(s, name);
	struct qos_phase_state st = { 0 };

	if (vm_idx != 0)
		qos_phases_state(s->phases, vm_idx, &st);
	if (rows.first[vm_idx] == 0 && target == NULL && st.phase == QOS_PHASE_NEW &&
	    st.boot_ns == 0)
		return;
	cfg_json_open(j, NULL, '{');
	cfg_json_str(j, "name", name);
	if (vm_idx != 0)
		vm_boot(s, j, &st);
	vm_target(j, target);
	vm_text(s, j, vm_idx);
	cfg_json_open(j, "wait", '[');
	for (uint32_t i = rows.first[vm_idx]; i != 0; i = rows.next[i - 1])
		row_show(s, j, qos_storage_row(s->watch, i - 1));
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

static void vms(const struct ctl_storage *s, const char *vm, struct cfg_json *j)
{
	rows_index(s);
	cfg_json_open(j, "vm", '[');
	for (uint32_t i = 0; i < DP_QOS_VMS; i++) {
		if (vm[0] == '\0' ? i == 0 || s->vm_names[i][0] != '\0'
				  : strcmp(vm, ctl_storage_vm_name(s, (uint16_t)i)) == 0 &&
					    (i == 0 || s->vm_names[i][0] != '\0'))
			vm_show(s, j, (uint16_t)i);
	}
	cfg_json_close(j, ']');
}

// --- The whole

static void boots(const struct ctl_storage *s, struct cfg_json *j)
{
	struct qos_phase_counts n;

	qos_phases_counts(s->phases, &n);
	cfg_json_open(j, "boots", '{');
	cfg_json_u32(j, "booting", n.booting);
	cfg_json_u32(j, "in-window", n.in_window);
	cfg_json_u32(j, "waiting", n.waiting);
	cfg_json_u32(j, "window", s->conf.boot_window);
	cfg_json_u64(j, "started", n.boots);
	cfg_json_u64(j, "in-time", n.in_time);
	cfg_json_u64(j, "late", n.late);
	cfg_json_u64(j, "timed-out", n.timed_out);
	cfg_json_u64(j, "over-bytes", n.over_bytes);
	cfg_json_close(j, '}');
}

static void telemetry(const struct ctl_storage *s, struct cfg_json *j)
{
	struct dp_storage_counts d;
	struct qos_storage_counts q;

	dp_switch_storage_counts(s->ctl->sw, &d);
	qos_storage_counts(s->watch, &q);
	cfg_json_open(j, "telemetry", '{');
	cfg_json_u32(j, "flows", d.flows_now);
	cfg_json_u32(j, "connections", q.conns_now);
	cfg_json_u32(j, "rows", q.rows_now);
	cfg_json_u32(j, "outstanding", q.outstanding_now);
	cfg_json_u64(j, "pkts", d.pkts);
	cfg_json_u64(j, "flows-opened", d.opened);
	cfg_json_u64(j, "flows-refused", d.refused_full);
	cfg_json_u64(j, "connections-refused", q.conns_refused);
	cfg_json_u64(j, "rows-refused", q.rows_refused);
	cfg_json_u64(j, "unmeasured", q.unmeasured);
	cfg_json_u64(j, "idle", q.idle);
	cfg_json_u64(j, "events-lost", d.events_lost);
	cfg_json_u64(j, "learnt-live", d.learnt_live);
	cfg_json_close(j, '}');
}

static void decisions(const struct ctl_storage *s, const char *vm, struct cfg_json *j)
{
	cfg_json_open(j, "decision", '[');
	for (uint32_t i = 0; i < CTL_DECISIONS && i < s->n_decisions; i++) {
		const struct ctl_decision *d = &s->decisions[(s->n_decisions - i) % CTL_DECISIONS];

		if (vm[0] != '\0' && strcmp(vm, d->vm) != 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_u32(j, "id", d->id);
		date(j, "time", d->time_s);
		cfg_json_str(j, "vm", d->vm);
		cfg_json_str(j, "text", d->text);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

void ctl_show_storage(struct ctl *c, const char *vm, struct cfg_json *j)
{
	const struct ctl_storage *s = c->storage;

	cfg_json_open(j, "weir-storage:storage-state", '{');
	if (s != NULL) {
		if (vm[0] == '\0') {
			portals(s, j);
			learning(s, j);
		}
		vms(s, vm, j);
		boots(s, j);
		telemetry(s, j);
		decisions(s, vm, j);
	}
	cfg_json_close(j, '}');
}

// --- explain

// The addresses of an IP packet; false when it is none.
static bool addrs_read(const struct dp_parse *p, const uint8_t *frame, struct qos_addr *src,
		       struct qos_addr *dst)
{
	const uint8_t *l3 = frame + p->l3_off;

	memset(src, 0, sizeof(*src));
	memset(src->b + 10, 0xff, 2);
	*dst = *src;
	if ((p->flags & DP_PF_IP4) != 0) {
		memcpy(src->b + 12, l3 + 12, 4);
		memcpy(dst->b + 12, l3 + 16, 4);
	} else if ((p->flags & DP_PF_IP6) != 0) {
		memcpy(src->b, l3 + 8, 16);
		memcpy(dst->b, l3 + 24, 16);
	}
	return (p->flags & (DP_PF_IP4 | DP_PF_IP6)) != 0 && (p->flags & DP_PF_L4) != 0;
}

void ctl_explain_portal(const struct ctl *c, const struct dp_verdict *v, const uint8_t *frame,
			struct cfg_json *j)
{
	const struct qos_portals *table = dp_switch_portals(c->sw);
	struct qos_portal_hit hit;
	struct qos_addr src, dst;

	// Only where it made the class, and not where a guest merely says it is a portal.
	if (table == NULL || (v->cls != QOS_CLASS_STORAGE && v->cls != QOS_CLASS_BOOT) ||
	    !addrs_read(&v->parse, frame, &src, &dst) ||
	    !qos_portals_match(table, &src, v->parse.sport, &dst, v->parse.dport, v->parse.ip_proto,
			       &hit))
		return;
	cfg_json_open(j, "portal", '{');
	cfg_json_str(j, "service", qos_service_name(hit.service));
	cfg_json_str(j, "how", qos_how_name(hit.how));
	cfg_json_str(j, "way", hit.way == QOS_TO_PORTAL ? "to" : "from");
	cfg_json_close(j, '}');
}

void ctl_show_portals(struct ctl *c, struct cfg_json *j)
{
	cfg_json_open(j, "weir-storage:storage-state", '{');
	if (c->storage != NULL) {
		portals(c->storage, j);
		learning(c->storage, j);
	}
	cfg_json_close(j, '}');
}
