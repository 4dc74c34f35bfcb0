// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-files.c - what is asked of filesystems, tenants or the settings rather than of a region:
 * Manager.Evict, EnforceLimits and Reload. A descriptor says which filesystem; how it was opened
 * does not matter, since nothing is read.
 *
 * What always holds: nobody but root and those whom polkit knows takes down what is not his.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "bus/authorize.h"
#include "util/cleanup.h"

static int evict(struct bus *b, struct client *c, int *fd, void *request, struct call *call,
		 struct failure *f)
{
	(void)fd;
	return b->handlers->evict(b->userdata, c, request, call, f);
}

/*
 * The descriptor is closed before the answer: who then unmounts must not find the filesystem in
 * use.
 */
static int look_away(void *request, int *fd, uint32_t uid, struct failure *f)
{
	(void)request, (void)uid, (void)f;
	close(steal_fd(fd));
	return 0;
}

/*
 * Until now the descriptor has kept the filesystem mounted, and its number from being another
 * one's.
 */
static int evict_authorized(struct bus *b, struct client *c, int fd, const void *request,
			    struct call *call, struct failure *f)
{
	const struct examination x = { look_away, evict, "nothing was evicted", request,
				       sizeof(struct evict_request) };

	return fd < 0 ? b->handlers->evict(b->userdata, c, request, call, f)
		      : examine(b, fd, &x, call, f);
}

static int ask_to_evict(struct bus *b, const struct evict_request *q, int fd, struct call *call,
			struct failure *f)
{
	const struct authorization a = {
		.action = q->above_limits ? ACTION_ENFORCE : ACTION_EVICT,
		.then = evict_authorized,
		.fd = fd,
		.path = q->path,
		.request = q,
		.request_size = sizeof(*q),
	};

	return authorize(b, &a, call, f);
}

static int look_for_filesystem(void *request, int *fd, uint32_t uid, struct failure *f)
{
	struct evict_request *q = request;
	int r = descriptor_find_filesystem(*fd, &q->on, f);

	if (r)
		return r;
	filesystem_type(&q->on, q->type);
	descriptor_path(*fd, q->path);
	return uid == 0 ? look_away(request, fd, uid, f) : 0;
}

static int evict_examined(struct bus *b, struct client *c, int *fd, void *request,
			  struct call *call, struct failure *f)
{
	const struct evict_request *q = request;
	int r;

	if (c->uid == 0)
		return b->handlers->evict(b->userdata, c, q, call, f);
	r = ask_to_evict(b, q, *fd, call, f);
	if (r == 0)
		*fd = -1;
	return r;
}

int method_evict(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct evict_request q = { 0 };
	const struct option known[] = { { "grace_usec", 't', &q.grace_usec, &q.has_grace } };
	const struct examination x = { look_for_filesystem, evict_examined, "nothing was evicted",
				       &q, sizeof(q) };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	int token = -1, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "h", &token);
	if (r >= 0)
		r = options_read(m, known, 1, &f);
	return r ? refuse(m, r, &f) : examine_call(b, m, c, token, &x);
}

int method_enforce_limits(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct evict_request q = { .above_limits = true };
	const struct option known[] = { { "grace_usec", 't', &q.grace_usec, &q.has_grace } };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = options_read(m, known, 1, &f);
	if (r == 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	if (c->uid != 0)
		return end_call(call, ask_to_evict(b, &q, -1, call, &f), &f);
	return end_call(call, b->handlers->evict(b->userdata, c, &q, call, &f), &f);
}

static int reload_authorized(struct bus *b, struct client *c, int fd, const void *request,
			     struct call *call, struct failure *ret)
{
	(void)c, (void)fd, (void)request;
	return b->handlers->reload(b->userdata, call, ret);
}

/* Who runs the daemon could as well send it a signal. */
int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const struct authorization a = { .action = ACTION_RELOAD,
					 .then = reload_authorized,
					 .fd = -1,
					 .path = "",
					 .request = "" };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	if (c->uid != 0 && c->uid != geteuid())
		return end_call(call, authorize(b, &a, call, &f), &f);
	return end_call(call, b->handlers->reload(b->userdata, call, &f), &f);
}
