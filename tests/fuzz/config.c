// The configuration loader. Invariant: refused with a reason, or accepted; and what is accepted
// differs from itself in nothing.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cfg_schema *schema;
	struct cfg_error err = { 0 };
	struct cfg_action *a;
	struct cfg *c, *empty;

	if (schema == NULL && cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0)
		abort();
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
