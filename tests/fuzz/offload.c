// Header rewriters: checksum and segmentation on hostile packets spread over several buffers. The
// first three bytes choose segment size and where the buffers are cut. Invariants: no buffer leaks;
// segments add up to the payload.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "switch_priv.h"

static struct rte_mempool *pool;

static void start(void)
{
	const char *argv[] = { "fuzz", "--no-huge",	     "--no-shconf",    "-m",
			       "64",   "--no-pci",	     "--no-telemetry", "--lcores",
			       "0",    "--log-level=*:error" };

	if (rte_eal_init(10, (char **)(uintptr_t)argv) < 0)
		abort();
	pool = rte_pktmbuf_pool_create("fuzz", 2047, 0, sizeof(struct dp_meta),
				       RTE_PKTMBUF_HEADROOM + DP_MBUF_ROOM, SOCKET_ID_ANY);
	if (pool == NULL)
		abort();
}

static struct rte_mbuf *packet(const uint8_t *data, size_t size, size_t piece)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(pool), *m = head;
	size_t at = 0;

	for (;;) {
		size_t n = size - at < piece ? size - at : piece;

		memcpy(rte_pktmbuf_append(m, (uint16_t)n), data + at, n);
		if (m != head) {
			head->pkt_len += (uint32_t)n;
			head->nb_segs++;
		}
		at += n;
		if (at == size)
			return head;
		m->next = rte_pktmbuf_alloc(pool);
		m = m->next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_mbuf *segs[DP_TSO_SEGS], *m;
	struct dp_meta *meta;
	uint32_t l3;
	int n;

	if (pool == NULL)
		start();
	if (size < 3 + 14 || size > 20000)
		return 0;
	m = packet(data + 3, size - 3, 64 + (size_t)data[2] * 7);
	meta = dp_meta(m);
	memset(meta, 0, sizeof(*meta));
	dp_parse(dp_data(m), rte_pktmbuf_data_len(m), rte_pktmbuf_pkt_len(m), &meta->p);
	meta->tso_segsz = (uint16_t)(data[0] << 8 | data[1]);
	l3 = meta->p.l3_off;
	dp_csum_finish(m);
	meta->flags = DP_MF_TSO | DP_MF_CSUM;
	n = dp_tso_cut(m, pool, segs, DP_TSO_SEGS);
	for (int i = 0; i < n; i++) {
		assert(rte_pktmbuf_pkt_len(segs[i]) > l3 && segs[i]->nb_segs == 1);
		rte_pktmbuf_free(segs[i]);
	}
	if (n < 0)
		rte_pktmbuf_free(m);
	assert(rte_mempool_in_use_count(pool) == 0);
	return 0;
}
