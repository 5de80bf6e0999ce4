// The boot thread: its own libev loop around the responder. Frames come and go by ring, tables and
// events by value or by handing over ownership; nothing else is shared, so it can become a process
// of its own.
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "boot_http.h"
#include "boot_leases.h"
#include "control_priv.h"
#include "weir_log.h"

enum { PUNT_BURST = 16, PUNT_ROUNDS = 16, EVENTS_AT_ONCE = 64, BOOT_NICE = -5 };

struct ctl_boot {
	struct ctl *ctl;
	struct boot_responder *responder;   // boot thread only
	struct ctl_leases *leases;	    // boot thread only
	struct dp_punt in[PUNT_BURST], out; // boot thread only
	uint64_t heard_ns;		    // boot thread only: when the last of them came
	struct ev_loop *loop;		    // boot thread only, but for ev_async_send
	struct ev_async wake;
	struct ev_io punts;
	struct ev_timer tick;
	pthread_t thread;
	bool running;
	_Atomic bool stop;
	_Atomic uint64_t replies_lost;		  // found the ring to the worker full
	_Atomic(struct boot_table *) next;	  // main: w, boot: takes
	_Atomic(struct ctl_http_set *) next_http; // main: w, boot: takes
	struct ctl_http_thread *http;		  // boot thread only
	int events[2];		// datagrams of struct boot_event: [1] boot writes, [0] main reads
	struct ev_io events_io; // main
};

// A reply that finds the ring full is lost like one on a wire: the firmware asks again. It happens
// to nobody as long as requests are taken only while their answers fit.
static void on_send(void *ctx, const struct boot_client *c, const uint8_t *frame, size_t size)
{
	struct ctl_boot *b = ctx;

	if (size > sizeof(b->out.data))
		return;
	b->out.port = (uint16_t)c->port;
	b->out.gen = c->gen;
	b->out.vid = c->vid;
	b->out.size = (uint16_t)size;
	b->out.cls = QOS_CLASS_BOOT;
	memcpy(b->out.data, frame, size);
	if (dp_switch_inject(b->ctl->sw, &b->out) < 0)
		atomic_fetch_add(&b->replies_lost, 1);
}

static bool on_fits(void *ctx, uint32_t n)
{
	struct ctl_boot *b = ctx;

	return dp_switch_injects_fit(b->ctl->sw, n);
}

static void on_event(void *ctx, const struct boot_event *e)
{
	struct ctl_boot *b = ctx;

	// Full means main is behind: the timeline loses an event, the guest loses nothing.
	send(b->events[1], e, sizeof(*e), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_lease(void *ctx, const struct boot_lease *l)
{
	struct ctl_boot *b = ctx;

	ctl_leases_add(b->leases, l);
}

static void table_take(struct ctl_boot *b)
{
	struct boot_table *t = atomic_exchange(&b->next, NULL);

	if (t != NULL)
		boot_set_table(b->responder, t);
}

enum punts {
	PUNTS_NONE, // all were taken
	PUNTS_LEFT, // some may be left
	PUNTS_WAIT, // until workers have taken answers, and say so
};

static enum punts punts_take(struct ctl_boot *b)
{
	table_take(b);
	// Bounded, so that timers and tables have their turn under a flood.
	for (uint32_t rounds = 0; rounds < PUNT_ROUNDS; rounds++) {
		uint32_t n;

		// Each may be a whole window's acknowledgement.
		if (!on_fits(b, PUNT_BURST * BOOT_WINDOW_MAX)) {
			ctl_leases_flush(b->leases);
			return PUNTS_WAIT;
		}
		n = dp_switch_punts(b->ctl->sw, b->in, PUNT_BURST);
		if (n == 0) {
			ctl_leases_flush(b->leases);
			return PUNTS_NONE;
		}
		b->heard_ns = b->in[n - 1].ns;
		for (uint32_t i = 0; i < n; i++) {
			const struct dp_punt *p = &b->in[i];

			boot_input(b->responder, &(struct boot_frame){ p->port, p->gen, p->data,
								       p->size, p->ns });
		}
	}
	ctl_leases_flush(b->leases);
	return PUNTS_LEFT;
}

// A timer says what a peer did not do in time; what it did may wait to be taken still.
static void tick(struct ctl_boot *b, uint64_t now_ns)
{
	boot_tick(b->responder, punts_take(b) == PUNTS_NONE ? now_ns : b->heard_ns);
}

static void on_punts(struct ev_loop *loop, struct ev_io *io, int revents)
{
	eventfd_t n;

	(void)loop;
	(void)revents;
	if (eventfd_read(io->fd, &n) == 0 && punts_take(io->data) == PUNTS_LEFT)
		eventfd_write(io->fd, 1);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl_boot *b = t->data;

	(void)loop;
	(void)revents;
	tick(b, dp_switch_now_ns());
	ctl_leases_tick(b->leases, dp_switch_now_ns());
}

static void on_wake(struct ev_loop *loop, struct ev_async *w, int revents)
{
	struct ctl_boot *b = w->data;

	(void)revents;
	table_take(b);
	ctl_http_take(b->http, atomic_exchange(&b->next_http, NULL));
	if (atomic_load(&b->stop))
		ev_break(loop, EVBREAK_ALL);
}

static void *thread_main(void *arg)
{
	struct ctl_boot *b = arg;

	// It shares its CPU with main, which shows and keeps things while guests wait for this one.
	// Not so much that a flood of requests could keep main from its work. Not allowed: then
	// not.
	(void)!setpriority(PRIO_PROCESS, (id_t)gettid(), BOOT_NICE);
	ev_run(b->loop, 0);
	return NULL;
}

// Main: what happened, put into the VM's timeline.
static void event_take(struct ctl *c, const struct boot_event *e)
{
	struct dp_port_info info;

	if (dp_switch_port_info(c->sw, (uint16_t)e->port, &info) < 0 || info.gen != e->gen ||
	    !ctl_has_vm(&info.cfg))
		return;
	ctl_vm_boot_event(c, info.cfg.vm,
			  e); // it may begin a boot, of which this is the first event
	ctl_vm_event(c, info.cfg.vm, e->ns, "%s%s%s", boot_event_name(e->kind),
		     e->detail[0] ? ": " : "", e->detail);
	if (e->stage != BOOT_STAGE_NONE)
		ctl_storage_edge(c, info.cfg.vm,
				 e->stage == BOOT_STAGE_FIRMWARE ? QOS_EDGE_DHCP_FW
								 : QOS_EDGE_DHCP_OS,
				 e->ns);
}

static void events_take(struct ctl *c, int fd)
{
	struct boot_event e;

	for (uint32_t n = 0;
	     n < EVENTS_AT_ONCE && recv(fd, &e, sizeof(e), MSG_DONTWAIT) == sizeof(e); n++)
		event_take(c, &e);
}

static void on_events(struct ev_loop *loop, struct ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	events_take(io->data, io->fd);
}

static int boot_create_all(struct ctl *c)
{
	struct ctl_boot *b = calloc(1, sizeof(*b));
	struct boot_out out = {
		.send = on_send, .fits = on_fits, .event = on_event, .lease = on_lease, .ctx = b
	};

	if (b == NULL)
		return -ENOMEM;
	b->ctl = c;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, b->events) < 0 ||
	    boot_create(&out, &b->responder) < 0 ||
	    ctl_leases_open(c->persist, b->responder, dp_switch_now_ns(), (uint64_t)time(NULL),
			    &b->leases) < 0) {
		free(b);
		return -ENOMEM;
	}
	c->boot = b;
	return 0;
}

int ctl_boot_start(struct ctl *c)
{
	struct ctl_boot *b;

	if (boot_create_all(c) < 0)
		return -ENOMEM;
	b = c->boot;
	if (c->loop == NULL)
		return 0; // a test drives it by ctl_boot_poll
	b->loop = ev_loop_new(EVFLAG_AUTO);
	if (b->loop == NULL)
		return -ENOMEM;
	b->http = ctl_http_thread_create(b->loop, b->responder,
					 &(const struct boot_out){ .event = on_event, .ctx = b },
					 dp_switch_now_ns);
	if (b->http == NULL)
		return -ENOMEM;
	ev_async_init(&b->wake, on_wake);
	ev_io_init(&b->punts, on_punts, dp_switch_punt_fd(c->sw), EV_READ);
	ev_timer_init(&b->tick, on_tick, 0.1, 0.1);
	b->wake.data = b->punts.data = b->tick.data = b;
	ev_async_start(b->loop, &b->wake);
	ev_io_start(b->loop, &b->punts);
	ev_timer_start(b->loop, &b->tick);
	ev_io_init(&b->events_io, on_events, b->events[0], EV_READ);
	b->events_io.data = c;
	ev_io_start(c->loop, &b->events_io);
	if (pthread_create(&b->thread, NULL, thread_main, b) != 0)
		return -EAGAIN;
	b->running = true;
	return 0;
}

void ctl_boot_stop(struct ctl *c)
{
	struct ctl_boot *b = c->boot;

	if (b == NULL)
		return;
	if (b->running) {
		atomic_store(&b->stop, true);
		ev_async_send(b->loop, &b->wake);
		pthread_join(b->thread, NULL);
		ev_io_stop(c->loop, &b->events_io);
	}
	ctl_http_take(b->http, atomic_exchange(&b->next_http, NULL));
	ctl_http_thread_destroy(b->http);
	ctl_http_stop(c);
	if (b->loop != NULL)
		ev_loop_destroy(b->loop);
	boot_table_free(atomic_exchange(&b->next, NULL));
	ctl_leases_close(b->leases);
	boot_destroy(b->responder);
	close(b->events[0]);
	close(b->events[1]);
	free(b);
	c->boot = NULL;
	ctl_boot_files_free(c);
}

void ctl_boot_set(struct ctl *c, struct boot_table *t)
{
	if (c->boot == NULL) {
		boot_table_free(t);
		return;
	}
	boot_table_free(atomic_exchange(&c->boot->next, t)); // one that was never taken
	if (c->boot->running)
		ev_async_send(c->boot->loop, &c->boot->wake);
}

void ctl_boot_http_set(struct ctl *c, struct ctl_http_set *set)
{
	ctl_http_merge(set, atomic_exchange(&c->boot->next_http, NULL));
	atomic_store(&c->boot->next_http, set);
	ev_async_send(c->boot->loop, &c->boot->wake);
}

void ctl_boot_poll(struct ctl *c, uint64_t now_ns)
{
	tick(c->boot, now_ns);
	events_take(c, c->boot->events[0]);
}

uint64_t ctl_boot_counters(struct ctl *c, struct boot_counters *out)
{
	// 64-bit counters, written by the boot thread alone; a reader may be one event behind.
	*out = *boot_counters(c->boot->responder);
	return atomic_load(&c->boot->replies_lost);
}
