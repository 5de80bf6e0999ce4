// A machine as a domain of libvirt: vm_launch.h. source: libvirt's documentation, "Domain XML
// format"; libvirt 9.0
//
// VLANs and isolation are not said: libvirt takes neither for a vhost-user card, and the switch has
// them from its configuration.
#include <stdio.h>
#include <string.h>

#include "vm_launch.h"

#define QEMU_NS "http://libvirt.org/schemas/domain/qemu/1.0"

// Text or a value in single quotes. Characters that XML has no way to write become '?'.
static const char *xml(const char *s, char out[1600])
{
	size_t at = 0;

	for (; *s != '\0' && at < 1590; s++) {
		const char *e = *s == '&'		  ? "&amp;"
				: *s == '<'		  ? "&lt;"
				: *s == '>'		  ? "&gt;"
				: *s == '\''		  ? "&apos;"
				: *s == '"'		  ? "&quot;"
				: *s == '\t'		  ? "&#9;"
				: *s == '\n'		  ? "&#10;"
				: *s == '\r'		  ? "&#13;"
				: (unsigned char)*s < ' ' ? "?"
							  : NULL;

		if (e == NULL)
			out[at++] = *s;
		for (; e != NULL && *e != '\0'; e++)
			out[at++] = *e;
	}
	out[at] = '\0';
	return out;
}

static void head(const struct ctl_launch *l, struct ctl_text *t)
{
	const struct cfg_machine *m = &l->vm->machine;
	bool uefi = m->firmware == CFG_FW_UEFI, many = m->vcpus > 255;

	ctl_text_f(t, "<domain type='%s' xmlns:qemu='" QEMU_NS "'>\n", l->kvm ? "kvm" : "qemu");
	ctl_text_f(t, "  <name>%s</name>\n", l->vm->name);
	if (l->vm->uuid[0] != '\0')
		ctl_text_f(t, "  <uuid>%s</uuid>\n", l->vm->uuid);
	ctl_text_f(t, "  <memory unit='MiB'>%u</memory>\n", m->memory_mib);
	// The switch reads and writes the guest's memory.
	ctl_text_f(t, "  <memoryBacking>\n    <source type='memfd'/>\n    <access mode='shared'/>\n"
		      "  </memoryBacking>\n");
	ctl_text_f(t, "  <vcpu>%u</vcpu>\n", m->vcpus);
	ctl_text_f(t, "  <os>\n    <type arch='x86_64' machine='%s'>hvm</type>\n",
		   uefi || many ? "q35" : "pc");
	if (uefi)
		ctl_text_f(t, "    <loader readonly='yes' type='pflash'>" CTL_OVMF_CODE
			      "</loader>\n    <nvram template='" CTL_OVMF_VARS "'/>\n");
	else
		ctl_text_f(t, "    <bios useserial='yes'/>\n");
	ctl_text_f(t, "  </os>\n  <features>\n    <acpi/>\n    <apic/>\n%s  </features>\n",
		   many ? "    <ioapic driver='qemu'/>\n" : "");
	if (l->kvm)
		ctl_text_f(t, "  <cpu mode='host-passthrough'/>\n");
	ctl_text_f(t, "  <on_reboot>restart</on_reboot>\n  <on_crash>preserve</on_crash>\n");
}

// The limits of a machine are a card's where it has but one. Units of 1,000 bytes a second.
static void bandwidth(const struct ctl_launch *l, struct ctl_text *t)
{
	const struct cfg_policy *p = &l->vm->policy;

	if (l->vm->n_nics != 1 || (p->limit_from < 8000 && p->limit_to < 8000))
		return;
	ctl_text_f(t, "      <bandwidth>\n");
	if (p->limit_to >= 8000)
		ctl_text_f(t, "        <inbound average='%llu'/>\n",
			   (unsigned long long)(p->limit_to / 8000));
	if (p->limit_from >= 8000)
		ctl_text_f(t, "        <outbound average='%llu'/>\n",
			   (unsigned long long)(p->limit_from / 8000));
	ctl_text_f(t, "      </bandwidth>\n");
}

static void card(const struct ctl_launch *l, const struct cfg_nic *n, struct ctl_text *t)
{
	const struct cfg_port *p = cfg_port_get(l->cfg, n->port);
	bool boot = n == ctl_vm_boot_nic(l->vm),
	     rom = boot && l->vm->machine.firmware == CFG_FW_BIOS;
	const uint8_t *m = p->mac;
	char q[1600];

	ctl_text_f(t, "    <interface type='vhostuser'>\n");
	ctl_text_f(t, "      <mac address='%02x:%02x:%02x:%02x:%02x:%02x'/>\n", m[0], m[1], m[2],
		   m[3], m[4], m[5]);
	ctl_text_f(t, "      <source type='unix' path='%s' mode='server'/>\n", xml(p->link_arg, q));
	ctl_text_f(t, "      <model type='virtio'/>\n");
	ctl_text_f(t, "      <driver queues='%u' rx_queue_size='1024' tx_queue_size='1024'/>\n",
		   p->queues);
	bandwidth(l, t);
	ctl_text_f(t, "      <mtu size='%u'/>\n", p->mtu);
	if (boot)
		ctl_text_f(t, "      <boot order='1'/>\n");
	if (!rom)
		ctl_text_f(t, "      <rom enabled='no'/>\n");
	ctl_text_f(t, "      <alias name='ua-nic%u'/>\n    </interface>\n", n->id);
}

static void devices(const struct ctl_launch *l, struct ctl_text *t)
{
	const struct cfg_machine *m = &l->vm->machine;
	uint32_t first = ctl_vm_boot_nic(l->vm) == NULL ? 1 : 2;
	char q[1600];

	ctl_text_f(t, "  <devices>\n    <emulator>%s</emulator>\n", xml(m->emulator, q));
	for (uint8_t i = 0; i < m->n_disks; i++) {
		bool block = strncmp(m->disks[i], "/dev/", 5) == 0;

		ctl_text_f(t, "    <disk type='%s' device='disk'>\n", block ? "block" : "file");
		ctl_text_f(t, "      <driver name='qemu' type='%s' discard='unmap'/>\n",
			   ctl_disk_format(m->disks[i]));
		ctl_text_f(t, "      <source %s='%s'/>\n", block ? "dev" : "file",
			   xml(m->disks[i], q));
		ctl_text_f(t, "      <target dev='vd%c' bus='virtio'/>\n", 'a' + i);
		ctl_text_f(t, "      <boot order='%u'/>\n    </disk>\n", first + i);
	}
	for (uint8_t i = 0; i < l->vm->n_nics; i++)
		card(l, &l->vm->nics[i], t);
	ctl_text_f(t, "    <serial type='pty'/>\n    <console type='pty'/>\n");
	ctl_text_f(t, "    <rng model='virtio'>\n      <backend model='random'>/dev/urandom"
		      "</backend>\n    </rng>\n");
	ctl_text_f(t, "    <panic model='isa'/>\n");
	if (m->vcpus > 255)
		ctl_text_f(t, "    <iommu model='intel'>\n      <driver intremap='on' eim='on'/>\n"
			      "    </iommu>\n");
	ctl_text_f(t, "  </devices>\n");
}

static void argument(struct ctl_text *t, const char *s)
{
	struct ctl_word w[2];
	char q[1600], one[256];

	for (uint32_t i = 0, n = ctl_arg_split(s, w); i < n; i++) {
		snprintf(one, sizeof(one), "%.*s", (int)w[i].size, w[i].text);
		ctl_text_f(t, "    <qemu:arg value='%s'/>\n", xml(one, q));
	}
}

void ctl_vm_domain(const struct ctl_launch *l, struct ctl_text *t)
{
	const struct cfg_machine *m = &l->vm->machine;
	const char *more = m->args;

	head(l, t);
	devices(l, t);
	if (m->n_args > 0)
		ctl_text_f(t, "  <qemu:commandline>\n");
	for (uint8_t i = 0; i < m->n_args; i++, more += strlen(more) + 1)
		argument(t, more);
	if (m->n_args > 0)
		ctl_text_f(t, "  </qemu:commandline>\n");
	// No MSI-X for vhost-user cards under TCG.
	if (!l->kvm && l->vm->n_nics > 0)
		ctl_text_f(t, "  <qemu:override>\n");
	for (uint8_t i = 0; !l->kvm && i < l->vm->n_nics; i++)
		ctl_text_f(t,
			   "    <qemu:device alias='ua-nic%u'>\n      <qemu:frontend>\n"
			   "        <qemu:property name='vectors' type='unsigned' value='0'/>\n"
			   "      </qemu:frontend>\n    </qemu:device>\n",
			   l->vm->nics[i].id);
	if (!l->kvm && l->vm->n_nics > 0)
		ctl_text_f(t, "  </qemu:override>\n");
	ctl_text_f(t, "</domain>\n");
}
