// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * user.c - what a user's calls may take of the daemon's time. What always holds: a user has SHARE
 * of the time that passes, and has saved SAVED_USEC of it at most.
 */
#include "bus/bus-internal.h"
#include "util/clock.h"

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

void user_charge(struct client_user *u, uint64_t began_usec)
{
	u->credit_usec -= (int64_t)(now_monotonic_usec() - began_usec);
}
