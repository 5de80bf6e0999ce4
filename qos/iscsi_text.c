#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "pdu_priv.h"

#define ISCSI_PORT 3260

void qos_text_init(struct qos_text *t)
{
	t->n = 0;
	t->too_long = false;
	t->skipped = 0;
}

static bool is_printable(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s < 0x20 || *s > 0x7e)
			return false;
	}
	return true;
}

// A pair is complete. An empty one is a NUL too many.
static void pair_ends(struct qos_text *t, qos_pair_fn *fn, void *ctx)
{
	char *equals;

	t->pair[t->n] = '\0';
	equals = strchr(t->pair, '=');
	if (t->too_long ||
	    (t->n != 0 && (equals == NULL || equals == t->pair || !is_printable(t->pair)))) {
		t->skipped++;
	} else if (t->n != 0) {
		*equals = '\0';
		fn(ctx, t->pair, equals + 1);
	}
	t->n = 0;
	t->too_long = false;
}

void qos_text_feed(struct qos_text *t, const uint8_t *p, size_t size, bool last, qos_pair_fn *fn,
		   void *ctx)
{
	for (size_t i = 0; i < size; i++) {
		if (p[i] == '\0')
			pair_ends(t, fn, ctx);
		else if (t->n < sizeof(t->pair) - 1)
			t->pair[t->n++] = (char)p[i];
		else
			t->too_long = true;
	}
	if (last)
		pair_ends(t, fn, ctx);
}

// A decimal number up to max, of one digit or more, none of them too many. NULL when it is none.
static const char *number(const char *s, uint32_t max, uint32_t *out)
{
	const char *begin = s;

	*out = 0;
	for (; *s >= '0' && *s <= '9' && s - begin < 5; s++)
		*out = *out * 10 + (uint32_t)(*s - '0');
	return s == begin || *out > max ? NULL : s;
}

static const struct qos_addr none, none4 = { .b = { [10] = 0xff, [11] = 0xff } };

int qos_addr_parse(const char *s, size_t n, bool v6, struct qos_addr *a)
{
	char text[INET6_ADDRSTRLEN];
	struct qos_addr got = v6 ? none : none4;

	if (n == 0 || n >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, got.b + (v6 ? 0 : 12)) != 1)
		return -EINVAL;
	*a = got;
	return 0;
}

bool qos_addr_is_any(const struct qos_addr *a)
{
	return memcmp(a, &none, sizeof(*a)) == 0 || memcmp(a, &none4, sizeof(*a)) == 0;
}

// [:port][,portal-group-tag]
static int parse_rest(const char *s, uint16_t *port)
{
	uint32_t p = ISCSI_PORT, tag;

	if (*s == ':' && (s = number(s + 1, 65535, &p)) == NULL)
		return -EINVAL;
	if (*s == ',' && (s = number(s + 1, 65535, &tag)) == NULL)
		return -EINVAL;
	if (*s != '\0' || p == 0)
		return -EINVAL;
	*port = (uint16_t)p;
	return 0;
}

int qos_iscsi_address(const char *value, struct qos_addr *a, uint16_t *port)
{
	bool v6 = value[0] == '[';
	size_t n = strcspn(value + v6, v6 ? "]" : ":,");
	const char *rest = value + v6 + n;
	struct qos_addr got;

	if (v6 && *rest++ != ']')
		return -EINVAL;
	if (qos_addr_parse(value + v6, n, v6, &got) < 0 || qos_addr_is_any(&got) ||
	    parse_rest(rest, port) < 0)
		return -EINVAL;
	*a = got;
	return 0;
}
