// Records of VMs, and their lives. See registry.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "registry.h"

static int64_t wall_s(void)
{
	return time(NULL);
}

static struct ctl_reg_vm **chain_of(const struct ctl_registry *r, const char *name)
{
	uint32_t h = 2166136261u; // FNV-1a

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return (struct ctl_reg_vm **)(uintptr_t)&r->chains[(h ^ h >> 16) & (CTL_REG_CHAINS - 1)];
}

struct ctl_reg_vm *ctl_reg_find(const struct ctl_registry *r, const char *name)
{
	struct ctl_reg_vm *v = r == NULL ? NULL : *chain_of(r, name);

	while (v != NULL && strcmp(v->name, name) != 0)
		v = v->next;
	return v;
}

struct ctl_reg_vm *ctl_reg_get(struct ctl_registry *r, const char *name)
{
	struct ctl_reg_vm *v = ctl_reg_find(r, name), **chain;

	if (v != NULL)
		return v;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return NULL;
	chain = chain_of(r, name);
	snprintf(v->name, sizeof(v->name), "%s", name);
	v->registry = r;
	v->since_s = r->wall_s();
	v->next = *chain;
	*chain = v;
	r->n_vms++;
	return v;
}

void ctl_reg_text_set(struct ctl_registry *r, char **at, char *text)
{
	r->text_bytes -= *at == NULL ? 0 : strlen(*at);
	r->text_bytes += text == NULL ? 0 : strlen(text);
	free(*at);
	*at = text;
}

void ctl_reg_free(struct ctl_registry *r, struct ctl_reg_vm *v)
{
	struct ctl_reg_vm **at = chain_of(r, v->name);

	if (v->provide == CTL_REG_BUSY)
		ctl_provider_cancel(r->ctl, v->provide_id);
	while (*at != v)
		at = &(*at)->next;
	*at = v->next;
	r->n_vms--;
	r->n_transient -= v->definition != NULL;
	ctl_reg_text_set(r, &v->definition, NULL);
	ctl_reg_text_set(r, &v->boot, NULL);
	free(v);
}

void ctl_reg_each(struct ctl_registry *r, void (*fn)(void *arg, struct ctl_reg_vm *v), void *arg)
{
	for (uint32_t i = 0; i < CTL_REG_CHAINS; i++) {
		struct ctl_reg_vm *v = r->chains[i], *next;

		for (; v != NULL; v = next) {
			next = v->next;
			fn(arg, v);
		}
	}
}

// --- What a transition asks for

static void boot_begins(struct ctl_reg_vm *v, enum life_event ev)
{
	struct ctl *c = v->registry->ctl;
	const uint64_t ns = dp_switch_now_ns();

	// That a guest has attached is seen by who watches ports, who tells of it (vm.c).
	if (ev == LIFE_EV_ATTACH)
		return;
	ctl_vm_timeline_begin(c, v->name);
	ctl_storage_edge(c, v->name, ev == LIFE_EV_RESET ? QOS_EDGE_RESET : QOS_EDGE_BEGIN, ns);
}

static void carry_out(struct ctl_reg_vm *v, uint32_t work, enum life_event ev, uint8_t was)
{
	struct ctl_registry *r = v->registry;

	if ((work & LIFE_DO_BOOT) != 0)
		boot_begins(v, ev);
	else if ((work & LIFE_DO_FLUSH) != 0 && ev != LIFE_EV_DETACH)
		ctl_storage_edge(r->ctl, v->name, QOS_EDGE_DETACH, dp_switch_now_ns());
	if ((work & (LIFE_DO_QUIET | LIFE_DO_SPEAK)) != 0)
		ctl_vm_quiet(r->ctl, v->name, (work & LIFE_DO_QUIET) != 0);
	if (v->life.state != LIFE_DEFINED)
		v->linger_ns = 0; // it was released, and begins again
	if ((work & LIFE_DO_PROVIDER) != 0)
		ctl_reg_provide(v);
	// Its ports go when its guest has: a QEMU that still writes to them is not cut off. Not
	// here, where the caller may walk what runs.
	if ((work & LIFE_DO_RELEASE) != 0) {
		if (was == LIFE_MOVED || ctl_reg_is_elsewhere(v))
			ctl_reg_disk_stays(v);
		v->back = false;
		v->linger_ns = v->life.attached ? r->now_ns + CTL_REG_LINGER_NS : r->now_ns;
	}
}

static bool is_alone(const struct ctl_reg_vm *v)
{
	const uint8_t s = v->life.state;

	return !v->life.attached &&
	       (s == LIFE_RUNNING || s == LIFE_PAUSED || s == LIFE_CRASHED || s == LIFE_OUTGOING);
}

static void state_says(struct ctl_reg_vm *v, enum life_event ev, const char *source)
{
	struct ctl_registry *r = v->registry;
	const char *state = life_state_name(v->life.state);

	v->since_s = r->wall_s();
	snprintf(v->reason, sizeof(v->reason), "%s (%.24s)", life_event_name(ev), source);
	weir_log(WEIR_INFO, "vm %s: %s: %s", v->name, state, v->reason);
	ctl_vm_event(r->ctl, v->name, dp_switch_now_ns(), "state %s: %s", state, v->reason);
}

static bool is_worth_telling(enum life_event ev)
{
	return ev == LIFE_EV_RESET || ev == LIFE_EV_PANICKED || ev == LIFE_EV_WATCHDOG;
}

// Who was released goes, whatever is still seen of it: a QEMU that ends may be connected to once
// more, and its monitor asked how it is. Only who says so keeps it.
static bool begins_anew(enum life_event ev)
{
	return ev == LIFE_EV_PREPARE || ev == LIFE_EV_STARTED || ev == LIFE_EV_MIGRATE_IN;
}

static void step(struct ctl_reg_vm *v, enum life_event ev, const char *source)
{
	struct ctl_registry *r = v->registry;
	const struct life before = v->life;
	const uint32_t work = life_step(&v->life, ev);

	if (v->linger_ns != 0 && !begins_anew(ev)) {
		v->back |= v->life.state != LIFE_DEFINED;
		v->life.state = LIFE_DEFINED;
		return;
	}
	// A new timeline begins before what begins it.
	carry_out(v, work, ev, before.state);
	if (v->life.state != before.state)
		state_says(v, ev, source);
	else if (is_worth_telling(ev))
		ctl_vm_event(r->ctl, v->name, dp_switch_now_ns(), "%s (%.24s)", life_event_name(ev),
			     source);
	v->alone_ns = !is_alone(v) ? 0 : v->alone_ns == 0 ? r->now_ns : v->alone_ns;
	r->stale |= memcmp(&before, &v->life, sizeof(before)) != 0;
}

int ctl_vm_life(struct ctl *c, const char *vm, enum life_event ev, const char *source)
{
	struct ctl_registry *r = c->registry;
	const struct cfg_vm *in_force = cfg_vm_get(c->running, vm);
	struct ctl_reg_vm *v;

	if (r == NULL || (in_force == NULL && ctl_reg_find(r, vm) == NULL))
		return -ENOENT;
	r->now_ns = dp_switch_now_ns();
	// What the switch sees itself comes first: what others tell of may be over already.
	if (ev <= LIFE_EV_RECONNECT && in_force != NULL)
		ctl_vm_look(c, in_force);
	v = ctl_reg_get(r, vm);
	if (v == NULL)
		return -ENOMEM;
	step(v, ev, source);
	return 0;
}

const struct life *ctl_vm_life_get(const struct ctl *c, const char *vm)
{
	static const struct life defined;
	const struct ctl_reg_vm *v = ctl_reg_find(c->registry, vm);

	if (v != NULL)
		return &v->life;
	return cfg_vm_get(c->running, vm) == NULL ? NULL : &defined;
}

// --- By time

// Would we see its QEMU? Not if its cards are taps.
static bool is_seen_by_us(const struct ctl *c, const char *name)
{
	const struct cfg_vm *vm = cfg_vm_get(c->running, name);
	const struct cfg_port *p;

	for (uint32_t i = 0; vm != NULL && i < vm->n_nics; i++) {
		p = cfg_port_get(c->running, vm->nics[i].port);
		if (p != NULL && p->link == CFG_LINK_SOCKET)
			return true;
	}
	return false;
}

static void look_after(void *arg, struct ctl_reg_vm *v)
{
	struct ctl_registry *r = arg;

	// Nobody said that it has ended: QEMU was killed while the daemon was away, or it was
	// never there.
	if (v->alone_ns != 0 && r->now_ns - v->alone_ns >= CTL_REG_ALONE_NS &&
	    is_seen_by_us(r->ctl, v->name))
		step(v, LIFE_EV_STOPPED, "no QEMU");
	if (v->linger_ns != 0 && (!v->life.attached || r->now_ns >= v->linger_ns)) {
		if (ctl_reg_end(v) && v->back) {
			v->back = false;
			step(v, LIFE_EV_RECONNECT, "vhost");
		}
		return;
	}
	// A commit may have made its port anew.
	if (r->generation != dp_switch_generation(r->ctl->sw) &&
	    (v->life.state == LIFE_INCOMING || v->life.state == LIFE_MOVED))
		ctl_vm_quiet(r->ctl, v->name, true);
	// Or taken the machine away.
	if (r->generation != dp_switch_generation(r->ctl->sw) && v->linger_ns == 0 &&
	    cfg_vm_get(r->ctl->running, v->name) == NULL)
		(void)ctl_reg_end(v);
}

void ctl_registry_poll(struct ctl *c, uint64_t now_ns)
{
	struct ctl_registry *r = c->registry;
	uint64_t generation;

	if (r == NULL)
		return;
	r->now_ns = now_ns;
	generation = dp_switch_generation(c->sw);
	ctl_reg_each(r, look_after, r);
	r->generation = generation;
	ctl_reg_file_write(r, false);
}

int ctl_registry_start(struct ctl *c)
{
	struct ctl_registry *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->ctl = c;
	r->wall_s = wall_s;
	r->now_ns = dp_switch_now_ns();
	c->registry = r;
	ctl_reg_file_read(r);
	return 0;
}

static void free_one(void *arg, struct ctl_reg_vm *v)
{
	ctl_reg_free(arg, v);
}

void ctl_registry_stop(struct ctl *c)
{
	struct ctl_registry *r = c->registry;

	if (r == NULL)
		return;
	ctl_reg_file_write(r, true);
	ctl_reg_each(r, free_one, r);
	free(r);
	c->registry = NULL;
}

// --- For people

static const char *provider_text(const struct ctl_reg_vm *v, char *buf, size_t size)
{
	static const char *const words[] = { "", "at work", "ready", "failed" };

	snprintf(buf, size, "%s: %s%s%s", v->provider, words[v->provide],
		 v->provide == CTL_REG_FAILED ? ": " : "",
		 v->provide == CTL_REG_FAILED ? v->why.reason : "");
	return buf;
}

void ctl_vm_life_show(const struct ctl *c, const struct cfg_vm *vm, struct cfg_json *j)
{
	const struct ctl_reg_vm *v = ctl_reg_find(c->registry, vm->name);
	const bool configured = c->store == NULL || cfg_overlay_configured(c->store, vm->name);
	const int64_t now_s = c->registry == NULL ? 0 : c->registry->wall_s();
	char text[320];

	cfg_json_bool(j, "transient", !configured);
	cfg_json_str(j, "origin", configured || v == NULL ? "configuration" : v->source);
	cfg_json_str(j, "state", life_state_name(v == NULL ? LIFE_DEFINED : v->life.state));
	if (v == NULL)
		return;
	cfg_json_u64(j, "since", now_s < v->since_s ? 0 : (uint64_t)(now_s - v->since_s));
	if (v->reason[0] != '\0')
		cfg_json_str(j, "reason", v->reason);
	if (v->provide != CTL_REG_NO_PROVIDER)
		cfg_json_str(j, "provider", provider_text(v, text, sizeof(text)));
}
