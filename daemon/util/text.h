/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text.h - text of others made fit to be shown. File names and what another process wrote may hold
 * any byte; a D-Bus string must be valid UTF-8 and a log line must stay one line.
 *
 * What always holds: the result is terminated, is printable UTF-8, and is cut between characters,
 * never inside one.
 */
#ifndef RDMAREG_TEXT_H
#define RDMAREG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hidden-characters.h"

/*
 * Bytes of the character at @s, of which @n can be read; 0 if it is none, or none that may be
 * shown.
 */
static inline size_t text_character(const unsigned char *s, size_t n)
{
	/* by length: rejects overlong forms */
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;
	uint32_t c;

	if (length == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if ((length == 4 && (s[0] & 0xf8) != 0xf0) || length > n)
		return 0;
	c = s[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	/*
	 * not UTF-8, not Unicode, C1 controls, surrogates, non-characters (sd-bus takes none of
	 * them)
	 */
	if (c < smallest[length] || c > 0x10ffff || c < 0xa0 || (c >= 0xd800 && c <= 0xdfff) ||
	    (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe || is_hidden_character(c))
		return 0;
	return length;
}

/*
 * Copies the first @n bytes of @s, or up to its end, into @out of @size bytes; each byte that
 * cannot be shown becomes '?'.
 */
static inline void text_clean(char *out, size_t size, const char *s, size_t n)
{
	size_t used = 0, end = strnlen(s, n);

	for (size_t i = 0; i < end;) {
		size_t length = text_character((const unsigned char *)s + i, end - i);
		size_t bytes = length ? length : 1;

		if (used + bytes >= size)
			break;
		if (length)
			memmove(out + used, s + i, length);
		else
			out[used] = '?';
		used += bytes;
		i += bytes;
	}
	out[used] = 0;
}

/*
 * A sentence of ours, "WHAT: WHY; MORE": whole parts of it, as many as there is room for. Of a first
 * part that is too long by itself, whole words, and a mark.
 */
static inline void text_shorten(char *out, size_t size, const char *s)
{
	size_t n = strlen(s);

	if (n >= size) {
		for (n = size - 1; n && strncmp(s + n, "; ", 2) && strncmp(s + n, ": ", 2);)
			n--;
		if (!n) {
			for (n = size - sizeof("..."); n && s[n] != ' ';)
				n--;
			n = n ? n : size - sizeof("...");
			text_clean(out, size, s, n);
			strcat(out, "...");
			return;
		}
	}
	text_clean(out, size, s, n);
}

/* As text_clean() with the text itself, which gets no longer. */
static inline void text_clean_in_place(char *text)
{
	size_t n = strlen(text);

	text_clean(text, n + 1, text, n);
}

#endif
