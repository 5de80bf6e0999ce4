// DPDK's rte_sched as a peer of tools/bench/compare: guests on one side, one uplink on the other,
// an rte_sched port in between. One polling thread; no VLANs, no forwarding table, no admission:
// what it costs is what moving frames and scheduling cost.
//
//     weir-bench-rte-sched [EAL arguments] -- RATE RESERVATION SHARES...
//
// All ports are ethdevs in the order of their --vdev arguments; the last one is the uplink. RATE is
// the uplink's and RESERVATION storage's, in bit/s; SHARES of each guest, port by port. What guests
// send goes to the uplink, what comes from there to the guest whose address it carries. Commands on
// stdin: `stats`, `quit`.
//
// The tree: storage (TCP to or from port 3260) in traffic class 0, all else in the best-effort
// class. The four weighted queues of that class exist within a pipe only, and so does priority. So
// as many guests as there are such queues share one pipe, where shares can be kept and storage goes
// before everybody's bulk; more than that have a pipe each. The library stays with a pipe until it
// has no credit, so there each is capped at its part of the link, by shares; the first one, whose
// storage must get through, is not. A class's rate is a cap too: storage's is its reservation, or
// it would starve the others.
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_sched.h>

enum {
	BURST = 32,
	DESCRIPTORS = 1024,
	MBUFS = 32767,
	QUEUE_PKTS = 64, // 0.8 ms of full frames at 1 Gbit/s; a power of two
	BUCKET_PKTS = 8, // what a turn that comes late may catch up on
	PERIOD_MS = 10,	 // over which a class has its rate: the library's customary value
	FRAME_BYTES = 1518,
	STORAGE_PORT = 3260,
	LINE_BYTES = 64,
	// The library measures time in bytes of the port's rate, and a port that is not held up by
	// its device has no limit of its own: the limit is the subport's, a fraction of this one.
	PORT_OVER_UPLINK = 10,
};

struct guest {
	struct rte_ether_addr mac; // the source of what it sent last
	uint32_t pipe, queue;	   // of its best-effort traffic
	uint32_t shares;
};

struct peer {
	uint16_t n_guests, uplink;
	uint64_t rate, reservation; // bytes per second
	uint32_t n_pipes;	    // power of two
	uint8_t wrr[RTE_SCHED_BE_QUEUES_PER_PIPE];
	struct guest guests[RTE_MAX_ETHPORTS];
	struct rte_sched_port *sched;
	struct rte_mbuf *waiting[BURST]; // scheduled; the uplink had no room
	uint16_t n_waiting;
	// worker: w, main: r, relaxed
	_Atomic uint64_t busy_cycles, rx_pkts, tx_pkts, drop_pkts;
	_Atomic bool stop; // main: w, worker: r
};

static void count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static bool is_storage(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(eth + 1);
	const rte_be16_t *ports = (const rte_be16_t *)(ip + 1),
			 want = rte_cpu_to_be_16(STORAGE_PORT);

	return rte_pktmbuf_data_len(m) >= sizeof(*eth) + sizeof(*ip) + 2 * sizeof(*ports) &&
	       eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
	       ip->next_proto_id == IPPROTO_TCP && (ports[0] == want || ports[1] == want);
}

static uint16_t from_guest(struct peer *p, uint16_t id)
{
	struct guest *g = &p->guests[id];
	struct rte_mbuf *pkts[BURST];
	uint16_t n = rte_eth_rx_burst(id, 0, pkts, BURST);
	int taken;

	if (n == 0)
		return 0;
	g->mac = rte_pktmbuf_mtod(pkts[n - 1], struct rte_ether_hdr *)->src_addr;
	for (uint16_t i = 0; i < n; i++) {
		bool storage = is_storage(pkts[i]);

		rte_sched_port_pkt_write(p->sched, pkts[i], 0, g->pipe,
					 storage ? 0 : RTE_SCHED_TRAFFIC_CLASS_BE,
					 storage ? 0 : g->queue, RTE_COLOR_GREEN);
	}
	taken = rte_sched_port_enqueue(p->sched, pkts, n); // frees what it refuses
	count(&p->drop_pkts, (uint64_t)(n - taken));
	return n;
}

static uint16_t to_uplink(struct peer *p)
{
	uint16_t n;

	if (p->n_waiting == 0)
		p->n_waiting = (uint16_t)rte_sched_port_dequeue(p->sched, p->waiting, BURST);
	if (p->n_waiting == 0)
		return 0;
	n = rte_eth_tx_burst(p->uplink, 0, p->waiting, p->n_waiting);
	p->n_waiting = (uint16_t)(p->n_waiting - n);
	memmove(p->waiting, p->waiting + n, p->n_waiting * sizeof(p->waiting[0]));
	count(&p->tx_pkts, n);
	return n;
}

static void to_guest(struct peer *p, struct rte_mbuf *m)
{
	const struct rte_ether_addr *mac = rte_pktmbuf_mtod(m, const struct rte_ether_addr *);

	for (uint16_t i = 0; i < p->n_guests; i++) {
		if (!rte_is_same_ether_addr(mac, &p->guests[i].mac))
			continue;
		if (rte_eth_tx_burst(i, 0, &m, 1) == 1) {
			count(&p->tx_pkts, 1);
			return;
		}
		break;
	}
	count(&p->drop_pkts, 1);
	rte_pktmbuf_free(m);
}

static uint16_t from_uplink(struct peer *p)
{
	struct rte_mbuf *pkts[BURST];
	uint16_t n = rte_eth_rx_burst(p->uplink, 0, pkts, BURST);

	for (uint16_t i = 0; i < n; i++)
		to_guest(p, pkts[i]);
	return n;
}

static int work(void *arg)
{
	struct peer *p = arg;

	while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		uint64_t start = rte_rdtsc();
		uint32_t n = from_uplink(p), n_tx;

		for (uint16_t i = 0; i < p->n_guests; i++)
			n += from_guest(p, i);
		n_tx = to_uplink(p);
		count(&p->rx_pkts, n);
		if (n + n_tx > 0)
			count(&p->busy_cycles, rte_rdtsc() - start);
	}
	return 0;
}

static int port_start(uint16_t id, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = { 0 };
	int rc = rte_eth_dev_configure(id, 1, 1, &conf);

	if (rc == 0)
		rc = rte_eth_rx_queue_setup(id, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL, pool);
	if (rc == 0)
		rc = rte_eth_tx_queue_setup(id, 0, DESCRIPTORS, SOCKET_ID_ANY, NULL);
	return rc == 0 ? rte_eth_dev_start(id) : rc;
}

// Guests to pipes and queues; see the top.
static int tree_plan(struct peer *p, char **shares)
{
	bool one_pipe = p->n_guests <= RTE_SCHED_BE_QUEUES_PER_PIPE;

	p->n_pipes = one_pipe ? 1 : rte_align32pow2(p->n_guests);
	memset(p->wrr, 1, sizeof(p->wrr));
	for (uint16_t i = 0; i < p->n_guests; i++) {
		unsigned long v = strtoul(shares[i], NULL, 10);

		if (v < 1 || v > UINT8_MAX)
			return -1;
		p->guests[i].shares = (uint32_t)v;
		p->guests[i].pipe = one_pipe ? 0 : i;
		p->guests[i].queue = one_pipe ? i : 0;
		if (one_pipe)
			p->wrr[i] = (uint8_t)v;
	}
	return 0;
}

// One profile for each pipe; guest 0's, or all of them in one pipe, may have the whole link.
static void pipes_plan(const struct peer *p, struct rte_sched_pipe_params *pipes)
{
	uint32_t shares = 0;

	for (uint16_t i = 1; i < p->n_guests; i++)
		shares += p->guests[i].shares;
	for (uint32_t i = 0; i < p->n_pipes; i++) {
		uint32_t mine = i > 0 && i < p->n_guests ? p->guests[i].shares : shares;

		pipes[i] = (struct rte_sched_pipe_params){
			.tb_rate = i == 0 ? p->rate : p->rate * mine / shares,
			.tb_size = (uint64_t)BUCKET_PKTS * FRAME_BYTES,
			.tc_period = PERIOD_MS,
			.tc_ov_weight = 1,
		};
		for (uint32_t c = 0; c < RTE_SCHED_TRAFFIC_CLASSES_PER_PIPE; c++)
			pipes[i].tc_rate[c] =
				RTE_MIN(c == 0 ? p->reservation : p->rate, pipes[i].tb_rate);
		memcpy(pipes[i].wrr_weights, p->wrr, sizeof(p->wrr));
	}
}

static int tree_create(struct peer *p)
{
	static struct rte_sched_pipe_params pipes[2 * RTE_MAX_ETHPORTS];
	struct rte_sched_subport_profile_params subport_profile = {
		.tb_rate = p->rate,
		.tb_size = (uint64_t)BUCKET_PKTS * FRAME_BYTES,
		.tc_period = PERIOD_MS,
	};
	struct rte_sched_port_params port = {
		.name = "uplink",
		.socket = (int)rte_socket_id(),
		.rate = p->rate * PORT_OVER_UPLINK,
		.mtu = FRAME_BYTES,
		.frame_overhead = RTE_SCHED_FRAME_OVERHEAD_DEFAULT,
		.n_subports_per_port = 1,
		.subport_profiles = &subport_profile,
		.n_subport_profiles = 1,
		.n_max_subport_profiles = 1,
		.n_pipes_per_subport = p->n_pipes,
	};
	struct rte_sched_subport_params subport = { .n_pipes_per_subport_enabled = p->n_pipes,
						    .pipe_profiles = pipes,
						    .n_pipe_profiles = p->n_pipes,
						    .n_max_pipe_profiles = p->n_pipes };
	int rc;

	for (uint32_t i = 0; i < RTE_SCHED_TRAFFIC_CLASSES_PER_PIPE; i++) {
		subport_profile.tc_rate[i] = i == 0 ? p->reservation : p->rate;
		subport.qsize[i] = QUEUE_PKTS;
	}
	pipes_plan(p, pipes);
	p->sched = rte_sched_port_config(&port);
	rc = p->sched == NULL ? -1 : rte_sched_subport_config(p->sched, 0, &subport, 0);
	for (uint32_t i = 0; rc == 0 && i < p->n_pipes; i++)
		rc = rte_sched_pipe_config(p->sched, 0, i, (int32_t)i);
	return rc;
}

static void serve(struct peer *p)
{
	char line[LINE_BYTES];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "quit\n") != 0) {
		if (strcmp(line, "stats\n") == 0)
			printf("busy-cycles=%lu rx=%lu tx=%lu dropped=%lu\n", p->busy_cycles,
			       p->rx_pkts, p->tx_pkts, p->drop_pkts);
		else
			printf("stats or quit, not %s", line);
		fflush(stdout);
	}
}

static int fail(const char *what)
{
	fprintf(stderr, "weir-bench-rte-sched: error: %s\n", what);
	return 1;
}

int main(int argc, char **argv)
{
	static struct peer p;
	struct rte_mempool *pool;
	unsigned worker;
	int n = rte_eal_init(argc, argv);

	if (n < 0)
		return fail("DPDK does not start: see the lines above");
	argc -= n + 1;
	argv += n + 1;
	if (rte_eth_dev_count_avail() < 2 || argc != rte_eth_dev_count_avail() + 1)
		return fail("usage: EAL arguments -- RATE RESERVATION SHARES..., shares for each "
			    "port but the last");
	p.n_guests = p.uplink = (uint16_t)(rte_eth_dev_count_avail() - 1);
	p.rate = strtoull(argv[0], NULL, 10) / 8;
	p.reservation = strtoull(argv[1], NULL, 10) / 8;
	if (p.reservation == 0 || p.reservation > p.rate || tree_plan(&p, argv + 2) < 0)
		return fail("RESERVATION: 8 to RATE; SHARES: 1 to 255");
	pool = rte_pktmbuf_pool_create("frames", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	worker = rte_get_next_lcore(-1, 1, 0);
	if (pool == NULL || worker == RTE_MAX_LCORE || tree_create(&p) < 0)
		return fail("no memory, no second lcore, or rte_sched refuses the tree");
	for (uint16_t i = 0; i <= p.uplink; i++)
		if (port_start(i, pool) < 0)
			return fail("a port does not start");
	if (rte_eal_remote_launch(work, &p, worker) < 0)
		return fail("the worker does not start");
	serve(&p);
	atomic_store(&p.stop, true);
	rte_eal_wait_lcore(worker);
	return 0;
}
