// Ports on ethdevs: one queue, one buffer per frame on the way out. See pg_port.h.
#include "pg_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "pg_frame.h"

enum {
	DESCRIPTORS = 1024,
	TX_MBUFS = 4095,
	RX_MBUFS = 8191,
	RX_ROOM = 2048,
};

struct pg_eth {
	uint16_t id;
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_mempool *rx_pool, *tx_pool;
	struct rte_mbuf *tx[PG_BURST], *rx[PG_BURST];
	uint16_t n_tx, n_rx; // reserved; taken
};

int pg_eth_start(int cpu, bool huge, struct weir_err *err)
{
	char lcores[32], prog[] = "weir-pktgen", memory[] = "-m", mib[] = "256";
	char *argv[16] = { prog, lcores, memory, mib };
	// No device but those that are named: the host's own are not ours to take.
	const char *more[] = { "-a",
			       "0000:00:00.0",
			       "--no-telemetry",
			       "--log-level=error",
			       huge ? "--in-memory" : "--no-huge",
			       huge ? NULL : "--no-shconf" };
	int n = 4;

	snprintf(lcores, sizeof(lcores), cpu >= 0 ? "--lcores=0@%d" : "--lcores=0@(0)", cpu);
	for (uint32_t i = 0; i < RTE_DIM(more); i++)
		if (more[i] != NULL)
			argv[n++] = (char *)(uintptr_t)more[i];
	if (rte_eal_init(n, argv) < 0)
		return weir_err_set(err, -EIO, "DPDK does not start (%s): see the lines above",
				    huge ? "huge pages" : "ordinary memory");
	return 0;
}

// Frames are made in these: the part behind the first line never changes.
static void mbuf_fill(struct rte_mempool *pool, void *arg, void *obj, unsigned idx)
{
	struct rte_mbuf *m = obj;

	(void)pool;
	(void)idx;
	memcpy((char *)m->buf_addr + RTE_PKTMBUF_HEADROOM, pg_pattern(), *(const uint32_t *)arg);
}

static int pools_create(struct pg_eth *e, uint32_t frame_bytes)
{
	char name[32];
	static int n;

	snprintf(name, sizeof(name), "pktgen-rx%d", n);
	e->rx_pool = rte_pktmbuf_pool_create(name, RX_MBUFS, 0, 0, RX_ROOM + RTE_PKTMBUF_HEADROOM,
					     SOCKET_ID_ANY);
	snprintf(name, sizeof(name), "pktgen-tx%d", n++);
	e->tx_pool = rte_pktmbuf_pool_create(name, TX_MBUFS, 0, 0,
					     (uint16_t)(frame_bytes + RTE_PKTMBUF_HEADROOM),
					     SOCKET_ID_ANY);
	if (e->rx_pool == NULL || e->tx_pool == NULL)
		return -ENOMEM;
	rte_mempool_obj_iter(e->tx_pool, mbuf_fill, &frame_bytes);
	return 0;
}

// "net_tap0,iface=x" is made; "0000:03:00.0" is probed. *id = its port
static int device_make(const char *devargs, struct pg_eth *e)
{
	const char *comma = strchr(devargs, ',');
	size_t n = comma == NULL ? strlen(devargs) : (size_t)(comma - devargs);

	if (n >= sizeof(e->name))
		return -ENAMETOOLONG;
	memcpy(e->name, devargs, n);
	if (rte_dev_probe(devargs) < 0 || rte_eth_dev_get_port_by_name(e->name, &e->id) < 0)
		return -ENODEV;
	return 0;
}

static int device_start(struct pg_eth *e, uint32_t frame_bytes)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(e->id, &info);

	if (rc == 0 && (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.rxmode.mtu = frame_bytes > 1514 ? frame_bytes - 14 : 1500;
	if (rc == 0)
		rc = rte_eth_dev_configure(e->id, 1, 1, &conf);
	if (rc == 0)
		rc = rte_eth_rx_queue_setup(e->id, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, e->rx_pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(e->id, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL);
	if (rc == 0)
		rc = rte_eth_dev_start(e->id);
	if (rc == 0)
		rte_eth_promiscuous_enable(e->id);
	return rc;
}

int pg_eth_open(const char *devargs, uint32_t frame_bytes, struct pg_eth **out,
		struct weir_err *err)
{
	struct pg_eth *e = calloc(1, sizeof(*e));
	int rc;

	*out = NULL;
	if (e == NULL)
		return weir_err_set(err, -ENOMEM, "out of memory");
	rc = device_make(devargs, e);
	if (rc == 0)
		rc = pools_create(e, frame_bytes);
	if (rc == 0)
		rc = device_start(e, frame_bytes);
	if (rc < 0) {
		free(e);
		return weir_err_set(err, rc, "port eth:%s: %s", devargs, strerror(-rc));
	}
	*out = e;
	return 0;
}

void pg_eth_close(struct pg_eth *e)
{
	if (e == NULL)
		return;
	rte_pktmbuf_free_bulk(e->tx, e->n_tx);
	rte_eth_dev_stop(e->id);
	rte_eth_dev_close(e->id);
	free(e);
}

// What was reserved and not sent stays reserved.
uint16_t pg_eth_reserve(struct pg_eth *e, uint16_t n, uint8_t **frames)
{
	if (e->n_tx < n && rte_pktmbuf_alloc_bulk(e->tx_pool, e->tx + e->n_tx, n - e->n_tx) == 0)
		e->n_tx = n;
	if (n > e->n_tx)
		n = e->n_tx;
	for (uint16_t i = 0; i < n; i++)
		frames[i] = rte_pktmbuf_mtod(e->tx[i], uint8_t *);
	return n;
}

// A device that takes no more is what a full ring is to a guest: the rest is dropped here and shows
// as lost.
void pg_eth_send(struct pg_eth *e, uint16_t n, const uint32_t *lens)
{
	uint16_t sent;

	for (uint16_t i = 0; i < n; i++)
		e->tx[i]->pkt_len = e->tx[i]->data_len = (uint16_t)lens[i];
	sent = rte_eth_tx_burst(e->id, 0, e->tx, n);
	rte_pktmbuf_free_bulk(e->tx + sent, n - sent);
	e->n_tx = (uint16_t)(e->n_tx - n);
	memmove(e->tx, e->tx + n, e->n_tx * sizeof(e->tx[0]));
}

uint16_t pg_eth_take(struct pg_eth *e, uint16_t n, struct vh_frame *frames)
{
	e->n_rx = rte_eth_rx_burst(e->id, 0, e->rx, n);
	for (uint16_t i = 0; i < e->n_rx; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(e->rx[i], void *));
		frames[i] = (struct vh_frame){
			.data = rte_pktmbuf_mtod(e->rx[i], uint8_t *),
			.size_bytes = e->rx[i]->pkt_len,
			.first_bytes = e->rx[i]->data_len,
			.n_bufs = e->rx[i]->nb_segs,
			.taken_idx = i,
		};
	}
	return e->n_rx;
}

void pg_eth_release(struct pg_eth *e)
{
	rte_pktmbuf_free_bulk(e->rx, e->n_rx);
	e->n_rx = 0;
}

const uint8_t *pg_port_piece(const struct pg_port *p, uint16_t q, const struct vh_frame *f,
			     uint16_t k, uint32_t *size)
{
	const struct rte_mbuf *m;

	if (p->eth == NULL) {
		*size = p->rx[q]->slot_bytes + VH_RING_HDR_BYTES;
		return vh_ring_piece(p->rx[q], f, k);
	}
	m = p->eth->rx[f->taken_idx];
	while (k-- > 0)
		m = m->next;
	*size = m->data_len;
	return rte_pktmbuf_mtod(m, const uint8_t *);
}
