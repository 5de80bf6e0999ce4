// Loops of a wrong loader are broken; resets and repeats are not taken for one.
#include "boot_rig.h"

static struct rig *make(void)
{
	struct boot_client c = rig_client(1);

	c.method = BOOT_ISCSI;
	c.http = true;
	return rig_one(&c);
}

static struct reply_view asks(struct rig *g, const char *vendor, bool ipxe, uint32_t xid)
{
	struct msg m;

	g->n_sent = 0;
	msg_init(&m, 1, 1, xid);
	if (vendor != NULL)
		msg_opt(&m, 60, vendor, strlen(vendor));
	if (ipxe)
		msg_opt(&m, 77, "iPXE", 4);
	rig_dhcp(g, 1, &m);
	g->now_ns += 4 * SECOND;
	return rig_last(g);
}

#define UEFI "PXEClient:Arch:00007:UNDI:003016"
#define HTTP "HTTPClient:Arch:00016:UNDI:003016"

static struct reply_view firmware(struct rig *g, uint32_t xid)
{
	return asks(g, UEFI, false, xid);
}

// The file, and as much of it as acks say; three blocks are all.
static void fetch(struct rig *g, const char *name, uint16_t acks)
{
	static uint16_t port = 2000;
	struct msg m;

	memset(&m, 0, sizeof(m));
	memcpy(m.src_ip, "\x0a\0\0\x65", 4);
	memcpy(m.dst_ip, rig_service, 4);
	m.sport = ++port;
	m.dport = 69;
	m.size = (size_t)snprintf((char *)m.b, sizeof(m.b), "%c%c%s%coctet%c", 0, 1, name, 0, 0);
	g->n_sent = 0;
	rig_udp(g, 1, &m);
	for (uint16_t i = 1; i <= acks && g->n_sent > 0; i++) {
		const uint8_t *f = rig_view(g, g->n_sent - 1).frame;

		m.dport = (uint16_t)(f[34] << 8 | f[35]);
		memcpy(m.b, "\0\4\0", 3);
		m.b[3] = (uint8_t)i;
		m.size = 4;
		rig_udp(g, 1, &m);
	}
	g->now_ns += SECOND;
}

static bool held(const struct reply_view *v)
{
	return opt_text_is(v, 67, "stopped-by-weir-in-a-loop");
}

static void a_loader_that_leads_nowhere_is_stopped_and_comes_back(void **state)
{
	struct rig *g = make();
	struct reply_view v;
	uint32_t xid = 1;

	(void)state;
	for (int i = 0; i < 5; i++) {
		v = firmware(g, xid++);
		assert_true(opt_text_is(&v, 67, "snponly.efi"));
		fetch(g, "snponly.efi", 2);
	}
	assert_int_equal(rig_count(g, BOOT_EV_LOOP), 0);
	v = firmware(g, xid++);
	assert_true(held(&v));
	assert_int_equal(rig_count(g, BOOT_EV_LOOP), 1);
	assert_string_equal(rig_detail(g, BOOT_EV_LOOP),
			    "5 times snponly.efi in vain: stopped for 120 s");
	// A file that is not there: firmware goes on at once, and HTTP boot is the same.
	fetch(g, "stopped-by-weir-in-a-loop", 0);
	assert_memory_equal(rig_last(g).frame + 42, "\0\5\0\1", 4);
	v = asks(g, HTTP, false, xid++);
	assert_true(opt_text_is(&v, 67, "http://10.0.0.2/stopped-by-weir-in-a-loop"));
	// iPXE of a CD, say, is not held.
	v = asks(g, NULL, true, xid++);
	assert_true(opt_text_is(&v, 17, "iscsi:10.0.0.9:::1:iqn.x:d"));
	g->now_ns += 120 * SECOND;
	v = firmware(g, xid++);
	assert_true(opt_text_is(&v, 67, "snponly.efi"));
	assert_int_equal(boot_counters(g->r)->boot_loops, 1);
	assert_int_equal(boot_counters(g->r)->boot_held, 2);
	rig_free(g);
}

static void firmware_that_goes_from_pxe_to_http_and_back_is_one_loop(void **state)
{
	struct rig *g = make();

	(void)state;
	for (uint32_t xid = 1; xid <= 6; xid++) {
		asks(g, xid % 2 == 1 ? UEFI : HTTP, false, xid);
		fetch(g, "snponly.efi", 2);
	}
	assert_int_equal(rig_count(g, BOOT_EV_LOOP), 1);
	rig_free(g);
}

static void resets_at_any_point_of_a_boot_are_not_punished(void **state)
{
	struct rig *g = make();
	struct reply_view v;

	(void)state;
	for (uint32_t xid = 1; xid <= 100; xid++) {
		v = firmware(g, xid);
		assert_true(opt_text_is(&v, 67, "snponly.efi"));
		if (xid % 4 > 0) // asked, first block, all but the last ACK
			fetch(g, "snponly.efi",
			      (uint16_t)(xid % 4 - 1) > 1 ? 1 : (uint16_t)(xid % 4 - 1));
	}
	// A machine that boots each time, or whose loader does something.
	for (uint32_t xid = 200; xid < 300; xid += 2) {
		v = firmware(g, xid);
		assert_true(opt_text_is(&v, 67, "snponly.efi"));
		fetch(g, "snponly.efi", 2);
		asks(g, NULL, true, xid + 1);
	}
	for (uint32_t xid = 300; xid < 400; xid++) {
		v = firmware(g, xid);
		assert_true(opt_text_is(&v, 67, "snponly.efi"));
		fetch(g, "snponly.efi", 2);
		fetch(g, "kernel", 1);
	}
	// Slowly: once in three minutes, all of it each time.
	for (uint32_t xid = 400; xid < 450; xid++) {
		v = firmware(g, xid);
		assert_true(opt_text_is(&v, 67, "snponly.efi"));
		fetch(g, "snponly.efi", 2);
		g->now_ns += 180 * SECOND;
	}
	assert_int_equal(rig_count(g, BOOT_EV_LOOP), 0);
	rig_free(g);
}

static void repeats_of_one_discover_are_one_round(void **state)
{
	struct rig *g = make();

	(void)state;
	for (uint32_t xid = 1; xid <= 4; xid++) {
		firmware(g, xid);
		fetch(g, "snponly.efi", 2);
		for (int i = 0; i < 20; i++)
			firmware(g, xid);
	}
	assert_int_equal(rig_count(g, BOOT_EV_LOOP), 0);
	rig_free(g);
}

static void another_loader_in_the_configuration_begins_anew(void **state)
{
	struct boot_client c = rig_client(1);
	struct rig *g = make();
	struct reply_view v;
	uint32_t xid = 1;

	(void)state;
	for (; xid <= 6; xid++) {
		firmware(g, xid);
		fetch(g, "snponly.efi", 2);
	}
	c.method = BOOT_ISCSI;
	c.http = true;
	rig_table(g, &c, 1, NULL); // somebody else's change
	v = firmware(g, xid++);
	assert_true(held(&v));
	snprintf(c.uefi_loader, sizeof(c.uefi_loader), "app.efi");
	rig_table(g, &c, 1, NULL);
	v = firmware(g, xid++);
	assert_true(opt_text_is(&v, 67, "app.efi"));
	rig_free(g);
}

static void ipxe_in_a_circle_is_told_of_and_served(void **state)
{
	struct boot_client c = rig_client(1);
	struct reply_view v;
	struct rig *g;

	(void)state;
	c.method = BOOT_KERNEL;
	c.script = (char *)(uintptr_t) "#!ipxe\n";
	g = rig_one(&c);
	for (uint32_t xid = 1; xid <= 12; xid++) {
		v = asks(g, NULL, true, xid);
		assert_true(opt_text_is(&v, 67, "boot.ipxe"));
		fetch(g, "boot.ipxe", 1);
		fetch(g, "kernel", 2);
	}
	assert_int_equal(rig_count(g, BOOT_EV_LOOP), 2);
	assert_string_equal(rig_detail(g, BOOT_EV_LOOP),
			    "5 times boot.ipxe, and again from the start");
	rig_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loader_that_leads_nowhere_is_stopped_and_comes_back),
		cmocka_unit_test(firmware_that_goes_from_pxe_to_http_and_back_is_one_loop),
		cmocka_unit_test(resets_at_any_point_of_a_boot_are_not_punished),
		cmocka_unit_test(repeats_of_one_discover_are_one_round),
		cmocka_unit_test(another_loader_in_the_configuration_begins_anew),
		cmocka_unit_test(ipxe_in_a_circle_is_told_of_and_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
