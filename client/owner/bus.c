// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bus.c - see bus.h: calls that wait, and the one descriptor that stands for the whole connection.
 *
 * sd-bus wants its events mask and its timeout looked at before every wait; a caller's poll loop
 * cannot be asked for that. So an epoll descriptor holds the bus's descriptor, with the mask as it
 * is now, and a timer for the rest: a timeout, messages that were read during a call and not yet
 * dispatched, events that wait to be taken.
 */
#include "bus.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "error.h"
#include "util.h"

/* An absolute time on the timer; 0 fires at once, UINT64_MAX never. */
static void arm_timer(struct rdmareg *c, uint64_t at_usec)
{
	struct itimerspec t = { 0 };

	if (at_usec != UINT64_MAX) {
		t.it_value.tv_sec = (time_t)(at_usec / USEC_PER_SEC);
		t.it_value.tv_nsec = (long)(at_usec % USEC_PER_SEC) * 1000;
		if (!at_usec)
			t.it_value.tv_nsec = 1; /* all zero would disarm it */
	}
	timerfd_settime(c->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

void context_rearm(struct rdmareg *c)
{
	struct epoll_event e = { 0 };
	uint64_t timeout = UINT64_MAX;
	int fd = sd_bus_get_fd(c->bus);
	int events = sd_bus_get_events(c->bus);

	/*
	 * The poll(2) bits that sd-bus uses have the same values in epoll. A bus that is gone is
	 * dropped from the set.
	 */
	e.events = fd >= 0 && events > 0 ? (uint32_t)events : 0;
	if (c->disconnected || fd < 0)
		e.events = 0;
	if (e.events && !c->bus_events)
		epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &e);
	else if (e.events && e.events != c->bus_events)
		epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, fd, &e);
	else if (!e.events && c->bus_events && fd >= 0)
		epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	c->bus_events = e.events;

	if (c->n_events)
		timeout = 0;
	else if (c->disconnected)
		timeout = UINT64_MAX;
	else if (events < 0 || sd_bus_get_timeout(c->bus, &timeout) < 0)
		timeout = 0; /* let dispatch find out what is the matter */
	arm_timer(c, timeout);
}

int context_new_call(struct rdmareg *c, uint64_t region, const char *member, sd_bus_message **ret)
{
	return context_new_call_to(c, RDMAREG_BUS_NAME, region, member, ret);
}

int context_new_call_to(struct rdmareg *c, const char *to, uint64_t region, const char *member,
			sd_bus_message **ret)
{
	char path[sizeof(RDMAREG_REGION_PREFIX) + 24];
	int r;

	snprintf(path, sizeof(path), RDMAREG_REGION_PREFIX "/%" PRIu64, region);
	r = sd_bus_message_new_method_call(
		c->bus, ret, to, region ? path : RDMAREG_MANAGER_PATH,
		region ? RDMAREG_REGION_INTERFACE : RDMAREG_MANAGER_INTERFACE, member);
	if (r < 0)
		return fail_bus(NULL, r, "making a %s request", member);
	return 0;
}

/* False: nobody answers, and nobody would answer what is to follow. */
static bool introduce(struct rdmareg *c, sd_bus_message *m, sd_bus_error *error)
{
	int r;

	if (c->introduced || !strchr(sd_bus_message_get_signature(m, 1), 'h'))
		return true;
	r = sd_bus_call_method(c->bus, sd_bus_message_get_destination(m), RDMAREG_MANAGER_PATH,
			       "org.freedesktop.DBus.Properties", "Get", error, NULL, "ss",
			       RDMAREG_MANAGER_INTERFACE, "Version");
	if (r == -ETIMEDOUT)
		return false;
	sd_bus_error_free(
		error); /* whatever it answered; and if there is nobody, the call will tell */
	c->introduced = true;
	return true;
}

int context_call(struct rdmareg *c, sd_bus_message *m, uint64_t timeout_usec,
		 sd_bus_message **ret_reply, const char *format, ...)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	char asked[256];
	va_list args;
	int r;

	r = introduce(c, m, &error) ? sd_bus_call(c->bus, m, timeout_usec, &error, ret_reply)
				    : -ETIMEDOUT;
	sd_bus_message_unref(m);
	if (r < 0) {
		va_start(args, format);
		vsnprintf(asked, sizeof(asked), format, args);
		va_end(args);
		r = fail_bus(&error, r, "%s", asked);
	}
	sd_bus_error_free(&error);
	context_rearm(c);
	return r < 0 ? r : 0;
}

int context_call_async(struct rdmareg *c, sd_bus_message *m, uint64_t timeout_usec,
		       sd_bus_message_handler_t handler, void *userdata, sd_bus_slot **ret)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = introduce(c, m, &error)
			? sd_bus_call_async(c->bus, ret, m, handler, userdata, timeout_usec)
			: -ETIMEDOUT;

	sd_bus_error_free(&error);
	sd_bus_message_unref(m);
	return r < 0 ? r : 0;
}

int context_process(struct rdmareg *c)
{
	int r = 1;

	/*
	 * A budget: a daemon that sends faster than we read must not keep the caller from its other
	 * work.
	 */
	for (int i = 0; i < 256 && r > 0 && !c->disconnected; i++)
		r = sd_bus_process(c->bus, NULL);
	if (r == -ECHILD)
		return fail_bus(NULL, r, "looking for events");
	if (r >= 0 || c->disconnected)
		return 0;
	c->disconnected = true;
	return 1;
}
