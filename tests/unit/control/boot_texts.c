// Scripts and configurations as loaders get them, and what cannot be written for them.
#include <errno.h>
#include <stdio.h>

#include "../unit.h"
#include "boot_texts.h"

static struct cfg_vm vm;
static const uint8_t mac[6] = { 0x52, 0x54, 0, 0, 0, 0xa }, ip[4] = { 10, 9, 0, 110 };

static struct ctl_texts input(enum cfg_boot_method method, bool http)
{
	memset(&vm, 0, sizeof(vm));
	snprintf(vm.name, sizeof(vm.name), "web1");
	snprintf(vm.iscsi_initiator, sizeof(vm.iscsi_initiator), "iqn.2026-11.weir:web1");
	vm.method = method;
	return (struct ctl_texts){ .vm = &vm,
				   .mac = mac,
				   .ip = ip,
				   .http = http,
				   .server = "10.9.0.2",
				   .base = http ? "http://10.9.0.2/" : "tftp://10.9.0.2/",
				   .root_path = "" };
}

static void same(char *text, const char *want)
{
	if (text == NULL || want == NULL)
		assert_ptr_equal(text, want);
	else
		assert_string_equal(text, want);
	free(text);
}

static void made(const struct ctl_texts *in, const char *script, const char *grub,
		 const char *pxelinux)
{
	struct ctl_texts_out out;
	struct cfg_error err;

	if (ctl_boot_texts(in, &out, &err) < 0)
		fail_msg("%s %s: %s", err.path, err.value, err.reason);
	same(out.script, script);
	same(out.grub, grub);
	same(out.pxelinux, pxelinux);
}

static void refused(const struct ctl_texts *in, const char *path, const char *value)
{
	struct ctl_texts_out out;
	struct cfg_error err;

	assert_int_equal(ctl_boot_texts(in, &out, &err), -EINVAL);
	assert_string_equal(err.path, path);
	assert_string_equal(err.value, value);
	assert_true(err.reason[0] != '\0');
	assert_null(out.script);
	assert_null(out.grub);
	assert_null(out.pxelinux);
}

#define BEGIN "#!ipxe\nset weir-try:int8 0\n"
#define END(what)                                                                                  \
	":failed\ninc weir-try\niseq ${weir-try} 10 && goto given-up ||\necho Weir: web1: " what   \
	" failed, trying again in 3 seconds\nsleep 3\ngoto again\n:given-up\necho Weir: "          \
	"web1: " what " failed 10 times: given up\nexit 1\n"

static void a_kernel_comes_by_http(void **state)
{
	const struct ctl_texts in = input(CFG_BOOT_KERNEL, true);

	(void)state;
	strcpy(vm.kernel, "debian/vmlinuz");
	strcpy(vm.initrd, "debian/initrd.img");
	strcpy(vm.cmdline, "console=ttyS0,115200 quiet");
	made(&in,
	     BEGIN ":again\nimgfree\n"
		   "kernel --name kernel http://10.9.0.2/debian/vmlinuz initrd=initrd "
		   "console=ttyS0,115200 quiet || goto failed\n"
		   "initrd --name initrd http://10.9.0.2/debian/initrd.img || goto failed\n"
		   "boot || goto failed\n" END("loading the kernel"),
	     "set default=0\nset timeout=0\nmenuentry 'Weir: web1' {\n"
	     "\tlinux '(tftp,10.9.0.2)/debian/vmlinuz' 'console=ttyS0,115200' 'quiet'\n"
	     "\tinitrd '(tftp,10.9.0.2)/debian/initrd.img'\n}\n",
	     "DEFAULT weir\nPROMPT 0\nTIMEOUT 0\nLABEL weir\n  LINUX ::debian/vmlinuz\n"
	     "  INITRD ::debian/initrd.img\n  APPEND console=ttyS0,115200 quiet\n");
}

static void a_kernel_alone_comes_by_tftp(void **state)
{
	const struct ctl_texts in = input(CFG_BOOT_KERNEL, false);

	(void)state;
	strcpy(vm.kernel, "k");
	made(&in,
	     BEGIN ":again\nimgfree\nkernel --name kernel tftp://10.9.0.2/k || goto failed\n"
		   "boot || goto failed\n" END("loading the kernel"),
	     "set default=0\nset timeout=0\nmenuentry 'Weir: web1' {\n"
	     "\tlinux '(tftp,10.9.0.2)/k'\n}\n",
	     "DEFAULT weir\nPROMPT 0\nTIMEOUT 0\nLABEL weir\n  LINUX ::k\n");
}

// 23 = #, 26 = &, 3b = ;
static void words_that_a_loader_would_read_are_hidden_from_it(void **state)
{
	static const struct {
		const char *cmdline, *set, *ipxe, *grub, *pxelinux;
	} rows[] = {
		{ "a #b", "set weir-cmdline:hex 61:20:23:62\n", "${weir-cmdline:string}",
		  " 'a' '#b'", "a #b" },
		{ "a || b", "set weir-cmdline:hex 61:20:7c:7c:20:62\n", "${weir-cmdline:string}",
		  " 'a' '||' 'b'", "a || b" },
		{ "&& ;", "set weir-cmdline:hex 26:26:20:3b\n", "${weir-cmdline:string}",
		  " '&&' ';'", "&& ;" },
		{ "a  b", "set weir-cmdline:hex 61:20:20:62\n", "${weir-cmdline:string}",
		  " 'a' 'b'", "a  b" },
		{ "$a `b` $(c)", "set weir-cmdline:hex 24:61:20:60:62:60:20:24:28:63:29\n",
		  "${weir-cmdline:string}", " '$a' '`b`' '$(c)'", "$a `b` $(c)" },
		// GRUB cannot: there is no configuration for it.
		{ "a='b'", "set weir-cmdline:hex 61:3d:27:62:27\n", "${weir-cmdline:string}", NULL,
		  "a='b'" },
		{ "a=\"b\"", "set weir-cmdline:hex 61:3d:22:62:22\n", "${weir-cmdline:string}",
		  NULL, "a=\"b\"" },
		{ "a\\x20b", "set weir-cmdline:hex 61:5c:78:32:30:62\n", "${weir-cmdline:string}",
		  NULL, "a\\x20b" },
	};
	char script[1024], grub[512], pxelinux[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ctl_texts in = input(CFG_BOOT_KERNEL, false);

		strcpy(vm.kernel, "k");
		strcpy(vm.cmdline, rows[i].cmdline);
		snprintf(script, sizeof(script),
			 BEGIN "%s:again\nimgfree\nkernel --name kernel tftp://10.9.0.2/k %s || "
			       "goto failed\nboot || goto failed\n" END("loading the kernel"),
			 rows[i].set, rows[i].ipxe);
		snprintf(grub, sizeof(grub),
			 "set default=0\nset timeout=0\nmenuentry 'Weir: web1' {\n"
			 "\tlinux '(tftp,10.9.0.2)/k'%s\n}\n",
			 rows[i].grub == NULL ? "" : rows[i].grub);
		snprintf(pxelinux, sizeof(pxelinux),
			 "DEFAULT weir\nPROMPT 0\nTIMEOUT 0\nLABEL weir\n  LINUX ::k\n  APPEND "
			 "%s\n",
			 rows[i].pxelinux);
		made(&in, script, rows[i].grub == NULL ? NULL : grub, pxelinux);
	}
}

static void what_cannot_be_hidden_is_refused(void **state)
{
	static const char path[] = "/weir-vm:vms/vm[name='web1']/boot/cmdline";
	struct ctl_texts in = input(CFG_BOOT_KERNEL, false);

	(void)state;
	strcpy(vm.kernel, "k");
	strcpy(vm.cmdline, "a=${b}");
	refused(&in, path, "a=${b}");
	strcpy(vm.cmdline, "-");
	refused(&in, path, "-");
	// Quotes are refused where GRUB is what the machine loads.
	strcpy(vm.cmdline, "a='b'");
	in.loader = "grubx64.efi";
	refused(&in, path, "a='b'");
	in = input(CFG_BOOT_ISCSI, false);
	in.root_path = "iscsi:10.0.0.1:::1:iqn.${mac}";
	strcpy(vm.iscsi_target, "iqn.${mac}");
	refused(&in, "/weir-vm:vms/vm[name='web1']/boot/iscsi/target", "iqn.${mac}");
	// A disk image is read in pieces, which TFTP cannot.
	in = input(CFG_BOOT_HTTP, false);
	strcpy(vm.http_file, "debian.iso");
	refused(&in, "/weir-vm:vms/vm[name='web1']/boot/http/file", "debian.iso");
}

#define NFS_ARGS "ip=dhcp BOOTIF=01-52-54-00-00-00-0a"

static void a_root_by_nfs(void **state)
{
	struct ctl_texts in = input(CFG_BOOT_NFS, true);
	static const uint8_t none[4];
	char root[200];

	(void)state;
	strcpy(vm.kernel, "k");
	strcpy(vm.initrd, "i");
	strcpy(vm.cmdline, "rw");
	strcpy(vm.nfs_server, "10.9.0.1");
	strcpy(vm.nfs_path, "/export/%s/root");
	strcpy(vm.nfs_options, "rsize=1048576,wsize=1048576");
	made(&in,
	     BEGIN
	     ":again\nimgfree\nkernel --name kernel http://10.9.0.2/k initrd=initrd "
	     "root=/dev/nfs nfsroot=10.9.0.1:/export/10.9.0.110/root,vers=4.2,rsize=1048576,"
	     "wsize=1048576 " NFS_ARGS " rw || goto failed\n"
	     "initrd --name initrd http://10.9.0.2/i || goto failed\nboot || goto failed\n" END(
		     "loading the kernel"),
	     "set default=0\nset timeout=0\nmenuentry 'Weir: web1' {\n\tlinux '(tftp,10.9.0.2)/k' "
	     "'root=/dev/nfs' "
	     "'nfsroot=10.9.0.1:/export/10.9.0.110/root,vers=4.2,rsize=1048576,wsize=1048576' "
	     "'ip=dhcp' 'BOOTIF=01-52-54-00-00-00-0a' 'rw'\n\tinitrd '(tftp,10.9.0.2)/i'\n}\n",
	     "DEFAULT weir\nPROMPT 0\nTIMEOUT 0\nLABEL weir\n  LINUX ::k\n  INITRD ::i\n"
	     "  APPEND root=/dev/nfs "
	     "nfsroot=10.9.0.1:/export/10.9.0.110/root,vers=4.2,rsize=1048576,"
	     "wsize=1048576 " NFS_ARGS " rw\n");
	vm.nfs_v3 = true;
	vm.initrd[0] = vm.cmdline[0] = vm.nfs_options[0] = '\0';
	strcpy(vm.nfs_path, "/r");
	made(&in,
	     BEGIN ":again\nimgfree\nkernel --name kernel http://10.9.0.2/k root=/dev/nfs "
		   "nfsroot=10.9.0.1:/r,vers=3,tcp " NFS_ARGS " || goto failed\n"
		   "boot || goto failed\n" END("loading the kernel"),
	     "set default=0\nset timeout=0\nmenuentry 'Weir: web1' {\n\tlinux '(tftp,10.9.0.2)/k' "
	     "'root=/dev/nfs' 'nfsroot=10.9.0.1:/r,vers=3,tcp' 'ip=dhcp' "
	     "'BOOTIF=01-52-54-00-00-00-0a'\n}\n",
	     "DEFAULT weir\nPROMPT 0\nTIMEOUT 0\nLABEL weir\n  LINUX ::k\n  APPEND root=/dev/nfs "
	     "nfsroot=10.9.0.1:/r,vers=3,tcp " NFS_ARGS "\n");
	strcpy(vm.nfs_path, "/%s/%s/%d");
	ctl_nfs_root(&in, root, sizeof(root));
	assert_string_equal(root, "10.9.0.1:/10.9.0.110/10.9.0.110/%d");
	in.ip = none; // of a pool: the kernel puts its own there
	ctl_nfs_root(&in, root, sizeof(root));
	assert_string_equal(root, "10.9.0.1:/%s/%s/%d");
	ctl_nfs_root(&in, root, 10);
	assert_string_equal(root, "10.9.0.1:");
}

static void a_disk_by_iscsi_with_chap(void **state)
{
	struct ctl_texts in = input(CFG_BOOT_ISCSI, true);

	(void)state;
	in.root_path = "iscsi:10.0.0.1:::1:iqn.2026-11.example:web1";
	made(&in,
	     BEGIN "set initiator-iqn iqn.2026-11.weir:web1\n:again\n"
		   "sanboot --no-describe iscsi:10.0.0.1:::1:iqn.2026-11.example:web1 || goto "
		   "failed\n" END("the iSCSI target"),
	     NULL, NULL);
	strcpy(vm.chap_user, "web1");
	strcpy(vm.chap_secret, "#${a}||;\"&' b");
	made(&in,
	     BEGIN "set initiator-iqn iqn.2026-11.weir:web1\nset username web1\n"
		   "set password:hex 23:24:7b:61:7d:7c:7c:3b:22:26:27:20:62\n:again\n"
		   "sanboot --no-describe iscsi:10.0.0.1:::1:iqn.2026-11.example:web1 || goto "
		   "failed\n" END("the iSCSI target, or CHAP with it,"),
	     NULL, NULL);
	in.root_path = "iscsi:10.0.0.1:::1:iqn.a b";
	vm.chap_user[0] = '\0';
	made(&in,
	     BEGIN
	     "set weir-root:hex 69:73:63:73:69:3a:31:30:2e:30:2e:30:2e:31:3a:3a:3a:31:3a:"
	     "69:71:6e:2e:61:20:62\nset initiator-iqn iqn.2026-11.weir:web1\n:again\n"
	     "sanboot --no-describe ${weir-root:string} || goto failed\n" END("the iSCSI target"),
	     NULL, NULL);
}

static void an_image_by_http(void **state)
{
	struct ctl_texts in = input(CFG_BOOT_HTTP, true);

	(void)state;
	strcpy(vm.http_file, "Boot.EFI");
	made(&in,
	     BEGIN
	     ":again\nimgfree\nchain http://10.9.0.2/Boot.EFI || goto failed\n" END("the image"),
	     "set default=0\nset timeout=0\nmenuentry 'Weir: web1' {\n"
	     "\tchainloader '(tftp,10.9.0.2)/Boot.EFI'\n}\n",
	     NULL);
	strcpy(vm.http_file, "debian.iso");
	made(&in,
	     BEGIN ":again\nimgfree\nsanboot --no-describe http://10.9.0.2/debian.iso || goto "
		   "failed\n" END("the image"),
	     NULL, NULL);
	in = input(CFG_BOOT_HTTP, false);
	strcpy(vm.http_file, "x.ipxe");
	made(&in,
	     BEGIN
	     ":again\nimgfree\nchain tftp://10.9.0.2/x.ipxe || goto failed\n" END("the image"),
	     NULL, NULL);
}

static void a_machine_that_boots_nothing_gets_nothing(void **state)
{
	(void)state;
	for (int m = CFG_BOOT_NONE; m <= CFG_BOOT_HTTP; m++) {
		const struct ctl_texts in = input((enum cfg_boot_method)m, true);

		made(&in, NULL, NULL, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_comes_by_http),
		cmocka_unit_test(a_kernel_alone_comes_by_tftp),
		cmocka_unit_test(words_that_a_loader_would_read_are_hidden_from_it),
		cmocka_unit_test(what_cannot_be_hidden_is_refused),
		cmocka_unit_test(a_root_by_nfs),
		cmocka_unit_test(a_disk_by_iscsi_with_chap),
		cmocka_unit_test(an_image_by_http),
		cmocka_unit_test(a_machine_that_boots_nothing_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
