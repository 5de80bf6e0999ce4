// The provider for guests on vhost-user sockets that QEMU owns; Weir is the client and reconnects.
//
// The link's argument is the socket path. Underneath is librte_vhost for now (design.md decision
// 1); nothing outside this room knows. Offered: split rings, mergeable buffers, indirect
// descriptors, multiqueue, checksum, TSO for TCPv4 and TCPv6. Not offered, for want of a software
// fallback or of a restart promise: UFO, ECN with TSO, packed rings.
//
// A guest may connect, change its queues or vanish at any time; the port stays.
#ifndef VH_DRIVER_H
#define VH_DRIVER_H

#include "dp_port_driver.h"

extern const struct dp_link_driver vh_driver;

// Guests that librte_vhost can hold in one process.
#define VH_MAX_GUESTS 1000

#endif
