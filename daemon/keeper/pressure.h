/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pressure.h - whether memory is short, for the keeper or the machine, and what that forbids.
 *
 * The kernel's pressure stall information is asked to report (a trigger, see PSI in the kernel's documentation) when some task stalled for
 * so long within two seconds: the cgroup's own file where it may be written, else the machine's. Such a report holds until none
 * came for longer than the window. A kernel without PSI, or one that does not allow it, leaves pressure unknown, and so low.
 */
#ifndef RDMAREG_KEEPER_PRESSURE_H
#define RDMAREG_KEEPER_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/reason.h"

struct keeper;
struct mapping;
struct pressure;

/* Begins to watch. A failure is said in the log once, and is none: *@ret stays NULL. */
void pressure_new(struct pressure **ret, struct keeper *k);
struct pressure *pressure_free(struct pressure *p);

bool pressure_is_high(const struct keeper *k);

/* -ENOMEM: prefetching so many bytes of a file would use up what the memory cgroup leaves. */
int pressure_check_room(const struct keeper *k, const struct mapping *m, uint64_t bytes);

#endif
