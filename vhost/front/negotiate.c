// The front-end's half of the conversation (QEMU docs/interop/vhost-user, "Communication").
#include "front_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#define BIT(n) (1ull << (n))

uint64_t vh_front_wanted_features(const struct vh_front_params *p)
{
	uint64_t f = BIT(VIRTIO_F_VERSION_1) | BIT(VH_F_PROTOCOL_FEATURES);

	if (p->mergeable)
		f |= BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (p->indirect)
		f |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (p->event_idx)
		f |= BIT(VIRTIO_RING_F_EVENT_IDX);
	if (p->packed)
		f |= BIT(VIRTIO_F_RING_PACKED);
	if (p->n_pairs > 1)
		f |= BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_CTRL_VQ);
	if (p->csum)
		f |= BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM);
	if (p->tso)
		f |= BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
		     BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6);
	return f;
}

static bool has(const struct guest *g, unsigned feature)
{
	return (g->protocol_features & BIT(feature)) != 0;
}

static void fill_memory(const struct vh_front *f, const struct guest *g, struct vh_msg *m)
{
	m->payload.memory.n_regions = 1;
	m->payload.memory.regions[0] = (struct vh_region){
		.guest_addr = FRONT_GUEST_ADDR,
		.size_bytes = f->guest_bytes,
		.user_addr = (uintptr_t)(f->mem + g->mem_offset),
		.mmap_offset = g->mem_offset,
	};
	m->size = offsetof(struct vh_memory, regions) + sizeof(struct vh_region);
	m->fds[0] = f->mem_fd;
	m->n_fds = 1;
}

static void fill_addr(const struct vh_ring *r, uint16_t idx, struct vh_msg *m)
{
	m->payload.addr = (struct vh_vring_addr){ .idx = idx };
	m->size = sizeof(m->payload.addr);
	if (r->packed) {
		m->payload.addr.desc = (uintptr_t)r->pdesc;
		m->payload.addr.avail = (uintptr_t)r->driver_event;
		m->payload.addr.used = (uintptr_t)r->device_event;
	} else {
		m->payload.addr.desc = (uintptr_t)r->desc;
		m->payload.addr.avail = (uintptr_t)r->avail;
		m->payload.addr.used = (uintptr_t)r->used;
	}
}

static void fill_u64(struct vh_msg *m, uint64_t v)
{
	m->payload.u64 = v;
	m->size = sizeof(v);
}

static void fill_state(struct vh_msg *m, uint32_t idx, uint32_t num)
{
	m->payload.state = (struct vh_vring_state){ idx, num };
	m->size = sizeof(m->payload.state);
}

static void fill_fd(struct vh_msg *m, uint16_t idx, int fd)
{
	fill_u64(m, idx | (fd < 0 ? VH_VRING_NO_FD : 0));
	m->fds[0] = fd;
	m->n_fds = fd < 0 ? 0 : 1;
}

static const uint8_t request_of[] = {
	[STEP_GET_FEATURES] = VH_GET_FEATURES,
	[STEP_GET_PROTOCOL_FEATURES] = VH_GET_PROTOCOL_FEATURES,
	[STEP_SET_PROTOCOL_FEATURES] = VH_SET_PROTOCOL_FEATURES,
	[STEP_GET_QUEUE_NUM] = VH_GET_QUEUE_NUM,
	[STEP_SET_OWNER] = VH_SET_OWNER,
	[STEP_SET_FEATURES] = VH_SET_FEATURES,
	[STEP_SET_MEM_TABLE] = VH_SET_MEM_TABLE,
	[STEP_VRING_NUM] = VH_SET_VRING_NUM,
	[STEP_VRING_BASE] = VH_SET_VRING_BASE,
	[STEP_VRING_ADDR] = VH_SET_VRING_ADDR,
	[STEP_VRING_CALL] = VH_SET_VRING_CALL,
	[STEP_VRING_KICK] = VH_SET_VRING_KICK,
	[STEP_VRING_ENABLE] = VH_SET_VRING_ENABLE,
	[STEP_STOP_ENABLE] = VH_SET_VRING_ENABLE,
	[STEP_STOP_BASE] = VH_GET_VRING_BASE,
};

static void fill_vring(const struct vh_front *f, const struct guest *g, struct vh_msg *m)
{
	const struct vh_ring *r = &g->rings[g->ring_idx];

	switch (g->step) {
	case STEP_VRING_NUM:
		fill_state(m, g->ring_idx, r->size);
		break;
	case STEP_VRING_BASE:
		fill_state(m, g->ring_idx, vh_ring_base(r));
		break;
	case STEP_VRING_ADDR:
		fill_addr(r, g->ring_idx, m);
		break;
	case STEP_VRING_CALL:
		fill_fd(m, g->ring_idx, f->params.calls ? r->call_fd : -1);
		break;
	case STEP_VRING_KICK:
		fill_fd(m, g->ring_idx, r->kick_fd);
		break;
	case STEP_VRING_ENABLE:
		fill_state(m, g->ring_idx, 1);
		break;
	default:
		fill_state(m, g->ring_idx, 0);
		break;
	}
}

static void fill(const struct vh_front *f, const struct guest *g, struct vh_msg *m)
{
	memset(m, 0, sizeof(*m));
	m->request = request_of[g->step];
	switch (g->step) {
	case STEP_SET_PROTOCOL_FEATURES:
		fill_u64(m, g->protocol_features);
		break;
	case STEP_SET_FEATURES:
		fill_u64(m, g->features);
		break;
	case STEP_SET_MEM_TABLE:
		fill_memory(f, g, m);
		break;
	case STEP_GET_FEATURES:
	case STEP_GET_PROTOCOL_FEATURES:
	case STEP_GET_QUEUE_NUM:
	case STEP_SET_OWNER:
		break;
	default:
		fill_vring(f, g, m);
		break;
	}
	// An acknowledgement at the ends of what may fail: memory that cannot be mapped, and the
	// last ring.
	if (has(g, VH_PF_REPLY_ACK) &&
	    (g->step == STEP_SET_MEM_TABLE ||
	     (g->step == STEP_VRING_ENABLE && g->ring_idx + 1 == 2 * f->params.n_pairs)))
		m->flags |= VH_MSG_NEED_REPLY;
}

// The step after this one. Five steps set one ring up; enable and stop are made for each ring on
// their own.
static void next(const struct vh_front *f, struct guest *g)
{
	bool last = g->ring_idx + 1 == 2 * f->params.n_pairs;

	switch (g->step) {
	case STEP_VRING_NUM:
	case STEP_VRING_BASE:
	case STEP_VRING_ADDR:
	case STEP_VRING_CALL:
		g->step++;
		return;
	case STEP_VRING_KICK:
		if (!last) {
			g->ring_idx++;
			g->step = STEP_VRING_NUM;
			return;
		}
		break;
	case STEP_VRING_ENABLE:
	case STEP_STOP_ENABLE:
	case STEP_STOP_BASE:
		if (!last) {
			g->ring_idx++;
			return;
		}
		break;
	default:
		break;
	}
	g->ring_idx = 0;
	g->step++;
}

void vh_front_changed(struct vh_front *f, struct guest *g, enum vh_front_state state)
{
	g->state = state;
	f->n_changed++;
}

int vh_front_advance(struct vh_front *f, struct guest *g)
{
	struct vh_msg m;
	int rc;

	while (!g->waiting_reply && g->step != STEP_READY && g->step != STEP_STOPPED) {
		if (g->step == STEP_GET_QUEUE_NUM && !has(g, VH_PF_MQ)) {
			next(f, g);
			continue;
		}
		fill(f, g, &m);
		rc = vh_msg_send(g->fd, &m);
		if (rc < 0)
			return rc;
		g->waiting_reply = g->step == STEP_GET_FEATURES ||
				   g->step == STEP_GET_PROTOCOL_FEATURES ||
				   g->step == STEP_GET_QUEUE_NUM || g->step == STEP_STOP_BASE ||
				   (m.flags & VH_MSG_NEED_REPLY) != 0;
		if (!g->waiting_reply)
			next(f, g);
	}
	if (g->step == STEP_READY && g->state != VH_FRONT_READY) {
		g->fresh = false;
		g->n_attaches++;
		vh_front_changed(f, g, VH_FRONT_READY);
	}
	return 0;
}

static int check_features(struct vh_front *f, struct guest *g, uint64_t offered)
{
	uint64_t wanted = vh_front_wanted_features(&f->params),
		 must = BIT(VIRTIO_F_VERSION_1) | BIT(VH_F_PROTOCOL_FEATURES);

	must |= wanted &
		(BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_F_RING_PACKED) |
		 BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |
		 BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4));
	g->offered = offered;
	g->features = wanted & offered;
	if ((must & ~offered) == 0)
		return 0;
	snprintf(g->why, sizeof(g->why),
		 "the back-end offers features 0x%llx, without 0x%llx, which is needed",
		 (unsigned long long)offered, (unsigned long long)(must & ~offered));
	return -ENOTSUP;
}

int vh_front_reply(struct vh_front *f, struct guest *g, const struct vh_msg *m)
{
	uint64_t v = m->payload.u64;

	if (!g->waiting_reply || m->request != request_of[g->step] ||
	    (m->flags & VH_MSG_REPLY) == 0)
		return -EPROTO;
	g->waiting_reply = false;
	switch (g->step) {
	case STEP_GET_FEATURES:
		if (check_features(f, g, v) < 0)
			return -ENOTSUP;
		break;
	case STEP_GET_PROTOCOL_FEATURES:
		g->protocol_features = v & (BIT(VH_PF_MQ) | BIT(VH_PF_REPLY_ACK));
		if (f->params.n_pairs > 1 && !has(g, VH_PF_MQ)) {
			snprintf(g->why, sizeof(g->why),
				 "the back-end has one queue pair, %u are asked for",
				 f->params.n_pairs);
			return -ENOTSUP;
		}
		break;
	case STEP_GET_QUEUE_NUM:
		if (v < f->params.n_pairs) {
			snprintf(g->why, sizeof(g->why),
				 "the back-end has %llu queue pairs, %u are asked for",
				 (unsigned long long)v, f->params.n_pairs);
			return -ENOTSUP;
		}
		break;
	case STEP_STOP_BASE:
		break;
	default:
		if (v != 0) {
			snprintf(g->why, sizeof(g->why), "the back-end refused %s",
				 vh_msg_name(m->request));
			return -ENOTSUP;
		}
		break;
	}
	next(f, g);
	return 0;
}
