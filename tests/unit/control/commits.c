// Commits under traffic: a real worker carries numbered frames between ports that no commit
// touches, while everything around them comes, changes and goes through ctl_apply. None of those
// frames may be lost, doubled, reordered or sent elsewhere, and nothing may grow: no memory, no
// descriptor, no buffer. Source and sink are links of this file's own driver, so they run inside
// the worker, at half of what it was seen to carry.
//
// 200 commits, or as many as WEIR_COMMITS says (tests/long/commits.sh).
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "../unit.h"
#include "control_priv.h"
#include "weir_log.h"

// The address sanitizer keeps freed memory for a while, so what is resident grows.
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

enum {
	N_STEADY = 8, // s0..s7; frames go from i to i ^ 2, which one of two workers both own
	N_OTHERS = 6, // t0..t5
	N_VMS = 3,
	N_FLOWS = 2, // per steady port: bulk and storage
	TRUNK = 3,   // the steady port whose frames are tagged
	L3_BYTES = 86,
	JSON_MAX = 1 << 16,
	HEAP_SLACK = 256,
};

enum phase { LEARN, FULL_SPEED, CHECK, SILENT };

static const uint8_t magic[8] = "steady!";
static const uint32_t steady_vlan[N_STEADY] = { 10, 20, 10, 20, 10, 30, 10, 30 };

struct link {
	struct rte_mempool *pool;
	int id; // of a steady port; -1 = another
	// worker only
	uint32_t n_polls, turn;
	uint64_t last_tsc, tokens; // 2^-20 frames
};

// Written by the worker that owns the port, read when it has stopped (n_sent at any time).
static struct {
	_Atomic uint64_t n_sent;
	uint64_t n_lost, n_early, n_stray;
	uint64_t next[N_FLOWS];	  // number of the next frame sent
	uint64_t wanted[N_FLOWS]; // and of the next one taken
} seen[N_STEADY];

static _Atomic int phase;
static _Atomic uint64_t tokens_per_tsc; // of one port, 2^-20 frames; 0 = no limit
static _Atomic int links_alive;

static int t_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return weir_err_set(err, -ENOMEM, "port %s: out of memory", p->name);
	l->pool = p->pool;
	l->id = sscanf(p->args, "steady%d", &l->id) == 1 ? l->id : -1;
	l->last_tsc = rte_rdtsc();
	atomic_fetch_add(&links_alive, 1);
	*out = l;
	return 0;
}

static void t_destroy(void *link)
{
	free(link);
	atomic_fetch_sub(&links_alive, 1);
}

static uint32_t t_zero(void *link)
{
	(void)link;
	return 0;
}

static bool t_up(void *link)
{
	(void)link;
	return true;
}

static void t_status(void *link, struct dp_link_status *out)
{
	(void)link;
	*out = (struct dp_link_status){ .up = true, .attached = true, .n_rxq = 1, .n_txq = 1 };
}

static void t_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// MAC 02:00:00:00:01:ID, address 10.VLAN.0.ID + 1; flow 1 is TCP to a declared portal.
static void steady_fill(struct rte_mbuf *m, struct link *l, uint32_t flow)
{
	bool tagged = l->id == TRUNK;
	uint32_t vlan = steady_vlan[l->id];
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(14 + 4 * tagged + L3_BYTES));

	if (p == NULL)
		abort();
	memset(p, 0, 14 + 4 + L3_BYTES);
	p[0] = p[6] = 2;
	p[4] = p[10] = 1;
	p[5] = (uint8_t)(l->id ^ 2);
	p[11] = (uint8_t)l->id;
	if (tagged) {
		put16(p + 12, 0x8100);
		put16(p + 14, vlan);
	}
	p += 12 + 4 * tagged;
	put16(p, 0x0800);
	p += 2;
	p[0] = 0x45;
	put16(p + 2, L3_BYTES);
	p[8] = 64;
	p[9] = flow == 1 ? 6 : 17;
	p[12] = p[16] = 10;
	p[13] = p[17] = (uint8_t)vlan;
	p[15] = (uint8_t)(l->id + 1);
	p[19] = (uint8_t)((l->id ^ 2) + 1);
	put16(p + 20, 40000);
	put16(p + 22, flow == 1 ? 3260 : 5000);
	if (flow == 1)
		p[32] = 0x50;
	else
		put16(p + 24, L3_BYTES - 20);
	memcpy(p + 40, magic, 8);
	p[48] = (uint8_t)flow;
	memcpy(p + 50, &seen[l->id].next[flow], 8);
	seen[l->id].next[flow]++;
}

// How many frames this poll may bring.
static uint16_t allowance(struct link *l, uint16_t n)
{
	uint64_t now = rte_rdtsc(),
		 rate = atomic_load_explicit(&tokens_per_tsc, memory_order_relaxed);

	if (atomic_load_explicit(&phase, memory_order_relaxed) == SILENT)
		return 0;
	if (rate == 0)
		return n;
	l->tokens += (now - l->last_tsc) * rate;
	l->last_tsc = now;
	if (l->tokens > (uint64_t)n << 20)
		l->tokens = (uint64_t)n << 20;
	n = (uint16_t)(l->tokens >> 20);
	l->tokens -= (uint64_t)n << 20;
	return n;
}

static uint16_t steady_rx(struct link *l, struct rte_mbuf **pkts, uint16_t n)
{
	n = allowance(l, n);
	if (n == 0 || rte_pktmbuf_alloc_bulk(l->pool, pkts, n) != 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		l->turn++; // the flows alternate in runs of several lengths
		steady_fill(pkts[i], l, l->turn >> 3 & l->turn >> 1 & 1);
		dp_meta(pkts[i])->flags = 0;
		dp_meta(pkts[i])->tso_segsz = 0;
	}
	atomic_store_explicit(&seen[l->id].n_sent, seen[l->id].n_sent + n, memory_order_relaxed);
	return n;
}

// The neighbours' noise: to steady ports, to one another, to nobody, to all.
static uint16_t other_rx(struct link *l, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i;

	if (++l->n_polls % 16 != 0 || atomic_load_explicit(&phase, memory_order_relaxed) != CHECK)
		return 0;
	for (i = 0; i < n && i < 4; i++) {
		uint8_t *p;

		pkts[i] = rte_pktmbuf_alloc(l->pool);
		if (pkts[i] == NULL)
			break;
		p = (uint8_t *)rte_pktmbuf_append(pkts[i], 60);
		if (p == NULL)
			abort();
		memset(p, 0, 60);
		p[0] = p[6] = 2;
		p[4] = (uint8_t)(l->turn % 3);
		p[5] = (uint8_t)(l->turn++ % 11);
		if (l->turn % 16 == 0)
			memset(p, 0xff, 6);
		p[10] = 2;
		p[11] = (uint8_t)(uintptr_t)((uintptr_t)l >> 4);
		put16(p + 12, 0x88b5);
		dp_meta(pkts[i])->flags = 0;
		dp_meta(pkts[i])->tso_segsz = 0;
	}
	return i;
}

static uint16_t t_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct link *l = link;

	(void)q;
	return l->id >= 0 ? steady_rx(l, pkts, n) : other_rx(l, pkts, n);
}

static void sink(struct link *l, const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *),
		      *l3 = p + 14 + 4 * (l->id == TRUNK);
	bool checks = atomic_load_explicit(&phase, memory_order_relaxed) >= CHECK;
	uint64_t seq;
	uint8_t flow;

	if (rte_pktmbuf_data_len(m) < 14 + L3_BYTES || memcmp(l3 + 40, magic, 8) != 0)
		return;
	flow = l3[48] & 1;
	if (p[5] != l->id || p[11] != (l->id ^ 2)) {
		seen[l->id].n_stray += checks;
		return;
	}
	memcpy(&seq, l3 + 50, 8);
	if (checks && seq > seen[l->id].wanted[flow])
		seen[l->id].n_lost += seq - seen[l->id].wanted[flow];
	if (checks && seq < seen[l->id].wanted[flow])
		seen[l->id].n_early++; // doubled, or behind one that it should precede
	seen[l->id].wanted[flow] = seq + 1;
}

// A neighbour takes less than it gets, so that its queue stands when it is removed.
static uint16_t t_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	struct link *l = link;
	uint16_t take = l->id < 0 && n > 2 ? n - 1 : n;

	for (uint16_t i = 0; i < take && l->id >= 0; i++)
		sink(l, pkts[i]);
	rte_pktmbuf_free_bulk(pkts, take);
	return take;
}

#define T_DRIVER(name)                                                                             \
	{                                                                                          \
		name, t_create, t_destroy, t_zero, t_rx, t_tx, t_zero, t_up, t_status, t_stats     \
	}
static const struct dp_link_driver t_drivers[] = { T_DRIVER("vhost-user"), T_DRIVER("ethdev") };
static const struct dp_link_driver *const drivers[] = { &t_drivers[0], &t_drivers[1], NULL };

// --- configurations: a few small numbers say what stands around the steady ports.

struct other {
	uint32_t there, vlan, cls, isolated, limit, mirrored, device;
};

struct vm {
	uint32_t there, vlan, addr, method, hostname, ip6;
};

struct around {
	struct other others[N_OTHERS];
	struct vm vms[N_VMS];
	uint32_t trunk; // 0 = no second uplink
	uint32_t portals, servers, services, file, ageing;
	uint32_t steady_limit; // policy of the steady ports themselves
};

static uint64_t dice_state;

static uint32_t dice(uint32_t n)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return (uint32_t)(dice_state >> 33) % n;
}

static void mutate(struct around *a)
{
	struct other *o = &a->others[dice(N_OTHERS)];
	struct vm *v = &a->vms[dice(N_VMS)];
	struct {
		uint32_t *what, n;
	} knobs[] = {
		{ &o->there, 2 },   { &o->there, 2 },	     { &o->there, 2 },
		{ &o->vlan, 4 },    { &o->cls, 7 },	     { &o->isolated, 2 },
		{ &o->device, 3 },  { &o->limit, 3 },	     { &o->mirrored, 2 },
		{ &v->there, 2 },   { &v->there, 2 },	     { &v->vlan, 4 },
		{ &v->addr, 9 },    { &v->method, 3 },	     { &v->hostname, 3 },
		{ &v->ip6, 3 },	    { &a->trunk, 4 },	     { &a->portals, 6 },
		{ &a->servers, 3 }, { &a->services, 3 },     { &a->file, 2 },
		{ &a->ageing, 3 },  { &a->steady_limit, 3 },
	};
	uint32_t k = dice(RTE_DIM(knobs));

	// Another value than it has.
	*knobs[k].what = (*knobs[k].what + 1 + dice(knobs[k].n - 1)) % knobs[k].n;
}

struct text {
	char buf[JSON_MAX];
	size_t at;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->at += (size_t)vsnprintf(t->buf + t->at, sizeof(t->buf) - t->at, fmt, ap);
	va_end(ap);
	assert_true(t->at < sizeof(t->buf));
}

static void interfaces_put(struct text *t, const struct around *a)
{
	static const char *const classes[] = { "bulk",	  "scavenger", "interactive", "latency",
					       "storage", "boot",      "control" };
	static const char *const trunks[] = { "", "\"1-4094\"", "\"10\",\"20-29\"",
					      "\"5\",\"7-9\",\"30\",\"40-49\"" };

	put(t, "\"ietf-interfaces:interfaces\":{\"interface\":[");
	for (uint32_t i = 0; i < N_STEADY; i++)
		put(t,
		    "%s{\"name\":\"s%u\",\"type\":\"weir-interfaces:%s\",\"weir-interfaces:port\":{"
		    "\"device\":\"steady%u\",\"vlan\":%u,\"admit\":{\"broadcast-limit\":%u}}}",
		    i == 0 ? "" : ",", i, i == TRUNK ? "uplink" : "guest", i,
		    i == TRUNK ? 1 : steady_vlan[i], 1000 + a->steady_limit);
	for (uint32_t i = 0; i < N_OTHERS; i++) {
		const struct other *o = &a->others[i];

		if (!o->there)
			continue;
		put(t,
		    ",{\"name\":\"t%u\",\"type\":\"weir-interfaces:guest\",\"weir-interfaces:"
		    "port\":"
		    "{\"device\":\"other%u-%u\",\"vlan\":%u,\"default-class\":\"%s\",\"isolated\":%"
		    "s,"
		    "%s\"admit\":{\"broadcast-limit\":%u,\"unknown-unicast-limit\":%u}}}",
		    i, i, o->device, 10 + 10 * o->vlan, classes[o->cls],
		    o->isolated ? "true" : "false", o->mirrored ? "\"mirror-to\":\"watch\"," : "",
		    o->limit * 1000, o->limit * 500);
	}
	put(t, ",{\"name\":\"watch\",\"type\":\"weir-interfaces:host\",\"weir-interfaces:port\":{"
	       "\"device\":\"watch\",\"mirror-destination\":true}}");
	if (a->trunk != 0)
		put(t,
		    ",{\"name\":\"u\",\"type\":\"weir-interfaces:uplink\",\"weir-interfaces:port\":"
		    "{"
		    "\"device\":\"up\",\"trunk\":[%s]}}",
		    trunks[a->trunk]);
	put(t, "]}");
}

static void vms_put(struct text *t, const struct around *a)
{
	static const char *const methods[] = { "none", "iscsi", "kernel" };

	put(t, ",\"weir-vm:vms\":{\"vm\":[");
	for (uint32_t i = 0; i < 3; i += 2) // two of the steady ports are pinned
		put(t,
		    "%s{\"name\":\"steady%u\",\"nic\":[{\"id\":0,\"mac\":\"02:00:00:00:01:%02x\","
		    "\"interface\":\"s%u\",\"ipv4-address\":[\"10.10.0.%u\"]}]}",
		    i == 0 ? "" : ",", i, i, i, i + 1);
	for (uint32_t i = 0; i < N_VMS; i++) {
		const struct vm *v = &a->vms[i];
		bool serves = a->services > 0 && v->vlan == 3;
		uint32_t method = !serves || (v->method == 2 && !a->file) ? 0 : v->method;

		if (!v->there)
			continue;
		put(t,
		    ",{\"name\":\"v%u\",\"hostname\":\"h%u-%u\",\"nic\":[{\"id\":0,"
		    "\"mac\":\"02:00:00:00:03:%02x\",\"vlan\":%u,\"ipv4-address\":[\"10.40.%u.%"
		    "u\"]",
		    i, i, v->hostname, i, 10 + 10 * v->vlan, 10 + i, 1 + v->addr);
		if (v->ip6 > 0)
			put(t, ",\"ipv6-address\":[\"2001:db8::%x:%x\"]", i, v->ip6);
		put(t, "}],\"boot\":{\"method\":\"%s\"", methods[method]);
		if (method == 1)
			put(t,
			    ",\"iscsi\":{\"server\":\"10.40.0.9\",\"target\":\"iqn.2026-11.x:%u\"}",
			    i);
		if (method == 2)
			put(t, ",\"kernel\":\"vmlinuz\"");
		put(t, "}}");
	}
	put(t, "]}");
}

static void rest_put(struct text *t, const struct around *a)
{
	put(t, ",\"weir-qos:storage\":{\"portal\":[");
	for (uint32_t i = 0; i < N_STEADY; i++)
		put(t, "%s{\"address\":\"10.%u.0.%u\",\"protocol\":\"tcp\",\"port\":3260}",
		    i == 0 ? "" : ",", steady_vlan[i], i + 1);
	for (uint32_t i = 0; i < a->portals; i++)
		put(t, ",{\"address\":\"192.0.2.%u\",\"protocol\":\"tcp\",\"port\":%u}", i + 1,
		    4420 + i);
	put(t, "],\"server\":[");
	for (uint32_t i = 0; i < a->servers; i++)
		put(t, "%s\"198.51.100.%u/32\"", i == 0 ? "" : ",", i + 1);
	put(t, "]},\"weir-vm:boot-services\":{\"service\":[");
	if (a->services > 0)
		put(t,
		    "{\"vlan\":40,\"address\":\"10.40.0.%u\",\"prefix-length\":16,\"domain\":"
		    "\"x\"}",
		    a->services);
	put(t, "]},\"weir-system:system\":{\"max-sleep\":0,\"mac-ageing\":%u}", 100000 + a->ageing);
	if (a->file)
		put(t, ",\"weir-vm:boot-files\":{\"file\":[{\"name\":\"vmlinuz\",\"path\":"
		       "\"/etc/passwd\"}]}");
}

// --- the runs

struct bench {
	struct ctl c;
	struct text t;
	uint64_t ns_applied, n_applied, worst_ns;
};

static void nap_us(long us)
{
	const struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

static void settle(struct bench *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		nap_us(500);
		dp_switch_housekeep(b->c.sw, dp_switch_now_ns());
		ctl_boot_poll(&b->c, dp_switch_now_ns());
	}
}

static void refused(const struct bench *b, const struct cfg_error *err)
{
	fail_msg("refused: %s %s: %s\n%s", err->path, err->value, err->reason, b->t.buf);
}

static struct cfg *load(struct bench *b, const struct around *a)
{
	struct cfg_error err = { 0 };
	struct cfg *next;

	b->t.at = 0;
	put(&b->t, "{");
	interfaces_put(&b->t, a);
	vms_put(&b->t, a);
	rest_put(&b->t, a);
	put(&b->t, "}");
	if (cfg_load(b->c.schema, b->t.buf, b->t.at, &next, &err) < 0)
		refused(b, &err);
	return next;
}

// Also rehearsed: that must find what the commit finds, and touch nothing.
static void apply(struct bench *b, const struct around *a)
{
	struct cfg_error err = { 0 };
	uint64_t start = dp_switch_now_ns(), ns, gen;
	struct cfg *next = load(b, a);
	int links = atomic_load(&links_alive);
	char *plan, *dry_plan;

	ns = dp_switch_now_ns() - start;
	gen = dp_switch_generation(b->c.sw);
	if (ctl_apply(&b->c, next, true, &dry_plan, &err) < 0)
		refused(b, &err);
	assert_int_equal(atomic_load(&links_alive), links);
	assert_int_equal(dp_switch_generation(b->c.sw), gen);
	start = dp_switch_now_ns();
	if (ctl_apply(&b->c, next, false, &plan, &err) < 0)
		refused(b, &err);
	ns += dp_switch_now_ns() - start;
	assert_string_equal(plan, dry_plan);
	b->ns_applied += ns;
	b->n_applied++;
	b->worst_ns = ns > b->worst_ns ? ns : b->worst_ns;
	free(plan);
	free(dry_plan);
}

// What must not grow.
struct stock {
	size_t heap, dpdk, rss_kib;
	uint32_t fds;
	int links;
};

static struct stock stock_take(void)
{
	struct stock s = { .heap = mallinfo2().uordblks, .links = atomic_load(&links_alive) };
	struct rte_malloc_socket_stats st;
	unsigned long pages = 0;
	DIR *d = opendir("/proc/self/fd");
	FILE *f = fopen("/proc/self/statm", "re");

	while (d != NULL && readdir(d) != NULL)
		s.fds++;
	if (d != NULL)
		closedir(d);
	if (f != NULL && fscanf(f, "%*u %lu", &pages) == 1)
		s.rss_kib = pages * (size_t)sysconf(_SC_PAGESIZE) / 1024;
	if (f != NULL)
		fclose(f);
	if (rte_malloc_get_socket_stats(0, &st) == 0)
		s.dpdk = st.heap_allocsz_bytes;
	return s;
}

static uint64_t sum_sent(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < N_STEADY; i++)
		n += seen[i].n_sent;
	return n;
}

// Nobody sends, and what stands leaves, however late the workers are.
static void silence(struct bench *b)
{
	atomic_store(&phase, SILENT);
	for (uint32_t i = 0; i < 20000 && dp_switch_mbufs_in_use(b->c.sw) > 0; i++)
		settle(b, 1);
}

// Learn the addresses; then half of what goes at full speed is the rate for the rest of the run.
static void load_find(struct bench *b)
{
	uint64_t tsc, n;

	atomic_store(&tokens_per_tsc, 1);
	atomic_store(&phase, LEARN);
	settle(b, 100);
	atomic_store(&tokens_per_tsc, 0);
	atomic_store(&phase, FULL_SPEED);
	settle(b, 20);
	tsc = rte_rdtsc();
	n = sum_sent();
	settle(b, 100);
	n = sum_sent() - n;
	tsc = rte_rdtsc() - tsc;
	assert_true(n > 1000);
	atomic_store(&tokens_per_tsc, (n << 20) / tsc / 2 / N_STEADY + 1);
	print_message("  %.2f Mpps is full speed, half of it is the load\n",
		      (double)n * (double)rte_get_tsc_hz() / (double)tsc / 1e6);
	// What was flooded while addresses were learnt leaves first, however late a worker is.
	silence(b);
	atomic_store(&phase, CHECK);
	settle(b, 20);
}

static void expect_undisturbed(void)
{
	for (uint32_t i = 0; i < N_STEADY; i++) {
		// What never came stands at the end: a gap is seen only when something follows.
		for (uint32_t f = 0; f < N_FLOWS; f++)
			seen[i].n_lost += seen[i ^ 2].next[f] - seen[i].wanted[f];
		if (seen[i].n_lost + seen[i].n_early + seen[i].n_stray > 0)
			fail_msg("port s%u: of %lu frames %lu miss, %lu came doubled or late, %lu "
				 "were another's",
				 i, seen[i ^ 2].n_sent, seen[i].n_lost, seen[i].n_early,
				 seen[i].n_stray);
	}
}

static void expect_no_drift(const struct stock *before, const struct stock *after)
{
	print_message("  heap %+ld, DPDK heap %+ld bytes, resident %+ld KiB, descriptors %+d\n",
		      (long)(after->heap - before->heap), (long)(after->dpdk - before->dpdk),
		      (long)(after->rss_kib - before->rss_kib), (int)(after->fds - before->fds));
	assert_int_equal(after->fds, before->fds);
	assert_int_equal(after->links, before->links);
	// DPDK gives a little more than asked for where the rest would be too small to use.
	assert_true(after->dpdk <= before->dpdk + 4096);
	assert_true(after->heap <= before->heap + HEAP_SLACK);
	if (!SANITIZED)
		assert_true(after->rss_kib <= before->rss_kib + 8192);
}

static void switch_create(struct bench *b, uint32_t n_workers)
{
	const struct ctl_eal eal = { .n_workers = n_workers, .worker_lcores = { 1, 2 } };
	const struct cfg_system s = { .packet_buffers = 16384,
				      .mac_table_size = 4096,
				      .queue_len = 512 };
	struct cfg_error err = { 0 };

	b->c.drivers = drivers;
	assert_int_equal(cfg_schema_create(WEIR_YANG_SRC, &b->c.schema, &err), 0);
	assert_int_equal(ctl_switch_create(&b->c, &s, &eal, &err), 0);
	assert_int_equal(ctl_boot_start(&b->c), 0);
}

static void switch_destroy(struct bench *b)
{
	ctl_boot_stop(&b->c);
	dp_switch_destroy(b->c.sw);
	assert_int_equal(atomic_load(&links_alive), 0);
	ctl_vms_free(&b->c);
	cfg_free(b->c.running);
	cfg_schema_destroy(b->c.schema);
	free(b);
}

static void stop_and_check(struct bench *b)
{
	struct weir_err werr;

	silence(b);
	settle(b, 200);
	dp_switch_stop(b->c.sw);
	if (!dp_switch_conserved(b->c.sw, &werr))
		fail_msg("%s", werr.text);
	expect_undisturbed();
	assert_int_equal(dp_switch_mbufs_in_use(b->c.sw), 0);
}

static void commits(struct bench *b, struct around *a, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 1 + dice(3); k > 0; k--)
			mutate(a);
		apply(b, a);
		settle(b, 1 + dice(3));
	}
	apply(b, &(struct around){ 0 });
	settle(b, 40);
}

static void commits_disturb_nothing(uint32_t n_workers)
{
	const char *asked = getenv("WEIR_COMMITS");
	uint32_t n = asked == NULL ? 200 : (uint32_t)strtoul(asked, NULL, 10);
	struct bench *b = calloc(1, sizeof(*b));
	struct stock before, after;
	struct weir_err werr;
	struct around a = { 0 };
	uint64_t sent;

	assert_non_null(b);
	memset(seen, 0, sizeof(seen));
	dice_state = 0x9e3779b97f4a7c15u + n_workers;
	switch_create(b, n_workers);
	apply(b, &(struct around){ 0 });
	assert_int_equal(dp_switch_start(b->c.sw, &werr), 0);
	load_find(b);
	commits(b, &a, 50); // until everything has been there once
	b->ns_applied = b->n_applied = b->worst_ns = 0;
	sent = sum_sent();
	before = stock_take();
	// The steady ports and the watcher are left: what is more is still on its way out.
	for (int i = 0; i < 100 && before.links > N_STEADY + 1; i++, before = stock_take())
		settle(b, 20);
	commits(b, &a, n);
	after = stock_take();
	// What was removed last goes when every worker has looked up, and those wait for a CPU too.
	for (int i = 0; i < 100 && (after.fds > before.fds || after.links > before.links);
	     i++, after = stock_take())
		settle(b, 20);
	if (after.heap > before.heap + HEAP_SLACK) { // libyang's strings once; a leak, again
		before.heap = after.heap;
		commits(b, &a, n);
		after.heap = stock_take().heap;
	}
	sent = sum_sent() - sent;
	print_message("  %lu commits of %lu us (at most %lu), %lu frames past them\n", b->n_applied,
		      b->ns_applied / b->n_applied / 1000, b->worst_ns / 1000, sent);
	assert_true(sent > 100 * b->n_applied);
	expect_no_drift(&before, &after);
	stop_and_check(b);
	switch_destroy(b);
}

#define UPLINK(body)                                                                               \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"type\":"                \
	"\"weir-interfaces:uplink\",\"weir-interfaces:port\":{" body "}}]}}"

// A rehearsal says what the commit would say, and both say it in the same words.
static void a_rehearsal_tells_what_a_commit_would(void **state)
{
	static const struct {
		const char *json, *plan, *reason;
	} rows[] = {
		{ UPLINK("\"device\":\"d0\""), "port u: add\n", NULL },
		{ UPLINK("\"device\":\"d0\",\"mtu\":1600"), NULL, "port u: ethdev d0: options" },
		{ UPLINK("\"device\":\"d0,speed=1\""), NULL, "port u: ethdev d0,speed=1: options" },
		{ UPLINK("\"device\":\"d1\""), "port u: change device (a new link)\n", NULL },
		{ UPLINK("\"tap\":\"t\""), NULL, "no such driver" },
		{ UPLINK("\"socket\":\"/s\""), "port u: change socket (a new link)\n", NULL },
		{ UPLINK("\"socket\":\"/s\",\"mtu\":9000"), "port u: change mtu\n", NULL },
		{ "{}", "port u: remove\n", NULL },
	};
	struct bench *b = calloc(1, sizeof(*b));

	(void)state;
	assert_non_null(b);
	switch_create(b, 1);
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		for (uint32_t dry = 2; dry-- > 0;) {
			struct cfg_error err = { 0 };
			struct cfg *next;
			char *plan = NULL;
			int rc = cfg_load(b->c.schema, rows[i].json, strlen(rows[i].json), &next,
					  &err);

			assert_int_equal(rc, 0);
			rc = ctl_apply(&b->c, next, dry == 1, &plan, &err);
			assert_int_equal(rc < 0, rows[i].reason != NULL);
			if (rc < 0)
				assert_non_null(strstr(err.reason, rows[i].reason));
			else
				assert_string_equal(plan, rows[i].plan);
			if (rc < 0 || dry == 1)
				cfg_free(next);
			free(plan);
			dp_switch_housekeep(b->c.sw, dp_switch_now_ns());
			assert_true(atomic_load(&links_alive) <= 1);
		}
	}
	switch_destroy(b);
}

static void one_worker(void **state)
{
	(void)state;
	commits_disturb_nothing(1);
}

static void two_workers(void **state)
{
	(void)state;
	commits_disturb_nothing(2);
}

// libc's per-thread caches count as memory in use and hide what leaks: start again without them.
static void caches_off(char **argv)
{
	const char *name = "GLIBC_TUNABLES", *off = "glibc.malloc.tcache_count=0";

	if (getenv(name) == NULL && setenv(name, off, 1) == 0)
		execv("/proc/self/exe", argv);
}

int main(int own_argc, char **own_argv)
{
	const char *argv[] = { "unit",
			       "--no-huge",
			       "--no-shconf",
			       "-m",
			       "320",
			       "--no-pci",
			       "--no-telemetry",
			       "--lcores",
			       "0@(0,1),1@(0,1),2@(0,1)",
			       "--log-level=*:error" };
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_rehearsal_tells_what_a_commit_would),
					    cmocka_unit_test(one_worker),
					    cmocka_unit_test(two_workers) };

	(void)own_argc;
	caches_off(own_argv);
	weir_log_set_level(WEIR_ERROR);
	if (rte_eal_init(RTE_DIM(argv), (char **)(uintptr_t)argv) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
