// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-history.c - Manager.GetHistory, and HistoryAdded, which tells that there is more to get.
 *
 * What always holds: a caller gets events of regions that it may see. Of a process of another user
 * than the caller it learns only that it was another's; of remote peers and of its own processes
 * everything. Who does not read misses no event that the history still has: HistoryAdded tells of
 * the newest only, and at most every HISTORY_USEC.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/macros.h"
#include "util/text.h"

#define HISTORY_LIMIT_DEFAULT 256
#define HISTORY_LIMIT_MAX 1024
#define HISTORY_USEC (100 * USEC_PER_MSEC)

/* How many events are looked for between two looks at the clock. */
#define SLICE_STRIDE 8

static const char *const history_kind_names[_HISTORY_KIND_MAX] = HISTORY_KIND_NAMES;
static const char *const peer_left_words[_PEER_LEFT_MAX] = PEER_LEFT_WORDS;

/* What GetHistory was asked for, and how far it is. */
struct history_listing {
	struct listing listing;
	struct history_filter filter; /* its path is @path */
	char path[DESCRIPTOR_PATH_MAX];
	char session[TENANT_SESSION_MAX]; /* likewise */
	char name[REGION_NAME_MAX];
	uint64_t after;
	uint32_t left;		       /* so many more at most */
	struct history_search *search; /* once it is begun */
};

static_assert(HISTORY_LIMIT_MAX <= HISTORY_FOUND, "one search is enough for one answer");

/* "DEVICE:INODE" as stat(2) has them, or a path as it was registered. */
static int read_file(const char *file, struct history_listing *l, struct failure *f)
{
	char clean[DESCRIPTOR_PATH_MAX], *end = NULL;

	l->filter.has_file = true;
	if (*file == '/' && strlen(file) < sizeof(l->path)) {
		strcpy(l->path, file);
		l->filter.path = l->path;
		return 0;
	}
	errno = 0;
	if (*file >= '0' && *file <= '9') {
		l->filter.device = strtoull(file, &end, 10);
		if (*end == ':' && end[1] >= '0' && end[1] <= '9') {
			l->filter.inode = strtoull(end + 1, &end, 10);
			if (!*end && !errno)
				return 0;
		}
	}
	text_clean(clean, sizeof(clean), file, strlen(file));
	return failure_set(
		f, RDMAREG_ERROR_INVALID_OPTION,
		"file must be DEVICE:INODE as stat(2) has them, such as 2049:131, or an absolute path "
		"of less than %d bytes, not '%s'",
		DESCRIPTOR_PATH_MAX, clean);
}

static int read_name(const char *session, const char *name, struct history_listing *l,
		     struct failure *f)
{
	int r = check_reference(session, name, f);

	if (r)
		return r;
	strcpy(l->session, session);
	strcpy(l->name, name);
	l->filter.session = l->session;
	l->filter.name = l->name;
	return 0;
}

static int read_filter(sd_bus_message *m, struct history_listing *l, bool *ret_follow,
		       struct failure *f)
{
	const char *file = NULL, *session = NULL, *name = NULL;
	bool has_uid = false;
	const struct option known[] = {
		{ "region", 't', &l->filter.region, NULL },
		{ "file", 's', &file, NULL },
		{ "after", 't', &l->after, NULL },
		{ "limit", 'u', &l->left, NULL },
		{ "follow", 'b', ret_follow, NULL },
		{ "name", 's', &name, NULL },
		{ "session", 's', &session, NULL },
		{ "uid", 'u', &l->filter.name_uid, &has_uid },
	};
	int r;

	l->left = HISTORY_LIMIT_DEFAULT;
	r = options_read(m, known, ARRAY_SIZE(known), f);
	if (r)
		return r;
	if (l->left < 1 || l->left > HISTORY_LIMIT_MAX)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "limit must be from 1 to %d, not %" PRIu32, HISTORY_LIMIT_MAX,
				   l->left);
	if (!name && (session || has_uid))
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "session and uid go with a name, whose they are");
	if (name)
		r = read_name(session ? session : "default", name, l, f);
	return r == 0 && file ? read_file(file, l, f) : r;
}

static int append_number(sd_bus_message *m, const char *key, uint64_t value)
{
	return sd_bus_message_append(m, "{sv}", key, "t", value);
}

static int append_small(sd_bus_message *m, const char *key, uint32_t value)
{
	return sd_bus_message_append(m, "{sv}", key, "u", value);
}

/* Nothing, if it is empty. */
static int append_text(sd_bus_message *m, const char *key, const char *value)
{
	return value && *value ? sd_bus_message_append(m, "{sv}", key, "s", value) : 0;
}

static int append_truth(sd_bus_message *m, const char *key)
{
	return sd_bus_message_append(m, "{sv}", key, "b", 1);
}

/* The process that asked or holds, as far as @uid may see it. */
static int append_process(sd_bus_message *m, const struct history_event *e, uint32_t uid)
{
	struct asker a = { .pid = e->pid, .uid = e->uid };

	memcpy(a.comm, e->comm, sizeof(a.comm));
	memcpy(a.cgroup, e->text, sizeof(a.cgroup));
	return append_asker(m, "", &a, uid);
}

static int append_holder(sd_bus_message *m, const struct history_event *e, uint32_t uid)
{
	int r = append_text(m, "holder", e->is_peer ? "peer" : "client");

	if (r < 0)
		return r;
	return e->is_peer ? append_text(m, "address", e->text) : append_process(m, e, uid);
}

static int append_asked(sd_bus_message *m, const struct history_event *e, uint32_t uid)
{
	int r = append_text(m, "cause", revocation_cause_names[e->cause]);

	if (r >= 0)
		r = append_number(m, "offset", e->offset);
	if (r >= 0)
		r = append_number(m, "length", e->length);
	if (r >= 0)
		r = append_number(m, "deadline_usec", e->deadline_usec);
	if (r >= 0)
		r = append_small(m, "holders", e->count);
	return r < 0 ? r : append_process(m, e, uid);
}

static int append_keeper(sd_bus_message *m, const char *key, const struct history_region *of,
			 uint32_t instance)
{
	char name[KEEPER_NAME_MAX];

	snprintf(name, sizeof(name), "%" PRIu32 "-%s-%" PRIu32, of->uid, of->session, instance);
	return append_text(m, key, name);
}

/* What the kind has of its own. */
static int append_particulars(sd_bus_message *m, const struct history_event *e,
			      const struct history_region *of, uint32_t uid)
{
	int r = 0;

	switch ((enum history_kind)e->kind) {
	case HISTORY_REGISTERED:
	case HISTORY_ADOPTED:
		return append_process(m, e, uid);
	case HISTORY_CAME:
	case HISTORY_WENT:
		if (e->count)
			r = append_small(m, "others", e->count);
		if (r >= 0 && e->forced)
			r = append_truth(m, "forced");
		if (r >= 0)
			r = append_text(m, "text", peer_left_words[e->left]);
		return r < 0 ? r : append_holder(m, e, uid);
	case HISTORY_ANSWERED:
	case HISTORY_UNANSWERED:
		return append_holder(m, e, uid);
	case HISTORY_ASKED:
		return append_asked(m, e, uid);
	case HISTORY_FENCED:
		r = append_small(m, "answered", e->count);
		return r < 0 ? r : append_small(m, "unanswered", e->late);
	case HISTORY_GIVEN_BACK:
		return e->forced ? append_truth(m, "forced") : 0;
	case HISTORY_SETTLED:
		r = append_text(m, "outcome", revocation_outcome_names[e->outcome]);
		return r < 0 ? r : append_number(m, "valid_length", e->valid_length);
	case HISTORY_DEGRADED:
		return append_text(m, "text", e->text);
	case HISTORY_ENDING:
		r = append_text(m, "reason", region_end_names[e->end]);
		return r < 0 ? r : append_process(m, e, uid);
	case HISTORY_REMOVED:
		r = append_text(m, "reason", region_end_names[e->end]);
		return r < 0 ? r : append_text(m, "text", e->text);
	case HISTORY_REPLACED:
		r = append_keeper(m, "keeper_before", of, e->before);
		return r < 0 ? r : append_keeper(m, "keeper", of, e->count);
	case HISTORY_EXPORTED:
	case HISTORY_WARMED:
	case HISTORY_SOUND:
	case _HISTORY_KIND_MAX:
		break;
	}
	return 0;
}

static int append_event(sd_bus_message *m, const struct history_event *e,
			const struct history_region *of, uint32_t uid)
{
	int r = sd_bus_message_open_container(m, 'r', "tttsa{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "ttts", e->sequence, e->real_usec, of->region,
					  history_kind_names[e->kind]);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0)
		r = append_small(m, "uid", of->uid);
	if (r >= 0)
		r = append_text(m, "session", of->session);
	if (r >= 0)
		r = append_text(m, "name", of->name);
	if (r >= 0)
		r = append_text(m, "path", of->path);
	if (r >= 0)
		r = append_number(m, "monotonic_usec", e->monotonic_usec);
	if (r >= 0 && e->revocation)
		r = append_number(m, "revocation", e->revocation);
	if (r >= 0 && e->delay_usec != HISTORY_NO_DELAY)
		r = append_number(m, "delay_usec", e->delay_usec);
	if (r >= 0)
		r = append_particulars(m, e, of, uid);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int begin(struct bus *b, struct listing *listing)
{
	struct history_listing *l = (struct history_listing *)listing;
	struct manager_view v = { 0 };

	l->search = calloc(1, sizeof(*l->search));
	if (!l->search)
		return -ENOMEM;
	b->handlers->view_manager(b->userdata, &v);
	return sd_bus_message_append(listing->reply, "tt", v.history_since_usec,
				     v.history_oldest_usec);
}

static int look(struct bus *b, struct listing *listing, uint32_t uid, uint64_t until_usec)
{
	struct history_listing *l = (struct history_listing *)listing;
	const struct history *h = b->handlers->history(b->userdata);
	const struct history_region *of = NULL;
	const struct history_event *e;
	int r = 0;

	while (history_search(h, &l->filter, l->after, l->search))
		if (now_monotonic_usec() >= until_usec)
			return 1;
	for (unsigned int n = 1; r >= 0 && l->left; n++) {
		if (n % SLICE_STRIDE == 0 && now_monotonic_usec() >= until_usec)
			return 1;
		e = history_next_found(h, &l->filter, l->after, l->search, &of);
		if (!e)
			break;
		l->after = e->sequence;
		l->left--;
		r = append_event(listing->reply, e, of, uid);
	}
	return r < 0 ? r : 0;
}

static void free_listing(struct listing *listing)
{
	struct history_listing *l = (struct history_listing *)listing;

	free(l->search);
	free(l);
}

static const struct listing_kind events = {
	.item = "(tttsa{sv})", .begin = begin, .look = look, .free = free_listing
};

static int follow(struct client *c, struct failure *f)
{
	if (!c->subscribed)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "follow is for subscribers: call Subscribe before");
	c->follows = true;
	return 0;
}

int method_get_history(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_(freep) struct history_listing *l = calloc(1, sizeof(*l));
	struct bus *b = userdata;
	bool follows = false;
	struct client *c;
	struct failure f;
	int r;

	(void)error;
	if (!l)
		return -ENOMEM;
	l->listing.kind = &events;
	r = client_of_message(b, m, &c);
	if (r < 0)
		return r;
	l->filter.name_uid = c->uid;
	r = read_filter(m, l, &follows, &f);
	if (r == 0 && follows)
		r = follow(c, &f);
	if (r == 0)
		r = call_new(b, c, m, &l->listing.call, &f);
	if (r)
		return refuse(m, r, &f);
	l->filter.has_uid = c->uid != 0;
	l->filter.uid = c->uid;
	listing_begin(b, c->user, &l->listing);
	l = NULL;
	return 1;
}

static void tell(struct bus *b, struct client *c)
{
	sd_bus_message *m = NULL;
	int r;

	c->history_told = now_monotonic_usec();
	c->history_seen = c->history_news;
	if (!client_may_be_sent(c))
		return;
	r = sd_bus_message_new_signal(b->connection, &m, RDMAREG_MANAGER_PATH,
				      RDMAREG_MANAGER_INTERFACE, "HistoryAdded");
	if (r >= 0)
		r = sd_bus_message_set_destination(m, c->name);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", c->history_news);
	if (r >= 0)
		r = sd_bus_send(b->connection, m, NULL);
	if (r >= 0)
		client_was_sent(b, c);
	sd_bus_message_unref(m);
}

void bus_tell_history(struct bus *b, const struct tenant *t, uint64_t number)
{
	uint64_t now = now_monotonic_usec();
	struct client *c;

	LIST_FOREACH(c, &b->subscribers, subscribers) {
		if (!c->follows || !client_may_see(c, t))
			continue;
		c->history_news = number;
		if (now - c->history_told >= HISTORY_USEC)
			tell(b, c);
		else
			b->history_due = true;
	}
}

uint64_t history_work(struct bus *b)
{
	uint64_t now = now_monotonic_usec(), next = UINT64_MAX;
	struct client *c;

	if (!b->history_due)
		return UINT64_MAX;
	LIST_FOREACH(c, &b->subscribers, subscribers) {
		if (!c->follows || c->history_news == c->history_seen)
			continue;
		if (now - c->history_told >= HISTORY_USEC)
			tell(b, c);
		else if (c->history_told + HISTORY_USEC < next)
			next = c->history_told + HISTORY_USEC;
	}
	b->history_due = next != UINT64_MAX;
	return next;
}
