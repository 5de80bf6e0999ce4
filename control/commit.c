// The host of the configuration store: a commit is prepared, written to the disk, then in force; or
// nothing has happened. Here is decided, too, with what the daemon starts.
//
// Two things can say what runs: the newest commit that is kept, and the operator's file. The file
// wins where it was changed since it was read last (its checksum stands in every commit); else it
// would undo what was committed since.
//
// Who asks for a commit is told when it cannot be kept, and nothing has changed. What nobody asked
// for (a roll back, the configuration of a start) happens all the same: the disk then still holds
// what makes the next start decide alike.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control_priv.h"
#include "persist.h"
#include "vm_launch.h"
#include "weir_log.h"

static uint64_t now_ms(void *arg)
{
	struct timespec t;

	(void)arg;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// The confirmed commit that waits. A later commit has ended it, though its file may still be there
// because it could not be removed.
static const struct cfg_pending *waiting(const struct ctl *c)
{
	const struct cfg_pending *p = ctl_persist_pending_get(c->persist);
	const struct cfg_commit_head *heads;

	if (p == NULL || (ctl_persist_list(c->persist, &heads) > 0 && heads[0].id > p->last))
		return NULL;
	return p;
}

// A commit on its way to the disk.
struct saving {
	struct ctl *c;
	const struct cfg_commit *commit;
};

static int pending_write(struct ctl *c, const struct cfg_commit *commit, uint64_t id,
			 struct cfg_error *err)
{
	const struct cfg_pending *was = waiting(c);
	const struct cfg_commit_head *heads;
	struct cfg_pending p = {
		.backup = was != NULL ? was->backup : 0,
		.first = was != NULL ? was->first : id,
		.last = id,
		.deadline_ms = commit->wait->deadline_ms,
		.timeout_ms = commit->wait->timeout_ms,
		.session = commit->wait->session,
	};

	if (was == NULL) {
		if (ctl_persist_list(c->persist, &heads) == 0) {
			snprintf(err->reason, sizeof(err->reason),
				 "there is no earlier commit to go back to");
			return -ENOENT;
		}
		p.backup = heads[0].id;
	}
	snprintf(p.persist_id, sizeof(p.persist_id), "%s", commit->wait->persist_id);
	snprintf(p.user, sizeof(p.user), "%s", commit->user);
	return ctl_persist_pending_set(c->persist, &p, err);
}

static int record_write(struct ctl *c, const struct cfg_commit *commit, uint64_t id,
			struct cfg_error *err)
{
	struct cfg_commit_head h = {
		.id = id,
		.time_s = (int64_t)(now_ms(NULL) / 1000),
		.file_crc = c->file_crc,
		.has_file_crc = c->has_file_crc,
	};

	snprintf(h.user, sizeof(h.user), "%s", commit->user);
	snprintf(h.client, sizeof(h.client), "%s", commit->client);
	snprintf(h.comment, sizeof(h.comment), "%s", commit->comment);
	return ctl_persist_write(c->persist, &h, commit->json, commit->size, err);
}

// What waits is taken back: to what waited before, or nothing.
static void pending_undo(struct ctl *c, const struct cfg_pending *before)
{
	struct cfg_error err = { 0 };
	int rc = before->first == 0 ? ctl_persist_pending_clear(c->persist, &err)
				    : ctl_persist_pending_set(c->persist, before, &err);

	if (rc < 0)
		weir_log(WEIR_WARNING, "configuration: %s: %s", err.value, err.reason);
}

static int commit_write(const struct saving *s, struct cfg_error *err)
{
	struct ctl *c = s->c;
	const struct cfg_pending *was = waiting(c);
	struct cfg_pending before = was == NULL ? (struct cfg_pending){ 0 } : *was;
	uint64_t id = ctl_persist_next_id(c->persist);
	struct cfg_error later = { 0 };
	int rc = s->commit->wait == NULL ? 0 : pending_write(c, s->commit, id, err);

	if (rc < 0)
		return rc;
	rc = record_write(c, s->commit, id, err);
	if (rc < 0 && s->commit->wait != NULL)
		pending_undo(c, &before);
	// The commit itself says that nothing waits any more: a failure here only leaves a file.
	if (rc == 0 && s->commit->wait == NULL && ctl_persist_pending_clear(c->persist, &later) < 0)
		weir_log(WEIR_WARNING, "configuration: %s: %s", later.value, later.reason);
	return rc;
}

static int save(void *arg, struct cfg_error *err)
{
	return commit_write(arg, err);
}

// What happens without being asked for: a roll back, the first configuration. Nobody could ask
// again, and a disk that fails must not keep the ports from it. A start after that decides from the
// same files, so it comes to the same.
static int save_or_say(void *arg, struct cfg_error *err)
{
	const struct saving *s = arg;
	struct cfg_error why = { 0 };

	(void)err;
	if (commit_write(s, &why) < 0)
		weir_log(WEIR_ERROR,
			 "configuration: in force, but not kept as a commit (%s): %s: %s",
			 s->commit->client, why.value, why.reason);
	return 0;
}

static int on_commit(void *arg, const struct cfg_commit *commit, struct cfg_error *err)
{
	struct ctl *c = arg;
	struct saving s = { c, commit };
	const bool asked = commit->session != 0 || strcmp(commit->client, "rollback") != 0;
	const struct ctl_save how = { asked ? save : save_or_say, &s };
	int rc;

	c->unasked = !asked;
	rc = ctl_apply_saved(c, commit->next, c->persist == NULL ? NULL : &how, err);
	c->unasked = false;
	if (rc == 0)
		weir_log(WEIR_NOTICE, "configuration: committed by %s (%s)%s%s%s", commit->user,
			 commit->client, commit->comment[0] != '\0' ? ": " : "", commit->comment,
			 commit->wait != NULL ? "; waits for its confirmation" : "");
	else
		weir_log(WEIR_WARNING, "configuration: commit of %s refused: %s %s: %s",
			 commit->user, err->path, err->value, err->reason);
	return rc;
}

static int on_save(void *arg, const struct cfg_commit *commit, struct cfg_error *err)
{
	struct ctl *c = arg;

	return record_write(c, commit, ctl_persist_next_id(c->persist), err);
}

static int on_extend(void *arg, const struct cfg_commit *commit, struct cfg_error *err)
{
	struct ctl *c = arg;
	const struct cfg_pending *was = c->persist == NULL ? NULL : waiting(c);

	// What waits may be a commit that changed nothing: then there is nothing to come back to.
	return was == NULL ? 0 : pending_write(c, commit, was->last, err);
}

static int on_confirm(void *arg, struct cfg_error *err)
{
	struct ctl *c = arg;

	return c->persist == NULL ? 0 : ctl_persist_pending_clear(c->persist, err);
}

static int on_plan(void *arg, const struct cfg *next, char **text, struct cfg_error *err)
{
	return ctl_apply(arg, (struct cfg *)(uintptr_t)next, true, text, err);
}

static int on_history(void *arg, uint32_t n, struct cfg_commit_head *head, char **json,
		      struct cfg_error *err)
{
	struct ctl *c = arg;
	const struct cfg_commit_head *heads;
	size_t size;
	int rc = 0;

	if (n >= ctl_persist_list(c->persist, &heads))
		return -ENOENT;
	*head = heads[n];
	if (json != NULL)
		rc = ctl_persist_nth(c->persist, n, head, json, &size);
	if (rc < 0)
		snprintf(err->reason, sizeof(err->reason), "commit %u: cannot be read: %s", n,
			 strerror(-rc));
	return rc;
}

static int on_state(void *arg, uint32_t wanted, char **json, struct cfg_error *err)
{
	// In the order of enum cfg_state.
	static const char *const parts[] = { "ports", "macs",	 "vms",	    "system",
					     "qos",   "storage", "openflow" };
	struct cfg_request r = { .op = CFG_OP_GET_STATE };
	struct cfg_json j;

	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(r.part, sizeof(r.part), "%s", parts[i]);
		if ((wanted & 1u << i) != 0)
			ctl_show(arg, &r, &j);
	}
	cfg_json_close(&j, '}');
	*json = j.failed ? NULL : strndup(j.buf, j.size);
	cfg_json_fini(&j);
	if (*json != NULL)
		return 0;
	snprintf(err->reason, sizeof(err->reason), "out of memory");
	return -ENOMEM;
}

static int on_clear(void *arg, const char *port, const char *user, struct cfg_error *err)
{
	int rc = ctl_clear(arg, port, err);

	if (rc == 0)
		weir_log(WEIR_NOTICE, "counters%s%s: cleared by %s",
			 port == NULL ? "" : " of port ", port == NULL ? "" : port, user);
	return rc;
}

static int on_vm_boot(void *arg, const char *vm, bool begin, const char *user,
		      struct cfg_error *err)
{
	struct ctl *c = arg;

	if (cfg_vm_get(c->running, vm) == NULL) {
		snprintf(err->path, sizeof(err->path), "/weir-operations:vm-boot/vm");
		snprintf(err->value, sizeof(err->value), "%.127s", vm);
		snprintf(err->reason, sizeof(err->reason), "there is no VM of that name");
		return -ENOENT;
	}
	weir_log(WEIR_NOTICE, "vm %s: boot %s, says %s", vm, begin ? "begins" : "is complete",
		 user);
	ctl_storage_edge(c, vm, begin ? QOS_EDGE_BEGIN : QOS_EDGE_COMPLETE, dp_switch_now_ns());
	return 0;
}

static int on_forget(void *arg, const struct cfg_portal *which, const char *user, uint32_t *n,
		     struct cfg_error *err)
{
	struct ctl *c = arg;
	struct qos_portal p = { 0 };

	if (which != NULL) {
		memcpy(p.addr.b, which->addr, sizeof(p.addr.b));
		p.proto = which->proto;
		p.port = which->port;
	}
	*n = ctl_storage_forget(c, which == NULL ? NULL : &p);
	if (which != NULL && *n == 0) {
		snprintf(err->path, sizeof(err->path), "/weir-operations:portal-forget");
		snprintf(err->reason, sizeof(err->reason), "no such portal was learnt");
		return -ENOENT;
	}
	weir_log(WEIR_NOTICE, "storage: %u learnt portal%s forgotten, says %s", *n,
		 *n == 1 ? "" : "s", user);
	return 0;
}

static int on_vm_arguments(void *arg, struct cfg_launch *l, struct cfg_error *err)
{
	struct ctl *c = arg;
	char dir[PATH_MAX];
	const struct ctl_places p = { .vms_dir = dir, .state_dir = c->state_dir };

	if (ctl_vms_dir(c->socket_path, dir, sizeof(dir)) < 0) {
		snprintf(err->value, sizeof(err->value), "%.127s", c->socket_path);
		snprintf(err->reason, sizeof(err->reason), "path is too long");
		return -ENAMETOOLONG;
	}
	return ctl_vm_launch(c->running, &p, l, err);
}

static int on_vm_prepare(void *arg, const struct cfg_vm_ask *ask, struct cfg_vm_ready *out,
			 struct cfg_error *err)
{
	int rc = ctl_vm_prepare(arg, ask, out, err);

	if (rc < 0)
		weir_log(WEIR_WARNING, "vm %s: not prepared for %s (%s): %s %s: %s", ask->vm,
			 ask->user, ask->source, err->path, err->value, err->reason);
	return rc;
}

static int on_vm_release(void *arg, const struct cfg_vm_ask *ask, struct cfg_error *err)
{
	return ctl_vm_release(arg, ask, err);
}

static int on_vm_event(void *arg, const struct cfg_vm_ask *ask, const char *event,
		       struct cfg_error *err)
{
	return ctl_vm_tell(arg, ask, event, err);
}

static void crc_take(struct ctl *c, const char *file)
{
	c->file_crc = cfg_crc32(0, file, strlen(file));
	c->has_file_crc = true;
}

// The file as it is now, when it was changed since it was read last and is a configuration.
//
// returns  0 and *text; -ENOENT: there is nothing new; negative errno with err filled: it is new,
//          and no good
static int file_news(struct ctl *c, char **text, struct cfg_error *err)
{
	struct cfg *cfg;
	int rc = ctl_text_read(c->config_path, text, err);

	if (rc == 0 && c->has_file_crc && cfg_crc32(0, *text, strlen(*text)) == c->file_crc)
		rc = -ENOENT;
	if (rc == 0) {
		rc = cfg_load(c->schema, *text, strlen(*text), &cfg, err);
		// A reason that names no file is of no use in a log.
		if (rc < 0 && err->path[0] == '\0' && err->value[0] == '\0')
			snprintf(err->value, sizeof(err->value), "%.127s", c->config_path);
		if (rc == 0)
			cfg_free(cfg);
	}
	if (rc < 0) {
		free(*text);
		*text = NULL;
	}
	return rc;
}

// The commit that the daemon comes back with: *head and *text. What nobody can confirm any more is
// not it. returns 0; -ENOENT: there is none; negative errno with err filled
static int newest(struct ctl *c, struct cfg_commit_head *head, char **text, struct cfg_error *err)
{
	const struct cfg_pending *p = waiting(c);
	size_t size;
	int rc;

	c->first = "";
	if (p != NULL && (p->persist_id[0] == '\0' || p->deadline_ms <= now_ms(NULL)))
		c->first = "rollback";
	if (c->first[0] != '\0')
		rc = ctl_persist_read(c->persist, p->backup, head, text, &size);
	else
		rc = ctl_persist_newest(c->persist, head, text, &size);
	// To go on as if there were none would take the ports away.
	if (rc < 0 && rc != -ENOENT)
		snprintf(err->reason, sizeof(err->reason), "the newest commit cannot be read: %s",
			 strerror(-rc));
	return rc;
}

static int rolled_back(struct ctl *c, struct cfg_commit_head *head, char **text,
		       struct cfg_error *err)
{
	const struct cfg_commit_head *heads;
	uint32_t n = ctl_persist_list(c->persist, &heads);
	size_t size;
	int rc = ctl_persist_nth(c->persist, c->roll_back_n, head, text, &size);

	c->first = "rollback";
	if (rc == 0)
		return 0;
	snprintf(err->value, sizeof(err->value), "--rollback %u", c->roll_back_n);
	if (rc == -ENOENT)
		snprintf(err->reason, sizeof(err->reason), "%u commits are kept in %.128s", n,
			 c->state_dir);
	else
		snprintf(err->reason, sizeof(err->reason), "that commit cannot be read: %s",
			 strerror(-rc));
	return rc == -ENOENT ? -ERANGE : rc;
}

// What is kept: *text, and where it came from in c->first. *text is NULL where nothing is.
static int kept_open(struct ctl *c, char **text, struct cfg_error *err)
{
	struct cfg_commit_head head = { 0 };
	int rc;

	if (c->state_dir[0] == '\0')
		return 0;
	rc = ctl_persist_open(c->state_dir, &c->persist, err);
	if (rc == 0)
		rc = c->roll_back ? rolled_back(c, &head, text, err) : newest(c, &head, text, err);
	if (rc < 0)
		return rc == -ENOENT && c->persist != NULL ? 0 : rc;
	c->file_crc = head.file_crc;
	c->has_file_crc = head.has_file_crc;
	c->first_id = head.id;
	return 0;
}

// Nothing that the file says now is news when it was passed over on purpose.
static void file_pass_over(struct ctl *c)
{
	struct cfg_error err;
	char *text;

	if (ctl_text_read(c->config_path, &text, &err) == 0)
		crc_take(c, text);
	free(text);
}

int ctl_commit_open(struct ctl *c, char **text, bool *missing, struct cfg_error *err)
{
	char *file = NULL;
	int rc;

	*text = NULL;
	*missing = false;
	c->first = "file";
	rc = kept_open(c, text, err);
	if (rc < 0)
		return rc;
	if (c->roll_back) {
		file_pass_over(c);
		return 0;
	}
	rc = file_news(c, &file, err);
	if (rc < 0 && rc != -ENOENT) {
		if (*text == NULL)
			return rc;
		weir_log(WEIR_ERROR,
			 "configuration file refused, the newest commit runs: %s %s: %s", err->path,
			 err->value, err->reason);
	}
	if (file != NULL) {
		crc_take(c, file);
		free(*text);
		*text = file;
	}
	if (*text == NULL || file != NULL) {
		c->first = "file";
		c->first_id = 0;
	}
	*missing = *text == NULL;
	if (*missing)
		*text = strdup("{}");
	return *text == NULL ? -ENOMEM : 0;
}

void ctl_commit_advise(const struct ctl *c)
{
	const struct cfg_commit_head *heads;
	uint32_t n = c->persist == NULL ? 0 : ctl_persist_list(c->persist, &heads), at = 0;

	while (c->first_id != 0 && at < n && heads[at].id != c->first_id)
		at++;
	if (c->first_id == 0)
		weir_log(WEIR_NOTICE, "that configuration came from %s", c->config_path);
	else
		weir_log(WEIR_NOTICE, "that configuration is commit %llu, in %s",
			 (unsigned long long)c->first_id, c->state_dir);
	at += c->first_id != 0; // the one before it
	if (at < n)
		weir_log(WEIR_NOTICE,
			 "to start once with commit %llu, of %s: weir-switchd "
			 "--rollback %u",
			 (unsigned long long)heads[at].id, heads[at].user, at);
}

static int resume(struct ctl *c, struct cfg_error *err)
{
	const struct cfg_pending *p = waiting(c);
	struct cfg_commit_head head;
	struct cfg_wait wait;
	char *backup;
	size_t size;
	int rc;

	if (p == NULL)
		return 0;
	wait = (struct cfg_wait){ p->deadline_ms, p->timeout_ms, p->persist_id, 0 };
	rc = ctl_persist_read(c->persist, p->backup, &head, &backup, &size);
	if (rc < 0)
		return rc;
	rc = cfg_store_resume(c->store, backup, &wait, err);
	free(backup);
	weir_log(WEIR_NOTICE, "configuration: a confirmed commit of %s waits for its confirmation",
		 p->user);
	return rc;
}

static const char *first_comment(const struct ctl *c)
{
	if (c->roll_back)
		return "weir-switchd was started with --rollback";
	return strcmp(c->first, "rollback") == 0
		       ? "a confirmed commit was not confirmed before the restart"
	       : c->has_file_crc ? c->config_path
				 : "first start, without a file";
}

int ctl_commit_first(struct ctl *c, const char *text, struct cfg_error *err)
{
	const struct cfg_host host = {
		.arg = c,
		.commit = on_commit,
		.save = on_save,
		.extend = on_extend,
		.confirm = on_confirm,
		.plan = on_plan,
		.history = on_history,
		.state = on_state,
		.now_ms = now_ms,
		.clear = on_clear,
		.vm_boot = on_vm_boot,
		.forget = on_forget,
		.vm_arguments = on_vm_arguments,
		.vm_prepare = on_vm_prepare,
		.vm_release = on_vm_release,
		.vm_event = on_vm_event,
	};
	struct cfg_commit commit = {
		.user = "weir",
		.client = c->first,
		.comment = first_comment(c),
	};
	struct saving s = { c, &commit };
	const struct ctl_save how = { save_or_say, &s };
	struct cfg *next;
	char *kept = NULL;
	int rc = cfg_store_create(c->schema, &host, &c->store);

	if (rc == 0)
		rc = cfg_load(c->schema, text, strlen(text), &next, err);
	if (rc < 0)
		return rc;
	rc = cfg_store_load(c->store, text, strlen(text), err);
	// Kept as every other commit is written, whatever the file looks like.
	if (rc == 0 && (kept = cfg_store_running(c->store)) == NULL)
		rc = -ENOMEM;
	if (rc == 0) {
		commit.json = kept;
		commit.size = strlen(kept);
		c->unasked = true;
		rc = ctl_apply_saved(c, next,
				     c->first[0] == '\0' || c->persist == NULL ? NULL : &how, err);
		c->unasked = false;
	}
	free(kept);
	if (rc < 0)
		cfg_free(next);
	// Anything but a commit that is kept has ended what waited, recorded or not.
	if (rc == 0 && c->persist != NULL && c->first[0] == '\0')
		rc = resume(c, err);
	return rc;
}

void ctl_commit_close(struct ctl *c)
{
	cfg_store_destroy(c->store);
	ctl_persist_close(c->persist);
	c->store = NULL;
	c->persist = NULL;
}

// Boot files may be new under their names though the configuration is the same.
static int again(struct ctl *c, bool dry_run, char **plan_text, struct cfg_error *err)
{
	struct cfg *next;
	int rc = cfg_store_in_force(c->store, NULL, &next, err);

	if (rc < 0)
		return rc;
	rc = ctl_apply(c, next, dry_run, plan_text, err);
	if (rc < 0 || dry_run)
		cfg_free(next);
	return rc;
}

int ctl_reload(struct ctl *c, bool dry_run, char **plan_text, struct cfg_error *err)
{
	const struct cfg_commit who = { .user = "root",
					.client = "file",
					.comment = c->config_path };
	uint32_t crc = c->file_crc;
	bool has_crc = c->has_file_crc;
	struct cfg *next;
	char *text;
	int rc = file_news(c, &text, err);

	*plan_text = NULL;
	if (rc == -ENOENT &&
	    (err->reason[0] == '\0' || c->running->n_ports + c->running->n_vms == 0))
		return again(c, dry_run, plan_text, err);
	// A file that went missing must not take the ports with it.
	if (rc == -ENOENT)
		snprintf(err->reason, sizeof(err->reason),
			 "there is no such file; an empty configuration is written {}");
	if (rc < 0)
		return rc;
	rc = cfg_store_in_force(c->store, text, &next, err);
	if (rc == 0) {
		rc = ctl_apply(c, next, true, plan_text, err);
		cfg_free(next);
	}
	if (rc == 0 && !dry_run) {
		crc_take(c, text);
		rc = cfg_store_replace(c->store, text, strlen(text), &who, err);
		if (rc < 0) {
			c->file_crc = crc;
			c->has_file_crc = has_crc;
		}
	}
	free(text);
	return rc;
}
