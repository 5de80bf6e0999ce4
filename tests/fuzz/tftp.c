// A conversation: datagrams of the form LENGTH (1 byte), PORT (1 byte: 0 = 69, else a transfer's),
// PAYLOAD; length 255 lets time pass. Invariant: an unproven peer gets no more than twice the bytes
// that it sent, and six datagrams.
#include "boot_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_responder *r = responder_make(BOOT_KERNEL);
	uint64_t now_ns = 1;
	size_t at = 0, n_in = 0;

	sent_frames = 0;
	if (size > 4096)
		size = 4096;
	while (at + 2 <= size) {
		size_t len = data[at];

		if (len == 255) {
			now_ns += 1000000000u;
			boot_tick(r, now_ns);
			at += 1;
			continue;
		}
		if (at + 2 + len > size)
			len = size - at - 2;
		udp_feed(r, 2000,
			 data[at + 1] == 0 ? 69 : (uint16_t)(BOOT_TID_FIRST + data[at + 1] - 1),
			 data + at + 2, len, now_ns);
		at += 2 + len;
		n_in++;
	}
	for (int i = 0; i < 10; i++) {
		now_ns += 300000000000u;
		boot_tick(r, now_ns);
	}
	assert(sent_frames <= n_in * BOOT_WINDOW_MAX * 7);
	boot_destroy(r);
	return 0;
}
