// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dax-read.c - dax-read FILE OFFSET LENGTH: prints a range through a mapping of its own, since
 * read(2) of a device-dax fails. What always holds: it maps for reading only, and what it prints is
 * what was in memory when it looked.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t length, done = 0;
	const char *p;
	ssize_t n;
	int fd;

	if (argc != 4)
		errx(2, "usage: dax-read FILE OFFSET LENGTH");
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);
	length = strtoull(argv[3], NULL, 0);
	p = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t)strtoull(argv[2], NULL, 0));
	if (p == MAP_FAILED)
		err(1, "mapping %s", argv[1]);
	for (; done < length; done += (size_t)n) {
		n = write(STDOUT_FILENO, p + done, length - done);
		if (n < 0)
			err(1, "writing");
	}
	return 0;
}
