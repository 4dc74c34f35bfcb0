// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dax-stale-mapping.c - write(2) to a file with direct access leaves a mapping of it on what was
 * there before. Needs no RDMA and nothing of this project; see dax-stale-mapping.md.
 *
 *   gcc -O1 -pthread -o dax-stale-mapping dax-stale-mapping.c
 *   ./dax-stale-mapping shared DIRECTORY [ROUNDS]        on XFS with reflink=1, mounted with -o
 *   dax=always ./dax-stale-mapping unwritten DIRECTORY [ROUNDS]     on ext4, mounted with -o
 *   dax=always
 *
 * shared: a file is cloned and written, while two threads touch its pages through a mapping; the
 * clone is truncated then, and other files are made. unwritten: a file is allocated with
 * fallocate(2), its pages are touched, and it is written page by page; there is no other thread.
 *
 * A page is stale if the mapping shows something else than read(2); foreign if that is what another
 * file consists of; lost if touching it gives SIGBUS. Prints how many of each, and exits 1 unless
 * there are none. Look at the kernel's log as well.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 256
#define BYTES (PAGE * PAGES)
#define FOREIGN 0xff

static const char *directory;
static volatile unsigned char *map;
static volatile int over;
static unsigned long stale, foreign, lost;
static __thread sigjmp_buf escape;

static void on_bus(int signal)
{
	(void)signal;
	siglongjmp(escape, 1);
}

static int make(const char *name)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/dax-stale-mapping.%s", directory, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		err(2, "%s", path);
	return fd;
}

static void fill(int fd, unsigned int page, unsigned int pages, int byte)
{
	static unsigned char data[BYTES];

	memset(data, byte, (size_t)pages * PAGE);
	if (pwrite(fd, data, (size_t)pages * PAGE, (off_t)page * PAGE) != (ssize_t)pages * PAGE)
		err(2, "write");
}

static void *toucher(void *argument)
{
	unsigned int seed = (unsigned int)(unsigned long)argument;

	while (!over)
		if (!sigsetjmp(escape, 1))
			(void)map[rand_r(&seed) % PAGES * PAGE];
	return NULL;
}

/* The first byte of each page, since pages are written whole. */
static void compare(int fd, int other)
{
	volatile unsigned int page;
	unsigned char byte;

	for (page = 0; page < PAGES; page++) {
		if (pread(fd, &byte, 1, (off_t)page * PAGE) != 1)
			err(2, "read");
		if (sigsetjmp(escape, 1))
			lost++;
		else if (other && map[page * PAGE] == FOREIGN)
			foreign++;
		else if (map[page * PAGE] != byte)
			stale++;
	}
}

static void shared_round(int fd, int round)
{
	int clone = make("clone"), other;
	char name[32];

	if (ioctl(clone, FICLONE, fd) < 0)
		err(2, "FICLONE (is this XFS with reflink?)");
	fill(fd, 0, PAGES, 1 + round % 200);
	compare(fd, 0);
	/* its blocks are given to nobody else before the journal knows that they are free */
	if (ftruncate(clone, 0) < 0 || syncfs(fd) < 0)
		err(2, "truncate");
	close(clone);
	for (int i = 0; i < PAGES; i++) {
		snprintf(name, sizeof(name), "other.%d", i);
		other = make(name);
		fill(other, 0, 1, FOREIGN);
		close(other);
	}
	compare(fd, 1);
}

static void unwritten_round(int fd, int round)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES) < 0 ||
	    fallocate(fd, 0, 0, BYTES) < 0)
		err(2, "fallocate");
	for (int page = 0; page < PAGES; page++)
		(void)map[page * PAGE];
	/*
	 * each eighth page first: what is left between them is so small that ext4 writes zeros
	 * there, too
	 */
	for (int first = 0; first < 8; first++)
		for (int page = first; page < PAGES; page += 8)
			fill(fd, (unsigned int)page, 1, 1 + round % 200);
	compare(fd, 0);
}

int main(int argc, char **argv)
{
	struct sigaction bus = { .sa_handler = on_bus };
	int rounds = argc > 3 ? atoi(argv[3]) : 20, fd, is_shared;
	pthread_t thread[2];

	if (argc < 3)
		errx(2, "usage: dax-stale-mapping shared|unwritten DIRECTORY [ROUNDS]");
	is_shared = !strcmp(argv[1], "shared");
	directory = argv[2];
	sigaction(SIGBUS, &bus, NULL);
	fd = make("file");
	if (ftruncate(fd, BYTES) < 0)
		err(2, "truncate");
	map = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(2, "mmap");
	if (is_shared)
		fill(fd, 0, PAGES, 1);
	for (unsigned long i = 0; is_shared && i < 2; i++)
		pthread_create(&thread[i], NULL, toucher, (void *)(i + 1));
	for (int round = 0; round < rounds; round++)
		is_shared ? shared_round(fd, round) : unwritten_round(fd, round);
	over = 1;
	for (int i = 0; is_shared && i < 2; i++)
		pthread_join(thread[i], NULL);
	printf("%d rounds of %d pages: %lu stale, %lu foreign, %lu lost\n", rounds, PAGES, stale,
	       foreign, lost);
	return stale || foreign || lost;
}
