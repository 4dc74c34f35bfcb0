// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * start.c - making a keeper's process: binds its socket, starts it one way or the other, and
 * watches whether it dies before it ever listened. That it does listen shows when somebody connects
 * (proxy.c).
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/proxy.h"
#include "proxy/slice.h"
#include "util/cleanup.h"
#include "util/log.h"

void proxy_start_over(struct proxy *k)
{
	k->unit = spawn_unit_free(k->unit);
	k->process = spawned_free(k->process);
	if (k->ended)
		event_free(k->ended);
	k->ended = NULL;
	k->spawned = false;
}

/*
 * @again: a unit of that name still ends, however long; the retry timer comes by with another
 * number.
 */
static void on_unit_failed(void *userdata, const struct failure *why, bool again)
{
	struct proxy *k = userdata;

	if (!again) {
		proxy_remove(k, why->code, "%s", why->text);
		return;
	}
	proxy_start_over(k);
	unlink(k->path);
	if (proxy_instance_next(k) < 0)
		proxy_remove(
			k, -ECHILD,
			"the units of this tenant's earlier keepers do not end: see systemctl list-units "
			"'rdmareg-keeper-*'");
}

/* It is known who it is: now it can be talked to. */
static void is_identified(struct proxy *k, const struct record_keeper *about)
{
	record_identify(k->record, about);
	k->attempt = 0;
	event_add(k->retry, &(const struct timeval){ 0 });
}

static void on_unit_started(void *userdata, const struct record_keeper *about)
{
	is_identified(userdata, about);
}

static void on_process_started(void *userdata, pid_t pid, int pidfd)
{
	struct proxy *k = userdata;
	const struct record_keeper about = { .pid = (uint32_t)pid, .runs_as = k->runs_as };

	closep(&k->pidfd);
	k->pidfd = pidfd;
	proxy_watch_end(k);
	is_identified(k, &about);
}

static void on_process_failed(void *userdata, const struct failure *why)
{
	proxy_remove(userdata, why->code, "%s", why->text);
}

static const struct spawned_ops process_ops = { .started = on_process_started,
						.failed = on_process_failed };

/* It ended without having listened, while it rested, or while there was no connection. */
static void on_ended(evutil_socket_t fd, short what, void *userdata)
{
	struct proxy *k = userdata;
	struct failure why;

	(void)fd, (void)what;
	if (!spawned_look(k->process)) /* that told why, and gave it up */
		return;
	if (k->phase == PHASE_RESTING)
		proxy_describe_idle_end(k, &why);
	else if (k->note.listed || k->note.from_record)
		proxy_describe_end(k, &why);
	else
		fail(&why, -EPIPE, "its process ended before it listened: see its own log lines");
	proxy_remove(k, why.code, "%s", why.text);
}

bool proxy_watch_end(struct proxy *k)
{
	if (k->pidfd < 0)
		return false;
	if (!k->ended)
		k->ended = event_new(k->set->base, k->pidfd, EV_READ, on_ended, k);
	return k->ended && event_add(k->ended, NULL) == 0;
}

static int bind_socket(struct proxy *k, int *ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(k->path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, k->path);
	/* nobody listens there, proxy_begin() saw: what is left of an earlier one is in the way */
	unlink(k->path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret = steal_fd(&fd);
	return 0;
}

/* For another one, until that is gone: its process may not have it yet. */
static bool is_reserved(const void *userdata, uint32_t id)
{
	const struct proxy *k = userdata, *other;

	LIST_FOREACH(other, &k->set->keepers, keepers)
		if (other != k && other->runs_as == id)
			return true;
	return false;
}

static int start_direct(struct proxy *k, struct spawn_request *q)
{
	closep(&k->pidfd);
	k->pidfd = -1;
	k->runs_as = q->runs_as;
	return spawn_direct(&k->process, k->set->spawner, k->set->base, q, &process_ops, k);
}

int proxy_start(struct proxy *k, struct failure *why)
{
	const struct settings *s = k->set->settings;
	_cleanup_(closep) int fd = -1;
	char slice[SLICE_NAME_BYTES];
	struct spawn_request q = { .settings = s,
				   .program = k->set->program,
				   .uid = k->uid,
				   .session = k->session,
				   .instance = k->instance,
				   .limits = &k->limits,
				   .slice = slice };
	const struct record_keeper nobody = { 0 };
	bool unit = pool_spawns_units(k->set);
	struct session_limits now;
	int r;

	if (k->set->handlers->limits(k->set->userdata, k->uid, k->session, &now))
		slice_name(s->slice, k->uid, k->session, slice);
	else
		slice_of_user(s->slice, k->uid, slice);
	/* what an earlier process had is over with it */
	record_end_claims(k->record);
	record_identify(k->record, &nobody);
	r = bind_socket(k, &fd);
	if (r < 0)
		return fail(why, r, "its socket %s could not be made: %s", k->path, strerror(-r));
	q.socket = fd;
	if (!unit) {
		q.runs_as = k->uid;
		if (geteuid() == 0)
			r = spawn_choose_id(s, is_reserved, k, &q.runs_as);
		if (r == 0)
			r = start_direct(k, &q);
	} else if (!k->set->connection) {
		r = -EOPNOTSUPP;
	} else {
		r = spawn_unit(&k->unit, k->set->connection, &q, on_unit_failed, on_unit_started,
			       k);
	}
	if (r < 0)
		unlink(k->path);
	if (r == -EUSERS)
		return fail(why, r, "%s", NO_ID);
	if (unit && !k->set->connection)
		return fail(why, r,
			    "systemd cannot be asked to start it, because rdmaregd is not on the "
			    "system bus: see spawn in rdmaregd.conf");
	if (r < 0)
		return fail(why, r, "it could not be started: %s", strerror(-r));
	k->spawned = k->ours = true;
	k->settings_at = k->set->settings_at;
	log_info("keeper %s: started%s", k->name, unit ? " by systemd" : "");
	return 0;
}
