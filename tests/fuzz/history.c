// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * history.c - what the daemon remembers for people: regions that come and go, and what happened to
 * them, beside a list of all of it.
 *
 * Measured: daemon/history/history.c
 *
 * Events come in the order of their numbers, each as it was added, and only those that the filter
 * lets through. The last ones of the machine are all there, and so are the last ones of each region
 * that lives.
 */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

#include "bytes.h"
#include "history/history.h"

#define REGIONS 6u
#define EVENTS 2000u /* fewer than the machine's ring has: none is lost there */

struct known {
	uint64_t sequence, region, value;
	uint32_t uid;
};

static struct history *h;
static struct history_region *regions[REGIONS];
static uint64_t numbers[REGIONS], next_number;
static struct known known[EVENTS];
static size_t n_known;

static uint32_t uid_of(size_t place)
{
	return 1000 + place % 3;
}

static void begin(size_t place)
{
	if (regions[place])
		return;
	numbers[place] = ++next_number;
	assert(history_begin(h, numbers[place], uid_of(place), "default", place % 2 ? "n" : NULL, 1,
			     place, place % 2 ? "/a" : NULL, &regions[place]) == 0);
}

static void add(size_t place)
{
	struct history_event e = { .kind = HISTORY_SETTLED, .real_usec = 1, .uid = ASKER_NO_UID };

	if (n_known == EVENTS || !regions[place])
		return;
	e.revocation = n_known + 1;
	known[n_known] = (struct known){ .region = numbers[place],
					 .value = e.revocation,
					 .uid = uid_of(place) };
	known[n_known].sequence = history_add(h, regions[place], &e);
	assert(known[n_known].sequence &&
	       (!n_known || known[n_known].sequence > known[n_known - 1].sequence));
	n_known++;
}

static bool lets_through(const struct history_filter *f, const struct known *k)
{
	return (!f->has_uid || f->uid == k->uid) && (!f->region || f->region == k->region);
}

/* All that the filter lets through, as a reader asks for it. */
static void read_all(const struct history_filter *f, uint64_t after)
{
	const struct history_region *region;
	const struct history_event *e;

	for (size_t i = 0; i < n_known; i++) {
		if (known[i].sequence <= after || !lets_through(f, &known[i]))
			continue;
		e = history_next(h, f, after, &region);
		assert(e && e->sequence == known[i].sequence && e->revocation == known[i].value);
		assert(region->region == known[i].region && region->uid == known[i].uid);
		after = e->sequence;
	}
	assert(!history_next(h, f, after, &region));
}

/* The last events of a region that lives are found. */
static void search(size_t place)
{
	static struct history_search s;
	struct history_filter f = { .region = numbers[place] };
	const struct history_region *region;
	const struct history_event *e;
	uint64_t after = 0;
	size_t n = 0, there = 0;

	memset(&s, 0, sizeof(s));
	while (history_search(h, &f, 0, &s))
		;
	while ((e = history_next_found(h, &f, after, &s, &region))) {
		assert(e->sequence > after && region->region == numbers[place]);
		after = e->sequence;
		n++;
	}
	for (size_t i = 0; i < n_known; i++)
		there += known[i].region == numbers[place];
	assert(n <= there && (n == there || n >= HISTORY_REGION_FIRST));
}

static void happen(struct bytes *b)
{
	uint8_t what = bytes_u8(b);
	size_t place = (what >> 4) % REGIONS;
	struct history_filter f = { 0 };

	switch (what % 16) {
	case 0:
	case 1:
		begin(place);
		break;
	case 2:
		history_end(h, regions[place]);
		regions[place] = NULL;
		break;
	case 3:
		f.has_uid = what & 0x80;
		f.uid = uid_of(place);
		f.region = what & 0x40 ? numbers[place] : 0;
		read_all(&f, n_known ? known[bytes_u8(b) % n_known].sequence - 1 : 0);
		break;
	case 4:
		if (regions[place])
			search(place);
		break;
	default:
		for (int i = 0; i < 1 << (what % 4); i++)
			add(place);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };

	memset(regions, 0, sizeof(regions));
	memset(numbers, 0, sizeof(numbers));
	n_known = 0;
	next_number = 0;
	assert(history_new(&h, 1 + size) == 0);
	for (unsigned int i = 0; b.left && i < 500; i++)
		happen(&b);
	read_all(&(struct history_filter){ 0 }, 0);
	for (size_t i = 0; i < REGIONS; i++)
		history_end(h, regions[i]);
	history_free(h);
	return 0;
}
