// The terminal: lines by libedit, with completion (TAB), help (?) and history.
#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history.h"
#include "weir_priv.h"

static struct {
	struct cli *c;
	char *prompt;
	char *tabbed; // the line of the last TAB: a second one lists
} term;

static char *prompt(EditLine *el)
{
	(void)el;
	return term.prompt;
}

static char *typed(EditLine *el)
{
	const LineInfo *li = el_line(el);

	return need(strndup(li->buffer, (size_t)(li->cursor - li->buffer)));
}

static void lookup(const char *line, struct candidates *out)
{
	cli_interrupted = false;
	complete_line(term.c, term.c->configuring ? CONFIGURE : OPERATIONAL, line, out);
}

static bool show(struct pager *p, const char *word, size_t width, const char *help)
{
	struct text t = { 0 };
	bool more;

	text_printf(&t, "  %-*s  %s", (int)width, word, help);
	more = pager_line(p, t.buf, t.size);
	if (more)
		puts(t.buf);
	free(t.buf);
	return more;
}

// What may follow, below the line, a page at a time.
static void list(const struct candidates *o)
{
	size_t width = 8;
	struct pager p;
	bool more = true;

	for (uint32_t i = 0; i < o->n; i++) {
		size_t size = strlen(o->item[i].word);

		width = size > width && size <= 32 ? size : width;
	}
	putchar('\n');
	pager_start(&p);
	for (uint32_t i = 0; more && i < o->n; i++)
		more = show(&p, o->item[i].word, width, o->item[i].help);
	if (more && o->may_end)
		show(&p, "<enter>", width, "Do it");
	if (o->n == 0 && !o->may_end)
		printf("  nothing may follow here\n");
	fflush(stdout);
}

static bool inside_quotes(const char *line)
{
	bool inside = false;

	for (const char *p = line; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			inside = !inside;
	}
	return inside;
}

static unsigned char on_help(EditLine *el, int ch)
{
	char *line = typed(el);
	struct candidates o;

	(void)ch;
	if (inside_quotes(line)) {
		free(line);
		return el_insertstr(el, "?") < 0 ? CC_ERROR : CC_REFRESH;
	}
	lookup(line, &o);
	list(&o);
	candidates_free(&o);
	free(line);
	return CC_REDISPLAY;
}

// How many bytes all words have in common, without cutting a character in two.
static size_t common(const struct candidates *o, uint32_t *n_words, const char **word)
{
	size_t size = 0;

	*n_words = 0;
	for (uint32_t i = 0; i < o->n; i++) {
		size_t k = 0;

		if (o->item[i].free)
			continue;
		if ((*n_words)++ == 0) {
			*word = o->item[i].word;
			size = strlen(*word);
		}
		while (k < size && o->item[i].word[k] == (*word)[k])
			k++;
		size = k;
	}
	while (size > 0 && ((*word)[size] & 0xc0) == 0x80)
		size--;
	return size;
}

// Replace the word at the cursor by word[0..size).
static void put_word(EditLine *el, const char *line, uint32_t at, const char *word, size_t size)
{
	char *text = need(strndup(word, size));
	size_t have = strlen(line) - at, chars = 0;

	if (have <= size && memcmp(line + at, text, have) == 0) {
		el_insertstr(el, text + have);
	} else {
		for (size_t i = at; line[i] != '\0'; i++)
			chars += (line[i] & 0xc0) != 0x80;
		el_deletestr(el, (int)chars);
		el_insertstr(el, text);
	}
	free(text);
}

static unsigned char on_tab(EditLine *el, int ch)
{
	char *line = typed(el);
	const char *word = "";
	struct candidates o;
	uint32_t n;
	size_t size;
	unsigned char rc = CC_REFRESH;

	(void)ch;
	lookup(line, &o);
	size = common(&o, &n, &word);
	if (n == 1 && (o.n == 1 || size > strlen(line) - o.at)) {
		put_word(el, line, o.at, word, size);
		if (word[size - 1] != '/')
			el_insertstr(el, " ");
	} else if (n > 0 && size > strlen(line) - o.at) {
		put_word(el, line, o.at, word, size);
	} else if (term.tabbed != NULL && strcmp(term.tabbed, line) == 0) {
		list(&o);
		rc = CC_REDISPLAY;
	} else {
		rc = CC_REFRESH_BEEP;
	}
	free(term.tabbed);
	term.tabbed = rc == CC_REDISPLAY ? NULL : typed(el);
	free(line);
	candidates_free(&o);
	return rc;
}

static unsigned char on_clear(EditLine *el, int ch)
{
	const LineInfo *li = el_line(el);

	(void)ch;
	el_cursor(el, (int)(li->lastchar - li->cursor));
	li = el_line(el);
	el_deletestr(el, (int)(li->lastchar - li->buffer));
	fputs("^C\n", stdout);
	fflush(stdout);
	return CC_REDISPLAY;
}

static unsigned char on_end(EditLine *el, int ch)
{
	const LineInfo *li = el_line(el);

	(void)ch;
	if (li->lastchar == li->buffer)
		return CC_EOF;
	if (li->cursor == li->lastchar)
		return CC_ERROR;
	el_cursor(el, 1);
	el_deletestr(el, 1);
	return CC_REFRESH;
}

static void on_signal(int sig)
{
	(void)sig;
	cli_interrupted = true;
}

static EditLine *line_open(struct cli *c, History *h)
{
	const struct sigaction sa = { .sa_handler = on_signal }; // calls end with EINTR
	EditLine *el = el_init("weir", stdin, stdout, stderr);

	if (el == NULL)
		return NULL;
	term.c = c;
	sigaction(SIGINT, &sa, NULL);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTSTP, SIG_IGN);
	el_set(el, EL_PROMPT, prompt);
	el_set(el, EL_EDITOR, "emacs");
	el_set(el, EL_HIST, history, h);
	el_set(el, EL_ADDFN, "weir-complete", "complete", on_tab);
	el_set(el, EL_ADDFN, "weir-help", "what may follow", on_help);
	el_set(el, EL_ADDFN, "weir-clear", "clear the line", on_clear);
	el_set(el, EL_ADDFN, "weir-end", "end or delete", on_end);
	el_set(el, EL_BIND, "^I", "weir-complete", NULL);
	el_set(el, EL_BIND, "?", "weir-help", NULL);
	el_set(el, EL_BIND, "^C", "weir-clear", NULL);
	el_set(el, EL_BIND, "^D", "weir-end", NULL);
	el_set(el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_set(el, EL_BIND, "^W", "ed-delete-prev-word", NULL);
	// While a line is edited, Ctrl-C and the like are keys.
	el_set(el, EL_SETTY, "-d", "-isig", NULL);
	return el;
}

// --- The loop

char cli_ask_user(struct cli *c, const char *question)
{
	char answer[64] = "";
	ssize_t n;

	(void)c;
	printf("%s", question);
	fflush(stdout);
	n = read(STDIN_FILENO, answer, sizeof(answer) - 1);
	if (n <= 0)
		printf("\n");
	if (n <= 0) // Ctrl-C stays; without a terminal there is nobody who could
		return cli_interrupted ? 'n' : 'y';
	return (char)(answer[0] | 0x20);
}

static void one_line(struct cli *c, const char *line)
{
	char *text = need(strndup(line, strcspn(line, "\n")));

	cli_interrupted = false;
	// The mark below a wrong word counts from where the line was typed.
	c->indent = (uint32_t)strlen(term.prompt);
	(void)run_line(c, text);
	c->indent = 0;
	if (cli_interrupted)
		printf("\n");
	free(text);
}

int run_terminal(struct cli *c)
{
	History *h = history_init();
	EditLine *el = h == NULL ? NULL : line_open(c, h);
	char *path = history_path();
	const char *line;
	int n;

	if (el == NULL)
		return cli_problem(c, EXIT_FAILED, "this terminal cannot be used");
	history_load(h, path);
	while (!c->done) {
		free(term.prompt);
		cli_interrupted = false;
		term.prompt = configure_prompt(c);
		el_resize(el);
		line = el_gets(el, &n);
		if (line == NULL || n <= 0) {
			printf("\n");
			run_line(c, "quit");
			if (line == NULL && n < 0 && errno != EINTR)
				break; // the terminal is gone
			continue;
		}
		history_add(h, path, line);
		one_line(c, line);
	}
	history_end(h);
	el_end(el);
	free(path);
	free(term.prompt);
	free(term.tabbed);
	return 0;
}
