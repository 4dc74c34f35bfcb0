// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-watch.c - print what happens to regions and sessions until interrupted (or, for one region,
 * until it is gone).
 *
 * What always holds: it subscribes before it lists, so nothing falls in between; it goes on over a
 * restart of rdmaregd; a mode of arbitration that changed is said to have changed, since that is
 * what an administrator has to hear; so are bypasses. People see no line that says what the last
 * one of that region did.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "seen.h"

#define SHOWN_MAX 16384 /* regions; what was shown of others longer ago is forgotten */

struct watch {
	uint64_t only;	    /* region; 0: all */
	json_object *shown; /* of each region, by its number: "mode", "bypasses", "line" */
	bool together;	    /* the regions of the events that came together are in @seen */
	struct seen seen;
};

static void remember(json_object *all, const char *key, const struct rdmareg_region_info *info,
		     const char *line)
{
	json_object *o = json_object_new_object();

	json_object_object_add(
		o, "mode",
		json_object_new_string(rdmareg_arbitration_name(info->arbitration_mode)));
	json_object_object_add(o, "bypasses", json_object_new_uint64(info->bypasses));
	json_object_object_add(o, "line", line ? json_object_new_string(line) : NULL);
	json_object_object_del(all, key); /* the newest is the last */
	json_object_object_add(all, key, o);
	if (json_object_object_length(all) > SHOWN_MAX) {
		struct json_object_iterator oldest = json_object_iter_begin(all);

		json_object_object_del(all, json_object_iter_peek_name(&oldest));
	}
}

/* Print, with what is another than it was; and remember that. */
static void print(const struct ctl *ctl, const struct rdmareg_event *e,
		  const struct rdmareg_region_info *info, json_object *all)
{
	_cleanup_(text_cleanup) char *line = events_describe(info, NULL);
	struct events_shown shown = { 0 };
	const char *last = NULL;
	json_object *before;
	char key[24];

	snprintf(key, sizeof(key), "%" PRIu64, info->id);
	if (json_object_object_get_ex(all, key, &before)) {
		shown.mode = json_object_get_string(json_object_object_get(before, "mode"));
		shown.bypasses = json_object_get_uint64(json_object_object_get(before, "bypasses"));
		last = json_object_get_string(json_object_object_get(before, "line"));
	}
	if (e->type == RDMAREG_EVENT_REGION_CHANGED && !ctl->json && last && line &&
	    !strcmp(last, line))
		return; /* of what only "show" has */
	events_print(ctl, NULL, e, info, &shown);
	remember(all, key, info, line);
}

/* It may be gone again by now; what changed with its end is told by that. */
static void on_session(struct ctl *ctl, const struct rdmareg_event *e)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };
	int r = -ENODATA;

	if (e->type != RDMAREG_EVENT_SESSION_REMOVED)
		r = rdmareg_session_get(ctl->context, e->session_uid, e->session, &info);
	if (r == -ENXIO && e->type == RDMAREG_EVENT_SESSION_CHANGED)
		return;
	events_print_session(ctl, NULL, e, r < 0 ? NULL : &info);
}

/* Added and changed are; it may be gone again by then. */
static bool is_worth_a_look(const struct rdmareg_event *e)
{
	return e->type == RDMAREG_EVENT_REGION_ADDED || e->type == RDMAREG_EVENT_REGION_CHANGED;
}

static int ask_for(struct ctl *ctl, uint64_t id, struct rdmareg_region **region,
		   struct rdmareg_region_info *info)
{
	int r = rdmareg_lookup(ctl->context, id, region);

	return r < 0 ? r : rdmareg_region_get_info(*region, info);
}

static int find_seen(const struct watch *w, uint64_t id, struct rdmareg_region_info *ret)
{
	const struct rdmareg_region_info *info = seen_find(&w->seen, id);

	if (!info)
		return -ENOENT;
	*ret = *info;
	return 0;
}

/* Several regions are asked for with one call; where that fails, each by itself. */
static void prepare(struct ctl *ctl, const struct rdmareg_event *events, size_t n, void *userdata)
{
	uint64_t ids[EVENTS_TOGETHER];
	struct watch *w = userdata;
	size_t wanted = 0;

	for (size_t i = 0; i < n; i++)
		if (is_worth_a_look(&events[i]))
			ids[wanted++] = events[i].region;
	w->together = wanted > 1 && seen_ask(&w->seen, ctl->context, ids, wanted) == 0;
}

static int on_event(struct ctl *ctl, const struct rdmareg_event *e, void *userdata)
{
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct watch *w = userdata;
	char key[24];
	int r = -ENODATA;

	if (*e->session) {
		if (!w->only)
			on_session(ctl, e);
		return EVENTS_GO_ON;
	}
	if (is_worth_a_look(e))
		r = w->together ? find_seen(w, e->region, &info)
				: ask_for(ctl, e->region, &region, &info);
	if (r >= 0)
		print(ctl, e, &info, w->shown);
	/* What changed with its end is told by that. */
	else if (e->type != RDMAREG_EVENT_REGION_CHANGED || r != -ENOENT)
		events_print(ctl, NULL, e, NULL, NULL);
	if (e->type != RDMAREG_EVENT_REGION_REMOVED)
		return EVENTS_GO_ON;
	snprintf(key, sizeof(key), "%" PRIu64, e->region);
	json_object_object_del(w->shown, key);
	return w->only ? events_end_status(e) : EVENTS_GO_ON;
}

static int print_sessions(struct ctl *ctl)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };
	struct rdmareg_sessions *walk = NULL;
	int r = rdmareg_list_sessions(ctl->context, NULL, &walk);

	while (r >= 0 && (r = rdmareg_sessions_next(walk, &info)) > 0) {
		struct rdmareg_event e = { .session_uid = info.uid,
					   .seen_usec = events_now_usec(CLOCK_BOOTTIME) };

		memcpy(e.session, info.name, sizeof(e.session));
		events_print_session(ctl, "session-present", &e, &info);
	}
	rdmareg_sessions_free(walk);
	/* A daemon without sessions has none to show. */
	return r < 0 && r != -EOPNOTSUPP ? ctl_failed(r) : EXIT_OK;
}

static int print_present(struct ctl *ctl, uint64_t only, json_object *shown)
{
	struct rdmareg_list_options lo = { .size = sizeof(lo),
					   .after = only ? only - 1 : 0,
					   .page = only ? 1 : CTL_PAGE };
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
		print(ctl, &e, &info, shown);
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
		r = ctl_find_id(ctl, arguments[0], &w.only);
		if (r)
			return r;
	}
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = rdmareg_subscribe(context);
	if (r < 0)
		return ctl_failed(r);
	w.shown = json_object_new_object();
	r = w.only ? EXIT_OK : print_sessions(ctl);
	if (!r)
		r = print_present(ctl, w.only, w.shown);
	if (!r)
		r = events_wait_together(ctl, w.only, prepare, on_event, &w);
	seen_clear(&w.seen);
	json_object_put(w.shown);
	return r;
}

const struct verb verb_watch = {
	"watch", "[ID]", "print regions, sessions and events as they happen", NULL, 0, 1, run
};
