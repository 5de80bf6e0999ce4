// Multipart requests: OpenFlow 1.3.5 section 7.3.5. Each is a job with a place to go on from; it
// runs until its answer is complete, until enough waits in the connection's output, or until it has
// looked at enough for one turn, and then goes on with the next tick. So a million flows are dumped
// while main does everything else, and no more of them than one slice is ever in memory.
//
// What comes and goes while a dump runs may or may not be in it; what stays is in it once.
#include "of_stats.h"

#include <stdlib.h>
#include <string.h>

enum {
	PART_MAX = OF_MSG_MAX - 16, // body of one message
	PART_FULL = 60000,
	OUTPUT_ENOUGH = 256 * 1024,
	LOOK_AT_ONCE = 5000,
	JOBS_MAX = 4, // of one connection
};

struct of_stats {
	struct of_job *first, **end;
};

// --- Parts

// All answers that are lists have the list as their only member.
#define LIST_AT(member) offsetof(struct of13_multipart_reply, member)
_Static_assert(LIST_AT(flow.flows) == LIST_AT(table.tables) &&
		       LIST_AT(flow.flows) == LIST_AT(port_stats.ports) &&
		       LIST_AT(flow.flows) == LIST_AT(queue.queues) &&
		       LIST_AT(flow.flows) == LIST_AT(group.groups) &&
		       LIST_AT(flow.flows) == LIST_AT(group_desc.groups) &&
		       LIST_AT(flow.flows) == LIST_AT(meter.meters) &&
		       LIST_AT(flow.flows) == LIST_AT(meter_config.meters) &&
		       LIST_AT(flow.flows) == LIST_AT(table_features.tables) &&
		       LIST_AT(flow.flows) == LIST_AT(port_desc.ports) &&
		       LIST_AT(flow.flows) == LIST_AT(port_desc14.ports),
	       "one place for lists");

static void send_reply(struct of_job *j, struct of13_multipart_reply *m)
{
	struct of_buf b = { 0 };

	m->version = j->version;
	m->xid = j->xid;
	m->type = j->type;
	of13_multipart_reply_put(&b, m);
	of_conn_send(j->c, &b);
	of_buf_fini(&b);
}

static void send_part(struct of_job *j, size_t size, bool more)
{
	struct of13_multipart_reply m = { .flags = more ? OF13_MULTIPART_FLAG_MORE : 0 };

	m.flow.flows = (struct of_list){ j->body.data, size };
	send_reply(j, &m);
	if (size > 0)
		memmove(j->body.data, j->body.data + size, j->body.size - size);
	j->body.size -= size;
}

// One more element is in the body, which was `before` bytes long.
static void part(struct of_job *j, size_t before)
{
	if (j->body.size > PART_MAX)
		send_part(j, before, true);
	if (j->body.size > PART_FULL)
		j->full = true;
}

// --- Steps: one element, or at most a look at one thing. Each says whether there may be more.

static void age(uint64_t ns, uint32_t *sec, uint32_t *nsec)
{
	*sec = (uint32_t)(ns / 1000000000);
	*nsec = (uint32_t)(ns % 1000000000);
}

static struct of_flow *next_flow(struct of_agent *a, struct of_job *j)
{
	for (;;) {
		struct of_flow *f = of_flow_next(a, j->table, &j->at);

		if (f != NULL)
			return f;
		j->table++;
		j->at = 0;
		if (j->select.table != OF_ALL_TABLES || j->table == DP_FLOW_TABLES)
			return NULL;
	}
}

static bool step_flow(struct of_agent *a, struct of_job *j)
{
	struct of_flow *f = next_flow(a, j);
	struct dp_of_count n;
	struct of13_flow_stats s;

	if (f == NULL)
		return false;
	if (!of_select_has(&j->select, f))
		return true;
	of_flow_count(a, f, &n);
	s = (struct of13_flow_stats){ .table_id = f->table,
				      .priority = f->priority,
				      .idle_timeout = f->idle_s,
				      .hard_timeout = f->hard_s,
				      .flags = f->flags,
				      .importance = j->version < OF14_VERSION ? 0 : f->importance,
				      .cookie = f->cookie,
				      .packet_count = n.n_pkts,
				      .byte_count = n.n_bytes,
				      .match = of_flow_match(f),
				      .instructions = of_flow_instructions(f) };
	age(a->now_ns - f->created_ns, &s.duration_sec, &s.duration_nsec);
	of13_flow_stats_put(&j->body, &s);
	return true;
}

static bool step_aggregate(struct of_agent *a, struct of_job *j)
{
	struct of_flow *f = next_flow(a, j);
	struct of13_multipart_reply m = { 0 };
	struct dp_of_count n;

	if (f != NULL && of_select_has(&j->select, f)) {
		of_flow_count(a, f, &n);
		j->n_flows++;
		// Flows that do not count say so by all ones.
		j->n_pkts += n.n_pkts == UINT64_MAX ? 0 : n.n_pkts;
		j->n_bytes += n.n_bytes == UINT64_MAX ? 0 : n.n_bytes;
	}
	if (f != NULL)
		return true;
	m.aggregate.packet_count = j->n_pkts;
	m.aggregate.byte_count = j->n_bytes;
	m.aggregate.flow_count = j->n_flows;
	send_reply(j, &m);
	j->answered = true;
	return false;
}

static bool step_table(struct of_agent *a, struct of_job *j)
{
	struct dp_of_table_count n;
	struct of13_table_stats s = { .table_id = j->table };

	if (j->table == DP_FLOW_TABLES)
		return false;
	dp_of_table_count(a->p.of, j->table, &n);
	s.active_count = of_flow_active(a, j->table);
	s.lookup_count = n.n_lookups;
	s.matched_count = n.n_matched;
	of13_table_stats_put(&j->body, &s);
	j->table++;
	return true;
}

// The next record of a number, or the one that was asked for; j->at: the number to go on from.
static bool is_last(const struct of_job *j, uint32_t id)
{
	return j->one || id == UINT32_MAX;
}

// NULL = no more; the one that was asked for may have gone.
static struct of_port *next_port(const struct of_agent *a, const struct of_job *j)
{
	return j->one ? of_port_find(a, j->at) : of_port_from(a, j->at);
}

static bool step_port(struct of_agent *a, struct of_job *j)
{
	struct of_port *p = next_port(a, j);
	struct of13_port_stats s;

	if (p == NULL)
		return false;
	if (j->type == OF13_MULTIPART_PORT_DESC) {
		of_port_put(&j->body, p, j->version);
	} else {
		of_port_count(a, p, &s);
		of13_port_stats_put(&j->body, &s);
	}
	j->at = p->no + 1;
	return !is_last(j, p->no);
}

static bool step_queue(struct of_agent *a, struct of_job *j)
{
	struct of_port *p = next_port(a, j);
	struct of13_queue_stats s;

	if (p == NULL)
		return false;
	for (uint32_t q = 0; q < QOS_N_CLASSES; q++) {
		if (j->queue != OF13_QUEUE_ALL && j->queue != q)
			continue;
		of_queue_count(a, p, q, &s);
		of13_queue_stats_put(&j->body, &s);
	}
	j->at = p->no + 1;
	return !is_last(j, p->no);
}

static void put_group_stats(struct of_agent *a, struct of_job *j, const struct of_group *g)
{
	struct of13_group_stats s = { .group_id = g->id, .ref_count = g->n_flows + g->n_groups };
	struct of_buf buckets = { 0 };
	struct dp_of_count n = { 0 };

	(void)!dp_of_group_count(a->p.of, g->id, UINT32_MAX, &n);
	s.packet_count = n.n_pkts;
	s.byte_count = n.n_bytes;
	age(a->now_ns - g->created_ns, &s.duration_sec, &s.duration_nsec);
	for (uint32_t i = 0; i < g->n_buckets; i++) {
		struct of13_bucket_counter c;

		n = (struct dp_of_count){ 0 };
		(void)!dp_of_group_count(a->p.of, g->id, i, &n);
		c = (struct of13_bucket_counter){ n.n_pkts, n.n_bytes };
		of13_bucket_counter_put(&buckets, &c);
	}
	s.buckets = of_buf_list(&buckets);
	of13_group_stats_put(&j->body, &s);
	j->body.failed |= buckets.failed;
	of_buf_fini(&buckets);
}

static bool step_group(struct of_agent *a, struct of_job *j)
{
	struct of_group *g = of_group_from(a, j->at);
	struct of13_group_desc d;

	if (g == NULL || (j->one && g->id != j->at))
		return false;
	if (j->type == OF13_MULTIPART_GROUP_DESC) {
		d = (struct of13_group_desc){ .type = g->type,
					      .group_id = g->id,
					      .buckets = of_group_buckets(g) };
		of13_group_desc_put(&j->body, &d);
	} else {
		put_group_stats(a, j, g);
	}
	j->at = g->id + 1;
	return !is_last(j, g->id);
}

static void put_meter_stats(struct of_agent *a, struct of_job *j, const struct of_meter *x)
{
	struct of13_meter_stats s = { .meter_id = x->id, .flow_count = x->n_flows };
	struct dp_of_meter_count n = { 0 };
	struct of_buf bands = { 0 };

	(void)!dp_of_meter_count(a->p.of, x->id, &n);
	s.packet_in_count = n.in.n_pkts;
	s.byte_in_count = n.in.n_bytes;
	age(a->now_ns - x->created_ns, &s.duration_sec, &s.duration_nsec);
	for (uint32_t i = 0; i < x->n_bands; i++) {
		struct of13_band_stats b = { n.bands[i].n_pkts, n.bands[i].n_bytes };

		of13_band_stats_put(&bands, &b);
	}
	s.bands = of_buf_list(&bands);
	of13_meter_stats_put(&j->body, &s);
	j->body.failed |= bands.failed;
	of_buf_fini(&bands);
}

static bool step_meter(struct of_agent *a, struct of_job *j)
{
	struct of_meter *x = of_meter_from(a, j->at);
	struct of13_meter_config m;

	if (x == NULL || (j->one && x->id != j->at))
		return false;
	if (j->type == OF13_MULTIPART_METER_CONFIG) {
		m = (struct of13_meter_config){ .flags = x->flags,
						.meter_id = x->id,
						.bands = { x->wire, x->size } };
		of13_meter_config_put(&j->body, &m);
	} else {
		put_meter_stats(a, j, x);
	}
	j->at = x->id + 1;
	return !is_last(j, x->id);
}

static bool step_once(struct of_agent *a, struct of_job *j)
{
	struct of13_multipart_reply m = { 0 };

	of_stats_describe(a, j->type, &m);
	send_reply(j, &m);
	j->answered = true;
	return false;
}

static bool step_features(struct of_agent *a, struct of_job *j)
{
	if (j->table == DP_FLOW_TABLES)
		return false;
	of_table_features_put(&j->body, a, j->table++);
	return true;
}

static bool (*const steps[])(struct of_agent *a, struct of_job *j) = {
	[OF13_MULTIPART_DESC] = step_once,
	[OF13_MULTIPART_FLOW] = step_flow,
	[OF13_MULTIPART_AGGREGATE] = step_aggregate,
	[OF13_MULTIPART_TABLE] = step_table,
	[OF13_MULTIPART_PORT_STATS] = step_port,
	[OF13_MULTIPART_QUEUE] = step_queue,
	[OF13_MULTIPART_GROUP] = step_group,
	[OF13_MULTIPART_GROUP_DESC] = step_group,
	[OF13_MULTIPART_GROUP_FEATURES] = step_once,
	[OF13_MULTIPART_METER] = step_meter,
	[OF13_MULTIPART_METER_CONFIG] = step_meter,
	[OF13_MULTIPART_METER_FEATURES] = step_once,
	[OF13_MULTIPART_TABLE_FEATURES] = step_features,
	[OF13_MULTIPART_PORT_DESC] = step_port,
};

// --- Jobs

// returns whether it is done
static bool run(struct of_agent *a, struct of_job *j)
{
	for (uint32_t n = 0; n < LOOK_AT_ONCE; n++) {
		size_t before = j->body.size;
		bool more;

		if (of_conn_waiting(j->c) > OUTPUT_ENOUGH)
			return false;
		more = steps[j->type](a, j);
		a->work += OF_WORK_LOOK; // many short answers are as much work as a long one
		part(j, before);
		if (j->body.failed) // no memory: the connection closes rather than lie
			j->answered = false, more = false;
		if (!more) {
			if (!j->answered)
				send_part(j, j->body.size, false);
			return true;
		}
		if (j->full)
			send_part(j, j->body.size, true);
		j->full = false;
	}
	return false;
}

static void drop(struct of_job *j)
{
	of_buf_fini(&j->body);
	free(j);
}

static void job_start(struct of_agent *a, struct of_job *j)
{
	struct of_stats *s = a->stats;

	if (!of_stats_busy(a, j->c) && run(a, j)) {
		drop(j);
		return;
	}
	*s->end = j;
	s->end = &j->next;
}

static void remove_at(struct of_stats *s, struct of_job **at)
{
	struct of_job *j = *at;

	*at = j->next;
	if (j->next == NULL)
		s->end = at;
	drop(j);
}

// The connection's job that runs; NULL = none.
static struct of_job *first_of(const struct of_agent *a, const struct of_conn *c)
{
	struct of_job *j = a->stats->first;

	while (j != NULL && j->c != c)
		j = j->next;
	return j;
}

bool of_stats_tick(struct of_agent *a)
{
	struct of_job **at = &a->stats->first;
	bool can = false;

	while (*at != NULL) {
		struct of_job *j = *at;

		if (first_of(a, j->c) != j) {
			at = &j->next; // another of this connection is before it
			continue;
		}
		if (run(a, j)) {
			remove_at(a->stats, at);
			can = true;
			continue;
		}
		can |= of_conn_waiting(j->c) <= OUTPUT_ENOUGH;
		at = &j->next;
	}
	return can && a->stats->first != NULL;
}

bool of_stats_busy(const struct of_agent *a, const struct of_conn *c)
{
	return first_of(a, c) != NULL;
}

void of_stats_forget(struct of_agent *a, struct of_conn *c)
{
	struct of_job **at = &a->stats->first;

	while (*at != NULL) {
		if ((*at)->c == c)
			remove_at(a->stats, at);
		else
			at = &(*at)->next;
	}
}

// --- Requests

static int begin_flows(struct of_job *j, const struct of13_flow_filter *r, struct of_wire_error *e)
{
	if (r->table_id >= DP_FLOW_TABLES && r->table_id != OF_ALL_TABLES)
		return of_refuse(e, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_TABLE_ID);
	if (of_select_init(&j->select, r->table_id, r->match, e) != 0)
		return -EINVAL;
	j->select.cookie = r->cookie;
	j->select.cookie_mask = r->cookie_mask;
	j->select.out_port = r->out_port;
	j->select.out_group = r->out_group;
	j->table = r->table_id == OF_ALL_TABLES ? 0 : r->table_id;
	return 0;
}

static int begin_queue(struct of_agent *a, struct of_job *j, const struct of13_multipart_request *r,
		       struct of_wire_error *e)
{
	j->queue = r->queue.queue_id;
	j->one = r->queue.port_no != OF_ANY;
	j->at = j->one ? r->queue.port_no : 0;
	if (j->one && of_port_find(a, j->at) == NULL)
		return of_refuse(e, OF13_ERROR_QUEUE_OP_FAILED, OF13_QUEUE_OP_FAILED_BAD_PORT);
	if (j->queue >= QOS_N_CLASSES && j->queue != OF13_QUEUE_ALL)
		return of_refuse(e, OF13_ERROR_QUEUE_OP_FAILED, OF13_QUEUE_OP_FAILED_BAD_QUEUE);
	return 0;
}

static int begin_meter(struct of_agent *a, struct of_job *j, uint32_t id, struct of_wire_error *e)
{
	j->one = id != OF13_METER_ALL;
	j->at = j->one ? id : 0;
	if (j->one && of_meter_find(a, id) == NULL)
		return of_refuse(e, OF13_ERROR_METER_MOD_FAILED,
				 OF13_METER_MOD_FAILED_UNKNOWN_METER);
	return 0;
}

static int begin(struct of_agent *a, struct of_job *j, const struct of13_multipart_request *r,
		 struct of_wire_error *e)
{
	switch (r->type) {
	case OF13_MULTIPART_FLOW:
		return begin_flows(j, &r->flow, e);
	case OF13_MULTIPART_AGGREGATE:
		return begin_flows(j, &r->aggregate, e);
	case OF13_MULTIPART_PORT_STATS:
		// The one is the word for it, the other what clients of OpenFlow 1.0 still say.
		j->one = r->port_stats.port_no != OF_ANY && r->port_stats.port_no != DP_OFPP_ALL;
		j->at = j->one ? r->port_stats.port_no : 0;
		return !j->one || of_port_find(a, j->at) != NULL
			       ? 0
			       : of_refuse(e, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_PORT);
	case OF13_MULTIPART_QUEUE:
		return begin_queue(a, j, r, e);
	case OF13_MULTIPART_GROUP: // of a group that is not there: nothing
		j->one = r->group.group_id != OF13_GROUP_ALL;
		j->at = j->one ? r->group.group_id : 0;
		return 0;
	case OF13_MULTIPART_METER:
		return begin_meter(a, j, r->meter.meter_id, e);
	case OF13_MULTIPART_METER_CONFIG:
		return begin_meter(a, j, r->meter_config.meter_id, e);
	case OF13_MULTIPART_TABLE_FEATURES:
		return of_table_features_check(r->table_features.tables, e);
	case OF13_MULTIPART_EXPERIMENTER:
		return of_refuse(e, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_EXPERIMENTER);
	default:
		return 0;
	}
}

static uint32_t jobs_of(const struct of_agent *a, const struct of_conn *c)
{
	uint32_t n = 0;

	for (const struct of_job *j = a->stats->first; j != NULL; j = j->next)
		n += j->c == c;
	return n;
}

static bool has_body(uint16_t type)
{
	return type != OF13_MULTIPART_DESC && type != OF13_MULTIPART_TABLE &&
	       type != OF13_MULTIPART_GROUP_DESC && type != OF13_MULTIPART_GROUP_FEATURES &&
	       type != OF13_MULTIPART_METER_FEATURES && type != OF13_MULTIPART_PORT_DESC;
}

int of_stats_request(struct of_agent *a, struct of_conn *c, const struct of13_multipart_request *r,
		     struct of_wire_error *e)
{
	struct of_job *j;

	// No request of ours is longer than a message, and one without a body has been said.
	if (((r->flags & OF13_MULTIPART_FLAG_MORE) != 0 && has_body(r->type)) ||
	    jobs_of(a, c) >= JOBS_MAX)
		return of_refuse(e, OF13_ERROR_BAD_REQUEST,
				 OF13_BAD_REQUEST_MULTIPART_BUFFER_OVERFLOW);
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return of_refuse(e, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_EPERM);
	*j = (struct of_job){ .c = c, .version = r->version, .xid = r->xid, .type = r->type };
	j->body.max = 4 * OF_MSG_MAX;
	if (begin(a, j, r, e) != 0) {
		drop(j);
		return -EINVAL;
	}
	job_start(a, j);
	return 0;
}

int of_stats_create(struct of_agent *a)
{
	a->stats = calloc(1, sizeof(*a->stats));
	if (a->stats == NULL)
		return -ENOMEM;
	a->stats->end = &a->stats->first;
	return 0;
}

void of_stats_destroy(struct of_agent *a)
{
	if (a->stats == NULL)
		return;
	while (a->stats->first != NULL)
		remove_at(a->stats, &a->stats->first);
	free(a->stats);
	a->stats = NULL;
}
