// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - rdmareg-gate, the process that rdmaregd starts when the first region wants its file
 * marked. It has the groups of fanotify(7) and answers the kernel; see gate.h for what it does and
 * gate-channel.h for what it is told.
 *
 * What always holds:
 *   - Nobody's descriptor ever comes in here: files are named by the daemon's (/proc/PID/fd/N), and
 *     kept with O_PATH. So no file, whoever serves it, can put this process to sleep, and it can
 *     always be ended. With it the groups end, and everybody who waits goes on.
 *   - It needs nobody: reads and writes are answered, what is held is refused, and deadlines are
 *     kept while the daemon is stopped, stuck or slow. A daemon that is gone ends it.
 *   - What the daemon does not read is bounded: a passage that ends before the daemon was told of
 *     it is not told at all.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gate/gate-channel.h"
#include "gate/gate.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/process.h"

/* A keeper, for as long as it lives: its number may be another's afterwards. */
struct ours {
	LIST_ENTRY(ours) list;
	pid_t pid;
	int pidfd;
};

struct process {
	struct event_base *base;
	struct gate_channel *channel;
	struct gate *gate; /* NULL: nobody has asked for it, or the kernel has none */
	struct gate_gaps *gaps;
	struct gate_limits limits;
	pid_t daemon;
	LIST_HEAD(, ours) ours;
};

static void say(struct process *s, const struct gate_message *m)
{
	if (gate_channel_send(s->channel, m))
		return;
	/* the daemon would wait for it for ever; with this process gone it begins anew */
	log_error("gate: out of memory");
	_exit(EXIT_FAILURE);
}

static struct gate_message message_of(enum gate_message_type type, const struct gate_passage *p)
{
	return (struct gate_message){
		.type = type,
		.number = p->number,
		.device = p->device,
		.inode = p->inode,
		.offset = p->offset,
		.length = p->length,
		.pid = p->pid,
		.tid = p->tid,
		.uid = p->uid,
		.cause = p->cause,
	};
}

static void on_wanted(void *userdata, const struct gate_passage *p)
{
	const struct gate_message m = message_of(GATE_WANTED, p);

	say(userdata, &m);
}

static void on_expired(void *userdata, uint64_t number)
{
	const struct gate_message m = { .type = GATE_EXPIRED, .number = number };

	say(userdata, &m);
}

static void on_over(void *userdata, uint64_t number)
{
	const struct gate_message m = { .type = GATE_OVER, .number = number };
	struct process *s = userdata;

	if (gate_channel_withdraw(s->channel, GATE_WANTED, number)) {
		gate_channel_withdraw(s->channel, GATE_EXPIRED, number);
		return;
	}
	say(s, &m);
}

static void on_refused(void *userdata, const struct gate_passage *p, uint64_t key)
{
	struct gate_message m = message_of(GATE_REFUSED, p);
	struct process *s = userdata;

	m.key = key;
	if (!gate_channel_queued(s->channel)) /* it is only for the log */
		say(s, &m);
}

static bool is_alive(const struct ours *o)
{
	struct pollfd p = { .fd = o->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static void forget(struct ours *o)
{
	LIST_REMOVE(o, list);
	closep(&o->pidfd);
	free(o);
}

static bool is_ours(void *userdata, pid_t pid)
{
	struct process *s = userdata;
	struct ours *o;

	LIST_FOREACH(o, &s->ours, list)
		if (o->pid == pid)
			break;
	if (o && !is_alive(o)) {
		forget(o);
		o = NULL;
	}
	return o || pid == s->daemon;
}

/*
 * What a keeper of ours does for a region is not seen to be a truncation or the like: the module
 * opens a file again within its request, and a prefetch touches pages within a call that is not
 * known here. What takes blocks is held up, whichever keeper says it wants that.
 */
static bool passes(void *userdata, pid_t pid, enum revocation_cause cause)
{
	const struct process *s = userdata;

	return pid == s->daemon || (cause == CAUSE_UNKNOWN && is_ours(userdata, pid));
}

static void catch_up(void *userdata)
{
	const struct process *s = userdata;

	gate_channel_read(s->channel);
}

/* @start: when it began; a process that has got its number since is not meant. */
static void add_ours(struct process *s, pid_t pid, uint64_t start)
{
	struct ours *o, *next;

	for (o = LIST_FIRST(&s->ours); o; o = next) {
		next = LIST_NEXT(o, list);
		if (!is_alive(o))
			forget(o);
	}
	if (pid <= 0 || is_ours(s, pid))
		return;
	o = calloc(1, sizeof(*o));
	if (!o)
		return; /* it is held up like anybody, and let through by the daemon */
	o->pid = pid;
	o->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	LIST_INSERT_HEAD(&s->ours, o, list);
	/* its descriptor first: then it was that process all the time, if it is now */
	if (o->pidfd < 0 || !start || process_start(pid) != start)
		forget(o);
}

/* @why: NULL: it is. */
static void marked(struct process *s, uint64_t key, const struct failure *why, pid_t gap)
{
	struct gate_message m = { .type = GATE_MARKED, .number = key, .pid = gap };

	if (why) {
		m.error = why->code;
		snprintf(m.text, sizeof(m.text), "%.*s", GATE_TEXT_MAX - 1, why->text);
	}
	say(s, &m);
}

static void on_gap(void *userdata, const struct gate_gap *gap)
{
	marked(userdata, gap->key, NULL, gap->found);
}

static const struct gate_ops ops = {
	.wanted = on_wanted,
	.expired = on_expired,
	.over = on_over,
	.refused = on_refused,
	.passes = passes,
	.catch_up = catch_up,
};

static struct gate_claim claim_of(const struct gate_message *m)
{
	return (struct gate_claim){ .key = m->number,
				    .offset = m->offset,
				    .length = m->length,
				    .wait_usec = m->usec,
				    .refuses = m->refuses };
}

static void mark(struct process *s, const struct gate_message *m)
{
	const struct gate_claim claim = claim_of(m);
	const struct gate_gap gap = {
		.key = m->number, .device = m->device, .inode = m->inode, .except = m->pid
	};
	struct failure why;
	char path[64];
	int r = 0;

	if (!s->gate)
		r = gate_new(&s->gate, s->base, &s->limits, &ops, s, &why);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", s->daemon, m->fd);
	if (r == 0)
		r = gate_mark(s->gate, path, m->device, m->inode, &claim, &why);
	/* answered with what was found */
	if (r == 0 && gate_gaps_add(s->gaps, &gap) < 0) {
		gate_unmark(s->gate, m->number);
		r = fail(&why, -ENOMEM, "out of memory");
	}
	if (r < 0)
		marked(s, m->number, &why, 0);
}

static void set_limits(struct process *s, const struct gate_message *m)
{
	s->limits = (struct gate_limits){ .files = m->files,
					  .passages = m->passages,
					  .watchdog_usec = m->usec };
	if (s->gate)
		gate_set_limits(s->gate, &s->limits);
}

static void on_message(void *userdata, const struct gate_message *m)
{
	struct process *s = userdata;
	struct gate_claim claim;

	if (!m) {
		event_base_loopbreak(s->base);
		return;
	}
	if (m->type == GATE_LIMITS)
		set_limits(s, m);
	else if (m->type == GATE_OURS)
		add_ours(s, m->pid, m->number);
	else if (m->type == GATE_MARK)
		mark(s, m);
	if (!s->gate)
		return;
	switch (m->type) {
	case GATE_CHANGE:
		claim = claim_of(m);
		gate_change(s->gate, &claim);
		break;
	case GATE_UNMARK:
		gate_unmark(s->gate, m->number);
		break;
	case GATE_ANSWER:
		gate_answer(s->gate, m->number, m->error);
		break;
	case GATE_WAIT:
		gate_wait(s->gate, m->number, m->usec);
		break;
	default:
		break;
	}
}

/*
 * Everybody who touches a marked file waits for this process, and a timer ends it, and with it
 * what is held, if it does not get to run for some seconds: a thousand threads of one user must not
 * be able to do that. It may fail: then the gate is as nice as the daemon.
 */
static void go_first(void)
{
	setpriority(PRIO_PROCESS, 0, -20);
}

/* Two for each task that waits: with none left the kernel refuses it. */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

int main(int argc, char **argv)
{
	struct process s = { .daemon = argc == 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0 };

	if (s.daemon <= 0) {
		fputs("rdmareg-gate is started by rdmaregd; see rdmaregd(8)\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	go_first();
	LIST_INIT(&s.ours);
	s.base = event_base_new();
	if (!s.base || gate_gaps_new(&s.gaps, s.base, is_ours, on_gap, &s) < 0 ||
	    gate_channel_new(&s.channel, s.base, GATE_SOCKET, on_message, &s) < 0) {
		log_error("gate: out of memory");
		return EXIT_FAILURE;
	}
	event_base_dispatch(s.base);
	gate_free(
		/* the groups first: who waits goes on, however long the files take to close */
		s.gate);
	return EXIT_SUCCESS;
}
