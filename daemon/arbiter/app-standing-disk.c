// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-standing-disk.c - the records of standing regions on disk: read at the start, and then one
 * after the other written or removed.
 *
 * What always holds:
 *   - The loop does not wait for the disk: threads do, and what is asked of it is done in the order
 *     in which it was asked.
 *   - Nobody is answered before the disk has it, and everybody is answered within two timeouts: if
 *     the disk is silent, with an error that says what becomes of the record. Nobody is answered
 *     inside a function of this file that others call, but at the daemon's end, and by
 *     standing_disk_remove() without memory.
 *   - What was to be removed is removed once the disk answers, whoever was told that it did not,
 *     and at the end of the daemon if it takes no longer than a second. What the disk refuses is
 *     not tried again before the daemon starts anew.
 *   - A registration that failed leaves the record that there was: if another region stands by the
 *     name, its removal writes that one's.
 *   - One write at most waits for each region, so that whoever changes it all the time has no more
 *     of the disk than others.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arbiter/app-standing.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/replace-file.h"
#include "util/thread.h"

#define NEW_NAME ".new"
#define RETRY_USEC USEC_PER_SEC /* when there was no thread */
#define POLL_MSEC 10
#define END_MSEC 1000

enum job_kind {
	JOB_NOTHING, /* it was given up before it began */
	JOB_WRITE,
	JOB_REMOVE,
};

/* A record that is written, or removed. What is written is what the region has when that begins. */
struct standing_job {
	struct offload_task task;
	struct app *app;
	int directory;
	char name[STANDING_FILE_NAME_MAX];
	char text[RECORD_TEXT_MAX];
	size_t size; /* 0: nothing is to have the name */
	int result;
	_Atomic bool done; /* a thread is through with it */
	enum job_kind kind;
	struct standing *of;	/* JOB_WRITE that has not begun */
	struct standing *made;	/* it stands once this is written; NULL: it did before */
	struct call *call;	/* of @made */
	struct waitings waits;	/* JOB_REMOVE: for its end */
	uint64_t patience_usec; /* CLOCK_MONOTONIC: who waits for its turn does so until then */
	bool undo;		/* its caller was told that it is not written, but it may be */
	STAILQ_ENTRY(standing_job) jobs;
};

static void work(struct offload_task *t)
{
	struct standing_job *j = (struct standing_job *)t;

	if (j->size)
		j->result = replace_file_on_disk(j->directory, j->name, NEW_NAME, 0600, j->text,
						 j->size);
	else if (unlinkat(j->directory, j->name, 0) == 0)
		j->result = fsync(j->directory) < 0 ? -errno : 0;
	else if (errno != ENOENT)
		j->result = -errno;
	j->done = true;
}

static bool is_waited_for(const struct standing_job *j)
{
	return j->made || !SLIST_EMPTY(&j->waits);
}

/* Why a record is still there. */
static void explain(const struct standing_job *j, int error, struct failure *f)
{
	const char *state = j->app->options->state_directory;

	if (error == -ESHUTDOWN)
		failure_set(
			f, RDMAREG_ERROR_FAILED,
			"rdmaregd is being stopped, and whether the record %.200s/" STANDING_FOLDER
			"/%s is removed is not known: rdmaregctl standing list says so once it "
			"runs again",
			state, j->name);
	else if (error == -ETIMEDOUT)
		failure_set(f, RDMAREG_ERROR_TIMEOUT,
			    "the record %.200s/" STANDING_FOLDER
			    "/%s is not removed yet, since the disk does not answer; it is once "
			    "the disk does, and if rdmaregd ends before, the region is made again",
			    state, j->name);
	else
		failure_set(f, RDMAREG_ERROR_FAILED,
			    "the record %.200s/" STANDING_FOLDER
			    "/%s cannot be removed: %s; unless that file is, the region is made "
			    "again when rdmaregd starts",
			    state, j->name, strerror(-error));
}

static void answer(struct app *a, struct standing_job *j, int error)
{
	struct standing *made = j->made;
	struct waiting w;
	struct failure f;

	j->made = NULL;
	if (made)
		app_standing_recorded(a, made, steal_pointer(j->call), error);
	if (error)
		explain(j, error, &f);
	while (waitings_take(&j->waits, &w)) {
		if (w.ending && error != -ESHUTDOWN) /* the next daemon goes on with it */
			a->standing.ops->let_go(w.ending, error ? f.text : NULL);
		else if (w.call && error)
			call_fail(w.call, &f);
		else if (w.call)
			call_reply(w.call);
	}
}

static void complain(const struct standing_job *j, int error)
{
	if (error && error != -ESHUTDOWN)
		log_error("%s/" STANDING_FOLDER "/%s cannot be %s: %s",
			  j->app->options->state_directory, j->name,
			  j->kind == JOB_REMOVE ? "removed" : "written", strerror(-error));
}

/* Who waits for this one does so no longer. A removal stays, a registration does not. */
static void give_up(struct app *a, struct standing_job *j, int error)
{
	if (!is_waited_for(j))
		return;
	if (j->kind == JOB_WRITE) {
		j->of->job = NULL;
		j->kind = JOB_NOTHING;
	}
	answer(a, j, error);
}

static void give_all_up(struct app *a, int error)
{
	struct standing_job *j;

	STAILQ_FOREACH(j, &a->standing.jobs, jobs)
		give_up(a, j, error);
}

static void begin_next(struct app *a);

static void ended(struct offload_task *t, int error)
{
	struct standing_job *j = (struct standing_job *)t;
	struct app *a = j->app;
	int result = error ? error : j->result;

	j->undo = result && j->made;
	complain(j, result);
	answer(a, j, result);
	a->standing.silent = error == -ETIMEDOUT;
	if (a->standing.silent)
		give_all_up(a, error);
}

static void release(struct offload_task *t)
{
	struct standing_job *j = (struct standing_job *)t;
	struct app *a = j->app;

	a->standing.running = NULL;
	a->standing.silent = false;
	if (j->undo) {
		j->undo = false;
		j->kind = JOB_REMOVE;
		STAILQ_INSERT_HEAD(&a->standing.jobs, j, jobs);
	} else {
		free(j);
	}
	begin_next(a);
}

/* The one that stands, or is waited for, by the name of a file. */
static const struct standing *find_recorded(const struct app *a, const char *file)
{
	char name[STANDING_FILE_NAME_MAX];
	const struct standing *s;

	TAILQ_FOREACH(s, &a->standing.all, all) {
		standing_file_name(s, name);
		if (!s->pending && !strcmp(name, file))
			return s;
	}
	return NULL;
}

static struct standing_job *take_next(struct app *a)
{
	struct standing_job *j = STAILQ_FIRST(&a->standing.jobs);
	const struct standing *s;

	if (!j)
		return NULL;
	STAILQ_REMOVE_HEAD(&a->standing.jobs, jobs);
	if (j->kind == JOB_WRITE) {
		j->size = standing_print(j->of, j->text);
		j->of->job = NULL;
		j->of = NULL;
	} else if (j->kind == JOB_REMOVE) {
		s = find_recorded(a, j->name);
		j->size = s ? standing_print(s, j->text) : 0;
	}
	return j;
}

static void begin_next(struct app *a)
{
	struct standing_job *j;
	int r;

	while (!a->standing.running && (j = take_next(a))) {
		r = j->kind == JOB_NOTHING ? -ECANCELED : offload_run(a->offload, &j->task, 0);
		if (r == 0) {
			a->standing.running = j;
			return;
		}
		if (j->kind == JOB_REMOVE) {
			STAILQ_INSERT_HEAD(&a->standing.jobs, j, jobs);
			give_all_up(a, r);
			return;
		}
		if (j->kind == JOB_WRITE) {
			complain(j, r);
			answer(a, j, r);
		}
		free(j);
	}
}

static void wake_at(struct app *a, uint64_t at_usec)
{
	uint64_t now = now_monotonic_usec();
	const struct timeval t = timeval_from_usec(at_usec > now ? at_usec - now : 0);

	if (a->standing.turn)
		event_add(a->standing.turn, &t);
}

/* They are in order of their patience. */
static void set_alarm(struct app *a)
{
	const struct standing_job *j = STAILQ_FIRST(&a->standing.jobs);

	if (j && !a->standing.running)
		wake_at(a, now_monotonic_usec() + RETRY_USEC);
	while (j && !is_waited_for(j))
		j = STAILQ_NEXT(j, jobs);
	if (j && a->standing.running)
		wake_at(a, j->patience_usec);
}

static void on_turn(evutil_socket_t fd, short what, void *userdata)
{
	uint64_t now = now_monotonic_usec();
	struct app *a = userdata;
	struct standing_job *j;

	(void)fd, (void)what;
	begin_next(a);
	STAILQ_FOREACH(j, &a->standing.jobs, jobs)
		if (a->standing.silent || j->patience_usec <= now)
			give_up(a, j, -ETIMEDOUT);
	set_alarm(a);
}

/* NULL: no memory. */
static struct standing_job *enqueue(struct app *a, const struct standing *s, enum job_kind kind)
{
	struct standing_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->task = (struct offload_task){ .work = work, .ended = ended, .release = release };
	j->app = a;
	j->directory = a->standing.directory;
	j->kind = kind;
	j->patience_usec = now_monotonic_usec() + offload_timeout(a->offload);
	SLIST_INIT(&j->waits);
	standing_file_name(s, j->name);
	STAILQ_INSERT_TAIL(&a->standing.jobs, j, jobs);
	wake_at(a, 0);
	return j;
}

int standing_disk_write(struct app *a, struct standing *s, struct call *registering)
{
	struct standing_job *j = s->job && !registering ? s->job : enqueue(a, s, JOB_WRITE);

	if (!j)
		return -ENOMEM;
	j->of = s;
	s->job = j;
	if (registering) {
		j->made = s;
		j->call = registering;
	}
	return 0;
}

void standing_disk_forget(struct standing *s)
{
	if (s->job)
		s->job->kind = JOB_NOTHING;
}

void standing_disk_remove(struct app *a, const struct standing *s, struct waitings *waits)
{
	struct standing_job *j = enqueue(a, s, JOB_REMOVE), none = { .app = a };

	if (!j) {
		j = &none;
		standing_file_name(s, j->name);
		SLIST_INIT(&j->waits);
	}
	if (waits) {
		j->waits = *waits;
		SLIST_INIT(waits);
	}
	if (j != &none)
		return;
	log_error("standing region '%s' of uid %" PRIu32 ": no memory to remove its record",
		  s->name, s->uid);
	answer(a, j, -ENOMEM);
}

/* --- the start: what is there, by a thread that is given up if the disk is silent */

struct loading {
	char state[256];
	TAILQ_HEAD(, standing) all;
	uint32_t n;
	int directory; /* or why there is none */
	_Atomic bool done;
};

static bool take(void *userdata, const char *file, char *text)
{
	_cleanup_(freep) struct standing *s = calloc(1, sizeof(*s));
	char name[STANDING_FILE_NAME_MAX];
	struct loading *l = userdata;

	if (!s || !standing_parse(text, s))
		return false;
	standing_file_name(s, name);
	if (strcmp(name, file) != 0)
		return false;
	s->number = ++l->n;
	TAILQ_INSERT_TAIL(&l->all, s, all);
	s = NULL;
	return true;
}

/* Ours alone: what is in it decides what is made in whose name. */
static int open_folder(const char *state)
{
	_cleanup_(closep) int parent = -1, fd = -1;
	struct stat st;

	if (mkdir(state, 0755) < 0 && errno != EEXIST)
		return -errno;
	parent = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 || (mkdirat(parent, STANDING_FOLDER, 0700) < 0 && errno != EEXIST))
		return -errno;
	fd = openat(parent, STANDING_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM;
	return steal_fd(&fd);
}

static void *load(void *userdata)
{
	struct loading *l = userdata;
	char path[sizeof(l->state) + sizeof(STANDING_FOLDER)];

	l->directory = open_folder(l->state);
	snprintf(path, sizeof(path), "%s/" STANDING_FOLDER, l->state);
	if (l->directory >= 0)
		record_files_each(l->directory, path, "standing region", take, l);
	l->done = true;
	return NULL;
}

static void wait_until(const _Atomic bool *done, uint64_t msec)
{
	for (uint64_t i = 0; i < msec / POLL_MSEC && !*done; i++)
		poll(NULL, 0, POLL_MSEC);
}

/* A thread may be in them until the process ends, so they are not freed, and this is where they are. */
static void *volatile left_to_thread[3];

/* The folder, or -errno. */
static int load_all(struct app *a)
{
	struct loading *l = calloc(1, sizeof(*l));
	int r = l ? 0 : -ENOMEM;

	if (l) {
		TAILQ_INIT(&l->all);
		snprintf(l->state, sizeof(l->state), "%s", a->options->state_directory);
		r = thread_start(load, l, 0, NULL);
	}
	if (r < 0) {
		free(l);
		return r;
	}
	wait_until(&l->done, a->settings.timeout_msec);
	if (!l->done) {
		left_to_thread[0] = l;
		return -ETIMEDOUT;
	}
	TAILQ_CONCAT(&a->standing.all, &l->all, all);
	a->standing.last_number = l->n;
	r = l->directory;
	free(l);
	return r;
}

void standing_disk_open(struct app *a)
{
	struct standings *s = &a->standing;

	STAILQ_INIT(&s->jobs);
	s->directory = -ENOMEM;
	s->turn = evtimer_new(loop_base(a->loop), on_turn, a);
	if (s->turn)
		s->directory = load_all(a);
	if (s->directory >= 0)
		return;
	snprintf(s->trouble, sizeof(s->trouble), "%.160s/" STANDING_FOLDER ": %s",
		 a->options->state_directory,
		 s->directory == -ETIMEDOUT ? "the disk does not answer" : strerror(-s->directory));
	if (s->directory == -ETIMEDOUT)
		log_error("standing regions are not known: %s; when it does: systemctl restart "
			  "rdmaregd",
			  s->trouble);
	else
		log_notice("there are no standing regions: %s", s->trouble);
}

/* --- the end */

struct rest {
	STAILQ_HEAD(, standing_job) jobs;
	_Atomic bool done;
};

static void *do_rest(void *userdata)
{
	struct rest *rest = userdata;
	struct standing_job *j;

	STAILQ_FOREACH(j, &rest->jobs, jobs)
		if (j->kind != JOB_NOTHING)
			work(&j->task);
	rest->done = true;
	return NULL;
}

/* What was not begun. */
static void finish(struct app *a)
{
	struct rest *rest = calloc(1, sizeof(*rest));
	struct standing_job *j;

	if (!rest)
		return;
	STAILQ_INIT(&rest->jobs);
	while ((j = take_next(a)))
		STAILQ_INSERT_TAIL(&rest->jobs, j, jobs);
	if (!STAILQ_EMPTY(&rest->jobs) && thread_start(do_rest, rest, 0, NULL) == 0) {
		wait_until(&rest->done, END_MSEC);
		if (!rest->done) {
			left_to_thread[1] = rest;
			a->standing.directory = -1;
		}
	} else {
		rest->done = true;
	}
	STAILQ_FOREACH(j, &rest->jobs, jobs)
		answer(a, j, j->done ? j->result : -ESHUTDOWN);
	if (!rest->done)
		return;
	while ((j = STAILQ_FIRST(&rest->jobs))) {
		STAILQ_REMOVE_HEAD(&rest->jobs, jobs);
		free(j);
	}
	free(rest);
}

void standing_disk_stop(struct app *a)
{
	struct standing_job *j = a->standing.running;

	if (!a->standing.turn)
		return;
	event_free(a->standing.turn);
	a->standing.turn = NULL;
	if (j) {
		wait_until(&j->done, a->standing.silent ? 0 : END_MSEC);
		if (j->done)
			answer(a, j, j->result);
	}
	if (!j || j->done)
		finish(a);
	give_all_up(a, -ESHUTDOWN);
}

void standing_disk_close(struct app *a)
{
	struct standing_job *j;

	left_to_thread[2] = a->standing.running;
	give_all_up(a, -ESHUTDOWN);
	while ((j = take_next(a)))
		free(j);
	if (a->standing.directory >= 0 && !a->standing.running)
		close(a->standing.directory);
}
