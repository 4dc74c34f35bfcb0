/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reason.h - the sentence that goes with an error: what was asked, what is the matter, what to do.
 *
 * Functions of the keeper return 0 or a negative errno and, where a person will read about it, fill
 * a struct reason. The errno is the daemon's to branch on (KEEPER_DONE), the text is for people:
 *
 *   EBADF   not a file a region can be made of       EDQUOT  a limit of the tenant is reached
 *   ERANGE  unaligned, empty, overflowing range      ENXIO   no RDMA device with on-demand paging
 *   EACCES  more access than the descriptor has      EBUSY   not now: a revocation or a release is
 *   going on ENOENT  no such region                           ESTALE  that revocation is over
 *   EEXIST  a region of that number is there         EMSGSIZE  the RDMA MTU is too small for this
 *   adapter
 */
#ifndef RDMAREG_KEEPER_REASON_H
#define RDMAREG_KEEPER_REASON_H

#include "keeper-protocol.h"

struct reason {
	char text[KEEPER_TEXT_MAX];
};

/* Fills @why (may be NULL) and returns @error, so that a function can end with it. */
int reason_set(struct reason *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
