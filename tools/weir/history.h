// The history file of the prompt; see history.c.
#ifndef WEIR_HISTORY_H
#define WEIR_HISTORY_H

#include <histedit.h>

// Where it is; NULL = nowhere. free()
char *history_path(void);
// path may be NULL everywhere. What cannot be read or written is no reason to stop.
void history_load(History *h, const char *path);
// To h and to the file.
void history_add(History *h, const char *path, const char *line);

#endif
