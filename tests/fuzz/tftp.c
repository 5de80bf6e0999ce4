// A conversation: datagrams of the form LENGTH (1 byte), PORT (1 byte: 0 = 69, else a transfer's),
// PAYLOAD; length 255 lets time pass. Invariants: who has acknowledged nothing gets at most twice
// the bytes that it sent, or the first block of each request without options, once; and each
// datagram is worth at most a window, six times.
#include "boot_common.h"

// A request without options may be answered by 516 bytes.
enum { HEADERS = 42, BLOCK = 516 + HEADERS };

struct talk {
	struct boot_responder *r;
	uint64_t now_ns, n_in, in_bytes, n_requests;
	bool acked;
};

static void unproven_check(const struct talk *t)
{
	assert(t->acked || sent_bytes <= 2 * t->in_bytes + t->n_requests * BLOCK);
	assert(t->acked || boot_counters(t->r)->tftp_blocks <= t->n_requests);
}

static void datagram(struct talk *t, uint8_t port, const uint8_t *load, size_t size)
{
	uint16_t dport = port == 0 ? 69 : (uint16_t)(BOOT_TID_FIRST + port - 1);

	t->acked |= port != 0 && size >= 4 && load[0] == 0 && load[1] == 4;
	t->n_requests += port == 0;
	t->in_bytes += size + HEADERS;
	t->n_in++;
	udp_feed(t->r, 2000, dport, load, size, t->now_ns);
	unproven_check(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct talk t = { .r = responder_make(BOOT_KERNEL), .now_ns = 1 };
	size_t at = 0;

	sent_frames = sent_bytes = 0;
	if (size > 4096)
		size = 4096;
	while (at + 2 <= size) {
		size_t len = data[at];

		if (len == 255) {
			t.now_ns += 1000000000u;
			boot_tick(t.r, t.now_ns);
			unproven_check(&t);
			at += 1;
			continue;
		}
		if (at + 2 + len > size)
			len = size - at - 2;
		datagram(&t, data[at + 1], data + at + 2, len);
		at += 2 + len;
	}
	for (int i = 0; i < 10; i++) {
		t.now_ns += 300000000000u;
		boot_tick(t.r, t.now_ns);
		unproven_check(&t);
	}
	assert(sent_frames <= t.n_in * BOOT_WINDOW_MAX * 7);
	boot_destroy(t.r);
	return 0;
}
