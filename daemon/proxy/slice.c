// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * slice.c - see slice.h.
 *
 *   ASKED -> THERE -> STOPPING -> gone
 *     ^                  | wanted again
 *     '------------------'
 *
 * A slice that systemd has already, because an earlier daemon made it or a unit names it, cannot be
 * made: its limit is set.
 */
#include "proxy/slice.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define CGROUP_ROOT "/sys/fs/cgroup"
#define SUFFIX ".slice"
#define DESCRIPTION "Memory registered for RDMA, of one session"

enum slice_state {
	SLICE_ASKED,
	SLICE_THERE,
	SLICE_STOPPING,
};

struct waiter {
	slice_done_t *done;
	void *userdata;
	SLIST_ENTRY(waiter) waiters;
};

struct slice {
	struct slices *set;
	char name[SLICE_NAME_BYTES];
	uint64_t memory;
	uint64_t asked; /* of which systemd was asked last */
	enum slice_state state;
	bool wanted;
	sd_bus_slot *slot;
	char job[80]; /* that stops it */
	SLIST_HEAD(, waiter) waiters;
	LIST_ENTRY(slice) slices;
};

struct slices {
	sd_bus *connection;
	sd_bus_slot *removed;
	sd_bus_slot *listing;
	void (*found)(void *userdata);
	void *found_userdata;
	char systemd[64]; /* its unique name on the bus, once it has answered */
	LIST_HEAD(, slice) slices;
};

/* Characters that a unit's name can have as they are. A dash would make a slice of a slice. */
static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.';
}

void slice_of_user(const char *pattern, uint32_t uid, char out[static SLICE_NAME_BYTES])
{
	const char *at = strstr(pattern, "%u");

	if (at)
		snprintf(out, SLICE_NAME_BYTES, "%.*s%" PRIu32 "%s", (int)(at - pattern), pattern,
			 uid, at + 2);
	else
		snprintf(out, SLICE_NAME_BYTES, "%s", pattern);
}

void slice_name(const char *pattern, uint32_t uid, const char *session,
		char out[static SLICE_NAME_BYTES])
{
	size_t n, size = SLICE_NAME_BYTES;

	slice_of_user(pattern, uid, out);
	n = strlen(out) - strlen(SUFFIX);
	/* one slice for all users: each gets one below it */
	if (!strstr(pattern, "%u"))
		n += (size_t)snprintf(out + n, size - n, "-%" PRIu32, uid);
	if (n < size)
		n += (size_t)snprintf(out + n, size - n, "-");
	for (const char *p = session; *p && n < size; p++)
		n += (size_t)snprintf(out + n, size - n, is_plain(*p) ? "%c" : "\\x%02x",
				      (unsigned char)*p);
	if (n < size)
		snprintf(out + n, size - n, SUFFIX);
}

/* a-b-c.slice is in a.slice/a-b.slice */
static bool cgroup_of(const char *name, char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, CGROUP_ROOT), length = strlen(name);

	if (length <= strlen(SUFFIX) || strcmp(name + length - strlen(SUFFIX), SUFFIX) != 0)
		return false;
	for (size_t i = 1; i < length; i++)
		if (name[i] == '-' && n < size)
			n += (size_t)snprintf(out + n, size - n, "/%.*s" SUFFIX, (int)i, name);
	if (n < size)
		n += (size_t)snprintf(out + n, size - n, "/%s/memory.current", name);
	return n < size;
}

uint64_t slice_memory(const char *name)
{
	char path[4096], text[32] = "";
	_cleanup_(closep) int fd = -1;

	if (!cgroup_of(name, path, sizeof(path)))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || !isdigit((unsigned char)*text))
		return 0;
	return strtoull(text, NULL, 10);
}

static struct slice *find(const struct slices *s, const char *name)
{
	struct slice *i;

	LIST_FOREACH(i, &s->slices, slices)
		if (!strcmp(i->name, name))
			return i;
	return NULL;
}

static struct slice *add(struct slices *s, const char *name)
{
	struct slice *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->set = s;
	snprintf(i->name, sizeof(i->name), "%s", name);
	SLIST_INIT(&i->waiters);
	LIST_INSERT_HEAD(&s->slices, i, slices);
	return i;
}

static void drop(struct slice *i)
{
	sd_bus_slot_unref(i->slot);
	LIST_REMOVE(i, slices);
	free(i);
}

/* Who waited when it was known; who comes while they are told waits for what follows. */
static void tell(struct slice *i, int error, const char *why)
{
	SLIST_HEAD(, waiter) told = { SLIST_FIRST(&i->waiters) };
	struct waiter *w;

	SLIST_INIT(&i->waiters);
	while ((w = SLIST_FIRST(&told))) {
		SLIST_REMOVE_HEAD(&told, waiters);
		w->done(w->userdata, error, why);
		free(w);
	}
}

static int append_limit(sd_bus_message *m, const struct slice *i)
{
	return sd_bus_message_append(m, "(sv)", "MemoryMax", "t",
				     i->memory ? i->memory : UINT64_MAX);
}

static void limit(struct slice *i);

/* systemd has done, or refused, what it was asked. */
static void is_made(struct slice *i, const char *why)
{
	if (why)
		log_error("%s: systemd does not make it: %s", i->name, why);
	i->state = SLICE_THERE;
	if (!why && i->memory != i->asked)
		limit(i);
	else
		tell(i, why ? -EIO : 0, why);
}

static int on_limited(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	struct slice *i = userdata;

	(void)error;
	is_made(i, e ? (e->message ? e->message : e->name) : NULL);
	return 0;
}

static int call(struct slice *i, const char *member, int (*build)(sd_bus_message *, struct slice *),
		sd_bus_message_handler_t answered)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(i->set->connection, &m, SYSTEMD_NAME, SYSTEMD_PATH,
					       SYSTEMD_MANAGER, member);

	i->slot = sd_bus_slot_unref(i->slot);
	if (r >= 0)
		r = build(m, i);
	if (r >= 0)
		r = sd_bus_call_async(i->set->connection, &i->slot, m, answered, i, 0);
	sd_bus_message_unref(m);
	return r;
}

static int build_limit(sd_bus_message *m, struct slice *i)
{
	int r = sd_bus_message_append(m, "sb", i->name, 1);

	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = append_limit(m, i);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static void limit(struct slice *i)
{
	int r;

	i->state = SLICE_ASKED;
	i->asked = i->memory;
	r = call(i, "SetUnitProperties", build_limit, on_limited);
	if (r < 0)
		is_made(i, strerror(-r));
}

static int on_made(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);
	struct slice *i = userdata;

	(void)error;
	if (e && sd_bus_error_has_name(e, "org.freedesktop.systemd1.UnitExists"))
		limit(i);
	else
		is_made(i, e ? (e->message ? e->message : e->name) : NULL);
	return 0;
}

static int build_slice(sd_bus_message *m, struct slice *i)
{
	int r = sd_bus_message_append(m, "ss", i->name, "replace");

	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(m, "(sv)(sv)", "Description", "s", DESCRIPTION,
					  "MemoryAccounting", "b", 1);
	if (r >= 0)
		r = append_limit(m, i);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_append(m, "a(sa(sv))", 0);
}

static void make(struct slice *i)
{
	int r;

	i->state = SLICE_ASKED;
	i->asked = i->memory;
	r = call(i, "StartTransientUnit", build_slice, on_made);
	if (r < 0)
		is_made(i, strerror(-r));
}

static void has_stopped(struct slice *i)
{
	log_debug("%s: stopped", i->name);
	if (i->wanted)
		make(i);
	else
		drop(i);
}

static int on_stopping(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *job, *sender = sd_bus_message_get_sender(m);
	struct slice *i = userdata;

	(void)error;
	if (sender)
		snprintf(i->set->systemd, sizeof(i->set->systemd), "%s", sender);
	if (!sd_bus_message_get_error(m) && sd_bus_message_read(m, "o", &job) > 0)
		snprintf(i->job, sizeof(i->job), "%s", job);
	else /* it is not there: no job will end */
		has_stopped(i);
	return 0;
}

static int build_stop(sd_bus_message *m, struct slice *i)
{
	return sd_bus_message_append(m, "ss", i->name, "replace");
}

static void stop(struct slice *i)
{
	int r;

	i->state = SLICE_STOPPING;
	*i->job = 0;
	r = call(i, "StopUnit", build_stop, on_stopping);
	if (r < 0)
		has_stopped(i);
}

/* systemd tells whoever asked for a job of its end. */
static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *job, *unit, *sender = sd_bus_message_get_sender(m);
	struct slices *s = userdata;
	struct slice *i;

	(void)error;
	/* the match for systemd's name lets anybody's signal pass */
	if (!sender || strcmp(sender, s->systemd) != 0 ||
	    sd_bus_message_read(m, "uos", NULL, &job, &unit) < 0)
		return 0;
	i = find(s, unit);
	if (i && i->state == SLICE_STOPPING && !strcmp(i->job, job))
		has_stopped(i);
	return 0;
}

static void slices_freep(struct slices **s)
{
	slices_free(*s);
}

int slices_new(struct slices **ret, sd_bus *connection)
{
	_cleanup_(slices_freep) struct slices *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->connection = connection;
	LIST_INIT(&s->slices);
	if (connection)
		r = sd_bus_match_signal_async(connection, &s->removed, SYSTEMD_NAME, SYSTEMD_PATH,
					      SYSTEMD_MANAGER, "JobRemoved", on_job_removed, NULL,
					      s);
	if (r < 0)
		return r;
	*ret = steal_pointer(s);
	return 0;
}

struct slices *slices_free(struct slices *s)
{
	struct slice *i;

	if (!s)
		return NULL;
	while ((i = LIST_FIRST(&s->slices))) {
		tell(i, -ESHUTDOWN, "");
		drop(i);
	}
	sd_bus_slot_unref(s->removed);
	sd_bus_slot_unref(s->listing);
	free(s);
	return NULL;
}

static int await(struct slice *i, slice_done_t *done, void *userdata)
{
	struct waiter *w = done ? malloc(sizeof(*w)) : NULL;

	if (!w)
		return done ? -ENOMEM : 0;
	*w = (struct waiter){ .done = done, .userdata = userdata };
	SLIST_INSERT_HEAD(&i->waiters, w, waiters);
	return 0;
}

int slices_want(struct slices *s, const char *name, uint64_t memory, slice_done_t *done,
		void *userdata)
{
	struct slice *i;
	int r;

	if (!s->connection) {
		if (done)
			done(userdata, 0, NULL);
		return 0;
	}
	i = find(s, name);
	if (!i) {
		i = add(s, name);
		if (!i)
			return -ENOMEM;
		i->state = SLICE_STOPPING; /* nothing is under way: made below */
		r = await(i, done, userdata);
		if (r < 0) {
			drop(i);
			return r;
		}
		i->wanted = true;
		i->memory = memory;
		make(i);
		return 0;
	}
	r = await(i, done, userdata);
	if (r < 0)
		return r;
	i->wanted = true;
	i->memory = memory;
	if (i->state == SLICE_THERE) /* it may be one that was found, or systemd refused */
		make(i);
	return 0;
}

void slices_unwant(struct slices *s, const char *name)
{
	struct slice *i;

	LIST_FOREACH(i, &s->slices, slices)
		if (!name || !strcmp(i->name, name))
			i->wanted = false;
}

void slices_sweep(struct slices *s, bool (*is_used)(void *userdata, const char *name),
		  void *userdata)
{
	struct slice *i, *next;

	for (i = LIST_FIRST(&s->slices); i; i = next) {
		next = LIST_NEXT(i, slices);
		if (!i->wanted && i->state == SLICE_THERE && !is_used(userdata, i->name))
			stop(i);
	}
}

static int on_listed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct slices *s = userdata;
	const char *name, *description;
	struct slice *i;

	(void)error;
	if (sd_bus_message_get_error(m) ||
	    sd_bus_message_enter_container(m, 'a', "(ssssssouso)") < 0)
		return 0;
	while (sd_bus_message_read(m, "(ssssssouso)", &name, &description, NULL, NULL, NULL, NULL,
				   NULL, NULL, NULL, NULL) > 0) {
		/* others than ours may have such a name */
		if (find(s, name) || strcmp(description, DESCRIPTION) != 0)
			continue;
		i = add(s, name);
		if (i)
			i->state = SLICE_THERE;
	}
	s->found(s->found_userdata);
	return 0;
}

/* The names that slice_name() gives: of any user, and any session. */
static void glob_of(const char *pattern, char out[static SLICE_NAME_BYTES])
{
	const char *at = strstr(pattern, "%u");
	size_t stem = strlen(pattern) - strlen(SUFFIX);

	if (at)
		snprintf(out, SLICE_NAME_BYTES, "%.*s[0-9]*%.*s-*" SUFFIX, (int)(at - pattern),
			 pattern, (int)(stem - (size_t)(at + 2 - pattern)), at + 2);
	else
		snprintf(out, SLICE_NAME_BYTES, "%.*s-[0-9]*-*" SUFFIX, (int)stem, pattern);
}

int slices_look(struct slices *s, const char *pattern, void (*found)(void *userdata),
		void *userdata)
{
	char glob[SLICE_NAME_BYTES];

	if (!s->connection)
		return 0;
	glob_of(pattern, glob);
	s->found = found;
	s->found_userdata = userdata;
	return sd_bus_call_method_async(s->connection, &s->listing, SYSTEMD_NAME, SYSTEMD_PATH,
					SYSTEMD_MANAGER, "ListUnitsByPatterns", on_listed, s,
					"asas", 0, 1, glob);
}
