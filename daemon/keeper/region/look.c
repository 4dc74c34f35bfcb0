// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * look.c - what becomes of regions' files while they are registered: looked at once a second, each
 * in its turn, and soon after pages were taken away.
 *
 * Where a file is, the kernel says of the region's own descriptor: it follows renames of the file
 * and of folders, in whatever mount namespace the descriptor is from, and marks what was unlinked
 * or replaced. No path is looked up, so no filesystem is asked, and whoever puts something else at
 * the path changes nothing.
 *
 * Blocks can be taken by somebody whom neither lease nor event shows: a loop device, an NFS server,
 * a container's overlay, a defragmenter, or whoever comes next. So what blocks the file has (with
 * direct access also where) is compared with what it had, by a worker, when pages were taken away
 * or the number of blocks is another. What is gone and no revocation covered is a bypass: counted,
 * said, told. What happens during a revocation, and just after it by one whom it let go on, is the
 * revocation's.
 *
 * What always holds: a look takes the loop no longer than a few hundred regions take, however many
 * there are; one file of each storage is compared at a time, so one that is silent keeps nobody
 * else's from it; what was found is a level, told to the daemon and to peers when it changes, and
 * in every list.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/system/extents.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/mapping.h"
#include "keeper/worker.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/file-id.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/text.h"

#define ROUND_USEC USEC_PER_SEC
#define REGIONS_PER_TURN 256
#define TURN_USEC (20 * USEC_PER_MSEC)	/* between the turns of one round */
#define SOON_USEC (100 * USEC_PER_MSEC) /* a revocation that is the reason has come by then */
#define SETTLED_USEC USEC_PER_SEC
#define PUMP_MAX 64 /* regions that are offered to the worker at a time */
#define AT_ONCE 8   /* storages whose files are compared at the same time */
/*
 * A change so soon before a look may have a second one behind it with the same time: clocks of
 * files have steps.
 */
#define STEP_NSEC (UINT64_C(20) * 1000 * 1000)

/* The kernel's mark, d_path() in fs/d_path.c. */
static const char deleted[] = " (deleted)";

TAILQ_HEAD(regions, kregion);

struct looks {
	struct keeper *keeper;
	struct event *timer;
	size_t bucket; /* the next one of this round */
	struct event *soon_timer;
	struct regions soon;
	struct regions wanted;
	struct regions busy;
};

/* What is known of a file's blocks, and a worker's next look at them. */
struct kregion_blocks {
	int fd;
	bool places;	/* where they are matters: direct access */
	uint64_t start; /* bytes in the file, of what is to be looked at */
	uint64_t end;
	uint64_t
		/*
		 * the guard's number when it began: after another one there is nothing to compare
		 */
		revocation;
	uint64_t number; /* of blocks, and */
	uint64_t
		/* the time of the file's last change; 0: there may be another one at that time */
		changed_nsec;
	struct extents *known; /* as of @known_revocation; NULL: none */
	uint64_t known_revocation;
	uint64_t known_usec; /* when it was read, or begun to be */
	uint64_t found_usec;
	struct extents *found;
	struct extents_loss loss;
	int error;
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
		log_notice("region %" PRIu64 ": its file is no longer at %s, but at %s", r->id,
			   r->path, r->look.path_now);
		break;
	case PATH_DELETED:
		log_notice("region %" PRIu64
			   ": its file is no longer at %s: it was deleted, or another one was "
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

#define of_job(j) container_of(j, struct kregion, look.job)

/*
 * In the worker. What the file does not have any more is not looked at: that it became shorter is
 * known from its length.
 */
static int read_extents(struct kregion_blocks *b)
{
	struct statx st;
	int error = extents_read(b->fd, b->start, b->end, b->places, &b->found);

	if (error)
		return error;
	if (statx(b->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &st) < 0)
		return -errno;
	if (b->found->end > st.stx_size)
		b->found->end = st.stx_size > b->start ? st.stx_size : b->start;
	if (b->known)
		b->loss = extents_compare(b->known, b->found);
	return 0;
}

/* In the worker. */
static void run_look(struct job *job)
{
	struct kregion_blocks *b = of_job(job)->look.blocks;

	b->loss = (struct extents_loss){ 0 };
	b->error = read_extents(b);
	if (b->error || !b->loss.end)
		return;
	/*
	 * while data goes from memory to blocks a filesystem may show neither for a moment: only
	 * what is gone twice is gone
	 */
	free(b->found);
	b->found = NULL;
	b->error = read_extents(b);
}

static bool is_promised(const struct kregion *r)
{
	return r->gated || r->mode == ARBITRATION_LAYOUT_LEASE;
}

void kregion_note_promise(struct kregion *r)
{
	if (!is_promised(r))
		r->look.promised_usec = 0;
	else if (!r->look.promised_usec)
		r->look.promised_usec = now_monotonic_usec();
}

/*
 * It is found after it happened, at any time since the file was seen whole, @whole_usec. A lease
 * that came in between does not say that somebody passed it.
 */
static void say_bypass(struct kregion *r, uint64_t whole_usec)
{
	bool promised = r->look.promised_usec && r->look.promised_usec <= whole_usec;
	const char *remark = promised	      ? ", and nobody was asked"
			     : is_promised(r) ? ", perhaps while the region had no lease"
					      : "";

	log_write(promised ? LOG_WARNING : LOG_NOTICE, "region %" PRIu64 ": %s%s (%s)", r->id,
		  r->look.bypass, remark, r->path[0] ? r->path : "?");
	if (!r->announced)
		return;
	tell_mode(r);
	tell_length(r);
}

static void note_loss(struct kregion *r, const struct extents_loss *l, uint64_t whole_usec)
{
	uint64_t base = r->mapping->offset;

	r->look.bypasses++;
	r->look.bypass_start = l->start - base;
	r->look.bypass_end = l->end - base;
	snprintf(r->look.bypass, sizeof(r->look.bypass),
		 "%" PRIu64 " bytes of blocks between %" PRIu64 " and %" PRIu64 " of the region %s",
		 l->lost_bytes ? l->lost_bytes : l->moved_bytes, r->look.bypass_start,
		 r->look.bypass_end, l->lost_bytes ? "were taken" : "are in another place now");
	say_bypass(r, whole_usec);
}

/* Once in each ROUND_USEC: reclaim takes pages all the time. */
static void look_soon(struct kregion *r)
{
	const struct timeval tv = timeval_from_usec(SOON_USEC);
	struct looks *l = r->keeper->looks;
	uint64_t now = now_monotonic_usec();

	if (!l || r->phase != KREGION_HELD || r->look.soon || now - r->look.soon_usec < ROUND_USEC)
		return;
	r->look.soon = true;
	r->look.soon_usec = now;
	TAILQ_INSERT_TAIL(&l->soon, r, look.of_soon);
	if (!evtimer_pending(l->soon_timer, NULL))
		evtimer_add(l->soon_timer, &tv);
}

void kregion_note_cleared(struct kregion *r)
{
	r->look.cleared = true;
	if (r->mapping && r->mapping->extents)
		look_soon(r);
}

/*
 * Whoever was let go on may not have come to it before: he was released at a deadline, or since the
 * daemon is gone.
 */
static bool was_just_revoked(const struct kregion *r)
{
	return r->look.settled_usec && now_monotonic_usec() - r->look.settled_usec < SETTLED_USEC;
}

void kregion_note_shrunk(struct kregion *r)
{
	if (was_just_revoked(r))
		return;
	look_soon(r);
	r->look.shrunk = true;
	r->look.shrunk_revocation = r->guard.revocation;
	r->look.whole_usec = r->look.length_usec;
}

static void look_at_length(struct kregion *r)
{
	uint64_t now = now_monotonic_usec();

	kregion_restat(r);
	r->look.length_usec = now;
	if (!r->look.shrunk || r->guard.state != GUARD_OPEN)
		return;
	r->look.shrunk = false;
	if (r->look.shrunk_revocation != r->guard.revocation || was_just_revoked(r))
		return;
	r->look.bypasses++;
	r->look.bypass_start = r->guard.valid_length;
	r->look.bypass_end = r->mapping->length;
	snprintf(r->look.bypass, sizeof(r->look.bypass),
		 "the file became shorter, %" PRIu64 " bytes of the region are left",
		 r->guard.valid_length);
	say_bypass(r, r->look.whole_usec);
}

/* Looks that do not end, since somebody is in the middle of a long write(2), do not count. */
static bool is_storage_busy(const struct looks *l, uint64_t storage, unsigned int *ret_n)
{
	const struct kregion *r;
	bool busy = false;

	*ret_n = 0;
	TAILQ_FOREACH(r, &l->busy, look.of_looks)
		if (kregion_look_left_usec(r)) {
			++*ret_n;
			busy |= r->storage == storage;
		}
	return busy;
}

static void done_look(struct job *job);

static void submit(struct looks *l, struct kregion *r)
{
	struct kregion_blocks *b = r->look.blocks;

	b->fd = r->mapping->fd;
	b->places = r->mapping->direct &&
		    /* what a peer writes to shared blocks lies elsewhere afterwards */
		    !r->watching.ask_writes;
	b->start = r->mapping->offset;
	b->end = b->start + r->guard.valid_length;
	b->revocation = r->guard.revocation;
	b->found_usec = now_monotonic_usec();
	if (b->known_revocation != b->revocation) {
		free(b->known);
		b->known = NULL;
	}
	r->look.cleared = false;
	r->look.job = (struct job){ .run = run_look, .done = done_look, .key = r->storage };
	TAILQ_INSERT_TAIL(&l->busy, r, look.of_looks);
	r->look.wanted_usec = now_monotonic_usec();
	worker_submit(l->keeper->files, &r->look.job);
	kregion_step_began(r);
}

/*
 * Gives the worker what it has room for; what has to wait for its storage goes behind the others.
 */
static void pump(struct looks *l)
{
	struct kregion *r;
	unsigned int n;

	for (unsigned int i = 0; i < PUMP_MAX && (r = TAILQ_FIRST(&l->wanted)); i++) {
		bool busy = is_storage_busy(l, r->storage, &n);

		if (n >= AT_ONCE)
			break;
		TAILQ_REMOVE(&l->wanted, r, look.of_looks);
		if (busy) {
			TAILQ_INSERT_TAIL(&l->wanted, r, look.of_looks);
			continue;
		}
		r->look.wanted = false;
		if (r->phase == KREGION_HELD && r->guard.state == GUARD_OPEN)
			submit(l, r);
		else
			kregion_step_ended(r); /* nobody waits for it any more */
	}
}

static void leave_busy(struct looks *l, struct kregion *r)
{
	TAILQ_REMOVE(&l->busy, r, look.of_looks);
}

static void take_found(struct kregion *r)
{
	struct kregion_blocks *b = r->look.blocks;
	uint64_t whole_usec = b->known_usec;

	if (b->error || r->guard.state != GUARD_OPEN || r->guard.revocation != b->revocation)
		return; /* a revocation came in between: whatever is gone is its */
	free(b->known);
	b->known = steal_pointer(b->found);
	b->known_revocation = b->revocation;
	b->known_usec = b->found_usec;
	if (b->loss.end)
		note_loss(r, &b->loss, whole_usec);
}

static void done_look(struct job *job)
{
	struct kregion *r = of_job(job);
	struct looks *l = r->keeper->looks;

	leave_busy(l, r);
	kregion_step_ended(r);
	if (r->phase == KREGION_HELD)
		take_found(r);
	free(r->look.blocks->found);
	r->look.blocks->found = NULL;
	pump(l);
	if (r->phase != KREGION_HELD)
		kregion_continue(r);
}

/* True: it has to be looked at again. Asks nobody. */
static bool is_other(struct kregion *r)
{
	struct kregion_blocks *b = r->look.blocks;
	uint64_t now = clock_usec(CLOCK_REALTIME) * 1000, changed;
	bool cause, other;
	struct statx st;

	if (statx(r->mapping->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		  STATX_BLOCKS | STATX_CTIME, &st) < 0)
		return false;
	changed = file_nsec(&st.stx_ctime);
	cause = r->look.cleared || st.stx_blocks != b->number ||
		b->end != b->start + r->guard.valid_length;
	/* where blocks are may change without a sign on the file */
	other = !b->known || b->known_revocation != r->guard.revocation ||
		(cause && (changed != b->changed_nsec || r->mapping->direct));
	if (!other)
		return false;
	b->number = st.stx_blocks;
	b->changed_nsec = changed + STEP_NSEC < now ? changed : 0;
	return true;
}

static void look_at_blocks(struct looks *l, struct kregion *r)
{
	if (!r->mapping->extents || r->look.wanted || r->look.job.busy ||
	    r->guard.state != GUARD_OPEN || was_just_revoked(r))
		return;
	if (!r->look.blocks)
		r->look.blocks = calloc(1, sizeof(*r->look.blocks));
	if (!r->look.blocks || r->look.blocks->error == -EOPNOTSUPP || !is_other(r))
		return;
	r->look.wanted = true;
	r->look.wanted_usec = now_monotonic_usec();
	TAILQ_INSERT_TAIL(&l->wanted, r, look.of_looks);
	kregion_step_began(r);
}

static void look_at(struct looks *l, struct kregion *r)
{
	if (r->phase != KREGION_HELD)
		return;
	look_at_path(r);
	look_at_length(r);
	look_at_blocks(l, r);
}

/* Some buckets further; true: the round is over. */
static bool go_on(struct looks *l)
{
	struct keeper *k = l->keeper;
	unsigned int n = 0;

	while (l->bucket < KEEPER_BUCKETS && n < REGIONS_PER_TURN) {
		for (struct kregion *r = k->bucket[l->bucket]; r; r = r->next, n++)
			look_at(l, r);
		l->bucket++;
	}
	pump(l);
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

static void leave_soon(struct looks *l, struct kregion *r)
{
	if (r->look.soon)
		TAILQ_REMOVE(&l->soon, r, look.of_soon);
	r->look.soon = false;
}

static void on_soon(evutil_socket_t fd, short what, void *userdata)
{
	const struct timeval tv = timeval_from_usec(TURN_USEC);
	struct looks *l = userdata;
	struct kregion *r;

	(void)fd;
	(void)what;
	for (unsigned int i = 0; i < REGIONS_PER_TURN && (r = TAILQ_FIRST(&l->soon)); i++) {
		leave_soon(l, r);
		look_at(l, r);
	}
	pump(l);
	if (!TAILQ_EMPTY(&l->soon))
		evtimer_add(l->soon_timer, &tv);
}

static void free_looks(struct looks *l)
{
	if (l->timer)
		event_free(l->timer);
	if (l->soon_timer)
		event_free(l->soon_timer);
	free(l);
}

static struct looks *begin(struct keeper *k)
{
	struct looks *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->keeper = k;
	TAILQ_INIT(&l->soon);
	TAILQ_INIT(&l->wanted);
	TAILQ_INIT(&l->busy);
	l->timer = evtimer_new(k->base, on_timer, l);
	l->soon_timer = evtimer_new(k->base, on_soon, l);
	if (!l->timer || !l->soon_timer) {
		free_looks(l);
		return NULL;
	}
	return l;
}

void kregion_begin_looking(struct kregion *r)
{
	const struct timeval round = timeval_from_usec(ROUND_USEC);
	struct keeper *k = r->keeper;

	if (!k->looks)
		k->looks = begin(k);
	if (!k->looks) {
		log_error("region %" PRIu64 ": no memory to look at its file", r->id);
		return;
	}
	look_at_path(r);
	r->look.length_usec = now_monotonic_usec(); /* was just read */
	look_at_blocks(k->looks, r);
	pump(k->looks);
	if (!evtimer_pending(k->looks->timer, NULL))
		evtimer_add(k->looks->timer, &round);
}

bool kregion_end_looking(struct kregion *r)
{
	struct looks *l = r->keeper->looks;

	if (l)
		leave_soon(l, r);
	if (r->look.wanted)
		TAILQ_REMOVE(&l->wanted, r, look.of_looks);
	r->look.wanted = false;
	if (worker_withdraw(r->keeper->files, &r->look.job))
		leave_busy(l, r);
	return !r->look.job.busy;
}

void kregion_free_look(struct kregion *r)
{
	free(r->look.path);
	if (r->look.blocks) {
		free(r->look.blocks->known);
		free(r->look.blocks->found);
	}
	free(r->look.blocks);
}

void keeper_free_looks(struct keeper *k)
{
	if (!k->looks)
		return;
	free_looks(k->looks);
	k->looks = NULL;
}
