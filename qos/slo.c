// See qos_slo.h for the law.
#include "qos_slo.h"

#include <stdarg.h>
#include <stdio.h>

#define ROW 3	    // windows that make a judgement
#define ROW_OTHER 6 // windows that change one's cause
#define HOLD_MIN 10
#define HOLD_MAX 320
#define SILENT 60 // windows without data until shares go down
#define SILENT_STEP 10

enum cause { GUEST, PORTAL, LINK, N_CAUSES };

const char *qos_slo_name(enum qos_slo_state s)
{
	static const char *const names[QOS_SLO_N_STATES] = {
		"off",		"no data",	 "met", "raising", "missed: portal",
		"missed: link", "missed: guest",
	};

	return s < QOS_SLO_N_STATES ? names[s] : "invalid";
}

void qos_slo_init(struct qos_slo *s, uint64_t target_ns)
{
	*s = (struct qos_slo){ .target_ns = target_ns,
			       .boost = 1,
			       .state = target_ns == 0 ? QOS_SLO_OFF : QOS_SLO_NO_DATA,
			       .hold = HOLD_MIN };
}

static void forget_row(struct qos_slo *s)
{
	s->over = s->ok = s->under = s->same = 0;
}

void qos_slo_set(struct qos_slo *s, uint64_t target_ns)
{
	if (target_ns == s->target_ns)
		return;
	if (target_ns == 0 || s->target_ns == 0) {
		qos_slo_init(s, target_ns);
		return;
	}
	s->target_ns = target_ns;
	s->state = QOS_SLO_NO_DATA;
	s->hold = HOLD_MIN;
	s->lowers = 0;
	forget_row(s);
}

// --- Sentences

struct say {
	char *text;
	size_t size, n;
};

static void say(struct say *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct say *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (o->n + 1 >= o->size)
		return;
	va_start(ap, fmt);
	n = vsnprintf(o->text + o->n, o->size - o->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->n = (size_t)n < o->size - o->n ? o->n + (size_t)n : o->size - 1;
}

// Between two sentences of one window
static void next(struct say *o)
{
	if (o->n > 0)
		say(o, "; ");
}

// A time with its unit: "850 us", "7.4 ms", "12 s"
struct dur {
	char text[32];
};

static struct dur dur(uint64_t ns)
{
	uint64_t unit = ns < 1000000000 ? 1000000 : 1000000000, tenths;
	const char *name = unit == 1000000 ? "ms" : "s";
	struct dur d;

	if (ns < 1000000) {
		snprintf(d.text, sizeof(d.text), "%u us", (unsigned)(ns / 1000));
		return d;
	}
	tenths = ns / (unit / 10);
	if (tenths % 10 == 0)
		snprintf(d.text, sizeof(d.text), "%llu %s", (unsigned long long)tenths / 10, name);
	else
		snprintf(d.text, sizeof(d.text), "%llu.%u %s", (unsigned long long)tenths / 10,
			 (unsigned)(tenths % 10), name);
	return d;
}

// --- One window

// What was measured, with what cannot be left out.
struct window {
	const struct qos_slo_input *in;
	uint64_t mean_ns, out_ns, in_ns, beyond_ns;
	uint64_t worst_ns; // p99, or what waits
	bool hung, over;
	enum cause cause; // when over
	bool helps;	  // shares do, against cause LINK
	uint32_t shares, max_boost;
	struct say *o;
};

static enum cause find_cause(const struct qos_slo *s, const struct window *w)
{
	if (w->in->at_limit || w->in->guest_parked)
		return GUEST;
	if (w->hung || w->beyond_ns > s->target_ns || w->beyond_ns >= w->mean_ns - w->mean_ns / 5)
		return PORTAL;
	if (!w->helps && w->in_ns > w->out_ns)
		return GUEST;
	return LINK;
}

static struct window look(const struct qos_slo *s, const struct qos_slo_input *in, struct say *o)
{
	struct window w = { .in = in, .mean_ns = in->mean_ns, .worst_ns = in->p99_ns, .o = o };

	w.shares = in->shares < 1 ? 1 : in->shares;
	w.max_boost = w.shares > QOS_SLO_MAX_SHARES ? 1 : QOS_SLO_MAX_SHARES / w.shares;
	if (w.max_boost > QOS_SLO_MAX_BOOST)
		w.max_boost = QOS_SLO_MAX_BOOST;
	// Measured apart, the parts may exceed the whole a little.
	w.out_ns = in->out_ns < w.mean_ns ? in->out_ns : w.mean_ns;
	w.in_ns = in->in_ns < w.mean_ns - w.out_ns ? in->in_ns : w.mean_ns - w.out_ns;
	w.beyond_ns = w.mean_ns - w.out_ns - w.in_ns;
	w.hung = in->n < QOS_SLO_MIN_CMDS && in->waiting_ns >= QOS_SLO_HUNG_NS &&
		 in->waiting_ns > s->target_ns;
	if (w.hung)
		w.worst_ns = in->waiting_ns;
	w.over = w.worst_ns > s->target_ns;
	w.helps = in->link_busy && w.out_ns > 0 && w.out_ns >= w.mean_ns / 5;
	w.cause = find_cause(s, &w);
	return w;
}

static void say_head(const struct qos_slo *s, const struct window *w)
{
	next(w->o);
	if (w->hung)
		say(w->o, "a command has waited %s for its answer, %s allowed",
		    dur(w->worst_ns).text, dur(s->target_ns).text);
	else
		say(w->o, "p99 %s of %s allowed", dur(w->worst_ns).text, dur(s->target_ns).text);
}

static void say_shares(const struct window *w, uint32_t from, uint32_t to)
{
	say(w->o, "shares %s from %u to %u (%u x what is configured)",
	    from < to ? "raised" : "lowered", from * w->shares, to * w->shares, to);
}

// --- Changes

static void raise_shares(struct qos_slo *s, const struct window *w)
{
	uint32_t from = s->boost, to = from + (from + 1) / 2;

	s->boost = to < w->max_boost ? to : w->max_boost;
	if (s->lowers > 0 && s->windows - s->lowered_at <= 2ull * s->hold)
		s->hold = s->hold < HOLD_MAX / 2 ? s->hold * 2 : HOLD_MAX;
	s->lowers = 0;
	s->state = QOS_SLO_RAISING;
	say_head(s, w);
	say(w->o,
	    ": %s of the mean %s is in the switch's queues to a busy uplink: ", dur(w->out_ns).text,
	    dur(w->mean_ns).text);
	say_shares(w, from, s->boost);
}

static uint32_t one_step_down(uint32_t boost)
{
	return boost - (boost < 8 ? 1 : boost / 4);
}

static void lower(struct qos_slo *s, const struct window *w)
{
	uint32_t from = s->boost;

	s->boost = one_step_down(from);
	if (s->lowers >= 2 && s->hold > HOLD_MIN)
		s->hold /= 2;
	s->lowers += s->lowers < UINT8_MAX;
	s->lowered_at = s->windows;
	say_head(s, w);
	say(w->o,
	    w->over ? ", and shares do not change that, for %u windows: " : " for %u windows: ",
	    s->under);
	say_shares(w, from, s->boost);
	s->under = 0;
}

static void say_guest(const struct qos_slo *s, const struct window *w)
{
	say_head(s, w);
	if (w->in->at_limit)
		say(w->o,
		    ": the VM's own limit holds it back (%s of the mean %s in the switch's queues)",
		    dur(w->out_ns + w->in_ns).text, dur(w->mean_ns).text);
	else
		say(w->o, ": the guest does not take its frames (%s of the mean %s wait for it)",
		    dur(w->in_ns).text, dur(w->mean_ns).text);
	say(w->o, ": more shares cannot help");
	if (w->beyond_ns > s->target_ns)
		say(w->o, "; %s beyond the switch is too long as well", dur(w->beyond_ns).text);
}

static void say_portal(const struct qos_slo *s, const struct window *w)
{
	say_head(s, w);
	if (!w->hung)
		say(w->o, ": %s of the mean %s is", dur(w->beyond_ns).text, dur(w->mean_ns).text);
	else
		say(w->o, ": it waits");
	say(w->o, " beyond the switch (server or its network): more shares cannot help");
}

static void say_link(const struct qos_slo *s, const struct window *w)
{
	say_head(s, w);
	say(w->o, ": %s of the mean %s is in the switch's queues, ", dur(w->out_ns + w->in_ns).text,
	    dur(w->mean_ns).text);
	if (w->helps)
		say(w->o, "and shares are at their greatest (%u, %u x what is configured)",
		    s->boost * w->shares, s->boost);
	else
		say(w->o, "but the uplink is not busy (a limit of the class, or bursts): more "
			  "shares cannot help");
}

static enum cause said_cause(const struct qos_slo *s)
{
	switch (s->state) {
	case QOS_SLO_MISSED_GUEST:
		return GUEST;
	case QOS_SLO_MISSED_PORTAL:
		return PORTAL;
	case QOS_SLO_RAISING:
	case QOS_SLO_MISSED_LINK:
		return LINK;
	default:
		return N_CAUSES;
	}
}

// Three windows in a row are above the target, this one too. returns true when that has had its
// consequence
static bool act(struct qos_slo *s, const struct window *w)
{
	static const uint8_t states[N_CAUSES] = { QOS_SLO_MISSED_GUEST, QOS_SLO_MISSED_PORTAL,
						  QOS_SLO_MISSED_LINK };
	static void (*const say_it[N_CAUSES])(const struct qos_slo *,
					      const struct window *) = { say_guest, say_portal,
									 say_link };
	enum cause said = said_cause(s);

	if (said == N_CAUSES ? s->same < 2 && s->over < ROW_OTHER
			     : said != w->cause && s->same < ROW_OTHER)
		return false;
	if (w->cause == LINK && w->helps && s->boost < w->max_boost) {
		raise_shares(s, w);
	} else if (s->state != states[w->cause]) {
		s->state = states[w->cause];
		say_it[w->cause](s, w);
	}
	return true;
}

static void judge_missed(struct qos_slo *s, const struct window *w)
{
	s->missed++;
	s->ok = 0;
	s->same = s->same > 0 && s->cause == w->cause ? s->same + (s->same < ROW_OTHER) : 1;
	s->cause = (uint8_t)w->cause;
	s->over += s->over < ROW_OTHER;
	if (s->over >= ROW && act(s, w))
		s->over = 0;
}

static void judge_met(struct qos_slo *s, const struct window *w)
{
	s->met++;
	s->over = s->same = 0;
	s->ok += s->ok < ROW;
	if (s->state == QOS_SLO_MET || (s->ok < ROW && s->state != QOS_SLO_NO_DATA))
		return;
	s->state = QOS_SLO_MET;
	say_head(s, w);
	if (s->boost > 1)
		say(w->o, ", with shares of %u (%u x what is configured)", s->boost * w->shares,
		    s->boost);
}

static void judge(struct qos_slo *s, const struct window *w)
{
	bool no_use = w->over ? w->cause != LINK : w->worst_ns < s->target_ns / 10 * 7;

	s->windows++;
	s->quiet = 0;
	if (w->over)
		judge_missed(s, w);
	else
		judge_met(s, w);
	s->under = no_use ? s->under + (s->under < UINT16_MAX) : 0;
	if (s->boost > 1 && s->under >= s->hold)
		lower(s, w);
}

// Too few commands. A word about that only when it lasts: guests pause.
static void quiet(struct qos_slo *s, const struct window *w)
{
	s->quiet += s->quiet < UINT16_MAX;
	if (s->quiet == ROW && s->state != QOS_SLO_NO_DATA) {
		s->state = QOS_SLO_NO_DATA;
		forget_row(s);
		next(w->o);
		say(w->o, "%llu commands in a window, %u are needed to judge by",
		    (unsigned long long)w->in->n, QOS_SLO_MIN_CMDS);
	}
	if (s->boost > 1 && s->quiet >= SILENT && s->quiet % SILENT_STEP == 0) {
		uint32_t from = s->boost;

		s->boost = one_step_down(from);
		next(w->o);
		say(w->o, "no data for %u windows: ", s->quiet);
		say_shares(w, from, s->boost);
	}
}

bool qos_slo_step(struct qos_slo *s, const struct qos_slo_input *in, uint64_t now_ns, char *text,
		  size_t text_size)
{
	struct say o = { text, text_size, 0 };
	uint32_t boost = s->boost;
	uint8_t state = s->state;
	struct window w;

	if (text_size > 0)
		text[0] = '\0';
	if (s->target_ns == 0)
		return false;
	w = look(s, in, &o);
	if (s->boost > w.max_boost) { // other shares are configured now
		s->boost = w.max_boost;
		say(&o, "shares are %u, the greatest", s->boost * w.shares);
	}
	if (in->n < QOS_SLO_MIN_CMDS && !w.hung)
		quiet(s, &w);
	else
		judge(s, &w);
	if (s->boost == boost && s->state == state)
		return false;
	s->changed_ns = now_ns;
	return true;
}
