// The weir command: a client of the daemon's socket. What can be typed stands in one table
// (verbs.c); completion, `?`, usage, the manual page and the shell's completion are made from it.
#ifndef WEIR_PRIV_H
#define WEIR_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

// Exit codes: what a script needs to tell apart.
enum {
	EXIT_OK = 0,
	EXIT_REFUSED = 1,     // the switch said no; nothing has changed
	EXIT_USAGE = 2,	      // not understood; nothing was asked of the switch
	EXIT_UNREACHABLE = 3, // the switch does not answer
	EXIT_FAILED = 4,      // a file, this machine; at a prompt also Ctrl-C
};

enum {
	LINE_BYTES = 64 << 10,	  // longest line
	ANSWER_BYTES = 128 << 20, // longest answer
	LOAD_BYTES = 12 << 20,	  // largest file to load
	CONTEXTS = 16,		  // of edit, that exit goes back through
};

// --- Text (text.c)

// Text that grows; size without the NUL. A client without memory has nothing to say: it ends.
struct text {
	char *buf;
	size_t size, cap;
};

void text_put(struct text *t, const char *s);
void text_put_n(struct text *t, const char *s, size_t size);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// A word as it has to be typed: in quotes where it must be.
void text_put_word(struct text *t, const char *word);
// The text without bytes that a terminal would act on: control characters but \n and \t, and what
// is no UTF-8, become '?'.
void text_put_clean(struct text *t, const char *s, size_t size);
char *text_take(struct text *t); // never NULL; free()
void *need(void *p);		 // ends the program when p is NULL

struct word {
	char *text;	   // without quotes and escapes
	uint32_t at, size; // bytes of the line, as typed
	bool quoted;
};

struct words {
	struct word *word; // word[n]
	uint32_t n, cap;
};

// Words of line[begin..end): the rules of the daemon ("..." and a backslash). partial: quotes may
// be open, and there is always a last word. returns false when quotes are open
bool words_split(const char *line, uint32_t begin, uint32_t end, bool partial, struct words *out);
void words_free(struct words *w);

// One command of a line, up to its `;`: line[begin..end), and where its first pipe stands.
struct part {
	uint32_t begin, end;
	uint32_t pipe; // end where there is none
};
// The command that begins at `at`. returns false when nothing is left (comments are nothing)
bool part_next(const char *line, uint32_t at, struct part *out);
// End of the pipe that begins at `at`, behind its `|`.
uint32_t part_pipe_end(const char *line, uint32_t at, uint32_t end);

// --- What can be typed (grammar.c, verbs.c)

enum mode { OPERATIONAL = 1, CONFIGURE = 2, PIPE = 4 };

enum {
	V_CONFIG = 1,	// shows a configuration: | json, | xml and | set choose how
	V_COMPARES = 2, // and | compare
	V_STREAM = 4,	// runs until it is stopped: not paged
	V_DIFF = 8,	// lines begin with + and -
	V_TABLE = 16,	// has --json and | json
	V_PREFIX = 32,	// the rest is an operational command
};

struct cli;
struct command;

struct verb {
	// Lower case: as it is typed. Upper case: see arguments in verbs.c. [..] may be left out,
	// (a|b) is one of them, x... any number.
	const char *pattern;
	const char *help;
	int (*run)(struct cli *c, const struct command *cmd);
	const char *param; // for run
	unsigned modes, flags;
};

extern const struct verb verbs[];
extern const size_t n_verbs;

// What can be told of a machine (`vm VM event EVENT`); the last one has no name.
struct verb_event {
	const char *name, *help;
};
extern const struct verb_event verb_events[];
// Help of a word that stands in several lines of the table, or inside one; "" when there is none.
const char *word_help(const char *word);
const char *argument_help(const char *name);

// A pattern as positions: which token may come first, which after which, which last.
enum { TOKENS = 24 };
struct pattern {
	struct token {
		char text[24];
		bool literal;
	} token[TOKENS];
	uint32_t n, first, last; // bit i = token i
	uint32_t follow[TOKENS];
	bool nullable;
};

void pattern_read(const char *text, struct pattern *out);

// Words against all verbs of a mode.
struct match {
	const struct verb **verb; // verb[n]: those that still fit
	struct pattern *pattern;  // pattern[n]
	uint32_t *live;		  // live[n * (n_words + 1)]: tokens that the i-th word may be
	uint32_t n, n_words;
	uint32_t bad;	     // word that does not fit; n_words = the end
	struct text problem; // why; empty = it fits
	bool ambiguous;
	bool many; // too many words could stand there for `problem` to name them
};

// The first n words. Whether the line may end there is not looked at.
void match_words(struct match *m, unsigned modes, const struct words *w, uint32_t n);
// Which verb the words are; NULL with bad and problem set.
const struct verb *match_end(struct match *m, uint32_t *index);
// Do the words before the bad one begin verb v?
bool match_begins(const struct match *m, uint32_t v);
// Tokens that may follow the words of verb v.
uint32_t match_next(const struct match *m, uint32_t v);
// label[n_words]: the token that each word is, when the last one is one of `ends`.
void match_labels(const struct match *m, uint32_t v, uint32_t ends, uint8_t *label);
void match_free(struct match *m);

// One command, understood.
struct command {
	const char *line; // as typed
	struct part part;
	struct words words;
	const struct verb *verb;
	struct pattern pattern;
	uint8_t *label; // label[words.n]
};

// Value of the argument; NULL = not there.
const char *command_arg(const struct command *cmd, const char *name);
bool command_has(const struct command *cmd, const char *literal);
// All words of the argument with blanks in between; free()
char *command_join(const struct command *cmd, const char *name);
// As typed, from the first word of the argument to the end; *at = where in the line. free()
char *command_rest(const struct command *cmd, const char *name, uint32_t *at);
// The command's own words: "show configuration". free()
char *command_name(const struct command *cmd);

// --- Output (sink.c, pager.c)

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_XML, FORMAT_SET };

struct sink; // what stands behind c->out

// c->out for one command, through the pipes of its part. returns 0 or EXIT_USAGE with the reason
// printed
int sink_open(struct cli *c, const struct command *cmd);
// returns 0 or EXIT_FAILED with the reason printed
int sink_close(struct cli *c);

// A page at a time. Lines are what a terminal shows.
struct pager {
	uint32_t rows, columns, used;
	bool on, quit;
};
void pager_start(struct pager *p);
// Before a line is shown. returns false when nothing more is wanted
bool pager_line(struct pager *p, const char *line, size_t size);

// --- The daemon (client.c)

struct conn {
	int fd; // -1 = none
	char *in;
	size_t in_size, in_cap;
	uint32_t n_stale; // answers that nobody waits for any more
};

struct cli {
	const char *socket_path;
	struct conn conn;
	bool json;
	bool terminal; // a person is there: prompts, paging
	bool colour;
	bool done;

	FILE *out; // of the running command
	struct sink *sink;
	enum format format;
	bool compare; // | compare
	uint32_t compare_with;

	bool configuring;
	char *at; // edit context
	char *contexts[CONTEXTS];
	uint32_t n_contexts;
	uint32_t session; // id of the session, 0 = not known
	bool told_lost;

	// Where the running command comes from, for errors.
	const char *source; // file, "-c 2"; NULL = typed, or the arguments
	uint32_t source_line;
	const char *line;
	uint32_t caret;	 // what the daemon's positions count from
	bool has_caret;	 // they are known
	uint32_t indent; // columns of the prompt before the line
};

// Ctrl-C was pressed since the running command began.
extern volatile bool cli_interrupted;

void conn_close(struct conn *conn);
// The next line without its end. returns NULL when there is none; free()
char *conn_line(struct conn *conn);
// What comes next. returns bytes, 0 = the end, -1 = Ctrl-C
long conn_read(struct conn *conn, void *to, size_t size);

// Connect. returns 0 or EXIT_UNREACHABLE with the reason printed
int cli_connect(struct cli *c);
// Send one request (module:name; args taken) and read its answer. The answer's "data" is returned
// (json_decref it), or NULL with *rc set and the reason printed.
json_t *cli_call(struct cli *c, const char *op, json_t *args, int *rc);
// The same, where the answer does not matter. returns an exit code
int cli_do(struct cli *c, const char *op, json_t *args);
// The same without a word on the terminal.
json_t *cli_ask(struct cli *c, const char *op, json_t *args);
// A connection of its own for a request that is answered by a stream.
int cli_stream(struct cli *c, const char *op, json_t *args, struct conn *out);
// A member of our answers, with or without its module's name.
json_t *answer_get(const json_t *data, const char *name);
const char *answer_text(const json_t *data, const char *name); // "" when missing
// Of either form that RFC 7951 has for numbers; 0 when missing.
unsigned long long answer_number(const json_t *data, const char *name);

// Print a problem: where it is, what, and the line with marks below line[at..at+size).
int cli_problem(struct cli *c, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void cli_mark(struct cli *c, uint32_t at, uint32_t size);
// A word on standard error that is no problem.
void cli_note(struct cli *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Write {..} as indented JSON.
void cli_dump(struct cli *c, const json_t *data);

// --- Running lines (run.c, script.c, line.c)

// All commands of a line, until one fails. returns an exit code
int run_line(struct cli *c, const char *line);
int run_stream(struct cli *c, const char *name, FILE *in);
int run_text(struct cli *c, const char *name, const char *text);
int run_terminal(struct cli *c);
// Ask on the terminal; the answer's first character, lower case, or 0.
char cli_ask_user(struct cli *c, const char *question);

// --- Completion (complete.c)

struct candidate {
	char *word, *help;
	bool free; // "<vlan>": shown only
};

struct candidates {
	struct candidate *item; // item[n]
	uint32_t n, cap;
	uint32_t at; // where the word at the cursor begins
	bool may_end;
};

// What may stand at the end of the line.
void complete_line(struct cli *c, unsigned modes, const char *line, struct candidates *out);
void candidates_add(struct candidates *o, const char *word, const char *help, bool free);
void candidates_free(struct candidates *o);
// weir --complete
int complete_print(struct cli *c, const char *line);

// All of a file. returns 0 or EXIT_FAILED with the reason printed; free(*out)
int cli_read_all(struct cli *c, const char *path, int fd, char **out);

// --- Commands

int run_show(struct cli *c, const struct command *cmd);
int run_explain(struct cli *c, const struct command *cmd);
int run_capture(struct cli *c, const struct command *cmd);
int run_trace(struct cli *c, const struct command *cmd);
int run_reload(struct cli *c, const struct command *cmd);
int run_clear(struct cli *c, const struct command *cmd);
int run_boot(struct cli *c, const struct command *cmd);
int run_vm_prepare(struct cli *c, const struct command *cmd);
int run_vm_release(struct cli *c, const struct command *cmd);
int run_vm_event(struct cli *c, const struct command *cmd);
int run_forget(struct cli *c, const struct command *cmd);
int run_ping(struct cli *c, const struct command *cmd);
int run_of(struct cli *c, const struct command *cmd);
int run_vm_list(struct cli *c, const struct command *cmd);
int run_vm_start(struct cli *c, const struct command *cmd);
int run_vm_stop(struct cli *c, const struct command *cmd);
int run_vm_reset(struct cli *c, const struct command *cmd);
int run_vm_console(struct cli *c, const struct command *cmd);
int run_vm_log(struct cli *c, const struct command *cmd);
int run_vm_arguments(struct cli *c, const struct command *cmd);
int run_vm_xml(struct cli *c, const struct command *cmd);
int run_show_sessions(struct cli *c, const struct command *cmd);
int run_show_configuration(struct cli *c, const struct command *cmd);
int run_history(struct cli *c, const struct command *cmd);
int run_status(struct cli *c, const struct command *cmd);
int run_configure(struct cli *c, const struct command *cmd);
int run_exit(struct cli *c, const struct command *cmd);
int run_quit(struct cli *c, const struct command *cmd);
int run_help(struct cli *c, const struct command *cmd);
int run_edit_line(struct cli *c, const struct command *cmd);
int run_context(struct cli *c, const struct command *cmd);
int run_compare(struct cli *c, const struct command *cmd);
int run_validate(struct cli *c, const struct command *cmd);
int run_plan(struct cli *c, const struct command *cmd);
int run_commit(struct cli *c, const struct command *cmd);
int run_confirm(struct cli *c, const struct command *cmd);
int run_cancel(struct cli *c, const struct command *cmd);
int run_rollback(struct cli *c, const struct command *cmd);
int run_discard(struct cli *c, const struct command *cmd);
int run_lock(struct cli *c, const struct command *cmd);
int run_load(struct cli *c, const struct command *cmd);
int run_save(struct cli *c, const struct command *cmd);

// Does the candidate differ from what runs? -1 = the switch does not say
int candidate_differs(struct cli *c);
int configure_enter(struct cli *c);
// Leave configure mode; asks on a terminal when there are changes. returns an exit code
int configure_leave(struct cli *c);
// "[edit vm web1] weir# "; free()
char *configure_prompt(struct cli *c);
void configure_forget(struct cli *c);
void show_difference(struct cli *c, const char *text);

// --- Tables (render.c)

// Words that a guest or a server may have chosen, without what a terminal would act on.
struct said {
	char text[640];
};
struct said said_value(const char *raw); // NULL = ""
struct said said(const json_t *o, const char *key);

void show_ports(FILE *f, const json_t *data);
void show_port(FILE *f, const json_t *data);
void show_macs(FILE *f, const json_t *data);
void show_vms(FILE *f, const json_t *data);
void show_one_vm(FILE *f, const json_t *data);
void show_classes(FILE *f, const json_t *data);
void show_drops(FILE *f, const json_t *data);
void show_system(FILE *f, const json_t *data);
void show_responder(FILE *f, const json_t *data);
void show_sessions(FILE *f, const json_t *data);
void show_history(FILE *f, const json_t *data);
void show_qos(FILE *f, const json_t *data);
void show_portals(FILE *f, const json_t *data);
void show_openflow(FILE *f, const json_t *data);
void show_storage(FILE *f, const json_t *data);
void show_storage_vm(FILE *f, const json_t *data);
// Boots: of vms-state and storage-state; of the one VM in them.
void show_boot(FILE *f, const json_t *data);
void show_boot_vm(FILE *f, const json_t *data);
// Phase, target and waiting of the one VM in storage-state, if it is there.
void show_vm_storage(FILE *f, const json_t *data);
void show_explain_qos(FILE *f, const json_t *data);
// true when neither a port nor a VM is in it
bool show_is_empty(const json_t *data);
// MAC address of the one port in data, or ""
const char *port_mac(const json_t *data);
void show_explain(FILE *f, const json_t *data);
void show_trace_line(FILE *f, const json_t *record);

// Build a frame from words like "src=52:54:00:00:00:01 ip=10.0.0.1,10.0.0.2 tcp=1024,3260 vlan=20"
// into frame[9728]. src: MAC address where no word says one. returns its size, or 0 with the reason
// printed
size_t describe_frame(char *const *words, int n, const char *src, uint8_t *frame);

// A libpcap expression compiled to hexadecimal instructions; free() it. NULL = reason printed
char *filter_compile(const char *expression);

// --- The manual (manual.c)

void print_usage(FILE *f);
// A manual page: the template with the table in place of the line @COMMANDS@. returns an exit code
int print_manual(const char *template_path);
// Usage and help of every command of the modes that begins so; "" = all.
// How it is typed, on standard error.
void cli_usage(const struct cli *c, const struct verb *v);
uint32_t print_commands(FILE *f, unsigned modes, const char *begin);

#endif
