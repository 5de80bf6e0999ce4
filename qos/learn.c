// See qos_learn.h.
#include "qos_learn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "learn_priv.h"

_Static_assert(LEARN_SLOTS == 1 << 12, "hash() gives 12 bits");
_Static_assert(QOS_LEARNT_MAX < UINT16_MAX, "an item + 1 fits a slot");

// --- What can be taught

bool qos_learn_allowed(const struct qos_portal *p)
{
	return qos_portal_addr_ok(&p->addr) && p->port != 0 && (p->proto == 6 || p->proto == 17) &&
	       p->service < QOS_N_SVCS &&
	       (p->how == QOS_HOW_REDIRECT || p->how == QOS_HOW_SENDTARGETS ||
		p->how == QOS_HOW_RPCBIND);
}

// --- The index

static uint32_t hash(const struct qos_addr *a, uint8_t proto, uint16_t port)
{
	uint64_t x, y;

	memcpy(&x, a->b, 8);
	memcpy(&y, a->b + 8, 8);
	x ^= y ^ ((uint64_t)port << 8) ^ proto;
	x ^= x >> 32;
	return (uint32_t)((x * 0x9e3779b97f4a7c15u) >> 52);
}

// Slot of the portal, or the empty one where it would go.
static uint32_t find(const struct qos_learn *l, const struct qos_addr *a, uint8_t proto,
		     uint16_t port)
{
	uint32_t s = hash(a, proto, port);

	for (; l->slots[s] != 0; s = (s + 1) % LEARN_SLOTS) {
		const struct qos_portal *p = &l->items[l->slots[s] - 1].portal;

		if (p->port == port && p->proto == proto && memcmp(&p->addr, a, sizeof(*a)) == 0)
			break;
	}
	return s;
}

static struct qos_learnt *get(struct qos_learn *l, const struct qos_addr *a, uint8_t proto,
			      uint16_t port)
{
	uint16_t i = l->slots[find(l, a, proto, port)];

	return i == 0 ? NULL : &l->items[i - 1];
}

// The same for a teacher.
static uint32_t find_teacher(const struct qos_learn *l, const struct qos_addr *a)
{
	uint32_t s = hash(a, 0, 0);

	while (l->teachers[s].item != 0 &&
	       memcmp(&l->items[l->teachers[s].item - 1].teacher, a, sizeof(*a)) != 0)
		s = (s + 1) % LEARN_SLOTS;
	return s;
}

int qos_learn_insert(struct qos_learn *l, const struct qos_learnt *e)
{
	uint32_t s = find(l, &e->portal.addr, e->portal.proto, e->portal.port);
	uint32_t t = find_teacher(l, &e->teacher);

	if (l->slots[s] != 0)
		return -EEXIST;
	if (l->teachers[t].n >= l->params.max_per_teacher) {
		l->counts.refused_teacher_full++;
		return -ENOSPC;
	}
	if (l->counts.now >= l->params.max) {
		l->counts.refused_full++;
		return -ENOSPC;
	}
	l->items[l->counts.now++] = *e;
	l->slots[s] = (uint16_t)l->counts.now;
	l->teachers[t].item = (uint16_t)l->counts.now;
	l->teachers[t].n++;
	return 0;
}

// Enter all items again, in their order. What does not fit goes.
static void rebuild(struct qos_learn *l)
{
	struct qos_learn_counts before = l->counts;
	uint32_t n = l->counts.now;

	memset(l->slots, 0, sizeof(l->slots));
	memset(l->teachers, 0, sizeof(l->teachers));
	l->counts.now = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct qos_learnt e = l->items[i]; // its own place may be written

		(void)qos_learn_insert(l, &e);
	}
	before.dropped += n - l->counts.now;
	before.now = l->counts.now;
	l->counts = before; // nobody was refused
}

// --- Its life

int qos_learn_create(const struct qos_learn_params *p, struct qos_learn **out)
{
	*out = NULL;
	if (p->max > QOS_LEARNT_MAX)
		return -EINVAL;
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	(*out)->params = *p;
	return 0;
}

void qos_learn_destroy(struct qos_learn *l)
{
	free(l);
}

int qos_learn_order(const struct qos_learnt *a, const struct qos_learnt *b)
{
	int d;

	if (a->last_s != b->last_s)
		return a->last_s > b->last_s ? -1 : 1;
	d = memcmp(&a->portal.addr, &b->portal.addr, sizeof(a->portal.addr));
	if (d != 0)
		return d;
	if (a->portal.proto != b->portal.proto)
		return a->portal.proto < b->portal.proto ? -1 : 1;
	return (int)a->portal.port - (int)b->portal.port;
}

static int by_order(const void *a, const void *b)
{
	return qos_learn_order(a, b);
}

void qos_learn_set(struct qos_learn *l, const struct qos_learn_params *p)
{
	l->params = *p;
	if (l->params.max > QOS_LEARNT_MAX)
		l->params.max = QOS_LEARNT_MAX;
	qsort(l->items, l->counts.now, sizeof(l->items[0]), by_order);
	rebuild(l);
}

// --- Learning

static void touch(struct qos_learnt *e, uint64_t now_s)
{
	e->last_s = now_s;
	if (e->first_s > now_s)
		e->first_s = now_s; // the clock was set back
}

// Is it storage by the configuration alone?
static bool is_declared(const struct qos_portals *table, const struct qos_portal *p)
{
	struct qos_portal_hit hit;

	if (qos_storage_port(p->proto, p->port) && qos_portals_is_server(table, &p->addr))
		return true;
	return qos_portals_match(table, &p->addr, p->port, &p->addr, p->port, p->proto, &hit) &&
	       (hit.how == QOS_HOW_DECLARED || hit.how == QOS_HOW_SERVER);
}

bool qos_learn_wanted(const struct qos_portals *table, const struct qos_portal *p)
{
	return qos_learn_allowed(p) && !is_declared(table, p);
}

// Taught again. A teacher that is not listed any more hands it over, within the new one's bound.
static void again(struct qos_learn *l, struct qos_learnt *e, const struct qos_portals *table,
		  const struct qos_addr *teacher)
{
	e->uses += e->uses < UINT64_MAX;
	if (memcmp(&e->teacher, teacher, sizeof(*teacher)) == 0 ||
	    qos_portals_listed(table, &e->teacher) ||
	    l->teachers[find_teacher(l, teacher)].n >= l->params.max_per_teacher)
		return;
	e->teacher = *teacher;
	rebuild(l);
}

int qos_learn_add(struct qos_learn *l, const struct qos_portals *table,
		  const struct qos_addr *teacher, const struct qos_portal *p, uint64_t now_s)
{
	struct qos_learnt e = { *p, *teacher, now_s, now_s, 1 }, *known;
	int rc;

	if (table == NULL || !qos_portals_listed(table, teacher)) {
		l->counts.refused_unlisted++;
		return -EPERM;
	}
	if (!qos_learn_allowed(p)) {
		l->counts.refused_address++;
		return -EINVAL;
	}
	known = get(l, &p->addr, p->proto, p->port);
	if (known != NULL) {
		touch(known, now_s);
		again(l, known, table, teacher);
	}
	if (known != NULL || is_declared(table, p)) {
		l->counts.again++;
		return -EEXIST;
	}
	rc = qos_learn_insert(l, &e);
	l->counts.taught += rc == 0;
	return rc;
}

bool qos_learn_seen(struct qos_learn *l, const struct qos_addr *a, uint8_t proto, uint16_t port,
		    uint64_t now_s)
{
	struct qos_learnt *e = get(l, a, proto, port);

	if (e != NULL)
		touch(e, now_s);
	return e != NULL;
}

uint32_t qos_learn_age(struct qos_learn *l, const struct qos_portals *table, uint64_t now_s)
{
	uint32_t n = 0, before = l->counts.now, aged = 0, age_s = l->params.ageing_s;
	struct qos_addr asked = { { 0 } };
	bool is_listed = false;

	for (uint32_t i = 0; i < before; i++) {
		const struct qos_learnt *e = &l->items[i];

		// Many in a row are one teacher's.
		if (i == 0 || memcmp(&asked, &e->teacher, sizeof(asked)) != 0) {
			asked = e->teacher;
			is_listed = table != NULL && qos_portals_listed(table, &asked);
		}
		if (age_s != 0 && now_s > e->last_s && now_s - e->last_s > age_s)
			aged++;
		else if (is_listed)
			l->items[n++] = *e;
	}
	if (n == before)
		return 0;
	l->counts.aged += aged;
	l->counts.dropped += before - n - aged;
	l->counts.now = n;
	rebuild(l);
	return before - n;
}

int qos_learn_remove(struct qos_learn *l, const struct qos_addr *a, uint8_t proto, uint16_t port)
{
	struct qos_learnt *e = get(l, a, proto, port);

	if (e == NULL)
		return -ENOENT;
	*e = l->items[--l->counts.now];
	l->counts.dropped++;
	rebuild(l);
	return 0;
}

void qos_learn_clear(struct qos_learn *l)
{
	l->counts.dropped += l->counts.now;
	l->counts.now = 0;
	rebuild(l);
}

const struct qos_learnt *qos_learn_at(const struct qos_learn *l, uint32_t i)
{
	return i < l->counts.now ? &l->items[i] : NULL;
}

void qos_learn_counts(const struct qos_learn *l, struct qos_learn_counts *out)
{
	*out = l->counts;
}
