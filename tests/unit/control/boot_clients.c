// Models of firmware boot from the responder: the sequences that each of them must see, and the
// same over a bad network, with resets at every step.
#include "boot_models.h"

static struct net *net_of(const struct boot_client *c, uint32_t n, const struct boot_pool *pool)
{
	struct net *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	rig_init(&w->g);
	rig_table(&w->g, c, n, pool);
	w->port = 1;
	w->seed = 1;
	w->tick_ns = w->g.now_ns;
	return w;
}

static struct net *net_one(uint8_t method, bool http)
{
	struct boot_client c = rig_client(1);

	c.method = method;
	c.http = http;
	c.script = (char *)(uintptr_t) "#!ipxe\nkernel kernel\nboot\n";
	return net_of(&c, 1, NULL);
}

static void net_free(struct net *w)
{
	boot_destroy(w->g.r);
	free(w);
}

static void booted(const struct boot_result *b)
{
	if (!b->ok)
		fail_msg("does not boot: %s", b->failed);
	assert_null(b->failed);
}

#define SAN "iscsi:10.0.0.9:::1:iqn.x:d"

static void s1_ipxe_attaches_its_disk_after_four_packets(void **state)
{
	(void)state;
	for (int efi = 0; efi <= 1; efi++) {
		struct net *w = net_one(BOOT_ISCSI, false);
		struct boot_result b = model_ipxe(w, efi);

		booted(&b);
		assert_string_equal(b.san, SAN);
		assert_string_equal(b.file, "");
		assert_int_equal(w->to_4011, 0);
		assert_int_equal(w->to_tftp, 0);
		assert_int_equal(w->n_client_msgs, 2);
		assert_true(w->g.now_ns < SECOND + SECOND / 100); // no wait for a proxy
		net_free(w);
	}
}

static void a_script_is_fetched_without_a_wait(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++) {
		static const uint8_t methods[] = { BOOT_KERNEL, BOOT_NFS, BOOT_HTTP };
		bool http = i % 2 == 1;
		struct net *w = net_one(methods[i / 2], http);
		struct boot_result b = model_ipxe(w, false);

		booted(&b);
		assert_string_equal(b.file, http ? "http://10.0.0.2/boot.ipxe" : "boot.ipxe");
		assert_string_equal(b.san, "");
		assert_int_equal(w->to_4011, 0);
		assert_true(w->g.now_ns < SECOND + SECOND / 10);
		net_free(w);
	}
}

static void s2_uefi_pxe_loads_ipxe_and_that_its_disk(void **state)
{
	struct net *w = net_one(BOOT_ISCSI, false);
	struct boot_result b = model_edk2_pxe(w);

	(void)state;
	booted(&b);
	assert_string_equal(b.file, "snponly.efi");
	assert_int_equal(w->to_4011, 0);
	assert_int_equal(w->to_tftp, 2);
	assert_true(w->g.now_ns > 5 * SECOND); // it collects for 4 s whatever we do
	assert_true(w->g.now_ns < 5 * SECOND + SECOND / 2);
	b = model_ipxe(w, true);
	booted(&b);
	assert_string_equal(b.san, SAN);
	assert_int_equal(rig_count(&w->g, BOOT_EV_NO_BOOT), 0);
	net_free(w);
}

static void s3_uefi_http_boots_from_a_uri(void **state)
{
	struct net *w = net_one(BOOT_HTTP, true);
	struct boot_result b = model_edk2_http(w);

	(void)state;
	booted(&b);
	assert_string_equal(b.file, "http://10.0.0.2/app.efi");
	net_free(w);
	w = net_one(BOOT_ISCSI, true);
	b = model_edk2_http(w);
	booted(&b);
	assert_string_equal(b.file, "http://10.0.0.2/snponly.efi");
	b = model_ipxe(w, true);
	booted(&b);
	assert_string_equal(b.san, SAN);
	net_free(w);
	// Where HTTP is not served, the offer is none, and an event says why.
	w = net_one(BOOT_ISCSI, false);
	b = model_edk2_http(w);
	assert_string_equal(b.failed, "no DHCP offer that can be used");
	assert_true(rig_count(&w->g, BOOT_EV_NO_BOOT) > 0);
	net_free(w);
}

static struct net *net_proxy(uint8_t method)
{
	struct boot_client c = rig_client(1);
	struct net *w;

	c.method = method;
	c.mode = BOOT_PROXY;
	c.script = (char *)(uintptr_t) "#!ipxe\nsanboot\n";
	w = net_of(&c, 1, NULL);
	w->other_server = true;
	return w;
}

static void s4_a_proxy_boots_beside_another_server(void **state)
{
	struct net *w = net_proxy(BOOT_ISCSI);
	struct boot_result b = model_ipxe(w, false);

	(void)state;
	booted(&b);
	assert_non_null(strstr(b.file, "boot.ipxe")); // it says the disk
	assert_int_equal(b.ip[3], 51);		      // of the other server
	assert_int_equal(w->to_4011, 0);
	net_free(w);
	w = net_proxy(BOOT_ISCSI);
	b = model_edk2_pxe(w);
	booted(&b);
	assert_string_equal(b.file, "snponly.efi");
	assert_int_equal(b.ip[3], 51);
	assert_int_equal(w->to_4011, 1);
	assert_int_equal(boot_counters(w->g.r)->dhcp_offers, 0);
	assert_int_equal(boot_counters(w->g.r)->dhcp_acks, 0);
	b = model_os(w);
	booted(&b);
	assert_int_equal(b.ip[3], 51);
	net_free(w);
}

static void s5_the_operating_system_gets_the_same_address(void **state)
{
	const struct boot_pool pool = { 1, { 10, 0, 0, 20 }, { 10, 0, 0, 40 }, 3600 };
	struct boot_client c = rig_client(1);

	(void)state;
	c.method = BOOT_ISCSI;
	for (int own = 0; own <= 1; own++) {
		struct boot_result b[3];
		struct net *w;

		if (own == 0)
			memset(c.ip, 0, 4);
		else
			c.ip[0] = 10, c.ip[3] = 101;
		c.pool = 0;
		w = net_of(&c, 1, &pool);
		b[0] = model_edk2_pxe(w);
		b[1] = model_ipxe(w, true);
		b[2] = model_os(w);
		for (int i = 0; i < 3; i++) {
			booted(&b[i]);
			assert_int_equal(b[i].ip[3], own == 1 ? 101 : 20);
		}
		net_free(w);
	}
}

static void s6_renewal_is_answered_where_the_client_is(void **state)
{
	struct net *w = net_one(BOOT_ISCSI, false);
	struct boot_result b = model_os(w);
	struct dhcp_state d = { .xid = 77 };
	struct msg m, in;

	(void)state;
	booted(&b);
	dhcp_message(w, &d, 3, &m);
	memcpy(m.b + 12, b.ip, 4);
	memcpy(m.src_ip, b.ip, 4);
	memcpy(m.dst_ip, rig_service, 4);
	m.b[m.size++] = 255;
	net_send(w, &m);
	assert_true(net_recv(w, w->g.now_ns + SECOND, 68, &in));
	assert_true(dhcp_is(&in, &d, 5));
	assert_memory_equal(in.dst_ip, b.ip, 4);
	net_free(w);
}

static struct boot_result by_kind(struct net *w, int kind)
{
	return kind == 0   ? model_ipxe(w, false)
	       : kind == 1 ? model_edk2_pxe(w)
	       : kind == 2 ? model_edk2_http(w)
			   : model_os(w);
}

// The machine is reset before its n-th message, for each n, again and again; then it is let boot.
static void s7_a_reset_at_any_step_harms_nothing(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct net *w = net_one(BOOT_ISCSI, true);
		uint32_t n_resets = 0;

		for (uint32_t stop = 1; stop < 30; stop++) {
			struct boot_result b;

			for (int again = 0; again < 7; again++) {
				w->n_client_msgs = 0;
				w->stop_after = stop + 1;
				b = by_kind(w, kind);
				if (!b.ok)
					assert_string_equal(b.failed, "reset");
				n_resets += !b.ok;
				w->stop_after = 0;
				if (b.ok && (kind == 1 || kind == 2)) {
					b = model_ipxe(w, true); // what was loaded goes on
					booted(&b);
				}
			}
			b = by_kind(w, kind);
			booted(&b);
			if (kind == 1 || kind == 2) {
				b = model_ipxe(w, true);
				booted(&b);
			}
		}
		assert_true(n_resets > 0);
		assert_int_equal(boot_counters(w->g.r)->dhcp_naks, 0);
		net_free(w);
	}
}

static void s8_a_wrong_address_is_refused_in_one_round_trip(void **state)
{
	struct net *w = net_one(BOOT_ISCSI, false);
	struct dhcp_state d = { .xid = 5 };
	struct boot_result b;
	struct msg m, in;

	(void)state;
	dhcp_message(w, &d, 3, &m);
	msg_opt(&m, 50, "\x0a\0\0\x4d", 4);
	m.b[m.size++] = 255;
	net_send(w, &m);
	assert_true(net_recv(w, w->g.now_ns + SECOND / 100, 68, &in));
	assert_true(dhcp_is(&in, &d, 6));
	b = model_os(w);
	booted(&b);
	net_free(w);
}

// A fifth of the datagrams is lost, a tenth comes twice, all come late and in any order. Firmware
// that gives up is started again by its boot manager.
static void all_boot_over_a_bad_network(void **state)
{
	uint32_t n_again = 0;

	(void)state;
	for (uint32_t seed = 1; seed <= 400; seed++) {
		struct net *w = net_one(seed % 8 < 4 ? BOOT_ISCSI : BOOT_KERNEL, true);
		struct boot_result b = { 0 };
		int tries = 0;

		w->seed = seed;
		w->loss = 200;
		w->repeat = 100;
		w->delay_ms = 300;
		for (; tries < 5 && !b.ok; tries++)
			b = by_kind(w, (int)(seed % 4));
		booted(&b);
		n_again += tries > 1;
		assert_int_equal(b.ip[3], 101);
		assert_int_equal(boot_counters(w->g.r)->dhcp_naks, 0);
		assert_int_equal(rig_count(&w->g, BOOT_EV_LOOP), 0);
		net_free(w);
	}
	assert_true(n_again < 40);
}

// The same for twenty machines of one pool, one after the other and each three times: no two have
// one address, nobody changes it, and nobody is refused, though the responder is restarted.
static void a_pool_over_a_bad_network_and_restarts(void **state)
{
	const struct boot_pool pool = { 1, { 10, 0, 0, 20 }, { 10, 0, 0, 39 }, 86400 };
	struct boot_client c[20];
	uint8_t had[20] = { 0 };
	uint64_t seed = 9, now_ns = SECOND;

	(void)state;
	for (uint8_t i = 0; i < 20; i++) {
		c[i] = rig_client((uint8_t)(i + 1));
		c[i].method = BOOT_ISCSI;
		memset(c[i].ip, 0, 4);
		c[i].pool = 0;
	}
	for (int round = 0; round < 3; round++) {
		struct net *w = net_of(c, 20, &pool);

		w->g.now_ns = w->tick_ns = now_ns;
		w->seed = seed;
		w->loss = 200;
		w->repeat = 100;
		w->delay_ms = 300;
		for (uint32_t i = 0; i < 20; i++) {
			const uint8_t ip[4] = { 10, 0, 0, had[i] };

			if (had[i] != 0)
				boot_lease_restore(
					w->g.r, &(struct boot_lease){
							.vid = 1,
							.ip = { 10, 0, 0, ip[3] },
							.mac = { 2, 0, 0, 0, 0, (uint8_t)(i + 1) },
							.kind = BOOT_LEASE_BOUND,
							.expires_s = 1000000 });
		}
		for (w->port = 20; w->port >= 1; w->port--) {
			struct boot_result b = { 0 };

			for (int tries = 0; tries < 5 && !b.ok; tries++)
				b = model_ipxe(w, false);
			booted(&b);
			w->n = 0;
			if (had[w->port - 1] == 0)
				had[w->port - 1] = b.ip[3];
			assert_int_equal(had[w->port - 1], b.ip[3]);
		}
		assert_int_equal(boot_counters(w->g.r)->dhcp_naks, 0);
		seed = w->seed;
		now_ns = w->g.now_ns;
		net_free(w);
	}
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < i; k++)
			assert_int_not_equal(had[i], had[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s1_ipxe_attaches_its_disk_after_four_packets),
		cmocka_unit_test(a_script_is_fetched_without_a_wait),
		cmocka_unit_test(s2_uefi_pxe_loads_ipxe_and_that_its_disk),
		cmocka_unit_test(s3_uefi_http_boots_from_a_uri),
		cmocka_unit_test(s4_a_proxy_boots_beside_another_server),
		cmocka_unit_test(s5_the_operating_system_gets_the_same_address),
		cmocka_unit_test(s6_renewal_is_answered_where_the_client_is),
		cmocka_unit_test(s7_a_reset_at_any_step_harms_nothing),
		cmocka_unit_test(s8_a_wrong_address_is_refused_in_one_round_trip),
		cmocka_unit_test(all_boot_over_a_bad_network),
		cmocka_unit_test(a_pool_over_a_bad_network_and_restarts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
