// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * session-order.c - what is done to sessions: CreateSession, Release, Drain, SetLimits.
 *
 * What always holds: nothing of it is done, or said of a session, for anybody but root, the user
 * that the daemon runs as, and those whom polkit knows.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "bus/authorize.h"
#include "util/macros.h"

#define MAX_REGIONS 65536u
#define MIN_BYTES UINT64_C(4096)
#define MAX_PEERS 16384u
#define MAX_TICKETS 4096u
#define MIN_MEMORY (UINT64_C(32) << 20) /* a keeper without regions has some 10 MiB */

struct order {
	enum session_order_kind kind;
	struct session_request request;
};

int session_missing(struct failure *f, uint32_t uid, const char *name)
{
	return failure_set(f, RDMAREG_ERROR_NO_SUCH_SESSION,
			   "there is no session '%s' of uid %" PRIu32
			   ": it was released, or nobody has created it",
			   name, uid);
}

/* 0 stands for no limit of the session's own. */
static int check_number(const char *key, uint64_t value, uint64_t least, uint64_t most,
			struct failure *f)
{
	if (!value || (value >= least && value <= most))
		return 0;
	if (most == UINT64_MAX)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "%s must be at least %" PRIu64
				   ", or 0 for no limit of the session's own, not %" PRIu64,
				   key, least, value);
	return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
			   "%s must be from %" PRIu64 " to %" PRIu64
			   ", or 0 for no limit of the session's own, not %" PRIu64,
			   key, least, most, value);
}

static int take_device(const char *device, struct session_limits *l, struct failure *f)
{
	if (!tenant_name_is_sound(device, sizeof(l->device)))
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "Device must be the name of an RDMA device, 1 to %d of "
				   "A-Z a-z 0-9 _ . - (rdmaregctl devices lists them)",
				   RDMA_DEVICE_MAX - 1);
	strcpy(l->device, device);
	return 0;
}

int session_read_options(sd_bus_message *m, bool creates, struct session_request *q,
			 struct failure *f)
{
	struct session_limits *l = &q->limits;
	const char *device = NULL;
	const struct option known[] = {
		{ "MaxRegions", 'u', &l->regions, &q->has_regions },
		{ "MaxBytes", 't', &l->bytes, &q->has_bytes },
		{ "MaxPeers", 'u', &l->peers, &q->has_peers },
		{ "MaxTickets", 'u', &l->tickets, &q->has_tickets },
		{ "MaxMemory", 't', &l->memory, &q->has_memory },
		{ "Device", 's', &device, NULL }, /* last: it cannot be changed */
	};
	int r = options_read(m, known, ARRAY_SIZE(known) - !creates, f);

	if (r == 0)
		r = check_number("MaxRegions", l->regions, 1, MAX_REGIONS, f);
	if (r == 0)
		r = check_number("MaxBytes", l->bytes, MIN_BYTES, UINT64_MAX, f);
	if (r == 0)
		r = check_number("MaxPeers", l->peers, 1, MAX_PEERS, f);
	if (r == 0)
		r = check_number("MaxTickets", l->tickets, 1, MAX_TICKETS, f);
	if (r == 0)
		r = check_number("MaxMemory", l->memory, MIN_MEMORY, UINT64_MAX, f);
	return r == 0 && device ? take_device(device, l, f) : r;
}

static int carry_out(struct bus *b, struct client *c, int fd, const void *request,
		     struct call *call, struct failure *f)
{
	const struct order *o = request;
	const struct session_request *q = &o->request;
	struct session_view v;

	(void)fd;
	if (o->kind == ORDER_CREATE)
		return b->handlers->create_session(b->userdata, c, q, call, f);
	if (!b->handlers->view_session(b->userdata, q->uid, q->name, &v))
		return session_missing(f, q->uid, q->name);
	if (o->kind == ORDER_RELEASE)
		return b->handlers->release_session(b->userdata, c, q, call, f);
	if (v.tenant->state == SESSION_ENDED)
		return failure_set(f, RDMAREG_ERROR_BUSY,
				   "session '%s' of uid %" PRIu32
				   " is being released: nothing of it can be changed any more",
				   q->name, q->uid);
	return o->kind == ORDER_DRAIN ? b->handlers->drain_session(b->userdata, q, call, f)
				      : b->handlers->limit_session(b->userdata, q, call, f);
}

int session_order(sd_bus_message *m, struct bus *b, struct client *c, enum session_order_kind kind,
		  const struct session_request *q)
{
	const struct order o = { .kind = kind, .request = *q };
	const struct authorization a = {
		.action = ACTION_SESSIONS,
		.then = carry_out,
		.fd = -1,
		.path = "",
		.request = &o,
		.request_size = sizeof(o),
	};
	struct failure f;
	struct call *call;
	int r = call_new(b, c, m, &call, &f);

	if (r)
		return refuse(m, r, &f);
	if (c->uid == 0 || c->uid == geteuid())
		return end_call(call, carry_out(b, c, -1, &o, call, &f), &f);
	return end_call(call, authorize(b, &a, call, &f), &f);
}
