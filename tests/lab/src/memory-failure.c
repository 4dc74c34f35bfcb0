// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory-failure.c - memory-failure FILE OFFSET: the kernel is told that the page of memory behind
 * that byte has failed (MADV_HWPOISON), so it does what it does on such hardware. Status 0: it was;
 * this process had the page mapped, and is killed for it unless it has a handler.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void on_bus(int signal)
{
	(void)signal;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_bus };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	volatile char *p;
	int fd;

	if (argc != 3)
		errx(2, "usage: memory-failure FILE OFFSET");
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 (off_t)strtoull(argv[2], NULL, 0));
	if (p == MAP_FAILED)
		err(1, "mapping %s", argv[1]);
	sigaction(SIGBUS, &action, NULL);
	p[0] = p[0]; /* there, and dirty: a clean page would be read from storage again */
	if (madvise((void *)p, page, MADV_HWPOISON) < 0)
		err(1, "MADV_HWPOISON");
	return 0;
}
