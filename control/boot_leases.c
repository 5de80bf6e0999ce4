// See boot_leases.h. A line: VLAN ADDRESS MAC KIND EXPIRES CRC32, EXPIRES in seconds since 1970 or
// "never"; the checksum is that of all before it.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_leases.h"
#include "persist_priv.h"
#include "weir_log.h"

#define HEAD "# Weir's DHCP leases of address pools; written by the daemon\n"
#define SYNC_NS 1000000000ull
#define RETRY_NS 60000000000ull
enum { LINE_MAX_SIZE = 96, PENDING = 64 * LINE_MAX_SIZE, SPARE_LINES = 1024 };

struct ctl_leases {
	const struct ctl_persist *p;
	struct boot_responder *r;
	int fd;	     // the file, to append to; -1 = not open
	bool absent; // there is no file yet
	bool stale;  // what is on the disk is not what holds: to be written anew
	bool unsynced;
	uint32_t n_lines; // of the file
	uint64_t sync_ns, retry_ns;
	struct weir_limit log;
	size_t n_pending;
	char pending[PENDING]; // pending[n_pending]
};

static const char *const kinds[] = { [BOOT_LEASE_FREE] = "free",
				     [BOOT_LEASE_BOUND] = "bound",
				     [BOOT_LEASE_QUARANTINE] = "quarantine" };

static size_t line_write(const struct boot_lease *b, char out[LINE_MAX_SIZE])
{
	char ip[INET_ADDRSTRLEN], until[24] = "never";
	const uint8_t *m = b->mac;
	int n;

	inet_ntop(AF_INET, b->ip, ip, sizeof(ip));
	if (b->expires_s != UINT64_MAX)
		snprintf(until, sizeof(until), "%" PRIu64, b->expires_s);
	n = snprintf(out, LINE_MAX_SIZE, "%u %s %02x:%02x:%02x:%02x:%02x:%02x %s %s ", b->vid, ip,
		     m[0], m[1], m[2], m[3], m[4], m[5], kinds[b->kind], until);
	n += snprintf(out + n, LINE_MAX_SIZE - (size_t)n, "%08x\n", cfg_crc32(0, out, (size_t)n));
	return (size_t)n;
}

static bool mac_read(const char *text, uint8_t mac[6])
{
	for (int i = 0; i < 6; i++) {
		char *end;
		unsigned long v = strtoul(text, &end, 16);

		if (end != text + 2 || *end != (i < 5 ? ':' : '\0') || v > 255)
			return false;
		mac[i] = (uint8_t)v;
		text += 3;
	}
	return true;
}

static bool kind_read(const char *text, uint8_t *kind)
{
	for (uint8_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(text, kinds[i]) == 0) {
			*kind = i;
			return true;
		}
	}
	return false;
}

// One line without its newline. returns false = damaged, or not ours
static bool line_read(const char *text, size_t size, struct boot_lease *out)
{
	char line[LINE_MAX_SIZE], crc[16], *word[6], *save = NULL;
	uint32_t n = 0;

	memset(out, 0, sizeof(*out));
	if (size < 10 || size >= sizeof(line) || memchr(text, '\0', size) != NULL)
		return false;
	memcpy(line, text, size);
	line[size] = '\0';
	snprintf(crc, sizeof(crc), " %08x", cfg_crc32(0, line, size - 8));
	if (strcmp(line + size - 9, crc) != 0)
		return false;
	for (char *w = strtok_r(line, " ", &save); w != NULL && n < 6;
	     w = strtok_r(NULL, " ", &save))
		word[n++] = w;
	if (n != 6)
		return false;
	out->vid = (uint16_t)strtoul(word[0], NULL, 10);
	out->expires_s = strcmp(word[4], "never") == 0 ? UINT64_MAX : strtoull(word[4], NULL, 10);
	return inet_pton(AF_INET, word[1], out->ip) == 1 && mac_read(word[2], out->mac) &&
	       kind_read(word[3], &out->kind);
}

// --- Writing

// The disk does not do what it should: guests are served, and all is written anew later.
static void broken(struct ctl_leases *l, const char *what, int code)
{
	char shown[CTL_FILE_SHOWN];

	weir_log_limited(&l->log, WEIR_ERROR, "%s: %s: %s: leases are not kept now",
			 ctl_file_shown(l->p, l->p->dir_fd, CTL_LEASES_FILE, shown), what,
			 strerror(code));
	if (l->fd >= 0)
		l->p->sys->close(l->fd);
	l->fd = -1;
	l->stale = true;
	l->n_pending = 0;
}

static void append_open(struct ctl_leases *l)
{
	l->fd = l->p->sys->openat(l->p->dir_fd, CTL_LEASES_FILE,
				  O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0);
	if (l->fd < 0)
		broken(l, "open", errno);
}

static char *all_write(const struct ctl_leases *l, size_t *size, uint32_t *n_lines)
{
	struct boot_lease lease;
	uint32_t n = 0, at = 0;
	char *text;

	while (boot_lease_nth(l->r, n, &lease))
		n++;
	text = malloc(sizeof(HEAD) + (size_t)n * LINE_MAX_SIZE);
	if (text == NULL)
		return NULL;
	memcpy(text, HEAD, sizeof(HEAD) - 1);
	*size = sizeof(HEAD) - 1;
	for (; at < n && boot_lease_nth(l->r, at, &lease); at++)
		*size += line_write(&lease, text + *size);
	*n_lines = n;
	return text;
}

// The file anew, from what the responder knows.
static void rewrite(struct ctl_leases *l)
{
	struct ctl_file_record rec = { .dir = l->p->dir_fd };
	struct cfg_error err = { .reason = "out of memory" };
	uint32_t n_lines = 0;
	int rc = -ENOMEM;
	char *text = all_write(l, &rec.body_size, &n_lines);

	snprintf(rec.temp, sizeof(rec.temp), CTL_LEASES_FILE ".tmp");
	rec.body = text;
	if (text != NULL)
		rc = ctl_file_write_temp(l->p, &rec, &err);
	free(text);
	if (rc == 0 && l->p->sys->renameat2(rec.dir, rec.temp, rec.dir, CTL_LEASES_FILE, 0) < 0) {
		rc = -errno;
		l->p->sys->unlinkat(rec.dir, rec.temp, 0);
	}
	if (rc == 0 && l->p->sys->fsync(rec.dir) < 0)
		rc = -errno;
	if (rc < 0) {
		broken(l, "write", -rc);
		return;
	}
	if (l->fd >= 0)
		l->p->sys->close(l->fd);
	l->fd = -1;
	l->absent = l->stale = l->unsynced = false;
	l->n_lines = n_lines;
	l->n_pending = 0; // the responder knew of them
}

void ctl_leases_add(struct ctl_leases *l, const struct boot_lease *lease)
{
	if (l == NULL || l->stale)
		return;
	if (l->n_pending + LINE_MAX_SIZE > sizeof(l->pending))
		ctl_leases_flush(l);
	l->n_pending += line_write(lease, l->pending + l->n_pending);
	l->n_lines++;
}

void ctl_leases_flush(struct ctl_leases *l)
{
	ssize_t n;

	if (l == NULL || l->n_pending == 0)
		return;
	if (l->absent) {
		rewrite(l);
		return;
	}
	if (l->fd < 0)
		append_open(l);
	if (l->fd < 0)
		return; // broken() has said so
	do {
		n = l->p->sys->write(l->fd, l->pending, l->n_pending);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)l->n_pending) {
		broken(l, "write", n < 0 ? errno : ENOSPC);
		return;
	}
	l->n_pending = 0;
	l->unsynced = true;
}

static uint32_t n_known(const struct ctl_leases *l)
{
	struct boot_lease lease;
	uint32_t n = 0;

	while (boot_lease_nth(l->r, n, &lease))
		n++;
	return n;
}

void ctl_leases_tick(struct ctl_leases *l, uint64_t now_ns)
{
	if (l == NULL)
		return;
	ctl_leases_flush(l);
	if (l->stale) {
		if (now_ns < l->retry_ns)
			return;
		l->retry_ns = now_ns + RETRY_NS;
		rewrite(l);
		return;
	}
	if (l->unsynced && now_ns - l->sync_ns >= SYNC_NS) {
		l->unsynced = false;
		l->sync_ns = now_ns;
		if (l->p->sys->fsync(l->fd) < 0)
			broken(l, "fsync", errno);
	}
	if (l->n_lines > SPARE_LINES && l->n_lines > 2 * n_known(l))
		rewrite(l);
}

// --- Reading

struct read_result {
	uint32_t n_good, n_bad;
	bool torn; // the last line has no end
};

static struct read_result text_read(struct boot_responder *r, const char *text, size_t size)
{
	struct read_result n = { 0 };
	size_t at = 0;

	while (at < size) {
		const char *line = text + at, *end = memchr(line, '\n', size - at);
		struct boot_lease lease;

		if (end == NULL) {
			n.torn = true;
			break;
		}
		at += (size_t)(end - line) + 1;
		if (line[0] == '#')
			continue;
		if (line_read(line, (size_t)(end - line), &lease)) {
			boot_lease_restore(r, &lease);
			n.n_good++;
		} else {
			n.n_bad++;
		}
	}
	return n;
}

// What was damaged stays to be looked at; the rest is used.
static void read_told(const struct ctl_persist *p, const struct read_result *n)
{
	char shown[CTL_FILE_SHOWN], reason[96];

	if (n->n_bad > 0) {
		snprintf(reason, sizeof(reason),
			 "%u lines are damaged, the other %u were taken over", n->n_bad, n->n_good);
		ctl_file_put_aside(p, p->dir_fd, CTL_LEASES_FILE, reason);
	}
	if (n->torn)
		weir_log(WEIR_WARNING, "%s: the last line was cut off: it is left out",
			 ctl_file_shown(p, p->dir_fd, CTL_LEASES_FILE, shown));
	if (n->n_good > 0)
		weir_log(WEIR_INFO, "boot: %u lines of leases were read", n->n_good);
}

int ctl_leases_open(const struct ctl_persist *p, struct boot_responder *r, uint64_t now_ns,
		    uint64_t unix_s, struct ctl_leases **out)
{
	struct ctl_file_bytes b;
	struct read_result n;
	struct ctl_leases *l;
	int rc;

	*out = NULL;
	boot_set_clock(r, now_ns, unix_s);
	if (p == NULL)
		return 0;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	l->p = p;
	l->r = r;
	l->fd = -1;
	p->sys->unlinkat(p->dir_fd, CTL_LEASES_FILE ".tmp", 0);
	rc = ctl_file_read(p, p->dir_fd, CTL_LEASES_FILE, CTL_FILE_SIZE_MAX, &b);
	if (rc == 0) {
		n = text_read(r, b.buf, b.size);
		read_told(p, &n);
		l->n_lines = n.n_good;
	} else if (rc != -ENOENT && !ctl_file_is_shortage(rc)) {
		ctl_file_put_aside(p, p->dir_fd, CTL_LEASES_FILE, ctl_file_reason(rc));
	}
	free(b.buf);
	// Whole again, and as short as it can be. Who has no pool has no file, and none is held
	// open before there is something to write: a disk may be remounted.
	l->absent = rc == -ENOENT;
	if (!l->absent)
		rewrite(l);
	*out = l;
	return 0;
}

void ctl_leases_close(struct ctl_leases *l)
{
	if (l == NULL)
		return;
	ctl_leases_flush(l);
	if (l->stale)
		rewrite(l);
	if (l->unsynced && l->p->sys->fsync(l->fd) < 0)
		broken(l, "fsync", errno);
	if (l->fd >= 0)
		l->p->sys->close(l->fd);
	free(l);
}
