// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-doctor.c - rdmaregctl doctor, with a real daemon and a machine that is played: what it reads
 * in /proc, /sys, of rdma(8) and of the settings, and that each of it reaches the judge.
 */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "harness.h"

#define PAGE 4096u

static struct world world;
static char machine[128], keeper[64], out[1 << 16];
static unsigned int pid;

static void put(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(const char *path, const char *format, ...)
{
	char command[512], name[400];
	va_list args;
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", machine, path);
	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", name);
	check(system(command) == 0);
	f = fopen(name, "we");
	check(f);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	check(fclose(f) == 0);
}

static void put_of_keeper(const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
	put(path, "%s", text);
}

/* In the runtime directory. */
static void put_file_of_keeper(const char *kind)
{
	char path[128];

	snprintf(path, sizeof(path), RUNDIR "/keepers/%s.%s", keeper, kind);
	put(path, "%s", "");
}

static void put_program(const char *path, const char *text)
{
	char name[400];

	put(path, "#!/bin/sh\n%s\n", text);
	snprintf(name, sizeof(name), "%s%s", machine, path);
	check(chmod(name, 0755) == 0);
}

static void put_link(const char *descriptor, const char *target)
{
	char name[400];

	snprintf(name, sizeof(name), "%s/proc/%u/fd/%s", machine, pid, descriptor);
	unlink(name);
	check(symlink(target, name) == 0);
}

static void put_program_of(unsigned int process, const char *target)
{
	char name[400];

	snprintf(name, sizeof(name), "%s/proc/%u/exe", machine, process);
	check(symlink(target, name) == 0);
}

static void put_resources(void)
{
	put("/proc/98/status", "Name:\trdmareg-keeper\nTgid:\t%u\n", pid);
	put("/rdma/mr", "[{\"ifname\":\"x\",\"pid\":%u},{\"ifname\":\"x\",\"comm\":\"[ib_core]\"}]",
	    pid);
	put("/rdma/pd", "[{\"ifname\":\"x\",\"pid\":%u}]", pid);
	put("/rdma/qp", "%s", ""); /* nothing is printed where there is none */
	put("/rdma/cm_id", "[{\"ifname\":\"x\",\"pid\":%u}]", pid);
}

/* Among those of others. Both words have been seen. */
static void put_leases(unsigned int n)
{
	char first[80] = "", second[80] = "";

	if (n)
		snprintf(first, sizeof(first), "2: LAYOUT ACTIVE    READ %u 00:1a:1 0 EOF\n", pid);
	if (n > 1)
		snprintf(second, sizeof(second), "3: LEASE  ACTIVE    READ %u 00:1a:1 0 EOF\n",
			 pid);
	put("/proc/locks", "1: POSIX  ADVISORY  WRITE %u 00:1a:1 0 EOF\n%s%s", pid, first, second);
}

/* A long name, in which a user has written what looks like the line of another mapping. */
static void put_forged_mapping(void)
{
	char text[1400];

	snprintf(text, sizeof(text), "7f0000200000-7f0000201000 rw-s 00000000 fe:01 13 /%0*d%s\n",
		 1023 - 50, 0, "0-7fffffffffff rw-s 0 0 0 /x");
	put_of_keeper("maps", text);
}

/* As it is with one region of one page. */
static void play_machine(void)
{
	put("/proc/1/stat", "1 (init) S 0 1");
	put("/proc/1/comm", "systemd\n");
	put_of_keeper("stat", "4711 (rdmareg) D) S 1 2 3");
	put_of_keeper("comm", "rdmareg-keeper\n");
	put_of_keeper("task/1/stat", "1 (rdmareg-keeper) S 1 2 3");
	put_of_keeper("cgroup", "0::/nowhere\n");
	put_of_keeper("limits", "Limit  Soft Limit  Hard Limit  Units\n"
				"Max open files            4352                 4352  files\n"
				"Max locked memory         67108864             67108864 bytes\n");
	put_of_keeper("maps",
		      "7f0000000000-7f0000001000 r-xp 00000000 fe:01 12 /usr/lib/libc.so.6\n"
		      "7f0000200000-7f0000201000 rw-s 00000000 fe:01 13   /data/a file\n"
		      "7f0000400000-7f0000800000 rw-s 00000000 00:06 14 /dev/infiniband/uverbs0\n");
	put_of_keeper("fd/keep", "");
	put_link("0", "/dev/null");
	put_link("2", "/var/log/somewhere");
	put_link("3", "/data/a file");
	put_link("4", "socket:[4]");
	put_leases(1);
	put(RUNDIR "/lock", "%u\n", 98u);
	put("/proc/98/stat", "98 (rdmaregd) S 1 2 3");
	put("/proc/sys/vm/max_map_count", "65530\n");
	put_file_of_keeper("sock");
	put_file_of_keeper("record");
	put("/sys/class/infiniband/x", "%s", "");
	put("/sys/class/misc/rdmareg/totals/openers", "1\n");
	put("/sys/class/misc/rdmareg/totals/ranges", "1\n");
	put("/sys/class/misc/rdmareg/totals/layouts", "0\n");
	put_program("/bin/rdma", "exec cat \"$RDMAREG_DOCTOR_ROOT/rdma/$4\"");
	put_program("/bin/rdmaregd", "printf 'limits\\tregions_per_tenant\\t1024\\t\\t0\\n"
				     "limits\\tpeers_per_tenant\\t1024\\t\\t0\\n'");
	put_resources();
}

static int doctor(void)
{
	int status = world_ctl(&world, "doctor --timeout 10min --json", out, sizeof(out));

	fprintf(stderr, "%s\n", out);
	return status;
}

static bool found(const char *kind, const char *about)
{
	char text[256];

	snprintf(text, sizeof(text), "{\"kind\":\"%s\",\"level\":\"wrong\",\"subject\":\"%s", kind,
		 about);
	return strstr(out, text) != NULL;
}

/* Of what a machine without an adapter and a module has anyway. */
static bool only_problems(void)
{
	for (const char *at = out; (at = strstr(at, "\"kind\":")); at++)
		if (strncmp(at, "\"kind\":\"problem\"", 16) != 0)
			return false;
	return true;
}

static void test_each(void)
{
	check(doctor() == 5 && only_problems() && found("problem", "no RDMA adapter"));

	put("/rdma/cm_id", "[]");
	check(doctor() == 5 && found("resources-lack", "keeper "));
	/* a thread of it has made the third */
	put("/rdma/pd", "[{\"pid\":%u},{\"pid\":%u},{\"pid\":98}]", pid, pid);
	check(doctor() == 5 && found("resources-left", "keeper "));
	put_resources();

	put_of_keeper("stat", "4711 (rdmareg-keeper) T 1 2 3");
	check(doctor() == 5 && found("keeper-stopped", "keeper "));
	put_of_keeper("stat", "4711 (rdmareg-keeper) S 1 2 3");
	put_of_keeper("task/1/stat", "1 (x y) D 1 2 3");
	check(doctor() == 5 && found("keeper-sleeps", "keeper "));
	put_of_keeper("task/1/stat", "1 (x) S 1 2 3");

	put("/proc/98/stat", "98 (rdmaregd) T 1 2 3");
	check(doctor() == 5 && found("daemon-stopped", "rdmaregd"));
	put("/proc/98/stat", "98 (rdmaregd) S 1 2 3");
	put_forged_mapping();
	check(doctor() == 5 && only_problems());

	put_program("/bin/rdmaregd", "printf 'keepers\\tmemlock_bytes\\t65M\\t\\t0\\n'");
	check(doctor() == 5 && strstr(out, "\"kind\":\"keeper-limits\""));
	put_program("/bin/rdmaregd", "printf 'keepers\\tmemlock_bytes\\t64M\\t\\t0\\n'");
	check(doctor() == 5 && only_problems());

	put_link("5", "/data/b");
	check(doctor() == 5 && found("files-left", "keeper "));
	put_link("5", "anon_inode:[eventfd]");
	put_leases(2);
	check(doctor() == 5 && found("leases-left", "keeper "));
	put_leases(0);
	check(doctor() == 5 && found("leases-lack", "session default of uid "));
	put_leases(1);

	/* a name is anybody's to choose */
	put("/proc/99/comm", "rdmareg-keeper\n");
	put("/proc/99/stat", "99 (rdmareg-keeper) S 1 2 3");
	put("/proc/99/status", "Name:\trdmareg-keeper\nUid:\t0\t0\t0\t0\n");
	check(doctor() == 5 && only_problems());
	put_program_of(99, PKGLIBEXECDIR "/rdmareg-keeper (deleted)");
	check(doctor() == 5 && found("stray-process", "process 99") == (geteuid() == 0));
	put("/proc/99/stat", "99 (rdmareg-keeper) Z 1 2 3");
	check(doctor() == 5 && only_problems());
	snprintf(keeper, sizeof(keeper), "7-x-1");
	put_file_of_keeper("record");
	check(doctor() == 5);
	check(found("stray-file", RUNDIR "/keepers/7-x-1.record") == (geteuid() == 0));
	snprintf(keeper, sizeof(keeper), "evil\033[2J\377");
	put_file_of_keeper("record");
	check(doctor() == 5 && !strchr(out, '\033') && !strchr(out, '\377'));
	check(found("stray-file", RUNDIR "/keepers/evil\\\\x1b[2J\\\\xff.") == (geteuid() == 0));
	put("/sys/class/misc/rdmareg/totals/openers", "0\n");
	put("/proc/sys/vm/max_map_count", "1200\n");
	put_program("/bin/rdmaregd",
		    "printf 'limits\\tregions_per_tenant\\t1024\\t\\t0\\n"
		    "listen\\tlisten_address\\tany,203.0.113.7,127.0.0.1\\t\\t0\\n'");
	check(doctor() == 5 && found("watches-left", "module") && found("map-count", "vm."));
	check(found("address", "203.0.113.7") && !found("address", "127"));
	check(strstr(out, "\"complete\":true") != NULL);
}

/* What cannot be looked at is said, and nothing is concluded from it; and as people read it. */
static void test_unseen(void)
{
	put_program("/bin/rdma", "exit 1");
	check(doctor() == 5 && strstr(out, "\"complete\":false"));
	check(strstr(out, "rdma resource show mr fails") && !strstr(out, "resources-"));
	check(world_ctl(&world, "doctor", out, sizeof(out)) == 5);
	check(strstr(out,
		     "! vm.max_map_count is too small for what rdmaregd.conf allows each tenant; "
		     "it is 1200, and a tenant with 1024 regions"));
	check(strstr(out, "? not looked at: what is registered on adapters: "));
}

/*
 * Whoever does not answer has a third of the time that there is for all, and is named. What came of
 * a program that does not end is not known; and of rdmaregd, that it does not answer.
 */
static void test_in_time(void)
{
	put_program("/bin/rdma", "exec sleep 1000");
	check(world_ctl(&world, "doctor --timeout 12s --json", out, sizeof(out)) == 5);
	check(strstr(out, "rdma resource show mr has not come to an end in time"));
	check(strstr(out, "\"complete\":false"));
	put_program("/bin/rdma", "exec cat \"$RDMAREG_DOCTOR_ROOT/rdma/$4\"");
	check(kill(world.daemon, SIGSTOP) == 0);
	check(world_ctl(&world, "doctor --timeout 12s --json", out, sizeof(out)) == 5);
	check(found("daemon-silent", "rdmaregd") && strstr(out, "asking for the status"));
	check(kill(world.daemon, SIGCONT) == 0);
}

/* What is wrong with the command line is no finding, and the reverse. */
static void test_statuses(void)
{
	check(world_ctl(&world, "doctor --no-such-option", out, sizeof(out)) == 2);
	check(world_ctl(&world, "doctor --help", out, sizeof(out)) == 0);
	check(strstr(out, "Exit status: 0: nothing is wrong; 5: something is; 6: "));
}

int main(void)
{
	struct reply region, r;
	int fd = make_memfd(PAGE);
	char path[256], *programs;
	sd_bus *b;

	world_begin(&world, "");
	b = connect_client(&world);
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	check(world_ctl(&world, "keeper list --json", out, sizeof(out)) == 0);
	check(strstr(out, "\"name\":\"") &&
	      sscanf(strstr(out, "\"name\":\""), "\"name\":\"%63[^\"]", keeper) == 1);
	check(strstr(out, "\"pid\":") && sscanf(strstr(out, "\"pid\":"), "\"pid\":%u", &pid) == 1);

	snprintf(machine, sizeof(machine), "%s/machine", world.directory);
	play_machine();
	setenv("RDMAREG_DOCTOR_ROOT", machine, 1);
	check(asprintf(&programs, "%s/bin:%s", machine, getenv("PATH")) > 0);
	setenv("PATH", programs, 1);
	free(programs);
	snprintf(path, sizeof(path), "%s/bin/rdmaregd", machine);
	setenv("RDMAREG_DAEMON", path, 1);
	test_each();
	test_unseen();
	test_in_time();
	test_statuses();

	check(call_region(b, region.id, "Release", &r));
	close(fd);
	disconnect(b);
	world_end(&world);
	return 0;
}
