// Addresses of pools, by VLAN and MAC: never by client identifier, which differs between the
// stages of one boot.
//
//	FREE		remembered, so that a machine that comes back has what it had
//	RESERVED	offered; nobody else is offered it until the client has chosen, or not in
// time 	BOUND		acknowledged; until it expires, which it never does when the lease
// is infinite 	QUARANTINE	declined: another machine answers for it
//
// A new client gets an address that nobody has had; else the free one that was used longest ago;
// else one whose machine is no longer configured. After that the pool is exhausted, which is
// counted and told once. All tables are bounded; a client quarantines four addresses at most, so
// that one guest cannot use a pool up.
#include <stdio.h>
#include <string.h>

#include "dhcp_priv.h"

#define RESERVE_NS 120000000000ull // UEFI collects offers for up to 32 s, and then some
#define QUARANTINE_NS 600000000000ull
#define FULL_NS 1000000000ull // an exhausted pool is searched again after that
#define FOREVER UINT64_MAX
enum { QUARANTINES_MAX = 4 };

static uint32_t be32(const uint8_t p[4])
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t p[4], uint32_t v)
{
	boot_put16(p, v >> 16);
	boot_put16(p + 2, v & 0xffff);
}

static uint32_t *ip_head(struct boot_leases *l, const uint8_t ip[4])
{
	return &l->by_ip[be32(ip) * 2654435761u >> 20 & (BOOT_LEASES - 1)];
}

static uint32_t *mac_head(struct boot_leases *l, const uint8_t mac[6])
{
	return &l->by_mac[(be32(mac + 2) ^ (uint32_t)mac[1] << 24) * 2654435761u >> 20 &
			  (BOOT_LEASES - 1)];
}

static struct boot_lease_entry *by_ip(struct boot_leases *l, uint16_t vid, const uint8_t ip[4])
{
	for (uint32_t i = *ip_head(l, ip); i != 0; i = l->e[i - 1].next_ip) {
		struct boot_lease_entry *e = &l->e[i - 1];

		if (e->vid == vid && memcmp(e->ip, ip, 4) == 0)
			return e;
	}
	return NULL;
}

static bool in_pool(const struct boot_pool *pool, const uint8_t ip[4])
{
	return memcmp(ip, pool->first, 4) >= 0 && memcmp(ip, pool->last, 4) <= 0;
}

static bool is_of(const struct boot_lease_entry *e, const struct boot_client *c)
{
	return e->vid == c->vid && memcmp(e->mac, c->mac, 6) == 0;
}

static bool is_free(const struct boot_lease_entry *e, uint64_t now_ns)
{
	return e->kind == BOOT_LEASE_FREE || e->until_ns <= now_ns;
}

// What the client has of this pool, however long ago; what it has now comes first.
static struct boot_lease_entry *of_client(struct boot_leases *l, const struct boot_client *c,
					  const struct boot_pool *pool, uint64_t now_ns)
{
	struct boot_lease_entry *best = NULL;

	for (uint32_t i = *mac_head(l, c->mac); i != 0; i = l->e[i - 1].next_mac) {
		struct boot_lease_entry *e = &l->e[i - 1];

		if (!is_of(e, c) || !in_pool(pool, e->ip) ||
		    (e->kind == BOOT_LEASE_QUARANTINE && !is_free(e, now_ns)))
			continue;
		if (best == NULL || (is_free(best, now_ns) && !is_free(e, now_ns)) ||
		    (is_free(best, now_ns) == is_free(e, now_ns) && e->used_ns > best->used_ns))
			best = e;
	}
	return best;
}

static void unlink_entry(struct boot_leases *l, struct boot_lease_entry *e)
{
	uint32_t n = (uint32_t)(e - l->e) + 1, *p;

	for (p = ip_head(l, e->ip); *p != n; p = &l->e[*p - 1].next_ip)
		;
	*p = e->next_ip;
	for (p = mac_head(l, e->mac); *p != n; p = &l->e[*p - 1].next_mac)
		;
	*p = e->next_mac;
}

static void link_entry(struct boot_leases *l, struct boot_lease_entry *e)
{
	uint32_t n = (uint32_t)(e - l->e) + 1, *ip = ip_head(l, e->ip), *mac = mac_head(l, e->mac);

	e->next_ip = *ip;
	*ip = n;
	e->next_mac = *mac;
	*mac = n;
}

static bool has_machine(const struct boot_responder *r, const struct boot_lease_entry *e)
{
	return boot_client_of_mac(r, e->vid, e->mac) != NULL;
}

// The entry to give to somebody else: in a pool, or (pool NULL) in any network.
static struct boot_lease_entry *oldest(struct boot_responder *r, uint16_t vid,
				       const struct boot_pool *pool, uint64_t now_ns)
{
	struct boot_lease_entry *freed = NULL, *orphan = NULL;

	for (uint32_t i = 0; i < r->leases.n; i++) {
		struct boot_lease_entry *e = &r->leases.e[i];

		if (pool != NULL && (e->vid != vid || !in_pool(pool, e->ip)))
			continue;
		if (is_free(e, now_ns)) {
			if (freed == NULL || e->used_ns < freed->used_ns)
				freed = e;
		} else if (e->kind != BOOT_LEASE_QUARANTINE &&
			   (orphan == NULL || e->used_ns < orphan->used_ns) && !has_machine(r, e)) {
			orphan = e;
		}
	}
	return freed != NULL ? freed : orphan;
}

// Somebody's own, or the service's.
static bool is_taken(const struct boot_responder *r, const struct boot_client *c,
		     const uint8_t ip[4])
{
	return memcmp(ip, c->service_ip, 4) == 0 || memcmp(ip, c->router, 4) == 0 ||
	       boot_client_of_ip(r, c->service_ip, ip) != NULL;
}

static struct boot_pool_mark *mark_of(struct boot_leases *l, uint16_t vid)
{
	return &l->marks[vid % BOOT_POOL_MARKS];
}

// Networks that share a mark take it from each other, which costs time alone.
static struct boot_pool_mark *mark_take(struct boot_leases *l, uint16_t vid,
					const struct boot_pool *pool)
{
	struct boot_pool_mark *m = mark_of(l, vid);

	if (m->next == 0 || m->vid != vid || memcmp(m->first, pool->first, 4) != 0) {
		*m = (struct boot_pool_mark){ .vid = vid, .next = be32(pool->first) };
		memcpy(m->first, pool->first, 4);
	}
	return m;
}

// One that nobody has had. returns false = there is none
static bool never_used(struct boot_responder *r, const struct boot_client *c,
		       const struct boot_pool *pool, uint8_t ip[4])
{
	struct boot_pool_mark *m = mark_take(&r->leases, c->vid, pool);
	uint32_t last = be32(pool->last);

	// Those in the way are entries or somebody's own, and passed once.
	for (; m->next <= last && m->next != UINT32_MAX; m->next++) {
		put32(ip, m->next);
		if (by_ip(&r->leases, c->vid, ip) == NULL && !is_taken(r, c, ip))
			return true;
	}
	return false;
}

static struct boot_lease_entry *entry_make(struct boot_responder *r, const struct boot_client *c,
					   const uint8_t ip[4], uint64_t now_ns)
{
	struct boot_leases *l = &r->leases;
	struct boot_lease_entry *e = l->n < BOOT_LEASES ? &l->e[l->n] : oldest(r, 0, NULL, now_ns);

	if (e == NULL)
		return NULL;
	if (l->n < BOOT_LEASES)
		l->n++;
	else
		unlink_entry(l, e);
	*e = (struct boot_lease_entry){ .vid = c->vid };
	memcpy(e->ip, ip, 4);
	memcpy(e->mac, c->mac, 6);
	link_entry(l, e);
	return e;
}

static void exhausted(struct boot_responder *r, const struct boot_udp *u,
		      const struct boot_pool *pool)
{
	struct boot_pool_mark *m = mark_take(&r->leases, u->client->vid, pool);
	const uint8_t *a = pool->first, *b = pool->last;
	char text[sizeof(((struct boot_event *)0)->detail)];

	m->full_until_ns = u->now_ns + FULL_NS;
	if (m->full_told)
		return;
	m->full_told = true;
	snprintf(text, sizeof(text), "%u.%u.%u.%u to %u.%u.%u.%u of VLAN %u: no address is left",
		 a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], u->client->vid);
	boot_event_emit(r, u->client, BOOT_EV_POOL_FULL, text, u->now_ns);
}

static struct boot_lease_entry *choose(struct boot_responder *r, const struct boot_udp *u,
				       const struct boot_pool *pool)
{
	const struct boot_client *c = u->client;
	struct boot_lease_entry *e = of_client(&r->leases, c, pool, u->now_ns);
	uint8_t ip[4];

	if (e != NULL && !is_taken(r, c, e->ip))
		return e;
	if (mark_take(&r->leases, c->vid, pool)->full_until_ns > u->now_ns)
		return NULL;
	if (never_used(r, c, pool, ip)) {
		e = entry_make(r, c, ip, u->now_ns);
	} else {
		e = oldest(r, c->vid, pool, u->now_ns);
		if (e != NULL && is_taken(r, c, e->ip)) {
			e->used_ns = u->now_ns; // somebody's own since: the next one, next time
			e = NULL;
		}
		if (e != NULL) {
			unlink_entry(&r->leases, e);
			memcpy(e->mac, c->mac, 6);
			link_entry(&r->leases, e);
		}
	}
	if (e == NULL) {
		exhausted(r, u, pool);
		return NULL;
	}
	mark_of(&r->leases, c->vid)->full_told = false;
	e->kind = BOOT_LEASE_FREE;
	return e;
}

bool boot_lease_offer(struct boot_responder *r, const struct boot_udp *u, uint8_t ip[4])
{
	const struct boot_pool *pool = boot_pool_of(r, u->client);
	struct boot_lease_entry *e;

	memcpy(ip, u->client->ip, 4);
	if (pool == NULL)
		return !boot_is_zero(ip);
	e = choose(r, u, pool);
	if (e == NULL)
		return false;
	if (e->kind != BOOT_LEASE_BOUND || is_free(e, u->now_ns)) {
		e->kind = BOOT_LEASE_RESERVED;
		e->until_ns = u->now_ns + RESERVE_NS;
		e->used_ns = u->now_ns;
	}
	memcpy(ip, e->ip, 4);
	return true;
}

// Machines may have come or gone.
void boot_leases_look_again(struct boot_responder *r)
{
	memset(r->leases.marks, 0, sizeof(r->leases.marks));
}

// --- The journal

void boot_set_clock(struct boot_responder *r, uint64_t now_ns, uint64_t unix_s)
{
	r->leases.clock_ns = now_ns;
	r->leases.clock_s = unix_s;
}

static uint64_t to_unix(const struct boot_leases *l, uint64_t ns)
{
	if (ns == FOREVER)
		return FOREVER;
	return ns >= l->clock_ns ? l->clock_s + (ns - l->clock_ns) / 1000000000u
	       : l->clock_s > (l->clock_ns - ns) / 1000000000u
		       ? l->clock_s - (l->clock_ns - ns) / 1000000000u
		       : 0;
}

static uint64_t from_unix(const struct boot_leases *l, uint64_t s)
{
	uint64_t left = s > l->clock_s ? s - l->clock_s : 0;

	return s == FOREVER || left > (FOREVER - l->clock_ns) / 1000000000u - 1
		       ? FOREVER
		       : l->clock_ns + left * 1000000000u;
}

static void lease_of(const struct boot_leases *l, const struct boot_lease_entry *e,
		     struct boot_lease *out)
{
	memset(out, 0, sizeof(*out));
	out->vid = e->vid;
	memcpy(out->ip, e->ip, 4);
	memcpy(out->mac, e->mac, 6);
	out->kind = e->kind == BOOT_LEASE_RESERVED ? BOOT_LEASE_FREE : e->kind;
	out->expires_s = to_unix(l, e->kind == BOOT_LEASE_FREE ? e->used_ns : e->until_ns);
}

static void keep(const struct boot_responder *r, const struct boot_lease_entry *e)
{
	struct boot_lease l;

	lease_of(&r->leases, e, &l);
	if (r->out.lease != NULL)
		r->out.lease(r->out.ctx, &l);
}

bool boot_lease_nth(const struct boot_responder *r, uint32_t n, struct boot_lease *out)
{
	if (n >= r->leases.n)
		return false;
	lease_of(&r->leases, &r->leases.e[n], out);
	return true;
}

void boot_lease_restore(struct boot_responder *r, const struct boot_lease *in)
{
	struct boot_client c = { .vid = in->vid };
	struct boot_leases *l = &r->leases;
	struct boot_lease_entry *e = by_ip(l, in->vid, in->ip);

	memcpy(c.mac, in->mac, 6);
	if (e == NULL)
		e = entry_make(r, &c, in->ip, l->clock_ns);
	if (e == NULL || in->kind > BOOT_LEASE_QUARANTINE)
		return;
	unlink_entry(l, e);
	memcpy(e->mac, in->mac, 6);
	link_entry(l, e);
	e->kind = in->kind;
	e->until_ns = from_unix(l, in->expires_s);
	// Later lines are later uses; all were before now.
	e->used_ns = 0;
	if (e->kind == BOOT_LEASE_FREE || e->until_ns <= l->clock_ns) {
		e->kind = BOOT_LEASE_FREE;
		e->until_ns = 0;
	}
}

// --- What clients do

bool boot_lease_bind(struct boot_responder *r, const struct boot_udp *u, const uint8_t ip[4])
{
	const struct boot_client *c = u->client;
	const struct boot_pool *pool = boot_pool_of(r, c);
	struct boot_lease_entry *e, *old;
	uint64_t until_ns;

	if (pool == NULL || !in_pool(pool, ip) || is_taken(r, c, ip))
		return false;
	e = by_ip(&r->leases, c->vid, ip);
	if (e != NULL && !is_of(e, c)) {
		if (!is_free(e, u->now_ns))
			return false;
		unlink_entry(&r->leases, e);
		memcpy(e->mac, c->mac, 6);
		link_entry(&r->leases, e);
		e->kind = BOOT_LEASE_FREE;
	}
	// What was declined stays so, for its own client too.
	if (e != NULL && e->kind == BOOT_LEASE_QUARANTINE && !is_free(e, u->now_ns))
		return false;
	old = of_client(&r->leases, c, pool, u->now_ns);
	if (old != NULL && old != e && old->kind == BOOT_LEASE_BOUND && !is_free(old, u->now_ns))
		return false; // one address per client
	if (e == NULL && (e = entry_make(r, c, ip, u->now_ns)) == NULL)
		return false;
	until_ns = pool->lease_s == 0 || pool->lease_s == BOOT_LEASE_INFINITE
			   ? FOREVER
			   : u->now_ns + (uint64_t)pool->lease_s * 1000000000u;
	e->used_ns = u->now_ns;
	if (e->kind == BOOT_LEASE_BOUND && e->until_ns == until_ns)
		return true; // nothing new to keep
	e->kind = BOOT_LEASE_BOUND;
	e->until_ns = until_ns;
	keep(r, e);
	return true;
}

static struct boot_lease_entry *held(struct boot_responder *r, const struct boot_client *c,
				     const uint8_t ip[4])
{
	struct boot_lease_entry *e = by_ip(&r->leases, c->vid, ip);

	return e != NULL && is_of(e, c) && e->kind == BOOT_LEASE_BOUND ? e : NULL;
}

bool boot_lease_holds(const struct boot_responder *r, const struct boot_client *c,
		      const uint8_t ip[4])
{
	return held((struct boot_responder *)(uintptr_t)r, c, ip) != NULL;
}

bool boot_lease_find(const struct boot_responder *r, const uint8_t ip[4], uint32_t n,
		     struct boot_lease *out)
{
	struct boot_leases *l = (struct boot_leases *)(uintptr_t)&r->leases;

	for (uint32_t i = *ip_head(l, ip); i != 0; i = l->e[i - 1].next_ip) {
		const struct boot_lease_entry *e = &l->e[i - 1];

		if (memcmp(e->ip, ip, 4) == 0 && e->kind == BOOT_LEASE_BOUND && n-- == 0) {
			lease_of(l, e, out);
			return true;
		}
	}
	return false;
}

// Its oldest quarantined address, when it has as many as it may.
static struct boot_lease_entry *surplus(struct boot_leases *l, const struct boot_client *c,
					uint64_t now_ns)
{
	struct boot_lease_entry *first = NULL;
	uint32_t n = 0;

	for (uint32_t i = *mac_head(l, c->mac); i != 0; i = l->e[i - 1].next_mac) {
		struct boot_lease_entry *e = &l->e[i - 1];

		if (!is_of(e, c) || e->kind != BOOT_LEASE_QUARANTINE || is_free(e, now_ns))
			continue;
		n++;
		if (first == NULL || e->until_ns < first->until_ns)
			first = e;
	}
	return n >= QUARANTINES_MAX ? first : NULL;
}

void boot_lease_decline(struct boot_responder *r, const struct boot_udp *u, const uint8_t ip[4])
{
	struct boot_lease_entry *e = held(r, u->client, ip), *back;
	char text[32];

	if (e == NULL)
		return; // not its own
	back = surplus(&r->leases, u->client, u->now_ns);
	if (back != NULL) {
		back->kind = BOOT_LEASE_FREE;
		keep(r, back);
	}
	e->kind = BOOT_LEASE_QUARANTINE;
	e->until_ns = u->now_ns + QUARANTINE_NS;
	keep(r, e);
	snprintf(text, sizeof(text), "%u.%u.%u.%u for 600 s", ip[0], ip[1], ip[2], ip[3]);
	boot_event_emit(r, u->client, BOOT_EV_QUARANTINE, text, u->now_ns);
}

void boot_lease_release(struct boot_responder *r, const struct boot_udp *u, const uint8_t ip[4])
{
	struct boot_lease_entry *e = held(r, u->client, ip);

	if (e == NULL)
		return;
	e->kind = BOOT_LEASE_FREE;
	e->used_ns = u->now_ns;
	mark_of(&r->leases, u->client->vid)->full_until_ns = 0;
	keep(r, e);
}

void boot_lease_unreserve(struct boot_responder *r, const struct boot_client *c)
{
	const struct boot_pool *pool = boot_pool_of(r, c);
	struct boot_lease_entry *e = pool != NULL ? of_client(&r->leases, c, pool, 0) : NULL;

	if (e != NULL && e->kind == BOOT_LEASE_RESERVED)
		e->kind = BOOT_LEASE_FREE;
}
