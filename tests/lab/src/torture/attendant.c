// SPDX-License-Identifier: GPL-2.0-or-later
/* attendant.c - see attendant.h. */
#include "attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rdmareg.h>

#include "local.h"

#define PATIENCE_SEC 60
#define PAUSE_MSEC 20
#define SHORT_USEC \
	30000	  /* the grace where nobody attends, or this process does not while it waits */
#define KEEPERS 5 /* that may start too slowly, on a busy machine, before that is a fault */

struct attendant {
	struct desk *desk;
	int control;
	struct rdmareg *bus;   /* no holder of anything */
	struct rdmareg *owner; /* NULL: the region has none */
	struct rdmareg_region *region;
	struct region_kind kind;
	uint64_t asked; /* the revocation that was heard of last */
	char *ticket;
	struct rdmareg_peer *peer;
};

static int64_t now_sec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static int64_t note(struct attendant *a, int64_t r)
{
	snprintf(a->desk->why, sizeof(a->desk->why), "%s", r < 0 ? rdmareg_last_error() : "");
	return r;
}

static void count(struct attendant *a, const struct rdmareg_revocation *revocation)
{
	if (revocation->id == a->asked)
		return;
	a->asked = revocation->id;
	a->desk->counts.asked++;
	a->desk->counts.asked_pages += (revocation->length + PAGE - 1) / PAGE;
}

static void on_event(const struct rdmareg_peer_event *event, void *userdata)
{
	if (event->type == RDMAREG_PEER_EVENT_ASKED)
		count(userdata, &event->revocation);
}

static void serve_owner(struct attendant *a)
{
	struct rdmareg_event event = { .size = sizeof(event) };

	if (rdmareg_dispatch(a->owner) < 0)
		return;
	while (rdmareg_next_event(a->owner, &event) > 0) {
		if (event.type != RDMAREG_EVENT_REVOCATION_REQUESTED)
			continue;
		count(a, &event.revocation);
		if (a->kind.owner == OWNER_ATTENDS)
			rdmareg_acknowledge(a->owner, event.region, event.revocation.id);
	}
}

static bool connected(struct attendant *a)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	return a->peer && rdmareg_peer_get_info(a->peer, &info) == 0 && info.connected;
}

static void hang_up(struct attendant *a)
{
	a->peer = rdmareg_peer_close(a->peer);
}

/*
 * What has come from the daemon or the keeper. Returns after @msec, or when the control socket has
 * something if it is @controlled.
 */
static void wait_for_events(struct attendant *a, int msec, bool controlled)
{
	struct pollfd fds[] = {
		{ .fd = controlled ? a->control : -1, .events = POLLIN },
		{ .fd = a->owner ? rdmareg_get_fd(a->owner) : -1, .events = POLLIN },
		{ .fd = a->peer ? rdmareg_peer_get_fd(a->peer) : -1, .events = POLLIN },
	};

	if (poll(fds, 3, msec) < 0)
		return;
	if (fds[1].revents)
		serve_owner(a);
	if (fds[2].revents) {
		rdmareg_peer_dispatch(a->peer);
		if (!connected(a))
			hang_up(a);
	}
}

/* Of the daemon; that of the region itself stays as it is. */
static int64_t forget(struct attendant *a)
{
	hang_up(a);
	a->region = rdmareg_region_free(a->region);
	a->owner = rdmareg_close(a->owner);
	free(a->ticket);
	a->ticket = NULL;
	a->asked = 0;
	return 0;
}

static int64_t release(struct attendant *a)
{
	const struct rdmareg_release_options options = { .size = sizeof(options),
							 .grace_usec = SHORT_USEC };
	uint64_t id = rdmareg_region_id(a->region);
	int64_t r = id ? note(a, rdmareg_release_all(a->bus, &id, 1, &options, NULL, NULL)) : 0;

	forget(a);
	return r;
}

static uint64_t grace_of(const struct region_kind *k)
{
	if (k->policy == 0)
		return 0;
	return k->owner == OWNER_SILENT || k->peer_silent ? SHORT_USEC : 500000;
}

static int64_t register_file(struct attendant *a, int fd)
{
	struct rdmareg_register_options options = {
		.size = sizeof(options),
		.policy = RDMAREG_POLICY_FOLLOW + a->kind.policy,
		.arbitration = a->kind.pre_content ? RDMAREG_ARBITRATE_PRE_CONTENT
						   : RDMAREG_ARBITRATE_AUTO,
		.grace_usec = grace_of(&a->kind),
		.detached = a->kind.owner == OWNER_NONE,
		.warm_mode = RDMAREG_WARM_OFF + a->kind.warm_mode,
	};
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_region *own;
	struct stat st;
	int64_t r = fstat(fd, &st) < 0 ? -errno : rdmareg_open(NULL, &a->owner);

	if (r == 0)
		r = rdmareg_register(a->owner, fd, a->kind.start,
				     S_ISCHR(st.st_mode) ? DEVICE_BYTES : a->kind.length,
				     a->kind.read_only ? RDMAREG_ACCESS_READ
						       : RDMAREG_ACCESS_READ_WRITE,
				     &options, &own);
	if (r == 0)
		r = rdmareg_lookup(a->bus, rdmareg_region_id(own), &a->region);
	if (r == 0)
		r = rdmareg_export(a->region, NULL, &a->ticket);
	if (r == 0 && rdmareg_region_get_info(a->region, &info) == 0 && info.arbitration_mode < 5)
		a->desk->counts.regions[info.arbitration_mode]++;
	note(a, r);
	if (a->kind.owner == OWNER_NONE)
		a->owner = rdmareg_close(a->owner);
	return r;
}

static int64_t make_region(struct attendant *a)
{
	int64_t r = release(a);
	int fd;

	if (!a->bus && r == 0)
		r = note(a, rdmareg_open(NULL, &a->bus));
	if (r < 0)
		return r;
	a->kind = region_of(a->desk->op.value);
	fd = open(a->desk->path, (a->kind.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = register_file(a, fd);
	for (unsigned int i = 1; i < KEEPERS && r == -EOWNERDEAD; i++) {
		release(a);
		r = register_file(a, fd);
	}
	close(fd);
	return r;
}

/* --- what the region's user has done with it */

static int64_t prefetch(struct attendant *a, const struct op *op)
{
	return rdmareg_prefetch(a->region, op->offset - a->kind.start, op->length,
				!a->kind.read_only && op->value & 1);
}

static int64_t write_back(struct attendant *a, const struct op *op)
{
	const struct rdmareg_sync_options options = { .size = sizeof(options),
						      .grace_usec = SHORT_USEC };
	struct rdmareg_sync_result result = { .size = sizeof(result) };

	(void)op;
	return rdmareg_sync(a->region, &options, &result);
}

static int64_t keep_out(struct attendant *a, const struct op *op)
{
	const struct rdmareg_revoke_options options = { .size = sizeof(options),
							.grace_usec = SHORT_USEC,
							.offset = op->offset - a->kind.start,
							.length = op->length };
	uint64_t revocation;
	int r = rdmareg_revoke(a->region, &options, &revocation);

	return r < 0 ? r : rdmareg_restore(a->region, revocation);
}

static int64_t configure(struct attendant *a, const struct op *op)
{
	const struct region_kind kind = region_configured(a->kind, op->value);
	const struct rdmareg_configure_options options = {
		.size = sizeof(options),
		.grace_usec = grace_of(&kind),
		.policy = RDMAREG_POLICY_FOLLOW + kind.policy,
		.arbitration =
			kind.pre_content ? RDMAREG_ARBITRATE_PRE_CONTENT : RDMAREG_ARBITRATE_AUTO,
		.warm_mode = RDMAREG_WARM_OFF + kind.warm_mode,
	};
	int r = rdmareg_configure(a->region, &options);

	if (r == 0)
		a->kind = kind;
	return r;
}

/*
 * A region that a revocation is not over of is waited for, and so is a keeper that does not get ready
 * in time on a busy machine.
 */
static int64_t use_region(struct attendant *a, const struct op *op,
			  int64_t (*use)(struct attendant *a, const struct op *op))
{
	int64_t until = now_sec() + PATIENCE_SEC, r;

	if (!a->region)
		return -ENOENT;
	for (;;) {
		r = note(a, use(a, op));
		if (r != -EBUSY && r != -EOWNERDEAD)
			return r;
		if (now_sec() > until)
			return -ETIME;
		wait_for_events(a, PAUSE_MSEC, false);
	}
}

/* The region is made anew in another process; the ticket is another one then. */
static int64_t replace_keeper(struct attendant *a, const struct op *op)
{
	const struct rdmareg_replace_options options = { .size = sizeof(options),
							 .grace_usec = SHORT_USEC };
	struct rdmareg_keeper keeper = { .size = sizeof(keeper) };
	struct rdmareg_keepers *keepers;
	int r = rdmareg_list_keepers(a->bus, NULL, &keepers);

	(void)op;
	if (r < 0)
		return r;
	do
		r = rdmareg_keepers_next(keepers, &keeper);
	while (r > 0 && !keeper.regions);
	r = r > 0 ? rdmareg_replace_keeper(a->bus, keeper.name, &options, NULL) : -ESRCH;
	rdmareg_keepers_free(keepers);
	if (r < 0)
		return r;
	hang_up(a);
	free(a->ticket);
	a->ticket = NULL;
	return rdmareg_export(a->region, NULL, &a->ticket);
}

/* Nobody released it, and it ends. */
static int64_t await_end(struct attendant *a)
{
	int64_t until = now_sec() + PATIENCE_SEC, r;

	if (!a->region)
		return 0;
	while ((r = note(a, rdmareg_region_refresh(a->region))) != -ENOENT) {
		if (now_sec() > until)
			return r < 0 ? r : -ETIME;
		wait_for_events(a, PAUSE_MSEC, false);
	}
	return forget(a);
}

/* --- the peer */

static int64_t connect_peer(struct attendant *a)
{
	struct rdmareg_peer_options options = {
		.size = sizeof(options),
		.on_event = on_event,
		.userdata = a,
		.on_revocation = a->kind.peer_silent ? RDMAREG_ON_REVOCATION_RETURN
						     : RDMAREG_ON_REVOCATION_YIELD,
	};
	int64_t r;

	if (connected(a))
		return 0;
	hang_up(a);
	r = rdmareg_peer_connect(
		a->ticket, a->kind.read_only ? RDMAREG_ACCESS_READ : RDMAREG_ACCESS_READ_WRITE,
		&options, &a->peer);
	a->desk->counts.connections += r == 0;
	return r;
}

/* Once: all of it, or an error. */
static int64_t attempt(struct attendant *a, const struct op *op)
{
	uint64_t offset = op->offset - a->kind.start;
	uint8_t *data = a->desk->data;
	int64_t r = connect_peer(a);

	if (r < 0)
		return note(a, r);
	if (op->kind == OP_REMOTE_WRITE)
		r = rdmareg_peer_write(a->peer, data, op->length, offset);
	else if (op->kind == OP_PERSIST)
		r = rdmareg_peer_persist(a->peer, offset, op->length);
	else
		r = rdmareg_peer_read(a->peer, data, op->length, offset);
	note(a, r);
	if (r >= 0 && r < op->length && op->kind != OP_PERSIST) {
		snprintf(a->desk->why, sizeof(a->desk->why), "%u of %u bytes", (unsigned int)r,
			 op->length);
		r = -EAGAIN;
	}
	a->desk->counts.failed += r < 0;
	if (!connected(a))
		hang_up(a);
	return r;
}

/*
 * What was not patient may be refused, unless some of it may be in the file: a write is then tried
 * until it is.
 */
static int64_t transfer(struct attendant *a, const struct op *op)
{
	bool patient = op->other & 1 && op->kind != OP_REMOTE_PEEK && op->kind != OP_PERSIST;
	int64_t until = now_sec() + PATIENCE_SEC, r;

	for (;;) {
		r = attempt(a, op);
		if (r >= 0 || (op->kind == OP_REMOTE_WRITE ? !patient && r == -ERANGE : !patient))
			return r;
		patient = true;
		if (now_sec() > until)
			return -ETIME;
		wait_for_events(a, PAUSE_MSEC, false);
	}
}

static int64_t perform(struct attendant *a)
{
	struct desk *desk = a->desk;

	*desk->why = '\0';
	switch (desk->op.kind) {
	case OP_REGION:
		return make_region(a);
	case OP_RELEASE:
		return release(a);
	case OP_GONE:
		return await_end(a);
	case OP_DISCONNECT:
		hang_up(a);
		return 0;
	case OP_PREFETCH:
		return use_region(a, &desk->op, prefetch);
	case OP_SYNC:
		return use_region(a, &desk->op, write_back);
	case OP_REVOKE:
		return use_region(a, &desk->op, keep_out);
	case OP_CONFIGURE:
		return use_region(a, &desk->op, configure);
	case OP_REPLACE_KEEPER:
		return use_region(a, &desk->op, replace_keeper);
	default:
		return transfer(a, &desk->op);
	}
}

void attend(struct desk *desk, int control)
{
	struct attendant a = { .desk = desk, .control = control };
	struct pollfd asked = { .fd = control, .events = POLLIN };
	char token;

	for (;;) {
		wait_for_events(&a, -1, true);
		if (poll(&asked, 1, 0) != 1)
			continue;
		if (read(control, &token, 1) != 1)
			break;
		desk->result = perform(&a);
		if (write(control, &token, 1) != 1)
			break;
	}
	release(&a);
	rdmareg_close(a.bus);
}
