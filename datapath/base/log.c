#include "weir_log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static _Atomic int max_level = WEIR_INFO;

void weir_log_set_level(enum weir_level level)
{
	atomic_store(&max_level, (int)level);
}

static const char *prefix(enum weir_level level, char buf[8])
{
	static const char *const words[] = {
		"", "", "", "error: ", "warning: ", "", "", "debug: "
	};

	if (getenv("JOURNAL_STREAM") == NULL)
		return words[level];
	snprintf(buf, 8, "<%d>", (int)level);
	return buf;
}

// One write(2) per line, so lines of several threads do not mix.
static void emit(enum weir_level level, const char *text)
{
	char line[2048], buf[8];
	int n = snprintf(line, sizeof(line), "weir: %s", prefix(level, buf));

	if (getenv("JOURNAL_STREAM") != NULL)
		n = snprintf(line, sizeof(line), "%s", prefix(level, buf));
	for (const char *p = text; *p != '\0' && n < (int)sizeof(line) - 6; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			n += snprintf(line + n, 5, "\\x%02x", (unsigned char)*p);
		else
			line[n++] = *p;
	}
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; // nowhere left to say it
}

void weir_log(enum weir_level level, const char *fmt, ...)
{
	char text[1800];
	va_list ap;

	if ((int)level > atomic_load_explicit(&max_level, memory_order_relaxed))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(level, text);
}

void weir_log_limited(struct weir_limit *limit, enum weir_level level, const char *fmt, ...)
{
	char text[1700], more[1800];
	struct timespec ts;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	if ((uint64_t)ts.tv_sec - limit->window_s >= 10) {
		limit->window_s = (uint64_t)ts.tv_sec;
		limit->n_in_window = 0;
	}
	if (limit->n_in_window >= 5) {
		limit->n_left_out++;
		return;
	}
	limit->n_in_window++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (limit->n_left_out > 0) {
		snprintf(more, sizeof(more), "%s (%u more like this were left out)", text,
			 limit->n_left_out);
		limit->n_left_out = 0;
		weir_log(level, "%s", more);
		return;
	}
	weir_log(level, "%s", text);
}
