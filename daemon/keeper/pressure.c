// SPDX-License-Identifier: GPL-2.0-or-later
/* pressure.c - see pressure.h. */
#include "keeper/pressure.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/cgroup.h"
#include "keeper/keeper.h"
#include "keeper/keeper-region.h"
#include "keeper/mapping.h"
#include "util/clock.h"
#include "util/log.h"

#define WINDOW_USEC (2 * USEC_PER_SEC) /* what processes without privileges may ask for, since Linux 6.5 */
#define OVER_USEC (3 * USEC_PER_SEC)
#define SPARE_BYTES (UINT64_C(16) << 20) /* of its cgroup: for the keeper itself */

struct pressure {
	struct keeper *keeper;
	int fd;	      /* of the trigger */
	int epoll_fd; /* libevent knows no EPOLLPRI: it watches this one, which watches the trigger */
	struct event *event;
	struct event *over_event;
	bool high;
};

static void set(struct pressure *p, bool high)
{
	struct kregion *next;

	if (high != p->high)
		log_notice(high ? "memory is short: nothing is brought back but what is asked for"
				: "memory is not short any more");
	p->high = high;
	for (struct kregion *r = keeper_next(p->keeper, NULL); r; r = next) {
		next = keeper_next(p->keeper, r);
		r->warm.short_of_memory = high;
		if (!high)
			kregion_warm(r);
	}
}

static void on_pressure(evutil_socket_t fd, short what, void *userdata)
{
	const struct timeval over = timeval_from_usec(OVER_USEC);
	struct pressure *p = userdata;
	struct epoll_event e = { 0 };

	(void)what;
	if (epoll_wait(fd, &e, 1, 0) < 1)
		return;
	if (!(e.events & EPOLLPRI)) { /* the cgroup is gone */
		event_del(p->event);
		return;
	}
	evtimer_add(p->over_event, &over);
	set(p, true);
}

static void on_over(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	set(userdata, false);
}

static int open_trigger(const char *path, uint32_t stall_msec)
{
	char text[64];
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "some %" PRIu64 " %" PRIu64, (uint64_t)(stall_msec * USEC_PER_MSEC),
		 (uint64_t)WINDOW_USEC);
	if (write(fd, text, strlen(text) + 1) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

static int open_any(uint32_t stall_msec)
{
	char path[CGROUP_PATH_MAX], file[CGROUP_PATH_MAX + 32];
	int fd;

	if (cgroup_own_path(path) == 0) {
		snprintf(file, sizeof(file), "%s/memory.pressure", path);
		fd = open_trigger(file, stall_msec);
		if (fd >= 0)
			return fd;
	}
	return open_trigger("/proc/pressure/memory", stall_msec);
}

void pressure_new(struct pressure **ret, struct keeper *k)
{
	struct epoll_event e = { .events = EPOLLPRI };
	struct pressure *p;

	if (!k->options->memory_stall_msec)
		return;
	p = calloc(1, sizeof(*p));
	if (!p)
		return;
	p->keeper = k;
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->fd = open_any(k->options->memory_stall_msec);
	if (p->fd < 0) {
		log_info("memory pressure is not watched: %s", strerror(-p->fd));
		pressure_free(p);
		return;
	}
	p->over_event = evtimer_new(k->base, on_over, p);
	p->event = p->epoll_fd < 0 ? NULL
				   : event_new(k->base, p->epoll_fd, EV_READ | EV_PERSIST, on_pressure, p);
	if (!p->event || !p->over_event || epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->fd, &e) < 0 ||
	    event_add(p->event, NULL) < 0) {
		log_warning("memory pressure is not watched: %m");
		pressure_free(p);
		return;
	}
	*ret = p;
}

struct pressure *pressure_free(struct pressure *p)
{
	if (!p)
		return NULL;
	if (p->event)
		event_free(p->event);
	if (p->over_event)
		event_free(p->over_event);
	if (p->epoll_fd >= 0)
		close(p->epoll_fd);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
	return NULL;
}

bool pressure_is_high(const struct keeper *k)
{
	return k->pressure && k->pressure->high;
}

static bool is_memory(const struct mapping *m)
{
	return !strcmp(m->filesystem, "tmpfs");
}

int pressure_check_room(const struct keeper *k, const struct mapping *m, uint64_t bytes)
{
	char path[CGROUP_PATH_MAX];

	(void)k;
	if (m->device_bytes || is_memory(m)) /* neither charged, or judged when it was registered */
		return 0;
	return cgroup_own_headroom(path) < bytes + SPARE_BYTES ? -ENOMEM : 0;
}

/* What of a file in memory peers could still make the keeper allocate. */
static uint64_t unallocated(const struct mapping *m)
{
	uint64_t has;
	struct stat st;

	if (!m || !is_memory(m) || fstat(m->fd, &st) < 0)
		return 0;
	has = (uint64_t)st.st_blocks * 512;
	return has < m->length ? m->length - has : 0;
}

int kregion_check_memory(struct keeper *k, const struct mapping *m, struct reason *why)
{
	uint64_t needed = unallocated(m), left;
	char path[CGROUP_PATH_MAX];

	if (!needed)
		return 0;
	left = cgroup_own_headroom(path);
	if (left == UINT64_MAX)
		return 0;
	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r))
		needed += unallocated(r->mapping);
	if (needed + SPARE_BYTES <= left)
		return 0;
	return reason_set(why, -EDQUOT,
			  "Peers could fill %" PRIu64
			  " MiB of memory files and have the keeper killed: cgroup "
			  "%.60s has %" PRIu64 " MiB left; raise its memory.max (MemoryMax=)",
			  needed >> 20, strlen(path) > 60 ? path + strlen(path) - 60 : path, left >> 20);
}
