// Tags, labels and TTLs. What is pushed stands right behind the MAC addresses, before all other
// tags (OpenFlow 1.3.5 section 5.12), so a label pushed on a tagged frame has the tag below it.
#include "of_edit_priv.h"

enum { TAG_SIZE = 4, MACS_SIZE = 12, LABEL_BOS = 2, LABEL_TTL = 3 };

// Would another 4 bytes in front, of which this many are tags, hide L4 from dp_parse? Then nobody
// could finish a checksum.
static bool hides(const struct dp_of_frame *f, uint32_t n_tags)
{
	const uint32_t l4_most = 60;

	return f->meta->p.n_tags + n_tags > DP_PARSE_TAGS ||
	       f->meta->p.l4_off + TAG_SIZE + l4_most > DP_PARSE_BYTES;
}

// 4 bytes behind the MAC addresses; what they say is the caller's.
static bool push(struct dp_of_frame *f)
{
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(f->m, TAG_SIZE);

	if (p == NULL)
		return false;
	memmove(p, p + TAG_SIZE, MACS_SIZE);
	f->data = p;
	return true;
}

// Take away the 4 bytes at `at`.
static void pop(struct dp_of_frame *f, uint32_t at)
{
	memmove(f->data + TAG_SIZE, f->data, at);
	rte_pktmbuf_adj(f->m, TAG_SIZE);
	f->data += TAG_SIZE;
}

static bool has_room(const struct dp_of_frame *f)
{
	return rte_pktmbuf_headroom(f->m) >= TAG_SIZE;
}

enum dp_of_edit_result dp_of_push_vlan(struct dp_of_frame *f, uint16_t tpid)
{
	// Number and priority are those of the tag that is there: table 7 of section 5.12.1.
	uint16_t tci = f->meta->p.n_tags > 0 ? f->meta->p.tci[0] & 0xefff : 0;

	if (f->size < MACS_SIZE + 2)
		return DP_OF_EDIT_NO_HEADER;
	if (!has_room(f))
		return DP_OF_EDIT_NO_ROOM;
	if (hides(f, 1) && !dp_of_settle(f))
		return DP_OF_EDIT_OFFLOAD;
	if (!push(f))
		return DP_OF_EDIT_NO_ROOM;
	dp_put16(f->data + MACS_SIZE, tpid);
	dp_put16(f->data + MACS_SIZE + 2, tci);
	dp_of_frame_renew(f);
	return DP_OF_EDIT_OK;
}

enum dp_of_edit_result dp_of_pop_vlan(struct dp_of_frame *f)
{
	if (f->meta->p.n_tags == 0)
		return DP_OF_EDIT_NO_HEADER;
	pop(f, MACS_SIZE);
	dp_of_frame_renew(f);
	return DP_OF_EDIT_OK;
}

static uint8_t *ip_ttl(const struct dp_of_frame *f)
{
	uint8_t *l3 = f->data + f->meta->p.l3_off;

	if (!dp_of_is_ip(f))
		return NULL;
	return (f->meta->p.flags & DP_PF_IP4) != 0 ? l3 + 8 : l3 + 7;
}

enum dp_of_edit_result dp_of_push_mpls(struct dp_of_frame *f, uint16_t type)
{
	const uint8_t *label = dp_of_label(f), *ttl = ip_ttl(f);
	uint8_t is[4] = { 0 };

	// A length field has no place behind a label.
	if (f->size < MACS_SIZE + 2 || (f->meta->p.flags & DP_PF_LLC) != 0)
		return DP_OF_EDIT_NO_HEADER;
	if (!has_room(f))
		return DP_OF_EDIT_NO_ROOM;
	if (!dp_of_settle(f))
		return DP_OF_EDIT_OFFLOAD;
	if (label != NULL)
		memcpy(is, label, sizeof(is));
	else if (ttl != NULL)
		is[LABEL_TTL] = *ttl;
	// The bottom, unless a label is next.
	is[LABEL_BOS] &= 0xfe;
	is[LABEL_BOS] |= label == NULL || f->meta->p.n_tags > 0;
	if (!push(f))
		return DP_OF_EDIT_NO_ROOM;
	dp_put16(f->data + MACS_SIZE, type);
	memcpy(f->data + MACS_SIZE + 2, is, sizeof(is));
	dp_of_frame_renew(f);
	return DP_OF_EDIT_OK;
}

enum dp_of_edit_result dp_of_pop_mpls(struct dp_of_frame *f, uint16_t type)
{
	uint32_t at = f->meta->p.l3_off;

	if (dp_of_label(f) == NULL || (f->meta->p.flags & DP_PF_LLC) != 0)
		return DP_OF_EDIT_NO_HEADER;
	pop(f, at);
	dp_put16(f->data + at - 2, type);
	dp_of_frame_renew(f);
	return DP_OF_EDIT_OK;
}

// --- TTLs

// A TTL in the frame. ip4: the IPv4 header that it is in, or NULL; not always what parse found.
struct ttl {
	uint8_t *at, *ip4;
};

static void ttl_set(const struct ttl *t, uint8_t ttl)
{
	uint16_t was, sum;

	if (t->ip4 == NULL) {
		*t->at = ttl;
		return;
	}
	was = dp_be16(t->at);
	*t->at = ttl;
	sum = dp_of_csum(dp_be16(t->ip4 + 10), was, dp_be16(t->at));
	if (was != dp_be16(t->at))
		dp_put16(t->ip4 + 10, sum);
}

static bool outer_ip(const struct dp_of_frame *f, struct ttl *out)
{
	out->at = ip_ttl(f);
	out->ip4 = (f->meta->p.flags & DP_PF_IP4) != 0 ? f->data + f->meta->p.l3_off : NULL;
	return out->at != NULL;
}

static bool outer_mpls(const struct dp_of_frame *f, struct ttl *out)
{
	uint8_t *label = dp_of_label(f);

	out->ip4 = NULL;
	out->at = label == NULL ? NULL : label + LABEL_TTL;
	return label != NULL;
}

// What is below the outermost label: another one, or what looks like IP, as nothing says what it
// is.
static bool below(const struct dp_of_frame *f, struct ttl *out)
{
	uint8_t *label = dp_of_label(f), *p;
	uint32_t left;

	if (label == NULL)
		return false;
	p = label + 4;
	left = f->size - (uint32_t)(p - f->data);
	*out = (struct ttl){ 0 };
	if ((label[LABEL_BOS] & 1) == 0 && left >= 4) {
		out->at = p + LABEL_TTL;
	} else if ((label[LABEL_BOS] & 1) != 0 && left >= 20 && p[0] >> 4 == 4) {
		out->at = p + 8;
		out->ip4 = p;
	} else if ((label[LABEL_BOS] & 1) != 0 && left >= 40 && p[0] >> 4 == 6) {
		out->at = p + 7;
	}
	return out->at != NULL;
}

enum dp_of_edit_result dp_of_ttl(struct dp_of_frame *f, const struct dp_flow_op *op)
{
	bool nw = op->kind == DP_OP_SET_NW_TTL || op->kind == DP_OP_DEC_NW_TTL;
	struct ttl outer, inner;

	if (!(nw ? outer_ip(f, &outer) : outer_mpls(f, &outer)))
		return DP_OF_EDIT_NO_HEADER;
	switch (op->kind) {
	case DP_OP_DEC_NW_TTL:
	case DP_OP_DEC_MPLS_TTL:
		if (*outer.at <= 1)
			return DP_OF_EDIT_TTL;
		ttl_set(&outer, (uint8_t)(*outer.at - 1));
		return DP_OF_EDIT_OK;
	case DP_OP_SET_NW_TTL:
	case DP_OP_SET_MPLS_TTL:
		ttl_set(&outer, (uint8_t)op->arg);
		return DP_OF_EDIT_OK;
	default: // copy; IP in IP is not looked into
		if (!below(f, &inner))
			return DP_OF_EDIT_NO_HEADER;
		if (op->kind == DP_OP_COPY_TTL_OUT)
			ttl_set(&outer, *inner.at);
		else
			ttl_set(&inner, *outer.at);
		return DP_OF_EDIT_OK;
	}
}
