/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poison.h - memory that failed, or was taken away under a mapping: living on, and hearing of it.
 *
 * The kernel says so with SIGBUS, whose default ends the process and all of a tenant's regions with
 * it. There are two kinds. One is told of a page that somebody has mapped (BUS_MCEERR_AO); it is
 * blocked in every thread and read from a descriptor. The other belongs to an access of the
 * process's own (BUS_MCEERR_AR and the like), which a blocked signal turns into the end of the
 * process, and rightly: the keeper never touches a region's memory (mapping.h), so what it met is
 * memory of its own.
 *
 * What always holds: SIGBUS from elsewhere changes nothing. Many at once become one: what is told
 * is a hint where to look, never the whole extent.
 */
#ifndef RDMAREG_KEEPER_POISON_H
#define RDMAREG_KEEPER_POISON_H

#include <stdint.h>

#include "util/cleanup.h"

struct event_base;
struct poison;

/* Before there is a second thread: threads inherit it. */
void poison_survive(void);

/* @address is in the page, of @bytes, that is lost. */
typedef void poison_struck_fn(void *userdata, uint64_t address, uint64_t bytes);

int poison_new(struct poison **ret, struct event_base *base, poison_struck_fn *struck,
	       void *userdata);
struct poison *poison_free(struct poison *p);
DEFINE_FREEP(struct poison, poison_free)

#endif
