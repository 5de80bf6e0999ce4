// What may stand at the end of a line: words of the table, names that the switch knows, paths of
// the configuration (the daemon answers these), files.
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "weir_priv.h"

enum { CANDIDATES = 4000 };

void candidates_add(struct candidates *o, const char *word, const char *help, bool free_form)
{
	for (uint32_t i = 0; i < o->n; i++) {
		if (strcmp(o->item[i].word, word) == 0)
			return;
	}
	if (o->n == CANDIDATES)
		return;
	if (o->n == o->cap) {
		o->cap = 2 * o->cap + 32;
		o->item = need(realloc(o->item, o->cap * sizeof(o->item[0])));
	}
	o->item[o->n++] = (struct candidate){ need(strdup(word)), need(strdup(help)), free_form };
}

void candidates_free(struct candidates *o)
{
	for (uint32_t i = 0; i < o->n; i++) {
		free(o->item[i].word);
		free(o->item[i].help);
	}
	free(o->item);
	*o = (struct candidates){ 0 };
}

struct complete {
	struct cli *c;
	const char *line; // up to the cursor
	unsigned modes;
	struct words words; // the last one is at the cursor
	struct match m;
	struct candidates *out;
};

static const struct word *cursor(const struct complete *x)
{
	return &x->words.word[x->words.n - 1];
}

static bool begins(const struct complete *x, const char *word)
{
	return strncmp(word, cursor(x)->text, strlen(cursor(x)->text)) == 0;
}

// A name as it has to be typed; a path of a node is shown as it is.
static void add_name(struct complete *x, const char *name, const char *help)
{
	struct text t = { 0 };

	if (!begins(x, name))
		return;
	text_put_word(&t, name);
	candidates_add(x->out, t.buf, help, false);
	free(t.buf);
}

static void add_names(struct complete *x, const char *part, const char *const *members)
{
	json_t *data = NULL, *list, *e;
	size_t i;

	if (cli_connect(x->c) == 0)
		data = cli_ask(x->c, "weir-operations:get-state", json_pack("{s:s}", "part", part));
	list = json_object_get(json_object_get(data, members[0]), members[1]);
	json_array_foreach(list, i, e)
	{
		const char *name = json_string_value(json_object_get(e, "name"));

		if (name != NULL)
			add_name(x, name, members[2]);
	}
	json_decref(data);
}

// Portals that were learnt: others cannot be forgotten.
static void add_portals(struct complete *x)
{
	json_t *data = NULL, *p;
	size_t i;

	if (cli_connect(x->c) == 0)
		data = cli_ask(x->c, "weir-operations:get-state",
			       json_pack("{s:s}", "part", "portals"));
	json_array_foreach(
		json_object_get(json_object_get(data, "weir-storage:storage-state"), "portal"), i,
		p)
	{
		struct text help = { 0 };

		if (answer_text(p, "teacher")[0] == '\0')
			continue;
		text_printf(&help, "%s, port %llu, taught by %s", answer_text(p, "service"),
			    answer_number(p, "port"), answer_text(p, "teacher"));
		add_name(x, answer_text(p, "address"), help.buf);
		free(help.buf);
	}
	json_decref(data);
}

static void add_files(struct complete *x)
{
	const char *typed = cursor(x)->text, *slash = strrchr(typed, '/');
	struct text dir = { 0 };
	const struct dirent *e;
	DIR *d;

	text_put_n(&dir, typed, slash == NULL ? 0 : (size_t)(slash + 1 - typed));
	d = opendir(dir.size == 0 ? "." : dir.buf);
	while (d != NULL && (e = readdir(d)) != NULL) {
		struct text path = { 0 };
		struct stat st;

		if (e->d_name[0] == '.' && (slash == NULL ? typed : slash + 1)[0] != '.')
			continue;
		text_printf(&path, "%s%s", dir.buf, e->d_name);
		if (stat(path.buf, &st) == 0 && S_ISDIR(st.st_mode))
			text_put(&path, "/");
		add_name(x, path.buf, "");
		free(path.buf);
	}
	if (d != NULL)
		closedir(d);
	free(dir.buf);
}

// The daemon's words, for the path that begins at line[from].
static void add_path(struct complete *x, uint32_t v, uint32_t from)
{
	struct cli *c = x->c;
	struct text line = { 0 };
	json_t *args, *data = NULL, *e;
	bool running = (x->m.verb[v]->modes & CONFIGURE) == 0;
	size_t i;

	text_printf(&line, "%s ", x->m.pattern[v].token[0].text);
	text_put(&line, x->line + from);
	args = json_pack("{s:s, s:s}", "line", line.buf, "at",
			 c->at == NULL || running ? "" : c->at);
	free(line.buf);
	if (args != NULL && cli_connect(c) == 0)
		data = cli_ask(c, "weir-configuration:complete", args);
	else
		json_decref(args);
	json_array_foreach(answer_get(data, "candidate"), i, e)
	{
		const char *word = answer_text(e, "word"), *help = answer_text(e, "help");
		bool free_form = strcmp(answer_text(e, "kind"), "free") == 0;
		struct text w = { 0 }, h = { 0 };

		text_put_clean(&w, word, strlen(word));
		text_put_clean(&h, help, strlen(help));
		candidates_add(x->out, w.buf == NULL ? "" : w.buf, h.buf == NULL ? "" : h.buf,
			       free_form);
		free(w.buf);
		free(h.buf);
	}
	json_decref(data);
}

// The commits that are kept, newest first. returns whether there are any
static bool add_commits(struct complete *x)
{
	json_t *data = NULL, *e;
	uint32_t before = x->out->n;
	size_t i;

	if (cli_connect(x->c) == 0)
		data = cli_ask(x->c, "weir-configuration:history", json_object());
	json_array_foreach(answer_get(data, "commit"), i, e)
	{
		char n[24];
		struct text line = { 0 }, help = { 0 };

		snprintf(n, sizeof(n), "%lld",
			 (long long)json_integer_value(json_object_get(e, "number")));
		text_printf(&line, "%s  %s by %s  %s", answer_text(e, "time"),
			    answer_text(e, "user"), answer_text(e, "client"),
			    answer_text(e, "comment"));
		text_put_clean(&help, line.buf, line.size);
		add_name(x, n, help.buf == NULL ? "" : help.buf);
		free(line.buf);
		free(help.buf);
	}
	json_decref(data);
	return x->out->n > before;
}

static bool names_commit(const struct pattern *p)
{
	for (uint32_t t = 0; t < p->n; t++) {
		if (strcmp(p->token[t].text, "rollback") == 0 ||
		    strcmp(p->token[t].text, "history") == 0)
			return true;
	}
	return false;
}

// Where the first word of the argument stands, for a token that the word at the cursor may be.
static uint32_t rest_begins(const struct complete *x, uint32_t v, uint32_t token)
{
	const struct pattern *p = &x->m.pattern[v];
	uint8_t *label = need(calloc(x->m.n_words + 1, 1));
	uint32_t ends = 0, at = cursor(x)->at;

	for (uint32_t t = 0; t < p->n; t++)
		ends |= (p->follow[t] & 1u << token) != 0 ? 1u << t : 0;
	match_labels(&x->m, v, ends, label);
	for (uint32_t i = x->m.n_words; i-- > 0 && label[i] == token;)
		at = x->words.word[i].at;
	free(label);
	return at;
}

// Ports of another switch are not known.
static bool names_target(const struct complete *x)
{
	for (uint32_t i = 0; i + 1 < x->words.n; i++) {
		if (strcmp(x->words.word[i].text, "--target") == 0)
			return true;
	}
	return false;
}

static void add_argument(struct complete *x, uint32_t v, uint32_t token)
{
	static const char *const ports[] = { "ietf-interfaces:interfaces", "interface",
					     "Port of the switch" };
	static const char *const vms[] = { "weir-vm:vms-state", "vm", "Virtual machine" };
	const char *name = x->m.pattern[v].token[token].text;
	struct candidates *o = x->out;
	struct text word = { 0 };

	if (strcmp(name, "PATH") == 0) {
		add_path(x, v, rest_begins(x, v, token));
	} else if (strcmp(name, "PORT") == 0) {
		add_names(x, "ports", ports);
	} else if (strcmp(name, "OFPORT") == 0 && !names_target(x)) {
		add_names(x, "ports", ports);
	} else if (strcmp(name, "VM") == 0) {
		add_names(x, "vms", vms);
	} else if (strcmp(name, "ADDRESS") == 0) {
		add_portals(x);
	} else if (strcmp(name, "FILE") == 0) {
		add_files(x);
	} else if (strcmp(name, "EVENT") == 0) {
		for (const struct verb_event *e = verb_events; e->name != NULL; e++)
			add_name(x, e->name, e->help);
	} else if (strcmp(name, "NUMBER") == 0 && names_commit(&x->m.pattern[v]) &&
		   add_commits(x)) {
		return;
	} else if (strcmp(name, "COMMAND") == 0) {
		bool run = (x->m.verb[v]->flags & V_PREFIX) != 0;
		struct candidates more;

		complete_line(x->c, run ? OPERATIONAL : x->modes,
			      x->line + rest_begins(x, v, token), &more);
		for (uint32_t i = 0; i < more.n; i++)
			candidates_add(o, more.item[i].word, more.item[i].help, more.item[i].free);
		candidates_free(&more);
	} else {
		text_printf(&word, "<%s>", name);
		for (size_t i = 0; i < word.size; i++)
			word.buf[i] = word.buf[i] >= 'A' && word.buf[i] <= 'Z' ? word.buf[i] | 0x20
									       : word.buf[i];
		candidates_add(o, word.buf, argument_help(name), true);
		free(word.buf);
	}
}

// Help of a word: its own, or that of the only command that it ends.
static const char *help_of(const struct complete *x, uint32_t v, uint32_t token)
{
	const char *word = x->m.pattern[v].token[token].text, *help = word_help(word);
	uint32_t n = 0;

	for (uint32_t i = 0; i < x->m.n && token == 0; i++)
		n += strcmp(x->m.pattern[i].token[0].text, word) == 0;
	if (n > 1 || (token > 0 && help[0] != '\0'))
		return help;
	for (uint32_t i = 0; i < token; i++) {
		if (!x->m.pattern[v].token[i].literal)
			return help;
	}
	return x->m.verb[v]->help;
}

static void add_tokens(struct complete *x, uint32_t v)
{
	const struct pattern *p = &x->m.pattern[v];
	uint32_t next = match_next(&x->m, v);

	for (uint32_t t = 0; t < p->n; t++) {
		if ((next & 1u << t) == 0)
			continue;
		if (!p->token[t].literal)
			add_argument(x, v, t);
		else if (!cursor(x)->quoted && begins(x, p->token[t].text))
			candidates_add(x->out, p->token[t].text, help_of(x, v, t), false);
	}
}

// The part of the line that the cursor is in: behind the last ; or |.
static uint32_t last_part(const char *line, unsigned *modes)
{
	uint32_t begin = 0, size = (uint32_t)strlen(line), end;
	struct part part;

	while (part_next(line, begin, &part)) {
		begin = part.begin;
		if (line[part.end] != ';')
			break;
		begin = part.end + 1;
	}
	if (!part_next(line, begin, &part))
		return begin;
	for (uint32_t at = part.pipe; at < part.end; at = end) {
		end = part_pipe_end(line, at + 1, part.end);
		begin = at + 1;
		*modes = PIPE;
	}
	return begin < size ? begin : size;
}

// Only the daemon knows whether a path says enough.
static bool path_is_open(const struct complete *x, uint32_t v)
{
	const struct pattern *p = &x->m.pattern[v];

	return (x->m.verb[v]->flags & (V_CONFIG | V_DIFF)) == 0 && !p->token[p->n - 1].literal &&
	       strcmp(p->token[p->n - 1].text, "PATH") == 0;
}

void complete_line(struct cli *c, unsigned modes, const char *line, struct candidates *out)
{
	struct complete x = { .c = c, .line = line, .modes = modes, .out = out };
	uint32_t begin, v = 0;

	*out = (struct candidates){ 0 };
	if (strlen(line) > LINE_BYTES)
		return;
	begin = last_part(line, &x.modes);
	words_split(line, begin, (uint32_t)strlen(line), true, &x.words);
	out->at = cursor(&x)->at;
	match_words(&x.m, x.modes, &x.words, x.words.n - 1);
	if (x.m.problem.size == 0) {
		for (uint32_t i = 0; i < x.m.n; i++)
			add_tokens(&x, i);
		out->may_end = cursor(&x)->size == 0 && match_end(&x.m, &v) != NULL &&
			       (x.m.verb[v]->run == NULL || !path_is_open(&x, v));
	}
	match_free(&x.m);
	words_free(&x.words);
}

// For the shell: what may follow after "weir ...", one word a line.
int complete_print(struct cli *c, const char *line)
{
	struct candidates list;

	complete_line(c, OPERATIONAL, line, &list);
	for (uint32_t i = 0; i < list.n; i++) {
		if (!list.item[i].free)
			printf("%s\t%s\n", list.item[i].word, list.item[i].help);
	}
	candidates_free(&list);
	return 0;
}
