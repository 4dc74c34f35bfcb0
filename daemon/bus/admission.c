// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * admission.c - how much of the daemon's time a user's calls may take. Each call is charged with
 * the time that its handler took; a user has a share of the time that passes and may save some of
 * it (util/time-share.h). Who has used more is refused before anything is done, which costs next to nothing,
 * until it has paid back.
 *
 * A call that cannot be charged to anybody is refused: its header was made to hide the sender from
 * the intake, or the sender has left. Who is still there is known, and charged, from its next call
 * on. A call of an object whose path is longer than any of ours is charged and refused, before
 * sd-bus looks for each of the path's prefixes, of which there can be 32,000.
 *
 * What the daemon does because of a user's connections is charged in the same way, by whoever does
 * it: client_charge().
 *
 * Root is not limited. Calls that let go of something are refused last: they have as much as can be
 * saved a second time, to themselves.
 */
#include <inttypes.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/clock.h"
#include "util/macros.h"

#define PATH_LONGEST (SESSION_PATH_MAX - 1) /* that of a session has all characters escaped */

/*
 * Of the region's interface, or of any that has the method: the caller does not have to say which.
 */
static bool lets_go(sd_bus_message *m)
{
	static const char *const members[] = { "AckRevocation", "Leave", "Release", "ReleaseWithin",
					       "Restore" };
	const char *interface = sd_bus_message_get_interface(m),
		   *member = sd_bus_message_get_member(m);

	if (interface && strcmp(interface, RDMAREG_REGION_INTERFACE))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (member && !strcmp(member, members[i]))
			return true;
	return false;
}

bool client_has_time(struct client *c)
{
	time_share_pay_back(&c->user->time);
	return c->uid == 0 || c->user->time.credit_usec > 0;
}

void client_charge(struct client *c, const struct time_span *began)
{
	if (c->uid != 0)
		time_share_charge(&c->user->time, began);
}

static int refuse_stranger(struct bus *b, sd_bus_message *m, const char *sender)
{
	struct failure f;

	intake_learn(b->intake, sender);
	failure_set(
		&f, RDMAREG_ERROR_ACCESS_DENIED,
		"it is not known whose call this is: its header has an unknown field before the sender, or its sender "
		"has left the bus");
	return reply_failure(m, &f) < 0 ? 0 : 1;
}

/* True: the call was answered. */
static bool is_over_share(const struct bus *b, struct client *c, sd_bus_message *m)
{
	struct failure f;

	time_share_pay_back(&c->user->time);
	if (c->user->time.credit_usec > (lets_go(m) ? -TIME_SAVED_USEC : 0))
		return false;
	b->handlers->count_refusal(b->userdata, BUS_TIME);
	failure_set(&f, RDMAREG_ERROR_LIMIT_EXCEEDED,
		    "calls of uid %" PRIu32
		    " have taken more than one %dth of rdmaregd's time: call again in "
		    "%" PRIu64 " ms, and less often",
		    c->uid, TIME_SHARE, time_share_wait_usec(&c->user->time) / 1000 + 1);
	return reply_failure(m, &f) >= 0;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *sender = sd_bus_message_get_sender(m);
	struct bus *b = userdata;
	struct client *c;

	(void)error;
	if (!sender || !sd_bus_message_is_method_call(m, NULL, NULL))
		return 0;
	c = client_find(b, sender);
	if (!c)
		return refuse_stranger(b, m, sender);
	if (c->uid != 0) {
		b->caller = c->user;
		if (is_over_share(b, c, m))
			return 1;
	}
	if (strlen(sd_bus_message_get_path(m)) > PATH_LONGEST)
		return sd_bus_reply_method_errorf(
			       m, SD_BUS_ERROR_UNKNOWN_OBJECT,
			       "there is no object with a path of more than %d characters",
			       PATH_LONGEST) < 0
			       ? 0
			       : 1;
	return 0;
}

int admission_watch(struct bus *b)
{
	return sd_bus_add_filter(b->connection, &b->admission, on_message, b);
}

int bus_process(struct bus *b)
{
	struct time_span began = time_span_begin();
	int r;

	b->caller = NULL;
	r = sd_bus_process(b->connection, NULL);
	if (r == 0)
		intake_settled(b->intake);
	if (b->caller)
		time_share_charge(&b->caller->time, &began);
	return r;
}
