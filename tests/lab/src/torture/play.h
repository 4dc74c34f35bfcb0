/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * play.h - plays a tape on a subject, beside the model, and says where they part.
 *
 * What always holds: one operation ends before the next begins, so there is one right answer to each
 * read.
 */
#ifndef PLAY_H
#define PLAY_H

#include "model.h"

/* What a tape is played on. */
struct subject {
	void *self;
	/* two empty files, as if nothing had ever been done; 0, or a negative errno */
	int (*begin)(void *self);
	/*
	 * One operation, fitted. Bytes done or read, or a negative errno; -ETIME: it does not end.
	 * @data: FILE_BYTES; what is to be written, or was read. Of OP_STATE: a byte for each of
	 * the file, 1 in a hole; returned is the size.
	 */
	int64_t (*perform)(void *self, const struct op *op, uint8_t *data);
	/* why the last operation of a peer or about a region failed; "" */
	const char *(*why)(void *self);
	void (*end)(void *self);
	/*
	 * how often a read of a peer is tried again before a byte is wrong: what the product says is
	 * late there (docs/dax.md, unwritten blocks of ext4)
	 */
	unsigned int late_reads;
	/* of file a from the beginning, which is a device; then there is no file b. 0: it is none */
	uint32_t device_bytes;
};

struct counts {
	uint64_t done[N_OP_KINDS];
	uint64_t missing; /* the filesystem does not have it */
	uint64_t refused; /* by policy hold, or a peer's that failed in words */
	uint64_t late;
};

struct verdict {
	size_t at; /* which operation */
	char what[600];
};

/* true: everything held. @counts: added to; NULL. */
bool play(const struct subject *s, const struct op *ops, size_t n, struct counts *counts,
	  struct verdict *ret);

#endif
