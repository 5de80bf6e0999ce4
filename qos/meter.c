// Setting meters up; the check itself is inline (qos_meter.h).
#include "qos_meter.h"

#include <errno.h>

static int check_bucket(uint64_t bits_per_s, uint32_t burst_bytes)
{
	if (bits_per_s == 0)
		return 0;
	if (bits_per_s < QOS_METER_MIN_BITS_PER_S || bits_per_s > QOS_METER_MAX_BITS_PER_S)
		return -ERANGE;
	return burst_bytes == 0 ? -EINVAL : 0;
}

int qos_meter_check(const struct qos_meter_params *p)
{
	int err;

	if (p->mode == QOS_METER_NONE)
		return 0;
	if (p->mode != QOS_METER_RFC4115 && p->mode != QOS_METER_RFC2698)
		return -EINVAL;
	if (p->committed_bits_per_s == 0 && p->second_bits_per_s == 0)
		return -EINVAL;
	if (p->mode == QOS_METER_RFC2698 && p->second_bits_per_s < p->committed_bits_per_s)
		return -EINVAL;
	err = check_bucket(p->committed_bits_per_s, p->committed_burst_bytes);
	return err < 0 ? err : check_bucket(p->second_bits_per_s, p->second_burst_bytes);
}

static void bucket_set(struct qos_meter_bucket *b, uint64_t bits_per_s, uint32_t burst_bytes)
{
	if (burst_bytes > QOS_METER_MAX_BURST_BYTES)
		burst_bytes = QOS_METER_MAX_BURST_BYTES;
	b->bits_per_s = bits_per_s;
	b->cap = bits_per_s == 0 ? 0 : burst_bytes * QOS_METER_BYTE;
	if (b->credit > b->cap)
		b->credit = b->cap;
}

// Buckets as p says, with what they hold.
static void shape(struct qos_meter *m, const struct qos_meter_params *p)
{
	m->mode = p->mode;
	m->colour_aware = p->colour_aware != 0;
	bucket_set(&m->committed, p->committed_bits_per_s, p->committed_burst_bytes);
	bucket_set(&m->second, p->second_bits_per_s, p->second_burst_bytes);
}

int qos_meter_init(struct qos_meter *m, const struct qos_meter_params *p, uint64_t now_ns)
{
	int err = qos_meter_check(p);

	*m = (struct qos_meter){ .at_ns = now_ns };
	if (err < 0 || p->mode == QOS_METER_NONE)
		return err;
	m->committed.credit = m->second.credit = UINT64_MAX; // as much as fits
	shape(m, p);
	return 0;
}

int qos_meter_set(struct qos_meter *m, const struct qos_meter_params *p, uint64_t now_ns)
{
	int err = qos_meter_check(p);

	if (err < 0)
		return err;
	if (m->mode == QOS_METER_NONE || p->mode == QOS_METER_NONE)
		return qos_meter_init(m, p, now_ns);
	qos_meter_advance(m, now_ns);
	shape(m, p);
	return 0;
}
