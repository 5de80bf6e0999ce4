// libmicrohttpd's epoll descriptor and its timeout, as libev's watchers.
#include <string.h>

#include "mhd_loop.h"

static void run(struct ctl_mhd *m)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(m->daemon);
	ev_timer_stop(m->loop, &m->due);
	if (MHD_get_timeout(m->daemon, &ms) != MHD_YES)
		return;
	ev_timer_set(&m->due, (double)ms / 1000.0, 0.0);
	ev_timer_start(m->loop, &m->due);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	run(io->data);
}

static void on_due(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	run(t->data);
}

void ctl_mhd_watch(struct ctl_mhd *m, struct ev_loop *loop)
{
	int fd = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

	m->loop = loop;
	ev_io_init(&m->io, on_io, fd, EV_READ);
	ev_timer_init(&m->due, on_due, 0.0, 0.0);
	m->io.data = m->due.data = m;
	ev_io_start(loop, &m->io);
}

void ctl_mhd_stop(struct ctl_mhd *m)
{
	if (m->loop != NULL) {
		ev_io_stop(m->loop, &m->io);
		ev_timer_stop(m->loop, &m->due);
	}
	if (m->daemon != NULL)
		MHD_stop_daemon(m->daemon);
	m->loop = NULL;
	m->daemon = NULL;
}

int ctl_mhd_say(struct MHD_Connection *conn, unsigned int status, const char *text,
		const char *const more[2])
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	int rc;

	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
	if (more != NULL)
		MHD_add_response_header(r, more[0], more[1]);
	rc = MHD_queue_response(conn, status, r);
	MHD_destroy_response(r);
	return rc;
}
