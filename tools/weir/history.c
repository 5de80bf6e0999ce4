// Lines of earlier sessions, in ~/.weir_history. Several clients share the file: a line is added as
// soon as it was typed, for a terminal may be cut off at any time, under a lock; the oldest leave.
#include "history.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "weir_priv.h"

enum {
	HISTORY_LINES = 1000,
	KEPT_LINE_BYTES = 4096,	  // longer ones are pasted, not typed
	HISTORY_BYTES = 16 << 20, // more than so many lines can be: begun anew
};

static const char cookie[] = "_HiStOrY_V2_\n"; // libedit's

static FILE *history_open(const char *path)
{
	int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	FILE *f = NULL;
	struct stat st;

	// Who points it at /dev/null wants none.
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_EX) == 0) {
		(void)fchmod(fd, 0600);
		f = fdopen(fd, "r+");
	}
	if (f == NULL && fd >= 0)
		close(fd);
	return f;
}

// All of it, if it is a history. returns NULL when it is none; free()
static char *history_read(FILE *f, size_t *size)
{
	struct stat st;
	char *text = NULL;

	if (fstat(fileno(f), &st) < 0 || st.st_size > HISTORY_BYTES)
		return NULL;
	text = need(malloc((size_t)st.st_size + 1));
	*size = fread(text, 1, (size_t)st.st_size, f);
	text[*size] = '\0';
	if (strncmp(text, cookie, sizeof(cookie) - 1) == 0)
		return text;
	free(text);
	return NULL;
}

// The first line that is kept, of text[size].
static const char *history_begin(const char *text, size_t size)
{
	const char *at = text + size;

	for (uint32_t n = 0; at > text + sizeof(cookie) - 1; at--) {
		if (at[-1] == '\n' && n++ == HISTORY_LINES)
			return at;
	}
	return text + sizeof(cookie) - 1;
}

static void history_trim(FILE *f)
{
	const char *begin;
	char *text;
	size_t size = 0;

	rewind(f);
	text = history_read(f, &size);
	begin = text == NULL ? NULL : history_begin(text, size);
	if (begin != NULL && begin > text + sizeof(cookie) - 1) {
		rewind(f);
		fputs(cookie, f);
		fwrite(begin, 1, (size_t)(text + size - begin), f);
		if (fflush(f) == 0)
			(void)!ftruncate(fileno(f), ftell(f));
	}
	free(text);
}

void history_load(History *h, const char *path)
{
	FILE *f = history_open(path);
	HistEvent ev;

	history(h, &ev, H_SETSIZE, HISTORY_LINES);
	history(h, &ev, H_SETUNIQUE, 1);
	if (f == NULL)
		return;
	history(h, &ev, H_LOAD, path);
	fclose(f);
}

// In libedit's form, which only libedit writes.
static void history_write(FILE *f, const char *line)
{
	History *one = history_init();
	HistEvent ev;

	fseek(f, 0, SEEK_END); // its mark goes where the file is empty
	if (one != NULL && history(one, &ev, H_SETSIZE, 1) >= 0 &&
	    history(one, &ev, H_ENTER, line) >= 0)
		history(one, &ev, H_SAVE_FP, f);
	if (one != NULL)
		history_end(one);
}

static void history_append(const char *path, const char *line)
{
	FILE *f = history_open(path);
	size_t size;
	char *text;

	if (f == NULL)
		return;
	text = history_read(f, &size);
	if (text == NULL)
		(void)!ftruncate(fileno(f), 0);
	free(text);
	history_write(f, line);
	history_trim(f);
	fclose(f); // and the lock goes
}

void history_add(History *h, const char *path, const char *line)
{
	HistEvent ev;
	size_t size = strcspn(line, "\n");
	char *text = need(strndup(line, size));

	// The same line again is not entered.
	if (text[strspn(text, " \t")] != '\0' && history(h, &ev, H_ENTER, text) > 0 &&
	    size <= KEPT_LINE_BYTES)
		history_append(path, text);
	free(text);
}

char *history_path(void)
{
	const char *home = getenv("HOME");
	struct text t = { 0 };

	if (home == NULL || home[0] != '/')
		return NULL;
	text_printf(&t, "%s/.weir_history", home);
	return text_take(&t);
}
