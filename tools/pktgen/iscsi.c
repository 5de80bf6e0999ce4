// Request and response in the manner of iSCSI: an initiator keeps some commands outstanding; the
// target answers each with data (read), or with one response after it has all the data (write).
// Latency is from the turn that sent the command to the turn that took the last frame of the
// answer. A lost frame costs the whole command a timeout, as it would cost TCP one; its latency is
// then the time it waited in vain.
#include "pg_engine.h"

#include <stdlib.h>
#include <string.h>

enum {
	COMMAND_BYTES = 118, // 54 of headers, 48 of a basic header segment, our stamp in between
	TIMEOUT_MS = 200,    // Linux's shortest TCP retransmission
	TYPE_COMMAND = 1,
	TYPE_DATA = 2,
	TYPE_LAST = 3, // the last frame of the data
	TYPE_RESPONSE = 4,
};

// What follows the stamp.
struct body {
	uint8_t type, slot;
	uint16_t gen; // of the slot: an answer to a command that timed out is no answer
	uint32_t bytes;
};

struct command {
	uint16_t gen;
	bool outstanding;
	uint64_t due, sent; // ticks
	uint32_t data_left; // write: still to be sent
	uint32_t answered;  // read: bytes that arrived
};

struct answer {
	uint16_t gen;
	uint8_t slot;
	uint64_t due;
	uint32_t left; // bytes of data to send; a response has none
};

struct pg_iscsi {
	const struct pg_stream_cfg *cfg;
	struct pg_lane *initiator, *target;
	struct command commands[PG_DEPTH_MAX];
	struct {
		uint16_t gen;
		uint32_t bytes;
	} received[PG_DEPTH_MAX]; // at the target, of writes
	struct answer answers[PG_DEPTH_MAX];
	uint32_t first_answer, n_answers, sending; // sending: slot + 1 whose data is on its way out
};

struct pg_iscsi *pg_iscsi_create(const struct pg_stream_cfg *cfg, struct pg_lane *initiator,
				 struct pg_lane *target)
{
	struct pg_iscsi *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return NULL;
	i->cfg = cfg;
	i->initiator = initiator;
	i->target = target;
	return i;
}

void pg_iscsi_destroy(struct pg_iscsi *i)
{
	free(i);
}

static uint64_t ticks_of(const struct pg_engine *e, uint64_t ns)
{
	return (uint64_t)((double)ns / 1e9 * e->ticks_per_s);
}

// When the command behind one that ends now is due.
static uint64_t next_due(struct pg_engine *e, const struct pg_iscsi *i)
{
	uint64_t think = ticks_of(e, i->cfg->think_ns);

	if (i->cfg->random)
		think = (uint64_t)((__uint128_t)(2 * think) * pg_engine_random(e) >> 32);
	return e->tick + think;
}

static void body_write(uint8_t out[8], uint8_t type, uint8_t slot, uint16_t gen, uint32_t bytes)
{
	struct body b = { type, slot, gen, bytes };

	memcpy(out, &b, sizeof(b));
}

// One frame of data: as much as fits behind headers, stamp and body.
static uint32_t data_frame(const struct pg_iscsi *i, const struct pg_lane *l, uint32_t left,
			   uint32_t *size)
{
	uint32_t before = l->templates[0].l4 + 24u + 8u, room = i->cfg->mtu_bytes - before;
	uint32_t bytes = left < room ? left : room;

	*size = before + bytes < PG_LINE ? PG_LINE : before + bytes;
	return bytes;
}

static bool initiator_next(struct pg_engine *e, struct pg_lane *l, uint32_t *size, uint8_t body[8])
{
	struct pg_iscsi *i = l->iscsi;

	if (i->sending > 0) { // a write's data
		uint8_t slot = (uint8_t)(i->sending - 1);
		struct command *c = &i->commands[slot];
		uint32_t bytes = data_frame(i, l, c->data_left, size);

		c->data_left -= bytes;
		body_write(body, c->data_left == 0 ? TYPE_LAST : TYPE_DATA, slot, c->gen, bytes);
		if (c->data_left == 0)
			i->sending = 0;
		return true;
	}
	for (uint32_t s = 0; s < i->cfg->depth; s++) {
		struct command *c = &i->commands[s];

		if (c->outstanding && e->tick - c->sent > ticks_of(e, TIMEOUT_MS * 1000000ull)) {
			c->outstanding = false;
			l->c.lost_ios++;
			if (e->measuring)
				pg_hist_add(&l->hist, e->tick - c->sent);
		}
		if (c->outstanding || e->tick < c->due)
			continue;
		*c = (struct command){ .gen = (uint16_t)(c->gen + 1),
				       .outstanding = true,
				       .sent = e->tick };
		if (i->cfg->write) {
			c->data_left = i->cfg->io_bytes;
			i->sending = s + 1;
		}
		*size = COMMAND_BYTES;
		body_write(body, TYPE_COMMAND, (uint8_t)s, c->gen, 0);
		return true;
	}
	return false;
}

static bool target_next(struct pg_engine *e, struct pg_lane *l, uint32_t *size, uint8_t body[8])
{
	struct pg_iscsi *i = l->iscsi;
	struct answer *a = &i->answers[i->first_answer];
	uint32_t bytes;

	if (i->n_answers == 0 || e->tick < a->due)
		return false;
	if (i->cfg->write) {
		*size = COMMAND_BYTES;
		body_write(body, TYPE_RESPONSE, a->slot, a->gen, 0);
	} else {
		bytes = data_frame(i, l, a->left, size);
		a->left -= bytes;
		body_write(body, a->left == 0 ? TYPE_LAST : TYPE_DATA, a->slot, a->gen, bytes);
	}
	if (a->left == 0) {
		i->first_answer = (i->first_answer + 1) % PG_DEPTH_MAX;
		i->n_answers--;
	}
	return true;
}

bool pg_iscsi_next(struct pg_engine *e, struct pg_lane *l, uint32_t *size, uint8_t body[8])
{
	return l->is_target ? target_next(e, l, size, body) : initiator_next(e, l, size, body);
}

static void answer_add(struct pg_engine *e, struct pg_iscsi *i, const struct body *b)
{
	if (i->n_answers == PG_DEPTH_MAX)
		return; // the command times out
	i->answers[(i->first_answer + i->n_answers++) % PG_DEPTH_MAX] = (struct answer){
		.gen = b->gen,
		.slot = b->slot,
		.due = e->tick + ticks_of(e, i->cfg->service_ns),
		.left = i->cfg->write ? 0 : i->cfg->io_bytes,
	};
}

static void completed(struct pg_engine *e, struct pg_iscsi *i, struct command *c)
{
	c->outstanding = false;
	c->due = next_due(e, i);
	i->initiator->c.ios++;
	if (e->measuring)
		pg_hist_add(&i->initiator->hist, e->tick - c->sent);
}

void pg_iscsi_arrived(struct pg_engine *e, struct pg_lane *l, const uint8_t body[8], uint32_t size)
{
	struct pg_iscsi *i = l->iscsi;
	struct command *c;
	struct body b;

	if (size < l->templates[0].l4 + 24u + 8u)
		return;
	memcpy(&b, body, sizeof(b));
	if (b.slot >= i->cfg->depth)
		return;
	if (!l->is_target) { // it came from the initiator, so the target has it
		if (b.type == TYPE_COMMAND) {
			i->received[b.slot].gen = b.gen;
			i->received[b.slot].bytes = 0;
			if (!i->cfg->write)
				answer_add(e, i, &b);
		} else if (b.gen == i->received[b.slot].gen) {
			i->received[b.slot].bytes += b.bytes;
			if (b.type == TYPE_LAST && i->received[b.slot].bytes == i->cfg->io_bytes)
				answer_add(e, i, &b);
		}
		return;
	}
	c = &i->commands[b.slot];
	if (!c->outstanding || c->gen != b.gen)
		return;
	c->answered += b.bytes;
	if (b.type == TYPE_RESPONSE || (b.type == TYPE_LAST && c->answered == i->cfg->io_bytes))
		completed(e, i, c);
}
