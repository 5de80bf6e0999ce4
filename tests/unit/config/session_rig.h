// Sessions on a store in memory, for tests: what a client sends, and what it hears.
#ifndef SESSION_RIG_H
#define SESSION_RIG_H

#include "../unit.h"

#include <stdio.h>

#include "../../../config/netconf_priv.h"
#include "store_host.h"

#define NC_1_0 "urn:ietf:params:netconf:base:1.0"
#define NC_1_1 "urn:ietf:params:netconf:base:1.1"
#define IN_SYSTEM(x) "<system xmlns=\"urn:weir:params:xml:ns:yang:weir-system\">" x "</system>"
#define IN_VLANS(x) "<vlans xmlns=\"urn:weir:params:xml:ns:yang:weir-vlans\">" x "</vlans>"

static struct cfg_schema *rig_schema; // takes longest to make: one for all tests

struct rig {
	struct store_host host;
	struct cfg_store *store;
	char *text; // of the last answer
};

static inline int rig_schema_open(const char *yang_dir)
{
	struct cfg_error err;

	return cfg_schema_create(yang_dir, &rig_schema, &err);
}

static inline void rig_open(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	assert_int_equal(host_store(&r->host, rig_schema, &r->store), 0);
}

static inline void rig_close(struct rig *r)
{
	cfg_store_destroy(r->store);
	host_fini(&r->host);
	free(r->text);
	memset(r, 0, sizeof(*r));
}

// Everything that s has to say, taken. Until the next call.
static inline const char *rig_heard(struct rig *r, struct cfg_session *s)
{
	size_t size;
	const char *out = cfg_session_output(s, &size);

	free(r->text);
	r->text = malloc(size + 1);
	assert_non_null(r->text);
	if (size > 0)
		memcpy(r->text, out, size);
	r->text[size] = '\0';
	cfg_session_sent(s, size);
	return r->text;
}

static inline struct cfg_session *rig_client(struct rig *r, const struct cfg_client *who, bool xml)
{
	static const char hello[] = "<hello xmlns=\"" NC_NS "\"><capabilities><capability>" NC_1_0
				    "</capability></capabilities></hello>]]>]]>";
	struct cfg_session *s;

	assert_int_equal(cfg_session_create(r->store, who, xml, &s), 0);
	if (xml)
		cfg_session_input(s, hello, strlen(hello));
	(void)rig_heard(r, s);
	return s;
}

static inline struct cfg_session *rig_root(struct rig *r, bool xml)
{
	const struct cfg_client root = { .user = "root",
					 .recovery = true,
					 .client = xml ? "netconf" : "cli" };

	return rig_client(r, &root, xml);
}

static inline struct cfg_session *rig_user(struct rig *r, const char *name, bool xml)
{
	const struct cfg_client who = { .user = name, .client = xml ? "netconf" : "cli" };

	return rig_client(r, &who, xml);
}

// Whatever is in front of it, one rpc of that body.
static inline const char *rig_xml(struct rig *r, struct cfg_session *s, const char *body)
{
	static const char head[] = "<rpc xmlns=\"" NC_NS "\" message-id=\"7\">";

	cfg_session_input(s, head, strlen(head));
	cfg_session_input(s, body, strlen(body));
	cfg_session_input(s, "</rpc>]]>]]>", 12);
	return rig_heard(r, s);
}

static inline const char *rig_json(struct rig *r, struct cfg_session *s, const char *request)
{
	char *answer = NULL;
	int rc = cfg_session_json(s, request, strlen(request), &answer);

	free(r->text);
	r->text = answer == NULL ? strdup(rc == -ENOTSUP ? "not supported" : "failed") : answer;
	assert_non_null(r->text);
	return r->text;
}

// "ok", or the error-tag of an answer. Until the next call.
static inline const char *rig_tag(const char *answer)
{
	static char tag[64];
	const char *at = strstr(answer, "<error-tag>");
	int skip = 11;

	if (at == NULL) {
		at = strstr(answer, "\"ok\":false");
		at = at == NULL ? NULL : strstr(at, "\"tag\":\"");
		skip = 7;
	}
	if (at == NULL) {
		bool good = strstr(answer, "<rpc-reply") != NULL || strstr(answer, "\"ok\":true");

		return good ? "ok" : "no answer";
	}
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(at + skip, "<\""), at + skip);
	return tag;
}

// The same operation, as this session would send it.
static inline const char *rig_do(struct rig *r, struct cfg_session *s, const char *xml,
				 const char *json)
{
	return rig_tag(s->netconf ? rig_xml(r, s, xml) : rig_json(r, s, json));
}

#endif
