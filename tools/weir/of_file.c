// Files of flows, groups and meters: all of a file is understood before the first message leaves.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "of_priv.h"

static FILE *file_open(struct of_run *r, const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

	r->file = path;
	if (f == NULL)
		cli_problem(r->c, EXIT_FAILED, "%s: %s", path, strerror(errno));
	return f;
}

static int read_line(struct of_run *r, char *text, uint32_t line, enum of_text_command command,
		     of_line_done done)
{
	struct of_text_error e = { 0 };
	size_t at = r->out.size;
	int rc;

	text[strcspn(text, "#\r\n")] = '\0';
	if (text[strspn(text, " \t")] == '\0')
		return 0;
	rc = of_text_line(text, command, &r->text_ports, &r->out, &e);
	if (rc == -EINVAL)
		return of_run_refused(r, &e, line);
	rc = of_run_put(r, rc);
	return rc != 0 ? rc : done(r, at, line);
}

int of_read_file(struct of_run *r, const char *path, enum of_text_command command,
		 of_line_done done)
{
	FILE *f = file_open(r, path);
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	uint32_t line = 0;
	int rc = f == NULL ? EXIT_FAILED : 0;

	while (rc == 0 && (n = getline(&text, &cap, f)) >= 0) {
		line++;
		if (strlen(text) != (size_t)n)
			rc = cli_problem(r->c, EXIT_USAGE, "%s:%u: a NUL byte is no text", path,
					 line);
		else
			rc = read_line(r, text, line, command, done);
	}
	if (rc == 0 && ferror(f))
		rc = cli_problem(r->c, EXIT_FAILED, "%s: %s", path, strerror(errno));
	free(text);
	if (f != NULL && f != stdin)
		fclose(f);
	return rc;
}

static int number(struct of_run *r, size_t at, uint32_t line)
{
	of_run_number(r, at, line);
	return 0;
}

int of_run_file(struct of_run *r, const char *path, enum of_text_command command)
{
	int rc;

	if (command_has(r->cmd, "--bundle"))
		return of_run_bundle(r, path, command);
	rc = of_read_file(r, path, command, number);
	return rc != 0 ? rc : of_run_all(r);
}

// --- Bundles: all of it, or nothing

// What was put becomes the message of a bundle-add, of the same number.
int of_bundle_add(struct of_run *r, size_t at, uint32_t line)
{
	struct of_buf inner = { 0 };
	size_t size = r->out.size - at;
	uint8_t *copy = of_buf_grow(&inner, size);
	struct of13_bundle_add m = { .flags = OF13_BUNDLE_FLAG_ATOMIC | OF13_BUNDLE_FLAG_ORDERED };
	int rc;

	need(copy);
	memcpy(copy, r->out.data + at, size);
	of_xid_put(copy, r->link.xid);
	m.xid = r->link.xid;
	m.message = of_buf_list(&inner);
	r->out.size = at;
	rc = of_run_put(r, of13_bundle_add_put(&r->out, &m));
	of_buf_fini(&inner);
	if (rc == 0)
		of_run_number(r, at, line);
	return rc;
}

static int control(struct of_run *r, uint16_t type)
{
	struct of13_bundle_control m = {
		.type = type, .flags = OF13_BUNDLE_FLAG_ATOMIC | OF13_BUNDLE_FLAG_ORDERED
	};
	size_t at = r->out.size;
	int rc = of_run_put(r, of13_bundle_control_put(&r->out, &m));

	if (rc != 0)
		return rc;
	r->barrier_xid = r->link.xid;
	of_run_number(r, at, 0);
	return 0;
}

static int take_control(void *arg, const uint8_t *msg, size_t size)
{
	struct of_run *r = arg;

	if (msg[1] == OF13_TYPE_ERROR) {
		of_run_error(r, msg, size);
		return of_xid(msg) == r->barrier_xid ? -EXIT_REFUSED : 0;
	}
	return of_xid(msg) == r->barrier_xid && msg[1] == OF13_TYPE_EXPERIMENTER ? 1 : 0;
}

int of_bundle_open(struct of_run *r)
{
	return control(r, OF13_BUNDLE_CONTROL_OPEN_REQUEST);
}

// Everything in one go: what fails is told by line, and then the commit fails.
int of_bundle_commit(struct of_run *r, const char *path)
{
	int rc = control(r, OF13_BUNDLE_CONTROL_COMMIT_REQUEST);

	rc = rc != 0 ? rc : of_link_pump(r->c, &r->link, of_buf_list(&r->out), take_control, r);
	r->out.size = 0;
	if (rc == EXIT_REFUSED || (rc == 0 && r->n_errors > 0))
		return cli_problem(r->c, EXIT_REFUSED, "%s: nothing has changed", path);
	return rc != 0 ? rc : of_run_all(r);
}

int of_run_bundle(struct of_run *r, const char *path, enum of_text_command command)
{
	int rc = of_bundle_open(r);

	rc = rc != 0 ? rc : of_read_file(r, path, command, of_bundle_add);
	return rc != 0 ? rc : of_bundle_commit(r, path);
}

// --- Only reading: no switch is asked

static int show_line(struct of_run *r, size_t at, uint32_t line)
{
	struct of_text t = { 0 };

	(void)line;
	of_text_message(&t, r->out.data + at, r->out.size - at, NULL);
	fputs(t.buf == NULL ? "" : t.buf, r->c->out);
	of_text_fini(&t);
	r->out.size = at;
	return 0;
}

int of_run_parse(struct of_run *r, const char *path)
{
	struct of_text_error e;
	char *text;
	int rc;

	if (path != NULL)
		return of_read_file(r, path, OF_TEXT_ADD, show_line);
	text = command_join(r->cmd, "FLOW");
	rc = of_text_flow_mod(text, OF_TEXT_ADD, &r->text_ports, &r->out, &e);
	free(text);
	rc = rc == -EINVAL ? of_run_refused(r, &e, 0) : of_run_put(r, rc);
	return rc != 0 ? rc : show_line(r, 0, 0);
}
