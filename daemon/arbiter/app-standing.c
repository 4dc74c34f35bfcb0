// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-standing.c - standing regions: what is to be made again after a reboot is recorded on disk
 * (standing-record.h), and made again by a process of its user that opens the file and passes it
 * (rdmareg-standing@.service, `rdmaregctl standing restore`).
 *
 * What always holds:
 *   - The loop does not wait for the disk: one record after the other is written or removed, in a
 *     thread. A region is not said to stand before its record is on disk, and is released if that
 *     fails.
 *   - The daemon opens no path of a user. A file that is not the recorded one makes no region.
 *   - A uid has at most standing_per_uid records, all have STANDING_MAX.
 *   - A record is removed when its region was released, by whomever, or its session was. A region
 *     that ended otherwise keeps its record, and is waited for. Nothing else gets its name.
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

#include <systemd/sd-daemon.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/replace-file.h"

#define STANDING_MAX 4096
#define FOLDER "standing"
#define NEW_NAME ".new"

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
	size_t size;
	int result;
	_Atomic bool done; /* the thread is through with it */
	enum job_kind kind;
	struct standing *of;   /* JOB_WRITE that has not begun */
	struct standing *made; /* it stands once this is written; NULL: it did before */
	struct call *call;     /* NULL: nobody waits */
	bool undo;	       /* its caller was told that it was not written in time */
	STAILQ_ENTRY(standing_job) jobs;
};

static struct standing *find(const struct app *a, uint32_t uid, const char *session,
			     const char *name)
{
	struct standing *s;

	TAILQ_FOREACH(s, &a->standing.all, all)
		if (!s->pending && s->uid == uid && !strcmp(s->session, session) &&
		    !strcmp(s->name, name))
			return s;
	return NULL;
}

static void forget(struct app *a, struct standing *s)
{
	if (s->job)
		s->job->kind = JOB_NOTHING;
	TAILQ_REMOVE(&a->standing.all, s, all);
	a->standing.n--;
	free(s);
}

static void add(struct app *a, struct standing *s)
{
	s->number = ++a->standing.last_number;
	TAILQ_INSERT_TAIL(&a->standing.all, s, all);
	a->standing.n++;
}

static void work(struct offload_task *t)
{
	struct standing_job *j = (struct standing_job *)t;

	if (j->kind == JOB_WRITE)
		j->result = replace_file_on_disk(j->directory, j->name, NEW_NAME, 0600, j->text,
						 j->size);
	else if (unlinkat(j->directory, j->name, 0) == 0)
		j->result = fsync(j->directory) < 0 ? -errno : 0;
	else if (errno != ENOENT)
		j->result = -errno;
	j->done = true;
}

static void begin_next(struct app *a);

static void stands(struct app *a, struct standing *s)
{
	struct standing *former = find(a, s->uid, s->session, s->name);

	if (former) /* the same name, and no region */
		forget(a, former);
	s->pending = false;
}

/* Nobody was told that it stands. */
static void undo(struct app *a, struct standing *s, struct region *r)
{
	forget(a, s);
	if (!r)
		return;
	region_table_find(a->table, r->id)->standing = NULL;
	a->standing.give_up(a, r);
}

/* Its record is on disk, or cannot be. */
static void answer_made(struct app *a, struct standing_job *j, int error)
{
	struct standing *s = j->made;
	struct region *r = s->region ? registry_find(a->registry, s->region) : NULL;
	struct region_view v;
	struct failure f;

	s->queued = false;
	if (!error)
		stands(a, s);
	if (r && !error) {
		app_view(a, r, &v);
		call_reply_region(j->call, &v);
		return;
	}
	if (error)
		failure_set(&f, RDMAREG_ERROR_FAILED,
			    "region '%s' is not registered: it cannot be recorded in %.200s: %s",
			    s->name, a->options->state_directory, strerror(-error));
	else
		failure_set(&f, RDMAREG_ERROR_FAILED, "region '%s' ended before it was recorded",
			    s->name);
	call_fail(j->call, &f);
	if (error == -ESHUTDOWN) /* the keeper keeps the region */
		return;
	if (error)
		undo(a, s, r);
	else
		app_standing_drop(a, s);
}

static void answer(struct app *a, struct standing_job *j, int error)
{
	struct failure f;

	if (error)
		log_error("%s/" FOLDER "/%s cannot be %s: %s", a->options->state_directory, j->name,
			  j->kind == JOB_REMOVE ? "removed" : "written", strerror(-error));
	if (j->made) {
		answer_made(a, j, error);
	} else if (j->call && error) {
		failure_from_errno(&f, "removing the record", error, "");
		call_fail(j->call, &f);
	} else if (j->call) {
		call_reply(j->call);
	}
	j->call = NULL;
	j->made = NULL;
}

/* Nothing can be begun, and nobody waits for that. Removals stay: they are for the next time. */
static void answer_waiting(struct app *a, int error)
{
	struct standing_job *waits;

	STAILQ_FOREACH(waits, &a->standing.jobs, jobs)
	{
		if (!waits->call)
			continue;
		if (waits->kind == JOB_WRITE) {
			waits->of->job = NULL;
			waits->kind = JOB_NOTHING;
		}
		answer(a, waits, error);
	}
}

static void ended(struct offload_task *t, int error)
{
	struct standing_job *j = (struct standing_job *)t;
	struct app *a = j->app;

	j->undo = error == -ETIMEDOUT && j->made;
	answer(a, j, error ? error : j->result);
	a->standing.silent = error == -ETIMEDOUT;
	if (a->standing.silent)
		answer_waiting(a, error);
}

static void release(struct offload_task *t)
{
	struct standing_job *j = (struct standing_job *)t;
	struct app *a = j->app;

	a->standing.running = NULL;
	a->standing.silent = false;
	if (j->undo) { /* it was written after all */
		j->undo = false;
		j->kind = JOB_REMOVE;
		STAILQ_INSERT_HEAD(&a->standing.jobs, j, jobs);
	} else {
		free(j);
	}
	begin_next(a);
}

static void begin_next(struct app *a)
{
	struct standing_job *j;
	int r;

	while (!a->standing.running && (j = STAILQ_FIRST(&a->standing.jobs))) {
		STAILQ_REMOVE_HEAD(&a->standing.jobs, jobs);
		if (j->kind == JOB_WRITE) {
			j->size = standing_print(j->of, j->text);
			j->of->job = NULL;
			j->of = NULL;
		}
		r = j->kind == JOB_NOTHING ? -ECANCELED : offload_run(a->offload, &j->task, 0);
		if (r == 0) {
			a->standing.running = j;
			return;
		}
		/* what was answered is tried again, when the daemon ends at the latest */
		if (j->kind == JOB_REMOVE && !j->call) {
			STAILQ_INSERT_HEAD(&a->standing.jobs, j, jobs);
			answer_waiting(a, r);
			return;
		}
		if (j->kind != JOB_NOTHING)
			answer(a, j, r);
		free(j);
	}
}

/*
 * One write at most waits for each region, so that whoever changes it all the time has no more of the
 * disk than others. -ENOMEM: @call is left alone.
 */
static int enqueue(struct app *a, struct standing *s, enum job_kind kind, struct standing *made,
		   struct call *call)
{
	struct standing_job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->task = (struct offload_task){ .work = work, .ended = ended, .release = release };
	j->app = a;
	j->directory = a->standing.directory;
	j->made = made;
	j->call = call;
	standing_file_name(s, j->name);
	j->kind = kind;
	if (kind == JOB_WRITE) {
		j->of = s;
		s->job = j;
	}
	if (made)
		made->queued = true;
	STAILQ_INSERT_TAIL(&a->standing.jobs, j, jobs);
	begin_next(a);
	return 0;
}

void app_standing_drop(struct app *a, struct standing *s)
{
	if (enqueue(a, s, JOB_REMOVE, NULL, NULL) < 0)
		log_error("standing region '%s' of uid %" PRIu32
			  ": no memory to remove its record, so it will be made again",
			  s->name, s->uid);
	forget(a, s);
}

void app_standing_session_over(struct app *a, uint32_t uid, const char *session)
{
	struct standing *s, *next;

	for (s = TAILQ_FIRST(&a->standing.all); s; s = next) {
		next = TAILQ_NEXT(s, all);
		if (!s->pending && !s->region && s->uid == uid && !strcmp(s->session, session))
			app_standing_drop(a, s);
	}
}

static uint32_t count(const struct app *a, uint32_t uid)
{
	const struct standing *s;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &a->standing.all, all)
		n += s->uid == uid;
	return n;
}

/* A new one can be recorded. */
static int check_new(struct app *a, const struct register_request *q, struct failure *f)
{
	if (a->standing.directory < 0)
		return failure_set(f, RDMAREG_ERROR_NOT_SUPPORTED,
				   "standing regions cannot be recorded: %s; register it without "
				   "'standing'",
				   a->standing.trouble);
	if (a->standing.silent)
		return failure_set(
			f, RDMAREG_ERROR_TIMEOUT,
			"the disk with standing regions (%s) does not answer: try again, or "
			"register it without 'standing'",
			a->options->state_directory);
	if (find(a, q->uid, q->session, q->name))
		return 0; /* it takes that one's place */
	if (count(a, q->uid) < a->settings.standing_per_uid && a->standing.n < STANDING_MAX)
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_LIMIT_EXCEEDED,
		"uid %" PRIu32 " has %" PRIu32
		" standing regions already (standing_per_uid in rdmaregd.conf is %" PRIu64
		", and all users may have %d): remove some, rdmaregctl standing list shows them",
		q->uid, count(a, q->uid), a->settings.standing_per_uid, STANDING_MAX);
}

static void note_refusal(struct app *a, struct standing *s, const char *why)
{
	if (!strcmp(s->why, why))
		return;
	snprintf(s->why, sizeof(s->why), "%s", why);
	log_limited_about(&a->standing.log, "standing regions", "all", LOG_WARNING,
			  LOG_FIELDS(.message = LOG_MESSAGE_STANDING_REFUSED, .file = s->path),
			  "standing region '%s' of uid %" PRIu32
			  " session %s, %s, is not there: %s",
			  s->name, s->uid, s->session, s->path, why);
}

static int check_recorded(struct app *a, const struct register_request *q, struct failure *f)
{
	struct standing *s = find(a, q->uid, q->session, q->name);

	if (!s || s->region)
		return failure_set(f, RDMAREG_ERROR_BUSY,
				   "standing region '%s' was made again, or removed, meanwhile",
				   q->name);
	if (identity_is_same(&s->file, &q->identity))
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_INVALID_FILE,
		"%s is not the file that was registered as '%s': %s; if that is meant, register it anew "
		"with the same name and --standing",
		s->path, s->name, identity_difference(&s->file, &q->identity));
}

/* Another region under its name would keep it from being made again. */
static int check_other(struct app *a, const struct register_request *q, struct failure *f)
{
	if (!*q->name || !find(a, q->uid, q->session, q->name))
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_NAME_TAKEN,
		"a standing region of uid %" PRIu32
		" session '%s' has the name '%s', and is to be made again: to take its place, "
		"register with --standing (option 'standing'); if it is not wanted any more: "
		"rdmaregctl standing remove %s/%s",
		q->uid, q->session, q->name, q->session, q->name);
}

int app_check_standing(struct app *a, const struct register_request *q, struct failure *f)
{
	if (q->standing)
		return check_new(a, q, f);
	return q->restores ? check_recorded(a, q, f) : check_other(a, q, f);
}

void app_standing_refused(struct app *a, const struct register_request *q, const struct failure *f)
{
	struct standing *s = q->restores ? find(a, q->uid, q->session, q->name) : NULL;

	if (s && !s->region)
		note_refusal(a, s, f->text);
}

int app_standing_begin(struct app *a, const struct region *r, struct region_entry *e,
		       const struct register_request *q)
{
	struct standing *s;

	if (q->restores) {
		e->standing = find(a, q->uid, q->session, q->name);
		e->standing->region = r->id;
		return 0;
	}
	if (!q->standing)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = (struct standing){ .uid = q->uid,
				.file = q->identity,
				.offset = r->offset,
				.length = r->length,
				.grace_usec = r->grace_usec,
				.access = r->access,
				.policy = r->policy,
				.pre_content = q->asks_pre_content,
				.warm_mode = (uint8_t)(q->has_warm_mode ? q->warm_mode
									: a->settings.warm_mode),
				.pending = true,
				.region = r->id };
	snprintf(s->session, sizeof(s->session), "%s", q->session);
	snprintf(s->name, sizeof(s->name), "%s", q->name);
	snprintf(s->path, sizeof(s->path), "%s", q->path);
	add(a, s);
	e->standing = s;
	return 0;
}

void app_standing_cancel(struct app *a, struct region_entry *e)
{
	struct standing *s = e->standing;

	e->standing = NULL;
	if (s && s->pending)
		forget(a, s);
	else if (s)
		s->region = 0;
}

bool app_standing_registered(struct app *a, struct region_entry *e, struct call *call)
{
	struct standing *s = e->standing;

	if (!s || !s->pending) {
		if (s)
			*s->why = 0;
		return false;
	}
	if (enqueue(a, s, JOB_WRITE, s, call) == 0)
		return true;
	e->standing = NULL; /* it is there, and will not be after a reboot: said by the log */
	log_error("region %" PRIu64 ": no memory to record it: it does not stand", e->id);
	forget(a, s);
	return false;
}

void app_standing_ended(struct app *a, struct region_entry *e)
{
	struct standing *s = e->standing;
	char why[STANDING_WHY_MAX];

	e->standing = NULL;
	if (!s)
		return;
	s->region = 0;
	if (s->pending) {
		if (!s->queued) /* else answer_made() sees to it */
			forget(a, s);
		return;
	}
	if (!e->announced)
		return;
	if (e->end == END_RELEASED || e->end == END_SESSION) {
		app_standing_drop(a, s);
		return;
	}
	snprintf(why, sizeof(why), "its region ended: %s%s%.200s", region_end_names[e->end],
		 *e->end_text ? ": " : "", e->end_text);
	note_refusal(a, s, why);
}

void app_standing_changed(struct app *a, const struct region *r, const struct region_entry *e)
{
	struct standing *s = e->standing;

	if (!s)
		return;
	s->policy = r->policy;
	s->grace_usec = r->grace_usec;
	s->warm_mode = (uint8_t)e->text.warm_mode;
	s->pre_content = e->gate_asked;
	if ((!s->pending || s->queued) && !s->job && enqueue(a, s, JOB_WRITE, NULL, NULL) < 0)
		log_error("region %" PRIu64
			  ": no memory to record its change: after a reboot it is as before",
			  e->id);
}

void app_standing_adopted(struct app *a, const struct region *r, struct region_entry *e,
			  const char *name)
{
	const struct tenant *t = registry_tenant(a->registry, r->tenant);
	struct standing *s = *name ? find(a, t->uid, t->session, name) : NULL;

	/* another one may have the name of one that is waited for, or it was made again meanwhile */
	if (!s || s->region || !e->text.detached || s->offset != r->offset ||
	    s->length != r->length || s->file.inode != e->text.inode)
		return;
	s->region = r->id;
	e->standing = s;
}

bool app_view_next_standing(void *userdata, uint64_t after, struct standing_view *ret)
{
	struct app *a = userdata;
	const struct standing *s;

	TAILQ_FOREACH(s, &a->standing.all, all)
		if (s->number > after && !s->pending)
			break;
	if (!s)
		return false;
	*ret = (struct standing_view){ .number = s->number,
				       .uid = s->uid,
				       .session = s->session,
				       .name = s->name,
				       .path = s->path,
				       .offset = s->offset,
				       .length = s->length,
				       .access = s->access,
				       .region = s->region,
				       .why = s->why };
	return true;
}

uint32_t app_count_missing(const struct app *a, const uint32_t *uid)
{
	const struct standing *s;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &a->standing.all, all)
		n += !s->pending && !s->region && (!uid || s->uid == *uid);
	return n;
}

static int refuse_unknown(uint32_t uid, const char *session, const char *name, struct failure *f)
{
	if (uid == UINT32_MAX)
		return failure_set(
			f, RDMAREG_ERROR_NO_SUCH_REGION,
			"there is no standing region '%s' in session '%s' that this caller "
			"may see",
			name, session);
	return failure_set(f, RDMAREG_ERROR_NO_SUCH_REGION,
			   "there is no standing region '%s' in session '%s' of uid %" PRIu32
			   ": rdmaregctl standing list shows those that there are",
			   name, session, uid);
}

int app_find_standing(void *userdata, uint32_t uid, const char *session, const char *name,
		      struct register_request *ret, struct failure *f)
{
	struct app *a = userdata;
	const struct standing *s = find(a, uid, session, name);

	if (!s)
		return refuse_unknown(uid, session, name, f);
	if (s->region)
		return failure_set(f, RDMAREG_ERROR_NAME_TAKEN,
				   "standing region '%s' is there already: it is region %" PRIu64,
				   name, s->region);
	*ret = (struct register_request){ .uid = uid,
					  .offset = s->offset,
					  .length = s->length,
					  .access = s->access,
					  .policy = s->policy,
					  .grace_usec = s->grace_usec,
					  .has_grace = s->policy == POLICY_YIELD,
					  .detached = true,
					  .warm = true,
					  .has_warm_mode = true,
					  .warm_mode = s->warm_mode,
					  .asks_pre_content = s->pre_content,
					  .pre_content = s->pre_content || s->policy == POLICY_HOLD,
					  .restores = true };
	return 0;
}

int app_remove_standing(void *userdata, uint32_t uid, const char *session, const char *name,
			struct call *call, struct failure *f)
{
	struct app *a = userdata;
	struct standing *s = find(a, uid, session, name);
	int r;

	if (!s)
		return refuse_unknown(uid, session, name, f);
	r = enqueue(a, s, JOB_REMOVE, NULL, call);
	if (r < 0)
		return failure_from_errno(f, "removing the record", r, "");
	if (s->region)
		region_table_find(a->table, s->region)->standing = NULL;
	forget(a, s);
	return 0;
}

static bool take(void *userdata, const char *file, char *text)
{
	_cleanup_(freep) struct standing *s = calloc(1, sizeof(*s));
	char name[STANDING_FILE_NAME_MAX];
	struct app *a = userdata;

	if (!s || a->standing.n >= STANDING_MAX || !standing_parse(text, s))
		return false;
	standing_file_name(s, name);
	if (strcmp(name, file) != 0)
		return false;
	add(a, steal_pointer(s));
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
	if (parent < 0 || (mkdirat(parent, FOLDER, 0700) < 0 && errno != EEXIST))
		return -errno;
	fd = openat(parent, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || st.st_mode & 022)
		return -EPERM;
	return steal_fd(&fd);
}

void app_load_standing(struct app *a, void (*give_up)(struct app *a, struct region *r))
{
	char path[512];

	TAILQ_INIT(&a->standing.all);
	STAILQ_INIT(&a->standing.jobs);
	a->standing.give_up = give_up;
	a->standing.directory = open_folder(a->options->state_directory);
	if (a->standing.directory < 0) {
		snprintf(a->standing.trouble, sizeof(a->standing.trouble), "%.160s/" FOLDER ": %s",
			 a->options->state_directory, strerror(-a->standing.directory));
		log_notice("there are no standing regions: %s", a->standing.trouble);
		return;
	}
	snprintf(path, sizeof(path), "%.400s/" FOLDER, a->options->state_directory);
	record_files_each(a->standing.directory, path, "standing region", take, a);
}

/* They are made again by their users, in a unit of each. */
void app_start_standing(struct app *a)
{
	bool can = !a->options->bus_address && !a->options->session_bus && sd_booted() > 0;
	const struct standing *s, *before;
	char unit[64];
	uint32_t n = 0;

	TAILQ_FOREACH(s, &a->standing.all, all) {
		n += !s->region;
		TAILQ_FOREACH(before, &a->standing.all, all)
			if (before == s || (before->uid == s->uid && !before->region))
				break;
		if (s->region || before != s || !can)
			continue;
		snprintf(unit, sizeof(unit), "rdmareg-standing@%" PRIu32 ".service", s->uid);
		if (sd_bus_call_method_async(
			    bus_connection(a->bus), NULL, "org.freedesktop.systemd1",
			    "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
			    "StartUnit", NULL, NULL, "ss", unit, "fail") < 0)
			log_error("%s cannot be started: no memory", unit);
	}
	if (n)
		log_notice("%" PRIu32 " standing regions are not there%s", n,
			   can ? ": rdmareg-standing@.service of each user makes them again"
			       : ": their users make them again with: rdmaregctl standing restore");
}

/* Somebody heard that it was released. The process ends, so this may wait. */
static void finish_removal(const struct standing_job *j)
{
	if (j->kind == JOB_REMOVE)
		unlinkat(j->directory, j->name, 0);
}

/* Its thread may be in it until the process ends, so it is not freed, and this is where it is. */
static struct standing_job *volatile left_to_thread;

void app_free_standing(struct app *a)
{
	struct standing_job *j = a->standing.running;

	if (j && !a->standing.silent) {
		/* a second: what it writes may be removed next */
		for (int i = 0; i < 100 && !j->done; i++)
			poll(NULL, 0, 10);
		finish_removal(j);
	}
	left_to_thread = j;
	while ((j = STAILQ_FIRST(&a->standing.jobs))) {
		STAILQ_REMOVE_HEAD(&a->standing.jobs, jobs);
		if (j->kind == JOB_WRITE)
			j->of->job = NULL;
		if (!a->standing.silent)
			finish_removal(j);
		if (j->kind != JOB_NOTHING && (j->kind != JOB_REMOVE || j->call))
			answer(a, j, -ESHUTDOWN);
		free(j);
	}
	while (!TAILQ_EMPTY(&a->standing.all))
		forget(a, TAILQ_FIRST(&a->standing.all));
	if (a->standing.directory >= 0 && !a->standing.running)
		close(a->standing.directory);
}
