// Rounds that lead nowhere. A loader that was given and fetched, and after which the firmware asks
// for a loader again, is the wrong one: the machine would go round for ever, or until the operator
// looks. What a port did is remembered, and:
//
//	round		a DISCOVER with a new xid. The same xid again is a repeat, whatever its time
//	progress	another stage has asked (iPXE after the firmware, the system after iPXE), or
//			another file than the loader was fetched (GRUB's, pxelinux's)
//	loop		5 rounds of plain firmware within 10 minutes, before each of which the
//			loader was fetched to its end, without progress in between
//
// Then an event names it, and for two minutes the answer names a file that does not exist: firmware
// takes an offer without a file for silence and waits for a minute, but a file that is not there
// for a failure, at once, and goes on to its next boot device. After that all begins anew.
//
// A reset at any point before the loader is complete starts the count again; one in the second
// between that and the loader's own DHCP counts as a round, and five of them in a row without a
// single success are no accident. iPXE that asks again and again after its script is told of by an
// event but served: that is also what a guest looks like that crashes, or waits for its storage.
#include <stdio.h>
#include <string.h>

#include "dhcp_priv.h"

#define ROUNDS 5
#define WINDOW_NS 600000000000ull
#define HOLD_NS 120000000000ull
enum { FETCHES_PER_S = 50 };

enum { LEVEL_NONE, LEVEL_FIRMWARE, LEVEL_IPXE, LEVEL_OS };

static uint8_t level_of(const struct boot_asker *a)
{
	return a->who == WHO_OS ? LEVEL_OS : boot_who_is_ipxe(a->who) ? LEVEL_IPXE : LEVEL_FIRMWARE;
}

static bool is_held(const struct boot_seen *s, const struct boot_asker *a, uint64_t now_ns)
{
	return s != NULL && level_of(a) == LEVEL_FIRMWARE && now_ns < s->held_until_ns;
}

static void told(struct boot_responder *r, const struct boot_udp *u, struct boot_seen *s,
		 const struct boot_asker *a)
{
	char text[sizeof(((struct boot_event *)0)->detail)];

	r->n.boot_loops++;
	if (level_of(a) == LEVEL_FIRMWARE) {
		s->held_until_ns = u->now_ns + HOLD_NS;
		snprintf(text, sizeof(text), "%u times %.28s in vain: stopped for %u s", ROUNDS,
			 s->file, (unsigned int)(HOLD_NS / 1000000000u));
	} else {
		snprintf(text, sizeof(text), "%u times %.28s, and again from the start", ROUNDS,
			 s->file);
	}
	boot_event_emit(r, u->client, BOOT_EV_LOOP, text, u->now_ns);
	s->n_rounds = 0;
}

static void round_count(struct boot_responder *r, const struct boot_udp *u, struct boot_seen *s,
			const struct boot_asker *a)
{
	uint8_t level = level_of(a);
	bool again = s->level == level && s->done && (!s->moved || level == LEVEL_IPXE) &&
		     level != LEVEL_OS;

	s->level = level;
	if (!again || u->now_ns - s->first_ns >= WINDOW_NS || s->n_rounds == 0) {
		s->n_rounds = again ? 1 : 0;
		s->first_ns = u->now_ns;
	} else {
		s->n_rounds++;
	}
	if (s->n_rounds >= ROUNDS)
		told(r, u, s, a);
}

// Firmware that could boot and gets nothing.
static void lack_told(struct boot_responder *r, const struct boot_udp *u,
		      const struct boot_asker *a, const struct boot_recipe *recipe)
{
	char text[sizeof(((struct boot_event *)0)->detail)];

	r->n.dhcp_no_boot++;
	if (a->who == WHO_OTHER)
		snprintf(text, sizeof(text),
			 "firmware of %s (%#06x): only x86 BIOS and x64 UEFI boot",
			 boot_arch_name(a->arch), a->arch);
	else
		snprintf(text, sizeof(text), "%s: %s", boot_who_name(a->who), recipe->lacks);
	boot_event_emit(r, u->client, BOOT_EV_NO_BOOT, text, u->now_ns);
}

void boot_stage_apply(const struct boot_responder *r, const struct boot_udp *u,
		      const struct boot_request *q, struct boot_recipe *recipe)
{
	recipe->held = is_held(boot_seen_of(r, u->client), &q->asker, u->now_ns);
}

void boot_stage_round(struct boot_responder *r, const struct boot_udp *u,
		      const struct boot_request *q, struct boot_recipe *recipe)
{
	struct boot_seen *s = boot_seen_of(r, u->client);
	bool fresh = s == NULL || !s->has_xid || memcmp(s->xid, q->bootp + 4, 4) != 0;

	if (fresh && recipe->lacks != NULL)
		lack_told(r, u, &q->asker, recipe);
	if (s == NULL || !fresh) {
		boot_stage_apply(r, u, q, recipe);
		return;
	}
	round_count(r, u, s, &q->asker);
	memcpy(s->xid, q->bootp + 4, 4);
	s->has_xid = true;
	s->done = s->moved = false;
	snprintf(s->file, sizeof(s->file), "%s", recipe->name != NULL ? recipe->name : "");
	boot_stage_apply(r, u, q, recipe);
	if (recipe->held)
		r->n.boot_held++;
}

static bool is_fetch(uint8_t kind)
{
	return kind == BOOT_EV_TFTP_START || kind == BOOT_EV_TFTP_DONE ||
	       kind == BOOT_EV_TFTP_FAILED || kind == BOOT_EV_HTTP_START ||
	       kind == BOOT_EV_HTTP_DONE || kind == BOOT_EV_HTTP_FAILED;
}

// Requests for files have no rate; who only asks for what it may not have, again and again, does
// not keep those who listen from hearing of others.
static bool is_worth_telling(struct boot_seen *s, uint64_t now_ns)
{
	if (s->fetch_s != now_ns / 1000000000u) {
		s->fetch_s = now_ns / 1000000000u;
		s->n_fetches = 0;
	}
	return s->n_fetches++ < FETCHES_PER_S;
}

static void fetched(struct boot_seen *s, const struct boot_event *e)
{
	const char *name = e->detail;

	while (*name == '/')
		name++;
	if (s->file[0] == '\0' || *name == '\0')
		return;
	// Details are cut where they are long, and may say more behind the name.
	if (strncmp(name, s->file, strlen(name)) == 0 ||
	    strncmp(name, s->file, strlen(s->file)) == 0) {
		s->done |= e->kind == BOOT_EV_TFTP_DONE || e->kind == BOOT_EV_HTTP_DONE;
	} else if (s->done) {
		s->moved = true;
	}
}

// What TFTP and HTTP tell of a client's files.
bool boot_stage_fetched(struct boot_responder *r, const struct boot_event *e)
{
	const struct boot_client *c =
		is_fetch(e->kind) ? boot_client_find(r, e->port, e->gen) : NULL;
	struct boot_seen *s = c != NULL ? boot_seen_of(r, c) : NULL;

	if (s == NULL)
		return true;
	fetched(s, e);
	return is_worth_telling(s, e->ns);
}
