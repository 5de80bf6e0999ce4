// What the hooks tell the daemon: a machine is wanted, something became of it, it is gone.
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "hook.h"

void hook_say(const char *program, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		*p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
	fprintf(stderr, "%s: %s\n", program, text);
	openlog(program, LOG_PID, LOG_DAEMON);
	syslog(LOG_WARNING, "%s", text);
	closelog();
}

int hook_read_all(int fd, char **text, size_t *size)
{
	char *buf = malloc(HOOK_INPUT_BYTES + 1);
	size_t n_all = 0;
	ssize_t n = 1;

	if (buf == NULL)
		return -ENOMEM;
	while (n != 0 && n_all <= HOOK_INPUT_BYTES) {
		n = read(fd, buf + n_all, HOOK_INPUT_BYTES + 1 - n_all);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int rc = -errno;

			free(buf);
			return rc;
		}
		n_all += (size_t)n;
	}
	if (n_all > HOOK_INPUT_BYTES) {
		free(buf);
		return -EFBIG;
	}
	buf[n_all] = '\0';
	*text = buf;
	*size = n_all;
	return 0;
}

static const char *state_of(const json_t *data)
{
	json_t *v = json_object_get(data, "weir-operations:state");
	const char *s = json_string_value(v != NULL ? v : json_object_get(data, "state"));

	return s == NULL ? "" : s;
}

// returns 0 = ready, 1 = not yet, or as hook_call
static int prepare_once(struct hook_conn *c, const json_t *args, char err[HOOK_TEXT])
{
	json_t *data = NULL;
	int rc = hook_call(c, "weir-operations:vm-prepare", json_deep_copy(args), &data, err);

	if (rc == 0)
		rc = strcmp(state_of(data), "preparing") == 0;
	json_decref(data);
	return rc;
}

int hook_prepare(const struct hook_settings *s, struct hook_vm *vm, bool incoming,
		 const char *source, char err[HOOK_TEXT])
{
	struct hook_conn c = { s, -1 };
	double until_s = hook_now_s() + s->prepare_timeout_s;
	char *definition = NULL;
	json_t *args;
	int rc = hook_vm_definition(vm, &definition, err), pause_ms = 50;

	if (rc < 0)
		return rc;
	args = json_pack("{s:s, s:s, s:s}", "vm", vm->name, "definition", definition, "source",
			 source);
	free(definition);
	if (incoming)
		json_object_set_new(args, "incoming", json_true());
	while ((rc = prepare_once(&c, args, err)) == 1) {
		if (hook_now_s() + pause_ms / 1e3 > until_s) {
			snprintf(err, HOOK_TEXT, "not ready after %g s: its provider is at work",
				 s->prepare_timeout_s);
			rc = -ETIMEDOUT;
			break;
		}
		poll(NULL, 0, pause_ms);
		pause_ms = pause_ms < 500 ? 2 * pause_ms : 500;
	}
	json_decref(args);
	hook_close(&c);
	return rc;
}

int hook_event(const struct hook_settings *s, const char *vm, const char *event, const char *source,
	       char err[HOOK_TEXT])
{
	bool release = strcmp(event, "release") == 0;
	struct hook_conn c = { s, -1 };
	json_t *args = json_pack("{s:s, s:s}", "vm", vm, "source", source), *data = NULL;
	int rc;

	if (!release)
		json_object_set_new(args, "event", json_string(event));
	rc = hook_call(&c, release ? "weir-operations:vm-release" : "weir-operations:vm-event",
		       args, &data, err);
	json_decref(data);
	hook_close(&c);
	return rc;
}
