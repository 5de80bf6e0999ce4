// Storage awareness on the main thread, on a real switch without workers: what they would tell is
// told here, and the clock is this file's. What is in force is asked of the switch itself: explain
// says which class a frame gets.
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
	bool attached;
	uint32_t rx_left; // frames that a guest still sends
	bool full;	  // the uplink takes none
} rig;

static struct cfg_schema *schema;
static int64_t wall_now;

static int64_t wall(void)
{
	return wall_now;
}

// --- Links: guests send when they are told to, uplinks take it, or not

static struct rte_mempool *pool;

static int l_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	(void)err;
	pool = p->pool;
	*out = strcmp(p->name, "u") == 0     ? (void *)&rig.full
	       : strcmp(p->name, "w.0") == 0 ? (void *)&rig.rx_left
					     : (void *)&rig.attached;
	return 0;
}

static void l_destroy(void *link)
{
	(void)link;
}

static uint32_t l_zero(void *link)
{
	(void)link;
	return 0;
}

static uint16_t l_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
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

static uint16_t l_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	if (link == &rig.full && rig.full)
		return 0;
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static bool l_up(void *link)
{
	(void)link;
	return true;
}

static void l_status(void *link, struct dp_link_status *out)
{
	(void)link;
	*out = (struct dp_link_status){ .up = true,
					.attached = rig.attached,
					.n_attaches = rig.n_attaches,
					.n_rxq = 1,
					.n_txq = 1 };
}

static void l_stats(void *link, struct dp_link_stats *out)
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

static int commit(const char *lines, struct cfg_error *err)
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

static void configure(const char *lines)
{
	struct cfg_error err = { 0 };

	if (commit(lines, &err) < 0)
		fail_msg("%s: %s %s: %s", lines, err.path, err.value, err.reason);
}

static void start(void)
{
	const struct ctl_eal eal = { .n_workers = 1, .worker_lcores = { 1 } };
	const struct cfg_system s = { .packet_buffers = 4096,
				      .mac_table_size = 1024,
				      .queue_len = 512 };
	struct cfg_error err = { 0 };

	memset(&rig.c, 0, sizeof(rig.c));
	rig.c.drivers = drivers;
	rig.c.schema = schema;
	rig.attached = false;
	rig.n_attaches = 0;
	assert_int_equal(ctl_persist_open(rig.dir, &rig.c.persist, &err), 0);
	assert_int_equal(ctl_switch_create(&rig.c, &s, &eal, &err), 0);
	assert_int_equal(ctl_boot_start(&rig.c), 0);
	assert_int_equal(ctl_storage_start(&rig.c, &err), 0);
	rig.c.storage->wall_s = wall;
	rig.now_ns = dp_switch_now_ns();
}

static void stop(void)
{
	ctl_metrics_stop(&rig.c);
	ctl_storage_stop(&rig.c);
	ctl_boot_stop(&rig.c);
	dp_switch_destroy(rig.c.sw);
	ctl_vms_free(&rig.c);
	cfg_free(rig.c.running);
	ctl_persist_close(rig.c.persist);
}

static int setup(void **state)
{
	(void)state;
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/weir-storage.XXXXXX");
	if (mkdtemp(rig.dir) == NULL)
		return -1;
	wall_now = 1800000000;
	start();
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	stop();
	snprintf(command, sizeof(command), "rm -rf %s", rig.dir);
	return system(command);
}

static void pass(uint64_t ns)
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

static void teach(const char *teacher, const char *portal, uint16_t port)
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
static void conn_open(void)
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

static void pdu(enum qos_way way, struct qos_pdu p, uint64_t ns)
{
	ctl_storage_event(rig.c.storage, &(struct dp_storage_event){
						 .ns = ns,
						 .flow = way == QOS_TO_PORTAL ? 1 : 2,
						 .kind = DP_STORAGE_PDU,
						 .way = (uint8_t)way,
						 .pdu = p,
					 });
}

static void text(enum qos_way way, const char *t, size_t size)
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
static void command(uint32_t tag, uint64_t took_ns, uint64_t wait_ns)
{
	const struct dp_storage_event wait = {
		.ns = rig.now_ns,
		.flow = 1,
		.kind = DP_STORAGE_WAIT,
		.way = QOS_TO_PORTAL,
		.wait = { tag, wait_ns },
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

// Class of a TCP segment of VM v.
static enum qos_class class_of(const char *to, uint16_t port, enum qos_why *why)
{
	static struct dp_verdict v;
	struct qos_addr dst = addr(to);
	uint8_t f[60] = { 0x52, 0x54, 0, 0, 0, 9, 0x52, 0x54, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 46 };
	int idx = dp_switch_port_find(rig.c.sw, "v.0");

	f[22] = 64;
	f[23] = 6;
	memcpy(f + 26, "\x0a\x01\x00\x0b", 4);
	memcpy(f + 30, dst.b + 12, 4);
	f[34] = 0x9c;
	f[36] = (uint8_t)(port >> 8);
	f[37] = (uint8_t)port;
	f[46] = 0x50;
	assert_true(idx >= 0);
	assert_int_equal(dp_switch_explain(rig.c.sw, (uint16_t)idx, f, sizeof(f), &v), 0);
	if (v.kind == DP_VERDICT_DROP)
		fail_msg("dropped: %s", dp_drop_name(v.drop));
	if (why != NULL)
		*why = v.why;
	return v.cls;
}

static void expect_learnt(bool learnt, const char *to, uint16_t port)
{
	enum qos_why why;
	enum qos_class cls = class_of(to, port, &why);

	if (cls != (learnt ? QOS_CLASS_STORAGE : QOS_CLASS_BULK))
		fail_msg("%s:%u is class %s", to, port, qos_class_name(cls));
	if (learnt)
		assert_int_equal(why, QOS_WHY_LEARNT);
}

// The state as it is shown; it fits the modules. free()
static char *shown(const char *part, const char *name)
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

static void expect_shown(const char *part, const char *name, const char *want)
{
	char *s = shown(part, name);

	if (strstr(s, want) == NULL)
		fail_msg("'%s' is not in\n%s", want, s);
	free(s);
}

static void expect_metric(const char *line)
{
	char *t;
	size_t size;

	assert_int_equal(ctl_metrics_text(&rig.c, &t, &size), 0);
	assert_int_equal(strlen(t), size);
	if (strstr(t, line) == NULL)
		fail_msg("'%s' is not in\n%s", line, t);
	free(t);
}

static uint32_t shares(void)
{
	int idx = dp_switch_vm_find(rig.c.sw, "v");

	assert_true(idx > 0);
	return dp_switch_vm(rig.c.sw, (uint16_t)idx)->leaf[QOS_CLASS_STORAGE].shares;
}

static uint64_t boot(void)
{
	return dp_switch_boot(rig.c.sw, (uint16_t)dp_switch_vm_find(rig.c.sw, "v"));
}

// --- Learning

static void what_was_learnt_survives_commits_and_restarts(void **state)
{
	(void)state;
	configure(BASE SERVER);
	expect_learnt(false, "10.9.0.5", 4001);
	teach("10.0.0.9", "10.9.0.5", 4001);
	expect_learnt(true, "10.9.0.5", 4001);
	configure(BASE SERVER "set storage portal 10.7.0.1 tcp 5000\n");
	expect_learnt(true, "10.9.0.5", 4001);
	configure(BASE SERVER "set vm v hostname x\n");
	expect_learnt(true, "10.9.0.5", 4001);
	stop();
	start();
	configure(BASE SERVER);
	expect_learnt(true, "10.9.0.5", 4001); // at once
	expect_shown("portals", "",
		     "\"address\":\"10.9.0.5\",\"protocol\":\"tcp\",\"port\":4001,"
		     "\"service\":\"iscsi\",\"how\":\"redirect\",\"teacher\":"
		     "\"10.0.0.9\"");
	// Who taught it is not listed any more.
	configure(BASE);
	expect_learnt(false, "10.9.0.5", 4001);
	configure(BASE SERVER);
	expect_learnt(false, "10.9.0.5", 4001);
}

static void it_is_written_without_an_end(void **state)
{
	struct stat st;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", rig.dir, CTL_LEARNT_FILE);
	configure(BASE SERVER);
	pass(6 * SECOND);
	assert_int_equal(stat(path, &st), -1);
	teach("10.0.0.9", "10.9.0.5", 4001);
	pass(6 * SECOND);
	assert_int_equal(stat(path, &st), 0);
}

static void bounds_hold(void **state)
{
	(void)state;
	configure(BASE SERVER "set storage max-learnt 3\nset storage max-learnt-per-server 2\n");
	teach("10.0.0.9", "10.9.0.1", 4001);
	teach("10.0.0.9", "10.9.0.2", 4001);
	teach("10.0.0.9", "10.9.0.3", 4001);
	expect_learnt(false, "10.9.0.3", 4001);
	teach("10.0.0.8", "10.9.0.3", 4001);
	teach("10.0.0.8", "10.9.0.4", 4001);
	teach("10.5.0.1", "10.9.0.6", 4001); // nobody listed it
	teach("10.0.0.8", "127.0.0.1", 4001);
	expect_learnt(true, "10.9.0.2", 4001);
	expect_learnt(true, "10.9.0.3", 4001);
	expect_learnt(false, "10.9.0.4", 4001);
	expect_learnt(false, "10.9.0.6", 4001);
	expect_shown("portals", "",
		     "\"learning\":{\"learnt\":3,\"taught\":\"3\",\"refused-full\":\"1\","
		     "\"refused-server-full\":\"1\",\"refused-unlisted\":\"1\",\"refused-address\":"
		     "\"1\"");
	expect_metric("weir_portals_refused_total{reason=\"server-full\"} 1\n");
	// Smaller bounds take some away.
	configure(BASE SERVER "set storage max-learnt 1\n");
	expect_shown("portals", "", "\"learning\":{\"learnt\":1,");
	configure(BASE SERVER "set storage learning false\n");
	teach("10.0.0.8", "10.9.0.7", 4001);
	expect_learnt(false, "10.9.0.7", 4001);
}

static void what_nobody_uses_ages(void **state)
{
	(void)state;
	configure(BASE SERVER "set storage ageing 600\n");
	teach("10.0.0.9", "10.9.0.5", 4001);
	wall_now += 599;
	pass(61 * SECOND);
	expect_learnt(true, "10.9.0.5", 4001);
	teach("10.0.0.9", "10.9.0.5", 4001); // named again
	wall_now += 599;
	pass(61 * SECOND);
	expect_learnt(true, "10.9.0.5", 4001);
	wall_now += 2;
	pass(61 * SECOND);
	expect_learnt(false, "10.9.0.5", 4001);
	expect_shown("portals", "", "\"aged\":\"1\"");
}

static void it_is_forgotten_when_told_to(void **state)
{
	struct qos_portal p = { .addr = addr("10.9.0.5"), .proto = 6, .port = 4001 };

	(void)state;
	configure(BASE SERVER);
	teach("10.0.0.9", "10.9.0.5", 4001);
	teach("10.0.0.9", "10.9.0.6", 4001);
	teach("10.0.0.9", "10.9.0.7", 4001);
	assert_int_equal(ctl_storage_forget(&rig.c, &p), 1);
	assert_int_equal(ctl_storage_forget(&rig.c, &p), 0);
	expect_learnt(false, "10.9.0.5", 4001);
	expect_learnt(true, "10.9.0.6", 4001);
	assert_int_equal(ctl_storage_forget(&rig.c, NULL), 2);
	expect_learnt(false, "10.9.0.6", 4001);
}

static void a_damaged_file_is_put_aside(void **state)
{
	char path[128], aside[160];
	FILE *f;

	(void)state;
	configure(BASE SERVER);
	teach("10.0.0.9", "10.9.0.5", 4001);
	stop();
	snprintf(path, sizeof(path), "%s/%s", rig.dir, CTL_LEARNT_FILE);
	snprintf(aside, sizeof(aside), "%s.corrupt", path);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, 20, SEEK_SET);
	fputc('#', f);
	fclose(f);
	start();
	configure(BASE SERVER);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(aside, F_OK), 0);
	expect_learnt(false, "10.9.0.5", 4001);
	teach("10.0.0.9", "10.9.0.5", 4001);
	expect_learnt(true, "10.9.0.5", 4001);
}

// --- Boots

static void phases_follow_what_happens(void **state)
{
	(void)state;
	configure(BASE SERVER);
	rig.n_attaches = 1;
	rig.attached = true;
	pass(SECOND);
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_vm_watch(&rig.c, rig.now_ns);
	assert_int_equal(boot(), 0);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_FW, rig.now_ns);
	assert_true(boot() > rig.now_ns);
	assert_int_equal(class_of("10.0.0.9", 3260, NULL), QOS_CLASS_BOOT);
	expect_shown("storage", "v", "\"name\":\"v\",\"phase\":\"boot-firmware\"");
	expect_shown("vms", "v", "phase boot-firmware: DHCP of a boot ROM");
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_OS, rig.now_ns + 1000);
	expect_shown("storage", "v", "\"phase\":\"boot-os\"");
	expect_metric("weir_vm_phase{vm=\"v\",weir_vm_phase=\"boot-os\"} 1\n");
	expect_metric("weir_vm_phase{vm=\"v\",weir_vm_phase=\"steady\"} 0\n");
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_COMPLETE, rig.now_ns + 2000);
	assert_int_equal(boot(), 0);
	assert_int_equal(class_of("10.0.0.9", 3260, NULL), QOS_CLASS_STORAGE);
	expect_shown("storage", "", "\"in-time\":\"1\"");
	// An address again is no boot again; another process is.
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_FW, rig.now_ns + 3000);
	assert_int_equal(boot(), 0);
	rig.n_attaches = 2;
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_FW, rig.now_ns + 4000);
	assert_true(boot() != 0);
	rig.attached = false;
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_vm_watch(&rig.c, rig.now_ns);
	assert_int_equal(boot(), 0);
}

static void a_boot_has_an_end(void **state)
{
	(void)state;
	configure(BASE SERVER "set storage boot deadline 10 longest 20\n");
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_BEGIN, rig.now_ns);
	assert_int_equal(boot(), rig.now_ns + 10 * SECOND);
	pass(11 * SECOND);
	assert_int_equal(boot(), 1);
	pass(10 * SECOND);
	assert_int_equal(boot(), 0);
	expect_shown("storage", "", "\"timed-out\":\"1\"");
}

static void a_vm_that_goes_leaves_nothing(void **state)
{
	uint16_t idx;

	(void)state;
	configure(BASE SERVER);
	idx = (uint16_t)dp_switch_vm_find(rig.c.sw, "v");
	conn_open();
	command(1, 1000000, 0);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_BEGIN, rig.now_ns);
	expect_shown("storage", "", "\"name\":\"v\"");
	configure("set port u type uplink device u rate 10g trunk [ 20 ]\n" SERVER);
	assert_int_equal(dp_switch_boot(rig.c.sw, idx), 0);
	pass(SECOND);
	command(2, 1000000, 0); // its flows may still say something
	char *s = shown("storage", "");

	assert_null(strstr(s, "\"name\":\"v\""));
	assert_non_null(strstr(s, "\"booting\":0"));
	free(s);
}

#define LOGIN(name, max)                                                                           \
	"InitiatorName=" name "\0SessionType=Normal\0TargetName=iqn.2026-11.x:t\0"                 \
	"MaxRecvDataSegmentLength=" max "\0InitialR2T=Yes\0ImmediateData=No"

static void log_in(const char *t, size_t size)
{
	static const char answer[] = "TargetPortalGroupTag=1";

	pdu(QOS_TO_PORTAL, (struct qos_pdu){ .kind = QOS_PDU_LOGIN, .flags = QOS_PDU_F_FULL },
	    rig.now_ns);
	text(QOS_TO_PORTAL, t, size);
	pdu(QOS_FROM_PORTAL,
	    (struct qos_pdu){ .kind = QOS_PDU_LOGIN, .flags = QOS_PDU_F_RESPONSE | QOS_PDU_F_FULL },
	    rig.now_ns);
	text(QOS_FROM_PORTAL, answer, sizeof(answer));
}

static void logins_tell_how_far_a_boot_is(void **state)
{
	static const char firmware[] = LOGIN("iqn.2010-04.org.ipxe:v", "8192");
	static const char os[] = LOGIN("iqn.1993-08.org.debian:01:v", "262144");

	(void)state;
	configure(BASE SERVER);
	conn_open();
	log_in(firmware, sizeof(firmware));
	expect_shown("storage", "v", "\"phase\":\"boot-firmware\"");
	expect_shown("storage", "v", "\"initiator\":\"iqn.2010-04.org.ipxe:v\"");
	log_in(os, sizeof(os));
	expect_shown("storage", "v", "\"phase\":\"boot-os\"");
}

// --- Times

static void times_are_shown(void **state)
{
	(void)state;
	configure(BASE SERVER);
	conn_open();
	for (uint32_t i = 0; i < 100; i++)
		command(i, 1000000, 250000);
	pdu(QOS_TO_PORTAL,
	    (struct qos_pdu){ .kind = QOS_PDU_REQUEST, .op = QOS_OP_WRITE, .tag = 200 },
	    rig.now_ns);
	pass(SECOND / 2);
	expect_shown("storage", "v",
		     "\"op\":[{\"name\":\"read\",\"commands\":\"100\",\"bytes\":\"409600\","
		     "\"mean\":1000,");
	expect_shown("storage", "v",
		     "\"in-queues-out\":250,\"in-queues-in\":0,"
		     "\"share-in-switch\":25");
	expect_shown("storage", "v", "waits for 10.0.0.9 tcp 3260 (iscsi): 1000 us in the mean");
	expect_shown("storage", "v", "1 wait, the oldest for 500000 us");
	expect_shown("portals", "", "\"how\":\"server\",\"last-seen\":");
	expect_metric("weir_storage_command_seconds_bucket{vm=\"v\",portal=\"10.0.0.9:3260/tcp\","
		      "op=\"read\",le=\"0.000524288\"} 0\n");
	expect_metric("weir_storage_command_seconds_bucket{vm=\"v\",portal=\"10.0.0.9:3260/tcp\","
		      "op=\"read\",le=\"0.001048576\"} 100\n");
	expect_metric("weir_storage_command_seconds_sum{vm=\"v\",portal=\"10.0.0.9:3260/tcp\","
		      "op=\"read\"} 0.100000000\n");
	expect_metric("weir_storage_wait_out_seconds_total{vm=\"v\",portal=\"10.0.0.9:3260/tcp\"} "
		      "0.025000000\n");
}

// --- Targets

// Windows of 10 s, with commands that take so long.
static void windows(uint32_t n, uint64_t took_ns, uint64_t wait_ns)
{
	static uint32_t tag;

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < 50; k++) {
			command(tag++, took_ns, wait_ns);
			pass(200000000);
		}
	}
}

// Frames stand at the uplink, or not.
static void busy_set(bool busy)
{
	rig.full = busy;
	rig.rx_left = busy ? 64 : 0;
	for (uint32_t i = 0; i < 200; i++)
		dp_switch_turn(rig.c.sw, 0, rig.now_ns + i);
}

static void targets_raise_shares_and_lower_them(void **state)
{
#define TARGET BASE SERVER "set vm v qos storage-target 2000\nset vm v qos class storage shares 3\n"
	uint32_t raised;

	(void)state;
	configure(TARGET);
	conn_open();
	assert_int_equal(shares(), 3);
	windows(4, 9000000, 8000000);
	assert_int_equal(shares(), 3); // the uplink is idle: shares cannot help
	expect_shown("storage", "v", "\"state\":\"missed-link\"");
	busy_set(true);
	windows(8, 9000000, 8000000);
	raised = shares();
	assert_true(raised > 3 && raised <= 100 && raised % 3 == 0);
	expect_shown("storage", "v", "\"state\":\"raising\"");
	expect_shown("storage", "v", "\"text\":\"p99 ");
	expect_shown("storage", "", "\"decision\":[{\"id\":");
	// A commit of something else, of the VM's policy, and of its shares.
	configure(TARGET "set class bulk shares 5\n");
	assert_int_equal(shares(), raised);
	configure(TARGET "set vm v qos limit 5g\n");
	assert_int_equal(shares(), raised);
	configure(TARGET "set vm v qos class storage shares 2\n");
	assert_int_equal(shares(), raised / 3 * 2);
	configure(TARGET);
	busy_set(false);
	windows(200, 500000, 0);
	assert_int_equal(shares(), 3);
	expect_shown("storage", "v", "\"state\":\"met\",\"boost\":1");
	expect_metric("weir_vm_storage_boost{vm=\"v\"} 1\n");
}

static void a_target_that_goes_takes_its_boost_with_it(void **state)
{
	static const char *const after[] = { BASE SERVER, SERVER, BASE SERVER };

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		configure(BASE SERVER "set vm v qos storage-target 2000\n");
		conn_open();
		busy_set(true);
		windows(5, 9000000, 8000000);
		busy_set(false);
		assert_true(shares() > 1);
		configure(after[i]);
		if (dp_switch_port_find(rig.c.sw, "v.0") >= 0)
			assert_int_equal(shares(), 1);
		else
			assert_true(dp_switch_vm_find(rig.c.sw, "v") < 0);
	}
}

static void what_shares_cannot_help_is_said(void **state)
{
	(void)state;
	configure(BASE SERVER "set vm v qos storage-target 2000\n");
	conn_open();
	windows(9, 9000000, 0);
	assert_int_equal(shares(), 1);
	expect_shown("storage", "v", "\"state\":\"missed-portal\"");
	expect_shown("storage", "v", "beyond the switch");
}

// --- Metrics

static void a_port_that_is_taken_refuses_the_commit(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t size = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct cfg_error err = { 0 };
	char lines[512], want[64];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	snprintf(lines, sizeof(lines), BASE "set management metrics port %u\n", ntohs(in.sin_port));
	snprintf(want, sizeof(want), "127.0.0.1 port %u", ntohs(in.sin_port));
	assert_true(commit(lines, &err) < 0);
	assert_string_equal(err.value, want);
	assert_string_equal(err.path, "/weir-management:management/metrics");
	assert_non_null(strstr(err.reason, "Address already in use"));
	assert_int_equal(dp_switch_port_find(rig.c.sw, "u"), -2); // nothing changed
	assert_null(rig.c.metrics);
	// A roll back must not stand or fall with it.
	rig.c.unasked = true;
	configure(lines);
	rig.c.unasked = false;
	configure(BASE);
	assert_null(rig.c.metrics);
	close(fd);
	configure(lines);
	assert_non_null(rig.c.metrics);
	// The same port elsewhere.
	snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines),
		 "set management metrics address 127.0.0.2\n");
	configure(lines);
	configure(BASE);
	assert_null(rig.c.metrics);
}

static void metrics_end_as_they_must(void **state)
{
	char *t;
	size_t size;

	(void)state;
	configure(BASE SERVER);
	assert_int_equal(ctl_metrics_text(&rig.c, &t, &size), 0);
	assert_true(size > 6 && strcmp(t + size - 6, "# EOF\n") == 0);
	free(t);
	expect_metric("weir_port_up{port=\"v.0\"} 1\n");
}

int main(int own_argc, char **own_argv)
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
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_was_learnt_survives_commits_and_restarts),
		TEST(it_is_written_without_an_end),
		TEST(bounds_hold),
		TEST(what_nobody_uses_ages),
		TEST(it_is_forgotten_when_told_to),
		TEST(a_damaged_file_is_put_aside),
		TEST(phases_follow_what_happens),
		TEST(a_boot_has_an_end),
		TEST(a_vm_that_goes_leaves_nothing),
		TEST(logins_tell_how_far_a_boot_is),
		TEST(times_are_shown),
		TEST(targets_raise_shares_and_lower_them),
		TEST(a_target_that_goes_takes_its_boost_with_it),
		TEST(what_shares_cannot_help_is_said),
		TEST(a_port_that_is_taken_refuses_the_commit),
		TEST(metrics_end_as_they_must),
	};
	struct cfg_error err;
	int rc;

	(void)own_argc;
	(void)own_argv;
	weir_log_set_level(WEIR_ERROR - 1);
	if (rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])), (char **)(uintptr_t)argv) < 0 ||
	    cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(schema);
	return rc;
}
