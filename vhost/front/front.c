// Guests, their memory and their sockets. See vh_front.h.
#include "front_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	HUGE_PAGE = 2 << 20,
	EVENTS = 64,
	STOP_TIMEOUT_MS = 5000,
	BACKLOG = 1,
};

static struct vh_ring_params ring_params(const struct vh_front_params *p, bool rx)
{
	return (struct vh_ring_params){
		.size = p->queue_size,
		.slot_bytes = rx ? p->rx_buffer_bytes - VH_RING_HDR_BYTES : p->frame_bytes,
		.piece_bytes = rx ? 0 : p->piece_bytes,
		.rx = rx,
		.packed = p->packed,
		.indirect = p->indirect,
		.event_idx = p->event_idx,
		.mergeable = rx && p->mergeable,
	};
}

// A chain is not longer than its queue, and some frames must fit into the queue. Received frames
// must fit into a burst of buffers.
static int check_pieces(const struct vh_front_params *p, struct weir_err *err)
{
	uint32_t most = p->queue_size / 4, piece = p->piece_bytes, n, need;

	if (piece != 0 && (piece < 64 || (p->packed && !p->indirect)))
		return weir_err_set(err, -EINVAL,
				    "pieces of %u bytes: at least 64; on packed rings they need "
				    "indirect descriptors",
				    piece);
	n = piece == 0 ? 1 : (p->frame_bytes + VH_RING_HDR_BYTES + piece - 1) / piece;
	if (n > most)
		return weir_err_set(err, -EINVAL,
				    "pieces of %u bytes: a frame of %u has %u of them, at most %u "
				    "in a queue of %u",
				    piece, p->frame_bytes, n, most, p->queue_size);
	need = (VH_FRONT_FRAME_MAX + VH_RING_HDR_BYTES + VH_RING_BURST - 1) / VH_RING_BURST;
	if (p->tso && p->mergeable && p->rx_buffer_bytes < need)
		return weir_err_set(err, -EINVAL,
				    "receive buffers of %u bytes: super-frames need %u",
				    p->rx_buffer_bytes, need);
	return 0;
}

static int check(const struct vh_front_params *p, struct weir_err *err)
{
	uint32_t s = p->queue_size;

	if (p->n_guests < 1 || p->n_guests > VH_FRONT_GUESTS_MAX)
		return weir_err_set(err, -EINVAL, "%u guests: 1 to %u", p->n_guests,
				    VH_FRONT_GUESTS_MAX);
	if (p->n_pairs < 1 || p->n_pairs > VH_FRONT_PAIRS_MAX)
		return weir_err_set(err, -EINVAL, "%u queue pairs: 1 to %u", p->n_pairs,
				    VH_FRONT_PAIRS_MAX);
	if (s < VH_RING_SIZE_MIN || s > VH_RING_SIZE_MAX || (s & (s - 1)) != 0)
		return weir_err_set(err, -EINVAL, "queue size %u: a power of two, %u to %u", s,
				    VH_RING_SIZE_MIN, VH_RING_SIZE_MAX);
	if (p->frame_bytes < 64 || p->frame_bytes > VH_FRONT_FRAME_MAX)
		return weir_err_set(err, -EINVAL, "frames of %u bytes: 64 to %u", p->frame_bytes,
				    VH_FRONT_FRAME_MAX);
	if (p->rx_buffer_bytes < 256 || p->rx_buffer_bytes > VH_FRONT_FRAME_MAX + VH_RING_HDR_BYTES)
		return weir_err_set(err, -EINVAL, "receive buffers of %u bytes: 256 to %u",
				    p->rx_buffer_bytes, VH_FRONT_FRAME_MAX + VH_RING_HDR_BYTES);
	if (p->tso && !p->csum)
		return weir_err_set(err, -EINVAL, "tso needs csum");
	return check_pieces(p, err);
}

// Own memory and slots of one guest, all its rings.
static uint64_t guest_bytes(const struct vh_front_params *p)
{
	struct vh_ring_params rx = ring_params(p, true), tx = ring_params(p, false);
	uint64_t bytes = (vh_ring_own_bytes(&rx) + vh_ring_own_bytes(&tx) +
			  vh_ring_slots_bytes(&rx) + vh_ring_slots_bytes(&tx)) *
			 p->n_pairs;

	// Whole huge pages each: a back-end maps a guest's part by itself.
	return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

static int memory_create(struct vh_front *f, struct weir_err *err)
{
	f->guest_bytes = guest_bytes(&f->params);
	f->mem_bytes = f->guest_bytes * f->params.n_guests;
	f->mem_fd =
		memfd_create("weir-front", MFD_CLOEXEC | (f->params.huge_pages ? MFD_HUGETLB : 0));
	if (f->mem_fd < 0 || ftruncate(f->mem_fd, (off_t)f->mem_bytes) < 0)
		return weir_err_set(
			err, -ENOMEM, "%llu MiB of %s: %s", (unsigned long long)f->mem_bytes >> 20,
			f->params.huge_pages ? "huge pages" : "memory", strerror(errno));
	f->mem = mmap(NULL, f->mem_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		      f->mem_fd, 0);
	if (f->mem == MAP_FAILED) {
		f->mem = NULL;
		return weir_err_set(
			err, -ENOMEM, "%llu MiB of %s: %s", (unsigned long long)f->mem_bytes >> 20,
			f->params.huge_pages ? "huge pages" : "memory", strerror(errno));
	}
	return 0;
}

static int rings_create(struct vh_front *f, struct guest *g)
{
	uint64_t at = g->mem_offset,
		 base = FRONT_GUEST_ADDR - g->mem_offset; // guest address = base + offset
	int rc = 0;

	for (uint16_t i = 0; i < 2 * f->params.n_pairs && rc == 0; i++) {
		struct vh_ring_params p = ring_params(&f->params, i % 2 == 0);
		struct vh_ring *r = &g->rings[i];

		rc = vh_ring_init(r, &p, f->mem + at, base + at);
		at += vh_ring_own_bytes(&p);
		vh_ring_slots(r, f->mem + at, base + at);
		at += vh_ring_slots_bytes(&p);
		r->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (r->kick_fd < 0 || r->call_fd < 0)
			rc = -errno;
	}
	return rc;
}

int vh_front_create(const struct vh_front_params *p, struct vh_front **out, struct weir_err *err)
{
	struct vh_front *f;
	int rc = check(p, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return weir_err_set(err, -ENOMEM, "out of memory");
	f->params = *p;
	f->mem_fd = -1;
	f->huge = p->huge_pages;
	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	f->guests = calloc(p->n_guests, sizeof(f->guests[0]));
	if (f->epoll_fd < 0 || f->guests == NULL)
		rc = weir_err_set(err, -ENOMEM, "out of memory or descriptors");
	else
		rc = memory_create(f, err);
	for (uint16_t i = 0; i < p->n_guests && f->guests != NULL; i++)
		f->guests[i] = (struct guest){ .listen_fd = -1,
					       .fd = -1,
					       .mem_offset = f->guest_bytes * i };
	for (uint16_t i = 0; i < p->n_guests && rc == 0; i++) {
		rc = rings_create(f, &f->guests[i]);
		if (rc < 0)
			weir_err_set(err, rc, "guest %u: rings: %s", i, strerror(-rc));
	}
	if (rc < 0) {
		vh_front_destroy(f);
		return rc;
	}
	*out = f;
	return 0;
}

void vh_front_destroy(struct vh_front *f)
{
	if (f == NULL)
		return;
	for (uint16_t i = 0; f->guests != NULL && i < f->params.n_guests; i++) {
		vh_front_close(f, i);
		for (uint16_t k = 0; k < 2 * f->params.n_pairs; k++) {
			struct vh_ring *r = &f->guests[i].rings[k];

			if (r->size == 0)
				continue; // not created
			vh_ring_fini(r);
			close(r->kick_fd);
			close(r->call_fd);
		}
	}
	if (f->mem != NULL)
		munmap(f->mem, f->mem_bytes);
	if (f->mem_fd >= 0)
		close(f->mem_fd);
	if (f->epoll_fd >= 0)
		close(f->epoll_fd);
	free(f->guests);
	free(f);
}

// Watch a descriptor for a guest. Its number and whether it listens are the event's data.
static int watch(struct vh_front *f, const struct guest *g, int fd, bool listens)
{
	struct epoll_event e = { .events = EPOLLIN,
				 .data.u64 = (uint64_t)(g - f->guests) << 1 | listens };

	return epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int listen_on(struct guest *g, const struct sockaddr_un *a)
{
	struct stat st;

	if (lstat(g->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool alive;

		if (probe < 0)
			return -errno;
		alive = connect(probe, (const struct sockaddr *)a, sizeof(*a)) == 0;
		close(probe);
		if (alive)
			return -EADDRINUSE;
		unlink(g->path);
	}
	g->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (g->listen_fd < 0 || bind(g->listen_fd, (const struct sockaddr *)a, sizeof(*a)) < 0 ||
	    listen(g->listen_fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

// A back-end is there: begin the conversation.
static int begin(struct vh_front *f, struct guest *g, int fd)
{
	g->fd = fd;
	g->step = STEP_GET_FEATURES;
	g->ring_idx = 0;
	g->waiting_reply = false;
	g->protocol_features = 0;
	g->reader = (struct vh_msg_reader){ 0 };
	// Packed rings hold nothing that another back-end could go on from.
	for (uint16_t i = 0; i < 2 * f->params.n_pairs; i++)
		if (g->fresh || g->rings[i].packed || g->rings[i].broken)
			vh_ring_reset(&g->rings[i]);
	vh_front_changed(f, g, VH_FRONT_NEGOTIATING);
	return watch(f, g, fd, false);
}

static void disconnect(struct vh_front *f, struct guest *g, enum vh_front_state state)
{
	if (g->fd >= 0) {
		close(g->fd);
		g->fd = -1;
	}
	vh_msg_reader_close(&g->reader);
	vh_front_changed(f, g, state);
}

static void try_connect(struct vh_front *f, struct guest *g)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(a.sun_path, g->path, sizeof(a.sun_path));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (begin(f, g, fd) < 0)
		disconnect(f, g, VH_FRONT_WAITING);
}

int vh_front_open(struct vh_front *f, uint16_t guest, const char *path, enum vh_front_mode mode,
		  struct weir_err *err)
{
	struct guest *g = &f->guests[guest];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int rc = 0;

	if (g->state != VH_FRONT_CLOSED)
		return weir_err_set(err, -EBUSY, "guest %u: has socket %s", guest, g->path);
	if (strlen(path) >= sizeof(a.sun_path))
		return weir_err_set(err, -ENAMETOOLONG, "socket %s: path is longer than %zu bytes",
				    path, sizeof(a.sun_path) - 1);
	snprintf(g->path, sizeof(g->path), "%s", path);
	memcpy(a.sun_path, g->path, sizeof(a.sun_path));
	g->mode = mode;
	g->fresh = true;
	if (mode == VH_FRONT_LISTEN) {
		rc = listen_on(g, &a);
		if (rc == 0)
			rc = watch(f, g, g->listen_fd, true);
	}
	if (rc < 0) {
		if (g->listen_fd >= 0)
			close(g->listen_fd);
		g->listen_fd = -1;
		return weir_err_set(err, rc, "socket %s: %s", path, strerror(-rc));
	}
	vh_front_changed(f, g, VH_FRONT_WAITING);
	if (mode == VH_FRONT_CONNECT)
		try_connect(f, g);
	return 0;
}

void vh_front_close(struct vh_front *f, uint16_t guest)
{
	struct guest *g = &f->guests[guest];

	if (g->state == VH_FRONT_CLOSED)
		return;
	if (g->listen_fd >= 0) {
		close(g->listen_fd);
		unlink(g->path);
		g->listen_fd = -1;
	}
	disconnect(f, g, VH_FRONT_CLOSED);
}

static void accept_one(struct vh_front *f, struct guest *g)
{
	int fd = accept4(g->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (g->fd >= 0) {
		close(fd); // one back-end at a time, as QEMU
		return;
	}
	if (begin(f, g, fd) < 0 || vh_front_advance(f, g) < 0)
		disconnect(f, g, VH_FRONT_WAITING);
}

static void converse(struct vh_front *f, struct guest *g)
{
	struct vh_msg m;
	int rc;

	while (g->fd >= 0 && (rc = vh_msg_recv(&g->reader, g->fd, &m)) != 0) {
		if (rc > 0) {
			for (uint32_t i = 0; i < m.n_fds; i++)
				close(m.fds[i]); // no reply carries one
			rc = vh_front_reply(f, g, &m);
		}
		if (rc == 0)
			rc = vh_front_advance(f, g);
		if (rc == -ENOTSUP)
			disconnect(f, g, VH_FRONT_REFUSED);
		else if (rc < 0 && rc != -EAGAIN)
			disconnect(f, g, VH_FRONT_WAITING);
	}
}

// What the back-end wrote made no sense: as a guest we cannot go on with it.
static void check_broken(struct vh_front *f, struct guest *g)
{
	for (uint16_t i = 0; i < 2 * f->params.n_pairs; i++) {
		if (g->state == VH_FRONT_READY && g->rings[i].broken) {
			g->n_broken++;
			disconnect(f, g, VH_FRONT_WAITING); // begin() resets the ring
		}
	}
}

int vh_front_poll(struct vh_front *f, int timeout_ms)
{
	struct epoll_event events[EVENTS];
	uint32_t before = f->n_changed;
	int n;

	for (uint16_t i = 0; i < f->params.n_guests; i++) {
		struct guest *g = &f->guests[i];

		if (g->mode == VH_FRONT_CONNECT && g->state == VH_FRONT_WAITING)
			try_connect(f, g);
		if (g->state == VH_FRONT_NEGOTIATING && !g->waiting_reply)
			vh_front_advance(f, g); // the socket was full
		check_broken(f, g);
	}
	n = epoll_wait(f->epoll_fd, events, EVENTS, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct guest *g = &f->guests[events[i].data.u64 >> 1];

		if ((events[i].data.u64 & 1) != 0)
			accept_one(f, g);
		else
			converse(f, g);
	}
	return (int)(f->n_changed - before);
}

int vh_front_stop(struct vh_front *f, uint16_t guest)
{
	struct guest *g = &f->guests[guest];
	struct timespec start, now;

	if (g->state != VH_FRONT_READY)
		return -ENOTCONN;
	g->step = STEP_STOP_ENABLE;
	g->ring_idx = 0;
	g->fresh = true;
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (vh_front_advance(f, g) < 0)
		disconnect(f, g, VH_FRONT_WAITING);
	while (g->fd >= 0 && g->step != STEP_STOPPED) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > STOP_TIMEOUT_MS / 1000) {
			disconnect(f, g, VH_FRONT_WAITING);
			return -ETIMEDOUT;
		}
		vh_front_poll(f, 1);
	}
	if (g->fd < 0)
		return -ENOTCONN;
	vh_front_changed(f, g, VH_FRONT_NEGOTIATING);
	return 0;
}

int vh_front_start(struct vh_front *f, uint16_t guest)
{
	struct guest *g = &f->guests[guest];

	if (g->fd < 0 || g->step != STEP_STOPPED)
		return -ENOTCONN;
	for (uint16_t i = 0; i < 2 * f->params.n_pairs; i++)
		vh_ring_reset(&g->rings[i]);
	g->step = STEP_SET_FEATURES;
	g->ring_idx = 0;
	g->waiting_reply = false;
	return vh_front_advance(f, g);
}

int vh_front_fd(const struct vh_front *f)
{
	return f->epoll_fd;
}

enum vh_front_state vh_front_state(const struct vh_front *f, uint16_t guest)
{
	return f->guests[guest].state;
}

const char *vh_front_why(const struct vh_front *f, uint16_t guest)
{
	return f->guests[guest].why;
}

uint64_t vh_front_features(const struct vh_front *f, uint16_t guest)
{
	return f->guests[guest].features;
}

uint32_t vh_front_n_broken(const struct vh_front *f, uint16_t guest)
{
	return f->guests[guest].n_broken;
}

uint32_t vh_front_n_attaches(const struct vh_front *f, uint16_t guest)
{
	return f->guests[guest].n_attaches;
}

bool vh_front_huge_pages(const struct vh_front *f)
{
	return f->huge;
}

struct vh_ring *vh_front_tx(struct vh_front *f, uint16_t guest, uint16_t pair)
{
	return &f->guests[guest].rings[2 * pair + 1];
}

struct vh_ring *vh_front_rx(struct vh_front *f, uint16_t guest, uint16_t pair)
{
	return &f->guests[guest].rings[2 * pair];
}

int vh_front_socket(const struct vh_front *f, uint16_t guest)
{
	return f->guests[guest].fd;
}
