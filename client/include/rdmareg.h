/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg.h - the public interface of librdmareg, and its manual. It is one header for programs;
 * its parts are files of their own, to be read as they are needed:
 *
 *   rdmareg-words.h   the enumerations, and the word for each member
 *   rdmareg-owner.h   make ranges of files reachable, find them, change them, take them down
 *   rdmareg-holder.h  hear of revocations, answer them; use a region that somebody else registered
 *   rdmareg-session.h sessions that a launcher makes for a user, with limits, released as a whole
 *   rdmareg-history.h what happened, and why
 *   rdmareg-job.h     a long prefetch: its progress, giving it up
 *   rdmareg-demand.h  want blocks back: close a region, make it durable, clear a filesystem
 *   rdmareg-device.h  what this machine has that regions can be made of
 *   rdmareg-keeper.h  the processes that have the regions
 *   rdmareg-standing.h regions that are made again after a reboot or a loss
 *   rdmareg-import.h  use a region on the same machine through the adapter (mlx5)
 *   rdmareg-launch.h  for root's programs that act for users: open a file with a user's rights
 *   rdmareg-peer.h    reach a region from another machine
 *   rdmareg-rails.h   the same over several RDMA devices of that machine
 *
 * The library has two halves that know nothing of each other:
 *
 *   owner side  A program that has a file asks rdmaregd, over D-Bus, to make a range of it
 *               reachable for remote peers. The pages are never pinned, so the filesystem can take
 *               blocks back; the owner is told first, and answers.
 *   peer side   A program on another machine that was given a ticket connects with RDMA CM and
 *               reads and writes that range with one-sided operations. It needs no daemon of its
 *               own.
 *
 * What always holds:
 *   - A function that can fail returns 0 or more for success and a negative errno value for
 *     failure. A failing call has no effect on its ret_ arguments, and leaves a sentence in
 *     rdmareg_last_error(): what was asked, what is the matter, what to do.
 *   - Lengths and offsets are bytes. Times end in _usec and are microseconds; points in time are
 *     CLOCK_MONOTONIC unless it is said otherwise.
 *   - A structure begins with a member `size`, which the caller sets to sizeof of the structure;
 *     later versions add members at its end. Members that are zero mean the default. A NULL options
 *     pointer means all defaults. E2BIG: a member that this version of the library does not know,
 *     or one that is called reserved, is not zero: initialise the whole structure ({ .size =
 *     sizeof(o), ... }). EINVAL: size is too small. No structure has padding, so that each byte of
 *     it belongs to a member.
 *   - EINVAL: an argument that has to be given is NULL.
 *   - An object (context, region, list, peer, buffer) may be used by any thread, by one at a time.
 *     Objects of different contexts or peers may be used at the same time. A child process made by
 *     fork(2) must not use its parent's objects.
 *   - Functions named _close and _free accept NULL, always succeed and return NULL: c =
 *     rdmareg_close(c).
 */
#ifndef RDMAREG_H
#define RDMAREG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg;		/* a connection to rdmaregd */
struct rdmareg_region;	/* a region as this context knows it */
struct rdmareg_list;	/* a walk over regions */
struct rdmareg_history; /* events of regions */
struct rdmareg_holders; /* a walk over those who use a file */
struct rdmareg_peer;	/* a connection to a region on another machine */
struct rdmareg_buffer;	/* the caller's own memory, registered with a peer's adapter */

/*
 * rdmareg_last_error: the sentence of the calling thread's last failing call into this library; ""
 * before the first. Valid until that thread's next failing call. Successful calls leave it alone.
 */
const char *rdmareg_last_error(void);

/*
 * rdmareg_last_error_name: the D-Bus error name of that failure, e.g.
 * "org.rdmareg.Registry1.Error.LimitExceeded"; "" when it did not come from the bus. Valid as
 * rdmareg_last_error().
 *
 * The errno values of Registry1's own errors: InvalidFile EBADF, InvalidRange ERANGE, InvalidOption
 * EINVAL, AccessDenied EACCES, LimitExceeded EDQUOT, NoSuchRegion ENOENT, NoSuchRevocation ESTALE,
 * NoSuchJob ESRCH, NoSuchSession ENXIO, SessionExists EEXIST, NameTaken ENOTUNIQ, NoAdapter ENODEV,
 * Busy EBUSY, Timeout ETIME, NotSupported EOPNOTSUPP, KeeperLost EOWNERDEAD, Failed EIO. Of every
 * call over the bus besides:
 * EHOSTUNREACH rdmaregd is not running and could not be started; ETIMEDOUT no answer in time (ETIME
 * is rdmaregd's own answer that a limit was met); EACCES the bus does not let this user talk to it;
 * EOPNOTSUPP an rdmaregd too old for the request; ENOTCONN the connection to the bus is gone, make
 * a new context; EBADMSG an answer that is not understood; ECHILD the context is the parent process's;
 * ENOMEM.
 */
const char *rdmareg_last_error_name(void);

#ifdef __cplusplus
}
#endif

#include "rdmareg-words.h"

#include "rdmareg-owner.h"

#include "rdmareg-holder.h"

#include "rdmareg-session.h"

#include "rdmareg-job.h"

#include "rdmareg-demand.h"

#include "rdmareg-device.h"

#include "rdmareg-history.h"

#include "rdmareg-keeper.h"

#include "rdmareg-import.h"
#include "rdmareg-launch.h"
#include "rdmareg-operate.h"

#include "rdmareg-peer.h"

#include "rdmareg-rails.h"

#include "rdmareg-standing.h"

#endif
