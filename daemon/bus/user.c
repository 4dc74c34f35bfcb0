// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * user.c - what a user's calls may take of the daemon's time. What always holds: a user has SHARE
 * of the time that passes, and has saved SAVED_USEC of it at most.
 *
 * A call takes the time in which the daemon works on it, and that in which the machine lets it wait
 * for a processor, since nobody else is served then either. Of the latter a call is charged little:
 * who calls now and then is not to be refused because others keep the machine busy.
 */
#include "bus/bus-internal.h"
#include "util/clock.h"

#define WAITED_MAX_USEC (50 * USEC_PER_MSEC)

void user_pay_back(struct client_user *u)
{
	uint64_t now = now_monotonic_usec();
	uint64_t earned = (now - u->paid_usec) / USER_SHARE;

	u->paid_usec = now;
	if (earned >= (uint64_t)(USER_SAVED_USEC - u->credit_usec))
		u->credit_usec = USER_SAVED_USEC;
	else
		u->credit_usec += (int64_t)earned;
}

void user_begin(struct client_user *u)
{
	u->credit_usec = USER_SAVED_USEC;
	u->paid_usec = now_monotonic_usec();
}

struct user_span user_span_begin(void)
{
	return (struct user_span){ now_monotonic_usec(), clock_usec(CLOCK_THREAD_CPUTIME_ID) };
}

void user_charge(struct client_user *u, const struct user_span *began)
{
	struct user_span now = user_span_begin();
	uint64_t all = now.usec - began->usec, worked = now.worked_usec - began->worked_usec;
	uint64_t waited = all > worked ? all - worked : 0;

	u->credit_usec -= (int64_t)(worked + (waited < WAITED_MAX_USEC ? waited : WAITED_MAX_USEC));
}
