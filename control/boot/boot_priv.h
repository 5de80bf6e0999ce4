// Inside of the responder.
#ifndef BOOT_PRIV_H
#define BOOT_PRIV_H

#include "boot_responder.h"

// A received UDP datagram of a known client.
struct boot_udp {
	const struct boot_client *client;
	const uint8_t *data; // data[size], UDP payload
	size_t size;
	uint8_t src_mac[6];
	uint8_t src_ip[4], dst_ip[4];
	uint16_t sport, dport;
	uint64_t now_ns;
};

struct transfer {
	bool active, oack_sent;
	bool heard;   // the peer has acknowledged something: it is where it says it is
	bool paced;   // the peer said how long to wait
	bool resent;  // what is outstanding was sent twice because the peer asked again
	uint8_t rank; // how many transfers its port had when it began, this one included
	uint32_t rx_bytes, tx_bytes; // as long as it was not heard
	uint32_t port, gen;
	uint16_t peer_port;
	uint8_t peer_ip[4], peer_mac[6];
	const uint8_t *data;
	size_t size;
	char name[BOOT_NAME_MAX];
	uint32_t block_size, window;
	uint64_t acked, sent; // blocks; sent >= acked
	uint64_t n_blocks;    // the last one is shorter than block_size, perhaps empty
	uint32_t timeout_ms, tries, repeats; // repeats: windows that were sent again
	uint64_t deadline_ns;
	uint8_t oack[128];
	size_t oack_size;
};

// What a port has done; see stage.c.
struct boot_seen {
	bool has_xid, done,
		moved; // the file was fetched to its end; then another one was asked for
	uint8_t level, n_rounds;
	uint8_t xid[4];
	uint64_t first_ns, held_until_ns, declined_ns;
	uint64_t fetch_s; // second of n_fetches events that tell of files
	uint32_t n_fetches;
	char file[BOOT_NAME_MAX]; // that the last answer named; empty = none
};

// Of one table: finds clients by address and MAC, and keeps what is known of each.
struct boot_index {
	uint32_t mask;	  // size of the tables below, a power of two, less one
	uint32_t *by_ip;  // client + 1, 0 = free; of their own addresses, by service and address
	uint32_t *by_mac; // the same, by VLAN and MAC
	struct boot_seen *seen; // seen[n_clients]
};

// Addresses of pools; see lease.c.
#define BOOT_LEASES 4096
#define BOOT_POOL_MARKS 64
struct boot_lease_entry {
	uint16_t vid;
	uint8_t ip[4], mac[6];
	uint8_t kind; // enum boot_lease_kind, or RESERVED
	uint64_t until_ns, used_ns;
	uint32_t next_ip, next_mac; // entry + 1, 0 = end
};
struct boot_leases {
	struct boot_lease_entry e[BOOT_LEASES]; // e[n]
	uint32_t n;
	uint32_t by_ip[BOOT_LEASES], by_mac[BOOT_LEASES]; // heads: entry + 1
	uint64_t clock_ns, clock_s;			  // when it was what time of day
	// Of the pool of each network, so that one that is exhausted costs little: the first
	// address that was not tried for a new client yet, and until when there is none at all.
	struct boot_pool_mark {
		uint16_t vid;
		uint8_t first[4];
		uint32_t next;
		bool full_told;
		uint64_t full_until_ns;
	} marks[BOOT_POOL_MARKS];
};

#define BOOT_COMPARED 16
struct boot_responder {
	struct boot_out out;
	struct boot_index *index; // of table; NULL = there was no memory: all is found slowly
	struct boot_leases leases;
	struct boot_table *table;
	struct boot_counters n;
	struct transfer transfers[BOOT_TRANSFERS];
	// While a table takes the place of another: files that were compared already.
	struct boot_compared {
		const uint8_t *was, *is;
		bool same;
	} compared[BOOT_COMPARED];
	uint32_t n_compared;
	uint32_t tick_at; // the transfer at which the next look begins
};

// After a change of the table: point the transfer to its file in the new one, or end it.
void boot_transfer_rebind(struct boot_responder *r, struct transfer *t);
void boot_dhcp(struct boot_responder *r, const struct boot_udp *u);
void boot_tftp_request(struct boot_responder *r, const struct boot_udp *u);
void boot_tftp_transfer(struct boot_responder *r, const struct boot_udp *u);

// Send payload[size] from the service address; to_mac, to_ip, ports in host order.
struct boot_dst {
	uint8_t mac[6], ip[4];
	uint16_t sport, dport;
	const uint8_t *head; // goes before the payload, if there is one
	size_t head_size;
};
void boot_udp_send(struct boot_responder *r, const struct boot_client *c, const struct boot_dst *to,
		   const uint8_t *payload, size_t size);

void boot_no_router_send(struct boot_responder *r, const struct boot_client *c);

void boot_event_emit(struct boot_responder *r, const struct boot_client *c,
		     enum boot_event_kind kind, const char *detail, uint64_t now_ns);

// One that is filled in but for its detail.
void boot_event_send(struct boot_responder *r, struct boot_event *e, const char *detail);

// --- index.c

// For a table, with what is known of clients that stay what they were. returns NULL = no memory
struct boot_index *boot_index_make(const struct boot_table *t, const struct boot_table *old_table,
				   const struct boot_index *old);
void boot_index_free(struct boot_index *index);
// returns NULL = nothing is remembered
struct boot_seen *boot_seen_of(const struct boot_responder *r, const struct boot_client *c);
const struct boot_client *boot_client_of_mac(const struct boot_responder *r, uint16_t vid,
					     const uint8_t mac[6]);
// The client whose own address it is, in the network of that service.
const struct boot_client *boot_client_of_ip(const struct boot_responder *r,
					    const uint8_t service_ip[4], const uint8_t ip[4]);

// --- lease.c: the MAC to which a pool's address is bound, the n-th of that address. returns false
// = no more
bool boot_lease_find(const struct boot_responder *r, const uint8_t ip[4], uint32_t n,
		     struct boot_lease *out);

// The table is another.
void boot_leases_look_again(struct boot_responder *r);

// --- stage.c, proxy.c
// returns false = it is not worth telling: the client has had its share in this second
bool boot_stage_fetched(struct boot_responder *r, const struct boot_event *e);
void boot_pxe(struct boot_responder *r, const struct boot_udp *u); // UDP 4011

const struct boot_client *boot_client_find(const struct boot_responder *r, uint32_t port,
					   uint32_t gen);

static inline uint16_t boot_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void boot_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

#endif
