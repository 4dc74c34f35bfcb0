// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-put.c - write a file into a region from another machine; on request again and again, which
 * makes a writer for tests and demonstrations.
 *
 * What always holds: exit status 0 means that every byte was placed and is visible there (and, with
 * --repeat, in every pass); with --persist, that all of it survives a power cut there.
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
	uint64_t offset, length, repeat, duration_usec;
	bool clip, persist;
};

static const struct option_spec specs[] = {
	{ "offset", ARG_SIZE, offsetof(struct options, offset), "SIZE",
	  "offset in the region (0)" },
	{ "length", ARG_LENGTH, offsetof(struct options, length), "SIZE",
	  "number of bytes at most (the whole file)" },
	{ "repeat", ARG_REPEAT, offsetof(struct options, repeat), "N|forever",
	  "write the file this often (1)" },
	{ "duration", ARG_TIME, offsetof(struct options, duration_usec), "TIME",
	  "repeat for this time" },
	{ "clip", ARG_FLAG, offsetof(struct options, clip), NULL,
	  "write as much as the registered file has room for; wait while it has none" },
	{ "persist", ARG_FLAG, offsetof(struct options, persist), NULL,
	  "end only when the data survives a power cut of that machine" },
	{ "ignore-revocations", ARG_FLAG, offsetof(struct options, session.ignore_revocations),
	  NULL, "for tests: never acknowledge, and be disconnected" },
	SESSION_SPECS(struct options, session),
	{ NULL },
};

/* Where the bytes come from. A pipe can be read once only. */
struct source {
	int fd;
	const char *name;
	uint64_t position, limit;
	bool seekable;
};

static int source_open(struct source *s, const char *path, uint64_t limit)
{
	*s = (struct source){ .fd = STDIN_FILENO,
			      .name = "standard input",
			      .limit = limit ? limit : UINT64_MAX };
	if (strcmp(path, "-")) {
		s->name = path;
		s->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (s->fd < 0)
			return ctl_not_opened(path, "for reading");
	}
	s->seekable = lseek(s->fd, 0, SEEK_CUR) >= 0;
	return EXIT_OK;
}

/*
 * Fill the chunk as far as there is something: only the last one of a pass may be short, since
 * offsets must stay aligned.
 */
static ssize_t source_read(struct source *s, uint8_t *chunk, size_t bytes)
{
	size_t n = 0;

	if (bytes > s->limit - s->position)
		bytes = (size_t)(s->limit - s->position);
	while (n < bytes) {
		ssize_t k = s->seekable
				    ? pread(s->fd, chunk + n, bytes - n, (off_t)(s->position + n))
				    : read(s->fd, chunk + n, bytes - n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (!k)
			break;
		n += (size_t)k;
	}
	s->position += n;
	return (ssize_t)n;
}

/* Of a seekable source, as far as --length goes. */
static uint64_t source_size(const struct source *s)
{
	off_t end = lseek(s->fd, 0, SEEK_END);

	return end < 0 ? 0 : (uint64_t)end < s->limit ? (uint64_t)end : s->limit;
}

/* While a revocation runs nobody knows how much room there will be. */
static bool session_is_revoked(struct session *s)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	rdmareg_rails_get_info(s->rails, RDMAREG_ALL_RAILS, &info);
	return info.revocation.id != 0;
}

static uint64_t room(struct session *s, uint64_t offset)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	rdmareg_rails_get_info(s->rails, RDMAREG_ALL_RAILS, &info);
	return info.valid_length > offset ? info.valid_length - offset : 0;
}

static int incomplete(struct session *s, int error, uint64_t done, uint64_t offset)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	rdmareg_rails_get_info(s->rails, RDMAREG_ALL_RAILS, &info);
	if (error == -ERANGE)
		return ctl_error(EXIT_FAILED,
				 "wrote %" PRIu64
				 " bytes, then: the file there has room for %" PRIu64
				 " bytes at offset %" PRIu64 "; give --length, or --clip",
				 done, room(s, offset), offset);
	if (error == -EINTR)
		return ctl_error(EXIT_FAILED, "wrote %" PRIu64 " bytes, then was interrupted",
				 done);
	return ctl_error(error == -EACCES && info.connected ? EXIT_DENIED : EXIT_FAILED,
			 "wrote %" PRIu64 " bytes, then: %s", done, rdmareg_last_error());
}

/* All of a chunk, over as many revocations as come. With --clip: as much as there is room for. */
static int write_chunk(struct session *s, const struct options *o, const uint8_t *chunk,
		       size_t bytes, uint64_t at, uint64_t done)
{
	size_t written = 0;

	while (written < bytes) {
		uint64_t left = bytes - written,
			 fits = o->clip ? room(s, o->offset + at + written) : left;
		int64_t n;

		/* No room is fine, no connection is not: the write says why. */
		if (!fits && s->n_rails)
			return EXIT_OK;
		n = rdmareg_rails_write(s->rails, chunk + written, fits < left ? fits : left,
					o->offset + at + written);
		if (n == -ERANGE && o->clip)
			continue; /* became shorter while we looked */
		if (n <= 0)
			return n == -EINTR && o->repeat > 1
				       ? EXIT_OK
				       : incomplete(s, (int)n, done + written, o->offset);
		written += (size_t)n;
		s->bytes += (uint64_t)n;
		s->operations++;
		if (o->clip && fits < left)
			return EXIT_OK;
	}
	return EXIT_OK;
}

static int write_pass(struct session *s, const struct options *o, struct source *from,
		      uint8_t *chunk)
{
	uint64_t at = 0;

	if (from->seekable) {
		from->position = 0;
		/* What cannot fit whole is not begun: half a file there helps nobody. */
		if (!o->clip && !session_is_revoked(s) && source_size(from) > room(s, o->offset))
			return incomplete(s, -ERANGE, 0, o->offset);
	}
	for (;;) {
		ssize_t n = source_read(from, chunk, SESSION_CHUNK);
		int r;

		if (n < 0)
			return ctl_error(EXIT_FAILED, "reading %s: %s", from->name,
					 strerror((int)-n));
		if (!n)
			return EXIT_OK;
		r = write_chunk(s, o, chunk, (size_t)n, at, at);
		if (r)
			return r;
		at += (uint64_t)n;
		session_progress(s, s->bytes, 0);
		if (session_stopped(s))
			return o->repeat > 1 ? EXIT_OK : incomplete(s, -EINTR, at, o->offset);
	}
}

static int write_passes(struct session *s, const struct options *o, struct source *from,
			uint8_t *chunk)
{
	int r = EXIT_OK;

	for (uint64_t i = 0; !r && i < o->repeat && !session_stopped(s); i++) {
		while (o->clip && s->n_rails && !session_stopped(s) && !room(s, o->offset))
			session_wait(s);
		if (session_stopped(s))
			break;
		r = write_pass(s, o, from, chunk);
		s->passes++;
	}
	if (r || !s->bytes || !room(s, o->offset) || o->session.ignore_revocations ||
	    session_stopped(s))
		return r;
	r = rdmareg_rails_flush(s->rails, o->offset);
	return r < 0 ? incomplete(s, r, s->bytes, o->offset) : EXIT_OK;
}

/*
 * From the first byte to the end of the region: which of them were written over all the passes is
 * not kept.
 */
static int persist(struct session *s, const struct options *o)
{
	uint64_t length = room(s, o->offset);
	int r = length ? rdmareg_rails_persist(s->rails, o->offset, length) : 0;

	if (r < 0)
		return ctl_error(EXIT_FAILED, "wrote %" PRIu64 " bytes, which are not durable: %s",
				 s->bytes, rdmareg_last_error());
	s->persisted = true;
	return EXIT_OK;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct options o = *(const struct options *)options;
	_cleanup_(text_cleanup) char *chunk = malloc(SESSION_CHUNK);
	struct source from;
	struct session s;
	int r;

	(void)n;
	if (!chunk)
		return ctl_error(EXIT_FAILED, "out of memory");
	if (!o.repeat)
		o.repeat = o.duration_usec ? UINT64_MAX : 1;
	if (!strcmp(arguments[0], "-") && !strcmp(arguments[1], "-"))
		return ctl_error(EXIT_USAGE,
				 "put: data and ticket cannot both come from standard input");
	if (ctl_is_ticket(arguments[0]))
		return ctl_error(EXIT_USAGE,
				 "put: the ticket comes second: rdmaregctl put FILE TICKET");
	r = source_open(&from, arguments[0], o.length);
	if (r)
		return r;
	if (o.repeat > 1 && !from.seekable)
		return ctl_error(EXIT_USAGE,
				 "put: %s can be read once only: no --repeat or --duration",
				 from.name);
	r = session_begin(&s, ctl, &o.session, arguments[1], RDMAREG_ACCESS_READ_WRITE, false);
	if (r)
		return r;
	if (o.duration_usec)
		session_set_end(&s, o.duration_usec);
	/* there will never be room, so --clip does not wait for it */
	r = session_check_range(&s, "written", o.offset, 0);
	if (!r)
		r = write_passes(&s, &o, &from, (uint8_t *)chunk);
	if (!r && o.persist)
		r = persist(&s, &o);
	session_end(&s, "wrote", r);
	return r;
}

const struct verb verb_put = {
	"put", "FILE TICKET", "write a file into a region by RDMA", specs, 2, 2, run
};
