// The boot services in the walk of a packet: what the responder gets, and how much of it; whose
// word on DHCP counts for a guest; and who may speak to a service address or in its name.
//
// A DHCP request costs a bucket, since nothing paces a client that goes mad. ARP for the service
// address costs another, so that the two do not use up each other's. TFTP is lock-step: a client
// that sends another message before the last one was answered does so once per transfer. So a port
// may have as many waiting for the responder as its transfers can need (punt_transfers), however
// fast they follow each other, and TFTP as a whole no more than half of the ring; nobody who keeps
// to the protocol meets either. There is no neighbour discovery to limit: a service has an IPv4
// address.
#include <string.h>

#include "switch_priv.h"

// Ports on which the responder's TFTP transfers live on the service address (control/boot).
enum { TFTP_TID_FIRST = 57344, TFTP_TID_LAST = 57344 + 2047 };

enum {
	UDP = 17,
	BOOTPS = 67,
	BOOTPC = 68,
	TFTP = 69,
	PXE = 4011,
	ARP_BYTES = 28,
	ARP_SENDER = 14, // protocol addresses, RFC 826
	ARP_TARGET = 24,
};

static bool is_udp4(const struct dp_meta *meta)
{
	return (meta->p.flags & (DP_PF_IP4 | DP_PF_L4)) == (DP_PF_IP4 | DP_PF_L4) &&
	       meta->p.ip_proto == UDP;
}

static bool is_arp4(const uint8_t *data, size_t size, const struct dp_meta *meta)
{
	return meta->p.eth_type == DP_ETH_ARP && (size_t)meta->p.l3_off + ARP_BYTES <= size &&
	       dp_be16(data + meta->p.l3_off + 2) == DP_ETH_IPV4;
}

// To the service, whatever else; or to whoever serves.
static bool is_for_responder(const struct dp_port_params *cfg, const uint8_t *l3,
			     const struct dp_meta *meta)
{
	uint16_t dport = meta->p.dport;
	bool ours = memcmp(l3 + 16, cfg->service_ip4, 4) == 0;

	if (dport == TFTP || (dport >= TFTP_TID_FIRST && dport <= TFTP_TID_LAST))
		return ours;
	if (cfg->boot_mode == DP_BOOT_OFF)
		return false;
	// A proxy hears what the other server hears, but PXE that is another's own.
	return dport == BOOTPS ||
	       (dport == PXE && (ours || cfg->boot_mode == DP_BOOT_AUTHORITATIVE ||
				 memcmp(l3 + 16, "\xff\xff\xff\xff", 4) == 0));
}

// Is the frame for the boot responder? Sets DP_MF_PUNT. Only in the VLAN of the service, and not
// inside a customer's tag: those networks have their own.
void dp_mark_punt(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
		  struct dp_meta *meta)
{
	const uint8_t *l3 = data + meta->p.l3_off;

	if ((cfg->flags & DP_PF_RESPONDER) == 0 || meta->p.err != DP_DROP_none ||
	    meta->vid != cfg->vid ||
	    (cfg->vlan_mode == DP_VLAN_QINQ_CUSTOMER && meta->p.n_tags > 0))
		return;
	if (meta->p.eth_type == DP_ETH_ARP) {
		if (is_arp4(data, size, meta) && dp_be16(l3 + 6) == 1 &&
		    memcmp(l3 + ARP_TARGET, cfg->service_ip4, 4) == 0)
			meta->flags |= DP_MF_PUNT;
		return;
	}
	if (is_udp4(meta) && (meta->p.flags & DP_PF_FRAG) == 0 && is_for_responder(cfg, l3, meta))
		meta->flags |= DP_MF_PUNT;
}

// The first look, from the headers alone; also at a first fragment, without which the others are
// nothing.
void dp_mark_look(const struct dp_services *services, struct dp_meta *meta)
{
	uint16_t sport = meta->p.sport, dport = meta->p.dport;

	if (services == NULL)
		return;
	if (meta->p.eth_type == DP_ETH_ARP ||
	    (is_udp4(meta) &&
	     (dport == BOOTPC || (dport == PXE && (sport == BOOTPS || sport == PXE)))))
		meta->flags |= DP_MF_LOOK;
}

bool dp_punt_goes_on(const struct dp_port_params *cfg, const uint8_t *data,
		     const struct dp_meta *meta)
{
	return cfg->boot_mode == DP_BOOT_PROXY && is_udp4(meta) &&
	       (meta->p.dport == BOOTPS || meta->p.dport == PXE) &&
	       memcmp(data + meta->p.l3_off + 16, cfg->service_ip4, 4) != 0;
}

bool dp_is_rival(const struct dp_port_params *out, const struct dp_meta *meta)
{
	return (meta->flags & DP_MF_LOOK) != 0 && meta->p.eth_type != DP_ETH_ARP &&
	       (out->flags & DP_PF_RESPONDER) != 0 && out->boot_mode == DP_BOOT_AUTHORITATIVE &&
	       meta->vid == out->vid;
}

// A service is for guests of this host. What comes by an uplink must neither reach the kernel
// behind the host port, which has the address too, nor tell it or a guest that the address is
// elsewhere; nor may a guest say that.
bool dp_is_foreign(const struct dp_services *services, const struct dp_port_params *in,
		   const uint8_t *data, size_t size, const struct dp_meta *meta)
{
	const uint8_t *l3 = data + meta->p.l3_off, *ip, *from, *to;

	if (services == NULL || in->role == DP_ROLE_HOST)
		return false;
	ip = services->ip4[meta->vid];
	if ((ip[0] | ip[1] | ip[2] | ip[3]) == 0)
		return false;
	if (is_arp4(data, size, meta)) {
		from = l3 + ARP_SENDER;
		to = l3 + ARP_TARGET;
	} else if ((meta->p.flags & DP_PF_IP4) != 0) {
		from = l3 + 12;
		to = l3 + 16;
	} else {
		return false;
	}
	return memcmp(from, ip, 4) == 0 || (in->role == DP_ROLE_UPLINK && memcmp(to, ip, 4) == 0);
}

// May the port have another TFTP message wait?
static bool transfer_fits(const struct dp_worker *w, const struct dp_view *v,
			  const struct dp_port_pw *pw)
{
	uint32_t waiting =
		pw->transfers_given -
		atomic_load_explicit(&w->transfers_taken[v->port->idx], memory_order_relaxed);

	return (int32_t)waiting < v->cfg.punt_transfers &&
	       rte_ring_free_count(w->punts) > DP_PUNTS_KEPT;
}

static enum dp_drop rate_take(struct dp_worker *w, const struct dp_view *v,
			      const struct dp_meta *meta, bool *transfer)
{
	struct dp_port_pw *pw = dp_pw(w, v->port);

	*transfer = false;
	if (meta->p.eth_type == DP_ETH_ARP)
		return qos_bucket_take(&pw->neighbour, w->now_ns) < 0 ? DP_DROP_punt_neighbour
								      : DP_DROP_none;
	if (meta->p.dport == BOOTPS || meta->p.dport == PXE)
		return qos_bucket_take(&pw->dhcp, w->now_ns) < 0 ? DP_DROP_punt_dhcp : DP_DROP_none;
	*transfer = true;
	return !transfer_fits(w, v, pw) || qos_bucket_take(&pw->transfer, w->now_ns) < 0
		       ? DP_DROP_punt_tftp
		       : DP_DROP_none;
}

static enum dp_drop enqueue(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m,
			    bool transfer)
{
	struct dp_punt *p = &w->scratch;
	uint32_t size = rte_pktmbuf_pkt_len(m);
	const void *src;

	if (size > sizeof(p->data))
		return DP_DROP_l2_oversize;
	p->ns = w->now_ns;
	p->gen = v->port->gen;
	p->port = v->port->idx;
	p->vid = dp_meta(m)->vid;
	p->size = (uint16_t)size;
	p->transfer = transfer;
	src = rte_pktmbuf_read(m, 0, size, p->data);
	if (src != p->data)
		memcpy(p->data, src, size);
	if (rte_ring_sp_enqueue_elem(w->punts, p, sizeof(*p)) != 0)
		return DP_DROP_punt_full;
	dp_pw(w, v->port)->transfers_given += transfer;
	w->punted = true;
	return DP_DROP_none;
}

bool dp_punt(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m, bool copy)
{
	uint64_t *c = dp_pw(w, v->port)->c;
	bool transfer;
	enum dp_drop err = rate_take(w, v, dp_meta(m), &transfer);

	if (err == DP_DROP_none)
		err = enqueue(w, v, m, transfer);
	// Over its rate a request goes nowhere: on its way it would be as urgent. But the other
	// server need not wait for our responder.
	if (err != DP_DROP_none && (!copy || err == DP_DROP_punt_dhcp)) {
		dp_drop_in(w, m, err, DP_STAGE_forward);
		return false;
	}
	c[DP_PC_copied_in_pkts] += copy;
	if (err != DP_DROP_none) {
		dp_pw(w, v->port)->drop_in[err]++;
		return true;
	}
	c[DP_PC_consumed_pkts]++;
	if (unlikely((dp_meta(m)->flags & DP_MF_TRACE) != 0))
		dp_tap_hop(w, m, DP_STAGE_forward, DP_DROP_none);
	if (!copy)
		rte_pktmbuf_free(m);
	return true;
}
