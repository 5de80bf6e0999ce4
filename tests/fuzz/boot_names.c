// Names that clients ask for, and HTTP's Range: the first byte says which. Invariants: what is
// found is the client's; a part lies within its content.
#include "boot_common.h"

static const char script[] = "#!ipxe\n", grub[] = "set\n", pxelinux[] = "DEFAULT\n";

static void name_take(const char *text)
{
	struct boot_file files[] = { { .name = "k", .data = (const uint8_t *)"K", .size = 1 },
				     { .name = "a/b.c", .data = (const uint8_t *)"A", .size = 1 },
				     { .name = "no", .data = (const uint8_t *)"N", .size = 1 } };
	struct boot_table t = { .files = files, .n_files = 3 };
	struct boot_client c = { .files = { 0, 1 },
				 .n_files = 2,
				 .script = (char *)(uintptr_t)script,
				 .grub = (char *)(uintptr_t)grub,
				 .pxelinux = (char *)(uintptr_t)pxelinux };
	struct boot_content out;
	const char *name = boot_target_name(text);

	assert(name >= text || *name == '\0');
	if (!boot_content_find(&t, &c, name, &out))
		return;
	assert(out.file == &files[0] || out.file == &files[1] || out.file == NULL);
	if (out.file == NULL)
		assert((const char *)out.data == script || (const char *)out.data == grub ||
		       (const char *)out.data == pxelinux);
	// No name that leads anywhere else than down is one of ours.
	assert(strstr(name, "..") == NULL && strchr(name, '%') == NULL);
}

static void range_take(const char *text, uint64_t size)
{
	struct boot_range r = { UINT64_MAX, UINT64_MAX };

	if (boot_range_parse(text, size, &r) == BOOT_RANGE_PART)
		assert(r.first <= r.last && r.last < size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 2)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] % 2 == 0)
		name_take(text);
	else
		range_take(text, data[0] == 255 ? UINT64_MAX : data[0] / 2u);
	free(text);
	return 0;
}
