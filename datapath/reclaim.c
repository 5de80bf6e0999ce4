// Publishing a root and freeing what no worker can see any more.
#include <stdlib.h>

#include "switch_priv.h"
#include "weir_log.h"
#include "weir_rcu.h"

struct dp_retired {
	struct dp_retired *next;
	uint64_t token;
	void (*fn)(struct dp_switch *sw, void *obj);
	void *obj;
};

const struct dp_snapshot *dp_root(const struct dp_switch *sw)
{
	return atomic_load_explicit(&sw->root, memory_order_acquire);
}

void dp_retire(struct dp_switch *sw, void (*fn)(struct dp_switch *sw, void *obj), void *obj)
{
	struct dp_retired *r = malloc(sizeof(*r));

	if (obj == NULL) {
		free(r);
		return;
	}
	if (r == NULL) {
		weir_log(WEIR_ERROR, "out of memory: an old configuration object stays allocated");
		return;
	}
	*r = (struct dp_retired){ .token = weir_rcu_start(sw->rcu), .fn = fn, .obj = obj };
	// Oldest first.
	if (sw->retired == NULL)
		sw->retired = r;
	else
		sw->retired_last->next = r;
	sw->retired_last = r;
}

void dp_reclaim(struct dp_switch *sw, bool all)
{
	while (sw->retired != NULL) {
		struct dp_retired *r = sw->retired;

		if (!all && !weir_rcu_done(sw->rcu, r->token))
			return;
		sw->retired = r->next;
		r->fn(sw, r->obj);
		free(r);
	}
}

static void free_snapshot(struct dp_switch *sw, void *obj)
{
	(void)sw;
	dp_snapshot_free(obj);
}

void dp_publish(struct dp_switch *sw, struct dp_snapshot *s)
{
	const struct dp_snapshot *old = dp_root(sw);

	s->gen = old == NULL ? 1 : old->gen + 1;
	atomic_init(&s->storage_serial, ++sw->storage_serial);
	atomic_store_explicit(&sw->root, s, memory_order_release);
	dp_retire(sw, free_snapshot, (void *)(uintptr_t)old);
}
