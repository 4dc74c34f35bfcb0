// SPDX-License-Identifier: GPL-2.0-or-later
/* bus.c - bus.h and loop.h of the daemon, played: what it tells, and whom. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/loop.h"
#include "bus-played.h"

struct loop {
	struct event_base *base;
	bool held;
};

struct bus the_bus;

static struct loop the_loop;

const char *const region_state_names[_REGION_STATE_MAX];
const char *const revocation_cause_names[_REVOCATION_CAUSE_MAX];
const char *const path_state_names[_PATH_STATE_MAX];

bool bus_is_held(void)
{
	return the_loop.held;
}

/* --- bus.h: clients */

static struct asker asker_of(const struct client *c)
{
	return (struct asker){ .pid = c->pid, .uid = c->uid };
}

const struct asker *client_asker(struct client *c)
{
	c->asker = asker_of(c);
	return &c->asker;
}

bool client_has_time(struct client *c)
{
	(void)c;
	return true;
}

void client_charge(struct client *c, const struct time_span *began)
{
	(void)c, (void)began;
}

uint32_t client_user_joins(const struct client *c)
{
	(void)c;
	return 0;
}

void client_count_join(struct client *c, int32_t more)
{
	(void)c, (void)more;
}

bool bus_client_mark(struct bus *b, const struct client *c, char *out, size_t size)
{
	(void)b;
	snprintf(out, size, "sim%s", c->name);
	return true;
}

int bus_expect(struct bus *b, const char *mark)
{
	(void)b, (void)mark;
	return 0;
}

int bus_client_by_mark(struct bus *b, const char *mark, struct client **ret)
{
	(void)b;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		if (strcmp(mark + strlen("sim"), connections[i].name) != 0)
			continue;
		if (!connections[i].up)
			return -ENOENT;
		*ret = client_of(&connections[i]);
		return 0;
	}
	return -ENOENT;
}

void bus_most_used(struct bus *b, const uint32_t *only, struct bus_uses *ret)
{
	(void)b, (void)only;
	*ret = (struct bus_uses){ 0 };
}

/* --- bus.h: signals */

static struct told told_of(const struct region_view *v)
{
	return (struct told){
		.region = v->region->id,
		.uid = v->tenant->uid,
		.session = v->tenant->session,
		.owner = v->text->detached ? NULL
			 : v->owner	   ? v->owner->name
					   : "",
		.filesystem = v->text->uuid[0],
		.keeper = daemon_keeper_of(v->region->id),
		.moves = v->region->state == REGION_REGISTERING,
		.generation = v->region->generation,
		.revocation = v->region->revocation,
	};
}

void bus_tell_added(struct bus *b, const struct region_view *v)
{
	const struct told t = told_of(v);

	(void)b;
	happen_added(&t);
}

void bus_tell_asked(struct bus *b, const struct region_view *v)
{
	const struct join *j;

	(void)b;
	if (v->owner)
		happen_asked(connection_of(v->owner), v->region->id, v->region->revocation);
	LIST_FOREACH(j, v->joins, of_region)
		happen_asked(connection_of(j->client), v->region->id, v->region->revocation);
}

void bus_tell_settled(struct bus *b, const struct region_view *v, uint64_t revocation,
		      enum revocation_outcome outcome)
{
	(void)b;
	os_trace("region %" PRIu64 ": revocation %" PRIu64 " settled, %d", v->region->id,
		 revocation, (int)outcome);
}

void bus_tell_removed(struct bus *b, const struct region_view *v, enum region_end why,
		      const char *more)
{
	static const enum why whys[_REGION_END_MAX] = {
		[END_RELEASED] = WHY_RELEASED, [END_DISCONNECTED] = WHY_DISCONNECTED,
		[END_EVICTED] = WHY_EVICTED,   [END_OVER_LIMIT] = WHY_EVICTED,
		[END_GIVEN_UP] = WHY_GIVEN_UP, [END_LOST] = WHY_LOST,
		[END_SESSION] = WHY_SESSION,   [END_EXPIRED] = WHY_DISCONNECTED,
	};
	const struct told t = told_of(v);

	(void)b;
	os_trace("region %" PRIu64 " is gone: %s %s", v->region->id, region_end_names[why], more);
	happen_removed(&t, whys[why], region_end_names[why]);
}

void bus_tell_changed(struct bus *b, const struct region_view *v, uint32_t changed)
{
	const struct told t = told_of(v);

	(void)b, (void)changed;
	happen_changed(&t);
}

void bus_tell_history(struct bus *b, const struct tenant *t, uint64_t number)
{
	(void)b, (void)t, (void)number;
}

void bus_tell_session_added(struct bus *b, const struct tenant *t)
{
	(void)b, (void)t;
}

void bus_tell_session_removed(struct bus *b, const struct tenant *t, const char *reason)
{
	(void)b, (void)t, (void)reason;
}

void bus_tell_session_changed(struct bus *b, const struct session_view *v)
{
	(void)b, (void)v;
}

void bus_tell_job(struct bus *b, const struct job *j)
{
	(void)b, (void)j;
}

/* --- bus.h: the connection */

int bus_new(struct bus **ret, struct event_base *base, const char *address, struct offload *offload,
	    const struct bus_handlers *handlers, void *userdata)
{
	(void)base, (void)address, (void)offload;
	the_bus = (struct bus){ handlers, userdata };
	*ret = &the_bus;
	return 0;
}

struct bus *bus_free(struct bus *b)
{
	(void)b;
	return NULL;
}

int bus_settle(struct bus *b)
{
	(void)b;
	return 0;
}

int bus_acquire_name(struct bus *b)
{
	(void)b;
	return 0;
}

void bus_set_limits(struct bus *b, const struct bus_limits *limits)
{
	(void)b, (void)limits;
}

sd_bus *bus_connection(struct bus *b)
{
	(void)b;
	return NULL;
}

int bus_process(struct bus *b)
{
	(void)b;
	return 0;
}

uint64_t bus_work(struct bus *b)
{
	(void)b;
	return NEVER;
}

void bus_descriptors(const struct bus *b, int *ret_in, int *ret_out)
{
	(void)b;
	*ret_in = *ret_out = -1;
}

void bus_set_reading(struct bus *b, bool on)
{
	(void)b, (void)on;
}

/* --- loop.h */

int loop_new(struct loop **ret)
{
	the_loop = (struct loop){ .base = event_base_new(), .held = true };
	*ret = &the_loop;
	the_daemon->base = the_loop.base;
	return the_loop.base ? 0 : -ENOMEM;
}

struct loop *loop_free(struct loop *l)
{
	if (l && l->base)
		event_base_free(l->base);
	return NULL;
}

void loop_freep(struct loop **l)
{
	loop_free(*l);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

void loop_set_bus(struct loop *l, sd_bus *bus, int in, int out)
{
	(void)l, (void)bus, (void)in, (void)out;
}

void loop_set_work(struct loop *l, loop_process_t *process, loop_work_t *work, void *userdata)
{
	(void)l, (void)process, (void)work, (void)userdata;
}

void loop_hold_bus(struct loop *l, bool hold)
{
	l->held = hold;
}

int loop_run(struct loop *l)
{
	(void)l;
	return -ENOSYS;
}

void loop_stop(struct loop *l)
{
	(void)l;
}
