// What a connection has to write. Replies stand in one buffer and are never lost. Packet-ins wait
// beside it, a queue for each port, and come into the buffer when little is in it: by deficit round
// robin, so that a port that floods delays only itself. Where they are too many, the oldest one of
// the port with the most bytes goes.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "of_conn_priv.h"

enum {
	LOW = 32 << 10,	 // bytes below which packet-ins are let in
	KEEP = 64 << 10, // of an empty buffer
	QUANTUM = 1600,	 // an ordinary frame with its header
};

static size_t waiting(const struct of_out *o)
{
	return o->size - o->at;
}

// returns 0 or -ENOMEM
static int room_make(struct of_out *o, size_t size)
{
	size_t cap = o->cap == 0 ? 4096 : o->cap;
	uint8_t *data;

	if (o->at > 0 && o->size + size > o->cap) {
		memmove(o->data, o->data + o->at, waiting(o));
		o->size -= o->at;
		o->at = 0;
	}
	if (o->size + size <= o->cap)
		return 0;
	while (cap < o->size + size)
		cap *= 2;
	data = realloc(o->data, cap);
	if (data == NULL)
		return -ENOMEM;
	o->data = data;
	o->cap = cap;
	return 0;
}

int of_out_put(struct of_out *o, const uint8_t *msg, size_t size)
{
	if (room_make(o, size) < 0)
		return -ENOMEM;
	memcpy(o->data + o->size, msg, size);
	o->size += size;
	return 0;
}

// --- Packet-ins

static void pin_remove(struct of_out *o, struct of_pin_queue *q)
{
	struct of_pin *p = q->first;

	q->first = p->next;
	q->bytes -= p->size;
	o->pin_bytes -= p->size;
	o->n_pins--;
	if (q->first == NULL) {
		q->last = NULL;
		q->deficit = 0;
	}
	free(p);
}

static struct of_pin_queue *fattest(struct of_out *o)
{
	struct of_pin_queue *most = &o->pins[0];

	for (uint32_t i = 1; i < OF_PIN_QUEUES; i++) {
		if (o->pins[i].bytes > most->bytes)
			most = &o->pins[i];
	}
	return most;
}

// Packet-ins into the buffer, while little is in it.
static void refill(struct of_out *o)
{
	while (o->n_pins > 0 && waiting(o) < LOW) {
		struct of_pin_queue *q = &o->pins[o->turn % OF_PIN_QUEUES];

		if (q->first == NULL || q->deficit < q->first->size) {
			q->deficit += q->first == NULL ? 0 : QUANTUM;
			o->turn++;
			continue;
		}
		if (of_out_put(o, q->first->msg, q->first->size) < 0)
			return; // later
		q->deficit -= (uint32_t)q->first->size;
		pin_remove(o, q);
	}
}

uint32_t of_out_pin(struct of_out *o, uint32_t port, const uint8_t *msg, size_t size)
{
	struct of_pin_queue *q = &o->pins[port % OF_PIN_QUEUES];
	struct of_pin *p = malloc(sizeof(*p) + size);
	uint32_t n_dropped = 0;

	if (p == NULL)
		return 1;
	p->next = NULL;
	p->size = size;
	memcpy(p->msg, msg, size);
	if (q->last == NULL)
		q->first = p;
	else
		q->last->next = p;
	q->last = p;
	q->bytes += size;
	o->pin_bytes += size;
	o->n_pins++;
	for (; o->n_pins > OF_PINS_MAX || o->pin_bytes > OF_PIN_BYTES_MAX; n_dropped++)
		pin_remove(o, fattest(o));
	refill(o);
	return n_dropped;
}

void of_out_sent(struct of_out *o, size_t size)
{
	o->at += size < waiting(o) ? size : waiting(o);
	if (o->at == o->size) {
		o->at = o->size = 0;
		if (o->cap > KEEP) {
			free(o->data);
			o->data = NULL;
			o->cap = 0;
		}
	}
	refill(o);
}

void of_out_drop(struct of_out *o)
{
	for (uint32_t i = 0; i < OF_PIN_QUEUES; i++) {
		while (o->pins[i].first != NULL)
			pin_remove(o, &o->pins[i]);
	}
	free(o->data);
	o->data = NULL;
	o->at = o->size = o->cap = 0;
}
