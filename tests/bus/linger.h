// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * linger.h - a file whose last close sleeps: a TCP socket with SO_LINGER whose other end reads
 * nothing. It is there for any user, on any kernel. To be included where it is used.
 */
#ifndef RDMAREG_TEST_LINGER_H
#define RDMAREG_TEST_LINGER_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_SEC 3600

/*
 * @ret_end: the other end, which must stay open for as long as the close is to sleep. -1: there is
 * none to be had.
 */
static inline int linger_open(int *ret_end)
{
	static const char data[65536];
	const struct linger linger = { 1, LINGER_SEC };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || fd < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) < 0 ||
	    bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, size) < 0)
		return -1;
	*ret_end = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	if (*ret_end < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		return -1;
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	return fd;
}

#endif
