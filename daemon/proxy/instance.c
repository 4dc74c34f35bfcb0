// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * instance.c - which process is a tenant's keeper. A tenant's processes are numbered, so that one
 * that is stuck, and keeps its socket and its unit, is in no successor's way; each has a record
 * (record.h), by which this daemon and the next one know it again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/proxy.h"
#include "util/log.h"

#define INSTANCE_MAX 999 /* RUNTIME_PATH_MAX leaves room for as many digits */

static int set_paths(struct proxy *k, uint32_t instance)
{
	char *path, *record_path;

	if (asprintf(&path, "%s/%" PRIu32 "-%s-%" PRIu32 ".sock", k->set->directory, k->uid,
		     k->session, instance) < 0)
		return -ENOMEM;
	if (asprintf(&record_path, "%s/%" PRIu32 "-%s-%" PRIu32 ".record", k->set->directory,
		     k->uid, k->session, instance) < 0) {
		free(path);
		return -ENOMEM;
	}
	free(k->path);
	free(k->record_path);
	k->path = path;
	k->record_path = record_path;
	k->instance = instance;
	return 0;
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* One that nothing is left of. */
static int choose(struct proxy *k, uint32_t above)
{
	for (uint32_t n = above + 1; n <= INSTANCE_MAX; n++) {
		int r = set_paths(k, n);

		if (r < 0 || (!exists(k->path) && !exists(k->record_path)))
			return r;
	}
	return -EBUSY;
}

int proxy_instance_new(struct proxy *k)
{
	struct record_keeper about = { .uid = k->uid,
				       .regions = k->limits.regions,
				       .peers = k->limits.peers };
	int r = choose(k, 0);

	if (r < 0)
		return r;
	memcpy(about.session, k->session, sizeof(about.session));
	about.instance = k->instance;
	return record_new(&k->record, k->record_path, &about);
}

int proxy_instance_find(struct proxy *k, uint32_t instance)
{
	const struct record_keeper *about;
	int r = set_paths(k, instance);

	if (r < 0)
		return r;
	r = record_open(&k->record, k->record_path);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		log_warning("keeper %s: %s: %s", k->name, k->record_path,
			    r == -EINVAL ? "damaged, or of another version" : strerror(-r));
	about = k->record ? record_keeper(k->record) : NULL;
	if (about && (about->uid != k->uid || strcmp(about->session, k->session) ||
		      about->instance != instance)) {
		log_warning("keeper %s: %s is of another keeper", k->name, k->record_path);
		k->record = record_free(k->record);
	}
	return 0;
}

int proxy_instance_next(struct proxy *k)
{
	char *before = strdup(k->record_path);
	int r;

	if (!before)
		return -ENOMEM;
	r = choose(k, k->instance);
	if (r == 0 && rename(before, k->record_path) < 0)
		r = -errno;
	if (r == 0)
		record_set_instance(k->record, k->instance);
	free(before);
	return r;
}

void proxy_instance_forget(struct proxy *k)
{
	unlink(k->path);
	unlink(k->record_path);
}

/* Its whole path; a machine that has none of the unified hierarchy cannot tell. */
static bool is_in_cgroup(pid_t pid, const char *cgroup)
{
	char path[64], line[1024];
	bool same = true;
	FILE *f;

	if (!*cgroup)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "0::", 3))
			same = !strcmp(line + 3, cgroup);
	}
	fclose(f);
	return same;
}

/*
 * systemd has a link for each unit that runs, to the number of that run. Where there is none nobody
 * can tell.
 */
static bool is_of_run(const char *unit, const char *invocation)
{
	char path[300], target[64];
	ssize_t n;

	if (!*unit || !*invocation)
		return true;
	snprintf(path, sizeof(path), "/run/systemd/units/invocation:%s", unit);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return true;
	target[n] = 0;
	return !strcmp(target, invocation);
}

const char *proxy_instance_check(const struct proxy *k, pid_t pid, uid_t uid)
{
	const struct record_keeper *about = k->record ? record_keeper(k->record) : NULL;

	if (!about || !about->pid)
		return "a process that there is no record of listens there";
	if (about->runs_as != uid)
		return "the process that listens there is another user's";
	if (about->pid != (uint32_t)pid || !is_in_cgroup(pid, about->cgroup))
		return "another process listens there than was started";
	if (!is_of_run(about->unit, about->invocation))
		return "its unit was started again since, and cannot have what was registered before";
	return NULL;
}

bool proxy_instance_awaited(const struct proxy *k)
{
	return (k->unit || k->process) && !record_keeper(k->record)->pid;
}

struct record *proxy_record(const struct proxy *k)
{
	return k->record;
}
