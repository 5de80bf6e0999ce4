// load -> validate -> plan -> prepare -> commit (design.md decision 7).
#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_priv.h"
#include "of_numbers.h"
#include "weir_log.h"

static int refuse(struct cfg_error *err, int rc, const char *value, const char *reason)
{
	memset(err, 0, sizeof(*err));
	snprintf(err->value, sizeof(err->value), "%s", value);
	snprintf(err->reason, sizeof(err->reason), "%s", reason);
	return rc;
}

int ctl_text_read(const char *path, char **text, struct cfg_error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	size_t at = 0;

	*text = NULL;
	if (fd < 0)
		return refuse(err, -errno, path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = refuse(err, -EISDIR, path, "is not an ordinary file");
	else if (st.st_size > CFG_FILE_MAX)
		rc = refuse(err, -EFBIG, path, "is larger than 8 MiB");
	else if ((*text = malloc((size_t)st.st_size + 1)) == NULL)
		rc = refuse(err, -ENOMEM, path, "out of memory");
	while (rc == 0 && at < (size_t)st.st_size) {
		ssize_t n = read(fd, *text + at, (size_t)st.st_size - at);

		if (n < 0)
			rc = refuse(err, -errno, path, strerror(errno));
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	close(fd);
	if (rc == 0 && memchr(*text, '\0', at) != NULL)
		rc = refuse(err, -EINVAL, path, "has a NUL byte: is no text");
	if (rc < 0) {
		free(*text);
		*text = NULL;
	} else {
		(*text)[at] = '\0';
	}
	return rc;
}

static char *plan_print(const struct cfg_action *a, int n, bool boot_files, bool tls_files)
{
	char line[320], *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	for (int i = 0; i < n; i++)
		fprintf(f, "%s\n", cfg_action_text(&a[i], line, sizeof(line)));
	if (boot_files)
		fprintf(f, "boot-files: content changed\n");
	if (tls_files)
		fprintf(f, "openflow tls: content of files changed\n");
	fclose(f);
	return text;
}

// What the process fixed when it started cannot follow.
static void warn_fixed(const struct ctl *c, const struct cfg_system *b)
{
	const struct cfg_system *a = &c->fixed;

	if (a->n_workers != b->n_workers ||
	    memcmp(a->worker_cpu, b->worker_cpu, sizeof(a->worker_cpu)) != 0 ||
	    a->max_sleep_us != b->max_sleep_us || a->packet_buffers != b->packet_buffers ||
	    a->queue_len != b->queue_len)
		weir_log(WEIR_WARNING,
			 "system: worker-cpu, max-sleep, packet-buffers and queue-length take "
			 "effect at the next start");
}

uint64_t ctl_stamp_add(uint64_t h, const char *path)
{
	struct stat st = { 0 };

	if (stat(path, &st) == 0)
		h ^= (uint64_t)st.st_size ^ (uint64_t)st.st_ino << 20 ^
		     (uint64_t)st.st_mtim.tv_sec << 8 ^ (uint64_t)st.st_mtim.tv_nsec;
	return h * 0x9e3779b97f4a7c15u;
}

// A number that changes when a boot file does: a kernel may be replaced under its name, and the
// loaders when their package is.
static uint64_t files_stamp(const struct ctl *c, const struct cfg *cfg)
{
	uint64_t h = cfg->n_files;
	char path[PATH_MAX];

	for (uint32_t i = 0; i < cfg->n_files; i++)
		h = ctl_stamp_add(h, cfg->files[i].path);
	for (uint32_t i = 0; i < CTL_LOADERS; i++) {
		if (ctl_loader_path(c, i, path, sizeof(path)) == 0)
			h = ctl_stamp_add(h, path);
	}
	return h;
}

// How a change is to be applied.
struct how {
	bool dry_run;
	char **plan_text;	     // NULL = not wanted
	const struct ctl_save *save; // NULL = nothing is kept
};

// A change on its way: everything that can fail comes first.
struct change {
	struct cfg *next;
	struct cfg_action *actions;
	int n;
	struct boot_table *table;
	struct ctl_metrics_change *metrics;
	struct ctl_of_change *of;
	struct dp_prepared *prep;
};

static void undo(struct ctl *c, struct change *ch)
{
	if (ch->prep != NULL)
		dp_switch_abort(c->sw, ch->prep);
	ctl_of_abort(c, ch->of);
	ctl_metrics_abort(c, ch->metrics);
	ctl_http_abort(c);
	boot_table_free(ch->table);
	ch->prep = NULL;
	ch->metrics = NULL;
	ch->of = NULL;
	ch->table = NULL;
}

static int prepare(struct ctl *c, struct change *ch, bool dry_run, struct cfg_error *err)
{
	struct dp_plan plan;
	struct weir_err werr;
	int rc;

	dp_plan_init(&plan);
	rc = ctl_translate(c->running, ch->next, ch->actions, ch->n, &plan);
	if (rc == 0)
		rc = ctl_storage_plan(c, &plan);
	if (rc < 0)
		refuse(err, rc, "", "out of memory");
	else if (!dry_run && c->boot != NULL && c->loop != NULL &&
		 ctl_http_prepare(c, ch->next) < 0)
		rc = refuse(err, -ENOMEM, "", "out of memory");
	else
		rc = ctl_boot_table(c, ch->next, &ch->table, err);
	if (rc == 0)
		rc = dry_run ? ctl_metrics_rehearse(c, ch->next, err)
			     : ctl_metrics_prepare(c, ch->next, &ch->metrics, err);
	if (rc == 0)
		rc = dry_run ? ctl_of_rehearse(c, ch->next, err)
			     : ctl_of_prepare(c, ch->next, &ch->of, err);
	if (rc == 0) {
		rc = dry_run ? dp_switch_rehearse(c->sw, &plan, &werr)
			     : dp_switch_prepare(c->sw, &plan, &ch->prep, &werr);
		if (rc < 0)
			refuse(err, rc, "", werr.text);
	}
	if (rc < 0 || dry_run)
		undo(c, ch);
	dp_plan_fini(&plan);
	return rc;
}

static int save(const struct how *how, struct cfg_error *err)
{
	return how->save == NULL ? 0 : how->save->fn(how->save->arg, err);
}

// Cannot fail.
static void commit(struct ctl *c, struct change *ch, uint64_t stamp)
{
	char line[320];

	warn_fixed(c, &ch->next->system);
	c->files_stamp = stamp;
	dp_switch_commit(c->sw, ch->prep);
	ctl_boot_table_bind(c, ch->next, ch->table);
	ctl_boot_set(c, ch->table);
	ctl_http_commit(c);
	ctl_metrics_commit(c, ch->metrics);
	ctl_of_commit(c, ch->of);
	for (int i = 0; i < ch->n; i++)
		weir_log(WEIR_INFO, "%s", cfg_action_text(&ch->actions[i], line, sizeof(line)));
}

// Ports have their numbers in OpenFlow before configurations are compared: a change of one is a
// change of that port. Those of a commit that fails later stay remembered.
static int numbers_give(struct ctl *c, struct cfg *next, bool dry_run, struct cfg_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; !next->openflow.enabled && i < next->n_ports; i++)
		next->ports[i].of_port = 0;
	if (!next->openflow.enabled)
		return 0;
	if (c->of_numbers == NULL)
		rc = ctl_of_numbers_open(c->persist, &c->of_numbers, err);
	return rc == 0 ? ctl_of_numbers_give(c->of_numbers, next, dry_run, err) : rc;
}

static int apply(struct ctl *c, struct cfg *next, const struct how *how, struct cfg_error *err)
{
	struct change ch = { .next = next };
	uint64_t stamp = files_stamp(c, next);
	bool is_renewed = ctl_of_is_renewed(c, next);
	bool nothing;
	int rc = 0;

	memset(err, 0, sizeof(*err));
	rc = numbers_give(c, next, how->dry_run, err);
	if (rc < 0)
		return rc;
	ch.n = cfg_diff(c->running, next, &ch.actions);
	if (ch.n < 0)
		return refuse(err, ch.n, "", "out of memory");
	if (how->plan_text != NULL)
		*how->plan_text = plan_print(ch.actions, ch.n, stamp != c->files_stamp && ch.n == 0,
					     is_renewed && ch.n == 0);
	// Nothing, or only what the switch does not see: descriptions, comments.
	nothing = ch.n == 0 && stamp == c->files_stamp && !is_renewed;
	if (!nothing)
		rc = prepare(c, &ch, how->dry_run, err);
	if (rc == 0 && !how->dry_run) {
		rc = save(how, err);
		if (rc < 0 && !nothing)
			undo(c, &ch);
	}
	if (rc == 0 && !how->dry_run) {
		if (!nothing)
			commit(c, &ch, stamp);
		cfg_free(c->running);
		c->running = next;
		ctl_storage_committed(c);
	}
	free(ch.actions);
	return rc;
}

int ctl_apply(struct ctl *c, struct cfg *next, bool dry_run, char **plan_text,
	      struct cfg_error *err)
{
	const struct how how = { .dry_run = dry_run, .plan_text = plan_text };

	return apply(c, next, &how, err);
}

int ctl_apply_saved(struct ctl *c, struct cfg *next, const struct ctl_save *save,
		    struct cfg_error *err)
{
	const struct how how = { .save = save };

	return apply(c, next, &how, err);
}
