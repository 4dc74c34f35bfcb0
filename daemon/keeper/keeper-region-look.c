// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-region-look.c - what becomes of regions' files while they are registered: looked at once a second, each in its turn.
 *
 * Where a file is, the kernel says of the region's own descriptor: it follows renames of the file and of folders, in whatever mount
 * namespace the descriptor is from, and marks what was unlinked or replaced. No path is looked up, so no filesystem is asked, and
 * whoever puts something else at the path changes nothing.
 *
 * What always holds: a look takes the loop no longer than a few hundred regions take, however many there are; what was found is a level, told
 * to the daemon and to peers when it changes, and in every list.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/keeper.h"
#include "keeper/keeper-region.h"
#include "keeper/keeper-tell.h"
#include "keeper/mapping.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

#define ROUND_USEC USEC_PER_SEC
#define REGIONS_PER_TURN 256
#define TURN_USEC (20 * USEC_PER_MSEC) /* between the turns of one round */

/* The kernel's mark, d_path() in fs/d_path.c. */
static const char deleted[] = " (deleted)";

struct looks {
	struct keeper *keeper;
	struct event *timer;
	size_t bucket; /* the next one of this round */
};

bool kregion_read_path(int fd, char path[static KREGION_PATH_MAX])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, KREGION_PATH_MAX);
	if (n <= 0 || n == KREGION_PATH_MAX)
		return false;
	path[n] = 0;
	return true;
}

static enum path_state judge_path(const char *was, const char *now)
{
	size_t n = strlen(now), mark = strlen(deleted);

	if (!strcmp(was, now))
		return PATH_THERE;
	return n > mark && !strcmp(now + n - mark, deleted) ? PATH_DELETED : PATH_MOVED;
}

static void say(const struct kregion *r, enum path_state was)
{
	switch ((enum path_state)r->look.path_state) {
	case PATH_MOVED:
		log_notice("region %" PRIu64 ": its file is no longer at %s, but at %s", r->id, r->path,
			   r->look.path_now);
		break;
	case PATH_DELETED:
		log_notice("region %" PRIu64 ": its file is no longer at %s: it was deleted, or another one was "
			   "renamed over it",
			   r->id, r->path);
		break;
	default:
		if (was != PATH_UNKNOWN)
			log_notice("region %" PRIu64 ": its file is at %s again", r->id, r->path);
		break;
	}
}

static void look_at_path(struct kregion *r)
{
	char path[KREGION_PATH_MAX], shown[sizeof(r->look.path_now)] = "";
	enum path_state was = (enum path_state)r->look.path_state, state;

	if (!r->look.path || !r->mapping->named || !kregion_read_path(r->mapping->fd, path))
		return;
	state = judge_path(r->look.path, path);
	if (state != PATH_DELETED)
		text_clean(shown, sizeof(shown), path, strlen(path));
	if (state == was && !strcmp(shown, r->look.path_now))
		return;
	r->look.path_state = (uint8_t)state;
	memcpy(r->look.path_now, shown, sizeof(shown));
	if (!r->announced) /* who registers it hears of it with the answer */
		return;
	say(r, was);
	tell_mode(r);
	if (state != was)
		tell_length(r);
}

static void look_at(struct kregion *r)
{
	if (r->phase == KREGION_HELD)
		look_at_path(r);
}

/* Some buckets further; true: the round is over. */
static bool go_on(struct looks *l)
{
	struct keeper *k = l->keeper;
	unsigned int n = 0;

	while (l->bucket < KEEPER_BUCKETS && n < REGIONS_PER_TURN) {
		for (struct kregion *r = k->bucket[l->bucket]; r; r = r->next, n++)
			look_at(r);
		l->bucket++;
	}
	if (l->bucket < KEEPER_BUCKETS)
		return false;
	l->bucket = 0;
	return true;
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct looks *l = userdata;
	struct timeval tv = timeval_from_usec(go_on(l) ? ROUND_USEC : TURN_USEC);

	(void)fd;
	(void)what;
	if (l->keeper->n_regions)
		evtimer_add(l->timer, &tv);
}

static struct looks *begin(struct keeper *k)
{
	struct looks *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->keeper = k;
	l->timer = evtimer_new(k->base, on_timer, l);
	if (!l->timer) {
		free(l);
		return NULL;
	}
	return l;
}

void kregion_begin_looking(struct kregion *r)
{
	const struct timeval round = timeval_from_usec(ROUND_USEC);
	struct keeper *k = r->keeper;

	look_at(r);
	if (!k->looks)
		k->looks = begin(k);
	if (!k->looks)
		log_error("region %" PRIu64 ": no memory to look at its file", r->id);
	else if (!evtimer_pending(k->looks->timer, NULL))
		evtimer_add(k->looks->timer, &round);
}

void keeper_free_looks(struct keeper *k)
{
	if (!k->looks)
		return;
	event_free(k->looks->timer);
	free(k->looks);
	k->looks = NULL;
}
