// What the scheduler offers around its packet path: bursts, bounds by buffers and colour,
// packets/s, classes held back, queues of flows, memory, and what other threads may read.
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit.h"
#include "qos_sched.h"

#define S 1000000000ull
#define MS 1000000ull
#define G 1000000000ull
#define WIRE 1538u

static struct qos_sched *s;
static void *mem;
static struct qos_pkt pkts[4096];

static void begin(uint64_t rate_bits_per_s, uint32_t n_flows)
{
	struct qos_sched_params p = {
		.rate_bits_per_s = rate_bits_per_s, .n_vms = 4, .n_flows = n_flows, .late_ns = 10000
	};
	size_t size = (qos_sched_size(&p) + 63) & ~(size_t)63;

	mem = aligned_alloc(64, size);
	assert_non_null(mem);
	memset(mem, 0, size);
	assert_int_equal(qos_sched_init(mem, &p, S, &s), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(qos_sched_add_vm(s, i, S), 0);
}

static void end(void)
{
	free(mem);
}

static struct qos_pkt *packet(uint32_t i, uint32_t vm_idx, uint32_t cls, uint32_t flow)
{
	pkts[i] = (struct qos_pkt){ .wire_bytes = WIRE,
				    .flow_hash = flow,
				    .vm_idx = (uint16_t)vm_idx,
				    .cls = (uint8_t)cls,
				    .n_bufs = 1 };
	return &pkts[i];
}

static int put(uint32_t i, uint32_t vm_idx, uint32_t cls, uint32_t flow, uint64_t now_ns)
{
	return qos_sched_enqueue(s, packet(i, vm_idx, cls, flow), now_ns);
}

static uint32_t get(uint64_t now_ns)
{
	struct qos_pkt *p = qos_sched_dequeue(s, now_ns);

	return p == NULL ? UINT32_MAX : (uint32_t)(p - pkts);
}

// Everything comes out once, flows keep their order, and two packets of a leaf may follow each
// other.
static void a_burst_is_that_many_dequeues(void **state)
{
	struct qos_pkt *out[32], *in[512];
	uint32_t last[4] = { 0 }, n = 0, n_pairs = 0, got;
	int errs[512];

	(void)state;
	begin(0, 8);
	for (uint32_t i = 0; i < 512; i++)
		in[i] = packet(i, i % 4, 5, 7);
	in[100]->vm_idx = 4; // there is no such VM
	in[101]->cls = 8;
	in[102]->wire_bytes = 0;
	assert_int_equal(qos_sched_enqueue_burst(s, in, 512, S, errs), 509);
	for (uint32_t i = 0; i < 512; i++)
		assert_int_equal(errs[i], i == 100 || i == 101 ? -ENOENT
					  : i == 102	       ? -EMSGSIZE
							       : 0);
	while ((got = qos_sched_dequeue_burst(s, out, 32, S)) != 0) {
		for (uint32_t i = 0; i < got; i++) {
			uint32_t at = (uint32_t)(out[i] - pkts);

			assert_true(at + 1 > last[at % 4]);
			last[at % 4] = at + 1;
			n_pairs += i % 2 == 1 && out[i]->vm_idx == out[i - 1]->vm_idx;
			assert_null(out[i]->next);
		}
		n += got;
	}
	assert_int_equal(n, 509);
	assert_true(n_pairs > 200);
	end();

	// The rate of the link ends it: one packet, and what a late loop may catch up.
	begin(10 * G, 8);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(put(i, 0, 5, i, S), 0);
	assert_int_equal(qos_sched_dequeue_burst(s, out, 32, S), 1);
	assert_int_equal(qos_sched_dequeue_burst(s, out, 32, S + 1000), 0);
	assert_in_range(qos_sched_dequeue_burst(s, out, 32, 2 * S), 8, 10); // 10 us
	end();
}

// E1 in bursts: after each of them every VM is within four packets of its share of what was sent.
static void bursts_keep_the_shares(void **state)
{
	uint64_t sent[4] = { 0 }, sum = 0, rng = 88172645463325252ull;
	struct qos_pkt *out[32];

	(void)state;
	begin(0, 8);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(
			qos_sched_set_vm(s, i, &(struct qos_node_params){ .shares = 1 + 3 * i }, S),
			0);
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(put(i, i % 4, 5, i / 4, S), 0);
	for (uint32_t round = 0; round < 5000; round++) {
		uint32_t got = qos_sched_dequeue_burst(s, out, 1 + (uint32_t)(rng % 32), S);

		for (uint32_t i = 0; i < got; i++) {
			sent[out[i]->vm_idx] += out[i]->wire_bytes;
			sum += out[i]->wire_bytes;
			rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
			out[i]->wire_bytes = 84 + (uint32_t)(rng % (WIRE - 83));
			assert_int_equal(qos_sched_enqueue(s, out[i], S), 0);
		}
		for (uint64_t i = 0; i < 4; i++)
			assert_in_range(sent[i] + 4ull * WIRE, sum * (1 + 3 * i) / 22,
					sum * (1 + 3 * i) / 22 + 8ull * WIRE);
	}
	end();
}

static void a_vm_holds_no_more_buffers_than_its_quota(void **state)
{
	struct qos_class_params c = { .node = { .shares = 1 },
				      .codel = { .target_ns = MS, .interval_ns = MS } };
	struct qos_leaf_stats leaf;
	struct qos_vm_stats vm;
	uint32_t n_out = 0, n_dropped = 0;
	uint64_t now = S;

	(void)state;
	begin(0, 8);
	assert_int_equal(qos_sched_set_class(s, 5, &c, S), 0);
	// 40 of them for class 5, whose part is 11/16.
	qos_sched_set_buf_quota(s, 55);
	for (uint32_t i = 0; i < 10; i++) {
		packet(i, 0, 5, 0)->n_bufs = 4;
		assert_int_equal(qos_sched_enqueue(s, &pkts[i], S), 0);
	}
	assert_int_equal(put(10, 0, 5, 0, S), -EDQUOT);
	packet(10, 0, 2, 0)->n_bufs = 10; // more urgent, but 49 is its part
	assert_int_equal(qos_sched_enqueue(s, &pkts[10], S), -EDQUOT);
	assert_int_equal(put(10, 1, 2, 0, S), 0); // another VM's
	assert_int_equal(qos_sched_leaf_stats(s, 0, 2, &leaf), 0);
	assert_int_equal(leaf.refused_quota_pkts, 1);
	assert_int_equal(qos_sched_vm_stats(s, 0, &vm), 0);
	assert_int_equal(vm.queued_bufs_now, 40);
	assert_int_equal(vm.queued_pkts_now, 10);
	assert_int_equal(vm.queued_bytes_now, 10 * WIRE);
	assert_int_equal(put(11, 0, 2, 0, S), 0); // its bulk left it room
	qos_sched_set_buf_quota(s, 0);
	// What CoDel dropped counts until it is taken, and keeps a removed VM's place.
	for (; qos_sched_queued(s) != 0; now += 2 * MS)
		n_out += get(now) != UINT32_MAX;
	assert_int_equal(qos_sched_vm_stats(s, 0, &vm), 0);
	assert_true(n_out < 12);
	assert_int_equal(vm.queued_bufs_now, 4 * (12 - n_out));
	assert_int_equal(qos_sched_remove_vm(s, 0, now), 0);
	assert_int_equal(qos_sched_add_vm(s, 0, now), -EBUSY);
	while (qos_sched_take_dropped(s) != NULL)
		n_dropped++;
	assert_int_equal(n_out + n_dropped, 12);
	assert_int_equal(qos_sched_add_vm(s, 0, now), 0);
	assert_int_equal(qos_sched_vm_stats(s, 0, &vm), 0);
	assert_int_equal(vm.queued_bufs_now, 0);
	end();
}

static void yellow_packets_leave_half_the_room_to_others(void **state)
{
	struct qos_class_params c = { .node = { .shares = 1 }, .max_leaf_bytes = 10 * WIRE };
	uint32_t n = 0;

	(void)state;
	begin(0, 16);
	assert_int_equal(qos_sched_set_class(s, 5, &c, S), 0);
	for (;; n++) {
		packet(n, 0, 5, n)->flags = QOS_PKT_YELLOW;
		if (qos_sched_enqueue(s, &pkts[n], S) != 0)
			break;
	}
	assert_int_equal(n, 6); // with the sixth it holds more than half
	assert_int_equal(qos_sched_enqueue(s, &pkts[n], S), -ENOBUFS);
	assert_int_equal(put(n, 0, 5, n, S), 0);
	end();
}

static void a_limit_in_packets_is_exact_and_counts_super_frames_once(void **state)
{
	struct qos_node_params vm = { .shares = 1, .limit_pps = 1000 };
	struct qos_class_params c = { .node = vm };
	struct qos_vm_stats st;
	uint32_t n = 0;
	uint64_t now = S;

	(void)state;
	for (uint32_t bytes = 84; bytes <= 65536; bytes += 65452) {
		begin(0, 8);
		assert_int_equal(qos_sched_set_class(s, 5, &c, S), -EINVAL);
		assert_int_equal(qos_sched_set_leaf(s, 0, 5, &vm, S), -EINVAL);
		assert_int_equal(qos_sched_set_vm(s, 0, &vm, S), 0);
		for (uint32_t i = 0; i < 1200; i++) {
			packet(i, 0, i % 8, i)->wire_bytes = bytes;
			assert_int_equal(qos_sched_enqueue(s, &pkts[i], S), 0);
		}
		for (n = 0, now = S; now < 2 * S;) {
			if (get(now) != UINT32_MAX)
				n++;
			else
				now = qos_sched_next_ns(s);
		}
		assert_in_range(n, 998, 1010); // and a burst of 8
		assert_int_equal(qos_sched_vm_stats(s, 0, &st), 0);
		assert_true(st.parked_now);
		assert_in_range(st.parked, 980, 1010);
		end();
	}
}

static void a_blocked_class_waits_and_the_others_go_on(void **state)
{
	(void)state;
	begin(0, 8);
	assert_int_equal(put(0, 0, 2, 0, S), 0);
	assert_int_equal(put(1, 0, 5, 0, S), 0);
	qos_sched_block(s, 1u << 2);
	assert_int_equal(get(S), 1);
	assert_int_equal(get(S), UINT32_MAX);
	assert_true(qos_sched_next_ns(s) == UINT64_MAX);
	assert_int_equal(qos_sched_queued(s), 1);
	qos_sched_block(s, 0);
	assert_true(qos_sched_next_ns(s) <= S);
	assert_int_equal(get(S), 0);
	qos_sched_block(s, 1u << 2);
	assert_false(qos_sched_idle_pass(s, packet(0, 0, 2, 0), S));
	assert_true(qos_sched_idle_pass(s, packet(0, 0, 3, 0), S));
	qos_sched_block(s, 0);
	assert_true(qos_sched_idle_pass(s, packet(0, 0, 2, 0), S));
	end();
}

// Held back for long it comes back at the present: it does not take the link to make up for it.
static void a_class_that_was_blocked_is_paid_nothing_back(void **state)
{
	uint32_t n[2] = { 0 };

	(void)state;
	begin(0, 8);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(put(i, 0, i % 2 == 0 ? 2 : 5, i, S), 0);
	qos_sched_block(s, 1u << 2);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(get(S) % 2, 1);
	qos_sched_block(s, 0);
	for (uint32_t i = 0; i < 100; i++)
		n[get(S) % 2]++;
	assert_in_range(n[0], 49, 52);
	end();
}

// Eight flows that meet in one queue have a queue each; the ninth shares, and all keep their order.
static void flows_that_collide_have_queues_of_their_own(void **state)
{
	uint32_t seen[9] = { 0 }, first[9] = { 0 };

	(void)state;
	begin(0, 16);
	for (uint32_t i = 0; i < 90; i++)
		assert_int_equal(put(i, 0, 5, 3 + i % 9 * 16, S), 0);
	for (uint32_t i = 0; i < 90; i++) {
		uint32_t at = get(S);

		assert_int_equal(at / 9, seen[at % 9]); // in order
		seen[at % 9]++;
		first[at % 9] += i < 16;
	}
	// In two rounds each of the seven has two turns; those that share have two between them.
	for (uint32_t i = 1; i < 8; i++)
		assert_int_equal(first[i], 2);
	assert_int_equal(first[0] + first[8], 2);
	end();
}

// Random arrivals and departures of flows that collide all the time: none is overtaken.
static void a_flow_stays_where_its_packets_are(void **state)
{
	static uint32_t seq[40], seen[40], of[4096], nth[4096];
	uint32_t free_at[4096], n_free = 4096;
	uint64_t rng = 88172645463325252ull;

	(void)state;
	for (uint32_t n_flows = 1; n_flows <= 16; n_flows *= 4) {
		begin(0, n_flows);
		memset(seq, 0, sizeof(seq));
		memset(seen, 0, sizeof(seen));
		n_free = 4096;
		for (uint32_t i = 0; i < 4096; i++)
			free_at[i] = i;
		for (uint32_t i = 0; i < 400000; i++) {
			uint32_t at;

			rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
			// Around an empty scheduler, and with up to 60 packets.
			if (qos_sched_queued(s) < rng % 60 && n_free != 0) {
				uint32_t flow = rng / 64 % 40;

				at = free_at[--n_free];
				of[at] = flow;
				nth[at] = seq[flow]++;
				assert_int_equal(put(at, 0, 5, flow * n_flows, S), 0);
				continue;
			}
			at = get(S);
			if (at == UINT32_MAX)
				continue;
			assert_int_equal(nth[at], seen[of[at]]);
			seen[of[at]]++;
			free_at[n_free++] = at;
		}
		end();
	}
}

// After one super-frame each flow still sends one packet per turn; and its own flow has to wait
// until what it sent at once is made up for.
static void a_super_frame_raises_nobodys_quantum(void **state)
{
	uint32_t n_others = 0, last = 0;

	(void)state;
	begin(0, 8);
	packet(0, 0, 5, 0)->wire_bytes = 40 * WIRE;
	assert_int_equal(qos_sched_enqueue(s, &pkts[0], S), 0);
	for (uint32_t i = 1; i < 121; i++)
		assert_int_equal(put(i, 0, 5, i % 3, S), 0);
	assert_int_equal(get(S), 0);
	for (uint32_t i = 0;; i++) {
		uint32_t at = get(S);

		if (at % 3 == 0)
			break;
		assert_true(i == 0 || at % 3 != last % 3); // one each
		last = at;
		n_others++;
	}
	assert_in_range(n_others, 2 * 38, 2 * 40);
	end();
}

static void without_admission_nothing_is_refused_for_room(void **state)
{
	struct qos_class_params c = { .node = { .shares = 1, .reservation_bits_per_s = 6 * G } };

	(void)state;
	begin(10 * G, 8);
	assert_int_equal(qos_sched_set_class(s, 2, &c, S), 0);
	assert_int_equal(qos_sched_set_class(s, 3, &c, S), -ENOSPC);
	qos_sched_set_admission(s, false);
	assert_int_equal(qos_sched_set_class(s, 3, &c, S), 0);
	c.node.reservation_bits_per_s = 0;
	assert_int_equal(qos_sched_set_class(s, 2, &c, S), 0);
	qos_sched_set_admission(s, true);
	c.node.reservation_bits_per_s = 2 * G;
	assert_int_equal(qos_sched_set_class(s, 4, &c, S), -ENOSPC); // 6 stand in the sum
	c.node.reservation_bits_per_s = G;
	assert_int_equal(qos_sched_set_class(s, 4, &c, S), 0);
	end();
}

static size_t resident(char *at, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
	static unsigned char map[1 << 18];

	assert_true(size / page < sizeof(map));
	assert_int_equal(mincore(at, size, map), 0);
	for (size_t i = 0; i < (size + page - 1) / page; i++)
		n += map[i] & 1;
	return n * page;
}

// 4096 VMs cost address space until they come; what comes touches its own part, as it said.
static void memory_is_touched_where_it_is_used(void **state)
{
	struct qos_sched_params p = { .rate_bits_per_s = G, .n_vms = 4096, .n_flows = 16 };
	struct qos_span spans[QOS_SCHED_SPANS];
	size_t size = qos_sched_size(&p), before;
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(at != MAP_FAILED);
	(void)madvise(at, size, MADV_NOHUGEPAGE);
	assert_int_equal(qos_sched_init(at, &p, S, &s), 0);
	before = resident(at, size);
	assert_in_range(before, 1, 20000);
	assert_int_equal(qos_sched_vm_memory(s, 4096, spans), 0);
	assert_int_equal(qos_sched_vm_memory(s, 2000, spans), 1);
	assert_int_equal(qos_sched_add_vm(s, 2000, S), 0);
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(put(i, 2000, i % 8, i / 8, S), 0);
	while (qos_sched_queued(s) != 0)
		(void)get(qos_sched_next_ns(s));
	assert_true(resident(at, size) <= before + spans[0].size + 2 * 4096);
	assert_true((char *)spans[0].at >= at && spans[0].size < 16384);
	munmap(at, size);
}

static void statistics_say_how_long_packets_stood(void **state)
{
	const uint64_t waits_ns[] = { 0,      4095,    4096,	20000,	  70000,
				      300000, 1048576, 5000000, 16777215, 16777216 };
	const uint32_t want[QOS_SCHED_WAITS] = { 2, 1, 1, 1, 1, 1, 2, 1 };
	struct qos_class_stats cls;
	struct qos_link_stats link;
	struct qos_leaf_stats st;

	(void)state;
	begin(0, 8);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(put(0, 1, 5, 0, S * (i + 1)), 0);
		assert_int_equal(get(S * (i + 1) + waits_ns[i]), 0);
	}
	assert_int_equal(qos_sched_leaf_stats(s, 1, 5, &st), 0);
	for (uint32_t i = 0; i < QOS_SCHED_WAITS; i++)
		assert_int_equal(st.waits[i], want[i]);
	assert_int_equal(st.last_wait_ns, 16777216);
	assert_int_equal(st.sent_pkts, 10);
	qos_sched_class_stats(s, 5, &cls);
	assert_int_equal(cls.sent_pkts, 10);
	assert_int_equal(cls.sent_bytes, 10 * WIRE);
	assert_int_equal(cls.max_wait_ns, 16777216);
	assert_int_equal(cls.ready_now, 0);
	qos_sched_class_stats(s, 8, &cls);
	assert_int_equal(cls.sent_pkts, 0);
	assert_true(qos_sched_idle_pass(s, packet(0, 1, 5, 0), 20 * S));
	assert_int_equal(qos_sched_leaf_stats(s, 1, 5, &st), 0);
	assert_int_equal(st.last_wait_ns, 0);
	assert_int_equal(st.sent_pkts, 11);
	assert_int_equal(st.waits[0], 2); // only what stood
	qos_sched_link_stats(s, &link);
	assert_int_equal(link.sent_pkts, 10);
	assert_int_equal(link.lost_credit_bytes, 0);
	assert_int_equal(qos_sched_vm_stats(s, 4, NULL), -ENOENT);
	end();
}

static uint64_t lost_bytes(void)
{
	struct qos_link_stats link;

	qos_sched_link_stats(s, &link);
	return link.lost_credit_bytes;
}

// 10 Gbit/s: 1.25 bytes per ns; 10 us may be caught up.
static void credit_is_lost_by_a_late_loop_and_not_by_an_idle_link(void **state)
{
	struct qos_node_params slow = { .shares = 1, .limit_bits_per_s = 1000000 };
	uint64_t now;

	(void)state;
	begin(10 * G, 8);
	assert_int_equal(put(0, 0, 5, 0, 2 * S), 0); // idle for a second
	assert_int_equal(get(2 * S + 5000), 0);	     // and 5 us late: may be caught up
	assert_int_equal(lost_bytes(), 0);
	assert_int_equal(put(0, 0, 5, 0, 3 * S), 0);
	assert_int_equal(put(1, 0, 5, 0, 3 * S), 0);
	assert_int_equal(get(3 * S + 30000), 0); // 20 us too late
	assert_in_range(lost_bytes(), 24990, 25010);
	assert_int_equal(get(3 * S + 31000), 1);
	assert_in_range(lost_bytes(), 24990, 25010);
	// What its own limit holds back is not there for the link.
	assert_int_equal(qos_sched_set_vm(s, 1, &slow, 4 * S), 0);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(put(i, 1, 5, 0, 4 * S), 0);
	for (now = 4 * S; qos_sched_queued(s) != 0;)
		if (get(now) == UINT32_MAX)
			now = qos_sched_next_ns(s);
	assert_true(now - 4 * S > 100 * MS);
	assert_in_range(lost_bytes(), 24990, 25010);
	end();
}

// The idle path asks the clocks, and what it sends is paid for.
static void an_idle_pass_is_charged_to_every_limit(void **state)
{
	struct qos_node_params node = { .shares = 1, .limit_bits_per_s = G, .burst_bytes = 15380 };
	struct qos_class_params c = { .node = node };

	(void)state;
	for (uint32_t at = 0; at < 4; at++) {
		uint32_t n = 0;

		begin(0, 8);
		if (at == 0)
			assert_int_equal(qos_sched_set_class(s, 5, &c, S), 0);
		else if (at == 1)
			assert_int_equal(qos_sched_set_leaf(s, 0, 5, &node, S), 0);
		else if (at == 2)
			assert_int_equal(qos_sched_set_vm(s, 0, &node, S), 0);
		else
			assert_int_equal(qos_sched_set_vm(s, 0,
							  &(struct qos_node_params){
								  .shares = 1, .limit_pps = 81274 },
							  S),
					 0);
		for (uint64_t now = 2 * S; now < 2 * S + 10 * MS; now += 1000)
			n += qos_sched_idle_pass(s, packet(0, 0, 5, 0), now);
		assert_in_range(n, 812, 812 + 12); // 10 ms, and the burst
		end();
	}
}

// Whatever the wait, next_ns leads there in a few steps: both timers, and the gap between them.
static void waits_of_any_length_end_in_a_few_steps(void **state)
{
	struct qos_node_params vm = { .shares = 1 };

	(void)state;
	for (uint64_t rate = 1000; rate < 2000000; rate += rate / 200) {
		uint32_t n_idle = 0, n_out = 0;
		uint64_t now = S;

		begin(0, 8);
		vm.limit_bits_per_s = rate;
		assert_int_equal(qos_sched_set_vm(s, 0, &vm, S), 0);
		for (uint32_t i = 0; i < 30; i++)
			assert_int_equal(put(i, 0, 5, 0, S), 0);
		while (n_out < 30) {
			if (get(now) != UINT32_MAX) {
				n_out++;
				continue;
			}
			now = qos_sched_next_ns(s);
			assert_true(++n_idle < 30 * 6);
		}
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_that_many_dequeues),
		cmocka_unit_test(bursts_keep_the_shares),
		cmocka_unit_test(a_vm_holds_no_more_buffers_than_its_quota),
		cmocka_unit_test(yellow_packets_leave_half_the_room_to_others),
		cmocka_unit_test(a_limit_in_packets_is_exact_and_counts_super_frames_once),
		cmocka_unit_test(a_blocked_class_waits_and_the_others_go_on),
		cmocka_unit_test(a_class_that_was_blocked_is_paid_nothing_back),
		cmocka_unit_test(flows_that_collide_have_queues_of_their_own),
		cmocka_unit_test(a_flow_stays_where_its_packets_are),
		cmocka_unit_test(a_super_frame_raises_nobodys_quantum),
		cmocka_unit_test(without_admission_nothing_is_refused_for_room),
		cmocka_unit_test(memory_is_touched_where_it_is_used),
		cmocka_unit_test(statistics_say_how_long_packets_stood),
		cmocka_unit_test(credit_is_lost_by_a_late_loop_and_not_by_an_idle_link),
		cmocka_unit_test(waits_of_any_length_end_in_a_few_steps),
		cmocka_unit_test(an_idle_pass_is_charged_to_every_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
