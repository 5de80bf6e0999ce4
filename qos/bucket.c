#include "qos_bucket.h"

#include <errno.h>

#define NS_PER_S 1000000000u

static void set(struct qos_bucket *b, uint64_t rate_ops_per_s, uint32_t burst_ops)
{
	if (rate_ops_per_s == 0 || rate_ops_per_s > NS_PER_S) {
		b->ns_per_op = 0;
	} else {
		b->ns_per_op = NS_PER_S / rate_ops_per_s;
	}
	b->burst_ops = burst_ops == 0 ? 1 : burst_ops;
}

void qos_bucket_init(struct qos_bucket *b, uint64_t rate_ops_per_s, uint32_t burst_ops,
		     uint64_t now_ns)
{
	set(b, rate_ops_per_s, burst_ops);
	b->tokens_ops = b->burst_ops;
	b->t_ns = now_ns;
}

static void refill(struct qos_bucket *b, uint64_t now_ns)
{
	uint64_t earned;

	if (now_ns <= b->t_ns)
		return;
	if (now_ns - b->t_ns < b->ns_per_op)
		return; // the common case under load: no division
	earned = (now_ns - b->t_ns) / b->ns_per_op;
	if (earned >= b->burst_ops - b->tokens_ops) {
		b->tokens_ops = b->burst_ops;
		b->t_ns = now_ns;
	} else {
		b->tokens_ops += (uint32_t)earned;
		b->t_ns += earned * b->ns_per_op; // the remainder stays earned
	}
}

void qos_bucket_set_rate(struct qos_bucket *b, uint64_t rate_ops_per_s, uint32_t burst_ops,
			 uint64_t now_ns)
{
	if (b->ns_per_op != 0)
		refill(b, now_ns);
	set(b, rate_ops_per_s, burst_ops);
	if (b->tokens_ops > b->burst_ops)
		b->tokens_ops = b->burst_ops;
	b->t_ns = now_ns;
}

int qos_bucket_take(struct qos_bucket *b, uint64_t now_ns)
{
	if (b->ns_per_op == 0)
		return 0;
	refill(b, now_ns);
	if (b->tokens_ops == 0)
		return -EAGAIN;
	b->tokens_ops--;
	return 0;
}
