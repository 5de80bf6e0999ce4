// The admit hop: VLAN admission for every port, the guard and storm control for guests.
#include <string.h>

#include "switch_priv.h"

enum { TCI_DEI = 1 << 12 };

static enum dp_drop admit_untagged(const struct dp_port_params *cfg, struct dp_meta *meta)
{
	if (cfg->vlan_mode == DP_VLAN_TRUNK || cfg->vlan_mode == DP_VLAN_QINQ_PROVIDER)
		return DP_DROP_vlan_untagged_on_trunk;
	meta->vid = cfg->vid;
	return DP_DROP_none;
}

// What a tag says beside its VLAN. The priority is kept for the tag of ports that copy it; its word
// on class and colour counts where it is trusted.
static void take_priority(const struct dp_port_params *cfg, struct dp_meta *meta)
{
	meta->pcp = (uint8_t)(meta->p.tci[0] >> 13);
	if ((cfg->flags & DP_PF_TRUST_PCP) != 0 && (meta->p.tci[0] & TCI_DEI) != 0)
		meta->flags |= DP_MF_YELLOW;
}

// Tags are OpenFlow's business here. What learning and NORMAL go by is the outer tag; one that
// names no VLAN (0, 4095: IEEE 802.1Q table 9-2) counts as none.
static void admit_transparent(const struct dp_port_params *cfg, struct dp_meta *meta)
{
	uint16_t vid = meta->p.n_tags == 0 ? 0 : meta->p.tci[0] & 0xfff;

	meta->vid = cfg->vid != 0 ? cfg->vid : 1;
	if (meta->p.n_tags == 0)
		return;
	take_priority(cfg, meta);
	meta->flags |= DP_MF_TAGGED;
	if (vid != 0 && vid != 0xfff)
		meta->vid = vid;
}

// Which VLAN the frame belongs to. Sets meta->vid, pcp, DP_MF_TAGGED and, by a trusted drop
// eligibility (DEI, IEEE 802.1Q 9.6), DP_MF_YELLOW; *strip_priority asks for the removal of a
// priority tag (VID 0, IEEE 802.1Q 9.6), which is not a VLAN membership.
enum dp_drop dp_admit_vlan(const struct dp_port_params *cfg, struct dp_meta *meta,
			   bool *strip_priority)
{
	uint16_t tpid = cfg->vlan_mode == DP_VLAN_QINQ_PROVIDER ? DP_ETH_QINQ : DP_ETH_VLAN;
	bool guest = (cfg->flags & DP_PF_ADMIT) != 0;
	uint16_t vid;

	*strip_priority = false;
	if (likely(cfg->vlan_mode == DP_VLAN_ACCESS && meta->p.n_tags == 0)) {
		meta->vid = cfg->vid;
		return DP_DROP_none;
	}
	if (cfg->vlan_mode == DP_VLAN_QINQ_CUSTOMER) {
		// The customer's tag, if any, is payload; a second one would not be inspected.
		if (meta->p.n_tags == 2)
			return DP_DROP_vlan_double_tag;
		if (meta->p.n_tags == 1 && meta->p.tpid[0] != DP_ETH_VLAN)
			return DP_DROP_vlan_tpid;
		// The customer's priority is its own business, unless the operator believes it.
		if (meta->p.n_tags == 1 && (cfg->flags & DP_PF_TRUST_PCP) != 0)
			take_priority(cfg, meta);
		meta->vid = cfg->vid;
		return DP_DROP_none;
	}
	if (cfg->vlan_mode == DP_VLAN_TRANSPARENT) {
		admit_transparent(cfg, meta);
		return DP_DROP_none;
	}
	if (meta->p.n_tags == 0)
		return admit_untagged(cfg, meta);
	if (meta->p.tpid[0] != tpid)
		return DP_DROP_vlan_tpid;
	if (meta->p.n_tags == 2 && guest)
		return DP_DROP_vlan_double_tag;
	take_priority(cfg, meta);
	vid = meta->p.tci[0] & 0xfff;
	if (vid == 0) {
		*strip_priority = true;
		return admit_untagged(cfg, meta);
	}
	if (cfg->vlan_mode == DP_VLAN_ACCESS)
		return DP_DROP_vlan_tagged_on_access;
	if (vid == 0xfff || !dp_port_carries(cfg, vid))
		return DP_DROP_vlan_not_member;
	meta->vid = vid;
	meta->flags |= DP_MF_TAGGED;
	return DP_DROP_none;
}

// Stateless admission of one parsed frame; the priority tag is still in data.
enum dp_drop dp_admit_frame(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
			    struct dp_meta *meta)
{
	// 01-80-C2-00-00-00 to -0F, IEEE 802.1Q table 8-1.
	static const uint8_t reserved[8] = { 0x01, 0x80, 0xc2 };
	static const uint8_t mask[8] = { 255, 255, 255, 255, 255, 0xf0 };
	static const uint8_t mac[8] = { 255, 255, 255, 255, 255, 255 };
	bool strip;
	enum dp_drop err = meta->p.err;

	if ((cfg->flags & DP_PF_MIRROR_DST) != 0)
		return DP_DROP_mirror_only;
	// Elsewhere what follows L2 is not our business; a frame whose L2 is broken is nobody's.
	if (err >= DP_DROP_l2_truncated && err < DP_DROP_l3_truncated)
		return err;
	if ((dp_load64(data) & dp_load64(mask)) == dp_load64(reserved))
		return DP_DROP_l2_reserved_dst;
	if ((data[6] & 1) != 0 || (dp_load64(data + 6) & dp_load64(mac)) == 0)
		return DP_DROP_l2_src_invalid;
	err = dp_admit_vlan(cfg, meta, &strip);
	if (err != DP_DROP_none)
		return err;
	return (cfg->flags & DP_PF_ADMIT) != 0 ? dp_guard(cfg, data, size, meta) : DP_DROP_none;
}

enum dp_drop dp_admit_to_tables(const struct dp_snapshot *s, const struct dp_port_params *cfg,
				const uint8_t *data, struct dp_meta *meta)
{
	bool strip;

	if (s->of == NULL || cfg->vlan_mode != DP_VLAN_TRANSPARENT ||
	    (cfg->flags & DP_PF_ADMIT) != 0 || (data[6] & 1) == 0)
		return DP_DROP_l2_src_invalid;
	return dp_admit_vlan(cfg, meta, &strip);
}

static void strip_outer_tag(struct rte_mbuf *m, struct dp_meta *meta)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	memmove(p + 4, p, 12);
	rte_pktmbuf_adj(m, 4);
	meta->p.l3_off -= 4;
	if (meta->p.l4_off != 0)
		meta->p.l4_off -= 4;
	meta->p.n_tags--;
	meta->p.tci[0] = meta->p.tci[1];
	meta->p.tpid[0] = meta->p.tpid[1];
}

enum dp_drop dp_admit_again(const struct dp_port_params *cfg, struct rte_mbuf *m)
{
	struct dp_meta *meta = dp_meta(m);
	enum dp_drop err;
	bool strip;

	meta->flags &= (uint8_t)~DP_MF_TAGGED;
	err = dp_admit_vlan(cfg, meta, &strip);
	if (err == DP_DROP_none && strip)
		strip_outer_tag(m, meta);
	return err;
}

// Of a guest's plain frame without a tag.
static inline bool is_own_ip4(const struct dp_port_params *cfg, const uint8_t *data)
{
	return (cfg->flags & DP_PF_IP4_FIXED) == 0 ||
	       (cfg->n_ip4 != 0 && memcmp(data + 14 + 12, cfg->ip4[0], 4) == 0);
}

// Plain unicast of a port's own VLAN, from whom it may come, to no port that a guard watches: most
// frames, by a few comparisons. Says nothing that dp_admit_frame() would not say.
//
// returns  false = the whole of admission has to look; meta is as it was
static inline bool admit_plain(const struct dp_port_params *cfg, const uint8_t *data,
			       struct dp_meta *meta)
{
	const uint64_t mac_mask = 0xffffffffffff; // little endian: the first six bytes
	uint64_t src = dp_load64(data + 6) & mac_mask;
	uint16_t sport = meta->p.sport, dport = meta->p.dport;

	if (!meta->p.plain || meta->p.n_tags != 0 || cfg->vlan_mode != DP_VLAN_ACCESS ||
	    (cfg->flags & (DP_PF_MIRROR_DST | DP_PF_STANDBY)) != 0 ||
	    ((data[0] | data[6]) & 1) != 0 || src == 0)
		return false;
	if ((cfg->flags & DP_PF_ADMIT) != 0) {
		if ((cfg->flags & DP_PF_MAC_FIXED) != 0 && memcmp(data + 6, cfg->mac, 6) != 0)
			return false;
		if (!is_own_ip4(cfg, data))
			return false;
		// DHCP and PXE, as guard_udp().
		if (sport == 67 || sport == 4011 || dport == 67 || dport == 68 || dport == 4011)
			return false;
	}
	meta->vid = cfg->vid;
	return true;
}

// What is not plain.
static enum dp_drop admit_other(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m)
{
	struct dp_meta *meta = dp_meta(m);
	enum dp_drop err;

	if (unlikely(dp_port_quiet(v)))
		return DP_DROP_standby;
	err = dp_admit_frame(&v->cfg, dp_data(m), rte_pktmbuf_data_len(m), meta);
	if (unlikely(err == DP_DROP_l2_src_invalid))
		err = dp_admit_to_tables(w->snap, &v->cfg, dp_data(m), meta);
	if (err != DP_DROP_none)
		return err;
	// A TCP super-frame to a group is nobody's.
	if ((dp_data(m)[0] & 1) != 0 && (meta->flags & DP_MF_TSO) != 0)
		return DP_DROP_offload_invalid;
	if ((v->cfg.flags & DP_PF_ADMIT) != 0 && (dp_data(m)[0] & 1) != 0 &&
	    qos_bucket_take(&dp_pw(w, v->port)->broadcast, w->now_ns) < 0)
		return DP_DROP_storm_broadcast;
	// Admitted untagged although a tag stands there: it is a priority tag.
	if (meta->p.n_tags > 0 && (meta->flags & DP_MF_TAGGED) == 0 &&
	    v->cfg.vlan_mode != DP_VLAN_QINQ_CUSTOMER)
		strip_outer_tag(m, meta);
	return DP_DROP_none;
}

void dp_admit_burst(struct dp_worker *w, struct dp_batch *b)
{
	const struct dp_port_params *cfg = &b->v->cfg;
	const bool any_ip4 = (cfg->flags & DP_PF_ADMIT) == 0;
	bool was_plain = false, lost = false;
	uint32_t n_ok = 0;

	for (uint32_t i = 0; i < b->n_runs; i++) {
		struct dp_run *r = &b->runs[i];
		struct rte_mbuf *m = dp_head(b, r);
		enum dp_drop err = DP_DROP_none;

		// What holds of its kin holds of it, but for the address.
		if (r->kin && was_plain && (any_ip4 || is_own_ip4(cfg, dp_data(m)))) {
			dp_meta(m)->vid = cfg->vid;
		} else {
			was_plain = admit_plain(cfg, dp_data(m), dp_meta(m));
			if (unlikely(!was_plain))
				err = admit_other(w, b->v, m);
		}
		if (unlikely(err != DP_DROP_none)) {
			dp_drop_run(w, b, r, err, DP_STAGE_admit);
			lost = true;
			continue;
		}
		dp_run_keep(b, i, &n_ok, &lost);
	}
	b->n_runs = n_ok;
	if (unlikely(dp_pw(w, b->v->port)->metered))
		dp_meter_burst(w, b);
}
