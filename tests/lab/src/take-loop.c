// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * take-loop.c - takes blocks of files over and over, and finds out when that does not end.
 *
 *   take-loop SECONDS STILL-SECONDS FILE...
 *
 * Two threads for each file punch holes, truncate, grow it again and write; one more has the kernel
 * drop its caches, so that pages are missing. Prints every ten seconds how often each file was
 * taken. Exits 0 after SECONDS; if a thread has been in state D and has not come further for
 * STILL-SECONDS it says which, has the kernel's log show all tasks that wait, and exits 1. A thread
 * that is only slow counts for nothing.
 *
 * The takers are threads of a child: a process does not end before its threads, and those that are
 * stuck nobody can kill.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define BYTES (8ul << 20)
#define FILES_MAX 16
#define THREADS 2 /* of each file */

struct taker {
	const char *path;
	unsigned int seed;
	pid_t tid;	      /* written by its thread, once */
	unsigned long rounds; /* written by its thread */
	unsigned long before; /* the main thread's */
	int still;
};

static struct taker *takers; /* shared: the child's threads write, the parent reads */
static pid_t child;

static void die(const char *what, const char *path)
{
	fprintf(stderr, "take-loop: %s: %s: %s\n", path, what, strerror(errno));
	exit(2);
}

static void say_to_kernel(const char *file, const char *word)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		perror(file);
	if (fd >= 0)
		close(fd);
}

static void *take(void *argument)
{
	static char page[16 * PAGE];
	struct taker *t = argument;
	int fd = open(t->path, O_RDWR | O_CLOEXEC);

	__atomic_store_n(&t->tid, (pid_t)syscall(SYS_gettid), __ATOMIC_RELAXED);
	if (fd < 0)
		die("open", t->path);
	for (unsigned long i = 0;; i++) {
		off_t at = (off_t)(rand_r(&t->seed) % (BYTES / PAGE) * PAGE);

		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, sizeof(page)) < 0)
			die("punch", t->path);
		if (pwrite(fd, page, sizeof(page), (off_t)((size_t)at % (BYTES - sizeof(page)))) <
		    0)
			die("write", t->path);
		if (i % 8 == 0 &&
		    (truncate(t->path, BYTES / 2) < 0 || truncate(t->path, BYTES) < 0))
			die("truncate", t->path);
		__atomic_fetch_add(&t->rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* One expiry a second. */
static int make_timer(void)
{
	const struct itimerspec every = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (timer < 0 || timerfd_settime(timer, 0, &every, NULL) < 0)
		die("timerfd", "timer");
	return timer;
}

static void await_second(int timer)
{
	uint64_t ticks;

	if (read(timer, &ticks, sizeof(ticks)) < 0)
		die("read", "timer");
}

static _Noreturn void drop(void)
{
	int timer = make_timer();

	say_to_kernel("/proc/sys/vm/drop_caches", "4"); /* from now on without a word in the log */
	for (;;) {
		say_to_kernel("/proc/sys/vm/drop_caches", "1");
		await_second(timer);
	}
}

/* State D: an operation waits for something in the kernel. */
static int is_waiting(struct taker *t)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)child,
		 (int)__atomic_load_n(&t->tid, __ATOMIC_RELAXED));
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'D';
}

/* True: one has not come further for so long. */
static int look(size_t n, int limit, int second)
{
	int stands = 0;

	for (size_t i = 0; i < n; i++) {
		struct taker *t = &takers[i];
		unsigned long rounds = __atomic_load_n(&t->rounds, __ATOMIC_RELAXED);

		t->still = rounds == t->before && is_waiting(t) ? t->still + 1 : 0;
		t->before = rounds;
		if (second % 10 == 0)
			printf("%s%lu", i ? " " : "", rounds);
		if (t->still < limit)
			continue;
		printf("%s: taking blocks of it has not ended for %d seconds\n", t->path, t->still);
		stands = 1;
	}
	if (second % 10 == 0)
		printf(" after %d s\n", second);
	fflush(stdout);
	return stands;
}

/* In the child. */
static _Noreturn void run(size_t n)
{
	pthread_t thread;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die("prctl", "child");
	for (size_t i = 0; i < n; i++)
		if (pthread_create(&thread, NULL, take, &takers[i]) != 0)
			die("thread", takers[i].path);
	drop();
}

/* True: it has not ended, for which it had no reason. */
static int is_alive(void)
{
	return waitpid(child, NULL, WNOHANG) == 0;
}

int main(int argc, char **argv)
{
	int seconds = argc > 3 ? atoi(argv[1]) : 0, limit = argc > 3 ? atoi(argv[2]) : 0,
	    stands = 0;
	int timer = make_timer();
	size_t n = 0;

	if (seconds <= 0 || limit <= 0 || argc - 3 > FILES_MAX)
		return 2;
	takers = mmap(NULL, FILES_MAX * THREADS * sizeof(*takers), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (takers == MAP_FAILED)
		die("mmap", "takers");
	for (int i = 3; i < argc; i++)
		for (int j = 0; j < THREADS; j++, n++)
			takers[n] = (struct taker){ .path = argv[i], .seed = (unsigned int)n + 1 };
	child = fork();
	if (child < 0)
		die("fork", "child");
	if (!child)
		run(n);
	for (int second = 1; second <= seconds && !stands; second++) {
		await_second(timer);
		if (!is_alive())
			return 2; /* it said why */
		stands = look(n, limit, second);
	}
	if (stands)
		say_to_kernel("/proc/sysrq-trigger", "w");
	kill(child, SIGKILL);
	if (!stands)
		waitpid(child, NULL, 0);
	return stands;
}
