// One error of an operation that a person asked for: which object, which value, why.
#ifndef WEIR_ERR_H
#define WEIR_ERR_H

#include <stdint.h>

struct weir_err {
	char text[256]; // "port vm3: socket /run/weir/vm3.sock: path longer than 107 bytes"
};

// Fill err (may be NULL) and return `code` (a negative errno), so callers can return the call.
int weir_err_set(struct weir_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
