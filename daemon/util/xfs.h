/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xfs.h - what an XFS was made with, as its own ioctl(2) says. Other filesystems, and one that
 * cannot be asked, have nothing of it.
 */
#ifndef RDMAREG_XFS_H
#define RDMAREG_XFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* XFS_IOC_FSGEOMETRY_V1 (man 2 ioctl_xfs_fsgeometry); only the flags are of interest. */
struct xfs_geometry {
	uint32_t sizes[8];
	uint64_t counts[4];
	uint8_t uuid[16];
	uint32_t stripe[2];
	int32_t version;
	uint32_t flags;
	uint32_t more[3];
};
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_GEOMETRY_REFLINK (1u << 20)

/*
 * Was it made so that files can never share blocks (mkfs.xfs -m reflink=0)? @fd: any file or
 * directory of it.
 */
static inline bool xfs_has_no_reflink(int fd)
{
	struct xfs_geometry g = { 0 };

	return ioctl(fd, XFS_GEOMETRY, &g) == 0 && !(g.flags & XFS_GEOMETRY_REFLINK);
}

#endif
