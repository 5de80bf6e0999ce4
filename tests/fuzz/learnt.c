// The file of learnt portals. Bit 0 of the first byte: mend the checksum, or nothing would get past
// it. Invariants: what is accepted, written again, is the same bytes; what is refused has a line
// that the text has (or the one behind its end), and nothing is taken of it; and no bound is
// exceeded.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qos_learn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Reflected, as in IEEE 802.3.
static uint32_t crc32(const char *p, size_t size)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < size; i++) {
		crc ^= (uint8_t)p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
	}
	return ~crc;
}

// The right number of entries and checksum at the end, in place of the nine last bytes.
static void mend(char *text, size_t size)
{
	char hex[10];

	if (size < 9)
		return;
	snprintf(hex, sizeof(hex), "%08x\n", crc32(text, size - 9));
	memcpy(text + size - 9, hex, 9);
}

static uint32_t lines_of(const char *text, size_t size)
{
	uint32_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += text[i] == '\n';
	return n;
}

static struct qos_learn *registry(uint32_t max, uint32_t per_teacher)
{
	const struct qos_learn_params p = { max, per_teacher, 0 };
	struct qos_learn *l;

	if (qos_learn_create(&p, &l) < 0)
		abort();
	return l;
}

static void same_again(const struct qos_learn *l, const char *text, size_t size)
{
	size_t again_size;
	char *again;

	if (qos_learn_write(l, &again, &again_size) < 0)
		abort();
	assert(again_size == size && memcmp(again, text, size) == 0);
	free(again);
}

static void small(const char *text, size_t size)
{
	struct qos_learn *l = registry(3, 2);
	struct qos_learn_counts c;
	uint32_t line;

	assert(qos_learn_read(l, text, size, &line) == 0);
	qos_learn_counts(l, &c);
	assert(c.now <= 3);
	qos_learn_destroy(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qos_learn_counts c;
	struct qos_learn *l;
	uint32_t line;
	char *text;

	if (size < 1)
		return 0;
	size--;
	text = malloc(size == 0 ? 1 : size); // exactly: a byte too far is seen
	assert(text != NULL);
	memcpy(text, data + 1, size);
	if ((data[0] & 1) != 0)
		mend(text, size);
	l = registry(QOS_LEARNT_MAX, QOS_LEARNT_MAX);
	if (qos_learn_read(l, text, size, &line) == 0) {
		assert(line == 0);
		same_again(l, text, size);
		small(text, size);
	} else {
		qos_learn_counts(l, &c);
		assert(c.now == 0 && line >= 1 && line <= lines_of(text, size) + 1);
	}
	qos_learn_destroy(l);
	free(text);
	return 0;
}
