// The codec as a filter, for tests/lib/of_decoders.py.
//
//   weir-of-recode                         per line of hex on stdin: what it says as JSON, and
//   "same"
//                                          or "differs": it was taken apart and written again
//   weir-of-recode random VERSION SEED N   N random messages of each type as hex
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "of13.h"
#include "of_random.h"

static _Alignas(8) uint8_t parts[OF_SCRATCH];

static size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned v;

	for (; n < cap && sscanf(hex, "%2x", &v) == 1; hex += 2)
		out[n++] = (uint8_t)v;
	return n;
}

static bool comes_back(const uint8_t *msg, size_t size)
{
	struct of_wire_error e;
	const struct of_desc *d = of_identify(msg, size, &e);
	struct of_buf b = { 0 };
	bool same = d && !of_get_message(d, msg, size, parts, &e) &&
		    of_lists_hold(d, parts, msg[0], true) && !of_put_message(&b, d, parts) &&
		    b.size == size && !memcmp(b.data, msg, size);

	of_buf_fini(&b);
	return same;
}

static int filter(void)
{
	static uint8_t msg[OF_MSG_MAX];
	static char text[1 << 20];
	char *line = NULL;
	size_t cap = 0;

	while (getline(&line, &cap, stdin) > 0) {
		size_t size = unhex(line, msg, sizeof(msg));
		if (of_print_message(msg, size, (struct of_text){ text, sizeof(text), false }) >=
		    sizeof(text))
			return 1;
		printf("%s\n%s\n", text, comes_back(msg, size) ? "same" : "differs");
	}
	free(line);
	return 0;
}

static int random_messages(uint8_t version, uint64_t seed, int n)
{
	static struct of_random r;
	struct of_buf b = { 0 };

	r.state = seed;
	r.version = version;
	r.known = true;
	for (uint32_t i = 0; i < of13_n_messages * (uint32_t)n; i++) {
		const struct of_desc *d = of13_messages[i % of13_n_messages];
		if (!of_applies(d->since, d->before, version))
			continue;
		of_random_reset(&r);
		of_random_fill(&r, d, parts);
		b.size = 0;
		if (of_put_message(&b, d, parts))
			return 1;
		for (size_t k = 0; k < b.size; k++)
			printf("%02x", b.data[k]);
		printf("\n");
	}
	of_random_reset(&r);
	of_buf_fini(&b);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return filter();
	if (argc == 5 && !strcmp(argv[1], "random"))
		return random_messages((uint8_t)strtoul(argv[2], NULL, 0),
				       strtoull(argv[3], NULL, 0) | 1,
				       (int)strtol(argv[4], NULL, 0));
	fprintf(stderr, "usage: %s [random VERSION SEED N]\n", argv[0]);
	return 2;
}
