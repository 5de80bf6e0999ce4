// A domain of libvirt, or (first byte odd) a configuration of Proxmox, whatever is in it: it is
// refused with a reason, or becomes a definition that is JSON, of a bounded size, with a name that
// fits.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct hook_vm *vm)
{
	char err[HOOK_TEXT] = "", *text;
	json_t *o;

	assert(vm->n_nics <= HOOK_NICS && vm->notes.n <= HOOK_NOTES);
	for (uint32_t i = 0; i < vm->n_nics; i++)
		assert(hook_mac_fits(vm->nics[i].mac) && vm->nics[i].id < HOOK_NICS);
	if (vm->n_nics == 0)
		return;
	assert(hook_name_fits(vm->name));
	assert(vm->uuid[0] == '\0' || hook_uuid_fits(vm->uuid));
	if (hook_vm_definition(vm, &text, err) < 0) {
		assert(err[0] != '\0');
		return;
	}
	assert(strlen(text) <= 65536);
	o = json_loads(text, 0, NULL);
	assert(json_is_object(o) &&
	       strcmp(json_string_value(json_object_get(o, "name")), vm->name) == 0);
	json_decref(o);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hook_settings s;
	char err[HOOK_TEXT] = "", *text;
	struct hook_vm vm;
	int rc;

	if (s.n_guests == 0)
		hook_settings_read(&s, "/dev/null");
	if (size == 0)
		return 0;
	text = malloc(size);
	assert(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	rc = data[0] & 1 ? hook_pve_read(&s, "101", text, &vm, err)
			 : hook_domain_read(&s, text, size - 1, &vm, err);
	if (rc == 0)
		check(&vm);
	else
		assert(err[0] != '\0');
	hook_vm_fini(&vm);
	free(text);
	return 0;
}
