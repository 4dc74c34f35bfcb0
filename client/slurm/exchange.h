/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exchange.h - how the tickets of all nodes of a step reach each of its tasks: files of mode 0600 in
 * a directory of the job that all nodes see, BASE/UID-JOBID.
 *
 * A node publishes one file for each step, RESTART.STEP.NODEID@NODE, written aside and renamed. A
 * task waits until there is one of every node of its step. Files of another run of the same job
 * (requeue keeps the number) differ in RESTART.
 *
 * What always holds: all of it is done under the job's user id; the directory is that user's and
 * nobody else's, or it is not used; no name in it is followed if it is a symbolic link.
 */
#ifndef RDMAREG_SLURM_EXCHANGE_H
#define RDMAREG_SLURM_EXCHANGE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXCHANGE_NAME_BYTES 192 /* with what stands before it, a file name */

struct exchange {
	char path[PATH_MAX]; /* of the directory */
	int fd;
	uint32_t restart, step, node_id;
	char node[EXCHANGE_NAME_BYTES]; /* name of this node, as file names end */
};

/*
 * exchange_path: where a job's directory is. @base: absolute, or beginning with "~/", the home of
 * the user. -ENOENT: the user has no account; -ENAMETOOLONG.
 */
int exchange_path(char ret[PATH_MAX], const char *base, uint32_t uid, uint32_t job);

/* exchange_open: make the directory, or use it as it is. -EPERM: it is somebody else's. */
int exchange_open(struct exchange *x);
void exchange_close(struct exchange *x);

/*
 * exchange_lock: the node's tasks, of all steps, one at a time. Returns a descriptor of a file that
 * stays as long as the job, for what they have to know of each other; closing it unlocks. -ETIME.
 */
int exchange_lock(struct exchange *x, uint64_t deadline_usec);

/* exchange_published: whether this node has. exchange_publish: its lines, once. */
int exchange_published(struct exchange *x);
int exchange_publish(struct exchange *x, const char *text);

/*
 * exchange_collect: wait for all @nodes until the deadline (CLOCK_MONOTONIC), then write what there
 * is to this node's file of all, whose path is in @ret. Returns how many nodes are missing.
 */
int exchange_collect(struct exchange *x, uint32_t nodes, uint64_t deadline_usec,
		     char ret[PATH_MAX]);

/*
 * exchange_remove: this node's files of a job, of all its runs, and the directory if it is the last
 * one. What is gone is no error.
 */
int exchange_remove(const char *path, const char *node);

/* exchange_clock: the clock of the deadlines. */
uint64_t exchange_clock(void);

#endif
