// SPDX-License-Identifier: GPL-2.0-or-later
/* cgroup-watch.c - see cgroup-watch.h. */
#include "util/cgroup-watch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Of one turn of the loop; what is left wakes it again. Without names each is of one size. */
#define EVENTS_MAX 64

struct cgroup_watch {
	int fd;
	struct event *event;
	cgroup_watch_changed_t *changed;
	void *userdata;
};

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	struct cgroup_watch *w = userdata;
	struct inotify_event events[EVENTS_MAX];
	ssize_t n = read(fd, events, sizeof(events));

	(void)what;
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(events[0]); i++)
		w->changed(w->userdata,
			   events[i].mask & IN_Q_OVERFLOW ? CGROUP_WATCH_ALL : events[i].wd);
}

int cgroup_watch_new(struct cgroup_watch **ret, struct event_base *base,
		     cgroup_watch_changed_t *changed, void *userdata)
{
	_cleanup_(cgroup_watch_freep) struct cgroup_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->changed = changed;
	w->userdata = userdata;
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->fd < 0)
		return -errno;
	w->event = event_new(base, w->fd, EV_READ | EV_PERSIST, on_readable, w);
	if (!w->event || event_add(w->event, NULL) < 0)
		return -ENOMEM;
	*ret = w;
	w = NULL;
	return 0;
}

int cgroup_watch_add(struct cgroup_watch *w, const char *cgroup_events)
{
	int number = inotify_add_watch(w->fd, cgroup_events, IN_MODIFY);

	return number < 0 ? -errno : number;
}

void cgroup_watch_remove(struct cgroup_watch *w, int number)
{
	/* one whose cgroup is gone is gone by itself */
	inotify_rm_watch(w->fd, number);
}

struct cgroup_watch *cgroup_watch_free(struct cgroup_watch *w)
{
	if (!w)
		return NULL;
	if (w->event)
		event_free(w->event);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
	return NULL;
}

void cgroup_watch_freep(struct cgroup_watch **w)
{
	cgroup_watch_free(*w);
}
