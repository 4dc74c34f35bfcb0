/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read-line.h - the first line of a small file, as sysfs has them. What always holds: no file, no
 * line: an empty text.
 */
#ifndef RDMAREG_SELFTEST_READ_LINE_H
#define RDMAREG_SELFTEST_READ_LINE_H

#include <stddef.h>

void read_line(const char *path, char *out, size_t size);

#endif
