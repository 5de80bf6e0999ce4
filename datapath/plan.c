#include "dp_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void dp_plan_init(struct dp_plan *p)
{
	*p = (struct dp_plan){ 0 };
}

void dp_plan_fini(struct dp_plan *p)
{
	free(p->buf);
	dp_plan_init(p);
}

int dp_plan_add(struct dp_plan *p, const struct dp_act *act)
{
	size_t size = (act->size + 7u) & ~(size_t)7;

	if (p->size + size > p->cap) {
		size_t cap = 2 * (p->size + size);
		uint8_t *buf = realloc(p->buf, cap);

		if (buf == NULL)
			return -ENOMEM;
		p->buf = buf;
		p->cap = cap;
	}
	memset(p->buf + p->size, 0, size);
	memcpy(p->buf + p->size, act, act->size);
	((struct dp_act *)(void *)(p->buf + p->size))->size = (uint32_t)size;
	p->size += size;
	p->n++;
	return 0;
}

const struct dp_act *dp_plan_next(const struct dp_plan *p, const struct dp_act *a)
{
	size_t at = a == NULL ? 0 : (size_t)((const uint8_t *)a - p->buf) + a->size;

	return at < p->size ? (const struct dp_act *)(const void *)(p->buf + at) : NULL;
}
