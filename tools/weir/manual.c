// Usage and manual page, from the table.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "weir_priv.h"

void print_usage(FILE *f)
{
	fputs("usage: weir [OPTION...] [COMMAND]      without a command: a prompt, or a script on "
	      "standard input\n"
	      "  -c 'COMMAND; COMMAND...'  run commands; may be given several times\n"
	      "  -f FILE                   run a script; # begins a comment\n"
	      "  -s SOCKET                 of the switch; else WEIR_SOCKET or /run/weir/weir.sock\n"
	      "  --json                    answers as JSON\n"
	      "  --version, --help\n"
	      "commands:\n",
	      f);
	print_commands(f, OPERATIONAL, "");
	fputs("after configure:\n", f);
	print_commands(f, CONFIGURE, "");
	fputs("behind a command and |:\n", f);
	print_commands(f, PIPE, "");
	fputs("One trace or capture runs at a time. FILTER is a libpcap expression. WORD: ", f);
	fputs(argument_help("WORD"), f);
	fputs(".\nEVENT:", f);
	for (const struct verb_event *e = verb_events; e->name != NULL; e++)
		fprintf(f, " %s", e->name);
	fputs(".\nExit code: 0 done, 1 refused, 2 usage, 3 switch not reachable, 4 failed on this "
	      "side (a file).\n",
	      f);
}

static void roff(const char *text)
{
	if (text[0] == '.' || text[0] == '\'')
		fputs("\\&", stdout);
	for (; *text != '\0'; text++) {
		if (*text == '-' || *text == '\\')
			putchar('\\');
		putchar(*text == '\\' ? 'e' : *text);
	}
}

// Words as typed are bold, arguments are slanted.
static void roff_pattern(const char *p)
{
	while (*p != '\0') {
		size_t n = strcspn(p, " []()|.");
		char *word = need(strndup(p, n));

		if (n > 0) {
			fputs(word[0] >= 'A' && word[0] <= 'Z' ? "\\fI" : "\\fB", stdout);
			roff(word);
			fputs("\\fR", stdout);
		}
		free(word);
		p += n;
		if (*p != '\0')
			putchar(*p++);
	}
	putchar('\n');
}

static void section(const char *title, unsigned modes)
{
	printf(".SS %s\n", title);
	for (size_t i = 0; i < n_verbs; i++) {
		if ((verbs[i].modes & modes) == 0 ||
		    (modes == CONFIGURE && (verbs[i].modes & OPERATIONAL) != 0))
			continue;
		puts(".TP");
		roff_pattern(verbs[i].pattern);
		roff(verbs[i].help);
		puts(".");
	}
}

int print_manual(const char *template_path)
{
	FILE *in = fopen(template_path, "re");
	char *line = NULL;
	size_t cap = 0;

	if (in == NULL) {
		fprintf(stderr, "weir: %s: %s\n", template_path, strerror(errno));
		return EXIT_FAILED;
	}
	while (getline(&line, &cap, in) > 0) {
		if (strcmp(line, "@COMMANDS@\n") != 0) {
			fputs(line, stdout);
			continue;
		}
		section("Operational commands", OPERATIONAL);
		section("In configure mode", CONFIGURE);
		section("Behind a command and |", PIPE);
	}
	free(line);
	fclose(in);
	return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}
