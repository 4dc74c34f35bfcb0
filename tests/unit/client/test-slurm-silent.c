// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slurm-silent.c - the hooks of a job with rails while rdmaregd does not answer: it is asked for one session only, which bounds what
 * Slurm waits, and the log names all. Slurm and the daemon are played (fakes/slurm.c, fakes/rdmaregd.h).
 *
 *   test-slurm-silent PLAYED PLUGIN
 */
#undef NDEBUG
#include <assert.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fakes/rdmaregd.h"

#define DEVICES "memory=50%% device=mlx5_0,mlx5_1,mlx5_2"

static const char *played, *plugin;

static FILE *begin_hook(const char *name, int job)
{
	char command[2 * PATH_MAX];
	FILE *f;

	snprintf(command, sizeof(command),
		 "'%s' '%s' %s 1 %d %u 0 1 0 directory=/tmp " DEVICES " 2>&1", played, plugin, name,
		 job, getuid());
	f = popen(command, "r");
	assert(f);
	return f;
}

/* It says of the first session that nobody answered, and of the others that nobody was asked. */
static void end_hook(FILE *f, int job, const char *doing)
{
	char said[4096], line[160];
	size_t n = fread(said, 1, sizeof(said) - 1, f);

	said[n] = '\0';
	printf("%s", said);
	assert(pclose(f) == 0);
	snprintf(line, sizeof(line), "rdmareg: job %d: %s session slurm.%d: ", job, doing, job);
	assert(strstr(said, line));
	for (int rail = 1; rail <= 2; rail++) {
		snprintf(line, sizeof(line),
			 "rdmareg: job %d: %s session slurm.%d.%d: rdmaregd was not asked", job,
			 doing, job, rail);
		assert(strstr(said, line));
	}
	snprintf(line, sizeof(line), "session slurm.%d.3", job);
	assert(!strstr(said, line));
}

int main(int argc, char **argv)
{
	FILE *prolog, *step, *epilog;
	pid_t mock;

	assert(argc == 3);
	played = argv[1];
	plugin = argv[2];
	alarm(150);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	setenv("PLAYED_MIB", "100", 1);
	setenv("SPANK_RDMAREG", "rails", 1);
	setenv("SLURM_RDMAREG", "/proc/self/exe,rails", 1);
	for (int job = 1; job <= 2; job++)
		pclose(begin_hook("job_prolog", job));
	assert(kill(mock, SIGSTOP) == 0);
	prolog = begin_hook("job_prolog", 3);
	step = begin_hook("init_post_opt", 1);
	epilog = begin_hook("job_epilog", 2);
	end_hook(prolog, 3, "creating");
	end_hook(step, 1, "limiting the memory of");
	end_hook(epilog, 2, "releasing");
	mock_daemon_stop(mock);
	mock_bus_stop();
	return 0;
}
