// The commits of the configuration as files, so that the newest good one is there at the next
// start.
//
//	DIR/lock			held while a daemon uses DIR
//	DIR/commits/0000000042.conf	one commit (cfg_record.h); the newest 51 are kept
//	DIR/pending.conf		the confirmed commit that waits, if there is one
//
// A file appears whole or not at all: written under a temporary name, synced, renamed, directory
// synced. A call that returned 0 is on the disk. One that failed has changed nothing, except where
// even taking it back failed; then its error says that it may come back at the next start.
//
// What cannot be read is renamed to NAME.corrupt (or NAME.corrupt.1, ...), said in the log, and the
// next older one is used. Nothing but the 52nd commit, temporaries and a stale pending.conf is ever
// deleted.
//
// A confirmed commit, in this order, is right wherever it is cut off:
//
//	id = ctl_persist_next_id(p);
//	ctl_persist_pending_set(p, &{ backup = newest, first = id, last = id, ... }, &err);
//	ctl_persist_write(p, &{ id, ... }, json, size, &err);	cut off before: pending is stale
//	...confirmed without a change:	ctl_persist_pending_clear(p, &err);
//	...confirmed by a further commit, or taken back: that commit is written with the next id,
//	   which makes pending stale; then ctl_persist_pending_clear().
//	...extended: pending_set with last = the next id, then write.
//
// thread: main. Each write waits for the disk.
#ifndef CTL_PERSIST_H
#define CTL_PERSIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cfg_record.h"

#define CTL_PERSIST_KEEP 51 // the running one, and 50 to go back to

struct ctl_persist;

// Take the directory, clean up after a crash, find the newest good commit.
//
// dir      created with mode 0700 if missing; its parent must exist. It must be ours or root's, and
//          nobody else may write there
// returns  0 and *out; -EBUSY = another daemon has it; another negative errno, with err filled: the
//          directory itself cannot be used. Bad files in it are no error
int ctl_persist_open(const char *dir, struct ctl_persist **out, struct cfg_error *err);
void ctl_persist_close(struct ctl_persist *p);

// What is kept, newest first, from memory. returns how many; *heads until the next write or read
uint32_t ctl_persist_list(const struct ctl_persist *p, const struct cfg_commit_head **heads);

// The id of the commit that is written next: larger than any that may be on the disk.
uint64_t ctl_persist_next_id(const struct ctl_persist *p);

// Read one commit; by place (0 = newest), or by id. What turns out to be bad is put aside and
// leaves the list; ctl_persist_newest goes on with the one before it.
//
// text     out: NUL-terminated, free() it; NULL on failure
// returns  0; -ENOENT = there is none; -EBADMSG = it was bad, see the log; -ENOMEM, -EMFILE,
// -ENFILE
int ctl_persist_newest(struct ctl_persist *p, struct cfg_commit_head *head, char **text,
		       size_t *size);
int ctl_persist_nth(struct ctl_persist *p, uint32_t n, struct cfg_commit_head *head, char **text,
		    size_t *size);
int ctl_persist_read(struct ctl_persist *p, uint64_t id, struct cfg_commit_head *head, char **text,
		     size_t *size);

// Add a commit. h->id is ctl_persist_next_id(), taken before ctl_persist_pending_set() if there is
// one; an id that may have been used is refused.
//
// returns  0 = on the disk; a negative errno with err naming file and reason
int ctl_persist_write(struct ctl_persist *p, const struct cfg_commit_head *h, const char *json,
		      size_t size, struct cfg_error *err);

// The confirmed commit that waits. While it does, its backup is kept however many commits follow.
//
// returns  0 = on the disk; a negative errno with err filled
int ctl_persist_pending_set(struct ctl_persist *p, const struct cfg_pending *pending,
			    struct cfg_error *err);
int ctl_persist_pending_clear(struct ctl_persist *p, struct cfg_error *err);
// returns NULL when nothing waits; valid until the next set or clear
const struct cfg_pending *ctl_persist_pending_get(const struct ctl_persist *p);

#endif
