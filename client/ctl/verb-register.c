// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-register.c - make files reachable. A region is detached: it outlives this process, since a
 * command has nothing to stay for. A name is printed in the form that other verbs take. When the ticket that was asked for cannot be had, the region
 * is released again: all or nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "format.h"
#include "model.h"
#include "shown.h"

#define REGISTER_MAX 512

struct options {
	uint64_t offset, length, grace_usec;
	const char *session, *name, *user, *rails;
	enum rdmareg_access access;
	enum rdmareg_policy policy;
	enum rdmareg_arbitrate arbitration;
	enum rdmareg_warm_mode warm_mode;
	bool export, no_warm, atomic, standing;
};

static const struct option_spec specs[] = {
	{ "offset", ARG_SIZE, offsetof(struct options, offset), "SIZE",
	  "offset in the file, a multiple of the page size (0)" },
	{ "length", ARG_LENGTH, offsetof(struct options, length), "SIZE",
	  "number of bytes (to the end of the file)" },
	{ "access", ARG_ACCESS, offsetof(struct options, access), "r|rw",
	  "what peers may do (rw)" },
	{ "policy", ARG_POLICY, offsetof(struct options, policy), "follow|yield|hold",
	  "what to do when the filesystem needs blocks back (yield)" },
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "how long a revocation waits for holders" },
	{ "warm-mode", ARG_WARM_MODE, offsetof(struct options, warm_mode),
	  "off|read|adaptive|write",
	  "how to bring translations back after writeback (rdmaregd.conf: adaptive)" },
	{ "arbitration", ARG_ARBITRATE, offsetof(struct options, arbitration), "auto|pre-content",
	  "pre-content: also use events that slow down others' I/O (auto)" },
	{ "export", ARG_FLAG, offsetof(struct options, export), NULL, "make a ticket as well" },
	{ "session", ARG_TEXT, offsetof(struct options, session), "NAME",
	  "tenant session (default)" },
	{ "rails", ARG_TEXT, offsetof(struct options, rails), "NAME,...",
	  "register it in each of these sessions, with one list of tickets" },
	{ "uid", ARG_TEXT, offsetof(struct options, user), "USER",
	  "open the file and register it as this user (root)" },
	{ "name", ARG_TEXT, offsetof(struct options, name), "NAME",
	  "call the region SESSION/NAME (none)" },
	{ "atomic", ARG_FLAG, offsetof(struct options, atomic), NULL,
	  "several files: all of them, or none" },
	{ "standing", ARG_FLAG, offsetof(struct options, standing), NULL,
	  "make the region again after a reboot; with --name" },
	{ "no-warm", ARG_FLAG, offsetof(struct options, no_warm), NULL, "do not prefetch" },
	{ NULL },
};

static void print(const struct ctl *ctl, struct rdmareg_region *region, const char *ticket)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	char valid[FORMAT_BYTES], length[FORMAT_BYTES];
	json_object *o;

	rdmareg_region_get_info(region, &info);
	if (ctl->json) {
		o = model_region(&info);
		if (ticket)
			json_object_object_add(o, "ticket", json_object_new_string(ticket));
		ctl_print_json(o);
		return;
	}
	printf("region      %" PRIu64 "\n", info.id);
	if (*info.name && info.uid == getuid())
		printf("name        %s/%s\n", info.session, info.name);
	else if (*info.name)
		printf("name        %" PRIu32 ":%s/%s\n", info.uid, info.session, info.name);
	/* allowed, and seldom meant: peers reach what the file has */
	if (info.valid_length < info.length)
		printf("valid       %s of %s: the file has no more now\n",
		       format_size(valid, info.valid_length), format_size(length, info.length));
	model_print_arbitration(&info);
	if (ticket)
		printf("ticket      %s\n", ticket);
}

/* For a user it is opened with that user's rights, wherever the file is. */
static int open_file(const char *path, bool writes, const struct rdmareg_register_options *ro,
		     int *ret_fd)
{
	int r;

	if (!ro->for_uid || geteuid()) {
		*ret_fd = open(path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
		return *ret_fd < 0 ? ctl_not_opened(path, writes ? "for reading and writing"
								 : "for reading")
				   : 0;
	}
	r = rdmareg_open_as(ro->uid, path, writes ? O_RDWR : O_RDONLY, NULL, ret_fd);
	return r < 0 ? ctl_failed(r) : 0;
}

/* Without its ticket it is of no use to whoever asked for one: all or nothing. */
static int export(struct rdmareg_region *region, char **ret_ticket)
{
	int status, r = rdmareg_export(region, NULL, ret_ticket);

	if (r >= 0)
		return 0;
	status = ctl_failed(r);
	if (rdmareg_release(region) < 0)
		ctl_failed(-EIO);
	return status;
}

static int register_one(struct ctl *ctl, const struct options *o, const char *path,
			struct rdmareg_register_options *ro, enum rdmareg_access access)
{
	/*
	 * somebody watches: the region first, then how far it is, and a signal gives up no more
	 * than the rest
	 */
	bool watched = !o->no_warm && !ctl->json && ctl_is_terminal(STDERR_FILENO);
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	_cleanup_(text_cleanup) char *ticket = NULL;
	int fd, r = open_file(path, access == RDMAREG_ACCESS_READ_WRITE, ro, &fd);

	if (r)
		return r;
	ro->no_warm = o->no_warm || watched;
	r = rdmareg_register(ctl->context, fd, o->offset, o->length, access, ro, &region);
	close(fd);
	if (r < 0)
		return ctl_failed(r);
	r = o->export ? export(region, &ticket) : 0;
	if (r)
		return r;
	print(ctl, region, ticket);
	fflush(stdout);
	return watched ? ctl_prefetch_all(ctl, region) : EXIT_OK;
}

/* Those that were registered; the first failure is the status. */
static int print_many(struct ctl *ctl, const struct options *o, char **paths, int n,
		      struct rdmareg_region **regions, const int *errors, int status)
{
	json_object *all = json_object_new_array();
	int first = 0;

	for (int i = 0; i < n; i++) {
		_cleanup_(text_cleanup) char *ticket = NULL;
		struct rdmareg_region_info info = { .size = sizeof(info) };
		int r = 0;

		/* the library has said it of the first */
		if (errors[i] && first++)
			ctl_error(EXIT_FAILED, "registering %s: %s", paths[i],
				  strerror(-errors[i]));
		if (!regions[i])
			continue;
		r = o->export ? export(regions[i], &ticket) : 0;
		if (r) {
			status = status ? status : r;
		} else if (ctl->json) {
			json_object *j;

			rdmareg_region_get_info(regions[i], &info);
			j = model_region(&info);
			if (ticket)
				json_object_object_add(j, "ticket", json_object_new_string(ticket));
			json_object_array_add(all, j);
		} else {
			_cleanup_(text_cleanup) char *path = shown_copy(paths[i]);

			printf("file        %s\n", path ? path : "?");
			print(ctl, regions[i], ticket);
		}
		rdmareg_region_free(regions[i]);
	}
	if (ctl->json)
		ctl_print_json(json_object_get(all));
	json_object_put(all);
	return status;
}

static int register_many(struct ctl *ctl, const struct options *o, char **paths, int n,
			 struct rdmareg_register_options *ro, enum rdmareg_access access)
{
	struct rdmareg_register_request requests[REGISTER_MAX] = { 0 };
	struct rdmareg_region *regions[REGISTER_MAX];
	int errors[REGISTER_MAX], opened = 0, r = 0, status;

	ro->no_warm = o->no_warm;
	for (; opened < n && !r; opened += !r) {
		requests[opened] =
			(struct rdmareg_register_request){ -1, access, o->offset, o->length, ro };
		r = open_file(paths[opened], access == RDMAREG_ACCESS_READ_WRITE, ro,
			      &requests[opened].fd);
	}
	status = r;
	if (!r)
		r = rdmareg_register_many(ctl->context, requests, (size_t)n, o->atomic, regions,
					  errors);
	for (int i = 0; i < opened; i++)
		close(requests[i].fd);
	if (status)
		return status;
	if (r < 0)
		status = ctl_failed(r);
	return r < 0 && o->atomic ? status : print_many(ctl, o, paths, n, regions, errors, status);
}

/* The sessions of --rails, in @names, which is cut up for it. 0: it is no such list. */
static size_t read_rails(char *names, const char *ret[static RDMAREG_RAILS_MAX])
{
	size_t n = 0;
	char *at;

	while ((at = strsep(&names, ","))) {
		if (n == RDMAREG_RAILS_MAX || !*at)
			return 0;
		for (size_t i = 0; i < n; i++)
			if (!strcmp(ret[i], at))
				return 0;
		ret[n++] = at;
	}
	return n;
}

static void release_rails(struct ctl *ctl, struct rdmareg_region **regions, size_t n)
{
	uint64_t ids[RDMAREG_RAILS_MAX];
	int r;

	for (size_t i = 0; i < n; i++)
		ids[i] = rdmareg_region_id(regions[i]);
	r = rdmareg_release_all(ctl->context, ids, n, NULL, NULL, NULL);
	if (r < 0)
		ctl_failed(r);
}

static int print_rails(struct ctl *ctl, struct rdmareg_region **regions, size_t n,
		       const char *tickets)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	json_object *all = json_object_new_array(), *o = json_object_new_object();

	for (size_t i = 0; i < n; i++) {
		rdmareg_region_get_info(regions[i], &info);
		if (ctl->json)
			json_object_array_add(all, model_region(&info));
		else
			print(ctl, regions[i], NULL);
	}
	json_object_object_add(o, "regions", all);
	if (tickets)
		json_object_object_add(o, "ticket", json_object_new_string(tickets));
	if (ctl->json)
		ctl_print_json(json_object_get(o));
	else if (tickets)
		printf("ticket      %s\n", tickets);
	json_object_put(o);
	return EXIT_OK;
}

/* One file once for each device, all or none. */
static int register_rails(struct ctl *ctl, const struct options *o, const char *path,
			  const struct rdmareg_register_options *ro, enum rdmareg_access access)
{
	struct rdmareg_register_request requests[RDMAREG_RAILS_MAX] = { 0 };
	struct rdmareg_register_options each[RDMAREG_RAILS_MAX];
	struct rdmareg_region *regions[RDMAREG_RAILS_MAX];
	_cleanup_(text_cleanup) char *names = strdup(o->rails), *tickets = NULL;
	const char *sessions[RDMAREG_RAILS_MAX];
	size_t n = names ? read_rails(names, sessions) : 0;
	int fd, r;

	if (!n)
		return ctl_error(EXIT_USAGE,
				 "register: --rails takes 1 to %d sessions, each once, with "
				 "commas between them",
				 RDMAREG_RAILS_MAX);
	r = open_file(path, access == RDMAREG_ACCESS_READ_WRITE, ro, &fd);
	if (r)
		return r;
	for (size_t i = 0; i < n; i++) {
		each[i] = *ro;
		each[i].session = sessions[i];
		each[i].no_warm = o->no_warm;
		requests[i] = (struct rdmareg_register_request){ fd, access, o->offset, o->length,
								 &each[i] };
	}
	r = rdmareg_register_many(ctl->context, requests, n, 1, regions, NULL);
	close(fd);
	if (r < 0)
		return ctl_failed(r);
	if (o->export)
		r = rdmareg_export_rails(regions, n, NULL, &tickets);
	if (r > 0 && (size_t)r < n)
		ctl_error(EXIT_OK, "the list has %d of %zu tickets: %s", r, n,
			  rdmareg_last_error());
	r = r < 0 ? ctl_failed(r) : EXIT_OK;
	if (r)
		release_rails(ctl, regions, n);
	else
		print_rails(ctl, regions, n, tickets);
	for (size_t i = 0; i < n; i++)
		rdmareg_region_free(regions[i]);
	return r;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_register_options ro = {
		.size = sizeof(ro),
		.policy = o->policy,
		.grace_usec = o->grace_usec,
		.arbitration = o->arbitration,
		.warm_mode = o->warm_mode,
		.session = o->session,
		.name = o->name,
		.detached = 1,
		.standing = o->standing,
	};
	enum rdmareg_access access = o->access ? o->access : RDMAREG_ACCESS_READ_WRITE;
	int r, status = EXIT_FAILED;

	if (n > 1 && o->name)
		return ctl_error(EXIT_USAGE,
				 "register: --name %s: two regions cannot have one name: register "
				 "the files one by one",
				 o->name);
	if (o->rails && (n > 1 || o->session))
		return ctl_error(EXIT_USAGE,
				 "register: --rails takes one file, and the sessions itself: no "
				 "--session beside it");
	if (o->standing && !o->name)
		return ctl_error(EXIT_USAGE,
				 "register: --standing takes a --name: after a reboot the region "
				 "has another number, and is found by its name");
	if (!ctl_context(ctl, &status))
		return status;
	if (o->user) {
		r = ctl_parse_user(o->user, &ro.uid);
		if (r)
			return r;
		ro.for_uid = 1;
		/* neither export nor release would find it, and it would stay */
		if (o->export && geteuid() && ro.uid != geteuid())
			return ctl_error(
				EXIT_USAGE,
				"register: --export of a region of %s takes root: register "
				"it without, and let %s export it",
				o->user, o->user);
	}
	if (o->policy == RDMAREG_POLICY_HOLD || o->user)
		agent_begin();
	if (o->rails)
		return register_rails(ctl, o, arguments[0], &ro, access);
	return n > 1 ? register_many(ctl, o, arguments, n, &ro, access)
		     : register_one(ctl, o, arguments[0], &ro, access);
}

const struct verb verb_register = { "register",	  "FILE...", "make files reachable", specs, 1,
				    REGISTER_MAX, run };
