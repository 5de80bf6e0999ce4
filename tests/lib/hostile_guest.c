// A guest that means harm: weir-hostile-guest [--list] SOCKET [CASE...]. It attaches as an ordinary
// guest, and then writes into its rings and says on its socket what no guest should. After each
// case it detaches; a switch that does not attach again within 5 s is taken for dead, and the case
// is named.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vh_front.h"
#include "vh_msg.h"

enum {
	GUEST_ADDR = 0x40000000, // where the front lays a guest's memory
	FRAME = 2000,
	SETTLE_MS = 60,
	BACK_S = 5,
};

static struct vh_front *front;
static struct vh_ring *tx, *rx;
static uint32_t seed = 1;

static uint32_t random32(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool ready(void)
{
	return vh_front_state(front, 0) == VH_FRONT_READY;
}

// Let the switch meet what was done.
static void settle(uint64_t ms)
{
	uint64_t end = now_ms() + ms;

	while (now_ms() < end)
		vh_front_poll(front, 2);
}

static bool attach(void)
{
	uint64_t end = now_ms() + BACK_S * 1000;

	while (!ready() && now_ms() < end)
		vh_front_poll(front, 5);
	return ready();
}

// The connection goes, the socket stays: the switch may come again at once, to fresh rings.
static void detach(void)
{
	tx->broken = rx->broken = true; // begin anew
	if (vh_front_socket(front, 0) >= 0)
		shutdown(vh_front_socket(front, 0), SHUT_RDWR);
	while (vh_front_socket(front, 0) >= 0 && ready())
		vh_front_poll(front, 5);
}

static bool attach_again(void)
{
	detach();
	return attach();
}

static uint64_t addr_of(const struct vh_ring *r, uint16_t slot)
{
	return r->slots_guest_addr + (uint64_t)slot * r->stride_bytes - VH_RING_HDR_BYTES;
}

// Offer descriptor `head` to the switch, whatever it says.
static void push(struct vh_ring *r, uint16_t head)
{
	r->avail->ring[r->avail->idx & (r->size - 1)] = head;
	__atomic_store_n(&r->avail->idx, (uint16_t)(r->avail->idx + 1), __ATOMIC_RELEASE);
}

static void desc(struct vh_ring *r, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags,
		 uint16_t next)
{
	r->desc[i] = (struct vring_desc){ addr, len, flags, next };
}

// One descriptor alone, on a fresh ring.
static void one(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	if (!attach_again())
		return;
	desc(tx, 0, addr, len, flags, next);
	push(tx, 0);
	settle(SETTLE_MS);
}

static uint64_t memory_end(void)
{
	struct vh_ring_params p = { .size = tx->size, .slot_bytes = tx->slot_bytes };

	return tx->slots_guest_addr + vh_ring_slots_bytes(&p); // at least so far
}

static void address_outside(void)
{
	one(0, 60, 0, 0);
	one(UINT64_MAX - 20, 60, 0, 0);
	one(GUEST_ADDR - 30, 60, 0, 0);
	one(memory_end() + (64 << 20), 60, 0, 0);
	one(GUEST_ADDR + (2ull << 20) * 1024 - 30, 60, 0, 0);
}

static void address_over_the_end(void)
{
	// The memory is whole pages of 2 MiB: the last bytes of it and the first that are not.
	uint64_t end = (memory_end() + (2 << 20) - 1) / (2 << 20) * (2 << 20);

	one(end - 30, 60, 0, 0);
	one(end - 6, 6000, 0, 0);
	one(GUEST_ADDR, UINT32_MAX, 0, 0);
}

static void length_nothing(void)
{
	for (uint32_t len = 0; len <= 12; len += 3)
		one(addr_of(tx, 0), len, 0, 0);
}

static void length_4_gib(void)
{
	one(addr_of(tx, 0), UINT32_MAX, 0, 0);
	one(addr_of(tx, 0), 0x80000000u, 0, 0);
	one(addr_of(tx, 0), 1 << 20, 0, 0);
}

// All descriptors of the ring in one chain.
static void whole_ring(uint32_t first_len, uint32_t len)
{
	if (!attach_again())
		return;
	for (uint16_t i = 0; i < tx->size; i++)
		desc(tx, i, addr_of(tx, i), i == 0 ? first_len : len,
		     i + 1 < tx->size ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	push(tx, 0);
	settle(SETTLE_MS);
}

static void long_chains(void)
{
	whole_ring(12, 0);
	whole_ring(60, 60);
	whole_ring(FRAME, FRAME);
}

static void chain_that_loops(void)
{
	one(addr_of(tx, 0), 60, VRING_DESC_F_NEXT, 0);
	if (!attach_again())
		return;
	desc(tx, 0, addr_of(tx, 0), 60, VRING_DESC_F_NEXT, 1);
	desc(tx, 1, addr_of(tx, 1), 60, VRING_DESC_F_NEXT, 0);
	push(tx, 0);
	settle(SETTLE_MS);
	if (!attach_again())
		return;
	desc(tx, 0, addr_of(tx, 0), 0, VRING_DESC_F_NEXT, 0); // without a byte
	push(tx, 0);
	settle(SETTLE_MS);
}

static void chain_out_of_the_table(void)
{
	one(addr_of(tx, 0), 60, VRING_DESC_F_NEXT, tx->size);
	one(addr_of(tx, 0), 60, VRING_DESC_F_NEXT, UINT16_MAX);
	if (!attach_again())
		return;
	push(tx, tx->size);
	push(tx, UINT16_MAX);
	settle(SETTLE_MS);
}

// A table of descriptors in slot 1.
static struct vring_desc *table(void)
{
	return (struct vring_desc *)vh_ring_frame(tx, 1);
}

static uint64_t table_addr(void)
{
	return addr_of(tx, 1) + VH_RING_HDR_BYTES;
}

static void indirect_tables(void)
{
	static const uint32_t lens[] = { 0, 8, 15, 17, 16 * 64, UINT32_MAX, UINT32_MAX - 15 };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		if (!attach_again())
			return;
		memset(table(), 0xff, FRAME);
		desc(tx, 0, table_addr(), lens[i], VRING_DESC_F_INDIRECT, 0);
		push(tx, 0);
		settle(SETTLE_MS);
	}
	one(table_addr(), 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 0);
	one(table_addr(), 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	one(0, 16, VRING_DESC_F_INDIRECT, 0);
	one(GUEST_ADDR - 8, 16, VRING_DESC_F_INDIRECT, 0);
}

static void indirect_in_indirect(void)
{
	if (!attach())
		return;
	table()[0] = (struct vring_desc){ table_addr(), 16, VRING_DESC_F_INDIRECT, 0 };
	desc(tx, 0, table_addr(), 16, VRING_DESC_F_INDIRECT, 0);
	push(tx, 0);
	settle(SETTLE_MS);
	if (!attach_again())
		return;
	for (int i = 0; i < 16; i++) // a chain within the table that goes round
		table()[i] = (struct vring_desc){ addr_of(tx, 3), 60, VRING_DESC_F_NEXT,
						  (uint16_t)((i + 1) % 16) };
	desc(tx, 0, table_addr(), 256, VRING_DESC_F_INDIRECT, 0);
	push(tx, 0);
	settle(SETTLE_MS);
	if (!attach_again())
		return;
	table()[0] = (struct vring_desc){ addr_of(tx, 3), 60, VRING_DESC_F_NEXT, 5000 };
	desc(tx, 0, table_addr(), 16, VRING_DESC_F_INDIRECT, 0);
	push(tx, 0);
	settle(SETTLE_MS);
}

static void avail_index_jumps(void)
{
	static const uint16_t jumps[] = { 257, 0x4000, 0x8000, 0xffff };

	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		for (int way = 0; way < 2; way++) {
			struct vh_ring *r = way == 0 ? tx : rx;

			if (!attach_again())
				return;
			for (uint32_t k = 0; k < r->size; k++)
				r->avail->ring[k] = (uint16_t)random32();
			r->avail->idx = (uint16_t)(r->avail->idx + jumps[i]);
			settle(SETTLE_MS);
		}
	}
}

static void wrong_direction(void)
{
	one(addr_of(tx, 0), 72, VRING_DESC_F_WRITE, 0);
	if (!attach_again())
		return;
	for (uint16_t i = 0; i < rx->size; i++)
		rx->desc[i].flags = 0; // the switch may not write there
	settle(SETTLE_MS);
}

static void receive_buffers(void)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bufs[] = { { 0, 2048 },
		     { UINT64_MAX, 2048 },
		     { GUEST_ADDR - 8, 2048 },
		     { 1, 0 },
		     { 1, 1 },
		     { 1, 11 },
		     { 1, 12 },
		     { 1, 13 },
		     { 1, UINT32_MAX } };

	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
		if (!attach_again())
			return;
		for (uint16_t k = 0; k < rx->size; k++) {
			rx->desc[k].len = bufs[i].len;
			if (bufs[i].addr != 1)
				rx->desc[k].addr = bufs[i].addr;
		}
		settle(SETTLE_MS); // broadcasts of the others go here
	}
	if (!attach_again())
		return;
	for (uint16_t k = 0; k < rx->size; k++) // chains that loop
		desc(rx, k, addr_of(rx, k), 20, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, k);
	settle(SETTLE_MS);
}

static void send_frames(void (*make)(uint8_t *frame, uint32_t *len), uint32_t n)
{
	uint8_t *frames[32];
	uint32_t lens[32];
	uint64_t end = now_ms() + 1000;

	if (!attach())
		return;
	while (n > 0 && now_ms() < end && ready()) {
		uint16_t k = vh_ring_reserve(tx, n < 32 ? (uint16_t)n : 32, frames);

		for (uint16_t i = 0; i < k; i++)
			make(frames[i], &lens[i]);
		vh_ring_send(tx, k, lens);
		n -= k;
		vh_front_poll(front, 0);
	}
	settle(SETTLE_MS);
}

static void make_short(uint8_t *frame, uint32_t *len)
{
	static uint32_t n;

	memset(frame, 0xff, 64);
	*len = n++ % 15;
}

static void make_ip(uint8_t *frame, uint32_t *len)
{
	static const uint8_t head[] = { 2, 0, 0,    0, 0,    2,	   2, 0, 0, 0, 0,  1,
					8, 0, 0x45, 0, 0x05, 0xdc, 0, 0, 0, 0, 64, 6 };

	memcpy(frame, head, sizeof(head));
	if ((random32() & 7) == 0)
		frame[random32() % 40] ^= (uint8_t)random32();
	*len = 14 + random32() % (FRAME - 14);
}

static void make_garbage_header(uint8_t *frame, uint32_t *len)
{
	static const uint16_t edges[] = { 0, 1, 13, 14, 33, 34, 54, 255, 1499, 2000, 32768, 65535 };
	struct virtio_net_hdr_mrg_rxbuf *h = vh_ring_hdr(frame);

	make_ip(frame, len);
	h->hdr.flags = (uint8_t)random32();
	h->hdr.gso_type = (random32() & 1) != 0 ? (uint8_t)random32() : VIRTIO_NET_HDR_GSO_TCPV4;
	h->hdr.gso_size = edges[random32() % 12];
	h->hdr.hdr_len = edges[random32() % 12];
	h->hdr.csum_start = edges[random32() % 12];
	h->hdr.csum_offset = edges[random32() % 12];
	h->num_buffers = (uint16_t)random32();
}

static void make_garbage(uint8_t *frame, uint32_t *len)
{
	for (int i = -VH_RING_HDR_BYTES; i < 200; i++)
		frame[i] = (uint8_t)random32();
	*len = 1 + random32() % FRAME;
}

static void garbage_frames(void)
{
	send_frames(make_short, 2000);
	send_frames(make_garbage, 20000);
	send_frames(make_garbage_header, 20000);
}

// Chains that make frames of 64 KiB and of half a megabyte.
static void huge_frames(void)
{
	for (uint16_t n = 33; n <= 255; n = (uint16_t)(n * 2)) {
		if (!attach_again())
			return;
		for (uint16_t i = 0; i < n; i++)
			desc(tx, i, addr_of(tx, i), FRAME, i + 1 < n ? VRING_DESC_F_NEXT : 0,
			     (uint16_t)(i + 1));
		for (int i = 0; i < 100; i++)
			push(tx, 0); // the same one again and again
		settle(SETTLE_MS);
	}
}

static void say(struct vh_msg m)
{
	m.flags |= VH_MSG_VERSION;
	if (ready())
		(void)!vh_msg_send(vh_front_socket(front, 0), &m);
}

static void say_bytes(const void *data, size_t size)
{
	if (vh_front_socket(front, 0) >= 0)
		(void)!send(vh_front_socket(front, 0), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void state(uint32_t request, uint32_t idx, uint32_t num)
{
	say((struct vh_msg){ .request = request, .size = 8, .payload.state = { idx, num } });
}

static void rings_stopped_in_traffic(void)
{
	uint8_t *frames[32];
	uint32_t lens[32];

	for (int i = 0; i < 40; i++) {
		if (!attach())
			return;
		for (int k = 0; k < 4; k++) {
			uint16_t n = vh_ring_reserve(tx, 32, frames);

			for (uint16_t j = 0; j < n; j++)
				make_ip(frames[j], &lens[j]);
			vh_ring_send(tx, n, lens);
		}
		state(VH_SET_VRING_ENABLE, (uint32_t)i & 1, (uint32_t)i >> 1 & 1);
		if (i % 10 == 9)
			state(VH_GET_VRING_BASE, 1, 0); // and goes on sending
		vh_front_poll(front, 2);
	}
	settle(SETTLE_MS);
}

static void ring_set_up_anew_in_traffic(void)
{
	static const uint32_t nums[] = { 0, 1, 3, 100, 32768, 65536, UINT32_MAX };
	static const uint64_t addrs[] = { 0, 1, 0x1000, UINT64_MAX, UINT64_MAX - 4096 };

	for (size_t i = 0; i < 7; i++) {
		if (!attach_again())
			return;
		push(tx, 0);
		state(VH_SET_VRING_NUM, 1, nums[i]);
		push(tx, 1);
		state(VH_SET_VRING_ENABLE, 1, 1);
		settle(SETTLE_MS);
	}
	for (size_t i = 0; i < 5; i++) {
		if (!attach_again())
			return;
		say((struct vh_msg){ .request = VH_SET_VRING_ADDR,
				     .size = 40,
				     .payload.addr = { 1, 0, addrs[i], addrs[i], addrs[i], 0 } });
		push(tx, 0);
		state(VH_SET_VRING_ENABLE, 1, 1);
		settle(SETTLE_MS);
	}
	for (size_t i = 0; i < 7; i++) {
		if (!attach_again())
			return;
		state(VH_SET_VRING_BASE, 1, nums[i] + 77);
		push(tx, 0);
		state(VH_SET_VRING_ENABLE, 1, 1);
		settle(SETTLE_MS);
	}
}

static void rings_that_are_not_there(void)
{
	static const uint32_t requests[] = { VH_SET_VRING_NUM,	VH_SET_VRING_BASE,
					     VH_GET_VRING_BASE, VH_SET_VRING_ENABLE,
					     VH_SET_VRING_KICK, VH_SET_VRING_CALL };
	static const uint32_t idx[] = { 2, 31, 32, 255, 256, 65535, UINT32_MAX };

	for (size_t i = 0; i < 6 * 7; i++) {
		if (!attach())
			return;
		state(requests[i % 6], idx[i / 6], 1);
		settle(5);
	}
	settle(SETTLE_MS);
}

static void features_changed_in_traffic(void)
{
	static const uint64_t features[] = { 0, UINT64_MAX, 1ull << 32, 1ull << 34, 1ull << 30 };

	for (size_t i = 0; i < 5; i++) {
		if (!attach_again())
			return;
		push(tx, 0);
		say((struct vh_msg){
			.request = VH_SET_FEATURES, .size = 8, .payload.u64 = features[i] });
		push(tx, 1);
		settle(SETTLE_MS);
	}
}

static void tell_memory(uint32_t n_regions, const struct vh_region *r, int fd, uint32_t n_fds)
{
	struct vh_msg m = { .request = VH_SET_MEM_TABLE,
			    .size = 8 + n_regions * (uint32_t)sizeof(*r),
			    .n_fds = (uint8_t)n_fds };

	m.payload.memory.n_regions = n_regions;
	for (uint32_t i = 0; i < n_regions; i++)
		m.payload.memory.regions[i] = r[i];
	for (uint32_t i = 0; i < n_fds; i++)
		m.fds[i] = fd;
	say(m);
}

// One region that no mmap() takes, over and over: what becomes of the rings that run?
static void memory_that_cannot_be_mapped(void)
{
	int fd = open("/dev/null", O_RDWR);

	for (int i = 0; i < 100 && attach_again(); i++) {
		tell_memory(1, &(struct vh_region){ GUEST_ADDR, 4096, 0, 0 }, fd, 1);
		settle(5);
	}
	close(fd);
}

static void memory_without_descriptors(void)
{
	static const struct vh_region r[] = { { GUEST_ADDR, UINT64_MAX, 0, UINT64_MAX },
					      { UINT64_MAX, 4096, UINT64_MAX, 0 } };

	for (uint32_t i = 0; i < 10 && attach_again(); i++) {
		tell_memory(i % 3, r, 0, i % 3 == 1 ? 0 : 1);
		push(tx, 0);
		settle(20);
	}
}

static void memory_tables_that_lie(void)
{
	uint32_t wire[3 + 2 + 8 * 10] = { VH_SET_MEM_TABLE, VH_MSG_VERSION, 8 };
	static const uint32_t cases[][2] = {
		{ 8, 9 }, { 8, UINT32_MAX }, { 40, 8 }, { 8 + 320, 10 }, { 7, 1 }
	};

	for (size_t i = 0; i < 5; i++) {
		if (!attach_again())
			return;
		wire[2] = cases[i][0];
		wire[3] = cases[i][1];
		say_bytes(wire, 12 + cases[i][0]);
		settle(SETTLE_MS);
	}
}

static void messages_cut_in_half(void)
{
	static const uint32_t sizes[] = { 8, 8, 40, 264, 268 };
	uint32_t wire[80] = { 0, VH_MSG_VERSION };

	for (uint32_t i = 0; i < 40; i++) {
		if (!attach())
			return;
		wire[0] = 1 + random32() % 40;
		wire[2] = sizes[i % 5];
		say_bytes(wire, 1 + random32() % (11 + wire[2]));
		shutdown(vh_front_socket(front, 0), SHUT_WR); // an end in the middle
		detach();
	}
}

static void garbage_messages(void)
{
	uint32_t wire[256];

	for (int i = 0; i < 100; i++) {
		if (!attach())
			return;
		for (int k = 0; k < 256; k++)
			wire[k] = random32();
		if (i % 4 != 0) { // a header that looks right
			wire[0] = 1 + random32() % 41;
			wire[1] = VH_MSG_VERSION | (random32() & VH_MSG_NEED_REPLY);
			wire[2] = i % 2 == 0 ? 8 : random32() % 600;
		}
		say_bytes(wire, wire[2] < 600 ? 12 + wire[2] : sizeof(wire));
		vh_front_poll(front, 5);
		detach();
	}
}

// Requests that the back-end knows and we have no name for; numbers of the specification.
static void seldom_requests(void)
{
	static const struct {
		uint32_t request, size;
	} seldom[] = { { 6, 16 },  { 7, 0 },	{ 14, 8 },   { 19, 8 },	  { 20, 8 },  { 21, 0 },
		       { 22, 40 }, { 23, 8 },	{ 24, 268 }, { 25, 268 }, { 26, 80 }, { 27, 8 },
		       { 28, 0 },  { 29, 264 }, { 30, 0 },   { 31, 40 },  { 32, 40 }, { 33, 8 },
		       { 34, 0 },  { 36, 8 },	{ 37, 40 },  { 38, 40 },  { 39, 8 },  { 40, 0 } };
	uint32_t wire[80];

	for (size_t i = 0; i < 3 * sizeof(seldom) / sizeof(seldom[0]); i++) {
		uint32_t fill = i % 3 == 0 ? 0 : i % 3 == 1 ? 0xff : 0x41;

		if (!attach_again())
			return;
		memset(wire, (int)fill, sizeof(wire));
		wire[0] = seldom[i / 3].request;
		wire[1] = VH_MSG_VERSION | VH_MSG_NEED_REPLY;
		wire[2] = seldom[i / 3].size;
		say_bytes(wire, 12 + wire[2]);
		settle(10);
	}
}

static void descriptors_of_the_wrong_kind(void)
{
	int fds[] = { open("/dev/zero", O_RDWR), open("/proc/self/exe", O_RDONLY),
		      socket(AF_UNIX, SOCK_DGRAM, 0) };

	for (int i = 0; i < 12; i++) {
		if (!attach_again())
			break;
		say((struct vh_msg){ .request = i % 2 == 0 ? VH_SET_VRING_KICK : VH_SET_VRING_CALL,
				     .size = 8,
				     .payload.u64 = (uint64_t)(i / 2 % 2),
				     .n_fds = (uint8_t)(i < 9 ? 1 : 8),
				     .fds = { fds[i % 3], fds[0], fds[0], fds[0], fds[0], fds[0],
					      fds[0], fds[0] } });
		for (int k = 0; k < 20; k++)
			push(tx, (uint16_t)k);
		settle(20);
	}
	close(fds[0]); // the rest goes with the process
}

// Ends at each step of the start. A thousand times.
static void reconnects(void)
{
	for (int i = 0; i < 1000; i++) {
		uint64_t end = now_ms() + BACK_S * 1000;

		while (vh_front_socket(front, 0) < 0 && now_ms() < end)
			vh_front_poll(front, 5);
		for (uint32_t k = random32() % 12; k > 0; k--)
			vh_front_poll(front, (int)(random32() & 1));
		detach();
		for (int k = 0; k < 3 && vh_front_socket(front, 0) >= 0; k++)
			vh_front_poll(front, 1);
	}
}

static int memory_fd(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int found = -1;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char path[300], to[300] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%s", e->d_name);
		if (readlink(path, to, sizeof(to) - 1) > 0 && strstr(to, "weir-front") != NULL)
			found = (int)strtol(e->d_name, NULL, 10);
	}
	return found;
}

static void memory_cut_off(void)
{
	int fd = memory_fd();

	if (!attach() || fd < 0)
		return;
	push(tx, 0); // it is busy with us
	if (ftruncate(fd, 0) < 0)
		perror("ftruncate");
	usleep(500000); // no byte of it may be touched here either
	_exit(0);
}

static void memory_larger_than_its_file(void)
{
	const struct vh_region r = { GUEST_ADDR, 64 << 20, 0, 0 };
	int fd = memfd_create("short", MFD_CLOEXEC);

	if (!attach())
		return;
	// The rings lie where the file has no pages.
	tell_memory(1, &(struct vh_region){ r.guest_addr, r.size_bytes, (uintptr_t)rx->desc, 0 },
		    fd, 1);
	state(VH_SET_VRING_ENABLE, 1, 1);
	settle(300);
	close(fd);
}

static const struct {
	const char *name;
	void (*run)(void);
	const char *dies; // why it is left out unless it is named
} cases[] = {
	{ "address-outside", address_outside, NULL },
	{ "address-over-the-end", address_over_the_end, NULL },
	{ "length-nothing", length_nothing, NULL },
	{ "length-4-gib", length_4_gib, NULL },
	{ "long-chains", long_chains, NULL },
	{ "chain-that-loops", chain_that_loops, NULL },
	{ "chain-out-of-the-table", chain_out_of_the_table, NULL },
	{ "indirect-tables", indirect_tables, NULL },
	{ "indirect-in-indirect", indirect_in_indirect, NULL },
	{ "avail-index-jumps", avail_index_jumps, NULL },
	{ "wrong-direction", wrong_direction, NULL },
	{ "receive-buffers", receive_buffers, NULL },
	{ "huge-frames", huge_frames, NULL },
	{ "garbage-frames", garbage_frames, NULL },
	{ "rings-stopped-in-traffic", rings_stopped_in_traffic, NULL },
	{ "ring-set-up-anew-in-traffic", ring_set_up_anew_in_traffic, NULL },
	{ "rings-that-are-not-there", rings_that_are_not_there, NULL },
	{ "features-changed-in-traffic", features_changed_in_traffic, NULL },
	{ "memory-without-descriptors", memory_without_descriptors, NULL },
	{ "memory-tables-that-lie", memory_tables_that_lie, NULL },
	{ "messages-cut-in-half", messages_cut_in_half, NULL },
	{ "garbage-messages", garbage_messages, NULL },
	{ "seldom-requests", seldom_requests, NULL },
	{ "descriptors-of-the-wrong-kind", descriptors_of_the_wrong_kind, NULL },
	{ "reconnects", reconnects, NULL },
	// librte_vhost 22.11 dies of these, and so does whoever uses it.
	{ "memory-that-cannot-be-mapped", memory_that_cannot_be_mapped,
	  "SIGSEGV: a SET_MEM_TABLE that fails has unmapped the old memory and leaves the rings "
	  "running; one try in ten or so" },
	{ "memory-larger-than-its-file", memory_larger_than_its_file,
	  "SIGBUS: a region behind the end of its file is mapped and read" },
	{ "memory-cut-off", memory_cut_off, // the last: this process ends with it
	  "SIGBUS: ftruncate() of memory that is in use" },
};

enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

static bool wanted(size_t i, char **names)
{
	if (*names == NULL)
		return cases[i].dies == NULL;
	for (; *names != NULL; names++)
		if (strcmp(*names, cases[i].name) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const struct vh_front_params p = { .n_guests = 1,
					   .n_pairs = 1,
					   .queue_size = 256,
					   .frame_bytes = FRAME,
					   .rx_buffer_bytes = 2048,
					   .mergeable = true,
					   .indirect = true,
					   .csum = true,
					   .tso = true };
	struct weir_err err;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < N_CASES; i++)
			printf("%s%s%s\n", cases[i].name, cases[i].dies == NULL ? "" : ": ",
			       cases[i].dies == NULL ? "" : cases[i].dies);
		return 0;
	}
	if (argc < 2) {
		fputs("usage: weir-hostile-guest --list | SOCKET [CASE...]\n", stderr);
		return 2;
	}
	if (vh_front_create(&p, &front, &err) < 0 ||
	    vh_front_open(front, 0, argv[1], VH_FRONT_LISTEN, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	tx = vh_front_tx(front, 0, 0);
	rx = vh_front_rx(front, 0, 0);
	for (size_t i = 0; i < N_CASES; i++) {
		uint64_t start = now_ms();

		if (!wanted(i, argv + 2))
			continue;
		printf("%s", cases[i].name);
		fflush(stdout);
		if (attach())
			cases[i].run();
		detach();
		if (!attach()) {
			printf(": the switch does not come back\n");
			return 1;
		}
		printf(" %lu ms\n", now_ms() - start);
		fflush(stdout);
	}
	vh_front_destroy(front);
	return 0;
}
