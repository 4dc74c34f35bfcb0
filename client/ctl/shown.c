// SPDX-License-Identifier: GPL-2.0-or-later
/* shown.c - see shown.h. */
#include "shown.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/hidden-characters.h"

/* Bytes of the character at @s; 0: it begins none. */
static size_t character(const char *s, uint32_t *ret)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)*s;
	size_t n = first < 0x80		? 1
		   : first >> 5 == 0x06 ? 2
		   : first >> 4 == 0x0e ? 3
		   : first >> 3 == 0x1e ? 4
					: 0;

	*ret = n > 1 ? first & (0x7fu >> n) : first;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0; /* the end of the text too */
		*ret = *ret << 6 | (s[i] & 0x3fu);
	}
	if (*ret > 0x10ffff || (*ret >= 0xd800 && *ret <= 0xdfff))
		return 0; /* beyond Unicode, or half of a pair of UTF-16 */
	return n && *ret >= smallest[n] ? n : 0;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

char *shown_copy(const char *text)
{
	char *copy = malloc(strlen(text) * strlen("\\xNN") + 1), *at = copy;
	uint32_t c;

	while (copy && *text) {
		size_t n = character(text, &c);
		bool plain = n && !is_control(c) && !is_hidden_character(c);

		for (n = n ? n : 1; n; n--, text++) {
			if (plain)
				*at++ = *text;
			else
				at += sprintf(at, "\\x%02x", (unsigned char)*text);
		}
	}
	if (copy)
		*at = 0;
	return copy;
}
