// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor-process.c - see doctor-look.h: what /proc shows of a process. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "doctor-look.h"

#define SLEEPER_LOOKS 5
#define SLEEPER_MSEC 20
#define KEEPER PKGLIBEXECDIR "/rdmareg-keeper"

/* The state letter of a process or thread; 0: there is none. It stands behind a name in brackets. */
static char state_of(const char *folder, const char *task)
{
	FILE *f = look_open_file("/proc/%s%s/stat", folder, task);
	char line[512], *end;
	size_t n;

	if (!f)
		return 0;
	n = fread(line, 1, sizeof(line) - 1, f);
	line[n] = 0;
	fclose(f);
	end = strrchr(line, ')');
	return end && end[1] == ' ' ? end[2] : 0;
}

static uint64_t switches_of(const char *pid, const char *thread)
{
	uint64_t switches = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/task/%.16s/status", pid, thread);
	look_for_number(path, "voluntary_ctxt_switches:", 0, &switches);
	return switches;
}

static void look_for_sleepers(struct doctor_process *p, const char *pid)
{
	DIR *d = look_open_folder("/proc/%s/task", pid);
	struct dirent *entry;
	char folder[64];

	snprintf(folder, sizeof(folder), "%s/task/", pid);
	while (d && p->n_sleepers < DOCTOR_SLEEPERS_MAX && (entry = readdir(d))) {
		struct doctor_sleeper *s = &p->sleepers[p->n_sleepers];

		if (!isdigit((unsigned char)*entry->d_name) ||
		    state_of(folder, entry->d_name) != 'D')
			continue;
		s->thread = (uint32_t)strtoul(entry->d_name, NULL, 10);
		s->switches = switches_of(pid, entry->d_name);
		p->n_sleepers++;
	}
	if (d)
		closedir(d);
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Is what a descriptor or a mapping leads to somebody's file, rather than a part of the system? */
static bool is_users(const char *target)
{
	static const char *const own[] = {
		"/proc/",	"/sys/",      "/dev/null",    "/dev/infiniband/",
		"/dev/rdmareg", "/dev/zero",  "/dev/urandom", RUNDIR "/",
		STATEDIR "/",	CACHEDIR "/", SYSCONFDIR "/", "/var/log/journal/"
	};

	if (*target != '/' || !target[1])
		return false;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (begins(target, own[i]))
			return false;
	return strcmp(target, RUNDIR) != 0 && strcmp(target, STATEDIR) != 0;
}

/* 0, 1 and 2 are what whoever started it has given it. */
static bool count_descriptors(struct doctor_process *p, const char *pid)
{
	DIR *d = look_open_folder("/proc/%s/fd", pid);
	struct dirent *entry;
	char target[512];
	ssize_t n;

	if (!d)
		return false;
	while ((entry = readdir(d))) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		p->descriptors++;
		n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		p->files += atoi(entry->d_name) > 2 && is_users(target);
	}
	closedir(d);
	return true;
}

static void read_limits(struct doctor_process *p, const char *pid)
{
	FILE *f = look_open_file("/proc/%s/limits", pid);
	char line[256];

	p->descriptors_max = p->locked_max = UINT64_MAX;
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "Max open files %" SCNu64, &p->descriptors_max);
		sscanf(line, "Max locked memory %" SCNu64, &p->locked_max);
	}
	if (f)
		fclose(f);
}

static void count_mappings(struct doctor_process *p, const char *pid)
{
	FILE *f = look_open_file("/proc/%s/maps", pid);
	uint64_t first, end;
	char *line = NULL, shared;
	size_t room = 0;
	int path;

	/* whole lines: what a user called a file is never the beginning of one */
	while (f && getline(&line, &room, f) > 0) {
		path = 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*3c%c %*s %*s %*s %n", &first, &end,
			   &shared, &path) >= 3 &&
		    shared == 's' && path && is_users(line + path))
			p->mapped_bytes += end - first;
	}
	free(line);
	if (f)
		fclose(f);
}

/*
 * Whoever reads its mappings waits for its lock of them, which a thread that waits for storage may
 * have; so only while no thread does, as those do that work.
 */
static bool has_no_sleepers(const char *pid)
{
	struct doctor_process now = { 0 };

	for (int i = 0; i < SLEEPER_LOOKS; i++) {
		now.n_sleepers = 0;
		look_for_sleepers(&now, pid);
		if (!now.n_sleepers)
			return true;
		poll(NULL, 0, SLEEPER_MSEC);
	}
	return false;
}

static void look_at_process(struct doctor_facts *t, struct doctor_process *p)
{
	char pid[16];

	if (!p->pid)
		return;
	snprintf(pid, sizeof(pid), "%" PRIu32, p->pid);
	p->state = state_of("", pid);
	look_for_sleepers(p, pid);
	p->inside = p->state && count_descriptors(p, pid);
	if (!p->inside)
		return;
	read_limits(p, pid);
	if (has_no_sleepers(pid)) {
		count_mappings(p, pid);
		return;
	}
	t->incomplete = true;
	doctor_unseen(t, "mappings of process %s: a thread of it waits for storage or a device",
		      pid);
}

/* Its control group ends with the name of its unit. */
static bool is_in_unit(uint32_t pid, const char *unit)
{
	FILE *f = look_open_file("/proc/%" PRIu32 "/cgroup", pid);
	char line[1024], *last;
	bool found = !f;

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		last = strrchr(line, '/');
		found = last && !strcmp(last + 1, unit);
	}
	if (f)
		fclose(f);
	return found;
}

/* The user that it is now. False: it is not there any more. */
static bool read_user(const char *pid, uint32_t *ret)
{
	uint64_t uid;
	char path[64];
	bool found;

	snprintf(path, sizeof(path), "/proc/%.16s/status", pid);
	found = look_for_number(path, "Uid:", 1, &uid);
	if (found)
		*ret = (uint32_t)uid;
	return found;
}

/* By what it runs, which it cannot choose as it can its name. One that was replaced counts, too. */
static bool has_program(DIR *processes, const char *pid)
{
	char path[300], target[512];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/exe", pid);
	n = readlinkat(dirfd(processes), path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	return !strcmp(target, KEEPER) || !strcmp(target, KEEPER " (deleted)");
}

static void look_for_strays(struct doctor_facts *t)
{
	DIR *d = look_open_folder("/proc");
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10), uid;
		struct doctor_stray *stray;

		if (!isdigit((unsigned char)*entry->d_name) || !has_program(d, entry->d_name) ||
		    look_keeper_of(t, pid) || state_of("", entry->d_name) == 'Z' ||
		    !read_user(entry->d_name, &uid))
			continue;
		stray = doctor_grow(&t->strays, &t->n_strays, sizeof(*stray));
		*stray = (struct doctor_stray){ pid, uid };
	}
	if (d)
		closedir(d);
}

/* The number outlives the process, and is another's then: where rdmaregd is silent, by the name. */
static void find_daemon(struct doctor_facts *t)
{
	FILE *f = look_open_file(RUNDIR "/lock");
	char line[32] = "";

	if (f && fgets(line, sizeof(line), f))
		t->daemon.pid = (uint32_t)strtoul(line, NULL, 10);
	if (!t->daemon.pid && !t->silent) {
		t->incomplete = t->incomplete || t->root;
		doctor_unseen(t, "the process of rdmaregd: " RUNDIR "/lock: %s",
			      f ? "it has no number" : strerror(errno));
	}
	if (f)
		fclose(f);
	if (!t->silent)
		return;
	f = look_open_file("/proc/%" PRIu32 "/comm", t->daemon.pid);
	if (!f || !fgets(line, sizeof(line), f) || strcmp(line, "rdmaregd\n") != 0)
		t->daemon.pid = 0;
	if (f)
		fclose(f);
}

void look_at_processes(struct doctor_facts *t)
{
	t->have_processes = state_of("", "1") != 0;
	if (!t->have_processes) {
		t->incomplete = t->root;
		doctor_unseen(t, "processes: /proc does not show them");
		return;
	}
	find_daemon(t);
	look_at_process(t, &t->daemon);
	for (size_t i = 0; i < t->n_keepers; i++) {
		struct doctor_keeper *k = &t->keepers[i];

		look_at_process(t, &k->process);
		k->outside = k->process.state && *k->unit && !is_in_unit(k->process.pid, k->unit);
	}
	look_for_strays(t);
	if (!t->root)
		doctor_unseen(t, "descriptors and mappings of rdmaregd and keepers: only root can");
}
