// Bundles: OpenFlow 1.4.1 section 6.8, and the same as ONF's extension of 1.3.
//
// Messages are checked as far as the codec goes when they are added, and kept as bytes. A commit
// does them all in one journal and one version, in their order, whatever the flags say: that is
// ordered and atomic. The first one that fails undoes the whole, and is told with its own bytes.
#include "of_ops.h"

#include <stdlib.h>
#include <string.h>

enum {
	BUNDLES_MAX = 16,	       // of one connection
	BYTES_MAX = 128 * 1024 * 1024, // of all messages that wait
	BYTES_LEAST = 64 * 1024,       // that a connection may have in any case
	FLAGS = OF13_BUNDLE_FLAG_ATOMIC | OF13_BUNDLE_FLAG_ORDERED,
};

struct of_bundle {
	struct of_bundle *next;
	const struct of_conn *c;
	uint32_t id;
	uint16_t flags;
	bool closed, has_ports;
	uint8_t *bytes; // messages, one behind the other
	size_t size, cap;
};

struct of_bundles {
	struct of_bundle *first;
	struct of_bundle *doing; // its commit is under way
	size_t n_bytes;		 // in all
};

static int bad(struct of_wire_error *e, uint16_t code)
{
	return of_refuse(e, OF13_ERROR_BUNDLE_FAILED, code);
}

static struct of_bundle *find(struct of_agent *a, const struct of_conn *c, uint32_t id)
{
	struct of_bundle *b = a->bundles->first;

	while (b != NULL && (b->c != c || b->id != id))
		b = b->next;
	return b;
}

static void take_out(struct of_agent *a, struct of_bundle *b)
{
	struct of_bundle **at = &a->bundles->first;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
}

static void destroy(struct of_agent *a, struct of_bundle *b)
{
	a->bundles->n_bytes -= b->cap;
	free(b->bytes);
	free(b);
}

static void drop(struct of_agent *a, struct of_bundle *b)
{
	take_out(a, b);
	destroy(a, b);
}

uint32_t of_bundle_count(const struct of_agent *a, const struct of_conn *c)
{
	uint32_t n = 0;

	for (const struct of_bundle *b = a->bundles->first; b != NULL; b = b->next)
		n += b->c == c;
	return n;
}

static int open_bundle(struct of_agent *a, const struct of_conn *c, uint32_t id, uint16_t flags,
		       struct of_wire_error *e)
{
	struct of_bundle *b;

	if (find(a, c, id) != NULL)
		return bad(e, OF13_BUNDLE_FAILED_BUNDLE_EXIST);
	if ((flags & ~FLAGS) != 0)
		return bad(e, OF13_BUNDLE_FAILED_BAD_FLAGS);
	b = of_bundle_count(a, c) < BUNDLES_MAX ? calloc(1, sizeof(*b)) : NULL;
	if (b == NULL)
		return bad(e, OF13_BUNDLE_FAILED_OUT_OF_BUNDLES);
	b->c = c;
	b->id = id;
	b->flags = flags;
	b->next = a->bundles->first;
	a->bundles->first = b;
	return 0;
}

// --- Commit

static int commit(struct of_agent *a, struct of_bundle *b)
{
	take_out(a, b); // it is done even if its connection ends
	a->bundles->doing = b;
	of_publish(a);
	return of_txn_begin(a, b->bytes, b->size, b->has_ports);
}

static void reply(struct of_conn *c, const struct of13_bundle_control *m)
{
	struct of13_bundle_control r = *m;
	struct of_buf b = { 0 };

	r.type = m->type + 1;
	r.properties = (struct of_list){ 0 };
	of13_bundle_control_put(&b, &r);
	if (m->type == OF13_BUNDLE_CONTROL_COMMIT_REQUEST)
		of_conn_promise(c, &b); // that all of it is in force
	else
		of_conn_send(c, &b);
	of_buf_fini(&b);
}

int of_bundle_committed(struct of_agent *a, struct of_conn *c, const struct of13_bundle_control *m,
			int rc, struct of_wire_error *e)
{
	struct of_bundle *b = a->bundles->doing;

	of_publish(a);
	if (rc != 0 && c != NULL) {
		const uint8_t *msg = b->bytes + a->txn.at;

		of_conn_error(c, msg, of_be16(msg + 2), *e);
	}
	a->bundles->doing = NULL;
	destroy(a, b);
	if (rc != 0)
		return bad(e, OF13_BUNDLE_FAILED_MSG_FAILED);
	if (c != NULL)
		reply(c, m);
	return 0;
}

// --- Messages

static int control(struct of_agent *a, struct of_conn *c, const struct of13_bundle_control *m,
		   struct of_wire_error *e)
{
	struct of_bundle *b = find(a, c, m->bundle_id);

	if (m->type == OF13_BUNDLE_CONTROL_OPEN_REQUEST)
		return open_bundle(a, c, m->bundle_id, m->flags, e);
	if (m->type != OF13_BUNDLE_CONTROL_CLOSE_REQUEST &&
	    m->type != OF13_BUNDLE_CONTROL_COMMIT_REQUEST &&
	    m->type != OF13_BUNDLE_CONTROL_DISCARD_REQUEST)
		return bad(e, OF13_BUNDLE_FAILED_BAD_TYPE);
	if (b == NULL)
		return bad(e, OF13_BUNDLE_FAILED_BAD_ID);
	if (m->type == OF13_BUNDLE_CONTROL_DISCARD_REQUEST) {
		drop(a, b);
		return 0;
	}
	if (m->flags != b->flags)
		return bad(e, OF13_BUNDLE_FAILED_BAD_FLAGS);
	if (m->type == OF13_BUNDLE_CONTROL_COMMIT_REQUEST)
		return commit(a, b);
	if (b->closed)
		return bad(e, OF13_BUNDLE_FAILED_BUNDLE_CLOSED);
	b->closed = true;
	return 0;
}

int of_bundle_control(struct of_agent *a, struct of_conn *c, const struct of13_bundle_control *m,
		      struct of_wire_error *e)
{
	int rc = control(a, c, m, e);

	if (rc == OF_MORE)
		return rc;
	if (a->bundles->doing != NULL)
		return of_bundle_committed(a, c, m, rc, e);
	if (rc == 0)
		reply(c, m);
	return rc;
}

// One connection may have as much as is left for the others: 64 MiB when it is alone, and who comes
// later still finds room.
static bool may_grow(const struct of_agent *a, const struct of_bundle *b, size_t cap)
{
	size_t all = a->bundles->n_bytes - b->cap + cap, own = cap - b->cap;

	for (const struct of_bundle *i = a->bundles->first; i != NULL; i = i->next)
		own += i->c == b->c ? i->cap : 0;
	return own <= BYTES_LEAST || (all < BYTES_MAX && own <= BYTES_MAX - all);
}

static int keep(struct of_agent *a, struct of_bundle *b, struct of_list msg,
		struct of_wire_error *e)
{
	size_t cap = b->cap == 0 ? 4096 : b->cap * 2;
	uint8_t *bytes;

	while (cap < b->size + msg.size)
		cap *= 2;
	if (b->size + msg.size > b->cap) {
		if (!may_grow(a, b, cap))
			return bad(e, OF13_BUNDLE_FAILED_MSG_TOO_MANY);
		bytes = realloc(b->bytes, cap);
		if (bytes == NULL)
			return bad(e, OF13_BUNDLE_FAILED_MSG_TOO_MANY);
		a->bundles->n_bytes += cap - b->cap;
		b->bytes = bytes;
		b->cap = cap;
	}
	memcpy(b->bytes + b->size, msg.at, msg.size);
	b->size += msg.size;
	b->has_ports |= msg.at[1] == OF13_TYPE_PORT_MOD;
	return 0;
}

static int check_message(struct of_agent *a, const struct of13_bundle_add *m,
			 struct of_wire_error *e)
{
	const struct of_list *in = &m->message;

	if (in->size < 8 || of_be16(in->at + 2) != in->size)
		return bad(e, OF13_BUNDLE_FAILED_MSG_BAD_LEN);
	if (in->at[0] != (m->version == 0 ? OF13_VERSION : m->version))
		return of_refuse(e, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_VERSION);
	if (of_be32(in->at + 4) != m->xid)
		return bad(e, OF13_BUNDLE_FAILED_MSG_BAD_XID);
	return of_msg_change(a, in->at, in->size, OF_CHANGE_CHECK, e);
}

int of_bundle_add(struct of_agent *a, struct of_conn *c, const struct of13_bundle_add *m,
		  struct of_wire_error *e)
{
	struct of_bundle *b = find(a, c, m->bundle_id);

	if (b != NULL && b->closed)
		return bad(e, OF13_BUNDLE_FAILED_BUNDLE_CLOSED);
	if (b != NULL && b->flags != m->flags)
		return bad(e, OF13_BUNDLE_FAILED_BAD_FLAGS);
	if (check_message(a, m, e) != 0)
		return -EINVAL;
	if (b == NULL) { // section 6.8.3: the first message opens it
		if (open_bundle(a, c, m->bundle_id, m->flags, e) != 0)
			return -EINVAL;
		b = find(a, c, m->bundle_id);
	}
	return keep(a, b, m->message, e);
}

void of_bundle_forget(struct of_agent *a, struct of_conn *c)
{
	struct of_bundle *b = a->bundles->first;

	while (b != NULL) {
		struct of_bundle *next = b->next;

		if (b->c == c)
			drop(a, b);
		b = next;
	}
}

int of_bundles_create(struct of_agent *a)
{
	a->bundles = calloc(1, sizeof(*a->bundles));
	return a->bundles != NULL ? 0 : -ENOMEM;
}

void of_bundles_destroy(struct of_agent *a)
{
	if (a->bundles == NULL)
		return;
	while (a->bundles->first != NULL)
		drop(a, a->bundles->first);
	if (a->bundles->doing != NULL)
		destroy(a, a->bundles->doing);
	free(a->bundles);
	a->bundles = NULL;
}
