// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * cause.c - why an operation failed over there. All that an adapter says is that it did, and
 * the connection is over with that; so the keeper is asked, by a connection request that is never
 * accepted (WIRE_ASKS_CAUSE).
 *
 * What always holds: a keeper that is older, does not answer or cannot tell leaves the errno and
 * the sentence of the completion. Where nothing listens any more the keeper is gone: that is
 * ECONNRESET. One that answers has not died, and its region was not released.
 */
#include "cm.h"
#include "operations.h"
#include "util.h"
#include "wire.h"

#define ASK_USEC (5 * USEC_PER_SEC) /* a question: the keeper answers within two */

int cause_errno(uint16_t cause, const char **ret_text)
{
	static const struct {
		int error;
		const char *text;
	} causes[] = {
		[WIRE_CAUSE_AVAILABLE] = { EACCES,
					   "the remote adapter refused the access, and nothing is the matter now: the range "
					   "was fenced, or what was missing is there again; connect again" },
		[WIRE_CAUSE_FENCED] = { EACCES,
					"the range is fenced by a revocation; connect again and wait for its settling" },
		[WIRE_CAUSE_LENGTH] = { EACCES,
					"the file has become shorter; connect again for its length" },
		[WIRE_CAUSE_NO_SPACE] = { ENOSPC,
					  "the filesystem there has no space left for a hole that was written: make "
					  "room there, then connect again" },
		[WIRE_CAUSE_QUOTA] = { EDQUOT,
				       "the filesystem there gives no block for a hole although it has space: most likely a "
				       "quota of the file's owner is used up; connect again when that is settled" },
		[WIRE_CAUSE_READ_ONLY] = { EROFS,
					   "the filesystem there is read-only now; see that machine's kernel log" },
		[WIRE_CAUSE_STORAGE] = { EREMOTEIO,
					 "the storage there failed, or its filesystem was shut down; see that machine's "
					 "kernel log" },
		[WIRE_CAUSE_MEMORY] = { ENOMEM,
					"that machine has no memory left for the page, or none that the keeper's control "
					"group allows (MemoryMax= of the tenant's slice there)" },
		[WIRE_CAUSE_POISON] = { EHWPOISON,
					"memory failed there; restore that range of the file, then connect again" },
		[WIRE_CAUSE_SILENT] = { EREMOTEIO,
					"the storage there does not answer; see that machine's kernel log" },
	};

	if (cause >= ARRAY_SIZE(causes) || !causes[cause].error)
		return 0;
	*ret_text = causes[cause].text;
	return causes[cause].error;
}

/* What @p is connected to is asked why an access failed. 0: @ret is set; no sentence is of use. */
static int ask(const struct rdmareg_peer *p, const struct wire_connect *question,
	       struct wire_reject *ret)
{
	struct rdma_conn_param param = { .private_data = question,
					 .private_data_len = sizeof(*question),
					 .retry_count = 6 };
	struct sockaddr_storage source = *(struct sockaddr_storage *)rdma_get_local_addr(p->id);
	struct rdma_event_channel *channel = rdma_create_event_channel();
	struct rdma_cm_id *id = NULL;
	uint64_t usec = p->options.connect_timeout_usec, deadline;
	struct rdma_cm_event *e;
	int r;

	if (!channel)
		return -errno;
	/* the host is known: any port of ours */
	if (source.ss_family == AF_INET)
		((struct sockaddr_in *)&source)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&source)->sin6_port = 0;
	deadline = add_saturating(clock_usec(CLOCK_MONOTONIC), usec < ASK_USEC ? usec : ASK_USEC);
	r = cm_set_nonblocking(channel->fd);
	if (r >= 0)
		r = cm_resolve(channel, (struct sockaddr *)&source, rdma_get_peer_addr(p->id),
			       deadline, &id);
	/*
	 * nothing is ever sent over it: there is no queue pair, and none of that number is asked
	 * for
	 */
	if (r >= 0 && rdma_connect(id, &param))
		r = -errno;
	if (r >= 0)
		r = cm_wait(channel, RDMA_CM_EVENT_REJECTED, deadline, &e);
	if (r >= 0) {
		r = wire_get_reject(e->param.conn.private_data, e->param.conn.private_data_len,
				    ret);
		if (r < 0 && e->status == CM_REJECT_NO_LISTENER)
			r = -ECONNREFUSED;
		rdma_ack_cm_event(e);
	}
	if (id)
		rdma_destroy_id(id);
	rdma_destroy_event_channel(channel);
	return r;
}

int cause_find(struct rdmareg_peer *p, int error, const char **text)
{
	struct wire_connect question;
	uint64_t offset, length;
	struct wire_reject j;
	const char *why = NULL;
	int r, found = 0;
	bool write;

	if (!operations_in_flight(p, &offset, &length, &write))
		return error;
	wire_put_question(&question, write ? WIRE_RIGHT_WRITE : WIRE_RIGHT_READ, p->region,
			  p->token, offset, length);
	r = ask(p, &question, &j);
	explicit_bzero(&question, sizeof(question));
	if (r == -ECONNREFUSED) {
		*text = "the region's keeper is gone, and the region with it";
		return ECONNRESET;
	}
	if (r >= 0 && j.reason == WIRE_EXPLAINED)
		found = cause_errno(j.cause, &why);
	/* that nothing is the matter with the range does not say why a connection was ended */
	if (error == ECONNRESET && r >= 0 && j.reason == WIRE_EXPLAINED &&
	    (!found || j.cause == WIRE_CAUSE_AVAILABLE)) {
		*text = "the connection was taken down by the other side or by a link that failed, while the region and "
			"its keeper are there; connect again";
		return error;
	}
	if (!found)
		return error;
	*text = why;
	return found;
}
