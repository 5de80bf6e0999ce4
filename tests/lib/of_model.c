#include "of_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dp_flow_table.h"
#include "dp_qos_info.h"
#include "dp_switch.h"
#include "written.h"

struct rig rig;
uint32_t rig_n_outs;
int rig_out_rc;

// --- The model of the datapath

struct dp_of_flow {
	struct dp_of_flow *next;
	struct dp_flow_rule rule;	 // key, mask and priority of it
	struct dp_flow_prog *now, *then; // in force; staged (NULL = the same)
	struct dp_of_count n;
	void *user;
	uint8_t table;
	bool fresh, ending, ended;
};

struct model_group {
	uint32_t id;
	bool now, then;
};

static struct dp_of_flow *flows;
static struct model_group groups[64];
static uint32_t n_groups, n_live;
static uint64_t version;
static uint32_t configs[RIG_PORTS + 1];

static struct dp_flow_prog *prog_copy(const struct dp_flow_prog *p)
{
	struct dp_flow_prog *q = malloc(p->size);

	assert(p->size == sizeof(*p) + p->n_apply + p->n_write);
	memcpy(q, p, p->size);
	return q;
}

static bool fails(void)
{
	return rig.fail_after > 0 && --rig.fail_after == 0;
}

int dp_of_flow_add(struct dp_of *of, uint8_t table, const struct dp_flow_key *key,
		   const struct dp_flow_key *mask, uint16_t priority,
		   const struct dp_flow_prog *prog, struct dp_of_flow **out)
{
	struct dp_of_flow *f;

	(void)of;
	if (n_live >= RIG_FLOWS_MAX)
		return -ENOSPC;
	if (fails())
		return -ENOMEM;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		assert((key->w[i] & ~mask->w[i]) == 0);
	f = calloc(1, sizeof(*f));
	f->table = table;
	f->rule.key = *key;
	f->rule.mask = *mask;
	f->rule.priority = priority;
	f->now = prog_copy(prog);
	f->fresh = true;
	f->next = flows;
	flows = f;
	n_live++;
	*out = f;
	return 0;
}

int dp_of_flow_change(struct dp_of *of, struct dp_of_flow *f, const struct dp_flow_prog *prog)
{
	(void)of;
	assert(!f->ending && !f->ended);
	if (fails())
		return -ENOMEM;
	free(f->then);
	f->then = prog_copy(prog);
	return 0;
}

void dp_of_flow_end(struct dp_of *of, struct dp_of_flow *f)
{
	(void)of;
	assert(!f->ending && !f->ended);
	f->ending = true;
	n_live--;
}

static void destroy(struct dp_of_flow *f)
{
	struct dp_of_flow **at = &flows;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	free(f->now);
	free(f->then);
	free(f);
}

void dp_of_flow_free(struct dp_of *of, struct dp_of_flow *f)
{
	(void)of;
	assert(f->ending || f->ended);
	destroy(f);
}

struct dp_of_flow *dp_of_flow_exact(struct dp_of *of, uint8_t table, const struct dp_flow_key *key,
				    const struct dp_flow_key *mask, uint16_t priority)
{
	(void)of;
	for (struct dp_of_flow *f = flows; f != NULL; f = f->next) {
		if (!f->ending && !f->ended && f->table == table && f->rule.priority == priority &&
		    memcmp(&f->rule.key, key, sizeof(*key)) == 0 &&
		    memcmp(&f->rule.mask, mask, sizeof(*mask)) == 0)
			return f;
	}
	return NULL;
}

// With few looks left it is done with the second call.
bool dp_of_flow_overlap(struct dp_of *of, uint8_t table, struct dp_flow_overlap *o,
			uint32_t *n_most)
{
	bool is_first = !o->is_midway, is_few = *n_most < 100;

	(void)of;
	o->is_midway = true;
	*n_most -= is_few ? *n_most : 1;
	if (is_first && is_few)
		return false;
	for (struct dp_of_flow *f = flows; f != NULL; f = f->next) {
		uint64_t differ = 0;

		for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
			differ |=
				(f->rule.key.w[i] ^ o->key.w[i]) & f->rule.mask.w[i] & o->mask.w[i];
		if (!f->ending && !f->ended && f->table == table && differ == 0 &&
		    f->rule.priority == o->priority)
			o->found = &f->rule;
	}
	return true;
}

void dp_of_flow_set_user(struct dp_of_flow *f, void *user)
{
	f->user = user;
}

void *dp_of_flow_user(const struct dp_of_flow *f)
{
	return f->user;
}

const struct dp_flow_rule *dp_of_flow_rule(const struct dp_of_flow *f)
{
	return &f->rule;
}

void dp_of_flow_count(const struct dp_of *of, const struct dp_of_flow *f, struct dp_of_count *out)
{
	(void)of;
	*out = f->n;
}

void dp_of_table_count(const struct dp_of *of, uint8_t table, struct dp_of_table_count *out)
{
	(void)of;
	*out = (struct dp_of_table_count){ .n_lookups = 100u + table, .n_matched = table };
}

static struct model_group *group_at(uint32_t id)
{
	for (uint32_t i = 0; i < n_groups; i++) {
		if (groups[i].id == id)
			return &groups[i];
	}
	assert(n_groups < 64);
	groups[n_groups].id = id;
	return &groups[n_groups++];
}

int dp_of_group_set(struct dp_of *of, uint32_t group, enum dp_of_group_type type,
		    const struct dp_of_bucket *buckets, uint32_t n_buckets)
{
	(void)of;
	(void)type;
	for (uint32_t i = 0; i < n_buckets; i++)
		assert(buckets[i].n_ops == 0 || buckets[i].ops != NULL);
	if (n_groups == 64 && !group_at(group)->then)
		return -ENOSPC;
	group_at(group)->then = true;
	return 0;
}

void dp_of_group_end(struct dp_of *of, uint32_t group)
{
	(void)of;
	group_at(group)->then = false;
}

int dp_of_group_count(const struct dp_of *of, uint32_t group, uint32_t bucket,
		      struct dp_of_count *out)
{
	(void)of;
	*out = (struct dp_of_count){ group, bucket == UINT32_MAX ? 0 : bucket, 0 };
	return 0;
}

int dp_of_meter_set(struct dp_of *of, uint32_t meter, uint32_t flags,
		    const struct dp_of_band *bands, uint32_t n_bands)
{
	(void)of;
	(void)bands;
	(void)n_bands;
	if ((flags & (DP_OF_KBPS | DP_OF_PKTPS)) == 0)
		return -EINVAL;
	return meter == 99 ? -ENOSPC : 0;
}

void dp_of_meter_del(struct dp_of *of, uint32_t meter)
{
	(void)of;
	(void)meter;
}

int dp_of_meter_count(const struct dp_of *of, uint32_t meter, struct dp_of_meter_count *out)
{
	(void)of;
	memset(out, 0, sizeof(*out));
	out->in.n_pkts = meter;
	return 0;
}

uint64_t dp_of_publish(struct dp_of *of)
{
	(void)of;
	for (struct dp_of_flow *f = flows; f != NULL; f = f->next) {
		f->fresh = false;
		if (f->then != NULL) {
			free(f->now);
			f->now = f->then;
			f->then = NULL;
		}
		f->ended |= f->ending;
	}
	for (uint32_t i = 0; i < n_groups; i++)
		groups[i].now = groups[i].then;
	return ++version;
}

bool dp_of_give_up(struct dp_of *of, uint32_t n_most)
{
	struct dp_of_flow *f = flows;

	(void)of;
	assert(n_most > 0);
	if (rig.give_ups++ % 3 == 1) // as if it were much
		return false;
	while (f != NULL) {
		struct dp_of_flow *next = f->next;

		free(f->then);
		f->then = NULL;
		if (f->ending && !f->ended) {
			f->ending = false;
			n_live++;
		}
		if (f->fresh) {
			n_live--;
			destroy(f);
		}
		f = next;
	}
	for (uint32_t i = 0; i < n_groups; i++)
		groups[i].then = groups[i].now;
	return true;
}

bool dp_of_settled(struct dp_of *of, uint64_t v)
{
	(void)of;
	return !rig.unsettled && v <= version;
}

int dp_of_port_config(struct dp_of *of, uint32_t of_port, uint32_t config)
{
	(void)of;
	configs[of_port == DP_OFPP_LOCAL ? RIG_PORTS : of_port] = config;
	return 0;
}

uint32_t dp_of_port_config_now(const struct dp_of *of, uint32_t of_port)
{
	(void)of;
	return configs[of_port == DP_OFPP_LOCAL ? RIG_PORTS : of_port];
}

static bool fragments;

void dp_of_drop_fragments(struct dp_of *of, bool drop)
{
	(void)of;
	fragments = drop;
}

bool dp_of_drops_fragments(const struct dp_of *of)
{
	(void)of;
	return fragments;
}

int dp_of_packet_out(struct dp_of *of, uint32_t in_port, const uint8_t *ops, size_t ops_size,
		     const uint8_t *frame, size_t size)
{
	(void)of;
	(void)in_port;
	(void)ops;
	(void)ops_size;
	(void)frame;
	(void)size;
	rig_n_outs++;
	return rig_out_rc;
}

int dp_switch_port_info(const struct dp_switch *sw, uint16_t idx, struct dp_port_info *out)
{
	static const char *const names[] = { "", "eth1", "eth2", "a-name-of-20-letter", "weir0" };

	(void)sw;
	if (idx == 0 || idx > RIG_PORTS || rig.gone[idx])
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	out->idx = idx;
	out->cfg.role = idx == RIG_PORTS ? DP_ROLE_HOST : DP_ROLE_GUEST;
	out->cfg.of_port = idx;
	out->cfg.rate_bits_per_s = idx == 1 ? 10000000000 : 0;
	snprintf(out->cfg.name, sizeof(out->cfg.name), "%s%s", names[idx],
		 rig.other[idx] ? ".other" : "");
	out->link.up = !rig.down[idx];
	out->link.mac[5] = (uint8_t)idx;
	return 0;
}

int dp_switch_port_totals(const struct dp_switch *sw, uint16_t idx, struct dp_port_totals *out)
{
	(void)sw;
	memset(out, 0, sizeof(*out));
	out->c[DP_PC_rx_pkts] = 10u + idx;
	out->drop_in[1] = 3;
	out->drop_in[2] = 4;
	out->cls[2].tx_pkts = 77;
	return 0;
}

const struct dp_qos_class *dp_switch_qos_classes(const struct dp_switch *sw)
{
	static struct dp_qos_class classes[QOS_N_CLASSES];

	(void)sw;
	classes[1].sched.node.reservation_bits_per_s = 1000000000;
	return classes;
}

// --- The channel

void of_conn_send(struct of_conn *c, const struct of_buf *b)
{
	assert(!b->failed);
	written(b->data, b->size);
	memcpy(of_buf_grow(&c->out, b->size), b->data, b->size);
	c->n_sent++;
}

void of_conn_promise(struct of_conn *c, struct of_buf *b)
{
	assert(!rig.a.staged);
	of_conn_send(c, b);
	of_buf_fini(b);
	c->n_promised++;
}

void of_conn_error(struct of_conn *c, const uint8_t *msg, size_t size, struct of_wire_error e)
{
	assert(size >= 8);
	c->error = e;
	c->error_xid = (uint32_t)msg[4] << 24 | (uint32_t)msg[5] << 16 | msg[6] << 8 | msg[7];
	c->n_errors++;
}

bool of_conn_is_slave(const struct of_conn *c)
{
	(void)c;
	return false;
}

size_t of_conn_waiting(const struct of_conn *c)
{
	return c->n_waiting;
}

void of_async_send(struct of_agent *a, enum of_async kind, uint8_t reason, of_async_build *build,
		   void *arg)
{
	struct of_buf b = { 0 };

	(void)a;
	(void)kind;
	(void)reason;
	build(&b, OF13_VERSION, 0, arg);
	of_conn_send(&rig.async, &b);
	of_buf_fini(&b);
}

// --- The rig

void rig_open(void)
{
	memset(&rig, 0, sizeof(rig));
	memset(groups, 0, sizeof(groups));
	memset(configs, 0, sizeof(configs));
	n_groups = n_live = 0;
	rig_n_outs = 0;
	rig_out_rc = 0;
	version = 1;
	for (uint32_t i = 0; i < RIG_CONNS; i++)
		rig.conns[i].out.max = UINT32_MAX;
	rig.async.out.max = UINT32_MAX;
	rig.a.p = (struct of_agent_params){ .datapath_id = 0x1234,
					    .max_flows = RIG_FLOWS_MAX,
					    .max_groups = 64,
					    .max_meters = 32,
					    .manufacturer = "Weir" };
	rig.a.now_ns = 1000000000;
	rig.a.slice = 1; // the shortest turns there can be
	if (of_msg_create(&rig.a) != 0)
		abort();
	rig_forget(&rig.async);
}

void rig_close(void)
{
	for (uint32_t i = 0; i < RIG_CONNS; i++) {
		of_msg_forget(&rig.a, &rig.conns[i]);
		of_buf_fini(&rig.conns[i].out);
	}
	of_msg_destroy(&rig.a);
	of_buf_fini(&rig.async.out);
	assert(flows == NULL);
}

int rig_begin(void **state)
{
	(void)state;
	rig_open();
	return 0;
}

int rig_end(void **state)
{
	(void)state;
	rig_close();
	return 0;
}

void rig_go_on(void)
{
	uint64_t was = rig_sum();

	while (rig.a.txn.is_open) {
		of_publish(&rig.a); // as a tick does
		assert(rig.a.txn.at_ports || rig_sum() == was);
		for (uint32_t i = 0; i < RIG_CONNS; i++)
			assert(of_msg_busy(&rig.a, &rig.conns[i]));
		rig.n_slices++;
		of_msg_tick(&rig.a, rig.a.now_ns);
	}
}

bool rig_say(uint32_t conn, struct of_buf *b)
{
	struct of_conn *c = &rig.conns[conn];
	uint32_t before = c->n_errors;
	uint8_t *copy = malloc(b->size);

	assert(!b->failed);
	memcpy(copy, b->data, b->size); // of its very size, for the sanitizer
	of_msg_handle(&rig.a, c, copy, b->size);
	free(copy);
	rig_go_on();
	of_publish(&rig.a);
	of_buf_fini(b);
	*b = (struct of_buf){ 0 };
	return c->n_errors == before;
}

bool rig_error_is(uint32_t conn, uint16_t type, uint16_t code)
{
	const struct of_conn *c = &rig.conns[conn];

	return c->n_errors > 0 && c->error.type == type && c->error.code == code;
}

size_t rig_heard(struct of_conn *c, const uint8_t **msg)
{
	static uint8_t taken[OF_MSG_MAX];
	size_t size;

	if (c->out.size == 0)
		return 0;
	size = (size_t)(c->out.data[2] << 8 | c->out.data[3]);
	memcpy(taken, c->out.data, size);
	memmove(c->out.data, c->out.data + size, c->out.size - size);
	c->out.size -= size;
	*msg = taken;
	return size;
}

void rig_forget(struct of_conn *c)
{
	c->out.size = 0;
	c->n_errors = c->n_sent = 0;
}

void rig_met(struct dp_of_flow *f, uint64_t n_pkts, uint64_t n_bytes, uint64_t ns)
{
	f->n.n_pkts += n_pkts;
	f->n.n_bytes += n_bytes;
	f->n.used_ns = ns;
}

uint32_t rig_flows(void)
{
	uint32_t n = 0;

	for (struct dp_of_flow *f = flows; f != NULL; f = f->next)
		n += !f->fresh && !f->ended;
	return n;
}

static uint64_t mix(uint64_t h, const void *p, size_t size)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < size; i++)
		h = (h ^ b[i]) * 0x100000001b3;
	return h;
}

uint64_t rig_sum(void)
{
	uint64_t sum = 0;

	for (struct dp_of_flow *f = flows; f != NULL; f = f->next) {
		uint64_t h = 0xcbf29ce484222325;

		if (f->fresh || f->ended)
			continue;
		h = mix(h, &f->rule.key, sizeof(f->rule.key));
		h = mix(h, &f->rule.mask, sizeof(f->rule.mask));
		h = mix(h, &f->rule.priority, sizeof(f->rule.priority));
		h = mix(h, &f->table, sizeof(f->table));
		sum += mix(h, f->now, f->now->size);
	}
	for (uint32_t i = 0; i < n_groups; i++)
		sum += groups[i].now ? groups[i].id * 0x9e3779b97f4a7c15 : 0;
	return sum;
}

struct dp_of_flow *rig_find(uint8_t table, uint16_t priority, const struct dp_flow_key *key)
{
	for (struct dp_of_flow *f = flows; f != NULL; f = f->next) {
		if (!f->fresh && !f->ended && f->table == table && f->rule.priority == priority &&
		    (key == NULL || memcmp(&f->rule.key, key, sizeof(*key)) == 0))
			return f;
	}
	return NULL;
}

const struct dp_flow_prog *rig_prog(const struct dp_of_flow *f)
{
	return f->now;
}

uint32_t rig_groups(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_groups; i++)
		n += groups[i].now;
	return n;
}
