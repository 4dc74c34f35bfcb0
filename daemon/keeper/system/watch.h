/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.h - the kernel's side: /dev/rdmareg, which tells what happens to mapped files and before
 * blocks are taken.
 *
 * What always holds: a report carries the number of the slot it is about, so that a late one is
 * recognised; after watch_remove() no report of that slot comes. Without the module everything here
 * answers -ENODEV and regions do without.
 */
#ifndef RDMAREG_KEEPER_WATCH_H
#define RDMAREG_KEEPER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "util/failure.h"
#include "rdmareg-uapi.h"
#include "util/cleanup.h"

#define WATCH_NO_SLOT RDMAREG_SLOT_ANY

struct event_base;
struct watch;

struct watch_ops {
	/* @report.cookie is the region's number. */
	void (*range)(void *userdata, const struct rdmareg_report *report);
	void (*layout)(void *userdata, const struct rdmareg_report *report);
};

/* -ENODEV, -EACCES, -EPROTO (another ABI): why there is nothing to watch with. */
int watch_new(struct watch **ret, struct event_base *base, const struct watch_ops *ops,
	      void *userdata, struct failure *why);
struct watch *watch_free(struct watch *w);
DEFINE_FREEP(struct watch, watch_free)

/* Longest deadline that watch_layout() takes. */
uint32_t watch_max_deadline_msec(const struct watch *w);

/*
 * Errors as RDMAREG_WATCH_RANGE and RDMAREG_WATCH_LAYOUT have them. @ask_writes:
 * RDMAREG_ASK_WRITES.
 */
int watch_range(struct watch *w, uint64_t address, uint64_t length, uint64_t region,
		uint32_t *ret_slot);
/*
 * How long writebacks of a range watch may wait, and in which @grain they are told: RDMAREG_PACE. A
 * module that does not know it tells each at once, which is no error.
 */
int watch_pace(struct watch *w, uint32_t slot, uint32_t interval_msec, uint64_t grain);
int watch_layout(struct watch *w, int fd, uint32_t deadline_msec, bool ask_writes, uint64_t region,
		 uint32_t *ret_slot);

/**
 * watch_layout_anew - another deadline or other flags for a watch that is armed; there is never a
 * moment without one
 * @slot: in, out
 *
 * As watch_layout(); also -EAGAIN when the old one was broken meanwhile, which is reported from
 * within. The old one stays if it fails.
 */
int watch_layout_anew(struct watch *w, int fd, uint32_t deadline_msec, bool ask_writes,
		      uint64_t region, uint32_t *slot);

/* Give the blocks of a break back. -ESTALE: that break is not the current one. */
int watch_release(struct watch *w, uint32_t slot, uint32_t break_id);

/* Lease again. -EAGAIN: not yet. */
int watch_rearm(struct watch *w, uint32_t slot, uint32_t deadline_msec, bool ask_writes);

/* WATCH_NO_SLOT is ignored. */
void watch_remove(struct watch *w, uint32_t slot);

#endif
