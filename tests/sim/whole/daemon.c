// SPDX-License-Identifier: GPL-2.0-or-later
/* daemon.c - the daemon of a world: how it begins and ends, and what it knows. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arbiter/app-internal.h"
#include "proxy/proxy.h"
#include "util/log.h"
#include "util/spawner.h"
#include "whole.h"

struct spawner {
	int nothing;
};

struct process *the_daemon;

static struct spawner the_spawner;
static struct app_options options;

void daemon_start(uint64_t a, uint64_t b)
{
	static char config[96], runtime[96], state[96];
	struct process *p;

	(void)a, (void)b;
	if (the_daemon)
		return;
	snprintf(config, sizeof(config), "%s/conf", world.directory);
	snprintf(runtime, sizeof(runtime), "%s/run", world.directory);
	snprintf(state, sizeof(state), "%s/state", world.directory);
	options = (struct app_options){
		.config = config,
		.config_must_exist = true,
		.runtime_directory = runtime,
		.state_directory = state,
		.keeper = "/keeper",
		.dax_helper = "/dax",
		.gate = "/gate",
		.spawner = &the_spawner,
		.bus_address = "unix:path=/bus",
		.log_level = LOG_DEBUG,
	};
	counted[COUNT_DAEMONS]++;
	p = the_daemon = os_process_new("daemon", 0);
	os_current = p;
	os_trace("starts");
	os_require(app_new(&p->app, &options) == 0, "the daemon does not start");
	os_current = NULL;
}

/* What the kernel closes of a process that is killed, and this world would notice. */
static void close_locks(struct app *a)
{
	syscall(SYS_close, a->runtime.lock);
	syscall(SYS_close, a->runtime.directory);
	syscall(SYS_close, a->runtime.sessions);
}

void daemon_end(bool kill)
{
	struct process *p = the_daemon;

	if (!p)
		return;
	os_current = p;
	os_trace(kill ? "is killed" : "stops");
	p->untidy = true; /* descriptors that wait to be closed are the kernel's to close */
	if (kill) {
		close_locks(p->app);
	} else {
		app_record_end(p->app);
		app_free(p->app);
	}
	os_current = NULL;
	os_kill(p);
	bus_lost();
	the_daemon = NULL;
}

/* --- what it knows */

bool daemon_next(uint64_t after, struct facts *ret)
{
	struct app *a = the_daemon->app;
	const struct region *r = registry_after(a->registry, after);
	const struct region_entry *e = r ? region_table_find(a->table, r->id) : NULL;

	if (!r)
		return false;
	*ret = (struct facts){
		.id = r->id,
		.settled = r->state == REGION_LIVE && !r->revoking && !r->close_wanted,
		.valid_length = r->valid_length,
		.grace_usec = r->grace_usec,
		.writebacks = e->text.counters.writebacks,
		.filesystem = e->text.uuid[0],
		.policy = r->policy,
		.warm_mode = e->text.warm_mode,
		.peers = r->peers,
		.keeper = e->keeper->pid,
	};
	return true;
}

pid_t daemon_keeper_of(uint64_t region)
{
	return region_table_find(the_daemon->app->table, region)->keeper->pid;
}

void daemon_keeper_name(uint64_t region, char *out, size_t size)
{
	const struct proxy *k = region_table_find(the_daemon->app->table, region)->keeper;

	snprintf(out, size, "%" PRIu32 "-%s-%" PRIu32, proxy_uid(k), proxy_session(k),
		 proxy_instance(k));
}

void daemon_count(uint32_t *ret_proxies, uint32_t *ret_asked, uint32_t *ret_tenants)
{
	struct app *a = the_daemon->app;
	const struct proxy *k;

	*ret_proxies = *ret_asked = 0;
	*ret_tenants = registry_count_tenants(a->registry);
	LIST_FOREACH(k, &a->keepers->keepers, keepers) {
		(*ret_proxies)++;
		if (!lies_are_of(proxy_uid(k)))
			*ret_asked += proxy_asked(k);
	}
}
