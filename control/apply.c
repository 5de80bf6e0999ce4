// load -> validate -> plan -> prepare -> commit (design.md decision 7).
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_priv.h"
#include "weir_log.h"

static int refuse(struct cfg_error *err, int rc, const char *value, const char *reason)
{
	memset(err, 0, sizeof(*err));
	snprintf(err->value, sizeof(err->value), "%s", value);
	snprintf(err->reason, sizeof(err->reason), "%s", reason);
	return rc;
}

int ctl_file_read(const char *path, char **text, struct cfg_error *err)
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

static char *plan_print(const struct cfg_action *a, int n, bool files)
{
	char line[320], *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	for (int i = 0; i < n; i++)
		fprintf(f, "%s\n", cfg_action_text(&a[i], line, sizeof(line)));
	if (files)
		fprintf(f, "boot-files: content changed\n");
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

// A number that changes when a boot file does: a kernel may be replaced under its name.
static uint64_t files_stamp(const struct cfg *cfg)
{
	uint64_t h = cfg->n_files;

	for (uint32_t i = 0; i < cfg->n_files; i++) {
		struct stat st = { 0 };

		if (stat(cfg->files[i].path, &st) == 0)
			h ^= (uint64_t)st.st_size ^ (uint64_t)st.st_ino << 20 ^
			     (uint64_t)st.st_mtim.tv_sec << 8 ^ (uint64_t)st.st_mtim.tv_nsec;
		h *= 0x9e3779b97f4a7c15u;
	}
	return h;
}

// How a change is to be applied.
struct how {
	bool dry_run;
	char **plan_text;	     // NULL = not wanted
	const struct ctl_save *save; // NULL = nothing is kept
};

static int apply(struct ctl *c, struct cfg *next, const struct how *how, struct cfg_error *err)
{
	struct cfg_action *actions = NULL;
	struct dp_prepared *prep = NULL;
	struct boot_table *table = NULL;
	struct dp_plan plan;
	struct weir_err werr;
	uint64_t stamp = files_stamp(next);
	char line[320];
	int n, rc = 0;

	memset(err, 0, sizeof(*err));
	n = cfg_diff(c->running, next, &actions);
	if (n < 0)
		return refuse(err, n, "", "out of memory");
	if (how->plan_text != NULL)
		*how->plan_text = plan_print(actions, n, stamp != c->files_stamp && n == 0);
	dp_plan_init(&plan);
	if (how->dry_run)
		goto out;
	if (n == 0 && stamp == c->files_stamp) {
		// Only what the switch does not see has changed: descriptions, comments.
		rc = how->save == NULL ? 0 : how->save->fn(how->save->arg, err);
		goto out;
	}
	rc = ctl_translate(c->running, next, actions, n, &plan);
	if (rc < 0) {
		refuse(err, rc, "", "out of memory");
		goto out;
	}
	rc = ctl_boot_table(c, next, &table, err);
	if (rc < 0)
		goto out;
	rc = dp_switch_prepare(c->sw, &plan, &prep, &werr);
	if (rc < 0) {
		refuse(err, rc, "", werr.text);
		boot_table_free(table);
		goto out;
	}
	rc = how->save == NULL ? 0 : how->save->fn(how->save->arg, err);
	if (rc < 0) {
		dp_switch_abort(c->sw, prep);
		boot_table_free(table);
		goto out;
	}
	// Nothing below can fail.
	warn_fixed(c, &next->system);
	c->files_stamp = stamp;
	dp_switch_commit(c->sw, prep);
	ctl_boot_table_bind(c, next, table);
	ctl_boot_set(c, table);
	for (int i = 0; i < n; i++)
		weir_log(WEIR_INFO, "%s", cfg_action_text(&actions[i], line, sizeof(line)));
out:
	dp_plan_fini(&plan);
	free(actions);
	if (rc == 0 && !how->dry_run) {
		cfg_free(c->running);
		c->running = next;
	}
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

