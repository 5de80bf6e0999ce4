// See pg_engine.h.
#include "pg_engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM

enum {
	SLOW_START_FRAMES = 4,
	BODY_BYTES = 8,
	CREDIT_BURST = 2 * PG_BURST, // frames that a rate may send at once after a pause
};

uint32_t pg_engine_random(struct pg_engine *e)
{
	e->random ^= e->random << 13; // xorshift64
	e->random ^= e->random >> 7;
	e->random ^= e->random << 17;
	return (uint32_t)(e->random >> 32);
}

static inline uint32_t next_size(struct pg_engine *e, struct pg_lane *l)
{
	uint32_t size;

	if (l->n_schedule == 1)
		return l->schedule[0];
	if (l->n_schedule == 0)
		return l->cfg->size_min +
		       (uint32_t)((uint64_t)pg_engine_random(e) *
					  (l->cfg->size_max - l->cfg->size_min + 1) >>
				  32);
	size = l->schedule[l->schedule_pos];
	if (++l->schedule_pos == l->n_schedule)
		l->schedule_pos = 0;
	return size;
}

static inline void next_flow(struct pg_engine *e, struct pg_lane *l)
{
	if (l->n_flows == 1)
		return;
	if (l->cfg->random) {
		l->flow = l->flow_first +
			  (uint32_t)((uint64_t)pg_engine_random(e) * l->n_flows >> 32);
		l->mac = l->flow % l->cfg->macs;
		return;
	}
	if (++l->mac == l->cfg->macs)
		l->mac = 0;
	if (++l->flow == l->flow_first + l->n_flows) {
		l->flow = l->flow_first;
		l->mac = l->flow_first % l->cfg->macs;
	}
}

// What the back-end is asked to finish. The slot keeps what its last frame had, so it is compared
// first.
static void write_hdr(const struct pg_lane *l, const struct pg_template *t, uint8_t *frame,
		      uint32_t size)
{
	struct virtio_net_hdr_mrg_rxbuf want = { 0 }, *hdr = vh_ring_hdr(frame);

	if (t->csum) {
		want.hdr.flags = NEEDS_CSUM;
		want.hdr.csum_start = t->l4;
		want.hdr.csum_offset = 16;
	}
	if (l->cfg->tso_segment_bytes > 0 && size > t->l4 + 20u + l->cfg->tso_segment_bytes) {
		want.hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		want.hdr.gso_size = (uint16_t)l->cfg->tso_segment_bytes;
		want.hdr.hdr_len = (uint16_t)(t->l4 + 20);
	}
	if (memcmp(hdr, &want, VH_RING_HDR_BYTES) != 0)
		memcpy(hdr, &want, VH_RING_HDR_BYTES);
}

static inline void write_frame(struct pg_engine *e, struct pg_lane *l, uint8_t *frame,
			       uint32_t size)
{
	const struct pg_template *t = &l->templates[l->cfg->l4 == PG_MIX ? l->flow & 1 : 0];
	struct pg_stamp s = { .lane = l->id,
			      .seq = l->seq++,
			      .time = (uint32_t)(e->tick >> PG_TIME_SHIFT) };

	s.check = pg_stamp_check(e->nonce, s.lane, s.seq, s.time);
	pg_frame_write(t, frame, l->flow, l->mac, size);
	pg_frame_stamp(t, frame, &s);
	if (__builtin_expect(e->offloads, 0))
		write_hdr(l, t, frame, size);
}

// How many frames are due. A rate keeps its credit; a pause does not make a burst beyond
// CREDIT_BURST.
static uint16_t due(struct pg_engine *e, struct pg_lane *l, double ticks)
{
	double per_frame = 1, most;

	if (e->slow_start)
		return SLOW_START_FRAMES;
	if (l->per_tick == 0)
		return PG_BURST;
	if (l->cfg->rate_bits_per_s > 0)
		per_frame = 8.0 * (l->n_schedule == 0 ? (l->cfg->size_min + l->cfg->size_max) / 2
						      : l->schedule[l->schedule_pos]);
	most = CREDIT_BURST * per_frame;
	l->credit += ticks * l->per_tick;
	if (l->credit > most)
		l->credit = most;
	if (l->credit < per_frame)
		return 0;
	return l->credit >= PG_BURST * per_frame ? PG_BURST : (uint16_t)(l->credit / per_frame);
}

static inline uint16_t send_flood(struct pg_engine *e, struct pg_lane *l, struct pg_port *p,
				  double ticks)
{
	uint8_t *frames[PG_BURST];
	uint32_t lens[PG_BURST], bytes = 0;
	uint16_t want = due(e, l, ticks), n;

	if (want == 0)
		return 0;
	n = pg_port_reserve(p, l->queue, want, frames);
	l->c.wanted_pkts += want;
	l->c.blocked_pkts += (uint64_t)(want - n);
	if (n == 0)
		return 0;
	for (uint16_t i = 0; i < n; i++)
		__builtin_prefetch(frames[i], 1);
	for (uint16_t i = 0; i < n; i++) {
		lens[i] = next_size(e, l);
		bytes += lens[i];
		write_frame(e, l, frames[i], lens[i]);
		if (__builtin_expect(e->bodies, 0)) // what an iscsi frame left in the slot
			memcpy(frames[i] + PG_LINE, pg_pattern() + PG_LINE, BODY_BYTES);
		next_flow(e, l);
	}
	if (l->per_tick != 0)
		l->credit -= l->cfg->rate_bits_per_s > 0 ? 8.0 * bytes : n;
	pg_port_send(p, l->queue, n, lens);
	l->c.tx_pkts += n;
	l->c.tx_bytes += bytes;
	return n;
}

static uint16_t send_iscsi(struct pg_engine *e, struct pg_lane *l, struct pg_port *p)
{
	uint8_t *frames[PG_BURST], body[BODY_BYTES];
	uint32_t lens[PG_BURST];
	uint16_t room = pg_port_reserve(p, l->queue, PG_BURST, frames), n = 0;

	while (n < room && pg_iscsi_next(e, l, &lens[n], body)) {
		write_frame(e, l, frames[n], lens[n]);
		// With a tag a body reaches 6 bytes further than without.
		memcpy(frames[n] + PG_LINE, pg_pattern() + PG_LINE, BODY_BYTES);
		memcpy(frames[n] + l->templates[0].l4 + 24, body, BODY_BYTES);
		l->c.tx_bytes += lens[n++];
	}
	if (n > 0)
		pg_port_send(p, l->queue, n, lens);
	l->c.tx_pkts += n;
	return n;
}

// Compare what follows the stamp with the pattern. The last 8 bytes of the first line may be an
// iscsi body.
static bool intact(const struct pg_port *p, uint16_t q, const struct vh_frame *f, uint32_t from)
{
	const uint8_t *pattern = pg_pattern();
	uint32_t at = f->first_bytes;

	if (f->size_bytes > PG_PATTERN_BYTES)
		return false;
	if (from < f->first_bytes &&
	    memcmp(f->data + from, pattern + from, f->first_bytes - from) != 0)
		return false;
	for (uint16_t k = 1; k < f->n_bufs; k++) {
		uint32_t size;
		const uint8_t *piece = pg_port_piece(p, q, f, k, &size);

		if (at + size > f->size_bytes)
			size = f->size_bytes - at;
		if (memcmp(piece, pattern + at, size) != 0)
			return false;
		at += size;
	}
	return true;
}

// A frame whose stamp is not right: another's, or damaged. Segments of a super-frame carry none
// after the first.
static void sink_odd(struct pg_engine *e, struct pg_port *p, const struct vh_frame *f,
		     const struct pg_stamp *s)
{
	p->foreign_pkts++;
	if (s->lane >= e->n_lanes || e->lanes[s->lane].cfg->tso_segment_bytes > 0)
		return;
	if (f->data[0] == 0x02 && (f->data[1] << 8 | f->data[2]) < (int)e->cfg->n_ports)
		e->lanes[s->lane].c.corrupt_pkts++;
}

// Which flow a frame of ours belongs to: what pg_frame_write() made of it.
static void sink_flow_order(struct pg_lane *l, const uint8_t *frame, uint32_t seq)
{
	const struct pg_template *t = &l->templates[0];
	const uint8_t *port = frame + t->port, *src = frame + t->l3 + 12;
	uint32_t flow = ((uint32_t)(port[0] << 8 | port[1]) - PG_FIRST_SRC_PORT) |
			(uint32_t)(src[3] - 1) << 14;

	flow -= l->flow_first;
	if (flow >= l->n_flows)
		return;
	if ((int32_t)(seq - l->flow_last[flow]) < 0)
		l->flow_reordered++;
	else
		l->flow_last[flow] = seq;
}

static inline void sink_one(struct pg_engine *e, struct pg_port *p, uint16_t q,
			    const struct vh_frame *f)
{
	struct pg_stamp s = { .lane = UINT16_MAX };
	uint32_t behind = pg_frame_read(f->data, f->size_bytes, &s);
	struct pg_lane *l;

	if (__builtin_expect(behind == 0 || s.lane >= e->n_lanes ||
				     s.check != pg_stamp_check(e->nonce, s.lane, s.seq, s.time),
			     0)) {
		sink_odd(e, p, f, &s);
		return;
	}
	l = &e->lanes[s.lane];
	if (__builtin_expect(&e->ports[l->dst] != p, 0)) {
		l->c.misdelivered_pkts++; // a flood's copy
		return;
	}
	l->c.rx_pkts++;
	l->c.rx_bytes += f->size_bytes;
	if (l->cfg->verify && !intact(p, q, f, behind + (l->iscsi != NULL ? BODY_BYTES : 0)))
		l->c.corrupt_pkts++;
	pg_seq_add(&l->in, s.seq);
	if (__builtin_expect(l->flow_last != NULL, 0))
		sink_flow_order(l, f->data, s.seq);
	if (l->iscsi != NULL)
		pg_iscsi_arrived(e, l, f->data + behind, f->size_bytes);
	else if (e->measuring)
		pg_hist_add(&l->hist, (uint64_t)((uint32_t)(e->tick >> PG_TIME_SHIFT) - s.time)
					      << PG_TIME_SHIFT);
}

static inline uint16_t sink(struct pg_engine *e, struct pg_port *p, uint16_t q, double ticks)
{
	struct vh_frame frames[PG_BURST];
	uint16_t most = PG_BURST, n;

	if (__builtin_expect(p->cfg->rx_pps != UINT64_MAX, 0)) {
		if (q == 0) // one rate for all queues
			p->rx_credit += ticks / e->ticks_per_s * (double)p->cfg->rx_pps;
		if (p->rx_credit > PG_BURST)
			p->rx_credit = PG_BURST;
		most = (uint16_t)p->rx_credit;
		if (most == 0)
			return 0;
	}
	n = pg_port_take(p, q, most, frames);
	if (n == 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		p->rx_bytes += frames[i].size_bytes;
		sink_one(e, p, q, &frames[i]);
	}
	pg_port_release(p, q);
	p->rx_pkts += n;
	if (p->cfg->rx_pps != UINT64_MAX)
		p->rx_credit -= n;
	return n;
}

uint32_t pg_engine_turn(struct pg_engine *e)
{
	uint64_t now = pg_rdtsc();
	double ticks = (double)(now - e->tick);
	uint32_t n_all = 0;

	e->tick = now;
	for (uint32_t i = 0; i < e->cfg->n_ports; i++) {
		struct pg_port *p = &e->ports[i];

		if (__builtin_expect(!p->active, 0))
			continue;
		for (uint16_t q = 0; q < p->n_pairs; q++)
			n_all += sink(e, p, q, ticks);
		if (!e->sending)
			continue;
		for (uint16_t k = 0; k < e->n_port_lanes[i]; k++) {
			struct pg_lane *l = &e->lanes[e->port_lanes[i][k]];

			n_all +=
				l->iscsi != NULL ? send_iscsi(e, l, p) : send_flood(e, l, p, ticks);
		}
	}
	e->turns++;
	*(n_all > 0 ? &e->busy_ticks : &e->idle_ticks) += pg_rdtsc() - now;
	return n_all;
}

static int port_to(const struct pg_config *c, const struct pg_stream_cfg *s, int from)
{
	if (s->to == PG_TO_PAIR)
		return from ^ 1;
	if (s->to == PG_TO_NEXT)
		return (from + 1) % (int)c->n_ports;
	return s->to;
}

// Interleave the sizes of a mix by their weights: each step takes the size that is furthest behind
// its share.
static void schedule_make(struct pg_lane *l)
{
	const struct pg_stream_cfg *s = l->cfg;
	uint32_t total = 0, done[PG_SIZES_MAX] = { 0 };

	for (uint32_t i = 0; i < s->n_sizes; i++)
		total += s->sizes[i].weight;
	l->n_schedule = s->n_sizes <= 1		  ? s->n_sizes
			: total > PG_SCHEDULE_LEN ? PG_SCHEDULE_LEN
						  : total;
	for (uint32_t n = 0; n < l->n_schedule; n++) {
		uint32_t best = 0;
		int64_t behind, most = INT64_MIN;

		for (uint32_t i = 0; i < s->n_sizes; i++) {
			behind = (int64_t)s->sizes[i].weight * (n + 1) - (int64_t)done[i] * total;
			if (behind > most) {
				most = behind;
				best = i;
			}
		}
		done[best]++;
		l->schedule[n] = s->sizes[best].bytes;
	}
}

static struct pg_lane *lane_add(struct pg_engine *e, const struct pg_stream_cfg *s, int src,
				int dst)
{
	struct pg_lane *l = &e->lanes[e->n_lanes];

	memset(l, 0, sizeof(*l));
	l->cfg = s;
	l->id = e->n_lanes++;
	l->src = (uint16_t)src;
	l->dst = (uint16_t)dst;
	l->n_flows = s->flows;
	l->per_tick = (double)(s->rate_pps + s->rate_bits_per_s) / e->ticks_per_s;
	schedule_make(l);
	pg_hist_clear(&l->hist);
	e->port_lanes[src][e->n_port_lanes[src]++] = l->id;
	return l;
}

static void lane_templates(const struct pg_engine *e, struct pg_lane *l)
{
	for (uint32_t i = 0; i < 2; i++)
		pg_template_init(
			&l->templates[i],
			&(struct pg_template_params){
				.src_port = l->src,
				.dst_port = l->dst,
				.vlan = l->cfg->vlan,
				.tcp = l->cfg->kind == PG_ISCSI || l->cfg->l4 == PG_TCP || i == 1,
				.csum = e->cfg->csum && e->ports[l->src].eth == NULL,
				.iscsi = l->cfg->kind == PG_ISCSI,
				.from_target = l->is_target,
				.service = l->cfg->dport,
				.spread_src = l->cfg->spread_src,
				.spread_dst = l->cfg->spread_dst,
				.spread_dport = l->cfg->spread_dport,
				.spread_sport = l->cfg->spread_sport,
			});
}

// Each queue has its own part of the flows and of the rate. With fewer flows than queues some share
// one.
static void lane_share(struct pg_lane *l, uint16_t q, uint16_t n_queues)
{
	uint32_t flows = l->cfg->flows, first = (uint32_t)((uint64_t)flows * q / n_queues),
		 end = (uint32_t)((uint64_t)flows * (q + 1) / n_queues);

	l->flow_first = l->flow = first < end ? first : q % flows;
	l->n_flows = first < end ? end - first : 1;
	l->mac = l->flow_first % l->cfg->macs;
	l->per_tick /= n_queues;
}

static int lanes_for(struct pg_engine *e, const struct pg_stream_cfg *s, int src,
		     struct weir_err *err)
{
	int dst = port_to(e->cfg, s, src);
	uint16_t n_queues = s->kind == PG_ISCSI ? 1 : e->ports[src].n_pairs;

	if (dst == src)
		return 0;
	if (e->n_lanes + 2 * n_queues > PG_LANES_MAX ||
	    e->n_port_lanes[src] + n_queues > PG_LANES_PER_PORT ||
	    e->n_port_lanes[dst] + 1 > PG_LANES_PER_PORT)
		return weir_err_set(
			err, -E2BIG,
			"stream %s: more than %d streams and queues from one port, or %d in all",
			s->name, PG_LANES_PER_PORT, PG_LANES_MAX);
	for (uint16_t q = 0; q < n_queues; q++) {
		struct pg_lane *l = lane_add(e, s, src, dst), *t;

		l->queue = q;
		lane_share(l, q, n_queues);
		lane_templates(e, l);
		if (n_queues > 1 && (l->flow_last = calloc(l->n_flows, sizeof(uint32_t))) == NULL)
			return weir_err_set(err, -ENOMEM, "out of memory");
		if (s->kind != PG_ISCSI)
			continue;
		t = lane_add(e, s, dst, src);
		t->is_target = true;
		lane_templates(e, t);
		l->iscsi = t->iscsi = pg_iscsi_create(s, l, t);
		if (l->iscsi == NULL)
			return weir_err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

int pg_engine_init(struct pg_engine *e, const struct pg_config *cfg, struct weir_err *err)
{
	e->cfg = cfg;
	e->nonce = (uint32_t)(pg_rdtsc() >> 8); // frames of an earlier run are not ours
	e->random = cfg->seed * 0x9e3779b97f4a7c15ull | 1;
	e->offloads = cfg->csum;
	for (uint32_t i = 0; i < cfg->n_streams; i++)
		e->bodies |= cfg->streams[i].kind == PG_ISCSI;
	e->lanes = aligned_alloc(64, sizeof(e->lanes[0]) * PG_LANES_MAX);
	e->port_lanes = calloc(cfg->n_ports, sizeof(e->port_lanes[0]));
	e->n_port_lanes = calloc(cfg->n_ports, sizeof(e->n_port_lanes[0]));
	if (e->lanes == NULL || e->port_lanes == NULL || e->n_port_lanes == NULL)
		return weir_err_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < cfg->n_streams; i++) {
		const struct pg_stream_cfg *s = &cfg->streams[i];

		for (int src = s->from_first; src <= s->from_last; src++)
			if (lanes_for(e, s, src, err) < 0)
				return -E2BIG;
	}
	e->tick = pg_rdtsc();
	return 0;
}

void pg_engine_fini(struct pg_engine *e)
{
	for (uint16_t i = 0; i < e->n_lanes; i++) {
		if (!e->lanes[i].is_target)
			pg_iscsi_destroy(e->lanes[i].iscsi);
		free(e->lanes[i].flow_last);
	}
	free(e->lanes);
	free(e->port_lanes);
	free(e->n_port_lanes);
}

void pg_engine_settle(struct pg_engine *e)
{
	e->sending = false;
	for (uint32_t i = 0; i < e->cfg->n_ports; i++)
		for (uint16_t q = 0; q < e->ports[i].n_pairs && e->ports[i].eth == NULL; q++)
			vh_ring_reclaim(e->ports[i].tx[q]);
}

void pg_engine_restart_counts(struct pg_engine *e)
{
	for (uint16_t i = 0; i < e->n_lanes; i++) {
		struct pg_lane *l = &e->lanes[i];

		memset(&l->c, 0, sizeof(l->c));
		pg_seq_start(&l->in, l->seq);
		l->flow_reordered = 0;
		l->credit = 0;
	}
}
