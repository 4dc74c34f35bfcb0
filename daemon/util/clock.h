/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h - the time in microseconds. Durations and deadlines are CLOCK_MONOTONIC; what a ticket's
 * expiry and a peer's age are counted in is CLOCK_BOOTTIME, which goes on while the machine is
 * suspended. Times of day (CLOCK_REALTIME) are for people only.
 */
#ifndef RDMAREG_CLOCK_H
#define RDMAREG_CLOCK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#define USEC_PER_SEC 1000000ull
#define USEC_PER_MSEC 1000ull

static inline uint64_t clock_usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

static inline uint64_t now_monotonic_usec(void)
{
	return clock_usec(CLOCK_MONOTONIC);
}

static inline uint64_t now_realtime_usec(void)
{
	return clock_usec(CLOCK_REALTIME);
}

static inline uint64_t now_boottime_usec(void)
{
	return clock_usec(CLOCK_BOOTTIME);
}

static inline struct timeval timeval_from_usec(uint64_t usec)
{
	return (struct timeval){ .tv_sec = (time_t)(usec / USEC_PER_SEC),
				 .tv_usec = (suseconds_t)(usec % USEC_PER_SEC) };
}

/* A duration for people, exact: "10 s", "1500 ms", "20 us". */
#define DURATION_BYTES 32
static inline const char *duration_text(char out[static DURATION_BYTES], uint64_t usec)
{
	if (usec % USEC_PER_SEC == 0)
		snprintf(out, DURATION_BYTES, "%" PRIu64 " s", (uint64_t)(usec / USEC_PER_SEC));
	else if (usec % USEC_PER_MSEC == 0)
		snprintf(out, DURATION_BYTES, "%" PRIu64 " ms", (uint64_t)(usec / USEC_PER_MSEC));
	else
		snprintf(out, DURATION_BYTES, "%" PRIu64 " us", usec);
	return out;
}

#endif
