// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-watch.c - print what happens to regions until interrupted (or, for one region, until it is gone).
 *
 * What always holds: it subscribes before it lists, so nothing falls in between; each line is written out
 * at once; it goes on over a restart of rdmaregd.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "model.h"

static const char *const event_names[] = {
	[RDMAREG_EVENT_NONE] = "present",
	[RDMAREG_EVENT_REVOCATION_REQUESTED] = "revocation-requested",
	[RDMAREG_EVENT_REVOCATION_SETTLED] = "revocation-settled",
	[RDMAREG_EVENT_REGION_ADDED] = "added",
	[RDMAREG_EVENT_REGION_REMOVED] = "removed",
	[RDMAREG_EVENT_REGION_CHANGED] = "changed",
	[RDMAREG_EVENT_DAEMON_LOST] = "daemon-lost",
	[RDMAREG_EVENT_DAEMON_BACK] = "daemon-back",
	[RDMAREG_EVENT_DISCONNECTED] = "disconnected",
	[RDMAREG_EVENT_OVERFLOW] = "overflow",
};

static uint64_t now_usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void print_json(const struct rdmareg_event *e, const struct rdmareg_region_info *info)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "event", json_object_new_string(event_names[e->type]));
	model_add_times(o, e->seen_usec);
	if (e->region)
		json_object_object_add(o, "id", json_object_new_uint64(e->region));
	if (e->type == RDMAREG_EVENT_REVOCATION_REQUESTED)
		json_object_object_add(o, "revocation", model_revocation(&e->revocation));
	if (e->type == RDMAREG_EVENT_REVOCATION_SETTLED) {
		json_object *v = json_object_new_object();

		json_object_object_add(v, "id", json_object_new_uint64(e->revocation.id));
		json_object_object_add(o, "revocation", v);
		json_object_object_add(o, "outcome",
				       json_object_new_string(rdmareg_outcome_name(e->outcome)));
		json_object_object_add(o, "valid_length", json_object_new_uint64(e->valid_length));
	}
	if (info)
		json_object_object_add(o, "region", model_region(info));
	ctl_print_json(o);
}

static void print_line(const struct rdmareg_event *e, const struct rdmareg_region_info *info)
{
	char when[32], a[FORMAT_BYTES], b[FORMAT_BYTES], c[FORMAT_BYTES];
	time_t second = time(NULL);
	struct tm tm;
	uint64_t now = now_usec(CLOCK_MONOTONIC);

	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&second, &tm));
	printf("%s", when);
	if (e->region)
		printf(" region %" PRIu64, e->region);
	printf(" %s", event_names[e->type]);
	if (e->type == RDMAREG_EVENT_REVOCATION_REQUESTED)
		printf(" %" PRIu64 ": %s of %s at %s, %s left", e->revocation.id,
		       rdmareg_cause_name(e->revocation.cause), format_size(a, e->revocation.length),
		       format_size(b, e->revocation.offset),
		       format_time(c, e->revocation.deadline_usec > now ? e->revocation.deadline_usec - now
									: 0));
	if (e->type == RDMAREG_EVENT_REVOCATION_SETTLED)
		printf(" %" PRIu64 ": %s, %s valid", e->revocation.id, rdmareg_outcome_name(e->outcome),
		       format_size(a, e->valid_length));
	if (info)
		printf(": %s, %s of %s valid, %s, %u peers%s%s", rdmareg_state_name(info->state),
		       format_size(a, info->valid_length), format_size(b, info->length),
		       rdmareg_arbitration_name(info->arbitration_mode), info->peers, *info->path ? ", " : "",
		       info->path);
	putchar('\n');
	fflush(stdout);
}

static void print_event(const struct ctl *ctl, const struct rdmareg_event *e,
			const struct rdmareg_region_info *info)
{
	if (ctl->json)
		print_json(e, info);
	else
		print_line(e, info);
}

/* Added and changed are worth a look at the region; it may be gone again by then. */
static void print_with_region(struct ctl *ctl, const struct rdmareg_event *e)
{
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct rdmareg_region_info info = { .size = sizeof(info) };

	if ((e->type == RDMAREG_EVENT_REGION_ADDED || e->type == RDMAREG_EVENT_REGION_CHANGED) &&
	    rdmareg_lookup(ctl->context, e->region, &region) >= 0 &&
	    rdmareg_region_get_info(region, &info) >= 0)
		print_event(ctl, e, &info);
	else
		print_event(ctl, e, NULL);
}

static int print_present(struct ctl *ctl, uint64_t only)
{
	struct rdmareg_list_options lo = { .size = sizeof(lo),
					   .after = only ? only - 1 : 0,
					   .page = only ? 1 : 0 };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *walk = NULL;
	bool found = !only;
	int r;

	r = rdmareg_list(ctl->context, &lo, &walk);
	while (r >= 0 && (r = rdmareg_list_next(walk, &info)) > 0) {
		struct rdmareg_event e = { .region = info.id, .seen_usec = now_usec(CLOCK_BOOTTIME) };

		if (only && info.id != only)
			break;
		found = true;
		print_event(ctl, &e, &info);
		if (only)
			break;
	}
	rdmareg_list_free(walk);
	if (r < 0)
		return ctl_failed(r);
	return found ? EXIT_OK
		     : ctl_error(EXIT_NOT_FOUND, "watching region %" PRIu64 ": there is none", only);
}

/* 1: go on; else the exit status, negated to tell it from going on. */
static int take_events(struct ctl *ctl, uint64_t only)
{
	struct rdmareg_event e = { .size = sizeof(e) };

	rdmareg_dispatch(ctl->context);
	while (rdmareg_next_event(ctl->context, &e) > 0) {
		if (only && e.region && e.region != only)
			continue;
		print_with_region(ctl, &e);
		if (e.type == RDMAREG_EVENT_DISCONNECTED)
			return -ctl_error(EXIT_FAILED, "the connection to the bus is gone");
		if (only && e.type == RDMAREG_EVENT_REGION_REMOVED)
			return -EXIT_OK;
	}
	return 1;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct rdmareg *context;
	uint64_t only = 0;
	sigset_t stop;
	int r;

	(void)options;
	if (n) {
		r = ctl_parse_id(arguments[0], &only);
		if (r)
			return r;
	}
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = rdmareg_subscribe(context);
	if (r < 0)
		return ctl_failed(r);
	r = print_present(ctl, only);
	if (r)
		return r;

	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	fds[0].fd = rdmareg_get_fd(context);
	fds[1].fd = signalfd(-1, &stop, SFD_CLOEXEC);
	for (;;) {
		r = take_events(ctl, only);
		if (r <= 0)
			return -r;
		if (ferror(stdout))
			return EXIT_OK; /* nobody reads any more; main() says so */
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return ctl_error(EXIT_FAILED, "waiting for events: %s", strerror(errno));
		if (fds[1].revents)
			return EXIT_OK;
	}
}

const struct verb verb_watch = { "watch", "[ID]", "print what happens, as it happens", NULL, 0, 1, run };
