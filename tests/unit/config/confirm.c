// Confirmed commit (RFC 6241 section 8.4): every sequence of events against a model, to a depth,
// and from every state that the model can reach. An argument sets the depth.
//
// One of two sessions speaks XML, the other JSON, and then the other way round.
#include "session_rig.h"

enum { NOBODY = -1, A, B, N_ACTORS };

enum kind { COMMIT, CANCEL, LOCK, UNLOCK, END, TIMEOUT, REFUSE, RESTART };

struct event {
	enum kind kind;
	int who;
	bool fresh; // the candidate has something new
	bool confirmed;
	const char *persist; // NULL = not given
	const char *id;
};

static const struct event events[] = {
	{ COMMIT, A, true, true, NULL, NULL },
	{ COMMIT, A, true, true, "p", NULL },
	{ COMMIT, A, true, true, "q", "p" },
	{ COMMIT, A, true, true, NULL, "p" },
	{ COMMIT, A, false, true, NULL, NULL },
	{ COMMIT, A, true, true, "", NULL },
	{ COMMIT, A, false, false, NULL, NULL },
	{ COMMIT, A, true, false, NULL, NULL },
	{ COMMIT, A, false, false, "p", NULL },
	{ COMMIT, B, true, true, NULL, NULL },
	{ COMMIT, B, true, true, "q", NULL },
	{ COMMIT, B, false, false, NULL, NULL },
	{ COMMIT, B, true, false, NULL, "p" },
	{ COMMIT, B, false, false, NULL, "p" },
	{ COMMIT, B, false, false, NULL, "wrong" },
	{ COMMIT, B, false, false, NULL, "" },
	{ .kind = CANCEL, .who = A },
	{ .kind = CANCEL, .who = A, .id = "wrong" },
	{ .kind = CANCEL, .who = B },
	{ .kind = CANCEL, .who = B, .id = "p" },
	{ .kind = CANCEL, .who = B, .id = "" },
	{ .kind = LOCK, .who = B },
	{ .kind = UNLOCK, .who = B },
	{ .kind = LOCK, .who = A },
	{ .kind = END, .who = A },
	{ .kind = END, .who = B },
	{ .kind = TIMEOUT, .who = NOBODY },
	{ .kind = REFUSE, .who = NOBODY },
	{ .kind = RESTART, .who = NOBODY },
};

enum { N_EVENTS = sizeof(events) / sizeof(events[0]), DEPTH_MAX = 12, TIMEOUT_S = 600 };

// What RFC 6241 says. Configurations are numbers: the running one, and the one to go back to.
struct model {
	int running, backup, waiter,
		locked; // waiter: who asked for what waits; NOBODY: it has gone
	bool waiting, refuses;
	bool kept; // on the disk: a commit that changes nothing leaves nothing there
	char persist[8];
};

static bool may_write(const struct model *m, int who)
{
	return m->locked == NOBODY || m->locked == who;
}

static const char *may_confirm(const struct model *m, const struct event *e)
{
	if (e->id != NULL)
		return m->waiting && m->persist[0] != '\0' && strcmp(m->persist, e->id) == 0
			       ? "ok"
			       : "invalid-value";
	return !m->waiting || (m->persist[0] == '\0' && m->waiter == e->who) ? "ok" : "in-use";
}

static void settle(struct model *m, int running)
{
	m->running = running;
	m->waiting = m->kept = false;
	m->waiter = NOBODY;
	m->backup = 0;
	m->persist[0] = '\0';
}

static const char *model_commit(struct model *m, const struct event *e, int next)
{
	const char *may = may_confirm(m, e);

	if (!may_write(m, e->who))
		return "in-use";
	if (strcmp(may, "ok") != 0)
		return may;
	if (e->persist != NULL && (!e->confirmed || e->persist[0] == '\0'))
		return "invalid-value";
	if (m->refuses && (m->waiting || e->fresh))
		return "operation-failed";
	if (!e->confirmed) {
		settle(m, e->fresh ? next : m->running);
		return "ok";
	}
	if (!m->waiting)
		m->backup = m->running;
	m->waiting = true;
	m->kept |= e->fresh;
	m->waiter = e->who;
	snprintf(m->persist, sizeof(m->persist), "%s", e->persist == NULL ? "" : e->persist);
	m->running = e->fresh ? next : m->running;
	return "ok";
}

static const char *model_cancel(struct model *m, const struct event *e)
{
	const char *may = may_confirm(m, e);

	if (!m->waiting)
		return "operation-failed";
	if (!may_write(m, e->who))
		return "in-use";
	if (strcmp(may, "ok") != 0)
		return may;
	if (m->refuses)
		return "operation-failed";
	settle(m, m->backup);
	return "ok";
}

static const char *model_lock(struct model *m, const struct event *e)
{
	if (m->locked != NOBODY || (m->waiting && m->waiter != e->who))
		return "lock-denied";
	m->locked = e->who;
	return "ok";
}

static const char *model_unlock(struct model *m, const struct event *e)
{
	if (m->locked != e->who)
		return "operation-failed";
	m->locked = NOBODY;
	return "ok";
}

static void model_end(struct model *m, int who)
{
	m->locked = m->locked == who ? NOBODY : m->locked;
	if (!m->waiting || m->waiter != who)
		return;
	m->waiter = NOBODY;
	if (m->persist[0] == '\0' && !m->refuses)
		settle(m, m->backup);
}

// returns the error-tag, "ok", or NULL when nobody is told
static const char *model_step(struct model *m, const struct event *e, int next)
{
	switch (e->kind) {
	case COMMIT:
		return model_commit(m, e, next);
	case CANCEL:
		return model_cancel(m, e);
	case LOCK:
		return model_lock(m, e);
	case UNLOCK:
		return model_unlock(m, e);
	case END:
		model_end(m, e->who);
		return NULL;
	case TIMEOUT:
		if (m->waiting && !m->refuses)
			settle(m, m->backup);
		return NULL;
	case REFUSE:
		m->refuses = !m->refuses;
		return NULL;
	case RESTART:
		m->locked = m->waiter = NOBODY;
		m->refuses = false;
		if (m->waiting && (m->persist[0] == '\0' || !m->kept))
			settle(m, m->backup);
		return NULL;
	}
	return NULL;
}

// --- The same, done

struct bench {
	struct rig rig;
	struct cfg_session *s[N_ACTORS], *observer;
	struct model model;
	int xml;  // which of them speaks XML
	int last; // number of the newest configuration
	uint32_t n_steps;
};

static void enter(struct bench *b, int who)
{
	b->s[who] = rig_root(&b->rig, who == b->xml);
}

static void bench_open(struct bench *b)
{
	rig_open(&b->rig);
	enter(b, A);
	enter(b, B);
	b->observer = rig_root(&b->rig, false);
	b->model = (struct model){ .locked = NOBODY, .waiter = NOBODY };
	b->last = 10;
}

static void bench_leave(struct bench *b)
{
	for (int i = 0; i < N_ACTORS; i++)
		cfg_session_destroy(b->s[i]);
	cfg_session_destroy(b->observer);
}

static void bench_close(struct bench *b)
{
	bench_leave(b);
	rig_close(&b->rig);
}

static void do_edit(struct bench *b, int who, int value)
{
	char xml[400], json[400];

	snprintf(xml, sizeof(xml),
		 "<edit-config><target><candidate/></target><config>" IN_SYSTEM(
			 "<mac-ageing>%d</mac-ageing>") "</config></edit-config>",
		 value);
	snprintf(json, sizeof(json),
		 "{\"weir-configuration:edit-line\":{\"line\":\"set system mac-ageing %d\"}}",
		 value);
	assert_string_equal(rig_do(&b->rig, b->s[who], xml, json), "ok");
}

static const char *do_commit(struct bench *b, const struct event *e)
{
	char xml[400], json[400], persist[2][64] = { "" }, id[2][64] = { "" };
	const char *tag;

	if (e->fresh)
		do_edit(b, e->who, b->last);
	if (e->persist != NULL) {
		snprintf(persist[0], 64, "<persist>%s</persist>", e->persist);
		snprintf(persist[1], 64, ",\"persist\":\"%s\"", e->persist);
	}
	if (e->id != NULL) {
		snprintf(id[0], 64, "<persist-id>%s</persist-id>", e->id);
		snprintf(id[1], 64, ",\"persist-id\":\"%s\"", e->id);
	}
	snprintf(xml, sizeof(xml), "<commit>%s%s%s</commit>", e->confirmed ? "<confirmed/>" : "",
		 persist[0], id[0]);
	snprintf(json, sizeof(json), "{\"ietf-netconf:commit\":{%s%s%s}}",
		 e->confirmed ? "\"confirmed\":[null]" : "\"weir-configuration:comment\":\"c\"",
		 persist[1], id[1]);
	tag = rig_do(&b->rig, b->s[e->who], xml, json);
	if (strcmp(tag, "ok") != 0 && e->fresh) {
		static char kept[64];

		snprintf(kept, sizeof(kept), "%s", tag);
		assert_string_equal(rig_do(&b->rig, b->s[e->who], "<discard-changes/>",
					   "{\"ietf-netconf:discard-changes\":{}}"),
				    "ok");
		return kept;
	}
	return tag;
}

static const char *do_cancel(struct bench *b, const struct event *e)
{
	char xml[200], json[200];

	snprintf(xml, sizeof(xml), "<cancel-commit>%s%s%s</cancel-commit>",
		 e->id == NULL ? "" : "<persist-id>", e->id == NULL ? "" : e->id,
		 e->id == NULL ? "" : "</persist-id>");
	snprintf(json, sizeof(json), "{\"ietf-netconf:cancel-commit\":{%s%s%s}}",
		 e->id == NULL ? "" : "\"persist-id\":\"", e->id == NULL ? "" : e->id,
		 e->id == NULL ? "" : "\"");
	return rig_do(&b->rig, b->s[e->who], xml, json);
}

static const char *do_lock(struct bench *b, const struct event *e)
{
	const char *op = e->kind == LOCK ? "lock" : "unlock";
	char xml[200], json[200];

	snprintf(xml, sizeof(xml), "<%s><target><running/></target></%s>", op, op);
	snprintf(json, sizeof(json), "{\"ietf-netconf:%s\":{\"target\":{\"running\":[null]}}}", op);
	return rig_do(&b->rig, b->s[e->who], xml, json);
}

// What control/commit.c does at a start: what nobody can confirm any more is taken back first.
static void do_restart(struct bench *b)
{
	struct store_host *h = &b->rig.host;
	const struct cfg_store *s = b->rig.store;
	bool waits = h->waits;
	char *running = cfg_store_running(s), *backup = cfg_tree_print(s->backup, LYD_JSON, 0);
	char persist[256];
	struct cfg_wait wait = { s->deadline_ms, s->timeout_ms, persist, 0 };
	const struct cfg_host host = s->host;
	struct cfg_error err;

	snprintf(persist, sizeof(persist), "%s", s->persist_id);
	h->refuse = true; // it is killed: what a session's end does is not done
	bench_leave(b);
	cfg_store_destroy(b->rig.store);
	h->refuse = false;
	assert_int_equal(cfg_store_create(rig_schema, &host, &b->rig.store), 0);
	if (waits && persist[0] == '\0') {
		waits = h->waits = false;
		free(running);
		running = strdup(backup);
		host_keep(h, &(struct cfg_commit){ .json = backup,
						   .size = strlen(backup),
						   .user = "weir",
						   .client = "rollback",
						   .comment = "" });
	}
	assert_int_equal(cfg_store_load(b->rig.store, running, strlen(running), &err), 0);
	if (waits)
		assert_int_equal(cfg_store_resume(b->rig.store, backup, &wait, &err), 0);
	free(running);
	free(backup);
	enter(b, A);
	enter(b, B);
	b->observer = rig_root(&b->rig, false);
}

static const char *bench_step(struct bench *b, const struct event *e)
{
	struct store_host *h = &b->rig.host;

	switch (e->kind) {
	case COMMIT:
		return do_commit(b, e);
	case CANCEL:
		return do_cancel(b, e);
	case LOCK:
	case UNLOCK:
		return do_lock(b, e);
	case END:
		cfg_session_destroy(b->s[e->who]);
		enter(b, e->who);
		return NULL;
	case TIMEOUT:
		cfg_store_tick(b->rig.store);
		if (b->rig.store->waiting && !h->refuse)
			assert_true(b->rig.store->deadline_ms > h->now_ms); // not early
		h->now_ms += (TIMEOUT_S + 1) * 1000;
		cfg_store_tick(b->rig.store);
		return NULL;
	case REFUSE:
		h->refuse = !h->refuse;
		return NULL;
	case RESTART:
		do_restart(b);
		return NULL;
	}
	return NULL;
}

// --- Are they the same?

static int ageing(const char *json)
{
	const char *at = strstr(json, "\"mac-ageing\":");

	return at == NULL ? 0 : (int)strtol(at + 13, NULL, 10);
}

static int configuration(struct bench *b, const char *which)
{
	char request[200];

	snprintf(request, sizeof(request),
		 "{\"ietf-netconf:get-config\":{\"source\":{\"%s\":[null]}}}", which);
	return ageing(rig_json(&b->rig, b->observer, request));
}

static void describe(const uint8_t *path, uint32_t n)
{
	static const char *const kinds[] = { "commit", "cancel",  "lock",   "unlock",
					     "end",    "timeout", "refuse", "restart" };

	for (uint32_t i = 0; i < n; i++) {
		const struct event *e = &events[path[i]];

		print_message(
			"  %u. %s: %s%s%s%s%s%s%s\n", i + 1,
			e->who == NOBODY ? "-"
			: e->who == A	 ? "A"
					 : "B",
			kinds[e->kind], e->confirmed ? " confirmed" : "", e->fresh ? " new" : "",
			e->persist == NULL ? "" : " persist=", e->persist == NULL ? "" : e->persist,
			e->id == NULL ? "" : " persist-id=", e->id == NULL ? "" : e->id);
	}
}

#define same(what, is, ought)                                                                      \
	do {                                                                                       \
		if ((is) != (ought)) {                                                             \
			describe(path, n);                                                         \
			fail_msg(what " is %d, ought to be %d", (int)(is), (int)(ought));          \
		}                                                                                  \
	} while (0)

static void compare(struct bench *b, const uint8_t *path, uint32_t n)
{
	const struct model *m = &b->model;
	const struct cfg_store *s = b->rig.store;
	const char *status;

	same("running", configuration(b, "running"), m->running);
	same("startup", configuration(b, "startup"), m->waiting ? m->backup : m->running);
	same("candidate", configuration(b, "candidate"), m->running);
	same("what the disk says waits", b->rig.host.waits, m->kept);
	same("what is armed", s->waiting, m->waiting);
	status = rig_json(&b->rig, b->observer, "{\"weir-configuration:status\":{}}");
	same("confirm-seconds", strstr(status, "confirm-seconds") != NULL, m->waiting);
	same("the lock", strstr(status, "running-locked-by") != NULL, m->locked != NOBODY);
	same("the candidate's changes", strstr(status, "candidate-changed-by") != NULL, false);
}

static void step(struct bench *b, const uint8_t *path, uint32_t n)
{
	const struct event *e = &events[path[n - 1]];
	const char *is, *ought;

	b->last++;
	ought = model_step(&b->model, e, b->last);
	is = bench_step(b, e);
	if ((is == NULL) != (ought == NULL) || (is != NULL && strcmp(is, ought) != 0)) {
		describe(path, n);
		fail_msg("answered %s, ought to be %s", is == NULL ? "-" : is,
			 ought == NULL ? "-" : ought);
	}
	b->n_steps++;
	compare(b, path, n);
}

static void replay(struct bench *b, const uint8_t *path, uint32_t n)
{
	bench_open(b);
	for (uint32_t i = 1; i <= n; i++)
		step(b, path, i);
}

// Every event after path[0..n-1]. Those that are refused change nothing, so they share one bench
// and nothing new comes after them.
static void explore(struct bench *b, uint8_t *path, uint32_t n, uint32_t depth)
{
	struct model before;
	bool changes[N_EVENTS];

	replay(b, path, n);
	before = b->model;
	for (uint8_t i = 0; i < N_EVENTS; i++) {
		struct model after = before;

		(void)model_step(&after, &events[i], b->last + 1);
		changes[i] = memcmp(&after, &before, sizeof(after)) != 0;
		path[n] = i;
		if (!changes[i])
			step(b, path, n + 1);
	}
	bench_close(b);
	for (uint8_t i = 0; i < N_EVENTS; i++) {
		path[n] = i;
		if (!changes[i])
			continue;
		if (n + 1 < depth) {
			explore(b, path, n + 1, depth);
		} else {
			replay(b, path, n + 1);
			bench_close(b);
		}
	}
}

static uint32_t depth = 4;

static void every_interleaving_does_what_the_rfc_says(void **state)
{
	struct bench b = { 0 };
	uint8_t path[DEPTH_MAX];

	(void)state;
	for (b.xml = A; b.xml <= B; b.xml++)
		explore(&b, path, 0, depth);
	print_message("%u steps to depth %u\n", b.n_steps, depth);
}

// --- From every state, as far away as it may be

// A state without what the configurations are called.
static uint32_t abstract(const struct model *m)
{
	return (uint32_t)(m->waiter + 1) | (uint32_t)(m->locked + 1) << 2 |
	       (uint32_t)m->waiting << 4 | (uint32_t)m->refuses << 5 |
	       (uint32_t)(uint8_t)m->persist[0] << 6 |
	       (uint32_t)(m->waiting && m->backup == m->running) << 14 | (uint32_t)m->kept << 15;
}

struct reached {
	uint32_t state, n;
	uint8_t path[DEPTH_MAX];
};

enum { STATES_MAX = 1024 };

static struct reached reached[STATES_MAX];
static uint32_t n_reached;

static void reach(const struct model *m, const uint8_t *path, uint32_t n)
{
	for (uint32_t i = 0; i < n_reached; i++)
		if (reached[i].state == abstract(m))
			return;
	assert_true(n_reached < STATES_MAX && n < DEPTH_MAX);
	reached[n_reached].state = abstract(m);
	reached[n_reached].n = n;
	memcpy(reached[n_reached++].path, path, n);
}

static void every_event_in_every_state_does_what_the_rfc_says(void **state)
{
	struct bench b = { 0 };
	uint8_t path[DEPTH_MAX] = { 0 };

	(void)state;
	n_reached = 0;
	reach(&(struct model){ .locked = NOBODY, .waiter = NOBODY }, path, 0);
	for (uint32_t at = 0; at < n_reached; at++) {
		uint32_t n = reached[at].n;

		memcpy(path, reached[at].path, n);
		for (uint8_t i = 0; i < N_EVENTS; i++) {
			path[n] = i;
			b.xml = (int)(at + i) & 1;
			replay(&b, path, n + 1);
			reach(&b.model, path, n + 1);
			bench_close(&b);
		}
	}
	print_message("%u states, %u steps\n", n_reached, b.n_steps);
	assert_true(n_reached >= 30);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_interleaving_does_what_the_rfc_says),
		cmocka_unit_test(every_event_in_every_state_does_what_the_rfc_says),
	};
	int failed;

	if (argc > 1)
		depth = (uint32_t)strtoul(argv[1], NULL, 10);
	if (depth < 1 || depth >= DEPTH_MAX || rig_schema_open(WEIR_YANG_SRC) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(rig_schema);
	return failed;
}
