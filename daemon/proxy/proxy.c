// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proxy.c - the life of one keeper as the daemon sees it:
 *
 *   CONNECTING -> GREETING -> LISTING -> READY
 *     |    ^         |           |        |  |  ^ asked for something
 *     |    '---------'-----------'--------'  v  |
 *     |    closed: look again               RESTING
 *     | nobody listens: start the process, once
 *     '-> too long: gone if we started it just now, else waited for
 *   any, what it says cannot be -> STRANGE -> tried again later: CONNECTING
 *   any, its process has ended -> gone
 *
 * A keeper exits when it has held nothing and had no connection for a while. So we let go of one
 * that holds nothing, but keep it in mind, and in its tenant's account, until its process is gone.
 *
 * Whether a keeper listens is found out by connecting: its socket is bound before it starts, so
 * there is nothing to wait on. Attempts follow a timer that doubles, from 2 ms.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "proxy/proxy.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/process.h"
#include "util/text.h"

#define RETRY_FIRST_USEC (2 * USEC_PER_MSEC)
#define STARTS_MAX 2
#define RETRY_START_USEC (128 * USEC_PER_MSEC) /* at most, while it starts or waits for an id */
#define RETRY_LAST_USEC (30 * USEC_PER_SEC)
#define STABLE_USEC (10 * USEC_PER_SEC) /* a connection that lasted so long was no mistake */
#define COMPLAINT_FIRST_USEC USEC_PER_SEC
#define COMPLAINT_LAST_USEC (30 * USEC_PER_SEC)
#define REST_AFTER_USEC USEC_PER_SEC
#define RETIRE_USEC USEC_PER_SEC /* for one that is told to end: it has nothing to do before */
#define REBUFFS_MAX \
	4 /* greetings, one after the other, upon which an earlier daemon's keeper hangs up */

static void proxy_freep(struct proxy **k)
{
	proxy_free(*k);
}

static void set_timer(struct event *timer, uint64_t usec)
{
	const struct timeval t = timeval_from_usec(usec);

	event_add(timer, &t);
}

/*
 * Few start at a time, so that each gets ready in the time it has, which counts from its own start.
 * False: it has to wait for its turn.
 */
static bool begin_start(struct proxy *k)
{
	if (!k->starting && k->set->starting >= STARTS_MAX) {
		if (!k->queued)
			k->queued = ++k->set->next_queued;
		event_del(k->patience);
		return false;
	}
	k->queued = 0;
	k->set->starting += !k->starting;
	k->starting = true;
	if (!k->awaits_id)
		set_timer(k->patience, k->set->settings->timeout_msec * USEC_PER_MSEC);
	return true;
}

/* It is ready, or will not be: the next one's turn. */
static void end_start(struct proxy *k)
{
	struct proxy *other, *next = NULL;

	k->queued = 0;
	if (!k->starting)
		return;
	k->starting = false;
	k->set->starting--;
	LIST_FOREACH(other, &k->set->keepers, keepers)
		if (other->queued && (!next || other->queued < next->queued))
			next = other;
	if (next)
		set_timer(next->retry, 0);
}

void proxy_came_through(struct proxy *k)
{
	if (!k->found)
		return;
	k->found = false;
	if (!--k->set->waiting && !k->set->adopted)
		event_active(k->set->all_through, 0, 0);
}

static void leave_ready(struct proxy *k)
{
	if (k->phase == PHASE_READY)
		k->set->ready--;
}

/* Somebody may have something in it. */
static bool holds(const struct proxy *k)
{
	return (k->note.listed || k->note.from_record) && !k->rested;
}

bool proxy_has_ended(const struct proxy *k)
{
	struct pollfd p = { .fd = k->pidfd, .events = POLLIN };

	return k->pidfd >= 0 && poll(&p, 1, 0) == 1;
}

static uint64_t doubled(uint64_t first_usec, unsigned int n, uint64_t last_usec)
{
	return n < 20 && first_usec << n < last_usec ? first_usec << n : last_usec;
}

static bool holds_nothing(const struct proxy *k)
{
	return LIST_EMPTY(&k->note.list) && TAILQ_EMPTY(&k->operations);
}

/*
 * It does not speak with us, or said what cannot be. It may be a keeper of another version, and
 * have regions that peers use. So it is left alone with them, but tried again now and then.
 */
static void become_strange(struct proxy *k, const struct failure *why)
{
	uint64_t again = doubled(COMPLAINT_FIRST_USEC, k->complaints, COMPLAINT_LAST_USEC);

	snprintf(
		k->trouble, sizeof(k->trouble),
		"keeper %s (pid %d): %.300s; it is left alone with what it holds, and tried again: %s",
		k->name, k->pid, why->text,
		proxy_is_foreign(k)
			? "run a version of rdmareg that speaks one of the keeper's, or release all of "
			  "its regions, which ends the process"
			: "end the process to free the tenant");
	log_about(k->complaints++ ? LOG_DEBUG : LOG_ERR,
		  LOG_FIELDS(.message = LOG_MESSAGE_KEEPER_ESTRANGED, .tenant = k->name,
			     .pid = (uint32_t)k->pid),
		  "%s", k->trouble);
	leave_ready(k);
	k->phase = PHASE_STRANGE;
	k->estranged = true;
	k->link = link_free(k->link);
	proxy_start_over(k);
	end_start(k);
	event_del(k->patience);
	set_timer(k->retry, again);
	proxy_watch_end(k);
	k->set->handlers->estranged(k->set->userdata, k);
	proxy_came_through(k);
	proxy_drop_operations(k, -EPROTO, k->trouble);
	if (proxy_is_foreign(k) && k->note.from_record && holds_nothing(k) && proxy_retire(k))
		log_notice(
			"keeper %s: it holds nothing, and can be asked for nothing: its process (%d) is to end",
			k->name, k->pid);
}

static void remove_for(struct proxy *k, const struct failure *why)
{
	if (k->dying)
		return;
	if (k->unwanted)
		log_notice("keeper %s: ended, and its %" PRIu32 " regions of uid %" PRIu32
			   " are released as they were to be",
			   k->name, k->note.regions, k->uid);
	else if (k->note.regions || !TAILQ_EMPTY(&k->operations))
		log_about(LOG_ERR,
			  LOG_FIELDS(.message = LOG_MESSAGE_KEEPER_LOST, .pid = (uint32_t)k->pid),
			  "keeper %s: lost with %" PRIu32 " regions of uid %" PRIu32 ": %s",
			  k->name, k->note.regions, k->uid, why->text);
	else
		log_info("keeper %s: gone: %s", k->name, why->text);
	k->dying = true;
	/* one of ours that never came to anything */
	if (k->pidfd >= 0 && k->ours && !holds(k))
		pidfd_send_signal(k->pidfd, SIGKILL, NULL, 0);
	k->link = link_free(k->link);
	proxy_instance_forget(k);
	leave_ready(k);
	end_start(k);
	LIST_REMOVE(k, keepers);
	proxy_answer_all(k, why->code, why->text);
	k->set->handlers->gone(k->set->userdata, k, why->text);
	proxy_came_through(k);
	proxy_free(k);
}

void proxy_remove(struct proxy *k, int error, const char *format, ...)
{
	struct failure why;
	va_list args;

	va_start(args, format);
	fail_va(&why, error, format, args);
	va_end(args);
	remove_for(k, &why);
}

/*
 * It will not do. One that we started and that holds nothing is ended; what is in any other is not
 * ours to end.
 */
static void reject(struct proxy *k, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void reject(struct proxy *k, const char *format, ...)
{
	struct failure why;
	va_list args;

	va_start(args, format);
	fail_va(&why, -EPIPE, format, args);
	va_end(args);
	if (k->ours && !holds(k))
		remove_for(k, &why);
	else
		become_strange(k, &why);
}

static const char *send_plain(struct proxy *k, enum keeper_type type)
{
	struct keeper_message m = { .type = type, .operation = ++k->set->next_operation };

	if (type == KEEPER_HELLO) {
		m.hello.versions = keeper_versions;
		m.hello.log_level = (uint32_t)log_level() + 1;
		k->log_level = log_level();
	}
	k->list_operation = m.operation;
	return link_send(k->link, &m) < 0 ? "it does not read, its socket is full" : NULL;
}

/* "version 5", "versions 5 to 7" */
static const char *name_versions(char text[static 32], const struct keeper_versions *v)
{
	if (v->min == v->max)
		snprintf(text, 32, "version %" PRIu32, v->min);
	else
		snprintf(text, 32, "versions %" PRIu32 " to %" PRIu32, v->min, v->max);
	return text;
}

/*
 * The version that is spoken follows from both ranges. NULL, or the complaint: that there is none
 * is no lie, but of no use either.
 */
static const char *take_versions(struct proxy *k, const struct keeper_welcome *w)
{
	static const struct keeper_versions *ours = &keeper_versions;
	char range[2][32];

	*k->mismatch = 0;
	k->welcome.version = 0;
	k->welcome.versions = w->versions;
	if (!keeper_versions_are_sound(&w->versions))
		return "versions that cannot be";
	if (w->version != keeper_version_choose(ours, &w->versions))
		return "another version than the highest that both of us speak";
	if (w->version)
		return NULL;
	snprintf(k->mismatch, sizeof(k->mismatch),
		 "it speaks %s of the keeper protocol, and this rdmaregd speaks %s",
		 name_versions(range[0], &w->versions), name_versions(range[1], ours));
	return k->mismatch;
}

static const char *on_welcome(struct proxy *k, const struct keeper_message *m)
{
	const char *complaint;

	if (m->type != KEEPER_WELCOME || m->operation != k->list_operation)
		return "no greeting";
	if (m->welcome.uid != k->uid || strcmp(m->welcome.session, k->session))
		return "a greeting in another tenant's name";
	complaint = take_versions(k, &m->welcome);
	if (complaint)
		return complaint;
	k->welcome = m->welcome;
	/* what a later version has there is anything */
	k->welcome.program[sizeof(k->welcome.program) - 1] = 0;
	complaint = k->set->handlers->opened(k->set->userdata, k);
	if (complaint)
		return complaint;
	k->phase = PHASE_LISTING;
	k->set->handlers->list_begins(k->set->userdata, k);
	return send_plain(k, KEEPER_LIST);
}

void proxy_tell_log_level(struct proxy *k)
{
	const struct keeper_message m = { .type = KEEPER_LOG, .log.level = (uint32_t)log_level() };

	if (k->phase != PHASE_READY || k->log_level == log_level())
		return;
	if (proxy_request(k, &m, -1, 0, NULL) == 0)
		k->log_level = log_level();
	else
		log_warning("keeper %s: cannot be told how much it is to log", k->name);
}

bool proxy_is_idle(const struct proxy *k)
{
	return (k->phase == PHASE_READY || k->phase == PHASE_RESTING) && holds_nothing(k);
}

/* Called whenever that may have changed. */
static void look_for_rest(struct proxy *k)
{
	if (k->phase != PHASE_READY || !holds_nothing(k))
		event_del(k->rest);
	else if (!event_pending(k->rest, EV_TIMEOUT, NULL))
		set_timer(k->rest, REST_AFTER_USEC);
}

static void on_rest(evutil_socket_t fd, short what, void *userdata)
{
	struct proxy *k = userdata;

	(void)fd, (void)what;
	if (k->phase != PHASE_READY || !holds_nothing(k))
		return;
	if (!proxy_watch_end(k)) /* then it stays connected, which costs little */
		return;
	log_debug("keeper %s: holds nothing", k->name);
	if ((k->over || k->superseded) && !k->retired)
		proxy_retire(k);
	leave_ready(k);
	k->phase = PHASE_RESTING;
	k->rested = true;
	k->link = link_free(k->link);
}

bool proxy_retire(struct proxy *k)
{
	/* whoever waits for its port has as long as a keeper has to get ready */
	uint64_t half = k->set->settings->timeout_msec * USEC_PER_MSEC / 2;

	if (k->pidfd < 0 || pidfd_send_signal(k->pidfd, SIGTERM, NULL, 0) < 0)
		return false; /* it ends already, or is nobody's to end */
	k->retired = true;
	set_timer(k->retiring, half < RETIRE_USEC ? half : RETIRE_USEC);
	return true;
}

static void on_flush(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	proxy_flush(userdata);
}

/* It is stopped, hangs, or does not obey. */
static void on_retiring(evutil_socket_t fd, short what, void *userdata)
{
	struct proxy *k = userdata;

	(void)fd, (void)what;
	if (!holds_nothing(k) || k->pidfd < 0)
		return;
	log_warning(
		"keeper %s: pid %d holds nothing and did not end when it was told to: it is killed",
		k->name, k->pid);
	if (pidfd_send_signal(k->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		log_error("keeper %s: pid %d cannot be killed: %m; end it", k->name, k->pid);
}

static const char *on_listing(struct proxy *k, const struct keeper_message *m)
{
	if (m->operation && m->operation != k->list_operation)
		return "an answer to nothing that was asked";
	if (!m->operation && m->type == KEEPER_RESYNC) /* that is under way */
		return NULL;
	if (!m->operation)
		return k->set->handlers->told(k->set->userdata, k, m);
	if (m->type == KEEPER_REGION || m->type == KEEPER_PEER)
		return k->set->handlers->listed(k->set->userdata, k, m);
	if (m->type != KEEPER_DONE || m->done.error)
		return "it cannot list its regions";
	proxy_ask_again(k);
	k->phase = PHASE_READY;
	k->listing = k->rested = k->silent = k->estranged = false;
	k->attempts = 0;
	k->set->ready++;
	end_start(k);
	if (k->spawned) /* its start took them: it has not failed yet */
		k->attempt = 0;
	k->ready_usec = now_monotonic_usec();
	event_del(k->patience);
	k->set->handlers->list_done(k->set->userdata, k);
	proxy_came_through(k);
	log_info("keeper %s: ready, pid %d, version %" PRIu32 ", %" PRIu32 " regions", k->name,
		 k->pid, k->welcome.version, k->note.regions);
	proxy_refresh_quirks(k);
	proxy_tell_log_level(k);
	proxy_flush(k);
	return NULL;
}

static const char *on_event(struct proxy *k, const struct keeper_message *m)
{
	if (m->type == KEEPER_PROGRESS) {
		proxy_progressed(k, &m->progress);
		return NULL;
	}
	if (m->type == KEEPER_RESYNC) {
		log_write(
			k->resyncs++ ? LOG_DEBUG : LOG_NOTICE,
			"keeper %s: we did not read in time what it told us: it lists everything again",
			k->name);
		proxy_list_again(k);
		return NULL;
	}
	return k->set->handlers->told(k->set->userdata, k, m);
}

static const char *on_received(void *userdata, const struct keeper_message *m, int *fd)
{
	const char *complaint = "a packet out of turn";
	struct proxy *k = userdata;

	switch (k->phase) {
	case PHASE_GREETING:
		complaint = on_welcome(k, m);
		break;
	case PHASE_LISTING:
		complaint = on_listing(k, m);
		break;
	case PHASE_READY:
		complaint = m->operation ? proxy_answer(k, m, fd) : on_event(k, m);
		break;
	case PHASE_CONNECTING:
	case PHASE_RESTING:
	case PHASE_STRANGE:
		break;
	}
	if (!complaint)
		look_for_rest(k);
	return complaint;
}

static void on_writable(void *userdata)
{
	proxy_flush(userdata);
}

/*
 * The connection ended. Whether the keeper did, its process says. One that holds nothing and was
 * not ready yet was about to exit, unless somebody still listens there.
 */
static void on_lost(void *userdata, const char *complaint)
{
	struct proxy *k = userdata;
	struct failure why;

	if (complaint) {
		/* what it sent, or a sentence about it */
		reject(k, "%s%s", strncmp(complaint, "it ", 3) ? "it sent " : "", complaint);
		return;
	}
	if (holds(k) && proxy_has_ended(k)) {
		proxy_describe_end(k, &why);
		remove_for(k, &why);
		return;
	}
	if (holds(k) && k->phase == PHASE_READY && !k->retired)
		log_notice(
			"keeper %s: the connection ended; its process (%d) has not, so far: connecting again",
			k->name, k->pid);
	k->rebuffs = k->phase == PHASE_GREETING ? k->rebuffs + 1 : 0;
	if (k->rebuffs > REBUFFS_MAX && !k->ours && !proxy_has_ended(k)) {
		char range[32];

		snprintf(
			k->mismatch, sizeof(k->mismatch),
			"it hangs up when it is greeted, so it does not speak %s of the keeper protocol, as this "
			"rdmaregd does",
			name_versions(range, &keeper_versions));
		fail(&why, -EPROTO, "%s", k->mismatch);
		become_strange(k, &why);
		return;
	}
	if (k->phase == PHASE_READY && now_monotonic_usec() - k->ready_usec > STABLE_USEC)
		k->attempt = 0;
	leave_ready(k);
	k->phase = PHASE_CONNECTING;
	k->link = link_free(k->link);
	proxy_start_over(k);
	if (holds(k))
		proxy_watch_end(k);
	if (!event_pending(k->patience, EV_TIMEOUT, NULL) && !k->silent)
		set_timer(k->patience, k->set->settings->timeout_msec * USEC_PER_MSEC);
	set_timer(k->retry, doubled(RETRY_FIRST_USEC, k->attempt++, RETRY_LAST_USEC));
}

static bool expects_descriptor(void *userdata)
{
	const struct proxy *k = userdata;

	return k->descriptors_due > 0;
}

static void drop_descriptor(void *userdata, int fd)
{
	const struct proxy *k = userdata;

	offload_close(k->set->offload, fd, k->uid);
}

static const struct link_handlers link_handlers = {
	.received = on_received,
	.expects_descriptor = expects_descriptor,
	.drop_descriptor = drop_descriptor,
	.writable = on_writable,
	.lost = on_lost,
};

/* Somebody listens: is it whom the name promises? */
static void greet(struct proxy *k)
{
	const char *why = "it cannot be seen who listens there";
	uid_t uid = (uid_t)-1;
	int pidfd = -1;
	pid_t pid;

	k->phase = PHASE_GREETING;
	k->attempts++;
	if (link_peer(k->link, &pid, &uid, &pidfd) == 0)
		why = proxy_instance_check(k, pid, uid);
	if (why) {
		closep(&pidfd);
		k->link = link_free(k->link);
		reject(k, "%s", why);
		return;
	}
	k->pid = pid;
	if (k->ended) /* from now on the connection tells */
		event_free(k->ended);
	k->ended = NULL;
	if (pidfd >= 0) { /* and who listens is who is meant */
		closep(&k->pidfd);
		k->pidfd = pidfd;
	}
	/* it is still there afterwards, so the number was no other's yet */
	k->started = process_start(pid);
	if (proxy_has_ended(k))
		k->started = 0;
	k->set->handlers->known(k->set->userdata, k->pid, k->started);
	k->unit = spawn_unit_free(k->unit);
	if (send_plain(k, KEEPER_HELLO))
		reject(k, "it does not read, its socket is full");
}

/*
 * One attempt. What it cannot settle at once it leaves to the retry timer, so that no handler is
 * called from here.
 */
static void try_connect(struct proxy *k)
{
	uint64_t again = doubled(RETRY_FIRST_USEC, k->attempt,
				 k->spawned ? RETRY_START_USEC : RETRY_LAST_USEC);
	struct failure why;
	int r = -EAGAIN;

	/*
	 * each connection of one that sends what it should not can leave descriptors that wait to
	 * be closed
	 */
	if (!proxy_instance_awaited(k) &&
	    !(k->complaints && offload_is_choked(k->set->offload, k->uid)))
		r = link_connect(&k->link, k->set->base, k->path, &link_handlers, k);
	if (r == 0) {
		greet(k);
		return;
	}
	fail(&why, r, "its socket %s cannot be connected to: %s", k->path, strerror(-r));
	if (holds(k) && k->pidfd >= 0) { /* it lives, or its end is about to be told */
		k->attempt++;
		set_timer(k->retry, again);
		return;
	}
	if ((r == -ENOENT || r == -ECONNREFUSED) && !k->spawned) {
		/* nobody wants a new one */
		if (holds(k) || (!k->note.expected && TAILQ_EMPTY(&k->operations))) {
			proxy_remove(k, -EPIPE, "nobody listens any more");
			return;
		}
		/* where the port is a setting, there is only one for both */
		if (k->set->settings->port && pool_one_retires(k->set, k->uid, k->session)) {
			set_timer(k->retry, RETRY_FIRST_USEC);
			return;
		}
		if (!begin_start(k))
			return;
		r = proxy_start(k, &why);
		/* nobody is kept out by who holds nothing */
		k->awaits_id = r == -EUSERS && pool_make_room(k->set);
		if (k->awaits_id) {
			set_timer(k->retry,
				  doubled(RETRY_FIRST_USEC, k->attempt++, RETRY_START_USEC));
			return;
		}
	}
	if (r == 0 || r == -ENOENT || r == -ECONNREFUSED || r == -EAGAIN) {
		k->attempt++;
		set_timer(k->retry, again);
		return;
	}
	proxy_remove(k, -ECHILD, "%s", why.text);
}

static void on_retry(evutil_socket_t fd, short what, void *userdata)
{
	struct proxy *k = userdata;

	(void)fd, (void)what;
	if (k->phase == PHASE_STRANGE)
		proxy_begin(k);
	else
		try_connect(k);
}

/*
 * It may be stopped, or have no memory. Nobody waits for it any longer, but whenever it answers it
 * is welcome.
 */
static void on_out_of_patience(evutil_socket_t fd, short what, void *userdata)
{
	struct proxy *k = userdata;

	(void)fd, (void)what;
	if (k->awaits_id) {
		proxy_remove(k, -ECHILD, NO_ID);
		return;
	}
	if (k->ours && !holds(k)) {
		proxy_remove(k, -EPIPE, "it did not get ready in time");
		return;
	}
	k->silent = true;
	log_about(LOG_WARNING,
		  LOG_FIELDS(.message = LOG_MESSAGE_KEEPER_LATE, .pid = (uint32_t)k->pid),
		  "keeper %s: its process (%d) has not answered within %" PRIu64
		  " ms; it is not ended, and its regions stay as they are",
		  k->name, k->pid, k->set->settings->timeout_msec);
	proxy_came_through(k);
	proxy_all_late(k);
}

void proxy_begin(struct proxy *k)
{
	proxy_start_over(k);
	if (holds(k))
		proxy_watch_end(k);
	k->phase = PHASE_CONNECTING;
	k->attempt = 0;
	set_timer(k->patience, k->set->settings->timeout_msec * USEC_PER_MSEC);
	set_timer(k->retry, 0);
}

int proxy_new(struct proxy **ret, struct pool *ks, uint32_t uid, const char *session,
	      uint32_t instance)
{
	_cleanup_(proxy_freep) struct proxy *k = calloc(1, sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->set = ks;
	k->number = ++ks->last_number;
	k->uid = uid;
	k->pidfd = -1;
	TAILQ_INIT(&k->operations);
	LIST_INIT(&k->note.list);
	snprintf(k->session, sizeof(k->session), "%s", session);
	snprintf(k->name, sizeof(k->name), "%" PRIu32 "/%s", uid, k->session);
	k->retry = evtimer_new(ks->base, on_retry, k);
	k->patience = evtimer_new(ks->base, on_out_of_patience, k);
	k->rest = evtimer_new(ks->base, on_rest, k);
	k->retiring = evtimer_new(ks->base, on_retiring, k);
	k->flush = event_new(ks->base, -1, 0, on_flush, k);
	if (!k->retry || !k->patience || !k->rest || !k->retiring || !k->flush)
		return -ENOMEM;
	ks->handlers->limits(ks->userdata, uid, session, &k->limits);
	r = instance ? proxy_instance_find(k, instance) : proxy_instance_new(k);
	if (r < 0)
		return r;
	*ret = steal_pointer(k);
	return 0;
}

struct proxy *proxy_free(struct proxy *k)
{
	if (!k)
		return NULL;
	proxy_start_over(k);
	closep(&k->pidfd);
	link_free(k->link);
	if (k->retry)
		event_free(k->retry);
	if (k->patience)
		event_free(k->patience);
	if (k->rest)
		event_free(k->rest);
	if (k->retiring)
		event_free(k->retiring);
	if (k->flush)
		event_free(k->flush);
	record_free(k->record);
	free(k->path);
	free(k->record_path);
	free(k);
	return NULL;
}
