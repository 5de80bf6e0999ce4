// A port of the configuration as the datapath's parameters: translate.c's part for ports.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control_priv.h"

// Does the kernel have vhost-net, which moves the frames of a tap without a system call for each?
// Asked once: a port's link does not change because a module was loaded meanwhile.
static bool has_vhost_net(void)
{
	static int has = -1;
	int fd;

	if (has < 0) {
		fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
		has = fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	return has != 0;
}

void ctl_port_link(const struct cfg_port *p, bool vhost_net, struct dp_port_params *o)
{
	const char *driver = "ethdev";

	snprintf(o->args, sizeof(o->args), "%s", p->link_arg);
	switch (p->link) {
	case CFG_LINK_SOCKET:
		driver = "vhost-user";
		break;
	case CFG_LINK_TAP:
		if (vhost_net && p->type == CFG_PORT_HOST)
			snprintf(o->args, sizeof(o->args),
				 "net_virtio_user_%.15s,path=/dev/vhost-net,iface=%.15s,queues=1,"
				 "queue_size=1024",
				 p->link_arg, p->link_arg);
		else
			driver = "tap";
		break;
	case CFG_LINK_AF_PACKET:
		// One frame per buffer: jumbo frames need larger ones, and blocks that hold them.
		snprintf(o->args, sizeof(o->args), "net_af_packet_%.15s,iface=%.15s%s", p->link_arg,
			 p->link_arg,
			 p->mtu > 1500 ? ",framesz=16384,blocksz=65536,framecnt=512" : "");
		break;
	default:
		break;
	}
	snprintf(o->driver, sizeof(o->driver), "%s", driver);
}

static void port_flags(const struct cfg_port *p, struct dp_port_params *o)
{
	static const uint8_t none[4];
	const struct {
		bool on;
		uint32_t flag;
	} f[] = {
		{ p->isolated, DP_PF_ISOLATED },
		{ p->admit, DP_PF_ADMIT },
		{ p->admit && p->dhcp_guard, DP_PF_DHCP_GUARD },
		{ p->admit && p->ra_guard, DP_PF_RA_GUARD },
		{ p->admit && p->has_mac, DP_PF_MAC_FIXED },
		{ p->admit && p->n_ip4 > 0, DP_PF_IP4_FIXED },
		{ p->admit && p->n_ip6 > 0, DP_PF_IP6_FIXED },
		{ p->trust_dscp, DP_PF_TRUST_DSCP },
		{ p->trust_pcp, DP_PF_TRUST_PCP },
		{ p->mirror_destination, DP_PF_MIRROR_DST },
		{ memcmp(p->service_ip4, none, 4) != 0, DP_PF_RESPONDER },
	};

	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++)
		o->flags |= f[i].on ? f[i].flag : 0;
}

// The VM of a guest port. Without one it gets a name that no VM can have: theirs have no slash.
static void port_vm(const struct cfg_port *p, char out[DP_VM_NAME])
{
	if (p->vm[0] == '\0' && p->type == CFG_PORT_GUEST)
		snprintf(out, DP_VM_NAME, "port/%s", p->name);
	else
		snprintf(out, DP_VM_NAME, "%s", p->vm);
}

bool ctl_has_vm(const struct dp_port_params *p)
{
	return p->vm[0] != '\0' && strchr(p->vm, '/') == NULL;
}

// TFTP is lock-step: of a transfer one message is on its way, or one and its repetition.
#define MESSAGES_PER_TRANSFER 2

static void boot_params(const struct cfg *cfg, const struct cfg_port *p, struct dp_port_params *o)
{
	static const uint8_t modes[] = { DP_BOOT_AUTHORITATIVE, DP_BOOT_PROXY, DP_BOOT_OFF };

	memcpy(o->service_ip4, p->service_ip4, sizeof(o->service_ip4));
	o->boot_mode = modes[p->service_mode];
	o->dhcp_pps = cfg->boot_limits.dhcp_rate;
	o->dhcp_burst_pkts = cfg->boot_limits.dhcp_burst;
	o->neighbour_pps = cfg->boot_limits.neighbour_rate;
	o->punt_transfers = (uint8_t)(cfg->boot_limits.transfers * MESSAGES_PER_TRANSFER);
}

void ctl_port_params(const struct cfg *cfg, const struct cfg_port *p, struct dp_port_params *o)
{
	static const uint8_t roles[] = { DP_ROLE_GUEST, DP_ROLE_UPLINK, DP_ROLE_HOST };
	static const uint8_t modes[] = { DP_VLAN_ACCESS,	  DP_VLAN_TRUNK,
					 DP_VLAN_NATIVE_UNTAGGED, DP_VLAN_NATIVE_TAGGED,
					 DP_VLAN_QINQ_CUSTOMER,	  DP_VLAN_QINQ_PROVIDER,
					 DP_VLAN_TRANSPARENT };
	enum qos_class cls = QOS_CLASS_BULK;

	memset(o, 0, sizeof(*o));
	snprintf(o->name, sizeof(o->name), "%s", p->name);
	port_vm(p, o->vm);
	snprintf(o->mirror_to, sizeof(o->mirror_to), "%s", p->mirror_to);
	ctl_port_link(p, has_vhost_net(), o);
	qos_class_find(p->default_class, &cls);
	o->default_class = (uint8_t)cls;
	o->rate_bits_per_s = p->rate;
	o->of_port = p->of_port;
	o->mtu = p->mtu;
	o->n_queues = p->queues;
	o->role = roles[p->type];
	o->vlan_mode = modes[p->vlan_mode];
	o->vid = p->vlan;
	o->mac_limit = p->admit ? p->mac_limit : 0;
	o->broadcast_pps = p->broadcast_limit;
	o->unknown_pps = p->unknown_limit;
	o->control_pps = p->control_limit;
	o->n_ip4 = p->n_ip4;
	o->n_ip6 = p->n_ip6;
	memcpy(o->mac, p->mac, sizeof(o->mac));
	memcpy(o->ip4, p->ip4, sizeof(o->ip4));
	memcpy(o->ip6, p->ip6, sizeof(o->ip6));
	memcpy(o->trunk, p->trunk, sizeof(o->trunk));
	port_flags(p, o);
	boot_params(cfg, p, o);
}
