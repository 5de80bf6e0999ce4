// The provider for Linux tap devices, among them the host-facing port. The link's argument is the
// device's name.
//
// Own code instead of DPDK's net_tap, because that one takes no frame above 1,522 bytes, finishes
// neither checksum nor segmentation with the kernel, and needs one of 32 ethdev slots. Here
// checksums and TCP super-frames pass both ways unfinished (TUNSETOFFLOAD), and jumbo frames fit.
//
// A burst call makes one system call per frame, and while the device is silent one per 20 us.
//
// A tap that did not exist gets the same address each time (dp_tap_mac): guests that boot remember
// the boot service's, which is the host port's, and a restart of the switch must not hang them.
#ifndef DP_TAP_LINK_H
#define DP_TAP_LINK_H

#include "dp_port_driver.h"

extern const struct dp_link_driver dp_tap_link_driver;

// The address of a tap of this name: made of the machine's id, the network namespace and the name,
// so that it is the same after a restart and another on each host.
//
// thread   main; reads a file
void dp_tap_mac(const char *name, uint8_t mac[6]);

#endif
