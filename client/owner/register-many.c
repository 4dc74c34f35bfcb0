// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * register-many.c - several files made reachable with few calls.
 *
 * What always holds: a call has no more descriptors than a bus passes that was not told to pass
 * more; after an atomic one that failed, no region of it is left that this end could release, and
 * no handle.
 */
#include <inttypes.h>
#include <stdio.h>

#include "region.h"

#include "error.h"
#include "options.h"

#define DESCRIPTORS_EACH 16 /* of one call: what dbus-daemon passes by default */
#define REQUESTS_MAX 65536

struct many {
	struct rdmareg *context;
	const struct rdmareg_register_request *requests;
	size_t n;
	int atomic;
	struct rdmareg_region **regions;
	int *errors;
};

static int check_all(const struct many *x)
{
	struct rdmareg_register_options o;
	char name[FD_NAME_BYTES];

	for (size_t i = 0; i < x->n; i++) {
		int r;

		fd_name(x->requests[i].fd, name);
		r = region_check_request(&x->requests[i], &o, name);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One of the answer: the error of it, with the words. */
static int take_one(struct many *x, size_t i, sd_bus_message *reply)
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
		r = id ? region_new(x->context, reply, &x->regions[i])
		       : sd_bus_message_skip(reply, "a{sv}");
	if (r >= 0)
		r = sd_bus_message_read(reply, "ss", &what, &text);
	if (r > 0)
		r = sd_bus_message_exit_container(reply);
	fd_name(x->requests[i].fd, name);
	if (r < 0)
		return fail(EBADMSG, "registering %s: rdmaregd's answer makes no sense", name);
	if (id)
		return 0;
	e.name = what;
	e.message = text;
	return fail_bus(&e, 0, "registering %s", name);
}

/* Those from @first on that go with one call. @failed: the first failure of one of them. */
static int call(struct many *x, size_t first, size_t n, struct failure *failed)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_register_options o;
	int r = context_new_call(x->context, 0, "RegisterRegions", &m);

	if (r < 0)
		return r;
	r = sd_bus_message_open_container(m, 'a', "(httsa{sv})");
	for (size_t i = first; i < first + n && r >= 0; i++) {
		struct_in(&o, sizeof(o), x->requests[i].options);
		r = sd_bus_message_open_container(m, 'r', "httsa{sv}");
		region_append_request(m, &r, &x->requests[i], &o);
		if (r >= 0)
			r = sd_bus_message_close_container(m);
	}
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	options_open(m, &r);
	if (x->atomic)
		option_append(m, &r, "atomic", "b", 1);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "registering %zu files", n);
	r = context_call(x->context, take_pointer(m), x->context->work_timeout_usec, &reply,
			 "registering %zu files", n);
	if (r < 0)
		return r;
	if (sd_bus_message_enter_container(reply, 'a', "(toa{sv}ss)") < 0)
		return fail(EBADMSG, "registering %zu files: rdmaregd's answer makes no sense", n);
	for (size_t i = first; i < first + n; i++) {
		x->errors[i] = take_one(x, i, reply);
		if (x->errors[i] && !failed->code)
			*failed = failure_keep();
	}
	return 0;
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

/* One call of an atomic request failed: so do they all. */
static int give_up(struct many *x, int error)
{
	const struct failure why = failure_keep();

	for (size_t i = 0; i < x->n; i++)
		x->errors[i] = error;
	undo(x);
	return failure_put_back(&why);
}

static int register_all(struct many *x)
{
	struct failure first = { 0 };

	for (size_t i = 0, n; i < x->n; i += n) {
		int r;

		n = x->n - i < DESCRIPTORS_EACH ? x->n - i : DESCRIPTORS_EACH;
		r = call(x, i, n, &first);
		if (r < 0 && x->atomic)
			return give_up(x, r);
		if (r < 0 && !first.code)
			first = failure_keep();
		for (size_t k = i; r < 0 && k < i + n; k++)
			x->errors[k] = r;
	}
	return first.code ? failure_put_back(&first) : 0;
}

_public_ int rdmareg_register_many(struct rdmareg *c,
				   const struct rdmareg_register_request *requests, size_t n,
				   int atomic, struct rdmareg_region **ret, int *ret_errors)
{
	_cleanup_(free_cleanup) int *errors = NULL;
	struct many x = { c, requests, n, atomic, ret, NULL };
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
