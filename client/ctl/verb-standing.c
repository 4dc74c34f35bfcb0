// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-standing.c - regions that are made again after a reboot or a loss: which there are, those of
 * this user that are missing made again, one that is not to be any more. What always holds: one
 * that cannot be made again does not keep the others from it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model.h"
#include "table.h"

#define REMOVE_MAX 1000 /* named in one call */

struct options {
	const char *user;
	bool waiting;
};

static const struct option_spec specs[] = {
	{ "uid", ARG_TEXT, offsetof(struct options, user), "USER", "only this user's" },
	{ "waiting", ARG_FLAG, offsetof(struct options, waiting), NULL,
	  "only those that are not there" },
	{ NULL },
};

static const struct column columns[] = {
	{ "uid", "UID", LOOK_PLAIN, true, 3 },
	{ "reference", "NAME", LOOK_PLAIN, false },
	{ "region", "REGION", LOOK_PLAIN, true },
	{ "access", "ACCESS", LOOK_PLAIN, false, 5 },
	{ "length", "BYTES", LOOK_SIZE, true, 4 },
	{ "path", "FILE", LOOK_PLAIN, false, 2, CUT_BEGIN },
	{ "why", "TROUBLE", LOOK_PLAIN, false, 0, CUT_END },
};

static int begin(struct ctl *ctl, const struct rdmareg_standing_options *o,
		 struct rdmareg **ret_context, struct rdmareg_standings **ret)
{
	int r, status = EXIT_OK;

	*ret_context = ctl_context(ctl, &status);
	if (!*ret_context)
		return status;
	r = rdmareg_list_standing(*ret_context, o, ret);
	return r < 0 ? ctl_failed(r) : EXIT_OK;
}

static int list(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_standing_options so = { .size = sizeof(so),
					       .has_uid = o->user != NULL,
					       .waiting = o->waiting };
	struct rdmareg_standing s = { .size = sizeof(s) };
	struct rdmareg_standings *walk;
	struct rdmareg *context;
	json_object *rows;
	int r, status = o->user ? ctl_parse_user(o->user, &so.uid) : EXIT_OK;

	(void)arguments, (void)n;
	if (!status)
		status = begin(ctl, &so, &context, &walk);
	if (status)
		return status;
	rows = json_object_new_array();
	while ((r = rdmareg_standings_next(walk, &s)) > 0)
		json_object_array_add(rows, model_standing(&s));
	if (r < 0)
		status = ctl_failed(r);
	else
		status = table_print(ctl, columns, sizeof(columns) / sizeof(columns[0]), rows,
				     "there are no such standing regions; rdmaregctl register "
				     "--standing makes one");
	json_object_put(rows);
	rdmareg_standings_free(walk);
	return status;
}

const struct verb verb_standing_list = {
	"standing list", "", "list regions that are made again after a reboot", specs, 0, 0, list
};

struct restore_options {
	bool due;
};

static const struct option_spec restore_specs[] = {
	{ "due", ARG_FLAG, offsetof(struct restore_options, due), NULL,
	  "only those that are made again without being asked for" },
	{ NULL },
};

static int restore_one(struct ctl *ctl, struct rdmareg *c, const struct rdmareg_standing *s)
{
	bool writes = s->access == RDMAREG_ACCESS_READ_WRITE;
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	int fd = open(s->path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return ctl_not_opened(s->path, writes ? "for reading and writing" : "for reading");
	r = rdmareg_restore_standing(c, s->session, s->name, fd, &region);
	close(fd);
	if (r < 0)
		return ctl_failed(r);
	if (!ctl->json)
		printf("%s/%s: region %" PRIu64 "\n", s->session, s->name,
		       rdmareg_region_id(region));
	return EXIT_OK;
}

/* Root's own, too: a file of another user is opened by that user. */
static int restore(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct restore_options *o = options;
	const struct rdmareg_standing_options so = {
		.size = sizeof(so), .has_uid = 1, .uid = geteuid(), .waiting = 1, .due = o->due
	};
	struct rdmareg_standing s = { .size = sizeof(s) };
	struct rdmareg_standings *walk;
	struct rdmareg *context;
	int r, status = begin(ctl, &so, &context, &walk), one;

	(void)arguments, (void)n;
	if (status)
		return status;
	while ((r = rdmareg_standings_next(walk, &s)) > 0) {
		one = restore_one(ctl, context, &s);
		status = status ? status : one;
	}
	if (r < 0)
		status = ctl_failed(r);
	rdmareg_standings_free(walk);
	return status;
}

const struct verb verb_standing_restore = { "standing restore",
					    "",
					    "make those of this user again that are not there",
					    restore_specs,
					    0,
					    0,
					    restore };

static int remove_one(struct ctl *ctl, const char *text)
{
	_cleanup_(text_cleanup) char *copy = NULL;
	const char *session, *name;
	struct rdmareg *context;
	uint32_t uid;
	int r;

	if (!strchr(text, '/')) /* numbers are those of regions that are there */
		return ctl_error(EXIT_USAGE,
				 "%s is not SESSION/NAME, by which a standing region is called; "
				 "see: rdmaregctl standing list",
				 text);
	r = ctl_parse_name(text, &copy, &uid, &session, &name);
	if (r)
		return r;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = rdmareg_remove_standing(context, uid, session, name);
	if (r < 0)
		return ctl_failed(r);
	if (!ctl->json)
		printf("%s/%s: not made again any more\n", session, name);
	return EXIT_OK;
}

static int run_remove(struct ctl *ctl, const void *options, char **arguments, int n)
{
	int status = EXIT_OK, i = 0;

	(void)options;
	for (; i < n && !ctl_is_silent(); i++) {
		int one = remove_one(ctl, arguments[i]);

		status = status ? status : one;
	}
	if (i < n)
		ctl_left_out((size_t)(n - i));
	return status;
}

const struct verb verb_standing_remove = {
	"standing remove", "SESSION/NAME...", "do not make regions again after a reboot", NULL, 1,
	REMOVE_MAX,	   run_remove
};
