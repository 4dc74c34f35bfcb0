// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-passage.c - who waits at the gate and who was let through; see gate-internal.h.
 *
 *   UNSURE --> WAITING --> AT_WORK --> ENDED
 *
 * and to ENDED from each, when it takes no blocks after all, is refused, or is gone. A timer looks at all of them every 10 ms, which is how a
 * task that was killed is noticed: the kernel reports that to nobody.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/gate-internal.h"
#include "arbiter/gate-task.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define TICK_USEC (10 * USEC_PER_MSEC)
#define UNSURE_TICK_USEC USEC_PER_MSEC
#define UNSURE_LIMIT_USEC \
	USEC_PER_SEC	   /* a task that has to sleep for our answer and does not get to it for that long */
#define LOOKS_PER_TICK 64u /* into /proc; more passages than that are looked at in turn */

/* One file's passages must leave room for others. */
#define SHARE_OF_A_FILE 4u

#define SAY_AGAIN_USEC (60 * USEC_PER_SEC)

static uint64_t later(uint64_t usec)
{
	uint64_t now = now_monotonic_usec();

	return usec > UINT64_MAX - now ? UINT64_MAX : now + usec;
}

static void arm(struct gate *g)
{
	const struct passage *p;
	struct timeval t;
	uint64_t usec = TICK_USEC;

	TAILQ_FOREACH(p, &g->passages, list)
	if (p->state == PASSAGE_UNSURE)
		usec = UNSURE_TICK_USEC;
	t = timeval_from_usec(usec);
	if (TAILQ_EMPTY(&g->passages))
		event_del(g->tick);
	else
		event_add(g->tick, &t);
}

static void end(struct gate *g, struct passage *p)
{
	if (p->event_fd >= 0)
		gate_respond(g, p->event_fd, 0);
	p->event_fd = -1;
	if (p->file) {
		p->file->passages--;
		if (p->state == PASSAGE_AT_WORK && --p->file->at_work == 0)
			gate_report_ends(g, p->file, false);
	}
	p->file = NULL;
	p->state = PASSAGE_ENDED;
}

static void let_through(struct gate *g, struct passage *p)
{
	gate_read_ends(g); /* what this task did before must not be taken for the end of this */
	p->state = PASSAGE_AT_WORK;
	p->until = later(GATE_OVER_LIMIT_USEC);
	if (p->file && p->file->at_work++ == 0)
		gate_report_ends(g, p->file, true); /* before the answer, or its end could be missed */
	gate_respond(g, p->event_fd, 0);
	p->event_fd = -1;
}

static void free_ended(struct gate *g)
{
	struct passage *p = TAILQ_FIRST(&g->passages);

	while (p) {
		struct passage *next = TAILQ_NEXT(p, list);

		if (p->state == PASSAGE_ENDED) {
			TAILQ_REMOVE(&g->passages, p, list);
			g->n_passages--;
			closep(&p->task_fd);
			free(p);
		}
		p = next;
	}
}

static void say_full(struct gate *g, const char *what)
{
	uint64_t now = now_monotonic_usec();

	if (now < g->quiet_until)
		return;
	g->quiet_until = now + SAY_AGAIN_USEC;
	log_warning("gate: %s: who wants blocks of that file is let through without asking", what);
}

enum judgement { TAKES_NOTHING, TAKES_BLOCKS, NOT_YET };

static enum judgement judge(struct gate *g, struct passage *p)
{
	struct gate_want want;
	int r = p->task_fd < 0 ? p->task_fd : gate_task_call(p->task_fd, &p->call);

	if (r == -EAGAIN && now_monotonic_usec() < p->until)
		return NOT_YET;
	if (r == -ESRCH)
		return TAKES_NOTHING; /* killed meanwhile */
	p->call_known = r == 0;
	if (!gate_classify(&p->event, p->call_known ? &p->call : NULL, &want))
		return TAKES_NOTHING;
	/* the thread group is looked up only now, since most events are reads and writes */
	p->info.pid = gate_task_group(p->info.tid);
	if (p->info.pid == getpid() || g->ops->is_ours(g->userdata, p->info.pid))
		return TAKES_NOTHING;
	p->info.cause = want.cause;
	p->info.offset = want.offset;
	p->info.length = want.length;
	return TAKES_BLOCKS;
}

static void announce(struct gate *g, struct passage *p)
{
	uint64_t usec;

	p->state = PASSAGE_WAITING;
	p->until = UINT64_MAX;
	p->info.number = ++g->last_number;
	usec = g->ops->wanted(g->userdata, &p->info);
	if (p->state == PASSAGE_WAITING)
		p->until = later(usec);
}

static bool is_full(const struct gate *g, const struct gate_file *f)
{
	uint32_t share = g->limits.passages / SHARE_OF_A_FILE;

	return g->n_passages >= g->limits.passages || f->passages >= (share ? share : 1);
}

void passage_event(struct gate *g, struct gate_file *f, const struct gate_event *e, pid_t tid, int event_fd)
{
	struct passage now = { .file = f,
			       .event = *e,
			       .event_fd = event_fd,
			       .info = { .device = f->device, .inode = f->inode, .tid = tid, .pid = tid },
			       .until = later(UNSURE_LIMIT_USEC) };
	struct passage *p = NULL;
	enum judgement j;

	/* 0: a task of another PID name space; there is nothing to look at, so it is held up as unknown */
	now.task_fd = tid > 0 ? gate_task_open(tid) : -ENOENT;
	if (now.task_fd == -ENOENT && tid > 0)
		now.task_fd = -ESRCH;
	j = judge(g, &now);
	if (j != TAKES_NOTHING) {
		if (is_full(g, f))
			say_full(g, "too many wait already");
		else if (!(p = malloc(sizeof(*p))))
			say_full(g, "out of memory");
	}
	if (!p) {
		gate_respond(g, event_fd, 0);
		closep(&now.task_fd);
		return;
	}
	*p = now;
	p->state = PASSAGE_UNSURE;
	TAILQ_INSERT_TAIL(&g->passages, p, list);
	g->n_passages++;
	f->passages++;
	if (j == TAKES_BLOCKS)
		announce(g, p);
	arm(g);
}

/* Whether the task has left the call that it was seen in. A task that runs may be inside or not: not known. */
static bool has_left(const struct passage *p)
{
	struct gate_call c;
	int r = p->task_fd < 0 ? p->task_fd : gate_task_call(p->task_fd, &c);

	if (!p->call_known)
		return r == -ESRCH;
	return r == 0 ? !gate_call_equal(&c, &p->call) : r != -EAGAIN;
}

static void look(struct gate *g, struct passage *p, bool into_proc)
{
	uint64_t number = p->info.number;
	enum judgement j;

	if (p->state == PASSAGE_UNSURE) {
		j = judge(g, p);
		if (j == TAKES_NOTHING)
			end(g, p);
		else if (j == TAKES_BLOCKS)
			announce(g, p);
	} else if (p->state == PASSAGE_ENDED) {
		return;
	} else if (p->call_ended || (into_proc && has_left(p)) ||
		   (p->state == PASSAGE_AT_WORK && now_monotonic_usec() >= p->until)) {
		end(g, p);
		g->ops->over(g->userdata, number);
	} else if (p->state == PASSAGE_WAITING && now_monotonic_usec() >= p->until) {
		let_through(g, p);
		g->ops->expired(g->userdata, number);
	}
}

static void on_tick(evutil_socket_t fd, short what, void *userdata)
{
	struct gate *g = userdata;
	uint32_t turns = 1 + g->n_passages / LOOKS_PER_TICK, i = g->ticks++;
	struct passage *p;

	(void)fd, (void)what;
	TAILQ_FOREACH(p, &g->passages, list)
	look(g, p, i++ % turns == 0);
	free_ended(g);
	arm(g);
}

/* Direct writes of a ring are waited for by one task and completed by another. */
static bool is_call_of(const struct passage *p, pid_t tid)
{
	return p->info.tid == tid || (p->info.cause == CAUSE_WRITE && gate_task_group(tid) == p->info.pid);
}

void passage_call_ended(struct gate *g, pid_t tid)
{
	struct passage *p;

	TAILQ_FOREACH(p, &g->passages, list)
	if (p->state == PASSAGE_AT_WORK && is_call_of(p, tid))
		p->call_ended = true;
}

void passages_of_file_pass(struct gate *g, const struct gate_file *f)
{
	struct passage *p;

	TAILQ_FOREACH(p, &g->passages, list)
	{
		if (p->file != f)
			continue;
		p->file = NULL;
		if (p->state == PASSAGE_UNSURE)
			end(g, p);
		else if (p->state == PASSAGE_WAITING)
			let_through(g, p);
	}
}

void gate_answer(struct gate *g, uint64_t number, int error)
{
	struct passage *p;

	TAILQ_FOREACH(p, &g->passages, list)
	if (p->state == PASSAGE_WAITING && p->info.number == number)
		break;
	if (!p)
		return;
	if (!error) {
		let_through(g, p);
		return;
	}
	gate_respond(g, p->event_fd, error);
	p->event_fd = -1;
	end(g, p);
}

int passages_init(struct gate *g)
{
	TAILQ_INIT(&g->passages);
	g->tick = event_new(g->base, -1, 0, on_tick, g);
	return g->tick ? 0 : -ENOMEM;
}

void passages_deinit(struct gate *g)
{
	struct passage *p;

	TAILQ_FOREACH(p, &g->passages, list)
	end(g, p);
	free_ended(g);
	if (g->tick)
		event_free(g->tick);
}
