/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawn.h - starting a keeper: a process without capabilities that outlives the daemon.
 *
 * It runs under a user id that no other process has, so that nobody but root can trace, stop,
 * signal or replace it, its tenant included. Only where the daemon is not root it is the daemon's
 * own user.
 *
 * The keeper gets its listening socket as standard input, already bound, so that it needs no right
 * to the directory it lies in.
 *
 *   direct   by a process that forks (spawner.h). The keeper leaves the daemon's session and
 *   parentage, but
 *            stays in its cgroup, so this is for machines and containers without systemd.
 *   systemd  a transient unit, with its own cgroup in the tenant's slice, and a sandbox.
 *
 * Neither waits for the keeper: that it works shows when it answers on its socket.
 */
#ifndef RDMAREG_PROXY_SPAWN_H
#define RDMAREG_PROXY_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "proxy/record.h"
#include "arbiter/settings.h"
#include "util/spawner.h"

struct spawn_request {
	const struct settings *settings;
	const char *program; /* absolute path of rdmareg-keeper */
	uint32_t uid;	     /* of the tenant */
	uint32_t runs_as;    /* spawn_direct() */
	const char *session;
	const struct session_limits *limits;
	const char *slice; /* spawn_unit() */
	uint32_t instance;
	int socket; /* bound; borrowed */
};

/*
 * A user id of keeper_uids that no process has now, and that is not reserved: one that was chosen
 * belongs to whom it was chosen for before its process has it. One that has ended has none, whether
 * anybody has waited for it or not. -EUSERS: all are in use.
 */
int spawn_choose_id(const struct settings *s,
		    bool (*is_reserved)(const void *userdata, uint32_t id), const void *userdata,
		    uint32_t *ret);

/* By @s; see spawner_start(). -EPERM: the daemon is not root and the tenant is somebody else. */
int spawn_direct(struct spawned **ret, struct spawner *s, struct event_base *base,
		 const struct spawn_request *q, const struct spawned_ops *ops, void *userdata);

/**
 * spawn_unit - StartTransientUnit
 * @started: called once, with what systemd says of the process
 * @failed: called if systemd says no; @again: only because there is a unit of this name
 * @ret: free it when the keeper answered, or when nobody is interested any more
 */
typedef void spawn_failed_t(void *userdata, const struct failure *why, bool again);
/* Its process runs: from pid on. */
typedef void spawn_started_t(void *userdata, const struct record_keeper *about);
struct spawn_unit;
int spawn_unit(struct spawn_unit **ret, sd_bus *connection, const struct spawn_request *q,
	       spawn_failed_t *failed, spawn_started_t *started, void *userdata);
struct spawn_unit *spawn_unit_free(struct spawn_unit *u);

/* The keeper's command line: NULL-terminated, one allocation, for free(). NULL: out of memory. */
char **spawn_command(const struct spawn_request *q);

#endif
