// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-history.c - what happened to regions: of all, of one, or of a file; once, or as it goes on;
 * for people, as JSON, or one revocation as a picture.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events.h"
#include "history.h"
#include "model.h"

#define PAGE 1024

struct options {
	bool follow;
	bool svg;
	uint64_t revocation;
};

static const struct option_spec specs[] = {
	{ "follow", ARG_FLAG, offsetof(struct options, follow), NULL,
	  "go on with what happens from now on" },
	{ "svg", ARG_FLAG, offsetof(struct options, svg), NULL,
	  "draw the last revocation, as SVG" },
	{ "revocation", ARG_COUNT, offsetof(struct options, revocation), "NUMBER",
	  "only what belongs to this revocation" },
	{ NULL },
};

/* What is asked for. */
struct wanted {
	struct rdmareg_history_options options;
	char file[64];
	char *name; /* of a region, in parts */
	uint64_t revocation;
	struct history *history;
};

static void history_cleanup(struct history *h)
{
	for (size_t i = 0; i < h->n_pages; i++)
		rdmareg_history_free(h->pages[i]);
	free(h->pages);
	free(h->events);
	*h = (struct history){ 0 };
}

static bool is_file(const char *text)
{
	const char *slash = strchr(text, '/');

	return *text == '/' || *text == '.' || !slash || strchr(slash + 1, '/');
}

/*
 * A number is a region; what begins with a slash or a dot, has no slash, or has several, is a file;
 * the rest is SESSION/NAME, also of regions that have ended, or else a file if there is one.
 */
static int read_argument(struct ctl *ctl, const char *text, struct wanted *w)
{
	struct stat st;

	if (*text && strspn(text, "0123456789") == strlen(text))
		return ctl_parse_id(text, &w->options.region);
	if (!is_file(text)) {
		uint64_t now = 0;
		int r = ctl_find_name(ctl, text, true, &now);

		if (r == 0 && (now || stat(text, &st) < 0)) {
			r = ctl_parse_name(text, &w->name, &w->options.uid, &w->options.session,
					   &w->options.name);
			w->options.has_uid = w->options.uid != UINT32_MAX;
			return r;
		}
		if (r)
			return r;
	}
	w->options.file = w->file;
	if (stat(text, &st) == 0) {
		snprintf(w->file, sizeof(w->file), "%ju:%ju", (uintmax_t)st.st_dev,
			 (uintmax_t)st.st_ino);
		return 0;
	}
	if (errno != ENOENT || *text != '/')
		return ctl_error(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_FAILED, "%s: %s", text,
				 strerror(errno));
	w->options.file = text; /* it was there when it was registered */
	return 0;
}

static int keep_page(struct history *h, struct rdmareg_history *page)
{
	void *p = reallocarray(h->pages, h->n_pages + 1, sizeof(*h->pages));

	if (!p) {
		rdmareg_history_free(page);
		return ctl_error(EXIT_FAILED, "out of memory");
	}
	h->pages = p;
	h->pages[h->n_pages++] = page;
	return 0;
}

static int keep_event(struct history *h, const struct rdmareg_history_event *e)
{
	void *p = h->events;

	if (!(h->n & (h->n - 1))) /* it is full with 0, 1, 2, 4, ... */
		p = reallocarray(h->events, h->n ? 2 * h->n : 1, sizeof(*h->events));
	if (!p)
		return ctl_error(EXIT_FAILED, "out of memory");
	h->events = p;
	h->events[h->n++] = *e;
	return 0;
}

/* All there is after the last one. An exit status. */
static int fetch(struct ctl *ctl, struct wanted *w)
{
	struct rdmareg_history_event e = { .size = sizeof(e) };
	struct history *h = w->history;
	struct rdmareg_history *page;
	uint32_t n;
	int r;

	do {
		n = 0;
		r = rdmareg_get_history(ctl->context, &w->options, &page, &h->since_usec,
					&h->oldest_usec);
		if (r < 0)
			return ctl_failed(r);
		r = keep_page(h, page);
		if (r)
			return r;
		while ((r = rdmareg_history_next(page, &e)) > 0) {
			w->options.after = e.sequence;
			n++;
			if (w->revocation && e.revocation != w->revocation)
				continue;
			r = keep_event(h, &e);
			if (r)
				return r;
		}
		if (r < 0)
			return ctl_failed(r);
	} while (n == w->options.limit);
	return EXIT_OK;
}

static void print_json(const struct history *h)
{
	json_object *all = json_object_new_object(), *events = json_object_new_array();

	for (size_t i = 0; i < h->n; i++)
		json_object_array_add(events, model_history(&h->events[i]));
	json_object_object_add(all, "since_usec", json_object_new_uint64(h->since_usec));
	json_object_object_add(all, "oldest_usec", json_object_new_uint64(h->oldest_usec));
	json_object_object_add(all, "events", events);
	ctl_print_json(all);
}

/* A region or a file was named, and nothing is known of it. */
static int not_known(const struct wanted *w)
{
	const char *whose = geteuid() ? " of this user" : "";

	if (w->revocation)
		return ctl_error(EXIT_NOT_FOUND, "the history has no revocation %" PRIu64 "%s",
				 w->revocation, whose);
	if (w->options.region)
		return ctl_error(
			EXIT_NOT_FOUND,
			"the history has no region %" PRIu64
			"%s: there was none since rdmaregd was started, or its events were "
			"overwritten",
			w->options.region, whose);
	if (w->options.name)
		return ctl_error(EXIT_NOT_FOUND,
				 "the history has no region%s called %s/%s: there was none since "
				 "rdmaregd was started, or its events were overwritten. A file is "
				 "written ./%s/%s",
				 whose, w->options.session, w->options.name, w->options.session,
				 w->options.name);
	return ctl_error(EXIT_NOT_FOUND, "the history has no region%s of that file", whose);
}

static int draw(const struct history *h, const struct wanted *w)
{
	for (size_t i = h->n; i-- > 0;)
		if (h->events[i].kind == RDMAREG_HISTORY_ASKED) {
			history_draw(h, &h->events[i]);
			return EXIT_OK;
		}
	if (w->revocation)
		return ctl_error(EXIT_NOT_FOUND,
				 "there is no revocation %" PRIu64
				 " in the history; see it without --svg",
				 w->revocation);
	if (!h->n && (w->options.region || w->options.file || w->options.name))
		return not_known(w);
	if (w->options.region)
		return ctl_error(EXIT_NOT_FOUND,
				 "there is no revocation of region %" PRIu64 " in the history",
				 w->options.region);
	return ctl_error(EXIT_NOT_FOUND, "there is no revocation%s in the history",
			 w->options.file   ? " of a region of that file"
			 : w->options.name ? " of a region of that name"
					   : "");
}

static void print_lines(const struct ctl *ctl, const struct history *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (ctl->json)
			ctl_print_json(model_history(&h->events[i]));
		else
			history_print_line(&h->events[i]);
	ctl_flush();
}

static int print_new(struct ctl *ctl, struct wanted *w)
{
	struct history new = { 0 };
	int r;

	w->history = &new;
	r = fetch(ctl, w);
	print_lines(ctl, &new);
	w->history = NULL;
	history_cleanup(&new);
	return r ? r : EVENTS_GO_ON;
}

static int on_event(struct ctl *ctl, const struct rdmareg_event *e, void *userdata)
{
	struct wanted *w = userdata;

	if (e->type == RDMAREG_EVENT_DAEMON_LOST)
		ctl_error(EXIT_OK, "rdmaregd has ended, and its history with it");
	/* The next one numbers its events higher, and does not know who follows. */
	if (e->type != RDMAREG_EVENT_HISTORY_ADDED && e->type != RDMAREG_EVENT_DAEMON_BACK &&
	    e->type != RDMAREG_EVENT_OVERFLOW)
		return EVENTS_GO_ON;
	return print_new(ctl, w);
}

static int print_once(const struct ctl *ctl, const struct wanted *w)
{
	const struct history *h = w->history;

	if (!h->n && (w->revocation || w->options.region || w->options.file || w->options.name))
		return not_known(w);
	if (ctl->json) {
		print_json(h);
		return EXIT_OK;
	}
	if (!ctl->no_legend)
		history_print_legend(h);
	history_print(h);
	if (!h->n && geteuid())
		ctl_error(EXIT_OK, "only regions of this user are shown; as root all are");
	return EXIT_OK;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct wanted w = { .options = { .size = sizeof(w.options), .limit = PAGE },
			    .revocation = o->revocation };
	_cleanup_(history_cleanup) struct history h = { 0 };
	_cleanup_(text_cleanup) char *name = NULL;
	struct rdmareg *context;
	int r;

	if (o->svg && (o->follow || ctl->json))
		return ctl_error(EXIT_USAGE, "--svg is a picture: without --follow and --json");
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	if (n) {
		r = read_argument(ctl, arguments[0], &w);
		name = w.name;
		if (r)
			return r;
	}
	if (o->follow) {
		r = rdmareg_subscribe(context);
		if (r < 0)
			return ctl_failed(r);
		w.options.follow = 1;
	}
	w.history = &h;
	r = fetch(ctl, &w);
	if (r)
		return r;
	if (o->svg)
		return draw(&h, &w);
	if (!o->follow)
		return print_once(ctl, &w);
	print_lines(ctl, &h);
	return events_wait(ctl, 0, on_event, &w);
}

const struct verb verb_history = {
	"history", "[ID|SESSION/NAME|FILE]", "show what happened to regions, and why", specs, 0, 1,
	run
};
