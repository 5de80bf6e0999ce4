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

static int file_slurp(const char *path, char **out, size_t *size, struct cfg_error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	size_t at = 0;

	*out = NULL;
	*size = 0;
	if (fd < 0)
		return refuse(err, -errno, path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = refuse(err, -EISDIR, path, "is not an ordinary file");
	else if (st.st_size > CFG_FILE_MAX)
		rc = refuse(err, -EFBIG, path, "is larger than 8 MiB");
	else if ((*out = malloc((size_t)st.st_size + 1)) == NULL)
		rc = refuse(err, -ENOMEM, path, "out of memory");
	while (rc == 0 && at < (size_t)st.st_size) {
		ssize_t n = read(fd, *out + at, (size_t)st.st_size - at);

		if (n < 0)
			rc = refuse(err, -errno, path, strerror(errno));
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	close(fd);
	if (rc < 0) {
		free(*out);
		*out = NULL;
	} else {
		*size = at;
	}
	return rc;
}

int ctl_config_read(struct ctl *c, struct cfg **out, bool *missing, struct cfg_error *err)
{
	size_t size;
	char *text = NULL;
	int rc = file_slurp(c->config_path, &text, &size, err);

	*out = NULL;
	*missing = rc == -ENOENT;
	free(c->config_text);
	c->config_text = *missing ? strdup("{}") : NULL;
	if (*missing)
		return cfg_empty(out);
	if (rc < 0)
		return rc;
	rc = cfg_load(c->schema, text, size, out, err);
	text[size] = '\0'; // there is room for it
	c->config_text = text;
	// A reason that names no file is of no use in a log.
	if (rc < 0 && err->path[0] == '\0' && err->value[0] == '\0')
		snprintf(err->value, sizeof(err->value), "%.127s", c->config_path);
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

int ctl_apply(struct ctl *c, struct cfg *next, bool dry_run, char **plan_text,
	      struct cfg_error *err)
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
	if (plan_text != NULL)
		*plan_text = plan_print(actions, n, stamp != c->files_stamp && n == 0);
	dp_plan_init(&plan);
	if (n == 0 && stamp == c->files_stamp)
		goto out;
	rc = ctl_translate(c->running, next, actions, n, &plan);
	if (rc < 0) {
		refuse(err, rc, "", "out of memory");
		goto out;
	}
	rc = ctl_boot_table(c, next, &table, err);
	if (rc < 0)
		goto out;
	rc = dry_run ? dp_switch_rehearse(c->sw, &plan, &werr)
		     : dp_switch_prepare(c->sw, &plan, &prep, &werr);
	if (rc < 0 || dry_run) {
		if (rc < 0)
			refuse(err, rc, "", werr.text);
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
	if (rc == 0 && !dry_run) {
		cfg_free(c->running);
		c->running = next;
	}
	return rc;
}

int ctl_reload(struct ctl *c, bool dry_run, char **plan_text, bool *missing, struct cfg_error *err)
{
	struct cfg *next;
	int rc = ctl_config_read(c, &next, missing, err);

	*plan_text = NULL;
	if (rc < 0)
		return rc;
	// Only the first start may do without a file: a file that went missing must not take the
	// ports with it.
	if (*missing && c->running->n_ports + c->running->n_vms > 0) {
		cfg_free(next);
		return refuse(err, -ENOENT, c->config_path,
			      "there is no such file; an empty configuration is written {}");
	}
	rc = ctl_apply(c, next, dry_run, plan_text, err);
	if (rc < 0 || dry_run)
		cfg_free(next);
	else if (c->config_text != NULL)
		rc = ctl_netconf_loaded(c, c->config_text, strlen(c->config_text), err);
	return rc;
}
