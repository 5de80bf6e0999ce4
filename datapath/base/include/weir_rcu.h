// QSBR as Weir uses it: workers report once per turn, main starts grace periods and tests them on
// later turns; nobody spins (design.md section 4).
//
//   main:   t = weir_rcu_start(rcu); ... later: if (weir_rcu_done(rcu, t)) free(old);
//   worker: weir_rcu_report(rcu, id) at the end of a turn, holding no snapshot pointer across it
#ifndef WEIR_RCU_H
#define WEIR_RCU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_rcu_qsbr;

// Bytes that an instance for n_threads readers needs; cache-line aligned memory of that size goes
// to init.
size_t weir_rcu_size(uint32_t n_threads);

// Prepare mem (weir_rcu_size bytes, zeroed, 64-byte aligned). returns 0 or -EINVAL.
int weir_rcu_init(void *mem, uint32_t n_threads, struct rte_rcu_qsbr **out);

// thread: the reader itself. online/offline bracket every wait.
void weir_rcu_join(struct rte_rcu_qsbr *r, uint32_t id);
void weir_rcu_leave(struct rte_rcu_qsbr *r, uint32_t id);
void weir_rcu_online(struct rte_rcu_qsbr *r, uint32_t id);
void weir_rcu_offline(struct rte_rcu_qsbr *r, uint32_t id);
void weir_rcu_report(struct rte_rcu_qsbr *r, uint32_t id);

// thread: main (or the vhost thread in destroy_device, which alone may wait for the token).
uint64_t weir_rcu_start(struct rte_rcu_qsbr *r);
bool weir_rcu_done(struct rte_rcu_qsbr *r, uint64_t token);

#endif
