// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ring-take.c - takes blocks of a file by io_uring in a worker that was made in another system
 * call, so that /proc shows that call as the worker's own.
 *
 *   ring-take FILE write|read punch|truncate
 *
 * The operation is linked behind the polling of a pipe, so it begins while this program writes to
 * the pipe, or reads from it. Exits 0 if the operation went through, 1 if it was refused with the
 * error that is printed, 2 if it could not be tried.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 8
#define OP_FTRUNCATE 55 /* IORING_OP_FTRUNCATE, Linux 6.9: not in the headers of Debian 12 */
#define PUNCHED 65536u

static int ring;
static struct io_uring_params params;
static unsigned char *submissions, *completions;
static struct io_uring_sqe *entries;

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(2);
}

static void *map(size_t size, off_t offset)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void set_up(void)
{
	ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);
	if (ring < 0)
		die("io_uring_setup");
	submissions = map(params.sq_off.array + ENTRIES * sizeof(uint32_t), IORING_OFF_SQ_RING);
	completions = map(params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
			  IORING_OFF_CQ_RING);
	entries = map(ENTRIES * sizeof(*entries), IORING_OFF_SQES);
}

/* Two entries, the second after the first. */
static void submit(void)
{
	uint32_t *order = (uint32_t *)(void *)(submissions + params.sq_off.array);
	uint32_t *tail = (uint32_t *)(void *)(submissions + params.sq_off.tail);

	order[0] = 0;
	order[1] = 1;
	__atomic_store_n(tail, 2, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 2, 0, 0, NULL, 0) != 2)
		die("io_uring_enter");
}

static int result(void)
{
	const struct io_uring_cqe *c = (const void *)(completions + params.cq_off.cqes);

	if (syscall(SYS_io_uring_enter, ring, 0, 2, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		die("io_uring_enter");
	return c[0].user_data == 2 ? c[0].res : c[1].res;
}

int main(int argc, char *argv[])
{
	int ends[2], fd, r;
	char byte = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: ring-take FILE write|read punch|truncate\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || pipe(ends) < 0)
		die(argv[1]);
	set_up();
	entries[0] = (struct io_uring_sqe){ .opcode = IORING_OP_POLL_ADD,
					    .fd = ends[0],
					    .poll32_events = 1, /* POLLIN */
					    .flags = IOSQE_IO_LINK,
					    .user_data = 1 };
	entries[1] = (struct io_uring_sqe){ .opcode = IORING_OP_FALLOCATE,
					    .fd = fd,
					    .addr = PUNCHED,
					    .len = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					    .user_data = 2 };
	if (!strcmp(argv[3], "truncate"))
		entries[1] = (struct io_uring_sqe){
			.opcode = OP_FTRUNCATE, .fd = fd, .off = 4096, .user_data = 2
		};
	submit();
	if (!strcmp(argv[2], "read")) {
		/* in a child, so that this one's call is a read that waits */
		if (fork() == 0)
			_exit(write(ends[1], &byte, 1) != 1);
		if (read(ends[0], &byte, 1) != 1)
			die("read");
	} else if (write(ends[1], &byte, 1) != 1) {
		die("write");
	}
	r = result();
	if (r < 0)
		printf("%s\n", strerror(-r));
	return r < 0;
}
