// SPDX-License-Identifier: GPL-2.0-or-later
/* bus.c - see bus.h: the connection, the objects on it, and the signals. */
#include "bus/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/process.h"

/* Changes of regions are told so long at a time. */
#define NEWS_SLICE_USEC 1000

/* RequestName's answers, of the D-Bus specification */
#define DBUS_NAME_OWNED 1
#define DBUS_NAME_ALREADY 4

#define START_USEC (25 * USEC_PER_SEC) /* as long as the bus library waits by itself */

/* One value of an address, without what is escaped. False: it does not fit. */
static bool unescape(const char *value, size_t n, char *out, size_t size)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++, k++) {
		unsigned int c = (unsigned char)value[i];

		if (c == '%' && (i + 2 >= n || sscanf(value + i + 1, "%2x", &c) != 1))
			return false;
		i += value[i] == '%' ? 2 : 0;
		if (k + 1 >= size)
			return false;
		out[k] = (char)c;
	}
	out[k] = 0;
	return k > 0;
}

/* The socket that one address names. @n: its length */
static bool read_address(const char *address, size_t n, struct sockaddr_un *ret,
			 socklen_t *ret_size)
{
	const char *end = address + n, *key;
	size_t prefix = strlen("unix:");

	if (n < prefix || strncmp(address, "unix:", prefix))
		return false;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	for (key = address + prefix; key < end; key += strcspn(key, ",;") + 1) {
		size_t size = strcspn(key, ",;");
		bool path = !strncmp(key, "path=", 5), abstract = !strncmp(key, "abstract=", 9);
		size_t name = path ? 5 : 9;

		if (!path && !abstract)
			continue;
		if (!unescape(key + name, size - name, ret->sun_path + abstract,
			      sizeof(ret->sun_path) - abstract))
			return false;
		*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract +
					strlen(ret->sun_path + abstract) + path);
		return true;
	}
	return false;
}

/* The first of the addresses where somebody listens. */
static int connect_socket(const char *addresses, int *ret)
{
	int r = -EINVAL;

	for (const char *a = addresses; *a; a += strcspn(a, ";"), a += *a == ';') {
		_cleanup_(closep) int fd = -1;
		struct sockaddr_un address;
		socklen_t size;

		if (!read_address(a, strcspn(a, ";"), &address, &size))
			continue;
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) == 0 &&
		    fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
			*ret = steal_fd(&fd);
			return 0;
		}
		r = -errno;
	}
	return r;
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	const char *name;

	(void)error;
	if (is_from_bus(m) && sd_bus_message_read(m, "s", &name) >= 0 &&
	    !strcmp(name, RDMAREG_BUS_NAME))
		b->handlers->name_lost(b->userdata);
	return 0;
}

static int on_watching(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;

	(void)error;
	b->asked = sd_bus_message_is_method_error(m, NULL) ? -sd_bus_message_get_errno(m) : 0;
	return 0;
}

/* Asks for signals; on_watching() says what came of it. */
static int watch(struct bus *b)
{
	int r;

	b->asked = 1;
	r = sd_bus_add_match_async(
		b->connection, &b->lost_match,
		"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
		"interface='org.freedesktop.DBus',member='NameLost'",
		on_name_lost, NULL, b);
	return r < 0 ? r : clients_watch(b, on_watching);
}

static int add_objects(struct bus *b)
{
	int r = sd_bus_add_object_vtable(b->connection, NULL, RDMAREG_MANAGER_PATH,
					 RDMAREG_MANAGER_INTERFACE, manager_vtable, b);

	/* the first answers, and the second has introspection show that somebody does */
	if (r >= 0)
		r = sd_bus_add_object(b->connection, NULL, RDMAREG_MANAGER_PATH, on_manager_path,
				      b);
	if (r >= 0)
		r = sd_bus_add_object_manager(b->connection, NULL, RDMAREG_MANAGER_PATH);
	if (r >= 0)
		r = sd_bus_add_object_vtable(b->connection, NULL, "/org/freedesktop/LogControl1",
					     "org.freedesktop.LogControl1", log_control_vtable, b);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(b->connection, NULL, RDMAREG_REGION_PREFIX,
					       RDMAREG_REGION_INTERFACE, region_vtable, find_region,
					       b);
	if (r >= 0)
		r = sd_bus_add_node_enumerator(b->connection, NULL, RDMAREG_REGION_PREFIX,
					       enumerate_regions, b);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(b->connection, NULL, RDMAREG_JOB_PREFIX,
					       RDMAREG_JOB_INTERFACE, job_vtable, find_job, b);
	if (r >= 0)
		r = sd_bus_add_node_enumerator(b->connection, NULL, RDMAREG_JOB_PREFIX,
					       enumerate_jobs, b);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(b->connection, NULL, RDMAREG_SESSION_PREFIX,
					       RDMAREG_SESSION_INTERFACE, session_vtable,
					       find_session, b);
	if (r >= 0)
		r = sd_bus_add_node_enumerator(b->connection, NULL, RDMAREG_SESSION_PREFIX,
					       enumerate_sessions, b);
	return r;
}

/* sd-bus writes to the bus itself, and reads what the intake lets by. */
static int connect_bus(struct bus *b, struct event_base *base, const char *address)
{
	int r = connect_socket(address, &b->out_fd), copy = -1;

	if (r < 0)
		return r;
	copy = fcntl(b->out_fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	r = intake_new(&b->intake, b, base, copy, &b->in_fd);
	if (r >= 0)
		r = sd_bus_new(&b->connection);
	if (r >= 0)
		r = sd_bus_set_fd(b->connection, b->in_fd, b->out_fd);
	if (r < 0)
		return r;
	b->owns_descriptors = false; /* sd-bus does */
	r = sd_bus_set_bus_client(b->connection, 1);
	if (r >= 0)
		r = add_objects(b);
	if (r >= 0)
		r = sd_bus_start(b->connection);
	return r;
}

int bus_new(struct bus **ret, struct event_base *base, const char *address, struct offload *offload,
	    const struct bus_handlers *handlers, void *userdata)
{
	_cleanup_(bus_freep) struct bus *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->in_fd = b->out_fd = -1;
	b->owns_descriptors = true;
	b->offload = offload;
	b->handlers = handlers;
	b->userdata = userdata;
	LIST_INIT(&b->subscribers);
	LIST_INIT(&b->lost);
	TAILQ_INIT(&b->listing_users);
	news_init(&b->news);
	r = connect_bus(b, base, address);
	if (r >= 0)
		r = watch(b);
	if (r >= 0)
		r = admission_watch(b);
	if (r < 0)
		return r;
	*ret = steal_pointer(b);
	return 0;
}

struct bus *bus_free(struct bus *b)
{
	if (!b)
		return NULL;
	clients_clear(b);
	sd_bus_slot_unref(b->listing);
	sd_bus_slot_unref(b->gone_match);
	sd_bus_slot_unref(b->lost_match);
	intake_free(b->intake);
	ended_clear(&b->ended);
	sd_bus_slot_unref(b->admission);
	sd_bus_flush_close_unref(b->connection);
	if (b->owns_descriptors) {
		closep(&b->in_fd);
		closep(&b->out_fd);
	}
	free(b);
	return NULL;
}

void bus_freep(struct bus **b)
{
	bus_free(*b);
}

/* One turn of the connection without the loop. */
static int turn(struct bus *b, uint64_t until_usec)
{
	uint64_t now = now_monotonic_usec();
	struct pollfd fds[] = { { b->in_fd, POLLIN, 0 }, { b->out_fd, POLLIN, 0 } };
	int r, events;

	intake_read(b->intake);
	r = bus_process(b);
	if (r)
		return r;
	if (now >= until_usec)
		return -ETIMEDOUT;
	events = sd_bus_get_events(b->connection);
	if (events < 0)
		return events;
	fds[1].events |= (short)(events & POLLOUT);
	r = poll(fds, 2, (int)((until_usec - now) / USEC_PER_MSEC) + 1);
	return r < 0 && errno != EINTR ? -errno : 0;
}

/* Until @b->asked is answered; its answer. */
static int await(struct bus *b)
{
	uint64_t until_usec = now_monotonic_usec() + START_USEC;
	int r = 0;

	while (r >= 0 && (b->asked > 0 || b->expected))
		r = turn(b, until_usec);
	return r < 0 ? r : b->asked;
}

int bus_settle(struct bus *b)
{
	return await(b);
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	uint32_t result;
	int r = sd_bus_message_is_method_error(m, NULL) ? -sd_bus_message_get_errno(m)
							: sd_bus_message_read(m, "u", &result);

	(void)error;
	b->asked = r < 0						      ? r
		   : result == DBUS_NAME_OWNED || result == DBUS_NAME_ALREADY ? 0
									      : -EEXIST;
	return 1;
}

/* The process that has the name. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;

	(void)error;
	b->asked = sd_bus_message_is_method_error(m, NULL) ? -sd_bus_message_get_errno(m)
							   : sd_bus_message_read(m, "u", &b->owner);
	b->asked = b->asked < 0 ? b->asked : 0;
	return 1;
}

static int request_name(struct bus *b, uint64_t flags)
{
	int r = sd_bus_request_name_async(b->connection, NULL, RDMAREG_BUS_NAME,
					  SD_BUS_NAME_ALLOW_REPLACEMENT | flags, on_name, b);

	b->asked = 1;
	return r < 0 ? r : await(b);
}

/* Who has the name, and can do nothing with it. */
static bool owner_is_over(struct bus *b)
{
	int r = sd_bus_call_method_async(b->connection, NULL, "org.freedesktop.DBus",
					 "/org/freedesktop/DBus", "org.freedesktop.DBus",
					 "GetConnectionUnixProcessID", on_owner, b, "s",
					 RDMAREG_BUS_NAME);

	b->asked = 1;
	return r >= 0 && await(b) == 0 &&
	       process_is_over((pid_t)b->owner, process_start((pid_t)b->owner));
}

int bus_acquire_name(struct bus *b)
{
	int r = request_name(b, 0);

	if (r == -EEXIST && owner_is_over(b)) {
		log_warning("process %u has the name " RDMAREG_BUS_NAME
			    ", was killed, and does not end: taken from it",
			    b->owner);
		r = request_name(b, SD_BUS_NAME_REPLACE_EXISTING);
	}
	return r;
}

void bus_descriptors(const struct bus *b, int *ret_in, int *ret_out)
{
	*ret_in = b->in_fd;
	*ret_out = b->out_fd;
}

void bus_set_reading(struct bus *b, bool on)
{
	if (intake_set_reading(b->intake, on) < 0)
		log_error("no memory to read from the bus");
}

void bus_set_limits(struct bus *b, const struct bus_limits *limits)
{
	b->limits = *limits;
}

sd_bus *bus_connection(struct bus *b)
{
	return b->connection;
}

/*
 * Signals are built anew for each recipient, since a sealed message has one destination. A client
 * may be owner, one of those that joined, and subscriber; the number of the signal it was sent last
 * tells that it has this one.
 */
/* What is sent, and to whom: some member of the region's interface or of the manager's. */
struct signal {
	const char *path;
	const char *interface;
	const char *member;
	build_t *build;
	const struct region_view *view;
	const void *arguments;
};

static void send_one(struct bus *b, struct client *c, const struct signal *s)
{
	struct region_view view = *s->view;
	sd_bus_message *m = NULL;
	int r;

	if (c->told == b->signals)
		return;
	c->told = b->signals;
	if (!client_may_be_sent(c))
		return;
	view.reader = c;
	r = sd_bus_message_new_signal(b->connection, &m, s->path, s->interface, s->member);
	if (r >= 0)
		r = sd_bus_message_set_destination(m, c->name);
	if (r >= 0)
		r = s->build(m, &view, s->arguments);
	if (r >= 0)
		r = sd_bus_send(b->connection, m, NULL);
	if (r < 0)
		log_warning("client %s: %s cannot be sent: error %d", c->name, s->member, -r);
	else
		client_was_sent(b, c);
	sd_bus_message_unref(m);
}

static void send_subscribers(struct bus *b, const struct signal *s)
{
	struct client *c;

	LIST_FOREACH(c, &b->subscribers, subscribers)
		if (client_may_see(c, s->view->tenant))
			send_one(b, c, s);
}

static void send_holders(struct bus *b, const struct signal *s)
{
	const struct join *j;

	if (s->view->owner)
		send_one(b, s->view->owner, s);
	if (!s->view->joins)
		return;
	LIST_FOREACH(j, s->view->joins, of_region)
		send_one(b, j->client, s);
}

/* A member of the manager's interface; @holders: also to those who own or use the region. */
static void tell_manager(struct bus *b, const char *member, build_t *build,
			 const struct region_view *v, const void *arguments, bool holders)
{
	const struct signal s = {
		.path = RDMAREG_MANAGER_PATH,
		.interface = RDMAREG_MANAGER_INTERFACE,
		.member = member,
		.build = build,
		.view = v,
		.arguments = arguments,
	};

	b->signals++;
	if (holders)
		send_holders(b, &s);
	send_subscribers(b, &s);
}

void bus_tell_managers(struct bus *b, const char *interface, const char *member, build_t *build,
		       const struct region_view *v, const void *arguments)
{
	const struct signal s = { RDMAREG_MANAGER_PATH, interface, member, build, v, arguments };
	struct client *c;

	b->signals++;
	LIST_FOREACH(c, &b->subscribers, subscribers)
		if (c->manages && client_may_see(c, v->tenant))
			send_one(b, c, &s);
}

/* The build of what is of no region. */
struct of_tenant {
	build_tenant_t *build;
	const void *arguments;
};

static int build_of_tenant(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	const struct of_tenant *t = arguments;

	(void)v;
	return t->build(m, t->arguments);
}

void bus_tell_of_tenant(struct bus *b, const struct tenant *t, const char *path,
			const char *interface, const char *member, build_tenant_t *build,
			const void *arguments)
{
	const struct of_tenant of = { build, arguments };
	const struct region_view view = { .tenant = t };
	const struct signal s = { path, interface, member, build_of_tenant, &view, &of };

	b->signals++;
	send_subscribers(b, &s);
}

/* About what happens to a region: to those who use it, and to those who listen. */
static void tell_all(struct bus *b, const char *interface, const char *member, build_t *build,
		     const struct region_view *v, const void *arguments)
{
	char path[REGION_PATH_MAX];
	const struct signal s = { path, interface, member, build, v, arguments };

	region_path(v->region->id, path);
	b->signals++;
	send_holders(b, &s);
	send_subscribers(b, &s);
}

static int build_changed(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	int r = sd_bus_message_append(m, "s", RDMAREG_REGION_INTERFACE);

	if (r >= 0)
		r = properties_append(m, v, *(const uint32_t *)arguments);
	return r < 0 ? r : sd_bus_message_append(m, "as", 0);
}

static void tell_news(struct bus *b, const struct region_view *v)
{
	uint32_t changed = news_take(v->news);

	if (!changed)
		return;
	v->news->told_usec = now_monotonic_usec();
	tell_all(b, "org.freedesktop.DBus.Properties", "PropertiesChanged", build_changed, v,
		 &changed);
}

/*
 * Not at once: whoever waits for an answer or is asked for his is told before. While holders are
 * asked it waits longer, or until that is settled: blocks wait for their answers, and that they are
 * asked is told anyway.
 */
void bus_tell_changed(struct bus *b, const struct region_view *v, uint32_t changed)
{
	news_add(&b->news, v->news, v->region->id, changed, v->region->state != REGION_DRAINING,
		 now_monotonic_usec());
}

/* What is due is told, no longer than a slice. Returns when the next is. */
static uint64_t news_work(struct bus *b)
{
	uint64_t began = now_monotonic_usec(), now = began;
	struct region_news *news;
	struct region_view v;

	while ((news = news_first(&b->news)) && news->due_usec <= now) {
		if (now - began >= NEWS_SLICE_USEC)
			return 0;
		if (b->handlers->view_region(b->userdata, news->region, &v))
			tell_news(b, &v);
		now = now_monotonic_usec();
	}
	return news ? news->due_usec : UINT64_MAX;
}

static int build_asked(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	const struct region *r = v->region;

	int e = sd_bus_message_append(m, "tsttt", r->revocation, revocation_cause_names[r->cause],
				      r->revocation_offset, r->revocation_length, r->deadline_usec);

	(void)arguments;
	if (e >= 0)
		e = sd_bus_message_open_container(m, 'a', "{sv}");
	if (e >= 0)
		e = append_asker(m, "", v->asker, v->reader ? v->reader->uid : UINT32_MAX);
	return e < 0 ? e : sd_bus_message_close_container(m);
}

void bus_tell_asked(struct bus *b, const struct region_view *v)
{
	/* blocks wait for the answer; what else is new about the region comes after it */
	tell_all(b, RDMAREG_REGION_INTERFACE, "RevocationRequested", build_asked, v, NULL);
}

struct settled {
	uint64_t revocation;
	enum revocation_outcome outcome;
};

static int build_settled(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	const struct settled *s = arguments;

	return sd_bus_message_append(m, "tst", s->revocation, revocation_outcome_names[s->outcome],
				     v->region->valid_length);
}

void bus_tell_settled(struct bus *b, const struct region_view *v, uint64_t revocation,
		      enum revocation_outcome outcome)
{
	const struct settled s = { revocation, outcome };

	tell_news(b, v);
	tell_all(b, RDMAREG_REGION_INTERFACE, "RevocationSettled", build_settled, v, &s);
}

static int build_number(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	char path[REGION_PATH_MAX];

	(void)arguments;
	region_path(v->region->id, path);
	return sd_bus_message_append(m, "to", v->region->id, path);
}

void bus_tell_added(struct bus *b, const struct region_view *v)
{
	tell_manager(b, "RegionAdded", build_number, v, NULL, false);
	objects_tell_region(b, v, true);
}

struct removed {
	enum region_end why;
	const char *more;
};

static int build_removed(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	const struct removed *a = arguments;
	int r = build_number(m, v, NULL);
	char text[ENDED_TEXT_MAX + HISTORY_TEXT_MAX];

	snprintf(text, sizeof(text), "%s%s%s", ended_text(a->why), *a->more ? ": " : "", a->more);
	return r < 0 ? r : sd_bus_message_append(m, "ss", region_end_names[a->why], text);
}

void bus_tell_removed(struct bus *b, const struct region_view *v, enum region_end why,
		      const char *more)
{
	const struct removed removed = { why, more };

	ended_note(&b->ended, v->region->id, v->tenant->uid, why);
	tell_news(b, v);
	tell_manager(b, "RegionRemoved", build_removed, v, &removed, true);
	objects_tell_region(b, v, false);
}

uint64_t bus_work(struct bus *b)
{
	uint64_t wanted = news_work(b), clients = clients_work(b), history = history_work(b);

	if (history < wanted)
		wanted = history;
	return listings_work(b) ? 0 : wanted < clients ? wanted : clients;
}
