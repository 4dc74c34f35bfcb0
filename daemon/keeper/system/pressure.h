/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pressure.h - whether memory is short, for the keeper or the machine.
 *
 * The kernel's pressure stall information is asked to report (a trigger, see PSI in the kernel's
 * documentation) when some task stalled for so long within two seconds: the cgroup's own file where
 * it may be written, else the machine's. Such a report holds until none came for longer than the
 * window. A kernel without PSI, or one that does not allow it, leaves pressure unknown, and so low.
 */
#ifndef RDMAREG_KEEPER_PRESSURE_H
#define RDMAREG_KEEPER_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"

struct event_base;
struct pressure;

struct pressure_ops {
	void (*changed)(void *userdata, bool high);
};

/**
 * pressure_new - begin to watch
 * @path: the cgroup's memory.pressure, or NULL
 *
 * Errors as open(2) and write(2) give them: ENOENT without PSI, EPERM or EINVAL where the kernel
 * does not allow it to others than root.
 */
int pressure_new(struct pressure **ret, struct event_base *base, const char *path,
		 uint32_t stall_msec, const struct pressure_ops *ops, void *userdata);
struct pressure *pressure_free(struct pressure *p);
DEFINE_FREEP(struct pressure, pressure_free)

bool pressure_is_high(const struct pressure *p);

#endif
