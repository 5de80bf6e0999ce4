// Learnt portals as text. The reader accepts a line when writing what it understood gives the same
// line again: one form, and nothing to be lenient about.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn_priv.h"

static const char magic[] = "weir-learnt 1\n";

#define LINE_BYTES 224 // with its newline: addresses 45, numbers 20, names 16 at most
#define TAIL_BYTES 32
#define N_FIELDS 9

// CRC-32 of IEEE 802.3, by half-bytes.
static uint32_t crc32(const char *p, size_t size)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = ~0u;

	for (size_t i = 0; i < size; i++) {
		crc ^= (uint8_t)p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

// --- Addresses

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static void addr_text(const struct qos_addr *a, char out[INET6_ADDRSTRLEN])
{
	if (memcmp(a->b, mapped, sizeof(mapped)) == 0)
		(void)inet_ntop(AF_INET, a->b + 12, out, INET6_ADDRSTRLEN);
	else
		(void)inet_ntop(AF_INET6, a->b, out, INET6_ADDRSTRLEN);
}

static bool addr_read(const char *text, struct qos_addr *a)
{
	memcpy(a->b, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, a->b + 12) == 1 || inet_pton(AF_INET6, text, a->b) == 1;
}

// --- Lines

static size_t line_write(const struct qos_learnt *e, char out[LINE_BYTES])
{
	const struct qos_portal *p = &e->portal;
	char addr[INET6_ADDRSTRLEN], teacher[INET6_ADDRSTRLEN];
	int n;

	addr_text(&p->addr, addr);
	addr_text(&e->teacher, teacher);
	n = snprintf(out, LINE_BYTES, "%s %s %u %s %s %s %llu %llu %llu\n", addr,
		     p->proto == 6 ? "tcp" : "udp", p->port,
		     qos_service_name((enum qos_service)p->service),
		     qos_how_name((enum qos_how)p->how), teacher, (unsigned long long)e->first_s,
		     (unsigned long long)e->last_s, (unsigned long long)e->uses);
	return n < LINE_BYTES ? (size_t)n : LINE_BYTES - 1;
}

static size_t tail_write(uint32_t n, char out[TAIL_BYTES])
{
	return (size_t)snprintf(out, TAIL_BYTES, "end %u crc32 ", n);
}

// Decimal, up to max
static bool number(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		uint32_t digit = (uint32_t)(*text - '0');

		if (digit > 9 || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

static bool how_find(const char *name, uint8_t *how)
{
	for (int h = 0; h < QOS_N_HOWS; h++) {
		if (strcmp(qos_how_name((enum qos_how)h), name) == 0) {
			*how = (uint8_t)h;
			return true;
		}
	}
	return false;
}

// Cut the line (NUL-terminated, without newline) at its spaces.
static bool fields_of(char *line, char *field[N_FIELDS])
{
	size_t n = 0;

	for (char *rest = line; rest != NULL;) {
		char *one = strsep(&rest, " ");

		if (n == N_FIELDS)
			return false;
		field[n++] = one;
	}
	return n == N_FIELDS;
}

static bool fields_read(char *const f[N_FIELDS], struct qos_learnt *e)
{
	enum qos_service service;
	uint64_t port;

	if (!addr_read(f[0], &e->portal.addr) || !number(f[2], 65535, &port) ||
	    qos_service_find(f[3], &service) < 0 || !how_find(f[4], &e->portal.how) ||
	    !addr_read(f[5], &e->teacher) || !number(f[6], UINT64_MAX, &e->first_s) ||
	    !number(f[7], UINT64_MAX, &e->last_s) || !number(f[8], UINT64_MAX, &e->uses))
		return false;
	e->portal.proto = strcmp(f[1], "tcp") == 0 ? 6 : 17;
	e->portal.port = (uint16_t)port;
	e->portal.service = (uint8_t)service;
	return e->first_s <= e->last_s && qos_learn_allowed(&e->portal);
}

// line[size] with its newline
static bool line_read(const char *line, size_t size, struct qos_learnt *e)
{
	char copy[LINE_BYTES], again[LINE_BYTES], *field[N_FIELDS];

	if (size > LINE_BYTES - 1)
		return false;
	memcpy(copy, line, size);
	copy[size - 1] = '\0';
	memset(e, 0, sizeof(*e));
	return fields_of(copy, field) && fields_read(field, e) && line_write(e, again) == size &&
	       memcmp(again, line, size) == 0;
}

// --- All of it

static int by_order(const void *a, const void *b)
{
	return qos_learn_order(*(const struct qos_learnt *const *)a,
			       *(const struct qos_learnt *const *)b);
}

int qos_learn_write(const struct qos_learn *l, char **text, size_t *size)
{
	const struct qos_learnt **order = malloc((l->counts.now + 1) * sizeof(*order));
	char *out = malloc(sizeof(magic) + (size_t)l->counts.now * LINE_BYTES + 2 * TAIL_BYTES);
	size_t n = sizeof(magic) - 1;

	*text = NULL;
	if (order == NULL || out == NULL) {
		free(order);
		free(out);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < l->counts.now; i++)
		order[i] = &l->items[i];
	qsort(order, l->counts.now, sizeof(*order), by_order);
	memcpy(out, magic, n);
	for (uint32_t i = 0; i < l->counts.now; i++)
		n += line_write(order[i], out + n);
	free(order);
	n += tail_write(l->counts.now, out + n);
	n += (size_t)snprintf(out + n, TAIL_BYTES, "%08x\n", crc32(out, n));
	*text = out;
	*size = n;
	return 0;
}

struct reader {
	const char *text;
	size_t size, at;
	uint32_t line;
};

// The next line with its newline; false where there is none
static bool next_line(struct reader *r, const char **line, size_t *size)
{
	const char *end;

	if (r->size == r->at)
		return false;
	*line = r->text + r->at;
	end = memchr(*line, '\n', r->size - r->at);
	if (end == NULL)
		return false;
	*size = (size_t)(end - *line) + 1;
	r->at += *size;
	return true;
}

static bool is_end(const struct reader *r, const char *line, size_t size, uint32_t n)
{
	char want[2 * TAIL_BYTES];
	size_t head = tail_write(n, want);

	snprintf(want + head, TAIL_BYTES, "%08x\n",
		 size < head ? 0 : crc32(r->text, (size_t)(line - r->text) + head));
	return r->at == r->size && size == strlen(want) && memcmp(line, want, size) == 0;
}

// Entries into all, whose bounds are the greatest. returns false with r->line where it is damaged
static bool read_all(struct reader *r, struct qos_learn *all)
{
	struct qos_learnt e;
	const char *line;
	size_t size;

	r->line = 1;
	if (!next_line(r, &line, &size) || size != sizeof(magic) - 1 ||
	    memcmp(line, magic, size) != 0)
		return false;
	for (;;) {
		uint32_t n = all->counts.now;

		r->line++;
		if (!next_line(r, &line, &size))
			return false;
		if (size > 4 && memcmp(line, "end ", 4) == 0)
			return is_end(r, line, size, n);
		// In order, so that what is written again is the same.
		if (!line_read(line, size, &e) ||
		    (n > 0 && qos_learn_order(&all->items[n - 1], &e) >= 0) ||
		    qos_learn_insert(all, &e) < 0)
			return false;
	}
}

int qos_learn_read(struct qos_learn *l, const char *text, size_t size, uint32_t *line)
{
	const struct qos_learn_params greatest = { QOS_LEARNT_MAX, QOS_LEARNT_MAX, 0 };
	struct reader r = { text, size, 0, 0 };
	struct qos_learn *all;
	int rc = qos_learn_create(&greatest, &all);

	*line = 0;
	if (rc < 0)
		return rc;
	if (read_all(&r, all)) {
		for (uint32_t i = 0; i < all->counts.now; i++)
			(void)qos_learn_insert(l, &all->items[i]);
	} else {
		rc = -EINVAL;
		*line = r.line;
	}
	qos_learn_destroy(all);
	return rc;
}
