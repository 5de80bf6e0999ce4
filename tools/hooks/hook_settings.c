// Settings of the hooks: /etc/weir/hooks.conf, and the environment.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"

static bool seconds_read(const char *text, double max, double *out)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= 0.1 && v <= max))
		return false;
	*out = v;
	return true;
}

static bool yes_read(const char *text, bool *out)
{
	bool yes = strcmp(text, "yes") == 0;

	if (!yes && strcmp(text, "no") != 0)
		return false;
	*out = yes;
	return true;
}

static bool text_read(const char *text, char *out, size_t size)
{
	if (text[0] == '\0' || strlen(text) >= size)
		return false;
	snprintf(out, size, "%s", text);
	return true;
}

static bool guests_read(struct hook_settings *s, const char *value)
{
	char *to = s->guests[s->n_guests];
	size_t size = strlen(value);

	if (s->n_guests == HOOK_NAMES || value[0] != '/' || size + 1 >= sizeof(s->guests[0]))
		return false;
	snprintf(to, sizeof(s->guests[0]), "%s%s", value, value[size - 1] == '/' ? "" : "/");
	s->n_guests++;
	return true;
}

static bool bridge_read(struct hook_settings *s, const char *value)
{
	if (s->n_bridges == HOOK_NAMES ||
	    !text_read(value, s->bridges[s->n_bridges], sizeof(s->bridges[0])))
		return false;
	s->n_bridges++;
	return true;
}

const char *hook_settings_line(struct hook_settings *s, char *line)
{
	char *key, *value, *save = NULL;
	bool ok;

	line[strcspn(line, "#\n")] = '\0';
	key = strtok_r(line, " \t\r", &save);
	if (key == NULL)
		return NULL;
	value = strtok_r(NULL, " \t\r", &save);
	if (value == NULL || strtok_r(NULL, " \t\r", &save) != NULL)
		return "expected: KEY VALUE";
	if (strcmp(key, "socket") == 0)
		ok = value[0] == '/' && text_read(value, s->socket, sizeof(s->socket));
	else if (strcmp(key, "timeout") == 0)
		ok = seconds_read(value, 60, &s->timeout_s);
	else if (strcmp(key, "prepare-timeout") == 0)
		ok = seconds_read(value, 900, &s->prepare_timeout_s);
	else if (strcmp(key, "fail-open") == 0)
		ok = yes_read(value, &s->fail_open);
	else if (strcmp(key, "guests") == 0)
		ok = guests_read(s, value);
	else if (strcmp(key, "bridge") == 0)
		ok = bridge_read(s, value);
	else if (strcmp(key, "proxmox-by-name") == 0)
		ok = yes_read(value, &s->proxmox_by_name);
	else if (strcmp(key, "proxmox-dir") == 0)
		ok = value[0] == '/' && text_read(value, s->proxmox_dir, sizeof(s->proxmox_dir));
	else
		return "there is no such setting";
	return ok ? NULL : "the setting cannot have that value";
}

static void file_read(struct hook_settings *s, const char *path, bool named)
{
	char line[512], copy[512];
	FILE *f = fopen(path, "re");
	uint32_t n = 0;

	if (f == NULL) {
		if (named || errno != ENOENT)
			fprintf(stderr, "weir: %s: %s\n", path, strerror(errno));
		return;
	}
	while (n < 1000 && fgets(line, sizeof(line), f) != NULL) {
		const char *why;

		n++;
		line[strcspn(line, "\r\n")] = '\0';
		snprintf(copy, sizeof(copy), "%s", line);
		why = hook_settings_line(s, line);
		if (why != NULL)
			fprintf(stderr, "weir: %s:%u: %s: %s\n", path, n, copy, why);
	}
	fclose(f);
}

// As a line of the file, for one program.
static void environment_read(struct hook_settings *s)
{
	static const char *const names[][2] = {
		{ "WEIR_SOCKET", "socket" },
		{ "WEIR_HOOK_TIMEOUT", "timeout" },
		{ "WEIR_HOOK_PREPARE_TIMEOUT", "prepare-timeout" },
		{ "WEIR_HOOK_FAIL_OPEN", "fail-open" },
	};
	char line[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i][0]), *why;

		if (value == NULL || value[0] == '\0')
			continue;
		snprintf(line, sizeof(line), "%s %s", names[i][1], value);
		why = hook_settings_line(s, line);
		if (why != NULL)
			fprintf(stderr, "weir: %s=%s: %s\n", names[i][0], value, why);
	}
}

void hook_settings_read(struct hook_settings *s, const char *path)
{
	const char *named = path != NULL ? path : getenv("WEIR_HOOKS_CONF");

	*s = (struct hook_settings){ .socket = "/run/weir/weir.sock",
				     .timeout_s = 5,
				     .prepare_timeout_s = 60,
				     .proxmox_dir = "/etc/pve" };
	file_read(s, named != NULL ? named : "/etc/weir/hooks.conf", named != NULL);
	environment_read(s);
	if (s->n_guests == 0) {
		guests_read(s, "/run/weir/guests");
		guests_read(s, "/var/run/weir/guests");
	}
	if (s->n_bridges == 0)
		bridge_read(s, "weir*");
}
