/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-operate.h - owner side: running the machine rather than a region. Part of rdmareg.h.
 *
 * What always holds: what is drained stays as it is; only what would be new is refused.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_OPERATE_H
#define RDMAREG_OPERATE_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * rdmareg_drain: have rdmaregd register and create nothing new on this machine. What exists goes
 * on. It lasts until rdmareg_undrain() or the end of the machine, also while rdmaregd is started
 * again. Who registers meanwhile gets EBUSY and the reason.
 * @reason: for people, at most 256 bytes. NULL: none is given.
 *
 * EINVAL: the reason is longer, or not UTF-8. EIO: it cannot be recorded; nothing has changed.
 * EACCES: this user is not root (nor the one rdmaregd runs as) and has no polkit authorization
 * org.rdmareg.Registry1.drain.
 */
int rdmareg_drain(struct rdmareg *c, const char *reason);

/* rdmareg_undrain: register again. Fine if it is not drained. EIO, EACCES: as rdmareg_drain(). */
int rdmareg_undrain(struct rdmareg *c);

#ifdef __cplusplus
}
#endif

#endif
