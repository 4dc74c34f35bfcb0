/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ended.h - the regions that ended last, so that who asks for one hears what became of it.
 *
 * What always holds: for people only, nothing is decided by it; nobody learns of another user's; a fixed number of them,
 * the oldest make room.
 */
#ifndef RDMAREG_BUS_ENDED_H
#define RDMAREG_BUS_ENDED_H

#include <stdint.h>

#include "bus/bus.h"

#define ENDED_MAX 256
#define ENDED_TEXT_MAX 128

struct ended {
	struct {
		uint64_t id; /* 0: none yet */
		uint64_t at_usec;
		uint32_t uid;
		bool lost; /* with its keeper */
	} notes[ENDED_MAX];
	uint32_t next;
};

/* It is about to be gone. */
void ended_note(struct ended *e, const struct region_view *v);
/* For a sentence about a region that is not there, as @uid may hear it. */
void ended_describe(const struct ended *e, uint64_t id, uint32_t uid, char out[static ENDED_TEXT_MAX]);

#endif
