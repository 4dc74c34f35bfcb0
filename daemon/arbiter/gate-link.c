// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-link.c - see gate-link.h. What always holds: a mark on its way is on the list, with its
 * descriptor, until it is answered.
 */
#include "arbiter/gate-link.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/spawner.h"
#include "gate/gate-channel.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/offload.h"

#define PAUSE_USEC (100 * USEC_PER_MSEC)   /* before it is started again; doubled each time, */
#define PAUSE_MAX_USEC (30 * USEC_PER_SEC) /* up to this, */
#define LONG_LIFE_USEC (60 * USEC_PER_SEC) /* unless it lived for so long */

struct mark {
	LIST_ENTRY(mark) list;
	uint64_t key;
	uint64_t until; /* CLOCK_MONOTONIC */
	int fd;
	uint32_t uid;
};

/* One that was started; it outlives its channel, until it is reaped. */
struct child {
	LIST_ENTRY(child) list;
	struct gate_link *link;
	struct spawned *process;
	struct event *ended;
	pid_t pid; /* 0: not there yet */
	int pidfd;
	uint64_t watchdog_usec;
};

struct gate_link {
	struct event_base *base;
	struct offload *offload;
	const char *program;
	struct gate_link_limits limits;
	const struct gate_link_ops *ops;
	void *userdata;
	struct spawner *spawner;
	struct gate_channel *channel; /* NULL: no process */
	struct child *current;	      /* at the other end of it */
	uint64_t started;
	uint64_t pause_usec;
	struct event *again;
	struct event *impatient; /* pending while there are marks */
	LIST_HEAD(, mark) marks;
	LIST_HEAD(, child) children;
};

static void free_mark(struct gate_link *l, struct mark *m)
{
	LIST_REMOVE(m, list);
	offload_close(l->offload, m->fd, m->uid);
	free(m);
}

static void free_child(struct child *c)
{
	LIST_REMOVE(c, list);
	if (c->link->current == c)
		c->link->current = NULL;
	spawned_free(c->process);
	if (c->ended)
		event_free(c->ended);
	closep(&c->pidfd);
	free(c);
}

#define GATE_ENDED LOG_FIELDS(.message = LOG_MESSAGE_GATE_ENDED, .pid = (uint32_t)c->pid)

static void on_child_ended(evutil_socket_t fd, short what, void *userdata)
{
	struct child *c = userdata;
	siginfo_t i = { 0 };

	(void)fd, (void)what;
	if (waitid(P_PIDFD, (id_t)c->pidfd, &i, WEXITED | WNOHANG) < 0 || !i.si_pid)
		return;
	if (i.si_code == CLD_EXITED)
		log_about(LOG_WARNING, GATE_ENDED,
			  "rdmareg-gate (process %d) exited with status %d", (int)c->pid,
			  i.si_status);
	else if (i.si_status == SIGKILL && c->watchdog_usec)
		log_about(
			LOG_WARNING, GATE_ENDED,
			"rdmareg-gate (process %d) was killed: by somebody, or by its own timer because it did not run for %llu ms (watchdog_msec)",
			(int)c->pid, (unsigned long long)(c->watchdog_usec / USEC_PER_MSEC));
	else
		log_about(LOG_WARNING, GATE_ENDED,
			  "rdmareg-gate (process %d) was ended by signal %d", (int)c->pid,
			  i.si_status);
	c->link->ops->ended(c->link->userdata,
			    i.si_code != CLD_EXITED && i.si_status == SIGKILL && c->watchdog_usec);
	free_child(c);
}

static void on_child_started(void *userdata, pid_t pid, int pidfd)
{
	struct child *c = userdata;

	c->pid = pid;
	c->pidfd = pidfd;
	if (pidfd >= 0)
		c->ended = event_new(c->link->base, pidfd, EV_READ | EV_PERSIST, on_child_ended, c);
	if (!c->ended || event_add(c->ended, NULL) < 0)
		log_error("rdmareg-gate (process %d) will not be waited for: out of memory",
			  (int)pid);
}

static void refuse_marks(struct gate_link *l, const struct failure *why)
{
	struct mark *m;

	while ((m = LIST_FIRST(&l->marks))) {
		uint64_t key = m->key;

		free_mark(l, m);
		l->ops->marked(l->userdata, key, why, 0);
	}
}

/* How long the first of them has still got. */
static void arm(struct gate_link *l)
{
	uint64_t now = now_monotonic_usec(), first = UINT64_MAX;
	struct timeval t;
	struct mark *m;

	LIST_FOREACH(m, &l->marks, list)
		if (m->until < first)
			first = m->until;
	t = timeval_from_usec(first > now ? first - now : 0);
	if (LIST_EMPTY(&l->marks))
		event_del(l->impatient);
	else
		event_add(l->impatient, &t);
}

static struct mark *find_overdue(struct gate_link *l)
{
	uint64_t now = now_monotonic_usec();
	struct mark *m;

	LIST_FOREACH(m, &l->marks, list)
		if (now >= m->until)
			return m;
	return NULL;
}

/* What the gate still makes of such a mark is undone, which it is told after it. */
static void on_impatient(evutil_socket_t fd, short what, void *userdata)
{
	struct gate_link *l = userdata;
	struct failure why;
	struct mark *m;

	(void)fd, (void)what;
	fail(&why, -ETIMEDOUT,
	     "rdmareg-gate, which asks the kernel for these events, does not answer");
	while ((m = find_overdue(l))) {
		uint64_t key = m->key;

		free_mark(l, m);
		gate_link_unmark(l, key);
		l->ops->marked(l->userdata, key, &why, 0);
	}
	arm(l);
}

static void on_again(evutil_socket_t fd, short what, void *userdata)
{
	struct gate_link *l = userdata;

	(void)fd, (void)what;
	l->ops->again(l->userdata);
}

static void on_lost(struct gate_link *l, const struct failure *why)
{
	struct timeval pause;

	if (now_monotonic_usec() - l->started >= LONG_LIFE_USEC)
		l->pause_usec = PAUSE_USEC;
	pause = timeval_from_usec(l->pause_usec);
	l->pause_usec = l->pause_usec * 2 > PAUSE_MAX_USEC ? PAUSE_MAX_USEC : l->pause_usec * 2;
	l->channel = gate_channel_free(l->channel);
	l->current = NULL;
	refuse_marks(l, why);
	l->ops->lost(l->userdata, why);
	event_add(l->again, &pause);
}

/* If it was there before, its end is told as well. */
static void on_child_failed(void *userdata, const struct failure *why)
{
	struct child *c = userdata;
	struct gate_link *l = c->link;
	bool current = l->current == c;

	log_error("%s", why->text);
	if (!c->pid)
		free_child(c);
	if (current)
		on_lost(l, why);
}

static void on_marked(struct gate_link *l, const struct gate_message *m)
{
	struct failure why;
	struct mark *mark;

	LIST_FOREACH(mark, &l->marks, list)
		if (mark->key == m->number)
			break;
	if (!mark)
		return;
	free_mark(l, mark);
	if (m->error)
		fail(&why, m->error, "%s", m->text);
	l->ops->marked(l->userdata, m->number, m->error ? &why : NULL, m->pid);
}

static void on_message(void *userdata, const struct gate_message *m)
{
	struct gate_link *l = userdata;
	struct failure why;

	if (!m) {
		if (l->current && !spawned_look(l->current->process)) /* that told why */
			return;
		fail(&why, -EPIPE,
		     "rdmareg-gate, which asks the kernel for these events, has ended, and is started "
		     "again");
		on_lost(l, &why);
		return;
	}
	switch (m->type) {
	case GATE_MARKED:
		on_marked(l, m);
		break;
	case GATE_WANTED:
		l->ops->wanted(l->userdata, m);
		break;
	case GATE_EXPIRED:
		l->ops->expired(l->userdata, m->number);
		break;
	case GATE_OVER:
		l->ops->over(l->userdata, m->number);
		break;
	case GATE_REFUSED:
		l->ops->refused(l->userdata, m);
		break;
	default:
		break;
	}
}

static const struct spawned_ops child_ops = { .started = on_child_started,
					      .failed = on_child_failed };

static int spawn(struct gate_link *l, int socket)
{
	static const char *const environment[] = { NULL };
	char daemon[16];
	const char *const argv[] = { l->program, daemon, NULL };
	const struct spawner_order order = { .argv = argv,
					     .environment = environment,
					     .socket = socket,
					     .number = GATE_SOCKET,
					     .is_child = true };
	struct child *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	snprintf(daemon, sizeof(daemon), "%d", (int)getpid());
	c->link = l;
	c->pidfd = -1;
	c->watchdog_usec = l->limits.watchdog_usec;
	r = spawner_start(&c->process, l->spawner, l->base, &order, &child_ops, c);
	if (r < 0) {
		free(c);
		return r;
	}
	LIST_INSERT_HEAD(&l->children, c, list);
	l->current = c;
	return 0;
}

static void send_limits(struct gate_link *l)
{
	const struct gate_message m = { .type = GATE_LIMITS,
					.files = l->limits.files,
					.passages = l->limits.passages,
					.usec = l->limits.watchdog_usec };

	if (l->channel)
		gate_channel_send(l->channel, &m);
}

static int start(struct gate_link *l)
{
	_cleanup_(closep) int theirs = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	theirs = pair[1];
	r = gate_channel_new(&l->channel, l->base, pair[0], on_message, l);
	if (r == 0)
		r = spawn(l, theirs);
	if (r < 0) {
		l->channel = gate_channel_free(l->channel);
		return r;
	}
	l->started = now_monotonic_usec();
	send_limits(l);
	l->ops->begins(l->userdata);
	return 0;
}

int gate_link_new(struct gate_link **ret, struct event_base *base, struct offload *offload,
		  struct spawner *spawner, const char *program,
		  const struct gate_link_limits *limits, const struct gate_link_ops *ops,
		  void *userdata)
{
	struct gate_link *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->base = base;
	l->offload = offload;
	l->spawner = spawner;
	l->program = program;
	l->limits = *limits;
	l->ops = ops;
	l->userdata = userdata;
	l->pause_usec = PAUSE_USEC;
	LIST_INIT(&l->marks);
	LIST_INIT(&l->children);
	l->again = event_new(base, -1, 0, on_again, l);
	l->impatient = event_new(base, -1, 0, on_impatient, l);
	if (!l->again || !l->impatient) {
		if (l->again)
			event_free(l->again);
		free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

struct gate_link *gate_link_free(struct gate_link *l)
{
	if (!l)
		return NULL;
	gate_channel_free(l->channel); /* which ends the process */
	while (!LIST_EMPTY(&l->marks))
		free_mark(l, LIST_FIRST(&l->marks));
	while (!LIST_EMPTY(&l->children))
		free_child(LIST_FIRST(&l->children));
	event_free(l->again);
	event_free(l->impatient);
	free(l);
	return NULL;
}

void gate_link_set_limits(struct gate_link *l, const struct gate_link_limits *limits)
{
	l->limits = *limits;
	if (l->current)
		l->current->watchdog_usec = limits->watchdog_usec;
	send_limits(l);
}

static struct gate_message message_of(enum gate_message_type type, const struct gate_link_claim *g)
{
	return (struct gate_message){ .type = type,
				      .number = g->key,
				      .offset = g->offset,
				      .length = g->length,
				      .usec = g->wait_usec,
				      .refuses = g->refuses };
}

int gate_link_mark(struct gate_link *l, const struct gate_link_claim *claim, int fd, uint32_t uid,
		   uint64_t device, uint64_t inode, pid_t may_write, struct failure *why)
{
	struct gate_message m = message_of(GATE_MARK, claim);
	struct mark *mark = calloc(1, sizeof(*mark));
	int r = !mark ? -ENOMEM : l->channel ? 0 : start(l);

	if (r < 0) {
		fail(why, r, "%s cannot be started: %s", l->program, strerror(-r));
		offload_close(l->offload, fd, uid);
		free(mark);
		return r;
	}
	mark->key = claim->key;
	mark->fd = fd;
	mark->uid = uid;
	mark->until = now_monotonic_usec() + GATE_LINK_PATIENCE_USEC;
	LIST_INSERT_HEAD(&l->marks, mark, list);
	arm(l);
	m.fd = fd;
	m.device = device;
	m.inode = inode;
	m.pid = may_write;
	if (gate_channel_send(l->channel, &m))
		return 0;
	free_mark(l, mark);
	return fail(why, -ENOMEM, "out of memory");
}

static void tell(struct gate_link *l, const struct gate_message *m)
{
	if (l->channel && !gate_channel_send(l->channel, m))
		log_error("rdmareg-gate cannot be told: out of memory");
}

void gate_link_ours(struct gate_link *l, pid_t pid, uint64_t start)
{
	const struct gate_message m = { .type = GATE_OURS, .pid = pid, .number = start };

	tell(l, &m);
}

void gate_link_change(struct gate_link *l, const struct gate_link_claim *claim)
{
	const struct gate_message m = message_of(GATE_CHANGE, claim);

	tell(l, &m);
}

void gate_link_unmark(struct gate_link *l, uint64_t key)
{
	const struct gate_message m = { .type = GATE_UNMARK, .number = key };

	tell(l, &m);
}

void gate_link_answer(struct gate_link *l, uint64_t number, int error)
{
	const struct gate_message m = { .type = GATE_ANSWER, .number = number, .error = error };

	tell(l, &m);
}

void gate_link_wait(struct gate_link *l, uint64_t number, uint64_t usec)
{
	const struct gate_message m = { .type = GATE_WAIT, .number = number, .usec = usec };

	tell(l, &m);
}
