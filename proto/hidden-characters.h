/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hidden-characters.h - characters that are not seen, or change how what stands around them is seen:
 * the direction of text, where a line ends, how characters are joined. What always holds: nothing
 * that others chose (names of files and processes, reasons) is logged or shown with one of them.
 */
#ifndef RDMAREG_HIDDEN_CHARACTERS_H
#define RDMAREG_HIDDEN_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @c: of Unicode */
static inline bool is_hidden_character(uint32_t c)
{
	static const uint32_t ranges[][2] = {
		{ 0x061c, 0x061c }, { 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },
		{ 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

#endif
