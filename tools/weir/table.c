#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "weir_priv.h"

enum { COLS = 16 };

void table_cell(struct table *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (t->n_cells == t->cap) {
		t->cap = t->cap == 0 ? 256 : 2 * t->cap;
		t->cells = realloc(t->cells, t->cap * sizeof(*t->cells));
		if (t->cells == NULL)
			abort(); // a client without memory has nothing to say
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t->cells[t->n_cells++] = strdup(text);
}

void table_begin(struct table *t, size_t n_cols, const char *const *names)
{
	memset(t, 0, sizeof(*t));
	t->n_cols = n_cols;
	for (size_t i = 0; i < n_cols; i++)
		table_cell(t, "%s", names[i]);
}

static bool numeric(const struct table *t, size_t col)
{
	for (size_t i = t->n_cols + col; i < t->n_cells; i += t->n_cols) {
		if (t->cells[i][0] != '\0' && !isdigit((unsigned char)t->cells[i][0]) &&
		    t->cells[i][0] != '-')
			return false;
		if (strchr(t->cells[i], ':') != NULL || strchr(t->cells[i], '.') != NULL)
			return false;
	}
	return t->n_cells > t->n_cols;
}

void table_print(FILE *f, struct table *t)
{
	size_t width[COLS] = { 0 };
	bool right[COLS];

	for (size_t i = 0; i < t->n_cells; i++) {
		size_t len = strlen(t->cells[i]);

		width[i % t->n_cols] = len > width[i % t->n_cols] ? len : width[i % t->n_cols];
	}
	for (size_t c = 0; c < t->n_cols; c++)
		right[c] = numeric(t, c);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t c = i % t->n_cols;
		bool last = c == t->n_cols - 1;

		if (f == NULL)
			;
		else if (right[c])
			fprintf(f, "%*s%s", (int)width[c], t->cells[i], last ? "\n" : "  ");
		else
			fprintf(f, "%-*s%s", last ? 0 : (int)width[c], t->cells[i],
				last ? "\n" : "  ");
		free(t->cells[i]);
	}
	free(t->cells);
}
