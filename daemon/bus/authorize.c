// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * authorize.c - see authorize.h: one question to polkit's CheckAuthorization, and what its answers
 * mean.
 */
#include "bus/authorize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_INTERACTION 1u /* CheckAuthorizationFlags.AllowUserInteraction */

#define ANSWER_USEC (30 * USEC_PER_SEC)
#define INTERACTION_USEC (300 * USEC_PER_SEC) /* somebody looks for a password */

static const struct {
	const char *name;
	const char *what;
	const char *advice;
} actions[_ACTION_MAX] = {
	[ACTION_HOLD] = { RDMAREG_ACTION_HOLD, "policy 'hold' on a file of another user",
			  "ask for policy 'yield'" },
	[ACTION_EVICT] = { RDMAREG_ACTION_EVICT, "evicting every region of a filesystem",
			   "release your own regions instead" },
	[ACTION_REPLACE] = { RDMAREG_ACTION_EVICT, "replacing a keeper",
			     "have the administrator do it" },
	[ACTION_ENFORCE] = { RDMAREG_ACTION_ENFORCE,
			     "taking down what tenants have above their limits",
			     "release your own regions instead" },
	[ACTION_DAX] = { RDMAREG_ACTION_DAX, "a DAX device beyond dax_bytes_per_tenant",
			 "have that limit of rdmaregd.conf raised" },
	[ACTION_DRAIN] = { RDMAREG_ACTION_DRAIN, "draining this machine, or undoing that,",
			   "have the administrator do it" },
	[ACTION_RELOAD] = { RDMAREG_ACTION_RELOAD, "reading rdmaregd.conf again",
			    "have the administrator do it" },
	[ACTION_SESSIONS] = { RDMAREG_ACTION_SESSIONS,
			      "managing a session, or registering for another user,",
			      "register in a session of your own" },
};

struct question {
	struct bus *bus;
	struct call *call;
	sd_bus_slot *slot; /* of the answer */
	enum action action;
	authorized_t *then;
	uint64_t number;
	bool interactive;
	int fd;
	uint32_t uid;
	_Alignas(max_align_t) unsigned char request[];
};

static void question_free(struct question *q)
{
	sd_bus_slot_unref(q->slot);
	offload_close(q->bus->offload, q->fd, q->uid);
	free(q);
}

DEFINE_FREEP(struct question, question_free)

static void name_question(const struct question *q, char out[static 32])
{
	snprintf(out, 32, "rdmaregd-%" PRIu64, q->number);
}

static int deny(const struct question *q, struct failure *f, const char *why)
{
	return failure_set(f, RDMAREG_ERROR_ACCESS_DENIED,
			   "%s requires root or the polkit authorization %s for uid %" PRIu32
			   ": %s; have the administrator authorize it in a polkit rule, or %s",
			   actions[q->action].what, actions[q->action].name, q->uid, why,
			   actions[q->action].advice);
}

static int judge_error(const struct question *q, const sd_bus_error *e, struct failure *f)
{
	char why[300], clean[200];

	if (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return deny(q, f, "polkit does not run here");
	if (sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ||
	    sd_bus_error_has_name(e, SD_BUS_ERROR_TIMEOUT))
		return deny(q, f, "polkit gave no answer");
	text_clean(clean, sizeof(clean), e->message ? e->message : e->name, sizeof(clean));
	snprintf(why, sizeof(why), "polkit could not tell (%s)", clean);
	return deny(q, f, why);
}

/* 0: authorized. */
static int judge(const struct question *q, sd_bus_message *m, struct failure *f)
{
	int authorized, challenge;

	if (sd_bus_message_is_method_error(m, NULL))
		return judge_error(q, sd_bus_message_get_error(m), f);
	if (sd_bus_message_enter_container(m, 'r', "bba{ss}") <= 0 ||
	    sd_bus_message_read(m, "bb", &authorized, &challenge) <= 0)
		return deny(q, f, "polkit's answer cannot be understood");
	if (authorized)
		return 0;
	if (challenge && !q->interactive)
		return deny(
			q, f,
			"it takes a password, which polkit is not to ask for here; run rdmaregctl at a terminal, or as root "
			"(a program allows the question with ALLOW_INTERACTIVE_AUTHORIZATION)");
	return deny(q, f, challenge ? "nobody was there to give the password" : "polkit says no");
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_(question_freep) struct question *q = userdata;
	struct call *call = q->call;
	struct failure f;
	int r = judge(q, m, &f);

	(void)error;
	if (r == 0)
		log_info("uid %" PRIu32 " is authorized to %s", q->uid, actions[q->action].name);
	call_wait_for(call, NULL);
	if (r == 0)
		r = q->then(q->bus, call_client(call), steal_fd(&q->fd), q->request, call, &f);
	if (r)
		call_fail(call, &f);
	return 1;
}

static int send_question(struct question *q, sd_bus_message *m, const char *path)
{
	sd_bus_message *ask = NULL;
	char name[32];
	int r = sd_bus_message_new_method_call(q->bus->connection, &ask, POLKIT_NAME, POLKIT_PATH,
					       POLKIT_INTERFACE, "CheckAuthorization");

	name_question(q, name);
	if (r >= 0)
		r = sd_bus_message_append(ask, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name",
					  "s", sd_bus_message_get_sender(m),
					  actions[q->action].name, 1, "path", path,
					  q->interactive ? POLKIT_INTERACTION : 0, name);
	if (r >= 0)
		r = sd_bus_call_async(q->bus->connection, &q->slot, ask, on_answer, q,
				      q->interactive ? INTERACTION_USEC : ANSWER_USEC);
	sd_bus_message_unref(ask);
	return r;
}

static int make_question(struct bus *b, const struct authorization *a, struct call *call,
			 struct question **ret)
{
	struct question *q = calloc(1, sizeof(*q) + a->request_size);

	if (!q)
		return -ENOMEM;
	q->fd = -1; /* until nothing can fail any more */
	q->bus = b;
	q->call = call;
	q->action = a->action;
	q->then = a->then;
	q->number = ++b->questions;
	q->uid = call_client(call)->uid;
	memcpy(q->request, a->request, a->request_size);
	*ret = q;
	return 0;
}

int authorize(struct bus *b, const struct authorization *a, struct call *call, struct failure *ret)
{
	_cleanup_(question_freep) struct question *q = NULL;
	sd_bus_message *m = call_message(call);
	int r = make_question(b, a, call, &q);

	if (r == 0) {
		q->interactive = sd_bus_message_get_allow_interactive_authorization(m) > 0;
		r = send_question(q, m, a->path);
	}
	if (r < 0)
		return failure_from_errno(ret, "asking polkit", r, "");
	q->fd = a->fd;
	call_wait_for(call, q);
	steal_pointer(q);
	return 0;
}

void question_withdraw(struct question *q)
{
	char name[32];

	name_question(q, name);
	/*
	 * a password dialog would stay on the screen; whether polkit hears it matters to nobody
	 * here
	 */
	sd_bus_call_method_async(q->bus->connection, NULL, POLKIT_NAME, POLKIT_PATH,
				 POLKIT_INTERFACE, "CancelCheckAuthorization", NULL, NULL, "s",
				 name);
	question_free(q);
}
