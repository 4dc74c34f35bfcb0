// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slots-threads.c - the slots under threads, with a lock where the module has one:
 * invalidations, readers of whom some fail to deliver, and watches that come and go. Built with
 * ThreadSanitizer where that works.
 *
 * What is counted in must come out: the counts of all delivered reports are the events. No number
 * that a reader is told for a slot is below the one before.
 */
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod-helper/rdmareg-slots.h"

#define LASTING 3u /* watches that stay; the other slots change hands */
#define SLOTS 6u
#define PAGE 4096u
#define PAGES 64u
#define WRITERS 3u
#define READERS 2u
#define EVENTS 20000u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the module's opener->lock */
static struct rdmareg_table table;
static struct rdmareg_slot *pointers[SLOTS], slots[SLOTS];
static unsigned int writers_done;
static uint64_t delivered[LASTING], put_back; /* under lock */
static uint64_t told[SLOTS];		      /* the last sequence that was collected, under lock */

static bool finished(void)
{
	return __atomic_load_n(&writers_done, __ATOMIC_ACQUIRE) == WRITERS;
}

static void *write_events(void *argument)
{
	unsigned int seed = (unsigned int)(uintptr_t)argument;

	for (unsigned int i = 0; i < LASTING * EVENTS; i++) {
		uint64_t page = (uint64_t)rand_r(&seed) % PAGES;

		pthread_mutex_lock(&lock);
		rdmareg_fold_range(&table, &slots[i % LASTING], 1u << i % 6, 0, PAGES * PAGE,
				   page * PAGE, (page + 1) * PAGE);
		/* one that changes hands too, if it is there at the moment */
		if (rdmareg_table_get(&table, LASTING + i % (SLOTS - LASTING)))
			rdmareg_fold_range(&table, pointers[LASTING + i % (SLOTS - LASTING)],
					   RDMAREG_CAUSE_UNMAP, 0, PAGES * PAGE, 0, UINT64_MAX);
		pthread_mutex_unlock(&lock);
	}
	__atomic_fetch_add(&writers_done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * Also what RDMAREG_COLLECT does: take under the lock, deliver outside of it, and put back if that
 * fails.
 */
static void *read_reports(void *argument)
{
	unsigned int seed = (unsigned int)(uintptr_t)argument;
	struct rdmareg_report report;

	for (bool last = false;;) {
		int r;

		last = finished();
		pthread_mutex_lock(&lock);
		r = rdmareg_collect(&table, RDMAREG_SLOT_ANY, &report);
		if (!r) {
			assert(report.sequence > told[report.slot]);
			told[report.slot] = report.sequence;
		}
		pthread_mutex_unlock(&lock);
		if (r && last)
			return NULL;
		if (r)
			continue;
		assert(report.causes && report.start < report.end && report.end <= PAGES * PAGE);
		pthread_mutex_lock(&lock);
		if (rand_r(&seed) % 4 == 0) {
			rdmareg_uncollect(&table, &report);
			put_back++;
		} else if (report.slot < LASTING) {
			delivered[report.slot] +=
				report.clear_count + report.writeback_count + report.other_count;
		}
		pthread_mutex_unlock(&lock);
	}
}

static void *come_and_go(void *argument)
{
	unsigned int seed = (unsigned int)(uintptr_t)argument;

	while (!finished()) {
		struct rdmareg_slot *slot =
			&slots[LASTING + (unsigned int)rand_r(&seed) % (SLOTS - LASTING)];
		uint32_t number;

		pthread_mutex_lock(&lock);
		if (slot->kind) {
			rdmareg_table_remove(&table, slot);
		} else {
			number = rdmareg_table_free(&table);
			memset(slot, 0, sizeof(*slot));
			slot->kind = RDMAREG_KIND_RANGE;
			rdmareg_table_add(&table, slot, number);
		}
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

int main(void)
{
	pthread_t writers[WRITERS], readers[READERS], changer;

	rdmareg_table_init(&table, pointers, SLOTS);
	for (uint32_t i = 0; i < LASTING; i++) {
		slots[i].kind = RDMAREG_KIND_RANGE;
		rdmareg_table_add(&table, &slots[i], i);
	}
	assert(!pthread_create(&changer, NULL, come_and_go, (void *)7));
	for (uintptr_t i = 0; i < READERS; i++)
		assert(!pthread_create(&readers[i], NULL, read_reports, (void *)(i + 1)));
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert(!pthread_create(&writers[i], NULL, write_events, (void *)(i + 11)));
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	for (unsigned int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	pthread_join(changer, NULL);

	/* one reader may have put something back just as the other found nothing more */
	for (struct rdmareg_report report; !rdmareg_collect(&table, RDMAREG_SLOT_ANY, &report);)
		if (report.slot < LASTING)
			delivered[report.slot] +=
				report.clear_count + report.writeback_count + report.other_count;
	for (uint32_t i = 0; i < LASTING; i++) {
		struct rdmareg_counters c;
		uint64_t counted = 0;

		rdmareg_count(&slots[i], &c);
		for (unsigned int bit = 0; bit < 6; bit++)
			counted += c.causes[bit];
		assert(delivered[i] == WRITERS * EVENTS && counted == delivered[i]);
		assert(slots[i].sequence >= counted && slots[i].collected == slots[i].sequence);
	}
	assert(put_back);
	puts("ok");
	return 0;
}
