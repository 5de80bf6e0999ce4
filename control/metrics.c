// Metrics as OpenMetrics text, version 1.0.0: the same counters that `show` is drawn from, never
// cleared, and told at once.
//
// The number of series is bounded: by ports and VMs, of which the first METRIC_VMS have series of
// their own, and by METRIC_ROWS machines at portals; what is beyond is summed under "(others)", so
// sums stay right. Classes and drops appear when something was counted.
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "of_channel.h"
#include "storage.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "unknown"
#endif

enum {
	METRIC_VMS = 1024,
	METRIC_ROWS = 256,
	METRIC_PORTALS = 256,
	BUCKET_FIRST = 16, // 2^16 ns = 66 us
	BUCKET_LAST = 33,  // 2^33 ns = 8.6 s
};

// --- The format

static const char *const kinds[] = { "counter", "gauge", "histogram", "stateset", "info" };
enum kind { COUNTER, GAUGE, HISTOGRAM, STATESET, INFO };

// unit is the end of the name, or NULL.
static void family(FILE *f, const char *name, enum kind kind, const char *unit, const char *help)
{
	fprintf(f, "# TYPE %s %s\n", name, kinds[kind]);
	if (unit != NULL)
		fprintf(f, "# UNIT %s %s\n", name, unit);
	fprintf(f, "# HELP %s ", name);
	for (; *help != '\0'; help++) {
		if (*help == '\\' || *help == '"')
			fputc('\\', f);
		fputc(*help, f);
	}
	fputc('\n', f);
}

// A label's value. Names come from the configuration, others from guests: only what is printable
// ASCII passes as it is.
static void label(FILE *f, const char *sep, const char *name, const char *value)
{
	fputs(sep, f);
	fputs(name, f);
	fputs("=\"", f);
	for (; *value != '\0'; value++) {
		unsigned char ch = (unsigned char)*value;

		if (ch == '\\' || ch == '"')
			putc_unlocked('\\', f);
		putc_unlocked(ch < 0x20 || ch > 0x7e ? '?' : ch, f);
	}
	fputc('"', f);
}

// A sample with up to three labels: pairs of name and value, NULL-terminated.
static void labels(FILE *f, const char *name, const char *const *pairs)
{
	fputs(name, f);
	for (uint32_t i = 0; pairs[i] != NULL; i += 2)
		label(f, i == 0 ? "{" : ",", pairs[i], pairs[i + 1]);
	if (pairs[0] != NULL)
		fputc('}', f);
}

#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })
static const char *const no_labels[] = { NULL };

static void sample(FILE *f, const char *name, const char *const *pairs, uint64_t value)
{
	labels(f, name, pairs);
	fprintf(f, " %llu\n", (unsigned long long)value);
}

// ns as seconds, exactly.
static void sample_ns(FILE *f, const char *name, const char *const *pairs, uint64_t ns)
{
	labels(f, name, pairs);
	fprintf(f, " %llu.%09llu\n", (unsigned long long)(ns / 1000000000u),
		(unsigned long long)(ns % 1000000000u));
}

static void one(FILE *f, const char *name, enum kind kind, const char *help, uint64_t value)
{
	char total[96];

	family(f, name, kind, NULL, help);
	snprintf(total, sizeof(total), "%s%s", name, kind == COUNTER ? "_total" : "");
	sample(f, total, no_labels, value);
}

// --- Ports

struct port {
	struct dp_port_info info;
	struct dp_port_totals t;
};

struct ports {
	struct port *v; // v[n]
	uint32_t n;
};

static int ports_take(const struct ctl *c, struct ports *p)
{
	uint32_t cap = 0;

	*p = (struct ports){ 0 };
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		if (p->n == cap) {
			struct port *v =
				realloc(p->v, (cap = cap == 0 ? 64 : 2 * cap) * sizeof(*v));

			if (v == NULL) {
				free(p->v);
				return -ENOMEM;
			}
			p->v = v;
		}
		p->n += dp_switch_port_info(c->sw, (uint16_t)i, &p->v[p->n].info) == 0 &&
			dp_switch_port_totals(c->sw, (uint16_t)i, &p->v[p->n].t) == 0;
	}
	return 0;
}

static void ports_state(FILE *f, const struct ports *p)
{
	family(f, "weir_port_up", GAUGE, NULL, "Whether frames pass.");
	for (uint32_t i = 0; i < p->n; i++)
		sample(f, "weir_port_up", LABELS("port", p->v[i].info.cfg.name),
		       p->v[i].info.link.up);
	family(f, "weir_port_queued_frames", GAUGE, "frames", "Frames that wait for the link.");
	for (uint32_t i = 0; i < p->n; i++)
		sample(f, "weir_port_queued_frames", LABELS("port", p->v[i].info.cfg.name),
		       p->v[i].t.queued_now);
}

// Counters of DP_PORT_COUNTERS, one family each: weir_port_rx_pkts_total, ...
static void ports_counters(FILE *f, const struct ports *p)
{
	char name[64], total[72];

	for (uint32_t k = 0; k < DP_N_PC; k++) {
		snprintf(name, sizeof(name), "weir_port_%s", dp_port_counter_name(k));
		snprintf(total, sizeof(total), "%s_total", name);
		family(f, name, COUNTER, NULL, dp_port_counter_help(k));
		for (uint32_t i = 0; i < p->n; i++)
			sample(f, total, LABELS("port", p->v[i].info.cfg.name), p->v[i].t.c[k]);
	}
}

static void ports_drops(FILE *f, const struct ports *p)
{
	family(f, "weir_port_drops", COUNTER, NULL,
	       "Frames dropped, by reason: that came in by the port, or were to leave by it.");
	for (uint32_t i = 0; i < p->n; i++) {
		const char *port = p->v[i].info.cfg.name;

		for (uint32_t r = 1; r < DP_N_DROPS; r++) {
			const struct {
				const char *way;
				uint64_t n;
			} ways[] = { { "in", p->v[i].t.drop_in[r] },
				     { "out", p->v[i].t.drop_out[r] } };

			for (uint32_t w = 0; w < 2; w++) {
				if (ways[w].n != 0)
					sample(f, "weir_port_drops_total",
					       LABELS("port", port, "way", ways[w].way, "reason",
						      dp_drop_name(r)),
					       ways[w].n);
			}
		}
	}
}

static void ports_classes(FILE *f, const struct ports *p)
{
	static const struct {
		const char *name, *help;
		size_t at;
	} rows[] = {
#define ROW(id, help) { "weir_port_class_" #id, help, offsetof(struct dp_class_count, id) }
		ROW(rx_pkts, "Frames that came in, by the class they got."),
		ROW(rx_bytes, "Bytes that came in, by class, without FCS."),
		ROW(tx_pkts, "Frames that left, by class."),
		ROW(tx_bytes, "Bytes that left, by class, without FCS."),
		ROW(drop_pkts, "Frames that the port's queues refused or dropped, by class."),
#undef ROW
	};
	char total[64];

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		family(f, rows[k].name, COUNTER, NULL, rows[k].help);
		snprintf(total, sizeof(total), "%s_total", rows[k].name);
		for (uint32_t i = 0; i < p->n * QOS_N_CLASSES; i++) {
			const struct port *port = &p->v[i / QOS_N_CLASSES];
			uint32_t cls = i % QOS_N_CLASSES;
			uint64_t n;

			memcpy(&n, (const char *)&port->t.cls[cls] + rows[k].at, sizeof(n));
			if (n != 0)
				sample(f, total,
				       LABELS("port", port->info.cfg.name, "class",
					      qos_class_name(cls)),
				       n);
		}
	}
}

// --- Queues of the links that VMs share

static void wait_samples(FILE *f, const char *port, const char *cls, const struct qos_leaf_stats *l)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < QOS_SCHED_WAITS; i++) {
		char le[24] = "+Inf";
		uint64_t ns = 4096ull << (2 * i); // qos_sched.h: 4096 ns and its fourfolds

		n += l->waits[i];
		if (i + 1 < QOS_SCHED_WAITS)
			snprintf(le, sizeof(le), "%llu.%09llu",
				 (unsigned long long)(ns / 1000000000u),
				 (unsigned long long)(ns % 1000000000u));
		sample(f, "weir_link_wait_seconds_bucket",
		       LABELS("port", port, "class", cls, "le", le), n);
	}
}

static void links(FILE *f, const struct ctl *c, const struct ports *p)
{
	struct dp_qos_queues q;
	struct dp_qos_link l;

	family(f, "weir_link_wait_seconds", HISTOGRAM, "seconds",
	       "Time in queues of links that VMs share; of frames that stood in one.");
	for (uint32_t i = 0; i < p->n; i++) {
		uint16_t idx = p->v[i].info.idx;

		if (p->v[i].info.cfg.role == DP_ROLE_GUEST || dp_switch_qos_sum(c->sw, idx, &q) < 0)
			continue;
		for (uint32_t k = 0; k < QOS_N_CLASSES; k++)
			wait_samples(f, p->v[i].info.cfg.name, qos_class_name(k), &q.leaf[k]);
	}
	family(f, "weir_link_lost_credit_bytes", COUNTER, "bytes",
	       "What a link could have carried and never will, since a worker came too late.");
	for (uint32_t i = 0; i < p->n; i++) {
		if (p->v[i].info.cfg.role != DP_ROLE_GUEST &&
		    dp_switch_qos_link(c->sw, p->v[i].info.idx, &l) == 0)
			sample(f, "weir_link_lost_credit_bytes_total", LABELS("port", l.name),
			       l.stats.lost_credit_bytes);
	}
}

// --- Storage

static void portal_text(const struct qos_portal *p, char out[72])
{
	char addr[CTL_ADDR_TEXT];
	bool v6 = strchr(ctl_addr_text(&p->addr, addr), ':') != NULL;

	snprintf(out, 72, "%s%s%s:%u/%s", v6 ? "[" : "", addr, v6 ? "]" : "", p->port,
		 p->proto == IPPROTO_UDP ? "udp" : "tcp");
}

// Bins below 2^i ns. The bin of a time is found by adding it: how bins are numbered is qos/'s own.
static uint32_t bins_below(uint32_t i)
{
	static struct qos_hist h; // main thread only
	uint32_t bin = 0;

	memset(&h, 0, sizeof(h));
	qos_hist_add(&h, (1ull << i) - 1);
	while (bin < QOS_HIST_BINS && h.bin[bin] == 0)
		bin++;
	return bin + 1;
}

static void hist_samples(FILE *f, const char *const *who, const struct qos_hist *h)
{
	const char *pairs[11] = { who[0], who[1], who[2], who[3], who[4], who[5], "le" };
	char le[24];
	uint64_t n = 0;
	uint32_t bin = 0;

	pairs[7] = le;
	for (uint32_t i = BUCKET_FIRST; i <= BUCKET_LAST; i++) {
		for (uint32_t end = bins_below(i); bin < end && bin < QOS_HIST_BINS; bin++)
			n += h->bin[bin];
		snprintf(le, sizeof(le), "%llu.%09llu", (1ull << i) / 1000000000u,
			 (1ull << i) % 1000000000u);
		sample(f, "weir_storage_command_seconds_bucket", pairs, n);
	}
	snprintf(le, sizeof(le), "+Inf");
	sample(f, "weir_storage_command_seconds_bucket", pairs, h->n);
	pairs[6] = NULL;
	sample_ns(f, "weir_storage_command_seconds_sum", pairs, h->sum_ns);
	sample(f, "weir_storage_command_seconds_count", pairs, h->n);
}

static const char *const ops[QOS_N_OPS] = { "read", "write", "other" };

static void latencies(FILE *f, const struct ctl_storage *s)
{
	static struct qos_hist others[QOS_N_OPS]; // main thread only
	const struct qos_storage_row *r;
	char portal[72];

	memset(others, 0, sizeof(others));
	family(f, "weir_storage_command_seconds", HISTOGRAM, "seconds",
	       "Time from a storage command to its answer, at the switch's ports.");
	for (uint32_t i = 0; (r = qos_storage_row(s->watch, i)) != NULL; i++) {
		portal_text(&r->portal, portal);
		for (uint32_t op = 0; op < QOS_N_OPS; op++) {
			if (i >= METRIC_ROWS)
				qos_hist_merge(&others[op], &r->took[op]);
			else if (r->took[op].n != 0)
				hist_samples(f,
					     LABELS("vm", ctl_storage_vm_name(s, r->vm_idx),
						    "portal", portal, "op", ops[op]),
					     &r->took[op]);
		}
	}
	for (uint32_t op = 0; op < QOS_N_OPS; op++) {
		if (others[op].n != 0)
			hist_samples(f,
				     LABELS("vm", "(others)", "portal", "(others)", "op", ops[op]),
				     &others[op]);
	}
}

// Counters of machines at portals.
enum row_value { ROW_SESSIONS, ROW_OUTSTANDING, ROW_ERRORS, ROW_UNMATCHED, ROW_OUT, ROW_IN, ROWS };
static const struct {
	const char *name, *sample, *help, *unit;
	enum kind kind;
} row_values[ROWS] = {
	{ "weir_storage_sessions", "weir_storage_sessions", "Connections that are open.", NULL,
	  GAUGE },
	{ "weir_storage_outstanding_commands", "weir_storage_outstanding_commands",
	  "Commands that wait for an answer.", NULL, GAUGE },
	{ "weir_storage_errors", "weir_storage_errors_total",
	  "Answers with a status that is not good.", NULL, COUNTER },
	{ "weir_storage_unmatched", "weir_storage_unmatched_total",
	  "Answers without a request, requests without an answer.", NULL, COUNTER },
	{ "weir_storage_wait_out_seconds", "weir_storage_wait_out_seconds_total",
	  "Time of requests in the switch's queues.", "seconds", COUNTER },
	{ "weir_storage_wait_in_seconds", "weir_storage_wait_in_seconds_total",
	  "Time of answers in the switch's queues.", "seconds", COUNTER },
};

static void row_read(const struct qos_storage_row *r, uint64_t v[ROWS])
{
	v[ROW_SESSIONS] = r->conns_now;
	v[ROW_OUTSTANDING] = r->outstanding_now;
	v[ROW_ERRORS] = r->errors;
	v[ROW_UNMATCHED] = r->unmatched;
	v[ROW_OUT] = r->wait_out_ns;
	v[ROW_IN] = r->wait_in_ns;
}

static void row_sample(FILE *f, uint32_t k, const char *const *pairs, uint64_t value)
{
	if (row_values[k].unit != NULL)
		sample_ns(f, row_values[k].sample, pairs, value);
	else
		sample(f, row_values[k].sample, pairs, value);
}

static void rows(FILE *f, const struct ctl_storage *s)
{
	const struct qos_storage_row *r;
	char portal[72];

	for (uint32_t k = 0; k < ROWS; k++) {
		uint64_t v[ROWS], others = 0;
		uint32_t i;

		family(f, row_values[k].name, row_values[k].kind, row_values[k].unit,
		       row_values[k].help);
		for (i = 0; (r = qos_storage_row(s->watch, i)) != NULL; i++) {
			row_read(r, v);
			portal_text(&r->portal, portal);
			if (i < METRIC_ROWS)
				row_sample(f, k,
					   LABELS("vm", ctl_storage_vm_name(s, r->vm_idx), "portal",
						  portal),
					   v[k]);
			else
				others += v[k];
		}
		if (i > METRIC_ROWS)
			row_sample(f, k, LABELS("vm", "(others)", "portal", "(others)"), others);
	}
}

static void portals(FILE *f, const struct ctl_storage *s)
{
	const struct qos_learnt *l;
	struct qos_learn_counts n;
	char portal[72];

	qos_learn_counts(s->learn, &n);
	one(f, "weir_portals_learnt", GAUGE, "Learnt portals.", n.now);
	one(f, "weir_portals_taught", COUNTER, "Portals that servers named, and that were new.",
	    n.taught);
	one(f, "weir_portals_aged", COUNTER, "Learnt portals that nobody used for long.", n.aged);
	family(f, "weir_portals_refused", COUNTER, NULL, "Portals that were named and not learnt.");
	sample(f, "weir_portals_refused_total", LABELS("reason", "full"), n.refused_full);
	sample(f, "weir_portals_refused_total", LABELS("reason", "server-full"),
	       n.refused_teacher_full);
	sample(f, "weir_portals_refused_total", LABELS("reason", "unlisted"), n.refused_unlisted);
	sample(f, "weir_portals_refused_total", LABELS("reason", "address"), n.refused_address);
	family(f, "weir_portal_last_seen_timestamp_seconds", GAUGE, "seconds",
	       "When a learnt portal was named or used last.");
	for (uint32_t i = 0; i < METRIC_PORTALS && (l = qos_learn_at(s->learn, i)) != NULL; i++) {
		portal_text(&l->portal, portal);
		sample(f, "weir_portal_last_seen_timestamp_seconds",
		       LABELS("portal", portal, "how", qos_how_name(l->portal.how)), l->last_s);
	}
}

static void telemetry(FILE *f, const struct ctl_storage *s)
{
	struct dp_storage_counts d;
	struct qos_storage_counts q;

	dp_switch_storage_counts(s->ctl->sw, &d);
	qos_storage_counts(s->watch, &q);
	one(f, "weir_storage_flows", GAUGE, "Directions of connections that are followed.",
	    d.flows_now);
	one(f, "weir_storage_followed_pkts", COUNTER, "Frames that were looked at.", d.pkts);
	one(f, "weir_storage_port_only_pkts", COUNTER,
	    "Frames of storage of which only the port is known.", d.port_only);
	one(f, "weir_storage_flows_opened", COUNTER, "Directions that were followed.", d.opened);
	one(f, "weir_storage_flows_refused", COUNTER, "Those that were not: the table was full.",
	    d.refused_full);
	one(f, "weir_storage_events_lost", COUNTER, "Events that the main thread was not told.",
	    d.events_lost);
	one(f, "weir_storage_connections", GAUGE, "Connections that are known.", q.conns_now);
	one(f, "weir_storage_connections_refused", COUNTER,
	    "Those that are not: the table was full.", q.conns_refused);
	one(f, "weir_storage_rows_refused", COUNTER,
	    "Machines at portals that are not known: the table was full.", q.rows_refused);
	one(f, "weir_storage_unmeasured_commands", COUNTER,
	    "Commands that were not timed: the table was full.", q.unmeasured);
}

// --- VMs

static void phases(FILE *f, const struct ctl_storage *s)
{
	const struct cfg *cfg = s->ctl->running;
	struct qos_phase_state st;

	family(f, "weir_vm_phase", STATESET, NULL, "How far a VM's boot is.");
	for (uint32_t i = 0; i < cfg->n_vms && i < METRIC_VMS; i++) {
		int idx = dp_switch_vm_find(s->ctl->sw, cfg->vms[i].name);

		if (idx < 0)
			continue;
		qos_phases_state(s->phases, (uint16_t)idx, &st);
		for (uint32_t p = 0; p < QOS_N_PHASES; p++)
			sample(f, "weir_vm_phase",
			       LABELS("vm", cfg->vms[i].name, "weir_vm_phase", qos_phase_name(p)),
			       st.phase == p);
	}
}

static void boots(FILE *f, const struct ctl_storage *s)
{
	struct qos_phase_counts n;

	qos_phases_counts(s->phases, &n);
	one(f, "weir_booting_vms", GAUGE, "VMs that boot.", n.booting);
	one(f, "weir_booting_in_window_vms", GAUGE, "Those that boot with a deadline.",
	    n.in_window);
	one(f, "weir_booting_waiting_vms", GAUGE, "Those in line for the window.", n.waiting);
	one(f, "weir_boots", COUNTER, "Boots that began.", n.boots);
	family(f, "weir_boots_ended", COUNTER, NULL, "Boots that ended, by how.");
	sample(f, "weir_boots_ended_total", LABELS("how", "in-time"), n.in_time);
	sample(f, "weir_boots_ended_total", LABELS("how", "late"), n.late);
	sample(f, "weir_boots_ended_total", LABELS("how", "timed-out"), n.timed_out);
	sample(f, "weir_boots_ended_total", LABELS("how", "over-bytes"), n.over_bytes);
}

// bucket[i] of h is what was at most 2^(i - 3) s.
static void boot_hist(FILE *f, const char *name, const char *stage, const struct ctl_boot_hist *h)
{
	const char *pairs[5] = { "stage", stage };
	char le[24], sample_name[64];
	uint32_t at = stage == NULL ? 0 : 2;
	uint64_t n = 0;

	pairs[at] = "le";
	pairs[at + 1] = le;
	snprintf(sample_name, sizeof(sample_name), "%s_bucket", name);
	for (uint32_t i = 0; i < CTL_BOOT_BUCKETS; i++) {
		uint64_t ms = 125ull << i;

		n += h->bucket[i];
		snprintf(le, sizeof(le), "%llu.%03llu", (unsigned long long)ms / 1000,
			 (unsigned long long)ms % 1000);
		sample(f, sample_name, pairs, n);
	}
	snprintf(le, sizeof(le), "+Inf");
	sample(f, sample_name, pairs, h->n);
	pairs[at] = NULL;
	snprintf(sample_name, sizeof(sample_name), "%s_sum", name);
	sample_ns(f, sample_name, pairs, h->sum_ns);
	snprintf(sample_name, sizeof(sample_name), "%s_count", name);
	sample(f, sample_name, pairs, h->n);
}

// What came of boots, after their timelines. Stages are few; no series is a VM's but those of its
// last boot.
static void boot_times(FILE *f, const struct ctl *c)
{
	const struct ctl_boot_counts *n = &c->boots;
	static const enum boot_result shown[] = { BOOT_RESULT_BOOTED, BOOT_RESULT_STUCK,
						  BOOT_RESULT_FAILED, BOOT_RESULT_CUT };

	family(f, "weir_boot_results", COUNTER, NULL,
	       "Boots by what came of them; one that was stuck may have booted then.");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		sample(f, "weir_boot_results_total", LABELS("result", boot_result_name(shown[i])),
		       n->results[shown[i]]);
	family(f, "weir_boot_seconds", HISTOGRAM, "seconds",
	       "Time from the start of a machine until it has booted.");
	boot_hist(f, "weir_boot_seconds", NULL, &n->took);
	family(f, "weir_boot_stage_seconds", HISTOGRAM, "seconds",
	       "Time from one mark of a boot to the next, by the mark that was reached.");
	for (uint32_t m = BOOT_MARK_START + 1; m < BOOT_N_MARKS; m++)
		boot_hist(f, "weir_boot_stage_seconds", boot_mark_name(m), &n->stages[m]);
	family(f, "weir_boot_retries", COUNTER, NULL, "What machines that boot had to repeat.");
	sample(f, "weir_boot_retries_total", LABELS("kind", "discover"), n->discover_repeats);
	sample(f, "weir_boot_retries_total", LABELS("kind", "tftp-window"), n->tftp_repeats);
	sample(f, "weir_boot_retries_total", LABELS("kind", "tftp-failed"), n->tftp_failed);
	sample(f, "weir_boot_retries_total", LABELS("kind", "http-failed"), n->http_failed);
	family(f, "weir_boot_file_bytes", COUNTER, "bytes", "Bytes of boot files.");
	sample(f, "weir_boot_file_bytes_total", LABELS("by", "tftp"), n->tftp_bytes);
	sample(f, "weir_boot_file_bytes_total", LABELS("by", "http"), n->http_bytes);
}

static void vm_boots(FILE *f, const struct ctl *c)
{
	const struct cfg *cfg = c->running;
	uint64_t now_ns = dp_switch_now_ns();

	family(f, "weir_vm_boot_result", STATESET, NULL, "What came of the VM's last boot.");
	for (uint32_t i = 0; i < cfg->n_vms && i < METRIC_VMS; i++) {
		const struct ctl_vm *v = ctl_vm_find(c, cfg->vms[i].name);
		struct boot_verdict d = { .result = BOOT_RESULT_NONE };

		if (v != NULL)
			ctl_vm_boot_verdict(c, &cfg->vms[i], &v->boots[0], now_ns, &d);
		for (uint32_t r = 0; r < BOOT_N_RESULTS; r++)
			sample(f, "weir_vm_boot_result",
			       LABELS("vm", cfg->vms[i].name, "weir_vm_boot_result",
				      boot_result_name(r)),
			       d.result == r);
	}
	family(f, "weir_vm_boot_seconds", GAUGE, "seconds", "How long the VM's last boot took.");
	for (uint32_t i = 0; i < cfg->n_vms && i < METRIC_VMS; i++) {
		const struct ctl_vm *v = ctl_vm_find(c, cfg->vms[i].name);
		const struct boot_timeline *t = v == NULL ? NULL : &v->boots[0].t;

		if (t != NULL && t->end_ns != 0 && !t->cut)
			sample_ns(f, "weir_vm_boot_seconds", LABELS("vm", cfg->vms[i].name),
				  t->end_ns - t->mark_ns[BOOT_MARK_START]);
	}
}

static void targets(FILE *f, const struct ctl_storage *s)
{
	uint32_t n = s->n_slo < METRIC_VMS ? s->n_slo : METRIC_VMS;

	family(f, "weir_vm_storage_target_seconds", GAUGE, "seconds",
	       "Time in which 99 of 100 storage commands shall be answered.");
	for (uint32_t i = 0; i < n; i++)
		sample_ns(f, "weir_vm_storage_target_seconds", LABELS("vm", s->slo[i].name),
			  s->slo[i].slo.target_ns);
	family(f, "weir_vm_storage_boost", GAUGE, NULL,
	       "Factor on the VM's shares in class storage.");
	for (uint32_t i = 0; i < n; i++)
		sample(f, "weir_vm_storage_boost", LABELS("vm", s->slo[i].name),
		       s->slo[i].slo.boost);
	family(f, "weir_vm_storage_windows", COUNTER, NULL,
	       "Spans of 10 s that were judged, by whether the target was met.");
	for (uint32_t i = 0; i < n; i++) {
		sample(f, "weir_vm_storage_windows_total",
		       LABELS("vm", s->slo[i].name, "target", "met"), s->slo[i].slo.met);
		sample(f, "weir_vm_storage_windows_total",
		       LABELS("vm", s->slo[i].name, "target", "missed"), s->slo[i].slo.missed);
	}
}

// --- The switch

static void responder(FILE *f, struct ctl *c)
{
	struct boot_counters n;
	uint64_t lost = ctl_boot_counters(c, &n);

	family(f, "weir_responder_events", COUNTER, NULL,
	       "What the boot responder took and sent, by kind.");
#define ROW(id, help) sample(f, "weir_responder_events_total", LABELS("kind", #id), n.id);
	BOOT_COUNTERS(ROW)
#undef ROW
	one(f, "weir_responder_replies_lost", COUNTER,
	    "Replies that found the ring to their worker full.", lost);
}

static void workers(FILE *f, const struct ctl *c)
{
	static const struct {
		const char *name, *help;
		size_t at;
	} rows[] = {
#define ROW(id, help) { "weir_worker_" #id, help, offsetof(struct dp_worker_info, id) }
		ROW(turns, "Turns of the loop."),
		ROW(busy_turns, "Turns that received something."),
		ROW(rx_pkts, "Frames received."),
		ROW(busy_cycles, "Cycles of busy turns."),
		ROW(naps, "Naps."),
		ROW(events_lost, "Learn events that found the ring full."),
#undef ROW
	};
	struct dp_worker_info w;
	char total[64], id[12];
	uint64_t n;

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		family(f, rows[k].name, COUNTER, NULL, rows[k].help);
		snprintf(total, sizeof(total), "%s_total", rows[k].name);
		for (uint32_t i = 0; i < dp_switch_n_workers(c->sw); i++) {
			dp_switch_worker_info(c->sw, i, &w);
			memcpy(&n, (const char *)&w + rows[k].at, sizeof(n));
			snprintf(id, sizeof(id), "%u", i);
			sample(f, total, LABELS("worker", id), n);
		}
	}
}

static void switch_wide(FILE *f, struct ctl *c)
{
	struct dp_fdb *fdb = dp_switch_fdb(c->sw);

	family(f, "weir", INFO, NULL, "The switch.");
	labels(f, "weir_info", LABELS("version", WEIR_VERSION));
	fputs(" 1\n", f);
	family(f, "weir_start_timestamp_seconds", GAUGE, "seconds", "When the switch started.");
	sample(f, "weir_start_timestamp_seconds", no_labels, (uint64_t)c->started_s);
	one(f, "weir_configuration_generation", GAUGE, "Of what workers see; each change adds one.",
	    dp_switch_generation(c->sw));
	one(f, "weir_buffers_used", GAUGE, "Packet buffers in use.", dp_switch_mbufs_in_use(c->sw));
	one(f, "weir_buffers", GAUGE, "Packet buffers.", c->fixed.packet_buffers);
	one(f, "weir_macs", GAUGE, "Entries of the forwarding table.", dp_fdb_count(fdb));
	one(f, "weir_mac_evictions", COUNTER, "Entries that made room.", dp_fdb_evictions(fdb));
	one(f, "weir_mac_moves", COUNTER, "Entries that moved to another port.", dp_fdb_moves(fdb));
}

static void storage(FILE *f, const struct ctl_storage *s)
{
	phases(f, s);
	boots(f, s);
	targets(f, s);
	latencies(f, s);
	rows(f, s);
	portals(f, s);
	telemetry(f, s);
}

// While it is on. Service connections come and go and have no series.
static void openflow(FILE *f, const struct ctl *c)
{
	const struct ctl_of_channel *ch = ctl_of_channel_now(c);
	struct ctl_of_link_info l;
	struct dp_of_punt_count n;

	if (ctl_of_tables(c) == NULL)
		return;
	one(f, "weir_openflow_standalone", GAUGE,
	    "Whether frames are forwarded by MAC addresses, for want of a controller.",
	    of_agent_mode(ctl_of_agent(c)) == DP_OF_OFF);
	dp_of_punt_count(ctl_of_tables(c), &n);
	family(f, "weir_openflow_packet_ins", COUNTER, NULL, "Frames for controllers.");
	sample(f, "weir_openflow_packet_ins_total", LABELS("result", "sent"), n.n_sent);
	sample(f, "weir_openflow_packet_ins_total", LABELS("result", "over-rate"), n.n_over_rate);
	sample(f, "weir_openflow_packet_ins_total", LABELS("result", "queue-full"), n.n_full);
	sample(f, "weir_openflow_packet_ins_total", LABELS("result", "no-buffer"), n.n_no_mbuf);
	one(f, "weir_openflow_packet_outs_dropped", COUNTER,
	    "Frames of controllers that found no room on their way to a worker.",
	    of_agent_outs_dropped(ctl_of_agent(c)));
	family(f, "weir_openflow_connected", GAUGE, NULL, "Controllers that may program it.");
	for (uint32_t i = 0; ch != NULL && ctl_of_channel_nth(ch, i, &l); i++) {
		if (!l.service)
			sample(f, "weir_openflow_connected", LABELS("controller", l.name),
			       l.state == CTL_OF_ACTIVE);
	}
}

int ctl_metrics_text(struct ctl *c, char **text, size_t *size)
{
	struct ports p;
	FILE *f;
	bool failed;

	*text = NULL;
	if (ports_take(c, &p) < 0)
		return -ENOMEM;
	f = open_memstream(text, size);
	if (f == NULL) {
		free(p.v);
		return -ENOMEM;
	}
	__fsetlocking(f, FSETLOCKING_BYCALLER); // it is ours alone
	switch_wide(f, c);
	workers(f, c);
	responder(f, c);
	ports_state(f, &p);
	ports_counters(f, &p);
	ports_drops(f, &p);
	ports_classes(f, &p);
	links(f, c, &p);
	boot_times(f, c);
	vm_boots(f, c);
	if (c->storage != NULL)
		storage(f, c->storage);
	openflow(f, c);
	fputs("# EOF\n", f);
	free(p.v);
	failed = ferror(f) != 0;
	if (fclose(f) != 0 || failed) {
		free(*text);
		*text = NULL;
		return -ENOMEM;
	}
	return 0;
}
