// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-register.c - make a file reachable. The region is detached: it outlives this process, since
 * a command has nothing to stay for. When the ticket that was asked for cannot be had, the region
 * is released again: all or nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "agent.h"
#include "format.h"
#include "model.h"

struct options {
	uint64_t offset, length, grace_usec;
	const char *session, *name, *user;
	enum rdmareg_access access;
	enum rdmareg_policy policy;
	enum rdmareg_arbitrate arbitration;
	enum rdmareg_warm_mode warm_mode;
	bool export, no_warm;
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
	  "how to restore translations after writeback (rdmaregd.conf: adaptive)" },
	{ "arbitration", ARG_ARBITRATE, offsetof(struct options, arbitration), "auto|pre-content",
	  "pre-content: also use events that slow down others' I/O (auto)" },
	{ "export", ARG_FLAG, offsetof(struct options, export), NULL, "make a ticket as well" },
	{ "session", ARG_TEXT, offsetof(struct options, session), "NAME",
	  "tenant session (default)" },
	{ "uid", ARG_TEXT, offsetof(struct options, user), "USER",
	  "open the file and register it as this user (root)" },
	{ "name", ARG_TEXT, offsetof(struct options, name), "NAME",
	  "call the region SESSION/NAME (none)" },
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
	};
	/*
	 * somebody watches: the region first, then how far it is, and a signal gives up no more
	 * than the rest
	 */
	bool watched = !o->no_warm && !ctl->json && ctl_is_terminal(STDERR_FILENO);
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	_cleanup_(text_cleanup) char *ticket = NULL;
	enum rdmareg_access access = o->access ? o->access : RDMAREG_ACCESS_READ_WRITE;
	struct rdmareg *context;
	int fd, r, status = EXIT_FAILED;

	(void)n;
	context = ctl_context(ctl, &status);
	if (!context)
		return status;
	if (o->user) {
		r = ctl_parse_user(o->user, &ro.uid);
		if (r)
			return r;
		ro.for_uid = 1;
	}
	r = open_file(arguments[0], access == RDMAREG_ACCESS_READ_WRITE, &ro, &fd);
	if (r)
		return r;
	ro.no_warm = o->no_warm || watched;
	if (o->policy == RDMAREG_POLICY_HOLD || o->user)
		agent_begin();
	r = rdmareg_register(context, fd, o->offset, o->length, access, &ro, &region);
	close(fd);
	if (r < 0)
		return ctl_failed(r);
	if (o->export) {
		r = rdmareg_export(region, NULL, &ticket);
		if (r < 0) {
			status = ctl_failed(r);
			if (rdmareg_release(region) < 0)
				ctl_failed(-EIO);
			return status;
		}
	}
	print(ctl, region, ticket);
	fflush(stdout);
	return watched ? ctl_prefetch_all(ctl, region) : EXIT_OK;
}

const struct verb verb_register = { "register", "FILE", "make a file reachable", specs, 1, 1, run };
