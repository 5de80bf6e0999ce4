// Settings. See pg_config.h.
#include "pg_config.h"
#include "vh_ring.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 1024 };

#define NAME "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

struct where {
	struct pg_config *c;
	struct pg_stream_cfg *s; // the stream that is being described
	const char *key;
	struct weir_err *err;
};

static int bad(const struct where *w, const char *value, const char *expected)
{
	return weir_err_set(w->err, -EINVAL, "%s=%s: expected %s", w->key, value, expected);
}

// A number with a unit. units[]: name and factor, ended by NULL.
struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit time_units[] = {
	{ "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 }, { NULL, 0 }
};
static const struct unit pps_units[] = {
	{ "pps", 1 }, { "kpps", 1000 }, { "mpps", 1000000 }, { NULL, 0 }
};
static const struct unit bit_units[] = {
	{ "bps", 1 }, { "kbps", 1000 }, { "mbps", 1000000 }, { "gbps", 1000000000 }, { NULL, 0 }
};

static bool number(const char *value, const struct unit *units, uint64_t *out)
{
	char *end;
	double v = strtod(value, &end);

	if (end == value || !(v >= 0) || v > 1e15)
		return false;
	for (; units->name != NULL; units++) {
		if (strcasecmp(end, units->name) == 0) {
			if (v * (double)units->factor > 1e18)
				return false;
			*out = (uint64_t)(v * (double)units->factor + 0.5);
			return true;
		}
	}
	return false;
}

static int whole(const struct where *w, const char *value, uint32_t min, uint32_t max,
		 uint32_t *out)
{
	char *end, expected[64];
	unsigned long v = strtoul(value, &end, 10);

	if (isdigit((unsigned char)value[0]) && *end == '\0' && v >= min && v <= max) {
		*out = (uint32_t)v;
		return 0;
	}
	snprintf(expected, sizeof(expected), "a number from %u to %u", min, max);
	return bad(w, value, expected);
}

static int on_off(const struct where *w, const char *value, bool *out)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return bad(w, value, "on or off");
	*out = strcmp(value, "on") == 0;
	return 0;
}

static int duration(const struct where *w, const char *value, uint64_t *out)
{
	return number(value, time_units, out) ? 0 : bad(w, value, "a time: 10s, 200ms, 50us, 0s");
}

// kind:argument[,rx=off|RATE][,churn=N]
static int port_options(struct where *w, const char *value, struct pg_port_cfg *p)
{
	char *o = strstr(p->arg, ",rx="), *end;
	unsigned long v;

	p->rx_pps = UINT64_MAX;
	if (o != NULL) {
		if (strcmp(o + 4, "off") == 0)
			p->rx_pps = 0;
		else if (!number(o + 4, pps_units, &p->rx_pps) || p->rx_pps == 0)
			return bad(w, value, "a port that ends with ,rx=off or ,rx=20kpps");
		*o = '\0';
	}
	o = strstr(p->arg, ",churn=");
	if (o != NULL) {
		v = strtoul(o + 7, &end, 10);
		if (end == o + 7 || *end != '\0' || v == 0 || v > 1000000)
			return bad(w, value,
				   "a port with ,churn=N, 1 to 1000000 times, before ,rx=");
		if (p->kind != PG_PORT_LISTEN && p->kind != PG_PORT_CONNECT)
			return bad(w, value, "churn on vhost: and vhost-client: ports only");
		p->churn = (uint32_t)v;
		*o = '\0';
	}
	return 0;
}

static int add_port(struct where *w, const char *value)
{
	static const struct {
		const char *prefix;
		enum pg_port_kind kind;
	} kinds[] = { { "vhost:", PG_PORT_LISTEN },
		      { "vhost-client:", PG_PORT_CONNECT },
		      { "eth:", PG_PORT_ETH },
		      { "copy:", PG_PORT_COPY } };
	struct pg_port_cfg *p = &w->c->ports[w->c->n_ports];

	if (w->c->n_ports == PG_PORTS_MAX)
		return bad(w, value, "at most 512 ports");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].prefix);

		if (strncmp(value, kinds[i].prefix, n) != 0)
			continue;
		*p = (struct pg_port_cfg){ .kind = kinds[i].kind };
		if (strlen(value + n) >= sizeof(p->arg) || value[n] == '\0')
			return bad(w, value, "a socket's path or a device of at most 127 bytes");
		snprintf(p->arg, sizeof(p->arg), "%s", value + n);
		w->c->n_ports++;
		return port_options(w, value, p);
	}
	return bad(w, value, "vhost:SOCKET, vhost-client:SOCKET, eth:DEVICE or copy:NAME");
}

// PATTERN*N: a port for each number, which takes the place of %u.
static int set_ports(struct where *w, const char *value)
{
	const char *star = strrchr(value, '*'), *mark = strstr(value, "%u");
	uint32_t n;

	if (star == NULL || mark == NULL || mark > star)
		return bad(w, value, "a pattern with %u and a number: vhost:/run/g%u.sock*64");
	if (whole(w, star + 1, 1, PG_PORTS_MAX, &n) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		char one[PG_ARG_BYTES + 32];

		snprintf(one, sizeof(one), "%.*s%u%.*s", (int)(mark - value), value, i,
			 (int)(star - mark - 2), mark + 2);
		if (add_port(w, one) < 0)
			return -EINVAL;
	}
	return 0;
}

static int set_from(struct where *w, const char *value)
{
	unsigned a, b;
	char rest;

	if (strcmp(value, "all") == 0)
		w->s->from_first = w->s->from_last = PG_ALL;
	else if (sscanf(value, "%u-%u%c", &a, &b, &rest) == 2 && a <= b && b < PG_PORTS_MAX)
		w->s->from_first = (int)a, w->s->from_last = (int)b;
	else if (sscanf(value, "%u%c", &a, &rest) == 1 && a < PG_PORTS_MAX)
		w->s->from_first = w->s->from_last = (int)a;
	else
		return bad(w, value, "all, a port's number or a range: 0-31");
	return 0;
}

static int set_to(struct where *w, const char *value)
{
	uint32_t n = 0;

	if (strcmp(value, "pair") == 0)
		w->s->to = PG_TO_PAIR;
	else if (strcmp(value, "next") == 0)
		w->s->to = PG_TO_NEXT;
	else if (isdigit((unsigned char)value[0]) && whole(w, value, 0, PG_PORTS_MAX - 1, &n) == 0)
		w->s->to = (int)n;
	else
		return bad(w, value, "pair, next or a port's number");
	return 0;
}

static int set_sizes(struct where *w, const char *value)
{
	struct pg_stream_cfg *s = w->s;
	unsigned a, b;
	int used;
	char rest;

	s->n_sizes = 0;
	// The customary mix; its longest frame as of an MTU of 1500 (1518 with FCS).
	if (strcmp(value, "imix") == 0)
		value = "64:7,570:4,1514:1";
	if (sscanf(value, "%u-%u%c", &a, &b, &rest) == 2) {
		s->size_min = a;
		s->size_max = b;
		return a <= b ? 0 : bad(w, value, "a range from small to large");
	}
	if (strchr(value, ':') == NULL) {
		s->n_sizes = 1;
		s->sizes[0].weight = 1;
		return whole(w, value, PG_SIZE_MIN, PG_SUPER_SIZE_MAX, &s->sizes[0].bytes);
	}
	for (const char *p = value; *p != '\0'; p += used + (p[used] == ',')) {
		if (s->n_sizes == PG_SIZES_MAX || sscanf(p, "%u:%u%n", &a, &b, &used) != 2 ||
		    b == 0 || b > 100 || (p[used] != ',' && p[used] != '\0') ||
		    strcmp(p + used, ",") == 0)
			return bad(w, value,
				   "imix, a size, a range 64-1514 or up to 8 sizes with weights 1 "
				   "to 100: 64:7,570:4,1514:1");
		s->sizes[s->n_sizes++] = (struct pg_size){ a, b };
	}
	return 0;
}

static int set_rate(struct where *w, const char *value)
{
	w->s->rate_pps = w->s->rate_bits_per_s = 0;
	if (strcmp(value, "max") == 0)
		return 0;
	if ((number(value, pps_units, &w->s->rate_pps) && w->s->rate_pps > 0) ||
	    (number(value, bit_units, &w->s->rate_bits_per_s) && w->s->rate_bits_per_s > 0))
		return 0;
	return bad(w, value, "max, 100kpps, 1mpps, 500mbps or 10gbps");
}

static int set_l4(struct where *w, const char *value)
{
	static const char *const names[] = { "udp", "tcp", "mix" };

	for (uint32_t i = 0; i < 3; i++) {
		if (strcmp(value, names[i]) == 0) {
			w->s->l4 = (enum pg_l4)i;
			return 0;
		}
	}
	return bad(w, value, "udp, tcp or mix");
}

static int set_kind(struct where *w, const char *value)
{
	if (strcmp(value, "flood") != 0 && strcmp(value, "iscsi") != 0)
		return bad(w, value, "flood or iscsi");
	w->s->kind = strcmp(value, "iscsi") == 0 ? PG_ISCSI : PG_FLOOD;
	return 0;
}

static int set_order(struct where *w, const char *value)
{
	if (strcmp(value, "sequential") != 0 && strcmp(value, "random") != 0)
		return bad(w, value, "sequential or random");
	w->s->random = strcmp(value, "random") == 0;
	return 0;
}

static int set_op(struct where *w, const char *value)
{
	if (strcmp(value, "read") != 0 && strcmp(value, "write") != 0)
		return bad(w, value, "read or write");
	w->s->write = strcmp(value, "write") == 0;
	return 0;
}

static int set_huge(struct where *w, const char *value)
{
	static const char *const names[] = { "auto", "on", "off" };

	for (uint32_t i = 0; i < 3; i++) {
		if (strcmp(value, names[i]) == 0) {
			w->c->huge = (enum pg_huge)i;
			return 0;
		}
	}
	return bad(w, value, "auto, on or off");
}

static int set_expect(struct where *w, const char *value)
{
	if (strcmp(value, "none") != 0 && strcmp(value, "lossless") != 0)
		return bad(w, value, "none or lossless");
	w->c->lossless = strcmp(value, "lossless") == 0;
	return 0;
}

static int set_seed(struct where *w, const char *value)
{
	uint32_t v;

	if (whole(w, value, 1, UINT32_MAX, &v) < 0)
		return -EINVAL;
	w->c->seed = v;
	return 0;
}

static int set_queue_size(struct where *w, const char *value)
{
	uint32_t v;

	if (whole(w, value, 64, 16384, &v) < 0)
		return -EINVAL;
	if ((v & (v - 1)) != 0)
		return bad(w, value, "a power of two");
	w->c->queue_size = v;
	return 0;
}

static int set_interval(struct where *w, const char *value)
{
	uint64_t v;

	if (duration(w, value, &v) < 0)
		return -EINVAL;
	if (v < 10000000)
		return bad(w, value, "at least 10ms");
	w->c->interval_ns = v;
	return 0;
}

static int set_stream(struct where *w, const char *value)
{
	struct pg_config *c = w->c;

	if (c->n_streams == PG_STREAMS_MAX)
		return bad(w, value, "at most 64 streams");
	// Names stand in JSON and CSV.
	if (value[0] == '\0' || strlen(value) >= PG_NAME_BYTES ||
	    value[strspn(value, NAME)] != '\0')
		return bad(w, value, "a name of 1 to 31 letters, digits, - _ .");
	for (uint32_t i = 0; i < c->n_streams; i++)
		if (strcmp(c->streams[i].name, value) == 0)
			return bad(w, value, "a name that no other stream has");
	c->streams[c->n_streams] = c->defaults;
	snprintf(c->streams[c->n_streams].name, PG_NAME_BYTES, "%s", value);
	c->n_streams++;
	return 0;
}

// Keys whose value is a number, a switch or a time; at = where it goes.
enum type {
	OWN, // has a function
	NUMBER,
	SWITCH,
	TIME,
};

#define GLOBAL(field) false, offsetof(struct pg_config, field)
#define STREAM(field) true, offsetof(struct pg_stream_cfg, field)

static const struct key {
	const char *name, *help;
	int (*set)(struct where *w, const char *value);
	enum type type;
	bool of_stream;
	size_t at;
	uint32_t min, max;
} keys[] = {
	{ "port",
	  "vhost:SOCKET | vhost-client:SOCKET | eth:DEVICE | copy:NAME (no switch: its frames are "
	  "copied to its partner's ring), each with ,churn=N ,rx=off ,rx=20kpps: "
	  "port 0, 1, ...",
	  add_port, OWN, GLOBAL(ports), 0, 0 },
	{ "ports", "vhost:/run/g%u.sock*64: many at once", set_ports, OWN, GLOBAL(ports), 0, 0 },
	{ "queue-size", "descriptors of each virtqueue, a power of two, 64 to 16384 [1024]",
	  set_queue_size, OWN, GLOBAL(queue_size), 0, 0 },
	{ "pairs", "queue pairs of each guest [1]", NULL, NUMBER, GLOBAL(pairs), 1, 16 },
	{ "mergeable", "on | off [on]", NULL, SWITCH, GLOBAL(mergeable), 0, 0 },
	{ "indirect", "on | off [on]", NULL, SWITCH, GLOBAL(indirect), 0, 0 },
	{ "event-idx", "on | off [off: pollers need no events]", NULL, SWITCH, GLOBAL(event_idx), 0,
	  0 },
	{ "packed", "on | off: packed rings [off]", NULL, SWITCH, GLOBAL(packed), 0, 0 },
	{ "csum", "on | off: leave TCP checksums to the back-end [off; on with tso]", NULL, SWITCH,
	  GLOBAL(csum), 0, 0 },
	{ "rx-buffer", "bytes of a receive buffer, header included [2048]", NULL, NUMBER,
	  GLOBAL(rx_buffer_bytes), 256, 65574 },
	{ "piece", "send longer frames in descriptors of so many bytes; 0 = one [0]", NULL, NUMBER,
	  GLOBAL(piece_bytes), 0, 65535 },
	{ "hugepages", "auto | on | off [auto]", set_huge, OWN, GLOBAL(huge), 0, 0 },
	{ "copy-cpu", "where the thread behind copy: ports runs [anywhere]", NULL, NUMBER,
	  GLOBAL(copy_cpu), 0, 1023 },
	{ "attach", "how long to wait for the switch [30s]", NULL, TIME, GLOBAL(attach_ns), 0, 0 },
	{ "warm-up", "traffic before the measurement [2s]", NULL, TIME, GLOBAL(warm_up_ns), 0, 0 },
	{ "duration", "of the measurement [10s]", NULL, TIME, GLOBAL(duration_ns), 0, 0 },
	{ "interval", "of the live view and the CSV [1s]", set_interval, OWN, GLOBAL(interval_ns),
	  0, 0 },
	{ "seed", "of all randomness [1]", set_seed, OWN, GLOBAL(seed), 0, 0 },
	{ "expect", "none | lossless: exit code 4 when a frame was lost or damaged [none]",
	  set_expect, OWN, GLOBAL(lossless), 0, 0 },
	{ "stream",
	  "NAME: what follows describes this stream; what stands before the first one holds for "
	  "all",
	  set_stream, OWN, GLOBAL(streams), 0, 0 },
	{ "kind", "flood | iscsi: frames at a rate; request and response [flood]", set_kind, OWN,
	  STREAM(kind), 0, 0 },
	{ "from", "all | N | N-M [all]", set_from, OWN, STREAM(from_first), 0, 0 },
	{ "to", "pair | next | N: 0<->1, 2<->3; 0->1->2->0; port N [pair]", set_to, OWN, STREAM(to),
	  0, 0 },
	{ "size", "N | imix | N-M | N:WEIGHT,...: bytes of a frame without FCS, 64 to 9000 [64]",
	  set_sizes, OWN, STREAM(sizes), 0, 0 },
	{ "tso", "segment bytes of TCP super-frames, whose size goes up to 65000; 0 = none [0]",
	  NULL, NUMBER, STREAM(tso_segment_bytes), 0, 9000 },
	{ "flows", "of each sending port, 1 to 1048576 [1]", NULL, NUMBER, STREAM(flows), 1,
	  PG_FLOWS_MAX },
	{ "macs", "MAC addresses of each port [1]", NULL, NUMBER, STREAM(macs), 1, PG_FLOWS_MAX },
	{ "vlan", "tag; 0 = none [0]", NULL, NUMBER, STREAM(vlan), 0, 4094 },
	{ "l4", "udp | tcp | mix [udp]", set_l4, OWN, STREAM(l4), 0, 0 },
	{ "dport", "destination port of a flood [9: discard]", NULL, NUMBER, STREAM(dport), 1,
	  65535 },
	{ "spread-src",
	  "N: flows differ from the first address in one of its N upper bits, and below it; 0 = as "
	  "usual [0]",
	  NULL, NUMBER, STREAM(spread_src), 0, 32 },
	{ "spread-dst", "N: the same of the second address [0]", NULL, NUMBER, STREAM(spread_dst),
	  0, 32 },
	{ "spread-dport", "N: the same of the destination port [0]", NULL, NUMBER,
	  STREAM(spread_dport), 0, 16 },
	{ "spread-sport", "N: the same of the source port [0]", NULL, NUMBER, STREAM(spread_sport),
	  0, 16 },
	{ "rate", "max | N pps kpps mpps | N bps kbps mbps gbps, of each sending port [max]",
	  set_rate, OWN, STREAM(rate_pps), 0, 0 },
	{ "order",
	  "sequential | random: the order of flows; iscsi: thinks between nothing and twice think "
	  "[sequential]",
	  set_order, OWN, STREAM(random), 0, 0 },
	{ "verify", "on | off: compare every byte [off]", NULL, SWITCH, STREAM(verify), 0, 0 },
	{ "op", "iscsi: read | write [read]", set_op, OWN, STREAM(write), 0, 0 },
	{ "io-size", "iscsi: bytes of one command [4096]", NULL, NUMBER, STREAM(io_bytes), 512,
	  1 << 20 },
	{ "depth", "iscsi: commands at a time [1]", NULL, NUMBER, STREAM(depth), 1, PG_DEPTH_MAX },
	{ "think", "iscsi: from an answer to the next command [0s]", NULL, TIME, STREAM(think_ns),
	  0, 0 },
	{ "service", "iscsi: how long the target needs [0s]", NULL, TIME, STREAM(service_ns), 0,
	  0 },
	{ "mtu", "iscsi: frame size of data [1448]", NULL, NUMBER, STREAM(mtu_bytes), 128,
	  PG_SIZE_MAX },
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

void pg_config_help(void)
{
	for (size_t i = 0; i < N_KEYS; i++)
		printf("  %-11s %s\n", keys[i].name, keys[i].help);
}

void pg_config_init(struct pg_config *c)
{
	memset(c, 0, sizeof(*c));
	c->queue_size = 1024;
	c->pairs = 1;
	c->rx_buffer_bytes = 2048;
	c->mergeable = c->indirect = true;
	c->attach_ns = 30000000000;
	c->warm_up_ns = 2000000000;
	c->duration_ns = 10000000000;
	c->interval_ns = 1000000000;
	c->seed = 1;
	c->copy_cpu = UINT32_MAX;
	c->defaults = (struct pg_stream_cfg){
		.name = "all",
		.from_first = PG_ALL,
		.from_last = PG_ALL,
		.to = PG_TO_PAIR,
		.sizes = { { 64, 1 } },
		.n_sizes = 1,
		.flows = 1,
		.macs = 1,
		.io_bytes = 4096,
		.depth = 1,
		.mtu_bytes = 1448,
	};
}

static int set_one(struct where *w, const struct key *k, const char *value)
{
	void *at = (char *)(k->of_stream ? (void *)w->s : (void *)w->c) + k->at;

	switch (k->type) {
	case NUMBER:
		return whole(w, value, k->min, k->max, at);
	case SWITCH:
		return on_off(w, value, at);
	case TIME:
		return duration(w, value, at);
	default:
		return k->set(w, value);
	}
}

int pg_config_set(struct pg_config *c, const char *setting, struct weir_err *err)
{
	const char *eq = strchr(setting, '=');
	struct where w = { .c = c,
			   .err = err,
			   .s = c->n_streams == 0 ? &c->defaults : &c->streams[c->n_streams - 1] };
	size_t n = eq == NULL ? strlen(setting) : (size_t)(eq - setting);

	for (size_t i = 0; eq != NULL && i < N_KEYS; i++) {
		if (strlen(keys[i].name) == n && strncmp(setting, keys[i].name, n) == 0) {
			w.key = keys[i].name;
			return set_one(&w, &keys[i], eq + 1);
		}
	}
	return weir_err_set(err, -EINVAL, "%.*s: no such setting (weir-pktgen --help lists them)",
			    (int)n, setting);
}

// "key = value # why" -> "key=value"; an empty line becomes "".
static void squeeze(char *line)
{
	char *hash = strchr(line, '#'), *to = line;

	if (hash != NULL)
		*hash = '\0';
	for (const char *p = line; *p != '\0'; p++)
		if (!isspace((unsigned char)*p))
			*to++ = *p;
	*to = '\0';
}

int pg_config_load(struct pg_config *c, const char *path, struct weir_err *err)
{
	FILE *f = fopen(path, "re");
	char line[LINE_BYTES];
	struct weir_err inner;
	int rc = 0, n = 0;

	if (f == NULL)
		return weir_err_set(err, -errno, "profile %s: %s", path, strerror(errno));
	while (rc == 0 && fgets(line, sizeof(line), f) != NULL) {
		n++;
		if (strchr(line, '\n') == NULL && !feof(f)) {
			rc = weir_err_set(err, -EINVAL, "profile %s, line %d: longer than %d bytes",
					  path, n, LINE_BYTES - 2);
			break;
		}
		squeeze(line);
		if (line[0] != '\0' && pg_config_set(c, line, &inner) < 0)
			rc = weir_err_set(err, -EINVAL, "profile %s, line %d: %.180s", path, n,
					  inner.text);
	}
	if (rc == 0 && ferror(f) != 0)
		rc = weir_err_set(err, -errno, "profile %s: %s", path, strerror(errno));
	fclose(f);
	return rc;
}

static int finish_sizes(struct pg_stream_cfg *s, struct weir_err *err)
{
	uint32_t max = s->tso_segment_bytes > 0 ? PG_SUPER_SIZE_MAX : PG_SIZE_MAX;

	if (s->n_sizes == 0 && (s->size_min < PG_SIZE_MIN || s->size_max > max))
		return weir_err_set(err, -EINVAL, "stream %s: size=%u-%u: %u to %u bytes", s->name,
				    s->size_min, s->size_max, PG_SIZE_MIN, max);
	for (uint32_t i = 0; i < s->n_sizes; i++)
		if (s->sizes[i].bytes < PG_SIZE_MIN || s->sizes[i].bytes > max)
			return weir_err_set(err, -EINVAL, "stream %s: size=%u: %u to %u bytes%s",
					    s->name, s->sizes[i].bytes, PG_SIZE_MIN, max,
					    s->tso_segment_bytes > 0 ? ""
								     : " (longer ones need tso)");
	return 0;
}

static int finish_stream(struct pg_config *c, struct pg_stream_cfg *s, struct weir_err *err)
{
	int last = (int)c->n_ports - 1;

	if (s->from_first == PG_ALL) {
		s->from_first = 0;
		s->from_last = last;
	}
	if (s->from_last > last || s->to > last)
		return weir_err_set(err, -EINVAL, "stream %s: port %d: the last port is %d",
				    s->name, s->to > last ? s->to : s->from_last, last);
	if (s->to == PG_TO_PAIR && (s->from_last | 1) > last)
		return weir_err_set(err, -EINVAL,
				    "stream %s: to=pair: port %d has no partner: an even number of "
				    "ports is needed",
				    s->name, last);
	if (s->to >= 0 && s->from_first == s->to && s->from_last == s->to)
		return weir_err_set(err, -EINVAL, "stream %s: from port %d to itself", s->name,
				    s->to);
	if (s->macs > s->flows)
		s->flows = s->macs; // a flow has one MAC
	if (s->tso_segment_bytes > 0) {
		s->l4 = PG_TCP;
		c->csum = true;
	}
	if (s->rate_bits_per_s + s->rate_pps > 0 && s->kind == PG_ISCSI)
		return weir_err_set(err, -EINVAL,
				    "stream %s: rate: an iscsi stream has depth and think",
				    s->name);
	return finish_sizes(s, err);
}

uint32_t pg_config_longest_frame(const struct pg_config *c)
{
	uint32_t max = 128; // an iscsi command has 118

	for (uint32_t i = 0; i < c->n_streams; i++) {
		const struct pg_stream_cfg *s = &c->streams[i];

		if (s->kind == PG_ISCSI && s->mtu_bytes > max)
			max = s->mtu_bytes;
		if (s->n_sizes == 0 && s->size_max > max)
			max = s->size_max;
		for (uint32_t k = 0; k < s->n_sizes; k++)
			if (s->sizes[k].bytes > max)
				max = s->sizes[k].bytes;
	}
	return max;
}

// A plain copy knows one kind of ring.
static int finish_copy(const struct pg_config *c, struct weir_err *err)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_ports; i++)
		n += c->ports[i].kind == PG_PORT_COPY;
	if (n == 0)
		return 0;
	if (n != c->n_ports || n % 2 != 0 || c->packed || c->pairs > 1 || c->piece_bytes > 0)
		return weir_err_set(err, -EINVAL,
				    "copy: ports stand alone, in even number, with packed=off, "
				    "pairs=1 and piece=0");
	n = pg_config_longest_frame(c) + VH_RING_HDR_BYTES;
	if (n > c->rx_buffer_bytes)
		return weir_err_set(err, -EINVAL, "copy: ports: frames of %u need rx-buffer=%u",
				    n - VH_RING_HDR_BYTES, n);
	return 0;
}

int pg_config_finish(struct pg_config *c, struct weir_err *err)
{
	if (c->n_ports < 2)
		return weir_err_set(err, -EINVAL,
				    "%u ports: at least two are needed (port=vhost:SOCKET)",
				    c->n_ports);
	if (c->n_streams == 0)
		c->streams[c->n_streams++] = c->defaults;
	for (uint32_t i = 0; i < c->n_streams; i++)
		if (finish_stream(c, &c->streams[i], err) < 0)
			return -EINVAL;
	return finish_copy(c, err);
}
