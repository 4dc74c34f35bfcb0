// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-batch.c - many files registered with one call of the library, for check-batch.py, which runs
 * this and all that it starts under strace(1), and counts the system calls. It prints when the last
 * time began and ended; the times before prepare: the keeper is started, threads are made.
 */
#include <time.h>
#include <unistd.h>

#include "client/include/rdmareg.h"
#include "harness.h"

#define FILES 64u

static struct world world;
static struct rdmareg *context;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void register_all(void)
{
	const struct rdmareg_register_options options = { .size = sizeof(options), .no_warm = 1 };
	struct rdmareg_register_request requests[FILES] = { 0 };
	struct rdmareg_region *regions[FILES];
	double began;

	for (size_t i = 0; i < FILES; i++)
		requests[i] =
			(struct rdmareg_register_request){ .fd = make_memfd(1 << 20),
							   .access = RDMAREG_ACCESS_READ_WRITE,
							   .options = &options };
	began = now();
	check(rdmareg_register_many(context, requests, FILES, 1, regions, NULL) == 0);
	printf("%u regions between %.6f and %.6f\n", FILES, began, now());
	for (size_t i = 0; i < FILES; i++) {
		rdmareg_region_free(regions[i]);
		close(requests[i].fd);
	}
}

int main(void)
{
	world_begin(&world, "timeout_msec = 100000\n[daemon]\nlog_level = info\n");
	setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
	check(rdmareg_open(NULL, &context) == 0);
	register_all();
	register_all();
	rdmareg_close(context);
	world_end(&world);
	return 0;
}
