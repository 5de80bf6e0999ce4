// The provider for everything that DPDK calls an ethdev: NICs by PCI address, tap, af_packet,
// af_xdp, memif, pcap, null, ring. The link's argument is a devargs string ("net_tap0,iface=weir0",
// "0000:03:00.0").
#ifndef DP_ETHDEV_H
#define DP_ETHDEV_H

#include "dp_port_driver.h"

extern const struct dp_link_driver dp_ethdev_driver;

#endif
