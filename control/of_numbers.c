// See of_numbers.h. The file: "datapath ID", "last NUMBER" (that was handed out), then "port NUMBER
// NAME" in the order in which they were given, then "crc CRC32" of all before it.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "of_numbers.h"
#include "persist_priv.h"
#include "weir_log.h"

#define NAME "of-ports"
#define HEAD "# Weir's numbers of ports in OpenFlow; written by the daemon\n"
enum { LINE_SIZE = 64, CRC_SIZE = 13 };

struct entry {
	char name[CFG_PORT_NAME];
	uint32_t number; // 0 = forgotten
	uint32_t seq;	 // when it was given
};

struct book {
	uint64_t datapath;
	struct entry *e; // e[n], by name
	uint32_t n;
	uint32_t last; // ordinary number that was given last
};

struct ctl_of_numbers {
	const struct ctl_persist *p;
	struct book book;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b); // the first field
}

static int by_seq(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void refuse(struct cfg_error *err, const char *value, const char *reason, const char *arg)
{
	memset(err, 0, sizeof(*err));
	snprintf(err->value, sizeof(err->value), "%s", value);
	snprintf(err->reason, sizeof(err->reason), "%s%s", reason, arg);
}

static int no_memory(struct cfg_error *err)
{
	refuse(err, "", "out of memory", "");
	return -ENOMEM;
}

// --- Reading

// "port NUMBER NAME". returns false = is none
static bool line_read(const char *line, struct entry *e)
{
	char *end;
	unsigned long number;
	size_t len;

	if (strncmp(line, "port ", 5) != 0 || line[5] < '0' || line[5] > '9')
		return false;
	number = strtoul(line + 5, &end, 10);
	len = *end == ' ' ? strlen(end + 1) : 0;
	if (len == 0 || len >= sizeof(e->name) || number == 0 ||
	    (number > CTL_OF_NUMBER_MAX && number != CTL_OF_LOCAL))
		return false;
	memset(e, 0, sizeof(*e));
	memcpy(e->name, end + 1, len);
	e->number = (uint32_t)number;
	return true;
}

static bool is_whole(const char *text, size_t size)
{
	char crc[CRC_SIZE + 1];

	if (size < CRC_SIZE || memchr(text, '\0', size) != NULL)
		return false;
	snprintf(crc, sizeof(crc), "crc %08x\n", cfg_crc32(0, text, size - CRC_SIZE));
	return memcmp(text + size - CRC_SIZE, crc, CRC_SIZE) == 0;
}

// Each name once, each number once.
static bool is_sound(struct book *b)
{
	uint8_t seen[65536 / 8] = { 0 };

	qsort(b->e, b->n, sizeof(*b->e), by_name);
	for (uint32_t i = 0; i < b->n; i++) {
		uint32_t bit = b->e[i].number & 0xffff; // LOCAL falls on 0xfffe, beyond the others

		if ((seen[bit >> 3] & (1u << (bit & 7))) != 0 ||
		    (i > 0 && strcmp(b->e[i - 1].name, b->e[i].name) == 0))
			return false;
		seen[bit >> 3] |= (uint8_t)(1u << (bit & 7));
	}
	return true;
}

// text is whole, and its lines are cut here. returns 0, -EBADMSG or -ENOMEM
static int text_read(struct book *b, char *text, size_t size)
{
	char *save = NULL;
	int rc = 0;

	b->e = calloc(size / 8 + 1, sizeof(*b->e)); // no line is shorter
	if (b->e == NULL)
		return -ENOMEM;
	for (char *line = strtok_r(text, "\n", &save); line != NULL && rc == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		struct entry *e = &b->e[b->n];

		if (line[0] == '#')
			continue;
		if (strncmp(line, "datapath ", 9) == 0) {
			b->datapath = strtoull(line + 9, NULL, 16);
		} else if (strncmp(line, "last ", 5) == 0) {
			b->last = (uint32_t)(strtoul(line + 5, NULL, 10) % (CTL_OF_NUMBER_MAX + 1));
		} else if (line_read(line, e)) {
			e->seq = b->n++;
		} else {
			rc = -EBADMSG;
		}
	}
	return rc == 0 && !is_sound(b) ? -EBADMSG : rc;
}

static int book_read(const struct ctl_persist *p, struct book *b, struct cfg_error *err)
{
	struct ctl_file_bytes bytes;
	int rc = ctl_file_read(p, p->dir_fd, NAME, CTL_FILE_SIZE_MAX, &bytes);

	if (rc == -ENOENT)
		return 0;
	if (rc == 0 && !is_whole(bytes.buf, bytes.size)) {
		rc = -EBADMSG;
	} else if (rc == 0) {
		bytes.buf[bytes.size - CRC_SIZE] = '\0';
		rc = text_read(b, bytes.buf, bytes.size - CRC_SIZE);
	}
	free(bytes.buf);
	if (ctl_file_is_shortage(rc)) {
		ctl_file_fail(p, p->dir_fd, NAME, strerror(-rc), err);
		return rc;
	}
	if (rc < 0) {
		ctl_file_put_aside(p, p->dir_fd, NAME,
				   rc == -EBADMSG ? "is damaged" : ctl_file_reason(rc));
		free(b->e);
		memset(b, 0, sizeof(*b));
	}
	return 0;
}

int ctl_of_numbers_open(const struct ctl_persist *p, struct ctl_of_numbers **out,
			struct cfg_error *err)
{
	struct ctl_of_numbers *n = calloc(1, sizeof(*n));
	int rc = n == NULL ? no_memory(err) : 0;

	*out = NULL;
	if (rc == 0 && p != NULL)
		rc = book_read(p, &n->book, err);
	if (rc < 0) {
		ctl_of_numbers_close(n);
		return rc;
	}
	n->p = p;
	*out = n;
	return 0;
}

void ctl_of_numbers_close(struct ctl_of_numbers *n)
{
	if (n == NULL)
		return;
	free(n->book.e);
	free(n);
}

// --- Writing

static int book_write(const struct ctl_persist *p, struct book *b, struct cfg_error *err)
{
	size_t cap = sizeof(HEAD) + ((size_t)b->n + 3) * LINE_SIZE, size;
	char *text = malloc(cap);
	int rc;

	if (text == NULL)
		return no_memory(err);
	size = (size_t)snprintf(text, cap, HEAD "datapath %016" PRIx64 "\nlast %u\n", b->datapath,
				b->last);
	qsort(b->e, b->n, sizeof(*b->e), by_seq);
	for (uint32_t i = 0; i < b->n; i++)
		size += (size_t)snprintf(text + size, cap - size, "port %u %s\n", b->e[i].number,
					 b->e[i].name);
	qsort(b->e, b->n, sizeof(*b->e), by_name);
	size += (size_t)snprintf(text + size, cap - size, "crc %08x\n", cfg_crc32(0, text, size));
	rc = ctl_file_replace(p, NAME, text, size, err);
	free(text);
	return rc;
}

// --- Giving

// A change of the book: a copy with room for all ports, and who has which number.
struct giving {
	struct book b;
	uint32_t n_old;	 // e[n_old] are sorted; those behind them are new
	uint32_t *owner; // by number, LOCAL at 65535: index + 1, 0 = nobody
	const struct cfg *next;
	uint32_t seq;
	bool changed;
};

#define OWNERS 65536u

static uint32_t slot(uint32_t number)
{
	return number == CTL_OF_LOCAL ? OWNERS - 1 : number;
}

static int giving_init(struct giving *g, const struct book *b, const struct cfg *next)
{
	memset(g, 0, sizeof(*g));
	g->b = *b;
	g->next = next;
	g->n_old = b->n;
	g->b.e = calloc((size_t)b->n + next->n_ports + 1, sizeof(*b->e));
	g->owner = calloc(OWNERS, sizeof(*g->owner));
	if (g->b.e == NULL || g->owner == NULL) {
		free(g->b.e);
		free(g->owner);
		return -ENOMEM;
	}
	if (b->n > 0)
		memcpy(g->b.e, b->e, b->n * sizeof(*b->e));
	for (uint32_t i = 0; i < b->n; i++) {
		g->owner[slot(b->e[i].number)] = i + 1;
		g->seq = g->seq > b->e[i].seq ? g->seq : b->e[i].seq;
	}
	return 0;
}

static struct entry *entry_find(const struct giving *g, const char *name)
{
	return g->n_old == 0 ? NULL
			     : bsearch(name, g->b.e, g->n_old, sizeof(struct entry), by_name);
}

static void forget(struct giving *g, struct entry *e)
{
	g->owner[slot(e->number)] = 0;
	e->number = 0;
	g->changed = true;
}

// The name has none now: an entry without a number, or no entry yet.
static void give(struct giving *g, struct entry *e, const char *name, uint32_t number)
{
	if (e == NULL) {
		e = &g->b.e[g->b.n++];
		snprintf(e->name, sizeof(e->name), "%s", name);
	}
	e->number = number;
	e->seq = ++g->seq;
	g->owner[slot(number)] = (uint32_t)(e - g->b.e) + 1;
	g->changed = true;
}

// Numbers that are configured: those of their ports before are free, and nobody else has them.
static int configured_give(struct giving *g, struct cfg_error *err)
{
	char number[16];

	for (uint32_t i = 0; i < g->next->n_ports; i++) {
		const struct cfg_port *p = &g->next->ports[i];
		struct entry *e = p->of_port == 0 ? NULL : entry_find(g, p->name);

		if (e != NULL && e->number != p->of_port)
			forget(g, e);
	}
	for (uint32_t i = 0; i < g->next->n_ports; i++) {
		const struct cfg_port *p = &g->next->ports[i];
		struct entry *e = p->of_port == 0 ? NULL : entry_find(g, p->name);
		uint32_t owner = g->owner[slot(p->of_port)];
		struct entry *other = owner == 0 ? NULL : &g->b.e[owner - 1];

		if (p->of_port == 0 || (e != NULL && e == other))
			continue;
		if (other != NULL && cfg_port_get(g->next, other->name) != NULL) {
			snprintf(number, sizeof(number), "%u", p->of_port);
			refuse(err, number,
			       "was given to another port; set of-port there or here: port ",
			       other->name);
			cfg_port_path(p, "of-port", err->path, sizeof(err->path));
			return -EINVAL;
		}
		if (other != NULL)
			forget(g, other);
		give(g, e, p->name, p->of_port);
	}
	return 0;
}

// One that nobody has: after the last that was given, so that none comes back soon. returns 0 =
// all are taken
static uint32_t fresh(struct giving *g)
{
	for (uint32_t i = 0; i < CTL_OF_NUMBER_MAX; i++) {
		g->b.last = g->b.last % CTL_OF_NUMBER_MAX + 1;
		if (g->owner[g->b.last] == 0)
			return g->b.last;
	}
	return 0;
}

// Of names that are not configured, when no number is left.
static void absent_forget(struct giving *g)
{
	for (uint32_t i = 0; i < g->b.n; i++) {
		if (g->b.e[i].number != 0 && cfg_port_get(g->next, g->b.e[i].name) == NULL)
			forget(g, &g->b.e[i]);
	}
}

static bool local_is_taken(const struct giving *g)
{
	uint32_t owner = g->owner[slot(CTL_OF_LOCAL)];

	return owner != 0 && cfg_port_get(g->next, g->b.e[owner - 1].name) != NULL;
}

static void host_give(struct giving *g, struct entry *e, const char *name)
{
	uint32_t owner = g->owner[slot(CTL_OF_LOCAL)];

	if (owner != 0)
		forget(g, &g->b.e[owner - 1]);
	give(g, e, name, CTL_OF_LOCAL);
}

static int rest_give(struct giving *g)
{
	uint32_t number;

	for (uint32_t i = 0; i < g->next->n_ports; i++) {
		const struct cfg_port *p = &g->next->ports[i];
		struct entry *e = entry_find(g, p->name);
		bool host = p->type == CFG_PORT_HOST;

		if (p->of_port != 0)
			continue;
		if (e != NULL && e->number == CTL_OF_LOCAL && !host)
			forget(g, e);
		if (e != NULL && e->number != 0)
			continue;
		if (host && !local_is_taken(g)) {
			host_give(g, e, p->name);
			continue;
		}
		number = fresh(g);
		if (number == 0) {
			absent_forget(g);
			number = fresh(g);
		}
		if (number == 0)
			return -ENOSPC;
		give(g, e, p->name, number);
	}
	return 0;
}

// Without what was forgotten, sorted; the oldest names that are not configured are forgotten where
// there are too many.
static void tidy(struct giving *g)
{
	struct book *b = &g->b;
	uint32_t n = 0, n_over = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		if (b->e[i].number != 0)
			b->e[n++] = b->e[i];
	}
	b->n = n;
	n_over = n > CTL_OF_REMEMBERED ? n - CTL_OF_REMEMBERED : 0;
	if (n_over > 0) {
		qsort(b->e, b->n, sizeof(*b->e), by_seq);
		n = 0;
		for (uint32_t i = 0; i < b->n; i++) {
			if (n_over > 0 && cfg_port_get(g->next, b->e[i].name) == NULL)
				n_over--;
			else
				b->e[n++] = b->e[i];
		}
		g->changed = true;
		b->n = n;
	}
	qsort(b->e, b->n, sizeof(*b->e), by_name);
	g->n_old = b->n;
}

static void datapath_make(struct giving *g)
{
	uint64_t id;

	if (g->b.datapath != 0)
		return;
	if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != (ssize_t)sizeof(id))
		id = (uintptr_t)g ^ 0x9e3779b97f4a7c15u; // a host without entropy yet
	// A MAC address in the lower 48 bits (OpenFlow 1.3.5 section 7.3.1): local, unicast.
	g->b.datapath = (id & 0xfcffffffffffu) | 0x020000000000u;
	g->changed = true;
}

static void numbers_take(const struct giving *g, struct cfg *next)
{
	for (uint32_t i = 0; i < next->n_ports; i++)
		next->ports[i].of_port = entry_find(g, next->ports[i].name)->number;
}

int ctl_of_numbers_give(struct ctl_of_numbers *n, struct cfg *next, bool rehearse,
			struct cfg_error *err)
{
	struct giving g;
	int rc = giving_init(&g, &n->book, next) < 0 ? no_memory(err) : 0;

	if (rc < 0)
		return rc;
	datapath_make(&g);
	rc = configured_give(&g, err);
	if (rc == 0 && (rc = rest_give(&g)) < 0)
		refuse(err, "", "all numbers of OpenFlow are taken", "");
	if (rc == 0)
		tidy(&g);
	if (rc == 0 && g.changed && !rehearse && n->p != NULL)
		rc = book_write(n->p, &g.b, err);
	if (rc == 0)
		numbers_take(&g, next);
	if (rc == 0 && !rehearse) {
		free(n->book.e);
		n->book = g.b;
	} else {
		free(g.b.e);
	}
	free(g.owner);
	return rc;
}

uint64_t ctl_of_numbers_datapath(const struct ctl_of_numbers *n)
{
	return n->book.datapath;
}
