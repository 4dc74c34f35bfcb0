// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slurm-daemon.c - what the plugin's hooks ask rdmaregd for, and what they make of its answers. Slurm and the daemon are
 * played (fakes/slurm.c, fakes/rdmaregd.h).
 *
 *   test-slurm-daemon PLAYED PLUGIN
 */
#undef NDEBUG
#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdmareg.h"
#include "tests/fakes/rdmaregd.h"

static const char *played, *plugin;
static char base[] = "/tmp/test-slurm-daemon.XXXXXX";
static struct rdmareg *c;

/* A hook of step 0 of job @job, or as @step says. Returns what it said on both channels. */
static const char *hook_of_step(const char *name, int job, int step, const char *argument)
{
	static char said[16384];
	char command[2 * PATH_MAX];
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command),
		 "'%s' '%s' %s 1 %d %u %d 1 0 directory=%s wait=0 %s 2>&1", played, plugin, name,
		 job, getuid(), step, base, argument);
	f = popen(command, "r");
	assert(f);
	n = fread(said, 1, sizeof(said) - 1, f);
	said[n] = '\0';
	printf("%s%s\n", command, said);
	assert(pclose(f) == 0);
	return said;
}

static const char *hook(const char *name, int job, const char *argument)
{
	return hook_of_step(name, job, 0, argument);
}

static struct rdmareg_session_info session(const char *name)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };

	assert(rdmareg_session_get(c, getuid(), name, &info) == 0);
	return info;
}

/* The only file of tickets that a task was told of, as it is. */
static const char *tickets(const char *said)
{
	static char text[4096];
	char path[PATH_MAX];
	const char *at = strstr(said, "\nRDMAREG_TICKETS=");
	size_t n;
	FILE *f;

	assert(at && sscanf(at, "\nRDMAREG_TICKETS=%4095s", path) == 1);
	f = fopen(path, "r");
	assert(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void test_prolog(void)
{
	setenv("SPANK_RDMAREG", "1", 1);
	assert(!strstr(hook("job_prolog", 7, "memory=64M"), "rdmareg: "));
	assert(session("slurm.7").max_memory_bytes == 64 << 20);
	/* slurmd was restarted */
	assert(!strstr(hook("job_prolog", 7, "memory=64M"), "rdmareg: "));
	assert(strstr(hook("job_prolog", 7, "memory=65M"), "job 7: creating session slurm.7: "));
	/* the session of the job's earlier run is on its way */
	mock_tell("busy", 2);
	assert(!strstr(hook("job_prolog", 8, ""), "rdmareg: "));
	assert(session("slurm.8").max_memory_bytes == 0);
	mock_tell("deny-sessions", 1);
	assert(strstr(hook("job_prolog", 9, ""), "job 9: creating session slurm.9: "));
	mock_tell("deny-sessions", 0);
	assert(strstr(hook("job_prolog", 10, "memory=0%"), "'memory=0%' in plugstack.conf"));
	assert(strstr(hook("job_prolog", 10, "memory=1001%"), "'memory=1001%' in plugstack.conf"));
	assert(strstr(hook("job_prolog", 10, "memory=%"), "'memory=%' in plugstack.conf"));
	/* the device that the site chose, which stays when slurmd was restarted with another */
	assert(!strstr(hook("job_prolog", 13, "device=mlx5_1"), "rdmareg: "));
	assert(!strcmp(session("slurm.13").device, "mlx5_1"));
	assert(strstr(hook("job_prolog", 13, "device=mlx5_0"),
		      "job 13: creating session slurm.13: "));
	assert(!strcmp(session("slurm.13").device, "mlx5_1") && !*session("slurm.8").device);
	unsetenv("SPANK_RDMAREG");
}

/* Where only root may write, root makes the user's directory; of a job that does not ask it makes none. */
static void test_directory(void)
{
	char mine[PATH_MAX];

	snprintf(mine, sizeof(mine), "%s/%u", base, getuid());
	assert(chmod(base, 0755) == 0);
	hook("init_post_opt", 20, "");
	assert(access(mine, F_OK) < 0);
	setenv("SLURM_RDMAREG", "memfd:4K", 1);
	assert(!strstr(hook("init_post_opt", 20, ""), "rdmareg: "));
	assert((access(mine, F_OK) == 0) == !getuid());
	assert(strstr(hook("init_post_opt", 20, "directory=/none"),
		      "rdmareg: no directory of user "));
	unsetenv("SLURM_RDMAREG");
}

/* The session's memory follows the job's. */
static void test_memory(void)
{
	setenv("SPANK_RDMAREG", "1", 1);
	setenv("PLAYED_MIB", "100", 1);
	assert(!strstr(hook("job_prolog", 11, "memory=150%"), "rdmareg: "));
	assert(session("slurm.11").max_memory_bytes == 0);
	/* a step that asks for nothing */
	hook("init_post_opt", 11, "memory=150%");
	assert(session("slurm.11").max_memory_bytes == 0);
	setenv("SLURM_RDMAREG", "memfd:4K,name=m", 1);
	hook("init_post_opt", 11, "memory=64M");
	assert(session("slurm.11").max_memory_bytes == 0);
	assert(!strstr(hook("init_post_opt", 11, "memory=150%"), "rdmareg: "));
	assert(session("slurm.11").max_memory_bytes == 150 << 20);
	setenv("PLAYED_MIB", "64", 1);
	hook("init_post_opt", 11, "memory=100%");
	assert(session("slurm.11").max_memory_bytes == 64 << 20);
	hook("init_post_opt", 11, "memory=1%");
	assert(session("slurm.11").max_memory_bytes == 32 << 20);
	/* not the user's word, and not of a session that nobody created */
	assert(!strstr(hook("init_post_opt", 12, "memory=1%"), "rdmareg: "));
	/* a job without a limit */
	unsetenv("PLAYED_MIB");
	hook("init_post_opt", 11, "memory=150%");
	assert(session("slurm.11").max_memory_bytes == 32 << 20);
	/* slurmd was restarted: it is there, with the limit that a step has set */
	assert(!strstr(hook("job_prolog", 11, "memory=150%"), "rdmareg: "));
	unsetenv("SPANK_RDMAREG");
	unsetenv("SLURM_RDMAREG");
}

static void test_names(void)
{
	struct rdmareg_region *region, *other;

	setenv("SLURM_RDMAREG", "/proc/self/exe,name=model;/proc/self/exe", 1);
	assert(strstr(tickets(hook("task_init", 7, "")), " model r rdmareg:"));
	assert(rdmareg_lookup_name(c, (uint32_t)-1, "slurm.7", "model", &region) == 0);
	/* names that are made by place mean something else in another step */
	assert(rdmareg_lookup_name(c, (uint32_t)-1, "slurm.7", "r2", &other) < 0);
	/* another step's file of that name: its tasks have it, and the name stays where it is */
	setenv("SLURM_RDMAREG", "/proc/self/comm,name=model", 1);
	assert(strstr(tickets(hook_of_step("task_init", 7, 1, "")), " model r rdmareg:"));
	assert(rdmareg_lookup_name(c, (uint32_t)-1, "slurm.7", "model", &other) == 0);
	assert(rdmareg_region_id(region) == rdmareg_region_id(other));
	rdmareg_region_free(region);
	rdmareg_region_free(other);
	/* what is busy is tried again */
	mock_tell("busy", 3);
	assert(strstr(tickets(hook_of_step("task_init", 7, 2, "")), " model r rdmareg:"));
	unsetenv("SLURM_RDMAREG");
}

static unsigned int regions_of(const char *session)
{
	struct rdmareg_list_options options = { .size = sizeof(options), .session = session };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *list;
	unsigned int n = 0;

	assert(rdmareg_list(c, &options, &list) == 0);
	while (rdmareg_list_next(list, &info) > 0)
		n++;
	rdmareg_list_free(list);
	return n;
}

/* How many tickets that line of the file has. */
static unsigned int tickets_in(const char *line)
{
	unsigned int n = 0;

	assert(line);
	for (const char *end = line + strcspn(line, "\n"), *at = strstr(line, " rdmareg:");
	     at && at < end; at = strstr(at + 1, " rdmareg:"))
		n++;
	return n;
}

static bool has_session(const char *name)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };

	return rdmareg_session_get(c, getuid(), name, &info) == 0;
}

/* A region on each device that the site names, in a session for each; what a step cannot have it finds said. */
static void test_rails(void)
{
	const char *all;

	setenv("SPANK_RDMAREG", "1", 1);
	assert(!strstr(hook("job_prolog", 50, "device=mlx5_0,mlx5_1"), "rdmareg: "));
	assert(!strcmp(session("slurm.50").device, "mlx5_0") && !has_session("slurm.50.1"));
	setenv("SLURM_RDMAREG", "/proc/self/exe,rails,required,name=model", 1);
	all = tickets(hook("task_init", 50, "device=mlx5_0,mlx5_1"));
	assert(tickets_in(strstr(all, "0 n1 model r ")) == 1);
	assert(strstr(all, "# node 0 of the step, n1: region model failed on mlx5_1: "));
	all = tickets(hook_of_step("task_init", 50, 1, "device=mlx5_0"));
	assert(tickets_in(strstr(all, "0 n1 model r ")) == 1);
	assert(strstr(all, "# node 0 of the step, n1: region model has no rails: "));

	setenv("SPANK_RDMAREG", "rails", 1);
	setenv("PLAYED_MIB", "100", 1);
	assert(!strstr(hook("job_prolog", 51, "memory=50% device=mlx5_0,mlx5_1"), "rdmareg: "));
	assert(!strcmp(session("slurm.51").device, "mlx5_0"));
	assert(!strcmp(session("slurm.51.1").device, "mlx5_1") && !has_session("slurm.51.2"));
	hook("init_post_opt", 51, "memory=50% device=mlx5_0,mlx5_1");
	assert(session("slurm.51").max_memory_bytes == 50 << 20);
	assert(session("slurm.51.1").max_memory_bytes == 50 << 20);
	setenv("SLURM_RDMAREG", "/proc/self/exe,rails,required,name=model;/proc/self/exe", 1);
	all = tickets(hook("task_init", 51, "device=mlx5_0,mlx5_1"));
	assert(tickets_in(strstr(all, "0 n1 model r ")) == 2);
	assert(tickets_in(strstr(all, "0 n1 r2 r ")) == 1 && !strchr(all, '#'));
	assert(regions_of("slurm.51") == 2 && regions_of("slurm.51.1") == 1);
	/* another step has the same */
	all = tickets(hook_of_step("task_init", 51, 1, "device=mlx5_0,mlx5_1"));
	assert(tickets_in(strstr(all, "0 n1 model r ")) == 2);
	assert(regions_of("slurm.51") == 2 && regions_of("slurm.51.1") == 1);
	mock_tell("late-sessions", 1);
	all = hook("job_epilog", 51, "device=mlx5_0,mlx5_1");
	assert(strstr(all, " of session slurm.51 is late") &&
	       strstr(all, " of session slurm.51.1 is late"));
	mock_tell("late-sessions", 0);
	assert(!has_session("slurm.51") && !has_session("slurm.51.1"));
	assert(!strstr(hook("job_epilog", 51, "device=mlx5_0,mlx5_1"), "session"));
	hook("job_epilog", 50, "device=mlx5_0,mlx5_1");
	assert(!has_session("slurm.50"));
	unsetenv("SPANK_RDMAREG");
	unsetenv("SLURM_RDMAREG");
	unsetenv("PLAYED_MIB");
}

/* Another keeper has the regions: a later step's tickets are of that one, and as many as before. */
static void test_replaced(void)
{
	struct rdmareg_region *region, *rail;
	char before[4096], after[4096];

	setenv("SPANK_RDMAREG", "rails", 1);
	setenv("SLURM_RDMAREG", "/proc/self/exe,rails,required,name=model", 1);
	hook("job_prolog", 52, "device=mlx5_0,mlx5_1");
	strcpy(before, tickets(hook("task_init", 52, "device=mlx5_0,mlx5_1")));
	assert(rdmareg_lookup_name(c, (uint32_t)-1, "slurm.52", "model", &region) == 0);
	assert(rdmareg_lookup_name(c, (uint32_t)-1, "slurm.52.1", "model", &rail) == 0);
	mock_tell("replace", (unsigned int)rdmareg_region_id(region));
	strcpy(after, tickets(hook_of_step("task_init", 52, 1, "device=mlx5_0,mlx5_1")));
	assert(tickets_in(before) == 2 && tickets_in(after) == 2 && !strchr(after, '#'));
	assert(strcmp(before, after) &&
	       !strcmp(strrchr(before, ' '), strrchr(after, ' '))); /* the rail's is as it was */
	mock_tell("replace", (unsigned int)rdmareg_region_id(rail));
	strcpy(before, tickets(hook_of_step("task_init", 52, 2, "device=mlx5_0,mlx5_1")));
	assert(strcmp(strrchr(before, ' '), strrchr(after, ' ')) && !strchr(before, '#'));
	strcpy(after, tickets(hook_of_step("task_init", 52, 3, "device=mlx5_0,mlx5_1")));
	assert(!strcmp(before, after));
	assert(regions_of("slurm.52") == 1 && regions_of("slurm.52.1") == 1);
	hook("job_epilog", 52, "device=mlx5_0,mlx5_1");
	rdmareg_region_free(region);
	rdmareg_region_free(rail);
	unsetenv("SPANK_RDMAREG");
	unsetenv("SLURM_RDMAREG");
}

static void test_epilog(void)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };

	mock_tell("late-sessions", 1);
	assert(strstr(hook("job_epilog", 7, ""),
		      "job 7: region 1 of session slurm.7 is late: the storage hangs\n"));
	mock_tell("late-sessions", 0);
	assert(rdmareg_session_get(c, getuid(), "slurm.7", &info) < 0);
	/* again; others with nothing to say; ticket files are removed where the epilog is root's, as in Slurm */
	for (int job = 7; job <= 11; job++) {
		const char *said = hook("job_epilog", job, "");

		assert(!strstr(said, "session") && !strstr(said, "late"));
		assert(!strstr(said, "could not be removed") == !getuid());
	}
}

/* One that knows no sessions: it is said, regions are there all the same, and end with the job. */
static void test_older_daemon(void)
{
	const char *said;

	setenv("SPANK_RDMAREG", "1", 1);
	setenv("PLAYED_MIB", "100", 1);
	setenv("SLURM_RDMAREG", "/proc/self/exe,required,name=model", 1);
	mock_tell("unknown-sessions", 1);
	said = hook("job_prolog", 30, "memory=64M");
	assert(strstr(said, "job 30: creating session slurm.30: ") && strstr(said, "too old"));
	assert(strstr(hook("init_post_opt", 30, "memory=50%"), "job 30: limiting the memory"));
	assert(strstr(tickets(hook("task_init", 30, "")), " model r rdmareg:"));
	assert(regions_of("slurm.30") == 1);
	assert(!strstr(hook("job_epilog", 30, ""), "session slurm.30"));
	assert(regions_of("slurm.30") == 0);
	assert(!strstr(hook("job_epilog", 30, ""), "session slurm.30"));
	mock_tell("unknown-sessions", 0);
	unsetenv("SPANK_RDMAREG");
	unsetenv("PLAYED_MIB");
	unsetenv("SLURM_RDMAREG");
}

int main(int argc, char **argv)
{
	char command[PATH_MAX];
	pid_t mock;

	assert(argc == 3);
	played = argv[1];
	plugin = argv[2];
	alarm(80);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	assert(mkdtemp(base));
	setenv("SLURMD_NODENAME", "n1", 1);
	assert(rdmareg_open(NULL, &c) == 0);
	test_directory();
	test_prolog();
	test_memory();
	test_names();
	test_rails();
	test_replaced();
	test_epilog();
	test_older_daemon();
	rdmareg_close(c);
	mock_daemon_stop(mock);
	mock_bus_stop();
	/* the user's directory stays, with nothing in it */
	snprintf(command, sizeof(command), "%s/%u", base, getuid());
	assert(getuid() || (rmdir(command) == 0 && rmdir(base) == 0));
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	assert(system(command) == 0);
	return 0;
}
