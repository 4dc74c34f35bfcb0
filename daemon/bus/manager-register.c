// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-register.c - Manager.RegisterRegion: everything about a new region that can be checked
 * before a keeper is asked for it.
 *
 * What always holds: the handler is asked for policy hold on a file of somebody else, or for a
 * region of another user, only for root or after polkit said yes, and then with what the caller
 * asked for, unchanged. Nobody gets policy hold for another user who does not own the file: who
 * registers for users, such as a batch scheduler, passes on what they wish.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus/authorize.h"
#include "util/cleanup.h"
#include "util/macros.h"

int read_arbitration(const char *word, bool *ret_pre_content, struct failure *f)
{
	static const char *const names[] = { "auto", "pre-content" };
	uint8_t number;
	int r = option_word("arbitration", word, names, 2, &number, f);

	if (r == 0)
		*ret_pre_content = number == 1;
	return r;
}

int read_warm_mode(const char *word, bool *ret_given, enum warm_mode *ret, struct failure *f)
{
	uint8_t number;
	int r = option_word("warm_mode", word, warm_mode_names, _WARM_MODE_MAX, &number, f);

	if (r)
		return r;
	*ret_given = true;
	*ret = number;
	return 0;
}

/* A request that outlives its message. */
struct kept {
	struct register_request request;
	char session[TENANT_SESSION_MAX];
	char name[REGION_NAME_MAX];
	char path[DESCRIPTOR_PATH_MAX];
};

/* A region of another user than the caller. */
static bool is_for_other(const struct register_request *q, const struct client *c)
{
	return q->uid != c->uid;
}

static int check_uid(const struct register_request *q, const struct client *c, struct failure *f)
{
	if (q->uid == UINT32_MAX)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "uid %" PRIu32 " is nobody's: name the user whose region it is "
				   "to be",
				   q->uid);
	/* its owner would be a connection that may not see it */
	if (is_for_other(q, c) && c->uid != 0 && !q->detached)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "a region that uid %" PRIu32 " registers for uid %" PRIu32
				   " must be detached: uid %" PRIu32
				   " neither sees nor owns it: add the "
				   "option 'detached'",
				   c->uid, q->uid, c->uid);
	return 0;
}

static int read_options(sd_bus_message *m, const struct client *c, struct register_request *q,
			struct failure *f)
{
	const char *policy = region_policy_names[POLICY_YIELD], *arbitration = "auto";
	const char *warm_mode = NULL;
	bool named = false;
	const struct option known[] = {
		{ "policy", 's', &policy, NULL },
		{ "grace_usec", 't', &q->grace_usec, &q->has_grace },
		{ "detached", 'b', &q->detached, NULL },
		{ "session", 's', &q->session, NULL },
		{ "warm", 'b', &q->warm, NULL },
		{ "arbitration", 's', &arbitration, NULL },
		{ "warm_mode", 's', &warm_mode, NULL },
		{ "uid", 'u', &q->uid, NULL },
		{ "name", 's', &q->name, &named },
	};
	uint8_t word;
	int r;

	q->uid = c->uid;
	q->session = "default";
	q->name = "";
	q->warm = true;
	r = options_read(m, known, ARRAY_SIZE(known), f);
	if (r)
		return r;
	r = option_word("policy", policy, region_policy_names, _REGION_POLICY_MAX, &word, f);
	if (r)
		return r;
	q->policy = word;
	r = read_arbitration(arbitration, &q->pre_content, f);
	if (r)
		return r;
	if (warm_mode) {
		r = read_warm_mode(warm_mode, &q->has_warm_mode, &q->warm_mode, f);
		if (r)
			return r;
	}
	q->asks_pre_content = q->pre_content;
	q->pre_content = q->pre_content || q->policy == POLICY_HOLD;
	r = check_uid(q, c, f);
	if (r == 0)
		r = check_session(q->session, f);
	return r || !named ? r : check_region_name(q->name, f);
}

/* As what it is kept in has it. */
static struct register_request request_of(const struct kept *k, int fd)
{
	struct register_request q = k->request;

	q.fd = fd;
	q.session = k->session;
	q.name = k->name;
	q.path = k->path;
	return q;
}

static int register_authorized(struct bus *b, struct client *c, int fd, const void *request,
			       struct call *call, struct failure *ret)
{
	struct register_request q = request_of(request, fd);
	int r;

	if (!is_for_other(&q, c))
		q.owns_file = true;
	r = b->handlers->register_region(b->userdata, c, &q, call, ret);
	offload_close(b->offload, fd, c->uid);
	return r;
}

static int ask_to_register(struct bus *b, enum action action, const struct kept *k, int *fd,
			   struct call *call, struct failure *f)
{
	const struct authorization a = {
		.action = action,
		.then = register_authorized,
		.fd = *fd,
		.path = k->path,
		.request = k,
		.request_size = sizeof(*k),
	};
	int r = authorize(b, &a, call, f);

	if (r == 0)
		*fd = -1;
	return r;
}

/* In a thread. */
static int look(void *request, int *fd, uint32_t uid, struct failure *f)
{
	struct kept *k = request;

	(void)uid; /* for whom it is looked at may be another */
	return descriptor_check(&k->request, *fd, k->request.offset, k->request.length,
				k->request.uid, k->path, f);
}

static int register_examined(struct bus *b, struct client *c, int *fd, void *request,
			     struct call *call, struct failure *f)
{
	const struct kept *k = request;
	struct register_request q = request_of(k, *fd);

	if (is_for_other(&q, c) && q.policy == POLICY_HOLD && !q.owns_file)
		return failure_set(
			f, RDMAREG_ERROR_ACCESS_DENIED,
			"policy 'hold' makes others fail to change the file, which belongs to uid %" PRIu32
			": it cannot be had for uid %" PRIu32 ", whoever asks: ask for 'yield'",
			q.file_uid, q.uid);
	if (is_for_other(&q, c) && c->uid != 0)
		return ask_to_register(b, ACTION_SESSIONS, k, fd, call, f);
	if (q.policy == POLICY_HOLD && !q.owns_file)
		return ask_to_register(b, ACTION_HOLD, k, fd, call, f);
	return b->handlers->register_region(b->userdata, c, &q, call, f);
}

int method_register(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct kept k = { 0 };
	struct register_request *q = &k.request;
	struct examination x = { look, register_examined, "nothing was registered",
				 &k,   sizeof(k),	  .on_behalf = NULL };
	struct bus *b = userdata;
	const char *access;
	struct client *c;
	struct failure f;
	int token, r;
	uint8_t word;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r < 0)
		return r;
	r = sd_bus_message_read(m, "htts", &token, &q->offset, &q->length, &access);
	if (r < 0)
		return r;
	r = option_word("access", access, region_access_names, _REGION_ACCESS_MAX, &word, &f);
	if (r)
		return refuse(m, r, &f);
	q->access = word;
	r = read_options(m, c, q, &f);
	if (r)
		return refuse(m, r, &f);
	/* root passes files of many: one that does not answer is to delay its user's alone */
	if (c->uid == 0)
		x.on_behalf = &q->uid;
	snprintf(k.session, sizeof(k.session), "%s", q->session);
	snprintf(k.name, sizeof(k.name), "%s", q->name);
	return examine_call(b, m, c, token, &x);
}
