// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p3-sync.c - figure P3: a peer writes 4 KiB at random places while somebody syncs the filesystem
 * once a second, which takes write access away from every page that was written. Our region, in
 * each mode of its warm engine, against plain ODP.
 *
 *   p3-sync ADDRESS PLACE BLOCKDEVICE... [--quick]     pairs of them; BLOCKDEVICE "-": not counted
 *
 * Two patterns: "wide", where most writes between two syncs hit a page for the first time, so that
 * faults dominate, and "hot", a small range where they do not. For each way in turn, in each round
 * another one first: register, write every page once, then a slice of time that counts. What
 * reached the disk is what /sys/block/DEVICE/stat says, from before the slice to after a last sync,
 * for each byte that the peer wrote in it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "plain.h"
#include "reach.h"

#define FILE_PAGES 8192u
#define HOT_PAGES 256u

/* The default first; plain ODP is the last one: what the others are compared with. */
static const char *const modes[] = { "adaptive", "off", "read", "write", NULL };
/* of each mode: writes a second / those of plain ODP */
static const char *const goals[] = { ">= 1", ">= 0.98", NULL, NULL };
#define N_SERIES (sizeof(modes) / sizeof(*modes))
#define PLAIN (N_SERIES - 1)

struct series {
	struct samples rate, p99, disk;
	bool skipped;
};

struct syncer {
	int fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop_changed;
	bool stop;
};

static void *sync_each_second(void *argument)
{
	struct syncer *s = argument;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		next.tv_sec++;
		while (!s->stop && !pthread_cond_timedwait(&s->stop_changed, &s->lock, &next))
			;
		if (!s->stop)
			syncfs(s->fd);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void syncer_start(struct syncer *s, int fd)
{
	pthread_condattr_t attr;

	*s = (struct syncer){ .fd = fd };
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->stop_changed, &attr);
	if (pthread_create(&s->thread, NULL, sync_each_second, s))
		die("thread");
}

static void syncer_end(struct syncer *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->stop_changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
}

/* False: this rdmaregctl knows no such mode. */
static bool set_mode(struct reach *r, const char *mode)
{
	char command[160];

	snprintf(command, sizeof(command), "rdmaregctl set %llu --warm-mode %s >/dev/null 2>&1",
		 (unsigned long long)rdmareg_region_id(r->region), mode);
	return system(command) == 0;
}

static void slice(struct reach *r, int fd, const char *device, unsigned int pages, struct series *s)
{
	double length = quick ? 1.5e6 : 2.3e6, start, disk, bytes = 0;
	struct samples took = { 0 };
	struct syncer syncer;
	unsigned int seed = 1;

	for (unsigned int i = 0; i < pages; i++)
		reach_write(r, PAGE, i * PAGE);
	syncfs(fd);
	disk = strcmp(device, "-") ? disk_bytes(device) : 0;
	syncer_start(&syncer, fd);
	start = now_usec();
	while (now_usec() - start < length) {
		samples_add(&took,
			    reach_write(r, PAGE,
					(uint64_t)((unsigned int)rand_r(&seed) % pages) * PAGE));
		bytes += (double)PAGE;
	}
	length = now_usec() - start;
	syncer_end(&syncer);
	syncfs(fd);
	samples_add(&s->rate, (double)took.n / length);
	samples_add(&s->p99, samples_quantile(&took, 0.99));
	if (strcmp(device, "-"))
		samples_add(&s->disk, (disk_bytes(device) - disk) / bytes);
	samples_clear(&took);
}

static void round_of(const char *place, const char *device, unsigned int pages, size_t which,
		     struct series *s)
{
	size_t length = (quick ? HOT_PAGES : FILE_PAGES) * PAGE;
	int fd = new_file(place, length, ZEROED), e;
	struct reach r;

	e = reach_open(&r, which == PLAIN ? WAY_ODP : WAY_REGION, fd, length, PAGE);
	if (e < 0) {
		errno = -e;
		die(place);
	}
	if (which == PLAIN || set_mode(&r, modes[which]))
		slice(&r, fd, device, pages, s);
	else
		s->skipped = true;
	reach_close(&r);
	plain_release_all();
	close(fd);
}

static void print(const char *subject, const struct series *series)
{
	const struct series *plain = &series[PLAIN];
	char what[96];

	for (size_t i = 0; i < PLAIN; i++) {
		const struct series *s = &series[i];
		bool counts = i == 0;

		snprintf(what, sizeof(what), "writes a second, warm mode %s / plain odp", modes[i]);
		if (s->skipped) {
			row_word(subject, what, "no such mode yet");
			continue;
		}
		row_ratio(subject, what, &s->rate, &plain->rate, goals[i]);
		snprintf(what, sizeof(what), "p99, warm mode %s / plain odp", modes[i]);
		row_ratio(subject, what, &s->p99, &plain->p99, NULL);
		if (!s->disk.n)
			continue;
		snprintf(what, sizeof(what),
			 "bytes to disk per byte written, warm mode %s / plain odp", modes[i]);
		row_ratio(subject, what, &s->disk, &plain->disk, counts ? "<= 1.05" : NULL);
	}
}

static void measure(const char *place, const char *device, bool wide)
{
	struct series series[N_SERIES] = { 0 };
	size_t rounds = quick ? 1 : bench_rounds(2 * N_SERIES);
	char subject[64];

	for (size_t i = 0; i < rounds; i++)
		for (size_t n = 0; n < N_SERIES; n++) {
			size_t w = (i + n) % N_SERIES;

			if (!series[w].skipped)
				round_of(place, device, wide && !quick ? FILE_PAGES : HOT_PAGES, w,
					 &series[w]);
		}
	snprintf(subject, sizeof(subject), "%s, %s", place_name(place),
		 wide ? "wide (32 MiB)" : "hot (1 MiB)");
	print(subject, series);
	for (size_t w = 0; w < N_SERIES; w++) {
		samples_clear(&series[w].rate);
		samples_clear(&series[w].p99);
		samples_clear(&series[w].disk);
	}
}

int main(int argc, char **argv)
{
	argc = bench_begin(argc, argv, "P3");
	if (argc < 4 || argc % 2) {
		fprintf(stderr, "usage: p3-sync ADDRESS PLACE BLOCKDEVICE... [--quick]\n");
		return 2;
	}
	plain_start(argv[1]);
	for (int i = 2; i < argc; i += 2) {
		measure(argv[i], argv[i + 1], true);
		measure(argv[i], argv[i + 1], false);
	}
	return 0;
}
