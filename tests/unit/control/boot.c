// The responder alone: what the packet tests do not reach.
#include "../unit.h"
#include "boot_responder.h"

struct sent {
	uint8_t frame[BOOT_FRAME_MAX];
	size_t size;
	uint32_t n;
	uint64_t bytes;
};

static void on_send(void *ctx, const struct boot_client *c, const uint8_t *frame, size_t size)
{
	struct sent *s = ctx;

	(void)c;
	memcpy(s->frame, frame, size);
	s->size = size;
	s->n++;
	s->bytes += size;
}

static void on_event(void *ctx, const struct boot_event *e)
{
	(void)ctx;
	for (const char *p = e->detail; *p != '\0'; p++)
		assert_true(*p >= 0x20 && *p < 0x7f);
}

static struct boot_responder *make(struct sent *s)
{
	const struct boot_out out = { .send = on_send, .event = on_event, .ctx = s };
	struct boot_table *t = calloc(1, sizeof(*t));
	struct boot_responder *r;

	memset(s, 0, sizeof(*s));
	assert_int_equal(boot_create(&out, &r), 0);
	t->clients = calloc(1, sizeof(*t->clients));
	t->n_clients = 1;
	t->clients[0] = (struct boot_client){ .port = 3,
					      .gen = 5,
					      .vid = 1,
					      .prefix_len = 24,
					      .mtu = 1500,
					      .mac = { 2, 0, 0, 0, 0, 1 },
					      .ip = { 10, 0, 0, 5 },
					      .service_ip = { 10, 0, 0, 2 },
					      .method = BOOT_KERNEL,
					      .pool = -1,
					      .transfers = 4,
					      .n_files = 1,
					      .script = strdup("#!ipxe\n") };
	t->files = calloc(1, sizeof(*t->files));
	t->n_files = 1;
	strcpy(t->files[0].name, "k");
	t->files[0].size = 100000;
	t->files[0].data = calloc(1, 100000);
	boot_set_table(r, t);
	return r;
}

// An Ethernet/IPv4/UDP frame from the client; returns its size.
static size_t udp(uint8_t *f, uint16_t sport, uint16_t dport, const void *load, size_t size)
{
	static const uint8_t head[] = "\x02\x77\x65\x69\x72\x01\x02\0\0\0\0\1\x08\0\x45\0\0\0\0\0\0"
				      "\0\x40\x11\0\0\x0a\0\0\5\x0a\0\0\2";

	memcpy(f, head, 34);
	f[16] = (uint8_t)((28 + size) >> 8);
	f[17] = (uint8_t)(28 + size);
	f[34] = (uint8_t)(sport >> 8);
	f[35] = (uint8_t)sport;
	f[36] = (uint8_t)(dport >> 8);
	f[37] = (uint8_t)dport;
	f[38] = (uint8_t)((8 + size) >> 8);
	f[39] = (uint8_t)(8 + size);
	f[40] = f[41] = 0;
	memcpy(f + 42, load, size);
	return 42 + size;
}

static void every_prefix_of_a_request_is_survived(void **state)
{
	uint8_t dhcp[300] = { 1, 1, 6 }, f[600];
	struct sent s;
	struct boot_responder *r = make(&s);
	size_t size;

	(void)state;
	dhcp[28] = 2;
	dhcp[33] = 1;
	memcpy(dhcp + 236, "\x63\x82\x53\x63\x35\1\1\x3c\x09PXEClient\x4d\4iPXE\xff", 26);
	size = udp(f, 68, 67, dhcp, sizeof(dhcp));
	for (size_t n = 0; n <= size; n++) {
		uint8_t *copy = exact_copy(f, n);

		boot_input(r, &(struct boot_frame){ 3, 5, copy, n, 1 });
		free(copy);
	}
	assert_int_equal(s.n, 1);
	boot_destroy(r);
}

static void another_ports_frames_and_an_old_generation_get_nothing(void **state)
{
	uint8_t f[600];
	struct sent s;
	struct boot_responder *r = make(&s);
	size_t size = udp(f, 2000, 69, "\0\1k\0octet", 10);

	(void)state;
	boot_input(r, &(struct boot_frame){ 4, 5, f, size, 1 });
	boot_input(r, &(struct boot_frame){ 3, 4, f, size, 1 });
	assert_int_equal(s.n, 0);
	assert_int_equal(boot_counters(r)->no_client, 2);
	boot_destroy(r);
}

static void a_client_that_never_answers_gets_no_data(void **state)
{
	uint8_t f[600];
	struct sent s;
	struct boot_responder *r = make(&s);
	size_t size = udp(f, 2000, 69, "\0\1k\0octet\0blksize\0001468\0windowsize\00064", 37);

	(void)state;
	boot_input(r, &(struct boot_frame){ 3, 5, f, size, 1 });
	for (uint64_t t = 1; t < 100; t++)
		boot_tick(r, t * 1000000000u);
	assert_true(s.n >= 1);
	assert_int_equal(boot_counters(r)->tftp_blocks, 0);
	assert_true(s.bytes <= 2 * size);
	boot_destroy(r);
}

static void a_window_is_bounded_whatever_is_asked_for(void **state)
{
	uint8_t f[600];
	struct sent s;
	struct boot_responder *r = make(&s);
	size_t size = udp(f, 2000, 69, "\0\1k\0octet\0windowsize\00065535", 27);

	(void)state;
	boot_input(r, &(struct boot_frame){ 3, 5, f, size, 1 });
	size = udp(f, 2000, BOOT_TID_FIRST, "\0\4\0\0", 4);
	boot_input(r, &(struct boot_frame){ 3, 5, f, size, 1 });
	assert_int_equal(boot_counters(r)->tftp_blocks, BOOT_WINDOW_MAX);
	boot_destroy(r);
}

// A reload for somebody else's sake: the same client and file in a new table.
static void a_transfer_lives_through_a_table_that_keeps_its_file(void **state)
{
	uint8_t f[600];
	struct sent s, other;
	struct boot_responder *r = make(&s), *donor = make(&other);
	size_t size = udp(f, 2000, 69, "\0\1k\0octet", 10);
	struct boot_table *t = calloc(1, sizeof(*t));

	(void)state;
	boot_destroy(donor);
	boot_input(r, &(struct boot_frame){ 3, 5, f, size, 1 });
	t->clients = calloc(1, sizeof(*t->clients));
	t->n_clients = 1;
	t->clients[0] = (struct boot_client){ .port = 3,
					      .gen = 5,
					      .mtu = 1500,
					      .prefix_len = 24,
					      .method = BOOT_KERNEL,
					      .pool = -1,
					      .transfers = 4,
					      .n_files = 1,
					      .mac = { 2, 0, 0, 0, 0, 1 },
					      .service_ip = { 10, 0, 0, 2 } };
	t->files = calloc(1, sizeof(*t->files));
	t->n_files = 1;
	strcpy(t->files[0].name, "k");
	t->files[0].size = 100000;
	t->files[0].data = calloc(1, 100000);
	boot_set_table(r, t);
	size = udp(f, 2000, BOOT_TID_FIRST, "\0\4\0\1", 4);
	boot_input(r, &(struct boot_frame){ 3, 5, f, size, 2 });
	assert_int_equal(s.n, 2);
	assert_int_equal(s.frame[43], 3); // DATA
	assert_int_equal(s.frame[45], 2); // block 2
	boot_destroy(r);
}

static void a_table_change_ends_transfers(void **state)
{
	uint8_t f[600];
	struct sent s;
	struct boot_responder *r = make(&s);
	size_t size = udp(f, 2000, 69, "\0\1k\0octet", 10);

	(void)state;
	boot_input(r, &(struct boot_frame){ 3, 5, f, size, 1 });
	assert_int_equal(s.n, 1);
	boot_set_table(r, NULL);
	boot_tick(r, 1000000000000u);
	assert_int_equal(s.n, 1);
	boot_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_of_a_request_is_survived),
		cmocka_unit_test(another_ports_frames_and_an_old_generation_get_nothing),
		cmocka_unit_test(a_client_that_never_answers_gets_no_data),
		cmocka_unit_test(a_window_is_bounded_whatever_is_asked_for),
		cmocka_unit_test(a_transfer_lives_through_a_table_that_keeps_its_file),
		cmocka_unit_test(a_table_change_ends_transfers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
