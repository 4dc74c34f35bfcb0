// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-takers.c - when others in this kernel who could take blocks of files unseen are looked for
 * (takers.h): all of them when a file becomes marked, and every LOOK_USEC as long as one is; as
 * long as there is any region, the files that are swap.
 *
 * What always holds: one look at a time, in a thread that can be given up; what it finds is in
 * force until the next one ends.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/log.h"

#define LOOK_USEC (5 * USEC_PER_SEC)

struct look {
	struct offload_task task;
	struct app *app;
	struct takers found;
	bool all;
	int error;
};

/* In a thread. */
static void work(struct offload_task *task)
{
	struct look *l = (struct look *)task;

	l->error = takers_find(&l->found, "", l->all);
}

static void later(struct app *a)
{
	const struct timeval tv = timeval_from_usec(LOOK_USEC);

	if (registry_after(a->registry, 0))
		evtimer_add(a->takers_timer, &tv);
}

/*
 * Swap concerns every region, and the rest those that are marked. All are walked only when a file
 * has become swap or has ceased to be, which an administrator does (swapon(8)).
 */
static void look_at_modes(struct app *a, bool swap_changed)
{
	struct region_entry *e;

	if (!swap_changed) {
		LIST_FOREACH(e, &a->claimed, of_claimed)
			app_look_at_mode(a, registry_find(a->registry, e->id), e);
		return;
	}
	for (struct region *r = registry_after(a->registry, 0); r;
	     r = registry_after(a->registry, r->id))
		app_look_at_mode(a, r, region_table_find(a->table, r->id));
}

static void ended(struct offload_task *task, int error)
{
	struct look *l = (struct look *)task;
	struct app *a = l->app;
	struct takers before;

	a->takers_busy = false;
	if (error == -ESHUTDOWN)
		return;
	if (!error && !l->error) {
		before = a->takers;
		a->takers = l->found;
		l->found = before;
		look_at_modes(a, !takers_same_swap(&a->takers, &before));
	}
	if (a->takers_due)
		app_look_for_takers(a);
	else
		later(a);
}

static void release(struct offload_task *task)
{
	struct look *l = (struct look *)task;

	takers_deinit(&l->found);
	free(l);
}

void app_look_for_takers(struct app *a)
{
	struct look *l;

	a->takers_due = a->takers_busy;
	if (a->takers_busy)
		return;
	l = calloc(1, sizeof(*l));
	if (l) {
		*l = (struct look){ .task = { .work = work, .ended = ended, .release = release },
				    .app = a,
				    .all = !LIST_EMPTY(&a->claimed) };
		a->takers_busy = true;
		if (offload_run(a->offload, &l->task, 0) == 0)
			return;
		a->takers_busy = false;
		free(l);
	}
	log_warning("who else uses registered files could not be looked up; it is tried again");
	later(a);
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	app_look_for_takers(userdata);
}

void app_expect_takers(struct app *a)
{
	if (!a->takers_busy && !evtimer_pending(a->takers_timer, NULL))
		later(a);
}

int app_watch_takers(struct app *a)
{
	a->takers_timer = evtimer_new(loop_base(a->loop), on_timer, a);
	return a->takers_timer ? 0 : -ENOMEM;
}

void app_free_takers(struct app *a)
{
	if (a->takers_timer)
		event_free(a->takers_timer);
	takers_deinit(&a->takers);
}
