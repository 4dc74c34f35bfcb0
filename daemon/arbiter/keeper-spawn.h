/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-spawn.h - starting a keeper: a process of the tenant's user, without capabilities, that outlives
 * the daemon.
 *
 * The keeper gets its listening socket as standard input, already bound, so that it needs no right to the
 * directory it lies in.
 *
 *   direct   fork and exec. The keeper leaves the daemon's session and parentage, but stays in its cgroup, so
 *            this is for machines and containers without systemd.
 *   systemd  a transient unit, with its own cgroup in the tenant's slice, and a sandbox.
 *
 * Neither waits for the keeper: that it works shows when it answers on its socket.
 */
#ifndef RDMAREG_KEEPER_SPAWN_H
#define RDMAREG_KEEPER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "arbiter/settings.h"

struct spawn_request {
	const struct settings *settings;
	const char *program; /* absolute path of rdmareg-keeper */
	uint32_t uid;
	const char *session;
	uint32_t instance;
	int socket; /* bound; borrowed */
};

/* What a child that could not become a keeper says before it ends. */
struct spawn_report {
	int pid;
	int error; /* positive errno */
	char step[32];
};

/**
 * spawn_direct - fork and exec
 * @ret_pidfd: readable when the keeper has ended
 * @ret_report: a pipe: a struct spawn_report if it cannot be started, end of file once it runs
 *
 * -EPERM: the daemon is not root and the tenant is somebody else. Neither descriptor is owned by the keeper.
 */
int spawn_direct(const struct spawn_request *q, pid_t *ret_pid, int *ret_pidfd, int *ret_report);

/**
 * spawn_unit - StartTransientUnit
 * @failed: called if systemd says no; @again: only because there is a unit of this name
 * @ret: free it when the keeper answered, or when nobody is interested any more
 */
typedef void spawn_failed_t(void *userdata, const char *why, bool again);
struct spawn_unit;
int spawn_unit(struct spawn_unit **ret, sd_bus *connection, const struct spawn_request *q,
	       spawn_failed_t *failed, void *userdata);
struct spawn_unit *spawn_unit_free(struct spawn_unit *u);

/* The keeper's command line: NULL-terminated, one allocation, for free(). NULL: out of memory. */
char **spawn_command(const struct spawn_request *q);

#endif
