// A disk that loses what was not synced: the calls of control/persist.c run on real files and are
// noted; any state that a crash of the host may leave is then laid down in a second directory.
//
// The model, worse than ext4 and xfs are: of the changes of names in a directory that is not
// synced, any subset may be there after the crash; a file that is not synced may be whole, empty,
// zeros or cut in half; after an fsync that failed, no later one helps. A killed process loses
// nothing: the live directory is what it leaves.
//
// Calls that change something are counted from 1. One of them can be made to fail, and all from one
// on can be made to do nothing, as if the process had been killed before it.
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "persist_priv.h"

extern const struct ctl_persist_sys crash_disk_sys;  // of the one disk
extern const struct ctl_persist_sys crash_plain_sys; // real, but nothing waits for a disk

// Begin with what is in live and live/commits: that is on the disk.
void crash_disk_begin(const char *live);
void crash_disk_end(void);

// Faults. 0 = none
void crash_disk_kill_at(uint32_t call);
void crash_disk_fail_at(uint32_t call, uint32_t n, int code); // n calls
void crash_disk_short_at(uint32_t call);		      // a write that takes half
uint32_t crash_disk_calls(void);
bool crash_disk_killed(void);
// The process is killed: its descriptors are closed. A new one may start.
void crash_disk_restart(void);

// How many states a crash of the host may leave now; lay one of them down in dir.
uint32_t crash_disk_n_states(void);
void crash_disk_state(uint32_t state, const char *dir);

#endif
