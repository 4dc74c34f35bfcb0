// SPDX-License-Identifier: GPL-2.0-or-later
/* time-share.c - see time-share.h. Both clocks are read once for each span's begin and end. */
#include "util/time-share.h"

#include "util/clock.h"

#define WAITED_MAX_USEC (50 * USEC_PER_MSEC)

void time_share_pay_back(struct time_share *s)
{
	uint64_t now = now_monotonic_usec();
	uint64_t earned = (now - s->paid_usec) / TIME_SHARE;

	s->paid_usec = now;
	if (earned >= (uint64_t)(TIME_SAVED_USEC - s->credit_usec))
		s->credit_usec = TIME_SAVED_USEC;
	else
		s->credit_usec += (int64_t)earned;
}

void time_share_begin(struct time_share *s)
{
	s->credit_usec = TIME_SAVED_USEC;
	s->paid_usec = now_monotonic_usec();
}

struct time_span time_span_begin(void)
{
	return (struct time_span){ now_monotonic_usec(), clock_usec(CLOCK_THREAD_CPUTIME_ID) };
}

void time_share_charge(struct time_share *s, const struct time_span *began)
{
	struct time_span now = time_span_begin();
	uint64_t all = now.usec - began->usec, worked = now.worked_usec - began->worked_usec;
	uint64_t waited = all > worked ? all - worked : 0;

	s->credit_usec -= (int64_t)(worked + (waited < WAITED_MAX_USEC ? waited : WAITED_MAX_USEC));
}

uint64_t time_share_wait_usec(const struct time_share *s)
{
	return s->credit_usec > 0 ? 0 : (uint64_t)(1 - s->credit_usec) * TIME_SHARE;
}
