#include "names.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ENTRY_MAX = 1 << 20 }; // bytes of a group with all its members

struct asked {
	struct asked *next;
	int fd;
	struct ctl_peer peer;
};

struct ctl_names {
	struct ev_loop *loop; // main only, as what follows until lock
	struct ctl_names_ops ops;
	void *arg;
	struct ev_async answers;
	char own[64]; // name of the daemon's user
	uint32_t n;   // asked for
	bool started;
	pthread_mutex_t lock; // of what follows; the thread frees all of it when main has left
	pthread_cond_t some;
	struct asked *todo, **todo_end, *done, **done_end;
	bool left;
};

static void asked_free(struct asked *a)
{
	for (size_t i = 0; i < a->peer.n_groups; i++)
		free(a->peer.groups[i]);
	free(a);
}

static void names_free(struct ctl_names *n)
{
	pthread_mutex_destroy(&n->lock);
	pthread_cond_destroy(&n->some);
	free(n);
}

static struct asked *take(struct asked **first, struct asked ***end)
{
	struct asked *a = *first;

	if (a == NULL)
		return NULL;
	*first = a->next;
	if (*first == NULL)
		*end = first;
	a->next = NULL;
	return a;
}

static void *serve(void *arg)
{
	struct ctl_names *n = arg;
	struct asked *a;

	pthread_mutex_lock(&n->lock);
	for (;;) {
		while (!n->left && n->todo == NULL)
			pthread_cond_wait(&n->some, &n->lock);
		if (n->left)
			break;
		a = take(&n->todo, &n->todo_end);
		pthread_mutex_unlock(&n->lock);
		n->ops.look_up(&a->peer);
		pthread_mutex_lock(&n->lock);
		if (n->left) {
			close(a->fd);
			asked_free(a);
			break;
		}
		*n->done_end = a;
		n->done_end = &a->next;
		ev_async_send(n->loop, &n->answers);
	}
	pthread_mutex_unlock(&n->lock);
	names_free(n);
	return NULL;
}

static void on_answers(struct ev_loop *loop, struct ev_async *w, int revents)
{
	struct ctl_names *n = w->data;
	struct asked *a;

	(void)loop;
	(void)revents;
	for (;;) {
		pthread_mutex_lock(&n->lock);
		a = take(&n->done, &n->done_end);
		pthread_mutex_unlock(&n->lock);
		if (a == NULL)
			return;
		n->n--;
		n->ops.known(n->arg, a->fd, &a->peer);
		asked_free(a);
	}
}

int ctl_names_create(struct ev_loop *loop, const struct ctl_names_ops *ops, void *arg,
		     struct ctl_names **out)
{
	struct ctl_names *n = calloc(1, sizeof(*n));
	const struct passwd *own = getpwuid(geteuid()); // once, at the start

	*out = n;
	if (n == NULL)
		return -ENOMEM;
	n->loop = loop;
	n->ops = *ops;
	n->arg = arg;
	snprintf(n->own, sizeof(n->own), "%s", own == NULL ? "weir" : own->pw_name);
	n->todo_end = &n->todo;
	n->done_end = &n->done;
	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->some, NULL);
	ev_async_init(&n->answers, on_answers);
	n->answers.data = n;
	ev_async_start(loop, &n->answers);
	return 0;
}

void ctl_names_destroy(struct ctl_names *n)
{
	struct asked *a;
	bool started;

	if (n == NULL)
		return;
	ev_async_stop(n->loop, &n->answers);
	pthread_mutex_lock(&n->lock);
	while ((a = take(&n->todo, &n->todo_end)) != NULL ||
	       (a = take(&n->done, &n->done_end)) != NULL) {
		close(a->fd);
		asked_free(a);
	}
	n->left = true;
	started = n->started;
	pthread_cond_signal(&n->some);
	pthread_mutex_unlock(&n->lock);
	if (!started)
		names_free(n);
}

// The thread is there when it is needed first. It may never come back from a look-up, so nobody
// waits for its end.
static int start(struct ctl_names *n)
{
	sigset_t all, before;
	pthread_t thread;
	int rc;

	if (n->started)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, NULL, serve, n);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return -rc;
	pthread_detach(thread);
	n->started = true;
	return 0;
}

int ctl_names_ask(struct ctl_names *n, int fd, uid_t uid)
{
	struct ctl_peer self = { .uid = uid, .recovery = uid == 0 || uid == geteuid() };
	struct asked *a;

	if (self.recovery) {
		snprintf(self.user, sizeof(self.user), "%s", uid == 0 ? "root" : n->own);
		n->ops.known(n->arg, fd, &self);
		return 0;
	}
	if (n->n == CTL_NAMES_MAX)
		return -EBUSY;
	a = calloc(1, sizeof(*a));
	if (a == NULL || start(n) < 0) {
		free(a);
		return -ENOMEM;
	}
	a->fd = fd;
	a->peer.uid = uid;
	n->n++;
	pthread_mutex_lock(&n->lock);
	*n->todo_end = a;
	n->todo_end = &a->next;
	pthread_cond_signal(&n->some);
	pthread_mutex_unlock(&n->lock);
	return 0;
}

static void group_add(struct ctl_peer *p, gid_t gid)
{
	struct group g, *found = NULL;
	char *buf = NULL, *more;
	size_t size = 1024;
	int rc = ERANGE;

	while (rc == ERANGE && size <= ENTRY_MAX) {
		more = realloc(buf, size *= 4);
		if (more == NULL)
			break;
		buf = more;
		rc = getgrgid_r(gid, &g, buf, size, &found);
	}
	if (rc == 0 && found != NULL)
		p->groups[p->n_groups] = strdup(g.gr_name);
	p->n_groups += p->groups[p->n_groups] != NULL;
	free(buf);
}

void ctl_names_look_up(struct ctl_peer *p)
{
	char buf[16384];
	gid_t gids[CTL_PEER_GROUPS];
	int n = CTL_PEER_GROUPS;
	struct passwd pw, *found = NULL;

	if (getpwuid_r(p->uid, &pw, buf, sizeof(buf), &found) != 0 || found == NULL) {
		snprintf(p->user, sizeof(p->user), "uid-%u", (unsigned)p->uid);
		return;
	}
	snprintf(p->user, sizeof(p->user), "%s", pw.pw_name);
	if (getgrouplist(pw.pw_name, pw.pw_gid, gids, &n) < 0)
		n = CTL_PEER_GROUPS; // it is in more: the first ones count
	for (int i = 0; i < n; i++)
		group_add(p, gids[i]);
}
