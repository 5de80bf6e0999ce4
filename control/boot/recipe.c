// What makes a client boot, and nothing that would mislead it; a row per kind of client, from what
// the clients' code does with each option.
//
// - iPXE with a root path alone attaches the disk and boots it. Option 60 would send it to UDP
//   4011, a file name would come first; option 175.176 keeps it from waiting 2 s for a proxy. Of a
//   proxy it takes nothing that does not name a server and a file: there the script says the disk.
// - UEFI PXE takes its server from siaddr (not from option 66). Option 60 without 43 would send it
//   to UDP 4011; 43.{6:8} says: no menu and no discovery, load that file.
// - UEFI HTTP boot takes no offer without option 60 and a URI.
// - GRUB and pxelinux ask nothing of their own: they use the firmware's answer.
// - An operating system gets what its root needs.
#include <stdio.h>
#include <string.h>

#include "dhcp_priv.h"

#define WHO(who) (1u << (who))
#define METHOD(m) (1u << (m))
#define WHO_ANY_IPXE (WHO(WHO_IPXE_BIOS) | WHO(WHO_IPXE_EFI))
#define METHODS (METHOD(BOOT_ISCSI) | METHOD(BOOT_KERNEL) | METHOD(BOOT_NFS) | METHOD(BOOT_HTTP))

enum fetch { FETCH_NOTHING, FETCH_SCRIPT, FETCH_UEFI_LOADER, FETCH_BIOS_LOADER, FETCH_IMAGE };

struct boot_row {
	uint8_t who, methods; // bits
	uint8_t fetch;
	bool no_script;	     // only where the target wants no proof, and not as a proxy
	bool root_path, uri; // option 17 with 203; the file as a URI, always
	const char *vendor;  // option 60
	bool no_menu;	     // option 43
};

// The first that fits.
static const struct boot_row rows[] = {
	{ .who = WHO_ANY_IPXE,
	  .methods = METHOD(BOOT_ISCSI),
	  .no_script = true,
	  .root_path = true },
	{ .who = WHO_ANY_IPXE, .methods = METHODS, .fetch = FETCH_SCRIPT },
	{ .who = WHO(WHO_PXE_X64),
	  .methods = METHODS,
	  .fetch = FETCH_UEFI_LOADER,
	  .vendor = "PXEClient",
	  .no_menu = true },
	{ .who = WHO(WHO_PXE_BIOS),
	  .methods = METHODS,
	  .fetch = FETCH_BIOS_LOADER,
	  .vendor = "PXEClient",
	  .no_menu = true },
	{ .who = WHO(WHO_HTTP_X64),
	  .methods = METHOD(BOOT_HTTP),
	  .fetch = FETCH_IMAGE,
	  .uri = true,
	  .vendor = "HTTPClient" },
	{ .who = WHO(WHO_HTTP_X64),
	  .methods = METHODS,
	  .fetch = FETCH_UEFI_LOADER,
	  .uri = true,
	  .vendor = "HTTPClient" },
	{ .who = WHO(WHO_OS), .methods = METHODS, .root_path = true },
};

static const char *name_of(const struct boot_client *c, enum fetch fetch, const char **lacks)
{
	const char *name = NULL, *why = NULL;

	switch (fetch) {
	case FETCH_SCRIPT:
		name = c->script != NULL ? "boot.ipxe" : "";
		why = "there is no script for it";
		break;
	case FETCH_UEFI_LOADER:
		name = c->uefi_loader;
		why = "no loader for UEFI is configured (uefi-loader)";
		break;
	case FETCH_BIOS_LOADER:
		name = c->bios_loader;
		why = "no loader for BIOS is configured (bios-loader)";
		break;
	case FETCH_IMAGE:
		name = c->image;
		why = "no image is configured (http/file)";
		break;
	case FETCH_NOTHING:
		return NULL;
	}
	if (name[0] != '\0')
		return name;
	*lacks = why;
	return NULL;
}

void boot_recipe_find(const struct boot_client *c, const struct boot_asker *a,
		      struct boot_recipe *out)
{
	memset(out, 0, sizeof(*out));
	if (c->method == BOOT_NONE || c->method > BOOT_HTTP)
		return;
	if (a->who == WHO_OTHER) {
		out->lacks = "no loader for this architecture";
		return;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct boot_row *row = &rows[i];

		if ((row->who & WHO(a->who)) == 0 || (row->methods & METHOD(c->method)) == 0 ||
		    (row->no_script && (c->chap || c->mode == BOOT_PROXY)))
			continue;
		if (row->uri && !c->http)
			out->lacks = "HTTP is not served in this network (http)";
		else
			out->name = name_of(c, row->fetch, &out->lacks);
		if (out->lacks == NULL)
			out->row = row;
		return;
	}
}

// A file: by a URI with the address as a literal, so that no name server is needed; or by TFTP.
static void file_put(struct boot_reply *p, const struct boot_client *c,
		     const struct boot_recipe *recipe)
{
	const struct boot_row *row = recipe->row;
	const char *name = recipe->held ? BOOT_HELD_NAME : recipe->name;
	const uint8_t *ip = c->service_ip;
	char text[24 + BOOT_NAME_MAX];
	bool uri = row->uri || (row->fetch == FETCH_SCRIPT && c->http);

	memcpy(p->b + 20, ip, 4); // siaddr
	if (uri) {
		snprintf(text, sizeof(text), "http://%u.%u.%u.%u/%s", ip[0], ip[1], ip[2], ip[3],
			 name);
		boot_put_file(p, text);
		return;
	}
	memcpy(p->b + 108, name, strlen(name)); // file
	boot_put_file(p, name);
	snprintf(text, sizeof(text), "%u.%u.%u.%u", ip[0], ip[1], ip[2], ip[3]);
	boot_put_text(p, 66, text);
}

// pxelinux looks for many names before the one that is there (RFC 5071 sections 2 and 3).
static void pxelinux_put(struct boot_reply *p)
{
	static const uint8_t magic[4] = { 0xf1, 0x00, 0x74, 0x7e };

	boot_put(p, 208, magic, sizeof(magic));
	boot_put_text(p, 209, "pxelinux.cfg/default");
}

void boot_recipe_put(struct boot_reply *p, const struct boot_client *c, const struct boot_asker *a,
		     const struct boot_recipe *recipe)
{
	static const uint8_t no_menu[4] = { 6, 1, 8, 255 }, no_pxedhcp[3] = { 176, 1, 1 };
	const struct boot_row *row = recipe->row;

	// Whatever else it gets: nobody else will answer.
	if (boot_who_is_ipxe(a->who) && !recipe->proxy)
		boot_put(p, 175, no_pxedhcp, sizeof(no_pxedhcp));
	if (row == NULL)
		return;
	if (recipe->name != NULL)
		file_put(p, c, recipe);
	if (row->vendor != NULL && !recipe->proxy)
		boot_put_text(p, 60, row->vendor);
	if (row->no_menu && !recipe->proxy)
		boot_put(p, 43, no_menu, sizeof(no_menu));
	if (row->fetch == FETCH_BIOS_LOADER && c->pxelinux != NULL)
		pxelinux_put(p);
	if (row->root_path && c->root_path[0] != '\0') {
		boot_put_text(p, 17, c->root_path);
		boot_put_text(p, 203, c->initiator);
	}
}
