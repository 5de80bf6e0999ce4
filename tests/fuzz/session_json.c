// Requests of local tools, one a line. A line that begins with @ is of a user who is not root, one
// that begins with ! lets time pass.
#include <stdlib.h>
#include <string.h>

#include "store_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cfg_schema *schema;

static void ask(struct cfg_session *s, const char *line, size_t size)
{
	char *answer;
	int rc = cfg_session_json(s, line, size, &answer);
	struct cfg_request r;
	struct cfg_error err;

	if (rc == 0 && strncmp(answer, "{\"ok\":", 6) != 0)
		abort();
	if (rc == -ENOTSUP && cfg_request_parse(schema, line, size, &r, &err) == 0)
		cfg_request_fini(&r);
	free(answer);
}

// What was committed has to be good for a start.
static void check(struct cfg_store *store)
{
	char *text = cfg_store_running(store);
	struct cfg_error err;
	struct cfg *cfg;

	if (text == NULL || cfg_load(schema, text, strlen(text), &cfg, &err) < 0)
		abort();
	cfg_free(cfg);
	// And what is in force beside it still fits.
	if (cfg_store_in_force(store, NULL, &cfg, &err) < 0)
		abort();
	cfg_free(cfg);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cfg_client who[] = { { .user = "root", .recovery = true, .client = "cli" },
					  { .user = "guest", .client = "cli" } };
	struct cfg_session *s[2];
	struct cfg_store *store;
	struct store_host host;
	struct cfg_error err;
	size_t n;

	if (schema == NULL && cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0)
		abort();
	if (host_store(&host, schema, &store) < 0 ||
	    cfg_session_create(store, &who[0], false, &s[0]) < 0 ||
	    cfg_session_create(store, &who[1], false, &s[1]) < 0)
		abort();
	for (size_t at = 0; at < size; at += n + 1) {
		const char *line = (const char *)data + at, *end = memchr(line, '\n', size - at);

		n = end == NULL ? size - at : (size_t)(end - line);
		if (n > 0 && line[0] == '!') {
			host.now_ms += 400000;
			cfg_store_tick(store);
		} else if (n > 0) {
			ask(s[line[0] == '@'], line + (line[0] == '@'), n - (line[0] == '@'));
		}
	}
	cfg_session_destroy(s[0]);
	cfg_session_destroy(s[1]);
	check(store);
	cfg_store_destroy(store);
	host_fini(&host);
	return 0;
}
