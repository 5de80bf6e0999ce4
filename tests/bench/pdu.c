// What the PDU trackers cost: `weir-pdu CASE N` feeds the case N times. Instructions of one:
//   valgrind --tool=callgrind --toggle-collect=run --callgrind-out-file=/dev/null weir-pdu CASE N
// for two N, the difference divided by that of the N.
#include <stdio.h>
#include <stdlib.h>

#include "pdu_make.h"
#include "qos_pdu.h"

static struct bytes in, message;
static uint64_t n_told;

static void told(void *ctx, const struct qos_pdu *pdu)
{
	(void)ctx;
	n_told += pdu->kind <= QOS_PDU_GETPORT;
}

static const uint8_t *at(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf)
{
	(void)n;
	(void)buf;
	return (const uint8_t *)pkt + offset;
}

struct bench {
	const char *name;
	enum qos_service service;
	enum qos_way way;
	uint32_t segment; // size, 0 = all at once
	void (*make)(void);
};

static void make_inside(void)
{
	put_iscsi(&in, (struct iscsi){ .op = 0x25, .flags = 0x81, .size = (64 << 10) - 48 });
}

static void make_command(void)
{
	put_iscsi(&in, (struct iscsi){ .op = 1, .flags = 0xc1, .tag = 7, .word20 = 4096 });
}

static void make_answers(void)
{
	for (uint32_t i = 0; i < 15; i++)
		put_iscsi(&in, (struct iscsi){ .op = 0x25, .flags = 0x81, .tag = 7, .size = 4096 });
}

static void make_nvme(void)
{
	put_nvme_command(&in, 2, 7, 1, 4096, 0);
}

static void make_completion(void)
{
	put_nvme_response(&in, 7, 0, 0);
}

static void make_read3(void)
{
	put_call(&message, 7, 100003, 3, 6);
	put_be32(&message, 32);
	put_data(&message, 32 + 12);
	put_record(&in, &message, 100000);
}

static void make_compound(void)
{
	put_call(&message, 7, 100003, 4, 1);
	put_be32(&message, 0);
	put_be32(&message, 1);
	put_be32(&message, 3);
	put_be32(&message, 53);
	put_zeros(&message, 32);
	put_be32(&message, 22);
	put_opaque(&message, "handle of a file", 16);
	put_be32(&message, 25);
	put_zeros(&message, 28);
	put_record(&in, &message, 100000);
}

static void make_reply(void)
{
	put_reply(&message, 7, 0);
	put_zeros(&message, 1000);
	put_record(&in, &message, 100000);
}

static void make_noise(void)
{
	put_data(&in, 1448);
}

static const struct bench benches[] = {
	{ "inside", QOS_SVC_ISCSI, QOS_FROM_PORTAL, 1024, make_inside },
	{ "command", QOS_SVC_ISCSI, QOS_TO_PORTAL, 0, make_command },
	{ "cut", QOS_SVC_ISCSI, QOS_TO_PORTAL, 24, make_command },
	{ "answers", QOS_SVC_ISCSI, QOS_FROM_PORTAL, 0, make_answers },
	{ "nvme", QOS_SVC_NVME, QOS_TO_PORTAL, 0, make_nvme },
	{ "completion", QOS_SVC_NVME, QOS_FROM_PORTAL, 0, make_completion },
	{ "read3", QOS_SVC_NFS, QOS_TO_PORTAL, 0, make_read3 },
	{ "compound", QOS_SVC_NFS, QOS_TO_PORTAL, 0, make_compound },
	{ "reply", QOS_SVC_NFS, QOS_FROM_PORTAL, 0, make_reply },
	{ "given-up", QOS_SVC_ISCSI, QOS_FROM_PORTAL, 0, make_noise },
	{ "nothing", QOS_SVC_ISCSI, QOS_FROM_PORTAL, 0, NULL },
};

__attribute__((noinline)) static void run(struct qos_stream *s, uint32_t n, uint32_t size)
{
	struct qos_segment seg = { .seq = 1, .size = size, .pkt = in.b, .at = at };

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t off = 0; off < in.n; off += size) {
			seg.pkt = in.b + off;
			__asm__ volatile("" ::"r"(&seg) : "memory");
			qos_stream_feed(s, &seg, told, NULL);
			seg.seq += size;
		}
		__asm__ volatile("" ::"r"(s) : "memory");
	}
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 3 && i < sizeof(benches) / sizeof(benches[0]); i++) {
		const struct bench *b = &benches[i];
		struct qos_stream s;

		if (strcmp(b->name, argv[1]) != 0)
			continue;
		if (b->make != NULL)
			b->make();
		qos_stream_init(&s, b->service, b->way);
		qos_stream_feed(&s, &(struct qos_segment){ .syn = true }, told, NULL);
		run(&s, (uint32_t)strtoul(argv[2], NULL, 10),
		    b->segment == 0 ? (uint32_t)in.n : b->segment);
		printf("%llu told\n", (unsigned long long)n_told);
		return 0;
	}
	fprintf(stderr, "usage: weir-pdu CASE N\n");
	return 2;
}
