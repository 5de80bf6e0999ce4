// Edits of hostile frames by any row of operations. Input: the length of the first buffer, flags of
// the metadata, the number of operations (16 bytes each: kind, field, argument, a value), then the
// frame. Invariants: the metadata are what a parse of the frame says, and nothing behind the
// headers changes.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "of_edit_priv.h"

enum { HEADROOM = 128, OPS_MAX = 16, OP_SIZE = 16, FRAME_MAX = 4096, KEPT = 512 };

static struct rte_mbuf *segment_make(const uint8_t *data, size_t size, size_t room)
{
	struct rte_mbuf *m = aligned_alloc(64, sizeof(*m) + DP_PRIV_BYTES);

	memset(m, 0, sizeof(*m) + DP_PRIV_BYTES);
	m->buf_addr = malloc(room + size + (room + size == 0));
	m->buf_len = (uint16_t)(room + size);
	m->data_off = (uint16_t)room;
	m->data_len = (uint16_t)size;
	m->pkt_len = (uint32_t)size;
	m->nb_segs = 1;
	memcpy((uint8_t *)m->buf_addr + room, data, size);
	return m;
}

static void operate(struct rte_mbuf *m, const uint8_t *p)
{
	struct dp_flow_set s = { .op = { .kind = p[0] % DP_N_OPS,
					 .field = p[1] % DP_FLOW_N_FIELDS,
					 .size = sizeof(s),
					 .arg = dp_be16(p + 2) } };
	struct dp_parse parse;

	memcpy(&s.value.lo, p + 4, 8);
	memcpy(&s.value.hi, p + 8, 8);
	s.mask.lo = s.mask.hi = p[0] & 0x80 ? ~s.value.lo : UINT64_MAX;
	(void)dp_of_edit(m, &s.op);
	dp_parse(dp_data(m), m->data_len, m->pkt_len, &parse);
	assert(memcmp(&parse, &dp_meta(m)->p, sizeof(parse)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n_ops = size < 3 ? 0 : data[2] % (OPS_MAX + 1), at = 3 + n_ops * OP_SIZE, first;
	struct rte_mbuf *m;

	if (size <= at || size - at > FRAME_MAX)
		return 0;
	first = RTE_MIN(size - at, 1 + (size_t)data[0] * 2);
	m = segment_make(data + at, first, HEADROOM);
	if (at + first < size) {
		m->next = segment_make(data + at + first, size - at - first, 0);
		m->pkt_len = (uint32_t)(size - at);
		m->nb_segs = 2;
	}
	dp_meta(m)->flags = data[1] & (DP_MF_CSUM | DP_MF_TSO);
	dp_parse(dp_data(m), m->data_len, m->pkt_len, &dp_meta(m)->p);
	for (size_t i = 0; i < n_ops; i++)
		operate(m, data + 3 + i * OP_SIZE);
	if (m->next != NULL) {
		assert(memcmp(dp_data(m->next), data + at + first, m->next->data_len) == 0);
		free(m->next->buf_addr);
		free(m->next);
	} else if (first > KEPT) {
		assert(memcmp(dp_data(m) + m->data_len - (first - KEPT), data + at + KEPT,
			      first - KEPT) == 0);
	}
	free(m->buf_addr);
	free(m);
	return 0;
}
