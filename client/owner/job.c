// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * job.c - prefetches that can be watched and given up: started, told of by signals, asked for,
 * cancelled.
 *
 * What always holds: a handle is on its context's list until it is freed. It speaks only with the
 * very daemon that began the job (its unique name), since the next one counts from 1 again. It
 * passes from running to over once, with one event, whichever of signal, answer, end of the daemon
 * and end of the connection says so first.
 */
#include <inttypes.h>
#include <stdio.h>

#include "error.h"
#include "fields.h"
#include "options.h"
#include "region.h"

struct rdmareg_job {
	struct rdmareg *context;
	struct rdmareg_job *next;
	struct rdmareg_job_info info;
	char path[sizeof(RDMAREG_JOB_PREFIX) + 24];
	char daemon[64];   /* unique name */
	char message[512]; /* info.message */
};

/* What an answer or a signal says of a job; strings are the message's. */
struct news {
	uint64_t region, done, total;
	enum rdmareg_job_state state;
	const char *error, *message;
};

static const struct field known[] = {
	FIELD_INTO(struct news, "Region", FIELD_U64, region),
	FIELD_INTO(struct news, "Done", FIELD_U64, done),
	FIELD_INTO(struct news, "Total", FIELD_U64, total),
	FIELD_WORD_INTO(struct news, "State", WORDS_JOB_STATE, state),
	FIELD_INTO(struct news, "Error", FIELD_TEXT, error),
	FIELD_INTO(struct news, "Message", FIELD_TEXT, message),
};

_public_ struct rdmareg_job *rdmareg_job_free(struct rdmareg_job *j)
{
	struct rdmareg_job **p;

	if (!j)
		return NULL;
	for (p = &j->context->jobs; *p; p = &(*p)->next)
		if (*p == j) {
			*p = j->next;
			break;
		}
	events_drop_job(j->context, j->info.id);
	free(j);
	return NULL;
}

DEFINE_CLEANUP(struct rdmareg_job, rdmareg_job_free)

void jobs_free_all(struct rdmareg *c)
{
	while (c->jobs)
		rdmareg_job_free(c->jobs);
}

static void finish(struct rdmareg_job *j, enum rdmareg_job_state state, int error,
		   const char *message)
{
	struct rdmareg_event e = {
		.type = RDMAREG_EVENT_JOB_FINISHED,
		.region = j->info.region,
		.job = j->info.id,
	};

	if (j->info.state != RDMAREG_JOB_RUNNING)
		return;
	j->info.state = state;
	j->info.error = error;
	if (state == RDMAREG_JOB_DONE)
		j->info.done = j->info.total;
	if (state == RDMAREG_JOB_FAILED)
		snprintf(j->message, sizeof(j->message), "%s", message);
	events_push(j->context, &e);
}

/* A word for its end that is newer than this library is no success. */
static void take_end(struct rdmareg_job *j, const struct news *n)
{
	int error = n->error ? error_to_errno(n->error) : 0;

	if (n->state == RDMAREG_JOB_DONE)
		finish(j, n->state, 0, "");
	else if (n->state == RDMAREG_JOB_CANCELLED)
		finish(j, n->state, -ECANCELED, "");
	else
		finish(j, RDMAREG_JOB_FAILED, error ? -error : -EIO,
		       n->message && *n->message ? n->message : "rdmaregd does not say why");
}

static void take_progress(struct rdmareg_job *j, uint64_t done)
{
	if (j->info.state == RDMAREG_JOB_RUNNING && done > j->info.done && done <= j->info.total)
		j->info.done = done;
}

static bool is_job_path(const char *path)
{
	return !strncmp(path, RDMAREG_JOB_PREFIX "/", strlen(RDMAREG_JOB_PREFIX "/"));
}

bool jobs_take_signal(struct rdmareg *c, sd_bus_message *m)
{
	const char *path = sd_bus_message_get_path(m), *word, *interface;
	struct news n = { 0 };
	struct rdmareg_job *j;

	if (!path || !is_job_path(path))
		return false;
	for (j = c->jobs; j; j = j->next)
		if (!strcmp(j->path, path) && !strcmp(j->daemon, sd_bus_message_get_sender(m)))
			break;
	if (!j)
		return true;
	if (sd_bus_message_is_signal(m, RDMAREG_JOB_INTERFACE, "Finished")) {
		if (sd_bus_message_read(m, "sss", &word, &n.error, &n.message) < 0)
			return true;
		n.state = word_value(WORDS_JOB_STATE, word);
		take_end(j, &n);
	} else if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Properties",
					    "PropertiesChanged")) {
		if (sd_bus_message_read(m, "s", &interface) >= 0 &&
		    fields_read(m, known, ARRAY_SIZE(known), &n) >= 0)
			take_progress(j, n.done); /* its end is what Finished says */
	}
	return true;
}

void jobs_daemon_lost(struct rdmareg *c, const char *daemon)
{
	for (struct rdmareg_job *j = c->jobs; j; j = j->next)
		if (!strcmp(j->daemon, daemon))
			finish(j, RDMAREG_JOB_FAILED, -EHOSTUNREACH,
			       "rdmaregd stopped, and its jobs with it; the region stays: begin again");
}

int jobs_take_in(struct rdmareg *c)
{
	struct rdmareg_event e = { .type = RDMAREG_EVENT_DISCONNECTED };
	int r = context_process(c);

	if (r <= 0)
		return r;
	for (struct rdmareg_job *j = c->jobs; j; j = j->next)
		finish(j, RDMAREG_JOB_FAILED, -ENOTCONN,
		       "the connection to the bus is gone, and the job with it; open a new one");
	events_push(c, &e);
	return 0;
}

static int call(struct rdmareg_job *j, const char *interface, const char *member,
		const char *argument, sd_bus_message **ret_reply, const char *what)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(j->context->bus, &m, j->daemon, j->path, interface,
					   member);
	if (r >= 0 && argument)
		r = sd_bus_message_append(m, "s", argument);
	if (r < 0)
		return fail_bus(NULL, r, "%s the prefetch of region %" PRIu64, what,
				j->info.region);
	return context_call(j->context, take_pointer(m), 0, ret_reply,
			    "%s the prefetch of region %" PRIu64, what, j->info.region);
}

_public_ int rdmareg_job_refresh(struct rdmareg_job *j)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *reply = NULL;
	struct news n = { 0 };
	int r;

	NEED(j);
	if (j->info.state != RDMAREG_JOB_RUNNING)
		return 0;
	r = call(j, "org.freedesktop.DBus.Properties", "GetAll", RDMAREG_JOB_INTERFACE, &reply,
		 "looking at");
	if (r < 0)
		return r;
	r = fields_read(reply, known, ARRAY_SIZE(known), &n);
	if (r < 0 || n.region != j->info.region || !n.total ||
	    (j->info.total && n.total != j->info.total) || n.done > n.total)
		return fail(EBADMSG,
			    "looking at the prefetch of region %" PRIu64
			    ": rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    j->info.region);
	j->info.total = n.total;
	take_progress(j, n.done);
	if (n.state != RDMAREG_JOB_RUNNING)
		take_end(j, &n);
	context_rearm(j->context); /* there may be an event now */
	return 0;
}

static int job_new(struct rdmareg_region *region, sd_bus_message *answer, struct rdmareg_job **ret)
{
	_cleanup_(rdmareg_job_free_cleanup) struct rdmareg_job *j = calloc(1, sizeof(*j));
	const char *path = "", *daemon = sd_bus_message_get_sender(answer);
	int r;

	if (!j)
		return fail(ENOMEM, "prefetching region %" PRIu64 ": out of memory", region->id);
	j->context = region->context;
	j->next = j->context->jobs;
	j->context->jobs = j;
	j->info.region = region->id;
	j->info.state = RDMAREG_JOB_RUNNING;
	j->info.message = j->message;
	j->info.id = ++j->context->last_job;
	if (sd_bus_message_read_basic(answer, 'o', &path) <= 0 || !is_job_path(path) ||
	    strlen(path) >= sizeof(j->path) || !daemon || strlen(daemon) >= sizeof(j->daemon))
		return fail(EBADMSG,
			    "prefetching region %" PRIu64
			    ": rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			    region->id);
	strcpy(j->path, path);
	strcpy(j->daemon, daemon);
	/*
	 * Whatever comes of it is told by signals that are taken in later: what this finds out is
	 * how much there is to do.
	 */
	r = rdmareg_job_refresh(j);
	if (r < 0) {
		/*
		 * Nobody would hear of it again. The caller is told of the first failure, so this
		 * one asks for no answer.
		 */
		sd_bus_call_method_async(j->context->bus, NULL, j->daemon, j->path,
					 RDMAREG_JOB_INTERFACE, "Cancel", NULL, NULL, NULL);
		return r;
	}
	*ret = take_pointer(j);
	return 0;
}

_public_ int rdmareg_start_prefetch(struct rdmareg_region *region, uint64_t offset, uint64_t length,
				    int for_writing, struct rdmareg_job **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *reply = NULL;
	int r;

	NEED(region);
	NEED(ret);
	r = region_call_prefetch(region, "StartPrefetch", offset, length, for_writing, 0, &reply);
	if (r < 0)
		return r;
	return job_new(region, reply, ret);
}

_public_ int rdmareg_job_get_info(const struct rdmareg_job *j, struct rdmareg_job_info *info)
{
	NEED(j);
	return struct_out(info, &j->info, sizeof(j->info));
}

_public_ int rdmareg_job_cancel(struct rdmareg_job *j)
{
	NEED(j);
	if (j->info.state != RDMAREG_JOB_RUNNING)
		return 0;
	return call(j, RDMAREG_JOB_INTERFACE, "Cancel", NULL, NULL, "cancelling");
}

_public_ int rdmareg_job_wait(struct rdmareg_job *j, uint64_t timeout_usec)
{
	uint64_t now = clock_usec(CLOCK_MONOTONIC), end = add_saturating(now, timeout_usec);
	struct rdmareg *c;
	int r;

	NEED(j);
	c = j->context;
	r = jobs_take_in(c);
	while (r >= 0 && j->info.state == RDMAREG_JOB_RUNNING) {
		now = clock_usec(CLOCK_MONOTONIC);
		if (now >= end)
			break;
		/* What goes wrong here goes wrong below again, and is dealt with there. */
		sd_bus_wait(c->bus, end == UINT64_MAX ? UINT64_MAX : end - now);
		r = jobs_take_in(c);
	}
	context_rearm(c);
	if (r < 0)
		return r;
	switch (j->info.state) {
	case RDMAREG_JOB_RUNNING:
		return 0;
	case RDMAREG_JOB_DONE:
		return 1;
	case RDMAREG_JOB_CANCELLED:
		return fail(ECANCELED,
			    "the prefetch of region %" PRIu64 " was cancelled after %" PRIu64
			    " of %" PRIu64 " bytes",
			    j->info.region, j->info.done, j->info.total);
	default:
		return fail(j->info.error, "the prefetch of region %" PRIu64 ": %s", j->info.region,
			    j->message);
	}
}
