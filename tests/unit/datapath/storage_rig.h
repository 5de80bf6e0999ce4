// Hosts, their frames, and what iSCSI says in them: for the tests of the storage hop.
#ifndef STORAGE_RIG_H
#define STORAGE_RIG_H

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

static inline struct qos_addr addr(uint8_t host)
{
	const uint8_t ip4[4] = { 10, 0, 0, host };
	struct qos_addr a;

	qos_addr_set4(&a, ip4);
	return a;
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

// Headers without payload. returns their size
static inline uint32_t head_fill(uint8_t p[MEM_HEAD], struct end from, struct end to, uint8_t proto,
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

static inline struct rte_mbuf *frame(struct end from, struct end to, uint8_t proto,
				     const void *data, uint32_t size)
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

static inline struct rte_mbuf *tcp_frame(struct end from, struct end to, uint32_t seq,
					 uint8_t flags, const void *data, uint32_t size)
{
	struct rte_mbuf *m = frame(from, to, 6, data, size);
	uint8_t *tcp = rte_pktmbuf_mtod(m, uint8_t *) + (from.port == 2 ? 38 : 34);

	put32(tcp + 4, seq);
	tcp[13] = flags;
	return m;
}

static inline void tcp(struct end from, struct end to, uint32_t seq, uint8_t flags,
		       const void *data, uint32_t size)
{
	mem_put(links[from.port], tcp_frame(from, to, seq, flags, data, size));
}

static inline void udp(struct end from, struct end to, const void *data, uint32_t size)
{
	mem_put(links[from.port], frame(from, to, 17, data, size));
}

static inline void turn(void)
{
	mem_turns(TURN, TURN);
	dp_switch_housekeep(sw, now_ns);
}

static inline void take(void)
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

static inline uint32_t count(uint32_t kind)
{
	uint32_t n = 0;

	while (find(kind, n) != NULL)
		n++;
	return n;
}

static inline struct dp_storage_counts counts(void)
{
	struct dp_storage_counts c;

	dp_switch_storage_counts(sw, &c);
	return c;
}

static inline uint64_t received(uint32_t port, enum qos_class cls)
{
	struct dp_port_totals t;

	assert_int_equal(dp_switch_port_totals(sw, (uint16_t)port, &t), 0);
	return t.cls[cls].rx_pkts;
}

// A server by its address, and one portal that it once taught.
static inline struct qos_portals *table(void)
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

static inline void begin(uint32_t n_workers)
{
	mem_ports_make("abc", n_workers, 0, DP_VLAN_ACCESS);
	dp_switch_set_portals(sw, table());
}

// Port a or b may only send from that address.
static inline void pin(uint32_t port, uint8_t host)
{
	struct dp_port_params *cfg = &((struct dp_view *)dp_root(sw)->views[port])->cfg;
	const uint8_t ip4[4] = { 10, 0, 0, host };

	cfg->flags |= DP_PF_ADMIT | DP_PF_IP4_FIXED;
	cfg->broadcast_pps = cfg->unknown_pps = 0;
	cfg->n_ip4 = 1;
	memcpy(cfg->ip4[0], ip4, 4);
}

static inline bool knows(uint8_t host, uint8_t proto, uint16_t port)
{
	struct qos_addr a = addr(host);

	return qos_portals_has(dp_switch_portals(sw), &a, proto, port);
}

// --- what is said

// A header of an iSCSI PDU and its text. returns the whole size
static inline uint32_t iscsi(uint8_t *p, uint8_t op, uint8_t flags, uint32_t tag, const char *text,
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

static inline uint32_t redirect(uint8_t *p, const char *text, uint32_t size)
{
	uint32_t n = iscsi(p, 0x23, 0, 7, text, size);

	p[36] = 1;
	return n;
}

#define TEXT(s) (s), (uint32_t)sizeof(s)

static const struct end client = { 0, GUEST, 40000 }, server = { 2, SERVER, ISCSI };

// The server's side of a connection begins.
static inline void accept_from(struct end from, struct end to, uint32_t isn)
{
	tcp(from, to, isn, SYN | ACK, NULL, 0);
}

#endif
