// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p10-rails.c - a part of figure P10: what a second rail gives.
 *
 *   p10-rails SESSION SESSION [--quick]     a peer's writes of 1 MiB into a memfd that is registered
 *   in both sessions, which have a device each: over both rails against over the first
 *
 * Slices in turn, as in p10-steady.c. The peer is librdmareg's, since it is its striping that is
 * measured.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "client/include/rdmareg.h"

#define LENGTH (16 * MIB)
#define SLICES 9

static const char data[MIB];

/* The library has its own sentences. */
static void must(int64_t r)
{
	errno = 0;
	if (r < 0)
		die(rdmareg_last_error());
}

/* Bytes a microsecond. */
static double bandwidth(struct rdmareg_rails *r)
{
	double start = now_usec(), took;
	size_t done = 0;

	do {
		must(rdmareg_rails_write(r, data, MIB, done % LENGTH));
		done += MIB;
		took = now_usec() - start;
	} while (took < (quick ? 5e4 : 1e5));
	return (double)done / took;
}

/* @n: how many of the regions. All are connected. */
static struct rdmareg_rails *open_rails(struct rdmareg_region **regions, size_t n)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	struct rdmareg_rails *r;
	char *tickets;

	must(rdmareg_export_rails(regions, n, NULL, &tickets));
	must(rdmareg_rails_connect(tickets, RDMAREG_ACCESS_READ_WRITE, NULL, &r));
	free(tickets);
	if (rdmareg_rails_get_info(r, RDMAREG_ALL_RAILS, &info) != (int)n)
		die("a rail was not reached");
	for (uint64_t at = 0; at < LENGTH; at += MIB)
		must(rdmareg_rails_write(r, data, MIB, at)); /* all is steady */
	return r;
}

static void measure(char *const sessions[2])
{
	struct rdmareg_register_options o[2] = { { .size = sizeof(o[0]), .session = sessions[0] },
						 { .size = sizeof(o[1]), .session = sessions[1] } };
	struct rdmareg_register_request requests[2];
	struct rdmareg_region *regions[2];
	struct rdmareg_rails *rails[2];
	struct samples rate[2] = { 0 };
	struct rdmareg *context;
	int fd = new_file("memfd", LENGTH, ZEROED);

	for (int i = 0; i < 2; i++)
		requests[i] = (struct rdmareg_register_request){ fd, RDMAREG_ACCESS_READ_WRITE, 0,
								 0, &o[i] };
	must(rdmareg_open(NULL, &context));
	must(rdmareg_register_many(context, requests, 2, 1, regions, NULL));
	go_to_peer();
	for (size_t n = 0; n < 2; n++)
		rails[n] = open_rails(regions, n + 1);
	for (unsigned int i = 0; i < bench_rounds(21); i++) {
		double sum[2] = { 0 };

		for (unsigned int s = 0; s < (quick ? 1 : SLICES); s++)
			for (unsigned int n = 0; n < 2; n++)
				sum[(i + s + n) % 2] += bandwidth(rails[(i + s + n) % 2]);
		for (int n = 0; n < 2; n++)
			samples_add(&rate[n], sum[n]);
	}
	row_ratio("memfd, WRITE of 1 MiB by librdmareg", "bandwidth, two rails / one", &rate[1],
		  &rate[0], NULL);
	for (int n = 0; n < 2; n++) {
		rdmareg_rails_close(rails[n]);
		rdmareg_region_free(regions[n]);
		samples_clear(&rate[n]);
	}
	rdmareg_close(context);
	close(fd);
}

int main(int argc, char **argv)
{
	argc = bench_begin(argc, argv, "P10");
	if (argc != 3) {
		fprintf(stderr, "usage: p10-rails SESSION SESSION [--quick]\n");
		return 2;
	}
	measure(argv + 1);
	return 0;
}
