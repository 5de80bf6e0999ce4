// What a sink learns: a log-linear histogram of latencies, and what became of a sequence of frames.
#ifndef PG_STATS_H
#define PG_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	PG_HIST_SUB_BITS = 5, // 32 steps per octave: an error of 3 % at most
	PG_HIST_SUB = 1 << PG_HIST_SUB_BITS,
	PG_HIST_OCTAVES = 36,
	PG_HIST_LEN = PG_HIST_SUB * PG_HIST_OCTAVES,
	PG_SEQ_WINDOW = 4096, // how late a frame may come and still be told from a duplicate
};

// Values are TSC ticks.
struct pg_hist {
	uint64_t n, sum, min, max;
	uint64_t buckets[PG_HIST_LEN];
};

static inline uint32_t pg_hist_bucket(uint64_t v)
{
	uint32_t octave, b;

	if (v < PG_HIST_SUB)
		return (uint32_t)v;
	octave = 63 - (uint32_t)__builtin_clzll(v) - PG_HIST_SUB_BITS;
	b = (octave + 1) * PG_HIST_SUB + (uint32_t)(v >> octave) - PG_HIST_SUB;
	return b < PG_HIST_LEN ? b : PG_HIST_LEN - 1;
}

// The largest value of a bucket.
static inline uint64_t pg_hist_value(uint32_t b)
{
	uint32_t octave = b / PG_HIST_SUB;

	return octave == 0 ? b
			   : ((uint64_t)(b % PG_HIST_SUB + PG_HIST_SUB + 1) << (octave - 1)) - 1;
}

static inline void pg_hist_add(struct pg_hist *h, uint64_t v)
{
	h->n++;
	h->sum += v;
	if (v > h->max)
		h->max = v;
	if (v < h->min)
		h->min = v;
	h->buckets[pg_hist_bucket(v)]++;
}

void pg_hist_clear(struct pg_hist *h);
void pg_hist_merge(struct pg_hist *into, const struct pg_hist *from);

// The value that a share of all samples does not exceed, never above the true maximum; 0 without
// samples.
uint64_t pg_hist_quantile(const struct pg_hist *h, double q);

// A sequence of frames as it arrives. A bit of `missing` is a number that was skipped and may still
// come.
struct pg_seq {
	uint32_t next;
	uint32_t n_missing;
	uint64_t n_unique, n_reordered, n_duplicated;
	uint64_t missing[PG_SEQ_WINDOW / 64];
};

// Begin with the number that comes next.
void pg_seq_start(struct pg_seq *s, uint32_t next);

// What is not the next number. Slow path of pg_seq_add().
void pg_seq_odd(struct pg_seq *s, uint32_t seq);

static inline void pg_seq_forget(struct pg_seq *s, uint32_t seq)
{
	uint64_t *word = &s->missing[seq / 64 % (PG_SEQ_WINDOW / 64)], bit = 1ull << (seq % 64);

	if ((*word & bit) != 0) {
		*word &= ~bit;
		s->n_missing--;
	}
}

static inline void pg_seq_add(struct pg_seq *s, uint32_t seq)
{
	if (__builtin_expect(seq != s->next, 0)) {
		pg_seq_odd(s, seq);
		return;
	}
	// The place of a number that was skipped a window ago.
	if (__builtin_expect(s->n_missing > 0, 0))
		pg_seq_forget(s, seq);
	s->next++;
	s->n_unique++;
}

#endif
