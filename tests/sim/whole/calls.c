// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * calls.c - callers on the bus: their connections, and their calls, which wait with the bus until
 * the daemon takes them.
 *
 * What always holds: a caller sees regions of its own user only, as the real bus sees to; a call is
 * answered once, by its bound unless the daemon itself was stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bus-played.h"

#define PAGE 4096u

struct call {
	enum call_kind kind;
	struct connection *by; /* NULL: it left */
	uint64_t region;
	uint64_t since_usec;
	uint64_t stopped_usec;	      /* of the daemon, until then */
	const struct process *keeper; /* of the region */
	LIST_ENTRY(call) calls;
};

static const char *const call_names[_CALL_MAX] = {
	"Register", "Export",	"Release", "Configure", "Revoke",	 "Restore",
	"Sync",	    "Prefetch", "Join",	   "Leave",	"AckRevocation",
};

struct connection connections[CONNECTIONS];

static uint64_t clients;
static LIST_HEAD(, call) calls = LIST_HEAD_INITIALIZER(calls);
static STAILQ_HEAD(, request) requests = STAILQ_HEAD_INITIALIZER(requests);

/* --- requests */

void bus_ask(const struct request *q)
{
	struct request *copy = malloc(sizeof(*copy));

	if (!copy)
		abort();
	*copy = *q;
	STAILQ_INSERT_TAIL(&requests, copy, requests);
}

bool bus_has_requests(void)
{
	return !bus_is_held() && !STAILQ_EMPTY(&requests);
}

struct client *client_of(struct connection *c)
{
	if (c->client)
		return c->client;
	c->client = calloc(1, sizeof(*c->client) + sizeof(c->name));
	if (!c->client)
		abort();
	c->client->number = ++clients;
	c->client->uid = c->uid;
	c->client->pid = c->pid;
	c->client->asker = (struct asker){ .pid = c->pid, .uid = c->uid };
	memcpy(c->client->name, c->name, sizeof(c->name));
	return c->client;
}

struct connection *connection_of(const struct client *c)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (connections[i].client == c)
			return &connections[i];
	return NULL;
}

static struct call *call_begin(const struct request *q)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		abort();
	*call = (struct call){ .kind = q->kind,
			       .by = q->by,
			       .region = q->region,
			       .since_usec = os_now,
			       .stopped_usec = os_stopped(the_daemon) };
	call->keeper = q->region ? process_of(daemon_keeper_of(q->region)) : NULL;
	LIST_INSERT_HEAD(&calls, call, calls);
	counted[COUNT_CALLS]++;
	return call;
}

static void call_end(struct call *call)
{
	LIST_REMOVE(call, calls);
	free(call);
}

/* Of a file that is there for this region alone. */
static int new_file(uint64_t pages)
{
	static unsigned int number;
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "file %u", ++number);
	fd = (int)syscall(SYS_memfd_create, name, MFD_CLOEXEC);
	if (fd < 0 || syscall(SYS_ftruncate, fd, (long)(pages * PAGE)) < 0)
		abort();
	os_set_kind(fd, OS_FILE, NULL);
	os_trace("passes %s", name);
	return fd;
}

static int ask_register(const struct request *q, struct call *call, struct failure *why)
{
	static const uint64_t graces[] = { 0, 10, 100, GRACE_MSEC };
	struct register_request r = {
		.fd = new_file(q->number),
		.uid = q->by->uid,
		.length = q->number * PAGE,
		.access = q->how & 1 ? ACCESS_READ : ACCESS_READ_WRITE,
		.policy = q->how & 2 ? POLICY_FOLLOW : POLICY_YIELD,
		.has_grace = q->how & 4,
		.grace_usec = graces[q->how >> 3 & 3] * USEC_PER_MSEC,
		.detached = (q->how >> 5 & 3) == 0,
		.warm = (q->how >> 7 & 3) == 0,
		.owns_file = true,
		.file_uid = 0, /* who made the memfd */
		.session = q->how & 0x200 ? "default" : "job",
		.name = "",
		.path = "/file",
	};
	struct stat st;
	int error;

	syscall(SYS_newfstatat, r.fd, "", &st, AT_EMPTY_PATH);
	r.on.device = st.st_dev;
	r.inode = st.st_ino;
	error = the_bus.handlers->register_region(the_bus.userdata, client_of(q->by), &r, call,
						  why);
	if (error)
		os_close(r.fd);
	return error;
}

static int ask_of_region(const struct request *q, struct call *call, struct failure *why)
{
	const struct bus_handlers *h = the_bus.handlers;
	struct client *c = client_of(q->by);
	const struct configure_request configure = {
		.has_grace = q->how & 1,
		.grace_usec = (q->how >> 1) % 300 * USEC_PER_MSEC,
		.has_policy = q->how & 0x400,
		.policy = q->how & 0x800 ? POLICY_FOLLOW : POLICY_YIELD,
		.has_warm_mode = q->how & 0x1000,
		.warm_mode = (enum warm_mode)((q->how >> 13) % _WARM_MODE_MAX),
		.owns_file = true,
		.uid = q->by->uid,
	};
	const struct revoke_request revoke = {
		.has_grace = q->how & 1,
		.grace_usec = (q->how >> 1) % 300 * USEC_PER_MSEC,
		.limit_usec = q->how & 0x400 ? (q->how >> 11) % 1000 * USEC_PER_MSEC : 0,
	};

	switch (q->kind) {
	case CALL_EXPORT:
		return h->export(the_bus.userdata, q->region, &(struct export_request){ 0 }, call,
				 why);
	case CALL_RELEASE:
		return h->release(the_bus.userdata, c, q->region,
				  q->how & 1 ? UINT64_MAX : (q->how >> 1) % 300 * USEC_PER_MSEC,
				  call, why);
	case CALL_CONFIGURE:
		return h->configure(the_bus.userdata, q->region, &configure, call, why);
	case CALL_REVOKE:
		return h->revoke(the_bus.userdata, c, q->region, &revoke, call, why);
	case CALL_SYNC:
		return h->sync(the_bus.userdata, c, q->region, &revoke, call, why);
	case CALL_PREFETCH:
		return h->prefetch(the_bus.userdata, q->region, &(struct prefetch_request){ 0 },
				   call, why);
	default:
		abort();
	}
}

/* Those that are answered at once. */
static int ask_at_once(const struct request *q, struct failure *why)
{
	const struct bus_handlers *h = the_bus.handlers;
	struct client *c = client_of(q->by);

	if (q->kind == CALL_JOIN)
		return h->join(the_bus.userdata, c, q->region, why);
	if (q->kind == CALL_LEAVE)
		return h->leave(the_bus.userdata, c, q->region, why);
	if (q->kind == CALL_RESTORE)
		return h->restore(the_bus.userdata, c, q->region, q->number, why);
	return h->acknowledge(the_bus.userdata, c, q->region, q->number, why);
}

static bool is_at_once(enum call_kind kind)
{
	return kind == CALL_JOIN || kind == CALL_LEAVE || kind == CALL_RESTORE ||
	       kind == CALL_ACKNOWLEDGE;
}

static void take(const struct request *q)
{
	struct failure why = { 0 };
	struct region_view v;
	struct call *call;
	int r;

	os_trace("%s of %s, region %" PRIu64, call_names[q->kind], q->by->name, q->region);
	if (q->kind != CALL_REGISTER &&
	    (!the_bus.handlers->view_region(the_bus.userdata, q->region, &v) ||
	     (q->by->uid && v.tenant->uid != q->by->uid)))
		return;
	if (is_at_once(q->kind)) {
		ask_at_once(q, &why);
		return;
	}
	if (q->kind == CALL_RELEASE)
		happen_release_wanted(q->region);
	call = call_begin(q);
	r = q->kind == CALL_REGISTER ? ask_register(q, call, &why) : ask_of_region(q, call, &why);
	if (!r)
		return;
	os_require(r == BUS_E_REFUSED && why.name && *why.text, "a refusal without a word: %d", r);
	os_trace("refused: %s", why.name);
	call_end(call);
}

void bus_take(void)
{
	uint64_t n = 1 + os_random(4);
	struct request *q;

	while (n-- && (q = STAILQ_FIRST(&requests))) {
		STAILQ_REMOVE_HEAD(&requests, requests);
		if (q->by->up)
			take(q);
		free(q);
	}
}

void connection_end(struct connection *c)
{
	struct client *client = c->client;
	struct call *call;

	os_trace("%s leaves", c->name);
	c->up = false;
	if (!client)
		return;
	/* answered they are all the same, and nobody hears it */
	LIST_FOREACH(call, &calls, calls)
		if (call->by == c)
			call->by = NULL;
	the_bus.handlers->client_gone(the_bus.userdata, client);
	c->client = NULL;
	free(client);
}

void bus_lost(void)
{
	struct call *call;

	while ((call = LIST_FIRST(&calls)))
		call_end(call);
	for (size_t i = 0; i < CONNECTIONS; i++)
		connections[i].client = NULL; /* it was the daemon's */
}

uint32_t bus_open_calls(void)
{
	const struct call *call;
	uint32_t n = 0;

	LIST_FOREACH(call, &calls, calls)
		n++;
	return n;
}

/*
 * What anybody may have to wait for: a keeper that starts, its time to answer, the grace; of a
 * Sync the revocation under way, too.
 */
static uint64_t bound_usec(const struct call *call)
{
	switch (call->kind) {
	case CALL_REGISTER:
		return 8 * TIMEOUT_MSEC * USEC_PER_MSEC;
	case CALL_SYNC:
		return (2 * TIMEOUT_MSEC + MAX_GRACE_MSEC) * USEC_PER_MSEC +
		       (2 * REVOKE_LIMIT_SEC + 1) * USEC_PER_SEC;
	default:
		return (2 * TIMEOUT_MSEC + MAX_GRACE_MSEC + 1000) * USEC_PER_MSEC;
	}
}

void bus_check_calls(void)
{
	const struct call *call;

	LIST_FOREACH(call, &calls, calls)
		os_require(os_now - call->since_usec <=
				   bound_usec(call) + os_stopped(the_daemon) - call->stopped_usec,
			   "%s of region %" PRIu64 " is not answered after %" PRIu64 " ms",
			   call_names[call->kind], call->region,
			   (os_now - call->since_usec) / 1000);
}

/* --- bus.h: answers */

static void finish(struct call *c, const char *how)
{
	os_trace("answers %s of region %" PRIu64 ": %s", call_names[c->kind], c->region, how);
	call_end(c);
}

void call_reply(struct call *c)
{
	finish(c, "done");
}

void call_reply_region(struct call *c, const struct region_view *v)
{
	c->region = v->region->id;
	counted[COUNT_REGISTERED]++;
	finish(c, "there it is");
}

void call_reply_ticket(struct call *c, const char *ticket)
{
	os_require(*ticket, "an empty ticket");
	finish(c, "a ticket");
}

void call_reply_number(struct call *c, uint64_t number)
{
	const struct request restore = {
		.kind = CALL_RESTORE, .by = c->by, .region = c->region, .number = number
	};

	if (c->by && os_chance(70))
		happen_later(&restore, os_random(800 * USEC_PER_MSEC));
	finish(c, "revoked");
}

void call_reply_sync(struct call *c, const char *durable, uint64_t revocation,
		     uint64_t valid_length)
{
	(void)durable, (void)revocation, (void)valid_length;
	finish(c, "synced");
}

/* Something came between the two in this world. */
static bool is_excused(const struct call *c)
{
	const struct process *k = c->keeper;

	return !k || !k->alive || k->foreign || k->cuts || k->stopped_usec ||
	       the_daemon->stopped_usec;
}

void call_fail(struct call *c, const struct failure *f)
{
	bool timeout = !strcmp(f->name, RDMAREG_ERROR_TIMEOUT);

	os_require(f->name && *f->text, "a failure without a word");
	os_require(!world.calm || (!timeout && strcmp(f->name, RDMAREG_ERROR_FAILED) != 0 &&
				   strcmp(f->name, RDMAREG_ERROR_KEEPER_LOST) != 0),
		   "%s fails, and nothing went wrong: %s", call_names[c->kind], f->text);
	os_require(c->kind != CALL_RELEASE || !timeout || is_excused(c),
		   "Release of region %" PRIu64 " is late, and its keeper was never stopped",
		   c->region);
	counted[COUNT_LATE] += timeout;
	os_trace("%s", f->text);
	finish(c, f->name);
}

void call_reply_count(struct call *c, uint32_t count)
{
	(void)count;
	finish(c, "counted");
}

void call_reply_import(struct call *c, int fd, uint32_t pd_handle, uint32_t mr_handle,
		       const struct region *r)
{
	(void)fd, (void)pd_handle, (void)mr_handle, (void)r;
	finish(c, "imported");
}

void call_reply_dax(struct call *c, const char *path, uint64_t size, int fd)
{
	(void)path, (void)size, (void)fd;
	finish(c, "made");
}

void call_reply_session(struct call *c, uint32_t uid, const char *name)
{
	(void)uid, (void)name;
	finish(c, "created");
}

void call_reply_ends(struct call *c, const struct session_end *ends, size_t n)
{
	(void)ends, (void)n;
	finish(c, "ended");
}
