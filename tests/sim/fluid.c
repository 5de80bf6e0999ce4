#include "fluid.h"

static double at_level(struct fluid_node *nodes, uint32_t n, double level)
{
	double sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct fluid_node *f = &nodes[i];

		f->rate = 0;
		if (!f->backlogged)
			continue;
		f->rate = level * f->weight;
		if (f->rate < f->reservation)
			f->rate = f->reservation;
		if (f->limit != 0 && f->rate > f->limit)
			f->rate = f->limit;
		sum += f->rate;
	}
	return sum;
}

void fluid_divide(struct fluid_node *nodes, uint32_t n, double capacity)
{
	double low = 0, high = 0;

	// At this level the lightest node alone would fill the link.
	for (uint32_t i = 0; i < n; i++)
		if (nodes[i].backlogged && capacity / nodes[i].weight > high)
			high = capacity / nodes[i].weight;
	if (at_level(nodes, n, high) <= capacity)
		return; // all at their limits
	for (int i = 0; i < 100; i++) {
		double mid = (low + high) / 2;

		if (at_level(nodes, n, mid) < capacity)
			low = mid;
		else
			high = mid;
	}
	at_level(nodes, n, high);
}
