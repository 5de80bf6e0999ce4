// See of_sockets.h.
#include "of_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 16 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un un;
	struct sockaddr_storage all;
};

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static socklen_t address_make(const uint8_t addr[16], uint16_t port, union address *out)
{
	memset(out, 0, sizeof(*out));
	if (memcmp(addr, mapped, sizeof(mapped)) == 0) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		memcpy(&out->v4.sin_addr, addr + 12, 4);
		return sizeof(out->v4);
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(port);
	memcpy(&out->v6.sin6_addr, addr, 16);
	return sizeof(out->v6);
}

void ctl_of_place(const uint8_t addr[16], uint16_t port, char *out, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "";

	cfg_addr_text(addr, text, sizeof(text));
	snprintf(out, size, "%s port %u", text, port);
}

void ctl_of_peer(int fd, char *out, size_t size)
{
	union address a = { 0 };
	socklen_t len = sizeof(a);
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };
	struct ucred cred;

	if (getpeername(fd, &a.any, &len) < 0) {
		snprintf(out, size, "?");
		return;
	}
	if (a.any.sa_family == AF_INET || a.any.sa_family == AF_INET6) {
		bool v4 = a.any.sa_family == AF_INET;

		memcpy(addr + (v4 ? 12 : 0), v4 ? (void *)&a.v4.sin_addr : (void *)&a.v6.sin6_addr,
		       v4 ? 4 : 16);
		ctl_of_place(addr, ntohs(v4 ? a.v4.sin_port : a.v6.sin6_port), out, size);
		return;
	}
	len = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		snprintf(out, size, "process %d", (int)cred.pid);
	else
		snprintf(out, size, "a process");
}

int ctl_of_connect(const uint8_t addr[16], uint16_t port)
{
	union address a;
	socklen_t size = address_make(addr, port, &a);
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), code;

	if (fd < 0)
		return -errno;
	if (connect(fd, &a.any, size) == 0 || errno == EINPROGRESS)
		return fd;
	code = errno;
	close(fd);
	return -code;
}

static int refuse(const struct cfg_listener *conf, const char *what, int code,
		  struct cfg_error *err)
{
	memset(err, 0, sizeof(*err));
	snprintf(err->path, sizeof(err->path), "/weir-openflow:openflow/listener[name='%s']/%s",
		 conf->name, conf->path[0] != '\0' ? "unix" : "port");
	if (conf->path[0] != '\0')
		snprintf(err->value, sizeof(err->value), "%s", conf->path);
	else
		ctl_of_place(conf->addr, conf->port, err->value, sizeof(err->value));
	snprintf(err->reason, sizeof(err->reason), "%s: %s", what, strerror(code));
	return -code;
}

// A socket that nobody listens on is a left-over. returns 0 or a negative errno
static int left_over_remove(const struct sockaddr_un *a)
{
	struct stat st;
	int fd, rc;

	if (lstat(a->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)a, sizeof(*a));
	// Its queue is full: somebody is there.
	rc = rc == 0 || errno == EAGAIN ? -EADDRINUSE : 0;
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return rc;
	return unlink(a->sun_path) < 0 ? -errno : 0;
}

static int unix_listen(const struct cfg_listener *conf, struct cfg_error *err)
{
	union address a = { .un.sun_family = AF_UNIX };
	int fd, rc;

	snprintf(a.un.sun_path, sizeof(a.un.sun_path), "%s", conf->path);
	rc = left_over_remove(&a.un);
	if (rc < 0)
		return refuse(conf, "cannot listen", -rc, err);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return refuse(conf, "socket", errno, err);
	// Nobody can connect before it listens, and then its mode is right.
	if (bind(fd, &a.any, sizeof(a.un)) == 0 && chmod(conf->path, 0600) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	rc = refuse(conf, "cannot listen", errno, err);
	close(fd);
	return rc;
}

static int tcp_listen(const struct cfg_listener *conf, struct cfg_error *err)
{
	union address a;
	socklen_t size = address_make(conf->addr, conf->port, &a);
	int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	int rc;

	if (fd < 0)
		return refuse(conf, "socket", errno, err);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a.any.sa_family == AF_INET6) // who says :: does not say 0.0.0.0
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a.any, size) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	rc = refuse(conf, "cannot listen", errno, err);
	close(fd);
	return rc;
}

int ctl_of_listen(const struct cfg_listener *conf, struct cfg_error *err)
{
	return conf->path[0] != '\0' ? unix_listen(conf, err) : tcp_listen(conf, err);
}
