// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-time-share.c - what a user's call is charged: all that the daemon worked on it, and little of what
 * it waited for a processor, as it does while others keep the machine busy.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/time-share.h"

#define MSEC INT64_C(1000)

static void work(uint64_t usec)
{
	uint64_t began = clock_usec(CLOCK_THREAD_CPUTIME_ID);

	while (clock_usec(CLOCK_THREAD_CPUTIME_ID) - began < usec)
		;
}

/* A thread that waits for a timer has no processor either. */
static void stand_still(uint64_t usec)
{
	const struct itimerspec once = { .it_value = { (time_t)(usec / USEC_PER_SEC),
						       (long)(usec % USEC_PER_SEC) * 1000 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t expired;

	if (usec)
		assert(timerfd_settime(timer, 0, &once, NULL) == 0 &&
		       read(timer, &expired, sizeof(expired)) == sizeof(expired));
	close(timer);
}

static int64_t charge_of(uint64_t worked_usec, uint64_t waited_usec)
{
	struct time_share u = { 0 };
	struct time_span began;

	time_share_begin(&u);
	began = time_span_begin();
	work(worked_usec);
	stand_still(waited_usec);
	time_share_charge(&u, &began);
	return TIME_SAVED_USEC - u.credit_usec;
}

int main(void)
{
	int64_t waited = charge_of(0, 400 * USEC_PER_MSEC);

	printf("waited 400 ms: %" PRId64 " us\n", waited);
	assert(waited >= 20 * MSEC); /* nobody else was served */
	assert(waited < 200 * MSEC);
	assert(charge_of(100 * USEC_PER_MSEC, 0) >= 100 * MSEC);
	assert(charge_of(100 * USEC_PER_MSEC, 400 * USEC_PER_MSEC) >= 120 * MSEC);
	return 0;
}
