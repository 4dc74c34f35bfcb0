// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dax.c - stands in for rdmareg-dax: a device is a memfd, region 9 does not exist, region 8 makes
 * it die unheard, and while a file "busy" is in the directory of its name, everybody's device is in
 * use. What always holds: it answers as dax-make.h says, and leaves nothing.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dax/dax-make.h"

static void answer(const struct dax_answer *a, int fd)
{
	struct iovec text = { (void *)(uintptr_t)a, sizeof(*a) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct msghdr m = { .msg_iov = &text, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fd)),
						       .cmsg_level = SOL_SOCKET,
						       .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	}
	if (sendmsg(DAX_HELPER_SOCKET, &m, MSG_NOSIGNAL) < 0)
		_exit(1);
}

int main(int argc, char **argv)
{
	char busy[PATH_MAX], *slash = strrchr(argv[0], '/');
	struct dax_answer a = { 0 };
	int fd = -1;

	if (argc == 4 && !strcmp(argv[2], "8"))
		return 1;
	if (argc == 4 && !strcmp(argv[2], "9")) {
		a.error = -ENODEV;
		snprintf(a.text, sizeof(a.text), "there is no dynamic region of this number");
	} else if (argc == 4) {
		a.size_bytes = (strtoull(argv[3], NULL, 10) + 0x1fffff) & ~UINT64_C(0x1fffff);
		snprintf(a.name, sizeof(a.name), "dax9.%d", getpid());
		fd = memfd_create("dax", MFD_CLOEXEC);
	} else {
		snprintf(busy, sizeof(busy), "%.*s/busy", (int)(slash - argv[0]), argv[0]);
		a.error = access(busy, F_OK) == 0 ? -EBUSY : 0;
		snprintf(a.text, sizeof(a.text), "process 1 (init) has it open or mapped");
	}
	answer(&a, fd);
	return 0;
}
