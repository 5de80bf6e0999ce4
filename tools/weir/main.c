// weir: look into a running switch, and configure it.
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir_priv.h"

enum { TEXTS = 64 };

static const char default_socket[] = "/run/weir/weir.sock";

struct options {
	const char *script, *complete, *manual;
	const char *text[TEXTS]; // of -c
	uint32_t n_texts;
	char **word; // word[n]: the command
	int n;
};

static int usage_error(const char *fmt, const char *what)
{
	fprintf(stderr, "weir: ");
	fprintf(stderr, fmt, what);
	fprintf(stderr, " (weir --help lists what there is)\n");
	return EXIT_USAGE;
}

// Options with a value. returns 1 when it was one, 0 when not, or -1 with the reason printed
static int valued(struct options *o, struct cli *c, char **argv, int *i)
{
	const char *name = argv[*i], *value = argv[*i + 1];
	bool before = o->n == 0; // behind a command, -c and -f are its own

	if (strcmp(name, "-s") != 0 &&
	    (!before || (strcmp(name, "-c") != 0 && strcmp(name, "-f") != 0 &&
			 strcmp(name, "--complete") != 0 && strcmp(name, "--print-man") != 0)))
		return 0;
	if (value == NULL) {
		usage_error("%s: a value is missing", name);
		return -1;
	}
	(*i)++;
	if (strcmp(name, "-s") == 0)
		c->socket_path = value;
	else if (strcmp(name, "-f") == 0)
		o->script = value;
	else if (strcmp(name, "--complete") == 0)
		o->complete = value;
	else if (strcmp(name, "--print-man") == 0)
		o->manual = value;
	else if (o->n_texts == TEXTS)
		return usage_error("%s: given too often", name), -1;
	else
		o->text[o->n_texts++] = value;
	return 1;
}

// --help behind words asks for these: for what begins with the first one, or for a verb of `of`.
// returns -1: there is a command to run
static int help_with(struct options *o)
{
	static char of[] = "of", help[] = "help";
	bool is_of = strcmp(o->word[0], of) == 0;
	char *about = !is_of ? o->word[0] : o->n > 1 ? o->word[1] : NULL;

	o->n = 0;
	if (is_of)
		o->word[o->n++] = of;
	o->word[o->n++] = help;
	if (about != NULL)
		o->word[o->n++] = about;
	return -1;
}

// --json and -s may stand anywhere, so users need not remember an order. returns -1, or the exit
// code
static int options_read(struct options *o, struct cli *c, int argc, char **argv)
{
	const char *env = getenv("WEIR_SOCKET");
	int rc;

	c->socket_path = env != NULL && env[0] != '\0' ? env : default_socket;
	for (int i = 1; i < argc; i++) {
		rc = valued(o, c, argv, &i);
		if (rc < 0)
			return EXIT_USAGE;
		if (rc > 0)
			continue;
		if (strcmp(argv[i], "--json") == 0) {
			c->json = true;
		} else if (strcmp(argv[i], "--version") == 0) {
			return puts("weir " WEIR_VERSION) < 0 ? EXIT_FAILED : 0;
		} else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			if (o->n > 0)
				return help_with(o);
			print_usage(stdout);
			return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
		} else if (o->n == 0 && argv[i][0] == '-') {
			return usage_error("%s: no such option", argv[i]);
		} else {
			o->word[o->n++] = argv[i];
		}
	}
	return -1;
}

// The words as one line, as they would have to be typed.
static int run_words(struct cli *c, const struct options *o)
{
	struct text t = { 0 };
	int rc;

	for (int i = 0; i < o->n; i++) {
		if (i > 0)
			text_put(&t, " ");
		text_put_word(&t, o->word[i]);
	}
	rc = run_line(c, t.buf);
	free(t.buf);
	return rc;
}

static int run_script(struct cli *c, const char *path)
{
	FILE *in = fopen(path, "re");
	int rc;

	if (in == NULL)
		return cli_problem(c, EXIT_FAILED, "%s: %s", path, strerror(errno));
	rc = run_stream(c, path, in);
	fclose(in);
	return rc;
}

static int run_texts(struct cli *c, const struct options *o)
{
	char name[16];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < o->n_texts && !c->done; i++) {
		if (o->n_texts > 1)
			snprintf(name, sizeof(name), "-c %u", i + 1);
		else
			snprintf(name, sizeof(name), "-c");
		rc = run_text(c, name, o->text[i]);
	}
	return rc;
}

static int run(struct cli *c, const struct options *o)
{
	bool person = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
	const char *no_colour = getenv("NO_COLOR");
	bool configure = o->n == 1 && strcmp(o->word[0], "configure") == 0;
	int rc = 0;

	c->colour = isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || no_colour[0] == '\0');
	if (o->n_texts > 0 && o->script == NULL && o->n == 0)
		rc = run_texts(c, o);
	else if (o->script != NULL && o->n_texts == 0 && o->n == 0)
		rc = strcmp(o->script, "-") == 0 ? run_stream(c, "stdin", stdin)
						 : run_script(c, o->script);
	else if (o->n_texts > 0 || o->script != NULL)
		return usage_error("%s, -f and a command: only one of them", "-c");
	else if (o->n > 0 && !configure)
		return run_words(c, o);
	else {
		c->terminal = person;
		rc = person && !configure ? cli_connect(c) : 0;
		if (configure)
			rc = configure_enter(c);
		if (rc == 0)
			rc = person ? run_terminal(c) : run_stream(c, "stdin", stdin);
	}
	// Whatever came of it: what was not committed stays behind, and that is worth a word.
	if (c->configuring && !person)
		(void)configure_leave(c);
	return rc;
}

int main(int argc, char **argv)
{
	struct cli c = { .conn.fd = -1, .out = stdout };
	struct options o = { .word = need(calloc((size_t)argc + 1, sizeof(char *))) };
	int rc;

	setlocale(LC_CTYPE, "");
	rc = options_read(&o, &c, argc, argv);
	if (rc < 0 && o.complete != NULL) {
		fclose(stderr); // the shell's line is no place for complaints
		alarm(3);
		rc = complete_print(&c, o.complete);
	} else if (rc < 0 && o.manual != NULL) {
		rc = print_manual(o.manual);
	} else if (rc < 0) {
		rc = run(&c, &o);
	}
	configure_forget(&c);
	conn_close(&c.conn);
	free(o.word);
	return rc;
}
