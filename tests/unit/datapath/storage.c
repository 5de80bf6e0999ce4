// The storage hop in real worker turns: guests and servers at links in memory, simulated time.
#include <stdio.h>

#include "../unit.h"
#include "dp_storage.h"
#include "mem_switch.h"
#include "storage_priv.h"

// A turn later each queue is polled, and each link tried again.
enum { TURN = 25000 };
enum { SYN = 2, ACK = 16, FIN = 1, RST = 4, ISCSI = 3260 };

// Ports: 'a' and 'b' guests, 'c' the uplink. Hosts by the last byte of their address and MAC.
enum { GUEST = 1, OTHER = 2, SERVER = 9, FOREIGN = 8, TARGET = 7 };

struct end {
	uint32_t port;
	uint8_t host;
	uint16_t l4;
};

static struct dp_storage_event events[512];
static uint32_t n_events;

static struct qos_addr addr(uint8_t host)
{
	const uint8_t ip4[4] = { 10, 0, 0, host };
	struct qos_addr a;

	qos_addr_set4(&a, ip4);
	return a;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

// Headers without payload. returns their size
static uint32_t head_fill(uint8_t p[MEM_HEAD], struct end from, struct end to, uint8_t proto,
			  uint32_t size)
{
	uint8_t *ip = p + 14;

	memset(p, 0, MEM_HEAD);
	p[0] = p[6] = 2;
	p[5] = to.host;
	p[11] = from.host;
	if (from.port == 2) { // the uplink's frames have a tag
		memcpy(p + 12, "\x81\0\0\x14", 4);
		ip += 4;
	}
	memcpy(ip - 2, "\x08\0\x45", 3);
	put16(ip + 2, 20 + (proto == 6 ? 20 : 8) + size);
	ip[8] = 64;
	ip[9] = proto;
	ip[12] = ip[16] = 10;
	ip[15] = from.host;
	ip[19] = to.host;
	put16(ip + 20, from.l4);
	put16(ip + 22, to.l4);
	if (proto == 6)
		ip[32] = 0x50;
	else
		put16(ip + 24, 8 + size);
	return (uint32_t)(ip - p) + 20 + (proto == 6 ? 20 : 8);
}

static struct rte_mbuf *frame(struct end from, struct end to, uint8_t proto, const void *data,
			      uint32_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(links[from.port]->pool), *tail = m;
	uint8_t head[MEM_HEAD], *p;
	uint32_t at = 0, n = head_fill(head, from, to, proto, size);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), head, n);
	while (at < size) { // the rest in segments of their own, cut anywhere
		uint32_t room = RTE_MIN(size - at, at == 0 ? 700u : 1999u);

		if (at > 0) {
			tail->next = rte_pktmbuf_alloc(links[from.port]->pool);
			assert_non_null(tail->next);
			tail = tail->next;
			m->nb_segs++;
		}
		p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)room);
		assert_non_null(p);
		memcpy(p, (const uint8_t *)data + at, room);
		at += room;
	}
	if (rte_pktmbuf_pkt_len(m) < 60)
		memset(rte_pktmbuf_append(m, (uint16_t)(60 - rte_pktmbuf_pkt_len(m))), 0x5a,
		       1); // padding says nothing
	dp_meta(m)->flags = 0;
	dp_meta(m)->tso_segsz = 0;
	return m;
}

static struct rte_mbuf *tcp_frame(struct end from, struct end to, uint32_t seq, uint8_t flags,
				  const void *data, uint32_t size)
{
	struct rte_mbuf *m = frame(from, to, 6, data, size);
	uint8_t *tcp = rte_pktmbuf_mtod(m, uint8_t *) + (from.port == 2 ? 38 : 34);

	put32(tcp + 4, seq);
	tcp[13] = flags;
	return m;
}

static void tcp(struct end from, struct end to, uint32_t seq, uint8_t flags, const void *data,
		uint32_t size)
{
	mem_put(links[from.port], tcp_frame(from, to, seq, flags, data, size));
}

static void udp(struct end from, struct end to, const void *data, uint32_t size)
{
	mem_put(links[from.port], frame(from, to, 17, data, size));
}

static void turn(void)
{
	mem_turns(TURN, TURN);
	dp_switch_housekeep(sw, now_ns);
}

static void take(void)
{
	n_events = dp_switch_storage_events(sw, events, RTE_DIM(events));
}

static const struct dp_storage_event *find(uint32_t kind, uint32_t nth)
{
	for (uint32_t i = 0; i < n_events; i++) {
		if (events[i].kind == kind && nth-- == 0)
			return &events[i];
	}
	return NULL;
}

static uint32_t count(uint32_t kind)
{
	uint32_t n = 0;

	while (find(kind, n) != NULL)
		n++;
	return n;
}

static struct dp_storage_counts counts(void)
{
	struct dp_storage_counts c;

	dp_switch_storage_counts(sw, &c);
	return c;
}

static uint64_t received(uint32_t port, enum qos_class cls)
{
	struct dp_port_totals t;

	assert_int_equal(dp_switch_port_totals(sw, (uint16_t)port, &t), 0);
	return t.cls[cls].rx_pkts;
}

// A server by its address, and one portal that it once taught.
static struct qos_portals *table(void)
{
	const struct qos_portal learnt = { .addr = addr(TARGET),
					   .port = 4000,
					   .proto = 6,
					   .service = QOS_SVC_ISCSI,
					   .how = QOS_HOW_REDIRECT };
	struct qos_addr server = addr(SERVER);
	struct qos_portals *p;

	assert_int_equal(qos_portals_create(&p), 0);
	assert_int_equal(qos_portals_add_server(p, &server, 128), 0);
	assert_int_equal(qos_portals_put(p, &learnt), 0);
	return p;
}

static void begin(uint32_t n_workers)
{
	mem_ports_make("abc", n_workers, 0, DP_VLAN_ACCESS);
	dp_switch_set_portals(sw, table());
}

// Port a or b may only send from that address.
static void pin(uint32_t port, uint8_t host)
{
	struct dp_port_params *cfg = &((struct dp_view *)dp_root(sw)->views[port])->cfg;
	const uint8_t ip4[4] = { 10, 0, 0, host };

	cfg->flags |= DP_PF_ADMIT | DP_PF_IP4_FIXED;
	cfg->broadcast_pps = cfg->unknown_pps = 0;
	cfg->n_ip4 = 1;
	memcpy(cfg->ip4[0], ip4, 4);
}

static bool knows(uint8_t host, uint8_t proto, uint16_t port)
{
	struct qos_addr a = addr(host);

	return qos_portals_has(dp_switch_portals(sw), &a, proto, port);
}

// --- what is said

// A header of an iSCSI PDU and its text. returns the whole size
static uint32_t iscsi(uint8_t *p, uint8_t op, uint8_t flags, uint32_t tag, const char *text,
		      uint32_t size)
{
	memset(p, 0, 48 + ((size + 3) & ~3u));
	p[0] = op;
	p[1] = flags;
	put16(p + 6, size);
	put32(p + 16, tag);
	if (size > 0)
		memcpy(p + 48, text, size);
	return 48 + ((size + 3) & ~3u);
}

static uint32_t redirect(uint8_t *p, const char *text, uint32_t size)
{
	uint32_t n = iscsi(p, 0x23, 0, 7, text, size);

	p[36] = 1;
	return n;
}

#define TEXT(s) (s), (uint32_t)sizeof(s)

static const struct end client = { 0, GUEST, 40000 }, server = { 2, SERVER, ISCSI };

// The server's side of a connection begins.
static void accept_from(struct end from, struct end to, uint32_t isn)
{
	tcp(from, to, isn, SYN | ACK, NULL, 0);
}

static void a_redirect_counts_from_the_next_packet_on(void **state)
{
	const struct end at_a = { 0, SERVER, ISCSI }, at_b = { 1, OTHER, 40000 };
	const struct end target = { 2, TARGET, 3333 };
	const struct qos_addr teacher = addr(SERVER);
	uint8_t pdu[256];
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.7:3333,1"));

	(void)state;
	begin(1);
	pin(0, SERVER); // its guest may say what it likes in its own name
	accept_from(at_a, at_b, 100);
	tcp(at_a, at_b, 101, ACK, pdu, n);
	tcp(at_b, target, 1, ACK, "x", 1); // polled behind it, in the same turn
	mem_turns(TURN, TURN);
	assert_true(knows(TARGET, 6, 3333));
	assert_int_equal(received(1, QOS_CLASS_STORAGE), 1);
	assert_int_equal(received(1, QOS_CLASS_BULK), 0);
	take();
	assert_int_equal(count(DP_STORAGE_LEARNT), 1);
	assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.how, QOS_HOW_REDIRECT);
	assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.service, QOS_SVC_ISCSI);
	assert_memory_equal(&find(DP_STORAGE_LEARNT, 0)->learnt.teacher, &teacher, sizeof(teacher));
	assert_int_equal(counts().learnt_live, 1);
	// Both ways, also at the other end of the switch.
	tcp(target, client, 1, ACK, "y", 1);
	turn();
	assert_int_equal(received(2, QOS_CLASS_STORAGE), 1);
	mem_ports_end();
}

// In two PDUs, over segments and buffers that cut them anywhere.
static void sendtargets_teaches_every_address(void **state)
{
	static const char text[] =
		"TargetName=iqn.x\0TargetAddress=10.0.0.20:3260,1\0"
		"TargetName=iqn.y\0TargetAddress=10.0.0.21:860,1\0"
		"TargetAddress=[2001:db8::1]:3261,2\0TargetAddress=host.example:1,1\0"
		"TargetAddress=127.0.0.1:3260,1\0TargetAddress=224.0.0.5:3260,1";
	uint8_t pdu[1024], v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	struct qos_addr a6;
	uint32_t n;

	(void)state;
	qos_addr_set6(&a6, v6);
	for (uint32_t step = 1; step < 300; step += 41) {
		begin(1);
		n = iscsi(pdu, 0x24, 0x40, 9, text, 60);
		n += iscsi(pdu + n, 0x24, 0x80, 9, text + 60, sizeof(text) - 60);
		accept_from(server, client, 100);
		for (uint32_t at = 0; at < n; at += step) {
			tcp(server, client, 101 + at, ACK, pdu + at, RTE_MIN(step, n - at));
			turn();
		}
		assert_true(knows(20, 6, 3260) && knows(21, 6, 860));
		assert_true(qos_portals_has(dp_switch_portals(sw), &a6, 6, 3261));
		assert_int_equal(counts().learnt_live, 3);
		take();
		assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.how,
				 QOS_HOW_SENDTARGETS);
		mem_ports_end();
	}
}

// --- who may teach

static void nobody_else_teaches(void **state)
{
	static const struct {
		struct end from, to;
		int pinned; // of the sender, 0 = not
		enum qos_class cls;
	} rows[] = {
		// A guest in the server's name, which nothing forbids it.
		{ { 0, SERVER, ISCSI }, { 1, OTHER, 40000 }, 0, QOS_CLASS_BULK },
		// A server that nobody named.
		{ { 2, FOREIGN, ISCSI }, { 0, GUEST, 40000 }, 0, QOS_CLASS_BULK },
		// A server whom another server named.
		{ { 2, TARGET, 4000 }, { 0, GUEST, 40000 }, 0, QOS_CLASS_STORAGE },
		// A guest that answers a server, in its own name and another's.
		{ { 0, GUEST, 40000 }, { 2, SERVER, ISCSI }, GUEST, QOS_CLASS_STORAGE },
		{ { 0, OTHER, 40000 }, { 2, SERVER, ISCSI }, 0, QOS_CLASS_STORAGE },
		// A port that is not storage's.
		{ { 2, SERVER, 9999 }, { 0, GUEST, 40000 }, 0, QOS_CLASS_BULK },
	};
	uint8_t pdu[256];
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.66:3333,1"));

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		begin(1);
		if (rows[i].pinned != 0)
			pin(rows[i].from.port, (uint8_t)rows[i].pinned);
		accept_from(rows[i].from, rows[i].to, 100);
		tcp(rows[i].from, rows[i].to, 101, ACK, pdu, n);
		turn();
		assert_int_equal(received(rows[i].from.port, rows[i].cls), 2);
		take();
		assert_int_equal(count(DP_STORAGE_LEARNT), 0);
		assert_int_equal(counts().learnt_live, 0);
		assert_false(knows(66, 6, 3333));
		mem_ports_end();
	}
}

// A guest has stored what looks like a redirect, and has the server send it at the beginning of a
// segment when the place is lost.
static void stored_bytes_do_not_teach(void **state)
{
	uint8_t pdu[256], junk[100] = { 0xff };
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.66:3333,1"));

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		begin(1);
		if (i > 0) // else in the middle of a connection
			accept_from(server, client, 100);
		if (i == 2)
			tcp(server, client, 101, ACK, junk, sizeof(junk));
		tcp(server, client, i == 2 ? 201 : 5000, ACK, pdu, n);
		tcp(server, client, (i == 2 ? 201 : 5000) + n, ACK, pdu, n);
		turn();
		take();
		assert_int_equal(find(DP_STORAGE_PDU, 0)->pdu.kind, QOS_PDU_LOST);
		assert_false(knows(66, 6, 3333));
		mem_ports_end();
	}
}

static void a_flood_of_redirects_is_bounded(void **state)
{
	char text[1400];
	uint8_t pdu[1500];
	uint32_t at = 0;

	(void)state;
	begin(1);
	accept_from(server, client, 100);
	for (uint32_t i = 0; i < 45; i++)
		at += (uint32_t)snprintf(text + at, sizeof(text) - at,
					 "TargetAddress=10.1.0.%u:3260,1", i) +
		      1;
	for (uint32_t i = 0, seq = 101, n; i < 20; i++, seq += n) {
		n = redirect(pdu, text, at);
		tcp(server, client, seq, ACK, pdu, n);
	}
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_LEARNT), 64);
	assert_int_equal(counts().learnt_live, 45);
	mem_ports_end();
}

// --- rpcbind

static uint32_t call(uint8_t *p, uint32_t xid, uint32_t proc, uint32_t prog, uint32_t proto)
{
	const uint32_t words[] = { xid, 0, 2, 100000, 2, proc, 0, 0, 0, 0, prog, 3, proto, 0 };

	for (uint32_t i = 0; i < RTE_DIM(words); i++)
		put32(p + 4 * i, words[i]);
	return sizeof(words);
}

static uint32_t reply(uint8_t *p, uint32_t xid, uint32_t port)
{
	const uint32_t words[] = { xid, 1, 0, 0, 0, 0, port };

	for (uint32_t i = 0; i < RTE_DIM(words); i++)
		put32(p + 4 * i, words[i]);
	return sizeof(words);
}

static const struct end asks = { 0, GUEST, 700 }, binds = { 1, SERVER, 111 };

static void rpcbind_over_udp_teaches_across_workers(void **state)
{
	uint8_t msg[128];

	(void)state;
	for (uint32_t n_workers = 1; n_workers <= 2; n_workers++) {
		struct dp_port_info a, b;

		begin(n_workers);
		pin(1, SERVER);
		assert_int_equal(dp_switch_port_info(sw, 0, &a), 0);
		assert_int_equal(dp_switch_port_info(sw, 1, &b), 0);
		assert_int_equal(a.owner != b.owner, n_workers == 2);
		udp(asks, binds, msg, call(msg, 77, 3, 100005, 17));
		turn();
		udp(binds, asks, msg, reply(msg, 77, 20048));
		turn();
		assert_true(knows(SERVER, 17, 20048));
		take();
		assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.service, QOS_SVC_RPC);
		assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.how, QOS_HOW_RPCBIND);
		// The guest's next datagram.
		udp(asks, (struct end){ 1, SERVER, 20048 }, "x", 1);
		turn();
		assert_int_equal(received(0, QOS_CLASS_STORAGE), 2);
		mem_ports_end();
	}
}

static void record_send(struct end from, struct end to, uint32_t seq, uint8_t *msg, uint32_t size)
{
	memmove(msg + 4, msg, size);
	put32(msg, 0x80000000u | size);
	tcp(from, to, seq, ACK, msg, size + 4);
}

static void rpcbind_over_tcp_teaches_across_workers(void **state)
{
	uint8_t msg[128];

	(void)state;
	for (uint32_t n_workers = 1; n_workers <= 2; n_workers++) {
		begin(n_workers);
		pin(1, SERVER);
		tcp(asks, binds, 10, SYN, NULL, 0);
		tcp(binds, asks, 20, SYN | ACK, NULL, 0);
		turn();
		record_send(asks, binds, 11, msg, call(msg, 5, 3, 100003, 6));
		turn();
		record_send(binds, asks, 21, msg, reply(msg, 5, 20490));
		turn();
		assert_true(knows(SERVER, 6, 20490));
		take();
		assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.service, QOS_SVC_NFS);
		mem_ports_end();
	}
}

static void replies_teach_what_was_asked_for(void **state)
{
	// Calls under one XID, the last column is what the reply is to.
	static const struct {
		uint32_t prog[3], proc;
		uint64_t later_ns;
		bool teaches;
	} rows[] = {
		{ { 100005 }, 3, 0, true },	     { { 0 }, 3, 0, false },
		{ { 100005, 100005 }, 3, 0, true },  { { 390000 }, 3, 0, false },
		{ { 390000, 100005 }, 3, 0, false }, { { 390000, 390000, 100005 }, 3, 0, false },
		{ { 100005, 100003 }, 3, 0, false }, { { 100005 }, 1, 0, false },
		{ { 100005 }, 3, 12 * S, false },
	};
	uint8_t msg[128];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		begin(1);
		pin(1, SERVER);
		for (uint32_t k = 0; k < 3 && rows[i].prog[k] != 0; k++)
			udp(asks, binds, msg, call(msg, 5, rows[i].proc, rows[i].prog[k], 6));
		turn();
		now_ns += rows[i].later_ns;
		udp(binds, asks, msg, reply(msg, 6, 1111)); // to nobody
		udp(binds, asks, msg, reply(msg, 5, 1234));
		turn();
		assert_false(knows(SERVER, 6, 1111));
		assert_int_equal(knows(SERVER, 6, 1234), rows[i].teaches);
		mem_ports_end();
	}
	// In the server's name, from a guest that is not held to its own.
	begin(1);
	udp(asks, binds, msg, call(msg, 5, 3, 100005, 6));
	udp(binds, asks, msg, reply(msg, 5, 1234));
	turn();
	assert_false(knows(SERVER, 6, 1234));
	mem_ports_end();
}

// --- flows

static uint32_t command(uint8_t *p, uint32_t tag)
{
	uint32_t n = iscsi(p, 1, 0xc1, tag, NULL, 0); // simple task, read, final

	put32(p + 20, 4096);
	return n;
}

static void commands(struct end from, uint32_t seq, uint32_t tag, uint32_t n)
{
	uint8_t pdu[48];

	for (uint32_t i = 0; i < n; i++)
		tcp(from, server, seq + 48 * i, ACK, pdu, command(pdu, tag + i));
}

static void each_frame_of_a_run_is_a_segment(void **state)
{
	const struct dp_storage_event *e;

	(void)state;
	begin(1);
	tcp(client, server, 0xfffffff0, SYN, NULL, 0);
	commands(client, 0xfffffff1, 1000, 20);
	turn();
	take();
	assert_int_equal(n_events, 21);
	e = find(DP_STORAGE_OPEN, 0);
	assert_int_equal(e->way, QOS_TO_PORTAL);
	assert_int_equal(e->ns, now_ns - TURN);
	assert_int_equal(e->open.in_port, 0);
	assert_int_equal(e->open.key.client.b[15], GUEST);
	assert_int_equal(e->open.key.client_port, 40000);
	assert_int_equal(e->open.key.portal.b[15], SERVER);
	assert_int_equal(e->open.key.portal_port, ISCSI);
	assert_int_equal(e->open.hit.service, QOS_SVC_ISCSI);
	assert_int_equal(e->open.hit.how, QOS_HOW_SERVER);
	assert_true(e->open.hit.listed);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(find(DP_STORAGE_PDU, i)->pdu.kind, QOS_PDU_REQUEST);
		assert_int_equal(find(DP_STORAGE_PDU, i)->pdu.tag, 1000 + i);
		assert_int_equal(find(DP_STORAGE_PDU, i)->flow, e->flow);
	}
	assert_int_equal(counts().pkts, 21);
	mem_ports_end();
}

static void text_comes_in_pieces_and_whole(void **state)
{
	char text[700], got[700];
	uint8_t pdu[800];
	uint32_t n, at = 0;

	(void)state;
	for (uint32_t i = 0; i < sizeof(text); i++)
		text[i] = i % 50 == 49 ? '\0' : (char)('a' + i % 25);
	begin(1);
	tcp(client, server, 1, SYN, NULL, 0);
	n = iscsi(pdu, 0x43, 0x87, 1, text, sizeof(text));
	tcp(client, server, 2, ACK, pdu, 333);
	tcp(client, server, 2 + 333, ACK, pdu + 333, n - 333);
	turn();
	take();
	assert_int_equal(find(DP_STORAGE_PDU, 0)->pdu.kind, QOS_PDU_LOGIN);
	for (uint32_t i = 0; i < count(DP_STORAGE_TEXT_PIECE); i++) {
		const struct dp_storage_event *e = find(DP_STORAGE_TEXT_PIECE, i);

		assert_int_equal(e->text.offset, at);
		assert_true(e->text.size <= DP_STORAGE_TEXT);
		memcpy(got + at, e->text.data, e->text.size);
		at += e->text.size;
		assert_int_equal(e->text.last, at == sizeof(text));
	}
	assert_int_equal(at, sizeof(text));
	assert_memory_equal(got, text, sizeof(text));
	mem_ports_end();
}

static void flows_end_by_fin_rst_and_silence(void **state)
{
	static const struct {
		uint8_t flags;
		bool rst, idle;
	} rows[] = { { FIN | ACK, false, false }, { RST, true, false }, { 0, false, true } };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		begin(1);
		tcp(client, server, 1, SYN, NULL, 0);
		commands(client, 2, 1, 1);
		turn();
		assert_int_equal(counts().flows_now, 1);
		now_ns += 299 * S;
		mem_turns(200 * MS, 2 * MS);
		assert_int_equal(counts().flows_now, 1);
		take();
		if (rows[i].idle)
			now_ns += 3 * S;
		else
			tcp(client, server, 50, rows[i].flags, NULL, 0);
		mem_turns(200 * MS, 2 * MS);
		take();
		assert_int_equal(n_events, 1);
		assert_int_equal(events[0].kind, DP_STORAGE_CLOSE);
		assert_int_equal(events[0].close.rst, rows[i].rst);
		assert_int_equal(events[0].close.idle, rows[i].idle);
		// An acknowledgement behind the end is none.
		tcp(client, server, 51, ACK, NULL, 0);
		tcp(client, server, 51, RST, NULL, 0);
		turn();
		assert_int_equal(counts().flows_now, 0);
		assert_int_equal(counts().opened, 1);
		mem_ports_end();
	}
}

static void a_new_syn_is_a_new_connection(void **state)
{
	(void)state;
	begin(1);
	for (uint32_t i = 0; i < 3; i++) { // the second is a retransmission
		tcp(client, server, i == 2 ? 5000 : 1, SYN, NULL, 0);
		if (i != 0)
			commands(client, i == 2 ? 5001 : 2, i, 1);
		turn();
	}
	take();
	assert_int_equal(count(DP_STORAGE_OPEN), 2);
	assert_int_equal(count(DP_STORAGE_CLOSE), 1);
	assert_int_equal(count(DP_STORAGE_PDU), 2);
	assert_int_equal(counts().flows_now, 1);
	mem_ports_end();
}

static void open_many(struct end from, struct end to, bool vary_from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (vary_from)
			from.l4 = (uint16_t)(10000 + i);
		else
			to.l4 = (uint16_t)(10000 + i);
		tcp(from, to, 1, SYN, NULL, 0);
		if (i % MEM_PUT == MEM_PUT - 1 || i + 1 == n) {
			mem_turns(2 * TURN, TURN);
			take();
		}
	}
}

static void a_full_table_is_counted_and_no_guests_alone(void **state)
{
	const struct end other = { 1, OTHER, 40000 };

	(void)state;
	begin(1);
	open_many(client, server, true, 1100);
	assert_int_equal(counts().flows_now, 1024);
	assert_int_equal(counts().refused_full, 76);
	open_many(server, other, false, 3200);
	assert_int_equal(counts().flows_now, DP_STORAGE_FLOWS);
	assert_int_equal(counts().refused_full, 76 + 3200 - 3072);
	assert_int_equal(counts().opened, DP_STORAGE_FLOWS);
	// Known ones go on; and what ends makes room.
	commands((struct end){ 0, GUEST, 10000 }, 2, 1, 1);
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_PDU), 1);
	tcp((struct end){ 0, GUEST, 10001 }, server, 2, RST, NULL, 0);
	tcp((struct end){ 0, GUEST, 9999 }, server, 2, SYN, NULL, 0);
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_CLOSE), 1);
	assert_int_equal(count(DP_STORAGE_OPEN), 1);
	assert_int_equal(events[0].flow, events[1].flow);
	now_ns += 301 * S;
	mem_turns(200 * MS, 2 * MS);
	assert_int_equal(counts().flows_now, 0);
	mem_ports_end();
}

static void lost_events_are_counted_and_flows_told_again(void **state)
{
	const struct end late = { 1, OTHER, 40000 };
	uint64_t n_lost, n_told = 0;

	(void)state;
	begin(1);
	tcp(client, server, 1, SYN, NULL, 0);
	for (uint32_t i = 0; i < 200; i++) {
		commands(client, 2 + 48 * 50 * i, 50 * i, 50);
		mem_turns(2 * TURN, TURN);
	}
	n_lost = counts().events_lost;
	assert_int_equal(n_lost, 10001 - 8191);
	tcp(late, server, 1, SYN, NULL, 0);
	commands(late, 2, 1, 3);
	turn();
	assert_int_equal(counts().events_lost, n_lost + 4);
	do {
		take();
		n_told += n_events;
		assert_true(find(DP_STORAGE_OPEN, 0) == NULL || n_told == n_events);
	} while (n_events > 0);
	assert_int_equal(n_told, 8191);
	commands(late, 2 + 3 * 48, 4, 1);
	turn();
	take();
	assert_int_equal(n_events, 2);
	assert_int_equal(events[0].kind, DP_STORAGE_OPEN);
	assert_int_equal(events[0].open.in_port, 1);
	assert_int_equal(events[1].pdu.tag, 4);
	mem_ports_end();
}

static void guests_do_not_speak_in_each_others_flows(void **state)
{
	const struct end liar = { 1, GUEST, 40000 };

	(void)state;
	begin(1);
	tcp(client, server, 1, SYN, NULL, 0);
	commands(client, 2, 1, 1);
	turn();
	tcp(liar, server, 50, RST, NULL, 0);
	commands(liar, 50, 66, 2);
	turn();
	commands(client, 50, 2, 1);
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_CLOSE), 0);
	assert_int_equal(find(DP_STORAGE_PDU, 1)->pdu.kind, QOS_PDU_LOST); // the liar's
	assert_int_not_equal(find(DP_STORAGE_PDU, 1)->flow, find(DP_STORAGE_PDU, 0)->flow);
	assert_int_equal(events[n_events - 1].pdu.tag, 2);
	assert_int_equal(events[n_events - 1].flow, events[0].flow);
	mem_ports_end();
}

static void fragments_are_port_only(void **state)
{
	struct rte_mbuf *m;
	uint8_t pdu[48];

	(void)state;
	begin(1);
	m = tcp_frame(client, server, 1, ACK, pdu, command(pdu, 1));
	rte_pktmbuf_mtod(m, uint8_t *)[20] = 0x20; // more follow
	mem_put(links[0], m);
	turn();
	take();
	assert_int_equal(n_events, 0);
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 1);
	assert_int_equal(counts().port_only, 1);
	assert_int_equal(counts().flows_now, 0);
	mem_ports_end();
}

static void what_is_switched_off_costs_nothing(void **state)
{
	uint8_t pdu[256];
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.7:3333,1"));

	(void)state;
	for (uint32_t learning = 0; learning < 2; learning++) {
		begin(1);
		dp_switch_storage_set(sw, false, learning);
		tcp(client, server, 1, SYN, NULL, 0);
		commands(client, 2, 1, 1);
		accept_from(server, client, 100);
		tcp(server, client, 101, ACK, pdu, n);
		turn();
		take();
		assert_int_equal(n_events, learning);
		assert_int_equal(counts().flows_now, learning); // from the server, which may teach
		assert_int_equal(knows(TARGET, 6, 3333), learning);
		mem_ports_end();
	}
	// No portals at all.
	mem_ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	tcp(client, server, 1, SYN, NULL, 0);
	turn();
	assert_int_equal(counts().pkts, 0);
	mem_ports_end();
}

// --- waits

static void who_stood_in_a_queue_tells_how_long(void **state)
{
	uint64_t stood_ns, left_ns;

	(void)state;
	begin(1);
	tcp(server, client, 1, ACK, "x", 1); // the tables know where they are
	tcp(client, server, 1, SYN, NULL, 0);
	turn();
	take();
	links[2]->stopped = true;
	commands(client, 2, 1, 1); // meets no queue: it waits for the link alone
	mem_turns(1000, 1000);
	stood_ns = now_ns;
	commands(client, 50, 2, 2);
	mem_turns(1000, 1000); // before the link is tried again
	now_ns += 123456;
	links[2]->stopped = false;
	left_ns = now_ns;
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_WAIT), 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct dp_storage_event *e = find(DP_STORAGE_WAIT, i);

		assert_int_equal(e->wait.tag, 2 + i);
		assert_int_equal(e->wait.wait_ns, left_ns - stood_ns);
		assert_int_equal(e->way, QOS_TO_PORTAL);
		assert_int_equal(e->flow, find(DP_STORAGE_PDU, 0)->flow);
		assert_int_equal(e->worker, 0);
	}
	mem_ports_end();
}

// Towards the guest, whose port another worker owns than the one that received the answer.
static void answers_wait_too_and_copies_do_not(void **state)
{
	const struct end from = { 1, SERVER, ISCSI };
	struct dp_port_info a, b;
	uint64_t stood_ns;
	uint8_t pdu[48];

	(void)state;
	begin(2);
	pin(1, SERVER);
	for (uint32_t i = 0; i < 2; i++)
		((struct dp_view *)dp_root(sw)->views[i])->cfg.flags &= ~(uint32_t)DP_PF_ISOLATED;
	((struct dp_view *)dp_root(sw)->views[1])->mirror_idx = 2;
	assert_int_equal(dp_switch_port_info(sw, 0, &a), 0);
	assert_int_equal(dp_switch_port_info(sw, 1, &b), 0);
	tcp(client, from, 1, SYN, NULL, 0);
	tcp(from, client, 1, SYN | ACK, NULL, 0);
	turn();
	take();
	links[0]->stopped = links[2]->stopped = true;
	iscsi(pdu, 0x21, 0x80, 0x1234, NULL, 0);
	tcp(from, client, 2, ACK, pdu, 48);
	mem_turns(TURN, TURN); // on its way to the other worker
	stood_ns = now_ns;
	mem_turns(2 * TURN, TURN);
	now_ns += 7777777;
	links[0]->stopped = links[2]->stopped = false;
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_WAIT), 1);
	assert_int_equal(find(DP_STORAGE_WAIT, 0)->wait.tag, 0x1234);
	assert_int_equal(find(DP_STORAGE_WAIT, 0)->way, QOS_FROM_PORTAL);
	assert_int_equal(find(DP_STORAGE_WAIT, 0)->worker, b.owner);
	assert_true(find(DP_STORAGE_WAIT, 0)->wait.wait_ns <= now_ns - stood_ns);
	assert_true(find(DP_STORAGE_WAIT, 0)->wait.wait_ns >= 7777777);
	assert_int_not_equal(a.owner, b.owner);
	mem_ports_end();
}

static void only_the_first_frame_of_a_cut_one_tells(void **state)
{
	struct rte_mbuf *segs[8], *m;
	uint8_t data[3000] = { 0 };

	(void)state;
	begin(1);
	m = tcp_frame(client, server, 1, ACK, data, sizeof(data));
	dp_parse(dp_data(m), rte_pktmbuf_data_len(m), rte_pktmbuf_pkt_len(m), &dp_meta(m)->p);
	dp_meta(m)->flags = DP_MF_TSO | DP_MF_CSUM;
	dp_meta(m)->tso_segsz = 1000;
	dp_meta(m)->sto = DP_STO_MARKED;
	assert_int_equal(dp_tso_cut(m, sw->pool, segs, 8), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(dp_meta(segs[i])->sto, i == 0 ? DP_STO_MARKED : 0);
	rte_pktmbuf_free_bulk(segs, 3);
	mem_ports_end();
}

// --- machines that boot

static void explains(struct end from, struct end to, enum qos_class cls, enum qos_why why)
{
	struct rte_mbuf *m = tcp_frame(from, to, 1, ACK, "x", 1);
	struct dp_verdict v;

	assert_int_equal(
		dp_switch_explain(sw, (uint16_t)from.port, dp_data(m), rte_pktmbuf_data_len(m), &v),
		0);
	assert_int_equal(v.cls, cls);
	assert_int_equal(v.why, why);
	rte_pktmbuf_free(m);
}

static void storage_of_a_booting_machine_is_class_boot(void **state)
{
	const struct dp_vm_params vm = { .name = "v", .total.shares = 1 };
	const struct end other = { 1, OTHER, 40000 };
	struct dp_port *up;

	(void)state;
	begin(1);
	up = dp_root(sw)->views[2]->port;
	mem_vm_set(0, 1, &vm);
	mem_vm_set(1, 2, &vm);
	((struct dp_view *)dp_root(sw)->views[0])->cfg.control_pps = 1;
	tcp(client, server, 1, ACK, "x", 1);
	tcp(other, server, 1, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 1);
	dp_switch_set_boot(sw, 1, now_ns + S);
	assert_int_equal(dp_switch_boot(sw, 1), now_ns + S);
	for (uint32_t i = 0; i < 10; i++) // its control rate is for other things
		tcp(client, server, 2 + i, ACK, "x", 1);
	tcp(other, server, 1, ACK, "x", 1);
	tcp(server, client, 1, ACK, "x", 1);
	tcp(server, other, 1, ACK, "x", 1);
	explains(client, server, QOS_CLASS_BOOT, QOS_WHY_BOOTING);
	explains(server, client, QOS_CLASS_BOOT, QOS_WHY_BOOTING);
	explains(server, other, QOS_CLASS_STORAGE, QOS_WHY_STORAGE_SERVER);
	explains(client, (struct end){ 2, FOREIGN, ISCSI }, QOS_CLASS_BULK, QOS_WHY_DEFAULT);
	turn();
	assert_int_equal(received(0, QOS_CLASS_BOOT), 10);
	assert_int_equal(received(1, QOS_CLASS_STORAGE), 2);
	assert_int_equal(received(2, QOS_CLASS_BOOT), 1);
	assert_int_equal(received(2, QOS_CLASS_STORAGE), 1);
	assert_int_equal(up->boot_seen[1], dp_switch_boot(sw, 1));
	assert_int_equal(up->boot_seen[2], 0);
	// Without a deadline, and at its end.
	dp_switch_set_boot(sw, 1, 1);
	tcp(client, server, 20, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_BOOT), 11);
	assert_int_equal(up->boot_seen[1], 0);
	dp_switch_set_boot(sw, 1, 0);
	tcp(client, server, 21, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_BOOT), 11);
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 2);
	mem_ports_end();
}

// As many as may have one have one; those whose boot is over make room.
static void deadlines_follow_their_machines(void **state)
{
	const struct dp_vm_params vm = { .name = "v", .total.shares = 1 };
	struct dp_port *up;

	(void)state;
	begin(1);
	up = dp_root(sw)->views[2]->port;
	for (uint16_t round = 0; round < 2; round++) {
		for (uint16_t i = 1; i <= 2 * QOS_SCHED_DEADLINES; i++) {
			bool boots =
				round == 0 ? i > QOS_SCHED_DEADLINES : i <= QOS_SCHED_DEADLINES;

			mem_vm_set(0, 1, &vm);
			dp_root(sw)->views[0]->vm = NULL;
			up->vm_seen[i] = up->vm_seen[i] != 0 ? up->vm_seen[i] : UINT64_MAX;
			(void)qos_sched_add_vm(up->sched, i, now_ns);
			dp_switch_set_boot(sw, i, boots ? now_ns + i : 0);
		}
		tcp(client, server, 1, ACK, "x", 1);
		turn();
		for (uint16_t i = 1; i <= 2 * QOS_SCHED_DEADLINES; i++)
			assert_int_equal(up->boot_seen[i], dp_switch_boot(sw, i));
	}
	mem_ports_end();
}

// --- the table in force

static void a_table_takes_the_place_of_another_at_once(void **state)
{
	struct qos_portal more = {
		.addr = addr(TARGET), .port = 5555, .proto = 6, .how = QOS_HOW_SENDTARGETS
	};
	struct dp_prepared *prep;
	struct qos_portals *p;
	struct weir_err err;
	struct dp_plan plan;
	uint64_t gen;

	(void)state;
	begin(1);
	gen = dp_switch_generation(sw);
	dp_plan_init(&plan);
	assert_int_equal(dp_switch_prepare(sw, &plan, &prep, &err), 0);
	p = table();
	assert_int_equal(qos_portals_put(p, &more), 0);
	dp_switch_set_portals(sw, p);
	assert_int_equal(dp_switch_generation(sw), gen); // nobody has to look at anything else
	tcp(client, (struct end){ 2, TARGET, 5555 }, 1, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 1);
	dp_switch_commit(sw, prep); // of a change that says nothing of portals
	assert_ptr_equal(dp_switch_portals(sw), p);
	tcp(client, (struct end){ 2, TARGET, 5555 }, 1, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 2);
	dp_plan_fini(&plan);
	mem_ports_end();
}

static void a_plan_carries_what_was_learnt(void **state)
{
	struct dp_act_portal a = { .h = { DP_ACT_PORTALS_CLEAR, sizeof(a) }, .l2 = QOS_L2_AOE };
	struct qos_addr target = addr(TARGET), own = addr(GUEST);
	struct qos_portal_hit hit;
	struct dp_prepared *prep;
	struct weir_err err;
	struct dp_plan plan;

	(void)state;
	begin(1);
	dp_plan_init(&plan);
	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	a = (struct dp_act_portal){ .h = { DP_ACT_PORTAL_ADD, sizeof(a) },
				    .addr = target,
				    .port = 5000,
				    .proto = 6,
				    .service = QOS_SVC_NVME };
	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	a.port = 5001;
	a.how = QOS_HOW_REDIRECT;
	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	assert_int_equal(dp_switch_prepare(sw, &plan, &prep, &err), 0);
	dp_switch_commit(sw, prep);
	for (uint16_t port = 5000; port <= 5001; port++) {
		assert_true(
			qos_portals_match(dp_switch_portals(sw), &own, 1, &target, port, 6, &hit));
		assert_int_equal(hit.service, QOS_SVC_NVME);
		assert_int_equal(hit.how, port == 5000 ? QOS_HOW_DECLARED : QOS_HOW_REDIRECT);
	}
	assert_int_equal(qos_portals_l2(dp_switch_portals(sw)), QOS_L2_AOE);
	dp_plan_fini(&plan);
	mem_ports_end();
}

// A worker learnt into a table that was replaced before main heard of it.
static void what_was_learnt_meanwhile_is_entered_again(void **state)
{
	uint8_t pdu[256];
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.7:3333,1"));

	(void)state;
	begin(1);
	accept_from(server, client, 100);
	tcp(server, client, 101, ACK, pdu, n);
	turn();
	assert_true(knows(TARGET, 6, 3333));
	dp_switch_set_portals(sw, table());
	assert_false(knows(TARGET, 6, 3333));
	take();
	assert_true(knows(TARGET, 6, 3333));
	mem_ports_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_redirect_counts_from_the_next_packet_on),
		cmocka_unit_test(sendtargets_teaches_every_address),
		cmocka_unit_test(nobody_else_teaches),
		cmocka_unit_test(stored_bytes_do_not_teach),
		cmocka_unit_test(a_flood_of_redirects_is_bounded),
		cmocka_unit_test(rpcbind_over_udp_teaches_across_workers),
		cmocka_unit_test(rpcbind_over_tcp_teaches_across_workers),
		cmocka_unit_test(replies_teach_what_was_asked_for),
		cmocka_unit_test(each_frame_of_a_run_is_a_segment),
		cmocka_unit_test(text_comes_in_pieces_and_whole),
		cmocka_unit_test(flows_end_by_fin_rst_and_silence),
		cmocka_unit_test(a_new_syn_is_a_new_connection),
		cmocka_unit_test(a_full_table_is_counted_and_no_guests_alone),
		cmocka_unit_test(lost_events_are_counted_and_flows_told_again),
		cmocka_unit_test(guests_do_not_speak_in_each_others_flows),
		cmocka_unit_test(fragments_are_port_only),
		cmocka_unit_test(what_is_switched_off_costs_nothing),
		cmocka_unit_test(who_stood_in_a_queue_tells_how_long),
		cmocka_unit_test(answers_wait_too_and_copies_do_not),
		cmocka_unit_test(only_the_first_frame_of_a_cut_one_tells),
		cmocka_unit_test(storage_of_a_booting_machine_is_class_boot),
		cmocka_unit_test(deadlines_follow_their_machines),
		cmocka_unit_test(a_table_takes_the_place_of_another_at_once),
		cmocka_unit_test(a_plan_carries_what_was_learnt),
		cmocka_unit_test(what_was_learnt_meanwhile_is_entered_again),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
