// The hooks as libvirt and Proxmox call them, against a daemon that answers as it is told: what
// they post, in which order, and what their exit codes are.
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hook.h"

static const char web1[] =
	"<domain type='kvm'><name>web1</name><uuid>9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001</uuid>"
	"<memoryBacking><access mode='shared'/></memoryBacking><devices><interface "
	"type='vhostuser'>"
	"<mac address='52:54:00:20:00:01'/><source type='unix' path='/run/weir/guests/web1.0.sock' "
	"mode='server'/><driver rx_queue_size='1024' tx_queue_size='1024'/></interface></devices>"
	"</domain>";
static const char other[] = "<domain><name>other</name><devices/></domain>";

// --- A daemon

enum manner { READY, PREPARING_TWICE, REFUSES, UNKNOWN_ONCE, SILENT, HANGS_UP, BABBLES, FLOODS };

static struct {
	char dir[64];
	int fd;
	pthread_t thread;
	enum manner manner;
	uint32_t n;	  // requests
	char heard[2048]; // a word for each
	char last[4096];
} daemon_is;

static struct hook_settings s;

static const char *text_of(json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v == NULL ? "" : v;
}

// "vm-event web1 started libvirt;"
static void hear(const char *line)
{
	json_t *request = json_loads(line, 0, NULL), *args;
	void *it = json_object_iter(request);
	const char *op;
	size_t at = strlen(daemon_is.heard);

	if (it == NULL)
		return;
	op = strchr(json_object_iter_key(it), ':');
	args = json_object_iter_value(it);
	snprintf(daemon_is.heard + at, sizeof(daemon_is.heard) - at, "%s %s%s%s%s %s;", op + 1,
		 text_of(args, "vm"), json_object_get(args, "event") == NULL ? "" : " ",
		 text_of(args, "event"),
		 json_is_true(json_object_get(args, "incoming")) ? " incoming" : "",
		 text_of(args, "source"));
	snprintf(daemon_is.last, sizeof(daemon_is.last), "%s", text_of(args, "definition"));
	json_decref(request);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

// returns false when the connection is to end
static bool answer(int fd)
{
	uint32_t n = daemon_is.n++;

	switch (daemon_is.manner) {
	case PREPARING_TWICE:
		say(fd, n < 2 ? "{\"ok\":true,\"data\":{\"state\":\"preparing\"}}\n"
			      : "{\"ok\":true,\"data\":{\"state\":\"ready\",\"port\":[]}}\n");
		return true;
	case REFUSES:
		say(fd, "{\"ok\":false,\"error\":{\"path\":\"/weir-vm:vms\",\"value\":\"20\","
			"\"reason\":\"no such VLAN\"}}\n");
		return true;
	case UNKNOWN_ONCE:
		say(fd, n == 0 ? "{\"ok\":false,\"error\":{\"reason\":\"no such machine\"}}\n"
			       : "{\"ok\":true}\n");
		return true;
	case SILENT:
		return true;
	case HANGS_UP:
		return false;
	case BABBLES:
		say(fd, "hello\n");
		return true;
	case FLOODS:
		for (char zeros[4096] = { 0 }; send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0;)
			;
		return false;
	case READY:
		break;
	}
	say(fd, "{\"ok\":true,\"data\":{\"weir-operations:state\":\"ready\"}}\n");
	return true;
}

static void *serve(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept(daemon_is.fd, NULL, NULL);
		char line[65536];
		size_t size = 0;
		ssize_t n;

		if (fd < 0)
			return NULL;
		while ((n = recv(fd, line + size, sizeof(line) - 1 - size, 0)) > 0) {
			size += (size_t)n;
			line[size] = '\0';
			if (line[size - 1] != '\n')
				continue;
			hear(line);
			size = 0;
			if (!answer(fd))
				break;
		}
		close(fd);
	}
}

static void manner_set(enum manner manner)
{
	daemon_is.manner = manner;
	daemon_is.n = 0;
	daemon_is.heard[0] = '\0';
}

// --- Calls

static int call(const char *xml, const char *operation, const char *extra)
{
	char *argv[] = { "weir-libvirt-hook", "web1", (char *)operation, "-", (char *)extra, NULL };
	int fd = memfd_create("xml", MFD_CLOEXEC), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, xml, strlen(xml)), (ssize_t)strlen(xml));
	lseek(fd, 0, SEEK_SET);
	rc = hook_libvirt(&s, 5, argv, fd);
	close(fd);
	return rc;
}

static int pve(const char *vmid, const char *phase)
{
	char *argv[] = { "weir-proxmox-hook", (char *)vmid, (char *)phase, NULL };

	return hook_proxmox(&s, 3, argv);
}

static void heard(const char *expected)
{
	assert_string_equal(daemon_is.heard, expected);
	daemon_is.heard[0] = '\0';
}

static void each_operation_is_posted_as_what_it_means(void **state)
{
	static const struct {
		const char *operation, *extra, *posted;
	} cases[] = {
		{ "prepare", "-", "vm-prepare web1 libvirt;" },
		{ "start", "-", "" },
		{ "started", "-", "vm-event web1 started libvirt;" },
		{ "stopped", "-", "vm-event web1 stopped libvirt;" },
		{ "stopped", "shutdown", "vm-event web1 stopped libvirt;" },
		{ "stopped", "migrated",
		  "vm-event web1 migrated libvirt;vm-event web1 stopped libvirt;" },
		{ "stopped", "crashed",
		  "vm-event web1 panicked libvirt;vm-event web1 stopped libvirt;" },
		{ "release", "-", "vm-release web1 libvirt;" },
		{ "migrate", "-", "vm-prepare web1 incoming libvirt;" },
		{ "restore", "-", "vm-prepare web1 libvirt;" },
		{ "reconnect", "-", "vm-event web1 reconnect libvirt;" },
		{ "attach", "-", "vm-prepare web1 libvirt;" },
		{ "reload-of-2030", "-", "" },
	};

	(void)state;
	manner_set(READY);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(call(web1, cases[i].operation, cases[i].extra), 0);
		heard(cases[i].posted);
		assert_int_equal(call(other, cases[i].operation, cases[i].extra), 0);
		heard("");
	}
	assert_int_equal(call(web1, "prepare", "-"), 0);
	assert_string_equal(daemon_is.last,
			    "{\"name\":\"web1\",\"uuid\":\"9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001\","
			    "\"nic\":[{\"id\":0,\"mac\":\"52:54:00:20:00:01\",\"socket\":"
			    "\"/run/weir/guests/web1.0.sock\"}]}");
}

static void a_prepare_waits_for_the_provider(void **state)
{
	(void)state;
	manner_set(PREPARING_TWICE);
	assert_int_equal(call(web1, "prepare", "-"), 0);
	heard("vm-prepare web1 libvirt;vm-prepare web1 libvirt;vm-prepare web1 libvirt;");
	// But not for ever.
	manner_set(PREPARING_TWICE);
	s.prepare_timeout_s = .06;
	assert_int_equal(call(web1, "prepare", "-"), 1);
	s.prepare_timeout_s = 5;
}

// Only a prepare keeps a machine from starting: a failed reconnect would kill one that runs.
static void only_a_prepare_fails(void **state)
{
	static const char *const lenient[] = { "start",	  "started",   "stopped", "release",
					       "migrate", "reconnect", "attach",  "restore" };
	static const enum manner manners[] = { REFUSES, SILENT, HANGS_UP, BABBLES, FLOODS };
	const double patience = s.timeout_s;

	(void)state;
	s.timeout_s = .03;
	for (size_t m = 0; m < sizeof(manners) / sizeof(manners[0]); m++) {
		for (size_t i = 0; i < sizeof(lenient) / sizeof(lenient[0]); i++) {
			manner_set(manners[m]);
			assert_int_equal(call(web1, lenient[i], "migrated"), 0);
		}
		manner_set(manners[m]);
		assert_int_equal(call(web1, "prepare", "-"), 1);
		s.fail_open = true;
		assert_int_equal(call(web1, "prepare", "-"), 0);
		s.fail_open = false;
	}
	s.timeout_s = patience;
	// The daemon takes one after the other: behind this one, none is late.
	manner_set(READY);
	assert_int_equal(call(web1, "started", "-"), 0);
	// Nor does XML that cannot be read.
	manner_set(READY);
	assert_int_equal(call("<domain>", "reconnect", "-"), 0);
	assert_int_equal(call("<domain>", "prepare", "-"), 1);
	heard("");
	// Nor a daemon that is not there.
	snprintf(s.socket, sizeof(s.socket), "%s/none", daemon_is.dir);
	assert_int_equal(call(web1, "reconnect", "-"), 0);
	assert_int_equal(call(web1, "prepare", "-"), 1);
	assert_int_equal(call(other, "prepare", "-"), 0);
	snprintf(s.socket, sizeof(s.socket), "%s/weir.sock", daemon_is.dir);
}

static void a_machine_that_was_forgotten_is_told_anew(void **state)
{
	(void)state;
	manner_set(UNKNOWN_ONCE);
	assert_int_equal(call(web1, "reconnect", "-"), 0);
	heard("vm-event web1 reconnect libvirt;vm-prepare web1 libvirt;"
	      "vm-event web1 reconnect libvirt;");
}

static void conf_write(const char *path, const char *text)
{
	char full[192];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", daemon_is.dir, path);
	f = fopen(full, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void proxmox_is_heard_too(void **state)
{
	(void)state;
	manner_set(READY);
	conf_write("qemu-server/101.conf",
		   "name: web1\nnet0: virtio=BC:24:11:20:00:01,bridge=weir0\n");
	conf_write("qemu-server/102.conf", "net0: virtio=BC:24:11:20:00:02,bridge=vmbr0\n");
	conf_write("nodes/far/qemu-server/103.conf",
		   "net0: virtio=BC:24:11:20:00:03,bridge=weir0\n");
	assert_int_equal(pve("101", "pre-start"), 0);
	heard("vm-prepare vm101 proxmox;");
	assert_int_equal(pve("101", "post-start"), 0);
	assert_int_equal(pve("101", "pre-stop"), 0);
	heard("vm-event vm101 started proxmox;");
	assert_int_equal(pve("101", "post-stop"), 0);
	heard("vm-event vm101 stopped proxmox;vm-release vm101 proxmox;");
	assert_int_equal(pve("102", "pre-start"), 0);
	heard("");
	setenv("PVE_MIGRATED_FROM", "far", 1);
	assert_int_equal(pve("103", "pre-start"), 0);
	heard("vm-prepare vm103 incoming proxmox;");
	unsetenv("PVE_MIGRATED_FROM");
	// Only pre-start fails.
	assert_int_equal(pve("103", "pre-start"), 1);
	assert_int_equal(pve("103", "post-stop"), 0);
	assert_int_equal(pve("../101", "pre-start"), 1);
	assert_int_equal(pve("1", "pre-start"), 1);
	manner_set(REFUSES);
	assert_int_equal(pve("101", "pre-start"), 1);
	assert_int_equal(pve("101", "post-start"), 0);
	assert_int_equal(pve("101", "post-stop"), 0);
}

static void settings_are_read_line_by_line(void **state)
{
	static const char *const bad[] = { "socket",	  "socket relative",
					   "timeout 0",	  "timeout nan",
					   "timeout 61",  "fail-open maybe",
					   "guests x",	  "colour blue",
					   "timeout 5 6", "prepare-timeout 1e9" };
	struct hook_settings mine = { 0 };
	char line[96];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "%s", bad[i]);
		assert_non_null(hook_settings_line(&mine, line));
	}
	snprintf(line, sizeof(line), "  fail-open yes # for now");
	assert_null(hook_settings_line(&mine, line));
	assert_true(mine.fail_open);
	snprintf(line, sizeof(line), "guests /srv/guests");
	assert_null(hook_settings_line(&mine, line));
	assert_string_equal(mine.guests[0], "/srv/guests/");
	snprintf(line, sizeof(line), "# nothing");
	assert_null(hook_settings_line(&mine, line));
	conf_write("hooks.conf", "timeout 2\nbridge vmbr9\n");
	snprintf(line, sizeof(line), "%s/hooks.conf", daemon_is.dir);
	setenv("WEIR_HOOK_TIMEOUT", "3", 1);
	hook_settings_read(&mine, line);
	unsetenv("WEIR_HOOK_TIMEOUT");
	assert_int_equal((int)mine.timeout_s, 3);
	assert_int_equal(mine.n_bridges, 1);
	assert_string_equal(mine.guests[0], "/run/weir/guests/");
	assert_false(mine.fail_open);
}

static int set_up(void **state)
{
	static const char *const dirs[] = { "qemu-server", "nodes", "nodes/far",
					    "nodes/far/qemu-server" };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char path[160];

	(void)state;
	snprintf(daemon_is.dir, sizeof(daemon_is.dir), "/tmp/unit-hooks.XXXXXX");
	if (mkdtemp(daemon_is.dir) == NULL)
		return -1;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", daemon_is.dir, dirs[i]);
		mkdir(path, 0700);
	}
	setenv("WEIR_HOOKS_CONF", "/dev/null", 1);
	hook_settings_read(&s, NULL);
	snprintf(s.proxmox_dir, sizeof(s.proxmox_dir), "%s", daemon_is.dir);
	snprintf(s.socket, sizeof(s.socket), "%s/weir.sock", daemon_is.dir);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", s.socket);
	daemon_is.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(daemon_is.fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(daemon_is.fd, 8) < 0)
		return -1;
	return pthread_create(&daemon_is.thread, NULL, serve, NULL);
}

static int tear_down(void **state)
{
	char cmd[96];

	(void)state;
	shutdown(daemon_is.fd, SHUT_RDWR);
	pthread_join(daemon_is.thread, NULL);
	close(daemon_is.fd);
	snprintf(cmd, sizeof(cmd), "rm -r %s", daemon_is.dir);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_is_posted_as_what_it_means),
		cmocka_unit_test(a_prepare_waits_for_the_provider),
		cmocka_unit_test(only_a_prepare_fails),
		cmocka_unit_test(a_machine_that_was_forgotten_is_told_anew),
		cmocka_unit_test(proxmox_is_heard_too),
		cmocka_unit_test(settings_are_read_line_by_line),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
