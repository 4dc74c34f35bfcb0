// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-owner.c - the owner side against a real daemon: test-client-owner FILE COMMAND
 *
 * FILE is on a filesystem that asks before it takes blocks back; COMMAND is a shell command that
 * makes it ask. Without arguments it is skipped (77): it needs RDMA devices and the helper module.
 *
 * A region that is not detached is asked for, acknowledged, settled, and gone with its connection.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client-wait.h"

#define GRACE_USEC 10000000ull

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The next event of that type about that region; others are passed over. */
static struct rdmareg_event wait_for(struct rdmareg *c, uint64_t region,
				     enum rdmareg_event_type type)
{
	struct rdmareg_event e;

	do {
		e = wait_event(c);
		assert(e.type != RDMAREG_EVENT_DISCONNECTED && e.type != RDMAREG_EVENT_DAEMON_LOST);
	} while (e.type != type || e.region != region);
	return e;
}

int main(int argc, char **argv)
{
	struct rdmareg_register_options o = { .size = sizeof(o),
					      .grace_usec = 1,
					      .session = "bad name" };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg *c = NULL, *other = NULL;
	struct rdmareg_region *region = NULL, *again = NULL;
	struct rdmareg_event e;
	uint64_t begun, id;
	pid_t pid;
	int fd;

	if (argc != 3)
		return 77;
	alarm(120);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	assert(fd >= 0 && rdmareg_open(NULL, &c) == 0);
	assert(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &o, &region) == -EINVAL);
	o = (struct rdmareg_register_options){ .size = sizeof(o),
					       .grace_usec = GRACE_USEC,
					       .session = "owner-test" };
	if (rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &o, &region) < 0) {
		fprintf(stderr, "%s\n", rdmareg_last_error());
		return 1;
	}
	close(fd);
	assert(rdmareg_region_get_info(region, &info) == 0 && !info.detached &&
	       info.grace_usec == GRACE_USEC);
	assert(info.arbitration_mode == RDMAREG_ARBITRATION_LAYOUT_LEASE &&
	       !strcmp(info.session, "owner-test"));
	id = info.id;
	assert(rdmareg_acknowledge(c, id, 1) == -ESTALE);

	/*
	 * Asked without having subscribed; nobody waits for the grace once this one owner has
	 * acknowledged.
	 */
	begun = now_usec();
	pid = begin_command(argv[2]);
	e = wait_for(c, id, RDMAREG_EVENT_REVOCATION_REQUESTED);
	assert(e.revocation.id && e.revocation.deadline_usec > now_usec());
	assert(rdmareg_region_refresh(region) == 0 && rdmareg_region_get_info(region, &info) == 0);
	assert(info.state == RDMAREG_STATE_DRAINING && info.revocation.id == e.revocation.id);
	assert(rdmareg_acknowledge(c, id, e.revocation.id + 1) == -ESTALE);
	assert(rdmareg_acknowledge(c, id, e.revocation.id) == 0);
	end_command(pid);
	assert(now_usec() - begun < GRACE_USEC);
	e = wait_for(c, id, RDMAREG_EVENT_REVOCATION_SETTLED);
	assert(rdmareg_region_refresh(region) == 0 && rdmareg_region_get_info(region, &info) == 0);
	assert(!info.revocation.id && info.valid_length == e.valid_length);

	/* The region goes with the connection: somebody else sees it go. */
	assert(rdmareg_open(NULL, &other) == 0 && rdmareg_subscribe(other) == 0);
	assert(rdmareg_lookup(other, id, &again) == 0);
	rdmareg_close(c);
	wait_for(other, id, RDMAREG_EVENT_REGION_REMOVED);
	assert(rdmareg_region_refresh(again) == -ENOENT);
	rdmareg_close(other);
	puts("ok");
	return 0;
}
