// SPDX-License-Identifier: GPL-2.0-or-later
/* test-news.c - whose changes are told next (daemon/bus/news.h). */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>

#include "bus/news.h"

#define MANY 8

static struct news news;

/* As the bus does: taken, and told now. */
static uint32_t tell(struct region_news *r, uint64_t now)
{
	r->told_usec = now;
	return news_take(r);
}

static void test_once(void)
{
	struct region_news r = { 0 };
	uint64_t now = 10 * NEWS_USEC;

	news_init(&news);
	assert(!news_first(&news) && !news_take(&r));
	news_add(&news, &r, 7, 1, true, now);
	assert(news_first(&news) == &r && r.region == 7 && r.due_usec <= now);
	assert(tell(&r, now) == 1 && !news_first(&news));

	/* what comes soon after waits, with all that changes meanwhile */
	news_add(&news, &r, 7, 2, true, now + 1);
	news_add(&news, &r, 7, 4, true, now + 2);
	assert(news_first(&news) == &r && r.due_usec == now + 1 + NEWS_USEC);
	assert(news_take(&r) == 6 && !news_first(&news));
}

/* Regions that each change as soon as they may do not put off one that was due before. */
static void test_turns(void)
{
	struct region_news busy[MANY] = { 0 }, other = { 0 };
	uint64_t now = 10 * NEWS_USEC, due;
	unsigned int told = 0;

	news_init(&news);
	other.told_usec = now;
	news_add(&news, &other, 1, 1, true, now + 1);
	due = other.due_usec;
	for (unsigned int i = 0; i < MANY; i++)
		news_add(&news, &busy[i], 2 + i, 1, true, now + 2 + i);
	for (now = due; news_first(&news) != &other; now += NEWS_USEC) {
		struct region_news *first = news_first(&news);

		assert(first->due_usec < due && told++ < MANY);
		tell(first, now);
		news_add(&news, first, first->region, 1, true, now + NEWS_USEC);
	}
	assert(told == MANY && tell(&other, now) == 1);
}

/* Nor does one that waited keep back those that were due before it. */
static void test_order(void)
{
	struct region_news early = { 0 }, late = { 0 };
	uint64_t now = 10 * NEWS_USEC;

	news_init(&news);
	late.told_usec = now;
	news_add(&news, &late, 1, 1, true, now + 1);
	news_add(&news, &early, 2, 1, true, now + 2);
	assert(news_first(&news) == &early);
	news_take(&early);
	assert(news_first(&news) == &late);
}

/* What is not to be told at once, because somebody is asked, waits like what comes soon after. */
static void test_put_off(void)
{
	struct region_news r = { 0 };
	uint64_t now = 10 * NEWS_USEC;

	news_init(&news);
	news_add(&news, &r, 7, 1, false, now);
	news_add(&news, &r, 7, 2, true, now + 1);
	assert(news_first(&news) == &r && r.due_usec == now + NEWS_USEC);
	assert(news_take(&r) == 3 && !news_first(&news));
}

int main(void)
{
	test_once();
	test_turns();
	test_order();
	test_put_off();
	puts("ok");
	return 0;
}
