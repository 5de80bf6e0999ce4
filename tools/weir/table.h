// Tables of text. Columns are as wide as their widest cell; numbers stand right.
//
// usage: table_begin(&t, 2, names); for each row: table_cell(&t, "%s", name); table_cell(&t, "%u",
//        n); table_print(f, &t);
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table {
	size_t n_cols, n_cells, cap;
	char **cells; // row by row, the header first
};

// At most 16 columns.
void table_begin(struct table *t, size_t n_cols, const char *const *names);
// Row by row.
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Write it, unless f is NULL, and free what it has.
void table_print(FILE *f, struct table *t);

#endif
