// The state machine of life.h: one table, and the few rules that need more than a state.
//
// What the switch sees itself (attach, detach, the driver) is in order and true; what others tell
// may be late. So an end that is told of a guest which is still attached is believed when it is
// seen, and what is told of a life that has ended begins none: only PREPARE, STARTED, ATTACH and
// MIGRATE_IN do.
#include <assert.h>
#include <string.h>

#include "life.h"

enum {
	D = LIFE_DEFINED,
	P = LIFE_PREPARED,
	I = LIFE_INCOMING,
	R = LIFE_RUNNING,
	Z = LIFE_PAUSED,
	C = LIFE_CRASHED,
	O = LIFE_OUTGOING,
	M = LIFE_MOVED,
	S = LIFE_STOPPED,
};

// Entries of the table beside states: decided when it is known whether QEMU is attached.
enum {
	GO = LIFE_N_STATES, // runs again: paused or running, as it was told last
	IF_ATTACHED,	    // as GO, if it is attached; else nothing
	P_IF_GONE,	    // prepared, if it is not attached; else nothing
	GONE,		    // stopped, if it is not attached; else it is seen soon
};

// clang-format off
static const uint8_t next[LIFE_N_EVENTS][LIFE_N_STATES] = {
	//                            D  P  I   R     Z     C     O     M            S
	[LIFE_EV_PREPARE] =           {P, P, I,  R,    Z,    C,    O,    P_IF_GONE,   P},
	[LIFE_EV_STARTED] =           {R, R, I,  R,    Z,    C,    O,    M,           R},
	[LIFE_EV_RESET] =             {D, IF_ATTACHED, I, R, Z, GO, O, M,          IF_ATTACHED},
	[LIFE_EV_PAUSE] =             {D, P, I,  Z,    Z,    C,    O,    M,           S},
	[LIFE_EV_RESUME] =            {D, IF_ATTACHED, R, R, R, C, O, IF_ATTACHED, IF_ATTACHED},
	[LIFE_EV_SUSPEND] =           {D, P, I,  Z,    Z,    C,    O,    M,           S},
	[LIFE_EV_WAKEUP] =            {D, P, I,  R,    R,    C,    O,    M,           S},
	[LIFE_EV_SHUTDOWN] =          {D, P, I,  S,    S,    S,    S,    M,           S},
	[LIFE_EV_PANICKED] =          {D, P, I,  C,    C,    C,    C,    M,           S},
	[LIFE_EV_WATCHDOG] =          {D, P, I,  R,    Z,    C,    O,    M,           S},
	[LIFE_EV_MIGRATE_IN] =        {I, I, I,  R,    Z,    C,    O,    I,           I},
	[LIFE_EV_MIGRATE_OUT] =       {D, P, I,  O,    O,    C,    O,    M,           S},
	[LIFE_EV_MIGRATE_CANCELLED] = {D, P, I,  R,    Z,    C,    GO,   IF_ATTACHED, S},
	[LIFE_EV_MIGRATED] =          {D, P, I,  M,    M,    M,    M,    M,           M},
	[LIFE_EV_STOPPED] =           {D, P, I,  GONE, GONE, GONE, GONE, M,           S},
	[LIFE_EV_RELEASE] =           {D, D, D,  D,    D,    D,    D,    D,           D},
	[LIFE_EV_RECONNECT] =         {IF_ATTACHED, IF_ATTACHED, I, R, Z, C, O, M,    IF_ATTACHED},
	[LIFE_EV_ATTACH] =            {R, R, I,  R,    Z,    C,    O,    R,           R},
	[LIFE_EV_DETACH] =            {D, P, S,  S,    S,    S,    S,    M,           S},
	[LIFE_EV_DRIVER_UP] =         {D, P, R,  R,    Z,    C,    O,    M,           S},
	[LIFE_EV_DRIVER_DOWN] =       {D, P, I,  R,    Z,    C,    O,    M,           S},
	[LIFE_EV_SEEN_HERE] =         {D, P, R,  R,    Z,    C,    O,    M,           S},
	[LIFE_EV_SEEN_ELSEWHERE] =    {D, P, I,  R,    Z,    C,    M,    M,           S},
};
// clang-format on

static bool is_alive(uint8_t state)
{
	return state == R || state == Z || state == C || state == O;
}

static bool is_silent(uint8_t state)
{
	return state == I || state == M;
}

static uint8_t next_of(const struct life *l, enum life_event ev)
{
	const uint8_t to = next[ev][l->state], goes = l->paused ? Z : R;

	switch (to) {
	case GO:
		return goes;
	case IF_ATTACHED:
		return l->attached ? goes : l->state;
	case P_IF_GONE:
		return l->attached ? l->state : P;
	case GONE:
		return l->attached ? l->state : S;
	default:
		return to;
	}
}

// What is known beside the state.
static void facts_take(struct life *l, enum life_event ev)
{
	const bool alive = is_alive(l->state) || (l->state == S && l->attached);

	switch (ev) {
	case LIFE_EV_ATTACH:
		l->attached = true;
		break;
	case LIFE_EV_DETACH:
		l->attached = l->driver = false;
		break;
	case LIFE_EV_DRIVER_UP:
		l->driver = l->attached;
		break;
	case LIFE_EV_DRIVER_DOWN:
		l->driver = false;
		break;
	case LIFE_EV_PAUSE:
	case LIFE_EV_SUSPEND:
		l->paused = alive;
		break;
	case LIFE_EV_RESUME:
	case LIFE_EV_WAKEUP:
		l->paused = false;
		break;
	default:
		break;
	}
}

// A reset, of something that runs.
static bool boots_again(uint8_t from, uint8_t to, enum life_event ev)
{
	return ev == LIFE_EV_RESET && (is_alive(from) || is_alive(to));
}

static uint32_t work_of(uint8_t from, uint8_t to, enum life_event ev)
{
	const bool starts = !is_alive(from) && is_alive(to);
	uint32_t work = 0;

	if (boots_again(from, to, ev))
		work |= LIFE_DO_BOOT | LIFE_DO_FLUSH;
	if (starts && (ev == LIFE_EV_STARTED || ev == LIFE_EV_ATTACH))
		work |= LIFE_DO_BOOT;
	if (is_silent(to) && !is_silent(from))
		work |= LIFE_DO_QUIET;
	if (is_silent(from) && !is_silent(to))
		work |= LIFE_DO_SPEAK;
	if (is_alive(from) && !is_alive(to))
		work |= LIFE_DO_FLUSH;
	if (to == P && from != P)
		work |= LIFE_DO_PROVIDER;
	if (to == D && from != D)
		work |= LIFE_DO_RELEASE;
	return work;
}

static bool is_start(enum life_event ev)
{
	return ev == LIFE_EV_PREPARE || ev == LIFE_EV_STARTED || ev == LIFE_EV_ATTACH ||
	       ev == LIFE_EV_MIGRATE_IN || ev == LIFE_EV_RECONNECT;
}

uint32_t life_step(struct life *l, enum life_event ev)
{
	const uint8_t from = l->state;

	static_assert(GONE < UINT8_MAX, "fits the table");
	// QEMU's end can only be seen of one that was there.
	if ((ev == LIFE_EV_DETACH && !l->attached) || ev >= LIFE_N_EVENTS)
		return 0;
	facts_take(l, ev);
	l->state = next_of(l, ev);
	if (l->state != from && is_start(ev)) {
		l->run += from == D || from == S || from == M;
		l->paused = l->state == Z;
	}
	if (l->state == D)
		l->paused = false;
	return work_of(from, l->state, ev);
}

static const char *const state_names[LIFE_N_STATES] = {
	"defined", "prepared", "incoming", "running", "paused",
	"crashed", "outgoing", "moved",	   "stopped",
};

// In the order of the YANG enumeration; then those of the switch itself.
static const char *const event_names[LIFE_N_EVENTS] = {
	"prepare",
	"started",
	"reset",
	"pause",
	"resume",
	"suspend",
	"wakeup",
	"shutdown",
	"panicked",
	"watchdog",
	"migrate-in",
	"migrate-out",
	"migrate-cancelled",
	"migrated",
	"stopped",
	"release",
	"reconnect",
	"attach",
	"detach",
	"driver-up",
	"driver-down",
	"seen-here",
	"seen-elsewhere",
};

const char *life_state_name(enum life_state s)
{
	return s < LIFE_N_STATES ? state_names[s] : "unknown";
}

const char *life_event_name(enum life_event e)
{
	return e < LIFE_N_EVENTS ? event_names[e] : "unknown";
}

int life_event_find(const char *name)
{
	for (int i = 0; i < LIFE_N_EVENTS; i++) {
		if (strcmp(name, event_names[i]) == 0)
			return i;
	}
	return -1;
}

int life_state_find(const char *name)
{
	for (int i = 0; i < LIFE_N_STATES; i++) {
		if (strcmp(name, state_names[i]) == 0)
			return i;
	}
	return -1;
}
