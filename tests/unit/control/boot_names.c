// Names that clients ask for, and the words of a HTTP request.
#include <stdio.h>

#include "../unit.h"
#include "boot_responder.h"

static struct boot_file files[] = {
	{ .name = "kernel", .data = (const uint8_t *)"K", .size = 1 },
	{ .name = "debian/12/initrd.img", .data = (const uint8_t *)"I", .size = 1 },
	{ .name = "other", .data = (const uint8_t *)"O", .size = 1 },
	{ .name = "own/grub.cfg", .data = (const uint8_t *)"W", .size = 1 },
};

static char found_by(const char *name)
{
	char script[] = "S", grub[] = "G", pxelinux[] = "P";
	struct boot_table t = { .files = files, .n_files = 4 };
	struct boot_client c = { .files = { 0, 1, 3 },
				 .n_files = 3,
				 .script = script,
				 .grub = grub,
				 .pxelinux = pxelinux };
	struct boot_content out;

	if (!boot_content_find(&t, &c, name, &out))
		return '-';
	assert_int_equal(out.size, 1);
	assert_int_equal(out.file != NULL,
			 out.data[0] == 'K' || out.data[0] == 'I' || out.data[0] == 'W');
	return (char)out.data[0];
}

static void names_find_files_and_texts_and_nothing_else(void **state)
{
	static const struct {
		const char *name;
		char want;
	} rows[] = {
		{ "kernel", 'K' },
		{ "/kernel", 'K' },
		{ "//kernel", 'K' },
		{ "./kernel", 'K' },
		{ "\\kernel", 'K' },
		{ ".\\\\kernel", 'K' },
		{ "debian/12/initrd.img", 'I' },
		{ "\\debian\\12\\initrd.img", 'I' },
		{ "debian//12///initrd.img", 'I' },
		{ "other", '-' }, // another client's
		{ "Kernel", '-' },
		{ "kernel/", '-' },
		{ "kernel ", '-' },
		{ "x/../kernel", '-' },
		{ "../kernel", '-' },
		{ "..\\kernel", '-' },
		{ "%6bernel", '-' },
		{ "", '-' },
		{ "/", '-' },
		{ ".", '-' },
		{ "..", '-' },
		{ "boot.ipxe", 'S' },
		{ "/boot.ipxe", 'S' },
		{ "x/boot.ipxe", '-' },
		{ "boot.ipxe.", '-' },
		// GRUB
		{ "grub.cfg", 'G' },
		{ "/grub/grub.cfg", 'G' },
		{ "grub/x86_64-efi/grub.cfg", 'G' },
		{ "/EFI/debian/grub.cfg", 'G' },
		{ "/grub/grub.cfg-01-52-54-00-00-00-0a", 'G' },
		{ "/grub/grub.cfg-0A09006E", 'G' },
		{ "/grub/grub.cfg-0A0", 'G' },
		{ "grub.cfg-9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001", 'G' },
		{ "own/grub.cfg", 'W' },
		{ "grub.cfg-", '-' },
		{ "grub.cfg-x", '-' },
		{ "grub.cfg.sig", '-' },
		{ "grub.cfg/", '-' },
		{ "agrub.cfg", '-' },
		{ "../grub.cfg", '-' },
		{ "x/../grub/grub.cfg", '-' },
		{ "%2e%2e/grub.cfg", '-' },
		{ "../pxelinux.cfg/default", '-' },
		{ "grub/x86_64-efi/command.lst", '-' },
		// pxelinux
		{ "pxelinux.cfg/9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001", 'P' },
		{ "/pxelinux.cfg/01-52-54-00-00-00-0a", 'P' },
		{ "pxelinux.cfg/0A09006E", 'P' },
		{ "pxelinux.cfg/0", 'P' },
		{ "bios/pxelinux.cfg/default", 'P' },
		{ "pxelinux.cfg/", '-' },
		{ "pxelinux.cfg", '-' },
		{ "xpxelinux.cfg/default", '-' },
		{ "pxelinux.cfg/x/default", '-' },
		{ "pxelinux.cfg/default.c32", '-' },
		{ "default", '-' },
	};
	char name[400];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (found_by(rows[i].name) != rows[i].want)
			fail_msg("%s: %c, not %c", rows[i].name, found_by(rows[i].name),
				 rows[i].want);
	}
	// Slashes alone may be many.
	memset(name, '/', sizeof(name));
	strcpy(name + 390, "kernel");
	assert_int_equal(found_by(name), 'K');
	memset(name, 'k', sizeof(name) - 1);
	name[399] = '\0';
	for (size_t n = 0; n < 300; n++)
		assert_int_equal(found_by(name + n), '-');
}

static void ranges_are_read_as_rfc_9110_says(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
		enum boot_range_kind kind;
		uint64_t first, last;
	} rows[] = {
		{ NULL, 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=0-0", 100, BOOT_RANGE_PART, 0, 0 },
		{ "bytes=0-99", 100, BOOT_RANGE_PART, 0, 99 },
		{ "bytes=0-100", 100, BOOT_RANGE_PART, 0, 99 },
		{ "bytes=99-", 100, BOOT_RANGE_PART, 99, 99 },
		{ "bytes=100-", 100, BOOT_RANGE_NONE, 0, 0 },
		{ "bytes=100-200", 100, BOOT_RANGE_NONE, 0, 0 },
		{ "bytes=0-", 0, BOOT_RANGE_NONE, 0, 0 },
		{ "bytes=-1", 100, BOOT_RANGE_PART, 99, 99 },
		{ "bytes=-100", 100, BOOT_RANGE_PART, 0, 99 },
		{ "bytes=-1000", 100, BOOT_RANGE_PART, 0, 99 },
		{ "bytes=-0", 100, BOOT_RANGE_NONE, 0, 0 },
		{ "bytes=-5", 0, BOOT_RANGE_NONE, 0, 0 },
		{ "bytes= 3-5 ", 100, BOOT_RANGE_PART, 3, 5 },
		{ "bytes=5-3", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=1-2,4-5", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=1", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=-", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=--1", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=+1-2", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=1-2x", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "items=1-2", 100, BOOT_RANGE_WHOLE, 0, 0 },
		{ "bytes=99999999999999999999999-", 100, BOOT_RANGE_NONE, 0, 0 },
		{ "bytes=1-99999999999999999999999", 100, BOOT_RANGE_PART, 1, 99 },
		{ "bytes=-99999999999999999999999", 100, BOOT_RANGE_PART, 0, 99 },
		{ "bytes=18446744073709551615-18446744073709551615", 100, BOOT_RANGE_NONE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct boot_range r = { 0 };

		if (boot_range_parse(rows[i].text, rows[i].size, &r) != rows[i].kind ||
		    r.first != rows[i].first || r.last != rows[i].last)
			fail_msg("%s of %llu", rows[i].text, (unsigned long long)rows[i].size);
	}
}

static void targets_lose_their_host(void **state)
{
	(void)state;
	assert_string_equal(boot_target_name("/a/b"), "/a/b");
	assert_string_equal(boot_target_name("http://10.0.0.2/a/b"), "/a/b");
	assert_string_equal(boot_target_name("http://10.0.0.2"), "");
	assert_string_equal(boot_target_name("http:///a"), "/a");
	assert_string_equal(boot_target_name("https://x/a"), "https://x/a");
	assert_string_equal(boot_target_name(""), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_find_files_and_texts_and_nothing_else),
		cmocka_unit_test(ranges_are_read_as_rfc_9110_says),
		cmocka_unit_test(targets_lose_their_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
