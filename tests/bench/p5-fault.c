// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p5-fault.c - figure P5: what warm translations are worth where a fault of the adapter costs F
 * packets more (fault.h). Two kinds of peers: one that accesses each page for the first time, and
 * one that writes to a file in the patterns of docs/warm.md, with a sync after each round. Our
 * region, in each mode of its warm engine, against plain ODP and pinned memory.
 *
 *   p5-fault ADDRESS PLACE BLOCKDEVICE... [--quick]    pairs of them; BLOCKDEVICE "-": not counted
 *
 * A round is what a pattern says, written page by page in order, then a sync, then quiet until the
 * next round is due. The sync is due when even plain ODP can have written everything, so syncs are
 * equally far apart however long the writes take, as they are where a clock makes them; in the
 * pattern "whole, sync at once" it follows the last write. What counts is the time of the writes
 * themselves; the rounds in which the engine learns what the peer does do not count: some periods
 * of the pattern. Each way in turn, in each repetition another one first. "Pinned" is memory without a
 * file, since the kernel pins none: what no fault at all would be.
 *
 * What reached the disk is what /sys/block/DEVICE/stat says, for each byte that the peer wrote.
 *
 * What always holds: all ways see the same pattern, the same pause and the same cost of a fault.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "fault.h"
#include "plain.h"
#include "reach.h"

#define PAGES 8u
#define LEARNING 4u /* periods of the pattern */
#define COUNTED 24u /* rounds at least, and ... */
#define PERIODS 8u  /* ... periods at least */
#define REPETITIONS 3u
/*
 * After a sync at least: the engine waits for 50 ms of quiet, and brings back what it does; and what
 * comes within 200 ms is one round to it.
 */
#define PAUSE_USEC 25e4

enum kind { ADAPTIVE, OFF, READ, WRITE, PLAIN, PINNED, N_KINDS };

static const struct {
	const char *name;
	enum rdmareg_warm_mode mode;
	enum way way;
} kinds[N_KINDS] = {
	[ADAPTIVE] = { "adaptive", RDMAREG_WARM_ADAPTIVE, WAY_REGION },
	[OFF] = { "off", RDMAREG_WARM_OFF, WAY_REGION },
	[READ] = { "read", RDMAREG_WARM_READ, WAY_REGION },
	[WRITE] = { "write", RDMAREG_WARM_WRITE, WAY_REGION },
	[PLAIN] = { "plain odp", RDMAREG_WARM_UNKNOWN, WAY_ODP },
	[PINNED] = { "pinned memory", RDMAREG_WARM_UNKNOWN, WAY_PINNED },
};

enum pattern {
	WHOLE,
	AT_ONCE,
	EVERY_SECOND,
	EVERY_EIGHTH,
	HALVES,
	DENSE,
	TENTHS,
	STOPS,
	SAME,
	N_PATTERNS
};

static const char *const patterns[N_PATTERNS] = { "whole",
						  "whole, sync at once",
						  "every second",
						  "every eighth",
						  "every other page",
						  "two pages of three",
						  "one page of ten",
						  "stops",
						  "the same bytes" };

struct series {
	struct samples rate, p99, disk;
};

/* In rounds. */
static unsigned int period_of(enum pattern pattern)
{
	return pattern == EVERY_EIGHTH ? 8 : pattern == EVERY_SECOND ? 2 : 1;
}

/* The rounds before those that count. */
static unsigned int learning(enum pattern pattern)
{
	return LEARNING * period_of(pattern);
}

static unsigned int counted(enum pattern pattern)
{
	unsigned int rounds = PERIODS * period_of(pattern);

	return rounds < COUNTED ? COUNTED : rounds;
}

/* Whether the peer writes that page in that round. */
static bool writes(enum pattern pattern, unsigned int round, unsigned int page, unsigned int *seed)
{
	switch (pattern) {
	case EVERY_SECOND:
	case EVERY_EIGHTH:
		return round % period_of(pattern) == 0;
	case HALVES:
		return page % 2 == 0;
	case DENSE:
		return rand_r(seed) % 3 != 0;
	case TENTHS:
		return rand_r(seed) % 10 == 0;
	case STOPS: /* but for one page, or there were nothing to measure */
		return round < learning(pattern) + COUNTED / 2 || page == 0;
	default:
		return true;
	}
}

/* Microseconds since boot; returns at once if that is over. */
static void await(int timer, double when)
{
	struct itimerspec t = { 0 };
	uint64_t n;

	t.it_value.tv_sec = (time_t)(when / 1e6);
	t.it_value.tv_nsec = (long)(when - (double)t.it_value.tv_sec * 1e6) * 1000;
	if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL) ||
	    read(timer, &n, sizeof(n)) != sizeof(n))
		die("timer");
}

/* How long the writes of a round have: a quarter more than they take if all of them fault. */
static double writes_usec(unsigned int cost)
{
	return 1.25 * PAGES * (cost + 2) * fault_packet_usec();
}

/* How long it is quiet after its sync: also for bringing back, which costs as a fault does. */
static double pause_usec(unsigned int cost)
{
	return PAUSE_USEC + 2.0 * cost * fault_packet_usec();
}

static void slice(struct reach *r, int fd, const char *device, enum pattern pattern,
		  unsigned int cost, struct series *s)
{
	unsigned int before = learning(pattern), seed = 1;
	unsigned int rounds = before + (quick ? 2 : counted(pattern));
	double begin, busy = 0, disk = 0, period = writes_usec(cost) + pause_usec(cost);
	struct samples took = { 0 };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (timer < 0)
		die("timer");
	begin = now_usec() + period; /* a sync just before would make all later ones look late */
	for (unsigned int round = 0; round < rounds; round++, begin += period) {
		await(timer, begin);
		if (round == before && device)
			disk = disk_bytes(device);
		for (unsigned int i = 0; i < PAGES; i++) {
			double usec;

			if (!writes(pattern, round, i, &seed))
				continue;
			usec = reach_write(r, PAGE, i * PAGE);
			if (round < before)
				continue;
			samples_add(&took, usec);
			busy += usec;
		}
		if (pattern != AT_ONCE)
			await(timer, begin + writes_usec(cost));
		syncfs(fd);
	}
	close(timer);
	if (!took.n)
		die("nothing was written");
	samples_add(&s->rate, (double)took.n / busy);
	samples_add(&s->p99, samples_quantile(&took, 0.99));
	if (device)
		samples_add(&s->disk,
			    (disk_bytes(device) - disk) / ((double)took.n * (double)PAGE));
	samples_clear(&took);
}

/* All of a new file, on an adapter whose faults cost what they do by themselves. */
static int begin(struct reach *r, const char *place, enum kind kind)
{
	int fd = new_file(kinds[kind].way == WAY_PINNED ? "memfd" : place, PAGES * PAGE, ZEROED), e;

	reach_warm_mode = kinds[kind].mode;
	e = reach_open(r, kinds[kind].way, fd, PAGES * PAGE, PAGE);
	if (e < 0) {
		errno = -e;
		die(place);
	}
	return fd;
}

static void end(struct reach *r, int fd)
{
	fault_set(0);
	reach_close(r);
	plain_release_all();
	close(fd);
}

static void one(const char *place, const char *device, enum pattern pattern, unsigned int cost,
		enum kind kind, struct series *s)
{
	struct reach r;
	int fd = begin(&r, place, kind);

	for (unsigned int i = 0; i < PAGES; i++)
		reach_write(&r, PAGE, i * PAGE);
	r.same = pattern == SAME;
	syncfs(fd);
	fault_set(cost);
	slice(&r, fd, kinds[kind].way == WAY_PINNED || !strcmp(device, "-") ? NULL : device,
	      pattern, cost, s);
	end(&r, fd);
}

/* The median of the first accesses, each page once. */
static void first(const char *place, bool write, unsigned int cost, enum kind kind,
		  struct samples *ret)
{
	struct samples took = { 0 };
	struct reach r;
	int fd = begin(&r, place, kind);

	fault_set(cost);
	for (unsigned int i = 0; i < PAGES; i++)
		samples_add(&took, write ? reach_write(&r, PAGE, i * PAGE)
					 : reach_read(&r, PAGE, i * PAGE));
	samples_add(ret, samples_quantile(&took, 0.5));
	samples_clear(&took);
	end(&r, fd);
}

/* With each kind that differs in it: those between adaptive and write prefetch as it does. */
static void measure_first(const char *place, bool write, unsigned int cost)
{
	static const enum kind measured[] = { ADAPTIVE, WRITE, PLAIN, PINNED };
	struct samples median[N_KINDS] = { 0 };
	char subject[96];

	for (unsigned int i = 0; i < (quick ? 1 : bench_rounds(3 * REPETITIONS)); i++)
		for (unsigned int n = 0; n < 4; n++) {
			enum kind kind = measured[(i + n) % 4];

			first(place, write, cost, kind, &median[kind]);
		}
	for (unsigned int n = 0; n < 3; n++) {
		snprintf(subject, sizeof(subject), "%s, %s, F %u", place_name(place),
			 kinds[measured[n]].name, cost);
		row_ratio(subject,
			  write ? "first WRITE of a page / of pinned memory"
				: "first READ of a page / of pinned memory",
			  &median[measured[n]], &median[PINNED],
			  measured[n] == PLAIN || (write && measured[n] == ADAPTIVE) ? NULL
										     : "<= 1.2");
	}
	for (size_t k = 0; k < N_KINDS; k++)
		samples_clear(&median[k]);
}

static const char *goal_of(enum pattern pattern, unsigned int cost, enum kind kind)
{
	if (kind != ADAPTIVE)
		return NULL;
	if (pattern != WHOLE || !cost)
		return ">= 0.98";
	return cost < 100 ? ">= 1.5" : ">= 5";
}

static void print(const char *place, enum pattern pattern, unsigned int cost,
		  const struct series *series)
{
	const struct series *plain = &series[PLAIN];
	char subject[96];

	for (size_t k = 0; k < N_KINDS; k++) {
		const struct series *s = &series[k];

		if (k == PLAIN || !s->rate.n)
			continue;
		if (pattern == WHOLE)
			snprintf(subject, sizeof(subject), "%s, %s, F %u", place, kinds[k].name,
				 cost);
		else
			snprintf(subject, sizeof(subject), "%s, F = %u, peer writes %s", place,
				 cost, patterns[pattern]);
		row_ratio(subject, "writes a second / plain odp", &s->rate, &plain->rate,
			  goal_of(pattern, cost, (enum kind)k));
		if (pattern == WHOLE && k != PINNED)
			row_ratio(subject, "p99 / p99 of pinned memory", &s->p99,
				  &series[PINNED].p99,
				  k == ADAPTIVE || k == WRITE ? "<= 1.2" : NULL);
		if (s->disk.n)
			row_ratio(subject, "bytes to disk per byte written / plain odp", &s->disk,
				  &plain->disk, k == ADAPTIVE ? "<= 1.05" : NULL);
	}
}

/* Everything with all ways; the other patterns are there to see that adaptive does no harm. */
static bool is_measured(enum pattern pattern, enum kind kind)
{
	return pattern == WHOLE || kind == ADAPTIVE || kind == PLAIN;
}

static void measure(const char *place, const char *device, enum pattern pattern, unsigned int cost)
{
	struct series series[N_KINDS] = { 0 };
	unsigned int repetitions = quick ? 1 : bench_rounds(REPETITIONS);

	for (unsigned int i = 0; i < repetitions; i++)
		for (unsigned int n = 0; n < N_KINDS; n++) {
			enum kind kind = (enum kind)((i + n) % N_KINDS);

			if (is_measured(pattern, kind))
				one(place, device, pattern, cost, kind, &series[kind]);
		}
	print(place_name(place), pattern, cost, series);
	for (size_t k = 0; k < N_KINDS; k++) {
		samples_clear(&series[k].rate);
		samples_clear(&series[k].p99);
		samples_clear(&series[k].disk);
	}
}

/* That adaptive does no harm is seen where a fault costs something, and not only everything. */
static void measure_place(const char *place, const char *device)
{
	const size_t costs = quick ? 2 : FAULT_COSTS;

	for (size_t c = 0; c < costs; c++)
		measure(place, device, WHOLE, fault_costs[c]);
	for (size_t c = 0; c < costs; c++) {
		measure_first(place, false, fault_costs[c]);
		measure_first(place, true, fault_costs[c]);
	}
	for (size_t m = WHOLE + 1; m < (quick ? 0 : N_PATTERNS); m++)
		measure(place, device, (enum pattern)m, fault_costs[1]);
}

/* A keeper that has nothing to do ends, and the next region waits for another one. */
static void keep_keeper(void)
{
	static struct reach r;
	int fd = new_file("memfd", PAGE, ZEROED);

	if (reach_open(&r, WAY_REGION, fd, PAGE, PAGE) < 0)
		die("a region that keeps its keeper");
	close(fd);
}

int main(int argc, char **argv)
{
	argc = bench_begin(argc, argv, "P5");
	if (argc < 4 || argc % 2) {
		fprintf(stderr, "usage: p5-fault ADDRESS PLACE BLOCKDEVICE... [--quick]\n");
		return 2;
	}
	plain_start(argv[1]);
	fault_start();
	keep_keeper();
	for (int i = 2; i < argc; i += 2)
		measure_place(argv[i], argv[i + 1]);
	return 0;
}
