/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch.h - what a test can make the kernel do, when the watch is the fake one. */
#ifndef RDMAREG_KEEPER_WATCH_FAKE_H
#define RDMAREG_KEEPER_WATCH_FAKE_H

#include "keeper/system/watch.h"

/*
 * A process wants blocks of a region's file: BREAKING is reported, and the deadline runs. Once
 * given back, by the keeper or at the deadline, the process does what it wanted: @size below 0:
 * nothing that changes the file's size, else the new size. -ENOENT: no layout watch of that region
 * is armed. -EALREADY: it is a write, and the watch does not ask for those.
 */
int watch_fake_break(struct watch *w, uint64_t region, enum rdmareg_operation operation,
		     int64_t size);

/* Called, if it is set, when whoever broke the region's layout has its blocks. */
extern void (*watch_fake_on_given_back)(uint64_t region, bool at_deadline);

/* From now on whoever breaks @region waits for a @part of the deadline, as after a crowd of others. */
int watch_fake_crowd(struct watch *w, uint64_t region, uint32_t part);

/* The deadline of whoever breaks the region's layout is now. -ENOENT: nobody does. */
int watch_fake_expire(struct watch *w, uint64_t region);
/* Who waits for that is being killed. -ENOENT: nobody waits. */
int watch_fake_kill(struct watch *w, uint64_t region);

/*
 * Translations went away: reported at once, or if it is a writeback when the pace of the watch has
 * passed. -ENOENT: no range watch of that region.
 */
int watch_fake_invalidate(struct watch *w, uint64_t region, uint32_t causes, uint64_t start,
			  uint64_t end);

#endif
