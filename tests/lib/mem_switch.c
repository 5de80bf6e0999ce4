#include "mem_switch.h"

#include <rte_eal.h>
#include <rte_ip.h>

#include "../unit/unit.h"

struct mem_link *links[MEM_PORTS];
struct dp_switch *sw;
uint64_t now_ns;
struct dp_qos_view qos_view;
static struct dp_vm_view vm_views[MEM_PORTS];
static uint64_t next_serial;

static int t_create(const struct dp_link_params *p, void **out, struct weir_err *err)
{
	struct mem_link *l = calloc(1, sizeof(*l));

	(void)err;
	assert_non_null(l);
	l->pool = p->pool;
	l->n_rxq = 1;
	links[p->args[0] - 'a'] = l;
	*out = l;
	return 0;
}

static void t_destroy(void *link)
{
	free(link);
}

static uint32_t t_flags(void *link)
{
	(void)link;
	return 0;
}

static uint32_t t_caps(void *link)
{
	(void)link;
	return DP_CAP_CSUM | DP_CAP_TSO4 | DP_CAP_TSO6;
}

static bool t_up(void *link)
{
	(void)link;
	return true;
}

uint32_t mem_head_fill(const struct mem_link *l, uint8_t *p, uint32_t number)
{
	uint32_t at = 12, size = l->size - 14 - 4u * l->n_tags;

	memset(p, 0, MEM_HEAD);
	memcpy(p, "\x02\0\0\0\0\x09\x02\0\0\0\0\x01", 12);
	for (uint32_t i = 0; i < l->n_tags; i++, at += 4) {
		memcpy(p + at, "\x81\0", 2);
		p[at + 2] = (uint8_t)(l->tci >> 8);
		p[at + 3] = (uint8_t)l->tci;
	}
	memcpy(p + at, l->v6 ? "\x86\xdd" : "\x08\0", 2);
	at += 2;
	if (l->v6) {
		p[at] = (uint8_t)(0x60 | l->tos >> 4);
		p[at + 1] = (uint8_t)(l->tos << 4);
		p[at + 4] = (uint8_t)((size - 40) >> 8);
		p[at + 5] = (uint8_t)(size - 40);
		p[at + 6] = 6;
		at += 40;
	} else {
		uint16_t sum;

		memcpy(p + at, "\x45\0\0\0\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02", 20);
		p[at + 1] = l->tos;
		p[at + 2] = (uint8_t)(size >> 8);
		p[at + 3] = (uint8_t)size;
		sum = (uint16_t)~rte_raw_cksum(p + at, 20);
		memcpy(p + at + 10, &sum, 2);
		at += 20;
	}
	memcpy(p + at, "\x10\0\x20\0", 4);
	p[at + 12] = 0x50;
	memcpy(p + at + 20, &number, 4);
	return at + 24;
}

static uint16_t t_rx(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n)
{
	struct mem_link *l = link;
	uint16_t i = 0;

	(void)q;
	l->polls++;
	for (; i < n && l->n_gone < l->n_put; i++)
		pkts[i] = l->put[l->n_gone++];
	for (; i < n && l->left > 0; i++, l->left--, l->given++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool), *tail = m;
		uint8_t head[MEM_HEAD];

		assert_non_null(m);
		mem_head_fill(l, head, (uint32_t)l->given);
		for (uint32_t at = 0; at < l->size;) {
			uint32_t room = l->size - at < 2000 ? l->size - at : 2000;
			uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)room);

			assert_non_null(p);
			if (at == 0)
				memcpy(p, head, room < MEM_HEAD ? room : MEM_HEAD);
			at += room;
			if (at < l->size) {
				tail->next = rte_pktmbuf_alloc(l->pool);
				assert_non_null(tail->next);
				tail = tail->next;
				m->nb_segs++;
			}
		}
		dp_meta(m)->flags = l->segsz != 0 ? DP_MF_TSO | DP_MF_CSUM : 0;
		dp_meta(m)->tso_segsz = l->segsz;
		pkts[i] = m;
	}
	return i;
}

static uint16_t t_tx(void *link, struct rte_mbuf **pkts, uint16_t n)
{
	struct mem_link *l = link;

	if (l->stopped)
		return 0;
	for (uint16_t i = 0; i < n; i++, l->taken++) {
		uint16_t size = rte_pktmbuf_data_len(pkts[i]);

		if (l->taken < MEM_KEEP)
			memcpy(l->kept[l->taken], dp_data(pkts[i]),
			       size < MEM_HEAD ? size : MEM_HEAD);
	}
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static void t_status(void *link, struct dp_link_status *out)
{
	memset(out, 0, sizeof(*out));
	out->up = out->attached = true;
	out->n_rxq = out->n_txq = ((struct mem_link *)link)->n_rxq;
}

static void t_stats(void *link, struct dp_link_stats *out)
{
	(void)link;
	*out = (struct dp_link_stats){ .tx_sent_pkts = UINT64_MAX };
}

static const struct dp_link_driver driver = { "t",  t_create, t_destroy, t_flags,  t_rx,
					      t_tx, t_caps,   t_up,	 t_status, t_stats };

void mem_ports_make(const char *names, uint32_t n_workers, uint32_t guest_flags, uint8_t mode)
{
	const struct dp_switch_params p = { .n_workers = n_workers,
					    .worker_lcores = { 1, 2 },
					    .n_mbufs = 8191,
					    .n_mbufs_large = 32,
					    .mac_limit = 1024,
					    .queue_len = 8192 };
	struct dp_prepared *prep;
	struct weir_err err;
	struct dp_plan plan;

	assert_int_equal(dp_switch_create(&p, &sw, &err), 0);
	dp_switch_add_driver(sw, &driver);
	dp_plan_init(&plan);
	for (uint32_t i = 0; names[i] != '\0'; i++) {
		bool last = names[i + 1] == '\0';
		struct dp_act_port_set a = { .h = { DP_ACT_PORT_SET, sizeof(a) } };

		a.p = (struct dp_port_params){
			.name = { names[i] },
			.of_port = i + 1,
			.driver = "t",
			.args = { names[i] },
			.mtu = 1500,
			.n_queues = 1,
			.role = last ? DP_ROLE_UPLINK : DP_ROLE_GUEST,
			.vlan_mode = last ? DP_VLAN_TRUNK : mode,
			.vid = last ? 0 : 20,
			.default_class = QOS_CLASS_BULK,
			.flags = last ? 0 : DP_PF_ISOLATED | guest_flags,
			.trunk = { 0, 0, 0x30 },
		};
		assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	}
	if (dp_switch_prepare(sw, &plan, &prep, &err) < 0)
		fail_msg("%s", err.text);
	dp_switch_commit(sw, prep);
	dp_plan_fini(&plan);
	now_ns = dp_switch_now_ns(); // not before the ports were made: schedulers go by it
	memset(vm_views, 0, sizeof(vm_views));
	for (uint32_t i = 0; i < MEM_PORTS && links[i] != NULL; i++)
		links[i]->size = 1514;
}

void mem_ports_end(void)
{
	struct weir_err err;

	if (!dp_switch_conserved(sw, &err))
		fail_msg("%s", err.text);
	dp_switch_destroy(sw);
	memset(links, 0, sizeof(links));
}

void mem_vm_set(uint32_t port, uint16_t idx, const struct dp_vm_params *p)
{
	struct dp_vm_view *vm = &vm_views[idx];

	if (vm->serial == 0 || memcmp(&vm->p, p, sizeof(*p)) != 0)
		*vm = (struct dp_vm_view){ .idx = idx, .serial = ++next_serial, .p = *p };
	dp_root(sw)->views[port]->vm = vm;
	dp_limit_share((struct dp_snapshot *)(uintptr_t)dp_root(sw), sw->n_workers);
}

void mem_qos_set(void)
{
	static const uint8_t pcp[QOS_N_CLASSES] = { 6, 4, 4, 5, 2, 0, 1 };

	memset(&qos_view, 0, sizeof(qos_view));
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		qos_view.classes[i].pcp = pcp[i];
		qos_view.classes[i].dscp = DP_DSCP_KEEP;
	}
	((struct dp_snapshot *)(uintptr_t)dp_root(sw))->qos = &qos_view;
}

void mem_turns(uint64_t for_ns, uint64_t step_ns)
{
	for (uint64_t end = now_ns + for_ns; now_ns < end; now_ns += step_ns) {
		for (uint32_t id = 0; id < sw->n_workers; id++)
			dp_switch_turn(sw, id, now_ns);
	}
}

void mem_put(struct mem_link *l, struct rte_mbuf *m)
{
	if (l->n_gone == l->n_put)
		l->n_gone = l->n_put = 0;
	assert_true(l->n_put < MEM_PUT);
	l->put[l->n_put++] = m;
}

uint64_t mem_counter(uint32_t port, enum dp_port_counter c)
{
	struct dp_port_totals t;

	assert_int_equal(dp_switch_port_totals(sw, (uint16_t)port, &t), 0);
	return t.c[c];
}

uint64_t mem_dropped(uint32_t port, enum dp_drop reason)
{
	struct dp_port_totals t;

	assert_int_equal(dp_switch_port_totals(sw, (uint16_t)port, &t), 0);
	return t.drop_in[reason];
}

bool mem_start(void)
{
	const char *argv[] = { "unit",
			       "--no-huge",
			       "--no-shconf",
			       "-m",
			       "192",
			       "--no-pci",
			       "--no-telemetry",
			       "--lcores",
			       "0@(0,1),1@(0,1),2@(0,1)",
			       "--log-level=*:error" };

	return rte_eal_init(RTE_DIM(argv), (char **)(uintptr_t)argv) >= 0;
}
