// SPDX-License-Identifier: GPL-2.0-or-later
/* pool.c - see pool.h: the set of proxies, and finding the keepers of an earlier daemon. */
#include "proxy/pool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "proxy/proxy.h"
#include "proxy/slice.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define USELESS_MAX 4			/* keepers of one tenant, before it gets no new one */
#define SYSTEMD_IDS (65519 - 61184 + 1) /* of DynamicUser=: systemd.exec(5) */
#define SOCKET_SUFFIX ".sock"
#define RECORD_SUFFIX ".record"

static void pool_freep(struct pool **ks)
{
	pool_free(*ks);
}

static void tell_adopted(struct pool *ks, bool all)
{
	if (ks->adopted)
		return;
	ks->adopted = true;
	event_del(ks->out_of_time);
	event_del(ks->all_through);
	ks->handlers->adopted(ks->userdata, all);
}

static void on_all_through(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	tell_adopted(userdata, true);
}

static void on_out_of_time(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	tell_adopted(userdata, false);
}

int pool_new(struct pool **ret, struct event_base *base, struct offload *offload,
	     struct spawner *spawner, sd_bus *connection, const char *directory,
	     const char *program, const struct settings *settings,
	     const struct pool_handlers *handlers, void *userdata)
{
	_cleanup_(pool_freep) struct pool *ks = calloc(1, sizeof(*ks));

	if (!ks)
		return -ENOMEM;
	ks->base = base;
	ks->offload = offload;
	ks->spawner = spawner;
	ks->connection = connection;
	ks->program = program;
	ks->settings = settings;
	ks->settings_at = 1;
	ks->handlers = handlers;
	ks->userdata = userdata;
	LIST_INIT(&ks->keepers);
	ks->directory = strdup(directory);
	ks->all_through = event_new(base, -1, 0, on_all_through, ks);
	ks->out_of_time = evtimer_new(base, on_out_of_time, ks);
	if (!ks->directory || !ks->all_through || !ks->out_of_time)
		return -ENOMEM;
	*ret = steal_pointer(ks);
	return 0;
}

void pool_stop(struct pool *ks)
{
	struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
		k->dying = true;
	LIST_FOREACH(k, &ks->keepers, keepers)
		proxy_answer_all(k, -ESHUTDOWN, "rdmaregd is being stopped; try again");
}

struct pool *pool_free(struct pool *ks)
{
	struct proxy *k;

	if (!ks)
		return NULL;
	while ((k = LIST_FIRST(&ks->keepers))) {
		LIST_REMOVE(k, keepers);
		proxy_free(k);
	}
	if (ks->all_through)
		event_free(ks->all_through);
	if (ks->out_of_time)
		event_free(ks->out_of_time);
	free(ks->directory);
	free(ks);
	return NULL;
}

void pool_each_process(struct pool *ks, void (*call)(void *userdata, pid_t pid, uint64_t start),
		       void *userdata)
{
	struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
		if (k->started)
			call(userdata, k->pid, k->started);
}

bool pool_have_pid(struct pool *ks, pid_t pid)
{
	struct proxy *k;

	/* while it lives, the number is its own and nobody else's */
	LIST_FOREACH(k, &ks->keepers, keepers)
		if (k->pid == pid && k->pidfd >= 0 &&
		    (pidfd_send_signal(k->pidfd, 0, NULL, 0) == 0 || errno != ESRCH))
			return true;
	return false;
}

bool pool_spawns_units(const struct pool *ks)
{
	uint64_t spawn = ks->settings->spawn;

	return spawn == SPAWN_SYSTEMD || (spawn == SPAWN_AUTO && ks->connection && sd_booted() > 0);
}

uint32_t pool_count(const struct pool *ks)
{
	return ks->ready;
}

static bool is_of(const struct proxy *k, uint32_t uid, const char *session)
{
	return k->uid == uid && !strcmp(k->session, session);
}

bool pool_have(const struct pool *ks, uint32_t uid, const char *session)
{
	const struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
		if (is_of(k, uid, session))
			return true;
	return false;
}

/*
 * It answers, as far as anybody knows. One that does not keeps nobody out: its tenant gets another.
 */
static bool is_usable(const struct proxy *k)
{
	return !k->estranged && k->record && !k->silent && !k->late && !k->retired &&
	       !k->superseded;
}

/*
 * A keeper has the settings that it was started with. One that holds nothing is no reason to keep
 * old ones: it is told to end, and the tenant gets another. One that is told that never gets a
 * region again, so it can be killed.
 */
static void retire_if_outdated(struct pool *ks, struct proxy *k)
{
	if (k->settings_at == ks->settings_at || k->retired || !proxy_is_idle(k) ||
	    !proxy_retire(k))
		return;
	log_info("keeper %s: pid %d holds nothing and may have earlier settings: told to end",
		 k->name, k->pid);
}

void pool_settings_changed(struct pool *ks)
{
	ks->settings_at++;
}

void pool_limits_changed(struct pool *ks, uint32_t uid, const char *session)
{
	struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
		if (is_of(k, uid, session))
			k->settings_at = 0;
}

void pool_log_level_changed(struct pool *ks)
{
	struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
		proxy_tell_log_level(k);
}

void pool_session_is_over(struct pool *ks, uint32_t uid, const char *session)
{
	struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers) {
		if (!is_of(k, uid, session))
			continue;
		k->over = true; /* proxy.c sees to it, if something is still asked of it */
		if (!k->retired && proxy_is_idle(k))
			proxy_retire(k);
	}
}

bool pool_uses_slice(const struct pool *ks, const char *name)
{
	char slice[SLICE_NAME_BYTES];
	const struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers) {
		slice_name(ks->settings->slice, k->uid, k->session, slice);
		if (!strcmp(slice, name))
			return true;
	}
	return false;
}

uint32_t pool_peers(const struct pool *ks, uint32_t uid, const char *session)
{
	const struct proxy *k;
	uint32_t n = 0;

	LIST_FOREACH(k, &ks->keepers, keepers)
		if (is_of(k, uid, session))
			n += k->note.peers;
	return n;
}

uint32_t pool_ids(const struct pool *ks)
{
	uint32_t first, last;

	if (geteuid() != 0)
		return UINT32_MAX; /* all run under ours */
	if (pool_spawns_units(ks))
		return SYSTEMD_IDS;
	settings_keeper_uids(ks->settings, &first, &last);
	return last - first + 1;
}

bool pool_one_retires(const struct pool *ks, uint32_t uid, const char *session)
{
	const struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
		if (k->retired && is_of(k, uid, session))
			return true;
	return false;
}

bool pool_make_room(struct pool *ks)
{
	struct proxy *k, *oldest = NULL;

	LIST_FOREACH(k, &ks->keepers, keepers) {
		if (k->retired || (proxy_is_idle(k) && proxy_has_ended(k)))
			return true;
		if (proxy_is_idle(k))
			oldest = k;
	}
	if (!oldest || !proxy_retire(oldest))
		return false;
	log_info("keeper %s: pid %d holds nothing, and others need its user id: told to end",
		 oldest->name, oldest->pid);
	return true;
}

/*
 * It was started for fewer regions than the tenant may have now. A second one cannot have its port:
 * where that is a setting, it stays the tenant's only one.
 */
static bool is_full(const struct pool *ks, const struct proxy *k)
{
	return !ks->settings->port && !record_has_slot(k->record);
}

/*
 * The one that a tenant's next region goes to; NULL: a new one. Too many that are of no use: the
 * newest of them.
 */
static struct proxy *choose(struct pool *ks, uint32_t uid, const char *session)
{
	struct proxy *k, *useless = NULL;
	unsigned int n = 0;

	LIST_FOREACH(k, &ks->keepers, keepers) {
		if (!is_of(k, uid, session))
			continue;
		retire_if_outdated(ks, k);
		if (is_usable(k) && !is_full(ks, k))
			return k;
		if (!k->retired && !n++)
			useless = k;
	}
	return n < USELESS_MAX ? NULL : useless;
}

/* @instance: of one that was found; 0: a new one */
static int add(struct pool *ks, uint32_t uid, const char *session, uint32_t instance,
	       struct proxy **ret)
{
	bool found = instance != 0;
	int r = proxy_new(ret, ks, uid, session, instance);

	if (r < 0)
		return r;
	LIST_INSERT_HEAD(&ks->keepers, *ret, keepers);
	(*ret)->found = found;
	ks->waiting += found;
	proxy_begin(*ret);
	return 0;
}

int pool_get(struct pool *ks, uint32_t uid, const char *session, struct proxy **ret)
{
	struct proxy *k = choose(ks, uid, session);

	if (!k)
		return add(ks, uid, session, 0, ret);
	if (k->phase == PHASE_RESTING)
		proxy_begin(k);
	*ret = k;
	return 0;
}

struct proxy *pool_find(struct pool *ks, const char *name)
{
	char other[KEEPER_NAME_MAX];
	struct proxy *k;

	LIST_FOREACH(k, &ks->keepers, keepers) {
		snprintf(other, sizeof(other), "%" PRIu32 "-%s-%" PRIu32, k->uid, k->session,
			 k->instance);
		if (!strcmp(name, other))
			return k;
	}
	return NULL;
}

const char *pool_check_replaceable(const struct proxy *k)
{
	const struct proxy *other;
	unsigned int useless = 1; /* it will be */
	const char *trouble = proxy_why_stuck(k);

	if (k->dying || k->retired || k->unwanted)
		return "it is ending";
	if (proxy_is_foreign(k))
		return "it speaks no version of the keeper protocol that this rdmaregd speaks, so it "
		       "cannot be asked for the files of its regions: release them, which ends it, "
		       "and register the files again";
	if (k->estranged)
		return k->trouble;
	if (trouble)
		return trouble;
	if (k->phase != PHASE_READY && k->phase != PHASE_RESTING)
		return "it has not listed what it holds yet: try again";
	LIST_FOREACH(other, &k->set->keepers, keepers)
		useless += other != k && is_of(other, k->uid, k->session) && !is_usable(other);
	if (useless >= USELESS_MAX)
		return "its session has too many keepers already that are of no use, so there would "
		       "be none for its regions: end those";
	return NULL;
}

void pool_supersede(struct proxy *k, bool on)
{
	k->superseded = on;
	if (on && !k->retired && proxy_is_idle(k))
		proxy_retire(k);
}

/* "UID-SESSION-N.sock". False: no name of ours. */
static bool parse_name(const char *name, uint32_t *ret_uid,
		       char ret_session[static TENANT_SESSION_MAX], uint32_t *ret_instance)
{
	size_t n = strlen(name), suffix = strlen(SOCKET_SUFFIX), session;
	const char *last = strrchr(name, '-'), *first = strchr(name, '-');
	unsigned long long uid, instance;
	char *end;

	if (!isdigit((unsigned char)*name) || n <= suffix ||
	    strcmp(name + n - suffix, SOCKET_SUFFIX))
		return false;
	uid = strtoull(name, &end, 10);
	if (uid >= UINT32_MAX || end != first || last == first || !isdigit((unsigned char)last[1]))
		return false;
	instance = strtoull(last + 1, &end, 10);
	if (!instance || instance >= UINT32_MAX || end != name + n - suffix)
		return false;
	session = (size_t)(last - first - 1);
	if (!session || session >= TENANT_SESSION_MAX)
		return false;
	memcpy(ret_session, first + 1, session);
	ret_session[session] = 0;
	*ret_uid = (uint32_t)uid;
	*ret_instance = (uint32_t)instance;
	return true;
}

/* A record without a socket is of a keeper that never was, or is gone. */
static void sweep_record(struct pool *ks, const char *name)
{
	char path[PATH_MAX];
	size_t n = strlen(name) - strlen(RECORD_SUFFIX);

	snprintf(path, sizeof(path), "%s/%.*s" SOCKET_SUFFIX, ks->directory, (int)n, name);
	if (access(path, F_OK) == 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", ks->directory, name);
	unlink(path);
}

static bool is_record(const char *name)
{
	size_t n = strlen(name), suffix = strlen(RECORD_SUFFIX);

	return n > suffix && !strcmp(name + n - suffix, RECORD_SUFFIX);
}

void pool_each_owner(const char *directory, void (*call)(void *userdata, const char *mark),
		     void *userdata)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;
	struct record *r;
	char path[400];

	while (entries && (entry = readdir(entries))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (!is_record(entry->d_name) || record_open(&r, path) < 0)
			continue;
		record_each_owner(r, call, userdata);
		record_free(r);
	}
	if (entries)
		closedir(entries);
}

int pool_adopt(struct pool *ks)
{
	const struct timeval t =
		timeval_from_usec(ks->settings->adopt_timeout_msec * USEC_PER_MSEC);
	DIR *directory = opendir(ks->directory);
	char session[TENANT_SESSION_MAX];
	struct dirent *entry;
	struct proxy *k;
	uint32_t uid, instance;
	int r = 0;

	if (!directory)
		return -errno;
	while (r == 0 && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		if (parse_name(entry->d_name, &uid, session, &instance))
			r = add(ks, uid, session, instance, &k);
		else if (is_record(entry->d_name))
			sweep_record(ks, entry->d_name);
		else
			log_warning("%s/%s is no keeper's socket: ignored", ks->directory,
				    entry->d_name);
	}
	closedir(directory);
	if (r < 0)
		return r;
	if (!ks->waiting)
		event_active(ks->all_through, 0, 0);
	return event_add(ks->out_of_time, &t) < 0 ? -ENOMEM : 0;
}

void proxy_end(struct proxy *k)
{
	log_notice(
		"keeper %s: all of its regions are to be released, and it cannot be asked to: its process (%d) is ended",
		k->name, k->pid);
	k->unwanted = true;
	proxy_wait_anew(k);
	errno = EBADF;
	if ((k->pidfd < 0 || pidfd_send_signal(k->pidfd, SIGKILL, NULL, 0) < 0) && errno != ESRCH)
		log_error("keeper %s: its process (%d) cannot be ended: %m; end it", k->name,
			  k->pid);
}
