// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * helper.c - rdmareg-dax: makes or destroys one device-dax device for rdmaregd, answers on
 * descriptor 3, and ends.
 *
 *   rdmareg-dax create REGION BYTES
 *   rdmareg-dax destroy NAME
 *
 * What always holds: it answers once; a device that was made is given back unless rdmaregd says
 * that it has it on record (one byte, any): whoever is killed in between, no device is left that
 * nobody knows of.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dax/dax-make.h"
#include "util/cleanup.h"
#include "util/passed.h"

static int answer(const struct dax_answer *a, int fd)
{
	struct iovec text = { (void *)(uintptr_t)a, sizeof(*a) };
	struct msghdr m = { .msg_iov = &text, .msg_iovlen = 1 };
	union passed_one control;

	pass_descriptor(&m, &control, fd);
	return sendmsg(DAX_HELPER_SOCKET, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Waits for rdmaregd's word, which comes at once or never. */
static bool is_kept(void)
{
	ssize_t n;
	char c;

	shutdown(DAX_HELPER_SOCKET, SHUT_WR); /* all was said */
	do
		n = recv(DAX_HELPER_SOCKET, &c, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

int main(int argc, char **argv)
{
	struct dax_answer a = { 0 };
	struct failure why = { 0 };
	int fd = -1;

	/* stopping the service must not stop it in the middle of something */
	signal(SIGTERM, SIG_IGN);
	if (argc == 4 && !strcmp(argv[1], "create")) {
		a.error = dax_make((uint32_t)strtoul(argv[2], NULL, 10),
				   strtoull(argv[3], NULL, 10), &why, &a, &fd);
	} else if (argc == 3 && !strcmp(argv[1], "destroy")) {
		a.error = dax_destroy(argv[2], &why);
		snprintf(a.name, sizeof(a.name), "%s", argv[2]);
	} else {
		fprintf(stderr, "rdmareg-dax is started by rdmaregd\n");
		return 2;
	}
	snprintf(a.text, sizeof(a.text), "%.*s", (int)sizeof(a.text) - 1, why.text);
	if ((answer(&a, fd) < 0 || (fd >= 0 && !is_kept())) && fd >= 0) {
		closep(&fd);
		dax_destroy(a.name, NULL);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
