// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-standing.c - regions that are made again after a reboot or a loss: which there are, one
 * made again from its file, one that is not to be any more.
 *
 * What always holds: nobody opens a path here. Who has a region made again passes its file, with the
 * rights that it has to it, and gets what was recorded, or nothing. A caller sees and changes its
 * own user's only, root everybody's.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "bus/bus-internal.h"
#include "util/clock.h"
#include "util/macros.h"

#define DELETED " (deleted)"

/* False: it has no name, or one that cannot be kept and shown as it is. */
static bool has_whole_path(int fd, const char *path)
{
	char link[64], target[PATH_MAX];
	size_t n = strlen(path), deleted = strlen(DELETED);
	ssize_t whole;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	whole = readlink(link, target, sizeof(target));
	return *path == '/' && whole == (ssize_t)n && !memcmp(target, path, n) &&
	       (n < deleted || strcmp(path + n - deleted, DELETED) != 0);
}

static bool is_in_memory(int fd)
{
	static const uint32_t kinds[] = { TMPFS_MAGIC, RAMFS_MAGIC, HUGETLBFS_MAGIC };
	struct statfs s;

	if (fstatfs(fd, &s) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if ((uint32_t)s.f_type == kinds[i])
			return true;
	return false;
}

/* In a thread. */
int standing_look(struct register_request *q, int fd, const char *path, struct failure *f)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return failure_set(
			f, RDMAREG_ERROR_NOT_SUPPORTED,
			"a standing region is made of a regular file: a device has nothing by which it is known after a reboot; register it without 'standing'");
	if (!st.st_nlink || (q->standing && !has_whole_path(fd, path)))
		return failure_set(
			f, RDMAREG_ERROR_INVALID_FILE,
			"a standing region takes a file with a name by which it is found after a reboot, absolute, of less than %d bytes, and without control characters, not '%s'",
			DESCRIPTOR_PATH_MAX, path);
	if (q->standing && is_in_memory(fd))
		return failure_set(
			f, RDMAREG_ERROR_NOT_SUPPORTED,
			"'%s' is on a filesystem in memory (tmpfs, ramfs or hugetlbfs): after a reboot it is gone; put the file on a disk, or register it without 'standing'",
			path);
	identity_find(fd, q->inode, q->born_nsec, &q->identity);
	return 0;
}

/* What ListStanding was asked for, and how far it is. */
struct standing_listing {
	struct listing listing;
	uint32_t uid;
	bool has_uid;
	bool waiting;
	bool due;
	uint64_t after;
};

static int read_filter(sd_bus_message *m, struct listing *listing, struct failure *f)
{
	struct standing_listing *l = (struct standing_listing *)listing;
	const struct option known[] = {
		{ "uid", 'u', &l->uid, &l->has_uid },
		{ "waiting", 'b', &l->waiting, NULL },
		{ "due", 'b', &l->due, NULL },
	};

	return options_read(m, known, ARRAY_SIZE(known), f);
}

static int append_standing(sd_bus_message *m, const struct standing_view *v)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "uid", "u", v->uid, "session",
					  "s", v->session, "name", "s", v->name, "path", "s",
					  v->path, "access", "s", region_access_names[v->access]);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "offset", "t", v->offset, "length",
					  "t", v->length, "region", "t", v->region, "why", "s",
					  v->why);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int look(struct bus *b, struct listing *listing, uint32_t uid, uint64_t until_usec)
{
	struct standing_listing *l = (struct standing_listing *)listing;
	struct standing_view v;
	int r = 0;

	while (r >= 0) {
		if (now_monotonic_usec() >= until_usec)
			return 1;
		if (!b->handlers->view_next_standing(b->userdata, l->after, &v))
			return 0;
		l->after = v.number;
		if ((!uid || v.uid == uid) && (!l->has_uid || v.uid == l->uid) &&
		    (!l->waiting || !v.region) && (!l->due || (!v.region && !v.waits_for_user)))
			r = append_standing(listing->reply, &v);
	}
	return r;
}

static const struct listing_kind standings = { .item = "a{sv}",
					       .size = sizeof(struct standing_listing),
					       .read = read_filter,
					       .look = look,
					       .free = listing_free };

int method_list_standing(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	return listing_of(userdata, m, &standings);
}

int method_remove_standing(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *session, *name;
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	uint32_t uid;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "uss", &uid, &session, &name);
	if (r >= 0)
		r = check_reference(session, name, &f);
	if (r == 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	/* one that the caller may not see is not there */
	r = b->handlers->remove_standing(b->userdata, c->uid && c->uid != uid ? UINT32_MAX : uid,
					 session, name, call, &f);
	return end_call(call, r, &f);
}
