// Requests on the local socket.
#include <stdlib.h>

#include "cfg_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cfg_schema *schema;
	struct cfg_error err = { 0 };
	struct cfg_request r;

	if (schema == NULL && cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0)
		abort();
	if (cfg_request_parse(schema, (const char *)data, size, &r, &err) == 0 &&
	    r.size > CFG_REQUEST_MAX)
		abort();
	cfg_request_fini(&r);
	return 0;
}
