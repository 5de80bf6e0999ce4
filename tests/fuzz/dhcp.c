// First byte: boot method. The rest is a DHCP message, or, when the byte has its top bit, a whole
// frame.
#include "boot_common.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct boot_responder *r;

	if (size < 1 || size > 1500)
		return 0;
	r = responder_make(data[0] & 0x7f);
	if ((data[0] & 0x80) != 0) {
		uint8_t *f = malloc(size);

		memcpy(f, data + 1, size - 1);
		f = realloc(f, size == 1 ? 1 : size - 1);
		boot_input(r, &(struct boot_frame){ 1, 1, f, size - 1, 1 });
		free(f);
	} else {
		udp_feed(r, 68, 67, data + 1, size - 1, 1);
	}
	boot_destroy(r);
	return 0;
}
