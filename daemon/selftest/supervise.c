// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * supervise.c - see supervise.h. The child sends one record for each thing it found out; a record
 * is smaller than what a pipe takes in one piece. The device is opened in the child: demand-paged
 * memory belongs to the process that registered it.
 */
#include "selftest/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "selftest/fsdax.h"
#include "util/cleanup.h"
#include "util/clock.h"

enum record_type { RECORD_OPENED, RECORD_FOUND };

struct record {
	enum record_type type;
	struct failure failure; /* OPENED; code 0: it is open */
	uint8_t port;
	uint32_t mtu;
	struct finding finding; /* FOUND */
};

static struct ibv_context *open_device(const char *name, struct record *ret)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;
	int error;

	fail(&ret->failure, -ENODEV, "there is no RDMA device %.60s that programs can use", name);
	for (size_t i = 0; list && list[i]; i++) {
		if (strcmp(ibv_get_device_name(list[i]), name) != 0)
			continue;
		errno = 0;
		context = ibv_open_device(list[i]);
		error = errno > 0 ? -errno : -EIO;
		if (context)
			ret->failure = (struct failure){ 0 };
		else
			fail(&ret->failure, error,
			     "opening /dev/infiniband/%s, reading and writing: %s",
			     list[i]->dev_name, strerror(-error));
	}
	if (list)
		ibv_free_device_list(list);
	return context;
}

static bool tell(int fd, const struct record *r)
{
	return write(fd, r, sizeof(*r)) == sizeof(*r);
}

static void test(int fd, const char *device, const char *directory)
{
	struct record opened = { .type = RECORD_OPENED }, found = { .type = RECORD_FOUND };
	struct selftest s = { .directory = directory };
	int error;

	s.context = open_device(device, &opened);
	if (s.context) {
		error = selftest_find_port(s.context, &s.port, &opened.mtu);
		opened.port = s.port;
		if (error == -EOPNOTSUPP)
			fail(&opened.failure, error,
			     "the device has no on-demand paging (soft-RoCE: needs Linux 6.15)");
		else if (error == -ENETDOWN)
			fail(&opened.failure, error, "no port of the device is up");
		else if (error < 0)
			fail(&opened.failure, error, "the device cannot be queried: %s",
			     strerror(-error));
	}
	if (!tell(fd, &opened) || opened.failure.code)
		return;
	for (enum check c = 0; c < _CHECK_MAX; c++) {
		selftest_run(&s, c, &found.finding);
		if (!tell(fd, &found))
			return;
	}
	fsdax_try(directory, &found.finding);
	tell(fd, &found);
}

/* 1: one is there; 0: the child ended; -ETIMEDOUT. */
static int take(int fd, uint64_t wait_usec, struct record *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end = now_monotonic_usec() + wait_usec, now;

	while ((now = now_monotonic_usec()) < end) {
		int r = poll(&p, 1, (int)((end - now) / USEC_PER_MSEC) + 1);

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0)
			return read(fd, ret, sizeof(*ret)) == sizeof(*ret);
	}
	return -ETIMEDOUT;
}

static void collect(int fd, uint64_t check_usec, struct report *r)
{
	struct record record;
	int got = take(fd, check_usec, &record);

	if (got == 1 && record.failure.code) {
		r->failure = record.failure;
		return;
	}
	if (got != 1) {
		fail(&r->failure, got < 0 ? got : -ECHILD,
		     got < 0 ? "opening the device did not end within %u seconds"
			     : "opening the device ended the process (after at most %u seconds)",
		     (unsigned int)(check_usec / USEC_PER_SEC));
		return;
	}
	r->port = record.port;
	r->active_mtu = record.mtu;
	for (enum check c = 0; c < _CHECK_MAX; c++) {
		got = take(fd, check_usec, &record);
		if (got == 1) {
			r->findings[c] = record.finding;
			r->findings[c].text[FINDING_TEXT - 1] = 0;
			continue;
		}
		if (got == 0)
			finding_set(&r->findings[c], VERDICT_FAILED,
				    "the process that tried it was killed");
		else
			finding_set(&r->findings[c], VERDICT_FAILED,
				    "did not end within %u seconds",
				    (unsigned int)(check_usec / USEC_PER_SEC));
		for (enum check d = c + 1; d < _CHECK_MAX; d++)
			finding_set(&r->findings[d], VERDICT_NOT_RUN, "not tried after that");
		return;
	}
	if (take(fd, check_usec, &record) == 1)
		r->replaced = record.finding;
}

void supervise(const char *device, const char *directory, uint64_t check_usec, struct report *ret)
{
	_cleanup_(closep) int receive = -1;
	int fds[2];
	pid_t child;

	*ret = (struct report){ .port = 0 };
	quirks_init(&ret->quirks);
	if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		fail(&ret->failure, -errno, "a process for the test cannot be started: %s",
		     strerror(errno));
		return;
	}
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		test(fds[1], device, directory);
		_exit(0);
	}
	close(fds[1]);
	receive = fds[0];
	collect(receive, check_usec, ret);
	kill(child, SIGKILL);
	/* one that hangs in the kernel is not waited for: it is nobody's child when we end */
	waitpid(child, NULL, WNOHANG);
	for (enum check c = 0; c < _CHECK_MAX; c++)
		selftest_note(&ret->quirks, c, &ret->findings[c]);
}

bool report_is_lasting(const struct report *r)
{
	if (r->failure.code)
		return false;
	for (enum check c = 0; c < _CHECK_MAX; c++)
		if (r->findings[c].passing ||
		    (check_is_needed(c) && r->findings[c].verdict == VERDICT_NOT_RUN))
			return false;
	return true;
}
