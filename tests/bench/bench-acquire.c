// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench-acquire.c - what it costs to make memory reachable: through rdmaregd, by an on-demand-paging registration, and by pinning.
 *
 *   bench-acquire DEVICE DIR [ROUNDS]
 *
 * For each size every way is tried in turn, ROUNDS times (7), on a fresh file each time, so that the machine's moods hit all alike. Prints a table of
 * medians and of their ratios; absolute times of an emulated machine mean nothing. A way that the kernel refuses is shown with its errno.
 */
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "client/rdmareg.h"

#define MAX_ROUNDS 99
#define FAR_ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ)

enum way { PINNED, ODP, REGION, REGION_WARM, _WAY_MAX };
static const char *const way_names[] = { "pinned", "odp", "rdmaregd", "rdmaregd warm" };

static struct ibv_pd *pd;
static struct rdmareg *daemon_context;

static void die(const char *what)
{
	fprintf(stderr, "bench-acquire: %s: %s\n", what, errno ? strerror(errno) : rdmareg_last_error());
	exit(1);
}

static double now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int new_file(const char *dir, size_t length)
{
	int fd = open(dir, O_TMPFILE | O_RDWR, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)length))
		die(dir);
	return fd;
}

/* Microseconds, or a negative errno. */
static double by_verbs(int fd, size_t length, int access)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	double start = now_usec(), took;
	struct ibv_mr *mr;

	if (p == MAP_FAILED)
		die("mmap");
	mr = ibv_reg_mr(pd, p, length, access);
	took = mr ? now_usec() - start : -(double)errno;
	if (mr)
		ibv_dereg_mr(mr);
	munmap(p, length);
	return took;
}

static double by_daemon(int fd, bool warm)
{
	struct rdmareg_register_options options = { .size = sizeof(options), .no_warm = !warm };
	struct rdmareg_region *region;
	double start = now_usec(), took;
	int e = rdmareg_register(daemon_context, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options, &region);

	took = e < 0 ? e : now_usec() - start;
	if (e >= 0) {
		rdmareg_release(region);
		rdmareg_region_free(region);
	}
	return took;
}

static double once(const char *dir, size_t length, enum way way)
{
	int fd = new_file(dir, length);
	double took = way == PINNED ? by_verbs(fd, length, FAR_ACCESS)
		      : way == ODP  ? by_verbs(fd, length, FAR_ACCESS | IBV_ACCESS_ON_DEMAND)
				    : by_daemon(fd, way == REGION_WARM);

	close(fd);
	return took;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print_cell(double t)
{
	if (t < 0)
		printf(" %14s", strerrorname_np((int)-t));
	else
		printf(" %11.0f us", t);
}

static void print_ratio(double t, double base)
{
	if (t < 0 || base <= 0)
		printf(" %8s", "-");
	else
		printf(" %8.2f", t / base);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 4096, 65536, 1u << 20, 16u << 20, 128u << 20 };
	int rounds = argc > 3 ? atoi(argv[3]) : 7;
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;

	if (argc < 3 || rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: bench-acquire DEVICE DIR [ROUNDS]\n");
		return 2;
	}
	for (int i = 0; list && list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), argv[1]))
			context = ibv_open_device(list[i]);
	pd = context ? ibv_alloc_pd(context) : NULL;
	if (!pd)
		die(argv[1]);
	errno = 0;
	if (rdmareg_open(NULL, &daemon_context) < 0)
		die("rdmaregd");

	printf("%-10s", "size");
	for (int w = 0; w < _WAY_MAX; w++)
		printf(" %14s", way_names[w]);
	printf(" %8s %8s %8s\n", "/pinned", "/odp", "warm/odp");
	for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
		double took[_WAY_MAX][MAX_ROUNDS], median[_WAY_MAX];

		for (int r = 0; r < rounds; r++)
			for (int w = 0; w < _WAY_MAX; w++)
				took[w][r] = once(argv[2], sizes[s], (enum way)w);
		printf("%7zu KiB", sizes[s] / 1024);
		for (int w = 0; w < _WAY_MAX; w++) {
			qsort(took[w], (size_t)rounds, sizeof(double), compare);
			median[w] = took[w][rounds / 2];
			print_cell(median[w]);
		}
		print_ratio(median[REGION], median[PINNED]);
		print_ratio(median[REGION], median[ODP]);
		print_ratio(median[REGION_WARM], median[ODP]);
		printf("\n");
		fflush(stdout);
	}
	rdmareg_close(daemon_context);
	return 0;
}
