/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease-pause.h - how long a region that could have a layout lease, and was refused one, waits
 * before it tries again.
 *
 * Each try opens the file, which a program with permission events of its own would have to answer:
 * seldom. Where takers are in the way it is a matter of moments, and other regions of the file try
 * as well: whoever tries every half a minute would have none for as long as the takers go on.
 */
#ifndef RDMAREG_KEEPER_LEASE_PAUSE_H
#define RDMAREG_KEEPER_LEASE_PAUSE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/clock.h"

#define LEASE_PAUSE_USEC (500 * USEC_PER_MSEC)
#define LEASE_PAUSE_MAX_USEC (30 * USEC_PER_SEC)
#define LEASE_PAUSE_TAKERS_USEC (100 * USEC_PER_MSEC)
#define LEASE_PAUSE_TAKERS_MAX_USEC USEC_PER_SEC

/* The pause after one of @last_usec (0: this is the first) and a try that failed with @error. */
static inline uint64_t kregion_lease_pause_usec(uint64_t last_usec, int error)
{
	bool takers = error == -EAGAIN || error == -EBUSY;
	uint64_t first = takers ? LEASE_PAUSE_TAKERS_USEC : LEASE_PAUSE_USEC;
	uint64_t most = takers ? LEASE_PAUSE_TAKERS_MAX_USEC : LEASE_PAUSE_MAX_USEC;

	if (!last_usec)
		return first;
	return last_usec < most / 2 ? last_usec * 2 : most;
}

#endif
