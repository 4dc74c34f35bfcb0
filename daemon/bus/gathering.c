// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gathering.c - several regions asked for with one call: each is a part, which is looked at,
 * authorized and registered as if it were a call of its own, and counts as one of its client's
 * waiting calls.
 *
 * What always holds: the call is answered once, after its last part; an atomic one that failed in
 * part has taken down what it registered by then, or says what is not down yet. When the client is
 * gone nobody is answered, and what it registered ends or stays as with calls of their own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/bus-internal.h"

struct part {
	uint64_t region; /* 0: it was not registered */
	struct failure why;
};

struct gathering {
	struct bus *bus;
	struct call *call;
	size_t n;
	size_t left; /* parts that are not over, and one while they are begun */
	bool atomic;
	bool undoing;
	struct failure late; /* of an undoing: what is not down yet; no name: nothing */
	struct property_choice chosen;
	struct part parts[];
};

static void took(void *userdata, size_t index, uint64_t region, const struct failure *f)
{
	struct gathering *g = userdata;

	if (g->undoing)
		g->late = *f;
	else if (f)
		g->parts[index].why = *f;
	else
		g->parts[index].region = region;
}

static void step(void *userdata);

static struct part_of part_of(struct gathering *g, size_t index)
{
	return (struct part_of){ g, index, took, step };
}

int gathering_new(struct bus *b, struct client *c, sd_bus_message *m, size_t n, bool atomic,
		  const struct property_choice *chosen, struct gathering **ret,
		  struct failure *ret_failure)
{
	struct gathering *g = calloc(1, sizeof(*g) + n * sizeof(*g->parts));
	int r;

	if (!g)
		return -ENOMEM;
	r = call_new(b, c, m, &g->call, ret_failure);
	if (r) {
		free(g);
		return r;
	}
	g->bus = b;
	g->n = n;
	g->left = 1;
	g->atomic = atomic;
	g->chosen = *chosen;
	*ret = g;
	return 0;
}

void gathering_part(struct gathering *g, sd_bus_message *m, struct client *c, size_t index,
		    int token, const struct examination *x)
{
	const struct part_of part = part_of(g, index);
	struct part *p = &g->parts[index];
	struct call *call;
	int r = call_new_part(g->bus, c, m, &part, &call, &p->why);

	if (r < 0)
		failure_from_errno(&p->why, "registering the region", r, "");
	if (r)
		return;
	g->left++;
	r = examine_token(g->bus, m, c, token, x, call, &p->why);
	if (r)
		call_fail(call, &p->why);
}

void gathering_start(struct gathering *g)
{
	step(g);
}

static const struct part *first_failed(const struct gathering *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (!g->parts[i].region)
			return &g->parts[i];
	return NULL;
}

/* Nobody has a ticket, and no holder but the caller knows of it: there is no reason to wait. */
static void undo(struct gathering *g)
{
	struct client *c = call_client(g->call);
	struct region_view v;
	struct failure f;
	struct call *call;

	g->undoing = true;
	g->left = 1;
	for (size_t i = 0; i < g->n; i++) {
		const struct part_of part = part_of(g, i);

		if (!g->parts[i].region ||
		    !g->bus->handlers->view_region(g->bus->userdata, g->parts[i].region, &v))
			continue;
		if (call_new_part(NULL, c, call_message(g->call), &part, &call, &f)) {
			failure_from_errno(&g->late, "releasing the others", -ENOMEM, "");
			continue;
		}
		g->left++;
		if (g->bus->handlers->release(g->bus->userdata, c, g->parts[i].region, 0, call, &f))
			call_fail(call, &f);
	}
	step(g);
}

static int append_part(sd_bus_message *reply, const struct gathering *g, const struct part *p)
{
	char path[REGION_PATH_MAX] = "/";
	struct failure why = p->why;
	struct region_view v;
	bool there = p->region && g->bus->handlers->view_region(g->bus->userdata, p->region, &v);
	int r = sd_bus_message_open_container(reply, 'r', "toa{sv}ss");

	if (p->region && !there)
		failure_set(&why, RDMAREG_ERROR_NO_SUCH_REGION, "the region ended meanwhile");
	if (there)
		region_path(p->region, path);
	if (r >= 0)
		r = sd_bus_message_append(reply, "to", there ? p->region : 0, path);
	if (r >= 0 && !there)
		r = sd_bus_message_append(reply, "a{sv}", 0);
	else if (r >= 0)
		r = properties_append_values(reply, &v, &g->chosen);
	if (r >= 0)
		r = sd_bus_message_append(reply, "ss", there ? "" : why.name,
					  there ? "" : why.text);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void reply_parts(struct gathering *g)
{
	sd_bus_message *reply = NULL;
	int r = call_new_reply(g->call, &reply);

	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(toa{sv}ss)");
	for (size_t i = 0; i < g->n && r >= 0; i++)
		r = append_part(reply, g, &g->parts[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	call_finish(g->call, reply, r);
}

static void fail_all(struct gathering *g, const struct part *p)
{
	struct failure f;

	failure_set(&f, g->late.name ? g->late.name : p->why.name,
		    "nothing was registered, because of number %zu of %zu: %s%s%s",
		    (size_t)(p - g->parts) + 1, g->n, p->why.text, g->late.name ? "; but " : "",
		    g->late.name ? g->late.text : "");
	call_fail(g->call, &f);
}

static void step(void *userdata)
{
	struct gathering *g = userdata;
	const struct part *failed;

	if (--g->left)
		return;
	failed = g->atomic ? first_failed(g) : NULL;
	if (!call_client(g->call)) {
		call_drop(g->call);
	} else if (failed && !g->undoing) {
		undo(g);
		return;
	} else if (failed) {
		fail_all(g, failed);
	} else {
		reply_parts(g);
	}
	free(g);
}
