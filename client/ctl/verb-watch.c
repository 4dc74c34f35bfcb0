// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-watch.c - print what happens to regions until interrupted (or, for one region, until it is
 * gone).
 *
 * What always holds: it subscribes before it lists, so nothing falls in between; it goes on over a
 * restart of rdmaregd; a mode of arbitration that changed is said to have changed, since that is
 * what an administrator has to hear.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "events.h"

struct watch {
	uint64_t only;	    /* region; 0: all */
	json_object *modes; /* of each region when it was last seen, by its number */
};

/* Print, with the mode the region had if it is another now, which is remembered. */
static void print(const struct ctl *ctl, const struct rdmareg_event *e,
		  const struct rdmareg_region_info *info, json_object *modes)
{
	const char *mode = rdmareg_arbitration_name(info->arbitration_mode), *was;
	json_object *before = NULL;
	char key[24];

	snprintf(key, sizeof(key), "%" PRIu64, info->id);
	was = json_object_object_get_ex(modes, key, &before) ? json_object_get_string(before)
							     : mode;
	if (!strcmp(was, mode))
		was = NULL;
	events_print(ctl, NULL, e, info, was);
	json_object_object_add(modes, key, json_object_new_string(mode));
}

static int on_event(struct ctl *ctl, const struct rdmareg_event *e, void *userdata)
{
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct watch *w = userdata;
	char key[24];

	/* Added and changed are worth a look at the region; it may be gone again by then. */
	if ((e->type == RDMAREG_EVENT_REGION_ADDED || e->type == RDMAREG_EVENT_REGION_CHANGED) &&
	    rdmareg_lookup(ctl->context, e->region, &region) >= 0 &&
	    rdmareg_region_get_info(region, &info) >= 0)
		print(ctl, e, &info, w->modes);
	else
		events_print(ctl, NULL, e, NULL, NULL);
	if (e->type != RDMAREG_EVENT_REGION_REMOVED)
		return EVENTS_GO_ON;
	snprintf(key, sizeof(key), "%" PRIu64, e->region);
	json_object_object_del(w->modes, key);
	return w->only ? events_end_status(e) : EVENTS_GO_ON;
}

static int print_present(struct ctl *ctl, uint64_t only, json_object *modes)
{
	struct rdmareg_list_options lo = { .size = sizeof(lo),
					   .after = only ? only - 1 : 0,
					   .page = only ? 1 : 0 };
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *walk = NULL;
	bool found = !only;
	int r;

	r = rdmareg_list(ctl->context, &lo, &walk);
	while (r >= 0 && (r = rdmareg_list_next(walk, &info)) > 0) {
		struct rdmareg_event e = { .region = info.id,
					   .seen_usec = events_now_usec(CLOCK_BOOTTIME) };

		if (only && info.id != only)
			break;
		found = true;
		print(ctl, &e, &info, modes);
		if (only)
			break;
	}
	rdmareg_list_free(walk);
	if (r < 0)
		return ctl_failed(r);
	if (found)
		return EXIT_OK;
	/* what became of it is what rdmaregd says to who asks for it alone */
	r = rdmareg_lookup(ctl->context, only, &region);
	return r < 0 ? ctl_failed(r)
		     : ctl_error(EXIT_NOT_FOUND,
				 "watching region %" PRIu64 ": there was none just now", only);
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct rdmareg *context;
	struct watch w = { 0 };
	int r;

	(void)options;
	if (n) {
		r = ctl_parse_id(arguments[0], &w.only);
		if (r)
			return r;
	}
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = rdmareg_subscribe(context);
	if (r < 0)
		return ctl_failed(r);
	w.modes = json_object_new_object();
	r = print_present(ctl, w.only, w.modes);
	if (!r)
		r = events_wait(ctl, w.only, on_event, &w);
	json_object_put(w.modes);
	return r;
}

const struct verb verb_watch = { "watch", "[ID]", "print regions and events as they happen",
				 NULL,	  0,	  1,
				 run };
