// A monitor that says anything, in pieces of any size: nothing is read outside, kept beyond its
// cap, or made up; and how the pieces were cut changes nothing.
#include <stdlib.h>
#include <string.h>

#include "qmp_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t words;
	size_t n;
};

static void add(struct sum *sum, const struct qmp_said *s)
{
	char ask[256];

	if (s->kind == QMP_NOTHING)
		return;
	if (s->n_events > 2 || (s->kind == QMP_LIFE) != (s->n_events > 0) ||
	    s->kind > QMP_REFUSED || memchr(s->text, '\0', sizeof(s->text)) == NULL)
		abort();
	for (uint8_t i = 0; i < s->n_events; i++) {
		// Only what QEMU can know of.
		if (s->events[i] >= LIFE_EV_STOPPED && s->events[i] != LIFE_EV_RECONNECT)
			abort();
	}
	for (const char *p = s->text; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~')
			abort();
	}
	if (s->kind == QMP_FILTER)
		(void)ctl_qmp_filter_ask(s->text, ask, sizeof(ask));
	sum->n++;
	sum->words = sum->words * 31 + s->kind * 64u + s->n_events + s->events[0] * 7u +
		     (uint8_t)s->text[0];
}

static struct sum read_all(const uint8_t *data, size_t size, size_t step)
{
	struct qmp_reader r;
	struct qmp_said s;
	struct sum sum = { 0 };

	ctl_qmp_reader_init(&r);
	for (size_t from = 0; from < size; from += step) {
		const size_t part = size - from < step ? size - from : step;
		char *bytes = malloc(part);

		if (bytes == NULL)
			abort();
		memcpy(bytes, data + from, part);
		for (size_t at = 0; at < part;) {
			const size_t took = ctl_qmp_reader_take(&r, bytes + at, part - at, &s);

			if (took == 0 || took > part - at || r.size > QMP_LINE_BYTES)
				abort();
			at += took;
			add(&sum, &s);
		}
		free(bytes);
	}
	ctl_qmp_reader_fini(&r);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t step = size == 0 ? 1 : 1 + data[0] % 61;
	const struct sum whole = read_all(data, size, size == 0 ? 1 : size);
	const struct sum cut = read_all(data, size, step);

	if (whole.n != cut.n || whole.words != cut.words)
		abort();
	return 0;
}
