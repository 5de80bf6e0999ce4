// A plain ring copy in place of a switch: a thread of ours that moves frames from port 0 to 1, 1 to
// 0, 2 to 3, ... and does nothing else. What the generator reaches here is what it can measure at
// all. Split rings, one descriptor a frame.
#include "pg_copy.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pg_engine.h"

enum {
	COPY_BURST = 32,
	COPY_PATIENCE = 64, // looks at less than a burst before it is taken
};

struct way {
	struct vh_ring *from, *to;
	uint16_t from_idx, to_idx;
	uint16_t n_looks;
};

struct pg_copy {
	pthread_t thread;
	atomic_bool stop;
	struct way *ways; // ways[n_ways]
	uint32_t n_ways;
	_Atomic uint64_t pkts, busy_ticks;
};

static uint8_t *at(const struct vh_ring *r, uint64_t guest_addr)
{
	return r->slots + (guest_addr - r->slots_guest_addr);
}

static uint16_t copy_burst(struct way *w)
{
	struct vh_ring *f = w->from, *t = w->to;
	uint16_t n = (uint16_t)(__atomic_load_n(&f->avail->idx, __ATOMIC_ACQUIRE) - w->from_idx);
	uint16_t room = (uint16_t)(__atomic_load_n(&t->avail->idx, __ATOMIC_ACQUIRE) - w->to_idx);

	n = n < room ? n : room;
	// Whole bursts, or both sides would chase each other through the same cache lines.
	if (n < COPY_BURST && w->n_looks++ < COPY_PATIENCE)
		return 0;
	w->n_looks = 0;
	n = n < COPY_BURST ? n : COPY_BURST;
	for (uint16_t i = 0; i < n; i++) {
		uint16_t fm = (uint16_t)(w->from_idx + i) & (f->size - 1),
			 tm = (uint16_t)(w->to_idx + i) & (t->size - 1);
		uint16_t fi = f->avail->ring[fm], ti = t->avail->ring[tm];
		const struct vring_desc *d = &f->desc[fi];
		uint8_t *out = at(t, t->desc[ti].addr);

		memcpy(out + VH_RING_HDR_BYTES, at(f, d->addr) + VH_RING_HDR_BYTES,
		       d->len - VH_RING_HDR_BYTES);
		((struct virtio_net_hdr_mrg_rxbuf *)out)->num_buffers = 1;
		f->used->ring[fm] = (struct vring_used_elem){ fi, 0 };
		t->used->ring[tm] = (struct vring_used_elem){ ti, d->len };
	}
	if (n == 0)
		return 0;
	w->from_idx = (uint16_t)(w->from_idx + n);
	w->to_idx = (uint16_t)(w->to_idx + n);
	__atomic_store_n(&f->used->idx, w->from_idx, __ATOMIC_RELEASE);
	__atomic_store_n(&t->used->idx, w->to_idx, __ATOMIC_RELEASE);
	return n;
}

static void *copy_main(void *arg)
{
	struct pg_copy *c = arg;

	while (!atomic_load_explicit(&c->stop, memory_order_relaxed)) {
		uint64_t start = pg_rdtsc();
		uint32_t n = 0;

		for (uint32_t i = 0; i < c->n_ways; i++)
			n += copy_burst(&c->ways[i]);
		if (n == 0)
			continue;
		atomic_store_explicit(&c->pkts, c->pkts + n, memory_order_relaxed);
		atomic_store_explicit(&c->busy_ticks, c->busy_ticks + pg_rdtsc() - start,
				      memory_order_relaxed);
	}
	return NULL;
}

static int thread_start(struct pg_copy *c, int cpu)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int rc = pthread_attr_init(&attr);

	if (rc != 0)
		return -rc;
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		rc = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	if (rc == 0)
		rc = pthread_create(&c->thread, &attr, copy_main, c);
	pthread_attr_destroy(&attr);
	return -rc;
}

int pg_copy_start(struct pg_port *ports, uint32_t n_ports, int cpu, struct pg_copy **out)
{
	struct pg_copy *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL || (c->ways = calloc(n_ports, sizeof(c->ways[0]))) == NULL) {
		free(c);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i + 1 < n_ports; i += 2) {
		if (ports[i].cfg->kind != PG_PORT_COPY || ports[i + 1].cfg->kind != PG_PORT_COPY)
			continue;
		c->ways[c->n_ways++] =
			(struct way){ .from = ports[i].tx[0], .to = ports[i + 1].rx[0] };
		c->ways[c->n_ways++] =
			(struct way){ .from = ports[i + 1].tx[0], .to = ports[i].rx[0] };
	}
	for (uint32_t i = 0; i < c->n_ways; i++) {
		vh_ring_reset(c->ways[i].from);
		vh_ring_reset(c->ways[i].to);
		c->ways[i].from->used->flags = c->ways[i].to->used->flags = VRING_USED_F_NO_NOTIFY;
	}
	rc = thread_start(c, cpu);
	if (rc < 0) {
		free(c->ways);
		free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void pg_copy_counts(const struct pg_copy *c, uint64_t *pkts, uint64_t *busy_ticks)
{
	*pkts = c == NULL ? 0 : atomic_load(&c->pkts);
	*busy_ticks = c == NULL ? 0 : atomic_load(&c->busy_ticks);
}

void pg_copy_stop(struct pg_copy *c)
{
	if (c == NULL)
		return;
	atomic_store(&c->stop, true);
	pthread_join(c->thread, NULL);
	free(c->ways);
	free(c);
}
