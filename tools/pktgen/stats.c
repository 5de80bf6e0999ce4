// See pg_stats.h.
#include "pg_stats.h"

void pg_hist_clear(struct pg_hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void pg_hist_merge(struct pg_hist *into, const struct pg_hist *from)
{
	into->n += from->n;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
	if (from->min < into->min)
		into->min = from->min;
	for (uint32_t i = 0; i < PG_HIST_LEN; i++)
		into->buckets[i] += from->buckets[i];
}

uint64_t pg_hist_quantile(const struct pg_hist *h, double q)
{
	uint64_t wanted = (uint64_t)(q * (double)h->n + 0.999999), seen = 0;

	if (h->n == 0)
		return 0;
	for (uint32_t i = 0; i < PG_HIST_LEN; i++) {
		seen += h->buckets[i];
		if (seen >= wanted && seen > 0)
			return pg_hist_value(i) < h->max ? pg_hist_value(i) : h->max;
	}
	return h->max;
}

void pg_seq_start(struct pg_seq *s, uint32_t next)
{
	memset(s, 0, sizeof(*s));
	s->next = next;
}

void pg_seq_odd(struct pg_seq *s, uint32_t seq)
{
	int32_t ahead = (int32_t)(seq - s->next);

	if (ahead >= 0) {
		// Numbers were skipped. Only the last window of them can be told apart when they
		// come late.
		uint32_t first = ahead >= PG_SEQ_WINDOW ? seq - PG_SEQ_WINDOW + 1 : s->next;

		if (ahead >= PG_SEQ_WINDOW) {
			memset(s->missing, 0, sizeof(s->missing));
			s->n_missing = 0;
		}
		for (uint32_t n = first; n != seq; n++) {
			pg_seq_forget(s, n);
			s->missing[n / 64 % (PG_SEQ_WINDOW / 64)] |= 1ull << (n % 64);
			s->n_missing++;
		}
		pg_seq_forget(s, seq);
		s->next = seq + 1;
		s->n_unique++;
		return;
	}
	if (-(int64_t)ahead <= PG_SEQ_WINDOW &&
	    (s->missing[seq / 64 % (PG_SEQ_WINDOW / 64)] >> (seq % 64) & 1) != 0) {
		pg_seq_forget(s, seq);
		s->n_unique++;
		s->n_reordered++;
	} else if (-(int64_t)ahead > PG_SEQ_WINDOW) {
		s->n_unique++; // too late to know: rather late than twice
		s->n_reordered++;
	} else {
		s->n_duplicated++;
	}
}
