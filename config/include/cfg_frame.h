// NETCONF message framing over a byte stream, both kinds: the end-of-message mark of base:1.0 and
// the chunks of base:1.1.
//
// Bytes go in as they come, in pieces of any size; messages come out whole. The reader holds at
// most one message, and never more than the limit it was given. A stream that breaks the rules
// stays broken: the session must end.
//
//	cfg_frame_init(&f, CFG_FRAME_MAX);
//	while (size > 0) {
//		rc = cfg_frame_take(&f, data, size, &used);
//		data += used; size -= used;
//		if (rc > 0) { ...f.msg, f.size...; cfg_frame_next(&f); }
//	}
//
// Pure; one thread at a time per reader.
// Source: RFC 6242 sections 4.2 and 4.3.
#ifndef CFG_FRAME_H
#define CFG_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Largest message taken, bytes: as large as a configuration may be (CFG_FILE_MAX). 4,096 ports in
// XML are 1.2 MiB; the main loop waits while one message is read.
#define CFG_FRAME_MAX (8u << 20)

struct cfg_frame {
	char *msg; // the message so far; NUL-terminated when complete
	size_t size, cap, max;
	bool chunked; // base:1.1, after both hellos
	bool complete;
	int error;	     // a refusal stays
	uint8_t state;	     // of the chunk header
	uint32_t chunk_left; // bytes of the chunk that are still to come
	uint64_t chunk_size; // digits so far
	uint8_t n_digits;
};

void cfg_frame_init(struct cfg_frame *f, size_t max);
void cfg_frame_fini(struct cfg_frame *f);

// Take bytes until a message is complete or there are no more.
//
// data, size  what arrived
// used        out: how many bytes were taken
// returns     1 = f->msg[f->size] is a message, call cfg_frame_next() before taking more; 0 = more
// must come;
//             -EBADMSG = not the framing that was agreed on; -EMSGSIZE = larger than the limit;
//             -ENOMEM
int cfg_frame_take(struct cfg_frame *f, const char *data, size_t size, size_t *used);
void cfg_frame_next(struct cfg_frame *f);

#endif
