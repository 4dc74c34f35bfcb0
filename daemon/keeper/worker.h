/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker.h - threads beside the loop, for calls that may wait. The keeper has a set of them for
 * each kind of thing that is waited for: memory regions, prefetches, writing back, opening and
 * closing files, and the endpoint's, which closes peers.
 *
 * A job is embedded in whatever it belongs to. run() is called in a thread and may touch only what
 * the owner has left alone since worker_submit(); done() is called in the loop. What always holds:
 * between the two the owner neither frees nor submits the job; jobs marked urgent go before those
 * that are not; a job that was submitted is done exactly once or withdrawn.
 *
 * Storage can be silent for ever, and a thread that waits for it cannot be ended. So a job has a
 * key, the storage that it touches, and jobs of one key never have more than their share of the
 * threads: what is silent holds up nobody but itself.
 */
#ifndef RDMAREG_KEEPER_WORKER_H
#define RDMAREG_KEEPER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"

struct event_base;
struct worker;

struct job {
	void (*run)(struct job *job);
	void (*done)(struct job *job);
	uint64_t key; /* what it may have to wait for; 0: for nothing that can be silent */
	bool urgent;
	bool busy;	     /* submitted and not yet done; read and written in the loop only */
	uint64_t began_usec; /* when a thread took it up; 0: none did, or paused. For job_began() */
	struct job *next;
};

/* CLOCK_MONOTONIC; 0: no thread is in it, or one has paused it. In the loop. */
static inline uint64_t job_began(const struct job *job)
{
	return job->busy ? __atomic_load_n(&job->began_usec, __ATOMIC_RELAXED) : 0;
}

/*
 * In run(): what begins now is a wait that is nobody's fault, and job_began() is 0 meanwhile; it is
 * over, and the job's time begins anew.
 */
void job_pause(struct job *job);
void job_resume(struct job *job);

#define WORKER_THREADS 32
#define WORKER_THREADS_OF_KEY 4

/*
 * One thread, and up to WORKER_THREADS while jobs wait; those of one key have WORKER_THREADS_OF_KEY
 * at most.
 */
int worker_new(struct worker **ret, struct event_base *base);

struct worker *worker_free(struct worker *w);
DEFINE_FREEP(struct worker, worker_free)

/* True: no job is running. */
bool worker_is_idle(struct worker *w);

void worker_submit(struct worker *w, struct job *job);

/*
 * True: it waited, and will be neither run nor done. False: it is too late for that, or there is
 * nothing.
 */
bool worker_withdraw(struct worker *w, struct job *job);

#endif
