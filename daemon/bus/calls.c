// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * calls.c - method calls that are answered later.
 *
 * A kept message keeps its descriptors open, up to 16 of the caller's choosing. So a call keeps no
 * message but a stub: an empty call with the same sender, serial number and flags, which is all
 * that a reply is made from.
 *
 * What always holds: a call is in its client's list, and counted, until it is answered or its
 * client is gone; after either, answering it again is impossible (freed) or harmless (abandoned: no
 * stub). A call that waits for an authorization has its question, and an abandoned one takes it
 * along.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "bus/authorize.h"
#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/log.h"

struct call {
	struct client *client; /* NULL: gone */
	sd_bus_message *stub;
	struct question *
		/* what it is not begun without; NULL: begun, and somebody else's to answer */
		question;
	struct part_of part;
	struct property_choice chosen;
	LIST_ENTRY(call) calls;
};

static void unref_messagep(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}

static int make_stub(sd_bus_message *m, sd_bus_message **ret)
{
	_cleanup_(unref_messagep) sd_bus_message *stub = NULL;
	uint64_t cookie;
	int r = sd_bus_message_get_cookie(m, &cookie);

	if (r < 0)
		return r;
	r = sd_bus_message_new_method_call(
		sd_bus_message_get_bus(m), &stub, NULL, sd_bus_message_get_path(m),
		sd_bus_message_get_interface(m), sd_bus_message_get_member(m));
	if (r < 0)
		return r;
	r = sd_bus_message_set_sender(stub, sd_bus_message_get_sender(m));
	if (r < 0)
		return r;
	r = sd_bus_message_set_expect_reply(stub, sd_bus_message_get_expect_reply(m));
	if (r < 0)
		return r;
	r = sd_bus_message_set_allow_interactive_authorization(
		stub, sd_bus_message_get_allow_interactive_authorization(m));
	if (r < 0)
		return r;
	r = sd_bus_message_seal(stub, cookie, 0);
	if (r < 0)
		return r;
	*ret = steal_pointer(stub);
	return 0;
}

static int check_pending(const struct bus *b, const struct client *c, struct failure *ret_failure)
{
	if (c->pending >= b->limits.pending_per_client) {
		b->handlers->count_refusal(b->userdata, BUS_PENDING_PER_CLIENT);
		return failure_set(
			ret_failure, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"%u calls of this connection wait for an answer already: wait for some, or have the "
			"administrator raise pending_calls_per_client in rdmaregd.conf",
			c->pending);
	}
	if (c->user->pending >= b->limits.pending_per_uid) {
		b->handlers->count_refusal(b->userdata, BUS_PENDING_PER_UID);
		return failure_set(
			ret_failure, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"%u calls of uid %u wait for an answer already: wait for some, or have the "
			"administrator raise pending_calls_per_uid in rdmaregd.conf",
			c->user->pending, c->uid);
	}
	return 0;
}

static int call_make(struct client *c, sd_bus_message *m, struct call **ret)
{
	struct call *call;
	int r;

	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	r = make_stub(m, &call->stub);
	if (r < 0) {
		free(call);
		return r;
	}
	call->client = c;
	c->pending++;
	c->user->pending++;
	LIST_INSERT_HEAD(&c->calls, call, calls);
	*ret = call;
	return 0;
}

int call_new(struct bus *b, struct client *c, sd_bus_message *m, struct call **ret,
	     struct failure *ret_failure)
{
	int r = check_pending(b, c, ret_failure);

	return r ? r : call_make(c, m, ret);
}

struct client *call_client(const struct call *c)
{
	return c->client;
}

sd_bus_message *call_message(const struct call *c)
{
	return c->stub;
}

void call_choose(struct call *c, const struct property_choice *chosen)
{
	c->chosen = *chosen;
}

void call_wait_for(struct call *c, struct question *q)
{
	c->question = q;
}

static void leave_client(struct call *c)
{
	c->client->pending--;
	c->client->user->pending--;
	LIST_REMOVE(c, calls);
	c->client = NULL;
	sd_bus_message_unref(c->stub);
	c->stub = NULL;
}

static void call_free(struct call *c)
{
	const struct part_of part = c->part;

	if (c->client)
		leave_client(c);
	free(c);
	if (part.userdata)
		part.over(part.userdata);
}

int call_new_part(struct bus *b, struct client *c, sd_bus_message *m, const struct part_of *part,
		  struct call **ret, struct failure *ret_failure)
{
	int r = b ? check_pending(b, c, ret_failure) : 0;

	if (r == 0)
		r = call_make(c, m, ret);
	if (r == 0)
		(*ret)->part = *part;
	return r;
}

void call_abandon(struct call *c)
{
	leave_client(c);
	if (!c->question)
		return;
	question_withdraw(c->question);
	call_free(c);
}

void call_drop(struct call *c)
{
	call_free(c);
}

int call_new_reply(const struct call *c, sd_bus_message **ret)
{
	return sd_bus_message_new_method_return(c->stub, ret);
}

void call_finish(struct call *c, sd_bus_message *reply, int r)
{
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	if (r < 0) {
		log_error("client %s: cannot be answered: %s", sd_bus_message_get_sender(c->stub),
			  strerror(-r));
		sd_bus_reply_method_errnof(c->stub, r, "the answer could not be made: %s",
					   strerror(-r));
	}
	sd_bus_message_unref(reply);
	call_free(c);
}

static void reply_with(struct call *c, const char *types, ...)
{
	sd_bus_message *reply = NULL;
	va_list args;
	int r;

	if (!c->stub || c->part.userdata) {
		call_free(c);
		return;
	}
	r = sd_bus_message_new_method_return(c->stub, &reply);
	va_start(args, types);
	if (r >= 0)
		r = sd_bus_message_appendv(reply, types, args);
	va_end(args);
	call_finish(c, reply, r);
}

void call_reply(struct call *c)
{
	reply_with(c, "");
}

void call_reply_ticket(struct call *c, const char *ticket)
{
	reply_with(c, "s", ticket);
}

void call_reply_import(struct call *c, int fd, uint32_t pd_handle, uint32_t mr_handle,
		       const struct region *r)
{
	reply_with(c, "ha{sv}", fd, 6, "pd_handle", "u", pd_handle, "mr_handle", "u", mr_handle,
		   "address", "t", r->address, "length", "t", r->length, "rkey", "u", r->rkey,
		   "generation", "u", r->generation);
}

void call_reply_number(struct call *c, uint64_t number)
{
	reply_with(c, "t", number);
}

void call_reply_count(struct call *c, uint32_t count)
{
	reply_with(c, "u", count);
}

void call_reply_session(struct call *c, uint32_t uid, const char *name)
{
	char path[SESSION_PATH_MAX];

	session_path(uid, name, path);
	reply_with(c, "o", path);
}

void call_reply_ends(struct call *c, const struct session_end *ends, size_t n)
{
	static const char *const names[] = SESSION_OUTCOME_NAMES;
	sd_bus_message *reply = NULL;
	int r;

	if (!c->stub) {
		call_free(c);
		return;
	}
	r = sd_bus_message_new_method_return(c->stub, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(tss)");
	for (size_t i = 0; i < n && r >= 0; i++)
		r = sd_bus_message_append(reply, "(tss)", ends[i].region, names[ends[i].outcome],
					  ends[i].text);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	call_finish(c, reply, r);
}

void call_reply_dax(struct call *c, const char *path, uint64_t size, int fd)
{
	reply_with(c, "sth", path, size, fd);
}

void call_reply_sync(struct call *c, const char *durable, uint64_t revocation,
		     uint64_t valid_length)
{
	reply_with(c, "a{sv}", 3, "durable", "s", durable, "revocation", "t", revocation,
		   "valid_length", "t", valid_length);
}

void call_reply_region(struct call *c, const struct region_view *v)
{
	sd_bus_message *reply = NULL;
	char path[REGION_PATH_MAX];
	int r;

	if (c->part.userdata)
		c->part.took(c->part.userdata, c->part.index, v->region->id, NULL);
	if (!c->stub || c->part.userdata) {
		call_free(c);
		return;
	}
	region_path(v->region->id, path);
	r = sd_bus_message_new_method_return(c->stub, &reply);
	if (r >= 0)
		r = sd_bus_message_append(reply, "to", v->region->id, path);
	if (r >= 0)
		r = properties_append_values(reply, v, &c->chosen);
	call_finish(c, reply, r);
}

void call_fail(struct call *c, const struct failure *f)
{
	if (c->part.userdata)
		c->part.took(c->part.userdata, c->part.index, 0, f);
	else if (c->stub)
		sd_bus_reply_method_errorf(c->stub, f->name, "%s", f->text);
	call_free(c);
}

int end_call(struct call *call, int r, const struct failure *f)
{
	if (r)
		call_fail(call, f);
	return 1;
}
