// E10, the part with one owner and many producers: DPDK's own rings between them, an urgent and a
// normal one each, drained as datapath/worker.c does it. First in simulated time with one to eight
// producers, then with two real threads.
#include "qos_sched.h"
#include "../unit/unit.h"

#include <rte_ring.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

enum { STORAGE = 2, BULK = 5 };

#define MAX_PRODUCERS 8u
#define RING 1024u // DP_HANDOVER
#define BURST 64u  // HANDOVER_BURST
#define N_FLOWS 4u // of each producer and class
#define POOL 32768u
#define LINK_BITS 10000000000ull
#define MS 1000000ull

struct pkt {
	struct qos_pkt q; // first
	struct pkt *next;
	uint64_t made_ns;
	uint32_t producer, flow, seq;
};

struct producer {
	struct rte_ring *rings[2];
	uint32_t seq[2][N_FLOWS], seen[2][N_FLOWS];	// made, and seen leaving
	uint64_t made[2], full[2], refused[2], sent[2]; // by urgency
	uint64_t next_ns, rng;
};

struct world {
	struct producer p[MAX_PRODUCERS];
	uint32_t n_producers;
	struct qos_sched *s;
	void *mem;
	struct pkt *pool, *free;
	uint64_t now_ns, max_wait_ns[2],
		max_turn_ns; // of a packet in its ring, by urgency; of the owner
};

static struct rte_ring *ring_make(void)
{
	struct rte_ring *r = NULL;

	// No EAL: a ring is memory.
	assert_int_equal(posix_memalign((void **)&r, 64, (size_t)rte_ring_get_memsize(RING)), 0);
	assert_int_equal(rte_ring_init(r, "handover", RING, RING_F_SP_ENQ | RING_F_SC_DEQ), 0);
	return r;
}

static void world_init(struct world *w, uint32_t n_producers, uint64_t rate_bits)
{
	struct qos_sched_params params = {
		.rate_bits_per_s = rate_bits, .n_vms = n_producers, .n_flows = 16, .late_ns = 10000
	};
	struct qos_class_params storage = { .node = { .shares = 16,
						      .reservation_bits_per_s = LINK_BITS / 2 } };
	struct qos_class_params bulk = { .node = { .shares = 4 }, .max_leaf_bytes = 200000 };
	size_t size = (qos_sched_size(&params) + 63) & ~(size_t)63;

	*w = (struct world){ .n_producers = n_producers, .now_ns = 1000 * MS };
	w->mem = aligned_alloc(64, size);
	assert_non_null(w->mem);
	memset(w->mem, 0, size);
	assert_int_equal(qos_sched_init(w->mem, &params, w->now_ns, &w->s), 0);
	assert_int_equal(qos_sched_set_class(w->s, STORAGE, &storage, w->now_ns), 0);
	assert_int_equal(qos_sched_set_class(w->s, BULK, &bulk, w->now_ns), 0);
	for (uint32_t i = 0; i < n_producers; i++) {
		w->p[i].rng = 77 + i;
		w->p[i].next_ns = w->now_ns + i * 300;
		w->p[i].rings[0] = ring_make();
		w->p[i].rings[1] = ring_make();
		assert_int_equal(qos_sched_add_vm(w->s, i, w->now_ns), 0);
	}
	w->pool = calloc(POOL, sizeof(*w->pool));
	assert_non_null(w->pool);
	for (uint32_t i = 0; i < POOL; i++) {
		w->pool[i].next = w->free;
		w->free = &w->pool[i];
	}
}

static uint32_t draw(struct producer *p, uint32_t n)
{
	p->rng = p->rng * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(p->rng >> 33) % n;
}

static void describe(struct world *w, uint32_t producer, struct pkt *k, uint32_t urgency)
{
	struct producer *p = &w->p[producer];
	uint32_t flow = draw(p, N_FLOWS);

	k->q = (struct qos_pkt){ .wire_bytes = urgency == 0 ? 1538 : 84 + draw(p, 1454),
				 .flow_hash = flow,
				 .vm_idx = (uint16_t)producer,
				 .cls = urgency == 0 ? STORAGE : BULK,
				 .n_bufs = 1 };
	k->producer = producer;
	k->flow = flow;
}

// The producer's side. A ring that is full is a drop with its own count.
static bool hand(struct world *w, struct pkt *k, uint32_t urgency)
{
	struct producer *p = &w->p[k->producer];

	p->made[urgency]++;
	k->seq = p->seq[urgency][k->flow]++;
	if (rte_ring_sp_enqueue(p->rings[urgency], k) == 0)
		return true;
	p->full[urgency]++;
	return false;
}

static void left(struct world *w, struct pkt *k)
{
	struct producer *p = &w->p[k->producer];
	uint32_t urgency = k->q.cls == BULK;

	assert_true(k->seq >= p->seen[urgency][k->flow]);
	p->seen[urgency][k->flow] = k->seq + 1;
	p->sent[urgency]++;
}

static void give_back(struct world *w, struct pkt *k)
{
	k->next = w->free;
	w->free = k;
}

// The owner's side of one ring. returns how many came
static uint32_t take(struct world *w, struct rte_ring *r)
{
	struct pkt *pkts[BURST];
	uint32_t n = rte_ring_sc_dequeue_burst(r, (void **)pkts, BURST, NULL);

	for (uint32_t i = 0; i < n; i++) {
		bool normal = pkts[i]->q.cls == BULK;
		uint64_t wait_ns = w->now_ns - pkts[i]->made_ns;

		if (wait_ns > w->max_wait_ns[normal])
			w->max_wait_ns[normal] = wait_ns;
		if (qos_sched_enqueue(w->s, &pkts[i]->q, w->now_ns) < 0) {
			w->p[pkts[i]->producer].refused[normal]++;
			give_back(w, pkts[i]);
		}
	}
	return n;
}

// --- simulated time

// Every producer makes 8 to 40 packets each 8 us, every eighth of them storage's.
static void produce(struct world *w, uint32_t i)
{
	struct producer *p = &w->p[i];

	for (; p->next_ns <= w->now_ns; p->next_ns += 8000)
		for (uint32_t n = 8 + draw(p, 33); n != 0; n--) {
			uint32_t urgency = draw(p, 8 * w->n_producers) != 0;
			struct pkt *k = w->free;

			assert_non_null(k);
			w->free = k->next;
			describe(w, i, k, urgency);
			k->made_ns = p->next_ns;
			if (!hand(w, k, urgency))
				give_back(w, k);
		}
}

// A turn of the owner takes 1 us and 100 ns per packet; so it cannot keep up with five producers.
static void own(struct world *w)
{
	uint64_t was_ns = w->now_ns;
	struct qos_pkt *q;

	for (uint32_t urgency = 0; urgency < 2; urgency++)
		for (uint32_t i = 0; i < w->n_producers; i++)
			w->now_ns += 100 * take(w, w->p[i].rings[urgency]);
	while ((q = qos_sched_dequeue(w->s, w->now_ns)) != NULL) {
		struct pkt *k = (struct pkt *)q;

		left(w, k);
		give_back(w, k);
	}
	w->now_ns += 1000;
	if (w->now_ns - was_ns > w->max_turn_ns)
		w->max_turn_ns = w->now_ns - was_ns;
}

static void world_fini(struct world *w)
{
	for (uint32_t i = 0; i < w->n_producers; i++)
		for (uint32_t u = 0; u < 2; u++) {
			struct producer *p = &w->p[i];

			assert_true(rte_ring_empty(p->rings[u]));
			assert_true(p->made[u] == p->full[u] + p->refused[u] + p->sent[u]);
			free(p->rings[u]);
		}
	assert_int_equal(qos_sched_queued(w->s), 0);
	free(w->mem);
	free(w->pool);
}

static void e10_producers(uint32_t n_producers)
{
	struct world *w = calloc(1, sizeof(*w));
	uint64_t urgent_lost = 0, normal_lost = 0, end_ns;

	assert_non_null(w);
	world_init(w, n_producers, LINK_BITS);
	for (end_ns = w->now_ns + 50 * MS; w->now_ns < end_ns;) {
		for (uint32_t i = 0; i < n_producers; i++)
			produce(w, i);
		own(w);
	}
	for (end_ns = w->now_ns + 50 * MS; w->now_ns < end_ns;)
		own(w);
	for (uint32_t i = 0; i < n_producers; i++) {
		urgent_lost += w->p[i].full[0] + w->p[i].refused[0];
		normal_lost += w->p[i].full[1];
	}
	if (getenv("SIM_PRINT") != NULL)
		printf("E10: %u producers, urgent waits at most %.1f us, normal %.1f us, lost %u "
		       "and %u\n",
		       n_producers, (double)w->max_wait_ns[0] / 1e3,
		       (double)w->max_wait_ns[1] / 1e3, (unsigned)urgent_lost,
		       (unsigned)normal_lost);
	// Urgent first: whatever stands in the normal rings, an urgent packet is taken in the next
	// turn.
	assert_int_equal(urgent_lost, 0);
	assert_true(w->max_wait_ns[0] <= 2 * w->max_turn_ns);
	assert_true(n_producers < 4 || w->max_wait_ns[1] > 10 * w->max_wait_ns[0] / n_producers);
	assert_true(n_producers < 4 || normal_lost > 0);
	world_fini(w);
	free(w);
}

static void e10_one_to_eight_producers_keep_order_and_urgency(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= MAX_PRODUCERS; n++)
		e10_producers(n);
}

// --- two threads

#define N_THREADED 300000u

static atomic_bool produced;

static void *producer_main(void *arg)
{
	struct world *w = arg;
	struct producer *p = &w->p[0];

	for (uint32_t i = 0; i < N_THREADED; i++) {
		uint32_t urgency = draw(p, 8) != 0;
		struct pkt *k = &w->pool[i];

		describe(w, 0, k, urgency);
		(void)hand(w, k, urgency);
		if (rte_ring_full(p->rings[urgency]) && draw(p, 64) != 0)
			sched_yield(); // else, and at first, it is lost
	}
	atomic_store_explicit(&produced, true, memory_order_release);
	return NULL;
}

static void e10_two_threads_lose_and_reorder_nothing(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	pthread_t thread;
	bool done;

	(void)state;
	assert_non_null(w);
	world_init(w, 1, 0);
	free(w->pool);
	w->pool = calloc(N_THREADED, sizeof(*w->pool));
	assert_non_null(w->pool);
	assert_int_equal(pthread_create(&thread, NULL, producer_main, w), 0);
	do {
		struct qos_pkt *q;
		uint32_t n = 0;

		done = atomic_load_explicit(&produced, memory_order_acquire);
		for (uint32_t urgency = 0; urgency < 2; urgency++)
			n += take(w, w->p[0].rings[urgency]);
		while ((q = qos_sched_dequeue(w->s, w->now_ns)) != NULL)
			left(w, (struct pkt *)q);
		w->now_ns += 1000;
		if (n != 0)
			done = false;
		else if (!done)
			sched_yield();
	} while (!done);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(w->p[0].sent[0] > N_THREADED / 16 && w->p[0].sent[1] > N_THREADED / 16);
	world_fini(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e10_one_to_eight_producers_keep_order_and_urgency),
		cmocka_unit_test(e10_two_threads_lose_and_reorder_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
