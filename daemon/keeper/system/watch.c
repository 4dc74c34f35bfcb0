// SPDX-License-Identifier: GPL-2.0-or-later
/* watch.c - see watch.h: the real device. */
#include "keeper/system/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define REPORTS_PER_WAKE 64

struct watch {
	const struct watch_ops *ops;
	void *userdata;
	int fd;
	struct event *event;
	struct rdmareg_query query;
};

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	struct watch *w = userdata;

	(void)what;
	/* what is left is still readable, so the loop comes back after everybody else had a turn */
	for (int i = 0; i < REPORTS_PER_WAKE; i++) {
		struct rdmareg_report report = { .slot = RDMAREG_SLOT_ANY };

		if (ioctl(fd, RDMAREG_COLLECT, &report) < 0)
			return;
		if (report.kind == RDMAREG_KIND_RANGE)
			w->ops->range(w->userdata, &report);
		else if (report.kind == RDMAREG_KIND_LAYOUT)
			w->ops->layout(w->userdata, &report);
	}
}

int watch_new(struct watch **ret, struct event_base *base, const struct watch_ops *ops,
	      void *userdata, struct failure *why)
{
	_cleanup_(watch_freep) struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->ops = ops;
	w->userdata = userdata;
	w->fd = open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC);
	if (w->fd < 0)
		return fail(why, errno == EACCES ? -EACCES : -ENODEV,
			    errno == EACCES ? "no permission for " RDMAREG_DEVICE " (group rdmareg)"
					    : "the kernel module rdmareg is not loaded");
	if (ioctl(w->fd, RDMAREG_QUERY, &w->query) < 0)
		return fail(why, -ENODEV, RDMAREG_DEVICE " does not answer: %m");
	if (w->query.abi != RDMAREG_ABI)
		return fail(
			why, -EPROTO,
			"the kernel module rdmareg has ABI %u, this program needs %u; install a module of the same version",
			w->query.abi, RDMAREG_ABI);
	w->event = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
	if (!w->event || event_add(w->event, NULL) < 0)
		return -ENOMEM;
	*ret = steal_pointer(w);
	return 0;
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	if (w->event)
		event_free(w->event);
	closep(&w->fd);
	free(w);
	return NULL;
}

uint32_t watch_max_deadline_msec(const struct watch *w)
{
	return w->query.max_deadline_ms;
}

int watch_range(struct watch *w, uint64_t address, uint64_t length, uint64_t region,
		uint32_t *ret_slot)
{
	struct rdmareg_watch_range request = { .address = address,
					       .length = length,
					       .cookie = region };

	if (ioctl(w->fd, RDMAREG_WATCH_RANGE, &request) < 0)
		return -errno;
	*ret_slot = request.slot;
	return 0;
}

int watch_pace(struct watch *w, uint32_t slot, uint32_t interval_msec, uint64_t grain)
{
	struct rdmareg_pace request = { .slot = slot,
					.interval_ms = interval_msec,
					.grain = grain };

	return ioctl(w->fd, RDMAREG_PACE, &request) < 0 && errno != ENOTTY ? -errno : 0;
}

int watch_layout(struct watch *w, int fd, uint32_t deadline_msec, bool ask_writes, uint64_t region,
		 uint32_t *ret_slot)
{
	struct rdmareg_watch_layout request = { .fd = fd,
						.deadline_ms = deadline_msec,
						.cookie = region,
						.flags = ask_writes ? RDMAREG_ASK_WRITES : 0 };

	if (ioctl(w->fd, RDMAREG_WATCH_LAYOUT, &request) < 0)
		return -errno;
	*ret_slot = request.slot;
	return 0;
}

int watch_layout_anew(struct watch *w, int fd, uint32_t deadline_msec, bool ask_writes,
		      uint64_t region, uint32_t *slot)
{
	struct rdmareg_report report = { .slot = *slot };
	uint32_t anew = WATCH_NO_SLOT;
	int r = watch_layout(w, fd, deadline_msec, ask_writes, region, &anew);

	if (r < 0)
		return r;
	/*
	 * broken and given back at its deadline, and nobody has heard of it yet: that it happened
	 * must not be lost
	 */
	if (ioctl(w->fd, RDMAREG_COLLECT, &report) == 0 &&
	    report.layout_state != RDMAREG_LAYOUT_ARMED) {
		watch_remove(w, anew);
		w->ops->layout(w->userdata, &report);
		return -EAGAIN;
	}
	watch_remove(w, *slot);
	*slot = anew;
	return 0;
}

int watch_release(struct watch *w, uint32_t slot, uint32_t break_id)
{
	struct rdmareg_release request = { .slot = slot, .break_id = break_id };

	return ioctl(w->fd, RDMAREG_RELEASE, &request) < 0 ? -errno : 0;
}

int watch_rearm(struct watch *w, uint32_t slot, uint32_t deadline_msec, bool ask_writes)
{
	struct rdmareg_rearm request = { .slot = slot,
					 .deadline_ms = deadline_msec,
					 .flags = ask_writes ? RDMAREG_ASK_WRITES : 0 };

	return ioctl(w->fd, RDMAREG_REARM, &request) < 0 ? -errno : 0;
}

void watch_remove(struct watch *w, uint32_t slot)
{
	struct rdmareg_unwatch request = { .slot = slot };

	if (w && slot != WATCH_NO_SLOT)
		ioctl(w->fd, RDMAREG_UNWATCH, &request);
}
