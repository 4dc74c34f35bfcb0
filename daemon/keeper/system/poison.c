// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * poison.c - see poison.h: a signalfd, and early kill (prctl(2), PR_MCE_KILL), by which the kernel
 * tells of a failed page at once rather than when somebody reads it.
 */
#include "keeper/system/poison.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct poison {
	int fd;
	struct event *event;
	poison_struck_fn *struck;
	void *userdata;
};

static sigset_t only_bus(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	return set;
}

void poison_survive(void)
{
	sigset_t set = only_bus();

	sigprocmask(SIG_BLOCK, &set, NULL);
	/* a kernel without memory failure handling refuses, and has nothing to tell */
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	struct poison *p = userdata;
	struct signalfd_siginfo s;

	(void)what;
	while (read(fd, &s, sizeof(s)) == (ssize_t)sizeof(s))
		if (s.ssi_code == BUS_MCEERR_AO && s.ssi_addr_lsb < 48)
			p->struck(p->userdata, s.ssi_addr, UINT64_C(1) << s.ssi_addr_lsb);
}

int poison_new(struct poison **ret, struct event_base *base, poison_struck_fn *struck,
	       void *userdata)
{
	_cleanup_(poison_freep) struct poison *p = calloc(1, sizeof(*p));
	sigset_t set = only_bus();

	if (!p)
		return -ENOMEM;
	p->struck = struck;
	p->userdata = userdata;
	p->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (p->fd < 0)
		return -errno;
	p->event = event_new(base, p->fd, EV_READ | EV_PERSIST, on_readable, p);
	if (!p->event || event_add(p->event, NULL) < 0)
		return -ENOMEM;
	*ret = steal_pointer(p);
	return 0;
}

struct poison *poison_free(struct poison *p)
{
	if (!p)
		return NULL;
	if (p->event)
		event_free(p->event);
	closep(&p->fd);
	free(p);
	return NULL;
}
