/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dax-process.h - rdmareg-dax (daemon/dax/helper.c) started, and its answer awaited in the loop.
 *
 * What always holds: @done is called exactly once for each that was started, unless it is
 * abandoned.
 */
#ifndef RDMAREG_DAX_PROCESS_H
#define RDMAREG_DAX_PROCESS_H

#include <event2/event.h>

#include "dax/dax-make.h"

struct dax_process;
struct spawner;

/* @fd: of the device, or -1; the callee's to close. The process is freed after it. */
typedef void dax_done_t(void *userdata, const struct dax_answer *a, int fd);

/**
 * dax_process_start - @program VERB FIRST [SECOND]
 * @second: may be NULL
 */
int dax_process_start(struct dax_process **ret, struct spawner *spawner, struct event_base *base,
		      const char *program, const char *verb, const char *first, const char *second,
		      dax_done_t *done, void *userdata);
/* To be called in @done once the device is on record; one that is not kept is given back. */
void dax_process_keep(struct dax_process *p);

/* Nobody waits any more: what it makes after this, it gives back. */
struct dax_process *dax_process_abandon(struct dax_process *p);

#endif
