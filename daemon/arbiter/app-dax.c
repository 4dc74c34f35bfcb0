// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-dax.c - device-dax devices made for tenants. rdmareg-dax does the work, in a process of its
 * own; here is whose each is and how long.
 *
 * What always holds: a device is charged to its user from before it is made until it is destroyed.
 * One that is not detached ends with the connection that asked for it, as soon as nobody has it
 * open or mapped; a region on it counts as that, since its keeper has it mapped. What is in dax/ of
 * the runtime directory (NAME -> "UID BYTES MARK") are those that a daemon started anew takes over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arbiter/app-internal.h"
#include "arbiter/dax-process.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define UNIT_BYTES (2ull << 20) /* what a device has at least, and is charged before it is made */
#define PROCESSES_MAX 8
#define RETRY_FIRST_USEC (USEC_PER_SEC / 4)
#define RETRY_LAST_USEC (60 * USEC_PER_SEC)
#define NO_MARK "-"

struct dax_grant {
	struct app *app;
	uint32_t uid;
	uint64_t bytes; /* charged */
	char name[DAX_NAME_MAX];
	struct client *client; /* it ends with this one; NULL: detached, or it is gone */
	bool detached;
	bool ending;		     /* nobody is to have it any more */
	struct call *call;	     /* that waits for @process */
	struct dax_process *process; /* under way; or NULL */
	struct event *retry;
	uint64_t retry_usec;
	LIST_ENTRY(dax_grant) grants;
};

static void record_path(const struct dax_grant *g, char out[static DAX_NAME_MAX + 8])
{
	snprintf(out, DAX_NAME_MAX + 8, "dax/%s", g->name);
}

static void grant_free(struct dax_grant *g)
{
	char path[DAX_NAME_MAX + 8];

	if (*g->name) {
		record_path(g, path);
		unlinkat(g->app->runtime.directory, path, 0);
	}
	if (g->retry)
		event_free(g->retry);
	LIST_REMOVE(g, grants);
	free(g);
}

static void on_retry(evutil_socket_t fd, short what, void *userdata);

static struct dax_grant *grant_new(struct app *a, uint32_t uid, uint64_t bytes)
{
	struct dax_grant *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->retry = evtimer_new(loop_base(a->loop), on_retry, g);
	if (!g->retry) {
		free(g);
		return NULL;
	}
	g->app = a;
	g->uid = uid;
	g->bytes = bytes;
	g->retry_usec = RETRY_FIRST_USEC;
	LIST_INSERT_HEAD(&a->dax_grants, g, grants);
	return g;
}

/* Without it a daemon started anew would not know of the device; it is made all the same. */
static void record(struct dax_grant *g)
{
	char path[DAX_NAME_MAX + 8], mark[RECORD_MARK_MAX], text[RECORD_MARK_MAX + 64];
	int directory = g->app->runtime.directory;

	if (g->detached || !g->client ||
	    !bus_client_mark(g->app->bus, g->client, mark, sizeof(mark)))
		snprintf(mark, sizeof(mark), NO_MARK);
	snprintf(text, sizeof(text), "%" PRIu32 " %" PRIu64 " %s", g->uid, g->bytes, mark);
	record_path(g, path);
	mkdirat(directory, "dax", 0700);
	unlinkat(directory, path, 0);
	if (symlinkat(text, directory, path) < 0)
		log_warning("%s: cannot be recorded: %s", g->name, strerror(errno));
}

static int fail_dax(struct failure *f, const struct dax_answer *a, const char *what)
{
	const char *name = RDMAREG_ERROR_FAILED;

	if (a->error == -ENODEV)
		name = RDMAREG_ERROR_INVALID_FILE;
	else if (a->error == -ENOSPC)
		name = RDMAREG_ERROR_LIMIT_EXCEEDED;
	else if (a->error == -EBUSY || a->error == -EAGAIN)
		name = RDMAREG_ERROR_BUSY;
	return failure_set(f, name, "%s: %s", what, a->text);
}

static void on_destroyed(void *userdata, const struct dax_answer *n, int fd)
{
	struct dax_grant *g = userdata;
	struct call *call = steal_pointer(g->call);
	struct timeval after;
	struct failure f;

	closep(&fd);
	g->process = NULL;
	if (n->error == 0) {
		log_info("%s: destroyed; it was of uid %" PRIu32, g->name, g->uid);
		grant_free(g);
		if (call)
			call_reply(call);
		return;
	}
	if (call) {
		fail_dax(&f, n, "destroying the device");
		call_fail(call, &f);
	}
	if (!g->ending)
		return;
	log_debug("%s: not destroyed yet: %s", g->name, n->text);
	after = timeval_from_usec(g->retry_usec);
	event_add(g->retry, &after);
	g->retry_usec = g->retry_usec * 2 < RETRY_LAST_USEC ? g->retry_usec * 2 : RETRY_LAST_USEC;
}

static int start_destroying(struct dax_grant *g)
{
	return dax_process_start(&g->process, g->app->options->spawner, loop_base(g->app->loop),
				 g->app->options->dax_helper, "destroy", g->name, NULL,
				 on_destroyed, g);
}

/* It is given back now, or as soon as nobody has it. */
static void end_grant(struct dax_grant *g)
{
	const struct timeval after = timeval_from_usec(g->retry_usec);

	g->ending = true;
	g->client = NULL;
	if (!g->process && start_destroying(g) < 0)
		event_add(g->retry, &after);
}

static void on_retry(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	end_grant(userdata);
}

static void on_made(void *userdata, const struct dax_answer *n, int fd)
{
	struct dax_grant *g = userdata;
	struct dax_process *process = steal_pointer(g->process);
	struct call *call = steal_pointer(g->call);
	char path[DAX_NAME_MAX + 8];
	struct failure f;

	if (n->error < 0 || fd < 0) {
		fail_dax(&f, n, "making a device");
		call_fail(call, &f);
		grant_free(g);
		closep(&fd);
		return;
	}
	snprintf(g->name, sizeof(g->name), "%s", n->name);
	snprintf(path, sizeof(path), "/dev/%s", g->name);
	g->bytes = n->size_bytes;
	record(g);
	dax_process_keep(process);
	log_info("%s: made, %" PRIu64 " bytes, for uid %" PRIu32, g->name, g->bytes, g->uid);
	call_reply_dax(call, path, g->bytes, fd);
	closep(&fd);
	if (g->ending) /* who asked is gone */
		end_grant(g);
}

static uint64_t charge_of(uint64_t size)
{
	return (size + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
}

bool app_dax_is_within_limit(void *userdata, const struct client *c, uint64_t size)
{
	const struct app *a = userdata;
	uint64_t used = charge_of(size);
	const struct dax_grant *g;

	LIST_FOREACH(g, &a->dax_grants, grants)
		if (g->uid == c->uid && __builtin_add_overflow(used, g->bytes, &used))
			return false;
	return used <= a->settings.dax_bytes_per_tenant;
}

int app_create_dax(void *userdata, struct client *c, const struct dax_request *q, struct call *call,
		   struct failure *ret)
{
	char region[16], size[24];
	struct app *a = userdata;
	struct dax_grant *g;
	unsigned busy = 0;
	int r;

	if (app_check_drain(a, ret))
		return BUS_E_REFUSED;
	LIST_FOREACH(g, &a->dax_grants, grants)
		busy += g->process != NULL;
	if (busy >= PROCESSES_MAX)
		return failure_set(ret, RDMAREG_ERROR_BUSY,
				   "%u devices are being made or destroyed already: try again",
				   busy);
	g = grant_new(a, c->uid, charge_of(q->size));
	if (!g)
		return failure_from_errno(ret, "making a device", -ENOMEM, "");
	snprintf(region, sizeof(region), "%" PRIu32, q->region);
	snprintf(size, sizeof(size), "%" PRIu64, q->size);
	r = dax_process_start(&g->process, a->options->spawner, loop_base(a->loop),
			      a->options->dax_helper, "create", region, size, on_made, g);
	if (r < 0) {
		grant_free(g);
		return failure_set(ret, RDMAREG_ERROR_FAILED,
				   "making a device: %s cannot be started: %s",
				   a->options->dax_helper, strerror(-r));
	}
	g->call = call;
	g->client = c;
	g->detached = q->detached;
	return 0;
}

int app_destroy_dax(void *userdata, struct client *c, const char *path, struct call *call,
		    struct failure *ret)
{
	struct app *a = userdata;
	struct dax_grant *g;
	int r;

	LIST_FOREACH(g, &a->dax_grants, grants)
		if (*g->name && !strncmp(path, "/dev/", 5) && !strcmp(path + 5, g->name) &&
		    (c->uid == 0 || c->uid == g->uid))
			break;
	if (!g)
		return failure_set(ret, RDMAREG_ERROR_INVALID_FILE,
				   "'%s' is no device that was made for uid %" PRIu32
				   ": give the path that rdmaregctl dax-create printed",
				   path, c->uid);
	if (g->process)
		return failure_set(ret, RDMAREG_ERROR_BUSY, "%s is being destroyed already", path);
	r = start_destroying(g);
	if (r < 0)
		return failure_set(ret, RDMAREG_ERROR_FAILED, "%s cannot be started: %s",
				   a->options->dax_helper, strerror(-r));
	g->call = call;
	return 0;
}

void app_drop_dax(struct app *a, const struct client *c)
{
	struct dax_grant *g, *next;

	for (g = LIST_FIRST(&a->dax_grants); g; g = next) {
		next = LIST_NEXT(g, grants);
		if (g->client != c)
			continue;
		g->client = NULL;
		/* of one that is still being made nobody has heard */
		if (!g->detached || !*g->name)
			end_grant(g);
	}
}

/* What the record of a device says. */
struct dax_record {
	uint32_t uid;
	uint64_t bytes;
	char mark[RECORD_MARK_MAX];
};

static void adopt(struct app *a, const char *name, const struct dax_record *r)
{
	struct dax_grant *g = grant_new(a, r->uid, r->bytes);

	if (!g)
		return;
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->detached = !strcmp(r->mark, NO_MARK);
	if (!g->detached && bus_client_by_mark(a->bus, r->mark, &g->client) < 0)
		end_grant(g);
}

typedef void on_dax_record_t(void *userdata, const char *name, const struct dax_record *r);

static void each_record(struct app *a, on_dax_record_t *call, void *userdata)
{
	int fd = openat(a->runtime.directory, "dax", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[RECORD_MARK_MAX + 64];
	DIR *records = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;
	struct dax_record r;

	if (!records) {
		closep(&fd);
		return;
	}
	while ((d = readdir(records))) {
		ssize_t n = readlinkat(fd, d->d_name, text, sizeof(text) - 1);
		int mark = 0;

		if (n <= 0)
			continue;
		text[n] = 0;
		if (strlen(d->d_name) >= DAX_NAME_MAX ||
		    sscanf(text, "%" SCNu32 " %" SCNu64 " %n", &r.uid, &r.bytes, &mark) != 2 ||
		    !text[mark] || strlen(text + mark) >= sizeof(r.mark))
			continue;
		strcpy(r.mark, text + mark);
		call(userdata, d->d_name, &r);
	}
	closedir(records);
}

static void adopt_record(void *userdata, const char *name, const struct dax_record *r)
{
	adopt(userdata, name, r);
}

void app_adopt_dax(struct app *a)
{
	each_record(a, adopt_record, a);
}

struct mark_call {
	void (*call)(void *userdata, const char *mark);
	void *userdata;
};

static void call_with_mark(void *userdata, const char *name, const struct dax_record *r)
{
	const struct mark_call *c = userdata;

	(void)name;
	if (strcmp(r->mark, NO_MARK) != 0)
		c->call(c->userdata, r->mark);
}

void app_each_dax_owner(struct app *a, void (*call)(void *userdata, const char *mark),
			void *userdata)
{
	struct mark_call c = { call, userdata };

	each_record(a, call_with_mark, &c);
}

void app_free_dax(struct app *a)
{
	struct failure f = { 0 };
	struct dax_grant *g;

	failure_set(&f, RDMAREG_ERROR_FAILED, "rdmaregd is stopping: try again");
	while ((g = LIST_FIRST(&a->dax_grants))) {
		dax_process_abandon(g->process);
		if (g->call)
			call_fail(g->call, &f);
		*g->name = 0; /* the record is for the next daemon */
		grant_free(g);
	}
}
