// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * session.c - sessions that are made on purpose: create, look at, drain, limit, release.
 *
 * What always holds: a session is named by user and name, and its object's path is made of these;
 * nothing of it is kept here. A name that no session can have is refused before anybody is asked.
 */
#include "session.h"

#include <inttypes.h>
#include <stdio.h>

#include "answer.h"
#include "error.h"
#include "options.h"

#define LIMIT_MAX_USEC (3600 * USEC_PER_SEC) /* longer ones rdmaregd takes for it */
#define ANSWER_USEC (25 * USEC_PER_SEC)

/* What is asked, for sentences: "draining session job.7 of user 1000". */
struct subject {
	uint32_t uid;
	const char *name;
	char text[40 + SESSION_NAME_MAX + 24];
};

static int subject_set(struct subject *s, const char *doing, uint32_t uid, const char *name)
{
	if (!session_name_valid(name))
		return fail(EINVAL,
			    "%s a session: %.60s is no name of one; it has 1 to %d letters, "
			    "digits, '_', '.' or '-'",
			    doing, *name ? name : "\"\"", SESSION_NAME_MAX);
	s->uid = uid;
	s->name = name;
	snprintf(s->text, sizeof(s->text), "%s session %s of user %" PRIu32, doing, name, uid);
	return 0;
}

/* The limits that were given; refuses what no later version may mean something by. */
static int limits_in(struct rdmareg_session_limits *l, const struct rdmareg_session_limits *caller)
{
	int r = struct_in(l, sizeof(*l), caller);

	return r < 0 ? r : struct_check_reserved(&l->reserved, sizeof(l->reserved));
}

/* To the library 0 is "not said", to the daemon it is the administrator's. */
static void append_limit(sd_bus_message *m, int *r, const char *key, uint32_t limit)
{
	if (limit)
		option_append(m, r, key, "u", limit == RDMAREG_LIMIT_DEFAULT ? 0 : limit);
}

static void append_bytes(sd_bus_message *m, int *r, const char *key, uint64_t limit)
{
	if (limit)
		option_append(m, r, key, "t", limit == RDMAREG_BYTES_DEFAULT ? UINT64_C(0) : limit);
}

static void append_limits(sd_bus_message *m, int *r, const struct rdmareg_session_limits *l)
{
	options_open(m, r);
	append_limit(m, r, "MaxRegions", l->regions);
	append_bytes(m, r, "MaxBytes", l->bytes);
	append_limit(m, r, "MaxPeers", l->peers);
	append_limit(m, r, "MaxTickets", l->tickets);
	append_bytes(m, r, "MaxMemory", l->memory_bytes);
	if (l->device)
		option_append(m, r, "Device", "s", l->device);
	options_close(m, r);
}

_public_ int rdmareg_session_create(struct rdmareg *c, uint32_t uid, const char *name,
				    const struct rdmareg_session_limits *limits)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	struct rdmareg_session_limits l;
	struct subject s;
	int r;

	NEED(c);
	NEED(name);
	r = subject_set(&s, "creating", uid, name);
	if (r >= 0)
		r = limits_in(&l, limits);
	if (r >= 0)
		r = context_new_call(c, 0, "CreateSession", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "us", uid, name);
	append_limits(m, &r, &l);
	if (r < 0)
		return fail_bus(NULL, r, "%s", s.text);
	return context_call(c, take_pointer(m), c->work_timeout_usec, NULL, "%s", s.text);
}

/* A call to the object of a session. */
static int new_call(struct rdmareg *c, const struct subject *s, const char *interface,
		    const char *member, sd_bus_message **ret)
{
	char path[SESSION_PATH_MAX];
	int r = session_path(s->uid, s->name, path);

	if (r >= 0)
		r = sd_bus_message_new_method_call(c->bus, ret, RDMAREG_BUS_NAME, path, interface,
						   member);
	return r < 0 ? fail_bus(NULL, r, "%s", s->text) : 0;
}

_public_ int rdmareg_session_get(struct rdmareg *c, uint32_t uid, const char *name,
				 struct rdmareg_session_info *info)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct session_properties p;
	struct subject s;
	int r;

	NEED(c);
	NEED(name);
	r = struct_out_check(info);
	if (r >= 0)
		r = subject_set(&s, "looking up", uid, name);
	if (r >= 0)
		r = new_call(c, &s, "org.freedesktop.DBus.Properties", "GetAll", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "s", RDMAREG_SESSION_INTERFACE);
	if (r < 0)
		return fail_bus(NULL, r, "%s", s.text);
	r = context_call(c, take_pointer(m), 0, &reply, "%s", s.text);
	if (r >= 0)
		r = session_properties_read(&p, reply);
	if (r >= 0)
		r = struct_out(info, &p.info, sizeof(*info));
	return r;
}

_public_ int rdmareg_session_drain(struct rdmareg *c, uint32_t uid, const char *name)
{
	sd_bus_message *m = NULL;
	struct subject s;
	int r;

	NEED(c);
	NEED(name);
	r = subject_set(&s, "draining", uid, name);
	if (r >= 0)
		r = new_call(c, &s, RDMAREG_SESSION_INTERFACE, "Drain", &m);
	if (r < 0)
		return r;
	return context_call(c, m, 0, NULL, "%s", s.text);
}

_public_ int rdmareg_session_set_limits(struct rdmareg *c, uint32_t uid, const char *name,
					const struct rdmareg_session_limits *limits)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	struct rdmareg_session_limits l;
	struct subject s;
	int r;

	NEED(c);
	NEED(name);
	NEED(limits);
	r = subject_set(&s, "changing the limits of", uid, name);
	if (r >= 0)
		r = limits_in(&l, limits);
	if (r < 0)
		return r;
	if (l.device)
		return fail(EINVAL,
			    "%s: its device cannot be changed; create another session on device "
			    "%.63s",
			    s.text, l.device);
	if (!l.regions && !l.bytes && !l.peers && !l.tickets && !l.memory_bytes)
		return fail(EINVAL, "%s: there is nothing to change", s.text);
	r = new_call(c, &s, RDMAREG_SESSION_INTERFACE, "SetLimits", &m);
	if (r < 0)
		return r;
	append_limits(m, &r, &l);
	if (r < 0)
		return fail_bus(NULL, r, "%s", s.text);
	return context_call(c, take_pointer(m), c->work_timeout_usec, NULL, "%s", s.text);
}

struct rdmareg_released {
	struct answer answer;
};

_public_ struct rdmareg_released *rdmareg_released_free(struct rdmareg_released *l)
{
	return answer_free(l);
}

_public_ int rdmareg_session_release(struct rdmareg *c, uint32_t uid, const char *name,
				     const struct rdmareg_session_release_options *options,
				     struct rdmareg_released **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_session_release_options o;
	uint64_t patience_usec = 0;
	struct answer *a;
	struct subject s;
	int r;

	NEED(c);
	NEED(name);
	r = subject_set(&s, "releasing", uid, name);
	if (r >= 0)
		r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = new_call(c, &s, RDMAREG_SESSION_INTERFACE, "Release", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	if (o.grace_usec)
		option_append(m, &r, "GraceUSec", "t",
			      o.grace_usec == RDMAREG_NO_GRACE ? UINT64_C(0) : o.grace_usec);
	if (o.limit_usec)
		option_append(m, &r, "LimitUSec", "t",
			      o.limit_usec == RDMAREG_NO_WAIT ? UINT64_C(0) : o.limit_usec);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "%s", s.text);
	/* Who set a limit hears that it was met from rdmaregd. */
	if (o.limit_usec && o.limit_usec != RDMAREG_NO_WAIT)
		patience_usec = ANSWER_USEC +
				(o.limit_usec < LIMIT_MAX_USEC ? o.limit_usec : LIMIT_MAX_USEC);
	if (patience_usec < c->work_timeout_usec)
		patience_usec = c->work_timeout_usec;
	r = context_call(c, take_pointer(m), patience_usec, &reply, "%s", s.text);
	if (r < 0 || !ret)
		return r;
	r = answer_take(&reply, "(tss)", &a, s.text);
	if (r >= 0)
		*ret = (struct rdmareg_released *)a;
	return r;
}

static int read_released(sd_bus_message *m, void *into)
{
	struct rdmareg_released_region *region = into;
	const char *outcome;
	int r = sd_bus_message_read(m, "(tss)", &region->region, &outcome, &region->text);

	if (r <= 0)
		return -EBADMSG;
	region->outcome = word_value(WORDS_RELEASE_OUTCOME, outcome);
	return 0;
}

_public_ int rdmareg_released_next(struct rdmareg_released *l,
				   struct rdmareg_released_region *region)
{
	struct rdmareg_released_region read = { 0 };

	NEED(l);
	return answer_next(&l->answer, read_released, &read, sizeof(read), region,
			   "reading what became of the regions of a session");
}
