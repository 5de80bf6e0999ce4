// weir-pktgen: a packet generator and sink whose ports are guests of ours or ethdevs. See README.md
// here.
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pg_copy.h"
#include "pg_engine.h"
#include "pg_report.h"

enum {
	OK = 0,
	CANNOT = 1,
	USAGE = 2,
	UNVERIFIED = 3,
	LOST = 4,
	POLL_NS = 1000000, // sockets are looked after once per millisecond
	VERIFY_NS = 10000000000ull / 2,
	DRAIN_NS = 500000000,
	QUIET_NS = 20000000, // no frame for so long: the switch has sent what it had
	CHURN_HOLD_NS = 50000000,
	SLOW_TURNS = 512, // turns between the bursts of a verification
};

struct options {
	int cpu;
	const char *json, *csv;
	bool live, events;
};

struct run {
	struct pg_config *cfg;
	struct options opt;
	struct pg_engine e;
	struct pg_look before, last, now;
	FILE *csv;
	uint64_t next_poll;
	uint32_t *churn_left;  // churn_left[n_ports]
	uint64_t *churn_since; // ticks: attached or closed then
	bool *churn_up, gone;  // gone: a port could not come back
};

static volatile sig_atomic_t stopped, asked;

static void on_signal(int sig)
{
	*(sig == SIGUSR1 ? &asked : &stopped) = 1;
}

static void event(const struct run *r, const char *what)
{
	if (!r->opt.events)
		return;
	puts(what);
	fflush(stdout);
}

static double tsc_hz(void)
{
	struct timespec a, b, nap = { .tv_nsec = 100000000 };
	uint64_t t0, t1;

	clock_gettime(CLOCK_MONOTONIC_RAW, &a);
	t0 = pg_rdtsc();
	nanosleep(&nap, NULL);
	clock_gettime(CLOCK_MONOTONIC_RAW, &b);
	t1 = pg_rdtsc();
	return (double)(t1 - t0) /
	       ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
}

static uint64_t ticks(const struct run *r, uint64_t ns)
{
	return (uint64_t)((double)ns / 1e9 * r->e.ticks_per_s);
}

static enum vh_front_mode mode_of(const struct pg_port *p)
{
	return p->cfg->kind == PG_PORT_LISTEN ? VH_FRONT_LISTEN : VH_FRONT_CONNECT;
}

// A port that comes and goes, as a guest whose QEMU is killed and started again.
static void churn(struct run *r, uint32_t i)
{
	struct pg_port *p = &r->e.ports[i];
	bool up = vh_front_state(r->e.front, p->guest_idx) == VH_FRONT_READY;
	uint64_t since = r->e.tick - r->churn_since[i];
	struct weir_err err;

	if (!r->e.measuring)
		return;
	if (up != r->churn_up[i]) {
		r->churn_up[i] = up;
		r->churn_since[i] = r->e.tick;
	} else if (up && r->churn_left[i] > 0 && since > ticks(r, CHURN_HOLD_NS)) {
		p->active = r->churn_up[i] = false;
		vh_front_close(r->e.front, p->guest_idx);
		r->churn_since[i] = r->e.tick;
		r->churn_left[i]--;
		if (vh_front_open(r->e.front, p->guest_idx, p->cfg->arg, mode_of(p), &err) < 0) {
			fprintf(stderr, "weir-pktgen: %s\n", err.text);
			r->gone = true;
		}
	} else if (!up && since > ticks(r, r->cfg->attach_ns)) {
		fprintf(stderr, "weir-pktgen: port %u (%s): the switch did not come back\n", i,
			p->cfg->arg);
		r->gone = true;
	}
}

static bool churning(const struct run *r)
{
	for (uint32_t i = 0; i < r->cfg->n_ports; i++)
		if (r->cfg->ports[i].churn > 0 && (r->churn_left[i] > 0 || !r->churn_up[i]))
			return true;
	return false;
}

// Sockets: who came, who went.
static void look_after(struct run *r)
{
	if (r->e.front == NULL || r->e.copy != NULL)
		return;
	vh_front_poll(r->e.front, 0);
	for (uint32_t i = 0; i < r->cfg->n_ports; i++) {
		struct pg_port *p = &r->e.ports[i];

		if (p->eth != NULL)
			continue;
		p->active = vh_front_state(r->e.front, p->guest_idx) == VH_FRONT_READY;
		if (p->cfg->churn > 0)
			churn(r, i);
	}
}

static uint32_t turn(struct run *r)
{
	uint32_t n = pg_engine_turn(&r->e);

	if (r->e.tick >= r->next_poll) {
		look_after(r);
		r->next_poll = r->e.tick + ticks(r, POLL_NS);
	}
	return n;
}

static void interval(struct run *r, uint64_t start)
{
	double done = (double)(r->e.tick - start) / (double)ticks(r, r->cfg->duration_ns);

	pg_look_take(&r->e, &r->now);
	if (r->csv != NULL) {
		pg_report_csv(r->csv, &r->e, &r->last, &r->now);
		if (asked)
			fflush(r->csv);
	}
	asked = 0;
	if (r->opt.live)
		pg_report_live(&r->e, &r->last, &r->now, done);
	pg_look_take(&r->e, &r->last);
}

static void drain(struct run *r)
{
	uint64_t start = r->e.tick, quiet = start;

	r->e.sending = false;
	while (r->e.tick - start < ticks(r, DRAIN_NS) && r->e.tick - quiet < ticks(r, QUIET_NS))
		if (turn(r) > 0)
			quiet = r->e.tick;
	pg_engine_settle(&r->e);
}

static bool port_reads(const struct pg_port *p)
{
	return p->cfg->rx_pps == UINT64_MAX && p->cfg->churn == 0;
}

// Has each lane sent all its addresses, and has something of each arrived intact?
static bool verified(const struct pg_engine *e, const struct pg_lane **missing)
{
	for (uint16_t i = 0; i < e->n_lanes; i++) {
		const struct pg_lane *l = &e->lanes[i];

		*missing = l;
		if (l->iscsi == NULL && l->c.tx_pkts < 2 * (uint64_t)l->cfg->macs &&
		    port_reads(&e->ports[l->src]))
			return false;
		if (l->c.rx_pkts == 0 && port_reads(&e->ports[l->dst]) &&
		    port_reads(&e->ports[l->src]))
			return false;
		if (l->c.corrupt_pkts > 0)
			return false;
	}
	return true;
}

// Slowly, so that a switch learns without flooding much.
static int verify(struct run *r)
{
	const struct pg_lane *missing = NULL;
	uint64_t start = r->e.tick;

	r->e.slow_start = true;
	while (!stopped && !verified(&r->e, &missing) && r->e.tick - start < ticks(r, VERIFY_NS)) {
		r->e.sending = r->e.turns % SLOW_TURNS == 0;
		turn(r);
	}
	drain(r);
	r->e.slow_start = false;
	if (stopped)
		return CANNOT;
	if (!verified(&r->e, &missing)) {
		fprintf(stderr,
			"weir-pktgen: stream %s, port %u to port %u: %lu frames sent, %lu arrived "
			"intact, %lu damaged: does the switch forward?\n",
			missing->cfg->name, missing->src, missing->dst, missing->c.tx_pkts,
			missing->c.rx_pkts, missing->c.corrupt_pkts);
		return UNVERIFIED;
	}
	pg_engine_restart_counts(&r->e);
	return OK;
}

static void measure(struct run *r)
{
	uint64_t start, next;

	r->e.sending = true;
	start = r->e.tick;
	while (!stopped && r->e.tick - start < ticks(r, r->cfg->warm_up_ns))
		turn(r);
	event(r, "measuring");
	asked = 0;
	r->e.measuring = true;
	pg_look_take(&r->e, &r->before);
	pg_look_take(&r->e, &r->last);
	start = r->e.tick;
	next = start + ticks(r, r->cfg->interval_ns);
	while (!stopped && !r->gone &&
	       (r->e.tick - start < ticks(r, r->cfg->duration_ns) || churning(r))) {
		turn(r);
		if (!asked && r->e.tick < next)
			continue;
		if (r->e.tick >= next)
			next += ticks(r, r->cfg->interval_ns);
		interval(r, start);
	}
	r->e.measuring = false;
	pg_look_take(&r->e, &r->now);
	event(r, "measured");
	if (r->opt.live)
		fputc('\n', stderr);
}

static int wait_attached(struct run *r)
{
	uint64_t start = pg_rdtsc();

	while (!stopped) {
		uint32_t waiting = UINT32_MAX;

		if (r->e.front != NULL)
			vh_front_poll(r->e.front, 20);
		for (uint32_t i = 0; i < r->cfg->n_ports && waiting == UINT32_MAX; i++) {
			const struct pg_port *p = &r->e.ports[i];

			if (p->eth == NULL && r->e.copy == NULL &&
			    vh_front_state(r->e.front, p->guest_idx) != VH_FRONT_READY)
				waiting = i;
		}
		if (waiting == UINT32_MAX)
			break;
		if (vh_front_state(r->e.front, r->e.ports[waiting].guest_idx) == VH_FRONT_REFUSED) {
			fprintf(stderr, "weir-pktgen: port %u (%s): %s\n", waiting,
				r->cfg->ports[waiting].arg,
				vh_front_why(r->e.front, r->e.ports[waiting].guest_idx));
			return CANNOT;
		}
		if (pg_rdtsc() - start > ticks(r, r->cfg->attach_ns)) {
			fprintf(stderr,
				"weir-pktgen: port %u (%s): no switch attached within %.1f s\n",
				waiting, r->cfg->ports[waiting].arg,
				(double)r->cfg->attach_ns / 1e9);
			return CANNOT;
		}
	}
	for (uint32_t i = 0; i < r->cfg->n_ports; i++)
		r->e.ports[i].active = true;
	return OK;
}

static int front_make(struct run *r, uint16_t n_guests, struct weir_err *err)
{
	const struct pg_config *c = r->cfg;
	struct vh_front_params p = {
		.n_guests = n_guests,
		.n_pairs = (uint16_t)c->pairs,
		.queue_size = (uint16_t)c->queue_size,
		.frame_bytes = pg_config_longest_frame(c),
		.piece_bytes = c->piece_bytes,
		.rx_buffer_bytes = c->rx_buffer_bytes,
		.mergeable = c->mergeable,
		.indirect = c->indirect,
		.event_idx = c->event_idx,
		.packed = c->packed,
		.csum = c->csum,
		.tso = c->csum,
		.huge_pages = c->huge != PG_HUGE_OFF,
	};
	int rc = vh_front_create(&p, &r->e.front, err);

	if (rc == -ENOMEM && c->huge == PG_HUGE_AUTO) {
		p.huge_pages = false;
		rc = vh_front_create(&p, &r->e.front, err);
	}
	return rc;
}

// Bytes behind the first line are written once, here.
static void guest_fill(struct pg_port *p)
{
	for (uint16_t q = 0; q < p->n_pairs; q++)
		for (uint16_t s = 0; s < p->tx[q]->n_slots; s++)
			memcpy(vh_ring_frame(p->tx[q], s), pg_pattern(), p->tx[q]->slot_bytes);
}

static int guest_open(struct run *r, struct pg_port *p, struct weir_err *err)
{
	int rc = 0;

	if (p->cfg->kind != PG_PORT_COPY)
		rc = vh_front_open(r->e.front, p->guest_idx, p->cfg->arg, mode_of(p), err);
	p->n_pairs = (uint16_t)r->cfg->pairs;
	for (uint16_t q = 0; q < p->n_pairs; q++) {
		p->rx[q] = vh_front_rx(r->e.front, p->guest_idx, q);
		p->tx[q] = vh_front_tx(r->e.front, p->guest_idx, q);
	}
	if (rc == 0)
		guest_fill(p);
	return rc;
}

static int ports_open(struct run *r, struct weir_err *err)
{
	uint16_t n_guests = 0, n_eth = 0;
	int rc = 0;

	for (uint32_t i = 0; i < r->cfg->n_ports; i++) {
		r->e.ports[i].cfg = &r->cfg->ports[i];
		r->e.ports[i].n_pairs = 1;
		r->churn_left[i] = r->cfg->ports[i].churn;
		if (r->cfg->ports[i].kind == PG_PORT_ETH)
			n_eth++;
		else
			r->e.ports[i].guest_idx = n_guests++;
	}
	if (n_guests > 0)
		rc = front_make(r, n_guests, err);
	if (rc == 0 && n_eth > 0)
		rc = pg_eth_start(r->opt.cpu,
				  n_guests > 0 ? vh_front_huge_pages(r->e.front)
					       : r->cfg->huge == PG_HUGE_ON,
				  err);
	for (uint32_t i = 0; i < r->cfg->n_ports && rc == 0; i++) {
		struct pg_port *p = &r->e.ports[i];

		rc = p->cfg->kind == PG_PORT_ETH
			     ? pg_eth_open(p->cfg->arg, pg_config_longest_frame(r->cfg), &p->eth,
					   err)
			     : guest_open(r, p, err);
	}
	if (rc < 0 || r->cfg->ports[0].kind != PG_PORT_COPY)
		return rc;
	rc = pg_copy_start(r->e.ports, r->cfg->n_ports,
			   r->cfg->copy_cpu == UINT32_MAX ? -1 : (int)r->cfg->copy_cpu, &r->e.copy);
	return rc == 0 ? 0
		       : weir_err_set(err, rc, "the thread of copy: ports, copy-cpu=%d: %s",
				      (int)r->cfg->copy_cpu, strerror(-rc));
}

static void run_close(struct run *r)
{
	for (uint32_t i = 0; r->e.ports != NULL && i < r->cfg->n_ports; i++)
		pg_eth_close(r->e.ports[i].eth);
	pg_copy_stop(r->e.copy);
	vh_front_destroy(r->e.front);
	pg_engine_fini(&r->e);
	pg_look_free(&r->before);
	pg_look_free(&r->last);
	pg_look_free(&r->now);
	free(r->e.ports);
	free(r->churn_left);
	free(r->churn_since);
	free(r->churn_up);
	if (r->csv != NULL)
		fclose(r->csv);
}

static int run_open(struct run *r, struct weir_err *err)
{
	int rc;

	r->e.ticks_per_s = tsc_hz();
	r->e.ports = calloc(r->cfg->n_ports, sizeof(r->e.ports[0]));
	r->churn_left = calloc(r->cfg->n_ports, sizeof(r->churn_left[0]));
	r->churn_since = calloc(r->cfg->n_ports, sizeof(r->churn_since[0]));
	r->churn_up = calloc(r->cfg->n_ports, sizeof(r->churn_up[0]));
	if (r->e.ports == NULL || r->churn_left == NULL || r->churn_since == NULL ||
	    r->churn_up == NULL)
		return weir_err_set(err, -ENOMEM, "out of memory");
	rc = ports_open(r, err);
	if (rc == 0)
		rc = pg_engine_init(&r->e, r->cfg, err);
	if (rc < 0)
		return rc;
	if (pg_look_create(&r->e, &r->before) < 0 || pg_look_create(&r->e, &r->last) < 0 ||
	    pg_look_create(&r->e, &r->now) < 0)
		return weir_err_set(err, -ENOMEM, "out of memory");
	if (r->opt.csv != NULL) {
		r->csv = fopen(r->opt.csv, "we");
		if (r->csv == NULL)
			return weir_err_set(err, -errno, "%s: %s", r->opt.csv, strerror(errno));
		pg_report_csv_head(r->csv);
	}
	return 0;
}

static int write_json(const struct run *r)
{
	bool to_stdout = strcmp(r->opt.json, "-") == 0;
	FILE *f = to_stdout ? stdout : fopen(r->opt.json, "we");
	bool bad;

	if (f == NULL) {
		fprintf(stderr, "weir-pktgen: %s: %s\n", r->opt.json, strerror(errno));
		return CANNOT;
	}
	pg_report_json(f, &r->e, &r->before, &r->now);
	bad = ferror(f) != 0;
	bad |= (to_stdout ? fflush(f) : fclose(f)) != 0;
	if (bad)
		fprintf(stderr, "weir-pktgen: %s: cannot write\n", r->opt.json);
	return bad ? CANNOT : OK;
}

static int run(struct run *r)
{
	struct weir_err err = { "" };
	int rc;

	if (run_open(r, &err) < 0) {
		fprintf(stderr, "weir-pktgen: %s\n", err.text);
		return CANNOT;
	}
	event(r, "listening");
	rc = wait_attached(r);
	if (rc != OK || stopped)
		return rc != OK ? rc : CANNOT;
	event(r, "attached");
	r->e.tick = pg_rdtsc();
	rc = verify(r);
	if (rc != OK)
		return rc;
	event(r, "verified");
	measure(r);
	drain(r);
	if (r->opt.json != NULL && write_json(r) != OK)
		return CANNOT;
	if (r->opt.json == NULL || strcmp(r->opt.json, "-") != 0)
		pg_report_summary(stderr, &r->e, &r->before, &r->now);
	if (r->gone)
		return CANNOT;
	return r->cfg->lossless && pg_report_faults(&r->e) > 0 ? LOST : OK;
}

static void usage(FILE *f)
{
	fputs("usage: weir-pktgen [--cpu N] [--json FILE] [--csv FILE] [--live] [--events] "
	      "[PROFILE...] [KEY=VALUE...]\n",
	      f);
}

static int help(void)
{
	usage(stdout);
	puts("\n"
	     "  --cpu N      pin the polling thread\n"
	     "  --json FILE  the result; - is stdout\n"
	     "  --csv FILE   a line for each stream and interval; SIGUSR1 ends one early\n"
	     "  --live       a line that changes (default on a terminal)\n"
	     "  --events     print listening, attached, verified, measuring, measured as they "
	     "happen\n"
	     "\nA profile holds KEY = VALUE lines. Settings are taken in order:\n");
	pg_config_help();
	puts("\nExit code: 0 done; 1 could not run; 2 usage; 3 the switch did not forward; 4 lost "
	     "or damaged frames with expect=lossless");
	return OK;
}

static int settings(struct pg_config *c, char **args)
{
	struct weir_err err;
	int rc = 0;

	pg_config_init(c);
	for (; *args != NULL && rc == 0; args++)
		rc = strchr(*args, '=') != NULL ? pg_config_set(c, *args, &err)
						: pg_config_load(c, *args, &err);
	if (rc == 0)
		rc = pg_config_finish(c, &err);
	if (rc == 0)
		return OK;
	fprintf(stderr, "weir-pktgen: %s\n", err.text);
	return USAGE;
}

// Four descriptors for each queue pair; the customary limit of 1,024 ends at some 200 guests.
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l); // as many as there are; opening says the rest
	}
}

// returns  -1 after a message
static int cpu_number(const char *arg)
{
	char *end;
	unsigned long v = strtoul(arg, &end, 10);

	if (arg[0] >= '0' && arg[0] <= '9' && *end == '\0' && v < CPU_SETSIZE)
		return (int)v;
	fprintf(stderr, "weir-pktgen: --cpu %s: expected a number below %d\n", arg, CPU_SETSIZE);
	return -1;
}

static int pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return OK;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0) {
		fprintf(stderr, "weir-pktgen: --cpu %d: %s\n", cpu, strerror(errno));
		return CANNOT;
	}
	return OK;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "cpu", required_argument, NULL, 'c' },
					       { "json", required_argument, NULL, 'j' },
					       { "csv", required_argument, NULL, 'v' },
					       { "live", no_argument, NULL, 'l' },
					       { "events", no_argument, NULL, 'e' },
					       { "help", no_argument, NULL, 'h' },
					       { NULL, 0, NULL, 0 } };
	static struct pg_config cfg;
	struct run r = { .cfg = &cfg, .opt = { .cpu = -1, .live = isatty(2) != 0 } };
	int o, rc;

	while ((o = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (o) {
		case 'c':
			r.opt.cpu = cpu_number(optarg);
			if (r.opt.cpu < 0)
				return USAGE;
			break;
		case 'j':
			r.opt.json = optarg;
			break;
		case 'v':
			r.opt.csv = optarg;
			break;
		case 'l':
			r.opt.live = true;
			break;
		case 'e':
			r.opt.events = true;
			break;
		case 'h':
			return help();
		default:
			usage(stderr);
			return USAGE;
		}
	}
	rc = settings(&cfg, argv + optind);
	if (rc != OK)
		return rc;
	rc = pin(r.opt.cpu);
	if (rc != OK)
		return rc;
	raise_descriptors();
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGUSR1, on_signal);
	signal(SIGPIPE, SIG_IGN);
	rc = run(&r);
	run_close(&r);
	return rc;
}
