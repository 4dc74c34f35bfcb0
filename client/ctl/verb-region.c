// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-region.c - what is done to a region that exists: release, export. Releases run beside each
 * other, so that holders of many regions have one grace and not one after the other. A standing
 * region that is not there is released by taking it off: it does not come back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define RELEASE_MAX 4096 /* on one command line; a session may have more */

struct release_options {
	uint64_t grace_usec;
	const char *session;
	bool if_exists;
};

static const struct option_spec release_specs[] = {
	{ "session", ARG_TEXT, offsetof(struct release_options, session), "[USER:]NAME",
	  "all regions of this session, instead of IDs" },
	{ "if-exists", ARG_FLAG, offsetof(struct release_options, if_exists), NULL,
	  "a region that is already gone is not a failure" },
	{ "grace", ARG_GRACE, offsetof(struct release_options, grace_usec), "TIME",
	  "wait no longer than this for holders (each region's own)" },
	{ NULL },
};

/* A standing region that is not there: it is not to come back. */
struct waiting {
	uint32_t uid;
	char session[80];
	char name[80];
};

/* What became of one of them. */
struct outcome {
	bool released;
	int status;
};

struct release {
	const struct ctl *ctl;
	const struct release_options *options;
	uint64_t *ids;
	struct outcome *outcomes;
	size_t n, room;
	struct waiting *waiting;
	size_t n_waiting;
	size_t first_unknown; /* so many stand before the first name that was not found */
	int status_unknown;   /* 0: all names were */
};

/* As they end: a line each. */
static void on_released(size_t index, int error, void *userdata)
{
	struct release *x = userdata;

	/* of a session's, somebody else may have released it since it was listed */
	if (error == -ENOENT && (x->options->if_exists || x->options->session))
		return;
	x->outcomes[index].released = !error;
	if (error)
		x->outcomes[index].status = ctl_failed(error);
	else if (!x->ctl->json)
		printf("region %" PRIu64 " released\n", x->ids[index]);
	ctl_flush();
}

/* In the order of the command line, whichever was first to end. */
static void print_released(const struct release *x)
{
	json_object *o = json_object_new_object(), *released = json_object_new_array();

	for (size_t i = 0; i < x->n; i++)
		if (x->outcomes[i].released)
			json_object_array_add(released, json_object_new_uint64(x->ids[i]));
	json_object_object_add(o, "released", released);
	ctl_print_json(o);
}

static int add(struct release *x, uint64_t id)
{
	if (x->n == x->room) {
		size_t room = x->room ? 2 * x->room : 64;
		uint64_t *ids = reallocarray(x->ids, room, sizeof(*ids));

		if (!ids)
			return ctl_error(EXIT_FAILED, "release: out of memory");
		x->ids = ids;
		x->room = room;
	}
	x->ids[x->n++] = id;
	return 0;
}

static int note_waiting(struct release *x, const struct rdmareg_standing *s)
{
	struct waiting *all = reallocarray(x->waiting, x->n_waiting + 1, sizeof(*all));

	if (!all)
		return ctl_error(EXIT_FAILED, "release: out of memory");
	x->waiting = all;
	all[x->n_waiting].uid = s->uid;
	snprintf(all[x->n_waiting].session, sizeof(all->session), "%s", s->session);
	snprintf(all[x->n_waiting].name, sizeof(all->name), "%s", s->name);
	x->n_waiting++;
	return 0;
}

/* @name: NULL: all of the session. */
static int add_waiting(struct rdmareg *context, uint32_t uid, const char *session, const char *name,
		       struct release *x)
{
	const struct rdmareg_standing_options so = {
		.size = sizeof(so), .has_uid = 1, .uid = uid, .waiting = 1
	};
	struct rdmareg_standing s = { .size = sizeof(s) };
	struct rdmareg_standings *walk;
	int r = rdmareg_list_standing(context, &so, &walk), status = 0;

	if (r == -EOPNOTSUPP) /* an rdmaregd that knows of none */
		return 0;
	if (r < 0)
		return ctl_failed(r);
	while (!status && (r = rdmareg_standings_next(walk, &s)) > 0)
		if (!strcmp(s.session, session) && (!name || !strcmp(s.name, name)))
			status = note_waiting(x, &s);
	if (r < 0)
		status = ctl_failed(r);
	rdmareg_standings_free(walk);
	return status;
}

static int add_session(struct rdmareg *context, struct release *x)
{
	const char *name = x->options->session, *colon = strchr(name, ':');
	struct rdmareg_list_options lo = { .size = sizeof(lo),
					   .session = colon ? colon + 1 : name,
					   .brief = 1 };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *list = NULL;
	uint32_t uid = geteuid();
	char user[64];
	int r;

	if (colon) {
		snprintf(user, sizeof(user), "%.*s", (int)(colon - name), name);
		r = ctl_parse_user(user, &uid);
		if (r)
			return r;
	}
	r = rdmareg_list(context, &lo, &list);
	if (r < 0)
		return ctl_failed(r);
	while ((r = rdmareg_list_next(list, &info)) > 0)
		if (info.uid == uid && add(x, info.id))
			break;
	rdmareg_list_free(list);
	if (r)
		return r < 0 ? ctl_failed(r) : EXIT_FAILED;
	r = add_waiting(context, uid, lo.session, NULL, x);
	if (r)
		return r;
	if (!x->n && !x->n_waiting && !x->options->if_exists)
		return ctl_error(EXIT_NOT_FOUND,
				 "release: session %s of uid %" PRIu32 " has no regions",
				 lo.session, uid);
	return 0;
}

/* The name of no region that is there. */
static int add_absent(struct ctl *ctl, const char *text, struct release *x)
{
	_cleanup_(text_cleanup) char *copy = NULL;
	const char *session, *name;
	size_t before = x->n_waiting;
	uint64_t id = 0;
	uint32_t uid;
	int r = ctl_parse_name(text, &copy, &uid, &session, &name);

	if (!r)
		r = add_waiting(ctl->context, uid == UINT32_MAX ? geteuid() : uid, session, name,
				x);
	if (r || x->n_waiting > before || x->options->if_exists)
		return r;
	r = ctl_find_name(ctl, text, false, &id); /* says that it is not there */
	return r ? r : add(x, id);
}

/*
 * A name that no region has is, like a number, that of one that is gone: the others are released
 * all the same. If nobody can say, nothing is.
 */
static int add_named(struct ctl *ctl, const char *text, struct release *x)
{
	uint64_t id = 0;
	int r = strchr(text, '/') ? ctl_find_name(ctl, text, true, &id) : ctl_parse_id(text, &id);

	if (!r)
		r = id ? add(x, id) : add_absent(ctl, text, x);
	if (r != EXIT_NOT_FOUND && r != EXIT_DENIED)
		return r;
	if (!x->status_unknown) {
		x->status_unknown = r;
		x->first_unknown = x->n;
	}
	return 0;
}

static int check_argument(const char *text)
{
	_cleanup_(text_cleanup) char *copy = NULL;
	const char *session, *name;
	uint32_t uid;
	uint64_t id;

	return strchr(text, '/') ? ctl_parse_name(text, &copy, &uid, &session, &name)
				 : ctl_parse_id(text, &id);
}

static int collect(struct ctl *ctl, char **arguments, int n, struct release *x)
{
	struct rdmareg *context;
	int r;

	if (!n == !x->options->session)
		return ctl_error(EXIT_USAGE,
				 n ? "release: --session and IDs exclude each other"
				   : "release: an argument is missing; usage: rdmaregctl release "
				     "[OPTION...] ID... | --session [USER:]NAME");
	for (int i = 0; i < n; i++) {
		/* before anything is asked of anybody: nothing is released if one is misspelt */
		r = check_argument(arguments[i]);
		if (r)
			return r;
	}
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	if (x->options->session)
		return add_session(context, x);
	for (int i = 0; i < n; i++) {
		r = add_named(ctl, arguments[i], x);
		if (r)
			return r;
	}
	return 0;
}

/* The status of the first failure. */
static int remove_waiting(struct ctl *ctl, const struct release *x)
{
	int status = EXIT_OK, one;
	size_t i = 0;

	for (; i < x->n_waiting && !ctl_is_silent(); i++) {
		const struct waiting *w = &x->waiting[i];
		int r = rdmareg_remove_standing(ctl->context, w->uid, w->session, w->name);

		/* somebody else may have taken it off since it was listed */
		one = !r || r == -ENOENT ? EXIT_OK : ctl_failed(r);
		status = status ? status : one;
		if (!r && !ctl->json)
			printf("%s/%s: not made again any more\n", w->session, w->name);
	}
	if (i < x->n_waiting)
		ctl_left_out(x->n_waiting - i);
	return status;
}

/* Each is tried; the first failure, in the order of the command line, is the status. */
static int release_collected(struct ctl *ctl, struct release *x)
{
	const struct rdmareg_release_options ro = { .size = sizeof(ro),
						    .grace_usec = x->options->grace_usec };

	x->outcomes = calloc(x->n + 1, sizeof(*x->outcomes));
	if (!x->outcomes)
		return ctl_error(EXIT_FAILED, "release: out of memory");
	rdmareg_release_all(ctl->context, x->ids, x->n, &ro, on_released, x);
	if (ctl->json)
		print_released(x);
	for (size_t i = 0; i < x->n; i++) {
		if (x->status_unknown && i == x->first_unknown)
			break;
		if (x->outcomes[i].status)
			return x->outcomes[i].status;
	}
	return x->status_unknown;
}

static int release(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct release x = { .ctl = ctl, .options = options };
	int r = collect(ctl, arguments, n, &x), waiting;

	if (!r) {
		waiting = remove_waiting(ctl, &x);
		r = release_collected(ctl, &x);
		r = r ? r : waiting;
	}
	free(x.waiting);
	free(x.ids);
	free(x.outcomes);
	return r;
}

struct export_options {
	uint64_t expires_usec, uses;
	enum rdmareg_access access;
};

static const struct option_spec export_specs[] = {
	{ "access", ARG_ACCESS, offsetof(struct export_options, access), "r|rw",
	  "access that the ticket allows (the region's)" },
	{ "expires", ARG_TIME, offsetof(struct export_options, expires_usec), "TIME",
	  "admit no new peer after this time (never)" },
	{ "uses", ARG_COUNT, offsetof(struct export_options, uses), "N",
	  "number of connections that it admits (any)" },
	{ NULL },
};

static int export(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct export_options *o = options;
	struct rdmareg_export_options eo = {
		.size = sizeof(eo),
		.access = o->access,
		.expires_usec = o->expires_usec,
		.uses = (uint32_t)o->uses,
	};
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	_cleanup_(text_cleanup) char *ticket = NULL;
	int r;

	(void)n;
	if (o->uses > UINT32_MAX)
		return ctl_error(EXIT_USAGE, "export: --uses %" PRIu64 ": at most %u", o->uses,
				 UINT32_MAX);
	r = ctl_lookup(ctl, arguments[0], &region);
	if (r)
		return r;
	r = rdmareg_export(region, &eo, &ticket);
	if (r < 0)
		return ctl_failed(r);
	if (ctl->json) {
		json_object *j = json_object_new_object();

		json_object_object_add(j, "id", json_object_new_uint64(rdmareg_region_id(region)));
		json_object_object_add(j, "ticket", json_object_new_string(ticket));
		ctl_print_json(j);
	} else {
		printf("%s\n", ticket);
	}
	return EXIT_OK;
}

const struct verb verb_release = { "release",	"ID...", "take regions down", release_specs, 0,
				   RELEASE_MAX, release };
const struct verb verb_export = { "export", "ID",  "make a ticket for a region", export_specs, 1,
				  1,	    export };
