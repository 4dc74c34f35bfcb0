/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - what must be in two files, byte by byte, after each operation of a tape. Pure: no file is
 * touched.
 *
 * What always holds: bytes beyond the size of a file are zero; so are those of holes.
 */
#ifndef MODEL_H
#define MODEL_H

#include "tape.h"

struct model {
	uint8_t bytes[2][FILE_BYTES];
	uint32_t size[2];
	bool region; /* of file 0 */
	struct region_kind kind;
};

/*
 * Makes an operation one that can be done now: ranges inside the file, aligned as it has to be. false:
 * there is nothing to do.
 */
bool model_fit(const struct model *m, struct op *op);

/* The fitted operation was done; @done: so many bytes of it, where that is a question. */
void model_apply(struct model *m, const struct op *op, uint32_t done);

/*
 * What was read from @offset on. FILE_BYTES: it is what it must be; else the offset in the file of the
 * first byte that is wrong.
 */
uint32_t model_compare(const struct model *m, uint32_t file, uint32_t offset, const uint8_t *data,
		       uint32_t length);

/*
 * What is in the range of a write of which nobody knows how far it came: each byte is what was there
 * or what was written, and counts from now on. Returned as of model_compare().
 */
uint32_t model_adopt(struct model *m, const struct op *op, const uint8_t *data);

/* Does it read? Its bytes are compared. */
bool op_reads(enum op_kind kind);

/* Is it one that policy hold refuses? */
bool op_takes(enum op_kind kind);

#endif
