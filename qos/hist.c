#include "qos_storage.h"

// Below 8 a bin is one value; then each power of two has 8, by the three bits behind the highest.
// The last bin ends at 2^34 ns (17 s) and takes what is longer.
static uint32_t bin_of(uint64_t ns)
{
	uint32_t log2, i;

	if (ns < 8)
		return (uint32_t)ns;
	log2 = 63 - (uint32_t)__builtin_clzll(ns);
	i = ((log2 - 2) << 3) | ((ns >> (log2 - 3)) & 7);
	return i < QOS_HIST_BINS ? i : QOS_HIST_BINS - 1;
}

static uint64_t upper_edge(uint32_t bin)
{
	if (bin < 8)
		return bin;
	return ((9 + (uint64_t)(bin & 7)) << ((bin >> 3) - 1)) - 1;
}

void qos_hist_add(struct qos_hist *h, uint64_t ns)
{
	h->n++;
	h->sum_ns += ns;
	if (ns > h->max_ns)
		h->max_ns = ns;
	h->bin[bin_of(ns)]++;
}

uint64_t qos_hist_quantile(const struct qos_hist *h, uint32_t permille)
{
	uint64_t rank, seen = 0;

	if (h->n == 0)
		return 0;
	if (permille > 1000)
		permille = 1000;
	// The smallest of which at least that part is not greater; in two steps, as n * 1000 may
	// overflow.
	rank = h->n / 1000 * permille + (h->n % 1000 * permille + 999) / 1000;
	if (rank == 0)
		rank = 1;
	for (uint32_t i = 0; i < QOS_HIST_BINS - 1; i++) {
		seen += h->bin[i];
		if (seen >= rank)
			return upper_edge(i) < h->max_ns ? upper_edge(i) : h->max_ns;
	}
	return h->max_ns;
}

void qos_hist_merge(struct qos_hist *a, const struct qos_hist *b)
{
	a->n += b->n;
	a->sum_ns += b->sum_ns;
	if (b->max_ns > a->max_ns)
		a->max_ns = b->max_ns;
	for (uint32_t i = 0; i < QOS_HIST_BINS; i++)
		a->bin[i] += b->bin[i];
}

void qos_hist_since(const struct qos_hist *now, const struct qos_hist *before,
		    struct qos_hist *since)
{
	since->n = now->n - before->n;
	since->sum_ns = now->sum_ns - before->sum_ns;
	since->max_ns = now->max_ns;
	for (uint32_t i = 0; i < QOS_HIST_BINS; i++)
		since->bin[i] = now->bin[i] - before->bin[i];
}
