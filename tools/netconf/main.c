// weir-netconf: sshd's subsystem. Carries bytes between its standard input and output and the
// daemon's NETCONF socket.
//
//	Subsystem netconf /usr/bin/weir-netconf
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BYTES = 65536 };

// One direction. Both are carried at the same time, and none waits for the other: the daemon reads
// no more requests from who does not take its answers.
struct flow {
	int from, to;
	size_t at, size; // of bytes: what is still to be written
	bool over;	 // nothing more comes
	char bytes[BYTES];
};

// What poll() is to look for. A descriptor without anything to look for is left out, or a side that
// hung up would be reported without end.
static void want(const struct flow *f, struct pollfd *from, struct pollfd *to)
{
	*from = (struct pollfd){ f->over || f->at < f->size ? -1 : f->from, POLLIN, 0 };
	*to = (struct pollfd){ f->at < f->size ? f->to : -1, POLLOUT, 0 };
}

// returns false when the other side takes nothing any more
static bool carry(struct flow *f, const struct pollfd *from, const struct pollfd *to)
{
	ssize_t n;

	if (from->revents != 0) {
		n = read(f->from, f->bytes, sizeof(f->bytes));
		f->over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
		f->at = 0;
		f->size = n > 0 ? (size_t)n : 0;
	}
	if (to->revents != 0) {
		n = write(f->to, f->bytes + f->at, f->size - f->at);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		f->at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static void unblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

// Until one side has gone. returns the exit code
static int carry_all(int daemon)
{
	static struct flow out = { .from = STDIN_FILENO }, in = { .to = STDOUT_FILENO };
	bool told = false;
	struct pollfd p[4];

	out.to = in.from = daemon;
	for (;;) {
		// The client has said all; what the daemon still answers goes out.
		if (out.over && out.at == out.size && !told) {
			shutdown(daemon, SHUT_WR);
			told = true;
		}
		if (in.over && in.at == in.size)
			return 0;
		want(&out, &p[0], &p[1]);
		want(&in, &p[2], &p[3]);
		if (poll(p, 4, -1) < 0 && errno != EINTR)
			return 1;
		// The daemon may have hung up on a client that still speaks: its last words count.
		if (!carry(&out, &p[0], &p[1])) {
			out.over = true;
			out.at = out.size = 0;
		}
		if (!carry(&in, &p[2], &p[3]))
			return 1;
	}
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/run/weir/netconf.sock";
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd;

	if (argc > 2 || strlen(path) >= sizeof(a.sun_path)) {
		fputs("usage: weir-netconf [SOCKET]\n", stderr);
		return 2;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	signal(SIGPIPE, SIG_IGN);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		fprintf(stderr,
			"weir-netconf: %s: %s: does weir-switchd run, and may you use it?\n", path,
			strerror(errno));
		return 1;
	}
	unblock(fd);
	unblock(STDIN_FILENO);
	unblock(STDOUT_FILENO);
	return carry_all(fd);
}
