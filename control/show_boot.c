// Boots of a VM as RFC 7951 JSON (module weir-vm, list boot).
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "storage.h"

static void date(struct ctl *c, struct cfg_json *j, const char *key, uint64_t ns)
{
	const time_t t = (time_t)ctl_storage_time(c, ns);
	struct tm tm;
	char text[32];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	cfg_json_str(j, key, text);
}

static uint64_t ms(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / 1000000u : 0;
}

static void marks(struct cfg_json *j, const struct boot_timeline *t)
{
	struct boot_step steps[BOOT_N_MARKS];
	uint32_t n = boot_timeline_steps(t, steps);

	cfg_json_open(j, "mark", '[');
	for (uint32_t i = 0; i < n; i++) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", boot_mark_name(steps[i].mark));
		cfg_json_str(j, "text", boot_mark_text(steps[i].mark));
		cfg_json_u64(j, "milliseconds", ms(t->mark_ns[BOOT_MARK_START], steps[i].ns));
		cfg_json_u64(j, "took", steps[i].took_ns / 1000000u);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

static void counts(struct cfg_json *j, const struct boot_timeline *t, const struct ctl_vm_drops *d)
{
	cfg_json_u32(j, "discovers", t->discovers);
	cfg_json_u32(j, "discover-repeats", t->repeats);
	cfg_json_u32(j, "tftp-repeats", t->tftp_repeats);
	cfg_json_u32(j, "tftp-failed", t->tftp_failed);
	cfg_json_u32(j, "http-failed", t->http_failed);
	cfg_json_u32(j, "files", t->files);
	cfg_json_u64(j, "tftp-bytes", t->tftp_bytes);
	cfg_json_u64(j, "http-bytes", t->http_bytes);
	cfg_json_u64(j, "drops", d->n);
	if (d->n > 0)
		cfg_json_str(j, "drops-most", dp_drop_name(d->reason));
}

static void verdict(struct ctl *c, struct cfg_json *j, const struct boot_timeline *t,
		    const struct boot_verdict *v)
{
	cfg_json_u32(j, "number", t->number);
	date(c, j, "started", t->mark_ns[BOOT_MARK_START]);
	cfg_json_str(j, "cause", boot_cause_name(t->cause));
	cfg_json_str(j, "result", boot_result_name(v->result));
	cfg_json_str(j, "at", boot_mark_name(v->at));
	date(c, j, "since", v->since_ns);
	if (t->why[0] != '\0')
		cfg_json_str(j, "why", t->why);
	if (v->waits[0] != '\0')
		cfg_json_str(j, "waits-for", v->waits);
	if (v->look[0] != '\0')
		cfg_json_str(j, "look-at", v->look);
}

static void boot(struct ctl *c, const struct cfg_vm *vm, const struct ctl_vm *v, uint32_t i,
		 struct cfg_json *j)
{
	const struct ctl_vm_boot *b = &v->boots[i];
	struct ctl_vm_drops drops = i == 0 ? ctl_vm_boot_drops(c, vm, v) : b->drops;
	uint64_t now_ns = dp_switch_now_ns();
	struct boot_verdict d;

	ctl_vm_boot_verdict(c, vm, b, now_ns, &d);
	cfg_json_open(j, NULL, '{');
	verdict(c, j, &b->t, &d);
	cfg_json_u64(j, "milliseconds",
		     ms(b->t.mark_ns[BOOT_MARK_START], b->t.end_ns != 0 ? b->t.end_ns : now_ns));
	cfg_json_open(j, "client", '[');
	for (uint32_t k = 0; k < b->t.n_who; k++)
		cfg_json_str(j, NULL, b->t.who[k]);
	cfg_json_close(j, ']');
	marks(j, &b->t);
	counts(j, &b->t, &drops);
	cfg_json_close(j, '}');
}

void ctl_show_boots(struct ctl *c, const struct cfg_vm *vm, struct cfg_json *j)
{
	const struct ctl_vm *v = ctl_vm_find(c, vm->name);

	cfg_json_open(j, "boot", '[');
	for (uint32_t i = 0; v != NULL && i < CTL_VM_BOOTS && v->boots[i].t.number != 0; i++)
		boot(c, vm, v, i, j);
	cfg_json_close(j, ']');
}
