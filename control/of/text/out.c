// Text that grows to a limit.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text_priv.h"

enum { TEXT_MAX = 16 << 20 };

void of_text_fini(struct of_text *t)
{
	free(t->buf);
	*t = (struct of_text){ .max = t->max };
}

static bool room(struct of_text *t, size_t more)
{
	size_t max = t->max == 0 ? TEXT_MAX : t->max, cap = t->cap == 0 ? 256 : t->cap;
	char *buf;

	if (t->failed || more >= max - t->size) {
		t->failed = true;
		return false;
	}
	while (cap <= t->size + more)
		cap *= 2;
	if (cap == t->cap)
		return true;
	buf = realloc(t->buf, cap);
	if (buf == NULL) {
		t->failed = true;
		return false;
	}
	t->buf = buf;
	t->cap = cap;
	return true;
}

void of_text_put(struct of_text *t, const char *s)
{
	size_t n = strlen(s);

	if (!room(t, n))
		return;
	memcpy(t->buf + t->size, s, n + 1);
	t->size += n;
}

void of_text_printf(struct of_text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !room(t, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(t->buf + t->size, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->size += (size_t)n;
}
