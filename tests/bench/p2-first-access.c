// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p2-first-access.c - figure P2: what the first access to each page costs right after registration,
 * against the same access a second time.
 *
 *   p2-first-access ADDRESS PLACE... [--quick]
 *
 * Each page of a file whose blocks exist is accessed once, in order, by a peer on the other node;
 * then all again. The second pass is warm by definition. Done with our region (warm, the default;
 * and in warm mode write), with plain ODP, which shows what warming is good for, and pinned, where
 * the kernel allows it. Since the second pass differs, too, from way to way, the first accesses are
 * also compared with each other. The goal is the median's: what the slowest of a hundred take here
 * is the emulator's doing.
 *
 * A file whose pages wait to be written back, as one has that was just written; and for WRITEs one
 * whose pages are on the disk already ("clean"), of which nothing is prefetched for writing, since
 * that would write to the disk what nobody wrote.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "plain.h"
#include "reach.h"

enum direction { READ, WRITE };

enum kind { KIND_REGION, KIND_REGION_WRITE, KIND_ODP, KIND_PINNED, N_KINDS };

static const struct {
	enum way way;
	enum rdmareg_warm_mode mode;
	const char *name;
} kinds[N_KINDS] = {
	[KIND_REGION] = { WAY_REGION, RDMAREG_WARM_UNKNOWN, "rdmaregd" },
	[KIND_REGION_WRITE] = { WAY_REGION, RDMAREG_WARM_WRITE, "rdmaregd, warm mode write" },
	[KIND_ODP] = { WAY_ODP, RDMAREG_WARM_UNKNOWN, "plain odp" },
	[KIND_PINNED] = { WAY_PINNED, RDMAREG_WARM_UNKNOWN, "plain pinned" },
};

struct result {
	struct samples p99, median; /* first / warm, round by round */
	struct samples first;	    /* the median itself, usec */
};

static void pass(struct reach *r, size_t pages, enum direction direction, struct samples *took)
{
	for (size_t i = 0; i < pages; i++)
		samples_add(took, direction == READ ? reach_read(r, PAGE, i * PAGE)
						    : reach_write(r, PAGE, i * PAGE));
}

/* Returns 0, or the refusal. */
static int round_of(const char *place, size_t kind, enum direction direction, bool clean,
		    size_t pages, struct result *result)
{
	int fd = new_file(place, pages * PAGE, clean ? ZEROED : DIRTY), e;
	struct samples first = { 0 }, warm = { 0 };
	struct reach r;

	reach_warm_mode = kinds[kind].mode;
	e = reach_open(&r, kinds[kind].way, fd, pages * PAGE, PAGE);
	close(fd);
	if (e < 0)
		return e;
	pass(&r, pages, direction, &first);
	pass(&r, pages, direction, &warm);
	samples_add(&result->p99, samples_quantile(&first, 0.99) / samples_quantile(&warm, 0.99));
	samples_add(&result->median, samples_quantile(&first, 0.5) / samples_quantile(&warm, 0.5));
	samples_add(&result->first, samples_quantile(&first, 0.5));
	samples_clear(&first);
	samples_clear(&warm);
	reach_close(&r);
	plain_release_all();
	return 0;
}

static void measure(const char *place, enum direction direction, bool clean)
{
	struct result results[N_KINDS] = { 0 };
	int refused[N_KINDS] = { 0 };
	int rounds = (int)bench_rounds(17);
	char subject[64], measure[96];

	for (int i = 0; i < rounds; i++)
		for (size_t w = 0; w < N_KINDS; w++)
			if (!refused[w])
				refused[w] = round_of(place, w, direction, clean, quick ? 64 : 1024,
						      &results[w]);
	snprintf(subject, sizeof(subject), "%s%s, %s of 4 KiB", place_name(place),
		 clean ? ", clean" : "", direction == READ ? "READ" : "WRITE");
	for (size_t w = 0; w < N_KINDS; w++) {
		snprintf(measure, sizeof(measure), "%s: p99 of first / p99 of warm", kinds[w].name);
		if (refused[w]) {
			row_word(subject, measure, strerrorname_np(-refused[w]));
			continue;
		}
		row(subject, measure, &results[w].p99, "ratio", NULL);
		snprintf(measure, sizeof(measure), "%s: median of first / median of warm",
			 kinds[w].name);
		row(subject, measure, &results[w].median, "ratio",
		    kinds[w].way == WAY_REGION ? "<= 1.2" : NULL);
		if (kinds[w].way != WAY_REGION)
			continue;
		snprintf(measure, sizeof(measure), "%s: median of first / the same with plain odp",
			 kinds[w].name);
		row_ratio(subject, measure, &results[w].first, &results[KIND_ODP].first, NULL);
	}
	for (size_t w = 0; w < N_KINDS; w++) {
		samples_clear(&results[w].p99);
		samples_clear(&results[w].median);
		samples_clear(&results[w].first);
	}
}

int main(int argc, char **argv)
{
	argc = bench_begin(argc, argv, "P2");
	if (argc < 3) {
		fprintf(stderr, "usage: p2-first-access ADDRESS PLACE... [--quick]\n");
		return 2;
	}
	plain_start(argv[1]);
	for (int i = 2; i < argc; i++) {
		measure(argv[i], READ, false);
		measure(argv[i], WRITE, false);
		if (strcmp(argv[i], "memfd"))
			measure(argv[i], WRITE, true);
	}
	return 0;
}
