// What each kind of client is told, byte by byte where it matters, and how it is told apart.
#include "boot_rig.h"

enum who { OS, IPXE_BIOS, IPXE_EFI, PXE_BIOS, PXE_X64, HTTP_X64 };

static const uint8_t uuid[17] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

static void identify(struct msg *m, enum who who)
{
	static const struct {
		const char *vendor;
		uint8_t arch;
		bool ipxe;
	} as[] = { [IPXE_BIOS] = { "PXEClient:Arch:00000:UNDI:002001", 0, true },
		   [IPXE_EFI] = { "PXEClient:Arch:00007:UNDI:003010", 7, true },
		   [PXE_BIOS] = { "PXEClient:Arch:00000:UNDI:002001", 0, false },
		   [PXE_X64] = { "PXEClient:Arch:00007:UNDI:003016", 7, false },
		   [HTTP_X64] = { "HTTPClient:Arch:00016:UNDI:003016", 16, false } };
	const uint8_t arch[2] = { 0, as[who].arch }, size[2] = { 0x05, 0xc0 };

	if (who == OS)
		return;
	msg_opt(m, 60, as[who].vendor, strlen(as[who].vendor));
	msg_opt(m, 93, arch, 2);
	msg_opt(m, 97, uuid, sizeof(uuid));
	msg_opt(m, 57, size, 2);
	if (as[who].ipxe) {
		msg_opt(m, 77, "iPXE", 4);
		msg_opt(m, 175, "\xb1\x01\x01", 3);
	}
}

static struct reply_view offer_to(struct rig *g, enum who who)
{
	struct reply_view v;
	struct msg m;

	msg_init(&m, 1, 1, 77);
	identify(&m, who);
	rig_dhcp(g, 1, &m);
	assert_int_equal(g->n_sent, 1);
	v = rig_last(g);
	assert_int_equal(reply_type(&v), 2);
	assert_true(v.bootp_size >= 300);
	assert_memory_equal(v.bootp + 16, "\x0a\0\0\x65", 4); // yiaddr
	assert_true(opt_is(&v, 54, rig_service, 4));
	assert_true(opt_is(&v, 51, "\xff\xff\xff\xff", 4));
	assert_null(opt_find(&v, 58, NULL));
	assert_true(opt_is(&v, 1, "\xff\xff\xff\0", 4));
	assert_true(opt_is(&v, 3, "\x0a\0\0\1", 4));
	assert_null(opt_find(&v, 52, NULL)); // no overload
	if (who != OS)
		assert_true(opt_is(&v, 97, uuid, sizeof(uuid)));
	return v;
}

// A NUL written behind option 67 harms nothing: a PAD stands there, and then END.
static void room_behind_67(const struct reply_view *v)
{
	size_t size = 0;
	const uint8_t *p = opt_find(v, 67, &size);

	assert_non_null(p);
	assert_int_equal(p[size], 0);
	assert_int_equal(p[size + 1], 255);
}

static void named_by_tftp(const struct reply_view *v, const char *name)
{
	assert_memory_equal(v->bootp + 20, rig_service, 4); // siaddr
	assert_string_equal((const char *)v->bootp + 108, name);
	assert_true(opt_text_is(v, 67, name));
	assert_true(opt_text_is(v, 66, "10.0.0.2"));
	room_behind_67(v);
}

static void nothing_named(const struct reply_view *v)
{
	static const uint8_t none[192];

	assert_memory_equal(v->bootp + 20, none, 4);
	assert_memory_equal(v->bootp + 44, none, 192); // sname, file
	assert_null(opt_find(v, 67, NULL));
	assert_null(opt_find(v, 66, NULL));
}

static void no_firmware_options(const struct reply_view *v)
{
	assert_null(opt_find(v, 60, NULL));
	assert_null(opt_find(v, 43, NULL));
}

static void ipxe_gets_its_disk_in_one_offer(void **state)
{
	struct boot_client c = rig_client(1);

	(void)state;
	c.method = BOOT_ISCSI;
	c.script = (char *)(uintptr_t) "#!ipxe\n";
	for (int who = IPXE_BIOS; who <= IPXE_EFI; who++) {
		struct rig *g = rig_one(&c);
		struct reply_view v = offer_to(g, (enum who)who);

		assert_true(opt_text_is(&v, 17, "iscsi:10.0.0.9:::1:iqn.x:d"));
		assert_true(opt_text_is(&v, 203, "iqn.x:vm"));
		assert_true(opt_is(&v, 175, "\xb0\x01\x01", 3));
		nothing_named(&v);
		no_firmware_options(&v);
		rig_free(g);
	}
}

static void ipxe_gets_a_script_where_a_root_path_does_not_do(void **state)
{
	static const uint8_t methods[] = { BOOT_KERNEL, BOOT_NFS, BOOT_HTTP, BOOT_ISCSI };
	struct boot_client c = rig_client(1);

	(void)state;
	c.script = (char *)(uintptr_t) "#!ipxe\n";
	c.chap = true;
	for (uint32_t i = 0; i < 8; i++) {
		struct reply_view v;
		struct rig *g;

		c.method = methods[i / 2];
		c.http = i % 2 == 1;
		g = rig_one(&c);
		v = offer_to(g, i < 4 ? IPXE_BIOS : IPXE_EFI);
		if (c.http) {
			assert_true(opt_text_is(&v, 67, "http://10.0.0.2/boot.ipxe"));
			room_behind_67(&v);
		} else {
			named_by_tftp(&v, "boot.ipxe");
		}
		assert_null(opt_find(&v, 17, NULL));
		assert_true(opt_is(&v, 175, "\xb0\x01\x01", 3));
		no_firmware_options(&v);
		rig_free(g);
	}
}

static void pxe_gets_a_loader_without_a_menu(void **state)
{
	struct boot_client c = rig_client(1);

	(void)state;
	for (uint8_t method = BOOT_ISCSI; method <= BOOT_HTTP; method++) {
		for (int who = PXE_BIOS; who <= PXE_X64; who++) {
			struct reply_view v;
			struct rig *g;

			c.method = method;
			g = rig_one(&c);
			v = offer_to(g, (enum who)who);
			named_by_tftp(&v, who == PXE_BIOS ? "undionly.kpxe" : "snponly.efi");
			assert_true(opt_text_is(&v, 60, "PXEClient"));
			assert_true(opt_is(&v, 43, "\x06\x01\x08\xff", 4));
			assert_null(opt_find(&v, 17, NULL));
			assert_null(opt_find(&v, 175, NULL));
			assert_null(opt_find(&v, 208, NULL));
			rig_free(g);
		}
	}
}

static void pxelinux_is_told_where_its_configuration_is(void **state)
{
	struct boot_client c = rig_client(1);
	struct reply_view v;
	struct rig *g;

	(void)state;
	c.method = BOOT_KERNEL;
	c.pxelinux = (char *)(uintptr_t) "DEFAULT x\n";
	snprintf(c.bios_loader, sizeof(c.bios_loader), "pxelinux.0");
	g = rig_one(&c);
	v = offer_to(g, PXE_BIOS);
	named_by_tftp(&v, "pxelinux.0");
	assert_true(opt_is(&v, 208, "\xf1\x00\x74\x7e", 4));
	assert_true(opt_text_is(&v, 209, "pxelinux.cfg/default"));
	rig_free(g);
}

static void http_boot_gets_a_uri_with_an_address(void **state)
{
	struct boot_client c = rig_client(1);

	(void)state;
	for (uint8_t method = BOOT_ISCSI; method <= BOOT_HTTP; method++) {
		struct reply_view v;
		struct rig *g;

		c.method = method;
		c.http = true;
		g = rig_one(&c);
		v = offer_to(g, HTTP_X64);
		assert_true(opt_text_is(&v, 60, "HTTPClient"));
		assert_true(opt_text_is(&v, 67,
					method == BOOT_HTTP ? "http://10.0.0.2/app.efi"
							    : "http://10.0.0.2/snponly.efi"));
		room_behind_67(&v);
		assert_null(opt_find(&v, 43, NULL));
		assert_memory_equal(v.bootp + 20, rig_service, 4);
		rig_free(g);
	}
}

static void an_operating_system_gets_what_its_root_needs(void **state)
{
	struct boot_client c = rig_client(1);
	struct reply_view v;
	struct rig *g;

	(void)state;
	c.method = BOOT_NFS;
	c.mtu = 9000;
	snprintf(c.domain, sizeof(c.domain), "x.test");
	snprintf(c.root_path, sizeof(c.root_path), "10.0.0.9:/srv/vm");
	g = rig_one(&c);
	v = offer_to(g, OS);
	assert_true(opt_text_is(&v, 17, "10.0.0.9:/srv/vm"));
	assert_true(opt_is(&v, 26, "\x23\x28", 2));
	assert_true(opt_text_is(&v, 12, "vm"));
	assert_true(opt_text_is(&v, 15, "x.test"));
	nothing_named(&v);
	no_firmware_options(&v);
	assert_null(opt_find(&v, 175, NULL));
	rig_free(g);
}

static void who_boots_from_its_own_disk_gets_an_address_alone(void **state)
{
	struct boot_client c = rig_client(1);

	(void)state;
	for (int who = OS; who <= HTTP_X64; who++) {
		struct rig *g = rig_one(&c);
		struct reply_view v = offer_to(g, (enum who)who);

		nothing_named(&v);
		no_firmware_options(&v);
		assert_null(opt_find(&v, 17, NULL));
		assert_int_equal(rig_count(g, BOOT_EV_NO_BOOT), 0);
		rig_free(g);
	}
}

static void lacks(const struct boot_client *c, enum who who, const char *why)
{
	struct rig *g = rig_one(c);
	struct reply_view v = offer_to(g, who);

	nothing_named(&v);
	no_firmware_options(&v);
	assert_int_equal(rig_count(g, BOOT_EV_NO_BOOT), 1);
	assert_non_null(strstr(rig_detail(g, BOOT_EV_NO_BOOT), why));
	assert_int_equal(boot_counters(g->r)->dhcp_no_boot, 1);
	rig_free(g);
}

static void what_lacks_is_told(void **state)
{
	struct boot_client c = rig_client(1);

	(void)state;
	c.method = BOOT_HTTP;
	lacks(&c, HTTP_X64, "HTTP is not served in this network (http)");
	lacks(&c, IPXE_BIOS, "no script");
	c.http = true;
	c.image[0] = c.uefi_loader[0] = c.bios_loader[0] = '\0';
	lacks(&c, HTTP_X64, "http/file");
	lacks(&c, PXE_X64, "uefi-loader");
	lacks(&c, PXE_BIOS, "bios-loader");
}

// --- Who it is

static struct reply_view asks(struct rig *g, const char *vendor, const char *arch, size_t arch_size,
			      const char *class)
{
	struct msg m;

	g->n_sent = g->n_events = 0;
	msg_init(&m, 1, 1, (uint32_t)(g->now_ns++));
	if (vendor != NULL)
		msg_opt(&m, 60, vendor, strlen(vendor));
	if (arch != NULL)
		msg_opt(&m, 93, arch, arch_size);
	if (class != NULL)
		msg_opt(&m, 77, class, strlen(class));
	rig_dhcp(g, 1, &m);
	return rig_last(g);
}

static void clients_are_told_apart_by_what_they_say(void **state)
{
	static const struct {
		const char *vendor, *arch;
		size_t arch_size;
		const char *class, *is;
	} cases[] = {
		{ NULL, NULL, 0, NULL, "operating system" },
		{ "MSFT 5.0", NULL, 0, NULL, "operating system" },
		{ "PXEClienx", NULL, 0, NULL, "operating system" },
		{ NULL, NULL, 0, "iPXF", "operating system" },
		{ NULL, NULL, 0, "iPXE", "iPXE firmware, BIOS" },
		{ NULL, NULL, 0, "\004iPXE", "iPXE firmware, BIOS" },
		{ NULL, NULL, 0, "\003foo\004iPXE", "iPXE firmware, BIOS" },
		{ NULL, NULL, 0, "\004iPX", "operating system" }, // cut off
		{ "PXEClient", "\0\7", 2, "iPXE", "iPXE firmware, UEFI" },
		{ "PXEClient", "\0\x0b", 2, "iPXE", "iPXE firmware, UEFI" },
		{ "PXEClient", NULL, 0, NULL, "PXE firmware, BIOS" },
		{ "PXEClient", "\0\0", 2, NULL, "PXE firmware, BIOS" },
		{ NULL, "\0\0", 2, NULL, "PXE firmware, BIOS" },
		{ "PXEClient", "\0\7", 2, NULL, "PXE firmware, UEFI x64" },
		{ "PXEClient", "\0\x09", 2, NULL, "PXE firmware, UEFI x64" },
		{ "PXEClient:Arch:00007:UNDI:003016", NULL, 0, NULL, "PXE firmware, UEFI x64" },
		{ "PXEClient:Arch:00009", NULL, 0, NULL, "PXE firmware, UEFI x64" },
		{ "PXEClient:Arch:0000", NULL, 0, NULL, "PXE firmware, BIOS" },
		{ "PXEClient", "\0\6\0\7", 4, NULL, "PXE firmware, UEFI x64" }, // a list
		{ "PXEClient", "\0\7\0", 3, NULL, "PXE firmware, UEFI x64" },
		{ "PXEClient", "\7", 1, NULL, "PXE firmware, BIOS" },
		{ "HTTPClient", "\0\x10", 2, NULL, "HTTP firmware, UEFI x64" },
		{ "HTTPClient:Arch:00016", NULL, 0, NULL, "HTTP firmware, UEFI x64" },
		{ "HTTPClient", NULL, 0, NULL, "HTTP firmware, UEFI x64" },
		{ "PXEClient", "\0\6", 2, NULL, "another architecture" },
		{ "PXEClient", "\0\x0b", 2, NULL, "another architecture" },
		{ "HTTPClient", "\0\x13", 2, NULL, "another architecture" },
		{ "HTTPClient", "\0\7", 2, NULL, "another architecture" },
		{ "PXEClient", "\xff\xff", 2, NULL, "another architecture" },
	};
	struct boot_client c = rig_client(1);
	struct rig *g;

	(void)state;
	c.method = BOOT_ISCSI;
	c.http = true;
	g = rig_one(&c);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		asks(g, cases[i].vendor, cases[i].arch, cases[i].arch_size, cases[i].class);
		if (strstr(rig_detail(g, BOOT_EV_DISCOVER), cases[i].is) == NULL)
			fail_msg("case %zu: %s is not %s", i, rig_detail(g, BOOT_EV_DISCOVER),
				 cases[i].is);
	}
	rig_free(g);
}

static void another_architecture_is_named_and_gets_no_boot_options(void **state)
{
	struct boot_client c = rig_client(1);
	struct reply_view v;
	struct rig *g;

	(void)state;
	c.method = BOOT_ISCSI;
	g = rig_one(&c);
	v = asks(g, "PXEClient:Arch:00011:UNDI:003000", "\0\x0b", 2, NULL);
	nothing_named(&v);
	no_firmware_options(&v);
	assert_string_equal(
		rig_detail(g, BOOT_EV_NO_BOOT),
		"firmware of ARM UEFI, 64 bits (0x000b): only x86 BIOS and x64 UEFI boot");
	rig_free(g);
}

// --- Sizes, times, refusals

static void a_reply_is_as_large_as_its_client_takes(void **state)
{
	struct boot_client c = rig_client(1);
	struct rig *g;

	(void)state;
	c.method = BOOT_HTTP;
	c.http = true;
	memset(c.image, 'x', BOOT_NAME_MAX - 1);
	memset(c.hostname, 'h', 63);
	memset(c.domain, 'd', 63);
	g = rig_one(&c);
	for (uint32_t max = 0; max <= 1500; max += 50) {
		const uint8_t size[2] = { (uint8_t)(max >> 8), (uint8_t)max };
		struct reply_view v;
		struct msg m;

		g->n_sent = 0;
		msg_init(&m, 1, 1, max);
		identify(&m, HTTP_X64);
		memcpy(m.b + 240 + 3 + 2 + 33 + 4 + 19 + 2, size, 2); // its option 57
		assert_int_equal(m.b[240 + 3 + 2 + 33 + 4 + 19], 57);
		rig_dhcp(g, 1, &m);
		v = rig_last(g);
		assert_true(28 + v.bootp_size <= (max < 576 ? 576 : max));
		room_behind_67(&v); // booting comes before names
		assert_true(opt_is(&v, 1, "\xff\xff\xff\0", 4));
	}
	rig_free(g);
}

static void a_finite_lease_has_both_times(void **state)
{
	struct boot_client c = rig_client(1);
	struct reply_view v;
	struct rig *g;
	struct msg m;

	(void)state;
	c.lease_s = 3600;
	g = rig_one(&c);
	msg_init(&m, 1, 1, 1);
	rig_dhcp(g, 1, &m);
	v = rig_last(g);
	assert_true(opt_is(&v, 51, "\0\0\x0e\x10", 4));
	assert_true(opt_is(&v, 58, "\0\0\x07\x08", 4));
	assert_true(opt_is(&v, 59, "\0\0\x0c\x4e", 4));
	rig_free(g);
}

static void who_is_not_the_ports_own_gets_nothing(void **state)
{
	struct boot_client c = rig_client(1);
	struct rig *g = rig_one(&c);
	struct msg m;

	(void)state;
	msg_init(&m, 2, 1, 1); // another's MAC
	rig_dhcp(g, 1, &m);
	msg_init(&m, 1, 1, 1);
	m.b[24] = 10; // giaddr
	rig_dhcp(g, 1, &m);
	assert_int_equal(g->n_sent, 0);
	assert_int_equal(boot_counters(g->r)->dhcp_ignored, 2);
	c.mode = BOOT_OFF;
	rig_table(g, &c, 1, NULL);
	msg_init(&m, 1, 1, 1);
	rig_dhcp(g, 1, &m);
	assert_int_equal(g->n_sent, 0);
	rig_free(g);
}

static void a_wrong_address_is_refused_by_name(void **state)
{
	struct boot_client c = rig_client(1);
	struct rig *g = rig_one(&c);
	struct reply_view v;
	struct msg m;

	(void)state;
	msg_init(&m, 1, 3, 9);
	msg_opt(&m, 50, "\x0a\0\0\x63", 4);
	rig_dhcp(g, 1, &m);
	v = rig_last(g);
	assert_int_equal(reply_type(&v), 6);
	assert_true(opt_is(&v, 54, rig_service, 4));
	assert_memory_equal(v.bootp + 12, "\0\0\0\0\0\0\0\0\0\0\0\0", 12); // ciaddr, yiaddr, siaddr
	assert_memory_equal(v.frame + 30, "\xff\xff\xff\xff", 4);
	assert_memory_equal(v.frame, "\xff\xff\xff\xff\xff\xff", 6);
	rig_free(g);
}

static void a_declined_address_of_its_own_stays_its_own(void **state)
{
	struct boot_client c = rig_client(1);
	struct rig *g = rig_one(&c);
	struct reply_view v;
	struct msg m;

	(void)state;
	for (int i = 0; i < 5; i++) {
		msg_init(&m, 1, 4, 9);
		msg_opt(&m, 50, c.ip, 4);
		rig_dhcp(g, 1, &m);
		g->now_ns += 100 * SECOND;
	}
	assert_int_equal(rig_count(g, BOOT_EV_DECLINE), 1);
	g->now_ns += 200 * SECOND;
	rig_dhcp(g, 1, &m);
	assert_int_equal(rig_count(g, BOOT_EV_DECLINE), 2);
	msg_init(&m, 1, 7, 9); // RELEASE
	memcpy(m.b + 12, c.ip, 4);
	rig_dhcp(g, 1, &m);
	msg_init(&m, 1, 1, 10);
	rig_dhcp(g, 1, &m);
	v = rig_last(g);
	assert_memory_equal(v.bootp + 16, c.ip, 4);
	rig_free(g);
}

// --- Modes

static void a_proxy_offers_no_address_and_answers_on_4011(void **state)
{
	struct boot_client c = rig_client(1);
	struct rig *g;
	struct reply_view v;
	struct msg m;

	(void)state;
	c.mode = BOOT_PROXY;
	c.method = BOOT_ISCSI;
	g = rig_one(&c);
	msg_init(&m, 1, 1, 5);
	rig_dhcp(g, 1, &m);
	assert_int_equal(g->n_sent, 0); // an operating system needs no proxy
	msg_init(&m, 1, 1, 5);
	identify(&m, PXE_X64);
	rig_dhcp(g, 1, &m);
	v = rig_last(g);
	assert_int_equal(reply_type(&v), 2);
	assert_memory_equal(v.bootp + 16, "\0\0\0\0", 4);
	assert_true(opt_text_is(&v, 60, "PXEClient"));
	assert_null(opt_find(&v, 43, NULL));
	assert_null(opt_find(&v, 51, NULL));
	assert_null(opt_find(&v, 1, NULL));
	assert_true(opt_is(&v, 97, uuid, 17));
	named_by_tftp(&v, "snponly.efi");
	assert_memory_equal(v.frame + 30, "\xff\xff\xff\xff", 4);
	msg_init(&m, 1, 3, 5); // the choice of the other server's offer
	identify(&m, PXE_X64);
	msg_opt(&m, 54, "\x0a\0\0\x63", 4);
	rig_dhcp(g, 1, &m);
	assert_int_equal(g->n_sent, 1);

	msg_init(&m, 1, 3, 6);
	identify(&m, PXE_X64);
	memcpy(m.src_ip, "\x0a\0\0\x4d", 4);
	memcpy(m.b + 12, m.src_ip, 4);
	memcpy(m.dst_ip, rig_service, 4);
	m.sport = m.dport = 4011;
	rig_dhcp(g, 1, &m);
	assert_int_equal(g->n_sent, 2);
	v = rig_last(g);
	assert_int_equal(reply_type(&v), 5);
	assert_memory_equal(v.bootp + 16, "\0\0\0\0", 4);
	named_by_tftp(&v, "snponly.efi");
	assert_memory_equal(v.frame + 30, "\x0a\0\0\x4d", 4);
	assert_memory_equal(v.frame + 34, "\x0f\xab\x0f\xab", 4);
	assert_int_equal(boot_counters(g->r)->pxe_answers, 1);
	assert_int_equal(boot_counters(g->r)->pxe_offers, 1);
	c.mode = BOOT_OFF;
	rig_table(g, &c, 1, NULL);
	rig_udp(g, 1, &m);
	assert_int_equal(g->n_sent, 2);
	rig_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipxe_gets_its_disk_in_one_offer),
		cmocka_unit_test(ipxe_gets_a_script_where_a_root_path_does_not_do),
		cmocka_unit_test(pxe_gets_a_loader_without_a_menu),
		cmocka_unit_test(pxelinux_is_told_where_its_configuration_is),
		cmocka_unit_test(http_boot_gets_a_uri_with_an_address),
		cmocka_unit_test(an_operating_system_gets_what_its_root_needs),
		cmocka_unit_test(who_boots_from_its_own_disk_gets_an_address_alone),
		cmocka_unit_test(what_lacks_is_told),
		cmocka_unit_test(clients_are_told_apart_by_what_they_say),
		cmocka_unit_test(another_architecture_is_named_and_gets_no_boot_options),
		cmocka_unit_test(a_reply_is_as_large_as_its_client_takes),
		cmocka_unit_test(a_finite_lease_has_both_times),
		cmocka_unit_test(who_is_not_the_ports_own_gets_nothing),
		cmocka_unit_test(a_wrong_address_is_refused_by_name),
		cmocka_unit_test(a_declined_address_of_its_own_stays_its_own),
		cmocka_unit_test(a_proxy_offers_no_address_and_answers_on_4011),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
