// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-job.c - the library's jobs against a played daemon (fakes/rdmaregd.h): what is sent,
 * how progress and end are heard of, by signals and by asking, and that each job is over exactly
 * once, whoever ends it.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/fakes/rdmaregd.h"
#include "client-wait.h"

#define MIB (UINT64_C(1) << 20)

static pid_t mock;
static struct rdmareg *c;
static struct rdmareg_region *region;

/* @number: by which the daemon knows it. */
static struct rdmareg_job *start(uint64_t offset, unsigned int *number)
{
	struct rdmareg_job *job = NULL;

	assert(rdmareg_start_prefetch(region, offset, 0, 0, &job) == 0);
	*number = mock_tell("job-last", 0);
	return job;
}

static struct rdmareg_job_info info_of(const struct rdmareg_job *job)
{
	struct rdmareg_job_info info = { .size = sizeof(info) };

	assert(rdmareg_job_get_info(job, &info) == 0);
	return info;
}

static void no_event(void)
{
	struct rdmareg_event e = { .size = sizeof(e) };

	assert(rdmareg_dispatch(c) == 0 && rdmareg_next_event(c, &e) == 0);
}

static void finished(const struct rdmareg_job *job)
{
	struct rdmareg_event e = wait_event(c);

	assert(e.type == RDMAREG_EVENT_JOB_FINISHED && e.region == 3 && e.job == info_of(job).id);
}

static void test_bad_input(void)
{
	static const struct {
		uint64_t offset;
		int error;
		const char *sentence;
	} table[] = {
		{ 1, -ERANGE, "not inside" },
		{ 2, -EBUSY, "not live" },
		{ 3, -EDQUOT, "jobs_per_client" },
		{ 4, -EBADMSG, "is not understood; do both" },
		{ 5, -EBADMSG, "is not understood; do both" },
		{ 6, -ESRCH, "names no job" },
	};
	struct rdmareg_job *job = (void *)1;
	struct rdmareg_job_info small = { .size = 4 };
	struct rdmareg_region *gone = NULL;
	unsigned int number;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert(rdmareg_start_prefetch(region, table[i].offset, 4096, 0, &job) ==
		       table[i].error);
		assert(job == (void *)1 && strstr(rdmareg_last_error(), table[i].sentence));
	}
	assert(strstr(rdmareg_last_error_name(), "Error.NoSuchJob"));
	assert(mock_tell("job-cancels", 1) == 1); /* nobody would have heard of it again */
	assert(rdmareg_start_prefetch(region, 0, 0, 0, NULL) == -EINVAL);
	assert(rdmareg_lookup(c, 2, &gone) == 0 && rdmareg_release(gone) == 0);
	assert(rdmareg_start_prefetch(gone, 0, 0, 0, &job) == -ENOENT && job == (void *)1);
	rdmareg_region_free(gone);
	assert(rdmareg_job_free(NULL) == NULL);
	job = start(0, &number);
	assert(rdmareg_job_get_info(job, NULL) == -EINVAL &&
	       rdmareg_job_get_info(job, &small) == -EINVAL);
	assert(rdmareg_job_free(job) == NULL);
	no_event();
}

/* Progress and end by signals; what is over stays. */
static void test_life(void)
{
	unsigned int number;
	struct rdmareg_job *job = start(0, &number);
	struct rdmareg_job_info info = info_of(job);

	assert(info.region == 3 && info.id && info.total == 64 * MIB && !info.done);
	assert(info.state == RDMAREG_JOB_RUNNING && !info.error && !*info.message && !*mock_said());
	assert(rdmareg_job_wait(job, 0) == 0 && rdmareg_job_wait(job, 1000) == 0);
	mock_tell("job-progress 8", number);
	while (info_of(job).done != 8 * MIB)
		assert(rdmareg_dispatch(c) == 0);
	mock_tell("job-progress 7", number);  /* backwards */
	mock_tell("job-progress 65", number); /* more than all */
	mock_tell("job-quietly 9", number);
	no_event();
	assert(info_of(job).done == 8 * MIB);
	assert(rdmareg_job_refresh(job) == 0 && info_of(job).done == 9 * MIB);
	mock_tell("job-end done", number);
	finished(job);
	assert(info_of(job).done == 64 * MIB && info_of(job).state == RDMAREG_JOB_DONE);
	mock_tell("job-fail", number); /* too late */
	mock_tell("job-progress 3", number);
	no_event();
	assert(rdmareg_job_wait(job, UINT64_MAX) == 1 && rdmareg_job_wait(job, 0) == 1);
	assert(rdmareg_job_cancel(job) == 0 && mock_tell("job-cancels", number) == 0);
	assert(rdmareg_job_refresh(job) == 0 && info_of(job).state == RDMAREG_JOB_DONE);
	rdmareg_job_free(job);
	assert(rdmareg_start_prefetch(region, 0, 4096, 1, &job) == 0 &&
	       !strcmp(mock_said(), " write=1"));
	rdmareg_job_free(job);
	no_event();
}

/* Each way to end, waited for by one who does nothing else; the event is there afterwards. */
static void test_ends(void)
{
	static const struct {
		const char *end;
		int result;
		enum rdmareg_job_state state;
		int error;
		const char *sentence;
	} table[] = {
		{ "job-end done", 1, RDMAREG_JOB_DONE, 0, "" },
		{ "job-end cancelled", -ECANCELED, RDMAREG_JOB_CANCELLED, -ECANCELED,
		  "after 4194304 of 67108864" },
		{ "job-fail", -EBUSY, RDMAREG_JOB_FAILED, -EBUSY,
		  "region 3: the region was released" },
		{ "job-end abducted", -EIO, RDMAREG_JOB_FAILED, -EIO, "does not say why" },
	};
	unsigned int number;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rdmareg_job *job = start(0, &number);
		pid_t child;

		mock_tell("job-progress 4", number);
		child = fork();
		assert(child >= 0);
		if (!child) {
			mock_tell(table[i].end, number);
			_exit(0);
		}
		assert(rdmareg_job_wait(job, UINT64_MAX) == table[i].result);
		assert(table[i].result > 0 || strstr(rdmareg_last_error(), table[i].sentence));
		assert(info_of(job).state == table[i].state &&
		       info_of(job).error == table[i].error);
		assert(!*info_of(job).message == (table[i].state != RDMAREG_JOB_FAILED));
		end_command(child);
		finished(job);
		rdmareg_job_free(job);
	}
	no_event();
}

static void test_cancel(void)
{
	unsigned int number, other;
	struct rdmareg_job *job = start(0, &number), *goes_on = start(0, &other);

	assert(rdmareg_job_cancel(job) == 0 && mock_tell("job-cancels", number) == 1);
	assert(rdmareg_job_wait(job, UINT64_MAX) == -ECANCELED && rdmareg_job_cancel(job) == 0);
	assert(info_of(goes_on).state == RDMAREG_JOB_RUNNING &&
	       mock_tell("job-cancels", other) == 0);
	/* Its event goes with its handle, and no other one's. */
	mock_tell("job-end done", other);
	assert(rdmareg_job_wait(goes_on, UINT64_MAX) == 1);
	rdmareg_job_free(job);
	finished(goes_on);
	rdmareg_job_free(goes_on);
	no_event();
}

/* The end that is found by asking, before its signal was taken in: one event all the same. */
static void test_found(void)
{
	unsigned int number;
	struct rdmareg_job *job = start(0, &number);

	mock_tell("job-fail", number);
	assert(rdmareg_job_refresh(job) == 0 && info_of(job).error == -EBUSY);
	finished(job);
	no_event();
	rdmareg_job_free(job);
}

/*
 * They end with the daemon; the next one's first job is another, though it has the same number
 * there.
 */
static void test_restart(void)
{
	unsigned int number, again;
	struct rdmareg_job *job = start(0, &number), *next;
	struct rdmareg_event e;

	mock_daemon_stop(mock);
	assert(rdmareg_job_wait(job, UINT64_MAX) == -EHOSTUNREACH);
	assert(strstr(rdmareg_last_error(), "the region stays"));
	assert(wait_event(c).type == RDMAREG_EVENT_DAEMON_LOST);
	finished(job);
	mock = mock_daemon_start();
	mock_tell("populate", 5);
	assert(wait_event(c).type == RDMAREG_EVENT_DAEMON_BACK);
	rdmareg_job_free(job);
	job = start(0, &number);
	mock_daemon_stop(mock);
	mock = mock_daemon_start();
	mock_tell("populate", 5);
	/* Not told yet: asked, but not of a job of the other's. */
	next = start(0, &again);
	assert(again == number);
	assert(rdmareg_job_refresh(job) == -EHOSTUNREACH &&
	       rdmareg_job_cancel(job) == -EHOSTUNREACH);
	assert(mock_tell("job-cancels", again) == 0);
	mock_tell("job-end done", again);
	assert(rdmareg_job_wait(job, UINT64_MAX) == -EHOSTUNREACH &&
	       rdmareg_job_wait(next, UINT64_MAX) == 1);
	do
		e = wait_event(c);
	while (e.type != RDMAREG_EVENT_JOB_FINISHED);
	assert(e.job == info_of(job).id && info_of(job).id != info_of(next).id);
	rdmareg_job_free(job);
	do
		e = wait_event(c);
	while (e.type != RDMAREG_EVENT_JOB_FINISHED);
	assert(e.job == info_of(next).id);
	rdmareg_job_free(next);
	no_event();
}

static void test_disconnected(void)
{
	unsigned int number;
	struct rdmareg_job *job = start(0, &number);

	mock_bus_stop();
	assert(rdmareg_job_wait(job, UINT64_MAX) == -ENOTCONN && info_of(job).error == -ENOTCONN);
	finished(job);
	assert(wait_event(c).type == RDMAREG_EVENT_DISCONNECTED);
	assert(rdmareg_job_wait(job, 0) == -ENOTCONN && rdmareg_job_cancel(job) == 0);
}

int main(void)
{
	alarm(60);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	mock_tell("populate", 5);
	assert(rdmareg_open(NULL, &c) == 0 && rdmareg_lookup(c, 3, &region) == 0);
	test_bad_input();
	test_life();
	test_ends();
	test_cancel();
	test_found();
	test_restart();
	test_disconnected();
	/* With a job still on its list. */
	rdmareg_close(c);
	mock_daemon_stop(mock);
	return 0;
}
