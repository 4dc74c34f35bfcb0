// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p10-steady.c - figure P10: what registration through rdmaregd costs when nothing happens.
 *
 *   p10-steady bandwidth ADDRESS [--quick]     a peer's writes of 1 MiB: our region against a
 *   pinned registration, both of a memfd
 *   p10-steady write PLACE... [--quick]        pwrite(2) by others of 4 and 64 KiB: a registered
 *   file against one that is not
 *
 * Slices of a fraction of a second, in turn. A round is several of them of each side, because the
 * emulator's moods last about as long as one slice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "plain.h"
#include "reach.h"

#define LENGTH (16 * MIB)
#define SLICES 9

static double slice_usec(void)
{
	return quick ? 5e4 : 1e5;
}

static unsigned int slices(void)
{
	return quick ? 1 : SLICES;
}

/* Bytes a microsecond. */
static double bandwidth(struct reach *r)
{
	double start = now_usec(), took;
	size_t done = 0;

	do {
		reach_write(r, MIB, done % LENGTH);
		done += MIB;
		took = now_usec() - start;
	} while (took < slice_usec());
	return (double)done / took;
}

static void measure_bandwidth(const char *address)
{
	struct samples rate[_WAY_MAX] = { 0 };
	struct reach reach[_WAY_MAX];

	plain_start(address);
	for (int w = 0; w < _WAY_MAX; w++) {
		int fd = new_file("memfd", LENGTH, ZEROED),
		    e = reach_open(&reach[w], (enum way)w, fd, LENGTH, MIB);

		errno = -e;
		if (e < 0)
			die(way_names[w]);
		close(fd);
		for (uint64_t at = 0; at < LENGTH; at += MIB)
			reach_write(&reach[w], MIB, at); /* all are steady */
	}
	for (unsigned int i = 0; i < bench_rounds(21); i++) {
		double sum[_WAY_MAX] = { 0 };

		for (unsigned int s = 0; s < slices(); s++)
			for (unsigned int n = 0; n < _WAY_MAX; n++) {
				unsigned int w = (i + s + n) % _WAY_MAX;

				sum[w] += bandwidth(&reach[w]);
			}
		for (int w = 0; w < _WAY_MAX; w++)
			samples_add(&rate[w], sum[w]);
	}
	row_ratio("memfd, WRITE of 1 MiB", "bandwidth, rdmaregd / plain pinned", &rate[WAY_REGION],
		  &rate[WAY_PINNED], ">= 0.98");
	row_ratio("memfd, WRITE of 1 MiB", "bandwidth, plain odp / plain pinned", &rate[WAY_ODP],
		  &rate[WAY_PINNED], NULL);
	for (int w = 0; w < _WAY_MAX; w++)
		reach_close(&reach[w]);
	plain_release_all();
}

/* Calls a microsecond. */
static double write_rate(int fd, size_t block)
{
	static const char data[64 * 1024];
	double start = now_usec(), took;
	size_t calls = 0;

	do {
		if (pwrite(fd, data, block, (off_t)(calls * block % LENGTH)) != (ssize_t)block)
			die("pwrite");
		calls++;
		took = now_usec() - start;
	} while (took < slice_usec());
	return (double)calls / took;
}

static void measure_write(const char *place, size_t block)
{
	int watched = new_file(place, LENGTH, ZEROED), unwatched = new_file(place, LENGTH, ZEROED);
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct samples rate[2] = { 0 };
	struct rdmareg_region *region;
	struct rdmareg *context;
	char subject[96];

	errno = 0;
	if (rdmareg_open(NULL, &context) < 0 ||
	    rdmareg_register(context, watched, 0, 0, RDMAREG_ACCESS_READ_WRITE, NULL, &region) <
		    0 ||
	    rdmareg_region_get_info(region, &info) < 0)
		die(rdmareg_last_error());
	write_rate(watched, block);
	write_rate(unwatched, block);
	for (unsigned int i = 0; i < bench_rounds(15); i++) {
		double sum[2] = { 0 };

		for (unsigned int s = 0; s < slices(); s++) {
			unsigned int first = s % 2;

			sum[first] += write_rate(first ? unwatched : watched, block);
			sum[!first] += write_rate(first ? watched : unwatched, block);
		}
		samples_add(&rate[0], sum[0]);
		samples_add(&rate[1], sum[1]);
	}
	snprintf(subject, sizeof(subject), "%s, pwrite of %zu KiB by others", place_name(place),
		 block / KIB);
	row_ratio(subject,
		  info.arbitration_mode == RDMAREG_ARBITRATION_LAYOUT_LEASE
			  ? "calls a second, watched (layout-lease) / unwatched"
			  : "calls a second, watched (notify-only) / unwatched",
		  &rate[0], &rate[1], ">= 0.95");
	samples_clear(&rate[0]);
	samples_clear(&rate[1]);
	rdmareg_release(region);
	rdmareg_region_free(region);
	rdmareg_close(context);
	close(watched);
	close(unwatched);
}

int main(int argc, char **argv)
{
	argc = bench_begin(argc, argv, "P10");
	if (argc == 3 && !strcmp(argv[1], "bandwidth")) {
		measure_bandwidth(argv[2]);
		return 0;
	}
	if (argc > 2 && !strcmp(argv[1], "write")) {
		for (int i = 2; i < argc; i++) {
			measure_write(argv[i], 4 * KIB);
			measure_write(argv[i], 64 * KIB);
		}
		return 0;
	}
	fprintf(stderr, "usage: p10-steady bandwidth ADDRESS | write PLACE... [--quick]\n");
	return 2;
}
