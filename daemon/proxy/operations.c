// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * operations.c - what a keeper was asked and has not answered. Operations leave in the order in
 * which they were asked; those that found no room wait at the end of the list.
 *
 * An operation is taken out of list and tree before its answer is handed on, so that a handler
 * finds the keeper in order.
 *
 * One that is late has been answered, by us, but stays: the keeper may do it yet, and what it does
 * must not be left over.
 */
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/proxy.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

#define LATE_MAX 1024 /* of one keeper: then it is asked nothing more until it answers */

static int compare(const void *a, const void *b)
{
	const struct operation *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static struct operation *find(struct proxy *k, uint64_t number)
{
	struct operation key = { .number = number }, **node = tfind(&key, &k->by_number, compare);

	return node ? *node : NULL;
}

static void operation_free(struct operation *o)
{
	if (o->timer)
		event_free(o->timer);
	offload_close(o->keeper->set->offload, o->fd, o->keeper->uid);
	free(o);
}
DEFINE_FREEP(struct operation, operation_free)

static bool may_bring_descriptor(const struct operation *o)
{
	return o->message.type == KEEPER_FILE || o->message.type == KEEPER_IMPORT;
}

static void take_out(struct operation *o)
{
	if (o->keeper->unsent == o)
		o->keeper->unsent = TAILQ_NEXT(o, operations);
	TAILQ_REMOVE(&o->keeper->operations, o, operations);
	o->keeper->asked--;
	o->keeper->descriptors_due -= may_bring_descriptor(o);
	o->keeper->late -= o->late;
	tdelete(o, &o->keeper->by_number, compare);
}

static void on_timeout(evutil_socket_t fd, short what, void *userdata)
{
	struct operation *o = userdata;

	(void)fd, (void)what;
	proxy_be_late(o);
}

static void start_timer(struct operation *o)
{
	const struct timeval t = timeval_from_usec(o->timeout_msec * USEC_PER_MSEC);

	if (!o->late && !event_pending(o->timer, EV_TIMEOUT, NULL))
		event_add(o->timer, &t);
}

uint32_t proxy_asked(const struct proxy *k)
{
	return k->asked;
}

bool proxy_is_releasing(const struct proxy *k, uint64_t region)
{
	const struct operation *o;

	TAILQ_FOREACH(o, &k->operations, operations)
		if (o->message.type == KEEPER_RELEASE && o->message.region == region)
			return true;
	return false;
}

int proxy_request(struct proxy *k, const struct keeper_message *m, int fd, uint64_t extra_msec,
		  void *context)
{
	uint64_t number;

	return proxy_request_number(k, m, fd, extra_msec, context, &number);
}

int proxy_request_number(struct proxy *k, const struct keeper_message *m, int fd,
			 uint64_t extra_msec, void *context, uint64_t *ret_number)
{
	_cleanup_(operation_freep) struct operation *o = NULL;

	if (k->dying)
		return -EPIPE;
	if (k->phase == PHASE_STRANGE && m->type != KEEPER_RELEASE)
		return -EPROTO;
	if (k->late >= LATE_MAX && m->type != KEEPER_RELEASE)
		return -ETIMEDOUT;
	o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	o->fd = -1;
	o->keeper = k;
	o->number = ++k->set->next_operation;
	o->message = *m;
	o->message.operation = o->number;
	o->context = context;
	o->timeout_msec = k->set->settings->timeout_msec + extra_msec;
	o->timer = evtimer_new(k->set->base, on_timeout, o);
	if (!o->timer)
		return -ENOMEM;
	if (!tsearch(o, &k->by_number, compare))
		return -ENOMEM;
	o->fd = fd;
	TAILQ_INSERT_TAIL(&k->operations, o, operations);
	k->asked++;
	k->descriptors_due += may_bring_descriptor(o);
	if (!k->unsent)
		k->unsent = o;
	*ret_number = o->number;
	/* one that is not there yet has its own time to get ready */
	if (k->phase == PHASE_STRANGE)
		event_add(o->timer,
			  &(const struct timeval){ 0 }); /* nobody waits for what cannot be asked */
	else if (k->silent || (k->note.listed && !k->rested && k->phase != PHASE_READY))
		start_timer(o);
	o = NULL;
	/* what many ask for at the same time leaves together; nobody waits for more than this turn */
	if (m->type == KEEPER_REGISTER)
		event_active(k->flush, 0, 0);
	else
		proxy_flush(k);
	return 0;
}

/* True: all that were tried left. */
static bool send_some(struct proxy *k)
{
	struct link_packet packets[LINK_PACKETS];
	struct operation *o = k->unsent;
	unsigned int n = 0, sent;

	for (; o && n < LINK_PACKETS; o = TAILQ_NEXT(o, operations)) {
		start_timer(o);
		packets[n++] = (struct link_packet){ &o->message, o->fd };
	}
	sent = link_send_all(k->link, packets, n);
	for (unsigned int i = 0; i < sent; i++) {
		o = k->unsent;
		k->unsent = TAILQ_NEXT(o, operations);
		o->sent = true;
		offload_close(k->set->offload, steal_fd(&o->fd), k->uid);
	}
	return sent == n;
}

void proxy_flush(struct proxy *k)
{
	while (k->phase == PHASE_READY && k->unsent && send_some(k))
		;
}

/* Which answer belongs to which request. */
static bool fits(enum keeper_type asked, enum keeper_type answered)
{
	if (answered == KEEPER_DONE)
		return true;
	return (asked == KEEPER_REGISTER && answered == KEEPER_REGION) ||
	       (asked == KEEPER_EXPORT && answered == KEEPER_TICKET);
}

void proxy_list_again(struct proxy *k)
{
	const struct keeper_message m = { .type = KEEPER_LIST };

	if (k->listing) { /* what it lists now may be older than what was missed */
		k->stale = true;
		return;
	}
	k->set->handlers->list_begins(k->set->userdata, k);
	k->listing = proxy_request(k, &m, -1, 0, NULL) == 0;
	if (!k->listing)
		log_error(
			"keeper %s: no memory to have it list its regions: some may be shown as they were",
			k->name);
}

/* Its end; @m NULL: it did not come to it. */
static const char *listed(struct proxy *k, const struct keeper_message *m)
{
	k->listing = false;
	if (!m)
		return NULL;
	if (m->done.error)
		return "it cannot list its regions";
	k->set->handlers->list_done(k->set->userdata, k);
	if (k->stale) {
		k->stale = false;
		proxy_list_again(k);
	}
	return NULL;
}

/* @m NULL: it did not come to it. An earlier version does not know the request: nothing changes. */
static const char *told_level(const struct proxy *k, const struct keeper_message *m)
{
	if (m && m->done.error)
		log_info("keeper %s: is of a version that logs at level info, whatever is set",
			 k->name);
	return NULL;
}

/* Whoever asked hears of it. */
static const char *hand_on(struct operation *o, int error, const char *text,
			   const struct keeper_message *m, int *fd)
{
	struct proxy *k = o->keeper;
	struct answer a = { .type = (enum keeper_type)o->message.type,
			    .region = o->message.region,
			    .context = o->context,
			    .error = error,
			    .text = text,
			    .pending = find(k, o->number), /* else it was taken out before */
			    .late = o->late,
			    .fd = fd,
			    .message = m };

	if (a.type == KEEPER_LOG)
		return told_level(k, m);
	return a.type == KEEPER_LIST ? listed(k, m)
				     : k->set->handlers->answered(k->set->userdata, k, &a);
}

static const char *finish(struct operation *o, int error, const char *text,
			  const struct keeper_message *m, int *fd)
{
	const char *complaint;

	take_out(o);
	complaint = hand_on(o, error, text, m, fd);
	operation_free(o);
	return complaint;
}

/* We answer for the keeper. */
static void finish_without(struct operation *o, int error, const char *text)
{
	int none = -1;

	finish(o, error, text, NULL, &none);
}

/* What is done once more is done as if once: the connection before may have carried it. */
static bool is_repeatable(const struct operation *o)
{
	switch (o->message.type) {
	case KEEPER_RELEASE:
	case KEEPER_PREFETCH: /* it, and demands, end with the connection */
	case KEEPER_CANCEL:
	case KEEPER_DEMAND:
	case KEEPER_OVER:
	case KEEPER_CONSENT:
	case KEEPER_CONFIGURE:
	case KEEPER_FILE:
	case KEEPER_IMPORT:
		return true;
	default:
		return false;
	}
}

/* Whoever asked does not wait for it any longer, but its answer may come. */
static void leave_pending(struct operation *o, const char *text)
{
	struct proxy *k = o->keeper;
	int none = -1;

	/* nothing comes of what was not sent, but what is to be released is */
	if (!o->sent && o->message.type != KEEPER_RELEASE) {
		finish_without(o, -ETIMEDOUT, text);
		return;
	}
	if (o->message.type != KEEPER_LIST)
		hand_on(o, -ETIMEDOUT, text, NULL, &none);
	o->late = true;
	o->context = NULL;
	k->late++;
	event_del(o->timer);
}

void proxy_be_late(struct operation *o)
{
	struct proxy *k = o->keeper;
	char text[300];

	if (o->late)
		return;
	if (*proxy_trouble(k)) {
		leave_pending(o, proxy_trouble(k));
		return;
	}
	snprintf(text, sizeof(text),
		 "keeper %s has not answered within %" PRIu64
		 " ms; it is not ended, and answers when it can",
		 k->name, o->timeout_msec);
	if (!k->late_told)
		log_about(LOG_WARNING,
			  LOG_FIELDS(.message = LOG_MESSAGE_KEEPER_LATE, .tenant = k->name,
				     .pid = (uint32_t)k->pid),
			  "%s: is it stopped, or its machine out of memory or storage? (pid %d)",
			  text, k->pid);
	k->late_told = true;
	leave_pending(o, text);
}

void proxy_all_late(struct proxy *k)
{
	struct operation *o, *next;

	for (o = TAILQ_FIRST(&k->operations); o; o = next) {
		next = TAILQ_NEXT(o, operations);
		proxy_be_late(o);
	}
}

void proxy_wait_anew(struct proxy *k)
{
	struct operation *o;

	TAILQ_FOREACH(o, &k->operations, operations) {
		event_del(o->timer);
		start_timer(o);
	}
}

void proxy_drop_operations(struct proxy *k, int error, const char *text)
{
	struct operation *o, *next;

	for (o = TAILQ_FIRST(&k->operations); o; o = next) {
		next = TAILQ_NEXT(o, operations);
		if (o->late)
			continue;
		if (o->message.type == KEEPER_RELEASE)
			leave_pending(o, text);
		else
			finish_without(o, error, text);
	}
}

/* Before it is ready: nothing is sent from in here. */
void proxy_ask_again(struct proxy *k)
{
	struct operation *o, *next;
	char text[200];

	snprintf(text, sizeof(text),
		 "the connection to keeper %s ended before it answered, and was made again",
		 k->name);
	for (o = TAILQ_FIRST(&k->operations); o; o = next) {
		next = TAILQ_NEXT(o, operations);
		if (o->sent && !is_repeatable(o))
			finish_without(o, -ENOTCONN, text);
		else
			o->sent = false;
	}
	k->unsent = TAILQ_FIRST(&k->operations);
}

const char *proxy_answer(struct proxy *k, const struct keeper_message *m, int *fd)
{
	struct operation *o = find(k, m->operation);
	enum keeper_type asked, answered = (enum keeper_type)m->type;
	char text[KEEPER_TEXT_MAX] = "";

	if (!o || !o->sent)
		return "an answer to nothing that was asked";
	asked = (enum keeper_type)o->message.type;
	if (*fd >= 0 && !may_bring_descriptor(o))
		return "a descriptor that nobody asked for";
	if (asked == KEEPER_LIST && (answered == KEEPER_REGION || answered == KEEPER_PEER))
		return k->set->handlers->listed(k->set->userdata, k, m);
	if (!fits(asked, answered))
		return "an answer that does not fit the request";
	if (answered != KEEPER_DONE && m->region != o->message.region)
		return "an answer about another region";
	/* these are done with their own answer only */
	if (answered == KEEPER_DONE && !m->done.error &&
	    (asked == KEEPER_REGISTER || asked == KEEPER_EXPORT))
		return "success without the answer that goes with it";
	if (answered == KEEPER_DONE)
		text_clean(text, sizeof(text), m->done.text, sizeof(m->done.text));
	if (k->late_told && !o->late)
		log_notice("keeper %s answers again", k->name);
	k->late_told = k->late_told && o->late;
	return finish(o, answered == KEEPER_DONE ? m->done.error : 0, text, m, fd);
}

void proxy_progressed(struct proxy *k, const struct keeper_progress *p)
{
	struct operation *o = find(k, p->operation);
	struct timeval t;

	if (!o || !o->sent || o->late || p->done <= o->progress)
		return;
	o->progress = p->done;
	/* it is slow, but not stuck */
	t = timeval_from_usec(o->timeout_msec * USEC_PER_MSEC);
	event_add(o->timer, &t);
	k->set->handlers->progressed(k->set->userdata, (enum keeper_type)o->message.type,
				     o->context, p);
}

void proxy_answer_all(struct proxy *k, int error, const char *text)
{
	while (!TAILQ_EMPTY(&k->operations)) {
		struct operation *o = TAILQ_FIRST(&k->operations);

		if (!o->late) {
			finish_without(o, error, text);
			continue;
		}
		take_out(o);
		operation_free(o);
	}
}
