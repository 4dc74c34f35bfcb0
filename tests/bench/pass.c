// SPDX-License-Identifier: GPL-2.0-or-later
/* pass.c - see pass.h. */
#include "pass.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

union descriptors {
	char space[CMSG_SPACE(PASS_MAX * sizeof(int))];
	struct cmsghdr header;
};

bool pass_send(int to, const void *data, size_t size, const int *fds, size_t n)
{
	struct iovec part = { (void *)(uintptr_t)data, size };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	union descriptors control = { { 0 } };

	if (n) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	}
	return sendmsg(to, &m, MSG_NOSIGNAL) >= 0;
}

ssize_t pass_receive(int from, void *data, size_t size, int fds[PASS_MAX], size_t *ret_n)
{
	struct iovec part = { data, size };
	union descriptors control;
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	ssize_t length = recvmsg(from, &m, MSG_CMSG_CLOEXEC);

	*ret_n = 0;
	if (length <= 0)
		return length;
	c = CMSG_FIRSTHDR(&m);
	*ret_n = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	if (*ret_n)
		memcpy(fds, CMSG_DATA(c), *ret_n * sizeof(int));
	return length;
}
