// A peer that says anything: no byte beyond the message is read, what a get lets through is
// readable to the last element of the last list, and what was read is written and read again as the
// same.
#include <stdlib.h>
#include <string.h>

#include "of13.h"
#include "of_random.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A copy of exactly its size, so that one byte too many is seen.
static uint8_t *copy_of(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	return copy;
}

static void again(const struct of_desc *d, const void *m, uint8_t version)
{
	_Alignas(8) uint8_t back[OF_SCRATCH];
	struct of_buf b = { 0 };
	struct of_wire_error e;

	if (of_put_message(&b, d, m) || of_get_message(d, b.data, b.size, back, &e) ||
	    !of_same(d, m, back, version))
		abort();
	of_buf_fini(&b);
}

static void one(uint8_t *msg, size_t size)
{
	_Alignas(8) uint8_t m[OF_SCRATCH];
	struct of_wire_error e = { 0xfffe, 0 };
	const struct of_desc *d = of_identify(msg, size, &e);
	char text[256];

	of13_print(msg, size, text, sizeof(text));
	if (!d || of_get_message(d, msg, size, m, &e)) {
		if (!of13_error_code_name(e.type, e.code))
			abort();
		return;
	}
	if (!of_lists_hold(d, m, msg[0], false))
		abort();
	if (msg[0]) // which a put takes for 4
		again(d, m, msg[0]);
}

// As it is, and with its length mended, so that one byte of the fuzzer's is not in the way.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *msg;

	if (size > OF_MSG_MAX)
		return 0;
	msg = copy_of(data, size);
	one(msg, size);
	if (size >= 4) {
		msg[2] = (uint8_t)(size >> 8);
		msg[3] = (uint8_t)size;
		one(msg, size);
	}
	free(msg);
	return 0;
}
