// What a run comes to: live lines, CSV and JSON.
#ifndef PG_REPORT_H
#define PG_REPORT_H

#include <stdio.h>

#include "pg_engine.h"

// A look at all counters; differences of two looks are an interval.
struct pg_look {
	uint64_t tick, busy_ticks, idle_ticks, copy_pkts, copy_ticks;
	struct pg_counts *lanes; // lanes[n_lanes]
	struct {
		uint64_t rx_pkts, rx_bytes, foreign_pkts;
	} * ports; // ports[n_ports]
};

int pg_look_create(const struct pg_engine *e, struct pg_look *out);
void pg_look_take(const struct pg_engine *e, struct pg_look *l);
void pg_look_free(struct pg_look *l);

void pg_report_csv_head(FILE *f);
void pg_report_csv(FILE *f, const struct pg_engine *e, const struct pg_look *from,
		   const struct pg_look *to);

// One line for a person. total_s: the length of the measurement, for the progress.
void pg_report_live(const struct pg_engine *e, const struct pg_look *from, const struct pg_look *to,
		    double done);

// The whole result. Sequences count since verification; everything else between the looks.
void pg_report_json(FILE *f, const struct pg_engine *e, const struct pg_look *from,
		    const struct pg_look *to);

// Frames lost or damaged since verification, of all streams whose ports do not come and go.
uint64_t pg_report_faults(const struct pg_engine *e);

// A few lines for a person at the end.
void pg_report_summary(FILE *f, const struct pg_engine *e, const struct pg_look *from,
		       const struct pg_look *to);

#endif
