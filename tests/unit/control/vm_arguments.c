// What machines are started with, as text that is compared whole.
#include <errno.h>
#include <stdio.h>

#include "../unit.h"
#include "vm_launch.h"

static struct cfg_schema *schema;

static int setup(void **state)
{
	struct cfg_error err = { 0 };

	(void)state;
	return cfg_schema_create(WEIR_YANG_SRC, &schema, &err);
}

static int teardown(void **state)
{
	(void)state;
	cfg_schema_destroy(schema);
	return 0;
}

static struct cfg *load(const char *vms)
{
	struct cfg_error err = { 0 };
	struct cfg *cfg = NULL;
	char *json;

	assert_true(asprintf(&json,
			     "{\"weir-vm:boot-services\":{\"service\":[{\"vlan\":20,\"address\":"
			     "\"10.0.0.1\",\"prefix-length\":24}]},"
			     "\"weir-vm:boot-providers\":{\"provider\":[{\"name\":\"p\","
			     "\"command\":\"/p\"}]},"
			     "\"weir-vm:vms\":{\"vm\":[%s]}}",
			     vms) > 0);
	if (cfg_load(schema, json, strlen(json), &cfg, &err) < 0)
		fail_msg("%s %s: %s", err.path, err.value, err.reason);
	free(json);
	return cfg;
}

// The arguments with a blank between two and a line before each that begins with a hyphen; or the
// domain. "!" and the reason where it is refused.
static char *launched_in(const struct ctl_places *p, const char *vms, struct cfg_launch l)
{
	struct cfg *cfg = load(vms);
	struct cfg_error err = { 0 };
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);
	const char *s;

	l.vm = l.vm == NULL ? "m" : l.vm;
	if (ctl_vm_launch(cfg, p, &l, &err) < 0) {
		assert_null(l.text);
		fprintf(f, "! %s %s: %s", err.path, err.value, err.reason);
	} else if (l.libvirt) {
		assert_int_equal(l.n_args, 0);
		fputs(l.text, f);
	}
	s = l.text;
	for (uint32_t i = 0; i < l.n_args; i++, s += strlen(s) + 1)
		fprintf(f, "%s%s", i == 0 ? "" : s[0] == '-' ? "\n" : " ", s);
	fclose(f);
	free(l.text);
	cfg_free(cfg);
	return out;
}

static const struct ctl_places places = { .vms_dir = "/run/weir/vms",
					  .state_dir = "/var/lib/weir" };

static char *launched(const char *vms, bool libvirt, bool kvm)
{
	return launched_in(&places, vms,
			   (struct cfg_launch){ .libvirt = libvirt, .accelerated = kvm });
}

static void same(char *got, const char *want)
{
	assert_string_equal(got, want);
	free(got);
}

static void has(char *got, const char *part)
{
	if (strstr(got, part) == NULL)
		fail_msg("no \"%s\" in:\n%s", part, got);
	free(got);
}

static void lacks(char *got, const char *part)
{
	if (strstr(got, part) != NULL)
		fail_msg("\"%s\" in:\n%s", part, got);
	free(got);
}

#define NIC(more)                                                                                  \
	"\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:01\",\"vlan\":20,\"ipv4-address\":[\"10.0.0." \
	"5\"]" more "}]"
#define ISCSI                                                                                      \
	"\"boot\":{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.0.0.9\",\"target\":"            \
	"\"iqn.2026-11.x:m\"}}"
#define HEAD(machine, accel)                                                                       \
	"/usr/bin/qemu-system-x86_64\n-name guest=m,debug-threads=on\n-nodefaults\n"               \
	"-no-user-config\n-machine " machine ",graphics=off\n-accel " accel "\n"
#define MEMORY                                                                                     \
	"-m 512M\n-object memory-backend-memfd,id=mem0,size=512M,share=on\n"                       \
	"-numa node,memdev=mem0\n"
#define TAIL                                                                                       \
	"-device virtio-rng-pci\n-device pvpanic\n-action panic=none\n-display none\n"             \
	"-chardev socket,id=console,path=/run/weir/vms/m/console.sock,server=on,wait=off,"         \
	"logfile=/run/weir/vms/m/log,logappend=on\n-serial chardev:console\n"                      \
	"-chardev socket,id=control,path=/run/weir/vms/m/control.sock,server=on,wait=off\n"        \
	"-mon chardev=control,mode=control\n"                                                      \
	"-chardev socket,id=qmp,path=/run/weir/vms/m/qmp.sock,server=on,wait=off\n"                \
	"-mon chardev=qmp,mode=control"

static void a_diskless_machine_boots_by_its_card(void **state)
{
	(void)state;
	same(launched("{\"name\":\"m\"," NIC("") "," ISCSI "}", false, true),
	     HEAD("pc", "kvm") "-cpu host\n-smp 1\n" MEMORY
			       "-chardev socket,id=port0,path=/run/weir/guests/m.0.sock,server=on\n"
			       "-netdev vhost-user,id=net0,chardev=port0,queues=1\n"
			       "-device virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:01,"
			       "rx_queue_size=1024,tx_queue_size=1024,host_mtu=1500,"
			       "bootindex=1\n" TAIL);
}

static void an_emulated_uefi_machine_has_variables_of_its_own(void **state)
{
	(void)state;
	same(launched("{\"name\":\"m\",\"machine\":{\"firmware\":\"uefi\"}," NIC("") "," ISCSI "}",
		      false, false),
	     HEAD("q35",
		  "tcg") "-smp 1\n" MEMORY "-drive if=pflash,format=raw,unit=0,readonly=on,"
			 "file=/usr/share/OVMF/OVMF_CODE_4M.fd\n"
			 "-drive if=pflash,format=raw,unit=1,"
			 "file=/var/lib/weir/firmware/m.fd\n"
			 "-chardev socket,id=port0,path=/run/weir/guests/m.0.sock,server=on\n"
			 "-netdev vhost-user,id=net0,chardev=port0,queues=1\n"
			 "-device virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:01,"
			 "rx_queue_size=1024,tx_queue_size=1024,host_mtu=1500,vectors=0,"
			 "bootindex=1,romfile=\n" TAIL);
}

static void disks_come_first_where_no_card_boots(void **state)
{
	static const char vm[] =
		"{\"name\":\"m\",\"machine\":{\"disk\":[\"/b\",\"/a.qcow2\"]}," NIC("") "}";
	static const char boots[] =
		"{\"name\":\"m\",\"machine\":{\"disk\":[\"/b\"]}," NIC("") "," ISCSI "}";

	(void)state;
	has(launched(vm, false, true),
	    "-drive if=none,id=disk0,format=raw,discard=unmap,file=/b\n"
	    "-device virtio-blk-pci,drive=disk0,bootindex=1\n"
	    "-drive if=none,id=disk1,format=qcow2,discard=unmap,file=/a.qcow2\n"
	    "-device virtio-blk-pci,drive=disk1,bootindex=2\n");
	has(launched(vm, false, true), "host_mtu=1500,romfile=\n");
	has(launched(boots, false, true), "virtio-blk-pci,drive=disk0,bootindex=2\n");
	has(launched(boots, false, true), "host_mtu=1500,bootindex=1\n");
	// Its provider has not yet said what it boots.
	has(launched("{\"name\":\"m\"," NIC("") ",\"boot\":{\"provider\":\"p\"}}", false, true),
	    "host_mtu=1500,bootindex=1\n");
}

static void queues_have_their_interrupts(void **state)
{
	static const char vm[] =
		"{\"name\":\"m\",\"machine\":{\"vcpus\":4}," NIC(",\"queues\":4,\"mtu\":9000") "}";

	(void)state;
	has(launched(vm, false, true), "-netdev vhost-user,id=net0,chardev=port0,queues=4\n");
	has(launched(vm, false, true), "host_mtu=9000,mq=on,vectors=10,");
	has(launched(vm, false, false), "host_mtu=9000,mq=on,vectors=0,");
	has(launched(vm, false, true), "\n-smp 4\n");
}

static void commas_are_doubled_and_words_stay_words(void **state)
{
	static const char vm[] =
		"{\"name\":\"m\",\"uuid\":\"9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001\","
		"\"machine\":{\"monitor\":\"/tmp/q,server=off\",\"argument\":[\"-device "
		"a b,c=$x'\\\"\",\"-S\",\"-device d\"]}," NIC(",\"socket\":\"/tmp/a,b,,c\"") "}";
	char *args = launched(vm, false, true);

	(void)state;
	assert_non_null(strstr(args, "path=/tmp/a,,b,,,,c,server=on\n"));
	assert_non_null(strstr(args, "id=qmp,path=/tmp/q,,server=off,server=on,wait=off\n"));
	assert_non_null(strstr(args, "\n-uuid 9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001\n"));
	has(args, "-mon chardev=qmp,mode=control\n-device a b,c=$x'\"\n-S\n-device d");
}

static void a_domain_says_the_same(void **state)
{
	(void)state;
	same(launched("{\"name\":\"m\"," NIC("") "," ISCSI "}", true, true),
	     "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
	     "  <name>m</name>\n  <memory unit='MiB'>512</memory>\n"
	     "  <memoryBacking>\n    <source type='memfd'/>\n    <access mode='shared'/>\n"
	     "  </memoryBacking>\n  <vcpu>1</vcpu>\n"
	     "  <os>\n    <type arch='x86_64' machine='pc'>hvm</type>\n"
	     "    <bios useserial='yes'/>\n  </os>\n"
	     "  <features>\n    <acpi/>\n    <apic/>\n  </features>\n"
	     "  <cpu mode='host-passthrough'>\n    <numa>\n"
	     "      <cell id='0' cpus='0-0' memory='512' unit='MiB' memAccess='shared'/>\n"
	     "    </numa>\n  </cpu>\n"
	     "  <on_reboot>restart</on_reboot>\n  <on_crash>preserve</on_crash>\n"
	     "  <devices>\n    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
	     "    <interface type='vhostuser'>\n      <mac address='52:54:00:00:00:01'/>\n"
	     "      <source type='unix' path='/run/weir/guests/m.0.sock' mode='server'/>\n"
	     "      <model type='virtio'/>\n"
	     "      <driver queues='1' rx_queue_size='1024' tx_queue_size='1024'/>\n"
	     "      <boot order='1'/>\n      <alias name='ua-nic0'/>\n"
	     "    </interface>\n    <serial type='pty'/>\n    <console type='pty'/>\n"
	     "    <rng model='virtio'>\n      <backend model='random'>/dev/urandom</backend>\n"
	     "    </rng>\n    <panic model='isa'/>\n  </devices>\n"
	     "  <qemu:override>\n    <qemu:device alias='ua-nic0'>\n      <qemu:frontend>\n"
	     "        <qemu:property name='host_mtu' type='unsigned' value='1500'/>\n"
	     "      </qemu:frontend>\n    </qemu:device>\n  </qemu:override>\n</domain>\n");
}

static void what_is_wrong_is_said_with_its_place(void **state)
{
	static const struct ctl_places deep = {
		.vms_dir =
			"/a/very/long/way/down/to/where/sockets/of/machines/would/have/names/that/"
			"are/longer/than/ninety/bytes",
		.state_dir = "/s",
	};
	static const char m[] = "{\"name\":\"m\"," NIC("") "}";
	struct cfg_launch l = { .vm = "other" };

	(void)state;
	same(launched_in(&places, m, l),
	     "! /weir-operations:vm-arguments/vm other: there is no VM of that name");
	same(launched("{\"name\":\"m\",\"machine\":{\"acceleration\":\"kvm\"}," NIC("") "}", false,
		      false),
	     "! /weir-vm:vms/vm[name='m']/machine/acceleration kvm: KVM does not work on this "
	     "host");
	same(launched("{\"name\":\"m\",\"machine\":{\"vcpus\":256}," NIC("") "}", true, false),
	     "! /weir-vm:vms/vm[name='m']/machine : 256 virtual CPUs: without KVM there are at "
	     "most 255");
	l.vm = "m";
	has(launched_in(&deep, m, l), "longer paths than a socket may have");
}

static void emulation_that_is_asked_for_is_given(void **state)
{
	static const char vm[] =
		"{\"name\":\"m\",\"machine\":{\"acceleration\":\"tcg\"}," NIC("") "}";

	(void)state;
	has(launched(vm, false, true), "\n-accel tcg\n");
	lacks(launched(vm, false, true), "-cpu host");
	has(launched(vm, true, true), "<domain type='qemu'");
	has(launched(vm, true, true), "<qemu:property name='vectors' type='unsigned' value='0'/>");
}

static void a_machine_with_many_processors_gets_wide_interrupts(void **state)
{
	static const char vm[] = "{\"name\":\"m\",\"machine\":{\"vcpus\":288}," NIC("") "}";

	(void)state;
	has(launched(vm, false, true), "-machine q35,graphics=off,kernel-irqchip=split\n");
	has(launched(vm, false, true), "-smp 288\n-device intel-iommu,intremap=on,eim=on\n");
	has(launched(vm, true, true), "<ioapic driver='qemu'/>");
}

static void a_domain_escapes_what_it_says(void **state)
{
	static const char vm[] =
		"{\"name\":\"m\",\"machine\":{\"disk\":[\"/dev/x<y\"],\"argument\":"
		"[\"<&'\\\">\"]}," NIC(",\"socket\":\"/tmp/a&b'c\",\"queues\":2") "}";
	char *xml = launched(vm, true, true);

	(void)state;
	assert_non_null(strstr(xml, "path='/tmp/a&amp;b&apos;c' mode='server'"));
	assert_non_null(strstr(xml, "<driver queues='2' "));
	assert_non_null(strstr(xml, "<source dev='/dev/x&lt;y'/>"));
	assert_non_null(strstr(xml, "<rom enabled='no'/>"));
	has(xml, "<qemu:arg value='&lt;&amp;&apos;&quot;&gt;'/>");
}

static void limits_of_the_machine_are_those_of_its_only_card(void **state)
{
	static const char one[] =
		"{\"name\":\"m\"," NIC("") ",\"weir-qos:qos\":{\"limit-from\":\"8000000\","
					   "\"limit-to\":\"16000000\"}}";

	(void)state;
	has(launched(one, true, true), "      <bandwidth>\n        <inbound average='2000'/>\n"
				       "        <outbound average='1000'/>\n");
}

static void directories_follow_the_daemons_socket(void **state)
{
	static const char m[] = "{\"name\":\"m\"," NIC("") "}";
	struct cfg *cfg = load(m);
	char path[108], dir[64];

	(void)state;
	assert_int_equal(ctl_vms_dir("/run/weir/weir.sock", dir, sizeof(dir)), 0);
	assert_string_equal(dir, "/run/weir/vms");
	assert_int_equal(ctl_vm_monitor(dir, &cfg->vms[0], path, sizeof(path)), 0);
	assert_string_equal(path, "/run/weir/vms/m/qmp.sock");
	assert_int_equal(ctl_vms_dir("/tmp/x/w.sock", dir, sizeof(dir)), 0);
	assert_int_equal(ctl_vm_monitor(dir, &cfg->vms[0], path, sizeof(path)), 0);
	assert_string_equal(path, "/tmp/x/vms/m/qmp.sock");
	assert_int_equal(ctl_vms_dir("w.sock", dir, sizeof(dir)), 0);
	assert_int_equal(dir[0], '/');
	assert_int_equal(ctl_vms_dir("/tmp/x/w.sock", dir, 8), -ENAMETOOLONG);
	assert_int_equal(ctl_vm_monitor("/tmp", &cfg->vms[0], path, 8), -ENAMETOOLONG);
	cfg_free(cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_diskless_machine_boots_by_its_card),
		cmocka_unit_test(an_emulated_uefi_machine_has_variables_of_its_own),
		cmocka_unit_test(disks_come_first_where_no_card_boots),
		cmocka_unit_test(queues_have_their_interrupts),
		cmocka_unit_test(commas_are_doubled_and_words_stay_words),
		cmocka_unit_test(a_domain_says_the_same),
		cmocka_unit_test(a_domain_escapes_what_it_says),
		cmocka_unit_test(limits_of_the_machine_are_those_of_its_only_card),
		cmocka_unit_test(emulation_that_is_asked_for_is_given),
		cmocka_unit_test(a_machine_with_many_processors_gets_wide_interrupts),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(directories_follow_the_daemons_socket),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
