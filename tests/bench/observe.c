// What one command costs the main thread: weir-observe [CONNECTIONS [DEPTH [COMMANDS]]]. Requests
// and answers of so many connections, each with so many outstanding, one VM per connection.
// Instructions: valgrind --tool=callgrind --toggle-collect=commands build/tests/weir-observe
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "qos_storage.h"

#define MAX 65536

static int conns[MAX];
static uint64_t now = 1000000;

static struct qos_storage *open_all(uint32_t n)
{
	const struct qos_storage_params p = { 4096, MAX, 8192, 1 << 18, 60000000000 };
	const struct qos_storage_events ev = { NULL, NULL, NULL };
	const struct qos_portal_hit to = { .service = QOS_SVC_NVME, .way = QOS_TO_PORTAL },
				    from = { .service = QOS_SVC_NVME, .way = QOS_FROM_PORTAL };
	struct qos_storage *s;

	if (qos_storage_create(&p, &ev, &s) < 0)
		exit(1);
	for (uint32_t i = 0; i < n; i++) {
		struct qos_conn_key k = { .client_port = (uint16_t)i, .portal_port = 4420 };

		conns[i] = qos_storage_open(s, &k, &to, (uint16_t)(i % 4095 + 1), now);
		if (conns[i] < 0 || qos_storage_open(s, &k, &from, 0, now) != conns[i])
			exit(1);
	}
	return s;
}

static void commands(struct qos_storage *s, uint32_t n_conns, uint32_t depth, uint64_t n)
{
	struct qos_pdu ask = { .kind = QOS_PDU_REQUEST, .bytes = 4096 };
	struct qos_pdu told = { .kind = QOS_PDU_RESPONSE };

	for (uint64_t i = 0; i < n + (uint64_t)n_conns * depth; i++) {
		// Each connection in turn; its answers come `depth` commands later.
		uint32_t c = (uint32_t)(i * 7919 % n_conns), tag = (uint32_t)(i / n_conns);

		now += 1000;
		if (tag >= depth) {
			told.tag = tag - depth;
			qos_storage_pdu(s, conns[c], QOS_FROM_PORTAL, &told, now);
		}
		ask.tag = tag;
		ask.op = (uint8_t)(i % 4 == 0);
		qos_storage_pdu(s, conns[c], QOS_TO_PORTAL, &ask, now);
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	uint32_t n_conns = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 256;
	uint32_t depth = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 8;
	uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 0) : 2000000, began, took, ticked;
	const struct qos_storage_row *r;
	struct qos_storage *s;
	uint64_t measured = 0, unmatched = 0;

	if (n_conns == 0 || n_conns > MAX || depth == 0)
		return 2;
	s = open_all(n_conns);
	began = now_ns();
	commands(s, n_conns, depth, n);
	took = now_ns() - began;
	began = now_ns();
	qos_storage_tick(s, now);
	ticked = now_ns() - began;
	for (uint32_t i = 0; (r = qos_storage_row(s, i)) != NULL; i++) {
		measured += r->took[QOS_OP_READ].n + r->took[QOS_OP_WRITE].n;
		unmatched += r->unmatched + r->unmeasured;
	}
	printf("%u connections, depth %u: %.1f ns per command and answer, tick %.0f us; %llu "
	       "measured, %llu not\n",
	       n_conns, depth, (double)took / (double)(n + (uint64_t)n_conns * depth),
	       (double)ticked / 1000, (unsigned long long)measured, (unsigned long long)unmatched);
	qos_storage_destroy(s);
	return 0;
}
