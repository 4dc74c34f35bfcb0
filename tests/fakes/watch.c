// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * watch.c - watch.h without a kernel module, for tests. Any regular file can be leased, unless its
 * mode says that something is in the way (obstacle()); breaks come from fakes/watch.h and are given
 * back at the deadline, as the kernel does it.
 */
#include "watch.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/clock.h"

#define MAX_DEADLINE_MSEC 60000

struct slot {
	struct slot *next;
	struct watch *watch;
	struct rdmareg_report state; /* as it would be collected */
	int fd;			     /* layout: a descriptor of its own */
	uint32_t deadline_msec;
	uint32_t part; /* of it is what breakers wait; 0: all */
	uint32_t pace_msec;
	bool ask_writes;
	int64_t wanted_size;
	struct event *deadline;
	struct event *report;
};

struct watch {
	struct event_base *base;
	const struct watch_ops *ops;
	void *userdata;
	struct slot *slots;
	uint32_t last_slot;
};

static struct slot *find(struct watch *w, uint32_t number)
{
	struct slot *s = w->slots;

	while (s && s->state.slot != number)
		s = s->next;
	return s;
}

static struct slot *find_region(struct watch *w, uint64_t region, enum rdmareg_kind kind)
{
	struct slot *s = w->slots;

	while (s && (s->state.cookie != region || s->state.kind != kind))
		s = s->next;
	return s;
}

static void report(evutil_socket_t fd, short what, void *userdata)
{
	struct slot *s = userdata;
	struct rdmareg_report taken = s->state;

	(void)fd;
	(void)what;
	s->state.causes = 0;
	s->state.clear_count = s->state.writeback_count = s->state.other_count = 0;
	if (taken.kind == RDMAREG_KIND_RANGE)
		s->watch->ops->range(s->watch->userdata, &taken);
	else
		s->watch->ops->layout(s->watch->userdata, &taken);
}

void (*watch_fake_on_given_back)(uint64_t region, bool at_deadline);

/* The blocks are the breaker's now: he does what he wanted. */
static void give_back(struct slot *s, enum rdmareg_layout_state state)
{
	if (watch_fake_on_given_back)
		watch_fake_on_given_back(s->state.cookie, state == RDMAREG_LAYOUT_EXPIRED);
	s->state.layout_state = state;
	s->state.deadline_nsec = 0;
	evtimer_del(s->deadline);
	if (s->wanted_size >= 0 && ftruncate(s->fd, (off_t)s->wanted_size) < 0)
		s->wanted_size = -1;
}

static void on_deadline(evutil_socket_t fd, short what, void *userdata)
{
	struct slot *s = userdata;

	(void)fd;
	(void)what;
	give_back(s, RDMAREG_LAYOUT_EXPIRED);
	event_active(s->report, 0, 0);
}

int watch_new(struct watch **ret, struct event_base *base, const struct watch_ops *ops,
	      void *userdata, struct failure *why)
{
	struct watch *w;

	if (getenv("RDMAREG_FAKE_NO_MODULE"))
		return fail(why, -ENODEV, "the kernel module rdmareg is not loaded");
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->base = base;
	w->ops = ops;
	w->userdata = userdata;
	*ret = w;
	return 0;
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	while (w->slots)
		watch_remove(w, w->slots->state.slot);
	free(w);
	return NULL;
}

uint32_t watch_max_deadline_msec(const struct watch *w)
{
	(void)w;
	return MAX_DEADLINE_MSEC;
}

static struct slot *add(struct watch *w, enum rdmareg_kind kind, uint64_t region)
{
	struct slot *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->watch = w;
	s->fd = -1;
	s->state.kind = kind;
	s->state.cookie = region;
	s->state.slot = w->last_slot++;
	s->report = event_new(w->base, -1, 0, report, s);
	s->deadline = evtimer_new(w->base, on_deadline, s);
	s->next = w->slots;
	w->slots = s;
	return s;
}

int watch_range(struct watch *w, uint64_t address, uint64_t length, uint64_t region,
		uint32_t *ret_slot)
{
	struct slot *s = add(w, RDMAREG_KIND_RANGE, region);

	(void)address;
	(void)length;
	if (!s)
		return -ENOMEM;
	*ret_slot = s->state.slot;
	return 0;
}

int watch_pace(struct watch *w, uint32_t slot, uint32_t interval_msec, uint64_t grain)
{
	struct slot *s = find(w, slot);

	(void)grain;
	if (!s)
		return -ENOENT;
	s->pace_msec = interval_msec;
	return 0;
}

/*
 * A file's mode says what stands in the way: the sticky bit, that somebody holds it; that its owner
 * may not read it, that a breaker's system call lasts.
 */
static int obstacle(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MODE, &st) < 0 ||
	    !S_ISREG(st.stx_mode))
		return -EINVAL;
	return st.stx_mode & S_ISVTX ? -ETXTBSY : st.stx_mode & S_IRUSR ? 0 : -EAGAIN;
}

int watch_layout(struct watch *w, int fd, uint32_t deadline_msec, bool ask_writes, uint64_t region,
		 uint32_t *ret_slot)
{
	int error = obstacle(fd);
	struct slot *s;

	if (error)
		return error;
	if (!deadline_msec || deadline_msec > MAX_DEADLINE_MSEC)
		return -EINVAL;
	s = add(w, RDMAREG_KIND_LAYOUT, region);
	if (!s)
		return -ENOMEM;
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	s->deadline_msec = deadline_msec;
	s->ask_writes = ask_writes;
	s->state.layout_state = RDMAREG_LAYOUT_ARMED;
	*ret_slot = s->state.slot;
	return 0;
}

int watch_layout_anew(struct watch *w, int fd, uint32_t deadline_msec, bool ask_writes,
		      uint64_t region, uint32_t *slot)
{
	struct slot *old = find(w, *slot);
	int r;

	if (!old || old->state.layout_state != RDMAREG_LAYOUT_ARMED)
		return -EAGAIN;
	r = watch_layout(w, fd, deadline_msec, ask_writes, region, slot);
	if (r == 0)
		watch_remove(w, old->state.slot);
	return r;
}

int watch_release(struct watch *w, uint32_t slot, uint32_t break_id)
{
	struct slot *s = find(w, slot);

	if (!s)
		return -ENOENT;
	if (break_id != s->state.break_id)
		return -ESTALE;
	if (s->state.layout_state == RDMAREG_LAYOUT_BREAKING)
		give_back(s, RDMAREG_LAYOUT_RELEASED);
	return 0;
}

int watch_rearm(struct watch *w, uint32_t slot, uint32_t deadline_msec, bool ask_writes)
{
	struct slot *s = find(w, slot);

	if (!s)
		return -ENOENT;
	if (s->state.layout_state == RDMAREG_LAYOUT_ARMED ||
	    s->state.layout_state == RDMAREG_LAYOUT_BREAKING)
		return -EBUSY;
	if (obstacle(s->fd) == -EAGAIN)
		return -EAGAIN;
	s->deadline_msec = deadline_msec;
	s->ask_writes = ask_writes;
	s->state.layout_state = RDMAREG_LAYOUT_ARMED;
	return 0;
}

void watch_remove(struct watch *w, uint32_t slot)
{
	if (!w)
		return;
	for (struct slot **at = &w->slots, *s; (s = *at); at = &s->next) {
		if (s->state.slot != slot)
			continue;
		*at = s->next;
		event_free(s->report);
		event_free(s->deadline);
		syscall(SYS_close,
			/* it stands for one that the kernel has, who waits for nobody here */
			s->fd);
		free(s);
		return;
	}
}

int watch_fake_break(struct watch *w, uint64_t region, enum rdmareg_operation operation,
		     int64_t size)
{
	struct slot *s = find_region(w, region, RDMAREG_KIND_LAYOUT);
	struct timeval tv;
	uint64_t usec;

	if (!s || s->state.layout_state != RDMAREG_LAYOUT_ARMED)
		return -ENOENT;
	if (operation == RDMAREG_OP_WRITE && !s->ask_writes)
		return -EALREADY;
	usec = s->deadline_msec * USEC_PER_MSEC / (s->part ? s->part : 1);
	tv = timeval_from_usec(usec);
	s->wanted_size = size;
	s->state.layout_state = RDMAREG_LAYOUT_BREAKING;
	s->state.operation = operation;
	s->state.breaker_pid = (uint32_t)getpid();
	s->state.break_id++;
	s->state.flags = 0;
	s->state.deadline_nsec = (now_monotonic_usec() + usec) * 1000;
	evtimer_add(s->deadline, &tv);
	event_active(s->report, 0, 0);
	return 0;
}

int watch_fake_crowd(struct watch *w, uint64_t region, uint32_t part)
{
	struct slot *s = find_region(w, region, RDMAREG_KIND_LAYOUT);

	if (!s)
		return -ENOENT;
	s->part = part;
	return 0;
}

int watch_fake_expire(struct watch *w, uint64_t region)
{
	struct slot *s = find_region(w, region, RDMAREG_KIND_LAYOUT);

	if (!s || s->state.layout_state != RDMAREG_LAYOUT_BREAKING)
		return -ENOENT;
	on_deadline(-1, 0, s);
	return 0;
}

int watch_fake_kill(struct watch *w, uint64_t region)
{
	struct slot *s = find_region(w, region, RDMAREG_KIND_LAYOUT);

	if (!s || s->state.layout_state != RDMAREG_LAYOUT_BREAKING)
		return -ENOENT;
	s->state.flags |= RDMAREG_FLAG_KILLED;
	event_active(s->report, 0, 0);
	return 0;
}

int watch_fake_invalidate(struct watch *w, uint64_t region, uint32_t causes, uint64_t start,
			  uint64_t end)
{
	struct slot *s = find_region(w, region, RDMAREG_KIND_RANGE);
	struct timeval tv;

	if (!s)
		return -ENOENT;
	if (!s->state.causes)
		s->state.covered = end - start;
	else if (start >= s->state.end || end <= s->state.start)
		s->state.covered += end - start;
	s->state.start = s->state.causes && s->state.start < start ? s->state.start : start;
	s->state.end = s->state.causes && s->state.end > end ? s->state.end : end;
	s->state.causes |= causes;
	s->state.clear_count += causes & RDMAREG_CAUSE_CLEAR ? 1 : 0;
	s->state.writeback_count += causes & RDMAREG_CAUSE_WRITEBACK ? 1 : 0;
	tv = timeval_from_usec(s->pace_msec * USEC_PER_MSEC);
	if (!s->pace_msec || !(causes & RDMAREG_CAUSE_WRITEBACK))
		event_active(s->report, 0, 0);
	else if (!evtimer_pending(s->report, NULL))
		evtimer_add(s->report, &tv);
	return 0;
}
