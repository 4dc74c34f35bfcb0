/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verbs-import.h - a verbs context made from another's command descriptor, for the keeper, which
 * tries whether its adapter can, and for librdmareg.
 *
 * ibv_import_device(3) takes its descriptor over where the driver has import, and leaves it alone
 * where it fails earlier, and does not say which it was. What always holds here: the caller's
 * descriptor stays the caller's, and no descriptor is left over. To find out who closed the
 * duplicate, it gets a number that no other thread's open(2) is given meanwhile: those are the
 * lowest free ones.
 */
#ifndef RDMAREG_VERBS_IMPORT_H
#define RDMAREG_VERBS_IMPORT_H

#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERBS_IMPORT_HIGH 500

/*
 * @fd: cmd_fd of a context. @ret: to be given to ibv_close_device().
 * -EOPNOTSUPP: the driver cannot; -EINVAL: no verbs device at all; -ENODEV: of a device that is not
 * there; else what the driver says.
 */
static inline int verbs_import_context(int fd, struct ibv_context **ret)
{
	struct stat given, left;
	struct ibv_context *context;
	int copy, error;

	if (fstat(fd, &given) < 0)
		return -errno;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, VERBS_IMPORT_HIGH);
	if (copy < 0 && errno == EINVAL) /* a very low RLIMIT_NOFILE */
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	errno = 0;
	context = ibv_import_device(copy);
	if (context) {
		*ret = context;
		return 0;
	}
	error = errno > 0 ? -errno : -EIO;
	if (fstat(copy, &left) == 0 && left.st_dev == given.st_dev && left.st_ino == given.st_ino)
		close(copy);
	return error;
}

#endif
