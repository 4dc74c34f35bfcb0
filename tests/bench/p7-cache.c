// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p7-cache.c - figure P7: rdmaregd beside libfabric's registration cache, in each kind that Debian's
 * build has and one with a monitor of ours (cache.h). What registering costs; what becomes of a
 * peer's writes when another process takes the file's blocks; what stays pinned.
 *
 *   p7-cache ADDRESS PLACE... [--quick]     ADDRESS of node a; PLACE also "memfd" or "anonymous"
 *
 * A miss is a registration that the cache has to make, of pages that are all there; a hit one that
 * was closed just before and is asked for again. rdmaregd registers files, so what it does for
 * anonymous memory is what it does for a memfd.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "p7.h"

#define REGION_NAME "bench-p7"

struct cache p7_caches[_CACHE_MAX];
struct rdmareg *p7_owner;

void p7_fail(void)
{
	errno = 0;
	die(rdmareg_last_error());
}

static bool is_file(const char *place)
{
	return strcmp(place, "anonymous") != 0;
}

static int own_file(const char *place, size_t length)
{
	return new_file(is_file(place) ? place : "memfd", length, ZEROED);
}

struct rdmareg_region *p7_register(int fd)
{
	struct rdmareg_register_options options = { .size = sizeof(options),
						    .grace_usec = 5000000, /* a busy machine's */
						    .name = REGION_NAME };
	struct rdmareg_region *region;

	if (rdmareg_register(p7_owner, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options, &region) < 0)
		p7_fail();
	return region;
}

void p7_end(struct rdmareg_region *region)
{
	if (rdmareg_release(region) < 0)
		p7_fail();
	rdmareg_region_free(region);
}

/* --- registering */

struct registering {
	struct samples miss[_CACHE_MAX], hit[_CACHE_MAX];
	int refused[_CACHE_MAX];
	struct samples anew, again, found;
};

static void once_by_cache(enum cache_kind kind, const char *place, size_t length,
			  struct registering *r)
{
	int fd = is_file(place) ? own_file(place, length) : -1;
	struct cache *c = &p7_caches[kind];
	uint64_t key;

	cache_map(c, fd, length);
	r->refused[kind] = cache_register(c);
	if (!r->refused[kind]) {
		samples_add(&r->miss[kind], c->usec);
		key = c->key;
		cache_close(c);
		errno = 0;
		if (cache_register(c) || c->key != key)
			die("what was just closed is not in the cache");
		samples_add(&r->hit[kind], c->usec);
		cache_close(c);
	}
	cache_unmap(c);
	if (fd >= 0)
		close(fd);
}

/* What an owner looks at before the region is used once more. */
static void look_at(struct rdmareg_region *region)
{
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_event event = { .size = sizeof(event) };

	if (rdmareg_dispatch(p7_owner) < 0)
		p7_fail();
	while (rdmareg_next_event(p7_owner, &event) > 0)
		;
	if (rdmareg_region_get_info(region, &info) < 0 || info.state != RDMAREG_STATE_LIVE)
		die("a region that nobody took is not live");
}

/* By a program that has just been started. */
static void look_up(void)
{
	struct rdmareg *context;
	struct rdmareg_region *region;

	if (rdmareg_open(NULL, &context) < 0 ||
	    rdmareg_lookup_name(context, (uint32_t)-1, NULL, REGION_NAME, &region) < 0)
		p7_fail();
	rdmareg_region_free(region);
	rdmareg_close(context);
}

static void once_by_daemon(const char *place, size_t length, struct registering *r)
{
	int fd = own_file(place, length);
	double start = now_usec();
	struct rdmareg_region *region = p7_register(fd);

	samples_add(&r->anew, now_usec() - start);
	look_at(region);
	start = now_usec();
	look_at(region);
	samples_add(&r->again, now_usec() - start);
	start = now_usec();
	look_up();
	samples_add(&r->found, now_usec() - start);
	p7_end(region);
	close(fd);
}

static void print_registering(const char *place, size_t length, const struct registering *r)
{
	/* what is the same with all kinds is shown for the default, or where that cannot be had */
	const int shown = r->refused[CACHE_MEMHOOKS] ? CACHE_ODP : CACHE_MEMHOOKS;
	char subject[64], measure[128];

	snprintf(subject, sizeof(subject), "%s, %zu MiB", place_name(place), length / MIB);
	for (int k = 0; k < _CACHE_MAX; k++) {
		snprintf(measure, sizeof(measure), "%s: a miss / rdmaregd: a new region",
			 cache_names[k]);
		if (r->refused[k])
			row_word(subject, measure, strerrorname_np(-r->refused[k]));
		else
			row_ratio(subject, measure, &r->miss[k], &r->anew, NULL);
	}
	for (int k = 0; k < _CACHE_MAX; k++) {
		snprintf(measure, sizeof(measure),
			 "rdmaregd: a look at the region once more / %s: a hit", cache_names[k]);
		if (r->hit[k].n && (k == shown || k == CACHE_WATCHES))
			row_ratio(subject, measure, &r->again, &r->hit[k], NULL);
	}
	snprintf(measure, sizeof(measure),
		 "rdmaregd: connecting and finding it by name / %s: a miss", cache_names[shown]);
	row_ratio(subject, measure, &r->found, &r->miss[shown], NULL);
}

static void measure_registering(const char *place, size_t length)
{
	struct registering r = { 0 };

	for (unsigned int left = bench_rounds(11); left > 0; left--) {
		once_by_daemon(place, length, &r);
		for (int k = 0; k < _CACHE_MAX; k++)
			if (!r.refused[k])
				once_by_cache((enum cache_kind)k, place, length, &r);
	}
	print_registering(place, length, &r);
	for (int k = 0; k < _CACHE_MAX; k++) {
		samples_clear(&r.miss[k]);
		samples_clear(&r.hit[k]);
	}
	samples_clear(&r.anew);
	samples_clear(&r.again);
	samples_clear(&r.found);
}

/* --- what stays pinned */

static double pinned_mib(const char *process)
{
	unsigned long long kib = 0;
	char path[300], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", process);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "VmPin: %llu", &kib) != 1)
		;
	if (f)
		fclose(f);
	return (double)kib / 1024;
}

/* Of the daemon and all keepers. */
static double pinned_by_product(void)
{
	DIR *processes = opendir("/proc");
	struct dirent *d;
	double sum = 0;

	while (processes && (d = readdir(processes))) {
		char path[300], name[32] = "";
		FILE *f;

		if (!isdigit((unsigned char)*d->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		f = fopen(path, "re");
		if (f && fgets(name, sizeof(name), f) && !strncmp(name, "rdmareg", 7))
			sum += pinned_mib(d->d_name);
		if (f)
			fclose(f);
	}
	if (!processes)
		die("/proc");
	closedir(processes);
	return sum;
}

static void print_pinned(size_t length, const char *name, double mib, const char *goal)
{
	char subject[64], measure[96];

	snprintf(subject, sizeof(subject), "memfd, %zu MiB, nobody uses it now", length / MIB);
	snprintf(measure, sizeof(measure), "%s: stays pinned", name);
	row_number(subject, measure, mib, "MiB", goal);
}

static void measure_pinned(size_t length)
{
	double before = pinned_by_product();
	int fd = own_file("memfd", length);
	struct rdmareg_region *region = p7_register(fd);

	print_pinned(length, "rdmaregd", pinned_by_product() - before, "<= 0");
	p7_end(region);
	for (int k = 0; k < _CACHE_MAX; k++) {
		char process[16];

		snprintf(process, sizeof(process), "%d", p7_caches[k].process);
		before = pinned_mib(process);
		cache_map(&p7_caches[k], fd, length);
		if (cache_register(&p7_caches[k]))
			die("registering a memfd");
		cache_close(&p7_caches[k]);
		print_pinned(length, cache_names[k], pinned_mib(process) - before, NULL);
		cache_unmap(&p7_caches[k]);
	}
	close(fd);
}

/* A keeper that has nothing to do ends, and the next region waits for another one. */
static void keep_keeper(void)
{
	struct rdmareg_region *region;
	int fd = new_file("memfd", PAGE, ZEROED);

	if (rdmareg_register(p7_owner, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, NULL, &region) < 0)
		p7_fail();
	rdmareg_region_free(region); /* it lives as long as the connection */
	close(fd);
}

int main(int argc, char **argv)
{
	argc = bench_begin(argc, argv, "P7");
	if (argc < 3) {
		fprintf(stderr, "usage: p7-cache ADDRESS PLACE... [--quick]\n");
		return 2;
	}
	for (int k = 0; k < _CACHE_MAX; k++)
		cache_start(&p7_caches[k], (enum cache_kind)k, argv[1]);
	go_to_peer();
	errno = 0;
	if (rdmareg_open(NULL, &p7_owner) < 0)
		p7_fail();
	keep_keeper();
	for (int i = 2; i < argc; i++) {
		measure_registering(argv[i], MIB);
		if (!quick)
			measure_registering(argv[i], 16 * MIB);
	}
	for (int i = 2; i < argc; i++)
		if (is_file(argv[i]))
			p7_measure_harm(argv[i]);
	measure_pinned(quick ? MIB : 16 * MIB);
	rdmareg_close(p7_owner);
	return 0;
}
