// The channel of one controller: bytes become messages, hellos agree on a version, echoes tell
// whether it lives, a promise holds what follows it, and everything else is of_role.c's or
// of_msg.c's.
//
// Input is bounded by one message and TURN_MESSAGES of them in a call, so no controller starves
// the others; output by OF_OUTPUT_MAX, above which nothing more is read, and by OUTPUT_ALL for what
// nobody asked for: the connection with most of it ends, and its output with it.
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "of_conn_priv.h"
#include "weir_log.h"

enum {
	TURN_MESSAGES = 256,
	TURN_WORK = 50000,     // of messages (enum of_work); the last one may bring as much again
	OUTPUT_ALL = 64 << 20, // memory of all connections' output
	ERROR_BYTES = 128,     // of the message that an error is about; at least 64
	HELLO_S = 10,
	HELLO_MAX = 1024, // bytes of one
	SECOND_NS = 1000000000,
};

void of_conn_fail(struct of_conn *c, const char *fmt, ...)
{
	va_list ap;

	if (c->over)
		return; // the first reason counts
	c->over = true;
	c->promised = false;
	va_start(ap, fmt);
	vsnprintf(c->info.last_error, sizeof(c->info.last_error), fmt, ap);
	va_end(ap);
}

// --- Output

// All that waits, of connections that are over too, for they are written to the end.
static void output_bound(struct of_agent *a)
{
	struct of_conn *most = NULL;
	size_t sum = 0;

	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		struct of_conn *c = a->conns[i];

		if (c == NULL)
			continue;
		sum += c->out.cap;
		if (most == NULL || c->out.cap > most->out.cap)
			most = c;
	}
	if (sum <= OUTPUT_ALL)
		return;
	of_conn_fail(most, "does not read: %zu bytes wait", of_conn_waiting(most));
	of_out_drop(&most->out);
}

void of_conn_send(struct of_conn *c, const struct of_buf *b)
{
	if (c->over)
		return; // what was to be said has been
	if (b->failed || of_out_put(&c->out, b->data, b->size) < 0)
		of_conn_fail(c, "out of memory");
	else
		c->info.n_out++;
	if (c->out.cap > OF_OUTPUT_MAX)
		output_bound(c->agent);
}

size_t of_conn_waiting(const struct of_conn *c)
{
	return c->out.size - c->out.at;
}

uint8_t of_conn_version(const struct of_conn *c)
{
	return c->info.version;
}

bool of_conn_is_slave(const struct of_conn *c)
{
	return c->info.role == OF13_ROLE_SLAVE;
}

void of_conn_error(struct of_conn *c, const uint8_t *msg, size_t size, struct of_wire_error e)
{
	bool onf = c->info.version < 5 && e.type == OF13_ERROR_BUNDLE_FAILED;
	struct of13_error m = {
		.version = c->info.version,
		.xid = size >= OF_HEADER ? of_be32(msg + 4) : 0,
		.type = e.type,
		.code = e.code,
	};
	const struct of_list data = { msg, size < ERROR_BYTES ? size : ERROR_BYTES };
	struct of_buf b = { 0 };

	if (onf) {
		m.type = OF13_ERROR_EXPERIMENTER;
		m.code = (uint16_t)(e.code + OF_ONF_BUNDLE_ERRORS);
		m.experimenter.experimenter = OF_ONF;
		m.experimenter.data = data;
	} else {
		m.data = data;
	}
	(void)of13_error_put(&b, &m);
	of_conn_send(c, &b);
	of_buf_fini(&b);
	c->info.n_errors_sent++;
	if (!c->over)
		snprintf(c->info.last_error, sizeof(c->info.last_error), "message %u refused: %s",
			 size >= 2 ? msg[1] : 0, of13_error_code_name(e.type, e.code));
}

static void refuse(struct of_conn *c, const uint8_t *msg, size_t size, uint16_t code)
{
	of_conn_error(c, msg, size, (struct of_wire_error){ OF13_ERROR_BAD_REQUEST, code });
}

// --- Hello: OpenFlow 1.3.5 section 6.3.1

// Bit v: version v.
static uint32_t our_versions(const struct of_conn *c)
{
	return 1u << 4 | (c->p.allow_14 ? 1u << 5 : 0);
}

static uint8_t highest(uint32_t versions)
{
	return versions == 0 ? 0 : (uint8_t)(31 - __builtin_clz(versions));
}

static void hello_send(struct of_conn *c)
{
	const struct of13_bitmap bits = { our_versions(c) };
	struct of13_hello_elem elem = { .type = OF13_HELLO_ELEM_VERSIONBITMAP };
	struct of13_hello m = { .version = highest(our_versions(c)), .xid = c->next_xid++ };
	struct of_buf b = { 0 }, elems = { 0 }, bitmaps = { 0 };

	(void)of13_bitmap_put(&bitmaps, &bits);
	elem.versionbitmap.bitmaps = of_buf_list(&bitmaps);
	(void)of13_hello_elem_put(&elems, &elem);
	m.elements = of_buf_list(&elems);
	b.failed = bitmaps.failed || elems.failed;
	(void)of13_hello_put(&b, &m);
	of_conn_send(c, &b);
	of_buf_fini(&b);
	of_buf_fini(&elems);
	of_buf_fini(&bitmaps);
}

// Versions of a hello's bitmap, of those below 32. A hello may be of any version, and elements of
// any kind: what is not understood is skipped. returns 0 = it has none
static uint32_t bitmap_find(const uint8_t *msg, size_t size)
{
	size_t at = OF_HEADER;

	while (size - at >= 4) {
		size_t len = of_be16(msg + at + 2), step = (len + 7) & ~(size_t)7;

		if (len < 4 || len > size - at)
			return 0;
		if (of_be16(msg + at) == OF13_HELLO_ELEM_VERSIONBITMAP && len >= 8)
			return of_be32(msg + at + 4);
		if (step > size - at)
			return 0;
		at += step;
	}
	return 0;
}

static void hello_refuse(struct of_conn *c, const uint8_t *msg, const char *why)
{
	const struct of13_error m = {
		.version = 4,
		.xid = of_be32(msg + 4),
		.type = OF13_ERROR_HELLO_FAILED,
		.code = OF13_HELLO_FAILED_INCOMPATIBLE,
		.data = { (const uint8_t *)why, strlen(why) },
	};
	struct of_buf b = { 0 };

	(void)of13_error_put(&b, &m);
	// In words that it understands.
	if (!b.failed && msg[0] >= 1 && msg[0] < 4)
		b.data[0] = msg[0];
	of_conn_send(c, &b);
	of_buf_fini(&b);
	c->info.n_errors_sent++;
}

// The version that both sides have. returns 0 = none: it was said, and the connection is over
static uint8_t version_agree(struct of_conn *c, const uint8_t *msg, size_t size)
{
	uint32_t theirs = bitmap_find(msg, size), ours = our_versions(c);
	uint8_t version;

	// Without a bitmap the lower one of two versions counts, if the other side has it.
	if (theirs == 0)
		theirs = msg[0] >= highest(ours) ? 1u << highest(ours) : 1u << msg[0];
	version = highest(ours & theirs);
	if (version != 0)
		return version;
	hello_refuse(c, msg,
		     c->p.allow_14 ? "OpenFlow 1.3 and 1.4 are spoken here"
				   : "OpenFlow 1.3 is spoken here");
	of_conn_fail(c, "no version in common: its hello is of version 0x%02x", msg[0]);
	return 0;
}

static void hello_take(struct of_conn *c, const uint8_t *msg, size_t size)
{
	uint8_t version;

	if (msg[1] != OF13_TYPE_HELLO) {
		hello_refuse(c, msg, "a hello comes first");
		of_conn_fail(c, "began with message %u and not with a hello", msg[1]);
		return;
	}
	version = version_agree(c, msg, size);
	if (version == 0)
		return;
	c->info.version = version;
	c->info.up = true;
}

// --- Echo

static void echo_request(struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct of13_echo_request m;
	struct of13_echo_reply r = { .version = c->info.version };
	struct of_wire_error e;
	struct of_buf b = { 0 };

	if (of13_echo_request_get(msg, size, &m, &e) < 0) {
		of_conn_error(c, msg, size, e);
		return;
	}
	r.xid = m.xid;
	r.data = m.data;
	(void)of13_echo_reply_put(&b, &r);
	of_conn_send(c, &b);
	of_buf_fini(&b);
}

static void ask(struct of_conn *c)
{
	const struct of13_echo_request m = { .version = c->info.version, .xid = c->next_xid++ };
	struct of_buf b = { 0 };

	(void)of13_echo_request_put(&b, &m);
	of_conn_send(c, &b);
	of_buf_fini(&b);
	c->asked_ns = c->agent->now_ns;
}

// returns when it is to be looked at again
static uint64_t alive_look(struct of_conn *c)
{
	uint64_t now = c->agent->now_ns, probe = (uint64_t)c->p.probe_s * SECOND_NS;

	if (!c->info.up) {
		uint64_t end = c->opened_ns + (uint64_t)HELLO_S * SECOND_NS;

		if (now >= end)
			of_conn_fail(c, "no hello within %u s", HELLO_S);
		return end;
	}
	if (probe == 0)
		return UINT64_MAX;
	if (c->asked_ns != 0) {
		if (now - c->asked_ns >= probe)
			of_conn_fail(c, "no answer to an echo request within %u s", c->p.probe_s);
		return c->asked_ns + probe;
	}
	if (now - c->heard_ns < probe)
		return c->heard_ns + probe;
	ask(c);
	return now + probe;
}

// --- Promises: replies to barriers and commits

static void promise_look(struct of_conn *c)
{
	if (!c->promised || !dp_of_settled(c->agent->p.of, c->promise_version))
		return;
	c->promised = false;
	of_conn_send(c, &c->promise);
	of_buf_fini(&c->promise);
}

void of_conn_promise(struct of_conn *c, struct of_buf *b)
{
	struct of_agent *a = c->agent;

	// What was in force at once has no version that could be waited for, but the next one will
	// do.
	a->staged |= a->at_once;
	if (a->staged)
		of_publish(a);
	c->promised = !c->over;
	of_buf_fini(&c->promise); // of one that is over
	c->promise = *b;
	c->promise_version = a->published;
	c->promise_ns = a->now_ns;
	*b = (struct of_buf){ 0 };
	promise_look(c);
}

static void barrier_request(struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct of13_barrier_reply r = { .version = c->info.version };
	struct of13_barrier_request m;
	struct of_wire_error e;
	struct of_buf b = { 0 };

	if (of13_barrier_request_get(msg, size, &m, &e) < 0) {
		of_conn_error(c, msg, size, e);
		return;
	}
	r.xid = m.xid;
	(void)of13_barrier_reply_put(&b, &r);
	of_conn_promise(c, &b);
}

// --- Input

static void error_take(struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct of13_error m;
	struct of_wire_error e;

	// To whom it says that it does not understand, nothing is answered.
	if (of13_error_get(msg, size, &m, &e) == 0)
		snprintf(c->info.last_error, sizeof(c->info.last_error), "it said: %s",
			 of13_error_code_name(m.type, m.code));
}

static void message_take(struct of_conn *c, const uint8_t *msg, size_t size)
{
	c->info.n_in++;
	c->asked_ns = 0; // whatever it says, it lives
	if (!c->info.up) {
		hello_take(c, msg, size);
		return;
	}
	if (msg[0] != c->info.version && msg[1] != OF13_TYPE_HELLO) {
		refuse(c, msg, size, OF13_BAD_REQUEST_BAD_VERSION);
		return;
	}
	switch (msg[1]) {
	case OF13_TYPE_HELLO: // once more: what was agreed on stays
		(void)version_agree(c, msg, size);
		return;
	case OF13_TYPE_ECHO_REPLY:
		return;
	case OF13_TYPE_ECHO_REQUEST:
		echo_request(c, msg, size);
		return;
	case OF13_TYPE_ERROR:
		error_take(c, msg, size);
		return;
	case OF13_TYPE_BARRIER_REQUEST:
		barrier_request(c, msg, size);
		return;
	default:
		break;
	}
	if (c->info.role == OF13_ROLE_SLAVE && of_message_writes(msg, size))
		refuse(c, msg, size, OF13_BAD_REQUEST_IS_SLAVE);
	else if (!of_role_handle(c, msg, size))
		of_msg_handle(c->agent, c, msg, size);
}

// Room for `size` bytes of a message that is not whole.
static int in_reserve(struct of_conn *c, size_t size)
{
	uint8_t *in;

	if (size <= c->in_cap)
		return 0;
	in = realloc(c->in, size);
	if (in == NULL)
		return -ENOMEM;
	c->in = in;
	c->in_cap = size;
	return 0;
}

// Bytes of the message that begins there, or of its header while that is not whole.
static size_t message_size(const uint8_t *bytes, size_t n)
{
	return n < OF_HEADER ? OF_HEADER : of_be16(bytes + 2);
}

// A header that cannot be, or cannot be the first one: what follows it is not waited for. returns
// false = the connection is over
static bool header_take(struct of_conn *c, const uint8_t *msg)
{
	uint16_t size = of_be16(msg + 2);

	if (!c->info.up && msg[1] != OF13_TYPE_HELLO)
		hello_take(c, msg, OF_HEADER); // says so
	else if (size >= OF_HEADER && (c->info.up || size <= HELLO_MAX))
		return true;
	if (c->info.up)
		refuse(c, msg, OF_HEADER, OF13_BAD_REQUEST_BAD_LEN);
	of_conn_fail(c, "a message says that it has %u bytes", size);
	return false;
}

// Bytes for the message that is not whole yet. returns how many were taken
static size_t piece_take(struct of_conn *c, const uint8_t *bytes, size_t n)
{
	size_t want = message_size(c->in, c->in_size), took;

	took = want - c->in_size < n ? want - c->in_size : n;
	if (in_reserve(c, want) < 0) {
		of_conn_fail(c, "out of memory");
		return 0;
	}
	memcpy(c->in + c->in_size, bytes, took);
	c->in_size += took;
	if (c->in_size < OF_HEADER)
		return took;
	want = message_size(c->in, c->in_size);
	if (c->in_size == OF_HEADER && !header_take(c, c->in))
		return took;
	if (c->in_size == want) {
		c->in_size = 0; // what is in it stays until the next piece
		message_take(c, c->in, want);
	}
	return took;
}

// At most one message. returns how many bytes were taken
static size_t bytes_take(struct of_conn *c, const uint8_t *bytes, size_t n)
{
	size_t size = message_size(bytes, n);

	if (c->in_size == 0 && n >= OF_HEADER && !header_take(c, bytes))
		return n;
	if (c->in_size > 0 || n < size)
		return piece_take(c, bytes, n);
	message_take(c, bytes, size);
	return size;
}

bool of_conn_is_busy(const struct of_conn *c)
{
	return !c->over && of_msg_busy(c->agent, c);
}

bool of_conn_over(const struct of_conn *c)
{
	return c->over;
}

bool of_conn_wants_input(const struct of_conn *c)
{
	return !c->over && !c->promised && of_conn_waiting(c) <= OF_OUTPUT_MAX &&
	       !of_msg_busy(c->agent, c);
}

int of_conn_input(struct of_conn *c, const uint8_t *bytes, size_t n, uint64_t now_ns)
{
	uint64_t until = c->info.n_in + TURN_MESSAGES;
	uint64_t work = c->agent->work + TURN_WORK;
	size_t at = 0;

	c->agent->now_ns = now_ns;
	c->heard_ns = now_ns;
	while (at < n && c->info.n_in < until && c->agent->work < work && of_conn_wants_input(c))
		at += bytes_take(c, bytes + at, n - at);
	if (c->agent->staged)
		of_publish(c->agent);
	return c->over ? -EPROTO : (int)at;
}

const uint8_t *of_conn_output(const struct of_conn *c, size_t *size)
{
	*size = of_conn_waiting(c);
	return c->out.data == NULL ? NULL : c->out.data + c->out.at;
}

void of_conn_sent(struct of_conn *c, size_t size)
{
	of_out_sent(&c->out, size);
	// Who takes what it asked for, and is not read from meanwhile, lives.
	if (size > 0 && !of_conn_wants_input(c)) {
		c->heard_ns = c->agent->now_ns;
		c->asked_ns = 0;
	}
}

uint64_t of_conn_tick(struct of_conn *c)
{
	if (c->over)
		return UINT64_MAX;
	promise_look(c);
	// Who is not listened to because of others may have said that it lives.
	if (of_msg_held(c->agent, c)) {
		c->heard_ns = c->agent->now_ns;
		c->asked_ns = c->asked_ns == 0 ? 0 : c->agent->now_ns;
	}
	return alive_look(c);
}

void of_conn_info(const struct of_conn *c, struct of_conn_info *out)
{
	*out = c->info;
	out->n_packet_ins -= out->n_packet_ins_dropped + c->out.n_pins;
	out->n_bundles = of_bundle_count(c->agent, c);
}

int of_conn_open(struct of_agent *a, const struct of_conn_params *p, uint64_t now_ns,
		 struct of_conn **out)
{
	struct of_conn *c;
	uint32_t i = 0;

	*out = NULL;
	while (i < OF_CONNS_MAX && a->conns[i] != NULL)
		i++;
	if (i == OF_CONNS_MAX)
		return -ENOSPC;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->agent = a;
	c->p = *p;
	c->next_xid = 1;
	c->opened_ns = c->heard_ns = now_ns;
	c->info.role = OF13_ROLE_EQUAL;
	of_masks_init(c);
	hello_send(c);
	if (c->over) {
		of_out_drop(&c->out);
		free(c);
		return -ENOMEM;
	}
	a->conns[i] = c;
	*out = c;
	return 0;
}

void of_conn_close(struct of_conn *c)
{
	if (c == NULL)
		return;
	of_msg_forget(c->agent, c);
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		if (c->agent->conns[i] == c)
			c->agent->conns[i] = NULL;
	}
	of_out_drop(&c->out);
	of_buf_fini(&c->promise);
	free(c->in);
	free(c);
}
