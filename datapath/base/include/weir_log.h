// Log lines of the main, boot and vhost threads. Workers never log.
//
// Form: object, what failed, value, reason: "port vm3: set-mtu 9216: exceeds pool segment 2176".
// Levels: error = an operator must act; warning = degraded, continuing; notice = state change;
// info = steps; debug = anything, off by default.
// Guest- or peer-triggered lines go through weir_log_limited(), which counts what it leaves out.
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stdarg.h>
#include <stdint.h>

enum weir_level {
	WEIR_ERROR = 3, // the numbers are syslog's, as sd-daemon(3) wants them
	WEIR_WARNING = 4,
	WEIR_NOTICE = 5,
	WEIR_INFO = 6,
	WEIR_DEBUG = 7,
};

// Lines above this level are left out. thread: main, at start and on reconfiguration.
void weir_log_set_level(enum weir_level level);

// Write one line to standard error; control characters and non-ASCII bytes in it are shown as \xNN,
// so bytes of a guest cannot forge a line. Under systemd the line carries its level as "<N>".
// thread   any but workers
void weir_log(enum weir_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// State of one rate-limited message; zero-initialise, one per call site or object.
struct weir_limit {
	uint64_t window_s;
	uint32_t n_in_window;
	uint32_t n_left_out;
};

// As weir_log, at most 5 lines per 10 s of `limit`; the next line that passes says how many did
// not. thread   the one thread that owns limit
void weir_log_limited(struct weir_limit *limit, enum weir_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
