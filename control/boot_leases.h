// Leases of address pools on the disk: DIR/leases, beside the commits. A line per change is
// appended; what it says last of an address holds. Each line has a checksum, so a line that was cut
// off by a crash, or damaged, is known, left out and told of.
//
// Lines go to the kernel at the end of each burst of frames, so a daemon that is killed loses none;
// to the disk within a second, so a host that crashes loses that. That is enough: a client whose
// lease is not known may keep its address as long as nobody else has it (control/boot/lease.c).
// When most lines are out of date the file is written anew, whole or not at all.
//
// thread: one at a time per object; the boot thread once it runs. Waits for the disk, see above.
#ifndef CTL_BOOT_LEASES_H
#define CTL_BOOT_LEASES_H

#include "boot_responder.h"

struct ctl_persist;
struct ctl_leases;

#define CTL_LEASES_FILE "leases"

// Tell the responder what is kept. A file that cannot be used is put aside and told of; so is a
// disk that fails, which is tried again.
//
// p        where; NULL = nothing is kept. Borrowed until the object is gone
// now_ns   the responder's clock
// unix_s   the same time of day
// returns  0 and *out (NULL when p is), or -ENOMEM
int ctl_leases_open(const struct ctl_persist *p, struct boot_responder *r, uint64_t now_ns,
		    uint64_t unix_s, struct ctl_leases **out);
void ctl_leases_close(struct ctl_leases *l); // accepts NULL, as the others do

// A change, as the responder tells it.
void ctl_leases_add(struct ctl_leases *l, const struct boot_lease *lease);
// A burst of frames is done.
void ctl_leases_flush(struct ctl_leases *l);
// Every 100 ms or so.
void ctl_leases_tick(struct ctl_leases *l, uint64_t now_ns);

#endif
