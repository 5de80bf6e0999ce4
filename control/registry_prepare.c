// VMs that begin and end: announced by hooks, made ready by providers, released. See registry.h.
//
// The port and the identity of a VM are in force before its preparation is answered, so they are
// there before QEMU connects; what a monitor or a hook tells later is never needed for that.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"

static int refuse(struct cfg_error *err, int rc, const char *vm, const char *reason)
{
	memset(err, 0, sizeof(*err));
	snprintf(err->path, sizeof(err->path), "/weir-vm:vms/vm[name='%.32s']", vm);
	snprintf(err->value, sizeof(err->value), "%.127s", vm);
	snprintf(err->reason, sizeof(err->reason), "%s", reason);
	return rc;
}

// --- The overlay

static int force(void *arg, struct cfg *next, struct cfg_error *err)
{
	return ctl_apply(arg, next, false, NULL, err);
}

int ctl_reg_lay(struct ctl_registry *r, struct ctl_reg_vm *const *vms, uint32_t n,
		struct cfg_error *err)
{
	const struct cfg_force how = { r->ctl, force };
	struct cfg_overlay_vm *o = calloc(n + 1u, sizeof(*o));
	int rc;

	if (o == NULL)
		return refuse(err, -ENOMEM, vms[0]->name, "out of memory");
	for (uint32_t i = 0; i < n; i++)
		o[i] = (struct cfg_overlay_vm){
			.name = vms[i]->name,
			.source = vms[i]->source,
			.definition = vms[i]->definition,
			.boot = vms[i]->boot,
		};
	rc = cfg_overlay_put(r->ctl->store, o, n, &how, err);
	free(o);
	return rc;
}

static bool has_room(const struct ctl_registry *r, const char *was, const char *text)
{
	return r->text_bytes - (was == NULL ? 0 : strlen(was)) + strlen(text) <= CTL_REG_TEXT;
}

// Bring a record into force with another text in place of *at, which is one of its own.
static int text_change(struct ctl_reg_vm *v, char **at, const char *text, struct cfg_error *err)
{
	struct ctl_registry *r = v->registry;
	char *was = *at, *copy = strdup(text);
	int rc;

	if (copy == NULL)
		return refuse(err, -ENOMEM, v->name, "out of memory");
	if (!has_room(r, was, text)) {
		free(copy);
		return refuse(err, -ENOSPC, v->name,
			      "definitions and answers of transient VMs are 8 MiB already");
	}
	*at = copy;
	rc = ctl_reg_lay(r, &v, 1, err);
	*at = was;
	if (rc < 0)
		free(copy);
	else
		ctl_reg_text_set(r, at, copy);
	r->stale |= rc == 0;
	return rc;
}

// --- Providers

static void provided(void *arg, const struct ctl_provided *p)
{
	struct ctl_reg_vm *v = arg;
	struct ctl *c = v->registry->ctl;
	struct cfg_error err = p->err;
	int rc = p->rc;

	if (rc == 0 && p->answer != NULL)
		rc = text_change(v, &v->boot, p->answer, &err);
	v->provide = rc < 0 ? CTL_REG_FAILED : CTL_REG_PROVIDED;
	v->registry->stale = true;
	if (rc < 0) {
		v->why = err;
		weir_log(WEIR_ERROR, "vm %s: provider %s: %s %s: %s", v->name, v->provider,
			 err.path, err.value, err.reason);
	}
	ctl_vm_event(c, v->name, dp_switch_now_ns(), "provider %s: %.80s", v->provider,
		     rc < 0 ? err.reason : "ready");
}

void ctl_reg_provide(struct ctl_reg_vm *v)
{
	struct ctl *c = v->registry->ctl;
	const struct cfg_vm *vm = cfg_vm_get(c->running, v->name);
	const struct cfg_provider *p = vm == NULL || vm->provider[0] == '\0'
					       ? NULL
					       : cfg_provider_get(c->running, vm->provider);
	const struct ctl_provider_call call = {
		.name = v->name,
		.uuid = vm == NULL ? "" : vm->uuid,
		.image = vm == NULL ? "" : vm->image,
		.provider = p,
		.prepare = true,
		.done = provided,
		.arg = v,
	};

	if (p == NULL || v->provide == CTL_REG_BUSY)
		return;
	snprintf(v->provider, sizeof(v->provider), "%s", p->name);
	snprintf(v->image, sizeof(v->image), "%s", vm->image);
	memset(&v->why, 0, sizeof(v->why));
	v->told = false;
	v->provide = ctl_provider_run(c, &call, &v->provide_id, &v->why) < 0 ? CTL_REG_FAILED
									     : CTL_REG_BUSY;
}

static void given_back(void *arg, const struct ctl_provided *p)
{
	(void)arg;
	if (p->rc < 0)
		weir_log(WEIR_ERROR, "a provider's release failed: %s %s: %s", p->err.path,
			 p->err.value, p->err.reason);
}

// What its provider made is of no use any more.
static void give_back(struct ctl_reg_vm *v, const char *uuid)
{
	struct ctl *c = v->registry->ctl;
	const struct cfg_provider *p = cfg_provider_get(c->running, v->provider);
	const struct ctl_provider_call call = {
		.name = v->name,
		.uuid = uuid,
		.image = v->image,
		.provider = p,
		.done = given_back,
	};
	struct cfg_error err = { 0 };
	uint32_t id;

	if (p == NULL)
		weir_log(WEIR_WARNING,
			 "vm %s: provider %s is not configured any more: what it made stays",
			 v->name, v->provider);
	else if (ctl_provider_run(c, &call, &id, &err) < 0)
		weir_log(WEIR_ERROR, "vm %s: provider %s: release: %s", v->name, v->provider,
			 err.reason);
}

bool ctl_reg_is_elsewhere(const struct ctl_reg_vm *v)
{
	const struct ctl *c = v->registry->ctl;
	const struct cfg_vm *vm = cfg_vm_get(c->running, v->name);
	struct dp_port_info info;

	for (uint32_t i = 0; vm != NULL && i < vm->n_nics; i++) {
		int idx = dp_switch_port_find(c->sw, vm->nics[i].port);

		if (idx >= 0 && dp_switch_port_info(c->sw, (uint16_t)idx, &info) == 0 &&
		    info.mac_at == DP_MAC_ELSEWHERE)
			return true;
	}
	return false;
}

void ctl_reg_disk_stays(struct ctl_reg_vm *v)
{
	// Nobody waits for an answer any more, whatever becomes of the disk.
	if (v->provide == CTL_REG_BUSY)
		ctl_provider_cancel(v->registry->ctl, v->provide_id);
	if (v->provide != CTL_REG_NO_PROVIDER)
		weir_log(WEIR_NOTICE,
			 "vm %s: runs on another host: provider %s is not asked to release",
			 v->name, v->provider);
	v->provide = CTL_REG_NO_PROVIDER;
}

// --- The end

bool ctl_reg_end(struct ctl_reg_vm *v)
{
	struct ctl_registry *r = v->registry;
	const struct cfg_force how = { r->ctl, force };
	const struct cfg_vm *vm = cfg_vm_get(r->ctl->running, v->name);
	struct cfg_error err = { 0 };
	char uuid[37];

	snprintf(uuid, sizeof(uuid), "%s", vm == NULL ? "" : vm->uuid);
	if (ctl_reg_is_elsewhere(v))
		ctl_reg_disk_stays(v);
	v->linger_ns = 0;
	if ((v->definition != NULL || v->boot != NULL) &&
	    cfg_overlay_remove(r->ctl->store, v->name, &how, &err) < 0) {
		// Out of memory, or of descriptors: it is tried again.
		weir_log_limited(&r->log_file, WEIR_ERROR, "vm %s: cannot go: %s %s: %s", v->name,
				 err.path, err.value, err.reason);
		v->linger_ns = r->now_ns + CTL_REG_LINGER_NS;
		return false;
	}
	if (v->provide == CTL_REG_BUSY)
		ctl_provider_cancel(r->ctl, v->provide_id);
	if (v->provide != CTL_REG_NO_PROVIDER)
		give_back(v, uuid);
	v->provide = CTL_REG_NO_PROVIDER;
	r->stale = true;
	if (cfg_vm_get(r->ctl->running, v->name) == NULL) {
		weir_log(WEIR_INFO, "vm %s: gone", v->name);
		ctl_reg_free(r, v);
		return false;
	}
	r->n_transient -= v->definition != NULL;
	ctl_reg_text_set(r, &v->definition, NULL);
	ctl_reg_text_set(r, &v->boot, NULL);
	v->source[0] = '\0';
	return true;
}

int ctl_vm_release(struct ctl *c, const struct cfg_vm_ask *ask, struct cfg_error *err)
{
	struct ctl_reg_vm *v = ctl_reg_find(c->registry, ask->vm);

	(void)err;
	// Twice, or of a machine that was never prepared: it is released.
	if (v == NULL)
		return 0;
	(void)ctl_vm_life(c, ask->vm, LIFE_EV_RELEASE, ask->source);
	if (v->linger_ns == 0 && v->definition != NULL)
		v->linger_ns = v->registry->now_ns;
	if (v->linger_ns != 0 && !v->life.attached)
		(void)ctl_reg_end(v);
	ctl_reg_file_write(c->registry, true);
	return 0;
}

// --- The beginning

static int announce(struct ctl_registry *r, const struct cfg_vm_ask *ask, struct cfg_error *err)
{
	struct ctl_reg_vm *v = ctl_reg_find(r, ask->vm);
	const bool known = v != NULL, first = v == NULL || v->definition == NULL;
	char source[32];
	int rc;

	if (!first && strcmp(v->definition, ask->definition) == 0)
		return 0;
	if (!first && v->life.attached && v->life.state != LIFE_DEFINED)
		return refuse(err, -EBUSY, ask->vm, "it runs, with another definition");
	if (first && r->n_transient >= CTL_REG_TRANSIENT)
		return refuse(err, -ENOSPC, ask->vm, "there are 4,096 transient VMs already");
	if (v == NULL)
		v = ctl_reg_get(r, ask->vm);
	if (v == NULL)
		return refuse(err, -ENOMEM, ask->vm, "out of memory");
	snprintf(source, sizeof(source), "%s", v->source);
	snprintf(v->source, sizeof(v->source), "%s", ask->source);
	rc = text_change(v, &v->definition, ask->definition, err);
	if (rc == 0) {
		r->n_transient += first;
		return 0;
	}
	snprintf(v->source, sizeof(v->source), "%s", source);
	if (!known)
		ctl_reg_free(r, v);
	return rc;
}

// The machine is there from now on, as configured or as it is announced.
static int identify(struct ctl *c, const struct cfg_vm_ask *ask, struct cfg_error *err)
{
	const struct cfg_overlay_vm o = { .name = ask->vm,
					  .source = ask->source,
					  .definition = ask->definition };

	if (cfg_overlay_configured(c->store, ask->vm))
		return ask->definition == NULL ? 0 : cfg_overlay_compare(c->store, &o, err);
	if (ask->definition != NULL)
		return announce(c->registry, ask, err);
	if (cfg_vm_get(c->running, ask->vm) == NULL)
		return refuse(err, -ENOENT, ask->vm,
			      "there is no VM of that name, and no definition of one");
	return 0;
}

static void ports_tell(const struct ctl *c, const char *name, struct cfg_vm_ready *out)
{
	const struct cfg_vm *vm = cfg_vm_get(c->running, name);

	out->ready = true;
	for (uint32_t i = 0; vm != NULL && i < vm->n_nics; i++) {
		const struct cfg_port *p = cfg_port_get(c->running, vm->nics[i].port);

		if (p == NULL)
			continue;
		snprintf(out->ports[out->n_ports].name, sizeof(out->ports[0].name), "%s", p->name);
		snprintf(out->ports[out->n_ports].socket, sizeof(out->ports[0].socket), "%s",
			 p->link_arg);
		memcpy(out->ports[out->n_ports].mac, p->mac, sizeof(p->mac));
		out->ports[out->n_ports].queues = p->queues;
		out->ports[out->n_ports++].mtu = p->mtu;
	}
}

int ctl_vm_prepare(struct ctl *c, const struct cfg_vm_ask *ask, struct cfg_vm_ready *out,
		   struct cfg_error *err)
{
	const enum life_event ev = ask->incoming ? LIFE_EV_MIGRATE_IN : LIFE_EV_PREPARE;
	struct ctl_reg_vm *v;
	int rc;

	memset(out, 0, sizeof(*out));
	c->registry->now_ns = dp_switch_now_ns();
	rc = identify(c, ask, err);
	if (rc == 0)
		rc = ctl_vm_life(c, ask->vm, ev, ask->source);
	v = ctl_reg_find(c->registry, ask->vm);
	if (rc < 0 || v == NULL)
		return rc < 0 && err->reason[0] == '\0' ? refuse(err, rc, ask->vm, "out of memory")
							: rc;
	// Another definition is another port.
	if (v->life.state == LIFE_INCOMING || v->life.state == LIFE_MOVED)
		ctl_vm_quiet(c, ask->vm, true);
	// Who asks again after a failure has it tried again.
	if (v->life.state == LIFE_PREPARED &&
	    (v->provide == CTL_REG_NO_PROVIDER || (v->provide == CTL_REG_FAILED && v->told)))
		ctl_reg_provide(v);
	ctl_reg_file_write(c->registry, true);
	if (v->provide == CTL_REG_BUSY)
		return 0;
	if (v->provide == CTL_REG_FAILED) {
		v->told = true;
		*err = v->why;
		return -EIO;
	}
	ports_tell(c, ask->vm, out);
	return 0;
}

int ctl_vm_tell(struct ctl *c, const struct cfg_vm_ask *ask, const char *event,
		struct cfg_error *err)
{
	const int ev = life_event_find(event);
	int rc;

	if (ev < 0 || ev > LIFE_EV_RECONNECT)
		return refuse(err, -EINVAL, ask->vm, "no such event");
	if (ev == LIFE_EV_RELEASE)
		return ctl_vm_release(c, ask, err);
	rc = ctl_vm_life(c, ask->vm, (enum life_event)ev, ask->source);
	ctl_reg_file_write(c->registry, true);
	return rc < 0 ? refuse(err, rc, ask->vm, "there is no VM of that name") : 0;
}
