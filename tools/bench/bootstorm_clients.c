// weir-bench-bootstorm: many boot ROMs in one thread. Each asks for an address (DISCOVER, OFFER,
// REQUEST, ACK), for the server's hardware address, and for one file by TFTP, as iPXE does: blksize
// 1468, lock-step unless --window says more. What is not answered within a second is asked again,
// and counted: that is the second a person waits.
//
// The guests are vhost-user front-ends, one socket each (PREFIX0, PREFIX1, ...), or all of them are
// behind one device (AF_PACKET), where another server is. Prints one line of JSON.
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vh_front.h"

enum {
	GUESTS_MAX = 4096,
	FRONTS_MAX = GUESTS_MAX / VH_FRONT_GUESTS_MAX,
	FRAME_MAX = 1514,
	BLOCK = 1468,
	PORT_FIRST = 2000,
	ASKED_MAX = 420,
	NAP_NS = 20000,
	DISCOVER = 1,
	OFFER = 2,
	REQUEST = 3,
	ACK = 5,
	USAGE = 2,
};
static const uint64_t RETRY_NS = 1000000000;

enum state { WAITING, DISCOVERING, REQUESTING, RESOLVING, OPENING, READING, DONE };

struct guest {
	enum state state;
	uint64_t start_ns, offer_ns, lease_ns, file_ns, retry_ns;
	uint8_t ip[4], server[4], server_mac[6];
	uint16_t tid, block, in_window; // of the transfer
	uint64_t bytes;
	uint8_t asked[ASKED_MAX]; // what is repeated
	uint32_t asked_bytes;
};

struct storm {
	uint32_t n_guests, window, over_ms, limit_s;
	const char *file;
	struct vh_front *fronts[FRONTS_MAX]; // none = packet_fd
	int packet_fd;
	struct guest *guests; // guests[n_guests]
	int32_t by_ip[65536]; // by the last two bytes
	uint32_t n_done;
	uint64_t now_ns, dhcp_retries, tftp_retries, refused;
};

static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, nobody[4];

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void mac_of(uint32_t g, uint8_t mac[6])
{
	const uint8_t m[6] = { 0x52, 0x54, 0x01, 0, (uint8_t)(g >> 8), (uint8_t)g };

	memcpy(mac, m, 6);
}

static void transmit(struct storm *s, uint32_t g, const uint8_t *frame, uint32_t size)
{
	if (s->fronts[0] == NULL) {
		if (send(s->packet_fd, frame, size, 0) < 0)
			s->refused++;
		return;
	}
	struct vh_ring *r =
		vh_front_tx(s->fronts[g / VH_FRONT_GUESTS_MAX], g % VH_FRONT_GUESTS_MAX, 0);
	uint8_t *slot;

	if (vh_ring_reserve(r, 1, &slot) == 0) {
		s->refused++;
		return;
	}
	memcpy(slot, frame, size);
	vh_ring_send(r, 1, &size);
}

struct ends {
	uint8_t ip[8]; // ours, theirs
	uint16_t sport, dport;
};

// Ethernet, IPv4 and UDP around size bytes that stand at f + 42.
static uint32_t wrap(uint32_t g, uint8_t *f, const uint8_t dst_mac[6], const struct ends *e,
		     uint32_t size)
{
	uint32_t sum = 0;

	memcpy(f, dst_mac, 6);
	mac_of(g, f + 6);
	put16(f + 12, ETHERTYPE_IP);
	memset(f + 14, 0, 28);
	f[14] = 0x45;
	put16(f + 16, 28 + size);
	f[22] = 64;
	f[23] = IPPROTO_UDP;
	memcpy(f + 26, e->ip, 8);
	for (int i = 14; i < 34; i += 2)
		sum += get16(f + i);
	sum = (sum >> 16) + (sum & 0xffff);
	put16(f + 24, ~(sum + (sum >> 16)) & 0xffff);
	put16(f + 34, e->sport);
	put16(f + 36, e->dport);
	put16(f + 38, 8 + size);
	return 42 + size; // a checksum of zero is none (RFC 768)
}

static void ask(struct storm *s, uint32_t g, const uint8_t *frame, uint32_t size)
{
	struct guest *c = &s->guests[g];

	if (frame != c->asked)
		memcpy(c->asked, frame, size);
	c->asked_bytes = size;
	c->retry_ns = s->now_ns + RETRY_NS;
	transmit(s, g, c->asked, size);
}

static uint8_t *option(uint8_t *o, uint8_t code, const void *data, uint8_t size)
{
	o[0] = code;
	o[1] = size;
	memcpy(o + 2, data, size);
	return o + 2 + size;
}

static void dhcp(struct storm *s, uint32_t g, uint8_t type)
{
	static const uint8_t cookie[4] = { 99, 130, 83, 99 };
	static const uint8_t wants[] = { 1, 3, 6, 12, 15, 17, 26, 43, 60, 66, 67, 175, 203 };
	static const struct ends ends = { { 0, 0, 0, 0, 255, 255, 255, 255 }, 68, 67 };
	struct guest *c = &s->guests[g];
	uint8_t f[ASKED_MAX] = { 0 }, *b = f + 42, *o = b + 240;

	b[0] = b[1] = 1;
	b[2] = 6;
	put16(b + 4, 0x5757);
	put16(b + 6, g);
	mac_of(g, b + 28);
	memcpy(b + 236, cookie, 4);
	o = option(o, 53, &type, 1);
	o = option(o, 57, "\x05\xc0", 2);
	o = option(o, 93, "\0\0", 2);
	o = option(o, 60, "PXEClient:Arch:00000:UNDI:002001", 32);
	o = option(o, 77, "iPXE", 4);
	o = option(o, 55, wants, sizeof(wants));
	o = option(o, 175, "\xb1\x01\x01", 3);
	if (type == REQUEST) {
		o = option(o, 54, c->server, 4);
		o = option(o, 50, c->ip, 4);
	}
	*o++ = 255;
	ask(s, g, f, wrap(g, f, everybody, &ends, (uint32_t)(o - b)));
}

static void arp(struct storm *s, uint32_t g, const uint8_t to[6], const uint8_t their_ip[4])
{
	uint8_t f[60] = { 0 };
	bool asks = memcmp(to, everybody, 6) == 0;

	memcpy(f, to, 6);
	mac_of(g, f + 6);
	put16(f + 12, ETHERTYPE_ARP);
	memcpy(f + 14, "\0\1\x08\0\6\4\0", 7);
	f[21] = asks ? 1 : 2;
	mac_of(g, f + 22);
	memcpy(f + 28, s->guests[g].ip, 4);
	if (!asks)
		memcpy(f + 32, to, 6);
	memcpy(f + 38, their_ip, 4);
	if (asks)
		ask(s, g, f, sizeof(f));
	else
		transmit(s, g, f, sizeof(f));
}

static uint32_t tftp_frame(struct storm *s, uint32_t g, uint8_t *f, uint16_t to, uint32_t size)
{
	const struct guest *c = &s->guests[g];
	struct ends ends = { .sport = (uint16_t)(PORT_FIRST + g % 60000), .dport = to };

	memcpy(ends.ip, c->ip, 4);
	memcpy(ends.ip + 4, c->server, 4);
	return wrap(g, f, c->server_mac, &ends, size);
}

static void tftp_open(struct storm *s, uint32_t g)
{
	uint8_t f[ASKED_MAX];
	uint8_t *b = f + 42;
	int n = snprintf((char *)b + 2, sizeof(f) - 44, "%s%coctet%cblksize%c%d%ctsize%c0", s->file,
			 0, 0, 0, BLOCK, 0, 0);

	put16(b, 1);
	n += 3; // the opcode, and the NUL of the last text
	if (s->window > 1)
		n += snprintf((char *)b + n, sizeof(f) - 42 - (size_t)n, "windowsize%c%u", 0,
			      s->window) +
		     1;
	s->guests[g].state = OPENING;
	ask(s, g, f, tftp_frame(s, g, f, 69, (uint32_t)n));
}

static void tftp_ack(struct storm *s, uint32_t g, uint16_t block)
{
	uint8_t f[60] = { 0 };

	put16(f + 42, 4);
	put16(f + 44, block);
	s->guests[g].in_window = 0;
	ask(s, g, f, tftp_frame(s, g, f, s->guests[g].tid, 4));
}

static void on_tftp(struct storm *s, uint32_t g, const uint8_t *f, uint32_t size)
{
	struct guest *c = &s->guests[g];
	const uint8_t *b = f + 42;
	uint32_t n = get16(f + 38) - 8u;

	if ((c->state != OPENING && c->state != READING) || n < 4 || 42 + n > size)
		return;
	if (c->state == OPENING && get16(b) == 6) {
		c->tid = get16(f + 34);
		c->state = READING;
		tftp_ack(s, g, 0);
		return;
	}
	if (c->state != READING || get16(b) != 3 || get16(f + 34) != c->tid)
		return;
	// iPXE acknowledges what comes again; what it said may be lost. With windows that would ask
	// for all of them again.
	if (get16(b + 2) == c->block && s->window == 1)
		tftp_ack(s, g, c->block);
	if (get16(b + 2) != (uint16_t)(c->block + 1))
		return;
	c->block++;
	c->in_window++;
	c->bytes += n - 4;
	c->retry_ns = s->now_ns + RETRY_NS;
	if (c->in_window == s->window || n < 4 + BLOCK)
		tftp_ack(s, g, c->block);
	if (n < 4 + BLOCK) {
		c->state = DONE;
		c->file_ns = s->now_ns;
		s->n_done++;
	}
}

static const uint8_t *find_option(const uint8_t *o, const uint8_t *end, uint8_t code)
{
	while (o + 2 <= end && *o != 255) {
		if (*o == 0) {
			o++;
			continue;
		}
		if (o + 2 + o[1] > end)
			return NULL;
		if (*o == code)
			return o + 2;
		o += 2 + o[1];
	}
	return NULL;
}

static void on_dhcp(struct storm *s, uint32_t g, const uint8_t *f, uint32_t size)
{
	struct guest *c = &s->guests[g];
	const uint8_t *b = f + 42, *type, *server;

	if (size < 42 + 244 || get16(b + 6) != (g & 0xffff))
		return;
	type = find_option(b + 240, f + size, 53);
	server = find_option(b + 240, f + size, 54);
	if (type == NULL || server == NULL)
		return;
	if (c->state == DISCOVERING && *type == OFFER) {
		c->offer_ns = s->now_ns;
		memcpy(c->ip, b + 16, 4);
		memcpy(c->server, server, 4);
		s->by_ip[get16(c->ip + 2)] = (int32_t)g;
		c->state = REQUESTING;
		dhcp(s, g, REQUEST);
	} else if (c->state == REQUESTING && *type == ACK) {
		c->lease_ns = s->now_ns;
		c->state = RESOLVING;
		arp(s, g, everybody, c->server);
	}
}

static void on_arp(struct storm *s, uint32_t g, const uint8_t *f, uint32_t size)
{
	struct guest *c = &s->guests[g];

	if (size < 42)
		return;
	if (f[21] == 1 && memcmp(f + 38, c->ip, 4) == 0 && memcmp(c->ip, nobody, 4) != 0)
		arp(s, g, f + 22, f + 28);
	if (f[21] == 2 && c->state == RESOLVING && memcmp(f + 28, c->server, 4) == 0) {
		memcpy(c->server_mac, f + 22, 6);
		tftp_open(s, g);
	}
}

static void input(struct storm *s, uint32_t g, const uint8_t *f, uint32_t size)
{
	if (size < 42)
		return;
	if (get16(f + 12) == ETHERTYPE_ARP)
		on_arp(s, g, f, size);
	else if (get16(f + 12) != ETHERTYPE_IP || f[14] != 0x45 || f[23] != IPPROTO_UDP)
		return;
	else if (get16(f + 36) == 68)
		on_dhcp(s, g, f, size);
	else if (get16(f + 36) == PORT_FIRST + g % 60000)
		on_tftp(s, g, f, size);
}

// Which guest a frame of the device is for; -1 = none.
static int32_t guest_of(const struct storm *s, const uint8_t *f, uint32_t size)
{
	uint32_t g = get16(f + 4);

	if (f[0] == 0x52 && f[1] == 0x54 && f[2] == 1 && f[3] == 0)
		return g < s->n_guests ? (int32_t)g : -1;
	if (size >= 42 && get16(f + 12) == ETHERTYPE_ARP)
		return s->by_ip[get16(f + 40)];
	if (size < 42 + 34 || get16(f + 36) != 68)
		return -1;
	g = get16(f + 42 + 32);
	return g < s->n_guests ? (int32_t)g : -1;
}

// returns false when there was nothing
static bool receive_packet(struct storm *s)
{
	uint8_t f[2048];

	for (int i = 0; i < 256; i++) {
		ssize_t n = recv(s->packet_fd, f, sizeof(f), MSG_DONTWAIT);
		int32_t g;

		if (n < 14)
			return i > 0;
		s->now_ns = clock_ns();
		g = guest_of(s, f, (uint32_t)n);
		if (g >= 0)
			input(s, (uint32_t)g, f, (uint32_t)n);
	}
	return true;
}

static bool receive_fronts(struct storm *s)
{
	struct vh_frame frames[32];
	bool any = false;

	for (uint32_t g = 0; g < s->n_guests; g++) {
		struct vh_ring *r =
			vh_front_rx(s->fronts[g / VH_FRONT_GUESTS_MAX], g % VH_FRONT_GUESTS_MAX, 0);
		uint16_t n = vh_ring_take(r, 32, frames);

		if (n == 0)
			continue;
		any = true;
		s->now_ns = clock_ns();
		for (uint16_t i = 0; i < n; i++)
			if (frames[i].n_bufs == 1)
				input(s, g, frames[i].data, frames[i].size_bytes);
		vh_ring_release(r);
	}
	return any;
}

static void again(struct storm *s)
{
	for (uint32_t g = 0; g < s->n_guests; g++) {
		struct guest *c = &s->guests[g];

		if (c->state == WAITING || c->state == DONE || c->retry_ns > s->now_ns)
			continue;
		*(c->state >= OPENING ? &s->tftp_retries : &s->dhcp_retries) += 1;
		ask(s, g, c->asked, c->asked_bytes);
	}
}

static void begin(struct storm *s, uint64_t start_ns)
{
	for (uint32_t g = 0; g < s->n_guests; g++) {
		struct guest *c = &s->guests[g];

		if (c->state != WAITING ||
		    s->now_ns < start_ns + (uint64_t)s->over_ms * 1000000 * g / s->n_guests)
			continue;
		c->state = DISCOVERING;
		s->now_ns = c->start_ns = clock_ns();
		dhcp(s, g, DISCOVER);
	}
}

static void run(struct storm *s)
{
	uint64_t start_ns = clock_ns(), end_ns = start_ns + (uint64_t)s->limit_s * 1000000000,
		 looked_ns = start_ns;

	while (s->n_done < s->n_guests && (s->now_ns = clock_ns()) < end_ns) {
		begin(s, start_ns);
		// Guests that wait halt: they take no CPU from who serves them.
		if (!(s->fronts[0] == NULL ? receive_packet(s) : receive_fronts(s)))
			nanosleep(&(const struct timespec){ .tv_nsec = NAP_NS }, NULL);
		if (s->now_ns - looked_ns < 10000000)
			continue;
		looked_ns = s->now_ns;
		again(s);
		for (int i = 0; i < FRONTS_MAX && s->fronts[i] != NULL; i++)
			vh_front_poll(s->fronts[i], 0);
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void percentiles(const char *name, uint64_t *ns, uint32_t n)
{
	qsort(ns, n, sizeof(*ns), by_value);
	printf("\"%s_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},", name,
	       n == 0 ? 0.0 : (double)ns[n / 2] / 1e6,
	       n == 0 ? 0.0 : (double)ns[(uint64_t)n * 99 / 100] / 1e6,
	       n == 0 ? 0.0 : (double)ns[n - 1] / 1e6);
}

static void report(struct storm *s)
{
	uint64_t *offers = calloc(s->n_guests, sizeof(*offers)),
		 *leases = calloc(s->n_guests, sizeof(*leases)),
		 *files = calloc(s->n_guests, sizeof(*files));
	uint64_t first = UINT64_MAX, last = 0, bytes = 0;
	uint32_t n_offers = 0, n_leases = 0, n_files = 0;

	for (uint32_t g = 0; offers != NULL && leases != NULL && files != NULL && g < s->n_guests;
	     g++) {
		const struct guest *c = &s->guests[g];

		first = c->start_ns != 0 && c->start_ns < first ? c->start_ns : first;
		last = c->file_ns > last ? c->file_ns : last;
		bytes += c->bytes;
		if (c->offer_ns != 0)
			offers[n_offers++] = c->offer_ns - c->start_ns;
		if (c->lease_ns != 0)
			leases[n_leases++] = c->lease_ns - c->start_ns;
		if (c->file_ns != 0)
			files[n_files++] = c->file_ns - c->start_ns;
	}
	printf("{\"guests\":%u,\"done\":%u,", s->n_guests, s->n_done);
	percentiles("offer", offers, n_offers);
	percentiles("lease", leases, n_leases);
	percentiles("boot", files, n_files);
	printf("\"total_ms\":%.3f,\"bytes\":%llu,\"dhcp_timeouts\":%llu,\"tftp_timeouts\":%llu,"
	       "\"refused\":%llu}\n",
	       last > first ? (double)(last - first) / 1e6 : 0.0, (unsigned long long)bytes,
	       (unsigned long long)s->dhcp_retries, (unsigned long long)s->tftp_retries,
	       (unsigned long long)s->refused);
	free(offers);
	free(leases);
	free(files);
}

static int open_packet(struct storm *s, const char *device)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons(ETH_P_ALL),
				 .sll_ifindex = (int)if_nametoindex(device) };
	int size = 256 << 20, on = 1;

	s->packet_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (s->packet_fd < 0 ||
	    setsockopt(s->packet_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    setsockopt(s->packet_fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 ||
	    setsockopt(s->packet_fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
	    bind(s->packet_fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		fprintf(stderr, "device %s: %s\n", device, strerror(errno));
		return -errno;
	}
	return 0;
}

static int open_fronts(struct storm *s, const char *prefix)
{
	struct vh_front_params p = { .n_pairs = 1,
				     .queue_size = VH_RING_SIZE_MIN,
				     .frame_bytes = FRAME_MAX,
				     .rx_buffer_bytes = 2048,
				     .mergeable = true,
				     .indirect = true };
	uint64_t end_ns = clock_ns() + 120000000000ull;
	struct weir_err err;
	char path[108];
	uint32_t n_ready = 0;

	for (uint32_t g = 0; g < s->n_guests; g++) {
		uint32_t f = g / VH_FRONT_GUESTS_MAX, left = s->n_guests - g;

		p.n_guests = (uint16_t)(left < VH_FRONT_GUESTS_MAX ? left : VH_FRONT_GUESTS_MAX);
		snprintf(path, sizeof(path), "%s%u", prefix, g);
		if ((s->fronts[f] == NULL && vh_front_create(&p, &s->fronts[f], &err) < 0) ||
		    vh_front_open(s->fronts[f], (uint16_t)(g % VH_FRONT_GUESTS_MAX), path,
				  VH_FRONT_LISTEN, &err) < 0) {
			fprintf(stderr, "%s\n", err.text);
			return -EIO;
		}
	}
	while (n_ready < s->n_guests && clock_ns() < end_ns) {
		n_ready = 0;
		for (int i = 0; i < FRONTS_MAX && s->fronts[i] != NULL; i++)
			vh_front_poll(s->fronts[i], 50);
		for (uint32_t g = 0; g < s->n_guests; g++)
			n_ready += vh_front_state(s->fronts[g / VH_FRONT_GUESTS_MAX],
						  g % VH_FRONT_GUESTS_MAX) == VH_FRONT_READY;
	}
	if (n_ready == s->n_guests)
		return 0;
	fprintf(stderr, "only %u of %u guests were attached\n", n_ready, s->n_guests);
	return -ETIMEDOUT;
}

static int usage(void)
{
	fputs("usage: weir-bench-bootstorm [--guests N] [--window N] [--over MS] [--limit S] "
	      "--file NAME vhost PREFIX | packet DEVICE\n",
	      stderr);
	return USAGE;
}

static bool number(const char *text, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*out = (uint32_t)n;
	return *text != '\0' && *end == '\0' && n <= max;
}

static bool options(int argc, char **argv, struct storm *s)
{
	static const struct option longs[] = {
		{ "guests", 1, NULL, 'g' }, { "window", 1, NULL, 'w' }, { "over", 1, NULL, 'o' },
		{ "limit", 1, NULL, 'l' },  { "file", 1, NULL, 'f' },	{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if ((c == 'g' && !number(optarg, GUESTS_MAX, &s->n_guests)) ||
		    (c == 'w' && !number(optarg, 64, &s->window)) ||
		    (c == 'o' && !number(optarg, 600000, &s->over_ms)) ||
		    (c == 'l' && !number(optarg, 3600, &s->limit_s)) || c == '?')
			return false;
		if (c == 'f')
			s->file = optarg;
	}
	return s->file != NULL && strlen(s->file) < 128 && s->n_guests > 0 && s->window > 0 &&
	       argc - optind == 2;
}

int main(int argc, char **argv)
{
	struct storm s = { .n_guests = 1000, .window = 1, .limit_s = 60, .packet_fd = -1 };
	int rc;

	if (!options(argc, argv, &s))
		return usage();
	memset(s.by_ip, 0xff, sizeof(s.by_ip));
	s.guests = calloc(s.n_guests, sizeof(*s.guests));
	if (s.guests == NULL)
		return 1;
	if (strcmp(argv[optind], "packet") == 0)
		rc = open_packet(&s, argv[optind + 1]);
	else if (strcmp(argv[optind], "vhost") == 0)
		rc = open_fronts(&s, argv[optind + 1]);
	else
		return usage();
	if (rc == 0) {
		sleep(1); // what the attaching set off comes to rest
		run(&s);
		report(&s);
	}
	for (int i = 0; i < FRONTS_MAX; i++)
		vh_front_destroy(s.fronts[i]);
	free(s.guests);
	return rc < 0 ? 1 : s.n_done == s.n_guests ? 0 : 3;
}
