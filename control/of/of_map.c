#include "of_ops.h"

#include <stdlib.h>
#include <string.h>

// First place whose number is at least id.
static uint32_t place(const struct of_map *m, uint32_t id)
{
	uint32_t low = 0, high = m->n;

	// Controllers count upwards: most are put at the end.
	if (m->n > 0 && *(const uint32_t *)m->at[m->n - 1] < id)
		return m->n;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (*(const uint32_t *)m->at[mid] < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void *of_map_from(const struct of_map *m, uint32_t id)
{
	uint32_t i = place(m, id);

	return i < m->n ? m->at[i] : NULL;
}

void *of_map_find(const struct of_map *m, uint32_t id)
{
	void *rec = of_map_from(m, id);

	return rec != NULL && *(const uint32_t *)rec == id ? rec : NULL;
}

int of_map_reserve(struct of_map *m)
{
	uint32_t cap = m->cap == 0 ? 16 : m->cap * 2;
	void **at;

	if (m->n < m->cap)
		return 0;
	at = realloc(m->at, cap * sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	m->at = at;
	m->cap = cap;
	return 0;
}

void of_map_put(struct of_map *m, void *rec)
{
	uint32_t id = *(const uint32_t *)rec;
	uint32_t i = place(m, id);

	if (i < m->n && *(const uint32_t *)m->at[i] == id) {
		m->at[i] = rec;
		return;
	}
	memmove(m->at + i + 1, m->at + i, (m->n - i) * sizeof(*m->at));
	m->at[i] = rec;
	m->n++;
}

void of_map_remove(struct of_map *m, uint32_t id)
{
	uint32_t i = place(m, id);

	if (i >= m->n || *(const uint32_t *)m->at[i] != id)
		return;
	m->n--;
	memmove(m->at + i, m->at + i + 1, (m->n - i) * sizeof(*m->at));
}

void of_map_fini(struct of_map *m)
{
	free(m->at);
	*m = (struct of_map){ 0 };
}
