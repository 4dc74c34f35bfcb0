// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p7-harm.c - the part of figure P7 about what is not told by a time: a peer writes to a file, another
 * process takes blocks of it, and the peer writes all of it anew. What is in the file then, and what
 * was the peer told?
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "p7.h"

#define HARMED MIB
#define PATIENCE_MSEC 5000

enum harm { PUNCHED, GROWN_AGAIN, CUT, _HARM_MAX };
static const char *const harm_names[_HARM_MAX] = {
	[PUNCHED] = "its second half punched",
	[GROWN_AGAIN] = "cut to nothing and grown again",
	[CUT] = "its second half cut off",
};

enum told { ASKED, BYTES, LENGTH, DISCONNECTED, FAILED, _TOLD_MAX };
static const char *const told_words[_TOLD_MAX] = {
	[ASKED] = "asked before",    [BYTES] = "which bytes were taken",
	[LENGTH] = "the new length", [DISCONNECTED] = "disconnected",
	[FAILED] = "a WRITE fails",
};

/* Who writes: through a cache's registration, or to a region. */
struct side {
	struct cache *cache; /* NULL: rdmaregd */
	struct rdmareg_region *region;
	struct rdmareg_peer *peer;
	unsigned int told; /* bits, by enum told */
};

struct outcome {
	struct samples lost;
	struct samples lost_again; /* after the program asked its cache once more */
	unsigned int told;
};

static void on_event(const struct rdmareg_peer_event *event, void *userdata)
{
	struct side *s = userdata;

	switch (event->type) {
	case RDMAREG_PEER_EVENT_ASKED:
		s->told |= 1u << ASKED;
		break;
	case RDMAREG_PEER_EVENT_BYPASSED:
		s->told |= 1u << BYTES;
		break;
	case RDMAREG_PEER_EVENT_LENGTH_CHANGED:
		s->told |= 1u << LENGTH;
		break;
	case RDMAREG_PEER_EVENT_DISCONNECTED:
		s->told |= 1u << DISCONNECTED;
		break;
	default:
		break;
	}
}

/* False: the kernel refuses such a registration. */
static bool begin_side(struct side *s, int fd)
{
	struct rdmareg_peer_options options = { .size = sizeof(options),
						.on_event = on_event,
						.userdata = s,
						.on_revocation = RDMAREG_ON_REVOCATION_YIELD };
	char *ticket = NULL;

	if (s->cache) {
		cache_map(s->cache, fd, HARMED);
		if (cache_register(s->cache)) {
			cache_unmap(s->cache);
			return false;
		}
		cache_connect(s->cache);
		return true;
	}
	s->region = p7_register(fd);
	if (rdmareg_export(s->region, NULL, &ticket) < 0 ||
	    rdmareg_peer_connect(ticket, RDMAREG_ACCESS_READ_WRITE, &options, &s->peer) < 0)
		p7_fail();
	free(ticket);
	return true;
}

static void end_side(struct side *s)
{
	if (s->cache) {
		cache_disconnect(s->cache);
		cache_close(s->cache);
		cache_unmap(s->cache);
	} else {
		rdmareg_peer_close(s->peer);
		p7_end(s->region);
	}
}

static bool write_page(struct side *s, uint64_t mark, size_t offset)
{
	static uint64_t page[PAGE / sizeof(uint64_t)];
	int64_t n;

	if (s->cache) {
		memcpy(s->cache->link.page, &mark, sizeof(mark));
		if (cache_write(s->cache, offset))
			return true;
		s->told |= 1u << FAILED;
		return false;
	}
	page[0] = mark;
	n = rdmareg_peer_write(s->peer, page, PAGE, offset);
	if (n < 0 && n != -ERANGE) /* that one is the library's own, which knows the length */
		s->told |= 1u << FAILED;
	return n == (int64_t)PAGE;
}

/* Bytes whose WRITE succeeded, and which the file does not have. */
static double lost_bytes(struct side *s, int fd)
{
	static bool done[HARMED / PAGE];
	static uint64_t series;
	double lost = 0;
	uint64_t found;

	series++;
	for (size_t at = 0; at < HARMED; at += PAGE)
		done[at / PAGE] = write_page(s, series << 32 | at, at);
	for (size_t at = 0; at < HARMED; at += PAGE)
		if (done[at / PAGE] &&
		    (pread(fd, &found, sizeof(found), (off_t)at) != sizeof(found) ||
		     found != (series << 32 | at)))
			lost += (double)PAGE;
	return lost;
}

static bool harm(int fd, enum harm how)
{
	const off_t half = HARMED / 2;

	switch (how) {
	case PUNCHED:
		return !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, half, half);
	case GROWN_AGAIN:
		return !ftruncate(fd, 0) && !ftruncate(fd, 2 * half);
	default:
		return !ftruncate(fd, half);
	}
}

/* What an owner and a peer do when they hear something. */
static void serve_holders(struct side *s)
{
	struct rdmareg_event event = { .size = sizeof(event) };

	if (rdmareg_dispatch(p7_owner) < 0)
		p7_fail();
	while (rdmareg_next_event(p7_owner, &event) > 0)
		if (event.type == RDMAREG_EVENT_REVOCATION_REQUESTED)
			rdmareg_acknowledge(p7_owner, event.region, event.revocation.id);
	if (s->peer)
		rdmareg_peer_dispatch(s->peer); /* acknowledges */
}

static void harm_by_other(struct side *s, int fd, enum harm how)
{
	struct pollfd p[] = { { -1, POLLIN, 0 },
			      { rdmareg_get_fd(p7_owner), POLLIN, 0 },
			      { s->peer ? rdmareg_peer_get_fd(s->peer) : -1, POLLIN, 0 } };
	pid_t other = fork();
	siginfo_t end;

	if (!other)
		_exit(!harm(fd, how));
	p[0].fd = pidfd_open(other, 0);
	if (other < 0 || p[0].fd < 0)
		die("another process");
	while (poll(p, 3, -1) >= 0 && !p[0].revents)
		serve_holders(s);
	if (waitid(P_PID, (id_t)other, &end, WEXITED) || end.si_status)
		die("taking blocks of a file");
	close(p[0].fd);
}

/* rdmaregd says it by a message, which may come later than the next WRITE. */
static void await_word(struct side *s)
{
	struct pollfd p = { s->peer ? rdmareg_peer_get_fd(s->peer) : -1, POLLIN, 0 };

	while (s->peer && !s->told && poll(&p, 1, PATIENCE_MSEC) > 0)
		rdmareg_peer_dispatch(s->peer);
}

/* False: not with that side. */
static bool once_harmed(struct side *s, const char *place, enum harm how, struct outcome *o)
{
	int fd = new_file(place, HARMED, ZEROED);
	double lost;

	if (!begin_side(s, fd)) {
		close(fd);
		return false;
	}
	if (lost_bytes(s, fd) > 0 || s->told)
		die("bytes are lost before anything happened");
	harm_by_other(s, fd, how);
	lost = lost_bytes(s, fd);
	samples_add(&o->lost, lost / (double)KIB);
	await_word(s);
	o->told |= s->told;
	if (lost > 0 && s->cache && how != CUT) {
		cache_close(s->cache);
		if (cache_register(s->cache))
			die("asking the cache once more");
		samples_add(&o->lost_again, lost_bytes(s, fd) / (double)KIB);
	}
	end_side(s);
	close(fd);
	return true;
}

static void print_told(const char *subject, const char *name, unsigned int told)
{
	char measure[96], words[128] = "nothing";
	size_t n = 0;

	for (int t = 0; t < _TOLD_MAX; t++)
		if (told & 1u << t)
			n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s", n ? ", " : "",
					      told_words[t]);
	snprintf(measure, sizeof(measure), "%s: what the peer is told", name);
	row_word(subject, measure, words);
}

static void print_outcome(const char *place, enum harm how, const char *name,
			  const struct outcome *o, bool ours)
{
	char subject[96], measure[96];

	snprintf(subject, sizeof(subject), "%s, 1 MiB, %s", place_name(place), harm_names[how]);
	snprintf(measure, sizeof(measure), "%s: lost of what a peer wrote afterwards", name);
	row(subject, measure, &o->lost, "KiB", ours ? "<= 0" : NULL);
	snprintf(measure, sizeof(measure), "%s: lost once it was asked again", name);
	if (o->lost_again.n)
		row(subject, measure, &o->lost_again, "KiB", NULL);
	print_told(subject, name, o->told);
}

static void measure(const char *place, enum harm how)
{
	struct outcome outcomes[_CACHE_MAX + 1] = { 0 }; /* the first is rdmaregd's */

	for (unsigned int left = bench_rounds(3); left > 0; left--)
		for (int i = 0; i <= _CACHE_MAX; i++) {
			struct side s = { .cache = i ? &p7_caches[i - 1] : NULL };

			once_harmed(&s, place, how, &outcomes[i]);
		}
	for (int i = 0; i <= _CACHE_MAX; i++) {
		if (outcomes[i].lost.n)
			print_outcome(place, how, i ? cache_names[i - 1] : "rdmaregd", &outcomes[i],
				      !i);
		samples_clear(&outcomes[i].lost);
		samples_clear(&outcomes[i].lost_again);
	}
}

void p7_measure_harm(const char *place)
{
	for (int h = 0; h < _HARM_MAX; h++)
		measure(place, (enum harm)h);
}
