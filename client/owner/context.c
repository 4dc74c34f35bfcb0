// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * context.c - opening and closing a context, and what its program asks of it as a whole.
 */
#include <pwd.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "bus.h"
#include "error.h"
#include "util.h"

DEFINE_CLEANUP(struct rdmareg, rdmareg_close)

static const char *own_address(void)
{
	return secure_getenv("RDMAREG_BUS_ADDRESS");
}

static int connect_bus(sd_bus **ret)
{
	const char *address = own_address();
	sd_bus *bus = NULL;
	int r;

	if (!address)
		return sd_bus_open_system(ret);
	r = sd_bus_new(&bus);
	if (r < 0)
		return r;
	r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, 1);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0) {
		sd_bus_unref(bus);
		return r;
	}
	*ret = bus;
	return 0;
}

/* It may be stopped, and would be waited for longer than for any call. */
static int await_bus(sd_bus *bus)
{
	uint64_t limit = 0, end, now = clock_usec(CLOCK_MONOTONIC);
	int r = sd_bus_get_method_call_timeout(bus, &limit);

	end = add_saturating(now, limit);
	while (r >= 0 && sd_bus_is_ready(bus) == 0) {
		r = sd_bus_process(bus, NULL);
		if (r != 0)
			continue;
		now = clock_usec(CLOCK_MONOTONIC);
		r = now < end ? sd_bus_wait(bus, end - now) : -ETIMEDOUT;
	}
	return r < 0 ? r : 0;
}

/* Not by getpwuid(3): what that returned to another part of the program would change under it. */
static bool has_account(uid_t uid)
{
	struct passwd entry, *found = NULL;
	char room[1024];

	return getpwuid_r(uid, &entry, room, sizeof(room), &found) == ERANGE || found;
}

_public_ int rdmareg_open(const struct rdmareg_open_options *options, struct rdmareg **ret)
{
	_cleanup_(rdmareg_close_cleanup) struct rdmareg *c = NULL;
	struct rdmareg_open_options o;
	struct epoll_event e = { .events = EPOLLIN };
	int r;

	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return fail(ENOMEM, "opening a connection to rdmaregd: out of memory");
	c->epoll_fd = c->timer_fd = -1;
	c->work_timeout_usec = o.work_timeout_usec ? o.work_timeout_usec : 600 * USEC_PER_SEC;
	c->events = calloc(EVENTS_MAX, sizeof(*c->events));
	if (!c->events)
		return fail(ENOMEM, "opening a connection to rdmaregd: out of memory");
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->epoll_fd < 0 || c->timer_fd < 0 ||
	    epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->timer_fd, &e) < 0)
		return fail(errno, "opening a connection to rdmaregd: %s", strerror(errno));
	r = connect_bus(&c->bus);
	if (r < 0)
		return own_address()
			       ? fail(r,
				      "connecting to the bus of RDMAREG_BUS_ADDRESS, %s: %s; is it running, and "
				      "the address right? Unset, it is the system bus",
				      own_address(), strerror(-r))
			       : fail(r, "connecting to the system bus: %s; is it running?",
				      strerror(-r));
	sd_bus_set_allow_interactive_authorization(c->bus, o.interactive);
	if (o.timeout_usec)
		sd_bus_set_method_call_timeout(c->bus, o.timeout_usec);
	r = await_bus(c->bus);
	r = r < 0 ? fail_bus(NULL, r, "connecting to the bus") : signals_attach(c);
	/* A bus that does not know a user ends the connection without a word. */
	if (r == -ENOTCONN && !has_account(geteuid()))
		return fail(
			EACCES,
			"connecting to the bus: it ended the connection, because user id %u has no "
			"account on this machine; give it one (passwd(5), or a name service)",
			(unsigned int)geteuid());
	if (r < 0)
		return r;
	context_rearm(c);
	*ret = take_pointer(c);
	return 0;
}

_public_ struct rdmareg *rdmareg_close(struct rdmareg *c)
{
	if (!c)
		return NULL;
	joined_free_all(c);
	lists_free_all(c);
	session_lists_free_all(c);
	jobs_free_all(c);
	regions_free_all(c);
	sd_bus_flush_close_unref(c->bus);
	if (c->timer_fd >= 0)
		close(c->timer_fd);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	free(c->owner);
	free(c->events);
	free(c);
	return NULL;
}

_public_ int rdmareg_get_fd(const struct rdmareg *c)
{
	NEED(c);
	return c->epoll_fd;
}

_public_ int rdmareg_dispatch(struct rdmareg *c)
{
	uint64_t expirations;
	int r;

	NEED(c);
	if (read(c->timer_fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
		return fail(errno, "looking for events: %s", strerror(errno));
	r = jobs_take_in(c);
	if (r >= 0)
		context_rearm(c);
	return r;
}

_public_ int rdmareg_next_event(struct rdmareg *c, struct rdmareg_event *event)
{
	int r;

	NEED(c);
	r = struct_out_check(event);
	if (r < 0)
		return r;
	if (!c->n_events)
		return 0;
	r = struct_out(event, &c->events[c->event_first], sizeof(*event));
	if (r < 0)
		return r;
	c->event_first = (c->event_first + 1) % EVENTS_MAX;
	if (!--c->n_events)
		context_rearm(c);
	return 1;
}

_public_ int rdmareg_subscribe(struct rdmareg *c)
{
	sd_bus_message *m = NULL;
	int r;

	NEED(c);
	r = context_new_call(c, 0, "Subscribe", &m);
	if (r < 0)
		return r;
	r = context_call(c, m, 0, NULL, "subscribing to events");
	if (r < 0)
		return r;
	c->subscribed = true;
	return 0;
}
