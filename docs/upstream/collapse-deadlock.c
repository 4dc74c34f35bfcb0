// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * collapse-deadlock.c - a process that punches holes and one that collapses pages of the same file
 * wait for each other for ever. Needs no RDMA and nothing of this project; see
 * collapse-deadlock.md.
 *
 *   gcc -O1 -pthread -o collapse-deadlock collapse-deadlock.c
 *   ./collapse-deadlock DIRECTORY [SECONDS [closed]]
 *
 * closed: the file is open for writing only while it is written to or punched, and mapped as a
 * program is. Kernels that collapse no file that somebody could write to (6.12) do so then.
 *
 * Prints every second how many of each were done, and how many collapses were refused. Exits 0
 * after SECONDS (60). If both numbers stand still for ten seconds it says so and exits 1 without
 * its threads, which cannot be killed: look at /proc/PID/task/TID/stack.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define HUGE (2ul << 20)
#define BYTES (4 * HUGE)
#define PAGE 4096ul

static int fd = -1; /* -1: opened each time */
static char *map, path[4096];
static unsigned long punches, collapses, refused;

static void *punch(void *argument)
{
	unsigned int seed = (unsigned int)(unsigned long)argument;

	for (;;) {
		off_t at = (off_t)(rand_r(&seed) % (BYTES / PAGE) * PAGE);
		int file = fd >= 0 ? fd : open(path, O_RDWR);
		char page[PAGE];

		memset(page, 1, sizeof(page));
		if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, 16 * PAGE) <
			    0 ||
		    pwrite(file, page, sizeof(page), at) < 0)
			perror("punch");
		if (fd < 0)
			close(file);
		__atomic_fetch_add(&punches, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* What khugepaged does by itself from time to time. */
static void *collapse(void *argument)
{
	(void)argument;
	for (unsigned long i = 0;; i++) {
		int r = madvise(map + i % (BYTES / HUGE) * HUGE, HUGE, MADV_COLLAPSE);

		__atomic_fetch_add(r < 0 ? &refused : &collapses, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int seconds = argc > 2 ? atoi(argv[2]) : 60, still = 0, rights = PROT_READ | PROT_WRITE;
	unsigned long before = 0;
	pthread_t thread;
	char *place;

	if (argc < 2)
		return 2;
	snprintf(path, sizeof(path), "%s/collapse-deadlock.%d", argv[1], (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, BYTES) < 0) {
		perror(path);
		return 2;
	}
	for (unsigned long at = 0; at < BYTES; at += PAGE)
		if (pwrite(fd, path, PAGE, (off_t)at) < 0)
			return 2;
	fsync(fd);
	if (argc > 3) {
		close(fd);
		fd = open(path, O_RDONLY);
		rights = PROT_READ | PROT_EXEC;
	}
	place = mmap(NULL, BYTES + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map = mmap((char *)(((unsigned long)place + HUGE - 1) & ~(HUGE - 1)), BYTES, rights,
		   MAP_SHARED | MAP_FIXED, fd, 0);
	if (map == MAP_FAILED)
		return 2;
	if (argc > 3) {
		close(fd);
		fd = -1;
	}
	pthread_create(&thread, NULL, punch, (void *)1);
	pthread_create(&thread, NULL, punch, (void *)2);
	pthread_create(&thread, NULL, collapse, NULL);
	pthread_create(&thread, NULL, collapse, NULL);
	for (int i = 0; i < seconds && still < 10; i++) {
		unsigned long p, c, r;

		sleep(1);
		p = __atomic_load_n(&punches, __ATOMIC_RELAXED);
		c = __atomic_load_n(&collapses, __ATOMIC_RELAXED);
		r = __atomic_load_n(&refused, __ATOMIC_RELAXED);
		still = p + c + r == before ? still + 1 : 0;
		before = p + c + r;
		printf("%lu punches, %lu collapses, %lu refused\n", p, c, r);
		fflush(stdout);
	}
	if (still < 10)
		unlink(path); /* it would wait as well */
	else
		printf("nobody has come further for ten seconds\n");
	fflush(stdout);
	syscall(SYS_exit_group, still >= 10);
	return 1;
}
