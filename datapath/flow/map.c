// Hash tables of what main knows of a table, by linear hashing.
#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_BUCKETS = 16 };

// Bucket of a hash among n, n >= 1.
static uint32_t bucket_of(uint64_t hash, uint32_t n)
{
	uint32_t high = n == 1 ? 1 : 1u << (32 - __builtin_clz(n - 1)); // power of two, >= n
	uint32_t at = (uint32_t)hash & (high - 1);

	return at < n ? at : at - high / 2;
}

int ft_map_init(struct ft_map *m)
{
	m->at = calloc(MIN_BUCKETS, sizeof(m->at[0]));
	if (m->at == NULL)
		return -ENOMEM;
	m->n_buckets = 1;
	m->max = MIN_BUCKETS;
	return 0;
}

void ft_map_fini(struct ft_map *m)
{
	free(m->at);
	memset(m, 0, sizeof(*m));
}

struct dp_flow_link *ft_map_first(const struct ft_map *m, uint64_t hash)
{
	return m->at[bucket_of(hash, m->n_buckets)];
}

// One bucket more: what one bucket has is dealt to it and to the new one.
static void split(struct ft_map *m)
{
	struct dp_flow_link *l, *next;
	uint32_t from;

	if (m->n_buckets > m->n || !ft_room(&m->at, m->n_buckets, &m->max))
		return;
	m->at[m->n_buckets++] = NULL;
	from = bucket_of(m->n_buckets - 1, m->n_buckets - 1);
	l = m->at[from];
	m->at[from] = NULL;
	for (; l != NULL; l = next) {
		struct dp_flow_link **b = &m->at[bucket_of(l->hash, m->n_buckets)];

		next = l->next;
		l->next = *b;
		*b = l;
	}
}

void ft_map_insert(struct ft_map *m, struct dp_flow_link *l)
{
	struct dp_flow_link **b = &m->at[bucket_of(l->hash, m->n_buckets)];

	l->next = *b;
	*b = l;
	m->n++;
	split(m);
}

void ft_map_remove(struct ft_map *m, const struct dp_flow_link *l)
{
	struct dp_flow_link **b = &m->at[bucket_of(l->hash, m->n_buckets)];

	while (*b != l)
		b = &(*b)->next;
	*b = l->next;
	m->n--;
}
