// A plain ring copy in place of a switch, to measure the generator itself.
#ifndef PG_COPY_H
#define PG_COPY_H

#include <stdint.h>

#include "pg_port.h"

struct pg_copy;

// Join copy: ports 0 and 1, 2 and 3, ... by a thread.
//
// cpu      where the thread is to run; -1 = anywhere
// returns  0; -ENOMEM; -EAGAIN; -EINVAL = no such CPU
int pg_copy_start(struct pg_port *ports, uint32_t n_ports, int cpu, struct pg_copy **out);

// What it has moved and the ticks of the turns that moved something. c may be NULL: 0 and 0.
void pg_copy_counts(const struct pg_copy *c, uint64_t *pkts, uint64_t *busy_ticks);

void pg_copy_stop(struct pg_copy *c);

#endif
