// A machine as its manager describes it, as Weir shall know it: RFC 7951 JSON after weir-vm.yang.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"

#define NAME_MAX_BYTES 24
#define DEFINITION_MAX 65536 // of the operation vm-prepare

void hook_vm_fini(struct hook_vm *vm)
{
	free(vm->extra);
	vm->extra = NULL;
}

void hook_note(struct hook_vm *vm, const char *fmt, ...)
{
	va_list ap;

	if (vm->notes.n == HOOK_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(vm->notes.text[vm->notes.n++], HOOK_TEXT, fmt, ap);
	va_end(ap);
}

// --- Names and numbers

static bool alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_char(char c)
{
	return alnum(c) || c == '_' || c == '.' || c == '-';
}

bool hook_name_fits(const char *name)
{
	size_t size = strlen(name);

	if (size == 0 || size > NAME_MAX_BYTES || !alnum(name[0]) || !alnum(name[size - 1]))
		return false;
	for (size_t i = 0; i < size; i++) {
		if (!name_char(name[i]))
			return false;
	}
	return true;
}

// FNV-1a.
static uint32_t checksum(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h;
}

void hook_vm_name(struct hook_vm *vm, const char *shown)
{
	char head[16];
	uint32_t n = 0;

	for (n = 0; shown[n] != '\0' && n < sizeof(vm->shown) - 1; n++)
		vm->shown[n] = (uint8_t)shown[n] < 0x20 || shown[n] == 0x7f ? '?' : shown[n];
	vm->shown[n] = '\0';
	if (hook_name_fits(shown)) {
		snprintf(vm->name, sizeof(vm->name), "%s", shown);
		return;
	}
	for (n = 0; shown[n] != '\0' && n < sizeof(head) - 1; n++)
		head[n] = name_char(shown[n]) ? shown[n] : '-';
	head[n] = '\0';
	if (!alnum(head[0]))
		head[0] = 'x';
	head[1] = n == 0 ? '\0' : head[1];
	snprintf(vm->name, sizeof(vm->name), "%s-%08x", head, checksum(shown));
	hook_note(vm, "%.100s: this name does not fit Weir, where the machine is called %s",
		  vm->shown, vm->name);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool shaped(const char *text, const char *shape)
{
	for (; *shape != '\0'; shape++, text++) {
		if (*shape == 'h' ? !is_hex(*text) : *text != *shape)
			return false;
	}
	return *text == '\0';
}

bool hook_mac_fits(const char *mac)
{
	return shaped(mac, "hh:hh:hh:hh:hh:hh");
}

bool hook_uuid_fits(const char *uuid)
{
	return shaped(uuid, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh");
}

int hook_number(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (text[0] == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || digit > max || v > (max - digit) / 10)
			return -EINVAL;
		v = 10 * v + digit;
	}
	*out = v;
	return 0;
}

int hook_vlans_add(struct hook_nic *nic, uint64_t first, uint64_t last)
{
	if (first < 1 || last > 4094 || first > last)
		return -EINVAL;
	for (uint64_t v = first; v <= last; v++)
		nic->vlans[v / 8] |= (uint8_t)(1u << (v % 8));
	nic->trunk = true;
	return 0;
}

// --- The definition

static bool has_vlan(const struct hook_nic *nic, uint32_t v)
{
	return v <= 4094 && (nic->vlans[v / 8] & (1u << (v % 8))) != 0;
}

static json_t *trunk_json(const struct hook_nic *nic)
{
	json_t *list = json_array();
	char text[16];

	for (uint32_t first = 1; first <= 4094; first++) {
		uint32_t last = first;

		if (!has_vlan(nic, first))
			continue;
		while (has_vlan(nic, last + 1))
			last++;
		if (last == first)
			snprintf(text, sizeof(text), "%u", first);
		else
			snprintf(text, sizeof(text), "%u-%u", first, last);
		json_array_append_new(list, json_string(text));
		first = last;
	}
	return list;
}

static void put(json_t *o, const char *key, uint32_t value)
{
	if (value != 0)
		json_object_set_new(o, key, json_integer(value));
}

static json_t *nic_json(const struct hook_nic *nic)
{
	json_t *o = json_object();

	json_object_set_new(o, "id", json_integer(nic->id));
	json_object_set_new(o, "mac", json_string(nic->mac));
	if (nic->socket[0] != '\0')
		json_object_set_new(o, "socket", json_string(nic->socket));
	if (nic->trunk) {
		json_object_set_new(o, "vlan-mode",
				    json_string(nic->vlan == 0	     ? "trunk"
						: nic->native_tagged ? "native-tagged"
								     : "native-untagged"));
		json_object_set_new(o, "trunk", trunk_json(nic));
	}
	put(o, "vlan", nic->vlan);
	put(o, "mtu", nic->mtu);
	put(o, "queues", nic->queues);
	if (nic->isolated)
		json_object_set_new(o, "isolated", json_true());
	return o;
}

static void put_rate(json_t *o, const char *key, uint64_t bits_per_s)
{
	char text[24];

	if (bits_per_s == 0)
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bits_per_s);
	json_object_set_new(o, key, json_string(text));
}

// The sum of what all cards may do; 0 where one of them has no limit.
static uint64_t sum(const struct hook_vm *vm, size_t offset, uint32_t *n_said)
{
	uint64_t all = 0;

	*n_said = 0;
	for (uint32_t i = 0; i < vm->n_nics; i++) {
		uint64_t v = *(const uint64_t *)(const void *)((const char *)&vm->nics[i] + offset);

		*n_said += v != 0;
		all += v;
	}
	return all;
}

// A policy of Weir is the machine's, of all its cards together.
static json_t *qos_json(struct hook_vm *vm)
{
	static const struct {
		const char *key;
		size_t offset;
		bool all; // or it means nothing
	} rates[] = {
		{ "limit-to", offsetof(struct hook_nic, to_bits_per_s), true },
		{ "limit-from", offsetof(struct hook_nic, from_bits_per_s), true },
		{ "reservation", offsetof(struct hook_nic, floor_bits_per_s), false },
	};
	json_t *o = json_object();
	uint64_t least = UINT64_MAX; // limit of both ways

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint32_t n;
		uint64_t v = sum(vm, rates[i].offset, &n);

		if (rates[i].all && n != vm->n_nics && n > 0)
			hook_note(vm,
				  "%s: left out: one card has a limit and another has none, "
				  "and Weir's is of all cards of a machine together",
				  rates[i].key);
		else
			put_rate(o, rates[i].key, v);
		least = rates[i].all && n == vm->n_nics && v < least ? v : least;
		if (!rates[i].all && v > least) {
			hook_note(vm,
				  "reservation: a limit is less than the floor of %llu bit/s, so "
				  "it is %llu bit/s",
				  (unsigned long long)v, (unsigned long long)least);
			put_rate(o, rates[i].key, least);
		}
	}
	return o;
}

// Members of `from` join `to`; entries of lists with an "id" by that.
static void merge(json_t *to, json_t *from);

static void merge_list(json_t *to, json_t *from)
{
	json_t *entry;
	size_t i;

	json_array_foreach(from, i, entry)
	{
		json_t *id = json_object_get(entry, "id"), *mine = NULL, *other;
		size_t k;

		json_array_foreach(to, k, other)
		{
			if (id != NULL && json_equal(json_object_get(other, "id"), id))
				mine = other;
		}
		if (mine != NULL)
			merge(mine, entry);
		else
			json_array_append(to, entry);
	}
}

static void merge(json_t *to, json_t *from)
{
	const char *key;
	json_t *value, *mine;

	json_object_foreach(from, key, value)
	{
		mine = json_object_get(to, key);
		if (json_is_object(mine) && json_is_object(value))
			merge(mine, value);
		else if (strcmp(key, "nic") == 0 && json_is_array(mine) && json_is_array(value))
			merge_list(mine, value);
		else
			json_object_set(to, key, value);
	}
}

static int extra_merge(const struct hook_vm *vm, json_t *o, char err[HOOK_TEXT])
{
	json_error_t e;
	json_t *extra = json_loads(vm->extra, JSON_REJECT_DUPLICATES, &e);

	if (!json_is_object(extra)) {
		snprintf(err, HOOK_TEXT, "what is added for Weir is no JSON object: %.150s",
			 extra == NULL ? e.text : "it is another value");
		json_decref(extra);
		return -EINVAL;
	}
	if (json_object_get(extra, "name") != NULL || json_object_get(extra, "uuid") != NULL) {
		snprintf(
			err, HOOK_TEXT,
			"what is added for Weir must not have a name or uuid: the machine has one");
		json_decref(extra);
		return -EINVAL;
	}
	merge(o, extra);
	json_decref(extra);
	return 0;
}

static json_t *vm_json(struct hook_vm *vm)
{
	json_t *o = json_object(), *nics = json_array(), *qos = qos_json(vm);

	json_object_set_new(o, "name", json_string(vm->name));
	if (strcmp(vm->name, vm->shown) != 0)
		json_object_set_new(o, "description", json_string(vm->shown));
	if (vm->uuid[0] != '\0')
		json_object_set_new(o, "uuid", json_string(vm->uuid));
	if (vm->hostname[0] != '\0')
		json_object_set_new(o, "hostname", json_string(vm->hostname));
	for (uint32_t i = 0; i < vm->n_nics; i++)
		json_array_append_new(nics, nic_json(&vm->nics[i]));
	json_object_set_new(o, "nic", nics);
	if (json_object_size(qos) > 0)
		json_object_set(o, "weir-qos:qos", qos);
	json_decref(qos);
	return o;
}

int hook_vm_definition(struct hook_vm *vm, char **text, char err[HOOK_TEXT])
{
	json_t *o = vm_json(vm);
	int rc = vm->extra == NULL ? 0 : extra_merge(vm, o, err);

	*text = rc == 0 ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (rc < 0)
		return rc;
	if (*text == NULL) {
		snprintf(err, HOOK_TEXT, "out of memory");
		return -ENOMEM;
	}
	if (strlen(*text) <= DEFINITION_MAX)
		return 0;
	snprintf(err, HOOK_TEXT, "its definition is longer than %d bytes", DEFINITION_MAX);
	free(*text);
	*text = NULL;
	return -EINVAL;
}
