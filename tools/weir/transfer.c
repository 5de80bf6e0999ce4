// Configurations from and to files.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weir_priv.h"

int cli_read_all(struct cli *c, const char *path, int fd, char **out)
{
	struct text t = { 0 };
	char buf[1 << 14];
	ssize_t n;

	text_put(&t, "");
	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR && !cli_interrupted)
			continue;
		if (n < 0 || t.size + (size_t)n > LOAD_BYTES) {
			cli_problem(c, 0, "%s: %s", path,
				    cli_interrupted ? "interrupted"
				    : n < 0	    ? strerror(errno)
						    : "is larger than 12 MiB");
			free(t.buf);
			return EXIT_FAILED;
		}
		text_put_n(&t, buf, (size_t)n);
	}
	if (strlen(t.buf) != t.size) {
		free(t.buf);
		return cli_problem(c, EXIT_FAILED, "%s: has a NUL byte, so it is no text", path);
	}
	*out = t.buf;
	return 0;
}

// By its first character: { is JSON, < is XML, all else are set lines.
static const char *format_of(const char *text)
{
	text += strspn(text, " \t\r\n");
	return *text == '{' ? "json" : *text == '<' ? "xml" : "set";
}

static const char *load_path(const struct command *cmd)
{
	return command_has(cmd, "terminal") ? "-" : command_arg(cmd, "FILE");
}

// What show prints, pasted again: its first line opens a brace, or ends as a leaf does.
static bool has_braces(const char *text)
{
	size_t size;

	text += strspn(text, " \t\r\n");
	size = strcspn(text, "\r\n");
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	return size > 1 && *text != '{' && *text != '<' && *text != '#' &&
	       strchr("{;", text[size - 1]) != NULL && strncmp(text, "set ", 4) != 0 &&
	       strncmp(text, "delete ", 7) != 0;
}

static int load_text(struct cli *c, const struct command *cmd, const char *text)
{
	bool set = command_has(cmd, "set");
	bool replace = command_has(cmd, "replace") || command_has(cmd, "override");
	json_t *args = json_pack("{s:s, s:s, s:s}", "mode", replace ? "replace" : "merge", "format",
				 set ? "set" : format_of(text), "text", text);

	if (args == NULL)
		return cli_problem(c, EXIT_FAILED, "%s: is no UTF-8", load_path(cmd));
	if (!set && has_braces(text)) {
		json_decref(args);
		return cli_problem(c, EXIT_REFUSED,
				   "refused: %s: the form with braces is for people to read; load "
				   "what | set, | json or | xml gave",
				   load_path(cmd));
	}
	return cli_do(c, "weir-configuration:load", args);
}

int run_load(struct cli *c, const struct command *cmd)
{
	const char *path = load_path(cmd);
	bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), rc;
	char *text = NULL;

	if (fd < 0)
		return cli_problem(c, EXIT_FAILED, "%s: %s", path, strerror(errno));
	if (standard && c->terminal)
		cli_note(c, "paste the text, then Ctrl-D at the beginning of a line");
	// A script on standard input: the rest of it is the text.
	if (standard && c->source != NULL && strcmp(c->source, "stdin") == 0) {
		struct text t = { 0 };
		char buf[1 << 14];
		size_t n;

		text_put(&t, "");
		while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0 && t.size < LOAD_BYTES)
			text_put_n(&t, buf, n);
		text = t.buf;
		rc = t.size < LOAD_BYTES ? 0
					 : cli_problem(c, EXIT_FAILED, "-: is larger than 12 MiB");
	} else {
		rc = cli_read_all(c, path, fd, &text);
	}
	if (!standard)
		close(fd);
	if (rc == 0)
		rc = load_text(c, cmd, text);
	if (rc == 0)
		fputs("loaded into the candidate\n", c->out);
	free(text);
	return rc;
}

static bool ends(const char *path, const char *tail)
{
	size_t n = strlen(path), m = strlen(tail);

	return n > m && strcmp(path + n - m, tail) == 0;
}

static const char *save_format(const struct command *cmd)
{
	static const char *const formats[] = { "json", "xml", "set", "text" };
	static const char *const tails[] = { ".json", ".xml", ".set", ".txt" };
	const char *path = command_arg(cmd, "FILE");

	for (size_t i = 0; i < 4; i++) {
		if (command_has(cmd, formats[i]))
			return formats[i];
	}
	for (size_t i = 0; i < 4; i++) {
		if (ends(path, tails[i]))
			return formats[i];
	}
	return "json";
}

// A new file beside the old one, then in its place: nobody finds half of it.
static int write_all(struct cli *c, const char *path, const char *text)
{
	struct text temp = { 0 };
	size_t size = strlen(text), at = 0;
	ssize_t n = 0;
	int fd, error;

	text_printf(&temp, "%s.XXXXXX", path);
	fd = mkostemp(temp.buf, O_CLOEXEC);
	while (fd >= 0 && at < size &&
	       ((n = write(fd, text + at, size - at)) > 0 || errno == EINTR))
		at += n > 0 ? (size_t)n : 0;
	error = fd < 0 || at < size ? errno : 0;
	if (fd >= 0 && error == 0 && fsync(fd) < 0)
		error = errno;
	if (fd >= 0 && close(fd) < 0 && error == 0)
		error = errno;
	if (fd >= 0 && error == 0 && rename(temp.buf, path) < 0)
		error = errno;
	if (fd >= 0 && error != 0)
		unlink(temp.buf);
	free(temp.buf);
	return error == 0 ? 0 : cli_problem(c, EXIT_FAILED, "%s: %s", path, strerror(error));
}

int run_save(struct cli *c, const struct command *cmd)
{
	const char *path = command_arg(cmd, "FILE"), *text;
	struct stat st;
	json_t *data;
	int rc;

	data = cli_call(c, "weir-configuration:show-configuration",
			json_pack("{s:s, s:s}", "source", "candidate", "format", save_format(cmd)),
			&rc);
	if (data == NULL)
		return rc;
	text = answer_text(data, "text");
	if (strcmp(path, "-") == 0) {
		fputs(text, c->out);
	} else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		rc = cli_problem(c, EXIT_FAILED, "%s: is there and is no file", path);
	} else {
		rc = write_all(c, path, text);
		if (rc == 0)
			fprintf(c->out, "saved as %s\n", save_format(cmd));
	}
	json_decref(data);
	return rc;
}
