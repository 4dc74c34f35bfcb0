/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exchange.h - how the tickets of all nodes of a step reach each of its tasks: files of mode 0600 in
 * a directory of the job that all nodes see. It is in a directory of the user's: BASE/UID/JOBID, or
 * BASE/JOBID where BASE is in the user's home.
 *
 * A node publishes one file for each step, RESTART.STEP.NODEID@NODE, written aside and renamed. A
 * task waits until there is one of every node of its step. Files of another run of the same job
 * (requeue keeps the number) differ in RESTART.
 *
 * What always holds: all of it but exchange_make_parent() is done under the job's user id; both
 * directories are that user's, and nobody else can change what they have, or they are not used; no
 * name of theirs or in them is followed if it is a symbolic link.
 */
#ifndef RDMAREG_SLURM_EXCHANGE_H
#define RDMAREG_SLURM_EXCHANGE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXCHANGE_NAME_BYTES 192 /* with what stands before it, a file name */
#define EXCHANGE_ERROR_BYTES (PATH_MAX + 256)

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

/*
 * exchange_make_parent: the user's directory in @base, before the user or anybody else could make
 * it. For root, before a step: 0 also if there is nothing to do, because it is there, or @base is in
 * the user's home, or not root's alone: then it is left to the user, and to who comes first.
 */
int exchange_make_parent(const char *base, uint32_t uid, uint32_t gid);

/*
 * exchange_open: make the directories, or use them as they are. -EPERM: one of them is somebody
 * else's, or open to others. @error: a sentence, if it fails.
 */
int exchange_open(struct exchange *x, char error[EXCHANGE_ERROR_BYTES]);
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

/*
 * exchange_rest: a pause between two looks at what others do. @msec: EXCHANGE_REST_MSEC at first;
 * doubled by each call up to half a second.
 */
#define EXCHANGE_REST_MSEC 10
void exchange_rest(unsigned int *msec);

#endif
