/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scrape.h - the socket that the metrics are read from: a local one that speaks as much HTTP/1.0 as
 * a reader needs (GET /metrics, GET /metrics/regions), on the daemon's loop.
 *
 * What always holds:
 *   - Nobody is waited for. A reader has a time for all of it, is written to when there is
 *     room, and its next slice is made when it has taken the last one.
 *   - There are at most SCRAPE_READERS readers, SCRAPE_READERS_OF_UID of one uid, and places that
 *     only root gets; who comes beyond that is told so, and not read.
 *   - What is done for an ordinary user is charged to it as calls on the bus are: who has taken more
 *     than its share of the daemon's time is refused, and there is a pause before the next one is
 *     looked at. All ordinary users are sent one page, made once in SCRAPE_SHARED_USEC at most.
 *   - Root is always served: if everybody may read, root has a socket of its own, whose queue nobody
 *     else can fill.
 *   - Series of single regions are root's and the daemon's own user's: they name other users.
 */
#ifndef RDMAREG_METRICS_SCRAPE_H
#define RDMAREG_METRICS_SCRAPE_H

#include "metrics/page.h"

#define SCRAPE_READERS 32 /* of them for root alone: SCRAPE_READERS_OF_UID */
#define SCRAPE_READERS_OF_UID 8
#define SCRAPE_OF_ROOT ".root" /* behind the path, where everybody may read: root's own */
#define SCRAPE_SHARED_USEC 1000000
#define SCRAPE_REQUEST_MAX 4096 /* bytes with all headers */

struct event_base;
struct scrape;

/* As the words of the setting "metrics". */
enum scrape_for { SCRAPE_OFF, SCRAPE_ROOT, SCRAPE_EVERYBODY };

/*
 * @fresh: called before each page, to set what is not counted as it happens. Listens nowhere yet.
 * @patience_usec: of one reader, from connecting to the last byte. -ENOMEM
 */
int scrape_new(struct scrape **ret, struct event_base *base, struct metrics *metrics,
	       const struct page_source *source, void (*fresh)(void *userdata),
	       uint64_t patience_usec);
struct scrape *scrape_free(struct scrape *s);
/* Listens at @path, or no longer. What is there of an earlier daemon is replaced. Negative: it cannot. */
int scrape_serve(struct scrape *s, const char *path, enum scrape_for whom);

#endif
