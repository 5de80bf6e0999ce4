// libvirt's domain XML, read as it comes: what is not asked for is passed over. The text is of who
// may define machines, who is not who may configure the switch, so it gets no document type (and
// with it no entities), 256 KiB and 64 levels.
// source: libvirt's formatdomain page, as of 9.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "hook.h"

enum {
	DEPTH_MAX = 64,
	EXTRA_BYTES = 16 << 10,
	RINGS = 1024,
};

// Elements that tell something, with what they are inside of.
enum tag {
	T_NONE, // the document
	T_OTHER,
	T_DOMAIN,
	T_NAME,
	T_UUID,
	T_METADATA,
	T_EXTRA,
	T_BACKING,
	T_ACCESS,
	T_CPU,
	T_NUMA,
	T_CELL,
	T_DEVICES,
	T_INTERFACE,
	T_MAC,
	T_SOURCE,
	T_DRIVER,
	T_MTU,
	T_PORT,
	T_VLAN,
	T_VLAN_TAG,
	T_BANDWIDTH,
	T_INBOUND,
	T_OUTBOUND,
};

// Weir's own element has a name space, as all metadata must.
#define EXTRA_NAME "urn:weir:libvirt:1\nvm"

static const struct {
	enum tag in, tag;
	const char *name;
} tags[] = {
	{ T_NONE, T_DOMAIN, "domain" },
	{ T_DOMAIN, T_NAME, "name" },
	{ T_DOMAIN, T_UUID, "uuid" },
	{ T_DOMAIN, T_METADATA, "metadata" },
	{ T_METADATA, T_EXTRA, EXTRA_NAME },
	{ T_DOMAIN, T_BACKING, "memoryBacking" },
	{ T_BACKING, T_ACCESS, "access" },
	{ T_DOMAIN, T_CPU, "cpu" },
	{ T_CPU, T_NUMA, "numa" },
	{ T_NUMA, T_CELL, "cell" },
	{ T_DOMAIN, T_DEVICES, "devices" },
	{ T_DEVICES, T_INTERFACE, "interface" },
	{ T_INTERFACE, T_MAC, "mac" },
	{ T_INTERFACE, T_SOURCE, "source" },
	{ T_INTERFACE, T_DRIVER, "driver" },
	{ T_INTERFACE, T_MTU, "mtu" },
	{ T_INTERFACE, T_PORT, "port" },
	{ T_INTERFACE, T_PORT, "portOptions" },
	{ T_INTERFACE, T_VLAN, "vlan" },
	{ T_VLAN, T_VLAN_TAG, "tag" },
	{ T_INTERFACE, T_BANDWIDTH, "bandwidth" },
	{ T_BANDWIDTH, T_INBOUND, "inbound" },
	{ T_BANDWIDTH, T_OUTBOUND, "outbound" },
};

// An interface while it is read: whether it is one of Weir's, its end tells.
struct card {
	bool vhost_user, client, trunk;
	uint32_t rx_ring, tx_ring, n_tags;
	bool peak; // or burst
	uint64_t tag, native;
	struct hook_nic nic;
};

struct reader {
	const struct hook_settings *s;
	struct hook_vm *vm;
	XML_Parser parser;
	enum tag path[DEPTH_MAX];
	uint32_t depth;
	struct card card;
	bool shared; // memory that others may map
	char text[EXTRA_BYTES];
	size_t text_size;
	char name[HOOK_TEXT];
	char *err;
	int rc;
};

static void refuse(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	if (r->rc != 0)
		return;
	va_start(ap, fmt);
	vsnprintf(r->err, HOOK_TEXT, fmt, ap);
	va_end(ap);
	r->rc = -EINVAL;
	XML_StopParser(r->parser, XML_FALSE);
}

// --- Attributes

static const char *get(const char **atts, const char *name)
{
	for (; atts[0] != NULL; atts += 2) {
		if (strcmp(atts[0], name) == 0)
			return atts[1];
	}
	return NULL;
}

static bool is(const char **atts, const char *name, const char *value)
{
	const char *v = get(atts, name);

	return v != NULL && strcmp(v, value) == 0;
}

// 0 where it is missing, or is no number of that size.
static uint64_t number(struct reader *r, const char **atts, const char *name, uint64_t max)
{
	const char *v = get(atts, name);
	uint64_t n = 0;

	if (v != NULL && hook_number(v, max, &n) < 0)
		refuse(r, "interface: %s='%.40s': expected a number up to %llu", name, v,
		       (unsigned long long)max);
	return n;
}

// --- An interface

static void source(struct reader *r, const char **atts)
{
	const char *path = get(atts, "path"), *mode = get(atts, "mode");

	if (path == NULL || strlen(path) >= sizeof(r->card.nic.socket))
		return; // libvirt and Weir refuse a longer one
	snprintf(r->card.nic.socket, sizeof(r->card.nic.socket), "%s", path);
	r->card.client = mode != NULL && strcmp(mode, "client") == 0;
}

static void vlan_tag(struct reader *r, const char **atts)
{
	struct card *c = &r->card;
	const char *native = get(atts, "nativeMode");

	c->tag = number(r, atts, "id", 4095);
	c->n_tags++;
	if (hook_vlans_add(&c->nic, c->tag, c->tag) < 0)
		refuse(r, "interface: vlan %llu: VLANs are 1..4094", (unsigned long long)c->tag);
	if (native == NULL)
		return;
	c->native = c->tag;
	c->nic.native_tagged = strcmp(native, "tagged") == 0;
}

// kB/s there are 1,000 bytes/s: libvirt hands them to tc as "kbps".
static uint64_t rate(struct reader *r, const char **atts, const char *name)
{
	return 8000 * number(r, atts, name, 125000000); // 1 Tbit/s
}

static void bandwidth(struct reader *r, const char **atts, bool inbound)
{
	struct hook_nic *nic = &r->card.nic;

	// As the guest sees it: inbound is what it receives.
	*(inbound ? &nic->to_bits_per_s : &nic->from_bits_per_s) = rate(r, atts, "average");
	if (inbound)
		nic->floor_bits_per_s = rate(r, atts, "floor");
	if (get(atts, "peak") != NULL || get(atts, "burst") != NULL)
		r->card.peak = true;
}

static void card_part(struct reader *r, enum tag tag, const char **atts)
{
	struct card *c = &r->card;
	const char *mac = get(atts, "address");

	switch (tag) {
	case T_MAC:
		if (mac != NULL && hook_mac_fits(mac))
			snprintf(c->nic.mac, sizeof(c->nic.mac), "%s", mac);
		break;
	case T_SOURCE:
		source(r, atts);
		break;
	case T_DRIVER:
		c->nic.queues = (uint32_t)number(r, atts, "queues", 256);
		c->rx_ring = (uint32_t)number(r, atts, "rx_queue_size", 65536);
		c->tx_ring = (uint32_t)number(r, atts, "tx_queue_size", 65536);
		break;
	case T_MTU:
		c->nic.mtu = (uint32_t)number(r, atts, "size", 65535);
		break;
	case T_PORT:
		c->nic.isolated = is(atts, "isolated", "yes");
		break;
	case T_VLAN:
		c->trunk = is(atts, "trunk", "yes");
		break;
	case T_VLAN_TAG:
		vlan_tag(r, atts);
		break;
	case T_INBOUND:
	case T_OUTBOUND:
		bandwidth(r, atts, tag == T_INBOUND);
		break;
	default:
		break;
	}
}

static bool ours(const struct reader *r)
{
	const char *path = r->card.nic.socket;

	for (uint32_t i = 0; i < r->s->n_guests; i++) {
		size_t size = strlen(r->s->guests[i]);

		if (strncmp(path, r->s->guests[i], size) == 0 && path[size] != '\0')
			return r->card.vhost_user;
	}
	return false;
}

static void card_lint(struct reader *r)
{
	const struct card *c = &r->card;

	if (c->rx_ring != RINGS || c->tx_ring != RINGS)
		hook_note(r->vm,
			  "interface %s: rings of %u and %u descriptors lose frames in bursts: set "
			  "<driver rx_queue_size='1024' tx_queue_size='1024'/>",
			  c->nic.mac, c->rx_ring == 0 ? 256 : c->rx_ring,
			  c->tx_ring == 0 ? 256 : c->tx_ring);
	if (c->peak)
		hook_note(r->vm,
			  "interface %s: peak and burst have no effect: the limit is average",
			  c->nic.mac);
}

static void card_begin(struct reader *r, const char **atts)
{
	r->card = (struct card){ .vhost_user = is(atts, "type", "vhostuser") };
}

static void card_end(struct reader *r)
{
	struct card *c = &r->card;
	struct hook_vm *vm = r->vm;

	if (!ours(r))
		return;
	if (c->nic.mac[0] == '\0') {
		refuse(r, "interface at %s: it has no MAC address", c->nic.socket);
		return;
	}
	if (c->client) {
		refuse(r,
		       "interface %s: mode='client': Weir connects to QEMU, so it has to be "
		       "mode='server'",
		       c->nic.mac);
		return;
	}
	if (vm->n_nics == HOOK_NICS) {
		refuse(r, "interface %s: Weir takes %d of a machine", c->nic.mac, HOOK_NICS);
		return;
	}
	c->nic.trunk = c->n_tags > 1 || c->trunk || c->native != 0;
	c->nic.vlan = (uint32_t)(c->nic.trunk ? c->native : c->tag);
	c->nic.id = (uint8_t)vm->n_nics;
	card_lint(r);
	vm->nics[vm->n_nics++] = c->nic;
}

// --- Elements

static enum tag tag_of(enum tag in, const char *name)
{
	for (size_t i = 0; in != T_OTHER && i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (tags[i].in == in && strcmp(tags[i].name, name) == 0)
			return tags[i].tag;
	}
	return T_OTHER;
}

static void on_start(void *arg, const char *name, const char **atts)
{
	struct reader *r = arg;
	enum tag in = r->depth == 0 ? T_NONE : r->path[r->depth - 1], tag = tag_of(in, name);

	if (r->depth == DEPTH_MAX) {
		refuse(r, "it is more than %d deep", DEPTH_MAX);
		return;
	}
	if (r->depth == 0 && tag != T_DOMAIN) {
		refuse(r, "<%.40s>: expected a libvirt domain", name);
		return;
	}
	r->path[r->depth++] = tag;
	r->text_size = 0;
	if (tag == T_INTERFACE)
		card_begin(r, atts);
	else if (tag == T_ACCESS)
		r->shared |= is(atts, "mode", "shared");
	else if (tag == T_CELL)
		r->shared |= is(atts, "memAccess", "shared");
	else
		card_part(r, tag, atts);
}

static void extra_end(struct reader *r)
{
	if (r->vm->extra != NULL) {
		refuse(r, "metadata: there are two elements for Weir");
		return;
	}
	r->vm->extra = strdup(r->text);
	if (r->vm->extra == NULL)
		r->rc = -ENOMEM;
}

static void on_end(void *arg, const char *name)
{
	struct reader *r = arg;
	enum tag tag;

	(void)name;
	if (r->rc != 0) // expat still tells the end of an empty element
		return;
	tag = r->path[--r->depth];
	r->text[r->text_size] = '\0';
	if (tag == T_NAME)
		memcpy(r->name, r->text, r->text_size + 1); // shorter than HOOK_TEXT
	else if (tag == T_UUID && hook_uuid_fits(r->text))
		memcpy(r->vm->uuid, r->text, sizeof(r->vm->uuid));
	else if (tag == T_EXTRA)
		extra_end(r);
	else if (tag == T_INTERFACE)
		card_end(r);
}

static void on_text(void *arg, const char *text, int size)
{
	struct reader *r = arg;
	enum tag tag = r->depth == 0 ? T_OTHER : r->path[r->depth - 1];

	if (tag != T_NAME && tag != T_UUID && tag != T_EXTRA)
		return;
	if (r->text_size + (size_t)size >= (tag == T_EXTRA ? sizeof(r->text) : HOOK_TEXT)) {
		refuse(r, "%s: it is too long",
		       tag == T_EXTRA ? "metadata for Weir" : "name or uuid");
		return;
	}
	memcpy(r->text + r->text_size, text, (size_t)size);
	r->text_size += (size_t)size;
}

static void on_doctype(void *arg, const char *name, const char *system, const char *public,
		       int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	refuse(arg, "it has a document type, which no domain has");
}

// --- The whole

static int parse(struct reader *r, const char *xml, size_t size)
{
	enum XML_Status ok;

	r->parser = XML_ParserCreateNS(NULL, '\n');
	if (r->parser == NULL)
		return -ENOMEM;
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	ok = XML_Parse(r->parser, xml, (int)size, 1);
	if (ok != XML_STATUS_OK && r->rc == 0) {
		snprintf(r->err, HOOK_TEXT, "line %lu: %s",
			 (unsigned long)XML_GetCurrentLineNumber(r->parser),
			 XML_ErrorString(XML_GetErrorCode(r->parser)));
		r->rc = -EINVAL;
	}
	XML_ParserFree(r->parser);
	return r->rc;
}

static void vm_finish(struct reader *r)
{
	struct hook_vm *vm = r->vm;

	if (vm->n_nics == 0)
		return;
	hook_vm_name(vm, r->name);
	if (!r->shared)
		hook_note(vm,
			  "%.100s: its memory is not shared, so vhost-user cannot work: set "
			  "<memoryBacking><source type='memfd'/><access mode='shared'/>",
			  vm->shown);
}

int hook_domain_read(const struct hook_settings *s, const char *xml, size_t size,
		     struct hook_vm *vm, char err[HOOK_TEXT])
{
	struct reader *r = calloc(1, sizeof(*r));
	int rc;

	memset(vm, 0, sizeof(*vm));
	err[0] = '\0';
	if (r == NULL)
		return -ENOMEM;
	r->s = s;
	r->vm = vm;
	r->err = err;
	if (size > HOOK_INPUT_BYTES) {
		snprintf(err, HOOK_TEXT, "it is longer than %d bytes", HOOK_INPUT_BYTES);
		rc = -EINVAL;
	} else {
		rc = parse(r, xml, size);
	}
	if (rc == 0)
		vm_finish(r);
	if (rc == -ENOMEM)
		snprintf(err, HOOK_TEXT, "out of memory");
	if (rc < 0) {
		hook_vm_fini(vm);
		memset(vm, 0, sizeof(*vm));
	}
	free(r);
	return rc;
}
