// Lines of words, whatever a person or a program types. Each line of the input is one command. A
// refused line changes nothing and says why; what was accepted, printed as set lines and read
// again, is the same configuration; what compares as equal prints as equal. The first byte says
// whether the tree starts empty.
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../config/words_priv.h"

#define MAX_LINES 32 // more only takes time

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cfg_schema *schema;

static const char start[] = "set vm web1 nic 0 mac 52:54:00:00:00:01 vlan 20\n"
			    "set vm web2 boot method kernel kernel k\n"
			    "set file k path /k\n"
			    "set interface u0 type uplink tap t trunk [ 1 20-29 ]\n"
			    "set system worker-cpu [ 3 1 2 ]\n"
			    "set portal 10.0.0.1 tcp 3260\n"
			    "annotate vm web1 nic 0 vlan \"a */ b\"\n";

static char *json(const struct lyd_node *tree)
{
	char *text = NULL;

	lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_SHRINK | LYD_PRINT_WITHSIBLINGS);
	return text == NULL ? strdup("") : text;
}

static void complete(const struct lyd_node *tree, const char *text, size_t size)
{
	struct cfg_words_candidates found;
	struct cfg_words_error e;
	struct cfg_words line;

	if (cfg_words_split_partial(text, size, &line, &e) < 0)
		return;
	line.first = line.n > 1 ? 1 : 0;
	for (int mode = CFG_WORDS_SET; mode <= CFG_WORDS_INSERT; mode++) {
		if (cfg_words_complete(schema, tree, &line, (enum cfg_words_mode)mode, &found) < 0)
			assert(found.error.reason[0] != '\0' && found.n == 0);
		cfg_words_candidates_fini(&found);
	}
	cfg_words_fini(&line);
}

static void show(const struct lyd_node *from, const struct lyd_node *to, const char *text,
		 size_t size)
{
	struct cfg_words_error e;
	struct cfg_words line;
	char *out, *xpath;

	if (cfg_words_split(text, size, &line, &e) < 0)
		return;
	line.first = line.n > 0 ? 1 : 0;
	if (cfg_words_print_text(schema, to, &line, &out, &e) == 0)
		free(out);
	if (cfg_words_compare(schema, &(struct cfg_words_pair){ from, to }, &line, &out, &e) == 0)
		free(out);
	if (cfg_words_edit(schema, &line, &out, &xpath, &e) == 0) {
		struct cfg_words again = { .context = out };
		char *words, *same;

		// What comes out of edit goes into it.
		assert(cfg_words_edit(schema, &again, &words, &same, &e) == 0);
		assert(strcmp(out, words) == 0 && strcmp(xpath, same) == 0);
		free(words);
		free(same);
		free(out);
		free(xpath);
	}
	cfg_words_fini(&line);
}

static void replay(const struct lyd_node *tree)
{
	struct lyd_node *again = NULL;
	struct cfg_words_error e;
	char *lines, *a, *b, *diff;

	if (cfg_words_print_set(schema, tree, NULL, &lines, &e) < 0)
		abort();
	if (cfg_words_load_set(schema, &again, lines, strlen(lines), &e) < 0)
		abort();
	a = json(tree);
	b = json(again);
	if (strcmp(a, b) != 0)
		abort();
	if (cfg_words_compare(schema, &(struct cfg_words_pair){ tree, again }, NULL, &diff, &e) < 0)
		abort();
	assert(diff[0] == '\0');
	free(diff);
	free(a);
	free(b);
	free(lines);
	lyd_free_all(again);
}

static void one_line(struct lyd_node **tree, const char *text, size_t size)
{
	struct lyd_node *was = NULL;
	struct cfg_words_error e;
	struct cfg_words line;
	char *a, *b, *diff, said[2048];
	int rc;

	complete(*tree, text, size);
	if (cfg_words_split(text, size, &line, &e) < 0) {
		assert(e.reason[0] != '\0' && e.at <= size);
		return;
	}
	if (*tree != NULL)
		lyd_dup_siblings(*tree, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS, &was);
	a = json(*tree);
	rc = cfg_words_run(schema, tree, &line, &e);
	b = json(*tree);
	if (rc < 0) {
		assert(strcmp(a, b) == 0 && e.reason[0] != '\0' && e.at <= size);
		assert(e.word <= line.n && cfg_words_error_text(&e, said, sizeof(said))[0] != '\0');
	} else {
		replay(*tree);
		if (cfg_words_compare(schema, &(struct cfg_words_pair){ was, *tree }, NULL, &diff,
				      &e) < 0)
			abort();
		assert((diff[0] == '\0') == (strcmp(a, b) == 0));
		free(diff);
	}
	show(was, *tree, text, size);
	free(a);
	free(b);
	lyd_free_all(was);
	cfg_words_fini(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lyd_node *tree = NULL;
	struct cfg_words_error e;
	struct cfg_error err;
	unsigned lines = 0;

	if (schema == NULL && cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0)
		abort();
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0 && cfg_words_load_set(schema, &tree, start, strlen(start), &e) < 0)
		abort();
	for (size_t i = 1, n; i < size && lines < MAX_LINES; i += n + 1, lines++) {
		const uint8_t *end = memchr(data + i, '\n', size - i);

		n = end == NULL ? size - i : (size_t)(end - (data + i));
		one_line(&tree, (const char *)data + i, n);
	}
	lyd_free_all(tree);
	return 0;
}
