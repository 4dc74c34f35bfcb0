// SPDX-License-Identifier: GPL-2.0-or-later
/* root.c - the hooks that are root: prolog, beginning of a step, epilog. */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <slurm/slurm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exchange.h"
#include "job.h"
#include "option.h"
#include "root.h"

#define SESSION_MEMORY_MIN (UINT64_C(32) << 20) /* less is refused */

enum { CREATE_LIMIT_SEC = 5, MAKE_LIMIT_SEC = 5, RELEASE_LIMIT_SEC = 20, REMOVE_LIMIT_SEC = 10 };

/* What is done about ticket files by root's hooks. */
struct files {
	const struct settings *settings;
	const char *node;
	uint32_t uid, gid, job;
};

/* In a process of its own: a filesystem that does not answer keeps that one, and nobody else. */
static int apart(int (*work)(const struct files *f), const struct files *f, unsigned int limit_sec)
{
	struct pollfd ended = { .events = POLLIN };
	pid_t child = fork();
	int status = 0, r;

	if (child == 0)
		_exit(work(f) < 0);
	if (child < 0)
		return -errno;
	ended.fd = pidfd_open(child, 0);
	do
		r = poll(&ended, 1, (int)limit_sec * 1000);
	while (r < 0 && errno == EINTR);
	if (ended.fd >= 0)
		close(ended.fd);
	if (r <= 0)
		kill(child, SIGKILL);
	/* one that hangs in its filesystem is not waited for even then */
	return waitpid(child, &status, r > 0 ? 0 : WNOHANG) != child || status ? -EIO : 0;
}

/* ---- the beginning of a job on a node */

static int create_session(struct rdmareg *bus, uint32_t uid, uint32_t job, size_t rail,
			  const struct settings *s, uint64_t end)
{
	struct rdmareg_session_limits limits = { .size = sizeof(limits),
						 .memory_bytes = s->memory_bytes,
						 .device = settings_device(s, rail) };
	unsigned int pause = EXCHANGE_REST_MSEC;
	char session[JOB_SESSION_BYTES];
	int r = -ENOTCONN;

	job_session(session, job, rail);
	do
		r = bus ? rdmareg_session_create(bus, uid, session, &limits) : r;
	while (job_retry(r, end, &pause));
	/* a step has set its memory limit already: slurmd was restarted */
	if (r < 0 && !(r == -EEXIST && s->memory_percent))
		slurm_error("rdmareg: job %u: creating session %s: %s", job, session,
			    rdmareg_last_error());
	return r;
}

/*
 * Who did not answer in time is not asked for the other rails: then the log names their sessions,
 * from @i on, and what was to be done about them.
 */
static int leave_out(int r, uint64_t end, uint32_t job, size_t i, size_t n, const char *doing)
{
	char session[JOB_SESSION_BYTES];

	if (r >= 0 || exchange_clock() < end)
		return 0;
	for (; i < n; i++) {
		job_session(session, job, i);
		slurm_error(
			"rdmareg: job %u: %s session %s: rdmaregd was not asked, because it did not answer in time",
			job, doing, session);
	}
	return 1;
}

/* Sessions of a job: one, and with rails one for each device. */
static size_t count_sessions(const struct settings *s, int rails)
{
	return rails && s->n_devices ? s->n_devices : 1;
}

/*
 * That the job was submitted with regions, and with rails, is all that is taken from its
 * environment, and being wrong about it harms nobody: without a session that was created the job's
 * regions are its user's, and one that nobody uses is released in the epilog.
 */
void root_begin_job(spank_t sp, int argc, char **argv)
{
	struct rdmareg_open_options options = {
		.size = sizeof(options),
		.work_timeout_usec = CREATE_LIMIT_SEC * USEC_PER_SEC,
	};
	const char *asked = getenv("SPANK_" OPTION_CONTROL_VARIABLE);
	struct settings settings;
	struct rdmareg *bus;
	uint64_t end;
	uint32_t job;
	size_t n, i;
	uid_t uid;
	int r = 0;

	if (!asked)
		return;
	if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS) {
		slurm_error("rdmareg: a prolog without a job");
		return;
	}
	job_settings(&settings, argc, argv);
	n = count_sessions(&settings, !strcmp(asked, OPTION_CONTROL_RAILS));
	if (rdmareg_open(&options, &bus) < 0)
		bus = NULL;
	end = exchange_clock() + CREATE_LIMIT_SEC * USEC_PER_SEC;
	for (i = 0; i < n && !leave_out(r, end, job, i, n, "creating"); i++)
		r = create_session(bus, uid, job, i, &settings, end);
	rdmareg_close(bus);
}

/* ---- the beginning of a step */

/*
 * The prolog is not told the job's memory; a step is, from Slurm's credential. A session that nobody
 * created has no limits.
 */
static void limit_memory(spank_t sp, const struct settings *s, size_t n_sessions)
{
	struct rdmareg_open_options options = {
		.size = sizeof(options),
		.work_timeout_usec = CREATE_LIMIT_SEC * USEC_PER_SEC,
	};
	struct rdmareg_session_limits limits = { .size = sizeof(limits) };
	static const char limiting[] = "limiting the memory of";
	char session[JOB_SESSION_BYTES];
	struct rdmareg *bus = NULL;
	uint64_t mib = 0, end;
	uint32_t job;
	uid_t uid;
	size_t i;
	int r;

	if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_ALLOC_MEM, &mib) != ESPANK_SUCCESS || !mib ||
	    mib > UINT64_MAX >> 31)
		return;
	limits.memory_bytes = (mib * s->memory_percent << 20) / 100;
	if (limits.memory_bytes < SESSION_MEMORY_MIN)
		limits.memory_bytes = SESSION_MEMORY_MIN;
	r = rdmareg_open(&options, &bus);
	end = exchange_clock() + CREATE_LIMIT_SEC * USEC_PER_SEC;
	for (i = 0; i < n_sessions && !leave_out(r, end, job, i, n_sessions, limiting); i++) {
		job_session(session, job, i);
		if (bus)
			r = rdmareg_session_set_limits(bus, uid, session, &limits);
		if (r < 0 && r != -ENXIO)
			slurm_error("rdmareg: job %u: %s session %s: %s", job, limiting, session,
				    rdmareg_last_error());
	}
	rdmareg_close(bus);
}

static int make_parent(const struct files *f)
{
	return exchange_make_parent(f->settings->directory, f->uid, f->gid);
}

static void make_directory(spank_t sp, const struct settings *s)
{
	struct files f = { .settings = s };
	uid_t uid;
	gid_t gid;

	if (s->directory[0] != '/' || spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_GID, &gid) != ESPANK_SUCCESS)
		return;
	f.uid = uid;
	f.gid = gid;
	if (apart(make_parent, &f, MAKE_LIMIT_SEC) < 0)
		slurm_error("rdmareg: no directory of user %u could be made in %s", f.uid,
			    s->directory);
}

/* In slurmstepd, as root. Whether there is a list is the user's word; what is done is not. */
void root_begin_step(spank_t sp, int argc, char **argv)
{
	struct settings settings;
	struct spec_list list;

	if (job_is_extern(sp) || job_read_list(sp, &list) < 0 || !list.n)
		return;
	job_settings(&settings, argc, argv);
	make_directory(sp, &settings);
	if (settings.memory_percent)
		limit_memory(sp, &settings, count_sessions(&settings, spec_list_rails(&list)));
}

/* ---- the end of a job on a node */

struct ids {
	uint64_t *at;
	size_t n;
};

static int regions_of_job(struct rdmareg *bus, uint32_t uid, const char *session, struct ids *ret)
{
	struct rdmareg_list_options options = { .size = sizeof(options),
						.session = session,
						.brief = 1 };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *list;
	int r = rdmareg_list(bus, &options, &list);

	if (r < 0)
		return r;
	while ((r = rdmareg_list_next(list, &info)) > 0) {
		uint64_t *more;

		if (info.uid != uid)
			continue;
		more = realloc(ret->at, (ret->n + 1) * sizeof(*more));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		ret->at = more;
		ret->at[ret->n++] = info.id;
	}
	rdmareg_list_free(list);
	return r;
}

/* Of a job whose session nobody created: a step asked for regions, the job did not. */
static int release_regions(struct rdmareg *bus, uint64_t grace_usec, uint32_t uid,
			   const char *session)
{
	struct rdmareg_release_options release = { .size = sizeof(release),
						   .grace_usec = grace_usec };
	struct ids ids = { 0 };
	int r = regions_of_job(bus, uid, session, &ids);

	if (r == 0 && ids.n)
		r = rdmareg_release_all(bus, ids.at, ids.n, &release, NULL, NULL);
	free(ids.at);
	/* somebody else was quicker: gone is what was wanted */
	return r == -ENOENT ? 0 : r;
}

/* What is late ends by itself; who wonders why a device is still busy finds it in the log. */
static void log_late(struct rdmareg_released *l, uint32_t job, const char *session)
{
	struct rdmareg_released_region region = { .size = sizeof(region) };

	while (rdmareg_released_next(l, &region) > 0)
		if (region.outcome == RDMAREG_RELEASE_LATE)
			slurm_error("rdmareg: job %u: region %llu of session %s is late: %s", job,
				    (unsigned long long)region.region, session, region.text);
}

static int release_session(struct rdmareg *bus, const struct settings *s, uint32_t uid,
			   uint32_t job, size_t rail, uint64_t end)
{
	uint64_t now = exchange_clock();
	struct rdmareg_session_release_options release = {
		.size = sizeof(release),
		.grace_usec = s->release_grace_usec ? s->release_grace_usec : RDMAREG_NO_GRACE,
		.limit_usec = end > now ? end - now : RDMAREG_NO_WAIT,
	};
	struct rdmareg_released *released = NULL;
	char session[JOB_SESSION_BYTES];
	int r;

	job_session(session, job, rail);
	r = rdmareg_session_release(bus, uid, session, &release, &released);
	if (released)
		log_late(released, job, session);
	rdmareg_released_free(released);
	/* there is none; or the daemon is so old that it knows of none */
	if (r != -ENXIO && r != -EOPNOTSUPP && r != -ENOENT)
		return r;
	return rail ? 0 : release_regions(bus, release.grace_usec, uid, session);
}

/* Those of rails that the job did not ask for are not there. */
static void release_job(const struct settings *s, uint32_t uid, uint32_t job)
{
	struct rdmareg_open_options options = {
		.size = sizeof(options),
		.work_timeout_usec = RELEASE_LIMIT_SEC * USEC_PER_SEC,
	};
	uint64_t end = exchange_clock() + RELEASE_LIMIT_SEC * USEC_PER_SEC / 2;
	char session[JOB_SESSION_BYTES];
	struct rdmareg *bus = NULL;
	size_t n = count_sessions(s, 1), i;
	int r = rdmareg_open(&options, &bus);

	for (i = 0; i < n && (!i || !leave_out(r, end, job, i, n, "releasing")); i++) {
		if (bus)
			r = release_session(bus, s, uid, job, i, end);
		job_session(session, job, i);
		if (r < 0)
			slurm_error("rdmareg: job %u: releasing session %s: %s", job, session,
				    rdmareg_last_error());
	}
	rdmareg_close(bus);
}

/* Gives root up for good: it is called in a process of its own. */
static int remove_as_user(const struct files *f)
{
	struct passwd *account = getpwuid(f->uid);
	char path[PATH_MAX];
	int r;

	if (!account || initgroups(account->pw_name, account->pw_gid) < 0 ||
	    setgid(account->pw_gid) < 0 || setuid(f->uid) < 0)
		return -EPERM;
	r = exchange_path(path, f->settings->directory, f->uid, f->job);
	return r < 0 ? r : exchange_remove(path, f->node);
}

void root_end_job(spank_t sp, int argc, char **argv)
{
	struct settings settings;
	struct files f = { .settings = &settings, .node = getenv("SLURMD_NODENAME") };
	uint32_t job;
	uid_t uid;

	if (spank_get_item(sp, S_JOB_ID, &job) != ESPANK_SUCCESS ||
	    spank_get_item(sp, S_JOB_UID, &uid) != ESPANK_SUCCESS) {
		slurm_error("rdmareg: an epilog without a job");
		return;
	}
	job_settings(&settings, argc, argv);
	release_job(&settings, uid, job);
	f.uid = uid;
	f.job = job;
	if (f.node && *f.node && apart(remove_as_user, &f, REMOVE_LIMIT_SEC) < 0)
		slurm_error("rdmareg: job %u: ticket files of this node could not be removed", job);
}
