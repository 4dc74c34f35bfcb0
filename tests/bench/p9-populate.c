// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p9-populate.c - figure P9: many regions of fresh memory registered warm through rdmaregd, against
 * MADV_POPULATE_WRITE of the same, which is what a program does that only wants its pages there.
 *
 *   p9-populate COUNT MEBIBYTES [ROUNDS] [--quick]
 *
 * memfds, fresh for each round and each side; one request after the other.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "client/include/rdmareg.h"

static struct rdmareg *context;

/* Microseconds for @count registrations; @warm_too: with every page prefetched. */
static double by_daemon(int count, size_t length, bool warm_too)
{
	struct rdmareg_register_options options = { .size = sizeof(options), .no_warm = !warm_too };
	struct rdmareg_region **regions = calloc((size_t)count, sizeof(*regions));
	double start = now_usec(), took;

	errno = 0;
	for (int i = 0; i < count; i++) {
		int fd = new_file("memfd", length, SPARSE);

		if (!regions || rdmareg_register(context, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE,
						 &options, &regions[i]) < 0)
			die(rdmareg_last_error());
		close(fd);
	}
	took = now_usec() - start;
	for (int i = 0; i < count; i++) {
		rdmareg_release(regions[i]);
		rdmareg_region_free(regions[i]);
	}
	free(regions);
	return took;
}

static double by_populate(int count, size_t length)
{
	char **maps = calloc((size_t)count, sizeof(*maps));
	double start = now_usec(), took;

	for (int i = 0; i < count; i++) {
		int fd = new_file("memfd", length, SPARSE);

		if (maps)
			maps[i] = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (!maps || maps[i] == MAP_FAILED || madvise(maps[i], length, MADV_POPULATE_WRITE))
			die("populating");
		close(fd);
	}
	took = now_usec() - start;
	for (int i = 0; i < count; i++)
		munmap(maps[i], length);
	free(maps);
	return took;
}

int main(int argc, char **argv)
{
	struct samples warm = { 0 }, cold = { 0 }, populate = { 0 };
	char subject[64];
	int count, rounds;
	size_t length;

	argc = bench_begin(argc, argv, "P9");
	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: p9-populate COUNT MEBIBYTES [ROUNDS] [--quick]\n");
		return 2;
	}
	count = atoi(argv[1]);
	length = (size_t)atoi(argv[2]) * MIB;
	rounds = quick ? 1 : argc == 4 ? atoi(argv[3]) : 3;
	if (rdmareg_open(NULL, &context) < 0)
		die(rdmareg_last_error());
	for (int i = 0; i < rounds; i++) {
		samples_add(&populate, by_populate(count, length));
		samples_add(&warm, by_daemon(count, length, true));
		samples_add(&cold, by_daemon(count, length, false));
	}
	snprintf(subject, sizeof(subject), "memfd, %d of %s MiB", count, argv[2]);
	row_ratio(subject, "registered and warm / MADV_POPULATE_WRITE", &warm, &populate, "<= 1.2");
	row_ratio(subject, "registered, not warm / MADV_POPULATE_WRITE", &cold, &populate, NULL);
	samples_clear(&warm);
	samples_clear(&cold);
	samples_clear(&populate);
	rdmareg_close(context);
	return 0;
}
