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
#include "util/passed.h"

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

/* By number nobody would find it again. */
static int check_standing(const struct register_request *q, struct failure *f)
{
	if (!q->standing || (q->detached && *q->name))
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_INVALID_OPTION,
		"a region that is made again after a reboot outlives its connection, and is "
		"found by its name: add the options 'detached' and 'name'");
}

/* @chosen: NULL: that is no option of each, but of all. */
static int read_options(sd_bus_message *m, const struct client *c, struct register_request *q,
			struct property_choice *chosen, struct failure *f)
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
		{ "standing", 'b', &q->standing, NULL },
		{ "properties", 'a', chosen, NULL },
	};
	uint8_t word;
	int r;

	q->uid = c->uid;
	q->session = "default";
	q->name = "";
	q->warm = true;
	r = options_read(m, known, ARRAY_SIZE(known) - !chosen, f);
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
		r = check_standing(q, f);
	if (r)
		return r;
	return named ? check_reference(q->session, q->name, f) : check_session(q->session, f);
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
	if (r)
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
	int r = descriptor_check(&k->request, *fd, k->request.offset, k->request.length,
				 k->request.uid, k->path, f);

	(void)uid; /* for whom it is looked at may be another */
	if (r == 0 && (k->request.standing || k->request.restores))
		r = standing_look(&k->request, *fd, k->path, f);
	return r;
}

static int look_in_memory(void *request, int *fd, uint32_t uid, struct failure *f)
{
	((struct kept *)request)->request.in_memory = true;
	return look(request, fd, uid, f);
}

static int register_examined(struct bus *b, struct client *c, int *fd, void *request,
			     struct call *call, struct failure *f)
{
	const struct kept *k = request;
	struct register_request q = request_of(k, *fd);
	int r;

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
	r = b->handlers->register_region(b->userdata, c, &q, call, f);
	if (r == 0)
		*fd = -1;
	return r;
}

/* What a region is to be, from where @m is to the end of its options. */
static int read_request(sd_bus_message *m, const struct client *c, struct kept *k, int *ret_token,
			struct property_choice *chosen, struct failure *f)
{
	struct register_request *q = &k->request;
	const char *access;
	uint8_t word;
	int r = sd_bus_message_read(m, "htts", ret_token, &q->offset, &q->length, &access);

	if (r < 0)
		return r;
	r = option_word("access", access, region_access_names, _REGION_ACCESS_MAX, &word, f);
	if (r)
		return r;
	q->access = word;
	r = read_options(m, c, q, chosen, f);
	if (r)
		return r;
	snprintf(k->session, sizeof(k->session), "%s", q->session);
	snprintf(k->name, sizeof(k->name), "%s", q->name);
	return 0;
}

static struct examination examination_of(const struct client *c, const struct kept *k)
{
	const struct register_request *q = &k->request;

	return (struct examination){
		.look = look,
		/* the others ask for more than the status */
		.look_in_memory =
			q->pre_content || q->standing || q->restores ? NULL : look_in_memory,
		.then = register_examined,
		.nothing_done = "nothing was registered",
		.request = k,
		.request_size = sizeof(*k),
		/* root passes files of many: one that does not answer is to delay its user's alone */
		.on_behalf = c->uid == 0 ? &q->uid : NULL,
	};
}

int method_register(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct property_choice chosen = { .n = 0 };
	struct kept k = { 0 };
	struct examination x;
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	struct call *call;
	int token, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = read_request(m, c, &k, &token, &chosen, &f);
	if (r == 0)
		r = call_new(b, c, m, &call, &f);
	if (r)
		return refuse(m, r, &f);
	call_choose(call, &chosen);
	x = examination_of(c, &k);
	return end_call(call, examine_token(b, m, c, token, &x, call, &f), &f);
}

/* Whoever has the rights to open its file has it made again as it was recorded. */
int method_restore_standing(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct kept k = { 0 };
	const char *session, *name;
	struct examination x;
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	int token, r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "ssh", &session, &name, &token);
	if (r >= 0)
		r = check_reference(session, name, &f);
	if (r == 0)
		r = b->handlers->find_standing(b->userdata, c->uid, session, name, &k.request, &f);
	if (r)
		return refuse(m, r, &f);
	snprintf(k.session, sizeof(k.session), "%s", session);
	snprintf(k.name, sizeof(k.name), "%s", name);
	x = examination_of(c, &k);
	return examine_call(b, m, c, token, &x);
}

struct wanted {
	struct kept kept;
	int token;
};

/* What is wrong with the words of one is wrong with the call: nothing of it is begun. */
static int read_many(sd_bus_message *m, const struct client *c, struct wanted *w, size_t *ret_n,
		     struct failure *f)
{
	struct failure why;
	int r = sd_bus_message_enter_container(m, 'a', "(httsa{sv})");

	for (*ret_n = 0; r >= 0; ++*ret_n) {
		r = sd_bus_message_enter_container(m, 'r', "httsa{sv}");
		if (r == 0)
			break;
		if (r > 0 && *ret_n == DESCRIPTORS_MAX)
			return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
					   "at most %d regions are registered with one call",
					   DESCRIPTORS_MAX);
		if (r > 0)
			r = read_request(m, c, &w[*ret_n].kept, &w[*ret_n].token, NULL, &why);
		if (r == BUS_E_REFUSED)
			return failure_set(f, why.name, "number %zu: %s", *ret_n + 1, why.text);
		if (r == 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;
	if (!*ret_n)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "there is no region to be registered");
	return 0;
}

int method_register_many(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_(freep) struct wanted *w = calloc(DESCRIPTORS_MAX, sizeof(*w));
	struct property_choice chosen = { .n = 0 };
	bool atomic = false;
	const struct option known[] = {
		{ "atomic", 'b', &atomic, NULL },
		{ "properties", 'a', &chosen, NULL },
	};
	struct bus *b = userdata;
	struct gathering *g;
	struct client *c;
	struct failure f;
	size_t n = 0;
	int r;

	(void)error;
	if (!w)
		return -ENOMEM;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = read_many(m, c, w, &n, &f);
	if (r == 0)
		r = options_read(m, known, ARRAY_SIZE(known), &f);
	if (r == 0)
		r = gathering_new(b, c, m, n, atomic, &chosen, &g, &f);
	if (r)
		return refuse(m, r, &f);
	for (size_t i = 0; i < n; i++) {
		const struct examination x = examination_of(c, &w[i].kept);

		w[i].kept.request.all_or_none = atomic;
		gathering_part(g, m, c, i, w[i].token, &x);
	}
	gathering_start(g);
	return 1;
}
