// What a controller may send: hellos, messages whole and in pieces, and anything else, on two
// connections of one agent. The first byte chooses who they are; then each piece begins with its
// length and what happens beside it. Invariants: never more is taken than was given, output is
// whole messages as far as their headers say, and what is over takes nothing.
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "of_stub.h"

static struct dp_of dp;

// Takes what may be taken; the output is a row of messages.
static void read_out(struct of_conn *c, uint8_t much)
{
	size_t size;
	const uint8_t *out = of_conn_output(c, &size);

	// Whoever reads takes whole messages here, so the next look begins with a header.
	for (size_t at = 0; at < size && much > 0; much--) {
		size_t n;

		assert(size - at >= 8);
		n = (size_t)out[at + 2] << 8 | out[at + 3];
		assert(n >= 8 && n <= size - at);
		of_conn_sent(c, n);
		out = of_conn_output(c, &size);
		at = 0;
	}
}

static void piece(struct of_conn *c, const uint8_t *bytes, size_t n, uint64_t now)
{
	bool over = of_conn_over(c), wants = of_conn_wants_input(c);
	int took = of_conn_input(c, bytes, n, now);

	assert(took == -EPROTO || (took >= 0 && (size_t)took <= n));
	assert(!over || took == -EPROTO);
	assert(wants || took <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct of_agent_params p = { .of = &dp, .loss_s = 3 };
	struct of_conn *c[2];
	struct of_agent *a;
	struct weir_err err;
	uint64_t now = 1000000000;

	if (size == 0)
		return 0;
	memset(&dp, 0, sizeof(dp));
	of_stub_reset();
	p.fail_mode = data[0] & 1;
	assert(of_agent_create(&p, &a, &err) == 0);
	for (int i = 0; i < 2; i++) {
		const struct of_conn_params cp = { .service = (data[0] >> (1 + i)) & 1,
						   .allow_14 = (data[0] >> (3 + i)) & 1,
						   .probe_s = 2 };

		assert(of_conn_open(a, &cp, now, &c[i]) == 0);
	}
	of_stub.reply_size = data[0] & 32 ? 70000 : 64;
	for (size_t at = 1; at + 2 <= size;) {
		uint8_t what = data[at];
		size_t n = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;

		dp.settled = what & 2 ? dp.version : dp.settled;
		piece(c[what & 1], data + at + 2, n, now);
		at += 2 + n;
		now += (uint64_t)(what >> 4) * 100000000;
		if (what & 4)
			of_agent_tick(a, now);
		if (what & 8)
			read_out(c[what & 1], what >> 4);
	}
	of_conn_close(c[0]);
	of_conn_close(c[1]);
	of_agent_destroy(a);
	return 0;
}
