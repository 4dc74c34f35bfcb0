// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-prefetch.c - load translations into the adapter; shows the progress, and a signal cancels
 * it.
 *
 * What always holds: the region stays as it is, however this ends. Once the work has begun, how
 * much of it was done is said or printed; a signal gives it up and is the exit status (128 and its
 * number), unless it came too late to change anything.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "events.h"
#include "format.h"

struct options {
	uint64_t offset, length;
	bool write;
};

static const struct option_spec specs[] = {
	{ "offset", ARG_SIZE, offsetof(struct options, offset), "SIZE",
	  "offset in the region (0)" },
	{ "length", ARG_LENGTH, offsetof(struct options, length), "SIZE",
	  "number of bytes (to the end)" },
	{ "write", ARG_FLAG, offsetof(struct options, write), NULL,
	  "prefetch for writing; dirties every page" },
	{ NULL },
};

struct work {
	struct rdmareg_job *job;
	uint64_t began_usec;
	bool terminal; /* progress is drawn */
	bool drawn;
	int signal; /* that gave it up; 0: none */
};

static struct rdmareg_job_info info_of(const struct work *w)
{
	struct rdmareg_job_info info = { .size = sizeof(info) };

	rdmareg_job_get_info(w->job, &info);
	return info;
}

/*
 * The rate is that of all the time: what is left of a file is as cold as what was done, on the
 * average.
 */
static void draw(struct work *w)
{
	uint64_t elapsed = events_now_usec(CLOCK_MONOTONIC) - w->began_usec;
	char a[FORMAT_BYTES], b[FORMAT_BYTES], c[FORMAT_BYTES];
	struct rdmareg_job_info info = info_of(w);
	double rate;

	if (!w->terminal || !info.done || info.done > info.total || !elapsed)
		return;
	rate = (double)info.done / (double)elapsed; /* bytes in a microsecond */
	fprintf(stderr, "\r%3u%% %s of %s, %s/s, ",
		(unsigned int)((double)info.done * 100 / (double)info.total),
		format_size(a, info.done), format_size(b, info.total),
		format_size(c, (uint64_t)(rate * 1e6)));
	fprintf(stderr, "%s\033[K",
		w->signal ? "stopping"
			  : format_time(a, ((uint64_t)((double)(info.total - info.done) / rate) /
						    1000000 +
					    1) * 1000000));
	if (!w->signal)
		fputs(" left", stderr);
	w->drawn = true;
}

/*
 * True: go on waiting. The first signal is a request, the second a wish to be gone: the daemon
 * cancels with the connection.
 */
static bool take_signal(struct work *w, int fd)
{
	struct signalfd_siginfo s;

	if (read(fd, &s, sizeof(s)) != sizeof(s))
		return true;
	if (w->signal)
		return false;
	w->signal = (int)s.ssi_signo;
	draw(w);
	/* When it cannot be asked for, the job has ended or will be told to have. */
	rdmareg_job_cancel(w->job);
	return true;
}

static int wait_for_end(struct ctl *ctl, struct work *w, int signal_fd)
{
	struct pollfd fds[] = {
		{ .fd = rdmareg_get_fd(ctl->context), .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};
	struct rdmareg_event e = { .size = sizeof(e) };
	int r;

	for (;;) {
		r = rdmareg_dispatch(ctl->context);
		if (r < 0)
			return ctl_failed(r);
		while (rdmareg_next_event(ctl->context, &e) > 0)
			; /* the handle knows of the only one that matters */
		if (info_of(w).state != RDMAREG_JOB_RUNNING)
			return EXIT_OK;
		draw(w);
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return ctl_error(EXIT_FAILED, "waiting for the prefetch: %s",
					 strerror(errno));
		if (fds[1].revents && !take_signal(w, signal_fd))
			return EXIT_OK;
	}
}

static void print_json(const struct options *o, const struct rdmareg_job_info *info)
{
	json_object *j = json_object_new_object();

	json_object_object_add(j, "id", json_object_new_uint64(info->region));
	json_object_object_add(j, "offset", json_object_new_uint64(o->offset));
	json_object_object_add(j, "length", json_object_new_uint64(o->length));
	json_object_object_add(j, "state",
			       json_object_new_string(rdmareg_job_state_name(info->state)));
	json_object_object_add(j, "done", json_object_new_uint64(info->done));
	json_object_object_add(j, "total", json_object_new_uint64(info->total));
	json_object_object_add(j, "message", json_object_new_string(info->message));
	ctl_print_json(j);
}

/* Say how it ended. */
static int report(const struct ctl *ctl, const struct options *o, struct work *w)
{
	struct rdmareg_job_info info = info_of(w);
	char a[FORMAT_BYTES], b[FORMAT_BYTES];
	int status = EXIT_OK;

	if (w->drawn)
		fputs("\r\033[K", stderr);
	if (info.state == RDMAREG_JOB_FAILED)
		status = ctl_failed(rdmareg_job_wait(w->job, 0));
	else if (info.state != RDMAREG_JOB_DONE)
		status = w->signal ? 128 + w->signal : EXIT_FAILED;
	if (status)
		ctl_error(status, "region %" PRIu64 ": %s of %s prefetched%s", info.region,
			  format_size(a, info.done), format_size(b, info.total),
			  info.state == RDMAREG_JOB_FAILED
				  ? ""
				  : "; stopped as asked, the region stays");
	if (ctl->json)
		print_json(o, &info);
	return status;
}

static int prefetch(struct ctl *ctl, struct rdmareg_region *region, const struct options *o)
{
	struct work w = { .terminal = ctl_is_terminal(STDERR_FILENO) };
	int signal_fd, r;

	signal_fd = events_signal_fd();
	if (signal_fd < 0)
		return EXIT_FAILED;
	w.began_usec = events_now_usec(CLOCK_MONOTONIC);
	r = rdmareg_start_prefetch(region, o->offset, o->length, o->write, &w.job);
	if (r < 0) {
		r = ctl_failed(r);
	} else {
		r = wait_for_end(ctl, &w, signal_fd);
		if (!r)
			r = report(ctl, o, &w);
		rdmareg_job_free(w.job);
	}
	close(signal_fd);
	return r;
}

int ctl_prefetch_all(struct ctl *ctl, struct rdmareg_region *region)
{
	return prefetch(ctl, region, &(struct options){ 0 });
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	int r = ctl_lookup(ctl, arguments[0], &region);

	(void)n;
	return r ? r : prefetch(ctl, region, options);
}

const struct verb verb_prefetch = {
	"prefetch", "ID", "load translations, so that the next accesses are fast", specs, 1, 1, run
};
