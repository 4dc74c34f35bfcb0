// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * slots.c - what the kernel module remembers about its watches beside a model that forgets nothing.
 *
 * Measured: kmod-helper/rdmareg-slots.h
 *
 * The model keeps every event of a watch and where it is: pending, in a report that is on its way
 * to a reader, or read. A report must be the fold of just the events that it takes; one that cannot
 * be delivered brings them back; a watch that goes takes its own with it, and no event ever reaches
 * the next watch of that slot, even when both have the same cookie. After every step the slots,
 * poll and the counters say what the model says; in the end everything that is pending is read, and
 * no event is left.
 *
 * Two bytes of the input are one happening.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kmod-helper/rdmareg-slots.h"

#define SLOTS 4u
#define READERS 3u
#define PAGE 4096u
#define FIRST 0x100000ull
#define PAGES 16u
#define STEPS 2000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum place { PENDING, READ, READER_0 };

struct happened {
	uint32_t causes;
	uint64_t start, end;
	unsigned int place;
};

/*
 * One watch, for as long as it exists. @since: the step in which it became pending, 0 when it is
 * not.
 */
struct watch {
	struct rdmareg_slot slot;
	unsigned int generation;
	uint32_t kind;
	uint64_t cookie;
	struct happened events[STEPS];
	unsigned int n_events;
	unsigned int since;
	uint32_t state, operation, break_id;
	uint64_t deadline;
	uint64_t breaks[RDMAREG_OP_COUNT], releases, expiries, kills;
	bool killed;
};

/* A report between collecting and delivering. @generation: of the watch it is from; 0: none. */
struct reader {
	struct rdmareg_report report;
	unsigned int generation;
};

static struct rdmareg_table table;
static struct rdmareg_slot *pointers[SLOTS];
static struct watch watches[SLOTS];
static uint64_t sequences[SLOTS], collected[SLOTS];
static uint64_t highest; /* of those that are gone: where the next watch goes on */
static struct reader readers[READERS];
static unsigned int now, generations;

static void reset(void)
{
	memset(pointers, 0, sizeof(pointers));
	for (unsigned int i = 0; i < SLOTS; i++)
		watches[i].generation = 0;
	memset(sequences, 0, sizeof(sequences));
	memset(collected, 0, sizeof(collected));
	memset(readers, 0, sizeof(readers));
	now = generations = 0;
	highest = 0;
	rdmareg_table_init(&table, pointers, SLOTS);
}

static void add(uint32_t kind, uint64_t cookie)
{
	uint32_t number = rdmareg_table_free(&table);
	struct watch *w;

	for (uint32_t i = 0; i < number; i++)
		assert(watches[i].generation);
	if (number == SLOTS)
		return;
	w = &watches[number];
	assert(!w->generation);
	memset(w, 0, sizeof(*w));
	w->generation = ++generations;
	w->kind = w->slot.kind = kind;
	w->cookie = w->slot.cookie = cookie;
	w->state = w->slot.layout_state = kind == RDMAREG_KIND_LAYOUT ? RDMAREG_LAYOUT_ARMED : 0;
	rdmareg_table_add(&table, &w->slot, number);
	sequences[number] = collected[number] = highest;
	assert(rdmareg_table_get(&table, number) == &w->slot);
}

static void drop(uint32_t number)
{
	struct watch *w = &watches[number];

	if (!w->generation)
		return;
	rdmareg_table_remove(&table, &w->slot);
	w->generation = 0;
	if (sequences[number] > highest)
		highest = sequences[number];
}

/* The model's side of everything that makes a slot pending; @first: what the module's side said. */
static void raised(uint32_t number, bool first)
{
	assert(first == !watches[number].since);
	if (first)
		watches[number].since = now;
	sequences[number]++;
}

static void invalidate(uint32_t number, uint8_t how)
{
	struct watch *w = &watches[number];
	/* from before the watch to behind it, but always with a page in common */
	uint64_t start = FIRST + (how % PAGES) * PAGE, end = start + PAGE * (1 + how / PAGES);
	uint32_t causes = 1u << how % 6 | (how & 32 ? RDMAREG_CAUSE_RECLAIM : 0) |
			  (how & 64 ? RDMAREG_CAUSE_SELF : 0);

	if (w->kind != RDMAREG_KIND_RANGE || !w->generation)
		return;
	if (how % 16 == 0)
		start = how & 16 ? 0 : start;
	if (how % 32 == 5)
		end = UINT64_MAX;
	raised(number, rdmareg_fold_range(&table, &w->slot, causes, FIRST, FIRST + PAGES * PAGE,
					  start, end));
	start = start < FIRST ? FIRST : start;
	end = end > FIRST + PAGES * PAGE ? FIRST + PAGES * PAGE : end;
	w->events[w->n_events++] = (struct happened){ causes, start - FIRST, end - FIRST, PENDING };
}

static void layout_event(uint32_t number, uint8_t how)
{
	struct watch *w = &watches[number];

	if (w->kind != RDMAREG_KIND_LAYOUT || !w->generation)
		return;
	if (w->state == RDMAREG_LAYOUT_ARMED) {
		w->operation = how % RDMAREG_OP_COUNT;
		w->deadline = now;
		w->state = RDMAREG_LAYOUT_BREAKING;
		w->break_id++;
		w->breaks[w->operation]++;
		w->killed = false;
		raised(number, rdmareg_fold_break(&table, &w->slot, w->operation, w->deadline));
	} else if (w->state == RDMAREG_LAYOUT_BREAKING && how % 4 == 2) {
		bool first = rdmareg_fold_kill(&table, &w->slot);

		if (!w->killed)
			raised(number, first);
		else
			assert(!first);
		w->kills += !w->killed;
		w->killed = true;
	} else if (w->state == RDMAREG_LAYOUT_BREAKING && how & 1) {
		w->state = RDMAREG_LAYOUT_EXPIRED;
		w->deadline = 0;
		w->expiries++;
		raised(number, rdmareg_fold_expiry(&table, &w->slot));
	} else {
		w->releases += w->state == RDMAREG_LAYOUT_BREAKING;
		w->state = w->state == RDMAREG_LAYOUT_BREAKING ? RDMAREG_LAYOUT_RELEASED
							       : RDMAREG_LAYOUT_ARMED;
		w->deadline = 0;
		rdmareg_slot_set_layout(&w->slot, w->state);
	}
}

/* The report is the fold of the events that were pending, and what of the rest is true now. */
static void check_report(const struct rdmareg_report *report, unsigned int place)
{
	struct watch *w = &watches[report->slot];
	uint64_t start = UINT64_MAX, end = 0, clears = 0, writebacks = 0, others = 0;
	uint32_t causes = 0, covered = 0;
	bool seen[PAGES] = { false };

	for (unsigned int i = 0; i < w->n_events; i++) {
		struct happened *e = &w->events[i];

		if (e->place != PENDING)
			continue;
		causes |= e->causes;
		start = e->start < start ? e->start : start;
		end = e->end > end ? e->end : end;
		for (uint64_t page = e->start / PAGE; page < e->end / PAGE; page++) {
			covered += !seen[page];
			seen[page] = true;
		}
		clears += !!(e->causes & RDMAREG_CAUSE_CLEAR);
		writebacks += !!(e->causes & RDMAREG_CAUSE_WRITEBACK);
		others += !(e->causes & (RDMAREG_CAUSE_CLEAR | RDMAREG_CAUSE_WRITEBACK));
		e->place = place;
	}
	assert(report->kind == w->kind && report->cookie == w->cookie && report->causes == causes);
	assert(report->start == (causes ? start : 0) && report->end == end);
	assert(report->clear_count == clears && report->writeback_count == writebacks &&
	       report->other_count == others);
	assert(report->layout_state == w->state && report->operation == w->operation &&
	       report->break_id == w->break_id);
	if (w->kind == RDMAREG_KIND_LAYOUT)
		assert(report->deadline_nsec == w->deadline);
	else
		assert(report->covered && report->covered <= covered * PAGE);
	assert(report->sequence == sequences[report->slot] && !report->breaker_pid &&
	       report->flags == (w->killed ? RDMAREG_FLAG_KILLED : 0));
}

static void collect(unsigned int r, uint32_t number)
{
	struct reader *reader = &readers[r];
	struct rdmareg_report report;
	unsigned int longest = 0;
	int error;

	if (reader->generation)
		return;
	memset(&report, 0xa5, sizeof(report));
	error = rdmareg_collect(&table, number, &report);
	for (uint32_t i = 0; i < SLOTS; i++)
		if (watches[i].generation && watches[i].since &&
		    (!longest || watches[i].since < longest))
			longest = watches[i].since;
	if (number == RDMAREG_SLOT_ANY)
		assert(error == (longest ? 0 : -EAGAIN));
	else if (number >= SLOTS || !watches[number].generation)
		assert(error == -ENOENT);
	else
		assert(error == (watches[number].since ? 0 : -EAGAIN));
	if (error) {
		assert(report.slot == 0xa5a5a5a5); /* untouched */
		return;
	}
	assert(number == RDMAREG_SLOT_ANY ? watches[report.slot].since == longest
					  : report.slot == number);
	check_report(&report, READER_0 + r);
	reader->report = report;
	reader->generation = watches[report.slot].generation;
	watches[report.slot].since = 0;
	collected[report.slot] = sequences[report.slot];
}

static void settle(unsigned int r, bool delivered)
{
	struct reader *reader = &readers[r];
	uint32_t number = reader->report.slot;
	struct watch *w = &watches[number];
	bool first, there = w->generation == reader->generation;

	if (!reader->generation)
		return;
	first = !delivered && rdmareg_uncollect(&table, &reader->report);
	if (there)
		for (unsigned int i = 0; i < w->n_events; i++)
			if (w->events[i].place == READER_0 + r)
				w->events[i].place = delivered ? READ : PENDING;
	if (!delivered && there)
		raised(number, first);
	else
		assert(!first);
	reader->generation = 0;
}

static void check_counters(const struct watch *w)
{
	struct rdmareg_counters c;
	uint64_t causes[RDMAREG_CAUSE_BITS] = { 0 };

	rdmareg_count(&w->slot, &c);
	for (unsigned int i = 0; i < w->n_events; i++)
		for (unsigned int bit = 0; bit < RDMAREG_CAUSE_BITS; bit++)
			causes[bit] += w->events[i].causes >> bit & 1;
	assert(!memcmp(c.causes, causes, sizeof(causes)) &&
	       !memcmp(c.breaks, w->breaks, sizeof(w->breaks)));
	assert(c.releases == w->releases && c.expiries == w->expiries && c.kills == w->kills &&
	       c.cookie == w->cookie && c.kind == w->kind);
}

static void check_world(void)
{
	bool pending = false;

	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct watch *w = &watches[i];

		assert(!rdmareg_table_get(&table, i) == !w->generation);
		if (!w->generation)
			continue;
		assert(w->slot.sequence == sequences[i] && w->slot.collected == collected[i]);
		assert(w->slot.kind == w->kind && w->slot.cookie == w->cookie &&
		       w->slot.layout_state == w->state);
		assert(!w->since == (sequences[i] == collected[i]));
		pending = pending || w->since;
	}
	assert(rdmareg_table_pending(&table) == pending);
}

static void happen(uint8_t what, uint8_t how)
{
	uint32_t number = how % SLOTS;

	now++;
	switch (what % 16) {
	case 0:
	case 1: /* cookies meet again and again */
		add(how & 1 ? RDMAREG_KIND_LAYOUT : RDMAREG_KIND_RANGE, how >> 1 & 1);
		break;
	case 2:
		drop(number);
		break;
	case 3:
	case 4:
		collect(how % READERS, RDMAREG_SLOT_ANY);
		break;
	case 5: /* numbers that do not exist too */
		collect(how % READERS, how >> 2 & 7);
		break;
	case 6:
	case 7:
		settle(how % READERS, what & 16);
		break;
	case 8:
	case 9:
	case 10:
		layout_event(what >> 4 & 3, how);
		break;
	default:
		invalidate(what >> 4 & 3, how);
	}
	check_world();
	if (watches[number].generation)
		check_counters(&watches[number]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	reset();
	for (size_t i = 0; i + 1 < size && i / 2 < STEPS - 1; i += 2)
		happen(data[i], data[i + 1]);

	/* whoever still carries a report fails to deliver it; then one reader takes everything */
	for (unsigned int r = 0; r < READERS; r++)
		settle(r, false);
	while (rdmareg_table_pending(&table)) {
		now++;
		collect(0, RDMAREG_SLOT_ANY);
		settle(0, true);
	}
	check_world();
	for (uint32_t i = 0; i < SLOTS; i++)
		for (unsigned int e = 0; watches[i].generation && e < watches[i].n_events; e++)
			assert(watches[i].events[e].place == READ);
	return 0;
}
