// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * spawn.c - spawner.h and process.h of the product, played: keepers are processes of this world.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus-played.h"
#include "keeper-protocol.h"
#include "util/process.h"
#include "util/spawner.h"
#include "whole.h"

/* What a start takes, one after the other, on a machine that has little to give. */
#define START_USEC (600 * USEC_PER_MSEC)

struct spawned {
	const struct spawned_ops *ops;
	void *userdata;
	struct process *process;
	struct event *due;
	bool told;
};

struct process *process_of(pid_t pid)
{
	struct process *p = os_processes;

	while (p && p->pid != pid)
		p = p->next;
	return p;
}

static void on_due(evutil_socket_t fd, short what, void *userdata)
{
	struct spawned *s = userdata;

	(void)fd, (void)what;
	spawned_look(s);
}

bool spawned_look(struct spawned *s)
{
	struct failure why;

	if (!s || s->told)
		return true;
	s->told = true;
	event_del(s->due);
	if (s->process->alive) {
		s->ops->started(s->userdata, s->process->pid, os_pidfd(s->process));
		return true;
	}
	fail(&why, -ECHILD, "%s could not be started", s->process->name);
	s->ops->failed(s->userdata, &why);
	return false;
}

struct spawned *spawned_free(struct spawned *s)
{
	if (!s)
		return NULL;
	if (!s->told) /* nobody wants to know: it is not begun */
		os_kill(s->process);
	event_free(s->due);
	free(s);
	return NULL;
}

int spawner_start(struct spawned **ret, struct spawner *spawner, struct event_base *base,
		  const struct spawner_order *order, const struct spawned_ops *ops, void *userdata)
{
	static uint64_t free_usec; /* the machine is, for the next start */
	static unsigned int number;
	const struct timeval due = timeval_from_usec(os_random(world.failing ? 300000 : 5000));
	struct spawned *s = calloc(1, sizeof(*s));
	char name[32];

	(void)spawner;
	if (!s || !order->outlives)
		abort();
	snprintf(name, sizeof(name), "keeper %u", ++number);
	s->ops = ops;
	s->userdata = userdata;
	s->process = os_process_new(name, order->outlives->runs_as);
	s->due = evtimer_new(base, on_due, s);
	event_add(s->due, &due);
	os_trace("starts %s", name);
	free_usec = (free_usec > os_now ? free_usec : os_now) +
		    os_random(world.failing ? 800000 : START_USEC);
	keeper_begin(s->process, os_socket_inherit(order->socket), order->argv, free_usec - os_now);
	*ret = s;
	return 0;
}

int spawner_watch(struct spawner *s, struct event_base *base, void (*lost)(void *userdata),
		  void *userdata)
{
	(void)s, (void)base, (void)lost, (void)userdata;
	return 0;
}

void spawner_unwatch(struct spawner *s)
{
	(void)s;
}

/* --- process.h */

bool process_read(pid_t pid, const char *name, char *ret, size_t size)
{
	(void)pid, (void)name, (void)ret, (void)size;
	return false;
}

uint64_t process_start(pid_t pid)
{
	const struct process *p = process_of(pid);

	return p && p->alive ? (uint64_t)pid * 10 : 0;
}

bool process_is_over(pid_t pid, uint64_t start)
{
	const struct process *p = process_of(pid);

	(void)start;
	return !p || !p->alive;
}

bool process_is_frozen(pid_t pid, uint64_t start)
{
	(void)pid, (void)start;
	return false;
}

bool process_is_frozen_in(const char *cgroup_events, pid_t pid, uint64_t start)
{
	(void)cgroup_events, (void)pid, (void)start;
	return false;
}

bool process_find_cgroup_events(pid_t pid, char *ret, size_t size)
{
	(void)pid, (void)ret, (void)size;
	return false;
}

bool process_read_cgroup(pid_t pid, char *ret, size_t size)
{
	(void)pid, (void)ret, (void)size;
	return false;
}

/* --- hooks of the operating system */

bool whole_wants_turn(const struct process *p)
{
	return p == the_daemon && bus_has_requests();
}

void whole_before_turn(struct process *p)
{
	if (p == the_daemon && bus_has_requests())
		bus_take();
	if (p->keeper && p->told_to_end) {
		p->told_to_end = false;
		keeper_told_to_end(p);
	}
}

void whole_after_turn(struct process *p, bool leaves)
{
	if (leaves && p->keeper)
		keeper_leaves(p);
}

enum os_fate whole_packet_sent(const struct process *from, const struct process *to, char *packet,
			       size_t *size, size_t room, struct os_packet *ret_before)
{
	struct keeper_message *m = (struct keeper_message *)(void *)packet;
	enum os_fate fate;

	os_require(room >= sizeof(*m) && *size <= sizeof(*m), "a packet of %zu bytes", *size);
	counted[COUNT_RESYNCS] += m->type == KEEPER_RESYNC;
	fate = lies_of(from, to, m, size);
	if (fate == OS_ARRIVES)
		fate = versions_differ(from, to, packet, size, room, ret_before);
	os_trace("-> %s: type %" PRIu32 " operation %" PRIu64 " region %" PRIu64 ", %zu", to->name,
		 m->type, m->operation, m->region, *size);
	if (m->type == KEEPER_DONE && m->done.error)
		os_trace("   error %d %.60s", m->done.error, m->done.text);
	return fate;
}
