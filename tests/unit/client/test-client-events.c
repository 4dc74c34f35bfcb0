// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-events.c - what messages from a region's host do to a peer, without an adapter: which
 * revocation is pending, what a stale or repeated message changes (nothing), and that a ring nobody
 * empties loses its oldest events and no state.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "names.h"
#include "peer.h"

static struct rdmareg_peer peer;

static void begin(void)
{
	memset(&peer, 0, sizeof(peer));
	peer.remote = (struct wire_accept){ .length = 1 << 20,
					    .valid_length = 1 << 20,
					    .rkey = 1,
					    .generation = 1,
					    .alignment = 4096 };
	peer.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert(peer.event_fd >= 0);
}

static void end(void)
{
	close(peer.event_fd);
}

static void take(enum wire_type type, uint64_t revocation, uint64_t valid_length)
{
	struct wire_message m = {
		.type = type,
		.revocation = revocation,
		.valid_length = valid_length,
		.rkey = 7,
		.generation = 2,
		.offset = 4096,
		.length = 8192,
		.time_left_msec = 500,
		.cause = 1,
		.outcome = 1,
	};

	peer_take_message(&peer, &m);
}

static bool readable(void)
{
	struct pollfd fd = { .fd = peer.event_fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static struct rdmareg_peer_event next(void)
{
	struct rdmareg_peer_event e = { .size = sizeof(e) };

	assert(readable() && rdmareg_peer_next_event(&peer, &e) == 1);
	return e;
}

static void test_revocations(void)
{
	struct rdmareg_peer_event e = { .size = sizeof(e) };

	begin();
	assert(!readable() && rdmareg_peer_next_event(&peer, &e) == 0);
	take(WIRE_REVOCATION_ASKED, 5, 1 << 20);
	assert(peer.revocation.id == 5 && !peer.acknowledged && peer.revocation.deadline_usec);
	e = next();
	assert(e.type == RDMAREG_PEER_EVENT_ASKED && e.revocation.id == 5 &&
	       e.revocation.offset == 4096);
	assert(e.revocation.cause == RDMAREG_CAUSED_BY_TRUNCATE && e.seen_usec && !readable());

	/* Twice, or older: nothing, also not after the acknowledgement. */
	peer.acknowledged = true;
	take(WIRE_REVOCATION_ASKED, 5, 1 << 20);
	take(WIRE_REVOCATION_ASKED, 4, 1 << 20);
	assert(peer.revocation.id == 5 && peer.acknowledged && !readable());

	/* The end of an older one is told, and does not end this one. */
	take(WIRE_REVOCATION_SETTLED, 4, 1 << 20);
	assert(peer.revocation.id == 5 && peer.acknowledged);
	assert(next().type == RDMAREG_PEER_EVENT_SETTLED);

	/* A newer one in its place has to be acknowledged anew. */
	take(WIRE_REVOCATION_ASKED, 6, 1 << 20);
	assert(peer.revocation.id == 6 && !peer.acknowledged);
	assert(next().revocation.id == 6);
	take(WIRE_REVOCATION_SETTLED, 6, 5000);
	e = next();
	assert(e.type == RDMAREG_PEER_EVENT_SETTLED && e.outcome == RDMAREG_OUTCOME_TRUNCATED &&
	       e.valid_length == 5000);
	assert(!peer.revocation.id && peer.remote.valid_length == 5000 && peer.remote.rkey == 7);
	assert(peer.remote.generation == 2 && e.generation == 2);

	take(WIRE_LENGTH_CHANGED, 0, 9000);
	e = next();
	assert(e.type == RDMAREG_PEER_EVENT_LENGTH_CHANGED && e.valid_length == 9000 &&
	       peer.remote.valid_length == 9000);
	assert(peer.remote.rkey == 7 && !readable());
	end();
}

static void take_path(enum wire_type type, enum path_state state, uint64_t valid_length)
{
	struct wire_message m = { .type = type,
				  .revocation = type == WIRE_LENGTH_CHANGED ? 0 : 77,
				  .cause = (uint16_t)state,
				  .valid_length = valid_length };

	peer_take_message(&peer, &m);
}

/*
 * The file has left its path: told once, by whichever message brings it, and an older host says
 * nothing of it.
 */
static void test_path(void)
{
	struct rdmareg_peer_event e = { .size = sizeof(e) };

	begin();
	take_path(WIRE_LENGTH_CHANGED, PATH_UNKNOWN, 9000);
	assert(next().type == RDMAREG_PEER_EVENT_LENGTH_CHANGED &&
	       peer.remote.path_state == PATH_UNKNOWN);
	take_path(WIRE_LENGTH_CHANGED, PATH_THERE, 9001);
	assert(next().type == RDMAREG_PEER_EVENT_LENGTH_CHANGED && !readable());
	take_path(WIRE_LENGTH_CHANGED, PATH_DELETED, 9001); /* the length is as it was */
	e = next();
	assert(e.type == RDMAREG_PEER_EVENT_PATH_CHANGED && e.path_state == RDMAREG_PATH_DELETED &&
	       !readable());
	take_path(WIRE_LENGTH_CHANGED, PATH_DELETED, 8000);
	assert(next().type == RDMAREG_PEER_EVENT_LENGTH_CHANGED && !readable());
	take_path(WIRE_REVOCATION_SETTLED, PATH_MOVED, 8000);
	assert(next().type == RDMAREG_PEER_EVENT_SETTLED);
	e = next();
	assert(e.type == RDMAREG_PEER_EVENT_PATH_CHANGED && e.path_state == RDMAREG_PATH_MOVED &&
	       !readable());
	take_path(WIRE_LENGTH_CHANGED, PATH_THERE, 7000); /* both */
	assert(next().type == RDMAREG_PEER_EVENT_PATH_CHANGED);
	assert(next().type == RDMAREG_PEER_EVENT_LENGTH_CHANGED && !readable());
	take_path(WIRE_LENGTH_CHANGED, (enum path_state)4711, 7000); /* a word of a later host */
	assert(next().type == RDMAREG_PEER_EVENT_LENGTH_CHANGED &&
	       peer.remote.path_state == PATH_THERE);
	end();
}

/* Blocks were gone: told once, whatever brings it, with where they were if it says so. */
static void test_bypass(void)
{
	struct wire_message m = { .type = WIRE_LENGTH_CHANGED,
				  .offset = 4096,
				  .length = 8192,
				  .valid_length = 1 << 20,
				  .request = UINT64_C(3) << 32 | 1 };
	struct rdmareg_peer_event e;

	begin();
	peer.remote.bypasses = 1; /* as it was told when it connected */
	peer_take_message(&peer, &m);
	assert(next().type == RDMAREG_PEER_EVENT_LENGTH_CHANGED && !readable());
	m.request++;
	peer_take_message(&peer, &m);
	e = next();
	assert(e.type == RDMAREG_PEER_EVENT_BYPASSED && e.offset == 4096 && e.length == 8192 &&
	       !readable());
	m.valid_length = 4096; /* because the file became shorter */
	m.request++;
	peer_take_message(&peer, &m);
	assert(next().type == RDMAREG_PEER_EVENT_BYPASSED);
	assert(next().type == RDMAREG_PEER_EVENT_LENGTH_CHANGED && !readable());
	m.type = WIRE_REVOCATION_SETTLED;
	m.revocation = 9;
	m.offset = 0;
	m.request++;
	peer_take_message(&peer, &m);
	assert(next().type == RDMAREG_PEER_EVENT_SETTLED);
	e = next();
	assert(e.type == RDMAREG_PEER_EVENT_BYPASSED && !e.length && !readable());
	end();
}

/* Demands that follow each other before anything is settled: the newest is what there is. */
static void test_superseded(void)
{
	struct rdmareg_peer_event e;

	begin();
	take(WIRE_REVOCATION_ASKED, 5, 1 << 20);
	take(WIRE_LENGTH_CHANGED, 0, 9000);
	take(WIRE_REVOCATION_ASKED, 8, 1 << 20);
	assert(peer.revocation.id == 8 && !peer.acknowledged);
	/*
	 * Nobody saw the first: it is not worth seeing any more. An acknowledgement of it is
	 * refused.
	 */
	e = next();
	assert(e.type == RDMAREG_PEER_EVENT_ASKED && e.revocation.id == 8);
	assert(next().type == RDMAREG_PEER_EVENT_LENGTH_CHANGED && !readable());
	assert(rdmareg_peer_acknowledge(&peer, 5) == -ESTALE &&
	       strstr(rdmareg_last_error(), "newest"));

	/*
	 * Acknowledged, and yet something newer: it is not acknowledged, and its event is one of
	 * its own.
	 */
	peer.acknowledged = true;
	take(WIRE_REVOCATION_ASKED, 9, 1 << 20);
	take(WIRE_REVOCATION_ASKED, 7, 1 << 20);
	assert(peer.revocation.id == 9 && !peer.acknowledged && next().revocation.id == 9 &&
	       !readable());
	/* The settling of a number that never came here is that of all below it. */
	take(WIRE_REVOCATION_SETTLED, 12, 1 << 20);
	assert(!peer.revocation.id && next().type == RDMAREG_PEER_EVENT_SETTLED);
	/* The event of one that was settled stays, also when the next follows at once. */
	take(WIRE_REVOCATION_ASKED, 13, 1 << 20);
	take(WIRE_REVOCATION_SETTLED, 13, 1 << 20);
	take(WIRE_REVOCATION_ASKED, 14, 1 << 20);
	assert(next().revocation.id == 13 && next().type == RDMAREG_PEER_EVENT_SETTLED &&
	       next().revocation.id == 14);
	end();
}

static void test_ring(void)
{
	struct rdmareg_peer_event e = { .size = sizeof(e) };
	int n = 0;

	begin();
	for (uint64_t i = 0; i < 3 * PEER_EVENTS; i++)
		take(WIRE_LENGTH_CHANGED, 0, i);
	assert(peer.remote.valid_length == 3 * PEER_EVENTS - 1);
	while (rdmareg_peer_next_event(&peer, &e) > 0)
		assert(e.valid_length == 2 * PEER_EVENTS + (uint64_t)n++);
	assert(n == PEER_EVENTS && !readable());
	/* A program built with an older, smaller structure; one that forgot its size. */
	take(WIRE_LENGTH_CHANGED, 0, 1);
	e = (struct rdmareg_peer_event){ .size = offsetof(struct rdmareg_peer_event, revocation),
					 .valid_length = 77 };
	assert(rdmareg_peer_next_event(&peer, &e) == 1 && e.valid_length == 77);
	take(WIRE_LENGTH_CHANGED, 0, 1);
	e.size = 0;
	assert(rdmareg_peer_next_event(&peer, &e) == -EINVAL && readable());
	end();
}

static void count(const struct rdmareg_peer_event *e, void *userdata)
{
	assert(e->size == sizeof(*e) && e->type == RDMAREG_PEER_EVENT_LENGTH_CHANGED);
	++*(int *)userdata;
}

static void test_callback(void)
{
	int n = 0;

	begin();
	peer.options.on_event = count;
	peer.options.userdata = &n;
	take(WIRE_LENGTH_CHANGED, 0, 1);
	take(WIRE_LENGTH_CHANGED, 0, 2);
	assert(n == 2 && !readable());
	end();
}

int main(void)
{
	test_revocations();
	test_path();
	test_bypass();
	test_superseded();
	test_ring();
	test_callback();
	return 0;
}
