// SPDX-License-Identifier: GPL-2.0-or-later
/* news.c - see news.h. */
#include "bus/news.h"

#include <stddef.h>

void news_init(struct news *n)
{
	TAILQ_INIT(&n->at_once);
	TAILQ_INIT(&n->later);
}

void news_add(struct news *n, struct region_news *r, uint64_t region, uint32_t changed,
	      bool at_once, uint64_t now)
{
	at_once = at_once && now - r->told_usec >= NEWS_USEC;
	r->changed |= changed;
	if (r->queue)
		return;
	r->region = region;
	r->due_usec = at_once ? now : now + NEWS_USEC;
	r->queue = at_once ? &n->at_once : &n->later;
	TAILQ_INSERT_TAIL(r->queue, r, entries);
}

struct region_news *news_first(const struct news *n)
{
	struct region_news *at_once = TAILQ_FIRST(&n->at_once), *later = TAILQ_FIRST(&n->later);

	if (!at_once || !later)
		return at_once ? at_once : later;
	return later->due_usec < at_once->due_usec ? later : at_once;
}

uint32_t news_take(struct region_news *r)
{
	uint32_t changed = r->changed;

	if (r->queue)
		TAILQ_REMOVE(r->queue, r, entries);
	r->queue = NULL;
	r->changed = 0;
	return changed;
}
