// Numbers of ports in OpenFlow: handed out once per port name and kept beside the commits, so that
// flows and controllers mean the same port after a restart. A number that was given to one name is
// not given to another while it is remembered; the oldest names that are in no configuration are
// forgotten when there are very many. The identity of the switch, where it is not configured, is
// made up once and kept with them.
//
// thread: main; writing waits for the disk, as a commit does.
#ifndef CTL_OF_NUMBERS_H
#define CTL_OF_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "cfg_config.h"

struct ctl_persist;
struct ctl_of_numbers;

#define CTL_OF_LOCAL 0xfffffffeu // ofp_port_no, OFPP_LOCAL
#define CTL_OF_NUMBER_MAX 65279u
#define CTL_OF_REMEMBERED 8192u // names, unless more are configured

// p        NULL = nothing is kept; else it outlives *out
// returns  0 and *out; -ENOMEM, -EMFILE, -ENFILE with err filled: the file may be good. One that is
//          damaged is put aside, and the log says so
int ctl_of_numbers_open(const struct ctl_persist *p, struct ctl_of_numbers **out,
			struct cfg_error *err);
void ctl_of_numbers_close(struct ctl_of_numbers *n);

// Give each port of `next` its number: what is configured, was remembered, or is new; the first
// host port without one is LOCAL. What is new is on the disk when this returns, unless `rehearse`.
//
// returns  0; -EINVAL = a configured number is another port's, -ENOMEM or what the disk said, with
//          err filled: nothing was remembered
int ctl_of_numbers_give(struct ctl_of_numbers *n, struct cfg *next, bool rehearse,
			struct cfg_error *err);
// The identity of the switch; there from the first ctl_of_numbers_give() on.
uint64_t ctl_of_numbers_datapath(const struct ctl_of_numbers *n);

#endif
