// SPDX-License-Identifier: GPL-2.0-or-later
/* events.c - see events.h. */
#include "events.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "format.h"
#include "model.h"

static const char *const names[] = {
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
	[RDMAREG_EVENT_LEFT] = "left",
	[RDMAREG_EVENT_JOB_FINISHED] = "job-finished",
	[RDMAREG_EVENT_SESSION_ADDED] = "session-added",
	[RDMAREG_EVENT_SESSION_CHANGED] = "session-changed",
	[RDMAREG_EVENT_SESSION_REMOVED] = "session-removed",
	[RDMAREG_EVENT_HISTORY_ADDED] = "history-added",
};

uint64_t events_now_usec(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The mode that is not any more; NULL: it is as it was. */
static const char *other_mode(const struct rdmareg_region_info *info,
			      const struct events_shown *shown)
{
	if (!info || !shown || !shown->mode ||
	    !strcmp(shown->mode, rdmareg_arbitration_name(info->arbitration_mode)))
		return NULL;
	return shown->mode;
}

char *events_describe(const struct rdmareg_region_info *info, const struct events_shown *shown)
{
	const char *was = other_mode(info, shown);
	char a[FORMAT_BYTES], b[FORMAT_BYTES], bypasses[64] = "", *text;

	if (info->bypasses > (shown ? shown->bypasses : 0))
		snprintf(bypasses, sizeof(bypasses),
			 ", bypasses: %" PRIu64 ", last bypass: ", info->bypasses);
	if (asprintf(&text, "%s, %s of %s valid, %s%s%s%s, %u peers, %u clients%s%s%s%s%s%s%s%s%s",
		     rdmareg_state_name(info->state), format_size(a, info->valid_length),
		     format_size(b, info->length), rdmareg_arbitration_name(info->arbitration_mode),
		     was ? " (was " : "", was ? was : "", was ? ")" : "", info->peers,
		     info->clients, info->refuses ? ", refuses" : "", *info->path ? ", " : "",
		     info->path, model_path_note(info),
		     info->path_state == RDMAREG_PATH_MOVED ? info->path_now : "", bypasses,
		     *bypasses ? info->last_bypass : "", *info->degraded ? ", degraded: " : "",
		     info->degraded) < 0)
		return NULL;
	return text;
}

static void print_json(const char *name, const struct rdmareg_event *e,
		       const struct rdmareg_region_info *info, const char *was_mode)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "event", json_object_new_string(name));
	model_add_times(o, e->seen_usec);
	if (e->region)
		json_object_object_add(o, "id", json_object_new_uint64(e->region));
	if (e->type == RDMAREG_EVENT_REVOCATION_REQUESTED) {
		json_object_object_add(o, "revocation", model_revocation(&e->revocation));
		json_object_object_add(o, "asker",
				       model_asker(e->asker_pid, e->asker_uid, e->asker_comm,
						   e->asker_cgroup, e->asker_other_user));
	} else if (e->revocation.id) {
		json_object *v = json_object_new_object();

		json_object_object_add(v, "id", json_object_new_uint64(e->revocation.id));
		json_object_object_add(o, "revocation", v);
	}
	if (e->type == RDMAREG_EVENT_REVOCATION_SETTLED) {
		json_object_object_add(o, "outcome",
				       json_object_new_string(rdmareg_outcome_name(e->outcome)));
		json_object_object_add(o, "valid_length", json_object_new_uint64(e->valid_length));
	}
	if (e->type == RDMAREG_EVENT_REGION_REMOVED)
		json_object_object_add(o, "reason",
				       json_object_new_string(rdmareg_end_name(e->end)));
	if (info)
		json_object_object_add(o, "region", model_region(info));
	if (was_mode)
		json_object_object_add(o, "previous_arbitration_mode",
				       json_object_new_string(was_mode));
	ctl_print_json(o);
}

static void print_when(void)
{
	time_t second = time(NULL);
	struct tm tm;
	char when[32];

	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime_r(&second, &tm));
	printf("%s", when);
}

static void print_line(const char *name, const struct rdmareg_event *e,
		       const struct rdmareg_region_info *info, const struct events_shown *shown)
{
	_cleanup_(text_cleanup) char *text = info ? events_describe(info, shown) : NULL;
	char a[FORMAT_BYTES], b[FORMAT_BYTES], c[FORMAT_BYTES];
	uint64_t now = events_now_usec(CLOCK_MONOTONIC);

	print_when();
	if (e->region)
		printf(" region %" PRIu64, e->region);
	printf(" %s", name);
	if (e->type == RDMAREG_EVENT_REVOCATION_REQUESTED)
		printf(" %" PRIu64 ": %s of %s at %s, %s left", e->revocation.id,
		       rdmareg_cause_name(e->revocation.cause),
		       format_size(a, e->revocation.length), format_size(b, e->revocation.offset),
		       format_time(c, e->revocation.deadline_usec > now
					      ? e->revocation.deadline_usec - now
					      : 0));
	else if (e->type == RDMAREG_EVENT_REVOCATION_SETTLED)
		printf(" %" PRIu64 ": %s, %s valid", e->revocation.id,
		       rdmareg_outcome_name(e->outcome), format_size(a, e->valid_length));
	else if (e->type == RDMAREG_EVENT_REGION_REMOVED)
		printf(": %s", rdmareg_end_name(e->end));
	else if (e->revocation.id)
		printf(" %" PRIu64, e->revocation.id);
	if (e->asker_pid)
		printf(", by pid %u%s%s%s%s%s", e->asker_pid, *e->asker_comm ? " (" : "",
		       e->asker_comm, *e->asker_comm ? ")" : "", *e->asker_cgroup ? " in " : "",
		       e->asker_cgroup);
	else if (e->asker_other_user)
		printf(", by a process of another user");
	if (text)
		printf(": %s", text);
	putchar('\n');
	ctl_flush();
}

void events_print(const struct ctl *ctl, const char *name, const struct rdmareg_event *e,
		  const struct rdmareg_region_info *info, const struct events_shown *shown)
{
	if (!name)
		name = names[e->type];
	if (ctl->json)
		print_json(name, e, info, other_mode(info, shown));
	else
		print_line(name, e, info, shown);
}

static json_object *session_object(const struct rdmareg_event *e,
				   const struct rdmareg_session_info *info)
{
	json_object *o;

	if (info)
		return model_session(info);
	o = json_object_new_object();
	json_object_object_add(o, "uid", json_object_new_uint64(e->session_uid));
	json_object_object_add(o, "name", json_object_new_string(e->session));
	return o;
}

/* What people read of it: "1000:job-7", as region names have it. */
static void print_session_line(const char *name, const struct rdmareg_event *e,
			       const struct rdmareg_session_info *info)
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES];

	print_when();
	printf(" %s %" PRIu32 ":%s", name, e->session_uid, e->session);
	if (e->type == RDMAREG_EVENT_SESSION_REMOVED)
		printf(": %s", rdmareg_end_name(e->end));
	else if (info)
		printf(": %s, %" PRIu32 " of %" PRIu32 " regions, %s of %s registered",
		       rdmareg_session_state_name(info->state), info->regions, info->max_regions,
		       format_size(a, info->bytes), format_size(b, info->max_bytes));
	if (info && info->max_memory_bytes)
		printf(", %s of %s memory", format_size(a, info->memory_current),
		       format_size(b, info->max_memory_bytes));
	putchar('\n');
	ctl_flush();
}

void events_print_session(const struct ctl *ctl, const char *name, const struct rdmareg_event *e,
			  const struct rdmareg_session_info *info)
{
	json_object *o;

	if (!name)
		name = names[e->type];
	if (!ctl->json) {
		print_session_line(name, e, info);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "event", json_object_new_string(name));
	model_add_times(o, e->seen_usec);
	json_object_object_add(o, "session", session_object(e, info));
	if (e->type == RDMAREG_EVENT_SESSION_REMOVED)
		json_object_object_add(o, "reason",
				       json_object_new_string(rdmareg_end_name(e->end)));
	ctl_print_json(o);
}

int events_end_status(const struct rdmareg_event *removed)
{
	if (removed->end != RDMAREG_END_LOST && removed->end != RDMAREG_END_GIVEN_UP)
		return EXIT_OK;
	return ctl_error(EXIT_FAILED,
			 "region %" PRIu64
			 " was not released, it ended by itself (%s): register it again",
			 removed->region, rdmareg_end_name(removed->end));
}

int events_signal_fd(void)
{
	sigset_t stop;
	int fd;

	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		ctl_error(EXIT_FAILED, "waiting for signals: %s", strerror(errno));
	return fd;
}

/* Those that are there. */
static size_t take_some(struct ctl *ctl, uint64_t only, struct rdmareg_event *ret, size_t most)
{
	size_t n = 0;

	while (n < most) {
		ret[n].size = sizeof(*ret);
		if (rdmareg_next_event(ctl->context, &ret[n]) <= 0)
			break;
		n += !only || !ret[n].region || ret[n].region == only;
	}
	return n;
}

static int hand_over(struct ctl *ctl, const struct rdmareg_event *e, events_handle_t *handle,
		     void *userdata)
{
	int r = handle(ctl, e, userdata);

	if (r == EVENTS_GO_ON && e->type == RDMAREG_EVENT_DISCONNECTED)
		return ctl_error(EXIT_FAILED, "the connection to the bus is gone");
	return r;
}

int events_take(struct ctl *ctl, uint64_t only, events_handle_t *handle, void *userdata)
{
	struct rdmareg_event e;
	int r = EVENTS_GO_ON;

	rdmareg_dispatch(ctl->context);
	while (r == EVENTS_GO_ON && take_some(ctl, only, &e, 1))
		r = hand_over(ctl, &e, handle, userdata);
	return r;
}

static int take_together(struct ctl *ctl, uint64_t only, events_prepare_t *prepare,
			 events_handle_t *handle, void *userdata)
{
	static struct rdmareg_event events[EVENTS_TOGETHER];
	int r = EVENTS_GO_ON;
	size_t n;

	rdmareg_dispatch(ctl->context);
	while (r == EVENTS_GO_ON && (n = take_some(ctl, only, events, EVENTS_TOGETHER))) {
		prepare(ctl, events, n, userdata);
		for (size_t i = 0; i < n && r == EVENTS_GO_ON; i++)
			r = hand_over(ctl, &events[i], handle, userdata);
	}
	return r;
}

int events_wait(struct ctl *ctl, uint64_t only, events_handle_t *handle, void *userdata)
{
	return events_wait_together(ctl, only, NULL, handle, userdata);
}

int events_wait_together(struct ctl *ctl, uint64_t only, events_prepare_t *prepare,
			 events_handle_t *handle, void *userdata)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int r;

	fds[0].fd = rdmareg_get_fd(ctl->context);
	fds[1].fd = events_signal_fd();
	if (fds[1].fd < 0)
		return EXIT_FAILED;
	for (;;) {
		r = prepare ? take_together(ctl, only, prepare, handle, userdata)
			    : events_take(ctl, only, handle, userdata);
		if (r != EVENTS_GO_ON)
			break;
		r = EXIT_OK;
		if (ferror(stdout))
			break; /* nobody reads any more; main() says so */
		if (poll(fds, 2, -1) < 0 && errno != EINTR) {
			r = ctl_error(EXIT_FAILED, "waiting for events: %s", strerror(errno));
			break;
		}
		if (fds[1].revents)
			break;
	}
	close(fds[1].fd);
	return r;
}
