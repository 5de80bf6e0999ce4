// IPv4 addresses on kernel devices, by rtnetlink: the service addresses of host ports.
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "host_addr.h"

struct request {
	struct nlmsghdr head;
	struct ifaddrmsg addr;
	struct {
		struct rtattr head;
		uint8_t ip[4];
	} local, address;
};

// One question to the kernel, and its answer: it comes before send() returns, or not at all.
static int ask(struct request *q)
{
	union {
		struct nlmsghdr head;
		uint8_t bytes[1024];
	} in;
	const struct timeval patience = { .tv_sec = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc = -EIO;
	ssize_t n;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(fd, q, sizeof(*q), 0) != (ssize_t)sizeof(*q) ||
	    (n = recv(fd, &in, sizeof(in), 0)) < 0)
		rc = -errno;
	else if ((size_t)n >= NLMSG_LENGTH(sizeof(struct nlmsgerr)) &&
		 in.head.nlmsg_type == NLMSG_ERROR)
		rc = ((const struct nlmsgerr *)NLMSG_DATA(&in.head))->error;
	close(fd);
	return rc;
}

static int change(uint16_t type, uint16_t flags, const struct ctl_host_addr *a)
{
	struct request q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = type,
			  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags) },
		.addr = { .ifa_family = AF_INET,
			  .ifa_prefixlen = a->prefix_len,
			  .ifa_index = a->ifindex },
		.local.head = { sizeof(q.local), IFA_LOCAL },
		.address.head = { sizeof(q.address), IFA_ADDRESS },
	};

	memcpy(q.local.ip, a->ip, 4);
	memcpy(q.address.ip, a->ip, 4);
	return ask(&q);
}

static int link_up(const char *dev)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0)
		return -errno;
	strncpy(r.ifr_name, dev, sizeof(r.ifr_name) - 1);
	if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		rc = -errno;
	r.ifr_flags |= IFF_UP;
	if (rc == 0 && ioctl(fd, SIOCSIFFLAGS, &r) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int ctl_host_addr_add(const char *dev, struct ctl_host_addr *a)
{
	const unsigned int ifindex = if_nametoindex(dev);
	int rc;

	if (ifindex == 0)
		return -errno;
	// A device of the same name that was made anew has lost what we gave it.
	if (a->ours && a->ifindex != ifindex)
		a->ours = false;
	a->ifindex = ifindex;
	rc = change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, a);
	if (rc == 0)
		a->ours = true;
	else if (rc == -EEXIST)
		rc = 0; // an operator's, or ours already
	return rc < 0 ? rc : link_up(dev);
}

void ctl_host_addr_del(struct ctl_host_addr *a)
{
	// May have gone with its device.
	if (a->ours)
		(void)change(RTM_DELADDR, 0, a);
	a->ours = false;
}
