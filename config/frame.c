// See cfg_frame.h.
#include "cfg_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_CAP = 4096,
	KEPT_CAP = 1 << 16, // after a message; what a large one took is given back
	MARK_SIZE = 6,	    // ]]>]]>
	DIGITS_MAX = 10,
};

// Of a chunk's header: LF # digits LF, or LF # # LF.
enum state {
	AT_LF,
	AT_HASH,
	AT_FIRST, // a digit, or the second hash of the end
	AT_DIGITS,
	AT_END_LF,
	IN_CHUNK,
};

static const char mark[MARK_SIZE + 1] = "]]>]]>";

void cfg_frame_init(struct cfg_frame *f, size_t max)
{
	memset(f, 0, sizeof(*f));
	f->max = max;
}

void cfg_frame_fini(struct cfg_frame *f)
{
	free(f->msg);
	f->msg = NULL;
}

void cfg_frame_next(struct cfg_frame *f)
{
	f->size = 0;
	f->complete = false;
	if (f->cap > KEPT_CAP) {
		free(f->msg);
		f->msg = NULL;
		f->cap = 0;
	}
	f->state = AT_LF;
}

static int append(struct cfg_frame *f, const char *data, size_t size)
{
	if (size > f->max - f->size)
		return -EMSGSIZE;
	if (f->size + size + 1 > f->cap) {
		size_t cap = f->cap == 0 ? FIRST_CAP : f->cap;
		char *msg;

		while (cap < f->size + size + 1)
			cap *= 2;
		msg = realloc(f->msg, cap);
		if (msg == NULL)
			return -ENOMEM;
		f->msg = msg;
		f->cap = cap;
	}
	memcpy(f->msg + f->size, data, size);
	f->size += size;
	f->msg[f->size] = '\0';
	return 0;
}

// base:1.0: everything up to the mark. The mark may be cut anywhere between two calls.
static int take_marked(struct cfg_frame *f, const char *data, size_t size, size_t *used)
{
	const char *end;
	size_t n;
	int rc;

	*used = 0;
	while (*used < size) {
		end = memchr(data + *used, '>', size - *used);
		n = end == NULL ? size - *used : (size_t)(end - data) - *used + 1;
		rc = append(f, data + *used, n);
		if (rc < 0)
			return rc;
		*used += n;
		if (f->size >= MARK_SIZE &&
		    memcmp(f->msg + f->size - MARK_SIZE, mark, MARK_SIZE) == 0) {
			f->size -= MARK_SIZE;
			f->msg[f->size] = '\0';
			f->complete = true;
			return 1;
		}
	}
	return 0;
}

// One byte of a chunk's header. returns 0; 1 = the message has ended; -EBADMSG
static int header_byte(struct cfg_frame *f, char c)
{
	switch (f->state) {
	case AT_LF:
		f->state = AT_HASH;
		return c == '\n' ? 0 : -EBADMSG;
	case AT_HASH:
		f->state = AT_FIRST;
		f->chunk_size = 0;
		f->n_digits = 0;
		return c == '#' ? 0 : -EBADMSG;
	case AT_FIRST:
		if (c == '#') {
			f->state = AT_END_LF;
			return 0;
		}
		if (c < '1' || c > '9') // RFC 6242: no leading zero
			return -EBADMSG;
		f->state = AT_DIGITS;
		break;
	case AT_DIGITS:
		if (c == '\n') {
			f->state = IN_CHUNK;
			f->chunk_left = (uint32_t)f->chunk_size;
			return 0;
		}
		if (c < '0' || c > '9')
			return -EBADMSG;
		break;
	default: // AT_END_LF
		return c == '\n' ? 1 : -EBADMSG;
	}
	f->chunk_size = f->chunk_size * 10 + (uint64_t)(c - '0');
	return ++f->n_digits > DIGITS_MAX || f->chunk_size > UINT32_MAX ? -EBADMSG : 0;
}

static int take_chunked(struct cfg_frame *f, const char *data, size_t size, size_t *used)
{
	int rc;

	*used = 0;
	while (*used < size) {
		if (f->state == IN_CHUNK) {
			size_t n = size - *used < f->chunk_left ? size - *used : f->chunk_left;

			rc = append(f, data + *used, n);
			if (rc < 0)
				return rc;
			*used += n;
			f->chunk_left -= (uint32_t)n;
			if (f->chunk_left == 0)
				f->state = AT_LF;
			continue;
		}
		rc = header_byte(f, data[(*used)++]);
		if (rc < 0)
			return rc;
		// An end without a chunk before it is no message (RFC 6242 section 4.2: 1*chunk).
		if (rc > 0 && f->size == 0)
			return -EBADMSG;
		if (rc > 0) {
			f->complete = true;
			return 1;
		}
	}
	return 0;
}

int cfg_frame_take(struct cfg_frame *f, const char *data, size_t size, size_t *used)
{
	int rc = f->error;

	*used = 0;
	if (rc == 0)
		rc = f->chunked ? take_chunked(f, data, size, used)
				: take_marked(f, data, size, used);
	if (rc < 0)
		f->error = rc;
	return rc;
}
