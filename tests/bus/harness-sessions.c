// SPDX-License-Identifier: GPL-2.0-or-later
/* harness-sessions.c - see harness-sessions.h. */
#include "harness-sessions.h"

#include <unistd.h>

#define NOBODY 65534

struct world sessions_world;
sd_bus *admin, *user;
uid_t uid;

void session_path(const char *escaped, char out[static PATH_BYTES])
{
	snprintf(out, PATH_BYTES, RDMAREG_SESSION_PREFIX "/%u_%s", uid, escaped);
}

sd_bus_message *new_session(sd_bus *b, uint32_t of, const char *name)
{
	sd_bus_message *m = new_manager_call(b, "CreateSession");

	check(sd_bus_message_append(m, "us", of, name) >= 0);
	return m;
}

sd_bus_message *new_session_call(sd_bus *b, const char *escaped, const char *member)
{
	char path[PATH_BYTES];

	session_path(escaped, path);
	return new_call(b, path, RDMAREG_SESSION_INTERFACE, member);
}

bool create_session(const char *name, struct reply *ret)
{
	sd_bus_message *m = new_session(admin, uid, name);

	add_options(m, 0);
	return finish_call(admin, m, ret);
}

bool create_session_limited(const char *name, const char *limit, const char *type, uint64_t value,
			    struct reply *ret)
{
	sd_bus_message *m = new_session(admin, uid, name);

	if (*type == 'u')
		add_options(m, 1, limit, "u", (int)value);
	else
		add_options(m, 1, limit, "t", value);
	return finish_call(admin, m, ret);
}

bool create_session_on(const char *name, const char *device, struct reply *ret)
{
	sd_bus_message *m = new_session(admin, uid, name);

	add_options(m, 1, "Device", "s", device);
	return finish_call(admin, m, ret);
}

bool session_exists(sd_bus *b, const char *name, struct reply *ret)
{
	sd_bus_message *m = new_manager_call(b, "GetSession");

	check(sd_bus_message_append(m, "us", (uint32_t)uid, name) >= 0);
	return finish_call(b, m, ret);
}

bool call_session(sd_bus *b, const char *escaped, const char *member, struct reply *ret)
{
	return finish_call(b, new_session_call(b, escaped, member), ret);
}

static int read_ends(sd_bus_message *m, struct ends *ret)
{
	const char *outcome, *text;

	*ret = (struct ends){ 0 };
	check(sd_bus_message_enter_container(m, 'a', "(tss)") > 0);
	while (ret->n < ENDS &&
	       sd_bus_message_read(m, "(tss)", &ret->item[ret->n].id, &outcome, &text) > 0) {
		check(*text);
		snprintf(ret->item[ret->n++].outcome, sizeof(ret->item[0].outcome), "%s", outcome);
	}
	return sd_bus_message_exit_container(m);
}

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct releasing *l = userdata;

	(void)error;
	l->failed = sd_bus_message_get_error(m);
	if (!l->failed)
		check(read_ends(m, &l->ends) >= 0);
	l->done = true;
	return 1;
}

/* UINT64_MAX: not given */
sd_bus_message *new_session_release(sd_bus *b, const char *escaped, uint64_t grace_usec,
				    uint64_t limit_usec)
{
	sd_bus_message *m = new_session_call(b, escaped, "Release");

	if (grace_usec != UINT64_MAX && limit_usec != UINT64_MAX)
		add_options(m, 2, "GraceUSec", "t", grace_usec, "LimitUSec", "t", limit_usec);
	else if (grace_usec != UINT64_MAX)
		add_options(m, 1, "GraceUSec", "t", grace_usec);
	else if (limit_usec != UINT64_MAX)
		add_options(m, 1, "LimitUSec", "t", limit_usec);
	else
		add_options(m, 0);
	return m;
}

void send_session_release(sd_bus *b, const char *escaped, uint64_t grace_usec, uint64_t limit_usec,
			  struct releasing *l)
{
	sd_bus_message *m = new_session_release(b, escaped, grace_usec, limit_usec);

	*l = (struct releasing){ 0 };
	check(sd_bus_call_async(b, NULL, m, on_released, l, WAIT_SEC * UINT64_C(1000000)) >= 0);
	check(sd_bus_flush(b) >= 0);
	sd_bus_message_unref(m);
}

bool is_session_released(sd_bus *b, const struct releasing *l)
{
	while (sd_bus_process(b, NULL) > 0)
		;
	return l->done;
}

void release_session(const char *escaped, struct ends *ret)
{
	struct releasing l;

	send_session_release(admin, escaped, 0, UINT64_MAX, &l);
	until(is_session_released(admin, &l));
	check(!l.failed);
	*ret = l.ends;
}

uint64_t session_number(sd_bus *b, const char *escaped, const char *property, char type)
{
	char path[PATH_BYTES];
	uint64_t t = 0;
	uint32_t u = 0;

	session_path(escaped, path);
	check(sd_bus_get_property_trivial(b, RDMAREG_BUS_NAME, path, RDMAREG_SESSION_INTERFACE,
					  property, NULL, type,
					  type == 't' ? (void *)&t : (void *)&u) >= 0);
	return type == 't' ? t : u;
}

static void expect_text(sd_bus *b, const char *escaped, const char *property, const char *wanted)
{
	char path[PATH_BYTES], *text = NULL;

	session_path(escaped, path);
	check(sd_bus_get_property_string(b, RDMAREG_BUS_NAME, path, RDMAREG_SESSION_INTERFACE,
					 property, NULL, &text) >= 0);
	check_text(text, wanted);
	free(text);
}

void expect_session_state(sd_bus *b, const char *escaped, const char *wanted)
{
	expect_text(b, escaped, "State", wanted);
}

void expect_session_device(sd_bus *b, const char *escaped, const char *wanted)
{
	expect_text(b, escaped, "Device", wanted);
}

uint64_t add_session_region_for(const char *session, bool detached, uint64_t grace_usec,
				struct reply *ret)
{
	int fd = make_memfd(8192);

	register_region(user, fd, 0, 0, "rw", ret, 3, "session", "s", session, "detached", "b",
			(int)detached, "grace_usec", "t", grace_usec);
	close(fd);
	return ret->id;
}

uint64_t add_session_region(const char *session, bool detached, struct reply *ret)
{
	return add_session_region_for(session, detached, LONG, ret);
}

void sessions_begin(void)
{
	world_begin(&sessions_world, "");
	admin = connect_client(&sessions_world);
	uid = geteuid() == 0 ? NOBODY : geteuid();
	user = geteuid() == 0 ? connect_as(&sessions_world, uid) : connect_client(&sessions_world);
	subscribe(user);
}

void sessions_end(void)
{
	disconnect(user);
	disconnect(admin);
	world_end(&sessions_world);
}
