// What a client may fetch: files of the table, and texts made for it.
//
// How a name is read, by TFTP and HTTP alike: a backslash is a slash (firmware of EFI and Windows
// writes them), slashes and "./" at its beginning say nothing, and several slashes are one. Upper
// and lower case are two. Nothing else has a meaning: ".." and "%2e" are characters of a name that
// no file has, for names are looked up in a table and no byte of them reaches a file system.
//
// A file of the client's comes before a text of the same name, so an operator's own grub.cfg wins.
#include <stddef.h>
#include <string.h>

#include "boot_responder.h"

// returns false = longer than any name, or empty
static bool name_read(const char *name, char out[BOOT_NAME_MAX])
{
	size_t n = 0;

	for (; *name != '\0'; name++) {
		char ch = *name == '\\' ? '/' : *name;

		if (ch == '/' && (n == 0 || out[n - 1] == '/'))
			continue;
		if (ch == '.' && n == 0 && (name[1] == '/' || name[1] == '\\'))
			continue;
		if (n + 1 >= BOOT_NAME_MAX)
			return false;
		out[n++] = ch;
	}
	out[n] = '\0';
	return n > 0;
}

#define HEX "0123456789abcdefABCDEF"
#define NAME HEX "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ_.-/"

// GRUB 2.06 asks for grub.cfg in the directory of its prefix, which depends on the image:
// grub/grub.cfg, grub/x86_64-efi/grub.cfg, EFI/debian/grub.cfg. Over TFTP it asks for
// grub.cfg-01-MAC and grub.cfg-ADDRESS before that, newer ones for grub.cfg-UUID, too.
static bool is_grub(const char *last)
{
	static const char stem[] = "grub.cfg";
	const size_t len = sizeof(stem) - 1;

	if (strncmp(last, stem, len) != 0)
		return false;
	last += len;
	return last[0] == '\0' ||
	       (last[0] == '-' && last[1] != '\0' && last[1 + strspn(last + 1, HEX "-")] == '\0');
}

// pxelinux asks for pxelinux.cfg/ with its UUID, 01-MAC, its address in hexadecimal with one digit
// less each time, and "default".
static bool is_pxelinux(const char *name, const char *last)
{
	static const char dir[] = "pxelinux.cfg/";
	const size_t len = sizeof(dir) - 1;

	if ((size_t)(last - name) < len || memcmp(last - len, dir, len) != 0 ||
	    ((size_t)(last - name) > len && last[-(ptrdiff_t)len - 1] != '/'))
		return false;
	return strcmp(last, "default") == 0 ||
	       (last[0] != '\0' && last[strspn(last, HEX "-")] == '\0');
}

static bool text_find(const struct boot_client *c, const char *name, struct boot_content *out)
{
	const char *slash = strrchr(name, '/'), *last = slash == NULL ? name : slash + 1;
	const char *text = NULL;

	// Texts are in whatever directory a loader looks, so here the directory is looked at.
	if (name[strspn(name, NAME)] != '\0' || strstr(name, "..") != NULL)
		return false;
	if (strcmp(name, "boot.ipxe") == 0)
		text = c->script;
	else if (is_grub(last))
		text = c->grub;
	else if (is_pxelinux(name, last))
		text = c->pxelinux;
	if (text == NULL)
		return false;
	out->data = (const uint8_t *)text;
	out->size = strlen(text);
	out->file = NULL;
	return true;
}

bool boot_content_find(const struct boot_table *t, const struct boot_client *c, const char *name,
		       struct boot_content *out)
{
	char read[BOOT_NAME_MAX];

	if (!name_read(name, read))
		return false;
	for (uint32_t i = 0; i < c->n_files; i++) {
		const struct boot_file *f = &t->files[c->files[i]];

		if (strcmp(f->name, read) == 0) {
			out->data = f->data;
			out->size = f->size;
			out->file = f;
			return true;
		}
	}
	return text_find(c, read, out);
}
