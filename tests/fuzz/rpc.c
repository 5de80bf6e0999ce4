// RPC streams as in pdu.c, and what is read of one piece: datagrams of rpcbind, iSCSI texts and
// addresses. First byte: which.
#include <errno.h>

#include "pdu_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Pairs, one behind the other.
struct said {
	size_t n, n_pairs;
	char text[QOS_PDU_TEXT_MAX * 2];
};

static void on_pair(void *ctx, const char *key, const char *value)
{
	struct said *s = ctx;
	size_t k = strlen(key), v = strlen(value);

	assert(k > 0 && strchr(key, '=') == NULL && k + 1 + v < QOS_TEXT_VALUE);
	for (size_t i = 0; i < k + v; i++)
		assert(i < k ? key[i] >= 0x20 && key[i] < 0x7f
			     : value[i - k] >= 0x20 && value[i - k] < 0x7f);
	assert(s->n + k + v + 2 <= sizeof(s->text));
	memcpy(s->text + s->n, key, k + 1);
	memcpy(s->text + s->n + k + 1, value, v + 1);
	s->n += k + v + 2;
	s->n_pairs++;
}

// In any pieces: the same pairs.
static void text(const uint8_t *p, size_t size)
{
	static struct said whole, cut;
	struct qos_text a, b;
	size_t n_ends = 1;

	if (size < 2 || size > QOS_PDU_TEXT_MAX)
		return;
	whole.n = whole.n_pairs = cut.n = cut.n_pairs = 0;
	qos_text_init(&a);
	qos_text_init(&b);
	qos_text_feed(&a, p + 1, size - 1, true, on_pair, &whole);
	for (size_t at = 1, step = 1 + p[0] % 64; at < size; at += step) {
		size_t n = step < size - at ? step : size - at;

		qos_text_feed(&b, p + at, n, at + n == size, on_pair, &cut);
	}
	assert(whole.n == cut.n && memcmp(whole.text, cut.text, cut.n) == 0 &&
	       a.skipped == b.skipped);
	for (size_t i = 1; i < size; i++)
		n_ends += p[i] == 0;
	assert(whole.n_pairs + a.skipped <= n_ends);
}

static void address(const uint8_t *p, size_t size)
{
	char *value = malloc(size + 1);
	struct qos_addr addr, nobody = { 0 };
	uint16_t port = 0;

	memcpy(value, p, size);
	value[size] = '\0';
	if (qos_iscsi_address(value, &addr, &port) == 0) {
		assert(port != 0 && memcmp(&addr, &nobody, sizeof(addr)) != 0);
		assert(strspn(value, "0123456789abcdefABCDEF.:,[]") == strlen(value));
	} else {
		assert(port == 0);
	}
	free(value);
}

static void datagram(const uint8_t *p, size_t size, enum qos_way way)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);
	struct qos_pdu pdu;

	memcpy(copy, p, size);
	if (qos_rpc_datagram(copy, size, way, &pdu)) {
		assert(pdu.kind == QOS_PDU_GETPORT ||
		       pdu.kind == (way == QOS_TO_PORTAL ? QOS_PDU_REQUEST : QOS_PDU_RESPONSE));
		assert(pdu.tag ==
		       ((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]));
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum qos_service of[] = { QOS_SVC_NFS, QOS_SVC_RPCBIND, QOS_SVC_RPC };

	if (size == 0)
		return 0;
	if (data[0] % 10 < 6)
		fuzz_stream(of[data[0] % 10 / 2], (enum qos_way)(data[0] % 2), data + 1, size - 1);
	else if (data[0] % 10 < 8)
		datagram(data + 1, size - 1, (enum qos_way)(data[0] % 2));
	else if (data[0] % 10 == 8)
		text(data + 1, size - 1);
	else
		address(data + 1, size - 1);
	return 0;
}
