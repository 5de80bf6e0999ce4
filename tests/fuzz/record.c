// Records of commits and of what waits. Bit 0 of the first byte: mend the checksum, or nothing
// would get past it; bit 1: a pending record. Invariant: what is accepted, written again, is the
// same bytes.
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Put the right checksum where the first crc32 line stands.
static void mend(char *bytes, size_t size)
{
	char *line = memmem(bytes, size, "\ncrc32: ", 8), hex[9];
	size_t at = line == NULL ? 0 : (size_t)(line - bytes) + 1;
	uint32_t crc;

	if (line == NULL || size - at < 17)
		return;
	crc = cfg_crc32(cfg_crc32(0, bytes, at), bytes + at + 17, size - at - 17);
	snprintf(hex, sizeof(hex), "%08x", crc);
	memcpy(bytes + at + 7, hex, 8);
}

static void commit(const char *bytes, size_t size)
{
	char head[CFG_RECORD_HEAD_MAX];
	struct cfg_commit_head h, again;
	struct cfg_error err;
	size_t at;
	int n;

	if (cfg_commit_read(bytes, size, &h, &at, &err) < 0) {
		assert(err.reason[0] != '\0');
		return;
	}
	n = cfg_commit_head_write(&h, bytes + at, size - at, head, &err);
	assert(n > 0 && (size_t)n == at && memcmp(head, bytes, (size_t)n) == 0);
	assert(cfg_commit_head_read(bytes, size, &again, &err) == 0);
	assert(memcmp(&h, &again, sizeof(h)) == 0);
}

static void pending(const char *bytes, size_t size)
{
	char out[CFG_RECORD_HEAD_MAX];
	struct cfg_pending p;
	struct cfg_error err;
	int n;

	if (cfg_pending_read(bytes, size, &p, &err) < 0) {
		assert(err.reason[0] != '\0');
		return;
	}
	n = cfg_pending_write(&p, out, &err);
	assert(n > 0 && (size_t)n == size && memcmp(out, bytes, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes;

	if (size < 1)
		return 0;
	bytes = malloc(size == 1 ? 1 : size - 1); // exactly: a byte too far is seen
	assert(bytes != NULL);
	memcpy(bytes, data + 1, size - 1);
	if ((data[0] & 1) != 0)
		mend(bytes, size - 1);
	if ((data[0] & 2) != 0)
		pending(bytes, size - 1);
	else
		commit(bytes, size - 1);
	free(bytes);
	return 0;
}
