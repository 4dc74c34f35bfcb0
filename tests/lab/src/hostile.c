// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hostile.c - a user who wants to harm others through the product, one way per run, until SIGTERM.
 * It needs no rights of its own.
 *
 *   hostile busy               8 processes that only take processor time: what any user can do
 *   without the product hostile subscribers FILE   200 connections that subscribe and never read;
 *   joins and leaves its own region in a loop hostile list               8 connections that list
 *   regions in a loop hostile register FILE      8 connections that register and release in a loop,
 *   and register until the limit is met hostile unread FILE        connections that send requests
 *   and never read an answer hostile threads FILE       1000 threads that truncate a marked file
 *   of their own hostile punch FILE         32 threads that punch holes into a region of their own
 *   hostile descriptors FILE   60 processes with 1000 open descriptors each, beside registrations
 *   that look for gaps hostile keepers FILE       stops, kills, traces and limits every keeper
 *   there is, its own first of all hostile nonsense           calls each method with arguments that
 *   make no sense
 *
 * Prints `N done` when it ends: how often it did its worst. Exits 0, or 1 when it could not begin.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rdmareg.h>
#include <systemd/sd-bus.h>

#include "names.h"

#define BUSY 8
#define SUBSCRIBERS 200
#define LISTERS 8
#define REGISTRARS 8
#define TRUNCATERS 1000
#define PUNCHERS 32
#define HOARDERS 60
#define HOARD 1000
#define FILE_BYTES (4 << 20)

static volatile sig_atomic_t ended;
static _Atomic unsigned long done;
static const char *file;

static void on_term(int signal)
{
	(void)signal;
	ended = 1;
}

static int open_file(void)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "hostile: %s: %s\n", file, strerror(errno));
		exit(1);
	}
	return fd;
}

static struct rdmareg *connect_daemon(void)
{
	struct rdmareg *c = NULL;

	if (rdmareg_open(NULL, &c) < 0)
		fprintf(stderr, "hostile: %s\n", rdmareg_last_error());
	return c;
}

/* The region that several of them use; it must be had, or nothing hostile is done at all. */
static struct rdmareg_region *own_region(struct rdmareg *c, enum rdmareg_policy policy,
					 enum rdmareg_arbitrate arbitration)
{
	const struct rdmareg_register_options options = {
		.size = sizeof(options), .no_warm = 1, .policy = policy, .arbitration = arbitration
	};
	struct rdmareg_region *r;

	if (!c ||
	    rdmareg_register(c, open_file(), 0, 0, RDMAREG_ACCESS_READ_WRITE, &options, &r) < 0) {
		fprintf(stderr, "hostile: %s\n", rdmareg_last_error());
		exit(1);
	}
	return r;
}

/* Runs @work in @n processes until the end. */
static void in_processes(unsigned int n, void (*work)(void))
{
	pid_t children[SUBSCRIBERS];

	for (unsigned int i = 0; i < n; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			work();
			_exit(0);
		}
	}
	while (!ended)
		pause();
	for (unsigned int i = 0; i < n; i++)
		if (children[i] > 0)
			kill(children[i], SIGKILL);
	while (wait(NULL) > 0)
		done++;
}

static void spin(void)
{
	while (!ended)
		;
}

static void busy(void)
{
	in_processes(BUSY, spin);
}

static void subscribers(void)
{
	struct rdmareg *c = connect_daemon(), *silent;
	struct rdmareg_region *r = own_region(c, RDMAREG_POLICY_YIELD, RDMAREG_ARBITRATE_AUTO);

	for (unsigned int i = 0; i < SUBSCRIBERS && rdmareg_open(NULL, &silent) == 0; i++)
		rdmareg_subscribe(
			silent); /* a bound on how many is one of the ways to be safe from this */
	for (; !ended; done++) {
		rdmareg_join(r);
		rdmareg_leave(r);
	}
}

static void list_forever(void)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg *c = connect_daemon();
	struct rdmareg_list *l;

	while (c && !ended)
		if (rdmareg_list(c, NULL, &l) == 0) {
			while (rdmareg_list_next(l, &info) > 0)
				;
			rdmareg_list_free(l);
		}
}

static void list(void)
{
	in_processes(LISTERS, list_forever);
}

static void register_forever(void)
{
	const struct rdmareg_register_options options = { .size = sizeof(options), .no_warm = 1 };
	struct rdmareg *c = connect_daemon();
	struct rdmareg_region *r, *kept;
	int fd = open_file();

	while (c && !ended) {
		if (rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &options, &kept) == 0)
			rdmareg_region_free(kept); /* it ends with the connection */
		if (rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options, &r) == 0) {
			rdmareg_release(r);
			rdmareg_region_free(r);
		}
	}
}

static void registrars(void)
{
	in_processes(REGISTRARS, register_forever);
}

/* Requests without end on a connection whose answers nobody takes. */
static void unread_forever(void)
{
	sd_bus *bus = NULL;

	if (sd_bus_open_system(&bus) < 0)
		_exit(1);
	while (!ended) {
		if (sd_bus_call_method_async(bus, NULL, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
					     RDMAREG_MANAGER_INTERFACE, "ListRegions", NULL, NULL,
					     "a{sv}", 0) < 0) {
			/* the queue is full of what nobody reads: from anew */
			sd_bus_close_unref(bus);
			bus = NULL;
			if (sd_bus_open_system(&bus) < 0)
				_exit(1);
		}
	}
}

static void unread(void)
{
	in_processes(4, unread_forever);
}

static void *truncate_forever(void *userdata)
{
	int fd = open_file();

	(void)userdata;
	while (!ended) {
		if (ftruncate(fd, FILE_BYTES / 2) == 0 && ftruncate(fd, FILE_BYTES) == 0)
			done++;
	}
	close(fd);
	return NULL;
}

static void *punch_forever(void *userdata)
{
	off_t at = (off_t)((uintptr_t)userdata % (FILE_BYTES >> 12)) << 12;
	int fd = open_file();

	while (!ended)
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 4096) == 0)
			done++;
	close(fd);
	return NULL;
}

static void in_threads(unsigned int n, void *(*work)(void *userdata))
{
	pthread_t *threads = calloc(n, sizeof(*threads));
	pthread_attr_t small;
	unsigned int running = 0;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	while (threads && running < n &&
	       pthread_create(&threads[running], &small, work, (void *)(uintptr_t)running) == 0)
		running++;
	while (!ended)
		pause();
	/* those that wait in the kernel go when this process does */
	free(threads);
}

static void threads(void)
{
	own_region(connect_daemon(), RDMAREG_POLICY_YIELD, RDMAREG_ARBITRATE_PRE_CONTENT);
	in_threads(TRUNCATERS, truncate_forever);
}

static void punch(void)
{
	own_region(connect_daemon(), RDMAREG_POLICY_YIELD, RDMAREG_ARBITRATE_PRE_CONTENT);
	in_threads(PUNCHERS, punch_forever);
}

static void hoard(void)
{
	for (unsigned int i = 0; i < HOARD && open(file, O_RDWR | O_CLOEXEC) >= 0; i++)
		;
	while (!ended)
		pause();
}

static void look_for_gaps(void)
{
	const struct rdmareg_register_options options = {
		.size = sizeof(options), .no_warm = 1, .arbitration = RDMAREG_ARBITRATE_PRE_CONTENT
	};
	struct rdmareg *c = connect_daemon();
	struct rdmareg_region *r;
	int fd = open_file();

	for (unsigned int i = 0; i < HOARDERS; i++)
		if (fork() == 0) {
			hoard();
			_exit(0);
		}
	while (c && !ended)
		if (rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options, &r) == 0) {
			rdmareg_release(r);
			rdmareg_region_free(r);
			done++;
		}
	kill(0, SIGTERM);
}

/*
 * What a user can try on a process that is not meant to be his. Counts what succeeded: none should.
 */
static unsigned int harm(pid_t pid)
{
	const struct rlimit none = { 0, 0 };
	unsigned int harmed = 0;

	harmed += kill(pid, SIGSTOP) == 0;
	harmed += kill(pid, SIGKILL) == 0;
	harmed += prlimit(pid, RLIMIT_NOFILE, &none, NULL) == 0;
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
		harmed++;
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
	return harmed;
}

static void keepers(void)
{
	own_region(connect_daemon(), RDMAREG_POLICY_YIELD, RDMAREG_ARBITRATE_AUTO);
	while (!ended) {
		DIR *proc = opendir("/proc");
		struct dirent *d;

		while (proc && (d = readdir(proc))) {
			char path[300], name[32] = "";
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
			f = d->d_name[0] >= '1' && d->d_name[0] <= '9' ? fopen(path, "re") : NULL;
			if (f && fgets(name, sizeof(name), f) && !strcmp(name, "rdmareg-keeper\n"))
				done += harm(atoi(d->d_name));
			if (f)
				fclose(f);
		}
		if (proc)
			closedir(proc);
	}
}

static void nonsense(void)
{
	static const char *const methods[] = {
		"RegisterRegion", "ListRegions",     "GetRegion",	 "FindHolders", "Evict",
		"EnforceLimits",  "CreateDaxDevice", "DestroyDaxDevice", "Subscribe",	"NoSuch"
	};
	static const char *const objects[] = { RDMAREG_MANAGER_PATH,
					       RDMAREG_MANAGER_PATH "/region/1", "/" };
	sd_bus *bus = NULL;

	if (sd_bus_open_system(&bus) < 0)
		exit(1);
	for (unsigned int i = 0; !ended; i++, done++) {
		const char *object = objects[i % 3], *method = methods[i % 10];

		switch (i % 4) {
		case 0:
			sd_bus_call_method(bus, RDMAREG_BUS_NAME, object, RDMAREG_MANAGER_INTERFACE,
					   method, NULL, NULL, "");
			break;
		case 1:
			sd_bus_call_method(bus, RDMAREG_BUS_NAME, object, RDMAREG_MANAGER_INTERFACE,
					   method, NULL, NULL, "htts", STDIN_FILENO, UINT64_MAX,
					   UINT64_MAX - 1, "rwx");
			break;
		case 2:
			sd_bus_call_method(bus, RDMAREG_BUS_NAME, object, RDMAREG_MANAGER_INTERFACE,
					   method, NULL, NULL, "httsa{sv}", STDIN_FILENO,
					   (uint64_t)0, (uint64_t)0, "r", 1, "session", "s",
					   "../../x");
			break;
		default:
			sd_bus_call_method(bus, RDMAREG_BUS_NAME, object, RDMAREG_MANAGER_INTERFACE,
					   method, NULL, NULL, "t", UINT64_MAX);
			break;
		}
	}
	sd_bus_close_unref(bus);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		void (*run)(void);
		bool wants_file;
	} ways[] = {
		{ "busy", busy, false },      { "subscribers", subscribers, true },
		{ "list", list, false },      { "register", registrars, true },
		{ "unread", unread, false },  { "threads", threads, true },
		{ "punch", punch, true },     { "descriptors", look_for_gaps, true },
		{ "keepers", keepers, true }, { "nonsense", nonsense, false },
	};
	const struct sigaction on_end = { .sa_handler = on_term };

	sigaction(SIGTERM, &on_end, NULL);
	setpgid(0, 0); /* descriptors ends its processes by their group */
	file = argc > 2 ? argv[2] : NULL;
	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(argv[1], ways[i].name) && (file || !ways[i].wants_file)) {
			ways[i].run();
			printf("%lu done\n", done);
			return 0;
		}
	fprintf(stderr,
		"usage: hostile busy|subscribers|list|register|unread|threads|punch|descriptors|keepers|nonsense [FILE]\n");
	return 2;
}
