// The boot responder: DHCPv4, TFTP and ARP for the guests of this host. A pure library: a frame and
// the time in, frames and events out through callbacks. No sockets, no clock, no allocation while
// answering, libc only; so it runs in its own thread today, in its own process one day, and under
// the fuzzer always.
//
// Identity is the *port* that a frame came from, never what the frame claims (design.md decision
// 6). Each client has one address of its own, so there is no pool to exhaust and nothing to
// persist: after a restart the answers are the same.
//
// Departures from RFC 2131: leases are infinite (a diskless root must not expire under its guest);
// RELEASE and DECLINE are events and change nothing; BOOTP without option 53 is not answered.
// Departures from RFC 1350: netascii is refused; files come from a table and never from a path.
//
// thread: one at a time per responder.
#ifndef BOOT_RESPONDER_H
#define BOOT_RESPONDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_FRAME_MAX 2024
#define BOOT_TID_FIRST 57344 // UDP ports of TFTP transfers on the service address
#define BOOT_TRANSFERS 512
#define BOOT_TRANSFERS_PER_PORT 4
#define BOOT_WINDOW_MAX 32 // RFC 7440
#define BOOT_BLOCK_MAX 1468

enum boot_method { BOOT_NONE, BOOT_ISCSI, BOOT_KERNEL };

struct boot_file {
	char name[64];
	const uint8_t *data; // data[size]
	size_t size;
	void (*release)(void *owner); // for the data, with the table; NULL = free()
	void *owner;
};

// What one port may get. All addresses in network order.
struct boot_client {
	uint32_t port, gen; // identity
	uint16_t vid;
	uint8_t mac[6];
	uint8_t ip[4]; // all zero = no address to give
	uint8_t service_ip[4], service_mac[6];
	uint8_t router[4]; // all zero = none
	uint8_t prefix_len, n_dns;
	uint8_t dns[3][4];
	uint16_t mtu;
	uint8_t method; // enum boot_method
	char domain[64], hostname[64];
	char root_path[320]; // "iscsi:10.0.0.1:::1:iqn..."; empty = none
	char initiator[224];
	int kernel, initrd; // index of the file, -1 = none
	char script[1024];  // boot.ipxe of method kernel
};

struct boot_table {
	struct boot_client *clients; // clients[n_clients], sorted by port
	struct boot_file *files;
	uint32_t n_clients, n_files;
};

enum boot_event_kind {
	BOOT_EV_DISCOVER, // detail: who asks
	BOOT_EV_OFFER,
	BOOT_EV_ACK,
	BOOT_EV_NAK,
	BOOT_EV_DECLINE,
	BOOT_EV_RELEASE,
	BOOT_EV_TFTP_START,  // detail: file
	BOOT_EV_TFTP_DONE,   // detail: file
	BOOT_EV_TFTP_FAILED, // detail: why
	BOOT_N_EVENTS,
};

enum boot_stage { BOOT_STAGE_NONE, BOOT_STAGE_FIRMWARE, BOOT_STAGE_OS };

struct boot_event {
	uint64_t ns;
	uint32_t port, gen;
	uint8_t kind;	 // enum boot_event_kind
	uint8_t stage;	 // enum boot_stage: who asks for an address, not to renew it
	char detail[78]; // printable
};

// X(identifier, help)
#define BOOT_COUNTERS(X)                                                                           \
	X(frames, "frames taken")                                                                  \
	X(no_client, "frames of ports without a boot entry")                                       \
	X(malformed, "frames that were not understood")                                            \
	X(arp_replies, "ARP replies for the service address")                                      \
	X(dhcp_discovers, "DHCP DISCOVER received")                                                \
	X(dhcp_offers, "DHCP OFFER sent")                                                          \
	X(dhcp_acks, "DHCP ACK sent")                                                              \
	X(dhcp_naks, "DHCP NAK sent")                                                              \
	X(dhcp_ignored, "DHCP messages meant for another server, or of no use")                    \
	X(no_router_adverts, "advertisements to iPXE that there is no IPv6 router to wait for")    \
	X(tftp_requests, "TFTP read requests")                                                     \
	X(tftp_refused,                                                                            \
	  "TFTP requests refused: no such file for this VM, not a read, or no transfer free")      \
	X(tftp_blocks, "TFTP data blocks sent, repeats included")                                  \
	X(tftp_repeats, "TFTP windows sent again")                                                 \
	X(tftp_done, "TFTP transfers completed")

struct boot_counters {
#define BOOT_COUNTER(id, help) uint64_t id;
	BOOT_COUNTERS(BOOT_COUNTER)
#undef BOOT_COUNTER
};

struct boot_out {
	// Send frame[size], untagged, by the client's port. May be refused: the peer's retry heals
	// it.
	void (*send)(void *ctx, const struct boot_client *c, const uint8_t *frame, size_t size);
	void (*event)(void *ctx, const struct boot_event *e);
	void *ctx;
};

struct boot_responder;

// returns 0 and *out, or -ENOMEM
int boot_create(const struct boot_out *out, struct boot_responder **r);
void boot_destroy(struct boot_responder *r);

// Take over a table (its memory is the responder's from then on; the old one is freed). Transfers
// of clients that are gone or changed end.
void boot_set_table(struct boot_responder *r, struct boot_table *t);
void boot_table_free(struct boot_table *t);

// A received frame, tagged or not.
struct boot_frame {
	uint32_t port, gen;
	const uint8_t *data; // data[size]
	size_t size;
	uint64_t now_ns;
};

// Answer one frame. source: RFC 2131, 826, 1350, 2347-2349, 7440
void boot_input(struct boot_responder *r, const struct boot_frame *frame);

// Repeat what was not acknowledged in time. Call about every 100 ms.
void boot_tick(struct boot_responder *r, uint64_t now_ns);

const struct boot_counters *boot_counters(const struct boot_responder *r);
const char *boot_event_name(enum boot_event_kind kind);

#endif
