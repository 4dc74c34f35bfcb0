/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bytes.h - an input as a tape: what a target asks for is taken from its beginning. What always
 * holds: an input that is used up gives zeros, and no more of it is there than it had.
 */
#ifndef RDMAREG_FUZZ_BYTES_H
#define RDMAREG_FUZZ_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	const uint8_t *at;
	size_t left;
};

/* So many bytes, or those that are left; the rest of @ret is zero. */
static inline void bytes_take(struct bytes *b, void *ret, size_t size)
{
	size_t n = size < b->left ? size : b->left;

	memset(ret, 0, size);
	if (n)
		memcpy(ret, b->at, n);
	b->at += n;
	b->left -= n;
}

static inline uint8_t bytes_u8(struct bytes *b)
{
	uint8_t v;

	bytes_take(b, &v, sizeof(v));
	return v;
}

static inline uint16_t bytes_u16(struct bytes *b)
{
	uint16_t v;

	bytes_take(b, &v, sizeof(v));
	return v;
}

static inline uint64_t bytes_u64(struct bytes *b)
{
	uint64_t v;

	bytes_take(b, &v, sizeof(v));
	return v;
}

/* Text up to a zero byte or the end, cut to @size. False: nothing is left. */
static inline bool bytes_text(struct bytes *b, char *ret, size_t size)
{
	const uint8_t *end = b->left ? memchr(b->at, 0, b->left) : NULL;
	size_t n = end ? (size_t)(end - b->at) : b->left;
	size_t kept = n < size - 1 ? n : size - 1;
	bool any = b->left;

	if (kept)
		memcpy(ret, b->at, kept);
	ret[kept] = 0;
	b->at += n + (end != NULL);
	b->left -= n + (end != NULL);
	return any;
}

#endif
