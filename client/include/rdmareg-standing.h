/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-standing.h - regions that are made again after a reboot or a loss: those that were
 * registered with option standing. Part of rdmareg.h.
 *
 * What always holds: a record is kept by rdmaregd until its region was released, or it is removed;
 * the file is opened by a process of its user, never by rdmaregd. A region that was made again has
 * its name, and another number, other keys and no ticket.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_STANDING_H
#define RDMAREG_STANDING_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_standings; /* a walk over them */

/* Strings are never NULL, and valid until the walk is freed. */
struct rdmareg_standing {
	size_t size;
	const char *session; /* with uid and name: which one it is */
	const char *name;
	const char *
		path; /* of the file when it was registered: open it to have the region made again */
	const char *why; /* why it is not there, and what comes next; "": nothing is known */
	uint64_t offset;
	uint64_t length;
	uint64_t region; /* its number now; 0: it is not there */
	enum rdmareg_access access;
	uint32_t uid;
};

struct rdmareg_standing_options {
	size_t size;
	uint32_t uid;	 /* with has_uid: only this user's */
	uint8_t has_uid; /* 1: @uid counts */
	uint8_t waiting; /* 1: only those that are not there */
	uint8_t due; /* 1: only those that are not there and are made again without being asked for */
	uint8_t reserved[1];
};

/*
 * rdmareg_list_standing: ask for the standing regions. @options: NULL: all that this user may see,
 * which are its own; root sees everybody's.
 * @ret: freed with rdmareg_standings_free(). EOPNOTSUPP: this rdmaregd has none.
 */
int rdmareg_list_standing(struct rdmareg *c, const struct rdmareg_standing_options *options,
			  struct rdmareg_standings **ret);

/* rdmareg_standings_next: 1 and the next one in @standing, or 0 at the end. */
int rdmareg_standings_next(struct rdmareg_standings *l, struct rdmareg_standing *standing);
struct rdmareg_standings *rdmareg_standings_free(struct rdmareg_standings *l);

/*
 * rdmareg_restore_standing: make one of this user's regions again that is not there.
 * @session: NULL: "default". @name: of the region. @fd: its file, opened as its access needs it.
 * @ret: a handle, freed with rdmareg_region_free(). May be NULL.
 *
 * ENOENT: there is no such record. ENOTUNIQ: the region is there, or another one has its name.
 * EBADF: @fd is not the file that was registered. Others as of rdmareg_register().
 */
int rdmareg_restore_standing(struct rdmareg *c, const char *session, const char *name, int fd,
			     struct rdmareg_region **ret);

/*
 * rdmareg_remove_standing: it is not to be made again. A region that is there goes on.
 * @uid: whose it is; (uint32_t)-1: the calling process's effective user. @session: NULL: "default".
 *
 * ENOENT: there is no such record of a user that this one may see. ETIMEDOUT, EIO: its record is not
 * removed (yet), as the message says.
 */
int rdmareg_remove_standing(struct rdmareg *c, uint32_t uid, const char *session, const char *name);

#ifdef __cplusplus
}
#endif

#endif
