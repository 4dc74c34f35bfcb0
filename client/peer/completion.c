// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * completion.c - what the statuses of failed operations mean to a program that knows of files and
 * not of queue pairs.
 */
#include "peer.h"
#include "util.h"

int completion_errno(enum ibv_wc_status status, bool revocation_asked, bool has_grace,
		     const char **ret_text)
{
	switch (status) {
	case IBV_WC_REM_ACCESS_ERR:
		if (revocation_asked && !has_grace) {
			*ret_text =
				"the range was fenced by a revocation, and this region waits for nobody (policy "
				"follow, or a grace of 0); connect again";
			return ESTALE;
		}
		if (revocation_asked) {
			*ret_text =
				"the range was fenced because a revocation was not acknowledged in time; "
				"acknowledge sooner, or ask for a longer grace, and connect again";
			return ESTALE;
		}
		*ret_text =
			"the remote adapter refused the access: the range was fenced, "
			"the file became shorter, its filesystem is full, its storage or memory failed, or the "
			"region's keeper died; connect again to see, or ask on that machine: rdmaregctl prefetch --write";
		return EACCES;
	case IBV_WC_REM_INV_REQ_ERR:
		*ret_text = "the remote adapter calls the request invalid: the region does "
			    "not allow this operation";
		return EPROTO;
	case IBV_WC_REM_OP_ERR:
		*ret_text = "the remote adapter could not carry it out: the file's page "
			    "could not be had, for want of space or memory "
			    "or because of a disk error there";
		return EREMOTEIO;
	case IBV_WC_RETRY_EXC_ERR:
	case IBV_WC_RESP_TIMEOUT_ERR:
		*ret_text = "the other machine stopped answering; check it and the network between";
		return ETIMEDOUT;
	case IBV_WC_RNR_RETRY_EXC_ERR:
		*ret_text = "the other side takes no messages: its keeper is overloaded or stopped";
		return ETIMEDOUT;
	case IBV_WC_WR_FLUSH_ERR:
	case IBV_WC_REM_ABORT_ERR:
		*ret_text =
			"the connection was taken down: the other side ended it, or a link failed";
		return ECONNRESET;
	case IBV_WC_LOC_PROT_ERR:
	case IBV_WC_LOC_ACCESS_ERR:
		*ret_text = "this machine's adapter may not use the local memory: is it "
			    "still mapped, and writable if read into?";
		return EFAULT;
	case IBV_WC_LOC_LEN_ERR:
		*ret_text = "a message has another size than this protocol's: the two "
			    "machines run different versions of rdmareg";
		return EPROTO;
	default:
		*ret_text = "this machine's adapter failed; see the kernel's log";
		return EIO;
	}
}
