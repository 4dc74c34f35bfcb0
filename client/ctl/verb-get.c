// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-get.c - read a region from another machine into a file, or to standard output.
 *
 * What always holds: exit status 0 means that all that was asked for is in the file; a file is made
 * or emptied only once the connection stands and has all of that to read.
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
	{ "offset", ARG_SIZE, offsetof(struct options, offset), "SIZE",
	  "offset in the region (0)" },
	{ "length", ARG_LENGTH, offsetof(struct options, length), "SIZE",
	  "number of bytes (all that the registered file backs)" },
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

/* What was asked for has to be there before anything is emptied for it. */
static int find_length(struct session *s, const struct options *o, uint64_t *ret)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };
	uint64_t room;
	int r;

	r = session_check_range(s, "read", o->offset, o->length);
	if (r)
		return r;
	rdmareg_rails_get_info(s->rails, RDMAREG_ALL_RAILS, &info);
	room = info.valid_length > o->offset ? info.valid_length - o->offset : 0;
	*ret = o->length ? o->length : room;
	/*
	 * While a revocation runs nobody knows how much there will be: the read waits for it, and
	 * says so.
	 */
	if ((o->length > room && !info.revocation.id) || (!room && !o->length && o->offset))
		return ctl_error(EXIT_FAILED,
				 "nothing was read: there are %" PRIu64 " bytes at offset %" PRIu64
				 ", since the file there backs only the first %" PRIu64
				 " bytes of the region now",
				 room, o->offset, info.valid_length);
	return EXIT_OK;
}

/* Not all could be read. @fd was emptied for it, unless it is standard output. */
static int incomplete(const struct session *s, uint64_t length, int fd, const char *name,
		      const char *why)
{
	bool to_stdout = fd == STDOUT_FILENO;

	return ctl_error(EXIT_FAILED, "read %" PRIu64 " of %" PRIu64 " bytes%s%s%s, then%s%s",
			 s->bytes, length, to_stdout ? "" : " into ", to_stdout ? "" : name,
			 to_stdout  ? ""
			 : s->bytes ? ", which has only those now"
				    : ", which is empty now",
			 why ? ": " : " was interrupted", why ? why : "");
}

static int read_all(struct session *s, const struct options *o, uint64_t length, int fd,
		    const char *name, uint8_t *chunk)
{
	while (s->bytes < length) {
		uint64_t left = length - s->bytes;
		int64_t n = -EINTR;
		int r;

		if (!session_stopped(s))
			n = rdmareg_rails_read(s->rails, chunk,
					       left < SESSION_CHUNK ? left : SESSION_CHUNK,
					       o->offset + s->bytes);
		if (n == -EINTR)
			return incomplete(s, length, fd, name, NULL);
		if (n < 0)
			return incomplete(s, length, fd, name, rdmareg_last_error());
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
	_cleanup_(text_cleanup) char *chunk = malloc(SESSION_CHUNK);
	bool to_stdout = !strcmp(arguments[1], "-");
	uint64_t length = 0;
	struct session s;
	int r, fd = STDOUT_FILENO;

	(void)n;
	if (!chunk)
		return ctl_error(EXIT_FAILED, "out of memory");
	if (ctl_is_ticket(arguments[1]))
		return ctl_error(EXIT_USAGE,
				 "get: the ticket comes first: rdmaregctl get TICKET FILE");
	r = session_begin(&s, ctl, &o->session, arguments[0], RDMAREG_ACCESS_READ, to_stdout);
	if (r)
		return r;
	r = find_length(&s, o, &length);
	if (!r && !to_stdout) {
		fd = open(arguments[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (fd < 0)
			r = ctl_not_opened(arguments[1], "for writing");
	}
	if (!r)
		r = read_all(&s, o, length, fd, arguments[1], (uint8_t *)chunk);
	if (fd >= 0 && fd != STDOUT_FILENO && close(fd) && !r)
		r = ctl_error(EXIT_FAILED, "writing %s: %s", arguments[1], strerror(errno));
	session_end(&s, "read", r);
	return r;
}

const struct verb verb_get = {
	"get", "TICKET FILE", "read a region into a file by RDMA", specs, 2, 2, run
};
