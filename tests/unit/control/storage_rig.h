// Storage awareness on the main thread, on a real switch without workers: what they would tell is
// told here, and the clock is this file's. What is in force is asked of the switch itself: explain
// says which class a frame gets.
#ifndef STORAGE_RIG_H
#define STORAGE_RIG_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <libyang/libyang.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "../unit.h"
#include "dp_pkt.h"
#include "persist.h"
#include "storage.h"
#include "weir_log.h"
#include "words_priv.h"

#define SECOND 1000000000ull

// Two guests of the same VLAN as VMs, and an uplink. VM v is at 10.1.0.11.
#define BASE                                                                                       \
	"set port u type uplink device u rate 10g trunk [ 20 ]\n"                                  \
	"set vm v nic 0 mac 52:54:00:00:00:01 vlan 20 ipv4-address 10.1.0.11\n"                    \
	"set vm w nic 0 mac 52:54:00:00:00:02 vlan 20 ipv4-address 10.1.0.12\n"
#define SERVER "set storage server 10.0.0.0/24\n"

static struct {
	struct ctl c;
	char dir[64];
	uint64_t now_ns;
	uint32_t n_attaches;
	bool attached, resumed;
	uint32_t rx_left; // frames that a guest still sends
	bool full;	  // the uplink takes none
} rig;

static struct cfg_schema *schema;
static int64_t wall_now;

static inline int64_t wall(void)
{
	return wall_now;
}

// --- Links: guests send when they are told to, uplinks take it, or not

static struct rte_mempool *pool;

static inline int l_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	(void)err;
	pool = p->pool;
	*out = strcmp(p->name, "u") == 0     ? (void *)&rig.full
	       : strcmp(p->name, "w.0") == 0 ? (void *)&rig.rx_left
					     : (void *)&rig.attached;
	return 0;
}

static inline void l_destroy(void *link)
{
	(void)link;
}

static inline uint32_t l_zero(void *link)
{
	(void)link;
	return 0;
}

static inline uint16_t l_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	static const uint8_t frame[60] = { 0x52, 0x54, 0, 0, 0, 9,    0x52,
					   0x54, 0,    0, 0, 2, 0x88, 0xb5 };
	uint16_t i;

	(void)q;
	for (i = 0; i < n && link == &rig.rx_left && rig.rx_left > 0; i++, rig.rx_left--) {
		pkts[i] = rte_pktmbuf_alloc(pool);
		assert_non_null(pkts[i]);
		memcpy(rte_pktmbuf_append(pkts[i], sizeof(frame)), frame, sizeof(frame));
		dp_meta(pkts[i])->flags = 0;
		dp_meta(pkts[i])->tso_segsz = 0;
	}
	return i;
}

static inline uint16_t l_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	if (link == &rig.full && rig.full)
		return 0;
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static inline bool l_up(void *link)
{
	(void)link;
	return true;
}

static inline void l_status(void *link, struct dp_link_status *out)
{
	(void)link;
	*out = (struct dp_link_status){ .up = true,
					.attached = rig.attached,
					.n_attaches = rig.n_attaches,
					.resumed = rig.resumed,
					.n_rxq = 1,
					.n_txq = 1 };
}

static inline void l_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

#define DRIVER(name)                                                                               \
	{                                                                                          \
		name, l_create, l_destroy, l_zero, l_rx, l_tx, l_zero, l_up, l_status, l_stats     \
	}
static const struct dp_link_driver link_drivers[] = { DRIVER("vhost-user"), DRIVER("ethdev") };
static const struct dp_link_driver *const drivers[] = { &link_drivers[0], &link_drivers[1], NULL };

// --- A switch

static inline int commit(const char *lines, struct cfg_error *err)
{
	struct lyd_node *tree = NULL;
	struct cfg_words_error e;
	struct cfg *next;
	char *text = NULL, said[1024];
	int rc;

	if (cfg_words_load_set(schema, &tree, lines, strlen(lines), &e) < 0)
		fail_msg("%s", cfg_words_error_text(&e, said, sizeof(said)));
	lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_SHRINK | LYD_PRINT_WITHSIBLINGS);
	lyd_free_all(tree);
	rc = cfg_load(schema, text, strlen(text), &next, err);
	free(text);
	if (rc < 0)
		return rc;
	rc = ctl_apply(&rig.c, next, false, NULL, err);
	if (rc < 0)
		cfg_free(next);
	return rc;
}

static inline void configure(const char *lines)
{
	struct cfg_error err = { 0 };

	if (commit(lines, &err) < 0)
		fail_msg("%s: %s %s: %s", lines, err.path, err.value, err.reason);
}

static inline void start(void)
{
	const struct ctl_eal eal = { .n_workers = 1, .worker_lcores = { 1 } };
	const struct cfg_system s = { .packet_buffers = 4096,
				      .mac_table_size = 1024,
				      .queue_len = 512 };
	struct cfg_error err = { 0 };

	memset(&rig.c, 0, sizeof(rig.c));
	rig.c.drivers = drivers;
	rig.c.schema = schema;
	rig.attached = rig.resumed = false;
	rig.n_attaches = 0;
	assert_int_equal(ctl_persist_open(rig.dir, &rig.c.persist, &err), 0);
	assert_int_equal(ctl_switch_create(&rig.c, &s, &eal, &err), 0);
	assert_int_equal(ctl_boot_start(&rig.c), 0);
	assert_int_equal(ctl_storage_start(&rig.c, &err), 0);
	rig.c.storage->wall_s = wall;
	rig.now_ns = dp_switch_now_ns();
}

static inline void stop(void)
{
	ctl_metrics_stop(&rig.c);
	ctl_storage_stop(&rig.c);
	ctl_boot_stop(&rig.c);
	dp_switch_destroy(rig.c.sw);
	ctl_vms_free(&rig.c);
	cfg_free(rig.c.running);
	ctl_persist_close(rig.c.persist);
}

static inline int setup(void **state)
{
	(void)state;
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/weir-storage.XXXXXX");
	if (mkdtemp(rig.dir) == NULL)
		return -1;
	wall_now = 1800000000;
	start();
	return 0;
}

static inline int teardown(void **state)
{
	char command[96];

	(void)state;
	stop();
	snprintf(command, sizeof(command), "rm -rf %s", rig.dir);
	return system(command);
}

static inline void pass(uint64_t ns)
{
	for (uint64_t end = rig.now_ns + ns, step = ns > 2 * SECOND ? SECOND / 4 : ns;
	     rig.now_ns < end; rig.now_ns += step) {
		ctl_storage_poll(&rig.c, rig.now_ns + step);
		dp_switch_housekeep(rig.c.sw, rig.now_ns + step);
	}
}

// --- What workers would tell

static struct qos_addr addr(const char *text)
{
	struct qos_addr a = { .b = { [10] = 0xff, [11] = 0xff } };

	assert_int_equal(inet_pton(AF_INET, text, a.b + 12), 1);
	return a;
}

static inline void teach(const char *teacher, const char *portal, uint16_t port)
{
	struct qos_portals *table = (struct qos_portals *)(uintptr_t)dp_switch_portals(rig.c.sw);
	const struct dp_storage_event e = {
		.ns = rig.now_ns,
		.kind = DP_STORAGE_LEARNT,
		.learnt = { .portal = { .addr = addr(portal),
					.port = port,
					.proto = 6,
					.service = QOS_SVC_ISCSI,
					.how = QOS_HOW_REDIRECT },
			    .teacher = addr(teacher) },
	};

	// A worker has entered it by then.
	if (table != NULL && qos_portals_listed(table, &e.learnt.teacher))
		(void)qos_portals_learn(table, &e.learnt.portal);
	ctl_storage_event(rig.c.storage, &e);
	pass(SECOND + SECOND / 10);
}

// Both directions of a connection of VM v to 10.0.0.9, on flows 1 and 2.
static inline void conn_open(void)
{
	struct dp_storage_event e = {
		.ns = rig.now_ns,
		.flow = 1,
		.kind = DP_STORAGE_OPEN,
		.way = QOS_TO_PORTAL,
		.open = { .key = { .client = addr("10.1.0.11"),
				   .portal = addr("10.0.0.9"),
				   .client_port = 40000,
				   .portal_port = 3260,
				   .proto = 6 },
			  .hit = { QOS_SVC_ISCSI, QOS_TO_PORTAL, QOS_HOW_SERVER, true },
			  .vm_idx = (uint16_t)dp_switch_vm_find(rig.c.sw, "v") },
	};

	ctl_storage_event(rig.c.storage, &e);
	e.flow = 2;
	e.way = e.open.hit.way = QOS_FROM_PORTAL;
	e.open.vm_idx = 0;
	ctl_storage_event(rig.c.storage, &e);
}

static inline void pdu(enum qos_way way, struct qos_pdu p, uint64_t ns)
{
	ctl_storage_event(rig.c.storage, &(struct dp_storage_event){
						 .ns = ns,
						 .flow = way == QOS_TO_PORTAL ? 1 : 2,
						 .kind = DP_STORAGE_PDU,
						 .way = (uint8_t)way,
						 .pdu = p,
					 });
}

static inline void text(enum qos_way way, const char *t, size_t size)
{
	for (size_t at = 0; at < size; at += DP_STORAGE_TEXT) {
		size_t n = size - at < DP_STORAGE_TEXT ? size - at : DP_STORAGE_TEXT;
		struct dp_storage_event e = {
			.ns = rig.now_ns,
			.flow = way == QOS_TO_PORTAL ? 1 : 2,
			.kind = DP_STORAGE_TEXT_PIECE,
			.way = (uint8_t)way,
			.text = { .offset = (uint16_t)at,
				  .size = (uint16_t)n,
				  .last = at + n == size },
		};

		memcpy(e.text.data, t + at, n);
		ctl_storage_event(rig.c.storage, &e);
	}
}

// A read that took so long, of which its request stood so long in a queue.
static inline void command(uint32_t tag, uint64_t took_ns, uint64_t wait_ns)
{
	const struct dp_storage_event wait = {
		.ns = rig.now_ns,
		.flow = 1,
		.kind = DP_STORAGE_WAIT,
		.way = QOS_TO_PORTAL,
		.wait = { .tag = tag, .n = 1, .wait_ns = wait_ns },
	};

	pdu(QOS_TO_PORTAL,
	    (struct qos_pdu){
		    .kind = QOS_PDU_REQUEST, .op = QOS_OP_READ, .tag = tag, .bytes = 4096 },
	    rig.now_ns);
	if (wait_ns > 0)
		ctl_storage_event(rig.c.storage, &wait);
	pdu(QOS_FROM_PORTAL, (struct qos_pdu){ .kind = QOS_PDU_RESPONSE, .tag = tag },
	    rig.now_ns + took_ns);
}

// --- What is in force

// A TCP segment of VM v.
static inline void segment_fill(uint8_t f[60], const char *to, uint16_t port)
{
	static const uint8_t head[60] = { 0x52, 0x54, 0, 0, 0, 9,    0x52, 0x54, 0,
					  0,	0,    1, 8, 0, 0x45, 0,	   0,	 46 };
	struct qos_addr dst = addr(to);

	memcpy(f, head, sizeof(head));
	f[22] = 64;
	f[23] = 6;
	memcpy(f + 26, "\x0a\x01\x00\x0b", 4);
	memcpy(f + 30, dst.b + 12, 4);
	f[34] = 0x9c;
	f[36] = (uint8_t)(port >> 8);
	f[37] = (uint8_t)port;
	f[46] = 0x50;
}

static inline enum qos_class class_of(const char *to, uint16_t port, enum qos_why *why)
{
	static struct dp_verdict v;
	int idx = dp_switch_port_find(rig.c.sw, "v.0");
	uint8_t f[60];

	segment_fill(f, to, port);
	assert_true(idx >= 0);
	assert_int_equal(dp_switch_explain(rig.c.sw, (uint16_t)idx, f, sizeof(f), &v), 0);
	if (v.kind == DP_VERDICT_DROP)
		fail_msg("dropped: %s", dp_drop_name(v.drop));
	if (why != NULL)
		*why = v.why;
	return v.cls;
}

// What explain says of it.
static inline void expect_explained(const char *to, uint16_t port, const char *want)
{
	uint8_t f[60];
	struct cfg_request r = {
		.op = CFG_OP_EXPLAIN, .name = "v.0", .bytes = f, .size = sizeof(f)
	};
	struct cfg_json j;

	segment_fill(f, to, port);
	cfg_json_init(&j);
	ctl_answer(&rig.c, &r, &j);
	if (strstr(j.buf, want) == NULL)
		fail_msg("'%s' is not in\n%s", want, j.buf);
	cfg_json_fini(&j);
}

static inline void expect_learnt(bool learnt, const char *to, uint16_t port)
{
	enum qos_why why;
	enum qos_class cls = class_of(to, port, &why);

	if (cls != (learnt ? QOS_CLASS_STORAGE : QOS_CLASS_BULK))
		fail_msg("%s:%u is class %s", to, port, qos_class_name(cls));
	if (learnt)
		assert_int_equal(why, QOS_WHY_LEARNT);
}

// The state as it is shown; it fits the modules. free()
static inline char *shown(const char *part, const char *name)
{
	struct cfg_request r = { .op = CFG_OP_GET_STATE };
	struct cfg_error err = { 0 };
	struct cfg_json j;
	char *out;

	snprintf(r.part, sizeof(r.part), "%s", part);
	snprintf(r.name, sizeof(r.name), "%s", name);
	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	ctl_show(&rig.c, &r, &j);
	cfg_json_close(&j, '}');
	assert_false(j.failed);
	if (cfg_state_check(schema, j.buf, j.size, &err) < 0)
		fail_msg("%s %s: %s\n%s", err.path, err.value, err.reason, j.buf);
	out = strdup(j.buf);
	cfg_json_fini(&j);
	return out;
}

static inline void expect_shown(const char *part, const char *name, const char *want)
{
	char *s = shown(part, name);

	if (strstr(s, want) == NULL)
		fail_msg("'%s' is not in\n%s", want, s);
	free(s);
}

static inline void expect_metric(const char *line)
{
	char *t;
	size_t size;

	assert_int_equal(ctl_metrics_text(&rig.c, &t, &size), 0);
	assert_int_equal(strlen(t), size);
	if (strstr(t, line) == NULL)
		fail_msg("'%s' is not in\n%s", line, t);
	free(t);
}

static inline uint32_t shares(void)
{
	int idx = dp_switch_vm_find(rig.c.sw, "v");

	assert_true(idx > 0);
	return dp_switch_vm(rig.c.sw, (uint16_t)idx)->leaf[QOS_CLASS_STORAGE].shares;
}

static inline uint64_t boot(void)
{
	return dp_switch_boot(rig.c.sw, (uint16_t)dp_switch_vm_find(rig.c.sw, "v"));
}

// A group of tests with a switch each.
static inline int rig_run(const struct CMUnitTest *tests, size_t n, const char *yang_dir)
{
	const char *argv[] = { "unit",
			       "--no-huge",
			       "--no-shconf",
			       "-m",
			       "256",
			       "--no-pci",
			       "--no-telemetry",
			       "--lcores",
			       "0@(0,1),1@(0,1)",
			       "--log-level=*:error" };
	struct cfg_error err;
	int rc;

	weir_log_set_level(WEIR_ERROR - 1);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), (char **)(uintptr_t)argv) < 0 ||
	    cfg_schema_create(yang_dir, &schema, &err) < 0)
		return 1;
	rc = _cmocka_run_group_tests("storage", tests, n, NULL, NULL);
	cfg_schema_destroy(schema);
	return rc;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
