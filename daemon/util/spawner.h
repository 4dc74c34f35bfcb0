/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawner.h - a process that makes processes for the daemon.
 *
 * A child begins with a copy of its parent's descriptors, and closes them when it executes a
 * program at the latest. Closing one of a file whose server is silent (util/offload.h) sleeps for
 * ever, in the child, and with vfork(2) in the parent as well. So the daemon itself makes no
 * children. It asks a process that it forked when it had no descriptor of anybody else's yet, and
 * that never gets any: only sockets of the daemon's are passed to it.
 *
 * What always holds: nothing here waits, neither for that process nor for those that it makes. It
 * ends when the daemon does; processes that were started with @outlives go on.
 */
#ifndef RDMAREG_SPAWNER_H
#define RDMAREG_SPAWNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/failure.h"

struct event_base;
struct spawner;

/*
 * Who a process becomes that outlives the daemon. As root: this id, and these groups; else it stays
 * who the daemon is.
 */
struct spawner_identity {
	uint32_t runs_as;
	uint64_t memlock_bytes;
	const char *groups; /* names, with commas; one that there is not is left out */
};

struct spawner_order {
	const char *const *argv; /* argv[0]: path of the program */
	const char *const
		*environment; /* NULL: the daemon's, without what is meant for a service */
	int socket;	      /* borrowed */
	int number;	      /* the program's for it: STDIN_FILENO or 3; it gets none above 3 */
	bool is_child; /* it becomes the daemon's child, and the daemon must wait(2) for it */
	/*
	 * NULL: it runs as the daemon does. Else it also has a session of its own, and no
	 * privileges.
	 */
	const struct spawner_identity *outlives;
};

/* From the loop, or spawned_look(), at most one of each; failed() may free what was ordered. */
struct spawned_ops {
	/* There is a process. @pidfd: the callee's. */
	void (*started)(void *userdata, pid_t pid, int pidfd);
	/* The program does not run, and will not: -ECHILD. Also after started(). */
	void (*failed)(void *userdata, const struct failure *why);
};
struct spawned;

/* Forks; to be called before there are threads, or descriptors that are not our own. */
int spawner_new(struct spawner **ret);
struct spawner *spawner_free(struct spawner *s);
/* @lost: called once, if its process ends before we do. */
int spawner_watch(struct spawner *s, struct event_base *base, void (*lost)(void *userdata),
		  void *userdata);
/* Before @base is freed. */
void spawner_unwatch(struct spawner *s);

/* -EAGAIN: too many wait; -EPIPE: its process has ended; -E2BIG. */
int spawner_start(struct spawned **ret, struct spawner *s, struct event_base *base,
		  const struct spawner_order *order, const struct spawned_ops *ops, void *userdata);
/* What is known by now, at once. False: it failed, failed() was called. NULL is fine. */
bool spawned_look(struct spawned *p);
/* Nobody wants to know any more. One that is not there yet ends before it executes anything. */
struct spawned *spawned_free(struct spawned *p);

#endif
