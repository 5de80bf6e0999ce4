// NETCONF: whatever clients send, in whatever pieces. The first byte says how large the pieces are;
// 0xf8 to 0xfa, which no text has, say to which of three sessions the next bytes go, 0xfb to 0xfd
// that one of them goes away, 0xfe that time passes. The last session is not root's.
#include <stdlib.h>
#include <string.h>

#include "store_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_SESSIONS = 3 };

static const char rules[] =
	"{\"ietf-netconf-acm:nacm\":{\"write-default\":\"permit\",\"rule-list\":[{\"name\":\"a\","
	"\"group\":[\"*\"],\"rule\":[{\"name\":\"b\",\"path\":\"/ietf-interfaces:interfaces/"
	"interface[name='a']\",\"access-operations\":\"*\",\"action\":\"deny\"},{\"name\":\"c\","
	"\"module-name\":\"weir-system\",\"access-operations\":\"read\",\"action\":\"deny\"}]}]}}";

struct target {
	struct store_host host;
	struct cfg_store *store;
	struct cfg_session *s[N_SESSIONS];
	size_t piece;
};

static void enter(struct target *t, uint32_t i)
{
	const struct cfg_client who = { .user = i == 2 ? "guest" : "root",
					.recovery = i != 2,
					.client = "netconf" };

	if (t->s[i] == NULL && cfg_session_create(t->store, &who, true, &t->s[i]) < 0)
		abort();
}

static void leave(struct target *t, uint32_t i)
{
	cfg_session_destroy(t->s[i]);
	t->s[i] = NULL;
}

// What the sockets' side does after each turn.
static void carry(struct target *t)
{
	size_t n;

	for (uint32_t i = 0; i < N_SESSIONS; i++) {
		if (t->s[i] == NULL)
			continue;
		(void)cfg_session_output(t->s[i], &n);
		cfg_session_sent(t->s[i], n);
		if (cfg_session_ended(t->s[i]))
			leave(t, i);
	}
}

static void hear(struct target *t, uint32_t to, const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size; at += t->piece) {
		enter(t, to);
		cfg_session_input(t->s[to], (const char *)data + at,
				  size - at < t->piece ? size - at : t->piece);
		carry(t);
	}
}

static void play(struct target *t, const uint8_t *data, size_t size)
{
	uint32_t to = 0;
	size_t n;

	for (size_t at = 0; at < size; at += n) {
		for (n = 0; at + n < size && (data[at + n] < 0xf8 || data[at + n] == 0xff);)
			n++;
		if (n > 0) {
			hear(t, to, data + at, n);
			continue;
		}
		n = 1;
		if (data[at] <= 0xfa) {
			to = data[at] - 0xf8u;
		} else if (data[at] <= 0xfd) {
			leave(t, data[at] - 0xfbu);
		} else {
			t->host.now_ms += 400000;
			cfg_store_tick(t->store);
			carry(t);
		}
	}
}

// What was committed has to be good for a start.
static void check(struct target *t, struct cfg_schema *schema)
{
	char *text = cfg_store_running(t->store);
	struct cfg_error err;
	struct cfg *cfg;

	if (text == NULL || cfg_load(schema, text, strlen(text), &cfg, &err) < 0)
		abort();
	cfg_free(cfg);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cfg_schema *schema;
	struct target t = { 0 };
	struct cfg_error err;

	if (schema == NULL && cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0)
		abort();
	if (size < 1)
		return 0;
	t.piece = data[0] == 0 ? size : data[0];
	if (host_store(&t.host, schema, &t.store) < 0)
		abort();
	if ((size & 1) != 0 && cfg_store_load(t.store, rules, strlen(rules), &err) < 0)
		abort();
	play(&t, data + 1, size - 1);
	for (uint32_t i = 0; i < N_SESSIONS; i++)
		leave(&t, i);
	check(&t, schema);
	cfg_store_destroy(t.store);
	host_fini(&t.host);
	return 0;
}
