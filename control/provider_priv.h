// Inside of provider.c: the process of a provider, and what may be an answer of one.
#ifndef PROVIDER_PRIV_H
#define PROVIDER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// One object of RFC 8259 and white space around it, nothing else: at most 16 deep, UTF-8 without
// control characters. An answer that passes can be put into a larger text as it is.
//
// returns  NULL, or the reason why not
const char *ctl_answer_check(const char *text, size_t size);

// Between SIGTERM and SIGKILL; tests have less time.
extern double ctl_provider_kill_after_s;

struct ctl_child {
	pid_t pid;    // also its process group
	int out, err; // our ends, non-blocking
};

// Start a program: `input` on its standard input, nothing but the three standard descriptors open,
// "/" its directory, four variables its environment, a process group of its own.
//
// argv     argv[0] is an absolute path
// size     of input, at most 4,096: it is written before the program starts, and fits any pipe
// returns  0; a negative errno: *c is unchanged
int ctl_child_start(const char *const *argv, const char *input, size_t size, struct ctl_child *c);

#endif
