// The generator's engine on real rings, with a wire of this test's in place of a switch: it may
// lose, double, swap and damage frames, and the generator must tell exactly.
#include <stdio.h>

#include "../unit.h"
#include "pg_engine.h"
#include "pg_report.h"

enum { PORTS = 8, HZ = 1000000000 };

struct wire {
	struct vh_ring *from, *to;
	uint16_t from_idx, to_idx;
};

static struct pg_config cfg;
static struct pg_engine e;
static struct pg_port ports[PORTS];
static struct wire wires[PORTS * 4];
static uint32_t n_wires, n_moved;

// What becomes of frame number n of all: how many copies arrive; it may change the frame.
typedef uint32_t fate_fn(uint32_t n, uint8_t *frame, uint32_t size);

static void engine_open(const char *settings)
{
	struct vh_front_params p = { .mergeable = true };
	char copy[512], *save = NULL;

	pg_config_init(&cfg);
	snprintf(copy, sizeof(copy), "%s", settings);
	for (char *s = strtok_r(copy, " ", &save); s != NULL; s = strtok_r(NULL, " ", &save))
		assert_int_equal(pg_config_set(&cfg, s, NULL), 0);
	assert_int_equal(pg_config_finish(&cfg, NULL), 0);
	memset(&e, 0, sizeof(e));
	memset(ports, 0, sizeof(ports));
	p.n_guests = (uint16_t)cfg.n_ports;
	p.n_pairs = (uint16_t)cfg.pairs;
	p.queue_size = (uint16_t)cfg.queue_size;
	p.frame_bytes = pg_config_longest_frame(&cfg);
	p.rx_buffer_bytes = cfg.rx_buffer_bytes;
	assert_int_equal(vh_front_create(&p, &e.front, NULL), 0);
	n_wires = n_moved = 0;
	for (uint16_t i = 0; i < cfg.n_ports; i++) {
		ports[i] = (struct pg_port){
			.cfg = &cfg.ports[i], .n_pairs = p.n_pairs, .guest_idx = i, .active = true
		};
		for (uint16_t q = 0; q < p.n_pairs; q++) {
			ports[i].rx[q] = vh_front_rx(e.front, i, q);
			ports[i].tx[q] = vh_front_tx(e.front, i, q);
			vh_ring_reset(ports[i].rx[q]);
			vh_ring_reset(ports[i].tx[q]);
			for (uint16_t s = 0; s < ports[i].tx[q]->n_slots; s++)
				memcpy(vh_ring_frame(ports[i].tx[q], s), pg_pattern(),
				       ports[i].tx[q]->slot_bytes);
		}
	}
	for (uint16_t i = 0; i < cfg.n_ports; i++)
		for (uint16_t q = 0; q < p.n_pairs; q++)
			wires[n_wires++] =
				(struct wire){ .from = ports[i].tx[q], .to = ports[i ^ 1].rx[q] };
	e.ports = ports;
	e.ticks_per_s = HZ;
	assert_int_equal(pg_engine_init(&e, &cfg, NULL), 0);
	e.sending = true;
}

static void engine_close(void)
{
	pg_engine_fini(&e);
	vh_front_destroy(e.front);
}

static uint8_t *at(const struct vh_ring *r, uint64_t guest_addr)
{
	return r->slots + (int64_t)(guest_addr - r->slots_guest_addr); // a header stands before
}

static void deliver(struct wire *w, const uint8_t *bytes, uint32_t size)
{
	uint16_t n = 0, avail = w->to->avail->idx;
	uint8_t *first = NULL;

	for (uint32_t done = 0; done < size; n++) {
		uint16_t at_idx = w->to_idx & (w->to->size - 1), id = w->to->avail->ring[at_idx];
		uint32_t whole = w->to->desc[id].len, len = size - done;
		uint8_t *out = at(w->to, w->to->desc[id].addr);

		assert_true(w->to_idx++ != avail);
		len = len < whole ? len : whole;
		memcpy(out, bytes + done, len);
		first = first == NULL ? out : first;
		w->to->used->ring[at_idx] = (struct vring_used_elem){ id, len };
		done += len;
	}
	((struct virtio_net_hdr_mrg_rxbuf *)first)->num_buffers = n;
	w->to->used->idx = w->to_idx;
}

// Move at most `most` frames of each wire.
static void move(fate_fn *fate, uint32_t most)
{
	static uint8_t copy[70000];

	for (uint32_t i = 0; i < n_wires; i++) {
		struct wire *w = &wires[i];

		for (uint32_t k = 0; k < most && w->from_idx != w->from->avail->idx; k++) {
			// As a switch: what a guest has no buffers for waits.
			if ((uint16_t)(w->to->avail->idx - w->to_idx) < 80)
				break;
			uint16_t id = w->from->avail->ring[w->from_idx & (w->from->size - 1)];
			const struct vring_desc *d = &w->from->desc[id];
			uint32_t copies;

			memcpy(copy, at(w->from, d->addr), d->len);
			copies = fate == NULL ? 1
					      : fate(n_moved, copy + VH_RING_HDR_BYTES,
						     d->len - VH_RING_HDR_BYTES);
			n_moved++;
			while (copies-- > 0)
				deliver(w, copy, d->len);
			w->from->used->ring[w->from_idx & (w->from->size - 1)] =
				(struct vring_used_elem){ id, 0 };
			w->from->used->idx = ++w->from_idx;
		}
	}
}

static void run(fate_fn *fate, uint32_t turns)
{
	for (uint32_t i = 0; i < turns; i++) {
		pg_engine_turn(&e);
		move(fate, 32);
	}
}

static void drain(fate_fn *fate)
{
	e.sending = false;
	run(fate, 200);
	pg_engine_settle(&e);
}

static struct pg_counts sum(void)
{
	struct pg_counts s = { 0 };

	for (uint16_t i = 0; i < e.n_lanes; i++) {
		s.tx_pkts += e.lanes[i].c.tx_pkts;
		s.rx_pkts += e.lanes[i].c.rx_pkts;
		s.corrupt_pkts += e.lanes[i].c.corrupt_pkts;
		s.misdelivered_pkts += e.lanes[i].c.misdelivered_pkts;
		s.ios += e.lanes[i].c.ios;
		s.lost_ios += e.lanes[i].c.lost_ios;
	}
	return s;
}

static void a_good_wire_has_no_fault(void **state)
{
	static const char *const runs[] = {
		"port=vhost:a port=vhost:b verify=on",
		"port=vhost:a port=vhost:b verify=on size=1514 l4=tcp",
		"port=vhost:a port=vhost:b verify=on size=imix l4=mix flows=7",
		"port=vhost:a port=vhost:b verify=on size=9000 rx-buffer=2048",
		"port=vhost:a port=vhost:b verify=on size=64-9000 rx-buffer=256 queue-size=256",
		"port=vhost:a port=vhost:b verify=on size=9000 rx-buffer=16384",
		"port=vhost:a port=vhost:b verify=on vlan=100 macs=10 flows=100 order=random",
		"port=vhost:a port=vhost:b verify=on tso=1448 size=20000",
		"port=vhost:a port=vhost:b port=vhost:c port=vhost:d verify=on pairs=4 flows=64",
		"port=vhost:a port=vhost:b verify=on kind=iscsi op=read depth=4",
		"port=vhost:a port=vhost:b verify=on kind=iscsi op=write io-size=100000 mtu=9000",
		("port=vhost:a port=vhost:b verify=on stream=a kind=iscsi stream=b kind=iscsi "
		 "vlan=7 op=write stream=c size=64-200"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		engine_open(runs[i]);
		run(NULL, 2000);
		drain(NULL);
		if (pg_report_faults(&e) != 0 || sum().corrupt_pkts != 0 ||
		    sum().tx_pkts != sum().rx_pkts || sum().tx_pkts < 1000)
			fail_msg("%s: %lu faults, %lu damaged, %lu sent, %lu received", runs[i],
				 pg_report_faults(&e), sum().corrupt_pkts, sum().tx_pkts,
				 sum().rx_pkts);
		engine_close();
	}
}

static uint32_t n_from, n_until; // frames that something happens to

static uint32_t lose(uint32_t n, uint8_t *frame, uint32_t size)
{
	(void)frame;
	(void)size;
	return n < n_from || n >= n_until;
}

static uint32_t twice(uint32_t n, uint8_t *frame, uint32_t size)
{
	return 1 + !lose(n, frame, size);
}

static void each_lost_frame_counts_also_the_very_last(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < 4; k++) {
		engine_open("port=vhost:a port=vhost:b from=0");
		n_from = n_until = 0;
		run(lose, 1000);
		// From here on: nothing more is sent, what is under way is lost.
		n_from = n_moved;
		n_until = k == 3 ? UINT32_MAX : n_moved + k;
		for (uint32_t i = 0; i < 3; i++)
			pg_engine_turn(&e);
		e.sending = false;
		move(lose, 96);
		drain(lose);
		assert_int_equal(pg_report_faults(&e), k == 3 ? 96 : k);
		assert_int_equal(pg_report_faults(&e), sum().tx_pkts - sum().rx_pkts);
		engine_close();
	}
}

static void what_the_switch_never_took_was_not_sent(void **state)
{
	(void)state;
	engine_open("port=vhost:a port=vhost:b from=0");
	run(NULL, 100);
	for (uint32_t i = 0; i < 50; i++)
		pg_engine_turn(&e); // into the ring, until it is full
	e.sending = false;
	pg_engine_settle(&e);
	assert_true(sum().tx_pkts - sum().rx_pkts >= 1000);
	assert_int_equal(pg_report_faults(&e), 0);
	engine_close();
}

static void doubled_frames_are_counted(void **state)
{
	(void)state;
	engine_open("port=vhost:a port=vhost:b from=0");
	n_from = 100;
	n_until = 117;
	run(twice, 100);
	drain(twice);
	assert_int_equal(e.lanes[0].in.n_duplicated, 17);
	assert_int_equal(pg_report_faults(&e), 17);
	engine_close();
}

static uint32_t damage_at;

static uint32_t damage(uint32_t n, uint8_t *frame, uint32_t size)
{
	if (n >= n_from && n < n_until && damage_at < size)
		frame[damage_at] ^= 0x10;
	return 1;
}

static void damaged_bytes_are_found_where_they_are(void **state)
{
	// In the stamp; right behind it; in the middle; the last byte, in the last buffer.
	static const uint32_t where[] = { 44, 54, 63, 64, 1000, 2035, 2036, 8999 };

	(void)state;
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		engine_open("port=vhost:a port=vhost:b from=0 verify=on size=9000");
		damage_at = where[i];
		n_from = 50;
		n_until = 55;
		run(damage, 50);
		drain(damage);
		assert_int_equal(sum().corrupt_pkts, 5);
		// A frame whose stamp is wrong is also missing.
		assert_int_equal(pg_report_faults(&e), where[i] < 54 ? 10 : 5);
		engine_close();
	}
}

static void frames_for_others_are_told_apart(void **state)
{
	(void)state;
	engine_open("port=vhost:a port=vhost:b port=vhost:c port=vhost:d");
	wires[0].to = ports[3].rx[0]; // 0 -> 3 instead of 1
	wires[2].to = ports[1].rx[0];
	wires[2].to_idx = wires[0].to_idx;
	run(NULL, 50);
	drain(NULL);
	assert_int_equal(sum().misdelivered_pkts, e.lanes[0].c.tx_pkts + e.lanes[2].c.tx_pkts);
	engine_close();
}

static void a_rate_is_that_of_the_port_whatever_its_queues(void **state)
{
	(void)state;
	for (int pairs = 1; pairs <= 4; pairs *= 2) {
		char settings[100];
		double rate = 0;

		snprintf(settings, sizeof(settings),
			 "port=vhost:a port=vhost:b rate=1mpps pairs=%d", pairs);
		engine_open(settings);
		for (uint16_t i = 0; i < e.n_lanes; i++)
			rate += e.lanes[i].src == 0 ? e.lanes[i].per_tick * e.ticks_per_s : 0;
		assert_true(rate > 999999 && rate < 1000001);
		engine_close();
	}
}

static void a_slow_reader_is_slow_whatever_its_queues(void **state)
{
	uint64_t start, most;

	(void)state;
	engine_open("port=vhost:a port=vhost:b,rx=10kpps pairs=4 flows=8 from=0");
	start = e.tick;
	while (e.tick - start < HZ / 20) {
		pg_engine_turn(&e);
		for (uint32_t i = 0; i < 4; i++) // each queue has something to read
			if ((uint16_t)(ports[1].rx[i]->used->idx - ports[1].rx[i]->used_idx) < 32)
				move(NULL, 1);
	}
	most = (uint64_t)((double)(e.tick - start) / HZ * 10000) + 2 * PG_BURST;
	assert_in_range(ports[1].rx_pkts, 100, most);
	engine_close();
}

static void a_rate_begins_at_once_after_the_verification(void **state)
{
	(void)state;
	engine_open("port=vhost:a port=vhost:b rate=1kpps");
	e.slow_start = true;
	run(NULL, 500);
	e.slow_start = false;
	pg_engine_restart_counts(&e);
	assert_true(e.lanes[0].seq > 1000);
	assert_true(e.lanes[0].credit >= 0); // what was sent then is no debt of now
	engine_close();
}

static uint8_t seen_flow[1024], seen_mac[1024];

static uint32_t note_flow(uint32_t n, uint8_t *frame, uint32_t size)
{
	uint32_t flow = (uint32_t)(frame[34] << 8 | frame[35]) - PG_FIRST_SRC_PORT;

	(void)n;
	(void)size;
	assert_true(flow < 1024 && frame[4] < 4);
	seen_flow[flow] = 1;
	seen_mac[frame[4] << 8 | frame[5]] = 1;
	return 1;
}

static uint32_t count(const uint8_t *seen)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 1024; i++)
		n += seen[i];
	return n;
}

static void flows_and_macs_are_shared_among_the_queues(void **state)
{
	static const struct {
		const char *settings;
		uint32_t n_flows, n_macs;
	} runs[] = {
		{ "port=vhost:a port=vhost:b from=0 flows=16 macs=8 pairs=4", 16, 8 },
		{ "port=vhost:a port=vhost:b from=0 flows=16 macs=16 pairs=4", 16, 16 },
		{ "port=vhost:a port=vhost:b from=0 flows=10 macs=3 pairs=4", 10, 3 },
		{ "port=vhost:a port=vhost:b from=0 flows=1 pairs=4", 1, 1 },
		{ "port=vhost:a port=vhost:b from=0 flows=3 pairs=4", 3, 1 },
		{ "port=vhost:a port=vhost:b from=0 flows=100 macs=7 pairs=1", 100, 7 },
		{ "port=vhost:a port=vhost:b from=0 flows=100 macs=9 pairs=2 order=random", 100,
		  9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		memset(seen_flow, 0, sizeof(seen_flow));
		memset(seen_mac, 0, sizeof(seen_mac));
		engine_open(runs[i].settings);
		run(note_flow, 300);
		drain(note_flow);
		if (count(seen_flow) != runs[i].n_flows || count(seen_mac) != runs[i].n_macs)
			fail_msg("%s: %u flows, %u macs", runs[i].settings, count(seen_flow),
				 count(seen_mac));
		assert_int_equal(pg_report_faults(&e), 0);
		engine_close();
	}
}

static void a_mix_keeps_its_shares_at_every_moment(void **state)
{
	static const char *const mixes[] = { "64:7,570:4,1514:1", "64:1,65:1", "64:100,1514:1",
					     "64:99,65:98,66:97,67:96,68:95,69:94,70:93,71:92" };

	(void)state;
	for (size_t k = 0; k < 4; k++) {
		const struct pg_stream_cfg *s = &cfg.streams[0];
		char settings[200];
		uint32_t total = 0;

		snprintf(settings, sizeof(settings), "port=vhost:a port=vhost:b size=%s", mixes[k]);
		engine_open(settings);
		for (uint32_t i = 0; i < s->n_sizes; i++)
			total += s->sizes[i].weight;
		assert_int_equal(e.lanes[0].n_schedule,
				 total < PG_SCHEDULE_LEN ? total : PG_SCHEDULE_LEN);
		for (uint32_t n = 1; n <= e.lanes[0].n_schedule; n++) {
			for (uint32_t i = 0; i < s->n_sizes; i++) {
				double share = (double)n * s->sizes[i].weight / total;
				uint32_t have = 0;

				for (uint32_t j = 0; j < n; j++)
					have += e.lanes[0].schedule[j] == s->sizes[i].bytes;
				assert_true(have < share + 2 && have > share - 2);
			}
		}
		engine_close();
	}
}

static void commands_whose_frames_are_lost_time_out(void **state)
{
	(void)state;
	engine_open("port=vhost:a port=vhost:b kind=iscsi from=0 to=1 depth=2 op=write");
	e.measuring = true;
	n_from = 100;
	n_until = 103;
	while (sum().lost_ios == 0) // 200 ms of this engine's clock
		run(lose, 100);
	run(lose, 100);
	drain(lose);
	assert_in_range(sum().lost_ios, 1, 2);
	assert_true(sum().ios > 10);
	// They are the slowest commands, not none.
	assert_int_equal(e.lanes[0].hist.n, sum().ios + sum().lost_ios);
	assert_true(e.lanes[0].hist.max > HZ / 5);
	engine_close();
}

// The shortest time between an answer on its way and the next command.
static uint64_t shortest_pause(const char *settings)
{
	uint64_t shortest = UINT64_MAX, answered = 0, ios;

	engine_open(settings);
	while ((ios = sum().ios) < 300) {
		uint64_t tx_pkts = e.lanes[0].c.tx_pkts;

		run(NULL, 1);
		if (sum().ios > ios)
			answered = e.tick;
		else if (e.lanes[0].c.tx_pkts > tx_pkts && answered > 0 &&
			 e.tick - answered < shortest)
			shortest = e.tick - answered;
	}
	engine_close();
	return shortest;
}

static void thinking_varies_when_asked_to(void **state)
{
	const char *same = "port=vhost:a port=vhost:b kind=iscsi from=0 to=1 io-size=512 "
			   "think=100us",
		   *varied = "port=vhost:a port=vhost:b kind=iscsi from=0 to=1 io-size=512 "
			     "think=100us order=random";

	(void)state;
	assert_true(shortest_pause(same) >= HZ / 10000);
	assert_true(shortest_pause(varied) < HZ / 10000);
}

static void the_result_is_json_whatever_the_names(void **state)
{
	struct pg_look from = { 0 }, to = { 0 };
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	(void)state;
	engine_open("port=vhost:/a\"b port=vhost:/c\\d");
	assert_int_equal(pg_look_create(&e, &from), 0);
	assert_int_equal(pg_look_create(&e, &to), 0);
	pg_look_take(&e, &from);
	run(NULL, 50);
	drain(NULL);
	pg_look_take(&e, &to);
	f = open_memstream(&text, &size);
	pg_report_json(f, &e, &from, &to);
	fclose(f);
	assert_non_null(strstr(text, "\"name\":\"/a\\\"b\""));
	assert_non_null(strstr(text, "\"name\":\"/c\\\\d\""));
	assert_non_null(strstr(text, "\"lost_pkts\":0"));
	assert_null(strstr(text, "nan"));
	assert_null(strstr(text, "inf"));
	free(text);
	pg_look_free(&from);
	pg_look_free(&to);
	engine_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_wire_has_no_fault),
		cmocka_unit_test(each_lost_frame_counts_also_the_very_last),
		cmocka_unit_test(what_the_switch_never_took_was_not_sent),
		cmocka_unit_test(doubled_frames_are_counted),
		cmocka_unit_test(damaged_bytes_are_found_where_they_are),
		cmocka_unit_test(frames_for_others_are_told_apart),
		cmocka_unit_test(a_rate_is_that_of_the_port_whatever_its_queues),
		cmocka_unit_test(a_rate_begins_at_once_after_the_verification),
		cmocka_unit_test(a_slow_reader_is_slow_whatever_its_queues),
		cmocka_unit_test(flows_and_macs_are_shared_among_the_queues),
		cmocka_unit_test(a_mix_keeps_its_shares_at_every_moment),
		cmocka_unit_test(commands_whose_frames_are_lost_time_out),
		cmocka_unit_test(thinking_varies_when_asked_to),
		cmocka_unit_test(the_result_is_json_whatever_the_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
