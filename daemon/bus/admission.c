// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * admission.c - how much of the daemon's time a user's calls may take. Each call is charged with the time that its
 * handler took; a user has SHARE of the time that passes and may save up to SAVED of it. Who has used more is
 * refused before anything is done, which costs next to nothing, until it has paid back.
 *
 * A call that cannot be charged to anybody is refused: its header was made to hide the sender from the intake, or the sender has left. So is a
 * call of an object whose path is longer than any of ours, before sd-bus looks for each of the path's prefixes, of which there can be 32,000.
 *
 * Root is not limited. Calls that let go of something are refused last: they have a second SAVED to themselves.
 */
#include <inttypes.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/clock.h"

#define SHARE 4 /* one part in so many */
#define SAVED_USEC ((int64_t)USEC_PER_SEC)
#define PATH_LONGEST 128

static bool lets_go(const char *member)
{
	static const char *const members[] = { "AckRevocation", "Leave", "Release", "Restore" };

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (member && !strcmp(member, members[i]))
			return true;
	return false;
}

static void pay_back(struct client_user *u)
{
	uint64_t now = now_monotonic_usec();
	uint64_t earned = (now - u->paid_usec) / SHARE;

	u->paid_usec = now;
	if (earned >= (uint64_t)(SAVED_USEC - u->credit_usec))
		u->credit_usec = SAVED_USEC;
	else
		u->credit_usec += (int64_t)earned;
}

void user_begin(struct client_user *u)
{
	u->credit_usec = SAVED_USEC;
	u->paid_usec = now_monotonic_usec();
}

static int refuse_stranger(sd_bus_message *m)
{
	struct failure f;

	failure_set(&f, RDMAREG_ERROR_ACCESS_DENIED,
		    "it is not known whose call this is: its header is too long, or its sender has left the bus");
	return reply_failure(m, &f) < 0 ? 0 : 1;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *sender = sd_bus_message_get_sender(m);
	struct bus *b = userdata;
	struct client *c;
	struct failure f;

	(void)error;
	if (!sender || !sd_bus_message_is_method_call(m, NULL, NULL))
		return 0;
	if (strlen(sd_bus_message_get_path(m)) > PATH_LONGEST)
		return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_UNKNOWN_OBJECT,
						  "there is no object with a path of more than %d characters",
						  PATH_LONGEST) < 0 ? 0 : 1;
	c = client_find(b, sender);
	if (!c)
		return refuse_stranger(m);
	if (c->uid == 0)
		return 0;
	pay_back(c->user);
	b->caller = c->user;
	if (c->user->credit_usec > (lets_go(sd_bus_message_get_member(m)) ? -SAVED_USEC : 0))
		return 0;
	failure_set(&f, RDMAREG_ERROR_LIMIT_EXCEEDED,
		    "calls of uid %" PRIu32
		    " have taken more than one %dth of rdmaregd's time: call again in "
		    "%" PRId64 " ms, and less often",
		    c->uid, SHARE, (-c->user->credit_usec * SHARE) / (int64_t)USEC_PER_MSEC + 1);
	return reply_failure(m, &f) < 0 ? 0 : 1;
}

int admission_watch(struct bus *b)
{
	return sd_bus_add_filter(b->connection, &b->admission, on_message, b);
}

void user_charge(struct client_user *u, uint64_t began_usec)
{
	u->credit_usec -= (int64_t)(now_monotonic_usec() - began_usec);
}

int bus_process(struct bus *b)
{
	uint64_t began = now_monotonic_usec();
	int r;

	b->caller = NULL;
	r = sd_bus_process(b->connection, NULL);
	if (b->caller)
		user_charge(b->caller, began);
	return r;
}
