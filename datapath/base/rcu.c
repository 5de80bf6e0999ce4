#include "weir_rcu.h"

#include <errno.h>

#include <rte_rcu_qsbr.h>

size_t weir_rcu_size(uint32_t n_threads)
{
	return rte_rcu_qsbr_get_memsize(n_threads);
}

int weir_rcu_init(void *mem, uint32_t n_threads, struct rte_rcu_qsbr **out)
{
	*out = NULL;
	if (rte_rcu_qsbr_init(mem, n_threads) != 0)
		return -EINVAL;
	*out = mem;
	return 0;
}

void weir_rcu_join(struct rte_rcu_qsbr *r, uint32_t id)
{
	rte_rcu_qsbr_thread_register(r, id);
	rte_rcu_qsbr_thread_online(r, id);
}

void weir_rcu_leave(struct rte_rcu_qsbr *r, uint32_t id)
{
	rte_rcu_qsbr_thread_offline(r, id);
	rte_rcu_qsbr_thread_unregister(r, id);
}

void weir_rcu_online(struct rte_rcu_qsbr *r, uint32_t id)
{
	rte_rcu_qsbr_thread_online(r, id);
}

void weir_rcu_offline(struct rte_rcu_qsbr *r, uint32_t id)
{
	rte_rcu_qsbr_thread_offline(r, id);
}

void weir_rcu_report(struct rte_rcu_qsbr *r, uint32_t id)
{
	rte_rcu_qsbr_quiescent(r, id);
}

uint64_t weir_rcu_start(struct rte_rcu_qsbr *r)
{
	return rte_rcu_qsbr_start(r);
}

bool weir_rcu_done(struct rte_rcu_qsbr *r, uint64_t token)
{
	return rte_rcu_qsbr_check(r, token, false) == 1;
}
