#include "of_stub.h"

#include <stdlib.h>
#include <string.h>

struct of_stub of_stub;

void of_stub_reset(void)
{
	memset(&of_stub, 0, sizeof(of_stub));
}

// --- of_msg.c

int of_msg_create(struct of_agent *a)
{
	(void)a;
	return 0;
}

void of_msg_destroy(struct of_agent *a)
{
	(void)a;
}

// Answers of any size: whole messages, the last bytes are zeros.
static void reply(struct of_conn *c, const uint8_t *msg, size_t left)
{
	while (left >= 16) {
		struct of_buf b = { 0 };
		size_t size = left < OF_MSG_MAX ? left : OF_MSG_MAX;
		uint8_t *at = of_buf_grow(&b, size);

		if (at != NULL) {
			memset(at, 0, size);
			at[0] = msg[0];
			at[1] = 19;
			at[2] = (uint8_t)(size >> 8);
			at[3] = (uint8_t)size;
			memcpy(at + 4, msg + 4, 4);
		}
		of_conn_send(c, &b);
		of_buf_fini(&b);
		left -= size;
	}
}

void of_msg_handle(struct of_agent *a, struct of_conn *c, const uint8_t *msg, size_t size)
{
	of_stub.n_msgs++;
	a->work += of_stub.n_work;
	of_stub.last_type = msg[1];
	// Every byte is there to be read.
	for (size_t i = 0; i < size; i++)
		of_stub.sum += msg[i];
	if (msg[1] == 18)
		reply(c, msg, of_stub.reply_size);
	else if (msg[1] == 14)
		a->staged = true;
	else
		of_conn_error(c, msg, size, (struct of_wire_error){ 1, 1 });
}

void of_publish(struct of_agent *a)
{
	a->staged = false;
	a->published = dp_of_publish(a->p.of);
}

bool of_msg_busy(const struct of_agent *a, const struct of_conn *c)
{
	(void)a;
	(void)c;
	return of_stub.busy;
}

bool of_msg_held(const struct of_agent *a, const struct of_conn *c)
{
	(void)a;
	(void)c;
	return of_stub.held;
}

uint32_t of_bundle_count(const struct of_agent *a, const struct of_conn *c)
{
	(void)a;
	(void)c;
	return 0;
}

void of_msg_forget(struct of_agent *a, struct of_conn *c)
{
	(void)a;
	(void)c;
	of_stub.n_forgets++;
}

uint64_t of_msg_tick(struct of_agent *a, uint64_t now_ns)
{
	(void)a;
	(void)now_ns;
	return UINT64_MAX;
}

void of_packet_in_build(struct of_buf *b, const struct dp_of_packet_in *p, uint8_t version,
			uint32_t xid)
{
	uint8_t *at = of_buf_grow(b, p->size);

	if (at == NULL)
		return;
	memset(at, 0, p->size);
	at[0] = version;
	at[1] = 10;
	at[2] = (uint8_t)(p->size >> 8);
	at[3] = (uint8_t)p->size;
	at[7] = (uint8_t)xid;
	at[8] = (uint8_t)p->in_port;
}

// --- dp_of.h

int dp_of_set_mode(struct dp_of *of, enum dp_of_mode mode, struct weir_err *err)
{
	if (of->mode_rc < 0)
		return weir_err_set(err, of->mode_rc, "no memory for tables");
	of->mode = mode;
	return 0;
}

uint64_t dp_of_publish(struct dp_of *of)
{
	of->version++;
	if (of->auto_settle)
		of->settled = of->version;
	return of->version;
}

bool dp_of_settled(struct dp_of *of, uint64_t version)
{
	return of->settled >= version;
}

uint32_t dp_of_packet_ins(struct dp_of *of, struct dp_of_packet_in *out, uint32_t n)
{
	uint32_t took = n < of->n_pins ? n : of->n_pins;

	memcpy(out, of->pins, took * sizeof(*out));
	memmove(of->pins, of->pins + took, (of->n_pins - took) * sizeof(*out));
	of->n_pins -= took;
	return took;
}

void dp_of_packet_in_free(struct dp_of_packet_in *p)
{
	(void)p;
}
