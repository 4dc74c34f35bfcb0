// SPDX-License-Identifier: GPL-2.0-or-later
/* bench.c - see bench.h. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

bool quick;
static const char *figure_name = "?";

void samples_add(struct samples *s, double value)
{
	if (s->n == s->allocated) {
		s->allocated = s->allocated ? 2 * s->allocated : 64;
		s->value = reallocarray(s->value, s->allocated, sizeof(*s->value));
		if (!s->value)
			die("memory for samples");
	}
	s->value[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double samples_quantile(const struct samples *s, double q)
{
	double *sorted, value, place;
	size_t below;

	if (!s->n)
		return 0;
	sorted = malloc(s->n * sizeof(*sorted));
	if (!sorted)
		die("memory for samples");
	memcpy(sorted, s->value, s->n * sizeof(*sorted));
	qsort(sorted, s->n, sizeof(*sorted), compare);
	place = (double)(s->n - 1) * q;
	below = (size_t)place;
	value = sorted[below];
	if (below + 1 < s->n)
		value += (place - (double)below) * (sorted[below + 1] - value);
	free(sorted);
	return value;
}

void samples_clear(struct samples *s)
{
	free(s->value);
	*s = (struct samples){ 0 };
}

static double usec_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

double now_usec(void)
{
	return usec_of(CLOCK_MONOTONIC);
}

double processor_usec(void)
{
	return usec_of(CLOCK_PROCESS_CPUTIME_ID);
}

void die(const char *what)
{
	fprintf(stderr, "bench %s: %s%s%s\n", figure_name, what, errno ? ": " : "",
		errno ? strerror(errno) : "");
	exit(1);
}

int bench_begin(int argc, char **argv, const char *figure)
{
	figure_name = figure;
	setvbuf(stdout, NULL, _IOLBF, 0);
	quick = argc > 1 && !strcmp(argv[argc - 1], "--quick");
	if (quick)
		argv[--argc] = NULL;
	return argc;
}

void go_to_peer(void)
{
	const char *name = getenv("RDMAREG_BENCH_PEER");
	char path[128];
	int space;

	if (name && !*name)
		return;
	snprintf(path, sizeof(path), "/run/netns/%s", name ? name : "b");
	space = open(path, O_RDONLY | O_CLOEXEC);
	if (space < 0 && !name)
		return;
	if (space < 0 || setns(space, CLONE_NEWNET))
		die(path);
	close(space);
}

unsigned int bench_rounds(unsigned int usual)
{
	const char *share = getenv("RDMAREG_BENCH_SHARE");
	unsigned int n = share ? (unsigned int)atoi(share) : 1, rounds = n > 1 ? usual / n : usual;

	if (quick)
		return usual > 2 ? 2 : 1;
	return rounds > 2 ? rounds : usual < 2 ? usual : 2;
}

static void fill_with_zeroes(int fd, size_t length)
{
	static const char zeroes[64 * 1024];

	for (size_t at = 0; at < length;) {
		size_t want = length - at < sizeof(zeroes) ? length - at : sizeof(zeroes);
		ssize_t n = pwrite(fd, zeroes, want, (off_t)at);

		if (n <= 0)
			die("filling a file");
		at += (size_t)n;
	}
}

int new_file(const char *place, size_t length, enum fill fill)
{
	int fd = strcmp(place, "memfd") ? open(place, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
					: memfd_create("bench", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)length))
		die(place);
	if (fill != SPARSE)
		fill_with_zeroes(fd, length);
	if (fill == ZEROED && fsync(fd))
		die("fsync");
	return fd;
}

const char *place_name(const char *place)
{
	const char *slash = strrchr(place, '/');

	return slash ? slash + 1 : place;
}

double disk_bytes(const char *device)
{
	char path[128];
	unsigned long long sectors = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", device);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%*u %*u %*u %*u %*u %*u %llu", &sectors) != 1)
		die(path);
	fclose(f);
	return (double)sectors * 512;
}

static double available_memory(void)
{
	unsigned long long kib = 0;
	char line[256];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "MemAvailable: %llu", &kib) != 1)
		;
	if (!f || !kib)
		die("/proc/meminfo");
	fclose(f);
	return (double)kib * 1024;
}

bool place_has(const char *place, size_t length)
{
	struct statfs fs;

	if (!strcmp(place, "memfd"))
		return (double)length * 1.1 < available_memory();
	if (statfs(place, &fs))
		die(place);
	return (double)length * 1.1 < (double)fs.f_bavail * (double)fs.f_bsize;
}

static void print_row(const char *subject, const char *measure, double value, double low,
		      double high, size_t n, const char *unit, const char *goal)
{
	printf("%s\t%s\t%s\t%.4g\t%.4g\t%.4g\t%zu\t%s\t%s\n", figure_name, subject, measure, value,
	       low, high, n, unit, goal ? goal : "-");
}

void row(const char *subject, const char *measure, const struct samples *s, const char *unit,
	 const char *goal)
{
	print_row(subject, measure, samples_quantile(s, 0.5), samples_quantile(s, 0.25),
		  samples_quantile(s, 0.75), s->n, unit, goal);
}

void row_number(const char *subject, const char *measure, double value, const char *unit,
		const char *goal)
{
	printf("%s\t%s\t%s\t%.4g\t-\t-\t1\t%s\t%s\n", figure_name, subject, measure, value, unit,
	       goal ? goal : "-");
}

void row_word(const char *subject, const char *measure, const char *word)
{
	printf("%s\t%s\t%s\t%s\t-\t-\t0\t-\t-\n", figure_name, subject, measure, word);
}

void row_ratio(const char *subject, const char *measure, const struct samples *a,
	       const struct samples *b, const char *goal)
{
	struct samples ratio = { 0 };

	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (b->value[i] > 0)
			samples_add(&ratio, a->value[i] / b->value[i]);
	row(subject, measure, &ratio, "ratio", goal);
	samples_clear(&ratio);
}
