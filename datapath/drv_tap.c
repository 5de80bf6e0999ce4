#include "dp_tap_link.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <rte_cycles.h>

#include "weir_log.h"

enum {
	SEGS = 36, // of DP_MBUF_ROOM: a super-frame of 64 KiB and its headers
	REST_US = 20,
};

struct tap {
	int fd;
	struct rte_mempool *pool;
	_Atomic bool up;       // main: w, workers: r, relaxed
	_Atomic uint64_t sent; // owner worker: w, main: r, relaxed
	uint8_t mac[6];
	char name[IFNAMSIZ];
	// The polling worker's.
	uint64_t rest_until_tsc, rest_tsc;
	uint32_t n_spare;
	struct rte_mbuf *spare[SEGS]; // buffers for the next frame
};

static int request(const char *name, unsigned long what, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = -1;

	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
	if (fd >= 0) {
		rc = ioctl(fd, what, ifr);
		close(fd);
	}
	return rc;
}

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ b[i]) * 0x100000001b3; // FNV-1a
	return h;
}

void dp_tap_mac(const char *name, uint8_t mac[6])
{
	char machine[64] = { 0 };
	struct stat ns = { 0 };
	uint64_t h = 0xcbf29ce484222325;
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? 0 : read(fd, machine, sizeof(machine));

	if (fd >= 0)
		close(fd);
	if (size <= 0 && gethostname(machine, sizeof(machine) - 1) == 0)
		size = (ssize_t)strlen(machine);
	(void)stat("/proc/self/ns/net", &ns);
	h = hash(h, machine, size < 0 ? 0 : (size_t)size);
	h = hash(h, &ns.st_ino, sizeof(ns.st_ino));
	h = hash(h, name, strlen(name));
	mac[0] = 0x02; // locally administered
	for (int i = 1; i < 6; i++)
		mac[i] = (uint8_t)(h >> (8 * i));
}

// One that we made has no address that anybody chose.
static int mac_set(const struct tap *t, const struct dp_link_params *p, struct weir_err *err)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	dp_tap_mac(t->name, (uint8_t *)ifr.ifr_hwaddr.sa_data);
	if (request(t->name, SIOCSIFHWADDR, &ifr) < 0)
		return weir_err_set(err, -errno, "port %s: tap %s: address: %s", p->name, t->name,
				    strerror(errno));
	return 0;
}

static int device_open(struct tap *t, const struct dp_link_params *p, struct weir_err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int hdr_size = sizeof(struct virtio_net_hdr);

	bool ours = if_nametoindex(t->name) == 0;

	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (t->fd < 0)
		return weir_err_set(err, -errno, "port %s: /dev/net/tun: %s", p->name,
				    strerror(errno));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", t->name);
	if (ioctl(t->fd, TUNSETIFF, &ifr) < 0)
		return weir_err_set(err, -errno, "port %s: tap %s: %s", p->name, t->name,
				    errno == EBUSY ? "is in use by another process"
						   : strerror(errno));
	if (ioctl(t->fd, TUNSETVNETHDRSZ, &hdr_size) < 0 ||
	    ioctl(t->fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
		return weir_err_set(err, -errno, "port %s: tap %s: no offloads: %s", p->name,
				    t->name, strerror(errno));
	return ours ? mac_set(t, p, err) : 0;
}

static int device_set_up(struct tap *t, const struct dp_link_params *p, struct weir_err *err)
{
	struct ifreq ifr = { .ifr_mtu = (int)p->mtu };

	if (request(t->name, SIOCSIFMTU, &ifr) < 0)
		return weir_err_set(err, -errno, "port %s: tap %s: mtu %u: %s", p->name, t->name,
				    p->mtu, strerror(errno));
	if (request(t->name, SIOCGIFFLAGS, &ifr) == 0) {
		ifr.ifr_flags |= IFF_UP;
		if (request(t->name, SIOCSIFFLAGS, &ifr) < 0)
			return weir_err_set(err, -errno, "port %s: tap %s: cannot be set up: %s",
					    p->name, t->name, strerror(errno));
	}
	if (request(t->name, SIOCGIFHWADDR, &ifr) == 0)
		memcpy(t->mac, ifr.ifr_hwaddr.sa_data, 6);
	return 0;
}

static int tap_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct tap *t;
	int rc;

	*out = NULL;
	if (strlen(p->args) >= IFNAMSIZ)
		return weir_err_set(err, -ENAMETOOLONG,
				    "port %s: tap %s: name is longer than %d bytes", p->name,
				    p->args, IFNAMSIZ - 1);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return weir_err_set(err, -ENOMEM, "port %s: out of memory", p->name);
	snprintf(t->name, sizeof(t->name), "%s", p->args);
	t->pool = p->pool;
	t->rest_tsc = rte_get_tsc_hz() / 1000000 * REST_US;
	rc = device_open(t, p, err);
	if (rc == 0)
		rc = device_set_up(t, p, err);
	if (rc < 0) {
		if (t->fd >= 0)
			close(t->fd);
		free(t);
		return rc;
	}
	atomic_store(&t->up, true);
	*out = t;
	return 0;
}

static void tap_destroy(void *link)
{
	struct tap *t = link;

	rte_pktmbuf_free_bulk(t->spare, t->n_spare);
	close(t->fd);
	free(t);
}

static uint32_t tap_flags(void *link)
{
	(void)link;
	return DP_DRV_TX_COPIES;
}

static void offload_read(struct rte_mbuf *m, const struct virtio_net_hdr *h)
{
	struct dp_meta *meta = dp_meta(m);
	uint8_t gso = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	meta->flags = (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 ? DP_MF_CSUM : 0;
	meta->tso_segsz = 0;
	if (gso == VIRTIO_NET_HDR_GSO_TCPV4 || gso == VIRTIO_NET_HDR_GSO_TCPV6) {
		meta->flags |= DP_MF_TSO | DP_MF_CSUM;
		meta->tso_segsz = h->gso_size;
	}
}

// Make one packet of the first `size` bytes in the spare buffers.
static struct rte_mbuf *packet_take(struct tap *t, uint32_t size)
{
	struct rte_mbuf *head = t->spare[0], *last = head;
	uint32_t left = size, n = 0;

	do {
		struct rte_mbuf *m = t->spare[n++];
		uint32_t here = left < DP_MBUF_ROOM ? left : DP_MBUF_ROOM;

		m->data_len = (uint16_t)here;
		if (m != head)
			last->next = m;
		last = m;
		left -= here;
	} while (left > 0);
	head->pkt_len = size;
	head->nb_segs = (uint16_t)n;
	t->n_spare -= n;
	memmove(t->spare, t->spare + n, t->n_spare * sizeof(t->spare[0]));
	return head;
}

static uint16_t tap_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct tap *t = link;
	struct virtio_net_hdr h;
	struct iovec iov[SEGS + 1] = { { .iov_base = &h, .iov_len = sizeof(h) } };
	uint16_t n_rx = 0;

	(void)q;
	if (rte_rdtsc() < t->rest_until_tsc)
		return 0;
	while (n_rx < n) {
		ssize_t size;

		if (t->n_spare < SEGS) {
			if (rte_pktmbuf_alloc_bulk(t->pool, t->spare + t->n_spare,
						   SEGS - t->n_spare) != 0)
				break; // the kernel keeps its queue until buffers are free again
			t->n_spare = SEGS;
		}
		for (uint32_t i = 0; i < SEGS; i++)
			iov[i + 1] = (struct iovec){ rte_pktmbuf_mtod(t->spare[i], void *),
						     DP_MBUF_ROOM };
		size = readv(t->fd, iov, SEGS + 1);
		if (size <= (ssize_t)sizeof(h)) {
			t->rest_until_tsc = rte_rdtsc() + t->rest_tsc;
			break;
		}
		pkts[n_rx] = packet_take(t, (uint32_t)size - (uint32_t)sizeof(h));
		offload_read(pkts[n_rx++], &h);
	}
	return n_rx;
}

static void offload_write(const struct rte_mbuf *m, struct virtio_net_hdr *h)
{
	const struct dp_meta *meta = dp_meta_const(m);

	memset(h, 0, sizeof(*h));
	if ((meta->flags & (DP_MF_CSUM | DP_MF_TSO)) == 0 || meta->p.l4_off == 0)
		return;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = meta->p.l4_off;
	h->csum_offset = meta->p.ip_proto == 6 ? 16 : 6;
	if ((meta->flags & DP_MF_TSO) == 0)
		return;
	h->gso_type = (meta->p.flags & DP_PF_IP4) != 0 ? VIRTIO_NET_HDR_GSO_TCPV4
						       : VIRTIO_NET_HDR_GSO_TCPV6;
	h->gso_size = meta->tso_segsz;
	h->hdr_len =
		(uint16_t)(meta->p.l4_off +
			   (rte_pktmbuf_mtod(m, const uint8_t *)[meta->p.l4_off + 12] >> 4) * 4);
}

// What the kernel refuses for good (device down, a header it does not believe) is taken and not
// counted as sent.
static uint16_t tap_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	struct iovec iov[64];
	struct tap *t = link;
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct virtio_net_hdr h;
		int n_iov = 1;
		ssize_t size;

		offload_write(pkts[i], &h);
		iov[0] = (struct iovec){ &h, sizeof(h) };
		for (struct rte_mbuf *m = pkts[i]; m != NULL && n_iov < (int)RTE_DIM(iov);
		     m = m->next)
			iov[n_iov++] = (struct iovec){ rte_pktmbuf_mtod(m, void *), m->data_len };
		size = writev(t->fd, iov, n_iov);
		if (size < 0 && errno == EAGAIN)
			break;
		if (size > 0)
			atomic_store_explicit(&t->sent, t->sent + 1, memory_order_relaxed);
		rte_pktmbuf_free(pkts[i]);
	}
	return i;
}

static uint32_t tap_caps(void *link)
{
	(void)link;
	return DP_CAP_CSUM | DP_CAP_TSO4 | DP_CAP_TSO6;
}

static bool tap_is_up(void *link)
{
	return atomic_load_explicit(&((struct tap *)link)->up, memory_order_relaxed);
}

static void tap_status(void *link, struct dp_link_status *out)
{
	struct tap *t = link;
	struct ifreq ifr = { 0 };

	memset(out, 0, sizeof(*out));
	out->up = request(t->name, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) != 0;
	atomic_store_explicit(&t->up, out->up, memory_order_relaxed);
	out->attached = true;
	out->n_attaches = 1;
	memcpy(out->mac, t->mac, 6);
	out->n_rxq = out->n_txq = 1;
	out->caps = tap_caps(link);
	snprintf(out->detail, sizeof(out->detail), "tap %s", t->name);
}

static void tap_stats(void *link, struct dp_link_stats *out)
{
	*out = (struct dp_link_stats){ .tx_sent_pkts = ((struct tap *)link)->sent };
}

const struct dp_link_driver dp_tap_link_driver = {
	.name = "tap",
	.create = tap_create,
	.destroy = tap_destroy,
	.flags = tap_flags,
	.rx_burst = tap_rx,
	.tx_burst = tap_tx,
	.tx_caps = tap_caps,
	.is_up = tap_is_up,
	.status = tap_status,
	.stats = tap_stats,
};
