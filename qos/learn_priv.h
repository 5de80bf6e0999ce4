// The registry of learnt portals, as its text form sees it.
#ifndef LEARN_PRIV_H
#define LEARN_PRIV_H

#include "qos_learn.h"

// Open addressing, twice as many slots as entries; never deleted from, only built anew.
#define LEARN_SLOTS (2 * QOS_LEARNT_MAX)

struct qos_learn {
	struct qos_learn_params params;
	struct qos_learn_counts counts; // .now is the number of entries
	struct qos_learnt items[QOS_LEARNT_MAX];
	uint16_t slots[LEARN_SLOTS]; // item + 1, by portal; 0 = empty
	struct {
		uint16_t item; // + 1: one of its portals; 0 = empty
		uint16_t n;
	} teachers[LEARN_SLOTS];
};

// Enter one if it is not there yet and fits.
// returns 0, -EEXIST, or -ENOSPC (counted)
int qos_learn_insert(struct qos_learn *l, const struct qos_learnt *e);
// Last seen first, then by portal: < 0 when a comes before b, 0 when that is not said
int qos_learn_order(const struct qos_learnt *a, const struct qos_learnt *b);

#endif
