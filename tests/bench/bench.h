/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench.h - what the benchmark programs share: a clock, samples and their quantiles, files to
 * measure on, and rows.
 *
 * A program measures one figure and writes rows to standard output, one line each, fields separated
 * by tabs:
 *
 *     FIGURE SUBJECT MEASURE VALUE LOW HIGH RUNS UNIT GOAL
 *
 * VALUE is a median, LOW and HIGH the quartiles (both "-" for a single number); UNIT "ratio" is a
 * plain quotient. GOAL is "<= N", ">= N" or "-". A VALUE that is a word says why there is no
 * number. table.py makes docs/benchmarks.md of all rows; nothing else reads them.
 *
 * What always holds: both sides of a ratio were measured in the same process, in turn, round by
 * round; and a ratio of series is the median of the rounds' own ratios, so that a mood of the
 * machine that lasts longer than a round hits both sides alike.
 */
#ifndef RDMAREG_BENCH_H
#define RDMAREG_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define PAGE ((size_t)4096)

/* One measurement after another. Zero-initialized is empty. */
struct samples {
	double *value;
	size_t n;
	size_t allocated;
};

void samples_add(struct samples *s, double value);
/*
 * Between two samples in proportion, so that the median of an even number is not the larger one.
 * Sorts nothing in place. 0 of no samples.
 */
double samples_quantile(const struct samples *s, double q);
void samples_clear(struct samples *s);

double now_usec(void);
/* The processor's time of this program: what others do counts only as far as it empties caches. */
double processor_usec(void);

/* Ends the program; with errno, if that is set, or the library's sentence. */
_Noreturn void die(const char *what);

/*
 * --quick as the last argument: few rounds, small sizes, so that a test can see whether the program
 * still works.
 */
extern bool quick;
/*
 * How often to measure: @usual, but once or twice when quick, and fewer where the environment's
 * RDMAREG_BENCH_SHARE says so: an N-th, two at least. (./run bench --compare runs all of it that
 * much more often.)
 */
unsigned int bench_rounds(unsigned int usual);
/* Removes --quick from the arguments; returns how many are left. */
int bench_begin(int argc, char **argv, const char *figure);

/*
 * Moves the calling thread to where the peer is: to the network name space that the environment's
 * RDMAREG_BENCH_PEER names; to none if that is empty, so that the adapter is its own peer. Without
 * it: to "b", the lab's second node, where there is one.
 */
void go_to_peer(void);

enum fill { SPARSE, DIRTY, ZEROED };
/*
 * A nameless file in @place, a directory, or "memfd". DIRTY: all of it is in the page cache and
 * waits to be written back. ZEROED: all its blocks exist, are on disk and in the page cache.
 */
int new_file(const char *place, size_t length, enum fill fill);
/* The last part of a path: how rows name a filesystem. */
const char *place_name(const char *place);
/* Bytes written since boot to @device, a name of /sys/block. */
double disk_bytes(const char *device);
/* Whether a file of that size fits into the place with a tenth of it left. */
bool place_has(const char *place, size_t length);

void row(const char *subject, const char *measure, const struct samples *s, const char *unit,
	 const char *goal);
void row_number(const char *subject, const char *measure, double value, const char *unit,
		const char *goal);
void row_word(const char *subject, const char *measure, const char *word);
/* Round by round @a / @b. */
void row_ratio(const char *subject, const char *measure, const struct samples *a,
	       const struct samples *b, const char *goal);

#endif
