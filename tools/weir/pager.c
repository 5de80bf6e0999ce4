// A page at a time: space, enter, q.
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "weir_priv.h"

void pager_start(struct pager *p)
{
	struct winsize w = { 0 };

	*p = (struct pager){ .on = true };
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row < 3) {
		p->on = false; // there is no page
		return;
	}
	p->rows = w.ws_row - 1u;
	p->columns = w.ws_col < 20 ? 80 : w.ws_col;
}

static uint32_t rows_of(const struct pager *p, const char *line, size_t size)
{
	uint32_t n = 0;
	mbstate_t state = { 0 };

	for (size_t i = 0; i < size;) {
		wchar_t wide = 0;
		size_t used = mbrtowc(&wide, line + i, size - i, &state);
		int width = wide == L'\t' ? 8 - (int)(n % 8) : wcwidth(wide);

		if (used == 0 || used > size - i) {
			used = 1;
			state = (mbstate_t){ 0 };
		}
		i += used;
		n += width < 0 ? 1 : (uint32_t)width;
	}
	return n == 0 ? 1 : (n + p->columns - 1) / p->columns;
}

// One key, without echo. Ctrl-C is a key here, too.
static char key(void)
{
	struct termios was, raw;
	char k = 'q';

	if (tcgetattr(STDIN_FILENO, &was) < 0)
		return 'q';
	raw = was;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	if (read(STDIN_FILENO, &k, 1) != 1)
		k = 'q';
	tcsetattr(STDIN_FILENO, TCSADRAIN, &was);
	return k;
}

bool pager_line(struct pager *p, const char *line, size_t size)
{
	static const char question[] = "--More-- (space: page, enter: line, q: quit)";
	uint32_t rows;
	char k;

	if (!p->on || p->quit)
		return !p->quit;
	rows = rows_of(p, line, size);
	if (p->used > 0 && p->used + rows > p->rows) {
		printf("%s", question);
		fflush(stdout);
		do {
			k = key();
		} while (strchr(" \r\nqQ\003\004", k) == NULL);
		printf("\r%*s\r", (int)sizeof(question) - 1, "");
		fflush(stdout);
		p->quit = k != ' ' && k != '\r' && k != '\n';
		p->used = k == ' ' ? 0 : p->rows - rows;
		if (p->used > p->rows)
			p->used = 0;
	}
	p->used += rows;
	return !p->quit;
}
