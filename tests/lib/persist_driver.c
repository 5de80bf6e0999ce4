// Commits for tests/smoke/crash.sh: weir-persist-driver run DIR | show DIR
//
// run: makes commits and a confirmed one, and says after each step what must be found from then on;
// "next" is what may be found while a step is under way. show: what a start finds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "persist.h"
#include "weir_log.h"

static struct ctl_persist *p;

static const char *found(void)
{
	static char text[160];
	const struct cfg_commit_head *heads;
	const struct cfg_pending *w = ctl_persist_pending_get(p);
	uint32_t n = ctl_persist_list(p, &heads);
	unsigned long long newest = n == 0 ? 0 : heads[0].id;

	snprintf(text, sizeof(text), "commits %u newest %llu waits %llu", n, newest,
		 w == NULL || newest < w->first || newest > w->last ? 0
								    : (unsigned long long)w->last);
	return text;
}

static int commit(uint64_t id)
{
	struct cfg_commit_head h = { .id = id, .user = "root", .client = "driver" };
	struct cfg_error err;
	char body[600];
	int n = snprintf(body, sizeof(body), "{\"id\": %llu, \"pad\": \"%0500d\"}\n",
			 (unsigned long long)id, 0);
	int rc = ctl_persist_write(p, &h, body, (size_t)n, &err);

	if (rc < 0)
		printf("failed %s: %s\n", err.value, err.reason);
	return rc;
}

static int pending(uint64_t backup, uint64_t first, uint64_t last)
{
	struct cfg_pending w = { .backup = backup, .first = first, .last = last, .user = "root" };
	struct cfg_error err;
	int rc = ctl_persist_pending_set(p, &w, &err);

	if (rc < 0)
		printf("failed %s: %s\n", err.value, err.reason);
	return rc;
}

static uint64_t newest(void)
{
	const struct cfg_commit_head *heads;

	return ctl_persist_list(p, &heads) == 0 ? 0 : heads[0].id;
}

static void steps(void)
{
	struct cfg_error err;
	uint64_t id;

	for (const char *s = "WWBwEwCBwWC"; *s != '\0'; s++) {
		const struct cfg_pending *w = ctl_persist_pending_get(p);

		id = ctl_persist_next_id(p);
		if (*s == 'B' && pending(newest(), id, id) == 0 && s[1] == 'w') {
			printf("state %s\n", found());
			(void)commit(id);
			s++;
		} else if (*s == 'E' && w != NULL && pending(w->backup, w->first, id) == 0) {
			printf("state %s\n", found());
			(void)commit(id);
			s++;
		} else if (*s == 'C' && ctl_persist_pending_clear(p, &err) < 0) {
			printf("failed %s: %s\n", err.value, err.reason);
		} else if (*s == 'W') {
			(void)commit(id);
		}
		printf("state %s\n", found());
	}
	printf("end\n");
}

// Every commit that is listed can be read.
static int read_all(void)
{
	struct cfg_commit_head h;
	const struct cfg_commit_head *heads;
	uint32_t n = ctl_persist_list(p, &heads);
	size_t size;
	char *text;

	for (uint32_t i = 0; i < n; i++) {
		if (ctl_persist_nth(p, i, &h, &text, &size) < 0)
			return -1;
		free(text);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct cfg_error err;
	bool show = argc == 3 && strcmp(argv[1], "show") == 0;

	if (!show && (argc != 3 || strcmp(argv[1], "run") != 0)) {
		fprintf(stderr, "usage: weir-persist-driver run|show DIR\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (ctl_persist_open(argv[2], &p, &err) < 0) {
		printf("failed %s: %s\n", err.value, err.reason);
		return 1;
	}
	printf("state %s\n", found());
	if (show && read_all() < 0)
		return 1;
	if (!show)
		steps();
	ctl_persist_close(p);
	return 0;
}
