// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-get.c - read a region from another machine into a file, or to standard output.
 *
 * What always holds: exit status 0 means that all that was asked for is in the file; a file is made or
 * emptied only once the connection stands.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

struct options {
	struct session_options session;
	uint64_t offset, length;
};

static const struct option_spec specs[] = {
	{ "offset", ARG_SIZE, offsetof(struct options, offset), "SIZE", "into the region (0)" },
	{ "length", ARG_LENGTH, offsetof(struct options, length), "SIZE",
	  "bytes (all that the file there backs)" },
	SESSION_SPECS(struct options, session),
	{ NULL },
};

static int write_out(int fd, const char *name, const uint8_t *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ctl_error(EXIT_FAILED, "writing %s: %s", name, strerror(errno));
		data += n;
		bytes -= (size_t)n;
	}
	return EXIT_OK;
}

static int read_all(struct session *s, const struct options *o, uint64_t length, int fd, const char *name,
		    uint8_t *chunk)
{
	while (s->bytes < length) {
		uint64_t left = length - s->bytes;
		int64_t n = -EINTR;
		int r;

		if (!session_stopped(s))
			n = rdmareg_peer_read(s->peer, chunk, left < SESSION_CHUNK ? left : SESSION_CHUNK,
					      o->offset + s->bytes);
		if (n == -EINTR)
			return ctl_error(EXIT_FAILED,
					 "read %" PRIu64 " of %" PRIu64 " bytes, then was interrupted",
					 s->bytes, length);
		if (n < 0)
			return ctl_error(EXIT_FAILED, "read %" PRIu64 " of %" PRIu64 " bytes, then: %s",
					 s->bytes, length, rdmareg_last_error());
		r = write_out(fd, name, chunk, (size_t)n);
		if (r)
			return r;
		s->bytes += (uint64_t)n;
		s->operations++;
		session_progress(s, s->bytes, length);
	}
	s->passes = 1;
	return EXIT_OK;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	_cleanup_(text_cleanup) char *chunk = malloc(SESSION_CHUNK);
	bool to_stdout = !strcmp(arguments[1], "-");
	struct session s;
	int r, fd = STDOUT_FILENO;

	(void)n;
	if (!chunk)
		return ctl_error(EXIT_FAILED, "out of memory");
	if (ctl_is_ticket(arguments[1]))
		return ctl_error(EXIT_USAGE, "get: the ticket comes first: rdmaregctl get TICKET FILE");
	r = session_begin(&s, ctl, &o->session, arguments[0], RDMAREG_ACCESS_READ, to_stdout);
	if (r)
		return r;
	rdmareg_peer_get_info(s.peer, &info);
	if (!to_stdout)
		fd = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		r = ctl_error(errno == EACCES ? EXIT_DENIED : EXIT_FAILED, "opening %s: %s", arguments[1],
			      strerror(errno));
	else
		r = read_all(&s, o,
			     o->length			     ? o->length
			     : info.valid_length > o->offset ? info.valid_length - o->offset
							     : 0,
			     fd, arguments[1], (uint8_t *)chunk);
	if (fd >= 0 && !to_stdout && close(fd) && !r)
		r = ctl_error(EXIT_FAILED, "writing %s: %s", arguments[1], strerror(errno));
	session_end(&s, "read");
	return r;
}

const struct verb verb_get = {
	"get", "TICKET FILE", "read a region into a file, one-sided", specs, 2, 2, run
};
