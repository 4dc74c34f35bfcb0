/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-job.h - owner side: a long prefetch that can be watched and given up. Part of rdmareg.h.
 *
 * What always holds: a job belongs to the context that began it and ends with it. However it ends,
 * its region stays as it is, and what was prefetched stays so. A job that is over never changes
 * again, and there is exactly one RDMAREG_EVENT_JOB_FINISHED for it.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_JOB_H
#define RDMAREG_JOB_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_job; /* a job as this context knows it */

/*
 * rdmareg_start_prefetch: rdmareg_prefetch() that does not wait: returns when rdmaregd has taken
 * the work on. @offset, @length, @for_writing: as there.
 * @ret: freed with rdmareg_job_free(), or with the context.
 *
 * ERANGE: outside the region. EACCES: @for_writing of a region that is read only. EBUSY: the region
 * is not live. EDQUOT: this context has as many jobs running as the administrator allows
 * (jobs_per_client in rdmaregd.conf(5)). ENOENT: the region is gone. EINVAL: @ret is NULL.
 */
int rdmareg_start_prefetch(struct rdmareg_region *r, uint64_t offset, uint64_t length,
			   int for_writing, struct rdmareg_job **ret);

struct rdmareg_job_info {
	size_t size;
	uint64_t id;	 /* as events have it: counts the jobs of this context, from 1 */
	uint64_t region; /* that is prefetched */
	uint64_t done;	 /* bytes, of total; told a few times a second at most */
	uint64_t total;	 /* bytes: the range, widened to pages */
	enum rdmareg_job_state state;
	/*
	 * negative errno of a failed job, -ECANCELED of a cancelled one, else 0. EBUSY: the region
	 * was revoked or released meanwhile. EOWNERDEAD: the tenant's keeper ended, or made no
	 * progress for too long. EHOSTUNREACH: rdmaregd stopped, and jobs do not outlive it; begin
	 * it again when it is back. ENOTCONN: the connection to the bus is gone
	 */
	int error;
	const char *message; /* why, in words; "" unless it failed. Valid until the job is freed */
};

/*
 * rdmareg_job_get_info: how far it is, as of what was last taken in: by rdmareg_dispatch(),
 * rdmareg_job_wait() or rdmareg_job_refresh(); asks nobody. @info: size set by the caller.
 */
int rdmareg_job_get_info(const struct rdmareg_job *j, struct rdmareg_job_info *info);

/*
 * rdmareg_job_refresh: ask rdmaregd how far it is; for programs that do not dispatch. Asks nobody
 * when the job is over. ESRCH: rdmaregd does not know it any more. EHOSTUNREACH: rdmaregd stopped:
 * the next dispatch or wait ends the job.
 */
int rdmareg_job_refresh(struct rdmareg_job *j);

/*
 * rdmareg_job_wait: block until it is over. Signals of the process do not end the wait: a program
 * that wants to be interrupted waits on rdmareg_get_fd() instead. Events that come meanwhile are
 * kept for rdmareg_next_event().
 * @timeout_usec: at most so long; 0: only look; UINT64_MAX: as long as it takes.
 *
 * 1: done. 0: the time is up and it goes on. ECANCELED: it was cancelled. Otherwise why it failed,
 * as struct rdmareg_job_info has it, or why there is no waiting (ECHILD); the state tells which.
 * Again on a job that is over: the same answer at once.
 */
int rdmareg_job_wait(struct rdmareg_job *j, uint64_t timeout_usec);

/*
 * rdmareg_job_cancel: give it up. Returns when rdmaregd knows; the job ends soon after, with the
 * chunk (2 MiB at most) that is under way: wait for that. It may still end as done if it was about
 * to. No error if it is over.
 */
int rdmareg_job_cancel(struct rdmareg_job *j);

/*
 * rdmareg_job_free: forget the handle, and its event if that waits. A job that runs goes on until
 * it or the context ends: cancel it first if nobody wants it.
 */
struct rdmareg_job *rdmareg_job_free(struct rdmareg_job *j);

#ifdef __cplusplus
}
#endif

#endif
