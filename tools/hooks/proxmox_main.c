// weir-proxmox-hook: qm set VMID --hookscript local:snippets/weir-proxmox-hook
#include <stdio.h>
#include <string.h>

#include "hook.h"

static const char usage[] =
	"usage: weir-proxmox-hook VMID pre-start|post-start|pre-stop|post-stop\n"
	"Proxmox calls it, as the hook script of a machine. Settings: /etc/weir/hooks.conf\n"
	"See weir-proxmox-hook(8).\n";

int main(int argc, char **argv)
{
	struct hook_settings s;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc != 3) {
		fputs(usage, stderr);
		return 2;
	}
	hook_settings_read(&s, NULL);
	return hook_proxmox(&s, argc, argv);
}
