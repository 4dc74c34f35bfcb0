// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * session.c - see session.h. What always holds: the connection yields to revocations by the
 * library's own hand unless it was told not to; a signal is noticed between two operations, or
 * while a settling is waited for, and never cuts an operation.
 */
#include "session.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "model.h"

static volatile sig_atomic_t stopped;

static void on_stop(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

bool session_stopped(const struct session *s)
{
	(void)s;
	return stopped;
}

static void print_event(const struct rdmareg_peer_event *e, bool several)
{
	static const char *const names[] = {
		[RDMAREG_PEER_EVENT_ASKED] = "asked",
		[RDMAREG_PEER_EVENT_ACKNOWLEDGED] = "acknowledged",
		[RDMAREG_PEER_EVENT_SETTLED] = "settled",
		[RDMAREG_PEER_EVENT_LENGTH_CHANGED] = "length-changed",
		[RDMAREG_PEER_EVENT_DISCONNECTED] = "disconnected",
		[RDMAREG_PEER_EVENT_PATH_CHANGED] = "path-changed",
		[RDMAREG_PEER_EVENT_BYPASSED] = "bypassed",
		[RDMAREG_PEER_EVENT_RECONNECTED] = "reconnected",
	};
	json_object *o = json_object_new_object();

	json_object_object_add(o, "event", json_object_new_string(names[e->type]));
	if (several)
		json_object_object_add(o, "rail", json_object_new_int((int)e->rail));
	model_add_times(o, e->seen_usec);
	if (e->type == RDMAREG_PEER_EVENT_ASKED || e->type == RDMAREG_PEER_EVENT_ACKNOWLEDGED)
		json_object_object_add(o, "revocation", model_revocation(&e->revocation));
	if (e->type == RDMAREG_PEER_EVENT_SETTLED) {
		json_object *v = json_object_new_object();

		json_object_object_add(v, "id", json_object_new_uint64(e->revocation.id));
		json_object_object_add(o, "revocation", v);
		json_object_object_add(o, "outcome",
				       json_object_new_string(rdmareg_outcome_name(e->outcome)));
	}
	if (e->type == RDMAREG_PEER_EVENT_SETTLED || e->type == RDMAREG_PEER_EVENT_LENGTH_CHANGED) {
		json_object_object_add(o, "valid_length", json_object_new_uint64(e->valid_length));
		json_object_object_add(o, "generation", json_object_new_uint64(e->generation));
	}
	if (e->type == RDMAREG_PEER_EVENT_BYPASSED) {
		json_object_object_add(o, "offset", json_object_new_uint64(e->offset));
		json_object_object_add(o, "length", json_object_new_uint64(e->length));
	}
	if (e->type == RDMAREG_PEER_EVENT_PATH_CHANGED)
		json_object_object_add(
			o, "path_state",
			json_object_new_string(rdmareg_path_state_name(e->path_state)));
	if (e->type == RDMAREG_PEER_EVENT_DISCONNECTED)
		json_object_object_add(o, "error", json_object_new_string(strerror(-e->error)));
	ctl_print_json(o);
}

/* Once, and at once: a failure has the last word. */
static void tell_bypass(const struct session *s)
{
	if (s->shown_usec)
		fputs("\r\033[K", stderr);
	ctl_error(EXIT_OK, s->writes ? "blocks of the file were freed during the transfer: what "
				       "was written there may be lost"
				     : "blocks of the file were freed during the transfer: what "
				       "was read there may be old data or new");
}

static void on_event(const struct rdmareg_peer_event *e, void *userdata)
{
	struct session *s = userdata;

	if (e->type == RDMAREG_PEER_EVENT_ASKED)
		s->revocations++;
	if (e->type == RDMAREG_PEER_EVENT_ACKNOWLEDGED)
		s->acknowledged++;
	if (e->type == RDMAREG_PEER_EVENT_SETTLED)
		s->settled++;
	if (e->type == RDMAREG_PEER_EVENT_BYPASSED && !s->bypasses++)
		tell_bypass(s);
	if (e->type == RDMAREG_PEER_EVENT_DISCONNECTED && s->n_rails)
		s->n_rails--;
	if (e->type == RDMAREG_PEER_EVENT_RECONNECTED)
		s->n_rails++;
	if (s->timeline)
		print_event(e, s->several);
}

/* The first line of a stream, without its end; malformed tickets are the library's to refuse. */
static int read_ticket(const char *where, char *ticket, size_t bytes)
{
	FILE *f = where[0] == '@' ? fopen(where + 1, "re") : stdin;
	int status = EXIT_OK;

	if (!f)
		return ctl_not_opened(where + 1, "");
	if (!fgets(ticket, (int)bytes, f))
		status = ctl_error(EXIT_FAILED, "reading a ticket from %s: it is empty",
				   where[0] == '@' ? where + 1 : "standard input");
	else
		ticket[strcspn(ticket, "\r\n")] = 0;
	if (f != stdin)
		fclose(f);
	return status;
}

/* With --first those that come after one count as there, until they are tried. */
static void count_rails(struct session *s, const char *tickets, bool first_only)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	s->several = strchr(tickets, ' ');
	s->n_rails = (unsigned int)rdmareg_rails_get_info(s->rails, RDMAREG_ALL_RAILS, &info);
	for (; first_only && *tickets; tickets++)
		s->n_rails += *tickets == ' ';
}

static void catch_signals(void)
{
	/* Without SA_RESTART: a wait for a settling is to end. */
	struct sigaction a = { .sa_handler = on_stop };

	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGALRM, &a, NULL);
}

void session_set_end(struct session *s, uint64_t after_usec)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec at = {
		.it_value = { (time_t)(after_usec / 1000000), (long)(after_usec % 1000000) * 1000 },
		/*
		 * Again and again: one that comes between a look at the flag and a wait must not be
		 * the last.
		 */
		.it_interval = { 0, 100000000 },
	};
	timer_t timer;

	(void)s;
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
		timer_settime(timer, 0, &at, NULL);
}

/* Unknown is no reason to speak: it never had a name, or an older host does not say. */
static bool has_left(const struct rdmareg_peer_info *info)
{
	return info->path_state == RDMAREG_PATH_MOVED || info->path_state == RDMAREG_PATH_DELETED;
}

/* The region still has that file, but who looks at the path there sees another, or none. */
static void tell_path(const struct session *s)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	rdmareg_rails_get_info(s->rails, RDMAREG_ALL_RAILS, &info);
	if (has_left(&info))
		ctl_error(EXIT_OK,
			  "the file of the region was %s there; what is reached is still that file",
			  rdmareg_path_state_name(info.path_state));
}

int session_begin(struct session *s, const struct ctl *ctl, const struct session_options *o,
		  const char *ticket, enum rdmareg_access access, bool data_on_stdout)
{
	struct rdmareg_peer_options po = {
		.size = sizeof(po),
		.source_address = o->source,
		.connect_timeout_usec = o->timeout_usec,
		.settle_timeout_usec = o->settle_usec,
		.buffer_bytes = 2 * SESSION_CHUNK,
		.on_revocation = o->ignore_revocations ? RDMAREG_ON_REVOCATION_IGNORE
						       : RDMAREG_ON_REVOCATION_YIELD,
		.on_event = on_event,
		.userdata = s,
	};
	const struct rdmareg_rails_options ro = { .size = sizeof(ro),
						  .peer = &po,
						  .stripe_bytes = o->stripe_bytes,
						  .first_only = o->first_only };
	char line[1024];
	int r;

	*s = (struct session){ .ctl = ctl,
			       .timeline = o->timeline,
			       .writes = access == RDMAREG_ACCESS_READ_WRITE,
			       .people = data_on_stdout ? stderr : stdout };
	if (data_on_stdout && (o->timeline || ctl->json))
		return ctl_error(
			EXIT_USAGE,
			"standard output carries the data: no --json or --timeline beside it");
	if (!strcmp(ticket, "-") || ticket[0] == '@') {
		r = read_ticket(ticket, line, sizeof(line));
		if (r)
			return r;
		ticket = line;
	}
	catch_signals();
	r = rdmareg_rails_connect(ticket, access, &ro, &s->rails);
	if (r < 0)
		return r == -EINVAL ? ctl_error(EXIT_USAGE, "%s", rdmareg_last_error())
				    : ctl_failed(r);
	count_rails(s, ticket, o->first_only);
	tell_path(s);
	s->started_usec = now_usec();
	return EXIT_OK;
}

int session_check_range(struct session *s, const char *verb, uint64_t offset, uint64_t length)
{
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	rdmareg_rails_get_info(s->rails, RDMAREG_ALL_RAILS, &info);
	if (offset < info.length && length <= info.length - offset)
		return EXIT_OK;
	if (length)
		return ctl_error(EXIT_FAILED,
				 "nothing was %s: %" PRIu64 " bytes at offset %" PRIu64
				 " are not all inside; the region has %" PRIu64 " bytes",
				 verb, length, offset, info.length);
	return ctl_error(EXIT_FAILED,
			 "nothing was %s: offset %" PRIu64 " is not inside; the region has %" PRIu64
			 " bytes",
			 verb, offset, info.length);
}

void session_wait(struct session *s)
{
	struct pollfd fd = { .fd = rdmareg_rails_get_fd(s->rails), .events = POLLIN };
	struct timespec longest = { .tv_sec = 60 };
	sigset_t block, before;

	/*
	 * Blocked between the look at the flag and the wait, so that a signal in between ends the
	 * wait too.
	 */
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, &before);
	if (!stopped)
		ppoll(&fd, 1, &longest, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	rdmareg_rails_dispatch(s->rails);
}

void session_progress(struct session *s, uint64_t done, uint64_t total)
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES], c[FORMAT_BYTES];
	uint64_t now = now_usec(), elapsed = now - s->started_usec;

	if (s->ctl->json || s->timeline || now - s->shown_usec < 200000 || elapsed < 200000 ||
	    !ctl_is_terminal(STDERR_FILENO))
		return;
	s->shown_usec = now;
	fprintf(stderr, "\r%s%s%s, %s/s\033[K", format_size(a, done), total ? " of " : "",
		total ? format_size(b, total) : "",
		format_size(c, (uint64_t)((double)s->bytes * 1e6 / (double)elapsed)));
}

/* What was achieved of it. */
static const char *persisted(const struct session *s, const struct rdmareg_peer_info *info)
{
	if (!s->persisted)
		return "";
	return info->persists_by_flush ? ", made durable by RDMA FLUSH"
				       : ", made durable by its keeper";
}

static void print_summary(struct session *s, const char *verb, uint64_t elapsed, int status)
{
	char a[FORMAT_BYTES], b[FORMAT_BYTES], c[FORMAT_BYTES];
	struct rdmareg_peer_info info = { .size = sizeof(info) };

	rdmareg_rails_get_info(s->rails, RDMAREG_ALL_RAILS, &info);
	if (s->shown_usec)
		fputs("\r\033[K", stderr);
	if (s->ctl->json || s->timeline) {
		json_object *o = json_object_new_object();

		if (s->timeline) {
			struct timespec t;

			clock_gettime(CLOCK_BOOTTIME, &t);
			json_object_object_add(o, "event", json_object_new_string("summary"));
			model_add_times(o,
					(uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000);
		}
		json_object_object_add(o, "bytes", json_object_new_uint64(s->bytes));
		json_object_object_add(o, "operations", json_object_new_uint64(s->operations));
		json_object_object_add(o, "passes", json_object_new_uint64(s->passes));
		json_object_object_add(o, "revocations", json_object_new_uint64(s->revocations));
		json_object_object_add(o, "acknowledged", json_object_new_uint64(s->acknowledged));
		json_object_object_add(o, "settled", json_object_new_uint64(s->settled));
		json_object_object_add(
			o, "durability",
			json_object_new_string(rdmareg_durability_name(info.durability)));
		json_object_object_add(
			o, "path_state",
			json_object_new_string(rdmareg_path_state_name(info.path_state)));
		json_object_object_add(o, "bypasses", json_object_new_uint64(s->bypasses));
		json_object_object_add(o, "persisted", json_object_new_boolean(s->persisted));
		json_object_object_add(o, "connected", json_object_new_boolean(s->n_rails > 0));
		json_object_object_add(o, "elapsed_usec", json_object_new_uint64(elapsed));
		ctl_print_json(o);
		return;
	}
	if (status)
		return;
	fprintf(s->people,
		"%s %s in %s (%s/s), %" PRIu64 " operations, %" PRIu64
		" revocations, connection %s, %s%s%s%s\n",
		verb, format_size(a, s->bytes), format_time(b, elapsed),
		format_size(c, elapsed ? (uint64_t)((double)s->bytes * 1e6 / (double)elapsed)
				       : s->bytes),
		s->operations, s->revocations, s->n_rails ? "kept" : "lost",
		rdmareg_durability_name(info.durability), persisted(s, &info),
		has_left(&info) ? ", file " : "",
		has_left(&info) ? rdmareg_path_state_name(info.path_state) : "");
}

void session_end(struct session *s, const char *verb, int status)
{
	if (!s->rails)
		return;
	print_summary(s, verb, now_usec() - s->started_usec, status);
	s->rails = rdmareg_rails_close(s->rails);
}
