// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-standing-start.c - standing regions that are not there are made again by a unit that runs as
 * their user (rdmareg-standing@.service): when the daemon starts, and when one was lost.
 *
 * What always holds: a region that is lost, also while it is being made, is tried again after 1, 2,
 * 4 ... s, TRIES times. Then it waits until its user restores it or the daemon starts anew, so that
 * one which ends its keeper does not do so again and again. One that ended in another way, mostly
 * taken down with its filesystem, waits for its user at once. The count begins anew when it was
 * there for WHILE_USEC. The unit makes none that waits for its user.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <systemd/sd-daemon.h>

#include "arbiter/app-standing.h"
#include "util/clock.h"
#include "util/log.h"

#define TRIES 4
#define WHILE_USEC (600 * USEC_PER_SEC)

/* A unit that is being started. */
struct starting {
	struct app *app;
	char unit[64];
};

static void starting_free(void *userdata)
{
	free(userdata);
}

static int on_started(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct starting *k = userdata;
	struct standings *s = &k->app->standing;
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)error;
	*s->start_trouble = 0;
	if (!e)
		return 0;
	snprintf(s->start_trouble, sizeof(s->start_trouble), "%s cannot be started: %.300s",
		 k->unit, e->message ? e->message : e->name);
	if (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		log_notice("standing regions are not there, and there is no systemd: their users "
			   "make them again with: rdmaregctl standing restore");
	else
		log_about(LOG_ERR, LOG_FIELDS(.message = LOG_MESSAGE_STANDING_UNIT), "%s",
			  s->start_trouble);
	return 0;
}

static void start_unit(struct app *a, uint32_t uid)
{
	struct starting *k = calloc(1, sizeof(*k));
	sd_bus_slot *slot = NULL;
	int r = k ? 0 : -ENOMEM;

	if (k) {
		k->app = a;
		snprintf(k->unit, sizeof(k->unit), "rdmareg-standing@%" PRIu32 ".service", uid);
		r = sd_bus_call_method_async(
			bus_connection(a->bus), &slot, "org.freedesktop.systemd1",
			"/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
			"StartUnit", on_started, k, "ss", k->unit, "fail");
	}
	if (r < 0) {
		free(k);
		log_error("standing regions of uid %" PRIu32 " are not made again: no memory", uid);
		return;
	}
	sd_bus_slot_set_destroy_callback(slot, starting_free);
	sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
}

/* systemd is asked if it can be there: it is not on a session's bus, but maybe on a test's. */
static bool can_start(const struct app *a)
{
	return !a->options->session_bus && (a->options->bus_address || sd_booted() > 0);
}

static void set_alarm(struct app *a)
{
	uint64_t now = now_monotonic_usec(), due = UINT64_MAX;
	const struct standing *s;
	struct timeval t;

	TAILQ_FOREACH(s, &a->standing.all, all)
		if (s->due_usec && s->due_usec < due)
			due = s->due_usec;
	if (due == UINT64_MAX)
		return;
	t = timeval_from_usec(due > now ? due - now : 0);
	event_add(a->standing.again, &t);
}

/* One start of a unit is for all that its user has. */
static void on_again(evutil_socket_t fd, short what, void *userdata)
{
	uint64_t now = now_monotonic_usec();
	struct app *a = userdata;
	struct standing *s, *other;

	(void)fd, (void)what;
	TAILQ_FOREACH(s, &a->standing.all, all) {
		if (!s->due_usec || s->due_usec > now)
			continue;
		TAILQ_FOREACH(other, &a->standing.all, all)
			if (other->uid == s->uid)
				other->due_usec = 0;
		start_unit(a, s->uid);
	}
	set_alarm(a);
}

int standing_start_open(struct app *a)
{
	a->standing.again = evtimer_new(loop_base(a->loop), on_again, a);
	return a->standing.again ? 0 : -ENOMEM;
}

void standing_start_close(struct app *a)
{
	if (a->standing.again)
		event_free(a->standing.again);
	a->standing.again = NULL;
}

void app_start_standing(struct app *a)
{
	struct standing *s;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &a->standing.all, all)
		if (!s->region) {
			s->due_usec = can_start(a) ? now_monotonic_usec() : 0;
			n++;
		}
	if (n)
		log_notice("%" PRIu32 " standing regions are not there%s", n,
			   can_start(a)
				   ? ": rdmareg-standing@.service of each user makes them again"
				   : ": their users make them again with: rdmaregctl standing "
				     "restore");
	if (n && a->standing.again)
		set_alarm(a);
}

void standing_is_there(struct standing *s)
{
	s->there_usec = now_monotonic_usec();
	s->due_usec = 0;
	s->waits_for_user = false;
	*s->why = 0;
}

void standing_is_lost(struct app *a, struct standing *s, bool taken_down, char *why, size_t size)
{
	uint64_t now = now_monotonic_usec();
	unsigned int delay_sec;

	if (s->there_usec && now - s->there_usec > WHILE_USEC)
		s->losses = 0;
	s->there_usec = 0;
	s->waits_for_user = taken_down;
	if (taken_down) {
		snprintf(why, size, "it waits for: rdmaregctl standing restore");
		return;
	}
	if (++s->losses > TRIES) {
		s->waits_for_user = true;
		snprintf(why, size,
			 "%" PRIu32
			 " times soon after it was made, so it waits for: rdmaregctl standing "
			 "restore",
			 s->losses);
		return;
	}
	if (!can_start(a) || !a->standing.again) {
		snprintf(why, size, "to have it again: rdmaregctl standing restore");
		return;
	}
	delay_sec = 1u << (s->losses - 1);
	s->due_usec = now + delay_sec * USEC_PER_SEC;
	snprintf(why, size, "it is tried again after %u s", delay_sec);
	set_alarm(a);
}
