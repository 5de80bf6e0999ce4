// The boot responder: DHCPv4, TFTP and ARP for the guests of this host. A pure library: a frame and
// the time in, frames and events out through callbacks. No sockets, no clock, no allocation while
// answering, libc only; so it runs in its own thread today, in its own process one day, and under
// the fuzzer always.
//
// Identity is the *port* that a frame came from, never what the frame claims (design.md decision
// 6). A client with an address of its own needs nothing persisted: after a restart the answers are
// the same. The others get one of a pool by their MAC, and what they have is told to a journal.
//
// Departures from RFC 2131: leases are infinite unless told otherwise (a diskless root must not
// expire under its guest); an address of a client's own stays its own after RELEASE and DECLINE,
// which are events; BOOTP without option 53 is not answered; who asks by a relay (giaddr) is not
// either, since guests are none.
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
#define BOOT_TRANSFERS 2048  // a thousand guests that start together, and then some
#define BOOT_WINDOW_MAX 32   // RFC 7440
#define BOOT_BLOCK_MAX 1468
#define BOOT_NAME_MAX 128
#define BOOT_CLIENT_FILES 16
#define BOOT_LEASE_INFINITE 0xffffffffu

enum boot_method { BOOT_NONE, BOOT_ISCSI, BOOT_KERNEL, BOOT_NFS, BOOT_HTTP };
enum boot_mode { BOOT_AUTHORITATIVE, BOOT_PROXY, BOOT_OFF };

struct boot_file {
	char name[BOOT_NAME_MAX];
	const uint8_t *data; // data[size]
	size_t size;
	void (*release)(void *owner); // for the data, with the table; NULL = free()
	void *owner;
};

// A range of addresses for clients that have none of their own.
struct boot_pool {
	uint16_t vid;
	uint8_t first[4], last[4];
	uint32_t lease_s;
};

// What one port may get. All addresses in network order.
struct boot_client {
	uint32_t port, gen; // identity
	uint16_t vid;
	uint8_t mac[6];
	uint8_t ip[4]; // all zero = none of its own: one of the pool, if there is one
	uint8_t service_ip[4], service_mac[6];
	uint8_t router[4]; // all zero = none
	uint8_t prefix_len, n_dns;
	uint8_t dns[3][4];
	uint16_t mtu;
	uint8_t mode;	// enum boot_mode
	uint8_t method; // enum boot_method
	bool http;	// it can fetch by HTTP what it can fetch by TFTP
	uint8_t transfers;
	uint32_t lease_s;
	int pool; // index of the table's, -1 = none
	char domain[64], hostname[64];
	char root_path[320]; // option 17: "iscsi:10.0.0.1:::1:iqn..", "10.0.0.1:/export"; empty =
			     // none
	char initiator[224];
	bool chap; // the iSCSI target wants a proof: firmware needs the script, not the root path
	// What firmware that is no iPXE loads first, and the image of method http: names of its
	// files; empty = none.
	char uefi_loader[BOOT_NAME_MAX], bios_loader[BOOT_NAME_MAX], image[BOOT_NAME_MAX];
	int files[BOOT_CLIENT_FILES]; // files[n_files]: indexes of what it may fetch
	uint8_t n_files;
	// Made for it: boot.ipxe, grub.cfg, a pxelinux configuration. NUL-terminated, free()d with
	// the table; NULL = none.
	char *script, *grub, *pxelinux;
};

struct boot_table {
	struct boot_client *clients; // clients[n_clients], sorted by port
	struct boot_file *files;
	struct boot_pool *pools;
	uint32_t n_clients, n_files, n_pools;
};

struct boot_content {
	const uint8_t *data; // data[size]; the table's
	size_t size;
	const struct boot_file *file; // NULL: a text made for the client
};

// What a client gets by this name, by TFTP and HTTP alike. The name is looked up among the client's
// files and texts; it never becomes a path. returns false = nothing
bool boot_content_find(const struct boot_table *t, const struct boot_client *c, const char *name,
		       struct boot_content *out);

// What a header field Range of HTTP asks for (RFC 9110 section 14).
enum boot_range_kind {
	BOOT_RANGE_WHOLE, // no range that is served: several of them, or of other units
	BOOT_RANGE_PART,
	BOOT_RANGE_NONE, // no byte of the content: status 416
};

struct boot_range {
	uint64_t first, last; // of BOOT_RANGE_PART: first <= last < size
};

// text     value of the field; NULL = there is none
// size     of the content, bytes
enum boot_range_kind boot_range_parse(const char *text, uint64_t size, struct boot_range *out);

// The name in a request target of HTTP: absolute-form loses its scheme and host. returns a place in
// target
const char *boot_target_name(const char *target);

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
	BOOT_EV_PROXY,	     // an answer to UDP 4011, or a ProxyDHCP offer. detail: who asks
	BOOT_EV_QUARANTINE,  // an address of a pool was declined. detail: which
	BOOT_EV_HTTP_START,  // detail: file
	BOOT_EV_HTTP_DONE,   // detail: file
	BOOT_EV_HTTP_FAILED, // detail: file and status
	BOOT_EV_NO_BOOT,     // firmware asks and gets no boot options. detail: who, and why
	BOOT_EV_LOOP,	     // a loader leads nowhere. detail: which, and what is done
	BOOT_EV_POOL_FULL,   // detail: which pool
	BOOT_N_EVENTS,
};

enum boot_stage { BOOT_STAGE_NONE, BOOT_STAGE_FIRMWARE, BOOT_STAGE_OS };

struct boot_event {
	uint64_t ns;
	uint32_t port, gen;
	uint8_t kind;	 // enum boot_event_kind
	uint8_t stage;	 // enum boot_stage: who asks for an address, not to renew it
	char detail[78]; // printable
	// Of a transfer that ended (*_DONE, *_FAILED), else 0: what was acknowledged, and how often
	// a window was sent again.
	uint64_t bytes;
	uint32_t repeats;
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
	X(dhcp_informs, "DHCP INFORM received")                                                    \
	X(dhcp_declines, "DHCP DECLINE received: another machine uses the address")                \
	X(dhcp_releases, "DHCP RELEASE received")                                                  \
	X(dhcp_no_address, "DHCP messages not answered: no address is free for the client")        \
	X(dhcp_no_boot, "boot requests of firmware for which there are no boot options")           \
	X(pxe_offers, "ProxyDHCP offers sent beside another server's")                             \
	X(pxe_answers, "PXE answers sent from UDP port 4011")                                      \
	X(boot_loops, "boots found to go round without end")                                       \
	X(boot_held, "answers held back because of such a loop")                                   \
	X(no_router_adverts, "advertisements to iPXE that there is no IPv6 router to wait for")    \
	X(tftp_requests, "TFTP read requests")                                                     \
	X(tftp_refused,                                                                            \
	  "TFTP requests refused: no such file for this VM, not a read, or no transfer free")      \
	X(tftp_blocks, "TFTP data blocks sent, repeats included")                                  \
	X(tftp_repeats, "TFTP windows sent again")                                                 \
	X(tftp_done, "TFTP transfers completed")                                                   \
	X(http_requests, "HTTP requests")                                                          \
	X(http_refused,                                                                            \
	  "HTTP requests refused: no guest's address, no such file for this VM, not GET or HEAD")  \
	X(http_done, "HTTP answers with content that were sent to the end")                        \
	X(http_bytes, "bytes of content in HTTP answers, as far as they were begun")               \
	X(http_cut, "HTTP connections cut because the client was too slow")

struct boot_counters {
#define BOOT_COUNTER(id, help) uint64_t id;
	BOOT_COUNTERS(BOOT_COUNTER)
#undef BOOT_COUNTER
};

// An address of a pool in somebody's hands, as the journal keeps it.
enum boot_lease_kind { BOOT_LEASE_FREE, BOOT_LEASE_BOUND, BOOT_LEASE_QUARANTINE };

struct boot_lease {
	uint16_t vid;
	uint8_t ip[4], mac[6];
	uint8_t kind;	    // enum boot_lease_kind
	uint64_t expires_s; // since 1970
};

struct boot_out {
	// Send frame[size], untagged, by the client's port. May be refused: the peer's retry heals
	// it.
	void (*send)(void *ctx, const struct boot_client *c, const uint8_t *frame, size_t size);
	// Would n more be sent? boot_tick() puts off what would not. NULL = always.
	bool (*fits)(void *ctx, uint32_t n);
	void (*event)(void *ctx, const struct boot_event *e);
	// A lease of a pool changed: to be kept. NULL = nothing is kept.
	void (*lease)(void *ctx, const struct boot_lease *l);
	void *ctx;
};

struct boot_responder;

// returns 0 and *r, or -ENOMEM
int boot_create(const struct boot_out *out, struct boot_responder **r);
void boot_destroy(struct boot_responder *r);

// Take over a table (its memory is the responder's from then on; the old one is freed). Transfers
// of clients that are gone or changed end.
void boot_set_table(struct boot_responder *r, struct boot_table *t);
void boot_table_free(struct boot_table *t);

// What the time of day is at now_ns. Without it, leases are kept by a clock that begins with 0.
void boot_set_clock(struct boot_responder *r, uint64_t now_ns, uint64_t unix_s);

// A lease of an earlier process, from the journal. Call after boot_set_clock, before the first
// frame.
void boot_lease_restore(struct boot_responder *r, const struct boot_lease *l);

// Of the n-th lease (from 0) that is worth keeping. For the journal's compaction. returns false =
// there are not so many
bool boot_lease_nth(const struct boot_responder *r, uint32_t n, struct boot_lease *out);

// A file of a client was fetched by other means than TFTP: a step of its boot. Emits nothing.
// returns false = it is not to be told: events of files are 50 in a second of a client
bool boot_note(struct boot_responder *r, const struct boot_event *e);

// The client that has this address in the network of this service, its own or one of a pool; NULL =
// none. For HTTP.
const struct boot_client *boot_client_at(const struct boot_responder *r,
					 const uint8_t service_ip[4], const uint8_t ip[4]);
const struct boot_table *boot_table_of(const struct boot_responder *r);

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
// The same to write to, for what serves HTTP beside it on the same thread.
struct boot_counters *boot_counters_of(struct boot_responder *r);
const char *boot_event_name(enum boot_event_kind kind);

#endif
