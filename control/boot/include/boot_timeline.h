// The timeline of one boot of one machine: when it came how far, what it had to repeat, who asked,
// and how it ended. Pure: events with their times in; a verdict for the operator out. No clock, no
// allocation, libc only.
//
// A mark has the time at which the boot came so far for the first time (FETCHED: the last time,
// since a boot fetches several files). Firmware chains: UEFI's PXE loads iPXE, which asks for an
// address again. So where a boot *is* (`at`) may be before a mark that was reached already; a boot
// that is stuck is stuck there.
//
// A boot begins when a front-end attaches, when a reset is told, when somebody says so, or when the
// firmware of a machine that had booted asks for an address again: a reset that nobody told. It
// ends when the machine is steady, when its front-end goes, or when the next boot begins.
//
// Events are late by milliseconds, so what is older than the boot's beginning is of the boot before
// it and changes nothing.
//
// thread: one at a time per timeline
//
//   boot_timeline_begin(&t, BOOT_CAUSE_ATTACH, n, now);
//   if (boot_timeline_anew(&t, &event)) ... begin another one
//   boot_timeline_event(&t, &event); boot_timeline_mark(&t, BOOT_MARK_LOGIN, now);
//   boot_timeline_verdict(&t, &about, now, &verdict);
#ifndef BOOT_TIMELINE_H
#define BOOT_TIMELINE_H

#include "boot_responder.h"

enum boot_mark {
	BOOT_MARK_START,
	BOOT_MARK_DISCOVER, // it asks for an address, or what to boot
	BOOT_MARK_OFFER,
	BOOT_MARK_ACK,
	BOOT_MARK_FETCH,   // the first file is on its way
	BOOT_MARK_FETCHED, // the last file is there
	BOOT_MARK_LOGIN,   // the first storage login, or the first connection where there are none
	BOOT_MARK_IO,	   // the first read or write
	BOOT_MARK_OS,	   // its operating system is at work
	BOOT_MARK_STEADY,
	BOOT_N_MARKS,
};
const char *boot_mark_name(enum boot_mark m); // "discover"; as in YANG
const char *boot_mark_text(enum boot_mark m); // for people

enum boot_cause {
	BOOT_CAUSE_ATTACH, // a front-end process attached
	BOOT_CAUSE_RESET,  // a reset was told
	BOOT_CAUSE_TOLD,   // somebody says that it boots
	BOOT_CAUSE_SEEN,   // firmware asked again: a reset that nobody told
	BOOT_CAUSE_SWITCH, // the switch started anew; the machine ran before
	BOOT_N_CAUSES,
};
const char *boot_cause_name(enum boot_cause c);

enum boot_result {
	BOOT_RESULT_NONE,    // nothing was seen of it yet, or it does not boot by network
	BOOT_RESULT_RUNNING, // it ran when the switch started
	BOOT_RESULT_BOOTING,
	BOOT_RESULT_BOOTED,
	BOOT_RESULT_STUCK,  // nothing has happened for too long
	BOOT_RESULT_FAILED, // something was refused, and nothing has happened since
	BOOT_RESULT_CUT,    // it ended in the middle: the front-end went, or it began anew
	BOOT_N_RESULTS,
};
const char *boot_result_name(enum boot_result r);

#define BOOT_TIMELINE_WHO 4
#define BOOT_TIMELINE_TEXT 40

struct boot_timeline {
	uint32_t number;		// of the machine's boots; 0 = there is none
	uint8_t cause;			// enum boot_cause
	uint8_t at;			// enum boot_mark: where it is
	bool cut;			// ended in the middle
	bool firmware;			// firmware asked for an address
	uint64_t mark_ns[BOOT_N_MARKS]; // 0 = not reached
	uint64_t last_ns;		// when it went on last
	uint64_t end_ns;		// steady or cut; 0 = neither
	uint64_t failed_ns;		// of the last failure; 0 = none, or it went on since
	char why[BOOT_TIMELINE_TEXT * 2];
	uint8_t n_who; // who asked for an address, in the order of their first time
	char who[BOOT_TIMELINE_WHO][BOOT_TIMELINE_TEXT];
	uint32_t discovers, repeats; // repeats: DISCOVERs that had no answer, or were not content
	uint32_t naks, files, tftp_repeats, tftp_failed, http_failed;
	uint64_t tftp_bytes, http_bytes;
};

// Was anything heard of it since it began?
bool boot_timeline_heard(const struct boot_timeline *t);
// Is the boot that begins the one that was guessed (SEEN) just before? Then it gets its true cause.
bool boot_timeline_adopt(struct boot_timeline *t, enum boot_cause cause, uint64_t ns);
// A boot begins; what t was is gone.
void boot_timeline_begin(struct boot_timeline *t, enum boot_cause cause, uint32_t number,
			 uint64_t ns);
// Does this event say that the machine boots anew, behind the back of all who could have told?
bool boot_timeline_anew(const struct boot_timeline *t, const struct boot_event *e);
void boot_timeline_event(struct boot_timeline *t, const struct boot_event *e);
// It came so far. START is not for this.
void boot_timeline_mark(struct boot_timeline *t, enum boot_mark m, uint64_t ns);
// It ended in the middle. What is steady already has ended.
void boot_timeline_cut(struct boot_timeline *t, uint64_t ns);
// The verdict was BOOTED although nobody told that it is steady: it ended where it is.
void boot_timeline_settle(struct boot_timeline *t);

// Marks that were reached, by time. returns how many
struct boot_step {
	enum boot_mark mark;
	uint64_t ns;
	uint64_t took_ns; // since the one before
};
uint32_t boot_timeline_steps(const struct boot_timeline *t, struct boot_step out[BOOT_N_MARKS]);

// Whose boot it is, so that the advice can name things.
struct boot_about {
	const char *vm, *port;
	uint8_t method; // enum boot_method
	uint8_t mode;	// enum boot_mode
	bool served;	// its VLAN has a boot service
	bool followed;	// somebody will tell when it is steady
};

struct boot_verdict {
	uint8_t result;	   // enum boot_result
	uint8_t at;	   // enum boot_mark
	uint64_t since_ns; // when it came to where it is, or ended
	char waits[128];   // what for; empty = for nothing
	char look[160];	   // at what to look; empty = there is no need
};
void boot_timeline_verdict(const struct boot_timeline *t, const struct boot_about *about,
			   uint64_t now_ns, struct boot_verdict *out);

#endif
