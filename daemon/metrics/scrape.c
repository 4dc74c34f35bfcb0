// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scrape.c - see scrape.h. A reader is read until its request is there, then written to; it ends
 * when it has all, by its own hand, or at its deadline.
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

#define OPENMETRICS "application/openmetrics-text"

struct reader {
	struct scrape *scrape;
	int fd;
	uint32_t uid;
	struct event *event;
	struct event *deadline;
	struct evbuffer *out;
	struct page page;
	bool has_page;
	size_t n;
	char request[SCRAPE_REQUEST_MAX + 1];
	LIST_ENTRY(reader) readers;
};

struct scrape {
	struct event_base *base;
	struct metrics *metrics;
	struct page_source source;
	void (*fresh)(void *userdata);
	uint64_t patience_usec;
	int fd;
	struct event *event;
	struct event *pause; /* no descriptor is left: listens again after it */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	enum scrape_for whom;
	LIST_HEAD(, reader) readers;
};

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
static void on_writable(evutil_socket_t fd, short what, void *userdata)
{
	struct reader *r = userdata;

	(void)what;
	if (!evbuffer_get_length(r->out) && r->has_page)
		r->has_page = page_write(&r->page, &r->scrape->source, r->out);
	if (evbuffer_get_length(r->out) && evbuffer_write(r->out, fd) < 0 && errno != EAGAIN) {
		end_reader(r, SCRAPE_ABANDONED);
		return;
	}
	if (!evbuffer_get_length(r->out) && !r->has_page)
		end_reader(r, r->page.metric ? SCRAPE_SERVED : SCRAPE_REFUSED);
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

static void serve(struct reader *r, bool regions)
{
	struct scrape *s = r->scrape;

	r->page =
		(struct page){ .openmetrics = accepts_openmetrics(r->request), .regions = regions };
	r->has_page = true;
	s->fresh(s->source.userdata);
	answer(r, "200 OK",
	       r->page.openmetrics ? OPENMETRICS "; version=1.0.0; charset=utf-8"
				   : "text/plain; version=0.0.4; charset=utf-8");
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
	else if (r->uid && r->uid != geteuid())
		refuse(r, "403 Forbidden", "series of single regions are for root");
	else
		serve(r, true);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	struct reader *r = userdata;
	ssize_t n = recv(fd, r->request + r->n, SCRAPE_REQUEST_MAX - r->n, MSG_DONTWAIT);

	(void)what;
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

/* NULL, or what there are too many of. */
static const char *judge(const struct scrape *s, uint32_t uid)
{
	unsigned int all = 0, same = 0;
	const struct reader *r;

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
	struct scrape *s = userdata;

	(void)fd, (void)what;
	event_add(s->event, NULL);
}

static void on_connection(evutil_socket_t listener, short what, void *userdata)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	socklen_t size = sizeof(struct ucred);
	struct scrape *s = userdata;
	struct ucred who;

	(void)what;
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		event_del(s->event);
		event_add(s->pause, &(struct timeval){ .tv_sec = 1 });
	}
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) {
		close(fd);
		return;
	}
	add_reader(s, fd, who.uid, judge(s, who.uid));
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
	s->fd = -1;
	s->pause = evtimer_new(base, on_pause, s);
	if (!s->pause) {
		free(s);
		return -ENOMEM;
	}
	LIST_INIT(&s->readers);
	*ret = s;
	return 0;
}

static void stop(struct scrape *s)
{
	if (s->event) {
		event_free(s->event);
		unlink(s->path);
	}
	s->event = NULL;
	event_del(s->pause);
	closep(&s->fd);
	s->fd = -1;
	s->whom = SCRAPE_OFF;
	while (!LIST_EMPTY(&s->readers))
		end_reader(LIST_FIRST(&s->readers), SCRAPE_ABANDONED);
}

struct scrape *scrape_free(struct scrape *s)
{
	if (!s)
		return NULL;
	stop(s);
	event_free(s->pause);
	free(s);
	return NULL;
}

static int listen_at(struct scrape *s, const char *path, mode_t mode)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	strcpy(s->path, path);
	/* the file gets the socket's own mode, less the umask, so nobody is early */
	if (fchmod(fd, 0600) < 0 || (unlink(path) < 0 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, SCRAPE_READERS) < 0)
		return -errno;
	s->event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_connection, s);
	if (!s->event || event_add(s->event, NULL) < 0) {
		unlink(path);
		return -ENOMEM;
	}
	s->fd = steal_fd(&fd);
	return 0;
}

int scrape_serve(struct scrape *s, const char *path, enum scrape_for whom)
{
	int r;

	if (whom == s->whom)
		return 0;
	stop(s);
	if (whom == SCRAPE_OFF)
		return 0;
	r = listen_at(s, path, whom == SCRAPE_EVERYBODY ? 0666 : 0600);
	if (r < 0)
		stop(s);
	else
		s->whom = whom;
	return r;
}
