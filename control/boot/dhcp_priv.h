// Inside of the DHCP side of the responder.
#ifndef DHCP_PRIV_H
#define DHCP_PRIV_H

#include "boot_priv.h"

enum {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM,
};

// --- classify.c: who asks

enum boot_who {
	WHO_OS,
	WHO_IPXE_BIOS,
	WHO_IPXE_EFI,
	WHO_PXE_BIOS,
	WHO_PXE_X64,
	WHO_HTTP_X64,
	WHO_OTHER, // firmware of an architecture for which there are no loaders
	WHO_N,
};

// What a message says about its sender; an option that is absent has size 0.
struct boot_hints {
	const uint8_t *vendor; // option 60, vendor[vendor_size]
	const uint8_t *arch;   // option 93, arch[arch_size]: 16-bit numbers
	size_t vendor_size, arch_size;
	bool ipxe; // by option 77 or 175
};

struct boot_asker {
	uint8_t who; // enum boot_who
	bool http;   // it asks for HTTP boot
	bool has_arch;
	uint16_t arch; // the one that decided, or the first
};

// source: RFC 4578 section 2.1 with erratum 4624, IANA's processor architecture types
void boot_classify(const struct boot_hints *h, struct boot_asker *out);
// Does option 77 say iPXE, bare as iPXE does or as a list of RFC 3004?
bool boot_is_ipxe_class(const uint8_t *data, size_t size);
const char *boot_who_name(enum boot_who who);
const char *boot_arch_name(uint16_t arch);

static inline bool boot_who_is_ipxe(uint8_t who)
{
	return who == WHO_IPXE_BIOS || who == WHO_IPXE_EFI;
}

// --- dhcp_message.c: a request read, a reply written

// What a client said; lengths are checked, absent options are NULL or 0.
struct boot_request {
	const uint8_t *bootp;
	uint8_t type;
	const uint8_t *wanted_ip, *server_id; // 4 bytes each
	const uint8_t *uuid;		      // option 97, uuid[uuid_size]
	size_t uuid_size;
	uint16_t max_size; // option 57, the largest IP datagram it takes; 0 = not said
	struct boot_asker asker;
};

// returns false = not a DHCP request of an Ethernet client
bool boot_request_read(struct boot_request *q, const struct boot_udp *u);
static inline const uint8_t *boot_ciaddr(const struct boot_request *q)
{
	return q->bootp + 12;
}

enum { BOOT_REPLY_MAX = 576 + 512 };
struct boot_reply {
	uint8_t b[BOOT_REPLY_MAX];
	size_t at, max;
	char file[16 + BOOT_NAME_MAX + 16]; // option 67, written last; empty = none
};

void boot_reply_begin(struct boot_reply *p, const struct boot_request *q,
		      const struct boot_client *c, uint8_t type);
void boot_put(struct boot_reply *p, uint8_t code, const void *data, size_t size);
void boot_put_text(struct boot_reply *p, uint8_t code, const char *text);
// Keep room for option 67 from now on.
void boot_put_file(struct boot_reply *p, const char *file);
void boot_put_network(struct boot_reply *p, const struct boot_client *c);
void boot_put_mask(struct boot_reply *p, const struct boot_client *c);
// Closes the message: option 67, END, padding.
void boot_reply_end(struct boot_reply *p);
// To port 68 of the client. ip: where it will be; broadcast: it said so, or nobody else would do
void boot_reply_send(struct boot_responder *r, const struct boot_udp *u, struct boot_reply *p,
		     const uint8_t ip[4], bool broadcast);

static inline bool boot_is_zero(const uint8_t ip[4])
{
	return (ip[0] | ip[1] | ip[2] | ip[3]) == 0;
}

// --- recipe.c: what makes a client boot

#define BOOT_HELD_NAME "stopped-by-weir-in-a-loop" // no file is called so

// What there is for this asker; found first and written later, so that an event can name what
// lacks.
struct boot_recipe {
	const struct boot_row *row; // NULL = no boot options
	const char *lacks;	    // why firmware that may boot gets none; NULL = nothing does
	const char *name;	    // of the file to fetch; NULL = none
	bool proxy;		    // beside another server's offer
	bool held;		    // names a file that is not there: see stage.c
};

void boot_recipe_find(const struct boot_client *c, const struct boot_asker *a,
		      struct boot_recipe *out);
void boot_recipe_put(struct boot_reply *p, const struct boot_client *c, const struct boot_asker *a,
		     const struct boot_recipe *recipe);

// --- stage.c: rounds that lead nowhere

// A DISCOVER: counts it, tells what lacks or loops, and says whether the answer is held back.
void boot_stage_round(struct boot_responder *r, const struct boot_udp *u,
		      const struct boot_request *q, struct boot_recipe *recipe);
// The same for a message within a round: only the last.
void boot_stage_apply(const struct boot_responder *r, const struct boot_udp *u,
		      const struct boot_request *q, struct boot_recipe *recipe);

// --- proxy.c

void boot_proxy_input(struct boot_responder *r, const struct boot_udp *u,
		      const struct boot_request *q);

// --- lease.c: addresses of pools

enum { BOOT_LEASE_RESERVED = 8 }; // offered; beside enum boot_lease_kind

// The address that a client has or may have; reserves one of its pool. returns false = none
bool boot_lease_offer(struct boot_responder *r, const struct boot_udp *u, uint8_t ip[4]);
// May it have this address of its pool? Then it is bound, and the journal told.
bool boot_lease_bind(struct boot_responder *r, const struct boot_udp *u, const uint8_t ip[4]);
void boot_lease_decline(struct boot_responder *r, const struct boot_udp *u, const uint8_t ip[4]);
void boot_lease_release(struct boot_responder *r, const struct boot_udp *u, const uint8_t ip[4]);
// Another server was chosen.
void boot_lease_unreserve(struct boot_responder *r, const struct boot_client *c);
// Is this address of the pool bound to the client?
bool boot_lease_holds(const struct boot_responder *r, const struct boot_client *c,
		      const uint8_t ip[4]);

static inline const struct boot_pool *boot_pool_of(const struct boot_responder *r,
						   const struct boot_client *c)
{
	if (!boot_is_zero(c->ip) || c->pool < 0 || (uint32_t)c->pool >= r->table->n_pools)
		return NULL;
	return &r->table->pools[c->pool];
}

#endif
