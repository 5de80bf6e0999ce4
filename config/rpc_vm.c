// Machines that begin and end: what hooks, QEMU's monitor and people tell (weir-operations).
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netconf_priv.h"

static struct cfg_vm_ask ask_of(const struct cfg_call *c)
{
	const char *source = cfg_value(c->op, "source"), *incoming = cfg_value(c->op, "incoming");

	return (struct cfg_vm_ask){
		.vm = cfg_value(c->op, "vm"),
		.source = source == NULL ? "manual" : source,
		.user = c->s->user,
		.definition = cfg_value(c->op, "definition"),
		.incoming = incoming != NULL && strcmp(incoming, "true") == 0,
	};
}

// What a refusal names may be something that this user must not learn of.
static int refused(struct cfg_call *c, const struct cfg_error *err)
{
	cfg_nc_refuse_cfg(&c->e, err);
	return cfg_call_hide(c, c->store->running);
}

static int not_offered(struct cfg_call *c)
{
	return cfg_nc_refuse(&c->e, "operation-not-supported", "%s: is not offered",
			     LYD_NAME(c->op));
}

static int port_say(struct cfg_call *c, const struct cfg_vm_ready *r, uint32_t i)
{
	const uint8_t *m = r->ports[i].mac;
	char path[96], text[32];
	int rc;

	snprintf(path, sizeof(path), "port[name='%s']/socket", r->ports[i].name);
	rc = cfg_call_leaf(c, path, r->ports[i].socket);
	snprintf(path, sizeof(path), "port[name='%s']/mac", r->ports[i].name);
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
		 m[5]);
	if (rc == 0)
		rc = cfg_call_leaf(c, path, text);
	snprintf(path, sizeof(path), "port[name='%s']/queues", r->ports[i].name);
	snprintf(text, sizeof(text), "%u", r->ports[i].queues);
	if (rc == 0)
		rc = cfg_call_leaf(c, path, text);
	snprintf(path, sizeof(path), "port[name='%s']/mtu", r->ports[i].name);
	snprintf(text, sizeof(text), "%u", r->ports[i].mtu);
	return rc < 0 ? rc : cfg_call_leaf(c, path, text);
}

int cfg_rpc_vm_prepare(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	const struct cfg_vm_ask ask = ask_of(c);
	struct cfg_vm_ready r = { 0 };
	struct cfg_error err = { 0 };
	int rc;

	if (h->vm_prepare == NULL)
		return not_offered(c);
	if (h->vm_prepare(h->arg, &ask, &r, &err) < 0)
		return refused(c, &err);
	rc = cfg_call_leaf(c, "state", r.ready ? "ready" : "preparing");
	for (uint32_t i = 0; rc == 0 && r.ready && i < r.n_ports; i++)
		rc = port_say(c, &r, i);
	return rc;
}

int cfg_rpc_vm_release(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	const struct cfg_vm_ask ask = ask_of(c);
	struct cfg_error err = { 0 };

	if (h->vm_release == NULL)
		return not_offered(c);
	return h->vm_release(h->arg, &ask, &err) < 0 ? refused(c, &err) : 0;
}

int cfg_rpc_vm_event(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	const struct cfg_vm_ask ask = ask_of(c);
	struct cfg_error err = { 0 };

	if (h->vm_event == NULL)
		return not_offered(c);
	return h->vm_event(h->arg, &ask, cfg_value(c->op, "event"), &err) < 0 ? refused(c, &err)
									      : 0;
}
