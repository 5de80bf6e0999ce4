// The fluid reference: how a link's rate would be divided if packets were infinitely small
// (generalised processor sharing, Parekh and Gallager 1993), in double precision. Every backlogged
// node gets x = clamp(level * weight, reservation, limit), with one level for all, so that the sum
// is the capacity, or all are at their limits.
#ifndef FLUID_H
#define FLUID_H

#include <stdbool.h>
#include <stdint.h>

struct fluid_node {
	double weight, reservation, limit; // bytes per ns; limit 0 = none
	bool backlogged;
	double rate; // out
};

// Divide capacity among nodes[n]. Reservations of backlogged nodes must fit into it.
void fluid_divide(struct fluid_node *nodes, uint32_t n, double capacity);

#endif
