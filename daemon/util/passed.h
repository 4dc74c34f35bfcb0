/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passed.h - descriptors that come with a message of a Unix socket (SCM_RIGHTS, unix(7)). What
 * always holds: whoever receives with room for DESCRIPTORS_MAX, in the call and in the process'
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

#endif
