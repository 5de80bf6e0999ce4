// Changes of the channel's configuration, in two steps, and what is shown of it. See of_channel.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "of_channel_priv.h"
#include "weir_log.h"

struct ctl_of_channel_change {
	struct cfg_openflow next;
	struct ctl_tls_files *tls;
	int fds[CFG_LISTENERS]; // new ones; -1 = is there already, or could not be bound
	bool kept[CFG_LISTENERS];
	char why[CFG_LISTENERS][256]; // could not be bound
};

static bool same_place(const struct cfg_listener *a, const struct cfg_listener *b)
{
	return strcmp(a->path, b->path) == 0 && a->port == b->port &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

// The listener that holds this place already. returns its index, or CFG_LISTENERS
static uint32_t holder(const struct ctl_of_channel *ch, const struct cfg_listener *conf)
{
	for (uint32_t i = 0; ch != NULL && i < CFG_LISTENERS; i++) {
		if (ch->listeners[i] != NULL && same_place(&ch->listeners[i]->conf, conf))
			return i;
	}
	return CFG_LISTENERS;
}

static int tls_prepare(struct ctl_of_channel_change *c, struct cfg_error *err)
{
	const struct cfg_openflow *o = &c->next;
	bool wanted = false;

	for (uint32_t i = 0; i < o->n_controllers; i++)
		wanted |= o->controllers[i].tls;
	for (uint32_t i = 0; i < o->n_listeners; i++)
		wanted |= o->listeners[i].tls;
	return wanted ? ctl_tls_files_read(&o->tls, &c->tls, err) : 0;
}

static int listeners_prepare(struct ctl_of_channel *ch, struct ctl_of_channel_change *c,
			     bool lenient, struct cfg_error *err)
{
	for (uint32_t i = 0; i < c->next.n_listeners; i++) {
		const struct cfg_listener *conf = &c->next.listeners[i];
		int fd;

		c->kept[i] = holder(ch, conf) < CFG_LISTENERS;
		if (c->kept[i])
			continue;
		fd = ctl_of_listen(conf, err);
		if (fd < 0 && !lenient)
			return fd;
		if (fd < 0)
			weir_log(WEIR_ERROR, "%s %s: %s; tried again", err->path, err->value,
				 err->reason);
		if (fd < 0)
			snprintf(c->why[i], sizeof(c->why[i]), "%s", err->reason);
		c->fds[i] = fd < 0 ? -1 : fd;
	}
	return 0;
}

int ctl_of_channel_prepare(struct ctl_of_channel *ch, const struct cfg_openflow *next, bool lenient,
			   struct ctl_of_channel_change **out, struct cfg_error *err)
{
	struct ctl_of_channel_change *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL) {
		memset(err, 0, sizeof(*err));
		snprintf(err->reason, sizeof(err->reason), "out of memory");
		return -ENOMEM;
	}
	c->next = *next;
	memset(c->fds, 0xff, sizeof(c->fds)); // -1
	rc = tls_prepare(c, err);
	if (rc < 0 && lenient) {
		weir_log(WEIR_ERROR, "%s %s: %s: there is no TLS", err->path, err->value,
			 err->reason);
		rc = 0;
	}
	if (rc == 0)
		rc = listeners_prepare(ch, c, lenient, err);
	if (rc < 0) {
		ctl_of_channel_abort(c);
		return rc;
	}
	*out = c;
	return 0;
}

void ctl_of_channel_abort(struct ctl_of_channel_change *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->next.n_listeners; i++) {
		if (c->fds[i] < 0)
			continue;
		close(c->fds[i]);
		if (c->next.listeners[i].path[0] != '\0')
			unlink(c->next.listeners[i].path);
	}
	ctl_tls_files_free(c->tls);
	free(c);
}

static void listeners_commit(struct ctl_of_channel *ch, struct ctl_of_channel_change *c)
{
	struct listener *now[CFG_LISTENERS] = { NULL };

	for (uint32_t i = 0; i < c->next.n_listeners; i++) {
		const struct cfg_listener *conf = &c->next.listeners[i];
		uint32_t at = holder(ch, conf);

		if (at < CFG_LISTENERS) {
			now[i] = ch->listeners[at];
			ch->listeners[at] = NULL;
			if (memcmp(&now[i]->conf, conf, sizeof(*conf)) == 0)
				continue;
			now[i]->conf = *conf;
			ctl_of_listener_recheck(now[i]);
		} else {
			now[i] = ctl_of_listener_make(ch, conf, c->fds[i]);
			if (now[i] != NULL)
				memcpy(now[i]->last_error, c->why[i], sizeof(c->why[i]));
		}
		c->fds[i] = -1;
	}
	for (uint32_t i = 0; i < CFG_LISTENERS; i++)
		ctl_of_listener_free(ch->listeners[i]);
	memcpy(ch->listeners, now, sizeof(now));
}

static void remotes_commit(struct ctl_of_channel *ch, const struct cfg_openflow *next)
{
	struct remote *now[CFG_CONTROLLERS] = { NULL };

	for (uint32_t i = 0; i < next->n_controllers; i++) {
		for (uint32_t k = 0; k < CFG_CONTROLLERS && now[i] == NULL; k++) {
			if (ch->remotes[k] == NULL ||
			    memcmp(&ch->remotes[k]->conf, &next->controllers[i],
				   sizeof(next->controllers[i])) != 0)
				continue;
			now[i] = ch->remotes[k];
			ch->remotes[k] = NULL;
		}
		if (now[i] == NULL)
			now[i] = ctl_of_remote_make(ch, &next->controllers[i]);
	}
	for (uint32_t i = 0; i < CFG_CONTROLLERS; i++)
		ctl_of_remote_free(ch->remotes[i]);
	memcpy(ch->remotes, now, sizeof(now));
}

void ctl_of_channel_commit(struct ctl_of_channel *ch, struct ctl_of_channel_change *c,
			   bool tls_is_new)
{
	if (c == NULL)
		return;
	ctl_tls_files_free(ch->tls);
	ch->tls = c->tls;
	c->tls = NULL;
	ch->allow_14 = c->next.allow_14;
	listeners_commit(ch, c);
	remotes_commit(ch, &c->next);
	if (tls_is_new && ch->tls != NULL)
		ctl_of_links_recheck(ch);
	ctl_of_channel_abort(c);
}

// --- What is shown

static void link_show(const struct link *l, struct ctl_of_link_info *out)
{
	snprintf(out->name, sizeof(out->name), "%s", l->name);
	snprintf(out->peer, sizeof(out->peer), "%s", l->peer);
	out->service = l->remote == NULL;
	out->since_s = (uint32_t)(ev_now(l->ch->p.loop) - l->since);
	out->state = CTL_OF_CONNECTING;
	if (l->conn == NULL)
		return;
	of_conn_info(l->conn, &out->conn);
	out->state = out->conn.up ? CTL_OF_ACTIVE : CTL_OF_GREETING;
}

static void remote_show(const struct remote *r, struct ctl_of_link_info *out)
{
	if (r->link != NULL) {
		link_show(r->link, out);
	} else {
		snprintf(out->name, sizeof(out->name), "%s", r->conf.name);
		ctl_of_place(r->conf.addr, r->conf.port, out->peer, sizeof(out->peer));
		out->since_s = (uint32_t)(ev_now(r->ch->p.loop) - r->since);
		out->state = CTL_OF_WAITING;
	}
	out->attempts = r->attempts;
	snprintf(out->last_error, sizeof(out->last_error), "%s",
		 r->last_error[0] != '\0' ? r->last_error : out->conn.last_error);
}

static void listener_show(const struct listener *ls, struct ctl_of_listener_info *out)
{
	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", ls->conf.name);
	if (ls->conf.path[0] != '\0')
		snprintf(out->place, sizeof(out->place), "%s", ls->conf.path);
	else
		ctl_of_place(ls->conf.addr, ls->conf.port, out->place, sizeof(out->place));
	out->protocol = ls->conf.path[0] != '\0' ? "unix" : ls->conf.tls ? "tls" : "tcp";
	out->is_open = ls->io.fd >= 0;
	memcpy(out->last_error, ls->last_error, sizeof(out->last_error));
}

bool ctl_of_channel_listener(const struct ctl_of_channel *ch, uint32_t i,
			     struct ctl_of_listener_info *out)
{
	for (uint32_t k = 0; k <= CFG_LISTENERS; k++) {
		if (ch->listeners[k] == NULL || i-- != 0)
			continue;
		listener_show(ch->listeners[k], out);
		return true;
	}
	return false;
}

bool ctl_of_channel_nth(const struct ctl_of_channel *ch, uint32_t i, struct ctl_of_link_info *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t k = 0; k < CFG_CONTROLLERS && ch->remotes[k] != NULL; k++) {
		if (i-- == 0) {
			remote_show(ch->remotes[k], out);
			return true;
		}
	}
	for (const struct link *l = ch->links; l != NULL; l = l->next) {
		if (l->remote != NULL || i-- != 0)
			continue;
		link_show(l, out);
		snprintf(out->last_error, sizeof(out->last_error), "%s", out->conn.last_error);
		return true;
	}
	return false;
}
