// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * region-arbitrate.c - the methods of org.rdmareg.Registry1.Region that say when and how peers lose
 * a region: Configure, Revoke, Restore, Sync.
 *
 * What always holds: a time that was given is never 0, so that 0 can mean that none was.
 */
#include <errno.h>
#include <inttypes.h>

#include "bus/authorize.h"

struct configure_kept {
	uint64_t id;
	struct configure_request request;
};

static int read_configure(sd_bus_message *m, struct configure_request *q, struct failure *f)
{
	const char *policy = NULL, *arbitration = NULL, *warm_mode = NULL;
	const struct option known[] = {
		{ "policy", 's', &policy, &q->has_policy },
		{ "grace_usec", 't', &q->grace_usec, &q->has_grace },
		{ "arbitration", 's', &arbitration, &q->has_pre_content },
		{ "warm_mode", 's', &warm_mode, NULL },
	};
	uint8_t word;
	int r = options_read(m, known, 4, f);

	if (r == 0 && policy) {
		r = option_word("policy", policy, region_policy_names, _REGION_POLICY_MAX, &word,
				f);
		if (r == 0)
			q->policy = word;
	}
	if (r == 0 && arbitration)
		r = read_arbitration(arbitration, &q->pre_content, f);
	if (r == 0 && warm_mode)
		r = read_warm_mode(warm_mode, &q->has_warm_mode, &q->warm_mode, f);
	return r;
}

/* The region may have ended while polkit was asked. */
static int configure_authorized(struct bus *b, struct client *c, int fd, const void *request,
				struct call *call, struct failure *ret)
{
	const struct configure_kept *k = request;
	struct configure_request q = k->request;
	struct region_view v;

	(void)fd;
	if (!b->handlers->view_region(b->userdata, k->id, &v) || !client_may_see(c, v.tenant))
		return failure_set(ret, RDMAREG_ERROR_NO_SUCH_REGION,
				   "region %" PRIu64
				   " ended while its new policy was being authorized",
				   k->id);
	q.owns_file = true;
	return b->handlers->configure(b->userdata, k->id, &q, call, ret);
}

static int ask_to_hold(struct found *found, const struct configure_request *q, struct call *call,
		       struct failure *f)
{
	const struct region_view *v = &found->view;
	const struct configure_kept k = { .id = v->region->id, .request = *q };
	const struct authorization a = {
		.action = ACTION_HOLD,
		.then = configure_authorized,
		.fd = -1,
		.path = v->text->path ? v->text->path : "",
		.request = &k,
		.request_size = sizeof(k),
	};

	return authorize(found->bus, &a, call, f);
}

int method_configure(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct configure_request q = { 0 };
	struct found *found = userdata;
	const struct region *region = found->view.region;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = read_configure(m, &q, &f);
	if (r)
		return refuse(m, r, &f);
	r = begin_call(m, found, &call);
	if (r)
		return r;
	q.uid = found->client->uid;
	q.owns_file = q.uid == 0 || q.uid == found->view.text->file_uid;
	/* one that holds already gains nothing by asking again */
	if (q.has_policy && q.policy == POLICY_HOLD && region->policy != POLICY_HOLD &&
	    !q.owns_file)
		return end_call(call, ask_to_hold(found, &q, call, &f), &f);
	return end_call(call, b->handlers->configure(b->userdata, region->id, &q, call, &f), &f);
}

/* The options of Revoke and Sync; @limit names the one that bounds it. */
static int read_revoke(sd_bus_message *m, const char *limit, bool has_range,
		       struct revoke_request *q, struct failure *f)
{
	bool limited = false;
	const struct option known[] = {
		{ "grace_usec", 't', &q->grace_usec, &q->has_grace },
		{ limit, 't', &q->limit_usec, &limited },
		{ "offset", 't', &q->offset, NULL },
		{ "length", 't', &q->length, NULL },
	};
	int r = options_read(m, known, has_range ? 4 : 2, f);

	if (r || !limited || q->limit_usec)
		return r;
	return failure_set(
		f, RDMAREG_ERROR_INVALID_OPTION,
		"%s 0 leaves no time to do anything: give more, or leave it out for the longest "
		"time that is allowed",
		limit);
}

int method_revoke(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct revoke_request q = { 0 };
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = read_revoke(m, "for_usec", true, &q, &f);
	if (r)
		return refuse(m, r, &f);
	r = begin_call(m, found, &call);
	if (r)
		return r;
	return end_call(call,
			b->handlers->revoke(b->userdata, found->client, found->view.region->id, &q,
					    call, &f),
			&f);
}

int method_restore(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found *found = userdata;
	struct bus *b = found->bus;
	uint64_t revocation;
	struct failure f;
	int r;

	(void)error;
	r = sd_bus_message_read(m, "t", &revocation);
	if (r < 0)
		return r;
	return reply_plain(m,
			   b->handlers->restore(b->userdata, found->client, found->view.region->id,
						revocation, &f),
			   &f);
}

int method_sync(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct revoke_request q = { 0 };
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = read_revoke(m, "limit_usec", false, &q, &f);
	if (r)
		return refuse(m, r, &f);
	r = begin_call(m, found, &call);
	if (r)
		return r;
	return end_call(
		call,
		b->handlers->sync(b->userdata, found->client, found->view.region->id, &q, call, &f),
		&f);
}
