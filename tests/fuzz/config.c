// The configuration loader. Invariant: refused with a reason, or accepted; and what is accepted
// differs from itself in nothing.
//
// What begins with ! is the definition of a machine that is announced, with ? what a provider
// answers. Invariant: refused with a reason, or it is that machine that is in force, and no other
// thing has changed.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_config.h"
#include "store_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char base[] =
	"{\"weir-vm:boot-services\":{\"service\":[{\"vlan\":1,\"address\":\"10.1.0.1\","
	"\"prefix-length\":24}]},"
	"\"weir-vm:boot-providers\":{\"provider\":[{\"name\":\"p\",\"command\":\"/p\"}]},"
	"\"weir-vm:vms\":{\"vm\":[{\"name\":\"c\",\"nic\":[{\"id\":0,\"mac\":"
	"\"52:54:00:00:00:01\",\"ipv4-address\":[\"10.1.0.9\"]}],\"boot\":{\"provider\":\"p\"}}]}}";

static int force(void *arg, struct cfg *next, struct cfg_error *err)
{
	(void)err;
	*(struct cfg **)arg = next;
	return 0;
}

// The boot of c may be another one; everything else is as it was, and m may be there.
static void check_in_force(const struct cfg *was, const struct cfg *now, bool answer)
{
	struct cfg_action *a;
	int n = cfg_diff(was, now, &a);

	assert(n >= 0 && now->n_vms == was->n_vms + !answer);
	for (int i = 0; i < n; i++)
		assert(answer ? a[i].object == CFG_OBJ_VM && strcmp(a[i].name, "c") == 0
			      : (a[i].object == CFG_OBJ_VM && strcmp(a[i].name, "m") == 0) ||
					(a[i].object == CFG_OBJ_PORT &&
					 strncmp(a[i].name, "m.", 2) == 0));
	free(a);
}

static void announce(struct cfg_schema *schema, const uint8_t *data, size_t size)
{
	const bool answer = data[0] == '?';
	char *text = strndup((const char *)data + 1, size - 1);
	const struct cfg_overlay_vm vm = {
		.name = answer ? "c" : "m",
		.source = "libvirt",
		.definition = answer ? NULL : text,
		.boot = answer ? text : NULL,
	};
	struct cfg *was = NULL, *now = NULL;
	const struct cfg_force how = { &now, force };
	struct cfg_error err = { 0 };
	struct cfg_store *store;
	struct store_host host;

	if (text == NULL || host_store(&host, schema, &store) < 0 ||
	    cfg_store_load(store, base, strlen(base), &err) < 0 ||
	    cfg_store_in_force(store, NULL, &was, &err) < 0)
		abort();
	if (cfg_overlay_put(store, &vm, 1, &how, &err) < 0)
		assert(now == NULL && err.reason[0] != '\0');
	else
		check_in_force(was, now, answer);
	cfg_free(now);
	cfg_free(was);
	cfg_store_destroy(store);
	host_fini(&host);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cfg_schema *schema;
	struct cfg_error err = { 0 };
	struct cfg_action *a;
	struct cfg *c, *empty;

	if (schema == NULL && cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0)
		abort();
	if (size > 0 && (data[0] == '!' || data[0] == '?')) {
		announce(schema, data, size);
		return 0;
	}
	if (cfg_load(schema, (const char *)data, size, &c, &err) < 0) {
		assert(c == NULL && err.reason[0] != '\0');
		return 0;
	}
	assert(cfg_diff(c, c, &a) == 0);
	free(a);
	assert(cfg_empty(&empty) == 0);
	assert(cfg_diff(empty, c, &a) >= 0);
	free(a);
	cfg_free(empty);
	cfg_free(c);
	return 0;
}
