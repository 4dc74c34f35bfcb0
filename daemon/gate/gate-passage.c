// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-passage.c - who waits at the gate and who was let through; see gate-internal.h.
 *
 *   UNSURE --> WAITING --> AT_WORK --> ENDED
 *
 * and to ENDED from each, when it takes no blocks after all, is refused, or is gone. A timer looks
 * at all of them every 10 ms, which is how a task that was killed is noticed: the kernel reports
 * that to nobody.
 *
 * UNSURE is a task that runs, or waits for a processor: it has raised its event and has not gone to
 * sleep for the answer yet, so the kernel does not say which call it is in. It sleeps as soon as it
 * is scheduled, so it is looked at again until it does. So is one at which a look does not come back
 * (gate-look.h). Only it waits for that, it takes nobody's
 * place, and nothing is decided about it by guessing: most of them are readers on a busy machine.
 * Who takes blocks and finds no place stays there, too, for as long as its file's claims let
 * anybody wait.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/gate-internal.h"
#include "gate/gate-task.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/deadman.h"
#include "util/log.h"

#define TICK_USEC (10 * USEC_PER_MSEC)
#define UNSURE_TICK_USEC USEC_PER_MSEC
#define UNSURE_LIMIT_USEC \
	(60 * USEC_PER_SEC) /* a task that is not scheduled for so long is taken for the worst */
#define UNSURE_MAX 16384u   /* each has two descriptors here */
#define LOOKS_PER_TICK 16u  /* into /proc; more than that are looked at in turn */
#define LOOK_PATIENCE_USEC (20 * USEC_PER_MSEC) /* all others wait as long */

/* One user's passages must leave room for others. */
#define SHARE_OF_A_USER 4u

#define SAY_AGAIN_USEC (60 * USEC_PER_SEC)

static uint64_t later(uint64_t usec)
{
	uint64_t now = now_monotonic_usec();

	return usec > UINT64_MAX - now ? UINT64_MAX : now + usec;
}

static void arm_one(struct event *e, bool needed, uint64_t usec)
{
	const struct timeval t = timeval_from_usec(usec);

	if (!needed)
		event_del(e);
	else if (!event_pending(
			 e, EV_TIMEOUT,
			 NULL)) /* adding it again would put it off, for ever if that is often */
		event_add(e, &t);
}

static void arm(struct gate *g)
{
	arm_one(g->tick, !TAILQ_EMPTY(&g->passages), TICK_USEC);
	arm_one(g->unsure_tick, !TAILQ_EMPTY(&g->unsure), UNSURE_TICK_USEC);
}

static void reply(struct passage *p, int error)
{
	if (p->event_fd >= 0)
		gate_respond(p->queue, p->event_fd, error);
	p->event_fd = -1;
}

/* One that is on no list. */
static void free_passage(struct passage *p)
{
	gate_look_free(p->look);
	free(p);
}

static void end(struct gate *g, struct passage *p)
{
	reply(p, 0);
	if (p->file && p->state == PASSAGE_AT_WORK && --p->file->at_work == 0)
		gate_report_ends(g, p->file, false);
	p->file = NULL;
	p->state = PASSAGE_ENDED;
}

static void let_through(struct gate *g, struct passage *p)
{
	gate_read_ends(g); /* what this task did before must not be taken for the end of this */
	p->state = PASSAGE_AT_WORK;
	p->until = later(GATE_OVER_LIMIT_USEC);
	if (p->file && p->file->at_work++ == 0)
		gate_report_ends(g, p->file,
				 true); /* before the answer, or its end could be missed */
	reply(p, 0);
}

static void free_ended(struct gate *g)
{
	struct passage *p = TAILQ_FIRST(&g->passages);

	while (p) {
		struct passage *next = TAILQ_NEXT(p, list);

		if (p->state == PASSAGE_ENDED) {
			TAILQ_REMOVE(&g->passages, p, list);
			g->n_passages--;
			free_passage(p);
		}
		p = next;
	}
}

enum judgement { TAKES_NOTHING, TAKES_BLOCKS, NOT_YET };

static enum judgement judge(struct gate *g, struct passage *p)
{
	struct gate_want want;
	int r = p->look ? gate_look(p->look, true, &p->call) : p->task_error;

	if (r == -EAGAIN && now_monotonic_usec() < p->until)
		return NOT_YET;
	if (r == -ESRCH)
		return TAKES_NOTHING; /* killed meanwhile */
	p->call_known = r == 0;
	if (!gate_classify(&p->event, p->call_known ? &p->call : NULL, &want))
		return TAKES_NOTHING;
	/* the process is looked up only now, since most events are reads and writes */
	gate_task_process(p->info.tid, &p->info.pid, &p->info.uid);
	if (p->info.pid == getpid() || g->ops->passes(g->userdata, p->info.pid, want.cause))
		return TAKES_NOTHING;
	p->info.cause = want.cause;
	p->info.offset = want.offset;
	p->info.length = want.length;
	return TAKES_BLOCKS;
}

static bool touches(const struct gate_claim *claim, const struct gate_passage *i)
{
	bool starts_before_its_end = claim->length > UINT64_MAX - claim->offset ||
				     i->offset < claim->offset + claim->length;
	bool ends_after_its_start =
		i->length > UINT64_MAX - i->offset || claim->offset < i->offset + i->length;

	return starts_before_its_end && ends_after_its_start;
}

/* One that refuses what @p takes, or NULL; how long it waits if there is none. */
static const struct gate_claim *survey(const struct passage *p, uint64_t *ret_wait)
{
	const struct claim *claim;

	*ret_wait = 0;
	LIST_FOREACH(claim, &p->file->claims, of_file) {
		if (claim->info.refuses && touches(&claim->info, &p->info))
			return &claim->info;
		if (claim->info.wait_usec > *ret_wait)
			*ret_wait = claim->info.wait_usec;
	}
	return NULL;
}

/* Root's share is kept for root: other users together have the rest. */
static bool has_place(const struct gate *g, uid_t uid)
{
	uint32_t share =
		g->limits.passages / SHARE_OF_A_USER ? g->limits.passages / SHARE_OF_A_USER : 1;
	uint32_t own = 0, users = 0;
	const struct passage *p;

	TAILQ_FOREACH(p, &g->passages, list) {
		own += p->state != PASSAGE_ENDED && p->info.uid == uid;
		users += p->state != PASSAGE_ENDED && p->info.uid != 0;
	}
	return own < share && own < g->limits.passages &&
	       (!uid || users + share < g->limits.passages);
}

static void say_full(struct gate *g, uid_t uid, const char *what)
{
	uint64_t now = now_monotonic_usec();

	if (now < g->quiet_until)
		return;
	g->quiet_until = now + SAY_AGAIN_USEC;
	log_warning(
		"gate: %s: an operation of user %u on a marked file fails with EBUSY (see pre_content_waiters in rdmaregd.conf(5))",
		what, (unsigned int)uid);
}

static void refuse(struct gate *g, struct passage *p, const struct gate_claim *by)
{
	uint64_t key = by->key;

	reply(p, ETXTBSY);
	g->ops->refused(g->userdata, &p->info, key);
	free_passage(p);
}

/*
 * True: it waits for one. Its user's others may be done soon: a ring may have many reads and writes
 * under way, which cannot be told apart.
 */
static bool waits_for_place(struct gate *g, struct passage *p, uint64_t wait)
{
	if (!p->place_until)
		p->place_until = g->n_unsure < UNSURE_MAX ? later(wait) : 1;
	return now_monotonic_usec() < p->place_until;
}

/* It takes blocks, and is on no list. False: there is no place for it yet. */
static bool decide(struct gate *g, struct passage *p)
{
	uint64_t wait;
	const struct gate_claim *refusing = survey(p, &wait);

	if (refusing) {
		refuse(g, p, refusing);
		return true;
	}
	if (!has_place(g, p->info.uid)) {
		if (waits_for_place(g, p, wait))
			return false;
		say_full(g, p->info.uid, "too many wait already");
		reply(p, EBUSY);
		free_passage(p);
		return true;
	}
	p->state = PASSAGE_WAITING;
	p->until = later(wait);
	p->info.number = ++g->last_number;
	TAILQ_INSERT_TAIL(&g->passages, p, list);
	g->n_passages++;
	arm(g);
	g->ops->wanted(g->userdata, &p->info);
	return true;
}

/*
 * It was seen to take blocks, and sleeps in that call until it is answered: it is looked at again
 * when there is a place, or something else to be done about it. A user can have thousands of them.
 */
static bool has_to_wait(const struct gate *g, const struct passage *p)
{
	uint64_t wait;

	return p->place_until && now_monotonic_usec() < p->place_until && !survey(p, &wait) &&
	       !has_place(g, p->info.uid);
}

/* False: nothing is known of it yet, or there is no place. */
static bool try_to_settle(struct gate *g, struct passage *p)
{
	enum judgement j;

	deadman_progress(g->deadman); /* a turn may have many of them to look at */
	if (has_to_wait(g, p))
		return false;
	j = judge(g, p);
	if (j == NOT_YET)
		return false;
	if (j == TAKES_BLOCKS)
		return decide(g, p);
	reply(p, 0);
	free_passage(p);
	return true;
}

static void open_task(struct gate *g, struct passage *p, pid_t tid)
{
	int fd = gate_task_open(tid);
	struct stat st;

	if (fd < 0) {
		p->task_error = fd == -ENOENT ? -ESRCH : fd;
		return;
	}
	/* whose it is, for a fair share; root's are those of whom it is not shown */
	p->look = gate_look_new(g->lookout, fd, tid, fstat(fd, &st) == 0 ? st.st_uid : 0);
	p->task_error = -ENOMEM;
}

void passage_event(struct gate *g, struct gate_file *f, const struct gate_event *e, pid_t tid,
		   int event_fd)
{
	struct passage *p = calloc(1, sizeof(*p));

	if (!p) {
		say_full(g, 0, "out of memory");
		gate_respond(f->queue, event_fd, EBUSY);
		return;
	}
	*p = (struct passage){
		.file = f,
		.queue = f->queue,
		.event = *e,
		.event_fd = event_fd,
		.info = { .device = f->device, .inode = f->inode, .tid = tid, .pid = tid },
		.until = g->n_unsure < UNSURE_MAX ? later(UNSURE_LIMIT_USEC) : 0
	};
	/*
	 * 0: a task of another PID name space; there is nothing to look at, so it is held up as
	 * unknown
	 */
	if (tid > 0)
		open_task(g, p, tid);
	else
		p->task_error = -ENOENT;
	if (try_to_settle(g, p))
		return;
	TAILQ_INSERT_TAIL(&g->unsure, p, list);
	g->n_unsure++;
	arm(g);
}

static void on_unsure_tick(evutil_socket_t fd, short what, void *userdata)
{
	struct gate *g = userdata;
	uint32_t n = g->n_unsure < LOOKS_PER_TICK ? g->n_unsure : LOOKS_PER_TICK;
	struct passage *p;

	(void)fd, (void)what;
	/* a callback may take others off the list */
	while (n-- && (p = TAILQ_FIRST(&g->unsure))) {
		TAILQ_REMOVE(&g->unsure, p, list);
		g->n_unsure--;
		if (try_to_settle(g, p))
			continue;
		TAILQ_INSERT_TAIL(&g->unsure, p, list);
		g->n_unsure++;
	}
	arm(g);
}

/*
 * Whether the task has left the call that it was seen in. A task that runs may be inside or not:
 * not known.
 */
static bool has_left(const struct passage *p)
{
	struct gate_call c;
	int r = p->look ? gate_look(p->look, false, &c) : p->task_error;

	if (!p->call_known)
		return r == -ESRCH;
	return r == 0 ? !gate_call_equal(&c, &p->call) : r != -EAGAIN;
}

static void look(struct gate *g, struct passage *p, bool into_proc)
{
	uint64_t number = p->info.number;

	deadman_progress(g->deadman);
	if (p->state == PASSAGE_ENDED)
		return;
	if (p->call_ended || (into_proc && has_left(p)) ||
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

static bool is_task_of(pid_t tid, pid_t pid)
{
	pid_t process;
	uid_t uid;

	gate_task_process(tid, &process, &uid);
	return process == pid;
}

/* Direct writes of a ring are waited for by one task and completed by another. */
static bool is_call_of(const struct passage *p, pid_t tid)
{
	return p->info.tid == tid || (p->info.cause == CAUSE_WRITE && is_task_of(tid, p->info.pid));
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
	struct passage *p, *next;

	for (p = TAILQ_FIRST(&g->unsure); p; p = next) {
		next = TAILQ_NEXT(p, list);
		if (p->file != f)
			continue;
		TAILQ_REMOVE(&g->unsure, p, list);
		g->n_unsure--;
		reply(p, 0);
		free_passage(p);
	}
	TAILQ_FOREACH(p, &g->passages, list) {
		if (p->file != f)
			continue;
		p->file = NULL;
		if (p->state == PASSAGE_WAITING)
			let_through(g, p);
	}
}

static struct passage *find_waiting(struct gate *g, uint64_t number)
{
	struct passage *p;

	TAILQ_FOREACH(p, &g->passages, list)
		if (p->state == PASSAGE_WAITING && p->info.number == number)
			return p;
	return NULL;
}

void gate_answer(struct gate *g, uint64_t number, int error)
{
	struct passage *p = find_waiting(g, number);

	if (!p)
		return;
	if (!error) {
		let_through(g, p);
		return;
	}
	reply(p, error);
	end(g, p);
}

void gate_wait(struct gate *g, uint64_t number, uint64_t usec)
{
	struct passage *p = find_waiting(g, number);

	if (p)
		p->until = later(usec);
}

int passages_init(struct gate *g)
{
	g->tick = event_new(g->base, -1, 0, on_tick, g);
	g->unsure_tick = event_new(g->base, -1, 0, on_unsure_tick, g);
	if (!g->tick || !g->unsure_tick)
		return -ENOMEM;
	return gate_lookout_new(&g->lookout, gate_task_call, LOOK_PATIENCE_USEC);
}

void passages_deinit(struct gate *g)
{
	struct passage *p;

	while ((p = TAILQ_FIRST(&g->unsure))) {
		TAILQ_REMOVE(&g->unsure, p, list);
		reply(p, 0);
		free_passage(p);
	}
	TAILQ_FOREACH(p, &g->passages, list)
		end(g, p);
	free_ended(g);
	g->lookout = gate_lookout_free(g->lookout);
	if (g->tick)
		event_free(g->tick);
	if (g->unsure_tick)
		event_free(g->unsure_tick);
}
