// Firmware as it behaves on the wire, over a network that loses, repeats and reorders: iPXE, UEFI's
// PXE and UEFI's HTTP boot, an operating system, and another DHCP server beside ours. Time is
// simulated. A model boots, or says at which step firmware would have given up.
//
// The rules are those that were read from the firmware's code: what each takes for an offer, how
// long it waits, where it fails.
#ifndef BOOT_MODELS_H
#define BOOT_MODELS_H

#include "boot_rig.h"

enum { NET_QUEUE = 256 };

struct net_msg {
	uint64_t due_ns;
	bool to_server;
	struct msg m;
};

struct net {
	struct rig g;
	uint32_t port;			 // of the guest that is on
	uint32_t loss, repeat, delay_ms; // permille, permille, at most
	uint64_t seed;
	struct net_msg queue[NET_QUEUE]; // queue[n]
	uint32_t n;
	bool other_server;				      // gives addresses 10.0.0.(50+port)
	uint32_t to_4011, to_tftp, n_client_msgs, stop_after; // stop_after: reset; 0 = never
	uint64_t tick_ns;
};

struct boot_result {
	bool ok;
	const char *failed; // the step; "reset" when the machine was reset
	uint8_t ip[4];
	char file[160]; // last that was fetched; empty = none
	char san[256];	// root path that was attached
};

struct dhcp_state {
	const char *vendor;
	uint16_t arch;
	bool has_arch, ipxe, broadcast;
	uint32_t xid;
	uint8_t ip[4], server[4];
};

// --- The network

static inline uint32_t net_random(struct net *w, uint32_t below)
{
	w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->seed >> 33) % below;
}

static inline void net_put(struct net *w, const struct msg *m, bool to_server)
{
	uint32_t copies = net_random(w, 1000) < w->repeat ? 2 : 1;

	if (net_random(w, 1000) < w->loss)
		return;
	while (copies-- > 0 && w->n < NET_QUEUE) {
		struct net_msg *q = &w->queue[w->n++];

		q->due_ns = w->g.now_ns + 100000u + net_random(w, w->delay_ms + 1) * 1000000ull;
		q->to_server = to_server;
		q->m = *m;
	}
}

static inline void net_replies(struct net *w)
{
	for (uint32_t i = 0; i < w->g.n_sent; i++) {
		const struct rig_sent *s = &w->g.sent[i];
		struct msg m;

		if (s->port != w->port || s->frame[23] != 17)
			continue;
		memset(&m, 0, sizeof(m));
		memcpy(m.src_ip, s->frame + 26, 4);
		memcpy(m.dst_ip, s->frame + 30, 4);
		m.sport = (uint16_t)(s->frame[34] << 8 | s->frame[35]);
		m.dport = (uint16_t)(s->frame[36] << 8 | s->frame[37]);
		m.size = (size_t)(s->frame[38] << 8 | s->frame[39]) - 8;
		if (m.size > sizeof(m.b))
			m.size = sizeof(m.b);
		memcpy(m.b, s->frame + 42, m.size);
		net_put(w, &m, false);
	}
	w->g.n_sent = 0;
}

// A DHCP server without boot options, which also takes its time.
static inline void other_input(struct net *w, const struct msg *in)
{
	const uint8_t server[4] = { 10, 0, 0, 99 }, ip[4] = { 10, 0, 0, (uint8_t)(50 + w->port) };
	const struct reply_view v = { in->b, in->b, in->size };
	const uint8_t *type, *to;
	uint8_t answer;
	struct msg m;

	if (!w->other_server || in->dport != 67)
		return;
	type = opt_find(&v, 53, NULL);
	to = opt_find(&v, 54, NULL);
	answer = type != NULL && *type == 1 ? 2 : 5;
	if (to != NULL && memcmp(to, server, 4) != 0)
		return;
	msg_init(&m, (uint8_t)w->port, answer, 0);
	m.b[0] = 2;
	memcpy(m.b + 4, in->b + 4, 4);
	memcpy(m.b + 16, ip, 4);
	memcpy(m.src_ip, server, 4);
	memset(m.dst_ip, 255, 4);
	msg_opt(&m, 54, server, 4);
	msg_opt(&m, 51, "\0\0\x0e\x10", 4);
	msg_opt(&m, 1, "\xff\xff\xff\0", 4);
	m.b[m.size++] = 255;
	m.size = 300;
	m.sport = 67;
	m.dport = 68;
	net_put(w, &m, false);
}

static inline uint32_t net_next(const struct net *w)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < w->n; i++) {
		if (w->queue[i].due_ns < w->queue[best].due_ns)
			best = i;
	}
	return best;
}

// The next datagram for the guest's port. returns false = none until then
static inline bool net_recv(struct net *w, uint64_t until_ns, uint16_t port, struct msg *out)
{
	while (w->g.now_ns < until_ns) {
		uint32_t i = net_next(w);
		uint64_t next =
			w->n > 0 && w->queue[i].due_ns < until_ns ? w->queue[i].due_ns : until_ns;
		struct net_msg q;

		if (w->tick_ns + 100000000u < next) {
			w->tick_ns += 100000000u;
			if (w->tick_ns > w->g.now_ns)
				w->g.now_ns = w->tick_ns;
			boot_tick(w->g.r, w->g.now_ns);
			net_replies(w);
			continue;
		}
		w->g.now_ns = next;
		if (w->n == 0 || w->queue[i].due_ns > next)
			continue;
		q = w->queue[i];
		w->queue[i] = w->queue[--w->n];
		if (q.to_server) {
			rig_udp(&w->g, w->port, &q.m);
			net_replies(w);
			other_input(w, &q.m);
		} else if (q.m.dport == port) {
			*out = q.m;
			return true;
		}
	}
	return false;
}

// returns false = the machine is reset before it can send
static inline bool net_send(struct net *w, const struct msg *m)
{
	if (w->stop_after != 0 && w->n_client_msgs + 1 >= w->stop_after)
		return false;
	w->n_client_msgs++;
	w->to_4011 += m->dport == 4011;
	w->to_tftp += m->dport == 69;
	net_put(w, m, true);
	return true;
}

// --- DHCP, as all of them do it

static inline void dhcp_message(const struct net *w, const struct dhcp_state *d, uint8_t type,
				struct msg *m)
{
	const uint8_t arch[2] = { (uint8_t)(d->arch >> 8), (uint8_t)d->arch };
	uint8_t uuid[17] = { 0, 0xaa };

	uuid[16] = (uint8_t)w->port;
	msg_init(m, (uint8_t)w->port, type, d->xid);
	if (d->broadcast)
		m->b[10] = 0x80;
	msg_opt(m, 57, "\x05\xc0", 2);
	if (d->vendor != NULL)
		msg_opt(m, 60, d->vendor, strlen(d->vendor));
	if (d->has_arch) {
		msg_opt(m, 93, arch, 2);
		msg_opt(m, 97, uuid, sizeof(uuid));
	}
	if (d->ipxe) {
		msg_opt(m, 77, "iPXE", 4);
		msg_opt(m, 175, "\xb1\x05\x01\x1a\xf4\x10\x00", 7);
	}
}

static inline bool dhcp_send(struct net *w, const struct dhcp_state *d, uint8_t type)
{
	struct msg m;

	dhcp_message(w, d, type, &m);
	if (type == 3) {
		msg_opt(&m, 54, d->server, 4);
		msg_opt(&m, 50, d->ip, 4);
	}
	m.b[m.size++] = 255;
	return net_send(w, &m);
}

static inline bool dhcp_is(const struct msg *m, const struct dhcp_state *d, uint8_t type)
{
	const struct reply_view v = { m->b, m->b, m->size };

	return m->size >= 300 && m->b[0] == 2 && memcmp(m->b + 4, &d->xid, 4) == 0 &&
	       reply_type(&v) == type;
}

// The file that an answer names: option 67, else the header's.
static inline void file_of(const struct msg *m, char *out, size_t size)
{
	const struct reply_view v = { m->b, m->b, m->size };
	size_t n = 0;
	const uint8_t *p = opt_find(&v, 67, &n);

	if (p != NULL)
		snprintf(out, size, "%.*s", (int)n, (const char *)p);
	else
		snprintf(out, size, "%.128s", (const char *)m->b + 108);
}

static inline bool vendor_is(const struct msg *m, const char *text)
{
	const struct reply_view v = { m->b, m->b, m->size };
	size_t n = 0;
	const uint8_t *p = opt_find(&v, 60, &n);

	return p != NULL && n >= strlen(text) && memcmp(p, text, strlen(text)) == 0;
}

// --- TFTP and HTTP

static inline void tftp_words(struct msg *m, uint8_t op, const char *const *words, uint32_t n)
{
	m->b[0] = 0;
	m->b[1] = op;
	m->size = 2;
	for (uint32_t i = 0; i < n; i++) {
		size_t len = strlen(words[i]) + 1;

		memcpy(m->b + m->size, words[i], len);
		m->size += len;
	}
}

// A whole file; probe: its size first, as UEFI asks, and then the transfer is broken off. returns
// NULL or the step that failed
static inline const char *tftp_get(struct net *w, const uint8_t ip[4], const char *name,
				   uint32_t window, bool probe)
{
	static const char *const tail[] = { "octet", "tsize", "0", "blksize", "512", "windowsize" };
	const char *words[8] = { name };
	char number[8];
	struct msg m, in;
	uint32_t got = 0, tries = 0, since_ack = 0;
	uint16_t server_port = 0;

	memcpy(words + 1, tail, sizeof(tail));
	snprintf(number, sizeof(number), "%u", window);
	words[7] = number;
	memset(&m, 0, sizeof(m));
	memcpy(m.src_ip, ip, 4);
	memcpy(m.dst_ip, rig_service, 4);
	m.sport = (uint16_t)(1024 + net_random(w, 60000));
	m.dport = 69;
	tftp_words(&m, 1, words, window > 1 ? 8 : 6);
	if (!net_send(w, &m))
		return "reset";
	while (tries < 10) {
		if (!net_recv(w, w->g.now_ns + SECOND, m.sport, &in)) {
			tries++;
			if (!net_send(w, &m))
				return "reset";
			since_ack = 0;
			continue;
		}
		if (in.b[1] == 5)
			return "TFTP error";
		if (server_port == 0)
			server_port = in.sport;
		if (in.sport != server_port)
			continue;
		m.dport = in.sport;
		if (in.b[1] == 6 && probe) {
			memcpy(m.b, "\0\5\0\0User aborted", 17);
			m.size = 17;
			return net_send(w, &m) ? NULL : "reset";
		}
		if (in.b[1] == 3 && (uint32_t)(in.b[2] << 8 | in.b[3]) == got + 1) {
			got++;
			since_ack++;
			tries = 0;
			if (in.size < 4 + 512)
				since_ack = window;
		} else if (in.b[1] == 3) {
			since_ack = window; // a gap or a repeat: say what is there
		} else if (got > 0) {
			continue;
		}
		memcpy(m.b, "\0\4\0", 3);
		m.b[3] = (uint8_t)got;
		m.size = 4;
		if (in.b[1] == 6 || since_ack >= window) {
			since_ack = 0;
			if (!net_send(w, &m))
				return "reset";
		}
		if (in.b[1] == 3 && got > 0 && in.size < 4 + 512 &&
		    (uint32_t)(in.b[2] << 8 | in.b[3]) == got)
			return NULL;
	}
	return "TFTP timeout";
}

// What the HTTP server would do with a request from that address.
static inline const char *http_get(struct net *w, const uint8_t ip[4], const char *uri)
{
	const struct boot_client *c = boot_client_at(w->g.r, rig_service, ip);
	struct boot_content content;
	struct boot_event e = { .kind = BOOT_EV_HTTP_DONE };

	if (strncmp(uri, "http://10.0.0.2/", 16) != 0)
		return "URI that needs a name server, or of another host";
	if (c == NULL || c->port != w->port)
		return "HTTP: not a guest's address";
	if (!boot_content_find(boot_table_of(w->g.r), c, uri + 16, &content))
		return "HTTP 404";
	e.port = c->port;
	e.gen = c->gen;
	snprintf(e.detail, sizeof(e.detail), "%.77s", uri + 16);
	boot_note(w->g.r, &e);
	return NULL;
}

// --- iPXE

struct ipxe_offers {
	bool has_offer, has_proxy, no_wait, pxe_opts; // pxe_opts: the proxy's names server and file
	uint8_t proxy[4];
	struct msg from; // the proxy's offer
};

// iPXE takes nothing of a proxy that names no server or no file.
static inline bool has_pxe_opts(const struct msg *m)
{
	char file[160];

	file_of(m, file, sizeof(file));
	return memcmp(m->b + 20, "\0\0\0\0", 4) != 0 && file[0] != '\0';
}

static inline void ipxe_offer(struct dhcp_state *d, struct ipxe_offers *o, const struct msg *in)
{
	const struct reply_view v = { in->b, in->b, in->size };
	const uint8_t *server = opt_find(&v, 54, NULL);
	bool pxe = vendor_is(in, "PXEClient");

	if (server == NULL)
		return;
	if (memcmp(in->b + 16, "\0\0\0\0", 4) != 0 && !o->has_offer) {
		o->has_offer = true;
		memcpy(d->ip, in->b + 16, 4);
		memcpy(d->server, server, 4);
		o->no_wait |= opt_find(&v, 175, NULL) != NULL &&
			      memcmp(opt_find(&v, 175, NULL), "\xb0\x01\x01", 3) == 0;
	}
	if (pxe && !o->has_proxy) {
		o->has_proxy = true;
		memcpy(o->proxy, server, 4);
		o->pxe_opts = has_pxe_opts(in);
		o->from = *in;
	}
}

static inline const char *ipxe_discover(struct net *w, struct dhcp_state *d, struct ipxe_offers *o)
{
	uint64_t began = w->g.now_ns, wait = SECOND, proxy_until = began + 2 * SECOND;
	struct msg in;

	for (int i = 0; i<8; i++, wait = wait * 2> 10 * SECOND ? 10 * SECOND : wait * 2) {
		uint64_t until = w->g.now_ns + wait;

		if (!dhcp_send(w, d, 1))
			return "reset";
		while (net_recv(w, until, 68, &in)) {
			if (dhcp_is(&in, d, 2))
				ipxe_offer(d, o, &in);
			if (o->has_offer && (o->no_wait || o->has_proxy))
				return NULL;
		}
		if (o->has_offer && w->g.now_ns >= proxy_until)
			return NULL;
	}
	return "no DHCP offer";
}

// returns NULL and the answer, or what failed
static inline const char *dhcp_choose(struct net *w, struct dhcp_state *d, struct msg *ack)
{
	uint64_t wait = SECOND;

	for (int i = 0; i < 6; i++, wait *= 2) {
		uint64_t until = w->g.now_ns + wait;

		if (!dhcp_send(w, d, 3))
			return "reset";
		while (net_recv(w, until, 68, ack)) {
			const struct reply_view v = { ack->b, ack->b, ack->size };
			const uint8_t *server = opt_find(&v, 54, NULL);

			if (server == NULL || memcmp(server, d->server, 4) != 0)
				continue; // also a NAK of a server that was not chosen
			if (dhcp_is(ack, d, 6))
				return "NAK";
			if (dhcp_is(ack, d, 5))
				return NULL;
		}
	}
	return "no DHCP ack";
}

// UDP 4011: from 68 and back to 68 (iPXE), or from 4011 to 4011 (UEFI).
static inline const char *pxe_ask(struct net *w, const struct dhcp_state *d,
				  const uint8_t server[4], uint16_t from, struct msg *answer)
{
	struct msg m;

	dhcp_message(w, d, 3, &m);
	memcpy(m.b + 12, d->ip, 4);
	memcpy(m.src_ip, d->ip, 4);
	memcpy(m.dst_ip, server, 4);
	m.b[m.size++] = 255;
	m.sport = from;
	m.dport = 4011;
	for (int i = 1; i <= 4; i++) {
		uint64_t until = w->g.now_ns + (uint64_t)i * SECOND;

		if (!net_send(w, &m))
			return "reset";
		while (net_recv(w, until, from, answer)) {
			if (answer->sport == 4011 &&
			    (dhcp_is(answer, d, 5) || dhcp_is(answer, d, 2)))
				return NULL;
		}
	}
	return "no answer from UDP 4011";
}

// "iscsi:server:protocol:port:lun:target", exactly.
static inline const char *san_attach(const char *root_path, struct boot_result *out)
{
	uint32_t colons = 0;

	if (strncmp(root_path, "iscsi:", 6) != 0)
		return "root path of an unknown kind";
	for (const char *p = root_path; *p != '\0' && colons < 5; p++)
		colons += *p == ':';
	if (colons < 5)
		return "root path without its five parts";
	snprintf(out->san, sizeof(out->san), "%s", root_path);
	return NULL;
}

static inline const char *ipxe_boot(struct net *w, const struct dhcp_state *d,
				    const struct msg *from, struct boot_result *out)
{
	const struct reply_view v = { from->b, from->b, from->size };
	size_t n = 0;
	const uint8_t *root = opt_find(&v, 17, &n);
	char text[256];

	file_of(from, out->file, sizeof(out->file));
	if (root != NULL) {
		const char *why;

		snprintf(text, sizeof(text), "%.*s", (int)n, (const char *)root);
		why = san_attach(text, out);
		if (why != NULL && out->file[0] == '\0')
			return why;
	}
	if (out->file[0] == '\0')
		return root != NULL ? NULL : "nothing to boot";
	return strncmp(out->file, "http://", 7) == 0 ? http_get(w, d->ip, out->file)
						     : tftp_get(w, d->ip, out->file, 1, false);
}

static inline struct boot_result model_ipxe(struct net *w, bool efi)
{
	struct dhcp_state d = { .vendor = efi ? "PXEClient:Arch:00007:UNDI:003010"
					      : "PXEClient:Arch:00000:UNDI:002001",
				.arch = efi ? 7 : 0,
				.has_arch = true,
				.ipxe = true,
				.xid = net_random(w, UINT32_MAX) };
	struct ipxe_offers o = { 0 };
	struct boot_result out = { 0 };
	struct msg ack, pxe;

	out.failed = ipxe_discover(w, &d, &o);
	if (out.failed == NULL)
		out.failed = dhcp_choose(w, &d, &ack);
	memcpy(out.ip, d.ip, 4);
	if (out.failed == NULL && o.has_proxy && !o.pxe_opts) {
		const char *why = pxe_ask(w, &d, o.proxy, 68, &pxe);

		if (why == NULL && has_pxe_opts(&pxe))
			ack = pxe;
		else if (why != NULL && strcmp(why, "reset") == 0)
			out.failed = why;
	} else if (out.failed == NULL && o.has_proxy) {
		ack = o.from;
	}
	if (out.failed == NULL)
		out.failed = ipxe_boot(w, &d, &ack, &out);
	out.ok = out.failed == NULL;
	return out;
}

// --- UEFI PXE

enum edk_class { EDK_NONE, EDK_PXE10, EDK_BINL, EDK_ONLY, EDK_PROXY_PXE10, EDK_PROXY_BINL };

static inline enum edk_class edk_class(const struct msg *m)
{
	const struct reply_view v = { m->b, m->b, m->size };
	size_t n = 0;
	const uint8_t *menu = opt_find(&v, 43, &n);
	bool proxy = memcmp(m->b + 16, "\0\0\0\0", 4) == 0;
	bool pxe10 = menu != NULL && n >= 3 && menu[0] >= 6 && menu[0] <= 10;

	if (!vendor_is(m, "PXEClient"))
		return proxy ? EDK_NONE : EDK_ONLY;
	if (pxe10)
		return proxy ? EDK_NONE : EDK_PXE10; // older ones never keep a proxy's
	return proxy ? EDK_PROXY_BINL : EDK_BINL;
}

struct edk_offers {
	struct msg of[EDK_PROXY_BINL + 1];
	bool has[EDK_PROXY_BINL + 1];
};

// Rounds of 4, 8, 16 and 32 s; each collects until its end.
static inline const char *edk_discover(struct net *w, struct dhcp_state *d,
				       bool (*take)(struct edk_offers *, const struct msg *),
				       struct edk_offers *o)
{
	struct msg in;

	memset(o, 0, sizeof(*o));
	for (uint64_t s = 4; s <= 32; s *= 2) {
		uint64_t until = w->g.now_ns + s * SECOND;
		bool usable = false;

		if (!dhcp_send(w, d, 1))
			return "reset";
		while (net_recv(w, until, 68, &in)) {
			if (dhcp_is(&in, d, 2) && take(o, &in))
				usable = true;
		}
		if (usable || o->has[EDK_PXE10] || o->has[EDK_BINL])
			return NULL;
	}
	return "no DHCP offer that can be used";
}

static inline bool edk_pxe_take(struct edk_offers *o, const struct msg *in)
{
	enum edk_class c = edk_class(in);
	char file[160];

	if (c == EDK_NONE)
		return false;
	o->of[c] = *in;
	o->has[c] = true;
	file_of(in, file, sizeof(file));
	return c == EDK_PXE10 || c == EDK_BINL || (c == EDK_ONLY && file[0] != '\0') ||
	       (o->has[EDK_ONLY] && o->has[EDK_PROXY_BINL]);
}

static inline void server_take(struct dhcp_state *d, const struct msg *offer)
{
	const struct reply_view v = { offer->b, offer->b, offer->size };
	const uint8_t *server = opt_find(&v, 54, NULL);

	memcpy(d->ip, offer->b + 16, 4);
	memcpy(d->server, server != NULL ? server : (const uint8_t *)"\0\0\0\0", 4);
}

// A NUL goes behind the file's name, in place; then the packet is read again, by GRUB say.
static inline const char *edk_file(struct msg *m, char *file, size_t size)
{
	const struct reply_view v = { m->b, m->b, m->size };
	size_t n = 0;
	const uint8_t *p = opt_find(&v, 67, &n);

	file_of(m, file, size);
	if (p == NULL)
		return file[0] == '\0' ? "no boot file" : NULL;
	m->b[(size_t)(p - m->b) + n] = 0;
	for (size_t at = 240; m->b[at] != 255;) {
		if (at >= m->size)
			return "the NUL behind option 67 has cut the answer";
		at += m->b[at] == 0 ? 1u : 2u + m->b[at + 1];
	}
	return NULL;
}

static inline const char *edk_fetch(struct net *w, const struct dhcp_state *d, struct msg *from,
				    struct boot_result *out)
{
	const char *why = edk_file(from, out->file, sizeof(out->file));

	if (why != NULL)
		return why;
	// The server: siaddr, else option 54; option 66 is not looked at.
	if (memcmp(from->b + 20, rig_service, 4) != 0)
		return "the boot server is another machine";
	why = tftp_get(w, d->ip, out->file, 4, true);
	return why != NULL ? why : tftp_get(w, d->ip, out->file, 4, false);
}

static inline struct boot_result model_edk2_pxe(struct net *w)
{
	static const enum edk_class order[] = { EDK_PXE10, EDK_BINL, EDK_ONLY };
	struct dhcp_state d = { .vendor = "PXEClient:Arch:00007:UNDI:003016",
				.arch = 7,
				.has_arch = true,
				.broadcast = true,
				.xid = net_random(w, UINT32_MAX) };
	struct boot_result out = { 0 };
	enum edk_class c = EDK_NONE;
	struct edk_offers o;
	struct msg ack;

	out.failed = edk_discover(w, &d, edk_pxe_take, &o);
	for (uint32_t i = 0; i < 3 && c == EDK_NONE && out.failed == NULL; i++)
		c = o.has[order[i]] ? order[i] : EDK_NONE;
	if (c != EDK_NONE) {
		server_take(&d, &o.of[c]);
		out.failed = dhcp_choose(w, &d, &ack);
		memcpy(out.ip, d.ip, 4);
	}
	if (out.failed == NULL && (c == EDK_BINL || o.has[EDK_PROXY_BINL])) {
		const struct msg *binl = c == EDK_BINL ? &ack : &o.of[EDK_PROXY_BINL];

		out.failed = pxe_ask(w, &d, binl->b + 20, 4011, &ack);
	}
	if (out.failed == NULL)
		out.failed = edk_fetch(w, &d, &ack, &out);
	out.ok = out.failed == NULL;
	return out;
}

// --- UEFI HTTP boot

static inline bool edk_http_take(struct edk_offers *o, const struct msg *in)
{
	char file[160];

	file_of(in, file, sizeof(file));
	if (!vendor_is(in, "HTTPClient") || strncmp(file, "http://", 7) != 0 ||
	    memcmp(in->b + 16, "\0\0\0\0", 4) == 0)
		return false;
	o->of[EDK_ONLY] = *in;
	o->has[EDK_ONLY] = true;
	return true;
}

static inline struct boot_result model_edk2_http(struct net *w)
{
	struct dhcp_state d = { .vendor = "HTTPClient:Arch:00016:UNDI:003016",
				.arch = 16,
				.has_arch = true,
				.broadcast = true,
				.xid = net_random(w, UINT32_MAX) };
	struct boot_result out = { 0 };
	struct edk_offers o;
	struct msg ack;

	out.failed = edk_discover(w, &d, edk_http_take, &o);
	if (out.failed == NULL) {
		server_take(&d, &o.of[EDK_ONLY]);
		out.failed = dhcp_choose(w, &d, &ack);
		memcpy(out.ip, d.ip, 4);
	}
	if (out.failed == NULL)
		out.failed = edk_file(&ack, out.file, sizeof(out.file));
	if (out.failed == NULL)
		out.failed = http_get(w, d.ip, out.file);
	out.ok = out.failed == NULL;
	return out;
}

// --- An operating system: any offer will do

static inline struct boot_result model_os(struct net *w)
{
	struct dhcp_state d = { .xid = net_random(w, UINT32_MAX) };
	struct boot_result out = { .failed = "no DHCP offer" };
	struct msg in;

	for (int i = 0; i < 8 && out.failed != NULL; i++) {
		uint64_t until = w->g.now_ns + 3 * SECOND;

		if (!dhcp_send(w, &d, 1))
			out.failed = "reset";
		while (out.failed != NULL && net_recv(w, until, 68, &in)) {
			if (!dhcp_is(&in, &d, 2))
				continue;
			server_take(&d, &in);
			out.failed = dhcp_choose(w, &d, &in);
			until = 0;
		}
	}
	memcpy(out.ip, d.ip, 4);
	out.ok = out.failed == NULL;
	return out;
}

#endif
