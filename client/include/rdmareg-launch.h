/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-launch.h - for programs that are root and act for users, such as a batch scheduler: files
 * are opened with the rights of the user whose job wants them. Part of rdmareg.h.
 *
 * What always holds: nothing here needs a connection, or rdmaregd.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_LAUNCH_H
#define RDMAREG_LAUNCH_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_open_as_options {
	size_t size;
	uint64_t timeout_usec;	/* longest wait for the filesystem; default 10 s, at most an hour */
	const uint32_t *groups; /* with @has_groups: the supplementary ones */
	uint32_t n_groups;
	uint32_t gid; /* with @has_groups: the primary group */
	/*
	 * 1: @gid and @groups are the user's, who needs no account. Default: those of the account,
	 * which the name service is asked for; that can take as long as the name service does
	 */
	uint8_t has_groups;
	uint8_t reserved[7];
};

/*
 * rdmareg_open_as: open an existing file with the rights of a user, in a process of its own, which
 * passes the descriptor back. For root; others may name themselves, and have the limit in time. It
 * may be called in any thread, and leaves no child behind: the process is killed when the call
 * returns. One that a FUSE server holds ends with that server. If the caller is a subreaper
 * (prctl(2)), the process is its child: then the call waits for its end, and only after ETIMEDOUT
 * the caller may have to.
 * @path: also through symbolic links, as far as that user may follow them, and in the mount
 * 	namespace of the caller.
 * @flags: an access mode, and any of O_CLOEXEC, O_NOFOLLOW, O_NOATIME, O_DIRECT, O_SYNC, O_DSYNC and
 * 	O_LARGEFILE.
 * @ret_fd: a regular file or character device, close-on-exec. What is done with it may wait for
 * 	its filesystem; rdmareg_register() does not.
 *
 * ETIMEDOUT: the filesystem has not answered in time, or that of another file that the caller has
 * open: the new process closes its copies of the caller's descriptors first. A launcher for many
 * users keeps none of their files open while it opens others', or has a process for each job. EPERM: another user, and the caller is not
 * root. ESRCH: no such account. EBADF: neither a regular file nor a character device. ECANCELED: the
 * process was ended meanwhile, which the user can do. EINVAL: a flag, or an option. E2BIG: more than
 * 65536 groups. Else what open(2) says, such as ENOENT and EACCES.
 */
int rdmareg_open_as(uint32_t uid, const char *path, int flags,
		    const struct rdmareg_open_as_options *options, int *ret_fd);

#ifdef __cplusplus
}
#endif

#endif
