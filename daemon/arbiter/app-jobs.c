// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-jobs.c - prefetches under way: those that a call waits for (Prefetch), and those that are
 * objects of their own (StartPrefetch).
 *
 * What always holds: a job that runs is answered by its keeper exactly once, or by us for it, and
 * is not freed before. One that can be seen has a number and a client; when the client goes it has
 * neither, and ends unseen. A client has no more jobs, running and over together, than
 * jobs_per_client.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/log.h"

#define GIB (1ull << 30)
#define PAGE 4096u /* the smallest anywhere; the keeper rounds further if it must */
#define TELL_USEC (100 * USEC_PER_MSEC)

static void job_free(struct app *a, struct job *j)
{
	if (j->number)
		TAILQ_REMOVE(&a->jobs, j, jobs);
	if (j->client)
		j->client->jobs--;
	free(j);
}

static int ask(struct app *a, struct region *r, const struct prefetch_request *q, struct job *j,
	       struct failure *f)
{
	struct keeper_message m = { .type = KEEPER_PREFETCH, .region = r->id };
	struct region_entry *e = region_table_find(a->table, r->id);
	uint64_t end, extra;
	int error;

	if (app_check_range(r, q->offset, q->length, f))
		return BUS_E_REFUSED;
	if (q->write && r->access != ACCESS_READ_WRITE)
		return failure_set(f, RDMAREG_ERROR_ACCESS_DENIED,
				   "region %" PRIu64
				   " has access 'r': it can be prefetched for reading only",
				   r->id);
	if (app_check_live(r, f))
		return BUS_E_REFUSED;
	end = q->length ? q->offset + q->length : r->length;
	m.range.offset = q->offset / PAGE * PAGE;
	m.range.length = (end + PAGE - 1) / PAGE * PAGE - m.range.offset;
	m.range.write = q->write;
	j->region = r->id;
	j->total = m.range.length;
	extra = (m.range.length + GIB - 1) / GIB * a->settings.timeout_msec_per_gib;
	error = proxy_request_number(e->keeper, &m, -1, extra, j, &j->operation);
	if (error < 0)
		return failure_from_errno(f, "prefetching", error, proxy_trouble(e->keeper));
	app_step_plain(a, r, REGION_PREFETCH_BEGAN);
	return 0;
}

int app_prefetch(void *userdata, uint64_t id, const struct prefetch_request *q, struct call *call,
		 struct failure *ret)
{
	struct job *j = calloc(1, sizeof(*j));
	struct app *a = userdata;
	int r;

	if (!j)
		return failure_from_errno(ret, "prefetching", -ENOMEM, "");
	j->call = call;
	r = ask(a, registry_find(a->registry, id), q, j, ret);
	if (r)
		free(j);
	return r;
}

/* Room for one more job of @c: the oldest that is over makes it. */
static int make_room(struct app *a, const struct client *c, struct failure *f)
{
	struct job *j;

	if (c->jobs < a->settings.jobs_per_client)
		return 0;
	TAILQ_FOREACH(j, &a->jobs, jobs)
		if (j->client == c && j->state != JOB_RUNNING) {
			job_free(a, j);
			return 0;
		}
	metrics_count(a->metrics, METRIC_REFUSALS, LIMIT_JOBS_PER_CLIENT);
	return failure_set(
		f, RDMAREG_ERROR_LIMIT_EXCEEDED,
		"this connection has its %" PRIu32
		" jobs running already: wait for one, cancel one, or have the administrator raise "
		"jobs_per_client in rdmaregd.conf",
		c->jobs);
}

int app_start_prefetch(void *userdata, struct client *c, uint64_t id,
		       const struct prefetch_request *q, uint64_t *ret_number, struct failure *ret)
{
	struct app *a = userdata;
	struct job *j;

	if (make_room(a, c, ret))
		return BUS_E_REFUSED;
	j = calloc(1, sizeof(*j));
	if (!j)
		return failure_from_errno(ret, "prefetching", -ENOMEM, "");
	if (ask(a, registry_find(a->registry, id), q, j, ret)) {
		free(j);
		return BUS_E_REFUSED;
	}
	j->number = ++a->last_job;
	j->client = c;
	c->jobs++;
	TAILQ_INSERT_TAIL(&a->jobs, j, jobs);
	*ret_number = j->number;
	return 0;
}

struct job *app_find_job(void *userdata, uint64_t number)
{
	struct app *a = userdata;
	struct job *j;

	TAILQ_FOREACH(j, &a->jobs, jobs)
		if (j->number == number)
			break;
	return j;
}

struct job *app_next_job(void *userdata, struct job *last)
{
	struct app *a = userdata;

	return last ? TAILQ_NEXT(last, jobs) : TAILQ_FIRST(&a->jobs);
}

int app_cancel_job(void *userdata, struct job *j, struct failure *ret)
{
	const struct keeper_message m = { .type = KEEPER_CANCEL,
					  .region = j->region,
					  .progress.operation = j->operation };
	struct app *a = userdata;
	struct region_entry *e = region_table_find(a->table, j->region);
	int error;

	if (j->state != JOB_RUNNING || j->cancelled || !e)
		return 0;
	error = proxy_request(e->keeper, &m, -1, 0, NULL);
	if (error == -EPIPE) /* it is being removed, and the job with it */
		return 0;
	if (error < 0)
		return failure_from_errno(ret, "cancelling the job", error, "");
	j->cancelled = true;
	return 0;
}

void app_drop_jobs(struct app *a, struct client *c)
{
	struct job *j, *next;
	struct failure f;

	for (j = TAILQ_FIRST(&a->jobs); j; j = next) {
		next = TAILQ_NEXT(j, jobs);
		if (j->client != c)
			continue;
		if (j->state != JOB_RUNNING) {
			job_free(a, j);
			continue;
		}
		if (app_cancel_job(a, j, &f))
			log_warning("job %" PRIu64 ": %s", j->number, f.text);
		TAILQ_REMOVE(&a->jobs, j, jobs);
		j->number = 0;
		j->client = NULL;
		c->jobs--;
	}
}

void app_free_jobs(struct app *a)
{
	while (!TAILQ_EMPTY(&a->jobs))
		job_free(a, TAILQ_FIRST(&a->jobs));
}

void app_prefetch_progressed(struct app *a, struct job *j, const struct keeper_progress *p)
{
	uint64_t now = now_monotonic_usec();

	if (!j->number || p->done <= j->done || p->done > j->total)
		return;
	j->done = p->done;
	if (now - j->told_usec < TELL_USEC) /* whatever the keeper thinks of rates */
		return;
	j->told_usec = now;
	bus_tell_job(a->bus, j);
}

static void end_job(struct app *a, struct job *j, const struct answer *n)
{
	if (!n->error) {
		j->state = JOB_DONE;
		j->done = j->total;
	} else if (n->error == -ECANCELED && j->cancelled) {
		j->state = JOB_CANCELLED;
	} else {
		j->state = JOB_FAILED;
		failure_from_errno(&j->why, "prefetching", n->error, n->text);
	}
	bus_tell_job(a->bus, j);
}

void app_prefetch_answered(struct app *a, struct proxy *k, const struct answer *n)
{
	struct region *r = registry_find(a->registry, n->region);
	struct job *j = n->context;
	struct failure f;

	if (n->late)
		return;
	if (n->error == -ETIMEDOUT && !n->message && r) /* nobody waits for it any more */
		proxy_request(k,
			      &(struct keeper_message){ .type = KEEPER_CANCEL,
							.region = n->region,
							.progress.operation = j->operation },
			      -1, 0, NULL);
	if (j->number) {
		end_job(a, j, n);
	} else {
		if (j->call && n->error) {
			failure_from_errno(&f, "prefetching", n->error, n->text);
			call_fail(j->call, &f);
		} else if (j->call) {
			call_reply(j->call);
		}
		free(j);
	}
	if (r)
		app_step_plain(a, r, REGION_PREFETCH_ENDED);
}
