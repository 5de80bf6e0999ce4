#include "of_meter_priv.h"
#include "of_chain_priv.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_NS 10000000u   // how often a worker looks at its part of the rates
#define BURST_PER_S 10u	    // of a band that says nothing: what 1/10 s makes
#define ONE 65536u	    // the whole rate
#define UNIT QOS_METER_BYTE // credit: bit/s times ns; a packet is a byte of the bucket

// What a band says. Credit is at most QOS_METER_MAX_BURST_BYTES of bytes or packets.
struct band {
	uint64_t bits_per_s; // 8 x packets/s
	int64_t cap;
	uint8_t at; // its place in what was configured
	bool is_remark;
	uint8_t prec_level;
};

// What a meter says. Immutable.
struct dp_of_meter_view {
	uint64_t dead[4];
	uint64_t serial; // never 0, never used twice
	bool by_pkts;
	uint8_t n_bands;
	struct band bands[DP_OF_BANDS]; // the highest rate first
};

// A meter at one worker.
struct meter_pw {
	// worker: w, main: r, release/acquire; of the view that the counters of bands are for
	_Atomic uint64_t serial;
	struct dp_of_tally in, bands[DP_OF_BANDS];
	// Worker only, by the bands' places in the configuration.
	uint64_t at_ns;		       // credit was earned up to here
	uint64_t looked_ns;	       // at its part
	uint64_t seen[DP_MAX_WORKERS]; // what each was offered by then
	uint32_t part;		       // of ONE
	uint8_t n_bands;
	int64_t credit[DP_OF_BANDS];
} __rte_cache_aligned;

struct dp_of_meter {
	uint64_t dead[4];
	// main: w, worker: r, release/acquire
	_Atomic(struct dp_of_meter *) next;
	_Atomic(struct dp_of_meter_view *) view;
	uint32_t id;
	struct meter_pw pw[];
};

struct dp_of_meters {
	struct dp_of_meters_params p;
	uint64_t serial;
	uint32_t n_meters, mask;
	// main: w, worker: r, release/acquire
	_Atomic(struct dp_of_meter *) chains[];
};

// --- main

static uint32_t chain_of(const struct dp_of_meters *ms, uint32_t meter)
{
	return dp_of_chain_of(meter, ms->mask);
}

static struct dp_of_meter *find(const struct dp_of_meters *ms, uint32_t meter)
{
	struct dp_of_meter *m =
		atomic_load_explicit(&ms->chains[chain_of(ms, meter)], memory_order_acquire);

	while (m != NULL && m->id != meter)
		m = atomic_load_explicit(&m->next, memory_order_acquire);
	return m;
}

static struct band band_of(const struct dp_of_band *b, uint32_t at, uint32_t flags)
{
	// In bytes, or packets.
	uint64_t rate = (flags & DP_OF_PKTPS) != 0 ? b->rate : b->rate * 125ull;
	uint64_t burst = (flags & DP_OF_PKTPS) != 0 ? b->burst : b->burst * 125ull;

	if ((flags & DP_OF_BURST) == 0)
		burst = rate / BURST_PER_S;
	burst = RTE_MIN(RTE_MAX(burst, 1), QOS_METER_MAX_BURST_BYTES);
	return (struct band){
		.bits_per_s = rate * 8,
		.cap = (int64_t)(burst * UNIT),
		.at = (uint8_t)at,
		.is_remark = b->is_remark != 0,
		.prec_level = b->prec_level,
	};
}

static struct dp_of_meter_view *view_make(struct dp_of_meters *ms, uint32_t flags,
					  const struct dp_of_band *bands, uint32_t n_bands)
{
	struct dp_of_meter_view *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->serial = ++ms->serial;
	v->by_pkts = (flags & DP_OF_PKTPS) != 0;
	for (uint32_t i = 0; i < n_bands; i++) {
		struct band b = band_of(&bands[i], i, flags);
		uint32_t at = v->n_bands++;

		for (; at > 0 && v->bands[at - 1].bits_per_s < b.bits_per_s; at--)
			v->bands[at] = v->bands[at - 1];
		v->bands[at] = b;
	}
	return v;
}

static struct dp_of_meter *meter_make(struct dp_of_meters *ms, uint32_t id)
{
	size_t size = sizeof(struct dp_of_meter) + ms->p.n_workers * sizeof(struct meter_pw);
	struct dp_of_meter *m = dp_of_lines_alloc(size);

	if (m != NULL)
		m->id = id;
	return m;
}

static void meter_link(struct dp_of_meters *ms, struct dp_of_meter *m)
{
	_Atomic(struct dp_of_meter *) *chain = &ms->chains[chain_of(ms, m->id)];

	atomic_init(&m->next, atomic_load_explicit(chain, memory_order_relaxed));
	atomic_store_explicit(chain, m, memory_order_release);
	ms->n_meters++;
}

int dp_meters_set(struct dp_of_meters *ms, uint32_t meter, uint32_t flags,
		  const struct dp_of_band *bands, uint32_t n_bands)
{
	uint32_t unit = flags & (DP_OF_KBPS | DP_OF_PKTPS);
	struct dp_of_meter *m = find(ms, meter);
	struct dp_of_meter_view *v, *was;

	if (n_bands > DP_OF_BANDS || unit == 0 || unit == (DP_OF_KBPS | DP_OF_PKTPS))
		return -EINVAL;
	if (m == NULL && ms->n_meters >= ms->p.max_meters)
		return -ENOSPC;
	v = view_make(ms, flags, bands, n_bands);
	if (v == NULL)
		return -ENOMEM;
	if (m == NULL) {
		m = meter_make(ms, meter);
		if (m == NULL) {
			free(v);
			return -ENOMEM;
		}
		atomic_init(&m->view, v);
		meter_link(ms, m);
		return 0;
	}
	was = atomic_load_explicit(&m->view, memory_order_relaxed);
	atomic_store_explicit(&m->view, v, memory_order_release);
	ms->p.retire(ms->p.arg, was);
	return 0;
}

void dp_meters_del(struct dp_of_meters *ms, uint32_t meter)
{
	_Atomic(struct dp_of_meter *) *at = &ms->chains[chain_of(ms, meter)];
	struct dp_of_meter *m = find(ms, meter), *here;

	if (m == NULL)
		return;
	while ((here = atomic_load_explicit(at, memory_order_relaxed)) != m)
		at = &here->next;
	atomic_store_explicit(at, atomic_load_explicit(&m->next, memory_order_relaxed),
			      memory_order_release);
	ms->n_meters--;
	ms->p.retire(ms->p.arg, atomic_load_explicit(&m->view, memory_order_relaxed));
	ms->p.retire(ms->p.arg, m);
}

void dp_meters_free(void *mem)
{
	free(mem);
}

int dp_meters_create(const struct dp_of_meters_params *p, struct dp_of_meters **out)
{
	uint32_t n = dp_of_chains(p->max_meters);
	struct dp_of_meters *ms;

	ms = calloc(1, sizeof(*ms) + n * sizeof(ms->chains[0]));
	if (ms == NULL)
		return -ENOMEM;
	ms->p = *p;
	ms->mask = n - 1;
	*out = ms;
	return 0;
}

void dp_meters_destroy(struct dp_of_meters *ms)
{
	for (uint32_t i = 0; ms != NULL && i <= ms->mask; i++) {
		struct dp_of_meter *m = ms->chains[i], *next;

		for (; m != NULL; m = next) {
			next = m->next;
			free(m->view);
			free(m);
		}
	}
	free(ms);
}

int dp_meters_count(const struct dp_of_meters *ms, uint32_t meter, struct dp_of_meter_count *out)
{
	const struct dp_of_meter *m = find(ms, meter);

	*out = (struct dp_of_meter_count){ 0 };
	if (m == NULL)
		return -ENOENT;
	for (uint32_t i = 0; i < ms->p.n_workers; i++) {
		const struct meter_pw *pw = &m->pw[i];
		uint64_t serial = atomic_load_explicit(&pw->serial, memory_order_acquire);

		dp_of_tally_sum(&pw->in, &out->in);
		if (serial != atomic_load_explicit(&m->view, memory_order_relaxed)->serial)
			continue; // it has not met the bands yet
		for (uint32_t b = 0; b < DP_OF_BANDS; b++)
			dp_of_tally_sum(&pw->bands[b], &out->bands[b]);
	}
	return 0;
}

// --- worker

static uint64_t offered(const struct dp_of_meter *m, uint32_t worker, bool by_pkts)
{
	const struct dp_of_tally *in = &m->pw[worker].in;

	return atomic_load_explicit(by_pkts ? &in->n_pkts : &in->n_bytes, memory_order_relaxed);
}

// The worker's part of the rates: what it was offered, of all, since it looked before.
static void look(const struct dp_of_meters *ms, struct dp_of_meter *m, uint32_t self,
		 uint64_t now_ns, bool by_pkts)
{
	struct meter_pw *pw = &m->pw[self];
	uint64_t sum = 0, mine = 0;

	for (uint32_t i = 0; i < ms->p.n_workers; i++) {
		uint64_t is = offered(m, i, by_pkts);

		sum += is - pw->seen[i];
		mine = i == self ? is - pw->seen[i] : mine;
		pw->seen[i] = is;
	}
	pw->looked_ns = now_ns;
	pw->part =
		sum == 0 ? ONE / ms->p.n_workers : (uint32_t)((unsigned __int128)mine * ONE / sum);
}

// Bands are others now: what was earned or is owed stays, a band that is new begins full.
static void follow(struct meter_pw *pw, const struct dp_of_meter_view *v)
{
	for (uint32_t i = 0; i < v->n_bands; i++) {
		const struct band *b = &v->bands[i];

		if (b->at >= pw->n_bands || pw->credit[b->at] > b->cap)
			pw->credit[b->at] = b->cap;
	}
	pw->n_bands = v->n_bands;
	for (uint32_t i = 0; i < DP_OF_BANDS; i++) {
		atomic_store_explicit(&pw->bands[i].n_pkts, 0, memory_order_relaxed);
		atomic_store_explicit(&pw->bands[i].n_bytes, 0, memory_order_relaxed);
		atomic_store_explicit(&pw->bands[i].used_ns, 0, memory_order_relaxed);
	}
	atomic_store_explicit(&pw->serial, v->serial, memory_order_release);
}

static void earn(struct meter_pw *pw, const struct dp_of_meter_view *v, uint64_t now_ns)
{
	uint64_t ns = now_ns - pw->at_ns;

	if ((int64_t)ns <= 0)
		return;
	pw->at_ns = now_ns;
	for (uint32_t i = 0; i < v->n_bands; i++) {
		const struct band *b = &v->bands[i];
		uint64_t rate = pw->part == ONE ? b->bits_per_s : b->bits_per_s * pw->part / ONE;
		__int128 sum = (__int128)ns * rate + pw->credit[b->at];

		pw->credit[b->at] = sum > b->cap ? b->cap : (int64_t)sum;
	}
}

// Raise the drop precedence of AFxy, which is 8x + 2y. A class selector CSx, which is 8x, has none:
// it goes down by classes, down to CS1, since a lower one is the one to be dropped first (RFC 2474
// 4.2.2.2); best effort stays.
static void remark(struct rte_mbuf *m, uint32_t levels)
{
	const struct dp_parse *p = &dp_meta(m)->p;
	uint32_t class = p->dscp >> 3, precedence = p->dscp >> 1 & 3;

	if ((p->flags & (DP_PF_IP4 | DP_PF_IP6)) == 0 || class < 1)
		return;
	if ((p->dscp & 7) == 0) {
		dp_mark_dscp(m, (uint8_t)((class > levels ? class - levels : 1) << 3));
		return;
	}
	if (class > 4 || precedence == 0 || (p->dscp & 1) != 0)
		return;
	precedence = RTE_MIN(precedence + levels, 3);
	dp_mark_dscp(m, (uint8_t)(class << 3 | precedence << 1));
}

// The band that the frame is over: the highest such rate, or NULL. A frame that is not dropped pays
// the bands whose rates it keeps to.
static const struct band *charge(struct meter_pw *pw, const struct dp_of_meter_view *v,
				 uint32_t size)
{
	int64_t cost = (int64_t)((v->by_pkts ? 1 : size) * UNIT);
	const struct band *over = NULL;
	uint32_t n = 0;

	while (n < v->n_bands && pw->credit[v->bands[n].at] >= RTE_MIN(cost, v->bands[n].cap))
		n++;
	if (n < v->n_bands)
		over = &v->bands[n];
	if (over != NULL && !over->is_remark)
		return over;
	for (uint32_t i = 0; i < n; i++)
		pw->credit[v->bands[i].at] -= cost;
	return over;
}

bool dp_meters_pass(const struct dp_of_meters *ms, const struct dp_worker *w, uint32_t meter,
		    struct rte_mbuf *m)
{
	struct dp_of_meter *mt = find(ms, meter);
	uint32_t size = rte_pktmbuf_pkt_len(m);
	const struct dp_of_meter_view *v;
	const struct band *over;
	struct meter_pw *pw;

	if (mt == NULL)
		return true;
	v = atomic_load_explicit(&mt->view, memory_order_acquire);
	pw = &mt->pw[w->id];
	dp_of_tally_add(&pw->in, size, w->now_ns);
	if (unlikely(atomic_load_explicit(&pw->serial, memory_order_relaxed) != v->serial))
		follow(pw, v);
	earn(pw, v, w->now_ns); // until now by the part that it had
	if (unlikely(pw->part == 0 || w->now_ns - pw->looked_ns >= LOOK_NS))
		look(ms, mt, w->id, w->now_ns, v->by_pkts);
	over = charge(pw, v, size);
	if (over == NULL)
		return true;
	dp_of_tally_add(&pw->bands[over->at], size, w->now_ns);
	// What goes to the controller is a copy: the frame itself stays as it is.
	if (over->is_remark && meter < DP_OFPM_SLOWPATH)
		remark(m, over->prec_level);
	return over->is_remark;
}
