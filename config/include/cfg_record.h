// The records that keep a configuration across restarts: one commit, and the confirmed commit that
// waits.
//
// A commit is a text header, an empty line and the configuration as it is; a person can read it:
//
//	weir-commit 1
//	id: 42
//	time: 2026-11-22T08:07:01Z
//	user: root
//	client: netconf
//	comment: new uplink
//	file-crc: 0badcafe
//	size: 812
//	crc32: 5d1f0c7e
//
//	{ "ietf-interfaces:interfaces": ...
//
// crc32 covers all lines before it, and the body. file-crc is "none" where no file was read. In
// user, client, comment and persist-id a control character or a backslash stands as \xNN, so no
// byte of theirs can end a line. There is exactly one way to write a record: the reader refuses
// all others, and what it accepts, written again, is the same bytes.
//
//	n = cfg_commit_head_write(&h, json, size, head, &err);	then head[n], then json[size]
//	rc = cfg_commit_read(bytes, size, &h, &json_at, &err);
//
// Pure; any thread.
// Source: RFC 3339 (time), IEEE 802.3 (the polynomial of crc32).
#ifndef CFG_RECORD_H
#define CFG_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cfg_config.h"

#define CFG_RECORD_HEAD_MAX 2048	// bytes of a header, the empty line included
#define CFG_COMMIT_ID_MAX 9999999999ull // ten digits: the name of its file

// Texts are NUL-terminated.
struct cfg_commit_head {
	uint64_t id;	// 1..CFG_COMMIT_ID_MAX
	int64_t time_s; // since 1970, UTC; years 1970..9999
	char user[64];
	char client[24];
	char comment[256];
	uint32_t file_crc; // of the operator's file when it was read last
	bool has_file_crc;
};

// A confirmed commit that waits for its confirmation.
struct cfg_pending {
	uint64_t backup;      // the commit to go back to
	uint64_t first, last; // the commits that are not confirmed; backup < first <= last
	uint64_t deadline_ms; // since 1970
	uint64_t timeout_ms;
	char persist_id[256]; // empty = bound to the session
	char user[64];
	uint32_t session;
};

// CRC-32 of IEEE 802.3. crc: 0, or the result over the bytes before these
uint32_t cfg_crc32(uint32_t crc, const void *data, size_t size);

// Write the header of a commit.
//
// json, size  the body that will follow; 1..CFG_FILE_MAX bytes
// head        out: as many bytes as returned, not NUL-terminated
// returns     bytes of the header, the empty line included; -EINVAL with err filled = a field has
//             no written form
int cfg_commit_head_write(const struct cfg_commit_head *h, const char *json, size_t size,
			  char head[CFG_RECORD_HEAD_MAX], struct cfg_error *err);

// Read a commit, whole.
//
// json_at  out: where in bytes the body begins; it reaches to their end
// returns  0; -EINVAL with err naming line and reason, the outputs undefined
int cfg_commit_read(const char *bytes, size_t size, struct cfg_commit_head *h, size_t *json_at,
		    struct cfg_error *err);

// Read only the header, for a list: the body is not looked at, so the checksum is not checked.
//
// bytes    the first bytes of the file: min(file_size, CFG_RECORD_HEAD_MAX) of them
// returns  0; -EINVAL with err filled, also where file_size does not fit the header
int cfg_commit_head_read(const char *bytes, uint64_t file_size, struct cfg_commit_head *h,
			 struct cfg_error *err);

// returns the bytes written to out; -EINVAL with err filled
int cfg_pending_write(const struct cfg_pending *p, char out[CFG_RECORD_HEAD_MAX],
		      struct cfg_error *err);
// returns 0; -EINVAL with err naming line and reason
int cfg_pending_read(const char *bytes, size_t size, struct cfg_pending *p, struct cfg_error *err);

#endif
