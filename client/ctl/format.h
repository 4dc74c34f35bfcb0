/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * format.h - sizes and times as people write them, and back. Sizes: 4096, 64K, 1.5G do not mix:
 * digits, then K, M, G or T (powers of 1024), then nothing or "iB" or "B". Times: digits, then us,
 * ms, s, min or h; a bare number is seconds. Ranges: an offset and a length, each a size, with a
 * colon between them.
 */
#ifndef RDMAREGCTL_FORMAT_H
#define RDMAREGCTL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* 0, or -EINVAL (not of that form) or -ERANGE (does not fit); *ret is untouched then. */
int parse_number(const char *text, uint64_t *ret);
int parse_size(const char *text, uint64_t *ret);
int parse_time(const char *text, uint64_t *ret_usec);

struct range {
	uint64_t offset;
	uint64_t length; /* above 0; the end fits too */
};
int parse_range(const char *text, struct range *ret);

/*
 * Short enough for FORMAT_BYTES; exact numbers stay exact, others get one decimal: 64K, 1.5G, 1234;
 * 500ms, 2s, 1.5min.
 */
#define FORMAT_BYTES 32
const char *format_size(char *buffer, uint64_t bytes);
const char *format_time(char *buffer, uint64_t usec);

/* Behind a word that is counted: "%u region%s". */
#define PLURAL(n) ((n) == 1 ? "" : "s")

#endif
