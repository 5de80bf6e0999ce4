// The timeline of one boot. See boot_timeline.h.
#include <stdio.h>
#include <string.h>

#include "boot_timeline.h"

#define SECOND_NS 1000000000ull
#define SAME_BOOT_NS (SECOND_NS / 2)   // a start is noticed later than the guest's first frame
#define FAILED_NS (5 * SECOND_NS)      // firmware tries again, or something else, sooner
#define OS_SETTLED_NS (30 * SECOND_NS) // of a boot that nobody follows to its end

static const struct {
	const char *name, *text;
	uint32_t patience_s; // at this mark, until it counts as stuck; 0 = for ever
} marks[BOOT_N_MARKS] = {
	// Firmware tests memory and looks for disks first; emulated ones take a minute.
	[BOOT_MARK_START] = { "start", "started", 60 },
	[BOOT_MARK_DISCOVER] = { "discover", "asked for an address", 10 },
	[BOOT_MARK_OFFER] = { "offer", "was offered one", 15 },
	[BOOT_MARK_ACK] = { "ack", "has its address", 30 },
	// Nothing is heard of while a file is on its way; the responder gives up by itself.
	[BOOT_MARK_FETCH] = { "fetch", "fetches its first file", 120 },
	[BOOT_MARK_FETCHED] = { "fetched", "has its last file", 60 },
	[BOOT_MARK_LOGIN] = { "login", "logged in to its storage", 30 },
	[BOOT_MARK_IO] = { "io", "read or wrote first", 300 },
	[BOOT_MARK_OS] = { "os", "its operating system is at work", 300 },
	[BOOT_MARK_STEADY] = { "steady", "has booted", 0 },
};

const char *boot_mark_name(enum boot_mark m)
{
	return m < BOOT_N_MARKS ? marks[m].name : "unknown";
}

const char *boot_mark_text(enum boot_mark m)
{
	return m < BOOT_N_MARKS ? marks[m].text : "unknown";
}

const char *boot_cause_name(enum boot_cause c)
{
	static const char *const names[BOOT_N_CAUSES] = { "attached", "reset", "told", "seen",
							  "switch-started" };

	return c < BOOT_N_CAUSES ? names[c] : "unknown";
}

const char *boot_result_name(enum boot_result r)
{
	static const char *const names[BOOT_N_RESULTS] = {
		"none", "running", "booting", "booted", "stuck", "failed", "cut-short",
	};

	return r < BOOT_N_RESULTS ? names[r] : "unknown";
}

bool boot_timeline_heard(const struct boot_timeline *t)
{
	return t->last_ns > t->mark_ns[BOOT_MARK_START] || t->discovers > 0;
}

bool boot_timeline_adopt(struct boot_timeline *t, enum boot_cause cause, uint64_t ns)
{
	if (t->number == 0 || t->cause != BOOT_CAUSE_SEEN || cause == BOOT_CAUSE_SEEN ||
	    t->end_ns != 0 || ns - t->mark_ns[BOOT_MARK_START] >= SAME_BOOT_NS)
		return false;
	t->cause = (uint8_t)cause;
	return true;
}

void boot_timeline_begin(struct boot_timeline *t, enum boot_cause cause, uint32_t number,
			 uint64_t ns)
{
	memset(t, 0, sizeof(*t));
	t->number = number;
	t->cause = (uint8_t)cause;
	t->mark_ns[BOOT_MARK_START] = t->last_ns = ns;
	t->at = BOOT_MARK_START;
}

// Has it come to where only a reset leads back from?
static bool is_over(const struct boot_timeline *t)
{
	return t->number == 0 || t->end_ns != 0 || t->cause == BOOT_CAUSE_SWITCH ||
	       t->mark_ns[BOOT_MARK_OS] != 0;
}

bool boot_timeline_anew(const struct boot_timeline *t, const struct boot_event *e)
{
	return e->kind == BOOT_EV_DISCOVER && e->stage == BOOT_STAGE_FIRMWARE && is_over(t) &&
	       e->ns > t->last_ns;
}

static void go(struct boot_timeline *t, enum boot_mark m, uint64_t ns)
{
	if (t->mark_ns[m] == 0 || m == BOOT_MARK_FETCHED)
		t->mark_ns[m] = ns;
	t->at = (uint8_t)m;
	t->last_ns = ns;
	t->failed_ns = 0;
}

void boot_timeline_mark(struct boot_timeline *t, enum boot_mark m, uint64_t ns)
{
	if (t->number == 0 || t->end_ns != 0 || ns < t->mark_ns[BOOT_MARK_START] ||
	    m == BOOT_MARK_START || m >= BOOT_N_MARKS)
		return;
	// A second login is no step; that of the operating system is told as OS.
	if (m != BOOT_MARK_STEADY && t->mark_ns[m] != 0)
		return;
	go(t, m, ns);
	if (m == BOOT_MARK_STEADY)
		t->end_ns = ns;
}

static void who_add(struct boot_timeline *t, const char *who)
{
	for (uint32_t i = 0; i < t->n_who; i++) {
		if (strncmp(t->who[i], who, BOOT_TIMELINE_TEXT - 1) == 0)
			return;
	}
	if (who[0] != '\0' && t->n_who < BOOT_TIMELINE_WHO)
		snprintf(t->who[t->n_who++], BOOT_TIMELINE_TEXT, "%s", who);
}

// Was anything at work before this that can load an operating system?
static bool had_firmware(const struct boot_timeline *t)
{
	return t->firmware || t->mark_ns[BOOT_MARK_FETCHED] != 0 ||
	       t->mark_ns[BOOT_MARK_LOGIN] != 0;
}

static void discover(struct boot_timeline *t, const struct boot_event *e)
{
	t->discovers++;
	who_add(t, e->detail);
	// Of an operating system it is a step forward; its firmware's stay where they are.
	t->firmware |= e->stage == BOOT_STAGE_FIRMWARE;
	if (e->stage == BOOT_STAGE_OS && had_firmware(t)) {
		go(t, BOOT_MARK_OS, e->ns);
		return;
	}
	if (t->at == BOOT_MARK_DISCOVER || t->at == BOOT_MARK_OFFER) {
		t->repeats++;
		// It does not go on: how long it has been there counts from the first one.
		t->at = BOOT_MARK_DISCOVER;
		return;
	}
	go(t, BOOT_MARK_DISCOVER, e->ns);
}

static void fail(struct boot_timeline *t, const struct boot_event *e)
{
	t->failed_ns = e->ns;
	snprintf(t->why, sizeof(t->why), "%s%s%s", boot_event_name(e->kind),
		 e->detail[0] ? ": " : "", e->detail);
}

static void fetch(struct boot_timeline *t, const struct boot_event *e)
{
	bool tftp = e->kind == BOOT_EV_TFTP_DONE || e->kind == BOOT_EV_TFTP_FAILED;

	if (tftp)
		t->tftp_bytes += e->bytes;
	else
		t->http_bytes += e->bytes;
	t->tftp_repeats += e->repeats;
	if (e->kind == BOOT_EV_TFTP_START || e->kind == BOOT_EV_HTTP_START) {
		go(t, BOOT_MARK_FETCH, e->ns);
	} else if (e->kind == BOOT_EV_TFTP_DONE || e->kind == BOOT_EV_HTTP_DONE) {
		t->files++;
		go(t, BOOT_MARK_FETCHED, e->ns);
	} else {
		t->tftp_failed += tftp;
		t->http_failed += !tftp;
		fail(t, e);
	}
}

// A boot that has come to its operating system fetches no more, and asks for no address: what a
// running system does is not its boot.
static bool counts(const struct boot_timeline *t, const struct boot_event *e)
{
	return t->number != 0 && t->end_ns == 0 && t->mark_ns[BOOT_MARK_OS] == 0 &&
	       t->cause != BOOT_CAUSE_SWITCH && e->ns >= t->mark_ns[BOOT_MARK_START];
}

void boot_timeline_event(struct boot_timeline *t, const struct boot_event *e)
{
	if (!counts(t, e))
		return;
	switch (e->kind) {
	case BOOT_EV_DISCOVER:
		discover(t, e);
		break;
	case BOOT_EV_PROXY:
		who_add(t, e->detail);
		go(t, BOOT_MARK_OFFER, e->ns);
		break;
	case BOOT_EV_OFFER:
		if (t->at == BOOT_MARK_DISCOVER && t->repeats > 0 &&
		    t->mark_ns[BOOT_MARK_OFFER] != 0)
			t->at = BOOT_MARK_OFFER; // offered again: it does not go on by that
		else
			go(t, BOOT_MARK_OFFER, e->ns);
		break;
	case BOOT_EV_ACK:
		// Who knows its address from before asks for it at once (RFC 2131 section 3.2).
		go(t, e->stage == BOOT_STAGE_OS && had_firmware(t) ? BOOT_MARK_OS : BOOT_MARK_ACK,
		   e->ns);
		break;
	case BOOT_EV_NAK:
		t->naks++;
		fail(t, e);
		break;
	case BOOT_EV_DECLINE:
	case BOOT_EV_QUARANTINE:
		fail(t, e);
		break;
	case BOOT_EV_TFTP_START:
	case BOOT_EV_TFTP_DONE:
	case BOOT_EV_TFTP_FAILED:
	case BOOT_EV_HTTP_START:
	case BOOT_EV_HTTP_DONE:
	case BOOT_EV_HTTP_FAILED:
		fetch(t, e);
		break;
	default:
		break;
	}
}

void boot_timeline_cut(struct boot_timeline *t, uint64_t ns)
{
	if (t->number == 0 || t->end_ns != 0)
		return;
	t->cut = true;
	t->end_ns = ns > t->last_ns ? ns : t->last_ns;
}

void boot_timeline_settle(struct boot_timeline *t)
{
	if (t->number != 0 && t->end_ns == 0)
		t->end_ns = t->last_ns;
}

uint32_t boot_timeline_steps(const struct boot_timeline *t, struct boot_step out[BOOT_N_MARKS])
{
	uint32_t n = 0;

	for (uint32_t m = 0; m < BOOT_N_MARKS; m++) {
		const struct boot_step s = { .mark = m, .ns = t->mark_ns[m] };
		uint32_t i = n;

		if (t->number == 0 || s.ns == 0)
			continue;
		for (; i > 0 && out[i - 1].ns > s.ns; i--)
			out[i] = out[i - 1];
		out[i] = s;
		n++;
	}
	for (uint32_t i = 1; i < n; i++)
		out[i].took_ns = out[i].ns - out[i - 1].ns;
	return n;
}

// --- The verdict

static enum boot_result result_of(const struct boot_timeline *t, const struct boot_about *about,
				  uint64_t now_ns)
{
	uint64_t since = now_ns > t->last_ns ? now_ns - t->last_ns : 0;
	// Of a machine with a disk of its own nothing need ever be heard.
	bool heard = boot_timeline_heard(t);

	if (t->number == 0)
		return BOOT_RESULT_NONE;
	if (t->cause == BOOT_CAUSE_SWITCH)
		return t->cut ? BOOT_RESULT_NONE : BOOT_RESULT_RUNNING;
	if (!heard && (about->method == BOOT_NONE || t->end_ns != 0))
		return BOOT_RESULT_NONE;
	if (t->end_ns != 0)
		return t->cut ? BOOT_RESULT_CUT : BOOT_RESULT_BOOTED;
	if (t->at == BOOT_MARK_OS && !about->followed && since >= OS_SETTLED_NS)
		return BOOT_RESULT_BOOTED;
	// An address was all that it wanted of the network.
	if (about->method == BOOT_NONE && t->at == BOOT_MARK_ACK && since >= OS_SETTLED_NS)
		return BOOT_RESULT_BOOTED;
	if (t->failed_ns != 0 && now_ns > t->failed_ns && now_ns - t->failed_ns >= FAILED_NS)
		return BOOT_RESULT_FAILED;
	if (marks[t->at].patience_s != 0 && since >= marks[t->at].patience_s * SECOND_NS)
		return BOOT_RESULT_STUCK;
	return BOOT_RESULT_BOOTING;
}

static const char *after_address(const struct boot_about *about)
{
	return about->method == BOOT_ISCSI  ? "its login to the iSCSI target, or a boot file"
	       : about->method == BOOT_NONE ? "nothing more of the network"
					    : "its first boot file";
}

static const char *after_files(const struct boot_about *about)
{
	return about->method == BOOT_ISCSI ? "its login to the iSCSI target"
	       : about->method == BOOT_NFS ? "its kernel, which mounts its root from the NFS server"
	       : about->method == BOOT_NONE ? "nothing more of the network"
					    : "its kernel or image to run";
}

static void waits_write(const struct boot_timeline *t, const struct boot_about *about, char *out,
			size_t size)
{
	const char *what = "";

	switch ((enum boot_mark)t->at) {
	case BOOT_MARK_START:
		what = "its firmware's first DHCP request";
		break;
	case BOOT_MARK_DISCOVER:
		what = about->mode == BOOT_AUTHORITATIVE ? "an offer of the switch"
							 : "an offer of the DHCP server";
		break;
	case BOOT_MARK_OFFER:
		what = about->mode == BOOT_AUTHORITATIVE
			       ? "the machine to take the offer"
			       : "the DHCP server and the machine to agree on an address";
		break;
	case BOOT_MARK_ACK:
		what = after_address(about);
		break;
	case BOOT_MARK_FETCH:
		what = "the rest of a boot file";
		break;
	case BOOT_MARK_FETCHED:
		what = after_files(about);
		break;
	case BOOT_MARK_LOGIN:
		what = "its first read or write";
		break;
	case BOOT_MARK_IO:
		what = "its operating system to take over";
		break;
	case BOOT_MARK_OS:
		what = "its reads to become few";
		break;
	default:
		break;
	}
	snprintf(out, size, "%s", what);
}

static void look_write(const struct boot_timeline *t, const struct boot_about *about, char *out,
		       size_t size)
{
	switch ((enum boot_mark)t->at) {
	case BOOT_MARK_START:
		snprintf(out, size,
			 "does it boot by network (bootindex)? weir vm console %s; weir "
			 "show port %s",
			 about->vm, about->port);
		break;
	case BOOT_MARK_DISCOVER:
		if (!about->served)
			snprintf(out, size,
				 "its VLAN has no boot service: weir show configuration "
				 "boot-services");
		else if (about->mode != BOOT_AUTHORITATIVE)
			snprintf(out, size,
				 "does the DHCP server answer in this VLAN? weir "
				 "capture %s 'port 67 or 68'",
				 about->port);
		else
			snprintf(out, size,
				 "is the pool used up? weir show responder; weir show "
				 "drops %s",
				 about->port);
		break;
	case BOOT_MARK_OFFER:
		snprintf(out, size,
			 "does the offer arrive? weir show drops %s; weir capture %s "
			 "'port 67 or 68'",
			 about->port, about->port);
		break;
	case BOOT_MARK_ACK:
	case BOOT_MARK_FETCHED:
		if (about->method == BOOT_ISCSI || about->method == BOOT_NFS)
			snprintf(out, size,
				 "does its storage server answer? weir show storage vm "
				 "%s; weir show drops %s",
				 about->vm, about->port);
		else
			snprintf(out, size, "what does its screen say? weir vm console %s",
				 about->vm);
		break;
	case BOOT_MARK_FETCH:
		snprintf(out, size, "do its frames arrive? weir show drops %s; weir show responder",
			 about->port);
		break;
	default:
		snprintf(out, size,
			 "who is waited for? weir show storage vm %s; weir vm console "
			 "%s",
			 about->vm, about->vm);
		break;
	}
}

void boot_timeline_verdict(const struct boot_timeline *t, const struct boot_about *about,
			   uint64_t now_ns, struct boot_verdict *out)
{
	enum boot_result r = result_of(t, about, now_ns);

	memset(out, 0, sizeof(*out));
	out->result = (uint8_t)r;
	out->at = t->at;
	out->since_ns = t->end_ns != 0 ? t->end_ns : t->last_ns;
	if (r == BOOT_RESULT_BOOTING || r == BOOT_RESULT_STUCK || r == BOOT_RESULT_FAILED)
		waits_write(t, about, out->waits, sizeof(out->waits));
	if (r == BOOT_RESULT_STUCK || r == BOOT_RESULT_FAILED)
		look_write(t, about, out->look, sizeof(out->look));
}
