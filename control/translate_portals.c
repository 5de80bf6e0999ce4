// Part of translate.c: the portals from which VMs boot.
#include <arpa/inet.h>

#include "control_priv.h"

static bool addr_read(const char *text, struct qos_addr *out)
{
	*out = (struct qos_addr){ .b = { [10] = 0xff, [11] = 0xff } };
	return text[0] != '\0' && (inet_pton(AF_INET, text, out->b + 12) == 1 ||
				   inet_pton(AF_INET6, text, out->b) == 1);
}

// NFS 4 has one port. NFS 3 asks rpcbind, by either transport, where the others are; what that
// answers is learnt, since the operator named the server.
static uint32_t nfs_portals(const struct cfg_vm *vm, struct qos_portal *out)
{
	struct qos_portal p = {
		.port = 2049, .proto = IPPROTO_TCP, .service = QOS_SVC_NFS, .how = QOS_HOW_DECLARED
	};
	uint32_t n = 0;

	if (!addr_read(vm->nfs_server, &p.addr))
		return 0;
	out[n++] = p;
	if (!vm->nfs_v3)
		return n;
	p.port = 111;
	p.service = QOS_SVC_RPCBIND;
	out[n++] = p;
	p.proto = IPPROTO_UDP;
	out[n++] = p;
	return n;
}

uint32_t ctl_boot_portals(const struct cfg_vm *vm, struct qos_portal out[CTL_BOOT_PORTALS])
{
	struct qos_portal p = { .port = vm->iscsi_port,
				.proto = IPPROTO_TCP,
				.service = QOS_SVC_ISCSI,
				.how = QOS_HOW_DECLARED };
	uint32_t n = nfs_portals(vm, out);

	if (addr_read(vm->iscsi_server, &p.addr))
		out[n++] = p;
	return n;
}
