// weir-front-tap: joins a tap to a guest port, so that the Linux programs of a network namespace
// are a guest's.
//
// The tap speaks the virtio-net header itself (IFF_VNET_HDR, 12 bytes), so a frame goes from the
// kernel into a slot of the ring, and from a slot into the kernel, with one system call and nothing
// in between; checksums and super-frames pass as they are. When there is nothing to do it sleeps in
// poll(). The tap's carrier is up while a switch is attached.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vh_front.h"

enum {
	QUEUE_SIZE = 256,
	RX_BUFFER = 2048,
	BURST = 32,
	BURSTS = 8, // in one direction, then the other has its turn
	USAGE = 2,
};

struct options {
	const char *socket, *tap, *netns, *mac;
	enum vh_front_mode mode;
	bool offloads;
	uint16_t n_pairs;
};

struct joint {
	struct options opt;
	struct vh_front *front;
	int taps[VH_FRONT_PAIRS_MAX];
	bool ready, failed;
	uint64_t lost_pkts;    // frames from the tap while no switch was there
	uint64_t refused_pkts; // frames to the tap that the kernel did not take
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static int complain(const char *what, const char *value, int code)
{
	fprintf(stderr, "weir-front-tap: %s %s: %s\n", what, value, strerror(-code));
	return code;
}

static int tap_open(const struct options *o)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), hdr = VH_RING_HDR_BYTES;

	if (fd < 0)
		return -errno;
	if (o->n_pairs > 1)
		r.ifr_flags |= IFF_MULTI_QUEUE;
	strncpy(r.ifr_name, o->tap, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &r) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, o->offloads ? offloads : 0) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static int set_mac(const struct options *o)
{
	struct ifreq r = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	unsigned b[6];
	char rest;
	int fd, rc;

	if (sscanf(o->mac, "%x:%x:%x:%x:%x:%x%c", b, b + 1, b + 2, b + 3, b + 4, b + 5, &rest) != 6)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		if (b[i] > 0xff)
			return -EINVAL;
		r.ifr_hwaddr.sa_data[i] = (char)b[i];
	}
	strncpy(r.ifr_name, o->tap, IFNAMSIZ - 1);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = ioctl(fd, SIOCSIFHWADDR, &r) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int enter(const char *netns)
{
	char path[256];
	int fd, rc;

	snprintf(path, sizeof(path), netns[0] == '/' ? "%s" : "/var/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

// UNIX sockets do not mind in which network namespace we are, so we stay in the tap's.
static int taps_open(struct joint *j)
{
	int rc = j->opt.netns == NULL ? 0 : enter(j->opt.netns);

	if (rc < 0)
		return complain("namespace", j->opt.netns, rc);
	for (uint16_t q = 0; q < j->opt.n_pairs; q++) {
		j->taps[q] = tap_open(&j->opt);
		if (j->taps[q] < 0)
			return complain("tap", j->opt.tap, j->taps[q]);
	}
	if (j->opt.mac != NULL && (rc = set_mac(&j->opt)) < 0)
		return complain("address", j->opt.mac, rc);
	return 0;
}

static int front_open(struct joint *j)
{
	struct vh_front_params p = {
		.n_guests = 1,
		.n_pairs = j->opt.n_pairs,
		.queue_size = QUEUE_SIZE,
		.frame_bytes = VH_FRONT_FRAME_MAX,
		.piece_bytes = 16384, // as a Linux guest's fragments
		.rx_buffer_bytes = RX_BUFFER,
		.mergeable = true,
		.indirect = true,
		.event_idx = true,
		.csum = j->opt.offloads,
		.tso = j->opt.offloads,
		.calls = true,
	};
	struct weir_err err;
	int rc = vh_front_create(&p, &j->front, &err);

	if (rc == 0)
		rc = vh_front_open(j->front, 0, j->opt.socket, j->opt.mode, &err);
	if (rc < 0)
		fprintf(stderr, "weir-front-tap: %s\n", err.text);
	return rc;
}

// From the kernel to the switch. returns false when the ring is full
static bool send_some(struct joint *j, uint16_t q)
{
	struct vh_ring *r = vh_front_tx(j->front, 0, q);
	uint8_t *frames[BURST];
	uint32_t lens[BURST];
	uint16_t room = vh_ring_reserve(r, BURST, frames), n = 0;

	while (n < room) {
		ssize_t size =
			read(j->taps[q], vh_ring_hdr(frames[n]), VH_RING_HDR_BYTES + r->slot_bytes);

		if (size <= VH_RING_HDR_BYTES)
			break;
		lens[n++] = (uint32_t)size - VH_RING_HDR_BYTES;
	}
	vh_ring_send(r, n, lens);
	return room > 0;
}

// From the switch to the kernel. What the kernel does not take is lost, as on a NIC.
static void receive_some(struct joint *j, uint16_t q)
{
	struct vh_ring *r = vh_front_rx(j->front, 0, q);
	struct vh_frame frames[BURST];
	uint16_t n;

	for (int b = 0; b < BURSTS && (n = vh_ring_take(r, BURST, frames)) > 0; b++) {
		for (uint16_t i = 0; i < n; i++) {
			struct iovec iov[VH_RING_BURST] = { { vh_ring_hdr(frames[i].data),
							      VH_RING_HDR_BYTES +
								      frames[i].first_bytes } };
			uint32_t left = frames[i].size_bytes - frames[i].first_bytes;

			for (uint16_t k = 1; k < frames[i].n_bufs; k++) {
				uint32_t size = left < RX_BUFFER ? left : RX_BUFFER;

				iov[k] = (struct iovec){ vh_ring_piece(r, &frames[i], k), size };
				left -= size;
			}
			if (writev(j->taps[q], iov, frames[i].n_bufs) < 0)
				j->refused_pkts++;
		}
		vh_ring_release(r);
	}
}

static void forget_events(int fd)
{
	eventfd_t v;

	(void)eventfd_read(fd, &v);
}

// Nobody listens: what the namespace sends is lost, and counted.
static void throw_away(struct joint *j, uint16_t q)
{
	static uint8_t waste[VH_FRONT_FRAME_MAX + VH_RING_HDR_BYTES];

	for (int i = 0; i < BURST * BURSTS && read(j->taps[q], waste, sizeof(waste)) > 0; i++)
		j->lost_pkts++;
}

static void carrier(struct joint *j)
{
	bool ready = vh_front_state(j->front, 0) == VH_FRONT_READY;
	int on = ready;

	if (vh_front_state(j->front, 0) == VH_FRONT_REFUSED) {
		fprintf(stderr, "weir-front-tap: %s\n", vh_front_why(j->front, 0));
		j->failed = true;
	}
	if (ready == j->ready)
		return;
	j->ready = ready;
	ioctl(j->taps[0], TUNSETCARRIER, &on);
	printf(ready ? "attached\n" : "detached\n");
	fflush(stdout);
}

// Before sleeping: ask to be called, then look once more.
static bool may_sleep(struct joint *j, uint16_t q, bool full)
{
	struct vh_ring *rx = vh_front_rx(j->front, 0, q), *tx = vh_front_tx(j->front, 0, q);

	vh_ring_calls(rx, true);
	vh_ring_calls(tx, full);
	return !vh_ring_has_used(rx) && !(full && vh_ring_has_used(tx));
}

// The switch wrote nonsense: vh_front_poll() ends that.
static bool broken(const struct joint *j)
{
	for (uint16_t q = 0; q < j->opt.n_pairs; q++)
		if (vh_front_rx(j->front, 0, q)->broken || vh_front_tx(j->front, 0, q)->broken)
			return true;
	return false;
}

// One round: move what there is, then wait.
static void round_trip(struct joint *j)
{
	struct pollfd p[1 + 3 * VH_FRONT_PAIRS_MAX] = { { .fd = vh_front_fd(j->front),
							  .events = POLLIN } };
	bool sleep = true;
	uint16_t n = 1;

	for (uint16_t q = 0; q < j->opt.n_pairs; q++) {
		bool room = true;

		if (j->ready) {
			receive_some(j, q);
			room = send_some(j, q);
			sleep = may_sleep(j, q, !room) && sleep;
		} else {
			throw_away(j, q);
		}
		p[n++] = (struct pollfd){ .fd = room ? j->taps[q] : -1, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = vh_front_rx(j->front, 0, q)->call_fd,
					  .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = vh_front_tx(j->front, 0, q)->call_fd,
					  .events = POLLIN };
	}
	// A switch we connect to is tried again each second.
	if (broken(j))
		sleep = false;
	if (poll(p, n, !sleep ? 0 : !j->ready ? 1000 : -1) < 0)
		return;
	for (uint16_t i = 1; i < n; i++) {
		if (i % 3 != 1 && (p[i].revents & POLLIN) != 0)
			forget_events(p[i].fd);
		if (i % 3 == 1 && (p[i].revents & POLLERR) != 0 && !j->failed) {
			fprintf(stderr, "weir-front-tap: tap %s: it was deleted\n", j->opt.tap);
			j->failed = true;
		}
	}
	if (p[0].revents != 0 || !j->ready || broken(j))
		vh_front_poll(j->front, 0);
	carrier(j);
}

static int usage(FILE *f)
{
	fputs("usage: weir-front-tap [--connect] [--netns NAME] [--mac ADDRESS] [--queues N] "
	      "[--no-offloads] SOCKET TAP\n"
	      "Joins the tap to the guest port on SOCKET (we listen, the switch connects; "
	      "--connect: the other way round).\n",
	      f);
	return f == stdout ? 0 : USAGE;
}

static int options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "connect", no_argument, NULL, 'c' },
		{ "netns", required_argument, NULL, 'n' },
		{ "mac", required_argument, NULL, 'm' },
		{ "queues", required_argument, NULL, 'q' },
		{ "no-offloads", no_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long n;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->mode = VH_FRONT_CONNECT;
			break;
		case 'n':
			o->netns = optarg;
			break;
		case 'm':
			o->mac = optarg;
			break;
		case 'q':
			n = strtoul(optarg, &end, 10);
			if (*end != '\0' || n < 1 || n > VH_FRONT_PAIRS_MAX)
				return usage(stderr);
			o->n_pairs = (uint16_t)n;
			break;
		case 'x':
			o->offloads = false;
			break;
		case 'h':
			exit(usage(stdout));
		default:
			return usage(stderr);
		}
	}
	if (argc - optind != 2 || strlen(argv[optind + 1]) >= IFNAMSIZ)
		return usage(stderr);
	o->socket = argv[optind];
	o->tap = argv[optind + 1];
	return 0;
}

int main(int argc, char **argv)
{
	struct joint j = { .opt = { .n_pairs = 1, .offloads = true } };
	struct sigaction sa = { .sa_handler = on_signal };
	int rc = options(argc, argv, &j.opt), off = 0;

	if (rc != 0)
		return rc;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (taps_open(&j) < 0 || front_open(&j) < 0) {
		vh_front_destroy(j.front);
		return 1;
	}
	ioctl(j.taps[0], TUNSETCARRIER, &off);
	printf("listening\n");
	fflush(stdout);
	while (!stopped && !j.failed)
		round_trip(&j);
	vh_front_destroy(j.front);
	if (j.lost_pkts > 0)
		fprintf(stderr,
			"weir-front-tap: %llu frames were sent while no switch was attached\n",
			(unsigned long long)j.lost_pkts);
	if (j.refused_pkts > 0)
		fprintf(stderr, "weir-front-tap: %llu frames were not taken by the kernel\n",
			(unsigned long long)j.refused_pkts);
	return j.failed ? 1 : 0;
}
