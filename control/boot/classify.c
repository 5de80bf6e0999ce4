// Who asks: by options 60, 77, 93 and 175 alone. Which port it is, and so whose it is, is known
// already.
#include <string.h>

#include "dhcp_priv.h"

// RFC 4578, RFC 5970 and IANA's registry "Processor Architecture Types". who: of PXE firmware;
// http: of HTTP boot.
static const struct arch {
	uint16_t arch;
	uint8_t who, http;
	const char *name;
} archs[] = {
	{ 0x0000, WHO_PXE_BIOS, WHO_OTHER, "x86 BIOS" },
	{ 0x0001, WHO_OTHER, WHO_OTHER, "NEC PC98" },
	{ 0x0002, WHO_OTHER, WHO_OTHER, "Itanium UEFI" },
	{ 0x0006, WHO_OTHER, WHO_OTHER, "x86 UEFI, 32 bits" },
	{ 0x0007, WHO_PXE_X64, WHO_OTHER, "x64 UEFI" },
	{ 0x0009, WHO_PXE_X64, WHO_OTHER, "x64 UEFI" }, // the erratum: 7 and 9 were mixed up
	{ 0x000a, WHO_OTHER, WHO_OTHER, "ARM UEFI, 32 bits" },
	{ 0x000b, WHO_OTHER, WHO_OTHER, "ARM UEFI, 64 bits" },
	{ 0x000f, WHO_OTHER, WHO_OTHER, "x86 UEFI by HTTP, 32 bits" },
	{ 0x0010, WHO_HTTP_X64, WHO_HTTP_X64, "x64 UEFI by HTTP" },
	{ 0x0012, WHO_OTHER, WHO_OTHER, "ARM UEFI by HTTP, 32 bits" },
	{ 0x0013, WHO_OTHER, WHO_OTHER, "ARM UEFI by HTTP, 64 bits" },
	{ 0x0014, WHO_OTHER, WHO_OTHER, "x86 BIOS by HTTP" },
	{ 0x0019, WHO_OTHER, WHO_OTHER, "RISC-V UEFI, 32 bits" },
	{ 0x001b, WHO_OTHER, WHO_OTHER, "RISC-V UEFI, 64 bits" },
	{ 0x001d, WHO_OTHER, WHO_OTHER, "RISC-V UEFI, 128 bits" },
	{ 0x0025, WHO_OTHER, WHO_OTHER, "LoongArch UEFI, 32 bits" },
	{ 0x0027, WHO_OTHER, WHO_OTHER, "LoongArch UEFI, 64 bits" },
	{ 0x0029, WHO_OTHER, WHO_OTHER, "Raspberry Pi" },
};

static const struct arch *arch_find(uint16_t arch)
{
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		if (archs[i].arch == arch)
			return &archs[i];
	}
	return NULL;
}

const char *boot_arch_name(uint16_t arch)
{
	const struct arch *a = arch_find(arch);

	return a != NULL ? a->name : "unknown";
}

const char *boot_who_name(enum boot_who who)
{
	static const char *const names[WHO_N] = {
		[WHO_OS] = "operating system",
		[WHO_IPXE_BIOS] = "iPXE firmware, BIOS",
		[WHO_IPXE_EFI] = "iPXE firmware, UEFI",
		[WHO_PXE_BIOS] = "PXE firmware, BIOS",
		[WHO_PXE_X64] = "PXE firmware, UEFI x64",
		[WHO_HTTP_X64] = "HTTP firmware, UEFI x64",
		[WHO_OTHER] = "firmware of another architecture",
	};

	return who < WHO_N ? names[who] : "invalid";
}

bool boot_is_ipxe_class(const uint8_t *data, size_t size)
{
	if (size == 4 && memcmp(data, "iPXE", 4) == 0)
		return true;
	for (size_t at = 0; at < size && at + 1 + data[at] <= size; at += 1u + data[at]) {
		if (data[at] == 4 && memcmp(data + at + 1, "iPXE", 4) == 0)
			return true;
	}
	return false;
}

static bool vendor_is(const struct boot_hints *h, const char *prefix)
{
	size_t n = strlen(prefix);

	return h->vendor_size >= n && memcmp(h->vendor, prefix, n) == 0;
}

// "PXEClient:Arch:00007:UNDI:003016", for firmware that leaves option 93 out.
static bool vendor_arch(const struct boot_hints *h, uint16_t *arch)
{
	size_t at = vendor_is(h, "PXEClient:Arch:")    ? 15
		    : vendor_is(h, "HTTPClient:Arch:") ? 16
						       : h->vendor_size;
	uint32_t v = 0;

	if (at + 5 > h->vendor_size)
		return false;
	for (size_t i = at; i < at + 5; i++) {
		if (h->vendor[i] < '0' || h->vendor[i] > '9')
			return false;
		v = v * 10 + (h->vendor[i] - '0');
	}
	*arch = (uint16_t)v;
	return v <= UINT16_MAX;
}

static uint8_t who_by(const struct boot_asker *a, bool ipxe, uint16_t number)
{
	const struct arch *arch = arch_find(number);

	if (ipxe) // iPXE brings its own drivers: what it is given is the same on all of them
		return number == 0 || number == 0x14 ? WHO_IPXE_BIOS : WHO_IPXE_EFI;
	return arch == NULL ? WHO_OTHER : a->http ? arch->http : arch->who;
}

void boot_classify(const struct boot_hints *h, struct boot_asker *a)
{
	uint16_t n = 0;

	memset(a, 0, sizeof(*a));
	a->http = vendor_is(h, "HTTPClient");
	a->has_arch = h->arch_size >= 2 || vendor_arch(h, &n);
	if (!h->ipxe && !a->has_arch && !a->http && !vendor_is(h, "PXEClient"))
		return; // WHO_OS
	if (h->arch_size >= 2)
		n = boot_be16(h->arch);
	a->arch = n;
	// Firmware that names nothing is as old as BIOS; HTTP boot never was there.
	if (!a->has_arch)
		n = a->http ? 0x10 : 0;
	a->who = who_by(a, h->ipxe, n);
	// A list: the first that can be served.
	for (size_t i = 2; a->who == WHO_OTHER && i + 2 <= h->arch_size; i += 2) {
		uint8_t who = who_by(a, h->ipxe, boot_be16(h->arch + i));

		if (who != WHO_OTHER) {
			a->who = who;
			a->arch = boot_be16(h->arch + i);
		}
	}
}
