// Words: the configuration as lines that a person types, after the manner of Junos.
//
//	set vms vm web1 nic 0 mac 52:54:00:00:00:01 vlan 20
//	delete vm web1 nic 0 mtu
//
// A line is split into words; the words are read against the schema, one level at a time: node
// names, the keys of a list right after its name, values. What has been read is kept as a small
// tree of its own (the line's tree), which then is merged into the configuration, or shows which
// node of it is meant. Nothing is expanded before it is asked for, so the size of the schema does
// not matter. Pure: trees and text in, trees and text out. Thread: one at a time per schema.
//
// Short forms. Node names may be abbreviated while they stay unique; a module's name or prefix and
// a colon may stand before them. At the top, the name of a list inside a top-level container stands
// for both (vm web1 = vms vm web1), as does the name of a presence container inside that list
// (port uplink0 = interfaces interface uplink0). Inside a list entry, the children of its presence
// containers can be named directly. A module may give a node a second name (also-called in
// weir-configuration). An exact name wins over a short form, that over an
// abbreviation.
//
//	cfg_words_split(text, size, &line, &e); line.first = 1;	// after the verb
//	cfg_words_set(schema, &tree, &line, &e); cfg_words_fini(&line);
#ifndef WORDS_PRIV_H
#define WORDS_PRIV_H

#include "config_priv.h"

#define CFG_WORDS_LINE (1u << 20)    // longest line, bytes
#define CFG_WORDS_MAX 1024	     // words in a line
#define CFG_WORDS_KEYS 8	     // keys of a list
#define CFG_WORDS_CANDIDATES 2000    // most candidates of one completion
#define CFG_WORDS_SCRIPT (32u << 20) // longest script, bytes
#define CFG_WORDS_COMMENT "weir-configuration:comment"

struct cfg_word {
	char *text;	   // without quotes and escapes; valid UTF-8
	uint32_t at, size; // bytes of the line, as typed
	bool quoted;
};

struct cfg_words {
	struct cfg_word *word; // word[n]
	uint32_t n;
	uint32_t first;	     // where the path begins; the words before it are the verb
	const char *context; // of `edit`: canonical words, NULL or "" = the top; borrowed
	char *store;
};

struct cfg_words_error {
	uint32_t line;	   // of a script, from 1; 0 = there is no script
	uint32_t word;	   // index of the word; n = the end of the line
	uint32_t at, size; // where it stands in the line, bytes
	char path[256];	   // of the node meant; empty = the top
	char value[128];   // the word
	char reason[320];
	char expected[512]; // what would have been taken; empty = does not help
};

// Text that grows. After failed nothing more is added.
struct cfg_words_text {
	char *buf; // NUL-terminated, or NULL when nothing was added
	size_t size, cap;
	bool failed; // out of memory
};

void cfg_words_put(struct cfg_words_text *t, const char *text);
void cfg_words_put_n(struct cfg_words_text *t, const char *text, size_t size);
void cfg_words_printf(struct cfg_words_text *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
// A word as it has to be typed: quoted where it must be.
void cfg_words_put_word(struct cfg_words_text *t, const char *word);
// Hand over the text. returns 0 and *out (free()), "" when there is none; -ENOMEM
int cfg_words_text_take(struct cfg_words_text *t, char **out);

// Split a line. "..." keeps blanks together, a backslash takes the next character as it is (\n and
// \t inside quotes are what they are in C).
//
// returns  0 and *out (release with cfg_words_fini); -EINVAL with e filled; -ENOMEM
int cfg_words_split(const char *text, size_t size, struct cfg_words *out,
		    struct cfg_words_error *e);
// The same for a line that is being typed, cut at the cursor: quotes may be open, and there is
// always a last word, perhaps an empty one.
int cfg_words_split_partial(const char *text, size_t size, struct cfg_words *out,
			    struct cfg_words_error *e);
void cfg_words_fini(struct cfg_words *w);

// One line for people: "vlan 5000 (/weir-vm:vms/..): .. reason ..; expected ..". returns buf
const char *cfg_words_error_text(const struct cfg_words_error *e, char *buf, size_t size);

// --- Edits. All or nothing: when refused, *tree is what it was.
// returns  0; -EINVAL with e filled; -ENOMEM

// Merge. Several leaves of one node may follow each other, leaf-list values also in [ .. ]. A node
// of another case of the same choice goes away (RFC 7950 section 7.9).
int cfg_words_set(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		  struct cfg_words_error *e);
// A node with all that is in it; `vms vm` or `vms vm *` = all entries. What is not there is
// refused.
int cfg_words_delete(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		     struct cfg_words_error *e);
// PATH to [NAME] KEY..: another key, the same place.
int cfg_words_rename(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		     struct cfg_words_error *e);
// PATH to [NAME] KEY..: a second entry with the same content.
int cfg_words_copy(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		   struct cfg_words_error *e);
// PATH first | last | before OTHER | after OTHER, of a list or leaf-list that is ordered by the
// user. What is not there yet is added.
int cfg_words_insert(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		     struct cfg_words_error *e);
// PATH TEXT: a comment; "" takes it away.
int cfg_words_annotate(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		       struct cfg_words_error *e);
// Any of the above, by its verb in word 0 (line->first is not looked at).
int cfg_words_run(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		  struct cfg_words_error *e);
// A script of such lines; empty ones and those that begin with # are passed over. All or nothing as
// a whole; e->line names the first line that is refused.
int cfg_words_load_set(struct cfg_schema *s, struct lyd_node **tree, const char *text, size_t size,
		       struct cfg_words_error *e);

// --- Context of `edit`.

// The container or list entry that the line names: canonical words, and its path as XPath. It need
// not exist. The top has words "" and path "/". Both are to be freed.
int cfg_words_edit(struct cfg_schema *s, const struct cfg_words *line, char **words, char **xpath,
		   struct cfg_words_error *e);
// The context n levels up; at the top it stays there.
int cfg_words_up(struct cfg_schema *s, const char *context, uint32_t n, char **words,
		 struct cfg_words_error *e);

// --- Completion.

// RENAME: rename and copy. For annotate: SHOW.
enum cfg_words_mode {
	CFG_WORDS_SET,
	CFG_WORDS_DELETE,
	CFG_WORDS_EDIT,
	CFG_WORDS_SHOW,
	CFG_WORDS_RENAME,
	CFG_WORDS_INSERT,
};

enum cfg_words_kind {
	CFG_WORDS_CONTAINER,
	CFG_WORDS_LIST,
	CFG_WORDS_LEAF,
	CFG_WORDS_KEY,	 // value of a key
	CFG_WORDS_VALUE, // or a word of the command: to, first ..
	CFG_WORDS_ALIAS, // a short form
	CFG_WORDS_FREE,	 // "<name>": anything of the type in help
};

struct cfg_words_candidate {
	char *word; // as it has to be typed, quotes included
	char *help; // first sentence of the description, or of a value the type; never NULL
	enum cfg_words_kind kind;
	bool mandatory; // and not there yet
};

struct cfg_words_candidates {
	struct cfg_words_candidate *item; // item[n], in the order of the schema or the tree
	uint32_t n, cap;
	bool complete;	// the line could end before the last word
	bool truncated; // there are more than CFG_WORDS_CANDIDATES
	bool failed;
	struct cfg_words_error error; // when a word before the last one is refused
};

// What could stand in place of the line's last word and begins with it. SET and EDIT offer what the
// schema has, the others what is in the tree.
//
// line     of cfg_words_split_partial; its last word is the one at the cursor
// returns  0 and *out (release with cfg_words_candidates_fini); -EINVAL: a word before the last one
//          is refused, out->error filled; -ENOMEM
int cfg_words_complete(struct cfg_schema *s, const struct lyd_node *tree,
		       const struct cfg_words *line, enum cfg_words_mode mode,
		       struct cfg_words_candidates *out);
void cfg_words_candidates_fini(struct cfg_words_candidates *c);

// --- Text. `at` names a node as a `show` line does; NULL = everything. A node that the tree does
// not have prints nothing. returns 0 and *out (free()); -EINVAL with e filled; -ENOMEM

// Lines (set, insert order kept; annotate) that make the same again from nothing.
int cfg_words_print_set(struct cfg_schema *s, const struct lyd_node *tree,
			const struct cfg_words *at, char **out, struct cfg_words_error *e);
// Braces, as Junos shows them.
int cfg_words_print_text(struct cfg_schema *s, const struct lyd_node *tree,
			 const struct cfg_words *at, char **out, struct cfg_words_error *e);

struct cfg_words_pair {
	const struct lyd_node *from, *to;
};

// What has to change to come from one tree to the other: under a heading for each place the lines
// that go (-), come (+) and move (!).
int cfg_words_compare(struct cfg_schema *s, const struct cfg_words_pair *trees,
		      const struct cfg_words *at, char **out, struct cfg_words_error *e);

// --- Inside: shared by words*.c.

enum cfg_words_expect {
	CFG_WORDS_AT_NODE,   // a node's name
	CFG_WORDS_AT_KEY,    // the next key of `pending`
	CFG_WORDS_AT_VALUE,  // the value of `pending`
	CFG_WORDS_AT_VALUES, // values of `pending` until ]
	CFG_WORDS_AT_END,    // nothing more
};

// A line while it is read.
struct cfg_walk {
	struct cfg_schema *s;
	const struct cfg_words *line;
	struct cfg_words_error *e;
	enum cfg_words_mode mode;
	enum cfg_words_expect expect;
	struct lyd_node *root;	 // the line's tree: owned
	struct lyd_node *at;	 // innermost container or entry; NULL = the top
	struct lyd_node *parent; // of what `pending` becomes
	const struct lysc_node *pending;
	struct lyd_node *last; // what was completed last; NULL = nothing
	char *key[CFG_WORDS_KEYS];
	uint32_t n_keys;
	bool wild; // a line of delete: * names all entries of a list
	bool all;  // every instance of `pending` is meant
};

// A node that can be named here, and how.
struct cfg_reach {
	const char *name;
	const struct lysc_node *node;
	const struct lysc_node *via; // container in between; NULL = a child
};

struct cfg_reaches {
	struct cfg_reach *item;
	uint32_t n, cap;
};

int cfg_words_refuse(struct cfg_walk *k, uint32_t word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void cfg_words_expected(struct cfg_walk *k, const char *text);

// Start at the line's context. Always followed by cfg_walk_fini.
int cfg_walk_init(struct cfg_walk *k, struct cfg_schema *s, const struct cfg_words *line,
		  enum cfg_words_mode mode, struct cfg_words_error *e);
int cfg_walk_word(struct cfg_walk *k, uint32_t i);
// All words from line->first to `end`.
int cfg_walk_words(struct cfg_walk *k, uint32_t end);
// The line ends before word i: does it say enough?
int cfg_walk_end(struct cfg_walk *k, uint32_t i);
void cfg_walk_fini(struct cfg_walk *k);
// Has the line named one list entry or leaf-list value just now?
bool cfg_walk_instance(const struct cfg_walk *k);
// Read words up to `end`, or up to one of stops (NULL-terminated) behind an instance. *at = where
// it stopped
int cfg_walk_until(struct cfg_walk *k, const char *const *stops, uint32_t end, uint32_t *at);
// Go on with another instance of the same list, the keys of which follow.
void cfg_walk_other(struct cfg_walk *k);
extern const char *const cfg_words_to[], *const cfg_words_where[];
const struct lysc_node *cfg_walk_level(const struct cfg_walk *k);

// Everything that can be named below level (NULL = the top): children first, or the short forms.
int cfg_reach_children(const struct ly_ctx *ctx, const struct lysc_node *level,
		       struct cfg_reaches *r);
int cfg_reach_short(const struct ly_ctx *ctx, const struct lysc_node *level, struct cfg_reaches *r);
// Name of a node as it has to be typed: with its module where a sibling has the same name.
void cfg_words_put_name(struct cfg_words_text *t, const struct ly_ctx *ctx,
			const struct lysc_node *n);

// Next child that configuration may have; NULL after the last one.
const struct lysc_node *cfg_words_child(const struct ly_ctx *ctx, const struct lysc_node *parent,
					const struct lysc_node *last);

// Values. *out = what libyang takes for what was typed (free()).
// returns  0; -EINVAL with e->reason and e->expected filled; -ENOMEM
int cfg_words_value(const struct ly_ctx *ctx, const struct lysc_node *leaf, const char *text,
		    char **out, struct cfg_words_error *e);
// A value as it has to be typed: an identity without its module while that is clear.
void cfg_words_put_value(struct cfg_words_text *t, const struct lyd_node *leaf);
void cfg_words_type_text(struct cfg_words_text *t, const struct lysc_node *leaf);
const struct lysc_type *cfg_words_type(const struct lysc_node *leaf);
typedef void (*cfg_ident_fn)(void *arg, const struct lysc_ident *id);
// Every identity that the type allows.
void cfg_words_identities(const struct lysc_type *type, cfg_ident_fn fn, void *arg);
// Its name, with the module where the type allows several of that name.
void cfg_words_put_identity(struct cfg_words_text *t, const struct lysc_type *type,
			    const struct lysc_ident *id);

// The node of the tree that n, of a line's tree, means; NULL = there is none.
struct lyd_node *cfg_words_find(struct lyd_node *tree, const struct lyd_node *n);
// The sibling that n means: the leaf or container, whatever it holds; the entry of those keys.
struct lyd_node *cfg_words_match(struct lyd_node *siblings, const struct lyd_node *n);
// Children of parent, or the top-level nodes of tree.
struct lyd_node *cfg_words_siblings(struct lyd_node *tree, const struct lyd_node *parent);
// A node of another case of a choice that n belongs to, among n's siblings; NULL = there is none.
struct lyd_node *cfg_words_rival(struct lyd_node *siblings, const struct lysc_node *n);
const char *cfg_words_comment(const struct lyd_node *n);
int cfg_words_merge(struct lyd_node **tree, const struct lyd_node *root);
bool cfg_words_prints(const struct lyd_node *n);
// Name, keys, value of one node, with blanks in between.
void cfg_words_put_words(struct cfg_words_text *t, const struct lyd_node *n);
// Words from the top to n, each followed by a blank.
void cfg_words_put_path(struct cfg_words_text *t, const struct lyd_node *n);
// Braces text of one node, `sign` before each line.
struct cfg_words_style {
	const char *sign;
	uint32_t depth;
	bool comments;
};
void cfg_words_put_node(struct cfg_words_text *t, const struct lyd_node *n,
			const struct cfg_words_style *style);
// The comment as a line of its own.
void cfg_words_put_comment(struct cfg_words_text *t, const char *text,
			   const struct cfg_words_style *style);
// "vm web1 { ... }" or "mtu 9000;", without the end of the line.
void cfg_words_put_head(struct cfg_words_text *t, const struct lyd_node *n,
			const struct cfg_words_style *style);

// What a `show` line names.
struct cfg_place {
	const struct lyd_node *parent, *node; // node NULL = all of parent, or all `all` in it
	const struct lysc_node *all;	      // every instance of it below parent
	bool missing;			      // the tree does not have it
};
int cfg_place_find(struct cfg_walk *k, const struct lyd_node *tree, struct cfg_place *out);

static inline bool cfg_words_is(const struct lyd_node *n, uint16_t types)
{
	return n->schema != NULL && (n->schema->nodetype & types) != 0;
}

#endif
