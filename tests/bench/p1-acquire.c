// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p1-acquire.c - figure P1: what it costs to make memory reachable. Through rdmaregd over D-Bus, by
 * an on-demand-paging registration in the caller's own process, and by pinning; a fresh file each
 * time.
 *
 *   p1-acquire DEVICE PLACE... [--quick]
 *
 * What rdmaregd adds to the raw registration is also told in round trips: calls of
 * org.freedesktop.DBus.Peer.Ping to it, which no code of ours handles, timed in the same rounds.
 * What of it nobody could save is told by two processes that do no more than any must (least.h).
 */
#include <errno.h>
#include <infiniband/verbs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "client/include/rdmareg.h"
#include "least.h"
#include "ping.h"

#define MANY LEAST_MAX

enum way { PINNED, ODP, REGION, REGION_WARM, PING, KEEPER_ALONE, SERVICE_ALONE, _WAY_MAX };

static struct ibv_pd *pd;
static struct rdmareg *daemon_context;

static void begin(const char *device)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;

	for (int i = 0; list && list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), device))
			context = ibv_open_device(list[i]);
	pd = context ? ibv_alloc_pd(context) : NULL;
	if (!pd)
		die(device);
	errno = 0;
	if (rdmareg_open(NULL, &daemon_context) < 0)
		die(rdmareg_last_error());
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

	errno = 0;
	if (rdmareg_register(daemon_context, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options,
			     &region) < 0)
		die(rdmareg_last_error());
	took = now_usec() - start;
	rdmareg_release(region);
	rdmareg_region_free(region);
	return took;
}

static double by_least(enum least_way way, const int *fds, size_t n)
{
	double took = least_register_usec(way, fds, n);

	least_release();
	return took;
}

/* Of the whole machine, since boot. */
static double context_switches(void)
{
	unsigned long long n = 0;
	char line[256];
	FILE *f = fopen("/proc/stat", "re");

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "ctxt %llu", &n) != 1)
		;
	if (!f || !n)
		die("/proc/stat");
	fclose(f);
	return (double)n;
}

static double once(const char *place, size_t length, enum way way, double *ret_switches)
{
	int fd = way == PING ? -1 : new_file(place, length, SPARSE);
	double before = context_switches();
	double took = way == PINNED ? by_verbs(fd, length, FAR_ACCESS)
		      : way == ODP  ? by_verbs(fd, length, FAR_ACCESS | IBV_ACCESS_ON_DEMAND)
		      : way == PING ? ping_usec()
		      : way == KEEPER_ALONE  ? by_least(LEAST_KEEPER, &fd, 1)
		      : way == SERVICE_ALONE ? by_least(LEAST_SERVICE, &fd, 1)
					     : by_daemon(fd, way == REGION_WARM);

	*ret_switches = context_switches() - before;
	if (fd >= 0)
		close(fd);
	return took;
}

#define ROUND_TRIPS "beyond raw ODP, in D-Bus round trips"

static void row_trips(const char *subject, const char *measure, const struct samples *took,
		      const struct samples *raw, const struct samples *ping, const char *goal)
{
	struct samples trips = { 0 };

	for (size_t i = 0; i < took->n; i++)
		samples_add(&trips, (took->value[i] - raw->value[i]) / ping->value[i]);
	row(subject, measure, &trips, "round trips", goal);
	samples_clear(&trips);
}

static void print_trips(const char *subject, const struct samples *took, const char *rdmaregd,
			const char *goal)
{
	row_trips(subject, rdmaregd, &took[REGION], &took[ODP], &took[PING], goal);
	row_trips(subject, "a bare keeper " ROUND_TRIPS, &took[KEEPER_ALONE], &took[ODP],
		  &took[PING], NULL);
	row_trips(subject, "a bare service and keeper " ROUND_TRIPS, &took[SERVICE_ALONE],
		  &took[ODP], &took[PING], NULL);
	row_ratio(subject, "rdmaregd / a bare service and keeper", &took[REGION],
		  &took[SERVICE_ALONE], NULL);
}

static void print_size(const char *place, size_t length, const struct samples *took,
		       const struct samples *switches, double refused)
{
	char subject[64];
	bool large = length >= 1024 * MIB;

	snprintf(subject, sizeof(subject), "%s, %zu %s", place_name(place),
		 length < MIB ? length / KIB : length / MIB, length < MIB ? "KiB" : "MiB");
	print_trips(subject, took, "rdmaregd " ROUND_TRIPS, "<= 2.5");
	row_ratio(subject, "context switches of the machine, acquire and release / round trip",
		  &switches[REGION], &switches[PING], NULL);
	row_ratio(subject, "rdmaregd / raw ODP", &took[REGION], &took[ODP], NULL);
	if (refused < 0)
		row_word(subject, "pinned / rdmaregd", strerrorname_np((int)-refused));
	else
		row_ratio(subject, "pinned / rdmaregd", &took[PINNED], &took[REGION],
			  large ? ">= 50" : NULL);
	if (took[REGION_WARM].n)
		row_ratio(subject, "rdmaregd, warm / rdmaregd, not warm", &took[REGION_WARM],
			  &took[REGION], NULL);
}

static void measure(const char *place, size_t length)
{
	struct samples took[_WAY_MAX] = { 0 }, switches[_WAY_MAX] = { 0 };
	int rounds = (int)bench_rounds(length >= 64 * MIB ? 3 : 21);
	double refused = 0, t, n;

	if (!place_has(place, length)) {
		fprintf(stderr, "p1: %zu MiB do not fit into %s\n", length / MIB, place);
		return;
	}
	for (int r = 0; r < rounds; r++)
		for (int w = 0; w < _WAY_MAX; w++) {
			if ((w == REGION_WARM && length > 64 * MIB) || (w == PINNED && refused < 0))
				continue; /* P9 measures warming; a refusal stays one */
			t = once(place, length, (enum way)w, &n);
			if (t < 0 && w != PINNED) {
				errno = (int)-t;
				die(place);
			}
			if (t < 0)
				refused = t;
			else
				samples_add(&took[w], t);
			samples_add(&switches[w], n);
		}
	print_size(place, length, took, switches, refused);
	for (int w = 0; w < _WAY_MAX; w++) {
		samples_clear(&took[w]);
		samples_clear(&switches[w]);
	}
}

/* Files of 1 MiB, registered with one call, or each by verbs. */
static void many_files(const char *place, int *fds)
{
	for (size_t i = 0; i < MANY; i++)
		fds[i] = new_file(place, MIB, SPARSE);
}

static void close_all(const int *fds)
{
	for (size_t i = 0; i < MANY; i++)
		close(fds[i]);
}

static double many_by_verbs(const char *place)
{
	double took = 0;
	int fds[MANY];

	many_files(place, fds);
	for (size_t i = 0; i < MANY; i++) {
		double one = by_verbs(fds[i], MIB, FAR_ACCESS | IBV_ACCESS_ON_DEMAND);

		if (one < 0) {
			errno = (int)-one;
			die(place);
		}
		took += one;
	}
	close_all(fds);
	return took;
}

static double many_by_least(const char *place, enum least_way way)
{
	int fds[MANY];
	double took;

	many_files(place, fds);
	took = by_least(way, fds, MANY);
	close_all(fds);
	return took;
}

static double many_by_daemon(const char *place)
{
	struct rdmareg_register_options options = { .size = sizeof(options), .no_warm = 1 };
	struct rdmareg_register_request requests[MANY] = { 0 };
	struct rdmareg_region *regions[MANY];
	uint64_t ids[MANY];
	double start, took;
	int fds[MANY];

	many_files(place, fds);
	for (size_t i = 0; i < MANY; i++)
		requests[i] = (struct rdmareg_register_request){
			.fd = fds[i], .access = RDMAREG_ACCESS_READ_WRITE, .options = &options
		};
	errno = 0;
	start = now_usec();
	if (rdmareg_register_many(daemon_context, requests, MANY, 0, regions, NULL) < 0)
		die(rdmareg_last_error());
	took = now_usec() - start;
	for (size_t i = 0; i < MANY; i++)
		ids[i] = rdmareg_region_id(regions[i]);
	close_all(fds);
	rdmareg_release_all(daemon_context, ids, MANY, NULL, NULL, NULL);
	for (size_t i = 0; i < MANY; i++)
		rdmareg_region_free(regions[i]);
	return took;
}

static void measure_many(const char *place)
{
	struct samples took[_WAY_MAX] = { 0 };
	char subject[64];

	snprintf(subject, sizeof(subject), "%s, %d regions of 1 MiB", place_name(place), MANY);
	for (unsigned int r = bench_rounds(21); r > 0; r--) {
		samples_add(&took[PING], ping_usec());
		samples_add(&took[ODP], many_by_verbs(place));
		samples_add(&took[REGION], many_by_daemon(place));
		samples_add(&took[KEEPER_ALONE], many_by_least(place, LEAST_KEEPER));
		samples_add(&took[SERVICE_ALONE], many_by_least(place, LEAST_SERVICE));
	}
	print_trips(subject, took, "rdmaregd in one call " ROUND_TRIPS, "<= 4");
	row_ratio(subject, "rdmaregd in one call / raw ODP", &took[REGION], &took[ODP], NULL);
	for (int w = 0; w < _WAY_MAX; w++)
		samples_clear(&took[w]);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 4 * KIB, 64 * KIB, MIB, 16 * MIB, 256 * MIB, 1024 * MIB };

	argc = bench_begin(argc, argv, "P1");
	if (argc < 3) {
		fprintf(stderr, "usage: p1-acquire DEVICE PLACE... [--quick]\n");
		return 2;
	}
	least_start(argv[1]);
	begin(argv[1]);
	for (int place = 2; place < argc; place++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
			if (!quick || sizes[s] <= MIB)
				measure(argv[place], sizes[s]);
	for (int place = 2; place < argc; place++)
		measure_many(argv[place]);
	rdmareg_close(daemon_context);
	return 0;
}
