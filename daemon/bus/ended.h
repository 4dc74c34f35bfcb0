/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ended.h - the regions that ended last, so that who asks for one hears what became of it.
 *
 * What always holds: for people only, nothing is decided by it; nobody learns of another user's. Of
 * a user the last ENDED_PER_UID are remembered, whatever others do; of at most ENDED_UIDS users,
 * those that had an end last.
 */
#ifndef RDMAREG_BUS_ENDED_H
#define RDMAREG_BUS_ENDED_H

#include <stddef.h>
#include <stdint.h>

#include "names.h"

#define ENDED_PER_UID 256
#define ENDED_UIDS 256
#define ENDED_TEXT_MAX 240

struct end;

/* The last ends of one user. */
struct ended_user {
	uint32_t uid;
	uint64_t last; /* ended.notes at the last of them; 0: nobody's */
	size_t next;
	struct end *ends; /* a ring */
};

/* Zero-initialized is empty. */
struct ended {
	uint64_t notes;
	struct ended_user users[ENDED_UIDS];
};

/* Frees what it has. */
void ended_clear(struct ended *e);
/* Without memory it is not remembered. */
void ended_note(struct ended *e, uint64_t region, uint32_t uid, enum region_end why);
/* For a sentence about a region that is not there, as @uid may hear it. */
void ended_describe(const struct ended *e, uint64_t region, uint32_t uid,
		    char out[static ENDED_TEXT_MAX]);
/* The same about one that ends now. */
const char *ended_text(enum region_end why);

#endif
