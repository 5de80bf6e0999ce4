// NETCONF: whatever a client sends, in whatever pieces. The first byte says how large the pieces
// are.
#include <stdlib.h>
#include <string.h>

#include "store_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cfg_schema *schema;
	struct cfg_session *s;
	struct cfg_store *store;
	struct store_host host;
	const struct cfg_client client = { .user = "fuzz",
					   .recovery = (size & 1) != 0,
					   .client = "netconf" };
	struct cfg_error err;
	size_t piece, n;

	if (schema == NULL && cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0)
		abort();
	if (size < 1)
		return 0;
	piece = data[0] == 0 ? size : data[0];
	if (host_store(&host, schema, &store) < 0 ||
	    cfg_session_create(store, &client, true, &s) < 0)
		abort();
	for (size_t at = 1; at < size; at += piece)
		cfg_session_input(s, (const char *)data + at,
				  size - at < piece ? size - at : piece);
	(void)cfg_session_output(s, &n);
	cfg_session_sent(s, n);
	cfg_session_destroy(s);
	cfg_store_destroy(store);
	host_fini(&host);
	return 0;
}
