// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * examine.c - descriptors that callers pass, looked at in a thread: see util/offload.h for why. A
 * file in memory is looked at at once: to wake a thread, and to be woken by it, takes longer than
 * all the rest.
 *
 * What always holds: the call is answered within the time that an examination may take, whatever
 * becomes of the descriptor; and the descriptor is closed, in a thread too, when nobody looks at it
 * any more.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"

struct task {
	struct offload_task task;
	struct bus *bus;
	struct call *call;
	struct examination examination;
	int fd;
	uint32_t uid;
	int result;		/* of the thread, */
	struct failure failure; /* and why */
	_Alignas(max_align_t) unsigned char request[];
};

static int claim(struct bus *b, sd_bus_message *m, int token, const struct client *c, int *ret,
		 struct failure *ret_failure)
{
	enum intake_refusal why = INTAKE_FAILED;
	uint64_t serial;
	int fd = sd_bus_message_get_cookie(m, &serial);

	if (fd >= 0)
		fd = intake_claim(b->intake, token, sd_bus_message_get_sender(m), serial, &why);
	if (fd >= 0) {
		*ret = fd;
		return 0;
	}
	switch (why) {
	case INTAKE_NEW:
		return failure_set(
			ret_failure, RDMAREG_ERROR_BUSY,
			"the descriptor was not taken: rdmaregd did not know yet whose connection this is, and has "
			"too many descriptors of callers who left before it did; now it does: call again on this "
			"connection");
	case INTAKE_CLOSES:
		return failure_set(
			ret_failure, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"the descriptor was not taken: too many descriptors of uid %" PRIu32
			" wait to be closed, because they come faster than they can be closed, or a filesystem "
			"that they are on does not answer: try again, and see to its server (FUSE, NFS)",
			c->uid);
	default:
		return failure_set(
			ret_failure, RDMAREG_ERROR_FAILED,
			"the message has no such descriptor, or rdmaregd has none left: see its log");
	}
}

static void look(struct offload_task *task)
{
	struct task *t = (struct task *)task;

	t->result = t->examination.look(t->request, &t->fd, t->uid, &t->failure);
}

static int judge(struct task *t, int error, struct failure *f)
{
	struct client *c = call_client(t->call);

	if (error == -ETIMEDOUT)
		return failure_set(
			f, RDMAREG_ERROR_FAILED,
			"the filesystem of this descriptor has not answered within %" PRIu64
			" ms; %s: see to its server (FUSE, NFS), or raise timeout_msec in rdmaregd.conf",
			offload_timeout(t->bus->offload) / 1000, t->examination.nothing_done);
	if (error == -EUSERS)
		return failure_set(
			f, RDMAREG_ERROR_BUSY,
			"the descriptor was not looked at within %" PRIu64
			" ms, because filesystems of many users do not answer (rdmaregd's log names them); "
			"%s: try again",
			offload_timeout(t->bus->offload) / 1000, t->examination.nothing_done);
	if (error)
		return failure_set(f, RDMAREG_ERROR_FAILED, "rdmaregd is stopping; %s: try again",
				   t->examination.nothing_done);
	*f = t->failure;
	if (!c || t->result)
		return BUS_E_REFUSED;
	return t->examination.then(t->bus, c, &t->fd, t->request, t->call, f);
}

static void ended(struct offload_task *task, int error)
{
	struct task *t = (struct task *)task;
	const struct client *c = call_client(t->call);
	struct client_user *user = c ? c->user : NULL;
	struct time_span began = time_span_begin();
	struct failure f;
	int r = judge(t, error, &f);

	if (user && !error)
		time_share_charge(&user->time, &began);
	if (r)
		call_fail(t->call, &f);
}

static void release(struct offload_task *task)
{
	struct task *t = (struct task *)task;

	offload_close(t->bus->offload, t->fd, t->uid);
	free(t);
}

/* The time is the call's own, which is charged anyway. */
static void look_at_once(struct task *t)
{
	struct failure f;

	t->result = t->examination.look_in_memory(t->request, &t->fd, t->uid, &t->failure);
	if (judge(t, 0, &f))
		call_fail(t->call, &f);
	release(&t->task);
}

int examine(struct bus *b, int fd, const struct examination *x, struct call *call,
	    struct failure *ret_failure)
{
	struct task *t = calloc(1, sizeof(*t) + x->request_size);
	uint32_t uid = x->on_behalf ? *x->on_behalf : call_client(call)->uid;
	int r = -ENOMEM;

	if (t) {
		t->task = (struct offload_task){ .work = look, .ended = ended, .release = release };
		t->bus = b;
		t->call = call;
		t->examination = *x;
		t->fd = fd;
		t->uid = uid;
		t->failure.name = RDMAREG_ERROR_FAILED;
		memcpy(t->request, x->request, x->request_size);
		if (x->look_in_memory && descriptor_is_in_memory(fd)) {
			look_at_once(t);
			return 0;
		}
		r = offload_run(b->offload, &t->task, uid);
	}
	if (r == 0)
		return 0;
	free(t);
	offload_close(b->offload, fd, uid);
	if (r == -EBUSY)
		return failure_set(
			ret_failure, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"the filesystems of %d descriptors that uid %" PRIu32
			" passed before do not answer; %s: see to their server (FUSE, NFS)",
			OFFLOAD_PER_UID, uid, x->nothing_done);
	return failure_from_errno(ret_failure, "looking at the descriptor", r, "");
}

int examine_token(struct bus *b, sd_bus_message *m, struct client *c, int token,
		  const struct examination *x, struct call *call, struct failure *ret_failure)
{
	int fd = -1, r = claim(b, m, token, c, &fd, ret_failure);

	return r ? r : examine(b, fd, x, call, ret_failure);
}

int examine_call(struct bus *b, sd_bus_message *m, struct client *c, int token,
		 const struct examination *x)
{
	struct failure f;
	struct call *call;
	int r = call_new(b, c, m, &call, &f);

	if (r)
		return refuse(m, r, &f);
	return end_call(call, examine_token(b, m, c, token, x, call, &f), &f);
}
