// Addresses of pools: who gets which, for how long, and what a restart leaves.
#include "boot_rig.h"

enum { DISCOVER = 1, REQUEST = 3, DECLINE = 4, RELEASE = 7, OFFER = 2, ACK = 5, NAK = 6 };

static const struct boot_pool pool_of_four = {
	.vid = 1, .first = { 10, 0, 0, 20 }, .last = { 10, 0, 0, 23 }, .lease_s = 600
};

// Clients 1..n without addresses of their own.
static void clients_make(struct rig *g, uint8_t n, const struct boot_pool *pool)
{
	struct boot_client c[32];

	for (uint8_t i = 0; i < n; i++) {
		c[i] = rig_client((uint8_t)(i + 1));
		memset(c[i].ip, 0, 4);
		c[i].pool = 0;
	}
	rig_table(g, c, n, pool);
}

static struct rig *make(uint8_t n, const struct boot_pool *pool)
{
	struct rig *g = malloc(sizeof(*g));

	assert_non_null(g);
	rig_init(g);
	clients_make(g, n, pool);
	return g;
}

// returns the last byte of the address that is offered; 0 = nothing is
static uint8_t discover(struct rig *g, uint8_t n)
{
	struct reply_view v;
	struct msg m;

	g->n_sent = 0;
	msg_init(&m, n, DISCOVER, n);
	rig_dhcp(g, n, &m);
	v = rig_last(g);
	if (v.bootp == NULL)
		return 0;
	assert_int_equal(reply_type(&v), OFFER);
	return v.bootp[19];
}

// Where an address is put into a REQUEST.
enum how { SELECTING, INIT_REBOOT, RENEWING };

// returns the type of the answer; 0 = none
static uint8_t request(struct rig *g, uint8_t n, uint8_t ip, enum how how)
{
	const uint8_t addr[4] = { 10, 0, 0, ip };
	struct reply_view v;
	struct msg m;

	g->n_sent = 0;
	msg_init(&m, n, REQUEST, n);
	if (how == SELECTING)
		msg_opt(&m, 54, rig_service, 4);
	if (how == RENEWING)
		memcpy(m.b + 12, addr, 4);
	else
		msg_opt(&m, 50, addr, 4);
	rig_dhcp(g, n, &m);
	v = rig_last(g);
	if (v.bootp != NULL && reply_type(&v) == ACK)
		assert_int_equal(v.bootp[19], ip);
	return reply_type(&v);
}

static void take(struct rig *g, uint8_t n, uint8_t ip)
{
	assert_int_equal(discover(g, n), ip);
	assert_int_equal(request(g, n, ip, SELECTING), ACK);
}

static void end(struct rig *g, uint8_t n, uint8_t type, uint8_t ip)
{
	const uint8_t addr[4] = { 10, 0, 0, ip };
	struct msg m;

	msg_init(&m, n, type, n);
	msg_opt(&m, 54, rig_service, 4);
	if (type == DECLINE)
		msg_opt(&m, 50, addr, 4);
	else
		memcpy(m.b + 12, addr, 4);
	rig_dhcp(g, n, &m);
}

static void an_offer_reserves_its_address(void **state)
{
	struct rig *g = make(5, &pool_of_four);

	(void)state;
	for (uint8_t n = 1; n <= 4; n++)
		assert_int_equal(discover(g, n), 19 + n);
	assert_int_equal(discover(g, 2), 21); // again: the same
	assert_int_equal(discover(g, 5), 0);  // none left
	assert_int_equal(discover(g, 5), 0);
	assert_int_equal(boot_counters(g->r)->dhcp_no_address, 2);
	assert_int_equal(rig_count(g, BOOT_EV_POOL_FULL), 1);
	assert_string_equal(rig_detail(g, BOOT_EV_POOL_FULL),
			    "10.0.0.20 to 10.0.0.23 of VLAN 1: no address is left");
	assert_int_equal(g->n_leases, 0); // nothing is bound
	g->now_ns += 121 * SECOND;
	assert_int_equal(discover(g, 5), 20); // the oldest, not taken in time
	rig_free(g);
}

static void a_bound_address_is_renewed_and_expires(void **state)
{
	struct rig *g = make(5, &pool_of_four);
	struct reply_view v;

	(void)state;
	for (uint8_t n = 1; n <= 4; n++)
		take(g, n, 19 + n);
	v = rig_last(g);
	assert_true(opt_is(&v, 51, "\0\0\x02\x58", 4));
	assert_true(opt_is(&v, 58, "\0\0\x01\x2c", 4));
	assert_int_equal(g->n_leases, 4);
	assert_int_equal(g->leases[0].kind, BOOT_LEASE_BOUND);
	assert_int_equal(g->leases[0].expires_s, 601);
	g->now_ns += 300 * SECOND;
	assert_int_equal(request(g, 2, 21, RENEWING), ACK);
	assert_int_equal(discover(g, 5), 0);
	g->now_ns += 301 * SECOND;
	assert_int_equal(request(g, 3, 22, RENEWING), ACK); // late, and nobody has it
	take(g, 5, 20);					    // the one that was used longest ago
	assert_int_equal(discover(g, 1), 23);		    // another one, since its own is gone
	assert_int_equal(request(g, 1, 20, INIT_REBOOT), NAK);
	assert_int_equal(discover(g, 2), 21);
	rig_free(g);
}

static void an_infinite_lease_is_told_once(void **state)
{
	struct boot_pool forever = pool_of_four;
	struct rig *g;
	struct boot_lease l;

	(void)state;
	forever.lease_s = BOOT_LEASE_INFINITE;
	g = make(2, &forever);
	take(g, 1, 20);
	take(g, 1, 20);
	assert_int_equal(request(g, 1, 20, RENEWING), ACK);
	assert_int_equal(g->n_leases, 1);
	assert_true(g->leases[0].expires_s == UINT64_MAX);
	g->now_ns += 1000000000 * SECOND;
	assert_int_equal(discover(g, 2), 21);
	assert_true(boot_lease_nth(g->r, 0, &l));
	assert_int_equal(l.kind, BOOT_LEASE_BOUND);
	rig_free(g);
}

static void a_released_address_is_free_and_remembered(void **state)
{
	struct rig *g = make(5, &pool_of_four);

	(void)state;
	for (uint8_t n = 1; n <= 4; n++)
		take(g, n, 19 + n);
	end(g, 3, RELEASE, 20); // not its own
	assert_int_equal(discover(g, 5), 0);
	end(g, 2, RELEASE, 21);
	assert_int_equal(discover(g, 2), 21); // comes back to what it had
	end(g, 3, RELEASE, 22);
	take(g, 5, 22);
	assert_int_equal(g->leases[g->n_leases - 2].kind, BOOT_LEASE_FREE);
	rig_free(g);
}

static void a_declined_address_is_in_quarantine(void **state)
{
	struct rig *g = make(5, &pool_of_four);

	(void)state;
	take(g, 1, 20);
	end(g, 2, DECLINE, 20); // not its own
	assert_int_equal(rig_count(g, BOOT_EV_QUARANTINE), 0);
	end(g, 1, DECLINE, 20);
	assert_string_equal(rig_detail(g, BOOT_EV_QUARANTINE), "10.0.0.20 for 600 s");
	assert_int_equal(request(g, 1, 20, INIT_REBOOT), NAK);
	take(g, 1, 21);
	take(g, 2, 22);
	take(g, 3, 23);
	assert_int_equal(discover(g, 4), 0);
	g->now_ns += 599 * SECOND;
	assert_int_equal(request(g, 3, 23, RENEWING), ACK);
	assert_int_equal(discover(g, 4), 0);
	g->now_ns += 2 * SECOND;
	assert_int_equal(discover(g, 4), 20);
	rig_free(g);
}

static void one_guest_cannot_put_a_pool_into_quarantine(void **state)
{
	const struct boot_pool wide = { 1, { 10, 0, 0, 20 }, { 10, 0, 0, 40 }, 600 };
	struct rig *g = make(2, &wide);
	struct boot_lease l;
	uint32_t n_bad = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint8_t ip = discover(g, 1);

		assert_int_not_equal(ip, 0);
		assert_int_equal(request(g, 1, ip, SELECTING), ACK);
		end(g, 1, DECLINE, ip);
		g->now_ns += SECOND / 20;
	}
	for (uint32_t i = 0; boot_lease_nth(g->r, i, &l); i++)
		n_bad += l.kind == BOOT_LEASE_QUARANTINE;
	assert_int_equal(n_bad, 4);
	assert_int_not_equal(discover(g, 2), 0);
	rig_free(g);
}

static void addresses_of_others_are_not_given_away(void **state)
{
	const struct boot_pool over_all = { 1, { 10, 0, 0, 1 }, { 10, 0, 0, 103 }, 600 };
	struct boot_client c[3] = { rig_client(1), rig_client(2), rig_client(3) };
	struct rig *g = make(1, &over_all);

	(void)state;
	memset(c[0].ip, 0, 4);
	c[0].pool = 0;
	c[1].ip[3] = 3;
	rig_table(g, c, 3, &over_all);
	assert_int_equal(discover(g, 1), 4); // .1 is the router, .2 the service, .3 client 2
	for (uint8_t ip = 1; ip <= 3; ip++)
		assert_int_equal(request(g, 1, ip, INIT_REBOOT), NAK);
	assert_int_equal(request(g, 1, 200, INIT_REBOOT), NAK); // beyond the pool
	rig_free(g);
}

static void a_lost_lease_is_no_reason_to_refuse_a_known_guest(void **state)
{
	struct rig *g = make(3, &pool_of_four);

	(void)state;
	assert_int_equal(request(g, 1, 22, RENEWING), ACK);
	assert_int_equal(request(g, 2, 21, INIT_REBOOT), ACK);
	assert_int_equal(request(g, 3, 22, RENEWING), NAK);    // client 1 has it
	assert_int_equal(request(g, 1, 23, INIT_REBOOT), NAK); // it has another
	assert_int_equal(boot_counters(g->r)->dhcp_naks, 2);
	rig_free(g);
}

static void a_restart_keeps_what_the_journal_says(void **state)
{
	struct rig *g = make(5, &pool_of_four), *next = make(5, &pool_of_four);

	(void)state;
	boot_set_clock(g->r, g->now_ns, 1000000);
	take(g, 1, 20);
	take(g, 2, 21);
	take(g, 3, 22);
	end(g, 3, DECLINE, 22);
	end(g, 2, RELEASE, 21);
	boot_set_clock(next->r, next->now_ns, 1000000 + 500); // 500 s later
	for (uint32_t i = 0; i < g->n_leases; i++)
		boot_lease_restore(next->r, &g->leases[i]);
	assert_int_equal(request(next, 1, 20, RENEWING), ACK);
	assert_int_equal(discover(next, 4), 23);
	assert_int_equal(discover(next, 5), 21); // free, as 22 is not yet
	next->now_ns += 101 * SECOND;
	assert_int_equal(discover(next, 3), 22);
	rig_free(g);
	rig_free(next);
}

static void http_finds_clients_by_leased_addresses_too(void **state)
{
	const uint8_t ip[4] = { 10, 0, 0, 20 }, own[4] = { 10, 0, 0, 102 };
	struct boot_client c[2] = { rig_client(1), rig_client(2) };
	struct rig *g = make(1, &pool_of_four);

	(void)state;
	memset(c[0].ip, 0, 4);
	c[0].pool = 0;
	rig_table(g, c, 2, &pool_of_four);
	assert_null(boot_client_at(g->r, rig_service, ip));
	assert_int_equal(discover(g, 1), 20);
	assert_null(boot_client_at(g->r, rig_service, ip)); // offered only
	assert_int_equal(request(g, 1, 20, SELECTING), ACK);
	assert_int_equal(boot_client_at(g->r, rig_service, ip)->port, 1);
	assert_int_equal(boot_client_at(g->r, rig_service, own)->port, 2);
	assert_null(boot_client_at(g->r, own, ip)); // another service
	rig_table(g, c, 0, NULL);
	assert_null(boot_client_at(g->r, rig_service, ip));
	rig_free(g);
}

static void machines_that_are_gone_make_room(void **state)
{
	struct boot_pool forever = pool_of_four;
	struct boot_client c;
	struct rig *g;

	(void)state;
	forever.lease_s = BOOT_LEASE_INFINITE;
	g = make(4, &forever);
	for (uint8_t n = 1; n <= 4; n++)
		take(g, n, 19 + n);
	c = rig_client(9);
	memset(c.ip, 0, 4);
	c.pool = 0;
	rig_table(g, &c, 1, &forever);
	take(g, 9, 20);
	rig_free(g);
}

// Many machines come and go through a large pool: the memory for leases is bounded, and the newest
// are served.
static void the_memory_of_leases_is_bounded(void **state)
{
	const struct boot_pool large = { 1, { 10, 1, 0, 0 }, { 10, 1, 255, 255 }, 600 };
	struct rig *g = make(1, &large);
	struct boot_lease l;
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < 6000; i++) {
		struct boot_client c = rig_client((uint8_t)(i & 255));
		struct msg m;

		memset(c.ip, 0, 4);
		c.pool = 0;
		c.mac[3] = (uint8_t)(i >> 8);
		if (i % 256 == 0)
			g->now_ns += SECOND;
		rig_table(g, &c, 1, &large);
		msg_init(&m, c.mac[5], DISCOVER, i);
		m.b[31] = c.mac[3];
		g->n_sent = 0;
		rig_dhcp(g, c.port, &m);
		assert_int_equal(g->n_sent, 1);
	}
	while (boot_lease_nth(g->r, n, &l))
		n++;
	assert_int_equal(n, 4096);
	rig_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_reserves_its_address),
		cmocka_unit_test(a_bound_address_is_renewed_and_expires),
		cmocka_unit_test(an_infinite_lease_is_told_once),
		cmocka_unit_test(a_released_address_is_free_and_remembered),
		cmocka_unit_test(a_declined_address_is_in_quarantine),
		cmocka_unit_test(one_guest_cannot_put_a_pool_into_quarantine),
		cmocka_unit_test(addresses_of_others_are_not_given_away),
		cmocka_unit_test(a_lost_lease_is_no_reason_to_refuse_a_known_guest),
		cmocka_unit_test(a_restart_keeps_what_the_journal_says),
		cmocka_unit_test(http_finds_clients_by_leased_addresses_too),
		cmocka_unit_test(machines_that_are_gone_make_room),
		cmocka_unit_test(the_memory_of_leases_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
