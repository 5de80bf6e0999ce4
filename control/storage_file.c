// Learnt portals on the disk, beside the commits: a file that appears whole or not at all
// (persist_priv.h). A restart classifies by them at once; sessions are not kept.
//
// Nothing depends on the last few seconds of it: it is written when portals have changed, at most
// every few seconds, and at the end; when they were merely seen, every ten minutes. A write waits
// for the disk as a commit does, and a disk that fails is left alone for a minute.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persist_priv.h"
#include "storage.h"
#include "weir_log.h"

#define EVERY_NS 5000000000ull
#define AGED_NS 600000000000ull
#define RETRY_NS 60000000000ull

static void short_of(const struct ctl_persist *p, int rc)
{
	weir_log(WEIR_ERROR, "%s/%s: %s: portals are to be learnt anew", p->path, CTL_LEARNT_FILE,
		 strerror(-rc));
}

void ctl_storage_file_read(struct ctl_storage *s)
{
	const struct ctl_persist *p = s->ctl->persist;
	struct qos_learn_counts n;
	struct ctl_file_bytes b;
	char reason[64];
	uint32_t line;
	int rc;

	if (p == NULL)
		return;
	p->sys->unlinkat(p->dir_fd, CTL_LEARNT_FILE ".tmp", 0);
	rc = ctl_file_read(p, p->dir_fd, CTL_LEARNT_FILE, CTL_FILE_SIZE_MAX, &b);
	if (rc == -ENOENT)
		return;
	if (ctl_file_is_shortage(rc)) {
		short_of(p, rc);
		return;
	}
	snprintf(reason, sizeof(reason), "%s", rc < 0 ? ctl_file_reason(rc) : "");
	if (rc == 0) {
		rc = qos_learn_read(s->learn, b.buf, b.size, &line);
		snprintf(reason, sizeof(reason), "line %u: damaged, or not ours", line);
	}
	if (rc == -ENOMEM) {
		short_of(p, rc);
	} else if (rc < 0) {
		ctl_file_put_aside(p, p->dir_fd, CTL_LEARNT_FILE, reason);
	} else {
		qos_learn_counts(s->learn, &n);
		weir_log(WEIR_INFO, "storage: %u learnt portals are known", n.now);
	}
	free(b.buf);
}

static bool is_due(const struct ctl_storage *s)
{
	if (s->now_ns < s->file_retry_ns)
		return false;
	return (s->file_stale && s->now_ns - s->file_ns >= EVERY_NS) ||
	       (s->file_aged && s->now_ns - s->file_ns >= AGED_NS);
}

void ctl_storage_file_write(struct ctl_storage *s, bool now)
{
	struct cfg_error err = { .reason = "out of memory" };
	char *text = NULL;
	size_t size;
	int rc;

	if (s->ctl->persist == NULL || !(s->file_stale || s->file_aged) || !(now || is_due(s)))
		return;
	rc = qos_learn_write(s->learn, &text, &size);
	if (rc == 0)
		rc = ctl_file_replace(s->ctl->persist, CTL_LEARNT_FILE, text, size, &err);
	free(text);
	s->file_ns = s->now_ns;
	if (rc < 0) {
		s->file_retry_ns = s->now_ns + RETRY_NS;
		weir_log_limited(&s->log_file, WEIR_ERROR,
				 "storage: learnt portals are not kept: %s: %s", err.value,
				 err.reason);
		return;
	}
	s->file_stale = s->file_aged = false;
}
