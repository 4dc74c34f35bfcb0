// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * first-access.c - what it costs to read each page of a region for the first time, against a second
 * time, when all of them are warm.
 *
 *   first-access TICKET
 *
 * Prints two numbers: the ratio of the 99th percentiles, and that of the times of all pages
 * together. Exits 1 if the region cannot be read.
 */
#include <rdmareg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAGE 4096u

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The 99th percentile of the times of all pages, or 0; all of them are in @ret_total. */
static double pass(struct rdmareg_peer *peer, size_t pages, double *ret_total)
{
	double *took = calloc(pages, sizeof(*took)), p99;
	char page[PAGE];

	*ret_total = 0;
	for (size_t i = 0; took && i < pages; i++) {
		double begin = now_usec();

		if (rdmareg_peer_read(peer, page, PAGE, i * PAGE) != PAGE) {
			fprintf(stderr, "page %zu: %s\n", i, rdmareg_last_error());
			free(took);
			return 0;
		}
		took[i] = now_usec() - begin;
		*ret_total += took[i];
	}
	if (!took)
		return 0;
	qsort(took, pages, sizeof(*took), compare);
	p99 = took[pages - 1 - pages / 100];
	free(took);
	return p99;
}

int main(int argc, char **argv)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	struct rdmareg_peer *peer;
	double first, warm, first_total, warm_total;

	if (argc != 2)
		return 2;
	if (rdmareg_peer_connect(argv[1], RDMAREG_ACCESS_READ, NULL, &peer) < 0 ||
	    rdmareg_peer_get_info(peer, &info) < 0 || info.valid_length < PAGE) {
		fprintf(stderr, "%s\n", rdmareg_last_error());
		return 1;
	}
	first = pass(peer, info.valid_length / PAGE, &first_total);
	warm = first > 0 ? pass(peer, info.valid_length / PAGE, &warm_total) : 0;
	rdmareg_peer_close(peer);
	if (warm <= 0)
		return 1;
	printf("%.2f %.2f\n", first / warm, first_total / warm_total);
	return 0;
}
