// SPDX-License-Identifier: GPL-2.0-or-later
/* check-connection.c - what a queue pair may do, and when it gives up. */
#include <errno.h>
#include <string.h>

#include "selftest/rig.h"
#include "selftest/selftest.h"
#include "util/clock.h"

#define BYTES 64
#define GIVE_UP_USEC UINT64_C(20000000)

/* Zero: nothing came. */
static bool is_untouched(const struct rig_memory *m)
{
	for (size_t i = 0; i < BYTES; i++)
		if (m->at[i])
			return false;
	return true;
}

static int access_with(struct rig *r, struct rig_memory *m, unsigned int rights,
		       enum ibv_wr_opcode opcode)
{
	struct rig_path path = { .rights = rights };

	memset(m->at, 0, BYTES);
	rig_pattern(r->local, BYTES, 1);
	return rig_transfer(r, &path, opcode, (uintptr_t)m->at, m->mr->rkey, BYTES);
}

/* An access that has to be refused; *@ret: it was. Negative: it has not ended, so nobody knows. */
static int try_refused(struct rig *r, struct rig_memory *m, unsigned int rights,
		       enum ibv_wr_opcode opcode, bool *ret)
{
	int status = access_with(r, m, rights, opcode);

	if (status < 0)
		return status;
	*ret = *ret && status != IBV_WC_SUCCESS && is_untouched(m);
	return 0;
}

void check_rights(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct rig_memory all = { .fd = -1 }, reading = { .fd = -1 };
	bool queue_pair = true, region = true;
	int status = rig_map(r, &all, NULL, 1, RIG_RIGHTS);

	(void)s;
	if (status == 0)
		status = rig_map(r, &reading, NULL, 1, IBV_ACCESS_REMOTE_READ);
	if (status == 0)
		status = access_with(r, &all, RIG_RIGHTS, IBV_WR_RDMA_WRITE);
	if (status == 0)
		status = access_with(r, &all, IBV_ACCESS_REMOTE_READ, IBV_WR_RDMA_READ);
	if (status == 0)
		status = try_refused(r, &all, IBV_ACCESS_REMOTE_READ, IBV_WR_RDMA_WRITE,
				     &queue_pair);
	if (status == 0)
		status = try_refused(r, &all, RIG_NO_RIGHTS, IBV_WR_RDMA_WRITE, &queue_pair);
	if (status == 0)
		status = try_refused(r, &all, RIG_NO_RIGHTS, IBV_WR_RDMA_READ, &queue_pair);
	if (status == 0)
		status = try_refused(r, &reading, RIG_RIGHTS, IBV_WR_RDMA_WRITE, &region);
	rig_unmap(r, &reading);
	rig_unmap(r, &all);
	if (status)
		finding_set(f, VERDICT_NOT_RUN,
			    "an access does not get through, or does not end: %s",
			    rig_status(status));
	else if (!region)
		finding_set(f, VERDICT_FAILED,
			    "a memory region that is for reading can be written");
	else if (!queue_pair)
		finding_set(
			f, VERDICT_QUIRK,
			"queue pairs do more than they may: tickets allow all that their region does, or are refused");
	else
		finding_set(f, VERDICT_OK,
			    "queue pairs and memory regions refuse what they have no right to");
}

/* How long it took until @wanted came. */
static void judge(struct finding *f, int status, enum ibv_wc_status wanted, uint64_t since_usec,
		  const char *who)
{
	uint64_t msec = (now_monotonic_usec() - since_usec) / USEC_PER_MSEC;

	f->value = (uint32_t)msec;
	if (status == -ETIMEDOUT)
		finding_set(f, VERDICT_FAILED, "%s is not given up within %u seconds", who,
			    (unsigned int)(GIVE_UP_USEC / USEC_PER_SEC));
	else if (status < 0)
		finding_set(f, VERDICT_NOT_RUN, "not posted: %s", rig_status(status));
	else if (status == IBV_WC_SUCCESS)
		finding_set(f, VERDICT_FAILED, "%s is reported as success", who);
	else if (status != (int)wanted)
		finding_set(f, VERDICT_QUIRK, "%s ends after %u ms, as \"%s\"", who, f->value,
			    rig_status(status));
	else
		finding_set(f, VERDICT_OK, "%s is given up after %u ms", who, f->value);
}

void check_rnr(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct rig_path path = { .rnr_retry = 3 };
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	uint64_t since = now_monotonic_usec();
	int status = rig_connect(r, 0, &path);

	(void)s;
	if (status == 0)
		status = rig_execute(r, r->near[0], &wr, BYTES, GIVE_UP_USEC);
	judge(f, status, IBV_WC_RNR_RETRY_EXC_ERR, since,
	      "a receiver that is never ready (timer 0.64 ms, 3 retries)");
}

void check_silence(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct ibv_qp_attr reset = { .qp_state = IBV_QPS_RESET };
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND };
	uint64_t since;
	int status = rig_connect(r, 0, NULL);

	(void)s;
	if (status == 0 && ibv_modify_qp(r->far[0], &reset, IBV_QP_STATE))
		status = -EIO;
	since = now_monotonic_usec();
	if (status == 0)
		status = rig_execute(r, r->near[0], &wr, BYTES, GIVE_UP_USEC);
	judge(f, status, IBV_WC_RETRY_EXC_ERR, since,
	      "a peer that never answers (timeout 67 ms, 6 retries)");
}
