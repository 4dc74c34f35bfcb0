/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * news.h - which regions have changes that are to be told, and whose turn it is.
 *
 * What always holds: a region waits once, with all that changed of it. It is due at once, or
 * NEWS_USEC later if it was told just before, or if somebody is asked about it right now, who is not
 * to be kept from answering; the one that was due first is told first. So regions that change often
 * do not put off those of others. Nothing is allocated, and no clock is read.
 */
#ifndef RDMAREG_BUS_NEWS_H
#define RDMAREG_BUS_NEWS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "util/clock.h"

/* A region's changes are told at most so often. */
#define NEWS_USEC (100 * USEC_PER_MSEC)

TAILQ_HEAD(news_queue, region_news);

/* Changes of a region that are to be told. The bus's own; zero-initialized is none. */
struct region_news {
	uint64_t region;
	uint64_t told_usec;
	uint64_t due_usec;
	uint32_t changed;
	struct news_queue *queue; /* it is in; NULL: none */
	TAILQ_ENTRY(region_news) entries;
};

/* Each is in the order of due_usec. */
struct news {
	struct news_queue at_once; /* due when they came */
	struct news_queue later;   /* the others */
};

void news_init(struct news *n);
void news_add(struct news *n, struct region_news *r, uint64_t region, uint32_t changed,
	      bool at_once, uint64_t now);
/* The one that is due first, which stays; NULL: there is none. */
struct region_news *news_first(const struct news *n);
/* Nothing is to be told of it any more. Returns what was. */
uint32_t news_take(struct region_news *r);

#endif
