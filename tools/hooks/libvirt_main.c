// weir-libvirt-hook: /etc/libvirt/hooks/qemu.d/weir is a link to it.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hook.h"

static const char usage[] =
	"usage: weir-libvirt-hook DOMAIN OPERATION SUB-OPERATION EXTRA <domain.xml\n"
	"libvirt calls it, as /etc/libvirt/hooks/qemu.d/weir. Settings: /etc/weir/hooks.conf\n"
	"See weir-libvirt-hook(8).\n";

int main(int argc, char **argv)
{
	struct hook_settings s;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 3) {
		fputs(usage, stderr);
		return 2;
	}
	hook_settings_read(&s, NULL);
	return hook_libvirt(&s, argc, argv, STDIN_FILENO);
}
