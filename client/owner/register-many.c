// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * register-many.c - several files made reachable with few calls, of which none waits for the one
 * before.
 *
 * What always holds: a call has no more descriptors than a bus passes that was not told to pass
 * more; no more than WINDOW calls wait at a time, so that the regions of all are below what the
 * daemon lets one connection have; after an atomic one that failed, no region of it is left that
 * this end could release, and no handle.
 */
#include <inttypes.h>
#include <stdio.h>

#include "region.h"

#include "error.h"
#include "options.h"

#define DESCRIPTORS_EACH 16 /* of one call: what dbus-daemon passes by default */
#define WINDOW 4
#define REQUESTS_MAX 65536

struct many {
	struct rdmareg *context;
	const struct rdmareg_register_request *requests;
	size_t n;
	int atomic;
	struct rdmareg_region **regions;
	int *errors;
	size_t waiting;	    /* calls without an answer */
	size_t first;	    /* smallest index that failed, with */
	struct failure why; /* its error; no code: none did */
};

/* One call: the requests from @first on. */
struct call {
	struct many *many;
	sd_bus_slot *slot; /* of the answer; NULL: not asked, or answered */
	size_t first;
	size_t n;
	bool values; /* asked for without their names */
};

static int check_all(const struct many *x)
{
	struct rdmareg_register_options o;
	char name[FD_NAME_BYTES];

	for (size_t i = 0; i < x->n; i++) {
		const struct rdmareg_register_request *q = &x->requests[i];

		if (region_check_request(q, &o, "") < 0) /* once more, to say of which */
			return region_check_request(q, &o, fd_name(q->fd, name));
	}
	return 0;
}

/* One of the answer: the error of it, with the words. */
static int take_one(struct many *x, size_t i, bool values, sd_bus_message *reply)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	char name[FD_NAME_BYTES];
	const char *what, *text;
	uint64_t id = 0;
	int r = sd_bus_message_enter_container(reply, 'r', "toa{sv}ss");

	if (r > 0)
		r = sd_bus_message_read(reply, "t", &id);
	if (r > 0)
		r = sd_bus_message_skip(reply, "o");
	if (r >= 0)
		r = id ? region_new_as(x->context, values, reply, &x->regions[i])
		       : sd_bus_message_skip(reply, "a{sv}");
	if (r >= 0)
		r = sd_bus_message_read(reply, "ss", &what, &text);
	if (r > 0)
		r = sd_bus_message_exit_container(reply);
	if (r >= 0 && id)
		return 0;
	fd_name(x->requests[i].fd, name);
	if (r < 0)
		return fail(EBADMSG, "registering %s: rdmaregd's answer makes no sense", name);
	e.name = what;
	e.message = text;
	return fail_bus(&e, 0, "registering %s", name);
}

/* What rdmareg_last_error() says of it is kept for the first. */
static void note(struct many *x, size_t i, int error)
{
	x->errors[i] = error;
	if (!error || (x->why.code && x->first < i))
		return;
	x->first = i;
	x->why = failure_keep();
}

/* Nothing of the call was answered. */
static void call_failed(const struct call *call, int error)
{
	for (size_t i = call->first; i < call->first + call->n; i++)
		note(call->many, i, error);
}

static void ask(struct call *call);

/*
 * An earlier rdmaregd, or one that does not have all properties, refuses the option, and has begun
 * nothing. It is asked again as it knows it; if something else is wrong it says so again.
 */
static bool is_asked_again(struct call *call, const sd_bus_error *failure)
{
	if (!call->values || !sd_bus_error_has_name(failure, RDMAREG_ERROR_INVALID_OPTION))
		return false;
	call->many->context->by_names = true;
	ask(call);
	return true;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *failure = sd_bus_message_get_error(m);
	struct call *call = userdata;

	(void)error;
	call->slot = sd_bus_slot_unref(call->slot);
	call->many->waiting--;
	if (failure && is_asked_again(call, failure))
		return 1;
	if (failure)
		call_failed(call, fail_bus(failure, -sd_bus_message_get_errno(m),
					   "registering %zu files", call->n));
	else if (sd_bus_message_enter_container(m, 'a', "(toa{sv}ss)") < 0)
		call_failed(call,
			    fail(EBADMSG, "registering %zu files: rdmaregd's answer makes no sense",
				 call->n));
	else
		for (size_t i = call->first; i < call->first + call->n; i++)
			note(call->many, i, take_one(call->many, i, call->values, m));
	return 1;
}

static int new_call(const struct call *call, sd_bus_message **ret)
{
	const struct many *x = call->many;
	struct rdmareg_register_options o;
	sd_bus_message *m = NULL;
	int r = context_new_call(x->context, 0, "RegisterRegions", &m);

	if (r < 0)
		return r;
	r = sd_bus_message_open_container(m, 'a', "(httsa{sv})");
	for (size_t i = call->first; i < call->first + call->n && r >= 0; i++) {
		struct_in(&o, sizeof(o), x->requests[i].options);
		r = sd_bus_message_open_container(m, 'r', "httsa{sv}");
		region_append_request(m, &r, &x->requests[i], &o, false);
		if (r >= 0)
			r = sd_bus_message_close_container(m);
	}
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	options_open(m, &r);
	if (x->atomic)
		option_append(m, &r, "atomic", "b", 1);
	if (call->values)
		properties_append_option(m, &r);
	options_close(m, &r);
	if (r >= 0) {
		*ret = m;
		return 0;
	}
	sd_bus_message_unref(m);
	return fail_bus(NULL, r, "registering %zu files", call->n);
}

static void ask(struct call *call)
{
	struct rdmareg *c = call->many->context;
	sd_bus_message *m = NULL;
	int r;

	call->values = !c->by_names;
	r = new_call(call, &m);
	if (r >= 0) {
		r = context_call_async(c, m, c->work_timeout_usec, on_answer, call, &call->slot);
		if (r < 0)
			r = fail_bus(NULL, r, "registering %zu files", call->n);
	}
	if (r < 0)
		call_failed(call, r);
	else
		call->many->waiting++;
}

/* The bus is gone, or the context another process's: what is left will not be answered. */
static void drop_calls(struct call *calls, size_t n, int error)
{
	for (size_t i = 0; i < n; i++) {
		if (!calls[i].slot)
			continue;
		calls[i].slot = sd_bus_slot_unref(calls[i].slot);
		calls[i].many->waiting--;
		call_failed(&calls[i], fail_bus(NULL, error, "registering %zu files", calls[i].n));
	}
}

/* Of an atomic one: what calls before the one that failed have registered. */
static void undo(struct many *x)
{
	const struct rdmareg_release_options now = { .size = sizeof(now),
						     .grace_usec = RDMAREG_NO_GRACE };
	_cleanup_(free_cleanup) uint64_t *ids = calloc(x->n + 1, sizeof(*ids));
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++) {
		if (!x->regions[i])
			continue;
		if (ids)
			ids[n++] = x->regions[i]->id;
		x->regions[i] = rdmareg_region_free(x->regions[i]);
	}
	rdmareg_release_all(x->context, ids, n, &now, NULL, NULL);
}

/* One of an atomic request failed: so do they all. */
static void give_up(struct many *x)
{
	for (size_t i = 0; i < x->n; i++)
		x->errors[i] = x->why.code;
	undo(x);
}

/* Asks for what is left of @calls; how many were asked by now. */
static size_t ask_some(struct many *x, struct call *calls, size_t asked, size_t n)
{
	for (; asked < n && x->waiting < WINDOW && !(x->atomic && x->why.code); asked++) {
		size_t first = asked * DESCRIPTORS_EACH, left = x->n - first;

		calls[asked] =
			(struct call){ .many = x,
				       .first = first,
				       .n = left < DESCRIPTORS_EACH ? left : DESCRIPTORS_EACH };
		ask(&calls[asked]);
	}
	return asked;
}

static int register_all(struct many *x)
{
	size_t n = (x->n + DESCRIPTORS_EACH - 1) / DESCRIPTORS_EACH, asked = 0;
	_cleanup_(free_cleanup) struct call *calls = calloc(n, sizeof(*calls));
	struct rdmareg *c = x->context;
	int r = 0;

	if (!calls)
		return fail(ENOMEM, "registering %zu files: out of memory", x->n);
	asked = ask_some(x, calls, 0, n);
	while (x->waiting) {
		r = jobs_take_in(c);
		if (r >= 0 && c->disconnected)
			r = -ENOTCONN;
		if (r < 0)
			drop_calls(calls, asked, r);
		asked = ask_some(x, calls, asked, n);
		if (x->waiting)
			sd_bus_wait(c->bus,
				    UINT64_MAX); /* what goes wrong here goes wrong above again */
	}
	context_rearm(c);
	if (!x->why.code)
		return 0;
	if (x->atomic)
		give_up(x);
	return failure_put_back(&x->why);
}

_public_ int rdmareg_register_many(struct rdmareg *c,
				   const struct rdmareg_register_request *requests, size_t n,
				   int atomic, struct rdmareg_region **ret, int *ret_errors)
{
	_cleanup_(free_cleanup) int *errors = NULL;
	struct many x = {
		.context = c, .requests = requests, .n = n, .atomic = atomic, .regions = ret
	};
	int r;

	NEED(c);
	NEED(requests);
	NEED(ret);
	if (!n || n > REQUESTS_MAX)
		return fail(EINVAL, "registering %zu files: at least 1, at most %d", n,
			    REQUESTS_MAX);
	r = check_all(&x);
	if (r < 0)
		return r;
	errors = calloc(n, sizeof(*errors));
	if (!errors)
		return fail(ENOMEM, "registering %zu files: out of memory", n);
	x.errors = errors;
	memset(ret, 0, n * sizeof(*ret));
	r = register_all(&x);
	if (ret_errors)
		memcpy(ret_errors, errors, n * sizeof(*errors));
	return r;
}
