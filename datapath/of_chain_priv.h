// What tables of groups and of meters have in common: chains by number, and memory of workers.
#ifndef OF_CHAIN_PRIV_H
#define OF_CHAIN_PRIV_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

// How many chains a table of max entries has: a power of two.
static inline uint32_t dp_of_chains(uint32_t max)
{
	uint32_t n = 64;

	while (n < max && n < 1u << 20)
		n *= 2;
	return n;
}

// The chain of a group or meter. mask: dp_of_chains() - 1
static inline uint32_t dp_of_chain_of(uint32_t id, uint32_t mask)
{
	return id * 0x9e3779b1u >> 7 & mask;
}

// size bytes of zeros on cache lines of their own. returns NULL when there is no memory; free() it
static inline void *dp_of_lines_alloc(size_t size)
{
	const size_t line = RTE_CACHE_LINE_SIZE;
	void *p = aligned_alloc(line, RTE_ALIGN_CEIL(size, line));

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

#endif
