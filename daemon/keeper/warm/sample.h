/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sample.h - what a block held at some places of it: enough to see that most of it was written
 * since.
 *
 * A block that the keeper brought back for writing is written back whether or not a peer wrote it,
 * and a large folio as a whole for one page of it, so the writeback says little. What the block
 * holds says more: a peer that writes mostly writes something else than before.
 *
 * What always holds: samples of different lengths never differ, since nothing can be said then, and
 * what was written with the same bytes looks as if it was not written. That is the harmless
 * mistake: the block is brought back for reading once too often.
 *
 * Pure: no I/O, no clock.
 */
#ifndef RDMAREG_KEEPER_WARM_SAMPLE_H
#define RDMAREG_KEEPER_WARM_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#define WARM_SAMPLE_PLACES 16
#define WARM_SAMPLE_BYTES 4096 /* of each place, and where it begins a multiple of them */

struct warm_sample {
	uint16_t pages; /* of WARM_SAMPLE_BYTES that the block has; 0: there is no sample */
	uint8_t sum[WARM_SAMPLE_PLACES];
};

/* Of a block of @length bytes, at least one and at most 65535 pages. */
void warm_sample_begin(struct warm_sample *s, uint64_t length);

/* How many places it has, and where they are, in bytes from the start of the block. */
unsigned int warm_sample_places(const struct warm_sample *s);
uint64_t warm_sample_place(const struct warm_sample *s, unsigned int i);

/* @bytes: WARM_SAMPLE_BYTES that are there. */
void warm_sample_note(struct warm_sample *s, unsigned int i, const void *bytes);

/* At least @most of @of places hold something else (@most <= @of). */
bool warm_sample_differs(const struct warm_sample *a, const struct warm_sample *b,
			 unsigned int most, unsigned int of);

#endif
