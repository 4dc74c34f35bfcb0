// SPDX-License-Identifier: GPL-2.0-or-later
/* keepers.c - see keepers.h: the set of them, and finding those of an earlier daemon. */
#include "arbiter/keepers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "arbiter/keepers-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define USELESS_MAX 4 /* keepers of one tenant, before it gets no new one */
#define SOCKET_SUFFIX ".sock"
#define RECORD_SUFFIX ".record"

static void keepers_freep(struct keepers **ks)
{
	keepers_free(*ks);
}

static void tell_adopted(struct keepers *ks, bool all)
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

int keepers_new(struct keepers **ret, struct event_base *base, struct offload *offload,
		struct spawner *spawner, sd_bus *connection, const char *directory, const char *program,
		const struct settings *settings, const struct keepers_handlers *handlers, void *userdata)
{
	_cleanup_(keepers_freep) struct keepers *ks = calloc(1, sizeof(*ks));

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

void keepers_stop(struct keepers *ks)
{
	struct keeper *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
	k->dying = true;
	LIST_FOREACH(k, &ks->keepers, keepers)
	keeper_answer_all(k, -ESHUTDOWN, "rdmaregd is being stopped; try again");
}

struct keepers *keepers_free(struct keepers *ks)
{
	struct keeper *k;

	if (!ks)
		return NULL;
	while ((k = LIST_FIRST(&ks->keepers))) {
		LIST_REMOVE(k, keepers);
		keeper_free(k);
	}
	if (ks->all_through)
		event_free(ks->all_through);
	if (ks->out_of_time)
		event_free(ks->out_of_time);
	free(ks->directory);
	free(ks);
	return NULL;
}

void keepers_each_process(struct keepers *ks, void (*call)(void *userdata, pid_t pid, uint64_t start),
			  void *userdata)
{
	struct keeper *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
	if (k->started)
		call(userdata, k->pid, k->started);
}

bool keepers_have_pid(struct keepers *ks, pid_t pid)
{
	struct keeper *k;

	/* while it lives, the number is its own and nobody else's */
	LIST_FOREACH(k, &ks->keepers, keepers)
	if (k->pid == pid && k->pidfd >= 0 &&
	    (pidfd_send_signal(k->pidfd, 0, NULL, 0) == 0 || errno != ESRCH))
		return true;
	return false;
}

uint32_t keepers_count(const struct keepers *ks)
{
	return ks->ready;
}

static bool is_of(const struct keeper *k, uint32_t uid, const char *session)
{
	return k->uid == uid && !strcmp(k->session, session);
}

bool keepers_have(const struct keepers *ks, uint32_t uid, const char *session)
{
	const struct keeper *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
	if (is_of(k, uid, session))
		return true;
	return false;
}

/* It answers, as far as anybody knows. One that does not keeps nobody out: its tenant gets another. */
static bool is_usable(const struct keeper *k)
{
	return !k->estranged && k->record && !k->silent && !k->late && !k->retired;
}

/*
 * A keeper has the settings that it was started with. One that holds nothing is no reason to keep old ones: it is
 * told to end, and the tenant gets another. One that is told that never gets a region again, so it can be killed.
 */
static void retire_if_outdated(struct keepers *ks, struct keeper *k)
{
	if (k->settings_at == ks->settings_at || k->retired || !keeper_is_idle(k) || !keeper_retire(k))
		return;
	log_info("keeper %s: pid %d holds nothing and may have earlier settings: told to end", k->name, k->pid);
}

void keepers_settings_changed(struct keepers *ks)
{
	ks->settings_at++;
}

bool keepers_one_retires(const struct keepers *ks, uint32_t uid, const char *session)
{
	const struct keeper *k;

	LIST_FOREACH(k, &ks->keepers, keepers)
	if (k->retired && is_of(k, uid, session))
		return true;
	return false;
}

bool keepers_make_room(struct keepers *ks)
{
	struct keeper *k, *oldest = NULL;

	LIST_FOREACH(k, &ks->keepers, keepers)
	{
		if (k->retired || (keeper_is_idle(k) && keeper_has_ended(k)))
			return true;
		if (keeper_is_idle(k))
			oldest = k;
	}
	if (!oldest || !keeper_retire(oldest))
		return false;
	log_info("keeper %s: pid %d holds nothing, and others need its user id: told to end", oldest->name,
		 oldest->pid);
	return true;
}

/*
 * It was started for fewer regions than the tenant may have now. A second one cannot have its port: where that is a setting, it stays
 * the tenant's only one.
 */
static bool is_full(const struct keepers *ks, const struct keeper *k)
{
	return !ks->settings->port && !record_has_slot(k->record);
}

/* The one that a tenant's next region goes to; NULL: a new one. Too many that are of no use: the newest of them. */
static struct keeper *choose(struct keepers *ks, uint32_t uid, const char *session)
{
	struct keeper *k, *useless = NULL;
	unsigned int n = 0;

	LIST_FOREACH(k, &ks->keepers, keepers)
	{
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
static int add(struct keepers *ks, uint32_t uid, const char *session, uint32_t instance, struct keeper **ret)
{
	bool found = instance != 0;
	int r = keeper_new(ret, ks, uid, session, instance);

	if (r < 0)
		return r;
	LIST_INSERT_HEAD(&ks->keepers, *ret, keepers);
	(*ret)->found = found;
	ks->waiting += found;
	keeper_begin(*ret);
	return 0;
}

int keepers_get(struct keepers *ks, uint32_t uid, const char *session, struct keeper **ret)
{
	struct keeper *k = choose(ks, uid, session);

	if (!k)
		return add(ks, uid, session, 0, ret);
	if (k->phase == PHASE_RESTING)
		keeper_begin(k);
	*ret = k;
	return 0;
}

/* "UID-SESSION-N.sock". False: no name of ours. */
static bool parse_name(const char *name, uint32_t *ret_uid, char ret_session[static TENANT_SESSION_MAX],
		       uint32_t *ret_instance)
{
	size_t n = strlen(name), suffix = strlen(SOCKET_SUFFIX), session;
	const char *last = strrchr(name, '-'), *first = strchr(name, '-');
	unsigned long long uid, instance;
	char *end;

	if (!isdigit((unsigned char)*name) || n <= suffix || strcmp(name + n - suffix, SOCKET_SUFFIX))
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
static void sweep_record(struct keepers *ks, const char *name)
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

void keepers_each_owner(const char *directory, void (*call)(void *userdata, const char *mark),
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

int keepers_adopt(struct keepers *ks)
{
	const struct timeval t = timeval_from_usec(ks->settings->adopt_timeout_msec * USEC_PER_MSEC);
	DIR *directory = opendir(ks->directory);
	char session[TENANT_SESSION_MAX];
	struct dirent *entry;
	struct keeper *k;
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
			log_warning("%s/%s is no keeper's socket: ignored", ks->directory, entry->d_name);
	}
	closedir(directory);
	if (r < 0)
		return r;
	if (!ks->waiting)
		event_active(ks->all_through, 0, 0);
	return event_add(ks->out_of_time, &t) < 0 ? -ENOMEM : 0;
}

struct keeper_note *keeper_note(struct keeper *k)
{
	return &k->note;
}

const char *keeper_name(const struct keeper *k)
{
	return k->name;
}

const char *keeper_trouble(const struct keeper *k)
{
	return k->estranged ? k->trouble : "";
}

bool keeper_is_foreign(const struct keeper *k)
{
	return *k->mismatch && k->record;
}

void keeper_end(struct keeper *k)
{
	log_notice(
		"keeper %s: all of its regions are to be released, and it cannot be asked to: its process (%d) is ended",
		k->name, k->pid);
	k->unwanted = true;
	keeper_wait_anew(k);
	errno = EBADF;
	if ((k->pidfd < 0 || pidfd_send_signal(k->pidfd, SIGKILL, NULL, 0) < 0) && errno != ESRCH)
		log_error("keeper %s: its process (%d) cannot be ended: %m; end it", k->name, k->pid);
}

uint32_t keepers_count_estranged(const struct keepers *ks)
{
	const struct keeper *k;
	uint32_t n = 0;

	LIST_FOREACH(k, &ks->keepers, keepers)
	n += k->estranged;
	return n;
}

uint32_t keeper_uid(const struct keeper *k)
{
	return k->uid;
}

const char *keeper_session(const struct keeper *k)
{
	return k->session;
}
