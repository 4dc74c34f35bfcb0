// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate.c - see gate.h: events, and the passages that come of them.
 *
 * A passage waits, holding the event's descriptor, until it is answered; then it is at work until its call is over. One timer looks after
 * all of them every LOOK_USEC: deadlines, callers that were killed, calls that ended without a trace. While somebody is at
 * work on a file its mark also asks for FAN_MODIFY, which tells of most ends at once.
 */
#include "arbiter/gate.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arbiter/fanotify-kernel.h"
#include "arbiter/gate-marks.h"
#include "arbiter/gate-proc.h"
#include "arbiter/gate-question.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/deadman.h"
#include "util/log.h"

#define LOOK_USEC 10000
#define OVER_LIMIT_USEC (10 * USEC_PER_SEC)
#define UNDECIDED_USEC USEC_PER_SEC
#define EVENTS_PER_WAKE 64

/* Somebody who waits, or was let through. @p.number 0: it is not known yet what he wants. */
struct passage_state {
	struct gate_passage p;
	struct mark *mark; /* NULL: its file is no longer marked */
	int event_fd;	   /* -1: answered, it is at work */
	long call;
	uint64_t until_usec;	/* the deadline, then the end of patience */
	struct gate_question q; /* while @p.number is 0 */
	LIST_ENTRY(passage_state) passages;
};

struct gate {
	struct event_base *base;
	const struct gate_ops *ops;
	void *userdata;
	struct gate_limits limits;
	int fd;
	struct event *readable;
	struct event *look;
	struct deadman *deadman;
	uint64_t last;
	uint32_t n_passages;
	bool full_reported;
	struct marks marks;
	LIST_HEAD(, passage_state) passages;
};

static void respond(const struct gate *g, int event_fd, int error)
{
	struct fanotify_response r = { .fd = event_fd,
				       .response = error ? FAN_DENY_ERRNO(error) : FAN_ALLOW };

	if (write(g->fd, &r, sizeof(r)) >= 0)
		return;
	if (errno == EINVAL && error) { /* an errno that the kernel does not hand on */
		r.response = FAN_DENY;
		if (write(g->fd, &r, sizeof(r)) >= 0)
			return;
	}
	if (errno != ENOENT) /* it was killed while it waited */
		log_error("a pre-content event cannot be answered: %m");
}

static void end(struct gate *g, struct passage_state *s)
{
	uint64_t number = s->p.number;

	if (s->event_fd >= 0) {
		respond(g, s->event_fd, 0);
		close(s->event_fd);
	} else if (s->mark) {
		marks_count_work(&g->marks, s->mark, -1);
	}
	LIST_REMOVE(s, passages);
	free(s);
	g->n_passages--;
	if (number)
		g->ops->over(g->userdata, number);
}

static void answer(struct gate *g, struct passage_state *s, int error)
{
	/* before it goes on, so that its end is not missed */
	if (s->mark)
		marks_count_work(&g->marks, s->mark, 1);
	respond(g, s->event_fd, error);
	close(s->event_fd);
	s->event_fd = -1;
	s->until_usec = now_monotonic_usec() + OVER_LIMIT_USEC;
}

static struct passage_state *find_passage(const struct gate *g, uint64_t number)
{
	struct passage_state *s;

	LIST_FOREACH(s, &g->passages, passages)
	if (s->p.number == number)
		return s;
	return NULL;
}

void gate_answer(struct gate *g, uint64_t number, int error)
{
	struct passage_state *s = find_passage(g, number);

	if (s && s->event_fd >= 0)
		answer(g, s, error);
}

/* Its thread does something else by now, or is gone. */
static bool has_ended(const struct passage_state *s)
{
	uint64_t arguments[6];
	char call[200];

	if (!proc_is_there(s->p.tid))
		return true;
	if (s->event_fd >= 0 || !proc_read_call(s->p.tid, call, sizeof(call)) ||
	    strncmp(call, "running", 7) == 0)
		return false;
	return gate_parse_call(call, arguments) != s->call;
}

/* Announce it, and note for how long it may wait. */
static void announce(struct gate *g, struct passage_state *s, const struct gate_verdict *v)
{
	uint64_t number = ++g->last, patience;

	s->p.number = number;
	s->p.offset = v->offset;
	s->p.length = v->length;
	s->p.cause = v->cause;
	s->p.pid = proc_group_of(s->p.tid);
	patience = g->ops->wanted(g->userdata, &s->p);
	s = find_passage(g, number);
	if (s && s->event_fd >= 0)
		s->until_usec = now_monotonic_usec() + patience;
}

static void drop(struct gate *g, struct passage_state *s)
{
	LIST_REMOVE(s, passages);
	g->n_passages--;
	free(s);
}

static void pass(const struct gate *g, int event_fd)
{
	respond(g, event_fd, 0);
	close(event_fd);
}

static void decide(struct gate *g, struct passage_state *s, bool last_try)
{
	struct gate_verdict v;
	int fd = s->event_fd;

	if (!question_answer(&s->q, s->p.tid, last_try, &v, &s->call))
		return;
	if (v.passes) {
		drop(g, s);
		pass(g, fd);
	} else {
		announce(g, s, &v);
	}
}

/* Takes the event's descriptor over. */
static void begin_passage(struct gate *g, struct mark *m, int event_fd, pid_t tid,
			  const struct gate_question *q)
{
	struct passage_state *s = g->n_passages < g->limits.passages ? calloc(1, sizeof(*s)) : NULL;
	const struct timeval soon = timeval_from_usec(LOOK_USEC);

	if (!s) {
		if (!g->full_reported)
			log_warning(
				"%u operations wait at guarded files, which is the limit (pre_content_waiters): "
				"others pass unasked",
				g->n_passages);
		g->full_reported = true;
		pass(g, event_fd);
		return;
	}
	g->full_reported = false;
	s->p = (struct gate_passage){ .device = m->device, .inode = m->inode, .tid = tid };
	s->q = *q;
	s->mark = m;
	s->event_fd = event_fd;
	s->until_usec = now_monotonic_usec() + UNDECIDED_USEC;
	LIST_INSERT_HEAD(&g->passages, s, passages);
	g->n_passages++;
	if (!event_pending(g->look, EV_TIMEOUT, NULL))
		event_add(g->look, &soon);
	decide(g, s, false);
}

static void look_after(struct gate *g, struct passage_state *s, uint64_t now)
{
	if (has_ended(s)) {
		end(g, s);
	} else if (!s->p.number && s->event_fd >= 0) {
		decide(g, s, now >= s->until_usec);
	} else if (now >= s->until_usec) {
		if (s->event_fd >= 0) {
			uint64_t number = s->p.number;

			answer(g, s, 0);
			g->ops->expired(g->userdata, number);
		} else {
			end(g, s);
		}
	}
}

static void on_look(evutil_socket_t fd, short what, void *userdata)
{
	const struct timeval again = timeval_from_usec(LOOK_USEC);
	struct passage_state *s, *next;
	struct gate *g = userdata;
	uint64_t now = now_monotonic_usec();

	(void)fd, (void)what;
	for (s = LIST_FIRST(&g->passages); s; s = next) {
		next = LIST_NEXT(s, passages);
		look_after(g, s, now);
	}
	if (!LIST_EMPTY(&g->passages))
		event_add(g->look, &again);
}

/* A thread is in one call at a time: whatever it was at before is over. */
static void end_earlier(struct gate *g, pid_t tid)
{
	struct passage_state *s, *next;

	for (s = LIST_FIRST(&g->passages); s; s = next) {
		next = LIST_NEXT(s, passages);
		if (s->p.tid == tid && s->event_fd < 0)
			end(g, s);
	}
}

static void on_permission(struct gate *g, const struct fanotify_event_metadata *e)
{
	struct gate_question q = { .is_open = !(e->mask & FAN_PRE_ACCESS) };
	struct mark *m = NULL;
	struct stat st;

	end_earlier(g, e->pid);
	if (!g->ops->is_ours(g->userdata, e->pid) && fstat(e->fd, &st) == 0)
		m = marks_find(&g->marks, st.st_dev, st.st_ino);
	if (!m) {
		pass(g, e->fd);
		return;
	}
	q.size = (uint64_t)st.st_size;
	q.shares_blocks = m->shares_blocks;
	question_read_range(&q, e);
	begin_passage(g, m, e->fd, e->pid, &q);
}

static void on_event(struct gate *g, const struct fanotify_event_metadata *e)
{
	if (e->fd < 0)
		return;
	if (e->mask & (FAN_PRE_ACCESS | FAN_OPEN_PERM)) {
		on_permission(g, e);
		return;
	}
	close(e->fd);
	end_earlier(g, e->pid); /* it has modified the file: done */
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	_Alignas(struct fanotify_event_metadata) char buffer[4096];
	struct gate *g = userdata;

	(void)what;
	for (int i = 0; i < EVENTS_PER_WAKE; i++) {
		ssize_t n = read(fd, buffer, sizeof(buffer));
		const struct fanotify_event_metadata *e = (const void *)buffer;

		if (n <= 0)
			return;
		for (; FAN_EVENT_OK(e, n); e = FAN_EVENT_NEXT(e, n))
			on_event(g, e);
	}
}

int gate_new(struct gate **ret, struct event_base *base, const struct gate_limits *limits,
	     const struct gate_ops *ops, void *userdata, char *why, size_t why_size)
{
	_cleanup_(gate_freep) struct gate *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	g->base = base;
	g->ops = ops;
	g->userdata = userdata;
	g->limits = *limits;
	g->fd = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_TID,
			      O_RDONLY | O_CLOEXEC | O_LARGEFILE);
	if (g->fd < 0) {
		r = -errno;
		snprintf(why, why_size, "%s",
			 r == -EPERM	? "rdmaregd has no CAP_SYS_ADMIN, which pre-content events need"
			 : r == -ENOSYS ? "this kernel has no fanotify"
					: strerror(-r));
		return r;
	}
	g->marks.fanotify = g->fd;
	g->readable = event_new(base, g->fd, EV_READ | EV_PERSIST, on_readable, g);
	g->look = evtimer_new(base, on_look, g);
	if (!g->readable || !g->look || event_add(g->readable, NULL) < 0)
		return -ENOMEM;
	*ret = steal_pointer(g);
	return 0;
}

static void unmark(struct gate *g, struct mark *m)
{
	struct passage_state *s;

	LIST_FOREACH(s, &g->passages, passages)
	{
		if (s->mark != m)
			continue;
		if (s->event_fd >= 0)
			answer(g, s, 0);
		s->mark = NULL;
	}
	marks_remove(&g->marks, m);
	if (!g->marks.n)
		g->deadman = deadman_free(g->deadman);
}

struct gate *gate_free(struct gate *g)
{
	struct passage_state *s;
	struct mark *m;

	if (!g)
		return NULL;
	while ((m = marks_first(&g->marks)))
		unmark(g, m);
	while ((s = LIST_FIRST(&g->passages))) { /* answered above; nobody is told any more */
		LIST_REMOVE(s, passages);
		free(s);
	}
	if (g->readable)
		event_free(g->readable);
	if (g->look)
		event_free(g->look);
	deadman_free(g->deadman);
	closep(&g->fd);
	free(g);
	return NULL;
}

void gate_freep(struct gate **g)
{
	gate_free(*g);
}

void gate_set_limits(struct gate *g, const struct gate_limits *limits)
{
	g->limits = *limits;
}

int gate_mark(struct gate *g, int fd, char *why, size_t why_size)
{
	int r;

	if (!g->deadman && g->limits.watchdog_usec) {
		r = deadman_new(&g->deadman, g->base, g->limits.watchdog_usec);
		if (r < 0) {
			snprintf(
				why, why_size,
				"no watchdog can be set up, and without one a stopped daemon would stop others: %s",
				strerror(-r));
			return r;
		}
	}
	r = marks_add(&g->marks, fd, g->limits.files, why, why_size);
	if (!g->marks.n)
		g->deadman = deadman_free(g->deadman);
	return r;
}

void gate_unmark(struct gate *g, uint64_t device, uint64_t inode)
{
	struct mark *m = marks_find(&g->marks, device, inode);

	if (m && !--m->count)
		unmark(g, m);
}

struct exception {
	const struct gate *g;
	pid_t pid;
};

static bool is_excepted(void *userdata, pid_t pid)
{
	const struct exception *x = userdata;

	return pid == x->pid || pid == getpid() || x->g->ops->is_ours(x->g->userdata, pid);
}

pid_t gate_find_gap(struct gate *g, int fd, pid_t except)
{
	struct exception x = { g, except };
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : proc_find_writer(st.st_dev, st.st_ino, is_excepted, &x);
}
