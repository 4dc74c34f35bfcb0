/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * screen.h - a page of lines on a terminal, drawn anew as a whole.
 *
 * What always holds: the terminal is as it was when the program ends in any way that it can see; no
 * byte of a name reaches it that is no printable character, so no name can move, colour or rename
 * anything; no line is wider than the terminal.
 */
#ifndef RDMAREGCTL_SCREEN_H
#define RDMAREGCTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

struct page {
	char *text;
	size_t used, size;
	unsigned int columns; /* of the terminal; 0: lines are as long as they are */
};

/* One line; what cannot be shown in it becomes '?', what does not fit is cut, with a mark. */
void page_add(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void page_clear(struct page *p);
void page_free(struct page *p);

/* From now on it is drawn on; keys come one by one. False: it is none that this can be done with. */
bool screen_begin(void);
void screen_end(void);
void screen_size(unsigned int *ret_columns, unsigned int *ret_lines);
/* @inverse: of these lines the one that is selected; SIZE_MAX: none. */
void screen_draw(const struct page *p, size_t inverse);

/* A key, or one of these. */
enum {
	KEY_NONE = 0,
	KEY_UP = 0x100,
	KEY_DOWN,
	KEY_ESCAPE,
};
/* Of what has arrived; does not wait. -1: nobody types any more. */
int screen_key(void);

#endif
