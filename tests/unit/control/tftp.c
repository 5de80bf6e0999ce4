// TFTP, transfer by transfer: what goes to whom, and how often.
#include <stdio.h>
#include <time.h>

#include "../unit.h"
#include "boot_responder.h"

enum { ASKED_FROM = 2000, FRAME = 42, KEPT = 64, N_PORTS = BOOT_TRANSFERS + 88 };

// The last frames that were sent.
struct wire {
	uint32_t n;
	uint64_t bytes;
	struct {
		uint8_t b[BOOT_FRAME_MAX];
		size_t size;
	} frames[KEPT];
};

static struct wire wire;
static uint32_t failed_events;

static void on_send(void *ctx, const struct boot_client *c, const uint8_t *frame, size_t size)
{
	(void)ctx;
	(void)c;
	memcpy(wire.frames[wire.n % KEPT].b, frame, size);
	wire.frames[wire.n % KEPT].size = size;
	wire.n++;
	wire.bytes += size;
}

static void on_event(void *ctx, const struct boot_event *e)
{
	(void)ctx;
	failed_events += e->kind == BOOT_EV_TFTP_FAILED;
}

static uint32_t room; // on the wire

static bool on_fits(void *ctx, uint32_t n)
{
	(void)ctx;
	return n <= room && wire.n <= room - n;
}

static struct boot_table *table_make(size_t file_size, uint32_t n_ports)
{
	struct boot_table *t = calloc(1, sizeof(*t));

	t->clients = calloc(n_ports, sizeof(*t->clients));
	t->n_clients = n_ports;
	for (uint32_t i = 0; i < n_ports; i++)
		t->clients[i] = (struct boot_client){ .port = i,
						      .gen = 1,
						      .mtu = 1500,
						      .prefix_len = 16,
						      .mac = { 2, 0, 0, 0, 0, 1 },
						      .ip = { 10, 0, 0, 5 },
						      .service_ip = { 10, 0, 0, 2 },
						      .method = BOOT_KERNEL,
						      .pool = -1,
						      .transfers = 4,
						      .n_files = 1 };
	t->files = calloc(1, sizeof(*t->files));
	t->n_files = 1;
	strcpy(t->files[0].name, "k");
	t->files[0].size = file_size;
	t->files[0].data = malloc(file_size + 1);
	memset((void *)(uintptr_t)t->files[0].data, 0, file_size + 1); // pages of its own
	return t;
}

static struct boot_responder *make(size_t file_size, uint32_t n_ports)
{
	const struct boot_out out = { .send = on_send, .event = on_event, .fits = on_fits };
	struct boot_responder *r;

	memset(&wire, 0, sizeof(wire));
	failed_events = 0;
	room = UINT32_MAX;
	assert_int_equal(boot_create(&out, &r), 0);
	boot_set_table(r, table_make(file_size, n_ports));
	return r;
}

struct from {
	uint32_t port;
	uint16_t sport, dport;
	uint64_t now_ns;
};

// returns the size of the frame
static size_t feed(struct boot_responder *r, struct from f, const void *load, size_t size)
{
	static const uint8_t head[] = "\x02\x77\x65\x69\x72\x01\x02\0\0\0\0\1\x08\0\x45\0\0\0\0\0\0"
				      "\0\x40\x11\0\0\x0a\0\0\5\x0a\0\0\2";
	uint8_t b[700];

	memcpy(b, head, 34);
	b[16] = (uint8_t)((28 + size) >> 8);
	b[17] = (uint8_t)(28 + size);
	b[34] = (uint8_t)(f.sport >> 8);
	b[35] = (uint8_t)f.sport;
	b[36] = (uint8_t)(f.dport >> 8);
	b[37] = (uint8_t)f.dport;
	b[38] = (uint8_t)((8 + size) >> 8);
	b[39] = (uint8_t)(8 + size);
	b[40] = b[41] = 0;
	memcpy(b + FRAME, load, size);
	boot_input(r, &(struct boot_frame){ f.port, 1, b, FRAME + size, f.now_ns });
	return FRAME + size;
}

// A request for "k" with options as "name value name value"; "" = none.
static size_t ask(struct boot_responder *r, struct from f, const char *options)
{
	uint8_t b[256] = "\0\1k\0octet";
	size_t at = 10;

	for (const char *p = options; *p != '\0'; p++)
		b[at++] = *p == ' ' ? 0 : (uint8_t)*p;
	if (at > 10)
		b[at++] = 0;
	f.dport = 69;
	return feed(r, f, b, at);
}

static size_t ack(struct boot_responder *r, struct from f, uint64_t block)
{
	const uint8_t b[4] = { 0, 4, (uint8_t)(block >> 8), (uint8_t)block };

	return feed(r, f, b, sizeof(b));
}

static const uint8_t *last(void)
{
	return wire.frames[(wire.n - 1) % KEPT].b + FRAME;
}

static uint16_t last_port(void)
{
	const uint8_t *f = wire.frames[(wire.n - 1) % KEPT].b;

	return (uint16_t)(f[34] << 8 | f[35]);
}

static uint32_t block_of(uint32_t i)
{
	const uint8_t *p = wire.frames[i % KEPT].b + FRAME;

	return p[1] == 3 ? (uint32_t)(p[2] << 8 | p[3]) : UINT32_MAX;
}

static void take_all(size_t file_size, const char *options, uint32_t block_size, uint32_t window)
{
	struct boot_responder *r = make(file_size, 1);
	struct from f = { 0, ASKED_FROM, BOOT_TID_FIRST, 1 };
	uint64_t got = 0, blocks = 0, bytes = 0, n;

	ask(r, f, options);
	n = options[0] == '\0' ? 0 : wire.n;
	if (options[0] != '\0')
		ack(r, f, 0);
	do {
		assert_true(wire.n - n <= window && wire.n > n);
		for (; n < wire.n; n++) {
			assert_int_equal(block_of((uint32_t)n), (blocks + 1) & 0xffff);
			blocks++;
			got = wire.frames[n % KEPT].size - FRAME - 4;
			bytes += got;
		}
		ack(r, f, blocks);
	} while (got == block_size);
	assert_int_equal(bytes, file_size);
	assert_int_equal(blocks, file_size / block_size + 1);
	assert_int_equal(boot_counters(r)->tftp_done, 1);
	assert_int_equal(boot_counters(r)->tftp_repeats, 0);
	assert_int_equal(failed_events, 0);
	boot_destroy(r);
}

static void large_files_go_past_the_last_block_number(void **state)
{
	(void)state;
	take_all(72u << 20, "", 512, 1);
	take_all(72u << 20, "blksize 1468 windowsize 32", 1468, 32);
	take_all(72u << 20, "blksize 512 windowsize 7", 512, 7);
}

static void every_size_around_a_block_ends_with_a_short_one(void **state)
{
	(void)state;
	for (size_t size = 0; size < 1100; size += 1 + (size % 512 > 5 && size % 512 < 500) * 100)
		take_all(size, "blksize 512 windowsize 2", 512, 2);
}

static void options_have_bounds(void **state)
{
	static const struct {
		const char *asked, *answered;
	} rows[] = {
		{ "blksize 7", NULL },
		{ "blksize 8", "blksize 8" },
		{ "blksize 1468", "blksize 1468" },
		{ "blksize 65464", "blksize 1468" },
		{ "blksize 65465", NULL },
		{ "blksize -1", NULL },
		{ "blksize 512x", NULL },
		{ "blksize ", NULL },
		{ "BLKSIZE 600 blksize 700", "blksize 600" },
		{ "tsize 0", "tsize 9000" },
		{ "timeout 0", NULL },
		{ "timeout 255", "timeout 255" },
		{ "timeout 256", NULL },
		{ "windowsize 0", NULL },
		{ "windowsize 65535", "windowsize 32" },
		{ "windowsize 65536", NULL },
		{ "multicast 1 tsize 0", "tsize 9000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct boot_responder *r = make(9000, 1);
		char want[64] = { 0, 6 };
		size_t n = 2;

		ask(r, (struct from){ 0, ASKED_FROM, 0, 1 }, rows[i].asked);
		assert_int_equal(wire.n, 1);
		if (rows[i].answered == NULL) {
			assert_int_equal(last()[1], 3); // as without it: the first block
		} else {
			for (const char *p = rows[i].answered; *p != '\0'; p++)
				want[n++] = *p == ' ' ? 0 : *p;
			assert_int_equal(wire.frames[0].size, FRAME + n + 1);
			assert_memory_equal(last(), want, n + 1);
		}
		boot_destroy(r);
	}
}

// Firmware that wants to know the size asks, and ends the transfer with an error.
static void the_size_is_told_and_the_transfer_ended(void **state)
{
	struct boot_responder *r = make(9000, 1);
	struct from f = { 0, ASKED_FROM, BOOT_TID_FIRST, 1 };

	(void)state;
	for (int i = 0; i < 10; i++) {
		f.sport++;
		ask(r, f, "tsize 0 blksize 1468 windowsize 4");
		assert_int_equal(last_port(), BOOT_TID_FIRST); // the slot was free again
		feed(r, f, "\0\5\0\0User aborted", 17);
	}
	boot_tick(r, 1000000000000u);
	assert_int_equal(wire.n, 10);
	assert_int_equal(failed_events, 0);
	boot_destroy(r);
}

static void only_the_lost_part_of_a_window_goes_again(void **state)
{
	struct boot_responder *r = make(100000, 1);
	struct from f = { 0, ASKED_FROM, BOOT_TID_FIRST, 1 };

	(void)state;
	ask(r, f, "windowsize 8");
	ack(r, f, 0); // 1..8
	assert_int_equal(wire.n, 1 + 8);
	ack(r, f, 5); // 6 was lost: 6..13
	assert_int_equal(wire.n, 1 + 16);
	assert_int_equal(block_of(9), 6);
	assert_int_equal(block_of(16), 13);
	ack(r, f, 5); // 8 came out of order, too: nothing
	ack(r, f, 5);
	assert_int_equal(wire.n, 1 + 16);
	ack(r, f, 13); // 14..21
	assert_int_equal(wire.n, 1 + 24);
	ack(r, f, 13); // 14 was lost: again, once
	ack(r, f, 13);
	assert_int_equal(wire.n, 1 + 32);
	assert_int_equal(block_of(25), 14);
	ack(r, f, 3);  // old
	ack(r, f, 40); // never sent
	assert_int_equal(wire.n, 1 + 32);
	boot_destroy(r);
}

// The sorcerer's apprentice: with a window of one, an ACK that comes twice sends nothing twice.
static void an_ack_that_comes_twice_sends_nothing_twice(void **state)
{
	struct boot_responder *r = make(100000, 1);
	struct from f = { 0, ASKED_FROM, BOOT_TID_FIRST, 1 };

	(void)state;
	ask(r, f, "");
	for (uint64_t block = 1; block < 50; block++) {
		ack(r, f, block);
		ack(r, f, block);
	}
	assert_int_equal(wire.n, 50);
	assert_int_equal(boot_counters(r)->tftp_repeats, 0);
	boot_destroy(r);
}

static void what_is_not_acknowledged_goes_again_five_times(void **state)
{
	struct boot_responder *r = make(100000, 1);
	struct from f = { 0, ASKED_FROM, BOOT_TID_FIRST, 1 };

	(void)state;
	ask(r, f, "windowsize 4 timeout 1");
	ack(r, f, 0);
	boot_tick(r, 900000000u);
	assert_int_equal(wire.n, 1 + 4);
	for (uint64_t s = 2; s < 60; s += 2)
		boot_tick(r, s * 1000000000u);
	assert_int_equal(wire.n, 1 + 4 * 6);
	assert_int_equal(failed_events, 1);
	ack(r, f, 4);
	assert_int_equal(last()[1], 5); // there is no such transfer
	boot_destroy(r);
}

// From 500 ms on, twice as long each time up to 4 s, and again from 500 ms when the peer was heard.
static void repeats_wait_longer_each_time(void **state)
{
	static const uint64_t due_ms[] = { 500, 1500, 3500, 7500, 11500 };
	struct boot_responder *r = make(100000, 1);
	struct from f = { 0, ASKED_FROM, BOOT_TID_FIRST, 0 };

	(void)state;
	ask(r, f, "blksize 1000");
	ack(r, f, 0);
	for (uint32_t i = 0; i < 5; i++) {
		boot_tick(r, (due_ms[i] - 1) * 1000000u);
		assert_int_equal(wire.n, 2 + i);
		boot_tick(r, due_ms[i] * 1000000u);
		assert_int_equal(wire.n, 3 + i);
	}
	f.now_ns = 12000000000u;
	ack(r, f, 1);
	boot_tick(r, 12499000000u);
	assert_int_equal(wire.n, 8);
	boot_tick(r, 12500000000u);
	assert_int_equal(wire.n, 9);
	assert_int_equal(failed_events, 0);
	boot_destroy(r);
}

// As many windows as there is room for, the others next time: all have their turn, and what was put
// off is no repeat of theirs.
static void repeats_that_do_not_fit_come_later(void **state)
{
	enum { PEERS = 10, WINDOW = 4 };
	struct boot_responder *r = make(100000, PEERS);
	uint32_t sent;

	(void)state;
	for (uint32_t i = 0; i < PEERS; i++) {
		struct from f = { i, ASKED_FROM, (uint16_t)(BOOT_TID_FIRST + i), 0 };

		ask(r, f, "windowsize 4");
		ack(r, f, 0);
	}
	sent = wire.n;
	assert_int_equal(sent, PEERS * (1 + WINDOW));
	for (uint32_t i = 1; i <= PEERS; i++) {
		room = sent + i * WINDOW + WINDOW - 1;
		boot_tick(r, 500000000u);
		assert_int_equal(wire.n, sent + i * WINDOW);
	}
	room = UINT32_MAX;
	boot_tick(r, 500000000u);
	assert_int_equal(wire.n, sent + PEERS * WINDOW);
	boot_destroy(r);
}

// Every request that gets an answer at all, repeated by the clock for as long as it may be, from a
// peer that never says a word.
static void an_unproven_peer_gets_at_most_twice_what_it_sent(void **state)
{
	static const struct {
		const char *load;
		size_t size;
	} rows[] = {
#define ROW(text) { text, sizeof(text) - 1 }
		ROW("\0\1k\0octet\0blksize\0001468\0"),
		ROW("\0\1k\0octet\0tsize\0000\0"),
		ROW("\0\1k\0octet\0timeout\0001\0windowsize\00032\0blksize\0008\0tsize\0000\0"),
		ROW("\0\1k\0octet\0windowsize\0009\0"),
		ROW("\0\1k\0netascii\0"),
		ROW("\0\1none\0octet\0"),
		ROW("\0\2k\0octet\0"),
		ROW("\0\3"),
		ROW("\0\4\0\1"),
		ROW("\0\5\0\0"),
		ROW("\0\6"),
		ROW("\0"),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct boot_responder *r = make(100000, 1);
		struct from f = { 0, ASKED_FROM, i % 2 ? 69 : BOOT_TID_FIRST + 3, 1 };
		size_t sent = feed(r, f, rows[i / 2].load, rows[i / 2].size);

		for (uint64_t s = 1; s < 400; s++)
			boot_tick(r, s * 1000000000u);
		assert_true(wire.bytes <= 2 * sent);
		boot_destroy(r);
	}
}

// Without options the first block is the only answer there is: for who is known, and once.
static void a_request_without_options_is_answered_once(void **state)
{
	struct boot_responder *r = make(100000, 1);

	(void)state;
	ask(r, (struct from){ 0, ASKED_FROM, 0, 1 }, "");
	for (uint64_t s = 1; s < 60; s++)
		boot_tick(r, s * 1000000000u);
	assert_int_equal(wire.n, 1);
	boot_destroy(r);
}

static void an_address_that_is_not_the_ports_must_answer_first(void **state)
{
	uint8_t f[] = "\x02\x77\x65\x69\x72\x01\x02\0\0\0\0\1\x08\0\x45\0\0\x26\0\0\0\0\x40\x11\0\0"
		      "\x0a\0\0\x63\x0a\0\0\2\x07\xd0\0\x45\0\x12\0\0\0\1k\0octet";
	struct boot_responder *r = make(100000, 1);

	(void)state;
	boot_input(r, &(struct boot_frame){ 0, 1, f, sizeof(f), 1 });
	assert_int_equal(wire.n, 1);
	assert_int_equal(last()[1], 5);
	assert_true(wire.bytes <= 2 * sizeof(f));
	boot_destroy(r);
}

static void a_port_has_a_bounded_number_of_transfers(void **state)
{
	struct boot_responder *r = make(100000, 2);

	(void)state;
	for (uint16_t i = 0; i < 20; i++)
		ask(r, (struct from){ 0, (uint16_t)(3000 + i), 0, 1 }, "tsize 0");
	assert_int_equal(boot_counters(r)->tftp_refused, 16);
	assert_int_equal(last()[1], 5);
	ask(r, (struct from){ 1, 3000, 0, 1 }, "tsize 0");
	assert_int_equal(last()[1], 6); // the other one has its own
	boot_destroy(r);
}

// All slots are taken by ports with four transfers each; a port with none gets one all the same,
// and so does each of as many ports as there are slots.
static void ports_that_have_many_yield_to_those_that_have_none(void **state)
{
	struct boot_responder *r = make(100000, N_PORTS);
	struct from f = { 0, 0, 0, 1 };
	uint32_t n = 0;

	(void)state;
	for (uint32_t port = 0; port < BOOT_TRANSFERS / 4; port++) {
		for (uint16_t i = 0; i < 4; i++) {
			f = (struct from){ port, (uint16_t)(3000 + i), 0, 1 };
			ask(r, f, "tsize 0");
			f.dport = last_port();
			ack(r, f, 0);
		}
	}
	for (uint32_t port = BOOT_TRANSFERS / 4; port < BOOT_TRANSFERS; port++) {
		uint32_t before = wire.n;

		f = (struct from){ port, 3000, 0, 2 };
		ask(r, f, "tsize 0");
		n += wire.n > before;
		f.dport = last_port();
		ack(r, f, 0);
	}
	assert_int_equal(n, BOOT_TRANSFERS - BOOT_TRANSFERS / 4);
	// Now each has one, and nobody has a better claim.
	n = wire.n;
	ask(r, (struct from){ BOOT_TRANSFERS + 1, 3000, 0, 2 }, "tsize 0");
	assert_int_equal(wire.n, n);
	boot_destroy(r);
}

static void another_peer_does_not_disturb_a_transfer(void **state)
{
	struct boot_responder *r = make(100000, 2);
	struct from f = { 0, ASKED_FROM, BOOT_TID_FIRST, 1 };

	(void)state;
	ask(r, f, "");
	ack(r, (struct from){ 0, 2001, BOOT_TID_FIRST, 1 }, 1); // another source port
	assert_int_equal(last()[3], 5);
	ack(r, (struct from){ 1, ASKED_FROM, BOOT_TID_FIRST, 1 }, 1); // another switch port
	assert_int_equal(last()[3], 5);
	feed(r, (struct from){ 1, ASKED_FROM, BOOT_TID_FIRST, 1 }, "\0\5\0\0", 5);
	ack(r, f, 1);
	assert_int_equal(block_of(wire.n - 1), 2);
	boot_destroy(r);
}

// Requests have no rate of their own: who is told of them hears of others, too.
static void a_port_that_asks_in_vain_is_told_of_50_times_a_second(void **state)
{
	struct boot_responder *r = make(100, 2);

	(void)state;
	for (uint16_t i = 0; i < 1000; i++)
		feed(r, (struct from){ 0, (uint16_t)(ASKED_FROM + i), 69, 5000000000 },
		     "\0\1no\0octet", 11);
	assert_int_equal(failed_events, 50);
	feed(r, (struct from){ 1, ASKED_FROM, 69, 5000000000 }, "\0\1no\0octet", 11);
	assert_int_equal(failed_events, 51);
	feed(r, (struct from){ 0, ASKED_FROM, 69, 6000000000 }, "\0\1no\0octet", 11);
	assert_int_equal(failed_events, 52);
	assert_int_equal(boot_counters(r)->tftp_refused, 1002);
	boot_destroy(r);
}

// A kernel that was only touched while a thousand guests fetch it: 48 GB to look
// through, or 48 MB.
static void a_file_is_compared_once_for_all_who_fetch_it(void **state)
{
	static const char ask[] = "\0\1k\0octet\0blksize\0001024\0tsize\0000";
	struct boot_responder *r = make(48 << 20, 1000);
	clock_t begun;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		feed(r, (struct from){ i, ASKED_FROM, 69, 5000000000 }, ask, sizeof(ask));
	begun = clock();
	boot_set_table(r, table_make(48 << 20, 1000));
	assert_true(clock() - begun < CLOCKS_PER_SEC / 4);
	// They go on.
	wire.n = 0;
	for (uint32_t i = 0; i < 1000; i++)
		feed(r, (struct from){ i, ASKED_FROM, (uint16_t)(BOOT_TID_FIRST + i), 5000000000 },
		     "\0\4\0\0", 4);
	assert_int_equal(wire.n, 1000);
	assert_int_equal(boot_counters(r)->tftp_blocks, 1000);
	boot_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_files_go_past_the_last_block_number),
		cmocka_unit_test(every_size_around_a_block_ends_with_a_short_one),
		cmocka_unit_test(options_have_bounds),
		cmocka_unit_test(the_size_is_told_and_the_transfer_ended),
		cmocka_unit_test(only_the_lost_part_of_a_window_goes_again),
		cmocka_unit_test(an_ack_that_comes_twice_sends_nothing_twice),
		cmocka_unit_test(what_is_not_acknowledged_goes_again_five_times),
		cmocka_unit_test(repeats_wait_longer_each_time),
		cmocka_unit_test(repeats_that_do_not_fit_come_later),
		cmocka_unit_test(an_unproven_peer_gets_at_most_twice_what_it_sent),
		cmocka_unit_test(a_request_without_options_is_answered_once),
		cmocka_unit_test(an_address_that_is_not_the_ports_must_answer_first),
		cmocka_unit_test(a_port_has_a_bounded_number_of_transfers),
		cmocka_unit_test(ports_that_have_many_yield_to_those_that_have_none),
		cmocka_unit_test(another_peer_does_not_disturb_a_transfer),
		cmocka_unit_test(a_port_that_asks_in_vain_is_told_of_50_times_a_second),
		cmocka_unit_test(a_file_is_compared_once_for_all_who_fetch_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
