/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker.h - a thread beside the loop, for calls that may block. The keeper has four: one that registers and deregisters, one that prefetches,
 * one that writes files back, and the endpoint's, which closes peers. The last three wait for storage, and for nothing else.
 *
 * A job is embedded in whatever it belongs to. run() is called in the worker and may touch only what the owner has left alone
 * since worker_submit(); done() is called in the loop. What always holds: between the two the owner neither frees nor submits the job;
 * jobs marked urgent go before those that are not; a job that was submitted is done exactly once or withdrawn.
 */
#ifndef RDMAREG_KEEPER_WORKER_H
#define RDMAREG_KEEPER_WORKER_H

#include <stdbool.h>

#include "util/cleanup.h"

struct event_base;
struct worker;

struct job {
	void (*run)(struct job *job);
	void (*done)(struct job *job);
	bool urgent;
	bool busy; /* submitted and not yet done; read and written in the loop only */
	struct job *next;
};

int worker_new(struct worker **ret, struct event_base *base);

/* Waits for the job that is running; jobs still waiting are not run. Only when every owner is beyond caring. */
struct worker *worker_free(struct worker *w);
DEFINE_FREEP(struct worker, worker_free)

void worker_submit(struct worker *w, struct job *job);

/* True: it waited, and will be neither run nor done. False: it is too late for that, or there is nothing. */
bool worker_withdraw(struct worker *w, struct job *job);

#endif
