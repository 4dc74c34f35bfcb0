// SPDX-License-Identifier: GPL-2.0-or-later
/* verb-region.c - what is done to a region that exists: release, export. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "ctl.h"

#define RELEASE_MAX 4096

struct release_options {
	uint64_t grace_usec;
	bool if_exists;
};

static const struct option_spec release_specs[] = {
	{ "if-exists", ARG_FLAG, offsetof(struct release_options, if_exists), NULL,
	  "a region that is already gone is not a failure" },
	{ "grace", ARG_GRACE, offsetof(struct release_options, grace_usec), "TIME",
	  "wait no longer than this for holders (each region's own)" },
	{ NULL },
};

/* What became of one of them. */
struct outcome {
	bool released;
	int status;
};

struct release {
	const struct ctl *ctl;
	const struct release_options *options;
	const uint64_t *ids;
	struct outcome *outcomes;
};

/* As they end: a line each. */
static void on_released(size_t index, int error, void *userdata)
{
	struct release *x = userdata;

	if (error == -ENOENT && x->options->if_exists)
		return;
	x->outcomes[index].released = !error;
	if (error)
		x->outcomes[index].status = ctl_failed(error);
	else if (!x->ctl->json)
		printf("region %" PRIu64 " released\n", x->ids[index]);
	ctl_flush();
}

/* In the order of the command line, whichever was first to end. */
static void print_released(const struct release *x, int n)
{
	json_object *o = json_object_new_object(), *released = json_object_new_array();

	for (int i = 0; i < n; i++)
		if (x->outcomes[i].released)
			json_object_array_add(released, json_object_new_uint64(x->ids[i]));
	json_object_object_add(o, "released", released);
	ctl_print_json(o);
}

/* Each is tried; the first failure, in the order of the command line, is the status. */
static int release(struct ctl *ctl, const void *options, char **arguments, int n)
{
	uint64_t ids[RELEASE_MAX];
	struct outcome outcomes[RELEASE_MAX] = { 0 };
	struct release x = { ctl, options, ids, outcomes };
	const struct rdmareg_release_options ro = { .size = sizeof(ro),
						    .grace_usec = x.options->grace_usec };
	struct rdmareg *context;
	int r;

	for (int i = 0; i < n; i++) {
		r = ctl_parse_id(arguments[i], &ids[i]);
		if (r)
			return r;
	}
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	rdmareg_release_all(context, ids, (size_t)n, &ro, on_released, &x);
	if (ctl->json)
		print_released(&x, n);
	for (int i = 0; i < n; i++)
		if (outcomes[i].status)
			return outcomes[i].status;
	return EXIT_OK;
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

const struct verb verb_release = { "release",	"ID...", "take regions down", release_specs, 1,
				   RELEASE_MAX, release };
const struct verb verb_export = { "export", "ID",  "make a ticket for a region", export_specs, 1,
				  1,	    export };
