// Writing RFC 7951 JSON: one growing buffer, commas and escapes taken care of. 64-bit numbers are
// strings there (section 6.1), so there are two calls for numbers.
//
//   cfg_json_init(&j); cfg_json_open(&j, NULL, '{'); cfg_json_str(&j, "name", "vm1");
//   cfg_json_close(&j, '}'); if (j.failed) ... ; use j.buf, j.size; cfg_json_fini(&j);
#ifndef CFG_JSON_H
#define CFG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfg_json {
	char *buf;
	size_t size, cap;
	bool failed; // out of memory; all calls after that do nothing
	bool comma;
};

void cfg_json_init(struct cfg_json *j);
void cfg_json_fini(struct cfg_json *j);
// Open an object '{' or a list '['. key is NULL inside lists and at the top.
void cfg_json_open(struct cfg_json *j, const char *key, char what);
void cfg_json_close(struct cfg_json *j, char what);
void cfg_json_str(struct cfg_json *j, const char *key, const char *value);
void cfg_json_bool(struct cfg_json *j, const char *key, bool value);
void cfg_json_u32(struct cfg_json *j, const char *key, uint32_t value);
void cfg_json_u64(struct cfg_json *j, const char *key, uint64_t value); // as a string

#endif
