// VMs as they live, on a real switch without workers: announced, prepared by a provider (this file
// is one), started, released; and what is known of them after a restart.
#include "storage_rig.h"

#include <ev.h>

#include "cfg_netconf.h"
#include "registry.h"

#define BASE_JSON                                                                                  \
	"{\"weir-vm:boot-services\":{\"service\":[{\"vlan\":20,\"address\":\"10.1.0.1\","          \
	"\"prefix-length\":24}]},"                                                                 \
	"\"weir-vm:boot-providers\":{\"provider\":[{\"name\":\"p\",\"command\":\"/bin/p\"}]},"     \
	"\"weir-vm:vms\":{\"vm\":["                                                                \
	"{\"name\":\"c\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:01\",\"vlan\":20,"            \
	"\"ipv4-address\":[\"10.1.0.11\"]}],\"boot\":{\"provider\":\"p\",\"image\":\"gold\"}}]}}"
#define T                                                                                          \
	"{\"name\":\"t\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:02\",\"vlan\":20,"            \
	"\"ipv4-address\":[\"10.1.0.12\"]}]}"
#define T_PROVIDED                                                                                 \
	"{\"name\":\"t\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:02\",\"vlan\":20,"            \
	"\"ipv4-address\":[\"10.1.0.12\"]}],\"boot\":{\"provider\":\"p\",\"image\":\"gold\"}}"
#define ANSWER                                                                                     \
	"{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.1.0.9\",\"target\":\"iqn.2026-11.a:b\"}" \
	"}"

// --- The provider

static struct {
	uint32_t n_prepares, n_releases, n_cancels;
	bool fails_at_once;
	struct ctl_provider_call call; // the last prepare
	char vm[32], image[256], released[32];
} provider;

int ctl_provider_run(struct ctl *c, const struct ctl_provider_call *call, uint32_t *id,
		     struct cfg_error *err)
{
	(void)c;
	if (provider.fails_at_once) {
		snprintf(err->reason, sizeof(err->reason), "cannot be started");
		return -ENOENT;
	}
	if (call->prepare) {
		provider.call = *call;
		snprintf(provider.vm, sizeof(provider.vm), "%s", call->name);
		snprintf(provider.image, sizeof(provider.image), "%s", call->image);
	} else {
		snprintf(provider.released, sizeof(provider.released), "%s", call->name);
	}
	*id = ++*(call->prepare ? &provider.n_prepares : &provider.n_releases);
	return 0;
}

void ctl_provider_cancel(struct ctl *c, uint32_t id)
{
	(void)c;
	(void)id;
	provider.n_cancels++;
}

static void answers(int rc, const char *answer)
{
	struct ctl_provided p = { .rc = rc, .answer = answer };

	if (rc < 0)
		snprintf(p.err.reason, sizeof(p.err.reason), "the pool is full");
	provider.call.done(provider.call.arg, &p);
}

// --- A switch with a store

static void begin(const char *json)
{
	struct cfg_error err = { 0 };

	start();
	rig.c.first = "";
	if (ctl_commit_first(&rig.c, json, &err) < 0)
		fail_msg("%s %s: %s", err.path, err.value, err.reason);
	assert_int_equal(ctl_registry_start(&rig.c), 0);
	rig.c.registry->wall_s = wall;
}

// killed: what is not on the disk yet is lost.
static void end(bool killed)
{
	if (killed && rig.c.registry != NULL)
		rig.c.registry->stale = false;
	ctl_registry_stop(&rig.c);
	cfg_store_destroy(rig.c.store);
	rig.c.store = NULL;
	stop();
}

static int r_setup(void **state)
{
	(void)state;
	memset(&provider, 0, sizeof(provider));
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/weir-registry.XXXXXX");
	if (mkdtemp(rig.dir) == NULL)
		return -1;
	wall_now = 1800000000;
	begin(BASE_JSON);
	return 0;
}

static int r_teardown(void **state)
{
	char command[96];

	(void)state;
	end(false);
	snprintf(command, sizeof(command), "rm -rf %s", rig.dir);
	return system(command);
}

static struct cfg_vm_ready ready;
static struct cfg_error error;

static int prepare(const char *vm, const char *definition)
{
	const struct cfg_vm_ask ask = {
		.vm = vm, .source = "libvirt", .user = "root", .definition = definition
	};

	memset(&error, 0, sizeof(error));
	return ctl_vm_prepare(&rig.c, &ask, &ready, &error);
}

static int told(const char *vm, const char *event)
{
	const struct cfg_vm_ask ask = { .vm = vm, .source = "libvirt", .user = "root" };

	memset(&error, 0, sizeof(error));
	return ctl_vm_tell(&rig.c, &ask, event, &error);
}

static const char *state_of(const char *vm)
{
	const struct life *l = ctl_vm_life_get(&rig.c, vm);

	return l == NULL ? "none" : life_state_name(l->state);
}

static void qemu(bool attached)
{
	rig.n_attaches += attached && !rig.attached;
	rig.attached = attached;
	ctl_vm_watch(&rig.c, dp_switch_now_ns());
}

static void later(uint64_t ns)
{
	ctl_registry_poll(&rig.c, dp_switch_now_ns() + ns);
}

static bool has_port(const char *name)
{
	return dp_switch_port_find(rig.c.sw, name) >= 0;
}

// --- Announced

static void its_port_is_there_before_it_starts_and_goes_after_it(void **state)
{
	(void)state;
	assert_int_equal(prepare("t", NULL), -ENOENT);
	assert_int_equal(prepare("t", T), 0);
	assert_true(ready.ready);
	assert_int_equal(ready.n_ports, 1);
	assert_string_equal(ready.ports[0].name, "t.0");
	assert_string_equal(ready.ports[0].socket, "/run/weir/guests/t.0.sock");
	assert_int_equal(ready.ports[0].mac[5], 2);
	assert_int_equal(ready.ports[0].mtu, 1500);
	assert_string_equal(state_of("t"), "prepared");
	assert_true(has_port("t.0"));
	assert_int_equal(prepare("t", T), 0);
	assert_int_equal(prepare("t", NULL), 0);
	assert_int_equal(rig.c.registry->n_transient, 1);
	qemu(true);
	assert_string_equal(state_of("t"), "running");
	assert_int_equal(told("t", "started"), 0);
	assert_string_equal(state_of("t"), "running");
	// Another definition of what runs is none.
	assert_int_equal(prepare("t", "{\"name\":\"t\"}"), -EBUSY);
	assert_int_equal(told("t", "stopped"), 0); // not seen yet
	assert_string_equal(state_of("t"), "running");
	qemu(false);
	assert_string_equal(state_of("t"), "stopped");
	assert_true(has_port("t.0"));
	assert_int_equal(told("t", "release"), 0);
	assert_string_equal(state_of("t"), "none");
	assert_false(has_port("t.0"));
	assert_int_equal(dp_switch_vm_find(rig.c.sw, "t"), -ENOENT);
	assert_int_equal(told("t", "release"), 0);
	assert_int_equal(told("t", "started"), -ENOENT);
	assert_int_equal(rig.c.registry->n_transient, 0);
	assert_int_equal(rig.c.registry->text_bytes, 0);
}

static void what_does_not_fit_leaves_nothing(void **state)
{
	static const char *const bad[] = {
		"{\"name\":\"t\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:01\",\"vlan\":20}]}",
		"{\"name\":\"t\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:02\",\"vlan\":20,"
		"\"ipv4-address\":[\"10.1.0.11\"]}]}",
		"{\"name\":\"t\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:02\",\"socket\":"
		"\"/run/weir/guests/c.0.sock\"}]}",
		"{\"name\":\"t\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:02\",\"vlan\":21}],"
		"\"boot\":{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.1.0.9\",\"target\":"
		"\"iqn.a:b\"}}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(prepare("t", bad[i]) < 0);
		assert_true(error.reason[0] != '\0' && error.path[0] != '\0');
		assert_string_equal(state_of("t"), "none");
		assert_null(ctl_reg_find(rig.c.registry, "t"));
		assert_false(has_port("t.0"));
	}
	assert_int_equal(rig.c.registry->text_bytes, 0);
	assert_int_equal(told("c", "nosuch"), -EINVAL);
	assert_int_equal(told("c", "attach"), -EINVAL); // is seen, not told
	assert_true(prepare("c", "{\"name\":\"c\",\"nic\":[{\"id\":0,\"mac\":"
				 "\"52:54:00:00:00:09\"}]}") < 0);
}

static void there_is_an_end_to_them(void **state)
{
	struct ctl_registry *r = rig.c.registry;

	(void)state;
	r->n_transient += CTL_REG_TRANSIENT;
	assert_int_equal(prepare("t", T), -ENOSPC);
	r->n_transient -= CTL_REG_TRANSIENT;
	r->text_bytes += CTL_REG_TEXT;
	assert_int_equal(prepare("t", T), -ENOSPC);
	assert_non_null(strstr(error.reason, "8 MiB"));
	r->text_bytes -= CTL_REG_TEXT;
	assert_int_equal(prepare("t", T), 0);
}

static void a_guest_that_is_still_attached_keeps_its_port_for_ten_seconds(void **state)
{
	(void)state;
	assert_int_equal(prepare("t", T), 0);
	qemu(true);
	assert_int_equal(told("t", "release"), 0);
	assert_string_equal(state_of("t"), "defined");
	assert_true(has_port("t.0"));
	later(9 * SECOND);
	assert_true(has_port("t.0"));
	later(11 * SECOND);
	assert_false(has_port("t.0"));
	// It is gone before that, when QEMU is.
	qemu(false);
	assert_int_equal(prepare("t", T), 0);
	qemu(true);
	assert_int_equal(told("t", "release"), 0);
	qemu(false);
	later(0);
	assert_false(has_port("t.0"));
	// Who prepares it again meanwhile keeps it.
	assert_int_equal(prepare("t", T), 0);
	qemu(true);
	assert_int_equal(told("t", "release"), 0);
	assert_int_equal(prepare("t", T), 0);
	later(20 * SECOND);
	assert_true(has_port("t.0"));
	qemu(false);
}

static void a_reset_begins_a_boot_and_keeps_the_rest(void **state)
{
	const struct ctl_vm *v;
	uint64_t gen;

	(void)state;
	assert_int_equal(prepare("t", T), 0);
	qemu(true);
	gen = dp_switch_generation(rig.c.sw);
	for (int i = 0; i < 60; i++)
		assert_int_equal(told("t", "reset"), 0);
	v = ctl_vm_find(&rig.c, "t");
	assert_true(v->n_events > 0 && v->n_events < 5);
	assert_string_equal(v->events[v->n_events - 1].text, "reset (libvirt)");
	assert_string_equal(state_of("t"), "running");
	assert_int_equal(dp_switch_generation(rig.c.sw), gen);
	qemu(false);
}

static void one_that_nobody_sees_has_stopped(void **state)
{
	(void)state;
	assert_int_equal(prepare("t", T), 0);
	assert_int_equal(told("t", "started"), 0);
	assert_string_equal(state_of("t"), "running");
	later(59 * SECOND);
	assert_string_equal(state_of("t"), "running");
	later(61 * SECOND);
	assert_string_equal(state_of("t"), "stopped");
	assert_true(has_port("t.0"));
}

// --- Providers

static void a_provider_makes_the_disk_before_it_is_ready(void **state)
{
	(void)state;
	assert_int_equal(prepare("c", NULL), 0);
	assert_false(ready.ready);
	assert_int_equal(provider.n_prepares, 1);
	assert_string_equal(provider.vm, "c");
	assert_string_equal(provider.image, "gold");
	assert_int_equal(prepare("c", NULL), 0);
	assert_false(ready.ready);
	assert_int_equal(provider.n_prepares, 1);
	answers(0, ANSWER);
	assert_int_equal(cfg_vm_get(rig.c.running, "c")->method, CFG_BOOT_ISCSI);
	assert_int_equal(prepare("c", NULL), 0);
	assert_true(ready.ready);
	assert_int_equal(provider.n_prepares, 1);
	assert_int_equal(told("c", "release"), 0);
	assert_int_equal(provider.n_releases, 1);
	assert_string_equal(provider.released, "c");
	assert_int_equal(cfg_vm_get(rig.c.running, "c")->method, CFG_BOOT_NONE);
	assert_string_equal(state_of("c"), "defined");
	assert_true(has_port("c.0")); // it is configured
	assert_int_equal(told("c", "release"), 0);
	assert_int_equal(provider.n_releases, 1);
}

static void a_failure_is_told_once_and_tried_again(void **state)
{
	(void)state;
	assert_int_equal(prepare("c", NULL), 0);
	answers(-EIO, NULL);
	assert_int_equal(prepare("c", NULL), -EIO);
	assert_string_equal(error.reason, "the pool is full");
	assert_int_equal(prepare("c", NULL), 0);
	assert_int_equal(provider.n_prepares, 2);
	answers(0, "{\"method\":\"iscsi\"}"); // no portal
	assert_int_equal(prepare("c", NULL), -EIO);
	assert_non_null(strstr(error.reason, "iscsi/server"));
	assert_int_equal(cfg_vm_get(rig.c.running, "c")->method, CFG_BOOT_NONE);
	provider.fails_at_once = true;
	assert_int_equal(prepare("c", NULL), -EIO);
	assert_string_equal(error.reason, "cannot be started");
	provider.fails_at_once = false;
	// Half of a disk goes, too.
	assert_int_equal(told("c", "release"), 0);
	assert_int_equal(provider.n_releases, 1);
}

static void a_release_does_not_wait_for_the_provider(void **state)
{
	(void)state;
	assert_int_equal(prepare("c", NULL), 0);
	assert_int_equal(told("c", "release"), 0);
	assert_int_equal(provider.n_cancels, 1);
	assert_int_equal(provider.n_releases, 1);
	assert_int_equal(prepare("c", NULL), 0);
	assert_int_equal(provider.n_prepares, 2);
}

static void where_it_went_its_disk_is_in_use(void **state)
{
	(void)state;
	assert_int_equal(prepare("c", NULL), 0);
	answers(0, ANSWER);
	qemu(true);
	assert_int_equal(told("c", "migrate-out"), 0);
	assert_int_equal(told("c", "migrated"), 0);
	qemu(false);
	assert_string_equal(state_of("c"), "moved");
	assert_int_equal(told("c", "release"), 0);
	assert_int_equal(provider.n_releases, 0);
	assert_int_equal(cfg_vm_get(rig.c.running, "c")->method, CFG_BOOT_NONE);
}

// Its answer would come to a record that is no more.
static void a_provider_at_work_is_cancelled_where_the_machine_has_moved(void **state)
{
	(void)state;
	assert_int_equal(prepare("t", T_PROVIDED), 0);
	qemu(true); // nobody waited
	assert_int_equal(told("t", "migrate-out"), 0);
	assert_int_equal(told("t", "migrated"), 0);
	qemu(false);
	assert_int_equal(told("t", "release"), 0);
	assert_string_equal(state_of("t"), "none");
	assert_int_equal(provider.n_cancels, 1);
	assert_int_equal(provider.n_releases, 0);
}

// A QEMU that ends still listens for a moment, and its port is connected once more.
static void a_released_machine_goes_though_it_was_seen_once_more(void **state)
{
	(void)state;
	assert_int_equal(prepare("t", T), 0);
	qemu(true);
	assert_int_equal(told("t", "release"), 0);
	qemu(false);
	qemu(true);
	assert_int_equal(told("t", "reconnect"), 0);
	assert_string_equal(state_of("t"), "defined");
	qemu(false);
	later(0);
	assert_string_equal(state_of("t"), "none");
	assert_false(has_port("t.0"));
	// One that is configured is there, and said to run when it does.
	assert_int_equal(prepare("c", NULL), 0);
	answers(0, ANSWER);
	qemu(true);
	assert_int_equal(told("c", "release"), 0);
	qemu(false);
	qemu(true);
	assert_int_equal(provider.n_releases, 0);
	later(11 * SECOND);
	assert_int_equal(provider.n_releases, 1);
	assert_string_equal(state_of("c"), "running");
	qemu(false);
	assert_string_equal(state_of("c"), "stopped");
}

static void a_commit_that_takes_it_away_ends_it(void **state)
{
	const struct cfg_commit who = { .user = "root", .client = "cli", .comment = "" };
	struct cfg_error err = { 0 };

	(void)state;
	assert_int_equal(prepare("c", NULL), 0);
	answers(0, ANSWER);
	assert_int_equal(prepare("t", T), 0);
	later(0);
	assert_int_equal(cfg_store_replace(rig.c.store,
					   "{\"weir-vm:boot-providers\":{\"provider\":[{\"name\":"
					   "\"p\",\"command\":\"/bin/p\"}]}}",
					   81, &who, &err),
			 0);
	later(0);
	assert_string_equal(state_of("c"), "none");
	assert_int_equal(provider.n_releases, 1);
	assert_string_equal(state_of("t"), "prepared");
	assert_int_equal(rig.c.registry->n_vms, 1);
}

// --- A restart

static void it_is_there_again_after_a_restart(void **state)
{
	(void)state;
	assert_int_equal(prepare("t", T), 0);
	assert_int_equal(prepare("c", NULL), 0);
	answers(0, ANSWER);
	assert_int_equal(prepare("c", NULL), 0);
	qemu(true);
	assert_int_equal(told("t", "pause"), 0);
	wall_now += 100;
	end(true);
	begin(BASE_JSON);
	assert_true(has_port("t.0"));
	assert_string_equal(state_of("t"), "paused");
	assert_int_equal(cfg_vm_get(rig.c.running, "c")->method, CFG_BOOT_ISCSI);
	assert_int_equal(rig.c.registry->n_transient, 1);
	rig.n_attaches = 0;
	qemu(true);
	assert_int_equal(told("t", "reconnect"), 0);
	assert_int_equal(prepare("t", T), 0);
	assert_string_equal(state_of("t"), "paused");
	assert_int_equal(told("t", "resume"), 0);
	assert_string_equal(state_of("t"), "running");
	qemu(false);
	assert_int_equal(told("t", "release"), 0);
	assert_int_equal(told("c", "release"), 0);
	assert_int_equal(provider.n_releases, 1);
	end(true);
	begin(BASE_JSON);
	assert_false(has_port("t.0"));
	assert_int_equal(rig.c.registry->n_vms, 0);
}

static void what_was_half_made_at_a_restart_is_given_back(void **state)
{
	(void)state;
	assert_int_equal(prepare("c", NULL), 0);
	assert_int_equal(prepare("t", T_PROVIDED), 0);
	end(true);
	begin(BASE_JSON);
	// Who asks again has it made again.
	provider.n_prepares = 0;
	assert_int_equal(prepare("t", T_PROVIDED), 0);
	assert_false(ready.ready);
	assert_int_equal(provider.n_prepares, 1);
	answers(0, ANSWER);
	assert_int_equal(prepare("t", NULL), 0);
	assert_true(ready.ready);
	assert_int_equal(told("c", "release"), 0);
	assert_int_equal(provider.n_releases, 1);
	assert_string_equal(provider.released, "c");
}

static void what_does_not_fit_any_more_is_forgotten_alone(void **state)
{
	char definition[160], name[8];

	(void)state;
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		snprintf(definition, sizeof(definition),
			 "{\"name\":\"t%d\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:01:0%d\","
			 "\"vlan\":20}]}",
			 i, i);
		assert_int_equal(prepare(name, definition), 0);
	}
	end(false);
	begin("{\"weir-vm:vms\":{\"vm\":[{\"name\":\"x\",\"nic\":[{\"id\":0,\"mac\":"
	      "\"52:54:00:00:01:03\",\"vlan\":20}]}]}}");
	assert_int_equal(rig.c.registry->n_vms, 4);
	assert_int_equal(rig.c.registry->n_transient, 4);
	assert_string_equal(state_of("t3"), "none");
	assert_true(has_port("t0.0") && has_port("t4.0") && !has_port("t3.0"));
}

static size_t file_take(char *buf, size_t size)
{
	char path[96];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/vms.transient", rig.dir);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? 0 : read(fd, buf, size);
	if (fd >= 0)
		close(fd);
	return n < 0 ? 0 : (size_t)n;
}

static void file_put(const char *buf, size_t size)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/vms.transient", rig.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, buf, size), size);
	close(fd);
}

// Read it as a start does.
static void file_again(void)
{
	ctl_registry_stop(&rig.c);
	assert_int_equal(ctl_registry_start(&rig.c), 0);
}

static void a_damaged_file_is_put_aside(void **state)
{
	static char good[4096], bad[4096];
	char aside[96], crc[9];
	size_t size;

	(void)state;
	assert_int_equal(prepare("t", T), 0);
	assert_int_equal(prepare("c", NULL), 0);
	answers(0, ANSWER);
	assert_int_equal(told("t", "started"), 0);
	rig.c.registry->stale = true;
	ctl_reg_file_write(rig.c.registry, true);
	size = file_take(good, sizeof(good));
	assert_true(size > 100 && size < sizeof(good));
	snprintf(aside, sizeof(aside), "%s/vms.transient.corrupt", rig.dir);
	for (size_t i = 0; i < size; i += 1 + i / 20) {
		rig.c.registry->stale = false;
		memcpy(bad, good, size);
		bad[i] ^= 1;
		// With a checksum that fits, its content is the reader's to judge.
		if (i > 27) {
			snprintf(crc, sizeof(crc), "%08x", cfg_crc32(0, bad + 27, size - 27));
			memcpy(bad + 18, crc, 8);
		}
		file_put(bad, size - (i % 7 == 0 ? i : 0));
		file_again();
		assert_true(rig.c.registry->n_vms <= 3);
		rig.c.registry->stale = false;
		if (i <= 27) {
			assert_int_equal(access(aside, F_OK), 0);
			assert_int_equal(rig.c.registry->n_vms, 0);
		}
		unlink(aside);
	}
	file_put(good, size);
	file_again();
	assert_int_equal(rig.c.registry->n_transient, 1);
	assert_string_equal(state_of("t"), "running");
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, r_setup, r_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(its_port_is_there_before_it_starts_and_goes_after_it),
		TEST(what_does_not_fit_leaves_nothing),
		TEST(there_is_an_end_to_them),
		TEST(a_guest_that_is_still_attached_keeps_its_port_for_ten_seconds),
		TEST(a_reset_begins_a_boot_and_keeps_the_rest),
		TEST(one_that_nobody_sees_has_stopped),
		TEST(a_provider_makes_the_disk_before_it_is_ready),
		TEST(a_failure_is_told_once_and_tried_again),
		TEST(a_release_does_not_wait_for_the_provider),
		TEST(where_it_went_its_disk_is_in_use),
		TEST(a_provider_at_work_is_cancelled_where_the_machine_has_moved),
		TEST(a_released_machine_goes_though_it_was_seen_once_more),
		TEST(a_commit_that_takes_it_away_ends_it),
		TEST(it_is_there_again_after_a_restart),
		TEST(what_was_half_made_at_a_restart_is_given_back),
		TEST(what_does_not_fit_any_more_is_forgotten_alone),
		TEST(a_damaged_file_is_put_aside),
	};

	return rig_run(tests, sizeof(tests) / sizeof(tests[0]), WEIR_YANG_SRC);
}
