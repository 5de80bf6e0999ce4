// What a client may fetch: files of the table, and texts made for it.
#include <string.h>

#include "boot_responder.h"

static bool text_is(const char *name, const char *is, const char *text, struct boot_content *out)
{
	if (text == NULL || strcmp(name, is) != 0)
		return false;
	out->data = (const uint8_t *)text;
	out->size = strlen(text);
	return true;
}

bool boot_content_find(const struct boot_table *t, const struct boot_client *c, const char *name,
		       struct boot_content *out)
{
	// Loaders ask for "/name" as well as for "name".
	while (*name == '/')
		name++;
	if (text_is(name, "boot.ipxe", c->script, out))
		return true;
	for (uint32_t i = 0; i < c->n_files; i++) {
		const struct boot_file *f = &t->files[c->files[i]];

		if (strcmp(f->name, name) == 0) {
			out->data = f->data;
			out->size = f->size;
			return true;
		}
	}
	return false;
}
