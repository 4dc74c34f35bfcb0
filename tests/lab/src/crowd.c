// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * crowd.c - many of one kind at once, from one process of an ordinary user.
 *
 *   crowd punch FILE N [SIGNAL-MSEC]
 *	N threads, each with a descriptor of its own, punch one page each at the same moment. Prints "N punched, N failed, longest N ms".
 *	With SIGNAL-MSEC a signal comes to one of them so often, and is handled.
 *   crowd regions FILE N GRACE-MSEC
 *	N regions of the whole FILE, whose pages are made ready for writing, so that writing back is noticed in each. Prints "ready", keeps
 *	them until SIGTERM, and acknowledges nothing.
 *
 * Exits 0, or 1 when it could not begin or something failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <rdmareg.h>

#define PAGE 4096
#define CROWD_MAX 2048u

static const char *file;
static unsigned int n;

static int open_file(void)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "crowd: %s: %s\n", file, strerror(errno));
		exit(1);
	}
	return fd;
}

/* --- threads that punch */

static pthread_barrier_t together;
static struct puncher {
	pthread_t thread;
	int fd;
	int error;
	uint64_t msec;
} punchers[CROWD_MAX];

static uint64_t now_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static unsigned int signal_msec;

static void on_alarm(int signal)
{
	(void)signal;
}

/* To the threads that punch, not to the one that waits for them. */
static void begin_signals(void)
{
	const struct sigaction alarm = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	const struct itimerval often = { { 0, (suseconds_t)signal_msec * 1000 },
					 { 0, (suseconds_t)signal_msec * 1000 } };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGALRM, &alarm, NULL);
	if (signal_msec)
		setitimer(ITIMER_REAL, &often, NULL);
}

static void *punch(void *userdata)
{
	struct puncher *p = userdata;
	uint64_t begun;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_barrier_wait(&together);
	begun = now_msec();
	if (fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)(p - punchers) * 2 * PAGE, PAGE) < 0)
		p->error = errno;
	p->msec = now_msec() - begun;
	return NULL;
}

static int punch_all(void)
{
	unsigned int failed = 0;
	uint64_t longest = 0;

	begin_signals();
	pthread_barrier_init(&together, NULL, n);
	for (unsigned int i = 0; i < n; i++) {
		punchers[i].fd = open_file();
		if (pthread_create(&punchers[i].thread, NULL, punch, &punchers[i]) != 0) {
			fprintf(stderr, "crowd: no thread\n");
			return 1;
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		struct puncher *p = &punchers[i];

		pthread_join(p->thread, NULL);
		if (p->error)
			fprintf(stderr, "crowd: punch: %s\n", strerror(p->error));
		failed += p->error != 0;
		longest = p->msec > longest ? p->msec : longest;
	}
	printf("%u punched, %u failed, longest %llu ms\n", n - failed, failed,
	       (unsigned long long)longest);
	return failed != 0;
}

/* --- regions */

static volatile sig_atomic_t ended;

static void on_term(int signal)
{
	(void)signal;
	ended = 1;
}

static int failed(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, rdmareg_last_error());
	return 1;
}

static int keep_regions(unsigned int grace_msec)
{
	const struct rdmareg_register_options options = { .size = sizeof(options),
							  .grace_usec = grace_msec * UINT64_C(1000),
							  .no_warm = 1 };
	struct rdmareg *c;
	int fd = open_file();

	if (rdmareg_open(NULL, &c) < 0)
		return failed("open");
	for (unsigned int i = 0; i < n; i++) {
		struct rdmareg_region *r;

		if (rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options, &r) < 0)
			return failed("register");
		if (rdmareg_prefetch(r, 0, 0, 1) < 0)
			return failed("prefetch");
	}
	printf("ready\n");
	fflush(stdout);
	while (!ended)
		pause();
	rdmareg_close(c);
	return 0;
}

int main(int argc, char *argv[])
{
	const struct sigaction on_end = { .sa_handler = on_term };

	sigaction(SIGTERM, &on_end, NULL);
	file = argc > 2 ? argv[2] : NULL;
	n = argc > 3 ? (unsigned int)atoi(argv[3]) : 0;
	if (n && n <= CROWD_MAX && (argc == 4 || argc == 5) && !strcmp(argv[1], "punch")) {
		signal_msec = argc == 5 ? (unsigned int)atoi(argv[4]) : 0;
		return punch_all();
	}
	if (n && n <= CROWD_MAX && argc == 5 && !strcmp(argv[1], "regions"))
		return keep_regions((unsigned int)atoi(argv[4]));
	fprintf(stderr,
		"usage: crowd punch FILE N [SIGNAL-MSEC], crowd regions FILE N GRACE-MSEC\n");
	return 2;
}
