// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slurm.c - the plugin's hooks against the real daemon, through the whole life of a job: what
 * each asks of the bus, and what it costs. Slurm is played (tests/fakes/slurm.c).
 *
 *   test-bus-slurm PLAYED PLUGIN
 *
 * What fails is counted, not timed: how many calls a hook sends. The times are printed, as medians,
 * also as multiples of a call to the daemon on a connection that is open.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define TIMES 21

enum { PROLOG, STEP, USER, TASK, LATER_TASK, EPILOG, IDLE_EPILOG, HOOKS };

static const struct {
	const char *name;
	const char *what;
	unsigned int calls; /* to the daemon, as they are now: more is slower */
} hooks[HOOKS] = {
	[PROLOG] = { "job_prolog", "prolog", 1 },
	[STEP] = { "init_post_opt", "beginning of a step, with a limit of memory", 1 },
	[USER] = { "user_init", "user_init", 0 },
	[TASK] = { "task_init", "task_init, which neither slurmd nor slurmstepd waits for", 3 },
	[LATER_TASK] = { "task_init", "task_init of a later step", 1 },
	[EPILOG] = { "job_epilog", "epilog", 1 },
	[IDLE_EPILOG] = { "job_epilog", "epilog of a job without regions", 2 },
};

static struct world world;
static sd_bus *admin, *monitor;
static const char *played, *plugin;
static char *daemon_name;
static char said[8192];
static unsigned long long usec[HOOKS][TIMES], call_usec[TIMES], connect_usec[TIMES];

/* Calls that were sent since it was looked at last. */
struct traffic {
	unsigned int hook_to_daemon, hook_to_bus, daemon_to_bus;
};

static unsigned long long now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

static int later(const void *a, const void *b)
{
	const unsigned long long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static unsigned long long median(unsigned long long *v)
{
	qsort(v, TIMES, sizeof(*v), later);
	return v[TIMES / 2];
}

static void begin_monitor(void)
{
	sd_bus_message *owner = NULL;
	sd_bus_error e = SD_BUS_ERROR_NULL;
	const char *name;

	check(sd_bus_call_method(admin, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				 "org.freedesktop.DBus", "GetNameOwner", &e, &owner, "s",
				 RDMAREG_BUS_NAME) >= 0);
	check(sd_bus_message_read(owner, "s", &name) > 0);
	daemon_name = strdup(name);
	check(daemon_name);
	sd_bus_message_unref(owner);
	check(sd_bus_new(&monitor) >= 0 && sd_bus_set_address(monitor, world.address) >= 0 &&
	      sd_bus_set_bus_client(monitor, 1) >= 0 && sd_bus_set_monitor(monitor, 1) >= 0);
	check(sd_bus_start(monitor) >= 0);
	check(sd_bus_call_method(monitor, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				 "org.freedesktop.DBus.Monitoring", "BecomeMonitor", &e, NULL,
				 "asu", 1, "type='method_call'", 0) >= 0);
}

/* Ours are not counted. Ends at one of ours that is sent now. */
static struct traffic traffic(void)
{
	static const char end[] = "/end";
	const char *us;
	struct traffic t = { 0 };
	struct reply r;

	check(sd_bus_get_unique_name(admin, &us) >= 0);
	(void)finish_call(admin, new_call(admin, end, "org.rdmareg.Test", "End"), &r);
	for (;;) {
		sd_bus_message *m = NULL;
		const char *path, *from, *to;

		until(sd_bus_process(monitor, &m) > 0 && m);
		path = sd_bus_message_get_path(m);
		from = sd_bus_message_get_sender(m);
		to = sd_bus_message_get_destination(m);
		if (path && !strcmp(path, end)) {
			sd_bus_message_unref(m);
			return t;
		}
		if (to && from && strcmp(from, us)) {
			bool is_bus = !strcmp(to, "org.freedesktop.DBus");

			if (!strcmp(from, daemon_name))
				t.daemon_to_bus += is_bus;
			else if (is_bus)
				t.hook_to_bus++;
			else
				t.hook_to_daemon += !strcmp(to, RDMAREG_BUS_NAME);
		}
		sd_bus_message_unref(m);
	}
}

/* A hook of a step of job @job, which says what it says in @said. Returns what it took. */
static unsigned long long run(const char *hook, int job, int step, const char *environment)
{
	unsigned long long took;
	char command[1024];
	const char *times;
	size_t n;
	FILE *f;

	check((size_t)snprintf(command, sizeof(command),
			       "%s SLURMD_NODENAME=n1 PLAYED_MIB=100 '%s' '%s' %s 1 %d %u %d 1 0 "
			       "directory='%s/tickets' memory=100%% 2>&1",
			       environment, played, plugin, hook, job, getuid(), step,
			       world.directory) < sizeof(command));
	f = popen(command, "re");
	check(f);
	n = fread(said, 1, sizeof(said) - 1, f);
	said[n] = '\0';
	if (pclose(f) != 0)
		check_text(said, "");
	times = strstr(said, " 1 times: ");
	check(times && sscanf(times, " 1 times: %llu us", &took) == 1);
	return took;
}

static void run_hook(int i, int job, const char *environment, size_t n)
{
	struct traffic t;

	usec[i][n] = run(hooks[i].name, job, i == LATER_TASK, environment);
	t = traffic();
	if (n == 0)
		printf("%s: its calls to rdmaregd %u, to the bus %u; rdmaregd's to the bus %u\n",
		       hooks[i].what, t.hook_to_daemon, t.hook_to_bus, t.daemon_to_bus);
	check(t.hook_to_daemon == hooks[i].calls);
}

static bool has_session(int job)
{
	sd_bus_message *m = new_manager_call(admin, "GetSession");
	char name[32];
	struct reply r;

	snprintf(name, sizeof(name), "slurm.%d", job);
	check(sd_bus_message_append(m, "us", (uint32_t)getuid(), name) >= 0);
	return finish_call(admin, m, &r);
}

/* From prolog to epilog; what is asked for is said in the environment, as Slurm and the plugin do it. */
static void test_job(int job, size_t n)
{
	char asked[256];

	snprintf(asked, sizeof(asked), "SLURM_RDMAREG='%s/model:rw,name=model,required'",
		 world.directory);
	run_hook(PROLOG, job, "SPANK_RDMAREG=1", n);
	check(has_session(job) && count_regions(admin) == 0);
	(void)traffic();
	run_hook(STEP, job, asked, n);
	run_hook(USER, job, asked, n);
	run_hook(TASK, job, asked, n);
	check(strstr(said, "RDMAREG_MISSING=0") && strstr(said, "RDMAREG_TICKETS=/"));
	check(count_regions(admin) == 1);
	(void)traffic();
	run_hook(LATER_TASK, job, asked, n);
	check(count_regions(admin) == 1);
	(void)traffic();
	run_hook(EPILOG, job, "", n);
	check(!has_session(job) && count_regions(admin) == 0);
	(void)traffic();
	run_hook(IDLE_EPILOG, job, "", n);
}

static void measure_bus(size_t n)
{
	unsigned long long begin = now_usec();
	sd_bus *b = connect_client(&world);

	connect_usec[n] = now_usec() - begin;
	(void)get_manager_number(b, "Regions");
	begin = now_usec();
	(void)get_manager_number(b, "Regions");
	call_usec[n] = now_usec() - begin;
	disconnect(b);
	(void)traffic();
}

static void print(const char *what, unsigned long long took, unsigned long long call)
{
	printf("%s: %.1f ms, %.1f calls\n", what, (double)took / 1000, (double)took / (double)call);
}

int main(int argc, char **argv)
{
	unsigned long long call;
	char path[160];
	int fd;

	setlinebuf(stdout);
	check(argc == 3);
	played = argv[1];
	plugin = argv[2];
	world_begin(&world, "");
	setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
	snprintf(path, sizeof(path), "%s/tickets", world.directory);
	check(mkdir(path, 0755) == 0);
	snprintf(path, sizeof(path), "%s/model", world.directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	close(fd);
	admin = connect_client(&world);
	begin_monitor();
	for (size_t n = 0; n < TIMES; n++) {
		measure_bus(n);
		test_job(100 + (int)n, n);
	}
	call = median(call_usec);
	print("a call to rdmaregd and its answer", call, call);
	print("a connection to the bus", median(connect_usec), call);
	for (int i = 0; i < HOOKS; i++)
		print(hooks[i].what, median(usec[i]), call);
	sd_bus_flush_close_unref(monitor);
	free(daemon_name);
	disconnect(admin);
	world_end(&world);
	return 0;
}
