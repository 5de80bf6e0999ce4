// IPv4 addresses on kernel devices. Only what was added here is ever removed.
#ifndef HOST_ADDR_H
#define HOST_ADDR_H

#include <stdbool.h>
#include <stdint.h>

struct ctl_host_addr {
	uint8_t ip[4];
	uint8_t prefix_len;
	bool ours; // it was not there before
	unsigned int ifindex;
};

// Bring dev up, with this address. One that is there already stays, and is not ours.
// returns 0, or a negative errno: -ENODEV, -EPERM
int ctl_host_addr_add(const char *dev, struct ctl_host_addr *a);
// Take back what was added.
void ctl_host_addr_del(struct ctl_host_addr *a);

#endif
