/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * time-share.h - how much of the daemon's time somebody may take. What always holds: a user has one
 * part in TIME_SHARE of the time that passes, and has saved TIME_SAVED_USEC of it at most.
 *
 * What is done for a user takes the time in which the daemon works on it, and that in which the
 * machine lets it wait for a processor, since nobody else is served then either. Of the latter a
 * user is charged little: who asks now and then is not to be refused because others keep the machine
 * busy.
 */
#ifndef RDMAREG_TIME_SHARE_H
#define RDMAREG_TIME_SHARE_H

#include <stdint.h>

#define TIME_SHARE 4 /* one part of the time in so many */
#define TIME_SAVED_USEC 1000000ll

struct time_share {
	int64_t credit_usec; /* as of @paid_usec; negative: more than that was used */
	uint64_t paid_usec;
};

/* A moment, by the clock and by the time that this thread has worked. */
struct time_span {
	uint64_t usec;
	uint64_t worked_usec;
};

struct time_span time_span_begin(void);
void time_share_begin(struct time_share *s);
/* For the time that has passed. */
void time_share_pay_back(struct time_share *s);
/* What was done for the user since. */
void time_share_charge(struct time_share *s, const struct time_span *began);
/* Until there is credit again. */
uint64_t time_share_wait_usec(const struct time_share *s);

#endif
