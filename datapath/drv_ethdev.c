#include "dp_ethdev.h"

#include <errno.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>

#include "weir_log.h"

enum { N_DESC = 1024 };

struct ethdev {
	uint16_t id, n_rxq;
	uint32_t flags, caps;
	_Atomic bool up; // main: w, worker: r, relaxed
	bool software; // a virtual device: whatever it offers to finish it would finish in software
	char driver_name[32];
	char iface[IFNAMSIZ]; // of a link that sits on a Linux device; empty = none
	char name[DP_NAME_MAX];
};

// Virtual devices finish checksums and segments in library code that we trust less than our own.
static bool is_software(const char *driver_name)
{
	return strncmp(driver_name, "net_", 4) == 0 &&
	       (strstr(driver_name, "tap") != NULL || strstr(driver_name, "af_") != NULL ||
		strstr(driver_name, "pcap") != NULL || strstr(driver_name, "ring") != NULL ||
		strstr(driver_name, "null") != NULL || strstr(driver_name, "memif") != NULL ||
		strstr(driver_name, "virtio") != NULL || strstr(driver_name, "vhost") != NULL);
}

// The Linux device that af_packet and af_xdp sit on.
static void iface_read(const char *args, char iface[IFNAMSIZ])
{
	const char *at = strstr(args, "iface=");

	iface[0] = '\0';
	if (at != NULL && strncmp(args, "net_af_", 7) == 0)
		snprintf(iface, IFNAMSIZ, "%.*s", (int)strcspn(at + 6, ","), at + 6);
}

// The kernel's word on it: up, and with a carrier. false also when it is gone.
static bool iface_runs(const char *iface)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool runs;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", iface);
	runs = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) != 0 &&
	       (ifr.ifr_flags & IFF_RUNNING) != 0;
	if (fd >= 0)
		close(fd);
	return runs;
}

// An ethdev has the name of its device: what stands before the first comma.
static int probe(const struct dp_link_params *p, uint16_t *id, struct weir_err *err)
{
	char name[DP_ARGS_MAX], iface[IFNAMSIZ];
	int rc;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(p->args, ","), p->args);
	if (rte_eth_dev_get_port_by_name(name, id) == 0)
		return weir_err_set(err, -EBUSY, "port %s: device %s: is in use already", p->name,
				    name);
	iface_read(p->args, iface);
	if (iface[0] != '\0' && if_nametoindex(iface) == 0)
		return weir_err_set(err, -ENODEV, "port %s: %s: there is no such network device",
				    p->name, iface);
	rc = rte_dev_probe(p->args);
	if (rc < 0)
		return weir_err_set(err, rc, "port %s: device %s: does not start: %s", p->name,
				    p->args, rte_strerror(-rc));
	if (rte_eth_dev_get_port_by_name(name, id) == 0)
		return 0;
	rte_eal_hotplug_remove(strchr(name, ':') != NULL ? "pci" : "vdev", name);
	return weir_err_set(err, -ENODEV, "port %s: device %s: is no network device", p->name,
			    p->args);
}

static void device_remove(uint16_t id)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(id, &info) == 0 && info.device != NULL) {
		rte_eth_dev_close(id);
		rte_dev_remove(info.device);
	}
}

// The driver makes the tap of a host port, and leaves it down.
static void kernel_set_up(const char *args)
{
	const char *at = strstr(args, "iface=");
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	if (at != NULL)
		snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.*s", (int)strcspn(at + 6, ","),
			 at + 6);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0) {
		weir_log(WEIR_WARNING, "device %s: %s", args, strerror(errno));
	} else {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
			weir_log(WEIR_WARNING, "device %s: cannot be set up: %s", ifr.ifr_name,
				 strerror(errno));
	}
	if (fd >= 0)
		close(fd);
}

// af_packet, tap and memif refuse sizes above 1500 by ethdev; their kernel device takes them.
static void kernel_mtu_set(const char *args, uint32_t mtu)
{
	const char *at = strstr(args, "iface=");
	struct ifreq ifr = { .ifr_mtu = (int)mtu };
	int fd;

	if (at == NULL)
		return;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.*s", (int)strcspn(at + 6, ","), at + 6);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (ioctl(fd, SIOCSIFMTU, &ifr) < 0)
		weir_log(WEIR_WARNING, "device %s: mtu %u: %s", ifr.ifr_name, mtu, strerror(errno));
	close(fd);
}

static void caps_find(struct ethdev *d, const struct rte_eth_dev_info *info,
		      struct rte_eth_conf *conf)
{
	const uint64_t csum = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |
			      RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	uint64_t have = info->tx_offload_capa;

	if ((have & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0)
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	else
		d->flags |= DP_DRV_TX_LINEAR;
	if (strstr(d->driver_name, "af_packet") != NULL)
		d->flags |= DP_DRV_TX_LINEAR;
	if (d->software)
		return;
	// A NIC spreads jumbo frames over ordinary buffers.
	conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	if ((have & csum) != csum)
		return;
	conf->txmode.offloads |= csum;
	d->caps |= DP_CAP_CSUM;
	if ((have & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 &&
	    (have & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0) {
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
		d->caps |= DP_CAP_TSO4 | DP_CAP_TSO6;
	}
}

static int start(struct ethdev *d, const struct dp_link_params *p, struct weir_err *err)
{
	struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_NONE };
	struct rte_mempool *pool = p->pool;
	struct rte_eth_dev_info info;
	uint16_t n_rxd = N_DESC, n_txd = N_DESC;
	int rc = rte_eth_dev_info_get(d->id, &info);

	if (rc < 0)
		return weir_err_set(err, rc, "port %s: device %s: gives no information", p->name,
				    p->args);
	snprintf(d->driver_name, sizeof(d->driver_name), "%s", info.driver_name);
	d->software = is_software(d->driver_name);
	caps_find(d, &info, &conf);
	if (p->mtu > 1500 && p->pool_large != NULL &&
	    (conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER) == 0)
		pool = p->pool_large;
	d->n_rxq = p->n_queues < info.max_rx_queues ? p->n_queues : info.max_rx_queues;
	if (d->n_rxq > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	rc = rte_eth_dev_configure(d->id, d->n_rxq, 1, &conf);
	if (rc == 0 && p->mtu != 1500 && !d->software)
		rc = rte_eth_dev_set_mtu(d->id, (uint16_t)p->mtu);
	if (rc == 0)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(d->id, &n_rxd, &n_txd);
	for (uint16_t q = 0; rc == 0 && q < d->n_rxq; q++)
		rc = rte_eth_rx_queue_setup(d->id, q, n_rxd, SOCKET_ID_ANY, NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(d->id, 0, n_txd, SOCKET_ID_ANY, NULL);
	if (rc == 0)
		rc = rte_eth_dev_start(d->id);
	if (rc < 0)
		return weir_err_set(err, rc, "port %s: device %s: does not start: %s", p->name,
				    p->args, rte_strerror(-rc));
	if (d->software && p->mtu != 1500)
		kernel_mtu_set(p->args, p->mtu);
	if (strncmp(p->args, "net_virtio_user", 15) == 0)
		kernel_set_up(p->args);
	rc = rte_eth_promiscuous_enable(d->id);
	if (rc < 0 && rc != -ENOTSUP)
		weir_log(WEIR_WARNING, "port %s: device %s: no promiscuous mode: %s", p->name,
			 p->args, rte_strerror(-rc));
	return 0;
}

// The af_packet driver opens its socket for every protocol before it binds it to the device, and
// until then the kernel puts frames of *all* devices into its ring. They are not this port's: they
// would be forwarded a second time, and teach wrong places. Whatever stands there before the port
// is published goes.
static void foreign_frames_drop(struct ethdev *d)
{
	struct rte_mbuf *pkts[DP_BURST];

	for (uint16_t q = 0; q < d->n_rxq; q++) {
		uint16_t n;

		for (uint32_t rounds = 0;
		     rounds < 256 && (n = rte_eth_rx_burst(d->id, q, pkts, DP_BURST)) > 0; rounds++)
			rte_pktmbuf_free_bulk(pkts, n);
	}
}

static int ethdev_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct ethdev *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (d == NULL)
		return weir_err_set(err, -ENOMEM, "port %s: out of memory", p->name);
	memcpy(d->name, p->name, sizeof(d->name));
	rc = probe(p, &d->id, err);
	if (rc < 0) {
		free(d);
		return rc;
	}
	rc = start(d, p, err);
	if (rc < 0) {
		device_remove(d->id);
		free(d);
		return rc;
	}
	iface_read(p->args, d->iface);
	if (d->iface[0] != '\0')
		foreign_frames_drop(d);
	atomic_store(&d->up, d->iface[0] == '\0' || iface_runs(d->iface));
	*out = d;
	return 0;
}

static void ethdev_destroy(void *link)
{
	struct ethdev *d = link;

	rte_eth_dev_stop(d->id);
	device_remove(d->id);
	free(d);
}

static uint32_t ethdev_flags(void *link)
{
	return ((struct ethdev *)link)->flags;
}

static uint16_t ethdev_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct ethdev *d = link;
	uint16_t n_rx = rte_eth_rx_burst(d->id, q, pkts, n);

	for (uint16_t i = 0; i < n_rx; i++) {
		dp_meta(pkts[i])->flags = 0;
		dp_meta(pkts[i])->tso_segsz = 0;
	}
	return n_rx;
}

// What the NIC finishes: tell it where the headers are and give it the pseudo-header sum it
// expects.
static void offload_set(struct rte_mbuf *m)
{
	const struct dp_meta *meta = dp_meta(m);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *l3 = p + meta->p.l3_off,
		*l4 = p + meta->p.l4_off;
	bool v4 = (meta->p.flags & DP_PF_IP4) != 0, tcp = meta->p.ip_proto == IPPROTO_TCP;
	uint16_t sum;

	m->l2_len = meta->p.l3_off;
	m->l3_len = (uint64_t)(meta->p.l4_off - meta->p.l3_off) & 0x1ff;
	m->ol_flags |= v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6;
	m->ol_flags |= tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
	if ((meta->flags & DP_MF_TSO) != 0) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->l4_len = (uint8_t)((l4[12] >> 4) * 4);
		m->tso_segsz = meta->tso_segsz;
	}
	if (v4)
		l3[10] = l3[11] = 0;
	sum = v4 ? rte_ipv4_phdr_cksum((void *)l3, m->ol_flags)
		 : rte_ipv6_phdr_cksum((void *)l3, m->ol_flags);
	memcpy(l4 + (tcp ? 16 : 6), &sum, 2);
}

static uint16_t ethdev_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	struct ethdev *d = link;

	for (uint16_t i = 0; i < n; i++) {
		pkts[i]->ol_flags &= ~RTE_MBUF_F_TX_OFFLOAD_MASK;
		if (unlikely((dp_meta(pkts[i])->flags & (DP_MF_CSUM | DP_MF_TSO)) != 0))
			offload_set(pkts[i]);
	}
	return rte_eth_tx_burst(d->id, 0, pkts, n);
}

static uint32_t ethdev_caps(void *link)
{
	return ((struct ethdev *)link)->caps;
}

static bool ethdev_is_up(void *link)
{
	return atomic_load_explicit(&((struct ethdev *)link)->up, memory_order_relaxed);
}

static void ethdev_status(void *link, struct dp_link_status *out)
{
	struct ethdev *d = link;
	struct rte_eth_link l = { .link_status = 1 };
	struct rte_ether_addr mac;

	memset(out, 0, sizeof(*out));
	// pcap, null and ring have no carrier to lose.
	if (rte_eth_link_get_nowait(d->id, &l) < 0 || strstr(d->driver_name, "pcap") != NULL)
		l.link_status = 1;
	if (d->iface[0] != '\0')
		l.link_status = iface_runs(d->iface);
	atomic_store_explicit(&d->up, l.link_status != 0, memory_order_relaxed);
	out->up = l.link_status != 0;
	out->attached = true;
	out->n_attaches = 1;
	if (rte_eth_macaddr_get(d->id, &mac) == 0)
		memcpy(out->mac, mac.addr_bytes, 6);
	out->n_rxq = d->n_rxq;
	out->n_txq = 1;
	out->caps = d->caps;
	snprintf(out->detail, sizeof(out->detail), "%s, ethdev %u", d->driver_name, d->id);
}

static void ethdev_stats(void *link, struct dp_link_stats *out)
{
	struct ethdev *d = link;
	struct rte_eth_stats st;

	out->tx_sent_pkts = UINT64_MAX;
	out->rx_missed_pkts = 0;
	if (rte_eth_stats_get(d->id, &st) != 0)
		return;
	out->tx_sent_pkts = st.opackets;
	out->rx_missed_pkts = st.imissed + st.rx_nombuf;
}

const struct dp_link_driver dp_ethdev_driver = {
	.name = "ethdev",
	.create = ethdev_create,
	.destroy = ethdev_destroy,
	.flags = ethdev_flags,
	.rx_burst = ethdev_rx,
	.tx_burst = ethdev_tx,
	.tx_caps = ethdev_caps,
	.is_up = ethdev_is_up,
	.status = ethdev_status,
	.stats = ethdev_stats,
};
