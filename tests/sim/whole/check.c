// SPDX-License-Identifier: GPL-2.0-or-later
/* check.c - what must hold, besides what calls.c, happen.c and the operating system look for. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "whole.h"

#define BREAKS_MAX 2048
#define LIAR "1002/" /* LIAR_UID, as lines of the log have it */

/* Somebody waits for blocks of a region. */
static struct {
	uint64_t region; /* 0: free */
	const struct process *keeper;
	uint64_t stopped_usec;
} breaks[BREAKS_MAX];

void check_break(uint64_t region)
{
	for (size_t i = 0; i < BREAKS_MAX; i++) {
		if (breaks[i].region)
			continue;
		breaks[i].region = region;
		breaks[i].keeper = os_current;
		breaks[i].stopped_usec = os_stopped(os_current);
		return;
	}
	os_violated("more breaks than this world has room for");
}

void check_given_back(uint64_t region, bool at_deadline)
{
	for (size_t i = 0; i < BREAKS_MAX; i++) {
		if (breaks[i].region != region || breaks[i].keeper != os_current)
			continue;
		breaks[i].region = 0;
		os_trace("blocks of region %" PRIu64 " are given back%s", region,
			 at_deadline ? " by the kernel" : "");
		os_require(!at_deadline || os_stopped(os_current) > breaks[i].stopped_usec,
			   "region %" PRIu64
			   ": who takes blocks waited until the kernel's deadline, and its "
			   "keeper was never stopped",
			   region);
	}
}

/* Who does not lie gives nobody reason to complain. */
void whole_logged(const char *text)
{
	bool closed = !strncmp(text, "daemon connection closed: ", 26) &&
		      !strstr(text, "a newer connection replaces it");
	bool strange =
		strstr(text, "it is left alone with what it holds") &&
		!strstr(text, "keeper protocol") && !strstr(text, "its socket is full") &&
		!strstr(text, "there is no record of"); /* as yet, as its daemon was killed */

	os_require((!closed && !strange) || (world.lies && strstr(text, LIAR)) ||
			   (os_current && os_current->liar),
		   "a complaint: %s", text);
}

/* Again and again is not what helps a keeper that cannot be talked to. */
void whole_connected(struct process *keeper)
{
	uint64_t *at = &keeper->connects[keeper->n_connects++ % CONNECTS];

	os_require(!*at || keeper->cuts || os_now - *at > USEC_PER_SEC,
		   "%s was connected to %d times in a second", keeper->name, CONNECTS);
	*at = os_now;
}

void check_always(void)
{
	if (the_daemon)
		bus_check_calls();
}

/* A daemon ends no keeper that has something. */
void whole_signalled(struct process *p, int number)
{
	uint64_t region = p->keeper && !p->foreign && !p->liar ? keeper_has(p) : 0;

	os_require(!region, "%s is sent signal %d, and has region %" PRIu64, p->name, number,
		   region);
}

static void compare(const struct facts *d)
{
	const struct process *p = process_of(d->keeper);
	struct facts k;

	if (lies_are_about(d->id) || (p && p->foreign))
		return;
	os_require(p && p->alive && keeper_facts(p, d->id, &k),
		   "the daemon has region %" PRIu64 ", and its keeper has not", d->id);
	os_require(d->settled && k.settled, "region %" PRIu64 " is not live again, for %s", d->id,
		   d->settled ? "its keeper" : "the daemon");
	os_require(d->valid_length == k.valid_length,
		   "region %" PRIu64 ": the daemon knows the length %" PRIu64
		   ", and it is %" PRIu64,
		   d->id, d->valid_length, k.valid_length);
	os_require(d->peers == k.peers,
		   "region %" PRIu64 ": the daemon knows of %" PRIu32 " peers, and there are "
		   "%" PRIu32,
		   d->id, d->peers, k.peers);
	os_require(d->policy == k.policy && d->grace_usec == k.grace_usec &&
			   d->warm_mode == k.warm_mode,
		   "region %" PRIu64 ": its keeper has other terms", d->id);
	os_require(d->writebacks == k.writebacks, "region %" PRIu64 ": writebacks were not told",
		   d->id);
}

void check_agreed(void)
{
	uint32_t proxies, asked, tenants, n = 0, of_keepers = 0;
	struct facts f = { 0 };
	bool foreign = false;

	while (daemon_next(f.id, &f)) {
		n += !lies_are_about(f.id);
		compare(&f);
	}
	for (const struct process *p = os_processes; p; p = p->next) {
		of_keepers += p->alive && p->keeper && !p->liar ? keeper_count(p) : 0;
		foreign |= p->alive && p->foreign;
	}
	os_require(foreign || n == of_keepers,
		   "keepers have %" PRIu32 " regions, and the daemon knows %" PRIu32, of_keepers,
		   n);
	daemon_count(&proxies, &asked, &tenants);
	os_require(foreign || !asked, "keepers have not answered %" PRIu32 " requests", asked);
	check_sessions();
	os_require(!bus_open_calls(), "%" PRIu32 " calls are not answered", bus_open_calls());
}

static uint32_t count_entries(const char *name)
{
	char path[128];
	struct dirent *e;
	uint32_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", world.directory, name);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

void check_empty(void)
{
	uint32_t proxies, asked, tenants;
	struct facts f = { 0 };
	bool untidy = false;

	os_require(!daemon_next(0, &f), "region %" PRIu64 " is left", f.id);
	for (const struct process *p = os_processes; p; p = p->next) {
		untidy |= p->untidy;
		os_require(!p->alive || !p->keeper, "%s is left, with %" PRIu32 " regions", p->name,
			   keeper_count(p));
	}
	daemon_count(&proxies, &asked, &tenants);
	os_require(!proxies, "%" PRIu32 " proxies are left", proxies);
	os_require(!tenants, "%" PRIu32 " tenants are left", tenants);
	os_require(!count_entries("run/keepers"), "sockets or records are left");
	os_require(!count_entries("run/sessions"), "records of sessions are left");
	/* of a process that was killed the kernel takes them */
	os_require(untidy || !keeper_memory_regions(), "%d memory regions are left",
		   keeper_memory_regions());
	os_require(!os_files(), "%" PRIu32 " descriptors of clients' files are left", os_files());
}
