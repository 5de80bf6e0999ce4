// weir-netconf: sshd's subsystem. Carries bytes between its standard input and output and the
// daemon's NETCONF socket.
//
//	Subsystem netconf /usr/bin/weir-netconf
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BYTES = 65536 };

// Move what one side has to the other, whole. returns false at the end
static bool carry(int from, int to)
{
	char bytes[BYTES];
	ssize_t n = read(from, bytes, sizeof(bytes)), at = 0;

	if (n < 0 && errno == EINTR)
		return true;
	while (at < n) {
		ssize_t w = write(to, bytes + at, (size_t)(n - at));

		if (w < 0 && errno != EINTR)
			return false;
		at += w < 0 ? 0 : w;
	}
	return n > 0;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/run/weir/netconf.sock";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct pollfd p[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };

	if (argc > 2 || strlen(path) >= sizeof(a.sun_path)) {
		fputs("usage: weir-netconf [SOCKET]\n", stderr);
		return 2;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	p[1].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p[1].fd < 0 || connect(p[1].fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		fprintf(stderr,
			"weir-netconf: %s: %s: does weir-switchd run, and may you use it?\n", path,
			strerror(errno));
		return 1;
	}
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (p[1].revents != 0 && !carry(p[1].fd, 1))
			return 0;
		if (p[0].revents != 0 && !carry(0, p[1].fd)) {
			// The client has said all; what the daemon still answers goes out.
			shutdown(p[1].fd, SHUT_WR);
			p[0].fd = -1;
		}
	}
}
