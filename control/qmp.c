// The monitors of machines, followed: what QEMU says of its guest goes to the machine's life. Only
// one client is served by a monitor, so it is one of our own (vm_launch.h).
//
// A monitor is looked for once a second while the machine is attached or prepared. What comes is
// bounded: 4 KiB of it in a turn, and no more in a second that had 64 messages; what is more waits
// in the socket, so nothing is lost and nothing out of order.
//
// When QEMU's end of the socket is closed and nobody listens there any more, QEMU has ended.
//
// The log of a machine is what its guest writes to its serial port, as long as it runs: of one that
// is longer than 16 MiB the last 8 MiB are kept.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_priv.h"
#include "qmp_text.h"
#include "vm_launch.h"
#include "weir_log.h"

enum {
	READ_BYTES = 4 << 10,
	MESSAGES_PER_S = 64,
	LOOKED_AT_ONCE = 128,
	CHAINS = 1024, // a power of two
	LOG_MAX = 16 << 20,
	LOG_KEPT = 8 << 20,
};

#define SECOND_NS 1000000000ull
#define GREETING_NS (3 * SECOND_NS)

// Why one cannot be followed.
enum why { WHY_SILENT = 1, WHY_BAD = 2, WHY_CONNECT = 4, WHY_DEAF = 8, WHY_REFUSES = 16 };

struct follow {
	struct follow *next;
	struct ctl *c;
	char vm[32], path[108];
	struct ev_io io;
	bool connected, greeted;
	bool had_one;	     // a QEMU was there; its end is to be told
	unsigned told;	     // bits of enum why, of this life
	uint64_t next_ns;    // when to look again
	uint32_t n_messages; // in this second
	char filter[96];     // card whose filter is to be asked for
	struct qmp_reader reader;
};

struct ctl_qmp {
	struct follow *chains[CHAINS]; // by VM
	uint64_t generation;
	uint32_t next; // VM to be looked at
};

static void say_once(struct follow *f, enum why why, const char *text)
{
	if ((f->told & why) == 0)
		weir_log(WEIR_NOTICE, "vm %s: monitor %s: %s", f->vm, f->path, text);
	f->told |= why;
}

static void hang_up(struct follow *f)
{
	if (!f->connected)
		return;
	ev_io_stop(f->c->loop, &f->io);
	close(f->io.fd);
	ctl_qmp_reader_fini(&f->reader);
	f->connected = f->greeted = false;
	f->filter[0] = '\0';
}

static void say(struct follow *f, const char *text, size_t size)
{
	// A few short lines: a socket that does not take them is no QEMU's.
	if (f->connected &&
	    send(f->io.fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size) {
		say_once(f, WHY_DEAF, "takes nothing");
		hang_up(f);
	}
}

static void mac_told(struct follow *f, const struct qmp_said *s)
{
	const struct cfg_vm *vm = cfg_vm_get(f->c->running, f->vm);
	char mac[18];

	for (uint8_t i = 0; vm != NULL && i < vm->n_nics; i++) {
		const struct cfg_port *p = cfg_port_get(f->c->running, vm->nics[i].port);

		if (p == NULL)
			continue;
		snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1],
			 p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
		if (strcmp(mac, s->mac) == 0)
			return;
	}
	if (vm != NULL)
		ctl_vm_event(f->c, f->vm, dp_switch_now_ns(), "card %.32s asks for MAC %s: refused",
			     s->text, s->mac);
}

// returns false when f hung up
static bool understood(struct follow *f, const struct qmp_said *s)
{
	switch (s->kind) {
	case QMP_GREETING:
		f->greeted = true;
		say(f, ctl_qmp_caps, strlen(ctl_qmp_caps));
		break;
	case QMP_DONE:
		f->had_one = true;
		say(f, ctl_qmp_events, strlen(ctl_qmp_events));
		say(f, ctl_qmp_status, strlen(ctl_qmp_status));
		weir_log(WEIR_INFO, "vm %s: its monitor is followed", f->vm);
		break;
	case QMP_LIFE:
		for (uint8_t i = 0; i < s->n_events; i++)
			(void)ctl_vm_life(f->c, f->vm, s->events[i], "qmp");
		break;
	case QMP_FILTER:
		snprintf(f->filter, sizeof(f->filter), "%s", s->text);
		break;
	case QMP_MAC:
		mac_told(f, s);
		break;
	case QMP_NOTE:
		ctl_vm_event(f->c, f->vm, dp_switch_now_ns(), "%s", s->text);
		break;
	case QMP_REFUSED:
		say_once(f, WHY_REFUSES, s->text);
		break;
	case QMP_NOTHING:
		return f->connected;
	}
	return f->connected;
}

static void on_input(struct ev_loop *loop, struct ev_io *w, int revents)
{
	struct follow *f = w->data;
	char buf[READ_BYTES];
	struct qmp_said said;
	ssize_t n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(f);
		f->next_ns = 0; // whether QEMU has ended is seen at once
		return;
	}
	for (size_t at = 0; at < (size_t)n;) {
		at += ctl_qmp_reader_take(&f->reader, buf + at, (size_t)n - at, &said);
		f->n_messages++;
		if (!understood(f, &said))
			return;
	}
	// It is asked again in a second: who only talks costs no more than that.
	if (f->reader.n_bad > 0) {
		say_once(f, WHY_BAD, "says what is no QMP");
		hang_up(f);
		return;
	}
	// What was read is done; no more of it in this second.
	if (f->n_messages >= MESSAGES_PER_S)
		ev_io_stop(loop, w);
}

static void look(struct follow *f, uint64_t now_ns)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	f->next_ns = now_ns + SECOND_NS;
	if (fd < 0)
		return;
	memcpy(a.sun_path, f->path, sizeof(a.sun_path));
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0) {
		ctl_qmp_reader_init(&f->reader);
		ev_io_init(&f->io, on_input, fd, EV_READ);
		f->io.data = f;
		ev_io_start(f->c->loop, &f->io);
		f->connected = true;
		f->n_messages = 0;
		f->next_ns = now_ns + GREETING_NS;
		return;
	}
	// EAGAIN: its queue of clients is full.
	if (errno != ENOENT && errno != ECONNREFUSED) {
		say_once(f, WHY_CONNECT, errno == EAGAIN ? "has other clients" : strerror(errno));
	} else if (f->had_one) {
		f->had_one = false;
		(void)ctl_vm_life(f->c, f->vm, LIFE_EV_STOPPED, "qmp");
	}
	close(fd);
}

static bool is_there(const struct ctl *c, const char *vm)
{
	const struct life *l = ctl_vm_life_get(c, vm);

	return l != NULL && (l->attached || (l->state != LIFE_DEFINED && l->state != LIFE_STOPPED));
}

static void log_trim(const struct follow *f)
{
	char dir[PATH_MAX], path[PATH_MAX + 64];
	struct stat st;
	int fd;

	if (ctl_vms_dir(f->c->socket_path, dir, sizeof(dir)) < 0)
		return;
	snprintf(path, sizeof(path), "%s/%s/log", dir, f->vm);
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_blocks < LOG_MAX / 512)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0)
		return;
	// A hole, because QEMU appends: nothing that it writes meanwhile is lost.
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size - LOG_KEPT) < 0)
		(void)!ftruncate(fd, 0);
	close(fd);
}

// Once a second.
static void refresh(struct follow *f, uint64_t now_ns)
{
	char ask[256];
	size_t size;

	f->next_ns = now_ns + SECOND_NS;
	if (!f->greeted) {
		say_once(f, WHY_SILENT, "does not greet: it serves another client");
		return;
	}
	log_trim(f);
	if (f->n_messages >= MESSAGES_PER_S)
		ev_io_start(f->c->loop, &f->io);
	f->n_messages = 0;
	if (f->filter[0] == '\0')
		return;
	size = ctl_qmp_filter_ask(f->filter, ask, sizeof(ask));
	f->filter[0] = '\0';
	if (size > 0)
		say(f, ask, size);
}

static void follow_one(struct follow *f, uint64_t now_ns)
{
	if (now_ns < f->next_ns)
		return;
	if (f->connected)
		refresh(f, now_ns);
	else if (f->had_one || is_there(f->c, f->vm))
		look(f, now_ns);
	else
		f->told = 0; // it is said again of the next life
}

// --- Which ones

static struct follow **chain_of(struct ctl_qmp *q, const char *vm)
{
	uint32_t h = 2166136261u; // FNV-1a

	for (; *vm != '\0'; vm++)
		h = (h ^ (uint8_t)*vm) * 16777619u;
	return &q->chains[(h ^ h >> 16) & (CHAINS - 1)];
}

static const struct follow *find(struct ctl_qmp *q, const char *vm)
{
	const struct follow *f = *chain_of(q, vm);

	while (f != NULL && strcmp(f->vm, vm) != 0)
		f = f->next;
	return f;
}

static void drop(struct follow **at)
{
	struct follow *f = *at;

	*at = f->next;
	hang_up(f);
	free(f);
}

// Where its monitor is. returns 0, or negative: it has none that can be reached
static int where(const struct ctl *c, const struct cfg_vm *vm, char path[108])
{
	char dir[PATH_MAX];

	memset(path, 0, 108);
	if (ctl_vms_dir(c->socket_path, dir, sizeof(dir)) < 0)
		return -ENAMETOOLONG;
	return ctl_vm_monitor(dir, vm, path, 108);
}

// The configuration is another: machines that are no more, or have another monitor, are let go.
static void renew(struct ctl *c, struct follow **at)
{
	char path[108];

	while (*at != NULL) {
		const struct cfg_vm *vm = cfg_vm_get(c->running, (*at)->vm);

		if (vm == NULL || where(c, vm, path) < 0 || strcmp(path, (*at)->path) != 0)
			drop(at);
		else
			at = &(*at)->next;
	}
}

static void add(struct ctl *c, struct ctl_qmp *q, const struct cfg_vm *vm)
{
	struct follow *f = calloc(1, sizeof(*f)), **chain = chain_of(q, vm->name);

	if (f == NULL)
		return;
	if (where(c, vm, f->path) < 0) {
		free(f);
		return;
	}
	snprintf(f->vm, sizeof(f->vm), "%s", vm->name);
	f->c = c;
	f->next = *chain;
	*chain = f;
}

void ctl_qmp_watch(struct ctl *c, uint64_t now_ns)
{
	struct ctl_qmp *q = c->qmp;
	uint32_t n = c->running->n_vms, i;

	if (q == NULL)
		q = c->qmp = calloc(1, sizeof(*q));
	if (q == NULL)
		return;
	if (q->generation != dp_switch_generation(c->sw)) {
		q->generation = dp_switch_generation(c->sw);
		for (i = 0; i < CHAINS; i++)
			renew(c, &q->chains[i]);
	}
	for (i = 0; i < n && i < LOOKED_AT_ONCE; i++) {
		q->next = q->next + 1 < n ? q->next + 1 : 0;
		if (is_there(c, c->running->vms[q->next].name) &&
		    find(q, c->running->vms[q->next].name) == NULL)
			add(c, q, &c->running->vms[q->next]);
	}
	for (i = 0; i < CHAINS; i++) {
		for (struct follow *f = q->chains[i]; f != NULL; f = f->next)
			follow_one(f, now_ns);
	}
}

void ctl_qmp_stop(struct ctl *c)
{
	for (uint32_t i = 0; c->qmp != NULL && i < CHAINS; i++) {
		while (c->qmp->chains[i] != NULL)
			drop(&c->qmp->chains[i]);
	}
	free(c->qmp);
	c->qmp = NULL;
}
