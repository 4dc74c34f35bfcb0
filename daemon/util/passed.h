/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passed.h - descriptors that come and go with a message of a Unix socket (SCM_RIGHTS, unix(7)).
 * What always holds: whoever receives with room for DESCRIPTORS_MAX, in the call and in the process'
 * table, gets all of them; what there is no room for the kernel closes in the thread that receives,
 * which sleeps if the last close of a file does.
 */
#ifndef RDMAREG_UTIL_PASSED_H
#define RDMAREG_UTIL_PASSED_H

#include <string.h>
#include <sys/socket.h>

#define DESCRIPTORS_MAX 253 /* that Linux passes with one message */

/*
 * Takes them out of the control data of a received message: how many. @ret: DESCRIPTORS_MAX of
 * them; the caller's from now on.
 */
static inline unsigned int passed_descriptors(struct msghdr *h, int *ret)
{
	unsigned int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		size_t more = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(ret + n, CMSG_DATA(c), more * sizeof(int));
		n += (unsigned int)more;
	}
	return n;
}

/* Control data of a message with which one descriptor goes. */
union passed_one {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

/* @fd goes with the message, and stays the caller's; -1: none does. @control: until it is sent. */
static inline void pass_descriptor(struct msghdr *h, union passed_one *control, int fd)
{
	if (fd < 0)
		return;
	memset(control, 0, sizeof(*control));
	control->header.cmsg_level = SOL_SOCKET;
	control->header.cmsg_type = SCM_RIGHTS;
	control->header.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control->header), &fd, sizeof(fd));
	h->msg_control = control;
	h->msg_controllen = sizeof(*control);
}

#endif
