// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-top.c - regions by what happens to them, as it happens, and revocations that are under way.
 *
 * What always holds: what is shown was asked for together, once a second or when something was told
 * of; without a terminal that can be drawn on, or with --once, it is one page, as plain text.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "events.h"
#include "format.h"
#include "screen.h"

#define REGIONS_MAX 16384 /* that are looked at; the rest is counted */
#define FILTER_BYTES 64
#define PATH_BYTES 256
#define LATE_MAX 4 /* regions of which it is said who is late */
#define EVERY_MSEC 1000

struct options {
	bool once;
	const char *sort;
	const char *filter;
};

static const struct option_spec specs[] = {
	{ "once", ARG_FLAG, offsetof(struct options, once), NULL,
	  "print one page of text and end" },
	{ "sort", ARG_TEXT, offsetof(struct options, sort), "COLUMN",
	  "invalidations, writebacks, removals, warmed, faults, peers or id" },
	{ "filter", ARG_TEXT, offsetof(struct options, filter), "TEXT",
	  "only regions with it in session, name or path" },
	{ NULL },
};

/* What is kept of a region: numbers, and a few texts of its own. */
struct row {
	uint64_t id, invalidations, writebacks, removals, faults, warmed;
	uint32_t uid, peers, clients;
	enum rdmareg_state state;
	struct rdmareg_revocation revocation;
	char who[80];
	char path[PATH_BYTES];
	char late[96]; /* who has not answered, of the first few that are being revoked */
	bool was_late; /* that is of before */
};

enum sort {
	BY_INVALIDATIONS,
	BY_WRITEBACKS,
	BY_REMOVALS,
	BY_WARMED,
	BY_FAULTS,
	BY_PEERS,
	BY_ID,
	_SORTS
};
static const char *const sorts[_SORTS] = { "invalidations", "writebacks", "removals", "warmed",
					   "faults",	    "peers",	  "id" };

/* Who was late is not asked about any more when the region is fenced; it is told until it settles. */
struct last_late {
	uint64_t region, revocation;
	char late[96];
};

struct top {
	struct last_late last[LATE_MAX];
	struct row *rows;
	size_t n, allocated, others;
	enum sort sort;
	char filter[FILTER_BYTES];
	bool typing;	   /* the filter */
	uint64_t selected; /* region; 0: the first */
	bool one;	   /* it alone is shown */
	struct page page;
};

static enum sort sort_by; /* qsort(3) has no argument for it */

static uint64_t weight(const struct row *r)
{
	switch (sort_by) {
	case BY_WRITEBACKS:
		return r->writebacks;
	case BY_REMOVALS:
		return r->removals;
	case BY_WARMED:
		return r->warmed;
	case BY_FAULTS:
		return r->faults == UINT64_MAX ? 0 : r->faults;
	case BY_PEERS:
		return r->peers;
	case BY_ID:
		return UINT64_MAX - r->id;
	default:
		return r->invalidations;
	}
}

static int compare(const void *one, const void *other)
{
	const struct row *a = one, *b = other;
	uint64_t x = weight(a), y = weight(b);

	if (x != y)
		return x > y ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static bool passes(const struct top *t, const struct row *r)
{
	return !*t->filter || strstr(r->who, t->filter) || strstr(r->path, t->filter);
}

static void take_row(struct top *t, const struct rdmareg_region_info *i)
{
	struct row r = { .id = i->id,
			 .invalidations = i->invalidations,
			 .writebacks = i->writebacks,
			 .removals = i->removals,
			 .faults = i->faults,
			 .warmed = i->bytes_warmed,
			 .uid = i->uid,
			 .peers = i->peers,
			 .clients = i->clients,
			 .state = i->state,
			 .revocation = i->revocation };

	snprintf(r.who, sizeof(r.who), "%" PRIu32 ":%s%s%.20s", i->uid, i->session,
		 *i->name ? "/" : "", i->name);
	snprintf(r.path, sizeof(r.path), "%s", i->path);
	if (!passes(t, &r))
		return;
	if (t->n == t->allocated) {
		size_t want = t->allocated ? t->allocated * 2 : 64;
		struct row *more =
			want > REGIONS_MAX ? NULL : reallocarray(t->rows, want, sizeof(*t->rows));

		if (!more) {
			t->others++;
			return;
		}
		t->rows = more;
		t->allocated = want;
	}
	t->rows[t->n++] = r;
}

static void add_late(struct row *r, const struct rdmareg_holder *h, unsigned int *n)
{
	size_t used = strlen(r->late), room = sizeof(r->late) - used;
	char who[48];

	if (h->kind == RDMAREG_HOLDER_PEER)
		snprintf(who, sizeof(who), "peer %.40s", h->address);
	else
		snprintf(who, sizeof(who), "pid %" PRIu32, h->pid);
	if (used + strlen(who) + 12 < sizeof(r->late))
		snprintf(r->late + used, room, "%s%s", *n ? ", " : "", who);
	else if (used && strcmp(r->late + used - 3, "...") != 0)
		snprintf(r->late + used, room, ", ...");
	++*n;
}

/*
 * Asked for by the file, which is found by the path that it was registered as: where that is another
 * file now, or none, nobody is named.
 */
static void look_who_is_late(struct ctl *ctl, struct row *r)
{
	struct rdmareg_holder h = { .size = sizeof(h) };
	struct rdmareg_holders *holders = NULL;
	unsigned int n = 0;
	int fd = open(r->path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return;
	if (rdmareg_find_holders(ctl->context, fd, &holders) >= 0)
		while (rdmareg_holders_next(holders, &h) > 0)
			if (h.region == r->id && h.asked.id)
				add_late(r, &h, &n);
	rdmareg_holders_free(holders);
	close(fd);
}

static void remember_late(struct last_late last[LATE_MAX], struct row *r)
{
	struct last_late *l = &last[r->id % LATE_MAX];

	if (*r->late)
		*l = (struct last_late){ .region = r->id, .revocation = r->revocation.id };
	if (l->region != r->id || l->revocation != r->revocation.id)
		return;
	if (*r->late) {
		memcpy(l->late, r->late, sizeof(l->late));
		return;
	}
	memcpy(r->late, l->late, sizeof(r->late));
	r->was_late = true;
}

static void look_at_revocations(struct ctl *ctl, struct top *t)
{
	unsigned int n = 0;

	for (size_t i = 0; i < t->n && n < LATE_MAX; i++) {
		if (!t->rows[i].revocation.id)
			continue;
		look_who_is_late(ctl, &t->rows[i]);
		remember_late(t->last, &t->rows[i]);
		n++;
	}
}

static int look(struct ctl *ctl, struct top *t)
{
	const struct rdmareg_list_options o = { .size = sizeof(o), .page = CTL_PAGE };
	struct rdmareg_region_info i = { .size = sizeof(i) };
	struct rdmareg_list *walk = NULL;
	int r = rdmareg_list(ctl->context, &o, &walk);

	t->n = t->others = 0;
	while (r >= 0 && (r = rdmareg_list_next(walk, &i)) > 0)
		take_row(t, &i);
	rdmareg_list_free(walk);
	sort_by = t->sort;
	if (t->n)
		qsort(t->rows, t->n, sizeof(*t->rows), compare);
	if (r >= 0)
		look_at_revocations(ctl, t);
	return r;
}

/* In at most five characters. */
static const char *count(char out[FORMAT_BYTES], uint64_t n)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	if (n == UINT64_MAX)
		return strcpy(out, "-");
	while (n >= 100000 || (unit && n >= 10000)) {
		n /= 1000;
		unit++;
	}
	snprintf(out, FORMAT_BYTES, unit ? "%" PRIu64 "%c" : "%" PRIu64, n, units[unit]);
	return out;
}

static void add_revocations(struct top *t, size_t most)
{
	uint64_t now = events_now_usec(CLOCK_MONOTONIC);
	char size[FORMAT_BYTES], left[FORMAT_BYTES];
	size_t shown = 0;

	for (size_t i = 0; i < t->n && shown < most; i++) {
		const struct row *r = &t->rows[i];
		const struct rdmareg_revocation *v = &r->revocation;

		if (!v->id)
			continue;
		shown++;
		page_add(&t->page,
			 "! %" PRIu64 " %s: %s of %s, %s left; %s%s; asked: %" PRIu32
			 " client%s, %" PRIu32 " peer%s; %s",
			 r->id, rdmareg_state_name(r->state), rdmareg_cause_name(v->cause),
			 format_size(size, v->length),
			 format_time(left, v->deadline_usec > now
						   ? (v->deadline_usec - now) / 1000 * 1000
						   : 0),
			 !*r->late     ? "nobody is late that is known"
			 : r->was_late ? "last waited for "
				       : "waits for ",
			 r->late, r->clients, PLURAL(r->clients), r->peers, PLURAL(r->peers),
			 r->path);
	}
}

/* Of a long path the end tells more; a mark says that something stood before it. */
static const char *end_of(char out[static PATH_BYTES], const char *path, size_t room)
{
	size_t n = strlen(path);
	const char *at = path;

	if (n > room)
		at += n - (room > 4 ? room - 3 : 1);
	while ((*at & 0xc0) == 0x80)
		at++;
	snprintf(out, PATH_BYTES, "%s%s", at > path ? "..." : "", at);
	return out;
}

#define NARROW 110     /* columns; with fewer there is no room for all */
#define NARROW_LEFT 62 /* what stands before the path */
#define WIDE_LEFT (NARROW_LEFT + 21)

static bool is_narrow(const struct top *t)
{
	return t->page.columns && t->page.columns < NARROW;
}

static void add_heading(struct top *t)
{
	page_add(&t->page, "    ID STATE       INVAL WRITEB REMOVE  WARMED FAULTS PEERS  %s",
		 is_narrow(t) ? "PATH" : "OF                   PATH");
}

static void add_row(struct top *t, const struct row *r)
{
	char invalidations[FORMAT_BYTES], writebacks[FORMAT_BYTES], removals[FORMAT_BYTES];
	char faults[FORMAT_BYTES], warmed[FORMAT_BYTES], left[160], path[PATH_BYTES];
	size_t columns = t->page.columns, before = is_narrow(t) ? NARROW_LEFT : WIDE_LEFT;
	size_t room = !columns ? PATH_BYTES : columns > before ? columns - before : 1;

	snprintf(left, sizeof(left), "%6" PRIu64 " %-10.10s %6s %6s %6s %7s %6s %5" PRIu32, r->id,
		 rdmareg_state_name(r->state), count(invalidations, r->invalidations),
		 count(writebacks, r->writebacks), count(removals, r->removals),
		 format_size(warmed, r->warmed), count(faults, r->faults), r->peers);
	if (is_narrow(t))
		page_add(&t->page, "%s  %s", left, end_of(path, r->path, room));
	else
		page_add(&t->page, "%s  %-20.20s %s", left, r->who, end_of(path, r->path, room));
}

static void add_one(struct top *t, const struct row *r)
{
	char text[FORMAT_BYTES];

	page_add(&t->page, "region %" PRIu64 ", %s", r->id, rdmareg_state_name(r->state));
	page_add(&t->page, "  path           %s", r->path);
	page_add(&t->page, "  of             %s", r->who);
	page_add(&t->page, "  holders        %" PRIu32 " client%s, %" PRIu32 " peer%s", r->clients,
		 PLURAL(r->clients), r->peers, PLURAL(r->peers));
	page_add(&t->page, "  invalidations  %" PRIu64, r->invalidations);
	page_add(&t->page, "  by writeback   %" PRIu64, r->writebacks);
	page_add(&t->page, "  by removal     %" PRIu64, r->removals);
	page_add(&t->page, "  faults         %s", count(text, r->faults));
	page_add(&t->page, "  warmed         %s", format_size(text, r->warmed));
}

static size_t index_of(const struct top *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].id == t->selected)
			return i;
	return 0;
}

static size_t count_revoking(const struct top *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->rows[i].revocation.id != 0;
	return n;
}

/* All of it. @lines: 0: as many as there are. The line that is selected; SIZE_MAX: none. */
static size_t compose(struct top *t, unsigned int columns, unsigned int lines)
{
	size_t revoking = count_revoking(t), most, first = 0, at = index_of(t);
	size_t used = 2;

	page_clear(&t->page);
	t->page.columns = columns;
	page_add(&t->page, "%zu region%s, %zu being revoked, by %s%s%s%s", t->n + t->others,
		 PLURAL(t->n + t->others), revoking, sorts[t->sort],
		 *t->filter || t->typing ? ", with " : "", t->filter,
		 t->typing ? "_"
		 : lines   ? "  s sort / filter enter one q quit"
			   : "");
	if (t->one && t->n) {
		add_one(t, &t->rows[at]);
		add_revocations(t, lines ? 3 : t->n);
		return SIZE_MAX;
	}
	most = lines ? lines / 3 : revoking;
	add_revocations(t, most);
	used += revoking < most ? revoking : most;
	add_heading(t);
	most = lines && used < lines ? lines - used : lines ? 0 : t->n;
	if (at >= most)
		first = at - most + 1;
	for (size_t i = first; i < t->n && i < first + most; i++)
		add_row(t, &t->rows[i]);
	return t->n && most ? used + at - first : SIZE_MAX;
}

static void move(struct top *t, int by)
{
	size_t at = index_of(t);

	if (!t->n)
		return;
	if (by < 0 && at)
		at--;
	if (by > 0 && at + 1 < t->n)
		at++;
	t->selected = t->rows[at].id;
}

static void type(struct top *t, int key)
{
	size_t n = strlen(t->filter);

	if (key == '\n' || key == '\r' || key == KEY_ESCAPE)
		t->typing = false;
	if (key == KEY_ESCAPE)
		*t->filter = 0;
	else if ((key == 0x7f || key == '\b') && n)
		t->filter[n - 1] = 0;
	else if (key >= ' ' && key < 0x7f && n + 1 < sizeof(t->filter))
		snprintf(t->filter + n, sizeof(t->filter) - n, "%c", key);
}

/* False: that was all. */
static bool take_key(struct top *t, int key)
{
	if (t->typing) {
		type(t, key);
		return key >= 0;
	}
	switch (key) {
	case -1:
	case 'q':
		return false;
	case 's':
		t->sort = (t->sort + 1) % _SORTS;
		break;
	case '/':
		t->typing = true;
		*t->filter = 0;
		break;
	case 'k':
	case KEY_UP:
		move(t, -1);
		break;
	case 'j':
	case KEY_DOWN:
		move(t, 1);
		break;
	case '\n':
	case '\r':
		t->selected = t->n ? t->rows[index_of(t)].id : 0;
		t->one = !t->one;
		break;
	case KEY_ESCAPE:
		t->one = false;
		break;
	default:
		break;
	}
	return true;
}

static int on_event(struct ctl *ctl, const struct rdmareg_event *e, void *userdata)
{
	(void)ctl, (void)e, (void)userdata;
	return EVENTS_GO_ON;
}

static int stay(struct ctl *ctl, struct top *t)
{
	struct pollfd fds[3] = { { .fd = rdmareg_get_fd(ctl->context), .events = POLLIN },
				 { .fd = events_signal_fd(), .events = POLLIN },
				 { .fd = STDIN_FILENO, .events = POLLIN } };
	unsigned int columns, lines;
	int r = EXIT_OK, key;

	if (fds[1].fd < 0)
		return EXIT_FAILED;
	for (;;) {
		r = look(ctl, t);
		if (r < 0)
			break;
		screen_size(&columns, &lines);
		screen_draw(&t->page, compose(t, columns, lines));
		/* a window of another size ends the wait with EINTR, or is seen within a second */
		if (poll(fds, 3, EVERY_MSEC) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			break;
		while ((key = screen_key()) != KEY_NONE)
			if (!take_key(t, key))
				goto out;
		r = events_take(ctl, 0, on_event, NULL);
		if (r != EVENTS_GO_ON)
			goto out_status;
	}
out:
	screen_end();
	close(fds[1].fd);
	return r < 0 && r != EVENTS_GO_ON ? ctl_failed(r) : EXIT_OK;
out_status:
	screen_end();
	close(fds[1].fd);
	return r;
}

static int parse_sort(const char *text, enum sort *ret)
{
	for (enum sort i = 0; i < _SORTS; i++) {
		if (!text || strcmp(text, sorts[i]) != 0)
			continue;
		*ret = i;
		return EXIT_OK;
	}
	return text ? ctl_error(
			      EXIT_USAGE,
			      "top: %s is no column: use invalidations, writebacks, removals, warmed, "
			      "faults, peers or id",
			      text)
		    : EXIT_OK;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct top t = { .sort = BY_INVALIDATIONS };
	struct rdmareg *context;
	int r, status = parse_sort(o->sort, &t.sort);

	(void)arguments, (void)n;
	if (status)
		return status;
	snprintf(t.filter, sizeof(t.filter), "%s", o->filter ? o->filter : "");
	context = ctl_context(ctl, &status);
	if (!context)
		return status;
	setlocale(LC_CTYPE, "");
	if (!o->once && ctl_is_terminal(STDOUT_FILENO) && isatty(STDIN_FILENO)) {
		r = rdmareg_subscribe(context);
		if (r < 0)
			return ctl_failed(r);
		if (screen_begin()) {
			status = stay(ctl, &t);
			goto out;
		}
	}
	r = look(ctl, &t);
	if (r < 0) {
		status = ctl_failed(r);
	} else {
		compose(&t, 0, 0);
		fputs(t.page.text ? t.page.text : "", stdout);
	}
out:
	page_free(&t.page);
	free(t.rows);
	return status;
}

const struct verb verb_top = {
	"top",
	"",
	"watch what happens to regions, on a live screen",
	specs,
	0,
	0,
	run,
	NULL,
	"this is a page for people; list --json prints counters and revocations of all regions"
};
