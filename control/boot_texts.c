// Texts made for a machine: the script for iPXE and the configurations for GRUB and pxelinux.
//
// Nothing of the configuration reaches a loader's parser unescaped:
//
// - iPXE splits a line at blanks, takes a word that begins with # for a comment and the words &&,
//   || and ; for control, and then puts settings in place of ${..}, again and again until there
//   is none. Whatever is not made of harmless characters is stored as a setting in hexadecimal,
//   and ${name:string} stands for it, for settings are looked up after the line was split. What
//   has ${ itself cannot be written.
// - GRUB reads '..' literally, so each word stands in quotes. But its command linux writes a
//   backslash before each quote and backslash: those cannot be handed to a kernel.
// - pxelinux takes the rest of an APPEND line as it is; a lone - there means nothing at all.
//
// Who would read what cannot be written is told when the configuration is committed.
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_texts.h"

enum { TRIES = 10, PAUSE_S = 3 };

static int refuse(struct cfg_error *err, const struct cfg_vm *vm, const char *leaf,
		  const char *value, const char *reason)
{
	memset(err, 0, sizeof(*err));
	snprintf(err->path, sizeof(err->path), "/weir-vm:vms/vm[name='%s']/boot/%s", vm->name,
		 leaf);
	snprintf(err->value, sizeof(err->value), "%.127s", value);
	snprintf(err->reason, sizeof(err->reason), "%s", reason);
	return -EINVAL;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && strcasecmp(name + n - m, suffix) == 0;
}

// --- What is booted

// The command line that the kernel gets, but for initrd=.
static int cmdline_make(const struct ctl_texts *in, char *out, size_t size)
{
	const struct cfg_vm *vm = in->vm;
	const char *more = vm->cmdline + strspn(vm->cmdline, " ");
	char root[320];
	int n = 0;

	out[0] = '\0';
	if (vm->method == CFG_BOOT_NFS) {
		ctl_nfs_root(in, root, sizeof(root));
		// Debian's initramfs mounts by NFS when root= says so, and takes the card of
		// BOOTIF. What the operator says comes behind, and wins.
		n = snprintf(out, size,
			     "root=/dev/nfs nfsroot=%s,vers=%s%s%s ip=dhcp "
			     "BOOTIF=01-%02x-%02x-%02x-%02x-%02x-%02x",
			     root, vm->nfs_v3 ? "3,tcp" : "4.2", vm->nfs_options[0] ? "," : "",
			     vm->nfs_options, in->mac[0], in->mac[1], in->mac[2], in->mac[3],
			     in->mac[4], in->mac[5]);
	}
	if (n < 0 || (size_t)n >= size)
		return -E2BIG;
	if (more[0] != '\0')
		n += snprintf(out + n, size - (size_t)n, "%s%s", n > 0 ? " " : "", more);
	return n < 0 || (size_t)n >= size ? -E2BIG : 0;
}

void ctl_nfs_root(const struct ctl_texts *in, char *out, size_t size)
{
	const char *path = in->vm->nfs_path, *at;
	static const uint8_t none[4];
	char ip[INET_ADDRSTRLEN];
	size_t n;

	// The kernel would put the host name there when DHCP gives it one.
	inet_ntop(AF_INET, in->ip, ip, sizeof(ip));
	n = (size_t)snprintf(out, size, "%s:", in->vm->nfs_server);
	while (memcmp(in->ip, none, 4) != 0 && n < size && (at = strstr(path, "%s")) != NULL) {
		n += (size_t)snprintf(out + n, size - n, "%.*s%s", (int)(at - path), path, ip);
		path = at + 2;
	}
	if (n < size)
		snprintf(out + n, size - n, "%s", path);
}

// --- iPXE

static bool ipxe_plain(const char *v)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_.:,=/@%+-[]";

	return v[0] != '\0' && v[strspn(v, plain)] == '\0';
}

static void ipxe_hex(FILE *f, const char *setting, const char *v)
{
	fprintf(f, "set %s:hex ", setting);
	for (const char *p = v; *p != '\0'; p++)
		fprintf(f, "%s%02x", p > v ? ":" : "", (unsigned char)*p);
	fputc('\n', f);
}

// A setting that a protocol looks up.
static void ipxe_set(FILE *f, const char *setting, const char *v)
{
	if (ipxe_plain(v))
		fprintf(f, "set %s %s\n", setting, v);
	else
		ipxe_hex(f, setting, v);
}

static bool words_plain(const char *v)
{
	char word[512];

	while (*v != '\0') {
		size_t n = strcspn(v, " ");

		if (n == 0 || n >= sizeof(word))
			return false; // two blanks would become one
		snprintf(word, sizeof(word), "%.*s", (int)n, v);
		if (!ipxe_plain(word))
			return false;
		v += n;
		v += *v == ' ';
	}
	return true;
}

// A value for the middle of a line: itself, or the setting that was made of it beforehand.
static const char *ipxe_value(FILE *f, const char *setting, const char *v, char buf[64])
{
	if (ipxe_plain(v))
		return v;
	ipxe_hex(f, setting, v);
	snprintf(buf, 64, "${%s:string}", setting);
	return buf;
}

static void ipxe_begin(FILE *f)
{
	fprintf(f, "#!ipxe\nset weir-try:int8 0\n");
}

// Every script ends so: some tries, a word to whoever looks at the console, and back to the
// firmware, which may know something else to boot from.
static void ipxe_end(FILE *f, const struct cfg_vm *vm, const char *what)
{
	fprintf(f,
		":failed\n"
		"inc weir-try\n"
		"iseq ${weir-try} %d && goto given-up ||\n"
		"echo Weir: %s: %s failed, trying again in %d seconds\n"
		"sleep %d\n"
		"goto again\n"
		":given-up\n"
		"echo Weir: %s: %s failed %d times: given up\n"
		"exit 1\n",
		TRIES, vm->name, what, PAUSE_S, PAUSE_S, vm->name, what, TRIES);
}

static void ipxe_kernel(FILE *f, const struct ctl_texts *in, const char *cmdline)
{
	const struct cfg_vm *vm = in->vm;
	char buf[64];

	ipxe_begin(f);
	if (!words_plain(cmdline))
		cmdline = ipxe_value(f, "weir-cmdline", cmdline, buf);
	// Under EFI the kernel asks for its initrd by that name.
	fprintf(f, ":again\nimgfree\nkernel --name kernel %s%s%s%s%s || goto failed\n", in->base,
		vm->kernel, vm->initrd[0] ? " initrd=initrd" : "", cmdline[0] ? " " : "", cmdline);
	if (vm->initrd[0] != '\0')
		fprintf(f, "initrd --name initrd %s%s || goto failed\n", in->base, vm->initrd);
	fprintf(f, "boot || goto failed\n");
	ipxe_end(f, vm, "loading the kernel");
}

static void ipxe_iscsi(FILE *f, const struct ctl_texts *in)
{
	const struct cfg_vm *vm = in->vm;
	char buf[64];
	const char *root = ipxe_value(f, "weir-root", in->root_path, buf);

	ipxe_set(f, "initiator-iqn", vm->iscsi_initiator);
	if (vm->chap_user[0] != '\0') {
		ipxe_set(f, "username", vm->chap_user);
		ipxe_set(f, "password", vm->chap_secret);
	}
	fprintf(f, ":again\nsanboot --no-describe %s || goto failed\n", root);
	ipxe_end(f, vm,
		 vm->chap_user[0] != '\0' ? "the iSCSI target, or CHAP with it,"
					  : "the iSCSI target");
}

// iPXE runs programs and scripts; a disk or a CD it reads by HTTP, a piece at a time.
static bool is_program(const char *name)
{
	static const char *const suffixes[] = { ".efi",	  ".ipxe", ".lkrn", ".kpxe",
						".kkpxe", ".pxe",  ".0",    ".com" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (has_suffix(name, suffixes[i]))
			return true;
	}
	return false;
}

static void ipxe_http(FILE *f, const struct ctl_texts *in)
{
	const struct cfg_vm *vm = in->vm;

	ipxe_begin(f);
	fprintf(f, ":again\nimgfree\n");
	if (is_program(vm->http_file))
		fprintf(f, "chain %s%s || goto failed\n", in->base, vm->http_file);
	else
		fprintf(f, "sanboot --no-describe %s%s || goto failed\n", in->base, vm->http_file);
	ipxe_end(f, vm, "the image");
}

// --- GRUB

static bool grub_can(const char *cmdline)
{
	return strpbrk(cmdline, "'\"\\") == NULL;
}

// Words in quotes. A second blank in a row would end an empty word; it says nothing to a kernel.
static void grub_words(FILE *f, const char *v)
{
	while (*(v += strspn(v, " ")) != '\0') {
		size_t n = strcspn(v, " ");

		fprintf(f, " '%.*s'", (int)n, v);
		v += n;
	}
}

// Always by TFTP: Debian's grubnetx64.efi has no http, cannot load it, and its insmod says 0 all
// the same, so a configuration cannot choose.
static void grub_write(FILE *f, const struct ctl_texts *in, const char *cmdline)
{
	const struct cfg_vm *vm = in->vm;

	fprintf(f, "set default=0\nset timeout=0\nmenuentry 'Weir: %s' {\n", vm->name);
	if (vm->method == CFG_BOOT_HTTP) {
		fprintf(f, "\tchainloader '(tftp,%s)/%s'\n", in->server, vm->http_file);
	} else {
		fprintf(f, "\tlinux '(tftp,%s)/%s'", in->server, vm->kernel);
		grub_words(f, cmdline);
		fputc('\n', f);
		if (vm->initrd[0] != '\0')
			fprintf(f, "\tinitrd '(tftp,%s)/%s'\n", in->server, vm->initrd);
	}
	fprintf(f, "}\n");
}

// --- pxelinux

// ":: " keeps pxelinux from putting its own directory before the name.
static void pxelinux_write(FILE *f, const struct ctl_texts *in, const char *cmdline)
{
	const struct cfg_vm *vm = in->vm;

	fprintf(f, "DEFAULT weir\nPROMPT 0\nTIMEOUT 0\nLABEL weir\n  LINUX ::%s\n", vm->kernel);
	if (vm->initrd[0] != '\0')
		fprintf(f, "  INITRD ::%s\n", vm->initrd);
	if (cmdline[0] != '\0')
		fprintf(f, "  APPEND %s\n", cmdline);
}

// --- All of them

static int unwritable(const struct ctl_texts *in, const char *cmdline, struct cfg_error *err)
{
	static const char dollar[] = "has ${, which iPXE would take for one of its settings";
	const struct cfg_vm *vm = in->vm;
	const bool kernel = vm->method == CFG_BOOT_KERNEL || vm->method == CFG_BOOT_NFS;

	if (kernel && strstr(cmdline, "${") != NULL)
		return refuse(err, vm, "cmdline", vm->cmdline, dollar);
	if (kernel && in->loader != NULL && strstr(in->loader, "grub") != NULL &&
	    !grub_can(cmdline))
		return refuse(err, vm, "cmdline", vm->cmdline,
			      "has a quote or a backslash, which GRUB cannot hand to a kernel");
	if (kernel && strcmp(cmdline, "-") == 0)
		return refuse(err, vm, "cmdline", vm->cmdline,
			      "is - alone, which pxelinux takes for nothing");
	if (vm->method == CFG_BOOT_ISCSI && strstr(in->root_path, "${") != NULL)
		return refuse(err, vm, "iscsi/target", vm->iscsi_target, dollar);
	if (vm->method == CFG_BOOT_HTTP && !in->http && vm->http_file[0] != '\0' &&
	    !is_program(vm->http_file))
		return refuse(
			err, vm, "http/file", vm->http_file,
			"is no boot program (.efi, .ipxe, .lkrn, .pxe), so it is read by HTTP "
			"as a disk, and no host port serves HTTP in this VLAN");
	return 0;
}

typedef void (*writer)(FILE *f, const struct ctl_texts *in, const char *cmdline);

static void ipxe_write(FILE *f, const struct ctl_texts *in, const char *cmdline)
{
	if (in->vm->method == CFG_BOOT_HTTP) {
		ipxe_http(f, in);
	} else if (in->vm->method == CFG_BOOT_ISCSI) {
		ipxe_begin(f);
		ipxe_iscsi(f, in);
	} else {
		ipxe_kernel(f, in, cmdline);
	}
}

static int text_make(writer write, const struct ctl_texts *in, const char *cmdline, char **out)
{
	size_t size = 0;
	FILE *f = open_memstream(out, &size);

	if (f == NULL)
		return -ENOMEM;
	write(f, in, cmdline);
	return fclose(f) != 0 || *out == NULL ? -ENOMEM : 0;
}

int ctl_boot_texts(const struct ctl_texts *in, struct ctl_texts_out *out, struct cfg_error *err)
{
	const struct cfg_vm *vm = in->vm;
	const bool kernel = (vm->method == CFG_BOOT_KERNEL || vm->method == CFG_BOOT_NFS) &&
			    vm->kernel[0] != '\0';
	const bool image = vm->method == CFG_BOOT_HTTP && vm->http_file[0] != '\0';
	const bool iscsi = vm->method == CFG_BOOT_ISCSI && in->root_path[0] != '\0';
	char cmdline[1024];
	int rc;

	memset(out, 0, sizeof(*out));
	if (cmdline_make(in, cmdline, sizeof(cmdline)) < 0)
		return refuse(err, vm, "cmdline", vm->cmdline, "is too long");
	rc = unwritable(in, cmdline, err);
	if (rc == 0 && (kernel || image || iscsi))
		rc = text_make(ipxe_write, in, cmdline, &out->script);
	if (rc == 0 &&
	    ((kernel && grub_can(cmdline)) || (image && has_suffix(vm->http_file, ".efi"))))
		rc = text_make(grub_write, in, cmdline, &out->grub);
	if (rc == 0 && kernel)
		rc = text_make(pxelinux_write, in, cmdline, &out->pxelinux);
	if (rc == -ENOMEM)
		refuse(err, vm, "method", "", "out of memory");
	if (rc < 0) {
		free(out->script);
		free(out->grub);
		free(out->pxelinux);
		memset(out, 0, sizeof(*out));
	}
	return rc;
}
