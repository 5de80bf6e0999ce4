// A host of the configuration store that keeps its commits in memory, with a clock of its own: for
// unit tests and fuzzers.
#ifndef STORE_HOST_H
#define STORE_HOST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_netconf.h"

enum { HOST_KEEPS = 51 };

struct store_host {
	struct cfg_store *store;
	struct cfg_commit_head head[HOST_KEEPS]; // newest first
	char *json[HOST_KEEPS];
	uint32_t n, n_commits, n_confirms;
	bool refuse; // commits and saves are refused
	bool waits;  // the last commit waits
	uint64_t now_ms;
	const char *state; // NULL = none
	char cleared[64];  // port, or "all"
	char asked[64];	   // the last vm-boot or portal-forget
};

static inline int host_keep(struct store_host *h, const struct cfg_commit *c)
{
	if (h->n == HOST_KEEPS)
		free(h->json[--h->n]);
	memmove(h->head + 1, h->head, h->n * sizeof(h->head[0]));
	memmove(h->json + 1, h->json, h->n * sizeof(h->json[0]));
	memset(&h->head[0], 0, sizeof(h->head[0]));
	h->head[0].id = ++h->n_commits;
	h->head[0].time_s = (int64_t)(h->now_ms / 1000);
	snprintf(h->head[0].user, sizeof(h->head[0].user), "%s", c->user);
	snprintf(h->head[0].client, sizeof(h->head[0].client), "%s", c->client);
	snprintf(h->head[0].comment, sizeof(h->head[0].comment), "%s", c->comment);
	h->json[0] = strndup(c->json, c->size);
	h->n++;
	return 0;
}

static inline int host_refuses(const struct store_host *h, struct cfg_error *err)
{
	if (h->refuse)
		snprintf(err->reason, sizeof(err->reason), "the switch says no");
	return h->refuse ? -EBUSY : 0;
}

static inline int host_commit(void *arg, const struct cfg_commit *c, struct cfg_error *err)
{
	struct store_host *h = arg;

	if (host_refuses(h, err) < 0)
		return -EBUSY;
	h->waits = c->wait != NULL;
	cfg_free(c->next);
	return host_keep(h, c);
}

static inline int host_save(void *arg, const struct cfg_commit *c, struct cfg_error *err)
{
	return host_refuses(arg, err) < 0 ? -EBUSY : host_keep(arg, c);
}

static inline int host_extend(void *arg, const struct cfg_commit *c, struct cfg_error *err)
{
	(void)c;
	return host_refuses(arg, err);
}

static inline int host_confirm(void *arg, struct cfg_error *err)
{
	struct store_host *h = arg;

	if (host_refuses(h, err) < 0)
		return -EBUSY;
	h->waits = false;
	h->n_confirms++;
	return 0;
}

static inline int host_plan(void *arg, const struct cfg *next, char **text, struct cfg_error *err)
{
	(void)next;
	*text = strdup("port a: add\n");
	return host_refuses(arg, err);
}

static inline int host_history(void *arg, uint32_t n, struct cfg_commit_head *head, char **json,
			       struct cfg_error *err)
{
	struct store_host *h = arg;

	(void)err;
	if (n >= h->n)
		return -ENOENT;
	*head = h->head[n];
	if (json != NULL)
		*json = strdup(h->json[n]);
	return 0;
}

static inline int host_state(void *arg, uint32_t parts, char **json, struct cfg_error *err)
{
	struct store_host *h = arg;

	(void)parts;
	(void)err;
	*json = strdup(h->state == NULL ? "{}" : h->state);
	return 0;
}

static inline uint64_t host_now(void *arg)
{
	return ((struct store_host *)arg)->now_ms;
}

static inline int host_clear(void *arg, const char *port, const char *user, struct cfg_error *err)
{
	struct store_host *h = arg;

	(void)user;
	snprintf(h->cleared, sizeof(h->cleared), "%s", port == NULL ? "all" : port);
	return host_refuses(h, err);
}

static inline int host_vm_boot(void *arg, const char *vm, bool begin, const char *user,
			       struct cfg_error *err)
{
	struct store_host *h = arg;

	snprintf(h->asked, sizeof(h->asked), "%s: %s %s", user, vm, begin ? "boots" : "has booted");
	return host_refuses(h, err);
}

static inline int host_forget(void *arg, const struct cfg_portal *which, const char *user,
			      uint32_t *n, struct cfg_error *err)
{
	struct store_host *h = arg;

	*n = which == NULL ? 3 : 1;
	if (which == NULL)
		snprintf(h->asked, sizeof(h->asked), "%s: all", user);
	else
		snprintf(h->asked, sizeof(h->asked), "%s: ..%02x%02x %u %u", user, which->addr[14],
			 which->addr[15], which->proto, which->port);
	return host_refuses(h, err);
}

static inline int host_vm_arguments(void *arg, struct cfg_launch *l, struct cfg_error *err)
{
	static const char args[] = "/bin/qemu\0-device\0a,b\0-device\0<x>";
	struct store_host *h = arg;

	snprintf(h->asked, sizeof(h->asked), "%s: %s %s %s", l->user, l->vm,
		 l->libvirt ? "libvirt" : "qemu", l->accelerated ? "kvm" : "tcg");
	if (host_refuses(h, err) < 0)
		return -EINVAL;
	l->n_args = l->libvirt ? 0 : 5;
	l->text = l->libvirt ? strdup("<domain type='kvm'/>\n") : malloc(sizeof(args));
	if (l->text != NULL && !l->libvirt)
		memcpy(l->text, args, sizeof(args));
	return l->text == NULL ? -ENOMEM : 0;
}

// In force at once; nothing is done with it.
static inline int host_force(void *arg, struct cfg *next, struct cfg_error *err)
{
	if (host_refuses(arg, err) < 0)
		return -EBUSY;
	cfg_free(next);
	return 0;
}

// Announced machines are laid over what runs, as the real host does.
static inline int host_vm_prepare(void *arg, const struct cfg_vm_ask *ask, struct cfg_vm_ready *out,
				  struct cfg_error *err)
{
	struct store_host *h = arg;
	const struct cfg_force force = { h, host_force };
	const struct cfg_overlay_vm vm = { .name = ask->vm,
					   .source = ask->source,
					   .definition = ask->definition };

	out->ready = !ask->incoming;
	snprintf(h->asked, sizeof(h->asked), "%s: %s of %s", ask->user, ask->vm, ask->source);
	if (ask->definition == NULL)
		return host_refuses(h, err);
	return cfg_overlay_configured(h->store, ask->vm)
		       ? cfg_overlay_compare(h->store, &vm, err)
		       : cfg_overlay_put(h->store, &vm, 1, &force, err);
}

static inline int host_vm_release(void *arg, const struct cfg_vm_ask *ask, struct cfg_error *err)
{
	struct store_host *h = arg;
	const struct cfg_force force = { h, host_force };

	snprintf(h->asked, sizeof(h->asked), "%s: %s ends", ask->user, ask->vm);
	return cfg_overlay_remove(h->store, ask->vm, &force, err);
}

static inline int host_vm_event(void *arg, const struct cfg_vm_ask *ask, const char *event,
				struct cfg_error *err)
{
	struct store_host *h = arg;

	snprintf(h->asked, sizeof(h->asked), "%s: %s %s", ask->user, ask->vm, event);
	return host_refuses(h, err);
}

// A store on h with the configuration {} running and kept. returns 0 or a negative errno
static inline int host_store(struct store_host *h, struct cfg_schema *schema,
			     struct cfg_store **out)
{
	const struct cfg_host host = {
		.arg = h,
		.commit = host_commit,
		.save = host_save,
		.extend = host_extend,
		.confirm = host_confirm,
		.plan = host_plan,
		.history = host_history,
		.state = host_state,
		.now_ms = host_now,
		.clear = host_clear,
		.vm_boot = host_vm_boot,
		.forget = host_forget,
		.vm_prepare = host_vm_prepare,
		.vm_release = host_vm_release,
		.vm_event = host_vm_event,
		.vm_arguments = host_vm_arguments,
	};
	const struct cfg_commit first = {
		.json = "{}", .size = 2, .user = "weir", .client = "file", .comment = ""
	};
	struct cfg_error err;
	int rc;

	memset(h, 0, sizeof(*h));
	h->now_ms = 1700000000000;
	rc = cfg_store_create(schema, &host, out);
	h->store = *out;
	if (rc == 0)
		rc = host_keep(h, &first);
	h->n_commits = 0;
	return rc < 0 ? rc : cfg_store_load(*out, "{}", 2, &err);
}

static inline void host_fini(struct store_host *h)
{
	while (h->n > 0)
		free(h->json[--h->n]);
}

#endif
