// OpenFlow as a service of the daemon: tables in the switch, the agent and its channel come and go
// with the configuration (prepare, then commit or abort), and what they are is shown.
//
// What was switched off goes from the datapath when no worker can see it any more; until then
// it cannot be switched on again.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "of_channel.h"
#include "of_numbers.h"
#include "of_tls.h"
#include "weir_log.h"

#ifndef WEIR_VERSION
#define WEIR_VERSION "unknown"
#endif

enum { MAX_GROUPS = 4096, MAX_METERS = 4096, PACKET_INS = 1024 };

struct ctl_of {
	struct cfg_openflow conf;
	struct dp_of *of;
	struct of_agent *agent;
	struct ctl_of_channel *channel; // NULL without a loop (tests)
	uint64_t tls_stamp;		// of the files as they were read
	uint32_t n_flows_max;		// that the tables take now
};

struct ctl_of_change {
	bool on, off;
	uint64_t tls_stamp;
	struct cfg_openflow next;
	struct ctl_of *made; // on
	struct ctl_of_channel_change *channel;
};

static int refuse(struct cfg_error *err, int rc, const char *value, const char *reason)
{
	memset(err, 0, sizeof(*err));
	snprintf(err->path, sizeof(err->path), "/weir-openflow:openflow/enabled");
	snprintf(err->value, sizeof(err->value), "%s", value);
	snprintf(err->reason, sizeof(err->reason), "%s", reason);
	return rc;
}

// Three times the longest probe; the default's, where a controller is never probed.
static uint32_t loss_s(const struct cfg_openflow *o)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < o->n_controllers; i++) {
		uint32_t probe = o->controllers[i].probe_s == 0 ? 5 : o->controllers[i].probe_s;

		most = probe > most ? probe : most;
	}
	return 3 * most;
}

static void agent_params(const struct ctl *c, const struct cfg_openflow *o, struct dp_of *of,
			 struct of_agent_params *p)
{
	memset(p, 0, sizeof(*p));
	p->sw = c->sw;
	p->of = of;
	p->datapath_id =
		o->datapath_id != 0 ? o->datapath_id : ctl_of_numbers_datapath(c->of_numbers);
	p->max_flows = o->flow_limit;
	p->max_groups = MAX_GROUPS;
	p->max_meters = MAX_METERS;
	p->fail_mode = o->standalone ? OF_FAIL_STANDALONE : OF_FAIL_SECURE;
	p->loss_s = loss_s(o);
	snprintf(p->manufacturer, sizeof(p->manufacturer), "Weir");
	snprintf(p->hardware, sizeof(p->hardware), "Weir switch");
	snprintf(p->software, sizeof(p->software), "weir-switchd " WEIR_VERSION);
	snprintf(p->serial, sizeof(p->serial), "%016" PRIx64, p->datapath_id);
	snprintf(p->description, sizeof(p->description), "Weir");
}

// --- On and off

static void destroy(struct ctl_of *o)
{
	if (o == NULL)
		return;
	ctl_of_channel_destroy(o->channel);
	of_agent_destroy(o->agent);
	free(o);
}

// "/run/weir/openflow.sock" beside "/run/weir/weir.sock".
static void socket_path(const struct ctl *c, char *out, size_t size)
{
	const char *slash = strrchr(c->socket_path, '/');
	int dir = slash == NULL ? 0 : (int)(slash - c->socket_path) + 1;

	if (snprintf(out, size, "%.*sopenflow.sock", dir, c->socket_path) >= (int)size)
		out[0] = '\0';
}

static int channel_create(const struct ctl *c, struct ctl_of *o)
{
	char path[108];
	const struct ctl_of_channel_params p = {
		.loop = c->loop,
		.agent = o->agent,
		.of = o->of,
		.socket_path = path,
	};

	socket_path(c, path, sizeof(path));
	return c->loop == NULL ? 0 : ctl_of_channel_create(&p, &o->channel);
}

// Tables, agent and channel, with nobody on it yet and off. returns 0, or negative with err filled
static int create(struct ctl *c, const struct cfg_openflow *next, struct ctl_of **out,
		  struct cfg_error *err)
{
	const struct dp_of_params dp = {
		.max_flows = next->flow_limit,
		.max_groups = MAX_GROUPS,
		.max_meters = MAX_METERS,
		.cache_entries = next->cache_entries,
		.packet_in_pps = next->packet_in_rate,
		.packet_in_burst = next->packet_in_burst,
		.n_packet_ins = PACKET_INS,
	};
	struct weir_err werr = { .text = "out of memory" };
	struct ctl_of *o = calloc(1, sizeof(*o));
	struct of_agent_params ap;
	int rc = o == NULL ? -ENOMEM : dp_of_create(c->sw, &dp, &o->of, &werr);

	*out = NULL;
	if (rc < 0) {
		free(o);
		return refuse(err, rc, "true", werr.text);
	}
	o->conf = *next;
	o->n_flows_max = next->flow_limit;
	agent_params(c, next, o->of, &ap);
	rc = of_agent_create(&ap, &o->agent, &werr);
	if (rc == 0)
		rc = channel_create(c, o);
	if (rc < 0) {
		struct dp_of *of = o->of;

		destroy(o);
		dp_of_destroy(of); // no worker has seen it
		return refuse(err, rc, "true", werr.text);
	}
	*out = o;
	return 0;
}

static void off(struct ctl *c)
{
	struct weir_err err;
	int rc = dp_of_set_mode(c->of->of, DP_OF_OFF, &err); // before the tables are empty

	c->of_going = c->of->of;
	destroy(c->of);
	c->of = NULL;
	// Out of memory for one snapshot: ports are served by the tables until there is some.
	if (rc < 0) {
		weir_log(WEIR_ERROR, "openflow: %s; tried again", err.text);
		c->of_stays = true;
		return;
	}
	c->of_gone_at = dp_of_publish(c->of_going);
}

void ctl_of_poll(struct ctl *c, uint64_t now_ns)
{
	struct weir_err err;

	if (c->of != NULL && c->of->channel == NULL)
		of_agent_tick(c->of->agent, now_ns);
	if (c->of_going == NULL)
		return;
	if (c->of_stays) {
		if (dp_of_set_mode(c->of_going, DP_OF_OFF, &err) < 0)
			return;
		c->of_stays = false;
		c->of_gone_at = dp_of_publish(c->of_going);
	}
	if (!dp_of_settled(c->of_going, c->of_gone_at))
		return;
	dp_of_destroy(c->of_going);
	c->of_going = NULL;
}

// --- Changes

int ctl_of_rehearse(const struct ctl *c, const struct cfg *next, struct cfg_error *err)
{
	const struct cfg_openflow *o = &next->openflow;
	struct ctl_tls_files *tls = NULL;
	int rc = 0;

	(void)c;
	// Sockets are not for a rehearsal: to bind one would touch what is there.
	if (o->enabled && o->tls.key[0] != '\0' && o->tls.certificate[0] != '\0' &&
	    o->tls.ca[0] != '\0')
		rc = ctl_tls_files_read(&o->tls, &tls, err);
	ctl_tls_files_free(tls);
	return rc;
}

static int change_prepare(struct ctl *c, struct ctl_of_change *ch, struct cfg_error *err)
{
	struct ctl_of_channel *channel;
	int rc = 0;

	if (ch->on)
		ctl_of_poll(c, dp_switch_now_ns());
	if (ch->on && c->of_going != NULL)
		return refuse(err, -EBUSY, "true",
			      "workers still leave the tables of before: try again");
	if (ch->on)
		rc = create(c, &ch->next, &ch->made, err);
	channel = ch->on ? (ch->made == NULL ? NULL : ch->made->channel)
			 : (c->of == NULL ? NULL : c->of->channel);
	if (rc == 0 && !ch->off && channel != NULL)
		rc = ctl_of_channel_prepare(channel, &ch->next, c->unasked, &ch->channel, err);
	return rc;
}

// A number that changes when what the files of TLS hold does: a certificate is renewed under its
// name.
static uint64_t tls_stamp(const struct cfg_openflow *o)
{
	uint64_t h = ctl_stamp_add(0, o->tls.key);

	return ctl_stamp_add(ctl_stamp_add(h, o->tls.certificate), o->tls.ca);
}

bool ctl_of_is_renewed(const struct ctl *c, const struct cfg *next)
{
	return c->of != NULL && next->openflow.enabled &&
	       tls_stamp(&next->openflow) != c->of->tls_stamp;
}

// A commit of something else does not fail by files that nobody named.
static bool is_readable(const struct cfg_openflow *o)
{
	struct ctl_tls_files *tls = NULL;
	struct cfg_error err;

	if (ctl_tls_files_read(&o->tls, &tls, &err) == 0) {
		ctl_tls_files_free(tls);
		return true;
	}
	weir_log(WEIR_ERROR, "%s %s: %s: TLS goes on with what was read before", err.path,
		 err.value, err.reason);
	return false;
}

int ctl_of_prepare(struct ctl *c, const struct cfg *next, struct ctl_of_change **out,
		   struct cfg_error *err)
{
	const struct cfg_openflow *o = &next->openflow;
	bool is_on = c->of != NULL;
	struct ctl_of_change *ch;
	int rc;

	*out = NULL;
	if (is_on == o->enabled && (!is_on || memcmp(&c->of->conf, o, sizeof(*o)) == 0) &&
	    (!ctl_of_is_renewed(c, next) || !is_readable(o)))
		return 0;
	ch = calloc(1, sizeof(*ch));
	if (ch == NULL)
		return refuse(err, -ENOMEM, "", "out of memory");
	ch->next = *o;
	ch->on = !is_on;
	ch->off = !o->enabled;
	ch->tls_stamp = tls_stamp(o); // before they are read
	rc = change_prepare(c, ch, err);
	if (rc < 0) {
		ctl_of_abort(c, ch);
		return rc;
	}
	*out = ch;
	return 0;
}

void ctl_of_abort(struct ctl *c, struct ctl_of_change *ch)
{
	struct dp_of *of;

	(void)c;
	if (ch == NULL)
		return;
	ctl_of_channel_abort(ch->channel);
	if (ch->made != NULL) {
		of = ch->made->of;
		destroy(ch->made);
		dp_of_destroy(of); // no worker has seen it
	}
	free(ch);
}

// What the tables were made with stays until they are made anew; limits are in force at once.
static void limits_set(struct ctl_of *o, const struct cfg_openflow *next)
{
	uint32_t flows = dp_of_set_limits(o->of, next->flow_limit, next->packet_in_rate,
					  next->packet_in_burst);

	if (flows != next->flow_limit && o->conf.flow_limit != next->flow_limit)
		weir_log(WEIR_WARNING,
			 "openflow: flow-limit %u: the tables were made for %u, and hold more when "
			 "OpenFlow is switched on the next time",
			 next->flow_limit, flows);
	if (o->conf.cache_entries != next->cache_entries)
		weir_log(WEIR_WARNING,
			 "openflow: cache-entries %u takes effect when OpenFlow is switched on the "
			 "next time",
			 next->cache_entries);
	o->n_flows_max = flows;
}

static void change_commit(struct ctl *c, struct ctl_of_change *ch)
{
	struct of_agent_params p;
	bool same_id, tls_is_new;

	if (ch->on)
		c->of = ch->made;
	else
		limits_set(c->of, &ch->next);
	same_id = c->of->conf.datapath_id == ch->next.datapath_id;
	tls_is_new = c->of->tls_stamp != ch->tls_stamp ||
		     memcmp(&c->of->conf.tls, &ch->next.tls, sizeof(ch->next.tls)) != 0;
	c->of->tls_stamp = ch->tls_stamp;
	c->of->conf = ch->next;
	agent_params(c, &ch->next, c->of->of, &p);
	p.max_flows = c->of->n_flows_max;
	of_agent_configure(c->of->agent, &p);
	if (c->of->channel != NULL) {
		ctl_of_channel_commit(c->of->channel, ch->channel, tls_is_new);
		if (!same_id)
			ctl_of_channel_reconnect(c->of->channel, "the switch has a new identity");
	}
}

void ctl_of_commit(struct ctl *c, struct ctl_of_change *ch)
{
	if (ch != NULL && ch->off)
		off(c);
	else if (ch != NULL)
		change_commit(c, ch);
	free(ch);
	if (c->of == NULL)
		return;
	// In force with the ports, and they with it, not at the next tick.
	of_agent_ports_changed(c->of->agent);
	of_agent_tick(c->of->agent, dp_switch_now_ns());
}

// --- The end

void ctl_of_stop(struct ctl *c)
{
	if (c->of == NULL)
		return;
	c->of_going = c->of->of;
	destroy(c->of);
	c->of = NULL;
}

void ctl_of_free(struct ctl *c)
{
	dp_of_destroy(c->of_going);
	c->of_going = NULL;
	ctl_of_numbers_close(c->of_numbers);
	c->of_numbers = NULL;
}

struct of_agent *ctl_of_agent(const struct ctl *c)
{
	return c->of == NULL ? NULL : c->of->agent;
}

struct dp_of *ctl_of_tables(const struct ctl *c)
{
	return c->of == NULL ? NULL : c->of->of;
}

const struct ctl_of_channel *ctl_of_channel_now(const struct ctl *c)
{
	return c->of == NULL ? NULL : c->of->channel;
}

// --- What is shown

static void connection_show(const struct ctl_of_link_info *l, struct cfg_json *j)
{
	static const char *const states[] = { "waiting", "connecting", "greeting", "active" };
	static const char *const roles[] = { NULL, "equal", "master", "slave" };
	char version[8];

	cfg_json_open(j, NULL, '{');
	cfg_json_str(j, "name", l->name);
	cfg_json_str(j, "kind", l->service ? "service" : "controller");
	cfg_json_str(j, "peer", l->peer);
	cfg_json_str(j, "state", states[l->state]);
	if (l->conn.up) {
		snprintf(version, sizeof(version), "1.%u", l->conn.version - 1u);
		cfg_json_str(j, "version", version);
		cfg_json_str(j, "role", roles[l->conn.role & 3]);
	}
	cfg_json_u32(j, "since", l->since_s);
	if (!l->service)
		cfg_json_u32(j, "attempts", l->attempts);
	if (l->last_error[0] != '\0')
		cfg_json_str(j, "last-error", l->last_error);
	cfg_json_u64(j, "messages-in", l->conn.n_in);
	cfg_json_u64(j, "messages-out", l->conn.n_out);
	cfg_json_u64(j, "errors", l->conn.n_errors_sent);
	cfg_json_u64(j, "packet-ins", l->conn.n_packet_ins);
	cfg_json_u64(j, "packet-ins-dropped", l->conn.n_packet_ins_dropped);
	cfg_json_u32(j, "bundles", l->conn.n_bundles);
	cfg_json_close(j, '}');
}

static void listeners_show(const struct ctl_of_channel *channel, struct cfg_json *j)
{
	struct ctl_of_listener_info l;

	cfg_json_open(j, "listener", '[');
	for (uint32_t i = 0; channel != NULL && ctl_of_channel_listener(channel, i, &l); i++) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "place", l.place);
		cfg_json_str(j, "name", l.name);
		cfg_json_str(j, "protocol", l.protocol);
		cfg_json_str(j, "state", l.is_open ? "listening" : "waiting");
		if (l.last_error[0] != '\0')
			cfg_json_str(j, "last-error", l.last_error);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

// Tables that have rules, or had frames.
static void tables_show(const struct ctl_of *o, struct cfg_json *j)
{
	struct dp_of_table_count n;
	uint32_t n_groups, n_meters, n_flows = 0;

	cfg_json_open(j, "table", '[');
	for (uint32_t i = 0; i < DP_FLOW_TABLES; i++) {
		dp_of_table_count(o->of, (uint8_t)i, &n);
		n_flows += n.n_rules;
		if (n.n_rules == 0 && n.n_lookups == 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_u32(j, "id", i);
		cfg_json_u32(j, "flows", n.n_rules);
		cfg_json_u64(j, "lookups", n.n_lookups);
		cfg_json_u64(j, "matched", n.n_matched);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
	of_agent_count(o->agent, &n_groups, &n_meters);
	cfg_json_u32(j, "flows", n_flows);
	cfg_json_u32(j, "flow-limit", o->n_flows_max);
	cfg_json_u32(j, "groups", n_groups);
	cfg_json_u32(j, "meters", n_meters);
}

static void running_show(const struct ctl *c, struct cfg_json *j)
{
	const struct ctl_of *o = c->of;
	struct ctl_of_link_info l;
	struct of_agent_params p;
	struct dp_of_punt_count n;
	char id[24];

	agent_params(c, &o->conf, o->of, &p);
	snprintf(id, sizeof(id), "%016" PRIx64, p.datapath_id);
	cfg_json_str(j, "datapath-id", id);
	cfg_json_str(j, "fail-mode", o->conf.standalone ? "standalone" : "secure");
	dp_of_punt_count(o->of, &n);
	cfg_json_open(j, "packet-in", '{');
	cfg_json_u64(j, "sent", n.n_sent);
	cfg_json_u64(j, "over-rate", n.n_over_rate);
	cfg_json_u64(j, "queue-full", n.n_full);
	cfg_json_u64(j, "no-buffer", n.n_no_mbuf);
	cfg_json_close(j, '}');
	cfg_json_u64(j, "packet-outs-dropped", of_agent_outs_dropped(o->agent));
	tables_show(o, j);
	listeners_show(o->channel, j);
	cfg_json_open(j, "connection", '[');
	for (uint32_t i = 0; o->channel != NULL && ctl_of_channel_nth(o->channel, i, &l); i++)
		connection_show(&l, j);
	cfg_json_close(j, ']');
}

void ctl_show_openflow(struct ctl *c, struct cfg_json *j)
{
	const char *mode = "off";

	if (c->of != NULL)
		mode = of_agent_mode(c->of->agent) == DP_OF_TABLES ? "tables" : "standalone";
	cfg_json_open(j, "weir-openflow:openflow-state", '{');
	cfg_json_str(j, "mode", mode);
	if (c->of != NULL)
		running_show(c, j);
	cfg_json_close(j, '}');
}
