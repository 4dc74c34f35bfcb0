// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-slices.c - the slices of sessions, where keepers are started by systemd; elsewhere none of
 * this does anything.
 *
 * What always holds: each session that was created has a slice that is wanted; what an earlier
 * daemon left, or an ended session, goes when no keeper is in it.
 */
#include <errno.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/log.h"

int app_want_slice(struct app *a, const struct tenant *t, slice_done_t *done, void *userdata)
{
	char name[SLICE_NAME_BYTES];

	if (!pool_spawns_units(a->keepers)) {
		if (done)
			done(userdata, 0, NULL);
		return 0;
	}
	slice_name(a->settings.slice, t->uid, t->session, name);
	return slices_want(a->slices, name, t->own.memory, done, userdata);
}

static bool is_used(void *userdata, const char *name)
{
	const struct app *a = userdata;

	return pool_uses_slice(a->keepers, name);
}

void app_sweep_slices(struct app *a)
{
	if (a->serving)
		slices_sweep(a->slices, is_used, a);
}

void app_want_slices(struct app *a)
{
	const struct tenant *t = NULL;
	struct tenant last;
	uint32_t at;

	slices_unwant(a->slices, NULL);
	while (registry_next_session(a->registry, NULL, t, &at)) {
		last = *registry_tenant(a->registry, at);
		t = &last;
		if (app_want_slice(a, t, NULL, NULL) < 0)
			log_error("session %s: no memory for its slice", t->session);
	}
	app_sweep_slices(a);
}

static void on_found(void *userdata)
{
	app_sweep_slices(userdata);
}

void app_find_slices(struct app *a)
{
	app_want_slices(a);
	if (pool_spawns_units(a->keepers) &&
	    slices_look(a->slices, a->settings.slice, on_found, a) < 0)
		log_error("slices that an earlier rdmaregd left cannot be looked for");
}

void app_unwant_slice(struct app *a, const struct tenant *t)
{
	char name[SLICE_NAME_BYTES];

	slice_name(a->settings.slice, t->uid, t->session, name);
	slices_unwant(a->slices, name);
}

uint64_t app_slice_memory(const struct app *a, const struct tenant *t)
{
	char name[SLICE_NAME_BYTES];

	if (!pool_spawns_units(a->keepers))
		return 0;
	slice_name(a->settings.slice, t->uid, t->session, name);
	return slice_memory(name);
}
