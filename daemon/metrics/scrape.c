// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scrape.c - see scrape.h. A reader is read until its request is there, then written to; it ends
 * when it has all, by its own hand, or at its deadline. What is done for it is charged to its user.
 */
#include "metrics/scrape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/time-share.h"

#define OPENMETRICS "application/openmetrics-text"

#define BACKLOG 512 /* connections that wait to be accepted, at each socket */
#define ACCEPTS_OF_TURN 16
#define USERS 64 /* whose use of the daemon's time is remembered */
#define PAUSE_USEC (20 * USEC_PER_MSEC)

struct reader {
	struct scrape *scrape;
	int fd;
	uint32_t uid;
	struct event *event;
	struct event *deadline;
	struct evbuffer *out;
	struct page page;
	bool has_page;
	bool served;
	size_t n;
	char request[SCRAPE_REQUEST_MAX + 1];
	LIST_ENTRY(reader) readers;
};

/* A socket where readers come in. */
struct door {
	struct scrape *scrape;
	int fd;
	struct event *event;
	struct event *pause; /* listens again after it */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct scrape_user {
	uint32_t uid;
	struct time_share time;
};

enum { DOOR, DOOR_OF_ROOT, DOORS };

struct scrape {
	struct event_base *base;
	struct metrics *metrics;
	struct page_source source;
	void (*fresh)(void *userdata);
	uint64_t patience_usec;
	struct door doors[DOORS];
	enum scrape_for whom;
	LIST_HEAD(, reader) readers;
	struct scrape_user users[USERS];
	size_t n_users;
	/* the page of ordinary users in each form, and when it was made; NULL: not yet */
	struct evbuffer *shared[2];
	uint64_t shared_usec[2];
};

/* Root, and who the daemon itself runs as: not limited. */
static bool is_ours(uint32_t uid)
{
	return !uid || uid == geteuid();
}

/* NULL: so many others have used more than their share that there is no place to count. */
static struct time_share *time_of(struct scrape *s, uint32_t uid)
{
	struct scrape_user *u = NULL;

	for (size_t i = 0; i < s->n_users; i++) {
		if (s->users[i].uid != uid)
			continue;
		time_share_pay_back(&s->users[i].time);
		return &s->users[i].time;
	}
	if (s->n_users < USERS)
		u = &s->users[s->n_users++];
	for (size_t i = 0; i < USERS && !u; i++) { /* one that owes nothing is forgotten */
		time_share_pay_back(&s->users[i].time);
		if (s->users[i].time.credit_usec == TIME_SAVED_USEC)
			u = &s->users[i];
	}
	if (!u)
		return NULL;
	u->uid = uid;
	time_share_begin(&u->time);
	return &u->time;
}

static void charge(struct scrape *s, uint32_t uid, const struct time_span *began)
{
	struct time_share *time = is_ours(uid) ? NULL : time_of(s, uid);

	if (time)
		time_share_charge(time, began);
}

static void free_reader(struct reader *r)
{
	LIST_REMOVE(r, readers);
	if (r->event)
		event_free(r->event);
	if (r->deadline)
		event_free(r->deadline);
	if (r->out)
		evbuffer_free(r->out);
	closep(&r->fd);
	free(r);
}

static void end_reader(struct reader *r, enum metric_scrape how)
{
	metrics_count(r->scrape->metrics, METRIC_SCRAPES, how);
	free_reader(r);
}

static void on_deadline(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	end_reader(userdata, SCRAPE_ABANDONED);
}

/* Writes what there is room for; the next slice when all was taken. */
static void write_to(struct reader *r, int fd)
{
	if (!evbuffer_get_length(r->out) && r->has_page)
		r->has_page = page_write(&r->page, &r->scrape->source, r->out);
	if (evbuffer_get_length(r->out) && evbuffer_write(r->out, fd) < 0 && errno != EAGAIN) {
		end_reader(r, SCRAPE_ABANDONED);
		return;
	}
	if (!evbuffer_get_length(r->out) && !r->has_page)
		end_reader(r, r->served ? SCRAPE_SERVED : SCRAPE_REFUSED);
}

static void on_writable(evutil_socket_t fd, short what, void *userdata)
{
	struct time_span began = time_span_begin();
	struct reader *r = userdata;
	struct scrape *s = r->scrape;
	uint32_t uid = r->uid;

	(void)what;
	write_to(r, fd);
	charge(s, uid, &began);
}

static bool write_from_now_on(struct reader *r)
{
	event_free(r->event);
	r->event = event_new(r->scrape->base, r->fd, EV_WRITE | EV_PERSIST, on_writable, r);
	return r->event && event_add(r->event, NULL) == 0;
}

static void answer(struct reader *r, const char *status, const char *type)
{
	evbuffer_add_printf(r->out, "HTTP/1.0 %s\r\nContent-Type: %s\r\nConnection: close\r\n\r\n",
			    status, type);
}

static void refuse(struct reader *r, const char *status, const char *text)
{
	answer(r, status, "text/plain; charset=utf-8");
	evbuffer_add_printf(r->out, "%s\n", text);
}

/* Some line "Accept: ..." names it. */
static bool accepts_openmetrics(const char *request)
{
	for (const char *line = request; (line = strchr(line, '\n'));) {
		size_t n = strcspn(++line, "\n");

		if (!strncasecmp(line, "Accept:", 7) &&
		    memmem(line, n, OPENMETRICS, strlen(OPENMETRICS)))
			return true;
	}
	return false;
}

/* NULL: no memory. */
static struct evbuffer *shared_page(struct scrape *s, bool openmetrics)
{
	struct evbuffer *page = s->shared[openmetrics];
	struct page p = { .openmetrics = openmetrics };
	uint64_t now = now_monotonic_usec();

	if (page && now - s->shared_usec[openmetrics] < SCRAPE_SHARED_USEC)
		return page;
	if (page)
		evbuffer_free(page); /* who is still being sent it keeps it */
	page = evbuffer_new();
	s->shared[openmetrics] = page;
	s->shared_usec[openmetrics] = now;
	s->fresh(s->source.userdata);
	while (page && page_write(&p, &s->source, page))
		;
	return page;
}

static void serve(struct reader *r, bool regions)
{
	bool openmetrics = accepts_openmetrics(r->request);
	struct scrape *s = r->scrape;
	struct evbuffer *shared = is_ours(r->uid) ? NULL : shared_page(s, openmetrics);

	r->served = true;
	answer(r, "200 OK",
	       openmetrics ? OPENMETRICS "; version=1.0.0; charset=utf-8"
			   : "text/plain; version=0.0.4; charset=utf-8");
	if (shared && evbuffer_add_buffer_reference(r->out, shared) == 0)
		return;
	r->page = (struct page){ .openmetrics = openmetrics, .regions = regions };
	r->has_page = true;
	s->fresh(s->source.userdata);
}

static void take_request(struct reader *r)
{
	char method[8], path[64], version[16];

	if (sscanf(r->request, "%7s %63s %15s", method, path, version) != 3 ||
	    strncmp(version, "HTTP/1.", 7))
		refuse(r, "400 Bad Request", "this is no HTTP/1.0 request");
	else if (strcmp(method, "GET"))
		refuse(r, "405 Method Not Allowed", "only GET");
	else if (!strcmp(path, "/metrics"))
		serve(r, false);
	else if (strcmp(path, "/metrics/regions"))
		refuse(r, "404 Not Found", "there is /metrics, and for root /metrics/regions");
	else if (!is_ours(r->uid))
		refuse(r, "403 Forbidden", "series of single regions are for root");
	else
		serve(r, true);
}

static void read_from(struct reader *r, int fd)
{
	ssize_t n = recv(fd, r->request + r->n, SCRAPE_REQUEST_MAX - r->n, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_reader(r, SCRAPE_ABANDONED);
		return;
	}
	r->n += (size_t)n;
	r->request[r->n] = 0;
	if (strlen(r->request) < r->n)
		refuse(r, "400 Bad Request", "this is no HTTP/1.0 request");
	else if (strstr(r->request, "\r\n\r\n") || strstr(r->request, "\n\n"))
		take_request(r);
	else if (r->n == SCRAPE_REQUEST_MAX)
		refuse(r, "431 Request Header Fields Too Large", "the request is too long");
	else
		return;
	if (!write_from_now_on(r))
		end_reader(r, SCRAPE_ABANDONED);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	struct time_span began = time_span_begin();
	struct reader *r = userdata;
	struct scrape *s = r->scrape;
	uint32_t uid = r->uid;

	(void)what;
	read_from(r, fd);
	charge(s, uid, &began);
}

/* NULL, or what there is too much of. */
static const char *judge(struct scrape *s, uint32_t uid, bool *ret_is_over)
{
	const struct time_share *time = is_ours(uid) ? NULL : time_of(s, uid);
	unsigned int all = 0, same = 0;
	const struct reader *r;

	*ret_is_over = !is_ours(uid) && (!time || time->credit_usec <= 0);
	if (*ret_is_over)
		return "readers of this user have taken more than a quarter of rdmaregd's time: "
		       "read again later, and less often";
	LIST_FOREACH(r, &s->readers, readers) {
		all += r->uid != 0;
		same += r->uid == uid;
	}
	if (same >= SCRAPE_READERS_OF_UID)
		return "too many readers of this user";
	if (uid && all >= SCRAPE_READERS - SCRAPE_READERS_OF_UID)
		return "too many readers";
	return NULL;
}

/* Takes @fd over. */
static bool add_reader(struct scrape *s, int fd, uint32_t uid, const char *refusal)
{
	const struct timeval patience = timeval_from_usec(s->patience_usec);
	struct reader *r = calloc(1, sizeof(*r));

	if (!r) {
		close(fd);
		return false;
	}
	*r = (struct reader){ .scrape = s, .fd = fd, .uid = uid };
	LIST_INSERT_HEAD(&s->readers, r, readers);
	r->out = evbuffer_new();
	r->event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, r);
	r->deadline = evtimer_new(s->base, on_deadline, r);
	if (!r->out || !r->event || !r->deadline || event_add(r->event, NULL) < 0 ||
	    event_add(r->deadline, &patience) < 0) {
		free_reader(r);
		return false;
	}
	if (refusal) { /* at once or not at all, so that it takes no place */
		refuse(r, "503 Service Unavailable", refusal);
		evbuffer_write(r->out, fd);
		end_reader(r, SCRAPE_REFUSED);
	}
	return true;
}

static void on_pause(evutil_socket_t fd, short what, void *userdata)
{
	struct door *d = userdata;

	(void)fd, (void)what;
	event_add(d->event, NULL);
}

/* Nobody comes in for a while; who stands before the door waits there. */
static void pause_door(struct door *d, uint64_t usec)
{
	const struct timeval time = timeval_from_usec(usec);

	event_del(d->event);
	event_add(d->pause, &time);
}

/* False: nobody is there, or nobody else is let in now. */
static bool let_in(struct door *d)
{
	struct time_span began = time_span_begin();
	int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	socklen_t size = sizeof(struct ucred);
	const char *refusal;
	bool is_over = false;
	struct ucred who;

	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		pause_door(d, USEC_PER_SEC); /* no descriptor is left */
	if (fd < 0)
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) {
		close(fd);
		return true;
	}
	refusal = judge(d->scrape, who.uid, &is_over);
	add_reader(d->scrape, fd, who.uid, refusal);
	charge(d->scrape, who.uid, &began);
	if (is_over) /* else refusing would take all the time */
		pause_door(d, PAUSE_USEC);
	return !is_over;
}

static void on_connection(evutil_socket_t listener, short what, void *userdata)
{
	(void)listener, (void)what;
	for (unsigned int i = 0; i < ACCEPTS_OF_TURN; i++)
		if (!let_in(userdata))
			break;
}

int scrape_new(struct scrape **ret, struct event_base *base, struct metrics *metrics,
	       const struct page_source *source, void (*fresh)(void *userdata),
	       uint64_t patience_usec)
{
	struct scrape *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->base = base;
	s->metrics = metrics;
	s->source = *source;
	s->fresh = fresh;
	s->patience_usec = patience_usec;
	for (int i = 0; i < DOORS; i++) {
		s->doors[i] = (struct door){ .scrape = s, .fd = -1 };
		s->doors[i].pause = evtimer_new(base, on_pause, &s->doors[i]);
		if (s->doors[i].pause)
			continue;
		while (i-- > 0)
			event_free(s->doors[i].pause);
		free(s);
		return -ENOMEM;
	}
	LIST_INIT(&s->readers);
	*ret = s;
	return 0;
}

static void shut(struct door *d)
{
	if (d->event) {
		event_free(d->event);
		unlink(d->path);
	}
	d->event = NULL;
	event_del(d->pause);
	closep(&d->fd);
	d->fd = -1;
}

static void stop(struct scrape *s)
{
	for (int i = 0; i < DOORS; i++)
		shut(&s->doors[i]);
	s->whom = SCRAPE_OFF;
	while (!LIST_EMPTY(&s->readers))
		end_reader(LIST_FIRST(&s->readers), SCRAPE_ABANDONED);
}

struct scrape *scrape_free(struct scrape *s)
{
	if (!s)
		return NULL;
	stop(s);
	for (int i = 0; i < DOORS; i++)
		event_free(s->doors[i].pause);
	for (int i = 0; i < 2; i++)
		if (s->shared[i])
			evbuffer_free(s->shared[i]);
	free(s);
	return NULL;
}

static int open_door(struct door *d, const char *path, mode_t mode)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	strcpy(d->path, path);
	/* the file gets the socket's own mode, less the umask, so nobody is early */
	if (fchmod(fd, 0600) < 0 || (unlink(path) < 0 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -errno;
	d->event = event_new(d->scrape->base, fd, EV_READ | EV_PERSIST, on_connection, d);
	if (!d->event || event_add(d->event, NULL) < 0) {
		unlink(path);
		return -ENOMEM;
	}
	d->fd = steal_fd(&fd);
	return 0;
}

int scrape_serve(struct scrape *s, const char *path, enum scrape_for whom)
{
	char of_root[sizeof(s->doors[0].path) + sizeof(SCRAPE_OF_ROOT)];
	int r;

	if (whom == s->whom)
		return 0;
	stop(s);
	if (whom == SCRAPE_OFF)
		return 0;
	r = open_door(&s->doors[DOOR], path, whom == SCRAPE_EVERYBODY ? 0666 : 0600);
	if (r == 0 && whom == SCRAPE_EVERYBODY) {
		snprintf(of_root, sizeof(of_root), "%s" SCRAPE_OF_ROOT, path);
		r = open_door(&s->doors[DOOR_OF_ROOT], of_root, 0600);
	}
	if (r < 0)
		stop(s);
	else
		s->whom = whom;
	return r;
}
