// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - sim-whole [--seeds N] [--start SEED] [--twice] [--trace]: N worlds with the daemon and
 * its keepers whole, one for each seed from SEED on, each in a process of its own.
 *
 * Exits 1 at the first world in which something is violated, or that crashes, after saying what,
 * what happened before, and how to see it again. With --twice each is run a second time, and must
 * be the same.
 */
#include <errno.h>
#include <event2/event.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "whole.h"

/* Turns in a world; one in which a loop spins has more. */
#define STEPS_MAX 3000000

struct action {
	uint64_t at;
	uint64_t order;
	act what;
	uint64_t a, b;
	struct action *next;
};

/* What a world tells whoever runs it. */
struct report {
	uint64_t hash;
	uint64_t steps;
	uint64_t counted[_COUNT_MAX];
};

uint64_t counted[_COUNT_MAX];

static struct action *actions; /* in their order */
static uint64_t steps;

/* --- one world */

void world_at(uint64_t after_usec, act what, uint64_t a, uint64_t b)
{
	struct action *n = calloc(1, sizeof(*n)), **at = &actions;

	if (!n)
		abort();
	*n = (struct action){ .at = os_now + after_usec, .what = what, .a = a, .b = b };
	while (*at && (*at)->at <= n->at)
		at = &(*at)->next;
	n->next = *at;
	*at = n;
}

static void act_first(void)
{
	struct action *n = actions;

	actions = n->next;
	n->what(n->a, n->b);
	free(n);
}

static void run_until(uint64_t end)
{
	while (os_now < end) {
		uint64_t when = end;
		bool due = actions && actions->at <= os_now;

		os_require(++steps < STEPS_MAX, "somebody's loop spins");
		if (due && os_chance(30)) {
			act_first();
		} else if (os_step(&when)) {
			check_always();
		} else if (due) {
			act_first();
		} else {
			if (actions && actions->at < when)
				when = actions->at;
			os_now = when > os_now ? when : os_now + 1;
		}
	}
}

static void write_settings(void)
{
	char path[96];
	FILE *f;

	mkdir(world.directory, 0700);
	snprintf(path, sizeof(path), "%s/conf", world.directory);
	f = fopen(path, "we");
	if (!f)
		abort();
	fprintf(f,
		"[daemon]\nmetrics = off\nadopt_timeout_msec = 3000\norphan_grace_sec = 3\n"
		"[keepers]\nspawn = direct\nidle_exit_sec = %d\ntimeout_msec = %d\n"
		"timeout_msec_per_gib = 1000\nquirks_directory = %s\n"
		"[regions]\ngrace_msec = %d\nmax_grace_msec = %d\nreader_grace_msec = %d\n"
		"revoke_limit_sec = %d\n[pre-content]\npre_content = off\n"
		"[warm]\nmemory_stall_msec = 0\n",
		IDLE_EXIT_SEC, TIMEOUT_MSEC, world.directory, GRACE_MSEC, MAX_GRACE_MSEC,
		MAX_GRACE_MSEC, REVOKE_LIMIT_SEC);
	fclose(f);
}

static void say_nothing(int severity, const char *text)
{
	(void)severity, (void)text;
}

static void run_world(struct report *ret)
{
	write_settings();
	event_set_log_callback(say_nothing);
	os_now = 3600 * USEC_PER_SEC;
	os_on = true;
	keeper_watch();
	happen_begin();
	daemon_start(0, 0);
	run_until(os_now + BUSY_USEC);
	happen_stop();
	run_until(os_now + CALM_USEC);
	check_agreed();
	happen_release_all();
	run_until(os_now + END_USEC);
	check_empty();
	daemon_end(false);
	os_on = false;
	ret->hash = os_hash();
	ret->steps = steps;
	memcpy(ret->counted, counted, sizeof(counted));
}

/* --- many */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* False: something is violated, which was said. */
static bool run_seed(uint64_t seed, bool trace, struct report *ret)
{
	int status, pipe_fds[2];
	pid_t pid;

	world.seed = seed;
	world.trace = trace;
	fflush(stdout);
	if (pipe(pipe_fds) < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		run_world(ret);
		if (write(pipe_fds[1], ret, sizeof(*ret)) != (ssize_t)sizeof(*ret))
			abort();
		syscall(SYS_exit_group, 0);
	}
	syscall(SYS_close, pipe_fds[1]);
	if (read(pipe_fds[0], ret, sizeof(*ret)) != (ssize_t)sizeof(*ret))
		ret->steps = 0;
	syscall(SYS_close, pipe_fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	nftw(world.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (WIFSIGNALED(status))
		printf("violated: crashed (signal %d)\nseed %" PRIu64
		       "; again: ./run sim --whole --seeds 1 --start %" PRIu64 " --trace\n",
		       WTERMSIG(status), seed, seed);
	return status == 0 && ret->steps;
}

static bool number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 0);
	return !errno && end != text && !*end && *text != '-';
}

static void tell_sum(uint64_t seeds, const struct report *sum, double seconds)
{
	static const char *const names[_COUNT_MAX] = {
		[COUNT_CALLS] = "calls",
		[COUNT_REGISTERED] = "regions registered",
		[COUNT_BREAKS] = "layouts broken",
		[COUNT_STOPS] = "processes stopped for a while",
		[COUNT_CUTS] = "connections cut",
		[COUNT_KILLS] = "keepers killed",
		[COUNT_DAEMONS] = "daemons started",
		[COUNT_RESYNCS] = "lists of what was missed",
		[COUNT_SKEWED] = "packets of older and newer keepers",
		[COUNT_LIES] = "lies of keepers",
		[COUNT_REPLACED] = "keepers replaced",
		[COUNT_MOVED] = "regions made anew in another keeper",
		[COUNT_EVICTED] = "regions evicted, or above limits",
		[COUNT_SESSIONS] = "sessions created",
		[COUNT_SESSION_ENDS] = "sessions released",
		[COUNT_LATE] = "answers that a keeper was too late with",
	};

	printf("%" PRIu64 " worlds, %" PRIu64 " turns, all invariants hold; %.1f worlds a second\n",
	       seeds, sum->steps, (double)seeds / (seconds > 0 ? seconds : 1));
	for (size_t i = 0; i < _COUNT_MAX; i++)
		printf("%12" PRIu64 " %s\n", sum->counted[i], names[i]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seeds", required_argument, NULL, 'n' },
						 { "start", required_argument, NULL, 's' },
						 { "trace", no_argument, NULL, 't' },
						 { "twice", no_argument, NULL, '2' },
						 { NULL, 0, NULL, 0 } };
	const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	uint64_t seeds = 100, start = 1, began = now_monotonic_usec();
	struct report sum = { 0 }, one, again;
	bool trace = false, twice = false, bad = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		trace |= c == 't';
		twice |= c == '2';
		if (c == 'n' || c == 's')
			bad |= !number(optarg, c == 'n' ? &seeds : &start);
		bad |= c == '?';
	}
	if (bad || optind < argc || !seeds) {
		fprintf(stderr,
			"usage: sim-whole [--seeds N] [--start SEED] [--twice] [--trace]\n");
		return 2;
	}
	snprintf(world.directory, sizeof(world.directory), "%s/rdmareg-sim.%d", memory,
		 (int)getpid());
	for (uint64_t seed = start; seed < start + seeds; seed++) {
		if (!run_seed(seed, trace, &one))
			return 1;
		if (twice && (!run_seed(seed, false, &again) || again.hash != one.hash)) {
			printf("violated: seed %" PRIu64 " is another world the second time\n",
			       seed);
			return 1;
		}
		sum.steps += one.steps;
		for (size_t i = 0; i < _COUNT_MAX; i++)
			sum.counted[i] += one.counted[i];
	}
	tell_sum(seeds, &sum, (double)(now_monotonic_usec() - began) / USEC_PER_SEC);
	return 0;
}
