// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * clients.c - who is on the bus. A client is made when a connection calls for the first time and
 * ends when the bus says that the connection did; unique names are never used twice, so a name
 * always means the same client.
 *
 * One match tells of every connection that ends. It is in place before the first client is made,
 * and a client is only made of a connection that the bus still knew after that, so no end is
 * missed, unless the bus drops what it has for us because we do not read fast enough. So it is also
 * asked who is there: CHECK_BUSY_USEC after the last time if CHECK_BYTES have come since, without
 * which nothing can have been dropped, and CHECK_USEC after it in any case. The bus is asked before
 * a caller's first message gets here (intake.c), and never waited for.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-login.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/process.h"
#include "util/text.h"

#define CHECK_USEC (60 * USEC_PER_SEC)
#define CHECK_BUSY_USEC (2 * USEC_PER_SEC)
#define CHECK_ANSWER_USEC \
	(10 * USEC_PER_SEC)	 /* the bus drops the answer, too, when it has no room */
#define CHECK_BYTES (256u << 10) /* less than any bus' limit of what waits for one connection */
#define LOST_BUDGET 16		 /* ended in a turn */

static int compare_users(const void *a, const void *b)
{
	const struct client_user *x = a, *y = b;

	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static int compare_clients(const void *a, const void *b)
{
	return strcmp(((const struct client *)a)->name, ((const struct client *)b)->name);
}

static struct client_user *get_user(struct bus *b, uint32_t uid)
{
	struct client_user key = { .uid = uid }, *u, **node = tfind(&key, &b->users, compare_users);

	if (node)
		return *node;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	u->bus = b;
	TAILQ_INIT(&u->listings);
	time_share_begin(&u->time);
	if (!tsearch(u, &b->users, compare_users)) {
		free(u);
		return NULL;
	}
	return u;
}

static void drop_user(struct bus *b, struct client_user *u)
{
	if (u->clients)
		return;
	tdelete(u, &b->users, compare_users);
	free(u);
}

struct client *client_find(struct bus *b, const char *name)
{
	union {
		struct client client;
		char space[sizeof(struct client) + 256];
	} key;
	struct client **node;

	if (strlen(name) >= 256)
		return NULL;
	strcpy(key.client.name, name);
	node = tfind(&key.client, &b->clients, compare_clients);
	return node ? *node : NULL;
}

static void free_client(struct client *c)
{
	free(c);
}

DEFINE_FREEP(struct client, free_client)

bool process_cgroup(uint32_t pid, uint64_t began, char *ret_cgroup, size_t cgroup_size)
{
	char *cgroup = NULL;
	bool there = sd_pid_get_cgroup((pid_t)pid, &cgroup) >= 0;

	/* looked at after the cgroup: its number was not given to another process before */
	there = there && began && process_start((pid_t)pid) == began;
	if (there)
		text_clean(ret_cgroup, cgroup_size, cgroup, PATH_MAX);
	free(cgroup);
	return there;
}

/* How long what is known of a process is good enough: many calls may ask. */
#define ASKER_USEC USEC_PER_SEC

const struct asker *client_asker(struct client *c)
{
	uint64_t now = now_monotonic_usec();
	struct asker seen;

	if (c->asker.pid && now - c->asker_usec < ASKER_USEC)
		return &c->asker;
	asker_look(&seen, c->pid, c->uid, c->began);
	c->asker_usec = now;
	/* of one that has ended what was known stays */
	if (*seen.comm || !c->asker.pid)
		c->asker = seen;
	return &c->asker;
}

static int add_client(struct bus *b, const char *name, uint32_t uid, uint32_t pid,
		      struct client **ret)
{
	_cleanup_(free_clientp) struct client *c = NULL;

	c = calloc(1, sizeof(*c) + strlen(name) + 1);
	if (!c)
		return -ENOMEM;
	strcpy(c->name, name);
	c->number = ++b->next_client;
	c->uid = uid;
	c->pid = pid;
	c->began = process_start((pid_t)c->pid);
	LIST_INIT(&c->calls);
	LIST_INIT(&c->regions);
	LIST_INIT(&c->joins);
	LIST_INIT(&c->revokes);
	c->user = get_user(b, c->uid);
	if (!c->user)
		return -ENOMEM;
	if (!tsearch(c, &b->clients, compare_clients)) {
		drop_user(b, c->user);
		return -ENOMEM;
	}
	c->user->clients++;
	log_debug("client %s: uid %" PRIu32 " pid %" PRIu32, c->name, c->uid, c->pid);
	*ret = steal_pointer(c);
	return 0;
}

/* Somebody wants to know a client that there is not yet. */
struct inquiry {
	struct bus *bus;
	client_known_t *known;
	void *userdata;
	char name[];
};

/* a{sv}; what is missing stays as it was. */
static int read_credentials(sd_bus_message *m, uint32_t *ret_uid, uint32_t *ret_pid)
{
	const char *key;
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		uint32_t *number;

		r = sd_bus_message_read(m, "s", &key);
		if (r < 0)
			return r;
		number = !strcmp(key, "UnixUserID")  ? ret_uid
			 : !strcmp(key, "ProcessID") ? ret_pid
						     : NULL;
		r = number ? sd_bus_message_read(m, "v", "u", number) : sd_bus_message_skip(m, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	return r;
}

static int on_credentials(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct inquiry *q = userdata;
	uint32_t uid = UINT32_MAX, pid = 0;
	struct client *c = client_find(q->bus, q->name);

	(void)error;
	if (!c && !sd_bus_message_is_method_error(m, NULL) &&
	    read_credentials(m, &uid, &pid) >= 0 && uid != UINT32_MAX &&
	    add_client(q->bus, q->name, uid, pid, &c) < 0)
		log_error("no memory for client %s", q->name);
	q->known(q->userdata, c);
	return 1;
}

int client_ask(struct bus *b, const char *name, client_known_t *known, void *userdata,
	       sd_bus_slot **ret)
{
	struct inquiry *q = calloc(1, sizeof(*q) + strlen(name) + 1);
	int r;

	if (!q)
		return -ENOMEM;
	q->bus = b;
	q->known = known;
	q->userdata = userdata;
	strcpy(q->name, name);
	r = sd_bus_call_method_async(b->connection, ret, "org.freedesktop.DBus",
				     "/org/freedesktop/DBus", "org.freedesktop.DBus",
				     "GetConnectionCredentials", on_credentials, q, "s", name);
	if (r >= 0)
		r = sd_bus_slot_set_destroy_callback(*ret, free);
	else
		free(q);
	return r;
}

int client_of_message(struct bus *b, sd_bus_message *m, struct client **ret)
{
	const char *sender = sd_bus_message_get_sender(m);

	*ret = sender ? client_find(b, sender) : NULL;
	return *ret ? 0 : -ENOENT;
}

/* Frees a client that is in no tree any more. */
static void end_client(struct bus *b, struct client *c)
{
	listings_drop(b, c);
	while (!LIST_EMPTY(&c->calls))
		call_abandon(LIST_FIRST(&c->calls));
	client_stop_reading(c);
	if (c->lost)
		LIST_REMOVE(c, of_lost);
	if (c->subscribed) {
		LIST_REMOVE(c, subscribers);
		c->user->subscribers--;
	}
	b->handlers->client_gone(b->userdata, c);
	c->user->clients--;
	drop_user(b, c->user);
	free_client(c);
}

static int on_name_gone(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	const char *name;
	struct client *c;

	(void)error;
	if (!is_from_bus(m) || sd_bus_message_read(m, "s", &name) < 0)
		return 0;
	c = client_find(b, name);
	if (!c)
		return 0;
	log_debug("client %s: gone", c->name);
	tdelete(c, &b->clients, compare_clients);
	end_client(b, c);
	return 0;
}

static int read_names(struct bus *b, sd_bus_message *m)
{
	struct client *c;
	const char *name;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	while (r >= 0 && (r = sd_bus_message_read_basic(m, 's', &name)) > 0)
		if ((c = client_find(b, name)))
			c->listed = b->listings;
	return r;
}

/* Of those who were there when the bus was asked. */
static void note_lost(const void *node, VISIT order, void *userdata)
{
	struct client *c = *(struct client *const *)node;
	struct bus *b = userdata;

	if ((order != postorder && order != leaf) || c->lost || c->listed == b->listings ||
	    c->number > b->listing_client)
		return;
	c->lost = true;
	LIST_INSERT_HEAD(&b->lost, c, of_lost);
}

/* Without an answer it is asked again. */
static int on_names(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;

	(void)error;
	b->listing = sd_bus_slot_unref(b->listing);
	b->listing_usec = now_monotonic_usec();
	if (sd_bus_message_is_method_error(m, NULL) || !is_from_bus(m) || read_names(b, m) < 0)
		return 1;
	b->checked_received = b->listing_received;
	twalk_r(b->clients, note_lost, b);
	return 1;
}

static void ask_names(struct bus *b)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

	b->listings++;
	b->listing_client = b->next_client;
	b->listing_received = intake_received(b->intake);
	b->listing_usec = now_monotonic_usec();
	if (sd_bus_message_new_method_call(b->connection, &m, "org.freedesktop.DBus",
					   "/org/freedesktop/DBus", "org.freedesktop.DBus",
					   "ListNames") < 0 ||
	    sd_bus_call_async(b->connection, &b->listing, m, on_names, b, CHECK_ANSWER_USEC) < 0)
		log_error("the bus cannot be asked who is there");
}

uint64_t clients_work(struct bus *b)
{
	bool busy = intake_received(b->intake) - b->checked_received >= CHECK_BYTES;
	uint64_t due = b->listing_usec + (busy ? CHECK_BUSY_USEC : CHECK_USEC);
	struct client *c;

	for (int k = 0; k < LOST_BUDGET && (c = LIST_FIRST(&b->lost)); k++) {
		log_warning(
			"client %s: gone, which the bus did not tell: too much was waiting here",
			c->name);
		tdelete(c, &b->clients, compare_clients);
		end_client(b, c);
	}
	if (!LIST_EMPTY(&b->lost))
		return 0;
	if (!b->clients || b->listing)
		return UINT64_MAX;
	if (now_monotonic_usec() < due)
		return due;
	ask_names(b);
	return UINT64_MAX;
}

int clients_watch(struct bus *b, sd_bus_message_handler_t installed)
{
	return sd_bus_add_match_async(
		b->connection, &b->gone_match,
		"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
		"interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''",
		on_name_gone, installed, b);
}

void clients_clear(struct bus *b)
{
	while (b->clients) {
		struct client *c = *(struct client **)b->clients;

		tdelete(c, &b->clients, compare_clients);
		end_client(b, c);
	}
}

int client_subscribe(struct bus *b, struct client *c, struct failure *ret_failure)
{
	if (c->subscribed)
		return 0;
	if (c->user->subscribers >= b->limits.subscribers_per_uid) {
		b->handlers->count_refusal(b->userdata, BUS_SUBSCRIBERS_PER_UID);
		return failure_set(
			ret_failure, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"%" PRIu32 " connections of uid %" PRIu32
			" are subscribed already: close some, or have the administrator raise subscribers_per_uid in "
			"rdmaregd.conf",
			c->user->subscribers, c->uid);
	}
	c->subscribed = true;
	c->user->subscribers++;
	LIST_INSERT_HEAD(&b->subscribers, c, subscribers);
	return 0;
}

uint32_t client_user_joins(const struct client *c)
{
	return c->user->joins;
}

void client_count_join(struct client *c, int32_t more)
{
	c->joined += (uint32_t)more;
	c->user->joins += (uint32_t)more;
}

bool bus_client_mark(struct bus *b, const struct client *c, char *out, size_t size)
{
	sd_id128_t id;
	int n;

	if (sd_bus_get_bus_id(b->connection, &id) < 0)
		return false;
	n = snprintf(out, size, SD_ID128_FORMAT_STR "%s", SD_ID128_FORMAT_VAL(id), c->name);
	return n > 0 && (size_t)n < size;
}

/*
 * The connection on this bus that @mark names. -ENOENT: another bus, so it is gone; -EINVAL: no
 * mark.
 */
static int read_mark(struct bus *b, const char *mark, const char **ret_name)
{
	const char *name = strchr(mark, ':');
	char start[SD_ID128_STRING_MAX];
	sd_id128_t id;
	int r = sd_bus_get_bus_id(b->connection, &id);

	if (r < 0)
		return r;
	if (!name)
		return -EINVAL;
	sd_id128_to_string(id, start);
	if ((size_t)(name - mark) != strlen(start) || strncmp(mark, start, strlen(start)))
		return -ENOENT;
	*ret_name = name;
	return 0;
}

static void on_expected(void *userdata, const struct client *c)
{
	struct bus *b = userdata;

	(void)c;
	b->expected--;
}

int bus_expect(struct bus *b, const char *mark)
{
	sd_bus_slot *slot = NULL;
	const char *name;
	int r = read_mark(b, mark, &name);

	if (r < 0 || client_find(b, name))
		return r;
	r = client_ask(b, name, on_expected, b, &slot);
	if (r < 0)
		return r;
	b->expected++;
	sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
	return 0;
}

int bus_client_by_mark(struct bus *b, const char *mark, struct client **ret)
{
	const char *name;
	int r = read_mark(b, mark, &name);

	if (r < 0)
		return r;
	*ret = client_find(b, name);
	return *ret ? 0 : -ENOENT;
}

struct most {
	const uint32_t *only;
	struct bus_uses *ret;
};

static void take_most(struct bus_use *most, uint32_t n, uint32_t uid)
{
	if (n >= most->n)
		*most = (struct bus_use){ n, uid };
}

static void look_at_user(const void *node, VISIT visit, void *userdata)
{
	const struct client_user *u = *(const struct client_user *const *)node;
	const struct most *m = userdata;

	if ((visit != postorder && visit != leaf) || (m->only && u->uid != *m->only))
		return;
	take_most(&m->ret->pending, u->pending, u->uid);
	take_most(&m->ret->subscribers, u->subscribers, u->uid);
	take_most(&m->ret->joins, u->joins, u->uid);
}

void bus_most_used(struct bus *b, const uint32_t *only, struct bus_uses *ret)
{
	struct most m = { only, ret };

	*ret = (struct bus_uses){ 0 };
	twalk_r(b->users, look_at_user, &m);
}
