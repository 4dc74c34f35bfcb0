// SPDX-License-Identifier: GPL-2.0-or-later
/* screen.c - see screen.h. The sequences are those of ECMA-48, which every terminal in use knows. */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "proto/hidden-characters.h"

#define LINE_BYTES 4096
#define MARK "..."
#define MARKED_FROM 40 /* columns; with fewer there is no room for it */

static struct termios before;
static bool began;

static void put(struct page *p, const char *bytes, size_t n)
{
	if (p->used + n + 1 > p->size) {
		size_t want = (p->used + n + 1) * 2;
		char *more = realloc(p->text, want);

		if (!more)
			return;
		p->text = more;
		p->size = want;
	}
	memcpy(p->text + p->used, bytes, n);
	p->used += n;
	p->text[p->used] = 0;
}

/* What fits into @room columns; 0: all. False: that was not all. @p: NULL: only to know that. */
static bool add_text(struct page *p, const char *at, unsigned int room)
{
	const char *end = at + strlen(at);
	unsigned int width = 0;
	mbstate_t state = { 0 };

	while (at < end) {
		wchar_t c;
		size_t n = mbrtowc(&c, at, (size_t)(end - at), &state);
		int columns = n && n <= (size_t)(end - at) ? wcwidth(c) : -1;
		bool shown = columns >= 0 && iswprint((wint_t)c) && (c < 0x80 || c >= 0xa0) &&
			     !is_hidden_character((uint32_t)c);

		if (n > (size_t)(end - at)) { /* no character */
			memset(&state, 0, sizeof(state));
			n = 1;
		}
		if (!shown)
			columns = 1;
		if (room && width + (unsigned int)columns > room)
			return false;
		if (p)
			put(p, shown ? at : "?", shown ? n : 1);
		width += (unsigned int)columns;
		at += n;
	}
	return true;
}

void page_add(struct page *p, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (p->columns < MARKED_FROM || add_text(NULL, line, p->columns)) {
		add_text(p, line, p->columns);
	} else {
		add_text(p, line, p->columns - (unsigned int)strlen(MARK));
		put(p, MARK, strlen(MARK));
	}
	put(p, "\n", 1);
}

void page_clear(struct page *p)
{
	p->used = 0;
	if (p->text)
		*p->text = 0;
}

void page_free(struct page *p)
{
	free(p->text);
	*p = (struct page){ 0 };
}

static void send(const char *bytes, size_t n)
{
	while (n) {
		ssize_t r = write(STDOUT_FILENO, bytes, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return;
		bytes += r;
		n -= (size_t)r;
	}
}

static void send_text(const char *text)
{
	send(text, strlen(text));
}

bool screen_begin(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return false;
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) < 0)
		return false;
	began = true;
	send_text("\033[?1049h\033[?25l\033[2J"); /* another screen, no cursor */
	return true;
}

void screen_end(void)
{
	if (!began)
		return;
	began = false;
	send_text("\033[0m\033[?25h\033[?1049l");
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

void screen_size(unsigned int *ret_columns, unsigned int *ret_lines)
{
	struct winsize w = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || !w.ws_col || !w.ws_row)
		w = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	*ret_columns = w.ws_col;
	*ret_lines = w.ws_row;
}

void screen_draw(const struct page *p, size_t inverse)
{
	struct page out = { 0 };
	const char *line = p->text ? p->text : "", *end;

	put(&out, "\033[H", 3);
	for (size_t i = 0; (end = strchr(line, '\n')); line = end + 1, i++) {
		if (i)
			put(&out, "\r\n", 2);
		if (i == inverse)
			put(&out, "\033[7m", 4);
		put(&out, line, (size_t)(end - line));
		put(&out, "\033[0m\033[K", 7);
	}
	put(&out, "\033[J", 3);
	if (out.text)
		send(out.text, out.used);
	page_free(&out);
}

int screen_key(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned char c[3] = { 0 };
	ssize_t n;

	if (poll(&in, 1, 0) <= 0)
		return KEY_NONE;
	n = read(STDIN_FILENO, c, 1);
	if (n <= 0)
		return -1;
	if (c[0] != 033)
		return c[0];
	/* what a key sends comes together */
	if (read(STDIN_FILENO, c + 1, 1) <= 0 || (c[1] != '[' && c[1] != 'O') ||
	    read(STDIN_FILENO, c + 2, 1) <= 0)
		return KEY_ESCAPE;
	return c[2] == 'A' ? KEY_UP : c[2] == 'B' ? KEY_DOWN : KEY_NONE;
}
