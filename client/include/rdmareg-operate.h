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

struct rdmareg_status; /* a walk over the values of an answer */

/*
 * One value. Strings are never NULL, and valid until the walk is freed. A reader leaves out keys,
 * lists and types that it does not know: more may come.
 */
struct rdmareg_status_value {
	size_t size;
	const char *key;  /* as the interface has it: "version", "uptime_usec", ... */
	const char *list; /* "": of the machine; else which list it is of: "limits", "problems" */
	const char *text; /* of type 's' */
	uint64_t number;  /* of type 't'; of 'b': 0 or 1 */
	uint32_t entry;	  /* of a list: which one, from 0; those of one entry come together */
	char type;	  /* 's', 't' or 'b' */
	uint8_t reserved[3];
};

/*
 * rdmareg_get_status, rdmareg_status_free: what rdmaregd and the kernel offer, what is in use, and what needs somebody,
 * as far as this user may see it. GetStatus in org.rdmareg.Registry1.Manager.xml describes each
 * value.
 * @ret: freed with rdmareg_status_free().
 */
int rdmareg_get_status(struct rdmareg *c, struct rdmareg_status **ret);

/* rdmareg_status_next: 1 and the next one in @value (size set by the caller), or 0 at the end. */
int rdmareg_status_next(struct rdmareg_status *s, struct rdmareg_status_value *value);
struct rdmareg_status *rdmareg_status_free(struct rdmareg_status *s);

/* rdmareg_undrain: register again. Fine if it is not drained. EIO, EACCES: as rdmareg_drain(). */
int rdmareg_undrain(struct rdmareg *c);

#ifdef __cplusplus
}
#endif

#endif
