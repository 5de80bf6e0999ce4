// See pg_report.h.
#include "pg_report.h"
#include "pg_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pg_look_create(const struct pg_engine *e, struct pg_look *out)
{
	out->lanes = calloc(e->n_lanes, sizeof(out->lanes[0]));
	out->ports = calloc(e->cfg->n_ports, sizeof(out->ports[0]));
	return out->lanes == NULL || out->ports == NULL ? -ENOMEM : 0;
}

void pg_look_free(struct pg_look *l)
{
	free(l->lanes);
	free(l->ports);
}

void pg_look_take(const struct pg_engine *e, struct pg_look *l)
{
	l->tick = pg_rdtsc();
	l->busy_ticks = e->busy_ticks;
	l->idle_ticks = e->idle_ticks;
	pg_copy_counts(e->copy, &l->copy_pkts, &l->copy_ticks);
	for (uint16_t i = 0; i < e->n_lanes; i++)
		l->lanes[i] = e->lanes[i].c;
	for (uint32_t i = 0; i < e->cfg->n_ports; i++) {
		l->ports[i].rx_pkts = e->ports[i].rx_pkts;
		l->ports[i].rx_bytes = e->ports[i].rx_bytes;
		l->ports[i].foreign_pkts = e->ports[i].foreign_pkts;
	}
}

// Totals of some lanes over an interval, with what their sequences say since verification.
struct total {
	struct pg_counts c;
	uint64_t lost, reordered, duplicated, corrupt, misdelivered;
	struct pg_hist hist;
};

static void add(struct pg_counts *to, const struct pg_counts *a, const struct pg_counts *b)
{
	const uint64_t *from = (const uint64_t *)a, *until = (const uint64_t *)b;

	for (uint32_t i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
		((uint64_t *)to)[i] += until[i] - from[i];
}

// Frames of a lane that did not arrive. What the back-end never took is not lost: it was not sent.
static uint64_t lost_of(const struct pg_engine *e, const struct pg_lane *l)
{
	const struct pg_port *p = &e->ports[l->src];
	uint64_t sent = l->c.tx_pkts;

	if (p->eth == NULL && e->n_port_lanes[l->src] == p->n_pairs && !e->sending)
		sent -= p->tx[l->queue]->n_in_flight < sent ? p->tx[l->queue]->n_in_flight : sent;
	return sent > l->in.n_unique ? sent - l->in.n_unique : 0;
}

static uint64_t reordered_of(const struct pg_lane *l)
{
	return l->flow_last != NULL ? l->flow_reordered : l->in.n_reordered;
}

// stream: NULL = all
static void total_of(const struct pg_engine *e, const struct pg_stream_cfg *stream,
		     const struct pg_look *from, const struct pg_look *to, struct total *t)
{
	memset(t, 0, sizeof(*t));
	pg_hist_clear(&t->hist);
	for (uint16_t i = 0; i < e->n_lanes; i++) {
		const struct pg_lane *l = &e->lanes[i];

		if (stream != NULL && l->cfg != stream)
			continue;
		add(&t->c, &from->lanes[i], &to->lanes[i]);
		t->lost += lost_of(e, l);
		t->reordered += reordered_of(l);
		t->duplicated += l->in.n_duplicated;
		t->corrupt += l->c.corrupt_pkts;
		t->misdelivered += l->c.misdelivered_pkts;
		pg_hist_merge(&t->hist, &l->hist);
	}
}

uint64_t pg_report_faults(const struct pg_engine *e)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < e->n_lanes; i++) {
		const struct pg_lane *l = &e->lanes[i];

		if (e->ports[l->src].cfg->churn == 0 && e->ports[l->dst].cfg->churn == 0)
			n += lost_of(e, l) + reordered_of(l) + l->in.n_duplicated +
			     l->c.corrupt_pkts;
	}
	return n;
}

static double ns_of(const struct pg_engine *e, uint64_t ticks)
{
	return (double)ticks / e->ticks_per_s * 1e9;
}

static double seconds(const struct pg_engine *e, const struct pg_look *from,
		      const struct pg_look *to)
{
	return (double)(to->tick - from->tick) / e->ticks_per_s;
}

// The generator's turns in which nothing moved, as a share of its time.
static double idle_share(const struct pg_look *from, const struct pg_look *to)
{
	uint64_t busy = to->busy_ticks - from->busy_ticks, idle = to->idle_ticks - from->idle_ticks;

	return busy + idle == 0 ? 0.0 : (double)idle / (double)(busy + idle);
}

void pg_report_csv_head(FILE *f)
{
	fputs("seconds,stream,tx_pkts,rx_pkts,rx_bytes,wanted_pkts,blocked_pkts,lost_pkts,"
	      "reordered_pkts,duplicated_pkts,corrupt_pkts,ios,idle\n",
	      f);
}

void pg_report_csv(FILE *f, const struct pg_engine *e, const struct pg_look *from,
		   const struct pg_look *to)
{
	double idle = idle_share(from, to);

	for (uint32_t i = 0; i < e->cfg->n_streams; i++) {
		struct total t;

		total_of(e, &e->cfg->streams[i], from, to, &t);
		fprintf(f, "%.6f,%s,%lu,%lu,%lu,%lu,%lu,%lu,%lu,%lu,%lu,%lu,%.4f\n",
			seconds(e, from, to), e->cfg->streams[i].name, t.c.tx_pkts, t.c.rx_pkts,
			t.c.rx_bytes, t.c.wanted_pkts, t.c.blocked_pkts, t.lost, t.reordered,
			t.duplicated, t.corrupt, t.c.ios, idle);
	}
}

void pg_report_live(const struct pg_engine *e, const struct pg_look *from, const struct pg_look *to,
		    double done)
{
	char bar[21] = "....................";
	double s = seconds(e, from, to);
	struct total t;

	total_of(e, NULL, from, to, &t);
	memset(bar, '#', (size_t)(done > 1 ? 20 : done * 20));
	fprintf(stderr,
		"\r[%s] tx %8.3f Mpps  rx %8.3f Mpps  %8.3f Gbit/s  lost %lu  reordered %lu  "
		"damaged %lu   ",
		bar, (double)t.c.tx_pkts / s / 1e6, (double)t.c.rx_pkts / s / 1e6,
		(double)t.c.rx_bytes * 8 / s / 1e9, t.lost, t.reordered, t.corrupt);
	if (t.c.ios > 0)
		fprintf(stderr, " %8.0f io/s  ", (double)t.c.ios / s);
	fflush(stderr);
}

static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		if ((unsigned char)*s < ' ')
			fprintf(f, "\\u%04x", (unsigned)*s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static void json_latency(FILE *f, const struct pg_engine *e, const struct pg_hist *h)
{
	fprintf(f, "\"latency_ns\":{\"samples\":%lu", h->n);
	if (h->n > 0)
		fprintf(f,
			",\"min\":%.0f,\"p50\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%.0f,"
			"\"mean\":%.0f",
			ns_of(e, h->min), ns_of(e, pg_hist_quantile(h, 0.5)),
			ns_of(e, pg_hist_quantile(h, 0.99)), ns_of(e, pg_hist_quantile(h, 0.999)),
			ns_of(e, h->max), ns_of(e, h->sum) / (double)h->n);
	fputc('}', f);
}

static void json_counts(FILE *f, const struct total *t, double s)
{
	fprintf(f,
		"\"tx_pkts\":%lu,\"rx_pkts\":%lu,\"tx_pps\":%.1f,\"rx_pps\":%.1f,\"rx_bits_per_s\":"
		"%.1f,",
		t->c.tx_pkts, t->c.rx_pkts, (double)t->c.tx_pkts / s, (double)t->c.rx_pkts / s,
		(double)t->c.rx_bytes * 8 / s);
	fprintf(f,
		"\"lost_pkts\":%lu,\"reordered_pkts\":%lu,\"duplicated_pkts\":%lu,\"corrupt_pkts\":"
		"%lu,\"misdelivered_pkts\":%lu,",
		t->lost, t->reordered, t->duplicated, t->corrupt, t->misdelivered);
}

static void json_generator(FILE *f, const struct pg_engine *e, const struct pg_look *from,
			   const struct pg_look *to)
{
	uint64_t busy = to->busy_ticks - from->busy_ticks;
	struct total t;

	total_of(e, NULL, from, to, &t);
	if (to->copy_pkts > from->copy_pkts)
		fprintf(f, "\"copy\":{\"cycles_per_packet\":%.1f},",
			(double)(to->copy_ticks - from->copy_ticks) /
				(double)(to->copy_pkts - from->copy_pkts));
	fprintf(f,
		"\"generator\":{\"cycles_per_packet\":%.1f,\"idle\":%.4f,\"tx_blocked\":%.4f,"
		"\"hugepages\":%s},",
		t.c.tx_pkts + t.c.rx_pkts == 0
			? 0.0
			: (double)busy * 2 / (double)(t.c.tx_pkts + t.c.rx_pkts),
		idle_share(from, to),
		t.c.wanted_pkts == 0 ? 0.0 : (double)t.c.blocked_pkts / (double)t.c.wanted_pkts,
		e->front != NULL && vh_front_huge_pages(e->front) ? "true" : "false");
}

static void json_streams(FILE *f, const struct pg_engine *e, const struct pg_look *from,
			 const struct pg_look *to)
{
	double s = seconds(e, from, to);

	fputs("\"streams\":[", f);
	for (uint32_t i = 0; i < e->cfg->n_streams; i++) {
		const struct pg_stream_cfg *c = &e->cfg->streams[i];
		struct total t;

		total_of(e, c, from, to, &t);
		fprintf(f, "%s\n{\"name\":\"%s\",\"kind\":\"%s\",", i == 0 ? "" : ",", c->name,
			c->kind == PG_ISCSI ? "iscsi" : "flood");
		json_counts(f, &t, s);
		fprintf(f, "\"tx_blocked\":%.4f,",
			t.c.wanted_pkts == 0 ? 0.0
					     : (double)t.c.blocked_pkts / (double)t.c.wanted_pkts);
		if (c->kind == PG_ISCSI)
			fprintf(f, "\"ios\":%lu,\"ios_per_s\":%.1f,\"lost_ios\":%lu,", t.c.ios,
				(double)t.c.ios / s, t.c.lost_ios);
		json_latency(f, e, &t.hist);
		fputc('}', f);
	}
	fputs("],\n", f);
}

static void json_ports(FILE *f, const struct pg_engine *e, const struct pg_look *from,
		       const struct pg_look *to)
{
	fputs("\"ports\":[", f);
	for (uint32_t i = 0; i < e->cfg->n_ports; i++) {
		const struct pg_port *p = &e->ports[i];
		struct pg_counts c = { 0 };

		for (uint16_t k = 0; k < e->n_port_lanes[i]; k++)
			add(&c, &from->lanes[e->port_lanes[i][k]], &to->lanes[e->port_lanes[i][k]]);
		fprintf(f, "%s\n{\"name\":", i == 0 ? "" : ",");
		json_string(f, p->cfg->arg);
		fprintf(f,
			",\"tx_pkts\":%lu,\"rx_pkts\":%lu,\"rx_bytes\":%lu,"
			"\"foreign_pkts\":%lu,\"attaches\":%u,\"broken\":%u}",
			c.tx_pkts, to->ports[i].rx_pkts - from->ports[i].rx_pkts,
			to->ports[i].rx_bytes - from->ports[i].rx_bytes,
			to->ports[i].foreign_pkts - from->ports[i].foreign_pkts,
			p->eth != NULL ? 1 : vh_front_n_attaches(e->front, p->guest_idx),
			p->eth != NULL ? 0 : vh_front_n_broken(e->front, p->guest_idx));
	}
	fputs("]}\n", f);
}

void pg_report_json(FILE *f, const struct pg_engine *e, const struct pg_look *from,
		    const struct pg_look *to)
{
	double s = seconds(e, from, to);
	struct total t;

	total_of(e, NULL, from, to, &t);
	fprintf(f, "{\"tsc_hz\":%.0f,\"seconds\":%.3f,", e->ticks_per_s, s);
	json_counts(f, &t, s);
	json_generator(f, e, from, to);
	json_streams(f, e, from, to);
	json_ports(f, e, from, to);
}

void pg_report_summary(FILE *f, const struct pg_engine *e, const struct pg_look *from,
		       const struct pg_look *to)
{
	double s = seconds(e, from, to);

	fprintf(f, "%-12s %10s %10s %9s %8s %9s %8s %10s %10s %10s %10s\n", "stream", "tx Mpps",
		"rx Mpps", "Gbit/s", "lost", "reordered", "damaged", "p50 us", "p99 us", "p99.9 us",
		"max us");
	for (uint32_t i = 0; i < e->cfg->n_streams; i++) {
		struct total t;

		total_of(e, &e->cfg->streams[i], from, to, &t);
		fprintf(f, "%-12s %10.3f %10.3f %9.3f %8lu %9lu %8lu %10.1f %10.1f %10.1f %10.1f",
			e->cfg->streams[i].name, (double)t.c.tx_pkts / s / 1e6,
			(double)t.c.rx_pkts / s / 1e6, (double)t.c.rx_bytes * 8 / s / 1e9, t.lost,
			t.reordered, t.corrupt, ns_of(e, pg_hist_quantile(&t.hist, 0.5)) / 1e3,
			ns_of(e, pg_hist_quantile(&t.hist, 0.99)) / 1e3,
			ns_of(e, pg_hist_quantile(&t.hist, 0.999)) / 1e3,
			ns_of(e, t.hist.max) / 1e3);
		if (e->cfg->streams[i].kind == PG_ISCSI)
			fprintf(f, "  %.0f io/s, %lu timed out", (double)t.c.ios / s, t.c.lost_ios);
		fputc('\n', f);
	}
}
