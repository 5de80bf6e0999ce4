// E13, a boot storm: machines that start together read their disks through one rated 10 Gbit/s
// link, beside running machines and bulk that offers twice the link. Phases, window and scheduler
// work together as in the switch: a change of phase sets a deadline, bytes come from the leaf's
// counter every 100 ms, and who is steady is in class storage.
//
// The guests are closed loops over a simple TCP (slow start, 0.7 on loss, a timeout of 200 ms):
// firmware reads 64 KiB at a depth of 1 to 4, then the operating system at 8 to 32; every third
// machine is NFS-like, small calls between reads of 128 KiB. Link, owner's loop and card are those
// of uplink.c.
//
// In CI sizes, and the times beside which they are short or long (deadlines, quiet, ticks, TCP's
// timeout), are divided by SCALE: rates, round trips and the number of machines are as they are.
// SIM_LONG takes them whole.
#include "sim.h"

#include "qos_phase.h"

enum { BOOT = 1, STORAGE = 2, BULK = 5 };

#define LINK_BITS (10 * SIM_G)
#define PACED_BITS (LINK_BITS / 100 * 98)
#define RING_BYTES 16384u
#define BOOT_BITS (3 * SIM_G)
#define BOOT_LIMIT_BITS (6 * SIM_G)
#define BULK_BITS (SIM_G / 2)
#define MAX_BOOTS 64u
#define N_STEADY 16u
#define STEADY_BITS (SIM_G / 10) // reserved for each; it offers a quarter more
#define N_BULK 16u
#define SCALE 48u
#define RTT_NS (50 * SIM_US)
#define RTO_NS (200 * SIM_MS)
#define RECEIVE_FRAMES 180u // a receive window of 256 KiB
#define MSS_BYTES 1460u
#define N_OPS 64u
#define N_ACKS 65536u
#define MIN_BYTES 85000000ull
#define MAX_BYTES 200000000ull
#define MAX_WAITS 400000u

// Sources: of machine i its frames in class boot and in class storage; then the others.
#define STEADY_SRC(w) (2 * (w)->p.n_boots)
#define BULK_SRC(w) (STEADY_SRC(w) + N_STEADY)

struct op {
	uint64_t ready_ns; // at the server
	uint32_t n_frames;
};

struct guest {
	uint64_t start_ns, os_ns, done_ns;
	uint64_t deadline_ns;	// the last that it was given before it was done; 0 = none ever
	uint32_t left, fw_left; // frames to ask for
	uint32_t fw_depth, os_depth, depth;
	bool nfs, booting, told_login;
	// Reads: asked for, on their way out of the server, complete.
	struct op ops[N_OPS];
	uint32_t n_asked, n_served, n_complete, of_served, of_complete;
	// TCP
	double cwnd, ssthresh;
	uint32_t in_flight, resend;
	uint64_t cut_ns, mute_ns;
};

enum news { ACKED, LOST };

struct ack {
	uint64_t at_ns;
	uint16_t guest;
	uint8_t news;
};

struct params {
	uint32_t n_boots, window;
	uint64_t deadline_ns, seed;
	bool bulk;
	bool told;    // somebody says when a boot is complete; else it ends when it is quiet
	bool fair;    // the scheduler is told of no deadlines
	bool fifo;    // QoS is off
	bool glutton; // the first one reads without end
};

struct figures {
	double makespan_s, p50_s, p99_s;
	uint32_t done, given, met, over_bytes;
	double read;			 // part of all
	double steady_least, bulk_least; // of their floors, in the worst window
	double steady_p99_us;
	uint64_t lost;
};

struct world {
	struct sim sim;
	struct params p;
	struct qos_phases *phases;
	struct guest guests[MAX_BOOTS];
	uint64_t wake_ns[MAX_BOOTS];
	struct ack acks[N_ACKS];
	uint32_t head, tail, n_done;
	uint64_t began_ns, lost, n_frames, n_delivered;
	double steady_least, bulk_least;
	uint32_t n_windows;
	uint64_t *waits_ns;
};

static uint32_t scale(void)
{
	return getenv("SIM_LONG") != NULL ? 1 : SCALE;
}

// In which floors have to hold: 100 ms, in CI 20.
static uint64_t window_ns(void)
{
	return scale() == 1 ? 100 * SIM_MS : 20 * SIM_MS;
}

// --- reads

static void ask(struct world *w, struct guest *g)
{
	uint32_t *left = g->told_login ? &g->left : &g->fw_left;

	while (*left != 0 && g->n_asked - g->n_complete < g->depth) {
		uint64_t ready_ns = w->sim.now_ns + 100 * SIM_US + sim_random(&w->sim) % 200000;
		struct op *o = &g->ops[g->n_asked % N_OPS],
			  *last = &g->ops[(g->n_asked - 1) % N_OPS];
		uint32_t n = g->nfs ? (g->n_asked % 3 != 0 ? 1 : 90) : 45;

		// The server answers in order.
		if (g->n_asked != g->n_complete && last->ready_ns > ready_ns)
			ready_ns = last->ready_ns;
		*o = (struct op){ .ready_ns = ready_ns, .n_frames = n < *left ? n : *left };
		*left -= o->n_frames;
		g->n_asked++;
	}
}

static void power_on(struct world *w, uint32_t i)
{
	struct guest *g = &w->guests[i];

	g->start_ns = w->sim.now_ns;
	qos_phases_edge(w->phases, (uint16_t)(1 + i), QOS_EDGE_ATTACH, w->sim.now_ns);
	qos_phases_edge(w->phases, (uint16_t)(1 + i), QOS_EDGE_DHCP_FW, w->sim.now_ns);
	qos_phases_edge(w->phases, (uint16_t)(1 + i), QOS_EDGE_LOGIN_FW, w->sim.now_ns);
	g->depth = g->fw_depth;
	ask(w, g);
}

static void start_os(struct world *w, uint32_t i)
{
	struct guest *g = &w->guests[i];

	g->told_login = true;
	qos_phases_edge(w->phases, (uint16_t)(1 + i), QOS_EDGE_DHCP_OS, w->sim.now_ns);
	qos_phases_edge(w->phases, (uint16_t)(1 + i), QOS_EDGE_LOGIN_OS, w->sim.now_ns);
	g->depth = g->os_depth;
	ask(w, g);
}

static void delivered(struct world *w, uint32_t i)
{
	struct guest *g = &w->guests[i];

	w->n_delivered++;
	if (++g->of_complete < g->ops[g->n_complete % N_OPS].n_frames)
		return;
	g->of_complete = 0;
	g->n_complete++;
	if (g->n_complete != g->n_asked || (g->told_login ? g->left : g->fw_left) != 0) {
		ask(w, g);
	} else if (!g->told_login) {
		g->os_ns = w->sim.now_ns + 100 * SIM_MS / scale(); // it unpacks its kernel
	} else {
		g->done_ns = w->sim.now_ns;
		w->n_done++;
		if (w->p.told)
			qos_phases_edge(w->phases, (uint16_t)(1 + i), QOS_EDGE_COMPLETE,
					w->sim.now_ns);
	}
}

// --- TCP

static void tell(struct world *w, uint32_t i, enum news news)
{
	w->acks[w->tail++ % N_ACKS] = (struct ack){ w->sim.now_ns + RTT_NS, (uint16_t)i, news };
	assert_true(w->tail - w->head < N_ACKS);
}

static void acked(struct world *w, uint32_t i)
{
	struct guest *g = &w->guests[i];

	g->in_flight--;
	if (g->cwnd < RECEIVE_FRAMES)
		g->cwnd += g->cwnd < g->ssthresh ? 1 : 1 / g->cwnd;
	delivered(w, i);
}

static void lost(struct world *w, struct guest *g)
{
	uint64_t now_ns = w->sim.now_ns;

	w->lost++;
	g->in_flight--;
	g->resend++;
	if (now_ns < g->cut_ns)
		return;
	g->ssthresh = g->cwnd * 0.7 < 2 ? 2 : g->cwnd * 0.7;
	g->cwnd = g->ssthresh;
	g->cut_ns = now_ns + RTT_NS;
	if (g->in_flight >= 3)
		return;
	g->cwnd = 1; // too few follow to tell of the loss
	g->mute_ns = now_ns + RTO_NS / scale();
}

static void hear(struct world *w)
{
	while (w->head != w->tail && w->acks[w->head % N_ACKS].at_ns <= w->sim.now_ns) {
		struct ack a = w->acks[w->head++ % N_ACKS];

		if (a.news == ACKED)
			acked(w, a.guest);
		else
			lost(w, &w->guests[a.guest]);
		w->wake_ns[a.guest] = 0;
	}
}

// What the server has ready and the window lets go. returns when to look again
static uint64_t send_frames(struct world *w, uint32_t i)
{
	struct guest *g = &w->guests[i];
	uint32_t src = g->booting ? i : w->p.n_boots + i;

	if (w->sim.now_ns < g->mute_ns)
		return g->mute_ns;
	while (g->in_flight < (uint32_t)g->cwnd && g->in_flight < RECEIVE_FRAMES) {
		struct op *o = &g->ops[g->n_served % N_OPS];
		uint64_t n_refused = w->sim.srcs[src].n_refused;

		if (g->resend != 0) {
			g->resend--;
		} else if (g->n_served == g->n_asked) {
			return UINT64_MAX;
		} else if (o->ready_ns > w->sim.now_ns) {
			return o->ready_ns;
		} else if (++g->of_served == o->n_frames) {
			g->of_served = 0;
			g->n_served++;
		}
		g->in_flight++;
		sim_offer(&w->sim, src);
		if (w->sim.srcs[src].n_refused != n_refused)
			tell(w, i, LOST);
	}
	return UINT64_MAX;
}

static void turn(struct sim *sim)
{
	struct world *w = sim->user;

	hear(w);
	for (uint32_t i = 0; i < w->p.n_boots; i++) {
		struct guest *g = &w->guests[i];

		if (w->wake_ns[i] > sim->now_ns)
			continue;
		if (g->depth == 0)
			power_on(w, i);
		else if (g->os_ns != 0 && !g->told_login && g->os_ns <= sim->now_ns)
			start_os(w, i);
		w->wake_ns[i] = send_frames(w, i);
		if (g->os_ns > sim->now_ns)
			w->wake_ns[i] = g->os_ns;
	}
}

static void sent(struct sim *sim, struct sim_pkt *p)
{
	struct world *w = sim->user;

	if (p->src < STEADY_SRC(w))
		tell(w, p->src % w->p.n_boots, ACKED);
}

static void dropped(struct sim *sim, struct sim_pkt *p)
{
	struct world *w = sim->user;

	if (p->src < STEADY_SRC(w))
		tell(w, p->src % w->p.n_boots, LOST);
}

// --- the switch

static void changed(void *ctx, const struct qos_phase_change *c)
{
	struct world *w = ctx;
	struct guest *g = &w->guests[c->vm_idx - 1];

	g->booting = c->to == QOS_PHASE_BOOT_FW || c->to == QOS_PHASE_BOOT_OS;
	if (c->deadline_ns > 1 && g->done_ns == 0)
		g->deadline_ns = c->deadline_ns;
	if (!w->p.fifo && !w->p.fair)
		assert_int_equal(qos_sched_set_deadline(w->sim.s, c->vm_idx, BOOT,
							c->deadline_ns > 1 ? c->deadline_ns : 0,
							w->sim.now_ns),
				 0);
}

static void tick(struct world *w)
{
	uint16_t vms[MAX_BOOTS];
	uint32_t n = qos_phases_booting(w->phases, vms, MAX_BOOTS);
	struct qos_leaf_stats st;

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(qos_sched_leaf_stats(w->sim.s, vms[i], BOOT, &st), 0);
		if (!w->p.fifo) // whose frames are nobody's
			qos_phases_bytes(w->phases, vms[i], st.sent_bytes, w->sim.now_ns);
	}
	qos_phases_tick(w->phases, w->sim.now_ns);
}

// The defaults of the configuration, with reservations and limits as in the documentation.
static void policy(struct world *w)
{
	struct qos_class_params boot = { .node = sim_node(16, BOOT_BITS, BOOT_LIMIT_BITS),
					 .codel = { .target_ns = 10 * SIM_MS,
						    .interval_ns = 100 * SIM_MS },
					 .max_leaf_bytes = 1u << 20,
					 .max_wait_ns = 200 * SIM_MS };
	struct qos_class_params storage = { .node = sim_node(16, 3 * SIM_G, 9 * SIM_G),
					    .codel = { .target_ns = 2 * SIM_MS,
						       .interval_ns = 20 * SIM_MS },
					    .max_leaf_bytes = 2u << 20,
					    .max_wait_ns = 200 * SIM_MS };
	struct qos_class_params bulk = { .node = sim_node(4, BULK_BITS, 0),
					 .codel = { .target_ns = 5 * SIM_MS,
						    .interval_ns = 50 * SIM_MS },
					 .max_leaf_bytes = 1u << 20,
					 .max_wait_ns = 100 * SIM_MS };
	struct qos_node_params own = sim_node(1, STEADY_BITS, 0);
	struct sim *sim = &w->sim;

	if (w->p.fifo) {
		bulk = (struct qos_class_params){ .node = sim_node(1, 0, 0),
						  .max_leaf_bytes = 1000 * 1538 };
		assert_int_equal(qos_sched_set_class(sim->s, BULK, &bulk, sim->now_ns), 0);
		return;
	}
	assert_int_equal(qos_sched_set_class(sim->s, BOOT, &boot, sim->now_ns), 0);
	assert_int_equal(qos_sched_set_class(sim->s, STORAGE, &storage, sim->now_ns), 0);
	assert_int_equal(qos_sched_set_class(sim->s, BULK, &bulk, sim->now_ns), 0);
	for (uint32_t i = 0; i < N_STEADY; i++)
		assert_int_equal(qos_sched_set_leaf(sim->s, 1 + w->p.n_boots + i, STORAGE, &own,
						    sim->now_ns),
				 0);
}

// An open source, at a mean rate. Without QoS all are one queue.
static void source(struct world *w, uint32_t src, uint32_t vm, uint32_t cls)
{
	w->sim.srcs[src] = (struct sim_src){ .vm_idx = (uint16_t)(w->p.fifo ? 0 : vm),
					     .cls = (uint8_t)(w->p.fifo ? BULK : cls),
					     .min_bytes = 1514,
					     .max_bytes = 1514 };
}

static void open_source(struct world *w, uint32_t src, double bits)
{
	uint64_t mean_ns = (uint64_t)(1538 * 8e9 / bits);

	w->sim.srcs[src].period_ns = mean_ns / 2;
	w->sim.srcs[src].jitter_ns = (uint32_t)mean_ns;
	w->sim.srcs[src].next_ns = w->sim.now_ns + src * mean_ns / 128;
}

// 85 to 200 MB, evenly; all are switched on within 200 ms.
static void guests(struct world *w)
{
	for (uint32_t i = 0; i < w->p.n_boots; i++) {
		struct guest *g = &w->guests[i];
		uint64_t bytes = MIN_BYTES + sim_random(&w->sim) % (MAX_BYTES - MIN_BYTES);
		uint32_t n_frames = (uint32_t)(bytes / MSS_BYTES / scale());

		w->n_frames += n_frames;
		*g = (struct guest){ .fw_left = n_frames / 8,
				     .left = n_frames - n_frames / 8,
				     .fw_depth = 1 + (uint32_t)sim_random(&w->sim) % 4,
				     .os_depth = 8 + (uint32_t)sim_random(&w->sim) % 25,
				     .nfs = i % 3 == 2,
				     .cwnd = 10,
				     .ssthresh = 1e9 };
		if (w->p.glutton && i == 0)
			g->left = UINT32_MAX;
		w->wake_ns[i] = w->began_ns + sim_random(&w->sim) % (200 * SIM_MS / scale());
		source(w, i, 1 + i, BOOT);
		source(w, w->p.n_boots + i, 1 + i, STORAGE);
	}
}

static void world_begin(struct world *w, const struct params *p)
{
	uint32_t n_vms = 1 + p->n_boots + N_STEADY + N_BULK;
	struct qos_sched_params params = {
		.rate_bits_per_s = PACED_BITS, .n_vms = n_vms, .n_flows = 4, .late_ns = 6000
	};
	struct qos_phase_params phases = { .n_vms = 1 + p->n_boots,
					   .window = p->window,
					   .deadline_ns = p->deadline_ns,
					   .max_ns = QOS_PHASE_MAX_NS / scale(),
					   .max_bytes = QOS_PHASE_MAX_BYTES / scale(),
					   .quiet_ns = QOS_PHASE_QUIET_NS / scale(),
					   .quiet_bytes = QOS_PHASE_QUIET_BYTES / scale() };

	*w = (struct world){ .p = *p, .steady_least = 1e9, .bulk_least = 1e9 };
	sim_init(&w->sim, &params, 2 * p->n_boots + N_STEADY + N_BULK, p->seed);
	w->sim.burst = 8;
	w->sim.turn_ns = 1000;
	w->sim.turn_jitter_ns = 3000;
	w->sim.nic = (struct sim_nic){ .rate_bits_per_s = LINK_BITS, .max_bytes = RING_BYTES };
	w->sim.turn = turn;
	w->sim.sent = sent;
	w->sim.dropped = dropped;
	w->sim.user = w;
	w->began_ns = w->sim.now_ns;
	w->waits_ns = calloc(MAX_WAITS, sizeof(uint64_t));
	assert_non_null(w->waits_ns);
	assert_int_equal(qos_phases_create(&phases, changed, w, &w->phases), 0);
	policy(w);
	guests(w);
	for (uint32_t i = 0; i < N_STEADY; i++) {
		source(w, STEADY_SRC(w) + i, 1 + p->n_boots + i, STORAGE);
		open_source(w, STEADY_SRC(w) + i, 1.25 * STEADY_BITS);
		w->sim.srcs[STEADY_SRC(w) + i].waits_ns = w->waits_ns + i * (MAX_WAITS / N_STEADY);
		w->sim.srcs[STEADY_SRC(w) + i].max_waits = MAX_WAITS / N_STEADY;
	}
	for (uint32_t i = 0; i < N_BULK; i++) {
		source(w, BULK_SRC(w) + i, 1 + p->n_boots + N_STEADY + i, BULK);
		if (p->bulk)
			open_source(w, BULK_SRC(w) + i, 2.0 * LINK_BITS / N_BULK);
	}
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

// The worst window of each running machine, and of bulk as a whole, beside what is reserved.
static void floors(struct world *w)
{
	double per_s = 8e9 / (double)window_ns();
	uint64_t bulk = 0;

	w->n_windows++;
	for (uint32_t i = STEADY_SRC(w); i < BULK_SRC(w); i++)
		w->steady_least = least(w->steady_least, (double)w->sim.srcs[i].window_bytes *
								 per_s / (double)STEADY_BITS);
	for (uint32_t i = BULK_SRC(w); i < w->sim.n_srcs; i++)
		bulk += w->sim.srcs[i].window_bytes;
	w->bulk_least = least(w->bulk_least, (double)bulk * per_s / (double)BULK_BITS);
	sim_windows_reset(&w->sim);
}

static void world_end(struct world *w, struct figures *f)
{
	uint64_t *took_ns = calloc(w->p.n_boots, sizeof(uint64_t)), last_ns = w->began_ns;
	struct qos_phase_counts counts;
	uint32_t n = 0;

	assert_non_null(took_ns);
	assert_true(w->n_windows >= 2);
	*f = (struct figures){ .steady_least = w->steady_least,
			       .bulk_least = w->bulk_least,
			       .done = w->n_done,
			       .read = (double)w->n_delivered / (double)w->n_frames,
			       .lost = w->lost };
	qos_phases_counts(w->phases, &counts);
	f->over_bytes = (uint32_t)counts.over_bytes;
	for (uint32_t i = 0; i < w->p.n_boots; i++) {
		struct guest *g = &w->guests[i];
		uint64_t end_ns = g->done_ns != 0 ? g->done_ns : w->sim.now_ns;

		took_ns[i] = end_ns - g->start_ns;
		last_ns = end_ns > last_ns ? end_ns : last_ns;
		f->given += g->deadline_ns != 0;
		f->met += g->deadline_ns != 0 && g->done_ns != 0 && g->done_ns <= g->deadline_ns;
	}
	f->makespan_s = (double)(last_ns - w->began_ns) / 1e9;
	f->p50_s = (double)sim_quantile(took_ns, w->p.n_boots, 0.5) / 1e9;
	f->p99_s = (double)sim_quantile(took_ns, w->p.n_boots, 0.99) / 1e9;
	for (uint32_t i = STEADY_SRC(w); i < BULK_SRC(w); i++) {
		memmove(w->waits_ns + n, w->sim.srcs[i].waits_ns,
			w->sim.srcs[i].n_waits * sizeof(uint64_t));
		n += w->sim.srcs[i].n_waits;
	}
	f->steady_p99_us = (double)sim_quantile(w->waits_ns, n, 0.99) / 1e3;
	qos_phases_destroy(w->phases);
	sim_fini(&w->sim);
	free(took_ns);
	free(w->waits_ns);
}

// Until all have read what they read, or most_s are over.
static struct figures storm(struct params p, double most_s)
{
	static struct world w;
	struct figures f;
	uint64_t floors_ns, tick_ns;
	uint32_t n = p.n_boots - p.glutton;

	world_begin(&w, &p);
	floors_ns = w.began_ns + window_ns();
	tick_ns = w.began_ns;
	while ((w.n_done < n || (p.glutton && w.guests[0].booting)) &&
	       (double)(w.sim.now_ns - w.began_ns) < most_s * 1e9) {
		sim_run(&w.sim, floors_ns < tick_ns ? floors_ns : tick_ns);
		if (w.sim.now_ns >= floors_ns) {
			floors(&w);
			floors_ns = floors_ns + window_ns();
		}
		if (w.sim.now_ns >= tick_ns) {
			tick(&w);
			tick_ns = w.sim.now_ns + 100 * SIM_MS / scale();
		}
	}
	world_end(&w, &f);
	return f;
}

static struct figures print(const char *what, struct params p, double most_s)
{
	struct figures f = storm(p, most_s);

	sim_print(
		"E13: %2u VMs, %-30s: %.2f s, boots p50 %.2f, p99 %.2f s, %.1f %% read; "
		"deadline %.2f s met by %u of %u; %llu lost; running VMs %.3f of their floor, p99 "
		"wait %.0f us; bulk %.2f\n",
		p.n_boots, what, f.makespan_s, f.p50_s, f.p99_s, 100 * f.read,
		(double)p.deadline_ns / 1e9, f.met, f.given, (unsigned long long)f.lost,
		f.steady_least, f.steady_p99_us, f.bulk_least);
	return f;
}

// What the machines of one window need at most when the class has its reservation and nothing else.
// (For the mean of their sizes, 6.1 s at full size, 63 of 64 make it.)
static uint64_t tight_ns(void)
{
	return QOS_PHASE_WINDOW * MAX_BYTES * 8 * 1000 / (BOOT_BITS / SIM_MS) / scale();
}

static uint64_t seed = 701;

static struct params params(uint32_t n_boots)
{
	return (struct params){ .n_boots = n_boots,
				.window = QOS_PHASE_WINDOW,
				.deadline_ns = tight_ns(),
				.seed = seed,
				.bulk = true,
				.told = true };
}

static void check(const struct figures *f, uint32_t n_boots)
{
	assert_int_equal(f->done, n_boots);
	assert_true(f->given >= (n_boots < QOS_PHASE_WINDOW ? n_boots : QOS_PHASE_WINDOW));
	assert_true(f->met * 100 >= f->given * 99);
	assert_true(f->steady_least >= 0.99);
}

// The marks of the issue: makespan 1.10 times that without bulk, 99 % of deadlines, floors.
static void e13_storm(uint32_t n_boots)
{
	struct params p = params(n_boots);
	struct figures alone, loaded;

	p.bulk = false;
	alone = print("no bulk", p, 60);
	check(&alone, n_boots);
	p.bulk = true;
	loaded = print("bulk at 2x", p, 60);
	check(&loaded, n_boots);
	assert_true(loaded.given * 10 >= n_boots * 9); // others are done before they are let in
	assert_true(loaded.makespan_s <= 1.10 * alone.makespan_s);
	assert_true(loaded.bulk_least >= 0.99);
}

static void e13_a_storm_of_16(void **state)
{
	(void)state;
	e13_storm(16);
}

static void e13_a_storm_of_64(void **state)
{
	(void)state;
	e13_storm(64);
}

// Nobody tells when a boot is complete, so places are freed when storage is quiet.
static void e13_boots_that_end_when_they_are_quiet(void **state)
{
	struct params p = params(64);
	struct figures f;

	(void)state;
	p.told = false;
	f = print("bulk, ends by quiet", p, 60);
	check(&f, 64);
	if (getenv("SIM_PRINT") == NULL)
		return;
	p.deadline_ns = QOS_PHASE_DEADLINE_NS / scale();
	f = print("bulk, quiet, default deadline", p, 60);
	check(&f, 64);
}

// What the window is worth: without it the same bytes take as long, and many are late. The rest is
// for comparison, when figures are printed.
static void e13_without_a_window_many_are_late(void **state)
{
	struct params p = params(64);
	struct figures f;

	(void)state;
	p.window = QOS_PHASE_MAX_WINDOW;
	f = print("bulk, no window", p, 60);
	assert_int_equal(f.done, 64);
	assert_true(f.met * 4 < f.given * 3);
	if (getenv("SIM_PRINT") == NULL)
		return;
	p.fair = true;
	f = print("bulk, no window, no deadlines", p, 60);
	assert_true(f.met * 2 < f.given);
	p.fifo = true;
	(void)print("bulk, QoS off: one FIFO", p, 5 * f.makespan_s);
	p.bulk = false;
	(void)print("no bulk, QoS off: one FIFO", p, 60);
}

// One of them reads without end. It costs the others no deadline and the running ones nothing, and
// is a booting machine until it has read the most that one may.
static void e13_a_glutton_is_cut_off(void **state)
{
	struct params p = params(16);
	struct figures f;

	(void)state;
	p.glutton = true;
	f = print("bulk, one never ends", p, 60);
	assert_int_equal(f.done, 15);
	assert_true(f.met == 15 && f.given == 16);
	assert_true(f.steady_least >= 0.99 && f.bulk_least >= 0.99);
	assert_int_equal(f.over_bytes, 1);
}

// With an argument: that seed.
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e13_a_storm_of_16),
		cmocka_unit_test(e13_a_storm_of_64),
		cmocka_unit_test(e13_boots_that_end_when_they_are_quiet),
		cmocka_unit_test(e13_without_a_window_many_are_late),
		cmocka_unit_test(e13_a_glutton_is_cut_off),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
