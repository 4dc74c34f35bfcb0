// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-doors.c - what the headers of the core say always holds is asserted where a caller
 * comes in: each mistake of a caller, in a process of its own, ends that process.
 */
#undef NDEBUG
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/demand.h"
#include "core/guard.h"
#include "core/registry.h"

static const struct registry_limits limits = { .regions_per_tenant = 8,
					       .bytes_per_tenant = 1000,
					       .regions_per_client = 8,
					       .tenants_per_uid = 8,
					       .tenants = 8,
					       .sessions = 8,
					       .ids = 8 };

static struct guard open_guard(void)
{
	struct guard g;

	guard_init(&g, POLICY_YIELD, 1000, 4096, 4096, true);
	return g;
}

static void step(struct guard *g, struct guard_event e)
{
	struct guard_effects out;

	guard_step(g, &e, &out);
}

static void open_and_fenced(void)
{
	struct guard g = open_guard();

	g.fenced = true;
	step(&g, (struct guard_event){ .type = GUARD_TIMER_FIRED });
}

static void granted_and_reachable(void)
{
	struct guard g = open_guard();

	g.state = GUARD_ASKED;
	g.demand[0] = (struct guard_demand){ .id = 1, .end = 4096, .granted = true };
	step(&g, (struct guard_event){ .type = GUARD_TIMER_FIRED });
}

static void released_and_reachable(void)
{
	struct guard g = open_guard();

	g.state = GUARD_RELEASING;
	g.holding = g.owing = true;
	g.break_end = 4096;
	step(&g, (struct guard_event){ .type = GUARD_RELEASE_DONE });
}

static void break_beyond_the_region(void)
{
	struct guard g = open_guard();

	step(&g, (struct guard_event){ .type = GUARD_BROKEN, .break_id = 1, .end = 4097 });
}

static void one_demand_too_many(void)
{
	struct guard g = open_guard();

	for (uint64_t i = 1; i <= GUARD_DEMANDS_MAX + 1; i++)
		step(&g, (struct guard_event){ .type = GUARD_DEMANDED,
					       .demand = i,
					       .end = 4096,
					       .grace_usec = 1000 });
}

static void longer_than_the_region(void)
{
	struct guard g;

	guard_init(&g, POLICY_YIELD, 1000, 4096, 4097, true);
}

static void watched_twice(void)
{
	struct guard g = open_guard();

	guard_watched(&g);
}

static void refused_and_asked(void)
{
	struct demand d = { .state = DEMAND_REFUSED, .parts = 1 };
	struct demand_effects out;

	demand_step(&d, DEMAND_PART_DONE, &out);
}

static struct registry *new_registry(uint32_t *ret_tenant)
{
	struct registry *r;

	assert(registry_new(&r, &limits) == 0);
	assert(registry_get_tenant(r, 1, "s", ret_tenant) == 0);
	return r;
}

static void region_of_nobody(void)
{
	struct region *region;
	uint32_t t;
	struct registry *r = new_registry(&t);

	registry_add_region(r, t + 1, 0, 100, 0, &region);
}

static void removed_twice(void)
{
	struct region *region, copy;
	uint32_t t;
	struct registry *r = new_registry(&t);

	assert(registry_add_region(r, t, 0, 100, 0, &region) == 0);
	copy = *region;
	registry_remove_region(r, region);
	registry_remove_region(r, &copy);
}

static void no_session(void)
{
	uint32_t t;
	struct registry *r = new_registry(&t);

	registry_end_session(r, t);
}

static void session_back(void)
{
	static const struct session_limits none = { 0 };
	uint32_t t;
	struct registry *r = new_registry(&t);

	assert(registry_create_session(r, 1, "drains", &none, 1, &t) == 0);
	registry_set_session_state(r, t, SESSION_DRAINING);
	registry_set_session_state(r, t, SESSION_ACTIVE);
}

static void no_holder(void)
{
	uint32_t t;
	struct registry *r = new_registry(&t);

	registry_give_holder(r, 1);
}

/* Somebody answers who was never asked. */
static void pending_and_live(void)
{
	struct region_effects out;
	struct region *region;
	uint32_t t;
	struct registry *r = new_registry(&t);

	assert(registry_add_region(r, t, 0, 100, 0, &region) == 0);
	region->state = REGION_LIVE;
	region->pending = 1;
	region_step(r, region, &(struct region_event){ .type = REGION_LENGTH }, &out);
}

int main(void)
{
	static const struct {
		void (*make)(void);
		const char *what;
	} mistakes[] = {
		{ open_and_fenced, "a guard that is open with a fence" },
		{ granted_and_reachable, "a demand that is granted and not fenced" },
		{ released_and_reachable, "blocks that are given back and not fenced" },
		{ break_beyond_the_region, "a break beyond the region" },
		{ one_demand_too_many, "a demand that there is no room for" },
		{ longer_than_the_region, "more valid bytes than the region has" },
		{ watched_twice, "a watch on what is watched" },
		{ refused_and_asked, "a refused demand with parts" },
		{ region_of_nobody, "a region of a tenant that there is not" },
		{ removed_twice, "a region removed twice" },
		{ no_session, "the end of a session that was not created" },
		{ session_back, "a session that drains, made active again" },
		{ no_holder, "a holder given back that there is not" },
		{ pending_and_live, "a live region that waits for an answer" },
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		pid_t child = fork();
		int status;

		assert(child >= 0);
		if (!child) {
			setrlimit(RLIMIT_CORE, &(const struct rlimit){ 0 });
			prctl(PR_SET_DUMPABLE, 0);
			assert(freopen("/dev/null", "w", stderr));
			mistakes[i].make();
			_exit(0);
		}
		assert(waitpid(child, &status, 0) == child);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
			continue;
		fprintf(stderr, "nobody noticed %s\n", mistakes[i].what);
		failed++;
	}
	assert(!failed);
	return 0;
}
