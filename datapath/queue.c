// A port and its scheduler: the frames that wait, the policy that says for how long, and the few
// that the driver gets next.
//
// What finds no queue passes by and costs next to nothing. Policy reaches the scheduler by its
// owner, when a turn sees a new snapshot: classes and rates at once, VMs when a frame of theirs
// comes, or step by step while frames stand.
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_malloc.h>

#include "switch_priv.h"

enum {
	GUEST_FLOWS = 128, // flow queues per class: beside 64 flows a sparse one has its own
	VM_FLOWS = 128,	   // per VM and class
	LATE_NS = 50000,   // what a late loop may catch up on a link's rate
	MOST_LATE_NS = 50000000,
	WALK = 64, // VMs looked at per turn
};

// In vm_seen: the VM is gone, and what stands of it leaves without its policy.
#define VM_GONE UINT64_MAX

static size_t page_up(size_t n)
{
	return (n + 4095) & ~(size_t)4095;
}

// Pages of an uplink's scheduler are taken VM by VM, so they are not the pool's. Its time begins
// with the worker's first, whose clock may be any.
int dp_queue_create(struct dp_port *p, uint32_t n_vms)
{
	const struct qos_sched_params params = { .n_vms = n_vms,
						 .n_flows = n_vms == 1 ? GUEST_FLOWS : VM_FLOWS,
						 .late_ns = LATE_NS };
	size_t size = page_up(qos_sched_size(&params));

	p->sched_mem = n_vms == 1 ? rte_zmalloc("sched", size, RTE_CACHE_LINE_SIZE)
				  : mmap(NULL, size, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->sched_mem == MAP_FAILED)
		p->sched_mem = NULL;
	if (p->sched_mem == NULL)
		return -ENOMEM;
	p->sched_bytes = size;
	p->n_vms = n_vms;
	p->pull = DP_BURST;
	p->vm_seen = rte_zmalloc("vm_seen", n_vms * sizeof(p->vm_seen[0]), 0);
	if (n_vms > 1)
		p->boot_seen = rte_zmalloc("boot_seen", n_vms * sizeof(p->boot_seen[0]), 0);
	if (p->vm_seen == NULL || (n_vms > 1 && p->boot_seen == NULL) ||
	    qos_sched_init(p->sched_mem, &params, 0, &p->sched) < 0)
		return -ENOMEM;
	// Control has admitted the whole of the policy; here it comes in pieces.
	qos_sched_set_admission(p->sched, false);
	dp_queue_populate(p, 0);
	return qos_sched_add_vm(p->sched, 0, 0);
}

void dp_queue_destroy(struct dp_port *p)
{
	if (p->n_vms == 1)
		rte_free(p->sched_mem);
	else if (p->sched_mem != NULL)
		munmap(p->sched_mem, p->sched_bytes);
	rte_free(p->vm_seen);
	rte_free(p->boot_seen);
}

uint16_t dp_queue_flows(const struct dp_port *p)
{
	return p->n_vms == 1 ? GUEST_FLOWS : VM_FLOWS;
}

void dp_queue_populate(const struct dp_port *p, uint16_t vm_idx)
{
	struct qos_span spans[QOS_SCHED_SPANS];
	uint32_t n = vm_idx < p->n_vms ? qos_sched_vm_memory(p->sched, vm_idx, spans) : 0;

	for (uint32_t i = 0; i < n; i++) {
		uintptr_t from = (uintptr_t)spans[i].at & ~(uintptr_t)4095;
		size_t size = page_up((uintptr_t)spans[i].at + spans[i].size - from);

		// An older kernel does not know this; then the worker's first touch does it.
		(void)madvise((void *)from, size, MADV_POPULATE_WRITE);
	}
}

struct qos_node_params dp_queue_total(const struct dp_port *p, const struct dp_vm_params *vm)
{
	if (p->n_vms > 1)
		return vm->total;
	return (struct qos_node_params){ .limit_bits_per_s = vm->to_bits_per_s,
					 .limit_pps = vm->to_pps,
					 .shares = 1 };
}

static void vm_apply(struct dp_port *p, uint32_t idx, const struct dp_vm_view *vm, uint64_t now_ns)
{
	struct qos_node_params total = dp_queue_total(p, &vm->p);

	(void)qos_sched_add_vm(p->sched, idx, now_ns); // -EEXIST: it has been here before
	(void)qos_sched_set_vm(p->sched, idx, &total, now_ns);
	for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
		(void)qos_sched_set_leaf(p->sched, idx, c, &vm->p.leaf[c], now_ns);
	__atomic_store_n(&p->vm_seen[idx], vm->serial, __ATOMIC_RELEASE);
	p->wait_ns = 0; // what it was waited for may be due
}

// Nobody wants the limits of a VM that is gone: its last frames leave, and their buffers are free.
static void vm_forget(struct dp_port *p, uint32_t idx, uint64_t now_ns)
{
	const struct qos_node_params none = { .shares = 1 };

	(void)qos_sched_add_vm(p->sched, idx, now_ns); // its first frames may come after it went
	(void)qos_sched_set_vm(p->sched, idx, &none, now_ns);
	for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
		(void)qos_sched_set_leaf(p->sched, idx, c, &none, now_ns);
	__atomic_store_n(&p->vm_seen[idx], VM_GONE, __ATOMIC_RELEASE);
	p->wait_ns = 0;
}

// By which deadline it is served in class boot, on a link that VMs share: 0 = by none.
static uint64_t boot_wanted(const struct dp_worker *w, uint32_t idx)
{
	uint64_t deadline = dp_boot_deadline(w->sw, idx);

	return deadline > 1 ? deadline : 0; // 1: it boots, and queues fairly
}

static void boot_apply(struct dp_worker *w, struct dp_port *p, uint32_t idx)
{
	uint64_t want = boot_wanted(w, idx);

	if (p->boot_seen[idx] != want &&
	    qos_sched_set_deadline(p->sched, idx, QOS_CLASS_BOOT, want, w->now_ns) == 0)
		p->boot_seen[idx] = want;
}

// Some machine's boot began or ended. Those that have no deadline any more make room first.
static __attribute__((noinline)) void boot_follow(struct dp_worker *w, struct dp_port *p,
						  uint32_t serial)
{
	p->boot_serial = serial;
	for (uint32_t i = 1; i < p->n_vms; i++) {
		if (p->boot_seen[i] != 0 && boot_wanted(w, i) == 0)
			boot_apply(w, p, i);
	}
	for (uint32_t i = 1; i < p->n_vms; i++) {
		if (p->vm_seen[i] != 0)
			boot_apply(w, p, i);
	}
	p->wait_ns = 0;
}

static inline void boot_check(struct dp_worker *w, struct dp_port *p)
{
	uint32_t serial = dp_boot_serial(w->sw);

	if (unlikely(p->boot_serial != serial) && p->n_vms > 1)
		boot_follow(w, p, serial);
}

// The VM of a frame has its policy. Of one that is gone frames may yet be on their way: they stay
// behind each other, and before those that it sends when it is back.
static void vm_follow(struct dp_worker *w, struct dp_port *p, uint32_t idx)
{
	const struct dp_vm_view *vm = w->snap->vms[idx];

	if (vm == NULL) {
		if (idx != 0 && p->vm_seen[idx] != VM_GONE)
			vm_forget(p, idx, w->now_ns);
	} else if (unlikely(p->vm_seen[idx] != vm->serial)) {
		vm_apply(p, idx, vm, w->now_ns);
		if (p->n_vms > 1)
			boot_apply(w, p, idx);
	}
}

// Nothing is limited on the way to this guest, and nothing reserved: classes share by weight.
static bool is_plain(const struct dp_qos_view *qos, const struct dp_view *v)
{
	uint64_t any = v->cfg.rate_bits_per_s;

	for (uint32_t c = 0; c < QOS_N_CLASSES; c++)
		any |= qos->classes[c].sched.node.limit_bits_per_s;
	if (v->vm != NULL) {
		any |= v->vm->p.to_bits_per_s | v->vm->p.to_pps;
		for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
			any |= v->vm->p.leaf[c].limit_bits_per_s;
	}
	return any == 0;
}

// What the card may hold after a late loop: 50 us, or three frames where that is less than they
// take.
static uint32_t late_ns(uint64_t bits_per_s)
{
	uint64_t frames_ns =
		bits_per_s == 0 ? 0 : 3ull * 8 * QOS_RATE_FRAME_BYTES * QOS_NS_PER_S / bits_per_s;

	return (uint32_t)RTE_MIN(RTE_MAX(frames_ns, (uint64_t)LATE_NS), (uint64_t)MOST_LATE_NS);
}

static void follow(struct dp_worker *w, struct dp_port *p, const struct dp_view *v)
{
	const struct dp_qos_view *qos = w->snap->qos;

	if (p->rate_bits_per_s != v->cfg.rate_bits_per_s) {
		qos_sched_set_late(p->sched, late_ns(v->cfg.rate_bits_per_s));
		(void)qos_sched_set_rate(p->sched, v->cfg.rate_bits_per_s, w->now_ns);
		p->rate_bits_per_s = v->cfg.rate_bits_per_s;
	}
	if (p->qos_seen != qos->serial) {
		for (uint32_t c = 0; c < QOS_N_CLASSES; c++)
			(void)qos_sched_set_class(p->sched, c, &qos->classes[c].sched, w->now_ns);
		p->qos_seen = qos->serial;
	}
	if (p->n_vms == 1 && v->vm != NULL && p->vm_seen[0] != v->vm->serial)
		vm_apply(p, 0, v->vm, w->now_ns);
	p->plain = p->n_vms == 1 && is_plain(qos, v);
	p->wait_ns = 0;
	p->vm_walk = p->n_vms == 1 ? 1 : 0; // its only one was looked at
}

void dp_queue_follow(struct dp_worker *w, struct dp_port *p)
{
	if (p->followed_gen != w->snap->gen) {
		p->followed_gen = w->snap->gen;
		follow(w, p, w->snap->views[p->idx]);
	}
	for (uint32_t i = 0; i < WALK && p->vm_walk < p->n_vms; i++, p->vm_walk++) {
		if (p->vm_seen[p->vm_walk] != 0)
			vm_follow(w, p, p->vm_walk);
	}
}

// --- a frame as the scheduler sees it

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

// Frames of one flow have one hash: addresses and ports, or MACs where there is no IP.
static uint32_t flow_hash(const struct rte_mbuf *m, const struct dp_meta *meta)
{
	const uint8_t *l3 = dp_data(m) + meta->p.l3_off;
	uint64_t h = meta->p.eth_type;

	if ((meta->p.flags & DP_PF_IP4) != 0) {
		h = mix(h, dp_load64(l3 + 12));
	} else if ((meta->p.flags & DP_PF_IP6) != 0) {
		for (uint32_t i = 8; i < 40; i += 8)
			h = mix(h, dp_load64(l3 + i));
	} else {
		h = mix(mix(h, dp_load64(dp_data(m))), dp_load32(dp_data(m) + 8));
	}
	// Fragments have no ports, so that they stay behind each other.
	if ((meta->p.flags & (DP_PF_L4 | DP_PF_FRAG)) == DP_PF_L4)
		h = mix(h, (uint64_t)meta->p.ip_proto << 32 | (uint64_t)meta->p.sport << 16 |
				   meta->p.dport);
	return (uint32_t)h;
}

static uint32_t wire_bytes(const struct rte_mbuf *m, const struct dp_meta *meta)
{
	uint32_t size = rte_pktmbuf_pkt_len(m), hdr, n;

	if (likely((meta->flags & DP_MF_TSO) == 0))
		return qos_wire_bytes(size, 1, 0);
	hdr = meta->p.l4_off + (uint32_t)(dp_data(m)[meta->p.l4_off + 12] >> 4) * 4;
	n = (size - hdr + meta->tso_segsz - 1) / meta->tso_segsz;
	return qos_wire_bytes(size, n == 0 ? 1 : n, hdr);
}

void dp_ready_add(struct dp_port *p, struct rte_mbuf *m, uint32_t cls, uint32_t size)
{
	p->ready[p->n_ready++] = m;
	p->ready_sum[cls].n_pkts++;
	p->ready_sum[cls].n_bytes += size;
	p->ready_classes |= 1u << cls;
}

static enum dp_drop refusal(int rc)
{
	return rc == -ETIME    ? DP_DROP_queue_late
	       : rc == -EDQUOT ? DP_DROP_vm_quota
			       : DP_DROP_queue_full;
}

static void count_refused(struct dp_worker *w, struct dp_port *p, struct rte_mbuf *m, int rc)
{
	dp_pw(w, p)->cls[dp_meta(m)->cls].drop_pkts++;
	dp_drop_out(w, p, m, refusal(rc), DP_STAGE_schedule);
}

static inline bool may_pass(const struct dp_worker *w, const struct dp_port *p, uint32_t n)
{
	return p->n_ready + n <= DP_READY && p->retry_ns <= w->now_ns;
}

static uint32_t vm_of(struct dp_worker *w, struct dp_port *p, const struct dp_meta *meta)
{
	if (p->n_vms == 1)
		return 0;
	vm_follow(w, p, meta->vm_idx);
	return meta->vm_idx;
}

// On a link without a rate, neighbours of one VM and class pass together. returns how many did
static uint32_t pass_alike(struct dp_worker *w, struct dp_port *p, struct rte_mbuf **pkts,
			   uint32_t n)
{
	const struct dp_meta *first = dp_meta(pkts[0]);
	uint32_t k, wire = 0;

	for (k = 0; k < n; k++) {
		const struct dp_meta *meta = dp_meta(pkts[k]);

		if (meta->vm_idx != first->vm_idx || meta->cls != first->cls)
			break;
		wire += wire_bytes(pkts[k], meta);
	}
	if (!may_pass(w, p, k) ||
	    !qos_sched_idle_pass_alike(p->sched, vm_of(w, p, first), first->cls, k, wire))
		return 0;
	for (uint32_t i = 0; i < k; i++)
		dp_ready_add(p, pkts[i], first->cls, rte_pktmbuf_pkt_len(pkts[i]));
	return k;
}

static void queue_burst(struct dp_worker *w, struct dp_port *p, struct qos_pkt **q, uint32_t n)
{
	int errs[DP_BURST];

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = dp_mbuf_of(q[i]);
		const struct dp_meta *meta = dp_meta(m);

		q[i]->flow_hash = flow_hash(m, meta);
		q[i]->flags = (uint8_t)((dp_ecn(m) != DP_ECN_NOT_ECT ? QOS_PKT_ECT : 0) |
					((meta->flags & DP_MF_YELLOW) != 0 ? QOS_PKT_YELLOW : 0));
	}
	qos_sched_set_buf_quota(p->sched, w->buf_quota);
	p->wait_ns = 0;
	if (qos_sched_enqueue_burst(p->sched, q, n, w->now_ns, errs) == n)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (errs[i] < 0)
			count_refused(w, p, dp_mbuf_of(q[i]), errs[i]);
	}
}

static void push_burst(struct dp_worker *w, struct dp_port *p, struct rte_mbuf **pkts, uint32_t n)
{
	struct qos_pkt *late[DP_BURST]; // the first that may not pass, and all behind it
	uint32_t n_late = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct dp_meta *meta = dp_meta(pkts[i]);
		struct qos_pkt *q = dp_qos_pkt(pkts[i]);

		*q = (struct qos_pkt){ .wire_bytes = wire_bytes(pkts[i], meta),
				       .n_bufs = pkts[i]->nb_segs,
				       .vm_idx = (uint16_t)vm_of(w, p, meta),
				       .cls = meta->cls,
				       .user = meta->sto };
		if (n_late == 0 && may_pass(w, p, 1) && qos_sched_idle_pass(p->sched, q, w->now_ns))
			dp_ready_add(p, pkts[i], meta->cls, rte_pktmbuf_pkt_len(pkts[i]));
		else
			late[n_late++] = q;
	}
	if (n_late > 0)
		queue_burst(w, p, late, n_late);
}

void dp_queue_push(struct dp_worker *w, struct dp_port *p, struct rte_mbuf **pkts, uint32_t n)
{
	boot_check(w, p);
	for (uint32_t i = 0, k; i < n; i += k) {
		k = RTE_MIN(n - i, (uint32_t)DP_BURST);
		if (p->rate_bits_per_s == 0) {
			uint32_t passed = pass_alike(w, p, pkts + i, k);

			if (passed > 0) {
				k = passed;
				continue;
			}
		}
		push_burst(w, p, pkts + i, k);
	}
}

static void drop_codel(struct dp_worker *w, struct dp_port *p)
{
	struct qos_pkt *q;

	while ((q = qos_sched_take_dropped(p->sched)) != NULL) {
		dp_pw(w, p)->cls[q->cls].drop_pkts++;
		dp_drop_out(w, p, dp_mbuf_of(q), DP_DROP_codel, DP_STAGE_schedule);
	}
}

void dp_queue_pull(struct dp_worker *w, struct dp_port *p)
{
	struct qos_pkt *q[DP_BURST];
	uint32_t n;

	boot_check(w, p);
	n = qos_sched_dequeue_burst(p->sched, q, p->pull, w->now_ns);
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(dp_mbuf_of(q[i]));
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = dp_mbuf_of(q[i]);

		if (unlikely((q[i]->flags & QOS_PKT_CE) != 0) && dp_mark_ce(m))
			dp_pw(w, p)->c[DP_PC_marked_pkts]++;
		if (unlikely(q[i]->user != 0))
			dp_storage_tell_wait(w, dp_meta(m), w->now_ns - q[i]->in_ns);
		dp_ready_add(p, m, q[i]->cls, rte_pktmbuf_pkt_len(m));
	}
	drop_codel(w, p);
	if (n == 0 && qos_sched_queued(p->sched) != 0)
		p->wait_ns = qos_sched_next_ns(p->sched);
}

// The next of all frames that the port holds, whatever holds them back.
static struct rte_mbuf *take_any(struct dp_port *p)
{
	struct qos_pkt *q;

	if (p->ready_at < p->n_ready)
		return p->ready[p->ready_at++];
	q = qos_sched_take_dropped(p->sched);
	return q == NULL ? NULL : dp_mbuf_of(q);
}

static void emptied(struct dp_port *p)
{
	p->ready_at = p->n_ready = 0;
	p->ready_classes = 0;
	memset(p->ready_sum, 0, sizeof(p->ready_sum));
	atomic_store_explicit(&p->queued, 0, memory_order_relaxed);
}

void dp_queue_drop_all(struct dp_worker *w, struct dp_port *p, enum dp_drop reason)
{
	struct rte_mbuf *m;

	qos_sched_flush(p->sched);
	while ((m = take_any(p)) != NULL)
		dp_drop_out(w, p, m, reason, DP_STAGE_tx);
	emptied(p);
}

// The link is waited for, so that push does not let them pass again.
void dp_queue_back(struct dp_worker *w, struct dp_port *p)
{
	struct rte_mbuf *m[DP_READY];
	uint32_t n = p->n_ready;

	memcpy(m, p->ready, n * sizeof(m[0]));
	emptied(p);
	dp_queue_push(w, p, m, n);
}

uint32_t dp_queue_free_all(struct dp_port *p)
{
	struct rte_mbuf *m;
	uint32_t n = 0;

	qos_sched_flush(p->sched);
	for (; (m = take_any(p)) != NULL; n++)
		rte_pktmbuf_free(m);
	emptied(p);
	return n;
}
