// The scheduler under any sequence of packets, changes and time. Invariants: every packet accepted
// comes back exactly once, sent or dropped; within a flow none overtakes another; where no limit is
// set a free link is never left idle; the link's rate is kept; what a class's reservation serves is
// the earliest deadline; and when arrivals stop, all that stands is gone in the time that the
// lowest rate allows: nobody starves.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "qos_sched.h"

#define N_VMS 4u
#define N_FLOWS 4u
#define N_PKTS 512u
#define S 1000000000ull
// What may be owed when arrivals stop: a largest packet on each rate that a packet meets, and two
// that rounding and the timer cost.
#define OWED_BYTES (6ull * QOS_WIRE_MAX_BYTES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct qos_sched *s;
	struct qos_pkt pkts[N_PKTS];
	bool out[N_PKTS]; // with the scheduler
	uint32_t seq[N_PKTS], n_out, n_seq;
	uint32_t last[N_VMS][QOS_SCHED_CLASSES][2 * N_FLOWS];
	uint64_t now_ns, began_ns, bytes_sent, bytes_out, rate_bits, min_bits;
	uint32_t min_pps; // 0 = no such limit was set
	uint32_t blocked, quota, bufs[N_VMS];
	bool limited;
	bool plain; // only classes have rates, so that all that stands is ready
	uint64_t deadlines[N_VMS][QOS_SCHED_CLASSES];
	const uint8_t *data;
	size_t left;
};

static uint32_t byte(struct world *w)
{
	if (w->left == 0)
		return 0;
	w->left--;
	return *w->data++;
}

static void came_back(struct world *w, const struct qos_pkt *p)
{
	size_t i = (size_t)(p - w->pkts);

	assert(i < N_PKTS && w->out[i]);
	w->out[i] = false;
	w->bufs[p->vm_idx] -= p->n_bufs;
	w->n_out--;
	w->bytes_out -= p->wire_bytes;
}

static void sent(struct world *w, const struct qos_pkt *p)
{
	uint32_t *last = &w->last[p->vm_idx][p->cls][p->flow_hash], seq = w->seq[p - w->pkts];

	assert(seq > *last);
	*last = seq;
	w->bytes_sent += p->wire_bytes;
	came_back(w, p);
}

struct seen {
	uint64_t reserved_bytes;
	uint32_t n_pkts;
};

static void look(struct world *w, struct seen seen[N_VMS][QOS_SCHED_CLASSES])
{
	struct qos_leaf_stats st;

	for (uint32_t vm = 0; vm < N_VMS; vm++)
		for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
			// A VM that is gone has no deadline either.
			if (qos_sched_leaf_stats(w->s, vm, cls, &st) != 0)
				st = (struct qos_leaf_stats){ 0 };
			seen[vm][cls] = (struct seen){ st.reserved_bytes, st.queued_pkts_now };
		}
}

// p was served, out of what was seen before: inside its class's reservation nobody of the class had
// an earlier deadline.
static void check_deadline(struct world *w, const struct qos_pkt *p,
			   struct seen seen[N_VMS][QOS_SCHED_CLASSES])
{
	uint64_t at_ns = w->deadlines[p->vm_idx][p->cls] - 1; // 0: after all others
	struct qos_leaf_stats st;

	if (qos_sched_leaf_stats(w->s, p->vm_idx, p->cls, &st) != 0 ||
	    st.reserved_bytes == seen[p->vm_idx][p->cls].reserved_bytes)
		return;
	for (uint32_t vm = 0; vm < N_VMS; vm++)
		assert(seen[vm][p->cls].n_pkts == 0 || w->deadlines[vm][p->cls] - 1 >= at_ns);
}

static bool serve_burst(struct world *w, uint32_t n)
{
	struct seen seen[N_VMS][QOS_SCHED_CLASSES];
	struct qos_pkt *out[8], *d;
	uint32_t got;

	if (w->plain && n == 1)
		look(w, seen);
	got = qos_sched_dequeue_burst(w->s, out, n, w->now_ns);
	assert(got <= n);
	if (w->plain && n == 1 && got == 1)
		check_deadline(w, out[0], seen);
	while ((d = qos_sched_take_dropped(w->s)) != NULL)
		came_back(w, d);
	for (uint32_t i = 0; i < got; i++) {
		assert((w->blocked >> out[i]->cls & 1) == 0);
		sent(w, out[i]);
	}
	assert(qos_sched_queued(w->s) == w->n_out);
	if (got == 0 && !w->limited && w->blocked == 0 && w->n_out != 0) {
		// Only the link itself may have said no.
		assert(w->rate_bits != 0);
		assert(qos_sched_next_ns(w->s) > w->now_ns);
	}
	return got != 0;
}

static bool serve(struct world *w)
{
	return serve_burst(w, 1);
}

static void offer(struct world *w)
{
	uint32_t a = byte(w), b = byte(w), i;

	for (i = 0; i < N_PKTS && w->out[i]; i++)
		;
	if (i == N_PKTS)
		return;
	w->pkts[i] = (struct qos_pkt){ .wire_bytes = b == 255 ? QOS_WIRE_MAX_BYTES : 84 + b * 37,
				       .flow_hash = a >> 5,
				       .vm_idx = (uint16_t)(a % N_VMS),
				       .cls = (uint8_t)(a / N_VMS % QOS_SCHED_CLASSES),
				       .flags = (b % 2 == 0 ? QOS_PKT_ECT : 0) |
						(b % 3 == 0 ? QOS_PKT_YELLOW : 0),
				       .n_bufs = (uint16_t)(1 + b % 3) };
	w->seq[i] = ++w->n_seq;
	if (qos_sched_idle_pass(w->s, &w->pkts[i], w->now_ns)) {
		assert(w->n_out == 0 && (w->blocked >> w->pkts[i].cls & 1) == 0);
		w->bytes_sent += w->pkts[i].wire_bytes;
	} else if (qos_sched_enqueue(w->s, &w->pkts[i], w->now_ns) == 0) {
		w->out[i] = true;
		w->bufs[w->pkts[i].vm_idx] += w->pkts[i].n_bufs;
		assert(w->quota == 0 || w->bufs[w->pkts[i].vm_idx] <= w->quota);
		w->n_out++;
		w->bytes_out += w->pkts[i].wire_bytes;
	}
	assert(qos_sched_queued(w->s) == w->n_out);
}

static struct qos_node_params node(struct world *w)
{
	static const uint64_t rates[] = { 0,	     1000,	 100000,      1000000,
					  100000000, 1000000000, 10000000000, 1000000000000 };
	uint32_t a = byte(w), b = byte(w);

	return (struct qos_node_params){ .reservation_bits_per_s = rates[a % 8],
					 .limit_bits_per_s = b % 2 == 0 ? 0 : rates[a / 8 % 8],
					 .shares = b / 2 % 101,
					 .burst_bytes = a / 64 * 5000 };
}

// Of a VM or a leaf.
static struct qos_node_params inner_node(struct world *w)
{
	struct qos_node_params n = node(w);

	if (w->plain)
		n.reservation_bits_per_s = n.limit_bits_per_s = 0;
	return n;
}

static void limit_is(struct world *w, uint64_t bits, int err)
{
	if (err != 0 || bits == 0)
		return;
	w->limited = true;
	w->min_bits = bits < w->min_bits ? bits : w->min_bits;
}

static void change(struct world *w, uint32_t what)
{
	struct qos_class_params c = { 0 };
	struct qos_node_params n;
	uint32_t a = byte(w);

	switch (what) {
	case 0:
		c.node = node(w);
		c.codel.target_ns = a / 8 % 4 * 1000000;
		c.codel.interval_ns = 20000000;
		c.codel.step_ns = a / 128 * 100000;
		c.max_leaf_bytes = a / 64 % 2 * 20000;
		c.max_wait_ns = a / 128 * 5000000;
		limit_is(w, c.node.limit_bits_per_s,
			 qos_sched_set_class(w->s, a % 8, &c, w->now_ns));
		break;
	case 1:
		n = inner_node(w);
		n.limit_pps = a / 8 % 4 == 0 && !w->plain ? 1 + a * 10 : 0;
		if (n.limit_pps != 0 && (w->min_pps == 0 || n.limit_pps < w->min_pps))
			w->min_pps = n.limit_pps;
		w->limited |= n.limit_pps != 0;
		limit_is(w, n.limit_bits_per_s, qos_sched_set_vm(w->s, a % 5, &n, w->now_ns));
		break;
	case 2:
		n = inner_node(w);
		limit_is(w, n.limit_bits_per_s,
			 qos_sched_set_leaf(w->s, a % 4, a / 4 % 9, &n, w->now_ns));
		break;
	case 3:
		(void)qos_sched_remove_vm(w->s, a % N_VMS, w->now_ns);
		memset(w->deadlines[a % N_VMS], 0, sizeof(w->deadlines[0]));
		break;
	case 4:
		w->blocked = a % 4 == 0 ? byte(w) : 0;
		qos_sched_block(w->s, w->blocked);
		break;
	case 5:
		// Who holds more keeps it.
		w->quota = a % 2 == 0 ? 0 : 50 + a;
		qos_sched_set_buf_quota(w->s, w->quota);
		break;
	default:
		(void)qos_sched_add_vm(w->s, a % N_VMS, w->now_ns);
	}
}

// Few values, so that many are equal; and the greatest.
static void change_deadline(struct world *w)
{
	uint32_t a = byte(w), b = byte(w);
	uint64_t at_ns = b == 255 ? UINT64_MAX : b % 16;

	if (qos_sched_set_deadline(w->s, a % 5, a / 5 % 9, at_ns, w->now_ns) == 0)
		w->deadlines[a % 5][a / 5 % 9] = at_ns;
}

// No more arrivals: everything leaves, in time.
static void drain(struct world *w)
{
	uint64_t least =
		w->rate_bits != 0 && w->rate_bits < w->min_bits ? w->rate_bits : w->min_bits;
	unsigned __int128 bits = (unsigned __int128)(w->bytes_out + OWED_BYTES) * 8;
	uint64_t by_ns = w->now_ns + (uint64_t)(bits * S / least) + S;
	uint32_t idle = 0;

	if (w->min_pps != 0)
		by_ns += (uint64_t)w->n_out * S / w->min_pps;
	w->blocked = 0;
	qos_sched_block(w->s, 0);
	while (w->n_out != 0) {
		uint64_t next_ns;

		if (serve(w)) {
			idle = 0;
			continue;
		}
		next_ns = qos_sched_next_ns(w->s);
		assert(next_ns != UINT64_MAX);
		w->now_ns = next_ns > w->now_ns ? next_ns : w->now_ns;
		assert(++idle < 200);
		assert(w->now_ns <= by_ns);
	}
	assert(qos_sched_next_ns(w->s) == UINT64_MAX);
}

static void play(struct world *w)
{
	while (w->left != 0) {
		uint32_t op = byte(w);

		if (op < 120)
			offer(w);
		else if (op < 180)
			(void)serve_burst(w, 1 + op % 8);
		else if (op < 230)
			w->now_ns += (uint64_t)byte(w) << (op - 180) / 2;
		else if (op < 232)
			w->now_ns -= byte(w); // a clock that steps back
		else if (op >= 248)
			change_deadline(w);
		else
			change(w, (op - 232) % 8);
	}
	// The link never carried more than its rate, one packet and what a late loop may catch up.
	if (w->rate_bits != 0) {
		unsigned __int128 most =
			(unsigned __int128)(w->now_ns + 10000 + 256 - w->began_ns) * w->rate_bits /
			8 / S;

		assert(w->bytes_sent <= (uint64_t)most + QOS_WIRE_MAX_BYTES + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct qos_sched_params p = { .n_vms = N_VMS, .n_flows = N_FLOWS, .late_ns = 10000 };
	void *mem;

	memset(&w, 0, sizeof(w));
	w.data = data;
	w.left = size;
	w.now_ns = w.began_ns = S;
	w.min_bits = QOS_SCHED_MAX_BITS_PER_S;
	w.plain = size != 0 && data[0] >= 128;
	w.rate_bits = p.rate_bits_per_s = byte(&w) % 3 * 5 * S;
	mem = aligned_alloc(64, (qos_sched_size(&p) + 63) & ~(size_t)63);
	if (mem == NULL)
		abort();
	memset(mem, 0, qos_sched_size(&p));
	if (qos_sched_init(mem, &p, S, &w.s) != 0)
		abort();
	for (uint32_t i = 0; i < N_VMS; i++)
		(void)qos_sched_add_vm(w.s, i, S);
	play(&w);
	drain(&w);
	free(mem);
	return 0;
}
