// SPDX-License-Identifier: GPL-2.0-or-later
/* view.c - what can be said of a proxy. */
#include <inttypes.h>
#include <stdio.h>

#include "proxy/proxy.h"

struct proxy_note *proxy_note(struct proxy *k)
{
	return &k->note;
}

const char *proxy_name(const struct proxy *k)
{
	return k->name;
}

const char *proxy_trouble(const struct proxy *k)
{
	return k->estranged ? k->trouble : "";
}

bool proxy_is_foreign(const struct proxy *k)
{
	return *k->mismatch && k->record;
}

bool proxy_is_gone(const struct proxy *k)
{
	return k->dying;
}

uint32_t proxy_uid(const struct proxy *k)
{
	return k->uid;
}

uint32_t proxy_instance(const struct proxy *k)
{
	return k->instance;
}

const char *proxy_session(const struct proxy *k)
{
	return k->session;
}

/* Connected to, or about to be for the first time, or nothing to connect to: it holds nothing. */
static bool is_on_its_way(const struct proxy *k)
{
	return !k->note.listed && !k->note.from_record;
}

const char *proxy_why_stuck(const struct proxy *k)
{
	if (k->silent)
		return "it has not answered within timeout_msec; it is waited for, and new regions go "
		       "to another one: see whether its process is stopped, or waits for storage";
	if (k->late)
		return "it has not answered all that it was asked in time; it is waited for, and new "
		       "regions go to another one: see whether its process is stopped, or waits for "
		       "storage";
	if (k->phase != PHASE_READY && k->phase != PHASE_RESTING && !is_on_its_way(k))
		return "the connection to it ended, and is made again";
	return NULL;
}

static enum keeper_state state_of(const struct proxy *k)
{
	if (k->retired || k->unwanted || k->superseded)
		return KEEPER_ENDING;
	if (k->estranged)
		return proxy_is_foreign(k) ? KEEPER_FOREIGN : KEEPER_STUCK;
	if (proxy_why_stuck(k))
		return KEEPER_STUCK;
	return is_on_its_way(k) ? KEEPER_STARTING : KEEPER_DRIVEN;
}

static const char *trouble_of(const struct proxy *k, enum keeper_state state)
{
	if (state != KEEPER_STUCK && state != KEEPER_FOREIGN)
		return "";
	return k->estranged ? k->trouble : proxy_why_stuck(k);
}

uint32_t pool_count_in(const struct pool *ks, enum keeper_state state)
{
	const struct proxy *k;
	uint32_t n = 0;

	LIST_FOREACH(k, &ks->keepers, keepers)
		n += state_of(k) == state;
	return n;
}

bool pool_view_next(const struct pool *ks, const uint32_t *uid, uint64_t after,
		    struct proxy_view *ret)
{
	const struct proxy *k, *next = NULL;
	const struct record_keeper *about;

	LIST_FOREACH(k, &ks->keepers, keepers)
		if (k->number > after && (!next || k->number < next->number) &&
		    (!uid || k->uid == *uid))
			next = k;
	if (!next)
		return false;
	k = next;
	about = k->record ? record_keeper(k->record) : NULL;
	*ret = (struct proxy_view){
		.number = k->number,
		.uid = k->uid,
		.session = k->session,
		.instance = k->instance,
		.pid = k->pid  ? k->pid
		       : about ? (pid_t)about->pid
			       : 0,
		.runs_as = about && about->pid ? about->runs_as : UINT32_MAX,
		.unit = about ? about->unit : "",
		.device = k->welcome.device,
		.address = k->welcome.address,
		.program = k->welcome.program,
		.version = k->welcome.version,
		.of = k->welcome.versions,
		.state = state_of(k),
		.trouble = trouble_of(k, state_of(k)),
		.attempts = k->attempts,
		.regions = k->note.regions,
		.peers = k->note.peers,
		.bytes = k->note.bytes,
		.started = k->started,
	};
	return true;
}
